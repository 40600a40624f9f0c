//! A parsed message as everyone reads it.

use std::net::IpAddr;

use bytes::Bytes;

use super::edit::Edit;
use super::fault::Fault;
use super::header::{Header, Method, long_name};
use super::index::{Head, Line, Value, Values};
use super::parse::{self, Found};
use super::stamp;
use super::start_line::StartLine;
use super::text::Span;
use super::uri::Uri;
use super::via::Via;

/// What is accepted at most (`[sip.limits]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a message; a longer one is refused with 513.
    pub message_bytes: usize,
    /// Header lines; more are refused with 400.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes: 65_535, headers: 256 }
    }
}

/// Request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request.
    Request,
    /// A response.
    Response,
}

/// A parsed message: the octets as received and an index of their ranges. No header text is copied; parsing
/// allocates the index and nothing else.
#[derive(Clone, Debug)]
pub struct Message {
    pub(super) bytes: Bytes,
    pub(super) lines: Vec<Line>,
    pub(super) headers_at: u32,
    pub(super) headers_end: u32,
    pub(super) body_at: u32,
    pub(super) found: Found,
}

impl Message {
    /// Reads a datagram or a framed stream message. Line ends before it and octets behind the body
    /// Content-Length tells of are cut off.
    ///
    /// # Errors
    ///
    /// A [`Fault`] for what RFC 3261 §16.3 item 1 has a proxy refuse; RFC 4475 lists the cases.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, Fault> {
        parse::parse(bytes, limits)
    }

    pub(super) fn new(bytes: Bytes, head: Head, found: Found) -> Self {
        let Head { lines, headers_at, headers_end, body_at, .. } = head;
        Self { bytes, lines, headers_at, headers_end, body_at, found }
    }

    /// The message with the real source in its topmost Via, as [`super::Edit::top_via_params`] writes it;
    /// `None` when it is beyond the limits then. Where nothing was claimed, the places in the index move and
    /// the message is not read a second time.
    pub fn stamped(self, received: IpAddr, rport: Option<u16>, limits: &Limits) -> Option<Self> {
        if let Some(line) = stamp::line_to_stamp(&self, rport) {
            let stamped = stamp::stamped(self, line, received, rport);
            return (stamped.bytes.len() <= limits.message_bytes).then_some(stamped);
        }
        let mut edit = Edit::of(&self);
        edit.top_via_params(Some(received), rport);
        Self::parse(edit.finish(), limits).ok()
    }

    /// The octets of the message.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Request or response.
    pub fn kind(&self) -> Kind {
        match self.found.start {
            StartLine::Request { .. } => Kind::Request,
            StartLine::Response { .. } => Kind::Response,
        }
    }

    /// The request's method; for a response, that of its CSeq.
    pub fn method(&self) -> Method {
        self.found.method
    }

    /// The method as written.
    pub fn method_bytes(&self) -> &[u8] {
        match self.found.start {
            StartLine::Request { name, .. } => name.of(&self.bytes),
            StartLine::Response { .. } => self.found.cseq_method.of(&self.bytes),
        }
    }

    /// The status code of a response, 100 to 699.
    pub fn status(&self) -> Option<u16> {
        match self.found.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response, as written; empty for a request.
    pub fn reason(&self) -> &[u8] {
        match self.found.start {
            StartLine::Request { .. } => b"",
            StartLine::Response { reason, .. } => reason.of(&self.bytes),
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn request_uri(&self) -> &[u8] {
        self.request_uri_span().of(&self.bytes)
    }

    /// The Request-URI, which was read with the message; `None` for a response.
    pub fn uri(&self) -> Option<Uri<'_>> {
        match self.found.start {
            StartLine::Request { parts, .. } => Some(parts.uri(&self.bytes)),
            StartLine::Response { .. } => None,
        }
    }

    /// The branches of all Vias that have one and can be read, topmost first.
    pub fn branches(&self) -> impl Iterator<Item = &[u8]> {
        let below = self.values(Header::Via).skip(1).filter_map(|value| Via::parse(value.bytes).ok());
        std::iter::once(self.top_via()).chain(below).filter_map(|via| via.branch())
    }

    /// The value of the first line of that header, without outer white space; folds stay. `None` for
    /// `Header::Other`.
    pub fn header(&self, name: Header) -> Option<&[u8]> {
        self.lines_of(name).next().map(|line| line.value.of(&self.bytes))
    }

    /// The value of each line of that header.
    pub fn headers(&self, name: Header) -> impl Iterator<Item = &[u8]> {
        self.lines_of(name).map(|line| line.value.of(&self.bytes))
    }

    /// Each value of that header, through all its lines, split at commas outside quotes and `<>`.
    pub fn values(&self, name: Header) -> impl Iterator<Item = Value<'_>> {
        self.lines_of(name).flat_map(|line| Values::of(&self.bytes, line.value))
    }

    /// The value of the first line of the header of that name, long or compact, in any case.
    pub fn header_named(&self, name: &[u8]) -> Option<&[u8]> {
        let known = Header::of(name);
        if known != Header::Other {
            return self.header(known);
        }
        let wanted = long_name(name);
        let is_it = |line: &&Line| {
            line.header == Header::Other && long_name(line.name(&self.bytes)).eq_ignore_ascii_case(wanted)
        };
        self.lines.iter().find(is_it).map(|line| line.value.of(&self.bytes))
    }

    /// Name and value of each header line, in order; names as written.
    pub fn all_headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (line.name(&self.bytes), line.value.of(&self.bytes)))
    }

    /// The topmost Via.
    pub fn top_via(&self) -> Via<'_> {
        Via::of(&self.bytes, self.found.via)
    }

    /// The Call-ID.
    pub fn call_id(&self) -> &[u8] {
        self.found.call_id.of(&self.bytes)
    }

    /// The number of the CSeq.
    pub fn cseq(&self) -> u32 {
        self.found.cseq
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<&[u8]> {
        self.found.from_tag.map(|span| span.of(&self.bytes))
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<&[u8]> {
        self.found.to_tag.map(|span| span.of(&self.bytes))
    }

    /// Max-Forwards of a request.
    pub fn max_forwards(&self) -> Option<u8> {
        self.found.max_forwards
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body_at as usize..]
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn lines_of(&self, name: Header) -> impl Iterator<Item = &Line> {
        // Half of what is asked for is not there.
        let lines = if self.found.headers.has(name) { self.lines.as_slice() } else { &[] };
        lines.iter().filter(move |line| line.header == name)
    }

    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    pub(super) fn request_uri_span(&self) -> Span {
        match self.found.start {
            StartLine::Request { uri, .. } => uri,
            StartLine::Response { .. } => Span::default(),
        }
    }

    /// The first octet of the first header, and the blank line behind the last.
    pub(super) fn headers_span(&self) -> Span {
        Span { start: self.headers_at, end: self.headers_end }
    }
}
