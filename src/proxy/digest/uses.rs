//! RFC 7616 §3.4, `nc`: each use of a nonce counts up, so that a copy of a request is worth nothing (N3).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::nonce::Nonce;
use crate::clock::Moment;

/// The uses of nonces by those who proved a password. Strangers leave nothing here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Uses {
    by_user: BTreeMap<String, Window>,
}

/// The nonces of one user: those used, and how far back we remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Window {
    /// Nonces up to this one that are not in `seen` may have been used: they are refused.
    floor: Option<(Moment, u32)>,
    /// The highest count of each. A list, since its keys are no texts.
    seen: std::collections::VecDeque<((Moment, u32), u32)>,
}

impl Uses {
    /// Notes a use; `false` when it may be a repetition. At most `limit` nonces of a user are remembered:
    /// the oldest gives way, and is refused from then on like every older one.
    pub fn note(&mut self, user: &str, nonce: Nonce, count: u32, limit: usize) -> bool {
        let key = (nonce.made, nonce.serial);
        if !self.by_user.contains_key(user) {
            self.by_user.insert(user.to_owned(), Window::default());
        }
        let Some(window) = self.by_user.get_mut(user) else { return false };
        match window.seen.binary_search_by_key(&key, |(seen, _)| *seen) {
            Ok(place) => {
                let Some((_, highest)) = window.seen.get_mut(place) else { return false };
                let grows = count > *highest;
                *highest = count.max(*highest);
                grows
            }
            Err(_) if window.floor.is_some_and(|floor| key <= floor) => false,
            Err(place) => {
                window.seen.insert(place, (key, count));
                if window.seen.len() > limit.max(1) {
                    window.floor = window.seen.pop_front().map(|(key, _)| key);
                }
                true
            }
        }
    }

    /// Forgets nonces that are too old to be used in any case, and users who are no more.
    pub fn forget(&mut self, now: Moment, lasts: Duration, is_user: impl Fn(&str) -> bool) {
        self.by_user.retain(|user, _| is_user(user));
        for window in self.by_user.values_mut() {
            while window.seen.front().is_some_and(|((made, _), _)| now.since(*made) > lasts) {
                window.seen.pop_front();
            }
        }
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.by_user.values().map(|window| window.seen.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(seconds: u64) -> Nonce {
        Nonce { made: Moment::from_micros(seconds * 1_000_000), serial: 1 }
    }

    #[test]
    fn n3_a_count_is_taken_once_and_only_upwards() {
        let mut uses = Uses::default();
        assert!(uses.note("a", nonce(1), 1, 8));
        for _ in 0..10_000 {
            assert!(!uses.note("a", nonce(1), 1, 8), "a replay");
        }
        assert!(uses.note("a", nonce(1), 5, 8));
        assert!(!uses.note("a", nonce(1), 4, 8), "going backwards");
        assert!(uses.note("b", nonce(1), 1, 8), "another user has uses of their own");
    }

    #[test]
    fn n3_what_had_to_be_forgotten_is_refused() {
        let mut uses = Uses::default();
        for second in 1..=4 {
            assert!(uses.note("a", nonce(second), 1, 3));
        }
        assert_eq!(uses.len(), 3);
        assert!(!uses.note("a", nonce(1), 2, 3), "the oldest gave way");
        assert!(!uses.note("a", nonce(0), 1, 3), "older than what gave way");
        assert!(uses.note("a", nonce(2), 2, 3), "still known");
        uses.forget(nonce(303).made, Duration::from_secs(300), |_| true);
        assert_eq!(uses.len(), 2);
        uses.forget(nonce(303).made, Duration::from_secs(300), |user| user != "a");
        assert!(uses.is_empty());
    }
}
