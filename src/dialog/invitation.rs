//! Our own INVITE on behalf of a caller: another dialog, the same call (RFC 7092 §3.2). What says who calls
//! and how they got here stays; what belongs to the caller's own dialog does not.

use bytes::Bytes;

use super::outgoing::placeholder;
use crate::message::{Header, Message, NameAddr};

/// What is ours in it.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    /// Whom it asks.
    pub request_uri: &'a [u8],
    /// A Call-ID of ours.
    pub call_id: &'a str,
    /// Our tag.
    pub tag: &'a str,
    /// Our Contact.
    pub contact: &'a str,
    /// Makes the placeholder of the Via one of its own.
    pub branch: u64,
    /// What we allow.
    pub allow: &'a str,
    /// Further header lines.
    pub extra: &'a [(&'a str, Vec<u8>)],
    /// The description that is offered.
    pub body: &'a [u8],
}

impl Invitation<'_> {
    /// The INVITE that asks on behalf of this one. Max-Forwards goes through (RFC 7332 §4): whoever sends it
    /// takes one off.
    pub fn of(&self, invite: &Message) -> Bytes {
        let mut written = Vec::with_capacity(invite.bytes().len() + 256);
        let mut put = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| written.extend_from_slice(piece));
        put(&[b"INVITE ", self.request_uri, b" SIP/2.0\r\n", placeholder(self.branch).as_bytes()]);
        put(&[b"From: ", &with_tag(invite.header(Header::From).unwrap_or_default(), self.tag)]);
        put(&[b"\r\nTo: ", invite.header(Header::To).unwrap_or_default()]);
        put(&[b"\r\nCall-ID: ", self.call_id.as_bytes(), b"\r\nCSeq: 1 INVITE\r\nContact: "]);
        put(&[self.contact.as_bytes(), b"\r\nAllow: ", self.allow.as_bytes()]);
        put(&[b"\r\nSupported: timer\r\n"]);
        for (name, value) in invite.all_headers().filter(|(name, _)| goes_along(name)) {
            put(&[name, b": ", value, b"\r\n"]);
        }
        for (name, value) in self.extra {
            put(&[name.as_bytes(), b": ", value, b"\r\n"]);
        }
        put(&[b"Content-Type: application/sdp\r\nContent-Length: "]);
        put(&[self.body.len().to_string().as_bytes(), b"\r\n\r\n", self.body]);
        Bytes::from(written)
    }
}

/// The address with another tag; its other parameters stay.
fn with_tag(value: &[u8], tag: &str) -> Vec<u8> {
    let Ok(address) = NameAddr::parse(value) else { return [value, b";tag=", tag.as_bytes()].concat() };
    let mut written = Vec::with_capacity(value.len() + tag.len());
    if let Some(display) = address.display {
        written.extend_from_slice(display);
        written.push(b' ');
    }
    written.extend_from_slice(&[b"<", address.uri, b">;tag=", tag.as_bytes()].concat());
    written
}

/// Whether a header of the caller's INVITE stands in ours too. What asserts the caller's identity goes on to
/// the trusted only, which is seen to where it is sent.
fn goes_along(name: &[u8]) -> bool {
    match Header::of(name) {
        Header::Via
        | Header::From
        | Header::To
        | Header::CallId
        | Header::CSeq
        | Header::Contact
        | Header::ContentLength
        | Header::ContentType
        | Header::Route
        | Header::RecordRoute
        | Header::Allow
        | Header::Supported
        | Header::Require
        | Header::ProxyRequire
        | Header::SessionExpires
        | Header::MinSe
        | Header::Timestamp
        | Header::Replaces
        | Header::Join
        | Header::TargetDialog
        | Header::RSeq
        | Header::RAck
        | Header::MaxBreadth
        | Header::Server
        | Header::Expires
        | Header::ProxyAuthorization
        | Header::Authorization => false,
        Header::MaxForwards
        | Header::UserAgent
        | Header::PAssertedIdentity
        | Header::Privacy
        | Header::Reason
        | Header::PPreferredIdentity
        | Header::RemotePartyId
        | Header::PCalledPartyId
        | Header::Diversion
        | Header::HistoryInfo
        | Header::RetryAfter
        | Header::ProxyAuthenticate
        | Header::WwwAuthenticate
        | Header::Warning
        | Header::Subject
        | Header::Date
        | Header::ReferTo
        | Header::RequestDisposition => true,
        Header::Other => {
            ![&b"content-encoding"[..], b"content-disposition", b"content-language", b"allow-events"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    #[test]
    fn n31_the_own_invite_keeps_who_calls_and_max_forwards_and_nothing_of_the_callers_dialog() {
        let invite = "INVITE sip:line@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
            Record-Route: <sip:p1;lr>\r\nMax-Forwards: 17\r\nf: \"A, B\" <sip:a@h>;x=1;tag=theirs\r\n\
            To: <sip:line@h>\r\ni: x@h\r\nm: <sip:a@192.0.2.9>\r\nCSeq: 7 INVITE\r\nRequire: timer\r\n\
            P-Asserted-Identity: <tel:+81312345678>\r\nk: 100rel, timer\r\nX-Own: kept\r\n\
            c: application/sdp\r\nl: 4\r\n\r\nv=0\n";
        let invite = Message::parse(Bytes::from(invite), &Limits::default()).unwrap();
        let ours = Invitation {
            request_uri: invite.request_uri(),
            call_id: "leg-1",
            tag: "ours",
            contact: "<sip:192.0.2.1:5060>",
            branch: 5,
            allow: "INVITE, ACK",
            extra: &[],
            body: b"v=0\r\n",
        };
        let text = String::from_utf8(ours.of(&invite).to_vec()).unwrap();
        assert_eq!(
            text,
            "INVITE sip:line@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP anchored.invalid;branch=z9hG4bK0000000000000005\r\n\
             From: \"A, B\" <sip:a@h>;tag=ours\r\nTo: <sip:line@h>\r\nCall-ID: leg-1\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:192.0.2.1:5060>\r\nAllow: INVITE, ACK\r\nSupported: timer\r\nMax-Forwards: 17\r\n\
             P-Asserted-Identity: <tel:+81312345678>\r\nX-Own: kept\r\n\
             Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
        );
    }
}
