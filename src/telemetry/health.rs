//! Three-valued health: live, ready, and degraded with reasons.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::metric;

/// The state of health of this node. Cloned freely; all clones are one state.
///
/// A lost database makes a node degraded, not unready: else every node would drop out at once.
#[derive(Clone, Debug, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    ready: bool,
    degraded: BTreeMap<String, (String, Timestamp)>,
}

/// Health at one moment, as the routes answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthSnapshot {
    /// The process answers; stays true while draining.
    pub live: bool,
    /// New calls are welcome; false before the start is complete and while draining.
    pub ready: bool,
    /// Parts that do not work although calls go on, ordered by name.
    pub degraded: Vec<DegradedPart>,
}

/// A part that does not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DegradedPart {
    /// Which part, for example `database`.
    pub part: String,
    /// Why, without personal data.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl Health {
    /// Live, not yet ready, nothing degraded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that a part does not work. True when it did until now: the moment to tell people.
    pub fn degrade(&self, part: &str, reason: impl Into<String>) -> bool {
        self.degrade_at(part, reason.into(), Timestamp::now())
    }

    /// Says that a part works. True when it did not until now.
    pub fn recover(&self, part: &str) -> bool {
        let was_degraded = self.lock().degraded.remove(part).is_some();
        metrics::gauge!(metric::DEGRADED, "part" => part.to_owned()).set(0.0);
        was_degraded
    }

    /// Says whether new calls are welcome.
    pub fn set_ready(&self, ready: bool) {
        self.lock().ready = ready;
    }

    /// Health now.
    pub fn snapshot(&self) -> HealthSnapshot {
        let state = self.lock();
        let degraded = state.degraded.iter().map(|(part, (reason, since))| DegradedPart {
            part: part.clone(),
            reason: reason.clone(),
            since: *since,
        });
        HealthSnapshot { live: true, ready: state.ready, degraded: degraded.collect() }
    }

    fn degrade_at(&self, part: &str, reason: String, at: Timestamp) -> bool {
        metrics::gauge!(metric::DEGRADED, "part" => part.to_owned()).set(1.0);
        let mut state = self.lock();
        if let Some((old_reason, _since)) = state.degraded.get_mut(part) {
            *old_reason = reason;
            return false;
        }
        state.degraded.insert(part.to_owned(), (reason, at));
        true
    }

    /// The state is whole after every statement, so that a panic elsewhere does not make it unusable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("within range")
    }

    #[test]
    fn a_lost_database_degrades_and_leaves_the_node_ready() {
        let health = Health::new();
        assert!(!health.snapshot().ready);
        health.set_ready(true);
        assert!(health.degrade_at("database", "refused".to_owned(), at(10)));
        let snapshot = health.snapshot();
        assert!(snapshot.live && snapshot.ready);
        let part = DegradedPart { part: "database".into(), reason: "refused".into(), since: at(10) };
        assert_eq!(snapshot.degraded, [part]);
    }

    #[test]
    fn only_changes_are_news_and_the_first_moment_is_kept() {
        let health = Health::new();
        assert!(health.degrade_at("database", "refused".to_owned(), at(10)));
        assert!(!health.degrade_at("database", "locked".to_owned(), at(20)));
        let degraded = health.clone().snapshot().degraded;
        assert_eq!((degraded[0].reason.as_str(), degraded[0].since), ("locked", at(10)));
        assert!(health.recover("database"));
        assert!(!health.recover("database"));
        assert!(health.snapshot().degraded.is_empty());
    }
}
