//! Who did what, and when. Rows are only ever added.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Storage, StorageError, words};

/// One row of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// The user's name; `import` and `system` for the machine.
    pub user: String,
    /// What was done, as `area.verb`, for example `presence.set`.
    pub action: String,
    /// To whom or what, for example an agent's id.
    pub subject: String,
    /// The rest, as text or JSON.
    pub detail: String,
}

impl Storage {
    /// Adds a row.
    ///
    /// # Errors
    /// As every write.
    pub async fn audit(&self, row: &AuditRow) -> Result<(), StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            add(&mut connection, row).await
        })
        .await
    }
}

/// Adds a row inside somebody's transaction.
pub(super) async fn add(connection: &mut SqliteConnection, row: &AuditRow) -> Result<(), StorageError> {
    sqlx::query("INSERT INTO audit (at, user_name, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(words::moment(row.at))
        .bind(&row.user)
        .bind(&row.action)
        .bind(&row.subject)
        .bind(&row.detail)
        .execute(connection)
        .await?;
    Ok(())
}
