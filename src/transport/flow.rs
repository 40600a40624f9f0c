//! Where octets came from and where an answer goes (RFC 3261 §18.2.2, RFC 5626: flow).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::transaction::Reliability;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

impl Protocol {
    /// How our Via names it.
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// The URI parameter that asks for it, with its semicolon; UDP needs none.
    pub const fn uri_parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => "transport=tcp;",
        }
    }

    /// Whether the transport repeats what was lost.
    pub const fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp => Reliability::Reliable,
        }
    }
}

/// A connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// The way a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// Over what.
    pub protocol: Protocol,
    /// Our address.
    pub local: SocketAddr,
    /// The real source address.
    pub remote: SocketAddr,
    /// The connection, for streams.
    pub connection: Option<FlowId>,
}
