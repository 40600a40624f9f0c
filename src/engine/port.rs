//! What people may ask of the engine, and its answers. Rights are checked by whoever asks (desk, api).

use super::transferring::TransferWish;
use crate::callback::{Callback, CallbackId, Step, Window};
use crate::events::{CallRecord, PopDocument};
use crate::presence::{AgentId, AgentStatus, CallId, CustomerId, PresenceDocument, SetBy};

/// A request from a screen or an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Set somebody's status. Answered with [`Answer::Presence`].
    SetPresence {
        /// Whose.
        agent: AgentId,
        /// The new status.
        status: AgentStatus,
        /// With what priority; `Manual` cannot undo `Supervisor`.
        by: SetBy,
        /// The user's name, for the audit row.
        user: String,
    },
    /// Reserve an offered call, so that others see it is being looked at.
    ClaimPop {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The revision the agent sees.
        rev: u32,
    },
    /// "I take it": reserves the call; the phone's answer confirms it.
    TakePop {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The revision the agent sees.
        rev: u32,
    },
    /// Not me: the call goes on to the next agent.
    DeclinePop {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The revision the agent sees.
        rev: u32,
        /// Why, for example `policy_complaint`.
        reason: String,
    },
    /// Of several customers, this one calls.
    ChooseCustomer {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The revision the agent sees.
        rev: u32,
        /// The customer.
        customer: CustomerId,
    },
    /// An important notice was read.
    AcknowledgeNotice {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The notice.
        notice: String,
    },
    /// Let an offered caller wait in the lot.
    ParkCall {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The revision the agent sees.
        rev: u32,
    },
    /// Take a caller who waits.
    RetrieveCall {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
    },
    /// Pass one's call on.
    TransferCall {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
        /// The revision the agent sees.
        rev: u32,
        /// To whom and how.
        wish: TransferWish,
    },
    /// Allow one more transfer of a call.
    GrantTransfer {
        /// The call.
        call: CallId,
        /// The supervisor's name, for the audit row.
        user: String,
    },
    /// The open callbacks, those of one agent when one is named. Answered with [`Answer::Callbacks`].
    Callbacks(Option<AgentId>),
    /// One open callback. Answered with [`Answer::Callbacks`] of one, or `not_found`.
    Callback(CallbackId),
    /// Work on a callback. Answered with [`Answer::Callbacks`] of one.
    ChangeCallback {
        /// Which.
        id: CallbackId,
        /// What.
        change: CallbackChange,
        /// Only as this agent's own, when one is named.
        of: Option<AgentId>,
        /// The user's name, for the audit row.
        user: String,
    },
    /// Wrap-up is finished.
    FinishWrapUp {
        /// Who asks.
        agent: AgentId,
        /// The call.
        call: CallId,
    },
    /// Everybody's presence. Answered with [`Answer::Presences`].
    Presences,
    /// The live calls. Answered with [`Answer::Calls`].
    LiveCalls,
    /// One live call. Answered with [`Answer::Calls`] of one, or `not_found`.
    LiveCall(CallId),
}

/// The engine's answer to a granted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Carried out; the document's revision now, when the request was about one.
    Done {
        /// The new revision.
        rev: Option<u32>,
    },
    /// A transfer has begun.
    Passing {
        /// The card's revision.
        rev: Option<u32>,
        /// Who carries it out: `server`.
        means: &'static str,
    },
    /// One presence.
    Presence(PresenceDocument),
    /// All presences, ordered by agent id.
    Presences(Vec<PresenceDocument>),
    /// Calls, oldest first; live ones have no end.
    Calls(Vec<CallRecord>),
    /// Callbacks, oldest first.
    Callbacks(Vec<Callback>),
}

/// What is done with a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackChange {
    /// This agent is to call.
    Assign(AgentId),
    /// A time is promised.
    Promise(Window),
    /// It goes on in another way.
    Step(Step),
}

/// Why a request was not carried out: the protocol's closed list of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// Who has it, for `already_taken`.
    pub by: Option<AgentId>,
    /// The current document and its revision, for `conflict`.
    pub current: Option<Box<(u32, PopDocument)>>,
    /// What is wrong, in Japanese.
    pub ja: String,
    /// What is wrong, in English.
    pub en: String,
}

/// The protocol's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the protocol's own words")]
pub enum ErrorCode {
    Unauthorized,
    Forbidden,
    NotFound,
    Conflict,
    AlreadyTaken,
    Gone,
    ApprovalRequired,
    TransferLimit,
    NoticeUnacked,
    ReadbackRequired,
    Validation,
    RateLimited,
    PbxRefused,
    Timeout,
    Unavailable,
    Internal,
}

impl Refusal {
    /// A refusal with its two texts and nothing else.
    pub fn of(code: ErrorCode, ja: &str, en: &str) -> Self {
        Self { code, by: None, current: None, ja: ja.to_owned(), en: en.to_owned() }
    }
}
