//! Duties of a proxy towards responses (RFC 3261 §16.7): which go up, when, and what they carry.

use std::time::Duration;

use super::world::{
    CARRIER, ELSEWHERE, PBX, PHONE_1, PHONE_2, World, cancel_text, invite_text, invites, within_dialog,
};
use crate::message::{Header, Message, Method, response};

#[test]
fn r2_provisionals_go_up_at_once_and_a_received_100_does_not() {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let invite = world.one(PBX);
    assert_eq!(world.statuses(), [100], "our own");
    for (status, up) in [(100, &[][..]), (180, &[180]), (183, &[183]), (199, &[199]), (181, &[181])] {
        world.reply(PBX, &invite, status, "pbx");
        assert_eq!(world.statuses(), up, "{status}");
    }
}

/// Deliberate recursion: the caller asked for the line, and an agent's 603 means "not me". RFC 3261 §16.7
/// item 5 would end the search; toritsugi acts for the line there.
#[test]
fn r3_an_agents_603_sends_the_call_to_the_next_agent() {
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    world.reply(PHONE_1, &first, 603, "no");
    let second = invites(world.taken(PHONE_2)).remove(0);
    assert_eq!(world.statuses(), [100], "the caller waits");
    world.reply(PHONE_2, &second, 200, "yes");
    assert_eq!(world.statuses(), [200]);
}

/// A 6xx of the branch that speaks for the call does end it.
#[test]
fn r3_a_6xx_of_the_default_route_is_the_calls() {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 600, "pbx");
    assert_eq!(world.statuses(), [100, 600]);
    assert!(invites(world.sent.iter().map(|sent| super::world::parsed(&sent.bytes)).collect()).is_empty());
}

#[test]
fn r4_the_challenges_of_all_branches_go_up_together() {
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    challenge(&mut world, PHONE_1, &first, 401, ("WWW-Authenticate", b"Digest realm=\"phone\", nonce=\"1\""));
    let second = invites(world.taken(PHONE_2)).remove(0);
    challenge(
        &mut world,
        PHONE_2,
        &second,
        407,
        ("Proxy-Authenticate", b"Digest realm=\"two\", nonce=\"2\""),
    );
    let third = invites(world.taken(PBX)).remove(0);
    challenge(&mut world, PBX, &third, 407, ("Proxy-Authenticate", b"Digest realm=\"pbx\", nonce=\"3\""));
    let answer = world.taken(CARRIER).pop().unwrap();
    assert_eq!(answer.status(), Some(407));
    let realms = |header| -> Vec<String> {
        let lines = answer.headers(header).map(|value| String::from_utf8(value.to_vec()).unwrap());
        lines.collect()
    };
    assert_eq!(realms(Header::WwwAuthenticate), ["Digest realm=\"phone\", nonce=\"1\""]);
    assert_eq!(
        realms(Header::ProxyAuthenticate),
        ["Digest realm=\"pbx\", nonce=\"3\"", "Digest realm=\"two\", nonce=\"2\""]
    );
}

#[test]
fn r4_a_503_of_the_only_branch_goes_up_as_500() {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 503, "pbx");
    assert_eq!(world.statuses(), [100, 500]);
}

/// An unmatched CANCEL cannot be forwarded to the target of its INVITE: presence decided that and has
/// changed. 481 says that nothing was cancelled.
#[test]
fn r6_a_cancel_that_matches_nothing_gets_481_and_goes_nowhere() {
    let mut world = World::new();
    world.receive(CARRIER, cancel_text("never", ""));
    assert_eq!(world.statuses(), [481]);
    assert!(world.sent.is_empty());
}

#[test]
fn r6_a_cancel_is_answered_200_and_passed_on_with_the_branch_of_its_invite() {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 180, "pbx");
    let text = cancel_text("one", "").replace("0312345678", ELSEWHERE);
    world.receive(CARRIER, text);
    assert_eq!(world.statuses(), [100, 180, 200]);
    let cancel = world.one(PBX);
    assert_eq!((cancel.method(), cancel.top_via().branch()), (Method::Cancel, invite.top_via().branch()));
    world.reply(PBX, &invite, 487, "pbx");
    assert_eq!(world.statuses(), [487]);
}

/// RFC 3261 §16.11: what is forwarded without a transaction always takes the same way; the ACK to a 2xx is
/// all there is, and its repeats carry the same branch.
#[test]
fn r10_only_the_ack_to_a_2xx_is_stateless_and_each_repeat_is_the_same() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    let before = world.engine.gauges().client_transactions;
    world.receive(CARRIER, within_dialog("ACK", 1, &ok));
    world.receive(CARRIER, within_dialog("ACK", 1, &ok));
    let acks = world.taken(PHONE_1);
    assert_eq!(acks.len(), 2);
    assert_eq!(acks[0].bytes(), acks[1].bytes());
    assert_eq!(world.engine.gauges().client_transactions, before);
    for method in ["INVITE", "BYE", "INFO"] {
        let before = world.engine.gauges().client_transactions;
        world.receive(CARRIER, within_dialog(method, 2, &ok));
        assert_eq!(world.engine.gauges().client_transactions, before + 1, "{method}");
    }
}

#[test]
fn r9_each_failed_branch_gets_its_own_ack_and_the_callers_ack_stays_here() {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 404, "pbx");
    let ack = world.one(PBX);
    assert_eq!((ack.method(), ack.top_via().branch()), (Method::Ack, invite.top_via().branch()));
    world.taken(CARRIER);
    let text = invite_text("one", CALLER, ELSEWHERE).replace("INVITE", "ACK");
    world.receive(
        CARRIER,
        text.replacen("To: <sip:0399999999@192.0.2.1>", "To: <sip:0399999999@x>;tag=pbx", 1),
    );
    world.advance(Duration::from_secs(3));
    assert!(world.sent.is_empty(), "the refusal is not repeated after its ACK, and the ACK goes no further");
}

#[track_caller]
fn challenge(world: &mut World, from: &str, request: &Message, status: u16, header: (&str, &[u8])) {
    world.receive(from, response(request, status, None, Some("asks"), &[header]));
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";
