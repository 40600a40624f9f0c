//! RFC 3261 §21.5.4: what is taken in when there is too much of it. Emergency calls and what belongs to calls
//! that are up always are.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::counters::Rate;
use super::input::{Datagram, Output};
use super::overload::{Level, Pressure};
use super::refused::Refused;
use crate::message::{Message, Method, response};
use crate::proxy::plan_route;
use crate::transaction::TransactionKey;
use crate::transport::Flow;

/// Refused transactions that are remembered: a repetition that crossed the refusal on its way is refused too,
/// and rings no telephone for a caller who has gone.
const REFUSALS_KEPT: usize = 4096;

/// Who comes first when not all can come (F24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Priority {
    /// An emergency call: never shed (I25).
    Emergency,
    /// A request that proves a dialog of ours: never shed.
    InDialog,
    /// A call or request of a trusted peer.
    Trusted,
    /// A registration.
    Registration,
    /// Anything else.
    Rest,
}

impl Priority {
    /// Percent of a table's limit that requests of this kind may fill.
    const fn share(self) -> usize {
        match self {
            Self::Emergency | Self::InDialog | Self::Trusted => 100,
            Self::Registration => 90,
            Self::Rest => 80,
        }
    }

    const fn is_shed_at(self, level: Level) -> bool {
        match self {
            Self::Emergency | Self::InDialog => false,
            Self::Trusted => matches!(level, Level::New),
            Self::Registration | Self::Rest => matches!(level, Level::Rest | Level::New),
        }
    }
}

/// The memory of admission.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Admission {
    /// How far behind we are.
    pub pressure: Pressure,
    rates: BTreeMap<usize, Rate>,
    /// What each peer is let in whatever the load.
    spared: BTreeMap<usize, Rate>,
    refused: VecDeque<TransactionKey>,
}

impl Admission {
    /// A reload: rates are counted anew, since the peers may be others.
    pub fn reload(&mut self) {
        self.rates.clear();
        self.spared.clear();
    }

    /// How many refusals are remembered.
    pub fn refused(&self) -> usize {
        self.refused.len()
    }
}

impl Engine {
    /// The loop is behind by at most so much.
    pub(super) fn on_lag(&mut self, lag: std::time::Duration) {
        self.admission.pressure.note(lag, self.settings.overload.lag, self.now.moment);
    }

    /// Whether a new request is taken in. If not, it has been answered: without a transaction, so that a
    /// refusal costs little, and the same each time.
    pub(super) fn admit(&mut self, peer: usize, flow: Flow, message: &Message, key: TransactionKey) -> bool {
        if self.is_quiet(peer, message, key) {
            return true;
        }
        let priority = self.priority_of(peer, message);
        let inside = message.to_tag().is_some();
        if inside && priority != Priority::InDialog && self.is_crowded(peer) {
            // It would be refused in any case, with a transaction that there is no room for.
            self.note_refused(Refused::UnprovenDialog, flow.remote.ip());
            self.answer_at_once(flow, message, 481, &[]);
            return false;
        }
        let free = matches!(priority, Priority::Emergency | Priority::InDialog) || inside;
        if free || (!self.was_refused(key) && self.has_room(peer, priority, message)) {
            return true;
        }
        self.note_refused(Refused::Overload, flow.remote.ip());
        self.remember_refusal(key);
        self.answer_at_once(flow, message, 503, &[("Retry-After", b"5")]);
        false
    }

    /// A response without a transaction (RFC 3261 §8.2.7): a repetition of the request gets the same one.
    pub(super) fn answer_at_once(
        &mut self,
        flow: Flow,
        message: &Message,
        status: u16,
        extra: &[(&str, &[u8])],
    ) {
        let answer = response(message, status, None, Some(&self.tag_for(message)), extra);
        self.outputs.push_back(Output::Send(Datagram::back_along(flow, answer)));
    }

    /// Whether there is so much room that nobody's priority need be known.
    fn is_quiet(&self, peer: usize, message: &Message, key: TransactionKey) -> bool {
        let share = Priority::Rest.share();
        let level = self.admission.pressure.level(self.settings.overload.lag, self.now.moment);
        let room = !self.is_crowded(peer)
            && self.tables.servers.len() < part(self.settings.transactions, share)
            && level == Level::Normal
            && !self.was_refused(key);
        let unlimited = self.settings.peers.get(peer).is_some_and(|peer| peer.calls_per_s == 0);
        let begins = message.method() == Method::Invite && message.to_tag().is_none();
        let free = !self.draining && self.tables.calls.len() < part(self.settings.calls, share) && unlimited;
        room && (free || !begins)
    }

    fn priority_of(&self, peer: usize, message: &Message) -> Priority {
        if message.to_tag().is_some() {
            if self.dialog_of(message).is_some() {
                return Priority::InDialog;
            }
            let plan = plan_route(message, &self.own);
            let proved = plan.is_some_and(|plan| self.cookie_of(message, plan.cookie.as_deref()).is_some());
            return if proved { Priority::InDialog } else { Priority::Rest };
        }
        if self.is_emergency(peer, message) {
            Priority::Emergency
        } else if self.grants_of(peer).trust_identity {
            Priority::Trusted
        } else if message.method() == Method::Register {
            Priority::Registration
        } else {
            Priority::Rest
        }
    }

    /// Whether limits and load leave room for one more of this kind.
    fn has_room(&mut self, peer: usize, priority: Priority, message: &Message) -> bool {
        let now = self.now.moment;
        let level = self.admission.pressure.level(self.settings.overload.lag, now);
        // A queue that others fill, strangers above all, becomes no shorter by refusing those who send
        // little.
        let per_s = self.settings.overload.spared_per_s;
        let mut spared = || per_s > 0 && self.admission.spared.entry(peer).or_default().allow(now, per_s);
        if priority.is_shed_at(level) && !spared() {
            self.admission.pressure.shed(level, now);
            return false;
        }
        if self.is_crowded(peer)
            || self.tables.servers.len() >= part(self.settings.transactions, priority.share())
        {
            return false;
        }
        message.method() != Method::Invite || self.may_begin(peer, priority)
    }

    /// Whether the table of transactions is full, for this peer or for all: in number or in octets.
    pub(super) fn is_crowded(&self, peer: usize) -> bool {
        let own_share =
            if self.settings.peers.len() > 1 { self.settings.overload.peer_share_percent } else { 100 };
        let shares = &self.tables.shares;
        self.tables.servers.len() >= self.settings.transactions
            || shares.of(peer) >= part(self.settings.transactions, own_share)
            || shares.octets >= self.settings.overload.held_octets
    }

    /// Whether one more call may begin: not while stopping, and within the limits of the node and of the
    /// peer.
    fn may_begin(&mut self, peer: usize, priority: Priority) -> bool {
        if self.draining || self.tables.calls.len() >= part(self.settings.calls, priority.share()) {
            return false;
        }
        match self.settings.peers.get(peer).map_or(0, |peer| peer.calls_per_s) {
            0 => true,
            limit => self.admission.rates.entry(peer).or_default().allow(self.now.moment, limit),
        }
    }

    fn was_refused(&self, key: TransactionKey) -> bool {
        self.refused_keys.contains(&key)
    }

    fn remember_refusal(&mut self, key: TransactionKey) {
        if !self.refused_keys.insert(key) {
            return;
        }
        self.admission.refused.push_back(key);
        if self.admission.refused.len() > REFUSALS_KEPT
            && let Some(oldest) = self.admission.refused.pop_front()
        {
            self.refused_keys.remove(&oldest);
        }
    }

    /// Makes the index anew after the memory was read back.
    pub(super) fn index_refusals(&mut self) {
        self.refused_keys = self.admission.refused.iter().copied().collect();
    }
}

/// So many percent of a limit, at least one where the limit is.
const fn part(limit: usize, percent: usize) -> usize {
    (limit.saturating_mul(percent)).div_ceil(100)
}
