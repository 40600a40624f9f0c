//! A decision with the trace that explains it.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::rules::Park;
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
    /// What rules add to it.
    #[serde(default, skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// What rules add to a decision, whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extras {
    /// Agents who are not asked (M077, M078).
    pub excluded: Vec<AgentId>,
    /// Whoever looks after the customer is not asked and not named (M077).
    pub protected: bool,
    /// Sentences for the agent, Japanese and English.
    pub guidance: Vec<(String, String)>,
    /// What supervisors are told while it rings (M030).
    pub alerts: Vec<Alert>,
    /// The head start of who waits, from 0 to 9; the line's own when no rule says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

impl Extras {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What supervisors are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alert {
    /// `heavy_complaint` or `rule`.
    pub kind: String,
    /// The rule that raised it; empty when none did.
    pub rule: String,
    /// What it says.
    pub text: String,
}

/// What to do with the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Pass it on as it came, at once.
    Untouched,
    /// Offer it to this agent, or to several at once.
    Offer {
        /// Whom.
        agent: AgentId,
        /// Who is rung at the same time.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        beside: Vec<AgentId>,
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
    /// Send it to a SIP URI, or to another number by the default route.
    Forward {
        /// The URI, or the number.
        to: String,
    },
    /// Refuse it.
    Reject {
        /// The final status.
        status: u16,
    },
    /// Let the caller wait.
    Park(Park),
    /// Note that the caller is to be called back, tell them so, and end the call.
    Callback,
}

impl Action {
    /// To offer it to one agent.
    pub const fn offer(agent: AgentId, reason: OfferReason) -> Self {
        Self::Offer { agent, beside: Vec::new(), reason }
    }

    /// What it does, for people.
    fn in_words(&self) -> String {
        match self {
            Self::Untouched => "pass the call on untouched".to_owned(),
            Self::Offer { agent, beside, reason } => {
                let all: Vec<&str> = std::iter::once(agent).chain(beside).map(AgentId::as_str).collect();
                format!("offer to {} ({})", all.join(", "), reason.code())
            }
            Self::Wait { group: Some(group), .. } => format!("wait for {group}"),
            Self::Wait { agent: Some(agent), .. } => format!("wait for {agent}"),
            Self::Wait { group: None, agent: None } => "wait".to_owned(),
            Self::DefaultRoute { why } => format!("default route ({why})"),
            Self::Forward { to } => format!("forward to {to}"),
            Self::Reject { status } => format!("refuse with {status}"),
            Self::Park(park) => format!("park for {} s", park.patience_s),
            Self::Callback => "call back".to_owned(),
        }
    }
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
    /// A colleague passed it on to them.
    Transferred,
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
            Self::Transferred => "transferred",
        }
    }
}

/// One rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceStep {
    /// The rule.
    pub rule: Cow<'static, str>,
    /// Whether it applied. The last one that did decided.
    pub matched: bool,
    /// Why, or why not.
    pub why: Cow<'static, str>,
}

/// Adds a step to a trace.
pub(super) fn note(
    trace: &mut Vec<TraceStep>,
    rule: impl Into<Cow<'static, str>>,
    matched: bool,
    why: impl Into<Cow<'static, str>>,
) {
    trace.push(TraceStep { rule: rule.into(), matched, why: why.into() });
}

/// The decision as people read it: the outcome first, then each rule on a line.
pub fn explain_text(decision: &Decision) -> String {
    let mut text = format!("decision: {}\n", decision.action.in_words());
    for step in &decision.trace {
        let mark = if step.matched { "=>" } else { "  " };
        // Writing to a String cannot fail.
        _ = writeln!(text, "{mark} {}: {}", step.rule, step.why);
    }
    text
}
