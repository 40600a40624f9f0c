//! URIs as far as a proxy looks at them (RFC 3261 §19.1, RFC 3966 §3, RFC 5118 §4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Malformed;
use super::params::Params;
use super::text::{ALPHANUMERIC, Span, class, find_near, find_no_uri, ip4, ip6, port};

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// Any other; whoever must route by it answers 416.
    Other,
}

/// The host of a URI or of a Via.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// A name, case as received.
    Name(&'a str),
    /// An IPv4 literal.
    V4(Ipv4Addr),
    /// An IPv6 literal; it stands in brackets.
    V6(Ipv6Addr),
    /// None: `tel:` and other schemes.
    Absent,
}

/// A URI, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The user part before decoding, password left out; for `tel:` the number; absent for other schemes.
    pub user: Option<&'a [u8]>,
    /// The host.
    pub host: Host<'a>,
    /// The port, when written.
    pub port: Option<u16>,
    /// The parameters behind the host (behind the number, for `tel:`).
    pub params: Params<'a>,
    /// What stands behind `?`, without it. It never becomes headers of ours.
    pub headers: Option<&'a [u8]>,
    /// Everything behind the scheme's colon.
    pub opaque: &'a [u8],
}

/// Where the parts of a Request-URI stand in the message, so that nobody reads it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UriParts {
    scheme: Scheme,
    user: Option<Span>,
    host: HostPart,
    port: Option<u16>,
    params: Span,
    headers: Option<Span>,
    opaque: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostPart {
    Name(Span),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Absent,
}

impl UriParts {
    /// The parts of a URI that was read from these octets.
    pub(super) fn of(uri: &Uri<'_>, bytes: &[u8]) -> Self {
        let place = |part: &[u8]| Span::within(bytes, part);
        Self {
            scheme: uri.scheme,
            user: uri.user.map(place),
            host: match uri.host {
                Host::Name(name) => HostPart::Name(place(name.as_bytes())),
                Host::V4(address) => HostPart::V4(address),
                Host::V6(address) => HostPart::V6(address),
                Host::Absent => HostPart::Absent,
            },
            port: uri.port,
            params: place(uri.params.as_bytes()),
            headers: uri.headers.map(place),
            opaque: place(uri.opaque),
        }
    }

    /// The URI in these octets.
    pub(super) fn uri<'a>(&self, bytes: &'a [u8]) -> Uri<'a> {
        Uri {
            scheme: self.scheme,
            user: self.user.map(|span| span.of(bytes)),
            host: match self.host {
                // It was such a text when it was read.
                HostPart::Name(span) => std::str::from_utf8(span.of(bytes)).map_or(Host::Absent, Host::Name),
                HostPart::V4(address) => Host::V4(address),
                HostPart::V6(address) => Host::V6(address),
                HostPart::Absent => Host::Absent,
            },
            port: self.port,
            params: Params::of(self.params.of(bytes)),
            headers: self.headers.map(|span| span.of(bytes)),
            opaque: self.opaque.of(bytes),
        }
    }
}

impl<'a> Uri<'a> {
    /// Reads a URI that stands alone: neither `<>` nor white space around or within it.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        let colon = find_near(text, 0, b':').ok_or(Malformed("a URI without scheme"))?;
        let (name, opaque) = (&text[..colon], &text[colon + 1..]);
        match name {
            [b's' | b'S', b'i' | b'I', b'p' | b'P'] => Self::parse_sip(Scheme::Sip, opaque),
            [b's' | b'S', b'i' | b'I', b'p' | b'P', b's' | b'S'] => Self::parse_sip(Scheme::Sips, opaque),
            _ if find_no_uri(text, 0) != text.len() => Err(NO_URI_OCTET),
            [b't' | b'T', b'e' | b'E', b'l' | b'L'] => Self::parse_tel(opaque),
            _ if is_scheme(name) => Ok(Self::bare(Scheme::Other, opaque)),
            _ => Err(Malformed("a URI with a bad scheme")),
        }
    }

    /// Whether it is a `sip` or `sips` URI.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    fn bare(scheme: Scheme, opaque: &'a [u8]) -> Self {
        Self {
            scheme,
            user: None,
            host: Host::Absent,
            port: None,
            params: Params::default(),
            headers: None,
            opaque,
        }
    }

    /// RFC 3261 §19.1.1. The user part ends at the first `@`; a second one is refused, because others end it
    /// at the last.
    fn parse_sip(scheme: Scheme, opaque: &'a [u8]) -> Result<Self, Malformed> {
        let Marks { user_end, at, port_colon, host_end, params_end } = Marks::of(opaque)?;
        let user = at.map(|at| &opaque[..user_end.unwrap_or(at)]);
        if user == Some(b"") {
            return Err(Malformed("a SIP URI with an empty user part"));
        }
        let host_at = at.map_or(0, |at| at + 1);
        let (host, port) = match port_colon {
            _ if opaque.get(host_at) == Some(&b'[') => host_and_port(&opaque[host_at..host_end])?,
            None => (Host::parse(&opaque[host_at..host_end])?, None),
            Some(colon) => {
                let number = port(&opaque[colon + 1..host_end]).ok_or(Malformed("a bad port"))?;
                (Host::parse(&opaque[host_at..colon])?, Some(number))
            }
        };
        let (params, headers) = opaque[host_end..].split_at(params_end - host_end);
        let params = Params::of(params);
        if !params.as_bytes().is_empty() && !params.are_well_formed() {
            return Err(Malformed("a SIP URI with a bad parameter"));
        }
        Ok(Self {
            scheme,
            user,
            host,
            port,
            params,
            headers: headers.split_first().map(|(_, text)| text),
            opaque,
        })
    }

    fn parse_tel(opaque: &'a [u8]) -> Result<Self, Malformed> {
        let end = memchr::memchr(b';', opaque).unwrap_or(opaque.len());
        let (number, params) = opaque.split_at(end);
        if number.is_empty() {
            return Err(Malformed("a tel URI without number"));
        }
        Ok(Self { user: Some(number), params: Params::of(params), ..Self::bare(Scheme::Tel, opaque) })
    }
}

/// Where the parts of a SIP URI stand, found in one pass.
struct Marks {
    /// The colon before the password.
    user_end: Option<usize>,
    /// The `@`.
    at: Option<usize>,
    /// The first colon between host and port; within brackets it is no such colon.
    port_colon: Option<usize>,
    /// Behind host and port.
    host_end: usize,
    /// Behind the parameters.
    params_end: usize,
}

/// What divides a SIP URI, or may not stand in it.
const DIVIDES: [bool; 256] = class(b"@:;?\x7f<>", &[(0, b' ')]);

const NO_URI_OCTET: Malformed = Malformed("a URI with white space, control characters or angle brackets");

impl Marks {
    fn of(text: &[u8]) -> Result<Self, Malformed> {
        let (mut colon, mut user_end, mut at, mut host_end, mut params_end) = (None, None, None, None, None);
        for (place, octet) in text.iter().enumerate().filter(|(_, octet)| DIVIDES[usize::from(**octet)]) {
            match octet {
                b'@' if at.is_some() => return Err(Malformed("a SIP URI with two @")),
                // What came before was the user's.
                b'@' => {
                    (user_end, at) = (colon, Some(place));
                    (colon, host_end, params_end) = (None, None, None);
                }
                b':' => _ = colon.get_or_insert(place),
                b';' => _ = host_end.get_or_insert(place),
                b'?' => _ = params_end.get_or_insert(place),
                _ => return Err(NO_URI_OCTET),
            }
        }
        let params_end = params_end.unwrap_or(text.len());
        let host_end = host_end.unwrap_or(params_end).min(params_end);
        let port_colon = colon.filter(|colon| *colon < host_end);
        Ok(Self { user_end, at, port_colon, host_end, params_end })
    }
}

/// What a host name is made of. Underscores are not in the grammar, but in the names of many hosts.
const HOST_NAME: [bool; 256] = class(b"-._", &ALPHANUMERIC);

impl<'a> Host<'a> {
    /// Reads a host name, an IPv4 literal or a bracketed IPv6 literal.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        if let Some(inner) = text.strip_prefix(b"[") {
            return inner
                .strip_suffix(b"]")
                .and_then(|inner| std::str::from_utf8(inner).ok())
                .and_then(ip6)
                .map(Host::V6)
                .ok_or(Malformed("a bad IPv6 literal"));
        }
        if let Some(address) = ip4(text) {
            return Ok(Host::V4(address));
        }
        match std::str::from_utf8(text) {
            Ok(name) if !name.is_empty() && text.iter().all(|octet| HOST_NAME[usize::from(*octet)]) => {
                Ok(Host::Name(name))
            }
            _ => Err(Malformed("a bad host")),
        }
    }

    /// The address, when it is a literal. An IPv4-mapped IPv6 address is given as the IPv4 address it stands
    /// for.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) | Host::Absent => None,
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address).to_canonical()),
        }
    }
}

/// `scheme` of RFC 3986 §3.1.
fn is_scheme(name: &[u8]) -> bool {
    let rest = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.');
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(rest)
}

fn host_and_port(text: &[u8]) -> Result<(Host<'_>, Option<u16>), Malformed> {
    let host_end = if text.first() == Some(&b'[') {
        memchr::memchr(b']', text).map_or(text.len(), |closing| closing + 1)
    } else {
        memchr::memchr(b':', text).unwrap_or(text.len())
    };
    let host = Host::parse(&text[..host_end])?;
    match text[host_end..].split_first() {
        None => Ok((host, None)),
        Some((b':', digits)) => match port(digits) {
            Some(number) => Ok((host, Some(number))),
            None => Err(Malformed("a bad port")),
        },
        Some(_) => Err(Malformed("something behind an IPv6 literal")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::percent_decode;

    proptest! {
        #[test]
        fn a_sip_uri_is_divided_where_a_search_for_each_mark_divides_it(text in "[ab1.@:;?=]{0,14}") {
            let text = text.as_bytes();
            let find = |text: &[u8], any: &[u8]| text.iter().position(|octet| any.contains(octet));
            let at = find(text, b"@");
            let rest = at.map_or(0, |at| at + 1);
            if find(&text[rest..], b"@").is_some() {
                prop_assert!(Marks::of(text).is_err());
                return Ok(());
            }
            let marks = Marks::of(text).unwrap();
            let host_end = find(&text[rest..], b";?").map_or(text.len(), |length| rest + length);
            let params_end = find(&text[host_end..], b"?").map_or(text.len(), |length| host_end + length);
            prop_assert_eq!(marks.at, at);
            prop_assert_eq!((marks.host_end, marks.params_end), (host_end, params_end));
            if let Some(at) = at {
                prop_assert_eq!(marks.user_end, find(&text[..at], b":"));
            }
            prop_assert_eq!(marks.port_colon, find(&text[rest..host_end], b":").map(|length| rest + length));
        }
    }

    #[test]
    fn a_sip_uri_is_read_to_its_parts() {
        let uri = Uri::parse(b"sips:alice:secret@[2001:db8::10]:5070;lr;transport=tcp?Subject=x").unwrap();
        assert_eq!(uri.scheme, Scheme::Sips);
        assert_eq!(uri.user, Some(&b"alice"[..]));
        assert_eq!(uri.host, Host::V6("2001:db8::10".parse().unwrap()));
        assert_eq!(uri.port, Some(5070));
        assert_eq!(uri.params.get("transport"), Some(Some(&b"tcp"[..])));
        assert!(uri.params.has("lr"));
        assert_eq!(uri.headers, Some(&b"Subject=x"[..]));
    }

    #[test]
    fn a_uri_is_found_again_by_the_places_of_its_parts() {
        for text in [
            &b"sips:alice:secret@[2001:db8::10]:5070;lr;transport=tcp?Subject=x"[..],
            b"sip:0312345678@pbx.example.jp",
            b"sip:192.0.2.1:5060;lr",
            b"tel:+81-3-1234-5678;phone-context=x",
            b"soap.beep://192.0.2.103:3002",
            b"x:",
        ] {
            let bytes = [b"INVITE ", text, b" SIP/2.0\r\n"].concat();
            let uri = Uri::parse(&bytes[7..7 + text.len()]).unwrap();
            assert_eq!(UriParts::of(&uri, &bytes).uri(&bytes), uri, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_user_part_may_hold_nearly_anything() {
        let uri = Uri::parse(b"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com")
            .unwrap();
        assert_eq!(uri.user, Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
        assert_eq!(uri.host, Host::Name("example.com"));
        let uri = Uri::parse(b"sip:user;par=u%40example.net@example.com").unwrap();
        assert_eq!(percent_decode(uri.user.unwrap_or_default()), &b"user;par=u@example.net"[..]);
        let uri = Uri::parse(b"sip:sips%3Auser%40example.com@example.net").unwrap();
        assert_eq!(percent_decode(uri.user.unwrap_or_default()), &b"sips:user@example.com"[..]);
    }

    #[test]
    fn a_port_inside_the_brackets_is_no_port() {
        let uri = Uri::parse(b"sip:[2001:db8::10:5070]").unwrap();
        assert_eq!(uri.host, Host::V6("2001:db8::10:5070".parse().unwrap()));
        assert_eq!(uri.port, None);
    }

    #[test]
    fn tel_and_unknown_schemes_are_read() {
        let uri = Uri::parse(b"tel:+81-3-1234-5678;phone-context=x").unwrap();
        assert_eq!((uri.scheme, uri.user), (Scheme::Tel, Some(&b"+81-3-1234-5678"[..])));
        assert!(uri.params.has("phone-context"));
        let uri = Uri::parse(b"soap.beep://192.0.2.103:3002").unwrap();
        assert_eq!((uri.scheme, uri.opaque), (Scheme::Other, &b"//192.0.2.103:3002"[..]));
    }

    #[test]
    fn n20_an_ambiguous_uri_is_refused() {
        for text in [
            &b"sip:2001:db8::10"[..],
            b"sip:alice@good.example;x=@evil.example",
            b"sip:a@b@c",
            b"sip:@host",
            b"sip:",
            b"sip:user@",
            b"sip:user@host:",
            b"sip:user@host:0",
            b"sip:user@host:99999",
            b"sip:user@[::1",
            b"sip:user@[::1]x",
            b"sip:user@ho st",
            b"sip:user@host;a=b c",
            b"<sip:user@host>",
            b"sip:user@host\0",
            b"user@host",
            b":user",
            b"1x:user",
            b"",
        ] {
            assert!(Uri::parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn an_ipv4_mapped_address_is_the_ipv4_address() {
        let uri = Uri::parse(b"sip:a@[::ffff:192.0.2.10]:19823").unwrap();
        assert_eq!(uri.host.address(), "192.0.2.10".parse().ok());
    }
}
