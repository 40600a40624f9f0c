//! Session timers as a proxy sees them (RFC 4028 §8): none is inserted and none lowered, but a session that
//! was agreed upon and is not refreshed is over, and its call must not be followed any longer.

use std::time::Duration;

use super::Engine;
use super::call::Phase;
use super::context::Purpose;
use super::tables::{BranchRef, CallKey};
use super::timers::Alarm;
use crate::message::{Header, Message, Method};

impl Engine {
    /// A 2xx to an INVITE or UPDATE of the conversation says how long the session lasts without another one,
    /// and whether somebody is on hold.
    pub(super) fn learn_session(&mut self, branch: BranchRef, response: &Message) {
        self.learn_hold(branch, response);
        let Some(context) = self.tables.contexts.get(branch.context) else { return };
        let Some(call) = context.purpose.proxied_call() else { return };
        let initial = matches!(context.purpose, Purpose::Call(_));
        let method = context.request.method();
        if !matches!(method, Method::Invite | Method::Update) || !self.is_conversation(call, response) {
            return;
        }
        match session_of(response) {
            // The refresher's BYE comes before the end, and may be repeated for 64·T1 (RFC 4028 §10).
            Some(session) => self.follow_until(call, session + self.settings.timers.give_up()),
            None if initial => {}
            None => self.follow_until(call, self.settings.call_limit),
        }
    }

    /// Whether the response is of the dialog that became the conversation, whichever side asked.
    fn is_conversation(&self, call: CallKey, response: &Message) -> bool {
        let Some(Phase::Answered(conversation)) = self.tables.calls.get(call).map(|entry| &entry.phase)
        else {
            return false;
        };
        let tag = Some(conversation.tag.as_slice());
        response.to_tag() == tag || response.from_tag() == tag
    }

    /// The call is followed for so long from now, and never longer than the limit of all calls.
    fn follow_until(&mut self, call: CallKey, lasts: Duration) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Phase::Answered(conversation) = &entry.phase else { return };
        let end = (self.now.moment + lasts).min(conversation.answered + self.settings.call_limit);
        let handle = self.timers.insert(end, Alarm::CallLimit(call));
        if let Some(replaced) = entry.timers.limit.replace(handle) {
            self.timers.cancel(replaced);
        }
    }
}

/// `Session-Expires` of a 2xx (RFC 4028 §4); what is no number of seconds, or below the 90 s that are the
/// least, agrees on nothing.
fn session_of(response: &Message) -> Option<Duration> {
    let value = response.header(Header::SessionExpires)?;
    let digits = value.split(|octet| *octet == b';').next()?.trim_ascii();
    let seconds: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (seconds >= 90).then(|| Duration::from_secs(seconds.into()))
}
