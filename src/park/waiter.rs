//! One who waits: for whom, since when, how, and before whom.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ParkMode, Profile, Stage};
use crate::clock::Moment;
use crate::presence::AgentId;

/// RFC 3261 §13.3.1.1: whoever wants more time repeats a provisional response each minute.
pub const REFRESH: Duration = Duration::from_secs(60);

/// How much earlier a caller counts as having come for each step of priority.
const PRIORITY_HEAD_START: Duration = Duration::from_secs(30);

/// How much earlier a caller counts as having come for the agent who looks after them.
pub const ASSIGNED_HEAD_START: Duration = Duration::from_secs(60);

/// The highest priority; 0 is the plain one.
pub const TOP_PRIORITY: u8 = 9;

/// Nobody is overtaken by one who came more than this later: no caller starves, whatever comes after.
pub const MAX_HEAD_START: Duration =
    Duration::from_secs(PRIORITY_HEAD_START.as_secs() * TOP_PRIORITY as u64 + ASSIGNED_HEAD_START.as_secs());

/// The number drawn on coming in; the smaller one came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket(pub u64);

/// For whom somebody waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Anybody of this group …
    pub group: Option<String>,
    /// … or anybody with this skill …
    #[serde(default)]
    pub skill: Option<String>,
    /// … or this agent, who looks after the customer.
    pub agent: Option<AgentId>,
    /// Until then the group is not asked: patience for the agent, or for whoever parked the call and will
    /// come back for it.
    pub only_until: Option<Moment>,
    /// Then it is decided anew about the call, though nobody is free: the patience of a rule.
    #[serde(default)]
    pub patience: Option<Moment>,
}

/// Somebody who comes to wait.
#[derive(Clone, Debug)]
pub struct Arrival<C> {
    /// The call.
    pub call: C,
    /// For whom.
    pub wish: Wish,
    /// From 0 to [`TOP_PRIORITY`].
    pub priority: u8,
    /// How their trunk lets them wait.
    pub profile: Arc<Profile>,
    /// The mode in which they are to wait; of those who wait already, one further on begins now. Nothing:
    /// the first of the profile, or where they are.
    pub mode: Option<ParkMode>,
}

/// Whether a waiter stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Waiting.
    InLine,
    /// Being offered to somebody. The place in line is kept: an offer that fails costs the caller nothing.
    Offered,
}

/// One who waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter<C> {
    /// The call.
    pub call: C,
    /// For whom.
    pub wish: Wish,
    /// From 0 to [`TOP_PRIORITY`].
    pub priority: u8,
    /// Since when.
    pub since: Moment,
    /// In which mode, and until when at most.
    pub stage: Stage,
    /// The next time the caller's side is told that the call still waits.
    pub refresh: Moment,
    /// How their trunk lets them wait.
    pub profile: Arc<Profile>,
    /// In line, or being offered.
    pub place: Place,
    /// So long before the end of all its time somebody is to be warned; absent once they were.
    #[serde(default)]
    pub warn_before: Option<Duration>,
}

/// The order of a line: when the caller came, head starts taken off, in microseconds.
pub(super) type Rank = i64;

impl<C> Waiter<C> {
    /// The place among those who wait for a group. Head starts are fixed times and not classes, so that
    /// whoever waits long enough is before everybody who comes.
    pub(super) fn rank(&self) -> Rank {
        let head_start = PRIORITY_HEAD_START * u32::from(self.priority.min(TOP_PRIORITY));
        let micros = |value: u128| i64::try_from(value).unwrap_or(i64::MAX);
        micros(u128::from(self.since.as_micros())).saturating_sub(micros(head_start.as_micros()))
    }

    /// The place among those the agent of the wish can have.
    pub(super) fn rank_for_agent(&self) -> Rank {
        self.rank().saturating_sub(i64::try_from(ASSIGNED_HEAD_START.as_micros()).unwrap_or(i64::MAX))
    }

    /// The end of the time in all modes that are still to come.
    pub fn over_at(&self) -> Moment {
        let later = self.profile.modes.iter().filter(|(mode, _)| *mode > self.stage.mode);
        self.stage.ends + later.map(|(_, limit)| *limit).sum::<Duration>()
    }

    /// When somebody is to be warned that the time is nearly over. Where all of it is short, half of it is.
    pub(super) fn warn_at(&self) -> Option<Moment> {
        let (over, whole) = (self.over_at(), self.profile.longest());
        let before = self.warn_before?.min(whole / 2);
        Some(self.since + over.since(self.since).saturating_sub(before))
    }

    /// When something of this waiter is due; never while being offered.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let earliest = self.stage.ends.min(self.refresh);
        let earliest = self.warn_at().map_or(earliest, |warning| earliest.min(warning));
        let patience = self.wish.only_until.into_iter().chain(self.wish.patience).min();
        let earliest = patience.map_or(earliest, |patience| earliest.min(patience));
        matches!(self.place, Place::InLine).then_some(earliest)
    }
}
