//! What the driver's side and the connection tasks have in common (RFC 3261 §18.1.1, §18.2.1). One thread,
//! so no locks.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{Connection, Order};
use super::{Arrival, CloseReason, FlowId, Gauges, Protocol, SendFailure, Tls, TransportSettings};
use crate::clock::Moment;

/// One read takes at most this much from a stream.
const SCRATCH_BYTES: usize = 32 * 1024;

/// Whether a connection from this address is wanted.
pub(super) type Allow = Box<dyn Fn(IpAddr) -> bool>;

/// Whether a certificate with this name is a peer's.
pub(super) type AllowNamed = Box<dyn Fn(&str) -> bool>;

pub(super) struct Shared {
    pub(super) settings: TransportSettings,
    /// Told when arrivals left a full queue.
    pub(super) space: Notify,
    /// Where reads land; one for all connections, since none keeps it across an await.
    pub(super) scratch: RefCell<Box<[u8]>>,
    pub(super) allow: RefCell<Allow>,
    /// Who may come in to prove themselves by a password.
    pub(super) allow_proving: RefCell<Allow>,
    pub(super) allow_named: RefCell<AllowNamed>,
    pub(super) tls: RefCell<Option<Rc<Tls>>>,
    origin: Instant,
    arrivals: RefCell<VecDeque<Arrival>>,
    driver: RefCell<Option<Waker>>,
    registry: RefCell<Registry>,
    counts: Cell<Gauges>,
    tasks: RefCell<JoinSet<()>>,
}

/// Every connection, open or being made.
struct Registry {
    by_id: HashMap<FlowId, Rc<Connection>>,
    by_remote: HashMap<Remote, FlowId>,
    inbound_by_peer: HashMap<IpAddr, usize>,
    handshakes_by_peer: HashMap<IpAddr, usize>,
    handshakes: usize,
    inbound: usize,
    /// Those from outside that no address and no certificate made a peer's.
    strangers: usize,
    next_id: u64,
}

/// Where a connection leads: over TLS also as whom, when a name was asked for.
type Remote = (Protocol, SocketAddr, Option<Arc<str>>);

impl Shared {
    pub(super) fn new(settings: TransportSettings) -> Self {
        Self {
            settings,
            space: Notify::new(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()),
            allow: RefCell::new(Box::new(|_| false)),
            allow_proving: RefCell::new(Box::new(|_| false)),
            allow_named: RefCell::new(Box::new(|_| false)),
            tls: RefCell::new(None),
            origin: Instant::now(),
            arrivals: RefCell::new(VecDeque::new()),
            driver: RefCell::new(None),
            registry: RefCell::new(Registry::new()),
            counts: Cell::new(Gauges::default()),
            tasks: RefCell::new(JoinSet::new()),
        }
    }

    /// Now, on the clock that framing is given.
    pub(super) fn moment(&self) -> Moment {
        Moment::ZERO + self.origin.elapsed()
    }

    /// The instant of a moment of that clock.
    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.origin + moment.since(Moment::ZERO)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Gauges)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    pub(super) fn gauges(&self) -> Gauges {
        let registry = self.registry.borrow();
        Gauges {
            inbound_connections: registry.inbound,
            handshakes: registry.handshakes,
            outbound_connections: registry.by_id.len() - registry.inbound,
            waiting_arrivals: self.arrivals.borrow().len(),
            ..self.counts.get()
        }
    }

    /// Runs a task until it ends or the transports are dropped. It needs a `LocalSet` around it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(task);
    }

    pub(super) fn stop(&self) {
        self.tasks.borrow_mut().abort_all();
    }

    /// Whether messages may be put into the queue of arrivals.
    pub(super) fn has_room(&self) -> bool {
        self.arrivals.borrow().len() < self.settings.arrivals
    }

    /// For the driver. Messages ask `has_room` first; news of ends and failures do not: they are bounded by
    /// what ends.
    pub(super) fn arrive(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push_back(arrival);
        if let Some(driver) = self.driver.borrow_mut().take() {
            driver.wake();
        }
    }

    pub(super) fn take_arrival(&self) -> Option<Arrival> {
        let mut arrivals = self.arrivals.borrow_mut();
        let was_full = arrivals.len() >= self.settings.arrivals;
        let arrival = arrivals.pop_front()?;
        if was_full && arrivals.len() < self.settings.arrivals {
            self.space.notify_waiters();
        }
        Some(arrival)
    }

    pub(super) fn poll_arrivals(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.arrivals.borrow().is_empty() {
            return Poll::Ready(());
        }
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|driver| driver.will_wake(context.waker())) {
            *driver = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Counts a message that was sent, or was not.
    pub(super) fn note_sent(
        &self,
        token: Option<u64>,
        protocol: Protocol,
        remote: SocketAddr,
        result: Result<(), SendFailure>,
    ) {
        match result {
            Ok(()) => self.count(|counts| counts.sent += 1),
            Err(why) => self.send_failed(token, protocol, remote, why),
        }
    }

    /// Counts a message that was not sent, and tells the driver if it wants to know.
    pub(super) fn send_failed(
        &self,
        token: Option<u64>,
        protocol: Protocol,
        remote: SocketAddr,
        why: SendFailure,
    ) {
        self.count(|counts| counts.send_failed += 1);
        if let Some(token) = token {
            self.arrive(Arrival::SendFailed { token, protocol, remote, why });
        }
    }

    pub(super) fn next_id(&self) -> FlowId {
        let mut registry = self.registry.borrow_mut();
        registry.next_id = registry.next_id.wrapping_add(1);
        FlowId::new(registry.next_id)
    }

    pub(super) fn find(&self, id: FlowId) -> Option<Rc<Connection>> {
        self.registry.borrow().by_id.get(&id).map(Rc::clone)
    }

    /// RFC 3261 §18.1.1: the connection that was asked for, or another one to the same address and port. Over
    /// TLS the other side of the latter must have proved the name that is asked for (RFC 5923 §3).
    pub(super) fn usable(
        &self,
        preferred: Option<FlowId>,
        protocol: Protocol,
        remote: SocketAddr,
        server_name: Option<&Arc<str>>,
    ) -> Option<Rc<Connection>> {
        let registry = self.registry.borrow();
        let fitting = |id: &FlowId| {
            let connection = registry.by_id.get(id)?;
            // An id that was read back after a restart might be anybody's.
            let fits = connection.protocol == protocol && connection.remote == remote;
            (fits && connection.order() == Order::Run).then(|| Rc::clone(connection))
        };
        let same = |name: Option<&Arc<str>>| {
            let id = registry.by_remote.get(&(protocol, remote, name.cloned()))?;
            fitting(id).filter(|connection| connection.vouches_for(server_name))
        };
        preferred
            .as_ref()
            .and_then(fitting)
            .or_else(|| same(server_name))
            .or_else(|| server_name.and_then(|_| same(None)))
    }

    /// Whether one more connection to outside may be made.
    pub(super) fn outbound_room(&self) -> bool {
        let registry = self.registry.borrow();
        registry.by_id.len() - registry.inbound < self.settings.connections
    }

    /// Whether one more connection from `peer` may stay. At a limit the oldest one that never brought a
    /// message makes room: a peer whose connections work cannot be crowded out by idle ones. Whoever still
    /// has to show a certificate shares half of the connections with others like them, so that the other half
    /// is the peers' (N32).
    pub(super) fn inbound_room(&self, peer: IpAddr, is_known: bool) -> bool {
        let registry = self.registry.borrow();
        let of_peer = registry.inbound_by_peer.get(&peer).copied().unwrap_or(0);
        let evicted = if of_peer >= self.settings.connections_per_peer {
            registry.oldest_unproven(|connection| connection.remote.ip() == peer)
        } else if !is_known && registry.strangers >= self.settings.connections / 2 {
            registry.oldest_unproven(|connection| !connection.is_known())
        } else if registry.inbound >= self.settings.connections {
            registry
                .oldest_unproven(|connection| !connection.is_known())
                .or_else(|| registry.oldest_unproven(|_| is_known))
        } else {
            return true;
        };
        let Some(evicted) = evicted else {
            return false;
        };
        evicted.abort(CloseReason::Evicted);
        true
    }

    /// Whether one more handshake with `peer` may begin; [`Self::handshake_ended`] must follow (N33).
    pub(super) fn handshake_begins(&self, peer: IpAddr) -> bool {
        let mut registry = self.registry.borrow_mut();
        let of_peer = registry.handshakes_by_peer.get(&peer).copied().unwrap_or(0);
        if of_peer >= self.settings.handshakes_per_peer || registry.handshakes >= self.settings.handshakes {
            return false;
        }
        registry.handshakes_by_peer.insert(peer, of_peer + 1);
        registry.handshakes += 1;
        true
    }

    pub(super) fn handshake_ended(&self, peer: IpAddr) {
        let mut registry = self.registry.borrow_mut();
        registry.handshakes = registry.handshakes.saturating_sub(1);
        if let Some(of_peer) = registry.handshakes_by_peer.get_mut(&peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                registry.handshakes_by_peer.remove(&peer);
            }
        }
    }

    /// The other side has shown a certificate of a peer: it counts as a stranger no more.
    pub(super) fn make_known(&self, connection: &Connection) {
        if connection.inbound && !connection.is_known() {
            connection.set_known();
            let mut registry = self.registry.borrow_mut();
            registry.strangers = registry.strangers.saturating_sub(1);
        }
    }

    pub(super) fn add(&self, connection: &Rc<Connection>) {
        let mut registry = self.registry.borrow_mut();
        if connection.inbound {
            registry.inbound += 1;
            registry.strangers += usize::from(!connection.is_known());
            *registry.inbound_by_peer.entry(connection.remote.ip()).or_insert(0) += 1;
        }
        registry.by_remote.insert(remote_of(connection), connection.id);
        registry.by_id.insert(connection.id, Rc::clone(connection));
    }

    /// Forgets a connection and reports every message that was still in its queue.
    pub(super) fn remove(&self, connection: &Connection, failure: SendFailure) {
        self.registry.borrow_mut().remove(connection);
        for token in connection.give_up() {
            self.send_failed(token, connection.protocol, connection.remote, failure);
        }
    }
}

impl Registry {
    fn new() -> Self {
        Self {
            by_id: HashMap::new(),
            by_remote: HashMap::new(),
            inbound_by_peer: HashMap::new(),
            handshakes_by_peer: HashMap::new(),
            handshakes: 0,
            inbound: 0,
            strangers: 0,
            // Not from zero: an id from before a restart should name nothing.
            next_id: RandomState::new().hash_one(0),
        }
    }

    fn oldest_unproven(&self, which: impl Fn(&Connection) -> bool) -> Option<&Connection> {
        self.by_id
            .values()
            .filter(|connection| connection.inbound && !connection.is_proven())
            .filter(|connection| connection.order() == Order::Run)
            .filter(|connection| which(connection))
            .min_by_key(|connection| connection.opened)
            .map(Rc::as_ref)
    }

    fn remove(&mut self, connection: &Connection) {
        if self.by_id.remove(&connection.id).is_none() {
            return;
        }
        let by_remote = remote_of(connection);
        if self.by_remote.get(&by_remote) == Some(&connection.id) {
            self.by_remote.remove(&by_remote);
        }
        if connection.inbound {
            self.inbound -= 1;
            self.strangers = self.strangers.saturating_sub(usize::from(!connection.is_known()));
            let peer = connection.remote.ip();
            if let Some(of_peer) = self.inbound_by_peer.get_mut(&peer) {
                *of_peer -= 1;
                if *of_peer == 0 {
                    self.inbound_by_peer.remove(&peer);
                }
            }
        }
    }
}

fn remote_of(connection: &Connection) -> Remote {
    (connection.protocol, connection.remote, connection.server_name.clone())
}
