//! Transfers in every order: a phone refers, a PBX accepts, refuses, tells, brings back, takes back, hangs
//! up, the process dies; whatever comes, one record for a call, its count is that of the handlers' changes,
//! nobody is stuck, and nothing is left. `TORITSUGI_WALKS` says how many.

use std::time::Duration;

use super::world::{CARRIER, PHONE_1, PHONE_2, World, card, invite_text, swapped, with, within_dialog};
use crate::engine::{Answer, Request};
use crate::message::{Message, Method};

/// A dialog that stands: the answer that the PBX got, and the phone in it.
#[derive(Clone)]
struct Talk {
    ok: Message,
    phone: &'static str,
}

struct Walk {
    world: World,
    random: u64,
    talks: Vec<Talk>,
    /// INVITEs at phones that wait for an answer.
    asked: Vec<(&'static str, Message)>,
    cseq: u32,
    calls: u32,
    log: Vec<String>,
}

const LIMIT: u32 = 2;

impl Walk {
    fn begin(seed: u64) -> Self {
        let mut world = world();
        world.invite("one");
        world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
        let invite = world.one(PHONE_1);
        world.reply(PHONE_1, &invite, 200, "one-desk");
        let ok = world.taken(CARRIER).pop().unwrap();
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let talks = vec![Talk { ok, phone: PHONE_1 }];
        Self { world, random, talks, asked: Vec::new(), cseq: 10, calls: 1, log: Vec::new() }
    }

    fn draw(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as usize % below
    }

    fn step(&mut self) {
        self.cseq += 1;
        let what = self.draw(20);
        self.log.push(what.to_string());
        match what {
            0..=4 => self.refers(),
            5 => self.notifies(),
            6..=9 => self.brings_back(),
            10..=14 => self.answers(),
            15 => self.hangs_up(),
            16 => {
                let seconds = self.draw(12) as u64;
                self.world.advance(Duration::from_secs(seconds));
            }
            17 => self.world.reborn_as(settings, |_| {}),
            _ => self.takes_back(),
        }
        self.gather();
    }

    /// A phone passes its caller on, and the PBX says something to that.
    fn refers(&mut self) {
        let Some(talk) = self.some_talk() else { return };
        let to = ["a1", "a2", "0399990000"][self.draw(3)];
        let text = swapped(&within_dialog("REFER", self.cseq, &talk.ok))
            .replace("sip:phone@192.0.2.32:5060", "sip:caller@192.0.2.10")
            .replace("Via: SIP/2.0/UDP 192.0.2.31:5060", &format!("Via: SIP/2.0/UDP {}", talk.phone));
        self.world.receive(talk.phone, with(&text, &format!("Refer-To: <sip:{to}@192.0.2.1>\r\n")));
        let status = [202, 202, 202, 202, 202, 603][self.draw(6)];
        self.answer_requests(CARRIER, Method::Refer, status);
    }

    fn notifies(&mut self) {
        let Some(talk) = self.some_talk() else { return };
        let fragment =
            ["SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 486 Busy Here\r\n"][self.draw(3)];
        let plain = with(&within_dialog("NOTIFY", self.cseq, &talk.ok), "Event: refer\r\n");
        let length = format!("Content-Length: {}\r\n\r\n{fragment}", fragment.len());
        self.world.receive(CARRIER, plain.replace("Content-Length: 0\r\n\r\n", &length));
        self.answer_requests(talk.phone, Method::Notify, 200);
    }

    fn brings_back(&mut self) {
        let waits = self.world.engine.tables.passing.iter().next().copied();
        // A call of its own is another subject.
        let target = waits.and_then(|call| {
            let transfer = self.world.engine.tables.calls.get(call)?.transfer()?;
            transfer.from.is_none().then(|| transfer.target.clone())
        });
        let Some(target) = target else { return };
        self.calls += 1;
        let call = format!("call{}", self.calls);
        let text = invite_text(&call, "<sip:+819012345678@carrier.example>", &target);
        self.world.receive(CARRIER, text);
    }

    fn answers(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let index = self.draw(self.asked.len());
        let (phone, invite) = self.asked.remove(index);
        let status = [200, 200, 486][self.draw(3)];
        self.world.reply(phone, &invite, status, &format!("{}-desk", self.cseq));
    }

    fn hangs_up(&mut self) {
        if self.talks.is_empty() {
            return;
        }
        let index = self.draw(self.talks.len());
        let talk = self.talks.remove(index);
        self.world.receive(CARRIER, within_dialog("BYE", self.cseq, &talk.ok));
        self.answer_requests(talk.phone, Method::Bye, 200);
    }

    fn takes_back(&mut self) {
        let call = format!("call{}", self.calls);
        self.world.receive(CARRIER, super::world::cancel_text(&call, ""));
    }

    fn some_talk(&mut self) -> Option<Talk> {
        let count = self.talks.len();
        (count > 0).then(|| self.draw(count)).map(|index| self.talks[index].clone())
    }

    /// What lies at this address of that method is answered so; INVITEs are kept.
    fn answer_requests(&mut self, at: &'static str, method: Method, status: u16) {
        let messages = self.world.taken(at);
        for message in messages {
            if message.status().is_none() && message.method() == method {
                self.world.reply(at, &message, status, "x");
            } else {
                self.take(at, message);
            }
        }
    }

    fn gather(&mut self) {
        for at in [CARRIER, PHONE_1, PHONE_2, super::world::PBX] {
            for message in self.world.taken(at) {
                self.take(at, message);
            }
        }
    }

    fn take(&mut self, at: &'static str, message: Message) {
        match (message.status(), message.method()) {
            (None, Method::Invite) => {
                if !self.asked.iter().any(|(_, known)| known.bytes() == message.bytes()) {
                    self.asked.push((at, message));
                }
            }
            (None, Method::Cancel) => {
                let known = self.asked.iter().position(|(_, it)| it.call_id() == message.call_id());
                self.world.reply(at, &message, 200, "x");
                if let Some(index) = known {
                    let (phone, invite) = self.asked.remove(index);
                    self.world.reply(phone, &invite, 487, "x");
                }
            }
            (None, Method::Bye) => self.world.reply(at, &message, 200, "x"),
            (Some(200), Method::Invite) if at == CARRIER => {
                let known = self.talks.iter().any(|it| it.ok.call_id() == message.call_id());
                let contact = message.header(crate::message::Header::Contact).unwrap_or_default();
                let phones = [PHONE_1, PHONE_2, super::world::PBX];
                let phone = phones
                    .into_iter()
                    .find(|phone| contact.windows(phone.len()).any(|part| part == phone.as_bytes()));
                if let (false, Some(phone)) = (known, phone) {
                    self.talks.push(Talk { ok: message, phone });
                }
            }
            (_, _) => {}
        }
    }

    fn ends(mut self, seed: u64) {
        while !self.talks.is_empty() {
            self.cseq += 1;
            self.hangs_up();
            self.gather();
        }
        for _ in 0..40 {
            self.world.advance(Duration::from_secs(30));
            self.gather();
            while let Some((phone, invite)) = self.asked.pop() {
                self.world.reply(phone, &invite, 486, "x");
            }
            while let Some(talk) = self.talks.pop() {
                self.cseq += 1;
                self.world.receive(CARRIER, within_dialog("BYE", self.cseq, &talk.ok));
                self.answer_requests(talk.phone, Method::Bye, 200);
            }
        }
        let context = format!("seed {seed}: {}", self.log.join(" "));
        self.world.advance(Duration::from_secs(5 * 3600));
        let gauges = self.world.engine.gauges();
        assert_eq!((gauges.calls, gauges.contexts, gauges.timers), (0, 0, 0), "{context}");
        assert!(self.world.engine.tables.passing.is_empty(), "{context}");
        let records = self.world.records.iter().filter(|it| it.sip_call_id == "one").count();
        assert_eq!(records, 1, "{context}");
        for record in &self.world.records {
            let known = record.handled_by.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let changes = u32::try_from(known).unwrap();
            assert!(record.transfer_count <= LIMIT, "{context}");
            // Changes to somebody who is no agent of ours are counted and have no name.
            assert!(changes <= record.transfer_count, "{context} {record:?}");
            let same = record.handled_by.windows(2).any(|pair| pair[0] == pair[1]);
            assert!(!same || changes < record.transfer_count, "{context} {record:?}");
        }
        let Ok(Answer::Presences(all)) = self.world.ask(Request::Presences) else { panic!("presences") };
        assert!(all.iter().all(|it| it.state == "idle"), "{context} {all:?}");
    }
}

fn settings(settings: &mut crate::engine::Settings) {
    settings.peers[0].transfers = true;
    settings.transfer.limit = LIMIT;
}

fn world() -> World {
    World::with(settings, |_| {})
}

#[test]
fn m095_whatever_becomes_of_transfers_one_record_counts_the_changes_and_nobody_is_stuck() {
    let walks = std::env::var("TORITSUGI_WALKS").ok().and_then(|it| it.parse().ok()).unwrap_or(100);
    let (mut counted, mut failed) = (0, 0);
    for seed in 1..=walks {
        let mut walk = Walk::begin(seed);
        let steps = 5 + walk.draw(40);
        for _ in 0..steps {
            walk.step();
        }
        counted += walk.world.engine.counters().transfers_done;
        failed += walk.world.engine.counters().transfers_failed;
        walk.ends(seed);
    }
    assert!(counted > walks / 10 && failed > walks / 10, "{counted} done, {failed} failed");
}
