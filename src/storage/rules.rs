//! Sets of rules, every version of them, and which one is in force.

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{Connection, SqliteConnection};

use super::audit::{self, AuditRow};
use super::{Storage, StorageError, words};
use crate::presence::AgentId;
use crate::routing::{Action, Snapshot};

/// Versions that are listed at once, newest first.
const LISTED: i64 = 500;

/// Versions that are kept; one more is refused, so that the database does not grow by a script's mistake.
const VERSIONS: i64 = 10_000;

/// Records that are read together.
const TOGETHER: i64 = 500;

/// One version of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleVersion {
    /// Its number, from 1.
    pub version: i64,
    /// When it was saved.
    pub saved_at: Timestamp,
    /// By whom.
    pub saved_by: String,
    /// What they said about it.
    pub note: String,
    /// Whether it is in force.
    pub active: bool,
}

/// What a dry run needs of a recorded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedDecision {
    /// Our id of the call.
    pub call: String,
    /// What the first decision knew; absent when it was not recorded.
    pub facts: Option<Snapshot>,
    /// What it decided.
    pub action: Option<Action>,
}

/// A call from before: the calling number, when, and which agent answered.
pub type CallBefore = (String, Timestamp, Option<AgentId>);

impl Storage {
    /// The versions, newest first, at most 500.
    ///
    /// # Errors
    /// As every read.
    pub async fn rule_versions(&self) -> Result<Vec<RuleVersion>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let mut transaction = connection.begin().await?;
            let active = active_version(&mut transaction).await?;
            let rows: Vec<(i64, String, String, String)> = sqlx::query_as(
                "SELECT version, saved_at, saved_by, note FROM rule_sets ORDER BY version DESC LIMIT ?1",
            )
            .bind(LISTED)
            .fetch_all(&mut *transaction)
            .await?;
            transaction.commit().await?;
            rows.into_iter().map(|row| read_version(row, active)).collect()
        })
        .await
    }

    /// One version with its text.
    ///
    /// # Errors
    /// As every read.
    pub async fn rules(&self, version: i64) -> Result<Option<(RuleVersion, String)>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let mut transaction = connection.begin().await?;
            let active = active_version(&mut transaction).await?;
            let row: Option<(i64, String, String, String, String)> = sqlx::query_as(
                "SELECT version, saved_at, saved_by, note, body FROM rule_sets WHERE version = ?1",
            )
            .bind(version)
            .fetch_optional(&mut *transaction)
            .await?;
            transaction.commit().await?;
            row.map(|(version, at, by, note, body)| {
                Ok((read_version((version, at, by, note), active)?, body))
            })
            .transpose()
        })
        .await
    }

    /// Keeps a text as a new version, with one audit row. It is in force only when it is activated.
    ///
    /// # Errors
    /// As every write; [`StorageError::Conflict`] when there are too many versions.
    pub async fn save_rules(
        &self,
        body: &str,
        note: &str,
        user: &str,
        at: Timestamp,
    ) -> Result<i64, StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let last: Option<i64> =
                sqlx::query_scalar("SELECT MAX(version) FROM rule_sets").fetch_one(&mut *transaction).await?;
            let version = last.unwrap_or(0) + 1;
            if version > VERSIONS {
                return Err(StorageError::Conflict(format!("there are {VERSIONS} versions already")));
            }
            sqlx::query(
                "INSERT INTO rule_sets (version, saved_at, saved_by, note, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .bind(version)
            .bind(words::moment(at))
            .bind(user)
            .bind(note)
            .bind(body)
            .execute(&mut *transaction)
            .await?;
            let row = audit_row("rules.save", Some(version), note, user, at);
            audit::add(&mut transaction, &row).await?;
            transaction.commit().await?;
            Ok(version)
        })
        .await
    }

    /// Puts a version in force, or none, with one audit row. Every process of the house reads it soon after.
    ///
    /// # Errors
    /// As every write; [`StorageError::Conflict`] when there is no such version.
    pub async fn activate_rules(
        &self,
        version: Option<i64>,
        user: &str,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(
                "INSERT INTO rule_activations (version, activated_at, activated_by) VALUES (?1, ?2, ?3)",
            )
            .bind(version)
            .bind(words::moment(at))
            .bind(user)
            .execute(&mut *transaction)
            .await?;
            let row = audit_row("rules.activate", version, "", user, at);
            audit::add(&mut transaction, &row).await?;
            transaction.commit().await?;
            self.note_own_change();
            Ok(())
        })
        .await
    }

    /// What was decided first about the last calls, newest first, at most `limit`.
    ///
    /// # Errors
    /// As every read.
    pub async fn recorded_decisions(&self, limit: usize) -> Result<Vec<RecordedDecision>, StorageError> {
        let mut decisions: Vec<RecordedDecision> = Vec::new();
        let mut place = ("9999-12-31T99".to_owned(), String::new());
        while decisions.len() < limit {
            let wanted = i64::try_from(limit - decisions.len()).unwrap_or(i64::MAX).min(TOGETHER);
            let rows = self.records_before(&place, wanted).await?;
            let Some((at, id, _)) = rows.last() else { break };
            place = (at.clone(), id.clone());
            decisions.extend(rows.into_iter().map(|(_, call, record)| read_decision(call, &record)));
        }
        Ok(decisions)
    }

    /// Calls to lines since then, newest first, at most `limit`: what rules that count calls begin with.
    ///
    /// # Errors
    /// As every read.
    pub async fn calls_before(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<CallBefore>, StorageError> {
        let mut calls = Vec::new();
        let mut place = ("9999-12-31T99".to_owned(), String::new());
        let (mut read, since) = (0, words::moment(since));
        while read < limit {
            let wanted = i64::try_from(limit - read).unwrap_or(i64::MAX).min(TOGETHER);
            let rows = self.records_before(&place, wanted).await?;
            let Some((at, id, _)) = rows.last().filter(|_| place.0 > since) else { break };
            place = (at.clone(), id.clone());
            read += rows.len();
            let recent = rows.iter().filter(|(at, _, _)| *at >= since);
            calls.extend(recent.filter_map(|(_, _, record)| read_caller(record)));
        }
        Ok(calls)
    }

    async fn records_before(
        &self,
        (at, id): &(String, String),
        limit: i64,
    ) -> Result<Vec<(String, String, String)>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let rows = sqlx::query_as(
                "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) \
                 ORDER BY started_at DESC, id DESC LIMIT ?3",
            )
            .bind(at)
            .bind(id)
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
            Ok(rows)
        })
        .await
    }
}

/// The text that is in force.
pub(super) async fn read_active(connection: &mut SqliteConnection) -> Result<Option<String>, StorageError> {
    let Some(version) = active_version(connection).await? else { return Ok(None) };
    let body = sqlx::query_scalar("SELECT body FROM rule_sets WHERE version = ?1")
        .bind(version)
        .fetch_optional(connection)
        .await?;
    Ok(body)
}

async fn active_version(connection: &mut SqliteConnection) -> Result<Option<i64>, StorageError> {
    let version: Option<Option<i64>> =
        sqlx::query_scalar("SELECT version FROM rule_activations ORDER BY number DESC LIMIT 1")
            .fetch_optional(connection)
            .await?;
    Ok(version.flatten())
}

fn read_version(
    (version, at, saved_by, note): (i64, String, String, String),
    active: Option<i64>,
) -> Result<RuleVersion, StorageError> {
    let saved_at = words::read_moment(&at)?;
    Ok(RuleVersion { version, saved_at, saved_by, note, active: active == Some(version) })
}

fn audit_row(action: &str, version: Option<i64>, detail: &str, user: &str, at: Timestamp) -> AuditRow {
    AuditRow {
        at,
        user: user.to_owned(),
        action: action.to_owned(),
        subject: version.map_or("none".to_owned(), |version| version.to_string()),
        detail: detail.to_owned(),
    }
}

/// What of a record a dry run looks at.
#[derive(Deserialize)]
struct DecisionOfRecord {
    #[serde(default)]
    facts: Option<Snapshot>,
    #[serde(default)]
    traces: Vec<ActionOfTrace>,
}

#[derive(Deserialize)]
struct ActionOfTrace {
    action: Action,
}

/// A record that reads otherwise (of an older version) is one that cannot be judged.
fn read_decision(call: String, record: &str) -> RecordedDecision {
    let read: Option<DecisionOfRecord> = serde_json::from_str(record).ok();
    let (facts, action) = match read {
        Some(read) => (read.facts, read.traces.into_iter().next().map(|trace| trace.action)),
        None => (None, None),
    };
    RecordedDecision { call, facts, action }
}

#[derive(Deserialize)]
struct CallerOfRecord {
    calling: Option<String>,
    line: Option<String>,
    started_at: Timestamp,
    agent: Option<AgentId>,
}

fn read_caller(record: &str) -> Option<CallBefore> {
    let read: CallerOfRecord = serde_json::from_str(record).ok()?;
    let e164 = read.calling.filter(|number| number.starts_with('+') && read.line.is_some())?;
    Some((e164, read.started_at, read.agent))
}
