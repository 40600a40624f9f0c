//! UDP (RFC 3261 §18.2.1): one datagram, one message; no task.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::UdpSocket;

use super::batch::{self, Inbox, Outbox, Waiting};
use super::bundle::Bundler;
use super::{Arrival, Flow, Protocol, SendFailure};

/// What IPv4 and UDP headers leave of 65,535 octets.
const LARGEST_DATAGRAM: usize = 65_507;

/// How often a datagram is given to the kernel when something else came between.
const SEND_ATTEMPTS: u32 = 3;

/// A socket that is listened on and sent from.
pub(super) struct UdpListener {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    /// Octets of the longest message and one more.
    room: usize,
    inbox: Inbox,
    outbox: Outbox,
    bundler: Bundler,
    /// Whether datagrams may go as one.
    bundles: bool,
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
    /// A listener for messages of so many octets.
    pub(super) fn new(socket: UdpSocket, local: SocketAddr, message_bytes: usize) -> Self {
        let room = message_bytes + 1;
        let (inbox, outbox, bundler) = (Inbox::new(room), Outbox::new(), Bundler::new());
        Self { socket, local, room, inbox, outbox, bundler, bundles: false }
    }

    /// Lets datagrams go as one from now on, where the kernel can do that, or none.
    pub(super) fn bundle(&mut self, bundles: bool) {
        self.bundles = bundles && batch::takes_bundles(&self.socket);
    }

    /// Whether something has been received and not been taken.
    pub(super) fn has_received(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The next datagram.
    pub(super) fn receive(&mut self) -> Received {
        if self.inbox.fill(&self.socket).is_err() {
            return Received::Error;
        }
        match self.inbox.take() {
            Some((datagram, remote)) => received(datagram, self.room, self.local, remote),
            None => Received::Nothing,
        }
    }

    /// Puts a datagram to those that go together; `true` when no other one has room.
    pub(super) fn put(
        &mut self,
        bytes: Bytes,
        remote: SocketAddr,
        token: Option<u64>,
    ) -> Result<bool, SendFailure> {
        if bytes.len() > LARGEST_DATAGRAM {
            return Err(SendFailure::TooLarge);
        }
        Ok(self.outbox.put(Waiting { bytes, remote, token, bundle: None }))
    }

    /// Straight to the kernel, whose send buffer is the queue: waiting for it would only make a datagram
    /// late. What became of each is told in the order in which they go; how many went as one with others.
    pub(super) fn flush(&mut self, mut told: impl FnMut(&Waiting, Result<(), SendFailure>)) -> u64 {
        if self.outbox.is_empty() {
            return 0;
        }
        let mut all = self.outbox.take();
        if self.bundles {
            self.bundler.arrange(&mut all);
        }
        let mut bundled = 0;
        for some in all.chunk_by(|one, next| one.bundle == next.bundle) {
            let is_bundle = some.first().is_some_and(|first| first.bundle.is_some());
            // Whatever the kernel refuses as one, a segment that its link cannot take, may well go alone.
            if is_bundle && Outbox::send_as_one(&self.socket, some).is_ok() {
                some.iter().for_each(|one| told(one, Ok(())));
                bundled += some.len() as u64;
            } else {
                self.flush_each(some, &mut told);
            }
        }
        self.outbox.give_back(all);
        bundled
    }

    fn flush_each(&mut self, all: &[Waiting], told: &mut impl FnMut(&Waiting, Result<(), SendFailure>)) {
        let mut rest = all;
        while let [first, others @ ..] = rest {
            // Together, and whatever stops there is tried alone, which tells why.
            let sent = if others.is_empty() { 0 } else { self.outbox.send(&self.socket, rest).unwrap_or(0) };
            if sent == 0 {
                told(first, self.send(first));
                rest = others;
                continue;
            }
            let (gone, left) = rest.split_at(sent.min(rest.len()));
            gone.iter().for_each(|one| told(one, Ok(())));
            rest = left;
        }
    }

    fn send(&self, datagram: &Waiting) -> Result<(), SendFailure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Err(error) = SockRef::from(&self.socket).send_to(&datagram.bytes, &datagram.remote.into())
            else {
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

fn received(datagram: &[u8], room: usize, local: SocketAddr, remote: SocketAddr) -> Received {
    let lead = datagram.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let message = &datagram[lead..];
    if !message.first().is_some_and(u8::is_ascii_graphic) {
        return Received::Dropped;
    }
    let flow = Flow { protocol: Protocol::Udp, local, remote, connection: None, certificate: None };
    let bytes = Bytes::copy_from_slice(message);
    Received::Arrival(if datagram.len() == room {
        Arrival::Unusable { flow, head: bytes, end_known: true }
    } else {
        Arrival::Message { flow, bytes }
    })
}
