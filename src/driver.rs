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
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::clock::Moment;
use crate::engine::{Answer, Engine, Input, Output, Refusal, ReplyToken, Resolution, SendToken, Settings};
use crate::transport::{self, Arrival, CertificateName, Outgoing, Transports};

/// How many messages are taken from the sockets before the other inputs have their turn.
const BATCH: usize = 64;

/// How often figures are published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// The loop with everything it owns.
pub struct Driver {
    engine: Engine,
    transports: Transports,
    clock: Clock,
    desk: mpsc::Receiver<FromDesk>,
    world: mpsc::Receiver<FromWorld>,
    outlets: Outlets,
    replies: HashMap<ReplyToken, oneshot::Sender<Result<Answer, Refusal>>>,
    last_reply: u64,
    /// The sockets' counts as they were published last.
    published: transport::Gauges,
    /// Since when the sockets have not been empty.
    behind_since: Option<Moment>,
}

impl Driver {
    /// A driver. `desk` brings requests and reports of screens and integrations, `world` the answers of
    /// look-ups and names; outputs go to `outlets`.
    pub fn new(
        engine: Engine,
        transports: Transports,
        clock: Clock,
        desk: mpsc::Receiver<FromDesk>,
        world: mpsc::Receiver<FromWorld>,
        outlets: Outlets,
    ) -> Self {
        Self {
            engine,
            transports,
            clock,
            desk,
            world,
            outlets,
            replies: HashMap::new(),
            last_reply: 0,
            published: transport::Gauges::default(),
            behind_since: None,
        }
    }

    /// Runs until everybody who could send to it is gone, or `stop` says so and no INVITE is pending.
    pub async fn run(mut self, mut stop: oneshot::Receiver<Duration>) {
        let mut publish = tokio::time::interval(PUBLISH_EVERY);
        let mut stop_at: Option<tokio::time::Instant> = None;
        loop {
            self.drain();
            if stop_at
                .is_some_and(|at| at <= tokio::time::Instant::now() || !self.engine.has_pending_invites())
            {
                return;
            }
            let due = self.engine.poll_timeout().map(|moment| self.clock.instant_of(moment));
            tokio::select! {
                arrival = self.transports.next() => self.take_arrivals(arrival),
                Some(report) = self.desk.recv() => self.take_desk(report),
                Some(report) = self.world.recv() => self.take_world(report),
                () = sleep_until(due) => {}
                _ = publish.tick() => self.publish(),
                patience = &mut stop, if stop_at.is_none() => {
                    let patience = patience.unwrap_or_default();
                    stop_at = Some(tokio::time::Instant::now() + patience);
                    let now = self.clock.now();
                    self.engine.handle(now, Input::Drain);
                }
            }
            self.take_waiting();
            let now = self.clock.now();
            self.engine.handle_timeout(now);
        }
    }

    /// No message has waited for longer than the sockets have had something: that is told to the engine.
    fn take_arrivals(&mut self, first: Arrival) {
        let now = self.clock.now();
        let since = *self.behind_since.get_or_insert(now.moment);
        self.engine.handle(now, Input::Lag(now.moment.since(since)));
        self.take_arrival(first);
        for _ in 1..BATCH {
            let Some(arrival) = self.transports.try_next() else {
                self.behind_since = None;
                return;
            };
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
        let now = self.clock.now();
        self.engine.handle(now, input);
        self.drain();
        if let Some(connection) = to_close {
            self.transports.close(connection);
        }
    }

    /// Screens and look-ups have their turn even while the sockets are never empty.
    fn take_waiting(&mut self) {
        for _ in 0..BATCH {
            let Ok(report) = self.desk.try_recv() else { break };
            self.take_desk(report);
        }
        for _ in 0..BATCH {
            let Ok(report) = self.world.try_recv() else { break };
            self.take_world(report);
        }
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
        };
        let now = self.clock.now();
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
            FromWorld::Settings(settings) => {
                admit(&self.transports, &settings);
                Input::Settings(settings)
            }
            FromWorld::Tls(tls) => return self.transports.renew_tls(*tls),
        };
        let now = self.clock.now();
        self.engine.handle(now, input);
        self.drain();
    }

    /// Does everything the engine wants done.
    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(datagram) => self.transports.send(Outgoing {
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
                    if let Some(answer) = self.outlets.look_up(LookupJob { token, e164 }) {
                        let now = self.clock.now();
                        self.engine.handle(now, Input::LookedUp(token, answer));
                    }
                }
                Output::Resolve { token, host, port, protocol } => {
                    if !self.outlets.resolve(ResolveJob { token, host, port, protocol }) {
                        let now = self.clock.now();
                        self.engine.handle(now, Input::Resolved(token, Resolution::default()));
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
                Output::Record(record) => self.outlets.write(Write::Record(record)),
                Output::NoticeAcknowledged { call, notice, agent, at } => {
                    self.outlets.write(Write::NoticeAcknowledged { call, notice, agent, at });
                }
            }
        }
    }

    fn publish(&mut self) {
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

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
