//! What one leg of an anchored call asks of the other: written anew for the other dialog, and its answer for
//! the first. Descriptions keep everything but their `o=` line.

use bytes::Bytes;

use super::Engine;
use super::anchor::{Brings, Leg, Side, Wanted};
use super::anchoring::{SDP, is_sdp};
use super::context::{Context, Purpose, Upstream};
use super::holding::{said_by_agent, said_by_caller};
use super::tables::{BranchRef, CallKey, ContextKey, ServerKey};
use crate::dialog::{Event, Outgoing, Session};
use crate::events::EndReason;
use crate::message::{Header, Message, Method, Reply};
use crate::proxy::status_upstream;
use crate::sdp::Limits;

/// Headers of a request, or of its 2xx, that mean the same in the other dialog.
const CARRIED: [&[u8]; 22] = [
    b"Refer-To",
    b"Referred-By",
    b"Refer-Sub",
    b"Event",
    b"Subscription-State",
    b"Info-Package",
    b"Recv-Info",
    b"Content-Disposition",
    b"Content-Language",
    b"Reason",
    b"Subject",
    b"User-Agent",
    b"Date",
    b"Privacy",
    b"P-Asserted-Identity",
    b"Expires",
    b"Accept",
    b"User-to-User",
    b"Alert-Info",
    b"Call-Info",
    b"Allow-Events",
    b"Require",
];

/// Headers of a refusal that its receiver can use.
const CARRIED_BACK: [&[u8]; 6] =
    [b"Retry-After", b"Warning", b"Reason", b"Unsupported", b"Accept", b"Recv-Info"];

impl Engine {
    /// An offer of one side goes to the other, when nothing is under way there.
    pub(super) fn carry_offer(&mut self, call: CallKey, from: Side, server: ServerKey, message: &Message) {
        let to = from.other();
        let clear = self.leg_mut(call, to).is_some_and(|leg| leg.exchange.handle(Event::Send).is_ok());
        if !clear {
            self.counters.glares += 1;
            self.refuse_offer(call, from);
            return self.respond_status(server, 491, &[]);
        }
        self.carry(call, from, server, message);
    }

    /// Writes the request for the other leg and sends it; its answer comes back by [`Purpose::Carried`].
    pub(super) fn carry(&mut self, call: CallKey, from: Side, server: ServerKey, message: &Message) {
        let branch = self.random_bits() as u64;
        let Some(leg) = self.leg_mut(call, from.other()) else {
            return self.respond_status(server, 480, &[]);
        };
        let is_offer = matches!(message.method(), Method::Invite | Method::Update);
        let kind = message.header(Header::ContentType).unwrap_or(SDP.as_bytes());
        let body = match message.body() {
            b"" => None,
            body if is_offer && is_sdp(kind) => leg.own.carry(body, &Limits::default()),
            body => Some(Bytes::copy_from_slice(body)),
        };
        if body.is_none() && !message.body().is_empty() {
            self.refuse_offer(call, from);
            self.refuse_offer(call, from.other());
            return self.respond_status(server, 488, &[]);
        }
        let expires = leg.session.filter(|_| is_offer).map(|timed| timed.session.in_request());
        let mut extra: Vec<(&str, &[u8])> = vec![("Contact", leg.contact.as_bytes())];
        if is_offer {
            extra.extend([("Allow", super::requests::ALLOW), ("Supported", &b"timer"[..])]);
        }
        if let Some(expires) = &expires {
            extra.push(("Session-Expires", expires.as_bytes()));
        }
        extra.extend(carried(message, &CARRIED));
        let method = String::from_utf8_lossy(message.method_bytes()).into_owned();
        let outgoing = Outgoing {
            method: &method,
            cseq: leg.dialog.next_cseq(),
            branch,
            max_forwards: message.max_forwards().unwrap_or(70),
            extra: &extra,
            body: body.as_ref().map(|body| (kind, &body[..])),
        };
        let (bytes, next) = (leg.dialog.write(&outgoing), leg.dialog.next_uri());
        self.counters.carried += 1;
        self.send_own(bytes, &next, server, Purpose::Carried(call, from.other()));
    }

    /// The other leg (`side`) has said 2xx to what was carried to it.
    pub(super) fn on_carried_answered(
        &mut self,
        call: CallKey,
        side: Side,
        branch: BranchRef,
        response: &Message,
    ) {
        let Some(context) = self.tables.contexts.get_mut(branch.context) else { return };
        if context.upstream != Upstream::Open {
            return;
        }
        context.upstream = Upstream::Final(200);
        let (server, method) = (context.server, context.request.method());
        let delayed = method == Method::Invite && context.request.body().is_empty();
        let offered = !context.request.body().is_empty();
        let Some(request) = self.tables.servers.get(server).and_then(|entry| entry.request.clone()) else {
            return;
        };
        if self.has_left(call, side.other(), &request) {
            // RFC 3261 §15.1.2.
            self.respond_status(server, 487, &[]);
            return self.settle_alone(call, side, method, delayed, response);
        }
        let status = response.status().unwrap_or(200);
        if !matches!(method, Method::Invite | Method::Update) {
            return self.answer_carried(server, &request, status, response);
        }
        let Some(leg) = self.leg_mut(call, side) else {
            // The call ended meanwhile (RFC 3261 §15.1.2).
            return self.respond_status(server, 487, &[]);
        };
        // Settling what is under way never clashes.
        leg.exchange.handle(Event::Settled).ok();
        leg.dialog.refresh_target(response);
        if method == Method::Invite && !delayed {
            leg.ack = Some((response.cseq(), None));
            self.acknowledge_leg(call, side);
        } else if delayed {
            // Its answer comes with the other side's ACK.
            leg.ack = None;
        }
        self.set_session(call, side, Session::of_response(response));
        self.learn_hold_of(call, side.other(), &request, response);
        self.agree_carried(call, side, &request, response, offered);
        let body = self
            .leg_mut(call, side.other())
            .and_then(|leg| leg.own.carry(response.body(), &Limits::default()));
        let brings = if delayed { Brings::AnswerToOther(response.cseq()) } else { Brings::Nothing };
        self.accept_here(call, side.other(), server, &request, body, brings);
        self.send_wanted(call, side);
    }

    /// Both sides have agreed on what was offered and answered: each has been told the other's description.
    fn agree_carried(
        &mut self,
        call: CallKey,
        side: Side,
        request: &Message,
        response: &Message,
        offered: bool,
    ) {
        let said = Bytes::copy_from_slice(response.body());
        if let Some(leg) = self.leg_mut(call, side).filter(|_| !said.is_empty()) {
            leg.theirs = said.clone();
        }
        if !offered {
            return;
        }
        let asked = Bytes::copy_from_slice(request.body());
        if let Some(leg) = self.leg_mut(call, side) {
            leg.told = asked.clone();
        }
        if let Some(leg) = self.leg_mut(call, side.other()) {
            leg.theirs = asked;
            leg.told = said;
            leg.wanted = None;
        }
        self.bridged(call);
    }

    /// The answer to an offer that came in a 2xx: it goes on with our ACK.
    pub(super) fn carry_answer(&mut self, call: CallKey, from: Side, cseq: u32, body: &[u8]) {
        let Some(leg) = self.leg_mut(call, from.other()) else { return };
        let carried = leg.own.carry(body, &Limits::default());
        leg.ack = Some((cseq, carried));
        leg.told = Bytes::copy_from_slice(body);
        self.acknowledge_leg(call, from.other());
        let Some(anchor) = self.anchor_mut(call) else { return };
        let offered = anchor.leg(from.other()).map(|leg| leg.theirs.clone());
        if let Some(leg) = anchor.leg_mut(from) {
            leg.theirs = Bytes::copy_from_slice(body);
            leg.told = offered.unwrap_or_default();
            leg.wanted = None;
        }
        self.bridged(call);
    }

    /// The other leg (`side`) refused what was carried to it, or said nothing.
    pub(super) fn on_carried_failed(
        &mut self,
        call: CallKey,
        side: Side,
        context: ContextKey,
        status: u16,
        response: Option<&Message>,
    ) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        if entry.upstream != Upstream::Open {
            return;
        }
        let (server, method) = (entry.server, entry.request.method());
        entry.upstream = Upstream::Final(status);
        let asked = self.tables.servers.get(server).and_then(|entry| entry.request.clone());
        let left = asked.is_some_and(|request| self.has_left(call, side.other(), &request));
        let is_offer = matches!(method, Method::Invite | Method::Update);
        if is_offer {
            self.refuse_offer(call, side);
        }
        if is_offer && !left {
            self.refuse_offer(call, side.other());
        }
        let extra: Vec<(&str, &[u8])> =
            response.map(|response| carried(response, &CARRIED_BACK).collect()).unwrap_or_default();
        match (status, method) {
            // RFC 4320 §4.2.
            (408, method) if method != Method::Invite => self.close_server(server),
            // A challenge is for us, and we have nothing to answer it with.
            (401 | 407, _) => self.respond_status(server, 403, &[]),
            (status, _) => self.respond_status(server, status_upstream(status), &extra),
        }
        // RFC 3261 §12.2.1.2: with these the dialog is over.
        if status == 481 || (status == 408 && is_offer) {
            self.say_why(call, "dialog_lost", format!("the other side of a request answered {status}"));
            self.end_anchored(call, EndReason::Lost);
        }
    }

    /// Whether the leg that sent this request is not the one on that side any more.
    fn has_left(&self, call: CallKey, side: Side, request: &Message) -> bool {
        let tag = self.leg(call, side).map(|leg| &leg.dialog.local_tag()[..]);
        tag.is_none() || tag != request.to_tag()
    }

    /// What was carried to this leg was granted when its sender had left the call: the leg is brought in
    /// order by itself, and told where whoever came instead is.
    fn settle_alone(&mut self, call: CallKey, side: Side, method: Method, delayed: bool, response: &Message) {
        if !matches!(method, Method::Invite | Method::Update) {
            return;
        }
        let instead = self.leg(call, side.other()).is_some();
        let Some(leg) = self.leg_mut(call, side) else { return };
        // Settling what is under way never clashes.
        leg.exchange.handle(Event::Settled).ok();
        leg.dialog.refresh_target(response);
        if !response.body().is_empty() {
            leg.theirs = Bytes::copy_from_slice(response.body());
        }
        if instead && leg.wanted.is_none() {
            leg.wanted = Some(Wanted::Move);
        }
        if method == Method::Invite && !delayed {
            leg.ack = Some((response.cseq(), None));
            self.acknowledge_leg(call, side);
        } else if delayed {
            self.answer_instead(call, side, response.cseq());
        }
        self.set_session(call, side, Session::of_response(response));
        self.send_wanted(call, side);
    }

    /// The offer in a 2xx of this leg is answered with what it was told last, as nobody else will answer it.
    fn answer_instead(&mut self, call: CallKey, side: Side, cseq: u32) {
        let Some(leg) = self.leg_mut(call, side) else { return };
        let told = leg.told.clone();
        leg.ack = Some((cseq, leg.own.carry(&told, &Limits::default())));
        self.acknowledge_leg(call, side);
    }

    /// A leg leaves the call, which goes on without it. What was carried to it is refused so that it can be
    /// asked again of whoever comes; what it asked for is over when the other leg has answered.
    pub(super) fn uncarry(&mut self, call: CallKey, gone: &Leg) {
        let tag = Some(&gone.dialog.local_tag()[..]);
        let of_call = |context: &Context| match context.purpose {
            Purpose::Carried(of, side) if of == call && context.upstream == Upstream::Open => Some(side),
            Purpose::Carried(..)
            | Purpose::Call(_)
            | Purpose::InDialog(_)
            | Purpose::Relay
            | Purpose::Leg(_)
            | Purpose::Own(..)
            | Purpose::Parting => None,
        };
        let contexts = self.tables.contexts.iter();
        let carried: Vec<(ContextKey, Side)> =
            contexts.filter_map(|(key, context)| Some((key, of_call(context)?))).collect();
        for (key, side) in carried {
            let Some(context) = self.tables.contexts.get_mut(key) else { continue };
            let server = context.server;
            if context.request.from_tag() == tag {
                let is_offer = matches!(context.request.method(), Method::Invite | Method::Update);
                let status = if is_offer { 491 } else { 480 };
                context.upstream = Upstream::Final(status);
                self.respond_status(server, status, &[]);
                if is_offer {
                    self.refuse_offer(call, side.other());
                }
                self.cancel_own(key, super::legs::NO_LONGER);
            }
        }
        if let Some(Brings::AnswerToOther(cseq)) = gone.unacknowledged.as_ref().map(|waiting| &waiting.brings)
        {
            self.answer_instead(call, Side::Caller, *cseq);
        }
    }

    /// The 2xx to a request that offered nothing, for who sent it.
    fn answer_carried(&mut self, server: ServerKey, request: &Message, status: u16, response: &Message) {
        let kind = response.header(Header::ContentType).and_then(|kind| std::str::from_utf8(kind).ok());
        let body = kind.filter(|_| !response.body().is_empty()).map(|kind| (kind, response.body()));
        let mut extra: Vec<(&str, &[u8])> = carried(response, &CARRIED).collect();
        let contact = self.tables.servers.get(server).map(|entry| self.contact_towards(&entry.flow));
        if let Some(contact) = &contact {
            extra.push(("Contact", contact.as_bytes()));
        }
        let bytes = Reply { status, extra: &extra, body, ..Reply::default() }.to(request);
        self.respond(server, status, bytes);
    }

    fn learn_hold_of(&mut self, call: CallKey, asked_by: Side, request: &Message, response: &Message) {
        let said = match asked_by {
            Side::Agent => said_by_agent(request, response),
            Side::Caller => said_by_caller(request, response),
        };
        self.note_hold(call, said);
    }
}

/// The header lines that go along.
fn carried<'a>(
    message: &'a Message,
    names: &'a [&'static [u8]],
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    message.all_headers().filter_map(|(name, value)| {
        let is_it = |known: &&&[u8]| {
            known.eq_ignore_ascii_case(name)
                || (Header::of(name) != Header::Other && Header::of(name) == Header::of(known))
        };
        let known = names.iter().find(is_it)?;
        Some((std::str::from_utf8(known).ok()?, value))
    })
}
