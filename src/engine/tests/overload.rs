//! More than can be done: who waits, who is refused, and how soon it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::world::{CARRIER, LINE, PBX, World, address, invite_text, parsed, within_dialog};
use crate::clock::Moment;
use crate::engine::Input;
use crate::message::{Header, Message, Method, response};
use crate::transport::{Flow, Protocol};

const PHONES: &str = "192.0.2.31:5060";
const OUTSIDE: &str = "0399999999";
const CALLER: &str = "<sip:+819012345678@c>";

#[test]
fn r11_a_refusal_costs_no_transaction_and_is_the_same_each_time() {
    let mut world = World::with(|settings| settings.calls = 1, |_| {});
    world.invite("one");
    world.taken(CARRIER);
    let held = world.engine.gauges().server_transactions;
    let second = invite_text("two", CALLER, LINE);
    world.receive(CARRIER, second.clone());
    world.receive(CARRIER, second.clone());
    let refusals = world.taken(CARRIER);
    assert_eq!(refusals.len(), 2);
    assert_eq!(refusals[0].bytes(), refusals[1].bytes());
    assert_eq!(refusals[0].header(Header::RetryAfter), Some(&b"5"[..]));
    assert_eq!(world.engine.gauges().server_transactions, held);
    let tag = String::from_utf8(refusals[0].to_tag().unwrap().to_vec()).unwrap();
    let ack = second
        .replace("INVITE", "ACK")
        .replace("@192.0.2.1>\r\nCall", &format!("@192.0.2.1>;tag={tag}\r\nCall"));
    world.receive(CARRIER, ack);
    assert_eq!(world.engine.counters().dropped_acks, 0, "its ACK is expected");
    assert!(world.sent.iter().all(|datagram| datagram.remote == address(CARRIER)));
    world.advance(Duration::from_secs(40));
    let again = world.taken(CARRIER).into_iter().filter(|answer| answer.call_id() == b"two").count();
    assert_eq!(again, 0, "never repeated unasked");
}

/// The repetition was on its way when the refusal left: the caller has gone, and nobody's phone may ring.
#[test]
fn r11_a_repetition_of_a_refused_call_is_refused_even_when_there_is_room_again() {
    let mut world = World::with(|settings| settings.peers[0].calls_per_s = 1, |_| {});
    world.receive(CARRIER, invite_text("one", CALLER, OUTSIDE));
    world.receive(CARRIER, invite_text("two", CALLER, OUTSIDE));
    world.taken(CARRIER);
    world.advance(Duration::from_secs(2));
    world.taken(CARRIER);
    world.receive(CARRIER, invite_text("two", CALLER, OUTSIDE));
    assert_eq!(world.statuses(), [503]);
    world.receive(CARRIER, invite_text("three", CALLER, OUTSIDE));
    assert_eq!(world.statuses(), [100]);
}

#[test]
fn n40_one_peer_cannot_take_the_whole_table() {
    let mut world = World::with(|settings| settings.transactions = 100, |_| {});
    for n in 0..1_000 {
        world.receive(PBX, invite_text(&format!("flood{n}"), CALLER, OUTSIDE).replacen("sip:", "urn:", 1));
    }
    assert_eq!(world.engine.gauges().server_transactions, 75);
    assert_eq!(world.engine.gauges().largest_share, 75);
    world.invite_unknown("legitimate");
    assert!(!world.statuses().contains(&503), "another peer has its share");
    world.advance(Duration::from_secs(64));
    assert_eq!(world.engine.gauges().held_octets, 0, "nothing is held when all is over");
}

#[test]
fn n40_requests_are_held_up_to_so_many_octets() {
    let mut world = World::with(|settings| settings.overload.held_octets = 100_000, |_| {});
    let body = "x".repeat(20_000);
    for n in 0..20 {
        let text = invite_text(&format!("large{n}"), CALLER, OUTSIDE)
            .replace("Content-Length: 4\r\n\r\nv=0\n", &format!("Content-Length: 20000\r\n\r\n{body}"));
        world.receive(CARRIER, text);
    }
    assert_eq!(world.statuses().iter().filter(|status| **status == 503).count(), 15);
    assert!(world.engine.gauges().held_octets < 121_000);
}

#[test]
fn f24_ack_cancel_and_bye_are_never_shed() {
    let mut world = World::with(|settings| settings.overload.spared_per_s = 0, |_| {});
    world.receive(CARRIER, invite_text("up", CALLER, OUTSIDE));
    let up = world.one(PBX);
    let contact: &[(&str, &[u8])] = &[("Contact", b"<sip:pbx@192.0.2.20:5060>")];
    world.receive(PBX, response(&up, 200, None, Some("callee"), contact));
    let ok = world.taken(CARRIER).into_iter().find(|it| it.status() == Some(200)).unwrap();
    world.receive(CARRIER, invite_text("rings", CALLER, OUTSIDE));
    let rings = world.one(PBX);
    world.receive(PBX, response(&rings, 180, None, Some("other"), &[]));
    world.taken(CARRIER);
    overload(&mut world);
    world.receive(CARRIER, invite_text("new", CALLER, OUTSIDE));
    assert_eq!(world.statuses(), [503]);
    world.receive(CARRIER, within_dialog("ACK", 1, &ok));
    assert_eq!(world.one(PBX).method(), Method::Ack);
    world.receive(CARRIER, invite_text("rings", CALLER, OUTSIDE).replace("INVITE", "CANCEL"));
    assert_eq!(world.one(PBX).method(), Method::Cancel);
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    assert_eq!(world.one(PBX).method(), Method::Bye);
    world.receive(CARRIER, invite_text("urgent", CALLER, "119"));
    assert_eq!(world.one(PBX).request_uri(), b"sip:119@192.0.2.1");
    assert!(!world.statuses().contains(&503));
}

/// The queue is of others' making: strangers', or another trunk's.
#[test]
fn n27_who_sends_little_is_not_refused_for_the_load_of_others() {
    let mut world = World::with(|settings| settings.overload.spared_per_s = 2, |_| {});
    overload(&mut world);
    for (call, expected) in [("one", 100), ("two", 100), ("three", 503)] {
        world.receive(CARRIER, invite_text(call, CALLER, OUTSIDE));
        assert_eq!(world.statuses(), [expected], "{call}");
    }
}

#[test]
fn f24_the_rest_is_shed_before_trusted_trunks() {
    let mut world = World::with(|settings| settings.overload.spared_per_s = 0, |_| {});
    world.input(Input::Lag(Duration::from_millis(30)));
    world.advance(Duration::from_millis(150));
    world.input(Input::Lag(Duration::from_millis(180)));
    let theirs = invite_text("theirs", CALLER, OUTSIDE).replace("192.0.2.10", "192.0.2.31");
    world.receive(PHONES, theirs);
    assert_eq!(world.taken(PHONES)[0].status(), Some(503), "not trusted");
    world.receive(CARRIER, invite_text("trusted", CALLER, OUTSIDE));
    assert_eq!(world.statuses(), [100]);
    world.input(Input::Lag(Duration::ZERO));
    let again = invite_text("again", CALLER, OUTSIDE).replace("192.0.2.10", "192.0.2.31");
    world.receive(PHONES, again);
    assert_eq!(world.taken(PHONES)[0].status(), Some(100), "as soon as the queue is gone");
}

#[test]
fn f24_three_times_the_load_leaves_ninety_percent_of_the_capacity() {
    let mut load = Load::new();
    let capacity = 1.0 / Load::cost_of_one_call().as_secs_f64();
    load.offer(0, 3, capacity * 0.8);
    load.offer(3, 11, capacity * 3.0);
    load.offer(11, 19, capacity * 0.8);
    load.run();
    let done = load.answered_between(4, 11) as f64 / 7.0;
    let slowest = load.refusal_times.iter().max().copied().unwrap_or_default();
    let mean = load.refusal_times.iter().sum::<Duration>() / load.refusal_times.len().max(1) as u32;
    assert!(done >= capacity * 0.9, "{done:.0} of {capacity:.0} calls a second; refused in {mean:?}");
    assert!(mean <= Duration::from_millis(20), "a refusal took {mean:?}, the slowest {slowest:?}");
    assert!(slowest < Duration::from_millis(400), "a refusal took {slowest:?}");
    assert_eq!(load.refused_urgent, 0, "an emergency call was refused");
    assert_eq!(load.refused_inside, 0, "a request of a call that is up was refused");
    assert_eq!(load.refusals_after(Duration::from_secs(16)), 0, "normal within five seconds");
    assert_eq!(load.unfinished(), 0, "every call that was answered ended");
}

/// A queue stands for half a second.
fn overload(world: &mut World) {
    world.input(Input::Lag(Duration::from_millis(100)));
    world.advance(Duration::from_millis(500));
    world.input(Input::Lag(Duration::from_millis(600)));
}

/// A server that takes its time for each message, callers and a PBX, in virtual time.
///
/// The costs are in proportion as they are by order: a message in or out is a system call, the way of a call
/// is a decision, a look-up and a card, its record a row. All are five times as long, so that there are
/// fewer.
struct Load {
    world: World,
    queue: BTreeMap<(u64, u64), (&'static str, Bytes)>,
    next: u64,
    free_at: u64,
    behind_since: Option<u64>,
    begun: BTreeMap<String, u64>,
    answered: BTreeMap<String, u64>,
    ended: usize,
    refusal_times: Vec<Duration>,
    refusals_at: Vec<u64>,
    refused_urgent: usize,
    refused_inside: usize,
}

const MESSAGE_US: u64 = 20;
const DECISION_US: u64 = 750;
const RECORD_US: u64 = 500;

impl Load {
    fn new() -> Self {
        let world = World::with(
            |settings| {
                settings.calls = 100_000;
                settings.transactions = 1_000_000;
            },
            |_| {},
        );
        let start = world.now.moment.as_micros();
        Self {
            world,
            queue: BTreeMap::new(),
            next: 0,
            free_at: start,
            behind_since: None,
            begun: BTreeMap::new(),
            answered: BTreeMap::new(),
            ended: 0,
            refusal_times: Vec::new(),
            refusals_at: Vec::new(),
            refused_urgent: 0,
            refused_inside: 0,
        }
    }

    fn cost_of_one_call() -> Duration {
        let mut alone = Self::new();
        alone.arrive(2_000_000, CARRIER, invite_text("alone", CALLER, OUTSIDE).into());
        let mut busy = 0;
        while let Some(cost) = alone.step() {
            busy += cost;
        }
        Duration::from_micros(busy)
    }

    /// Calls between two seconds, with an emergency call each second.
    fn offer(&mut self, from_s: u64, to_s: u64, per_s: f64) {
        let gap = (1_000_000.0 / per_s) as u64;
        let (mut at, end) = (2_000_000 + from_s * 1_000_000, 2_000_000 + to_s * 1_000_000);
        while at < end {
            let call = format!("c{at}");
            self.begun.insert(call.clone(), at);
            self.arrive(at, CARRIER, invite_text(&call, CALLER, OUTSIDE).into());
            at += gap;
        }
        for second in from_s..to_s {
            let at = 2_000_000 + second * 1_000_000 + 500_000;
            self.arrive(at, CARRIER, invite_text(&format!("urgent{at}"), CALLER, "119").into());
        }
    }

    fn arrive(&mut self, at: u64, from: &'static str, bytes: Bytes) {
        self.next += 1;
        self.queue.insert((at, self.next), (from, bytes));
    }

    fn run(&mut self) {
        while self.step().is_some() {}
    }

    /// Takes the next message as the driver does; what it cost.
    fn step(&mut self) -> Option<u64> {
        let ((arrived, _), (from, bytes)) = self.queue.pop_first()?;
        if arrived >= self.free_at {
            self.behind_since = None;
        }
        let start = arrived.max(self.free_at);
        let since = *self.behind_since.get_or_insert(start);
        self.world.advance(Duration::from_micros(start - self.world.now.moment.as_micros()));
        self.world.input(Input::Lag(Duration::from_micros(start - since)));
        let flow = Flow {
            protocol: Protocol::Udp,
            local: address(super::world::US),
            remote: address(from),
            connection: None,
            certificate: None,
        };
        let records = self.world.records.len();
        self.world.input(Input::Received { flow, bytes });
        let mut cost = MESSAGE_US + RECORD_US * (self.world.records.len() - records) as u64;
        let sent = std::mem::take(&mut self.world.sent);
        for datagram in &sent {
            cost += MESSAGE_US;
            if datagram.bytes.starts_with(b"INVITE ") {
                cost += DECISION_US;
            }
        }
        self.free_at = start + cost;
        for datagram in sent {
            let message = parsed(&datagram.bytes);
            if datagram.remote == address(PBX) { self.at_pbx(&message) } else { self.at_carrier(&message) }
        }
        Some(cost)
    }

    fn at_pbx(&mut self, message: &Message) {
        let contact: &[(&str, &[u8])] = &[("Contact", b"<sip:pbx@192.0.2.20:5060>")];
        if message.method() == Method::Invite {
            self.arrive(self.free_at + 5_000, PBX, response(message, 180, None, Some("callee"), contact));
            self.arrive(self.free_at + 20_000, PBX, response(message, 200, None, Some("callee"), contact));
        } else if message.method() == Method::Bye {
            self.arrive(self.free_at + 1_000, PBX, response(message, 200, None, None, &[]));
        }
    }

    fn at_carrier(&mut self, message: &Message) {
        let call = String::from_utf8(message.call_id().to_vec()).unwrap();
        let Some(status) = message.status().filter(|status| *status >= 200) else { return };
        match (message.method(), status) {
            (Method::Invite, 200) => {
                if self.answered.insert(call, self.free_at).is_none() {
                    let again = |method, cseq| Bytes::from(within_dialog(method, cseq, message));
                    self.arrive(self.free_at + 1_000, CARRIER, again("ACK", 1));
                    self.arrive(self.free_at + 100_000, CARRIER, again("BYE", 2));
                }
            }
            (Method::Invite, _) => {
                let begun = self.begun.get(&call).copied();
                match begun {
                    Some(begun) => self.refusal_times.push(Duration::from_micros(self.free_at - begun)),
                    None => self.refused_urgent += 1,
                }
                self.refusals_at.push(self.free_at);
                let tag = String::from_utf8(message.to_tag().unwrap().to_vec()).unwrap();
                let ack = invite_text(&call, CALLER, OUTSIDE)
                    .replace("INVITE", "ACK")
                    .replace("@192.0.2.1>\r\nCall", &format!("@192.0.2.1>;tag={tag}\r\nCall"));
                self.arrive(self.free_at + 1_000, CARRIER, ack.into());
            }
            (_, 200) => self.ended += 1,
            (_, _) => self.refused_inside += 1,
        }
    }

    fn answered_between(&self, from_s: u64, to_s: u64) -> usize {
        let within = (2_000_000 + from_s * 1_000_000)..(2_000_000 + to_s * 1_000_000);
        self.answered.values().filter(|at| within.contains(at)).count()
    }

    fn refusals_after(&self, offset: Duration) -> usize {
        let from = Moment::from_micros(2_000_000) + offset;
        self.refusals_at.iter().filter(|at| **at > from.as_micros()).count()
    }

    fn unfinished(&self) -> usize {
        self.answered.len() - self.ended
    }
}
