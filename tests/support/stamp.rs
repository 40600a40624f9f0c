//! Reading with the time at which the kernel received the bytes (Linux SO_TIMESTAMPING, software receive
//! stamps).
//!
//! The times are by the realtime clock, for UDP and TCP alike, so they can be compared with each other and
//! with the time a caller on the same machine wrote into its INVITE.

use std::io::{self, IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};

use nix::sys::socket::sockopt::Timestamping;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, TimestampingFlag, Timestamps, recvmsg, setsockopt,
};

/// Switches the stamps on. Call it before the first byte arrives.
pub fn enable(socket: &impl AsFd) -> io::Result<()> {
    let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    Ok(setsockopt(socket, Timestamping, &flags)?)
}

/// One datagram, whom it is from and when it arrived.
pub fn receive_from(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, SystemTime)> {
    let mut control = nix::cmsg_space!(Timestamps);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let source = message.address.ok_or_else(|| io::Error::other("a datagram without a source"))?;
    Ok((message.bytes, SocketAddr::V4(source.into()), stamp_of(message.cmsgs()?)))
}

/// A TCP stream that remembers when the bytes of the last read arrived.
///
/// When segments were joined in the kernel the stamp is that of the last one: an event may look later than
/// it was, never earlier.
pub struct StampedStream {
    stream: TcpStream,
    /// When the last byte of the last read arrived.
    pub arrived: SystemTime,
}

impl StampedStream {
    /// Wraps a fresh connection.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        enable(&stream)?;
        Ok(Self { stream, arrived: SystemTime::now() })
    }

    /// How long a read waits before it gives up with `WouldBlock`.
    pub fn set_read_timeout(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }
}

impl Read for StampedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut control = nix::cmsg_space!(Timestamps);
        let mut slices = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<()>(self.stream.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
        self.arrived = stamp_of(message.cmsgs()?);
        Ok(message.bytes)
    }
}

impl Write for StampedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Without a stamp (another system, a container that hides them) the time of reading has to do.
pub fn stamp_of(mut messages: impl Iterator<Item = ControlMessageOwned>) -> SystemTime {
    messages
        .find_map(|message| {
            let ControlMessageOwned::ScmTimestampsns(stamps) = message else { return None };
            let seconds = u64::try_from(stamps.system.tv_sec()).ok().filter(|seconds| *seconds > 0)?;
            let nanos = u32::try_from(stamps.system.tv_nsec()).ok()?;
            Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos))
        })
        .unwrap_or_else(SystemTime::now)
}
