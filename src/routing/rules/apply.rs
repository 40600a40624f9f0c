//! Asking the rules in their order: what each adds, and the first that decides.

use super::matcher::View;
use super::model::{Park, Rule, RuleAction, Tier, Who};
use crate::presence::AgentId;
use crate::routing::decision::{Alert, Extras, note};
use crate::routing::members::{Bar, Barred, Members};
use crate::routing::{Action, Facts, Line, OfferReason, TraceStep};

/// What a rule that matched came to.
enum Outcome {
    /// The call goes there.
    Decided(Action, String),
    /// The next rule is asked.
    Passed(String),
}

/// Asks every rule until one decides. Each leaves a step in the trace.
pub(in crate::routing) fn apply(
    facts: &Facts<'_>,
    line: &Line,
    trace: &mut Vec<TraceStep>,
    extras: &mut Extras,
) -> Option<Action> {
    let rules = &facts.directory.rules.rules;
    if rules.is_empty() {
        return None;
    }
    let view = View::of(facts, line);
    for rule in rules {
        if !rule.enabled {
            note(trace, rule.name.clone(), false, "switched off");
            continue;
        }
        if let Some(why) = rule.conditions.iter().find_map(|condition| view.holds(condition).err()) {
            note(trace, rule.name.clone(), false, why);
            continue;
        }
        add(rule, &view, extras);
        match carry_out(rule, &view, extras) {
            Outcome::Decided(action, why) => {
                note(trace, rule.name.clone(), true, why);
                return Some(action);
            }
            Outcome::Passed(why) => note(trace, rule.name.clone(), true, why),
        }
    }
    None
}

/// What the rule adds to whatever is decided.
fn add(rule: &Rule, view: &View<'_>, extras: &mut Extras) {
    extras.excluded.extend(rule.adds.exclude.iter().cloned());
    if rule.adds.protect_assignee {
        extras.protected = true;
        extras.excluded.extend(view.assignee().cloned());
    }
    if let Some(text) = &rule.adds.alert {
        extras.alerts.push(Alert { kind: "rule".to_owned(), rule: rule.name.clone(), text: text.clone() });
    }
    if rule.adds.guidance_ja.is_some() || rule.adds.guidance_en.is_some() {
        let sentence = |text: &Option<String>| text.clone().unwrap_or_default();
        extras.guidance.push((sentence(&rule.adds.guidance_ja), sentence(&rule.adds.guidance_en)));
    }
}

fn carry_out(rule: &Rule, view: &View<'_>, extras: &Extras) -> Outcome {
    let can = view.facts.background.can;
    match &rule.action {
        None => Outcome::Passed(format!("matched: {}", added(rule))),
        Some(RuleAction::Ring(tiers)) => ring(tiers, view, extras),
        Some(RuleAction::Park(park)) if can.park => {
            Outcome::Decided(Action::Park(park.clone()), format!("parked: {}", in_words(park)))
        }
        Some(RuleAction::Park(park)) => Outcome::Passed(format!(
            "matched, but nobody is parked yet ({}): the next rule is asked",
            in_words(park)
        )),
        Some(RuleAction::Callback) if can.callback => {
            Outcome::Decided(Action::Callback, "the caller is asked whether to be called back".to_owned())
        }
        Some(RuleAction::Callback) => Outcome::Passed(
            "matched, but callers are not asked for a callback yet: the next rule is asked".to_owned(),
        ),
        Some(RuleAction::Forward(to)) => {
            Outcome::Decided(Action::Forward { to: to.clone() }, format!("forwarded to {to}"))
        }
        Some(RuleAction::Reject(status)) => {
            Outcome::Decided(Action::Reject { status: *status }, format!("refused with {status}"))
        }
    }
}

fn added(rule: &Rule) -> String {
    let adds = &rule.adds;
    let mut words = Vec::new();
    if !adds.exclude.is_empty() {
        let agents: Vec<&str> = adds.exclude.iter().map(AgentId::as_str).collect();
        words.push(format!("excludes {}", agents.join(", ")));
    }
    let further = [
        (adds.protect_assignee, "protects the assignee"),
        (adds.guidance_ja.is_some() || adds.guidance_en.is_some(), "adds guidance"),
        (adds.alert.is_some(), "alerts the supervisors"),
    ];
    words.extend(further.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()));
    words.join(", ")
}

fn in_words(park: &Park) -> String {
    let mode = match park.mode {
        super::ParkMode::Ringing => "ringing",
        super::ParkMode::EarlyMedia => "early-media",
        super::ParkMode::Answered => "answered",
    };
    format!("{mode}, {} s", park.patience_s)
}

/// The first tier in which somebody is free.
fn ring(tiers: &[Tier], view: &View<'_>, extras: &Extras) -> Outcome {
    let barred = Barred::of(view.facts, &extras.excluded);
    let mut nobody = Vec::with_capacity(tiers.len());
    for tier in tiers {
        match ask(tier, view, &barred) {
            Ok((agent, why)) => {
                let reason = reason(view, &agent);
                return Outcome::Decided(Action::Offer { agent, reason }, why);
            }
            Err(why) => nobody.push(why),
        }
    }
    Outcome::Passed(format!("matched, but nobody can be rung: {}; the next rule is asked", nobody.join("; ")))
}

fn ask(tier: &Tier, view: &View<'_>, barred: &Barred<'_>) -> Result<(AgentId, String), String> {
    match &tier.who {
        Who::Assignee => match view.assignee() {
            None => Err("nobody looks after the customer".to_owned()),
            Some(agent) => one(agent, view, barred, "looks after the customer"),
        },
        Who::Agent(agent) => one(agent, view, barred, "is named"),
        Who::Pool { .. } => {
            let mut members = Members::by(tier.strategy);
            for agent in view.pool(&tier.who) {
                members.look_at(view.facts, barred, agent);
            }
            let pool = pool_name(&tier.who);
            match members.winner() {
                Some(winner) => {
                    let strategy = tier.strategy.code();
                    Ok((winner.clone(), format!("{winner} of {pool} by {strategy}: {members}")))
                }
                None => Err(format!("{pool}: {members}")),
            }
        }
    }
}

fn one(agent: &AgentId, view: &View<'_>, barred: &Barred<'_>, is: &str) -> Result<(AgentId, String), String> {
    let role = view.facts.directory.agents.get(agent).map(|agent| agent.role);
    let bar = barred.why(agent, role).map(|bar| match bar {
        Bar::Tried => "was offered it before",
        Bar::Excluded => "is excluded",
        Bar::NoManager => "is no manager, and this is a complaint",
    });
    if let Some(bar) = bar {
        return Err(format!("{agent} {bar}"));
    }
    match view.facts.agents.offerable(agent) {
        Ok(()) => Ok((agent.clone(), format!("{agent} {is} and is free"))),
        Err(why) => Err(format!("{agent} {is}: {why}")),
    }
}

/// How a group and a skill are written in the trace.
pub(super) fn pool_name(who: &Who) -> String {
    match who {
        Who::Pool { group: Some(group), skill: Some(skill) } => format!("{group} with skill {skill}"),
        Who::Pool { group: Some(group), skill: None } => group.clone(),
        Who::Pool { group: None, skill: Some(skill) } => format!("skill {skill}"),
        Who::Pool { group: None, skill: None } => "everybody".to_owned(),
        Who::Agent(agent) => agent.to_string(),
        Who::Assignee => "the assignee".to_owned(),
    }
}

fn reason(view: &View<'_>, agent: &AgentId) -> OfferReason {
    match view.assignee() {
        Some(assignee) if assignee == agent => OfferReason::Assigned,
        _ if !view.facts.tried.is_empty() => OfferReason::NextAgent,
        Some(assignee) if view.facts.agents.offerable(assignee).is_err() => OfferReason::AssigneeAbsent,
        Some(_) | None => OfferReason::Group,
    }
}
