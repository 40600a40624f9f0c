//! Callers who wait with music: 183 with our description (P1), 200 with the same (P2), and a media port from
//! which they hear it until somebody answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use slotmap::Key;

use super::Engine;
use super::anchor::{Anchor, Bridge, Brings, Leg, Port, Side};
use super::call::CustomerState;
use super::context::{Context, Upstream};
use super::input::Output;
use super::requests::ALLOW;
use super::tables::{CallKey, ServerKey};
use crate::customer::Language as Spoken;
use crate::dialog::{Dialog, Exchange, Session};
use crate::media::{Language, Learning, Listener, MediaOrder, MediaReport, StreamId};
use crate::message::{Header, Message, Reply};
use crate::park::{ParkMode, Profile};
use crate::sdp::{Agreed, Description, Direction, Limits, OwnDescription, Wish, agree};

/// The type of a description.
pub(super) const SDP: &str = "application/sdp";

impl Engine {
    /// How the caller of this context waits: without a description that we can play to, ringing for the whole
    /// time.
    pub(super) fn waiting_profile(&self, context: &Context, profile: Arc<Profile>) -> Arc<Profile> {
        if requires_reliable(&context.request) {
            // RFC 3262 §3: only a 183 of ours is made reliable.
            return Arc::new(profile.only(&[ParkMode::EarlyMedia, ParkMode::Answered]));
        }
        let media = profile.modes.iter().any(|(mode, _)| *mode != ParkMode::Ringing);
        if !media || self.can_hear(&context.request).is_some() {
            return profile;
        }
        Arc::new(profile.ringing_only())
    }

    /// What we agree upon with a caller who is to hear music; `None` when that cannot be: no description, a
    /// codec that is not ours, SRTP, an address that media may not go to, an extension that we would have to
    /// know.
    pub(super) fn can_hear(&self, request: &Message) -> Option<(Description, Agreed)> {
        // RFC 3261 §8.2.2.3: as the called side we would have to know each of them.
        let known = |value: &[u8]| {
            let value = value.trim_ascii();
            [&b"timer"[..], b"100rel"].iter().any(|known| value.eq_ignore_ascii_case(known))
        };
        if !request.values(Header::Require).all(|value| known(value.bytes)) {
            return None;
        }
        let kind = request.header(Header::ContentType)?;
        if !is_sdp(kind) || request.header_named(b"Content-Encoding").is_some() {
            return None;
        }
        self.agreed_on(request.body())
    }

    /// What we agree upon when this is offered, and music can be sent there.
    pub(super) fn agreed_on(&self, body: &[u8]) -> Option<(Description, Agreed)> {
        let offer = Description::parse(body, &Limits::default()).ok()?;
        let rules = &self.settings.park.targets;
        let agreed = agree(&offer, Wish { direction: Direction::SendRecv, rules }).ok()?;
        agreed.target.is_some().then_some((offer, agreed))
    }

    /// The caller waits in this mode: makes it so, or says it once more.
    pub(super) fn keep_waiting(&mut self, call: CallKey) {
        let noted = self.tables.calls.get(call).and_then(|entry| entry.noted.as_ref()?.mode);
        let Some(mode) = self.lot.waiter(call).map(|waiter| waiter.stage.mode).or(noted) else { return };
        let open = self.anchor(call).map(|anchor| (anchor.port, anchor.answered));
        match (mode, open) {
            (ParkMode::Ringing, None | Some((Port::Closed, false))) => self.ring_back(call),
            (ParkMode::Ringing, Some(_)) => {}
            (ParkMode::EarlyMedia | ParkMode::Answered, None) => self.open_port(call),
            (ParkMode::EarlyMedia, Some((Port::Open(_), false))) => self.tell_early_media(call),
            (ParkMode::Answered, Some((Port::Open(_), false))) => self.answer_caller(call),
            (ParkMode::EarlyMedia | ParkMode::Answered, Some(_)) => {}
        }
    }

    /// The minute is over: the caller's side is told once more.
    pub(super) fn refresh_waiting(&mut self, call: CallKey) {
        self.counters.park_refreshed += 1;
        self.keep_waiting(call);
    }

    /// From now on the call is anchored: we are the called side towards the caller.
    pub(super) fn open_port(&mut self, call: CallKey) {
        let Some(context) = self.tables.calls.get(call).and_then(|entry| entry.phase.context()) else {
            return;
        };
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let (server, request) = (entry.server, Arc::clone(&entry.request));
        let Some((_, agreed)) = self.can_hear(&request) else {
            if !self.goodbye_unheard(call) {
                self.ring_on(call);
            }
            return;
        };
        let Some(flow) = self.tables.servers.get(server).map(|entry| entry.flow) else { return };
        self.disown_branches(context);
        let tag = self.tag_for(&request);
        let own = OwnDescription::new(self.random_bits() as u64);
        let mut caller = Leg::new(Dialog::called(&request, &tag), own, self.contact_towards(&flow));
        caller.theirs = Bytes::copy_from_slice(request.body());
        caller.exchange = Exchange::Theirs;
        caller.updates = allows_update(&request);
        let stream = StreamId(call.data().as_ffi());
        self.tables.dialogs.insert(caller.dialog.local_tag().clone(), (call, Side::Caller));
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.anchor = Some(Box::new(Anchor {
                context,
                stream,
                port: Port::Asked,
                music: None,
                agreed: Some(agreed),
                caller,
                answer: None,
                answered: false,
                ringing: None,
                agent: None,
                bridge: Bridge::Waiting,
                reliable: None,
            }));
        }
        self.counters.anchored += 1;
        let ipv6 = agreed.target.is_some_and(|target| target.is_ipv6());
        self.outputs.push_back(Output::Media(MediaOrder::Open { stream, ipv6 }));
    }

    /// Something happened at a media port.
    pub(super) fn on_media(&mut self, report: &MediaReport) {
        match report {
            MediaReport::Opened { stream, local } => self.port_opened(*stream, *local),
            MediaReport::Refused { stream, why } => {
                let call = self.call_of(*stream);
                let asked = |anchor: &&Anchor| anchor.port == Port::Asked && anchor.stream == *stream;
                if let Some(answered) = self.anchor(call).filter(asked).map(|anchor| anchor.answered) {
                    self.counters.media_refused += 1;
                    tracing::warn!(?why, "there is no media port for a caller who waits");
                    if answered {
                        self.close_port(call);
                    } else if !self.goodbye_unheard(call) {
                        self.ring_on(call);
                    }
                }
            }
            MediaReport::Pressed { stream, digit } => self.pressed(*stream, *digit),
            MediaReport::Said { stream } => self.said(*stream),
        }
    }

    fn port_opened(&mut self, stream: StreamId, local: SocketAddr) {
        let call = self.call_of(stream);
        let asked = |anchor: &&mut Anchor| anchor.port == Port::Asked && anchor.stream == stream;
        let Some(anchor) = self.anchor_mut(call).filter(asked) else {
            // The caller has gone meanwhile, or talks already.
            return self.outputs.push_back(Output::Media(MediaOrder::Close { stream }));
        };
        anchor.port = Port::Open(local);
        if anchor.answered {
            return self.offer_music(call);
        }
        let theirs = anchor.caller.theirs.clone();
        let (Some((offer, agreed)), Some(anchor)) = (self.agreed_on(&theirs), self.anchor_mut(call)) else {
            if !self.goodbye_unheard(call) {
                self.ring_on(call);
            }
            return;
        };
        anchor.agreed = Some(agreed);
        anchor.answer = Some(anchor.caller.own.answer(&offer, &agreed, local));
        self.play(call);
        self.keep_waiting(call);
        if self.says_goodbye(call) {
            return self.say_noted(call);
        }
        self.music_begun(call);
    }

    /// Music to where the caller listens, as was agreed last.
    pub(super) fn play(&mut self, call: CallKey) {
        let Some(anchor) = self.anchor(call) else { return };
        let Some((agreed, remote)) = anchor.agreed.and_then(|agreed| Some((agreed, agreed.target?))) else {
            return;
        };
        let stream = anchor.stream;
        let language = self.tables.calls.get(call).map_or(Language::Ja, |entry| language_of(&entry.customer));
        let listener = Listener {
            codec: agreed.codec,
            payload_type: agreed.payload,
            digits: agreed.telephone_event,
            remote,
            learning: self.learning(call, remote.ip()),
            language,
        };
        self.outputs.push_back(Output::Media(MediaOrder::Play { stream, listener }));
    }

    /// Whether the caller stands behind NAT: a private address in the description, and messages from a public
    /// one.
    fn learning(&self, call: CallKey, described: IpAddr) -> Learning {
        let context = self.anchor(call).and_then(|anchor| self.tables.contexts.get(anchor.context));
        let server = context.map(|entry| entry.server);
        let source = server.and_then(|server| self.tables.servers.get(server)).map(|entry| entry.flow.remote);
        let behind = source.is_some_and(|source| is_private(described) && !is_private(source.ip()));
        if behind { Learning::Once } else { Learning::Never }
    }

    /// There is no music for this caller, who rings on for the whole time.
    fn ring_on(&mut self, call: CallKey) {
        self.close_port(call);
        self.lot.ring_on(call, self.now.moment);
        let untold =
            |anchor: &Anchor| anchor.answer.is_none() && anchor.ringing.is_none() && anchor.agent.is_none();
        let insists = self.anchor(call).and_then(|anchor| self.tables.contexts.get(anchor.context));
        let insists = insists.is_some_and(|context| requires_reliable(&context.request));
        if self.anchor(call).is_some_and(untold) {
            self.release_anchor(call);
        }
        self.watch_lot();
        if insists && self.lot.is_in_line(call) {
            // Our 180 would not be reliable.
            return self.route_default(call);
        }
        if self.lot.is_in_line(call) {
            self.keep_waiting(call);
            self.tell_parked(call, None);
        }
    }

    /// The call is no longer anchored; nobody has heard of it.
    fn release_anchor(&mut self, call: CallKey) {
        let anchor = self.tables.calls.get_mut(call).and_then(|entry| entry.anchor.take());
        if let Some(anchor) = anchor {
            self.tables.dialogs.remove(anchor.caller.dialog.local_tag());
        }
    }

    /// The music is over.
    pub(super) fn close_port(&mut self, call: CallKey) {
        self.music_over(call);
        let Some(anchor) = self.anchor_mut(call) else { return };
        let stream = anchor.stream;
        let port = std::mem::replace(&mut anchor.port, Port::Closed);
        self.tables.streams.remove(&stream);
        match port {
            Port::Open(_) => self.outputs.push_back(Output::Media(MediaOrder::Close { stream })),
            // What is opened after all is closed when it reports.
            Port::Asked | Port::Closed => {}
        }
    }

    /// 183 with our description: from now on never 180 to this caller (P1).
    fn tell_early_media(&mut self, call: CallKey) {
        let Some((server, answer, contact)) = self.towards_caller(call) else { return };
        let Some(entry) = self.tables.servers.get(server) else { return };
        let Some(request) = entry.request.clone() else { return };
        let tag = self.tag_for(&request);
        let mut extra: Vec<(&str, &[u8])> = vec![("Contact", contact.as_bytes()), ("Allow", ALLOW)];
        let reliable = requires_reliable(&request);
        let number = if reliable { self.next_rseq(call) } else { None };
        if reliable && number.is_none() {
            return;
        }
        let rseq = number.map(|number| number.to_string());
        if let Some(rseq) = &rseq {
            extra.extend([("Require", &b"100rel"[..]), ("RSeq", rseq.as_bytes())]);
        }
        let reply = Reply {
            status: 183,
            to_tag: Some(&tag),
            extra: &extra,
            body: Some((SDP, &answer)),
            ..Reply::default()
        };
        let bytes = reply.to(&request);
        match number {
            Some(number) => self.respond_reliably(call, server, number, request.cseq(), bytes),
            None => self.respond(server, 183, bytes),
        }
    }

    /// 200 to the caller's INVITE: with the description of the 183 (P2), or, without music, with that of who
    /// answered.
    pub(super) fn answer_caller(&mut self, call: CallKey) {
        if self.answers_after_prack(call) {
            return;
        }
        let Some((server, answer, contact)) = self.towards_caller(call) else { return };
        let Some(request) = self.tables.servers.get(server).and_then(|entry| entry.request.clone()) else {
            return;
        };
        let tag = self.tag_for(&request);
        let session = Session::of_request(&request);
        let bytes = self.success(&request, Some(&tag), &contact, session, Some(&answer));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        entry.status = Some(200);
        let Some(anchor) = entry.anchor.as_deref_mut() else { return };
        anchor.answered = true;
        if let Some(entry) = self.tables.contexts.get_mut(anchor.context) {
            entry.upstream = Upstream::Final(200);
        }
        self.set_session(call, Side::Caller, session);
        self.succeed(call, Side::Caller, server, request.cseq(), bytes, Brings::Nothing);
    }

    /// A 2xx of ours to an INVITE or UPDATE.
    pub(super) fn success(
        &self,
        request: &Message,
        tag: Option<&str>,
        contact: &str,
        session: Option<Session>,
        body: Option<&[u8]>,
    ) -> Bytes {
        let expires = session.map(Session::in_response).unwrap_or_default();
        let mut extra: Vec<(&str, &[u8])> =
            vec![("Contact", contact.as_bytes()), ("Allow", ALLOW), ("Supported", b"timer")];
        if let Some(session) = session {
            extra.push(("Session-Expires", expires.as_bytes()));
            if !session.ours {
                extra.push(("Require", b"timer"));
            }
        }
        let body = body.map(|body| (SDP, body));
        Reply { status: 200, to_tag: tag, extra: &extra, body, ..Reply::default() }.to(request)
    }

    /// The caller's transaction, our description for it, and our Contact.
    fn towards_caller(&self, call: CallKey) -> Option<(ServerKey, Bytes, String)> {
        let anchor = self.anchor(call)?;
        let server = self.tables.contexts.get(anchor.context)?.server;
        Some((server, anchor.answer.clone()?, anchor.caller.contact.clone()))
    }
}

/// Whether the caller demands RFC 3262 of whoever answers.
pub(super) fn requires_reliable(request: &Message) -> bool {
    request.values(Header::Require).any(|value| value.bytes.trim_ascii().eq_ignore_ascii_case(b"100rel"))
}

/// Whether a body of this type is a description.
pub(super) fn is_sdp(kind: &[u8]) -> bool {
    let kind = kind.split(|octet| *octet == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(SDP.as_bytes())
}

/// Whether its sender takes UPDATE (RFC 3311 §5.1).
pub(super) fn allows_update(message: &Message) -> bool {
    message.values(Header::Allow).any(|value| value.bytes.trim_ascii() == b"UPDATE")
}

/// Whether the address is nobody's on the Internet (RFC 1918, RFC 6598, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.segments()[0] & 0xfe00 == 0xfc00,
    }
}

fn language_of(customer: &CustomerState) -> Language {
    match customer.card().map(|card| card.language) {
        Some(Spoken::En) => Language::En,
        Some(Spoken::Ja) | None => Language::Ja,
    }
}
