//! Each condition where it holds and where it does not, with the reason in the trace.

use super::house::{House, card, id, mobile, moment, short, steps};
use crate::customer::Language;
use crate::identity::{NumberKind, Presentation};
use crate::presence::AbsenceReason;

/// The conditions, the house, and why they do not hold; empty when they do.
type Row = (&'static str, fn(&mut House), &'static str);

const PLACE_AND_TIME: [Row; 23] = [
    (r#"line = ["0120-123-456"]"#, |_| {}, ""),
    (r#"line = "+81120123456""#, |_| {}, ""),
    (r#"line = ["03-1111-2222"]"#, |_| {}, "line: it is 0120-123-456"),
    (r#"client = ["青葉製作所"]"#, |_| {}, ""),
    (r#"client = ["別会社"]"#, |_| {}, "client: it is 青葉製作所"),
    (r#"line_group = ["sales"]"#, |_| {}, ""),
    (r#"line_group = ["support"]"#, |_| {}, "line_group: it is sales"),
    (r#"line_group = ["sales"]"#, |it| it.line.group = None, "line_group: it is none"),
    (r#"weekday = ["mon", "tue"]"#, |_| {}, ""),
    (r#"weekday = ["sat", "sun"]"#, |_| {}, "weekday: it is Tuesday"),
    // Monday evening in London is Tuesday morning in Tokyo.
    (r#"weekday = "tue""#, |it| it.at = moment("2026-11-23T20:00:00Z"), ""),
    ("holiday = false", |_| {}, ""),
    ("holiday = true", |_| {}, "holiday: it is none"),
    ("holiday = true", |it| it.at = moment("2026-11-23T10:00:00+09:00"), ""),
    ("holiday = false", |it| it.at = moment("2026-11-23T10:00:00+09:00"), "holiday: it is 勤労感謝の日"),
    (r#"date = ["2026-11-24"]"#, |_| {}, ""),
    (r#"date = ["2026-12-29..2027-01-03"]"#, |_| {}, "date: it is 2026-11-24"),
    (r#"date = "2026-12-29..2027-01-03""#, |it| it.at = moment("2027-01-03T23:59:00+09:00"), ""),
    (r#"time = ["09:00-10:30", "10:30-12:00"]"#, |_| {}, ""),
    (r#"time = "09:00-10:30""#, |_| {}, "time: it is 10:30"),
    (r#"time = "18:00-09:00""#, |it| it.at = moment("2026-11-24T08:59:59+09:00"), ""),
    (r#"time = "18:00-09:00""#, |it| it.at = moment("2026-11-24T09:00:00+09:00"), "time: it is 09:00"),
    // The first that does not hold is named, in the order in which they are asked.
    ("holiday = true\nline = \"1\"", |_| {}, "line: it is 0120-123-456"),
];

const CALLER: [Row; 13] = [
    (r#"presentation = ["number"]"#, |_| {}, ""),
    (r#"presentation = ["withheld", "payphone"]"#, |_| {}, "presentation: it is number"),
    (r#"presentation = "withheld""#, |it| it.presentation = Presentation::Withheld, ""),
    (r#"number = ["0120*", "090*"]"#, |_| {}, ""),
    (r#"number = "+8190XXXXXXXX""#, |_| {}, ""),
    (r#"number = "*0000""#, |_| {}, "number: it fits no pattern"),
    (r#"number = "*""#, |it| it.presentation = Presentation::Payphone, "number: the caller is payphone"),
    (r#"number = "+1415*""#, |it| it.presentation = mobile("+1 415-555-2671", "+14155552671"), ""),
    (r#"number = "14155552671""#, |it| it.presentation = mobile("+1 415-555-2671", "+14155552671"), ""),
    (r#"number_kind = ["mobile", "ip_phone"]"#, |_| {}, ""),
    (r#"number_kind = "fixed""#, |_| {}, "number_kind: it is mobile"),
    (
        r#"number_kind = "fixed""#,
        |it| it.presentation = Presentation::Error,
        "number_kind: the caller is error",
    ),
    (
        r#"number_kind = "extension""#,
        |it| {
            let Presentation::Number(number) = &mut it.presentation else { return };
            number.kind = NumberKind::Extension;
        },
        "",
    ),
];

const CUSTOMER: [Row; 23] = [
    (r#"customer = "unknown""#, |_| {}, ""),
    (r#"customer = "known""#, |_| {}, "customer: unknown"),
    (r#"customer = ["known", "several"]"#, |it| it.known(""), ""),
    (
        r#"customer = "known""#,
        |it| it.cards = Some(vec![card("cu-1", "", None), card("cu-2", "", None)]),
        "customer: several",
    ),
    (r#"customer = "known""#, |it| it.cards = None, "customer: not_looked_up"),
    (r#"customer_id = ["cu-1"]"#, |it| it.known(""), ""),
    (r#"customer_id = ["cu-2"]"#, |it| it.known(""), "customer_id: it is another customer"),
    (r#"customer_id = ["cu-2"]"#, |_| {}, "customer_id: the customer is not known"),
    (r#"flag = ["vip", "complaint:2"]"#, |it| it.known("complaint:2"), ""),
    (r#"flag = "complaint:2""#, |it| it.known("complaint"), "flag: the customer has none of them"),
    (r#"flag = "complaint""#, |it| it.known("complaint:3;vip"), ""),
    (r#"flag = "vip""#, |_| {}, "flag: the customer is not known"),
    (r#"without_flag = "vip""#, |it| it.known("vip"), "without_flag: the customer has vip"),
    (r#"without_flag = "vip""#, |it| it.known("complaint"), ""),
    (r#"without_flag = "vip""#, |_| {}, ""),
    (r#"rank = ["A", "B"]"#, |it| it.known(""), ""),
    (r#"rank = "B""#, |it| it.known(""), "rank: it is A"),
    (r#"tag = "展示会""#, |it| it.open.tags.push("展示会".to_owned()), ""),
    (r#"tag = "展示会""#, |_| {}, "tag: the customer has none of them"),
    (r#"language = "ja""#, |it| it.known(""), ""),
    (r#"language = "en""#, |it| it.known(""), "language: it is ja"),
    (
        r#"language = "en""#,
        |it| {
            it.known("");
            it.cards.as_mut().unwrap()[0].language = Language::En;
        },
        "",
    ),
    (r#"language = "ja""#, |_| {}, "language: the customer is not known"),
];

const ASSIGNEE: [Row; 17] = [
    (r#"assignee = "available""#, |it| it.known(""), ""),
    (r#"assignee = "none""#, |_| {}, ""),
    (r#"assignee = "available""#, |_| {}, "assignee: none"),
    (r#"assignee = ["busy", "away"]"#, |it| with_b1(it, |it| it.on_call("b1")), ""),
    (r#"assignee = "away""#, |it| with_b1(it, |it| it.on_call("b1")), "assignee: busy"),
    (r#"assignee = "away""#, |it| with_b1(it, |it| it.away("b1", AbsenceReason::Out, None)), ""),
    (r#"assignee = "offline""#, |it| with_b1(it, |it| it.offline("b1")), ""),
    (r#"assignee = "unreachable""#, |it| with_b1(it, |it| it.agents.require_screen(true)), ""),
    (r#"assignee_reason = "break""#, |it| with_b1(it, |it| it.away("b1", AbsenceReason::Break, None)), ""),
    (
        r#"assignee_reason = ["meeting", "custom:研修"]"#,
        |it| with_b1(it, |it| it.away("b1", AbsenceReason::Break, None)),
        "assignee_reason: it is break",
    ),
    (r#"assignee_reason = "other_case""#, |it| with_b1(it, |it| it.on_call("b1")), ""),
    (r#"assignee_reason = "rona""#, |it| it.known(""), "assignee_reason: it is none"),
    ("assignee_back_within_min = 15", |it| with_b1(it, |it| back(it, "2026-11-24T10:45:00+09:00")), ""),
    (
        "assignee_back_within_min = 15",
        |it| with_b1(it, |it| back(it, "2026-11-24T10:46:30+09:00")),
        "assignee_back_within_min: in 16 min",
    ),
    (
        "assignee_back_within_min = 15",
        |it| with_b1(it, |it| back(it, "2026-11-24T10:29:00+09:00")),
        "assignee_back_within_min: the time is over",
    ),
    ("assignee_back_within_min = 15", |it| it.known(""), "assignee_back_within_min: it is not known"),
    (
        r#"assignee = "available""#,
        |it| {
            it.known("");
            it.case(Some("a1"), false);
            it.on_call("b1");
        },
        "",
    ),
];

const OPEN_AND_NUMBERS: [Row; 21] = [
    ("open_case = true", |it| it.case(None, false), ""),
    ("open_case = true", |_| {}, "open_case: there is none"),
    ("open_case = false", |it| it.case(None, false), "open_case: there is one"),
    ("complaint_case = true", |it| it.case(None, false), "complaint_case: there is none"),
    ("callback_promised = true", |it| it.open.callback = true, ""),
    ("callback_promised = true", |_| {}, "callback_promised: there is none"),
    ("dispatch = true", |it| it.open.dispatch = true, ""),
    ("dispatch = true", |_| {}, "dispatch: there is none"),
    ("repeats = {}", |it| it.called(5, 1), ""),
    ("repeats = {}", |it| it.called(4, 1), "repeats: 4 of 5 in 24 h"),
    ("repeats = { at_least = 3, within_h = 2 }", |it| it.called(5, 1), "repeats: 2 of 3 in 2 h"),
    ("repeats = { at_least = 2, within_h = 168 }", |it| it.called(2, 160), ""),
    (r#"free = { skill = "veteran" }"#, |_| {}, ""),
    (r#"free = { skill = "veteran" }"#, |it| it.offline("b1"), "free: 0 in skill veteran"),
    (
        r#"free = { group = "sales", skill = "english", at_least = 2 }"#,
        |_| {},
        "free: 1 in sales with skill english",
    ),
    (r#"free = { group = "support", at_least = 0 }"#, |_| {}, "free: 2 in support"),
    (r#"free = [{ agent = "b1" }, { group = "sales", at_least = 3 }]"#, |_| {}, ""),
    (r#"queue = { group = "sales", at_least = 3 }"#, |it| _ = it.queues.insert("sales".to_owned(), 3), ""),
    (r#"queue = { group = "sales" }"#, |_| {}, "queue: 0 wait for sales"),
    ("tried_at_least = 2", |it| it.tried = vec![id("a1"), id("s1")], ""),
    ("tried_at_least = 2", |it| it.tried = vec![id("a1")], "tried_at_least: 1"),
];

fn with_b1(house: &mut House, change: fn(&mut House)) {
    house.known("");
    change(house);
}

fn back(house: &mut House, until: &str) {
    house.away("b1", AbsenceReason::Break, Some(until));
}

/// A rule with the row's conditions rings the manager; where they do not hold the group answers.
fn check(rows: &[Row]) {
    for (conditions, make, why_not) in rows {
        let rules =
            format!("[[rule]]\nname = \"row\"\nring = {{ agent = \"m1\" }}\n[rule.when]\n{conditions}\n");
        let mut house = House::with(&rules);
        make(&mut house);
        // Whoever must have a screen has none here, and the manager is as unreachable as the others.
        let reachable = !conditions.contains("unreachable");
        let decision = house.decide();
        if why_not.is_empty() {
            let expected = if reachable { "m1" } else { "default route" };
            assert!(short(&decision).starts_with(expected), "{conditions}: {decision:?}");
            let step = &steps(&decision)[0];
            assert!(step.starts_with("+ row: "), "{conditions}: {step}");
        } else {
            assert_eq!(steps(&decision), [format!("- row: {why_not}")], "{conditions}");
            assert_ne!(decision.rule, "row", "{conditions}");
        }
    }
}

#[test]
fn conditions_on_the_line_and_the_time_hold_as_the_table_says() {
    check(&PLACE_AND_TIME);
}

#[test]
fn conditions_on_the_caller_hold_as_the_table_says() {
    check(&CALLER);
}

#[test]
fn conditions_on_the_customer_hold_as_the_table_says() {
    check(&CUSTOMER);
}

#[test]
fn conditions_on_the_assignee_hold_as_the_table_says() {
    check(&ASSIGNEE);
}

#[test]
fn conditions_on_what_is_open_and_on_numbers_hold_as_the_table_says() {
    check(&OPEN_AND_NUMBERS);
}
