//! What must hold before anybody looks at a message (RFC 3261 §16.3 item 1, §18.3, §8.1.1).

use bytes::{Buf, Bytes};

use super::fault::{Fault, Flaw};
use super::header::{Header, Method};
use super::index::{Head, Line, Values, split_head};
use super::name_addr::{NameAddr, Tags};
use super::start_line::{self, StartLine};
use super::text::{self, Span, decimal, is_lws, offset, skip_lws, trim};
use super::via::{Via, ViaParts};
use super::view::{Limits, Message};

/// Reads a datagram or a framed stream message.
pub(super) fn parse(mut bytes: Bytes, limits: &Limits) -> Result<Message, Fault> {
    // RFC 3261 §7.5: line ends before the start line are keep-alives.
    let lead = bytes.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    bytes.advance(lead);
    if bytes.is_empty() {
        return Err(Fault::silent("nothing but line ends"));
    }
    if u32::try_from(bytes.len()).is_err() {
        return Err(Fault::silent("a message beyond all limits"));
    }
    let head = split_head(&bytes, limits.headers);
    if bytes.len() > limits.message_bytes {
        return Err(Fault::of(Flaw { status: 513, what: "a message over the limit" }, bytes, head));
    }
    match read(&bytes, &head) {
        Err(flaw) => Err(Fault::of(flaw, bytes, head)),
        Ok(found) => {
            // RFC 3261 §18.3: what a datagram holds beyond the body is discarded.
            bytes.truncate(found.end as usize);
            Ok(Message::new(bytes, head, found))
        }
    }
}

/// What was looked at while checking, so that nobody reads it twice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) start: StartLine,
    pub(super) method: Method,
    pub(super) via: ViaParts,
    pub(super) call_id: Span,
    pub(super) cseq: u32,
    pub(super) cseq_method: Span,
    pub(super) from_tag: Option<Span>,
    pub(super) to_tag: Option<Span>,
    pub(super) max_forwards: Option<u8>,
    /// Which headers there are.
    pub(super) headers: Headers,
    /// The end of the body.
    pub(super) end: u32,
}

/// A set of headers; what has no name of ours is in none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Headers(u64);

impl Headers {
    fn note(&mut self, header: Header) {
        self.0 |= Self::bit(header);
    }

    pub(super) fn has(self, header: Header) -> bool {
        self.0 & Self::bit(header) != 0
    }

    const fn bit(header: Header) -> u64 {
        const { assert!((Header::Other as usize) < 64, "one bit for each header we know") };
        if matches!(header, Header::Other) { 0 } else { 1 << header as u64 }
    }
}

/// The headers that may come only once and that we, or the framing, read.
const ONCE: [Header; 7] = [
    Header::From,
    Header::To,
    Header::CallId,
    Header::CSeq,
    Header::MaxForwards,
    Header::ContentLength,
    Header::ContentType,
];

/// The place of each header in [`ONCE`]; that of the others is beyond it.
const PLACE_ONCE: [u8; Header::Other as usize + 1] = {
    let mut places = [u8::MAX; Header::Other as usize + 1];
    let mut place = 0;
    while place < ONCE.len() {
        places[ONCE[place] as usize] = place as u8;
        place += 1;
    }
    places
};

fn read(bytes: &[u8], head: &Head) -> Result<Found, Flaw> {
    let start = start_line::read(bytes, head.start_line)?;
    if let Some(what) = head.flaw {
        return Err(Flaw::bad_request(what));
    }
    let (headers, [from, to, call_id_line, cseq_line, max_forwards_line, length, _]) = once(&head.lines)?;
    let via = top_via(bytes, head.lines.iter().find(|line| line.header == Header::Via))?;
    let call_id = call_id(bytes, call_id_line)?;
    let (cseq, cseq_method) = cseq(bytes, cseq_line)?;
    let from_tag = tag(bytes, from, "no From")?;
    let to_tag = tag(bytes, to, "no To")?;
    let mut found = Found {
        start,
        method: Method::of(cseq_method.of(bytes)),
        via,
        call_id,
        cseq,
        cseq_method,
        from_tag,
        to_tag,
        max_forwards: None,
        headers,
        end: body_end(bytes, head, length)?,
    };
    if let StartLine::Request { method, name, .. } = start {
        found.method = method;
        check_request(bytes, head, &found, name)?;
        found.max_forwards = max_forwards_line.map(|line| max_forwards(bytes, line)).transpose()?;
    }
    Ok(found)
}

/// Of two headers that may come once, neither is picked (RFC 3261 §7.3.1).
fn once(lines: &[Line]) -> Result<(Headers, [Option<&Line>; ONCE.len()]), Flaw> {
    let mut found = [None; ONCE.len()];
    let mut headers = Headers::default();
    for line in lines {
        headers.note(line.header);
        if let Some(place) = found.get_mut(usize::from(PLACE_ONCE[line.header as usize]))
            && place.replace(line).is_some()
        {
            return Err(Flaw::bad_request("a doubled header that may come once"));
        }
    }
    Ok((headers, found))
}

fn top_via(bytes: &[u8], line: Option<&Line>) -> Result<ViaParts, Flaw> {
    let line = line.ok_or(Flaw::bad_request("no Via"))?;
    // Mostly there is one value, and a comma would not be read as a part of it.
    if let Ok(parts) = ViaParts::parse(bytes, line.value) {
        return Ok(parts);
    }
    let value = Values::of(bytes, line.value).next().ok_or(Flaw::bad_request("an empty Via"))?;
    let span = Span { start: value.range.start, end: value.range.end };
    ViaParts::parse(bytes, span).map_err(|malformed| Flaw::bad_request(malformed.0))
}

/// Words without white space or control characters; more is not asked, as Call-IDs are compared and copied
/// only.
fn call_id(bytes: &[u8], line: Option<&Line>) -> Result<Span, Flaw> {
    let span = line.ok_or(Flaw::bad_request("no Call-ID"))?.value;
    let text = span.of(bytes);
    if text.is_empty() || text.iter().any(|octet| *octet <= b' ' || *octet == 0x7f) {
        return Err(Flaw::bad_request("a malformed Call-ID"));
    }
    Ok(span)
}

/// RFC 3261 §20.16: a number of 32 bits, white space, a method.
fn cseq(bytes: &[u8], line: Option<&Line>) -> Result<(u32, Span), Flaw> {
    let span = line.ok_or(Flaw::bad_request("no CSeq"))?.value;
    let text = span.of(bytes);
    let digits_end = text.iter().position(|octet| is_lws(*octet)).unwrap_or(text.len());
    let number = decimal(&text[..digits_end]).and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or(Flaw::bad_request("a CSeq number out of range"))?;
    let method_at = skip_lws(text, digits_end);
    if !text::all_token(&text[method_at..]) {
        return Err(Flaw::bad_request("a CSeq without method"));
    }
    Ok((number, Span { start: span.start + offset(method_at), end: span.end }))
}

fn tag(bytes: &[u8], line: Option<&Line>, missing: &'static str) -> Result<Option<Span>, Flaw> {
    let span = line.ok_or(Flaw::bad_request(missing))?.value;
    let tags = NameAddr::tags(span.of(bytes)).map_err(|malformed| Flaw::bad_request(malformed.0))?;
    // Who reads the first of two tags, and who the last, would not speak of the same dialog; and a response
    // could not be given a tag behind one that is empty.
    match tags {
        Tags::None => Ok(None),
        Tags::One(tag) => Ok(Some(Span::within(bytes, tag))),
        Tags::Unusable => Err(Flaw::bad_request("a tag that is no word, or doubled")),
    }
}

/// RFC 3261 §20.22.
fn max_forwards(bytes: &[u8], line: &Line) -> Result<u8, Flaw> {
    decimal(line.value.of(bytes))
        .and_then(|number| u8::try_from(number).ok())
        .ok_or(Flaw::bad_request("Max-Forwards out of range"))
}

/// RFC 3261 §18.3: without Content-Length the body is the rest; a body shorter than it says is no message.
fn body_end(bytes: &[u8], head: &Head, line: Option<&Line>) -> Result<u32, Flaw> {
    let Some(line) = line else { return Ok(offset(bytes.len())) };
    let length = decimal(line.value.of(bytes)).and_then(|length| u32::try_from(length).ok());
    let length = length.ok_or(Flaw::bad_request("a malformed Content-Length"))?;
    let end = head.body_at.checked_add(length).filter(|end| *end as usize <= bytes.len());
    end.ok_or(Flaw::bad_request("a body shorter than Content-Length"))
}

/// What holds for requests only: a response is not refused for what its receiver may not mind.
fn check_request(bytes: &[u8], head: &Head, found: &Found, name: Span) -> Result<(), Flaw> {
    if found.cseq_method.of(bytes) != name.of(bytes) {
        // RFC 4475 §3.1.2.18: of a method we do not know, the method is what we refuse.
        let status = if found.method == Method::Other { 501 } else { 400 };
        return Err(Flaw { status, what: "a CSeq method that is not the request's" });
    }
    if Via::of(bytes, found.via).has_bare_cookie() {
        return Err(Flaw::bad_request("a Via branch that is the cookie alone"));
    }
    for line in head.lines.iter().filter(|line| line.header == Header::Contact) {
        for value in Values::of(bytes, line.value) {
            if trim(value.bytes) != b"*" {
                NameAddr::parse(value.bytes).map_err(|malformed| Flaw::bad_request(malformed.0))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::message::{Edit, Kind, Uri, fault_response_to};

    const INVITE: &str = "INVITE sip:0312345678@203.0.113.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
        From: \"A, B\" <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x@h\r\nContact: <sip:a@192.0.2.1>\r\n\
        CSeq: 1 INVITE\r\nContent-Length: 4\r\n\r\nv=0\n";

    fn verdict(text: impl Into<Vec<u8>>) -> Result<Message, u16> {
        Message::parse(Bytes::from(text.into()), &Limits::default()).map_err(|fault| fault.status)
    }

    #[test]
    fn what_a_plain_invite_says_is_read() {
        let message = verdict(INVITE).unwrap();
        assert_eq!((message.kind(), message.method()), (Kind::Request, Method::Invite));
        assert_eq!(message.request_uri(), b"sip:0312345678@203.0.113.1");
        assert_eq!(message.call_id(), b"x@h");
        assert_eq!((message.from_tag(), message.to_tag()), (Some(&b"1"[..]), None));
        assert_eq!(message.max_forwards(), Some(70));
        assert_eq!(message.body(), b"v=0\n");
        assert_eq!(message.bytes(), INVITE.as_bytes());
    }

    #[test]
    fn commas_between_vias_as_sipp_writes_them_are_read() {
        let text = INVITE
            .replace("INVITE sip:0312345678@203.0.113.1 SIP/2.0", "SIP/2.0 200 OK")
            .replace(";rport\r\n", ";rport=5, SIP/2.0/UDP 192.0.2.9:5061;branch=z9hG4bK-7-1-0\r\n");
        let message = verdict(text).unwrap();
        assert_eq!((message.status(), message.method()), (Some(200), Method::Invite));
        assert_eq!(message.top_via().branch(), Some(&b"z9hG4bK1"[..]));
        assert_eq!(message.top_via().rport(), Some(Some(5)));
        assert_eq!(message.values(Header::Via).count(), 2);
        let mut edit = Edit::of(&message);
        edit.remove_top(Header::Via);
        let below = Message::parse(edit.finish(), &Limits::default()).unwrap();
        assert_eq!(below.top_via().as_bytes(), b"SIP/2.0/UDP 192.0.2.9:5061;branch=z9hG4bK-7-1-0");
    }

    #[test]
    fn every_flaw_has_its_status() {
        for (from, to, status) in [
            ("Max-Forwards: 70", "Max-Forwards: 256", 400),
            ("Max-Forwards: 70", "Max-Forwards: -1", 400),
            ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70", 400),
            ("Call-ID: x@h\r\n", "", 400),
            ("Call-ID: x@h", "Call-ID:", 400),
            ("Call-ID: x@h", "Call-ID: x\r\n y", 400),
            ("Call-ID: x@h", "Call-ID: x@h\r\ni: x@h", 400),
            ("From:", "X-From:", 400),
            ("tag=1", "tag=1;tag=1", 400),
            ("tag=1", "tag", 400),
            ("tag=1", "tag=1\u{5}y=\"z;[\"", 400),
            ("To: <sip:b@h>", "To: <sip:b@h>;tag", 400),
            ("To: <sip:b@h>", "To: <sip:b@h>;TAG=", 400),
            ("To:", "X-To:", 400),
            ("Via:", "X-Via:", 400),
            ("CSeq: 1 INVITE\r\n", "", 400),
            ("CSeq: 1 INVITE", "CSeq: 4294967296 INVITE", 400),
            ("CSeq: 1 INVITE", "CSeq: 1", 400),
            ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
            ("INVITE sip", "invite sip", 501),
            ("SIP/2.0\r\nVia", "SIP/2.1\r\nVia", 505),
            ("Content-Length: 4", "Content-Length: 5", 400),
            ("Content-Length: 4", "Content-Length: +4", 400),
            ("Content-Length: 4", "Content-Length: 0x4", 400),
            ("Content-Length: 4", "Content-Length: 18446744073709551620", 400),
            ("Content-Length: 4", "Content-Length: 4\r\nl: 4", 400),
            ("Contact: <sip:a@192.0.2.1>", "Contact: sip:a@h?Route=x", 400),
            ("Contact: <sip:a@192.0.2.1>", "Contact: \"a <sip:a@h>", 400),
            ("branch=z9hG4bK1;", "branch=z9hG4bK;", 400),
        ] {
            assert!(INVITE.contains(from), "{from}");
            assert_eq!(verdict(INVITE.replace(from, to)).err(), Some(status), "{to}");
        }
    }

    #[test]
    fn what_is_odd_but_clear_is_read() {
        for (from, to) in [
            ("Contact: <sip:a@192.0.2.1>", "Contact: *"),
            ("Contact: <sip:a@192.0.2.1>", "m: <sip:a@h>;expires=5, \"b\" <sip:b@h>;;"),
            ("CSeq: 1 INVITE", "cseq:\r\n 0001\r\n\tINVITE"),
            ("CSeq: 1 INVITE", "CSeq: 4294967295 INVITE"),
            ("Content-Length: 4", "Content-Length :\t 004 "),
            ("Content-Length: 4\r\n", ""),
            ("Max-Forwards: 70\r\n", ""),
            ("branch=z9hG4bK1;", ""),
            ("\r\n", "\n"),
            ("INVITE sip:", "\r\n\r\nINVITE sip:"),
        ] {
            assert!(verdict(INVITE.replace(from, to)).is_ok(), "{to}");
        }
    }

    #[test]
    fn what_a_datagram_holds_behind_the_body_is_cut_off() {
        let message = verdict(format!("{INVITE}{INVITE}")).unwrap();
        assert_eq!(message.bytes(), INVITE.as_bytes());
    }

    #[test]
    fn n37_limits_are_kept() {
        let limits = Limits { message_bytes: INVITE.len(), headers: 8 };
        let parse =
            |text: String| Message::parse(Bytes::from(text), &limits).map_err(|fault| fault.status).err();
        assert_eq!(parse(INVITE.to_owned()), None);
        assert_eq!(parse(INVITE.replace("x@h", "xx@h")), Some(513));
        assert_eq!(parse(INVITE.replace("tag=1", "t").replace("CSeq", "X:\r\nCSeq")), Some(400));
        let many = INVITE.replace("CSeq", &format!("{}CSeq", "Via: SIP/2.0/UDP h\r\n".repeat(250)));
        assert_eq!(verdict(many).err(), Some(400));
    }

    /// The time this thread has had, whatever else the machine does.
    fn worked() -> Duration {
        let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
        time.map(Duration::from).expect("every thread has such a clock")
    }

    /// The quickest of several readings.
    fn quickest(text: &str) -> Duration {
        let bytes = Bytes::from(text.to_owned());
        let read = || {
            let begin = worked();
            let message = Message::parse(bytes.clone(), &Limits { message_bytes: 1 << 20, headers: 1 << 16 });
            if let Ok(message) = message {
                for name in [Header::Via, Header::Contact, Header::Route, Header::Subject] {
                    assert!(message.values(name).count() <= text.len());
                }
                let mut edit = Edit::of(&message);
                edit.remove_top(Header::Route);
                assert!(!edit.finish().is_empty());
            }
            worked() - begin
        };
        (0..5).map(|_| read()).min().unwrap_or_default()
    }

    #[test]
    fn n38_time_is_linear_in_the_length() {
        for unit in [
            ";", "\"", ",", "%", "<", "\\", "\"\\", ";a=\"", " ", "\r\n ", "a:", "<sip:a>,", "\"a\" ", "[",
            "\r\nX:",
        ] {
            for place in [
                "Route: R",
                "Contact: <sip:a@h>R",
                "From: R<sip:a@h>;tag=1",
                "Via: SIP/2.0/UDP hR",
                "Call-ID: R",
            ] {
                let of = |kilobytes: usize| {
                    let line = place.replacen('R', &unit.repeat((kilobytes << 10) / unit.len()), 1);
                    let name = &line[..line.find(':').unwrap()];
                    let head =
                        INVITE.lines().filter(|l| !l.starts_with(name)).collect::<Vec<_>>().join("\r\n");
                    quickest(&head.replacen("\r\nMax", &format!("\r\n{line}\r\nMax"), 1))
                };
                // Sixteen times the length; quadratic would be 256 times. A busy machine gets more tries.
                let is_linear = || of(64) <= of(4) * 48 + Duration::from_micros(200);
                assert!((0..10).any(|_| is_linear()), "{unit:?} in {place:?}");
            }
        }
    }

    /// Reads everything there is to read; whatever it says, it must not panic.
    fn exercise(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        assert!(Uri::parse(&bytes).is_ok() || Via::parse(&bytes).is_err());
        match Message::parse(bytes, &Limits::default()) {
            Err(fault) => {
                if let Some(answer) = fault_response_to(&fault, "192.0.2.1:5".parse().ok()) {
                    assert!(answer.starts_with(b"SIP/2.0 "));
                }
            }
            Ok(message) => {
                let source = "192.0.2.1:5".parse().ok();
                assert!(message.all_headers().count() >= 5);
                let mut edit = Edit::of(&message);
                edit.top_via_params("192.0.2.1".parse().ok(), Some(5));
                edit.remove_top(Header::Route);
                edit.remove_top(Header::Via);
                edit.set(Header::MaxForwards, b"1");
                assert!(edit.finish().ends_with(message.body()));
                let reply = crate::message::Reply { status: 500, source, ..Default::default() };
                assert!(reply.to(&message).starts_with(b"SIP/2.0 500 "));
            }
        }
    }

    proptest! {
        #[test]
        fn a_via_that_is_read_as_one_value_is_the_first_of_its_line(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "SIP/2.0/UDP h", "SIP/2.0/TCP [2001:db8::1]", ":5060", ";branch=z9hG4bK1", ";rport",
                    ";x=\"a,b\"",
                    ";x=\"", "\"", ",", " ", "<", ">", ";maddr=1.2.3.4", "a",
                ]),
                1..7,
            ),
        ) {
            let text = pieces.concat();
            let line = text::trim_span(text.as_bytes(), Span::new(0, text.len()));
            if let Ok(parts) = ViaParts::parse(text.as_bytes(), line) {
                let first = Values::of(text.as_bytes(), line).next().unwrap();
                prop_assert_eq!((first.range, parts.whole), (line.range(), line));
            }
        }

        #[test]
        fn n44_no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            exercise(bytes);
        }

        #[test]
        fn n44_no_mutation_of_an_invite_makes_it_panic(
            changes in proptest::collection::vec((0_usize..400, prop_oneof![
                any::<u8>(),
                proptest::sample::select(b" \t\r\n;,:<>\"\\@[]=%/.*\0".to_vec()),
            ]), 1..6),
            cut in 0_usize..400,
            insert in any::<bool>(),
        ) {
            let mut bytes = INVITE.as_bytes().to_vec();
            for (at, octet) in changes {
                let at = at % bytes.len();
                if insert { bytes.insert(at, octet) } else { bytes[at] = octet }
            }
            exercise(bytes.clone());
            bytes.truncate(cut);
            exercise(bytes);
        }
    }
}
