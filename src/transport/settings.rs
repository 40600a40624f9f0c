//! The limits of RFC 3261 §18's sockets, [pure].

use std::time::Duration;

use super::FramingLimits;

/// Every limit of the room. `Default` gives the values named here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSettings {
    /// The largest message, octets; 65,535.
    pub message_bytes: usize,
    /// The largest start line with headers on a stream, octets; 65,535.
    pub header_bytes: usize,
    /// A message begun on a stream must be whole by then, and a connection from outside must have brought
    /// its first one; 10 s.
    pub stream_message_timeout: Duration,
    /// A connection on which nothing moves is closed after this; 600 s.
    pub idle_timeout: Duration,
    /// For making a connection; 5 s.
    pub connect_timeout: Duration,
    /// TLS must have come about by then, in either direction; 5 s (N33).
    pub handshake_timeout: Duration,
    /// TLS handshakes under way from one address; 16 (N33).
    pub handshakes_per_peer: usize,
    /// TLS handshakes under way from outside in all; 256.
    pub handshakes: usize,
    /// After this silence a connection that we made is pinged with CRLFs (RFC 5626 §3.5.1); zero: never; 100
    /// s.
    pub keep_alive: Duration,
    /// For the answer to a ping, once the other side has answered one; 10 s (RFC 5626 §4.4.1).
    pub pong_timeout: Duration,
    /// A connection whose queue does not move is closed after this; also TCP_USER_TIMEOUT; 10 s.
    pub stuck_timeout: Duration,
    /// Connections from outside, and as many again to outside; 4,096.
    pub connections: usize,
    /// Connections from one address; 1,024.
    pub connections_per_peer: usize,
    /// Messages waiting in one connection's outgoing queue; 1,024.
    pub outbox_messages: usize,
    /// Octets waiting in one connection's outgoing queue; 1 MiB.
    pub outbox_bytes: usize,
    /// Messages from streams waiting for the driver; when full, streams are not read; 1,024.
    pub arrivals: usize,
    /// Kernel buffers of each UDP socket, octets, as far as the kernel allows; 4 MiB.
    pub udp_buffer_bytes: usize,
    /// Several datagrams of one length to one address go to the kernel as one, which cuts them apart
    /// (UDP_SEGMENT, Linux 4.18); yes. A capture on this host may show them as one packet.
    pub udp_bundles: bool,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            message_bytes: 65_535,
            header_bytes: 65_535,
            stream_message_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            handshakes_per_peer: 16,
            handshakes: 256,
            keep_alive: Duration::from_secs(100),
            pong_timeout: Duration::from_secs(10),
            stuck_timeout: Duration::from_secs(10),
            connections: 4_096,
            connections_per_peer: 1_024,
            outbox_messages: 1_024,
            outbox_bytes: 1024 * 1024,
            arrivals: 1_024,
            udp_buffer_bytes: 4 * 1024 * 1024,
            udp_bundles: true,
        }
    }
}

impl TransportSettings {
    /// The limits of framing among them.
    pub fn framing(&self) -> FramingLimits {
        FramingLimits { message_bytes: self.message_bytes, header_bytes: self.header_bytes }
    }
}
