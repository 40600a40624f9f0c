//! The room: one task that owns the hub and knows every socket. Nothing in it waits for a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::{Rng, RngExt};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};

use super::clock::Clock;
use super::handle::{DeskHandle, Joined, Joining, Lost, SocketId, ToRoom};
use super::outbox::{Announcement, Close, Item, Outbox};
use super::settings::DeskSettings;
use super::watch::{Render, Unseen};
use crate::api::{Session, rights};
use crate::driver::{EngineHandle, FromDesk};
use crate::engine::{Answer, Request};
use crate::events::wire::{ResumeEntry, StreamEntry};
use crate::events::{Audience, Event, EventBody, Frame, Hub, Position};
use crate::presence::{AgentId, CallId, PresenceDocument};
use crate::routing::Directory;
use crate::telemetry::metric;

/// Requests of sockets waiting for the room.
const REQUESTS: usize = 1_024;
/// Events taken in one turn, so that sockets get theirs.
const TURN: usize = 64;
/// How often renders, reports and gauges are looked after.
const TICK: Duration = Duration::from_millis(200);
/// Offers whose painting is awaited, at most.
const RENDERS: usize = 4_096;

/// The task's state. Made by [`Desk::new`], consumed by [`Desk::run`].
pub struct Desk {
    pub(super) settings: Arc<DeskSettings>,
    pub(super) engine: EngineHandle,
    clock: Clock,
    pub(super) hub: Hub,
    events: mpsc::Receiver<Event>,
    requests: mpsc::Receiver<ToRoom>,
    directory: watch::Receiver<Arc<Directory>>,
    lost: Arc<Mutex<Lost>>,
    to_self: mpsc::WeakSender<ToRoom>,
    pub(super) members: BTreeMap<SocketId, Member>,
    by_stream: BTreeMap<Audience, BTreeSet<SocketId>>,
    pub(super) leads: BTreeMap<Owner, SocketId>,
    waiting: Vec<Joining>,
    pub(super) renders: BTreeMap<String, Render>,
    /// Agents whose screens were reported not to answer, and how that was seen.
    pub(super) stale: BTreeMap<AgentId, Unseen>,
    unreported: BTreeMap<AgentId, bool>,
    next_statuses: BTreeMap<AgentId, Request>,
    next_socket: u64,
    drain: Option<u64>,
    /// Whether events are wanted.
    awake: bool,
    /// What the engine has been told of it.
    told_awake: bool,
    /// The presences are being asked for, and whoever joins waits for them.
    learning: bool,
    /// Since when there has been no socket.
    quiet_since: Option<Instant>,
}

pub(super) struct Member {
    session: Arc<Session>,
    pub(super) owner: Owner,
    visible: bool,
    pub(super) paints: bool,
    pub(super) outbox: Arc<Outbox>,
    streams: Vec<Audience>,
}

/// Whose sockets count together and share a lead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Agent(AgentId),
    User(String),
}

impl Desk {
    /// A desk and its handle. `directory` says who belongs to which group.
    pub fn new(
        settings: DeskSettings,
        engine: EngineHandle,
        directory: watch::Receiver<Arc<Directory>>,
    ) -> (DeskHandle, Self) {
        let settings = Arc::new(settings);
        let (event_sender, events) = mpsc::channel(settings.events_queue);
        let (request_sender, requests) = mpsc::channel(REQUESTS);
        let (lost, live) = (Arc::<Mutex<Lost>>::default(), Arc::<AtomicUsize>::default());
        let mut seed = [0_u8; 32];
        rand::rng().fill_bytes(&mut seed);
        let desk = Self {
            hub: Hub::new(settings.hub, seed),
            settings: Arc::clone(&settings),
            engine,
            clock: Clock::start(),
            events,
            requests,
            directory,
            lost: Arc::clone(&lost),
            to_self: request_sender.downgrade(),
            members: BTreeMap::new(),
            by_stream: BTreeMap::new(),
            leads: BTreeMap::new(),
            waiting: Vec::new(),
            renders: BTreeMap::new(),
            stale: BTreeMap::new(),
            unreported: BTreeMap::new(),
            next_statuses: BTreeMap::new(),
            next_socket: 0,
            drain: None,
            awake: !settings.starts_asleep,
            told_awake: true,
            learning: false,
            quiet_since: None,
        };
        (DeskHandle { events: event_sender, requests: request_sender, lost, live, settings }, desk)
    }

    /// Serves until every handle is dropped.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut directory_lives = true;
        self.report_awake();
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.take_events(event),
                    None => return,
                },
                request = self.requests.recv() => match request {
                    Some(request) => self.handle(request),
                    None => return,
                },
                changed = self.directory.changed(), if directory_lives => match changed {
                    Ok(()) => self.reassign(),
                    Err(_) => directory_lives = false,
                },
                _ = tick.tick() => self.look_after(),
            }
        }
    }

    fn take_events(&mut self, first: Event) {
        self.publish(&first);
        for _ in 1..TURN {
            let Ok(event) = self.events.try_recv() else { break };
            self.publish(&event);
        }
        if self.events.is_empty() {
            self.renew_lost();
        }
    }

    fn publish(&mut self, event: &Event) {
        if let EventBody::PresenceChanged(document) = &event.body {
            self.set_now_if_idle(document);
        }
        for frame in self.hub.publish(self.clock.now(), event) {
            let announce = frame.announce.clone().map(|offer| Arc::new(Announcement::new(offer)));
            let sockets = self.by_stream.get(&*frame.stream).map_or(0, BTreeSet::len);
            if sockets == 0 {
                if let Some(offer) = announce.and_then(|announce| announce.take()) {
                    self.engine.report(FromDesk::Announced(offer));
                }
                continue;
            }
            self.push(&frame, announce.as_ref());
            if let (Some(_), Audience::Agent(agent)) = (&frame.announce, &*frame.stream)
                && self.renders.len() < RENDERS
            {
                let owner = Owner::Agent(agent.clone());
                let render = Render::new(owner, Arc::clone(&frame));
                self.renders.insert(frame.id.clone(), render);
            }
        }
    }

    /// A status for after the call waits for the agent's next idle moment.
    fn set_next(&mut self, agent: AgentId, request: Request, reply: oneshot::Sender<bool>) {
        // Who is not known to be busy is not waited for: the engine knows better.
        let busy = self.hub.observed_state(&agent).is_some_and(|state| state != "idle");
        if busy {
            self.next_statuses.insert(agent.clone(), request);
        }
        if reply.send(busy).is_err() {
            self.next_statuses.remove(&agent);
        }
    }

    fn set_now_if_idle(&mut self, document: &PresenceDocument) {
        if document.state != "idle" {
            return;
        }
        let Some(request) = self.next_statuses.remove(&document.agent) else { return };
        let engine = self.engine.clone();
        tokio::spawn(async move {
            if let Err(refusal) = engine.ask(request).await {
                tracing::warn!(code = ?refusal.code, "a status that was set for after a call was refused");
            }
        });
    }

    fn push(&self, frame: &Arc<Frame>, announce: Option<&Arc<Announcement>>) {
        for socket in self.by_stream.get(&*frame.stream).into_iter().flatten() {
            if let Some(member) = self.members.get(socket) {
                member.outbox.push(Item::event(Arc::clone(frame), announce.map(Arc::clone)));
            }
        }
    }

    fn handle(&mut self, request: ToRoom) {
        match request {
            ToRoom::Join(joining) => self.join_or_wait(*joining),
            ToRoom::Leave(socket) => self.leave(socket),
            ToRoom::TakeLead(socket) => self.take_lead(socket),
            ToRoom::Rendered(socket, ids) => self.rendered(socket, &ids),
            ToRoom::Pong(socket) => self.answered_ping(socket),
            ToRoom::Acted(socket) => self.acted(socket),
            ToRoom::Silent(socket) => self.fell_silent(socket),
            ToRoom::Presences(documents) => {
                // What the engine said before the answer is older than who joins now.
                while let Ok(event) = self.events.try_recv() {
                    self.publish(&event);
                }
                for document in documents {
                    self.hub.learn_presence(document);
                }
                self.learning = false;
                for joining in std::mem::take(&mut self.waiting) {
                    self.join(joining);
                }
            }
            ToRoom::SetNext(agent, request, reply) => self.set_next(agent, request, reply),
            ToRoom::ForgetNext(agent) => {
                self.next_statuses.remove(&agent);
            }
            ToRoom::Drain(retry_ms) => self.drain(retry_ms),
        }
    }

    /// A snapshot needs the agent's presence. When the hub has not seen it, the engine is asked once for all
    /// who wait.
    fn join_or_wait(&mut self, joining: Joining) {
        self.wake();
        let known = joining.session.agent.as_ref().is_none_or(|agent| self.hub.knows_presence(agent));
        if known && !self.learning {
            return self.join(joining);
        }
        self.waiting.push(joining);
        if self.waiting.len() > 1 {
            return;
        }
        self.learning = true;
        let (engine, to_self) = (self.engine.clone(), self.to_self.clone());
        tokio::spawn(async move {
            let answer = engine.ask(Request::Presences).await;
            let documents =
                if let Ok(Answer::Presences(documents)) = answer { documents } else { Vec::new() };
            if let Some(room) = to_self.upgrade()
                && room.send(ToRoom::Presences(documents)).await.is_err()
            {
                tracing::debug!("the desk stopped while presences were asked for");
            }
        });
    }

    /// The first socket after a time without any: events are wanted again. What the streams knew is old, and
    /// whoever comes is given the present.
    fn wake(&mut self) {
        self.quiet_since = None;
        if self.awake {
            return;
        }
        self.hub.forget_all();
        self.awake = true;
        self.learning = true;
        self.report_awake();
    }

    /// No socket for so long that nobody can go on where they were: no events are wanted until one comes.
    fn fall_asleep(&mut self) {
        if !self.awake || !self.members.is_empty() || !self.waiting.is_empty() {
            self.quiet_since = None;
            return;
        }
        let quiet = self.quiet_since.get_or_insert_with(Instant::now).elapsed();
        if quiet >= self.settings.hub.keep_for && self.settings.starts_asleep {
            self.awake = false;
            self.report_awake();
        }
    }

    fn report_awake(&mut self) {
        if self.told_awake != self.awake && self.engine.report(FromDesk::Listening(self.awake)) {
            self.told_awake = self.awake;
        }
    }

    fn join(&mut self, joining: Joining) {
        let Joining { session, visible, paints, resume, outbox, reply } = joining;
        let owner = Owner::of(&session);
        let siblings = self.members.values().filter(|member| member.owner == owner).count();
        if let Some(refusal) = self.refusal(&session, siblings) {
            if reply.send(Err(refusal)).is_err() {
                tracing::debug!("a refused socket was gone already");
            }
            return;
        }
        let socket = SocketId(self.next_socket);
        self.next_socket += 1;
        let directory = Arc::clone(&self.directory.borrow());
        let streams = rights::streams(session.role, session.agent.as_ref(), &directory);
        let (entries, texts) = self.attach_all(&streams, &resume);
        for stream in &streams {
            self.by_stream.entry(stream.clone()).or_default().insert(socket);
        }
        let lead = *self.leads.entry(owner.clone()).or_insert(socket) == socket;
        if let Owner::Agent(agent) = &owner
            && siblings == 0
        {
            self.report_screens(agent.clone(), true);
        }
        self.came_back(&owner);
        self.members.insert(socket, Member { session, owner, visible, paints, outbox, streams });
        if reply.send(Ok(Joined { socket, streams: entries, lead, texts })).is_err() {
            self.leave(socket);
        }
    }

    fn refusal(&self, session: &Session, siblings: usize) -> Option<Close> {
        if let Some(retry_ms) = self.drain {
            return Some(Close::Drain(spread(retry_ms)));
        }
        if session.is_over() {
            return Some(Close::NotAuthenticated);
        }
        (siblings >= self.settings.sockets_per_agent).then_some(Close::Rate)
    }

    /// What the socket gets of each stream it may see, and `stream.closed` for what it asked for and may not
    /// (N60).
    fn attach_all(&mut self, streams: &[Audience], resume: &[ResumeEntry]) -> (Vec<StreamEntry>, Vec<Bytes>) {
        let now = self.clock.now();
        let (mut entries, mut texts) = (Vec::new(), Vec::new());
        for stream in streams {
            let name = stream.to_string();
            let position = resume.iter().find(|entry| entry.stream == name);
            let position = position.map(|entry| Position { epoch: entry.epoch.clone(), seq: entry.seq });
            let attached = self.hub.attach(now, stream, position.as_ref());
            texts.extend(attached.texts);
            let (epoch, seq, resumed) = (attached.epoch, attached.seq, attached.resumed);
            entries.push(StreamEntry { stream: name, epoch, seq, resumed });
        }
        for entry in resume.iter().filter(|entry| entries.iter().all(|known| known.stream != entry.stream)) {
            let data = json!({"reason": "forbidden"});
            texts.push(self.hub.socket_event(now, "stream.closed", Some(&entry.stream), &data));
        }
        (entries, texts)
    }

    fn leave(&mut self, socket: SocketId) {
        let Some(member) = self.members.remove(&socket) else { return };
        for stream in &member.streams {
            self.unsubscribe(stream, socket);
        }
        let left: Vec<SocketId> = self.sockets_of(&member.owner);
        if left.is_empty() {
            self.leads.remove(&member.owner);
            if let Owner::Agent(agent) = member.owner {
                self.report_screens(agent, false);
            }
        } else if self.leads.get(&member.owner) == Some(&socket) {
            // The last one that came and is seen, or else the last one that came.
            let seen =
                left.iter().rev().find(|one| self.members.get(one).is_some_and(|member| member.visible));
            if let Some(heir) = seen.or(left.last()).copied() {
                self.leads.insert(member.owner, heir);
                self.tell_lead(heir, true);
            }
        }
    }

    fn take_lead(&mut self, socket: SocketId) {
        let Some(member) = self.members.get_mut(&socket) else { return };
        member.visible = true;
        let before = self.leads.insert(member.owner.clone(), socket);
        if before == Some(socket) {
            return;
        }
        if let Some(before) = before {
            self.tell_lead(before, false);
        }
        self.tell_lead(socket, true);
    }

    fn tell_lead(&mut self, socket: SocketId, lead: bool) {
        let text = self.hub.socket_event(self.clock.now(), "lead.changed", None, &json!({"lead": lead}));
        if let Some(member) = self.members.get(&socket) {
            member.outbox.push(Item::plain(text));
        }
    }

    fn drain(&mut self, retry_ms: u64) {
        self.drain = Some(retry_ms);
        let now = self.clock.now();
        for member in self.members.values() {
            let retry_ms = spread(retry_ms);
            let data = json!({"retry_ms": retry_ms});
            member.outbox.push(Item::plain(self.hub.socket_event(now, "server.draining", None, &data)));
            member.outbox.close(Close::Drain(retry_ms));
        }
    }

    /// The directory changed: rights are those of now, on every open socket.
    fn reassign(&mut self) {
        let directory = Arc::clone(&self.directory.borrow_and_update());
        let sockets: Vec<SocketId> = self.members.keys().copied().collect();
        let now = self.clock.now();
        for socket in sockets {
            let Some(member) = self.members.get(&socket) else { continue };
            let (outbox, before) = (Arc::clone(&member.outbox), member.streams.clone());
            let after = rights::streams(member.session.role, member.session.agent.as_ref(), &directory);
            for gone in before.iter().filter(|stream| !after.contains(stream)) {
                self.unsubscribe(gone, socket);
                let (name, data) = (gone.to_string(), json!({"reason": "forbidden"}));
                outbox.push(Item::plain(self.hub.socket_event(now, "stream.closed", Some(&name), &data)));
            }
            for new in after.iter().filter(|stream| !before.contains(stream)) {
                for text in self.hub.attach(now, new, None).texts {
                    outbox.push(Item::plain(text));
                }
                self.by_stream.entry(new.clone()).or_default().insert(socket);
            }
            if let Some(member) = self.members.get_mut(&socket) {
                member.streams = after;
            }
        }
    }

    /// Streams that lost events start a new life.
    fn renew_lost(&mut self) {
        let lost = {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut lost.streams)
        };
        for (stream, calls) in lost {
            let calls: Vec<CallId> = calls.into_iter().collect();
            let texts = self.hub.renew(self.clock.now(), &stream, &calls);
            for socket in self.by_stream.get(&stream).into_iter().flatten() {
                let Some(member) = self.members.get(socket) else { continue };
                texts.iter().for_each(|text| member.outbox.push(Item::plain(text.clone())));
            }
        }
    }

    fn look_after(&mut self) {
        // What was told before the loss is read before the new beginning.
        if self.events.is_empty() {
            self.renew_lost();
        }
        let unreported = std::mem::take(&mut self.unreported);
        for (agent, live) in unreported {
            self.report_screens(agent, live);
        }
        self.look_after_renders();
        self.report_fresh();
        self.fall_asleep();
        self.report_awake();
        metrics::gauge!(metric::SOCKETS).set(count(self.members.len()));
        metrics::gauge!(metric::QUEUE_DEPTH, "queue" => "replay").set(count(self.hub.buffered()));
        metrics::gauge!(metric::QUEUE_DEPTH, "queue" => "events").set(count(self.events.len()));
    }

    fn report_screens(&mut self, agent: AgentId, live: bool) {
        if !self.engine.report(FromDesk::Screens(agent.clone(), live)) {
            self.unreported.insert(agent, live);
        } else {
            self.unreported.remove(&agent);
        }
    }

    pub(super) fn sockets_of(&self, owner: &Owner) -> Vec<SocketId> {
        self.members.iter().filter(|(_, member)| member.owner == *owner).map(|(socket, _)| *socket).collect()
    }

    fn unsubscribe(&mut self, stream: &Audience, socket: SocketId) {
        if let Some(sockets) = self.by_stream.get_mut(stream) {
            sockets.remove(&socket);
            if sockets.is_empty() {
                self.by_stream.remove(stream);
            }
        }
    }
}

impl Owner {
    fn of(session: &Session) -> Self {
        session.agent.clone().map_or_else(|| Self::User(session.user.clone()), Self::Agent)
    }
}

/// Somewhere between a fifth of the time and all of it, so that not everybody comes back at once.
fn spread(retry_ms: u64) -> u64 {
    rand::rng().random_range(retry_ms / 5..=retry_ms.max(1))
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
