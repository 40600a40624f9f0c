//! What is known of the health of next hops: plain data with hysteresis (F7).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tables::ClientKey;
use super::timers::TimerHandle;
use crate::clock::Moment;
use crate::presence::AgentId;
use crate::proxy::Target;

/// So many failures in a row mark a target down.
const FAILURES: u8 = 2;

/// So many successes in a row bring it back.
const SUCCESSES: u8 = 2;

/// So many when it keeps falling. Probes of a target that is down come at half the interval of `[sip]
/// probe_interval_s`, so that even this is done within ten seconds by default.
const SUCCESSES_WHEN_FLAPPING: u8 = 4;

/// A target that falls again so soon after it came back is flapping.
const FLAPPING: Duration = Duration::from_secs(60);

/// Without probes a target that is down gets another chance after this.
const SECOND_CHANCE: Duration = Duration::from_secs(30);

/// The longest rest that a Retry-After may ask for.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How many targets are remembered; the one that was healthy longest gives way.
const KEPT: usize = 64;

/// The health of every target that was probed or has failed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct HopBook {
    targets: Vec<HopHealth>,
    /// The next round of probes.
    pub tick: Option<TimerHandle>,
    /// Rounds so far.
    pub rounds: u64,
    /// Agents whose phones said nothing, and where they are.
    #[serde(default)]
    pub phones: BTreeMap<AgentId, Target>,
    /// The next time they are asked.
    #[serde(default)]
    pub phones_tick: Option<TimerHandle>,
}

/// The health of one target.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct HopHealth {
    target: Target,
    failures: u8,
    successes: u8,
    down_since: Option<Moment>,
    needed: u8,
    back_since: Option<Moment>,
    rest_until: Option<Moment>,
    last_heard: Option<Moment>,
    probe: Option<ClientKey>,
}

impl HopBook {
    /// Whether anything is remembered at all.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// How many targets are known, and how many of them are down.
    pub fn counts(&self) -> (usize, usize) {
        let down = self.targets.iter().filter(|health| health.down_since.is_some()).count();
        (self.targets.len(), down)
    }

    /// Whether calls should go there before they go to others. Without `probed` a target that is down gets
    /// another chance after a while.
    pub fn usable(&self, target: Target, now: Moment, probed: bool) -> bool {
        self.find(target).is_none_or(|health| {
            let rests = health.rest_until.is_some_and(|until| now < until);
            let down = health.down_since.is_some_and(|since| probed || now.since(since) < SECOND_CHANCE);
            !rests && !down
        })
    }

    /// Whether it is marked down.
    pub fn is_down(&self, target: Target) -> bool {
        self.find(target).is_some_and(|health| health.down_since.is_some())
    }

    /// Something came from there.
    pub fn heard(&mut self, target: Target, now: Moment) {
        if let Some(health) = self.find_mut(target) {
            health.last_heard = Some(now);
        }
    }

    /// Whether anything came from there since then.
    pub fn heard_since(&self, target: Target, since: Moment) -> bool {
        self.find(target).and_then(|health| health.last_heard).is_some_and(|heard| heard >= since)
    }

    /// It answered. Returns whether it has just come back.
    pub fn succeeded(&mut self, target: Target, now: Moment) -> bool {
        let Some(health) = self.find_mut(target) else { return false };
        health.last_heard = Some(now);
        health.failures = 0;
        health.rest_until = None;
        if health.down_since.is_none() {
            return false;
        }
        health.successes = health.successes.saturating_add(1);
        if health.successes < health.needed {
            return false;
        }
        health.down_since = None;
        health.back_since = Some(now);
        true
    }

    /// It failed. Returns whether that has just marked it down.
    pub fn failed(&mut self, target: Target, now: Moment) -> bool {
        let health = self.remember(target);
        health.failures = health.failures.saturating_add(1);
        health.successes = 0;
        if health.down_since.is_some() || health.failures < FAILURES {
            return false;
        }
        let flapping = health.back_since.is_some_and(|back| now.since(back) < FLAPPING);
        health.needed = if flapping { SUCCESSES_WHEN_FLAPPING } else { SUCCESSES };
        health.down_since = Some(now);
        true
    }

    /// It asked to be left alone for a while; no longer than a bound.
    pub fn rest(&mut self, target: Target, now: Moment, asked: Duration) {
        self.remember(target).rest_until = Some(now + asked.min(LONGEST_REST));
    }

    /// A probe is on its way; `false` when one already is.
    pub fn probe_starts(&mut self, target: Target) -> bool {
        self.remember(target).probe.is_none()
    }

    /// The transaction of the probe.
    pub fn probe_is(&mut self, target: Target, client: ClientKey) {
        self.remember(target).probe = Some(client);
    }

    /// Whose probe this transaction was; it is one no more.
    pub fn probe_ends(&mut self, client: ClientKey) -> Option<Target> {
        let health = self.targets.iter_mut().find(|health| health.probe == Some(client))?;
        health.probe = None;
        Some(health.target)
    }

    /// Forgets all health, after the routes were read again.
    pub fn forget(&mut self) {
        self.targets.clear();
    }

    fn find(&self, target: Target) -> Option<&HopHealth> {
        self.targets.iter().find(|health| health.target == target)
    }

    fn find_mut(&mut self, target: Target) -> Option<&mut HopHealth> {
        self.targets.iter_mut().find(|health| health.target == target)
    }

    fn remember(&mut self, target: Target) -> &mut HopHealth {
        let known = self.targets.iter().position(|health| health.target == target);
        let place = known.unwrap_or_else(|| {
            if self.targets.len() >= KEPT {
                let oldest = self.targets.iter().enumerate().min_by_key(|(_, health)| {
                    (health.down_since.is_some() || health.probe.is_some(), health.last_heard)
                });
                let place = oldest.map_or(0, |(place, _)| place);
                self.targets.swap_remove(place);
            }
            self.targets.push(HopHealth {
                target,
                failures: 0,
                successes: 0,
                down_since: None,
                needed: SUCCESSES,
                back_since: None,
                rest_until: None,
                last_heard: None,
                probe: None,
            });
            self.targets.len() - 1
        });
        &mut self.targets[place]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Protocol;

    const A: Target = Target {
        protocol: Protocol::Udp,
        remote: std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5080),
    };

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn f7_two_failures_in_a_row_mark_a_target_down_and_one_does_not() {
        let mut book = HopBook::default();
        assert!(!book.failed(A, at(1)) && book.usable(A, at(1), true));
        book.succeeded(A, at(2));
        assert!(!book.failed(A, at(3)) && book.usable(A, at(3), true), "not in a row");
        assert!(book.failed(A, at(4)) && !book.usable(A, at(4), true));
        assert_eq!(book.counts(), (1, 1));
    }

    #[test]
    fn f7_two_successes_bring_it_back_and_a_flapping_one_needs_four() {
        let mut book = HopBook::default();
        book.failed(A, at(1));
        book.failed(A, at(2));
        assert!(!book.succeeded(A, at(3)) && book.succeeded(A, at(4)));
        book.failed(A, at(5));
        book.failed(A, at(6));
        let back: Vec<bool> = (7..=10).map(|second| book.succeeded(A, at(second))).collect();
        assert_eq!(back, [false, false, false, true]);
    }

    #[test]
    fn f7_a_retry_after_is_respected_up_to_a_minute() {
        let mut book = HopBook::default();
        book.rest(A, at(0), Duration::from_secs(7));
        assert!(!book.usable(A, at(6), true) && book.usable(A, at(7), true));
        book.rest(A, at(10), Duration::from_secs(86_400));
        assert!(!book.usable(A, at(69), true) && book.usable(A, at(70), true));
    }

    #[test]
    fn f7_without_probes_a_target_gets_another_chance_after_thirty_seconds() {
        let mut book = HopBook::default();
        book.failed(A, at(0));
        book.failed(A, at(0));
        assert!(!book.usable(A, at(29), false) && book.usable(A, at(30), false));
        assert!(!book.usable(A, at(30), true), "with probes it comes back by them");
    }

    #[test]
    fn only_so_many_targets_are_remembered() {
        let mut book = HopBook::default();
        for port in 0..1000 {
            let mut target = A;
            target.remote.set_port(port);
            book.failed(target, at(1));
        }
        assert_eq!(book.counts().0, KEPT);
    }
}
