//! Somebody else who holds the database.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

/// A connection of its own with an exclusive transaction open; nobody else can write until it is dropped.
pub struct Locked {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
}

impl Locked {
    /// Takes the lock.
    pub fn new(database: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let options = SqliteConnectOptions::new().filename(database);
        let connection = runtime.block_on(async {
            let mut connection = options.connect().await.expect("the database is there");
            sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut connection).await.expect("the lock is free");
            connection
        });
        Self { runtime, connection: Some(connection) }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Closing it ends the transaction; a failure leaves nothing to do.
            let _ = self.runtime.block_on(connection.close());
        }
    }
}
