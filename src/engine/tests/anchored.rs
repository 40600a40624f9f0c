//! Callers who wait with music, early media (P1) or answered (P2), and are joined with who takes the call.

use std::sync::Arc;
use std::time::Duration;

use super::world::{CARRIER, LINE, PBX, PHONE_1, PHONE_2, World, cancel_text, invites};
use crate::engine::{Input, ParkSettings, Settings};
use crate::events::EndReason;
use crate::media::{Announcement, MediaFault, MediaOrder, MediaReport, Saying, Schedule, StreamId};
use crate::message::{Header, Message, Method, Reply};
use crate::park::{ParkMode, Profile};

mod bridged;
mod by_rule;
mod called_back;
mod passing;
mod races;
mod walk;

/// Where our music comes from.
const PORT: &str = "192.0.2.1:30000";
/// The caller's telephone offers.
const OFFER: &str = "v=0\r\no=carrier 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
/// An agent's telephone answers.
const ANSWER: &str = "v=0\r\no=phone 9 5 IN IP4 192.0.2.31\r\ns=phone\r\nc=IN IP4 192.0.2.31\r\nt=0 0\r\n\
    m=audio 50000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=sendrecv\r\n";

/// A house with these modes, both agents in calls of their own, and a caller who waits.
struct House {
    world: World,
    /// The caller's Call-ID.
    call: &'static str,
    /// The caller's next CSeq.
    cseq: u32,
    /// The answer to the caller as it last came.
    answer: Option<Message>,
}

fn house(modes: &[(ParkMode, u64)]) -> House {
    house_with(modes, |_| {})
}

fn house_with(modes: &[(ParkMode, u64)], change: impl FnOnce(&mut Settings)) -> House {
    let modes = modes.iter().map(|(mode, seconds)| (*mode, Duration::from_secs(*seconds))).collect();
    let mut world = World::with(
        |settings| {
            settings.park = ParkSettings {
                profile: Arc::new(Profile { modes, ..Profile::default() }),
                places: 10,
                patience: Duration::from_secs(15),
                ..ParkSettings::default()
            };
            settings.wrap_up = Duration::ZERO;
            change(settings);
        },
        |_| {},
    );
    for (call, phone) in [("first", PHONE_1), ("second", PHONE_2)] {
        world.invite_unknown(call);
        let invite = invites(world.taken(phone)).remove(0);
        world.reply(phone, &invite, 200, "agent");
        world.taken(phone);
    }
    world.taken(CARRIER);
    world.events.clear();
    House { world, call: "third", cseq: 1, answer: None }
}

const P1: &[(ParkMode, u64)] = &[(ParkMode::EarlyMedia, 60)];
const P2: &[(ParkMode, u64)] = &[(ParkMode::Answered, 300)];

fn offer_text(call: &str, headers: &str, body: &str) -> String {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "INVITE sip:{LINE}@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{call};rport\r\nMax-Forwards: 33\r\n\
         From: <sip:+819012345678@carrier.example>;tag=caller\r\nTo: <sip:{LINE}@192.0.2.1>\r\n\
         Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@192.0.2.10>\r\n\
         P-Asserted-Identity: <tel:+819012345678>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl House {
    /// The caller calls, and offers this.
    fn call(&mut self, headers: &str, body: &str) {
        let text = offer_text(self.call, headers, body);
        self.world.receive(CARRIER, text);
        self.world.answer_lookup(Ok(Vec::new()));
    }

    /// The caller calls; the media port opens when it is asked for.
    fn waits(&mut self) {
        self.call("", OFFER);
        self.open();
    }

    fn open(&mut self) {
        let opened = self.orders().iter().find_map(|order| match order {
            MediaOrder::Open { stream, .. } => Some(*stream),
            MediaOrder::Play { .. } | MediaOrder::Announce { .. } | MediaOrder::Close { .. } => None,
        });
        let stream = opened.expect("a port is asked for");
        let local = PORT.parse().unwrap();
        self.world.input(Input::Media(MediaReport::Opened { stream, local }));
    }

    fn orders(&mut self) -> Vec<MediaOrder> {
        std::mem::take(&mut self.world.media)
    }

    /// The names of the orders since the last look.
    fn ordered(&mut self) -> Vec<&'static str> {
        self.orders()
            .iter()
            .map(|order| match order {
                MediaOrder::Open { .. } => "open",
                MediaOrder::Play { .. } => "play",
                MediaOrder::Announce { .. } => "announce",
                MediaOrder::Close { .. } => "close",
            })
            .collect()
    }

    /// The agent at this phone hangs up their own call.
    fn frees(&mut self, call: &str, phone: &str) {
        let bye = format!(
            "BYE sip:caller@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP {phone};branch=z9hG4bKfree{call}\r\n\
             Max-Forwards: 70\r\nRoute: {}\r\nFrom: <sip:{LINE}@192.0.2.1>;tag=agent\r\n\
             To: <sip:+819012345678@carrier.example>;tag=caller\r\nCall-ID: {call}\r\nCSeq: 9 BYE\r\n\
             Content-Length: 0\r\n\r\n",
            self.route_of(call)
        );
        self.world.receive(phone, bye);
        let bye = self.world.taken(CARRIER).into_iter().find(|it| it.method() == Method::Bye).expect("BYE");
        self.world.reply(CARRIER, &bye, 200, "x");
    }

    /// Our Record-Route in a proxied call of before.
    fn route_of(&self, call: &str) -> String {
        let (_, entry) = self
            .world
            .engine
            .tables
            .calls
            .iter()
            .find(|(_, entry)| entry.sip_call_id == call)
            .expect("the call");
        let cookie = crate::proxy::DialogCookie { call: entry.bits };
        let text = cookie.mint(&self.world.engine.secret, call.as_bytes(), b"caller");
        format!("<sip:192.0.2.1:5060;lr;tsg={text}>")
    }

    /// What went to the caller since the last look.
    fn heard(&mut self) -> Vec<Message> {
        let heard = self.world.taken(CARRIER);
        for message in &heard {
            if message.status().is_some_and(|status| (101..300).contains(&status))
                && message.method() == Method::Invite
            {
                self.answer = Some(message.clone());
            }
        }
        heard
    }

    fn heard_statuses(&mut self) -> Vec<u16> {
        self.heard().iter().filter_map(Message::status).collect()
    }

    /// A request of the caller within the dialog.
    fn says(&mut self, method: &str, body: &str) {
        self.says_with(method, "", body);
    }

    fn says_with(&mut self, method: &str, headers: &str, body: &str) {
        if !matches!(method, "ACK") {
            self.cseq += 1;
        }
        let answer = self.answer.clone().expect("the caller has an answer");
        let text = within(CARRIER, method, self.cseq, &answer, (headers, body));
        self.world.receive(CARRIER, text);
    }

    /// The phone answers this with a description.
    fn answers(&mut self, phone: &str, invite: &Message, body: &str) {
        let contact = format!("<sip:phone@{phone}>");
        let extra: [(&str, &[u8]); 1] = [("Contact", contact.as_bytes())];
        let kind = (!body.is_empty()).then_some(("application/sdp", body.as_bytes()));
        let reply =
            Reply { status: 200, to_tag: Some("desk"), extra: &extra, body: kind, ..Reply::default() };
        self.world.receive(phone, reply.to(invite));
    }

    /// A phone frees itself, rings and answers; its INVITE and the ACK it gets.
    fn takes(&mut self, call: &str, phone: &str) -> (Message, Message) {
        self.frees(call, phone);
        let invite = invites(self.world.taken(phone)).remove(0);
        self.answers(phone, &invite, ANSWER);
        let ack = self.world.one(phone);
        assert_eq!(ack.method(), Method::Ack);
        (invite, ack)
    }

    /// The caller answers our re-INVITE, and what we ask with it.
    fn moves(&mut self, status: u16, body: &str) -> Message {
        let reinvite = invites(self.heard()).pop().expect("a re-INVITE");
        self.replies(CARRIER, &reinvite, status, body);
        reinvite
    }

    fn replies(&mut self, from: &str, request: &Message, status: u16, body: &str) {
        let contact = format!("<sip:x@{from}>");
        let extra: [(&str, &[u8]); 1] = [("Contact", contact.as_bytes())];
        let kind = (!body.is_empty()).then_some(("application/sdp", body.as_bytes()));
        let reply = Reply { status, extra: &extra, body: kind, ..Reply::default() };
        self.world.receive(from, reply.to(request));
    }

    /// Nothing of the call is left.
    #[track_caller]
    fn nothing_left(&mut self) {
        self.world.advance(Duration::from_secs(120));
        let gauges = self.world.engine.gauges();
        assert_eq!((gauges.dialogs, gauges.lingering, gauges.lot_taken), (0, 0, 0), "{gauges:?}");
        assert!(self.world.engine.tables.calls.values().all(|call| call.anchor.is_none()));
        assert_eq!(gauges.offers, 0);
    }

    fn ends(&self) -> Vec<Option<EndReason>> {
        self.world.records.iter().filter(|it| it.sip_call_id == self.call).map(|it| it.end_reason).collect()
    }
}

/// A request within the dialog that this answer to an INVITE made, by its caller.
fn within(from: &str, method: &str, cseq: u32, answer: &Message, (headers, body): (&str, &str)) -> String {
    let text = |header| String::from_utf8(answer.header(header).unwrap().to_vec()).unwrap();
    let target = text(Header::Contact);
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let call = String::from_utf8(answer.call_id().to_vec()).unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{call}{method}{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:x@{from}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        text(Header::From),
        text(Header::To),
        body.len()
    )
}

/// A request of the called side, within the dialog of this INVITE that it answered.
fn from_desk(
    phone: &str,
    method: &str,
    cseq: u32,
    invite: &Message,
    (headers, body): (&str, &str),
) -> String {
    let text = |header| String::from_utf8(invite.header(header).unwrap().to_vec()).unwrap();
    let target = text(Header::Contact);
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let call = String::from_utf8(invite.call_id().to_vec()).unwrap();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {phone};branch=z9hG4bKdesk{method}{cseq}\r\n\
         Max-Forwards: 70\r\nFrom: {};tag=desk\r\nTo: {}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:phone@{phone}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
        text(Header::To),
        text(Header::From),
        body.len()
    )
}

fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

fn origin(message: &Message) -> String {
    body(message).lines().find(|line| line.starts_with("o=")).unwrap_or_default().to_owned()
}

#[test]
fn i8_p1_the_caller_hears_music_early_until_the_agents_phone_has_the_media() {
    let mut house = house(P1);
    house.waits();
    let heard = house.heard();
    assert_eq!(heard.iter().filter_map(Message::status).collect::<Vec<_>>(), [100, 183]);
    let early = heard[1].clone();
    assert!(body(&early).contains("m=audio 30000 RTP/AVP 8 101"), "{}", body(&early));
    assert_eq!(house.ordered(), ["play"]);
    assert_eq!(house.world.happened(), ["call.parked early-media"]);

    let (invite, ack) = house.takes("first", PHONE_1);
    assert_ne!(invite.call_id(), b"third", "a dialog of our own");
    assert_ne!(invite.from_tag(), Some(&b"caller"[..]));
    assert_eq!(invite.values(Header::Via).count(), 1);
    assert_eq!(invite.max_forwards(), Some(32), "n31: copied through");
    assert_eq!(invite.header(Header::PAssertedIdentity), None, "the phone is not trusted");
    assert!(body(&invite).contains("m=audio 40000 RTP/AVP 8 0 101"), "the caller's own offer");
    assert_eq!((ack.cseq(), ack.to_tag()), (1, Some(&b"desk"[..])));

    let heard = house.heard();
    assert_eq!(heard.len(), 1, "no re-INVITE before the ACK");
    let ok = &heard[0];
    assert_eq!((ok.status(), ok.to_tag()), (Some(200), early.to_tag()), "one To-tag");
    assert_eq!(ok.body(), early.body(), "octet for octet");
    assert!(house.ordered().is_empty(), "the music goes on");
    house.says("ACK", "");
    let reinvite = house.moves(200, OFFER);
    assert!(body(&reinvite).contains("c=IN IP4 192.0.2.31"), "{}", body(&reinvite));
    assert!(body(&reinvite).contains("m=audio 50000 RTP/AVP 8 101"));
    let (before, after) = (origin(&early), origin(&reinvite));
    assert_eq!(after, before.replace(" 1 IN", " 2 IN"), "the version grew by one");
    assert_eq!(house.world.one(CARRIER).method(), Method::Ack);
    assert_eq!(house.ordered(), ["close"]);
    assert!(house.world.taken(PHONE_1).is_empty(), "the phone was told the truth at once");

    house.world.advance(Duration::from_secs(42));
    house.says("BYE", "");
    assert_eq!(house.heard_statuses(), [200]);
    let bye = house.world.one(PHONE_1);
    assert_eq!((bye.method(), bye.cseq()), (Method::Bye, 2));
    house.world.reply(PHONE_1, &bye, 200, "desk");
    let record = house.world.records.last().unwrap().clone();
    assert_eq!(
        (record.end_reason, record.talk_s, record.status),
        (Some(EndReason::Completed), 42, Some(200))
    );
    let parked = record.parked.expect("the record says how the caller waited");
    assert_eq!(parked.mode, ParkMode::EarlyMedia);
    house.nothing_left();
}

#[test]
fn i8_p2_the_caller_is_answered_by_music_and_the_agent_hangs_up() {
    let mut house = house(P2);
    house.waits();
    assert_eq!(house.heard_statuses(), [100, 200]);
    let answered = house.answer.clone().unwrap();
    house.says("ACK", "");
    assert_eq!(house.world.happened(), ["call.parked answered"]);
    house.world.advance(Duration::from_secs(70));
    assert_eq!(house.ordered(), ["play"]);
    assert!(house.heard().is_empty(), "the 200 was acknowledged");

    let (invite, _) = house.takes("first", PHONE_1);
    let reinvite = house.moves(200, OFFER);
    assert_eq!(origin(&reinvite), origin(&answered).replace(" 1 IN", " 2 IN"));
    assert_eq!(house.ordered(), ["close"]);
    house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 1, &invite, ("", "")));
    assert_eq!(house.world.one(PHONE_1).status(), Some(200));
    let bye = house.heard().pop().unwrap();
    assert_eq!((bye.method(), bye.request_uri()), (Method::Bye, &b"sip:x@192.0.2.10:5060"[..]));
    house.world.reply(CARRIER, &bye, 200, "caller");
    assert_eq!(house.ends(), [Some(EndReason::Completed)]);
    assert_eq!(house.world.records.last().unwrap().parked.map(|it| it.mode), Some(ParkMode::Answered));
    house.nothing_left();
}

#[test]
fn a_caller_goes_through_all_modes_with_one_tag_and_one_description() {
    let mut house = house(&[(ParkMode::Ringing, 20), (ParkMode::EarlyMedia, 60), (ParkMode::Answered, 300)]);
    house.call("", OFFER);
    assert_eq!(house.heard_statuses(), [100, 180]);
    let tag = house.answer.as_ref().unwrap().to_tag().map(<[u8]>::to_vec);
    assert!(house.ordered().is_empty(), "no port for a caller who rings");
    house.world.advance(Duration::from_secs(20));
    house.open();
    let early = house.heard().pop().unwrap();
    assert_eq!((early.status(), early.to_tag()), (Some(183), tag.as_deref()));
    house.world.advance(Duration::from_secs(60));
    let heard = house.heard();
    assert_eq!(heard.iter().filter_map(Message::status).collect::<Vec<_>>(), [183, 200]);
    assert_eq!((heard[1].to_tag(), heard[1].body()), (tag.as_deref(), early.body()));
    house.says("ACK", "");
    assert_eq!(house.world.happened().iter().filter(|it| it.starts_with("call.parked")).count(), 3);
    house.world.advance(Duration::from_secs(300));
    // At the limit the default route is asked by us, while the music plays on.
    let invite = invites(house.world.taken(PBX)).remove(0);
    assert_eq!(invite.request_uri(), format!("sip:{LINE}@192.0.2.1").as_bytes(), "byte for byte");
    assert!(!house.ordered().contains(&"close"));
    house.answers(PBX, &invite, ANSWER);
    house.moves(200, OFFER);
    assert_eq!(house.ordered(), ["close"]);
    house.says("BYE", "");
    assert_eq!(house.ends(), [Some(EndReason::Completed)]);
    house.nothing_left();
}

#[test]
fn d7_the_183_is_repeated_each_minute_and_never_a_180_after_it() {
    let mut house = house(&[(ParkMode::EarlyMedia, 150)]);
    house.waits();
    let first = house.heard().pop().unwrap();
    for _ in 0..2 {
        house.world.advance(Duration::from_secs(60));
        let again = house.heard();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].bytes(), first.bytes());
    }
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 180, "desk");
    assert!(house.heard().is_empty(), "the phone rings, the caller hears music");
}

#[test]
fn music_goes_on_over_any_number_of_failed_offers() {
    let mut house = house(P2);
    house.waits();
    house.heard();
    house.says("ACK", "");
    assert_eq!(house.ordered(), ["play"]);
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 486, "busy");
    house.frees("second", PHONE_2);
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.world.reply(PHONE_2, &invite, 180, "desk");
    house.world.advance(Duration::from_secs(10));
    let cancel = house.world.taken(PHONE_2).into_iter().find(|it| it.method() == Method::Cancel);
    assert!(cancel.is_some(), "not answered in time");
    assert!(house.ordered().is_empty(), "neither stopped nor begun anew");
    assert!(house.heard().is_empty(), "and nothing is said to the caller's side");
}

#[test]
fn a_caller_who_hears_music_is_told_to_hold_which_place_it_is_and_how_long_it_will_take() {
    let schedule = Schedule {
        first: Duration::from_secs(15),
        every: Duration::from_secs(30),
        rounds: vec![vec![Saying::PleaseHold], vec![Saying::Position, Saying::Minutes]],
    };
    let mut house = house_with(P2, |settings| settings.park.schedule = Arc::new(schedule));
    house.waits();
    assert_eq!(house.heard_statuses(), [100, 200]);
    house.says("ACK", "");
    let said = |house: &mut House| -> Vec<Announcement> {
        let orders = house.orders();
        let what = |order: &MediaOrder| match order {
            MediaOrder::Announce { what, .. } => Some(*what),
            MediaOrder::Open { .. } | MediaOrder::Play { .. } | MediaOrder::Close { .. } => None,
        };
        orders.iter().filter_map(what).collect()
    };
    house.world.advance(Duration::from_secs(14));
    assert_eq!(said(&mut house), []);
    house.world.advance(Duration::from_secs(1));
    assert_eq!(said(&mut house), [Announcement::PleaseHold]);
    house.world.advance(Duration::from_secs(30));
    assert_eq!(said(&mut house), [Announcement::Position(1)], "how long is not known yet");
    let takes = house.takes("first", PHONE_1);
    assert_eq!(takes.0.method(), Method::Invite);
    house.moves(200, OFFER);
    house.world.advance(Duration::from_secs(300));
    assert_eq!(said(&mut house), [], "nothing is said to those who talk");
}

#[test]
fn n50_a_caller_without_a_usable_offer_rings_for_the_whole_time() {
    let srtp = OFFER.replace("RTP/AVP", "RTP/SAVP");
    let foreign = OFFER.replace("8 0 101", "96").replace("rtpmap:8 PCMA/8000", "rtpmap:96 opus/48000/2");
    let loopback = OFFER.replace("c=IN IP4 192.0.2.10", "c=IN IP4 127.0.0.1");
    let held = OFFER.replace("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0");
    for body in ["", &srtp, &foreign, &loopback, &held, "v=1\r\n"] {
        let mut house =
            house(&[(ParkMode::Ringing, 20), (ParkMode::EarlyMedia, 60), (ParkMode::Answered, 30)]);
        house.call("", body);
        assert_eq!(house.heard_statuses(), [100, 180], "{body}");
        house.world.advance(Duration::from_secs(109));
        assert_eq!(house.heard_statuses(), [180], "each minute");
        assert!(house.ordered().is_empty());
        house.world.advance(Duration::from_secs(1));
        let invite = invites(house.world.taken(PBX)).remove(0);
        assert_eq!(invite.call_id(), b"third", "proxied as it came");
    }
}

#[test]
fn a_caller_for_whom_there_is_no_port_rings_on_and_is_proxied() {
    let mut house = house(&[(ParkMode::Ringing, 20), (ParkMode::EarlyMedia, 60)]);
    house.call("", OFFER);
    house.heard();
    house.world.advance(Duration::from_secs(20));
    let Some(MediaOrder::Open { stream, .. }) = house.orders().pop() else { panic!("a port is asked for") };
    house.world.input(Input::Media(MediaReport::Refused { stream, why: MediaFault::NoPort }));
    assert_eq!(house.heard_statuses(), [180]);
    assert_eq!(house.world.engine.gauges().dialogs, 0);
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    assert_eq!(invite.call_id(), b"third", "proxied");
    house.world.input(Input::Media(MediaReport::Opened { stream, local: PORT.parse().unwrap() }));
    assert_eq!(house.ordered(), ["close"], "what opens after all is closed");
}

#[test]
fn a_stream_that_no_call_has_is_closed() {
    let mut house = house(P1);
    let stream = StreamId(77);
    house.world.input(Input::Media(MediaReport::Opened { stream, local: PORT.parse().unwrap() }));
    assert_eq!(house.ordered(), ["close"]);
}
