//! Callers who wait because a rule says so: how, for whom, how long, and before whom.

use std::sync::Arc;

use super::Engine;
use super::tables::CallKey;
use crate::park::{ParkMode, Wish};
use crate::routing::assignee_of;
use crate::routing::rules::{self, Park, WaitFor};

impl Engine {
    /// A rule lets the call wait. Its patience begins when it first does so, and goes on however often the
    /// call is offered meanwhile.
    pub(super) fn park_by_rule(&mut self, call: CallKey, park: &Park, rule: &str) {
        let ends = self.now.moment + std::time::Duration::from_secs(u64::from(park.patience_s));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let until = *entry.patience.entry(rule.to_owned()).or_insert(ends);
        let group = entry.line.as_ref().and_then(|line| line.group.clone());
        let wish = match &park.wait_for {
            WaitFor::Assignee => {
                let Some(entry) = self.tables.calls.get(call) else { return };
                let open = self.open_facts(entry);
                let order = &self.directory.rules.assignee_order;
                let agent = assignee_of(order, entry.customer.card(), Some(&open));
                let agent = agent.map(|(agent, _)| agent.clone());
                Wish { group, agent, only_until: Some(until), ..Wish::default() }
            }
            WaitFor::Line => Wish { group, patience: Some(until), ..Wish::default() },
            WaitFor::Group(group) => {
                Wish { group: Some(group.clone()), patience: Some(until), ..Wish::default() }
            }
            WaitFor::Skill(skill) => {
                Wish { skill: Some(skill.clone()), patience: Some(until), ..Wish::default() }
            }
        };
        let mode = mode_of(park.mode);
        self.wait_in(call, wish, None, Some(mode));
        self.say_other_mode(call, mode);
    }

    /// The trace says when the caller waits in another way than the rule wants.
    fn say_other_mode(&mut self, call: CallKey, wanted: ParkMode) {
        let Some(is) = self.lot.waiter(call).map(|waiter| waiter.stage.mode).filter(|is| *is != wanted)
        else {
            return;
        };
        let last = self.tables.calls.get_mut(call).and_then(|entry| entry.decisions.last_mut());
        if let Some(step) = last.and_then(|decision| Arc::make_mut(decision).trace.last_mut()) {
            step.why = format!("{}; {} instead", step.why, is.code()).into();
        }
    }

    /// Before whom the call waits: as a rule says, or the line.
    pub(super) fn place_of(&self, call: CallKey) -> u8 {
        let Some(entry) = self.tables.calls.get(call) else { return 0 };
        let by_rule = Self::extras_of(entry).and_then(|extras| extras.priority);
        by_rule.unwrap_or_else(|| entry.line.as_ref().map_or(0, |line| line.priority))
    }
}

const fn mode_of(mode: rules::ParkMode) -> ParkMode {
    match mode {
        rules::ParkMode::Ringing => ParkMode::Ringing,
        rules::ParkMode::EarlyMedia => ParkMode::EarlyMedia,
        rules::ParkMode::Answered => ParkMode::Answered,
    }
}
