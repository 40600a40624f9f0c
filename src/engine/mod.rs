//! [pure] Where SIP and people meet: `handle(now, input)`, `poll_output()`, `poll_timeout()`.
//!
//! One `handle`, then drain `poll_output`, then the next. The engine owns all state of calls, offers and
//! agents; it never waits, reads no clock and no randomness of its own.

mod admission;
mod anchor;
mod anchoring;
mod announcing;
mod branches;
mod bridging;
mod call;
mod callbacks;
mod calling_back;
mod calls;
mod carrying;
mod clients;
mod context;
mod counters;
mod deciding;
mod dispositions;
mod doorman;
mod forwarding;
mod holding;
mod hops;
mod hops_failover;
mod hops_late;
mod hops_probe;
mod ids;
mod index;
mod input;
mod inside;
mod legs;
mod memory;
mod names;
mod offering;
mod outcome;
mod overlays;
mod overload;
mod parting;
mod passing;
mod patience;
mod people;
mod playing;
mod pop;
mod port;
mod records;
mod refused;
mod redirects;
mod referring;
mod reliable;
mod requests;
mod retrieving;
mod returning;
mod returns;
mod rounds;
mod saved;
mod senders;
mod servers;
mod sessions;
mod settings;
mod shifts;
mod tables;
mod timers;
mod transferring;
mod waiting;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use counters::{Counters, Gauges, Samples};
pub use input::{
    Audit, Datagram, Input, LookupToken, Output, ReplyToken, Resolution, ResolveToken, SendToken,
};
pub use port::{Answer, CallbackChange, ErrorCode, Refusal, Request};
pub use saved::Saved;
pub use settings::{
    Auth, CallbackSettings, DigestSettings, HoldSettings, OverloadSettings, ParkSettings, Peer, Settings,
    TransferSettings,
};
pub use transferring::TransferWish;

use crate::clock::{Moment, Now};
use crate::message::{Limits, Message};
use crate::park::{Lot, Pace};
use crate::presence::{AgentBook, AgentId, PresenceDocument, StoredStatus};
use crate::proxy::{Own, Secret, Target};
use crate::routing::Directory;
use crate::transaction::{KeyMaker, TimerQueue, TransactionKey};
use admission::Admission;
use doorman::Doorman;
use hops::HopBook;
use names::{AwaitingName, NameKey};
use people::Wrapping;
use tables::{CallKey, Tables};
use timers::{Alarm, TimerHandle};

/// The agents' book ends a wrap-up by itself so long after its time: the net below the engine's own timer.
const WRAP_UP_MARGIN: Duration = Duration::from_secs(24 * 3600);

/// Records of calls that have just ended, for those who ask before the database has them.
const ENDED_KEPT: usize = 1_024;

/// How much longer a lease lasts than the timers of the offer above it.
const LEASE_MARGIN: Duration = Duration::from_secs(3);

/// What stands for a request of which nothing is made any more.
#[derive(Debug)]
struct Spent {
    invite: Arc<Message>,
    other: Arc<Message>,
}

impl Spent {
    fn new() -> Self {
        let empty = |method: &str| {
            let text = format!(
                "{method} sip:spent.invalid SIP/2.0\r\nVia: SIP/2.0/UDP spent.invalid;branch=z9hG4bKspent\r\n\
                 From: <sip:spent.invalid>;tag=spent\r\nTo: <sip:spent.invalid>\r\nCall-ID: spent\r\n\
                 CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
            );
            let message = Message::parse(Bytes::from(text), &Limits::default());
            Arc::new(message.expect("these are the headers a message needs"))
        };
        Self { invite: empty("INVITE"), other: empty("BYE") }
    }
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    own: Own,
    secret: Secret,
    keys: KeyMaker,
    random: ChaCha12Rng,
    now: Now,
    directory: Arc<Directory>,
    agents: AgentBook,
    screens: BTreeSet<AgentId>,
    told_presence: BTreeMap<AgentId, PresenceDocument>,
    ended: VecDeque<Arc<crate::events::CallRecord>>,
    wrapping: BTreeMap<AgentId, Wrapping>,
    memory: memory::Memory,
    /// Snapshots of what decisions knew.
    recorded: counters::Rate,
    tables: Tables,
    timers: TimerQueue<Alarm>,
    lot: Lot<CallKey>,
    lot_alarm: Option<(Moment, TimerHandle)>,
    /// How fast the line of each group moves; after a start it is learned anew.
    paces: BTreeMap<String, Pace>,
    /// Who is to be called back.
    callbacks: crate::callback::Book,
    callback_alarm: Option<(Moment, TimerHandle)>,
    presence_alarm: Option<(Moment, TimerHandle)>,
    shift_alarm: Option<TimerHandle>,
    returns: returns::Returns,
    names: HashMap<NameKey, (Arc<[Target]>, Moment)>,
    awaiting_names: BTreeMap<ResolveToken, (NameKey, AwaitingName)>,
    hops: HopBook,
    no_tcp: HashMap<SocketAddr, Moment>,
    next_token: u64,
    rounds: rounds::Rounds,
    doorman: Doorman,
    admission: Admission,
    refused_keys: HashSet<TransactionKey>,
    outputs: VecDeque<Output>,
    counters: Counters,
    samples: Samples,
    draining: bool,
    spent: Spent,
    /// Whether anybody reads events; cards are drawn and events made only for readers.
    listening: bool,
}

impl Engine {
    /// An engine with no calls. `seed` is all its randomness: ids of calls and offers, and, unless `secret`
    /// was kept from an earlier life, the key of its identifiers.
    pub fn new(
        settings: Arc<Settings>,
        directory: Arc<Directory>,
        statuses: &[StoredStatus],
        secret: [u8; 32],
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        let (identifiers, keys) = secret.split_at(16);
        let half = |part: &[u8]| -> [u8; 16] { part.try_into().unwrap_or_default() };
        let mut agents = AgentBook::new(settings.require_screen);
        agents.apply_directory(&directory, now);
        for stored in statuses {
            agents.restore_status(&stored.agent, stored.status.clone(), stored.set_by, stored.since);
        }
        let mut random = ChaCha12Rng::from_seed(seed);
        let life = random.next_u32();
        let mut engine = Self {
            own: Own::new(
                &settings.advertise,
                &settings.own_names,
                settings.tls_port,
                settings.listen.clone(),
            ),
            secret: Secret::new(half(identifiers)),
            keys: KeyMaker::new(half(keys)),
            random,
            now,
            directory,
            agents,
            screens: BTreeSet::new(),
            told_presence: BTreeMap::new(),
            ended: VecDeque::new(),
            wrapping: BTreeMap::new(),
            memory: memory::Memory::default(),
            recorded: counters::Rate::default(),
            tables: Tables::default(),
            timers: TimerQueue::new(),
            lot: Lot::default(),
            lot_alarm: None,
            paces: BTreeMap::new(),
            callbacks: crate::callback::Book::default(),
            callback_alarm: None,
            presence_alarm: None,
            shift_alarm: None,
            returns: returns::Returns::default(),
            names: HashMap::new(),
            awaiting_names: BTreeMap::new(),
            hops: HopBook::default(),
            no_tcp: HashMap::new(),
            next_token: 0,
            rounds: rounds::Rounds::new(),
            doorman: Doorman::new(life),
            admission: Admission::default(),
            refused_keys: HashSet::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            samples: Samples::default(),
            draining: false,
            spent: Spent::new(),
            listening: true,
            settings,
        };
        engine.make_room();
        engine.schedule_probes(Duration::ZERO);
        engine.set_warning();
        engine.shifts_due();
        engine
    }

    /// Takes one thing in. What it causes is read by [`Self::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        match input {
            Input::Received { flow, bytes } => self.on_received(flow, bytes),
            Input::Unusable { flow, head } => self.on_unusable(flow, &head),
            Input::SendFailed(token) => self.on_send_failed(token),
            Input::Resolved(token, resolution) => self.on_resolved(token, resolution),
            Input::LookedUp(token, answer) => self.on_looked_up(token, answer),
            Input::Announced(offer) => self.on_announced(&offer),
            Input::Screens(agent, live) => self.on_screens(agent, live),
            Input::Stale(agent, cause, offer) => self.on_stale(&agent, cause, offer.as_ref()),
            Input::Fresh(agent) => self.on_fresh(&agent),
            Input::Asked(token, request) => self.on_asked(token, request),
            Input::Directory(directory) => self.on_directory(directory),
            Input::StoredStatus(stored) => self.on_stored_status(&stored),
            Input::Settings(settings) => self.on_settings(settings),
            Input::CallsBefore(calls) => {
                self.memory.remember(calls, self.now.wall, self.settings.callers);
            }
            Input::CallbacksBefore(callbacks) => self.on_callbacks_before(callbacks),
            Input::Lag(lag) => self.on_lag(lag),
            Input::Drain => self.draining = true,
            Input::Media(report) => self.on_media(&report),
            Input::Listening(listening) => self.on_listening(listening),
        }
        self.settle();
    }

    /// What each input may leave behind: overlays to tell of, and people to be given to those who wait.
    fn settle(&mut self) {
        self.tell_overlays();
        self.serve_waiting();
        self.tell_overlays();
    }

    /// Does everything that is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        while let Some((_, alarm)) = self.timers.pop_due(now.moment) {
            self.on_alarm(alarm);
            self.settle();
        }
    }

    /// The next thing to be done outside, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.timers.next()
    }

    fn make_room(&mut self) {
        self.tables.make_room(self.settings.calls, self.settings.transactions);
    }

    /// Whether an INVITE still waits for its final answer.
    pub fn has_pending_invites(&self) -> bool {
        self.tables.calls.values().any(|call| call.phase.context().is_some())
    }

    /// What has been counted since the start.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The times measured since this was last asked.
    pub fn take_samples(&mut self) -> Samples {
        std::mem::take(&mut self.samples)
    }

    /// How full the tables are.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            calls: self.tables.calls.len(),
            offers: self.tables.call_by_offer.len(),
            server_transactions: self.tables.servers.len(),
            client_transactions: self.tables.clients.len(),
            contexts: self.tables.contexts.len(),
            timers: self.timers.len(),
            names_awaited: self.awaiting_names.len(),
            wrapping: self.wrapping.len(),
            targets: self.hops.counts().0,
            targets_down: self.hops.counts().1,
            held_octets: self.tables.shares.octets,
            largest_share: self.tables.shares.largest(),
            refusals_kept: self.admission.refused(),
            nonces_used: self.doorman.uses.len(),
            proven_sources: self.doorman.guesses.proven(),
            names_known: self.names.len(),
            callers_known: self.memory.callers(),
            lot_waiting: self.lot.in_line(),
            lot_taken: self.lot.taken(),
            callbacks_open: self.callbacks.len(),
            dialogs: self.tables.dialogs.len(),
            lingering: self.tables.lingering.len(),
            lag: self.admission.pressure.lag(),
        }
    }

    fn on_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Server(server, timer) => self.server_timer(server, timer),
            Alarm::Client(client, timer) => self.client_timer(client, timer),
            Alarm::Trying(server) => self.trying_due(server),
            Alarm::TimerC(branch) => self.timer_c(branch),
            Alarm::BranchSilent(branch) => self.branch_silent(branch),
            Alarm::CancelWait(branch) => self.cancel_waited(branch),
            Alarm::CancelEnd(branch) => self.cancel_ended(branch),
            Alarm::ProbeRound => self.probe_round(),
            Alarm::ProbeWait(client) => self.probe_waited(client),
            Alarm::LookupDeadline(call) => self.lookup_deadline(call),
            Alarm::AnnounceDeadline(call, offer) => {
                self.counters.announce_deadlines += 1;
                self.announce_done(call, &offer);
            }
            Alarm::AnswerWithin(call, offer) => self.answer_within(call, &offer),
            Alarm::RingSla(call) => self.ring_sla(call),
            Alarm::CallLimit(call) => self.call_limit(call),
            Alarm::WrapUpEnd(agent, call) => self.wrap_up_due(&agent, &call),
            Alarm::Hold(call) => self.hold_due(call),
            Alarm::Transfer(call) => self.transfer_due(call),
            Alarm::Unacknowledged(call, side) => self.unacknowledged(call, side),
            Alarm::Lingering(tag) => self.lingering_due(&tag),
            Alarm::Provisional(call) => self.provisional_due(call),
            Alarm::Glare(call, side) => self.glare_over(call, side),
            Alarm::Session(call, side) => self.session_due(call, side),
            Alarm::Announcement(call) => self.announcement_due(call),
            Alarm::PhonesSilent => self.ask_phones(),
            Alarm::Goodbye(call) => self.goodbye(call),
            Alarm::Callback => self.callbacks_due(),
            Alarm::Lot => self.lot_due(),
            Alarm::Presence => self.presence_due(),
            Alarm::Shift => self.shifts_due(),
            Alarm::Return => self.returns_due(),
        }
    }

    fn on_screens(&mut self, agent: AgentId, live: bool) {
        self.agents.screens(&agent, live);
        if live {
            self.on_fresh(&agent);
            self.show_missed_card(&agent);
            self.screens.insert(agent);
        } else {
            self.screens.remove(&agent);
            self.end_overdue_wrap_up(&agent);
        }
    }

    fn random_bits(&mut self) -> u128 {
        u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64())
    }

    /// A reload: the addresses we listen on and the key stay.
    fn on_settings(&mut self, settings: Arc<Settings>) {
        self.agents.require_screen(settings.require_screen);
        self.admission.reload();
        let (lasts, now) = (settings.digest.nonce_lasts, self.now.moment);
        let is_user = |user: &str| {
            settings.peers.iter().any(|it| it.auth.as_ref().is_some_and(|auth| auth.username == user))
        };
        self.doorman.uses.forget(now, lasts, is_user);
        self.settings = settings;
        self.set_warning();
        self.look_at_everybody();
        self.hops.forget();
        self.schedule_probes(Duration::ZERO);
    }
}
