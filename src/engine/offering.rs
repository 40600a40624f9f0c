//! Offering a call: the lease, the pop, the phone, and the one way in which every offer ends. With `ring_all`
//! several offers stand at once, each with its own lease, card and branch; the first answer ends the others.

use std::sync::Arc;

use super::branches::{COMPLETED_ELSEWHERE, NOT_ANSWERED};
use super::call::{Offer, Offers, Phase, Progress};
use super::calls::without_headers;
use super::context::Aim;
use super::forwarding::Rewrite;
use super::tables::{BranchRef, CallKey};
use super::timers::{Alarm, TimerHandle};
use super::{Engine, Samples};
use crate::events::{EventBody, WithdrawCause};
use crate::presence::{AgentId, OfferId, Release};
use crate::routing::OfferReason;

impl Engine {
    /// Offers the call to one agent, or to several at once: leases, pops, and then the phones.
    pub(super) fn offer(
        &mut self,
        call: CallKey,
        agent: AgentId,
        beside: Vec<AgentId>,
        reason: OfferReason,
        rule: &str,
    ) {
        let Some(context) = self.tables.calls.get(call).and_then(|entry| entry.phase.context()) else {
            return;
        };
        let shared = !beside.is_empty();
        let asked = std::iter::once(agent).chain(beside);
        let mut offers: Vec<Offer> = asked.filter_map(|agent| self.lease(call, agent, shared)).collect();
        let others = offers.len().saturating_sub(1);
        for offer in offers.iter_mut().filter(|_| self.listening) {
            offer.pop = Some(Arc::new(self.pop_for(call, &offer.agent, reason, rule, others)));
        }
        let made: Vec<(OfferId, AgentId)> =
            offers.iter().map(|offer| (offer.id.clone(), offer.agent.clone())).collect();
        let Some(offers) = Offers::of(offers) else { return self.decide_next(call) };
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.phase = Phase::Offered(context, offers);
        }
        for (id, _) in &made {
            self.tables.call_by_offer.insert(id.clone(), call);
            self.counters.offers += 1;
        }
        self.offered_from_lot(call);
        // The pops are written first: nothing stands before them on their way to the screens.
        for (id, agent) in &made {
            self.tell_offer(call, id);
            self.presence_changed(agent);
        }
        for (id, agent) in made {
            if self.screens.contains(&agent) {
                let alarm = Alarm::AnnounceDeadline(call, id.clone());
                let handle = self.timers.insert(self.now.moment + self.settings.announce_within, alarm);
                self.set_offer_timer(call, &id, handle);
            } else {
                self.invite_agent(call, &id);
            }
        }
        self.watch_presence();
    }

    /// Takes the lease on one agent. The offer is nobody's yet; nothing when the agent is not free after all.
    fn lease(&mut self, call: CallKey, agent: AgentId, shared: bool) -> Option<Offer> {
        let id = super::ids::offer_id(self.random_bits());
        let entry = self.tables.calls.get_mut(call)?;
        entry.tried.push(agent.clone());
        // The lease outlives the offer's own timers: it is the net below them, not the timer itself.
        let answer_within = self.settings.answer_within;
        let lease = answer_within + self.settings.announce_within + super::LEASE_MARGIN;
        if self.agents.reserve(&agent, &entry.id, &id, self.now.moment + lease).is_err() {
            self.counters.lease_refused += 1;
            return None;
        }
        entry.offers.push((id.clone(), agent.clone()));
        entry.untold.extend((!self.listening).then(|| id.clone()));
        entry.rev += 1;
        let rev = entry.rev;
        self.memory.offered(&agent);
        Some(Offer {
            id,
            agent,
            shared,
            progress: Progress::Announcing,
            rev,
            pop: None,
            began: self.now.moment,
            expires_at: self.now.wall_at(self.now.moment + answer_within),
            answer_within,
            taken_by_key: false,
            timer: None,
        })
    }

    fn tell_offer(&mut self, call: CallKey, id: &OfferId) {
        let Some(offer) = self.tables.calls.get(call).and_then(|entry| entry.phase.offer(id)) else { return };
        let (agent, rev, expires) = (offer.agent.clone(), offer.rev, Some(offer.expires_at));
        let Some(pop) = offer.pop.clone() else { return };
        let announce = self.screens.contains(&agent);
        let body = EventBody::PopOffered { offer: id.clone(), announce, pop };
        self.tell_agent_rev(call, &agent, rev, expires, body);
    }

    /// The pop was written, or had its time: now the phone may ring.
    pub(super) fn on_announced(&mut self, offer: &OfferId) {
        let Some(call) = self.tables.call_by_offer.get(offer).copied() else { return };
        self.announce_done(call, offer);
    }

    /// As [`Self::on_announced`], for a call that is known.
    pub(super) fn announce_done(&mut self, call: CallKey, id: &OfferId) {
        let offer = self.tables.calls.get(call).and_then(|entry| entry.phase.offer(id));
        let waiting = offer.filter(|offer| matches!(offer.progress, Progress::Announcing));
        if let Some(began) = waiting.map(|offer| offer.began) {
            Samples::note(&mut self.samples.pop_announce, self.now.moment.since(began));
            self.invite_agent(call, id);
        }
    }

    fn invite_agent(&mut self, call: CallKey, id: &OfferId) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(context) = entry.phase.context() else { return };
        let Some(offer) = entry.phase.offer_mut(id) else { return };
        let (agent, answer_within) = (offer.agent.clone(), offer.answer_within);
        if let Some(handle) = offer.timer.take() {
            self.timers.cancel(handle);
        }
        let Some(contact) = self.directory.agents.get(&agent).map(|agent| agent.contact.clone()) else {
            self.end_offer(call, id, WithdrawCause::Rerouted, Some(Release::Withdrawn));
            return self.decide_next(call);
        };
        let after = self.now.moment + answer_within;
        let handle = self.timers.insert(after, Alarm::AnswerWithin(call, id.clone()));
        self.set_offer_timer(call, id, handle);
        self.agents.ringing(&agent, id);
        let hop = self.hop_of(contact.as_bytes());
        let rewrite = Rewrite {
            request_uri: Some(without_headers(&contact).to_owned().into()),
            drop_routes: true,
            ..Rewrite::default()
        };
        self.presence_changed(&agent);
        if self.anchor(call).is_some() {
            return self.invite_from_anchor(call, id.clone(), hop, rewrite.request_uri.as_deref());
        }
        let index = self.tables.contexts.get(context).map_or(0, |entry| entry.branches.len());
        if let Some(offer) = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_mut(id)) {
            offer.progress = Progress::Inviting(BranchRef { context, index });
        }
        self.start_branch(context, Aim::Agent(id.clone()), [hop].into(), rewrite);
    }

    fn set_offer_timer(&mut self, call: CallKey, id: &OfferId, handle: TimerHandle) {
        let offer = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_mut(id));
        let replaced = match offer {
            Some(offer) => offer.timer.replace(handle),
            None => Some(handle),
        };
        if let Some(replaced) = replaced {
            self.timers.cancel(replaced);
        }
    }

    /// The phone refused, failed or said nothing: it is left alone for a while, whoever uses it, and the next
    /// agent is asked. The person's status stays.
    pub(super) fn phone_failed(&mut self, call: CallKey, id: &OfferId, status: u16, answered: bool) {
        let offer = self.tables.calls.get(call).and_then(|entry| entry.phase.offer(id));
        let Some(agent) = offer.map(|offer| offer.agent.clone()) else { return };
        let rest_until = self.now.moment + self.settings.phone_rest;
        self.counters.phone_failures += 1;
        let directory = Arc::clone(&self.directory);
        let contact = directory.agents.get(&agent).map(|agent| &agent.contact);
        let sharing =
            directory.agents.iter().filter(|(id, other)| **id != agent && Some(&other.contact) == contact);
        for (other, _) in sharing {
            self.agents.rest_phone(other, Some(rest_until));
            self.note_phone(other, status, answered);
        }
        self.end_offer(call, id, WithdrawCause::Rerouted, Some(Release::PhoneFailed { rest_until }));
        // Also when the lease had gone before: without a rest the overlay would have no end.
        self.agents.rest_phone(&agent, Some(rest_until));
        self.note_phone(&agent, status, answered);
        self.decide_next(call);
    }

    /// The agent did not answer in time: away until one key brings them back, and the next one is asked. Of
    /// several who were rung at once nobody is away for it.
    pub(super) fn answer_within(&mut self, call: CallKey, id: &OfferId) {
        let offer = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_mut(id));
        let Some(offer) = offer else { return };
        offer.timer = None;
        let release = if offer.shared { Release::Withdrawn } else { Release::NoAnswer };
        self.counters.ring_no_answer += 1;
        self.take_back(call, id, WithdrawCause::Timeout, Some(release), NOT_ANSWERED);
        self.decide_next(call);
    }

    /// The agent declined: the phone stops ringing and the next one is asked.
    pub(super) fn decline(&mut self, call: CallKey, agent: &AgentId) {
        let offer = self.tables.calls.get(call).and_then(|entry| entry.phase.offer_to(agent));
        let Some(id) = offer.map(|offer| offer.id.clone()) else { return };
        let release = Some(Release::Declined);
        self.take_back(call, &id, WithdrawCause::Declined, release, COMPLETED_ELSEWHERE);
        self.decide_next(call);
    }

    /// Ends an offer and stops its phone. The call is left as it then is: nobody else is asked here.
    pub(super) fn take_back(
        &mut self,
        call: CallKey,
        id: &OfferId,
        cause: WithdrawCause,
        release: Option<Release>,
        reason: &[u8],
    ) {
        let offer = self.tables.calls.get(call).and_then(|entry| entry.phase.offer(id));
        let Some(progress) = offer.map(|offer| offer.progress) else { return };
        self.end_offer(call, id, cause, release);
        if let Progress::Inviting(branch) = progress {
            self.cancel_branch(branch, reason);
        }
    }

    /// Takes back every offer of the call that is not this one; names whose they were.
    pub(super) fn take_back_others(
        &mut self,
        call: CallKey,
        but: Option<&OfferId>,
        cause: WithdrawCause,
        reason: &[u8],
    ) -> Vec<AgentId> {
        let others = self.offers_beside(call, but);
        for (id, _) in &others {
            self.take_back(call, id, cause, Some(Release::Withdrawn), reason);
        }
        others.into_iter().map(|(_, agent)| agent).collect()
    }

    /// Ends every offer of the call that is not this one; what becomes of the phones is the caller's to see
    /// to.
    pub(super) fn end_offers(&mut self, call: CallKey, but: Option<&OfferId>, cause: WithdrawCause) {
        for (id, _) in self.offers_beside(call, but) {
            self.end_offer(call, &id, cause, Some(Release::Withdrawn));
        }
    }

    fn offers_beside(&self, call: CallKey, but: Option<&OfferId>) -> Vec<(OfferId, AgentId)> {
        let offers = self.tables.calls.get(call).into_iter().flat_map(|entry| entry.phase.offers());
        let others = offers.filter(|offer| Some(&offer.id) != but);
        others.map(|offer| (offer.id.clone(), offer.agent.clone())).collect()
    }

    /// Ends an offer, whatever ended it: the screen, the lease, the index. Exactly once per offer. With the
    /// last one the call is decided upon again.
    fn end_offer(&mut self, call: CallKey, id: &OfferId, cause: WithdrawCause, release: Option<Release>) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Phase::Offered(context, offers) = &entry.phase else { return };
        let context = *context;
        let (Some(offer), left) = offers.clone().part_with(id) else { return };
        entry.phase = match left {
            Some(left) => Phase::Offered(context, left),
            None => Phase::Deciding(context),
        };
        if let Some(handle) = offer.timer {
            self.timers.cancel(handle);
        }
        self.tables.call_by_offer.remove(&offer.id);
        if !matches!(cause, WithdrawCause::Timeout | WithdrawCause::Rerouted) {
            self.counters.withdrawn += 1;
        }
        let status_before = self.agents.stored(&offer.agent);
        if let Some(release) = release {
            self.agents.release(&offer.agent, &offer.id, release, self.now);
        }
        self.store_status_if_changed(&offer.agent, status_before);
        if offer.taken_by_key {
            self.tell_agent(call, &offer.agent, None, EventBody::PopClosed);
        } else {
            let rev = self.next_rev(call);
            self.tell_agent_rev(call, &offer.agent, rev, None, EventBody::PopWithdrawn { cause });
            if matches!(cause, WithdrawCause::Timeout | WithdrawCause::CallerGaveUp) {
                self.tell_agent(call, &offer.agent, None, EventBody::PopMissed);
            }
        }
        self.presence_changed(&offer.agent);
        self.watch_presence();
    }

    /// How many phones may ring for a call at once, and why only one when that is the call's doing: an
    /// anchored caller has one leg towards the agents, and the caller may want no fork (RFC 3841 §9.1).
    pub(super) fn at_once(&self, call: &super::call::Call) -> (usize, Option<&'static str>) {
        let context = call.phase.context().and_then(|context| self.tables.contexts.get(context));
        let Some(context) = context else { return (1, None) };
        if call.anchor.is_some() {
            return (1, Some("the caller is connected to us"));
        }
        let disposition = context.request.header(crate::message::Header::RequestDisposition);
        if ["no-fork", "sequential"]
            .iter()
            .any(|word| super::dispositions::says(disposition, word.as_bytes()))
        {
            return (1, Some("the caller wants it so"));
        }
        (self.settings.ring_at_once.min(super::dispositions::breadth_left(context) as usize), None)
    }
}
