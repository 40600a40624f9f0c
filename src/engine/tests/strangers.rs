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

#[test]
fn above_the_limit_a_call_is_refused_with_503() {
    let mut world = World::with(|settings| settings.calls = 1, |_| {});
    world.invite("one");
    world.taken(CARRIER);
    world.receive(CARRIER, invite_text("two", "<sip:+819012345678@c>", LINE));
    assert_eq!(world.statuses(), [100, 503]);
}
