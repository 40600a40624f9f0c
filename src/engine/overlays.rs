//! Overlays on agents: a screen that does not answer (`client_stale`), a phone out of service (`phone_down`).
//! They block offers, change no status, and go when their cause does.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::branches::COMPLETED_ELSEWHERE;
use super::input::Output;
use super::tables::CallKey;
use super::timers::Alarm;
use crate::events::{Audience, Event, EventBody, WithdrawCause};
use crate::presence::{AgentId, OfferId, Overlay, Release, StaleCause};
use crate::proxy::{NextHop, Target};
use crate::routing::TraceStep;

/// A phone out of service is asked so often while it rests.
const ASKED_WHILE_RESTING: u32 = 6;

/// And never more often than this.
const ASK_AT_MOST_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// The agent's screen does not answer. With an offer, its card was not confirmed: when the phone still
    /// rings for it, and nobody has said "I take it", the call goes on to the next.
    pub(super) fn on_stale(&mut self, agent: &AgentId, cause: StaleCause, offer: Option<&OfferId>) {
        if self.settings.stale_limit.is_zero() || self.agents.state(agent).is_none() {
            return;
        }
        let ringing = offer.map(|offer| self.rings_unseen(agent, offer));
        // The card is over meanwhile, or somebody has it: what it had to say was heard.
        if ringing == Some(None) {
            return;
        }
        self.counters.stale_screens += 1;
        tracing::warn!(%agent, cause = cause.code(), "a screen does not answer");
        self.agents.stale(agent, self.now.moment + self.settings.stale_limit, self.now);
        self.watch_presence();
        if self.listening {
            let audience = self.audience_of(agent);
            let body = EventBody::PresenceStale { agent: agent.clone(), cause };
            let (call, rev, expires) = (None, None, None);
            self.outputs.push_back(Output::Event(Event {
                at: self.now.wall,
                call,
                rev,
                audience,
                expires,
                body,
            }));
        }
        if let Some(call) = ringing.flatten() {
            self.go_on_without(call, agent);
        }
    }

    /// A screen of the agent's answers again.
    pub(super) fn on_fresh(&mut self, agent: &AgentId) {
        self.agents.fresh(agent);
        self.watch_presence();
    }

    /// The call whose offer this still is, unanswered and untaken.
    fn rings_unseen(&self, agent: &AgentId, offer: &OfferId) -> Option<CallKey> {
        let call = self.tables.call_by_offer.get(offer).copied()?;
        let current = self.tables.calls.get(call)?.phase.offer(offer)?;
        (current.agent == *agent && !current.taken_by_key).then_some(call)
    }

    /// Takes the offer back and asks the next one; the trace of that decision begins with why.
    fn go_on_without(&mut self, call: CallKey, agent: &AgentId) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(id) = entry.phase.offer_to(agent).map(|offer| offer.id.clone()) else { return };
        let why = format!("the screen of {agent} did not confirm the card in time: the offer was taken back");
        entry.asides.push(TraceStep { rule: "client_stale".into(), matched: false, why: why.into() });
        let release = Some(Release::Withdrawn);
        self.take_back(call, &id, WithdrawCause::Rerouted, release, COMPLETED_ELSEWHERE);
        self.decide_next(call);
    }

    /// Tells of overlays that came or went, and forgets the phones that are back. After every input.
    pub(super) fn tell_overlays(&mut self) {
        while let Some(agent) = self.agents.take_overlaid() {
            if !self.agents.has_overlay(&agent, Overlay::PhoneDown) {
                self.hops.phones.remove(&agent);
            }
            self.presence_changed(&agent);
            self.watch_presence();
        }
    }

    /// The phone of an agent failed: whether it is out of service, that is, it said nothing at all or whoever
    /// serves it cannot reach it. Somebody busy, or who refused, has a phone that works.
    pub(super) fn note_phone(&mut self, agent: &AgentId, status: u16, answered: bool) {
        let down = !answered || matches!(status, 404 | 408 | 410 | 480 | 500..=599);
        self.agents.phone_down(agent, down.then_some(self.now.wall));
        // Where something answers, an answer to a probe says nothing of the phone behind it.
        if answered || !self.agents.has_overlay(agent, Overlay::PhoneDown) {
            return;
        }
        if let Some((target, _)) = self.phone_of(agent) {
            self.hops.phones.insert(agent.clone(), target);
            self.watch_phones();
        }
    }

    /// Something came from there: the phones that were silent are back (F9).
    pub(super) fn phone_heard(&mut self, target: Target) {
        let heard = |(agent, phone): (&AgentId, &Target)| (*phone == target).then(|| agent.clone());
        let back: Vec<AgentId> = self.hops.phones.iter().filter_map(heard).collect();
        for agent in back {
            self.hops.phones.remove(&agent);
            self.agents.rest_phone(&agent, None);
        }
    }

    /// Asks the phones that were silent whether they are back (RFC 3261 §11).
    pub(super) fn ask_phones(&mut self) {
        self.hops.phones_tick = None;
        let agents: Vec<AgentId> = self.hops.phones.keys().cloned().collect();
        for agent in agents {
            // Whoever has left the directory has no overlay that could end.
            if !self.agents.has_overlay(&agent, Overlay::PhoneDown) {
                self.hops.phones.remove(&agent);
            } else if let Some((target, name)) = self.phone_of(&agent) {
                self.hops.phones.insert(agent, target);
                self.probe(target, name);
            }
        }
        self.watch_phones();
    }

    fn watch_phones(&mut self) {
        if self.hops.phones_tick.is_some() || self.hops.phones.is_empty() {
            return;
        }
        let after = (self.settings.phone_rest / ASKED_WHILE_RESTING).max(ASK_AT_MOST_EVERY);
        self.hops.phones_tick = Some(self.timers.insert(self.now.moment + after, Alarm::PhonesSilent));
    }

    /// Where the phone of an agent is, as far as that is known without asking.
    fn phone_of(&mut self, agent: &AgentId) -> Option<(Target, Option<Arc<str>>)> {
        let directory = Arc::clone(&self.directory);
        let hop = self.hop_of(directory.agents.get(agent)?.contact.as_bytes());
        let name = hop.server_name();
        let target = match hop {
            NextHop::Address(target) => Some(target),
            NextHop::Name { protocol, host, port } => {
                let key = super::names::NameKey { host, port, protocol };
                self.known_name(&key).and_then(|targets| targets.first().copied())
            }
            NextHop::Unroutable => None,
        };
        target.map(|target| (target, name))
    }

    /// The agent and the teams they belong to.
    pub(super) fn audience_of(&self, agent: &AgentId) -> Vec<Audience> {
        let groups = self.directory.agents.get(agent).map(|entry| entry.groups.iter().cloned());
        let teams = groups.into_iter().flatten().map(Audience::Team);
        std::iter::once(Audience::Agent(agent.clone())).chain(teams).collect()
    }
}
