//! One stream: its socket, whom it sends to, and whom it hears.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::counts::Counts;
use crate::media::{Digit, Digits, Learning, Listener, Packet, Source};
use crate::sdp::Codec;

/// Octets that a socket may hold before anybody looks: half a second of packets, so that a flood at every
/// port costs little memory.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// Expedited forwarding (RFC 3246), as voice has it.
const TRAFFIC_CLASS: u32 = 0xb8;

/// Packets that are read at one time: more than a caller sends between two times.
const READ_AT_ONCE: usize = 16;

/// Packets that are thrown away before the first is listened to: more than a socket holds.
const READ_BEFORE: usize = 256;

/// One stream of one caller.
#[derive(Debug)]
pub(super) struct Stream {
    socket: UdpSocket,
    /// Its port.
    pub(super) port: u16,
    /// Among whom it sends, once it plays.
    pub(super) phase: Option<usize>,
    ends: Option<(Listener, Source)>,
    digits: Digits,
    /// To whom the kernel lets it speak and listen, when nobody else may be learned.
    connected: Option<SocketAddr>,
    /// Its caller is being told that a callback is noted, and the engine wants to know when that was said.
    pub(super) confirms: bool,
}

/// A socket for a stream.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_tclass_v6(TRAFFIC_CLASS)?;
    } else {
        socket.set_tos_v4(TRAFFIC_CLASS)?;
    }
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Stream {
    pub(super) fn new(socket: UdpSocket, port: u16) -> Self {
        let digits = Digits::default();
        Self { socket, port, phase: None, ends: None, digits, connected: None, confirms: false }
    }

    /// Whether it can reach that address at all.
    pub(super) fn is_of_family(&self, address: SocketAddr) -> bool {
        self.socket.local_addr().is_ok_and(|local| local.is_ipv4() == address.is_ipv4())
    }

    /// The other end from now on; with where packets go. A source that was learned stays when the
    /// description is the same.
    pub(super) fn attend(&mut self, listener: Listener) -> SocketAddr {
        let remote = listener.remote;
        let source = match self.ends.take() {
            Some((before, source)) if before.remote == remote && before.learning == listener.learning => {
                source
            }
            Some(_) | None => {
                self.connect(&listener);
                // What came before was sent to nobody.
                self.throw_away();
                Source::new(remote, listener.learning)
            }
        };
        let target = source.target();
        self.ends = Some((listener, source));
        target
    }

    /// The language of announcements and the coding, once it plays.
    pub(super) fn listener(&self) -> Option<&Listener> {
        self.ends.as_ref().map(|(listener, _)| listener)
    }

    /// N49: where no other address may be learned the kernel itself drops what comes from elsewhere.
    fn connect(&mut self, listener: &Listener) {
        self.connected = None;
        if listener.learning == Learning::Never {
            match self.socket.connect(listener.remote) {
                Ok(()) => self.connected = Some(listener.remote),
                Err(error) => tracing::debug!(%error, "a media socket stays unconnected"),
            }
        }
    }

    fn throw_away(&self) {
        let mut buffer = [0; 1];
        for _ in 0..READ_BEFORE {
            if self
                .socket
                .recv_from(&mut buffer)
                .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            {
                return;
            }
        }
    }

    /// Hands a packet to the network; `false` when it did not take it.
    pub(super) fn send(&self, target: SocketAddr, packet: &[u8]) -> bool {
        let once = || match self.connected {
            Some(_) => self.socket.send(packet),
            None => self.socket.send_to(packet, target),
        };
        match once() {
            Ok(_) => true,
            // What the network said of an earlier packet; this one has not been tried.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => once().is_ok(),
            Err(_) => false,
        }
    }

    /// Reads what has come; with the keys that were pressed, and where packets go from now on.
    pub(super) fn hear(&mut self, counts: &mut Counts, mut press: impl FnMut(Digit)) -> Option<SocketAddr> {
        let (listener, source) = self.ends.as_mut()?;
        let mut buffer = [0; 512];
        for _ in 0..READ_AT_ONCE {
            let (length, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // What the network said of a packet of ours.
                Err(_) => continue,
            };
            let kind = |packet: &Packet<'_>| is_agreed(listener, packet.payload_type);
            let Some(packet) = buffer.get(..length).and_then(Packet::read).filter(kind) else {
                counts.garbage += 1;
                continue;
            };
            if !source.hear(from) {
                counts.stray += 1;
                continue;
            }
            counts.heard += 1;
            if listener.digits == Some(packet.payload_type)
                && let Some(digit) = self.digits.hear(packet.timestamp, packet.payload)
            {
                press(digit);
            }
        }
        Some(source.target())
    }
}

/// Digits, or sound: either G.711, since an offerer may send what it offered and not only what was chosen.
fn is_agreed(listener: &Listener, payload_type: u8) -> bool {
    listener.payload_type == payload_type
        || listener.digits == Some(payload_type)
        || [Codec::Pcmu, Codec::Pcma].iter().any(|codec| codec.payload() == payload_type)
}
