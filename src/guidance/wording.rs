//! Days and hours as people say them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use crate::customer::Language;

/// Where the time stands in the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// 明日は9時30分(から): the day is the topic.
    Topic,
    /// 明日9時30分(以降に), and today's day is left out.
    Plain,
}

/// The time as seen from `now`, or `None` when it is past: a promise for the past helps nobody.
pub(super) fn upcoming(
    now: Timestamp,
    at: Timestamp,
    zone: &TimeZone,
    place: Place,
    language: Language,
) -> Option<String> {
    if at <= now {
        return None;
    }
    let today = zone.to_datetime(now).date();
    let then = zone.to_datetime(at);
    let days = today.until((Unit::Day, then.date())).ok()?.get_days();
    Some(match language {
        Language::Ja => japanese(days, then, place),
        Language::En => english(days, then, place),
    })
}

fn japanese(days: i32, then: DateTime, place: Place) -> String {
    let time = japanese_time(then.time());
    let day = match (days, place) {
        (0, Place::Plain) => return time,
        (0, Place::Topic) => "本日".to_owned(),
        (1, _) => "明日".to_owned(),
        (2..=6, _) => japanese_weekday(then.date()).to_owned(),
        (_, _) => format!("{}月{}日{}", then.month(), then.day(), japanese_weekday(then.date())),
    };
    match place {
        Place::Topic => format!("{day}は{time}"),
        Place::Plain => format!("{day}{time}"),
    }
}

fn english(days: i32, then: DateTime, place: Place) -> String {
    let time = english_time(then.time());
    match (days, place) {
        (0, Place::Plain) => time,
        (0, Place::Topic) => format!("{time} today"),
        (1, _) => format!("{time} tomorrow"),
        (2..=6, _) => format!("{time} on {}", then.strftime("%A")),
        (_, _) => format!("{time} on {}", then.strftime("%A, %-d %B")),
    }
}

fn japanese_time(time: Time) -> String {
    match time.minute() {
        0 => format!("{}時", time.hour()),
        minute => format!("{}時{minute}分", time.hour()),
    }
}

fn english_time(time: Time) -> String {
    let half = if time.hour() < 12 { "am" } else { "pm" };
    let hour = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    match (time.hour(), time.minute()) {
        (12, 0) => "12 noon".to_owned(),
        (_, 0) => format!("{hour} {half}"),
        (_, minute) => format!("{hour}:{minute:02} {half}"),
    }
}

fn japanese_weekday(date: Date) -> &'static str {
    use jiff::civil::Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    match date.weekday() {
        Monday => "月曜日",
        Tuesday => "火曜日",
        Wednesday => "水曜日",
        Thursday => "木曜日",
        Friday => "金曜日",
        Saturday => "土曜日",
        Sunday => "日曜日",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(now: &str, at: &str) -> Option<(String, String, String)> {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let (now, at): (Timestamp, Timestamp) = (now.parse().expect("a time"), at.parse().expect("a time"));
        let form = |place, language| upcoming(now, at, &zone, place, language);
        Some((
            form(Place::Topic, Language::Ja)?,
            form(Place::Plain, Language::Ja)?,
            form(Place::Topic, Language::En)?,
        ))
    }

    #[test]
    fn m036_the_next_start_is_named_by_its_distance() {
        // Friday, 20 November 2026, 18:30.
        let friday = "2026-11-20T18:30:00+09:00";
        let rows = [
            ("2026-11-20T21:00:00+09:00", "本日は21時", "21時", "9 pm today"),
            ("2026-11-21T09:30:00+09:00", "明日は9時30分", "明日9時30分", "9:30 am tomorrow"),
            ("2026-11-23T09:00:00+09:00", "月曜日は9時", "月曜日9時", "9 am on Monday"),
            ("2026-11-26T12:00:00+09:00", "木曜日は12時", "木曜日12時", "12 noon on Thursday"),
            (
                "2026-11-30T09:05:00+09:00",
                "11月30日月曜日は9時5分",
                "11月30日月曜日9時5分",
                "9:05 am on Monday, 30 November",
            ),
        ];
        for (at, topic, plain, english) in rows {
            assert_eq!(said(friday, at), Some((topic.into(), plain.into(), english.into())), "{at}");
        }
    }

    #[test]
    fn m036_days_change_at_midnight_of_the_centre_not_of_greenwich() {
        // 23:30 in Tokyo on the 20th is still the 20th in Greenwich, and so is 08:00 in Tokyo on the 21st.
        let late = said("2026-11-20T14:30:00Z", "2026-11-20T23:00:00Z");
        assert_eq!(late.map(|(topic, _, _)| topic), Some("明日は8時".into()));
    }

    #[test]
    fn a_time_that_is_past_is_not_said() {
        assert_eq!(said("2026-11-20T14:30:00Z", "2026-11-20T14:30:00Z"), None);
    }
}
