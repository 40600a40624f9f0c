//! The two axes of presence and their public document.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AgentId, CallId, OfferId, OverlaySince};

/// What a person is in the call centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers calls.
    Agent,
    /// Grants approvals, sets others' presence, sees the team.
    Supervisor,
    /// Owns complaints; a supervisor of supervisors.
    Manager,
}

/// Why somebody is absent: the true, internal reason. What may be *said* is the guidance room's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbsenceReason {
    /// 休み
    DayOff,
    /// 病欠; never spoken.
    Sick,
    /// 会議中
    Meeting,
    /// 別件対応中: on another call or wrapping up.
    OtherCase,
    /// 休憩中
    Break,
    /// 退社
    LeftForDay,
    /// 外出
    Out,
    /// Ring, no answer: set by the system, undone by the agent with one key.
    Rona,
    /// House-defined: the whole word `custom:NAME`.
    #[serde(untagged)]
    Custom(String),
}

/// An absence with all that is known of its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The internal reason.
    pub reason: AbsenceReason,
    /// When the person expects to be back.
    pub until: Option<Timestamp>,
    /// The next start of work, when the person has left or is off.
    pub next_start: Option<Timestamp>,
}

/// What a person chose, or what was set for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentStatus {
    /// Not at work.
    Offline,
    /// Ready for calls.
    Available,
    /// At work or expected, but not ready.
    Away(Absence),
}

/// Who set a status; a lower priority cannot undo a higher one (supervisor > manual > shift > automatic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetBy {
    /// The system itself, for example after a ring without answer.
    Automatic,
    /// The shift calendar or an import.
    Shift,
    /// The person.
    Manual,
    /// A supervisor, manager or administrator.
    Supervisor,
}

/// A status as it is kept and read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredStatus {
    /// Whose.
    pub agent: AgentId,
    /// The status.
    pub status: AgentStatus,
    /// Who set it.
    pub set_by: SetBy,
    /// Since when it holds.
    pub since: Timestamp,
}

/// What the system observes of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentState {
    /// Nothing to do.
    Idle,
    /// Leased for an offer whose INVITE has not left yet.
    Reserved(CallId, OfferId),
    /// The phone is being rung.
    Ringing(CallId, OfferId),
    /// Talking.
    OnCall(CallId),
    /// Finishing the record of a call.
    WrapUp(CallId, Timestamp),
}

/// The public form of presence (REST and `presence.changed`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceDocument {
    /// Whose.
    pub agent: AgentId,
    /// `available`, `away` or `offline`.
    pub status: String,
    /// The internal reason, when away.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// `idle`, `reserved`, `ringing`, `on_call` or `wrap_up`.
    pub state: String,
    /// Since when the status holds.
    pub since: Timestamp,
    /// When the person expects to be back.
    pub until: Option<Timestamp>,
    /// The next start of work.
    pub next_start: Option<Timestamp>,
    /// Who set it.
    pub set_by: SetBy,
    /// The call the state speaks of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call: Option<CallId>,
    /// What keeps offers from them for now, whatever they chose.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overlays: Vec<OverlaySince>,
}
