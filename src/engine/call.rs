//! A call as people understand it: who calls, where it was offered, how it ended. Plain data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::tables::{BranchRef, ContextKey};
use super::timers::TimerHandle;
use crate::clock::Moment;
use crate::customer::{CustomerCard, LookupFault};
use crate::events::{EndReason, PopDocument};
use crate::identity::Caller;
use crate::presence::{AgentId, CallId, OfferId};
use crate::routing::{Alert, Decision, Line, Snapshot, TraceStep};

/// One call, from its INVITE to its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Our id, and its 128 bits.
    pub id: CallId,
    /// The bits of the id, as they stand in our Record-Route.
    pub bits: u128,
    /// SIP's Call-ID, for the record.
    pub sip_call_id: String,
    /// Who calls.
    pub caller: Caller,
    /// The called number as cleaned.
    pub called: String,
    /// The line, when the called number is one.
    pub line: Option<Arc<Line>>,
    /// The called number is an emergency number: nothing may stop or delay the call.
    pub emergency: bool,
    /// What is known of the customer.
    pub customer: CustomerState,
    /// Where the call stands.
    pub phase: Phase,
    /// To-tags of those who answered the INVITE, provisionally or finally: the other half of the dialog's
    /// proof.
    pub answered_tags: Vec<Vec<u8>>,
    /// Agents who are not asked again: offered, or found taken at the last moment.
    pub tried: Vec<AgentId>,
    /// Every offer made, in order.
    pub offers: Vec<(OfferId, AgentId)>,
    /// Offers whose card was not drawn, as nobody read cards then.
    pub untold: Vec<OfferId>,
    /// What the trace of the next decision begins with.
    #[serde(default)]
    pub asides: Vec<TraceStep>,
    /// Each decision with its trace.
    pub decisions: Vec<Arc<Decision>>,
    /// What the first decision knew.
    #[serde(default)]
    pub facts: Option<Arc<Snapshot>>,
    /// What supervisors have been told.
    #[serde(default)]
    pub alerted: BTreeSet<Alert>,
    /// Revision of the card; grows with every change.
    pub rev: u32,
    /// Notices that were confirmed in this call.
    pub acknowledged: BTreeSet<String>,
    /// When the INVITE came.
    pub began: Moment,
    /// The same by the wall clock.
    pub began_at: Timestamp,
    /// `ring.sla` has been told.
    pub sla_told: bool,
    /// Who sent its requests and from where, of those who proved it by a password.
    pub senders: Vec<(String, std::net::IpAddr)>,
    /// The final status that went to the caller.
    pub status: Option<u16>,
    /// The next branch waits until a cancelled one has answered: nothing of the Max-Breadth is left.
    pub held: bool,
    /// Timers that belong to the call as a whole.
    pub timers: CallTimers,
    /// The dialogs and the music of a call that we anchor.
    #[serde(default)]
    pub anchor: Option<Box<super::anchor::Anchor>>,
    /// How the caller waited.
    #[serde(default)]
    pub parked: Option<crate::events::Waited>,
    /// A keyed hash of the tag of who calls, by which `Replaces` is proved.
    #[serde(default)]
    pub caller_tag: u64,
    /// How it was passed on, once somebody wanted that.
    #[serde(default)]
    pub passed: Option<Box<super::passing::Passed>>,
    /// Until when the call waits, or has waited, by each rule that parks.
    #[serde(default)]
    pub patience: BTreeMap<String, Moment>,
    /// That the caller is to be called back.
    #[serde(default)]
    pub noted: Option<super::calling_back::Noted>,
}

/// Timers of a call.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct CallTimers {
    /// Ends the wait for the look-up.
    pub lookup: Option<TimerHandle>,
    /// `ring.sla`.
    pub sla: Option<TimerHandle>,
    /// Ends tracking of an answered call whose BYE never came.
    pub limit: Option<TimerHandle>,
    /// The caller is on hold.
    #[serde(default)]
    pub hold: Option<super::holding::Hold>,
    /// Something is to be said to the caller, who hears music.
    #[serde(default)]
    pub announcement: Option<TimerHandle>,
    /// Ends a call whose caller was told that they will be called back.
    #[serde(default)]
    pub goodbye: Option<TimerHandle>,
}

impl CallTimers {
    /// Every timer that runs.
    pub fn running(&self) -> impl Iterator<Item = TimerHandle> + use<> {
        let hold = self.hold.and_then(|hold| hold.timer);
        let all = [self.lookup, self.sla, self.limit, hold, self.announcement, self.goodbye];
        all.into_iter().flatten()
    }
}

/// What is known of the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CustomerState {
    /// Not to be looked up: restricted, an extension, a short code, or no line of ours.
    NotAsked,
    /// The look-up is under way, and the call waits for it.
    Waiting,
    /// The look-up gave nothing in time; it may still answer.
    Failed(LookupFault),
    /// Answered: no, one or several cards, and the one the agent chose.
    Found {
        /// The cards.
        cards: Vec<CustomerCard>,
        /// The index of the one that calls, once known.
        chosen: Option<usize>,
    },
}

impl CustomerState {
    /// The customer, when exactly one is known or one was chosen.
    pub fn card(&self) -> Option<&CustomerCard> {
        match self {
            Self::Found { cards, chosen: Some(index) } => cards.get(*index),
            Self::Found { cards, chosen: None } if cards.len() == 1 => cards.first(),
            Self::Found { .. } | Self::NotAsked | Self::Waiting | Self::Failed(_) => None,
        }
    }
}

/// Where a call stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// Between offers, or waiting for the look-up before the first.
    Deciding(ContextKey),
    /// Offered to an agent, or to several at once.
    Offered(ContextKey, Offers),
    /// On its way by the default route.
    DefaultRouted(ContextKey),
    /// The caller cancelled, and a phone may still answer before its CANCEL (D10).
    Abandoned(ContextKey),
    /// Answered.
    Answered(Conversation),
    /// The caller cancelled, or a final answer went upstream; only transactions remain.
    Over(EndReason),
}

impl Phase {
    /// The response context, while the INVITE has no final answer.
    pub const fn context(&self) -> Option<ContextKey> {
        match self {
            Self::Deciding(context) | Self::Offered(context, _) | Self::DefaultRouted(context) => {
                Some(*context)
            }
            Self::Abandoned(_) | Self::Answered(_) | Self::Over(_) => None,
        }
    }

    /// The offers that stand; none in another phase.
    pub fn offers(&self) -> impl Iterator<Item = &Offer> {
        let offers = match self {
            Self::Offered(_, offers) => Some(offers),
            Self::Deciding(_)
            | Self::DefaultRouted(_)
            | Self::Abandoned(_)
            | Self::Answered(_)
            | Self::Over(_) => None,
        };
        offers.into_iter().flat_map(Offers::iter)
    }

    fn offers_mut(&mut self) -> impl Iterator<Item = &mut Offer> {
        let offers = match self {
            Self::Offered(_, offers) => Some(offers),
            Self::Deciding(_)
            | Self::DefaultRouted(_)
            | Self::Abandoned(_)
            | Self::Answered(_)
            | Self::Over(_) => None,
        };
        offers.into_iter().flat_map(Offers::iter_mut)
    }

    /// The offer with this id, while it stands.
    pub fn offer(&self, id: &OfferId) -> Option<&Offer> {
        self.offers().find(|offer| offer.id == *id)
    }

    /// The same, to be changed.
    pub fn offer_mut(&mut self, id: &OfferId) -> Option<&mut Offer> {
        self.offers_mut().find(|offer| offer.id == *id)
    }

    /// The offer to this agent, while it stands: there is never a second one.
    pub fn offer_to(&self, agent: &AgentId) -> Option<&Offer> {
        self.offers().find(|offer| offer.agent == *agent)
    }

    /// The same, to be changed.
    pub fn offer_to_mut(&mut self, agent: &AgentId) -> Option<&mut Offer> {
        self.offers_mut().find(|offer| offer.agent == *agent)
    }
}

/// The offers of a call that stand at the same time: never none, and more than one only where a rule rings
/// all. Each has its own agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offers {
    first: Offer,
    beside: Vec<Offer>,
}

impl Offers {
    /// These offers; nothing when there is none.
    pub fn of(offers: Vec<Offer>) -> Option<Self> {
        let mut offers = offers.into_iter();
        let first = offers.next()?;
        Some(Self { first, beside: offers.collect() })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Offer> {
        std::iter::once(&self.first).chain(&self.beside)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Offer> {
        std::iter::once(&mut self.first).chain(&mut self.beside)
    }

    /// The offer with this id, and those that are left.
    pub fn part_with(mut self, id: &OfferId) -> (Option<Offer>, Option<Self>) {
        if self.first.id == *id {
            return (Some(self.first), Self::of(self.beside));
        }
        let at = self.beside.iter().position(|offer| offer.id == *id);
        let ended = at.map(|at| self.beside.remove(at));
        (ended, Some(self))
    }
}

/// An offer of the call to one agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Its id: the fencing token of the lease on the agent.
    pub id: OfferId,
    /// To whom.
    pub agent: AgentId,
    /// It was made with others at the same time: who does not answer is not away for it, as nobody was
    /// asked in person.
    #[serde(default)]
    pub shared: bool,
    /// How far it is.
    pub progress: Progress,
    /// The revision of the card that the agent was told last.
    #[serde(default)]
    pub rev: u32,
    /// The card as the agent's screen has it; absent while nobody reads cards.
    pub pop: Option<Arc<PopDocument>>,
    /// When it was made.
    pub began: Moment,
    /// When it stops being an offer.
    pub expires_at: Timestamp,
    /// How long the phone may ring. A reload does not change it: the lease was taken for this time.
    pub answer_within: Duration,
    /// The agent pressed "I take it": the phone's answer is awaited.
    pub taken_by_key: bool,
    /// Ends the offer when the phone is not answered in time.
    pub timer: Option<TimerHandle>,
}

/// How far an offer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// The pop is being written; the INVITE waits for it, at most `announce_within`.
    Announcing,
    /// The INVITE is under way.
    Inviting(BranchRef),
}

/// An answered call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Conversation {
    /// The To-tag of the answer: which of several answered dialogs is the conversation.
    pub tag: Vec<u8>,
    /// The agent, when one of ours answered.
    pub agent: Option<AgentId>,
    /// The card as the agent's screen has it.
    pub pop: Option<Arc<PopDocument>>,
    /// The caller had cancelled before the answer came: it will end at once.
    pub abandoned: bool,
    /// When it was answered.
    pub answered: Moment,
    /// The same by the wall clock.
    pub answered_at: Timestamp,
}
