//! What a decision knew, small enough to be kept with the record of each call.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rules::WhyAssignee;
use super::{Background, CustomerFact, Directory, Facts, Load, OpenFacts, People, assignee_of};
use crate::clock::Moment;
use crate::customer::CustomerCard;
use crate::identity::Presentation;
use crate::presence::{AgentId, WhyNot};

/// Free agents that are kept; of more only the longest waiting.
const FREE_KEPT: usize = 128;

/// Customers on one number that are kept.
const CARDS_KEPT: usize = 8;

/// What the first decision about a call knew. Names, notices and the history of the customer are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was decided.
    pub at: Timestamp,
    /// The key of the line.
    pub line: String,
    /// What the caller let be seen.
    pub presentation: Presentation,
    /// Why the customer is not known, when nobody was found or asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_looked_up: Option<String>,
    /// The customers on the number, without what the rules do not look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<CustomerCard>,
    /// What was unfinished.
    #[serde(default)]
    pub open: OpenFacts,
    /// When the caller called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Timestamp>,
    /// Who waited for which group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<String, u32>,
    /// Everybody who was free, longest waiting first.
    #[serde(default)]
    pub free: Vec<Free>,
    /// How it stood with those who might look after the customer, when they were not free.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub away: BTreeMap<AgentId, Away>,
}

/// Somebody who was free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Free {
    /// Who.
    pub id: AgentId,
    /// How much they had had.
    #[serde(flatten)]
    pub load: Load,
}

/// Somebody who was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// Why.
    pub why: WhyNot,
    /// When they were expected back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Timestamp>,
}

impl Snapshot {
    /// What is kept of the facts; nothing when the called number is no line or an emergency number, as no
    /// rule is asked about those.
    pub fn of(facts: &Facts<'_>) -> Option<Self> {
        let line = facts.line.filter(|_| !facts.emergency)?;
        let background = &facts.background;
        let (not_looked_up, cards) = match facts.customer {
            CustomerFact::NotLookedUp(why) => (Some(why.to_owned()), Vec::new()),
            CustomerFact::None => (None, Vec::new()),
            CustomerFact::One(card) => (None, vec![kept_of(card)]),
            CustomerFact::Several(cards) => (None, cards.iter().take(CARDS_KEPT).map(kept_of).collect()),
        };
        let mut away = BTreeMap::new();
        for why in WhyAssignee::ORDER {
            let Some((agent, _)) = assignee_of(&[why], facts.customer.card(), background.open) else {
                continue;
            };
            if let Err(why) = facts.agents.offerable(agent) {
                away.insert(agent.clone(), Away { why, back: facts.agents.back_at(agent) });
            }
        }
        Some(Self {
            at: facts.at,
            line: line.key.clone(),
            presentation: facts.presentation.clone(),
            not_looked_up,
            cards,
            open: background.open.cloned().unwrap_or_default(),
            history: background.history.to_vec(),
            queues: background.queues.cloned().unwrap_or_default(),
            free: free_of(facts),
            away,
        })
    }

    /// The people of the snapshot, to be asked like those of today.
    pub fn people(&self) -> RecordedPeople {
        let place =
            |(place, free): (usize, &Free)| (free.id.clone(), u64::try_from(place).unwrap_or(u64::MAX));
        RecordedPeople {
            free: self.free.iter().enumerate().map(place).collect(),
            loads: self.free.iter().map(|free| (free.id.clone(), free.load)).collect(),
            away: self.away.clone(),
        }
    }

    /// The facts of then, with the agents' groups and skills, the lines and the rules of `directory`. Nothing
    /// when the line is gone.
    pub fn facts<'a>(
        &'a self,
        people: &'a RecordedPeople,
        directory: &'a Directory,
        background: Background<'a>,
    ) -> Option<Facts<'a>> {
        Some(Facts {
            at: self.at,
            called: &self.line,
            line: Some(directory.lines.get(&self.line)?),
            emergency: false,
            presentation: &self.presentation,
            customer: match (&self.not_looked_up, self.cards.as_slice()) {
                (Some(why), _) => CustomerFact::NotLookedUp(why),
                (None, []) => CustomerFact::None,
                (None, [card]) => CustomerFact::One(card),
                (None, several) => CustomerFact::Several(several),
            },
            agents: People::Recorded(people),
            directory,
            tried: &[],
            background: Background {
                open: Some(&self.open),
                history: &self.history,
                queues: Some(&self.queues),
                loads: Some(&people.loads),
                ..background
            },
        })
    }
}

/// What the rules look at.
fn kept_of(card: &CustomerCard) -> CustomerCard {
    CustomerCard {
        id: card.id.clone(),
        name: String::new(),
        kana: None,
        company: None,
        rank: card.rank.clone(),
        language: card.language,
        phones: Vec::new(),
        assignee: card.assignee.clone(),
        notices: Vec::new(),
        flags: card.flags.clone(),
        contacts: Vec::new(),
    }
}

fn free_of(facts: &Facts<'_>) -> Vec<Free> {
    let mut free = facts.agents.free_among(facts.directory);
    if free.len() > FREE_KEPT {
        free.select_nth_unstable(FREE_KEPT);
        free.truncate(FREE_KEPT);
    }
    free.sort_unstable();
    let load = |agent: &AgentId| facts.background.loads.and_then(|loads| loads.get(agent)).copied();
    free.into_iter().map(|(_, id)| Free { id: id.clone(), load: load(id).unwrap_or_default() }).collect()
}

/// Everybody's status and state as a snapshot has it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecordedPeople {
    /// The free, with their place in the line.
    free: BTreeMap<AgentId, u64>,
    loads: BTreeMap<AgentId, Load>,
    away: BTreeMap<AgentId, Away>,
}

impl RecordedPeople {
    /// Whether the agent could be offered a call.
    ///
    /// # Errors
    /// Why not; of most only that they were not free is known.
    pub fn offerable(&self, agent: &AgentId) -> Result<(), WhyNot> {
        if self.free.contains_key(agent) {
            return Ok(());
        }
        Err(self.away.get(agent).map_or(WhyNot::NotFree, |away| away.why.clone()))
    }

    /// The place in the line, as a moment.
    pub fn idle_since(&self, agent: &AgentId) -> Option<Moment> {
        self.free.get(agent).map(|place| Moment::from_micros(*place))
    }

    /// When somebody who was away was expected back.
    pub fn back_at(&self, agent: &AgentId) -> Option<Timestamp> {
        self.away.get(agent)?.back
    }
}
