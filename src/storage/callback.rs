//! Callbacks: those that are open, and those that are over.

use sqlx::Connection;

use super::audit::{self, AuditRow};
use super::page::{self, Cursor, Page};
use super::{Storage, StorageError, words};
use crate::callback::{Callback, CallbackId};
use crate::presence::{AgentId, CustomerId};

/// Which callbacks that are over are wanted; all when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallbackFilter {
    /// Those of this agent.
    pub person: Option<AgentId>,
}

impl Storage {
    /// Stores a callback as it now is, and one audit row beside it. One that is over never opens again.
    ///
    /// # Errors
    /// As every write.
    pub async fn save_callback(&self, callback: &Callback, user: &str) -> Result<(), StorageError> {
        let record =
            serde_json::to_string(callback).map_err(|error| StorageError::Invalid(error.to_string()))?;
        let at = callback.ended_at.unwrap_or(callback.asked_at);
        let row = AuditRow {
            at,
            user: user.to_owned(),
            action: "callback.save".to_owned(),
            subject: callback.id.to_string(),
            detail: format!("{}:{}", callback.source.code(), callback.state),
        };
        self.within(async {
            let mut connection = self.writer().await?;
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(
                "INSERT INTO callbacks (id, state, person, customer, requested_at, ended_at, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, person = excluded.person, \
                 customer = excluded.customer, ended_at = excluded.ended_at, record = excluded.record \
                 WHERE callbacks.ended_at IS NULL",
            )
            .bind(callback.id.as_str())
            .bind(callback.state.code())
            .bind(callback.person.as_ref().map(AgentId::as_str))
            .bind(callback.customer.as_ref().map(CustomerId::as_str))
            .bind(words::moment(callback.requested_at))
            .bind(callback.ended_at.map(words::moment))
            .bind(&record)
            .execute(&mut *transaction)
            .await?;
            audit::add(&mut transaction, &row).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// The callbacks that are open, oldest first, `limit` at most.
    ///
    /// # Errors
    /// As every read.
    pub async fn open_callbacks(&self, limit: usize) -> Result<Vec<Callback>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let rows: Vec<String> = sqlx::query_scalar(
                "SELECT record FROM callbacks WHERE ended_at IS NULL ORDER BY requested_at LIMIT ?1",
            )
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
            rows.iter().map(|row| page::record(row)).collect()
        })
        .await
    }

    /// The callbacks that are over, those asked for last first.
    ///
    /// # Errors
    /// As every read; [`StorageError::Invalid`] for a cursor that is not ours.
    pub async fn ended_callbacks(
        &self,
        filter: &CallbackFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Callback>, StorageError> {
        let cursor = Cursor::read(cursor)?;
        let limit = page::bounded(limit);
        let person = filter.person.as_ref().map(AgentId::as_str);
        let query = match person {
            None => sqlx::query_as(
                "SELECT requested_at, id, record FROM callbacks WHERE (requested_at, id) < (?1, ?2) \
                 AND ended_at IS NOT NULL ORDER BY requested_at DESC, id DESC LIMIT ?3",
            ),
            Some(_) => sqlx::query_as(
                "SELECT requested_at, id, record FROM callbacks WHERE (requested_at, id) < (?1, ?2) \
                 AND ended_at IS NOT NULL AND person = ?4 ORDER BY requested_at DESC, id DESC LIMIT ?3",
            ),
        };
        let query = query.bind(&cursor.at).bind(&cursor.key).bind(limit + 1).bind(person);
        self.records(query, limit).await
    }

    /// One callback, open or over.
    ///
    /// # Errors
    /// As every read.
    pub async fn callback(&self, id: &CallbackId) -> Result<Option<Callback>, StorageError> {
        self.record_of("SELECT record FROM callbacks WHERE id = ?1", id.as_str()).await
    }
}
