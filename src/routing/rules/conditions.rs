//! Reading the conditions of a rule, in the order in which they are asked.

use jiff::civil::{Date, Time, Weekday};

use super::NumberPattern;
use super::model::{AssigneeIs, Condition, CustomerIs, FlagIs, RuleLimits};
use super::parse::{pair, read_frequent, read_who, sentence, word};
use super::read::Section;
use crate::customer::{Language, parse_flags};
use crate::identity::NumberKind;
use crate::presence::AbsenceReason;

/// The words of the six presentations.
const PRESENTATIONS: [&str; 6] =
    ["number", "withheld", "payphone", "out_of_area", "service_conflict", "error"];

/// The days of the week, Monday first.
const WEEK: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

const CUSTOMERS: [(&str, CustomerIs); 4] = [
    ("known", CustomerIs::Known),
    ("several", CustomerIs::Several),
    ("unknown", CustomerIs::Unknown),
    ("not_looked_up", CustomerIs::NotLookedUp),
];

const ASSIGNEES: [(&str, AssigneeIs); 6] = [
    ("available", AssigneeIs::Available),
    ("busy", AssigneeIs::Busy),
    ("away", AssigneeIs::Away),
    ("offline", AssigneeIs::Offline),
    ("unreachable", AssigneeIs::Unreachable),
    ("none", AssigneeIs::None),
];

/// Reads `[rule.when]`.
pub(super) fn read_conditions(when: &Section<'_>, limits: &RuleLimits) -> Vec<Condition> {
    if when.len() > limits.conditions {
        when.fault_here(&format!(
            "there are {} conditions, and a rule has at most {}",
            when.len(),
            limits.conditions
        ));
        return Vec::new();
    }
    let mut conditions = Vec::new();
    read_place_and_time(when, limits, &mut conditions);
    read_caller(when, limits, &mut conditions);
    read_assignee(when, limits, &mut conditions);
    read_numbers(when, &mut conditions);
    when.refuse_unknown_keys();
    conditions
}

fn read_place_and_time(when: &Section<'_>, limits: &RuleLimits, list: &mut Vec<Condition>) {
    list.extend(when.texts("line", limits.entries, sentence).map(Condition::Line));
    list.extend(when.texts("client", limits.entries, sentence).map(Condition::Client));
    list.extend(when.texts("line_group", limits.entries, sentence).map(Condition::LineGroup));
    list.extend(
        when.texts("weekday", 7, word(&WEEK))
            .map(|days| Condition::Weekday(WEEK.map(|(_, day)| days.contains(&day)))),
    );
    list.extend(when.flag("holiday").map(Condition::Holiday));
    list.extend(when.texts("date", limits.entries, dates).map(Condition::Dates));
    list.extend(when.texts("time", limits.entries, times).map(Condition::Time));
}

fn read_caller(when: &Section<'_>, limits: &RuleLimits, list: &mut Vec<Condition>) {
    let presentations = PRESENTATIONS.map(|word| (word, word));
    list.extend(
        when.texts("presentation", PRESENTATIONS.len(), word(&presentations)).map(Condition::Presentation),
    );
    let pattern = |text: &str| NumberPattern::parse(text, limits.pattern);
    list.extend(when.texts("number", limits.entries, pattern).map(Condition::Number));
    list.extend(when.texts("number_kind", limits.entries, kind).map(Condition::Kind));
    list.extend(when.texts("customer", CUSTOMERS.len(), word(&CUSTOMERS)).map(Condition::Customer));
    list.extend(when.texts("customer_id", limits.entries, sentence).map(Condition::CustomerId));
    list.extend(when.texts("flag", limits.entries, flag).map(Condition::Flags));
    list.extend(when.texts("without_flag", limits.entries, flag).map(Condition::WithoutFlags));
    list.extend(when.texts("rank", limits.entries, sentence).map(Condition::Rank));
    list.extend(when.texts("tag", limits.entries, sentence).map(Condition::Tags));
    let language = when.text("language", word(&[("ja", Language::Ja), ("en", Language::En)]));
    list.extend(language.map(Condition::Language));
}

fn read_assignee(when: &Section<'_>, limits: &RuleLimits, list: &mut Vec<Condition>) {
    list.extend(when.texts("assignee", ASSIGNEES.len(), word(&ASSIGNEES)).map(Condition::Assignee));
    list.extend(when.texts("assignee_reason", limits.entries, reason).map(Condition::AssigneeReason));
    let back = when.number("assignee_back_within_min", 1..=10_080);
    list.extend(back.map(Condition::AssigneeBackWithin));
}

fn read_numbers(when: &Section<'_>, list: &mut Vec<Condition>) {
    list.extend(when.flag("open_case").map(Condition::OpenCase));
    list.extend(when.flag("complaint_case").map(Condition::ComplaintCase));
    list.extend(when.flag("callback_promised").map(Condition::Callback));
    list.extend(when.flag("dispatch").map(Condition::Dispatch));
    if let Some(section) = when.section("repeats") {
        list.push(Condition::Repeats(read_frequent(&section, "at_least")));
    }
    for section in when.sections("free").unwrap_or_default() {
        let who = read_who(&section);
        let at_least = section.number("at_least", 0..=1_000).unwrap_or(1);
        section.refuse_unknown_keys();
        match who {
            Some(who) => list.push(Condition::Free { who, at_least }),
            None => section.fault_here("names nobody: write agent, group or skill"),
        }
    }
    for section in when.sections("queue").unwrap_or_default() {
        let group = section.text("group", sentence);
        let at_least = section.number("at_least", 1..=100_000).unwrap_or(1);
        section.refuse_unknown_keys();
        match group {
            Some(group) => list.push(Condition::Queue { group, at_least }),
            None => section.fault("group", "is missing"),
        }
    }
    list.extend(when.number("tried_at_least", 1..=1_000).map(Condition::Tried));
}

fn kind(text: &str) -> Result<NumberKind, String> {
    let read = serde_json::from_value(serde_json::Value::String(text.to_owned()));
    read.map_err(|_| {
        format!(
            "\"{}\" is unknown; use one of fixed, mobile, ip_phone, freephone, navi_dial, premium, pager, \
             service, extension, foreign, unknown",
            text.escape_debug()
        )
    })
}

fn flag(text: &str) -> Result<FlagIs, String> {
    match parse_flags(text).map_err(|fault| fault.to_string())?.as_slice() {
        [flag] => Ok(FlagIs { code: flag.code.clone(), level: flag.level.unwrap_or(1) }),
        [] | [_, _, ..] => Err(format!("\"{}\": write one flag in each text", text.escape_debug())),
    }
}

fn reason(text: &str) -> Result<AbsenceReason, String> {
    match text {
        "rona" => Ok(AbsenceReason::Rona),
        _ => text.parse().map_err(|fault: crate::presence::UnknownReason| fault.to_string()),
    }
}

/// `2026-12-29` or `2026-12-29..2027-01-03`.
fn dates(text: &str) -> Result<(Date, Date), String> {
    let wanted = "a date as 2026-12-29, or two as 2026-12-29..2027-01-03";
    let (from, to) = match text.parse::<Date>() {
        Ok(day) => (day, day),
        Err(_) => pair(text, "..", wanted)?,
    };
    if from > to { Err(format!("{from} is later than {to}")) } else { Ok((from, to)) }
}

/// `09:00-18:00`.
fn times(text: &str) -> Result<(Time, Time), String> {
    let (from, to) = pair::<Time>(text, "-", "a span of time as 09:00-18:00")?;
    if from == to { Err(format!("{from} is the beginning and the end")) } else { Ok((from, to)) }
}
