//! What RFC 3261 §18's sockets count, [pure].

/// A snapshot. The first four go up and down, the others only up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Open connections from outside.
    pub inbound_connections: usize,
    /// Connections to outside, open or being made.
    pub outbound_connections: usize,
    /// TLS handshakes from outside under way.
    pub handshakes: usize,
    /// Arrivals from streams that wait for the driver.
    pub waiting_arrivals: usize,
    /// Messages received.
    pub received: u64,
    /// Datagrams sent and messages put into a connection's queue.
    pub sent: u64,
    /// Datagrams among them that went to the kernel as one with others.
    pub bundled: u64,
    /// Messages not handed to the network, with or without a token.
    pub send_failed: u64,
    /// Datagrams that cannot begin a message: keep-alives, noise.
    pub datagrams_dropped: u64,
    /// Messages longer than allowed or without a usable end.
    pub unusable: u64,
    /// Errors the kernel reported on receiving a datagram or accepting a connection.
    pub socket_errors: u64,
    /// Connections from strangers, closed at once.
    pub strangers_refused: u64,
    /// Connections refused because of a limit.
    pub connections_refused: u64,
    /// Connections that never brought a message and made room for others.
    pub connections_evicted: u64,
    /// Connections closed because a message was not whole in time.
    pub message_timeouts: u64,
    /// Connections closed because the other side did not read.
    pub stuck: u64,
    /// Connections that ended with an error: reset by the other side, as a rule.
    pub broken: u64,
    /// Connections closed because the end of a message could not be known.
    pub unframeable: u64,
    /// Keep-alive pings answered.
    pub pings_answered: u64,
    /// Keep-alive pings sent.
    pub pings_sent: u64,
    /// Connections closed because a ping was not answered.
    pub pings_unanswered: u64,
    /// TLS handshakes that failed or were not finished in time.
    pub tls_failures: u64,
    /// TLS handshakes refused because too many were under way.
    pub tls_handshakes_refused: u64,
}
