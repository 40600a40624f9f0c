//! The timers of every machine (RFC 3261 §17) in one queue.
//!
//! Most timers are cancelled and never fire. So cancelling only empties a slab entry; what is left of it is
//! thrown away when its turn comes, or all at once when more than half of all there is are such remains.
//!
//! Most timers are also far away, half a minute often. They lie unsorted in a shelf for each eighth of a
//! second, until nothing nearer is left; only then they are sorted, and those that were cancelled meanwhile
//! never are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};
use slab::Slab;

use crate::clock::Moment;

/// Remains or empty places that are not worth the trouble.
const SWEEP_ABOVE: usize = 64;

/// What lies in one shelf, in microseconds: so little that what is being sorted stays small, and yet not more
/// than some hundred shelves for half a minute.
const SHELF: u64 = 125_000;

/// Names one timer. An id whose timer fired or was cancelled never names another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimerId {
    index: u32,
    sequence: u64,
}

/// Timers in time order; equal moments in order of insertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TimerQueue<T> {
    entries: Slab<Entry<T>>,
    /// All that is due before `sorted_until`; its top is a running timer whenever one runs.
    heap: BinaryHeap<Reverse<Due>>,
    sorted_until: Moment,
    /// All that is due later, by the number of the shelf.
    shelves: BTreeMap<u64, Vec<Due>>,
    /// How many lie in shelves, remains included.
    shelved: usize,
    next_sequence: u64,
    /// How many entries were emptied since the slab was last asked to give memory back.
    emptied: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<T> {
    sequence: u64,
    value: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Due {
    at: Moment,
    /// Breaks ties, and tells a running timer from the remains of another one at the same index.
    sequence: u64,
    index: u32,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> TimerQueue<T> {
    /// No timers.
    pub const fn new() -> Self {
        Self {
            entries: Slab::new(),
            heap: BinaryHeap::new(),
            sorted_until: Moment::ZERO,
            shelves: BTreeMap::new(),
            shelved: 0,
            next_sequence: 0,
            emptied: 0,
        }
    }

    /// Runs a timer until `at`. Constant time on average for timers that are later than most.
    pub fn insert(&mut self, at: Moment, value: T) -> TimerId {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let index = u32::try_from(self.entries.insert(Entry { sequence, value }))
            .expect("four thousand million timers do not fit into memory");
        let due = Due { at, sequence, index };
        if at < self.sorted_until {
            self.heap.push(Reverse(due));
        } else {
            self.shelves.entry(at.as_micros() / SHELF).or_default().push(due);
            self.shelved += 1;
            self.drop_remains_at_the_top();
        }
        TimerId { index, sequence }
    }

    /// Stops a timer and gives back what it carried; `None` when it fired or was cancelled before. Constant
    /// time on average.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let value = self.take(id.index, id.sequence)?;
        self.sweep();
        self.drop_remains_at_the_top();
        Some(value)
    }

    /// The earliest timer that is due at `now`, with the moment it was set to. Never early.
    #[expect(clippy::unwrap_in_result, reason = "the broken promise would be ours, not the caller's")]
    pub fn pop_due(&mut self, now: Moment) -> Option<(Moment, T)> {
        let due = self.heap.peek().map(|Reverse(due)| *due).filter(|due| due.at <= now)?;
        self.heap.pop();
        let value =
            self.take(due.index, due.sequence).expect("the top of the heap is always a running timer");
        self.drop_remains_at_the_top();
        Some((due.at, value))
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// How many timers run.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn take(&mut self, index: u32, sequence: u64) -> Option<T> {
        if !runs(&self.entries, index, sequence) {
            return None;
        }
        let entry = self.entries.remove(index as usize);
        self.emptied += 1;
        // A vain attempt costs nothing, and one that gives memory back was paid for by the timers before it.
        let spacious = self.entries.capacity() / 4 > self.entries.len().max(SWEEP_ABOVE);
        if spacious && self.emptied >= self.entries.len() {
            self.entries.shrink_to_fit();
            self.emptied = 0;
        }
        Some(entry.value)
    }

    /// Keeps the promise on which `next` and `pop_due` rest.
    fn drop_remains_at_the_top(&mut self) {
        loop {
            while let Some(Reverse(due)) = self.heap.peek() {
                if runs(&self.entries, due.index, due.sequence) {
                    return;
                }
                self.heap.pop();
            }
            let Some((number, shelf)) = self.shelves.pop_first() else { return };
            self.shelved -= shelf.len();
            self.sorted_until = Moment::from_micros((number + 1).saturating_mul(SHELF));
            let entries = &self.entries;
            let running = shelf.into_iter().filter(|due| runs(entries, due.index, due.sequence));
            self.heap.extend(running.map(Reverse));
        }
    }

    /// Throws all remains away when they are the larger part, and gives memory back. It pays for itself
    /// with the cancels before it.
    fn sweep(&mut self) {
        let remains = self.heap.len() + self.shelved - self.entries.len();
        if remains <= SWEEP_ABOVE || remains <= self.entries.len() {
            return;
        }
        let entries = &self.entries;
        self.heap.retain(|Reverse(due)| runs(entries, due.index, due.sequence));
        if self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to(self.heap.len() * 2);
        }
        self.shelved = 0;
        self.shelves.retain(|_, shelf| {
            shelf.retain(|due| runs(entries, due.index, due.sequence));
            if shelf.len() < shelf.capacity() / 4 {
                shelf.shrink_to(shelf.len() * 2);
            }
            self.shelved += shelf.len();
            !shelf.is_empty()
        });
    }
}

fn runs<T>(entries: &Slab<Entry<T>>, index: u32, sequence: u64) -> bool {
    entries.get(index as usize).is_some_and(|entry| entry.sequence == sequence)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    #[test]
    fn timers_come_out_in_time_order_and_equal_ones_in_order_of_insertion() {
        let mut queue = TimerQueue::new();
        for (micros, name) in [(30, "c"), (10, "a"), (30, "d"), (20, "b")] {
            queue.insert(at(micros), name);
        }
        let out: Vec<_> = std::iter::from_fn(|| queue.pop_due(at(100))).collect();
        assert_eq!(out, [(at(10), "a"), (at(20), "b"), (at(30), "c"), (at(30), "d")]);
        assert_eq!((queue.len(), queue.next()), (0, None));
    }

    #[test]
    fn a_timer_is_never_early() {
        let mut queue = TimerQueue::new();
        queue.insert(at(10), ());
        assert_eq!(queue.pop_due(at(9)), None);
        assert_eq!(queue.pop_due(at(10)), Some((at(10), ())));
    }

    #[test]
    fn an_old_id_does_not_cancel_the_timer_that_took_its_place() {
        let mut queue = TimerQueue::new();
        let old = queue.insert(at(10), "old");
        assert_eq!(queue.cancel(old), Some("old"));
        let new = queue.insert(at(10), "new");
        assert_eq!(old.index, new.index, "the place is used again");
        assert_eq!(queue.cancel(old), None);
        assert_eq!(queue.pop_due(at(10)), Some((at(10), "new")));
        assert_eq!(queue.cancel(new), None);
    }

    #[test]
    fn a_flood_of_cancelled_timers_leaves_no_memory_behind() {
        let mut queue = TimerQueue::new();
        let kept = queue.insert(at(5), 0);
        let ids: Vec<_> = (0..100_000).map(|n| queue.insert(at(1_000_000 + n), n)).collect();
        for id in ids {
            assert!(queue.cancel(id).is_some());
        }
        assert_eq!(queue.len(), 1);
        let shelved: usize = queue.shelves.values().map(Vec::capacity).sum();
        assert!(queue.heap.capacity() + shelved < 1_000, "{} {shelved}", queue.heap.capacity());
        assert!(queue.entries.capacity() < 1_000, "{}", queue.entries.capacity());
        assert_eq!(queue.cancel(kept), Some(0));
    }

    #[test]
    fn steady_setting_and_cancelling_keeps_the_heap_small() {
        let mut queue = TimerQueue::new();
        for n in 0..100_000_u64 {
            let id = queue.insert(at(n) + Duration::from_secs(32), n);
            queue.cancel(id);
        }
        let shelved: usize = queue.shelves.values().map(Vec::len).sum();
        assert_eq!(shelved, queue.shelved);
        assert!(queue.heap.len() + shelved <= SWEEP_ABOVE + 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Cancel(prop::sample::Index),
        Advance(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..2_000_u64).prop_map(Step::Insert),
            3 => any::<prop::sample::Index>().prop_map(Step::Cancel),
            1 => (0..300_u64).prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..600)
    }

    proptest! {
        #[test]
        fn it_behaves_as_an_ordered_map(steps in steps()) {
            let mut queue = TimerQueue::new();
            let mut model = BTreeMap::new();
            let mut ids = Vec::new();
            let mut now = 0;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert(after) => {
                        // Some of them seconds away.
                        let after = if after % 3 == 0 { after * 4_000 } else { after };
                        let id = queue.insert(at(now + after), number);
                        model.insert((at(now + after), id.sequence), number);
                        ids.push((at(now + after), id));
                    }
                    Step::Cancel(which) if !ids.is_empty() => {
                        let (moment, id) = ids[which.index(ids.len())];
                        prop_assert_eq!(queue.cancel(id), model.remove(&(moment, id.sequence)));
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => {
                        now += if by % 7 == 0 { by * 20_000 } else { by };
                        while let Some((moment, value)) = queue.pop_due(at(now)) {
                            let expected = model.pop_first().map(|((at, _), value)| (at, value));
                            prop_assert_eq!(Some((moment, value)), expected);
                        }
                        let next = model.keys().next();
                        prop_assert!(next.is_none_or(|(moment, _)| *moment > at(now)));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.next(), model.keys().next().map(|(moment, _)| *moment));
            }
        }
    }
}
