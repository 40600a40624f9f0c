//! [io] The one loop around the engine; the only reader of the clock.
//!
//! The loop runs on a thread of its own with a single-threaded runtime: sockets, engine and timers share it,
//! so that no message crosses a thread between arrival and departure.

mod clock;
mod handle;
mod outlets;
mod published;

pub use clock::Clock;
pub use handle::{EngineHandle, FromDesk, FromWorld};
pub use outlets::{LookupJob, Outlets, ResolveJob, Write};

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::{Moment, Now};
use crate::customer::{CustomerBook, LookupAnswer};
use crate::engine::{
    Answer, Engine, Input, LookupToken, Output, Refusal, ReplyToken, Resolution, SendToken, Settings,
};
use crate::media::MediaReport;
use crate::transport::{self, Arrival, CertificateName, Outgoing, Transports};
use published::LookUps;

/// How many messages are taken from the sockets before the other inputs have their turn.
const BATCH: usize = 64;

/// How often figures are published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Why the loop goes on.
enum Wake {
    Arrival,
    Desk(FromDesk),
    World(FromWorld),
    Media(MediaReport),
    Alarm,
    Stop(Duration),
}

/// The loop with everything it owns.
pub struct Driver {
    engine: Engine,
    transports: Transports,
    clock: Clock,
    /// As the clock was read last.
    now: Now,
    desk: mpsc::Receiver<FromDesk>,
    world: mpsc::Receiver<FromWorld>,
    media: mpsc::Receiver<MediaReport>,
    outlets: Outlets,
    customers: Option<Arc<CustomerBook>>,
    look_ups: LookUps,
    replies: HashMap<ReplyToken, oneshot::Sender<Result<Answer, Refusal>>>,
    last_reply: u64,
    /// The sockets' counts as they were published last.
    published: transport::Gauges,
    /// Since when the sockets have not been empty.
    behind_since: Option<Moment>,
}

impl Driver {
    /// A driver. `desk` brings requests and reports of screens and integrations, `world` the answers of
    /// look-ups and names, `media` what happens at the media ports; outputs go to `outlets`.
    pub fn new(
        engine: Engine,
        transports: Transports,
        clock: Clock,
        desk: mpsc::Receiver<FromDesk>,
        world: mpsc::Receiver<FromWorld>,
        media: mpsc::Receiver<MediaReport>,
        outlets: Outlets,
    ) -> Self {
        Self {
            engine,
            transports,
            clock,
            now: clock.now(),
            desk,
            world,
            media,
            outlets,
            customers: None,
            look_ups: LookUps::default(),
            replies: HashMap::new(),
            last_reply: 0,
            published: transport::Gauges::default(),
            behind_since: None,
        }
    }

    /// Runs until everybody who could send to it is gone, or `stop` says so and no INVITE is pending.
    pub async fn run(mut self, mut stop: oneshot::Receiver<Duration>) {
        let mut next_publish = Instant::now() + PUBLISH_EVERY;
        let mut stop_at: Option<Instant> = None;
        let mut alarm = Box::pin(sleep_until(next_publish));
        loop {
            self.drain();
            self.transports.flush();
            if stop_at.is_some_and(|at| at <= Instant::now() || !self.engine.has_pending_invites()) {
                return;
            }
            let due = self.engine.poll_timeout().map(|moment| self.clock.instant_of(moment));
            let wake_at = [due, stop_at].into_iter().flatten().fold(next_publish, Instant::min);
            // Most timers are cancelled, so that the next one is mostly later than the one before. Waking
            // once for nothing costs less than telling the runtime each time.
            if wake_at < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(wake_at);
            }
            let wake =
                poll_fn(|context| self.poll_wake(context, &mut alarm, &mut stop, stop_at.is_some())).await;
            let now = self.read_clock();
            match wake {
                Wake::Arrival => self.take_arrivals(),
                Wake::Desk(report) => self.take_desk(report),
                Wake::World(report) => self.take_world(report),
                Wake::Media(report) => self.take_media(report),
                Wake::Alarm => {}
                Wake::Stop(patience) => {
                    stop_at = Some(Instant::now() + patience);
                    self.engine.handle(now, Input::Drain);
                }
            }
            self.take_waiting();
            // What has become due since the clock was read wakes the loop at once.
            let now = self.now;
            self.engine.handle_timeout(now);
            if self.clock.instant_of(now.moment) >= next_publish {
                next_publish = Instant::now() + PUBLISH_EVERY;
                self.publish();
            }
        }
    }

    /// The time, which never goes back from one input of the engine to the next.
    fn read_clock(&mut self) -> Now {
        self.now = self.clock.now();
        self.now
    }

    /// What comes first; nothing is lost by asking again.
    fn poll_wake(
        &mut self,
        context: &mut Context<'_>,
        alarm: &mut Pin<Box<Sleep>>,
        stop: &mut oneshot::Receiver<Duration>,
        stopping: bool,
    ) -> Poll<Wake> {
        if self.transports.poll_ready(context).is_ready() {
            return Poll::Ready(Wake::Arrival);
        }
        if let Poll::Ready(Some(report)) = self.desk.poll_recv(context) {
            return Poll::Ready(Wake::Desk(report));
        }
        if let Poll::Ready(Some(report)) = self.world.poll_recv(context) {
            return Poll::Ready(Wake::World(report));
        }
        if let Poll::Ready(Some(report)) = self.media.poll_recv(context) {
            return Poll::Ready(Wake::Media(report));
        }
        if !stopping && let Poll::Ready(patience) = Pin::new(stop).poll(context) {
            return Poll::Ready(Wake::Stop(patience.unwrap_or_default()));
        }
        alarm.as_mut().poll(context).map(|()| Wake::Alarm)
    }

    /// No message has waited for longer than the sockets have had something: that is told to the engine.
    fn take_arrivals(&mut self) {
        let now = self.now;
        let since = *self.behind_since.get_or_insert(now.moment);
        self.engine.handle(now, Input::Lag(now.moment.since(since)));
        for place in 0..BATCH {
            let Some(arrival) = self.transports.try_next() else {
                self.behind_since = None;
                return;
            };
            if place > 0 {
                self.read_clock();
            }
            self.take_arrival(arrival);
        }
    }

    fn take_arrival(&mut self, arrival: Arrival) {
        let mut to_close = None;
        let input = match arrival {
            Arrival::Message { flow, bytes } => Input::Received { flow, bytes },
            Arrival::Unusable { flow, head, end_known } => {
                to_close = flow.connection.filter(|_| !end_known);
                Input::Unusable { flow, head }
            }
            Arrival::SendFailed { token, .. } => Input::SendFailed(SendToken(token)),
            Arrival::Closed { .. } => return,
        };
        self.engine.handle(self.now, input);
        self.drain();
        if let Some(connection) = to_close {
            self.transports.close(connection);
        }
    }

    /// Screens, look-ups and media ports have their turn even while the sockets are never empty.
    fn take_waiting(&mut self) {
        for _ in 0..BATCH {
            let Ok(report) = self.desk.try_recv() else { break };
            self.take_desk(report);
        }
        for _ in 0..BATCH {
            let Ok(report) = self.world.try_recv() else { break };
            self.take_world(report);
        }
        for _ in 0..BATCH {
            let Ok(report) = self.media.try_recv() else { break };
            self.take_media(report);
        }
    }

    fn take_media(&mut self, report: MediaReport) {
        let now = self.read_clock();
        self.engine.handle(now, Input::Media(report));
        self.drain();
    }

    fn take_desk(&mut self, report: FromDesk) {
        let input = match report {
            FromDesk::Ask(request, sender) => {
                self.last_reply += 1;
                let token = ReplyToken(self.last_reply);
                self.replies.insert(token, sender);
                Input::Asked(token, request)
            }
            FromDesk::Announced(offer) => Input::Announced(offer),
            FromDesk::Screens(agent, live) => Input::Screens(agent, live),
            FromDesk::Stale(agent, cause, offer) => Input::Stale(agent, cause, offer),
            FromDesk::Fresh(agent) => Input::Fresh(agent),
            FromDesk::Listening(listening) => Input::Listening(listening),
        };
        let now = self.read_clock();
        self.engine.handle(now, input);
        self.drain();
    }

    fn take_world(&mut self, report: FromWorld) {
        let input = match report {
            FromWorld::LookedUp(token, answer) => Input::LookedUp(token, answer),
            FromWorld::Resolved(token, resolution) => Input::Resolved(token, resolution),
            FromWorld::Directory(directory) => Input::Directory(directory),
            FromWorld::StoredStatus(stored) => Input::StoredStatus(stored),
            FromWorld::CallsBefore(calls) => Input::CallsBefore(calls),
            FromWorld::CallbacksBefore(callbacks) => Input::CallbacksBefore(callbacks),
            FromWorld::Customers(customers) => {
                self.customers = customers;
                return;
            }
            FromWorld::Settings(settings) => {
                admit(&self.transports, &settings);
                Input::Settings(settings)
            }
            FromWorld::Tls(tls) => return self.transports.renew_tls(*tls),
            FromWorld::UdpBundles(bundles) => return self.transports.bundle(bundles),
        };
        let now = self.read_clock();
        self.engine.handle(now, input);
        self.drain();
    }

    /// Does everything the engine wants done.
    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(datagram) => self.transports.put(Outgoing {
                    protocol: datagram.protocol,
                    local: datagram.local,
                    remote: datagram.remote,
                    connection: datagram.connection,
                    otherwise: datagram.otherwise,
                    server_name: datagram.server_name,
                    bytes: datagram.bytes,
                    token: datagram.token.map(|token| token.0),
                }),
                Output::Lookup { token, e164, .. } => {
                    if let Some(answer) = self.look_up(token, e164) {
                        self.engine.handle(self.now, Input::LookedUp(token, answer));
                    }
                }
                Output::Resolve { token, host, port, protocol } => {
                    if !self.outlets.resolve(ResolveJob { token, host, port, protocol }) {
                        let now = self.read_clock();
                        self.engine.handle(now, Input::Resolved(token, Resolution::default()));
                    }
                }
                Output::Media(order) => {
                    if let Some(report) = self.outlets.media.order(order) {
                        let now = self.read_clock();
                        self.engine.handle(now, Input::Media(report));
                    }
                }
                Output::Event(event) => self.outlets.event(event),
                Output::Reply(token, answer) => {
                    // Nobody waits any more when the asker has given up.
                    if let Some(sender) = self.replies.remove(&token) {
                        sender.send(*answer).ok();
                    }
                }
                Output::StoreStatus { stored, user } => self.outlets.write(Write::Status { stored, user }),
                Output::Audit(audit) => self.outlets.write(Write::Audit(audit)),
                Output::Record(record) => self.outlets.write(Write::Record(record)),
                Output::StoreCallback { callback, user } => {
                    self.outlets.write(Write::Callback { callback, user });
                }
                Output::NoticeAcknowledged { call, notice, agent, at } => {
                    self.outlets.write(Write::NoticeAcknowledged { call, notice, agent, at });
                }
            }
        }
    }

    /// Answers from memory at once; without customers in memory the database is asked.
    fn look_up(&mut self, token: LookupToken, e164: String) -> Option<LookupAnswer> {
        let Some(customers) = &self.customers else {
            return self.outlets.look_up(LookupJob { token, e164 });
        };
        let cards = customers.find(&e164);
        self.look_ups.note(cards.len());
        Some(Ok(cards))
    }

    fn publish(&mut self) {
        self.outlets.media.retry();
        std::mem::take(&mut self.look_ups).publish();
        let sockets = self.transports.gauges();
        published::publish_transports(&self.published, &sockets);
        self.published = sockets;
        let samples = self.engine.take_samples();
        let gauges = self.engine.gauges();
        published::publish(self.engine.counters(), &gauges, samples);
        self.outlets.next_hops(gauges.targets, gauges.targets_down);
        self.replies.retain(|_, sender| !sender.is_closed());
    }
}

/// Tells the sockets who the peers are.
pub fn admit(transports: &Transports, settings: &Arc<Settings>) {
    let peers = Arc::clone(settings);
    transports.allow(Box::new(move |address| peers.peer_of(address).is_some()));
    let peers = Arc::clone(settings);
    transports.allow_proving(Box::new(move |address| peers.may_prove(address)));
    let peers = Arc::clone(settings);
    transports
        .allow_named(Box::new(move |name| peers.peer_with_certificate(CertificateName::of(name)).is_some()));
}
