//! The rules in their order; the first that matches decides.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::decision::{Action, Decision, OfferReason, TraceStep};
use super::{Agent, Directory, Line};
use crate::customer::CustomerCard;
use crate::identity::Presentation;
use crate::presence::{AgentBook, AgentId, WhyNot};

/// Agents named in one step of the trace; the others are counted.
const NAMED: usize = 20;

/// Everything a decision may know. The same facts always give the same decision.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Facts<'a> {
    /// When, by the wall clock.
    pub at: Timestamp,
    /// The called number as cleaned.
    pub called: &'a str,
    /// The line the called number is, if it is one.
    pub line: Option<&'a Line>,
    /// The called number is an emergency number.
    pub emergency: bool,
    /// What the caller let be seen.
    pub presentation: &'a Presentation,
    /// What the look-up said.
    pub customer: CustomerFact<'a>,
    /// Everybody's status and state.
    pub agents: &'a AgentBook,
    /// Agents and lines.
    pub directory: &'a Directory,
    /// Who was offered this call before.
    pub tried: &'a [AgentId],
}

/// What is known of the customer.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerFact<'a> {
    /// Not known, with the reason: `deadline`, `down`, `not_asked` …
    NotLookedUp(&'a str),
    /// Nobody has this number.
    None,
    /// One customer.
    One(&'a CustomerCard),
    /// Several have this number.
    Several(&'a [CustomerCard]),
}

/// Decides where the call goes.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let mut trace = Vec::with_capacity(5);
    let action = match line_of(facts, &mut trace) {
        Err(action) => action,
        Ok(line) => assignee_first(facts, line, &mut trace),
    };
    let rule = trace.last().map(|step| step.rule.clone()).unwrap_or_default();
    Decision { action, rule, trace }
}

/// Emergency numbers and numbers that are no line of ours are not decided about.
fn line_of<'a>(facts: &Facts<'a>, trace: &mut Vec<TraceStep>) -> Result<&'a Line, Action> {
    if facts.emergency {
        note(trace, "emergency", true, "the called number is an emergency number: nothing may delay it");
        return Err(Action::Untouched);
    }
    note(trace, "emergency", false, "the called number is no emergency number");
    match facts.line {
        None => {
            note(trace, "not_a_line", true, "the called number is no line");
            Err(Action::DefaultRoute { why: "the called number is no line".to_owned() })
        }
        Some(line) => {
            note(trace, "not_a_line", false, format!("{} is the line of {}", line.number, line.client));
            Ok(line)
        }
    }
}

/// Who looks after the customer is rung first where the line says so (M001, M003). They need not be in the
/// line's group.
fn assignee_first(facts: &Facts<'_>, line: &Line, trace: &mut Vec<TraceStep>) -> Action {
    const RULE: &str = "assignee_first";
    let (why, absent) = match candidate_assignee(facts, line) {
        Err(why) => (why, false),
        Ok(assignee) if facts.tried.contains(assignee) => {
            (format!("{assignee} was offered it before"), false)
        }
        Ok(assignee) => match facts.agents.offerable(assignee) {
            Ok(()) => {
                note(trace, RULE, true, format!("{assignee} looks after the customer and is free"));
                return Action::Offer { agent: assignee.clone(), reason: OfferReason::Assigned };
            }
            Err(why_not) => (format!("{assignee} looks after the customer: {why_not}"), true),
        },
    };
    note(trace, RULE, false, why);
    group(facts, line, absent, trace)
}

fn candidate_assignee<'a>(facts: &Facts<'a>, line: &Line) -> Result<&'a AgentId, String> {
    if !line.assigned_first {
        return Err("the line does not ring the assignee first".to_owned());
    }
    match facts.customer {
        CustomerFact::NotLookedUp(reason) => Err(format!("the customer is not known: {reason}")),
        CustomerFact::None => Err("no customer has this number".to_owned()),
        CustomerFact::Several(cards) => Err(format!("{} customers have this number", cards.len())),
        CustomerFact::One(card) => card.assignee.as_ref().ok_or("the customer has no assignee".to_owned()),
    }
}

/// The line's group, longest idle first; among equals the smaller id.
fn group(facts: &Facts<'_>, line: &Line, assignee_absent: bool, trace: &mut Vec<TraceStep>) -> Action {
    const RULE: &str = "group";
    let Some(group) = &line.group else {
        note(trace, RULE, false, "the line has no group");
        return default_route(trace, "the line has no group");
    };
    let mut members = Members::default();
    for agent in facts.directory.agents.values().filter(|agent| agent.groups.contains(group)) {
        members.look_at(facts, agent);
    }
    let Some((_, winner)) = members.best else {
        note(trace, RULE, false, format!("{group}: {members}"));
        return default_route(trace, members.why_nobody());
    };
    note(trace, RULE, true, format!("{winner} has waited longest in {group}: {members}"));
    let reason = if !facts.tried.is_empty() {
        OfferReason::NextAgent
    } else if assignee_absent {
        OfferReason::AssigneeAbsent
    } else {
        OfferReason::Group
    };
    Action::Offer { agent: winner.clone(), reason }
}

fn default_route(trace: &mut Vec<TraceStep>, why: &'static str) -> Action {
    note(trace, "default_route", true, why);
    Action::DefaultRoute { why: why.to_owned() }
}

fn note(trace: &mut Vec<TraceStep>, rule: &'static str, matched: bool, why: impl Into<Cow<'static, str>>) {
    trace.push(TraceStep { rule: Cow::Borrowed(rule), matched, why: why.into() });
}

/// A group as the rule saw it: the winner, counts, and the first few who are not free by name.
#[derive(Default)]
struct Members<'a> {
    best: Option<(crate::clock::Moment, &'a AgentId)>,
    free: usize,
    tried: usize,
    not_free: BTreeMap<&'static str, usize>,
    named: Vec<(&'a AgentId, WhyNot)>,
}

impl<'a> Members<'a> {
    /// Members come in order of id, so that only a longer wait takes the place of the best so far.
    fn look_at(&mut self, facts: &Facts<'a>, agent: &'a Agent) {
        if facts.tried.contains(&agent.id) {
            self.tried += 1;
            return;
        }
        match facts.agents.offerable(&agent.id) {
            Ok(()) => {
                self.free += 1;
                let since = facts.agents.idle_since(&agent.id).unwrap_or_default();
                if self.best.is_none_or(|(best, _)| since < best) {
                    self.best = Some((since, &agent.id));
                }
            }
            Err(why) => {
                *self.not_free.entry(why.code()).or_default() += 1;
                if self.named.len() < NAMED {
                    self.named.push((&agent.id, why));
                }
            }
        }
    }

    fn why_nobody(&self) -> &'static str {
        match (self.tried, self.not_free.is_empty()) {
            (0, true) => "the line's group has no agents",
            (_, true) => "everybody in the line's group was tried",
            (_, false) => "nobody in the line's group is free",
        }
    }
}

impl std::fmt::Display for Members<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} free, {} tried", self.free, self.tried)?;
        for (code, count) in &self.not_free {
            write!(formatter, ", {count} {code}")?;
        }
        let mut lead = " (";
        for (agent, why) in &self.named {
            write!(formatter, "{lead}{agent} {why}")?;
            lead = ", ";
        }
        let all: usize = self.not_free.values().sum();
        match (self.named.len(), all - self.named.len()) {
            (0, _) => Ok(()),
            (_, 0) => formatter.write_str(")"),
            (_, more) => write!(formatter, " and {more} more)"),
        }
    }
}
