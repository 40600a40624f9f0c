//! An index of slots by a key of 128 bits that lies in the slot itself.
//!
//! It keeps half of the key beside each slot's number, 16 octets instead of 32: a search that meets the half
//! asks the slot for the whole, which is wanted next anyway. So more of the index stays in the cache, and
//! when it grows it moves without looking at a single slot.

use hashbrown::HashTable;

/// Slots `S` by their keys. The keys are random: keyed hashes, or drawn by us.
#[derive(Clone, Debug)]
pub struct Index<S> {
    table: HashTable<(u64, S)>,
}

impl<S> Default for Index<S> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

/// What stands for a key in the index.
const fn half(key: u128) -> u64 {
    key as u64
}

impl<S: Copy + Eq> Index<S> {
    /// The slot that has this key; `key_of` reads the key of a slot.
    pub fn get(&self, key: u128, key_of: impl Fn(S) -> Option<u128>) -> Option<S> {
        let found =
            self.table.find(half(key), |(near, slot)| *near == half(key) && key_of(*slot) == Some(key));
        found.map(|(_, slot)| *slot)
    }

    /// Notes a slot under its key.
    pub fn insert(&mut self, key: u128, slot: S) {
        self.table.insert_unique(half(key), (half(key), slot), |(half, _)| *half);
    }

    /// Forgets a slot that was noted under this key.
    pub fn remove(&mut self, key: u128, slot: S) {
        if let Ok(entry) = self.table.find_entry(half(key), |(_, noted)| *noted == slot) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Keys that share their lower half are told apart, and what is removed is gone alone.
        #[test]
        fn it_finds_what_a_list_finds(
            steps in prop::collection::vec((0..3_u128, 0..3_u128, any::<bool>()), 0..60),
        ) {
            let mut index = Index::default();
            let mut slots: Vec<Option<u128>> = Vec::new();
            for (upper, lower, insert) in steps {
                let key = (upper << 64) | lower;
                let held = slots.iter().position(|held| *held == Some(key));
                match (insert, held) {
                    (true, None) => {
                        index.insert(key, slots.len());
                        slots.push(Some(key));
                    }
                    (false, Some(slot)) => {
                        index.remove(key, slot);
                        slots[slot] = None;
                    }
                    (true, Some(_)) | (false, None) => {}
                }
                for key in (0..3).flat_map(|upper| (0..3).map(move |lower| (upper << 64) | lower)) {
                    let expected = slots.iter().position(|held| *held == Some(key));
                    prop_assert_eq!(index.get(key, |slot| slots[slot]), expected);
                }
            }
        }
    }
}
