//! Duties of a proxy towards a request: order of refusals, Record-Route, Timer C, what is not an INVITE.

use std::time::Duration;

use super::world::{CARRIER, ELSEWHERE, PBX, PHONE_1, World, invite_text, invites, outside, within_dialog};
use crate::message::{Header, Message, Method};

#[test]
fn v1_the_first_fault_in_the_order_of_the_section_is_the_answer() {
    let ours = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n";
    let table = [
        ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
        ("INVITE sip:0399999999@192.0.2.1", "INVITE mailto:a@b", 416),
        ("Max-Forwards: 70\r\n", "Max-Forwards: 0\r\nProxy-Require: privacy\r\n", 483),
        ("Max-Forwards: 70\r\n", "Max-Forwards: 70\r\nProxy-Require: one, two\r\n", 420),
        ("Max-Forwards: 70\r\n", ours, 0),
    ];
    for (old, new, status) in table {
        let mut world = World::new();
        world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE).replacen(old, new, 1));
        let answer = world.taken(CARRIER).pop().unwrap();
        assert_eq!(answer.status().filter(|status| *status > 100).unwrap_or(0), status, "{new}");
        assert_eq!(world.sent.is_empty(), status > 0, "{new}: a refused request goes nowhere");
        if status == 420 {
            assert_eq!(answer.header_named(b"Unsupported"), Some(&b"one, two"[..]));
        }
    }
}

/// RFC 5393 §4.2: back by the same way is a loop, back with another Request-URI is a spiral.
#[test]
fn v6_a_request_that_comes_back_unchanged_is_a_loop_and_a_changed_one_a_spiral() {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let sent = String::from_utf8(world.one(PBX).bytes().to_vec()).unwrap();
    world.taken(CARRIER);
    let back =
        |text: &str| text.replacen("Via: ", "Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bKpbx\r\nVia: ", 1);
    world.receive(PBX, back(&sent));
    let statuses: Vec<u16> = world.taken(PBX).iter().filter_map(Message::status).collect();
    assert_eq!(statuses, [100, 482]);
    let elsewhere = sent.replacen("INVITE sip:0399999999@", "INVITE sip:0388888888@", 1);
    world.receive(PBX, back(&elsewhere).replace("z9hG4bKpbx", "z9hG4bKpbx2"));
    assert_eq!(invites(world.taken(PBX)).len(), 1, "a spiral is forwarded");
}

#[test]
fn v4_a_request_within_the_dialog_gets_no_record_route() {
    let (mut world, ok) = answered();
    for (cseq, method) in [(2, "INVITE"), (3, "UPDATE"), (5, "SUBSCRIBE"), (6, "NOTIFY")] {
        world.receive(CARRIER, within_dialog(method, cseq, &ok));
        let through = world.taken(PHONE_1).pop().unwrap();
        assert_eq!(through.method_bytes(), method.as_bytes());
        assert_eq!(through.header(Header::RecordRoute), None, "{method}");
    }
}

/// RFC 3261 §16.6 item 11: Timer C is above three minutes, on the branch of an INVITE.
#[test]
fn v9_timer_c_ends_a_ringing_branch_after_three_minutes_and_not_before() {
    let (mut world, _) = ringing_at_the_pbx();
    world.advance(Duration::from_secs(180));
    assert!(methods(world.taken(PBX)).is_empty(), "three minutes are not over three minutes");
    world.advance(Duration::from_secs(1));
    assert_eq!(methods(world.taken(PBX)), [Method::Cancel]);
}

#[test]
fn v9_timer_c_begins_anew_with_every_provisional_but_100() {
    let (mut world, invite) = ringing_at_the_pbx();
    for status in [181, 183, 199] {
        world.advance(Duration::from_secs(170));
        world.reply(PBX, &invite, status, "pbx");
    }
    world.advance(Duration::from_secs(170));
    assert!(methods(world.taken(PBX)).is_empty(), "each of them gave the branch three minutes more");
    world.reply(PBX, &invite, 100, "pbx");
    world.advance(Duration::from_secs(11));
    assert_eq!(methods(world.taken(PBX)), [Method::Cancel], "100 gave it nothing");
}

/// RFC 3261 §16.8: CANCEL where a provisional response came; the caller gets what the branch says then.
#[test]
fn v10_after_timer_c_the_branch_is_cancelled_and_its_answer_goes_up() {
    let (mut world, invite) = ringing_at_the_pbx();
    world.statuses();
    world.advance(Duration::from_secs(181));
    let cancel = world.one(PBX);
    assert_eq!((cancel.method(), cancel.top_via().branch()), (Method::Cancel, invite.top_via().branch()));
    world.reply(PBX, &cancel, 200, "pbx");
    world.reply(PBX, &invite, 487, "pbx");
    assert_eq!(world.statuses(), [487]);
}

/// With a 100 alone, RFC 3261 §16.8 asks for CANCEL too; with nothing at all Timer B has ended the branch.
#[test]
fn v10_a_branch_that_never_answered_ends_as_408() {
    let mut world = World::with(|settings| settings.next_target_after = Duration::ZERO, |_| {});
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    world.advance(Duration::from_secs(31));
    assert_eq!(world.statuses(), [100]);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.statuses().first(), Some(&408));
    assert!(methods(world.taken(PBX)).iter().all(|method| *method == Method::Invite), "nothing to cancel");
}

/// RFC 4320 §4.1: over UDP no 100 before Timer E would have reached T2, and one when it does.
#[test]
fn v11_a_request_that_waits_gets_its_100_when_timer_e_would_have_reached_t2() {
    let mut world = World::new();
    world.receive(CARRIER, outside("MESSAGE", "sip:somebody@192.0.2.1", ""));
    world.advance(Duration::from_millis(3_499));
    assert!(world.statuses().is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.statuses(), [100], "0.5 s, 1 s and 2 s have passed");
    let message = world.taken(PBX).remove(0);
    world.reply(PBX, &message, 200, "pbx");
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn v11_a_request_that_was_answered_gets_no_100() {
    let mut world = World::new();
    world.receive(CARRIER, outside("MESSAGE", "sip:somebody@192.0.2.1", ""));
    let message = world.one(PBX);
    world.reply(PBX, &message, 200, "pbx");
    assert_eq!(world.statuses(), [200]);
    assert_eq!(world.engine.gauges().timers, 2, "timers J and K alone");
    world.advance(Duration::from_secs(10));
    assert!(world.statuses().is_empty());
}

fn answered() -> (World, Message) {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    (world, ok)
}

fn ringing_at_the_pbx() -> (World, Message) {
    let mut world = World::new();
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 180, "pbx");
    (world, invite)
}

fn methods(messages: Vec<Message>) -> Vec<Method> {
    messages.iter().filter(|message| message.status().is_none()).map(Message::method).collect()
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";
