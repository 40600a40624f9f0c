//! What agents chose, as it survives a restart. What is observed of them is the engine's and is not stored.

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

use super::audit::{self, AuditRow};
use super::{Storage, StorageError, words};
use crate::presence::{AgentId, AgentStatus, SetBy};

/// An agent's status with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPresence {
    /// Whose.
    pub agent: AgentId,
    /// The status.
    pub status: AgentStatus,
    /// Who set it.
    pub set_by: SetBy,
    /// Since when it holds.
    pub since: Timestamp,
}

impl Storage {
    /// Everybody's status, ordered by agent.
    ///
    /// # Errors
    /// As every read.
    pub async fn presences(&self) -> Result<Vec<StoredPresence>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let rows: Vec<PresenceRow> = sqlx::query_as(
                "SELECT agent, status, reason, until, next_start, set_by, since FROM presence ORDER BY agent",
            )
            .fetch_all(&mut *connection)
            .await?;
            rows.into_iter().map(StoredPresence::try_from).collect()
        })
        .await
    }

    /// Stores a status and exactly one audit row beside it (M002).
    ///
    /// # Errors
    /// As every write; [`StorageError::Conflict`] when there is no such agent.
    pub async fn save_presence(&self, presence: &StoredPresence, user: &str) -> Result<(), StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            put(&mut transaction, presence, user).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}

/// Somebody's status inside a transaction.
pub(super) async fn of(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Option<StoredPresence>, StorageError> {
    let row: Option<PresenceRow> = sqlx::query_as(
        "SELECT agent, status, reason, until, next_start, set_by, since FROM presence WHERE agent = ?1",
    )
    .bind(agent.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(StoredPresence::try_from).transpose()
}

/// Stores a status and its audit row inside somebody's transaction.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    presence: &StoredPresence,
    user: &str,
) -> Result<(), StorageError> {
    let (reason, until, next_start) = match &presence.status {
        AgentStatus::Offline | AgentStatus::Available => (None, None, None),
        AgentStatus::Away(absence) => (
            Some(words::reason(&absence.reason)),
            absence.until.map(words::moment),
            absence.next_start.map(words::moment),
        ),
    };
    let status = words::status(&presence.status);
    sqlx::query(
        "INSERT INTO presence (agent, status, reason, until, next_start, set_by, since) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (agent) DO UPDATE SET status = excluded.status, reason = excluded.reason, \
         until = excluded.until, next_start = excluded.next_start, set_by = excluded.set_by, \
         since = excluded.since",
    )
    .bind(presence.agent.as_str())
    .bind(status)
    .bind(reason)
    .bind(until)
    .bind(next_start)
    .bind(words::set_by(presence.set_by))
    .bind(words::moment(presence.since))
    .execute(&mut *connection)
    .await?;
    let detail = match reason {
        Some(reason) => format!("{status}:{reason}"),
        None => status.to_owned(),
    };
    let row = AuditRow {
        at: presence.since,
        user: user.to_owned(),
        action: "presence.set".to_owned(),
        subject: presence.agent.to_string(),
        detail,
    };
    audit::add(connection, &row).await
}

#[derive(sqlx::FromRow)]
struct PresenceRow {
    agent: String,
    status: String,
    reason: Option<String>,
    until: Option<String>,
    next_start: Option<String>,
    set_by: String,
    since: String,
}

impl TryFrom<PresenceRow> for StoredPresence {
    type Error = StorageError;

    fn try_from(row: PresenceRow) -> Result<Self, StorageError> {
        let status = words::read_status(
            &row.status,
            row.reason.as_deref(),
            row.until.as_deref(),
            row.next_start.as_deref(),
        )?;
        Ok(Self {
            agent: AgentId::new(row.agent),
            status,
            set_by: words::read_set_by(&row.set_by)?,
            since: words::read_moment(&row.since)?,
        })
    }
}
