//! Callers who wait in the parking lot, ringing: a virtual branch of the proxied call (RFC 3261 §16.7 lets a
//! proxy be a UAS within the same element), answered 180 by us and repeated each minute (§13.3.1.1).
//!
//! A waiting call stands in [`Phase::Deciding`], and in the lot. It keeps its place in the lot while it is
//! being offered, and leaves it when it is answered, goes elsewhere or ends.

use std::sync::Arc;

use super::Engine;
use super::anchoring::requires_reliable;
use super::branches::COMPLETED_ELSEWHERE;
use super::call::Phase;
use super::context::Context;
use super::dispositions::says;
use super::tables::CallKey;
use super::timers::Alarm;
use crate::callback::Source;
use crate::clock::Moment;
use crate::customer::family_name;
use crate::events::{Audience, EventBody, ParkEnd, ParkedFor, ParkedInfo, Waited, WithdrawCause};
use crate::message::{Header, response};
use crate::park::{Arrival, AtLimit, Due, ParkMode, Profile, Wish};
use crate::presence::AgentId;
use crate::routing::{Action, Decision, MayWait, TraceStep};
use crate::transport::{Flow, Protocol};

/// Why a caller goes to the default route although somebody is only busy.
const FULL: &str = "the lot is full";

/// Callers that are looked at for one agent who is free. More would have to be kept from the agent by
/// something that the lot does not know; the next event looks again.
const LOOKED_AT: usize = 64;

impl Engine {
    /// Whether the call could be kept waiting now.
    pub(super) fn may_wait(&self, call: CallKey) -> MayWait {
        let park = &self.settings.park;
        if park.profile.modes.is_empty() && park.by_peer.is_empty() {
            return MayWait::Never;
        }
        let Some(context) = self.context_of(call) else { return MayWait::Never };
        if let Some(waiter) = self.lot.waiter(call) {
            let now = self.now.moment;
            let time_left = waiter.stage.ends > now || waiter.profile.after(waiter.stage, now).is_some();
            return if time_left { MayWait::Yes } else { MayWait::No("the time to wait is over") };
        }
        // RFC 3841 §9.1: the caller would rather be refused than wait.
        if says(context.request.header(Header::RequestDisposition), b"no-queue") {
            return MayWait::No("the caller does not want to be queued");
        }
        let profile = self.profile_of(context);
        // RFC 3262 §3: of what we say, only 183 and 200 are made reliable.
        let insists = requires_reliable(&context.request);
        let rings = !insists && profile.modes.iter().any(|(mode, _)| *mode == ParkMode::Ringing);
        let music = || profile.modes.iter().any(|(mode, _)| *mode != ParkMode::Ringing);
        if insists && (!music() || self.can_hear(&context.request).is_none()) {
            return MayWait::No("the caller insists on reliable provisional responses");
        }
        if profile.modes.is_empty() || (!rings && self.can_hear(&context.request).is_none()) {
            return MayWait::No("callers of this trunk may not wait");
        }
        if self.lot.taken() >= park.places { MayWait::No(FULL) } else { MayWait::Yes }
    }

    /// The lot learns how long before the end it warns.
    pub(super) fn set_warning(&mut self) {
        let before = self.settings.park.warn_before;
        self.lot.warn_before((!before.is_zero()).then_some(before));
    }

    /// Counts a caller whom only the size of the lot sends on.
    pub(super) fn note_full_lot(&mut self, decision: &Decision) {
        let full = |step: &TraceStep| step.rule == "wait" && step.why == FULL;
        if matches!(decision.action, Action::DefaultRoute { .. }) && decision.trace.iter().any(full) {
            self.counters.park_full += 1;
        }
    }

    /// The call waits, or goes on waiting after an offer that failed. `by` is who parked it by hand.
    pub(super) fn wait(&mut self, call: CallKey, wish: Wish, by: Option<AgentId>) {
        self.wait_in(call, wish, by, None);
    }

    /// The same, in this mode or, where that cannot be, in the next that can.
    pub(super) fn wait_in(&mut self, call: CallKey, wish: Wish, by: Option<AgentId>, mode: Option<ParkMode>) {
        let profile = self.context_of(call).map(|it| self.waiting_profile(it, self.profile_of(it)));
        let Some(profile) = profile else { return };
        let arrival = Arrival { call, wish, priority: self.place_of(call), profile, mode };
        let Ok(parked) = self.lot.park(arrival, self.settings.park.places, self.now.moment) else {
            return self.route_default(call);
        };
        if !parked.again {
            self.counters.parked += 1;
        }
        if let Some(entry) = self.tables.calls.get(call) {
            tracing::info!(call.id = %entry.id, again = parked.again, "call waits in the lot");
        }
        self.keep_waiting(call);
        self.tell_parked(call, by);
        self.watch_lot();
    }

    /// The call waits no longer. Nothing happens when it did not.
    pub(super) fn leave_lot(&mut self, call: CallKey, end: ParkEnd, by: Option<&AgentId>) {
        if let Some(waiter) = self.lot.leave(call) {
            if let Some(entry) = self.tables.calls.get_mut(call) {
                let seconds = self.now.moment.since(waiter.since).as_secs();
                entry.parked = Some(Waited { mode: waiter.stage.mode, seconds, end });
            }
            if let (ParkEnd::Retrieved, Some(group)) = (end, &waiter.wish.group) {
                self.paces.entry(group.clone()).or_default().served(self.now.moment);
            }
            self.tell_left(call, waiter.since, end, by);
            self.watch_lot();
            if end == ParkEnd::GaveUp {
                self.follow_up(call);
            }
        }
    }

    /// What is due for those who wait.
    pub(super) fn lot_due(&mut self) {
        self.lot_alarm = None;
        while let Some((call, due)) = self.lot.poll_due(self.now.moment) {
            match due {
                Due::Refresh(ParkMode::Ringing) => {
                    self.counters.park_refreshed += 1;
                    self.ring_back(call);
                }
                Due::Refresh(ParkMode::EarlyMedia | ParkMode::Answered) => self.refresh_waiting(call),
                Due::Warning { since, over } => {
                    self.counters.park_warned += 1;
                    let waited_s = self.now.moment.since(since).as_secs();
                    let left_s = over.since(self.now.moment).as_secs();
                    self.tell_lot(call, EventBody::ParkWarning { waited_s, left_s });
                }
                Due::Mode(_) => {
                    self.keep_waiting(call);
                    self.tell_parked(call, None);
                }
                Due::Patience => self.decide_next(call),
                Due::Over { at_limit, since } => self.time_over(call, at_limit, since),
            }
        }
        self.watch_lot();
    }

    /// Whoever came free since this was last asked gets who has waited for them (I26). After every input.
    pub(super) fn serve_waiting(&mut self) {
        while let Some(agent) = self.agents.take_freed() {
            if self.lot.in_line() > 0 {
                self.serve(&agent);
            }
        }
    }

    /// Something has changed that decides who gets which call: everybody is looked at again.
    pub(super) fn look_at_everybody(&mut self) {
        if self.lot.in_line() > 0 {
            self.agents.free_all();
        }
    }

    /// Decides anew about the callers who wait for this agent, in their order, until the agent has one.
    fn serve(&mut self, agent: &AgentId) {
        let directory = Arc::clone(&self.directory);
        let Some(entry) = directory.agents.get(agent) else { return };
        let mut looked_at: Vec<CallKey> = Vec::new();
        while looked_at.len() < LOOKED_AT && self.agents.offerable(agent).is_ok() {
            let may = |call: CallKey| {
                !looked_at.contains(&call)
                    && self.tables.calls.get(call).is_some_and(|entry| !entry.tried.contains(agent))
            };
            let (groups, skills) = (entry.groups.iter(), entry.skills.iter());
            let first =
                self.lot.first_for(agent, groups.map(String::as_str), skills.map(String::as_str), may);
            let Some(call) = first else { return };
            looked_at.push(call);
            self.decide_next(call);
        }
    }

    /// The caller has waited as long as the trunk's profile says.
    fn time_over(&mut self, call: CallKey, at_limit: AtLimit, since: Moment) {
        self.counters.park_time_over += 1;
        let mode = match self.anchor(call) {
            Some(anchor) if anchor.answered => ParkMode::Answered,
            Some(anchor) if anchor.answer.is_some() => ParkMode::EarlyMedia,
            Some(_) | None => ParkMode::Ringing,
        };
        if let Some(entry) = self.tables.calls.get_mut(call) {
            let seconds = self.now.moment.since(since).as_secs();
            entry.parked = Some(Waited { mode, seconds, end: ParkEnd::TimedOut });
        }
        self.tell_left(call, since, ParkEnd::TimedOut, None);
        match at_limit {
            AtLimit::Callback if self.call_back(call, Source::Limit, None) => {}
            AtLimit::DefaultRoute | AtLimit::Callback => {
                let waited = self.now.moment.since(since).as_secs();
                let why = format!("nobody came free in {waited} s");
                let step = TraceStep { rule: "wait_over".into(), matched: true, why: why.clone().into() };
                if let Some(entry) = self.tables.calls.get_mut(call) {
                    let (action, trace) = (Action::DefaultRoute { why }, vec![step]);
                    let extras = Self::extras_of(entry).cloned().unwrap_or_default();
                    let rule = "wait_over".into();
                    entry.decisions.push(Arc::new(Decision { action, rule, trace, extras }));
                }
                self.route_default(call);
            }
            AtLimit::Refuse(status) => {
                if let Some(context) = self.tables.calls.get(call).and_then(|entry| entry.phase.context()) {
                    self.answer_upstream(context, status);
                }
            }
        }
    }

    /// The agent puts an offered call into the lot: the caller waits until somebody retrieves it, and from
    /// the end of the patience on for the group. The caller of this has checked [`Self::may_wait`].
    pub(super) fn park_offered(&mut self, call: CallKey, agent: &AgentId) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let group = entry.line.as_ref().and_then(|line| line.group.clone());
        self.take_back_others(call, None, WithdrawCause::Rerouted, COMPLETED_ELSEWHERE);
        let only_until = Some(self.now.moment + self.settings.park.patience);
        self.wait(call, Wish { group, only_until, ..Wish::default() }, Some(agent.clone()));
    }

    /// The one alarm of the lot.
    pub(super) fn watch_lot(&mut self) {
        let next = self.lot.next_due();
        if self.lot_alarm.map(|(at, _)| at) == next {
            return;
        }
        if let Some((_, handle)) = self.lot_alarm.take() {
            self.timers.cancel(handle);
        }
        self.lot_alarm = next.map(|next| (next, self.timers.insert(next, Alarm::Lot)));
    }

    /// Tells the lot that the call is being offered.
    pub(super) fn offered_from_lot(&mut self, call: CallKey) {
        self.lot.offered(call);
        self.watch_lot();
    }

    /// 180 of the virtual UAS, always with the same tag. No 100 would do: it does not reset Timer C upstream
    /// (RFC 3261 §16.7 item 2).
    pub(super) fn ring_back(&mut self, call: CallKey) {
        let Some(server) = self.context_of(call).map(|context| context.server) else { return };
        let Some(entry) = self.tables.servers.get(server) else { return };
        let Some(request) = &entry.request else { return };
        let tag = self.tag_for(request);
        let contact = self.contact_towards(&entry.flow);
        let bytes = response(request, 180, None, Some(&tag), &[("Contact", contact.as_bytes())]);
        self.respond(server, 180, bytes);
    }

    /// Where the other side of this flow reaches us.
    pub(super) fn contact_towards(&self, flow: &Flow) -> String {
        self.contact_at(flow.protocol, flow.remote.ip())
    }

    /// Where somebody reaches us who is reached so.
    pub(super) fn contact_at(&self, protocol: Protocol, address: std::net::IpAddr) -> String {
        let sent_by = self.own.sent_by(protocol, address);
        match protocol {
            Protocol::Udp => format!("<sip:{sent_by}>"),
            Protocol::Tcp => format!("<sip:{sent_by};transport=tcp>"),
            Protocol::Tls => format!("<sip:{sent_by};transport=tls>"),
        }
    }

    fn context_of(&self, call: CallKey) -> Option<&Context> {
        self.tables.contexts.get(self.tables.calls.get(call)?.phase.context()?)
    }

    /// How the trunk that the call came from lets its callers wait.
    pub(super) fn profile_of(&self, context: &Context) -> Arc<Profile> {
        let park = &self.settings.park;
        let peer = self.tables.servers.get(context.server).map(|server| server.peer);
        let name = peer.and_then(|peer| self.settings.peers.get(peer)).map(|peer| &peer.name);
        Arc::clone(name.and_then(|name| park.by_peer.get(name)).unwrap_or(&park.profile))
    }

    pub(super) fn tell_parked(&mut self, call: CallKey, by: Option<AgentId>) {
        let (Some(entry), Some(waiter)) = (self.tables.calls.get(call), self.lot.waiter(call)) else {
            return;
        };
        let parked = ParkedInfo {
            mode: waiter.stage.mode.code(),
            since: self.now.wall_at(waiter.since),
            until: self.now.wall_at(waiter.stage.ends),
            limit: self.now.wall_at(waiter.over_at()),
            group: entry.line.as_ref().and_then(|line| line.group.clone()),
            position: self.lot.position(call),
            waiting: self.lot.in_line(),
            by,
            caller: super::pop::caller_info(entry),
            customer: entry.customer.card().map(|card| card.name.clone()),
            assignee: self.looks_after(entry).map(|(agent, _)| self.parked_for(agent)),
            dialled: self.dialled_info(entry),
        };
        self.tell_lot(call, EventBody::CallParked(Box::new(parked)));
    }

    fn parked_for(&self, id: AgentId) -> ParkedFor {
        let name = self.directory.agents.get(&id).map_or(id.as_str(), |agent| agent.name.as_str());
        ParkedFor { name: family_name(name).to_owned(), id }
    }

    fn tell_left(&mut self, call: CallKey, since: Moment, end: ParkEnd, by: Option<&AgentId>) {
        let waited_s = self.now.moment.since(since).as_secs();
        match end {
            ParkEnd::Retrieved => self.counters.park_retrieved += 1,
            ParkEnd::GaveUp => self.counters.park_gave_up += 1,
            ParkEnd::TimedOut | ParkEnd::Failed | ParkEnd::Callback => {}
        }
        self.tell_lot(call, EventBody::CallRetrieved { by: by.cloned(), end, waited_s });
    }

    /// Tells the supervisors and the agents of the line's group, who may retrieve the call (N61). Also while
    /// no screen is open: a snapshot later on shows who still waits.
    fn tell_lot(&mut self, call: CallKey, body: EventBody) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let Some(group) = entry.line.as_ref().and_then(|line| line.group.as_ref()) else { return };
        let members = self.directory.agents.values().filter(|agent| agent.groups.contains(group));
        let mut audience = vec![Audience::Team(group.clone())];
        audience.extend(members.map(|agent| Audience::Agent(agent.id.clone())));
        self.push_event(call, None, audience, None, body);
    }

    /// Whether the call stands in line, so that somebody may retrieve it.
    pub(super) fn waits(&self, call: CallKey) -> bool {
        self.lot.is_in_line(call)
            && self.tables.calls.get(call).is_some_and(|entry| matches!(entry.phase, Phase::Deciding(_)))
    }
}
