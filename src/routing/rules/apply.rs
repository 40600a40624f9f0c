//! Asking the rules in their order: what each adds, and the first that decides.

use super::matcher::View;
use super::model::{Park, Rule, RuleAction, Strategy, Tier, WaitFor, Who};
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
    extras.priority = extras.priority.or(rule.adds.priority);
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
        Some(RuleAction::Park(park)) => match wait(rule, park, view, extras) {
            Ok(decided) => decided,
            Err(why) => Outcome::Passed(format!("matched, but {why}: the next rule is asked")),
        },
        Some(RuleAction::Callback) if can.callback => {
            Outcome::Decided(Action::Callback, "the caller is called back".to_owned())
        }
        Some(RuleAction::Callback) => Outcome::Passed(format!(
            "matched, but {}: the next rule is asked",
            view.facts.background.cannot.callback.unwrap_or("this caller cannot be called back")
        )),
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
        (adds.priority.is_some(), "gives a priority"),
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

/// Whoever is waited for has the call when they are free, and else the caller waits: as long as there is
/// somebody to wait for, and the patience of the rule lasts.
fn wait(rule: &Rule, park: &Park, view: &View<'_>, extras: &Extras) -> Result<Outcome, String> {
    let background = &view.facts.background;
    if !background.can.park {
        let why = background.cannot.park.unwrap_or("this caller cannot be kept waiting");
        return Err(format!("{why} ({})", in_words(park)));
    }
    if background.waited.contains(&rule.name) {
        return Err(format!("{} s of it are over", park.patience_s));
    }
    let who = match &park.wait_for {
        WaitFor::Assignee => Who::Assignee,
        WaitFor::Line => Who::Pool {
            group: Some(view.dialled().group.clone().ok_or("the line has no group to wait for")?),
            skill: None,
        },
        WaitFor::Group(group) => Who::Pool { group: Some(group.clone()), skill: None },
        WaitFor::Skill(skill) => Who::Pool { group: None, skill: Some(skill.clone()) },
    };
    let barred = Barred::of(view.facts, &extras.excluded);
    let tier = Tier { who, strategy: Strategy::default() };
    if let Ok((action, why)) = ask(&tier, view, &barred) {
        return Ok(Outcome::Decided(action, why));
    }
    let somebody = view.pool(&tier.who).any(|agent| barred.why(&agent.id, Some(agent.role)).is_none());
    if !somebody {
        return Err(format!("nobody is left to wait for ({})", pool_name(&tier.who)));
    }
    let why = format!("parked: {}, for {}", in_words(park), pool_name(&tier.who));
    Ok(Outcome::Decided(Action::Park(park.clone()), why))
}

/// The first tier in which somebody is free.
fn ring(tiers: &[Tier], view: &View<'_>, extras: &Extras) -> Outcome {
    let barred = Barred::of(view.facts, &extras.excluded);
    let mut nobody = Vec::with_capacity(tiers.len());
    for tier in tiers {
        match ask(tier, view, &barred) {
            Ok((action, why)) => return Outcome::Decided(action, why),
            Err(why) => nobody.push(why),
        }
    }
    Outcome::Passed(format!("matched, but nobody can be rung: {}; the next rule is asked", nobody.join("; ")))
}

fn ask(tier: &Tier, view: &View<'_>, barred: &Barred<'_>) -> Result<(Action, String), String> {
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
                Some(winner) => Ok(offer_to(winner.clone(), members, tier.strategy, &pool, view)),
                None => Err(format!("{pool}: {members}")),
            }
        }
    }
}

/// The winner of a pool is rung, with the others of it where all are.
fn offer_to(
    agent: AgentId,
    members: Members<'_>,
    strategy: Strategy,
    pool: &str,
    view: &View<'_>,
) -> (Action, String) {
    let counted = members.to_string();
    let beside = members.beside(view.facts.background.can.at_once);
    let rung: Vec<&str> = std::iter::once(&agent).chain(&beside).map(AgentId::as_str).collect();
    let mut why = format!("{} of {pool} by {}: {counted}", rung.join(", "), strategy.code());
    if let (Strategy::RingAll, Some(only)) = (strategy, view.facts.background.cannot.ring_all) {
        why = format!("{why}; one at a time: {only}");
    }
    let reason = if beside.is_empty() { reason(view, &agent) } else { reason_of_many(view) };
    (Action::Offer { agent, beside, reason }, why)
}

fn one(agent: &AgentId, view: &View<'_>, barred: &Barred<'_>, is: &str) -> Result<(Action, String), String> {
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
        Ok(()) => {
            let action = Action::offer(agent.clone(), reason(view, agent));
            Ok((action, format!("{agent} {is} and is free")))
        }
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
        Some(_) | None => reason_of_many(view),
    }
}

/// In what capacity a whole group is rung.
fn reason_of_many(view: &View<'_>) -> OfferReason {
    match view.assignee() {
        _ if !view.facts.tried.is_empty() => OfferReason::NextAgent,
        Some(assignee) if view.facts.agents.offerable(assignee).is_err() => OfferReason::AssigneeAbsent,
        Some(_) | None => OfferReason::Group,
    }
}
