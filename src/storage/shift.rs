//! Working hours and holidays, read whole.

use jiff::civil::{Date, Time};
use sqlx::SqliteConnection;

use super::StorageError;
use crate::presence::{AgentId, Calendar, Hours, Plan};

/// The days of the week as they are stored, Monday first.
pub(super) const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The day that stands for all public holidays.
pub(super) const HOLIDAY: &str = "holiday";

/// What an owner's name begins with.
pub(super) const AGENT: &str = "agent:";
/// What an owner's name begins with.
pub(super) const TEAM: &str = "team:";

/// All plans, and the holidays as the house has them.
pub(super) async fn read_calendar(connection: &mut SqliteConnection) -> Result<Calendar, StorageError> {
    let mut calendar = Calendar::default();
    let days: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT day, name FROM holidays").fetch_all(&mut *connection).await?;
    for (day, name) in days {
        calendar.holidays.amend(read_date(&day)?, name);
    }
    let rows: Vec<(String, String, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT owner, day, start_time, end_time FROM shifts").fetch_all(connection).await?;
    for (owner, day, start, end) in rows {
        let hours = match (start, end) {
            (Some(start), Some(end)) => Some(Hours { start: read_time(&start)?, end: read_time(&end)? }),
            (_, _) => None,
        };
        if let Some(plan) = plan_of(&mut calendar, &owner) {
            put(plan, &day, hours)?;
        }
    }
    Ok(calendar)
}

fn plan_of<'a>(calendar: &'a mut Calendar, owner: &str) -> Option<&'a mut Plan> {
    if let Some(agent) = owner.strip_prefix(AGENT) {
        return Some(calendar.agents.entry(AgentId::new(agent)).or_default());
    }
    let team = owner.strip_prefix(TEAM)?;
    Some(calendar.teams.entry(team.to_owned()).or_default())
}

fn put(plan: &mut Plan, day: &str, hours: Option<Hours>) -> Result<(), StorageError> {
    if day == HOLIDAY {
        plan.holiday = hours;
        return Ok(());
    }
    match WEEK.iter().position(|name| *name == day).and_then(|index| plan.week.get_mut(index)) {
        Some(place) => *place = hours,
        None => _ = plan.days.insert(read_date(day)?, hours),
    }
    Ok(())
}

fn read_date(text: &str) -> Result<Date, StorageError> {
    text.parse().map_err(|_| StorageError::Corrupt("a shift or holiday has no readable day".to_owned()))
}

fn read_time(text: &str) -> Result<Time, StorageError> {
    text.parse().map_err(|_| StorageError::Corrupt("a shift has no readable hours".to_owned()))
}
