//! RFC 3323 §4.2, RFC 3325 §9.3: what the Privacy header asks of a proxy at the edge of its trust domain.
//!
//! `id` is done: the assertion goes no further. `user` is done as far as a proxy may: the headers that tell
//! of the caller and that no dialog needs go. From, Contact and Via cannot be hidden by who is no end of the
//! call (RFC 3261 §16.6); where `critical` stands beside a wish for that, the request may not cross the edge.

use crate::message::{Header, Message, NameAddr, Uri};

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrivacyWish {
    user: bool,
    header: bool,
    session: bool,
    critical: bool,
}

/// Headers that tell of the caller beside those a dialog needs (RFC 3323 §5.3).
const TELLING: [&[u8]; 6] =
    [b"Subject", b"Call-Info", b"Organization", b"User-Agent", b"Reply-To", b"In-Reply-To"];

impl PrivacyWish {
    /// Reads the Privacy headers; `none` beside a wish takes nothing back: the stricter reading counts.
    pub fn of(request: &Message) -> Self {
        let mut wish = Self::default();
        for value in request.headers(Header::Privacy) {
            for word in value.split(|octet| matches!(octet, b';' | b',')) {
                match word.trim_ascii().to_ascii_lowercase().as_slice() {
                    b"user" => wish.user = true,
                    b"header" => wish.header = true,
                    b"session" => wish.session = true,
                    b"critical" => wish.critical = true,
                    _ => {}
                }
            }
        }
        wish
    }

    /// Whether the headers that tell of the caller go at the edge.
    pub const fn hides_user(self) -> bool {
        self.user
    }

    /// Whether the request may not cross the edge: the caller insists on what a proxy cannot do.
    pub fn forbids(self, request: &Message) -> bool {
        self.critical && (self.header || self.session || (self.user && !is_anonymous(request)))
    }
}

/// Whether a header of this name tells of the caller.
pub(super) fn tells(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"s") || TELLING.iter().any(|telling| name.eq_ignore_ascii_case(telling))
}

/// Whether From already says nothing (RFC 3323 §4.1).
fn is_anonymous(request: &Message) -> bool {
    let from = request.header(Header::From).unwrap_or_default();
    let uri = NameAddr::parse(from).ok().and_then(|address| Uri::parse(address.uri).ok());
    uri.and_then(|uri| uri.user).is_some_and(|user| user.eq_ignore_ascii_case(b"anonymous"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    #[test]
    fn i2_what_is_asked_for_and_what_cannot_be_done() {
        let plain = "<sip:0312345678@x>";
        let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
        let table: &[(&str, &str, bool, bool)] = &[
            (plain, "", false, false),
            (plain, "Privacy: id", false, false),
            (plain, "Privacy: id;critical", false, false),
            (plain, "Privacy: user;id", true, false),
            (plain, "Privacy: user;critical", true, true),
            (anonymous, "Privacy: user;id;critical", true, false),
            (anonymous, "Privacy: header;critical", false, true),
            (anonymous, "Privacy: session ; Critical", false, true),
            (anonymous, "Privacy: header", false, false),
            (plain, "Privacy: user\r\nPrivacy: critical", true, true),
            (plain, "Privacy: none", false, false),
            (plain, "Privacy: none;critical", false, false),
            (plain, "Privacy: none;user", true, false),
        ];
        for (from, header, hides, forbids) in table {
            let request = request(from, header);
            let wish = PrivacyWish::of(&request);
            assert_eq!((wish.hides_user(), wish.forbids(&request)), (*hides, *forbids), "{from} {header}");
        }
    }

    fn request(from: &str, header: &str) -> Message {
        let line = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n{line}\
             From: {from};tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(text.into_bytes().into(), &Limits::default()).unwrap()
    }
}
