//! A screen that does not answer and a phone out of service: both block offers, and only that.

use std::time::Duration;

use super::world::{PHONE_1, PHONE_2, World, invites};
use crate::engine::{Answer, Input, Request};
use crate::message::{Message, Method};
use crate::presence::{AgentId, CallId, Overlay, PresenceDocument, StaleCause};

const SECOND: Duration = Duration::from_secs(1);

fn a1() -> AgentId {
    AgentId::new("a1")
}

/// A call rings at `a1`, who has a screen.
fn ringing() -> (World, Message) {
    let mut world = World::new();
    world.screen("a1");
    world.invite_unknown("one");
    world.input(Input::Announced(world.last_offer()));
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "phone");
    (world, invite)
}

fn not_painted(world: &mut World) {
    let offer = world.last_offer();
    world.input(Input::Stale(a1(), StaleCause::Render, Some(offer)));
}

fn document(world: &mut World, agent: &str) -> PresenceDocument {
    let Ok(Answer::Presences(all)) = world.ask(Request::Presences) else { panic!("presences") };
    all.into_iter().find(|document| document.agent.as_str() == agent).expect("the agent")
}

fn overlays(world: &mut World, agent: &str) -> Vec<Overlay> {
    document(world, agent).overlays.iter().map(|overlay| overlay.kind).collect()
}

fn traces(world: &mut World) -> Vec<String> {
    let Ok(Answer::Calls(calls)) = world.ask(Request::LiveCalls) else { panic!("calls") };
    calls.iter().flat_map(|call| &call.traces).map(|trace| format!("{trace:?}")).collect()
}

#[test]
fn a_card_that_is_not_painted_sends_the_call_on_and_the_trace_says_why() {
    let (mut world, _) = ringing();
    let before = document(&mut world, "a2");
    let offer = world.last_offer();
    world.happened();
    world.input(Input::Stale(a1(), StaleCause::Render, Some(offer)));
    assert_eq!(world.happened(), ["presence.stale a1 render", "pop.withdrawn Rerouted", "pop.offered"]);
    assert_eq!(world.one(PHONE_1).method(), Method::Cancel);
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(overlays(&mut world, "a1"), [Overlay::ClientStale]);
    assert_eq!(world.status_of("a1"), ("available".to_owned(), None, "idle".to_owned()), "no RONA");
    assert!(world.stored.is_empty(), "nothing of it is kept");
    let last = traces(&mut world).pop().unwrap();
    assert!(last.contains("client_stale") && last.contains("the screen of a1"), "{last}");
    assert!(before.overlays.is_empty());
    assert_eq!(world.engine.counters().stale_screens, 1);
}

#[test]
fn a_stale_screen_is_named_by_the_next_decision_and_ends_when_it_answers() {
    let (mut world, _) = ringing();
    not_painted(&mut world);
    world.taken(PHONE_1);
    world.invite_unknown("two");
    assert!(invites(world.taken(PHONE_1)).is_empty());
    assert!(traces(&mut world).pop().unwrap().contains("a1 client_stale"));
    world.events.clear();
    world.input(Input::Fresh(a1()));
    assert!(overlays(&mut world, "a1").is_empty());
    assert_eq!(world.events.len(), 1, "one presence.changed");
    world.invite_unknown("three");
    assert!(!world.happened().is_empty());
    assert!(document(&mut world, "a1").call.is_some(), "offered again");
}

#[test]
fn a_screen_that_says_hello_is_fresh_and_one_that_never_does_blocks_for_a_minute() {
    let (mut world, _) = ringing();
    not_painted(&mut world);
    let mut again = ringing().0;
    not_painted(&mut again);
    world.input(Input::Screens(a1(), false));
    assert_eq!(overlays(&mut world, "a1"), [Overlay::ClientStale], "a screen that goes is no answer");
    world.screen("a1");
    assert!(overlays(&mut world, "a1").is_empty());

    again.advance(SECOND * 59);
    assert_eq!(overlays(&mut again, "a1"), [Overlay::ClientStale]);
    again.events.clear();
    again.advance(SECOND);
    assert!(overlays(&mut again, "a1").is_empty());
    assert!(again.events.iter().any(|event| event.audience.len() == 2), "agent and team are told");
}

#[test]
fn what_was_taken_answered_or_withdrawn_is_not_taken_back() {
    let (mut world, _) = ringing();
    let call = world.events.iter().find_map(|event| event.call.clone()).unwrap();
    take(&mut world, &call);
    let before = world.events.len();
    not_painted(&mut world);
    assert!(world.events.len() == before && overlays(&mut world, "a1").is_empty(), "a key was pressed on it");

    let (mut world, invite) = ringing();
    world.reply(PHONE_1, &invite, 200, "phone");
    not_painted(&mut world);
    assert_eq!(document(&mut world, "a1").state, "on_call");
    assert!(overlays(&mut world, "a1").is_empty(), "it rings no longer");
}

fn take(world: &mut World, call: &CallId) {
    let rev = 1;
    world.ask(Request::TakePop { agent: a1(), call: call.clone(), rev }).unwrap();
}

#[test]
fn missed_pongs_block_the_next_offer_and_leave_the_present_one() {
    let (mut world, _) = ringing();
    world.happened();
    world.input(Input::Stale(a1(), StaleCause::HeartBeat, None));
    assert_eq!(world.happened(), ["presence.stale a1 heart_beat"]);
    assert_eq!(document(&mut world, "a1").state, "ringing");
    assert_eq!(overlays(&mut world, "a1"), [Overlay::ClientStale]);
}

#[test]
fn with_a_limit_of_zero_screens_are_not_watched() {
    let mut world = World::with(|settings| settings.stale_limit = Duration::ZERO, |_| {});
    world.screen("a1");
    world.invite_unknown("one");
    not_painted(&mut world);
    assert!(overlays(&mut world, "a1").is_empty());
}

#[test]
fn an_overlay_survives_the_process_and_still_ends_in_time() {
    let (mut world, _) = ringing();
    not_painted(&mut world);
    world.reborn();
    assert_eq!(overlays(&mut world, "a1"), [Overlay::ClientStale]);
    world.advance(SECOND * 60);
    assert!(overlays(&mut world, "a1").is_empty());
}

#[test]
fn a_silent_phone_is_down_until_it_answers_a_probe() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.advance(Duration::from_millis(2_800));
    assert_eq!(overlays(&mut world, "a1"), [Overlay::PhoneDown]);
    assert_eq!(world.status_of("a1").0, "available");
    world.taken(PHONE_1);
    world.invite_unknown("two");
    assert!(traces(&mut world).pop().unwrap().contains("a1 phone_down"));
    world.advance(SECOND * 5);
    let probe = world.taken(PHONE_1).into_iter().rfind(|message| message.method() == Method::Options);
    world.reply(PHONE_1, &probe.expect("it is asked whether it is back"), 200, "probe");
    assert!(overlays(&mut world, "a1").is_empty());
    world.invite_unknown("three");
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1, "and it is offered calls at once");
}

#[test]
fn a_phone_that_stays_silent_is_tried_again_after_its_rest() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.advance(SECOND * 3);
    assert_eq!(overlays(&mut world, "a1"), [Overlay::PhoneDown]);
    world.advance(SECOND * 30);
    assert!(overlays(&mut world, "a1").is_empty());
    world.taken(PHONE_1);
    world.advance(SECOND * 60);
    assert!(world.taken(PHONE_1).is_empty(), "nobody asks it any more");
}

#[test]
fn a_phone_that_cannot_be_reached_is_down_and_one_that_is_busy_is_not() {
    for (status, down) in [(480, true), (503, true), (404, true), (486, false), (603, false)] {
        let mut world = World::new();
        world.invite_unknown("one");
        let invite = world.one(PHONE_1);
        world.reply(PHONE_1, &invite, status, "phone");
        let expected: &[Overlay] = if down { &[Overlay::PhoneDown] } else { &[] };
        assert_eq!(overlays(&mut world, "a1"), expected, "{status}");
        assert!(world.status_of("a1").0 == "available" && world.stored.is_empty(), "{status}");
    }
}

#[test]
fn a_silent_phone_whose_agent_has_left_the_house_is_asked_no_more() {
    let mut world = World::new();
    world.invite_unknown("one");
    world.advance(SECOND * 3);
    assert_eq!(overlays(&mut world, "a1"), [Overlay::PhoneDown]);
    world.directory(|people| _ = people.agents.remove(&a1()));
    world.advance(SECOND * 60);
    world.taken(PHONE_1);
    world.advance(SECOND * 60);
    assert!(world.taken(PHONE_1).is_empty(), "nobody asks it any more");
    assert!(world.engine.hops.phones.is_empty() && world.engine.hops.phones_tick.is_none());
}
