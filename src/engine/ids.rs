//! Ids of calls and offers: random bits in base 32, minted from the randomness the engine was given.

use crate::callback::CallbackId;
use crate::presence::{CallId, OfferId};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

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
    fn other_text_has_no_bits() {
        for text in ["", "c-", "c-0123", "o-00000000000000000000000000", "c-0000000000000000000000000u"] {
            assert_eq!(bits_of(&CallId::new(text)), None, "{text}");
        }
    }
}
