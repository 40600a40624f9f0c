//! From the answer to the record.

use std::time::Duration;

use super::world::{CARRIER, PHONE_1, PHONE_2, World, card, invites, within_dialog};
use crate::events::EndReason;
use crate::message::{Header, Method};

#[test]
fn an_answered_call_goes_through_wrap_up_to_its_record() {
    let mut world = World::new();
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.reply(PHONE_1, &invite, 200, "phone");
    let up = world.taken(CARRIER);
    assert_eq!(up.iter().filter_map(|message| message.status()).collect::<Vec<_>>(), [100, 180, 200]);
    let ok = up.last().unwrap();
    assert_eq!(ok.top_via().branch(), Some(&b"z9hG4bKone"[..]), "our Via is gone");
    assert_eq!(
        world.happened(),
        ["pop.offered", "call.ringing", "pop.taken a1", "call.answered a1"],
        "taken is sent once"
    );
    assert_eq!(world.status_of("a1").2, "on_call");

    world.receive(CARRIER, within_dialog("ACK", 1, ok));
    let ack = world.one(PHONE_1);
    assert_eq!((ack.method(), ack.header(Header::Route)), (Method::Ack, None));
    world.advance(Duration::from_secs(42));
    world.receive(CARRIER, within_dialog("BYE", 2, ok));
    let bye = invites_or(world.taken(PHONE_1), Method::Bye);
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.statuses(), [200]);
    assert_eq!(world.happened(), ["call.ended completed 42", "wrapup.started"]);
    assert_eq!(world.status_of("a1").2, "wrap_up");
    let record = &world.records[0];
    assert_eq!((record.end_reason, record.talk_s), (Some(EndReason::Completed), 42));
    assert_eq!(record.agent.as_ref().map(|agent| agent.as_str()), Some("a1"));
    assert_eq!(record.customer.as_ref().map(|customer| customer.as_str()), Some("cu-1"));
    assert_eq!(record.status, Some(200));
    assert!(!record.traces.is_empty());

    world.advance(Duration::from_secs(30));
    assert_eq!(world.happened(), ["wrapup.done", "pop.closed"]);
    assert_eq!(world.status_of("a1").2, "idle");
}

#[test]
fn i16_nothing_is_left_behind() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("ACK", 1, &ok));
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = invites_or(world.taken(PHONE_1), Method::Bye);
    world.reply(PHONE_1, &bye, 200, "phone");
    world.advance(Duration::from_secs(74));
    let gauges = world.engine.gauges();
    // The caller is remembered for a week, for rules that count calls.
    assert_eq!(gauges, crate::engine::Gauges { callers_known: 1, ..crate::engine::Gauges::default() });
}

#[test]
fn r1_a_repeated_2xx_goes_up_again() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    world.reply(PHONE_1, &invite, 200, "phone");
    assert_eq!(world.statuses(), [100, 200, 200]);
    assert_eq!(world.happened().iter().filter(|name| name.starts_with("call.answered")).count(), 1);
}

#[test]
fn r5_a_response_that_matches_nothing_is_dropped() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.taken(CARRIER);
    let forged =
        String::from_utf8(crate::message::response(&invite, 200, None, Some("x"), &[]).to_vec()).unwrap();
    let branch = String::from_utf8(invite.top_via().branch().unwrap().to_vec()).unwrap();
    world.receive(PHONE_1, forged.replace(&branch, "z9hG4bKforged"));
    assert!(world.statuses().is_empty());
    assert_eq!(world.engine.counters().stray_responses, 1);
}

#[test]
fn r5_a_response_with_a_broken_via_below_ours_goes_nowhere() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.taken(CARRIER);
    let ringing =
        String::from_utf8(crate::message::response(&invite, 180, None, Some("x"), &[]).to_vec()).unwrap();
    let (ours, below) = ringing.split_at(ringing.rfind("SIP/2.0/UDP").unwrap());
    world.receive(PHONE_1, format!("{ours}{}", below.replacen("SIP/2.0/UDP", "SIP/2.0", 1)));
    assert!(world.statuses().is_empty());
    assert_eq!(world.engine.counters().malformed, 1);
    world.receive(PHONE_1, ringing);
    assert_eq!(world.statuses(), [180]);
}

#[test]
fn r7_the_losing_branch_is_cancelled_as_completed_elsewhere() {
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    world.reply(PHONE_1, &first, 180, "one");
    world.advance(Duration::from_secs(10));
    let second = invites(world.taken(PHONE_2)).remove(0);
    world.reply(PHONE_2, &second, 180, "two");
    // The first phone answers although its CANCEL is on the way: its 2xx goes up, the second one loses.
    world.happened();
    world.reply(PHONE_1, &first, 200, "one");
    assert!(world.statuses().contains(&200));
    let cancel = world.one(PHONE_2);
    assert_eq!(cancel.header(Header::Reason), Some(&b"SIP;cause=200;text=\"Call completed elsewhere\""[..]));
    assert_eq!(world.happened(), ["pop.withdrawn AnsweredElsewhere", "call.answered a1"]);
    assert_eq!(world.status_of("a2").2, "idle");
}

#[test]
fn an_answer_over_the_default_route_is_a_call_without_agent() {
    let mut world = World::new();
    world.receive(CARRIER, super::world::invite_text("one", "<sip:+819012345678@c>", "0399999999"));
    let pbx = world.one(super::world::PBX);
    world.reply(super::world::PBX, &pbx, 200, "pbx");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.one(super::world::PBX);
    world.reply(super::world::PBX, &bye, 200, "pbx");
    assert_eq!(world.records.len(), 1);
    assert_eq!((&world.records[0].agent, &world.records[0].line), (&None, &None));
}

fn invites_or(messages: Vec<crate::message::Message>, method: Method) -> crate::message::Message {
    messages.into_iter().find(|message| message.status().is_none() && message.method() == method).unwrap()
}
