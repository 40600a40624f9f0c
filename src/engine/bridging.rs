//! Requests of our own in the dialogs of an anchored call: the re-INVITE that moves the media from our port
//! to the phone (RFC 3725 §4), refreshes of the session, and ACKs.

use bytes::Bytes;
use slotmap::Key;

use super::Engine;
use super::anchor::{Bridge, Port, Side, Wanted};
use super::anchoring::{SDP, allows_update};
use super::context::{Aim, Grants, Purpose, Upstream};
use super::forwarding::{Rewrite, StatelessAck};
use super::tables::{BranchRef, CallKey, ServerKey};
use super::timers::Alarm;
use crate::dialog::{Dialog, Event, Outgoing, Session, glare_wait};
use crate::events::EndReason;
use crate::message::{Header, Message, Method};
use crate::sdp::{Description, Limits};

/// So often in a row an offer may clash, or media may be moved by both sides in turn.
const TRIES: u8 = 8;

/// What we are granted towards ourselves: our requests within a dialog assert nothing.
pub(super) const NO_GRANTS: Grants = Grants { trust_identity: false, preloaded_route: false };

impl Engine {
    /// Sends what is wanted of this side, when it is our turn.
    pub(super) fn send_wanted(&mut self, call: CallKey, side: Side) {
        let branch = self.random_bits() as u64;
        let Some(leg) = self.leg_mut(call, side) else { return };
        let Some(wanted) = leg.wanted.filter(|_| leg.glare.is_none() && !leg.over) else { return };
        if leg.exchange.handle(Event::Send).is_err() {
            return;
        }
        leg.wanted = None;
        let plain = wanted == Wanted::Refresh && leg.updates;
        let body = if plain { None } else { self.body_of(call, side, wanted) };
        let Some(leg) = self.leg_mut(call, side) else { return };
        leg.under_way = Some(wanted);
        let method = if plain { "UPDATE" } else { "INVITE" };
        let cseq = leg.dialog.next_cseq();
        let expires = leg.session.map(|it| it.session.in_request());
        let mut extra: Vec<(&str, &[u8])> = vec![
            ("Contact", leg.contact.as_bytes()),
            ("Allow", super::requests::ALLOW),
            ("Supported", b"timer"),
        ];
        if let Some(expires) = &expires {
            extra.push(("Session-Expires", expires.as_bytes()));
        }
        let body = body.as_ref().map(|body| (SDP.as_bytes(), &body[..]));
        let outgoing = Outgoing { method, cseq, branch, extra: &extra, body, ..Outgoing::default() };
        let (bytes, next) = (leg.dialog.write(&outgoing), leg.dialog.next_uri());
        self.counters.own_requests += 1;
        self.send_own(bytes, &next, ServerKey::null(), Purpose::Own(call, side));
    }

    /// The description that goes with it.
    fn body_of(&mut self, call: CallKey, side: Side, wanted: Wanted) -> Option<Bytes> {
        let anchor = self.anchor_mut(call)?;
        let other = anchor.leg(side.other()).map(|leg| leg.theirs.clone());
        match (wanted, other, anchor.port) {
            (Wanted::Music, _, Port::Open(local)) => self.music_offer(call, local),
            (Wanted::Move, Some(other), _) => {
                let leg = anchor.leg_mut(side)?;
                let body = leg.own.carry(&other, &Limits::default());
                leg.told = other;
                body
            }
            (Wanted::Music | Wanted::Move | Wanted::Refresh, ..) => anchor.leg(side)?.own.repeat(),
        }
    }

    /// Sends a request of ours within a dialog; its answer comes back by its purpose.
    pub(super) fn send_own(&mut self, bytes: Bytes, next: &[u8], server: ServerKey, purpose: Purpose) {
        let Ok(request) = Message::parse(bytes, &self.settings.message) else {
            // Something of theirs in it cannot be written to; what can be is taken care of when it comes.
            self.respond_status(server, 500, &[]);
            if let Purpose::Own(call, side) | Purpose::Carried(call, side) = purpose {
                self.break_bridge(call, side, "no request can be written to it");
            }
            return;
        };
        let hop = self.hop_of(next);
        let context = self.open_own_context(server, request, NO_GRANTS, purpose);
        if let Some(entry) = self.tables.servers.get_mut(server) {
            entry.context = Some(context);
        }
        self.await_answer(server);
        self.start_branch(context, Aim::Dialog, [hop].into(), Rewrite::default());
    }

    /// A 2xx to a request of our own. `first`: it is not a repetition.
    pub(super) fn on_own_success(&mut self, branch: BranchRef, response: &Message, first: bool) {
        let Some(entry) = self.tables.contexts.get_mut(branch.context) else { return };
        let (purpose, method) = (entry.purpose, entry.request.method());
        if first && !matches!(purpose, Purpose::Carried(..)) {
            entry.upstream = Upstream::Final(200);
        }
        match (purpose, first) {
            (Purpose::Leg(call), true) => self.on_leg_answered(call, branch, response),
            (Purpose::Leg(call), false) => self.on_leg_repeated(call, response),
            (Purpose::Own(call, side), true) => self.on_own_answered(call, side, method, response),
            (Purpose::Carried(call, side), true) => self.on_carried_answered(call, side, branch, response),
            (Purpose::Own(call, side) | Purpose::Carried(call, side), false) => {
                if method == Method::Invite {
                    self.acknowledge_leg(call, side);
                }
            }
            (Purpose::Parting | Purpose::Call(_) | Purpose::InDialog(_) | Purpose::Relay, _) => {}
        }
    }

    fn on_own_answered(&mut self, call: CallKey, side: Side, method: Method, response: &Message) {
        let Some(leg) = self.leg_mut(call, side) else { return };
        let under_way = leg.under_way.take();
        // Settling what is under way never clashes.
        leg.exchange.handle(Event::Settled).ok();
        leg.dialog.refresh_target(response);
        leg.updates |= allows_update(response);
        if under_way != Some(Wanted::Move) {
            leg.tries = 0;
        }
        if method == Method::Invite {
            leg.ack = Some((response.cseq(), None));
            self.acknowledge_leg(call, side);
        }
        self.set_session(call, side, Session::of_response(response));
        match (method, under_way) {
            (Method::Invite, Some(Wanted::Music)) => self.hears_again(call, response.body()),
            (Method::Invite, _) => self.learn_answer(call, side, response.body()),
            (_, _) => {}
        }
        self.send_wanted(call, side);
        self.send_wanted(call, side.other());
    }

    /// What this side says to our offer. When it leads elsewhere than the other side was told, that side is
    /// told.
    pub(super) fn learn_answer(&mut self, call: CallKey, side: Side, body: &[u8]) {
        let Ok(answer) = Description::parse(body, &Limits::default()) else {
            return self.break_bridge(call, side, "its answer had no description that can be read");
        };
        let Some(leg) = self.leg_mut(call, side) else { return };
        leg.theirs = Bytes::copy_from_slice(body);
        let theirs = leg.theirs.clone();
        self.bridged(call);
        let Some(other) = self.leg_mut(call, side.other()) else { return };
        let read = |text: &[u8]| Description::parse(text, &Limits::default()).ok();
        let told = read(&other.told).zip(read(&other.theirs));
        if told.is_some_and(|(told, agreed)| told.leads_where(&answer, &agreed)) {
            other.told = theirs;
            other.tries = 0;
        } else if other.tries < TRIES {
            other.tries += 1;
            other.wanted = Some(Wanted::Move);
        }
    }

    /// Both sides have each other's description: the music has done its part.
    pub(super) fn bridged(&mut self, call: CallKey) {
        let Some(anchor) = self.anchor_mut(call).filter(|anchor| anchor.bridge == Bridge::Joining) else {
            return;
        };
        anchor.bridge = Bridge::Talking;
        anchor.caller.wanted = None;
        self.counters.bridged += 1;
        self.close_port(call);
    }

    /// A request of our own has failed.
    pub(super) fn on_own_failed(
        &mut self,
        call: CallKey,
        side: Side,
        status: u16,
        response: Option<&Message>,
    ) {
        let random = self.random_bits() as u64;
        let Some(leg) = self.leg_mut(call, side) else { return };
        let Some(under_way) = leg.under_way.take() else { return };
        // Settling what is under way never clashes.
        leg.exchange.handle(Event::Settled).ok();
        let busy = status == 491
            || (status == 500 && response.is_some_and(|it| it.header(Header::RetryAfter).is_some()));
        if busy && leg.tries < TRIES {
            leg.tries += 1;
            if leg.wanted != Some(Wanted::Move) {
                leg.wanted = Some(under_way);
            }
            let wait = glare_wait(leg.owns_call_id, random);
            let handle = self.timers.insert(self.now.moment + wait, Alarm::Glare(call, side));
            self.counters.glares += 1;
            if let Some(leg) = self.leg_mut(call, side) {
                leg.glare = Some(handle);
            }
            return self.send_wanted(call, side.other());
        }
        match (under_way, status) {
            // RFC 4028 §10: a session whose refresh was refused goes on until its end.
            (Wanted::Refresh, status) if !matches!(status, 408 | 481) => {
                self.send_wanted(call, side.other());
            }
            (Wanted::Music, status) if !matches!(status, 408 | 481) => {
                self.close_port(call);
                self.send_wanted(call, side);
            }
            (Wanted::Move | Wanted::Music | Wanted::Refresh, status) => {
                self.break_bridge(call, side, &format!("it answered our offer with {status}"));
            }
        }
    }

    /// The wait after a clash is over.
    pub(super) fn glare_over(&mut self, call: CallKey, side: Side) {
        if let Some(leg) = self.leg_mut(call, side) {
            leg.glare = None;
        }
        self.send_wanted(call, side);
    }

    /// The two cannot be brought together: both are ended, and the record says why. Nobody is left listening
    /// to nothing.
    pub(super) fn break_bridge(&mut self, call: CallKey, side: Side, why: &str) {
        let who = match side {
            Side::Caller => "the caller's side",
            Side::Agent => "the answering side",
        };
        self.counters.bridges_broken += 1;
        self.say_why(call, "bridge_failed", format!("{who}: {why}"));
        self.end_anchored(call, EndReason::Failed);
    }

    /// ACK to the 2xx of our last INVITE on this side.
    pub(super) fn acknowledge_leg(&mut self, call: CallKey, side: Side) {
        let Some(leg) = self.leg(call, side) else { return };
        let Some((cseq, body)) = leg.ack.clone() else { return };
        let dialog = leg.dialog.clone();
        self.acknowledge_in(&dialog, cseq, body.as_deref());
    }

    /// ACK to a 2xx: a request of its own, without a transaction (RFC 3261 §13.2.2.4).
    pub(super) fn acknowledge_in(&mut self, dialog: &Dialog, cseq: u32, body: Option<&[u8]>) {
        let branch = self.random_bits() as u64;
        let body = body.map(|body| (SDP.as_bytes(), body));
        let outgoing = Outgoing { method: "ACK", cseq, branch, body, ..Outgoing::default() };
        let Ok(request) = Message::parse(dialog.write(&outgoing), &self.settings.message) else { return };
        let hop = self.hop_of(&dialog.next_uri());
        let server_name = hop.server_name();
        self.route_ack(StatelessAck::of_ours(request, server_name), hop);
    }
}
