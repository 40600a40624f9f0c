//! The thread: carries out orders, sends what is due, and listens now and then.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::counts::Counts;
use super::handle::Command;
use super::stream::{Stream, bind};
use super::{Library, MediaSettings, PortRange};
use crate::clock::Moment;
use crate::media::{
    Announcement, Digit, Listener, MediaFault, MediaOrder, MediaReport, PACKET_EVERY, Player, PlayerId,
    Players, StreamId,
};

/// Into how many the streams are divided, so that they do not all send at one instant.
const PHASES: u32 = 10;

/// A phase listens after every so many packets: a digit is heard 60 ms after it came at most, and three
/// packets are read with one attempt in vain.
const LISTEN_EVERY: u64 = 3;

/// Orders that are carried out before what is due is sent.
const ORDERS_AT_ONCE: usize = 32;

/// Digits that wait for the engine.
const DIGITS: usize = 256;

/// How often figures are published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// How soon reports that found the engine's queue full are tried again.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Everything the thread owns.
pub(super) struct Turns {
    settings: MediaSettings,
    sounds: Arc<Library>,
    orders: Receiver<Command>,
    reports: mpsc::Sender<MediaReport>,
    /// Reports that found the queue full: one for each order at most, and [`DIGITS`].
    waiting: VecDeque<MediaReport>,
    ports: PortRange,
    streams: BTreeMap<StreamId, Stream>,
    phases: Vec<Phase>,
    origin: Instant,
    counts: Counts,
    published: Instant,
}

/// Streams that send at the same time.
struct Phase {
    players: Players,
    polls: u64,
    /// Who has just been sent a packet.
    sent: Vec<StreamId>,
}

impl Turns {
    pub(super) fn new(
        settings: MediaSettings,
        library: Arc<Library>,
        orders: Receiver<Command>,
        reports: mpsc::Sender<MediaReport>,
    ) -> Self {
        let phase = |at| {
            let players = Players::new(Arc::clone(&library.music), Moment::ZERO + PACKET_EVERY / PHASES * at);
            Phase { players, polls: 0, sent: Vec::new() }
        };
        let now = Instant::now();
        Self {
            phases: (0..PHASES).map(phase).collect(),
            ports: PortRange::new(&settings.ports),
            settings,
            sounds: library,
            orders,
            reports,
            waiting: VecDeque::new(),
            streams: BTreeMap::new(),
            origin: now,
            counts: Counts::default(),
            published: now,
        }
    }

    /// Runs until nobody can give orders any more.
    pub(super) fn run(mut self) {
        loop {
            match self.orders.recv_timeout(self.until_due()) {
                Ok(command) => self.take(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for _ in 0..ORDERS_AT_ONCE {
                let Ok(command) = self.orders.try_recv() else { break };
                self.take(command);
            }
            self.play();
            self.pass_on();
            if self.published.elapsed() >= PUBLISH_EVERY {
                self.published = Instant::now();
                self.counts.publish(self.ports.taken());
            }
        }
    }

    fn now(&self) -> Moment {
        Moment::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn until_due(&self) -> Duration {
        let now = self.now();
        let due = self.phases.iter().filter_map(|phase| phase.players.next_due()).min();
        let due = due.map_or(PUBLISH_EVERY, |due| due.since(now));
        if self.waiting.is_empty() { due.min(PUBLISH_EVERY) } else { due.min(RETRY_AFTER) }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Order(MediaOrder::Open { stream, ipv6 }) => self.open(stream, ipv6),
            Command::Order(MediaOrder::Play { stream, listener }) => self.begin(stream, listener),
            Command::Order(MediaOrder::Announce { stream, what }) => self.announce(stream, what),
            Command::Order(MediaOrder::Close { stream }) => self.close(stream),
            Command::Library(library) => {
                for phase in &mut self.phases {
                    phase.players.change_music(Arc::clone(&library.music));
                }
                self.sounds = library;
            }
        }
    }

    fn open(&mut self, stream: StreamId, ipv6: bool) {
        let report = match self.take_port(stream, ipv6) {
            Ok(local) => {
                self.counts.opened += 1;
                MediaReport::Opened { stream, local }
            }
            Err(why) => {
                self.counts.refuse(why);
                MediaReport::Refused { stream, why }
            }
        };
        self.waiting.push_back(report);
        self.pass_on();
    }

    fn take_port(&mut self, stream: StreamId, ipv6: bool) -> Result<SocketAddr, MediaFault> {
        let address = if ipv6 { self.settings.ipv6 } else { self.settings.ipv4 };
        let address = address.ok_or(MediaFault::NoAddress)?;
        if let Some(open) = self.streams.get(&stream) {
            return Ok(SocketAddr::new(address.told, open.port));
        }
        if self.streams.len() >= self.settings.streams {
            return Err(MediaFault::TooMany);
        }
        let (socket, port) = self.ports.take(|port| bind(SocketAddr::new(address.bind, port)))?;
        self.streams.insert(stream, Stream::new(socket, port));
        Ok(SocketAddr::new(address.told, port))
    }

    fn begin(&mut self, id: StreamId, listener: Listener) {
        let now = self.now();
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if !stream.is_of_family(listener.remote) {
            tracing::warn!("a stream was to play to an address of the other family");
            return;
        }
        let (codec, payload_type) = (listener.codec, listener.payload_type);
        let target = stream.attend(listener);
        let phase = *stream.phase.get_or_insert_with(|| emptiest(&self.phases));
        let Some(Phase { players, .. }) = self.phases.get_mut(phase) else { return };
        if let Some(player) = players.player_mut(PlayerId(id.0)) {
            (player.codec, player.payload_type, player.target) = (codec, payload_type, target);
            return;
        }
        let player = Player {
            codec,
            payload_type,
            ssrc: rand::random(),
            sequence: rand::random(),
            timestamp: rand::random(),
            target,
            begins: true,
            music: 0,
        };
        players.play(PlayerId(id.0), player, self.settings.streams, now);
    }

    fn announce(&mut self, id: StreamId, what: Announcement) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.confirms |= what == Announcement::CallbackNoted;
        let playing = stream.phase.and_then(|phase| self.phases.get_mut(phase)).zip(stream.listener());
        let Some((phase, listener)) = playing else { return };
        let tune = Arc::clone(self.sounds.prompts.tune(what, listener.language));
        let player = PlayerId(id.0);
        let taken = match what {
            // What was said before does not matter any more, and the caller has pressed a key just now.
            Announcement::CallbackNoted => phase.players.say_now(player, tune),
            Announcement::PleaseHold
            | Announcement::PressOne
            | Announcement::Position(_)
            | Announcement::Minutes(_) => phase.players.say(player, tune),
        };
        if taken {
            self.counts.announced += 1;
        } else {
            self.counts.unsaid += 1;
        }
    }

    fn close(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else { return };
        if let Some(phase) = stream.phase.and_then(|phase| self.phases.get_mut(phase)) {
            phase.players.stop(PlayerId(id.0));
        }
        self.ports.give_back(stream.port);
    }

    /// Sends what is due, and listens to those whose turn it is.
    fn play(&mut self) {
        for at in 0..self.phases.len() {
            let now = self.now();
            let Some(Phase { players, polls, sent }) = self.phases.get_mut(at) else { return };
            let Some(due) = players.next_due().filter(|due| *due <= now) else { continue };
            self.counts.late = self.counts.late.max(now.since(due));
            sent.clear();
            let (streams, counts) = (&self.streams, &mut self.counts);
            counts.skipped += players.poll(now, |id, target, packet| {
                let id = StreamId(id.0);
                let taken = streams.get(&id).is_some_and(|stream| stream.send(target, packet));
                if taken {
                    counts.sent += 1
                } else {
                    counts.failed += 1
                }
                sent.push(id);
            });
            for player in players.take_said() {
                let stream = StreamId(player.0);
                if self.streams.get_mut(&stream).is_some_and(|open| std::mem::take(&mut open.confirms)) {
                    self.waiting.push_back(MediaReport::Said { stream });
                }
            }
            *polls += 1;
            if polls.is_multiple_of(LISTEN_EVERY) {
                self.listen(at);
            }
        }
    }

    fn listen(&mut self, at: usize) {
        let Some(Phase { players, sent, .. }) = self.phases.get_mut(at) else { return };
        for id in sent.drain(..) {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let waiting = &mut self.waiting;
            let mut pressed: Vec<Digit> = Vec::new();
            let target = stream.hear(&mut self.counts, |digit| pressed.push(digit));
            if let Some((target, player)) = target.zip(players.player_mut(PlayerId(id.0))) {
                player.target = target;
            }
            for digit in pressed {
                if waiting.len() < DIGITS {
                    self.counts.pressed += 1;
                    waiting.push_back(MediaReport::Pressed { stream: id, digit });
                } else {
                    self.counts.unheard += 1;
                }
            }
        }
    }

    /// Tells the engine what waits to be told, as far as its queue takes it.
    fn pass_on(&mut self) {
        while let Some(report) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report) {
                self.waiting.push_front(report);
                return;
            }
        }
    }
}

/// Where the fewest play.
fn emptiest(phases: &[Phase]) -> usize {
    (0..phases.len())
        .min_by_key(|at| phases.get(*at).map_or(usize::MAX, |phase| phase.players.len()))
        .unwrap_or_default()
}
