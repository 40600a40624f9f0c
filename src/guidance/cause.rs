//! Why somebody cannot take the call, and in which situation it is said. The record keeps the true reason;
//! what may be spoken is the templates' (mission table, absence).

use std::borrow::Cow;

use crate::customer::ComplaintLevel;
use crate::presence::{AbsenceReason, AgentState, AgentStatus};

/// The internal reason, including those no person chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// One of the reasons of presence.
    Absent(AbsenceReason),
    /// No registration and no client: nobody knows.
    OfflineUnknown,
    /// The caller keeps asking for this person, who is kept away from them (M077).
    FrequentCallerProtected,
    /// 退職: the customer must be assigned anew.
    LeftCompany,
}

/// The situation that decides which wording may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeechContext {
    /// How much of a complaint the caller has.
    pub complaint: ComplaintLevel,
    /// The caller asked for a superior. An absent assignee who *is* a superior counts as one (M098).
    pub superior_demanded: bool,
    /// The administrator turned every excuse to the neutral 席を外しております.
    pub neutral_excuses: bool,
}

impl Cause {
    /// Why a person cannot be rung now; `None` when they can.
    ///
    /// Talking or wrapping up is another case whatever was chosen, because that is what can truthfully be
    /// said.
    pub fn observe(status: &AgentStatus, state: &AgentState) -> Option<Self> {
        let busy = match state {
            AgentState::Idle => false,
            AgentState::OnCall(_) | AgentState::WrapUp(..) => return Some(AbsenceReason::OtherCase.into()),
            AgentState::Reserved(..) | AgentState::Ringing(..) => true,
        };
        match status {
            AgentStatus::Available if busy => Some(AbsenceReason::OtherCase.into()),
            AgentStatus::Available => None,
            AgentStatus::Away(absence) => Some(absence.reason.clone().into()),
            AgentStatus::Offline => Some(Self::OfflineUnknown),
        }
    }

    /// The name of the entry in the templates.
    pub(super) fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Absent(AbsenceReason::DayOff) => "day_off",
            Self::Absent(AbsenceReason::Sick) => "sick",
            Self::Absent(AbsenceReason::Meeting) => "meeting",
            Self::Absent(AbsenceReason::OtherCase) => "other_case",
            Self::Absent(AbsenceReason::Break) => "break",
            Self::Absent(AbsenceReason::LeftForDay) => "left_for_day",
            Self::Absent(AbsenceReason::Out) => "out",
            Self::Absent(AbsenceReason::Rona) => "rona",
            // The house may write an entry for its own reason; without one it is the neutral excuse.
            Self::Absent(AbsenceReason::Custom(name)) if name.starts_with("custom:") => name,
            Self::Absent(AbsenceReason::Custom(name)) => return Cow::Owned(format!("custom:{name}")),
            Self::OfflineUnknown => "offline_unknown",
            Self::FrequentCallerProtected => "frequent_caller_protected",
            Self::LeftCompany => "left_company",
        })
    }

    /// Whether what is said of it is an excuse the neutral switch replaces. A change of the person is none.
    pub(super) fn is_excuse(&self) -> bool {
        match self {
            Self::Absent(_) | Self::OfflineUnknown => true,
            Self::FrequentCallerProtected | Self::LeftCompany => false,
        }
    }

    /// Whether the return is a start of work rather than the end of an interruption.
    pub(super) fn returns_with_next_start(&self) -> bool {
        match self {
            Self::Absent(AbsenceReason::DayOff | AbsenceReason::Sick | AbsenceReason::LeftForDay) => true,
            Self::Absent(
                AbsenceReason::Meeting
                | AbsenceReason::OtherCase
                | AbsenceReason::Break
                | AbsenceReason::Out
                | AbsenceReason::Rona
                | AbsenceReason::Custom(_),
            )
            | Self::OfflineUnknown
            | Self::FrequentCallerProtected
            | Self::LeftCompany => false,
        }
    }
}

impl From<AbsenceReason> for Cause {
    fn from(reason: AbsenceReason) -> Self {
        Self::Absent(reason)
    }
}

impl SpeechContext {
    /// 会議中 must not be said: a complaint is open and a superior was asked for (M099).
    pub(super) fn is_delicate(&self) -> bool {
        self.complaint > ComplaintLevel::None && self.superior_demanded
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::presence::{Absence, CallId, OfferId};

    #[test]
    fn m033_an_agent_on_a_call_or_wrapping_up_is_on_another_case() {
        let call = CallId::new("c-1");
        let away = AgentStatus::Away(Absence { reason: AbsenceReason::Break, until: None, next_start: None });
        let other_case = Some(Cause::Absent(AbsenceReason::OtherCase));
        let states =
            [AgentState::OnCall(call.clone()), AgentState::WrapUp(call.clone(), Timestamp::UNIX_EPOCH)];
        for state in &states {
            assert_eq!(Cause::observe(&AgentStatus::Available, state), other_case);
            assert_eq!(Cause::observe(&away, state), other_case);
        }
        let ringing = AgentState::Ringing(call, OfferId::new("o-1"));
        assert_eq!(Cause::observe(&AgentStatus::Available, &ringing), other_case);
        assert_eq!(Cause::observe(&AgentStatus::Available, &AgentState::Idle), None);
        assert_eq!(Cause::observe(&away, &AgentState::Idle), Some(Cause::Absent(AbsenceReason::Break)));
        assert_eq!(Cause::observe(&AgentStatus::Offline, &AgentState::Idle), Some(Cause::OfflineUnknown));
    }
}
