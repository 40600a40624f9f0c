//! Callers who wait because a rule says so: mode, patience, for whom, and before whom.

use super::*;
use crate::engine::tests::world::card;
use crate::engine::{Answer, Request};
use crate::presence::{AgentId, AgentStatus, SetBy};
use crate::routing::rules::{RuleLimits, RuleSet};

const ALL: &[(ParkMode, u64)] =
    &[(ParkMode::Ringing, 120), (ParkMode::EarlyMedia, 120), (ParkMode::Answered, 300)];

fn ruled(modes: &[(ParkMode, u64)], rules: &str) -> House {
    let mut house = house(modes);
    let set = RuleSet::parse(rules, &RuleLimits::default()).unwrap();
    house.world.directory(|directory| directory.rules = Arc::new(set));
    house.world.taken(CARRIER);
    house
}

/// The rule of each decision of this call, and what its last step says.
fn decided(house: &House, call: &str) -> Vec<(String, String)> {
    let entry = house.world.engine.tables.calls.values().find(|entry| entry.sip_call_id == call).unwrap();
    let last = |step: &crate::routing::TraceStep| (step.rule.to_string(), step.why.to_string());
    entry.decisions.iter().filter_map(|decision| decision.trace.last()).map(last).collect()
}

fn set(house: &mut House, agent: &str, status: AgentStatus) {
    let request =
        Request::SetPresence { agent: AgentId::new(agent), status, by: SetBy::Manual, user: "u".to_owned() };
    assert!(matches!(house.world.ask(request), Ok(Answer::Presence(_))));
}

#[test]
fn a_rule_names_the_mode_and_the_next_rule_is_asked_when_its_patience_is_over() {
    let mut house = ruled(
        ALL,
        r#"rule = [
            { name = "music", park = { mode = "early-media", patience_s = 20 } },
            { name = "charged", park = { mode = "answered", patience_s = 30 } },
            { name = "enough", reject = 480 },
        ]"#,
    );
    house.waits();
    assert_eq!(house.heard_statuses(), [100, 183], "never ringing");
    house.world.advance(Duration::from_secs(19));
    assert!(house.heard_statuses().is_empty());
    house.world.advance(Duration::from_secs(1));
    assert_eq!(house.heard_statuses(), [200], "the second rule goes on to the mode it names");
    house.says("ACK", "");
    house.world.advance(Duration::from_secs(29));
    assert!(house.heard().is_empty());
    house.world.advance(Duration::from_secs(1));
    assert!(house.heard().iter().any(|message| message.method() == Method::Bye));
    let rules = house.world.records.iter().find(|it| it.sip_call_id == "third").unwrap();
    let rules: Vec<_> = rules.traces.iter().map(|trace| trace.value()["rule"].clone()).collect();
    assert!(rules.starts_with(&["music".into(), "charged".into(), "enough".into()]), "{rules:?}");
}

#[test]
fn a_mode_that_cannot_be_is_the_next_that_can_and_the_trace_says_so() {
    let rules = r#"rule = [{ name = "music", park = { mode = "early-media", patience_s = 20 } }]"#;
    let mut house = ruled(&[(ParkMode::Ringing, 60), (ParkMode::Answered, 60)], rules);
    house.waits();
    assert_eq!(house.heard_statuses(), [100, 200]);
    let why = "parked: early-media, 20 s, for front; answered instead";
    assert_eq!(decided(&house, "third"), [("music".to_owned(), why.to_owned())]);

    let mut mute = ruled(ALL, rules);
    mute.call("", "");
    assert_eq!(mute.heard_statuses(), [100, 180], "no description: nothing can be played");
    assert!(decided(&mute, "third")[0].1.ends_with("; ringing instead"));
}

#[test]
fn who_waits_for_the_assignee_is_theirs_alone_until_the_patience_is_over() {
    let rules = r#"rule = [{ name = "back soon", when = { assignee = ["away", "busy", "offline"] },
        park = { mode = "ringing", patience_s = 60, wait_for = "assignee" } }]"#;
    let call = |house: &mut House| {
        house.world.receive(CARRIER, offer_text("third", "", OFFER));
        house.world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
        assert_eq!(house.heard_statuses(), [100, 180]);
    };
    let mut house = ruled(ALL, rules);
    call(&mut house);
    house.frees("second", PHONE_2);
    assert!(invites(house.world.taken(PHONE_2)).is_empty(), "a colleague is free, and is not asked");
    house.world.advance(Duration::from_secs(59));
    house.frees("first", PHONE_1);
    assert_eq!(invites(house.world.taken(PHONE_1)).len(), 1, "the assignee has the call at once");

    let mut late = ruled(ALL, rules);
    call(&mut late);
    late.frees("second", PHONE_2);
    late.world.advance(Duration::from_secs(60));
    assert_eq!(invites(late.world.taken(PHONE_2)).len(), 1, "then the ordinary way goes on");
    let decided = decided(&late, "third");
    assert_eq!(decided.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["back soon", "group"]);
}

#[test]
fn a_rule_waits_for_who_is_away_and_they_have_the_call_when_they_are_back() {
    let rules = r#"rule = [{ name = "back soon", when = { assignee_back_within_min = 5 },
        park = { mode = "ringing", patience_s = 300, wait_for = "assignee" } }]"#;
    let mut house = ruled(ALL, rules);
    house.frees("first", PHONE_1);
    let until = Some(house.world.now.wall + jiff::SignedDuration::from_mins(3));
    let reason = crate::presence::AbsenceReason::Break;
    let absence = crate::presence::Absence { reason, until, next_start: None };
    set(&mut house, "a1", AgentStatus::Away(absence));
    house.world.receive(CARRIER, offer_text("third", "", OFFER));
    house.world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    assert_eq!(house.heard_statuses().last(), Some(&180));
    house.world.advance(Duration::from_secs(100));
    set(&mut house, "a1", AgentStatus::Available);
    assert_eq!(invites(house.world.taken(PHONE_1)).len(), 1);
}

#[test]
fn a_priority_of_a_rule_or_of_the_line_goes_before_who_came_a_little_earlier() {
    let rules = r#"rule = [{ name = "vip", when = { customer_id = "cu-1" }, priority = 5 }]"#;
    let two = |house: &mut House, cards: [Option<&str>; 2]| {
        for (call, found) in ["third", "fourth"].into_iter().zip(cards) {
            house.world.receive(CARRIER, offer_text(call, "", OFFER));
            house.world.answer_lookup(Ok(found.map(|id| card(id, None)).into_iter().collect()));
            house.world.advance(Duration::from_secs(20));
        }
        house.frees("first", PHONE_1);
        invites(house.world.taken(PHONE_1)).remove(0).header(Header::From).unwrap().to_vec();
        let offered = |entry: &&crate::engine::call::Call| entry.phase.offers().next().is_some();
        let calls = &house.world.engine.tables.calls;
        calls.values().find(offered).map(|entry| entry.sip_call_id.clone()).unwrap()
    };
    let ringing = &[(ParkMode::Ringing, 170)];
    assert_eq!(two(&mut ruled(ringing, rules), [None, Some("cu-1")]), "fourth");
    assert_eq!(two(&mut ruled(ringing, rules), [None, Some("cu-2")]), "third");
    assert_eq!(two(&mut ruled(ringing, rules), [Some("cu-1"), Some("cu-1")]), "third", "then by time");
    let mut by_line = house(ringing);
    by_line.world.directory(|directory| {
        for line in directory.lines.values_mut() {
            Arc::make_mut(line).priority = 5;
        }
        directory.rules = Arc::new(
            RuleSet::parse(
                r#"rule = [{ name = "plain", when = { customer_id = "cu-3" }, priority = 0 }]"#,
                &RuleLimits::default(),
            )
            .unwrap(),
        );
    });
    assert_eq!(two(&mut by_line, [Some("cu-3"), None]), "fourth", "the line's own, where no rule says it");
}

#[test]
fn a_queue_of_so_many_is_a_condition() {
    let rules =
        r#"rule = [{ name = "full", when = { queue = { group = "front", at_least = 1 } }, reject = 486 }]"#;
    let mut house = ruled(&[(ParkMode::Ringing, 170)], rules);
    house.call("", OFFER);
    assert_eq!(house.heard_statuses(), [100, 180], "nobody waits before them");
    house.call = "fourth";
    house.call("", OFFER);
    assert_eq!(house.heard_statuses(), [100, 486]);
}
