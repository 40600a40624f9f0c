//! RFC 7616 §5.4: nonces that carry their own proof, so that a challenge costs no memory.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Moment;
use crate::proxy::secret::{Purpose, Secret};

/// A nonce from the future by no more than this is taken: after a restart the clock may stand behind.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Octets of a nonce before it is written as text.
const OCTETS: usize = 28;

/// A nonce of ours that may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nonce {
    /// When it was made.
    pub made: Moment,
    /// Which one of its moment.
    pub serial: u32,
}

/// Why a nonce may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceFault {
    /// We never made it.
    Foreign,
    /// It was ours: too old, of an earlier life of the process, or given to another address.
    Stale,
}

/// Makes nonces and knows them again.
#[derive(Clone, Copy, Debug)]
pub struct Nonces<'a> {
    /// The key.
    pub secret: &'a Secret,
    /// What they are good for.
    pub realm: &'a str,
    /// This life of the process: nonces do not outlive it, since the record of their uses does not.
    pub life: u32,
    /// How long one may be used.
    pub lasts: Duration,
}

impl Nonces<'_> {
    /// A nonce for whoever sends from `source`. Nobody else can use it, so that no forged source can spend
    /// another's tries (N12).
    pub fn make(&self, nonce: Nonce, source: IpAddr) -> String {
        let mut octets = [0; OCTETS];
        octets[..8].copy_from_slice(&nonce.made.as_micros().to_be_bytes());
        octets[8..12].copy_from_slice(&self.life.to_be_bytes());
        octets[12..16].copy_from_slice(&nonce.serial.to_be_bytes());
        let (head, tail) = octets.split_at_mut(16);
        tail[..8].copy_from_slice(&self.proof(head));
        tail[8..].copy_from_slice(&self.bond(head, source));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// Reads a nonce that came from `source`.
    ///
    /// # Errors
    ///
    /// Whether it was ours at least: who used one of ours is told that it is stale and tries again unasked.
    pub fn read(&self, text: &str, source: IpAddr, now: Moment) -> Result<Nonce, NonceFault> {
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| NonceFault::Foreign)?;
        let octets: [u8; OCTETS] = octets.try_into().map_err(|_| NonceFault::Foreign)?;
        if octets[16..24] != self.proof(&octets[..16]) {
            return Err(NonceFault::Foreign);
        }
        let made = octets[..8].iter().fold(0, |sum: u64, octet| sum << 8 | u64::from(*octet));
        let word = |part: &[u8]| part.iter().fold(0, |sum: u32, octet| sum << 8 | u32::from(*octet));
        let nonce = Nonce { made: Moment::from_micros(made), serial: word(&octets[12..16]) };
        let fresh = now.since(nonce.made) <= self.lasts && nonce.made.since(now) <= TOLERANCE;
        let here = octets[24..] == self.bond(&octets[..16], source);
        if word(&octets[8..12]) == self.life && fresh && here { Ok(nonce) } else { Err(NonceFault::Stale) }
    }

    fn proof(&self, head: &[u8]) -> [u8; 8] {
        self.secret.mac(Purpose::Nonce, &[head, self.realm.as_bytes()]).to_be_bytes()
    }

    fn bond(&self, head: &[u8], source: IpAddr) -> [u8; 4] {
        let source = source.to_canonical().to_string();
        let [a, b, c, d, ..] =
            self.secret.mac(Purpose::Nonce, &[head, self.realm.as_bytes(), source.as_bytes()]).to_be_bytes();
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "203.0.113.5";

    #[test]
    fn n4_only_a_nonce_of_ours_for_this_realm_source_and_time_is_taken() {
        let secret = Secret::new([5; 16]);
        let nonces = Nonces { secret: &secret, realm: "pbx", life: 7, lasts: Duration::from_secs(300) };
        let nonce = Nonce { made: at(1_000), serial: 3 };
        let text = nonces.make(nonce, ip(HERE));
        let read = |text: &str, from: &str, now: u64| nonces.read(text, ip(from), at(now));
        assert_eq!(read(&text, HERE, 1_000), Ok(nonce));
        assert_eq!(read(&text, "::ffff:203.0.113.5", 1_300), Ok(nonce), "the mapped address is the same");
        assert_eq!(read(&text, HERE, 1_301), Err(NonceFault::Stale), "too old");
        assert_eq!(read(&text, HERE, 950), Ok(nonce), "within the tolerance");
        assert_eq!(read(&text, HERE, 939), Err(NonceFault::Stale), "from the future");
        assert_eq!(read(&text, "203.0.113.6", 1_000), Err(NonceFault::Stale), "another source");
        let other = Nonces { life: 8, ..nonces };
        assert_eq!(other.read(&text, ip(HERE), at(1_000)), Err(NonceFault::Stale), "after a restart");
        let other = Nonces { realm: "elsewhere", ..nonces };
        assert_eq!(other.read(&text, ip(HERE), at(1_000)), Err(NonceFault::Foreign), "another realm");
        for invented in ["", "n", "AAAA", &"A".repeat(38), &text[1..], &format!("{text}A")] {
            assert_eq!(read(invented, HERE, 1_000), Err(NonceFault::Foreign), "{invented}");
        }
    }

    #[test]
    fn n4_no_changed_nonce_is_taken() {
        let secret = Secret::new([5; 16]);
        let nonces = Nonces { secret: &secret, realm: "pbx", life: 7, lasts: Duration::from_secs(300) };
        let text = nonces.make(Nonce { made: at(1_000), serial: 3 }, ip(HERE));
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(nonces.read(&changed, ip(HERE), at(1_000)).is_err(), "{changed}");
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}
