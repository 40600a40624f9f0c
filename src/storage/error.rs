//! What can go wrong between us and the database, sorted by what the caller can do about it.

use thiserror::Error;

use crate::customer::LookupFault;

/// Why the database gave no answer. No text here carries a telephone number, a name or a bound value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StorageError {
    /// The file is missing, cannot be opened, is full or read-only, or lacks its tables. It may come back.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else holds the lock and did not let go within the busy time-out. It may come back.
    #[error("the database is locked by another process")]
    Locked,
    /// No answer within the query time-out, or no free connection.
    #[error("the database did not answer in time")]
    Timeout,
    /// More look-ups wait than `max_queue`.
    #[error("too many look-ups are waiting for the database")]
    Overloaded,
    /// The file is no SQLite database, is damaged, or a row does not read as what it should be.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The schema could not be brought up to date, or is not.
    #[error("the database schema is not usable: {0}")]
    Migration(String),
    /// The URL names an engine that this build does not have.
    #[error("the database URL is not supported: {0}")]
    NotSupported(String),
    /// The row contradicts one that is there: a name taken, or a reference to nothing.
    #[error("the database refused the row: {0}")]
    Conflict(String),
    /// The caller's argument is unusable, for example a cursor that we did not make.
    #[error("unusable argument: {0}")]
    Invalid(String),
}

impl StorageError {
    /// Whether fresh connections may help, because these ones look at something that is no database of ours
    /// (any more).
    pub(super) fn suggests_reconnect(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Corrupt(_) => true,
            Self::Locked
            | Self::Timeout
            | Self::Overloaded
            | Self::Migration(_)
            | Self::NotSupported(_)
            | Self::Conflict(_)
            | Self::Invalid(_) => false,
        }
    }
}

impl From<&StorageError> for LookupFault {
    fn from(error: &StorageError) -> Self {
        match error {
            StorageError::Timeout => Self::Deadline,
            StorageError::Overloaded => Self::Overloaded,
            StorageError::Unavailable(_)
            | StorageError::Locked
            | StorageError::Corrupt(_)
            | StorageError::Migration(_)
            | StorageError::NotSupported(_)
            | StorageError::Conflict(_)
            | StorageError::Invalid(_) => Self::Down,
        }
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        if let Some(answer) = error.as_database_error() {
            let code = answer.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
            return from_sqlite_code(code, answer.message());
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "sqlx's enum is non-exhaustive and not ours")]
        match error {
            sqlx::Error::PoolTimedOut => Self::Timeout,
            sqlx::Error::Io(cause) => Self::Unavailable(cause.to_string()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. } => Self::Corrupt(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Sorts SQLite's result codes (the low octet of an extended code is the primary one).
fn from_sqlite_code(code: u32, message: &str) -> StorageError {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const CORRUPT: u32 = 11;
    const CONSTRAINT: u32 = 19;
    const NOT_A_DATABASE: u32 = 26;
    match code & 0xff {
        BUSY | LOCKED => StorageError::Locked,
        CORRUPT | NOT_A_DATABASE => StorageError::Corrupt(message.to_owned()),
        CONSTRAINT => StorageError::Conflict(message.to_owned()),
        _ => StorageError::Unavailable(message.to_owned()),
    }
}
