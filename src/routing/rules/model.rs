//! A set of rules as it was read: every text parsed once, ready to be asked for each call.

use std::fmt;
use std::sync::Arc;

use jiff::civil::{Date, Time};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::NumberPattern;
use super::parse::parse;
use crate::customer::Language;
use crate::identity::NumberKind;
use crate::presence::{AbsenceReason, AgentId};

/// What one set of rules may be, in numbers (N73). More is refused when it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleLimits {
    /// Octets of the text.
    pub octets: usize,
    /// Rules.
    pub rules: usize,
    /// Conditions of one rule.
    pub conditions: usize,
    /// Entries of one list.
    pub entries: usize,
    /// Characters of one number pattern.
    pub pattern: usize,
}

impl Default for RuleLimits {
    fn default() -> Self {
        Self { octets: 131_072, rules: 200, conditions: 16, entries: 64, pattern: 32 }
    }
}

/// What is wrong with a set of rules, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleFault {
    /// The line, counted from 1; absent when the text as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong, with the key and what to do.
    pub what: String,
}

impl fmt::Display for RuleFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "line {line}: {}", self.what),
            None => formatter.write_str(&self.what),
        }
    }
}

/// An ordered set of rules with its settings. Equal when the text is.
#[derive(Clone, Debug)]
pub struct RuleSet {
    /// The text it was read from.
    pub source: Arc<str>,
    /// Whose customer it is, the first that is known (M004).
    pub assignee_order: Vec<WhyAssignee>,
    /// When a caller counts as a frequent one (M076).
    pub frequent: Frequent,
    /// The rules, first match first.
    pub rules: Vec<Rule>,
}

impl Default for RuleSet {
    fn default() -> Self {
        Self {
            source: Arc::from(""),
            assignee_order: WhyAssignee::ORDER.to_vec(),
            frequent: Frequent::default(),
            rules: Vec::new(),
        }
    }
}

impl RuleSet {
    /// Reads a set of rules.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its line.
    pub fn parse(text: &str, limits: &RuleLimits) -> Result<Self, Vec<RuleFault>> {
        parse(text, limits)
    }
}

impl PartialEq for RuleSet {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for RuleSet {}

/// A set is written as its text.
impl Serialize for RuleSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for RuleSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // It was within the limits when it was written; they may have been lowered since.
        let limits = RuleLimits { octets: usize::MAX, rules: usize::MAX, ..RuleLimits::default() };
        Self::parse(&text, &limits)
            .map_err(|faults| D::Error::custom(faults.first().map(ToString::to_string).unwrap_or_default()))
    }
}

/// In what capacity somebody looks after a customer (M004).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyAssignee {
    /// They own the customer's open case.
    OpenCaseOwner,
    /// The customer is theirs.
    AccountOwner,
    /// They talked with this caller last.
    LastAgent,
}

impl WhyAssignee {
    /// The order when nothing else is said.
    pub const ORDER: [Self; 3] = [Self::OpenCaseOwner, Self::AccountOwner, Self::LastAgent];

    /// The word in rules and on the card.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OpenCaseOwner => "open_case_owner",
            Self::AccountOwner => "account_owner",
            Self::LastAgent => "last_agent",
        }
    }
}

/// So many calls of one caller within so many hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frequent {
    /// Calls, the present one included.
    pub calls: u32,
    /// Hours.
    pub within_h: u32,
}

impl Default for Frequent {
    fn default() -> Self {
        Self { calls: 5, within_h: 24 }
    }
}

/// One rule: all conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in the set.
    pub name: String,
    /// Its line in the text.
    pub line: usize,
    /// Switched off: it is not asked.
    pub enabled: bool,
    /// What must hold; always, when empty.
    pub conditions: Vec<Condition>,
    /// What it adds to whatever is decided.
    pub adds: Adds,
    /// Where the call goes; nothing: the next rule is asked.
    pub action: Option<RuleAction>,
}

/// What a rule adds without deciding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adds {
    /// Never these agents (M078).
    pub exclude: Vec<AgentId>,
    /// Not whoever looks after the customer, and their name is not shown (M077).
    pub protect_assignee: bool,
    /// A sentence for the agent, Japanese.
    pub guidance_ja: Option<String>,
    /// A sentence for the agent, English.
    pub guidance_en: Option<String>,
    /// What supervisors are told while it rings (M030).
    pub alert: Option<String>,
    /// The head start of the caller, should they wait.
    pub priority: Option<u8>,
}

/// Where a rule sends the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// To the first tier in which somebody is free; to the next rule when nobody is.
    Ring(Vec<Tier>),
    /// Into the parking lot.
    Park(Park),
    /// Somewhere else: a SIP URI, or a number by the default route.
    Forward(String),
    /// Back, with this final status.
    Reject(u16),
    /// The caller is called back.
    Callback,
}

/// Whom to ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Who.
    pub who: Who,
    /// Which of them first.
    pub strategy: Strategy,
}

/// Whom a tier names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever looks after the customer.
    Assignee,
    /// One agent.
    Agent(AgentId),
    /// The members of the group, the holders of the skill, or those who are both.
    Pool {
        /// The group.
        group: Option<String>,
        /// The skill.
        skill: Option<String>,
    },
}

/// Which of several free agents is rung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Who has waited longest.
    #[default]
    LongestIdle,
    /// Who was offered a call longest ago.
    RoundRobin,
    /// Who has answered the fewest calls today.
    LeastCalls,
    /// All of them at once, as many as may be; of more the longest waiting first.
    RingAll,
}

impl Strategy {
    /// The word in rules.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LongestIdle => "longest_idle",
            Self::RoundRobin => "round_robin",
            Self::LeastCalls => "least_calls",
            Self::RingAll => "ring_all",
        }
    }
}

/// How a caller waits, for whom and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Park {
    /// How.
    pub mode: ParkMode,
    /// Seconds until the next rule is asked.
    pub patience_s: u32,
    /// For whom.
    pub wait_for: WaitFor,
}

/// How a caller is kept waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkMode {
    /// The phone goes on ringing at the caller's side; no charge.
    Ringing,
    /// Music before the answer.
    EarlyMedia,
    /// Answered, with music.
    Answered,
}

/// For whom a parked caller waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// Whoever looks after the customer.
    Assignee,
    /// Anybody of the line's group.
    Line,
    /// Anybody of this group.
    Group(String),
    /// Anybody with this skill.
    Skill(String),
}

/// Something that holds for a call or not. Lists mean: one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The dialled line, by its number or key.
    Line(Vec<String>),
    /// The line's client.
    Client(Vec<String>),
    /// The group that answers the line.
    LineGroup(Vec<String>),
    /// Days of the week, Monday first.
    Weekday([bool; 7]),
    /// A public holiday, or none.
    Holiday(bool),
    /// Dates, both ends included.
    Dates(Vec<(Date, Date)>),
    /// Local times; an end that is not after the start lies on the next day.
    Time(Vec<(Time, Time)>),
    /// What the caller let be seen.
    Presentation(Vec<&'static str>),
    /// The calling number.
    Number(Vec<NumberPattern>),
    /// What kind of number calls.
    Kind(Vec<NumberKind>),
    /// What the look-up said.
    Customer(Vec<CustomerIs>),
    /// Which customer.
    CustomerId(Vec<String>),
    /// The customer has one of these flags.
    Flags(Vec<FlagIs>),
    /// The customer has none of these flags.
    WithoutFlags(Vec<FlagIs>),
    /// The customer's rank.
    Rank(Vec<String>),
    /// The customer has one of these tags.
    Tags(Vec<String>),
    /// The customer's language.
    Language(Language),
    /// How it stands with whoever looks after the customer.
    Assignee(Vec<AssigneeIs>),
    /// Why they are away.
    AssigneeReason(Vec<AbsenceReason>),
    /// They are expected back within so many minutes.
    AssigneeBackWithin(u32),
    /// The customer has an open case.
    OpenCase(bool),
    /// The customer has an open complaint case.
    ComplaintCase(bool),
    /// A callback was promised.
    Callback(bool),
    /// A dispatch is under way.
    Dispatch(bool),
    /// The caller has called so often.
    Repeats(Frequent),
    /// So many free agents with this skill or in this group.
    Free {
        /// Who.
        who: Who,
        /// How many at least; zero: nobody at all.
        at_least: u32,
    },
    /// So many callers wait for this group.
    Queue {
        /// The group.
        group: String,
        /// How many at least.
        at_least: u32,
    },
    /// The call has been offered to so many agents.
    Tried(u32),
}

/// A flag, and from which level on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagIs {
    /// The code.
    pub code: String,
    /// The level at least; a flag without level has level 1.
    pub level: u8,
}

/// What the look-up said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerIs {
    /// One customer.
    Known,
    /// Several share the number.
    Several,
    /// Nobody has this number.
    Unknown,
    /// The look-up gave no answer, or was not asked.
    NotLookedUp,
}

impl CustomerIs {
    /// The word in rules.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Several => "several",
            Self::Unknown => "unknown",
            Self::NotLookedUp => "not_looked_up",
        }
    }
}

/// How it stands with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssigneeIs {
    /// Free for this call.
    Available,
    /// With another call or its record.
    Busy,
    /// Away, for whatever reason.
    Away,
    /// Not at work.
    Offline,
    /// Free, but the phone rests or no screen is live.
    Unreachable,
    /// Nobody looks after the customer.
    None,
}

impl AssigneeIs {
    /// The word in rules.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Offline => "offline",
            Self::Unreachable => "unreachable",
            Self::None => "none",
        }
    }
}
