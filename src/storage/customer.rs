//! The customer's card. The look-up is the one query a call asks for, so it goes by indexes only.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use sqlx::{Connection, SqliteConnection};

use super::page::{self, Cursor, Page};
use super::{Storage, StorageError, words};
use crate::customer::{BookMaker, Contact, CustomerBook, CustomerCard, Flag, Notice};
use crate::presence::{AgentId, CustomerId};

/// Customers one look-up answers at most; a screen shows five of them.
const MATCH_LIMIT: i64 = 20;

/// Contacts on a card.
const CARD_CONTACTS: i64 = 10;

/// The same, where they are counted here.
const IN_BOOK: usize = 10;

/// Customers read at a time for the book in memory.
const PAGE: i64 = 1_000;

/// A card in one statement, and so one round trip and one committed state: the customers of `$which`, and
/// beside each its numbers, notices and flags. Column `part` says what a row is; the columns after `place`
/// depend on it.
macro_rules! cards_of {
    ($which:literal) => {
        cards_of!($which, "last_contact DESC, c.rank IS NULL, c.rank, c.id")
    };
    ($which:literal, $order:literal) => {
        concat!(
            "WITH matched AS (SELECT c.id, c.name, c.kana, c.company, c.rank, c.language, c.assignee, \
             COALESCE((SELECT MAX(h.at) FROM contacts h WHERE h.customer = c.id), '') AS last_contact \
             FROM customers c WHERE ",
            $which,
            " ORDER BY ",
            $order,
            " LIMIT ?2) \
             SELECT 0 AS part, m.id AS customer, 0 AS place, m.name AS a, m.kana AS b, m.company AS c, \
             m.rank AS d, m.language AS e, m.assignee AS f FROM matched m \
             UNION ALL SELECT 1, n.customer, n.position, n.e164, NULL, NULL, NULL, NULL, NULL \
             FROM matched m CROSS JOIN customer_numbers n WHERE n.customer = m.id AND n.e164 IS NOT NULL \
             UNION ALL SELECT 2, n.customer, n.loudness, n.at, n.id, n.body, n.author, NULL, NULL \
             FROM matched m CROSS JOIN notices n WHERE n.customer = m.id \
             UNION ALL SELECT 3, f.customer, f.position, f.code, CAST(f.level AS TEXT), f.since, \
             NULL, NULL, NULL \
             FROM matched m CROSS JOIN flags f WHERE f.customer = m.id"
        )
    };
}

/// Several customers come in the order of the chooser: last contact, then rank.
const LOOK_UP: &str = cards_of!("c.id IN (SELECT n.customer FROM customer_numbers n WHERE n.e164 = ?1)");

const BY_ID: &str = cards_of!("c.id = ?1");

/// A page of all customers, behind the one given.
const ALL_BEHIND: &str = cards_of!("c.id > ?1", "c.id");

/// The contacts of a page, newest first within a customer.
const CONTACTS_BETWEEN: &str = "SELECT h.customer, h.fingerprint, h.at, a.name, h.direction, h.channel, \
     h.summary, h.disposition FROM contacts h JOIN agents a ON a.id = h.agent \
     WHERE h.customer > ?1 AND h.customer <= ?2 ORDER BY h.customer, h.at DESC, h.fingerprint DESC";

const CONTACTS: &str = "SELECT h.fingerprint, h.at, a.name, h.direction, h.channel, h.summary, h.disposition \
     FROM contacts h JOIN agents a ON a.id = h.agent \
     WHERE h.customer = ?1 AND (h.at, h.fingerprint) < (?2, ?3) \
     ORDER BY h.at DESC, h.fingerprint DESC LIMIT ?4";

/// What a look-up asks, for the test of its plan.
#[cfg(test)]
pub(super) const LOOK_UP_STATEMENTS: [&str; 3] = [LOOK_UP, BY_ID, CONTACTS];

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
            cards(&mut connection, LOOK_UP, e164).await
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
            Ok(cards(&mut connection, BY_ID, id.as_str()).await?.pop())
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

    /// Every customer, for the call path; `None` when they would take more than `limit` octets. All of one
    /// committed state.
    ///
    /// # Errors
    /// As every read, but without a limit in time: a million customers take some seconds.
    pub async fn customer_book(&self, limit: usize) -> Result<Option<CustomerBook>, StorageError> {
        delay_for_tests().await;
        let mut connection = self.reader().await?;
        let mut snapshot = connection.begin().await?;
        let mut maker = BookMaker::new(limit);
        let mut behind = String::new();
        loop {
            let rows: Vec<CardRow> =
                sqlx::query_as(ALL_BEHIND).bind(&behind).bind(PAGE).fetch_all(&mut *snapshot).await?;
            let (customers, mut parts) = parted(rows);
            let Some(last) = customers.last().map(|row| row.customer.clone()) else { break };
            let mut contacts = contacts_between(&mut snapshot, &behind, &last).await?;
            for customer in customers {
                let contacts = contacts.remove(&customer.customer).unwrap_or_default();
                if !maker.add(&card_of(customer, &mut parts, contacts)?) {
                    return Ok(None);
                }
            }
            behind = last;
        }
        Ok(Some(maker.finish()))
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

/// The cards that a statement of [`cards_of`] finds. The history comes in a statement of its own per
/// customer: it is only ever added to, so it cannot contradict the rest.
async fn cards(
    connection: &mut SqliteConnection,
    statement: &'static str,
    key: &str,
) -> Result<Vec<CustomerCard>, StorageError> {
    let rows: Vec<CardRow> =
        sqlx::query_as(statement).bind(key).bind(MATCH_LIMIT).fetch_all(&mut *connection).await?;
    let (customers, mut parts) = parted(rows);
    let mut cards = Vec::with_capacity(customers.len());
    for customer in customers {
        let contacts = contact_rows(connection, &customer.customer, &Cursor::start(), CARD_CONTACTS).await?;
        cards.push(card_of(customer, &mut parts, contacts)?);
    }
    Ok(cards)
}

/// The customers in their order, and the other parts by customer.
fn parted(rows: Vec<CardRow>) -> (Vec<CardRow>, BTreeMap<String, Vec<CardRow>>) {
    let mut parts: BTreeMap<String, Vec<CardRow>> = BTreeMap::new();
    let mut customers = Vec::new();
    for row in rows {
        match row.part {
            0 => customers.push(row),
            _ => parts.entry(row.customer.clone()).or_default().push(row),
        }
    }
    (customers, parts)
}

fn card_of(
    customer: CardRow,
    parts: &mut BTreeMap<String, Vec<CardRow>>,
    contacts: Vec<ContactRow>,
) -> Result<CustomerCard, StorageError> {
    let mut card = empty_card(customer)?;
    card.contacts = contacts.into_iter().map(Contact::try_from).collect::<Result<_, _>>()?;
    let mut parts = parts.remove(card.id.as_str()).unwrap_or_default();
    parts.sort_by_key(|row| (row.part, row.place));
    for part in parts {
        add_part(&mut card, part)?;
    }
    card.notices.sort_by(|one, other| (other.level, other.at, &other.id).cmp(&(one.level, one.at, &one.id)));
    Ok(card)
}

/// The last contacts of each customer of a page.
async fn contacts_between(
    connection: &mut SqliteConnection,
    behind: &str,
    last: &str,
) -> Result<BTreeMap<String, Vec<ContactRow>>, StorageError> {
    let mut found: BTreeMap<String, Vec<ContactRow>> = BTreeMap::new();
    let mut rows =
        sqlx::query_as::<_, OwnedContactRow>(CONTACTS_BETWEEN).bind(behind).bind(last).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let contacts = found.entry(row.customer).or_default();
        if contacts.len() < IN_BOOK {
            contacts.push(row.contact);
        }
    }
    Ok(found)
}

fn empty_card(row: CardRow) -> Result<CustomerCard, StorageError> {
    let language = row.e.as_deref().and_then(words::read_language);
    Ok(CustomerCard {
        id: CustomerId::new(row.customer),
        name: row.a,
        kana: row.b,
        company: row.c,
        rank: row.d,
        language: language
            .ok_or_else(|| StorageError::Corrupt("a customer has no known language".to_owned()))?,
        phones: Vec::new(),
        assignee: row.f.map(AgentId::new),
        notices: Vec::new(),
        flags: Vec::new(),
        contacts: Vec::new(),
    })
}

fn add_part(card: &mut CustomerCard, row: CardRow) -> Result<(), StorageError> {
    let missing = || StorageError::Corrupt("a notice lacks a part".to_owned());
    match row.part {
        1 => card.phones.push(row.a),
        2 => card.notices.push(Notice {
            id: row.b.ok_or_else(missing)?,
            level: words::read_loudness(row.place)?,
            text: row.c.ok_or_else(missing)?,
            by: row.d.ok_or_else(missing)?,
            at: words::read_moment(&row.a)?,
        }),
        _ => {
            let level = row.b.map(|level| level.parse()).transpose();
            let level =
                level.map_err(|_| StorageError::Corrupt("a flag's level is out of range".to_owned()))?;
            card.flags.push(Flag { code: row.a, level, since: row.c });
        }
    }
    Ok(())
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

/// A row of [`cards_of`].
#[derive(sqlx::FromRow)]
struct CardRow {
    part: i64,
    customer: String,
    place: i64,
    a: String,
    b: Option<String>,
    c: Option<String>,
    d: Option<String>,
    e: Option<String>,
    f: Option<String>,
}

/// A contact beside whose it is.
#[derive(sqlx::FromRow)]
struct OwnedContactRow {
    customer: String,
    #[sqlx(flatten)]
    contact: ContactRow,
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
