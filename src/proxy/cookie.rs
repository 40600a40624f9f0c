//! RFC 3261 §16.6 item 4: the parameter of our Record-Route that proves a later request to be of its dialog.
//!
//! The proof binds our call id to the dialog's Call-ID and to the tag of the side that sent the INVITE. In a
//! later request that tag is the From tag or the To tag, whichever side speaks.

use super::branch::{read_hex, write_hex};
use super::secret::{Purpose, Secret};

/// What our Record-Route remembers of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogCookie {
    /// The 128 bits of our call id.
    pub call: u128,
}

impl DialogCookie {
    /// The URI parameter that carries the cookie.
    pub const PARAMETER: &'static str = "tsg";

    /// Writes the cookie for a dialog begun by the INVITE with this Call-ID and From tag.
    pub fn mint(self, secret: &Secret, call_id: &[u8], inviting_tag: &[u8]) -> String {
        let mut text = [0; 48];
        write_hex(&mut text[..16], (self.call >> 64) as u64);
        write_hex(&mut text[16..32], self.call as u64);
        write_hex(&mut text[32..], self.proof(secret, call_id, inviting_tag));
        std::str::from_utf8(&text).unwrap_or_default().to_owned()
    }

    /// Reads the cookie of a request within the dialog; `None` when it belongs to another dialog, was cut or
    /// changed (N19, N21).
    pub fn verify(
        text: &[u8],
        secret: &Secret,
        call_id: &[u8],
        from_tag: &[u8],
        to_tag: &[u8],
    ) -> Option<Self> {
        if text.len() != 48 {
            return None;
        }
        let (high, low) = (read_hex(&text[..16])?, read_hex(&text[16..32])?);
        let cookie = Self { call: u128::from(high) << 64 | u128::from(low) };
        let claimed = read_hex(&text[32..])?;
        let ours = [from_tag, to_tag].into_iter().any(|tag| cookie.proof(secret, call_id, tag) == claimed);
        ours.then_some(cookie)
    }

    fn proof(self, secret: &Secret, call_id: &[u8], inviting_tag: &[u8]) -> u64 {
        secret.mac(Purpose::Dialog, &[&self.call.to_be_bytes(), call_id, inviting_tag])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: DialogCookie = DialogCookie { call: 0x1234_5678_9abc_def0_1122_3344_5566_7788 };

    #[test]
    fn both_sides_of_the_dialog_pass() {
        let secret = Secret::new([3; 16]);
        let text = CALL.mint(&secret, b"id@host", b"caller");
        assert_eq!(
            DialogCookie::verify(text.as_bytes(), &secret, b"id@host", b"caller", b"callee"),
            Some(CALL)
        );
        assert_eq!(
            DialogCookie::verify(text.as_bytes(), &secret, b"id@host", b"callee", b"caller"),
            Some(CALL)
        );
    }

    #[test]
    fn n21_a_cookie_of_another_dialog_truncated_or_bit_flipped_is_refused() {
        let secret = Secret::new([3; 16]);
        let text = CALL.mint(&secret, b"id@host", b"caller");
        let refused = |text: &[u8], id: &[u8], from: &[u8]| {
            assert_eq!(DialogCookie::verify(text, &secret, id, from, b"callee"), None);
        };
        refused(text.as_bytes(), b"other@host", b"caller");
        refused(text.as_bytes(), b"id@host", b"other");
        refused(&text.as_bytes()[..47], b"id@host", b"caller");
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            refused(&bytes, b"id@host", b"caller");
        }
    }
}
