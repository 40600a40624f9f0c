//! Somebody else who holds the database.

use std::fs::{File, OpenOptions};
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

/// Where SQLite's WAL index has its locks of writer, checkpoint, recovery and the five of readers ("WAL-mode
/// file format", §2.3.1).
const WAL_LOCKS: (libc::off_t, libc::off_t) = (120, 8);

/// A connection of its own with an exclusive transaction open; nobody else can write until it is dropped.
pub struct Locked {
    runtime: Runtime,
    connection: Option<SqliteConnection>,
    /// Closing it frees the readers.
    _index: Option<File>,
}

impl Locked {
    /// Keeps everybody else from writing. In WAL mode reading goes on.
    pub fn for_writers(database: &Path) -> Self {
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
        Self { runtime, connection: Some(connection), _index: None }
    }

    /// Keeps every other process from reading too, as a hung network file system would. A query then hangs
    /// for some ten seconds and fails.
    pub fn for_everybody(database: &Path) -> Self {
        let mut locked = Self::for_writers(database);
        let index = format!("{}-shm", database.display());
        // Without that file the database is not in WAL mode, and the exclusive transaction keeps readers out.
        if let Ok(file) = OpenOptions::new().read(true).write(true).open(index) {
            let (start, length) = WAL_LOCKS;
            let lock = libc::flock {
                l_type: libc::F_WRLCK as libc::c_short,
                l_whence: libc::SEEK_SET as libc::c_short,
                l_start: start,
                l_len: length,
                l_pid: 0,
            };
            fcntl(&file, FcntlArg::F_SETLKW(&lock)).expect("readers let go between two queries");
            locked._index = Some(file);
        }
        locked
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
