//! Branches of a response context: starting them, and what their responses do (RFC 3261 §16.6, §16.7, §16.8).

use std::sync::Arc;

use bytes::Bytes;
use slotmap::Key;

use super::context::{Aim, Branch as ContextBranch, BranchState, Failure, Purpose, Upstream};
use super::forwarding::is_sips;
use super::names::{AwaitingName, NameKey};
use super::tables::{BranchRef, ClientKey, ContextKey, Destination};
use super::timers::Alarm;
use super::{Engine, Samples};
use crate::message::{Header, Message, Method};
use crate::proxy::{
    Branch, Final, Forward, NextHop, PrivacyWish, Target, best_response, forward_request, forward_response,
    status_upstream,
};
use crate::transport::Protocol;

/// RFC 3326: why a losing branch is cancelled; phones then show no missed call (R7).
pub(super) const COMPLETED_ELSEWHERE: &[u8] = b"SIP;cause=200;text=\"Call completed elsewhere\"";

/// RFC 3326: why the phone of an agent who did not answer is cancelled; it remains a missed call there.
pub(super) const NOT_ANSWERED: &[u8] = b"SIP;cause=408;text=\"Not answered in time\"";

/// To-tags remembered of one call; a call that forks more often than this is no call.
const TAGS_KEPT: usize = 32;

impl Engine {
    /// Adds a branch towards `hop` and starts it, at once or when its name is resolved.
    pub(super) fn start_branch(
        &mut self,
        context: ContextKey,
        aim: Aim,
        hop: NextHop,
        rewrite: super::forwarding::Rewrite,
    ) -> Option<BranchRef> {
        let entry = self.tables.contexts.get_mut(context)?;
        let branch = BranchRef { context, index: entry.branches.len() };
        let server_name = hop.server_name();
        let state = BranchState::Resolving;
        entry.branches.push(ContextBranch { aim, state, breadth: 0, server_name, timer_c: None });
        let Some(breadth) = self.breadth_of(branch) else {
            self.fail_branch(branch, 440, None);
            return Some(branch);
        };
        if let Some(entry) = self.branch_mut(branch) {
            entry.breadth = breadth;
        }
        match hop {
            NextHop::Address(target) => self.send_branch(branch, target.into(), &rewrite),
            NextHop::Name { protocol, host, port } => {
                let key = NameKey { host, port, protocol };
                match self.known_name(&key) {
                    Some(targets) => self.branch_resolved(branch, &targets, &rewrite),
                    None => self.ask_name(key, AwaitingName::Branch(branch, rewrite)),
                }
            }
            NextHop::Unroutable => self.fail_branch(branch, 404, None),
        }
        Some(branch)
    }

    /// The name of a branch's next hop stands for these targets.
    pub(super) fn branch_resolved(
        &mut self,
        branch: BranchRef,
        targets: &[Target],
        rewrite: &super::forwarding::Rewrite,
    ) {
        match targets.first() {
            Some(target) if self.branch_is_resolving(branch) => {
                self.send_branch(branch, (*target).into(), rewrite);
            }
            Some(_) => {}
            None => self.fail_branch(branch, 503, None),
        }
    }

    fn branch_is_resolving(&self, branch: BranchRef) -> bool {
        self.branch(branch).is_some_and(|entry| matches!(entry.state, BranchState::Resolving))
    }

    /// Writes the request of a branch and hands it to a new client transaction (RFC 3261 §16.6 items 8 to
    /// 10).
    fn send_branch(
        &mut self,
        branch: BranchRef,
        destination: Destination,
        rewrite: &super::forwarding::Rewrite,
    ) {
        let Some(context) = self.tables.contexts.get(branch.context) else { return };
        let request = Arc::clone(&context.request);
        // "If the Request-URI contains a SIPS URI", no hop may be without TLS (RFC 3261 §26.2.2).
        if is_sips(&request) && destination.protocol != Protocol::Tls {
            return self.fail_branch(branch, 480, None);
        }
        let trusted = {
            let name = self.branch(branch).and_then(|entry| entry.server_name.as_deref());
            self.is_trusted(destination.protocol, destination.remote.ip(), name)
        };
        let keep_identity = context.from.trust_identity && trusted;
        let edge = request.header(Header::Privacy).is_some() && !trusted;
        let hide_user = edge && PrivacyWish::of(&request).hides_user();
        if edge && self.privacy_forbids(context.purpose, &request) {
            return self.fail_branch(branch, 500, None);
        }
        let max_breadth = context.branches.get(branch.index).map(|entry| entry.breadth);
        let record_route = self.record_route_values(context, &destination);
        let invite = request.method() == Method::Invite;
        let (client, actions) = self.reserve_client(invite, destination, Some(branch));
        let via_branch =
            Branch { slot: client.data().as_ffi(), loop_hash: self.loop_hash(&request) }.mint(&self.secret);
        let bytes = forward_request(&Forward {
            request: &request,
            request_uri: rewrite.request_uri.as_deref(),
            own_routes: rewrite.own_routes,
            drop_routes: rewrite.drop_routes,
            drop_last_route: rewrite.drop_last_route,
            record_route: &record_route,
            protocol: destination.protocol,
            sent_by: self.own.sent_by(destination.protocol, destination.remote.ip()),
            branch: &via_branch,
            keep_identity,
            hide_user,
            max_breadth,
        });
        if let Some(entry) = self.branch_mut(branch) {
            entry.state = BranchState::Trying(client);
        }
        if invite {
            let alarm = Alarm::TimerC(branch);
            let handle = self.timers.insert(self.now.moment + self.settings.timer_c, alarm);
            if let Some(entry) = self.branch_mut(branch) {
                entry.timer_c = Some(handle);
            }
            self.counters.invites_forwarded += 1;
            if branch.index == 0
                && let Some(began) = self.began_of(branch.context)
            {
                Samples::note(&mut self.samples.invite_forward, self.now.moment.since(began));
            }
        }
        self.start_client(client, bytes, actions);
    }

    fn began_of(&self, context: ContextKey) -> Option<crate::clock::Moment> {
        let Purpose::Call(call) = self.tables.contexts.get(context)?.purpose else { return None };
        self.tables.calls.get(call).map(|call| call.began)
    }

    /// A response reached the transaction user (RFC 3261 §16.7).
    pub(super) fn on_branch_response(&mut self, branch: BranchRef, response: Arc<Message>) {
        let Some(status) = response.status() else { return };
        self.remember_tag(branch.context, &response, status);
        match status {
            0..=100 => self.branch_proceeds(branch),
            101..=199 => {
                self.branch_proceeds(branch);
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
        let Some(branch) = self.tables.clients.get(client).and_then(|entry| entry.branch) else { return };
        self.fail_branch(branch, status, None);
    }

    /// Cancels a branch: at once when a provisional response has come, otherwise when it comes (RFC 3261
    /// §9.1).
    pub(super) fn cancel_branch(&mut self, branch: BranchRef, reason: &[u8]) {
        let Some(entry) = self.branch_mut(branch) else { return };
        match entry.state {
            BranchState::Resolving => self.fail_branch(branch, 487, None),
            BranchState::Trying(client) => {
                entry.state = BranchState::CancelPending(client, Arc::from(reason))
            }
            BranchState::Proceeding(client) => self.cancel_now(branch, client, reason),
            BranchState::CancelPending(..)
            | BranchState::Cancelling(_)
            | BranchState::Answered
            | BranchState::Failed(_) => {}
        }
    }

    fn cancel_now(&mut self, branch: BranchRef, client: ClientKey, reason: &[u8]) {
        if let Some(entry) = self.branch_mut(branch) {
            entry.state = BranchState::Cancelling(client);
        }
        self.send_cancel(client, reason);
        let wait = self.settings.timers.t1 * 64;
        self.timers.insert(self.now.moment + wait, Alarm::CancelWait(branch));
    }

    /// 64·T1 after CANCEL the branch has still not answered: it is given up (RFC 3261 §9.1).
    pub(super) fn cancel_waited(&mut self, branch: BranchRef) {
        let Some(BranchState::Cancelling(client)) = self.branch(branch).map(|entry| entry.state.clone())
        else {
            return;
        };
        self.fail_branch(branch, 487, None);
        self.close_client(client);
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
            | BranchState::Answered
            | BranchState::Failed(_) => {}
        }
    }

    fn branch_proceeds(&mut self, branch: BranchRef) {
        let Some(entry) = self.branch_mut(branch) else { return };
        match entry.state.clone() {
            BranchState::Trying(client) => entry.state = BranchState::Proceeding(client),
            BranchState::CancelPending(client, reason) => self.cancel_now(branch, client, &reason),
            BranchState::Resolving
            | BranchState::Proceeding(_)
            | BranchState::Cancelling(_)
            | BranchState::Answered
            | BranchState::Failed(_) => {}
        }
    }

    /// RFC 3261 §16.7 item 2: a provisional response other than 100 resets Timer C.
    fn reset_timer_c(&mut self, branch: BranchRef) {
        self.clear_timer_c(branch);
        let handle = self.timers.insert(self.now.moment + self.settings.timer_c, Alarm::TimerC(branch));
        match self.branch_mut(branch) {
            Some(entry) if entry.is_pending() => entry.timer_c = Some(handle),
            Some(_) | None => {
                self.timers.cancel(handle);
            }
        }
    }

    fn clear_timer_c(&mut self, branch: BranchRef) {
        if let Some(handle) = self.branch_mut(branch).and_then(|entry| entry.timer_c.take()) {
            self.timers.cancel(handle);
        }
    }

    /// RFC 3261 §16.7 item 5: every 2xx to an INVITE goes up at once, whatever went before.
    fn on_branch_success(&mut self, branch: BranchRef, response: &Message, status: u16) {
        self.clear_timer_c(branch);
        let Some(entry) = self.branch_mut(branch) else { return };
        let first = !matches!(entry.state, BranchState::Answered);
        entry.state = BranchState::Answered;
        // The response goes last: over a stream it ends the server transaction, and with it the context.
        if first {
            self.on_context_answered(branch, status, response.to_tag().unwrap_or_default());
            self.learn_session(branch, response);
            self.cancel_others(branch);
        }
        self.forward_upstream(branch.context, response, status);
    }

    fn cancel_others(&mut self, winner: BranchRef) {
        let count = self.tables.contexts.get(winner.context).map_or(0, |context| context.branches.len());
        for index in (0..count).filter(|index| *index != winner.index) {
            self.cancel_branch(BranchRef { context: winner.context, index }, COMPLETED_ELSEWHERE);
        }
    }

    /// A branch has its final response, and it is no 2xx.
    pub(super) fn fail_branch(&mut self, branch: BranchRef, status: u16, response: Option<Arc<Message>>) {
        self.clear_timer_c(branch);
        let Some(entry) = self.branch_mut(branch) else { return };
        if !entry.is_pending() {
            return;
        }
        entry.state = BranchState::Failed(Failure { status, response });
        if self.follow_redirect(branch) {
            return;
        }
        self.on_branch_failed(branch, status);
        self.finish_context(branch.context);
    }

    /// Answers the caller when no branch is pending and none will follow (RFC 3261 §16.7 item 6).
    pub(super) fn finish_context(&mut self, context: ContextKey) {
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let answered = entry.branches.iter().any(|branch| matches!(branch.state, BranchState::Answered));
        let pending = entry.branches.iter().any(ContextBranch::is_pending);
        if answered || pending || entry.upstream != Upstream::Open || self.more_to_try(context) {
            return;
        }
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let (server, trusted) = (entry.server, entry.from.trust_identity);
        let chosen = if entry.cancelled { None } else { best_failure(&entry.branches, &entry.recursed) };
        let Some(failure) = chosen else {
            return self.answer_upstream(context, if entry.cancelled { 487 } else { 500 });
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

    /// A final response of our own.
    pub(super) fn answer_upstream(&mut self, context: ContextKey, status: u16) {
        let Some(entry) = self.tables.contexts.get(context) else { return };
        let server = entry.server;
        self.set_upstream(context, status);
        self.respond_status(server, status, &[]);
    }

    fn set_upstream(&mut self, context: ContextKey, status: u16) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
        entry.upstream = Upstream::Final(status);
        self.on_context_refused(context, status);
    }

    /// Sends a response up, unless another final went before it (RFC 3261 §16.7 items 5, 8, 9).
    fn forward_upstream(&mut self, context: ContextKey, response: &Message, status: u16) {
        let Some(entry) = self.tables.contexts.get_mut(context) else { return };
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

    fn branch_mut(&mut self, branch: BranchRef) -> Option<&mut ContextBranch> {
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
        if served || busy {
            return;
        }
        let Some(entry) = self.tables.contexts.remove(context) else { return };
        for handle in entry.branches.iter().filter_map(|branch| branch.timer_c) {
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
            .filter_map(|(_, branch)| match &branch.state {
                BranchState::Failed(failure) => Some(failure),
                BranchState::Resolving
                | BranchState::Trying(_)
                | BranchState::Proceeding(_)
                | BranchState::CancelPending(..)
                | BranchState::Cancelling(_)
                | BranchState::Answered => None,
            })
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
