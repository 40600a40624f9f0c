//! What the working hours do to people's statuses.

use std::time::Duration;

use super::Engine;
use super::timers::Alarm;
use crate::presence::{AbsenceReason, AgentId, AgentStatus, Plan, SetBy};

/// As what the calendar signs the changes it makes.
const USER: &str = "shift";

impl Engine {
    /// Brings everybody's status in line with their shifts, and sets the alarm for the next change.
    pub(super) fn shifts_due(&mut self) {
        let agents: Vec<AgentId> = self.directory.agents.keys().cloned().collect();
        for agent in agents {
            let Some(present) = self.agents.stored(&agent) else { continue };
            let made = self.plan_of(&agent).and_then(|plan| {
                let calendar = &self.directory.calendar;
                calendar.status(plan, &present, self.now.wall, &self.settings.time_zone)
            });
            if let Some(status) = made {
                self.agents.restore_status(&agent, status, SetBy::Shift, self.now.wall);
                self.store_status(&agent, USER.to_owned());
                self.presence_changed(&agent);
            }
        }
        self.watch_shifts();
        self.watch_returns();
    }

    /// One alarm for the change that comes first. The wall clock may be set meanwhile: the alarm then finds
    /// nothing to do and is set again.
    fn watch_shifts(&mut self) {
        if let Some(handle) = self.shift_alarm.take() {
            self.timers.cancel(handle);
        }
        let (calendar, zone) = (&self.directory.calendar, &self.settings.time_zone);
        let next = self
            .directory
            .agents
            .keys()
            .filter_map(|agent| calendar.next_change(self.plan_of(agent)?, self.now.wall, zone))
            .min();
        if let Some(next) = next {
            let after = Duration::try_from(next.duration_since(self.now.wall)).unwrap_or_default();
            self.shift_alarm = Some(self.timers.insert(self.now.moment + after, Alarm::Shift));
        }
    }

    /// An absence for days without a date of return gets the next working start (M036).
    pub(super) fn with_next_start(&self, agent: &AgentId, status: AgentStatus) -> AgentStatus {
        let AgentStatus::Away(mut absence) = status else { return status };
        let for_days = match &absence.reason {
            AbsenceReason::DayOff | AbsenceReason::Sick | AbsenceReason::LeftForDay => true,
            AbsenceReason::Meeting
            | AbsenceReason::OtherCase
            | AbsenceReason::Break
            | AbsenceReason::Out
            | AbsenceReason::Rona
            | AbsenceReason::Custom(_) => false,
        };
        if for_days && absence.next_start.is_none() && absence.until.is_none() {
            let (calendar, zone) = (&self.directory.calendar, &self.settings.time_zone);
            absence.next_start =
                self.plan_of(agent).and_then(|plan| calendar.returns(plan, self.now.wall, zone));
        }
        AgentStatus::Away(absence)
    }

    fn plan_of(&self, agent: &AgentId) -> Option<&Plan> {
        let entry = self.directory.agents.get(agent)?;
        self.directory.calendar.plan(agent, &entry.groups)
    }
}
