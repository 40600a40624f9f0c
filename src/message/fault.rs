//! What is wrong with a message, and what can still be read of it for an answer (RFC 3261 §8.2.6, §21.4.1).

use bytes::Bytes;

use super::header::{Header, Method};
use super::index::{Head, Line};
use super::start_line::is_response;
use super::text::Span;

/// The first thing found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) status: u16,
    pub(super) what: &'static str,
}

impl Flaw {
    pub(super) const fn bad_request(what: &'static str) -> Self {
        Self { status: 400, what }
    }
}

/// A message that is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct Fault {
    /// The status code of the answer: 400, 501, 505 or 513.
    pub status: u16,
    /// What is wrong, for logs and counters; it never holds text of the message.
    pub what: &'static str,
    /// What an answer needs. `None`: drop it (a response, an ACK, rubbish).
    pub answerable: Option<Partial>,
}

/// The headers of a refused request that an answer copies.
#[derive(Clone, Debug)]
pub struct Partial {
    pub(super) bytes: Bytes,
    pub(super) lines: Vec<Line>,
    method: Method,
}

impl Partial {
    /// The method of the refused request.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The Call-ID, when one could be read.
    pub fn call_id(&self) -> Option<&[u8]> {
        let line = self.lines.iter().find(|line| line.header == Header::CallId)?;
        Some(line.value.of(&self.bytes))
    }
}

impl Fault {
    /// A fault that is not answered.
    pub(super) fn silent(what: &'static str) -> Self {
        Self { status: 400, what, answerable: None }
    }

    pub(super) fn of(flaw: Flaw, bytes: Bytes, head: Head) -> Self {
        Self { status: flaw.status, what: flaw.what, answerable: partial(bytes, head) }
    }
}

/// A request that is not an ACK and tells where it comes from or which one it is.
fn partial(bytes: Bytes, head: Head) -> Option<Partial> {
    let start_line = head.start_line.of(&bytes);
    if is_response(start_line) {
        return None;
    }
    let name = Span::new(0, memchr::memchr(b' ', start_line)?).of(start_line);
    let method = Method::of(name);
    let tells = |line: &Line| {
        matches!(line.header, Header::Via | Header::From | Header::To | Header::CallId | Header::CSeq)
    };
    if method == Method::Ack || !super::text::all_token(name) || !head.lines.iter().any(tells) {
        return None;
    }
    Some(Partial { lines: head.lines, method, bytes })
}
