//! Request-Line and Status-Line (RFC 3261 §7.1, §7.2).

use super::fault::Flaw;
use super::header::Method;
use super::text::{Span, all_token, decimal};
use super::uri::{Uri, UriParts};

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartLine {
    Request { method: Method, name: Span, uri: Span, parts: UriParts },
    Response { status: u16, reason: Span },
}

/// Whether the line is meant as a Status-Line, well-formed or not: such a message is never answered.
pub(super) fn is_response(line: &[u8]) -> bool {
    line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/")
}

/// Reads the line. Exactly one space stands between the parts; a lenient reader would have to repair the line
/// before it forwards it (RFC 4475 §3.1.2.8 to §3.1.2.10).
pub(super) fn read(bytes: &[u8], span: Span) -> Result<StartLine, Flaw> {
    let line = span.of(bytes);
    if is_response(line) { read_status_line(line, span) } else { read_request_line(bytes, line, span) }
}

fn read_request_line(bytes: &[u8], line: &[u8], span: Span) -> Result<StartLine, Flaw> {
    let flaw = Flaw::bad_request("a malformed request line");
    let method_end = memchr::memchr(b' ', line).ok_or(flaw)?;
    let uri_end = memchr::memrchr(b' ', line).filter(|end| *end > method_end).ok_or(flaw)?;
    let (name, version) = (&line[..method_end], &line[uri_end + 1..]);
    if !all_token(name) {
        return Err(Flaw::bad_request("a method that is no token"));
    }
    check_version(version)?;
    let uri = &line[method_end + 1..uri_end];
    let parsed = Uri::parse(uri).map_err(|malformed| Flaw::bad_request(malformed.0))?;
    if parsed.is_sip() && parsed.headers.is_some() {
        // RFC 3261 §19.1.1: not allowed in a Request-URI; it would smuggle headers past us.
        return Err(Flaw::bad_request("a Request-URI with headers"));
    }
    let at = |position: usize| span.start as usize + position;
    Ok(StartLine::Request {
        method: Method::of(name),
        name: Span::new(at(0), at(method_end)),
        uri: Span::new(at(method_end + 1), at(uri_end)),
        parts: UriParts::of(&parsed, bytes),
    })
}

/// RFC 3261 §7.1: the version is compared without regard to case. Another one, well-formed, is 505.
fn check_version(version: &[u8]) -> Result<(), Flaw> {
    if version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let numbers = version.get(4..).filter(|_| is_response(version)).unwrap_or_default();
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    match memchr::memchr(b'.', numbers) {
        Some(dot) if digits(&numbers[..dot]) && digits(&numbers[dot + 1..]) => {
            Err(Flaw { status: 505, what: "another version of SIP" })
        }
        Some(_) | None => Err(Flaw::bad_request("a request line without SIP version")),
    }
}

fn read_status_line(line: &[u8], span: Span) -> Result<StartLine, Flaw> {
    let rest = line.get(7..).filter(|_| line[..7].eq_ignore_ascii_case(b"SIP/2.0"));
    let rest = rest.ok_or(Flaw::bad_request("a response of another version"))?;
    let code = rest.get(1..4).filter(|_| rest[0] == b' ').and_then(decimal).unwrap_or(0);
    let status = u16::try_from(code).ok().filter(|status| (100..700).contains(status));
    let reason_at = match rest.get(4) {
        None => 11,
        Some(b' ') => 12,
        Some(_) => return Err(Flaw::bad_request("a status code of more than three digits")),
    };
    Ok(StartLine::Response {
        status: status.ok_or(Flaw::bad_request("a status code out of range"))?,
        reason: Span::new(span.start as usize + reason_at, span.end as usize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &[u8]) -> Result<StartLine, u16> {
        read(line, Span::new(0, line.len())).map_err(|flaw| flaw.status)
    }

    #[test]
    fn a_request_line_has_three_parts_and_two_spaces() {
        for (line, status) in [
            (&b"INVITE sip:a@h SIP/2.0"[..], None),
            (b"INVITE sip:a@h sip/2.0", None),
            (b"!x%41' sip:a@h SIP/2.0", None),
            (b"INVITE  sip:a@h SIP/2.0", Some(400)),
            (b"INVITE sip:a@h; lr SIP/2.0", Some(400)),
            (b"INVITE sip:a@h SIP/2.0  ", Some(400)),
            (b"INVITE <sip:a@h> SIP/2.0", Some(400)),
            (b"INVITE sip:a@h?Route=x SIP/2.0", Some(400)),
            (b"INVITE sip:a@h", Some(400)),
            (b"INVITE SIP/2.0", Some(400)),
            (b"IN\"VITE sip:a@h SIP/2.0", Some(400)),
            (b"INVITE sip:a@h SIP/7.0", Some(505)),
            (b"INVITE sip:a@h SIP/2", Some(400)),
            (b"INVITE sip:a@h HTTP/1.1", Some(400)),
            (b"", Some(400)),
        ] {
            assert_eq!(verdict(line).err(), status, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_status_code_has_three_digits() {
        for (line, status) in [
            (&b"SIP/2.0 100 "[..], Some(100)),
            (b"SIP/2.0 100", Some(100)),
            (b"SIP/2.0 699 x y", Some(699)),
            (b"SIP/2.0 4294967301 x", None),
            (b"SIP/2.0 099 x", None),
            (b"SIP/2.0 700 x", None),
            (b"SIP/2.0  200 x", None),
            (b"SIP/2.0 20", None),
            (b"SIP/2.0", None),
            (b"SIP/3.0 200 OK", None),
        ] {
            let read = verdict(line).ok().map(|start| match start {
                StartLine::Response { status, .. } => status,
                StartLine::Request { .. } => 0,
            });
            assert_eq!(read, status, "{}", String::from_utf8_lossy(line));
        }
    }
}
