//! Several phones at once: a rule that rings all of a group.

use std::sync::Arc;
use std::time::Duration;

use super::world::{
    CARRIER, LINE, PBX, PHONE_1, PHONE_2, World, cancel_text, card, invite_text, invites, name_of, with,
    within_dialog,
};
use crate::engine::{Answer, ErrorCode, Request};
use crate::events::{Audience, EventBody};
use crate::message::{Header, Message, Method};
use crate::presence::{AgentId, CallId};
use crate::routing::rules::{RuleLimits, RuleSet};
use crate::routing::{Agent, Directory};

const RULE: &str = r#"rule = [{ name = "all", ring = { group = "front", strategy = "ring_all" } }]"#;
const CALLER: &str = "<sip:+819012345678@carrier.example>";

fn ring_all(directory: &mut Directory) {
    directory.rules = Arc::new(RuleSet::parse(RULE, &RuleLimits::default()).unwrap());
}

fn world() -> World {
    World::with(|_| {}, ring_all)
}

/// Both phones ring for one caller.
fn ringing() -> (World, [Message; 2]) {
    let mut world = world();
    world.invite_unknown("one");
    let phones = [PHONE_1, PHONE_2].map(|phone| (phone, invites(world.taken(phone)).remove(0)));
    let phones = phones.map(|(phone, invite)| {
        world.reply(phone, &invite, 180, phone);
        invite
    });
    world.statuses();
    (world, phones)
}

/// What each agent's screen was told of pops since the last look.
fn pops(world: &mut World) -> Vec<String> {
    let events = std::mem::take(&mut world.events);
    let told = events.iter().filter_map(|event| {
        let name = name_of(&event.body);
        let what = if let EventBody::PopOffered { pop, .. } = &event.body {
            format!("offered {} {}", pop.offer.reason, pop.offer.others)
        } else if let EventBody::PopClaimed { by } = &event.body {
            format!("claimed {by}")
        } else {
            name.strip_prefix("pop.")?.to_owned()
        };
        let Some(Audience::Agent(agent)) = event.audience.first() else { return None };
        Some(format!("{agent} {what}"))
    });
    told.collect()
}

fn call_of(world: &mut World) -> CallId {
    let Ok(Answer::Calls(calls)) = world.ask(Request::LiveCalls) else { panic!("calls") };
    calls[0].id.clone()
}

fn cancels(messages: &[Message]) -> usize {
    messages.iter().filter(|message| message.method() == Method::Cancel).count()
}

#[test]
fn all_phones_of_the_group_ring_and_the_first_answer_ends_the_others() {
    let (mut world, [first, second]) = ringing();
    assert_eq!(pops(&mut world), ["a1 offered group 1", "a2 offered group 1"]);
    assert_ne!(first.top_via().branch(), second.top_via().branch());
    for agent in ["a1", "a2"] {
        assert_eq!(world.status_of(agent).2, "ringing");
    }
    world.reply(PHONE_2, &second, 200, "two");
    assert_eq!(world.statuses(), [200]);
    assert_eq!(pops(&mut world), ["a1 withdrawn AnsweredElsewhere", "a2 taken a2"]);
    let cancel = world.one(PHONE_1);
    assert_eq!(cancel.method(), Method::Cancel);
    assert_eq!(cancel.header(Header::Reason), Some(&b"SIP;cause=200;text=\"Call completed elsewhere\""[..]));
    // Nobody is away for a call that a colleague was quicker to take.
    assert_eq!(world.status_of("a1"), ("available".to_owned(), None, "idle".to_owned()));
    assert_eq!(world.status_of("a2").2, "on_call");
}

/// RFC 3261 §16.7 item 5: both answers go to the caller, who ends the second (§13.2.2.4).
#[test]
fn i3_two_who_answer_at_once_the_first_has_the_call() {
    let (mut world, [first, second]) = ringing();
    world.reply(PHONE_1, &first, 200, "one");
    world.taken(PHONE_2);
    world.reply(PHONE_2, &second, 200, "two");
    let answers = world.taken(CARRIER);
    assert_eq!(answers.iter().filter_map(Message::status).collect::<Vec<_>>(), [200, 200]);
    world.receive(CARRIER, within_dialog("ACK", 1, &answers[1]));
    world.receive(CARRIER, within_dialog("BYE", 2, &answers[1]));
    let ended: Vec<Method> = world.taken(PHONE_2).iter().map(Message::method).collect();
    assert_eq!(ended, [Method::Ack, Method::Bye]);
    assert_eq!(world.status_of("a1").2, "on_call");
    assert_eq!(world.status_of("a2").2, "idle");
    assert!(world.records.is_empty());
}

#[test]
fn when_nobody_answers_nobody_is_away_and_the_call_goes_on_once() {
    let (mut world, _) = ringing();
    pops(&mut world);
    world.advance(Duration::from_secs(10));
    let told = ["a1 withdrawn Timeout", "a1 missed", "a2 withdrawn Timeout", "a2 missed"];
    assert_eq!(pops(&mut world), told);
    assert_eq!(cancels(&world.taken(PHONE_1)) + cancels(&world.taken(PHONE_2)), 2);
    assert_eq!(world.statuses(), [0_u16; 0]);
    for agent in ["a1", "a2"] {
        assert_eq!(world.status_of(agent).0, "available", "no one was asked in person");
    }
    assert_eq!(invites(world.taken(PBX)).len(), 1);
}

#[test]
fn one_that_fails_leaves_the_others_ringing() {
    let (mut world, [first, second]) = ringing();
    let call = call_of(&mut world);
    pops(&mut world);
    world.reply(PHONE_1, &first, 486, PHONE_1);
    assert_eq!(pops(&mut world), ["a1 withdrawn Rerouted"]);
    assert_eq!(world.status_of("a2").2, "ringing");
    assert!(world.taken(PBX).is_empty() && world.statuses().is_empty());
    let decline = |rev| Request::DeclinePop {
        agent: AgentId::new("a2"),
        call: call.clone(),
        rev,
        reason: "busy".to_owned(),
    };
    world.ask(decline(2)).unwrap();
    assert_eq!(pops(&mut world), ["a2 withdrawn Declined"]);
    assert_eq!(cancels(&world.taken(PHONE_2)), 1);
    assert_eq!(invites(world.taken(PBX)).len(), 1, "the last one is gone: the call goes on");
    world.reply(PHONE_2, &second, 487, PHONE_2);
    assert!(world.statuses().is_empty());
}

#[test]
fn a_key_on_one_screen_changes_nothing_of_the_others_revision() {
    let (mut world, _) = ringing();
    let call = call_of(&mut world);
    pops(&mut world);
    let claim = |agent: &str, rev| Request::ClaimPop { agent: AgentId::new(agent), call: call.clone(), rev };
    // The revisions of the two cards are 1 and 2; a claim is told to both.
    assert_eq!(world.ask(claim("a2", 1)).unwrap_err().code, ErrorCode::Conflict);
    assert_eq!(world.ask(claim("a1", 1)), Ok(Answer::Done { rev: Some(3) }));
    assert_eq!(pops(&mut world), ["a1 claimed a1", "a2 claimed a1"]);
    assert_eq!(world.ask(claim("a2", 3)), Ok(Answer::Done { rev: Some(4) }));
}

#[test]
fn m007_who_takes_it_by_key_has_it_alone_and_is_asked_in_person() {
    let (mut world, [_, second]) = ringing();
    let call = call_of(&mut world);
    pops(&mut world);
    let take = |agent: &str, rev| Request::TakePop { agent: AgentId::new(agent), call: call.clone(), rev };
    assert_eq!(world.ask(take("a1", 1)), Ok(Answer::Done { rev: Some(4) }));
    assert_eq!(pops(&mut world), ["a2 withdrawn AnsweredElsewhere", "a1 taken a1"]);
    assert_eq!(cancels(&world.taken(PHONE_2)), 1);
    assert_eq!(world.ask(take("a2", 3)).unwrap_err().code, ErrorCode::AlreadyTaken);
    world.reply(PHONE_2, &second, 487, PHONE_2);
    assert!(world.statuses().is_empty());
    // The key was pressed and the phone was not answered: away, and who fell silent for it rings again.
    world.advance(Duration::from_secs(10));
    assert_eq!(world.status_of("a1").1.as_deref(), Some("rona"));
    assert_eq!(pops(&mut world), ["a1 closed", "a2 offered next_agent 0"]);
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
}

#[test]
fn the_caller_who_gives_up_silences_all() {
    let (mut world, phones) = ringing();
    pops(&mut world);
    world.receive(CARRIER, cancel_text("one", ""));
    let told = ["a1 withdrawn CallerGaveUp", "a1 missed", "a2 withdrawn CallerGaveUp", "a2 missed"];
    assert_eq!(pops(&mut world), told);
    for (phone, invite) in [PHONE_1, PHONE_2].into_iter().zip(&phones) {
        assert_eq!(cancels(&world.taken(phone)), 1);
        world.reply(phone, invite, 487, phone);
    }
    assert_eq!(world.statuses(), [200, 487]);
    world.advance(Duration::from_secs(40));
    assert_eq!(world.records.len(), 1);
}

#[test]
fn late_data_reaches_every_card() {
    let mut world = world();
    world.invite("one");
    world.advance(Duration::from_millis(150));
    pops(&mut world);
    world.answer_lookup(Ok(vec![card("cu-1", None)]));
    assert_eq!(pops(&mut world), ["a1 enriched match sources", "a2 enriched match sources"]);
}

#[test]
fn another_process_goes_on_with_all_the_phones() {
    let (mut world, [first, _]) = ringing();
    world.reborn_with(ring_all);
    world.reply(PHONE_1, &first, 200, "one");
    assert_eq!(world.statuses(), [200]);
    assert_eq!(cancels(&world.taken(PHONE_2)), 1);
    assert_eq!(world.status_of("a2").2, "idle");
}

#[test]
fn d6_who_wants_no_fork_has_one_phone_after_the_other() {
    for wish in ["no-fork", "sequential", "no-cancel, Sequential"] {
        let mut world = world();
        let text = invite_text("one", CALLER, LINE);
        world.receive(CARRIER, with(&text, &format!("Request-Disposition: {wish}\r\n")));
        world.answer_lookup(Ok(Vec::new()));
        assert_eq!(invites(world.taken(PHONE_1)).len(), 1);
        assert!(world.taken(PHONE_2).is_empty(), "{wish}");
    }
}

/// A breadth of one is one phone; with more each that rings has one of it (RFC 5393 §5.3.3).
#[test]
fn v6_the_phones_that_ring_at_once_share_the_breadth() {
    for (came, parts) in [("1", &[1][..]), ("2", &[1, 1]), ("9", &[1, 1])] {
        let mut world = world();
        let text = invite_text("one", CALLER, LINE);
        world.receive(CARRIER, with(&text, &format!("Max-Breadth: {came}\r\n")));
        world.answer_lookup(Ok(Vec::new()));
        let sent = [PHONE_1, PHONE_2].map(|phone| world.taken(phone));
        let breadth = |invite: &Message| {
            std::str::from_utf8(invite.header(Header::MaxBreadth).unwrap()).unwrap().parse::<u32>().unwrap()
        };
        let given: Vec<u32> = sent.iter().flatten().map(breadth).collect();
        assert_eq!(given, parts, "of {came}");
    }
}

/// A thousand agents, each with a phone of their own.
fn thousand(directory: &mut Directory) {
    ring_all(directory);
    let plain = directory.agents[&AgentId::new("a1")].clone();
    for number in 0..1000 {
        let id = AgentId::new(format!("b{number:03}"));
        let contact = format!("sip:b@192.0.3.{}:{}", number % 250, 6000 + number / 250);
        directory.agents.insert(id.clone(), Agent { id, contact, ..plain.clone() });
    }
}

/// N39: a thousand agents in a group that is rung as a whole.
#[test]
fn n39_of_a_thousand_agents_sixteen_ring_at_once_and_then_the_next() {
    let mut world = World::with(|settings| settings.transactions = 100_000, thousand);
    world.invite_unknown("one");
    let (mut rung, mut batches) = (0, Vec::new());
    for _ in 0..3 {
        let sent = std::mem::take(&mut world.sent);
        let asked: Vec<_> =
            sent.into_iter().filter(|datagram| datagram.bytes.starts_with(b"INVITE ")).collect();
        batches.push(asked.len());
        rung += asked.len();
        for datagram in asked {
            let invite = super::world::parsed(&datagram.bytes);
            world.reply(&datagram.remote.to_string(), &invite, 180, "ring");
            world.sent.clear();
        }
        assert_eq!(world.engine.gauges().offers, 16);
        world.advance(Duration::from_secs(10));
    }
    assert_eq!((rung, batches), (48, vec![16, 16, 16]));
}
