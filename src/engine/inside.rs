//! Requests within the dialogs of an anchored call: ended, answered by us, or carried over to the other leg.

use bytes::Bytes;

use super::Engine;
use super::anchor::{Bridge, Brings, Port, Side};
use super::anchoring::is_sdp;
use super::requests::ALLOW;
use super::tables::{CallKey, ServerKey};
use crate::dialog::{Clash, Event, Session};
use crate::events::EndReason;
use crate::message::{Header, Message, Method};
use crate::sdp::{Description, Direction, Limits, Wish, read_answer};
use crate::transport::Flow;

/// When an overlapping offer may come again, in seconds (RFC 3261 §14.2: 0 to 10).
const COME_AGAIN: &[u8] = b"3";

impl Engine {
    /// A request within an anchored dialog, with its transaction open.
    pub(super) fn on_dialog_request(
        &mut self,
        peer: usize,
        flow: Flow,
        (call, side): (CallKey, Side),
        server: ServerKey,
        message: &Message,
    ) {
        let Some(leg) = self.leg_mut(call, side) else { return };
        if !leg.dialog.takes(message.cseq()) {
            // RFC 3261 §12.2.2: out of order.
            return self.respond_status(server, 500, &[]);
        }
        match message.method() {
            Method::Bye => {
                self.respond_status(server, 200, &[]);
                self.on_dialog_bye(call, side);
            }
            Method::Invite | Method::Update => self.on_dialog_offer(call, side, server, message),
            Method::Options => {
                let accept: [(&str, &[u8]); 2] = [("Allow", ALLOW), ("Accept", b"application/sdp")];
                self.respond_status(server, 200, &accept);
            }
            Method::Refer if self.refuses_transfer(peer, flow, message) => {
                self.respond_status(server, 403, &[]);
            }
            Method::Refer
                if side == Side::Agent
                    && self.anchor(call).is_some_and(|anchor| anchor.bridge == Bridge::Talking)
                    && self.on_anchored_refer(call, server, message) => {}
            Method::Refer
            | Method::Info
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other => {
                if self.anchor(call).is_some_and(|anchor| anchor.bridge == Bridge::Talking) {
                    self.carry(call, side, server, message);
                } else {
                    // Nobody is there whom it could be for.
                    self.respond_status(server, 480, &[]);
                }
            }
            Method::Prack => self.on_prack(call, side, server, message),
            Method::Ack | Method::Cancel | Method::Register => {
                self.respond_status(server, 405, &[("Allow", ALLOW)])
            }
        }
    }

    fn on_dialog_bye(&mut self, call: CallKey, side: Side) {
        let Some(leg) = self.leg_mut(call, side) else { return };
        leg.over = true;
        leg.unacknowledged.take().and_then(|waiting| waiting.timer).map(|handle| self.timers.cancel(handle));
        if self.hung_up_in_transfer(call, side) {
            return;
        }
        let talked = self.tables.calls.get(call).is_some_and(|entry| {
            entry.conversation().is_some() || entry.passed.as_ref().is_some_and(|it| it.first.is_some())
        });
        self.end_anchored(call, if talked { EndReason::Completed } else { EndReason::Abandoned });
    }

    /// An INVITE or UPDATE: one at a time (RFC 3261 §14.2).
    fn on_dialog_offer(&mut self, call: CallKey, side: Side, server: ServerKey, message: &Message) {
        let Some(leg) = self.leg_mut(call, side) else { return };
        match leg.exchange.handle(Event::Receive) {
            Ok(()) => {}
            Err(Clash::Pending) => {
                self.counters.glares += 1;
                return self.respond_status(server, 491, &[]);
            }
            Err(Clash::Overlapping) => {
                return self.respond_status(server, 500, &[("Retry-After", COME_AGAIN)]);
            }
        }
        leg.dialog.refresh_target(message);
        let empty_update = message.method() == Method::Update && message.body().is_empty();
        if empty_update {
            return self.accept_here(call, side, server, message, None, Brings::Nothing);
        }
        let kind = message.header(Header::ContentType);
        if !message.body().is_empty() && !kind.is_some_and(is_sdp) {
            self.refuse_offer(call, side);
            return self.respond_status(server, 415, &[("Accept", b"application/sdp")]);
        }
        match self.anchor(call).map(|anchor| anchor.bridge) {
            Some(Bridge::Waiting) => self.answer_here(call, server, message),
            Some(Bridge::Joining | Bridge::Talking) => self.carry_offer(call, side, server, message),
            None => {}
        }
    }

    pub(super) fn refuse_offer(&mut self, call: CallKey, side: Side) {
        if let Some(leg) = self.leg_mut(call, side) {
            // Settling what is under way never clashes.
            leg.exchange.handle(Event::Settled).ok();
        }
        self.send_wanted(call, side);
    }

    /// The caller offers while music plays: we answer.
    fn answer_here(&mut self, call: CallKey, server: ServerKey, message: &Message) {
        let Some(Port::Open(local)) = self.anchor(call).map(|anchor| anchor.port) else {
            self.refuse_offer(call, Side::Caller);
            return self.respond_status(server, 488, &[]);
        };
        if message.body().is_empty() {
            let Some(anchor) = self.anchor_mut(call) else { return };
            let agreed = anchor.agreed;
            let offer = anchor.caller.own.offer(local, Direction::SendRecv, agreed.as_ref());
            let brings = Brings::AnswerToUs;
            return self.accept_here(call, Side::Caller, server, message, Some(offer), brings);
        }
        // A caller on hold of the older kind hears nothing, and may be.
        let rules = &self.settings.park.targets;
        let wish = Wish { direction: Direction::SendRecv, rules };
        let offer = Description::parse(message.body(), &Limits::default()).ok();
        let agreed =
            offer.and_then(|offer| crate::sdp::agree(&offer, wish).ok().map(|agreed| (offer, agreed)));
        let Some((offer, agreed)) = agreed else {
            self.refuse_offer(call, Side::Caller);
            return self.respond_status(server, 488, &[]);
        };
        let Some(anchor) = self.anchor_mut(call) else { return };
        let answer = anchor.caller.own.answer(&offer, &agreed, local);
        anchor.agreed = Some(agreed);
        anchor.caller.theirs = Bytes::copy_from_slice(message.body());
        self.accept_here(call, Side::Caller, server, message, Some(answer), Brings::Nothing);
        self.play(call);
    }

    /// 200 of ours to an INVITE or UPDATE.
    pub(super) fn accept_here(
        &mut self,
        call: CallKey,
        side: Side,
        server: ServerKey,
        message: &Message,
        body: Option<Bytes>,
        brings: Brings,
    ) {
        let Some(contact) = self.leg(call, side).map(|leg| leg.contact.clone()) else { return };
        let session = Session::of_request(message);
        let bytes = self.success(message, None, &contact, session, body.as_deref());
        self.set_session(call, side, session);
        if message.method() == Method::Invite {
            return self.succeed(call, side, server, message.cseq(), bytes, brings);
        }
        self.respond(server, 200, bytes);
        self.refuse_offer(call, side);
    }

    /// ACK within an anchored dialog.
    pub(super) fn on_dialog_ack(&mut self, call: CallKey, side: Side, message: &Message) {
        let Some(leg) = self.leg_mut(call, side) else { return };
        let Some(waiting) = leg.unacknowledged.take_if(|waiting| waiting.cseq == message.cseq()) else {
            return;
        };
        // The ACK that was awaited never clashes.
        leg.exchange.handle(Event::Acknowledged).ok();
        if let Some(handle) = waiting.timer {
            self.timers.cancel(handle);
        }
        match waiting.brings {
            Brings::Nothing => {}
            Brings::AnswerToUs => self.learn_listener(call, message.body()),
            Brings::AnswerToOther(cseq) => self.carry_answer(call, side, cseq, message.body()),
        }
        self.send_wanted(call, side);
        self.send_wanted(call, side.other());
    }

    /// The answer to our own offer while music plays.
    fn learn_listener(&mut self, call: CallKey, body: &[u8]) {
        let rules = self.settings.park.targets.clone();
        let Some(anchor) = self.anchor_mut(call) else { return };
        let wish = Wish { direction: Direction::SendRecv, rules: &rules };
        let answer = Description::parse(body, &Limits::default()).ok();
        let agreed = answer.and_then(|answer| read_answer(&answer, &anchor.caller.own, wish).ok());
        let Some(agreed) = agreed else {
            return self.break_bridge(
                call,
                Side::Caller,
                "it answered our offer with nothing that can be used",
            );
        };
        anchor.agreed = Some(agreed);
        anchor.caller.theirs = Bytes::copy_from_slice(body);
        if anchor.bridge == Bridge::Waiting {
            self.play(call);
        }
    }
}
