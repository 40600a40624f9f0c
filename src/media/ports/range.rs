//! Which port a stream gets: even ones in turn, so that what still comes for the caller before finds nobody.

use std::collections::BTreeSet;
use std::io;
use std::net::UdpSocket;
use std::ops::RangeInclusive;

use crate::media::MediaFault;

/// Ports of other programs that are passed over before a stream is refused.
const TAKEN_ELSEWHERE: usize = 256;

/// The even ports of a range.
#[derive(Debug)]
pub(super) struct PortRange {
    first: u16,
    count: u16,
    next: u16,
    taken: BTreeSet<u16>,
}

impl PortRange {
    /// Each even port whose odd neighbour lies in the range too.
    pub(super) fn new(ports: &RangeInclusive<u16>) -> Self {
        let (low, high) = (u32::from(*ports.start()), u32::from(*ports.end()));
        let first = low + low % 2;
        let count = (high + 1).saturating_sub(first) / 2;
        Self {
            first: u16::try_from(first).unwrap_or(u16::MAX),
            count: u16::try_from(count).unwrap_or_default(),
            next: 0,
            taken: BTreeSet::new(),
        }
    }

    /// A socket that `bind` could bind to the next free port.
    pub(super) fn take(
        &mut self,
        bind: impl Fn(u16) -> io::Result<UdpSocket>,
    ) -> Result<(UdpSocket, u16), MediaFault> {
        let mut elsewhere = 0;
        for _ in 0..self.count {
            let port = self.first + 2 * self.next;
            self.next = (self.next + 1) % self.count;
            if self.taken.contains(&port) {
                continue;
            }
            match bind(port) {
                Ok(socket) => {
                    self.taken.insert(port);
                    return Ok((socket, port));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && elsewhere < TAKEN_ELSEWHERE => {
                    elsewhere += 1;
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(MediaFault::NoPort),
                Err(error) => {
                    tracing::warn!(%error, port, "a media port cannot be opened");
                    return Err(MediaFault::System);
                }
            }
        }
        Err(MediaFault::NoPort)
    }

    /// The port may be had again, when its turn comes.
    pub(super) fn give_back(&mut self, port: u16) {
        self.taken.remove(&port);
    }

    /// Ports in use.
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_: u16) -> io::Result<UdpSocket> {
        UdpSocket::bind("127.0.0.1:0")
    }

    fn ports(range: &mut PortRange, count: usize) -> Vec<u16> {
        (0..count).map_while(|_| range.take(any).ok()).map(|(_, port)| port).collect()
    }

    #[test]
    fn even_ports_with_their_odd_neighbour_are_given_in_turn() {
        for (from, to, wanted) in [
            (20_000, 20_005, vec![20_000, 20_002, 20_004]),
            (20_001, 20_005, vec![20_002, 20_004]),
            (20_000, 20_004, vec![20_000, 20_002]),
            (20_000, 20_000, vec![]),
            (20_001, 20_001, vec![]),
            (65_534, 65_535, vec![65_534]),
            (65_535, 65_535, vec![]),
        ] {
            assert_eq!(ports(&mut PortRange::new(&(from..=to)), 9), wanted, "{from} to {to}");
        }
    }

    #[test]
    fn a_port_that_is_free_again_is_the_last_to_be_given() {
        let mut range = PortRange::new(&(20_000..=20_007));
        assert_eq!(ports(&mut range, 2), [20_000, 20_002]);
        range.give_back(20_000);
        assert_eq!(ports(&mut range, 9), [20_004, 20_006, 20_000]);
        assert_eq!((range.taken(), range.take(any).err()), (4, Some(MediaFault::NoPort)));
    }

    #[test]
    fn ports_of_other_programs_are_passed_over_and_other_faults_are_told() {
        let in_use = || Err(io::Error::from(io::ErrorKind::AddrInUse));
        let mut range = PortRange::new(&(20_000..=29_999));
        let (_, port) = range.take(|port| if port < 20_100 { in_use() } else { any(port) }).unwrap();
        assert_eq!(port, 20_100);
        assert_eq!(range.take(|_| in_use()).err(), Some(MediaFault::NoPort));
        let denied = |_| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(range.take(denied).err(), Some(MediaFault::System));
        assert_eq!(range.taken(), 1);
    }
}
