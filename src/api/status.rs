//! What people may set as somebody's status: one reading for REST and `presence.set`.

use jiff::Timestamp;

use crate::presence::{Absence, AbsenceReason, AgentStatus};

/// Characters of a house-defined reason.
const CUSTOM_LENGTH: usize = 64;

/// Why a wish is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFault {
    /// The status is not `available`, `away` or `offline`.
    UnknownStatus,
    /// `away` without a reason.
    ReasonMissing,
    /// The reason is not on the list, or is one that only the system sets.
    UnknownReason,
    /// A reason or a time with a status that has none.
    NotAway,
    /// `until` or `next_start` is no RFC 3339 time.
    BadTime,
}

impl StatusFault {
    /// What is wrong, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::UnknownStatus => "The status is available, away or offline",
            Self::ReasonMissing => "Away needs a reason",
            Self::UnknownReason => "Unknown reason of absence",
            Self::NotAway => "Only away has a reason and times",
            Self::BadTime => "A time is written as RFC 3339, for example 2026-11-22T05:00:00Z",
        }
    }

    /// What is wrong, in Japanese.
    pub const fn ja(self) -> &'static str {
        match self {
            Self::UnknownStatus => "状態が正しくありません",
            Self::ReasonMissing => "不在の理由が必要です",
            Self::UnknownReason => "不明な不在理由です",
            Self::NotAway => "理由と時刻は不在のときだけ指定できます",
            Self::BadTime => "時刻の形式が正しくありません",
        }
    }
}

/// Reads a status as written on the wire.
///
/// # Errors
/// See [`StatusFault`].
pub fn read_status(
    status: &str,
    reason: Option<&str>,
    until: Option<&str>,
    next_start: Option<&str>,
) -> Result<AgentStatus, StatusFault> {
    let plain = |status| {
        if reason.is_some() || until.is_some() || next_start.is_some() {
            return Err(StatusFault::NotAway);
        }
        Ok(status)
    };
    match status {
        "available" => plain(AgentStatus::Available),
        "offline" => plain(AgentStatus::Offline),
        "away" => Ok(AgentStatus::Away(Absence {
            reason: read_reason(reason.ok_or(StatusFault::ReasonMissing)?)?,
            until: read_time(until)?,
            next_start: read_time(next_start)?,
        })),
        _ => Err(StatusFault::UnknownStatus),
    }
}

fn read_reason(word: &str) -> Result<AbsenceReason, StatusFault> {
    match word {
        "day_off" => Ok(AbsenceReason::DayOff),
        "sick" => Ok(AbsenceReason::Sick),
        "meeting" => Ok(AbsenceReason::Meeting),
        "other_case" => Ok(AbsenceReason::OtherCase),
        "break" => Ok(AbsenceReason::Break),
        "left_for_day" => Ok(AbsenceReason::LeftForDay),
        "out" => Ok(AbsenceReason::Out),
        _ => read_custom(word),
    }
}

fn read_custom(word: &str) -> Result<AbsenceReason, StatusFault> {
    let name = word.strip_prefix("custom:").ok_or(StatusFault::UnknownReason)?;
    let fits = !name.trim().is_empty()
        && name.chars().count() <= CUSTOM_LENGTH
        && !name.chars().any(char::is_control);
    if fits { Ok(AbsenceReason::Custom(word.to_owned())) } else { Err(StatusFault::UnknownReason) }
}

fn read_time(text: Option<&str>) -> Result<Option<Timestamp>, StatusFault> {
    text.map(|text| text.parse().map_err(|_| StatusFault::BadTime)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m002_every_reason_of_the_list_is_read_and_no_other() {
        for word in ["day_off", "sick", "meeting", "other_case", "break", "left_for_day", "out", "custom:研修"] {
            let read = read_status("away", Some(word), None, None).unwrap();
            let AgentStatus::Away(absence) = read else { panic!("{word} is an absence") };
            assert_eq!(serde_json::to_value(&absence.reason).unwrap(), word);
        }
        for word in ["lunch", "rona", "custom:", "custom:\u{7}", "Break", ""] {
            assert_eq!(read_status("away", Some(word), None, None), Err(StatusFault::UnknownReason), "{word}");
        }
    }

    #[test]
    fn a_status_takes_only_what_belongs_to_it() {
        assert_eq!(read_status("available", Some("break"), None, None), Err(StatusFault::NotAway));
        assert_eq!(read_status("away", None, None, None), Err(StatusFault::ReasonMissing));
        assert_eq!(read_status("busy", None, None, None), Err(StatusFault::UnknownStatus));
        assert_eq!(read_status("away", Some("out"), Some("14:00"), None), Err(StatusFault::BadTime));
        assert_eq!(read_status("offline", None, None, None), Ok(AgentStatus::Offline));
    }
}
