//! Who is not a peer.

use super::world::{CARRIER, LINE, PBX, World, invite_text};
use crate::message::Header;

const STRANGER: &str = "203.0.113.5:5060";

#[test]
fn n1_n17_a_stranger_gets_one_short_answer_and_nothing_is_forwarded() {
    for method in ["INVITE", "MESSAGE", "SUBSCRIBE", "OPTIONS", "REGISTER", "FOO"] {
        let mut world = World::new();
        let text = invite_text("one", "<sip:+819012345678@c>", LINE).replace("INVITE", method);
        let length = text.len();
        world.receive(STRANGER, text);
        let answers = world.taken(STRANGER);
        assert!(answers.len() <= 1, "{method}");
        assert!(answers.iter().all(|answer| answer.status() == Some(403) && answer.bytes().len() <= length));
        assert!(world.sent.is_empty() && world.lookups.is_empty() && world.events.is_empty(), "{method}");
        world.advance(std::time::Duration::from_secs(40));
        assert!(world.taken(STRANGER).is_empty(), "never repeated");
    }
}

#[test]
fn n28_many_strangers_are_answered_with_silence() {
    let mut world = World::new();
    for call in 0..1000 {
        world.receive(STRANGER, invite_text(&format!("c{call}"), "<sip:+819012345678@c>", LINE));
    }
    assert_eq!(world.taken(STRANGER).len(), 20);
    assert_eq!(world.engine.counters().strangers, 1000);
}

#[test]
fn n29_answers_go_to_the_real_source() {
    let mut world = World::new();
    let text = invite_text("one", "<sip:+819012345678@c>", "0399999999").replace(
        "192.0.2.10:5060;branch=z9hG4bKone;rport",
        "198.51.100.9:9;branch=z9hG4bKone;rport=9;received=198.51.100.8;maddr=198.51.100.7",
    );
    world.receive(CARRIER, text);
    let trying = world.one(CARRIER);
    let via = trying.top_via();
    assert_eq!(via.received(), Some("192.0.2.10".parse().unwrap()));
    assert_eq!(via.rport(), Some(Some(5060)));
    assert!(world.sent.iter().all(|datagram| datagram.remote.to_string() == PBX));
}

#[test]
fn i1_identity_from_an_untrusted_peer_goes_no_further() {
    let mut world = World::with(|settings| settings.peers[0].trust_identity = false, |_| {});
    let text = invite_text("one", "<sip:+819012345678@c>", "0399999999")
        .replace("Max-Forwards", "P-Asserted-Identity: <sip:+81311112222@x>\r\nMax-Forwards");
    world.receive(CARRIER, text.clone());
    assert_eq!(world.one(PBX).header(Header::PAssertedIdentity), None);

    let mut world = World::new();
    world.receive(CARRIER, text);
    assert!(world.one(PBX).header(Header::PAssertedIdentity).is_some(), "trusted to trusted");
}

#[test]
fn n26_an_emergency_call_passes_untouched_and_at_once() {
    for number in ["110", "118", "119"] {
        let mut world = World::with(|settings| settings.calls = 0, |_| {});
        world.receive(CARRIER, invite_text("one", "<sip:+819012345678@c>", number));
        assert_eq!(world.one(PBX).request_uri(), format!("sip:{number}@192.0.2.1").as_bytes());
        assert!(world.lookups.is_empty());
    }
}

/// The trunk's order looks at To first; the dialled emergency number stands in the Request-URI.
#[test]
fn n26_an_emergency_number_in_the_request_uri_alone_is_enough() {
    let mut world = World::new();
    let text = invite_text("one", "<sip:+819012345678@c>", LINE).replacen(
        "INVITE sip:0312345678",
        "INVITE sip:110",
        1,
    );
    world.receive(CARRIER, text);
    assert_eq!(world.one(PBX).request_uri(), b"sip:110@192.0.2.1");
    assert!(world.lookups.is_empty() && world.events.is_empty());
}

#[test]
fn n26_an_emergency_call_passes_while_the_node_is_being_stopped() {
    let mut world = World::new();
    world.input(crate::engine::Input::Drain);
    world.receive(CARRIER, invite_text("one", "<sip:+819012345678@c>", "119"));
    assert_eq!(world.one(PBX).request_uri(), b"sip:119@192.0.2.1");
    world.taken(CARRIER);
    world.receive(CARRIER, invite_text("two", "<sip:+819012345678@c>", LINE));
    assert_eq!(world.statuses(), [503]);
}

#[test]
fn a_peer_with_a_rate_of_its_own_is_held_to_it() {
    let mut world = World::with(|settings| settings.peers[0].calls_per_s = 2, |_| {});
    for call in ["one", "two", "three"] {
        world.receive(CARRIER, invite_text(call, "<sip:+819012345678@c>", LINE));
    }
    assert_eq!(world.statuses().iter().filter(|status| **status == 503).count(), 1);
    world.advance(std::time::Duration::from_secs(1));
    // The refusal is repeated until its ACK comes; that is not looked at here.
    world.taken(CARRIER);
    world.receive(CARRIER, invite_text("four", "<sip:+819012345678@c>", LINE));
    assert!(!world.statuses().contains(&503));
}

#[test]
fn t1_the_answer_to_an_unreadable_request_names_its_real_source() {
    let mut world = World::new();
    let text = invite_text("one", "<sip:+819012345678@c>", LINE).replace("CSeq: 1 INVITE", "CSeq: 1 BYE");
    world.receive(CARRIER, text);
    let answer = world.one(CARRIER);
    assert_eq!((answer.status(), answer.top_via().rport()), (Some(400), Some(Some(5060))));
}

#[test]
fn above_the_limit_a_call_is_refused_with_503() {
    let mut world = World::with(|settings| settings.calls = 1, |_| {});
    world.invite("one");
    world.taken(CARRIER);
    world.receive(CARRIER, invite_text("two", "<sip:+819012345678@c>", LINE));
    assert_eq!(world.statuses(), [503]);
}
