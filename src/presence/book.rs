//! The book of all agents: who may be offered a call, and what each event makes of them.
//!
//! An offer takes a lease on the person. Its token is the offer's id: whoever comes with another one, because
//! the lease ran out or was given back, changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::person::{Lease, Person, State};
use super::{
    Absence, AbsenceReason, AgentId, AgentState, AgentStatus, CallId, OfferId, PresenceDocument, SetBy,
    StoredStatus, WhyNot,
};
use crate::clock::{Moment, Now};
use crate::routing::Directory;

/// Everybody of the directory with status and state: plain data, ordered by id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentBook {
    people: BTreeMap<AgentId, Person>,
    /// What runs out next, kept beside the people so that nobody is searched for it.
    deadlines: BTreeSet<(Moment, AgentId)>,
    require_screen: bool,
    /// Who came to be offerable since [`AgentBook::take_freed`] was last asked.
    #[serde(default)]
    freed: BTreeSet<AgentId>,
}

/// The person cannot be leased now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not free: {0}")]
pub struct NotFree(pub WhyNot);

/// Why a status was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusRefusal {
    /// There is no such agent.
    #[error("there is no such agent")]
    NoSuchAgent,
    /// Somebody of higher priority set the present one.
    #[error("the present status was set by {}, who has priority", .0.as_str())]
    SetByHigher(SetBy),
}

/// How an offer ended without an answer of this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was taken back: nothing of the agent's doing.
    Withdrawn,
    /// The phone rang and nobody answered: the agent is away (`rona`) until they say otherwise.
    NoAnswer,
    /// The phone was busy, refused or could not be reached: it is left alone until then.
    PhoneFailed {
        /// The end of the rest.
        rest_until: Moment,
    },
    /// The agent declined it on the screen.
    Declined,
}

impl AgentBook {
    /// A book without people. With `require_screen` only who has a live screen is offered calls.
    pub fn new(require_screen: bool) -> Self {
        Self { require_screen, ..Self::default() }
    }

    /// Whether a live screen is asked for (`[desk] require_screen`).
    pub fn require_screen(&mut self, require: bool) {
        self.require_screen = require;
    }

    /// Takes over who is in the directory. Somebody new is offline until a status is set or restored;
    /// somebody gone is forgotten as soon as no offer and no call holds them.
    pub fn apply_directory(&mut self, directory: &Directory, now: Now) {
        for agent in directory.agents.keys() {
            match self.people.get_mut(agent) {
                Some(person) => person.leaving = false,
                None => _ = self.people.insert(agent.clone(), Person::new(now.wall, now.moment)),
            }
        }
        let gone: Vec<AgentId> =
            self.people.keys().filter(|agent| !directory.agents.contains_key(*agent)).cloned().collect();
        for agent in gone {
            self.change(&agent, |person| person.leaving = true);
        }
    }

    /// Puts back a status as it was kept, whoever set it. `false` when there is no such agent.
    pub fn restore_status(
        &mut self,
        agent: &AgentId,
        status: AgentStatus,
        set_by: SetBy,
        since: Timestamp,
    ) -> bool {
        self.change(agent, |person| {
            person.status = status;
            person.set_by = set_by;
            person.since = since;
        })
        .is_some()
    }

    /// The status as it is to be kept.
    pub fn stored(&self, agent: &AgentId) -> Option<StoredStatus> {
        let person = self.people.get(agent)?;
        Some(StoredStatus {
            agent: agent.clone(),
            status: person.status.clone(),
            set_by: person.set_by,
            since: person.since,
        })
    }

    /// Sets a status. An offer or a call that holds the agent goes on; the status counts for the next one.
    ///
    /// # Errors
    ///
    /// [`StatusRefusal::SetByHigher`] when the present status has a higher priority than `by`. People may
    /// leave an `Available` that somebody higher set, but not end an absence.
    pub fn set_status(
        &mut self,
        agent: &AgentId,
        status: AgentStatus,
        by: SetBy,
        now: Now,
    ) -> Result<PresenceDocument, StatusRefusal> {
        let present = self.people.get(agent).ok_or(StatusRefusal::NoSuchAgent)?;
        let may_leave = present.status == AgentStatus::Available && by >= SetBy::Manual;
        if by < present.set_by && !may_leave {
            return Err(StatusRefusal::SetByHigher(present.set_by));
        }
        self.change(agent, |person| {
            person.take_status(status, by, now);
            person.document(agent)
        })
        .ok_or(StatusRefusal::NoSuchAgent)
    }

    /// Leases the agent to an offer until `expires`.
    ///
    /// # Errors
    ///
    /// [`NotFree`] when the agent is not [`AgentBook::offerable`]: there is never a second lease on a person.
    pub fn reserve(
        &mut self,
        agent: &AgentId,
        call: &CallId,
        offer: &OfferId,
        expires: Moment,
    ) -> Result<(), NotFree> {
        self.offerable(agent).map_err(NotFree)?;
        let lease = Lease { call: call.clone(), offer: offer.clone(), expires };
        self.change(agent, |person| person.state = State::Reserved(lease)).ok_or(NotFree(WhyNot::NoSuchAgent))
    }

    /// The INVITE to the agent's phone has left. `false`, and no change, when the offer does not hold the
    /// agent.
    pub fn ringing(&mut self, agent: &AgentId, offer: &OfferId) -> bool {
        self.with_lease(agent, offer, |person, lease| person.state = State::Ringing(lease))
    }

    /// The agent answered. `false`, and no change, when the offer does not hold the agent.
    pub fn answered(&mut self, agent: &AgentId, offer: &OfferId) -> bool {
        self.with_lease(agent, offer, |person, lease| {
            person.state = State::OnCall(lease.call, BTreeSet::new());
        })
    }

    /// The offer ended without this agent's answer. `false`, and no change, when it does not hold the agent.
    pub fn release(&mut self, agent: &AgentId, offer: &OfferId, how: Release, now: Now) -> bool {
        self.with_lease(agent, offer, |person, _| {
            person.state = State::Idle;
            match how {
                Release::Withdrawn => {}
                Release::NoAnswer => {
                    if person.status == AgentStatus::Available {
                        let rona = Absence { reason: AbsenceReason::Rona, until: None, next_start: None };
                        person.take_status(AgentStatus::Away(rona), SetBy::Automatic, now);
                    }
                }
                // Who does not take a call goes behind those who wait for one.
                Release::PhoneFailed { rest_until } => {
                    person.rest_until = Some(rest_until);
                    person.idle_since = now.moment;
                }
                Release::Declined => person.idle_since = now.moment,
            }
        })
    }

    /// A call reached the agent otherwise than by an offer of ours. What was being offered to them is
    /// displaced, and its lease is given back so that the offer can be withdrawn.
    pub fn on_call(&mut self, agent: &AgentId, call: &CallId) -> Option<OfferId> {
        self.change(agent, |person| match &mut person.state {
            State::OnCall(first, others) => {
                if first != call {
                    others.insert(call.clone());
                }
                None
            }
            State::Idle | State::Reserved(_) | State::Ringing(_) | State::WrapUp { .. } => {
                let before =
                    std::mem::replace(&mut person.state, State::OnCall(call.clone(), BTreeSet::new()));
                match before {
                    State::Reserved(lease) | State::Ringing(lease) => {
                        Some(lease.offer).filter(|_| lease.call != *call)
                    }
                    State::Idle | State::OnCall(..) | State::WrapUp { .. } => None,
                }
            }
        })
        .flatten()
    }

    /// A call of the agent's ended; `wrap_up` is the end of the time for its record, on both clocks. `false`,
    /// and no change, when the agent is not on that call.
    pub fn call_ended(
        &mut self,
        agent: &AgentId,
        call: &CallId,
        wrap_up: Option<(Moment, Timestamp)>,
        now: Now,
    ) -> bool {
        self.change(agent, |person| {
            let State::OnCall(first, others) = &mut person.state else { return false };
            if first != call {
                return others.remove(call);
            }
            match (others.pop_first(), wrap_up) {
                (Some(next), _) => *first = next,
                (None, Some((ends, until))) => {
                    person.state = State::WrapUp { call: call.clone(), ends, until };
                }
                (None, None) => person.become_idle(now.moment),
            }
            true
        })
        .unwrap_or(false)
    }

    /// The record of that call is finished. `false`, and no change, when the agent is not in its wrap-up.
    pub fn finish_wrap_up(&mut self, agent: &AgentId, call: &CallId, now: Now) -> bool {
        self.change(agent, |person| {
            let is_it = matches!(&person.state, State::WrapUp { call: present, .. } if present == call);
            if is_it {
                person.become_idle(now.moment);
            }
            is_it
        })
        .unwrap_or(false)
    }

    /// Ends the leases, wrap-ups and rests whose time has come. Names, in order of id, those whose *state*
    /// changed: a phone whose rest is over makes no difference to be seen.
    pub fn expire(&mut self, now: Now) -> Vec<AgentId> {
        let mut due = BTreeSet::new();
        while let Some((at, agent)) = self.deadlines.first()
            && *at <= now.moment
        {
            due.insert(agent.clone());
            self.deadlines.pop_first();
        }
        due.retain(|agent| self.change(agent, |person| person.expire(now.moment)).unwrap_or(false));
        due.into_iter().collect()
    }

    /// When [`AgentBook::expire`] has something to do next.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Leaves the phone of the agent alone until then, whoever it refused; `None` ends the rest. The person's
    /// status and place in the line stay.
    pub fn rest_phone(&mut self, agent: &AgentId, until: Option<Moment>) {
        self.change(agent, |person| person.rest_until = until);
    }

    /// A screen of the agent's came alive, or the last one is gone.
    pub fn screens(&mut self, agent: &AgentId, live: bool) {
        self.change(agent, |person| person.live = live);
    }

    /// Whether the agent can be offered a call now.
    ///
    /// # Errors
    ///
    /// The first reason why not: state before status, as a call in progress cannot be argued away.
    pub fn offerable(&self, agent: &AgentId) -> Result<(), WhyNot> {
        self.people.get(agent).ok_or(WhyNot::NoSuchAgent)?.offerable(self.require_screen)
    }

    /// Everybody who can be offered a call, in the order of their ids, with since when they have waited.
    pub fn free(&self) -> impl Iterator<Item = (Moment, &AgentId)> {
        let screen = self.require_screen;
        let free = self.people.iter().filter(move |(_, person)| person.offerable(screen).is_ok());
        free.map(|(agent, person)| (person.idle_since, agent))
    }

    /// Somebody who can be offered a call and could not before, whatever brought them back; each once.
    pub fn take_freed(&mut self) -> Option<AgentId> {
        self.freed.pop_first()
    }

    /// Everybody counts as just come free: something else has changed that decides who gets which call.
    pub fn free_all(&mut self) {
        let free: Vec<AgentId> = self.free().map(|(_, agent)| agent.clone()).collect();
        self.freed.extend(free);
    }

    /// Since when the agent has waited for a call.
    pub fn idle_since(&self, agent: &AgentId) -> Option<Moment> {
        self.people.get(agent).map(|person| person.idle_since)
    }

    /// What the system sees of the agent.
    pub fn state(&self, agent: &AgentId) -> Option<AgentState> {
        self.people.get(agent).map(Person::state)
    }

    /// Why the agent does not answer others: `other_case` while a call or its record holds them, otherwise
    /// what they chose. `None` when they are free, not at work, or unknown.
    pub fn effective_reason(&self, agent: &AgentId) -> Option<AbsenceReason> {
        self.people.get(agent)?.effective_reason()
    }

    /// The absence they are in, when they are away.
    pub fn absence(&self, agent: &AgentId) -> Option<&Absence> {
        match &self.people.get(agent)?.status {
            AgentStatus::Away(absence) => Some(absence),
            AgentStatus::Offline | AgentStatus::Available => None,
        }
    }

    /// The public form of one agent's presence.
    pub fn document(&self, agent: &AgentId, _now: Now) -> Option<PresenceDocument> {
        self.people.get(agent).map(|person| person.document(agent))
    }

    /// Everybody's presence, ordered by id.
    pub fn documents(&self, _now: Now) -> Vec<PresenceDocument> {
        self.people.iter().map(|(agent, person)| person.document(agent)).collect()
    }

    /// Changes one person and keeps the deadlines true; forgets who is leaving and held by nothing.
    fn change<T>(&mut self, agent: &AgentId, make: impl FnOnce(&mut Person) -> T) -> Option<T> {
        let person = self.people.get_mut(agent)?;
        for at in person.deadlines() {
            self.deadlines.remove(&(at, agent.clone()));
        }
        let was_free = person.offerable(self.require_screen).is_ok();
        let made = make(person);
        if !was_free && person.offerable(self.require_screen).is_ok() {
            self.freed.insert(agent.clone());
        }
        if person.leaving && matches!(person.state, State::Idle | State::WrapUp { .. }) {
            self.people.remove(agent);
        } else {
            self.deadlines.extend(person.deadlines().map(|at| (at, agent.clone())));
        }
        Some(made)
    }

    fn with_lease(
        &mut self,
        agent: &AgentId,
        offer: &OfferId,
        make: impl FnOnce(&mut Person, Lease),
    ) -> bool {
        let Some(lease) = self.people.get(agent).and_then(|person| person.lease(offer)).cloned() else {
            return false;
        };
        self.change(agent, |person| make(person, lease)).is_some()
    }
}

impl Person {
    /// A status that stays the same keeps its beginning.
    fn take_status(&mut self, status: AgentStatus, by: SetBy, now: Now) {
        if self.status != status {
            self.since = now.wall;
            if status == AgentStatus::Available {
                self.idle_since = now.moment;
            }
        }
        self.status = status;
        self.set_by = by;
    }

    fn become_idle(&mut self, at: Moment) {
        self.state = State::Idle;
        self.idle_since = at;
    }

    /// Whether the state changed.
    fn expire(&mut self, at: Moment) -> bool {
        self.rest_until = self.rest_until.filter(|until| *until > at);
        match &self.state {
            State::Reserved(lease) | State::Ringing(lease) if lease.expires <= at => {
                self.state = State::Idle;
                true
            }
            State::WrapUp { ends, .. } if *ends <= at => {
                self.become_idle(at);
                true
            }
            State::Idle
            | State::Reserved(_)
            | State::Ringing(_)
            | State::OnCall(..)
            | State::WrapUp { .. } => false,
        }
    }
}
