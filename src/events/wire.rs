//! The envelopes of `spop.v1`, member for member. Domain types become JSON here and nowhere else.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::callback::callback_value;
use super::{Event, EventBody, ParkedInfo, PopDocument};
use crate::engine::{ErrorCode, Refusal};

/// The version of the envelope.
pub const VERSION: u64 = 1;
/// The name of the subprotocol.
pub const SUBPROTOCOL: &str = "spop.v1";
/// The most octets a frame from the server may have.
pub const SERVER_FRAME_BYTES: usize = 64 * 1024;

/// An event as it goes out. The order of members is fixed: [`as_replay`] relies on the beginning.
#[derive(Serialize)]
pub struct EventFrame<'a> {
    /// Always 1.
    pub v: u64,
    /// Always `event`.
    pub kind: &'static str,
    /// `area.verb`.
    #[serde(rename = "type")]
    pub name: &'a str,
    /// ULID.
    pub id: &'a str,
    /// Which stream; absent on what belongs to a socket (`lead.changed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<&'a str>,
    /// Which life of the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<&'a str>,
    /// Its number in the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When it happened.
    pub at: &'a str,
    /// Our call id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<&'a str>,
    /// The revision of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rev: Option<u32>,
    /// After this it must not ring, notify or open anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<&'a str>,
    /// `none`, `render` or `read`.
    pub ack: &'static str,
    /// The payload.
    pub data: &'a Value,
}

impl EventFrame<'_> {
    /// The frame as text.
    pub fn text(&self) -> Bytes {
        to_text(self)
    }
}

/// The same event marked as sent again. Only frames made by [`EventFrame::text`] may be given.
pub fn as_replay(text: &Bytes) -> Bytes {
    const START: &[u8] = br#"{"v":1,"kind":"event","#;
    const MARK: &[u8] = br#""replay":true,"#;
    let Some(rest) = text.strip_prefix(START) else { return text.clone() };
    if rest.starts_with(MARK) {
        return text.clone();
    }
    [START, MARK, rest].concat().into()
}

/// A frame from a client, before its kind is looked at. Unknown members are ignored; doubled ones are an
/// error.
#[derive(Debug, Deserialize)]
pub struct ClientFrame {
    /// The version.
    pub v: u64,
    /// `hello`, `command`, `ack`, `ping`, `pong`.
    pub kind: String,
    /// The command's name.
    #[serde(rename = "type", default)]
    pub name: Option<String>,
    /// The command's idempotency key.
    #[serde(default)]
    pub id: Option<String>,
    /// The call the command is about.
    #[serde(default)]
    pub call: Option<String>,
    /// The revision the client shows.
    #[serde(default)]
    pub rev: Option<u32>,
    /// What is answered or acknowledged: a list in acks.
    #[serde(default)]
    pub replies_to: Option<Value>,
    /// The payload.
    #[serde(default)]
    pub data: Option<Value>,
}

impl ClientFrame {
    /// A text member of `data`.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.data.as_ref()?.get(member)?.as_str()
    }
}

/// `data` of `hello`. Unknown members are ignored.
#[derive(Debug, Default, Deserialize)]
pub struct Hello {
    /// A one-time ticket.
    #[serde(default)]
    pub ticket: Option<String>,
    /// The tab's name, for lead election.
    #[serde(default)]
    pub tab: Option<String>,
    /// `visible` or `hidden`.
    #[serde(default)]
    pub visibility: Option<String>,
    /// What it can do beyond the least; `render-ack`: it says when a card is painted, and is held to it.
    #[serde(default)]
    pub features: Vec<String>,
    /// Where the client is in each stream.
    #[serde(default)]
    pub resume: Vec<ResumeEntry>,
}

/// One stream of `resume`.
#[derive(Clone, Debug, Deserialize)]
pub struct ResumeEntry {
    /// The stream's name.
    pub stream: String,
    /// Its epoch.
    pub epoch: String,
    /// The last sequence number received.
    pub seq: u64,
}

/// One stream of `welcome`.
#[derive(Debug, Serialize)]
pub struct StreamEntry {
    /// The stream's name.
    pub stream: String,
    /// Its epoch.
    pub epoch: String,
    /// Its present sequence number.
    pub seq: u64,
    /// Whether what was missed is replayed; otherwise a snapshot follows.
    pub resumed: bool,
}

/// A reply that grants a command.
pub fn reply_ok(command: &str, data: &Value) -> Bytes {
    to_text(&json!({"v": VERSION, "kind": "reply", "replies_to": command, "ok": true, "data": data}))
}

/// A reply that refuses a command.
pub fn reply_refused(command: &str, refusal: &Refusal) -> Bytes {
    to_text(&json!({"v": VERSION, "kind": "reply", "replies_to": command, "ok": false,
        "error": refusal_value(refusal)}))
}

/// An error that answers no single command.
pub fn error(refusal: &Refusal) -> Bytes {
    to_text(&json!({"v": VERSION, "kind": "error", "error": refusal_value(refusal)}))
}

/// A ping with the server's time.
pub fn ping(number: u64, server_time: Timestamp) -> Bytes {
    to_text(&json!({"v": VERSION, "kind": "ping",
        "data": {"n": number, "server_time": time_text(server_time)}}))
}

/// The answer to a client's ping, with its `data` echoed.
pub fn pong(data: Option<&Value>) -> Bytes {
    to_text(&json!({"v": VERSION, "kind": "pong", "data": data.cloned().unwrap_or_else(|| json!({}))}))
}

/// A welcome around `data`.
pub fn welcome(data: &Value) -> Bytes {
    to_text(&json!({"v": VERSION, "kind": "welcome", "data": data}))
}

/// RFC 3339 with milliseconds and `Z`.
pub fn time_text(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The event's name, `area.verb`.
pub fn event_name(body: &EventBody) -> &'static str {
    match body {
        EventBody::PopOffered { .. } => "pop.offered",
        EventBody::PopEnriched { .. } => "pop.enriched",
        EventBody::PopUpdated { .. } => "pop.updated",
        EventBody::PopClaimed { .. } => "pop.claimed",
        EventBody::PopTaken { .. } => "pop.taken",
        EventBody::PopWithdrawn { .. } => "pop.withdrawn",
        EventBody::PopMissed => "pop.missed",
        EventBody::PopClosed => "pop.closed",
        EventBody::CallRinging => "call.ringing",
        EventBody::CallAnswered { .. } => "call.answered",
        EventBody::CallEnded { .. } => "call.ended",
        EventBody::CallAbandoned { .. } => "call.abandoned",
        EventBody::CallHeld => "call.held",
        EventBody::CallResumed { .. } => "call.resumed",
        EventBody::HoldWarning { .. } => "hold.warning",
        EventBody::HoldExceeded { .. } => "hold.exceeded",
        EventBody::CallParked(_) => "call.parked",
        EventBody::CallRetrieved { .. } => "call.retrieved",
        EventBody::ParkWarning { .. } => "park.warning",
        EventBody::CallbackCreated(_) => "callback.created",
        EventBody::CallbackDue(_) => "callback.due",
        EventBody::CallbackDone(_) => "callback.done",
        EventBody::CallbackFailed(_) => "callback.failed",
        EventBody::RingSla { .. } => "ring.sla",
        EventBody::TransferStarted(_) => "transfer.started",
        EventBody::TransferDone(_) => "transfer.done",
        EventBody::TransferFailed(_) => "transfer.failed",
        EventBody::TransferRefused(_) => "transfer.refused",
        EventBody::AlertRaised(_) => "alert.raised",
        EventBody::MatchChosen { .. } => "match.chosen",
        EventBody::NoticeAcked { .. } => "notice.acked",
        EventBody::PresenceChanged(_) => "presence.changed",
        EventBody::PresenceStale { .. } => "presence.stale",
        EventBody::PresenceReturnDue { .. } => "presence.return_due",
        EventBody::WrapupStarted { .. } => "wrapup.started",
        EventBody::WrapupOverdue => "wrapup.overdue",
        EventBody::WrapupDone => "wrapup.done",
        EventBody::SystemDegraded { .. } => "system.degraded",
        EventBody::SystemRecovered { .. } => "system.recovered",
    }
}

/// How the event must be acknowledged.
pub fn event_ack(body: &EventBody) -> &'static str {
    if matches!(body, EventBody::PopOffered { .. }) { "render" } else { "none" }
}

/// The event's payload. A card too large for a frame loses its history first, then its longest texts.
pub fn event_data(event: &Event) -> Value {
    match &event.body {
        EventBody::PopOffered { pop, .. } => pop_value(pop),
        EventBody::PopEnriched { pop, members } | EventBody::PopUpdated { pop, members } => {
            pick(pop_value(pop), members)
        }
        EventBody::PopClaimed { by } | EventBody::PopTaken { by } | EventBody::CallAnswered { by } => {
            json!({"by": by})
        }
        EventBody::PopWithdrawn { cause } => json!({"cause": cause}),
        EventBody::WrapupOverdue => json!({"reason": "notice_unacked"}),
        EventBody::PopMissed
        | EventBody::PopClosed
        | EventBody::CallRinging
        | EventBody::CallHeld
        | EventBody::WrapupDone => {
            json!({})
        }
        EventBody::CallResumed { held_s } | EventBody::HoldExceeded { held_s } => json!({"held_s": held_s}),
        EventBody::HoldWarning { held_s, limit_s } => json!({"held_s": held_s, "limit_s": limit_s}),
        EventBody::CallEnded { reason, talk_s } => json!({"reason": reason, "talk_s": talk_s}),
        EventBody::CallAbandoned { waited_s } => json!({"waited_s": waited_s}),
        EventBody::CallParked(parked) => parked_value(parked),
        EventBody::CallRetrieved { by, end, waited_s } => {
            json!({"by": by, "outcome": end, "waited_s": waited_s})
        }
        EventBody::ParkWarning { waited_s, left_s } => json!({"waited_s": waited_s, "left_s": left_s}),
        EventBody::CallbackCreated(callback)
        | EventBody::CallbackDue(callback)
        | EventBody::CallbackDone(callback)
        | EventBody::CallbackFailed(callback) => callback_value(callback, event.at),
        EventBody::RingSla { waited_ms } => json!({"waited_ms": waited_ms}),
        EventBody::TransferStarted(news)
        | EventBody::TransferDone(news)
        | EventBody::TransferFailed(news)
        | EventBody::TransferRefused(news) => to_value(news),
        EventBody::AlertRaised(alert) => {
            json!({"kind": alert.kind, "rule": alert.rule, "text": alert.text})
        }
        EventBody::MatchChosen { customer } => json!({"customer": customer}),
        EventBody::NoticeAcked { id, by } => json!({"id": id, "by": by}),
        EventBody::PresenceChanged(document) => to_value(document),
        EventBody::PresenceStale { agent, cause } => json!({"agent": agent, "cause": cause}),
        EventBody::PresenceReturnDue { agent, reason, until } => {
            json!({"agent": agent, "reason": reason.to_string(), "until": until})
        }
        EventBody::WrapupStarted { until } => json!({"until": time_text(*until)}),
        EventBody::SystemDegraded { part } | EventBody::SystemRecovered { part } => json!({"part": part}),
    }
}

/// A waiting caller as JSON.
pub fn parked_value(parked: &ParkedInfo) -> Value {
    let mut value = to_value(parked);
    value["since"] = json!(time_text(parked.since));
    value["until"] = json!(time_text(parked.until));
    value["limit"] = json!(time_text(parked.limit));
    value
}

/// A card as JSON, small enough for a frame.
pub fn pop_value(pop: &PopDocument) -> Value {
    const ROOM: usize = SERVER_FRAME_BYTES - 4 * 1024;
    let mut value = to_value(pop);
    if value.to_string().len() <= ROOM {
        return value;
    }
    let members: [(&str, Value); 4] = [
        ("contacts", json!([])),
        ("open", json!({"cases": [], "callbacks": [], "dispatch": null})),
        ("guidance", json!({"greeting": {"ja": "", "en": ""}, "steps": []})),
        ("flags", json!([])),
    ];
    for (name, empty) in members {
        value[name] = empty;
        if value.to_string().len() <= ROOM {
            return value;
        }
    }
    shorten(&mut value);
    value
}

/// A refusal as the `error` member has it.
pub fn refusal_value(refusal: &Refusal) -> Value {
    let mut value =
        json!({"code": refusal.code, "retry": retry(refusal.code), "ja": refusal.ja, "en": refusal.en});
    if let Some(by) = &refusal.by {
        value["by"] = json!(by);
    }
    if let Some(current) = &refusal.current {
        value["current"] = json!({"rev": current.0, "data": pop_value(&current.1)});
    }
    value
}

/// Whether the same command may succeed later without a person's doing.
fn retry(code: ErrorCode) -> bool {
    match code {
        ErrorCode::RateLimited | ErrorCode::Timeout | ErrorCode::Unavailable => true,
        ErrorCode::Unauthorized
        | ErrorCode::Forbidden
        | ErrorCode::NotFound
        | ErrorCode::Conflict
        | ErrorCode::AlreadyTaken
        | ErrorCode::Gone
        | ErrorCode::ApprovalRequired
        | ErrorCode::TransferLimit
        | ErrorCode::NoticeUnacked
        | ErrorCode::ReadbackRequired
        | ErrorCode::Validation
        | ErrorCode::PbxRefused
        | ErrorCode::Internal => false,
    }
}

fn pick(mut value: Value, members: &[&'static str]) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|name, _| members.contains(&name.as_str()));
    }
    value
}

/// Cuts every text to 200 characters and every list to 20 entries; the last resort for a hostile import.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((cut, _)) = text.char_indices().nth(200) {
                text.truncate(cut);
            }
        }
        Value::Array(list) => {
            list.truncate(20);
            list.iter_mut().for_each(shorten);
        }
        Value::Object(map) => map.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

pub(crate) fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("our own types have text keys and finite numbers")
}

fn to_text(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("our own types have text keys and finite numbers").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replayed_frame_differs_only_by_its_mark() {
        let data = json!({"by": "a102"});
        let frame = EventFrame {
            v: VERSION,
            kind: "event",
            name: "pop.taken",
            id: "01JD",
            stream: Some("agent:a102"),
            epoch: Some("b7f3"),
            seq: Some(4),
            at: "2026-11-22T04:41:08.123Z",
            call: Some("c-1"),
            rev: Some(2),
            expires: None,
            ack: "none",
            data: &data,
        };
        let plain = frame.text();

        let mut replayed: Value = serde_json::from_slice(&as_replay(&plain)).unwrap();
        assert_eq!(replayed.as_object_mut().unwrap().remove("replay"), Some(json!(true)));
        assert_eq!(replayed, serde_json::from_slice::<Value>(&plain).unwrap());
        assert_eq!(as_replay(&as_replay(&plain)), as_replay(&plain));
    }

    #[test]
    fn times_have_milliseconds_and_a_z() {
        assert_eq!(time_text("2026-11-22T04:41:38Z".parse().unwrap()), "2026-11-22T04:41:38.000Z");
    }

    #[test]
    fn a_doubled_member_is_an_error_and_an_unknown_one_is_not() {
        assert!(serde_json::from_str::<ClientFrame>(r#"{"v":1,"kind":"ping","kind":"ping"}"#).is_err());
        assert!(serde_json::from_str::<ClientFrame>(r#"{"v":1,"kind":"ping","later":1}"#).is_ok());
    }

    #[test]
    fn a_conflict_carries_the_document_of_now() {
        let refusal = Refusal::of(ErrorCode::Conflict, "更新されています", "Changed meanwhile");
        let value = refusal_value(&refusal);
        assert_eq!(value["code"], "conflict");
        assert_eq!(value["retry"], false);
        assert_eq!(value["en"], "Changed meanwhile");
    }
}
