//! How often somebody may fail to log in: five times a minute per user, thirty per source (N11, N70).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures are forgotten after this.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures per user in the window.
const PER_USER: u32 = 5;
/// Failures per source in the window.
const PER_SOURCE: u32 = 30;
/// The most users and sources remembered, each. Beyond, the oldest is forgotten.
const REMEMBERED: usize = 10_000;

/// Counts of failures. An attempt counts as failed from its beginning until it succeeds, so that many at once do not
/// slip past.
#[derive(Debug, Default)]
pub struct Attempts {
    users: BTreeMap<String, Count>,
    sources: BTreeMap<IpAddr, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Instant,
    failures: u32,
}

impl Attempts {
    /// Begins an attempt.
    ///
    /// # Errors
    /// The time until the next one is allowed.
    pub fn begin(&mut self, now: Instant, user: &str, source: IpAddr) -> Result<(), Duration> {
        let waits = [wait(self.users.get(user), now, PER_USER), wait(self.sources.get(&source), now, PER_SOURCE)];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        add(&mut self.users, user.to_owned(), now);
        add(&mut self.sources, source, now);
        Ok(())
    }

    /// The attempt succeeded and is not counted.
    pub fn succeeded(&mut self, user: &str, source: IpAddr) {
        for count in [self.users.get_mut(user), self.sources.get_mut(&source)].into_iter().flatten() {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

fn wait(count: Option<&Count>, now: Instant, limit: u32) -> Option<Duration> {
    let count = count.filter(|count| count.failures >= limit)?;
    let left = WINDOW.checked_sub(now.saturating_duration_since(count.since))?;
    (!left.is_zero()).then_some(left)
}

fn add<K: Ord + Clone>(counts: &mut BTreeMap<K, Count>, key: K, now: Instant) {
    if counts.len() >= REMEMBERED && !counts.contains_key(&key) {
        counts.retain(|_, count| now.saturating_duration_since(count.since) < WINDOW);
    }
    if counts.len() >= REMEMBERED
        && !counts.contains_key(&key)
        && let Some(oldest) = counts.iter().min_by_key(|(_, count)| count.since).map(|(key, _)| key.clone())
    {
        counts.remove(&oldest);
    }
    let count = counts.entry(key).or_insert(Count { since: now, failures: 0 });
    if now.saturating_duration_since(count.since) >= WINDOW {
        *count = Count { since: now, failures: 0 };
    }
    count.failures += 1;
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn n70_the_sixth_failure_of_a_user_within_a_minute_waits() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        for _ in 0..5 {
            assert_eq!(attempts.begin(start, "sato", HERE), Ok(()));
        }
        assert_eq!(attempts.begin(start, "sato", HERE), Err(WINDOW));
        assert_eq!(attempts.begin(start, "ito", HERE), Ok(()), "others are not held up");
        assert_eq!(attempts.begin(start + WINDOW, "sato", HERE), Ok(()));
    }

    #[test]
    fn n11_the_thirty_first_failure_of_a_source_waits_whatever_the_user() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        for user in 0..30 {
            assert_eq!(attempts.begin(start, &user.to_string(), HERE), Ok(()));
        }
        assert_eq!(attempts.begin(start, "fresh", HERE), Err(WINDOW));
    }

    #[test]
    fn who_succeeds_is_never_limited() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(attempts.begin(start, "sato", HERE), Ok(()));
            attempts.succeeded("sato", HERE);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut attempts, start) = (Attempts::default(), Instant::now());
        for user in 0..REMEMBERED + 50 {
            add(&mut attempts.users, user.to_string(), start);
        }
        assert_eq!(attempts.users.len(), REMEMBERED);
    }
}
