//! Several datagrams in one call to the kernel, where it can do that.
//!
//! Nothing waits here for company: what is there is taken together, and what was made of it goes together.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use bytes::Bytes;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams that one call brings at most.
const AT_ONCE: usize = 16;

/// Datagrams that go together at most: the first must not wait for long while others are made.
pub(super) const GO_TOGETHER: usize = 16;

/// Datagrams that the kernel has given and nobody has taken yet.
pub(super) struct Inbox {
    /// A room for each datagram. Only what datagrams have filled once takes memory.
    rooms: Box<[u8]>,
    room: usize,
    headers: MultiHeaders<SockaddrStorage>,
    lengths: [(usize, Option<SocketAddr>); AT_ONCE],
    next: usize,
    filled: usize,
}

impl Inbox {
    /// Rooms of so many octets; what is longer is cut off.
    pub(super) fn new(room: usize) -> Self {
        Self {
            rooms: vec![0; room * AT_ONCE].into_boxed_slice(),
            room,
            headers: MultiHeaders::preallocate(AT_ONCE, None),
            lengths: [(0, None); AT_ONCE],
            next: 0,
            filled: 0,
        }
    }

    /// Whether all have been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.filled
    }

    /// Asks the kernel, when all have been taken.
    pub(super) fn fill(&mut self, socket: &UdpSocket) -> io::Result<()> {
        if !self.is_empty() {
            return Ok(());
        }
        (self.next, self.filled) = (0, 0);
        let result = socket.try_io(Interest::READABLE, || {
            let mut rooms = self.rooms.chunks_exact_mut(self.room);
            let mut slices: [[IoSliceMut<'_>; 1]; AT_ONCE] =
                std::array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
            let flags = MsgFlags::MSG_DONTWAIT;
            let all = recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None)?;
            for (place, one) in self.lengths.iter_mut().zip(all) {
                *place = (one.bytes, one.address.as_ref().and_then(address));
                self.filled += 1;
            }
            Ok(())
        });
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// The next one, with where it came from.
    pub(super) fn take(&mut self) -> Option<(&[u8], SocketAddr)> {
        while !self.is_empty() {
            let place = self.next;
            self.next += 1;
            let (length, remote) = self.lengths[place];
            if let Some(remote) = remote {
                return Some((&self.rooms[place * self.room..][..length], remote));
            }
        }
        None
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddrV4::from(*v4).into());
    }
    storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into())
}

/// A datagram that is to go, with the name it has for who wants to know what became of it.
pub(super) struct Waiting {
    pub(super) bytes: Bytes,
    pub(super) remote: SocketAddr,
    pub(super) token: Option<u64>,
    /// What has the same number goes as one.
    pub(super) bundle: Option<usize>,
}

/// Datagrams that go together.
pub(super) struct Outbox {
    waiting: Vec<Waiting>,
    headers: MultiHeaders<SockaddrStorage>,
    addresses: Vec<Option<SockaddrStorage>>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            waiting: Vec::with_capacity(GO_TOGETHER),
            headers: MultiHeaders::preallocate(GO_TOGETHER, None),
            addresses: Vec::with_capacity(GO_TOGETHER),
        }
    }

    /// Puts one in; `true` when no other one has room.
    pub(super) fn put(&mut self, datagram: Waiting) -> bool {
        self.waiting.push(datagram);
        self.waiting.len() == GO_TOGETHER
    }

    /// Whether something is to go.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes out what is to go, to be given to [`Self::send`] and back to [`Self::give_back`].
    pub(super) fn take(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    /// Takes back the room of what has gone.
    pub(super) fn give_back(&mut self, mut gone: Vec<Waiting>) {
        gone.clear();
        self.waiting = gone;
    }

    /// Gives several of one length to the kernel as one, which takes all or none.
    pub(super) fn send_as_one(socket: &UdpSocket, bundle: &[Waiting]) -> io::Result<()> {
        let Some(first) = bundle.first() else { return Ok(()) };
        let length = u16::try_from(first.bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let slices: [IoSlice<'_>; GO_TOGETHER] =
            std::array::from_fn(|place| IoSlice::new(bundle.get(place).map_or(&[], |one| &one.bytes)));
        let slices = &slices[..bundle.len()];
        let segments = [ControlMessage::UdpGsoSegments(&length)];
        let remote = SockaddrStorage::from(first.remote);
        let flags = MsgFlags::MSG_DONTWAIT;
        sendmsg(socket.as_raw_fd(), slices, &segments, flags, Some(&remote))?;
        Ok(())
    }

    /// Gives several to the kernel; how many it took. An error is that of the first.
    pub(super) fn send(&mut self, socket: &UdpSocket, waiting: &[Waiting]) -> io::Result<usize> {
        self.addresses.clear();
        self.addresses.extend(waiting.iter().map(|one| Some(SockaddrStorage::from(one.remote))));
        let slices: [[IoSlice<'_>; 1]; GO_TOGETHER] =
            std::array::from_fn(|place| [IoSlice::new(waiting.get(place).map_or(&[], |one| &one.bytes))]);
        let slices = slices.iter().take(waiting.len());
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = sendmmsg(socket.as_raw_fd(), &mut self.headers, slices, &self.addresses, [], flags)?;
        Ok(sent.count())
    }
}

/// Whether the kernel knows segments. One that does not would send several datagrams as a single long one.
pub(super) fn takes_bundles(socket: &UdpSocket) -> bool {
    setsockopt(socket, sockopt::UdpGsoSegment, &0).is_ok()
}
