//! Customers with their numbers, notice and flags.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::fault::shown;
use super::rows::{self, Column, Findings, Header, Row};
use super::writing::{self, BATCH, Counts, Progress};
use super::{Fault, ImportedNumber, Normalise, cells};
use crate::customer::{Language, NoticeLevel};
use crate::storage::{StorageError, words};

const COLUMNS: &[Column] = &[
    Column { name: "id", required: true },
    Column { name: "name", required: true },
    Column { name: "kana", required: false },
    Column { name: "company", required: false },
    Column { name: "rank", required: false },
    Column { name: "language", required: false },
    Column { name: "phones", required: false },
    Column { name: "assignee", required: false },
    Column { name: "notice", required: false },
    Column { name: "notice_level", required: false },
    Column { name: "flags", required: false },
];

/// The customers of a file.
pub(super) struct Customers {
    header: Header,
    rows: Vec<Customer>,
}

struct Customer {
    line: u64,
    id: String,
    name: String,
    kana: Option<String>,
    company: Option<String>,
    rank: Option<String>,
    language: Language,
    phones: Vec<ImportedNumber>,
    assignee: Option<String>,
    notice: Option<Notice>,
    flags: Vec<(String, Option<u8>)>,
}

struct Notice {
    id: String,
    level: NoticeLevel,
    text: String,
}

/// Reads the file; `None` when its header is unusable.
pub(super) fn parse(text: &str, normalise: Normalise<'_>, findings: &mut Findings) -> Option<Customers> {
    let mut customers = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let header = rows::read(text, COLUMNS, findings, |row, findings| {
        let Some(customer) = parse_row(row, normalise, findings) else { return };
        match lines.entry(customer.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(row.line);
                customers.push(customer);
            }
            Entry::Occupied(first) => {
                findings.faults.push(twice(row.line, "id", &customer.id, *first.get()));
            }
        }
    })?;
    Some(Customers { header, rows: customers })
}

/// The fault of a key that an earlier row has.
pub(super) fn twice(line: u64, column: &'static str, key: &str, first: u64) -> Fault {
    Fault::cell(
        line,
        column,
        format!("{} stands in line {first} already", shown(key)),
        "keep one of the two rows",
    )
}

fn parse_row(row: &Row<'_>, normalise: Normalise<'_>, findings: &mut Findings) -> Option<Customer> {
    let language = cells::word(row, "language", words::read_language, "ja or en", findings);
    let level = cells::word(row, "notice_level", read_level, "info, warn or danger", findings);
    let customer = Customer {
        line: row.line,
        id: cells::id(row, "id", findings)?,
        name: row.verbatim("name").to_owned(),
        kana: row.optional("kana"),
        company: row.optional("company"),
        rank: row.optional("rank"),
        language: language.unwrap_or_default(),
        phones: cells::numbers(row, "phones", normalise, findings),
        assignee: cells::id(row, "assignee", findings),
        notice: None,
        flags: cells::flags(row, "flags", findings),
    };
    let notice = row.optional("notice").map(|text| Notice::new(&customer.id, level, text));
    Some(Customer { notice, ..customer })
}

fn read_level(word: &str) -> Option<NoticeLevel> {
    match word {
        "info" => Some(NoticeLevel::Info),
        "warn" => Some(NoticeLevel::Warn),
        "danger" => Some(NoticeLevel::Danger),
        _ => None,
    }
}

impl Notice {
    /// The same notice of the same customer has the same id in every import, so its date and its
    /// confirmations stay.
    fn new(customer: &str, level: Option<NoticeLevel>, text: String) -> Self {
        let level = level.unwrap_or(NoticeLevel::Info);
        let loudness = words::loudness(level).to_string();
        let id = format!("n-{}", writing::fingerprint(&[customer, &loudness, &text]));
        Self { id, level, text }
    }
}

impl Customers {
    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Checks the references to agents.
    pub(super) async fn check(
        &self,
        connection: &mut SqliteConnection,
        findings: &mut Findings,
    ) -> Result<(), StorageError> {
        let agents = writing::agent_ids(connection).await?;
        for row in &self.rows {
            if let Some(assignee) = row.assignee.as_ref().filter(|assignee| !agents.contains(*assignee)) {
                findings.faults.push(writing::no_agent(row.line, "assignee", assignee));
            }
        }
        Ok(())
    }

    /// Writes everything. A column that the file lacks leaves what is there as it is.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Counts, StorageError> {
        let existing: BTreeSet<String> = sqlx::query_scalar("SELECT id FROM customers")
            .fetch_all(&mut *connection)
            .await?
            .into_iter()
            .collect();
        let mut counts = Counts::default();
        let mut children = Children::default();
        for batch in self.rows.chunks(BATCH) {
            self.write_customers(connection, batch).await?;
            let known: Vec<&str> =
                batch.iter().map(|row| row.id.as_str()).filter(|id| existing.contains(*id)).collect();
            self.clear_children(connection, batch, &known).await?;
            children.take(batch);
            children.write(connection, now, false).await?;
            counts.known += known.len() as u64;
            counts.new += (batch.len() - known.len()) as u64;
            progress(counts.new + counts.known, self.rows.len() as u64);
        }
        children.write(connection, now, true).await?;
        Ok(counts)
    }

    async fn write_customers(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Customer],
    ) -> Result<(), StorageError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO customers (id, name, kana, company, rank, language, assignee) ",
        );
        query.push_values(batch, |mut values, row| {
            values.push_bind(&row.id).push_bind(&row.name).push_bind(&row.kana).push_bind(&row.company);
            values.push_bind(&row.rank).push_bind(words::language(row.language)).push_bind(&row.assignee);
        });
        query.push(" ON CONFLICT (id) DO UPDATE SET name = excluded.name");
        for (column, update) in [
            ("kana", ", kana = excluded.kana"),
            ("company", ", company = excluded.company"),
            ("rank", ", rank = excluded.rank"),
            ("language", ", language = excluded.language"),
            ("assignee", ", assignee = excluded.assignee"),
        ] {
            if self.header.has(column) {
                query.push(update);
            }
        }
        query.build().execute(connection).await?;
        Ok(())
    }

    /// Removes what the file's lists replace.
    async fn clear_children(
        &self,
        connection: &mut SqliteConnection,
        batch: &[Customer],
        known: &[&str],
    ) -> Result<(), StorageError> {
        if known.is_empty() {
            return Ok(());
        }
        if self.header.has("phones") {
            delete_of(connection, "DELETE FROM customer_numbers WHERE customer IN (", known).await?;
        }
        if self.header.has("flags") {
            delete_of(connection, "DELETE FROM flags WHERE customer IN (", known).await?;
        }
        if self.header.has("notice") {
            let mut query =
                QueryBuilder::<Sqlite>::new("DELETE FROM notices WHERE imported = 1 AND customer IN (");
            push_list(&mut query, known.iter().copied());
            query.push(") AND id NOT IN (");
            push_list(
                &mut query,
                batch.iter().filter_map(|row| row.notice.as_ref()).map(|notice| notice.id.as_str()),
            );
            query.push(")").build().execute(connection).await?;
        }
        Ok(())
    }
}

async fn delete_of(
    connection: &mut SqliteConnection,
    statement: &'static str,
    ids: &[&str],
) -> Result<(), StorageError> {
    let mut query = QueryBuilder::<Sqlite>::new(statement);
    push_list(&mut query, ids.iter().copied());
    query.push(")").build().execute(connection).await?;
    Ok(())
}

fn push_list<'a>(query: &mut QueryBuilder<Sqlite>, values: impl Iterator<Item = &'a str>) {
    let mut list = query.separated(", ");
    for value in values {
        list.push_bind(value);
    }
}

/// Rows of the other tables, gathered over batches of customers so that statements keep one size and stay
/// prepared.
#[derive(Default)]
struct Children<'a> {
    numbers: Vec<(&'a str, i64, &'a ImportedNumber)>,
    flags: Vec<(&'a str, i64, &'a str, Option<u8>)>,
    notices: Vec<(&'a str, &'a Notice)>,
}

impl<'a> Children<'a> {
    fn take(&mut self, batch: &'a [Customer]) {
        for row in batch {
            let id = row.id.as_str();
            self.numbers.extend((0..).zip(&row.phones).map(|(position, number)| (id, position, number)));
            self.flags.extend(
                (0..).zip(&row.flags).map(|(position, (code, level))| (id, position, code.as_str(), *level)),
            );
            self.notices.extend(row.notice.as_ref().map(|notice| (id, notice)));
        }
    }

    /// Writes whole batches, and with `all` the rest too.
    async fn write(
        &mut self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        all: bool,
    ) -> Result<(), StorageError> {
        let now = words::moment(now);
        while let Some(batch) = writing::next_batch(&mut self.numbers, all) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "INSERT INTO customer_numbers (customer, position, e164, raw, kind, extension) ",
            );
            query.push_values(batch, |mut values, (customer, position, number)| {
                values.push_bind(customer).push_bind(position).push_bind(&number.e164).push_bind(&number.raw);
                values.push_bind(&number.kind).push_bind(&number.extension);
            });
            query.build().execute(&mut *connection).await?;
        }
        while let Some(batch) = writing::next_batch(&mut self.flags, all) {
            let mut query =
                QueryBuilder::<Sqlite>::new("INSERT INTO flags (customer, position, code, level) ");
            query.push_values(batch, |mut values, (customer, position, code, level)| {
                values.push_bind(customer).push_bind(position).push_bind(code).push_bind(level);
            });
            query.build().execute(&mut *connection).await?;
        }
        while let Some(batch) = writing::next_batch(&mut self.notices, all) {
            let mut query = QueryBuilder::<Sqlite>::new(
                "INSERT INTO notices (id, customer, loudness, body, author, at, imported) ",
            );
            query.push_values(batch, |mut values, (customer, notice)| {
                values.push_bind(&notice.id).push_bind(customer).push_bind(words::loudness(notice.level));
                values.push_bind(&notice.text).push_bind("import").push_bind(&now).push_bind(1_i64);
            });
            query.push(" ON CONFLICT (id) DO NOTHING");
            query.build().execute(&mut *connection).await?;
        }
        Ok(())
    }
}
