//! The record of a call, written once when it ends.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::ParkEnd;
use crate::callback::CallbackId;
use crate::park::ParkMode;
use crate::presence::{AgentId, CallId, CustomerId};
use crate::routing::{Decision, Snapshot};

/// One call from first INVITE to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Our id.
    pub id: CallId,
    /// SIP's id.
    pub sip_call_id: String,
    /// The presentation state.
    pub presentation: String,
    /// The calling number in E.164; absent when restricted.
    pub calling: Option<String>,
    /// The called number as cleaned.
    pub called: String,
    /// The line's number, when the called number is a line.
    pub line: Option<String>,
    /// The line's client.
    pub client: Option<String>,
    /// The matched or chosen customer.
    pub customer: Option<CustomerId>,
    /// Who answered, when an agent did.
    pub agent: Option<AgentId>,
    /// Everybody it was offered to, in order.
    pub offered_to: Vec<AgentId>,
    /// When the INVITE came.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended; absent while live.
    pub end_reason: Option<EndReason>,
    /// The final status sent to the caller, once there is one.
    pub status: Option<u16>,
    /// Seconds of talk, by the monotonic clock.
    pub talk_s: u64,
    /// How the caller waited in the parking lot, when they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Waited>,
    /// How often the caller got another handler (M095).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub transfer_count: u32,
    /// Everybody who talked with the caller, in order, once there were several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handled_by: Vec<AgentId>,
    /// The callback that was noted in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<CallbackId>,
    /// The decision traces, in order, one for each decision.
    pub traces: Vec<Trace>,
    /// What the first decision knew, for dry runs of other rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Arc<Snapshot>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How a caller waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// The mode they had come to.
    pub mode: ParkMode,
    /// Seconds in the lot.
    pub seconds: u64,
    /// How it ended.
    pub end: ParkEnd,
}

/// A decision in a record. The call path hands it on as it was made; it becomes JSON where it is written.
#[derive(Clone, Debug)]
pub enum Trace {
    /// As it was made.
    Made(Arc<Decision>),
    /// As it was read back.
    Read(Value),
}

impl Trace {
    /// The decision as JSON.
    pub fn value(&self) -> Value {
        match self {
            Self::Made(decision) => serde_json::to_value(decision).unwrap_or(Value::Null),
            Self::Read(value) => value.clone(),
        }
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Trace {}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Made(decision) => decision.serialize(serializer),
            Self::Read(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::Read)
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Answered, then ended by BYE.
    Completed,
    /// The caller gave up before an answer. With `answered_at` the answer crossed the caller's CANCEL: the
    /// agent picked up, and nobody was there any more (RFC 3261 §15).
    Abandoned,
    /// Refused with a final status.
    Rejected,
    /// Answered, and no BYE was seen within the tracking limit; or a session of ours ended unrefreshed.
    Lost,
    /// The caller will be called back.
    Callback,
    /// An anchored call whose two sides could not be brought together: the last trace says why.
    Failed,
}
