//! RFC 3261 §18 and RFC 5626 §3, [pure]: what comes from the sockets and what goes to them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Protocol;

/// One connection of this process; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(u64);

impl FlowId {
    /// The id with this number. A number that no open connection has names nothing.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Something that differs from one connection to the next.
    pub(super) const fn low_octet(self) -> u8 {
        self.0.to_le_bytes()[0]
    }
}

/// A name that a certificate carries and an authority of ours has verified, as a digest: it is compared,
/// never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CertificateName([u8; 16]);

impl CertificateName {
    /// The digest of a domain name; case and a final dot do not matter.
    pub fn of(name: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(name.trim_end_matches('.').to_ascii_lowercase()).into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }
}

/// The way a message came, and the way back: a connection, or over UDP a listener and the other side's
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// On what.
    pub protocol: Protocol,
    /// Our end: over UDP the listener's address as bound.
    pub local: SocketAddr,
    /// The other end, as the kernel saw it.
    pub remote: SocketAddr,
    /// Over a stream, the connection. It means nothing after a restart.
    pub connection: Option<FlowId>,
    /// Over TLS, the peer's name that the other side has proved to have (N8).
    pub certificate: Option<CertificateName>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A datagram or a framed message; not parsed yet.
    Message {
        /// How it came.
        flow: Flow,
        /// The octets as received; over UDP without CRLFs before the start line.
        bytes: Bytes,
    },
    /// Something that cannot be taken as a message.
    Unusable {
        /// How it came.
        flow: Flow,
        /// Start line and headers as far as they were read; may be empty.
        head: Bytes,
        /// If not, the connection reads nothing more: answer, then [`super::Transports::close`] it.
        end_known: bool,
    },
    /// A connection is gone. Told once for each connection that was open.
    Closed {
        /// Which.
        flow: Flow,
        /// Why.
        why: CloseReason,
    },
    /// A message was not handed to the network. Told only for messages with a token.
    SendFailed {
        /// Of the message.
        token: u64,
        /// On what it was to go.
        protocol: Protocol,
        /// Where it was to go.
        remote: SocketAddr,
        /// Why it did not.
        why: SendFailure,
    },
}

/// Why a connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The other side closed it.
    ByPeer,
    /// We asked for it.
    Asked,
    /// The kernel reported an error: reset, keep-alive or user timeout.
    Broken,
    /// A message begun was not whole in time, or none came at all.
    MessageTimeout,
    /// Nothing happened for too long.
    Idle,
    /// The other side does not read: a limit of the outgoing queue was reached, or nothing left it for too
    /// long.
    Stuck,
    /// A ping of ours was not answered in time, though others had been.
    NoPong,
    /// It made room for a new one, because it never delivered a message.
    Evicted,
    /// Where messages begin and end became unknown, and nobody closed it.
    Unframeable,
}

/// Why a message was not handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendFailure {
    /// Nothing listens there that it could be sent from.
    NoListener,
    /// TLS, and no certificates were read.
    Unsupported,
    /// TLS did not come about: the other side's certificate was not believed, or ours was not.
    TlsFailed,
    /// Larger than a datagram may be: try TCP (RFC 3261 §18.1.1).
    TooLarge,
    /// The kernel refused it.
    Refused,
    /// The other side could not be connected to.
    ConnectFailed,
    /// No connection within `connect_timeout`.
    ConnectTimedOut,
    /// The connection ended with the message still in its queue.
    ConnectionClosed,
    /// The outgoing queue of the connection, or the kernel's, is full.
    QueueFull,
    /// As many connections as allowed are open.
    TooManyConnections,
}

/// What is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// On what.
    pub protocol: Protocol,
    /// The listener to send from (UDP), or the address to connect from (streams; its port is not used).
    /// `None`: any.
    pub local: Option<SocketAddr>,
    /// Where to.
    pub remote: SocketAddr,
    /// The connection to use while it is open. Otherwise one to `otherwise`, or else to `remote`, is used or
    /// made.
    pub connection: Option<FlowId>,
    /// Where the other side can be connected to, when its own connection came from another port.
    pub otherwise: Option<SocketAddr>,
    /// Over TLS, the host name that the other side's certificate must carry; without one its address.
    pub server_name: Option<Arc<str>>,
    /// One whole message.
    pub bytes: Bytes,
    /// Names the message in [`Arrival::SendFailed`]; without one a failure is only counted.
    pub token: Option<u64>,
}

impl Outgoing {
    /// Back where something came from (RFC 3261 §18.2.2, RFC 3581 §4).
    pub fn back(flow: &Flow, bytes: Bytes, token: Option<u64>) -> Self {
        Self {
            protocol: flow.protocol,
            local: Some(flow.local),
            remote: flow.remote,
            connection: flow.connection,
            otherwise: None,
            server_name: None,
            bytes,
            token,
        }
    }
}
