//! Whom of several agents a call goes to, and why nobody when it is nobody.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Facts;
use super::rules::Strategy;
use super::{Agent, CaseFact};
use crate::clock::Moment;
use crate::presence::{AgentId, Role, WhyNot};

/// Agents named in one step of the trace; the others are counted.
const NAMED: usize = 20;

/// Who is not asked, whatever their presence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Barred<'a> {
    /// Offered this call before.
    pub tried: &'a [AgentId],
    /// Excluded by a rule (M078).
    pub excluded: &'a [AgentId],
    /// The complaint case that only its owner and managers answer (M005).
    pub complaint: Option<&'a CaseFact>,
}

/// Why somebody is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    Tried,
    Excluded,
    NoManager,
}

impl<'a> Barred<'a> {
    pub(super) fn of(facts: &Facts<'a>, excluded: &'a [AgentId]) -> Self {
        let case = facts.background.open.and_then(|open| open.case.as_ref());
        Self { tried: facts.tried, excluded, complaint: case.filter(|case| case.complaint) }
    }

    pub(super) fn why(&self, agent: &AgentId, role: Option<Role>) -> Option<Bar> {
        if self.tried.contains(agent) {
            return Some(Bar::Tried);
        }
        if self.excluded.contains(agent) {
            return Some(Bar::Excluded);
        }
        let case = self.complaint?;
        let may = role == Some(Role::Manager) || case.owner.as_ref() == Some(agent);
        (!may).then_some(Bar::NoManager)
    }
}

/// A group as the rule saw it: the winner, counts, and the first few who are not free by name.
#[derive(Default)]
pub(super) struct Members<'a> {
    strategy: Strategy,
    best: Option<((u64, Moment), &'a AgentId)>,
    /// Everybody who is free, where all are rung.
    all: Vec<((u64, Moment), &'a Agent)>,
    free: usize,
    tried: usize,
    excluded: usize,
    no_manager: usize,
    not_free: BTreeMap<&'static str, usize>,
    named: Vec<(&'a AgentId, WhyNot)>,
}

impl<'a> Members<'a> {
    pub(super) fn by(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }

    /// Members come in order of id, so that only a better claim takes the place of the best so far.
    pub(super) fn look_at(&mut self, facts: &Facts<'a>, barred: &Barred<'_>, agent: &'a Agent) {
        match barred.why(&agent.id, Some(agent.role)) {
            Some(Bar::Tried) => return self.tried += 1,
            Some(Bar::Excluded) => return self.excluded += 1,
            Some(Bar::NoManager) => return self.no_manager += 1,
            None => {}
        }
        match facts.agents.offerable(&agent.id) {
            Ok(()) => {
                self.free += 1;
                let claim = self.claim(facts, &agent.id);
                if self.best.is_none_or(|(best, _)| claim < best) {
                    self.best = Some((claim, &agent.id));
                }
                if self.strategy == Strategy::RingAll {
                    self.all.push((claim, agent));
                }
            }
            Err(why) => {
                *self.not_free.entry(why.code()).or_default() += 1;
                if self.named.len() < NAMED {
                    self.named.push((&agent.id, why));
                }
            }
        }
    }

    pub(super) fn winner(&self) -> Option<&'a AgentId> {
        self.best.map(|(_, agent)| agent)
    }

    /// Who is rung at the same time as the winner, so that at most `at_once` phones ring. A phone that two
    /// agents share rings once: for it the second INVITE would be a merged request (RFC 3261 §8.2.2.2).
    pub(super) fn beside(mut self, at_once: usize) -> Vec<AgentId> {
        // The sort is stable: of equals the smaller id stays first, as for the winner.
        self.all.sort_by_key(|(claim, _)| *claim);
        let mut phones = BTreeSet::new();
        let different = self.all.into_iter().filter(|(_, agent)| phones.insert(agent.contact.as_str()));
        different.take(at_once).skip(1).map(|(_, agent)| agent.id.clone()).collect()
    }

    pub(super) fn why_nobody(&self) -> &'static str {
        let barred = self.excluded + self.no_manager;
        match (self.tried, barred, self.not_free.is_empty()) {
            (0, 0, true) => "the line's group has no agents",
            (_, 0, true) => "everybody in the line's group was tried",
            (_, _, true) => "nobody in the line's group may have it",
            (_, _, false) => "nobody in the line's group is free",
        }
    }

    /// The smaller, the sooner: the strategy first, then who has waited longer.
    fn claim(&self, facts: &Facts<'_>, agent: &AgentId) -> (u64, Moment) {
        let load = || facts.background.loads.and_then(|loads| loads.get(agent)).copied().unwrap_or_default();
        let first = match self.strategy {
            Strategy::LongestIdle | Strategy::RingAll => 0,
            Strategy::RoundRobin => load().offered,
            Strategy::LeastCalls => u64::from(load().answered),
        };
        (first, facts.agents.idle_since(agent).unwrap_or_default())
    }
}

impl std::fmt::Display for Members<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} free, {} tried", self.free, self.tried)?;
        for (count, word) in [(self.excluded, "excluded"), (self.no_manager, "no manager")] {
            if count > 0 {
                write!(formatter, ", {count} {word}")?;
            }
        }
        for (code, count) in &self.not_free {
            write!(formatter, ", {count} {code}")?;
        }
        let mut lead = " (";
        for (agent, why) in &self.named {
            write!(formatter, "{lead}{agent} {why}")?;
            lead = ", ";
        }
        let all: usize = self.not_free.values().sum();
        match (self.named.len(), all - self.named.len()) {
            (0, _) => Ok(()),
            (_, 0) => formatter.write_str(")"),
            (_, more) => write!(formatter, " and {more} more)"),
        }
    }
}
