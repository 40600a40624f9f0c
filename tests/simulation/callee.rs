//! The side of a user agent that is asked: it rings, answers, refuses, forks, and sometimes lies.

use toritsugi::message::{Header, Message, Method, Reply, response};
use toritsugi::transport::Protocol;

use super::party::{
    Dialog, GIVE_UP, Given, Hand, Party, Sent, Server, T1, T2, Wake, description, routes_of, target_of,
};

impl Party {
    pub(super) fn on_request(&mut self, hand: &mut Hand<'_>, message: &Message) {
        let branch = message.top_via().branch().unwrap_or_default().to_vec();
        if message.method() == Method::Ack {
            return self.on_ack(&branch, message);
        }
        let method = message.method();
        let known = |it: &&Server| it.branch == branch && it.method == method && !it.fork;
        if let Some(known) = self.servers.iter().find(known) {
            if let Some(last) = known.last.clone() {
                hand.send(last);
            }
            return;
        }
        let index = self.serve(message, false);
        match method {
            Method::Invite if message.to_tag().is_some() => self.on_re_invite(hand, index),
            Method::Invite => self.on_invite(hand, index),
            Method::Cancel => self.on_cancel(hand, index, &branch),
            Method::Prack | Method::Update | Method::Info => self.on_mid_call(hand, index, message),
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
            | Method::Refer
            | Method::Register
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Message
            | Method::Other => self.reply(hand, index, 405),
        }
    }

    fn serve(&mut self, message: &Message, fork: bool) -> usize {
        self.minted += 1;
        self.servers.push(Server {
            branch: message.top_via().branch().unwrap_or_default().to_vec(),
            method: message.method(),
            request: message.clone(),
            tag: format!("{}t{}", self.name, self.minted),
            last: None,
            state: Given::Open,
            interval: T1,
            until: 0,
            stubborn: false,
            deaf: false,
            dialog: None,
            fork,
            reliable: None,
        });
        self.servers.len() - 1
    }

    fn on_invite(&mut self, hand: &mut Hand<'_>, index: usize) {
        let used = self.dialogs.iter().any(|dialog| !dialog.over && !dialog.early);
        if self.one_line && used {
            return self.reply(hand, index, 486);
        }
        if self.eager {
            self.reply(hand, index, 100);
            hand.wake(hand.now % 90_000, Wake::Ring(index));
            return hand.wake(300_000 + hand.now % 1_500_000, Wake::Answer(index));
        }
        let (swarm, pbx) = (hand.swarm.clone(), self.name == "pbx");
        if !pbx && hand.random.chance(swarm.dead_phones) {
            return;
        }
        self.servers[index].stubborn = hand.random.chance(swarm.stubborn_phones);
        self.servers[index].deaf = hand.random.chance(swarm.deaf_phones);
        if pbx || hand.random.chance(30) {
            self.reply(hand, index, 100);
        }
        if hand.random.chance(swarm.forks) {
            self.fork(hand, index);
        }
        if hand.random.chance(swarm.lies) {
            let after = hand.random.ms(0, 12_000);
            hand.wake(after, Wake::Lie(index));
        }
        let mut after = hand.random.ms(5, 300);
        for _ in 0..hand.random.between(0, 2) {
            hand.wake(after, Wake::Ring(index));
            after += hand.random.ms(1, 2000);
        }
        if self.servers[index].deaf && hand.random.chance(50) {
            return;
        }
        if hand.random.chance(swarm.refusing_phones) {
            let status = hand.random.pick(&[486, 603, 480, 404, 503, 500, 488, 302, 401, 407]);
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

    /// The INVITE rings in other places behind this address too, which may even answer beside it.
    fn fork(&mut self, hand: &mut Hand<'_>, index: usize) {
        let request = self.servers[index].request.clone();
        for _ in 0..hand.random.between(1, 2) {
            let fork = self.serve(&request, true);
            let mut after = hand.random.ms(5, 400);
            for _ in 0..hand.random.between(1, 2) {
                hand.wake(after, Wake::Ring(fork));
                after += hand.random.ms(1, 2000);
            }
            if hand.random.chance(40) {
                let after = after + hand.random.ms(0, 6_000);
                hand.wake(after, Wake::Answer(fork));
            }
        }
    }

    /// 180, or a reliable 183 with early media when the run has those (RFC 3262).
    pub(super) fn ring(&mut self, hand: &mut Hand<'_>, index: usize) {
        let server = &self.servers[index];
        if server.state != Given::Open {
            return;
        }
        if server.reliable.is_some() || !hand.random.chance(hand.swarm.reliable) || server.last_is_reliable()
        {
            return self.reply(hand, index, 180);
        }
        let contact = self.contact(&self.name.clone());
        let callee = self.mint_callee();
        let server = &mut self.servers[index];
        let bytes = Reply {
            status: 183,
            to_tag: Some(server.tag.as_str()),
            extra: &[
                ("Contact", contact.as_bytes()),
                ("X-Callee", callee.as_bytes()),
                ("Require", b"100rel"),
                ("RSeq", b"1"),
            ],
            body: Some(("application/sdp", b"v=0\r\ns=early\r\n")),
            ..Reply::default()
        }
        .to(&server.request);
        server.last = Some(bytes.clone());
        server.reliable = Some((bytes.clone(), T1));
        hand.send(bytes);
        hand.wake(T1, Wake::RepeatProvisional(index));
    }

    pub(super) fn repeat_provisional(&mut self, hand: &mut Hand<'_>, index: usize) {
        let server = &mut self.servers[index];
        let open = server.state == Given::Open;
        let Some((bytes, interval)) = server.reliable.as_mut().filter(|_| open) else { return };
        if *interval > GIVE_UP {
            return;
        }
        hand.send(bytes.clone());
        *interval *= 2;
        hand.wake(*interval, Wake::RepeatProvisional(index));
    }

    /// PRACK, UPDATE or INFO: within a dialog that is up, or an early one of ours.
    fn on_mid_call(&mut self, hand: &mut Hand<'_>, index: usize, message: &Message) {
        let early = self.servers.iter_mut().find(|it| {
            it.method == Method::Invite
                && it.request.call_id() == message.call_id()
                && message.to_tag() == Some(it.tag.as_bytes())
        });
        let known = early.is_some();
        if let Some(invite) = early.filter(|_| message.method() == Method::Prack) {
            invite.reliable = None;
        }
        let known = known || self.dialog_of(message).is_some();
        self.reply(hand, index, if known { 200 } else { 481 });
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
        let is_main = |it: &Server| it.method == Method::Invite && it.branch == branch && !it.fork;
        let Some(invite) = self.servers.iter().position(is_main) else {
            return self.reply(hand, index, 481);
        };
        if self.servers[invite].deaf {
            return;
        }
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

    pub(super) fn answer(&mut self, hand: &mut Hand<'_>, index: usize) {
        if self.servers[index].state != Given::Open || !self.may_answer(index) {
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
            early: false,
            acknowledged: 0,
        });
        self.servers[index].dialog = Some(dialog);
        self.accept(hand, index);
        if self.eager {
            return;
        }
        if hand.random.chance(40) && !hand.random.chance(hand.swarm.never_byes) {
            let after = hand.random.ms(500, 20_000);
            hand.wake(after, Wake::HangUp(dialog));
        }
        if hand.random.chance(hand.swarm.re_invites) {
            let after = hand.random.ms(500, 4_000);
            let method = hand.random.pick(&[Method::Invite, Method::Invite, Method::Update, Method::Info]);
            hand.wake(after, Wake::Modify(dialog, method));
        }
    }

    /// A fork answers as long as its INVITE was not refused, and silences the one that only rang.
    fn may_answer(&mut self, index: usize) -> bool {
        if !self.servers[index].fork {
            return true;
        }
        let branch = self.servers[index].branch.clone();
        let main = self
            .servers
            .iter_mut()
            .find(|it| it.method == Method::Invite && it.branch == branch && !it.fork)
            .expect("a fork has the INVITE it was made of");
        match main.state {
            Given::Open => main.state = Given::Done,
            Given::Refused => return false,
            Given::Accepted | Given::Done => {}
        }
        !main.last.as_ref().is_some_and(is_refusal)
    }

    pub(super) fn accept(&mut self, hand: &mut Hand<'_>, index: usize) {
        let contact = self.contact(&self.name.clone());
        let callee = self.mint_callee();
        let server = &mut self.servers[index];
        let tag = server.request.to_tag().is_none().then_some(server.tag.as_str());
        let body = if hand.swarm.music {
            description(self.address, "sendrecv")
        } else {
            format!("v=0\r\ns={}\r\n", server.tag)
        };
        let bytes = Reply {
            status: 200,
            to_tag: tag,
            extra: &[("Contact", contact.as_bytes()), ("X-Callee", callee.as_bytes())],
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

    pub(super) fn reply(&mut self, hand: &mut Hand<'_>, index: usize, status: u16) {
        if self.servers[index].state != Given::Open {
            return;
        }
        let bytes = self.response_of(index, status);
        let server = &mut self.servers[index];
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

    /// A response without a body, marked as one of somebody beyond the proxy.
    fn response_of(&mut self, index: usize, status: u16) -> bytes::Bytes {
        let contact = self.contact(&self.name.clone());
        let callee = self.mint_callee();
        let server = &self.servers[index];
        let tag = (server.request.to_tag().is_none() && status > 100).then_some(server.tag.as_str());
        let mut extra: Vec<(&str, &[u8])> = vec![("X-Callee", callee.as_bytes())];
        if (101..300).contains(&status) {
            extra.push(("Contact", contact.as_bytes()));
        }
        match status {
            401 => extra.push(("WWW-Authenticate", b"Digest realm=\"phone\", nonce=\"1\"")),
            407 => extra.push(("Proxy-Authenticate", b"Digest realm=\"phone\", nonce=\"2\"")),
            _ => {}
        }
        response(&server.request, status, None, tag, &extra)
    }

    /// Says something that contradicts what it said: the proxy must not be led astray, and nobody must hear
    /// of it who may not.
    pub(super) fn lie(&mut self, hand: &mut Hand<'_>, index: usize) {
        let status = hand.random.pick(&[100, 180, 199, 200, 202, 486, 487, 503, 603, 699]);
        let told = self.response_of(index, status);
        if (200..300).contains(&status) && hand.random.chance(50) {
            // An answer of somebody who is not there: whoever takes it will find nobody.
            let tag = self.servers[index].tag.clone();
            let text = String::from_utf8_lossy(&told).replace(&tag, &format!("{tag}ghost"));
            return hand.send(text.into_bytes().into());
        }
        if hand.random.chance(20) {
            // A branch that was never sent.
            let branch = String::from_utf8_lossy(&self.servers[index].branch).into_owned();
            let mut forged = branch.clone();
            let last = if forged.pop() == Some('0') { '1' } else { '0' };
            forged.push(last);
            let text = String::from_utf8_lossy(&told).replacen(&branch, &forged, 1);
            return hand.send(text.into_bytes().into());
        }
        hand.send(told);
    }

    pub(super) fn repeat_response(&mut self, hand: &mut Hand<'_>, index: usize) {
        let reliable = self.protocol != Protocol::Udp;
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
        // A refusal goes over a stream once; an answer is repeated end to end (RFC 3261 §13.3.1.4).
        if let Some(last) = server.last.clone().filter(|_| !reliable || server.state == Given::Accepted) {
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

    /// The mark by which the judge knows this response again.
    fn mint_callee(&mut self) -> String {
        self.minted += 1;
        format!("{}-{}", self.name, self.minted)
    }
}

impl Server {
    fn last_is_reliable(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.starts_with(b"SIP/2.0 183"))
    }
}

fn is_refusal(bytes: &bytes::Bytes) -> bool {
    bytes.get(8).is_some_and(|class| (b'3'..=b'6').contains(class))
}
