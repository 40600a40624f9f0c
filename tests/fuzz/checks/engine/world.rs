//! The house around the engine, and what must hold in it after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use toritsugi::app::engine_settings;
use toritsugi::clock::{Moment, Now};
use toritsugi::config::Config;
use toritsugi::customer::{CustomerCard, LookupFault};
use toritsugi::engine::{
    Datagram, Engine, Input, LookupToken, Output, ReplyToken, Request, Resolution, ResolveToken, Saved,
    SendToken, Settings,
};
use toritsugi::events::{Event, EventBody};
use toritsugi::message::{Header, Limits, Message, Method, ack_for, cancel_for, response};
use toritsugi::presence::{AgentId, AgentStatus, CallId, OfferId, SetBy, StoredStatus};
use toritsugi::proxy::Target;
use toritsugi::routing::Directory;
use toritsugi::transport::{Flow, Protocol};

pub const CARRIER: &str = "192.0.2.10:5060";
pub const PBX: &str = "192.0.2.20:5060";
pub const STRANGER: &str = "198.51.100.66:5060";
const US: &str = "192.0.2.1:5060";
const AGENTS: usize = 3;
/// What is kept of the past to be answered, changed or repeated.
const KEPT: usize = 48;
/// A message has grown a little at each hop.
const WIDE: Limits = Limits { message_bytes: 65_535, headers: 512 };
/// Things to be done that one input may cause.
const OUTPUTS_FOR_ONE: usize = 200;
/// An answered call without a BYE is given up after this (`call_age_h = 1`), with everything behind it.
const EVERYTHING_OVER: Duration = Duration::from_secs(3 * 3600);

static SETTINGS: LazyLock<Arc<Settings>> = LazyLock::new(|| {
    let text = "[sip]\nlisten = [\"udp:192.0.2.1:5060\", \"tcp:192.0.2.1:5060\"]\n\
        advertise = \"192.0.2.1:5060\"\ndefault_route = \"sip:192.0.2.20:5060\"\n\
        [[sip.peer]]\nname = \"carrier\"\naddresses = [\"192.0.2.10/32\"]\ntrust_identity = true\n\
        [[sip.peer]]\nname = \"pbx\"\naddresses = [\"192.0.2.20/32\"]\n\
        [[sip.peer]]\nname = \"phones\"\naddresses = [\"192.0.2.30/31\", \"192.0.2.32/31\"]\n\
        [sip.limits]\ncall_age_h = 1\ncalls = 10\ntransactions = 100\nmessage_bytes = 8192\n\
        [routing]\nring_sla_s = 2\nwrap_up_s = 5\n";
    let config = Config::parse(text, Path::new("/")).unwrap_or_else(|faults| panic!("{faults:?}"));
    let listen = vec![address(US)];
    Arc::new(engine_settings(&config, listen).unwrap_or_else(|failure| panic!("{failure:?}")))
});

static DIRECTORY: LazyLock<Arc<Directory>> = LazyLock::new(|| Arc::new(directory(AGENTS)));

/// The house.
pub struct World {
    engine: Engine,
    settings: Arc<Settings>,
    now: Now,
    draining: bool,
    calls: Vec<Scripted>,
    /// Requests that somebody was sent and may answer.
    asked_of: Vec<(SocketAddr, Message)>,
    seen: Vec<Bytes>,
    received: Vec<(&'static str, Bytes)>,
    lookups: Vec<LookupToken>,
    resolves: Vec<ResolveToken>,
    tokens: Vec<SendToken>,
    offers: Vec<OfferId>,
    call_ids: Vec<CallId>,
    resolved: BTreeSet<IpAddr>,
    /// Everything peers ever said, to find an address in.
    peers_said: Vec<u8>,
    /// To strangers and from them: messages and octets.
    strangers: BTreeMap<SocketAddr, [usize; 4]>,
    sources: BTreeSet<SocketAddr>,
    last_was_malformed: bool,
    emergencies: usize,
    records: BTreeMap<CallId, usize>,
    begun_before: u64,
    /// Each life has randomness of its own.
    lives: u8,
    asked: u64,
    replies: u64,
}

/// A call that a caller began.
struct Scripted {
    source: &'static str,
    invite: Message,
    answer: Option<Message>,
    cseq: u32,
}

impl World {
    /// Three agents who are free, one of whom is found by name.
    pub fn new() -> Self {
        let wall: jiff::Timestamp = "2026-11-24T01:00:00Z".parse().expect("a time written here");
        let now = Now { moment: Moment::from_micros(1_000_000), wall };
        let statuses: Vec<StoredStatus> = (0..AGENTS).map(|index| available(index, wall)).collect();
        let (settings, directory) = (Arc::clone(&SETTINGS), Arc::clone(&DIRECTORY));
        Self {
            engine: Engine::new(Arc::clone(&settings), directory, &statuses, [9; 32], [7; 32], now),
            settings,
            now,
            draining: false,
            calls: Vec::new(),
            asked_of: Vec::new(),
            seen: Vec::new(),
            received: Vec::new(),
            lookups: Vec::new(),
            resolves: Vec::new(),
            tokens: Vec::new(),
            offers: Vec::new(),
            call_ids: Vec::new(),
            resolved: BTreeSet::new(),
            peers_said: Vec::new(),
            strangers: BTreeMap::new(),
            sources: BTreeSet::new(),
            last_was_malformed: false,
            emergencies: 0,
            records: BTreeMap::new(),
            begun_before: 0,
            lives: 0,
            asked: 0,
            replies: 0,
        }
    }

    /// An initial INVITE.
    pub fn call(&mut self, source: &'static str, called: &str, from: &str, extra: &str) {
        let call = self.calls.len();
        let text = format!(
            "INVITE sip:{called}@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {source};branch=z9hG4bKc{call};rport\r\n\
             From: {from};tag=c{call}\r\nTo: <sip:{called}@192.0.2.1>\r\nCall-ID: call{call}@fuzz\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:caller@{source}>\r\n{extra}Content-Length: 4\r\n\r\nv=0\n"
        );
        let bytes = Bytes::from(text);
        let invite = parsed(&bytes);
        if self.calls.len() < KEPT {
            self.calls.push(Scripted { source, invite, answer: None, cseq: 1 });
        }
        self.receive(source, bytes);
    }

    /// The caller gives up.
    pub fn cancel(&mut self, call: usize) {
        let Some(call) = pick(&self.calls, call) else { return };
        let (source, bytes) = (call.source, cancel_for(&call.invite, None));
        self.receive(source, bytes);
    }

    /// The caller acknowledges the last final answer.
    pub fn acknowledge(&mut self, call: usize) {
        let Some(scripted) = pick(&self.calls, call) else { return };
        let Some(answer) = &scripted.answer else { return };
        let status = answer.status().unwrap_or_default();
        let source = scripted.source;
        if status >= 300 {
            let bytes = ack_for(&scripted.invite, answer);
            self.receive(source, bytes);
        } else if status >= 200 {
            let bytes = inside(answer, "ACK", 1, source, true);
            self.receive(source, bytes);
        }
    }

    /// A request within an answered call, from the caller or from who answered.
    pub fn within(&mut self, call: usize, method: &str, by_caller: bool) {
        let count = self.calls.len().max(1);
        let Some(scripted) = self.calls.get_mut(call % count) else { return };
        let Some(answer) = &scripted.answer else { return };
        scripted.cseq += 1;
        let source = if by_caller { scripted.source } else { phone(0) };
        let bytes = inside(answer, method, scripted.cseq, source, by_caller);
        self.receive(source, bytes);
    }

    /// Whoever was sent a request answers it.
    pub fn answer(&mut self, request: usize, status: u16, tag: u8) {
        let Some((at, request)) = pick(&self.asked_of, request) else { return };
        let contact = format!("<sip:answerer@{at}>");
        let headers: &[(&str, &[u8])] = if status > 100 { &[("Contact", contact.as_bytes())] } else { &[] };
        let bytes = response(request, status, None, Some(&format!("t{tag}")), headers);
        let at = *at;
        self.receive_at(at, bytes);
    }

    /// Octets from a known place.
    pub fn receive(&mut self, source: &'static str, bytes: Bytes) {
        keep(&mut self.received, (source, bytes.clone()));
        self.receive_at(address(source), bytes);
    }

    fn receive_at(&mut self, remote: SocketAddr, bytes: Bytes) {
        self.sources.insert(remote);
        self.last_was_malformed = Message::parse(bytes.clone(), &self.settings.message).is_err();
        keep(&mut self.seen, bytes.clone());
        if self.settings.peer_of(remote.ip()).is_some() {
            self.peers_said.extend_from_slice(&bytes);
            self.emergencies +=
                usize::from(bytes.windows(3).any(|window| matches!(window, b"110" | b"118" | b"119")));
        } else {
            let count = self.strangers.entry(remote).or_default();
            count[2] += 1;
            count[3] += bytes.len();
        }
        let flow =
            Flow { protocol: Protocol::Udp, local: address(US), remote, connection: None, certificate: None };
        self.input(Input::Received { flow, bytes });
    }

    /// The same octets once more from the same place.
    pub fn repeat(&mut self, index: usize) {
        let Some((source, bytes)) = pick(&self.received, index).cloned() else { return };
        self.receive_at(address(source), bytes);
    }

    /// Anything that came in or went out.
    pub fn anything_seen(&self, index: usize) -> Option<&Bytes> {
        pick(&self.seen, index)
    }

    /// Time passes, with every timer on the way.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.moment + by;
        let mut turns = 0;
        while let Some(next) = self.engine.poll_timeout().filter(|next| *next <= end) {
            self.set_clock(next.max(self.now.moment));
            self.engine.handle_timeout(self.now);
            self.collect();
            turns += 1;
            assert!(turns < 20_000, "timers without end");
        }
        self.set_clock(end);
    }

    /// Time passes until the next timer.
    pub fn next_timer(&mut self) {
        if let Some(next) = self.engine.poll_timeout() {
            self.advance(next.since(self.now.moment));
        }
    }

    /// A look-up ends: with a card, with several, with none, with a fault.
    pub fn look_up_ends(&mut self, kind: usize) {
        let Some(token) = self.lookups.pop() else { return };
        let answer = match kind % 5 {
            0 => Ok(vec![card(0, Some(0))]),
            1 => Ok(vec![card(0, Some(1)), card(1, None)]),
            2 => Ok(Vec::new()),
            3 => Err(LookupFault::Down),
            _ => Ok(vec![card(0, None)]),
        };
        self.input(Input::LookedUp(token, answer));
    }

    /// The last pop was written to its screen.
    pub fn announced(&mut self) {
        let Some(offer) = self.offers.pop() else { return };
        self.input(Input::Announced(offer));
    }

    /// A message was not sent.
    pub fn send_fails(&mut self, index: usize) {
        let Some(token) = pick(&self.tokens, index).copied() else { return };
        self.input(Input::SendFailed(token));
    }

    /// A name has an address, several, or none.
    pub fn resolved(&mut self, kind: usize) {
        let Some(token) = self.resolves.pop() else { return };
        let targets = match kind % 4 {
            0 => vec![target(Protocol::Udp, phone(2))],
            1 => vec![target(Protocol::Tcp, "203.0.113.77:5060"), target(Protocol::Udp, phone(2))],
            2 => vec![target(Protocol::Udp, US)],
            _ => Vec::new(),
        };
        self.resolved.extend(targets.iter().map(|target| target.remote.ip()));
        self.input(Input::Resolved(token, Resolution { targets, lasts: Duration::from_secs(60) }));
    }

    /// Somebody asks; the answer comes at once.
    pub fn ask(&mut self, request: Request) {
        self.asked += 1;
        self.input(Input::Asked(ReplyToken(self.asked), request));
        assert_eq!(self.replies, self.asked, "a request without an answer, or with two");
    }

    /// An agent leaves the directory or comes back.
    pub fn change_directory(&mut self, agents: usize) {
        self.input(Input::Directory(Arc::new(directory(agents % (AGENTS + 1)))));
    }

    /// Presence was changed by somebody else's hand.
    pub fn status_is_stored(&mut self, index: usize) {
        let stored = available(index, self.now.wall);
        self.input(Input::StoredStatus(stored));
    }

    /// The settings are read again, or the house begins to close.
    pub fn drain_or_reload(&mut self, drain: bool) {
        self.draining |= drain;
        let input = if drain { Input::Drain } else { Input::Settings(Arc::clone(&SETTINGS)) };
        self.input(input);
    }

    /// The process dies and another one goes on; written out, read back and written out, it is the same.
    pub fn reborn(&mut self) {
        self.lives += 1;
        self.begun_before += self.engine.counters().calls_begun;
        // So that the engine's clock is ours.
        self.engine.handle_timeout(self.now);
        self.collect();
        let written = serde_json::to_string(&self.engine.save()).expect("plain data");
        let saved: Saved = serde_json::from_str(&written).expect("what was written");
        let (settings, directory) = (Arc::clone(&SETTINGS), Arc::clone(&DIRECTORY));
        self.engine = Engine::restore(saved, settings, directory, [9; 32], [100 + self.lives; 32], self.now);
        let again = serde_json::to_string(&self.engine.save()).expect("plain data");
        assert!(again == written, "state is lost or made up by a restart:\n{written}\n{again}");
        self.draining = false;
        // Names that something waits for are asked again.
        self.resolves.clear();
        self.collect();
    }

    /// The id of a call that was told of.
    pub fn call_id(&self, index: usize) -> Option<CallId> {
        pick(&self.call_ids, index).cloned()
    }

    /// Anything else.
    pub fn input(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.collect();
    }

    fn set_clock(&mut self, moment: Moment) {
        self.now = Now { moment, wall: self.now.wall_at(moment) };
    }

    fn collect(&mut self) {
        let mut count = 0;
        while let Some(output) = self.engine.poll_output() {
            count += 1;
            assert!(count < OUTPUTS_FOR_ONE, "outputs without end");
            match output {
                Output::Send(datagram) => self.sent(&datagram),
                Output::Resolve { token, .. } => self.resolves.push(token),
                Output::Lookup { token, .. } => self.lookups.push(token),
                Output::Event(event) => self.told(&event),
                Output::Reply(token, _) => {
                    assert_eq!(token, ReplyToken(self.asked), "an answer to nobody");
                    self.replies += 1;
                }
                Output::Record(record) => {
                    assert!(record.ended_at.is_some() && record.end_reason.is_some(), "{record:?}");
                    *self.records.entry(record.id.clone()).or_default() += 1;
                }
                Output::StoreStatus { .. }
                | Output::Audit(_)
                | Output::StoreCallback { .. }
                | Output::NoticeAcknowledged { .. }
                | Output::Media(_) => {}
            }
        }
    }

    fn told(&mut self, event: &Event) {
        if let Some(call) = &event.call
            && !self.call_ids.contains(call)
        {
            keep(&mut self.call_ids, call.clone());
        }
        if let EventBody::PopOffered { offer, announce: true, .. } = &event.body {
            keep(&mut self.offers, offer.clone());
        }
    }

    /// What leaves is one whole message, and goes where it may go.
    fn sent(&mut self, datagram: &Datagram) {
        let read = Message::parse(datagram.bytes.clone(), &WIDE);
        if read.is_err() && self.last_was_malformed {
            // What was made of fragments; `message` judges its form.
            assert!(self.sources.contains(&datagram.remote) && datagram.bytes.starts_with(b"SIP/2.0 "));
            return;
        }
        let message = parsed(&datagram.bytes);
        assert_eq!(message.bytes(), &datagram.bytes, "something behind the message");
        let remote = datagram.remote;
        if message.status().is_some() {
            assert!(self.sources.contains(&remote), "a response to {remote}, who never sent anything");
        } else {
            assert!(self.may_be_sent_to(remote.ip()), "a request to {remote}:\n{}", show(&datagram.bytes));
            assert_ne!(remote, address(US), "a request to ourselves");
            assert_eq!(message.top_via().sent_by(), b"192.0.2.1:5060", "a request without our Via");
        }
        if self.settings.peer_of(remote.ip()).is_none() {
            let count = self.strangers.entry(remote).or_default();
            count[0] += 1;
            count[1] += datagram.bytes.len();
        }
        keep(&mut self.seen, datagram.bytes.clone());
        if let Some(token) = datagram.token {
            keep(&mut self.tokens, token);
        }
        match message.status() {
            Some(status) if message.method() == Method::Invite && status >= 200 => {
                let call = self.calls.iter_mut().find(|call| call.invite.call_id() == message.call_id());
                if let Some(call) = call.filter(|_| message.cseq() == 1) {
                    call.answer = Some(message);
                }
            }
            Some(_) => {}
            None if message.method() != Method::Ack => keep(&mut self.asked_of, (remote, message)),
            None => {}
        }
    }

    /// Peers, agents' phones, what a name was resolved to, and addresses that a peer has named.
    fn may_be_sent_to(&self, address: IpAddr) -> bool {
        let named = || {
            let text = address.to_string();
            self.peers_said.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
        };
        self.settings.peer_of(address).is_some() || self.resolved.contains(&address) || named()
    }

    /// What holds after every step.
    pub fn judge(&self) {
        let gauges = self.engine.gauges();
        assert!(gauges.calls <= self.settings.calls + self.emergencies, "{gauges:?}");
        assert!(gauges.offers <= AGENTS, "an agent is offered two calls: {gauges:?}");
        assert!(gauges.offers <= gauges.calls, "{gauges:?}");
        // One whose upstream side is over stays for what it has begun: a branch that has not ended, a name
        // that was asked for. At the end none may be left.
        let begun = gauges.client_transactions + gauges.names_awaited;
        assert!(gauges.contexts <= gauges.server_transactions + gauges.calls + begun, "{gauges:?}");
        // Four of a call, three of a transaction, two of a branch; wrap-ups and presence.
        let holders = gauges.calls + gauges.server_transactions + gauges.client_transactions + AGENTS;
        assert!(gauges.timers <= 4 * holders + 8, "more timers than things they are for: {gauges:?}");
        for (remote, [sent, sent_bytes, got, got_bytes]) in &self.strangers {
            // N28: who is nobody's peer gets no more than it gave, unless a peer has named it.
            let is_named = self.may_be_sent_to(remote.ip());
            assert!(is_named || (sent <= got && sent_bytes <= got_bytes), "{remote} gets more than it gave");
        }
        assert!(self.records.values().all(|count| *count == 1), "two records of one call");
    }

    /// All names and look-ups end, everybody falls silent, and after all timers nothing is left. Screens go
    /// too: a danger notice that nobody confirms holds a wrap-up as long as there is one (M023).
    pub fn end(&mut self) {
        for index in 0..AGENTS {
            self.input(Input::Screens(agent(index), false));
        }
        while let Some(token) = self.resolves.pop() {
            self.input(Input::Resolved(token, Resolution::default()));
        }
        self.advance(EVERYTHING_OVER);
        while let Some(token) = self.resolves.pop() {
            self.input(Input::Resolved(token, Resolution::default()));
        }
        self.advance(EVERYTHING_OVER);
        self.judge();
        let gauges = self.engine.gauges();
        let left = gauges.calls + gauges.offers + gauges.server_transactions + gauges.client_transactions;
        assert_eq!(left + gauges.contexts + gauges.wrapping + gauges.names_awaited, 0, "{gauges:?}");
        assert!(!self.engine.has_pending_invites());
        let begun = self.begun_before + self.engine.counters().calls_begun;
        assert_eq!(self.records.len() as u64, begun, "a call without a record, or a record without a call");
    }
}

/// The id of an agent.
pub fn agent(index: usize) -> AgentId {
    AgentId::new(format!("a{}", index % AGENTS))
}

/// Where an agent's phone is.
pub fn phone(index: usize) -> &'static str {
    ["192.0.2.31:5060", "192.0.2.32:5060", "192.0.2.33:5060"][index % AGENTS]
}

fn available(index: usize, since: jiff::Timestamp) -> StoredStatus {
    StoredStatus { agent: agent(index), status: AgentStatus::Available, set_by: SetBy::Manual, since }
}

/// The first `agents` of the house, and its line.
fn directory(agents: usize) -> Directory {
    let agent = |index: usize| {
        let host = if index == 2 { "phone2.example" } else { phone(index) };
        let id = format!("a{index}");
        (
            id.clone(),
            serde_json::json!({"id": id, "name": "佐藤 一", "kana": null, "role": "agent",
                "contact": format!("sip:{id}@{host}"), "groups": ["front"], "skills": []}),
        )
    };
    let agents: serde_json::Map<String, serde_json::Value> = (0..agents).map(agent).collect();
    let line = serde_json::json!({"number": "03-1234-5678", "key": "+81312345678", "client": "青葉製作所",
        "greeting_ja": null, "greeting_en": null, "group": "front", "assigned_first": true});
    serde_json::from_value(serde_json::json!({"agents": agents, "lines": {"+81312345678": line}}))
        .expect("a directory written here")
}

fn card(index: usize, assignee: Option<usize>) -> CustomerCard {
    serde_json::from_value(serde_json::json!({"id": format!("c{index}"), "name": "山田 花子", "kana": null,
        "company": null, "rank": null, "language": "ja", "phones": ["+819012345678"],
        "assignee": assignee.map(agent), "flags": [], "contacts": [],
        "notices": [{"id": "n1", "level": "danger", "text": "要注意", "by": "佐藤",
            "at": "2026-01-01T00:00:00Z"}]}))
    .expect("a card written here")
}

/// A request within the dialog that `answer` made, by the route it recorded.
fn inside(answer: &Message, method: &str, cseq: u32, source: &str, by_caller: bool) -> Bytes {
    let text = |header| String::from_utf8_lossy(answer.header(header).unwrap_or_default()).into_owned();
    let values: Vec<String> = answer
        .values(Header::RecordRoute)
        .map(|value| String::from_utf8_lossy(value.bytes).into_owned())
        .collect();
    let line = |value: &String| format!("Route: {value}\r\n");
    let (routes, from, to): (String, _, _) = if by_caller {
        (values.iter().rev().map(line).collect(), text(Header::From), text(Header::To))
    } else {
        (values.iter().map(line).collect(), text(Header::To), text(Header::From))
    };
    let target = if by_caller { text(Header::Contact) } else { format!("sip:caller@{CARRIER}") };
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let call = String::from_utf8_lossy(answer.call_id()).into_owned();
    Bytes::from(format!(
        "{method} {target} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {source};branch=z9hG4bK{method}{cseq}{by_caller};rport\r\n\
         Max-Forwards: 70\r\n{routes}From: {from}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:party@{source}>\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn parsed(bytes: &Bytes) -> Message {
    Message::parse(bytes.clone(), &WIDE)
        .unwrap_or_else(|fault| panic!("no message: {fault:?}\n{}", show(bytes)))
}

fn show(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn target(protocol: Protocol, remote: &str) -> Target {
    Target { protocol, remote: address(remote) }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address written here")
}

fn pick<T>(list: &[T], index: usize) -> Option<&T> {
    // From the end: what happened last matters most.
    list.len().checked_sub(1).map(|last| &list[last - index % list.len()])
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() == KEPT {
        list.remove(0);
    }
    list.push(item);
}
