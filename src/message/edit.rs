//! Edits of single headers, written once; every octet not edited stays as received (RFC 3261 §16.6, §16.7).

use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;

use super::header::Header;
use super::index::{Line, Value, Values};
use super::text::Span;
use super::view::Message;

/// Edits collected on a message. They are made on the message as received, in any order; none sees another's
/// result, except that [`Edit::remove_top`] counts on and that what was removed cannot be edited again.
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
            let mut values =
                Values::of(message.bytes(), line.value).skip_while(|value| self.is_gone(span_of(value)));
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

    /// Removes the lines of that header whose value `is_it` accepts.
    pub fn remove_lines(&mut self, name: Header, is_it: impl Fn(&[u8]) -> bool) {
        let message = self.message;
        for line in message.lines_of(name).filter(|line| is_it(line.value.of(message.bytes()))) {
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

    /// Replaces a range, for example that of one [`Value`]. A range that lies in something removed, cuts
    /// across another edit, or is none of the message's, changes nothing.
    pub fn replace(&mut self, range: Range<u32>, value: &[u8]) {
        let span = Span { start: range.start, end: range.end };
        if span.start < span.end && span.end as usize <= self.message.bytes().len() {
            self.change(span, &[value]);
        }
    }

    /// Writes the real source into the topmost Via (RFC 3581 §4): `received` replaces any claimed one, or
    /// takes it away when `None`; `rport` gets the port where the client asked for it, and loses a claimed
    /// one when `None`.
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
    pub fn finish(mut self) -> Bytes {
        let bytes = self.message.bytes();
        self.changes.sort_by_key(|change| (change.span.start, change.rank));
        let mut written = Vec::with_capacity(bytes.len() + self.texts.len());
        let mut at = 0;
        for change in &self.changes {
            written.extend_from_slice(&bytes[at..(change.span.start as usize).max(at)]);
            written.extend_from_slice(change.text.of(&self.texts));
            at = at.max(change.span.end as usize);
        }
        written.extend_from_slice(&bytes[at..]);
        Bytes::from(written)
    }

    /// Whether a removal covers the whole span.
    fn is_gone(&self, span: Span) -> bool {
        self.changes.iter().any(|change| {
            change.text.start == change.text.end
                && change.span.start <= span.start
                && span.end <= change.span.end
        })
    }

    /// Replaces a span that is not empty. A later change takes the place of those it covers; one that lies in
    /// a removed span, or cuts across another, is dropped.
    fn change(&mut self, span: Span, pieces: &[&[u8]]) {
        let covers = |change: &Change| span.start <= change.span.start && change.span.end <= span.end;
        let is_edit = |change: &Change| change.span.start < change.span.end;
        let meets = |change: &Change| span.start < change.span.end && change.span.start < span.end;
        if self.changes.iter().any(|change| is_edit(change) && meets(change) && !covers(change)) {
            return;
        }
        // Insertions strictly within go too; those at its edges stay.
        let is_within = |change: &Change| span.start < change.span.start && change.span.end < span.end;
        self.changes.retain(|change| if is_edit(change) { !covers(change) } else { !is_within(change) });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Limits;

    const INVITE: &str = "INVITE sip:0312345678@203.0.113.1;x=1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport ,\r\n SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK0\r\n\
        v:SIP/2.0/UDP 192.0.2.3;branch=z9hG4bK00\r\nmax-forwards :  70\r\nf: \"A, B\" <sip:a@h>;tag=1\r\n\
        To: <sip:b@h>\r\nCall-ID: x@h\r\nRoute: ,<sip:p1;lr>, <sip:p2;lr>\r\nroute: <sip:p3;lr>\r\n\
        Record-Route: <sip:r;lr>\r\nX-Odd:;;,,\r\nCSeq: 1 INVITE\r\nl: 4\r\n\r\nv=0\n";

    fn message(text: &str) -> Message {
        Message::parse(Bytes::from(text.to_owned()), &Limits::default()).unwrap()
    }

    fn edited(text: &str, edits: impl FnOnce(&mut Edit<'_>)) -> String {
        let message = message(text);
        let mut edit = Edit::of(&message);
        edits(&mut edit);
        String::from_utf8(edit.finish().to_vec()).unwrap()
    }

    #[test]
    fn without_edits_every_octet_stays() {
        assert_eq!(edited(INVITE, |_| {}), INVITE);
    }

    #[test]
    fn a_forwarded_request_differs_in_the_edited_places_only() {
        let out = edited(INVITE, |edit| {
            edit.request_uri(b"sip:tanaka@198.51.100.7");
            edit.push_record_route(b"<sip:us;lr>");
            edit.push_record_route(b"<sip:us;lr;transport=tcp>");
            edit.push_via(b"SIP/2.0/UDP us;branch=z9hG4bKus");
            edit.set(Header::MaxForwards, b"69");
            edit.remove_top(Header::Route);
            edit.append("X-More", b"1");
            edit.append("X-More", b"2");
            edit.top_via_params("198.51.100.9".parse().ok(), Some(40_000));
        });
        let expected = INVITE
            .replace(
                "sip:0312345678@203.0.113.1;x=1 SIP/2.0\r\n",
                "sip:tanaka@198.51.100.7 SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bKus\r\n",
            )
            .replace(";rport ,", ";rport=40000;received=198.51.100.9 ,")
            .replace(" :  70", " :  69")
            .replace(",<sip:p1;lr>, ", "")
            .replace(
                "Record-Route",
                "Record-Route: <sip:us;lr;transport=tcp>\r\nRecord-Route: <sip:us;lr>\r\nRecord-Route",
            )
            .replace("l: 4\r\n", "l: 4\r\nX-More: 1\r\nX-More: 2\r\n");
        assert_eq!(out, expected);
    }

    #[test]
    fn a_via_goes_above_a_record_route_in_either_order() {
        let plain = INVITE.replace("Record-Route: <sip:r;lr>\r\n", "");
        for via_first in [true, false] {
            let out = edited(&plain, |edit| {
                if via_first {
                    edit.push_via(b"SIP/2.0/UDP us");
                }
                edit.push_record_route(b"<sip:us;lr>");
                if !via_first {
                    edit.push_via(b"SIP/2.0/UDP us");
                }
            });
            assert_eq!(
                out,
                plain.replacen("\r\n", "\r\nVia: SIP/2.0/UDP us\r\nRecord-Route: <sip:us;lr>\r\n", 1)
            );
        }
    }

    #[test]
    fn the_top_value_goes_alone_and_its_line_with_the_last() {
        let routes = |count: usize| {
            let out = edited(INVITE, |edit| (0..count).for_each(|_| edit.remove_top(Header::Route)));
            let found = message(&out);
            let lines = found.headers(Header::Route).count();
            let values: Vec<_> =
                found.values(Header::Route).map(|v| String::from_utf8_lossy(v.bytes).into_owned()).collect();
            (lines, values.join(" "))
        };
        assert_eq!(routes(1), (2, "<sip:p2;lr> <sip:p3;lr>".to_owned()));
        assert_eq!(routes(2), (1, "<sip:p3;lr>".to_owned()));
        assert_eq!(routes(3), (0, String::new()));
        assert_eq!(routes(4), (0, String::new()));
    }

    #[test]
    fn n29_claimed_source_parameters_are_replaced_or_taken_away() {
        let via = |params: &str, received: Option<&str>, rport| {
            let text = INVITE.replace(";rport ,", &format!("{params} ,"));
            let out =
                edited(&text, |edit| edit.top_via_params(received.and_then(|ip| ip.parse().ok()), rport));
            let start = out.find("z9hG4bK1").unwrap() + 8;
            out[start..start + out[start..].find(" ,").unwrap()].to_owned()
        };
        let real = Some("198.51.100.9");
        assert_eq!(via(";received=192.0.2.66;rport=9", real, Some(7)), ";rport=7;received=198.51.100.9");
        assert_eq!(
            via(";rport;maddr=192.0.2.66", real, Some(7)),
            ";rport=7;maddr=192.0.2.66;received=198.51.100.9"
        );
        assert_eq!(via("", real, Some(7)), ";received=198.51.100.9");
        assert_eq!(via("; received = 192.0.2.66 ;x;rport=9", None, None), " ;x;rport");
        assert_eq!(via(";rport", None, None), ";rport");
    }

    #[test]
    fn what_was_removed_cannot_be_edited_and_a_set_then_appends() {
        let out = edited(INVITE, |edit| {
            edit.remove_all(Header::MaxForwards);
            edit.set(Header::MaxForwards, b"9");
            edit.remove_top(Header::Via);
            edit.top_via_params("198.51.100.9".parse().ok(), Some(1));
        });
        assert!(!out.contains("max-forwards"), "{out}");
        assert!(out.contains("l: 4\r\nMax-Forwards: 9\r\n\r\n"), "{out}");
        assert!(out.contains("\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK0\r\n"), "{out}");
        assert!(!out.contains("198.51.100.9"), "{out}");
    }

    #[test]
    fn an_empty_value_can_be_set() {
        let text = INVITE.replace("To: <sip:b@h>", "Subject:\r\nTo: <sip:b@h>");
        assert_eq!(
            edited(&text, |edit| edit.set(Header::Subject, b"x")),
            text.replace("Subject:", "Subject: x")
        );
    }

    #[test]
    fn lines_go_by_their_name_however_it_is_written() {
        let text = INVITE.replace("X-Odd:", "x-TENANT\t: evil\r\nX-Odd:");
        let out = edited(&text, |edit| edit.remove_where(|name| name.eq_ignore_ascii_case(b"X-Tenant")));
        assert_eq!(out, INVITE);
    }

    #[test]
    fn a_range_beyond_the_message_or_across_an_edit_changes_nothing() {
        let out = edited(INVITE, |edit| {
            edit.replace(0..u32::MAX, b"");
            edit.replace(5..5, b"x");
        });
        assert_eq!(out, INVITE);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Via(String),
        RecordRoute(String),
        Append(String),
        MaxForwards(u8),
        RequestUri(String),
        TopRoute(String),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let word = "[a-z0-9]{1,9}";
        let op = prop_oneof![
            word.prop_map(|word| Op::Via(format!("SIP/2.0/UDP {word};branch=z9hG4bK{word}"))),
            word.prop_map(|word| Op::RecordRoute(format!("<sip:{word};lr>"))),
            word.prop_map(Op::Append),
            any::<u8>().prop_map(Op::MaxForwards),
            word.prop_map(|word| Op::RequestUri(format!("sip:{word}@h.example"))),
            word.prop_map(|word| Op::TopRoute(format!("<sip:{word}>"))),
        ];
        proptest::collection::vec(op, 0..12)
    }

    proptest! {
        #[test]
        fn edits_undone_give_back_the_message(ops in ops(), folded in any::<bool>()) {
            let text = if folded { INVITE.replace(": ", ":\r\n\t ") } else { INVITE.to_owned() };
            let first = message(&text);
            let mut edit = Edit::of(&first);
            for op in &ops {
                match op {
                    Op::Via(value) => edit.push_via(value.as_bytes()),
                    Op::RecordRoute(value) => edit.push_record_route(value.as_bytes()),
                    Op::Append(value) => edit.append("X-Ours", value.as_bytes()),
                    Op::MaxForwards(hops) => edit.set(Header::MaxForwards, hops.to_string().as_bytes()),
                    Op::RequestUri(uri) => edit.request_uri(uri.as_bytes()),
                    Op::TopRoute(value) => {
                        let top = first.values(Header::Route).next().unwrap();
                        edit.replace(top.range, value.as_bytes());
                    }
                }
            }
            let changed = Message::parse(edit.finish(), &Limits::default()).unwrap();
            let mut undo = Edit::of(&changed);
            for op in &ops {
                match op {
                    Op::Via(_) => undo.remove_top(Header::Via),
                    Op::RecordRoute(_) => undo.remove_top(Header::RecordRoute),
                    Op::Append(_) => undo.remove_where(|name| name == b"X-Ours"),
                    Op::MaxForwards(_) => undo.set(Header::MaxForwards, b"70"),
                    Op::RequestUri(_) => undo.request_uri(first.request_uri()),
                    Op::TopRoute(_) => {
                        let top = changed.values(Header::Route).next().unwrap();
                        undo.replace(top.range, b"<sip:p1;lr>");
                    }
                }
            }
            prop_assert_eq!(undo.finish(), first.bytes().clone());
        }

        #[test]
        fn any_edits_keep_the_body_and_never_panic(
            ranges in proptest::collection::vec((0_u32..900, 0_u32..40), 0..8),
            removals in proptest::collection::vec(0_usize..5, 0..6),
        ) {
            let first = message(INVITE);
            let body_at = u32::try_from(first.bytes().len() - first.body().len()).unwrap();
            let mut edit = Edit::of(&first);
            for (start, length) in ranges {
                edit.replace(start..(start + length).min(body_at), b"##");
            }
            for removal in removals {
                let names = [Header::Via, Header::Route, Header::RecordRoute, Header::To, Header::Subject];
                edit.remove_top(names[removal]);
            }
            prop_assert!(edit.finish().ends_with(first.body()));
        }
    }
}
