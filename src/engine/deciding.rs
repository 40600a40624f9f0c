//! Deciding about a call: the facts, what is kept of them, and what a decision brings beside an offer.

use std::sync::Arc;

use super::Engine;
use super::call::{Call, CustomerState, Phase};
use super::forwarding::Rewrite;
use super::people::BOARD;
use super::tables::CallKey;
use crate::customer::LookupFault;
use crate::events::{Audience, EventBody};
use crate::identity::Presentation;
use crate::message::Uri;
use crate::proxy::NextHop;
use crate::routing::{
    Abilities, Alert, Background, CustomerFact, Decision, Extras, Facts, Inabilities, MayWait, OpenFacts,
    Snapshot, calls_within, decide, or_wait,
};

impl Engine {
    /// Notes that somebody calls, so that rules can count (M076).
    pub(super) fn note_caller(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        if let Some(e164) = e164_of(entry).filter(|_| entry.line.is_some()) {
            self.memory.called(e164, entry.began_at, self.settings.callers);
        }
    }

    /// Decides where the call goes now, and keeps the decision with what the first one knew.
    pub(super) fn make_decision(&mut self, call: CallKey) -> Option<Decision> {
        let entry = self.tables.calls.get(call)?;
        let e164 = e164_of(entry);
        let open = self.open_facts(entry);
        let may_wait = self.may_wait(call);
        let asked = !self.directory.rules.rules.is_empty();
        let (can, cannot) = self.abilities(entry, may_wait, asked);
        let now = self.now.moment;
        let over = entry.patience.iter().filter(|(_, until)| **until <= now);
        let waited: Vec<String> = over.map(|(rule, _)| rule.clone()).collect();
        let queues = (asked && self.lot.in_line() > 0).then(|| self.lot.queues(call));
        let facts = Facts {
            at: self.now.wall,
            called: &entry.called,
            line: entry.line.as_deref(),
            emergency: entry.emergency,
            presentation: &entry.caller.presentation,
            customer: customer_fact(&entry.customer),
            agents: (&self.agents).into(),
            directory: &self.directory,
            tried: &entry.tried,
            background: Background {
                zone: Some(&self.settings.time_zone),
                open: Some(&open),
                history: e164.map_or(&[], |e164| self.memory.calls_of(e164)),
                queues: queues.as_ref(),
                loads: Some(self.memory.loads()),
                can,
                cannot,
                waited: &waited,
            },
        };
        let per_s = self.settings.record_facts_per_s;
        let kept = entry.decisions.is_empty() && per_s > 0 && self.recorded.allow(self.now.moment, per_s);
        let snapshot = if kept { Snapshot::of(&facts).map(Arc::new) } else { None };
        let mut decision = or_wait(&facts, may_wait, decide(&facts));
        let entry = self.tables.calls.get_mut(call)?;
        decision.trace.splice(0..0, entry.asides.drain(..));
        entry.facts = snapshot.or(entry.facts.take());
        Some(decision)
    }

    /// What can be done with this call beside offering it to one agent, and else why not. Only rules ring
    /// several at once.
    fn abilities(&self, entry: &Call, may_wait: MayWait, rules: bool) -> (Abilities, Inabilities) {
        let park = match may_wait {
            MayWait::Yes => None,
            MayWait::No(why) => Some(why),
            MayWait::Never => Some("nobody may wait"),
        };
        let callback = self.may_call_back(entry).err();
        let (at_once, ring_all) = if rules { self.at_once(entry) } else { (1, None) };
        let can = Abilities { park: park.is_none(), callback: callback.is_none(), at_once };
        (can, Inabilities { park, callback, ring_all })
    }

    /// What is unfinished with the customer. Cases and dispatches are not recorded yet.
    pub(super) fn open_facts(&self, call: &Call) -> OpenFacts {
        let last_agent = e164_of(call).and_then(|e164| self.memory.last_agent(e164));
        // Who has left the house is no longer anybody's.
        let last_agent = last_agent.filter(|agent| self.directory.agents.contains_key(agent));
        let callback = !self.callbacks_of(call).is_empty();
        OpenFacts { last_agent: last_agent.cloned(), callback, ..OpenFacts::default() }
    }

    /// What rules add to the present decision about a call.
    pub(super) fn extras_of(call: &Call) -> Option<&Extras> {
        call.decisions.last().map(|decision| &decision.extras)
    }

    /// How often the caller has called, when that makes them a frequent one (M076), and in how many hours.
    pub(super) fn frequent(&self, call: &Call) -> Option<(u32, u32)> {
        let frequent = self.directory.rules.frequent;
        let calls = calls_within(self.memory.calls_of(e164_of(call)?), self.now.wall, frequent.within_h);
        (calls >= frequent.calls).then_some((calls, frequent.within_h))
    }

    /// Tells the supervisors what a decision wants them to know, each once for a call (M030).
    pub(super) fn raise_alerts(&mut self, call: CallKey, alerts: &[Alert]) {
        // Events are made only for readers; who comes later hears of it at the next decision.
        let heard = if self.listening { alerts } else { &[] };
        for alert in heard {
            let Some(entry) = self.tables.calls.get_mut(call) else { return };
            if !entry.alerted.insert(alert.clone()) {
                continue;
            }
            self.counters.alerts += 1;
            let group = entry.line.as_ref().and_then(|line| line.group.clone());
            let mut audience: Vec<Audience> = group.map(Audience::Team).into_iter().collect();
            audience.push(Audience::Board(BOARD.to_owned()));
            self.push_event(call, None, audience, None, EventBody::AlertRaised(alert.clone()));
        }
    }

    /// Whoever answered has had one more call, and is who talked with the caller last.
    pub(super) fn note_answer(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let Phase::Answered(conversation) = &entry.phase else { return };
        let Some(agent) = &conversation.agent else { return };
        let day = self.settings.time_zone.to_datetime(self.now.wall).date();
        self.memory.answered(agent, day);
        if let Some(e164) = e164_of(entry) {
            self.memory.talked(e164, agent);
        }
    }

    /// A rule refuses the call.
    pub(super) fn refuse_by_rule(&mut self, call: CallKey, status: u16) {
        let Some(context) = self.tables.calls.get(call).and_then(|entry| entry.phase.context()) else {
            return;
        };
        self.counters.refused_by_rule += 1;
        self.answer_upstream(context, status);
    }

    /// A rule sends the call elsewhere: to a SIP URI, or with another number to the default route. A URI that
    /// leads nowhere or back to us is no reason to lose the call: it goes by the default route.
    pub(super) fn forward_by_rule(&mut self, call: CallKey, to: &str) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let id = entry.id.clone();
        let Some(context) = entry.phase.context() else { return };
        let Some((from, request)) =
            self.tables.contexts.get(context).map(|entry| (entry.from, Arc::clone(&entry.request)))
        else {
            return;
        };
        let is_uri = to.starts_with("sip:") || to.starts_with("sips:");
        let request_uri = if is_uri { Some(to.to_owned()) } else { with_user(request.request_uri(), to) };
        let hops =
            if is_uri { [self.hop_of(to.as_bytes())].into() } else { self.initial_hops(from, &request) };
        let unroutable = matches!(hops.front(), Some(NextHop::Unroutable) | None);
        let (Some(request_uri), false) = (request_uri, unroutable) else {
            tracing::warn!(call.id = %id, "a rule forwards to where nothing can be sent");
            return self.route_default(call);
        };
        self.counters.forwarded_by_rule += 1;
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.phase = Phase::DefaultRouted(context);
        }
        self.remember_round(call);
        let rewrite =
            Rewrite { request_uri: Some(request_uri.into()), ..self.initial_rewrite(from, &request) };
        self.send_onward(call, context, hops, rewrite);
    }
}

/// The calling number, when there is one that identifies somebody.
fn e164_of(call: &Call) -> Option<&str> {
    match &call.caller.presentation {
        Presentation::Number(number) => number.e164.as_deref(),
        Presentation::Withheld
        | Presentation::Payphone
        | Presentation::OutOfArea
        | Presentation::ServiceConflict
        | Presentation::Error => None,
    }
}

/// A SIP URI with another user part.
pub(super) fn with_user(uri: &[u8], user: &str) -> Option<String> {
    Uri::parse(uri).ok()?;
    let text = std::str::from_utf8(uri).ok()?;
    let (scheme, rest) = text.split_once(':')?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    matches!(scheme, "sip" | "sips").then(|| format!("{scheme}:{user}@{host}"))
}

/// What the decision may know of the customer.
fn customer_fact(state: &CustomerState) -> CustomerFact<'_> {
    match state {
        CustomerState::NotAsked => CustomerFact::NotLookedUp("not_asked"),
        CustomerState::Waiting => CustomerFact::NotLookedUp("waiting"),
        CustomerState::Failed(LookupFault::Deadline) => CustomerFact::NotLookedUp("deadline"),
        CustomerState::Failed(LookupFault::Down) => CustomerFact::NotLookedUp("down"),
        CustomerState::Failed(LookupFault::Overloaded) => CustomerFact::NotLookedUp("overloaded"),
        CustomerState::Found { cards, .. } => match cards.as_slice() {
            [] => CustomerFact::None,
            [card] => CustomerFact::One(card),
            several => CustomerFact::Several(several),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_number_takes_the_place_of_the_called_one() {
        for (uri, forwarded) in [
            ("sip:0120123456@192.0.2.1:5060;user=phone", Some("sip:0311112222@192.0.2.1:5060;user=phone")),
            ("sip:192.0.2.1", Some("sip:0311112222@192.0.2.1")),
            ("tel:+81120123456", None),
        ] {
            assert_eq!(with_user(uri.as_bytes(), "0311112222").as_deref(), forwarded);
        }
    }
}
