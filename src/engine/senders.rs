//! Who sends, when the address does not say it: RFC 3261 §22 with the digests of RFC 7616 and RFC 8760.

use std::net::IpAddr;

use super::Engine;
use super::context::Purpose;
use super::doorman::Asked;
use super::input::{Datagram, Output};
use super::refused::Refused;
use super::settings::Auth;
use super::tables::ServerKey;
use crate::message::{Edit, Header, Message, Method, NameAddr, Reply, Uri, response};
use crate::proxy::digest::{Credentials, Guesser, NonceFault, Nonces, challenge, realm_of};
use crate::proxy::{Secret, plan_route};
use crate::transaction::TransactionKey;
use crate::transport::{Flow, Protocol};

/// Senders of a call that are remembered.
const SENDERS_KEPT: usize = 8;

/// What comes of a look at credentials.
enum Verdict {
    /// It is this peer.
    Granted(usize),
    /// It is a peer, and may not say what it says (N6).
    Forbidden,
    /// It is to be asked; whether it answered a nonce of ours that is good no more.
    Challenge { stale: bool },
}

impl Engine {
    /// The peer that a request from an unknown address proves to be from. Otherwise what can be answered has
    /// been answered.
    pub(super) fn identify(
        &mut self,
        flow: Flow,
        message: &Message,
        key: TransactionKey,
        received: usize,
    ) -> Option<usize> {
        // A repetition proves nothing anew, and its nonce is spent: it meets its transaction.
        let known = self.tables.server_by_key(key);
        if let Some(server) = known {
            return self.tables.servers.get(server).map(|entry| entry.peer);
        }
        match message.method() {
            Method::Ack => self.sender_of_ack(flow, message),
            Method::Cancel => self.sender_of_cancel(flow, message, received),
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
            | Method::Other => match self.look_at(flow, message) {
                Verdict::Granted(peer) => Some(peer),
                Verdict::Forbidden => {
                    self.counters.auth_forbidden += 1;
                    let answer = response(message, 403, None, Some(&self.tag_for(message)), &[]);
                    self.outputs.push_back(Output::Send(Datagram::back_along(flow, answer)));
                    None
                }
                Verdict::Challenge { stale } => {
                    self.challenge(flow, message, received, stale);
                    None
                }
            },
        }
    }

    /// RFC 3261 §22.1: an ACK cannot be challenged. That of a 2xx must belong to a call whose INVITE this
    /// source proved; any other is the answer to a refusal of ours and needs nothing.
    fn sender_of_ack(&mut self, flow: Flow, message: &Message) -> Option<usize> {
        let peer = self.proven_sender(flow.remote.ip(), message);
        if peer.is_none() && !self.acknowledges_refusal(message) {
            self.note_refused(Refused::Stranger, flow.remote.ip());
        }
        peer
    }

    fn proven_sender(&self, source: IpAddr, message: &Message) -> Option<usize> {
        let call = match self.dialog_of(message) {
            Some((call, _)) => call,
            None => {
                let plan = plan_route(message, &self.own)?;
                let cookie = self.cookie_of(message, plan.cookie.as_deref())?;
                self.tables.call_by_bits(cookie.call)?
            }
        };
        let call = self.tables.calls.get(call)?;
        let source = source.to_canonical();
        let (username, _) = call.senders.iter().find(|(_, address)| *address == source)?;
        self.settings.peer_with_username(username, source)
    }

    /// RFC 3261 §22.1, §16.10: a CANCEL cannot be challenged either; it must meet an INVITE of its source.
    fn sender_of_cancel(&mut self, flow: Flow, message: &Message, received: usize) -> Option<usize> {
        let invite = self.keys.cancelled_invite(&super::requests::parts_of(message, flow.remote.ip()));
        let invite = self.tables.server_by_key(invite).and_then(|server| self.tables.servers.get(server));
        if let Some(entry) = invite {
            return Some(entry.peer);
        }
        self.refuse_stranger(flow, message, received, 481);
        None
    }

    /// Whether the ACK is that of a response which we made without a transaction: it bears our tag.
    pub(super) fn acknowledges_refusal(&self, message: &Message) -> bool {
        let is_it = |tag: &[u8]| tag.len() == Secret::TO_TAG && tag == self.tag_for(message).as_bytes();
        message.to_tag().is_some_and(is_it)
    }

    /// RFC 7616 §3.4.6: are these the credentials of a peer, for this request, for the first time?
    fn look_at(&mut self, flow: Flow, message: &Message) -> Verdict {
        let again = Verdict::Challenge { stale: false };
        let settings = std::sync::Arc::clone(&self.settings);
        let digest = &settings.digest;
        let ours = |value: &&[u8]| realm_of(value) == Some(digest.realm.as_str());
        let Some(value) = message.headers(credentials_header(message.method())).find(ours) else {
            self.counters.challenged += 1;
            return again;
        };
        let Ok(credentials) = Credentials::read(value) else {
            self.counters.auth_unusable += 1;
            return again;
        };
        if credentials.uri != message.request_uri() {
            self.counters.auth_unusable += 1;
            return again;
        }
        let (source, now) = (flow.remote.ip().to_canonical(), self.now.moment);
        let nonce = match self.nonces().read(credentials.nonce, source, now) {
            Ok(nonce) => nonce,
            Err(fault) => {
                self.counters.auth_stale += 1;
                return Verdict::Challenge { stale: fault == NonceFault::Stale };
            }
        };
        let who = Guesser {
            user: credentials.username,
            user_hash: self.secret.place_of(credentials.username.as_bytes()),
            source,
            source_hash: self.place_of_source(source),
        };
        if !self.doorman.guesses.may_try(&who, digest.tries, now) {
            self.counters.auth_held_back += 1;
            return again;
        }
        let peer = settings.peer_with_username(credentials.username, source);
        let auth = peer.and_then(|peer| settings.peers.get(peer)?.auth.as_ref());
        // Somebody unknown is reckoned as well: it takes as long (N10).
        let password = auth.map_or(&digest.nobody, |auth| &auth.password);
        let proved = password.is_proved_by(&credentials, message.method_bytes());
        let (Some(peer), Some(auth), true) = (peer, auth, proved) else {
            self.counters.auth_failed += 1;
            tracing::info!(%source, "a wrong user name or password");
            self.doorman.guesses.failed(&who, digest.tries, now);
            return again;
        };
        if !self.doorman.uses.note(&auth.username, nonce, credentials.nc.1, digest.nonces_per_peer) {
            self.counters.auth_replayed += 1;
            return Verdict::Challenge { stale: true };
        }
        self.doorman.guesses.proved(&who, now);
        if speaks_for_another(auth, &settings.peers, message) {
            return Verdict::Forbidden;
        }
        self.counters.auth_granted += 1;
        Verdict::Granted(peer)
    }

    /// Asks for credentials: SHA-256 first, MD5 where somebody needs it (RFC 8760 §2.4). The answer has no
    /// transaction, and is the same for everybody (N10).
    fn challenge(&mut self, flow: Flow, message: &Message, received: usize, stale: bool) {
        let source = flow.remote.ip().to_canonical();
        let nonce = self.doorman.next_nonce(self.now.moment);
        let nonce = self.nonces().make(nonce, source);
        let name = challenge_header(message.method());
        let status = if name == Header::WwwAuthenticate { 401 } else { 407 };
        let value = |algorithm| challenge(&self.settings.digest.realm, &nonce, algorithm, stale);
        let offers: Vec<String> = self.settings.offered().map(value).collect();
        let extra: Vec<_> = offers.iter().map(|offer| (name.as_str(), offer.as_bytes())).collect();
        let tag = self.tag_for(message);
        let proven = flow.protocol != Protocol::Udp || self.doorman.guesses.is_proven(source);
        let mut answer = response(message, status, None, Some(&tag), &extra);
        // Both offers can be too much for a short request; then the better one stands alone (N28).
        if !proven && answer.len() * 2 > received * 3 {
            answer = response(message, status, None, Some(&tag), extra.get(..1).unwrap_or_default());
        }
        let place = self.place_of_source(source);
        let asked = Asked { place, proven, request: received, answer: answer.len() };
        if self.doorman.may_challenge(&asked, self.now.moment, self.settings.digest.challenges_per_s) {
            self.outputs.push_back(Output::Send(Datagram::back_along(flow, answer)));
        } else {
            self.note_refused(Refused::Stranger, source);
        }
    }

    /// Not a peer: at most one short answer, and never many (N1, N17, N28).
    pub(super) fn refuse_stranger(&mut self, flow: Flow, message: &Message, received: usize, status: u16) {
        self.note_refused(Refused::Stranger, flow.remote.ip());
        let (now, per_s) = (self.now.moment, self.settings.refusals_per_s);
        if message.method() == Method::Ack || !self.doorman.may_refuse(now, per_s) {
            return;
        }
        let tag = self.tag_for(message);
        let answer =
            Reply { status, to_tag: Some(&tag), source: Some(flow.remote), ..Reply::default() }.to(message);
        if answer.len() <= received {
            self.outputs.push_back(Output::Send(Datagram::back_along(flow, answer)));
        }
    }

    /// RFC 3261 §22.3: credentials for our realm go no further; those for others are not ours to touch.
    pub(super) fn without_own_credentials(&self, message: Message) -> Option<Message> {
        let headers = [Header::ProxyAuthorization, Header::Authorization];
        let realm = self.settings.digest.realm.as_str();
        let ours = |value: &[u8]| realm_of(value) == Some(realm);
        if !self.settings.has_digest() || !headers.iter().any(|name| message.headers(*name).any(ours)) {
            return Some(message);
        }
        let mut edit = Edit::of(&message);
        for name in headers {
            edit.remove_lines(name, ours);
        }
        Message::parse(edit.finish(), &self.settings.message).ok()
    }

    /// Notes who proved to send the request of a call, for ACKs that cannot prove anything.
    pub(super) fn remember_sender(&mut self, server: ServerKey, peer: usize, purpose: Purpose) {
        let Some(auth) = self.settings.peers.get(peer).and_then(|peer| peer.auth.as_ref()) else { return };
        let Some(call) = purpose.proxied_call() else { return };
        let Some(source) = self.tables.servers.get(server).map(|entry| entry.flow.remote.ip()) else {
            return;
        };
        let sender = (auth.username.clone(), source.to_canonical());
        if let Some(entry) = self.tables.calls.get_mut(call)
            && !entry.senders.contains(&sender)
        {
            if entry.senders.len() >= SENDERS_KEPT {
                entry.senders.remove(0);
            }
            entry.senders.push(sender);
        }
    }

    fn nonces(&self) -> Nonces<'_> {
        Nonces {
            secret: &self.secret,
            realm: &self.settings.digest.realm,
            life: self.doorman.life,
            lasts: self.settings.digest.nonce_lasts,
        }
    }

    fn place_of_source(&self, source: IpAddr) -> u64 {
        match source.to_canonical() {
            IpAddr::V4(address) => self.secret.place_of(&address.octets()),
            // One network of an IPv6 customer is one source.
            IpAddr::V6(address) => self.secret.place_of(&address.octets()[..8]),
        }
    }
}

/// A registrar asks with 401, a proxy with 407 (RFC 3261 §22.2, §22.3). Those who register do so with us,
/// as far as they know.
const fn challenge_header(method: Method) -> Header {
    if matches!(method, Method::Register) { Header::WwwAuthenticate } else { Header::ProxyAuthenticate }
}

const fn credentials_header(method: Method) -> Header {
    if matches!(method, Method::Register) { Header::Authorization } else { Header::ProxyAuthorization }
}

/// N6: whether somebody registers what is not theirs, or names themselves by another peer's name.
fn speaks_for_another(auth: &Auth, peers: &[super::Peer], message: &Message) -> bool {
    let user_of = |value: &[u8]| -> Option<Vec<u8>> {
        let uri = NameAddr::parse(value).ok()?.uri.to_vec();
        Uri::parse(&uri).ok()?.user.map(<[u8]>::to_vec)
    };
    if message.method() == Method::Register {
        let user = user_of(message.header(Header::To).unwrap_or_default());
        return !user.is_some_and(|user| auth.names().any(|name| name.as_bytes() == user));
    }
    let identities = [Header::From, Header::PAssertedIdentity, Header::PPreferredIdentity];
    let mut claimed =
        identities.into_iter().flat_map(|name| message.values(name)).filter_map(|value| user_of(value.bytes));
    let others: Vec<&Auth> =
        peers.iter().filter_map(|peer| peer.auth.as_ref()).filter(|other| *other != auth).collect();
    claimed.any(|user| others.iter().any(|other| other.names().any(|name| name.as_bytes() == user)))
}
