//! Records of calls and the notices that were confirmed during them.

use jiff::Timestamp;

use super::page::{self, Cursor, Page};
use super::{Storage, StorageError, words};
use crate::events::CallRecord;
use crate::presence::{AgentId, CallId, CustomerId};

/// Which calls are wanted; all when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Answered by this agent.
    pub agent: Option<AgentId>,
    /// Matched to this customer.
    pub customer: Option<CustomerId>,
}

impl Storage {
    /// Stores a record under the call's id; storing it again changes nothing, and a record without an end
    /// never takes the place of one with an end.
    ///
    /// # Errors
    /// As every write.
    pub async fn save_call(&self, record: &CallRecord) -> Result<(), StorageError> {
        let json = serde_json::to_string(record).map_err(|error| StorageError::Invalid(error.to_string()))?;
        self.within(async {
            let mut connection = self.writer().await?;
            sqlx::query(
                "INSERT INTO calls (id, started_at, ended_at, agent, customer, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, \
                 ended_at = excluded.ended_at, \
                 agent = excluded.agent, customer = excluded.customer, record = excluded.record \
                 WHERE calls.ended_at IS NULL OR excluded.ended_at IS NOT NULL",
            )
            .bind(record.id.as_str())
            .bind(words::moment(record.started_at))
            .bind(record.ended_at.map(words::moment))
            .bind(record.agent.as_ref().map(AgentId::as_str))
            .bind(record.customer.as_ref().map(CustomerId::as_str))
            .bind(&json)
            .execute(&mut *connection)
            .await?;
            Ok(())
        })
        .await
    }

    /// Calls, newest first.
    ///
    /// # Errors
    /// As every read; [`StorageError::Invalid`] for a cursor that is not ours.
    pub async fn calls(
        &self,
        filter: &CallFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<CallRecord>, StorageError> {
        let cursor = Cursor::read(cursor)?;
        let limit = page::bounded(limit);
        let agent = filter.agent.as_ref().map(AgentId::as_str);
        let customer = filter.customer.as_ref().map(CustomerId::as_str);
        // One constant text per filter, each with an index of its own.
        let query = match (agent, customer) {
            (None, None) => sqlx::query_as(
                "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) \
                 ORDER BY started_at DESC, id DESC LIMIT ?3",
            ),
            (Some(_), None) => sqlx::query_as(
                "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) AND agent = ?4 \
                 ORDER BY started_at DESC, id DESC LIMIT ?3",
            ),
            (None, Some(_)) => sqlx::query_as(
                "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) AND \
                 customer = ?5 \
                 ORDER BY started_at DESC, id DESC LIMIT ?3",
            ),
            (Some(_), Some(_)) => sqlx::query_as(
                "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) AND agent = ?4 \
                 AND customer = ?5 ORDER BY started_at DESC, id DESC LIMIT ?3",
            ),
        };
        self.within(async {
            let mut connection = self.reader().await?;
            let rows: Vec<(String, String, String)> = query
                .bind(&cursor.at)
                .bind(&cursor.key)
                .bind(limit + 1)
                .bind(agent)
                .bind(customer)
                .fetch_all(&mut *connection)
                .await?;
            page::page(rows, limit, |row| Cursor::after(&row.0, &row.1), |row| read_record(&row.2))
        })
        .await
    }

    /// One call.
    ///
    /// # Errors
    /// As every read.
    pub async fn call(&self, id: &CallId) -> Result<Option<CallRecord>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let record: Option<String> = sqlx::query_scalar("SELECT record FROM calls WHERE id = ?1")
                .bind(id.as_str())
                .fetch_optional(&mut *connection)
                .await?;
            record.as_deref().map(read_record).transpose()
        })
        .await
    }

    /// Stores that a notice was confirmed during a call; the first confirmation stays (M023).
    ///
    /// # Errors
    /// As every write.
    pub async fn save_notice_acknowledgement(
        &self,
        call: &CallId,
        notice: &str,
        agent: &AgentId,
        at: Timestamp,
    ) -> Result<(), StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            sqlx::query(
                "INSERT INTO notice_acknowledgements (call, notice, agent, at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (call, notice) DO NOTHING",
            )
            .bind(call.as_str())
            .bind(notice)
            .bind(agent.as_str())
            .bind(words::moment(at))
            .execute(&mut *connection)
            .await?;
            Ok(())
        })
        .await
    }
}

fn read_record(json: &str) -> Result<CallRecord, StorageError> {
    serde_json::from_str(json).map_err(|error| StorageError::Corrupt(format!("a call's record: {error}")))
}
