//! The rules in their order; the first that matches decides.

use jiff::Timestamp;
use serde::Serialize;

use super::decision::{Action, Alert, Decision, Extras, OfferReason, TraceStep, note};
use super::members::{Bar, Barred, Members};
use super::rules::{self, Strategy, WhyAssignee};
use super::{Background, Directory, Line, People, assignee_of};
use crate::customer::{ComplaintLevel, CustomerCard, complaint_level};
use crate::identity::Presentation;
use crate::presence::{AgentId, Role};

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
    pub agents: People<'a>,
    /// Agents, lines and rules.
    pub directory: &'a Directory,
    /// Who was offered this call before.
    pub tried: &'a [AgentId],
    /// What surrounds the call.
    pub background: Background<'a>,
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

impl<'a> CustomerFact<'a> {
    /// The customer, when it is one.
    pub fn card(&self) -> Option<&'a CustomerCard> {
        match self {
            Self::One(card) => Some(card),
            Self::NotLookedUp(_) | Self::None | Self::Several(_) => None,
        }
    }
}

/// Decides where the call goes: the house's own rules first, then the built-in steps.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let mut trace = Vec::with_capacity(5 + facts.directory.rules.rules.len());
    let mut extras = Extras::default();
    let action = match line_of(facts, &mut trace) {
        Err(action) => action,
        Ok(line) => {
            alert_heavy_complaint(facts, &mut extras);
            rules::apply(facts, line, &mut trace, &mut extras)
                .or_else(|| complaint_case(facts, &extras, &mut trace))
                .unwrap_or_else(|| assignee_first(facts, line, &extras, &mut trace))
        }
    };
    let rule = trace.last().map(|step| step.rule.clone()).unwrap_or_default();
    Decision { action, rule, trace, extras }
}

/// Supervisors hear of a heavy complaint while it rings (M030).
fn alert_heavy_complaint(facts: &Facts<'_>, extras: &mut Extras) {
    let level = facts.customer.card().map_or(ComplaintLevel::None, |card| complaint_level(&card.flags));
    if level == ComplaintLevel::Heavy {
        extras.alerts.push(Alert {
            kind: "heavy_complaint".to_owned(),
            rule: String::new(),
            text: "重クレームのお客様です".to_owned(),
        });
    }
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
            note(trace, "not_a_line", false, [&line.number, " is the line of ", &line.client].concat());
            Ok(line)
        }
    }
}

/// An open complaint goes to its owner, and while they cannot take it to the managers; nobody else is ever
/// offered it (M005).
fn complaint_case(facts: &Facts<'_>, extras: &Extras, trace: &mut Vec<TraceStep>) -> Option<Action> {
    const RULE: &str = "complaint_case";
    let barred = Barred::of(facts, &extras.excluded);
    let owner = barred.complaint?.owner.as_ref();
    let role = |agent: &AgentId| facts.directory.agents.get(agent).map(|agent| agent.role);
    let free =
        |agent: &&AgentId| barred.why(agent, role(agent)).is_none() && facts.agents.offerable(agent).is_ok();
    if let Some(owner) = owner.filter(free) {
        note(trace, RULE, true, format!("{owner} owns the complaint and is free"));
        return Some(Action::offer(owner.clone(), OfferReason::Assigned));
    }
    let mut members = Members::by(Strategy::LongestIdle);
    for agent in facts.directory.agents.values().filter(|agent| agent.role == Role::Manager) {
        members.look_at(facts, &barred, agent);
    }
    let Some(winner) = members.winner() else {
        note(trace, RULE, false, format!("the managers: {members}"));
        return Some(default_route(trace, "a complaint, and no manager is free"));
    };
    note(trace, RULE, true, format!("{winner} has waited longest of the managers: {members}"));
    let reason = if facts.tried.is_empty() { OfferReason::AssigneeAbsent } else { OfferReason::NextAgent };
    Some(Action::offer(winner.clone(), reason))
}

/// Who looks after the customer is rung first where the line says so (M001, M003). They need not be in the
/// line's group.
fn assignee_first(facts: &Facts<'_>, line: &Line, extras: &Extras, trace: &mut Vec<TraceStep>) -> Action {
    const RULE: &str = "assignee_first";
    let barred = Barred::of(facts, &extras.excluded);
    let (why, absent) = match candidate_assignee(facts, line) {
        Err(why) => (why, false),
        Ok((assignee, why)) => match barred.why(assignee, None) {
            Some(Bar::Tried) => (format!("{assignee} was offered it before"), false),
            Some(Bar::Excluded | Bar::NoManager) => (format!("{assignee} is excluded by a rule"), false),
            None => match facts.agents.offerable(assignee) {
                Ok(()) => {
                    note(trace, RULE, true, [assignee.as_str(), " ", what_of(why), " and is free"].concat());
                    return Action::offer(assignee.clone(), OfferReason::Assigned);
                }
                Err(why_not) => (format!("{assignee} {}: {why_not}", what_of(why)), true),
            },
        },
    };
    note(trace, RULE, false, why);
    group(facts, line, absent, &barred, trace)
}

const fn what_of(why: WhyAssignee) -> &'static str {
    match why {
        WhyAssignee::OpenCaseOwner => "owns the open case",
        WhyAssignee::AccountOwner => "looks after the customer",
        WhyAssignee::LastAgent => "talked with the customer last",
    }
}

fn candidate_assignee<'a>(facts: &Facts<'a>, line: &Line) -> Result<(&'a AgentId, WhyAssignee), String> {
    if !line.assigned_first {
        return Err("the line does not ring the assignee first".to_owned());
    }
    match facts.customer {
        CustomerFact::NotLookedUp(reason) => Err(format!("the customer is not known: {reason}")),
        CustomerFact::None => Err("no customer has this number".to_owned()),
        CustomerFact::Several(cards) => Err(format!("{} customers have this number", cards.len())),
        CustomerFact::One(card) => {
            let order = &facts.directory.rules.assignee_order;
            assignee_of(order, Some(card), facts.background.open)
                .ok_or("the customer has no assignee".to_owned())
        }
    }
}

/// The line's group, longest idle first; among equals the smaller id.
fn group(
    facts: &Facts<'_>,
    line: &Line,
    assignee_absent: bool,
    barred: &Barred<'_>,
    trace: &mut Vec<TraceStep>,
) -> Action {
    const RULE: &str = "group";
    let Some(group) = &line.group else {
        note(trace, RULE, false, "the line has no group");
        return default_route(trace, "the line has no group");
    };
    let mut members = Members::by(Strategy::LongestIdle);
    for agent in facts.directory.agents.values().filter(|agent| agent.groups.contains(group)) {
        members.look_at(facts, barred, agent);
    }
    let Some(winner) = members.winner() else {
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
    Action::offer(winner.clone(), reason)
}

fn default_route(trace: &mut Vec<TraceStep>, why: &'static str) -> Action {
    note(trace, "default_route", true, why);
    Action::DefaultRoute { why: why.to_owned() }
}
