//! Public holidays: a data file with a stated range.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The holidays that come with the product.
const JAPAN: &str = include_str!("../../templates/holidays-jp.toml");

/// Days that are holidays, and the range in which that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holidays {
    from: Date,
    to: Date,
    days: BTreeMap<Date, String>,
}

/// What is wrong with a file of holidays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolidayFault {
    /// It cannot be read.
    #[error("the file of holidays cannot be read: {0}")]
    Unreadable(String),
    /// A day lies outside the range the file states.
    #[error("{0} lies outside the range {1} to {2} which the file states")]
    OutOfRange(Date, Date, Date),
}

impl Holidays {
    /// The Japanese holidays that come with the product.
    pub fn japan() -> Self {
        Self::read(JAPAN).expect("the file is part of the binary, and a test reads it")
    }

    /// Reads a file with `from`, `to` and the table `days` (date = name).
    ///
    /// # Errors
    /// When it is no such file, or a day lies outside its own range.
    pub fn read(text: &str) -> Result<Self, HolidayFault> {
        let read: Self =
            toml::from_str(text).map_err(|error| HolidayFault::Unreadable(error.message().to_owned()))?;
        let outside = read.days.keys().find(|day| !(read.from..=read.to).contains(*day));
        match outside {
            Some(day) => Err(HolidayFault::OutOfRange(*day, read.from, read.to)),
            None => Ok(read),
        }
    }

    /// The name of the holiday, when the day is one.
    pub fn name(&self, day: Date) -> Option<&str> {
        self.days.get(&day).map(String::as_str)
    }

    /// The last day of which the file knows whether it is a holiday.
    pub const fn known_until(&self) -> Date {
        self.to
    }

    /// The house says otherwise of a day: a name makes it a holiday, none takes the holiday away.
    pub fn amend(&mut self, day: Date, name: Option<String>) {
        match name {
            Some(name) => _ = self.days.insert(day, name),
            None => _ = self.days.remove(&day),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Weekday, date};

    use super::*;

    #[test]
    fn the_holidays_of_the_law_fall_on_their_mondays() {
        let holidays = Holidays::japan();
        for (name, month, nth) in
            [("成人の日", 1, 2), ("海の日", 7, 3), ("敬老の日", 9, 3), ("スポーツの日", 10, 2)]
        {
            for year in 2025..=2028 {
                let day = date(year, month, 1).nth_weekday_of_month(nth, Weekday::Monday).unwrap();
                assert_eq!(holidays.name(day), Some(name), "{day}");
            }
        }
    }

    #[test]
    fn a_holiday_on_a_sunday_is_followed_by_a_substitute() {
        let holidays = Holidays::japan();
        let sundays: Vec<Date> =
            holidays.days.keys().copied().filter(|day| day.weekday() == Weekday::Sunday).collect();
        assert_eq!(sundays.len(), 5, "{sundays:?}");
        for sunday in sundays {
            let mut next = sunday.tomorrow().unwrap();
            while holidays.name(next).is_some_and(|name| name != "休日") {
                next = next.tomorrow().unwrap();
            }
            assert_eq!(holidays.name(next), Some("休日"), "{sunday}");
        }
    }

    #[test]
    fn a_working_day_between_two_holidays_is_one_too() {
        let holidays = Holidays::japan();
        assert_eq!(holidays.name(date(2026, 9, 22)), Some("休日"));
        assert_eq!(holidays.name(date(2026, 9, 24)), None);
    }

    #[test]
    fn a_house_amends_the_list() {
        let mut holidays = Holidays::japan();
        holidays.amend(date(2026, 12, 30), Some("年末休業".to_owned()));
        holidays.amend(date(2026, 11, 23), None);
        assert_eq!(holidays.name(date(2026, 12, 30)), Some("年末休業"));
        assert_eq!(holidays.name(date(2026, 11, 23)), None);
    }

    #[test]
    fn a_day_outside_the_stated_range_is_a_fault() {
        let text = "from = \"2026-01-01\"\nto = \"2026-12-31\"\n[days]\n\"2027-01-01\" = \"元日\"\n";
        let fault = Holidays::read(text).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "2027-01-01 lies outside the range 2026-01-01 to 2026-12-31 which the file states"
        );
        assert!(matches!(Holidays::read("days = 3"), Err(HolidayFault::Unreadable(_))));
    }
}
