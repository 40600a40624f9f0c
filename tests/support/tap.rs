//! What crosses the loopback, with the time of each packet: the exact order of pop and INVITE.
//!
//! A socket's own receive stamp is that of the last of several joined segments, so a screen that is read late
//! looks later than it was. Packets are seen one by one. Needs the right to open a packet socket (root).

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, ReceiveTimeout};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, Timestamps, recvmsg, setsockopt,
    socket,
};
use nix::sys::time::TimeVal;
use serde_json::Value;

use super::desk::Frame;
use super::log::Log;
use super::phones::{PhoneEvent, What};
use super::sip::Message;
use super::stamp;

const TICK_MICROS: i64 = 50_000;
const RECEIVE_BUFFER_BYTES: usize = 32 << 20;
/// PACKET_OUTGOING of `<linux/if_packet.h>`.
const OUTGOING: u8 = 4;
const UDP: u8 = 17;
const TCP: u8 = 6;

/// The tap, its thread and what it saw.
pub struct Tap {
    /// Frames from the server to screens.
    pub frames: Arc<Log<Frame>>,
    /// INVITEs to phones.
    pub invites: Arc<Log<PhoneEvent>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// Listens to what `http` sends and `phones` receive; `None` without the right to do so.
    pub fn open(http: SocketAddr, phones: SocketAddr) -> Option<Self> {
        let wire = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::empty(), SockProtocol::EthAll)
            .ok()?;
        stamp::enable(&wire).ok()?;
        // A smaller buffer only makes a lost packet likelier.
        let _ = setsockopt(&wire, RcvBuf, &RECEIVE_BUFFER_BYTES);
        setsockopt(&wire, ReceiveTimeout, &TimeVal::new(0, TICK_MICROS)).ok()?;
        let (frames, invites) = (Arc::new(Log::default()), Arc::new(Log::default()));
        let stopping = Arc::new(AtomicBool::new(false));
        let reader =
            Reader { wire, http, phones, frames: Arc::clone(&frames), invites: Arc::clone(&invites) };
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || reader.run(&stop));
        Some(Self { frames, invites, stopping, thread: Some(thread) })
    }

    /// Waits until that many INVITEs have been seen.
    pub fn wait_for_invites(&self, count: usize, limit: Duration) {
        let enough = self.invites.wait(limit, |invites| (invites.len() >= count).then_some(()));
        assert!(enough.is_some(), "only {} INVITEs crossed", self.invites.read(<[_]>::len));
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

struct Reader {
    wire: OwnedFd,
    http: SocketAddr,
    phones: SocketAddr,
    frames: Arc<Log<Frame>>,
    invites: Arc<Log<PhoneEvent>>,
}

impl Reader {
    fn run(self, stopping: &AtomicBool) {
        let mut buffer = vec![0; 70_000];
        while !stopping.load(Ordering::Relaxed) {
            let mut control = nix::cmsg_space!(Timestamps);
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let received = recvmsg::<LinkAddr>(
                self.wire.as_raw_fd(),
                &mut slices,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let (length, at) = match received {
                // Every packet on the loopback is seen twice: when it leaves and when it arrives.
                Ok(message) if message.address.is_some_and(|link| link.pkttype() == OUTGOING) => continue,
                Ok(message) => match message.cmsgs() {
                    Ok(stamps) => (message.bytes, stamp::stamp_of(stamps)),
                    Err(_) => continue,
                },
                Err(Errno::EAGAIN | Errno::EINTR) => continue,
                Err(error) => panic!("the tap fails: {error}"),
            };
            self.handle(&buffer[..length], at);
        }
    }

    /// An IPv4 packet without its link header.
    fn handle(&self, packet: &[u8], at: SystemTime) {
        let Some(payload) = Payload::of(packet) else { return };
        if payload.protocol == UDP && payload.to == self.phones && payload.bytes.starts_with(b"INVITE ") {
            self.on_invite(payload.bytes, at);
        } else if payload.protocol == TCP && payload.from == self.http {
            self.on_segment(payload.bytes, at);
        }
    }

    fn on_invite(&self, bytes: &[u8], at: SystemTime) {
        let Some(invite) = Message::read(bytes).filter(|invite| invite.to_tag().is_none()) else { return };
        self.invites.push(PhoneEvent {
            at,
            what: What::Invite,
            user: invite.request_user(),
            call_id: invite.call_id(),
            caller: invite.caller(),
            sent: invite.sent(),
        });
    }

    /// Text frames of a server are not masked (RFC 6455 §5.1), and it writes whole frames.
    fn on_segment(&self, mut bytes: &[u8], at: SystemTime) {
        while let Some((text, rest)) = text_frame(bytes) {
            bytes = rest;
            let Ok(json) = serde_json::from_slice::<Value>(text) else { return };
            let stream = json["stream"].as_str().unwrap_or_default();
            let agent = stream.strip_prefix("agent:").unwrap_or_default().to_owned();
            self.frames.push(Frame { at, agent, json });
        }
    }
}

struct Payload<'a> {
    protocol: u8,
    from: SocketAddr,
    to: SocketAddr,
    bytes: &'a [u8],
}

impl<'a> Payload<'a> {
    fn of(packet: &'a [u8]) -> Option<Self> {
        let first = *packet.first()?;
        let header = usize::from(first & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let protocol = *packet.get(9)?;
        let inner = packet.get(header..total.min(packet.len())).filter(|_| first >> 4 == 4)?;
        let offset = match protocol {
            UDP => 8,
            TCP => usize::from(inner.get(12)? >> 4) * 4,
            _ => return None,
        };
        Some(Self {
            protocol,
            from: address(packet.get(12..16)?, inner.get(0..2)?),
            to: address(packet.get(16..20)?, inner.get(2..4)?),
            bytes: inner.get(offset..)?,
        })
    }
}

fn address(ip: &[u8], port: &[u8]) -> SocketAddr {
    let ip = Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]);
    SocketAddr::new(IpAddr::V4(ip), u16::from_be_bytes([port[0], port[1]]))
}

/// The first frame's text and what follows it (RFC 6455 §5.2).
fn text_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, short) = (*bytes.first()?, *bytes.get(1)?);
    let (length, start) = match short {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        length if length < 126 => (usize::from(length), 2),
        _ => return None,
    };
    let text = bytes.get(start..start + length)?;
    (first == 0x81).then_some((text, &bytes[start + length..]))
}
