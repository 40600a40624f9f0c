//! Working hours: who works when, and when somebody who is away works next (M036).
//!
//! Hours are local times of the site's zone. They are turned into moments day by day, so that a change of the
//! clocks moves neither nine o'clock nor the end of a shift.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{AgentId, Holidays};

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

/// Where a moment lies in somebody's plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
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

    /// Where `at` lies in the plan.
    pub fn standing(&self, plan: &Plan, at: Timestamp, zone: &TimeZone) -> Standing {
        let today = zone.to_datetime(at).date();
        let shift = |day: Date| plan.shift(day, &self.holidays, zone);
        let next_start = || self.next_start(plan, at, zone);
        if let Some((start, ends)) = shift(today) {
            if at < start {
                if let Some(ends) = self.night_before(plan, today, at, zone) {
                    return Standing::Working { ends };
                }
                return Standing::NotYet { starts: start };
            }
            return if at < ends {
                Standing::Working { ends }
            } else {
                Standing::LeftForDay { next_start: next_start() }
            };
        }
        match today.yesterday().ok().and_then(shift) {
            Some((_, ends)) if at < ends => Standing::Working { ends },
            Some((_, ends)) if zone.to_datetime(ends).date() == today => {
                Standing::LeftForDay { next_start: next_start() }
            }
            Some(_) | None => Standing::DayOff { next_start: next_start() },
        }
    }

    /// The end of a shift that began the day before and is not over.
    fn night_before(&self, plan: &Plan, today: Date, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (_, ends) = plan.shift(today.yesterday().ok()?, &self.holidays, zone)?;
        (at < ends).then_some(ends)
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

    /// When the standing changes next: the end of this shift, or the start of the next.
    pub fn next_change(&self, plan: &Plan, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self.standing(plan, at, zone) {
            Standing::Working { ends } => Some(ends),
            Standing::NotYet { starts } => Some(starts),
            Standing::LeftForDay { next_start } | Standing::DayOff { next_start } => next_start,
        }
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

    #[test]
    fn a_day_is_not_yet_then_working_then_left() {
        let calendar = Calendar::default();
        let standing = |text: &str| calendar.standing(&office(), at(text), &tokyo());
        assert_eq!(standing("2026-11-25T09:29"), Standing::NotYet { starts: at("2026-11-25T09:30") });
        assert_eq!(standing("2026-11-25T09:30"), Standing::Working { ends: at("2026-11-25T18:00") });
        assert_eq!(standing("2026-11-25T17:59"), Standing::Working { ends: at("2026-11-25T18:00") });
        let monday = Some(at("2026-11-26T09:30"));
        assert_eq!(standing("2026-11-25T18:00"), Standing::LeftForDay { next_start: monday });
        let after = Some(at("2026-11-24T09:30"));
        assert_eq!(standing("2026-11-22T12:00"), Standing::DayOff { next_start: after });
    }

    #[test]
    fn a_night_shift_ends_the_next_morning() {
        let night = hours((22, 0), (6, 0));
        let plan = Plan { week: [night, night, None, None, None, None, None], ..Plan::default() };
        let calendar = Calendar::default();
        let standing = |text: &str| calendar.standing(&plan, at(text), &tokyo());
        assert_eq!(standing("2026-12-07T23:00"), Standing::Working { ends: at("2026-12-08T06:00") });
        assert_eq!(standing("2026-12-08T05:59"), Standing::Working { ends: at("2026-12-08T06:00") });
        assert_eq!(standing("2026-12-08T12:00"), Standing::NotYet { starts: at("2026-12-08T22:00") });
        assert_eq!(standing("2026-12-09T05:59"), Standing::Working { ends: at("2026-12-09T06:00") });
        let next_start = Some(at("2026-12-14T22:00"));
        assert_eq!(standing("2026-12-09T06:00"), Standing::LeftForDay { next_start });
        assert_eq!(standing("2026-12-10T06:00"), Standing::DayOff { next_start });
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
