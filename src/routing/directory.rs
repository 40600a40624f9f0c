//! What the call path knows of agents and lines without asking a database.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rules::RuleSet;
use crate::presence::{AgentId, Calendar, Role};

/// An agent as imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The id.
    pub id: AgentId,
    /// The full name, family name first (`佐藤 一郎`).
    pub name: String,
    /// The reading.
    pub kana: Option<String>,
    /// The role.
    pub role: Role,
    /// The SIP URI that is rung.
    pub contact: String,
    /// Groups the agent answers for.
    pub groups: Vec<String>,
    /// Skills.
    pub skills: Vec<String>,
}

/// A line: a called number and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The called number as imported, for display (`0120-123-456`).
    pub number: String,
    /// The key it is matched by: E.164, or the cleaned digits of a short code or extension.
    pub key: String,
    /// The client company.
    pub client: String,
    /// The greeting template, Japanese.
    pub greeting_ja: Option<String>,
    /// The greeting template, English.
    pub greeting_en: Option<String>,
    /// The group that answers.
    pub group: Option<String>,
    /// Whether the customer's assignee is rung first (M003: off by default).
    pub assigned_first: bool,
    /// Who waits for it has this head start, from 0 to 9; a rule may say otherwise.
    #[serde(default)]
    pub priority: u8,
}

/// Agents, lines, working hours and rules, as last read from the database. Ordered maps: one directory always
/// decides the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// By id.
    pub agents: BTreeMap<AgentId, Agent>,
    /// By key.
    pub lines: BTreeMap<String, Arc<Line>>,
    /// Who works when.
    #[serde(default)]
    pub calendar: Calendar,
    /// The house's own rules.
    #[serde(default)]
    pub rules: Arc<RuleSet>,
}
