//! Idempotent commands: the same id from the same user gets the same reply for ten minutes, and no second effect.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OnceCell;

/// A reply that is there, or will be when its first asker has it.
pub(super) type Reply = Arc<OnceCell<Bytes>>;

type Key = (String, String);

/// The replies given lately, of all users.
#[derive(Debug)]
pub(super) struct Replies {
    inner: Mutex<Inner>,
    at_most: usize,
    last: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    by_key: BTreeMap<Key, Reply>,
    order: VecDeque<(Instant, Key)>,
}

impl Replies {
    pub(super) fn new(at_most: usize, last: Duration) -> Self {
        Self { inner: Mutex::default(), at_most, last }
    }

    /// The place of this command's reply. When there are too many, the oldest goes.
    pub(super) fn of(&self, now: Instant, user: &str, command: &str) -> Reply {
        let key = (user.to_owned(), command.to_owned());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.order.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > self.last) {
            inner.forget_oldest();
        }
        if let Some(reply) = inner.by_key.get(&key) {
            return Arc::clone(reply);
        }
        while inner.order.len() >= self.at_most {
            inner.forget_oldest();
        }
        let reply = Reply::default();
        inner.order.push_back((now, key.clone()));
        inner.by_key.insert(key, Arc::clone(&reply));
        reply
    }
}

impl Inner {
    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.by_key.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_command_of_the_same_user_shares_a_reply() {
        let (replies, now) = (Replies::new(10, Duration::from_secs(600)), Instant::now());
        let first = replies.of(now, "sato", "01JD");
        assert!(Arc::ptr_eq(&first, &replies.of(now, "sato", "01JD")));
        assert!(!Arc::ptr_eq(&first, &replies.of(now, "ito", "01JD")));
    }

    #[test]
    fn a_reply_is_forgotten_after_its_time_and_beyond_the_limit() {
        let (replies, now) = (Replies::new(2, Duration::from_secs(600)), Instant::now());
        let first = replies.of(now, "sato", "1");
        assert!(!Arc::ptr_eq(&first, &replies.of(now + Duration::from_secs(601), "sato", "1")));
        replies.of(now, "sato", "2");
        replies.of(now, "sato", "3");
        assert_eq!(replies.inner.lock().unwrap().by_key.len(), 2);
    }
}
