//! Overlays: what keeps offers from somebody for now. They never change what was chosen nor what is observed,
//! and go when their cause does.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::person::{Person, Stale};
use super::{AgentBook, AgentId};
use crate::clock::{Moment, Now};

/// Something that lies over status and state: it blocks offers, changes neither of them, and goes when its
/// cause does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlay {
    /// Their screen does not answer.
    ClientStale,
    /// Their phone is out of service.
    PhoneDown,
}

/// An overlay and its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverlaySince {
    /// Which.
    pub kind: Overlay,
    /// Since when.
    pub since: Timestamp,
}

/// How a screen was found not to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleCause {
    /// A card was not confirmed as painted.
    Render,
    /// Pings were not answered.
    HeartBeat,
}

impl StaleCause {
    /// The word on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::HeartBeat => "heart_beat",
        }
    }
}

impl AgentBook {
    /// Whether the phone that is about to rest is out of service, and since when; not the phone of somebody
    /// who was busy. The overlay goes with the rest.
    pub fn phone_down(&mut self, agent: &AgentId, since: Option<Timestamp>) {
        self.change(agent, |person| {
            person.phone_down = person.phone_down.filter(|_| since.is_some()).or(since)
        });
    }

    /// The agent's screen does not answer: no offers until it does, or until `until` at most.
    pub fn stale(&mut self, agent: &AgentId, until: Moment, now: Now) {
        self.change(agent, |person| {
            let since = person.stale.map_or(now.wall, |stale| stale.since);
            person.stale = Some(Stale { since, until });
        });
    }

    /// The agent's screen answers again.
    pub fn fresh(&mut self, agent: &AgentId) {
        self.change(agent, |person| person.stale = None);
    }

    /// Whether that overlay lies on the agent.
    pub fn has_overlay(&self, agent: &AgentId, overlay: Overlay) -> bool {
        self.people.get(agent).is_some_and(|person| match overlay {
            Overlay::ClientStale => person.stale.is_some(),
            Overlay::PhoneDown => person.phone_down.is_some(),
        })
    }

    /// Somebody whose overlays are others than before; each once.
    pub fn take_overlaid(&mut self) -> Option<AgentId> {
        self.overlaid.pop_first()
    }
}

impl Person {
    /// Which overlays lie on the person: a screen that does not answer, a phone out of service.
    pub(super) const fn has_overlays(&self) -> (bool, bool) {
        (self.stale.is_some(), self.phone_down.is_some())
    }

    /// The overlays with their beginnings.
    pub(super) fn overlays(&self) -> Vec<OverlaySince> {
        let stale = self.stale.map(|stale| (Overlay::ClientStale, stale.since));
        let down = self.phone_down.map(|since| (Overlay::PhoneDown, since));
        stale.into_iter().chain(down).map(|(kind, since)| OverlaySince { kind, since }).collect()
    }
}
