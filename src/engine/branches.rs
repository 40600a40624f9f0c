//! Branches of a response context: starting them, and what their responses do (RFC 3261 §16.6, §16.7, §16.8).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use slotmap::Key;

use super::context::{Aim, Branch as ContextBranch, BranchState, Failure, Purpose, Upstream};
use super::forwarding::{Rewrite, is_sips};
use super::hops_failover::Onward;
use super::names::{AwaitingName, NameKey};
use super::tables::{BranchRef, CallKey, ClientKey, ClientMachine, ContextKey};
use super::timers::Alarm;
use super::{Engine, Samples};
use crate::clock::Moment;
use crate::message::{Header, Message, Method};
use crate::proxy::{
    Branch, Final, Forward, NextHop, PrivacyWish, Target, best_response, forward_request, forward_response,
    status_upstream,
};
use crate::transaction::{Actions, invite_client};
use crate::transport::Protocol;

/// RFC 3326: why a losing branch is cancelled; phones then show no missed call (R7).
pub(super) const COMPLETED_ELSEWHERE: &[u8] = b"SIP;cause=200;text=\"Call completed elsewhere\"";

/// RFC 3326: why the phone of an agent who did not answer is cancelled; it remains a missed call there.
pub(super) const NOT_ANSWERED: &[u8] = b"SIP;cause=408;text=\"Not answered in time\"";

/// How long the caller's answer waits for a branch that was cancelled.
const CANCEL_ANSWER: Duration = Duration::from_secs(2);

/// What a caller is told when every target of the default route is dead.
const RETRY_AFTER: &[u8] = b"5";

/// To-tags remembered of one call; a call that forks more often than this is no call.
const TAGS_KEPT: usize = 32;

impl Engine {
    /// Adds a branch towards the first of `hops` and starts it, at once or when its name is resolved. The
    /// others are tried when that fails.
    pub(super) fn start_branch(
        &mut self,
        context: ContextKey,
        aim: Aim,
        mut hops: VecDeque<NextHop>,
        rewrite: Rewrite,
    ) -> Option<BranchRef> {
        let until = self.now.moment + self.silence_limit(&aim);
        let branch = self.add_branch(context, aim, until)?;
        if !self.has_breadth(branch) {
            return Some(branch);
        }
        let first = hops.pop_front().unwrap_or(NextHop::Unroutable);
        self.go(branch, first, Onward { targets: VecDeque::new(), hops, rewrite, until });
        Some(branch)
    }

    /// A branch that has not gone anywhere yet.
    pub(super) fn add_branch(&mut self, context: ContextKey, aim: Aim, until: Moment) -> Option<BranchRef> {
        let began = self.now.moment;
        let entry = self.tables.contexts.get_mut(context)?;
        let index = entry.branches.len();
        let state = BranchState::Resolving;
        entry.branches.push(ContextBranch {
            aim,
            state,
            timer: None,
            began,
            until,
            onward: None,
            breadth: 0,
            server_name: None,
        });
        Some(BranchRef { context, index })
    }

    /// Gives the branch its share of Max-Breadth; `false` when none is left and it has failed (RFC 5393
    /// §5.3.3).
    pub(super) fn has_breadth(&mut self, branch: BranchRef) -> bool {
        let breadth = self.breadth_of(branch);
        if let (Some(breadth), Some(entry)) = (breadth, self.branch_mut(branch)) {
            entry.breadth = breadth;
        } else {
            self.fail_branch(branch, 440, None);
        }
        breadth.is_some()
    }

    /// Sends a branch to this hop.
    pub(super) fn go(&mut self, branch: BranchRef, hop: NextHop, onward: Onward) {
        if let Some(entry) = self.branch_mut(branch) {
            entry.server_name = hop.server_name();
        }
        match hop {
            NextHop::Address(target) => self.send_branch(branch, target, onward),
            NextHop::Name { protocol, host, port } => {
                let key = NameKey { host, port, protocol };
                let known = self.known_name(&key);
                let method = self.method_of(branch.context);
                let patience = self.branch(branch).and_then(|entry| self.patience(&entry.aim, &onward));
                if let Some(entry) = self.branch_mut(branch) {
                    entry.onward = Some(Box::new(onward));
                }
                match known {
                    Some(targets) => self.branch_resolved(branch, &targets),
                    None => {
                        self.set_first_timer(branch, method, patience);
                        self.ask_name(key, AwaitingName::Branch(branch));
                    }
                }
            }
            NextHop::Unroutable => {
                if let Some(entry) = self.branch_mut(branch) {
                    entry.onward = (!onward.is_empty()).then(|| Box::new(onward));
                }
                self.fail_branch(branch, 404, None);
            }
        }
    }

    /// The name of a branch's next hop stands for these targets.
    pub(super) fn branch_resolved(&mut self, branch: BranchRef, targets: &[Target]) {
        let Some(entry) = self.branch_mut(branch) else { return };
        if !matches!(entry.state, BranchState::Resolving) {
            return;
        }
        let Some(mut onward) = entry.onward.take() else { return };
        onward.targets = self.usable_first(targets);
        match onward.targets.pop_front() {
            Some(target) => self.send_branch(branch, target, *onward),
            None => {
                if let Some(entry) = self.branch_mut(branch) {
                    entry.onward = (!onward.is_empty()).then_some(onward);
                }
                self.fail_branch(branch, 503, None);
            }
        }
    }

    fn method_of(&self, context: ContextKey) -> Method {
        self.tables.contexts.get(context).map_or(Method::Other, |entry| entry.request.method())
    }

    /// Hands the request of a branch to a new client transaction (RFC 3261 §16.6 items 8 to 10).
    pub(super) fn send_branch(&mut self, branch: BranchRef, target: Target, mut onward: Onward) {
        let mut written = self.write_branch(branch, target, &onward.rewrite);
        if let Some((client, _, bytes)) = &written
            && self.goes_over_tcp(target, bytes.len())
        {
            self.tables.clients.remove(*client);
            let instead = Target { protocol: Protocol::Tcp, remote: target.remote };
            written = self.write_branch(branch, instead, &onward.rewrite);
            onward.targets.push_front(target);
            self.counters.large_over_tcp += 1;
        }
        let Some((client, actions, bytes)) = written else { return };
        let method = self.method_of(branch.context);
        let patience = self.branch(branch).and_then(|entry| self.patience(&entry.aim, &onward));
        if let Some(entry) = self.branch_mut(branch) {
            entry.state = BranchState::Trying(client);
            entry.onward = (!onward.is_empty()).then(|| Box::new(onward));
        }
        self.set_first_timer(branch, method, patience);
        if method == Method::Invite {
            self.counters.invites_forwarded += 1;
            if branch.index == 0
                && let Some(began) = self.began_of(branch.context)
            {
                Samples::note(&mut self.samples.invite_forward, self.now.moment.since(began));
            }
        }
        self.start_client(client, bytes, actions);
    }

    /// The request as it goes to this target, with the slot of its transaction.
    fn write_branch(
        &mut self,
        branch: BranchRef,
        target: Target,
        rewrite: &Rewrite,
    ) -> Option<(ClientKey, Actions, Bytes)> {
        let context = self.tables.contexts.get(branch.context)?;
        let request = Arc::clone(&context.request);
        // "If the Request-URI contains a SIPS URI", no hop may be without TLS (RFC 3261 §26.2.2).
        if is_sips(&request) && target.protocol != Protocol::Tls {
            self.fail_branch(branch, 480, None);
            return None;
        }
        let trusted = {
            let name = self.branch(branch).and_then(|entry| entry.server_name.as_deref());
            self.is_trusted(target.protocol, target.remote.ip(), name)
        };
        let keep_identity = context.from.trust_identity && trusted;
        let edge = request.header(Header::Privacy).is_some() && !trusted;
        let hide_user = edge && PrivacyWish::of(&request).hides_user();
        if edge && self.privacy_forbids(context.purpose, &request) {
            self.fail_branch(branch, 500, None);
            return None;
        }
        let max_breadth = context.branches.get(branch.index).map(|entry| entry.breadth);
        let record_route = self.record_route_values(context, &target.into());
        let invite = request.method() == Method::Invite;
        let purpose = context.purpose;
        let (client, actions) = self.reserve_client(invite, target.into(), Some(branch));
        let via_branch =
            Branch { slot: client.data().as_ffi(), loop_hash: self.loop_hash(&request) }.mint(&self.secret);
        let bytes = forward_request(&Forward {
            request: &request,
            request_uri: rewrite.request_uri.as_deref(),
            own_routes: rewrite.own_routes,
            drop_routes: rewrite.drop_routes,
            drop_last_route: rewrite.drop_last_route,
            record_route: &record_route,
            protocol: target.protocol,
            sent_by: self.own.sent_by(target.protocol, target.remote.ip()),
            branch: &via_branch,
            keep_identity,
            hide_user,
            max_breadth,
            originated: purpose.is_ours(),
        });
        Some((client, actions, bytes))
    }

    fn began_of(&self, context: ContextKey) -> Option<crate::clock::Moment> {
        let Purpose::Call(call) = self.tables.contexts.get(context)?.purpose else { return None };
        self.tables.calls.get(call).map(|call| call.began)
    }

    /// A response reached the transaction user (RFC 3261 §16.7).
    pub(super) fn on_branch_response(&mut self, branch: BranchRef, response: Arc<Message>) {
        let Some(status) = response.status() else { return };
        let wanted = self.branch(branch).is_some_and(|entry| !entry.is_given_up());
        if wanted {
            self.remember_tag(branch.context, &response, status);
        }
        match status {
            0..=100 => self.branch_proceeds(branch),
            101..=199 => {
                self.branch_proceeds(branch);
                if !wanted {
                    return;
                }
                self.reset_timer_c(branch);
                self.forward_upstream(branch.context, &response, status);
                self.on_branch_provisional(branch, status);
            }
            200..=299 => self.on_branch_success(branch, &response, status),
            _ => self.fail_branch(branch, status, Some(response)),
        }
    }

    /// Keeps the tag with which somebody answered the INVITE of a call.
    fn remember_tag(&mut self, context: ContextKey, response: &Message, status: u16) {
        let Some(Purpose::Call(call)) = self.tables.contexts.get(context).map(|entry| entry.purpose) else {
            return;
        };
        let (Some(entry), Some(tag)) = (self.tables.calls.get_mut(call), response.to_tag()) else { return };
        let known = entry.answered_tags.iter().any(|known| known == tag);
        if (101..300).contains(&status) && !known && entry.answered_tags.len() < TAGS_KEPT {
            entry.answered_tags.push(tag.to_vec());
        }
    }

    /// No response came, or the request could not be sent: as if this status had come (RFC 3261 §16.9).
    pub(super) fn on_branch_silent(&mut self, client: ClientKey, status: u16) {
        match self.tables.clients.get(client).map(|entry| entry.branch) {
            Some(Some(branch)) => self.fail_branch(branch, status, None),
            Some(None) => self.on_probe_failed(client),
            None => {}
        }
    }

    /// Cancels a branch: at once when a provisional response has come, otherwise when it comes (RFC 3261
    /// §9.1).
    pub(super) fn cancel_branch(&mut self, branch: BranchRef, reason: &[u8]) {
        let Some(entry) = self.branch_mut(branch) else { return };
        match entry.state {
            BranchState::Resolving => self.fail_branch(branch, 487, None),
            BranchState::Trying(client) => {
                entry.state = BranchState::CancelPending(client, Arc::from(reason));
                self.clear_branch_timer(branch);
            }
            BranchState::Proceeding(client) => {
                self.cancel_now(branch, client, reason);
                self.disown_leg(branch);
            }
            BranchState::CancelPending(..)
            | BranchState::Cancelling(_)
            | BranchState::Disowned(..)
            | BranchState::Answered
            | BranchState::Failed(_) => {}
        }
    }

    /// An answer to our own INVITE that crosses our CANCEL goes to nobody: the caller has, or will have,
    /// another one.
    fn disown_leg(&mut self, branch: BranchRef) {
        let purpose = self.tables.contexts.get(branch.context).map(|entry| entry.purpose);
        if let (Some(Purpose::Leg(_)), Some(entry)) = (purpose, self.branch_mut(branch))
            && let BranchState::Cancelling(client) = entry.state
        {
            entry.state = BranchState::Disowned(client, Vec::new());
            self.clear_branch_timer(branch);
        }
    }

    fn cancel_now(&mut self, branch: BranchRef, client: ClientKey, reason: &[u8]) {
        if let Some(entry) = self.branch_mut(branch) {
            entry.state = BranchState::Cancelling(client);
        }
        self.send_cancel(client, reason);
        self.timers.insert(self.now.moment + CANCEL_ANSWER, Alarm::CancelWait(branch));
        let wait = self.settings.timers.t1 * 64;
        self.timers.insert(self.now.moment + wait, Alarm::CancelEnd(branch));
    }

    /// The CANCEL has had no effect so far: the caller waits no longer for this branch. A 2xx that crossed
    /// the CANCEL has come by now, or is ended when it comes (I3).
    pub(super) fn cancel_waited(&mut self, branch: BranchRef) {
        let Some(entry) = self.branch_mut(branch) else { return };
        let BranchState::Cancelling(client) = entry.state else { return };
        // What still comes within a dialog that stands is no answer of somebody else's.
        if let Some(Purpose::Carried(..)) =
            self.tables.contexts.get(branch.context).map(|entry| entry.purpose)
        {
            return;
        }
        let Some(entry) = self.branch_mut(branch) else { return };
        entry.state = BranchState::Disowned(client, Vec::new());
        self.clear_branch_timer(branch);
        if let Some(Purpose::Call(call)) = self.tables.contexts.get(branch.context).map(|entry| entry.purpose)
        {
            self.release_held(call);
        }
        self.finish_context(branch.context);
    }

    /// 64·T1 after CANCEL the INVITE still has no final response: its transaction is ended (RFC 3261 §9.1).
    pub(super) fn cancel_ended(&mut self, branch: BranchRef) {
        let Some(entry) = self.branch_mut(branch) else { return };
        let (BranchState::Disowned(client, _) | BranchState::Cancelling(client)) = entry.state else {
            return;
        };
        let proceeding = self.tables.clients.get(client).is_some_and(|client| match &client.machine {
            ClientMachine::Invite(machine) => machine.state() == invite_client::State::Proceeding,
            ClientMachine::NonInvite(_) => false,
        });
        if proceeding {
            self.fail_branch(branch, 487, None);
            self.close_client(client);
        }
    }

    /// Timer C fired (RFC 3261 §16.8): CANCEL where a provisional response has come, otherwise as if 408 had.
    pub(super) fn timer_c(&mut self, branch: BranchRef) {
        let Some(state) = self.branch(branch).map(|entry| entry.state.clone()) else { return };
        match state {
            BranchState::Proceeding(client) => self.cancel_now(branch, client, b""),
            BranchState::Trying(client) => {
                self.fail_branch(branch, 408, None);
                self.close_client(client);
            }
            BranchState::Resolving => self.fail_branch(branch, 408, None),
            BranchState::CancelPending(..)
            | BranchState::Cancelling(_)
            | BranchState::Disowned(..)
            | BranchState::Answered
            | BranchState::Failed(_) => {}
        }
    }

    fn branch_proceeds(&mut self, branch: BranchRef) {
        let Some(entry) = self.branch_mut(branch) else { return };
        match entry.state.clone() {
            BranchState::Trying(client) => {
                entry.state = BranchState::Proceeding(client);
                // RFC 3261 §16.6 item 11: from the first word on it is Timer C that counts.
                self.reset_timer_c(branch);
                if let Some(target) = self.target_of(branch) {
                    self.hop_succeeded(target);
                }
            }
            BranchState::CancelPending(client, reason) => {
                self.cancel_now(branch, client, &reason);
                if let Some(entry) = self.branch_mut(branch) {
                    entry.state = BranchState::Disowned(client, Vec::new());
                }
            }
            BranchState::Disowned(..)
            | BranchState::Resolving
            | BranchState::Proceeding(_)
            | BranchState::Cancelling(_)
            | BranchState::Answered
            | BranchState::Failed(_) => {}
        }
    }

    /// RFC 3261 §16.7 item 2: a provisional response other than 100 resets Timer C.
    fn reset_timer_c(&mut self, branch: BranchRef) {
        if self.method_of(branch.context) != Method::Invite {
            return;
        }
        self.clear_branch_timer(branch);
        let handle = self.timers.insert(self.now.moment + self.settings.timer_c, Alarm::TimerC(branch));
        match self.branch_mut(branch) {
            Some(entry) if entry.is_pending() => entry.timer = Some(handle),
            Some(_) | None => {
                self.timers.cancel(handle);
            }
        }
    }

    pub(super) fn clear_branch_timer(&mut self, branch: BranchRef) {
        if let Some(handle) = self.branch_mut(branch).and_then(|entry| entry.timer.take()) {
            self.timers.cancel(handle);
        }
    }

    /// RFC 3261 §16.7 item 5: every 2xx to an INVITE goes up at once, whatever went before.
    fn on_branch_success(&mut self, branch: BranchRef, response: &Message, status: u16) {
        self.clear_branch_timer(branch);
        if self.is_too_late(branch) {
            return self.end_late_answer(branch, response);
        }
        if let Some(target) = self.target_of(branch) {
            self.hop_succeeded(target);
        }
        let Some(entry) = self.branch_mut(branch) else { return };
        let first = !matches!(entry.state, BranchState::Answered);
        entry.state = BranchState::Answered;
        if self.is_ours(branch.context) {
            self.cancel_others(branch);
            return self.on_own_success(branch, response, first);
        }
        // The response goes last: over a stream it ends the server transaction, and with it the context.
        if first {
            self.on_context_answered(branch, status, response.to_tag().unwrap_or_default());
            self.learn_session(branch, response);
            self.cancel_others(branch);
        }
        self.forward_upstream(branch.context, response, status);
        self.slim_context(branch.context);
    }

    /// A context lingers with its transactions. When all branches have answered, nothing is made of the
    /// request any more; an empty one of the same method takes its place.
    fn slim_context(&mut self, context: ContextKey) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        if !entry.branches.iter().any(ContextBranch::is_pending) {
            let invite = entry.request.method() == Method::Invite;
            entry.request = Arc::clone(if invite { &self.spent.invite } else { &self.spent.other });
        }
    }

    /// Whether a 2xx of this branch cannot go to the caller any more: the branch was given up, or a refusal
    /// went up before it.
    fn is_too_late(&self, branch: BranchRef) -> bool {
        let Some(context) = self.tables.contexts.get(branch.context) else { return false };
        let refused = matches!(context.upstream, Upstream::Final(status) if status >= 300);
        refused || context.branches.get(branch.index).is_some_and(ContextBranch::is_given_up)
    }

    fn cancel_others(&mut self, winner: BranchRef) {
        let count = self.tables.contexts.get(winner.context).map_or(0, |context| context.branches.len());
        for index in (0..count).filter(|index| *index != winner.index) {
            self.cancel_branch(BranchRef { context: winner.context, index }, COMPLETED_ELSEWHERE);
        }
    }

    /// A branch has its final response, and it is no 2xx.
    pub(super) fn fail_branch(&mut self, branch: BranchRef, status: u16, response: Option<Arc<Message>>) {
        self.clear_branch_timer(branch);
        let Some(entry) = self.branch(branch) else { return };
        let (pending, given_up) = (entry.is_pending(), entry.is_given_up());
        if pending {
            self.note_failure(branch, status, response.as_deref());
        }
        let goes_on =
            pending && matches!((status, &response), (503, _) | (404, None)) && self.may_go_on(branch);
        let Some(entry) = self.branch_mut(branch) else { return };
        if pending || given_up {
            entry.state = BranchState::Failed(Failure { status, response });
        }
        if goes_on {
            self.next_target(branch);
        } else if pending && !self.follow_redirect(branch) {
            self.on_branch_failed(branch, status);
            self.finish_context(branch.context);
        }
    }

    /// Answers the caller when no branch is pending and none will follow (RFC 3261 §16.7 item 6).
    pub(super) fn finish_context(&mut self, context: ContextKey) {
        if self.is_ours(context) {
            self.finish_own_context(context);
            // It may have been given up before anything was sent.
            return self.forget_context_when_done(context);
        }
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let answered = entry.branches.iter().any(|branch| matches!(branch.state, BranchState::Answered));
        let pending = entry.branches.iter().any(ContextBranch::is_pending);
        if answered || pending || entry.upstream != Upstream::Open || self.more_to_try(context) {
            return;
        }
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let (server, cancelled) = (entry.server, entry.cancelled);
        if !cancelled && self.route_is_down(context) {
            return self.answer_route_down(context);
        }
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let trusted = entry.from.trust_identity;
        let chosen = if cancelled { None } else { best_failure(&entry.branches, &entry.recursed) };
        let Some(failure) = chosen else {
            return self.answer_upstream(context, if cancelled { 487 } else { 500 });
        };
        let invite = entry.request.method() == Method::Invite;
        // RFC 4320 §4.2: no 408 for a request that is not an INVITE; its client has timed out as well.
        if !invite && failure.status == 408 {
            self.set_upstream(context, 408);
            return self.close_server(server);
        }
        match failure.response {
            Some(response) if status_upstream(failure.status) == failure.status => {
                let extra = self.other_challenges(context, failure.status, &response);
                self.set_upstream(context, failure.status);
                let bytes = forward_response(&response, &extra, trusted);
                self.respond(server, failure.status, bytes);
            }
            Some(_) | None => self.answer_upstream(context, status_upstream(failure.status)),
        }
    }

    fn is_ours(&self, context: ContextKey) -> bool {
        self.tables.contexts.get(context).is_some_and(|entry| entry.purpose.is_ours())
    }

    /// A request of our own: nobody is answered when all its branches have failed, but somebody may have
    /// waited for it.
    fn finish_own_context(&mut self, context: ContextKey) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        let busy = entry
            .branches
            .iter()
            .any(|branch| branch.is_pending() || matches!(branch.state, BranchState::Answered));
        if busy || entry.upstream != Upstream::Open {
            return;
        }
        let status = best_failure(&entry.branches, &entry.recursed).map_or(500, |failure| failure.status);
        let (purpose, cancelled) = (entry.purpose, entry.cancelled);
        if let Purpose::Carried(call, side) = purpose {
            let status = if cancelled { 487 } else { status };
            return self.on_carried_failed(call, side, context, status, None);
        }
        entry.upstream = Upstream::Final(status);
        if let Purpose::Leg(call) = purpose {
            self.on_leg_failed(call, context, status_upstream(status));
        }
    }

    /// A final response of our own.
    pub(super) fn answer_upstream(&mut self, context: ContextKey, status: u16) {
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let server = entry.server;
        if let (Purpose::Call(call), Upstream::Final(200..=299)) = (entry.purpose, entry.upstream) {
            // The caller was answered when the music began: what is left is the end.
            return self.refuse_anchored(call, status);
        }
        self.set_upstream(context, status);
        self.respond_status(server, status, &[]);
    }

    /// Every way is dead, and not one bad branch: the caller's side may try another proxy, and later again
    /// (F8).
    fn answer_route_down(&mut self, context: ContextKey) {
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let server = entry.server;
        self.counters.routes_down += 1;
        self.set_upstream(context, 503);
        self.respond_status(server, 503, &[("Retry-After", RETRY_AFTER)]);
    }

    fn set_upstream(&mut self, context: ContextKey, status: u16) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        entry.upstream = Upstream::Final(status);
        self.on_context_refused(context, status);
    }

    /// Sends a response up, unless another final went before it (RFC 3261 §16.7 items 5, 8, 9).
    fn forward_upstream(&mut self, context: ContextKey, response: &Message, status: u16) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        if entry.purpose.is_ours() {
            return;
        }
        let may = match entry.upstream {
            Upstream::Open => true,
            Upstream::Final(before) => (200..300).contains(&status) && (200..300).contains(&before),
        };
        if !may {
            return;
        }
        if status >= 200 {
            entry.upstream = Upstream::Final(status);
        }
        let server = entry.server;
        let bytes = forward_response(response, &[], entry.from.trust_identity);
        self.respond(server, status, bytes);
    }

    /// RFC 3261 §16.7 item 7: the challenges of the other branches join the 401 or 407 that goes up.
    fn other_challenges(&self, context: ContextKey, status: u16, chosen: &Message) -> Vec<(String, Bytes)> {
        if !matches!(status, 401 | 407) {
            return Vec::new();
        }
        let Some(entry) = self.tables.contexts.get(context) else { return Vec::new() };
        let mut challenges = Vec::new();
        for branch in &entry.branches {
            let BranchState::Failed(Failure { status: 401 | 407, response: Some(response) }) = &branch.state
            else {
                continue;
            };
            if std::ptr::eq(response.as_ref(), chosen) {
                continue;
            }
            for (header, name) in [
                (Header::WwwAuthenticate, "WWW-Authenticate"),
                (Header::ProxyAuthenticate, "Proxy-Authenticate"),
            ] {
                for value in response.headers(header) {
                    challenges.push((name.to_owned(), Bytes::copy_from_slice(value)));
                }
            }
        }
        challenges
    }

    pub(super) fn branch(&self, branch: BranchRef) -> Option<&ContextBranch> {
        self.tables.contexts.get(branch.context)?.branches.get(branch.index)
    }

    pub(super) fn branch_mut(&mut self, branch: BranchRef) -> Option<&mut ContextBranch> {
        self.tables.contexts.get_mut(branch.context)?.branches.get_mut(branch.index)
    }

    /// Drops a context whose server transaction is gone and whose branches need no client transaction any
    /// more.
    pub(super) fn forget_context_when_done(&mut self, context: ContextKey) {
        let Some(entry) = self.tables.contexts.get(context) else { return };
        // Only an INVITE's context has anything left to do once the caller has a final response.
        let ended = entry.request.method() != Method::Invite && entry.upstream != Upstream::Open;
        let served = !ended && self.tables.servers.contains_key(entry.server);
        let busy = entry
            .branches
            .iter()
            .filter_map(ContextBranch::client)
            .any(|client| self.tables.clients.contains_key(client));
        // Nobody but its own branches holds a request of ours.
        let resolving = |branch: &ContextBranch| matches!(branch.state, BranchState::Resolving);
        if served || busy || (entry.purpose.is_ours() && entry.branches.iter().any(resolving)) {
            return;
        }
        // What an anchored caller asked for is wanted as long as they wait for somebody.
        let anchored = |call: CallKey| self.anchor(call).is_some_and(|anchor| anchor.context == context);
        if matches!(entry.purpose, Purpose::Call(call) if anchored(call)) {
            return;
        }
        let Some(entry) = self.tables.contexts.remove(context) else { return };
        for handle in entry.branches.iter().filter_map(|branch| branch.timer) {
            self.timers.cancel(handle);
        }
        if let Purpose::Call(call) = entry.purpose {
            self.forget_call_when_done(call);
        }
    }
}

/// The best failure of the branches that speak for the call. An agent's refusal is the agent's own (R3): it
/// counts only when nothing else answered.
fn best_failure(branches: &[ContextBranch], recursed: &[usize]) -> Option<Failure> {
    let failures = |agents: bool| -> Vec<&Failure> {
        branches
            .iter()
            .enumerate()
            .filter(|(index, branch)| {
                matches!(branch.aim, Aim::Agent(_)) == agents && !recursed.contains(index)
            })
            .filter_map(|(_, branch)| branch.state.failure())
            .collect()
    };
    let mut candidates = failures(false);
    if candidates.is_empty() {
        candidates = failures(true);
    }
    let finals: Vec<Final> = candidates
        .iter()
        .map(|failure| Final { status: failure.status, local: failure.response.is_none() })
        .collect();
    best_response(&finals).map(|index| candidates[index].clone())
}
