//! What the house's own rules do to a call on the wire and on the screens.

use std::sync::Arc;
use std::time::Duration;

use super::world::{CARRIER, ELSEWHERE, PBX, PHONE_1, PHONE_2, World, card, invite_text, invites};
use crate::customer::{CustomerCard, parse_flags};
use crate::engine::Input;
use crate::events::{Audience, EventBody, FlagInfo};
use crate::message::Method;
use crate::presence::AgentId;
use crate::routing::rules::{RuleLimits, RuleSet};

fn with_rules(text: &str) -> World {
    let set = RuleSet::parse(text, &RuleLimits::default()).unwrap();
    World::with(|_| {}, |directory| directory.rules = Arc::new(set))
}

fn flagged(flags: &str, assignee: Option<&str>) -> CustomerCard {
    CustomerCard { flags: parse_flags(flags).unwrap(), ..card("cu-1", assignee) }
}

/// A call of a customer with these flags.
fn call(world: &mut World, call: &str, flags: &str, assignee: Option<&str>) {
    world.invite(call);
    world.answer_lookup(Ok(vec![flagged(flags, assignee)]));
}

#[test]
fn a_rule_rings_whom_it_names_and_the_card_says_which_rule() {
    let mut world = with_rules(r#"rule = [{ name = "to two", ring = { agent = "a2" } }]"#);
    call(&mut world, "one", "", Some("a1"));
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(world.last_pop().offer.rule, "to two");
}

#[test]
fn rules_that_are_read_again_count_for_the_next_call() {
    let mut world = World::new();
    call(&mut world, "one", "", Some("a1"));
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1);
    let set = RuleSet::parse(r#"rule = [{ name = "r", reject = 603 }]"#, &RuleLimits::default()).unwrap();
    world.directory(|directory| directory.rules = Arc::new(set));
    world.statuses();
    call(&mut world, "two", "", Some("a1"));
    assert_eq!(world.statuses(), [100, 603]);
}

#[test]
fn a_refusal_by_a_rule_ends_the_call_with_a_record_that_says_why() {
    let mut world = with_rules(r#"rule = [{ name = "closed", reject = 480 }]"#);
    call(&mut world, "one", "", None);
    assert_eq!(world.statuses(), [100, 480]);
    let record = &world.records[0];
    assert_eq!((record.status, record.agent.as_ref()), (Some(480), None));
    assert_eq!(serde_json::to_value(&record.traces).unwrap()[0]["rule"], "closed");
    assert_eq!(world.engine.counters().refused_by_rule, 1);
}

#[test]
fn a_rule_forwards_to_a_uri_or_with_another_number_to_the_default_route() {
    for (to, hop, uri) in [
        ("sip:night@192.0.2.77:5080", "192.0.2.77:5080", "sip:night@192.0.2.77:5080"),
        ("0399998888", PBX, "sip:0399998888@"),
    ] {
        let mut world = with_rules(&format!("rule = [{{ name = \"r\", forward = \"{to}\" }}]"));
        call(&mut world, "one", "", None);
        let invite = world.one(hop);
        assert!(invite.request_uri().starts_with(uri.as_bytes()), "{invite:?}");
        assert!(invites(world.taken(PHONE_1)).is_empty());
        assert_eq!(world.engine.counters().forwarded_by_rule, 1);
    }
}

#[test]
fn a_forward_back_to_ourselves_is_no_reason_to_lose_the_call() {
    let mut world = with_rules(r#"rule = [{ name = "r", forward = "sip:x@192.0.2.1" }]"#);
    call(&mut world, "one", "", None);
    assert_eq!(invites(world.taken(PBX)).len(), 1);
    assert_eq!(world.engine.counters().forwarded_by_rule, 0);
}

#[test]
fn a_rule_that_parks_leaves_the_call_to_the_next_step_and_says_so() {
    let mut world =
        with_rules(r#"rule = [{ name = "wait", park = { mode = "early-media", patience_s = 60 } }]"#);
    call(&mut world, "one", "", Some("a1"));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 486, "p");
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(world.last_pop().offer.reason, "next_agent");
}

#[test]
fn m030_supervisors_hear_of_a_heavy_complaint_before_anybody_is_rung_and_once() {
    let mut world = World::new();
    call(&mut world, "one", "complaint:2", Some("a1"));
    assert_eq!(world.happened()[..2], ["alert.raised heavy_complaint ".to_owned(), "pop.offered".to_owned()]);
    let mut world = World::new();
    world.invite("one");
    let token = world.lookups.pop().unwrap().0;
    world.input(Input::LookedUp(token, Ok(vec![flagged("complaint:3", None)])));
    let raised = world.events.iter().find(|event| matches!(event.body, EventBody::AlertRaised(_))).unwrap();
    assert_eq!(
        raised.audience,
        [Audience::Team("front".to_owned()), Audience::Board("main".to_owned())],
        "the supervisors of the line's group, and no agent"
    );
    world.happened();
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 486, "p");
    assert_eq!(world.engine.counters().alerts, 1, "the second agent is asked without a second alert");
}

#[test]
fn m076_the_fifth_call_shows_a_flag_with_count_and_window() {
    let mut world = World::new();
    let mut flags: Vec<Vec<String>> = Vec::new();
    for index in 1..=6 {
        world.invite_unknown(&format!("call-{index}"));
        let shown = |flag: &FlagInfo| format!("{} {:?}/{:?}", flag.code, flag.count, flag.window_h);
        flags.push(world.last_pop().flags.iter().map(shown).collect());
        world.receive(CARRIER, super::world::cancel_text(&format!("call-{index}"), ""));
        world.advance(Duration::from_secs(3600));
    }
    let frequent = |count: u32| vec![format!("frequent Some({count})/Some(24)")];
    assert_eq!(flags, [vec![], vec![], vec![], vec![], frequent(5), frequent(6)]);
    // A day later they have called six times, but not within one day.
    world.advance(Duration::from_secs(22 * 3600));
    world.invite_unknown("later");
    assert_eq!(world.last_pop().flags, []);
}

#[test]
fn m076_calls_before_the_start_count() {
    let mut world = World::new();
    let hour = jiff::SignedDuration::from_hours(1);
    let call = |index: i32| ("+819012345678".to_owned(), world.now.wall - hour * index, None);
    let calls = (1..=4).map(call).collect();
    world.input(Input::CallsBefore(calls));
    world.invite_unknown("fifth");
    assert_eq!(world.last_pop().flags[0].count, Some(5));
    // And they survive a restart, as all that the engine knows.
    world.reborn();
    world.receive(CARRIER, super::world::cancel_text("fifth", ""));
    world.advance(Duration::from_secs(60));
    world.invite_unknown("sixth");
    assert_eq!(world.last_pop().flags[0].count, Some(6));
}

#[test]
fn m077_the_protected_agent_never_rings_and_the_card_of_the_other_says_so_without_the_name() {
    let mut world =
        with_rules(r#"rule = [{ name = "protect", when = { flag = "harasser" }, protect_assignee = true }]"#);
    call(&mut world, "one", "harasser", Some("a1"));
    assert!(invites(world.taken(PHONE_1)).is_empty());
    let invite = world.one(PHONE_2);
    let pop = world.last_pop();
    assert_eq!(pop.assignee, None);
    assert!(pop.flags.iter().any(|flag| flag.code == "protected"));
    assert!(pop.guidance.steps.is_empty(), "no word about who is not there: {:?}", pop.guidance.steps);
    assert!(!serde_json::to_string(&pop).unwrap().contains("高橋"), "the name is not shown");
    world.reply(PHONE_2, &invite, 486, "p");
    assert!(invites(world.taken(PHONE_1)).is_empty(), "nor after the other's refusal");
    assert_eq!(invites(world.taken(PBX)).len(), 1);
}

#[test]
fn a_sentence_of_a_rule_stands_on_the_card_behind_the_guided_steps() {
    let mut world =
        with_rules(r#"rule = [{ name = "r", guidance_ja = "必ず折り返しを提案", ring = { agent = "a2" } }]"#);
    call(&mut world, "one", "", None);
    let steps = world.last_pop().guidance.steps;
    assert_eq!((steps.len(), steps[0].id.as_str(), steps[0].ja.as_str()), (1, "rule", "必ず折り返しを提案"));
}

#[test]
fn n26_i25_an_emergency_call_passes_whatever_the_rules_say() {
    let mut world = with_rules(
        r#"rule = [{ name = "all", alert = "x", reject = 603 }]
assignee_order = ["last_agent"]"#,
    );
    for called in ["110", "118", "119", "184110"] {
        let text = invite_text(called, "<sip:+819012345678@carrier.example>", called);
        world.receive(CARRIER, text);
        let passed = invites(world.taken(PBX));
        assert_eq!(passed.len(), 1, "{called}");
        assert!(world.happened().is_empty());
    }
    assert_eq!(world.statuses(), [100, 100, 100, 100]);
}

#[test]
fn a_call_to_no_line_is_no_business_of_the_rules() {
    let mut world = with_rules(r#"rule = [{ name = "all", reject = 603 }]"#);
    world.receive(CARRIER, invite_text("one", "<sip:+819012345678@carrier.example>", ELSEWHERE));
    assert_eq!(invites(world.taken(PBX)).len(), 1);
}

#[test]
fn m004_who_talked_with_the_caller_last_is_rung_first_when_nobody_else_looks_after_them() {
    let mut world = World::new();
    call(&mut world, "one", "", Some("a2"));
    let invite = world.one(PHONE_2);
    world.reply(PHONE_2, &invite, 200, "p");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, super::world::within_dialog("ACK", 1, &ok));
    world.receive(CARRIER, super::world::within_dialog("BYE", 2, &ok));
    let bye = world.taken(PHONE_2).into_iter().find(|message| message.method() == Method::Bye).unwrap();
    world.reply(PHONE_2, &bye, 200, "p");
    world.advance(Duration::from_secs(60));
    // Now the customer is nobody's.
    call(&mut world, "two", "", None);
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    let assignee = world.last_pop().assignee.unwrap();
    assert_eq!((assignee.id, assignee.why_assignee.as_str()), (AgentId::new("a2"), "last_agent"));
}

#[test]
fn the_record_keeps_what_the_first_decision_knew() {
    let mut world = with_rules(r#"rule = [{ name = "r", reject = 603 }]"#);
    call(&mut world, "one", "vip", Some("a2"));
    let facts = world.records[0].facts.clone().unwrap();
    assert_eq!((facts.line.as_str(), facts.history.len(), facts.cards.len()), ("+81312345678", 1, 1));
    let free: Vec<&str> = facts.free.iter().map(|free| free.id.as_str()).collect();
    assert_eq!(free, ["a1", "a2"]);
    let octets = serde_json::to_string(&facts).unwrap().len();
    assert!(octets < 1_000, "{octets}");
}

#[test]
fn what_a_decision_knew_is_kept_of_so_many_calls_a_second() {
    let kept = |per_s: u32| {
        let mut world = World::with(
            |settings| settings.record_facts_per_s = per_s,
            |directory| {
                let set = RuleSet::parse(r#"rule = [{ name = "r", reject = 603 }]"#, &RuleLimits::default());
                directory.rules = Arc::new(set.unwrap());
            },
        );
        for id in ["one", "two", "three", "four"] {
            call(&mut world, id, "", None);
        }
        world.advance(Duration::from_secs(1));
        call(&mut world, "five", "", None);
        world.records.iter().map(|record| record.facts.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(kept(0), [false; 5]);
    assert_eq!(kept(2), [true, true, false, false, true]);
}
