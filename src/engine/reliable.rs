//! Reliable provisional responses for callers who insist on them (RFC 3262): the 183 of an anchored call is
//! repeated until its PRACK, and the 200 waits for that.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::anchor::Side;
use super::tables::{CallKey, ServerKey};
use super::timers::{Alarm, TimerHandle};
use crate::dialog::Repeat;
use crate::events::WithdrawCause;
use crate::message::{Header, Message};

/// The last reliable provisional response of a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reliable {
    /// RSeq.
    number: u32,
    /// The number of the INVITE.
    cseq: u32,
    server: ServerKey,
    bytes: Bytes,
    /// Its PRACK has come.
    acknowledged: bool,
    /// The call was answered meanwhile: the 200 follows the PRACK (RFC 3262 §3).
    answers: bool,
    repeat: Repeat,
    /// The next repetition.
    pub timer: Option<TimerHandle>,
}

impl Engine {
    /// The number of the caller's next reliable response; `None` while the one before is not acknowledged,
    /// which then repeats itself.
    pub(super) fn next_rseq(&mut self, call: CallKey) -> Option<u32> {
        let begin = self.random_bits() as u32 % 100_000 + 1;
        match &self.anchor(call)?.reliable {
            Some(last) => last.acknowledged.then_some(last.number + 1),
            None => Some(begin),
        }
    }

    /// Sends a reliable 183 and repeats it until it is acknowledged.
    pub(super) fn respond_reliably(
        &mut self,
        call: CallKey,
        server: ServerKey,
        number: u32,
        cseq: u32,
        bytes: Bytes,
    ) {
        let now = self.now.moment;
        let mut repeat = Repeat::of_provisional(&self.settings.timers, now);
        let next = repeat.next(&self.settings.timers, now);
        let timer = next.map(|at| self.timers.insert(at, Alarm::Provisional(call)));
        let kept = bytes.clone();
        let reliable = Reliable {
            number,
            cseq,
            server,
            bytes: kept,
            acknowledged: false,
            answers: false,
            repeat,
            timer,
        };
        if let Some(anchor) = self.anchor_mut(call) {
            anchor.reliable = Some(Box::new(reliable));
        }
        self.respond(server, 183, bytes);
    }

    /// The 183 has no PRACK yet: once more, or after 64·T1 a refusal (RFC 3262 §3).
    pub(super) fn provisional_due(&mut self, call: CallKey) {
        let (settings, now) = (std::sync::Arc::clone(&self.settings), self.now.moment);
        let Some(reliable) = self.anchor_mut(call).and_then(|anchor| anchor.reliable.as_mut()) else {
            return;
        };
        reliable.timer = None;
        if reliable.acknowledged {
            return;
        }
        let (server, bytes) = (reliable.server, reliable.bytes.clone());
        let Some(at) = reliable.repeat.next(&settings.timers, now) else {
            self.end_offers(call, None, WithdrawCause::CallerGaveUp);
            return self.refuse_anchored(call, 504);
        };
        let handle = self.timers.insert(at, Alarm::Provisional(call));
        if let Some(reliable) = self.anchor_mut(call).and_then(|anchor| anchor.reliable.as_mut()) {
            reliable.timer = Some(handle);
        }
        self.respond(server, 183, bytes);
    }

    /// PRACK within an anchored dialog (RFC 3262 §3): 481 when it acknowledges nothing.
    pub(super) fn on_prack(&mut self, call: CallKey, side: Side, server: ServerKey, message: &Message) {
        let named = rack_of(message);
        let reliable = self.anchor_mut(call).and_then(|anchor| anchor.reliable.as_mut());
        let matches = |it: &&mut Box<Reliable>| !it.acknowledged && named == Some((it.number, it.cseq));
        let Some(reliable) = reliable.filter(|_| side == Side::Caller).filter(matches) else {
            return self.respond_status(server, 481, &[]);
        };
        reliable.acknowledged = true;
        let answers = std::mem::take(&mut reliable.answers);
        if let Some(handle) = reliable.timer.take() {
            self.timers.cancel(handle);
        }
        // An offer in it would be a second description before the answer: ours stays as it is.
        let status = if message.body().is_empty() { 200 } else { 488 };
        self.respond_status(server, status, &[]);
        if answers {
            self.answer_caller(call);
        }
    }

    /// Whether the 200 has to wait for a PRACK; then it follows that.
    pub(super) fn answers_after_prack(&mut self, call: CallKey) -> bool {
        let reliable = self.anchor_mut(call).and_then(|anchor| anchor.reliable.as_mut());
        let Some(reliable) = reliable.filter(|reliable| !reliable.acknowledged) else { return false };
        reliable.answers = true;
        true
    }
}

/// RAck: the numbers of the response and of the INVITE.
fn rack_of(message: &Message) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(message.header(Header::RAck)?).ok()?;
    let mut parts = text.split_ascii_whitespace();
    let numbers = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next() == Some("INVITE")).then_some(numbers)
}
