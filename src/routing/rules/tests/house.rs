//! The house: `a1`, `a2` and the supervisor `s1` in `sales`, `b1` in `support`, the manager `m1`. All are
//! free; `b1` has waited longest, then `a2`, `s1`, `a1`, `m1`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::{Moment, Now};
use crate::customer::{CustomerCard, Language, parse_flags};
use crate::identity::{Number, NumberKind, Presentation};
use crate::presence::{
    Absence, AbsenceReason, AgentBook, AgentId, AgentStatus, CallId, CustomerId, Role, SetBy,
};
use crate::routing::rules::{RuleLimits, RuleSet};
use crate::routing::{
    Abilities, Action, Agent, Background, CaseFact, CustomerFact, Decision, Directory, Facts, Inabilities,
    Line, Load, OpenFacts, decide,
};

/// A Tuesday, 10:30 in Tokyo.
pub(super) const AT: &str = "2026-11-24T10:30:00+09:00";

pub(super) fn id(text: &str) -> AgentId {
    AgentId::new(text)
}

pub(super) fn moment(at: &str) -> Timestamp {
    at.parse().unwrap()
}

fn now(seconds: u64) -> Now {
    Now { moment: Moment::from_micros(seconds * 1_000_000), wall: moment(AT) }
}

pub(super) struct House {
    pub at: Timestamp,
    pub agents: AgentBook,
    pub directory: Directory,
    pub line: Line,
    pub emergency: bool,
    pub presentation: Presentation,
    pub cards: Option<Vec<CustomerCard>>,
    pub open: OpenFacts,
    pub history: Vec<Timestamp>,
    pub queues: BTreeMap<String, u32>,
    pub loads: BTreeMap<AgentId, Load>,
    pub can: Abilities,
    pub cannot: Inabilities,
    pub waited: Vec<String>,
    pub tried: Vec<AgentId>,
    pub zone: TimeZone,
}

impl House {
    /// The house with these rules.
    pub fn with(rules: &str) -> Self {
        let mut house = Self::plain();
        let set = RuleSet::parse(rules, &RuleLimits::default()).unwrap_or_else(|faults| {
            panic!("{rules}\n{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        house.directory.rules = Arc::new(set);
        house
    }

    pub fn plain() -> Self {
        let mut directory = Directory::default();
        for (name, role, groups, skills) in [
            ("a1", Role::Agent, &["sales"][..], &[][..]),
            ("a2", Role::Agent, &["sales", "support"], &["english"]),
            ("b1", Role::Agent, &["support"], &["veteran", "english"]),
            ("m1", Role::Manager, &["managers"], &[]),
            ("s1", Role::Supervisor, &["sales"], &[]),
        ] {
            let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            let agent = Agent {
                id: id(name),
                name: name.to_owned(),
                kana: None,
                role,
                contact: format!("sip:{name}@h"),
                groups: texts(groups),
                skills: texts(skills),
            };
            directory.agents.insert(agent.id.clone(), agent);
        }
        let line = Line {
            number: "0120-123-456".to_owned(),
            key: "+81120123456".to_owned(),
            client: "青葉製作所".to_owned(),
            greeting_ja: None,
            greeting_en: None,
            group: Some("sales".to_owned()),
            assigned_first: true,
            priority: 0,
        };
        directory.lines.insert(line.key.clone(), Arc::new(line.clone()));
        let mut agents = AgentBook::new(false);
        agents.apply_directory(&directory, now(0));
        for (since, agent) in ["b1", "a2", "s1", "a1", "m1"].iter().enumerate() {
            let since = now(u64::try_from(since).unwrap() + 1);
            agents.set_status(&id(agent), AgentStatus::Available, SetBy::Manual, since).unwrap();
        }
        Self {
            at: moment(AT),
            agents,
            directory,
            line,
            emergency: false,
            presentation: mobile("090-1234-5678", "+819012345678"),
            cards: Some(Vec::new()),
            open: OpenFacts::default(),
            history: vec![moment(AT)],
            queues: BTreeMap::new(),
            loads: BTreeMap::new(),
            can: Abilities::default(),
            cannot: Inabilities::default(),
            waited: Vec::new(),
            tried: Vec::new(),
            zone: TimeZone::get("Asia/Tokyo").unwrap(),
        }
    }

    /// A customer with flags, looked after by `b1`.
    pub fn known(&mut self, flags: &str) {
        self.cards = Some(vec![card("cu-1", flags, Some("b1"))]);
    }

    pub fn away(&mut self, agent: &str, reason: AbsenceReason, until: Option<&str>) {
        let until = until.map(moment);
        let status = AgentStatus::Away(Absence { reason, until, next_start: None });
        self.agents.set_status(&id(agent), status, SetBy::Manual, now(9)).unwrap();
    }

    pub fn offline(&mut self, agent: &str) {
        self.agents.set_status(&id(agent), AgentStatus::Offline, SetBy::Manual, now(9)).unwrap();
    }

    pub fn on_call(&mut self, agent: &str) {
        self.agents.on_call(&id(agent), &CallId::new("c-other"));
    }

    pub fn busy(&mut self, agents: &[&str]) {
        agents.iter().for_each(|agent| self.on_call(agent));
    }

    pub fn case(&mut self, owner: Option<&str>, complaint: bool) {
        self.open.case = Some(CaseFact { owner: owner.map(id), complaint });
    }

    /// The caller called so often, the last time now, each time so many hours after the one before.
    pub fn called(&mut self, times: u32, hours_between: i64) {
        let back = |index: u32| self.at - jiff::SignedDuration::from_hours(i64::from(index) * hours_between);
        self.history = (0..times).rev().map(back).collect();
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts {
            at: self.at,
            called: "0120-123-456",
            line: Some(&self.line),
            emergency: self.emergency,
            presentation: &self.presentation,
            customer: match self.cards.as_deref() {
                None => CustomerFact::NotLookedUp("deadline"),
                Some([]) => CustomerFact::None,
                Some([card]) => CustomerFact::One(card),
                Some(several) => CustomerFact::Several(several),
            },
            agents: (&self.agents).into(),
            directory: &self.directory,
            tried: &self.tried,
            background: Background {
                zone: Some(&self.zone),
                open: Some(&self.open),
                history: &self.history,
                queues: Some(&self.queues),
                loads: Some(&self.loads),
                can: self.can,
                cannot: self.cannot,
                waited: &self.waited,
            },
        }
    }

    pub fn decide(&self) -> Decision {
        decide(&self.facts())
    }
}

pub(super) fn card(customer: &str, flags: &str, assignee: Option<&str>) -> CustomerCard {
    CustomerCard {
        id: CustomerId::new(customer),
        name: "山田 花子".to_owned(),
        kana: None,
        company: None,
        rank: Some("A".to_owned()),
        language: Language::Ja,
        phones: Vec::new(),
        assignee: assignee.map(id),
        notices: Vec::new(),
        flags: parse_flags(flags).unwrap(),
        contacts: Vec::new(),
    }
}

pub(super) fn mobile(national: &str, e164: &str) -> Presentation {
    Presentation::Number(Number {
        e164: Some(e164.to_owned()),
        national: national.to_owned(),
        kind: NumberKind::Mobile,
    })
}

/// A decision in a line: what is done, by which rule.
pub(super) fn short(decision: &Decision) -> String {
    let action = match &decision.action {
        Action::Untouched => "untouched".to_owned(),
        Action::Offer { agent, beside, reason } => {
            let all: Vec<&str> = std::iter::once(agent).chain(beside).map(AgentId::as_str).collect();
            format!("{} {}", all.join("+"), reason.code())
        }
        Action::Wait { .. } => "wait".to_owned(),
        Action::DefaultRoute { .. } => "default route".to_owned(),
        Action::Forward { to } => format!("forward {to}"),
        Action::Reject { status } => format!("reject {status}"),
        Action::Park(park) => format!("park {} s", park.patience_s),
        Action::Callback => "callback".to_owned(),
    };
    format!("{action} @{}", decision.rule)
}

/// The steps of the house's own rules and what they said.
pub(super) fn steps(decision: &Decision) -> Vec<String> {
    const BUILT_IN: [&str; 6] =
        ["emergency", "not_a_line", "complaint_case", "assignee_first", "group", "default_route"];
    decision
        .trace
        .iter()
        .filter(|step| !BUILT_IN.contains(&&*step.rule))
        .map(|step| format!("{} {}: {}", if step.matched { "+" } else { "-" }, step.rule, step.why))
        .collect()
}
