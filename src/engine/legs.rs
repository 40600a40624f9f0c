//! Asking somebody on behalf of an anchored caller: an INVITE of our own in a dialog of its own, in a context
//! of its own, so that names, targets and timers are those of every branch.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use slotmap::Key;

use super::Engine;
use super::anchor::{Bridge, Leg, Port, Ringing, Side, Wanted};
use super::anchoring::allows_update;
use super::call::{Call, Phase, Progress};
use super::context::{Aim, BranchState, Context, Failure, Grants, Purpose, Upstream};
use super::forwarding::Rewrite;
use super::requests::ALLOW;
use super::tables::{BranchRef, CallKey, ContextKey, ServerKey};
use crate::dialog::{Dialog, Invitation, Session};
use crate::events::{EndReason, WithdrawCause};
use crate::message::Message;
use crate::presence::OfferId;
use crate::proxy::NextHop;
use crate::sdp::{Description, Limits, OwnDescription};
use crate::transport::Protocol;

/// What an agent's phone is told that rings on although the caller has gone, or has another answer.
pub(super) const NO_LONGER: &[u8] = b"SIP;cause=487;text=\"The caller has gone\"";

impl Engine {
    /// Writes our INVITE for this anchored call, towards these hops. Its branch is the first of its context;
    /// nothing is sent yet.
    pub(super) fn open_leg(
        &mut self,
        call: CallKey,
        hops: &VecDeque<NextHop>,
        request_uri: Option<&[u8]>,
    ) -> Option<ContextKey> {
        self.cancel_leg(call, NO_LONGER);
        let (bits, branch) = (self.random_bits(), self.random_bits() as u64);
        let mut own = OwnDescription::new((bits >> 64) as u64);
        let (name, tag) = super::ids::leg_names(bits);
        let anchor = self.anchor(call)?;
        let mut told = anchor.caller.theirs.clone();
        let mut extra = Vec::new();
        if let Some(transfer) = self.tables.calls.get(call).and_then(Call::transfer) {
            // The sender may have put the caller on hold; the receiver does not.
            told = not_held(&told);
            extra.extend(transfer.headers.iter().map(|(name, value)| (name.as_str(), value.clone())));
        }
        let body = own.carry(&told, &Limits::default())?;
        let context = self.tables.contexts.get(anchor.context)?;
        let from = context.from;
        let contact = self.contact_for(hops);
        let call_id = format!("{name}@{}", self.own.sent_by(Protocol::Udp, [0, 0, 0, 0].into()));
        let allow = String::from_utf8_lossy(ALLOW);
        let invitation = Invitation {
            request_uri: request_uri.unwrap_or_else(|| context.request.request_uri()),
            call_id: &call_id,
            tag: &tag,
            contact: &contact,
            branch,
            allow: &allow,
            extra: &extra,
            body: &body,
        };
        let request = Message::parse(invitation.of(&context.request), &self.settings.message).ok()?;
        let context = self.open_own_context(ServerKey::null(), request, from, Purpose::Leg(call));
        self.anchor_mut(call)?.ringing = Some(Ringing { context, own, told, contact });
        Some(context)
    }

    /// The call goes on by these hops: as a branch of the caller's INVITE, or, once it is anchored, as an
    /// INVITE of ours.
    pub(super) fn send_onward(
        &mut self,
        call: CallKey,
        context: ContextKey,
        hops: VecDeque<NextHop>,
        rewrite: Rewrite,
    ) {
        if self.anchor(call).is_none() {
            self.start_branch(context, Aim::DefaultRoute, hops, rewrite);
            return;
        }
        match self.open_leg(call, &hops, rewrite.request_uri.as_deref()) {
            // The Route of the caller's INVITE is not in ours.
            Some(leg) => {
                self.start_branch(leg, Aim::DefaultRoute, hops, Rewrite::default());
            }
            None => self.refuse_anchored(call, 500),
        }
    }

    /// The phone of the agent under this offer is asked on behalf of an anchored caller.
    pub(super) fn invite_from_anchor(
        &mut self,
        call: CallKey,
        offer: OfferId,
        hop: NextHop,
        request_uri: Option<&[u8]>,
    ) {
        let hops = [hop].into();
        let Some(context) = self.open_leg(call, &hops, request_uri) else {
            self.end_offers(call, None, WithdrawCause::Rerouted);
            return self.decide_next(call);
        };
        if let Some(offer) = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_mut(&offer)) {
            offer.progress = Progress::Inviting(BranchRef { context, index: 0 });
        }
        self.start_branch(context, Aim::Agent(offer), hops, Rewrite::default());
    }

    /// A context for a request of our own.
    pub(super) fn open_own_context(
        &mut self,
        server: ServerKey,
        request: Message,
        from: Grants,
        purpose: Purpose,
    ) -> ContextKey {
        self.tables.contexts.insert(Context::new(server, Arc::new(request), from, purpose))
    }

    /// Where the first of these hops reaches us.
    pub(super) fn contact_for(&self, hops: &VecDeque<NextHop>) -> String {
        let (protocol, address) = match hops.front() {
            Some(NextHop::Address(target)) => (target.protocol, target.remote.ip()),
            Some(NextHop::Name { protocol, .. }) => (protocol.unwrap_or(Protocol::Udp), [0, 0, 0, 0].into()),
            Some(NextHop::Unroutable) | None => (Protocol::Udp, [0, 0, 0, 0].into()),
        };
        self.contact_at(protocol, address)
    }

    /// Nobody is asked any more on the caller's behalf; what still answers is ended by us.
    pub(super) fn cancel_leg(&mut self, call: CallKey, reason: &[u8]) {
        let Some(ringing) = self.anchor_mut(call).and_then(|anchor| anchor.ringing.take()) else { return };
        self.cancel_own(ringing.context, reason);
    }

    pub(super) fn cancel_own(&mut self, context: ContextKey, reason: &[u8]) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        entry.cancelled = true;
        let count = entry.branches.len();
        for index in 0..count {
            self.cancel_branch(BranchRef { context, index }, reason);
        }
        self.forget_context_when_done(context);
    }

    /// What was asked in the proxied role before is ours to end from now on: the caller is to have one dialog
    /// and one description.
    pub(super) fn disown_branches(&mut self, context: ContextKey) {
        let count = self.tables.contexts.get(context).map_or(0, |entry| entry.branches.len());
        for index in 0..count {
            let branch = BranchRef { context, index };
            self.cancel_branch(branch, NO_LONGER);
            let Some(entry) = self.branch_mut(branch) else { continue };
            if let BranchState::Cancelling(client) = entry.state {
                entry.state = BranchState::Disowned(client, Vec::new());
                self.clear_branch_timer(branch);
            }
        }
    }

    /// Somebody answered our INVITE.
    pub(super) fn on_leg_answered(&mut self, call: CallKey, branch: BranchRef, response: &Message) {
        let Some(invite) = self.tables.contexts.get(branch.context).map(|entry| Arc::clone(&entry.request))
        else {
            return;
        };
        let dialog = Dialog::calling(&invite, response);
        let wanted = self.is_asked_for(call, branch);
        let usable = Description::parse(response.body(), &Limits::default()).is_ok();
        let ringing = self.anchor_mut(call).filter(|_| wanted && usable).and_then(|it| it.ringing.take());
        let Some(ringing) = ringing else {
            return self.end_answer(branch, dialog, &invite, wanted.then_some(488));
        };
        let Ringing { own, told, contact, .. } = ringing;
        let mut leg = Leg::new(dialog, own, contact);
        leg.theirs = Bytes::copy_from_slice(response.body());
        leg.told = told;
        leg.updates = allows_update(response);
        leg.owns_call_id = true;
        leg.ack = Some((invite.cseq(), None));
        let tag = leg.dialog.remote_tag().to_vec();
        self.retire_sender(call);
        self.tables.dialogs.insert(leg.dialog.local_tag().clone(), (call, Side::Agent));
        if let Some(anchor) = self.anchor_mut(call) {
            anchor.agent = Some(leg);
            anchor.bridge = Bridge::Joining;
        }
        self.set_session(call, Side::Agent, Session::of_response(response));
        self.acknowledge_leg(call, Side::Agent);
        self.on_call_answered(call, branch, 200, &tag);
        self.join(call);
    }

    /// The agent has the call: the caller is answered, and the media go there.
    fn join(&mut self, call: CallKey) {
        let Some(anchor) = self.anchor_mut(call) else { return };
        let Some(theirs) = anchor.agent.as_ref().map(|leg| leg.theirs.clone()) else { return };
        let music = matches!(anchor.port, Port::Open(_));
        if music || anchor.answered {
            anchor.caller.wanted = Some(Wanted::Move);
        } else {
            // Nothing was described to the caller yet: the phone's description is the first and only one.
            anchor.answer = anchor.caller.own.carry(&theirs, &Limits::default());
            anchor.caller.told = theirs;
            anchor.bridge = Bridge::Talking;
        }
        if !anchor.answered {
            self.answer_caller(call);
        }
        if !music {
            self.close_port(call);
        }
        self.send_wanted(call, Side::Caller);
    }

    /// Whether the branch is what the call waits for now.
    fn is_asked_for(&self, call: CallKey, branch: BranchRef) -> bool {
        let rings = self.anchor(call).and_then(|anchor| anchor.ringing.as_ref());
        if rings.is_none_or(|ringing| ringing.context != branch.context) {
            return false;
        }
        match (self.tables.calls.get(call).map(|entry| &entry.phase), self.branch(branch).map(|it| &it.aim)) {
            (Some(phase @ Phase::Offered(..)), Some(Aim::Agent(id))) => phase.offer(id).is_some(),
            (Some(Phase::DefaultRouted(_)), Some(Aim::DefaultRoute)) => true,
            (_, _) => false,
        }
    }

    /// An answer to an INVITE of ours that nobody wants, or that cannot be used: ACK and BYE. With a status
    /// the call goes on as if that had come.
    fn end_answer(&mut self, branch: BranchRef, dialog: Dialog, invite: &Message, failed: Option<u16>) {
        self.counters.late_answers += 1;
        self.acknowledge_in(&dialog, invite.cseq(), None);
        self.part(dialog, b"SIP;cause=488;text=\"No usable description\"");
        if let Some(status) = failed {
            if let Some(entry) = self.branch_mut(branch) {
                entry.state = BranchState::Failed(Failure { status, response: None });
            }
            if let Some(entry) = self.tables.contexts.get_mut(branch.context) {
                entry.upstream = Upstream::Open;
            }
            self.on_branch_failed(branch, status);
            self.finish_context(branch.context);
        }
    }

    /// A further 2xx to our INVITE: the same answer again, or somebody else's behind the same address
    /// (RFC 3261 §13.2.2.4).
    pub(super) fn on_leg_repeated(&mut self, call: CallKey, response: &Message) {
        let Some(leg) = self.leg(call, Side::Agent) else { return };
        if response.to_tag() == Some(leg.dialog.remote_tag()) {
            return self.acknowledge_leg(call, Side::Agent);
        }
        let dialog = leg.dialog.forked(response);
        self.acknowledge_in(&dialog, response.cseq(), None);
        self.part(dialog, NO_LONGER);
    }

    /// Everybody whom our INVITE was for has refused. An agent's refusal has been seen to; that of the
    /// default route is the call's.
    pub(super) fn on_leg_failed(&mut self, call: CallKey, context: ContextKey, status: u16) {
        let current = self.anchor(call).and_then(|anchor| anchor.ringing.as_ref());
        if current.is_none_or(|ringing| ringing.context != context) {
            return;
        }
        if let Some(anchor) = self.anchor_mut(call) {
            anchor.ringing = None;
        }
        let routed =
            self.tables.calls.get(call).is_some_and(|it| matches!(it.phase, Phase::DefaultRouted(_)));
        if routed {
            self.refuse_anchored(call, status);
        }
    }

    /// An anchored caller gets no answer from anybody: a refusal, or, answered already by music, the end.
    pub(super) fn refuse_anchored(&mut self, call: CallKey, status: u16) {
        if self.tables.calls.get(call).is_some_and(|entry| entry.sender().is_some()) {
            return self.transfer_failed(call, &status.to_string());
        }
        let Some((context, answered)) = self.anchor(call).map(|anchor| (anchor.context, anchor.answered))
        else {
            return;
        };
        if answered {
            self.say_why(call, "refused", format!("nobody took the call: {status}"));
            self.finish_call(call, EndReason::Rejected);
        } else {
            self.answer_upstream(context, status);
        }
    }
}

/// The description of somebody who is not on hold.
fn not_held(description: &Bytes) -> Bytes {
    let mut written = Vec::with_capacity(description.len() + 8);
    for line in description.split_inclusive(|octet| *octet == b'\n') {
        match line.trim_ascii_end() {
            b"a=sendonly" | b"a=recvonly" | b"a=inactive" => written.extend_from_slice(b"a=sendrecv\r\n"),
            _ => written.extend_from_slice(line),
        }
    }
    written.into()
}
