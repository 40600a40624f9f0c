//! What agents do to the lot by hand: `call.park`, `call.retrieve`.

use std::sync::Arc;

use super::Engine;
use super::call::Phase;
use super::people::{gone, not_found};
use super::port::{Answer, ErrorCode, Refusal};
use super::tables::CallKey;
use crate::presence::{AgentId, CallId};
use crate::routing::{Action, Decision, MayWait, OfferReason, TraceStep};

impl Engine {
    /// The agent lets the offered caller wait.
    ///
    /// # Errors
    ///
    /// As for `pop.decline`; `pbx_refused` once the phone has answered, `unavailable` when this caller cannot
    /// wait.
    pub(super) fn park_call(&mut self, agent: &AgentId, call: &CallId, rev: u32) -> Result<Answer, Refusal> {
        let talking = self.tables.call_by_id(call).and_then(|key| self.tables.calls.get(key)).is_some_and(
            |entry| matches!(&entry.phase, Phase::Answered(it) if it.agent.as_ref() == Some(agent)),
        );
        if talking {
            return Err(Refusal::of(
                ErrorCode::PbxRefused,
                "通話中の保留転送は電話機で行ってください",
                "A call that was answered is parked on the phone",
            ));
        }
        let key = self.offered_to(agent, call, rev)?;
        if self.may_wait(key) != MayWait::Yes {
            return Err(Refusal::of(
                ErrorCode::Unavailable,
                "この着信はお待たせできません",
                "This caller cannot be kept waiting",
            ));
        }
        self.park_offered(key, agent);
        Ok(Answer::Done { rev: self.tables.calls.get(key).map(|entry| entry.rev) })
    }

    /// The agent takes a waiting caller: the call is offered to them, pop first, as every call.
    ///
    /// # Errors
    ///
    /// `not_found` for those who do not answer for the line, `already_taken` or `gone` when it does not wait
    /// any more, `unavailable` when the agent is not free.
    pub(super) fn retrieve_call(&mut self, agent: &AgentId, call: &CallId) -> Result<Answer, Refusal> {
        let key = self.tables.call_by_id(call).ok_or_else(not_found)?;
        if !self.may_retrieve(agent, key) {
            return Err(not_found());
        }
        if !self.waits(key) {
            return Err(self.not_waiting(agent, key));
        }
        if self.agents.offerable(agent).is_err() {
            return Err(Refusal::of(
                ErrorCode::Unavailable,
                "いまは電話を受けられない状態です",
                "You cannot be offered a call now",
            ));
        }
        if !self.search_goes_on(key) {
            return Err(gone());
        }
        let why = format!("{agent} asked for it");
        let step = TraceStep { rule: "retrieved".into(), matched: true, why: why.into() };
        let action = Action::offer(agent.clone(), OfferReason::Retrieved);
        if let Some(entry) = self.tables.calls.get_mut(key) {
            let extras = Self::extras_of(entry).cloned().unwrap_or_default();
            let decision = Decision { action, rule: "retrieved".into(), trace: vec![step], extras };
            entry.decisions.push(Arc::new(decision));
        }
        self.offer(key, agent.clone(), Vec::new(), OfferReason::Retrieved, "retrieved");
        Ok(Answer::Done { rev: self.rev_of(key, agent) })
    }

    /// Only those who answer for the line, or look after the customer, may know of the call (N61).
    fn may_retrieve(&self, agent: &AgentId, key: CallKey) -> bool {
        let Some(entry) = self.tables.calls.get(key) else { return false };
        if Self::extras_of(entry).is_some_and(|extras| extras.excluded.contains(agent)) {
            return false;
        }
        let group = entry.line.as_ref().and_then(|line| line.group.as_ref());
        let member = group.zip(self.directory.agents.get(agent));
        member.is_some_and(|(group, agent)| agent.groups.contains(group))
            || entry.customer.card().is_some_and(|card| card.assignee.as_ref() == Some(agent))
    }

    fn not_waiting(&self, agent: &AgentId, key: CallKey) -> Refusal {
        match self.tables.calls.get(key).map(|entry| &entry.phase) {
            Some(Phase::Offered(_, offers)) => {
                self.taken_by(agent, key, offers.iter().next().map(|offer| &offer.agent))
            }
            Some(Phase::Answered(conversation)) => self.taken_by(agent, key, conversation.agent.as_ref()),
            Some(Phase::Deciding(_) | Phase::DefaultRouted(_) | Phase::Abandoned(_) | Phase::Over(_))
            | None => gone(),
        }
    }
}
