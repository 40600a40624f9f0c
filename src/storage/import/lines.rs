//! Lines: called numbers and what they stand for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sqlx::SqliteConnection;
use unicode_normalization::UnicodeNormalization;

use super::fault::shown;
use super::rows::{self, Column, Findings, Header, Row};
use super::writing::{Counts, Progress};
use super::{Fault, Normalise, cells, customers};
use crate::park::TOP_PRIORITY;
use crate::storage::StorageError;

const COLUMNS: &[Column] = &[
    Column { name: "number", required: true },
    Column { name: "client", required: false },
    Column { name: "greeting_ja", required: false },
    Column { name: "greeting_en", required: false },
    Column { name: "group", required: false },
    Column { name: "assigned_first", required: false },
    Column { name: "priority", required: false },
];

/// The lines of a file.
pub(super) struct Lines {
    header: Header,
    rows: Vec<Line>,
}

struct Line {
    key: String,
    number: String,
    client: String,
    greeting_ja: Option<String>,
    greeting_en: Option<String>,
    group: Option<String>,
    assigned_first: bool,
    priority: u8,
}

/// Reads the file; `None` when its header is unusable.
pub(super) fn parse(text: &str, normalise: Normalise<'_>, findings: &mut Findings) -> Option<Lines> {
    let mut parsed = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    let header = rows::read(text, COLUMNS, findings, |row, findings| {
        let Some(line) = parse_row(row, normalise, findings) else { return };
        match lines.entry(line.key.clone()) {
            Entry::Vacant(place) => {
                place.insert(row.line);
                parsed.push(line);
            }
            Entry::Occupied(first) => {
                findings.faults.push(customers::twice(row.line, "number", &line.number, *first.get()));
            }
        }
    })?;
    Some(Lines { header, rows: parsed })
}

fn parse_row(row: &Row<'_>, normalise: Normalise<'_>, findings: &mut Findings) -> Option<Line> {
    let assigned_first =
        cells::word(row, "assigned_first", read_truth, "true or false", findings).unwrap_or(false);
    let priority = cells::word(row, "priority", read_priority, "a number from 0 to 9", findings).unwrap_or(0);
    let group = row.optional("group").map(|group| group.trim().to_owned());
    let key = key(row, normalise, findings)?;
    if group.is_none() && !assigned_first && row.has("group") {
        let wrong = "it is empty, and assigned_first is false".to_owned();
        let remedy = "calls to this line go to the default route; name a group to have them answered";
        findings.warnings.push(Fault::cell(row.line, "group", wrong, remedy));
    }
    Some(Line {
        key,
        number: row.trimmed("number").to_owned(),
        client: row.trimmed("client").to_owned(),
        greeting_ja: row.optional("greeting_ja"),
        greeting_en: row.optional("greeting_en"),
        group,
        assigned_first,
        priority,
    })
}

fn read_priority(word: &str) -> Option<u8> {
    word.parse().ok().filter(|priority| *priority <= TOP_PRIORITY)
}

fn read_truth(word: &str) -> Option<bool> {
    match word {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// What a called number is compared with: E.164, or the digits of a short code or extension. A line without
/// one could never be called, so here an unreadable number is a fault.
fn key(row: &Row<'_>, normalise: Normalise<'_>, findings: &mut Findings) -> Option<String> {
    let cell = row.trimmed("number");
    let mut numbers = normalise(cell);
    if numbers.len() > 1 {
        let wrong = format!("{} holds {} numbers", shown(cell), numbers.len());
        findings.faults.push(Fault::cell(row.line, "number", wrong, "give each line a row of its own"));
        return None;
    }
    let key = numbers.pop().and_then(|number| number.e164).or_else(|| plain_digits(cell));
    if key.is_none() {
        let wrong = format!("{} is no number that can be called", shown(cell));
        findings.faults.push(Fault::cell(
            row.line,
            "number",
            wrong,
            "write it as 03-1234-5678 or as plain digits",
        ));
    }
    key
}

/// The digits of a number that has nothing but digits and signs between them.
fn plain_digits(cell: &str) -> Option<String> {
    let mut digits = String::new();
    for character in cell.nfkc() {
        match character {
            '0'..='9' | '*' | '#' => digits.push(character),
            '-' | '(' | ')' | '.' | ' ' => {}
            _ => return None,
        }
    }
    (!digits.is_empty()).then_some(digits)
}

impl Lines {
    /// How many rows there are.
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Writes everything. A column that the file lacks leaves what is there as it is.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        progress: Progress<'_>,
    ) -> Result<Counts, StorageError> {
        let mut counts = Counts::default();
        for row in &self.rows {
            let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM lines WHERE match_key = ?1")
                .bind(&row.key)
                .fetch_optional(&mut *connection)
                .await?;
            self.write_line(connection, row).await?;
            counts.add(known.is_some());
            progress(counts.new + counts.known, self.rows.len() as u64);
        }
        Ok(counts)
    }

    async fn write_line(&self, connection: &mut SqliteConnection, row: &Line) -> Result<(), StorageError> {
        sqlx::query(
            "INSERT INTO lines (match_key, number, client, greeting_ja, greeting_en, group_name, \
             assigned_first, priority) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?13) \
             ON CONFLICT (match_key) DO UPDATE SET number = excluded.number, \
             client = CASE WHEN ?8 THEN excluded.client ELSE lines.client END, \
             greeting_ja = CASE WHEN ?9 THEN excluded.greeting_ja ELSE lines.greeting_ja END, \
             greeting_en = CASE WHEN ?10 THEN excluded.greeting_en ELSE lines.greeting_en END, \
             group_name = CASE WHEN ?11 THEN excluded.group_name ELSE lines.group_name END, \
             assigned_first = CASE WHEN ?12 THEN excluded.assigned_first ELSE lines.assigned_first END, \
             priority = CASE WHEN ?14 THEN excluded.priority ELSE lines.priority END",
        )
        .bind(&row.key)
        .bind(&row.number)
        .bind(&row.client)
        .bind(&row.greeting_ja)
        .bind(&row.greeting_en)
        .bind(&row.group)
        .bind(i64::from(row.assigned_first))
        .bind(self.header.has("client"))
        .bind(self.header.has("greeting_ja"))
        .bind(self.header.has("greeting_en"))
        .bind(self.header.has("group"))
        .bind(self.header.has("assigned_first"))
        .bind(i64::from(row.priority))
        .bind(self.header.has("priority"))
        .execute(connection)
        .await?;
        Ok(())
    }
}
