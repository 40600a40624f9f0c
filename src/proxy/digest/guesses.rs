//! RFC 7616 §5.13: passwords cannot be guessed online (N11), and nobody is locked out by another's guesses.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// What the limits are counted over.
const MINUTE: Duration = Duration::from_secs(60);

/// Places for users and for sources: whoever comes shares a place with others, and memory does not grow.
const PLACES: u64 = 1024;

/// Users with a source they have proved themselves from; the one longest unused gives way.
const PROVEN: usize = 1024;

/// How many wrong passwords are looked at in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// For one user, from all sources that never got it right.
    pub per_user: usize,
    /// From one source, for all users.
    pub per_source: usize,
}

/// The wrong passwords of the last minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Guesses {
    users: BTreeMap<u64, Wrong>,
    sources: BTreeMap<u64, Wrong>,
    proven: BTreeMap<String, BTreeMap<IpAddr, Proven>>,
}

/// When the last few wrong ones came, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Wrong(VecDeque<Moment>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Proven {
    last: Moment,
    wrong: Wrong,
}

/// Who tries: the hashes are keyed by a secret, so that nobody can choose whose place they share.
#[derive(Clone, Copy, Debug)]
pub struct Guesser<'a> {
    /// The claimed user.
    pub user: &'a str,
    /// Its hash.
    pub user_hash: u64,
    /// The source, which has proved that it receives at its address.
    pub source: IpAddr,
    /// Its hash.
    pub source_hash: u64,
}

impl Guesses {
    /// Whether a proof is looked at. A user's own source has tries of its own: guesses from elsewhere cost it
    /// nothing.
    pub fn may_try(&self, who: &Guesser<'_>, limits: Tries, now: Moment) -> bool {
        if let Some(proven) = self.proven.get(who.user).and_then(|by| by.get(&who.source)) {
            return proven.wrong.fewer_than(limits.per_user, now);
        }
        let fewer = |places: &BTreeMap<u64, Wrong>, hash: u64, limit: usize| {
            places.get(&(hash % PLACES)).map_or(limit > 0, |wrong| wrong.fewer_than(limit, now))
        };
        fewer(&self.users, who.user_hash, limits.per_user)
            && fewer(&self.sources, who.source_hash, limits.per_source)
    }

    /// It was wrong.
    pub fn failed(&mut self, who: &Guesser<'_>, limits: Tries, now: Moment) {
        if let Some(proven) = self.proven.get_mut(who.user).and_then(|by| by.get_mut(&who.source)) {
            return proven.wrong.note(limits.per_user, now);
        }
        self.users.entry(who.user_hash % PLACES).or_default().note(limits.per_user, now);
        self.sources.entry(who.source_hash % PLACES).or_default().note(limits.per_source, now);
    }

    /// It was right.
    pub fn proved(&mut self, who: &Guesser<'_>, now: Moment) {
        if let Some(proven) = self.proven.get_mut(who.user).and_then(|by| by.get_mut(&who.source)) {
            proven.last = now;
            return;
        }
        if self.proven() >= PROVEN {
            self.forget_oldest();
        }
        let proven = Proven { last: now, wrong: Wrong::default() };
        self.proven.entry(who.user.to_owned()).or_default().insert(who.source, proven);
    }

    /// Whether somebody has proved a password from this address.
    pub fn is_proven(&self, source: IpAddr) -> bool {
        self.proven.values().any(|by| by.contains_key(&source))
    }

    /// How many users with their sources are remembered.
    pub fn proven(&self) -> usize {
        self.proven.values().map(BTreeMap::len).sum()
    }

    fn forget_oldest(&mut self) {
        let all =
            self.proven.iter().flat_map(|(user, by)| by.iter().map(move |(source, it)| (user, source, it)));
        let oldest = all.min_by_key(|(.., it)| it.last).map(|(user, source, _)| (user.clone(), *source));
        let Some((user, source)) = oldest else { return };
        if let Some(by) = self.proven.get_mut(&user) {
            by.remove(&source);
        }
        self.proven.retain(|_, by| !by.is_empty());
    }
}

impl Wrong {
    fn fewer_than(&self, limit: usize, now: Moment) -> bool {
        self.0.iter().filter(|at| now.since(**at) < MINUTE).count() < limit
    }

    fn note(&mut self, limit: usize, now: Moment) {
        while self.0.len() >= limit.max(1) {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Tries = Tries { per_user: 5, per_source: 30 };

    #[test]
    fn n11_five_tries_a_minute_for_a_user_wherever_they_come_from() {
        let mut guesses = Guesses::default();
        let mut looked_at = Vec::new();
        // A thousand a second from as many sources, for three minutes.
        for n in 0..180_000_u64 {
            let now = Moment::from_micros(n * 1_000);
            let who = who("boss", 1, n as u32);
            if guesses.may_try(&who, LIMITS, now) {
                guesses.failed(&who, LIMITS, now);
                looked_at.push(now);
            }
        }
        for first in &looked_at {
            let within = looked_at.iter().filter(|at| **at >= *first && at.since(*first) < MINUTE).count();
            assert!(within <= 5, "{within} in the minute from {first:?}");
        }
        assert_eq!(looked_at.len(), 15);
    }

    #[test]
    fn n11_thirty_tries_a_minute_from_a_source_whoever_is_named() {
        let mut guesses = Guesses::default();
        let now = Moment::from_micros(5);
        let tries = (0..10_000_u64).filter(|n| {
            let name = format!("user{n}");
            let who = Guesser { user: &name, user_hash: *n, source: ip(7), source_hash: 7 };
            let may = guesses.may_try(&who, LIMITS, now);
            if may {
                guesses.failed(&who, LIMITS, now);
            }
            may
        });
        assert_eq!(tries.count(), 30);
    }

    #[test]
    fn n11_whoever_got_it_right_is_not_locked_out() {
        let mut guesses = Guesses::default();
        let at = |seconds: u64| Moment::from_micros(seconds * 1_000_000);
        let own = who("boss", 1, 9);
        guesses.proved(&own, at(0));
        for n in 0..1_000 {
            guesses.failed(&who("boss", 1, n + 10), LIMITS, at(1));
        }
        assert!(!guesses.may_try(&who("boss", 1, 5_000), LIMITS, at(2)));
        assert!(guesses.may_try(&own, LIMITS, at(2)));
        for _ in 0..5 {
            guesses.failed(&own, LIMITS, at(3));
        }
        assert!(!guesses.may_try(&own, LIMITS, at(4)), "but has no more tries than anybody");
        assert!(guesses.may_try(&own, LIMITS, at(64)));
    }

    #[test]
    fn memory_does_not_grow_with_those_who_come() {
        let mut guesses = Guesses::default();
        for n in 0..20_000_u32 {
            let name = format!("user{n}");
            let who = Guesser {
                user: &name,
                user_hash: u64::from(n),
                source: ip(n),
                source_hash: u64::from(n) * 3,
            };
            let now = Moment::from_micros(u64::from(n));
            guesses.failed(&who, LIMITS, now);
            if n < 3_000 {
                guesses.proved(&who, now);
            }
        }
        assert_eq!(guesses.proven(), PROVEN);
        assert!(guesses.is_proven(ip(2_999)) && !guesses.is_proven(ip(0)));
        assert_eq!((guesses.users.len(), guesses.sources.len()), (1024, 1024));
    }

    fn who(user: &str, user_hash: u64, source: u32) -> Guesser<'_> {
        Guesser { user, user_hash, source: ip(source), source_hash: source.into() }
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }
}
