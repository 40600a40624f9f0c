//! Whom the call is offered to, in what order, and how each offer ends.

use std::sync::Arc;
use std::time::Duration;

use super::world::{CARRIER, PBX, PHONE_1, PHONE_2, World, cancel_text, card, invites};
use crate::engine::Input;
use crate::message::{Header, Method};

#[test]
fn the_pop_leaves_before_the_invite_to_the_phone() {
    let mut world = World::new();
    world.screen("a1");
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    assert_eq!(world.order, ["pop.offered"]);
    let offer = world.last_offer();
    world.input(Input::Announced(offer));
    assert_eq!(world.order, ["pop.offered", &format!("INVITE {PHONE_1}")]);
}

#[test]
fn a_pop_that_is_never_written_holds_the_invite_for_fifty_milliseconds() {
    let mut world = World::new();
    world.screen("a1");
    world.invite_unknown("one");
    world.advance(Duration::from_millis(49));
    assert_eq!(world.order, ["pop.offered"]);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.order.len(), 2);
    assert_eq!(world.engine.counters().announce_deadlines, 1);
}

#[test]
fn without_a_screen_the_invite_leaves_at_once_and_names_the_contact() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    assert_eq!(invite.request_uri(), format!("sip:a1@{PHONE_1}").as_bytes());
    assert_eq!(invite.header(Header::From), Some(&b"<sip:+819012345678@carrier.example>;tag=caller"[..]));
    assert_eq!(invite.max_forwards(), Some(69));
}

#[test]
fn m003_the_assignee_rings_first_where_the_line_says_so() {
    let mut world = World::new();
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a2"))]));
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);

    let mut world = World::with(
        |_| {},
        |directory| {
            directory.lines.values_mut().for_each(|line| Arc::make_mut(line).assigned_first = false);
        },
    );
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a2"))]));
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1, "off: the longest idle agent rings");
}

#[test]
fn after_486_the_next_agent_is_tried_at_once_and_that_phone_rests() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.happened();
    world.reply(PHONE_1, &invite, 486, "busy");
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(world.happened(), ["pop.withdrawn Rerouted", "pop.offered"]);
    let ack = world.one(PHONE_1);
    assert_eq!(ack.method(), Method::Ack);
    assert_eq!(world.statuses(), [100], "the refusal is the agent's, not the call's");

    world.invite_unknown("two");
    assert_eq!(invites(world.taken(PHONE_1)).len(), 0, "the phone rests for 30 s");
    world.advance(Duration::from_secs(31));
    world.invite_unknown("three");
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1);
}

#[test]
fn after_no_answer_the_agent_is_away_and_the_next_one_rings() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "ring");
    world.happened();
    world.advance(Duration::from_secs(10));
    assert_eq!(world.status_of("a1"), ("away".to_owned(), Some("rona".to_owned()), "idle".to_owned()));
    let happened = world.happened();
    assert_eq!(happened, ["ring.sla 10000", "pop.withdrawn Timeout", "pop.missed", "pop.offered"]);
    let cancel = world.one(PHONE_1);
    assert_eq!(cancel.method(), Method::Cancel);
    assert_eq!(
        cancel.top_via().branch(),
        invite.top_via().branch(),
        "RFC 3261 §9.1: the branch of the INVITE"
    );
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(world.stored.last().map(|stored| stored.agent.as_str()), Some("a1"), "the absence is kept");
}

#[test]
fn m090_ten_seconds_of_ringing_are_told_once_whoever_rings() {
    let told = |world: &mut World| world.happened().iter().filter(|it| it.starts_with("ring.sla")).count();
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    world.reply(PHONE_1, &first, 180, "ring");
    world.advance(Duration::from_secs(6));
    world.reply(PHONE_1, &first, 486, "busy");
    let second = invites(world.taken(PHONE_2)).remove(0);
    world.reply(PHONE_2, &second, 180, "ring");
    world.advance(Duration::from_millis(3_999));
    assert_eq!(told(&mut world), 0);
    world.advance(Duration::from_millis(1));
    assert_eq!(told(&mut world), 1, "counted from the caller's INVITE, not from the second phone's");
    world.advance(Duration::from_secs(60));
    assert_eq!(told(&mut world), 0, "once");

    let mut world = World::new();
    world.invite_unknown("two");
    let invite = world.one(PHONE_1);
    world.advance(Duration::from_secs(9));
    world.reply(PHONE_1, &invite, 200, "desk");
    world.advance(Duration::from_secs(60));
    assert_eq!(told(&mut world), 0, "answered in time");
}

#[test]
fn when_nobody_is_left_the_call_goes_to_the_pbx_as_it_came() {
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    world.reply(PHONE_1, &first, 603, "no");
    let second = invites(world.taken(PHONE_2)).remove(0);
    world.reply(PHONE_2, &second, 480, "no");
    let pbx = world.one(PBX);
    assert_eq!(pbx.request_uri(), b"sip:0312345678@192.0.2.1", "the Request-URI stays as it came");
    world.reply(PBX, &pbx, 404, "pbx");
    assert_eq!(world.statuses(), [100, 404], "the PBX speaks for the call");
}

#[test]
fn an_agent_is_offered_one_call_at_a_time() {
    let mut world = World::new();
    for call in ["one", "two", "three"] {
        world.invite_unknown(call);
    }
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1);
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(invites(world.taken(PBX)).len(), 1);
}

#[test]
fn cancel_withdraws_the_offer_and_reaches_the_phone_with_its_reason() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "ring");
    world.happened();
    world.receive(CARRIER, cancel_text("one", "Reason: Q.850;cause=16\r\n"));
    assert_eq!(world.happened(), ["pop.withdrawn CallerGaveUp", "pop.missed", "call.abandoned 0"]);
    let cancel = world.one(PHONE_1);
    assert_eq!(cancel.header(Header::Reason), Some(&b"Q.850;cause=16"[..]));
    assert_eq!(world.statuses(), [100, 180, 200]);
    world.reply(PHONE_1, &cancel, 200, "ring");
    world.reply(PHONE_1, &invite, 487, "ring");
    assert_eq!(world.statuses(), [487]);
    assert_eq!(world.status_of("a1").2, "idle");
    assert_eq!(world.records.len(), 1);
}

#[test]
fn a_cancel_before_any_provisional_waits_for_one() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.receive(CARRIER, cancel_text("one", ""));
    assert_eq!(world.taken(PHONE_1).len(), 0, "RFC 3261 §9.1: no CANCEL before a provisional response");
    world.reply(PHONE_1, &invite, 180, "ring");
    assert_eq!(world.one(PHONE_1).method(), Method::Cancel);
}

#[test]
fn n14_a_cancel_with_another_branch_ends_nothing() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.taken(CARRIER);
    world.happened();
    world.receive(CARRIER, cancel_text("one", "").replace("z9hG4bKone", "z9hG4bKother"));
    assert_eq!(world.statuses(), [481]);
    assert!(world.happened().is_empty());
}
