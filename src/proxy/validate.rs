//! RFC 3261 §16.3: is this request fit to be proxied? Checked in the section's order; the syntax came first,
//! when the message was read.

use super::own::Own;
use crate::message::{Header, Message, Method, Scheme};

/// Option tags that a 420 names at most.
const TAGS_NAMED: usize = 16;

/// A refusal with the header it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The status.
    pub status: u16,
    /// A header that says more.
    pub header: Option<(&'static str, Vec<u8>)>,
}

/// Items 2 to 5 of §16.3. `is_loop` says whether a branch of our own Via in the request was minted for the
/// very same way (RFC 5393 §4.2).
pub fn validate(request: &Message, own: &Own, is_loop: &dyn Fn(&[u8]) -> bool) -> Result<(), Rejection> {
    check_scheme(request)?;
    check_max_forwards(request, own)?;
    check_loop(request, is_loop)?;
    check_extensions(request)
}

/// Item 2: "If the Request-URI has a URI whose scheme is not understood by the proxy, the proxy SHOULD reject
/// the request with a 416".
fn check_scheme(request: &Message) -> Result<(), Rejection> {
    match request.uri().map(|uri| uri.scheme) {
        Some(Scheme::Sip | Scheme::Sips | Scheme::Tel) => Ok(()),
        Some(Scheme::Other) => Err(refuse(416)),
        None => Err(refuse(400)),
    }
}

/// Item 3: zero hops left is 483; an OPTIONS for ourselves may still be answered.
fn check_max_forwards(request: &Message, own: &Own) -> Result<(), Rejection> {
    if request.max_forwards() != Some(0) {
        return Ok(());
    }
    let ours = request.method() == Method::Options
        && request.uri().is_some_and(|uri| uri.user.is_none() && own.is_own(&uri));
    if ours { Ok(()) } else { Err(refuse(483)) }
}

/// Item 4, mandatory where requests may fork (RFC 5393 §4.2): our own Via with the same hash is a loop, with
/// another one a spiral.
fn check_loop(request: &Message, is_loop: &dyn Fn(&[u8]) -> bool) -> Result<(), Rejection> {
    if request.branches().any(is_loop) { Err(refuse(482)) } else { Ok(()) }
}

/// Item 5: we understand no option tag that a proxy would have to.
fn check_extensions(request: &Message) -> Result<(), Rejection> {
    let mut tags: Vec<&[u8]> = Vec::new();
    for value in request.values(Header::ProxyRequire).filter(|value| !value.bytes.is_empty()) {
        // A flood of tags must not make an answer that no datagram carries (N38).
        if tags.len() < TAGS_NAMED && !tags.contains(&value.bytes) {
            tags.push(value.bytes);
        }
    }
    if tags.is_empty() {
        return Ok(());
    }
    Err(Rejection { status: 420, header: Some(("Unsupported", tags.join(&b", "[..]))) })
}

const fn refuse(status: u16) -> Rejection {
    Rejection { status, header: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    #[test]
    fn v1_refusals_in_order() {
        let table: &[(&str, &str, Option<u16>)] = &[
            ("sip:a@b", "Max-Forwards: 70", None),
            ("tel:+81312345678", "Max-Forwards: 70", None),
            ("soap.beep://x", "Max-Forwards: 0\r\nProxy-Require: a", Some(416)),
            ("sip:a@b", "Max-Forwards: 0\r\nProxy-Require: a", Some(483)),
            ("sip:a@b", "Proxy-Require: a, b", Some(420)),
        ];
        for (uri, headers, expected) in table {
            let outcome = validate(&request("INVITE", uri, headers), &own(), &|_| false);
            assert_eq!(outcome.as_ref().err().map(|refusal| refusal.status), *expected, "{uri} {headers}");
        }
    }

    #[test]
    fn v1_420_lists_what_is_unsupported() {
        let refusal = validate(
            &request("INVITE", "sip:a@b", "Proxy-Require: one\r\nProxy-Require: two"),
            &own(),
            &|_| false,
        )
        .unwrap_err();
        assert_eq!(refusal.header, Some(("Unsupported", b"one, two".to_vec())));
    }

    #[test]
    fn v1_options_for_ourselves_need_no_hop() {
        let here = request("OPTIONS", "sip:192.0.2.1:5060", "Max-Forwards: 0");
        assert_eq!(validate(&here, &own(), &|_| false), Ok(()));
        let elsewhere = request("OPTIONS", "sip:user@192.0.2.1:5060", "Max-Forwards: 0");
        assert_eq!(validate(&elsewhere, &own(), &|_| false).unwrap_err().status, 483);
    }

    #[test]
    fn v6_a_loop_is_482() {
        let looping = request("INVITE", "sip:a@b", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKours");
        assert_eq!(validate(&looping, &own(), &|branch| branch == b"z9hG4bKours").unwrap_err().status, 482);
    }

    fn own() -> Own {
        Own::new(&("192.0.2.1".to_owned(), 5060), &[], None, vec!["192.0.2.1:5060".parse().unwrap()])
    }

    fn request(method: &str, uri: &str, headers: &str) -> Message {
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n{headers}\r\n\
             From: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into_bytes().into(), &Limits::default()).unwrap()
    }
}
