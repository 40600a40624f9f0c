//! What each action does, and what it leaves to the next rule.

use super::house::{House, card, id, short, steps};
use crate::presence::AbsenceReason;
use crate::routing::rules::{ParkMode, WaitFor};
use crate::routing::{Abilities, Action, Load};

/// The rules, the house, the action with the rule that decided, and every step of the rules.
type Row = (&'static str, fn(&mut House), &'static str, &'static [&'static str]);

const RING: [Row; 19] = [
    (
        r#"rule = [{ name = "r", ring = { assignee = true } }]"#,
        |it| it.known(""),
        "b1 assigned @r",
        &["+ r: b1 looks after the customer and is free"],
    ),
    (
        r#"rule = [{ name = "r", ring = { assignee = true } }]"#,
        |_| {},
        "a2 group @group",
        &["+ r: matched, but nobody can be rung: nobody looks after the customer; the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", ring = [{ assignee = true }, { group = "support" }] }]"#,
        |it| {
            it.known("");
            it.on_call("b1");
        },
        "a2 assignee_absent @r",
        &["+ r: a2 of support by longest_idle: 1 free, 0 tried, 1 on_call (b1 on_call)"],
    ),
    (
        r#"rule = [{ name = "r", ring = { agent = "a1" } }]"#,
        |_| {},
        "a1 group @r",
        &["+ r: a1 is named and is free"],
    ),
    (
        r#"rule = [{ name = "r", ring = { agent = "a1" } }, { name = "q", ring = { agent = "s1" } }]"#,
        |it| it.away("a1", AbsenceReason::Meeting, None),
        "s1 group @q",
        &[
            "+ r: matched, but nobody can be rung: a1 is named: away:meeting; the next rule is asked",
            "+ q: s1 is named and is free",
        ],
    ),
    (
        r#"rule = [{ name = "r", ring = { agent = "gone" } }]"#,
        |_| {},
        "a2 group @group",
        &["+ r: matched, but nobody can be rung: gone is named: no_such_agent; the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales" } }]"#,
        |_| {},
        "a2 group @r",
        &["+ r: a2 of sales by longest_idle: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales" } }]"#,
        |it| it.tried = vec![id("a2")],
        "s1 next_agent @r",
        &["+ r: s1 of sales by longest_idle: 2 free, 1 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { skill = "english" } }]"#,
        |_| {},
        "b1 group @r",
        &["+ r: b1 of skill english by longest_idle: 2 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", skill = "english" } }]"#,
        |_| {},
        "a2 group @r",
        &["+ r: a2 of sales with skill english by longest_idle: 1 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "round_robin" } }]"#,
        |it| loads(it, &[("a1", 7, 0), ("a2", 9, 0), ("s1", 8, 0)]),
        "a1 group @r",
        &["+ r: a1 of sales by round_robin: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "round_robin" } }]"#,
        |it| loads(it, &[("a1", 7, 0), ("a2", 9, 0)]),
        "s1 group @r",
        &["+ r: s1 of sales by round_robin: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "least_calls" } }]"#,
        |it| loads(it, &[("a1", 1, 4), ("a2", 2, 4), ("s1", 3, 3)]),
        "s1 group @r",
        &["+ r: s1 of sales by least_calls: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "ring_all" } }]"#,
        |it| it.can = Abilities::ALL,
        "a2+s1+a1 group @r",
        &["+ r: a2, s1, a1 of sales by ring_all: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "ring_all" } }]"#,
        |it| {
            it.can = Abilities { at_once: 2, ..Abilities::ALL };
            it.known("");
            it.away("b1", AbsenceReason::Break, None);
        },
        "a2+s1 assignee_absent @r",
        &["+ r: a2, s1 of sales by ring_all: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "ring_all" } }]"#,
        |it| {
            it.can = Abilities { at_once: 1, ..Abilities::ALL };
            it.cannot.ring_all = Some("the caller wants it so");
        },
        "a2 group @r",
        &["+ r: a2 of sales by ring_all: 3 free, 0 tried; one at a time: the caller wants it so"],
    ),
    (
        r#"rule = [{ name = "r", ring = { group = "sales", strategy = "ring_all" } }]"#,
        |it| {
            it.can = Abilities::ALL;
            // Two who share a phone: for it a second INVITE would be a merged one (RFC 3261 §8.2.2.2).
            let phone = it.directory.agents[&id("a2")].contact.clone();
            it.directory.agents.get_mut(&id("s1")).unwrap().contact = phone;
        },
        "a2+a1 group @r",
        &["+ r: a2, a1 of sales by ring_all: 3 free, 0 tried"],
    ),
    (
        "rule = [{ name = \"r\", exclude = \"a2\" },\n\
         { name = \"s\", ring = { group = \"sales\", strategy = \"ring_all\" } }]",
        |it| {
            it.can = Abilities::ALL;
            it.tried = vec![id("s1")];
        },
        "a1 next_agent @s",
        &["+ r: matched: excludes a2", "+ s: a1 of sales by ring_all: 1 free, 1 tried, 1 excluded"],
    ),
    (
        r#"rule = [{ name = "r", ring = [{ group = "nobody" }, { agent = "b1" }, { group = "managers" }] }]"#,
        |it| it.tried = vec![id("b1")],
        "m1 next_agent @r",
        &["+ r: m1 of managers by longest_idle: 1 free, 0 tried"],
    ),
];

const OTHERS: [Row; 19] = [
    (
        r#"rule = [{ name = "r", forward = "sip:night@pbx.example" }]"#,
        |_| {},
        "forward sip:night@pbx.example @r",
        &["+ r: forwarded to sip:night@pbx.example"],
    ),
    (
        r#"rule = [{ name = "r", forward = "0311112222" }]"#,
        |_| {},
        "forward 0311112222 @r",
        &["+ r: forwarded to 0311112222"],
    ),
    (r#"rule = [{ name = "r", reject = 603 }]"#, |_| {}, "reject 603 @r", &["+ r: refused with 603"]),
    (
        r#"rule = [{ name = "r", park = { mode = "early-media", patience_s = 60 } }]"#,
        |_| {},
        "a2 group @group",
        &["+ r: matched, but this caller cannot be kept waiting (early-media, 60 s): the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "answered", patience_s = 90 } }]"#,
        |it| {
            it.cannot.park = Some("the lot is full");
            it.busy(&["a1", "a2", "s1"]);
        },
        "default route @default_route",
        &["+ r: matched, but the lot is full (answered, 90 s): the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "answered", patience_s = 90 } }]"#,
        |it| it.can.park = true,
        "a2 group @r",
        &["+ r: a2 of sales by longest_idle: 3 free, 0 tried"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "answered", patience_s = 90 } }]"#,
        |it| {
            it.can.park = true;
            it.busy(&["a1", "a2", "s1"]);
        },
        "park 90 s @r",
        &["+ r: parked: answered, 90 s, for sales"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "answered", patience_s = 90 } }]"#,
        |it| {
            it.can.park = true;
            it.busy(&["a1", "a2", "s1"]);
            it.waited = vec!["r".to_owned()];
        },
        "default route @default_route",
        &["+ r: matched, but 90 s of it are over: the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "answered", patience_s = 9, wait_for = "skill:english" }}]"#,
        |it| {
            it.can.park = true;
            it.tried = vec![id("a2"), id("b1")];
        },
        "s1 next_agent @group",
        &["+ r: matched, but nobody is left to wait for (skill english): the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "ringing", patience_s = 9, wait_for = "assignee" } }]"#,
        |it| it.can.park = true,
        "a2 group @group",
        &["+ r: matched, but nobody is left to wait for (the assignee): the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", priority = 7 }]"#,
        |_| {},
        "a2 group @group",
        &["+ r: matched: gives a priority"],
    ),
    (
        r#"rule = [{ name = "r", park = { mode = "answered", patience_s = 90, wait_for = "assignee" } }]"#,
        |it| {
            it.can = Abilities { callback: false, ..Abilities::ALL };
            it.known("");
            it.away("b1", AbsenceReason::Break, None);
        },
        "park 90 s @r",
        &["+ r: parked: answered, 90 s, for the assignee"],
    ),
    (
        r#"rule = [{ name = "r", callback = true }]"#,
        |_| {},
        "a2 group @group",
        &["+ r: matched, but this caller cannot be called back: the next rule is asked"],
    ),
    (
        r#"rule = [{ name = "r", callback = true }]"#,
        |it| it.can = Abilities { park: false, ..Abilities::ALL },
        "callback @r",
        &["+ r: the caller is called back"],
    ),
    (
        r#"rule = [{ name = "r", exclude = ["a2", "s1"] }]"#,
        |_| {},
        "a1 group @group",
        &["+ r: matched: excludes a2, s1"],
    ),
    (
        r#"rule = [{ name = "r", exclude = ["a1", "a2", "s1"] }]"#,
        |_| {},
        "default route @default_route",
        &["+ r: matched: excludes a1, a2, s1"],
    ),
    (
        r#"rule = [{ name = "r", enabled = false, reject = 603 }]"#,
        |_| {},
        "a2 group @group",
        &["- r: switched off"],
    ),
    (
        r#"rule = [{ name = "r", alert = "VIP" }, { name = "q", guidance_ja = "丁寧に" }]"#,
        |_| {},
        "a2 group @group",
        &["+ r: matched: alerts the supervisors", "+ q: matched: adds guidance"],
    ),
    // The first rule that decides is the last that is asked.
    (
        r#"rule = [
            { name = "r", when = { rank = "B" }, reject = 603 },
            { name = "q", reject = 486 },
            { name = "p", reject = 404 },
        ]"#,
        |it| it.known(""),
        "reject 486 @q",
        &["- r: rank: it is A", "+ q: refused with 486"],
    ),
];

fn loads(house: &mut House, loads: &[(&str, u64, u32)]) {
    let load = |(agent, offered, answered): &(&str, u64, u32)| {
        (id(agent), Load { offered: *offered, answered: *answered })
    };
    house.loads = loads.iter().map(load).collect();
}

fn check(rows: &[Row]) {
    for (rules, make, action, trace) in rows {
        let mut house = House::with(rules);
        make(&mut house);
        let decision = house.decide();
        assert_eq!((short(&decision).as_str(), steps(&decision)), (*action, strings(trace)), "{rules}");
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn who_is_rung_is_as_the_table_says() {
    check(&RING);
}

#[test]
fn the_other_actions_are_as_the_table_says() {
    check(&OTHERS);
}

#[test]
fn n26_i25_no_rule_touches_an_emergency_call() {
    for action in [
        "reject = 603",
        r#"forward = "sip:x@h""#,
        r#"park = { mode = "ringing", patience_s = 9 }"#,
        r#"ring = { agent = "a1" }"#,
        r#"alert = "x""#,
    ] {
        let mut house = House::with(&format!("rule = [{{ name = \"r\", {action} }}]"));
        house.emergency = true;
        house.can = Abilities::ALL;
        let decision = house.decide();
        assert_eq!((short(&decision).as_str(), steps(&decision)), ("untouched @emergency", vec![]));
        assert!(decision.extras.is_empty(), "{action}");
    }
}

#[test]
fn m004_the_case_owner_comes_before_the_account_owner_before_the_last_agent() {
    // Each of the eight combinations, then the same in another order.
    let rows = [
        (true, true, true, "a1 assigned", "s1 assigned"),
        (true, true, false, "a1 assigned", "b1 assigned"),
        (true, false, true, "a1 assigned", "s1 assigned"),
        (true, false, false, "a1 assigned", "a1 assigned"),
        (false, true, true, "b1 assigned", "s1 assigned"),
        (false, true, false, "b1 assigned", "b1 assigned"),
        (false, false, true, "s1 assigned", "s1 assigned"),
        (false, false, false, "a2 group", "a2 group"),
    ];
    for (case, account, last, first, reversed) in rows {
        let turned = r#"assignee_order = ["last_agent", "account_owner", "open_case_owner"]"#;
        for (rules, expected) in [("", first), (turned, reversed)] {
            let mut house = House::with(rules);
            house.cards = Some(vec![card("cu-1", "", account.then_some("b1"))]);
            if case {
                house.case(Some("a1"), false);
            }
            house.open.last_agent = last.then(|| id("s1"));
            assert!(short(&house.decide()).starts_with(expected), "{case} {account} {last} {rules}");
        }
    }
}

#[test]
fn m004_an_order_may_leave_somebody_out() {
    let mut house = House::with(r#"assignee_order = ["account_owner"]"#);
    house.cards = Some(vec![card("cu-1", "", None)]);
    house.open.last_agent = Some(id("s1"));
    assert_eq!(short(&house.decide()), "a2 group @group");
}

#[test]
fn m005_a_complaint_is_for_its_owner_and_the_managers_alone() {
    let mut house = House::with(r#"rule = [{ name = "r", ring = { group = "sales" } }]"#);
    house.known("");
    house.case(Some("s1"), true);
    // The rule may ring the owner, who is in the group, and nobody else of it.
    assert_eq!(short(&house.decide()), "s1 assigned @r");
    house.on_call("s1");
    assert_eq!(short(&house.decide()), "m1 assignee_absent @complaint_case");
    house.offline("m1");
    let decision = house.decide();
    assert_eq!(short(&decision), "default route @default_route");
    let step = decision.trace.iter().find(|step| step.rule == "complaint_case").unwrap();
    assert_eq!(step.why, "the managers: 0 free, 0 tried, 1 offline (m1 offline)");
}

#[test]
fn m003_with_the_rule_off_the_longest_idle_rings_and_with_it_on_the_assignee() {
    let rules =
        r#"rule = [{ name = "named", when = { line = "0120-123-456" }, ring = { assignee = true } }]"#;
    for (rules, expected) in [(rules, "b1 assigned @named"), ("", "a2 group @group")] {
        let mut house = House::with(rules);
        house.line.assigned_first = false;
        house.known("");
        assert_eq!(short(&house.decide()), expected);
    }
}

#[test]
fn m076_the_fifth_call_of_a_day_goes_to_the_veterans() {
    let rules = r#"rule = [{ name = "again", when = { repeats = {} }, ring = { skill = "veteran" } }]"#;
    for (calls, expected) in [(4, "a2 group @group"), (5, "b1 group @again")] {
        let mut house = House::with(rules);
        house.called(calls, 4);
        assert_eq!(short(&house.decide()), expected);
    }
}

#[test]
fn m077_the_named_agent_of_a_flagged_caller_never_rings() {
    let rules = r#"rule = [{ name = "protect", when = { flag = "harasser" }, protect_assignee = true }]"#;
    let mut house = House::with(rules);
    house.known("harasser");
    let mut rung = Vec::new();
    loop {
        let decision = house.decide();
        assert!(decision.extras.protected);
        let Action::Offer { agent, .. } = decision.action else { break };
        rung.push(agent.to_string());
        house.tried.push(agent);
    }
    // b1 is free and has waited longest, and is never among them, also where a group of theirs is rung.
    assert_eq!(rung, ["a2", "s1", "a1"]);
    house.line.group = Some("support".to_owned());
    house.tried.clear();
    assert_eq!(short(&house.decide()), "a2 group @group");
    house.known("");
    assert_eq!(short(&house.decide()), "b1 assigned @assignee_first");
}

#[test]
fn m078_an_excluded_agent_is_free_and_still_not_chosen() {
    let rules = r#"rule = [
        { name = "another", when = { customer_id = "cu-1" }, exclude = "b1" },
        { name = "veterans", ring = [{ skill = "veteran" }, { agent = "b1" }, { group = "managers" }] },
    ]"#;
    let mut house = House::with(rules);
    house.known("");
    let decision = house.decide();
    assert_eq!(short(&decision), "m1 group @veterans");
    assert_eq!(steps(&decision)[0], "+ another: matched: excludes b1");
    house.cards = Some(vec![card("cu-2", "", Some("b1"))]);
    assert_eq!(short(&house.decide()), "b1 assigned @veterans");
}

#[test]
fn m079_a_flag_leads_to_the_pool_of_the_skill() {
    let rules =
        r#"rule = [{ name = "to a veteran", when = { flag = "hard" }, ring = { skill = "veteran" } }]"#;
    let mut house = House::with(rules);
    house.cards = Some(vec![card("cu-1", "hard", Some("a1"))]);
    assert_eq!(short(&house.decide()), "b1 group @to a veteran");
}

#[test]
fn m030_a_heavy_complaint_alerts_the_supervisors_without_any_rule() {
    for (flags, alerts) in [("", 0), ("complaint", 0), ("complaint:2", 1), ("complaint:9;vip", 1)] {
        let mut house = House::plain();
        house.known(flags);
        let raised = house.decide().extras.alerts;
        assert_eq!(raised.len(), alerts, "{flags}");
        assert!(raised.iter().all(|alert| alert.kind == "heavy_complaint"));
    }
    let mut house =
        House::with(r#"rule = [{ name = "r", when = { flag = "vip" }, alert = "VIP のお客様" }]"#);
    house.known("vip");
    let raised = house.decide().extras.alerts;
    assert_eq!((raised[0].rule.as_str(), raised[0].text.as_str()), ("r", "VIP のお客様"));
}

#[test]
fn a_park_says_how_for_whom_and_how_long() {
    for (wait_for, expected) in [
        ("assignee", WaitFor::Assignee),
        ("line", WaitFor::Line),
        ("group:support", WaitFor::Group("support".to_owned())),
        ("skill:english", WaitFor::Skill("english".to_owned())),
    ] {
        let park = format!(r#"park = {{ mode = "ringing", patience_s = 20, wait_for = "{wait_for}" }}"#);
        let mut house = House::with(&format!("rule = [{{ name = \"r\", {park} }}]"));
        house.can.park = true;
        house.known("");
        house.busy(&["a1", "a2", "b1", "s1"]);
        let Action::Park(park) = house.decide().action else { panic!("{wait_for}") };
        assert_eq!((park.mode, park.patience_s, park.wait_for), (ParkMode::Ringing, 20, expected));
    }
}
