//! A callback on the wire: in events, in snapshots, over REST, and in short on a card.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::wire::time_text;
use crate::callback::{Callback, CallbackState};

/// The whole callback. `state` is `overdue` when the promised time is over and nobody has called.
pub fn callback_value(callback: &Callback, now: Timestamp) -> Value {
    let (ja, en) = callback.read_back();
    let time = |at: Option<Timestamp>| at.map(time_text);
    json!({
        "id": callback.id,
        "state": word(callback, now),
        "attempts": callback.state.attempts(),
        "source": callback.source,
        "call": callback.call,
        "customer": callback.customer,
        "number": callback.number,
        "shown": callback.shown,
        "verified": callback.verified,
        "line": callback.line,
        "client": callback.client,
        "person": callback.person,
        "requested_at": time_text(callback.requested_at),
        "asked": callback.asked,
        "asked_at": time_text(callback.asked_at),
        "window": callback.window.map(|it| json!({"start": time_text(it.start), "end": time_text(it.end)})),
        "promised_by": callback.promised_by,
        "ended_at": time(callback.ended_at),
        "ended_by": callback.ended_by,
        "read_back": {"ja": ja, "en": en},
    })
}

/// What a card says of it: `by` is the name of who is to call.
pub fn callback_in_short(callback: &Callback, by: Option<&str>, now: Timestamp) -> Value {
    json!({
        "id": callback.id,
        "due": callback.window.map(|window| time_text(window.start)),
        "by": by,
        "state": word(callback, now),
        "source": callback.source,
        "requested_at": time_text(callback.requested_at),
        "asked": callback.asked,
    })
}

fn word(callback: &Callback, now: Timestamp) -> &'static str {
    let calls = matches!(callback.state, CallbackState::Attempting(_));
    if callback.is_overdue(now) && !calls { "overdue" } else { callback.state.code() }
}
