//! What writing the tables has in common.

use std::collections::BTreeSet;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};
use sqlx::SqliteConnection;

use super::Fault;
use super::fault::shown;
use crate::storage::StorageError;

/// Rows of one statement: enough to make the statement's own cost small, few enough for SQLite's limit of
/// bound values.
pub(super) const BATCH: usize = 200;

/// Is told rows written and rows in all.
pub(super) type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Rows that were not there before.
    pub(super) new: u64,
    /// Rows that were.
    pub(super) known: u64,
}

impl Counts {
    /// One row more.
    pub(super) const fn add(&mut self, known: bool) {
        if known {
            self.known += 1;
        } else {
            self.new += 1;
        }
    }
}

/// Takes the next batch: a whole one, or with `all` also what is left.
pub(super) fn next_batch<T>(rows: &mut Vec<T>, all: bool) -> Option<Vec<T>> {
    if rows.len() >= BATCH {
        let rest = rows.split_off(BATCH);
        Some(std::mem::replace(rows, rest))
    } else if all && !rows.is_empty() {
        Some(std::mem::take(rows))
    } else {
        None
    }
}

/// The ids of all agents.
pub(super) async fn agent_ids(connection: &mut SqliteConnection) -> Result<BTreeSet<String>, StorageError> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM agents").fetch_all(connection).await?;
    Ok(ids.into_iter().collect())
}

/// The fault of a reference to nobody.
pub(super) fn no_agent(line: u64, column: &'static str, agent: &str) -> Fault {
    let wrong = format!("there is no agent {}", shown(agent));
    Fault::cell(line, column, wrong, "import the agent first, or correct the id")
}

/// 128 bits over these texts, in hexadecimal: the same in every build, so that a later import knows its rows
/// again.
pub(super) fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = SipHasher24::new();
    for part in parts {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    format!("{:032x}", hasher.finish128().as_u128())
}
