//! What must hold before anybody looks at a message (RFC 3261 §16.3 item 1, §18.3, §8.1.1).

use bytes::{Buf, Bytes};

use super::fault::{Fault, Flaw};
use super::header::{Header, Method};
use super::index::{Head, Line, Values, split_head};
use super::name_addr::NameAddr;
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
    /// The end of the body.
    pub(super) end: u32,
}

/// The first line of each header that must be there or may come only once.
#[derive(Default)]
struct Firsts {
    via: Option<Line>,
    from: Option<Line>,
    to: Option<Line>,
    call_id: Option<Line>,
    cseq: Option<Line>,
    max_forwards: Option<Line>,
    content_length: Option<Line>,
    content_type: Option<Line>,
}

fn read(bytes: &[u8], head: &Head) -> Result<Found, Flaw> {
    let start = start_line::read(bytes, head.start_line)?;
    if let Some(what) = head.flaw {
        return Err(Flaw::bad_request(what));
    }
    let firsts = Firsts::of(&head.lines)?;
    let via = top_via(bytes, firsts.via)?;
    let call_id = call_id(bytes, firsts.call_id)?;
    let (cseq, cseq_method) = cseq(bytes, firsts.cseq)?;
    let from_tag = tag(bytes, firsts.from, "no From")?;
    let to_tag = tag(bytes, firsts.to, "no To")?;
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
        end: body_end(bytes, head, firsts.content_length)?,
    };
    if let StartLine::Request { method, name, .. } = start {
        found.method = method;
        check_request(bytes, head, &found, name)?;
        found.max_forwards = firsts.max_forwards.map(|line| max_forwards(bytes, &line)).transpose()?;
    }
    Ok(found)
}

impl Firsts {
    /// RFC 3261 §7.3.1: of two headers that may come once, neither is picked.
    fn of(lines: &[Line]) -> Result<Self, Flaw> {
        let mut firsts = Self::default();
        for line in lines {
            let slot = match line.header {
                Header::Via => {
                    firsts.via.get_or_insert(*line);
                    continue;
                }
                Header::From => &mut firsts.from,
                Header::To => &mut firsts.to,
                Header::CallId => &mut firsts.call_id,
                Header::CSeq => &mut firsts.cseq,
                Header::MaxForwards => &mut firsts.max_forwards,
                Header::ContentLength => &mut firsts.content_length,
                Header::ContentType => &mut firsts.content_type,
                _other_header_may_repeat => continue,
            };
            if slot.replace(*line).is_some() {
                return Err(Flaw::bad_request("a doubled header that may come once"));
            }
        }
        Ok(firsts)
    }
}

fn top_via(bytes: &[u8], line: Option<Line>) -> Result<ViaParts, Flaw> {
    let line = line.ok_or(Flaw::bad_request("no Via"))?;
    let value = Values::of(bytes, line.value).next().ok_or(Flaw::bad_request("an empty Via"))?;
    let span = Span { start: value.range.start, end: value.range.end };
    ViaParts::parse(bytes, span).map_err(|malformed| Flaw::bad_request(malformed.0))
}

/// Words without white space or control characters; more is not asked, as Call-IDs are compared and copied only.
fn call_id(bytes: &[u8], line: Option<Line>) -> Result<Span, Flaw> {
    let span = line.ok_or(Flaw::bad_request("no Call-ID"))?.value;
    let text = span.of(bytes);
    if text.is_empty() || text.iter().any(|octet| *octet <= b' ' || *octet == 0x7f) {
        return Err(Flaw::bad_request("a malformed Call-ID"));
    }
    Ok(span)
}

/// RFC 3261 §20.16: a number of 32 bits, white space, a method.
fn cseq(bytes: &[u8], line: Option<Line>) -> Result<(u32, Span), Flaw> {
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

fn tag(bytes: &[u8], line: Option<Line>, missing: &'static str) -> Result<Option<Span>, Flaw> {
    let span = line.ok_or(Flaw::bad_request(missing))?.value;
    let address = NameAddr::parse(span.of(bytes)).map_err(|malformed| Flaw::bad_request(malformed.0))?;
    Ok(address.tag().map(|tag| span_within(bytes, tag)))
}

/// Where a slice of the message stands in it.
fn span_within(bytes: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    Span::new(start, start + part.len())
}

/// RFC 3261 §20.22.
fn max_forwards(bytes: &[u8], line: &Line) -> Result<u8, Flaw> {
    decimal(line.value.of(bytes))
        .and_then(|number| u8::try_from(number).ok())
        .ok_or(Flaw::bad_request("Max-Forwards out of range"))
}

/// RFC 3261 §18.3: without Content-Length the body is the rest; a body shorter than it says is no message.
fn body_end(bytes: &[u8], head: &Head, line: Option<Line>) -> Result<u32, Flaw> {
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
