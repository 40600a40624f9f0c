//! UDP (RFC 3261 §18.2.1): one datagram, one message; no task.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::UdpSocket;

use super::{Arrival, Flow, Protocol, SendFailure};

/// What IPv4 and UDP headers leave of 65,535 octets.
const LARGEST_DATAGRAM: usize = 65_507;

/// How often a datagram is given to the kernel when something else came between.
const SEND_ATTEMPTS: u32 = 3;

/// A socket that is listened on and sent from.
pub(super) struct UdpListener {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
}

/// What one attempt to receive gave.
pub(super) enum Received {
    Arrival(Arrival),
    /// Too short or too strange to begin a message: a keep-alive, STUN, noise.
    Dropped,
    /// The kernel reported something, perhaps about a datagram sent before. The socket goes on.
    Error,
    Nothing,
}

impl UdpListener {
    /// `buffer` is one octet longer than a message may be.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Received {
        match self.socket.try_recv_from(buffer) {
            Ok((length, remote)) => self.received(buffer, length, remote),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
            Err(_) => Received::Error,
        }
    }

    fn received(&self, buffer: &[u8], length: usize, remote: SocketAddr) -> Received {
        let datagram = &buffer[..length];
        let lead = datagram.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        let message = &datagram[lead..];
        if !message.first().is_some_and(u8::is_ascii_graphic) {
            return Received::Dropped;
        }
        let flow =
            Flow { protocol: Protocol::Udp, local: self.local, remote, connection: None, certificate: None };
        let bytes = Bytes::copy_from_slice(message);
        Received::Arrival(if length == buffer.len() {
            Arrival::Unusable { flow, head: bytes, end_known: true }
        } else {
            Arrival::Message { flow, bytes }
        })
    }

    /// Straight to the kernel, whose send buffer is the queue: waiting for it would only make the datagram
    /// late.
    pub(super) fn send(&self, bytes: &[u8], remote: SocketAddr) -> Result<(), SendFailure> {
        if bytes.len() > LARGEST_DATAGRAM {
            return Err(SendFailure::TooLarge);
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Err(error) = SockRef::from(&self.socket).send_to(bytes, &remote.into()) else {
                return Ok(());
            };
            if error.kind() == io::ErrorKind::WouldBlock {
                return Err(SendFailure::QueueFull);
            }
            // A refusal may be the news about an earlier datagram; then this one was not tried at all.
            let again = [io::ErrorKind::Interrupted, io::ErrorKind::ConnectionRefused];
            if attempts >= SEND_ATTEMPTS || !again.contains(&error.kind()) {
                return Err(SendFailure::Refused);
            }
        }
    }
}
