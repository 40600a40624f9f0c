//! Pages of a list and the cursors between them.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::Sqlite;
use sqlx::query::QueryAs;
use sqlx::sqlite::SqliteArguments;

use super::{Storage, StorageError, words};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// What to ask the next page with; absent on the last one.
    pub next: Option<String>,
}

/// Most items of one page, whatever was asked for.
pub const PAGE_LIMIT: u32 = 500;

/// The place between two rows of a list that is ordered by moment and key, both descending. A cursor only
/// ever becomes two bound values, so a forged one can at most start the list elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The moment of the last row of the page before.
    pub(super) at: String,
    /// The same as [`words::millisecond`]; only text order knows the rows of the same millisecond apart.
    pub(super) millisecond: i64,
    /// Its key.
    pub(super) key: String,
}

impl Cursor {
    /// The place before the first row.
    pub(super) fn start() -> Self {
        // Sorts after every moment that a row can have.
        Self { at: "9999-12-31T99".to_owned(), millisecond: i64::MAX, key: String::new() }
    }

    /// Reads a cursor; absent means the start.
    pub(super) fn read(text: Option<&str>) -> Result<Self, StorageError> {
        let Some(text) = text else { return Ok(Self::start()) };
        let unusable = || StorageError::Invalid("the cursor is not one of ours".to_owned());
        let (at, key) = text.split_once('_').ok_or_else(unusable)?;
        let at: Timestamp = at.parse().map_err(|_| unusable())?;
        Ok(Self { at: words::moment(at), millisecond: words::millisecond(at), key: key.to_owned() })
    }

    /// The text of the place after a row.
    pub(super) fn after(at: &str, key: &str) -> String {
        format!("{at}_{key}")
    }
}

/// A row of a list of records: its moment, its key, and the record as JSON.
pub(super) type Row = (String, String, String);

impl Storage {
    /// A page of the records that the query finds, which reads one row more than the page has.
    pub(super) async fn records<T: DeserializeOwned>(
        &self,
        query: QueryAs<'_, Sqlite, Row, SqliteArguments>,
        limit: i64,
    ) -> Result<Page<T>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let rows = query.fetch_all(&mut *connection).await?;
            page(rows, limit, |row| Cursor::after(&row.0, &row.1), |row| record(&row.2))
        })
        .await
    }

    /// The record that the query finds by its id.
    pub(super) async fn record_of<T: DeserializeOwned>(
        &self,
        query: &'static str,
        id: &str,
    ) -> Result<Option<T>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let found: Option<String> =
                sqlx::query_scalar(query).bind(id).fetch_optional(&mut *connection).await?;
            found.as_deref().map(record).transpose()
        })
        .await
    }
}

/// A record from its column.
pub(super) fn record<T: DeserializeOwned>(json: &str) -> Result<T, StorageError> {
    serde_json::from_str(json).map_err(|error| StorageError::Corrupt(format!("a record: {error}")))
}

/// Bounds what was asked for to 1..=[`PAGE_LIMIT`].
pub(super) fn bounded(limit: u32) -> i64 {
    i64::from(limit.clamp(1, PAGE_LIMIT))
}

/// Cuts the row that was read too many, and remembers where to go on.
pub(super) fn page<R, T>(
    mut rows: Vec<R>,
    limit: i64,
    place: impl Fn(&R) -> String,
    item: impl Fn(R) -> Result<T, StorageError>,
) -> Result<Page<T>, StorageError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(&place) } else { None };
    let items = rows.into_iter().map(item).collect::<Result<Vec<_>, _>>()?;
    Ok(Page { items, next })
}
