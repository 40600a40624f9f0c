//! Edits of single headers, written once; every octet not edited stays as received (RFC 3261 §16.6, §16.7).

use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;

use super::header::Header;
use super::index::{Line, Value, Values};
use super::text::Span;
use super::view::Message;

/// Edits collected on a message. They are made on the message as received, in any order; none sees another's result,
/// except that [`Edit::remove_top`] counts on and that what was removed cannot be edited again.
#[derive(Clone, Debug)]
pub struct Edit<'m> {
    message: &'m Message,
    changes: Vec<Change>,
    /// The new text of all changes, one behind the other.
    texts: Vec<u8>,
    made: i32,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    /// What goes; empty for an insertion.
    span: Span,
    /// Among changes at one place: smaller first. Lines pushed to the front are negative.
    rank: i32,
    /// What comes instead, in `texts`.
    text: Span,
}

/// A Via stands above everything else pushed to the front.
const VIA_RANK: i32 = -1_000_000;

impl<'m> Edit<'m> {
    /// No edit yet.
    pub fn of(message: &'m Message) -> Self {
        Self { message, changes: Vec::with_capacity(8), texts: Vec::with_capacity(256), made: 0 }
    }

    /// Replaces the Request-URI; a response has none and stays as it is.
    pub fn request_uri(&mut self, uri: &[u8]) {
        let span = self.message.request_uri_span();
        if span.start < span.end {
            self.change(span, &[uri]);
        }
    }

    /// Puts a Via line on top of the headers; the one pushed last is topmost.
    pub fn push_via(&mut self, value: &[u8]) {
        let at = self.message.headers_span().start;
        self.made += 1;
        self.insert(at, VIA_RANK - self.made, &[b"Via: ", value, b"\r\n"]);
    }

    /// Puts a Record-Route line before the first of its kind; the one pushed last is topmost.
    pub fn push_record_route(&mut self, value: &[u8]) {
        self.push_front(Header::RecordRoute.as_str(), value);
    }

    /// Puts a line before the first line of that name, or on top of the headers when there is none.
    pub fn push_front(&mut self, name: &str, value: &[u8]) {
        let header = Header::of(name.as_bytes());
        let first = self.message.lines_of(header).next().map(|line| line.start);
        let at = first.unwrap_or(self.message.headers_span().start);
        self.made += 1;
        self.insert(at, -self.made, &[name.as_bytes(), b": ", value, b"\r\n"]);
    }

    /// Puts a line behind the last header; the one appended last is last.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        let at = self.message.headers_span().end;
        self.made += 1;
        self.insert(at, self.made, &[name.as_bytes(), b": ", value, b"\r\n"]);
    }

    /// Removes the topmost value that is still there; the line goes with its only value.
    pub fn remove_top(&mut self, name: Header) {
        let message = self.message;
        for line in message.lines_of(name) {
            if self.is_gone(line.whole()) {
                continue;
            }
            let mut values = Values::of(message.bytes(), line.value).skip_while(|value| self.is_gone(span_of(value)));
            match (values.next(), values.next()) {
                (Some(top), Some(below)) => {
                    // What stands before the first value, such as a stray comma, goes with it.
                    let is_first = Values::of(message.bytes(), line.value).next().as_ref() == Some(&top);
                    let start = if is_first { line.value.start } else { top.range.start };
                    self.change(Span { start, end: below.range.start }, &[]);
                }
                (Some(_) | None, None) => self.change(line.whole(), &[]),
                (None, Some(_)) => continue,
            }
            return;
        }
    }

    /// Removes every line of that header.
    pub fn remove_all(&mut self, name: Header) {
        let message = self.message;
        for line in message.lines_of(name) {
            self.change(line.whole(), &[]);
        }
    }

    /// Removes every line whose name `is_it` accepts; names are given as written.
    pub fn remove_where(&mut self, is_it: impl Fn(&[u8]) -> bool) {
        let message = self.message;
        for line in message.lines().iter().filter(|line| is_it(line.name(message.bytes()))) {
            self.change(line.whole(), &[]);
        }
    }

    /// Replaces the value of the first line of that header; without one that is still there, appends a line.
    pub fn set(&mut self, name: Header, value: &[u8]) {
        let here = self.message.lines_of(name).find(|line| !self.is_gone(line.whole())).copied();
        match here {
            Some(Line { value: span, .. }) if span.start < span.end => self.change(span, &[value]),
            Some(line) => self.change(line.whole(), &[name.as_str().as_bytes(), b": ", value, b"\r\n"]),
            None => self.append(name.as_str(), value),
        }
    }

    /// Replaces a range, for example that of one [`Value`]. A range that lies in something removed, cuts across another
    /// edit, or is none of the message's, changes nothing.
    pub fn replace(&mut self, range: Range<u32>, value: &[u8]) {
        let span = Span { start: range.start, end: range.end };
        if span.start < span.end && span.end as usize <= self.message.bytes().len() {
            self.change(span, &[value]);
        }
    }

    /// Writes the real source into the topmost Via (RFC 3581 §4): `received` replaces any claimed one, or takes it away
    /// when `None`; `rport` gets the port where the client asked for it, and loses a claimed one when `None`.
    pub fn top_via_params(&mut self, received: Option<IpAddr>, rport: Option<u16>) {
        let via = self.message.found().via;
        if let Some(claimed) = via.received {
            // From the semicolon before it, with the white space between.
            let before = &self.message.bytes()[..claimed.whole.start as usize];
            let semicolon = memchr::memrchr(b';', before).unwrap_or(before.len());
            self.change(Span::new(semicolon, claimed.whole.end as usize), &[]);
        }
        if let Some(asked) = via.rport {
            match rport {
                Some(port) => self.change(asked.whole, &[b"rport=", port.to_string().as_bytes()]),
                None if asked.value.is_some() => self.change(asked.whole, &[b"rport"]),
                None => {}
            }
        }
        if let Some(address) = received {
            self.made += 1;
            self.insert(via.whole.end, self.made, &[b";received=", address.to_string().as_bytes()]);
        }
    }

    /// The edited message, in one allocation.
    pub fn finish(self) -> Bytes {
        let mut written = Vec::new();
        self.finish_into(&mut written);
        Bytes::from(written)
    }

    /// Writes the edited message behind what `written` holds.
    pub fn finish_into(&self, written: &mut Vec<u8>) {
        let bytes = self.message.bytes();
        let mut changes: Vec<&Change> = self.changes.iter().collect();
        changes.sort_by_key(|change| (change.span.start, change.rank));
        written.reserve(bytes.len() + self.texts.len());
        let mut at = 0;
        for change in changes {
            written.extend_from_slice(&bytes[at..(change.span.start as usize).max(at)]);
            written.extend_from_slice(change.text.of(&self.texts));
            at = at.max(change.span.end as usize);
        }
        written.extend_from_slice(&bytes[at..]);
    }

    /// Whether a removal covers the whole span.
    fn is_gone(&self, span: Span) -> bool {
        self.changes.iter().any(|change| {
            change.text.start == change.text.end && change.span.start <= span.start && span.end <= change.span.end
        })
    }

    /// Replaces a span that is not empty. A later change takes the place of those it covers; one that lies in a removed
    /// span, or cuts across another, is dropped.
    fn change(&mut self, span: Span, pieces: &[&[u8]]) {
        let covers = |change: &Change| span.start <= change.span.start && change.span.end <= span.end;
        let is_edit = |change: &Change| change.span.start < change.span.end;
        let meets = |change: &Change| span.start < change.span.end && change.span.start < span.end;
        if self.changes.iter().any(|change| is_edit(change) && meets(change) && !covers(change)) {
            return;
        }
        // Insertions strictly within go too; those at its edges stay.
        let is_within =
            |change: &Change| span.start < change.span.start && change.span.end < span.end && !is_edit(change);
        self.changes.retain(|change| !(is_edit(change) && covers(change)) && !is_within(change));
        self.insert_span(span, 0, pieces);
    }

    fn insert(&mut self, at: u32, rank: i32, pieces: &[&[u8]]) {
        let within = |change: &Change| change.span.start < at && at < change.span.end;
        if !self.changes.iter().any(within) {
            self.insert_span(Span { start: at, end: at }, rank, pieces);
        }
    }

    fn insert_span(&mut self, span: Span, rank: i32, pieces: &[&[u8]]) {
        let start = self.texts.len();
        pieces.iter().for_each(|piece| self.texts.extend_from_slice(piece));
        self.changes.push(Change { span, rank, text: Span::new(start, self.texts.len()) });
    }
}

fn span_of(value: &Value<'_>) -> Span {
    Span { start: value.range.start, end: value.range.end }
}
