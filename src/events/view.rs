//! What a stream's snapshot shows: the sum of its events so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::callback::callback_value;
use super::wire::{parked_value, pop_value, time_text, to_value};
use super::{Event, EventBody, ParkedInfo, PopDocument};
use crate::callback::{Callback, CallbackId};
use crate::presence::{AgentId, CallId, PresenceDocument};

/// The most cards a stream holds. One agent has one call; the rest is a limit against a fault.
const CARDS: usize = 32;

/// The most waiting callers a stream remembers; the lot is smaller in any sane house.
const PARKED: usize = 1_000;

/// The most waiting callers a snapshot shows: it must fit into one frame.
const PARKED_SHOWN: usize = 50;

/// The most open callbacks a stream remembers, and the most a snapshot shows: the list has them all.
const CALLBACKS: usize = 1_000;
const CALLBACKS_SHOWN: usize = 30;

/// A card that is on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePop {
    /// Its revision.
    pub rev: u32,
    /// Where it stands.
    pub state: PopState,
    /// When it was offered.
    pub at: Timestamp,
    /// After this it must not ring.
    pub expires: Option<Timestamp>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When its wrap-up ends by itself.
    pub wrapup_until: Option<Timestamp>,
    /// The card.
    pub pop: Arc<PopDocument>,
}

/// Where a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PopState {
    /// The call is offered.
    Offered,
    /// This agent reserved it.
    Claimed,
    /// This agent has it.
    Taken,
    /// The call is over, its record is not.
    Wrapup,
}

/// The state behind a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) pops: BTreeMap<CallId, LivePop>,
    pub(super) presences: BTreeMap<AgentId, PresenceDocument>,
    pub(super) degraded: BTreeMap<String, Timestamp>,
    pub(super) parked: BTreeMap<CallId, ParkedInfo>,
    pub(super) callbacks: BTreeMap<CallbackId, Arc<Callback>>,
}

impl View {
    /// Adds an event; `owner` is the agent whose stream it is.
    pub(super) fn apply(&mut self, event: &Event, owner: Option<&AgentId>) {
        match &event.body {
            EventBody::PresenceChanged(document) => {
                self.presences.insert(document.agent.clone(), document.clone());
            }
            EventBody::SystemDegraded { part } => {
                self.degraded.insert(part.clone(), event.at);
            }
            EventBody::SystemRecovered { part } => {
                self.degraded.remove(part);
            }
            EventBody::PopOffered { pop, .. } => self.open(event, pop),
            EventBody::CallParked(parked) => self.park(event, parked),
            EventBody::CallRetrieved { .. } => {
                if let Some(call) = &event.call {
                    self.parked.remove(call);
                }
            }
            EventBody::CallbackCreated(callback) | EventBody::CallbackDue(callback) => {
                let known = self.callbacks.contains_key(&callback.id);
                if known || self.callbacks.len() < CALLBACKS {
                    self.callbacks.insert(callback.id.clone(), Arc::clone(callback));
                }
            }
            EventBody::CallbackDone(callback) | EventBody::CallbackFailed(callback) => {
                self.callbacks.remove(&callback.id);
            }
            EventBody::PopWithdrawn { .. }
            | EventBody::PopMissed
            | EventBody::PopClosed
            | EventBody::WrapupDone => {
                if let Some(call) = &event.call {
                    self.pops.remove(call);
                }
            }
            EventBody::PopEnriched { .. }
            | EventBody::PopUpdated { .. }
            | EventBody::PopClaimed { .. }
            | EventBody::PopTaken { .. }
            | EventBody::CallRinging
            | EventBody::CallAnswered { .. }
            | EventBody::CallEnded { .. }
            | EventBody::CallAbandoned { .. }
            | EventBody::ParkWarning { .. }
            | EventBody::PresenceStale { .. }
            | EventBody::PresenceReturnDue { .. }
            | EventBody::RingSla { .. }
            | EventBody::TransferStarted(_)
            | EventBody::TransferDone(_)
            | EventBody::TransferFailed(_)
            | EventBody::TransferRefused(_)
            | EventBody::AlertRaised(_)
            | EventBody::CallHeld
            | EventBody::CallResumed { .. }
            | EventBody::HoldWarning { .. }
            | EventBody::HoldExceeded { .. }
            | EventBody::MatchChosen { .. }
            | EventBody::NoticeAcked { .. }
            | EventBody::WrapupStarted { .. }
            | EventBody::WrapupOverdue => self.change(event, owner),
        }
    }

    /// `data` of the owner's snapshot.
    pub(super) fn own_snapshot(&self, owner: &AgentId) -> Value {
        let pops: Vec<Value> = self.pops.iter().map(|(call, pop)| pop.document(call)).collect();
        json!({
            "presence": self.presences.get(owner).map(to_value),
            "pops": pops,
            "parked": self.parked_values(),
            "callbacks": self.callback_values(),
            "approvals": [], "notices": [], "handovers": [], "briefing": null,
            "degraded": self.degraded.keys().collect::<Vec<_>>(),
            "config_hash": null,
        })
    }

    /// `data` of a shared stream's snapshot: nothing personal.
    pub(super) fn shared_snapshot(&self) -> Value {
        json!({
            "presences": self.presences.values().map(to_value).collect::<Vec<_>>(),
            "parked": self.parked_values(),
            "callbacks": self.callback_values(),
            "degraded": self.degraded.keys().collect::<Vec<_>>(),
        })
    }

    fn park(&mut self, event: &Event, parked: &ParkedInfo) {
        let Some(call) = event.call.clone() else { return };
        if self.parked.len() < PARKED || self.parked.contains_key(&call) {
            self.parked.insert(call, parked.clone());
        }
    }

    fn parked_values(&self) -> Vec<Value> {
        let of = |(call, parked): (&CallId, &ParkedInfo)| {
            let mut value = parked_value(parked);
            value["call"] = json!(call);
            value
        };
        self.parked.iter().take(PARKED_SHOWN).map(of).collect()
    }

    /// Those that were asked for first.
    fn callback_values(&self) -> Vec<Value> {
        let mut open: Vec<&Arc<Callback>> = self.callbacks.values().collect();
        open.sort_by_key(|callback| callback.requested_at);
        let shown = open.into_iter().take(CALLBACKS_SHOWN);
        shown.map(|callback| callback_value(callback, callback.asked_at)).collect()
    }

    fn open(&mut self, event: &Event, pop: &Arc<PopDocument>) {
        let Some(call) = event.call.clone() else { return };
        if self.pops.len() >= CARDS
            && let Some(oldest) = self.pops.iter().min_by_key(|(_, pop)| pop.at).map(|(call, _)| call.clone())
        {
            self.pops.remove(&oldest);
        }
        let card = LivePop {
            rev: event.rev.unwrap_or(1),
            state: PopState::Offered,
            at: event.at,
            expires: event.expires,
            answered_at: None,
            wrapup_until: None,
            pop: Arc::clone(pop),
        };
        self.pops.insert(call, card);
    }

    fn change(&mut self, event: &Event, owner: Option<&AgentId>) {
        let Some(card) = event.call.as_ref().and_then(|call| self.pops.get_mut(call)) else { return };
        card.rev = card.rev.max(event.rev.unwrap_or(0));
        match &event.body {
            EventBody::PopEnriched { pop, .. } | EventBody::PopUpdated { pop, .. } => {
                card.pop = Arc::clone(pop)
            }
            EventBody::PopClaimed { by } if owner == Some(by) => card.state = PopState::Claimed,
            EventBody::PopTaken { by } if owner == Some(by) => card.take(),
            EventBody::CallAnswered { by } if owner == Some(by) => {
                card.take();
                card.answered_at = Some(event.at);
            }
            EventBody::WrapupStarted { until } => {
                card.state = PopState::Wrapup;
                card.wrapup_until = Some(*until);
            }
            EventBody::NoticeAcked { id, .. } => card.acknowledge(id),
            EventBody::PopClaimed { .. }
            | EventBody::PopTaken { .. }
            | EventBody::CallAnswered { .. }
            | EventBody::CallRinging
            | EventBody::CallEnded { .. }
            | EventBody::CallAbandoned { .. }
            | EventBody::ParkWarning { .. }
            | EventBody::PresenceStale { .. }
            | EventBody::PresenceReturnDue { .. }
            | EventBody::RingSla { .. }
            | EventBody::TransferStarted(_)
            | EventBody::TransferDone(_)
            | EventBody::TransferFailed(_)
            | EventBody::TransferRefused(_)
            | EventBody::AlertRaised(_)
            | EventBody::CallHeld
            | EventBody::CallResumed { .. }
            | EventBody::HoldWarning { .. }
            | EventBody::HoldExceeded { .. }
            | EventBody::MatchChosen { .. }
            | EventBody::PopOffered { .. }
            | EventBody::PopWithdrawn { .. }
            | EventBody::CallParked(_)
            | EventBody::CallRetrieved { .. }
            | EventBody::CallbackCreated(_)
            | EventBody::CallbackDue(_)
            | EventBody::CallbackDone(_)
            | EventBody::CallbackFailed(_)
            | EventBody::PopMissed
            | EventBody::PopClosed
            | EventBody::PresenceChanged(_)
            | EventBody::WrapupDone
            | EventBody::WrapupOverdue
            | EventBody::SystemDegraded { .. }
            | EventBody::SystemRecovered { .. } => {}
        }
    }
}

impl LivePop {
    fn take(&mut self) {
        self.state = PopState::Taken;
        self.expires = None;
    }

    fn acknowledge(&mut self, notice: &str) {
        let mut pop = PopDocument::clone(&self.pop);
        for one in pop.notices.iter_mut().filter(|one| one.id == notice) {
            one.ack = "done".to_owned();
        }
        self.pop = Arc::new(pop);
    }

    fn document(&self, call: &CallId) -> Value {
        json!({
            "call": call, "rev": self.rev, "state": self.state,
            "at": time_text(self.at), "expires": self.expires.map(time_text),
            "answered_at": self.answered_at.map(time_text), "wrapup_until": self.wrapup_until.map(time_text),
            "data": pop_value(&self.pop),
        })
    }
}
