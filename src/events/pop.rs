//! The `pop.offered` payload, member for member as the protocol has it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::customer::{Contact, NoticeLevel};
use crate::guidance::Guidance;
use crate::identity::NumberKind;
use crate::presence::{AgentId, CustomerId};

/// The whole card of one offered call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopDocument {
    /// Why this agent.
    pub offer: OfferInfo,
    /// Who calls.
    pub caller: CallerInfo,
    /// What they dialled.
    pub dialled: DialledInfo,
    /// Which customer that is.
    #[serde(rename = "match")]
    pub matched: MatchInfo,
    /// Important notices, loudest first.
    pub notices: Vec<NoticeInfo>,
    /// Flags.
    pub flags: Vec<FlagInfo>,
    /// Who looks after the customer, and whether they are there.
    pub assignee: Option<AssigneeInfo>,
    /// The last contacts, newest first.
    pub contacts: Vec<Contact>,
    /// What is unfinished.
    pub open: OpenItems,
    /// What to say.
    pub guidance: Guidance,
    /// What the agent may do now.
    pub actions: Vec<String>,
    /// How often the call was passed on.
    pub transfer: TransferInfo,
    /// How complete the card is.
    pub sources: Sources,
}

/// Why this agent, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferInfo {
    /// `assigned`, `assignee_absent`, `group`, `next_agent`, `retrieved`, `transferred`.
    pub reason: String,
    /// The rule that chose.
    pub rule: String,
    /// Seconds the phone rings before the next agent.
    pub ring_limit_s: u64,
    /// How many others could be tried.
    pub others: usize,
    /// The agent the call came through, after a transfer.
    pub via: Option<AgentId>,
}

/// The caller on the wire. A restricted caller has labels and no number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerInfo {
    /// `number`, `withheld`, `payphone`, `out_of_area`, `service_conflict`, `error`.
    pub presentation: String,
    /// E.164, when there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub e164: Option<String>,
    /// As people write it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub national: Option<String>,
    /// What kind of number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<NumberKind>,
    /// The display name, verbatim; the screen escapes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Whether a trusted peer vouches for the number, by asserting it or by its `verstat` (N56, I5).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub verified: Option<bool>,
    /// The first diverting number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub diverted_by: Option<String>,
    /// Label of a restricted caller, Japanese.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label_ja: Option<String>,
    /// Label of a restricted caller, English.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label_en: Option<String>,
}

/// The dialled line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialledInfo {
    /// As imported.
    pub number: String,
    /// The client company's code.
    pub client: String,
    /// The client company's name.
    pub client_name: String,
}

/// How sure the match is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchLevel {
    /// One customer by the exact key, or chosen by the agent.
    Known,
    /// Several customers share the number: the agent chooses.
    Several,
    /// No customer, or none may be looked up.
    None,
}

/// The match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchInfo {
    /// How sure.
    pub level: MatchLevel,
    /// How many customers.
    pub count: usize,
    /// The customer, once known.
    pub customer: Option<CustomerInfo>,
    /// Whom to choose from; names and readings only.
    pub candidates: Vec<Candidate>,
}

/// The customer on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerInfo {
    /// The id.
    pub id: CustomerId,
    /// The name.
    pub name: String,
    /// The reading.
    pub kana: Option<String>,
    /// The company.
    pub org: Option<String>,
    /// The rank.
    pub rank: Option<String>,
    /// `ja` or `en`: the language of the script.
    pub language: crate::customer::Language,
}

/// One of several customers on a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The id.
    pub id: CustomerId,
    /// The name.
    pub name: String,
    /// The reading.
    pub kana: Option<String>,
}

/// A notice on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeInfo {
    /// The id.
    pub id: String,
    /// How loud.
    pub level: NoticeLevel,
    /// The text.
    pub text: String,
    /// The author.
    pub by: String,
    /// When written.
    pub at: Timestamp,
    /// `read` while it must be confirmed, `done` once it was.
    pub ack: String,
}

/// A flag on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagInfo {
    /// The code.
    pub code: String,
    /// The level.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub level: Option<u8>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    /// With `frequent`: how many calls.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u32>,
    /// With `frequent`: in how many hours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window_h: Option<u32>,
}

/// Who looks after the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssigneeInfo {
    /// The id.
    pub id: AgentId,
    /// The family name, no honorific.
    pub name: String,
    /// The role.
    pub role: crate::presence::Role,
    /// `available`, `busy` or `absent`.
    pub state: String,
    /// The internal reason.
    pub reason: Option<String>,
    /// What may be said of it, in both languages.
    pub spoken: Option<String>,
    /// The spoken form in English.
    pub spoken_en: Option<String>,
    /// Expected back.
    pub until: Option<Timestamp>,
    /// Next start of work.
    pub next_start: Option<Timestamp>,
    /// `open_case_owner`, `account_owner` or `last_agent`.
    pub why_assignee: String,
}

/// What is unfinished with this customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItems {
    /// Open cases.
    pub cases: Vec<serde_json::Value>,
    /// Promised callbacks.
    pub callbacks: Vec<serde_json::Value>,
    /// An open dispatch.
    pub dispatch: Option<serde_json::Value>,
}

/// How often the call was passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferInfo {
    /// So far; for whom the call is being passed on to, with this time.
    pub count: u32,
    /// At most.
    pub limit: u32,
    /// What the sender wrote for the receiver (M050).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

/// How complete the card is: `ok`, `pending`, `timeout`, `down`, `off` for each source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Our own database.
    pub local: String,
    /// A CRM.
    pub crm: String,
}
