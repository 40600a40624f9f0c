//! Whose packets are listened to, and where ours go (N49): the address of the description, and one behind NAT
//! only as long as nobody has been heard.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Packets from one sender before a caller behind NAT is known to be there.
const PROVEN_BY: u8 = 3;

/// Whether another address than the described one may be learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Learning {
    /// The description has an address that can be reached: no other counts.
    Never,
    /// The caller stands behind NAT: whoever sends first is believed, and nobody after.
    Once,
}

/// The other end of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    described: SocketAddr,
    learning: Learning,
    /// Who was heard first, and how often.
    heard: Option<(SocketAddr, u8)>,
}

impl Source {
    /// The end that the description names.
    pub const fn new(described: SocketAddr, learning: Learning) -> Self {
        Self { described, learning, heard: None }
    }

    /// Where our packets go. A learned address only gets any when it has sent enough to be no accident.
    pub fn target(&self) -> SocketAddr {
        match self.heard {
            Some((from, times)) if times >= PROVEN_BY => from,
            Some(_) | None => self.described,
        }
    }

    /// Whether a packet from there, which is RTP of the agreed kind, is listened to.
    pub fn hear(&mut self, from: SocketAddr) -> bool {
        if self.learning == Learning::Never {
            return from == self.described;
        }
        match &mut self.heard {
            None => {
                self.heard = Some((from, 1));
                true
            }
            Some((first, times)) if *first == from => {
                *times = times.saturating_add(1);
                true
            }
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn n49_a_third_address_is_neither_heard_nor_sent_to() {
        let mut source = Source::new(at("192.0.2.9:4000"), Learning::Never);
        for _ in 0..1000 {
            assert!(!source.hear(at("203.0.113.66:4000")));
            assert!(!source.hear(at("192.0.2.9:4001")), "nor another port");
        }
        assert!(source.hear(at("192.0.2.9:4000")));
        assert_eq!(source.target(), at("192.0.2.9:4000"));
    }

    #[test]
    fn n49_behind_nat_the_first_sender_is_kept_and_nobody_after() {
        let mut source = Source::new(at("10.0.0.5:4000"), Learning::Once);
        assert!(source.hear(at("198.51.100.7:31000")));
        assert_eq!(source.target(), at("10.0.0.5:4000"), "one packet may be an accident");
        for _ in 0..1000 {
            assert!(!source.hear(at("203.0.113.66:4000")));
        }
        assert!(source.hear(at("198.51.100.7:31000")) && source.hear(at("198.51.100.7:31000")));
        assert_eq!(source.target(), at("198.51.100.7:31000"));
    }
}
