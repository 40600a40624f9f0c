//! A record that several threads write and a test waits on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Entries in the order in which they were seen.
///
/// It grows without a limit; a test is bounded by its own number of calls.
pub struct Log<T> {
    entries: Mutex<Vec<T>>,
    grown: Condvar,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { entries: Mutex::new(Vec::new()), grown: Condvar::new() }
    }
}

impl<T> Log<T> {
    /// Adds an entry and wakes whoever waits.
    pub fn push(&self, entry: T) {
        self.lock().push(entry);
        self.grown.notify_all();
    }

    /// What `look` makes of the entries so far.
    pub fn read<R>(&self, look: impl FnOnce(&[T]) -> R) -> R {
        look(&self.lock())
    }

    /// Waits until `look` finds something, at most `limit`; `None` when the time is over.
    pub fn wait<R>(&self, limit: Duration, mut look: impl FnMut(&[T]) -> Option<R>) -> Option<R> {
        let end = Instant::now() + limit;
        let mut entries = self.lock();
        loop {
            if let Some(found) = look(&entries) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            entries = self.grown.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks `question` again and again until it has an answer, at most `limit`.
///
/// For other programs, which tell nobody when they are ready.
pub fn poll<R>(limit: Duration, mut question: impl FnMut() -> Option<R>) -> Option<R> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = question() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
