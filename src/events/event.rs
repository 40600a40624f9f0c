//! What happened, for whom; sequence numbers and streams are added by the hub.

use std::sync::Arc;

use jiff::Timestamp;

use super::{CallerInfo, DialledInfo, PopDocument};
use crate::callback::Callback;
use crate::presence::{AbsenceReason, AgentId, CallId, CustomerId, OfferId, PresenceDocument, StaleCause};
use crate::routing::Alert;

/// One thing that happened, addressed to those who may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// The call, if it is about one.
    pub call: Option<CallId>,
    /// The revision of the call's document for this agent; strictly growing per call and agent.
    pub rev: Option<u32>,
    /// Who sees it.
    pub audience: Vec<Audience>,
    /// After this it must not ring, notify or open anything.
    pub expires: Option<Timestamp>,
    /// What.
    pub body: EventBody,
}

/// A stream an event goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// `agent:<id>`: anything personal.
    Agent(AgentId),
    /// `team:<group>`: what every supervisor of the group may see.
    Team(String),
    /// `board:<id>`.
    Board(String),
    /// `admin`.
    Admin,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// A call is offered. With `announce` the engine waits (50 ms at most) until the frame has been written
    /// to the agent's socket, and only then lets the INVITE go: whoever writes it reports the offer's id.
    PopOffered {
        /// The offer.
        offer: OfferId,
        /// Whether the engine waits for the frame to be written.
        announce: bool,
        /// The card.
        pop: Arc<PopDocument>,
    },
    /// Late data: these whole top-level members replace the old ones.
    PopEnriched {
        /// The card as it now is.
        pop: Arc<PopDocument>,
        /// Names of the members that changed.
        members: Vec<&'static str>,
    },
    /// The card changed by somebody's hand.
    PopUpdated {
        /// The card as it now is.
        pop: Arc<PopDocument>,
        /// Names of the members that changed.
        members: Vec<&'static str>,
    },
    /// An agent reserved the call.
    PopClaimed {
        /// Who.
        by: AgentId,
    },
    /// An agent has the call: by key or by answering the phone; sent once.
    PopTaken {
        /// Who.
        by: AgentId,
    },
    /// The offer ended without this agent.
    PopWithdrawn {
        /// Why.
        cause: WithdrawCause,
    },
    /// It was this agent's to answer, and was not.
    PopMissed,
    /// The card is done with.
    PopClosed,
    /// The phone rings.
    CallRinging,
    /// The phone was answered.
    CallAnswered {
        /// By whom.
        by: AgentId,
    },
    /// The call is over.
    CallEnded {
        /// Why, in one word.
        reason: String,
        /// Seconds from answer to end; zero when unanswered.
        talk_s: u64,
    },
    /// The caller gave up before anybody answered.
    CallAbandoned {
        /// Seconds the caller waited.
        waited_s: u64,
    },
    /// The agent's side put the caller on hold.
    CallHeld,
    /// The caller is off hold.
    CallResumed {
        /// Seconds on hold.
        held_s: u64,
    },
    /// The caller has been on hold for long (M091).
    HoldWarning {
        /// Seconds so far.
        held_s: u64,
        /// Seconds that are too long.
        limit_s: u64,
    },
    /// Too long: offer to call back (M092).
    HoldExceeded {
        /// Seconds so far.
        held_s: u64,
    },
    /// The caller waits in the parking lot.
    CallParked(Box<ParkedInfo>),
    /// The caller waits there no longer.
    CallRetrieved {
        /// Who has the call now.
        by: Option<AgentId>,
        /// How the waiting ended.
        end: ParkEnd,
        /// Seconds in the lot.
        waited_s: u64,
    },
    /// The caller has nearly waited as long as they may; told once.
    ParkWarning {
        /// Seconds in the lot.
        waited_s: u64,
        /// Seconds until the limit.
        left_s: u64,
    },
    /// Somebody wants to pass the caller on (M095).
    TransferStarted(Box<TransferNews>),
    /// The caller has another handler; the count says how often that happened.
    TransferDone(Box<TransferNews>),
    /// The caller stays with who had them; `cause` says why.
    TransferFailed(Box<TransferNews>),
    /// One transfer more than a call may have.
    TransferRefused(Box<TransferNews>),
    /// Somebody is to be called back, or that has changed.
    CallbackCreated(Arc<Callback>),
    /// The promised time has begun.
    CallbackDue(Arc<Callback>),
    /// It is done, or not wanted any more.
    CallbackDone(Arc<Callback>),
    /// The customer was not reached.
    CallbackFailed(Arc<Callback>),
    /// Nobody answered within the ring limit of the call (M090).
    RingSla {
        /// Milliseconds since the INVITE arrived.
        waited_ms: u64,
    },
    /// Supervisors should look: a heavy complaint rings, or a rule says so (M030).
    AlertRaised(Alert),
    /// The agent chose one of several customers.
    MatchChosen {
        /// Which.
        customer: CustomerId,
    },
    /// An important notice was confirmed.
    NoticeAcked {
        /// The notice.
        id: String,
        /// By whom.
        by: AgentId,
    },
    /// Somebody's presence changed.
    PresenceChanged(PresenceDocument),
    /// Somebody's screen does not answer; their presence says so until it does.
    PresenceStale {
        /// Whose.
        agent: AgentId,
        /// How that was seen.
        cause: StaleCause,
    },
    /// Somebody who is away wanted to be back by now; their status stays until somebody changes it.
    PresenceReturnDue {
        /// Who.
        agent: AgentId,
        /// Why they are away.
        reason: AbsenceReason,
        /// When they wanted to be back.
        until: Timestamp,
    },
    /// Wrap-up began.
    WrapupStarted {
        /// When it ends by itself.
        until: Timestamp,
    },
    /// Wrap-up should be over, but a danger notice has not been confirmed (M023).
    WrapupOverdue,
    /// Wrap-up is over.
    WrapupDone,
    /// A part of the system is not working; calls go on.
    SystemDegraded {
        /// Which part.
        part: String,
    },
    /// It works again.
    SystemRecovered {
        /// Which part.
        part: String,
    },
}

/// Why an offer was withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawCause {
    /// Another agent has it.
    AnsweredElsewhere,
    /// CANCEL from the caller.
    CallerGaveUp,
    /// Not answered in time.
    Timeout,
    /// The phone failed or refused, and the call went on.
    Rerouted,
    /// A rule.
    Policy,
    /// The agent declined.
    Declined,
}

/// A caller in the lot, as those see it who may retrieve the call.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ParkedInfo {
    /// `ringing`, `early-media` or `answered`.
    pub mode: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most, in this mode.
    pub until: Timestamp,
    /// Until when at most, in all modes.
    pub limit: Timestamp,
    /// The group that answers the line.
    pub group: Option<String>,
    /// The place in the line, from 1; 0 while the call waits for one person only.
    pub position: usize,
    /// How many wait, in all lines.
    pub waiting: usize,
    /// Who parked it, when somebody did.
    pub by: Option<AgentId>,
    /// Who calls.
    pub caller: CallerInfo,
    /// The customer's name, when one is known.
    pub customer: Option<String>,
    /// Who looks after them, unless a rule protects that (M077).
    pub assignee: Option<ParkedFor>,
    /// What they called.
    pub dialled: DialledInfo,
}

/// Who looks after a waiting customer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ParkedFor {
    /// Their id.
    pub id: AgentId,
    /// Their family name.
    pub name: String,
}

/// A transfer, as those see it who may.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TransferNews {
    /// Who passes the caller on, when an agent does.
    pub by: Option<AgentId>,
    /// To which agent, when it is one of ours.
    pub to: Option<AgentId>,
    /// To which number or user, as it was asked for.
    pub target: String,
    /// `blind`, `attended` or `takeover`.
    pub mode: &'static str,
    /// `phone`: the phone and its PBX carry it out; `server`: we do.
    pub means: &'static str,
    /// Handler changes so far.
    pub count: u32,
    /// How many there may be.
    pub limit: u32,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// How the time in the lot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkEnd {
    /// Somebody answered.
    Retrieved,
    /// The time was over, or nobody was left to wait for: the call went elsewhere.
    TimedOut,
    /// The caller hung up.
    GaveUp,
    /// The call was refused.
    Failed,
    /// The caller will be called back.
    Callback,
}
