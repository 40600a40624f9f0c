//! Lines and list values as ranges (RFC 3261 §7.3.1): one pass, nothing copied.

use std::ops::Range;

use super::header::{Header, is_name};
use super::text::{self, Span, decimal, is_lws, offset, skip_quoted, trim_span};

/// One header line with its folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) header: Header,
    /// The first octet of the name.
    pub(super) start: u32,
    /// Behind the name, before white space and the colon.
    pub(super) name_end: u32,
    /// The value without outer white space.
    pub(super) value: Span,
    /// Behind the line end of the last fold.
    pub(super) end: u32,
}

impl Line {
    pub(super) fn name<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        Span { start: self.start, end: self.name_end }.of(bytes)
    }

    /// The whole line with its line end.
    pub(super) fn whole(&self) -> Span {
        Span { start: self.start, end: self.end }
    }
}

/// What the head of a message looks like; `flaw` is the first thing found wrong, and reading goes on behind
/// it so that an answer can be made.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) start_line: Span,
    pub(super) lines: Vec<Line>,
    /// Where the headers begin.
    pub(super) headers_at: u32,
    /// Where the blank line stands.
    pub(super) headers_end: u32,
    /// Where the body begins.
    pub(super) body_at: u32,
    pub(super) flaw: Option<&'static str>,
}

/// A 900-octet INVITE from a telephone has 12 to 20 header lines; a longer one grows the index once or twice.
const USUAL_LINES: usize = 24;

/// No header that we know has a longer name.
const LONGEST_PLAIN_NAME: usize = 32;

/// Cuts the head into lines. LF alone ends a line as well as CRLF does: whoever comes behind us may read it
/// so, and a header we had not seen could not be removed. A CR alone is a flaw for the same reason.
pub(super) fn split_head(bytes: &[u8], max_lines: usize) -> Head {
    split_by(bytes, max_lines, plain_line)
}

/// As [`split_head`]; `plain` reads what needs no care.
fn split_by(bytes: &[u8], max_lines: usize, plain: impl Fn(&[u8], usize) -> Option<Line>) -> Head {
    let (first, mut at, mut open) = next_line(bytes, 0);
    let mut head = Head {
        start_line: first,
        lines: Vec::with_capacity(USUAL_LINES.min(max_lines)),
        headers_at: offset(at),
        headers_end: offset(bytes.len()),
        body_at: offset(bytes.len()),
        flaw: has_bare_cr(first.of(bytes)).then_some("a carriage return inside a line"),
    };
    let mut with_care = false;
    loop {
        if let Some(line) = plain(bytes, at).filter(|_| head.lines.len() < max_lines) {
            at = line.end as usize;
            head.lines.push(line);
            continue;
        }
        if open {
            head.flaw.get_or_insert("no blank line behind the headers");
            break;
        }
        let Cut { line, next, open: unterminated, bare_cr } = cut_line(bytes, at);
        let content = line.of(bytes);
        if content.is_empty() && !unterminated {
            head.headers_end = line.start;
            head.body_at = offset(next);
            break;
        }
        if bare_cr {
            head.flaw.get_or_insert("a carriage return inside a line");
        }
        if matches!(content.first(), Some(b' ' | b'\t')) {
            match head.lines.last_mut() {
                Some(last) => {
                    with_care = true;
                    last.value.end = line.end;
                    last.end = offset(next);
                }
                None => _ = head.flaw.get_or_insert("a fold before the first header"),
            }
        } else if head.lines.len() == max_lines {
            head.flaw.get_or_insert("too many header lines");
            break;
        } else if !content.is_empty() {
            with_care = true;
            head.push(bytes, line, next);
        }
        at = next;
        open = unterminated;
    }
    if with_care {
        for line in &mut head.lines {
            line.value = trim_span(bytes, line.value);
        }
    }
    head
}

/// A header line as nearly all are: a name and its colon at once, a line end, no control characters; `None`
/// for what must be read with care.
fn plain_line(bytes: &[u8], at: usize) -> Option<Line> {
    // No further: otherwise each of many lines without a colon would be a search through the whole message.
    let near = &bytes[at..bytes.len().min(at + LONGEST_PLAIN_NAME)];
    let name = &near[..text::find_near(near, 0, b':')?];
    let header = Header::of(name);
    if header == Header::Other && !is_name(name) {
        return None;
    }
    let name_end = at + name.len();
    let end = text::find_line_end(bytes, name_end + 1)?;
    let next = match bytes[end..] {
        [b'\r', b'\n', ..] => end + 2,
        [b'\n', ..] => end + 1,
        _ => return None,
    };
    Some(Line {
        header,
        start: offset(at),
        name_end: offset(name_end),
        value: trim_span(bytes, Span::new(name_end + 1, end)),
        end: offset(next),
    })
}

impl Head {
    fn push(&mut self, bytes: &[u8], line: Span, next: usize) {
        let content = line.of(bytes);
        let colon = text::find_near(content, 0, b':');
        let name = &content[..colon.unwrap_or(0)];
        // Nearly every name has its colon at once behind it.
        let name = if name.last().is_some_and(|last| *last > b' ') { name } else { name.trim_ascii_end() };
        let header = Header::of(name);
        if colon.is_none() {
            self.flaw.get_or_insert("a header line without a colon");
        } else if header == Header::Other && !is_name(name) {
            self.flaw.get_or_insert("a header name that is no token");
        }
        let value_at = line.start + colon.map_or(0, |colon| offset(colon) + 1);
        self.lines.push(Line {
            header,
            start: line.start,
            name_end: line.start + offset(name.len()),
            value: Span { start: value_at, end: line.end },
            end: offset(next),
        });
    }
}

/// The line at `at` without its end, where the next one begins, and whether the octets ran out before a line
/// end.
fn next_line(bytes: &[u8], at: usize) -> (Span, usize, bool) {
    match memchr::memchr(b'\n', &bytes[at..]) {
        None => (Span::new(at, bytes.len()), bytes.len(), true),
        Some(length) => {
            let end = at + length;
            let content_end = if length > 0 && bytes[end - 1] == b'\r' { end - 1 } else { end };
            (Span::new(at, content_end), end + 1, false)
        }
    }
}

/// A line as [`next_line`] finds it, and whether a carriage return stands inside it.
struct Cut {
    line: Span,
    next: usize,
    open: bool,
    bare_cr: bool,
}

/// One search for a line that ends as it should.
fn cut_line(bytes: &[u8], at: usize) -> Cut {
    let whole = |end: usize, next: usize| Cut { line: Span::new(at, end), next, open: false, bare_cr: false };
    match memchr::memchr2(b'\r', b'\n', &bytes[at..]).map(|length| at + length) {
        Some(end) if bytes[end] == b'\n' => whole(end, end + 1),
        Some(end) if bytes.get(end + 1) == Some(&b'\n') => whole(end, end + 2),
        Some(_) | None => {
            let (line, next, open) = next_line(bytes, at);
            Cut { line, next, open, bare_cr: has_bare_cr(line.of(bytes)) }
        }
    }
}

fn has_bare_cr(content: &[u8]) -> bool {
    memchr::memchr(b'\r', content).is_some()
}

/// One value of a comma-separated list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// Where it stands in the message, for [`super::Edit::replace`].
    pub range: Range<u32>,
    /// Its octets, without outer white space.
    pub bytes: &'a [u8],
}

/// The values of one header line; empty ones are left out.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    bytes: &'a [u8],
    rest: Span,
}

impl<'a> Values<'a> {
    pub(super) fn of(bytes: &'a [u8], line: Span) -> Self {
        Self { bytes, rest: line }
    }
}

/// The values of a comma-separated text; commas within quotes and within `<>` do not count. Ranges are within
/// the text.
pub fn split_values(text: &[u8]) -> Values<'_> {
    Values::of(text, Span::new(0, text.len()))
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        while self.rest.start < self.rest.end {
            let text = self.rest.of(self.bytes);
            let length = value_length(text);
            let found =
                trim_span(self.bytes, Span { start: self.rest.start, end: self.rest.start + offset(length) });
            self.rest.start = (self.rest.start + offset(length) + 1).min(self.rest.end);
            if found.start < found.end {
                return Some(Value { range: found.range(), bytes: found.of(self.bytes) });
            }
        }
        None
    }
}

/// How many octets come before the first comma outside quotes and `<>`. A quote or bracket that never closes
/// takes all.
fn value_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr3(b',', b'"', b'<', &text[at..]) {
        at += found;
        let behind = match text[at] {
            b',' => return at,
            b'"' => skip_quoted(text, at),
            _ => memchr::memchr(b'>', &text[at..]).map(|length| at + length + 1),
        };
        match behind {
            Some(position) => at = position,
            None => break,
        }
    }
    text.len()
}

/// How much of a stream the next message takes (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Its end cannot be known yet: more octets are needed.
    More,
    /// It has so many octets, counted from the beginning of the given ones, leading line ends included.
    Known(usize),
    /// Its head ends behind so many octets, and where its body ends cannot be known: Content-Length is
    /// absent, doubled or malformed. The text says which.
    Unknown(usize, &'static str),
}

/// Finds the end of the message at the beginning of `bytes`. It looks at every octet of the head once a call;
/// whoever collects octets gives it the limit on them.
pub fn extent(bytes: &[u8]) -> Extent {
    let lead = bytes.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    let (_, mut at, mut open) = next_line(bytes, lead);
    let mut length = None;
    let mut flaw = None;
    let mut previous_was_length = false;
    while !open {
        let (line, next, unterminated) = next_line(bytes, at);
        let content = line.of(bytes);
        if content.is_empty() && !unterminated {
            return match (flaw, length) {
                (Some(flaw), _) => Extent::Unknown(next, flaw),
                (None, None) => Extent::Unknown(next, "no Content-Length"),
                (None, Some(length)) => next
                    .checked_add(length)
                    .map_or(Extent::Unknown(next, "a malformed Content-Length"), Extent::Known),
            };
        }
        if content.first().copied().is_some_and(is_lws) {
            if previous_was_length && !text::trim(content).is_empty() {
                flaw = Some("a folded Content-Length");
            }
        } else {
            previous_was_length = false;
            if let Some(colon) = memchr::memchr(b':', content)
                && Header::of(content[..colon].trim_ascii_end()) == Header::ContentLength
            {
                previous_was_length = true;
                let stated = decimal(text::trim(&content[colon + 1..])).and_then(|n| usize::try_from(n).ok());
                if length.is_some() {
                    flaw = Some("a doubled Content-Length");
                } else if stated.is_none() {
                    flaw = Some("a malformed Content-Length");
                }
                length = stated.or(length);
            }
        }
        at = next;
        open = unterminated;
    }
    Extent::More
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_that_is_cut_quickly_is_cut_as_with_care(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "Via:", "X-Long-Name-Beyond-Those-That-Are-Known:", "a", "l", ":", " ", "\t",
                    "\r\n", "\r\n",
                    "\r\n ", "\n", "\r", "\0", "\u{b}", "\u{7f}", "é", "Subject :", "To: <sip:b@h>;tag=1",
                    "\r\nCSeq: 1 INVITE\r\n", "value value", "\r\n\r\n", "v=0",
                ]),
                0..14,
            ),
            max_lines in 1..6_usize,
        ) {
            let text = format!("X\r\n{}", pieces.concat());
            let quick = split_head(text.as_bytes(), max_lines);
            let careful = split_by(text.as_bytes(), max_lines, |_, _| None);
            prop_assert_eq!(format!("{quick:?}"), format!("{careful:?}"));
        }
    }

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let text = br#""a, b" <sip:x,y@h>;p="q,r" , <sip:z@h>,,  sip:w@h "#;
        let values: Vec<&[u8]> = split_values(text).map(|value| value.bytes).collect();
        assert_eq!(values, [&br#""a, b" <sip:x,y@h>;p="q,r""#[..], b"<sip:z@h>", b"sip:w@h"]);
        for value in split_values(text) {
            assert_eq!(&text[value.range.start as usize..value.range.end as usize], value.bytes);
        }
    }

    #[test]
    fn an_open_quote_takes_the_rest_of_its_line_only() {
        let bytes = b"X\r\nContact: \"a, b\r\nVia: v\r\n\r\n";
        let head = split_head(bytes, 9);
        assert_eq!(head.lines.len(), 2);
        assert_eq!(Values::of(bytes, head.lines[0].value).count(), 1);
        assert_eq!(head.lines[1].value.of(bytes), b"v");
        assert_eq!(head.flaw, None);
    }

    #[test]
    fn folds_belong_to_their_header_and_lf_ends_a_line() {
        let bytes = b"X\nSubject :\r\n  two\r\n\twords \r\nTo:\n\nbody";
        let head = split_head(bytes, 9);
        assert_eq!(head.flaw, None);
        assert_eq!(head.lines[0].header, Header::Subject);
        assert_eq!(head.lines[0].value.of(bytes), b"two\r\n\twords");
        assert_eq!(head.lines[1].value.of(bytes), b"");
        assert_eq!(&bytes[head.body_at as usize..], b"body");
    }

    #[test]
    fn n13_what_could_hide_a_header_is_a_flaw() {
        for (bytes, flaw) in [
            (&b"X\r\nA: b\rVia: c\r\n\r\n"[..], "a carriage return inside a line"),
            (b"X\r\nA\0b: c\r\n\r\n", "a header name that is no token"),
            (b"X\r\nA B: c\r\n\r\n", "a header name that is no token"),
            (b"X\r\n: c\r\n\r\n", "a header name that is no token"),
            (b"X\r\nnothing\r\n\r\n", "a header line without a colon"),
            (b"X\r\n fold\r\n\r\n", "a fold before the first header"),
            (b"X\r\nA: b\r\n", "no blank line behind the headers"),
            (b"X\r\nA: b\r\nB: c\r\nC: d\r\nD: e\r\n\r\n", "too many header lines"),
        ] {
            assert_eq!(split_head(bytes, 3).flaw, Some(flaw), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn n45_the_extent_is_known_only_from_one_plain_content_length() {
        let head = |length: &str| format!("BYE sip:a SIP/2.0\r\nTo: x\r\n{length}\r\n").into_bytes();
        let at = |length: &str| head(length).len();
        let plain = "l :  3 \r\n";
        assert_eq!(extent(&head(plain)), Extent::Known(at(plain) + 3));
        assert_eq!(extent(b"\r\n\r\nBYE x\r\nl: 0\r\n\r\n"), Extent::Known(19));
        for (length, why) in [
            ("", "no Content-Length"),
            ("Content-Length: 1\r\nl: 1\r\n", "a doubled Content-Length"),
            ("Content-Length: +10\r\n", "a malformed Content-Length"),
            ("Content-Length: 0x10\r\n", "a malformed Content-Length"),
            ("Content-Length: 1 0\r\n", "a malformed Content-Length"),
            ("Content-Length: 18446744073709551616\r\n", "a malformed Content-Length"),
            ("Content-Length: 18446744073709551615\r\n", "a malformed Content-Length"),
            ("Content-Length: 1\r\n 0\r\n", "a folded Content-Length"),
        ] {
            assert_eq!(extent(&head(length)), Extent::Unknown(at(length), why), "{length}");
        }
        let whole = head(plain);
        for cut in 0..whole.len() {
            assert_eq!(extent(&whole[..cut]), Extent::More, "{cut}");
        }
    }
}
