//! The state of one dialog (RFC 3261 §12): ids, sequence numbers, target and route set.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::outgoing::Outgoing;
use crate::message::{Header, Message, NameAddr, Uri};

/// A dialog, early or confirmed, as we see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    call_id: Bytes,
    /// The value of From in our requests, with our tag.
    local: Bytes,
    /// The value of To in our requests, with their tag.
    remote: Bytes,
    local_tag: Bytes,
    remote_tag: Bytes,
    target: Bytes,
    routes: Vec<Bytes>,
    /// The number of our last request.
    sent: u32,
    /// The number of their last request; absent before the first.
    received: Option<u32>,
}

impl Dialog {
    /// As the side that was called (§12.1.1), with the tag that we give.
    pub fn called(invite: &Message, tag: &str) -> Self {
        let to = invite.header(Header::To).unwrap_or_default();
        let from = invite.header(Header::From).unwrap_or_default();
        Self {
            call_id: Bytes::copy_from_slice(invite.call_id()),
            local: [to, b";tag=", tag.as_bytes()].concat().into(),
            remote: Bytes::copy_from_slice(from),
            local_tag: Bytes::copy_from_slice(tag.as_bytes()),
            remote_tag: Bytes::copy_from_slice(invite.from_tag().unwrap_or_default()),
            target: contact_of(invite).or_else(|| uri_of(from)).unwrap_or_default(),
            routes: record_route_of(invite),
            sent: 0,
            received: Some(invite.cseq()),
        }
    }

    /// As the side that calls (§12.1.2), when this response to our INVITE came.
    pub fn calling(invite: &Message, response: &Message) -> Self {
        let mut routes = record_route_of(response);
        routes.reverse();
        Self {
            call_id: Bytes::copy_from_slice(invite.call_id()),
            local: Bytes::copy_from_slice(invite.header(Header::From).unwrap_or_default()),
            remote: Bytes::copy_from_slice(response.header(Header::To).unwrap_or_default()),
            local_tag: Bytes::copy_from_slice(invite.from_tag().unwrap_or_default()),
            remote_tag: Bytes::copy_from_slice(response.to_tag().unwrap_or_default()),
            target: contact_of(response).unwrap_or_else(|| Bytes::copy_from_slice(invite.request_uri())),
            routes,
            sent: invite.cseq(),
            received: None,
        }
    }

    /// The same INVITE was answered by somebody else as well: their dialog (§13.2.2.4).
    #[must_use]
    pub fn forked(&self, response: &Message) -> Self {
        let mut routes = record_route_of(response);
        routes.reverse();
        Self {
            remote: Bytes::copy_from_slice(response.header(Header::To).unwrap_or_default()),
            remote_tag: Bytes::copy_from_slice(response.to_tag().unwrap_or_default()),
            target: contact_of(response).unwrap_or_else(|| self.target.clone()),
            routes,
            received: None,
            ..self.clone()
        }
    }

    /// Our tag.
    pub const fn local_tag(&self) -> &Bytes {
        &self.local_tag
    }

    /// Their tag.
    pub const fn remote_tag(&self) -> &Bytes {
        &self.remote_tag
    }

    /// Whether a request of theirs belongs here.
    pub fn has(&self, request: &Message) -> bool {
        request.call_id() == self.call_id
            && request.to_tag() == Some(&self.local_tag)
            && request.from_tag().unwrap_or_default() == self.remote_tag
    }

    /// Whether the number of their request is a new one; others are out of order (§12.2.2).
    pub fn takes(&mut self, cseq: u32) -> bool {
        let new = self.received.is_none_or(|last| cseq > last);
        if new {
            self.received = Some(cseq);
        }
        new
    }

    /// Their Contact may have changed (§12.2): INVITE, UPDATE and their 2xx refresh the target.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(target) = contact_of(message) {
            self.target = target;
        }
    }

    /// The number of our next request.
    pub const fn next_cseq(&mut self) -> u32 {
        self.sent = self.sent.wrapping_add(1);
        self.sent
    }

    /// Where our requests go next: the first of the route set, otherwise the target.
    pub fn next_uri(&self) -> Bytes {
        self.routes.first().and_then(|route| uri_of(route)).unwrap_or_else(|| self.target.clone())
    }

    /// Writes a request of ours (§12.2.1.1). Its Via is a placeholder that whoever sends it replaces.
    pub fn write(&self, outgoing: &Outgoing<'_>) -> Bytes {
        let strict =
            self.routes.first().and_then(|route| uri_of(route)).filter(|first| !is_loose(first.as_ref()));
        match strict {
            Some(first) => {
                let mut routes = self.routes[1..].to_vec();
                routes.push([&b"<"[..], &self.target, b">"].concat().into());
                outgoing.write(&first, &routes, [&self.local, &self.remote, &self.call_id])
            }
            None => outgoing.write(&self.target, &self.routes, [&self.local, &self.remote, &self.call_id]),
        }
    }
}

fn record_route_of(message: &Message) -> Vec<Bytes> {
    message.values(Header::RecordRoute).map(|value| Bytes::copy_from_slice(value.bytes)).collect()
}

/// Their Contact, when a request can be sent there.
fn contact_of(message: &Message) -> Option<Bytes> {
    uri_of(message.header(Header::Contact)?).filter(|uri| Uri::parse(uri).is_ok_and(|uri| uri.is_sip()))
}

fn uri_of(value: &[u8]) -> Option<Bytes> {
    NameAddr::parse(value).ok().map(|address| Bytes::copy_from_slice(address.uri))
}

fn is_loose(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.params.get("lr").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Limits, response};

    const INVITE: &str = "INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nRecord-Route: <sip:p2;lr>, <sip:p1;lr>\r\nFrom: \"A\" <sip:a@h>;tag=theirs\r\n\
        To: <sip:b@h>\r\nCall-ID: x@h\r\nContact: <sip:a@192.0.2.9:5070>\r\nCSeq: 7 INVITE\r\n\
        Content-Length: 0\r\n\r\n";

    fn message(text: impl Into<Bytes>) -> Message {
        Message::parse(text.into(), &Limits::default()).unwrap()
    }

    fn bye(dialog: &mut Dialog) -> Message {
        let cseq = dialog.next_cseq();
        message(dialog.write(&Outgoing { method: "BYE", cseq, ..Outgoing::default() }))
    }

    #[test]
    fn the_called_side_sends_along_the_record_route_to_the_contact() {
        let mut dialog = Dialog::called(&message(INVITE), "ours");
        let bye = bye(&mut dialog);
        assert_eq!(bye.request_uri(), b"sip:a@192.0.2.9:5070");
        let routes: Vec<_> = bye.values(Header::Route).map(|value| value.bytes.to_vec()).collect();
        assert_eq!(routes, [b"<sip:p2;lr>".to_vec(), b"<sip:p1;lr>".to_vec()]);
        assert_eq!((bye.from_tag(), bye.to_tag()), (Some(&b"ours"[..]), Some(&b"theirs"[..])));
        assert_eq!((bye.cseq(), bye.call_id()), (1, &b"x@h"[..]));
        assert_eq!(&dialog.next_uri()[..], b"sip:p2;lr");
    }

    #[test]
    fn the_calling_side_reverses_the_record_route_and_counts_on() {
        let invite = message(INVITE);
        let ok = message(response(&invite, 200, None, Some("peer"), &[("Contact", b"<sip:b@192.0.2.7>")]));
        let mut dialog = Dialog::calling(&invite, &ok);
        let bye = bye(&mut dialog);
        assert_eq!(bye.request_uri(), b"sip:b@192.0.2.7");
        let first = bye.values(Header::Route).next().map(|value| value.bytes.to_vec());
        assert_eq!(first.as_deref(), Some(&b"<sip:p1;lr>"[..]));
        assert_eq!((bye.cseq(), bye.to_tag()), (8, Some(&b"peer"[..])));
    }

    #[test]
    fn a_strict_router_gets_its_own_uri_as_the_request_uri() {
        let mut dialog = Dialog::called(&message(INVITE.replace("<sip:p2;lr>", "<sip:p2>")), "ours");
        let bye = bye(&mut dialog);
        assert_eq!(bye.request_uri(), b"sip:p2");
        let routes: Vec<_> = bye.values(Header::Route).map(|value| value.bytes.to_vec()).collect();
        assert_eq!(routes, [b"<sip:p1;lr>".to_vec(), b"<sip:a@192.0.2.9:5070>".to_vec()]);
    }

    #[test]
    fn a_number_that_was_used_is_out_of_order() {
        let mut dialog = Dialog::called(&message(INVITE), "ours");
        assert_eq!([7, 9, 8, 9, 10].map(|cseq| dialog.takes(cseq)), [false, true, false, false, true]);
    }

    #[test]
    fn only_a_request_with_both_tags_and_the_call_id_belongs_to_it() {
        let dialog = Dialog::called(&message(INVITE), "ours");
        let inside = INVITE.replace("To: <sip:b@h>", "To: <sip:b@h>;tag=ours");
        assert!(dialog.has(&message(inside.clone())));
        for (from, to) in [("tag=ours", "tag=other"), ("tag=theirs", "tag=x"), ("x@h", "y@h")] {
            assert!(!dialog.has(&message(inside.replace(from, to))), "{to}");
        }
    }
}
