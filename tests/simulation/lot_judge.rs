//! What must always hold for those who wait (I8, I9, I26), judged from what is told of them.

use std::collections::{BTreeMap, BTreeSet};

use toritsugi::events::{Audience, Event, EventBody};
use toritsugi::presence::{AgentId, CallId};

/// How long nothing may be noticed: the second of I26.
const SECOND: u64 = 1_000_000;

#[derive(Debug)]
struct Waiting {
    /// In line since then; not while being offered.
    in_line: Option<u64>,
    /// When the time is over.
    until: u64,
    /// The whole group may have it, not only whoever parked it.
    for_group: bool,
}

/// All that is remembered of the lot.
#[derive(Debug, Default)]
pub struct LotJudge {
    waiting: BTreeMap<CallId, Waiting>,
    asked: BTreeMap<CallId, BTreeSet<AgentId>>,
    /// Agents who are there and idle, since when.
    free: BTreeMap<AgentId, u64>,
    /// How long a phone is left alone that refused, which nobody outside sees; `None`: I26 is not judged.
    pub rest: Option<u64>,
    pub faults: Vec<(&'static str, CallId, String)>,
    /// Calls that began to wait in this step: their callers must hear something.
    pub begun: Vec<CallId>,
}

impl LotJudge {
    pub fn on_event(&mut self, now: u64, event: &Event) {
        if let EventBody::PresenceChanged(document) = &event.body {
            let clear = document.overlays.is_empty();
            if document.status == "available" && document.state == "idle" && clear {
                self.free.entry(document.agent.clone()).or_insert(now);
            } else {
                self.free.remove(&document.agent);
            }
        }
        let Some(call) = &event.call else { return };
        match &event.body {
            EventBody::CallParked(parked) => {
                let left = parked.until.duration_since(event.at).as_micros();
                let until = now.saturating_add_signed(i64::try_from(left).unwrap_or(0));
                let waiting = Waiting { in_line: Some(now), until, for_group: parked.position > 0 };
                self.waiting.insert(call.clone(), waiting);
                self.begun.push(call.clone());
            }
            EventBody::CallRetrieved { .. } => {
                if self.waiting.remove(call).is_none() {
                    self.faults.push(("I8", call.clone(), "it ends to wait, and did not wait".to_owned()));
                }
            }
            EventBody::PopOffered { .. } => {
                if let Some(waiting) = self.waiting.get_mut(call) {
                    waiting.in_line = None;
                }
                let agents = event.audience.iter().filter_map(|audience| match audience {
                    Audience::Agent(agent) => Some(agent.clone()),
                    Audience::Team(_) | Audience::Board(_) | Audience::Admin => None,
                });
                self.asked.entry(call.clone()).or_default().extend(agents);
            }
            _ => {}
        }
    }

    /// Looks at everybody who waits: nobody too long, and nobody beside an agent who is free.
    pub fn look(&mut self, now: u64) {
        for (call, waiting) in &self.waiting {
            let Some(since) = waiting.in_line else { continue };
            if now > waiting.until + 5 * SECOND {
                self.faults.push(("I8", call.clone(), "it waits beyond its limit".to_owned()));
            }
            let Some(rest) = self.rest.filter(|_| waiting.for_group) else { continue };
            let asked = self.asked.get(call);
            let free = self.free.iter().find(|(agent, free)| {
                now > since.max(**free) + rest + SECOND && asked.is_none_or(|asked| !asked.contains(agent))
            });
            if let Some((agent, _)) = free {
                self.faults.push(("I26", call.clone(), format!("it waits while {agent} is free")));
            }
        }
    }

    /// Nothing more will happen.
    pub fn run_is_over(&mut self) {
        for call in self.waiting.keys() {
            self.faults.push(("I8", call.clone(), "it waits for ever".to_owned()));
        }
    }
}
