//! Requests from the wire: who may send, which transaction, which way (RFC 3261 §16.3 to §16.5, §16.10).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use super::context::{Aim, Context, Grants, Purpose, Upstream};
use super::forwarding::Rewrite;
use super::input::{Datagram, Output};
use super::refused::Refused;
use super::tables::{CallKey, ContextKey, ServerKey};
use crate::message::{Fault, Header, Message, Method, Reply, Uri, fault_response_to};
use crate::proxy::{ASSERTIONS, DialogCookie, NextHop, Rejection, RoutePlan, next_hop, plan_route, validate};
use crate::transaction::{RequestParts, TransactionKey};
use crate::transport::Flow;

impl Engine {
    /// Octets that claim to be a message.
    pub(super) fn on_received(&mut self, flow: Flow, bytes: Bytes) {
        let received = bytes.len();
        match Message::parse(bytes, &self.settings.message) {
            Ok(message) if message.status().is_some() => self.on_response(message),
            Ok(message) => self.on_request(flow, message, received),
            Err(fault) => self.on_fault(flow, &fault),
        }
    }

    /// Octets that cannot be read as a message: peers are told, others are not.
    pub(super) fn on_fault(&mut self, flow: Flow, fault: &Fault) {
        let source = flow.remote.ip();
        if self.settings.peer_at(&flow).is_none() {
            self.counters.malformed += 1;
            return self.note_refused(Refused::Stranger, source);
        }
        self.note_refused(Refused::Malformed, source);
        if let Some(answer) = fault_response_to(fault, Some(flow.remote)) {
            self.outputs.push_back(Output::Send(Datagram::back_along(flow, answer)));
        }
    }

    /// Octets on a stream without a readable end: peers get 400, and the transport closes (N45).
    pub(super) fn on_unusable(&mut self, flow: Flow, head: &Bytes) {
        let source = flow.remote.ip();
        if self.settings.peer_at(&flow).is_none() {
            self.counters.malformed += 1;
            return self.note_refused(Refused::Stranger, source);
        }
        self.note_refused(Refused::Malformed, source);
        if let Some(answer) = bad_request(head, &self.settings.message, flow) {
            self.outputs.push_back(Output::Send(Datagram::back_along(flow, answer)));
        }
    }

    fn on_request(&mut self, flow: Flow, message: Message, received: usize) {
        let source = flow.remote.ip();
        let known = self.settings.peer_at(&flow);
        if known.is_none() && !self.settings.may_prove(source) {
            return self.refuse_stranger(flow, &message, received, 403);
        }
        let Some(message) = self.stamp(flow, message) else { return };
        let key = self.keys.server(&parts_of(&message, source));
        let Some(peer) = known.or_else(|| self.identify(flow, &message, key, received)) else { return };
        let Some(message) = self.without_own_credentials(message) else { return };
        match message.method() {
            Method::Ack => self.on_ack(peer, source, message, key),
            Method::Cancel => self.on_cancel(peer, flow, message, key),
            Method::Invite
            | Method::Bye
            | Method::Options
            | Method::Update
            | Method::Info
            | Method::Prack
            | Method::Refer
            | Method::Register
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Message
            | Method::Other => match self.tables.server_by_key(key) {
                Some(server) => self.repeat_request(server),
                None => self.on_new_request(peer, flow, message, key),
            },
        }
    }

    /// Fills in `received` and `rport` of the top Via, whatever they claimed (RFC 3261 §18.2.1, RFC 3581 §4).
    fn stamp(&mut self, flow: Flow, message: Message) -> Option<Message> {
        let via = message.top_via();
        let source = flow.remote.ip().to_canonical();
        let rport = via.rport().is_some().then(|| flow.remote.port());
        let differs = via.host().address() != Some(source) || via.received().is_some() || rport.is_some();
        if !differs {
            return Some(message);
        }
        let claims = via.received().is_some_and(|received| received != source)
            || via.rport().flatten().is_some_and(|port| port != flow.remote.port())
            || via.maddr().is_some();
        if claims {
            self.note_refused(Refused::ClaimedSource, source);
        }
        message.stamped(source, rport, &self.settings.message)
    }

    fn on_new_request(&mut self, peer: usize, flow: Flow, message: Message, key: TransactionKey) {
        let inside = message.to_tag().is_some();
        if !self.admit(peer, flow, &message, key) {
            return;
        }
        let message = Arc::new(message);
        let server = self.open_server(key, flow, Arc::clone(&message), peer);
        let fit = validate(&message, &self.own, &|text| self.is_own_loop(&message, text));
        let spiral = || Rejection { status: 482, header: None };
        let fit = fit.and_then(|()| if self.has_spiralled(&message) { Err(spiral()) } else { Ok(()) });
        if let Err(rejection) = fit {
            let extra: Vec<(&str, &[u8])> =
                rejection.header.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            self.note_refused(Refused::Invalid(rejection.status), flow.remote.ip());
            return self.respond_status(server, rejection.status, &extra);
        }
        if inside {
            return self.on_inside_dialog(peer, flow, server, message);
        }
        self.note_removals(peer, flow, &message);
        if self.refuses_transfer(peer, flow, &message) {
            self.respond_status(server, 403, &[]);
        } else if message.method() == Method::Options && self.is_for_us(&message) {
            self.respond_status(server, 200, &[("Allow", ALLOW), ("Accept", b"application/sdp")]);
        } else if message.method() == Method::Invite {
            self.on_initial_invite(peer, server, message);
        } else {
            self.relay(peer, server, message);
        }
    }

    /// A request within a dialog follows our signed Record-Route, and nothing else (N2, N19, N21).
    fn on_inside_dialog(&mut self, peer: usize, flow: Flow, server: ServerKey, message: Arc<Message>) {
        if let Some(dialog) = self.dialog_of(&message) {
            return self.on_dialog_request(peer, flow, dialog, server, &message);
        }
        let Some(plan) = plan_route(&message, &self.own) else {
            return self.respond_status(server, 400, &[]);
        };
        let Some(cookie) = self.cookie_of(&message, plan.cookie.as_deref()) else {
            self.note_refused(Refused::UnprovenDialog, flow.remote.ip());
            // A way that never led through us is no dialog of ours but a Route somebody wrote themselves
            // (N18).
            let foreign = plan.own_routes == 0 && plan.next_route.is_some();
            return self.respond_status(server, if foreign { 403 } else { 481 }, &[]);
        };
        let call = self.tables.call_by_bits(cookie.call);
        if !self.tags_belong(call, &message) {
            self.note_refused(Refused::UnprovenDialog, flow.remote.ip());
            return self.respond_status(server, 481, &[]);
        }
        if self.refuses_transfer(peer, flow, &message) {
            return self.respond_status(server, 403, &[]);
        }
        if let Some(call) = call {
            self.read_progress(call, &message);
            if !self.passes_on(call, server, &message) {
                return;
            }
        }
        let hop = self.hop_by(&plan, &message);
        let rewrite = Rewrite::of(&plan);
        let context = self.open_context(server, message, peer, Purpose::InDialog(call));
        self.start_branch(context, Aim::Dialog, [hop].into(), rewrite);
    }

    /// Whether one side of the request is somebody who answered the call's INVITE; the cookie has proved the
    /// other (N14). A call that is not known any more, after a restart, is proved by its cookie alone.
    fn tags_belong(&self, call: Option<CallKey>, message: &Message) -> bool {
        let Some(entry) = call.and_then(|call| self.tables.calls.get(call)) else { return true };
        let tags = [message.from_tag(), message.to_tag()];
        entry.answered_tags.is_empty()
            || entry.answered_tags.iter().any(|tag| tags.contains(&Some(tag.as_slice())))
    }

    /// The cookie of our Record-Route in the request, when it proves the dialog.
    pub(super) fn cookie_of(&self, message: &Message, text: Option<&[u8]>) -> Option<DialogCookie> {
        DialogCookie::verify(
            text?,
            &self.secret,
            message.call_id(),
            message.from_tag().unwrap_or_default(),
            message.to_tag().unwrap_or_default(),
        )
    }

    /// Any other request outside a dialog goes to the default route.
    fn relay(&mut self, peer: usize, server: ServerKey, message: Arc<Message>) {
        let from = self.grants_of(peer);
        let rewrite = self.initial_rewrite(from, &message);
        let hops = self.initial_hops(from, &message);
        let context = self.open_context(server, message, peer, Purpose::Relay);
        self.start_branch(context, Aim::DefaultRoute, hops, rewrite);
    }

    /// Tells what an initial request is about to lose (N13, N18).
    fn note_removals(&mut self, peer: usize, flow: Flow, message: &Message) {
        let grants = self.grants_of(peer);
        let foreign = |plan: RoutePlan| plan.next_route.is_some();
        if !grants.preloaded_route && plan_route(message, &self.own).is_none_or(foreign) {
            self.note_refused(Refused::Route, flow.remote.ip());
        }
        if !grants.trust_identity && ASSERTIONS.iter().any(|name| message.header(*name).is_some()) {
            self.note_refused(Refused::Identity, flow.remote.ip());
        }
    }

    /// What an initial request loses: Route values that are ours, and those that are not unless the peer may
    /// pre-load them (N18).
    pub(super) fn initial_rewrite(&self, from: Grants, message: &Message) -> Rewrite {
        match plan_route(message, &self.own) {
            Some(plan) if from.preloaded_route => Rewrite::of(&plan),
            Some(_) | None => Rewrite { drop_routes: true, ..Rewrite::default() },
        }
    }

    /// Where an initial request goes when nobody is chosen: a pre-loaded Route that may be followed, or the
    /// default route.
    pub(super) fn initial_hops(&mut self, from: Grants, message: &Message) -> VecDeque<NextHop> {
        let route = plan_route(message, &self.own).and_then(|plan| plan.next_route);
        match route {
            Some(route) if from.preloaded_route => [self.hop_of(&route)].into(),
            Some(_) | None => self.route_hops(),
        }
    }

    pub(super) fn grants_of(&self, peer: usize) -> Grants {
        let peer = self.settings.peers.get(peer);
        Grants {
            trust_identity: peer.is_some_and(|peer| peer.trust_identity),
            preloaded_route: peer.is_some_and(|peer| peer.preloaded_route),
        }
    }

    pub(super) fn hop_of(&self, uri: &[u8]) -> NextHop {
        Uri::parse(uri).map_or(NextHop::Unroutable, |uri| self.hop_to(&uri))
    }

    /// The next hop of a request whose Route was read.
    fn hop_by(&self, plan: &RoutePlan, message: &Message) -> NextHop {
        match message.uri().filter(|_| plan.keeps_request_uri()) {
            Some(uri) => self.hop_to(&uri),
            None => self.hop_of(plan.next_uri()),
        }
    }

    fn hop_to(&self, uri: &Uri<'_>) -> NextHop {
        // Never back to ourselves, under any name: a request that names us and no call of ours goes nowhere.
        if self.own.is_own(uri) {
            return NextHop::Unroutable;
        }
        let hop = next_hop(uri);
        match hop {
            NextHop::Address(target) if self.own.is_address(target.remote) => NextHop::Unroutable,
            NextHop::Address(_) | NextHop::Name { .. } | NextHop::Unroutable => hop,
        }
    }

    pub(super) fn open_context(
        &mut self,
        server: ServerKey,
        request: Arc<Message>,
        peer: usize,
        purpose: Purpose,
    ) -> ContextKey {
        let context = Context::new(server, request, self.grants_of(peer), purpose);
        let context = self.tables.contexts.insert(context);
        self.remember_sender(server, peer, purpose);
        if let Some(entry) = self.tables.servers.get_mut(server) {
            entry.context = Some(context);
        }
        self.await_answer(server);
        context
    }

    /// RFC 3261 §16.10: CANCEL ends the branches of the INVITE it matches, and nothing else (N14).
    fn on_cancel(&mut self, peer: usize, flow: Flow, message: Message, key: TransactionKey) {
        if let Some(server) = self.tables.server_by_key(key) {
            return self.repeat_request(server);
        }
        let invite_key = self.keys.cancelled_invite(&parts_of(&message, flow.remote.ip()));
        let reason = message.header(Header::Reason).map(<[u8]>::to_vec);
        let invite = self.tables.server_by_key(invite_key);
        if invite.is_none() {
            self.note_refused(Refused::UnmatchedCancel, flow.remote.ip());
            if self.is_crowded(peer) {
                return self.answer_at_once(flow, &message, 481, &[]);
            }
        }
        let server = self.open_server(key, flow, Arc::new(message), peer);
        let Some(invite) = invite else { return self.respond_status(server, 481, &[]) };
        self.respond_status(server, 200, &[]);
        if let Some(context) = self.tables.servers.get(invite).and_then(|entry| entry.context) {
            self.cancel_context(context, &reason.unwrap_or_default());
        }
    }

    fn cancel_context(&mut self, context: ContextKey, reason: &[u8]) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        if entry.cancelled || entry.upstream != Upstream::Open {
            return;
        }
        entry.cancelled = true;
        let count = entry.branches.len();
        self.on_context_cancelled(context);
        for index in 0..count {
            self.cancel_branch(super::tables::BranchRef { context, index }, reason);
        }
        self.finish_context(context);
    }

    fn on_ack(&mut self, peer: usize, source: IpAddr, message: Message, key: TransactionKey) {
        if let Some(server) = self.tables.server_by_key(key)
            && !self.acknowledge(server)
        {
            return;
        }
        if let Some((call, side)) = self.dialog_of(&message) {
            return self.on_dialog_ack(call, side, &message);
        }
        if self.acknowledges_lingering(message.to_tag(), message.cseq())
            || self.acknowledges_refusal(&message)
        {
            return;
        }
        let Some(plan) = plan_route(&message, &self.own) else {
            return self.note_refused(Refused::Ack, source);
        };
        if self.cookie_of(&message, plan.cookie.as_deref()).is_none()
            || message.max_forwards().is_some_and(|left| left == 0)
        {
            return self.note_refused(Refused::Ack, source);
        }
        let hop = self.hop_by(&plan, &message);
        self.forward_ack(peer, message, &plan, hop);
    }

    /// Whether the OPTIONS is for the proxy itself: our address, no user part (RFC 3261 §11).
    fn is_for_us(&self, message: &Message) -> bool {
        message.uri().is_some_and(|uri| uri.user.is_none() && self.own.is_own(&uri))
    }

    /// Whether this Via value is ours and says that the request has been here on the same way (RFC 5393
    /// §4.2).
    fn is_own_loop(&self, message: &Message, branch: &[u8]) -> bool {
        crate::proxy::Branch::verify(branch, &self.secret)
            .is_some_and(|branch| branch.loop_hash == self.loop_hash(message))
    }
}

/// What our OPTIONS answer allows.
pub(super) const ALLOW: &[u8] =
    b"INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/// What decides the transaction of a request (RFC 3261 §17.2.3).
pub(super) fn parts_of(message: &Message, source: IpAddr) -> RequestParts<'_> {
    let via = message.top_via();
    RequestParts {
        method: message.method_bytes(),
        branch: via.branch(),
        sent_by: via.sent_by(),
        source,
        request_uri: message.request_uri(),
        to_tag: message.to_tag(),
        from_tag: message.from_tag(),
        call_id: message.call_id(),
        cseq: message.cseq(),
        top_via: via.as_bytes(),
    }
}

/// The 400 for octets whose end is not known, made of what could be read of them.
fn bad_request(head: &Bytes, limits: &crate::message::Limits, flow: Flow) -> Option<Bytes> {
    let source = Some(flow.remote);
    match Message::parse(head.clone(), limits) {
        Ok(message) if message.status().is_some() || message.method() == Method::Ack => None,
        Ok(message) => {
            Some(Reply { status: 400, to_tag: Some("refused"), source, ..Reply::default() }.to(&message))
        }
        Err(fault) => fault_response_to(&fault, source),
    }
}
