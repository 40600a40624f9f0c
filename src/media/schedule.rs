//! When something is said to a caller who waits, and what.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::order::Announcement;

/// A kind of announcement, before numbers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Saying {
    /// Please hold the line.
    PleaseHold,
    /// Which place the caller has.
    Position,
    /// How long it will take.
    Minutes,
    /// Press 1 to be called back.
    PressOne,
}

/// What is said to those who wait, and when: the same for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// From the beginning of the music to the first round.
    pub first: Duration,
    /// From one round to the next; zero: only the first round is said.
    pub every: Duration,
    /// What is said together in each round; behind the last one the first again. Empty: nothing is ever said.
    pub rounds: Vec<Vec<Saying>>,
}

/// What is known of one caller when something is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The place: 1 is next. Unknown for who waits for one person.
    pub position: Option<u16>,
    /// How much longer it will take.
    pub expected: Option<Duration>,
    /// Whether a digit that is pressed will be heard and carried out.
    pub may_press: bool,
}

impl Schedule {
    /// When the round that comes after so many is due, counted from the beginning of the music; `None` when
    /// nothing more is said.
    pub fn due(&self, rounds_said: u32) -> Option<Duration> {
        let once = self.every.is_zero() && rounds_said > 0;
        if self.rounds.is_empty() || once {
            return None;
        }
        Some(self.first + self.every.saturating_mul(rounds_said))
    }

    /// What is said in that round. What is not known is left out; a round of which nothing is left asks to
    /// hold the line, so that the caller hears that somebody thinks of them.
    pub fn say(&self, rounds_said: u32, waiting: Waiting) -> Vec<Announcement> {
        let Some(round) = self.rounds.get(rounds_said as usize % self.rounds.len().max(1)) else {
            return Vec::new();
        };
        let said: Vec<_> = round.iter().filter_map(|saying| saying.with(waiting)).collect();
        if said.is_empty() { vec![Announcement::PleaseHold] } else { said }
    }
}

impl Saying {
    fn with(self, waiting: Waiting) -> Option<Announcement> {
        match self {
            Self::PleaseHold => Some(Announcement::PleaseHold),
            Self::Position => waiting.position.filter(|place| *place > 0).map(Announcement::Position),
            Self::Minutes => waiting.expected.map(|left| Announcement::Minutes(minutes(left))),
            Self::PressOne => waiting.may_press.then_some(Announcement::PressOne),
        }
    }
}

/// Rounded up: who is told one minute waits for one minute at most. "No minutes" is never said.
fn minutes(left: Duration) -> u16 {
    let whole = left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0)).div_ceil(60);
    u16::try_from(whole).unwrap_or(u16::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule {
            first: s(10),
            every: s(30),
            rounds: vec![vec![Saying::PleaseHold], vec![Saying::Position, Saying::Minutes, Saying::PressOne]],
        }
    }

    #[test]
    fn rounds_come_at_their_times_and_go_round() {
        let schedule = schedule();
        assert_eq!([0, 1, 2, 100].map(|said| schedule.due(said)), [s(10), s(40), s(70), s(3010)].map(Some));
        let waiting = Waiting { position: Some(3), expected: Some(s(61)), may_press: true };
        assert_eq!(schedule.say(0, waiting), [Announcement::PleaseHold]);
        let all = [Announcement::Position(3), Announcement::Minutes(2), Announcement::PressOne];
        assert_eq!(schedule.say(1, waiting), all);
        assert_eq!(schedule.say(2, waiting), [Announcement::PleaseHold]);
        assert_eq!(schedule.say(u32::MAX, waiting), all);
    }

    #[test]
    fn what_is_not_known_is_left_out_and_never_silence() {
        let schedule = schedule();
        let place = Waiting { position: Some(1), ..Waiting::default() };
        assert_eq!(schedule.say(1, place), [Announcement::Position(1)]);
        let nothing = Waiting { position: Some(0), ..Waiting::default() };
        assert_eq!(schedule.say(1, nothing), [Announcement::PleaseHold]);
    }

    #[test]
    fn minutes_are_rounded_up_and_never_none() {
        let rows = [(0, 1), (1, 1), (60, 1), (61, 2), (3600, 60), (u64::MAX, u16::MAX)];
        for (seconds, wanted) in rows {
            assert_eq!(minutes(s(seconds)), wanted, "{seconds}");
        }
        assert_eq!(minutes(Duration::from_millis(60_001)), 2);
    }

    #[test]
    fn without_rounds_nothing_is_said_and_without_an_interval_only_the_first_round() {
        assert_eq!(Schedule::default().due(0), None);
        assert!(Schedule::default().say(0, Waiting::default()).is_empty());
        let once = Schedule { every: Duration::ZERO, ..schedule() };
        assert_eq!([once.due(0), once.due(1)], [Some(s(10)), None]);
    }
}
