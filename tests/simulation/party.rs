//! A user agent: a caller, a phone or the PBX. Both sides are the same machine with other habits.

use std::net::SocketAddr;

use bytes::Bytes;
use toritsugi::message::{Header, Message, Method, Reply, response};

use super::random::Random;
use super::swarm::Swarm;

const T1: u64 = 500_000;
const T2: u64 = 4_000_000;
const GIVE_UP: u64 = 64 * T1;

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
    ReInvite(usize),
    Acknowledge(usize),
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Trying,
    Proceeding,
    Done,
}

#[derive(Clone, Debug)]
struct Client {
    method: Method,
    branch: String,
    bytes: Bytes,
    cseq: u32,
    interval: u64,
    until: u64,
    state: Sent,
    dialog: Option<usize>,
    cancel_wanted: bool,
    cancelled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Open,
    Refused,
    Accepted,
    Done,
}

#[derive(Clone, Debug)]
struct Server {
    branch: Vec<u8>,
    method: Method,
    request: Message,
    tag: String,
    last: Option<Bytes>,
    state: Given,
    interval: u64,
    until: u64,
    stubborn: bool,
    dialog: Option<usize>,
}

#[derive(Clone, Debug)]
struct Dialog {
    call_id: String,
    local: String,
    remote: String,
    remote_tag: Vec<u8>,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    ack: Option<Bytes>,
    over: bool,
}

/// One user agent.
#[derive(Debug)]
pub struct Party {
    pub address: SocketAddr,
    pub name: String,
    pub habits: Option<Habits>,
    pub outcome: Outcome,
    /// A phone with one line refuses while it is used.
    pub one_line: bool,
    clients: Vec<Client>,
    servers: Vec<Server>,
    dialogs: Vec<Dialog>,
    minted: u64,
}

/// What a party may use while it acts.
pub struct Hand<'a> {
    pub now: u64,
    pub random: &'a mut Random,
    pub swarm: &'a Swarm,
    pub acts: Vec<Act>,
}

impl Hand<'_> {
    fn send(&mut self, bytes: Bytes) {
        self.acts.push(Act::Send(bytes));
    }

    fn wake(&mut self, after: u64, wake: Wake) {
        self.acts.push(Act::Wake(after, wake));
    }
}

impl Party {
    pub fn new(name: &str, address: SocketAddr, habits: Option<Habits>) -> Self {
        Self {
            address,
            name: name.to_owned(),
            habits,
            outcome: Outcome::NotBegun,
            one_line: false,
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
            Wake::Ring(server) => self.reply(hand, server, 180),
            Wake::Answer(server) => self.answer(hand, server),
            Wake::Refuse(server, status) => self.reply(hand, server, status),
            Wake::HangUp(dialog) => self.bye(hand, dialog),
            Wake::ReInvite(dialog) => self.re_invite(hand, dialog),
            Wake::Acknowledge(dialog) => self.acknowledge(hand, dialog),
        }
    }

    fn begin(&mut self, hand: &mut Hand<'_>) {
        let Some(habits) = self.habits.clone() else { return };
        self.outcome = Outcome::Waiting;
        let branch = self.mint("i");
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n";
        let text = format!(
            "INVITE sip:{to}@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\n\
             Max-Forwards: {forwards}\r\nFrom: {from};tag={name}\r\nTo: <sip:{to}@192.0.2.1>\r\n\
             Call-ID: {name}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{at}>\r\nX-Simulated: {branch}\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
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
        if !(invite && client.state == Sent::Proceeding) {
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
        let tag = message.to_tag().unwrap_or_default();
        if let Some(known) = self.dialogs.iter().position(|dialog| dialog.remote_tag == tag) {
            if let Some(ack) = self.dialogs[known].ack.clone() {
                hand.send(ack);
            }
            return;
        }
        let first = self.dialogs.is_empty();
        let dialog = self.dialogs.len();
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
        });
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
            hand.wake(habits.ack_after + after, Wake::ReInvite(dialog));
        }
        if let Some(after) = habits.hang_up {
            hand.wake(habits.ack_after + after, Wake::HangUp(dialog));
        }
    }

    fn acknowledge_new(&mut self, hand: &mut Hand<'_>, dialog: usize, cseq: u32, after: u64) {
        let branch = self.mint("a");
        let ack = self.within(dialog, "ACK", cseq, &branch, "");
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

    fn bye(&mut self, hand: &mut Hand<'_>, dialog: usize) {
        if self.dialogs[dialog].over {
            return;
        }
        let branch = self.mint("b");
        self.dialogs[dialog].cseq += 1;
        let cseq = self.dialogs[dialog].cseq;
        let bytes = self.within(dialog, "BYE", cseq, &branch, "");
        self.dialogs[dialog].over = true;
        self.send_request(hand, Method::Bye, branch, bytes, cseq, Some(dialog));
    }

    fn re_invite(&mut self, hand: &mut Hand<'_>, dialog: usize) {
        if self.dialogs[dialog].over {
            return;
        }
        let branch = self.mint("r");
        self.dialogs[dialog].cseq += 1;
        let cseq = self.dialogs[dialog].cseq;
        let bytes = self.within(dialog, "INVITE", cseq, &branch, "v=0\r\ns=hold\r\n");
        self.send_request(hand, Method::Invite, branch, bytes, cseq, Some(dialog));
    }

    fn within(&self, dialog: usize, method: &str, cseq: u32, branch: &str, body: &str) -> Bytes {
        let dialog = &self.dialogs[dialog];
        let routes: String = dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n{routes}From: {local}\r\nTo: {remote}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:party@{at}>\r\nX-Simulated: {branch}\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            target = dialog.target,
            at = self.address,
            local = dialog.local,
            remote = dialog.remote,
            call = dialog.call_id,
            length = body.len(),
        )
        .into()
    }

    fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        format!("z9hG4bK{}{kind}{}", self.name.replace('@', ""), self.minted)
    }
}

/// The side that is asked.
impl Party {
    fn on_request(&mut self, hand: &mut Hand<'_>, message: &Message) {
        let branch = message.top_via().branch().unwrap_or_default().to_vec();
        if message.method() == Method::Ack {
            return self.on_ack(&branch, message);
        }
        let method = message.method();
        if let Some(known) = self.servers.iter().find(|it| it.branch == branch && it.method == method) {
            if let Some(last) = known.last.clone() {
                hand.send(last);
            }
            return;
        }
        let index = self.servers.len();
        self.minted += 1;
        self.servers.push(Server {
            branch: branch.clone(),
            method,
            request: message.clone(),
            tag: format!("{}t{}", self.name, self.minted),
            last: None,
            state: Given::Open,
            interval: T1,
            until: 0,
            stubborn: false,
            dialog: None,
        });
        match method {
            Method::Invite if message.to_tag().is_some() => self.on_re_invite(hand, index),
            Method::Invite => self.on_invite(hand, index),
            Method::Cancel => self.on_cancel(hand, index, &branch),
            Method::Bye => {
                let dialog = self.dialog_of(message);
                self.reply(hand, index, if dialog.is_some() { 200 } else { 481 });
                if let Some(dialog) = dialog {
                    self.dialogs[dialog].over = true;
                    self.stop_repeating(dialog);
                }
            }
            Method::Ack
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
            | Method::Other => self.reply(hand, index, 405),
        }
    }

    fn on_invite(&mut self, hand: &mut Hand<'_>, index: usize) {
        let used = self.dialogs.iter().any(|dialog| !dialog.over);
        if self.one_line && used {
            return self.reply(hand, index, 486);
        }
        let (swarm, pbx) = (hand.swarm.clone(), self.name == "pbx");
        if !pbx && hand.random.chance(swarm.dead_phones) {
            return;
        }
        self.servers[index].stubborn = hand.random.chance(swarm.stubborn_phones);
        if pbx || hand.random.chance(30) {
            self.reply(hand, index, 100);
        }
        let mut after = hand.random.ms(5, 300);
        for _ in 0..hand.random.between(0, 2) {
            hand.wake(after, Wake::Ring(index));
            after += hand.random.ms(1, 2000);
        }
        if hand.random.chance(swarm.refusing_phones) {
            let status = hand.random.pick(&[486, 603, 480, 404, 503, 500, 488, 302, 401]);
            return hand.wake(after, Wake::Refuse(index, status));
        }
        match hand.random.below(10) {
            0 => {}
            1..=6 => {
                let after = after + hand.random.ms(0, 6_000);
                hand.wake(after, Wake::Answer(index));
            }
            _ => {
                let after = after + hand.random.ms(0, 20_000);
                hand.wake(after, Wake::Answer(index));
            }
        }
    }

    fn on_re_invite(&mut self, hand: &mut Hand<'_>, index: usize) {
        let Some(dialog) = self.dialog_of(&self.servers[index].request) else {
            return self.reply(hand, index, 481);
        };
        let glare = self.clients.iter().any(|client| {
            client.dialog == Some(dialog) && client.method == Method::Invite && client.state != Sent::Done
        });
        self.servers[index].dialog = Some(dialog);
        if glare {
            return self.reply(hand, index, 491);
        }
        self.accept(hand, index);
    }

    fn on_cancel(&mut self, hand: &mut Hand<'_>, index: usize, branch: &[u8]) {
        let invite = self.servers.iter().position(|it| it.method == Method::Invite && it.branch == branch);
        let Some(invite) = invite else { return self.reply(hand, index, 481) };
        self.reply(hand, index, 200);
        if self.servers[invite].state != Given::Open {
            return;
        }
        if self.servers[invite].stubborn {
            self.answer(hand, invite);
        } else {
            self.reply(hand, invite, 487);
        }
    }

    fn answer(&mut self, hand: &mut Hand<'_>, index: usize) {
        if self.servers[index].state != Given::Open {
            return;
        }
        let request = self.servers[index].request.clone();
        let text = |header| String::from_utf8_lossy(request.header(header).unwrap_or_default()).into_owned();
        let dialog = self.dialogs.len();
        self.dialogs.push(Dialog {
            call_id: String::from_utf8_lossy(request.call_id()).into_owned(),
            local: format!("{};tag={}", text(Header::To), self.servers[index].tag),
            remote: text(Header::From),
            remote_tag: request.from_tag().unwrap_or_default().to_vec(),
            target: target_of(&request),
            routes: routes_of(&request),
            cseq: 100,
            ack: None,
            over: false,
        });
        self.servers[index].dialog = Some(dialog);
        self.accept(hand, index);
        if hand.random.chance(40) && !hand.random.chance(hand.swarm.never_byes) {
            let after = hand.random.ms(500, 20_000);
            hand.wake(after, Wake::HangUp(dialog));
        }
        if hand.random.chance(hand.swarm.re_invites) {
            let after = hand.random.ms(500, 4_000);
            hand.wake(after, Wake::ReInvite(dialog));
        }
    }

    fn accept(&mut self, hand: &mut Hand<'_>, index: usize) {
        let contact = format!("<sip:{}@{}>", self.name, self.address);
        let server = &mut self.servers[index];
        let tag = server.request.to_tag().is_none().then_some(server.tag.as_str());
        let body = format!("v=0\r\ns={}\r\n", server.tag);
        let bytes = Reply {
            status: 200,
            to_tag: tag,
            extra: &[("Contact", contact.as_bytes()), ("X-Callee", b"yes")],
            body: Some(("application/sdp", body.as_bytes())),
            ..Reply::default()
        }
        .to(&server.request);
        server.state = Given::Accepted;
        server.last = Some(bytes.clone());
        server.until = hand.now + GIVE_UP;
        hand.send(bytes);
        hand.wake(T1, Wake::RepeatResponse(index));
    }

    fn reply(&mut self, hand: &mut Hand<'_>, index: usize, status: u16) {
        let contact = format!("<sip:{}@{}>", self.name, self.address);
        let server = &mut self.servers[index];
        if server.state != Given::Open {
            return;
        }
        let tag = (server.request.to_tag().is_none() && status > 100).then_some(server.tag.as_str());
        let mut extra: Vec<(&str, &[u8])> = vec![("X-Callee", b"yes")];
        if (101..200).contains(&status) {
            extra.push(("Contact", contact.as_bytes()));
        }
        let bytes = response(&server.request, status, None, tag, &extra);
        server.last = Some(bytes.clone());
        hand.send(bytes);
        if status < 200 {
            return;
        }
        if server.method == Method::Invite {
            server.state = Given::Refused;
            server.until = hand.now + GIVE_UP;
            hand.wake(T1, Wake::RepeatResponse(index));
        } else {
            server.state = Given::Done;
        }
    }

    fn repeat_response(&mut self, hand: &mut Hand<'_>, index: usize) {
        let server = &mut self.servers[index];
        if !matches!(server.state, Given::Refused | Given::Accepted) {
            return;
        }
        if hand.now >= server.until {
            let accepted = server.state == Given::Accepted;
            server.state = Given::Done;
            // RFC 3261 §13.3.1.4: an answer that nobody acknowledges is ended by BYE.
            if let Some(dialog) = server.dialog.filter(|_| accepted) {
                self.bye(hand, dialog);
            }
            return;
        }
        if let Some(last) = server.last.clone() {
            hand.send(last);
        }
        server.interval = (server.interval * 2).min(T2);
        let after = server.interval.min(server.until - hand.now).max(1);
        hand.wake(after, Wake::RepeatResponse(index));
    }

    fn on_ack(&mut self, branch: &[u8], message: &Message) {
        for server in &mut self.servers {
            let same = server.request.call_id() == message.call_id()
                && server.request.cseq() == message.cseq()
                && server.request.from_tag() == message.from_tag();
            let tag = server.request.to_tag().unwrap_or(server.tag.as_bytes());
            match server.state {
                Given::Refused if server.branch == branch => server.state = Given::Done,
                Given::Accepted if same && message.to_tag() == Some(tag) => server.state = Given::Done,
                Given::Open | Given::Refused | Given::Accepted | Given::Done => {}
            }
        }
    }

    /// The dialog is over: its answer is not repeated any more, acknowledged or not.
    fn stop_repeating(&mut self, dialog: usize) {
        let accepted = self.servers.iter_mut().filter(|server| server.state == Given::Accepted);
        for server in accepted.filter(|server| server.dialog == Some(dialog)) {
            server.state = Given::Done;
        }
    }

    fn dialog_of(&self, message: &Message) -> Option<usize> {
        self.dialogs.iter().position(|dialog| {
            dialog.call_id.as_bytes() == message.call_id()
                && Some(dialog.remote_tag.as_slice()) == message.from_tag()
                && message.to_tag().is_some_and(|tag| dialog.local.as_bytes().ends_with(tag))
        })
    }
}

fn routes_of(message: &Message) -> Vec<String> {
    message
        .values(Header::RecordRoute)
        .map(|value| String::from_utf8_lossy(value.bytes).into_owned())
        .collect()
}

fn target_of(message: &Message) -> String {
    let contact = String::from_utf8_lossy(message.header(Header::Contact).unwrap_or_default()).into_owned();
    contact.trim_start_matches('<').trim_end_matches('>').to_owned()
}
