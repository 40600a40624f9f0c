//! A small world: one peer that is carrier and PBX, two agents, one line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::callback::Callback;
use crate::clock::{Moment, Now};
use crate::customer::{CustomerCard, Language, LookupAnswer};
use crate::engine::{
    Answer, Datagram, DigestSettings, Engine, HoldSettings, Input, LookupToken, Output, OverloadSettings,
    ParkSettings, Peer, Refusal, ReplyToken, Request, ResolveToken, Saved, Settings, TransferSettings,
};
use crate::events::{CallRecord, Event, EventBody, PopDocument, TransferNews};
use crate::identity::{CalledSource, TrunkContext};
use crate::media::MediaOrder;
use crate::message::{Header, Limits, Message, Method, response};
use crate::presence::{AgentId, AgentStatus, CustomerId, OfferId, Role, SetBy, StoredStatus};
use crate::proxy::RouteTarget;
use crate::routing::{Agent, Directory, Line};
use crate::transaction::TimerSettings;
use crate::transport::{Flow, Protocol};

pub(super) const CARRIER: &str = "192.0.2.10:5060";
pub(super) const PBX: &str = "192.0.2.20:5060";
pub(super) const PHONE_1: &str = "192.0.2.31:5060";
pub(super) const PHONE_2: &str = "192.0.2.32:5060";
pub(super) const US: &str = "192.0.2.1:5060";
pub(super) const LINE: &str = "0312345678";
/// A number that is no line: the call goes to the PBX.
pub(super) const ELSEWHERE: &str = "0399999999";

/// The engine, its clock, and everything it put out.
pub(super) struct World {
    pub engine: Engine,
    pub now: Now,
    pub sent: Vec<Datagram>,
    pub events: Vec<Event>,
    pub lookups: Vec<(LookupToken, String)>,
    pub records: Vec<CallRecord>,
    pub stored: Vec<StoredStatus>,
    /// Callbacks that were stored, each as it then was.
    pub callbacks: Vec<Callback>,
    /// What the media ports were told, since the last look.
    pub media: Vec<MediaOrder>,
    /// Rows of the audit.
    pub audited: Vec<String>,
    /// Host names that were asked for.
    pub names: Vec<String>,
    /// Each `pop.offered` and each INVITE to a phone, in the order they left.
    pub order: Vec<String>,
    /// Names that are waited for: token, port, protocol.
    pub asked_names: Vec<(ResolveToken, Option<u16>, Option<Protocol>)>,
    replies: BTreeMap<ReplyToken, Result<Answer, Refusal>>,
    asked: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// A world with other settings or another directory.
    pub fn with(settings: impl FnOnce(&mut Settings), directory: impl FnOnce(&mut Directory)) -> Self {
        let now =
            Now { moment: Moment::from_micros(1_000_000), wall: "2026-11-24T01:00:00Z".parse().unwrap() };
        let mut plain = plain_settings();
        settings(&mut plain);
        let mut people = plain_directory();
        directory(&mut people);
        let statuses: Vec<StoredStatus> = people
            .agents
            .keys()
            .map(|agent| StoredStatus {
                agent: agent.clone(),
                status: AgentStatus::Available,
                set_by: SetBy::Manual,
                since: now.wall,
            })
            .collect();
        let engine = Engine::new(Arc::new(plain), Arc::new(people), &statuses, [9; 32], [7; 32], now);
        Self {
            engine,
            now,
            sent: Vec::new(),
            events: Vec::new(),
            lookups: Vec::new(),
            records: Vec::new(),
            stored: Vec::new(),
            callbacks: Vec::new(),
            media: Vec::new(),
            audited: Vec::new(),
            asked_names: Vec::new(),
            order: Vec::new(),
            names: Vec::new(),
            replies: BTreeMap::new(),
            asked: 0,
        }
    }

    /// The process dies and another one goes on with what was written out.
    pub fn reborn(&mut self) {
        self.reborn_with(|_| {});
    }

    /// The same, into another directory.
    pub fn reborn_with(&mut self, directory: impl FnOnce(&mut Directory)) {
        self.reborn_as(|_| {}, directory);
    }

    /// The same, with other settings and into another directory.
    pub fn reborn_as(&mut self, change: impl FnOnce(&mut Settings), directory: impl FnOnce(&mut Directory)) {
        let written = serde_json::to_string(&self.engine.save()).unwrap();
        let saved: Saved = serde_json::from_str(&written).unwrap();
        let mut settings = plain_settings();
        change(&mut settings);
        let mut people = plain_directory();
        directory(&mut people);
        let (settings, people) = (Arc::new(settings), Arc::new(people));
        self.engine = Engine::restore(saved, settings, people, [9; 32], [8; 32], self.now);
        self.collect();
    }

    pub fn input(&mut self, input: Input) {
        self.engine.handle(self.now, input);
        self.collect();
    }

    /// Octets from somebody, over UDP.
    pub fn receive(&mut self, from: &str, text: impl Into<Bytes>) {
        self.receive_over(Protocol::Udp, from, text);
    }

    /// Octets from somebody, over this protocol.
    pub fn receive_over(&mut self, protocol: Protocol, from: &str, text: impl Into<Bytes>) {
        let flow =
            Flow { protocol, local: address(US), remote: address(from), connection: None, certificate: None };
        self.input(Input::Received { flow, bytes: text.into() });
    }

    /// Turns the clock, stopping at every timer on the way.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now.moment + by;
        while let Some(next) = self.engine.poll_timeout().filter(|next| *next <= end) {
            self.set_clock(next.max(self.now.moment));
            self.engine.handle_timeout(self.now);
            self.collect();
        }
        self.set_clock(end);
    }

    /// The carrier calls the line; the look-up is left waiting.
    pub fn invite(&mut self, call: &str) {
        self.receive(CARRIER, invite_text(call, "<sip:+819012345678@carrier.example>", LINE));
    }

    /// The carrier calls the line, and no customer is found.
    pub fn invite_unknown(&mut self, call: &str) {
        self.invite(call);
        self.answer_lookup(Ok(Vec::new()));
    }

    pub fn answer_lookup(&mut self, answer: LookupAnswer) {
        let (token, _) = self.lookups.pop().expect("a look-up is waiting");
        self.input(Input::LookedUp(token, answer));
    }

    pub fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        self.asked += 1;
        let token = ReplyToken(self.asked);
        self.input(Input::Asked(token, request));
        self.replies.remove(&token).expect("every request is answered")
    }

    /// The messages that went to somebody since the last look.
    pub fn taken(&mut self, to: &str) -> Vec<Message> {
        let to = address(to);
        let (mine, others) =
            std::mem::take(&mut self.sent).into_iter().partition(|datagram| datagram.remote == to);
        self.sent = others;
        let mine: Vec<Datagram> = mine;
        mine.into_iter().map(|datagram| parsed(&datagram.bytes)).collect()
    }

    /// The one message that went to somebody.
    #[track_caller]
    pub fn one(&mut self, to: &str) -> Message {
        let mut messages = self.taken(to);
        assert_eq!(messages.len(), 1, "messages to {to}: {messages:?}");
        messages.remove(0)
    }

    /// The statuses that went to the carrier.
    pub fn statuses(&mut self) -> Vec<u16> {
        self.taken(CARRIER).iter().filter_map(Message::status).collect()
    }

    /// Answers a request as a phone would.
    pub fn reply(&mut self, from: &str, request: &Message, status: u16, tag: &str) {
        let contact = format!("<sip:phone@{from}>");
        let extra: &[(&str, &[u8])] =
            if (101..300).contains(&status) { &[("Contact", contact.as_bytes())] } else { &[] };
        self.receive(from, response(request, status, None, Some(tag), extra));
    }

    /// The names of the events about calls and pops since the last look.
    pub fn happened(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events)
            .iter()
            .filter(|event| !matches!(event.body, EventBody::PresenceChanged(_)))
            .map(|event| name_of(&event.body))
            .collect()
    }

    pub fn status_of(&mut self, agent: &str) -> (String, Option<String>, String) {
        let Ok(Answer::Presences(all)) = self.ask(Request::Presences) else { panic!("presences") };
        let document = all.into_iter().find(|document| document.agent.as_str() == agent).expect("the agent");
        (document.status, document.reason, document.state)
    }

    /// The directory is read again, changed like this from the plain one.
    pub fn directory(&mut self, change: impl FnOnce(&mut Directory)) {
        let mut people = plain_directory();
        change(&mut people);
        self.input(Input::Directory(Arc::new(people)));
    }

    pub fn screen(&mut self, agent: &str) {
        self.input(Input::Screens(AgentId::new(agent), true));
    }

    /// The offer that was made last.
    pub fn last_offer(&self) -> OfferId {
        self.events
            .iter()
            .rev()
            .find_map(|event| {
                let EventBody::PopOffered { offer, .. } = &event.body else { return None };
                Some(offer.clone())
            })
            .expect("an offer")
    }

    /// The card of the offer that was made last.
    pub fn last_pop(&self) -> PopDocument {
        let pop = self.events.iter().rev().find_map(|event| {
            let EventBody::PopOffered { pop, .. } = &event.body else { return None };
            Some((**pop).clone())
        });
        pop.expect("an offer")
    }

    fn set_clock(&mut self, moment: Moment) {
        self.now = Now { wall: self.now.wall_at(moment), moment };
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(datagram) => {
                    if datagram.bytes.starts_with(b"INVITE ") {
                        self.order.push(format!("INVITE {}", datagram.remote));
                    }
                    self.sent.push(datagram);
                }
                Output::Lookup { token, e164, .. } => self.lookups.push((token, e164)),
                Output::Event(event) => {
                    if let EventBody::PopOffered { .. } = &event.body {
                        self.order.push("pop.offered".to_owned());
                    }
                    self.events.push(event);
                }
                Output::Reply(token, answer) => {
                    self.replies.insert(token, *answer);
                }
                Output::StoreStatus { stored, .. } => self.stored.push(stored),
                Output::Record(record) => self.records.push((*record).clone()),
                Output::Resolve { token, host, port, protocol } => {
                    self.asked_names.push((token, port, protocol));
                    self.names.push(host);
                }
                Output::Audit(it) => self.audited.push(format!("{} {} {}", it.user, it.action, it.detail)),
                Output::Media(order) => self.media.push(order),
                Output::StoreCallback { callback, .. } => self.callbacks.push((*callback).clone()),
                Output::NoticeAcknowledged { .. } => {}
            }
        }
    }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn parsed(bytes: &Bytes) -> Message {
    Message::parse(bytes.clone(), &Limits::default()).expect("what we send can be read")
}

pub(super) fn invite_text(call: &str, from: &str, to: &str) -> String {
    format!(
        "INVITE sip:{to}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\nFrom: {from};tag=caller\r\nTo: <sip:{to}@192.0.2.1>\r\nCall-ID: {call}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:caller@192.0.2.10>\r\nContent-Length: 4\r\n\r\nv=0\n"
    )
}

/// A later request of the caller, on the route set that the 200 gave it.
pub(super) fn within_dialog(method: &str, cseq: u32, ok: &Message) -> String {
    let routes: Vec<String> = ok
        .values(Header::RecordRoute)
        .map(|value| String::from_utf8(value.bytes.to_vec()).unwrap())
        .collect();
    let route: String = routes.iter().rev().map(|value| format!("Route: {value}\r\n")).collect();
    let text = |header| String::from_utf8(ok.header(header).unwrap().to_vec()).unwrap();
    let call = String::from_utf8(ok.call_id().to_vec()).unwrap();
    let target = text(Header::Contact);
    let target = target.trim_start_matches('<').trim_end_matches('>');
    format!(
        "{method} {target} SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{call}{method}{cseq};rport\r\n\
         Max-Forwards: 70\r\n{route}From: {}\r\nTo: {}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
         Content-Length: 0\r\n\r\n",
        text(Header::From),
        text(Header::To),
    )
}

/// The same request from the other side: From and To change places, the target is the caller.
pub(super) fn swapped(text: &str) -> String {
    text.replace("From: ", "X: ")
        .replace("To: ", "From: ")
        .replace("X: ", "To: ")
        .replacen("sip:phone@192.0.2.31:5060", "sip:caller@192.0.2.10", 1)
        .replace("Via: SIP/2.0/UDP 192.0.2.10:5060", "Via: SIP/2.0/UDP 192.0.2.31:5060")
}

/// A request of the carrier outside any dialog.
pub(super) fn outside(method: &str, uri: &str, headers: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKout;rport\r\n\
        Max-Forwards: 70\r\n\
         {headers}From: <sip:a@b>;tag=1\r\nTo: <{uri}>\r\nCall-ID: out\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// The caller takes the call back.
pub(super) fn cancel_text(call: &str, headers: &str) -> String {
    format!(
        "CANCEL sip:0312345678@192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{call};rport\r\n\
         Max-Forwards: 70\r\n{headers}From: <sip:+819012345678@carrier.example>;tag=caller\r\n\
         To: <sip:0312345678@192.0.2.1>\r\nCall-ID: {call}\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A message as it went to somebody.
pub(super) fn datagram(to: &str, message: &Message) -> Datagram {
    Datagram {
        protocol: Protocol::Udp,
        remote: address(to),
        local: None,
        connection: None,
        otherwise: None,
        server_name: None,
        bytes: message.bytes().clone(),
        token: None,
    }
}

/// The request with more header lines.
pub(super) fn with(text: &str, headers: &str) -> String {
    text.replacen("Max-Forwards: ", &format!("{headers}Max-Forwards: "), 1)
}

/// The INVITEs among the messages.
pub(super) fn invites(messages: Vec<Message>) -> Vec<Message> {
    messages
        .into_iter()
        .filter(|message| message.status().is_none() && message.method() == Method::Invite)
        .collect()
}

pub(super) fn card(id: &str, assignee: Option<&str>) -> CustomerCard {
    CustomerCard {
        id: CustomerId::new(id),
        name: "山田 花子".to_owned(),
        kana: Some("ヤマダ ハナコ".to_owned()),
        company: None,
        rank: None,
        language: Language::Ja,
        phones: vec!["+819012345678".to_owned()],
        assignee: assignee.map(AgentId::new),
        notices: Vec::new(),
        flags: Vec::new(),
        contacts: Vec::new(),
    }
}

pub(super) fn name_of(body: &EventBody) -> String {
    match body {
        EventBody::PopOffered { .. } => "pop.offered".to_owned(),
        EventBody::PopEnriched { members, .. } => format!("pop.enriched {}", members.join(" ")),
        EventBody::PopUpdated { members, .. } => format!("pop.updated {}", members.join(" ")),
        EventBody::PopClaimed { .. } => "pop.claimed".to_owned(),
        EventBody::PopTaken { by } => format!("pop.taken {by}"),
        EventBody::PopWithdrawn { cause } => format!("pop.withdrawn {cause:?}"),
        EventBody::PopMissed => "pop.missed".to_owned(),
        EventBody::PopClosed => "pop.closed".to_owned(),
        EventBody::CallRinging => "call.ringing".to_owned(),
        EventBody::CallAnswered { by } => format!("call.answered {by}"),
        EventBody::CallEnded { reason, talk_s } => format!("call.ended {reason} {talk_s}"),
        EventBody::CallAbandoned { waited_s } => format!("call.abandoned {waited_s}"),
        EventBody::CallHeld => "call.held".to_owned(),
        EventBody::CallResumed { held_s } => format!("call.resumed {held_s}"),
        EventBody::HoldWarning { held_s, limit_s } => format!("hold.warning {held_s} of {limit_s}"),
        EventBody::HoldExceeded { held_s } => format!("hold.exceeded {held_s}"),
        EventBody::CallParked(parked) => format!("call.parked {}", parked.mode),
        EventBody::CallRetrieved { by, end, waited_s } => {
            let by = by.as_ref().map_or("nobody", AgentId::as_str);
            format!("call.retrieved {by} {end:?} {waited_s}")
        }
        EventBody::ParkWarning { waited_s, left_s } => format!("park.warning {waited_s} {left_s}"),
        EventBody::PresenceReturnDue { agent, reason, .. } => format!("presence.return_due {agent} {reason}"),
        EventBody::PresenceStale { agent, cause } => format!("presence.stale {agent} {}", cause.code()),
        EventBody::TransferStarted(news) => format!("transfer.started {}", told(news)),
        EventBody::TransferDone(news) => format!("transfer.done {}", told(news)),
        EventBody::TransferFailed(news) => {
            format!("transfer.failed {} {}", told(news), news.cause.as_deref().unwrap_or("-"))
        }
        EventBody::TransferRefused(news) => format!("transfer.refused {}", told(news)),
        EventBody::CallbackCreated(it) => format!("callback.created {} {}", it.source.code(), it.asked),
        EventBody::CallbackDue(_) => "callback.due".to_owned(),
        EventBody::CallbackDone(it) => format!("callback.done {}", it.state),
        EventBody::CallbackFailed(_) => "callback.failed".to_owned(),
        EventBody::RingSla { waited_ms } => format!("ring.sla {waited_ms}"),
        EventBody::AlertRaised(alert) => format!("alert.raised {} {}", alert.kind, alert.rule),
        EventBody::MatchChosen { customer } => format!("match.chosen {customer}"),
        EventBody::NoticeAcked { id, .. } => format!("notice.acked {id}"),
        EventBody::PresenceChanged(_) => "presence.changed".to_owned(),
        EventBody::WrapupStarted { .. } => "wrapup.started".to_owned(),
        EventBody::WrapupOverdue => "wrapup.overdue".to_owned(),
        EventBody::WrapupDone => "wrapup.done".to_owned(),
        EventBody::SystemDegraded { .. } => "system.degraded".to_owned(),
        EventBody::SystemRecovered { .. } => "system.recovered".to_owned(),
    }
}

/// Who, to whom, how, and how often.
fn told(news: &TransferNews) -> String {
    let by = news.by.as_ref().map_or("nobody", AgentId::as_str);
    let to = news.to.as_ref().map_or(news.target.as_str(), AgentId::as_str);
    format!("{by}>{to} {} {} {}/{}", news.mode, news.means, news.count, news.limit)
}

/// The settings of a plain world, changed.
pub(super) fn settings_with(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = plain_settings();
    change(&mut settings);
    settings
}

pub(super) fn plain_settings() -> Settings {
    let peer = |name: &str, nets: &[&str], trust: bool| Peer {
        name: name.to_owned(),
        addresses: nets.iter().map(|net| net.parse().unwrap()).collect(),
        trust_identity: trust,
        called_number: vec![CalledSource::PCalledPartyId, CalledSource::To, CalledSource::RequestUri],
        preloaded_route: false,
        transfers: false,
        certificate: None,
        calls_per_s: 0,
        numbering: TrunkContext::default(),
        auth: None,
    };
    Settings {
        advertise: ("192.0.2.1".to_owned(), 5060),
        own_names: Vec::new(),
        tls_port: Some(5061),
        redirects: None,
        listen: vec![address(US)],
        routes: vec![RouteTarget::only(format!("sip:{PBX}"))],
        next_target_after: Duration::from_secs(2),
        probe_interval: Duration::ZERO,
        phone_silent: Duration::from_secs(2),
        tcp_above_bytes: 1300,
        peers: vec![
            peer("carrier", &["192.0.2.10/32"], true),
            peer("pbx", &["192.0.2.20/32"], true),
            peer("phones", &["192.0.2.31/32", "192.0.2.32/32"], false),
        ],
        message: Limits::default(),
        timers: TimerSettings::default(),
        lookup_deadline: Duration::from_millis(150),
        answer_within: Duration::from_secs(10),
        ring_at_once: 16,
        ring_sla: Duration::from_secs(10),
        wrap_up: Duration::from_secs(30),
        announce_within: Duration::from_millis(50),
        phone_rest: Duration::from_secs(30),
        timer_c: Duration::from_secs(181),
        call_limit: Duration::from_secs(4 * 3600),
        stale_limit: Duration::from_secs(60),
        require_screen: false,
        calls: 1000,
        refusals_per_s: 2,
        transactions: 1000,
        callers: 1000,
        record_facts_per_s: 1_000,
        numbering: TrunkContext::default(),
        templates: Arc::new(crate::guidance::Templates::shipped()),
        time_zone: jiff::tz::TimeZone::get("Asia/Tokyo").unwrap(),
        digest: DigestSettings::default(),
        overload: OverloadSettings::default(),
        park: ParkSettings::default(),
        hold: HoldSettings::default(),
        transfer: TransferSettings::default(),
    }
}

pub(super) fn plain_directory() -> Directory {
    let agent = |id: &str, name: &str, phone: &str| Agent {
        id: AgentId::new(id),
        name: name.to_owned(),
        kana: None,
        role: Role::Agent,
        contact: format!("sip:{id}@{phone}"),
        groups: vec!["front".to_owned()],
        skills: Vec::new(),
    };
    let line = Line {
        number: "03-1234-5678".to_owned(),
        key: "+81312345678".to_owned(),
        client: "青葉製作所".to_owned(),
        greeting_ja: None,
        greeting_en: None,
        group: Some("front".to_owned()),
        assigned_first: true,
        priority: 0,
    };
    Directory {
        agents: [agent("a1", "高橋 一", PHONE_1), agent("a2", "佐藤 二", PHONE_2)]
            .into_iter()
            .map(|agent| (agent.id.clone(), agent))
            .collect(),
        lines: [(line.key.clone(), Arc::new(line))].into_iter().collect(),
        ..Directory::default()
    }
}
