//! Messages we originate in answer to one we have: responses (RFC 3261 §8.2.6), the ACK of a failure
//! (§17.1.1.3) and CANCEL (§9.1).

use std::net::SocketAddr;

use bytes::Bytes;

use super::fault::Fault;
use super::header::Header;
use super::index::{Line, Values};
use super::name_addr::NameAddr;
use super::phrase::reason_phrase;
use super::text::{Span, put_address, put_decimal, trim};
use super::via::ViaParts;
use super::view::Message;

/// A response under construction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    /// The status code, 100 to 699.
    pub status: u16,
    /// The reason phrase; `None` for the usual one.
    pub reason: Option<&'a str>,
    /// The tag for To, when the request has none. A 100 gets none (RFC 3261 §8.2.6.2).
    pub to_tag: Option<&'a str>,
    /// Where the request really came from: it is written into the topmost Via (RFC 3581 §4).
    pub source: Option<SocketAddr>,
    /// Further header lines.
    pub extra: &'a [(&'a str, &'a [u8])],
    /// The body and its type.
    pub body: Option<(&'a str, &'a [u8])>,
}

impl Reply<'_> {
    /// The response to that request.
    pub fn to(&self, request: &Message) -> Bytes {
        self.write(request.bytes(), request.lines(), Some(&request.found().via))
    }

    fn write(&self, bytes: &[u8], lines: &[Line], via: Option<&ViaParts>) -> Bytes {
        let body = self.body.map_or(&b""[..], |(_, body)| body);
        let mut to = Vec::with_capacity(bytes.len().min(2048) + 256 + body.len());
        to.extend_from_slice(b"SIP/2.0 ");
        put_decimal(&mut to, u64::from(self.status));
        put(&mut to, &[b" ", self.reason.unwrap_or(reason_phrase(self.status)).as_bytes(), b"\r\n"]);
        let mut vias = lines.iter().filter(|line| line.header == Header::Via);
        if let Some((line, via)) = via.and_then(|via| vias.next().map(|line| (line, via))) {
            put_top_via(&mut to, bytes, line, via, self.source);
        }
        vias.for_each(|line| put_line(&mut to, bytes, line));
        let first = |header: Header| lines.iter().find(move |line| line.header == header);
        if let Some(line) = first(Header::From) {
            put_line(&mut to, bytes, line);
        }
        if let Some(line) = first(Header::To) {
            self.put_to(&mut to, bytes, line);
        }
        for line in [Header::CallId, Header::CSeq].into_iter().filter_map(first) {
            put_line(&mut to, bytes, line);
        }
        let copied = match self.status {
            100 => Some(Header::Timestamp),
            101..300 => Some(Header::RecordRoute),
            _ => None,
        };
        lines
            .iter()
            .filter(|line| Some(line.header) == copied)
            .for_each(|line| put_line(&mut to, bytes, line));
        for (name, value) in self.extra {
            put(&mut to, &[name.as_bytes(), b": ", value, b"\r\n"]);
        }
        if let Some((kind, _)) = self.body {
            put(&mut to, &[b"Content-Type: ", kind.as_bytes(), b"\r\n"]);
        }
        to.extend_from_slice(b"Content-Length: ");
        put_decimal(&mut to, body.len() as u64);
        put(&mut to, &[b"\r\n\r\n", body]);
        Bytes::from(to)
    }

    fn put_to(&self, to: &mut Vec<u8>, bytes: &[u8], line: &Line) {
        let value = line.value.of(bytes);
        put(to, &[b"To: ", value]);
        let has_tag = NameAddr::parse(value).is_ok_and(|address| address.tag().is_some());
        if let Some(tag) = self.to_tag.filter(|_| self.status != 100 && !has_tag) {
            put(to, &[b";tag=", tag.as_bytes()]);
        }
        put(to, &[b"\r\n"]);
    }
}

/// The response with Via, From, To, Call-ID and CSeq of the request; Record-Route for 101 to 299, Timestamp
/// for 100. Who knows the source address uses [`Reply`].
pub fn response(
    request: &Message,
    status: u16,
    reason: Option<&str>,
    to_tag: Option<&str>,
    extra: &[(&str, &[u8])],
) -> Bytes {
    Reply { status, reason, to_tag, extra, ..Reply::default() }.to(request)
}

/// The answer to a refused request, made of what could be read of it; `None` when it is to be dropped.
pub fn fault_response(fault: &Fault) -> Option<Bytes> {
    fault_response_to(fault, None)
}

/// As [`fault_response`], with the real source address in the topmost Via where that could be read. The To
/// gets no tag of randomness: the answer is stateless, and the same request gets the same octets (RFC 3261
/// §8.2.7).
pub fn fault_response_to(fault: &Fault, source: Option<SocketAddr>) -> Option<Bytes> {
    let partial = fault.answerable.as_ref()?;
    let (bytes, lines) = (&partial.bytes, &partial.lines);
    let top = lines.iter().find(|line| line.header == Header::Via);
    let via = top.and_then(|line| Values::of(bytes, line.value).next()).and_then(|value| {
        ViaParts::parse(bytes, Span { start: value.range.start, end: value.range.end }).ok()
    });
    let reply = Reply { status: fault.status, to_tag: Some("refused"), source, ..Reply::default() };
    Some(reply.write(bytes, lines, via.as_ref()))
}

/// The ACK of a final response other than 2xx, for the INVITE as it was sent (RFC 3261 §17.1.1.3): same
/// Request-URI, only the topmost Via, the Route of the INVITE, To from the response.
pub fn ack_for(invite: &Message, response: &Message) -> Bytes {
    let to = response.header(Header::To).unwrap_or_default();
    beside(invite, b"ACK", to, None)
}

/// The CANCEL of the INVITE as it was sent (RFC 3261 §9.1), with a Reason when given (RFC 3326).
pub fn cancel_for(invite: &Message, reason: Option<&[u8]>) -> Bytes {
    let to = invite.header(Header::To).unwrap_or_default();
    beside(invite, b"CANCEL", to, reason)
}

/// A request of ours within the dialog that `response` to `invite` made: the ACK of a 2xx that nobody wants,
/// and the BYE after it (RFC 3261 §12.2.1.1, §13.2.2.4).
pub fn within_answer(
    invite: &Message,
    response: &Message,
    method: &str,
    cseq: u32,
    via: &str,
    request_uri: &[u8],
    routes: &[&[u8]],
) -> Bytes {
    let mut written = Vec::with_capacity(512);
    put(&mut written, &[method.as_bytes(), b" ", request_uri, b" SIP/2.0\r\n"]);
    put(&mut written, &[b"Via: ", via.as_bytes(), b"\r\n"]);
    for route in routes {
        put(&mut written, &[b"Route: ", route, b"\r\n"]);
    }
    put(&mut written, &[b"Max-Forwards: 70\r\nFrom: ", invite.header(Header::From).unwrap_or_default()]);
    put(&mut written, &[b"\r\nTo: ", response.header(Header::To).unwrap_or_default()]);
    put(&mut written, &[b"\r\nCall-ID: ", invite.call_id(), b"\r\nCSeq: ", cseq.to_string().as_bytes()]);
    put(&mut written, &[b" ", method.as_bytes(), b"\r\nContent-Length: 0\r\n\r\n"]);
    Bytes::from(written)
}

/// A request that goes the same way as the INVITE and bears the same branch.
fn beside(invite: &Message, method: &[u8], to: &[u8], reason: Option<&[u8]>) -> Bytes {
    let bytes = invite.bytes();
    let mut written = Vec::with_capacity(512);
    put(&mut written, &[method, b" ", invite.request_uri(), b" SIP/2.0\r\n"]);
    put(&mut written, &[b"Via: ", invite.top_via().as_bytes(), b"\r\n"]);
    for line in invite.lines_of(Header::Route) {
        put_line(&mut written, bytes, line);
    }
    put(&mut written, &[b"Max-Forwards: 70\r\nFrom: ", invite.header(Header::From).unwrap_or_default()]);
    put(&mut written, &[b"\r\nTo: ", to, b"\r\nCall-ID: ", invite.call_id()]);
    put(&mut written, &[b"\r\nCSeq: ", invite.cseq().to_string().as_bytes(), b" ", method, b"\r\n"]);
    if let Some(reason) = reason {
        put(&mut written, &[b"Reason: ", reason, b"\r\n"]);
    }
    put(&mut written, &[b"Content-Length: 0\r\n\r\n"]);
    Bytes::from(written)
}

/// The line of the topmost Via with the real source; nothing else of it changes.
fn put_top_via(to: &mut Vec<u8>, bytes: &[u8], line: &Line, via: &ViaParts, source: Option<SocketAddr>) {
    let Some(source) = source else { return put_line(to, bytes, line) };
    let mut at = line.start;
    let mut cuts =
        [via.received.map(|param| (param.whole, None)), via.rport.map(|param| (param.whole, Some(source)))];
    cuts.sort_by_key(|cut| cut.map(|(span, _)| span.start));
    for (span, port_of) in cuts.into_iter().flatten() {
        let kept = Span { start: at, end: span.start }.of(bytes);
        match port_of {
            Some(source) => {
                put(to, &[kept, b"rport="]);
                put_decimal(to, u64::from(source.port()));
            }
            None => put(to, &[trim_semicolon(kept)]),
        }
        at = span.end;
    }
    put(to, &[Span { start: at, end: via.whole.end }.of(bytes)]);
    to.extend_from_slice(b";received=");
    put_address(to, source.ip().to_canonical());
    put(to, &[Span { start: via.whole.end, end: line.value.end }.of(bytes), b"\r\n"]);
}

/// Without the semicolon that led to a parameter now gone.
fn trim_semicolon(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    trim(text.strip_suffix(b";").unwrap_or(text))
}

/// A line as it stands; its folds and its name with it. A line end that is LF alone becomes CRLF.
fn put_line(to: &mut Vec<u8>, bytes: &[u8], line: &Line) {
    if line.value.start == line.value.end {
        return put(to, &[line.name(bytes), b":\r\n"]);
    }
    put(to, &[Span { start: line.start, end: line.value.end }.of(bytes), b"\r\n"]);
}

fn put(to: &mut Vec<u8>, pieces: &[&[u8]]) {
    pieces.iter().for_each(|piece| to.extend_from_slice(piece));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Limits, Method};

    const INVITE: &str = "INVITE sip:b@h;x SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1;received=192.0.2.66 ;rport=1;branch=z9hG4bK1,\r\n \
        SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK0\r\n\
        v: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK00\r\nMax-Forwards: 70\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\n\
        Record-Route: <sip:r2;lr>\r\nRecord-Route: <sip:r1;lr>\r\nTimestamp: 54\r\n\
        From: \"A\" <sip:a@h>;tag=1\r\nt:\r\n <sip:b@h>\r\ni: x@h\r\nCSeq: 7 INVITE\r\n\
        Content-Length: 0\r\n\r\n";

    fn message(text: &str) -> Message {
        Message::parse(Bytes::from(text.to_owned()), &Limits::default()).unwrap()
    }

    fn text(bytes: &Bytes) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_line_without_a_value_is_copied_without_one() {
        let invite = INVITE.replace("v: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK00", "Via: \r\nv:\r\nVia : ");
        let ringing = text(&response(&message(&invite), 180, None, None, &[]));
        assert!(ringing.contains("z9hG4bK0\r\nVia:\r\nv:\r\nVia:\r\nFrom:"), "{ringing}");
    }

    #[test]
    fn a_response_copies_what_rfc3261_8_2_6_2_says() {
        let ringing = text(&response(&message(INVITE), 180, None, Some("t9"), &[("X-Y", b"z")]));
        assert_eq!(
            ringing,
            "SIP/2.0 180 Ringing\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;received=192.0.2.66 ;rport=1;branch=z9hG4bK1,\r\n \
             SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK0\r\nv: SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK00\r\n\
             From: \"A\" <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=t9\r\ni: x@h\r\nCSeq: 7 INVITE\r\n\
             Record-Route: <sip:r2;lr>\r\nRecord-Route: <sip:r1;lr>\r\nX-Y: z\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_100_has_the_timestamp_and_no_tag_and_a_failure_no_record_route() {
        let trying = text(&response(&message(INVITE), 100, None, Some("t9"), &[]));
        assert!(trying.contains("Timestamp: 54\r\n") && !trying.contains("t9"), "{trying}");
        let busy = text(&response(&message(INVITE), 486, Some("Busy"), Some("t9"), &[]));
        assert!(busy.starts_with("SIP/2.0 486 Busy\r\n") && !busy.contains("Record-Route"), "{busy}");
        assert!(!busy.contains("Timestamp"), "{busy}");
    }

    #[test]
    fn a_tag_that_is_there_stays() {
        let request = message(&INVITE.replace("<sip:b@h>", "<sip:b@h>;tag=theirs"));
        let answer = message(&text(&response(&request, 200, None, Some("ours"), &[])));
        assert_eq!(answer.to_tag(), Some(&b"theirs"[..]));
    }

    #[test]
    fn n29_the_topmost_via_tells_the_real_source() {
        let source = "198.51.100.9:40000".parse().ok();
        let answer = Reply { status: 500, source, ..Reply::default() }.to(&message(INVITE));
        let answer = text(&answer);
        assert!(
            answer.contains(
                "UDP 192.0.2.1 ;rport=40000;branch=z9hG4bK1;received=198.51.100.9,\r\n SIP/2.0/TCP"
            ),
            "{answer}"
        );
        let request = message(
            &INVITE.replace(";received=192.0.2.66 ;rport=1;branch=z9hG4bK1", ";rport;received=192.0.2.66"),
        );
        let answer = text(&Reply { status: 500, source, ..Reply::default() }.to(&request));
        assert!(answer.contains("192.0.2.1;rport=40000;received=198.51.100.9,"), "{answer}");
    }

    #[test]
    fn a_body_brings_its_type_and_length() {
        let request = message(INVITE);
        let reply = Reply { status: 183, body: Some(("application/sdp", b"v=0\r\n")), ..Reply::default() };
        let answer = message(&text(&reply.to(&request)));
        assert_eq!(answer.body(), b"v=0\r\n");
        assert_eq!(answer.header(Header::ContentType), Some(&b"application/sdp"[..]));
    }

    #[test]
    fn the_ack_of_a_failure_goes_the_way_of_its_invite() {
        let invite = message(INVITE);
        let failure = message(&text(&response(&invite, 486, None, Some("t9"), &[])));
        assert_eq!(
            text(&ack_for(&invite, &failure)),
            "ACK sip:b@h;x SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;received=192.0.2.66 ;rport=1;branch=z9hG4bK1\r\n\
             Route: <sip:p1;lr>, <sip:p2;lr>\r\nMax-Forwards: 70\r\nFrom: \"A\" <sip:a@h>;tag=1\r\n\
             To: <sip:b@h>;tag=t9\r\nCall-ID: x@h\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_cancel_bears_the_branch_of_its_invite_and_a_reason() {
        let invite = message(INVITE);
        let reason = &b"SIP;cause=200;text=\"Call completed elsewhere\""[..];
        let cancel = message(&text(&cancel_for(&invite, Some(reason))));
        assert_eq!((cancel.method(), cancel.cseq()), (Method::Cancel, 7));
        assert_eq!(cancel.top_via().branch(), invite.top_via().branch());
        assert_eq!(cancel.values(Header::Via).count(), 1);
        assert_eq!(cancel.to_tag(), None);
        assert_eq!(cancel.header(Header::Reason), Some(reason));
    }

    #[test]
    fn a_fault_is_answered_unless_it_is_of_an_ack_a_response_or_rubbish() {
        let refused = |text: &str| {
            Message::parse(Bytes::from(text.to_owned()), &Limits::default())
                .err()
                .and_then(|fault| fault_response(&fault))
        };
        let bad = INVITE.replace("CSeq: 7", "CSeq: x");
        let answer = text(&refused(&bad).unwrap());
        assert!(answer.starts_with("SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1;"), "{answer}");
        assert!(answer.contains("To: <sip:b@h>;tag=refused\r\n"), "{answer}");
        assert!(refused(&bad.replace("INVITE", "ACK")).is_none());
        assert!(refused(&bad.replace("INVITE sip:b@h;x SIP/2.0", "SIP/2.0 200 OK")).is_none());
        assert!(refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_none());
        assert!(refused("\r\n\r\n").is_none());
        assert!(refused("").is_none());
    }
}
