//! What a decision may know beside caller, line, customer and agents; much of it has a default, as not every
//! house records it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::Directory;
use super::rules::WhyAssignee;
use super::snapshot::RecordedPeople;
use crate::clock::Moment;
use crate::customer::CustomerCard;
use crate::presence::{AgentBook, AgentId, AgentStatus, WhyNot};

/// What surrounds a call. Nothing of it is needed for a decision.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Background<'a> {
    /// The zone of times of day; UTC when absent.
    #[serde(skip)]
    pub zone: Option<&'a TimeZone>,
    /// What is unfinished with the customer.
    pub open: Option<&'a OpenFacts>,
    /// When this caller called, oldest first, the present call included; the last 64.
    pub history: &'a [Timestamp],
    /// How many callers wait for each group.
    pub queues: Option<&'a BTreeMap<String, u32>>,
    /// How much each agent has had.
    pub loads: Option<&'a BTreeMap<AgentId, Load>>,
    /// What can be done with a call beside offering it.
    pub can: Abilities,
    /// Why it cannot, for the trace.
    #[serde(skip)]
    pub cannot: Inabilities,
    /// Rules by which the call has waited as long as they say.
    #[serde(skip)]
    pub waited: &'a [String],
}

/// Why something cannot be done with a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inabilities {
    /// Why it cannot be parked.
    pub park: Option<&'static str>,
    /// Why its caller cannot be called back.
    pub callback: Option<&'static str>,
    /// Why only one phone may ring for it at a time.
    pub ring_all: Option<&'static str>,
}

/// What is unfinished with a customer, and who talked with the caller last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenFacts {
    /// An open case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseFact>,
    /// A callback was promised.
    pub callback: bool,
    /// A dispatch is under way.
    pub dispatch: bool,
    /// Who talked with this caller last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_agent: Option<AgentId>,
    /// What the house calls the customer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// An open case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFact {
    /// Whose it is.
    pub owner: Option<AgentId>,
    /// It is a complaint: only its owner and managers answer it (M005).
    pub complaint: bool,
}

/// How much an agent has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The number of the last offer to them, counted over all agents; zero: none yet.
    pub offered: u64,
    /// Calls they have answered today.
    pub answered: u32,
}

/// Phones that ring for one call at once at most, whatever the configuration says (N39).
pub const AT_ONCE: usize = 16;

/// What can be done with a call beside offering it to one agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Park it.
    pub park: bool,
    /// Call back.
    pub callback: bool,
    /// How many phones may ring for it at once; none counts as one.
    pub at_once: usize,
}

impl Abilities {
    /// Everything.
    pub const ALL: Self = Self { park: true, callback: true, at_once: AT_ONCE };
}

/// Everybody's status and state: as they are, or as they were recorded with a call.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum People<'a> {
    /// As they are.
    Live(&'a AgentBook),
    /// As they were.
    Recorded(&'a RecordedPeople),
}

impl<'a> From<&'a AgentBook> for People<'a> {
    fn from(book: &'a AgentBook) -> Self {
        Self::Live(book)
    }
}

impl<'a> People<'a> {
    /// Those of the directory who can be offered a call, with since when each has waited.
    pub(super) fn free_among(&self, directory: &'a Directory) -> Vec<(Moment, &'a AgentId)> {
        let mut listed = directory.agents.keys().peekable();
        match self {
            // Both are in the order of ids: nobody is searched for, as there may be hundreds.
            Self::Live(book) => book
                .free()
                .filter(|(_, agent)| {
                    while listed.next_if(|listed| listed < agent).is_some() {}
                    listed.peek() == Some(agent)
                })
                .collect(),
            Self::Recorded(people) => listed
                .filter(|agent| people.offerable(agent).is_ok())
                .map(|agent| (people.idle_since(agent).unwrap_or_default(), agent))
                .collect(),
        }
    }

    /// Whether the agent can be offered a call.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn offerable(&self, agent: &AgentId) -> Result<(), WhyNot> {
        match self {
            Self::Live(book) => book.offerable(agent),
            Self::Recorded(people) => people.offerable(agent),
        }
    }

    /// Whether the agent is at work, by what was chosen and not by what they do just now.
    pub fn is_at_work(&self, agent: &AgentId) -> bool {
        match self {
            Self::Live(book) => {
                book.stored(agent).is_some_and(|stored| stored.status == AgentStatus::Available)
            }
            Self::Recorded(people) => !matches!(
                people.offerable(agent),
                Err(WhyNot::NoSuchAgent | WhyNot::Offline | WhyNot::Away(_))
            ),
        }
    }

    /// Since when the agent has waited for a call.
    pub fn idle_since(&self, agent: &AgentId) -> Option<Moment> {
        match self {
            Self::Live(book) => book.idle_since(agent),
            Self::Recorded(people) => people.idle_since(agent),
        }
    }

    /// When somebody who is away is expected back.
    pub fn back_at(&self, agent: &AgentId) -> Option<Timestamp> {
        match self {
            Self::Live(book) => book.absence(agent).and_then(|absence| absence.until.or(absence.next_start)),
            Self::Recorded(people) => people.back_at(agent),
        }
    }
}

/// Who looks after the customer: the first in `order` who is known (M004). Without a customer nobody does.
pub fn assignee_of<'a>(
    order: &[WhyAssignee],
    card: Option<&'a CustomerCard>,
    open: Option<&'a OpenFacts>,
) -> Option<(&'a AgentId, WhyAssignee)> {
    let card = card?;
    order.iter().find_map(|why| {
        let agent = match why {
            WhyAssignee::OpenCaseOwner => open.and_then(|open| open.case.as_ref()?.owner.as_ref()),
            WhyAssignee::AccountOwner => card.assignee.as_ref(),
            WhyAssignee::LastAgent => open.and_then(|open| open.last_agent.as_ref()),
        };
        agent.map(|agent| (agent, *why))
    })
}

/// How many of the calls lie within so many hours before `at`, `at` included.
pub fn calls_within(history: &[Timestamp], at: Timestamp, hours: u32) -> u32 {
    let window = jiff::SignedDuration::from_hours(i64::from(hours));
    let recent = history.iter().filter(|call| at.duration_since(**call) < window && **call <= at).count();
    u32::try_from(recent).unwrap_or(u32::MAX)
}
