//! Drawing the card: from what is known of a call to what the agent's screen shows.

use std::sync::Arc;

use super::Engine;
use super::call::{Call, CustomerState, Phase};
use super::tables::CallKey;
use crate::callback::Callback;
use crate::customer::{
    ComplaintLevel, CustomerCard, LookupFault, Match, complaint_level, family_name, match_cards,
};
use crate::events::{
    AssigneeInfo, CallerInfo, Candidate, CustomerInfo, DialledInfo, EventBody, FlagInfo, MatchInfo,
    MatchLevel, NoticeInfo, OfferInfo, OpenItems, PopDocument, Sources, callback_in_short,
};
use crate::guidance::{AbsentAssignee, Cause, GuidanceFacts, LineWords, Person, SpeechContext, Step};
use crate::identity::{Presentation, Quality, label};
use crate::presence::{AgentId, AgentState, WhyNot};
use crate::routing::rules::WhyAssignee;
use crate::routing::{Action, Agent, MayWait, OfferReason, assignee_of};

/// What the agent may do with an offered call.
const ACTIONS: [&str; 3] = ["claim", "take", "decline"];

/// Open callbacks on a card.
const OPEN_CALLBACKS: usize = 10;

/// Why a card is drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redraw {
    /// Late data came.
    Enriched,
    /// Somebody changed it.
    Updated,
}

impl Engine {
    /// The card of a call for one agent, beside whom so many others are rung.
    pub(super) fn pop_for(
        &self,
        call: CallKey,
        agent: &AgentId,
        reason: OfferReason,
        rule: &str,
        beside: usize,
    ) -> PopDocument {
        let entry = &self.tables.calls[call];
        let others = entry.line.as_ref().and_then(|line| line.group.as_ref()).map_or(0, |group| {
            self.directory
                .agents
                .values()
                .filter(|other| other.groups.contains(group) && !entry.tried.contains(&other.id))
                .filter(|other| self.agents.offerable(&other.id).is_ok())
                .count()
        });
        self.draw(
            entry,
            agent,
            OfferInfo {
                reason: reason.code().to_owned(),
                rule: rule.to_owned(),
                ring_limit_s: self.settings.answer_within.as_secs(),
                others: others + beside,
                via: entry.passed.as_ref().and_then(|passed| passed.via.clone()),
            },
        )
    }

    fn draw(&self, call: &Call, agent: &AgentId, offer: OfferInfo) -> PopDocument {
        let card = call.customer.card();
        let looks_after = self.looks_after(call);
        let absent = looks_after.as_ref().and_then(|(id, _)| self.absent_assignee(id, agent));
        let assignee = looks_after.as_ref().and_then(|it| self.assignee_of(it, card, absent.as_ref()));
        let mut guidance = self.settings.templates.compose(&self.guidance_facts(call, card, agent, absent));
        guidance.steps.extend(rule_steps(call));
        PopDocument {
            offer,
            caller: caller_info(call),
            dialled: self.dialled_info(call),
            matched: match_info(&call.customer),
            notices: card.map_or_else(Vec::new, |card| notices_of(call, card)),
            flags: self.flags_of(call, card),
            assignee,
            contacts: card.map_or_else(Vec::new, |card| card.contacts.clone()),
            open: OpenItems { callbacks: self.open_callback_items(call), ..OpenItems::default() },
            guidance,
            actions: self.actions_of(call),
            transfer: self.transfer_info(call, agent),
            sources: sources_of(&call.customer),
        }
    }

    /// What the agent may do with the call; waiting only where this caller may.
    fn actions_of(&self, call: &Call) -> Vec<String> {
        let key = self.tables.call_by_bits(call.bits);
        let park = key.is_some_and(|key| self.may_wait(key) == MayWait::Yes);
        ACTIONS.into_iter().chain(park.then_some("park")).map(str::to_owned).collect()
    }

    fn guidance_facts<'a>(
        &'a self,
        call: &'a Call,
        card: Option<&'a CustomerCard>,
        agent: &AgentId,
        absent: Option<AbsentAssignee<'a>>,
    ) -> GuidanceFacts<'a> {
        GuidanceFacts {
            now: self.now.wall,
            zone: &self.settings.time_zone,
            agent: self.directory.agents.get(agent).map(person_of),
            line: call.line.as_deref().map(|line| LineWords {
                client: &line.client,
                greeting_ja: line.greeting_ja.as_deref(),
                greeting_en: line.greeting_en.as_deref(),
            }),
            customer: card.map(|card| Person { name: &card.name, kana: card.kana.as_deref() }),
            absent,
            speech: speech_of(card),
        }
    }

    /// The assignee, when they cannot take the call and somebody else is asked.
    fn absent_assignee(&self, id: &AgentId, asked: &AgentId) -> Option<AbsentAssignee<'_>> {
        let agent = self.directory.agents.get(id).filter(|_| id != asked)?;
        self.agents.offerable(id).err()?;
        let document = self.agents.document(id, self.now)?;
        let (stored, state) = (self.agents.stored(id)?, self.agents.state(id)?);
        Some(AbsentAssignee {
            person: person_of(agent),
            role: agent.role,
            cause: Cause::observe(&stored.status, &state).unwrap_or(Cause::OfflineUnknown),
            until: document.until,
            next_start: document.next_start,
            successor: None,
        })
    }

    /// What the customer still waits for, the oldest first.
    fn open_callback_items(&self, call: &Call) -> Vec<serde_json::Value> {
        let name = |callback: &Callback| {
            let agent = self.directory.agents.get(callback.person.as_ref()?)?;
            Some(family_name(&agent.name).to_owned())
        };
        let open = self.callbacks_of(call).into_iter().take(OPEN_CALLBACKS);
        open.map(|callback| callback_in_short(callback, name(callback).as_deref(), self.now.wall)).collect()
    }

    /// Who looks after the customer, unless a rule protects them: then they are not named (M077).
    pub(super) fn looks_after(&self, call: &Call) -> Option<(AgentId, WhyAssignee)> {
        if Self::extras_of(call).is_some_and(|extras| extras.protected) {
            return None;
        }
        let open = self.open_facts(call);
        let order = &self.directory.rules.assignee_order;
        assignee_of(order, call.customer.card(), Some(&open)).map(|(agent, why)| (agent.clone(), why))
    }

    /// The customer's flags, and what the call itself shows: a frequent caller (M076), a protected agent
    /// (M077).
    fn flags_of(&self, call: &Call, card: Option<&CustomerCard>) -> Vec<FlagInfo> {
        let plain = |code: &str| FlagInfo {
            code: code.to_owned(),
            level: None,
            since: None,
            count: None,
            window_h: None,
        };
        let mut flags: Vec<FlagInfo> = card
            .into_iter()
            .flat_map(|card| &card.flags)
            .map(|flag| FlagInfo { level: flag.level, since: flag.since.clone(), ..plain(&flag.code) })
            .collect();
        if let Some((count, window_h)) = self.frequent(call) {
            flags.push(FlagInfo { count: Some(count), window_h: Some(window_h), ..plain("frequent") });
        }
        if Self::extras_of(call).is_some_and(|extras| extras.protected) {
            flags.push(plain("protected"));
        }
        flags
    }

    /// Who looks after the customer, and whether they are there.
    fn assignee_of(
        &self,
        (id, why): &(AgentId, WhyAssignee),
        card: Option<&CustomerCard>,
        absent: Option<&AbsentAssignee<'_>>,
    ) -> Option<AssigneeInfo> {
        let agent = self.directory.agents.get(id)?;
        let spoken = absent.map(|absent| self.settings.templates.spoken_of(absent, speech_of(card)).clone());
        let state = match (absent, self.agents.offerable(id)) {
            (None, _) | (Some(_), Ok(())) => "available",
            (Some(_), Err(WhyNot::OnCall | WhyNot::Offered | WhyNot::WrapUp)) => "busy",
            (Some(_), Err(_)) => "absent",
        };
        Some(AssigneeInfo {
            id: id.clone(),
            name: family_name(&agent.name).to_owned(),
            role: agent.role,
            state: state.to_owned(),
            reason: absent.and_then(|_| self.agents.effective_reason(id)).map(|reason| reason.to_string()),
            spoken: spoken.as_ref().map(|spoken| spoken.ja.clone()),
            spoken_en: spoken.map(|spoken| spoken.en),
            until: absent.and_then(|absent| absent.until),
            next_start: absent.and_then(|absent| absent.next_start),
            why_assignee: why.code().to_owned(),
        })
    }

    pub(super) fn dialled_info(&self, call: &Call) -> DialledInfo {
        let line = call.line.as_deref();
        DialledInfo {
            number: line.map_or_else(|| call.called.clone(), |line| line.number.clone()),
            client: line.map_or_else(String::new, |line| line.client.clone()),
            client_name: line.map_or_else(String::new, |line| line.client.clone()),
        }
    }

    /// The card on this agent's screen, while there is one.
    pub(super) fn pop_of(&self, call: CallKey, agent: &AgentId) -> Option<Arc<PopDocument>> {
        let phase = &self.tables.calls.get(call)?.phase;
        let held = match phase {
            Phase::Answered(conversation) if conversation.agent.as_ref() == Some(agent) => {
                conversation.pop.clone()
            }
            Phase::Offered(..) => phase.offer_to(agent).and_then(|offer| offer.pop.clone()),
            Phase::Answered(_)
            | Phase::Deciding(_)
            | Phase::DefaultRouted(_)
            | Phase::Abandoned(_)
            | Phase::Over(_) => None,
        };
        // Who passed it on still writes it up.
        let wrapping = || self.wrapping.get(agent).filter(|card| card.call == call);
        held.or_else(|| wrapping().and_then(|card| card.pop.clone()))
    }

    /// Late data came: the card is drawn again wherever it stands.
    pub(super) fn enrich(&mut self, call: CallKey) {
        self.redraw(call, Redraw::Enriched);
    }

    /// Draws the card again on every screen that has it, and tells which members changed; returns the
    /// revision of the call.
    pub(super) fn redraw(&mut self, call: CallKey, why: Redraw) -> Option<u32> {
        let drawn = self.holders_of(call).into_iter().filter_map(|agent| self.redraw_for(call, agent, why));
        drawn.max()
    }

    fn redraw_for(&mut self, call: CallKey, agent: AgentId, why: Redraw) -> Option<u32> {
        let before = self.pop_of(call, &agent)?;
        let pop = self.draw(&self.tables.calls[call], &agent, before.offer.clone());
        let members = changed_members(&before, &pop);
        if members.is_empty() {
            return self.rev_of(call, &agent);
        }
        let pop = Arc::new(pop);
        self.keep_pop(call, &agent, &pop);
        let rev = self.next_rev(call);
        let body = match why {
            Redraw::Enriched => EventBody::PopEnriched { pop, members },
            Redraw::Updated => EventBody::PopUpdated { pop, members },
        };
        self.tell_agent_rev(call, &agent, rev, None, body);
        Some(rev)
    }

    /// A screen came while a call of its agent was under way whose card was not drawn, as nobody read cards
    /// then: the screen gets it now, with where it stands.
    pub(super) fn show_missed_card(&mut self, agent: &AgentId) {
        let call = match self.agents.state(agent) {
            Some(
                AgentState::Reserved(call, _)
                | AgentState::Ringing(call, _)
                | AgentState::OnCall(call)
                | AgentState::WrapUp(call, _),
            ) => call,
            Some(AgentState::Idle) | None => return,
        };
        let Some(key) = self.tables.call_by_id(&call).filter(|key| self.pop_of(*key, agent).is_none()) else {
            return;
        };
        let Some(entry) = self.tables.calls.get_mut(key) else { return };
        let offered = entry.offers.iter().rev().find(|(_, to)| to == agent).map(|(offer, _)| offer.clone());
        // What was told, and is over on the screens, does not begin again there.
        let offered = offered.filter(|offer| entry.untold.contains(offer));
        entry.untold.retain(|offer| Some(offer) != offered.as_ref());
        let reason = entry.decisions.iter().rev().find_map(|decision| match &decision.action {
            Action::Offer { agent: to, beside, reason } if to == agent || beside.contains(agent) => {
                Some((*reason, decision.rule.clone()))
            }
            Action::Offer { .. }
            | Action::Untouched
            | Action::Wait { .. }
            | Action::DefaultRoute { .. }
            | Action::Forward { .. }
            | Action::Reject { .. }
            | Action::Park(_)
            | Action::Callback => None,
        });
        let (Some(offer), Some((reason, rule))) = (offered, reason) else { return };
        let present = entry.phase.offer_to(agent).map(|offer| (offer.rev, Some(offer.expires_at)));
        let (rev, expires) = present.unwrap_or((entry.rev, None));
        let beside = entry.phase.offers().count().saturating_sub(1);
        let pop = Arc::new(self.pop_for(key, agent, reason, &rule, beside));
        self.keep_pop(key, agent, &pop);
        self.tell_agent_rev(key, agent, rev, expires, EventBody::PopOffered { offer, announce: false, pop });
        match self.agents.state(agent) {
            Some(AgentState::OnCall(_)) => {
                let rev = self.next_rev(key);
                self.tell_agent_rev(key, agent, rev, None, EventBody::PopTaken { by: agent.clone() });
                self.tell_agent(key, agent, None, EventBody::CallAnswered { by: agent.clone() });
            }
            Some(AgentState::WrapUp(_, until)) => {
                self.tell_agent(key, agent, None, EventBody::WrapupStarted { until });
            }
            Some(AgentState::Idle | AgentState::Reserved(..) | AgentState::Ringing(..)) | None => {}
        }
    }

    /// A notice was confirmed: the card says so, without an event of its own (`notice.acked` told it).
    pub(super) fn mark_notices(&mut self, call: CallKey) {
        for agent in self.holders_of(call) {
            let Some(before) = self.pop_of(call, &agent) else { continue };
            let mut pop = (*before).clone();
            if let Some(entry) = self.tables.calls.get(call) {
                for notice in &mut pop.notices {
                    notice.ack = ack_word(entry, &notice.id).to_owned();
                }
            }
            self.keep_pop(call, &agent, &Arc::new(pop));
        }
    }

    fn keep_pop(&mut self, call: CallKey, agent: &AgentId, pop: &Arc<PopDocument>) {
        match self.tables.calls.get_mut(call).map(|entry| &mut entry.phase) {
            Some(phase @ Phase::Offered(..)) => {
                if let Some(offer) = phase.offer_to_mut(agent) {
                    offer.pop = Some(Arc::clone(pop));
                }
            }
            Some(Phase::Answered(conversation)) => conversation.pop = Some(Arc::clone(pop)),
            Some(Phase::Over(_)) => {
                if let Some(card) = self.wrapping.get_mut(agent) {
                    card.pop = Some(Arc::clone(pop));
                }
            }
            Some(Phase::Deciding(_) | Phase::DefaultRouted(_) | Phase::Abandoned(_)) | None => {}
        }
    }

    /// Whose screens show the call.
    pub(super) fn holders_of(&self, call: CallKey) -> Vec<AgentId> {
        let Some(entry) = self.tables.calls.get(call) else { return Vec::new() };
        match &entry.phase {
            Phase::Offered(_, offers) => offers.iter().map(|offer| offer.agent.clone()).collect(),
            Phase::Answered(conversation) => conversation.agent.iter().cloned().collect(),
            Phase::Over(_) => self.wrapping_of(call).map(|(agent, _)| agent.clone()).into_iter().collect(),
            Phase::Deciding(_) | Phase::DefaultRouted(_) | Phase::Abandoned(_) => Vec::new(),
        }
    }
}

fn person_of(agent: &Agent) -> Person<'_> {
    Person { name: &agent.name, kana: agent.kana.as_deref() }
}

/// Which wording the customer's flags allow.
fn speech_of(card: Option<&CustomerCard>) -> SpeechContext {
    SpeechContext {
        complaint: card.map_or(ComplaintLevel::None, |card| complaint_level(&card.flags)),
        ..SpeechContext::default()
    }
}

pub(super) fn caller_info(call: &Call) -> CallerInfo {
    let presentation = &call.caller.presentation;
    let (number, labels) = match presentation {
        Presentation::Number(number) => (Some(number), None),
        Presentation::Withheld
        | Presentation::Payphone
        | Presentation::OutOfArea
        | Presentation::ServiceConflict
        | Presentation::Error => (None, Some(label(presentation))),
    };
    CallerInfo {
        presentation: presentation.code().to_owned(),
        e164: number.and_then(|number| number.e164.clone()),
        national: number.map(|number| number.national.clone()),
        kind: number.map(|number| number.kind),
        name: number.and_then(|_| call.caller.display_name.clone()),
        verified: number.map(|_| call.caller.asserted),
        diverted_by: call.caller.diverted_by.clone(),
        label_ja: labels.map(|(ja, _)| ja.to_owned()),
        label_en: labels.map(|(_, en)| en.to_owned()),
    }
}

fn match_info(state: &CustomerState) -> MatchInfo {
    let none = MatchInfo { level: MatchLevel::None, count: 0, customer: None, candidates: Vec::new() };
    match state {
        CustomerState::NotAsked | CustomerState::Waiting | CustomerState::Failed(_) => none,
        CustomerState::Found { cards, .. } => match state.card() {
            Some(card) => MatchInfo {
                level: MatchLevel::Known,
                count: cards.len(),
                customer: Some(CustomerInfo {
                    id: card.id.clone(),
                    name: card.name.clone(),
                    kana: card.kana.clone(),
                    org: card.company.clone(),
                    rank: card.rank.clone(),
                    language: card.language,
                }),
                candidates: Vec::new(),
            },
            None => match match_cards(cards.clone(), Quality::Certain) {
                Match::Several { candidates, count } => MatchInfo {
                    level: MatchLevel::Several,
                    count,
                    customer: None,
                    candidates: candidates.iter().map(candidate).collect(),
                },
                Match::None | Match::Known(_) | Match::Likely(_) => none,
            },
        },
    }
}

/// A candidate shows name and reading, nothing else (caller-id: nothing private before the choice).
fn candidate(card: &CustomerCard) -> Candidate {
    Candidate { id: card.id.clone(), name: card.name.clone(), kana: card.kana.clone() }
}

fn notices_of(call: &Call, card: &CustomerCard) -> Vec<NoticeInfo> {
    card.notices
        .iter()
        .map(|notice| NoticeInfo {
            id: notice.id.clone(),
            level: notice.level,
            text: notice.text.clone(),
            by: notice.by.clone(),
            at: notice.at,
            ack: ack_word(call, &notice.id).to_owned(),
        })
        .collect()
}

fn ack_word(call: &Call, notice: &str) -> &'static str {
    if call.acknowledged.contains(notice) { "done" } else { "read" }
}

/// What rules say to the agent, behind the guided steps.
fn rule_steps(call: &Call) -> impl Iterator<Item = Step> + '_ {
    let guidance = Engine::extras_of(call).map_or(&[][..], |extras| &extras.guidance);
    guidance.iter().map(|(ja, en)| Step {
        id: "rule".to_owned(),
        ja: ja.clone(),
        en: en.clone(),
        locked: None,
    })
}

fn sources_of(state: &CustomerState) -> Sources {
    let local = match state {
        CustomerState::NotAsked => "off",
        CustomerState::Waiting => "pending",
        CustomerState::Failed(LookupFault::Deadline) => "timeout",
        CustomerState::Failed(LookupFault::Down | LookupFault::Overloaded) => "down",
        CustomerState::Found { .. } => "ok",
    };
    Sources { local: local.to_owned(), crm: "off".to_owned() }
}

/// The names of the top-level members that differ.
fn changed_members(before: &PopDocument, after: &PopDocument) -> Vec<&'static str> {
    let mut members = Vec::new();
    let mut note = |name, differs: bool| {
        if differs {
            members.push(name);
        }
    };
    note("offer", before.offer != after.offer);
    note("caller", before.caller != after.caller);
    note("dialled", before.dialled != after.dialled);
    note("match", before.matched != after.matched);
    note("notices", before.notices != after.notices);
    note("flags", before.flags != after.flags);
    note("assignee", before.assignee != after.assignee);
    note("contacts", before.contacts != after.contacts);
    note("open", before.open != after.open);
    note("guidance", before.guidance != after.guidance);
    note("actions", before.actions != after.actions);
    note("transfer", before.transfer != after.transfer);
    note("sources", before.sources != after.sources);
    members
}
