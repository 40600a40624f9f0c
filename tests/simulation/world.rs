//! A run: the engine, its clock, the network and everybody on it, from one seed.

use std::collections::BTreeMap;
use std::hash::DefaultHasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use toritsugi::clock::{Moment, Now};
use toritsugi::customer::LookupAnswer;
use toritsugi::engine::{
    Engine, Input, LookupToken, ReplyToken, Request, Resolution, ResolveToken, SendToken, Settings,
};
use toritsugi::media::MediaReport;
use toritsugi::message::Message;
use toritsugi::presence::{AgentId, CallId, OfferId, StaleCause, StoredStatus};
use toritsugi::transport::{Flow, FlowId, Protocol};

use super::house;
use super::judge::{Breach, Judge};
use super::ladder::{Step, Trace};
use super::party::{Act, Hand, Outcome, Party, Wake};
use super::random::Random;
use super::swarm::Swarm;

/// Calls in one run.
pub const CALLS: usize = 10;

pub const SECOND: u64 = 1_000_000;

/// What kind of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// A random subset of everything that can go wrong.
    Swarm,
    /// As [`Day::Swarm`], but nothing is lost and nobody lies: then every call ends as it should.
    Quiet,
    /// As [`Day::Swarm`], and callers can hear music: they wait with it.
    Music,
    /// F10: so many percent are lost, 5 % come twice, 20 % late, with 100 ms of jitter; people are polite.
    PoorLine(u64),
}

/// One thing that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    ToEngine(usize, Bytes),
    ToParty(usize, Message),
    /// Octets of no honest party: a stranger's copy, or a piece of a message.
    Noise(SocketAddr, Bytes),
    Wake(usize, Wake),
    LookedUp(LookupToken, LookupAnswer),
    Announced(OfferId),
    Media(MediaReport),
    SendFailed(SendToken, Message),
    Resolved(ResolveToken, Resolution),
    Ask(Request),
    Screen(usize, bool),
    /// The agent's screen does not answer: pings, or the card of the offer.
    Stale(AgentId, Option<OfferId>),
    /// And answers again.
    Fresh(AgentId),
    Directory(Option<usize>),
    Stored(StoredStatus),
    Reload,
    Drain,
}

/// What became of one caller.
#[derive(Clone, Debug)]
pub struct Told {
    pub outcome: Outcome,
    /// Agents whose screen was told of the call.
    pub pops: usize,
    pub records: usize,
}

/// What a run came to.
pub struct Report {
    pub breaches: Vec<(Breach, String)>,
    pub swarm: Swarm,
    pub hash: u64,
    pub calls: Vec<Told>,
    /// Callbacks that were noted.
    pub called_back: usize,
    /// Calls for which several phones rang at once.
    pub rang_at_once: usize,
}

/// The world.
pub struct World {
    pub(super) engine: Engine,
    pub(super) settings: Arc<Settings>,
    pub(super) now: u64,
    pub(super) wall: jiff::Timestamp,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    pub(super) random: Random,
    pub(super) swarm: Swarm,
    pub(super) parties: Vec<Party>,
    pub(super) by_address: BTreeMap<SocketAddr, usize>,
    pub(super) judge: Judge,
    pub(super) trace: Trace,
    pub(super) hasher: DefaultHasher,
    pub(super) asked: u64,
    steps: u64,
    /// Our ids by SIP's.
    pub(super) ids: BTreeMap<String, String>,
    /// Offers of the present step: the call, whether a screen is told first, the agent.
    pub(super) offers: Vec<(CallId, bool, AgentId)>,
    /// When the last octets of each stream arrive, by party and direction.
    streams: BTreeMap<(usize, bool), u64>,
    /// What screens do that freeze, in runs where some do; with chance of its own, so that the other runs
    /// stay as they were.
    pub(super) frozen: Option<Random>,
}

/// Runs one seed to its end; the ladder is drawn only when the trace is kept.
pub fn run(seed: u64, day: Day, trace: bool) -> Report {
    let mut world = World::new(seed, day, trace);
    world.go();
    world.finish()
}

/// In a quarter of the runs, but not on the days when every call must have one pop.
fn frozen_screens(seed: u64, day: Day) -> Option<Random> {
    let mut random = Random::new(seed ^ 0x5c4e_e115);
    let some = matches!(day, Day::Swarm | Day::Music) && random.chance(25);
    some.then_some(random)
}

/// Phones that ring at once: in a quarter of the runs a rule rings the group, two to four of them.
fn ring_at_once(seed: u64, day: Day) -> usize {
    let mut random = Random::new(seed ^ 0xa11_0f7e);
    let some = !matches!(day, Day::PoorLine(_)) && random.chance(25);
    if some { random.between(2, 4) as usize } else { 1 }
}

impl World {
    fn new(seed: u64, day: Day, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let mut swarm = Swarm::of(&mut random);
        match day {
            Day::Swarm => {}
            Day::Music => swarm.make_musical(),
            Day::Quiet => swarm.make_quiet(),
            Day::PoorLine(loss) => swarm = Swarm::poor_line(loss),
        }
        let settings = match day {
            Day::Swarm | Day::Quiet | Day::Music => house::settings(&mut random, &swarm),
            Day::PoorLine(_) => house::patient_settings(&mut random, &swarm),
        };
        let settings = Arc::new(Settings { ring_at_once: ring_at_once(seed, day), ..settings });
        let wall: jiff::Timestamp = "2026-11-24T01:00:00Z".parse().expect("a time written here");
        let statuses: Vec<StoredStatus> =
            (0..house::AGENTS).map(|agent| house::status_of(agent, "available", wall)).collect();
        let now = Now { moment: Moment::from_micros(SECOND), wall };
        let directory = Arc::new(house::directory(None, swarm.tcp > 0, settings.ring_at_once > 1));
        let key = [(seed >> 3) as u8; 32];
        let engine = Engine::new(Arc::clone(&settings), directory, &statuses, key, [7; 32], now);
        let mut world = Self {
            engine,
            settings,
            now: SECOND,
            wall,
            queue: BTreeMap::new(),
            order: 0,
            random,
            swarm,
            parties: Vec::new(),
            by_address: BTreeMap::new(),
            judge: Judge::default(),
            trace: Trace::new(trace),
            hasher: DefaultHasher::new(),
            asked: 0,
            steps: 0,
            ids: BTreeMap::new(),
            offers: Vec::new(),
            streams: BTreeMap::new(),
            frozen: frozen_screens(seed, day),
        };
        world.judge.lot.rest = world.rest_of_phones();
        world.judge.at_once = world.settings.ring_at_once;
        world.judge.people.ring_all = world.settings.ring_at_once > 1;
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        world.judge.leaving.look_up = micros(world.settings.lookup_deadline);
        world.judge.leaving.announce = micros(world.settings.announce_within);
        world.people_arrive(day);
        world
    }

    /// How long a phone may rest in this house. Where agents leave, need a screen, or a call may not fork,
    /// one who is idle is not surely free, and `None` is the answer.
    fn rest_of_phones(&self) -> Option<u64> {
        let swarm = &self.swarm;
        let sure = !swarm.directory && swarm.breadth == 0 && !swarm.reload && !self.settings.require_screen;
        sure.then(|| u64::try_from(self.settings.phone_rest.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn add(&mut self, party: Party) -> usize {
        let index = self.parties.len();
        self.by_address.insert(party.address, index);
        self.judge.places.insert(party.address, party.protocol);
        self.parties.push(party);
        index
    }

    pub(super) fn later(&mut self, after: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), happening);
    }

    /// Everything until nobody outside has anything left to do, and then the engine's own timers.
    fn go(&mut self) {
        while let Some(next) = self.queue.first_key_value().map(|(key, _)| *key) {
            self.step(Some(next));
            if !self.judge.breaches.is_empty() || self.now > 4_000 * SECOND {
                return;
            }
        }
        let mut quiet = self.now;
        let mut looked = false;
        while let Some(at) = self.engine.poll_timeout().map(Moment::as_micros) {
            if at > quiet + 42 * SECOND && !looked {
                looked = true;
                self.look_at_gauges(true);
            }
            self.step(None);
            if !self.judge.breaches.is_empty() {
                return;
            }
            while let Some(next) = self.queue.first_key_value().map(|(key, _)| *key) {
                self.step(Some(next));
                // Somebody was still heard of: what that began has its own time to end.
                quiet = self.now;
            }
        }
        if !looked {
            self.look_at_gauges(false);
        }
        self.look_at_gauges(false);
        self.judge.run_is_over();
        self.judge.people.run_is_over();
        self.judge.lot.run_is_over();
        self.judge.music.run_is_over();
        self.look_at_people();
        self.look_at_records();
    }

    /// The next happening or the next timer, whichever comes first.
    fn step(&mut self, next: Option<(u64, u64)>) {
        self.steps += 1;
        let timer = self.engine.poll_timeout().map(Moment::as_micros);
        let timer_first = timer.is_some_and(|timer| next.is_none_or(|(at, _)| timer <= at));
        if timer_first {
            self.set_clock(timer.unwrap_or_default());
            self.engine.handle_timeout(self.clock());
        } else if let Some(happening) = next.and_then(|key| {
            self.set_clock(key.0);
            self.queue.remove(&key)
        }) {
            self.happen(happening);
        }
        self.collect();
        self.note_offers();
        self.judge.step_is_over(self.now);
        self.look_at_people();
        if self.steps.is_multiple_of(16) {
            self.look_at_limits();
        }
        if self.steps.is_multiple_of(8) {
            self.look_at_presences();
        }
    }

    fn set_clock(&mut self, at: u64) {
        self.now = self.now.max(at);
    }

    fn clock(&self) -> Now {
        let start = Now { moment: Moment::from_micros(SECOND), wall: self.wall };
        let moment = Moment::from_micros(self.now);
        Now { moment, wall: start.wall_at(moment) }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToEngine(party, bytes) => {
                let (from, protocol) = (self.parties[party].address, self.parties[party].protocol);
                self.trace.push(self.now, Step::In(from, bytes.clone()));
                let message = Message::parse(bytes.clone(), &super::limits()).expect("parties write well");
                self.judge.arrives(self.now, from, &message);
                let connection = (protocol != Protocol::Udp).then(|| FlowId::new(party as u64 + 1));
                let flow = Flow { protocol, local: house::us(), remote: from, connection, certificate: None };
                self.input(Input::Received { flow, bytes });
            }
            Happening::Noise(from, bytes) => {
                if from == house::stranger() {
                    self.judge.stranger_credit += bytes.len();
                } else {
                    *self.judge.unreadable.entry(from).or_default() += 1;
                }
                let protocol = Protocol::Udp;
                let flow =
                    Flow { protocol, local: house::us(), remote: from, connection: None, certificate: None };
                self.input(Input::Received { flow, bytes });
            }
            Happening::ToParty(party, message) => {
                self.act(party, |party, hand| party.hear(hand, &message));
            }
            Happening::Wake(party, wake) => self.act(party, |party, hand| party.wake(hand, wake)),
            Happening::LookedUp(token, answer) => self.input(Input::LookedUp(token, answer)),
            Happening::Media(report) => self.input(Input::Media(report)),
            Happening::Announced(offer) => self.input(Input::Announced(offer)),
            Happening::SendFailed(token, message) => {
                self.judge.send_failed(&message);
                self.input(Input::SendFailed(token));
            }
            Happening::Resolved(token, resolution) => self.input(Input::Resolved(token, resolution)),
            Happening::Ask(request) => {
                self.asked += 1;
                self.trace.note(self.now, || format!("asked: {request:?}"));
                self.input(Input::Asked(ReplyToken(self.asked), request));
            }
            Happening::Screen(agent, live) => self.input(Input::Screens(house::agent_id(agent), live)),
            Happening::Stale(agent, offer) => {
                self.trace.note(self.now, || format!("@sim the screen of {agent} freezes"));
                let cause = if offer.is_some() { StaleCause::Render } else { StaleCause::HeartBeat };
                self.input(Input::Stale(agent, cause, offer));
            }
            Happening::Fresh(agent) => self.input(Input::Fresh(agent)),
            Happening::Directory(without) => {
                self.trace.note(self.now, || format!("@sim directory without {without:?}"));
                let ring_all = self.settings.ring_at_once > 1;
                let directory = house::directory(without, self.swarm.tcp > 0, ring_all);
                self.input(Input::Directory(Arc::new(directory)));
            }
            Happening::Stored(stored) => {
                self.trace.note(self.now, || format!("@sim stored {stored:?}"));
                self.input(Input::StoredStatus(stored));
            }
            Happening::Reload => {
                self.trace.note(self.now, || "@sim settings are read again".to_owned());
                let settings = house::settings(&mut self.random, &self.swarm);
                let ring_at_once = self.settings.ring_at_once;
                self.settings = Arc::new(Settings { ring_at_once, ..settings });
                self.may_offer_for();
                self.input(Input::Settings(Arc::clone(&self.settings)));
            }
            Happening::Drain => {
                self.trace.note(self.now, || "@sim drain".to_owned());
                self.judge.drained = Some(self.now);
                self.input(Input::Drain);
            }
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        let now = self.clock();
        self.engine.handle(now, input);
    }

    fn act(&mut self, party: usize, act: impl FnOnce(&mut Party, &mut Hand<'_>)) {
        let mut hand = Hand { now: self.now, random: &mut self.random, swarm: &self.swarm, acts: Vec::new() };
        act(&mut self.parties[party], &mut hand);
        for act in hand.acts {
            match act {
                Act::Send(bytes) => self.party_sends(party, &bytes),
                Act::Wake(after, wake) => self.later(after, Happening::Wake(party, wake)),
            }
        }
    }

    fn party_sends(&mut self, party: usize, bytes: &Bytes) {
        if self.parties[party].protocol != Protocol::Udp {
            let delay = self.stream(party, true);
            return self.later(delay, Happening::ToEngine(party, bytes.clone()));
        }
        let from = self.parties[party].address;
        if self.random.chance(self.swarm.noise) {
            self.noise(from, bytes);
        }
        for delay in self.network(from, bytes) {
            self.later(delay, Happening::ToEngine(party, bytes.clone()));
        }
    }

    /// A stranger sends a copy of a request, or a piece of the message comes along.
    fn noise(&mut self, from: SocketAddr, bytes: &Bytes) {
        let after = self.random.ms(0, 300);
        if self.random.chance(50) {
            if !bytes.starts_with(b"SIP/2.0") {
                self.later(after, Happening::Noise(house::stranger(), bytes.clone()));
            }
            return;
        }
        let cut = self.random.below(bytes.len() as u64) as usize;
        // Of a transaction of its own: what is told about it ends no other.
        let piece = String::from_utf8_lossy(&bytes[..cut]).replacen("branch=z9hG4bK", "branch=z9hG4bKcut", 1);
        let piece = Bytes::from(piece.into_bytes());
        if Message::parse(piece.clone(), &super::limits()).is_err() {
            self.later(after, Happening::Noise(from, piece));
        }
    }

    /// When each copy of a datagram arrives; none when it is lost.
    pub(super) fn network(&mut self, at: SocketAddr, bytes: &Bytes) -> Vec<u64> {
        if self.random.chance(self.swarm.loss) {
            self.trace.push(self.now, Step::Lost(at, bytes.clone()));
            return Vec::new();
        }
        let copies = 1 + u64::from(self.random.chance(self.swarm.duplicate));
        (0..copies).map(|_| self.delay()).collect()
    }

    /// When octets of a stream arrive: in the order in which they left.
    pub(super) fn stream(&mut self, party: usize, inwards: bool) -> u64 {
        let at = self.now + self.delay();
        let last = self.streams.entry((party, inwards)).or_default();
        *last = at.max(*last + 1);
        *last - self.now
    }

    fn delay(&mut self) -> u64 {
        let (jitter, late) = (self.swarm.jitter_ms, self.random.chance(self.swarm.reorder));
        self.random.ms(1, 5) + self.random.ms(0, jitter) + if late { self.random.ms(20, 200) } else { 0 }
    }
}
