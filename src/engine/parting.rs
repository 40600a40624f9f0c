//! The ends of anchored calls: every dialog is ended by BYE, each 2xx of ours is repeated until its ACK, and
//! a session that is not refreshed is over.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use slotmap::Key;

use super::Engine;
use super::anchor::{Brings, Leg, Port, Side, Timed, Unacknowledged, Wanted};
use super::call::Phase;
use super::context::Purpose;
use super::input::Output;
use super::tables::{CallKey, ServerKey};
use super::timers::{Alarm, TimerHandle};
use crate::dialog::{Dialog, Event, Outgoing, Repeat, Session};
use crate::events::{EndReason, EventBody, ParkEnd, WithdrawCause};
use crate::media::MediaOrder;
use crate::routing::{Decision, TraceStep};

/// A dialog whose call is over, and whose 2xx has still no ACK: only then may BYE be sent (RFC 3261 §15).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lingering {
    dialog: Dialog,
    server: ServerKey,
    bytes: Bytes,
    cseq: u32,
    repeat: Repeat,
    timer: Option<TimerHandle>,
}

impl Engine {
    /// Gives a 2xx to an INVITE and repeats it until its ACK comes.
    pub(super) fn succeed(
        &mut self,
        call: CallKey,
        side: Side,
        server: ServerKey,
        cseq: u32,
        bytes: Bytes,
        brings: Brings,
    ) {
        let now = self.now.moment;
        let mut repeat = Repeat::of_success(&self.settings.timers, now);
        let next = repeat.next(&self.settings.timers, now);
        let timer = next.map(|at| self.timers.insert(at, Alarm::Unacknowledged(call, side)));
        if let Some(leg) = self.leg_mut(call, side) {
            // The answer to what is being asked never clashes.
            leg.exchange.handle(Event::Accepted).ok();
            let bytes = bytes.clone();
            leg.unacknowledged =
                Some(Box::new(Unacknowledged { server, bytes, cseq, repeat, timer, brings }));
        }
        self.respond(server, 200, bytes);
    }

    /// Our 2xx has no ACK yet: once more, or after 64·T1 the end (RFC 3261 §13.3.1.4).
    pub(super) fn unacknowledged(&mut self, call: CallKey, side: Side) {
        let (settings, now) = (Arc::clone(&self.settings), self.now.moment);
        let Some(waiting) = self.leg_mut(call, side).and_then(|leg| leg.unacknowledged.as_mut()) else {
            return;
        };
        let (server, bytes) = (waiting.server, waiting.bytes.clone());
        waiting.timer = None;
        let Some(at) = waiting.repeat.next(&settings.timers, now) else {
            self.counters.unacknowledged += 1;
            if let Some(leg) = self.leg_mut(call, side) {
                leg.unacknowledged = None;
            }
            return self.break_bridge(call, side, "it never acknowledged our answer");
        };
        let handle = self.timers.insert(at, Alarm::Unacknowledged(call, side));
        if let Some(waiting) = self.leg_mut(call, side).and_then(|leg| leg.unacknowledged.as_mut()) {
            waiting.timer = Some(handle);
        }
        self.respond(server, 200, bytes);
    }

    /// The record says in a step of its own why a call ended as it did.
    pub(super) fn say_why(&mut self, call: CallKey, rule: &'static str, why: String) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        tracing::info!(call.id = %entry.id, rule, why, "an anchored call ends");
        let Some(last) = entry.decisions.last() else { return };
        let trace = vec![TraceStep { rule: rule.into(), matched: true, why: why.into() }];
        let decision = Decision { rule: rule.into(), trace, ..(**last).clone() };
        entry.decisions.push(Arc::new(decision));
    }

    /// An anchored call is over, whether somebody talks or the caller waits.
    pub(super) fn end_anchored(&mut self, call: CallKey, reason: EndReason) {
        if self.end_transfer(call) {
            return self.finish_call(call, reason);
        }
        match self.tables.calls.get(call).map(|entry| &entry.phase) {
            Some(Phase::Answered(_)) => self.end_call(call, reason),
            Some(Phase::Deciding(_) | Phase::Offered(..) | Phase::DefaultRouted(_)) => {
                self.end_offers(call, None, WithdrawCause::CallerGaveUp);
                self.leave_lot(call, ParkEnd::GaveUp, None);
                let began = self.tables.calls.get(call).map_or(self.now.moment, |entry| entry.began);
                let waited_s = self.now.moment.since(began).as_secs();
                if !self.says_goodbye(call) {
                    self.tell_all(call, None, EventBody::CallAbandoned { waited_s });
                }
                self.finish_call(call, reason);
            }
            Some(Phase::Abandoned(_) | Phase::Over(_)) | None => {}
        }
    }

    /// The call is over: nobody is asked any more, no music plays, and every dialog that stands is ended.
    pub(super) fn hang_up(&mut self, call: CallKey) {
        if self.anchor(call).is_none() {
            return;
        }
        self.cancel_leg(call, super::legs::NO_LONGER);
        let Some(anchor) = self.tables.calls.get_mut(call).and_then(|entry| entry.anchor.take()) else {
            return;
        };
        let anchor = *anchor;
        self.tables.streams.remove(&anchor.stream);
        if let Port::Open(_) = anchor.port {
            self.outputs.push_back(Output::Media(MediaOrder::Close { stream: anchor.stream }));
        }
        if let Some(handle) = anchor.reliable.and_then(|reliable| reliable.timer) {
            self.timers.cancel(handle);
        }
        let answered = anchor.answered;
        let legs = [Some((anchor.caller, answered)), anchor.agent.map(|leg| (leg, true))];
        for (leg, confirmed) in legs.into_iter().flatten() {
            self.tables.dialogs.remove(leg.dialog.local_tag());
            for handle in leg.timers() {
                self.timers.cancel(handle);
            }
            if confirmed && !leg.over {
                self.end_leg(leg);
            }
        }
        self.forget_context_when_done(anchor.context);
    }

    pub(super) fn end_leg(&mut self, leg: Leg) {
        let Leg { dialog, unacknowledged, .. } = leg;
        let Some(waiting) = unacknowledged.filter(|_| self.tables.lingering.len() < self.settings.calls)
        else {
            return self.part(dialog, b"");
        };
        let Unacknowledged { server, bytes, cseq, mut repeat, .. } = *waiting;
        let tag = tag_text(&dialog);
        let timer = repeat
            .next(&self.settings.timers, self.now.moment)
            .map(|at| self.timers.insert(at, Alarm::Lingering(tag.clone())));
        let lingering = Lingering { dialog, server, bytes, cseq, repeat, timer };
        self.tables.lingering.insert(tag, lingering);
    }

    /// The 2xx of a call that is over has no ACK yet.
    pub(super) fn lingering_due(&mut self, tag: &str) {
        let (settings, now) = (Arc::clone(&self.settings), self.now.moment);
        let Some(entry) = self.tables.lingering.get_mut(tag) else { return };
        let Some(at) = entry.repeat.next(&settings.timers, now) else { return self.let_go(tag) };
        let (server, bytes) = (entry.server, entry.bytes.clone());
        entry.timer = Some(self.timers.insert(at, Alarm::Lingering(tag.to_owned())));
        self.respond(server, 200, bytes);
    }

    /// The ACK of a call that is over has come: `true` when it was one.
    pub(super) fn acknowledges_lingering(&mut self, tag: Option<&[u8]>, cseq: u32) -> bool {
        let Some(tag) = tag.filter(|_| !self.tables.lingering.is_empty()) else { return false };
        let tag = String::from_utf8_lossy(tag);
        let known = self.tables.lingering.get(&*tag).is_some_and(|entry| entry.cseq == cseq);
        if known {
            self.let_go(&tag);
        }
        known
    }

    fn let_go(&mut self, tag: &str) {
        let Some(entry) = self.tables.lingering.remove(tag) else { return };
        if let Some(handle) = entry.timer {
            self.timers.cancel(handle);
        }
        self.part(entry.dialog, b"");
    }

    /// BYE, with a Reason when there is one (RFC 3326).
    pub(super) fn part(&mut self, mut dialog: Dialog, reason: &[u8]) {
        let (cseq, branch) = (dialog.next_cseq(), self.random_bits() as u64);
        let extra = [("Reason", reason)];
        let extra = if reason.is_empty() { &[][..] } else { &extra[..] };
        let outgoing = Outgoing { method: "BYE", cseq, branch, extra, ..Outgoing::default() };
        let (bytes, next) = (dialog.write(&outgoing), dialog.next_uri());
        self.send_own(bytes, &next, ServerKey::null(), Purpose::Parting);
    }

    /// A session timer was agreed upon, or agreed upon anew; `None`: there is none any more.
    pub(super) fn set_session(&mut self, call: CallKey, side: Side, session: Option<Session>) {
        let now = self.now.moment;
        let Some(leg) = self.leg_mut(call, side) else { return };
        let before = leg.session.take().and_then(|timed| timed.timer);
        if let Some(handle) = before {
            self.timers.cancel(handle);
        }
        let Some(session) = session else { return };
        let over = now + session.over_after();
        let at = if session.ours { now + session.refresh_after() } else { over };
        let timer = Some(self.timers.insert(at.min(over), Alarm::Session(call, side)));
        if let Some(leg) = self.leg_mut(call, side) {
            leg.session = Some(Timed { session, over, timer });
        }
    }

    /// A session is to be refreshed by us, or is over (RFC 4028 §10).
    pub(super) fn session_due(&mut self, call: CallKey, side: Side) {
        let now = self.now.moment;
        let Some(leg) = self.leg_mut(call, side) else { return };
        let Some(timed) = leg.session.as_mut() else { return };
        timed.timer = None;
        let over = timed.over;
        if now >= over {
            self.counters.sessions_over += 1;
            self.say_why(call, "session_over", "the session was not refreshed".to_owned());
            return self.end_anchored(call, EndReason::Lost);
        }
        if leg.wanted.is_none() {
            leg.wanted = Some(Wanted::Refresh);
        }
        let handle = self.timers.insert(over, Alarm::Session(call, side));
        if let Some(timed) = self.leg_mut(call, side).and_then(|leg| leg.session.as_mut()) {
            timed.timer = Some(handle);
        }
        self.send_wanted(call, side);
    }
}

/// Our tag, which is text that we made.
fn tag_text(dialog: &Dialog) -> String {
    String::from_utf8_lossy(dialog.local_tag()).into_owned()
}
