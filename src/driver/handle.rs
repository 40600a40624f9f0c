//! How the rest of the process talks to the engine: bounded, with an answer when it is full.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::callback::Callback;
use crate::customer::{CustomerBook, LookupAnswer};
use crate::engine::{Answer, ErrorCode, LookupToken, Refusal, Request, Resolution, ResolveToken, Settings};
use crate::presence::{AgentId, OfferId, StaleCause, StoredStatus};
use crate::routing::Directory;
use crate::transport::Tls;

/// How long a request waits for the engine before it is answered `timeout`.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What desk and api send to the driver.
#[derive(Debug)]
pub enum FromDesk {
    /// A request and where its answer goes.
    Ask(Request, oneshot::Sender<Result<Answer, Refusal>>),
    /// The `pop.offered` frame of this offer has been written to a socket of the agent.
    Announced(OfferId),
    /// Whether the agent has at least one live, authenticated screen.
    Screens(AgentId, bool),
    /// The agent's screens do not answer: pings, or the card of this offer.
    Stale(AgentId, StaleCause, Option<OfferId>),
    /// A screen of the agent's answers again.
    Fresh(AgentId),
    /// Whether anybody reads events.
    Listening(bool),
}

/// What the rest of the world answers to the driver.
pub enum FromWorld {
    /// A look-up is done.
    LookedUp(LookupToken, LookupAnswer),
    /// A name is resolved; empty when it has no address.
    Resolved(ResolveToken, Resolution),
    /// Agents and lines were read again.
    Directory(Arc<Directory>),
    /// Another process changed a status.
    StoredStatus(StoredStatus),
    /// Calls to lines from before the start: the calling number, when, and which agent answered.
    CallsBefore(Vec<(String, jiff::Timestamp, Option<AgentId>)>),
    /// Callbacks that were open before the start.
    CallbacksBefore(Vec<Callback>),
    /// The configuration was read again.
    Settings(Arc<Settings>),
    /// Every customer as the database has them now; without them each look-up asks the database.
    Customers(Option<Arc<CustomerBook>>),
    /// Certificates were read again.
    Tls(Box<Tls>),
    /// Whether datagrams may go to the kernel as one.
    UdpBundles(bool),
}

/// A cheap handle on the engine. Cloned freely; the queue behind it is bounded.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    sender: mpsc::Sender<FromDesk>,
}

impl EngineHandle {
    /// A handle and the end the driver reads; `capacity` is the queue's limit.
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<FromDesk>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self { sender }, receiver)
    }

    /// Asks, and waits at most two seconds. A full queue is `unavailable`, a late answer is `timeout`.
    pub async fn ask(&self, request: Request) -> Result<Answer, Refusal> {
        let (sender, receiver) = oneshot::channel();
        if self.sender.try_send(FromDesk::Ask(request, sender)).is_err() {
            return Err(Refusal::of(ErrorCode::Unavailable, "混み合っています", "The system is busy"));
        }
        match tokio::time::timeout(ANSWER_WITHIN, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refusal::of(ErrorCode::Unavailable, "停止中です", "The system is stopping")),
            Err(_) => Err(Refusal::of(ErrorCode::Timeout, "応答がありません", "No answer in time")),
        }
    }

    /// Reports a written offer or a change of live screens; `false` when the queue is full (the engine's own
    /// 50 ms limit covers a lost report of an offer).
    pub fn report(&self, report: FromDesk) -> bool {
        self.sender.try_send(report).is_ok()
    }
}
