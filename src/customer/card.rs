//! The card as the look-up returns it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::presence::{AgentId, CustomerId};

/// The language a customer is served in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese.
    #[default]
    Ja,
    /// English.
    En,
}

/// How loud an important notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Look before you speak.
    Warn,
    /// Must be acknowledged before wrap-up ends.
    Danger,
}

/// An important notice, kept apart from the history (M022).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id.
    pub id: String,
    /// How loud.
    pub level: NoticeLevel,
    /// The text, verbatim.
    pub text: String,
    /// The author.
    pub by: String,
    /// When it was written.
    pub at: Timestamp,
}

/// A flag on a customer: a code and, for some codes, a level (`complaint:2`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// The code, for example `complaint`, `frequent`, `vip`.
    pub code: String,
    /// The level; absent means 1 for codes that have levels.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub level: Option<u8>,
    /// Since when, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
}

/// Which way a contact went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The customer came to us.
    In,
    /// We went to the customer.
    Out,
}

/// One row of the contact history: when, who, what (M020).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// When.
    pub at: Timestamp,
    /// Who on our side: the agent's name.
    pub by: String,
    /// Which way.
    pub direction: Direction,
    /// `phone`, `mail`, `visit` …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<String>,
    /// What it was about.
    pub summary: String,
    /// How it ended, if recorded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disposition: Option<String>,
}

/// What a look-up returns of one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerCard {
    /// The id.
    pub id: CustomerId,
    /// The name, verbatim (at most 64 characters on the wire).
    pub name: String,
    /// The reading of the name.
    pub kana: Option<String>,
    /// The company.
    pub company: Option<String>,
    /// The rank, a house code such as `A`.
    pub rank: Option<String>,
    /// The language the customer is served in.
    pub language: Language,
    /// Every number, in E.164.
    pub phones: Vec<String>,
    /// Who looks after the customer.
    pub assignee: Option<AgentId>,
    /// Important notices, loudest first, newest first within a level.
    pub notices: Vec<Notice>,
    /// Flags.
    pub flags: Vec<Flag>,
    /// The last contacts, newest first; at most ten here.
    pub contacts: Vec<Contact>,
}

/// What the storage answers to a look-up: no, one or several cards.
pub type LookupAnswer = Result<Vec<CustomerCard>, LookupFault>;

/// Why a look-up gave nothing that can be relied on. The call goes on without the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupFault {
    /// No answer within `[routing] lookup_deadline_ms`.
    Deadline,
    /// The database refused, failed or is gone.
    Down,
    /// Too many look-ups were under way (`[limits]`).
    Overloaded,
}
