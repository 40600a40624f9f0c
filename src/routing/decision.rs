//! A decision with the trace that explains it.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::presence::AgentId;

/// Where a call goes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The rule that decided.
    pub rule: Cow<'static, str>,
    /// Every rule looked at, in order; the last one decided.
    pub trace: Vec<TraceStep>,
}

/// What to do with the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Pass it on as it came, at once.
    Untouched,
    /// Offer it to this agent.
    Offer {
        /// Whom.
        agent: AgentId,
        /// In what capacity.
        reason: OfferReason,
    },
    /// Keep it waiting until somebody is free who now has another call.
    Wait {
        /// The group that answers the line.
        group: Option<String>,
        /// Who looks after the customer, when they are at work.
        agent: Option<AgentId>,
    },
    /// Send it to the default route, the PBX.
    DefaultRoute {
        /// Why no agent gets it.
        why: String,
    },
}

/// Why this agent is offered the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferReason {
    /// They look after the customer.
    Assigned,
    /// Who looks after the customer cannot take it, and this agent's group answers.
    AssigneeAbsent,
    /// Their group answers the line.
    Group,
    /// It was offered before, and nobody took it.
    NextAgent,
    /// They asked for it while it waited.
    Retrieved,
}

impl OfferReason {
    /// The word on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::AssigneeAbsent => "assignee_absent",
            Self::Group => "group",
            Self::NextAgent => "next_agent",
            Self::Retrieved => "retrieved",
        }
    }
}

/// One rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// The rule.
    pub rule: Cow<'static, str>,
    /// Whether it decided.
    pub matched: bool,
    /// Why, or why not.
    pub why: Cow<'static, str>,
}

/// The decision as people read it: the outcome first, then each rule on a line.
pub fn explain_text(decision: &Decision) -> String {
    let mut text = match &decision.action {
        Action::Untouched => "decision: pass the call on untouched\n".to_owned(),
        Action::Offer { agent, reason } => format!("decision: offer to {agent} ({})\n", reason.code()),
        Action::Wait { group: Some(group), .. } => format!("decision: wait for {group}\n"),
        Action::Wait { agent: Some(agent), .. } => format!("decision: wait for {agent}\n"),
        Action::Wait { group: None, agent: None } => "decision: wait\n".to_owned(),
        Action::DefaultRoute { why } => format!("decision: default route ({why})\n"),
    };
    for step in &decision.trace {
        let mark = if step.matched { "=>" } else { "  " };
        // Writing to a String cannot fail.
        _ = writeln!(text, "{mark} {}: {}", step.rule, step.why);
    }
    text
}
