//! Callers whom the agent's side puts on hold, as a proxy sees it: by the direction in the offers and answers
//! that pass (RFC 3264 §8.4, RFC 6337 §5.3). Warned of and told as too long (M091, M092).

use serde::{Deserialize, Serialize};

use super::Engine;
use super::call::Phase;
use super::context::Purpose;
use super::tables::{BranchRef, CallKey};
use super::timers::{Alarm, TimerHandle};
use crate::clock::Moment;
use crate::events::EventBody;
use crate::message::{Message, Method};
use crate::sdp::{Description, Limits};

/// A caller on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    pub since: Moment,
    /// `hold.warning` has been told.
    pub warned: bool,
    /// The next thing to be told.
    pub timer: Option<TimerHandle>,
}

impl Engine {
    /// A 2xx to an INVITE or UPDATE within the conversation may have put the caller on hold, or back.
    pub(super) fn learn_hold(&mut self, branch: BranchRef, response: &Message) {
        let Some(context) = self.tables.contexts.get(branch.context) else { return };
        let Purpose::InDialog(Some(call)) = context.purpose else { return };
        let request = &context.request;
        if !matches!(request.method(), Method::Invite | Method::Update) {
            return;
        }
        let Some(Phase::Answered(conversation)) = self.tables.calls.get(call).map(|entry| &entry.phase)
        else {
            return;
        };
        let tag = Some(conversation.tag.as_slice());
        let said = if request.from_tag() == tag {
            said_by_agent(request, response)
        } else if request.to_tag() == tag {
            said_by_caller(request, response)
        } else {
            None
        };
        self.note_hold(call, said);
    }

    /// Whether the agent's side holds, when something was said of it.
    pub(super) fn note_hold(&mut self, call: CallKey, said: Option<bool>) {
        match said {
            Some(true) => self.hold(call),
            Some(false) => self.resume(call),
            None => {}
        }
    }

    fn hold(&mut self, call: CallKey) {
        let warn_at = self.now.moment + self.settings.hold.warning;
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if entry.timers.hold.is_some() {
            return;
        }
        let timer = Some(self.timers.insert(warn_at, Alarm::Hold(call)));
        entry.timers.hold = Some(Hold { since: self.now.moment, warned: false, timer });
        self.counters.holds += 1;
        self.tell_hold(call, EventBody::CallHeld);
    }

    fn resume(&mut self, call: CallKey) {
        let Some(hold) = self.tables.calls.get_mut(call).and_then(|entry| entry.timers.hold.take()) else {
            return;
        };
        if let Some(handle) = hold.timer {
            self.timers.cancel(handle);
        }
        let held_s = self.now.moment.since(hold.since).as_secs();
        self.tell_hold(call, EventBody::CallResumed { held_s });
    }

    /// The caller has been on hold for long, or for too long.
    pub(super) fn hold_due(&mut self, call: CallKey) {
        let limit = self.settings.hold.limit;
        let Some(hold) = self.tables.calls.get_mut(call).and_then(|entry| entry.timers.hold.as_mut()) else {
            return;
        };
        let held_s = self.now.moment.since(hold.since).as_secs();
        hold.timer = None;
        if hold.warned || self.now.moment >= hold.since + limit {
            self.counters.holds_exceeded += 1;
            return self.tell_hold(call, EventBody::HoldExceeded { held_s });
        }
        hold.warned = true;
        hold.timer = Some(self.timers.insert(hold.since + limit, Alarm::Hold(call)));
        self.tell_hold(call, EventBody::HoldWarning { held_s, limit_s: limit.as_secs() });
    }

    fn tell_hold(&mut self, call: CallKey, body: EventBody) {
        let agent = match self.tables.calls.get(call).map(|entry| &entry.phase) {
            Some(Phase::Answered(conversation)) => conversation.agent.clone(),
            Some(
                Phase::Deciding(_)
                | Phase::Offered(..)
                | Phase::DefaultRouted(_)
                | Phase::Abandoned(_)
                | Phase::Over(_),
            )
            | None => return,
        };
        self.tell_all(call, agent.as_ref(), body);
    }
}

/// Whether the agent's side holds by a request of its own. Without an offer in it the answer is in the ACK,
/// where it is not looked for: people hold with an offer, and some phones resume without one.
pub(super) fn said_by_agent(request: &Message, response: &Message) -> Option<bool> {
    match description(request) {
        Some(offer) => Some(offer.holds()),
        None => description(response).map(|_| false),
    }
}

/// Whether the agent's side holds by its answer to the caller's offer, or by its own offer in a 2xx. To a
/// caller who sends nothing the answer says nothing (RFC 3264 §6.1).
pub(super) fn said_by_caller(request: &Message, response: &Message) -> Option<bool> {
    let said = description(response)?;
    let asked = description(request);
    let sends =
        asked.is_none_or(|offer| offer.audio().is_some_and(|(_, media)| offer.direction_of(media).sends()));
    sends.then(|| said.holds())
}

fn description(message: &Message) -> Option<Description> {
    let body = message.body();
    (!body.is_empty()).then(|| Description::parse(body, &Limits::default()).ok()).flatten()
}
