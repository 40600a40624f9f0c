//! How far behind the loop is, and since when: a standing queue is overload, a burst is not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// A queue that stands for so long is no burst: those who matter least wait no more.
const STANDS: Duration = Duration::from_millis(100);

/// After so long calls of trusted trunks are refused as well.
const STANDS_LONG: Duration = Duration::from_millis(300);

/// So long after an overload the first sign of the next one is enough.
const WARY: Duration = Duration::from_secs(5);

/// How far requests are shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing is.
    #[default]
    Normal,
    /// All that is neither a trusted trunk's nor more urgent.
    Rest,
    /// All but emergency calls and what belongs to calls that are up.
    New,
}

/// The measure of overload.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pressure {
    lag: Duration,
    late_since: Option<Moment>,
    /// Until when the first sign is enough, to shed the rest and to shed all that is new.
    wary_until: [Option<Moment>; 2],
}

impl Pressure {
    /// The next message has waited for at most `lag`.
    pub fn note(&mut self, lag: Duration, target: Duration, now: Moment) {
        self.lag = lag;
        if lag < target || target.is_zero() {
            self.late_since = None;
        } else if self.late_since.is_none() {
            self.late_since = Some(now);
        }
    }

    /// What is to be shed now.
    pub fn level(&self, target: Duration, now: Moment) -> Level {
        let Some(since) = self.late_since else { return Level::Normal };
        let stands = now.since(since);
        let [wary, very_wary] = self.wary_until.map(|until| until.is_some_and(|until| now < until));
        if stands >= STANDS_LONG || (very_wary && self.lag >= target * 2) {
            Level::New
        } else if stands >= STANDS || wary {
            Level::Rest
        } else {
            Level::Normal
        }
    }

    /// Something was shed at this level.
    pub fn shed(&mut self, level: Level, now: Moment) {
        self.wary_until[0] = Some(now + WARY);
        if level == Level::New {
            self.wary_until[1] = Some(now + WARY);
        }
    }

    /// The lag last told.
    pub const fn lag(&self) -> Duration {
        self.lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(20);

    fn at(millis: u64) -> Moment {
        Moment::from_micros(millis * 1000)
    }

    #[test]
    fn r11_a_burst_is_no_overload_and_a_standing_queue_is() {
        let mut pressure = Pressure::default();
        pressure.note(Duration::from_secs(2), TARGET, at(0));
        assert_eq!(pressure.level(TARGET, at(99)), Level::Normal);
        pressure.note(Duration::from_millis(19), TARGET, at(99));
        pressure.note(Duration::from_millis(21), TARGET, at(100));
        assert_eq!(pressure.level(TARGET, at(199)), Level::Normal);
        assert_eq!(pressure.level(TARGET, at(200)), Level::Rest);
        assert_eq!(pressure.level(TARGET, at(400)), Level::New);
        pressure.note(Duration::ZERO, TARGET, at(401));
        assert_eq!(pressure.level(TARGET, at(401)), Level::Normal, "at once");
    }

    #[test]
    fn r11_after_an_overload_the_next_is_met_at_its_first_sign() {
        let mut pressure = Pressure::default();
        pressure.shed(Level::Rest, at(0));
        pressure.note(Duration::from_millis(40), TARGET, at(1));
        assert_eq!(pressure.level(TARGET, at(1)), Level::Rest, "trusted trunks have not been refused yet");
        pressure.note(Duration::ZERO, TARGET, at(2));
        pressure.shed(Level::New, at(0));
        pressure.note(Duration::from_millis(20), TARGET, at(1000));
        assert_eq!(pressure.level(TARGET, at(1000)), Level::Rest);
        pressure.note(Duration::from_millis(40), TARGET, at(1001));
        assert_eq!(pressure.level(TARGET, at(1001)), Level::New);
        assert_eq!(pressure.level(TARGET, at(5000)), Level::New, "it stands for long");
        pressure.note(Duration::ZERO, TARGET, at(5001));
        pressure.note(Duration::from_millis(40), TARGET, at(5002));
        assert_eq!(pressure.level(TARGET, at(5002)), Level::Normal, "five seconds are over");
    }

    #[test]
    fn a_target_of_zero_switches_the_measure_off() {
        let mut pressure = Pressure::default();
        pressure.note(Duration::from_secs(9), Duration::ZERO, at(0));
        assert_eq!(pressure.level(Duration::ZERO, at(9000)), Level::Normal);
    }
}
