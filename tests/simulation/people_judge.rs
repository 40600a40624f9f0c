//! What must always hold for people: offers, pops, conversations and records.

use std::collections::{BTreeMap, BTreeSet};

use toritsugi::events::{Audience, CallRecord, EndReason, Event, EventBody, WithdrawCause};
use toritsugi::presence::{AgentId, CallId, PresenceDocument};

/// How far a pop is on one agent's screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pop {
    Offered,
    /// The phone answered, or the agent's key was pressed and the phone answered.
    Talking,
    Withdrawn,
    Missed,
    Closed,
}

#[derive(Debug)]
struct Card {
    pop: Pop,
    rev: u32,
    since: u64,
    /// Somebody else had it.
    lost: bool,
}

/// What an agent is doing.
#[derive(Debug, Default)]
struct Doing {
    talking: Vec<CallId>,
    wrapping: Option<CallId>,
}

/// All that is remembered of people.
#[derive(Debug, Default)]
pub struct People {
    cards: BTreeMap<(CallId, AgentId), Card>,
    doing: BTreeMap<AgentId, Doing>,
    /// Calls that an agent's phone answered after the offer had ended.
    late: BTreeSet<(CallId, AgentId)>,
    /// Agents with a screen that does not answer, or a phone out of service.
    overlaid: BTreeSet<AgentId>,
    pub records: BTreeMap<String, CallRecord>,
    pub faults: Vec<(&'static str, CallId, String)>,
    /// Several are rung at once: who lost to a key may be rung again.
    pub ring_all: bool,
    /// Microseconds an offer may last.
    pub offer_limit: u64,
}

impl People {
    pub fn on_event(&mut self, now: u64, event: &Event) {
        if let EventBody::PresenceChanged(document) = &event.body {
            if document.overlays.is_empty() {
                self.overlaid.remove(&document.agent);
            } else {
                self.overlaid.insert(document.agent.clone());
            }
        }
        let Some(call) = event.call.clone() else { return };
        let agent = event.audience.iter().find_map(|audience| match audience {
            Audience::Agent(agent) => Some(agent.clone()),
            Audience::Team(_) | Audience::Board(_) | Audience::Admin => None,
        });
        let Some(agent) = agent else { return };
        let key = (call.clone(), agent.clone());
        // What is no change of the card carries no revision.
        let rev = event.rev.unwrap_or_else(|| self.cards.get(&key).map_or(0, |card| card.rev));
        if let Some(card) = self.cards.get_mut(&key) {
            if rev < card.rev {
                self.faults.push(("I11", call.clone(), format!("rev falls from {} to {rev}", card.rev)));
            }
            card.rev = rev;
        }
        let Some(next) = self.next(now, &key, &event.body) else { return };
        if let Some(card) = self.cards.get_mut(&key) {
            card.pop = next;
            if matches!(event.body, EventBody::PopOffered { .. }) {
                card.since = now;
            }
            if let EventBody::PopWithdrawn { cause } = event.body {
                card.lost = cause == WithdrawCause::AnsweredElsewhere;
            }
        } else {
            self.cards.insert(key, Card { pop: next, rev, since: now, lost: false });
        }
    }

    /// What the event makes of the card; notes what it may not make of it.
    fn next(&mut self, now: u64, key: &(CallId, AgentId), body: &EventBody) -> Option<Pop> {
        let (call, agent) = key;
        let before = self.cards.get(key).map(|card| card.pop);
        let (may, next) = match body {
            EventBody::PopOffered { pop, .. } => {
                self.offered(key);
                // Once to each agent, and again only to whoever asked for a caller who waits.
                let lost = self.ring_all && self.cards.get(key).is_some_and(|card| card.lost);
                let again =
                    (lost || pop.offer.reason == "retrieved") && !matches!(before, Some(Pop::Talking));
                (before.is_none() || again, Some(Pop::Offered))
            }
            EventBody::PopEnriched { .. } | EventBody::PopUpdated { .. } => {
                (matches!(before, Some(Pop::Offered | Pop::Talking)), before)
            }
            EventBody::PopClaimed { .. } | EventBody::PopTaken { .. } | EventBody::CallRinging => {
                (matches!(before, Some(Pop::Offered)), before)
            }
            EventBody::CallAnswered { .. } => {
                self.doing.entry(agent.clone()).or_default().talking.push(call.clone());
                // The phone may answer when the offer is over already; the caller is then connected with it.
                let may = before.is_some_and(|pop| pop != Pop::Talking);
                if before == Some(Pop::Offered) {
                    return self.may(may, key, before, body, Some(Pop::Talking));
                }
                self.late.insert(key.clone());
                (may, before)
            }
            EventBody::PopWithdrawn { .. } => {
                self.ends_in_time(now, key);
                (matches!(before, Some(Pop::Offered)), Some(Pop::Withdrawn))
            }
            EventBody::PopMissed => (matches!(before, Some(Pop::Withdrawn)), Some(Pop::Missed)),
            EventBody::PopClosed => {
                let talked = self.late.contains(key);
                (talked || matches!(before, Some(Pop::Offered | Pop::Talking)), Some(Pop::Closed))
            }
            EventBody::CallEnded { .. } => {
                self.doing.entry(agent.clone()).or_default().talking.retain(|it| it != call);
                (before.is_some(), before)
            }
            EventBody::WrapupStarted { .. } => {
                let before_it = self.doing.entry(agent.clone()).or_default().wrapping.replace(call.clone());
                if let Some(other) = before_it {
                    let what = format!("{agent} begins wrap-up while that of {other} runs");
                    self.faults.push(("I11", call.clone(), what));
                }
                (before.is_some(), before)
            }
            EventBody::WrapupOverdue => (before.is_some(), before),
            EventBody::WrapupDone => {
                self.doing.entry(agent.clone()).or_default().wrapping = None;
                (before.is_some(), before)
            }
            EventBody::CallAbandoned { .. }
            | EventBody::CallHeld
            | EventBody::CallResumed { .. }
            | EventBody::HoldWarning { .. }
            | EventBody::HoldExceeded { .. }
            | EventBody::CallbackCreated(_)
            | EventBody::CallbackDue(_)
            | EventBody::CallbackDone(_)
            | EventBody::CallbackFailed(_)
            | EventBody::CallParked(_)
            | EventBody::CallRetrieved { .. }
            | EventBody::ParkWarning { .. }
            | EventBody::PresenceStale { .. }
            | EventBody::PresenceReturnDue { .. }
            | EventBody::TransferStarted(_)
            | EventBody::TransferDone(_)
            | EventBody::TransferFailed(_)
            | EventBody::TransferRefused(_)
            | EventBody::RingSla { .. }
            | EventBody::AlertRaised(_)
            | EventBody::MatchChosen { .. }
            | EventBody::NoticeAcked { .. }
            | EventBody::PresenceChanged(_)
            | EventBody::SystemDegraded { .. }
            | EventBody::SystemRecovered { .. } => return None,
        };
        self.may(may, key, before, body, next)
    }

    fn may(
        &mut self,
        may: bool,
        key: &(CallId, AgentId),
        before: Option<Pop>,
        body: &EventBody,
        next: Option<Pop>,
    ) -> Option<Pop> {
        if !may {
            self.faults.push(("I11", key.0.clone(), format!("{} when {before:?}", name_of(body))));
        }
        next
    }

    fn offered(&mut self, key: &(CallId, AgentId)) {
        let (call, agent) = key;
        if self.overlaid.contains(agent) {
            self.faults.push(("I6", call.clone(), format!("{agent} is offered it under an overlay")));
        }
        let open = self
            .cards
            .iter()
            .find(|((_, other), card)| other == agent && card.pop == Pop::Offered)
            .map(|((other, _), _)| other.clone());
        if let Some(other) = open {
            self.faults.push(("I6", call.clone(), format!("{agent} has the offer of {other} already")));
        }
        let doing = self.doing.entry(agent.clone()).or_default();
        if let Some(other) = doing.talking.first() {
            self.faults.push(("I6", call.clone(), format!("{agent} is offered it while talking in {other}")));
        }
        if let Some(other) = &doing.wrapping {
            self.faults.push((
                "I6",
                call.clone(),
                format!("{agent} is offered it in the wrap-up of {other}"),
            ));
        }
    }

    fn ends_in_time(&mut self, now: u64, key: &(CallId, AgentId)) {
        let Some(card) = self.cards.get(key) else { return };
        let lasted = now - card.since;
        if lasted > self.offer_limit + 1_000_000 {
            self.faults.push(("I7", key.0.clone(), format!("the offer lasted {lasted} µs")));
        }
    }

    /// What the agent's presence must say after all that was told: a call, a record, an offer or nothing.
    pub fn state_of(&self, agent: &AgentId) -> &'static str {
        let doing = self.doing.get(agent);
        let offered = self.cards.iter().any(|((_, other), card)| other == agent && card.pop == Pop::Offered);
        if doing.is_some_and(|doing| !doing.talking.is_empty()) {
            "on_call"
        } else if doing.is_some_and(|doing| doing.wrapping.is_some()) {
            "wrap_up"
        } else if offered {
            "offered"
        } else {
            "idle"
        }
    }

    pub fn compare(&mut self, document: &PresenceDocument) {
        let told = self.state_of(&document.agent);
        let state = match document.state.as_str() {
            "reserved" | "ringing" => "offered",
            other => other,
        };
        // Answered in the moment the caller gave up: on call until the BYE, without a card (D10).
        let crossed = state == "on_call"
            && document.call.as_ref().is_some_and(|call| {
                let card = self.cards.get(&(call.clone(), document.agent.clone()));
                card.is_some_and(|card| !matches!(card.pop, Pop::Offered | Pop::Talking))
            });
        if told != state && !(crossed && told == "idle") {
            let what = format!("{} is {state}, and by what was told {told}", document.agent);
            self.faults.push(("I6", CallId::new(""), what));
        }
    }

    /// Agents whose screen was told of the call.
    pub fn pops_of(&self, call: &CallId) -> usize {
        self.cards.keys().filter(|(other, _)| other == call).count()
    }

    pub fn on_record(&mut self, record: &CallRecord) {
        let before = self.records.insert(record.sip_call_id.clone(), record.clone());
        if before.is_some() {
            self.faults.push(("I10", record.id.clone(), "a second record".to_owned()));
        }
        let ended = record.ended_at.unwrap_or(record.started_at);
        let answered = record.answered_at.unwrap_or(record.started_at);
        if record.started_at > answered || answered > ended {
            self.faults.push(("I10", record.id.clone(), "start <= answer <= end does not hold".to_owned()));
        }
        let talked = ended.duration_since(answered).as_secs();
        if record.answered_at.is_some() && talked.abs_diff(record.talk_s.cast_signed()) > 1 {
            self.faults.push(("I10", record.id.clone(), format!("talk {} s, not {talked}", record.talk_s)));
        }
        let answered = record.answered_at.is_some();
        let may = match record.end_reason {
            Some(EndReason::Completed | EndReason::Lost) => answered,
            // An answer that crossed the CANCEL (D10); the records are held against what the caller did.
            Some(EndReason::Abandoned | EndReason::Failed) => true,
            Some(EndReason::Rejected | EndReason::Callback) => !answered,
            None => false,
        };
        if !may {
            let what = format!("{:?}, answered: {answered}", record.end_reason);
            self.faults.push(("I10", record.id.clone(), what));
        }
    }

    /// Nothing more will happen: every card is away.
    pub fn run_is_over(&mut self) {
        for ((call, agent), card) in &self.cards {
            if matches!(card.pop, Pop::Offered | Pop::Talking) {
                let what = format!("the pop of {agent} stays {:?} for ever", card.pop);
                self.faults.push(("I11", call.clone(), what));
            }
        }
        for (agent, doing) in &self.doing {
            for call in doing.talking.iter().chain(&doing.wrapping) {
                self.faults.push(("I16", call.clone(), format!("{agent} is held by it for ever")));
            }
        }
    }
}

pub fn name_of(body: &EventBody) -> String {
    if let EventBody::PopOffered { offer, announce, .. } = body {
        return format!("pop.offered {offer} {announce}");
    }
    if let EventBody::PopEnriched { members, .. } = body {
        return format!("pop.enriched {members:?}");
    }
    if let EventBody::PopUpdated { members, .. } = body {
        return format!("pop.updated {members:?}");
    }
    if let EventBody::PresenceChanged(document) = body {
        return format!("presence {} {} {}", document.agent, document.status, document.state);
    }
    format!("{body:?}")
}
