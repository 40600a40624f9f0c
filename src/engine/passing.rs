//! Calls that are passed on (M095): what is kept of it, and what its outcome means for the call, for who
//! passes it on and for who gets it. A call keeps its id, whatever dialogs carry it.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::call::{Call, Conversation, Phase};
use super::tables::{CallKey, ContextKey};
use super::timers::{Alarm, TimerHandle};
use crate::clock::{Moment, Now};
use crate::events::{
    Audience, EndReason, EventBody, ParkEnd, PopDocument, TransferInfo, TransferNews, WithdrawCause,
};
use crate::presence::AgentId;
use crate::routing::OfferReason;

/// How a call was passed on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Passed {
    /// How often the caller got another handler.
    pub count: u32,
    /// Everybody who has had the call, in order.
    pub handled_by: Vec<AgentId>,
    /// How many more a supervisor has allowed.
    pub granted: u32,
    /// What the sender wrote for the receiver.
    pub note: Option<String>,
    /// Who passed the call on last.
    pub via: Option<AgentId>,
    /// The transfer that has no outcome yet.
    pub under_way: Option<Box<Transfer>>,
    /// When the call was first answered.
    pub first: Option<(Moment, Timestamp)>,
    /// When the last who had it hung up, and nobody else has it.
    pub left_at: Option<(Moment, Timestamp)>,
    /// Our side of the dialog now: its Call-ID, where that is not the first one's.
    pub call_id: Option<Vec<u8>>,
    /// The handler is the calling side of the dialog, since they took the call over.
    pub agent_calls: bool,
}

/// A transfer without an outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// Who passes the call on, when an agent does.
    pub by: Option<AgentId>,
    /// Who is to get it, when it is an agent of ours.
    pub to: Option<AgentId>,
    /// The user or number that was named.
    pub target: String,
    /// In which way.
    pub mode: Mode,
    /// Who carries it out.
    pub means: Means,
    /// The dialog in whose place the receiver gets the call (RFC 3891).
    pub replaces: Option<Named>,
    /// Who accepted the REFER.
    pub executor: Option<IpAddr>,
    /// Whoever carries it out says that it is done (RFC 3515 §2.4.5).
    pub confirmed: bool,
    /// Its failure has been told.
    pub told: bool,
    /// The sender has hung up.
    pub left: bool,
    /// The sender's conversation, while the call's phase is the receiver's.
    pub from: Option<Conversation>,
    /// The receiver is whom the routing finds.
    pub searches: bool,
    /// The dialog with the receiver: Call-ID, hash of its calling tag, and whether the receiver calls.
    pub dialog: Option<(Vec<u8>, u64, bool)>,
    /// Header lines that our INVITE to the receiver carries.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The number of the REFER that we answered, whose sender is told the outcome.
    pub refer: Option<u32>,
    /// Ends the wait for an outcome.
    pub timer: Option<TimerHandle>,
}

/// In which way a call is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Unannounced.
    Blind,
    /// Sender and receiver have talked.
    Attended,
    /// The receiver's phone takes the place of the sender's.
    Takeover,
}

impl Mode {
    const fn code(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::Attended => "attended",
            Self::Takeover => "takeover",
        }
    }
}

/// Who carries a transfer out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Means {
    /// The phone and its PBX, by REFER or Replaces.
    Phone,
    /// We, by an INVITE of our own.
    Server,
}

impl Means {
    /// The word on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Server => "server",
        }
    }
}

/// A dialog as `Replaces` names it (RFC 3891 §6.1): the tags are those of who gets the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its Call-ID.
    pub call_id: Vec<u8>,
    /// The tag of who gets the INVITE with Replaces.
    pub to_tag: Vec<u8>,
    /// The other tag.
    pub from_tag: Vec<u8>,
}

impl Transfer {
    /// One that has just begun.
    pub const fn new(by: Option<AgentId>, to: Option<AgentId>, target: String, means: Means) -> Self {
        Self {
            by,
            to,
            target,
            mode: Mode::Blind,
            means,
            replaces: None,
            executor: None,
            confirmed: false,
            told: false,
            left: false,
            from: None,
            searches: false,
            dialog: None,
            headers: Vec::new(),
            refer: None,
            timer: None,
        }
    }
}

impl Call {
    /// The transfer that has no outcome yet.
    pub fn transfer(&self) -> Option<&Transfer> {
        self.passed.as_ref()?.under_way.as_deref()
    }

    /// The same, to be changed.
    pub fn transfer_mut(&mut self) -> Option<&mut Transfer> {
        self.passed.as_mut()?.under_way.as_deref_mut()
    }

    /// The sender's conversation, while the receiver is being asked.
    pub fn sender(&self) -> Option<&Conversation> {
        self.transfer()?.from.as_ref()
    }

    /// The conversation as people see it: also while somebody else is being asked to take it over.
    pub fn conversation(&self) -> Option<&Conversation> {
        match &self.phase {
            Phase::Answered(conversation) => Some(conversation),
            Phase::Deciding(_)
            | Phase::Offered(..)
            | Phase::DefaultRouted(_)
            | Phase::Abandoned(_)
            | Phase::Over(_) => self.sender(),
        }
    }

    /// How often the caller got another handler.
    pub fn transfer_count(&self) -> u32 {
        self.passed.as_ref().map_or(0, |passed| passed.count)
    }
}

impl Engine {
    /// What the card says about transfers: to the receiver as it will be when they have the call.
    pub(super) fn transfer_info(&self, call: &Call, agent: &AgentId) -> TransferInfo {
        let passed = call.passed.as_deref();
        let receives = call.transfer().is_some_and(|it| it.from.is_some() && it.by.as_ref() != Some(agent));
        let note = passed.filter(|it| it.via.as_ref() != Some(agent)).and_then(|it| it.note.clone());
        TransferInfo {
            count: call.transfer_count() + u32::from(receives),
            limit: self.transfer_limit(call),
            note,
        }
    }

    /// How often this call may be passed on.
    pub(super) fn transfer_limit(&self, call: &Call) -> u32 {
        self.settings.transfer.limit + call.passed.as_ref().map_or(0, |passed| passed.granted)
    }

    /// Whether the call may be passed on now. One that is under way counts. The limit is for callers of the
    /// house's lines: whatever else goes through here, an emergency call above all, is not ours to hinder.
    pub(super) fn may_pass_on(&self, call: CallKey) -> bool {
        self.tables.calls.get(call).is_some_and(|entry| {
            let begun = u32::from(entry.transfer().is_some());
            let free = entry.line.is_none() || entry.emergency;
            entry.sender().is_none() && (free || entry.transfer_count() + begun < self.transfer_limit(entry))
        })
    }

    /// Somebody passes the call on; from here on an outcome is awaited.
    pub(super) fn begin_transfer(&mut self, call: CallKey, mut transfer: Transfer) {
        if self.tables.calls.get(call).is_some_and(|entry| entry.transfer().is_some()) {
            self.transfer_failed(call, "superseded");
        }
        let until = self.now.moment + self.settings.transfer.within;
        transfer.timer = Some(self.timers.insert(until, Alarm::Transfer(call)));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Phase::Answered(conversation) = &entry.phase else { return };
        let (first, agent) = ((conversation.answered, conversation.answered_at), conversation.agent.clone());
        let passed = entry.passed.get_or_insert_default();
        passed.first.get_or_insert(first);
        if passed.handled_by.is_empty() {
            passed.handled_by.extend(agent);
        }
        passed.via = transfer.by.clone();
        passed.under_way = Some(Box::new(transfer));
        self.tables.passing.insert(call);
        self.counters.transfers_begun += 1;
        let Some(transfer) = self.tables.calls.get(call).and_then(Call::transfer) else { return };
        let news = self.news(call, transfer);
        self.push_transfer(call, news, EventBody::TransferStarted);
    }

    /// The receiver is being asked in this context; the sender's conversation stands until they answer.
    pub(super) fn swap_in(&mut self, call: CallKey, context: ContextKey) {
        self.note_hold(call, Some(false));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Phase::Answered(conversation) = entry.phase.clone() else { return };
        let sender = conversation.agent.clone();
        let Some(transfer) = entry.transfer_mut() else { return };
        transfer.from = Some(conversation);
        let timer = transfer.timer.take();
        entry.tried = sender.into_iter().collect();
        entry.phase = Phase::Deciding(context);
        if let Some(handle) = timer {
            self.timers.cancel(handle);
        }
    }

    /// Who gets the call that is being passed on, when that is known beforehand.
    pub(super) fn receiver_of(&self, call: CallKey) -> Option<AgentId> {
        let transfer = self.tables.calls.get(call)?.transfer()?;
        transfer.to.clone().filter(|_| transfer.from.is_some())
    }

    /// Somebody has answered who was not offered the call by us, since their phone was to ring in any case:
    /// the card comes with the answer.
    pub(super) fn show_receiver(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let Phase::Answered(conversation) = &entry.phase else { return };
        let (Some(agent), None) = (conversation.agent.clone(), &conversation.pop) else { return };
        let Some(from) = entry.sender() else { return };
        if from.agent.as_ref() == Some(&agent) {
            let pop = from.pop.clone();
            return self.put_pop(call, pop);
        }
        if entry.offers.iter().rev().any(|(_, to)| *to == agent) {
            return;
        }
        let offer = super::ids::offer_id(self.random_bits());
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.offers.push((offer.clone(), agent.clone()));
        }
        if !self.listening {
            return;
        }
        let pop = self.pop_for(call, &agent, OfferReason::Transferred, "transfer", 0);
        let pop = std::sync::Arc::new(pop);
        self.put_pop(call, Some(std::sync::Arc::clone(&pop)));
        let rev = self.next_rev(call);
        let body = EventBody::PopOffered { offer, announce: false, pop };
        self.tell_agent_rev(call, &agent, rev, None, body);
        let rev = self.next_rev(call);
        self.tell_agent_rev(call, &agent, rev, None, EventBody::PopTaken { by: agent.clone() });
    }

    fn put_pop(&mut self, call: CallKey, pop: Option<std::sync::Arc<PopDocument>>) {
        if let Some(Phase::Answered(conversation)) =
            self.tables.calls.get_mut(call).map(|entry| &mut entry.phase)
        {
            conversation.pop = pop;
        }
    }

    /// Somebody has answered a call that had been answered before.
    pub(super) fn passed_on(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Phase::Answered(conversation) = &mut entry.phase else { return };
        let Some(passed) = entry.passed.as_deref_mut() else { return };
        let Some(first) = passed.first else { return };
        // The call was answered when it was first answered.
        (conversation.answered, conversation.answered_at) = first;
        let transfer = passed.under_way.take();
        let from = transfer.as_ref().and_then(|it| it.from.clone());
        if let Some((call_id, caller_tag, agent_calls)) = transfer.as_ref().and_then(|it| it.dialog.clone()) {
            entry.caller_tag = caller_tag;
            (passed.call_id, passed.agent_calls) = (Some(call_id), agent_calls);
        }
        let last = passed.handled_by.last();
        let same = last.is_some() && last == conversation.agent.as_ref();
        if !same {
            passed.count += 1;
            passed.handled_by.extend(conversation.agent.clone());
        }
        passed.left_at = None;
        let agent = conversation.agent.clone();
        self.tables.passing.remove(&call);
        let Some(transfer) = transfer else { return };
        if let Some(handle) = transfer.timer {
            self.timers.cancel(handle);
        }
        if same {
            self.counters.transfers_failed += 1;
        } else {
            self.counters.transfers_done += 1;
        }
        if let Some(from) = from.filter(|_| !same && !transfer.left) {
            self.release_sender(call, &from);
        }
        let mut news = self.news(call, &transfer);
        news.to = agent;
        news.cause = same.then(|| "came_back".to_owned());
        let body = if same { EventBody::TransferFailed } else { EventBody::TransferDone };
        self.push_transfer(call, news, body);
    }

    /// The sender has nothing to do with the call any more, beside writing it up.
    pub(super) fn release_sender(&mut self, call: CallKey, from: &Conversation) {
        if let Some(agent) = from.agent.clone() {
            self.wrap_up_after(call, &agent, from);
        }
    }

    /// The transfer came to nothing: the call is the sender's again. When they have hung up meanwhile, an
    /// anchored caller is taken to somebody else, and any other may still be brought back by the PBX.
    pub(super) fn transfer_failed(&mut self, call: CallKey, cause: &str) {
        if self.tables.calls.get(call).is_none_or(|entry| entry.transfer().is_none()) {
            return;
        }
        self.end_offers(call, None, WithdrawCause::Rerouted);
        self.leave_lot(call, ParkEnd::Failed, None);
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(passed) = entry.passed.as_deref_mut() else { return };
        let Some(mut transfer) = passed.under_way.take() else { return };
        if let Some(handle) = transfer.timer.take() {
            self.timers.cancel(handle);
        }
        let from = transfer.from.take();
        if let Some(from) = &from {
            entry.phase = Phase::Answered(from.clone());
            if entry.timers.limit.is_none() {
                let until = self.now.moment + self.settings.call_limit;
                entry.timers.limit = Some(self.timers.insert(until, Alarm::CallLimit(call)));
            }
        }
        self.tables.passing.remove(&call);
        if !std::mem::replace(&mut transfer.told, true) {
            self.counters.transfers_failed += 1;
            let mut news = self.news(call, &transfer);
            news.cause = Some(cause.to_owned());
            self.push_transfer(call, news, EventBody::TransferFailed);
        }
        match (self.anchor(call).is_some(), transfer.left) {
            (true, true) => self.find_somebody_else(call),
            (true, false) => {
                self.cancel_leg(call, super::legs::NO_LONGER);
                self.notify_sender(call, transfer.refer, 480);
            }
            (false, true) => self.await_return(call, *transfer),
            (false, false) => {}
        }
    }

    /// Nobody has the call: the PBX may still bring it back.
    fn await_return(&mut self, call: CallKey, mut transfer: Transfer) {
        let until = self.now.moment + self.settings.transfer.comes_back;
        transfer.timer = Some(self.timers.insert(until, Alarm::Transfer(call)));
        let Some(passed) = self.tables.calls.get_mut(call).and_then(|it| it.passed.as_deref_mut()) else {
            return;
        };
        passed.under_way = Some(Box::new(transfer));
        self.tables.passing.insert(call);
    }

    /// A transfer has been without an outcome for long enough.
    pub(super) fn transfer_due(&mut self, call: CallKey) {
        let Some(transfer) = self.tables.calls.get_mut(call).and_then(|entry| entry.transfer_mut()) else {
            return;
        };
        transfer.timer = None;
        let (left, confirmed) = (transfer.left, transfer.confirmed);
        if confirmed {
            self.passed_elsewhere(call);
        } else if left {
            // Told now; nobody brings it back any more.
            self.give_transfer_up(call);
        } else {
            self.transfer_failed(call, "timeout");
        }
        if left {
            self.finish_call(call, EndReason::Completed);
        }
    }

    fn give_transfer_up(&mut self, call: CallKey) {
        self.tables.passing.remove(&call);
        let Some(passed) = self.tables.calls.get_mut(call).and_then(|it| it.passed.as_deref_mut()) else {
            return;
        };
        let Some(transfer) = passed.under_way.take().filter(|transfer| !transfer.told) else { return };
        self.counters.transfers_failed += 1;
        let mut news = self.news(call, &transfer);
        news.cause = Some("timeout".to_owned());
        self.push_transfer(call, news, EventBody::TransferFailed);
    }

    /// Whoever carried the transfer out says that the receiver has the call, on a way that we do not see.
    fn passed_elsewhere(&mut self, call: CallKey) {
        self.tables.passing.remove(&call);
        let Some(passed) = self.tables.calls.get_mut(call).and_then(|it| it.passed.as_deref_mut()) else {
            return;
        };
        let Some(transfer) = passed.under_way.take() else { return };
        passed.count += 1;
        passed.handled_by.extend(transfer.to.clone());
        self.counters.transfers_done += 1;
        let news = self.news(call, &transfer);
        self.push_transfer(call, news, EventBody::TransferDone);
    }

    /// The sender's dialog is over, and the receiver's is not there yet. `true`: the BYE was theirs.
    pub(super) fn sender_hung_up(&mut self, call: CallKey, tags: [Option<&[u8]>; 2]) -> bool {
        let now = self.now;
        let Some(entry) = self.tables.calls.get_mut(call) else { return false };
        let Some(conversation) = entry.conversation().cloned() else { return false };
        if !tags.contains(&Some(conversation.tag.as_slice())) {
            return false;
        }
        let Some(passed) = entry.passed.as_deref_mut() else { return false };
        let Some(transfer) = passed.under_way.as_deref_mut() else { return false };
        if std::mem::replace(&mut transfer.left, true) {
            return true;
        }
        let waits = transfer.from.is_none();
        let before = transfer.timer.take();
        passed.left_at = Some((now.moment, now.wall));
        if let Some(handle) = before {
            self.timers.cancel(handle);
        }
        if waits {
            let until = now.moment + self.settings.transfer.comes_back;
            let handle = self.timers.insert(until, Alarm::Transfer(call));
            if let Some(transfer) = self.tables.calls.get_mut(call).and_then(Call::transfer_mut) {
                transfer.timer = Some(handle);
            }
        }
        self.note_hold(call, Some(false));
        self.release_sender(call, &conversation);
        true
    }

    /// The named receiver cannot be had: nobody else is asked. `true` when the call is the sender's again.
    pub(super) fn transfer_ends(&mut self, call: CallKey) -> bool {
        let Some(entry) = self.tables.calls.get(call) else { return false };
        let named = entry.transfer().is_some_and(|it| it.from.is_some() && !it.searches);
        if !named {
            return false;
        }
        let context = entry.phase.context();
        let anchored = entry.anchor.is_some();
        self.transfer_failed(call, "not_answered");
        if let Some(context) = context.filter(|_| !anchored) {
            let refused = self.tables.contexts.get(context).is_some_and(|entry| {
                let mut branches = entry.branches.iter();
                branches.clone().all(|branch| !branch.is_pending())
                    && branches.any(|branch| branch.state.failure().is_some())
            });
            // What the phone said goes up as it came; otherwise nobody was there.
            if !refused {
                self.answer_upstream(context, 480);
            }
        }
        true
    }

    /// The call is over, and with it whatever was to become of it.
    pub(super) fn drop_transfer(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(transfer) = entry.passed.as_mut().and_then(|passed| passed.under_way.take()) else { return };
        self.tables.passing.remove(&call);
        if let Some(handle) = transfer.timer {
            self.timers.cancel(handle);
        }
    }

    /// Whether this context asks the receiver of the call.
    pub(super) fn asks_receiver(&self, call: CallKey, context: ContextKey) -> bool {
        self.tables.calls.get(call).is_some_and(|entry| {
            entry.sender().is_some() && entry.anchor.is_none() && entry.phase.context() == Some(context)
        })
    }

    /// A transfer too many: told, counted, and nothing else.
    pub(super) fn refuse_transfer(&mut self, call: CallKey, transfer: &Transfer) {
        self.counters.transfers_over_limit += 1;
        let news = self.news(call, transfer);
        self.push_transfer(call, news, EventBody::TransferRefused);
    }

    fn news(&self, call: CallKey, transfer: &Transfer) -> TransferNews {
        let entry = self.tables.calls.get(call);
        TransferNews {
            by: transfer.by.clone(),
            to: transfer.to.clone(),
            target: transfer.target.clone(),
            mode: transfer.mode.code(),
            means: transfer.means.code(),
            count: entry.map_or(0, Call::transfer_count),
            limit: entry.map_or(self.settings.transfer.limit, |entry| self.transfer_limit(entry)),
            cause: None,
        }
    }

    /// Tells sender, receiver and the line's supervisors.
    fn push_transfer(
        &mut self,
        call: CallKey,
        news: TransferNews,
        body: impl FnOnce(Box<TransferNews>) -> EventBody,
    ) {
        if !self.listening {
            return;
        }
        let people = [news.by.clone(), news.to.clone()];
        let mut audience: Vec<Audience> = people.into_iter().flatten().map(Audience::Agent).collect();
        audience.dedup();
        let line = self.tables.calls.get(call).and_then(|entry| entry.line.as_ref());
        audience.extend(line.and_then(|line| line.group.clone()).map(Audience::Team));
        self.push_event(call, None, audience, None, body(Box::new(news)));
    }
}

/// When the caller was last talked with, for the record of a call that nobody had at its end.
pub(super) fn end_of_talk(call: &Call, now: Now) -> Moment {
    call.passed.as_ref().and_then(|passed| passed.left_at).map_or(now.moment, |(moment, _)| moment)
}
