//! At most so many log lines a second of one class; the rest is counted (N42).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts lines by class: the place in the source that logs. There are only as many classes as such places.
pub(super) struct Limiter {
    lines_per_s: u32,
    windows: Mutex<BTreeMap<Class, Window>>,
}

/// Where in the source a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Class {
    pub(super) target: &'static str,
    pub(super) file: &'static str,
    pub(super) line: u32,
}

/// Lines of one class that were held back in a second that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    pub(super) class: Class,
    pub(super) lines: u64,
}

struct Window {
    second: i64,
    written: u32,
    held_back: u64,
}

impl Limiter {
    pub(super) fn new(lines_per_s: u32) -> Self {
        Self { lines_per_s, windows: Mutex::default() }
    }

    /// Whether a line of this class may be written in this second.
    pub(super) fn admit(&self, class: Class, second: i64) -> bool {
        let mut windows = self.lock();
        let window = windows.entry(class).or_insert(Window { second, written: 0, held_back: 0 });
        // A second with lines held back stays open until its summary has been fetched.
        if window.second != second && window.held_back == 0 {
            *window = Window { second, written: 0, held_back: 0 };
        }
        if window.written < self.lines_per_s {
            window.written += 1;
            return true;
        }
        window.held_back += 1;
        false
    }

    /// The summaries of all seconds before this one; each is given once.
    pub(super) fn summaries(&self, second: i64) -> Vec<HeldBack> {
        let mut windows = self.lock();
        let over = windows.iter_mut().filter(|(_, window)| window.second != second && window.held_back > 0);
        over.map(|(class, window)| {
            let lines = window.held_back;
            // The summary itself is a line of the new second.
            *window = Window { second, written: 1, held_back: 0 };
            HeldBack { class: *class, lines }
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Class, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: Class = Class { target: "t", file: "bad.rs", line: 1 };
    const GOOD: Class = Class { target: "t", file: "good.rs", line: 1 };

    #[test]
    fn n42_a_flood_is_a_hundred_lines_and_a_summary() {
        let limiter = Limiter::new(100);
        let written = (0..10_000).filter(|_| limiter.admit(BAD, 7)).count();
        assert_eq!(written, 100);
        assert_eq!(limiter.summaries(7), []);
        assert_eq!(limiter.summaries(8), [HeldBack { class: BAD, lines: 9_900 }]);
        assert_eq!(limiter.summaries(9), []);
        assert_eq!((0..200).filter(|_| limiter.admit(BAD, 8)).count(), 99);
    }

    #[test]
    fn one_class_does_not_silence_another() {
        let limiter = Limiter::new(1);
        assert!(limiter.admit(BAD, 1) && !limiter.admit(BAD, 1));
        assert!(limiter.admit(GOOD, 1));
    }

    #[test]
    fn a_quiet_class_starts_afresh_each_second() {
        let limiter = Limiter::new(1);
        assert!((0..10).all(|second| limiter.admit(BAD, second)));
    }
}
