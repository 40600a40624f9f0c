//! What the engine counts, and how full it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// Counts since the start; they only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is the metric's name; telemetry describes them")]
pub struct Counters {
    pub calls_begun: u64,
    pub answered: u64,
    pub completed: u64,
    pub abandoned: u64,
    pub rejected: u64,
    pub lost: u64,
    pub failed: u64,
    pub called_back: u64,
    pub anchored: u64,
    pub media_refused: u64,
    pub bridged: u64,
    pub played_again: u64,
    pub bridges_broken: u64,
    pub own_requests: u64,
    pub carried: u64,
    pub glares: u64,
    pub sessions_over: u64,
    pub accepted: u64,
    pub withdrawn: u64,
    pub default_routed: u64,
    pub offers: u64,
    pub lease_refused: u64,
    pub ring_no_answer: u64,
    pub ring_sla: u64,
    pub phone_failures: u64,
    pub lookup_deadlines: u64,
    pub announce_deadlines: u64,
    pub invites_forwarded: u64,
    pub cancels_sent: u64,
    pub repeats: u64,
    pub stray_responses: u64,
    pub strangers: u64,
    pub malformed: u64,
    pub unproven_dialogs: u64,
    pub dropped_acks: u64,
    pub unacknowledged: u64,
    pub transport_failures: u64,
    pub shed: u64,
    pub next_targets: u64,
    pub targets_given_up: u64,
    pub targets_marked_down: u64,
    pub routes_down: u64,
    pub probes_sent: u64,
    pub silent_phones: u64,
    pub stale_screens: u64,
    pub late_answers: u64,
    pub large_over_tcp: u64,
    pub unmatched_cancels: u64,
    pub invalid: u64,
    pub loops: u64,
    pub too_many_hops: u64,
    pub routes_removed: u64,
    pub identities_removed: u64,
    pub claimed_sources: u64,
    pub redirects_followed: u64,
    pub redirects_refused: u64,
    pub transfers_refused: u64,
    /// Transfers of calls that began.
    pub transfers_begun: u64,
    /// Those that gave a caller another handler.
    pub transfers_done: u64,
    /// Those that came to nothing.
    pub transfers_failed: u64,
    /// Those that were one too many (M095).
    pub transfers_over_limit: u64,
    pub challenged: u64,
    pub auth_granted: u64,
    pub auth_failed: u64,
    pub auth_unusable: u64,
    pub auth_stale: u64,
    pub auth_replayed: u64,
    pub auth_held_back: u64,
    pub auth_forbidden: u64,
    pub alerts: u64,
    pub forwarded_by_rule: u64,
    pub refused_by_rule: u64,
    pub holds: u64,
    pub holds_exceeded: u64,
    pub parked: u64,
    pub park_refreshed: u64,
    pub park_retrieved: u64,
    pub park_gave_up: u64,
    pub park_time_over: u64,
    pub park_full: u64,
    pub park_warned: u64,
    pub callbacks_noted: u64,
    pub callbacks_refused: u64,
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is the table's name; telemetry describes them")]
pub struct Gauges {
    pub calls: usize,
    pub offers: usize,
    pub server_transactions: usize,
    pub client_transactions: usize,
    pub contexts: usize,
    pub timers: usize,
    pub names_awaited: usize,
    pub wrapping: usize,
    pub targets: usize,
    pub targets_down: usize,
    pub held_octets: usize,
    pub largest_share: usize,
    pub refusals_kept: usize,
    pub nonces_used: usize,
    pub proven_sources: usize,
    pub names_known: usize,
    pub callers_known: usize,
    pub lot_waiting: usize,
    pub lot_taken: usize,
    pub callbacks_open: usize,
    /// Anchored dialogs.
    pub dialogs: usize,
    /// Dialogs of calls that are over, whose 2xx has no ACK yet.
    pub lingering: usize,
    pub lag: Duration,
}

/// Times measured since they were last taken; each list holds at most [`Samples::KEPT`].
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// From an INVITE's arrival to its first way out.
    pub invite_forward: Vec<Duration>,
    /// From a decision to its pop being written.
    pub pop_announce: Vec<Duration>,
    /// From an INVITE's arrival to an agent's answer.
    pub answer: Vec<Duration>,
}

impl Samples {
    /// How many of each are kept between two readings; more are not kept.
    pub const KEPT: usize = 8192;

    pub(super) fn note(list: &mut Vec<Duration>, sample: Duration) {
        if list.len() < Self::KEPT {
            list.push(sample);
        }
    }
}

/// So many in each window of time, then no more until the next.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Budget {
    window: Moment,
    given: u32,
}

impl Budget {
    /// Whether one more may be given.
    pub fn allow(&mut self, now: Moment, window: Duration, limit: u32) -> bool {
        if now.since(self.window) >= window {
            *self = Self { window: now, given: 0 };
        }
        self.given = self.given.saturating_add(1);
        self.given <= limit
    }
}

/// So many a second, with a second's worth at once: a bucket of tokens that fills by itself.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rate {
    /// When the bucket is full again.
    full_at: Moment,
}

impl Rate {
    /// Whether one more may come; `per_s` is not zero.
    pub fn allow(&mut self, now: Moment, per_s: u32) -> bool {
        let one = Duration::from_secs(1) / per_s.max(1);
        let full_at = self.full_at.max(now) + one;
        let may = full_at.since(now) <= one * per_s.max(1);
        if may {
            self.full_at = full_at;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n28_a_budget_is_kept_in_each_window() {
        let mut budget = Budget::default();
        let at = |seconds: u64| Moment::from_micros(seconds * 1_000_000);
        let window = Duration::from_secs(10);
        let given = (0..100).filter(|_| budget.allow(at(20), window, 20)).count();
        assert_eq!(given, 20);
        assert!(!budget.allow(at(29), window, 20));
        assert!(budget.allow(at(30), window, 20));
        assert!(!budget.allow(at(45), window, 0));
    }

    #[test]
    fn r11_a_rate_is_kept_over_any_second() {
        let mut rate = Rate::default();
        let mut taken = Vec::new();
        for ms in 0..10_000_u64 {
            let now = Moment::from_micros(ms * 1000);
            if rate.allow(now, 7) {
                taken.push(now);
            }
        }
        assert!((70..=77).contains(&taken.len()), "{}", taken.len());
        assert_eq!(taken.iter().filter(|at| at.as_micros() < 1000).count(), 1);
        let mut rate = Rate::default();
        let burst = (0..100).filter(|_| rate.allow(Moment::from_micros(5), 7)).count();
        assert_eq!(burst, 7, "a second's worth at once");
    }
}
