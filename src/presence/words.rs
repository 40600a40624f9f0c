//! The written forms of status and reason: `available`, `offline`, `away:REASON` (M002).

use std::fmt;
use std::str::FromStr;

use super::{Absence, AbsenceReason, AgentStatus, Role, SetBy};

/// What begins a reason the house defined itself.
const CUSTOM: &str = "custom:";

/// Characters of the name behind `custom:`, at most.
const CUSTOM_LENGTH: usize = 64;

/// The reasons people may choose, as they are written.
const CHOSEN: [AbsenceReason; 7] = [
    AbsenceReason::DayOff,
    AbsenceReason::Sick,
    AbsenceReason::Meeting,
    AbsenceReason::OtherCase,
    AbsenceReason::Break,
    AbsenceReason::LeftForDay,
    AbsenceReason::Out,
];

/// A word that is no reason a person may choose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown reason \"{}\": use one of \
     day_off, sick, meeting, other_case, break, left_for_day, out, custom:NAME",
    .0.escape_debug()
)]
pub struct UnknownReason(pub String);

/// A text that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownStatus {
    /// Neither of the three.
    #[error("unknown status \"{}\": use available, offline or away:REASON", .0.escape_debug())]
    Status(String),
    /// `away:` with a reason that is none.
    #[error(transparent)]
    Reason(#[from] UnknownReason),
}

impl AbsenceReason {
    /// The word on the wire, in the CSV file and in the database.
    pub fn as_str(&self) -> &str {
        match self {
            Self::DayOff => "day_off",
            Self::Sick => "sick",
            Self::Meeting => "meeting",
            Self::OtherCase => "other_case",
            Self::Break => "break",
            Self::LeftForDay => "left_for_day",
            Self::Out => "out",
            Self::Rona => "rona",
            Self::Custom(word) => word,
        }
    }
}

impl fmt::Display for AbsenceReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for AbsenceReason {
    type Err = UnknownReason;

    /// Reads a reason a person may choose; `rona` is the system's and is refused.
    fn from_str(word: &str) -> Result<Self, UnknownReason> {
        if let Some(reason) = CHOSEN.iter().find(|reason| reason.as_str() == word) {
            return Ok(reason.clone());
        }
        let fits = |name: &str| {
            !name.trim().is_empty()
                && name.chars().count() <= CUSTOM_LENGTH
                && !name.chars().any(char::is_control)
        };
        match word.strip_prefix(CUSTOM) {
            Some(name) if fits(name) => Ok(Self::Custom(word.to_owned())),
            Some(_) | None => Err(UnknownReason(word.to_owned())),
        }
    }
}

impl AgentStatus {
    /// `available`, `away` or `offline`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Available => "available",
            Self::Away(_) => "away",
        }
    }
}

impl fmt::Display for AgentStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offline | Self::Available => formatter.write_str(self.as_str()),
            Self::Away(absence) => write!(formatter, "away:{}", absence.reason),
        }
    }
}

impl FromStr for AgentStatus {
    type Err = UnknownStatus;

    /// Reads the form of the CSV column `status`.
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        match text {
            "available" => Ok(Self::Available),
            "offline" => Ok(Self::Offline),
            other => match other.strip_prefix("away:") {
                Some(word) => {
                    Ok(Self::Away(Absence { reason: word.parse()?, until: None, next_start: None }))
                }
                None => Err(UnknownStatus::Status(other.to_owned())),
            },
        }
    }
}

impl SetBy {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Shift => "shift",
            Self::Manual => "manual",
            Self::Supervisor => "supervisor",
        }
    }
}

impl Role {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Manager => "manager",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m002_every_status_is_written_and_read_back() {
        for text in [
            "available",
            "offline",
            "away:day_off",
            "away:sick",
            "away:meeting",
            "away:other_case",
            "away:break",
            "away:left_for_day",
            "away:out",
            "away:custom:研修",
        ] {
            let status: AgentStatus = text.parse().unwrap();
            assert_eq!(status.to_string(), text);
        }
    }

    #[test]
    fn m002_an_unknown_reason_names_the_allowed_ones() {
        let long = format!("custom:{}", "x".repeat(65));
        for word in ["lunch", "rona", "Break", "custom:", "custom: ", "custom:\u{7}", &long, ""] {
            let error = word.parse::<AbsenceReason>().unwrap_err().to_string();
            for allowed in CHOSEN.iter().map(AbsenceReason::as_str).chain(["custom:NAME"]) {
                assert!(error.contains(allowed), "{error}");
            }
            assert!(!error.contains('\u{7}'), "{error}");
        }
        assert_eq!("busy".parse::<AgentStatus>(), Err(UnknownStatus::Status("busy".to_owned())));
        assert_eq!("away".parse::<AgentStatus>(), Err(UnknownStatus::Status("away".to_owned())));
    }

    #[test]
    fn the_word_is_the_same_as_on_the_wire() {
        for reason in
            CHOSEN.into_iter().chain([AbsenceReason::Rona, AbsenceReason::Custom("custom:x".into())])
        {
            assert_eq!(serde_json::to_value(&reason).unwrap(), reason.as_str());
            let back: AbsenceReason = serde_json::from_value(reason.as_str().into()).unwrap();
            assert_eq!(back, reason);
        }
        for set_by in [SetBy::Automatic, SetBy::Shift, SetBy::Manual, SetBy::Supervisor] {
            assert_eq!(serde_json::to_value(set_by).unwrap(), set_by.as_str());
        }
        for role in [Role::Agent, Role::Supervisor, Role::Manager] {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }
}
