//! How moments and closed lists are written in columns. One word per variant, never a number that must be
//! looked up.

use jiff::Timestamp;

use super::StorageError;
use crate::customer::{Direction, Language, NoticeLevel};
use crate::presence::{Absence, AbsenceReason, AgentStatus, Role, SetBy};

/// RFC 3339 in UTC with nine digits of fraction: text order is time order, and nothing is lost.
pub(super) fn moment(at: Timestamp) -> String {
    let civil = jiff::tz::Offset::UTC.to_datetime(at);
    let Ok(year) = u32::try_from(civil.year()) else { return format!("{at:.9}") };
    // Each record has two of these, and the formatter is made for far more.
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let mut put = |last: usize, width: usize, number: u32| {
        let mut rest = number;
        for place in text[..=last].iter_mut().rev().take(width) {
            *place = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
        }
    };
    put(3, 4, year);
    put(6, 2, civil.month().unsigned_abs().into());
    put(9, 2, civil.day().unsigned_abs().into());
    put(12, 2, civil.hour().unsigned_abs().into());
    put(15, 2, civil.minute().unsigned_abs().into());
    put(18, 2, civil.second().unsigned_abs().into());
    put(28, 9, civil.subsec_nanosecond().unsigned_abs());
    String::from_utf8_lossy(&text).into_owned()
}

/// Whole milliseconds since 1970, rounded down: their order is the order of [`moment`], but for moments
/// within the same one.
pub(super) fn millisecond(at: Timestamp) -> i64 {
    let whole = at.as_nanosecond().div_euclid(1_000_000);
    i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
}

/// Reads what [`moment`] wrote.
pub(super) fn read_moment(text: &str) -> Result<Timestamp, StorageError> {
    text.parse().map_err(|_| StorageError::Corrupt("a column holds no RFC 3339 moment".to_owned()))
}

/// Reads an optional moment.
pub(super) fn read_moment_option(text: Option<&str>) -> Result<Option<Timestamp>, StorageError> {
    text.map(read_moment).transpose()
}

/// The word of a role.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Agent => "agent",
        Role::Supervisor => "supervisor",
        Role::Manager => "manager",
    }
}

/// Reads a role, or `None`.
pub(super) fn read_role(word: &str) -> Option<Role> {
    match word {
        "agent" => Some(Role::Agent),
        "supervisor" => Some(Role::Supervisor),
        "manager" => Some(Role::Manager),
        _ => None,
    }
}

/// The word of a language.
pub(super) fn language(language: Language) -> &'static str {
    match language {
        Language::Ja => "ja",
        Language::En => "en",
    }
}

/// Reads a language, or `None`.
pub(super) fn read_language(word: &str) -> Option<Language> {
    match word {
        "ja" => Some(Language::Ja),
        "en" => Some(Language::En),
        _ => None,
    }
}

/// The word of a direction.
pub(super) fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::In => "in",
        Direction::Out => "out",
    }
}

/// Reads a direction, or `None`.
pub(super) fn read_direction(word: &str) -> Option<Direction> {
    match word {
        "in" => Some(Direction::In),
        "out" => Some(Direction::Out),
        _ => None,
    }
}

/// Notice levels are numbers in the database because they are sorted there.
pub(super) fn loudness(level: NoticeLevel) -> i64 {
    match level {
        NoticeLevel::Info => 1,
        NoticeLevel::Warn => 2,
        NoticeLevel::Danger => 3,
    }
}

/// Reads a notice level from its number.
pub(super) fn read_loudness(number: i64) -> Result<NoticeLevel, StorageError> {
    match number {
        1 => Ok(NoticeLevel::Info),
        2 => Ok(NoticeLevel::Warn),
        3 => Ok(NoticeLevel::Danger),
        _ => Err(StorageError::Corrupt("a notice has no known level".to_owned())),
    }
}

/// The word of who set a status.
pub(super) fn set_by(set_by: SetBy) -> &'static str {
    match set_by {
        SetBy::Automatic => "automatic",
        SetBy::Shift => "shift",
        SetBy::Manual => "manual",
        SetBy::Supervisor => "supervisor",
    }
}

/// Reads who set a status.
pub(super) fn read_set_by(word: &str) -> Result<SetBy, StorageError> {
    match word {
        "automatic" => Ok(SetBy::Automatic),
        "shift" => Ok(SetBy::Shift),
        "manual" => Ok(SetBy::Manual),
        "supervisor" => Ok(SetBy::Supervisor),
        _ => Err(StorageError::Corrupt("a presence was set by nobody known".to_owned())),
    }
}

/// The word of an absence reason, the same as on the wire.
pub(super) fn reason(reason: &AbsenceReason) -> &str {
    match reason {
        AbsenceReason::DayOff => "day_off",
        AbsenceReason::Sick => "sick",
        AbsenceReason::Meeting => "meeting",
        AbsenceReason::OtherCase => "other_case",
        AbsenceReason::Break => "break",
        AbsenceReason::LeftForDay => "left_for_day",
        AbsenceReason::Out => "out",
        AbsenceReason::Rona => "rona",
        AbsenceReason::Custom(text) => text,
    }
}

/// Reads an absence reason: what is not in the list is the house's own.
pub(super) fn read_reason(word: &str) -> AbsenceReason {
    match word {
        "day_off" => AbsenceReason::DayOff,
        "sick" => AbsenceReason::Sick,
        "meeting" => AbsenceReason::Meeting,
        "other_case" => AbsenceReason::OtherCase,
        "break" => AbsenceReason::Break,
        "left_for_day" => AbsenceReason::LeftForDay,
        "out" => AbsenceReason::Out,
        "rona" => AbsenceReason::Rona,
        custom => AbsenceReason::Custom(custom.to_owned()),
    }
}

/// The word of a status; its absence is in columns of its own.
pub(super) fn status(status: &AgentStatus) -> &'static str {
    match status {
        AgentStatus::Offline => "offline",
        AgentStatus::Available => "available",
        AgentStatus::Away(_) => "away",
    }
}

/// Reads a status from its word and the columns of its absence.
pub(super) fn read_status(
    word: &str,
    reason: Option<&str>,
    until: Option<&str>,
    next_start: Option<&str>,
) -> Result<AgentStatus, StorageError> {
    match (word, reason) {
        ("offline", _) => Ok(AgentStatus::Offline),
        ("available", _) => Ok(AgentStatus::Available),
        ("away", Some(reason)) => Ok(AgentStatus::Away(Absence {
            reason: read_reason(reason),
            until: read_moment_option(until)?,
            next_start: read_moment_option(next_start)?,
        })),
        _ => Err(StorageError::Corrupt("a presence has no known status".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_written_as_the_formatter_writes_it(
            seconds in Timestamp::MIN.as_second()..Timestamp::MAX.as_second(),
            nanoseconds in 0..1_000_000_000_i32,
        ) {
            let at = Timestamp::new(seconds, nanoseconds).expect("within the bounds");
            prop_assert_eq!(moment(at), format!("{:.9}", at));
            prop_assert_eq!(read_moment(&moment(at)).expect("what was written"), at);
        }
    }
}
