//! Whatever the two sides do, in whatever order: one To-tag and one description towards the caller, never 180
//! after 183, music until the two are joined, one record, and nothing that stands when all is over.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::engine::{Request, TransferWish};
use crate::presence::AgentId;

/// What somebody does next. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Port(bool),
    Frees(bool),
    CallerAcks,
    CallerHangsUp,
    CallerCancels,
    CallerAsks(&'static str, u8),
    /// A request of ours or of the other side that has no final answer gets this one.
    Answers(usize, u16, u8),
    /// The caller presses 1, or has heard what was said.
    Presses(bool),
    PhoneAcks(usize),
    PhoneHangsUp(usize),
    PhoneAsks(usize, &'static str, u8),
    /// One of the agents passes the caller on by the command, or a phone by REFER.
    PassesOn(usize, &'static str),
    Refers(usize, &'static str),
    Again(usize),
    Reborn,
}

fn step() -> impl Strategy<Value = Step> {
    let statuses = [180_u16, 200, 200, 200, 200, 200, 486, 488, 491, 481, 500, 408];
    let status = prop::sample::select(statuses.to_vec());
    prop_oneof![
        4 => prop_oneof![1..900_u64, 1_000..9_000_u64, 15_000..70_000_u64].prop_map(Step::Wait),
        2 => prop::bool::weighted(0.9).prop_map(Step::Port),
        2 => any::<bool>().prop_map(Step::Frees),
        4 => Just(Step::CallerAcks),
        1 => Just(Step::CallerHangsUp),
        1 => Just(Step::CallerCancels),
        2 => (asked(), 0..6_u8).prop_map(|(method, body)| Step::CallerAsks(method, body)),
        12 => (0..4_usize, status, 0..6_u8)
            .prop_map(|(which, status, body)| Step::Answers(which, status, body)),
        2 => prop::bool::weighted(0.4).prop_map(Step::Presses),
        2 => (0..3_usize).prop_map(Step::PhoneAcks),
        1 => (0..3_usize).prop_map(Step::PhoneHangsUp),
        2 => (0..3_usize, asked(), 0..6_u8)
            .prop_map(|(which, method, body)| Step::PhoneAsks(which, method, body)),
        2 => (0..2_usize, receiver()).prop_map(|(who, to)| Step::PassesOn(who, to)),
        2 => (0..3_usize, receiver()).prop_map(|(which, to)| Step::Refers(which, to)),
        2 => (0..20_usize).prop_map(Step::Again),
        1 => Just(Step::Reborn),
    ]
}

/// A caller who has heard music and talks with a1, who passes them on to a2.
fn talks_first() -> Vec<Step> {
    let answers = || Step::Answers(0, 200, 5);
    let acks = || Step::CallerAcks;
    vec![
        Step::Port(true),
        acks(),
        Step::Frees(true),
        answers(),
        acks(),
        answers(),
        Step::Frees(false),
        Step::PassesOn(0, "a2"),
    ]
}

fn receiver() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a1", "a2", "0311112222"])
}

fn asked() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["INVITE", "INVITE", "INVITE", "UPDATE", "UPDATE", "INFO", "OPTIONS"])
}

fn described(ours: &str, which: u8) -> String {
    match which {
        0 => String::new(),
        1 => ours.replace("sendrecv", "sendonly"),
        2 => ours.replace("40000", "40002").replace("50000", "50002"),
        3 => ours.replace("RTP/AVP", "RTP/SAVP"),
        _ => ours.to_owned(),
    }
}

/// Everybody beside the engine.
struct Walk {
    house: House,
    /// Requests without a final answer, with who has them.
    open: Vec<(&'static str, Message)>,
    /// INVITEs of legs that were answered 2xx, with the phone, and the phone's next CSeq.
    legs: Vec<(&'static str, Message, u32)>,
    /// What came in, to be repeated.
    past: Vec<(&'static str, bytes::Bytes)>,
    /// Tag and description of the first 183 or 200 of ours that had one.
    told: Option<(Vec<u8>, Vec<u8>)>,
    final_status: Option<u16>,
    acked: bool,
    streams: BTreeSet<StreamId>,
    playing: BTreeSet<StreamId>,
    asked_for: Option<StreamId>,
    /// Dialogs that were confirmed, and whether a BYE was seen in them.
    confirmed: BTreeMap<String, bool>,
    joined: bool,
    answered: BTreeSet<String>,
    freed: [bool; 2],
    records: usize,
}

const PEOPLE: [&str; 4] = [CARRIER, PBX, PHONE_1, PHONE_2];

impl Walk {
    fn new(modes: &[(ParkMode, u64)]) -> Self {
        let mut house = house_with(modes, |settings| {
            settings.call_limit = Duration::from_secs(1200);
            let mut profile = (*settings.park.profile).clone();
            (profile.key, profile.early_keys) = (Some(crate::media::Digit::Number(1)), true);
            settings.park.profile = Arc::new(profile);
        });
        house.call("", OFFER);
        let mut walk = Self {
            house,
            open: Vec::new(),
            legs: Vec::new(),
            past: Vec::new(),
            told: None,
            final_status: None,
            acked: false,
            streams: BTreeSet::new(),
            playing: BTreeSet::new(),
            asked_for: None,
            confirmed: BTreeMap::new(),
            joined: false,
            answered: BTreeSet::new(),
            freed: [false; 2],
            records: 0,
        };
        walk.look();
        walk
    }

    fn receive(&mut self, from: &'static str, bytes: impl Into<bytes::Bytes>) {
        let bytes = bytes.into();
        self.past.push((from, bytes.clone()));
        self.house.world.receive(from, bytes);
        self.look();
    }

    /// Judges everything that left.
    fn look(&mut self) {
        for person in PEOPLE {
            for message in self.house.world.taken(person) {
                self.left(person, message);
            }
        }
        for order in self.house.orders() {
            match order {
                MediaOrder::Open { stream, .. } => {
                    assert!(self.streams.insert(stream), "a stream is opened twice");
                    self.asked_for = Some(stream);
                }
                MediaOrder::Play { stream, .. } => {
                    self.playing.insert(stream);
                }
                MediaOrder::Announce { stream, .. } => assert!(self.playing.contains(&stream)),
                MediaOrder::Close { stream } => {
                    self.playing.remove(&stream);
                }
            }
        }
        self.records = self.house.ends().len();
        assert!(self.records <= 1, "one record");
        let heard_us = self.told.as_ref().is_some_and(|(_, body)| contains(body, b"m=audio 30000"));
        let refused = self.final_status.is_some_and(|status| status >= 300);
        if heard_us && !self.joined && self.records == 0 && !refused {
            assert!(!self.playing.is_empty(), "the caller hears nothing, and is not joined");
        }
    }

    fn left(&mut self, person: &'static str, message: Message) {
        let call = String::from_utf8_lossy(message.call_id()).into_owned();
        if call == "first" || call == "second" {
            return;
        }
        match message.status() {
            Some(status) if person == CARRIER && call == "third" && message.cseq() == 1 => {
                self.on_answer(status, &message);
            }
            Some(_) => {}
            None if message.method() == Method::Bye => {
                self.confirmed.insert(call.clone(), true);
                let dialog = |other: &(&str, Message)| other.1.call_id() == message.call_id();
                self.open.retain(|other| !dialog(other));
                let ok = Reply { status: 200, ..Reply::default() }.to(&message);
                self.past.push((person, ok.clone()));
                self.house.world.receive(person, ok);
            }
            // An answer to nobody any more is not acknowledged, and no dialog of ours.
            None if matches!(message.method(), Method::Ack) => {
                if call.starts_with("leg-") && self.answered.contains(&call) {
                    self.confirmed.entry(call).or_insert(false);
                }
            }
            None if message.method() == Method::Cancel => {
                let ok = Reply { status: 200, ..Reply::default() }.to(&message);
                self.house.world.receive(person, ok);
            }
            None => {
                let same = |other: &(&str, Message)| {
                    other.1.top_via().branch() == message.top_via().branch()
                        && other.1.method() == message.method()
                };
                if !self.open.iter().any(same) {
                    self.open.push((person, message));
                }
            }
        }
    }

    /// What the caller's INVITE got.
    fn on_answer(&mut self, status: u16, message: &Message) {
        if status == 100 || message.method() != Method::Invite {
            return;
        }
        if let Some(before) = self.final_status {
            assert_eq!(before, status, "one final answer");
        }
        let tag = message.to_tag().unwrap_or_default().to_vec();
        let proxied = message.header(Header::RecordRoute).is_some();
        if let Some((told, body)) = &self.told {
            assert_ne!(status, 180, "180 after 183");
            assert_eq!(*told, tag, "another To-tag");
            assert!(message.body() == &body[..] || status >= 300, "another description");
        } else if !message.body().is_empty() && !proxied {
            self.told = Some((tag, message.body().to_vec()));
        }
        if (101..300).contains(&status) {
            self.house.answer = Some(message.clone());
        }
        if status >= 200 {
            self.final_status = Some(status);
            if status < 300 {
                self.confirmed.entry("third".to_owned()).or_insert(false);
                let own = contains(message.body(), b"m=audio 30000");
                self.joined |= !own;
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait(ms) => {
                // Looked at in between, so that no silence goes unseen.
                self.house.world.advance(Duration::from_millis(ms));
                self.look();
            }
            Step::Port(opens) => self.port(opens),
            Step::Frees(first) => {
                let index = usize::from(!first);
                if !std::mem::replace(&mut self.freed[index], true) {
                    let (call, phone) = [("first", PHONE_1), ("second", PHONE_2)][index];
                    self.free(call, phone);
                }
            }
            Step::CallerAcks => {
                if self.house.answer.as_ref().and_then(Message::status) == Some(200) {
                    self.acked = true;
                    self.caller_says("ACK", "", 1);
                }
            }
            Step::CallerHangsUp => {
                if self.house.answer.as_ref().and_then(Message::status) == Some(200) {
                    self.house.cseq += 1;
                    self.confirmed.insert("third".to_owned(), true);
                    let cseq = self.house.cseq;
                    self.caller_says("BYE", "", cseq);
                }
            }
            Step::CallerCancels => self.receive(CARRIER, cancel_text("third", "")),
            Step::CallerAsks(method, body) => {
                if self.acked {
                    self.house.cseq += 1;
                    let cseq = self.house.cseq;
                    self.caller_says(method, &described(OFFER, body), cseq);
                    // Whoever is answered acknowledges.
                    self.caller_says("ACK", "", cseq);
                }
            }
            Step::Answers(which, status, body) => self.answer(which, status, body),
            Step::Presses(presses) => {
                let Some(stream) = self.streams.last().copied() else { return };
                let report = if presses {
                    MediaReport::Pressed { stream, digit: crate::media::Digit::Number(1) }
                } else {
                    MediaReport::Said { stream }
                };
                self.house.world.input(Input::Media(report));
                self.look();
            }
            Step::PhoneAcks(which) => self.phone_says(which, "ACK", 5),
            Step::PhoneHangsUp(which) => self.phone_says(which, "BYE", 5),
            Step::PhoneAsks(which, method, body) => {
                self.phone_says(which, method, body);
                self.phone_says(which, "ACK", 5);
            }
            Step::PassesOn(who, to) => self.passes_on(["a1", "a2"][who], to),
            Step::Refers(which, to) => {
                let headers = format!("Refer-To: <sip:{to}@192.0.2.1>\r\n");
                self.phone_says_with(which, "REFER", &headers, 0);
            }
            Step::Again(which) => {
                if let Some((from, bytes)) = self.past.iter().rev().nth(which).cloned() {
                    self.house.world.receive(from, bytes);
                    self.look();
                }
            }
            Step::Reborn => {
                let modes = self.house.world.engine.settings.park.clone();
                self.house.world.reborn_as(
                    |settings| {
                        settings.park = modes;
                        settings.wrap_up = Duration::ZERO;
                        settings.call_limit = Duration::from_secs(1200);
                    },
                    |_| {},
                );
                self.look();
            }
        }
    }

    fn port(&mut self, opens: bool) {
        let Some(stream) = self.asked_for.take() else { return };
        let report = if opens {
            MediaReport::Opened { stream, local: PORT.parse().unwrap() }
        } else {
            MediaReport::Refused { stream, why: MediaFault::NoPort }
        };
        self.house.world.input(Input::Media(report));
        self.look();
    }

    fn free(&mut self, call: &'static str, phone: &'static str) {
        let live = self.house.world.engine.tables.calls.values().any(|entry| entry.sip_call_id == call);
        if !live {
            return;
        }
        let bye = format!(
            "BYE sip:caller@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP {phone};branch=z9hG4bKfree{call}\r\n\
             Max-Forwards: 70\r\nRoute: {}\r\nFrom: <sip:{LINE}@192.0.2.1>;tag=agent\r\n\
             To: <sip:+819012345678@carrier.example>;tag=caller\r\nCall-ID: {call}\r\nCSeq: 9 BYE\r\n\
             Content-Length: 0\r\n\r\n",
            self.house.route_of(call)
        );
        self.house.world.receive(phone, bye);
        let taken = self.house.world.taken(CARRIER);
        for message in taken {
            let own = message.call_id() == call.as_bytes();
            if own && message.status().is_none() {
                let ok = Reply { status: 200, ..Reply::default() }.to(&message);
                self.house.world.receive(CARRIER, ok);
            } else if !own {
                self.left(CARRIER, message);
            }
        }
        self.look();
    }

    fn caller_says(&mut self, method: &str, body: &str, cseq: u32) {
        let Some(answer) = self.house.answer.clone() else { return };
        let body = if method == "INFO" { "" } else { body };
        let text = within(CARRIER, method, cseq, &answer, ("", body));
        self.receive(CARRIER, text);
    }

    /// Refused or not: who has not got the call may ask too.
    fn passes_on(&mut self, agent: &str, to: &str) {
        let calls = &self.house.world.engine.tables.calls;
        let Some(entry) = calls.values().find(|entry| entry.sip_call_id == "third") else { return };
        let (call, rev) = (entry.id.clone(), entry.rev);
        let wish = TransferWish { to: to.to_owned(), consult: false, note: None };
        let request = Request::TransferCall { agent: AgentId::new(agent), call, rev, wish };
        let _refused = self.house.world.ask(request);
        self.look();
    }

    fn phone_says(&mut self, which: usize, method: &str, body: u8) {
        self.phone_says_with(which, method, "", body);
    }

    fn phone_says_with(&mut self, which: usize, method: &str, headers: &str, body: u8) {
        let count = self.legs.len();
        if count == 0 {
            return;
        }
        let (phone, invite, cseq) = &mut self.legs[which % count];
        if method != "ACK" {
            *cseq += 1;
        }
        let text =
            if matches!(method, "INVITE" | "UPDATE") { described(ANSWER, body) } else { String::new() };
        let request = from_desk(phone, method, *cseq, invite, (headers, &text));
        let (phone, call) = (*phone, String::from_utf8_lossy(invite.call_id()).into_owned());
        if method == "BYE" {
            self.confirmed.insert(call, true);
        }
        self.receive(phone, request);
    }

    fn answer(&mut self, which: usize, status: u16, body: u8) {
        let count = self.open.len();
        if count == 0 {
            return;
        }
        let index = which % count;
        let (person, request) = self.open[index].clone();
        let initial = request.method() == Method::Invite && request.to_tag().is_none();
        let caller = person == CARRIER;
        let offers = matches!(request.method(), Method::Invite | Method::Update);
        let mut text = described(if caller { OFFER } else { ANSWER }, body);
        if !offers || status != 200 || (request.method() == Method::Update && request.body().is_empty()) {
            text.clear();
        }
        let contact = format!("<sip:x@{person}>");
        let extra: [(&str, &[u8]); 1] = [("Contact", contact.as_bytes())];
        let kind = (!text.is_empty()).then_some(("application/sdp", text.as_bytes()));
        let tag = initial.then_some("desk");
        let reply = Reply { status, to_tag: tag, extra: &extra, body: kind, ..Reply::default() };
        let bytes = reply.to(&request);
        if status >= 200 {
            self.open.remove(index);
        }
        let call = String::from_utf8_lossy(request.call_id()).into_owned();
        if status == 200 && initial {
            self.legs.push((person, request.clone(), 0));
            self.answered.insert(call);
        }
        // A 2xx to a request that carries one side's description to the other may join them.
        if status == 200 && offers && !initial {
            self.joined = true;
        }
        self.receive(person, bytes);
    }

    /// Nobody does anything any more.
    fn over(mut self) {
        self.house.world.advance(Duration::from_secs(3600));
        self.look();
        self.port(true);
        self.house.world.advance(Duration::from_secs(600));
        self.look();
        assert_eq!(self.records, 1, "one record");
        assert!(self.playing.is_empty(), "a stream plays on");
        let gauges = self.house.world.engine.gauges();
        assert_eq!((gauges.dialogs, gauges.lingering, gauges.lot_taken, gauges.offers), (0, 0, 0, 0));
        assert_eq!(
            (gauges.calls, gauges.contexts, gauges.server_transactions, gauges.client_transactions),
            (0, 0, 0, 0)
        );
        if self.told.is_some() {
            let standing: Vec<_> = self.confirmed.iter().filter(|(_, over)| !**over).collect();
            assert!(standing.is_empty(), "dialogs that nobody ended: {standing:?}");
        }
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn modes() -> impl Strategy<Value = Vec<(ParkMode, u64)>> {
    let all = [(ParkMode::Ringing, 5), (ParkMode::EarlyMedia, 30), (ParkMode::Answered, 60)];
    prop_oneof![
        Just(P1.to_vec()),
        Just(P2.to_vec()),
        Just(all.to_vec()),
        Just(all[1..].to_vec()),
        Just([all[0], all[2]].to_vec())
    ]
}

fn walks(modes: &[(ParkMode, u64)], steps: impl IntoIterator<Item = Step>) {
    let mut walk = Walk::new(modes);
    for step in steps {
        walk.take(step);
    }
    walk.over();
}

/// A walk that was found by chance and left a context behind.
#[test]
fn i16_what_a_phone_asked_for_ends_with_the_call() {
    let asks = vec![
        Step::PhoneAsks(0, "INVITE", 0),
        Step::Wait(1),
        Step::CallerCancels,
        Step::CallerCancels,
        Step::Answers(0, 200, 1),
        Step::Answers(0, 200, 0),
    ];
    walks(P1, talks_first().into_iter().chain(asks));
}

fn cases() -> u32 {
    std::env::var("TORITSUGI_WALKS").ok().and_then(|text| text.parse().ok()).unwrap_or(128)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4_000, ..Default::default() })]
    #[test]
    fn i6_i8_i9_whatever_happens_one_tag_one_description_no_silence_and_one_end(
        modes in modes(),
        talks in prop::bool::weighted(0.5).prop_map(|talks| if talks { talks_first() } else { Vec::new() }),
        steps in prop::collection::vec(step(), 1..60)
    ) {
        walks(&modes, talks.into_iter().chain(steps));
    }
}
