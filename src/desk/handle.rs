//! What the rest of the house and the sockets hold of the desk: bounded queues into its task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::outbox::{Close, Outbox};
use super::settings::DeskSettings;
use crate::api::Session;
use crate::engine::Request;
use crate::events::wire::{ResumeEntry, StreamEntry};
use crate::events::{Audience, Event};
use crate::presence::{AgentId, CallId, PresenceDocument};

/// A cheap handle on the desk.
#[derive(Clone)]
pub struct DeskHandle {
    pub(super) events: mpsc::Sender<Event>,
    pub(super) requests: mpsc::Sender<ToRoom>,
    pub(super) lost: Arc<Mutex<Lost>>,
    pub(super) live: Arc<AtomicUsize>,
    pub(super) settings: Arc<DeskSettings>,
}

/// What did not fit the queue: whose streams, and which cards can no longer be trusted.
#[derive(Debug, Default)]
pub(super) struct Lost {
    pub(super) streams: BTreeMap<Audience, BTreeSet<CallId>>,
}

/// What a socket asks of the room.
pub(super) enum ToRoom {
    /// A socket has said hello.
    Join(Box<Joining>),
    /// A socket is gone.
    Leave(SocketId),
    /// A socket wants to be the lead.
    TakeLead(SocketId),
    /// A client has painted these events.
    Rendered(SocketId, Vec<String>),
    /// A client answered a ping.
    Pong(SocketId),
    /// Somebody did something on this screen.
    Acted(SocketId),
    /// A socket is about to go because it answered no pings.
    Silent(SocketId),
    /// All presences, as the engine answered.
    Presences(Vec<PresenceDocument>),
    /// This status is wanted when the agent is next idle; `false` answers that they are idle now.
    SetNext(AgentId, Request, oneshot::Sender<bool>),
    /// A status was set at once: what was wanted for later is not any more.
    ForgetNext(AgentId),
    /// Everybody is to go, and to come back after about so many milliseconds.
    Drain(u64),
}

/// A socket that wants in.
pub(super) struct Joining {
    pub(super) session: Arc<Session>,
    pub(super) visible: bool,
    /// It says when a card is painted.
    pub(super) paints: bool,
    pub(super) resume: Vec<ResumeEntry>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) reply: oneshot::Sender<Result<Joined, Close>>,
}

/// A socket that is in.
pub(super) struct Joined {
    pub(super) socket: SocketId,
    pub(super) streams: Vec<StreamEntry>,
    pub(super) lead: bool,
    pub(super) texts: Vec<Bytes>,
}

/// One socket, in the order of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SocketId(pub(super) u64);

impl DeskHandle {
    /// Hands an event over; never waits. When the queue is full the event is lost (`false`, for the caller to
    /// count), and its streams start a new life, so that clients take a snapshot.
    pub fn publish(&self, event: Event) -> bool {
        let Err(refused) = self.events.try_send(event) else { return true };
        let event = refused.into_inner();
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for audience in event.audience {
            lost.streams.entry(audience).or_default().extend(event.call.clone());
        }
        false
    }

    /// Sends everybody away with close 4512 and a time to come back, spread up to `retry_ms`. New sockets get
    /// the same.
    pub async fn drain(&self, retry_ms: u64) {
        self.tell(ToRoom::Drain(retry_ms)).await;
    }

    pub(super) fn settings(&self) -> Arc<DeskSettings> {
        Arc::clone(&self.settings)
    }

    pub(super) fn is_full(&self) -> bool {
        self.live.load(Ordering::Relaxed) >= self.settings.sockets
    }

    /// Counts a socket for as long as the guard lives.
    pub(super) fn enter(&self) -> LiveSocket {
        self.live.fetch_add(1, Ordering::Relaxed);
        LiveSocket(Arc::clone(&self.live))
    }

    pub(super) async fn tell(&self, request: ToRoom) -> bool {
        self.requests.send(request).await.is_ok()
    }

    pub(super) fn tell_now(&self, request: ToRoom) -> bool {
        self.requests.try_send(request).is_ok()
    }
}

/// One counted socket.
pub(super) struct LiveSocket(Arc<AtomicUsize>);

impl Drop for LiveSocket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
