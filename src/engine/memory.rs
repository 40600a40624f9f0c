//! What the engine remembers of callers and agents between calls, for the rules: bounded, and plain data.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use crate::presence::AgentId;
use crate::routing::{Directory, Load};

/// How long a call is remembered: the longest window a rule may ask for.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(168);

/// Calls of one caller that are remembered.
const CALLS: usize = 64;

/// Entries of the line of callers for each caller that may be remembered: who calls often has several.
const ENTRIES_PER_CALLER: usize = 4;

/// Who called when, who talked with them last, and how much each agent has had.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// There are many, and each call asks for one several times.
    #[serde(serialize_with = "in_order")]
    callers: HashMap<Arc<str>, Caller>,
    /// Every call in its order, so that the longest silent caller gives way.
    line: VecDeque<(Timestamp, Arc<str>)>,
    loads: BTreeMap<AgentId, Load>,
    offers: u64,
    /// The day the answered calls are counted for.
    day: Option<Date>,
}

/// What is remembered of one caller.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Caller {
    calls: Vec<Timestamp>,
    last_agent: Option<AgentId>,
}

impl Memory {
    /// Somebody calls. At most `limit` callers are remembered.
    pub fn called(&mut self, e164: &str, at: Timestamp, limit: usize) {
        let known = self.callers.get_key_value(e164).map(|(key, _)| Arc::clone(key));
        let key = known.unwrap_or_else(|| Arc::from(e164));
        let caller = self.callers.entry(Arc::clone(&key)).or_default();
        if caller.calls.len() >= CALLS {
            caller.calls.remove(0);
        }
        caller.calls.push(at);
        self.line.push_back((at, key));
        self.forget(at, limit);
    }

    /// The caller talked with this agent.
    pub fn talked(&mut self, e164: &str, agent: &AgentId) {
        if let Some(caller) = self.callers.get_mut(e164) {
            caller.last_agent = Some(agent.clone());
        }
    }

    /// When the caller called, oldest first.
    pub fn calls_of(&self, e164: &str) -> &[Timestamp] {
        self.callers.get(e164).map_or(&[], |caller| &caller.calls)
    }

    /// Who talked with the caller last.
    pub fn last_agent(&self, e164: &str) -> Option<&AgentId> {
        self.callers.get(e164)?.last_agent.as_ref()
    }

    /// How many callers are remembered.
    pub fn callers(&self) -> usize {
        self.callers.len()
    }

    /// The agent was offered a call.
    pub fn offered(&mut self, agent: &AgentId) {
        self.offers += 1;
        let offers = self.offers;
        self.change_load(agent, |load| load.offered = offers);
    }

    /// The agent answered a call on this day; a new day begins with nothing.
    pub fn answered(&mut self, agent: &AgentId, day: Date) {
        if self.day != Some(day) {
            self.day = Some(day);
            self.loads.values_mut().for_each(|load| load.answered = 0);
        }
        self.change_load(agent, |load| load.answered += 1);
    }

    /// How much each agent has had.
    pub const fn loads(&self) -> &BTreeMap<AgentId, Load> {
        &self.loads
    }

    /// Agents who are in the directory no more are forgotten.
    pub fn keep_agents(&mut self, directory: &Directory) {
        self.loads.retain(|agent, _| directory.agents.contains_key(agent));
    }

    /// Calls from before the start, as they were recorded; in any order.
    pub fn remember(
        &mut self,
        calls: Vec<(String, Timestamp, Option<AgentId>)>,
        now: Timestamp,
        limit: usize,
    ) {
        let since = std::mem::take(self);
        let mut all = calls;
        for (at, key) in &since.line {
            all.push((key.to_string(), *at, None));
        }
        all.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        // What both know is one call.
        all.dedup_by(|one, other| one.1 == other.1 && one.0 == other.0);
        for (e164, at, agent) in all {
            self.called(&e164, at, limit);
            if let Some(agent) = agent {
                self.talked(&e164, &agent);
            }
        }
        for (e164, caller) in since.callers {
            if let Some(agent) = caller.last_agent {
                self.talked(&e164, &agent);
            }
        }
        (self.loads, self.offers, self.day) = (since.loads, since.offers, since.day);
        self.forget(now, limit);
    }

    fn change_load(&mut self, agent: &AgentId, change: impl FnOnce(&mut Load)) {
        match self.loads.get_mut(agent) {
            Some(load) => change(load),
            None => change(self.loads.entry(agent.clone()).or_default()),
        }
    }

    fn forget(&mut self, now: Timestamp, limit: usize) {
        while let Some((at, key)) = self.line.front() {
            let old = now.duration_since(*at) > KEPT_FOR;
            let full =
                self.callers.len() > limit || self.line.len() > limit.saturating_mul(ENTRIES_PER_CALLER);
            if !old && !full {
                return;
            }
            // Whoever called again since is remembered by that call.
            if self.callers.get(key).is_some_and(|caller| caller.calls.last() == Some(at)) {
                self.callers.remove(key);
            }
            self.line.pop_front();
        }
    }
}

/// A hash table has no order of its own that may be seen.
fn in_order<S: Serializer>(callers: &HashMap<Arc<str>, Caller>, serializer: S) -> Result<S::Ok, S::Error> {
    callers.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn m076_calls_are_remembered_for_a_week_and_the_last_64() {
        let mut memory = Memory::default();
        for index in 0..70 {
            memory.called("+81312345678", at(index), 10);
        }
        assert_eq!(memory.calls_of("+81312345678").len(), 64);
        assert_eq!(memory.calls_of("+81312345678")[0], at(6));
        memory.called("+81399999999", at(8 * 24 * 3600), 10);
        assert_eq!((memory.callers(), memory.calls_of("+81312345678").len()), (1, 0));
    }

    #[test]
    fn of_too_many_callers_the_longest_silent_gives_way() {
        let mut memory = Memory::default();
        for (index, caller) in ["a", "b", "a", "c", "d"].iter().enumerate() {
            memory.called(caller, at(i64::try_from(index).unwrap()), 3);
        }
        assert_eq!(memory.calls_of("b"), []);
        assert_eq!(memory.calls_of("a"), [at(0), at(2)]);
        for index in 0..1_000 {
            memory.called("e", at(10 + index), 3);
        }
        assert!(memory.line.len() <= 12 && memory.callers() == 1, "{}", memory.line.len());
    }

    #[test]
    fn a_new_day_begins_with_no_answered_calls_and_offers_go_on_counting() {
        let (mut memory, one, two) = (Memory::default(), AgentId::new("a1"), AgentId::new("a2"));
        let day = jiff::civil::date(2026, 11, 24);
        memory.offered(&one);
        memory.answered(&one, day);
        memory.answered(&one, day);
        memory.offered(&two);
        memory.answered(&two, day.tomorrow().unwrap());
        assert_eq!(memory.loads()[&one], Load { offered: 1, answered: 0 });
        assert_eq!(memory.loads()[&two], Load { offered: 2, answered: 1 });
    }

    #[test]
    fn what_was_recorded_joins_what_has_happened_since() {
        let mut memory = Memory::default();
        memory.called("a", at(100), 10);
        memory.called("b", at(101), 10);
        memory.talked("b", &AgentId::new("a2"));
        let recorded = vec![
            ("a".to_owned(), at(50), Some(AgentId::new("a1"))),
            ("a".to_owned(), at(100), None),
            ("b".to_owned(), at(20), Some(AgentId::new("a1"))),
        ];
        memory.remember(recorded, at(102), 10);
        assert_eq!(memory.calls_of("a"), [at(50), at(100)]);
        assert_eq!(memory.last_agent("a"), Some(&AgentId::new("a1")));
        assert_eq!(memory.last_agent("b"), Some(&AgentId::new("a2")));
    }
}
