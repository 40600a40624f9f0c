//! How fast a line moves, and from that how long those who stand in it are expected to wait.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

/// Callers whose turn came that are remembered.
const REMEMBERED: usize = 16;

/// Fewer say nothing about the next one.
const ENOUGH: usize = 3;

/// What is longer ago says nothing about now.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);

/// When callers of one line were served, the latest last.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    served: VecDeque<Moment>,
}

impl Pace {
    /// Somebody's turn came.
    pub fn served(&mut self, now: Moment) {
        self.served.push_back(now);
        while self.served.len() > REMEMBERED {
            self.served.pop_front();
        }
    }

    /// How long the caller at this place (1 is next) is expected to wait; `None` while too little is known.
    /// The time since the last one counts, so that a line which stands still is not promised much.
    pub fn expected(&self, position: u16, now: Moment) -> Option<Duration> {
        let mut recent = self.served.iter().filter(|at| now.since(**at) <= FORGOTTEN_AFTER);
        let first = *recent.next()?;
        let others = recent.count();
        if others + 1 < ENOUGH {
            return None;
        }
        let each = now.since(first) / u32::try_from(others).ok()?;
        Some(each * u32::from(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_line_that_moves_each_half_minute_is_expected_to_go_on_so() {
        let mut pace = Pace::default();
        assert_eq!(pace.expected(1, at(100)), None);
        for served in [100, 130] {
            pace.served(at(served));
        }
        assert_eq!(pace.expected(1, at(130)), None, "two are not enough");
        pace.served(at(160));
        assert_eq!(pace.expected(1, at(160)), Some(Duration::from_secs(30)));
        assert_eq!(pace.expected(4, at(160)), Some(Duration::from_secs(120)));
        assert_eq!(pace.expected(1, at(220)), Some(Duration::from_secs(60)), "nothing has moved since");
    }

    #[test]
    fn what_was_long_ago_is_forgotten_and_only_so_much_is_kept() {
        let mut pace = Pace::default();
        (0..1_000).for_each(|second| pace.served(at(second)));
        assert_eq!(pace.served.len(), REMEMBERED);
        assert_eq!(pace.expected(1, at(999)), Some(Duration::from_secs(1)));
        assert_eq!(pace.expected(1, at(10_000)), None);
    }
}
