//! A loopback network for one test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// The hosts, as in `config/asterisk`.
pub mod host {
    /// Where calls come from.
    pub const TRUNK: u8 = 10;
    /// The PBX: the default route, or a real Asterisk.
    pub const PBX: u8 = 20;
    /// toritsugi itself.
    pub const TORITSUGI: u8 = 30;
    /// The agents' phones.
    pub const PHONES: u8 = 40;
}

const RESERVATION: u16 = 5999;
const NETWORKS: u32 = 128 * 256;
static NEXT: AtomicU32 = AtomicU32::new(0);

/// 127.A.B.0/24, held by nobody else on this machine while this value lives (Linux: all of 127/8 is the
/// loopback).
pub struct Net {
    a: u8,
    b: u8,
    _reservation: UdpSocket,
}

impl Net {
    /// Takes a free network.
    pub fn reserve() -> Self {
        // Different processes begin far from each other; whoever binds the reservation has the network.
        let start = std::process::id().wrapping_mul(97);
        for _ in 0..NETWORKS {
            let candidate = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % NETWORKS;
            let [_, _, high, low] = candidate.to_be_bytes();
            let (a, b) = (64 + high, low);
            if let Ok(reservation) = UdpSocket::bind((Ipv4Addr::new(127, a, b, 254), RESERVATION)) {
                return Self { a, b, _reservation: reservation };
            }
        }
        panic!("no loopback network is free")
    }

    /// The address of a host.
    pub fn ip(&self, host: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, self.a, self.b, host))
    }

    /// A host and a port.
    pub fn at(&self, host: u8, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(host), port)
    }

    /// The first three octets, for `asterisk-node.sh`.
    pub fn prefix(&self) -> String {
        format!("127.{}.{}", self.a, self.b)
    }

    /// A name no other test uses at the same time.
    pub fn name(&self) -> String {
        format!("t-{}-{}", self.a, self.b)
    }
}
