//! Phones that say nothing, and answers that cross the caller's CANCEL (F9, T7, D10).

use std::time::Duration;

use super::world::{CARRIER, PHONE_1, PHONE_2, World, invite_text, invites, within_dialog};
use crate::engine::Input;
use crate::events::EndReason;
use crate::message::{Message, Method};

const SECOND: Duration = Duration::from_secs(1);

/// After this a phone that says nothing is given up.
const SILENT: Duration = Duration::from_millis(2800);

/// Loss can take the INVITE, its repetitions and their answers; a probe is asked and answered beside them.
#[test]
fn f9_a_phone_that_answers_the_probe_is_alive_and_its_invite_goes_on() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.advance(SECOND * 2);
    let sent = world.taken(PHONE_1);
    let probe = sent.iter().find(|message| message.method() == Method::Options).expect("a probe");
    world.reply(PHONE_1, probe, 200, "probe");
    world.advance(SECOND * 2);
    assert!(invites(world.taken(PHONE_2)).is_empty(), "nobody else is asked");
    let again = invites(world.taken(PHONE_1)).pop().expect("the INVITE is repeated");
    world.reply(PHONE_1, &again, 200, "phone");
    assert_eq!(world.statuses(), [100, 200]);
    assert_eq!(world.engine.counters().silent_phones, 0);
}

#[test]
fn f9_a_silent_phone_costs_less_than_three_seconds_and_rests_while_its_agent_stays_available() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.advance(SECOND * 2);
    assert!(invites(world.taken(PHONE_2)).is_empty(), "it is asked once more");
    world.advance(SILENT - SECOND * 2);
    let silent = world.taken(PHONE_1).remove(0);
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1, "the next agent");
    assert_eq!(world.status_of("a1"), ("available".to_owned(), None, "idle".to_owned()));
    assert!(!world.happened().contains(&"pop.missed".to_owned()), "the person missed nothing");
    assert_eq!((world.engine.counters().silent_phones, world.engine.counters().ring_no_answer), (1, 0));

    world.invite_unknown("two");
    assert!(invites(world.taken(PHONE_1)).is_empty(), "the phone rests");
    world.advance(SECOND * 31);
    world.taken(PHONE_1);
    world.invite_unknown("three");
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1, "for 30 s");
    assert_eq!(silent.method(), Method::Invite);
}

#[test]
fn f9_a_phone_that_says_100_is_rung_for_its_whole_time_and_then_the_agent_is_away() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 100, "");
    world.advance(SECOND * 9);
    assert!(invites(world.taken(PHONE_2)).is_empty());
    world.advance(SECOND);
    assert_eq!(world.status_of("a1").1, Some("rona".to_owned()));
}

#[test]
fn f9_an_unreachable_phone_costs_nothing() {
    let mut world = World::new();
    world.invite_unknown("one");
    let token = world.sent.iter().find_map(|datagram| datagram.token).unwrap();
    world.input(Input::SendFailed(token));
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(world.status_of("a1").0, "available");
}

#[test]
fn f9_the_rest_is_the_phones_whoever_uses_it() {
    let shared = |directory: &mut crate::routing::Directory| {
        let contact = format!("sip:desk@{PHONE_1}");
        directory.agents.values_mut().for_each(|agent| agent.contact.clone_from(&contact));
    };
    let mut world = World::with(|_| {}, shared);
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 480, "off");
    assert!(invites(world.taken(PHONE_1)).is_empty(), "the other agent's phone is the same one");
    assert_eq!(invites(world.taken(super::world::PBX)).len(), 1);
}

#[test]
fn f9_an_agent_who_moves_to_another_phone_is_asked_again() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 480, "off");
    let mut moved = super::world::plain_directory();
    moved.agents.values_mut().filter(|agent| agent.id.as_str() == "a1").for_each(|agent| {
        agent.contact = "sip:a1@192.0.2.32:5070".to_owned();
    });
    world.input(Input::Directory(std::sync::Arc::new(moved)));
    world.taken(PHONE_2);
    world.invite_unknown("two");
    assert_eq!(invites(world.taken("192.0.2.32:5070")).len(), 1);
}

#[test]
fn f9_a_silent_phone_that_answers_late_is_ended() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.advance(SILENT);
    let silent = world.taken(PHONE_1).remove(0);
    let second = world.one(PHONE_2);
    world.reply(PHONE_2, &second, 180, "b");
    world.reply(PHONE_1, &silent, 200, "late");
    let methods: Vec<Method> = world.taken(PHONE_1).iter().map(Message::method).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye]);
    assert_eq!(world.status_of("a1").2, "idle");
    world.reply(PHONE_2, &second, 200, "b");
    assert_eq!(world.statuses(), [100, 180, 200]);
    assert_eq!(world.status_of("a2").2, "on_call");
}

#[test]
fn d10_an_answer_that_crosses_the_cancel_goes_up_and_the_record_says_so() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.receive(CARRIER, cancel("one"));
    assert_eq!(world.status_of("a1").2, "idle", "the pop is withdrawn at once");
    assert!(world.records.is_empty(), "a phone may still answer");
    assert_eq!(world.one(PHONE_1).method(), Method::Cancel);
    world.happened();

    world.reply(PHONE_1, &invite, 200, "phone");
    assert_eq!(world.status_of("a1").2, "on_call", "the phone is off the hook");
    let up = world.taken(CARRIER);
    let statuses: Vec<u16> = up.iter().filter_map(Message::status).collect();
    assert_eq!(statuses, [100, 180, 200, 200], "to the CANCEL, and to the INVITE");
    let ok = up.last().unwrap();

    world.receive(CARRIER, within_dialog("ACK", 1, ok));
    world.receive(CARRIER, within_dialog("BYE", 2, ok));
    let bye = world.taken(PHONE_1).pop().unwrap();
    assert_eq!(bye.method(), Method::Bye);
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.status_of("a1").2, "idle", "there is nothing to write up");
    let record = &world.records[0];
    assert_eq!(world.records.len(), 1);
    assert_eq!(record.end_reason, Some(EndReason::Abandoned));
    assert_eq!(record.status, Some(200));
    assert_eq!(record.agent.as_ref().map(|agent| agent.as_str()), Some("a1"));
    assert!(record.answered_at.is_some(), "abandoned at answer");
    assert!(world.happened().is_empty(), "nobody's screen is told of a conversation");
}

#[test]
fn d10_without_an_answer_the_record_is_a_plain_abandoned_call() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.receive(CARRIER, cancel("one"));
    world.reply(PHONE_1, &invite, 487, "phone");
    assert_eq!(world.statuses(), [100, 180, 200, 487]);
    let record = &world.records[0];
    assert_eq!((record.end_reason, record.status), (Some(EndReason::Abandoned), Some(487)));
    assert_eq!((record.answered_at, record.agent.as_ref()), (None, None));
}

#[test]
fn d10_a_caller_who_never_sends_the_bye_holds_nobody() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.receive(CARRIER, cancel("one"));
    world.reply(PHONE_1, &invite, 200, "phone");
    world.advance(SECOND * 32);
    assert_eq!(world.status_of("a1").2, "idle");
    assert_eq!(world.records[0].end_reason, Some(EndReason::Abandoned));
}

#[test]
fn d10_an_agent_whose_answer_crossed_our_cancel_has_the_call_and_the_next_one_is_let_go() {
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    world.reply(PHONE_1, &first, 180, "a");
    world.advance(SECOND * 10);
    assert_eq!(world.one(PHONE_1).method(), Method::Cancel);
    let second = world.one(PHONE_2);
    world.reply(PHONE_2, &second, 180, "b");
    world.reply(PHONE_1, &first, 200, "a");
    assert_eq!(world.one(PHONE_2).method(), Method::Cancel);
    assert_eq!((world.status_of("a1").2, world.status_of("a2").2), ("on_call".into(), "idle".into()));
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.taken(PHONE_1).pop().unwrap();
    world.reply(PHONE_1, &bye, 200, "a");
    let record = &world.records[0];
    assert_eq!(record.agent.as_ref().map(|agent| agent.as_str()), Some("a1"), "the record says who");
    assert_eq!(record.end_reason, Some(EndReason::Completed));
}

fn cancel(id: &str) -> String {
    invite_text(id, "<sip:+819012345678@carrier.example>", super::world::LINE)
        .replace("INVITE", "CANCEL")
        .replace("Content-Length: 4\r\n\r\nv=0\n", "Content-Length: 0\r\n\r\n")
}
