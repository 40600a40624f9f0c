//! The engine's tables: slots with generations, so that a reference to something gone finds nothing.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use slotmap::{Key, SlotMap, new_key_type};

use super::anchor::Side;
use super::call::Call;
use super::context::Context;
use super::index::Index;
use super::parting::Lingering;
use super::timers::TimerHandle;
use crate::media::StreamId;
use crate::message::Message;
use crate::presence::{CallId, OfferId};
use crate::transaction::{
    InviteClient, InviteServer, NonInviteClient, NonInviteServer, Timer, TransactionKey,
};
use crate::transport::{Flow, FlowId, Protocol};

new_key_type! {
    /// A call.
    pub struct CallKey;
    /// A response context (RFC 3261 §16.7).
    pub struct ContextKey;
    /// A server transaction.
    pub struct ServerKey;
    /// A client transaction.
    pub struct ClientKey;
}

/// A branch of a response context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BranchRef {
    /// The context.
    pub context: ContextKey,
    /// The branch's place in it.
    pub index: usize,
}

/// All state of the SIP side and of the calls.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tables {
    /// Calls.
    pub calls: SlotMap<CallKey, Call>,
    /// Calls by our id's bits.
    #[serde(skip)]
    call_by_bits: Index<CallKey>,
    /// Calls by the offer that is being announced or answered.
    #[serde(skip)]
    pub call_by_offer: HashMap<OfferId, CallKey>,
    /// Response contexts.
    pub contexts: SlotMap<ContextKey, Context>,
    /// Server transactions.
    pub servers: SlotMap<ServerKey, Server>,
    /// Server transactions by their matching key.
    #[serde(skip)]
    server_by_key: Index<ServerKey>,
    /// Client transactions.
    pub clients: SlotMap<ClientKey, Client>,
    /// Who holds how much of the server transactions.
    #[serde(skip)]
    pub shares: Shares,
    /// Anchored dialogs by our tag.
    #[serde(skip)]
    pub dialogs: HashMap<Bytes, (CallKey, Side)>,
    /// Calls by the streams that are not their first one.
    #[serde(skip)]
    pub streams: BTreeMap<StreamId, CallKey>,
    /// Calls that are being passed on, whose receiver has not been asked.
    #[serde(skip)]
    pub passing: std::collections::BTreeSet<CallKey>,
    /// Dialogs of calls that are over, whose 2xx has no ACK yet; by our tag.
    #[serde(default)]
    pub lingering: BTreeMap<String, Lingering>,
}

/// Most room that is set aside before it is needed.
const CALLS_AHEAD: usize = 20_000;
const TRANSACTIONS_AHEAD: usize = 80_000;

impl Tables {
    /// Sets room aside for so many calls and transactions, within reason. A table that doubles under load
    /// copies megabytes between two messages; memory that nothing was written to yet costs nothing. Indexes
    /// are small, and are written to all over: they grow as they must.
    pub fn make_room(&mut self, calls: usize, transactions: usize) {
        let calls = calls.min(CALLS_AHEAD);
        let transactions = transactions.min(TRANSACTIONS_AHEAD);
        self.calls.reserve(calls.saturating_sub(self.calls.len()));
        self.contexts.reserve(transactions.saturating_sub(self.contexts.len()));
        self.servers.reserve(transactions.saturating_sub(self.servers.len()));
        self.clients.reserve(transactions.saturating_sub(self.clients.len()));
    }

    /// Makes the indexes anew after the tables were read back.
    pub fn index(&mut self) {
        self.call_by_bits = Index::default();
        for (key, call) in &self.calls {
            self.call_by_bits.insert(call.bits, key);
        }
        self.call_by_offer = self
            .calls
            .iter()
            .flat_map(|(key, call)| call.phase.offers().map(move |offer| (offer.id.clone(), key)))
            .collect();
        let passing = self.calls.iter().filter(|(_, call)| call.transfer().is_some());
        self.passing = passing.map(|(key, _)| key).collect();
        self.dialogs = self
            .calls
            .iter()
            .flat_map(|(key, call)| call.anchor.iter().map(move |anchor| (key, anchor)))
            .flat_map(|(key, anchor)| {
                let side =
                    move |side| anchor.leg(side).map(|leg| (leg.dialog.local_tag().clone(), (key, side)));
                [Side::Caller, Side::Agent].into_iter().filter_map(side)
            })
            .collect();
        let anchors = self.calls.iter().filter_map(|(key, call)| Some((call.anchor.as_ref()?.stream, key)));
        self.streams = anchors.filter(|(stream, key)| stream.0 != key.data().as_ffi()).collect();
        self.server_by_key = Index::default();
        self.shares = Shares::default();
        for (server, entry) in &self.servers {
            self.server_by_key.insert(entry.key.bits(), server);
            self.shares.add(entry.peer, entry.held_octets());
        }
    }

    /// The call with this id.
    pub fn call_by_id(&self, id: &CallId) -> Option<CallKey> {
        super::ids::bits_of(id).and_then(|bits| self.call_by_bits(bits))
    }

    /// The call whose id has these bits.
    pub fn call_by_bits(&self, bits: u128) -> Option<CallKey> {
        self.call_by_bits.get(bits, |key| self.calls.get(key).map(|call| call.bits))
    }

    /// Takes in a call; inserted into `calls` alone, it would not be found by its id.
    pub fn insert_call(&mut self, call: Call) -> CallKey {
        let bits = call.bits;
        let key = self.calls.insert(call);
        self.call_by_bits.insert(bits, key);
        key
    }

    /// Drops a call.
    pub fn remove_call(&mut self, key: CallKey) -> Option<Call> {
        let call = self.calls.remove(key)?;
        self.call_by_bits.remove(call.bits, key);
        Some(call)
    }

    /// The server transaction that a request with this key belongs to.
    pub fn server_by_key(&self, key: TransactionKey) -> Option<ServerKey> {
        self.server_by_key.get(key.bits(), |server| self.servers.get(server).map(|entry| entry.key.bits()))
    }

    /// Takes in a server transaction, which counts as its peer's; inserted into `servers` alone, it would not
    /// be found by its key.
    pub fn insert_server(&mut self, server: Server) -> ServerKey {
        let key = server.key;
        self.shares.add(server.peer, server.held_octets());
        let slot = self.servers.insert(server);
        self.server_by_key.insert(key.bits(), slot);
        slot
    }

    /// Drops a server transaction with its share.
    pub fn remove_server(&mut self, slot: ServerKey) -> Option<Server> {
        let server = self.servers.remove(slot)?;
        self.server_by_key.remove(server.key.bits(), slot);
        self.shares.remove(server.peer, server.held_octets());
        Some(server)
    }
}

/// One of the two server machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServerMachine {
    /// RFC 3261 §17.2.1.
    Invite(InviteServer),
    /// RFC 3261 §17.2.2.
    NonInvite(NonInviteServer),
}

/// One of the two client machines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ClientMachine {
    /// RFC 3261 §17.1.1.
    Invite(InviteClient),
    /// RFC 3261 §17.1.2.
    NonInvite(NonInviteClient),
}

/// A server transaction with what its machine does not keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The machine.
    pub machine: ServerMachine,
    /// Its matching key.
    pub key: TransactionKey,
    /// Where responses go.
    pub flow: Flow,
    /// The index of the peer it came from.
    pub peer: usize,
    /// Where responses go when the connection is gone.
    pub otherwise: Option<Box<Otherwise>>,
    /// The request, until it has its final response.
    pub request: Option<Arc<Message>>,
    /// The last response, for repeats.
    pub last: Option<Bytes>,
    /// The response context, when the request is being proxied.
    pub context: Option<ContextKey>,
    /// Running timers.
    pub timers: RunningTimers,
    /// Gives the 100 to a request that is no INVITE and waits for its answer (RFC 4320 §4.1).
    pub trying: Option<TimerHandle>,
}

/// Another way for a response: an address, and over TLS the name that must be proved there.
pub type Otherwise = (SocketAddr, Option<Arc<str>>);

impl Server {
    /// Octets of the request, while it is held.
    pub fn held_octets(&self) -> usize {
        self.request.as_ref().map_or(0, |request| request.bytes().len())
    }
}

/// Who holds how much of the server transactions. Made anew from them after a restart.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    /// Octets of requests that are held.
    pub octets: usize,
    by_peer: BTreeMap<usize, usize>,
}

impl Shares {
    /// A transaction of this peer was opened, with a request of so many octets.
    pub fn add(&mut self, peer: usize, octets: usize) {
        *self.by_peer.entry(peer).or_default() += 1;
        self.octets += octets;
    }

    /// A request of so many octets is held no more.
    pub fn release(&mut self, octets: usize) {
        self.octets = self.octets.saturating_sub(octets);
    }

    /// A transaction of this peer is gone, with what it still held.
    pub fn remove(&mut self, peer: usize, octets: usize) {
        self.release(octets);
        if let Some(count) = self.by_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&peer);
            }
        }
    }

    /// How many transactions this peer holds.
    pub fn of(&self, peer: usize) -> usize {
        self.by_peer.get(&peer).copied().unwrap_or(0)
    }

    /// How many the peer holds that holds most.
    pub fn largest(&self) -> usize {
        self.by_peer.values().copied().max().unwrap_or(0)
    }
}

/// A client transaction with what its machine does not keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// The machine.
    pub machine: ClientMachine,
    /// The request as sent.
    pub request: Bytes,
    /// Where it went.
    pub destination: Destination,
    /// Over TLS, the host name that was asked for.
    pub server_name: Option<Arc<str>>,
    /// Whose branch it is; absent for CANCEL, whose response concerns nobody.
    pub branch: Option<BranchRef>,
    /// The transaction of the CANCEL that was sent for it.
    pub cancel: Option<ClientKey>,
    /// The ACK to a final response, for repeats.
    pub ack: Option<Bytes>,
    /// Running timers.
    pub timers: RunningTimers,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Over what.
    pub protocol: Protocol,
    /// To where.
    pub remote: std::net::SocketAddr,
    /// The connection to prefer.
    pub connection: Option<FlowId>,
}

impl From<crate::proxy::Target> for Destination {
    fn from(target: crate::proxy::Target) -> Self {
        Self { protocol: target.protocol, remote: target.remote, connection: None }
    }
}

/// The few timers of one transaction; at most three run at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunningTimers([Option<(Timer, TimerHandle)>; 3]);

impl RunningTimers {
    /// Notes a timer; returns the handle of the one of the same letter that it replaces.
    pub fn set(&mut self, timer: Timer, handle: TimerHandle) -> Option<TimerHandle> {
        let replaced = self.clear(timer);
        if let Some(place) = self.0.iter_mut().find(|place| place.is_none()) {
            *place = Some((timer, handle));
        }
        replaced
    }

    /// Forgets a timer and returns its handle.
    pub fn clear(&mut self, timer: Timer) -> Option<TimerHandle> {
        let place = self.0.iter_mut().find(|place| place.is_some_and(|(letter, _)| letter == timer))?;
        place.take().map(|(_, handle)| handle)
    }

    /// Forgets all and returns their handles.
    pub fn drain(&mut self) -> impl Iterator<Item = TimerHandle> + '_ {
        self.0.iter_mut().filter_map(|place| place.take().map(|(_, handle)| handle))
    }
}
