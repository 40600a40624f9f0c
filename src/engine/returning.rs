//! INVITEs that are no new calls: what a PBX or a phone sends to carry a transfer out (RFC 3891, RFC 3892).
//! They belong to the call that is being passed on, which keeps its id.

use std::net::IpAddr;
use std::sync::Arc;

use super::Engine;
use super::call::{Call, CustomerState, Phase};
use super::context::Purpose;
use super::forwarding::Rewrite;
use super::input::{LookupToken, Output};
use super::passing::{Means, Mode, Named, Transfer};
use super::tables::{CallKey, ServerKey};
use crate::customer::LookupFault;
use crate::identity::{Caller, Presentation};
use crate::message::{Header, Message, Uri};
use crate::presence::AgentId;
use crate::proxy::NextHop;
use crate::routing::OfferReason;
use slotmap::Key;

/// How an INVITE continues a call.
enum Continues {
    /// It asks the receiver of the transfer.
    Receiver,
    /// A phone takes the call over from the handler's.
    Takeover,
    /// The caller's side is another one from now on; the handler stays.
    OtherCaller,
}

impl Engine {
    /// Takes an initial INVITE that continues a call; `false` when it is a call of its own. Whether its
    /// sender may replace dialogs was asked before.
    pub(super) fn continues(
        &mut self,
        peer: usize,
        server: ServerKey,
        message: &Arc<Message>,
        caller: &Caller,
    ) -> bool {
        let replaces = message.header(Header::Replaces);
        if replaces.is_none() && self.tables.passing.is_empty() {
            return false;
        }
        let found = match replaces {
            Some(value) => Named::parse(value).and_then(|named| self.named_by(&named)),
            None => self.brought_back(peer, server, message, caller).map(|it| (it, Continues::Receiver)),
        };
        let Some((call, how)) = found else { return false };
        let to = match how {
            Continues::Takeover => self.agent_who_sent(server),
            Continues::Receiver | Continues::OtherCaller => self.agent_at(message.request_uri()),
        };
        let begun = match how {
            Continues::Receiver => true,
            Continues::Takeover => self.begin_takeover(call, server, to.clone()),
            Continues::OtherCaller => self.begin_other_caller(call, caller),
        };
        if begun {
            self.ask_receiver(call, peer, server, message, &how, to);
        }
        true
    }

    /// The call whose dialog is named, or that is being passed on in the place of the named one.
    fn named_by(&self, named: &Named) -> Option<(CallKey, Continues)> {
        let transfer_of = |call: &CallKey| self.tables.calls.get(*call).and_then(Call::transfer);
        let is_it = |call: &&CallKey| {
            transfer_of(call).is_some_and(|it| {
                it.replaces.as_ref() == Some(named) && it.from.is_none() && it.means == Means::Phone
            })
        };
        if let Some(call) = self.tables.passing.iter().find(is_it) {
            return Some((*call, Continues::Receiver));
        }
        // Both tags must be right (RFC 3891 §3).
        self.tables.calls.iter().find_map(|(key, entry)| {
            let Phase::Answered(conversation) = &entry.phase else { return None };
            let passed = entry.passed.as_deref();
            let call_id = passed.and_then(|it| it.call_id.as_deref()).unwrap_or(entry.sip_call_id.as_bytes());
            if call_id != named.call_id || entry.anchor.is_some() || conversation.abandoned {
                return None;
            }
            let turned = passed.is_some_and(|passed| passed.agent_calls);
            let answering = |tag: &[u8]| tag == conversation.tag;
            let calling = |tag: &[u8]| self.secret.place_of(tag) == entry.caller_tag;
            let to_answering = answering(&named.to_tag) && calling(&named.from_tag);
            let to_calling = calling(&named.to_tag) && answering(&named.from_tag);
            match (to_answering, to_calling, turned) {
                (true, _, false) | (_, true, true) => Some((key, Continues::OtherCaller)),
                (true, _, true) | (_, true, false) => Some((key, Continues::Takeover)),
                (false, false, _) => None,
            }
        })
    }

    /// The call that this INVITE without Replaces brings to its receiver: who accepted the REFER sends it, or
    /// who may transfer; it is for whom the REFER named; and it says who referred, or has the same caller.
    fn brought_back(
        &self,
        peer: usize,
        server: ServerKey,
        message: &Message,
        caller: &Caller,
    ) -> Option<CallKey> {
        let flow = self.tables.servers.get(server)?.flow;
        let source: IpAddr = flow.remote.ip().to_canonical();
        let may =
            self.settings.peers.get(peer).is_some_and(|peer| peer.transfers) || self.is_agents_phone(flow);
        let uri = Uri::parse(message.request_uri()).ok()?;
        let referred = message.header_named(b"Referred-By").is_some();
        let fits = |call: &&CallKey| {
            let Some(entry) = self.tables.calls.get(**call) else { return false };
            let Some(transfer) = entry.transfer().filter(|it| it.from.is_none() && it.means == Means::Phone)
            else {
                return false;
            };
            let sent_by_it = transfer.executor == Some(source);
            let user = uri.user.is_some_and(|user| user == transfer.target.as_bytes());
            let named =
                user || (transfer.to.is_some() && self.agent_at(message.request_uri()) == transfer.to);
            let same = same_caller(&entry.caller, caller);
            (may || sent_by_it) && ((named && (referred || same)) || (transfer.left && sent_by_it && same))
        };
        self.tables.passing.iter().find(fits).copied()
    }

    /// A phone takes the call over; a takeover too many is refused.
    fn begin_takeover(&mut self, call: CallKey, server: ServerKey, to: Option<AgentId>) -> bool {
        let by = self.tables.calls.get(call).and_then(|it| it.conversation()?.agent.clone());
        let target = to.as_ref().map_or_else(String::new, AgentId::to_string);
        let mut transfer = Transfer::new(by, to, target, Means::Phone);
        transfer.mode = Mode::Takeover;
        // A REFER to the receiver instead of the caller's side may have announced it.
        let announced = self.tables.calls.get(call).is_some_and(|entry| entry.transfer().is_some());
        if !announced && !self.may_pass_on(call) {
            self.refuse_transfer(call, &transfer);
            self.refuse_refer(call, server);
            return false;
        }
        self.begin_transfer(call, transfer);
        true
    }

    /// Somebody brought their own caller to the handler, having talked with them: the handler stays, and the
    /// card shows who is there now.
    fn begin_other_caller(&mut self, call: CallKey, caller: &Caller) -> bool {
        let Some(entry) = self.tables.calls.get_mut(call) else { return false };
        let agent = entry.conversation().and_then(|it| it.agent.clone());
        let target = agent.as_ref().map_or_else(String::new, AgentId::to_string);
        let mut transfer = Transfer::new(None, agent, target, Means::Phone);
        transfer.mode = Mode::Attended;
        let number = match &caller.presentation {
            Presentation::Number(number) => number.e164.clone(),
            Presentation::Withheld
            | Presentation::Payphone
            | Presentation::OutOfArea
            | Presentation::ServiceConflict
            | Presentation::Error => None,
        };
        if !same_caller(&entry.caller, caller) {
            entry.caller = caller.clone();
            entry.customer = CustomerState::NotAsked;
            if let Some(e164) = number {
                // The call waits for nothing; what is found enriches the card.
                entry.customer = CustomerState::Failed(LookupFault::Deadline);
                let token = LookupToken(call.data().as_ffi());
                let deadline = self.settings.lookup_deadline;
                self.outputs.push_back(Output::Lookup { token, e164, deadline });
            }
        }
        self.begin_transfer(call, transfer);
        true
    }

    /// The INVITE goes to the receiver: offered, when they are an agent who is free; otherwise their phone or
    /// the PBX decides.
    fn ask_receiver(
        &mut self,
        call: CallKey,
        peer: usize,
        server: ServerKey,
        message: &Arc<Message>,
        how: &Continues,
        to: Option<AgentId>,
    ) {
        let context = self.open_context(server, Arc::clone(message), peer, Purpose::Call(call));
        self.swap_in(call, context);
        let caller_tag = self.secret.place_of(message.from_tag().unwrap_or_default());
        let line = self.line_of(peer, message);
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(transfer) = entry.transfer_mut() else { return };
        let takes_over = matches!(how, Continues::Takeover);
        transfer.dialog = Some((message.call_id().to_vec(), caller_tag, takes_over));
        let blind = matches!(how, Continues::Receiver) && message.header(Header::Replaces).is_none();
        if to.is_some() {
            transfer.to.clone_from(&to);
        }
        transfer.searches = to.is_none() && line.is_some();
        tracing::info!(call.id = %entry.id, blind, "an INVITE continues a call");
        match (how, to, line) {
            (Continues::Receiver, None, Some(line)) => {
                entry.line = Some(line);
                self.decide_next(call);
            }
            (Continues::Receiver | Continues::OtherCaller, Some(agent), _) => {
                if blind && self.agents.offerable(&agent).is_ok() {
                    self.offer(call, agent, Vec::new(), OfferReason::Transferred, "transfer");
                } else {
                    self.ring_receiver(call, &agent);
                }
            }
            (Continues::Takeover, _, _) => {
                let hop = self.hop_of(message.request_uri());
                let known = matches!(&hop, NextHop::Address(target)
                    if self.settings.peer_of(target.remote.ip()).is_some());
                let hops = if known { [hop].into() } else { self.route_hops() };
                self.send_past_offers(call, hops, None);
            }
            (Continues::Receiver | Continues::OtherCaller, None, _) => self.route_default(call),
        }
    }

    /// The agent's phone rings whatever their presence says: a colleague wants them, or has them already.
    pub(super) fn ring_receiver(&mut self, call: CallKey, agent: &AgentId) {
        let Some(contact) = self.directory.agents.get(agent).map(|agent| agent.contact.clone()) else {
            return self.route_default(call);
        };
        let hop = self.hop_of(contact.as_bytes());
        let uri = super::calls::without_headers(&contact).to_owned();
        self.send_past_offers(call, [hop].into(), Some(uri));
    }

    /// The INVITE goes there without an offer.
    pub(super) fn send_past_offers(
        &mut self,
        call: CallKey,
        hops: std::collections::VecDeque<NextHop>,
        request_uri: Option<String>,
    ) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let Some(context) = entry.phase.context() else { return };
        entry.phase = Phase::DefaultRouted(context);
        let request_uri = request_uri.map(Into::into);
        let rewrite = Rewrite { request_uri, drop_routes: true, ..Rewrite::default() };
        self.send_onward(call, context, hops, rewrite);
    }

    /// The agent whose phone this INVITE came from.
    fn agent_who_sent(&self, server: ServerKey) -> Option<AgentId> {
        let flow = self.tables.servers.get(server)?.flow;
        let (from, port) = (flow.remote.ip().to_canonical(), flow.remote.port());
        let at = |contact: &str, ported: bool| {
            Uri::parse(contact.as_bytes()).is_ok_and(|uri| {
                uri.host.address() == Some(from) && (!ported || uri.port.unwrap_or(5060) == port)
            })
        };
        let agents = || self.directory.agents.values();
        let found =
            agents().find(|it| at(&it.contact, true)).or_else(|| agents().find(|it| at(&it.contact, false)));
        found.map(|agent| agent.id.clone())
    }
}

/// Whether both say the same number.
fn same_caller(one: &Caller, other: &Caller) -> bool {
    match (&one.presentation, &other.presentation) {
        (Presentation::Number(one), Presentation::Number(other)) => {
            one.e164.is_some() && one.e164 == other.e164
                || one.e164.is_none() && other.e164.is_none() && one.national == other.national
        }
        (
            Presentation::Number(_)
            | Presentation::Withheld
            | Presentation::Payphone
            | Presentation::OutOfArea
            | Presentation::ServiceConflict
            | Presentation::Error,
            _,
        ) => false,
    }
}
