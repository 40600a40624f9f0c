//! Working hours by agent or team, and the house's own holidays.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::civil::{Date, Time};
use sqlx::SqliteConnection;

use super::fault::shown;
use super::rows::{self, Column, Findings, Row};
use super::writing::{self, Counts, Progress};
use super::{Fault, cells, customers};
use crate::storage::StorageError;
use crate::storage::shift::{AGENT, HOLIDAY, TEAM, WEEK};

const COLUMNS: &[Column] = &[
    Column { name: "agent", required: false },
    Column { name: "team", required: false },
    Column { name: "day", required: true },
    Column { name: "start", required: false },
    Column { name: "end", required: false },
];

const HOLIDAY_COLUMNS: &[Column] =
    &[Column { name: "day", required: true }, Column { name: "name", required: false }];

/// The word for Monday to Friday in one row.
const WEEKDAYS: &str = "weekdays";

/// The shifts of a file.
pub(super) struct Shifts {
    rows: Vec<Shift>,
}

struct Shift {
    line: u64,
    owner: String,
    day: String,
    hours: Option<(Time, Time)>,
}

/// The holidays of a file.
pub(super) struct OwnHolidays {
    rows: Vec<(Date, Option<String>)>,
}

/// Reads a file of shifts; `None` when its header is unusable.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Shifts> {
    let mut parsed: Vec<Shift> = Vec::new();
    let mut seen: HashMap<(String, String), u64> = HashMap::new();
    rows::read(text, COLUMNS, findings, |row, findings| {
        let Some((owner, days, hours)) = parse_row(row, findings) else { return };
        for day in days {
            match seen.entry((owner.clone(), day.clone())) {
                Entry::Vacant(place) => {
                    place.insert(row.line);
                    parsed.push(Shift { line: row.line, owner: owner.clone(), day, hours });
                }
                Entry::Occupied(first) => {
                    findings.faults.push(customers::twice(row.line, "day", &day, *first.get()));
                }
            }
        }
    })?;
    Some(Shifts { rows: parsed })
}

type ShiftRow = (String, Vec<String>, Option<(Time, Time)>);

fn parse_row(row: &Row<'_>, findings: &mut Findings) -> Option<ShiftRow> {
    let owner = owner(row, findings);
    let days = days(row, findings);
    let hours = hours(row, findings);
    Some((owner?, days?, hours?))
}

fn owner(row: &Row<'_>, findings: &mut Findings) -> Option<String> {
    match (cells::id(row, "agent", findings), cells::id(row, "team", findings)) {
        (Some(agent), None) => Some(format!("{AGENT}{agent}")),
        (None, Some(team)) => Some(format!("{TEAM}{team}")),
        (agent, _) => {
            let wrong = if agent.is_some() { "both agent and team are given" } else { "nobody is named" };
            let remedy = "give either an agent's id or the name of a team";
            findings.faults.push(Fault::cell(row.line, "agent", wrong.to_owned(), remedy));
            None
        }
    }
}

fn days(row: &Row<'_>, findings: &mut Findings) -> Option<Vec<String>> {
    let cell = row.trimmed("day").to_ascii_lowercase();
    if cell == WEEKDAYS {
        return Some(WEEK.iter().take(5).map(|day| (*day).to_owned()).collect());
    }
    if cell == HOLIDAY || WEEK.contains(&cell.as_str()) {
        return Some(vec![cell]);
    }
    date(row, findings).map(|date| vec![date.to_string()])
}

fn date(row: &Row<'_>, findings: &mut Findings) -> Option<Date> {
    let cell = row.trimmed("day");
    let date = cell.replace('/', "-").parse::<Date>().ok();
    if date.is_none() {
        let wrong = format!("{} is no day", shown(cell));
        let remedy = "use a date as 2026-12-30; for shifts also mon … sun, weekdays or holiday";
        findings.faults.push(Fault::cell(row.line, "day", wrong, remedy));
    }
    date
}

/// The hours of a row; an inner `None` means no work.
#[expect(clippy::option_option, reason = "no work is a value, a fault is none")]
fn hours(row: &Row<'_>, findings: &mut Findings) -> Option<Option<(Time, Time)>> {
    match (row.trimmed("start"), row.trimmed("end")) {
        ("", "") => Some(None),
        (start, end) => {
            let read = (time(start), time(end));
            if let (Some(start), Some(end)) = read {
                return Some(Some((start, end)));
            }
            let wrong = format!("{} to {} are no hours", shown(start), shown(end));
            let remedy = "write both as 9:30 and 18:00, or leave both empty for a day off";
            findings.faults.push(Fault::cell(row.line, "start", wrong, remedy));
            None
        }
    }
}

/// Hours and minutes; 24:00 is midnight.
fn time(cell: &str) -> Option<Time> {
    let (hour, minute) = cell.split_once(':')?;
    let (hour, minute) = (cells::digits(hour)?, cells::digits(minute)?);
    if (hour, minute) == (24, 0) { Some(Time::midnight()) } else { Time::new(hour, minute, 0, 0).ok() }
}

impl Shifts {
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Agents must exist; a team without members is only a warning, since agents may come later.
    pub(super) async fn check(
        &self,
        connection: &mut SqliteConnection,
        findings: &mut Findings,
    ) -> Result<(), StorageError> {
        let agents = writing::agent_ids(&mut *connection).await?;
        let teams: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT group_name FROM agent_groups").fetch_all(connection).await?;
        for row in &self.rows {
            if let Some(agent) = row.owner.strip_prefix(AGENT)
                && !agents.contains(agent)
            {
                findings.faults.push(writing::no_agent(row.line, "agent", agent));
            }
            if let Some(team) = row.owner.strip_prefix(TEAM)
                && !teams.iter().any(|known| known == team)
            {
                let wrong = format!("nobody is in the team {}", shown(team));
                findings.warnings.push(Fault::cell(row.line, "team", wrong, "check its name"));
            }
        }
        Ok(())
    }

    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        progress: Progress<'_>,
    ) -> Result<Counts, StorageError> {
        let mut counts = Counts::default();
        for row in &self.rows {
            let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM shifts WHERE owner = ?1 AND day = ?2")
                .bind(&row.owner)
                .bind(&row.day)
                .fetch_optional(&mut *connection)
                .await?;
            sqlx::query(
                "INSERT INTO shifts (owner, day, start_time, end_time) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (owner, day) DO UPDATE SET start_time = excluded.start_time, \
                 end_time = excluded.end_time",
            )
            .bind(&row.owner)
            .bind(&row.day)
            .bind(row.hours.map(|(start, _)| start.strftime("%H:%M").to_string()))
            .bind(row.hours.map(|(_, end)| end.strftime("%H:%M").to_string()))
            .execute(&mut *connection)
            .await?;
            counts.add(known.is_some());
            progress(counts.new + counts.known, self.rows.len() as u64);
        }
        Ok(counts)
    }
}

/// Reads a file of holidays; `None` when its header is unusable.
pub(super) fn parse_holidays(text: &str, findings: &mut Findings) -> Option<OwnHolidays> {
    let mut parsed: Vec<(Date, Option<String>)> = Vec::new();
    let mut seen: HashMap<Date, u64> = HashMap::new();
    rows::read(text, HOLIDAY_COLUMNS, findings, |row, findings| {
        let Some(day) = date(row, findings) else { return };
        match seen.entry(day) {
            Entry::Vacant(place) => {
                place.insert(row.line);
                parsed.push((day, row.optional("name")));
            }
            Entry::Occupied(first) => {
                findings.faults.push(customers::twice(row.line, "day", &day.to_string(), *first.get()));
            }
        }
    })?;
    Some(OwnHolidays { rows: parsed })
}

impl OwnHolidays {
    pub(super) fn count(&self) -> usize {
        self.rows.len()
    }

    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        progress: Progress<'_>,
    ) -> Result<Counts, StorageError> {
        let mut counts = Counts::default();
        for (day, name) in &self.rows {
            let day = day.to_string();
            let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM holidays WHERE day = ?1")
                .bind(&day)
                .fetch_optional(&mut *connection)
                .await?;
            sqlx::query(
                "INSERT INTO holidays (day, name) VALUES (?1, ?2) \
                 ON CONFLICT (day) DO UPDATE SET name = excluded.name",
            )
            .bind(&day)
            .bind(name)
            .execute(&mut *connection)
            .await?;
            counts.add(known.is_some());
            progress(counts.new + counts.known, self.rows.len() as u64);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_people_write_them() {
        for (cell, expected) in [
            ("9:30", Some((9, 30))),
            ("09:30", Some((9, 30))),
            ("24:00", Some((0, 0))),
            ("24:01", None),
            ("25:00", None),
            ("930", None),
            ("9:3a", None),
            ("-1:00", None),
        ] {
            let expected = expected.map(|(hour, minute)| Time::constant(hour, minute, 0, 0));
            assert_eq!(time(cell), expected, "{cell}");
        }
    }

    #[test]
    fn a_row_for_weekdays_makes_five_days_and_a_second_one_is_a_fault() {
        let mut findings = Findings::default();
        let file = "team,day,start,end\nsupport,weekdays,9:30,18:00\nsupport,Wed,,\n";
        let shifts = parse(file, &mut findings).expect("a usable header");
        let days: Vec<&str> = shifts.rows.iter().map(|row| row.day.as_str()).collect();
        assert_eq!(days, ["mon", "tue", "wed", "thu", "fri"]);
        assert_eq!(findings.faults.total, 1);
    }

    #[test]
    fn a_row_needs_one_owner_a_day_and_both_hours() {
        let mut findings = Findings::default();
        let file = "agent,team,day,start,end\na1,support,mon,9:00,17:00\n,,mon,9:00,17:00\na1,,someday,,\n\
                    a1,,tue,9:00,\n";
        let shifts = parse(file, &mut findings).expect("a usable header");
        assert_eq!((shifts.rows.len(), findings.faults.total), (0, 4));
    }
}
