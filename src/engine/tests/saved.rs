//! State written out as text and read back: calls go on as if nothing had happened.

use std::time::Duration;

use super::world::{CARRIER, PHONE_1, PHONE_2, World, card, invite_text, invites, within_dialog};
use crate::message::Method;

#[test]
fn a_ringing_call_is_answered_after_the_state_was_written_and_read_back() {
    let mut world = World::new();
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.happened();
    world.reborn();
    world.reply(PHONE_1, &invite, 200, "phone");
    assert_eq!(world.happened(), ["pop.taken a1", "call.answered a1"]);
    let ok = world.taken(CARRIER).pop().unwrap();
    world.reborn();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.taken(PHONE_1).into_iter().find(|message| message.method() == Method::Bye).unwrap();
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.records.len(), 1);
    assert_eq!(world.records[0].customer.as_ref().map(|customer| customer.as_str()), Some("cu-1"));
}

#[test]
fn timers_fire_after_the_state_was_read_back() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.reborn();
    world.advance(Duration::from_secs(10));
    assert_eq!(world.status_of("a1").1.as_deref(), Some("rona"));
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
}

/// A branch that waits for the address of a name has no timer: when nobody asked again after a restart, its
/// call stayed for ever.
#[test]
fn a_name_that_was_asked_for_is_asked_for_again_after_the_state_was_read_back() {
    let mut world = World::with(
        |settings| settings.routes = vec![crate::proxy::RouteTarget::only("sip:pbx.example")],
        |_| {},
    );
    world.receive(CARRIER, invite_text("one", "<sip:+819012345678@carrier.example>", "0399999999"));
    assert_eq!(world.names, ["pbx.example"]);
    world.reborn();
    assert_eq!(world.names, ["pbx.example", "pbx.example"]);
}
