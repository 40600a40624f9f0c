//! Ids of calls and offers in base 32, minted from the randomness the engine was given.

use jiff::Timestamp;

use crate::callback::CallbackId;
use crate::presence::{CallId, OfferId};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Random bits for a call that began then: the first 48 are the milliseconds since 1970, so that ids are in
/// the order of calls and their records are written side by side; 80 nobody can guess.
pub fn call_bits(began: Timestamp, random: u128) -> u128 {
    let milliseconds = u128::try_from(began.as_millisecond()).unwrap_or(0);
    milliseconds << 80 | random >> 48
}

/// The call id of these bits: `c-` and 26 letters.
pub fn call_id(bits: u128) -> CallId {
    CallId::new(base32("c-", bits))
}

/// The offer id of these bits: `o-` and 26 letters.
pub fn offer_id(bits: u128) -> OfferId {
    OfferId::new(base32("o-", bits))
}

/// The callback id of these bits: `cb-` and 26 letters.
pub fn callback_id(bits: u128) -> CallbackId {
    CallbackId::new(base32("cb-", bits))
}

/// A Call-ID without its host, and a tag, of these bits.
pub fn leg_names(bits: u128) -> (String, String) {
    let text = base32("", bits);
    let (name, tag) = text.split_at(13);
    (format!("leg-{name}"), tag.to_owned())
}

/// The bits of a call id; `None` when the text is none of ours.
pub fn bits_of(id: &CallId) -> Option<u128> {
    let text = id.as_str().strip_prefix("c-")?;
    if text.len() != 26 {
        return None;
    }
    text.bytes().try_fold(0_u128, |bits, letter| {
        let value = ALPHABET.iter().position(|candidate| *candidate == letter)?;
        Some(bits << 5 | value as u128)
    })
}

fn base32(kind: &str, bits: u128) -> String {
    let mut text = String::with_capacity(kind.len() + 26);
    text.push_str(kind);
    for place in (0..26).rev() {
        text.push(char::from(ALPHABET[(bits >> (place * 5) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_keeps_all_its_bits() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            assert_eq!(bits_of(&call_id(bits)), Some(bits));
        }
    }

    #[test]
    fn a_later_call_has_a_greater_id() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let earlier = call_id(call_bits(at("2026-11-22T05:12:00.123Z"), u128::MAX));
        let later = call_id(call_bits(at("2026-11-22T05:12:00.124Z"), 0));
        assert!(earlier < later, "{earlier} {later}");
    }

    #[test]
    fn other_text_has_no_bits() {
        for text in ["", "c-", "c-0123", "o-00000000000000000000000000", "c-0000000000000000000000000u"] {
            assert_eq!(bits_of(&CallId::new(text)), None, "{text}");
        }
    }
}
