//! What people ask, and what they are told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Engine;
use super::branches::COMPLETED_ELSEWHERE;
use super::call::{CustomerState, Phase};
use super::input::{Output, ReplyToken};
use super::port::{Answer, ErrorCode, Refusal, Request};
use super::tables::CallKey;
use super::timers::Alarm;
use crate::customer::{NoticeLevel, family_name, romanise};
use crate::events::{Audience, CallRecord, Event, EventBody, PopDocument, WithdrawCause};
use crate::presence::{AgentId, AgentStatus, CallId, SetBy, StatusRefusal, StoredStatus};
use crate::routing::Directory;

/// A call whose agent is in wrap-up.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Wrapping {
    /// The call.
    pub call: CallKey,
    /// Its id.
    pub id: CallId,
    /// The card.
    pub pop: Option<Arc<PopDocument>>,
    /// Its time is over; only an unread danger notice holds it up.
    pub overdue: bool,
}

/// The supervisors' board.
pub(super) const BOARD: &str = "main";

impl Engine {
    /// Carries a request out and answers it.
    pub(super) fn on_asked(&mut self, token: ReplyToken, request: Request) {
        let answer = self.carry_out(request);
        self.outputs.push_back(Output::Reply(token, Box::new(answer)));
    }

    fn carry_out(&mut self, request: Request) -> Result<Answer, Refusal> {
        match request {
            Request::SetPresence { agent, status, by, user } => self.set_presence(&agent, status, by, user),
            Request::ClaimPop { agent, call, rev } => self.claim(&agent, &call, rev),
            Request::TakePop { agent, call, rev } => self.take(&agent, &call, rev),
            Request::DeclinePop { agent, call, rev, .. } => {
                let key = self.offered_to(&agent, &call, rev)?;
                self.decline(key, &agent);
                Ok(Answer::Done { rev: None })
            }
            Request::ChooseCustomer { agent, call, rev, customer } => {
                let key = self.held_by(&agent, &call, Some(rev))?;
                self.choose(key, &agent, &customer)
            }
            Request::AcknowledgeNotice { agent, call, notice } => {
                self.acknowledge_notice(&agent, &call, notice)
            }
            Request::ParkCall { agent, call, rev } => self.park_call(&agent, &call, rev),
            Request::RetrieveCall { agent, call } => self.retrieve_call(&agent, &call),
            Request::TransferCall { agent, call, rev, wish } => self.transfer_call(&agent, &call, rev, wish),
            Request::GrantTransfer { call, user } => self.grant_transfer(&call, user),
            Request::Callbacks(agent) => Ok(self.open_callbacks(agent.as_ref())),
            Request::Callback(id) => self.open_callback(&id),
            Request::ChangeCallback { id, change, of, user } => {
                self.change_callback(&id, change, of.as_ref(), &user)
            }
            Request::FinishWrapUp { agent, call } => self.finish_wrap_up(&agent, &call),
            Request::Presences => Ok(Answer::Presences(self.agents.documents(self.now))),
            Request::LiveCalls => Ok(Answer::Calls(self.live_records())),
            Request::LiveCall(id) => {
                // A call that has just ended is answered from here until the database surely has it.
                if let Some(record) = self.ended.iter().rev().find(|record| record.id == id) {
                    return Ok(Answer::Calls(vec![CallRecord::clone(record)]));
                }
                let key = self.tables.call_by_id(&id).ok_or_else(not_found)?;
                let call = self.tables.calls.get(key).ok_or_else(not_found)?;
                Ok(Answer::Calls(vec![super::records::record_of(call, None)]))
            }
        }
    }

    fn set_presence(
        &mut self,
        agent: &AgentId,
        status: AgentStatus,
        by: SetBy,
        user: String,
    ) -> Result<Answer, Refusal> {
        let status = self.with_next_start(agent, status);
        let document =
            self.agents.set_status(agent, status, by, self.now).map_err(|refusal| match refusal {
                StatusRefusal::NoSuchAgent => not_found(),
                StatusRefusal::SetByHigher(_) => Refusal::of(
                    ErrorCode::Forbidden,
                    "管理者が設定した状態は変更できません",
                    "A supervisor set this status; only a supervisor can change it",
                ),
            })?;
        self.store_status(agent, user);
        self.presence_changed(agent);
        self.watch_returns();
        Ok(Answer::Presence(document))
    }

    fn claim(&mut self, agent: &AgentId, call: &CallId, rev: u32) -> Result<Answer, Refusal> {
        let key = self.offered_to(agent, call, rev)?;
        // Whoever is rung at the same time sees that somebody looks at it.
        let new = self.next_rev(key);
        for holder in self.holders_of(key) {
            self.tell_agent_rev(key, &holder, new, None, EventBody::PopClaimed { by: agent.clone() });
        }
        Ok(Answer::Done { rev: Some(new) })
    }

    /// Reserves the call: the phone's answer confirms it. A second take of one's own call changes nothing.
    /// The phones of those who were rung at the same time fall silent; should this one not be answered, they
    /// may be rung again.
    fn take(&mut self, agent: &AgentId, call: &CallId, rev: u32) -> Result<Answer, Refusal> {
        let key = match self.offered_to(agent, call, rev) {
            // Taken already, and the phone still rings: the same answer again, whatever revision was seen.
            Err(refusal) if refusal.code == ErrorCode::Conflict && self.is_taken_by_key(agent, call) => {
                return Ok(Answer::Done { rev: refusal.current.map(|current| current.0) });
            }
            held => held?,
        };
        let offer = self.tables.calls.get_mut(key).and_then(|entry| entry.phase.offer_to_mut(agent));
        let Some(offer) = offer else { return Err(gone()) };
        (offer.taken_by_key, offer.shared) = (true, false);
        let id = offer.id.clone();
        let cause = WithdrawCause::AnsweredElsewhere;
        let others = self.take_back_others(key, Some(&id), cause, COMPLETED_ELSEWHERE);
        if let Some(entry) = self.tables.calls.get_mut(key) {
            entry.tried.retain(|tried| !others.contains(tried));
        }
        let rev = self.next_rev(key);
        self.tell_agent_rev(key, agent, rev, None, EventBody::PopTaken { by: agent.clone() });
        Ok(Answer::Done { rev: Some(rev) })
    }

    fn is_taken_by_key(&self, agent: &AgentId, call: &CallId) -> bool {
        let key = self.tables.call_by_id(call);
        let entry = key.and_then(|key| self.tables.calls.get(key));
        entry.and_then(|entry| entry.phase.offer_to(agent)).is_some_and(|offer| offer.taken_by_key)
    }

    fn choose(
        &mut self,
        key: CallKey,
        agent: &AgentId,
        customer: &crate::presence::CustomerId,
    ) -> Result<Answer, Refusal> {
        let Some(entry) = self.tables.calls.get_mut(key) else { return Err(gone()) };
        let CustomerState::Found { cards, chosen } = &mut entry.customer else {
            return Err(Refusal::of(
                ErrorCode::Validation,
                "候補がありません",
                "There is nobody to choose from",
            ));
        };
        let Some(index) = cards.iter().position(|card| card.id == *customer) else {
            return Err(Refusal::of(ErrorCode::NotFound, "候補にいません", "Not one of the candidates"));
        };
        *chosen = Some(index);
        self.tell_agent(key, agent, None, EventBody::MatchChosen { customer: customer.clone() });
        self.redraw(key, super::pop::Redraw::Updated);
        Ok(Answer::Done { rev: self.rev_of(key, agent) })
    }

    fn acknowledge_notice(
        &mut self,
        agent: &AgentId,
        call: &CallId,
        notice: String,
    ) -> Result<Answer, Refusal> {
        let key = self.held_by(agent, call, None)?;
        let Some(entry) = self.tables.calls.get_mut(key) else { return Err(gone()) };
        let known = entry
            .customer
            .card()
            .is_some_and(|card| card.notices.iter().any(|candidate| candidate.id == notice));
        if !known {
            return Err(Refusal::of(
                ErrorCode::NotFound,
                "その通知はありません",
                "No such notice on this call",
            ));
        }
        if entry.acknowledged.insert(notice.clone()) {
            self.outputs.push_back(Output::NoticeAcknowledged {
                call: call.clone(),
                notice: notice.clone(),
                agent: agent.clone(),
                at: self.now.wall,
            });
            self.tell_agent(key, agent, None, EventBody::NoticeAcked { id: notice, by: agent.clone() });
            self.mark_notices(key);
        }
        let rev = self.rev_of(key, agent);
        if !self.has_unread_danger(key) {
            self.end_overdue_wrap_up(agent);
        }
        Ok(Answer::Done { rev })
    }

    /// Wrap-up cannot end while a danger notice is unread (M023).
    fn finish_wrap_up(&mut self, agent: &AgentId, call: &CallId) -> Result<Answer, Refusal> {
        let Some(wrapping) = self.wrapping.get(agent).filter(|wrapping| wrapping.id == *call) else {
            return Err(not_found());
        };
        if self.has_unread_danger(wrapping.call) {
            return Err(Refusal::of(
                ErrorCode::NoticeUnacked,
                "未確認の重要通知があります",
                "An important notice has not been confirmed",
            ));
        }
        self.agents.finish_wrap_up(agent, call, self.now);
        self.wrap_up_done(agent);
        Ok(Answer::Done { rev: None })
    }

    fn has_unread_danger(&self, call: CallKey) -> bool {
        self.tables.calls.get(call).is_some_and(|entry| {
            entry.customer.card().is_some_and(|card| {
                card.notices.iter().any(|notice| {
                    notice.level == NoticeLevel::Danger && !entry.acknowledged.contains(&notice.id)
                })
            })
        })
    }

    /// The time for wrap-up is over. A danger notice that was not confirmed holds it up, as long as there is
    /// a screen to confirm it on (M023).
    pub(super) fn wrap_up_due(&mut self, agent: &AgentId, call: &CallId) {
        let Some(wrapping) = self.wrapping.get_mut(agent).filter(|wrapping| wrapping.id == *call) else {
            return;
        };
        wrapping.overdue = true;
        let key = wrapping.call;
        if self.has_unread_danger(key) && self.screens.contains(agent) {
            self.tell_agent(key, agent, None, EventBody::WrapupOverdue);
        } else {
            self.end_overdue_wrap_up(agent);
        }
    }

    /// Ends a wrap-up whose time is over: the notice was read, or the last screen is gone.
    pub(super) fn end_overdue_wrap_up(&mut self, agent: &AgentId) {
        let Some(wrapping) = self.wrapping.get(agent).filter(|wrapping| wrapping.overdue) else { return };
        let call = wrapping.id.clone();
        self.agents.finish_wrap_up(agent, &call, self.now);
        self.wrap_up_done(agent);
    }

    /// Wrap-up is over: by key or by time.
    pub(super) fn wrap_up_done(&mut self, agent: &AgentId) {
        let Some(wrapping) = self.wrapping.remove(agent) else { return };
        self.tell_agent(wrapping.call, agent, None, EventBody::WrapupDone);
        self.tell_agent(wrapping.call, agent, None, EventBody::PopClosed);
        self.presence_changed(agent);
        self.watch_presence();
        self.forget_call_when_done(wrapping.call);
    }

    /// Leases, wrap-ups and resting phones whose time is up.
    pub(super) fn presence_due(&mut self) {
        self.presence_alarm = None;
        for agent in self.agents.expire(self.now) {
            self.wrap_up_done(&agent);
            self.presence_changed(&agent);
        }
        self.watch_presence();
    }

    /// Sets the one alarm that the agents' book needs next.
    pub(super) fn watch_presence(&mut self) {
        let next = self.agents.next_expiry();
        if self.presence_alarm.map(|(at, _)| at) == next {
            return;
        }
        if let Some((_, handle)) = self.presence_alarm.take() {
            self.timers.cancel(handle);
        }
        if let Some(next) = next {
            self.presence_alarm = Some((next, self.timers.insert(next, Alarm::Presence)));
        }
    }

    /// Agents and lines were read again.
    pub(super) fn on_directory(&mut self, directory: Arc<Directory>) {
        let newcomers: BTreeSet<AgentId> =
            directory.agents.keys().filter(|agent| self.agents.state(agent).is_none()).cloned().collect();
        self.agents.apply_directory(&directory, self.now);
        self.memory.keep_agents(&directory);
        // The rest is the phone's: whoever has another one now is asked again.
        for (id, agent) in &directory.agents {
            if self.directory.agents.get(id).is_some_and(|before| before.contact != agent.contact) {
                self.agents.rest_phone(id, None);
            }
        }
        self.directory = directory;
        self.look_at_everybody();
        self.names.clear();
        self.welcome(&newcomers);
        // Who is gone finishes no record any more.
        let gone: BTreeSet<AgentId> =
            self.wrapping.keys().filter(|agent| self.agents.state(agent).is_none()).cloned().collect();
        for agent in gone {
            self.wrap_up_done(&agent);
        }
        let agents = &self.agents;
        self.told_presence.retain(|agent, _| agents.state(agent).is_some());
        self.shifts_due();
    }

    /// Whoever was away from the directory may have come back in the middle of a call, or with a screen open:
    /// the book knows neither of somebody new.
    fn welcome(&mut self, newcomers: &BTreeSet<AgentId>) {
        if newcomers.is_empty() {
            return;
        }
        let agent_of = |phase: &Phase| match phase {
            Phase::Answered(conversation) => conversation.agent.clone(),
            Phase::Deciding(_)
            | Phase::Offered(..)
            | Phase::DefaultRouted(_)
            | Phase::Abandoned(_)
            | Phase::Over(_) => None,
        };
        let talking: Vec<(AgentId, CallId)> = self
            .tables
            .calls
            .values()
            .filter_map(|call| Some((agent_of(&call.phase)?, call.id.clone())))
            .filter(|(agent, _)| newcomers.contains(agent))
            .collect();
        for (agent, call) in &talking {
            self.agents.on_call(agent, call);
        }
        for agent in newcomers {
            self.agents.screens(agent, self.screens.contains(agent));
            self.presence_changed(agent);
        }
    }

    /// Another process changed a status.
    pub(super) fn on_stored_status(&mut self, stored: &StoredStatus) {
        let status = self.with_next_start(&stored.agent, stored.status.clone());
        self.agents.restore_status(&stored.agent, status, stored.set_by, stored.since);
        self.presence_changed(&stored.agent);
        self.watch_returns();
    }

    /// The call that is offered to this agent at this revision.
    pub(super) fn offered_to(&self, agent: &AgentId, call: &CallId, rev: u32) -> Result<CallKey, Refusal> {
        let key = self.tables.call_by_id(call).ok_or_else(not_found)?;
        let entry = self.tables.calls.get(key).ok_or_else(not_found)?;
        match &entry.phase {
            Phase::Offered(_, offers) => match entry.phase.offer_to(agent) {
                Some(_) => self.same_rev(key, agent, rev).map(|()| key),
                None => Err(self.taken_by(agent, key, offers.iter().next().map(|offer| &offer.agent))),
            },
            Phase::Answered(conversation) => Err(self.taken_by(agent, key, conversation.agent.as_ref())),
            Phase::Deciding(_) | Phase::DefaultRouted(_) | Phase::Abandoned(_) | Phase::Over(_) => {
                Err(gone())
            }
        }
    }

    /// The call that this agent has: offered, answered or in wrap-up.
    pub(super) fn held_by(
        &self,
        agent: &AgentId,
        call: &CallId,
        rev: Option<u32>,
    ) -> Result<CallKey, Refusal> {
        let key = self.tables.call_by_id(call).ok_or_else(not_found)?;
        let entry = self.tables.calls.get(key).ok_or_else(not_found)?;
        let holder = match &entry.phase {
            Phase::Offered(..) => entry.phase.offer_to(agent).map(|offer| &offer.agent),
            Phase::Answered(conversation) => conversation.agent.as_ref(),
            Phase::Over(_) => self.wrapping.iter().find(|(_, card)| card.call == key).map(|(agent, _)| agent),
            Phase::Deciding(_) | Phase::DefaultRouted(_) | Phase::Abandoned(_) => None,
        };
        // Who passed it on still writes it up.
        let writes_up = || self.wrapping.get(agent).is_some_and(|card| card.call == key);
        if holder != Some(agent) && !writes_up() {
            return Err(not_found());
        }
        match rev {
            Some(rev) => self.same_rev(key, agent, rev).map(|()| key),
            None => Ok(key),
        }
    }

    /// The revision of the card that the agent has.
    pub(super) fn rev_of(&self, key: CallKey, agent: &AgentId) -> Option<u32> {
        let entry = self.tables.calls.get(key)?;
        Some(entry.phase.offer_to(agent).map_or(entry.rev, |offer| offer.rev))
    }

    fn same_rev(&self, key: CallKey, agent: &AgentId, rev: u32) -> Result<(), Refusal> {
        let Some(present) = self.rev_of(key, agent) else { return Err(gone()) };
        if present == rev {
            return Ok(());
        }
        let mut refusal =
            Refusal::of(ErrorCode::Conflict, "画面が古くなっています", "The card has changed meanwhile");
        refusal.current = self.pop_of(key, agent).map(|pop| Box::new((present, (*pop).clone())));
        Err(refusal)
    }

    /// Somebody else has it. Only those who answer for the same line may know who (N61).
    pub(super) fn taken_by(&self, asker: &AgentId, key: CallKey, holder: Option<&AgentId>) -> Refusal {
        let group = self.tables.calls.get(key).and_then(|entry| entry.line.as_ref()?.group.clone());
        let same_group = group.is_some_and(|group| {
            self.directory.agents.get(asker).is_some_and(|agent| agent.groups.contains(&group))
        });
        let Some(holder) = holder.filter(|_| same_group) else { return not_found() };
        let agent = self.directory.agents.get(holder);
        let family = family_name(agent.map_or(holder.as_str(), |agent| agent.name.as_str()));
        let latin = agent.and_then(|agent| agent.kana.as_deref()).map(family_name).and_then(romanise);
        let mut refusal = Refusal::of(
            ErrorCode::AlreadyTaken,
            &format!("{family}が対応中です"),
            &format!("Taken by {}", latin.as_deref().unwrap_or(family)),
        );
        refusal.by = Some(holder.clone());
        refusal
    }

    fn live_records(&self) -> Vec<CallRecord> {
        let mut records: Vec<_> = self
            .tables
            .calls
            .values()
            .filter(|call| !matches!(call.phase, Phase::Over(_)))
            .map(|call| super::records::record_of(call, None))
            .collect();
        records.sort_by(|one, other| (one.started_at, &one.id).cmp(&(other.started_at, &other.id)));
        records
    }

    /// Tells the agent something about a call that is no change of the card: it carries no revision, so that
    /// no client takes it for an old one.
    pub(super) fn tell_agent(
        &mut self,
        call: CallKey,
        agent: &AgentId,
        expires: Option<jiff::Timestamp>,
        body: EventBody,
    ) {
        self.tell(call, agent, None, expires, body);
    }

    /// Tells the agent about a change of the card.
    pub(super) fn tell_agent_rev(
        &mut self,
        call: CallKey,
        agent: &AgentId,
        rev: u32,
        expires: Option<jiff::Timestamp>,
        body: EventBody,
    ) {
        self.tell(call, agent, Some(rev), expires, body);
    }

    fn tell(
        &mut self,
        call: CallKey,
        agent: &AgentId,
        rev: Option<u32>,
        expires: Option<jiff::Timestamp>,
        body: EventBody,
    ) {
        let offer = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_to_mut(agent));
        if let (Some(offer), Some(rev)) = (offer, rev) {
            offer.rev = rev;
        }
        if self.listening {
            self.push_event(call, rev, vec![Audience::Agent(agent.clone())], expires, body);
        }
    }

    /// An event of a call, whoever listens.
    pub(super) fn push_event(
        &mut self,
        call: CallKey,
        rev: Option<u32>,
        audience: Vec<Audience>,
        expires: Option<jiff::Timestamp>,
        body: EventBody,
    ) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let call = Some(entry.id.clone());
        self.outputs.push_back(Output::Event(Event {
            at: self.now.wall,
            call,
            rev,
            audience,
            expires,
            body,
        }));
    }

    /// Tells the agent and the line's supervisors something about a call.
    pub(super) fn tell_all<'a>(
        &mut self,
        call: CallKey,
        agents: impl IntoIterator<Item = &'a AgentId>,
        body: EventBody,
    ) {
        let Some(entry) = self.tables.calls.get(call).filter(|_| self.listening) else { return };
        let Some(line) = &entry.line else { return };
        let mut audience: Vec<Audience> = agents.into_iter().cloned().map(Audience::Agent).collect();
        audience.extend(line.group.clone().map(Audience::Team));
        if matches!(body, EventBody::CallAbandoned { .. }) {
            audience.push(Audience::Board(BOARD.to_owned()));
        }
        self.push_event(call, None, audience, None, body);
    }

    /// Tells the agent and their teams that the agent's presence changed, when it did.
    pub(super) fn presence_changed(&mut self, agent: &AgentId) {
        if !self.listening {
            return;
        }
        let Some(document) = self.agents.document(agent, self.now) else { return };
        if self.told_presence.get(agent) == Some(&document) {
            return;
        }
        self.told_presence.insert(agent.clone(), document.clone());
        let audience = self.audience_of(agent);
        self.outputs.push_back(Output::Event(Event {
            at: self.now.wall,
            call: None,
            rev: None,
            audience,
            expires: None,
            body: EventBody::PresenceChanged(document),
        }));
    }

    /// Somebody begins to read events, or nobody does any more.
    pub(super) fn on_listening(&mut self, listening: bool) {
        self.listening = listening;
        // What was told to nobody must be told again.
        self.told_presence.clear();
    }

    /// Keeps the status as it now is.
    pub(super) fn store_status(&mut self, agent: &AgentId, user: String) {
        if let Some(stored) = self.agents.stored(agent) {
            self.outputs.push_back(Output::StoreStatus { stored, user });
        }
    }

    /// Keeps the status when the system itself changed it (a ring without answer).
    pub(super) fn store_status_if_changed(&mut self, agent: &AgentId, before: Option<StoredStatus>) {
        if self.agents.stored(agent) != before {
            self.store_status(agent, "system".to_owned());
        }
    }

    pub(super) fn next_rev(&mut self, call: CallKey) -> u32 {
        self.tables.calls.get_mut(call).map_or(0, |entry| {
            entry.rev += 1;
            entry.rev
        })
    }
}

pub(super) fn not_found() -> Refusal {
    Refusal::of(ErrorCode::NotFound, "見つかりません", "Not found")
}

pub(super) fn gone() -> Refusal {
    Refusal::of(ErrorCode::Gone, "この着信は終了しました", "This call is no longer offered")
}
