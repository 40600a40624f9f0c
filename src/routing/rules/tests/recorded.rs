//! Calls that were recorded, decided again.

use std::sync::Arc;
use std::time::Instant;

use super::house::{House, id, short};
use crate::presence::AbsenceReason;
use crate::routing::rules::{DryRun, RuleLimits, RuleSet, dry_run};
use crate::routing::{Abilities, Action, Background, Snapshot, decide};

const DRAFT: &str = r#"
[[rule]]
name = "again"
when = { repeats = { at_least = 3 } }
ring = { skill = "veteran" }

[[rule]]
name = "heavy"
when = { flag = "complaint:2" }
ring = { group = "managers" }
"#;

fn draft(text: &str) -> Arc<RuleSet> {
    Arc::new(RuleSet::parse(text, &RuleLimits::default()).unwrap())
}

/// What is read back from the record decides as the call itself did.
fn again(house: &House) -> crate::routing::Decision {
    let snapshot = Snapshot::of(&house.facts()).unwrap();
    let text = serde_json::to_string(&snapshot).unwrap();
    let read: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(read, snapshot);
    let people = read.people();
    let background = Background { zone: Some(&house.zone), ..Background::default() };
    decide(&read.facts(&people, &house.directory, background).unwrap())
}

#[test]
fn a_recorded_call_is_decided_as_it_was() {
    let rules = format!(
        "{DRAFT}\n[[rule]]\nname = \"back soon\"\nreject = 480\n\
        when = {{ assignee_back_within_min = 10, assignee_reason = \"break\" }}\n"
    );
    let makes: [fn(&mut House); 9] = [
        |_| {},
        |house| house.known(""),
        |house| house.known("complaint:2"),
        |house| house.called(4, 2),
        |house| house.cards = None,
        |house| {
            house.known("");
            house.away("b1", AbsenceReason::Break, Some("2026-11-24T10:35:00+09:00"));
        },
        |house| {
            house.known("");
            house.away("b1", AbsenceReason::Meeting, Some("2026-11-24T10:35:00+09:00"));
        },
        |house| {
            house.known("");
            house.case(Some("s1"), true);
            house.on_call("s1");
        },
        |house| ["a1", "a2", "s1"].iter().for_each(|agent| house.offline(agent)),
    ];
    for (index, make) in makes.iter().enumerate() {
        let mut house = House::with(&rules);
        make(&mut house);
        let (live, recorded) = (house.decide(), again(&house));
        assert_eq!(short(&recorded), short(&live), "{index}");
        assert_eq!(recorded.action, live.action, "{index}");
    }
}

#[test]
fn no_name_notice_or_history_of_a_customer_is_in_a_snapshot() {
    let mut house = House::plain();
    house.known("vip");
    let text = serde_json::to_string(&Snapshot::of(&house.facts()).unwrap()).unwrap();
    assert!(!text.contains("山田") && text.contains("vip"), "{text}");
}

#[test]
fn a_snapshot_is_bounded_and_there_is_none_of_calls_no_rule_is_asked_about() {
    let mut house = House::plain();
    house.emergency = true;
    assert_eq!(Snapshot::of(&house.facts()), None);
    house.emergency = false;
    let mut facts = house.facts();
    facts.line = None;
    assert_eq!(Snapshot::of(&facts), None);
}

#[test]
fn a_dry_run_says_which_calls_would_have_gone_elsewhere_and_why() {
    let mut calls: Vec<(String, Option<Snapshot>, Option<Action>)> = Vec::new();
    let mut record = |name: &str, make: fn(&mut House)| {
        let mut house = House::plain();
        make(&mut house);
        let decision = house.decide();
        calls.push((name.to_owned(), Snapshot::of(&house.facts()), Some(decision.action)));
    };
    record("c-plain", |_| {});
    record("c-again", |house| house.called(3, 1));
    record("c-heavy", |house| house.known("complaint:2"));
    record("c-tried", |house| house.tried = vec![id("a2")]);
    calls.push(("c-old".to_owned(), None, Some(Action::Untouched)));
    let house = House::plain();
    let run = run_of(&house, DRAFT, &calls);
    assert_eq!((run.calls, run.same, run.different, run.not_judged), (5, 1, 3, 1));
    let told: Vec<(&str, &str)> =
        run.differences.iter().map(|one| (one.call.as_str(), one.rule.as_str())).collect();
    // What is recorded is the first decision about a call: nobody had been tried.
    assert_eq!(told, [("c-again", "again"), ("c-heavy", "heavy"), ("c-tried", "group")]);
    let heavy = &run.differences[1];
    assert_eq!(heavy.trace[2].why, "repeats: 1 of 3 in 24 h");
    assert_eq!(heavy.trace[3].why, "m1 of managers by longest_idle: 1 free, 0 tried");
}

fn run_of(house: &House, rules: &str, calls: &[(String, Option<Snapshot>, Option<Action>)]) -> DryRun {
    let calls = calls.iter().map(|(id, facts, action)| (id.as_str(), facts.as_ref(), action.clone()));
    dry_run(&draft(rules), &house.directory, &house.zone, Abilities::default(), calls)
}

#[test]
fn ten_thousand_recorded_calls_are_decided_again() {
    let mut texts = Vec::new();
    let mut house = House::plain();
    for index in 0..10_000_u32 {
        house.called(1 + index % 4, 1);
        house.cards = Some(Vec::new());
        if index % 10 == 0 {
            house.known("complaint:2");
        }
        let snapshot = Snapshot::of(&house.facts()).unwrap();
        texts.push((serde_json::to_string(&snapshot).unwrap(), house.decide().action));
    }
    let house = House::plain();
    let begun = Instant::now();
    let read = |(index, (text, action)): (usize, &(String, Action))| {
        (format!("c-{index}"), serde_json::from_str(text).ok(), Some(action.clone()))
    };
    let calls: Vec<_> = texts.iter().enumerate().map(read).collect();
    let run = run_of(&house, DRAFT, &calls);
    println!("a dry run over 10,000 recorded calls took {:?}", begun.elapsed());
    assert_eq!((run.calls, run.not_judged), (10_000, 0));
    // Two of four call for the third time or more: to b1, who is the assignee of the heavy ones anyway.
    let again = (0..10_000).filter(|index| index % 4 >= 2);
    let heavy = (0..10_000).filter(|index| index % 4 < 2 && index % 10 == 0);
    let different = again.filter(|index| index % 10 != 0).count() + heavy.count();
    assert_eq!(run.different, different);
    assert_eq!(run.same, 10_000 - different);
    assert_eq!(run.differences.len(), 200);
    assert_eq!(run.decided_by[0], ("again".to_owned(), 5_000));
}
