//! Callers who wait while everybody is busy: ringing, in order, until somebody is free or the time is over.

use std::sync::Arc;
use std::time::Duration;

use super::world::{
    CARRIER, LINE, PBX, PHONE_1, PHONE_2, World, cancel_text, card, invite_text, invites, with, within_dialog,
};
use crate::engine::{Answer, ErrorCode, Input, ParkSettings, Request, Settings};
use crate::events::{Audience, EndReason, Event, EventBody};
use crate::message::{Header, Message, Method};
use crate::park::{AtLimit, ParkMode, Profile};
use crate::presence::{AgentId, AgentStatus, CallId, SetBy};

fn parking(settings: &mut Settings) {
    let modes = vec![(ParkMode::Ringing, Duration::from_secs(90))];
    settings.park = ParkSettings {
        profile: Arc::new(Profile { modes, ..Profile::default() }),
        places: 3,
        patience: Duration::from_secs(15),
        ..ParkSettings::default()
    };
    settings.wrap_up = Duration::ZERO;
}

/// A house that parks, with `a1` and `a2` in calls of their own; the answers to their INVITEs.
fn busy() -> (World, Message, Message) {
    busy_with(|_| {})
}

fn busy_with(change: impl FnOnce(&mut Settings)) -> (World, Message, Message) {
    let mut world = World::with(
        |settings| {
            parking(settings);
            change(settings);
        },
        |_| {},
    );
    let first = talk(&mut world, "first", PHONE_1);
    let second = talk(&mut world, "second", PHONE_2);
    world.events.clear();
    (world, first, second)
}

/// A call comes and this phone answers it; the 200 as the caller has it.
fn talk(world: &mut World, call: &str, phone: &str) -> Message {
    world.invite_unknown(call);
    let invite = invites(world.taken(phone)).remove(0);
    answer(world, phone, &invite)
}

fn answer(world: &mut World, phone: &str, invite: &Message) -> Message {
    world.taken(CARRIER);
    world.reply(phone, invite, 200, "agent");
    let ok = world.taken(CARRIER).into_iter().find(|message| message.status() == Some(200));
    world.taken(phone);
    ok.expect("the caller is answered")
}

/// The caller of an answered call hangs up.
fn bye(world: &mut World, ok: &Message, phone: &str) {
    world.receive(CARRIER, within_dialog("BYE", 2, ok));
    let bye = world.taken(phone).into_iter().find(|message| message.method() == Method::Bye);
    world.reply(phone, &bye.expect("the BYE reaches the phone"), 200, "agent");
    world.taken(CARRIER);
}

#[test]
fn the_group_is_warned_once_of_a_caller_who_has_nearly_waited_too_long() {
    let (mut world, _, _) = busy_with(|settings| settings.park.warn_before = Duration::from_secs(30));
    world.invite_unknown("third");
    assert_eq!(world.happened(), ["call.parked ringing"]);
    world.advance(Duration::from_secs(59));
    assert!(!world.happened().iter().any(|event| event.starts_with("park.warning")));
    world.advance(Duration::from_secs(1));
    let warning = world.events.iter().find(|event| matches!(event.body, EventBody::ParkWarning { .. }));
    let audience = warning.expect("a warning").audience.clone();
    assert!(audience.contains(&Audience::Team("front".to_owned())), "{audience:?}");
    assert!(audience.contains(&Audience::Agent(AgentId::new("a1"))), "{audience:?}");
    assert_eq!(world.happened(), ["park.warning 60 30"]);
    world.advance(Duration::from_secs(30));
    assert!(!world.happened().iter().any(|event| event.starts_with("park.warning")));
}

#[test]
fn a_waiting_caller_is_shown_with_name_assignee_group_and_limit() {
    let (mut world, _, _) = busy();
    world.invite("third");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let parked = world.events.iter().find_map(|event| {
        let EventBody::CallParked(parked) = &event.body else { return None };
        Some(parked.clone())
    });
    let parked = parked.expect("the caller waits");
    assert_eq!(parked.customer.as_deref(), Some("山田 花子"));
    assert_eq!(parked.assignee.map(|it| (it.id, it.name)), Some((AgentId::new("a1"), "高橋".to_owned())));
    assert_eq!(parked.group.as_deref(), Some("front"));
    assert_eq!(parked.limit.duration_since(parked.since).as_secs(), 90);
}

#[test]
fn the_card_offers_to_park_only_where_the_caller_may_wait() {
    let mut world = World::with(parking, |_| {});
    world.invite_unknown("one");
    assert!(world.last_pop().actions.contains(&"park".to_owned()));
    let mut world = World::new();
    world.invite_unknown("one");
    assert!(!world.last_pop().actions.contains(&"park".to_owned()));
}

fn ask_retrieve(world: &mut World, agent: &str, call: &CallId) -> Result<Answer, ErrorCode> {
    let request = Request::RetrieveCall { agent: AgentId::new(agent), call: call.clone() };
    world.ask(request).map_err(|refusal| refusal.code)
}

fn parked_call(world: &World) -> CallId {
    let parked = |event: &&Event| matches!(event.body, EventBody::CallParked(_));
    world.events.iter().rev().find(parked).and_then(|event| event.call.clone()).expect("a call is parked")
}

fn away(world: &mut World, agent: &str) {
    set(world, agent, AgentStatus::Offline);
}

fn set(world: &mut World, agent: &str, status: AgentStatus) {
    let agent = AgentId::new(agent);
    world.ask(Request::SetPresence { agent, status, by: SetBy::Manual, user: "u".to_owned() }).unwrap();
}

fn quiet(world: &World) {
    let gauges = world.engine.gauges();
    assert_eq!((gauges.lot_taken, gauges.lot_waiting), (0, 0), "{gauges:?}");
}

#[test]
fn i26_the_caller_rings_and_the_first_who_is_free_has_the_call_pop_first() {
    let (mut world, first, _) = busy();
    world.screen("a1");
    world.invite_unknown("third");
    let messages = world.taken(CARRIER);
    assert_eq!(messages.iter().filter_map(Message::status).collect::<Vec<_>>(), [100, 180]);
    let ringing = &messages[1];
    assert_eq!(ringing.header(Header::Contact), Some(&b"<sip:192.0.2.1:5060>"[..]));
    assert!(ringing.to_tag().is_some(), "an early dialog of its own");
    assert_eq!(world.happened(), ["call.parked ringing"]);
    assert!(invites(world.taken(PBX)).is_empty());
    world.advance(Duration::from_secs(30));

    world.order.clear();
    bye(&mut world, &first, PHONE_1);
    let offer = world.last_offer();
    world.input(Input::Announced(offer));
    assert_eq!(world.order, ["pop.offered", &format!("INVITE {PHONE_1}")]);
    let invite = invites(world.taken(PHONE_1)).remove(0);
    answer(&mut world, PHONE_1, &invite);
    let happened = world.happened();
    assert!(happened.contains(&"call.retrieved a1 Retrieved 30".to_owned()), "{happened:?}");
    assert_eq!(world.engine.counters().park_retrieved, 1);
    quiet(&world);
}

#[test]
fn who_waited_longest_is_served_first_and_an_agent_has_one_offer() {
    let (mut world, first, second) = busy();
    for call in ["third", "fourth"] {
        world.invite_unknown(call);
    }
    bye(&mut world, &first, PHONE_1);
    let invite = invites(world.taken(PHONE_1));
    assert_eq!(invite.len(), 1, "one offer, though two wait");
    assert_eq!(invite[0].call_id(), b"third");
    bye(&mut world, &second, PHONE_2);
    assert_eq!(invites(world.taken(PHONE_2)).remove(0).call_id(), b"fourth");
}

#[test]
fn whatever_brings_an_agent_back_serves_who_waits() {
    // Not only the end of a call: a status, a new screen, an end of a phone's rest, a directory.
    let (mut world, _, _) = busy_with(|settings| settings.require_screen = false);
    away(&mut world, "a1");
    world.invite_unknown("third");
    world.directory(|directory| {
        let mut newcomer = directory.agents[&AgentId::new("a1")].clone();
        newcomer.id = AgentId::new("a3");
        newcomer.contact = "sip:a3@192.0.2.31:5060".to_owned();
        directory.agents.insert(newcomer.id.clone(), newcomer);
    });
    assert!(invites(world.taken(PHONE_1)).is_empty(), "a newcomer is not at work yet");
    set(&mut world, "a3", AgentStatus::Available);
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1);

    let (mut world, _, _) = busy();
    world.invite_unknown("third");
    world.directory(|directory| {
        let mut other = directory.agents[&AgentId::new("a1")].clone();
        other.id = AgentId::new("a3");
        other.groups = vec!["back".to_owned()];
        directory.agents.insert(other.id.clone(), other);
    });
    set(&mut world, "a3", AgentStatus::Available);
    assert!(invites(world.taken(PHONE_1)).is_empty(), "of another group");
    world.directory(|directory| {
        let mut other = directory.agents[&AgentId::new("a1")].clone();
        other.id = AgentId::new("a3");
        directory.agents.insert(other.id.clone(), other);
    });
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1, "joined the group");
}

#[test]
fn a_phone_that_has_rested_is_asked_for_the_next_who_waits() {
    let (mut world, _, second) = busy();
    bye(&mut world, &second, PHONE_2);
    world.invite_unknown("third");
    let invite = invites(world.taken(PHONE_2)).remove(0);
    world.reply(PHONE_2, &invite, 486, "busy");
    world.invite_unknown("fourth");
    assert_eq!(world.engine.gauges().lot_waiting, 2, "a1 talks, a2's phone rests");
    world.taken(PHONE_2);
    world.advance(Duration::from_secs(30));
    assert_eq!(
        invites(world.taken(PHONE_2)).remove(0).call_id(),
        b"fourth",
        "the third had been refused there"
    );
}

#[test]
fn d7_the_180_is_repeated_each_minute_with_the_same_tag() {
    let (mut world, _, _) = busy();
    world.invite_unknown("third");
    let first = world.taken(CARRIER).pop().unwrap();
    world.advance(Duration::from_secs(59));
    assert!(world.taken(CARRIER).is_empty());
    world.advance(Duration::from_secs(1));
    let again = world.one(CARRIER);
    assert_eq!((again.status(), again.to_tag()), (Some(180), first.to_tag()));
}

#[test]
fn i8_at_the_limit_the_caller_goes_to_the_default_route() {
    let (mut world, first, _) = busy();
    world.invite_unknown("third");
    world.happened();
    world.advance(Duration::from_secs(90));
    assert_eq!(invites(world.taken(PBX)).len(), 1);
    let happened = world.happened();
    assert!(happened.contains(&"call.retrieved nobody TimedOut 90".to_owned()), "{happened:?}");
    quiet(&world);
    bye(&mut world, &first, PHONE_1);
    assert!(invites(world.taken(PHONE_1)).is_empty(), "it waits no longer");
    let Ok(Answer::Calls(live)) = world.ask(Request::LiveCalls) else { panic!("live calls") };
    let third = live.iter().find(|record| record.sip_call_id == "third").unwrap();
    let rules = third.traces.iter().map(|trace| trace.value()["rule"].as_str().unwrap().to_owned());
    assert_eq!(rules.collect::<Vec<_>>(), ["wait", "wait_over"]);
}

#[test]
fn at_the_limit_a_house_may_refuse_instead() {
    let (mut world, _, _) = busy_with(|settings| {
        let profile = Profile { at_limit: AtLimit::Refuse(480), ..(*settings.park.profile).clone() };
        settings.park.profile = Arc::new(profile);
    });
    world.invite_unknown("third");
    world.taken(CARRIER);
    world.advance(Duration::from_secs(90));
    assert_eq!(world.statuses(), [180, 480]);
    assert!(invites(world.taken(PBX)).is_empty());
    assert_eq!(world.records.last().and_then(|record| record.end_reason), Some(EndReason::Rejected));
    quiet(&world);
}

#[test]
fn m101_a_caller_who_gives_up_while_waiting_is_abandoned_once() {
    let (mut world, first, _) = busy();
    world.invite_unknown("third");
    world.taken(CARRIER);
    world.happened();
    world.advance(Duration::from_secs(12));
    world.receive(CARRIER, cancel_text("third", ""));
    assert_eq!(world.statuses(), [200, 487]);
    let happened = world.happened();
    assert!(happened.contains(&"call.abandoned 12".to_owned()), "{happened:?}");
    assert!(happened.contains(&"call.retrieved nobody GaveUp 12".to_owned()), "{happened:?}");
    assert_eq!(world.records.len(), 1);
    assert_eq!(world.records[0].end_reason, Some(EndReason::Abandoned));
    quiet(&world);
    bye(&mut world, &first, PHONE_1);
    assert!(invites(world.taken(PHONE_1)).is_empty());
}

#[test]
fn an_offer_that_fails_costs_the_caller_neither_place_nor_time() {
    let (mut world, first, _) = busy();
    for call in ["third", "fourth"] {
        world.invite_unknown(call);
    }
    world.advance(Duration::from_secs(10));
    bye(&mut world, &first, PHONE_1);
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 486, "busy");
    assert_eq!(world.engine.gauges().lot_waiting, 2);
    world.taken(PBX);
    world.advance(Duration::from_secs(79));
    assert!(invites(world.taken(PBX)).is_empty());
    world.advance(Duration::from_secs(1));
    assert!(
        invites(world.taken(PBX)).iter().any(|invite| invite.call_id() == b"third"),
        "90 s after it came"
    );
}

#[test]
fn a_full_lot_sends_the_caller_on_and_counts_it() {
    let (mut world, _, _) = busy();
    for call in ["third", "fourth", "fifth", "sixth"] {
        world.invite_unknown(call);
    }
    assert_eq!(world.engine.gauges().lot_waiting, 3);
    assert_eq!(invites(world.taken(PBX)).len(), 1);
    assert_eq!(world.engine.counters().park_full, 1);
}

#[test]
fn d6_a_caller_who_does_not_want_to_be_queued_or_insists_on_prack_goes_on() {
    for header in ["Request-Disposition: no-queue\r\n", "Require: 100rel\r\n"] {
        let (mut world, _, _) = busy();
        let text = invite_text("third", "<sip:+819012345678@carrier.example>", LINE);
        world.receive(CARRIER, with(&text, header));
        world.answer_lookup(Ok(Vec::new()));
        assert_eq!(invites(world.taken(PBX)).len(), 1, "{header}");
        assert_eq!(world.engine.gauges().lot_taken, 0);
    }
}

#[test]
fn a_trunk_that_allows_no_parking_has_its_callers_sent_on() {
    let (mut world, _, _) = busy_with(|settings| {
        settings.park.by_peer.insert("carrier".to_owned(), Arc::new(Profile::default()));
    });
    world.invite_unknown("third");
    assert_eq!(invites(world.taken(PBX)).len(), 1);
}

#[test]
fn i25_an_emergency_call_is_never_parked() {
    let (mut world, _, _) = busy();
    world.receive(CARRIER, invite_text("third", "<sip:+819012345678@carrier.example>", "110"));
    assert_eq!(invites(world.taken(PBX)).len(), 1);
    assert_eq!(world.engine.counters().parked, 0);
}

#[test]
fn the_assignee_is_waited_for_and_has_their_customer_first() {
    let (mut world, first, _) = busy();
    world.invite_unknown("third");
    world.advance(Duration::from_secs(20));
    world.invite("fourth");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    bye(&mut world, &first, PHONE_1);
    assert_eq!(invites(world.taken(PHONE_1)).remove(0).call_id(), b"fourth");
}

#[test]
fn an_agent_parks_an_offered_call_and_retrieves_it() {
    let (mut world, first, _) = busy();
    bye(&mut world, &first, PHONE_1);
    world.invite_unknown("third");
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "ring");
    let call = world.events.iter().rev().find_map(|event| event.call.clone()).unwrap();
    let (agent, rev) = (AgentId::new("a1"), 1);
    let parked = world.ask(Request::ParkCall { agent, call: call.clone(), rev });
    assert!(matches!(parked, Ok(Answer::Done { .. })), "{parked:?}");
    let cancel = world.taken(PHONE_1).remove(0);
    assert_eq!(cancel.method(), Method::Cancel);
    world.reply(PHONE_1, &cancel, 200, "ring");
    world.reply(PHONE_1, &invite, 487, "ring");
    assert_eq!(world.status_of("a1").2, "idle");
    assert_eq!(world.engine.gauges().lot_waiting, 1, "it does not come back to who parked it by itself");
    world.taken(PHONE_1);

    assert_eq!(ask_retrieve(&mut world, "a2", &call), Err(ErrorCode::Unavailable), "a2 talks");
    assert!(ask_retrieve(&mut world, "a1", &call).is_ok());
    assert_eq!(ask_retrieve(&mut world, "a2", &call), Err(ErrorCode::AlreadyTaken));
    assert_eq!(world.last_pop().offer.reason, "retrieved");
    let invite = invites(world.taken(PHONE_1)).remove(0);
    assert_eq!(invite.call_id(), b"third");
    answer(&mut world, PHONE_1, &invite);
    quiet(&world);
    assert_eq!(ask_retrieve(&mut world, "a1", &call), Err(ErrorCode::AlreadyTaken));
    let (agent, rev) = (AgentId::new("a1"), 3);
    let refused = world.ask(Request::ParkCall { agent, call, rev }).map_err(|refusal| refusal.code);
    assert_eq!(refused, Err(ErrorCode::PbxRefused), "answered calls are parked on the phone");
}

#[test]
fn a_parked_call_that_nobody_retrieves_goes_to_the_group_when_the_patience_is_over() {
    let (mut world, first, second) = busy();
    bye(&mut world, &first, PHONE_1);
    bye(&mut world, &second, PHONE_2);
    world.invite_unknown("third");
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "ring");
    let call = world.events.iter().rev().find_map(|event| event.call.clone()).unwrap();
    world.ask(Request::ParkCall { agent: AgentId::new("a1"), call, rev: 1 }).unwrap();
    world.advance(Duration::from_secs(14));
    assert!(invites(world.taken(PHONE_2)).is_empty(), "parked, not queued");
    world.advance(Duration::from_secs(1));
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
}

#[test]
fn n61_only_those_who_answer_for_the_line_hear_of_the_lot_and_retrieve_from_it() {
    let mut world = World::with(parking, |directory| {
        let mut other = directory.agents[&AgentId::new("a1")].clone();
        other.id = AgentId::new("b1");
        other.groups = vec!["back".to_owned()];
        directory.agents.insert(other.id.clone(), other);
        let group = Some("front".to_owned());
        directory.lines.values_mut().for_each(|line| Arc::make_mut(line).group.clone_from(&group));
    });
    talk(&mut world, "first", PHONE_1);
    talk(&mut world, "second", PHONE_2);
    world.invite_unknown("third");
    let parked = world.events.iter().find(|event| matches!(event.body, EventBody::CallParked(_))).unwrap();
    let agent = |name: &str| Audience::Agent(AgentId::new(name));
    assert_eq!(parked.audience, [Audience::Team("front".to_owned()), agent("a1"), agent("a2")]);
    let call = parked_call(&world);
    assert_eq!(ask_retrieve(&mut world, "b1", &call), Err(ErrorCode::NotFound));
}

#[test]
fn a_late_answer_of_a_phone_that_was_given_up_ends_the_waiting() {
    let (mut world, first, _) = busy();
    bye(&mut world, &first, PHONE_1);
    world.invite_unknown("third");
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "ring");
    world.advance(Duration::from_secs(10));
    assert_eq!(world.engine.gauges().lot_waiting, 1, "a1 did not answer, a2 talks");
    world.reply(PHONE_1, &invite, 200, "ring");
    assert_eq!(world.status_of("a1").2, "on_call");
    quiet(&world);
}

#[test]
fn i20_who_waits_still_waits_after_a_restart() {
    let (mut world, first, _) = busy();
    world.invite_unknown("third");
    world.advance(Duration::from_secs(30));
    world.reborn_as(parking, |_| {});
    world.taken(CARRIER);
    assert_eq!(world.engine.gauges().lot_waiting, 1);
    world.advance(Duration::from_secs(30));
    assert_eq!(world.statuses(), [180], "the minute goes on");
    bye(&mut world, &first, PHONE_1);
    assert_eq!(invites(world.taken(PHONE_1)).remove(0).call_id(), b"third");
}

#[test]
fn a_house_without_park_modes_keeps_nobody_waiting() {
    let (mut world, _, _) = busy_with(|settings| settings.park = ParkSettings::default());
    world.invite_unknown("third");
    assert_eq!(invites(world.taken(PBX)).len(), 1);
    assert_eq!(world.engine.counters().parked, 0);
}
