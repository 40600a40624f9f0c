//! RFC 3261 §16.6 item 8: our Via branch, with the loop-detection part of RFC 5393 §4.2.
//!
//! `z9hG4bK` `T` + 16 hex of the client transaction's slot and generation + 16 hex of keyed hash + `L` + 8
//! hex of loop hash. A response finds its transaction by the slot, without a search, and proves by the hash
//! that we sent the request.

use super::secret::{Purpose, Secret};

/// RFC 3261 §8.1.1.7: the magic cookie every branch of this specification starts with.
const MAGIC: &str = "z9hG4bK";

/// The length of a branch of ours.
const LENGTH: usize = 49;

/// The last digits of the number, as many as there is room for.
pub(super) fn write_hex(text: &mut [u8], number: u64) {
    let mut rest = number;
    for octet in text.iter_mut().rev() {
        *octet = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
}

/// The number in up to 16 digits as [`write_hex`] writes them; `None` for anything else.
pub(super) fn read_hex(text: &[u8]) -> Option<u64> {
    debug_assert!(text.len() <= 16, "64 bits");
    text.iter().try_fold(0, |number, octet| {
        let digit = match octet {
            b'0'..=b'9' => octet - b'0',
            b'a'..=b'f' => octet - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

/// A branch of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Slot and generation of the client transaction.
    pub slot: u64,
    /// Hash over what decides the route of the request (RFC 5393 §4.2.1).
    pub loop_hash: u32,
}

impl Branch {
    /// Writes the branch with its proof.
    pub fn mint(self, secret: &Secret) -> String {
        // Letters and digits: it is as it was written.
        std::str::from_utf8(&self.written(secret)).unwrap_or_default().to_owned()
    }

    /// The same octets, for comparing: each response comes by here.
    fn written(self, secret: &Secret) -> [u8; LENGTH] {
        let proof = secret.mac(Purpose::Branch, &[&self.slot.to_be_bytes(), &self.loop_hash.to_be_bytes()]);
        let mut text = [0; LENGTH];
        text[..7].copy_from_slice(MAGIC.as_bytes());
        text[7] = b'T';
        write_hex(&mut text[8..24], self.slot);
        write_hex(&mut text[24..40], proof);
        text[40] = b'L';
        write_hex(&mut text[41..], u64::from(self.loop_hash));
        text
    }

    /// Reads a branch back; `None` when it is not ours or was tampered with.
    pub fn verify(text: &[u8], secret: &Secret) -> Option<Self> {
        let branch = Self::read(text)?;
        (branch.written(secret) == text).then_some(branch)
    }

    /// The hash that a request looping back to us would carry again (RFC 5393 §4.2.1): everything that
    /// decides where it goes.
    pub fn loop_hash(secret: &Secret, decisive: &[&[u8]]) -> u32 {
        (secret.mac(Purpose::Loop, decisive) >> 32) as u32
    }

    fn read(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(MAGIC.as_bytes())?.strip_prefix(b"T")?;
        if rest.len() != 41 || rest[32] != b'L' {
            return None;
        }
        let slot = read_hex(&rest[..16])?;
        let loop_hash = u32::try_from(read_hex(&rest[33..])?).ok()?;
        Some(Self { slot, loop_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_branch_is_read_back() {
        let secret = Secret::new([1; 16]);
        let branch = Branch { slot: 0x0102_0304_0506_0708, loop_hash: 0xdead_beef };
        let text = branch.mint(&secret);
        assert!(text.starts_with("z9hG4bK"));
        assert_eq!(Branch::verify(text.as_bytes(), &secret), Some(branch));
    }

    #[test]
    fn a_number_is_read_as_it_was_written_and_nothing_else_is() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut text = [0; 16];
            write_hex(&mut text, number);
            assert_eq!(read_hex(&text), Some(number));
        }
        for text in ["g", "A", "+1", " 1", "1 ", "é"] {
            assert_eq!(read_hex(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn n14_a_branch_with_one_octet_changed_is_not_ours() {
        let secret = Secret::new([1; 16]);
        let text = Branch { slot: 42, loop_hash: 7 }.mint(&secret);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(Branch::verify(&bytes, &secret), None, "octet {at}");
        }
    }

    #[test]
    fn a_branch_of_another_key_is_not_ours() {
        let text = Branch { slot: 42, loop_hash: 7 }.mint(&Secret::new([1; 16]));
        assert_eq!(Branch::verify(text.as_bytes(), &Secret::new([2; 16])), None);
    }
}
