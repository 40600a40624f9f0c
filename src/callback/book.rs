//! The open callbacks, found by what a call brings: its number or its customer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ticket::{Callback, CallbackId, Source};
use crate::presence::CustomerId;

/// All open callbacks; those that are over are the database's. Plain data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Book {
    open: BTreeMap<CallbackId, Callback>,
    by_number: BTreeMap<String, BTreeSet<CallbackId>>,
    by_customer: BTreeMap<CustomerId, BTreeSet<CallbackId>>,
}

/// Why a callback is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many callbacks are open as may be")]
pub struct NotKept;

impl Book {
    /// Takes a callback in, or puts it as it now is in its own place; one that is over is forgotten. Of
    /// `most` open ones no further one is taken.
    ///
    /// # Errors
    /// [`NotKept`].
    pub fn put(&mut self, callback: Callback, most: usize) -> Result<(), NotKept> {
        if !callback.state.is_open() {
            self.forget(&callback.id);
            return Ok(());
        }
        if !self.open.contains_key(&callback.id) && self.open.len() >= most {
            return Err(NotKept);
        }
        self.forget(&callback.id);
        self.by_number.entry(callback.number.clone()).or_default().insert(callback.id.clone());
        if let Some(customer) = &callback.customer {
            self.by_customer.entry(customer.clone()).or_default().insert(callback.id.clone());
        }
        self.open.insert(callback.id.clone(), callback);
        Ok(())
    }

    /// The open callback of this id.
    pub fn get(&self, id: &CallbackId) -> Option<&Callback> {
        self.open.get(id)
    }

    /// The open callback that a further request for this number on this line is: of its own kind, when a
    /// caller gave up; any, when the caller asks for it.
    pub fn same(&self, number: &str, line: Option<&str>, source: Source) -> Option<&Callback> {
        self.of_number(number).find(|callback| {
            callback.line.as_deref() == line
                && (source != Source::Abandoned || callback.source == Source::Abandoned)
        })
    }

    /// What is open with this number or this customer, oldest first.
    pub fn of(&self, number: Option<&str>, customer: Option<&CustomerId>) -> Vec<&Callback> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let ids: BTreeSet<&CallbackId> = number
            .and_then(|number| self.by_number.get(number))
            .into_iter()
            .chain(customer.and_then(|customer| self.by_customer.get(customer)))
            .flatten()
            .collect();
        let mut found: Vec<&Callback> = ids.into_iter().filter_map(|id| self.open.get(id)).collect();
        found.sort_by_key(|callback| callback.requested_at);
        found
    }

    /// All of them, by id.
    pub fn all(&self) -> impl Iterator<Item = &Callback> {
        self.open.values()
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn of_number(&self, number: &str) -> impl Iterator<Item = &Callback> {
        self.by_number.get(number).into_iter().flatten().filter_map(|id| self.open.get(id))
    }

    fn forget(&mut self, id: &CallbackId) {
        let Some(callback) = self.open.remove(id) else { return };
        if let Some(ids) = self.by_number.get_mut(&callback.number) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_number.remove(&callback.number);
            }
        }
        if let Some(customer) = &callback.customer
            && let Some(ids) = self.by_customer.get_mut(customer)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.by_customer.remove(customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::CallbackState;

    fn callback(id: &str, number: &str, line: &str, source: Source) -> Callback {
        Callback {
            source,
            number: number.to_owned(),
            line: Some(line.to_owned()),
            ..Callback::sample(id, None)
        }
    }

    fn ids(found: Vec<&Callback>) -> Vec<&str> {
        found.into_iter().map(|callback| callback.id.as_str()).collect()
    }

    #[test]
    fn a_callback_is_found_by_its_number_and_by_its_customer_until_it_is_over() {
        let mut book = Book::default();
        book.put(callback("cb-1", "+8190", "one", Source::Digit), 10).unwrap();
        book.put(callback("cb-2", "+8170", "one", Source::Digit), 10).unwrap();
        let customer = CustomerId::new("cu-1");
        assert_eq!(ids(book.of(Some("+8190"), None)), ["cb-1"]);
        assert_eq!(ids(book.of(Some("+8190"), Some(&customer))), ["cb-1", "cb-2"], "each once");
        assert!(book.of(Some("+81"), Some(&CustomerId::new("cu-2"))).is_empty());
        let mut done = book.get(&CallbackId::new("cb-1")).unwrap().clone();
        done.state = CallbackState::Done;
        book.put(done, 10).unwrap();
        assert_eq!(ids(book.of(Some("+8190"), Some(&customer))), ["cb-2"]);
        assert_eq!((book.len(), book.by_number.len(), book.by_customer.len()), (1, 1, 1));
    }

    #[test]
    fn a_second_request_is_the_same_callback_and_a_follow_up_only_of_its_own_kind() {
        let mut book = Book::default();
        book.put(callback("cb-1", "+8190", "one", Source::Digit), 10).unwrap();
        let same = |line, source| book.same("+8190", Some(line), source).map(|it| it.id.as_str());
        assert_eq!(same("one", Source::Limit), Some("cb-1"));
        assert_eq!(same("two", Source::Digit), None, "of another client");
        assert_eq!(same("one", Source::Abandoned), None);
    }

    #[test]
    fn no_more_are_kept_than_may_be_and_those_that_are_kept_can_change() {
        let mut book = Book::default();
        book.put(callback("cb-1", "+8190", "one", Source::Digit), 1).unwrap();
        assert_eq!(book.put(callback("cb-2", "+8170", "one", Source::Digit), 1), Err(NotKept));
        let mut changed = callback("cb-1", "+8190", "one", Source::Digit);
        changed.asked = 2;
        assert_eq!(book.put(changed, 1), Ok(()));
        assert_eq!(book.get(&CallbackId::new("cb-1")).map(|it| it.asked), Some(2));
    }
}
