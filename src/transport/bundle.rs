//! Which datagrams the kernel is given as one, [pure].
//!
//! Linux takes octets for one address and cuts them into datagrams of one length (UDP_SEGMENT): they go
//! through its stack together, and arrive as if each had been sent alone. So datagrams of one length to one
//! address are brought together, past others, but never past one of the same call: who reads a 200 before its
//! 180, or a BYE before its ACK, is led astray.

use memchr::memmem::Finder;

use super::batch::{GO_TOGETHER, Waiting};

/// The longest datagram that goes with others, octets. Longer ones go over TCP as a rule (RFC 3261 §18.1.1);
/// a segment that does not fit the link is refused by the kernel.
const LARGEST: usize = 1_300;

/// The fewest datagrams that are worth it. A capture on this host may show what goes together as one packet:
/// where only some calls a second come, hardly ever so many meet.
const FEWEST: usize = 3;

// What the kernel takes at most: 64 segments, and the longest UDP payload.
const _: () = assert!(GO_TOGETHER <= 64 && GO_TOGETHER * LARGEST <= 65_507);

/// Brings datagrams together.
pub(super) struct Bundler {
    call_id: Finder<'static>,
}

/// The call of a datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call<'a> {
    NotRead,
    /// It may belong to any call.
    Unknown,
    Of(&'a [u8]),
}

impl Bundler {
    pub(super) fn new() -> Self {
        Self { call_id: Finder::new(b"\r\nCall-ID:") }
    }

    /// Puts the datagrams in the order in which they go and numbers the bundles that are worth it. At most
    /// [`GO_TOGETHER`] datagrams.
    pub(super) fn arrange(&self, waiting: &mut [Waiting]) {
        let mut bundles = [0; GO_TOGETHER];
        let mut calls = [Call::NotRead; GO_TOGETHER];
        let mut made = 0;
        for place in 0..waiting.len() {
            bundles[place] = self.bundle_of(place, waiting, &bundles, &mut calls, made);
            made = made.max(bundles[place] + 1);
        }
        for (one, bundle) in waiting.iter_mut().zip(bundles) {
            one.bundle = Some(bundle);
        }
        waiting.sort_by_key(|one| one.bundle);
        for bundle in waiting.chunk_by_mut(|one, next| one.bundle == next.bundle) {
            if bundle.len() < FEWEST {
                bundle.iter_mut().for_each(|one| one.bundle = None);
            }
        }
    }

    /// The bundle for the datagram at `place`: the last one that takes it and lies behind everything that it
    /// must not pass, or a new one.
    fn bundle_of<'a>(
        &self,
        place: usize,
        waiting: &'a [Waiting],
        bundles: &[usize],
        calls: &mut [Call<'a>],
        made: usize,
    ) -> usize {
        let one = &waiting[place];
        if !(1..=LARGEST).contains(&one.bytes.len()) {
            return made;
        }
        for bundle in (0..made).rev() {
            let mut members = (0..place).filter(|other| bundles[*other] == bundle);
            let Some(first) = members.next() else { continue };
            if waiting[first].remote != one.remote {
                continue;
            }
            if waiting[first].bytes.len() == one.bytes.len() {
                return bundle;
            }
            let call = self.call_at(place, waiting, calls);
            for other in std::iter::once(first).chain(members) {
                if call == Call::Unknown
                    || [call, Call::Unknown].contains(&self.call_at(other, waiting, calls))
                {
                    return made;
                }
            }
        }
        made
    }

    fn call_at<'a>(&self, place: usize, waiting: &'a [Waiting], calls: &mut [Call<'a>]) -> Call<'a> {
        if calls[place] == Call::NotRead {
            calls[place] = self.call_of(&waiting[place].bytes);
        }
        calls[place]
    }

    /// What stands behind `Call-ID:` in its usual spelling. Who spells it otherwise passes nobody.
    fn call_of<'a>(&self, message: &'a [u8]) -> Call<'a> {
        let Some(line) = self.call_id.find(message) else { return Call::Unknown };
        let rest = &message[line + self.call_id.needle().len()..];
        let id = rest[..memchr::memchr(b'\r', rest).unwrap_or(rest.len())].trim_ascii();
        if id.is_empty() { Call::Unknown } else { Call::Of(id) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["Call-ID: ", "Call-ID:", "i: ", "CALL-ID: "];

    fn datagram(call: &str, remote: u16, length: usize, name: &str, token: u64) -> Waiting {
        let mut text = format!("SIP/2.0 180 Ringing\r\n{name}{call}\r\n\r\n");
        text.extend(std::iter::repeat_n('x', length.saturating_sub(text.len())));
        let remote = SocketAddr::from(([127, 0, 0, 1], remote));
        Waiting { bytes: Bytes::from(text), remote, token: Some(token), bundle: None }
    }

    /// Calls and lengths, to one address; the tokens as they go, and which of them as one.
    fn arranged(datagrams: &[(&str, usize)]) -> Vec<(bool, Vec<u64>)> {
        let mut waiting: Vec<_> = (0..)
            .zip(datagrams)
            .map(|(token, (call, length))| datagram(call, 5060, *length, NAMES[0], token))
            .collect();
        Bundler::new().arrange(&mut waiting);
        waiting
            .chunk_by(|one, next| one.bundle == next.bundle)
            .map(|some| (some[0].bundle.is_some(), some.iter().filter_map(|one| one.token).collect()))
            .collect()
    }

    #[test]
    fn datagrams_of_one_length_meet_past_those_of_other_calls() {
        let ringing_and_answered = [("a", 100), ("a", 200), ("b", 100), ("b", 200), ("c", 100), ("c", 200)];
        assert_eq!(arranged(&ringing_and_answered), [(true, vec![0, 2, 4]), (true, vec![1, 3, 5])]);
        assert_eq!(arranged(&ringing_and_answered[..4]), [(false, vec![0, 2, 1, 3])], "too few");
    }

    #[test]
    fn no_datagram_passes_one_of_its_own_call() {
        // The 200 of `a` was first; the 180 of `b` makes a bundle behind it, and its 200 must stay behind.
        assert_eq!(arranged(&[("a", 200), ("b", 100), ("b", 200)]), [(false, vec![0, 1, 2])]);
        assert_eq!(arranged(&[("a", 200), ("b", 100), ("c", 200)]), [(false, vec![0, 2, 1])]);
    }

    #[test]
    fn a_long_datagram_goes_alone() {
        assert_eq!(arranged(&[("a", 1_301), ("b", 1_301), ("c", 1_301)]), [(false, vec![0, 1, 2])]);
        assert_eq!(arranged(&[("a", 1_300), ("b", 1_300), ("c", 1_300)]), [(true, vec![0, 1, 2])]);
    }

    proptest! {
        #[test]
        fn every_datagram_stays_and_the_order_of_a_call_too(
            chosen in prop::collection::vec((0..4_u8, 0..2_u16, 0..4_usize, 0..8_usize), 0..=GO_TOGETHER)
        ) {
            let lengths = [60, 80, 1_300, 1_400];
            let mut waiting: Vec<_> = (0..)
                .zip(&chosen)
                .map(|(token, (call, remote, length, name))| {
                    let name = NAMES.get(*name).unwrap_or(&NAMES[0]);
                    datagram(&format!("call-{call}"), 5060 + *remote, lengths[*length], name, token)
                })
                .collect();
            Bundler::new().arrange(&mut waiting);
            let token = |one: &Waiting| usize::try_from(one.token.expect("a token")).expect("small");
            let mut tokens: Vec<_> = waiting.iter().map(token).collect();
            for (place, one) in tokens.iter().enumerate() {
                for other in &tokens[place + 1..] {
                    let ((call, remote, ..), (other_call, other_remote, ..)) = (chosen[*one], chosen[*other]);
                    prop_assert!(one < other || call != other_call || remote != other_remote);
                }
            }
            for bundle in waiting.chunk_by(|one, next| one.bundle == next.bundle) {
                let kind = |one: &Waiting| (one.remote, one.bytes.len());
                let alike = bundle.iter().all(|one| kind(one) == kind(&bundle[0]));
                let is_sound = alike && bundle.len() >= FEWEST && bundle[0].bytes.len() <= LARGEST;
                prop_assert!(bundle[0].bundle.is_none() || is_sound);
            }
            tokens.sort_unstable();
            prop_assert_eq!(tokens, (0..chosen.len()).collect::<Vec<_>>());
        }
    }
}
