//! A user agent: a caller, a phone or the PBX. Both sides are the same machine with other habits; this is the
//! side that asks.

use std::net::SocketAddr;

use bytes::Bytes;
use toritsugi::message::{Header, Message, Method};
use toritsugi::transport::Protocol;

use super::random::Random;
use super::swarm::Swarm;

pub(super) const T1: u64 = 500_000;
pub(super) const T2: u64 = 4_000_000;
pub(super) const GIVE_UP: u64 = 64 * T1;

/// What a party wants done.
#[derive(Clone, Debug)]
pub enum Act {
    Send(Bytes),
    Wake(u64, Wake),
}

/// What a party is woken for; numbers are indexes of its own tables.
#[derive(Clone, Copy, Debug)]
pub enum Wake {
    Begin,
    RepeatRequest(usize),
    GiveUp(usize),
    RepeatResponse(usize),
    Ring(usize),
    Answer(usize),
    Refuse(usize, u16),
    HangUp(usize),
    Modify(usize, Method),
    Acknowledge(usize),
    /// A reliable provisional response that was not acknowledged yet goes out again.
    RepeatProvisional(usize),
    /// Something that no honest phone would say.
    Lie(usize),
}

/// How a call looks from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    NotBegun,
    Waiting,
    Connected,
    Refused(u16),
    Silence,
}

/// How a caller behaves.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    pub called: String,
    pub from: String,
    pub give_up: Option<u64>,
    pub ack_after: u64,
    pub never_ack: bool,
    pub hang_up: Option<u64>,
    pub re_invite: Option<u64>,
    /// UPDATE within the early dialog, after the PRACK.
    pub update_early: bool,
    /// Max-Breadth of the INVITE (RFC 5393), when it has one.
    pub breadth: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Trying,
    Proceeding,
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) method: Method,
    branch: String,
    bytes: Bytes,
    cseq: u32,
    interval: u64,
    until: u64,
    pub(super) state: Sent,
    pub(super) dialog: Option<usize>,
    cancel_wanted: bool,
    cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Open,
    Refused,
    Accepted,
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) branch: Vec<u8>,
    pub(super) method: Method,
    pub(super) request: Message,
    pub(super) tag: String,
    pub(super) last: Option<Bytes>,
    pub(super) state: Given,
    pub(super) interval: u64,
    pub(super) until: u64,
    pub(super) stubborn: bool,
    /// No CANCEL reaches it.
    pub(super) deaf: bool,
    pub(super) dialog: Option<usize>,
    /// Another place that the INVITE was forked to behind this address: it has a tag of its own, and no say
    /// in a refusal.
    pub(super) fork: bool,
    /// The reliable provisional response that is not acknowledged yet, and how long until its next repeat.
    pub(super) reliable: Option<(Bytes, u64)>,
}

#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) remote_tag: Vec<u8>,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: u32,
    pub(super) ack: Option<Bytes>,
    pub(super) over: bool,
    /// No 2xx has come.
    pub(super) early: bool,
    /// The last reliable provisional response that was acknowledged (RFC 3262 §4).
    pub(super) acknowledged: u32,
}

/// One user agent.
#[derive(Debug)]
pub struct Party {
    pub address: SocketAddr,
    /// Over which it is spoken to.
    pub protocol: Protocol,
    pub name: String,
    pub habits: Option<Habits>,
    pub outcome: Outcome,
    /// A phone with one line refuses while it is used.
    pub one_line: bool,
    /// Answers every call, and soon.
    pub eager: bool,
    pub(super) clients: Vec<Client>,
    pub(super) servers: Vec<Server>,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) minted: u64,
}

/// What a party may use while it acts.
pub struct Hand<'a> {
    pub now: u64,
    pub random: &'a mut Random,
    pub swarm: &'a Swarm,
    pub acts: Vec<Act>,
}

impl Hand<'_> {
    pub(super) fn send(&mut self, bytes: Bytes) {
        self.acts.push(Act::Send(bytes));
    }

    pub(super) fn wake(&mut self, after: u64, wake: Wake) {
        self.acts.push(Act::Wake(after, wake));
    }
}

impl Party {
    pub fn new(name: &str, address: SocketAddr, habits: Option<Habits>) -> Self {
        Self {
            address,
            protocol: Protocol::Udp,
            name: name.to_owned(),
            habits,
            outcome: Outcome::NotBegun,
            one_line: false,
            eager: false,
            clients: Vec::new(),
            servers: Vec::new(),
            dialogs: Vec::new(),
            minted: 0,
        }
    }

    pub fn hear(&mut self, hand: &mut Hand<'_>, message: &Message) {
        match message.status() {
            Some(status) => self.on_response(hand, message, status),
            None => self.on_request(hand, message),
        }
    }

    pub fn wake(&mut self, hand: &mut Hand<'_>, wake: Wake) {
        match wake {
            Wake::Begin => self.begin(hand),
            Wake::RepeatRequest(client) => self.repeat_request(hand, client),
            Wake::GiveUp(client) => self.give_up(hand, client),
            Wake::RepeatResponse(server) => self.repeat_response(hand, server),
            Wake::Ring(server) => self.ring(hand, server),
            Wake::Answer(server) => self.answer(hand, server),
            Wake::Refuse(server, status) => self.reply(hand, server, status),
            Wake::HangUp(dialog) => self.bye(hand, dialog),
            Wake::Modify(dialog, method) => self.modify(hand, dialog, method),
            Wake::Acknowledge(dialog) => self.acknowledge(hand, dialog),
            Wake::RepeatProvisional(server) => self.repeat_provisional(hand, server),
            Wake::Lie(server) => self.lie(hand, server),
        }
    }

    fn begin(&mut self, hand: &mut Hand<'_>) {
        let Some(habits) = self.habits.clone() else { return };
        self.outcome = Outcome::Waiting;
        let branch = self.mint("i");
        let body = if hand.swarm.music {
            description(self.address, "sendrecv")
        } else {
            "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n".to_owned()
        };
        let breadth = habits.breadth.map(|most| format!("Max-Breadth: {most}\r\n")).unwrap_or_default();
        let text = format!(
            "INVITE sip:{to}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/{over} {at};branch={branch};rport\r\n\
             Max-Forwards: {forwards}\r\n{breadth}From: {from};tag={name}\r\nTo: <sip:{to}@192.0.2.1>\r\n\
             Call-ID: {name}\r\nCSeq: 1 INVITE\r\nContact: {contact}\r\nX-Simulated: {branch}\r\n\
             Supported: 100rel\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
            over = self.protocol.via_name(),
            contact = self.contact("caller"),
            to = habits.called,
            at = self.address,
            forwards = hand.random.between(5, 70),
            from = habits.from,
            name = self.name,
            length = body.len(),
        );
        let client = self.send_request(hand, Method::Invite, branch, text.into(), 1, None);
        if let Some(after) = habits.give_up {
            hand.wake(after, Wake::GiveUp(client));
        }
    }

    fn send_request(
        &mut self,
        hand: &mut Hand<'_>,
        method: Method,
        branch: String,
        bytes: Bytes,
        cseq: u32,
        dialog: Option<usize>,
    ) -> usize {
        let index = self.clients.len();
        hand.send(bytes.clone());
        hand.wake(T1, Wake::RepeatRequest(index));
        self.clients.push(Client {
            method,
            branch,
            bytes,
            cseq,
            interval: T1,
            until: hand.now + GIVE_UP,
            state: Sent::Trying,
            dialog,
            cancel_wanted: false,
            cancelled: false,
        });
        index
    }

    fn repeat_request(&mut self, hand: &mut Hand<'_>, index: usize) {
        let client = &mut self.clients[index];
        let invite = client.method == Method::Invite;
        if client.state == Sent::Done || (invite && client.state == Sent::Proceeding && !client.cancelled) {
            return;
        }
        if hand.now >= client.until {
            client.state = Sent::Done;
            if invite && client.dialog.is_none() && self.outcome == Outcome::Waiting {
                self.outcome = Outcome::Silence;
            }
            if let Some(dialog) = client.dialog.filter(|_| client.method == Method::Bye) {
                self.dialogs[dialog].over = true;
            }
            return;
        }
        // What goes over a stream is not sent twice (RFC 3261 §17.1.1.2, §17.1.2.2).
        if self.protocol == Protocol::Udp && !(invite && client.state == Sent::Proceeding) {
            hand.send(client.bytes.clone());
        }
        client.interval = if invite { client.interval * 2 } else { (client.interval * 2).min(T2) };
        let after = client.interval.min(client.until.saturating_sub(hand.now)).max(1);
        hand.wake(after, Wake::RepeatRequest(index));
    }

    fn give_up(&mut self, hand: &mut Hand<'_>, index: usize) {
        match self.clients[index].state {
            Sent::Trying => self.clients[index].cancel_wanted = true,
            Sent::Proceeding => self.cancel(hand, index),
            Sent::Done => {}
        }
    }

    fn cancel(&mut self, hand: &mut Hand<'_>, index: usize) {
        let client = &mut self.clients[index];
        client.cancelled = true;
        client.cancel_wanted = false;
        // RFC 3261 §9.1 gives 64·T1; the answer is then still on its way.
        client.until = hand.now + GIVE_UP + 2 * T1;
        hand.wake(GIVE_UP + 2 * T1, Wake::RepeatRequest(index));
        let invite = Message::parse(client.bytes.clone(), &super::limits()).expect("what we wrote");
        let (branch, cseq) = (client.branch.clone(), client.cseq);
        let bytes = toritsugi::message::cancel_for(&invite, None);
        self.send_request(hand, Method::Cancel, branch, bytes, cseq, None);
    }

    fn on_response(&mut self, hand: &mut Hand<'_>, message: &Message, status: u16) {
        let branch = message.top_via().branch().unwrap_or_default().to_vec();
        let found = self
            .clients
            .iter()
            .position(|client| client.branch.as_bytes() == branch && client.method == message.method());
        let Some(index) = found else { return };
        if message.method() == Method::Invite {
            return self.on_invite_response(hand, index, message, status);
        }
        let client = &mut self.clients[index];
        if status < 200 {
            return;
        }
        client.state = Sent::Done;
        if let Some(dialog) = client.dialog.filter(|_| client.method == Method::Bye) {
            self.dialogs[dialog].over = true;
        }
    }

    fn on_invite_response(&mut self, hand: &mut Hand<'_>, index: usize, message: &Message, status: u16) {
        let client = &mut self.clients[index];
        match status {
            100..=199 => {
                if client.state == Sent::Trying {
                    client.state = Sent::Proceeding;
                }
                if client.cancel_wanted {
                    self.cancel(hand, index);
                }
                if status > 100 {
                    self.on_reliable(hand, index, message);
                }
            }
            200..=299 => self.on_accepted(hand, index, message),
            _ => {
                let first = client.state != Sent::Done;
                client.state = Sent::Done;
                let sent = Message::parse(client.bytes.clone(), &super::limits()).expect("what we wrote");
                hand.send(toritsugi::message::ack_for(&sent, message));
                if first && client.dialog.is_none() && self.outcome == Outcome::Waiting {
                    self.outcome = Outcome::Refused(status);
                }
            }
        }
    }

    fn on_accepted(&mut self, hand: &mut Hand<'_>, index: usize, message: &Message) {
        let cancelled = self.clients[index].cancelled;
        let cseq = self.clients[index].cseq;
        self.clients[index].state = Sent::Done;
        if let Some(dialog) = self.clients[index].dialog {
            return self.acknowledge_new(hand, dialog, cseq, 0);
        }
        let first = self.dialogs.iter().all(|dialog| dialog.early);
        let dialog = self.dialog_with(message);
        if !self.dialogs[dialog].early {
            if let Some(ack) = self.dialogs[dialog].ack.clone() {
                hand.send(ack);
            }
            return;
        }
        self.dialogs[dialog].early = false;
        self.dialogs[dialog].target = target_of(message);
        self.outcome = Outcome::Connected;
        let habits = self.habits.clone().unwrap_or_default();
        if !first || cancelled {
            // A second answer, or one that crossed our CANCEL: taken and ended (RFC 3261 §13.2.2.4, §15).
            self.acknowledge_new(hand, dialog, 1, 0);
            return self.bye(hand, dialog);
        }
        if !habits.never_ack {
            self.acknowledge_new(hand, dialog, 1, habits.ack_after);
        }
        if let Some(after) = habits.re_invite {
            let method = hand.random.pick(&[Method::Invite, Method::Invite, Method::Update, Method::Info]);
            hand.wake(habits.ack_after + after, Wake::Modify(dialog, method));
        }
        if let Some(after) = habits.hang_up {
            hand.wake(habits.ack_after + after, Wake::HangUp(dialog));
        }
    }

    /// The dialog that the response belongs to; made when it is the first of its tag.
    fn dialog_with(&mut self, message: &Message) -> usize {
        let tag = message.to_tag().unwrap_or_default();
        if let Some(known) = self.dialogs.iter().position(|dialog| dialog.remote_tag == tag) {
            return known;
        }
        let text = |header| String::from_utf8_lossy(message.header(header).unwrap_or_default()).into_owned();
        let mut routes = routes_of(message);
        routes.reverse();
        self.dialogs.push(Dialog {
            call_id: self.name.clone(),
            local: text(Header::From),
            remote: text(Header::To),
            remote_tag: tag.to_vec(),
            target: target_of(message),
            routes,
            cseq: 1,
            ack: None,
            over: false,
            early: true,
            acknowledged: 0,
        });
        self.dialogs.len() - 1
    }

    /// A provisional response that must be acknowledged (RFC 3262 §4), in order and once.
    fn on_reliable(&mut self, hand: &mut Hand<'_>, index: usize, message: &Message) {
        let Some(number) = message.header(Header::RSeq).and_then(|value| std::str::from_utf8(value).ok())
        else {
            return;
        };
        let number: u32 = number.trim().parse().unwrap_or_default();
        if self.clients[index].dialog.is_some() || self.clients[index].state == Sent::Done {
            return;
        }
        let dialog = self.dialog_with(message);
        if !self.dialogs[dialog].early || number != self.dialogs[dialog].acknowledged + 1 {
            return;
        }
        self.dialogs[dialog].acknowledged = number;
        let (branch, invite) = (self.mint("p"), self.clients[index].cseq);
        self.dialogs[dialog].cseq += 1;
        let cseq = self.dialogs[dialog].cseq;
        let extra = format!("RAck: {number} {invite} INVITE\r\n");
        let bytes = self.within(dialog, "PRACK", cseq, &branch, &extra, "");
        self.send_request(hand, Method::Prack, branch, bytes, cseq, Some(dialog));
        if self.habits.as_ref().is_some_and(|habits| habits.update_early) {
            hand.wake(hand.now % 700_000, Wake::Modify(dialog, Method::Update));
        }
    }

    fn acknowledge_new(&mut self, hand: &mut Hand<'_>, dialog: usize, cseq: u32, after: u64) {
        let branch = self.mint("a");
        let ack = self.within(dialog, "ACK", cseq, &branch, "", "");
        if after == 0 {
            self.dialogs[dialog].ack = Some(ack.clone());
            hand.send(ack);
        } else {
            hand.wake(after, Wake::Acknowledge(dialog));
        }
    }

    fn acknowledge(&mut self, hand: &mut Hand<'_>, dialog: usize) {
        self.acknowledge_new(hand, dialog, 1, 0);
    }

    pub(super) fn bye(&mut self, hand: &mut Hand<'_>, dialog: usize) {
        if self.dialogs[dialog].over {
            return;
        }
        let branch = self.mint("b");
        self.dialogs[dialog].cseq += 1;
        let cseq = self.dialogs[dialog].cseq;
        let bytes = self.within(dialog, "BYE", cseq, &branch, "", "");
        self.dialogs[dialog].over = true;
        self.send_request(hand, Method::Bye, branch, bytes, cseq, Some(dialog));
    }

    /// A request within the dialog that changes or tells something: re-INVITE, UPDATE, INFO.
    fn modify(&mut self, hand: &mut Hand<'_>, dialog: usize, method: Method) {
        if self.dialogs[dialog].over || (method == Method::Invite && self.dialogs[dialog].early) {
            return;
        }
        let (name, branch) = match method {
            Method::Update => ("UPDATE", self.mint("u")),
            Method::Info => ("INFO", self.mint("n")),
            _ => ("INVITE", self.mint("r")),
        };
        self.dialogs[dialog].cseq += 1;
        let cseq = self.dialogs[dialog].cseq;
        let body = match (hand.swarm.music, method) {
            (true, Method::Invite | Method::Update) => {
                let direction = hand.random.pick(&["sendrecv", "sendonly"]);
                description(self.address, direction)
            }
            _ => "v=0\r\ns=hold\r\n".to_owned(),
        };
        let kind = if hand.swarm.music { "Content-Type: application/sdp\r\n" } else { "" };
        let bytes = self.within(dialog, name, cseq, &branch, kind, &body);
        self.send_request(hand, method, branch, bytes, cseq, Some(dialog));
    }

    fn within(&self, dialog: usize, method: &str, cseq: u32, branch: &str, extra: &str, body: &str) -> Bytes {
        let dialog = &self.dialogs[dialog];
        let routes: String = dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{over} {at};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n{routes}From: {local}\r\nTo: {remote}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} {method}\r\n{extra}Contact: {contact}\r\nX-Simulated: {branch}\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            over = self.protocol.via_name(),
            contact = self.contact("party"),
            target = dialog.target,
            at = self.address,
            local = dialog.local,
            remote = dialog.remote,
            call = dialog.call_id,
            length = body.len(),
        )
        .into()
    }

    /// Its Contact, with the transport when it is not UDP.
    pub(super) fn contact(&self, user: &str) -> String {
        let transport = if self.protocol == Protocol::Udp { "" } else { ";transport=tcp" };
        format!("<sip:{user}@{}{transport}>", self.address)
    }

    pub(super) fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        format!("z9hG4bK{}{kind}{}", self.name.replace('@', ""), self.minted)
    }
}

/// A description that can be heard.
pub(super) fn description(at: SocketAddr, direction: &str) -> String {
    let (host, port) = (at.ip(), 10_000 + at.port() % 20_000);
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )
}

pub(super) fn routes_of(message: &Message) -> Vec<String> {
    message
        .values(Header::RecordRoute)
        .map(|value| String::from_utf8_lossy(value.bytes).into_owned())
        .collect()
}

pub(super) fn target_of(message: &Message) -> String {
    let contact = String::from_utf8_lossy(message.header(Header::Contact).unwrap_or_default()).into_owned();
    contact.trim_start_matches('<').trim_end_matches('>').to_owned()
}
