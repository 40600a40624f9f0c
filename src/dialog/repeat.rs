//! A 2xx to an INVITE, or a reliable provisional response, is repeated by whoever made it until it is
//! acknowledged (RFC 3261 §13.3.1.4, RFC 3262 §3).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::transaction::TimerSettings;

/// The next repetition, and the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    interval: Duration,
    ends: Moment,
    doubles_on: bool,
}

impl Repeat {
    /// Of a 2xx: T1, doubling up to T2, for 64·T1.
    pub fn of_success(settings: &TimerSettings, now: Moment) -> Self {
        Self { interval: settings.t1, ends: now + settings.give_up(), doubles_on: false }
    }

    /// Of a reliable provisional response: T1, doubling, for 64·T1.
    pub fn of_provisional(settings: &TimerSettings, now: Moment) -> Self {
        Self { doubles_on: true, ..Self::of_success(settings, now) }
    }

    /// When it is next repeated; `None` when the time for it is over.
    pub fn next(&mut self, settings: &TimerSettings, now: Moment) -> Option<Moment> {
        if now >= self.ends {
            return None;
        }
        let at = now + self.interval;
        self.interval =
            if self.doubles_on { self.interval * 2 } else { settings.doubled_to_t2(self.interval) };
        Some(at.min(self.ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(mut repeat: Repeat) -> Vec<u64> {
        let (settings, mut now) = (TimerSettings::default(), Moment::from_micros(0));
        let mut times = Vec::new();
        while let Some(at) = repeat.next(&settings, now) {
            times.push(at.as_micros() / 1000);
            now = at;
        }
        times
    }

    #[test]
    fn d9_a_200_is_repeated_from_t1_to_t2_and_ends_after_64_t1() {
        let repeat = Repeat::of_success(&TimerSettings::default(), Moment::from_micros(0));
        assert_eq!(times(repeat), [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500, 32000]);
    }

    #[test]
    fn d2_a_reliable_provisional_response_doubles_without_a_bound() {
        let repeat = Repeat::of_provisional(&TimerSettings::default(), Moment::from_micros(0));
        assert_eq!(times(repeat), [500, 1500, 3500, 7500, 15500, 31500, 32000]);
    }
}
