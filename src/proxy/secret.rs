//! The key behind the identifiers we mint: RFC 3261 §16.6 items 4 and 8 leave their form to the proxy.
//!
//! Branches, Record-Route cookies and To-tags are keyed hashes (SipHash-2-4), so that a message can prove
//! that it belongs to this node, also after a restart with the same key.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::branch::write_hex;

/// What an identifier is for; two purposes never share a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Our Via branch.
    Branch = 1,
    /// Our Record-Route cookie.
    Dialog = 2,
    /// To-tags of responses we make ourselves.
    Tag = 3,
    /// The loop-detection part of a branch (RFC 5393 §4.2).
    Loop = 4,
    /// Nonces of our challenges (RFC 7616 §5.4).
    Nonce = 5,
    /// Which place of a table of fixed size somebody has.
    Place = 6,
}

/// A 128-bit key.
#[derive(Clone)]
pub struct Secret([u8; 16]);

impl Secret {
    /// How long a To-tag of ours is.
    pub const TO_TAG: usize = 16;

    /// Takes the key; it comes from the operating system's random source, through the composition root.
    pub const fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// A To-tag for responses that we make to the request with this identity; the same request gets the same
    /// tag.
    pub fn to_tag(&self, call_id: &[u8], from_tag: &[u8], branch: &[u8]) -> String {
        let mut text = [0; Self::TO_TAG];
        write_hex(&mut text, self.mac(Purpose::Tag, &[call_id, from_tag, branch]));
        std::str::from_utf8(&text).unwrap_or_default().to_owned()
    }

    /// A hash of who somebody is, for tables of fixed size: nobody outside can choose whose place they share.
    pub fn place_of(&self, who: &[u8]) -> u64 {
        self.mac(Purpose::Place, &[who])
    }

    /// The keyed hash of the parts, each with its length in front so that they cannot run together.
    pub(super) fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(purpose as u8);
        for part in parts {
            hasher.write_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
            hasher.write(part);
        }
        hasher.finish()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let secret = Secret::new([7; 16]);
        let first = secret.mac(Purpose::Tag, &[b"ab", b"c"]);
        let second = secret.mac(Purpose::Tag, &[b"a", b"bc"]);
        assert_ne!(first, second);
    }

    #[test]
    fn purposes_do_not_share_a_hash() {
        let secret = Secret::new([7; 16]);
        assert_ne!(secret.mac(Purpose::Branch, &[b"x"]), secret.mac(Purpose::Dialog, &[b"x"]));
    }

    #[test]
    fn the_key_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::new([7; 16])), "Secret(…)");
    }
}
