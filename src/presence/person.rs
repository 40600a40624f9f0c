//! One person in the book: status and state side by side, data inside the state it belongs to.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AbsenceReason, AgentId, AgentState, AgentStatus, CallId, OfferId, PresenceDocument, SetBy};
use crate::clock::Moment;

/// Why a person is not offered a call now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// Not in the directory, or leaving it.
    NoSuchAgent,
    /// Not at work.
    Offline,
    /// Absent, for this reason.
    Away(AbsenceReason),
    /// Another call is being offered to them.
    Offered,
    /// Talking.
    OnCall,
    /// Finishing a call's record.
    WrapUp,
    /// Their phone refused a moment ago.
    PhoneResting,
    /// Their phone is out of service: it said nothing, or whoever serves it cannot reach it.
    PhoneDown,
    /// Their screen did not confirm a card, or stopped answering pings.
    ClientStale,
    /// `[desk] require_screen` is set and no screen of theirs is live.
    NoScreen,
    /// Not free; more was not recorded.
    NotFree,
}

impl WhyNot {
    /// One word, for counts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchAgent => "no_such_agent",
            Self::Offline => "offline",
            Self::Away(_) => "away",
            Self::Offered => "offered",
            Self::OnCall => "on_call",
            Self::WrapUp => "wrap_up",
            Self::PhoneResting => "phone_resting",
            Self::PhoneDown => "phone_down",
            Self::ClientStale => "client_stale",
            Self::NoScreen => "no_screen",
            Self::NotFree => "not_free",
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(reason) => write!(formatter, "away:{reason}"),
            Self::NoSuchAgent
            | Self::Offline
            | Self::Offered
            | Self::OnCall
            | Self::WrapUp
            | Self::PhoneResting
            | Self::PhoneDown
            | Self::ClientStale
            | Self::NoScreen
            | Self::NotFree => formatter.write_str(self.code()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) status: AgentStatus,
    pub(super) set_by: SetBy,
    pub(super) since: Timestamp,
    pub(super) state: State,
    /// When they last became free for a call; an offer that was withdrawn does not count.
    pub(super) idle_since: Moment,
    /// Until when their phone is left alone.
    pub(super) rest_until: Option<Moment>,
    /// Since when their phone is out of service; it rests at least as long.
    #[serde(default)]
    pub(super) phone_down: Option<Timestamp>,
    /// Their screen does not answer.
    #[serde(default)]
    pub(super) stale: Option<Stale>,
    /// Whether a screen of theirs is live.
    pub(super) live: bool,
    /// No longer in the directory; forgotten as soon as nothing holds them.
    pub(super) leaving: bool,
}

/// A screen that does not answer: since when, and until when at most that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stale {
    pub(super) since: Timestamp,
    pub(super) until: Moment,
}

/// [`AgentState`] with what the book must know beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Idle,
    Reserved(Lease),
    Ringing(Lease),
    /// The call shown, and others that reached them beside it.
    OnCall(CallId, BTreeSet<CallId>),
    WrapUp {
        call: CallId,
        ends: Moment,
        until: Timestamp,
    },
}

/// The hold of one offer on a person; the offer's id is its fencing token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) call: CallId,
    pub(super) offer: OfferId,
    pub(super) expires: Moment,
}

impl Person {
    /// Somebody new: not at work until told otherwise.
    pub(super) fn new(since: Timestamp, idle_since: Moment) -> Self {
        Self {
            status: AgentStatus::Offline,
            set_by: SetBy::Shift,
            since,
            state: State::Idle,
            idle_since,
            rest_until: None,
            phone_down: None,
            stale: None,
            live: false,
            leaving: false,
        }
    }

    pub(super) fn offerable(&self, require_screen: bool) -> Result<(), WhyNot> {
        if self.leaving {
            return Err(WhyNot::NoSuchAgent);
        }
        match &self.state {
            State::Idle => {}
            State::Reserved(_) | State::Ringing(_) => return Err(WhyNot::Offered),
            State::OnCall(..) => return Err(WhyNot::OnCall),
            State::WrapUp { .. } => return Err(WhyNot::WrapUp),
        }
        match &self.status {
            AgentStatus::Available => {}
            AgentStatus::Offline => return Err(WhyNot::Offline),
            AgentStatus::Away(absence) => return Err(WhyNot::Away(absence.reason.clone())),
        }
        if self.rest_until.is_some() {
            return Err(if self.phone_down.is_some() { WhyNot::PhoneDown } else { WhyNot::PhoneResting });
        }
        if self.stale.is_some() {
            return Err(WhyNot::ClientStale);
        }
        if require_screen && !self.live {
            return Err(WhyNot::NoScreen);
        }
        Ok(())
    }

    /// The lease, when that offer holds them now.
    pub(super) fn lease(&self, offer: &OfferId) -> Option<&Lease> {
        match &self.state {
            State::Reserved(lease) | State::Ringing(lease) => {
                Some(lease).filter(|lease| lease.offer == *offer)
            }
            State::Idle | State::OnCall(..) | State::WrapUp { .. } => None,
        }
    }

    /// What they are to others: whoever is busy with a call is 別件対応中, whatever they chose.
    pub(super) fn effective_reason(&self) -> Option<AbsenceReason> {
        match (&self.state, &self.status) {
            (State::Reserved(_) | State::Ringing(_) | State::OnCall(..) | State::WrapUp { .. }, _) => {
                Some(AbsenceReason::OtherCase)
            }
            (State::Idle, AgentStatus::Away(absence)) => Some(absence.reason.clone()),
            (State::Idle, AgentStatus::Offline | AgentStatus::Available) => None,
        }
    }

    /// When something of theirs runs out.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Moment> + use<> {
        let state = match &self.state {
            State::Idle | State::OnCall(..) => None,
            State::Reserved(lease) | State::Ringing(lease) => Some(lease.expires),
            State::WrapUp { ends, .. } => Some(*ends),
        };
        [state, self.rest_until, self.stale.map(|stale| stale.until)].into_iter().flatten()
    }

    pub(super) fn state(&self) -> AgentState {
        match &self.state {
            State::Idle => AgentState::Idle,
            State::Reserved(lease) => AgentState::Reserved(lease.call.clone(), lease.offer.clone()),
            State::Ringing(lease) => AgentState::Ringing(lease.call.clone(), lease.offer.clone()),
            State::OnCall(call, _) => AgentState::OnCall(call.clone()),
            State::WrapUp { call, until, .. } => AgentState::WrapUp(call.clone(), *until),
        }
    }

    pub(super) fn document(&self, agent: &AgentId) -> PresenceDocument {
        let (state, call) = match &self.state {
            State::Idle => ("idle", None),
            State::Reserved(lease) => ("reserved", Some(&lease.call)),
            State::Ringing(lease) => ("ringing", Some(&lease.call)),
            State::OnCall(call, _) => ("on_call", Some(call)),
            State::WrapUp { call, .. } => ("wrap_up", Some(call)),
        };
        let (chosen, until, next_start) = match &self.status {
            AgentStatus::Away(absence) => (Some(&absence.reason), absence.until, absence.next_start),
            AgentStatus::Available | AgentStatus::Offline => (None, None, None),
        };
        let busy = matches!(self.state, State::OnCall(..) | State::WrapUp { .. });
        let reason = if busy { Some(&AbsenceReason::OtherCase) } else { chosen };
        PresenceDocument {
            agent: agent.clone(),
            status: self.status.as_str().to_owned(),
            reason: reason.map(ToString::to_string),
            state: state.to_owned(),
            since: self.since,
            until,
            next_start,
            set_by: self.set_by,
            call: call.cloned(),
            overlays: self.overlays(),
        }
    }
}
