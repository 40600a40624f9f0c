//! Cells into values: each reader answers the value, or reports a fault and answers nothing.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::fault::shown;
use super::rows::{Findings, Row};
use super::{Fault, ImportedNumber, Normalise};
use crate::presence::{Absence, AbsenceReason, AgentStatus};
use crate::storage::words;

/// Values of one list cell at most.
const LIST_VALUES: usize = 100;

/// Octets of an id at most.
const ID_BYTES: usize = 128;

/// Japan has had one offset since 1951.
const TOKYO_HOURS: i8 = 9;

/// An id or a reference to one: without the space around it. `None` when blank or unusable.
pub(super) fn id(row: &Row<'_>, column: &'static str, findings: &mut Findings) -> Option<String> {
    let cell = row.trimmed(column);
    if cell.len() > ID_BYTES || cell.chars().any(char::is_control) {
        let wrong = format!("{} is no id", shown(cell));
        let remedy = "use at most 128 octets without control characters";
        findings.faults.push(Fault::cell(row.line, column, wrong, remedy));
        return None;
    }
    (!cell.is_empty()).then(|| cell.to_owned())
}

/// A word of a closed list; blank answers `None` without a fault.
pub(super) fn word<T>(
    row: &Row<'_>,
    column: &'static str,
    read: impl Fn(&str) -> Option<T>,
    choices: &str,
    findings: &mut Findings,
) -> Option<T> {
    let cell = row.trimmed(column);
    if cell.is_empty() {
        return None;
    }
    let value = read(&cell.to_ascii_lowercase());
    if value.is_none() {
        let wrong = format!("{} is not allowed", shown(cell));
        findings.faults.push(Fault::cell(row.line, column, wrong, &format!("use {choices}")));
    }
    value
}

/// The values of a cell, separated by `;`.
pub(super) fn list(row: &Row<'_>, column: &'static str, findings: &mut Findings) -> Vec<String> {
    let values: Vec<String> = row
        .verbatim(column)
        .split(';')
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .collect();
    if values.len() > LIST_VALUES {
        let wrong = format!("{} values stand in the cell, at most {LIST_VALUES} are read", values.len());
        findings.faults.push(Fault::cell(row.line, column, wrong, "remove some"));
        return Vec::new();
    }
    values
}

/// Telephone numbers. One that cannot be read is kept as it is written, finds nobody and is a warning: the
/// customer is worth more than the number.
pub(super) fn numbers(
    row: &Row<'_>,
    column: &'static str,
    normalise: Normalise<'_>,
    findings: &mut Findings,
) -> Vec<ImportedNumber> {
    let mut cells: Vec<String> = Vec::new();
    for value in list(row, column, findings) {
        match cells.last_mut() {
            // `0312345678;isub=123` is one number with a parameter, not two numbers.
            Some(number) if is_parameter(&value) => {
                number.push(';');
                number.push_str(&value);
            }
            Some(_) | None => cells.push(value),
        }
    }
    let mut numbers = Vec::new();
    for cell in cells {
        let mut found = normalise(&cell);
        match found.as_mut_slice() {
            [] => found.push(ImportedNumber { raw: cell, ..ImportedNumber::default() }),
            [number] => number.raw = cell,
            // The pieces of a cell with several numbers are as the cleaner shows them.
            _ => {}
        }
        for number in found {
            if let Some(warning) = number_warning(row.line, column, &number) {
                findings.warnings.push(warning);
            }
            numbers.push(number);
        }
    }
    numbers
}

fn number_warning(line: u64, column: &'static str, number: &ImportedNumber) -> Option<Fault> {
    match (&number.e164, &number.note) {
        (Some(_), None) => None,
        (Some(e164), Some(note)) => {
            let wrong = format!("{} was read as {e164}: {note}", shown(&number.raw));
            Some(Fault::cell(line, column, wrong, "check it"))
        }
        (None, note) => {
            let note = note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
            let wrong = format!("{} is no number that can call{note}", shown(&number.raw));
            Some(Fault::cell(line, column, wrong, "it is kept as written and finds nobody; correct it"))
        }
    }
}

fn is_parameter(value: &str) -> bool {
    value.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|character| character.is_ascii_alphabetic() || character == '-')
    })
}

/// A flag: its code, and a level behind a colon.
pub(super) fn flags(
    row: &Row<'_>,
    column: &'static str,
    findings: &mut Findings,
) -> Vec<(String, Option<u8>)> {
    let mut flags = Vec::new();
    for value in list(row, column, findings) {
        let (code, level) = match value.split_once(':') {
            Some((code, level)) => (code.trim(), Some(level.trim().parse::<u8>())),
            None => (value.as_str(), None),
        };
        match level.transpose() {
            Ok(level) if !code.is_empty() => flags.push((code.to_owned(), level)),
            Ok(_) | Err(_) => {
                let wrong = format!("{} is no flag", shown(&value));
                findings.faults.push(Fault::cell(
                    row.line,
                    column,
                    wrong,
                    "write a code, or code:level as complaint:2",
                ));
            }
        }
    }
    flags
}

/// `available`, `offline` or `away:REASON`; blank answers `None` without a fault.
pub(super) fn status(row: &Row<'_>, column: &'static str, findings: &mut Findings) -> Option<AgentStatus> {
    let cell = row.trimmed(column);
    let value = match cell {
        "" => return None,
        "available" => Some(AgentStatus::Available),
        "offline" => Some(AgentStatus::Offline),
        other => other
            .strip_prefix("away:")
            .and_then(|reason| absence_reason(reason.trim()))
            .map(|reason| AgentStatus::Away(Absence { reason, until: None, next_start: None })),
    };
    if value.is_none() {
        let remedy = "use available, offline, or away: with day_off, sick, meeting, other_case, break, \
                      left_for_day, out or custom:NAME";
        findings.faults.push(Fault::cell(
            row.line,
            column,
            format!("{} is not allowed", shown(cell)),
            remedy,
        ));
    }
    value
}

/// The reasons a person may be given; `rona` is only ever the system's.
fn absence_reason(word: &str) -> Option<AbsenceReason> {
    let reason = words::read_reason(word);
    let given = match &reason {
        AbsenceReason::Rona => false,
        AbsenceReason::Custom(text) => text
            .strip_prefix("custom:")
            .is_some_and(|name| !name.trim().is_empty() && !name.chars().any(char::is_control)),
        AbsenceReason::DayOff
        | AbsenceReason::Sick
        | AbsenceReason::Meeting
        | AbsenceReason::OtherCase
        | AbsenceReason::Break
        | AbsenceReason::LeftForDay
        | AbsenceReason::Out => true,
    };
    given.then_some(reason)
}

/// A SIP URI; blank answers an empty text.
pub(super) fn sip_uri(row: &Row<'_>, column: &'static str, findings: &mut Findings) -> String {
    let cell = row.trimmed(column);
    let lower = cell.to_ascii_lowercase();
    let rest = lower.strip_prefix("sip:").or_else(|| lower.strip_prefix("sips:"));
    // Headers behind a question mark would become headers of every INVITE (RFC 3261 §19.1.5).
    let usable = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('?'))
        && !cell.chars().any(|character| {
            character.is_whitespace() || character.is_control() || "<>\"".contains(character)
        });
    if !cell.is_empty() && !usable {
        let wrong = format!("{} is no SIP URI", shown(cell));
        findings.faults.push(Fault::cell(row.line, column, wrong, "write it as sip:201@192.0.2.10:5060"));
        return String::new();
    }
    cell.to_owned()
}

/// A moment: RFC 3339, or `YYYY-MM-DD HH:MM[:SS]` (also with `/`, as Excel writes it) by the clock of Japan.
pub(super) fn moment(row: &Row<'_>, column: &'static str, findings: &mut Findings) -> Option<Timestamp> {
    let cell = row.trimmed(column);
    let value = read_moment(cell);
    if value.is_none() {
        let wrong = format!("{} is no moment", shown(cell));
        let remedy = "write it as 2026-11-20 14:05 (clock of Japan) or 2026-11-20T14:05:00+09:00";
        findings.faults.push(Fault::cell(row.line, column, wrong, remedy));
    }
    value
}

fn read_moment(cell: &str) -> Option<Timestamp> {
    let moment = match cell.parse::<Timestamp>() {
        Ok(moment) => moment,
        Err(_) => Offset::constant(TOKYO_HOURS).to_timestamp(read_civil(cell)?).ok()?,
    };
    // Outside of these years it is a slip of the pen, and columns must stay in text order.
    let year = Offset::UTC.to_datetime(moment).year();
    (1900..=9000).contains(&year).then_some(moment)
}

fn read_civil(cell: &str) -> Option<DateTime> {
    let (date, time) = cell.split_once([' ', 'T'])?;
    let separator = if date.contains('/') { '/' } else { '-' };
    let mut parts = date.split(separator);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let mut parts = time.trim().split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let second = second.map_or(Some(0), digits)?;
    DateTime::new(year.parse().ok()?, digits(month)?, digits(day)?, digits(hour)?, digits(minute)?, second, 0)
        .ok()
}

/// One or two digits.
pub(super) fn digits(text: &str) -> Option<i8> {
    let plain = matches!(text.len(), 1 | 2) && text.bytes().all(|octet| octet.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_their_three_forms() {
        for cell in [
            "2026-11-20T05:12:00Z",
            "2026-11-20T14:12:00+09:00",
            "2026-11-20 14:12",
            "2026-11-20 14:12:00",
            "2026/11/20 14:12",
        ] {
            assert_eq!(
                read_moment(cell).map(|moment| moment.to_string()).as_deref(),
                Some("2026-11-20T05:12:00Z"),
                "{cell}"
            );
        }
        assert_eq!(
            read_moment("2026/1/5 9:05").map(|moment| moment.to_string()).as_deref(),
            Some("2026-01-05T00:05:00Z")
        );
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for cell in [
            "",
            "yesterday",
            "2026-11-20",
            "2026-02-30 10:00",
            "2026-11-20 25:00",
            "26-11-20 10:00",
            "2026-11-20 10:00:00:00",
            "0001-01-01T00:00:00Z",
            "2026-11-20 +1:00",
        ] {
            assert_eq!(read_moment(cell), None, "{cell}");
        }
    }
}
