//! Records of calls and the notices that were confirmed during them.

use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};

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

/// One constant text per filter: none, agent, customer, both. Each goes by an index that ends with the
/// moment.
pub(super) const LIST_STATEMENTS: [&str; 4] = [
    "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) \
     ORDER BY started_at DESC, id DESC LIMIT ?3",
    "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) AND agent = ?4 \
     ORDER BY started_at DESC, id DESC LIMIT ?3",
    "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) AND customer = ?5 \
     ORDER BY started_at DESC, id DESC LIMIT ?3",
    "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) AND agent = ?4 \
     AND customer = ?5 ORDER BY started_at DESC, id DESC LIMIT ?3",
];

/// Rows of one statement: few sizes, so that each statement is prepared once.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// A record as its columns.
struct Row<'a> {
    record: &'a CallRecord,
    json: String,
}

impl<'a> Row<'a> {
    fn of(record: &'a CallRecord) -> Result<Self, StorageError> {
        // Twice what a plain call takes.
        let mut json = Vec::with_capacity(2048);
        let unusable = |error: String| StorageError::Invalid(error);
        serde_json::to_writer(&mut json, record).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { record, json: String::from_utf8(json).map_err(|error| unusable(error.to_string()))? })
    }
}

/// The statement for each of [`CHUNKS`].
static INSERTS: LazyLock<[String; CHUNKS.len()]> = LazyLock::new(|| {
    CHUNKS.map(|rows| {
        format!(
            "INSERT INTO calls (id, started_at, ended_at, agent, customer, record) VALUES {} \
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, \
             ended_at = excluded.ended_at, \
             agent = excluded.agent, customer = excluded.customer, record = excluded.record \
             WHERE calls.ended_at IS NULL OR excluded.ended_at IS NOT NULL",
            vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ")
        )
    })
});

async fn insert(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[Row<'_>],
) -> Result<(), StorageError> {
    let mut query = sqlx::query(statement);
    for Row { record, json } in rows {
        query = query
            .bind(record.id.as_str())
            .bind(words::moment(record.started_at))
            .bind(record.ended_at.map(words::moment))
            .bind(record.agent.as_ref().map(AgentId::as_str))
            .bind(record.customer.as_ref().map(CustomerId::as_str))
            .bind(json.as_str());
    }
    query.persistent(true).execute(connection).await?;
    Ok(())
}

impl Storage {
    /// Stores a record under the call's id; storing it again changes nothing, and a record without an end
    /// never takes the place of one with an end.
    ///
    /// # Errors
    /// As every write.
    pub async fn save_call(&self, record: &CallRecord) -> Result<(), StorageError> {
        self.save_calls(&[record]).await
    }

    /// Stores many records as [`Self::save_call`] does one, all or none. One transaction and few statements:
    /// a statement costs two changes of thread whatever it holds.
    ///
    /// # Errors
    /// As every write; then none was stored.
    pub async fn save_calls(&self, records: &[&CallRecord]) -> Result<(), StorageError> {
        let rows: Vec<Row<'_>> = records.iter().map(|record| Row::of(record)).collect::<Result<_, _>>()?;
        self.within(async {
            let mut connection = self.writer().await?;
            let mut transaction = connection.begin().await?;
            let mut rest = rows.as_slice();
            for (size, statement) in CHUNKS.into_iter().zip(INSERTS.iter()) {
                while let Some((chunk, others)) = rest.split_at_checked(size) {
                    insert(&mut transaction, statement, chunk).await?;
                    rest = others;
                }
            }
            transaction.commit().await?;
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
        let [all, by_agent, by_customer, by_both] = LIST_STATEMENTS;
        let query = sqlx::query_as(match (agent, customer) {
            (None, None) => all,
            (Some(_), None) => by_agent,
            (None, Some(_)) => by_customer,
            (Some(_), Some(_)) => by_both,
        });
        let query = query.bind(&cursor.at).bind(&cursor.key).bind(limit + 1).bind(agent).bind(customer);
        self.records(query, limit).await
    }

    /// One call.
    ///
    /// # Errors
    /// As every read.
    pub async fn call(&self, id: &CallId) -> Result<Option<CallRecord>, StorageError> {
        self.record_of("SELECT record FROM calls WHERE id = ?1", id.as_str()).await
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
