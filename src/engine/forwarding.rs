//! What every forwarded request shares: rewriting, Record-Route, identity headers.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::context::{Context, Grants, Purpose};
use super::names::{AwaitingName, NameKey};
use super::tables::Destination;
use crate::message::{Edit, Header, Message, Method, Scheme};
use crate::proxy::{Branch, DialogCookie, Forward, NextHop, RoutePlan, Target, forward_request};
use crate::transport::{CertificateName, Protocol};

/// What changes in a request beside what every proxy changes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rewrite {
    /// The new Request-URI; absent when it stays as it came.
    pub request_uri: Option<Bytes>,
    /// How many topmost Route values are ours and go.
    pub own_routes: usize,
    /// All Route values go: they are not ours and may not be followed.
    pub drop_routes: bool,
    /// The last Route value became the Request-URI (strict routing).
    pub drop_last_route: bool,
}

impl Rewrite {
    /// What the route plan asks for.
    pub fn of(plan: &RoutePlan) -> Self {
        Self {
            request_uri: plan.request_uri.clone(),
            own_routes: plan.own_routes,
            drop_routes: false,
            drop_last_route: plan.drop_last_route,
        }
    }
}

/// An ACK to a 2xx on its way to a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StatelessAck {
    /// As it came.
    request: Message,
    /// What changes.
    rewrite: Rewrite,
    /// What was granted to the peer it came from.
    from: Grants,
    /// The host name of its next hop.
    server_name: Option<Arc<str>>,
    /// It is ours and has no Via yet but a placeholder.
    #[serde(default)]
    ours: bool,
}

impl StatelessAck {
    /// An ACK of our own.
    pub fn of_ours(request: Message, server_name: Option<Arc<str>>) -> Self {
        let from = Grants { trust_identity: false, preloaded_route: false };
        Self { request, rewrite: Rewrite::default(), from, server_name, ours: true }
    }
}

impl Engine {
    /// Forwards the ACK to a 2xx: a request of its own, without a transaction (RFC 3261 §16, §13.2.2.4).
    pub(super) fn forward_ack(&mut self, peer: usize, request: Message, plan: &RoutePlan, hop: NextHop) {
        let (rewrite, from) = (Rewrite::of(plan), self.grants_of(peer));
        self.route_ack(
            StatelessAck { request, rewrite, from, server_name: hop.server_name(), ours: false },
            hop,
        );
    }

    /// Sends the ACK to that hop, or as soon as its name is known.
    pub(super) fn route_ack(&mut self, ack: StatelessAck, hop: NextHop) {
        match hop {
            NextHop::Address(target) => self.send_ack_onward(&ack, target),
            NextHop::Name { protocol, host, port } => {
                let key = NameKey { host, port, protocol };
                let known = self.known_name(&key).and_then(|targets| targets.first().copied());
                match known {
                    Some(target) => self.send_ack_onward(&ack, target),
                    None => self.ask_name(key, AwaitingName::Ack(Box::new(ack))),
                }
            }
            NextHop::Unroutable => self.counters.dropped_acks += 1,
        }
    }

    /// Writes the ACK for its target and sends it.
    pub(super) fn send_ack_onward(&mut self, ack: &StatelessAck, target: Target) {
        let StatelessAck { request, rewrite, from, server_name, ours } = ack;
        let bytes = forward_request(&Forward {
            request,
            request_uri: rewrite.request_uri.as_deref(),
            own_routes: rewrite.own_routes,
            drop_routes: rewrite.drop_routes,
            drop_last_route: rewrite.drop_last_route,
            record_route: &[],
            protocol: target.protocol,
            sent_by: self.own.sent_by(target.protocol, target.remote.ip()),
            branch: &self.stateless_branch(request),
            keep_identity: from.trust_identity
                && self.is_trusted(target.protocol, target.remote.ip(), server_name.as_deref()),
            hide_user: false,
            max_breadth: None,
            originated: *ours,
        });
        self.send_to(target.into(), server_name.clone(), bytes, None);
    }

    /// The same ACK always gets the same branch (RFC 3261 §16.11 item 1).
    fn stateless_branch(&self, request: &Message) -> String {
        let top = request.top_via();
        let loop_hash = Branch::loop_hash(
            &self.secret,
            &[request.call_id(), top.branch().unwrap_or_default(), &request.cseq().to_be_bytes()],
        );
        Branch { slot: 0, loop_hash }.mint(&self.secret)
    }

    /// Our Record-Route values for a request that may form a dialog: one, or two when the transport
    /// or the address family changes (RFC 3261 §16.6 item 4, RFC 5658): topmost the one that the called side
    /// reaches, below it the one for the calling side. Requests within a dialog get none: it would not change
    /// the route set.
    pub(super) fn record_route_values(&self, context: &Context, outgoing: &Destination) -> Vec<String> {
        let call = match context.purpose {
            Purpose::Call(call) => self.tables.calls.get(call).map(|call| call.bits),
            Purpose::Relay if forms_dialog(context.request.method()) => Some(0),
            Purpose::Relay
            | Purpose::InDialog(_)
            | Purpose::Leg(_)
            | Purpose::Own(..)
            | Purpose::Carried(..)
            | Purpose::Parting => None,
        };
        let Some(call) = call else { return Vec::new() };
        let request = &context.request;
        let cookie = DialogCookie { call }.mint(
            &self.secret,
            request.call_id(),
            request.from_tag().unwrap_or_default(),
        );
        let value = |protocol: Protocol, side: IpAddr| {
            let host = self.own.sent_by(protocol, side);
            // A SIPS Request-URI asks for a SIPS Record-Route (RFC 3261 §16.6 item 4).
            let (scheme, transport) =
                if is_sips(request) { ("sips", "") } else { ("sip", protocol.uri_parameter()) };
            ["<", scheme, ":", host, ";", transport, "lr;", DialogCookie::PARAMETER, "=", &cookie, ">"]
                .concat()
        };
        let called = (outgoing.protocol, outgoing.remote.ip());
        let calling = self.tables.servers.get(context.server).map(|server| server.flow);
        let calling = calling.map_or(called, |flow| (flow.protocol, flow.remote.ip()));
        let family = |address: IpAddr| address.to_canonical().is_ipv6();
        let mut values = vec![value(called.0, called.1)];
        if called.0 != calling.0 || family(called.1) != family(calling.1) {
            values.push(value(calling.0, calling.1));
        }
        values
    }

    /// Whether what is sent there stays within the trust domain (RFC 3325 §2). P-Asserted-Identity goes from
    /// a trusted peer to a trusted peer and nowhere else (§5, §7). Over TLS the name that the other side
    /// proves counts before its address.
    pub(super) fn is_trusted(&self, protocol: Protocol, to: IpAddr, name: Option<&str>) -> bool {
        let named = name.filter(|_| protocol == Protocol::Tls);
        let peer = named
            .and_then(|name| self.settings.peer_with_certificate(CertificateName::of(name)))
            .or_else(|| self.settings.peer_of(to));
        peer.is_some_and(|index| self.grants_of(index).trust_identity)
    }

    /// A response of somebody who is not trusted asserts nobody's identity (RFC 3325 §5).
    pub(super) fn without_claims(
        &self,
        response: Message,
        from: &Destination,
        name: Option<&str>,
    ) -> Message {
        let trusted = || self.is_trusted(from.protocol, from.remote.ip(), name);
        if response.header(Header::PAssertedIdentity).is_none() || trusted() {
            return response;
        }
        let mut edit = Edit::of(&response);
        edit.remove_all(Header::PAssertedIdentity);
        let cleaned = Message::parse(edit.finish(), &self.settings.message);
        cleaned.unwrap_or(response)
    }

    /// What a looping request would carry again (RFC 5393 §4.2.1).
    pub(super) fn loop_hash(&self, request: &Message) -> u32 {
        Branch::loop_hash(
            &self.secret,
            &[
                request.request_uri(),
                request.call_id(),
                request.from_tag().unwrap_or_default(),
                request.to_tag().unwrap_or_default(),
                &request.cseq().to_be_bytes(),
                request.header(Header::Route).unwrap_or_default(),
            ],
        )
    }
}

/// Whether the Request-URI asks for TLS on every hop.
pub(super) fn is_sips(request: &Message) -> bool {
    request.uri().is_some_and(|uri| uri.scheme == Scheme::Sips)
}

/// Methods whose 2xx may establish a dialog, beside INVITE (RFC 6665, RFC 3515).
const fn forms_dialog(method: Method) -> bool {
    matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify)
}
