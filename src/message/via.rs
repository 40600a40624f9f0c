//! One Via value (RFC 3261 §20.42, §18.2.1; RFC 3581 §3).

use std::net::IpAddr;

use super::Malformed;
use super::params::{StrictParam, strict_param};
use super::text::{Span, class, ip_literal, port, skip_lws, skip_token};
use super::uri::Host;

/// The cookie that marks a branch as unique in the sense of RFC 3261 §8.1.1.7.
const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// One Via value, read strictly: the topmost decides where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    bytes: &'a [u8],
    parts: ViaParts,
}

/// Where the parts of a Via value stand in the octets it was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ViaParts {
    pub(super) whole: Span,
    pub(super) transport: Span,
    pub(super) host: Span,
    pub(super) port: Option<u16>,
    pub(super) branch: Option<Span>,
    pub(super) rport: Option<Param>,
    pub(super) received: Option<Param>,
    pub(super) maddr: Option<Param>,
    pub(super) ttl: Option<Param>,
}

/// A parameter with its name, and its value's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Param {
    /// From the first octet of the name to the last of the value.
    pub(super) whole: Span,
    pub(super) value: Option<Span>,
}

impl<'a> Via<'a> {
    /// Reads one value, without the commas around it.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        let parts = ViaParts::parse(text, Span::new(0, text.len()))?;
        Ok(Self { bytes: text, parts })
    }

    pub(super) fn of(bytes: &'a [u8], parts: ViaParts) -> Self {
        Self { bytes, parts }
    }

    /// The whole value as received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.parts.whole.of(self.bytes)
    }

    /// The transport, case as received: `UDP`, `TCP`, `TLS`, `WSS` …
    pub fn transport(&self) -> &'a [u8] {
        self.parts.transport.of(self.bytes)
    }

    /// Host and port as written (`sent-by`): what a transaction is matched by (RFC 3261 §17.2.3).
    pub fn sent_by(&self) -> &'a [u8] {
        let rest = &self.bytes[self.parts.host.start as usize..self.parts.whole.end as usize];
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        rest[..end].trim_ascii()
    }

    /// The host of `sent-by` as written, brackets included.
    pub fn host_bytes(&self) -> &'a [u8] {
        self.parts.host.of(self.bytes)
    }

    /// The host of `sent-by`.
    pub fn host(&self) -> Host<'a> {
        Host::parse(self.host_bytes()).unwrap_or(Host::Absent)
    }

    /// The port of `sent-by`, when written.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The branch as received, when there is one with a value.
    pub fn branch(&self) -> Option<&'a [u8]> {
        self.parts.branch.map(|span| span.of(self.bytes))
    }

    /// Whether the branch begins with the magic cookie and goes on behind it; without, RFC 2543 matching
    /// applies (RFC 3261 §17.2.3).
    pub fn has_rfc3261_branch(&self) -> bool {
        self.branch().is_some_and(|branch| {
            branch.len() > MAGIC_COOKIE.len()
                && branch[..MAGIC_COOKIE.len()].eq_ignore_ascii_case(MAGIC_COOKIE)
        })
    }

    /// Whether the branch is the magic cookie and nothing else: it can tell no two requests apart (RFC 4475
    /// §3.2.1).
    pub(super) fn has_bare_cookie(&self) -> bool {
        self.branch().is_some_and(|branch| branch.eq_ignore_ascii_case(MAGIC_COOKIE))
    }

    /// `rport`: `Some(None)` when asked for without a value (RFC 3581 §3), or with one that is no port.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.parts.rport.map(|param| param.value.and_then(|span| port(span.of(self.bytes))))
    }

    /// The address in `received`; a claim, unless we wrote it.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.parts.received?.value?.of(self.bytes);
        let bare = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
        ip_literal(bare)
    }

    /// `maddr` as written. We answer to the real source whatever it says.
    pub fn maddr(&self) -> Option<&'a [u8]> {
        self.parts.maddr?.value.map(|span| span.of(self.bytes))
    }

    /// `ttl`, 0 to 255.
    pub fn ttl(&self) -> Option<u8> {
        let value = self.parts.ttl?.value?;
        super::text::decimal(value.of(self.bytes)).and_then(|number| u8::try_from(number).ok())
    }
}

impl ViaParts {
    /// `via-parm` of RFC 3261 §25.1 in that span.
    pub(super) fn parse(bytes: &[u8], span: Span) -> Result<Self, Malformed> {
        let text = &bytes[..span.end as usize];
        let at = protocol(text, span.start as usize)?;
        let transport_end = skip_token(text, at);
        let host_at = skip_lws(text, transport_end);
        if transport_end == at || host_at == transport_end {
            return Err(Malformed("a Via without transport"));
        }
        let host_end = host_end(text, host_at)?;
        let mut parts = Self {
            whole: span,
            transport: Span::new(at, transport_end),
            host: Span::new(host_at, host_end),
            ..Self::default()
        };
        let mut at = skip_lws(text, host_end);
        if text.get(at) == Some(&b':') {
            let port_at = skip_lws(text, at + 1);
            let port_end =
                port_at + text[port_at..].iter().take_while(|octet| octet.is_ascii_digit()).count();
            parts.port = Some(port(&text[port_at..port_end]).ok_or(Malformed("a Via with a bad port"))?);
            at = skip_lws(text, port_end);
        }
        while at < text.len() {
            if text[at] != b';' {
                return Err(Malformed("a Via with something behind its host"));
            }
            let name_at = skip_lws(text, at + 1);
            let param = strict_param(text, name_at).ok_or(Malformed("a Via with an empty parameter"))?;
            at = skip_lws(text, param.end);
            parts.note(&text[name_at..param.name_end], name_at, &param)?;
        }
        Ok(parts)
    }

    /// Keeps the parameters we act on; none of them may come twice (RFC 3261 §7.3.1).
    fn note(&mut self, name: &[u8], at: usize, param: &StrictParam) -> Result<(), Malformed> {
        let value = param.value.map(|(start, end)| Span::new(start, end));
        let found = Param { whole: Span::new(at, param.end), value };
        let slot = match name.len() {
            6 if name.eq_ignore_ascii_case(b"branch") => {
                if self.branch.is_some() {
                    return Err(Malformed("a Via with a doubled branch"));
                }
                self.branch = value;
                return Ok(());
            }
            5 if name.eq_ignore_ascii_case(b"rport") => &mut self.rport,
            8 if name.eq_ignore_ascii_case(b"received") => &mut self.received,
            5 if name.eq_ignore_ascii_case(b"maddr") => &mut self.maddr,
            3 if name.eq_ignore_ascii_case(b"ttl") => &mut self.ttl,
            _ => return Ok(()),
        };
        match slot.replace(found) {
            None => Ok(()),
            Some(_) => Err(Malformed("a Via with a doubled parameter")),
        }
    }
}

/// `SIP/2.0/` with white space where the grammar allows it; the position of the transport.
fn protocol(text: &[u8], at: usize) -> Result<usize, Malformed> {
    const USUAL: &[u8] = b"SIP/2.0/";
    if text[at..].starts_with(USUAL) {
        return Ok(skip_lws(text, at + USUAL.len()));
    }
    let flaw = Malformed("a Via that is not SIP/2.0");
    let mut at = at;
    for word in [&b"SIP"[..], b"2.0"] {
        let end = skip_token(text, at);
        if !text[at..end].eq_ignore_ascii_case(word) {
            return Err(flaw);
        }
        at = skip_lws(text, end);
        if text.get(at) != Some(&b'/') {
            return Err(flaw);
        }
        at = skip_lws(text, at + 1);
    }
    Ok(at)
}

/// What ends the host of a Via.
const ENDS_HOST: [bool; 256] = class(b" \t\r\n:;,", &[]);

fn host_end(text: &[u8], at: usize) -> Result<usize, Malformed> {
    let rest = &text[at..];
    let length = if rest.first() == Some(&b'[') {
        memchr::memchr(b']', rest).map_or(0, |closing| closing + 1)
    } else {
        rest.iter().position(|octet| ENDS_HOST[usize::from(*octet)]).unwrap_or(rest.len())
    };
    Host::parse(&rest[..length]).map_err(|_| Malformed("a Via with a bad host"))?;
    Ok(at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_via_with_blanks_everywhere_is_read() {
        let via = Via::parse(
            b"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2 : 5080 ;\r\n branch  =   z9hG4bK9ikj8 ; rport",
        )
        .unwrap();
        assert_eq!(via.transport(), b"UDP");
        assert_eq!(via.host_bytes(), b"192.0.2.2");
        assert_eq!(via.port(), Some(5080));
        assert_eq!(via.branch(), Some(&b"z9hG4bK9ikj8"[..]));
        assert!(via.has_rfc3261_branch());
        assert_eq!(via.rport(), Some(None));
    }

    #[test]
    fn every_parameter_we_act_on_is_read() {
        let via = Via::parse(
            b"sip/2.0/tls [2001:db8::9]:5061;maddr=233.1.1.1;ttl=16;received=[2001:db8::1];RPORT=9;x=\"a;b\"",
        )
        .unwrap();
        assert_eq!(via.host_bytes(), b"[2001:db8::9]");
        assert_eq!(via.maddr(), Some(&b"233.1.1.1"[..]));
        assert_eq!(via.ttl(), Some(16));
        assert_eq!(via.received(), "2001:db8::1".parse().ok());
        assert_eq!(via.rport(), Some(Some(9)));
        assert_eq!(via.branch(), None);
    }

    #[test]
    fn a_malformed_via_is_refused() {
        for text in [
            &b"SIP/2.0/UDP 192.0.2.15;;"[..],
            b"SIP/7.0/UDP h;branch=z9hG4bKx",
            b"SIP/2.0/UDP",
            b"SIP/2.0/UDP ",
            b"SIP/2.0/ h",
            b"SIP/2.0/UDP h:0",
            b"SIP/2.0/UDP h:65536",
            b"SIP/2.0/UDP h:",
            b"SIP/2.0/UDP h x",
            b"SIP/2.0/UDP 2001:db8::1",
            b"SIP/2.0/UDP [2001:db8::1",
            b"SIP/2.0/UDP h;branch=a;branch=b",
            b"SIP/2.0/UDP h;received=1.2.3.4;Received=4.3.2.1",
            b"SIP/2.0/UDP h;x=\"open",
            b"",
        ] {
            assert!(Via::parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_bare_cookie_is_no_branch_of_rfc3261() {
        let via = Via::parse(b"SIP/2.0/UDP h;branch=z9hG4bK").unwrap();
        assert!(!via.has_rfc3261_branch());
        assert!(via.has_bare_cookie());
    }
}
