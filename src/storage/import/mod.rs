//! [io] CSV files into the database: customers, agents, lines, contacts, shifts, holidays.
//!
//! A file is read, decoded and checked whole before the database is touched; then everything is written in
//! one transaction. Any fault, and nothing is written. Memory is bounded by the size of the file
//! ([`FILE_BYTES`]).

mod agents;
mod cells;
mod contacts;
mod customers;
mod decode;
mod fault;
mod lines;
mod rows;
mod shifts;
mod writing;

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

pub use fault::{FAULTS_SHOWN, Fault, Faults};

use self::agents::Agents;
use self::contacts::Contacts;
use self::customers::Customers;
use self::lines::Lines;
use self::rows::Findings;
use self::shifts::{OwnHolidays, Shifts};
use self::writing::{Counts, Progress};
use super::audit::{self, AuditRow};
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
    /// Working hours of agents and teams.
    Shifts,
    /// Holidays of the house beside the public ones.
    Holidays,
}

impl Table {
    /// The word of the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Agents => "agents",
            Self::Lines => "lines",
            Self::Contacts => "contacts",
            Self::Shifts => "shifts",
            Self::Holidays => "holidays",
        }
    }
}

/// A number of a cell as the cleaner reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportedNumber {
    /// The key; absent when the number could not be read or has none (short codes, extensions).
    pub e164: Option<String>,
    /// As people read it; of a cell with one number, what stands in the file.
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
    /// Imports a file: rows are inserted or updated by `id` (`number` for lines, contacts are added when they
    /// are not there yet), in one transaction. `now` dates new notices and presence; `progress` is told rows
    /// written and rows in all. There is no time-out: a large file takes seconds.
    ///
    /// # Errors
    /// [`ImportError::Faults`] with every fault of the file; [`ImportError::Storage`] when the database
    /// fails.
    pub async fn import(
        &self,
        table: Table,
        file: &[u8],
        normalise: Normalise<'_>,
        now: Timestamp,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<ImportReport, ImportError> {
        let mut findings = Findings::default();
        let parsed = parse(table, file, normalise, &mut findings);
        let Some(parsed) = parsed else { return Err(ImportError::Faults(findings.faults)) };
        let mut connection = self.writer().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(StorageError::from)?;
        parsed.check(&mut transaction, &mut findings).await?;
        if findings.faults.total > 0 {
            return Err(ImportError::Faults(findings.faults.by_line()));
        }
        let counts = parsed.write(&mut transaction, now, progress, &mut findings).await?;
        let row = AuditRow {
            at: now,
            user: "import".to_owned(),
            action: "data.imported".to_owned(),
            subject: table.as_str().to_owned(),
            detail: format!("{} new, {} known", counts.new, counts.known),
        };
        audit::add(&mut transaction, &row).await?;
        transaction.commit().await.map_err(StorageError::from)?;
        Ok(ImportReport {
            rows: parsed.count() as u64,
            new: counts.new,
            known: counts.known,
            warnings: findings.warnings.by_line(),
        })
    }
}

/// The rows of a file, checked as far as they can be without the database.
enum Parsed {
    Customers(Customers),
    Agents(Agents),
    Lines(Lines),
    Contacts(Contacts),
    Shifts(Shifts),
    Holidays(OwnHolidays),
}

fn parse(table: Table, file: &[u8], normalise: Normalise<'_>, findings: &mut Findings) -> Option<Parsed> {
    if file.len() as u64 > FILE_BYTES {
        let wrong = format!("the file has {} octets, at most {FILE_BYTES} are read", file.len());
        findings.faults.push(Fault::row(1, wrong, "import it in parts"));
        return None;
    }
    let text = match decode::decode(file) {
        Ok(text) => text,
        Err(fault) => {
            findings.faults.push(fault);
            return None;
        }
    };
    match table {
        Table::Customers => customers::parse(&text, normalise, findings).map(Parsed::Customers),
        Table::Agents => agents::parse(&text, findings).map(Parsed::Agents),
        Table::Lines => lines::parse(&text, normalise, findings).map(Parsed::Lines),
        Table::Contacts => contacts::parse(&text, findings).map(Parsed::Contacts),
        Table::Shifts => shifts::parse(&text, findings).map(Parsed::Shifts),
        Table::Holidays => shifts::parse_holidays(&text, findings).map(Parsed::Holidays),
    }
}

impl Parsed {
    fn count(&self) -> usize {
        match self {
            Self::Customers(customers) => customers.count(),
            Self::Agents(agents) => agents.count(),
            Self::Lines(lines) => lines.count(),
            Self::Contacts(contacts) => contacts.count(),
            Self::Shifts(shifts) => shifts.count(),
            Self::Holidays(holidays) => holidays.count(),
        }
    }

    async fn check(
        &self,
        connection: &mut SqliteConnection,
        findings: &mut Findings,
    ) -> Result<(), StorageError> {
        match self {
            Self::Customers(customers) => customers.check(connection, findings).await,
            Self::Contacts(contacts) => contacts.check(connection, findings).await,
            Self::Shifts(shifts) => shifts.check(connection, findings).await,
            Self::Agents(_) | Self::Lines(_) | Self::Holidays(_) => Ok(()),
        }
    }

    async fn write(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        progress: Progress<'_>,
        findings: &mut Findings,
    ) -> Result<Counts, StorageError> {
        match self {
            Self::Customers(customers) => customers.write(connection, now, progress).await,
            Self::Agents(agents) => agents.write(connection, now, progress, findings).await,
            Self::Lines(lines) => lines.write(connection, progress).await,
            Self::Contacts(contacts) => contacts.write(connection, progress).await,
            Self::Shifts(shifts) => shifts.write(connection, progress).await,
            Self::Holidays(holidays) => holidays.write(connection, progress).await,
        }
    }
}

#[cfg(test)]
mod tests;
