//! Working hours: who works when, and when somebody who is away works next (M036).
//!
//! Hours are local times of the site's zone. They are turned into moments day by day, so that a change of the
//! clocks moves neither nine o'clock nor the end of a shift.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Absence, AbsenceReason, AgentId, AgentStatus, Holidays, SetBy, StoredStatus};

/// How far the next working start is looked for. Who does not work for longer has no known return.
const HORIZON_DAYS: usize = 400;

/// Hours of one day. An end that is not after the start lies on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// When work begins.
    pub start: Time,
    /// When it ends.
    pub end: Time,
}

/// The week of a person or a team, and the days on which it is otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Hours by day of the week, Monday first; absent: no work.
    pub week: [Option<Hours>; 7],
    /// Hours on public holidays; absent: no work.
    pub holiday: Option<Hours>,
    /// Single days that are otherwise: hours, or a day off.
    pub days: BTreeMap<Date, Option<Hours>>,
}

/// All plans of the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// The public holidays.
    pub holidays: Holidays,
    /// Plans of single people; they come before those of their teams.
    pub agents: BTreeMap<AgentId, Plan>,
    /// Plans of teams (groups).
    pub teams: BTreeMap<String, Plan>,
}

/// Where a moment lies in somebody's plan, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When this part of the plan began: a shift's start or end, or midnight.
    pub since: Timestamp,
    /// Which part it is.
    pub part: Part,
}

/// The parts of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// At work until then.
    Working {
        /// The end of the shift.
        ends: Timestamp,
    },
    /// Today's shift is over, or yesterday's that lasted past midnight.
    LeftForDay {
        /// The next working start, when one is planned.
        next_start: Option<Timestamp>,
    },
    /// A working day whose shift has not begun.
    NotYet {
        /// When it begins.
        starts: Timestamp,
    },
    /// No work today.
    DayOff {
        /// The next working start, when one is planned.
        next_start: Option<Timestamp>,
    },
}

impl Default for Calendar {
    /// Japanese holidays, and nobody has a plan.
    fn default() -> Self {
        Self { holidays: Holidays::japan(), agents: BTreeMap::new(), teams: BTreeMap::new() }
    }
}

impl Plan {
    /// The hours of a day.
    fn on(&self, day: Date, holidays: &Holidays) -> Option<Hours> {
        if let Some(otherwise) = self.days.get(&day) {
            return *otherwise;
        }
        if holidays.name(day).is_some() {
            return self.holiday;
        }
        let weekday: Weekday = day.weekday();
        self.week.get(usize::try_from(weekday.to_monday_zero_offset()).ok()?).copied().flatten()
    }

    /// The shift that begins on a day, as two moments.
    fn shift(&self, day: Date, holidays: &Holidays, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let hours = self.on(day, holidays)?;
        let last = if hours.end > hours.start { day } else { day.tomorrow().ok()? };
        Some((moment(day.to_datetime(hours.start), zone)?, moment(last.to_datetime(hours.end), zone)?))
    }
}

impl Calendar {
    /// The plan of a person: their own, otherwise that of the first of their teams which has one.
    pub fn plan(&self, agent: &AgentId, teams: &[String]) -> Option<&Plan> {
        self.agents.get(agent).or_else(|| teams.iter().find_map(|team| self.teams.get(team)))
    }

    /// Where `at` lies in the plan; nothing only at the ends of the calendar, in the years -9999 and 9999.
    pub fn standing(&self, plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Standing> {
        let today = zone.to_datetime(at).date();
        let shift = |day: Date| plan.shift(day, &self.holidays, zone);
        let next_start = || self.next_start(plan, at, zone);
        let stand = |since, part| Some(Standing { since, part });
        let midnight = moment(today.to_datetime(Time::midnight()), zone)?;
        let before = today.yesterday().ok().and_then(shift);
        let now = shift(today);
        match (before, now) {
            (_, Some((start, ends))) if at >= start && at < ends => stand(start, Part::Working { ends }),
            (_, Some((start, ends))) if at >= start => {
                stand(ends, Part::LeftForDay { next_start: next_start() })
            }
            (Some((start, ends)), _) if at < ends => stand(start, Part::Working { ends }),
            (_, Some((starts, _))) => stand(midnight, Part::NotYet { starts }),
            (Some((_, ends)), None) if ends > midnight => {
                stand(ends, Part::LeftForDay { next_start: next_start() })
            }
            (_, None) => stand(midnight, Part::DayOff { next_start: next_start() }),
        }
    }

    /// When somebody who is away works again: not in the shift that is running or still to come today.
    pub fn returns(&self, plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self.standing(plan, at, zone)?.part {
            Part::NotYet { starts } => self.next_start(plan, starts, zone),
            Part::Working { .. } => self.next_start(plan, at, zone),
            Part::LeftForDay { next_start } | Part::DayOff { next_start } => next_start,
        }
    }

    /// What the calendar makes of a status; nothing when the status stands.
    ///
    /// A status chosen after the shift's last change stands (overtime), and so does a supervisor's. The
    /// calendar takes people out of work and never makes them available: at the start of the next shift an
    /// absence it had set becomes `offline`, until they come.
    pub fn status(
        &self,
        plan: &Plan,
        present: &StoredStatus,
        at: Timestamp,
        zone: &TimeZone,
    ) -> Option<AgentStatus> {
        let standing = self.standing(plan, at, zone)?;
        if present.since >= standing.since || present.set_by > SetBy::Manual {
            return None;
        }
        let absent = match &present.status {
            AgentStatus::Away(absence) => Some(&absence.reason),
            AgentStatus::Available | AgentStatus::Offline => None,
        };
        let away = |reason, next_start| Some(AgentStatus::Away(Absence { reason, until: None, next_start }));
        match (standing.part, absent) {
            (
                Part::Working { .. } | Part::NotYet { .. },
                Some(AbsenceReason::DayOff | AbsenceReason::LeftForDay),
            ) if present.set_by == SetBy::Shift => Some(AgentStatus::Offline),
            (Part::Working { .. } | Part::NotYet { .. }, _) => None,
            (_, Some(AbsenceReason::Sick | AbsenceReason::DayOff)) => None,
            (Part::LeftForDay { .. }, Some(AbsenceReason::LeftForDay)) => None,
            (Part::LeftForDay { next_start }, _) => away(AbsenceReason::LeftForDay, next_start),
            (Part::DayOff { next_start }, _) => away(AbsenceReason::DayOff, next_start),
        }
    }

    /// The first working start after `at`, across weekends and holidays.
    pub fn next_start(&self, plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut day = zone.to_datetime(at).date();
        for _ in 0..HORIZON_DAYS {
            if let Some((start, _)) = plan.shift(day, &self.holidays, zone)
                && start > at
            {
                return Some(start);
            }
            day = day.tomorrow().ok()?;
        }
        None
    }

    /// When the standing changes next: the end of this shift, the start of the next, or midnight.
    pub fn next_change(&self, plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let tomorrow = zone.to_datetime(at).date().tomorrow().ok()?;
        let midnight = moment(tomorrow.to_datetime(Time::midnight()), zone)?;
        let change = match self.standing(plan, at, zone)?.part {
            Part::Working { ends } => return Some(ends),
            Part::NotYet { starts } => Some(starts),
            Part::LeftForDay { next_start } | Part::DayOff { next_start } => next_start,
        };
        Some(change.map_or(midnight, |change| change.min(midnight)))
    }
}

/// A local time as a moment; of a time that the clocks repeat or leave out, what is meant in everyday life.
fn moment(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    fn tokyo() -> TimeZone {
        TimeZone::get("Asia/Tokyo").unwrap()
    }

    fn hours(start: (i8, i8), end: (i8, i8)) -> Option<Hours> {
        Some(Hours { start: time(start.0, start.1, 0, 0), end: time(end.0, end.1, 0, 0) })
    }

    fn office() -> Plan {
        let day = hours((9, 30), (18, 0));
        Plan { week: [day, day, day, day, day, None, None], ..Plan::default() }
    }

    fn at(text: &str) -> Timestamp {
        format!("{text}:00+09:00").parse().unwrap()
    }

    fn next(plan: &Plan, from: &str) -> String {
        let found = Calendar::default().next_start(plan, at(from), &tokyo());
        found.map_or("never".to_owned(), |found| tokyo().to_datetime(found).strftime("%F %H:%M").to_string())
    }

    #[test]
    fn m036_the_next_start_skips_weekends_and_holidays() {
        for (from, expected) in [
            ("2026-11-25T18:30", "2026-11-26 09:30"), // Wednesday evening
            ("2026-11-27T18:30", "2026-11-30 09:30"), // Friday evening
            ("2026-11-20T18:30", "2026-11-24 09:30"), // Friday before a holiday on Monday
            ("2026-05-01T19:00", "2026-05-07 09:30"), // the holidays of May
            ("2026-09-18T19:00", "2026-09-24 09:30"), // five days in September
            ("2026-11-25T08:00", "2026-11-25 09:30"), // the same morning
            ("2026-11-25T09:30", "2026-11-26 09:30"), // a start that has come is not next
        ] {
            assert_eq!(next(&office(), from), expected, "{from}");
        }
    }

    #[test]
    fn m036_days_off_and_other_hours_of_a_single_day_count() {
        let mut plan = office();
        plan.days.insert(date(2026, 11, 26), None);
        plan.days.insert(date(2026, 11, 28), hours((13, 0), (17, 0)));
        assert_eq!(next(&plan, "2026-11-25T18:30"), "2026-11-27 09:30");
        assert_eq!(next(&plan, "2026-11-27T18:30"), "2026-11-28 13:00");
    }

    #[test]
    fn m036_who_works_on_holidays_has_hours_for_them() {
        let plan = Plan { holiday: hours((10, 0), (16, 0)), ..office() };
        assert_eq!(next(&plan, "2026-11-20T18:30"), "2026-11-23 10:00");
    }

    #[test]
    fn m036_without_any_working_day_there_is_no_next_start() {
        assert_eq!(next(&Plan::default(), "2026-11-25T18:30"), "never");
    }

    fn part(plan: &Plan, text: &str) -> (String, Part) {
        let standing = Calendar::default().standing(plan, at(text), &tokyo()).unwrap();
        (tokyo().to_datetime(standing.since).strftime("%d %H:%M").to_string(), standing.part)
    }

    #[test]
    fn a_day_is_not_yet_then_working_then_left() {
        let standing = |text: &str| part(&office(), text);
        let starts = at("2026-11-25T09:30");
        assert_eq!(standing("2026-11-25T09:29"), ("25 00:00".to_owned(), Part::NotYet { starts }));
        let working = ("25 09:30".to_owned(), Part::Working { ends: at("2026-11-25T18:00") });
        assert_eq!(standing("2026-11-25T09:30"), working);
        assert_eq!(standing("2026-11-25T17:59"), working);
        let next_start = Some(at("2026-11-26T09:30"));
        assert_eq!(standing("2026-11-25T18:00"), ("25 18:00".to_owned(), Part::LeftForDay { next_start }));
        let next_start = Some(at("2026-11-24T09:30"));
        assert_eq!(standing("2026-11-22T12:00"), ("22 00:00".to_owned(), Part::DayOff { next_start }));
    }

    #[test]
    fn a_night_shift_ends_the_next_morning() {
        let night = hours((22, 0), (6, 0));
        let plan = Plan { week: [night, night, None, None, None, None, None], ..Plan::default() };
        let standing = |text: &str| part(&plan, text);
        let monday = ("07 22:00".to_owned(), Part::Working { ends: at("2026-12-08T06:00") });
        assert_eq!(standing("2026-12-07T23:00"), monday);
        assert_eq!(standing("2026-12-08T05:59"), monday);
        let starts = at("2026-12-08T22:00");
        assert_eq!(standing("2026-12-08T12:00"), ("08 00:00".to_owned(), Part::NotYet { starts }));
        let tuesday = ("08 22:00".to_owned(), Part::Working { ends: at("2026-12-09T06:00") });
        assert_eq!(standing("2026-12-09T05:59"), tuesday);
        let next_start = Some(at("2026-12-14T22:00"));
        assert_eq!(standing("2026-12-09T06:00"), ("09 06:00".to_owned(), Part::LeftForDay { next_start }));
        assert_eq!(standing("2026-12-10T06:00"), ("10 00:00".to_owned(), Part::DayOff { next_start }));
    }

    #[test]
    fn the_next_change_is_an_end_a_start_or_midnight() {
        let calendar = Calendar::default();
        for (from, expected) in [
            ("2026-11-25T08:00", "2026-11-25T09:30"),
            ("2026-11-25T09:30", "2026-11-25T18:00"),
            ("2026-11-25T18:00", "2026-11-26T00:00"),
            ("2026-11-28T10:00", "2026-11-29T00:00"),
        ] {
            assert_eq!(calendar.next_change(&office(), at(from), &tokyo()), Some(at(expected)), "{from}");
        }
        assert_eq!(
            calendar.next_change(&Plan::default(), at("2026-11-25T08:00"), &tokyo()),
            Some(at("2026-11-26T00:00"))
        );
    }

    #[test]
    fn the_calendar_takes_people_out_of_work_and_never_into_it() {
        let calendar = Calendar::default();
        // status, set by, since, now, what the calendar makes of it
        for (status, set_by, since, now, expected) in [
            ("available", SetBy::Manual, "25T09:00", "25T17:59", None),
            ("available", SetBy::Manual, "25T09:00", "25T18:00", Some("away:left_for_day")),
            ("available", SetBy::Manual, "25T18:05", "25T19:00", None),
            ("available", SetBy::Supervisor, "25T09:00", "25T18:00", None),
            ("offline", SetBy::Manual, "25T12:00", "25T18:00", Some("away:left_for_day")),
            ("away:break", SetBy::Manual, "25T17:30", "25T18:00", Some("away:left_for_day")),
            ("away:sick", SetBy::Manual, "25T09:00", "25T18:00", None),
            ("away:left_for_day", SetBy::Manual, "25T15:00", "25T18:00", None),
            ("away:left_for_day", SetBy::Shift, "25T18:00", "26T00:00", Some("offline")),
            ("away:left_for_day", SetBy::Manual, "25T15:00", "26T09:30", None),
            ("away:left_for_day", SetBy::Shift, "27T18:00", "28T00:00", Some("away:day_off")),
            ("away:day_off", SetBy::Shift, "28T00:00", "30T00:00", Some("offline")),
            ("away:day_off", SetBy::Manual, "24T09:00", "25T09:30", None),
        ] {
            let present = StoredStatus {
                agent: AgentId::new("a1"),
                status: status.parse().unwrap(),
                set_by,
                since: at(&format!("2026-11-{since}")),
            };
            let made = calendar.status(&office(), &present, at(&format!("2026-11-{now}")), &tokyo());
            assert_eq!(made.map(|made| made.to_string()).as_deref(), expected, "{status} {since} {now}");
        }
    }

    #[test]
    fn m036_who_is_ill_this_morning_returns_tomorrow() {
        let returns = |text: &str| Calendar::default().returns(&office(), at(text), &tokyo());
        assert_eq!(returns("2026-11-25T08:30"), Some(at("2026-11-26T09:30")));
        assert_eq!(returns("2026-11-25T10:30"), Some(at("2026-11-26T09:30")));
        assert_eq!(returns("2026-11-27T19:00"), Some(at("2026-11-30T09:30")));
    }

    #[test]
    fn nine_o_clock_stays_nine_o_clock_when_the_clocks_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let calendar = Calendar::default();
        let plan = Plan { week: [hours((9, 0), (17, 0)); 7], ..Plan::default() };
        let saturday: Timestamp = "2026-10-24T20:00:00+02:00".parse().unwrap();
        let found = calendar.next_start(&plan, saturday, &zone).unwrap();
        assert_eq!(found, "2026-10-25T09:00:00+01:00".parse().unwrap());
    }

    #[test]
    fn a_person_s_own_plan_comes_before_the_team_s() {
        let mut calendar = Calendar::default();
        calendar.teams.insert("support".to_owned(), office());
        let teams = ["sales".to_owned(), "support".to_owned()];
        let agent = AgentId::new("a1");
        assert_eq!(calendar.plan(&agent, &teams), Some(&office()));
        calendar.agents.insert(agent.clone(), Plan::default());
        assert_eq!(calendar.plan(&agent, &teams), Some(&Plan::default()));
        assert_eq!(calendar.plan(&AgentId::new("a2"), &teams[..1]), None);
    }
}
