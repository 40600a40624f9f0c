//! RFC 3261 §18.3 and RFC 5626 §3.5.1, [pure]: where messages begin and end in a stream of octets.
//!
//! The end of a message on a stream is what its Content-Length says, so that header is read here with more
//! suspicion than anywhere else: whoever can make two elements disagree about it can hide a request in a
//! body.

use bytes::{Buf, Bytes, BytesMut};

use super::content_length::content_length;
use crate::clock::Moment;

/// A buffer larger than this is given back when it is empty.
const KEPT_BUFFER_BYTES: usize = 4 * 1024;

/// How much of a stream one message may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramingLimits {
    /// A whole message, body included.
    pub message_bytes: usize,
    /// Start line and headers with the empty line.
    pub header_bytes: usize,
}

/// What a stream was cut into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message; nothing but its Content-Length was looked at.
    Message(Bytes),
    /// The second CRLF of a pair: the ping of RFC 5626 §3.5.1. One CRLF answers it.
    KeepAliveRequest,
    /// A CRLF between messages. It is told at once, so the first half of a ping is told as one, too.
    KeepAliveResponse,
    /// Not a message that can be taken.
    Unusable {
        /// Start line and headers as far as they were read; may be empty.
        head: Bytes,
        /// Whether what follows can be found. If not, the stream is over: nothing more comes out.
        end_known: bool,
    },
}

/// Cuts one stream. Push what arrives, then take frames until there is none.
#[derive(Debug)]
pub struct Framer {
    limits: FramingLimits,
    buffer: BytesMut,
    stage: Stage,
    begun: Option<Moment>,
    last_push: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before a start line; RFC 3261 §7.5 lets CRLFs stand there.
    Between { after_crlf: bool },
    /// Inside start line and headers. Offsets into the buffer.
    Head { line_start: usize, scanned: usize },
    /// The head is whole, the body is awaited. The length of both together.
    Body { total: usize },
    /// Inside the body of a message that was too long.
    Skipping { left: u64 },
    /// The stream cannot be cut any more.
    Broken,
}

impl Framer {
    /// At the beginning of a stream.
    pub fn new(limits: FramingLimits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            stage: Stage::Between { after_crlf: false },
            begun: None,
            last_push: Moment::ZERO,
        }
    }

    /// Takes octets that arrived at `now`. They are bounded by the limits only if every frame is taken before
    /// the next push.
    pub fn push(&mut self, octets: &[u8], now: Moment) {
        self.last_push = now;
        let octets = match self.stage {
            Stage::Broken => return,
            // Never stored: the length that is being skipped may be far above the limits.
            Stage::Skipping { left } => {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
                self.skip(skipped as u64, left);
                &octets[skipped..]
            }
            Stage::Between { .. } | Stage::Head { .. } | Stage::Body { .. } => octets,
        };
        if !octets.is_empty() {
            self.begun.get_or_insert(now);
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next frame, or `None` until more octets come.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            match self.stage {
                Stage::Between { after_crlf } => match self.between(after_crlf)? {
                    Some(frame) => return Some(frame),
                    None => self.stage = Stage::Head { line_start: 0, scanned: 0 },
                },
                Stage::Head { line_start, scanned } => {
                    if let Some(frame) = self.head(line_start, scanned)? {
                        return Some(frame);
                    }
                }
                Stage::Body { total } => return self.body(total),
                Stage::Skipping { left } => {
                    let here = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.buffer.advance(here);
                    self.skip(here as u64, left);
                    if matches!(self.stage, Stage::Skipping { .. }) {
                        return None;
                    }
                }
                Stage::Broken => return None,
            }
        }
    }

    /// When the first octet of the message that is not whole yet arrived; `None` between messages.
    pub fn started_at(&self) -> Option<Moment> {
        self.begun
    }

    /// Whether the stream is over for good, after an `Unusable` whose end is not known.
    pub fn is_broken(&self) -> bool {
        self.stage == Stage::Broken
    }

    /// Outer `None`: wait. Inner `None`: a start line begins.
    fn between(&mut self, after_crlf: bool) -> Option<Option<Frame>> {
        match *self.buffer.first()? {
            b'\r' => match *self.buffer.get(1)? {
                b'\n' => {
                    self.buffer.advance(2);
                    self.restart();
                    self.stage = Stage::Between { after_crlf: !after_crlf };
                    Some(Some(if after_crlf { Frame::KeepAliveRequest } else { Frame::KeepAliveResponse }))
                }
                _ => Some(Some(self.broken(0))),
            },
            first if first.is_ascii_graphic() => Some(None),
            // A TLS hello, RTP, STUN, noise: no need to wait for a line's end.
            _ => Some(Some(self.broken(0))),
        }
    }

    /// Outer `None`: wait. Inner `None`: go on.
    fn head(&mut self, line_start: usize, scanned: usize) -> Option<Option<Frame>> {
        let Some(found) = memchr::memchr(b'\n', &self.buffer[scanned..]) else {
            self.stage = Stage::Head { line_start, scanned: self.buffer.len() };
            if self.buffer.len() > self.limits.header_bytes {
                return Some(Some(self.broken(self.limits.header_bytes)));
            }
            return None;
        };
        let end = scanned + found + 1;
        if end > self.limits.header_bytes {
            return Some(Some(self.broken(self.limits.header_bytes)));
        }
        if !matches!(self.buffer[line_start..end], [b'\n'] | [b'\r', b'\n']) {
            self.stage = Stage::Head { line_start: end, scanned: end };
            return Some(None);
        }
        Some(self.judge(end))
    }

    /// The headers are whole: what does the message look like?
    fn judge(&mut self, head: usize) -> Option<Frame> {
        let Some(length) = content_length(&self.buffer[..head]) else {
            return Some(self.broken(head));
        };
        match usize::try_from(length).ok().and_then(|length| head.checked_add(length)) {
            Some(total) if total <= self.limits.message_bytes => {
                self.stage = Stage::Body { total };
                None
            }
            Some(_) | None => {
                let head = self.take(head);
                self.stage = Stage::Skipping { left: length };
                Some(Frame::Unusable { head, end_known: true })
            }
        }
    }

    fn body(&mut self, total: usize) -> Option<Frame> {
        if self.buffer.len() < total {
            return None;
        }
        let message = self.take(total);
        self.stage = Stage::Between { after_crlf: false };
        self.restart();
        Some(Frame::Message(message))
    }

    fn skip(&mut self, skipped: u64, left: u64) {
        if skipped < left {
            self.stage = Stage::Skipping { left: left - skipped };
        } else {
            self.stage = Stage::Between { after_crlf: false };
            self.restart();
        }
    }

    fn broken(&mut self, head: usize) -> Frame {
        let head = self.take(head);
        self.stage = Stage::Broken;
        self.buffer = BytesMut::new();
        self.begun = None;
        Frame::Unusable { head, end_known: false }
    }

    /// Copied out, so that a message that is kept for a whole call does not keep its neighbours as well.
    fn take(&mut self, length: usize) -> Bytes {
        let taken = Bytes::copy_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        taken
    }

    /// Between messages again; what is left in the buffer came with the last push.
    fn restart(&mut self) {
        self.begun = if self.buffer.is_empty() { None } else { Some(self.last_push) };
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: FramingLimits = FramingLimits { message_bytes: 400, header_bytes: 200 };

    fn options(headers: &str, body: &str) -> String {
        format!("OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n{headers}\r\n{body}")
    }

    fn frames(pushes: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(LIMITS);
        let mut frames = Vec::new();
        for octets in pushes {
            framer.push(octets, Moment::ZERO);
            frames.extend(std::iter::from_fn(|| framer.next_frame()));
        }
        frames
    }

    fn message(text: &str) -> Frame {
        Frame::Message(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn unusable(head: &str, end_known: bool) -> Frame {
        Frame::Unusable { head: Bytes::copy_from_slice(head.as_bytes()), end_known }
    }

    #[test]
    fn rfc3261_18_3_pipelined_messages_are_cut_by_their_content_length() {
        let one = options("Content-Length: 5\r\n", "hello");
        let two = options("l: 0\r\n", "");
        assert_eq!(frames(&[format!("{one}{two}").as_bytes()]), [message(&one), message(&two)]);
    }

    #[test]
    fn n45_a_request_inside_a_body_stays_a_body() {
        let inner = options("Content-Length: 0\r\n", "");
        let outer = options(&format!("Content-Length: {}\r\n", inner.len()), &inner);
        assert_eq!(frames(&[outer.as_bytes()]), [message(&outer)]);
    }

    #[test]
    fn n45_after_an_ambiguous_length_nothing_more_is_born() {
        let second = options("Content-Length: 0\r\n", "");
        for headers in
            ["", "Content-Length: 0\r\nl: 0\r\n", "Content-Length: +10\r\n", "Content-Length: 0x10\r\n"]
        {
            let head = options(headers, "");
            assert_eq!(
                frames(&[format!("{head}{second}").as_bytes(), second.as_bytes()]),
                [unusable(&head, false)],
                "{headers}"
            );
        }
    }

    #[test]
    fn n37_a_message_that_is_too_long_is_refused_at_its_headers_and_skipped_unstored() {
        let head = options("Content-Length: 10000000\r\n", "");
        let next = options("Content-Length: 0\r\n", "");
        let mut framer = Framer::new(LIMITS);
        framer.push(head.as_bytes(), Moment::ZERO);
        assert_eq!(framer.next_frame(), Some(unusable(&head, true)));
        for _ in 0..1_000 {
            framer.push(&[b'x'; 10_000], Moment::ZERO);
            assert_eq!(framer.next_frame(), None);
            assert!(framer.buffer.capacity() < 20_000, "nothing is stored");
        }
        assert_eq!(framer.started_at(), None);
        framer.push(next.as_bytes(), Moment::ZERO);
        assert_eq!(framer.next_frame(), Some(message(&next)));
    }

    #[test]
    fn n37_a_header_block_without_end_breaks_the_stream_at_the_limit() {
        let long = format!("OPTIONS sip:a SIP/2.0\r\nSubject: {}", "x".repeat(500));
        assert_eq!(frames(&[long.as_bytes()]), [unusable(&long[..200], false)]);
        let ended = format!("{long}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(frames(&[ended.as_bytes()]), [unusable(&long[..200], false)]);
    }

    #[test]
    fn n46_what_cannot_begin_a_message_breaks_the_stream_at_once() {
        for first in [&b"\x16\x03\x01"[..], b"\x80\x00", b"\x00\x01", b"\n", b" INVITE", b"\rX", b"\xff"] {
            assert_eq!(frames(&[first, b"OPTIONS"]), [unusable("", false)], "{first:?}");
        }
    }

    #[test]
    fn rfc5626_3_5_1_two_crlfs_are_a_ping_and_one_is_a_pong() {
        assert_eq!(frames(&[b"\r\n"]), [Frame::KeepAliveResponse]);
        assert_eq!(frames(&[b"\r\n\r\n"]), [Frame::KeepAliveResponse, Frame::KeepAliveRequest]);
        let text = options("Content-Length: 0\r\n", "");
        assert_eq!(
            frames(&[b"\r", b"\n", text.as_bytes(), b"\r\n\r\n\r\n"]),
            [
                Frame::KeepAliveResponse,
                message(&text),
                Frame::KeepAliveResponse,
                Frame::KeepAliveRequest,
                Frame::KeepAliveResponse
            ]
        );
    }

    #[test]
    fn n32_the_first_octet_of_a_message_starts_its_clock() {
        let at = Moment::from_micros;
        let text = options("Content-Length: 2\r\n", "hi");
        let mut framer = Framer::new(LIMITS);
        assert_eq!(framer.started_at(), None);
        framer.push(b"\r\n", at(1));
        assert_eq!(framer.next_frame(), Some(Frame::KeepAliveResponse));
        assert_eq!(framer.started_at(), None);
        framer.push(&text.as_bytes()[..1], at(2));
        assert_eq!(framer.next_frame(), None);
        framer.push(&text.as_bytes()[1..10], at(3));
        assert_eq!((framer.next_frame(), framer.started_at()), (None, Some(at(2))));
        framer.push(format!("{}{}", &text[10..], &text[..5]).as_bytes(), at(4));
        assert_eq!(framer.next_frame(), Some(message(&text)));
        assert_eq!((framer.next_frame(), framer.started_at()), (None, Some(at(4))));
    }

    #[test]
    fn n32_a_body_that_is_being_skipped_has_a_clock_too() {
        let mut framer = Framer::new(LIMITS);
        framer.push(options("Content-Length: 1000\r\n", "").as_bytes(), Moment::from_micros(1));
        assert!(framer.next_frame().is_some());
        framer.push(b"x", Moment::from_micros(2));
        assert_eq!((framer.next_frame(), framer.started_at()), (None, Some(Moment::from_micros(1))));
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("\r\n".to_owned()),
            (0..450_usize).prop_map(|n| options(&format!("Content-Length: {n}\r\n"), &"b".repeat(n))),
            (0..20_usize).prop_map(|n| options(&format!("Subject: x\r\nl :\r\n {n}\r\n"), &"\n".repeat(n))),
            (0..300_usize).prop_map(|n| options(&format!("X: {}\r\nl: 0\r\n", "x".repeat(n)), "")),
            Just(options("", "")),
            "[\\x00-\\x7f]{0,8}",
        ]
    }

    proptest! {
        #[test]
        fn any_split_of_the_octets_gives_the_same_frames(
            pieces in prop::collection::vec(piece(), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let stream = pieces.concat().into_bytes();
            let whole = frames(&[&stream]);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let split: Vec<_> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&frames(&split), &whole);
            let single: Vec<_> = stream.chunks(1).collect();
            prop_assert_eq!(&frames(&single), &whole);
        }
    }
}
