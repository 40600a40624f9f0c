//! name-addr and addr-spec as strangers write them (RFC 3261 §20.10, §25.1): tolerant, and only as far as
//! identity needs it.

use std::borrow::Cow;

/// A name-addr taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// The display name without quotes and escapes, lossily UTF-8; empty when there is none.
    pub display: Cow<'a, str>,
    /// The scheme, lower-case.
    pub scheme: Cow<'a, str>,
    /// The user part of a sip URI or the number of a tel URI: percent-decoded, without parameters and
    /// password.
    pub user: Cow<'a, str>,
    /// The parameters of the user part, percent-decoded, with their semicolons; for tel URIs they are in
    /// `rest`.
    pub user_params: Cow<'a, str>,
    /// The host, lower-case, without the port; empty in tel URIs.
    pub host: Cow<'a, str>,
    /// Parameters and headers of the URI and of the header, verbatim.
    pub rest: Cow<'a, str>,
}

impl<'a> Address<'a> {
    /// Reads one value. `None` when there is no URI in it.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        match String::from_utf8_lossy(value) {
            Cow::Borrowed(text) => Self::read(text),
            Cow::Owned(text) => Address::read(&text).map(Address::into_owned),
        }
    }

    fn into_owned<'b>(self) -> Address<'b> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Address {
            display: own(self.display),
            scheme: own(self.scheme),
            user: own(self.user),
            user_params: own(self.user_params),
            host: own(self.host),
            rest: own(self.rest),
        }
    }

    fn read(text: &'a str) -> Option<Self> {
        let text = trimmed(text);
        let (display, uri, rest) = match find_unquoted(text, b'<') {
            Some(open) => {
                let inside = text.get(open + 1..)?;
                let close = find(inside, b">")?;
                (display_name(text.get(..open)?), inside.get(..close)?, inside.get(close + 1..)?)
            }
            // Without angle brackets, parameters belong to the header (§20.10); for us that is all one.
            None => (Cow::Borrowed(""), text, ""),
        };
        let uri = trimmed(uri);
        let colon = find(uri, b":")?;
        let (scheme, after) = (&uri[..colon], &uri[colon + 1..]);
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return None;
        }
        let scheme = lower_case(scheme);
        let mut address = Self { display, scheme, rest: Cow::Borrowed(rest), ..Self::default() };
        let is_tel = address.scheme == "tel";
        let (user, host) = match after.bytes().rposition(|octet| octet == b'@') {
            Some(at) if !is_tel => (after.get(..at)?, after.get(at + 1..)?),
            Some(_) | None if is_tel => (after, ""),
            Some(_) | None => ("", after),
        };
        address.user = user_part(user);
        if !is_tel {
            address.user_params = user_params(user);
        }
        address.host = host_part(host);
        let tail = if is_tel { user } else { host };
        if let Some(start) = find(tail, b";?") {
            let of_uri = tail.get(start..)?;
            address.rest =
                if rest.is_empty() { Cow::Borrowed(of_uri) } else { [of_uri, rest].concat().into() };
        }
        Some(address)
    }
}

/// The values of header lines that may hold comma lists.
pub(super) fn list<'a>(lines: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut values = Vec::new();
    for line in lines {
        if memchr::memchr(b',', line).is_none() {
            values.push(*line);
            continue;
        }
        let mut start = 0;
        let mut state = Scan::default();
        for (index, byte) in line.iter().enumerate() {
            if state.step(*byte) && *byte == b',' {
                values.push(line.get(start..index).unwrap_or_default());
                start = index + 1;
            }
        }
        values.push(line.get(start..).unwrap_or_default());
    }
    values.retain(|value| !value.trim_ascii().is_empty());
    values
}

/// Where in a header value the scan stands: inside quotes or angle brackets nothing separates.
#[derive(Default)]
struct Scan {
    quoted: bool,
    escaped: bool,
    bracketed: bool,
}

impl Scan {
    /// Takes one octet; true when it stands outside quotes and brackets.
    fn step(&mut self, byte: u8) -> bool {
        if self.escaped {
            self.escaped = false;
            return false;
        }
        match byte {
            b'\\' if self.quoted => self.escaped = true,
            b'"' if !self.bracketed => self.quoted = !self.quoted,
            b'<' if !self.quoted => self.bracketed = true,
            b'>' if !self.quoted => self.bracketed = false,
            _ => return !self.quoted && !self.bracketed,
        }
        false
    }
}

/// Where one of these ASCII octets stands first. Addresses are short: what prepares a search costs more.
fn find(text: &str, octets: &[u8]) -> Option<usize> {
    text.bytes().position(|octet| octets.contains(&octet))
}

/// The text without outer white space.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        // As nearly every text is.
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// Where that ASCII octet stands first outside quotes.
fn find_unquoted(text: &str, wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            octet if octet == wanted && !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

fn display_name(text: &str) -> Cow<'_, str> {
    let text = trimmed(text);
    let Some(quoted) = text.strip_prefix('"') else { return Cow::Borrowed(text) };
    if let Some(end) = find(quoted, b"\"\\").filter(|end| quoted.as_bytes()[*end] == b'"') {
        return Cow::Borrowed(&quoted[..end]);
    }
    let mut name = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => name.extend(characters.next()),
            _ => name.push(character),
        }
    }
    Cow::Owned(name)
}

fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// A part of a text that is borrowed as long as the whole is.
fn part<'a>(whole: Cow<'a, str>, of: impl Fn(&str) -> &str) -> Cow<'a, str> {
    match whole {
        Cow::Owned(whole) => Cow::Owned(of(&whole).to_owned()),
        Cow::Borrowed(whole) => {
            let found = of(whole);
            let start = found.as_ptr().addr() - whole.as_ptr().addr();
            Cow::Borrowed(&whole[start..start + found.len()])
        }
    }
}

/// Percent-decodes first and cuts afterwards, so that an encoded `;` hides no parameter.
fn user_part(raw: &str) -> Cow<'_, str> {
    part(percent_decode(raw), |decoded| trimmed(&decoded[..find(decoded, b";:?").unwrap_or(decoded.len())]))
}

fn user_params(raw: &str) -> Cow<'_, str> {
    part(percent_decode(raw), |decoded| &decoded[find(decoded, b";").unwrap_or(decoded.len())..])
}

fn host_part(raw: &str) -> Cow<'_, str> {
    let up_to = |text: &'_ str, ends: &[u8]| find(text, ends).unwrap_or(text.len());
    let host = trimmed(&raw[..up_to(raw, b";?>")]);
    let without_port = match host.strip_prefix('[') {
        Some(v6) => &v6[..up_to(v6, b"]")],
        None => &host[..up_to(host, b":")],
    };
    lower_case(without_port)
}

/// Decodes `%XX`; a malformed escape stays as it is.
pub(super) fn percent_decode(raw: &str) -> Cow<'_, str> {
    if find(raw, b"%").is_none() {
        return Cow::Borrowed(raw);
    }
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let pair = bytes
            .get(index + 1..index + 3)
            .filter(|hex| *byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        let value = pair
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(value.unwrap_or(*byte));
        index += if value.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_addr_is_taken_apart() {
        let address =
            Address::parse(b"\"Yamada \\\"H\\\"\" <sip:03%2D1234;npdi:pw@Example.com:5060;user=phone>;tag=1")
                .expect("has a URI");
        assert_eq!(address.display, "Yamada \"H\"");
        assert_eq!((&*address.user, &*address.host), ("03-1234", "example.com"));
        assert_eq!(address.rest, ";user=phone;tag=1");
    }

    #[test]
    fn commas_inside_quotes_and_brackets_do_not_separate() {
        let lines: [&[u8]; 2] = [b"\"a, b\" <sip:1@x;a=1,2>, <tel:+81312345678>", b" , "];
        let values = list(&lines);
        assert_eq!(values.len(), 2);
        assert_eq!(values[1].trim_ascii(), b"<tel:+81312345678>");
    }

    #[test]
    fn what_has_no_uri_is_none() {
        for value in [&b""[..], b"anonymous", b"\"open <sip:1@x>", b"<sip:1@x"] {
            assert_eq!(Address::parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_malformed_escape_stays() {
        assert_eq!(percent_decode("%4"), "%4");
        assert_eq!(percent_decode("%zz%41"), "%zzA");
        assert_eq!(percent_decode("%+1"), "%+1");
    }
}
