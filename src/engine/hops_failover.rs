//! From one target to the next: each gets a branch, and so a client transaction, of its own (RFC 3263 §4.3).
//! A target that fails, says 503, or says nothing at all gives way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::call::Progress;
use super::context::{Aim, BranchState, Failure, Purpose, Upstream};
use super::forwarding::Rewrite;
use super::tables::{BranchRef, ContextKey};
use super::timers::Alarm;
use crate::clock::Moment;
use crate::message::{Header, Message, Method};
use crate::proxy::{NextHop, RouteTarget, Target, trial_order};
use crate::transport::Protocol;

/// For how many targets the time of a silent route is shared out; further ones are tried only after errors.
const SHARED_BY: u32 = 3;

/// No target gets less time than this before the next one is tried.
const LEAST_WAIT: Duration = Duration::from_millis(200);

/// How long it is remembered that somebody takes no TCP.
const NO_TCP_LASTS: Duration = Duration::from_secs(600);

/// How many of them are remembered; the table is emptied when it is full.
const NO_TCP_KEPT: usize = 1024;

/// RFC 3326: why a branch is cancelled that answered only after it had been given up.
const TOO_LATE: &[u8] = b"SIP;cause=408;text=\"Another target was tried\"";

/// What may still be tried for a branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Onward {
    /// Further targets of the present hop.
    pub targets: VecDeque<Target>,
    /// Further hops of the route.
    pub hops: VecDeque<NextHop>,
    /// How the request is written.
    pub rewrite: Rewrite,
    /// When silence ends the search.
    pub until: Moment,
}

impl Onward {
    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.hops.is_empty()
    }
}

impl Engine {
    /// The hops of the default route in the order in which this call tries them.
    pub(super) fn route_hops(&mut self) -> VecDeque<NextHop> {
        let settings = Arc::clone(&self.settings);
        let hops: Vec<NextHop> =
            settings.routes.iter().map(|route: &RouteTarget| self.hop_of(route.uri.as_bytes())).collect();
        if hops.len() < 2 {
            return hops.into();
        }
        let usable: Vec<bool> = hops.iter().map(|hop| self.hop_is_usable(hop)).collect();
        let random = &mut self.random;
        let order = trial_order(&settings.routes, &|index| usable[index], &mut |bound| below(random, bound));
        order.into_iter().map(|index| hops[index].clone()).collect()
    }

    fn hop_is_usable(&self, hop: &NextHop) -> bool {
        match hop {
            NextHop::Address(target) => self.target_is_usable(*target),
            NextHop::Name { protocol, host, port } => {
                let key = super::names::NameKey { host: host.clone(), port: *port, protocol: *protocol };
                self.known_name(&key)
                    .is_none_or(|targets| targets.iter().any(|target| self.target_is_usable(*target)))
            }
            NextHop::Unroutable => false,
        }
    }

    fn target_is_usable(&self, target: Target) -> bool {
        self.hops.usable(target, self.now.moment, !self.settings.probe_interval.is_zero())
    }

    /// The targets of a name, those that seem dead last.
    pub(super) fn usable_first(&self, targets: &[Target]) -> VecDeque<Target> {
        let (mut up, down): (Vec<Target>, Vec<Target>) =
            targets.iter().partition(|target| self.target_is_usable(**target));
        up.extend(down);
        up.into()
    }

    /// How long a branch with this aim may be silent in all: a phone 2.8 s by default (F9), a route four.
    pub(super) fn silence_limit(&self, aim: &Aim) -> Duration {
        match aim {
            Aim::Agent(_) => self.settings.phone_silent * 7 / 5,
            Aim::DefaultRoute | Aim::Dialog => self.settings.next_target_after * 2,
        }
    }

    /// How long the present target of an INVITE may be silent; `None` when only the transaction's own timer
    /// counts.
    pub(super) fn patience(&self, aim: &Aim, onward: &Onward) -> Option<Duration> {
        let whole = match aim {
            Aim::Agent(_) => self.settings.phone_silent,
            Aim::Dialog if onward.is_empty() => return None,
            Aim::DefaultRoute | Aim::Dialog => self.settings.next_target_after,
        };
        if whole.is_zero() {
            return None;
        }
        let others = onward.targets.iter().filter(|target| self.target_is_usable(**target)).count()
            + onward.hops.iter().filter(|hop| self.hop_is_usable(hop)).count();
        let share = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1).min(SHARED_BY);
        let left = onward.until.since(self.now.moment);
        Some(whole.min(left / share).max(LEAST_WAIT))
    }

    /// Nothing came from the target in its time, not even a 100.
    pub(super) fn branch_silent(&mut self, branch: BranchRef) {
        let onward = self.may_go_on(branch) && self.in_time(branch);
        let Some(entry) = self.branch_mut(branch) else { return };
        entry.timer = None;
        match (&entry.state, &entry.aim) {
            (BranchState::Resolving, _) => self.fail_branch(branch, 503, None),
            (BranchState::Trying(_), _) if onward => {
                self.give_up(branch);
                self.next_target(branch);
            }
            (BranchState::Trying(_), Aim::Agent(_)) => self.phone_silent(branch),
            (BranchState::Trying(_), Aim::DefaultRoute) => self.route_silent(branch),
            (BranchState::Trying(_), Aim::Dialog)
            | (
                BranchState::Proceeding(_)
                | BranchState::CancelPending(..)
                | BranchState::Cancelling(_)
                | BranchState::Disowned(..)
                | BranchState::Answered
                | BranchState::Failed(_),
                _,
            ) => {}
        }
    }

    /// A phone is silent: it is dead, and its agent is not.
    fn phone_silent(&mut self, branch: BranchRef) {
        if self.may_be_alive(branch) {
            return;
        }
        self.counters.silent_phones += 1;
        self.give_up(branch);
        if !self.follow_redirect(branch) {
            self.on_branch_failed(branch, 408);
            self.finish_context(branch.context);
        }
    }

    /// Loss alone can make a target silent: before it is given up it is asked by a probe as well, until the
    /// time of the branch is over. One that has answered anything since the branch began is alive, and only
    /// Timer B counts.
    fn may_be_alive(&mut self, branch: BranchRef) -> bool {
        let Some(target) = self.target_of(branch) else { return false };
        let Some((began, until)) = self.branch(branch).map(|entry| (entry.began, entry.until)) else {
            return false;
        };
        if self.hops.heard_since(target, began) {
            return true;
        }
        if self.now.moment < until {
            let name = self.branch(branch).and_then(|entry| entry.server_name.clone());
            self.probe(target, name);
            let handle = self.timers.insert(until, Alarm::BranchSilent(branch));
            if let Some(entry) = self.branch_mut(branch) {
                entry.timer = Some(handle);
            }
            return true;
        }
        false
    }

    /// The last target of a route is silent.
    fn route_silent(&mut self, branch: BranchRef) {
        if self.may_be_alive(branch) {
            return;
        }
        self.give_up(branch);
        if !self.follow_redirect(branch) {
            self.finish_context(branch.context);
        }
    }

    /// The branch does not count any more. What still comes of it is ended: a provisional response by CANCEL,
    /// a 2xx by ACK and BYE.
    fn give_up(&mut self, branch: BranchRef) {
        if let Some(target) = self.target_of(branch).filter(|_| self.is_route(branch)) {
            self.hop_failed(target);
        }
        self.clear_branch_timer(branch);
        let Some(entry) = self.branch_mut(branch) else { return };
        if let BranchState::Trying(client) = entry.state {
            entry.state = BranchState::CancelPending(client, Arc::from(TOO_LATE));
        }
        self.counters.targets_given_up += 1;
    }

    /// Whether something is left to be tried for the branch, and the caller still waits for it.
    pub(super) fn may_go_on(&self, branch: BranchRef) -> bool {
        let Some(context) = self.tables.contexts.get(branch.context) else { return false };
        let more = context.branches.get(branch.index).is_some_and(|entry| entry.onward.is_some());
        let wanted = match (context.purpose, context.branches.get(branch.index).map(|entry| &entry.aim)) {
            (Purpose::Call(call) | Purpose::Leg(call), Some(Aim::Agent(id))) => {
                self.tables.calls.get(call).is_some_and(|call| call.phase.offer(id).is_some())
            }
            (
                Purpose::Call(_)
                | Purpose::InDialog(_)
                | Purpose::Relay
                | Purpose::Leg(_)
                | Purpose::Own(..)
                | Purpose::Carried(..)
                | Purpose::Parting,
                _,
            ) => true,
        };
        more && wanted && !context.cancelled && context.upstream == Upstream::Open
    }

    fn in_time(&self, branch: BranchRef) -> bool {
        self.branch(branch).is_some_and(|entry| self.now.moment < entry.until)
    }

    /// Starts the next target of a branch that has failed or was given up, as a branch of its own.
    pub(super) fn next_target(&mut self, branch: BranchRef) {
        let Some(entry) = self.branch_mut(branch) else { return };
        let Some(mut onward) = entry.onward.take() else { return };
        let (aim, server_name) = (entry.aim.clone(), entry.server_name.clone());
        self.counters.next_targets += 1;
        let next = self.add_branch(branch.context, aim.clone(), onward.until);
        let Some(next) = next else { return };
        self.follow(branch, next, &aim);
        if !self.has_breadth(next) {
            return;
        }
        match onward.targets.pop_front() {
            Some(target) => {
                if let Some(entry) = self.branch_mut(next) {
                    entry.server_name = server_name;
                }
                self.send_branch(next, target, *onward);
            }
            None => match onward.hops.pop_front() {
                Some(hop) => self.go(next, hop, *onward),
                None => self.fail_branch(next, 503, None),
            },
        }
    }

    /// The offer follows its phone's next branch.
    fn follow(&mut self, before: BranchRef, next: BranchRef, aim: &Aim) {
        let purpose = self.tables.contexts.get(next.context).map(|entry| entry.purpose);
        let Some(call) = purpose.and_then(Purpose::asks_for) else { return };
        let Aim::Agent(id) = aim else { return };
        let offer = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_mut(id));
        if let Some(offer) = offer
            && offer.progress == Progress::Inviting(before)
        {
            offer.progress = Progress::Inviting(next);
        }
    }

    /// What the failure of a branch says about its target.
    pub(super) fn note_failure(&mut self, branch: BranchRef, status: u16, response: Option<&Message>) {
        let Some(target) = self.target_of(branch) else { return };
        self.note_no_tcp(branch, target, status, response);
        if !self.is_route(branch) {
            return;
        }
        match (status, response) {
            (503, Some(response)) => {
                if let Some(after) = retry_after(response) {
                    self.hops.rest(target, self.now.moment, after);
                }
                self.hop_failed(target);
            }
            (503, None) => self.hop_failed(target),
            (_, Some(_)) => self.hop_succeeded(target),
            (_, None) => {}
        }
    }

    /// RFC 3261 §18.1.1: TCP was taken for the size alone, and nobody listens there.
    fn note_no_tcp(&mut self, branch: BranchRef, target: Target, status: u16, response: Option<&Message>) {
        let instead = Target { protocol: Protocol::Udp, remote: target.remote };
        let for_size = target.protocol == Protocol::Tcp
            && self
                .branch(branch)
                .and_then(|entry| entry.onward.as_ref())
                .is_some_and(|onward| onward.targets.front() == Some(&instead));
        if for_size && status == 503 && response.is_none() {
            if self.no_tcp.len() >= NO_TCP_KEPT {
                self.no_tcp.clear();
            }
            self.no_tcp.insert(target.remote, self.now.moment + NO_TCP_LASTS);
        }
    }

    /// Whether a request of this size goes over TCP although UDP was meant (RFC 3261 §18.1.1).
    pub(super) fn goes_over_tcp(&self, target: Target, size_bytes: usize) -> bool {
        let limit = self.settings.tcp_above_bytes;
        target.protocol == Protocol::Udp
            && limit > 0
            && size_bytes > limit
            && self.no_tcp.get(&target.remote).is_none_or(|until| *until <= self.now.moment)
    }

    /// Whether every target of the default route failed without a word of the call's own: then it is this
    /// node that cannot serve, and may say so by 503 (RFC 3261 §21.5.4).
    pub(super) fn route_is_down(&self, context: ContextKey) -> bool {
        let Some(entry) = self.tables.contexts.get(context) else { return false };
        let lone = self.settings.routes.len() < 2;
        let mut tried = entry
            .branches
            .iter()
            .enumerate()
            .filter(|(index, branch)| {
                matches!(branch.aim, Aim::DefaultRoute) && !entry.recursed.contains(index)
            })
            .map(|(_, branch)| branch)
            .peekable();
        tried.peek().is_some()
            && tried.all(|branch| match &branch.state {
                BranchState::Failed(Failure { status: 503, response }) => response.is_none() || !lone,
                BranchState::CancelPending(..) | BranchState::Disowned(..) => true,
                BranchState::Failed(_)
                | BranchState::Resolving
                | BranchState::Trying(_)
                | BranchState::Proceeding(_)
                | BranchState::Cancelling(_)
                | BranchState::Answered => false,
            })
    }

    fn is_route(&self, branch: BranchRef) -> bool {
        self.branch(branch).is_some_and(|entry| matches!(entry.aim, Aim::DefaultRoute))
    }

    /// Where the branch's request went, while its transaction is known.
    pub(super) fn target_of(&self, branch: BranchRef) -> Option<Target> {
        let client = self.branch(branch)?.client()?;
        let destination = self.tables.clients.get(client)?.destination;
        Some(Target { protocol: destination.protocol, remote: destination.remote })
    }

    /// What a new branch sets its timer to: its target's patience, or Timer C (RFC 3261 §16.6 item 11).
    pub(super) fn set_first_timer(&mut self, branch: BranchRef, method: Method, patience: Option<Duration>) {
        if method != Method::Invite {
            return;
        }
        let (after, alarm) = match patience {
            Some(patience) => (patience, Alarm::BranchSilent(branch)),
            None => (self.settings.timer_c, Alarm::TimerC(branch)),
        };
        self.clear_branch_timer(branch);
        let handle = self.timers.insert(self.now.moment + after, alarm);
        if let Some(entry) = self.branch_mut(branch) {
            entry.timer = Some(handle);
        }
    }
}

/// A number below `bound`.
fn below(random: &mut rand_chacha::ChaCha12Rng, bound: u32) -> u32 {
    use rand_chacha::rand_core::Rng;
    let scaled = (u64::from(random.next_u32()) * u64::from(bound)) >> 32;
    u32::try_from(scaled).unwrap_or(0)
}

/// The seconds of a Retry-After; comment and parameters do not matter here (RFC 3261 §20.33).
fn retry_after(response: &Message) -> Option<Duration> {
    let value = response.header(Header::RetryAfter)?;
    let digits: Vec<u8> = value.trim_ascii_start().iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok().map(Duration::from_secs)
}
