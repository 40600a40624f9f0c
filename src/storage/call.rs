//! Records of calls and the notices that were confirmed during them.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Connection, Sqlite, SqliteConnection};

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

/// The text of a list: what else is asked for, and what comes before the moment in the order.
macro_rules! list {
    ($and:literal, $order:literal) => {
        concat!(
            "SELECT started_at, id, record FROM calls WHERE (started_at, id) < (?1, ?2) ",
            $and,
            " ORDER BY ",
            $order,
            "started_at DESC, id DESC LIMIT ?3"
        )
    };
}

/// Constant texts per filter: none, agent, customer, both. Each goes by an index that ends with the moment.
/// What an older program stored has no moment in milliseconds: it has indexes and statements of its own.
/// That one is read first: a row that gets its moment meanwhile is then found twice, never not at all.
pub(super) const LIST_STATEMENTS: [&[&str]; 4] = [
    &[list!("", "")],
    &[
        list!("AND agent = ?4 AND started_ms IS NULL", ""),
        list!("AND agent = ?4 AND started_ms <= ?6", "started_ms DESC, "),
    ],
    &[
        list!("AND customer = ?5 AND started_ms IS NULL", ""),
        list!("AND customer = ?5 AND started_ms <= ?6", "started_ms DESC, "),
    ],
    &[
        list!("AND agent = ?4 AND customer = ?5 AND started_ms IS NULL", ""),
        list!("AND agent = ?4 AND customer = ?5 AND started_ms <= ?6", "started_ms DESC, "),
    ],
];

/// Rows of one statement: few sizes, so that each statement is prepared once.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// A record as its columns, in their order. Texts that are shared are given to SQLite's thread as they are.
struct Row {
    id: Arc<str>,
    started_at: Arc<str>,
    ended_at: Option<Arc<str>>,
    agent: Option<Arc<str>>,
    customer: Option<Arc<str>>,
    record: Arc<str>,
    /// `started_at` as [`words::millisecond`].
    started_ms: i64,
}

impl Row {
    /// The columns of a record; the buffer is room for writing it.
    fn of(record: &CallRecord, buffer: &mut Vec<u8>) -> Result<Self, StorageError> {
        buffer.clear();
        let unusable = |error: String| StorageError::Invalid(error);
        serde_json::to_writer(&mut *buffer, record).map_err(|error| unusable(error.to_string()))?;
        let json = str::from_utf8(buffer).map_err(|error| unusable(error.to_string()))?;
        let moment = |at: Timestamp| Arc::from(words::moment(at));
        Ok(Self {
            id: record.id.clone().into(),
            started_at: moment(record.started_at),
            ended_at: record.ended_at.map(moment),
            agent: record.agent.clone().map(Into::into),
            customer: record.customer.clone().map(Into::into),
            record: Arc::from(json),
            started_ms: words::millisecond(record.started_at),
        })
    }

    fn bind<'q>(&self, query: Bound<'q>) -> Bound<'q> {
        query
            .bind(self.id.clone())
            .bind(self.started_at.clone())
            .bind(self.ended_at.clone())
            .bind(self.agent.clone())
            .bind(self.customer.clone())
            .bind(self.record.clone())
            .bind(self.started_ms)
    }
}

type Bound<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// The statement for each of [`CHUNKS`]; a call that is there already is left as it is.
///
/// A statement of many rows that may fail half-way copies each page before it changes it, eight kilobytes
/// for each of a row's pages: nearly half of what a row costs. `OR ROLLBACK` and `DO NOTHING` leave no way to
/// fail that would need the copies.
static INSERTS: LazyLock<[String; CHUNKS.len()]> = LazyLock::new(|| {
    CHUNKS.map(|rows| {
        format!(
            "INSERT OR ROLLBACK INTO calls (id, started_at, ended_at, agent, customer, record, started_ms) \
             VALUES {} ON CONFLICT (id) DO NOTHING",
            vec!["(?, ?, ?, ?, ?, ?, ?)"; rows].join(", ")
        )
    })
});

/// For a call that was there already. What says the same changes nothing, and a record without an end never
/// takes the place of one with an end.
const UPDATE: &str = "UPDATE calls SET started_at = ?2, ended_at = ?3, agent = ?4, customer = ?5, \
     record = ?6, started_ms = ?7 WHERE id = ?1 AND record <> ?6 AND (ended_at IS NULL OR ?3 IS NOT NULL)";

async fn store(
    connection: &mut SqliteConnection,
    insert: &'static str,
    rows: &[Row],
) -> Result<(), StorageError> {
    let query = rows.iter().fold(sqlx::query(insert), |query, row| row.bind(query));
    let inserted = query.persistent(true).execute(&mut *connection).await?.rows_affected();
    if inserted == rows.len() as u64 {
        return Ok(());
    }
    // In their order: the same call may be among them twice.
    for row in rows {
        row.bind(sqlx::query(UPDATE)).persistent(true).execute(&mut *connection).await?;
    }
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
        let mut buffer = Vec::new();
        let rows: Vec<Row> =
            records.iter().map(|record| Row::of(record, &mut buffer)).collect::<Result<_, _>>()?;
        self.within(async {
            let mut connection = self.writer().await?;
            let mut transaction = connection.begin().await?;
            let mut rest = rows.as_slice();
            for (size, statement) in CHUNKS.into_iter().zip(INSERTS.iter()) {
                while let Some((chunk, others)) = rest.split_at_checked(size) {
                    store(&mut transaction, statement, chunk).await?;
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
        let statements = match (agent, customer) {
            (None, None) => all,
            (Some(_), None) => by_agent,
            (None, Some(_)) => by_customer,
            (Some(_), Some(_)) => by_both,
        };
        self.within(async {
            let mut connection = self.reader().await?;
            let mut rows: Vec<page::Row> = Vec::new();
            for statement in statements {
                let query = sqlx::query_as(*statement).bind(&cursor.at).bind(&cursor.key).bind(limit + 1);
                let query = query.bind(agent).bind(customer).bind(cursor.millisecond);
                rows.extend(query.fetch_all(&mut *connection).await?);
            }
            rows.sort_by(|a, b| (&b.0, &b.1).cmp(&(&a.0, &a.1)));
            rows.dedup_by(|a, b| a.1 == b.1);
            page::page(rows, limit, |row| Cursor::after(&row.0, &row.1), |row| page::record(&row.2))
        })
        .await
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
