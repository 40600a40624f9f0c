//! The contact history. Rows are added when they are not there yet, and never changed.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::fault::shown;
use super::rows::{self, Column, Findings, Row};
use super::writing::{self, BATCH, Counts, Progress};
use super::{Fault, cells};
use crate::customer::Direction;
use crate::storage::{StorageError, words};

const COLUMNS: &[Column] = &[
    Column { name: "customer", required: true },
    Column { name: "at", required: true },
    Column { name: "agent", required: true },
    Column { name: "direction", required: false },
    Column { name: "channel", required: false },
    Column { name: "summary", required: true },
    Column { name: "disposition", required: false },
];

/// The contacts of a file.
pub(super) struct Contacts {
    rows: Vec<Contact>,
}

struct Contact {
    line: u64,
    customer: String,
    at: Timestamp,
    agent: String,
    direction: Direction,
    channel: Option<String>,
    summary: String,
    disposition: Option<String>,
}

/// Reads the file; `None` when its header is unusable.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Contacts> {
    let mut contacts = Vec::new();
    rows::read(text, COLUMNS, findings, |row, findings| contacts.extend(parse_row(row, findings)))?;
    Some(Contacts { rows: contacts })
}

fn parse_row(row: &Row<'_>, findings: &mut Findings) -> Option<Contact> {
    let direction = cells::word(row, "direction", words::read_direction, "in or out", findings);
    let at = cells::moment(row, "at", findings);
    Some(Contact {
        line: row.line,
        customer: cells::id(row, "customer", findings)?,
        at: at?,
        agent: cells::id(row, "agent", findings)?,
        direction: direction.unwrap_or(Direction::In),
        channel: row.optional("channel"),
        summary: row.verbatim("summary").to_owned(),
        disposition: row.optional("disposition"),
    })
}

impl Contact {
    /// The same contact has the same fingerprint in every file.
    fn fingerprint(&self) -> String {
        let channel = self.channel.as_deref().unwrap_or_default();
        let (at, direction) = (words::moment(self.at), words::direction(self.direction));
        writing::fingerprint(&[&self.customer, &at, &self.agent, direction, channel, &self.summary])
    }
}

impl Contacts {
    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Checks the references to customers and agents.
    pub(super) async fn check(
        &self,
        connection: &mut SqliteConnection,
        findings: &mut Findings,
    ) -> Result<(), StorageError> {
        let agents = writing::agent_ids(connection).await?;
        let customers: BTreeSet<String> =
            sqlx::query_scalar("SELECT id FROM customers").fetch_all(connection).await?.into_iter().collect();
        for row in &self.rows {
            if !customers.contains(&row.customer) {
                let wrong = format!("there is no customer {}", shown(&row.customer));
                let remedy = "import the customer first, or correct the id";
                findings.faults.push(Fault::cell(row.line, "customer", wrong, remedy));
            }
            if !agents.contains(&row.agent) {
                findings.faults.push(writing::no_agent(row.line, "agent", &row.agent));
            }
        }
        Ok(())
    }

    /// Adds what is not there yet.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        progress: Progress<'_>,
    ) -> Result<Counts, StorageError> {
        let mut counts = Counts::default();
        for batch in self.rows.chunks(BATCH) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "INSERT INTO contacts \
                 (fingerprint, customer, at, agent, direction, channel, summary, disposition) ",
            );
            query.push_values(batch, |mut values, row| {
                values.push_bind(row.fingerprint()).push_bind(&row.customer).push_bind(words::moment(row.at));
                values.push_bind(&row.agent).push_bind(words::direction(row.direction));
                values.push_bind(&row.channel).push_bind(&row.summary).push_bind(&row.disposition);
            });
            query.push(" ON CONFLICT (fingerprint) DO NOTHING");
            let added = query.build().execute(&mut *connection).await?.rows_affected();
            counts.new += added;
            counts.known += batch.len() as u64 - added;
            progress(counts.new + counts.known, self.rows.len() as u64);
        }
        Ok(counts)
    }
}
