//! Events are made for readers only, and whoever comes late is shown what they have missed.

use super::world::{CARRIER, PHONE_1, World, card, within_dialog};
use crate::engine::Input;
use crate::message::Method;
use crate::presence::AgentId;

fn listening(world: &mut World, listening: bool) {
    world.input(Input::Listening(listening));
}

fn screen_comes(world: &mut World, agent: &str) {
    listening(world, true);
    world.input(Input::Screens(AgentId::new(agent), true));
}

/// The call of a known customer, answered by `a1`; the answer as the carrier has it.
fn answered_call(world: &mut World) -> crate::message::Message {
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("ACK", 1, &ok));
    world.taken(PHONE_1);
    ok
}

#[test]
fn while_nobody_listens_a_call_is_the_same_and_makes_no_event() {
    let mut world = World::new();
    listening(&mut world, false);
    let ok = answered_call(&mut world);
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.one(PHONE_1);
    assert_eq!(bye.method(), Method::Bye);
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.statuses(), [200]);
    assert_eq!(world.happened(), Vec::<String>::new());
    assert_eq!(world.records[0].customer.as_ref().map(|customer| customer.as_str()), Some("cu-1"));
    assert_eq!(world.status_of("a1").2, "wrap_up");
}

#[test]
fn a_screen_that_comes_while_the_phone_rings_gets_the_card() {
    let mut world = World::new();
    listening(&mut world, false);
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    screen_comes(&mut world, "a1");
    assert_eq!(world.happened(), ["pop.offered"]);
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    assert_eq!(world.happened(), ["pop.taken a1", "call.answered a1"]);
}

#[test]
fn a_screen_that_comes_during_the_call_gets_the_card_with_where_it_stands() {
    let mut world = World::new();
    listening(&mut world, false);
    let ok = answered_call(&mut world);
    screen_comes(&mut world, "a1");
    assert_eq!(world.happened(), ["pop.offered", "pop.taken a1", "call.answered a1"]);
    world.input(Input::Screens(AgentId::new("a1"), true));
    assert_eq!(world.happened(), Vec::<String>::new(), "a second time there is nothing to be caught up with");
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.one(PHONE_1);
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.happened().last().map(String::as_str), Some("wrapup.started"));
}

#[test]
fn a_screen_that_comes_during_the_wrap_up_gets_the_card_with_where_it_stands() {
    let mut world = World::new();
    listening(&mut world, false);
    let ok = answered_call(&mut world);
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.one(PHONE_1);
    world.reply(PHONE_1, &bye, 200, "phone");
    screen_comes(&mut world, "a1");
    assert_eq!(world.happened(), ["pop.offered", "wrapup.started"]);
}
