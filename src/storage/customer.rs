//! The customer's card. The look-up is the one query a call asks for, so it goes by indexes only.

use futures_util::TryStreamExt;
use sqlx::{Connection, SqliteConnection};

use super::page::{self, Cursor, Page};
use super::{Storage, StorageError, words};
use crate::customer::{Contact, CustomerCard, Flag, Notice};
use crate::presence::{AgentId, CustomerId};

/// Customers one look-up answers at most; a screen shows five of them.
const MATCH_LIMIT: i64 = 20;

/// Contacts on a card.
const CARD_CONTACTS: i64 = 10;

/// Several customers come in the order of the chooser: last contact, then rank.
const LOOK_UP: &str = "SELECT c.id, c.name, c.kana, c.company, c.rank, c.language, c.assignee \
     FROM customers c WHERE c.id IN (SELECT n.customer FROM customer_numbers n WHERE n.e164 = ?1) \
     ORDER BY COALESCE((SELECT MAX(h.at) FROM contacts h WHERE h.customer = c.id), '') DESC, \
     c.rank IS NULL, c.rank, c.id LIMIT ?2";

const BY_ID: &str = "SELECT id, name, kana, company, rank, language, assignee FROM customers WHERE id = ?1";

const PHONES: &str =
    "SELECT e164 FROM customer_numbers WHERE customer = ?1 AND e164 IS NOT NULL ORDER BY position";

const NOTICES: &str = "SELECT id, loudness, body, author, at FROM notices WHERE customer = ?1 \
     ORDER BY loudness DESC, at DESC, id";

const FLAGS: &str = "SELECT code, level, since FROM flags WHERE customer = ?1 ORDER BY position";

const CONTACTS: &str = "SELECT h.fingerprint, h.at, a.name, h.direction, h.channel, h.summary, h.disposition \
     FROM contacts h JOIN agents a ON a.id = h.agent \
     WHERE h.customer = ?1 AND (h.at, h.fingerprint) < (?2, ?3) \
     ORDER BY h.at DESC, h.fingerprint DESC LIMIT ?4";

impl Storage {
    /// The customers that have this number, at most twenty. Only ever called with a number the caller sent.
    ///
    /// # Errors
    /// Fails fast when the database is locked, missing or damaged, and with [`StorageError::Overloaded`] when
    /// too many look-ups wait; see [`crate::customer::LookupFault`].
    pub async fn lookup(&self, e164: &str) -> Result<Vec<CustomerCard>, StorageError> {
        let _place = self.place()?;
        self.within(async {
            delay_for_tests().await;
            let mut connection = self.reader().await?;
            let mut transaction = connection.begin().await?;
            let rows: Vec<CustomerRow> =
                sqlx::query_as(LOOK_UP).bind(e164).bind(MATCH_LIMIT).fetch_all(&mut *transaction).await?;
            let mut cards = Vec::with_capacity(rows.len());
            for row in rows {
                cards.push(card(&mut transaction, row).await?);
            }
            transaction.commit().await?;
            Ok(cards)
        })
        .await
    }

    /// One customer.
    ///
    /// # Errors
    /// As every read.
    pub async fn customer(&self, id: &CustomerId) -> Result<Option<CustomerCard>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let mut transaction = connection.begin().await?;
            let row: Option<CustomerRow> =
                sqlx::query_as(BY_ID).bind(id.as_str()).fetch_optional(&mut *transaction).await?;
            let card = match row {
                Some(row) => Some(card(&mut transaction, row).await?),
                None => None,
            };
            transaction.commit().await?;
            Ok(card)
        })
        .await
    }

    /// A customer's history, newest first (M019).
    ///
    /// # Errors
    /// As every read; [`StorageError::Invalid`] for a cursor that is not ours.
    pub async fn contacts(
        &self,
        id: &CustomerId,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<Contact>, StorageError> {
        let cursor = Cursor::read(cursor)?;
        let limit = page::bounded(limit);
        self.within(async {
            let mut connection = self.reader().await?;
            let rows = contact_rows(&mut connection, id.as_str(), &cursor, limit + 1).await?;
            page::page(rows, limit, |row| Cursor::after(&row.at, &row.fingerprint), Contact::try_from)
        })
        .await
    }

    /// Every number with its customer and assignee, ordered by number: for an index in memory.
    ///
    /// # Errors
    /// As every read.
    pub async fn phone_index(&self) -> Result<Vec<(String, CustomerId, Option<AgentId>)>, StorageError> {
        self.within(async {
            let mut connection = self.reader().await?;
            let mut rows = sqlx::query_as::<_, (String, String, Option<String>)>(
                "SELECT n.e164, n.customer, c.assignee FROM customer_numbers n \
                 JOIN customers c ON c.id = n.customer WHERE n.e164 IS NOT NULL ORDER BY n.e164, n.customer",
            )
            .fetch(&mut *connection);
            let mut index = Vec::new();
            while let Some((e164, customer, assignee)) = rows.try_next().await? {
                index.push((e164, CustomerId::new(customer), assignee.map(AgentId::new)));
            }
            Ok(index)
        })
        .await
    }
}

async fn card(connection: &mut SqliteConnection, row: CustomerRow) -> Result<CustomerCard, StorageError> {
    let phones = sqlx::query_scalar(PHONES).bind(&row.id).fetch_all(&mut *connection).await?;
    let notices: Vec<NoticeRow> = sqlx::query_as(NOTICES).bind(&row.id).fetch_all(&mut *connection).await?;
    let flags: Vec<FlagRow> = sqlx::query_as(FLAGS).bind(&row.id).fetch_all(&mut *connection).await?;
    let contacts = contact_rows(connection, &row.id, &Cursor::start(), CARD_CONTACTS).await?;
    let language = words::read_language(&row.language)
        .ok_or_else(|| StorageError::Corrupt("a customer has no known language".to_owned()))?;
    Ok(CustomerCard {
        id: CustomerId::new(row.id),
        name: row.name,
        kana: row.kana,
        company: row.company,
        rank: row.rank,
        language,
        phones,
        assignee: row.assignee.map(AgentId::new),
        notices: notices.into_iter().map(Notice::try_from).collect::<Result<_, _>>()?,
        flags: flags.into_iter().map(Flag::try_from).collect::<Result<_, _>>()?,
        contacts: contacts.into_iter().map(Contact::try_from).collect::<Result<_, _>>()?,
    })
}

async fn contact_rows(
    connection: &mut SqliteConnection,
    customer: &str,
    cursor: &Cursor,
    limit: i64,
) -> Result<Vec<ContactRow>, StorageError> {
    let query = sqlx::query_as(CONTACTS).bind(customer).bind(&cursor.at).bind(&cursor.key).bind(limit);
    Ok(query.fetch_all(connection).await?)
}

/// Debug builds only: `TORITSUGI_TEST_LOOKUP_DELAY_MS` makes every look-up that slow, so that drills can show
/// what a call does with a database that takes its time.
async fn delay_for_tests() {
    #[cfg(debug_assertions)]
    if let Some(delay_ms) =
        std::env::var("TORITSUGI_TEST_LOOKUP_DELAY_MS").ok().and_then(|text| text.parse().ok())
    {
        tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
    }
}

#[derive(sqlx::FromRow)]
struct CustomerRow {
    id: String,
    name: String,
    kana: Option<String>,
    company: Option<String>,
    rank: Option<String>,
    language: String,
    assignee: Option<String>,
}

#[derive(sqlx::FromRow)]
struct NoticeRow {
    id: String,
    loudness: i64,
    body: String,
    author: String,
    at: String,
}

impl TryFrom<NoticeRow> for Notice {
    type Error = StorageError;

    fn try_from(row: NoticeRow) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.id,
            level: words::read_loudness(row.loudness)?,
            text: row.body,
            by: row.author,
            at: words::read_moment(&row.at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct FlagRow {
    code: String,
    level: Option<i64>,
    since: Option<String>,
}

impl TryFrom<FlagRow> for Flag {
    type Error = StorageError;

    fn try_from(row: FlagRow) -> Result<Self, StorageError> {
        let level = row.level.map(u8::try_from).transpose();
        let level = level.map_err(|_| StorageError::Corrupt("a flag's level is out of range".to_owned()))?;
        Ok(Self { code: row.code, level, since: row.since })
    }
}

#[derive(sqlx::FromRow)]
struct ContactRow {
    fingerprint: String,
    at: String,
    name: String,
    direction: String,
    channel: Option<String>,
    summary: String,
    disposition: Option<String>,
}

impl TryFrom<ContactRow> for Contact {
    type Error = StorageError;

    fn try_from(row: ContactRow) -> Result<Self, StorageError> {
        let direction = words::read_direction(&row.direction)
            .ok_or_else(|| StorageError::Corrupt("a contact has no known direction".to_owned()))?;
        Ok(Self {
            at: words::read_moment(&row.at)?,
            by: row.name,
            direction,
            channel: row.channel,
            summary: row.summary,
            disposition: row.disposition,
        })
    }
}
