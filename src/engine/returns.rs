//! Absences with a time of return: when it comes, the agent is asked. Nobody becomes available by it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::input::Output;
use super::timers::{Alarm, TimerHandle};
use crate::events::{Event, EventBody};

/// What has been told of returns, and what rings next.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Returns {
    /// Until when returns have been told; nothing at the start, when none has.
    told: Option<Timestamp>,
    alarm: Option<TimerHandle>,
}

impl Engine {
    /// Tells those whose time of return has come since the last look, and their teams; each once. Their
    /// status stays.
    pub(super) fn returns_due(&mut self) {
        let now = self.now.wall;
        let told = self.returns.told.replace(now).unwrap_or(now);
        let due: Vec<_> = self
            .directory
            .agents
            .keys()
            .filter_map(|agent| Some((agent, self.agents.absence(agent)?)))
            .filter_map(|(agent, absence)| Some((agent.clone(), absence.reason.clone(), absence.until?)))
            .filter(|(_, _, until)| (told < *until) && (*until <= now))
            .collect();
        for (agent, reason, until) in due.into_iter().filter(|_| self.listening) {
            let audience = self.audience_of(&agent);
            let body = EventBody::PresenceReturnDue { agent, reason, until };
            let (at, call, rev, expires) = (now, None, None, None);
            self.outputs.push_back(Output::Event(Event { at, call, rev, audience, expires, body }));
        }
        self.watch_returns();
    }

    /// One alarm for the return that comes first, whenever a status has changed. The wall clock may be set
    /// meanwhile: the alarm then finds nothing to tell and is set again.
    pub(super) fn watch_returns(&mut self) {
        if let Some(handle) = self.returns.alarm.take() {
            self.timers.cancel(handle);
        }
        let after = *self.returns.told.get_or_insert(self.now.wall);
        let untils = self.directory.agents.keys().filter_map(|agent| self.agents.absence(agent)?.until);
        if let Some(next) = untils.filter(|until| *until > after).min() {
            let wait = Duration::try_from(next.duration_since(self.now.wall)).unwrap_or_default();
            self.returns.alarm = Some(self.timers.insert(self.now.moment + wait, Alarm::Return));
        }
    }
}
