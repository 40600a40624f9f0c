//! RFC 3261 §17.2.3 and §17.1.3: to which transaction a message belongs, as one keyed hash.
//!
//! The hash is SipHash-2-4 of 128 bits under a secret, so that nobody outside can make two requests collide
//! or crowd one bucket.

use std::hash::Hasher;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};

/// The cookie with which RFC 3261 §8.1.1.7 marks a branch that is unique over space and time.
const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// Names one transaction of this process. Equal keys mean the same transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionKey(u128);

impl TransactionKey {
    /// The hash that it is.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

/// The parts of a request that decide to which server transaction it belongs, verbatim.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// Of the request line.
    pub method: &'a [u8],
    /// Of the topmost Via.
    pub branch: Option<&'a [u8]>,
    /// Host and port of the topmost Via, as written.
    pub sent_by: &'a [u8],
    /// The real source address: nobody else's request meets this transaction, whatever its Via claims.
    pub source: IpAddr,
    /// Used only without the cookie.
    pub request_uri: &'a [u8],
    /// Used only without the cookie, and never for INVITE, ACK and CANCEL.
    pub to_tag: Option<&'a [u8]>,
    /// Used only without the cookie.
    pub from_tag: Option<&'a [u8]>,
    /// Used only without the cookie.
    pub call_id: &'a [u8],
    /// Used only without the cookie.
    pub cseq: u32,
    /// The whole topmost Via value; used only without the cookie.
    pub top_via: &'a [u8],
}

/// Makes keys under one secret. Two makers with the same secret agree, also across a restart.
#[derive(Clone)]
pub struct KeyMaker {
    secret: [u8; 16],
}

impl std::fmt::Debug for KeyMaker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeyMaker")
    }
}

/// Whether the branch has the cookie and something after it; if not, it is an RFC 2543 element's and proves
/// nothing.
pub fn is_rfc3261_branch(branch: &[u8]) -> bool {
    branch
        .split_at_checked(MAGIC_COOKIE.len())
        .is_some_and(|(cookie, rest)| cookie.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty())
}

impl KeyMaker {
    /// Keys under this secret.
    pub const fn new(secret: [u8; 16]) -> Self {
        Self { secret }
    }

    /// RFC 3261 §17.2.3: the server transaction of a request. An ACK has the key of its INVITE; a CANCEL
    /// has its own.
    pub fn server(&self, parts: &RequestParts<'_>) -> TransactionKey {
        self.server_for(parts, if parts.method == b"ACK" { b"INVITE" } else { parts.method })
    }

    /// RFC 3261 §9.2: the INVITE server transaction that this CANCEL is about.
    pub fn cancelled_invite(&self, cancel: &RequestParts<'_>) -> TransactionKey {
        self.server_for(cancel, b"INVITE")
    }

    /// RFC 3261 §17.1.3: the client transaction of a response: the branch of its topmost Via and the method
    /// of its CSeq.
    pub fn client(&self, branch: &[u8], cseq_method: &[u8]) -> TransactionKey {
        let mut hash = self.begin(Family::Client);
        hash.part(branch);
        hash.part(cseq_method);
        hash.finish()
    }

    fn server_for(&self, parts: &RequestParts<'_>, method: &[u8]) -> TransactionKey {
        match parts.branch {
            Some(branch) if is_rfc3261_branch(branch) => {
                let mut hash = self.begin(Family::Server);
                hash.part(branch);
                hash.folded_part(parts.sent_by);
                hash.source(parts.source);
                hash.part(method);
                hash.finish()
            }
            Some(_) | None => self.rfc2543_server(parts, method),
        }
    }

    /// RFC 3261 §17.2.3, the procedure for requests without the cookie. The To tag is left out where
    /// INVITE, ACK and CANCEL must meet: the ACK carries the tag of our response, the INVITE did not.
    fn rfc2543_server(&self, parts: &RequestParts<'_>, method: &[u8]) -> TransactionKey {
        let mut hash = self.begin(Family::Rfc2543Server);
        hash.part(parts.request_uri);
        hash.optional_part(if matches!(method, b"INVITE" | b"CANCEL") { None } else { parts.to_tag });
        hash.optional_part(parts.from_tag);
        hash.part(parts.call_id);
        hash.part(&parts.cseq.to_be_bytes());
        hash.part(parts.top_via);
        hash.source(parts.source);
        hash.part(method);
        hash.finish()
    }

    fn begin(&self, family: Family) -> KeyHash {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        hasher.write(&[family as u8]);
        KeyHash { hasher }
    }
}

/// Keeps keys of different rules apart.
#[derive(Clone, Copy)]
enum Family {
    Server = 1,
    Rfc2543Server = 2,
    Client = 3,
}

/// A hash over parts, each with its length before it, so that parts cannot run together.
struct KeyHash {
    hasher: SipHasher24,
}

impl KeyHash {
    fn source(&mut self, source: IpAddr) {
        match source.to_canonical() {
            IpAddr::V4(address) => self.part(&address.octets()),
            IpAddr::V6(address) => self.part(&address.octets()),
        }
    }

    fn part(&mut self, part: &[u8]) {
        self.length(part.len());
        self.hasher.write(part);
    }

    /// A part in which the case of letters means nothing.
    fn folded_part(&mut self, part: &[u8]) {
        self.length(part.len());
        for chunk in part.chunks(32) {
            let mut folded = [0; 32];
            let folded = &mut folded[..chunk.len()];
            folded.copy_from_slice(chunk);
            folded.make_ascii_lowercase();
            self.hasher.write(folded);
        }
    }

    /// An absent part differs from an empty one.
    fn optional_part(&mut self, part: Option<&[u8]>) {
        match part {
            Some(part) => self.part(part),
            None => self.hasher.write(&u64::MAX.to_le_bytes()),
        }
    }

    fn length(&mut self, length: usize) {
        self.hasher.write(&(length as u64).to_le_bytes());
    }

    fn finish(&self) -> TransactionKey {
        TransactionKey(self.hasher.finish128().as_u128())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    const MAKER: KeyMaker = KeyMaker::new(*b"0123456789abcdef");

    fn modern(method: &'static [u8]) -> RequestParts<'static> {
        RequestParts {
            method,
            branch: Some(b"z9hG4bK776asdhds"),
            sent_by: b"pc33.example.com:5060",
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_uri: b"sip:bob@example.org",
            to_tag: None,
            from_tag: Some(b"1928301774"),
            call_id: b"a84b4c76e66710",
            cseq: 314_159,
            top_via: b"SIP/2.0/UDP pc33.example.com:5060;branch=z9hG4bK776asdhds",
        }
    }

    fn old(method: &'static [u8]) -> RequestParts<'static> {
        RequestParts {
            branch: Some(b"1"),
            top_via: b"SIP/2.0/UDP pc33.example.com;branch=1",
            ..modern(method)
        }
    }

    #[test]
    fn rfc3261_17_2_3_the_ack_meets_its_invite_and_the_cancel_does_not() {
        let invite = MAKER.server(&modern(b"INVITE"));
        assert_eq!(MAKER.server(&RequestParts { to_tag: Some(b"a6c85cf"), ..modern(b"ACK") }), invite);
        assert_ne!(MAKER.server(&modern(b"CANCEL")), invite);
        assert_ne!(MAKER.server(&modern(b"BYE")), invite);
        assert_ne!(MAKER.server(&modern(b"invite")), invite, "methods are case-sensitive");
    }

    #[test]
    fn rfc3261_9_2_a_cancel_finds_its_invite() {
        assert_eq!(MAKER.cancelled_invite(&modern(b"CANCEL")), MAKER.server(&modern(b"INVITE")));
        assert_eq!(MAKER.cancelled_invite(&old(b"CANCEL")), MAKER.server(&old(b"INVITE")));
    }

    #[test]
    fn rfc3261_17_2_3_with_the_cookie_only_branch_sent_by_and_method_count() {
        let key = MAKER.server(&modern(b"INVITE"));
        let same = RequestParts {
            request_uri: b"sip:carol@example.org",
            to_tag: Some(b"x"),
            from_tag: None,
            call_id: b"other",
            cseq: 1,
            top_via: b"",
            ..modern(b"INVITE")
        };
        assert_eq!(MAKER.server(&same), key);
        assert_ne!(MAKER.server(&RequestParts { branch: Some(b"z9hG4bK776asdhdS"), ..same }), key);
        assert_ne!(MAKER.server(&RequestParts { sent_by: b"pc33.example.com:5061", ..same }), key);
    }

    #[test]
    fn rfc3261_17_2_3_sent_by_is_compared_without_case() {
        let upper = RequestParts { sent_by: b"PC33.Example.COM:5060", ..modern(b"INVITE") };
        assert_eq!(MAKER.server(&upper), MAKER.server(&modern(b"INVITE")));
        let long = "A-long-host-name.".repeat(5);
        let (long, folded) = (long.as_bytes(), long.to_ascii_lowercase());
        assert_eq!(
            MAKER.server(&RequestParts { sent_by: long, ..modern(b"BYE") }),
            MAKER.server(&RequestParts { sent_by: folded.as_bytes(), ..modern(b"BYE") })
        );
    }

    #[test]
    fn rfc3261_17_2_3_without_the_cookie_each_part_counts() {
        let key = MAKER.server(&old(b"BYE"));
        assert_ne!(MAKER.server(&RequestParts { request_uri: b"sip:eve@example.org", ..old(b"BYE") }), key);
        assert_ne!(MAKER.server(&RequestParts { to_tag: Some(b"t"), ..old(b"BYE") }), key);
        assert_ne!(MAKER.server(&RequestParts { from_tag: None, ..old(b"BYE") }), key);
        assert_ne!(MAKER.server(&RequestParts { call_id: b"b", ..old(b"BYE") }), key);
        assert_ne!(MAKER.server(&RequestParts { cseq: 1, ..old(b"BYE") }), key);
        assert_ne!(MAKER.server(&RequestParts { top_via: b"SIP/2.0/UDP a", ..old(b"BYE") }), key);
        assert_ne!(MAKER.server(&old(b"INFO")), key);
    }

    #[test]
    fn rfc3261_17_2_3_without_the_cookie_an_ack_with_our_to_tag_meets_its_invite() {
        let ack = RequestParts { to_tag: Some(b"ours"), ..old(b"ACK") };
        assert_eq!(MAKER.server(&ack), MAKER.server(&old(b"INVITE")));
    }

    #[test]
    fn rfc3261_8_1_1_7_a_bare_cookie_is_no_unique_branch() {
        assert!(is_rfc3261_branch(b"z9hG4bKa"));
        assert!(!is_rfc3261_branch(b"z9hG4bK"));
        assert!(!is_rfc3261_branch(b"z9hG4b"));
        assert!(!is_rfc3261_branch(b""));
        let bare = RequestParts { branch: Some(b"z9hG4bK"), ..modern(b"INVITE") };
        assert_ne!(MAKER.server(&bare), MAKER.server(&RequestParts { call_id: b"another call", ..bare }));
    }

    #[test]
    fn rfc3261_17_1_3_a_response_is_known_by_branch_and_cseq_method() {
        let key = MAKER.client(b"z9hG4bKx", b"INVITE");
        assert_eq!(MAKER.client(b"z9hG4bKx", b"INVITE"), key);
        assert_ne!(MAKER.client(b"z9hG4bKx", b"CANCEL"), key);
        assert_ne!(MAKER.client(b"z9hG4bKy", b"INVITE"), key);
    }

    #[test]
    fn n38_another_secret_gives_other_keys() {
        let other = KeyMaker::new([0; 16]);
        assert_ne!(other.server(&modern(b"INVITE")), MAKER.server(&modern(b"INVITE")));
        assert!(!format!("{MAKER:?}").contains("48"), "the secret is never printed");
    }

    proptest! {
        #[test]
        fn parts_cannot_run_together(a in ".{0,6}", b in ".{0,6}", c in ".{0,6}", d in ".{0,6}") {
            let one = MAKER.client(a.as_bytes(), b.as_bytes());
            let two = MAKER.client(c.as_bytes(), d.as_bytes());
            prop_assert_eq!(one == two, (a, b) == (c, d));
        }
    }
}
