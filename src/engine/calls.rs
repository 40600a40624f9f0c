//! The walk of a call: who calls, whom to ask, the offer, the default route.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use super::call::{Call, CallTimers, CustomerState, Phase};
use super::context::Purpose;
use super::input::{LookupToken, Output};
use super::refused::Refused;
use super::tables::{CallKey, ServerKey};
use super::timers::Alarm;
use crate::customer::{LookupAnswer, LookupFault};
use crate::events::{EndReason, ParkEnd};
use crate::identity::{
    CalledHeaders, CalledSource, Canonical, NumberKind, Presentation, TrunkContext, read_called, read_caller,
};
use crate::message::{Header, Message, Method, NameAddr, Uri};
use crate::park::Wish;
use crate::routing::Action;
use slotmap::{Key, KeyData};

impl Engine {
    /// An INVITE outside a dialog: the beginning of a call.
    pub(super) fn on_initial_invite(&mut self, peer: usize, server: ServerKey, message: Arc<Message>) {
        let emergency = self.is_emergency(peer, &message);
        let called = self.called_number(peer, &message);
        let line = self.directory.lines.get(called.line_key()).filter(|_| !emergency).cloned();
        let caller = read_caller(
            &caller_headers(&message),
            self.settings.peers.get(peer).is_some_and(|peer| peer.trust_identity),
            self.numbering_of(peer),
        );
        if !emergency && self.continues(peer, server, &message, &caller) {
            return;
        }
        let source = self.tables.servers.get(server).map(|entry| entry.flow.remote);
        if let Some(source) = source.filter(|_| !emergency)
            && self.goes_round(source, &message, &caller, &called.national)
        {
            self.note_refused(Refused::Invalid(482), source.ip());
            return self.respond_status(server, 482, &[]);
        }
        let bits = super::ids::call_bits(self.now.wall, self.random_bits());
        let call = self.tables.insert_call(Call {
            id: super::ids::call_id(bits),
            bits,
            sip_call_id: String::from_utf8_lossy(message.call_id()).into_owned(),
            caller,
            called: called.national,
            line,
            emergency,
            customer: CustomerState::NotAsked,
            phase: Phase::Over(EndReason::Rejected),
            answered_tags: Vec::new(),
            tried: Vec::new(),
            offers: Vec::new(),
            untold: Vec::new(),
            asides: Vec::new(),
            decisions: Vec::new(),
            facts: None,
            alerted: BTreeSet::new(),
            rev: 0,
            acknowledged: BTreeSet::new(),
            began: self.now.moment,
            began_at: self.now.wall,
            sla_told: false,
            senders: Vec::new(),
            status: None,
            held: false,
            timers: CallTimers::default(),
            anchor: None,
            parked: None,
            caller_tag: self.secret.place_of(message.from_tag().unwrap_or_default()),
            passed: None,
            patience: BTreeMap::new(),
            noted: None,
        });
        let context = self.open_context(server, message, peer, Purpose::Call(call));
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.phase = Phase::Deciding(context);
        }
        self.call_begins(call);
    }

    /// Whoever calls a line is looked up; any other call goes its way at once.
    fn call_begins(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        self.counters.calls_begun += 1;
        let is_line = entry.line.is_some();
        tracing::info!(call.id = %entry.id, sip.call_id = %entry.sip_call_id, is_line, "call begins");
        self.note_caller(call);
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if entry.line.is_some() {
            let handle = self.timers.insert(self.now.moment + self.settings.ring_sla, Alarm::RingSla(call));
            entry.timers.sla = Some(handle);
            self.look_up(call);
        } else {
            self.decide_next(call);
        }
    }

    /// Asks who the caller is, when that may be asked; the call waits no longer than the deadline.
    fn look_up(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let number = match &entry.caller.presentation {
            Presentation::Number(number) if may_be_customer(number.kind) => number.e164.clone(),
            Presentation::Number(_)
            | Presentation::Withheld
            | Presentation::Payphone
            | Presentation::OutOfArea
            | Presentation::ServiceConflict
            | Presentation::Error => None,
        };
        let Some(e164) = number else { return self.decide_next(call) };
        entry.customer = CustomerState::Waiting;
        let deadline = self.settings.lookup_deadline;
        let handle = self.timers.insert(self.now.moment + deadline, Alarm::LookupDeadline(call));
        entry.timers.lookup = Some(handle);
        self.outputs.push_back(Output::Lookup { token: LookupToken(call.data().as_ffi()), e164, deadline });
    }

    /// The look-up answered: in time it decides, late it enriches the card.
    pub(super) fn on_looked_up(&mut self, token: LookupToken, answer: LookupAnswer) {
        let call = CallKey::from(KeyData::from_ffi(token.0));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let late = match entry.customer {
            CustomerState::Waiting => false,
            CustomerState::Failed(_) => true,
            CustomerState::NotAsked | CustomerState::Found { .. } => return,
        };
        match answer {
            Ok(cards) => entry.customer = CustomerState::Found { cards, chosen: None },
            Err(fault) => entry.customer = CustomerState::Failed(fault),
        }
        if let Some(handle) = entry.timers.lookup.take() {
            self.timers.cancel(handle);
        }
        match (late, matches!(entry.phase, Phase::Deciding(_))) {
            (false, true) => self.decide_next(call),
            // Whoever waits may wait for somebody else now.
            (true, true) if self.waits(call) => self.decide_next(call),
            _ => self.enrich(call),
        }
    }

    /// The look-up has had its time: the call goes on without the card.
    pub(super) fn lookup_deadline(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        entry.timers.lookup = None;
        if entry.customer != CustomerState::Waiting {
            return;
        }
        entry.customer = CustomerState::Failed(LookupFault::Deadline);
        self.counters.lookup_deadlines += 1;
        if matches!(entry.phase, Phase::Deciding(_)) {
            self.decide_next(call);
        }
    }

    /// Decides where the call goes now, keeps the trace, and does it.
    pub(super) fn decide_next(&mut self, call: CallKey) {
        // While others still ring, nobody else is asked.
        let rings =
            self.tables.calls.get(call).is_some_and(|entry| matches!(entry.phase, Phase::Offered(..)));
        if rings || self.says_goodbye(call) || self.transfer_ends(call) || !self.search_goes_on(call) {
            return;
        }
        let Some(decision) = self.make_decision(call) else { return };
        let action = decision.action.clone();
        let rule = decision.rule.clone();
        self.raise_alerts(call, &decision.extras.alerts);
        self.note_full_lot(&decision);
        if let Some(entry) = self.tables.calls.get_mut(call) {
            tracing::debug!(call.id = %entry.id, rule = %rule, "decided");
            entry.decisions.push(Arc::new(decision));
        }
        match action {
            Action::Offer { agent, beside, reason } => self.offer(call, agent, beside, reason, &rule),
            Action::Wait { group, agent } => self.wait(call, Wish { group, agent, ..Wish::default() }, None),
            Action::Park(park) => self.park_by_rule(call, &park, &rule),
            Action::Callback => self.call_back_by_rule(call),
            Action::Forward { to } => self.forward_by_rule(call, &to),
            Action::Reject { status } => self.refuse_by_rule(call, status),
            Action::Untouched | Action::DefaultRoute { .. } => self.route_default(call),
        }
    }

    /// Nobody of ours: the PBX takes the call.
    pub(super) fn route_default(&mut self, call: CallKey) {
        self.leave_lot(call, ParkEnd::TimedOut, None);
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(context) = entry.phase.context() else { return };
        entry.phase = Phase::DefaultRouted(context);
        let Some((from, request)) =
            self.tables.contexts.get(context).map(|entry| (entry.from, Arc::clone(&entry.request)))
        else {
            return;
        };
        self.counters.default_routed += 1;
        self.remember_round(call);
        let rewrite = self.initial_rewrite(from, &request);
        let hops = self.initial_hops(from, &request);
        self.send_onward(call, context, hops, rewrite);
    }

    /// Whether the INVITE is for an emergency number, which nothing may stop (N26, I7): in whichever place
    /// the number stands, whatever the trunk's order says.
    pub(super) fn is_emergency(&self, peer: usize, message: &Message) -> bool {
        if message.method() != Method::Invite {
            return false;
        }
        let called_party = message.header(Header::PCalledPartyId);
        let to = message.header(Header::To).unwrap_or_default();
        let headers = CalledHeaders {
            p_called_party_id: called_party,
            to,
            request_uri: message.request_uri(),
            ..CalledHeaders::default()
        };
        let read = |value| uri_of(value).and_then(|uri| Uri::parse(uri).ok());
        let places = [
            (CalledSource::RequestUri, is_short(message.uri())),
            (CalledSource::To, is_short(read(to))),
            (CalledSource::PCalledPartyId, is_short(called_party.and_then(read))),
        ];
        places.into_iter().filter(|(_, short)| *short).any(|(place, _)| {
            let numbering = self.numbering_of(peer);
            read_called(&[place], &headers, numbering).kind == NumberKind::Emergency
        })
    }

    /// The line that an INVITE calls, when it calls one.
    pub(super) fn line_of(&self, peer: usize, message: &Message) -> Option<Arc<crate::routing::Line>> {
        self.directory.lines.get(self.called_number(peer, message).line_key()).cloned()
    }

    fn called_number(&self, peer: usize, message: &Message) -> Canonical {
        let order = self.settings.peers.get(peer).map_or(&[][..], |peer| peer.called_number.as_slice());
        let headers = CalledHeaders {
            p_called_party_id: message.header(Header::PCalledPartyId),
            to: message.header(Header::To).unwrap_or_default(),
            request_uri: message.request_uri(),
            diversion: message.headers(Header::Diversion).collect(),
            history_info: message.headers(Header::HistoryInfo).collect(),
        };
        read_called(order, &headers, self.numbering_of(peer))
    }

    fn numbering_of(&self, peer: usize) -> &TrunkContext {
        self.settings.peers.get(peer).map_or(&self.settings.numbering, |peer| &peer.numbering)
    }
}

/// Whether a URI's user part is short enough for an emergency number, with a prefix such as 184. Others need
/// no closer look.
fn is_short(uri: Option<Uri<'_>>) -> bool {
    uri.and_then(|uri| uri.user).is_some_and(|user| user.len() <= 8)
}

/// RFC 3261 §19.1.1: a Request-URI has no headers; in a contact they would become headers of the phone's
/// choice (N25).
pub(super) fn without_headers(contact: &str) -> &str {
    let headers = Uri::parse(contact.as_bytes()).ok().and_then(|uri| uri.headers);
    headers.and_then(|headers| contact.get(..contact.len() - headers.len() - 1)).unwrap_or(contact)
}

fn uri_of(value: &[u8]) -> Option<&[u8]> {
    NameAddr::parse(value).ok().map(|address| address.uri)
}

/// Whether a number of this kind can be a customer's (caller-id rule: extensions and short codes never
/// match).
const fn may_be_customer(kind: NumberKind) -> bool {
    match kind {
        NumberKind::Fixed
        | NumberKind::Mobile
        | NumberKind::IpPhone
        | NumberKind::Freephone
        | NumberKind::NaviDial
        | NumberKind::Premium
        | NumberKind::Pager
        | NumberKind::Foreign => true,
        NumberKind::Emergency | NumberKind::Service | NumberKind::Extension | NumberKind::Unknown => false,
    }
}

/// The headers that say who calls.
fn caller_headers(message: &Message) -> crate::identity::CallerHeaders<'_> {
    crate::identity::CallerHeaders {
        from: message.header(Header::From).unwrap_or_default(),
        p_asserted_identity: message.headers(Header::PAssertedIdentity).collect(),
        privacy: message.headers(Header::Privacy).collect(),
        diversion: message.headers(Header::Diversion).collect(),
        history_info: message.headers(Header::HistoryInfo).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_headers;

    #[test]
    fn n25_headers_in_an_agents_contact_do_not_leave() {
        for (contact, left) in [
            ("sip:a@192.0.2.7;transport=tcp", "sip:a@192.0.2.7;transport=tcp"),
            ("sip:a@192.0.2.7?X-Evil=1", "sip:a@192.0.2.7"),
            ("sip:a@192.0.2.7;lr?Route=%3Csip%3Ab%3E&X=1", "sip:a@192.0.2.7;lr"),
            ("sip:a?b@192.0.2.7", "sip:a?b@192.0.2.7"),
            ("tel:+81312345678", "tel:+81312345678"),
        ] {
            assert_eq!(without_headers(contact), left);
        }
    }
}
