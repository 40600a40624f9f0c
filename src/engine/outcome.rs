//! What responses, timers and the caller mean for a call and its agent.

use std::time::Duration;

use super::branches::COMPLETED_ELSEWHERE;
use super::call::{Conversation, Offer, Phase, Progress};
use super::context::{Aim, Purpose};
use super::input::Output;
use super::tables::{BranchRef, CallKey, ContextKey};
use super::timers::Alarm;
use super::{Engine, Samples};
use crate::events::{EndReason, EventBody, ParkEnd, WithdrawCause};
use crate::message::{Message, Method};
use crate::presence::{AgentId, AgentState, CallId, OfferId};

impl Engine {
    /// A branch rings (101–199).
    pub(super) fn on_branch_provisional(&mut self, branch: BranchRef, status: u16) {
        let Some((call, offer)) = self.current_offer_of(branch) else { return };
        if status == 180
            && let Some(offer) = self.tables.calls.get(call).and_then(|entry| entry.phase.offer(&offer))
        {
            let agent = offer.agent.clone();
            self.tell_all(call, Some(&agent), EventBody::CallRinging);
        }
    }

    /// A branch answered 2xx: for an INVITE that began a call, the call is answered; BYE ends it.
    pub(super) fn on_context_answered(&mut self, branch: BranchRef, status: u16, tag: &[u8]) {
        let Some(context) = self.tables.contexts.get(branch.context) else { return };
        match context.purpose {
            Purpose::Call(call) => self.on_call_answered(call, branch, status, tag),
            Purpose::InDialog(Some(call)) => self.on_inside_answered(call, branch),
            Purpose::InDialog(None)
            | Purpose::Relay
            | Purpose::Leg(_)
            | Purpose::Own(..)
            | Purpose::Carried(..)
            | Purpose::Parting => {}
        }
    }

    /// A request within a proxied dialog was granted: BYE ends it, REFER may pass the caller on.
    fn on_inside_answered(&mut self, call: CallKey, branch: BranchRef) {
        let Some(context) = self.tables.contexts.get(branch.context) else { return };
        let request = std::sync::Arc::clone(&context.request);
        match request.method() {
            Method::Bye => self.on_bye_through(call, &request),
            Method::Refer => self.refer_accepted(call, branch),
            Method::Invite
            | Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Update
            | Method::Info
            | Method::Prack
            | Method::Register
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Message
            | Method::Other => {}
        }
    }

    /// A dialog of the call is over. While somebody passes the caller on, the call is not.
    fn on_bye_through(&mut self, call: CallKey, request: &Message) {
        if self.sender_hung_up(call, [request.from_tag(), request.to_tag()]) {
            return;
        }
        if self.ends_conversation(call, request) {
            self.end_call(call, EndReason::Completed);
        }
    }

    pub(super) fn on_call_answered(&mut self, call: CallKey, branch: BranchRef, status: u16, tag: &[u8]) {
        let Some(aim) = self.branch(branch).map(|entry| entry.aim.clone()) else { return };
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if matches!(entry.phase, Phase::Answered(_) | Phase::Over(_)) {
            return;
        }
        entry.status = Some(status);
        let abandoned = matches!(entry.phase, Phase::Abandoned(_));
        let answering = match &aim {
            Aim::Agent(id) => entry.phase.offer(id).cloned(),
            Aim::DefaultRoute | Aim::Dialog => None,
        };
        // Those who were rung at the same time lose, and the present offer when an earlier branch answered
        // after its CANCEL was on its way.
        let winner = answering.as_ref().map(|offer| &offer.id);
        self.end_offers(call, winner, WithdrawCause::AnsweredElsewhere);
        let late = match &aim {
            Aim::Agent(id) if answering.is_none() => self.agent_of_offer(call, id),
            Aim::Agent(_) | Aim::DefaultRoute | Aim::Dialog => None,
        };
        let agent = answering.as_ref().map(|offer| offer.agent.clone()).or(late);
        let agent = agent.or_else(|| self.receiver_of(call));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let pop = answering.as_ref().and_then(|offer| offer.pop.clone());
        entry.phase = Phase::Answered(Conversation {
            tag: tag.to_vec(),
            agent: agent.clone(),
            pop,
            abandoned,
            answered: self.now.moment,
            answered_at: self.now.wall,
        });
        let (id, waited) = (entry.id.clone(), self.now.moment.since(entry.began));
        // Who cancelled sends BYE at once (RFC 3261 §15); nobody is held by one who does not.
        let after = if abandoned { self.settings.timers.give_up() } else { self.settings.call_limit };
        let limit = self.timers.insert(self.now.moment + after, Alarm::CallLimit(call));
        if let Some(replaced) = entry.timers.limit.replace(limit) {
            self.timers.cancel(replaced);
        }
        let sla = entry.timers.sla.take();
        if let Some(handle) = sla {
            self.timers.cancel(handle);
        }
        self.note_answer(call);
        if self.tables.calls.get(call).is_some_and(|entry| entry.passed.is_none()) {
            self.counters.answered += 1;
        }
        self.show_receiver(call);
        let end = if abandoned { ParkEnd::GaveUp } else { ParkEnd::Retrieved };
        self.leave_lot(call, end, agent.as_ref());
        if let Some(offer) = answering {
            self.offer_taken(call, &offer, &id, waited);
        } else if let Some(agent) = &agent {
            self.interrupt(agent, &id);
        }
        if let Some(agent) = agent {
            self.presence_changed(&agent);
            if !abandoned {
                self.tell_all(call, Some(&agent), EventBody::CallAnswered { by: agent.clone() });
            }
        }
        self.passed_on(call);
    }

    /// The offer was answered by the agent's phone.
    fn offer_taken(&mut self, call: CallKey, offer: &Offer, id: &CallId, waited: Duration) {
        if let Some(handle) = offer.timer {
            self.timers.cancel(handle);
        }
        self.tables.call_by_offer.remove(&offer.id);
        self.counters.accepted += 1;
        Samples::note(&mut self.samples.answer, waited);
        // The lease is a net and not the truth: whoever talks is on call, also when it is gone.
        if !self.agents.answered(&offer.agent, &offer.id) {
            self.interrupt(&offer.agent, id);
        }
        if !offer.taken_by_key {
            let rev = self.next_rev(call);
            let taken = EventBody::PopTaken { by: offer.agent.clone() };
            self.tell_agent_rev(call, &offer.agent, rev, None, taken);
        }
    }

    /// The agent has a call that was not being offered to them any more: their wrap-up is over, and what was
    /// being offered to them goes on to somebody else.
    fn interrupt(&mut self, agent: &AgentId, call: &CallId) {
        let displaced = self.agents.on_call(agent, call);
        self.wrap_up_done(agent);
        let Some(offer) = displaced else { return };
        let Some(other) = self.tables.call_by_offer.get(&offer).copied() else { return };
        self.take_back(other, &offer, WithdrawCause::Rerouted, None, COMPLETED_ELSEWHERE);
        self.decide_next(other);
    }

    /// A branch failed. An agent's refusal sends the call on; a BYE that found nobody ends the call as well.
    pub(super) fn on_branch_failed(&mut self, branch: BranchRef, status: u16) {
        let Some(context) = self.tables.contexts.get(branch.context) else { return };
        match context.purpose {
            Purpose::Call(call) | Purpose::Leg(call) => {
                let Some((call, offer)) = self.current_offer_of(branch) else {
                    return self.release_held(call);
                };
                tracing::debug!(sip.status = status, "an agent's phone refused");
                let answered = self.failure_of(branch).is_some();
                self.phone_failed(call, &offer, status, answered);
            }
            // A challenge or a refusal in passing leaves the dialog as it is (RFC 3261 §15.1.1: 481 and 408
            // end it).
            Purpose::InDialog(Some(call)) => {
                let request = std::sync::Arc::clone(&context.request);
                match (request.method(), status) {
                    (Method::Bye, status) if !matches!(status, 401 | 407 | 491) => {
                        self.on_bye_through(call, &request);
                    }
                    (Method::Refer, status) => self.refer_failed(call, status),
                    (_, _) => {}
                }
            }
            Purpose::Own(call, side) => {
                let response = self.failure_of(branch);
                self.on_own_failed(call, side, status, response.as_deref());
            }
            Purpose::Carried(call, side) => {
                let response = self.failure_of(branch);
                self.on_carried_failed(call, side, branch.context, status, response.as_deref());
            }
            Purpose::InDialog(None) | Purpose::Relay | Purpose::Parting => {}
        }
    }

    /// The response with which a branch failed.
    fn failure_of(&self, branch: BranchRef) -> Option<std::sync::Arc<Message>> {
        self.branch(branch)?.state.failure()?.response.clone()
    }

    /// The caller cancelled. The record waits until no phone can answer any more: an answer may have crossed
    /// the CANCEL (D10).
    pub(super) fn on_context_cancelled(&mut self, context: ContextKey) {
        let Some(Purpose::Call(call)) = self.tables.contexts.get(context).map(|entry| entry.purpose) else {
            return;
        };
        if self.asks_receiver(call, context) {
            return self.transfer_failed(call, "cancelled");
        }
        self.end_offers(call, None, WithdrawCause::CallerGaveUp);
        self.leave_lot(call, ParkEnd::GaveUp, None);
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if matches!(entry.phase, Phase::Answered(_) | Phase::Over(_) | Phase::Abandoned(_)) {
            return;
        }
        entry.phase = Phase::Abandoned(context);
        entry.status = Some(487);
        let timers = std::mem::take(&mut entry.timers);
        let waited_s = self.now.moment.since(entry.began).as_secs();
        for handle in timers.running() {
            self.timers.cancel(handle);
        }
        if !self.says_goodbye(call) {
            self.tell_all(call, None, EventBody::CallAbandoned { waited_s });
        }
    }

    /// A final refusal went to the caller.
    pub(super) fn on_context_refused(&mut self, context: ContextKey, status: u16) {
        let Some(Purpose::Call(call)) = self.tables.contexts.get(context).map(|entry| entry.purpose) else {
            return;
        };
        if self.asks_receiver(call, context) {
            return self.transfer_failed(call, &status.to_string());
        }
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if matches!(entry.phase, Phase::Answered(_) | Phase::Over(_)) {
            return;
        }
        entry.status = Some(status);
        let gave_up = matches!(entry.phase, Phase::Abandoned(_));
        self.finish_call(call, if gave_up { EndReason::Abandoned } else { EndReason::Rejected });
    }

    /// Whether the call will still ask somebody, so that no final answer may go to the caller yet.
    pub(super) fn more_to_try(&self, context: ContextKey) -> bool {
        let Some(Purpose::Call(call)) = self.tables.contexts.get(context).map(|entry| entry.purpose) else {
            return false;
        };
        self.tables.calls.get(call).is_some_and(|entry| {
            matches!(entry.phase, Phase::Deciding(_))
                || entry.phase.offers().any(|offer| matches!(offer.progress, Progress::Announcing))
        })
    }

    /// Whether the request is the BYE of the call's conversation, and not of a second answer that the caller
    /// ends at once (RFC 3261 §13.2.2.4).
    fn ends_conversation(&self, call: CallKey, request: &Message) -> bool {
        let Some(Phase::Answered(conversation)) = self.tables.calls.get(call).map(|entry| &entry.phase)
        else {
            return false;
        };
        let tag = Some(conversation.tag.as_slice());
        request.method() == Method::Bye && (request.to_tag() == tag || request.from_tag() == tag)
    }

    /// The BYE is through: record, wrap-up.
    pub(super) fn end_call(&mut self, call: CallKey, reason: EndReason) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let Phase::Answered(conversation) = entry.phase.clone() else { return };
        if conversation.abandoned {
            return self.end_abandoned(call, conversation.agent.as_ref());
        }
        let talk_s = self.now.moment.since(conversation.answered).as_secs();
        let word = match reason {
            EndReason::Completed => "completed",
            EndReason::Lost => "lost",
            EndReason::Abandoned => "abandoned",
            EndReason::Rejected => "rejected",
            EndReason::Failed => "failed",
            EndReason::Callback => "callback",
        };
        let agent = conversation.agent.clone();
        self.tell_all(call, agent.as_ref(), EventBody::CallEnded { reason: word.to_owned(), talk_s });
        if let Some(agent) = agent {
            self.wrap_up_after(call, &agent, &conversation);
        }
        self.finish_call(call, reason);
    }

    /// The agent has had this conversation: time for its record.
    pub(super) fn wrap_up_after(&mut self, call: CallKey, agent: &AgentId, conversation: &Conversation) {
        let Some(id) = self.tables.calls.get(call).map(|entry| entry.id.clone()) else { return };
        let wrap_up = self.settings.wrap_up;
        let until = self.now.moment + wrap_up;
        let until_wall = self.now.wall_at(until);
        let wraps = !wrap_up.is_zero();
        let time = wraps.then_some((until + super::WRAP_UP_MARGIN, until_wall));
        self.agents.call_ended(agent, &id, time, self.now);
        // Who has another call, or has left the directory, has no time for a record.
        if matches!(self.agents.state(agent), Some(AgentState::WrapUp(..))) {
            self.tell_agent(call, agent, None, EventBody::WrapupStarted { until: until_wall });
            self.timers.insert(until, Alarm::WrapUpEnd(agent.clone(), id.clone()));
            self.wrapping.insert(agent.clone(), call_card(conversation, call, id));
        } else {
            self.tell_agent(call, agent, None, EventBody::PopClosed);
        }
        self.presence_changed(agent);
        self.watch_presence();
    }

    /// The end of a call whose caller had cancelled before the answer came: nobody has talked, so there is
    /// nothing to write up, and its end was told at the CANCEL.
    fn end_abandoned(&mut self, call: CallKey, agent: Option<&AgentId>) {
        let Some(id) = self.tables.calls.get(call).map(|entry| entry.id.clone()) else { return };
        if let Some(agent) = agent {
            self.agents.call_ended(agent, &id, None, self.now);
            self.presence_changed(agent);
        }
        self.finish_call(call, EndReason::Abandoned);
    }

    /// No BYE was ever seen.
    pub(super) fn call_limit(&mut self, call: CallKey) {
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.timers.limit = None;
        }
        self.end_call(call, EndReason::Lost);
    }

    /// Nobody has answered for the whole ring limit (M090).
    pub(super) fn ring_sla(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        entry.timers.sla = None;
        if entry.sla_told || matches!(entry.phase, Phase::Abandoned(_) | Phase::Answered(_) | Phase::Over(_))
        {
            return;
        }
        entry.sla_told = true;
        let waited = self.now.moment.since(entry.began);
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let agents: Vec<AgentId> = entry.phase.offers().map(|offer| offer.agent.clone()).collect();
        self.counters.ring_sla += 1;
        self.tell_all(call, &agents, EventBody::RingSla { waited_ms });
    }

    /// Writes the record; the call itself is dropped when its last transaction is.
    pub(super) fn finish_call(&mut self, call: CallKey, reason: EndReason) {
        self.leave_lot(call, ParkEnd::Failed, None);
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let reason = Self::end_of(entry, reason);
        let timers = std::mem::take(&mut entry.timers);
        for handle in timers.running() {
            self.timers.cancel(handle);
        }
        match reason {
            EndReason::Completed => self.counters.completed += 1,
            EndReason::Abandoned => self.counters.abandoned += 1,
            EndReason::Rejected => self.counters.rejected += 1,
            EndReason::Lost => self.counters.lost += 1,
            EndReason::Failed => self.counters.failed += 1,
            EndReason::Callback => self.counters.called_back += 1,
        }
        let record = std::sync::Arc::new(super::records::record_of(entry, Some((reason, self.now))));
        entry.phase = Phase::Over(reason);
        self.drop_transfer(call);
        let Some(entry) = self.tables.calls.get(call) else { return };
        if self.ended.len() >= super::ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(std::sync::Arc::clone(&record));
        tracing::info!(call.id = %entry.id, reason = ?reason, "call ends");
        self.outputs.push_back(Output::Record(record));
        self.hang_up(call);
        self.forget_call_when_done(call);
    }

    /// Drops a call that is over and has no context any more.
    pub(super) fn forget_call_when_done(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        if !matches!(entry.phase, Phase::Over(_)) {
            return;
        }
        if self.wrapping_of(call).is_some() {
            return;
        }
        self.tables.remove_call(call);
    }

    /// Who still finishes the record of a call, with their card: somebody it was offered to.
    pub(super) fn wrapping_of(&self, call: CallKey) -> Option<(&AgentId, &super::people::Wrapping)> {
        let offers = &self.tables.calls.get(call)?.offers;
        let cards = offers.iter().filter_map(|(_, agent)| self.wrapping.get_key_value(agent));
        cards.into_iter().find(|(_, card)| card.call == call)
    }

    /// The call whose offer that still stands this branch serves, with the offer's id.
    fn current_offer_of(&self, branch: BranchRef) -> Option<(CallKey, OfferId)> {
        let context = self.tables.contexts.get(branch.context)?;
        let call = context.purpose.asks_for()?;
        let Aim::Agent(id) = &context.branches.get(branch.index)?.aim else { return None };
        self.tables.calls.get(call)?.phase.offer(id).map(|offer| (call, offer.id.clone()))
    }

    /// Who was asked under an offer that has already ended.
    fn agent_of_offer(&self, call: CallKey, id: &OfferId) -> Option<crate::presence::AgentId> {
        let offers = &self.tables.calls.get(call)?.offers;
        offers.iter().find(|(offer, _)| offer == id).map(|(_, agent)| agent.clone())
    }
}

/// What wrap-up keeps of a call.
fn call_card(
    conversation: &Conversation,
    call: CallKey,
    id: crate::presence::CallId,
) -> super::people::Wrapping {
    super::people::Wrapping { call, id, pop: conversation.pop.clone(), overdue: false }
}
