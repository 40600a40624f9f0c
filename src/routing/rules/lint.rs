//! What is wrong with a set of rules only in this house: refused where it would harm, said where it may be
//! meant.

use super::model::{Condition, Rule, RuleAction, RuleFault, RuleSet, Who};
use crate::routing::{Directory, is_emergency};

/// What a set is looked at against.
#[derive(Clone, Copy, Debug)]
pub struct LintFacts<'a> {
    /// Agents and lines.
    pub directory: &'a Directory,
    /// Emergency numbers the configuration adds.
    pub emergency: &'a [String],
}

/// What must be refused, and what is only said: names that nobody and nothing has today.
///
/// # Errors
/// Everything that must be refused (N26, N73).
pub fn lint(set: &RuleSet, facts: &LintFacts<'_>) -> Result<Vec<RuleFault>, Vec<RuleFault>> {
    let (mut refused, mut said) = (Vec::new(), Vec::new());
    for rule in &set.rules {
        refused.extend(harm(rule, facts).map(|what| fault(rule, what)));
        said.extend(unknown(rule, facts.directory).into_iter().map(|what| fault(rule, what)));
    }
    if refused.is_empty() { Ok(said) } else { Err(refused) }
}

fn fault(rule: &Rule, what: String) -> RuleFault {
    RuleFault { line: Some(rule.line), what: format!("rule \"{}\": {what}", rule.name.escape_debug()) }
}

/// Emergency numbers are no business of rules, and a rule must not send a call back to where it came from.
fn harm(rule: &Rule, facts: &LintFacts<'_>) -> Option<String> {
    let emergency = |number: &str| is_emergency(&digits(number), facts.emergency);
    for condition in &rule.conditions {
        if let Condition::Line(lines) = condition
            && let Some(line) = lines.iter().find(|line| emergency(line))
        {
            return Some(format!("`line`: {line} is an emergency number, and no rule is asked about those"));
        }
    }
    let Some(RuleAction::Forward(to)) = &rule.action else { return None };
    let user = to.strip_prefix("sips:").or_else(|| to.strip_prefix("sip:")).unwrap_or(to);
    let user = user.split_once('@').map_or(user, |(user, _)| user);
    if emergency(user) {
        return Some(format!("`forward`: {to} is an emergency number"));
    }
    let same = |line: &crate::routing::Line| {
        let wanted = digits(user);
        !wanted.is_empty() && (digits(&line.number) == wanted || digits(&line.key) == wanted)
    };
    facts.directory.lines.values().find(|line| same(line)).map(|line| {
        format!("`forward`: {} is a line of this house: the call would come back to the rules", line.number)
    })
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn unknown(rule: &Rule, directory: &Directory) -> Vec<String> {
    let mut said = Vec::new();
    let mut about = |who: &Who| match who {
        Who::Assignee => {}
        Who::Agent(agent) if directory.agents.contains_key(agent) => {}
        Who::Agent(agent) => said.push(format!("there is no agent {agent}")),
        Who::Pool { group, skill } => {
            let agents = || directory.agents.values();
            if let Some(group) = group.as_ref().filter(|group| !agents().any(|it| it.groups.contains(group)))
            {
                said.push(format!("nobody is in the group {group}"));
            }
            if let Some(skill) = skill.as_ref().filter(|skill| !agents().any(|it| it.skills.contains(skill)))
            {
                said.push(format!("nobody has the skill {skill}"));
            }
        }
    };
    if let Some(RuleAction::Ring(tiers)) = &rule.action {
        tiers.iter().for_each(|tier| about(&tier.who));
    }
    for agent in &rule.adds.exclude {
        about(&Who::Agent(agent.clone()));
    }
    for condition in &rule.conditions {
        if let Condition::Free { who, .. } = condition {
            about(who);
        }
    }
    for condition in &rule.conditions {
        if let Condition::Line(lines) = condition {
            let known =
                |line: &&String| directory.lines.values().any(|it| it.number == **line || it.key == **line);
            let missing = lines.iter().filter(|line| !known(line));
            said.extend(missing.map(|line| format!("{line} is no line of this house")));
        }
    }
    said
}
