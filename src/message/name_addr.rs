//! `name-addr` and `addr-spec` with their parameters (RFC 3261 §20.10, §25.1): From, To, Contact, Route and
//! the like.

use std::borrow::Cow;

use super::Malformed;
use super::params::Params;
use super::text::{class, find_class, find_near, find_no_uri, is_lws, skip_lws, skip_quoted, trim};

/// One address value, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included.
    pub display: Option<&'a [u8]>,
    /// The URI, without `<>`.
    pub uri: &'a [u8],
    /// The parameters of the header, not of the URI. Without `<>` every parameter is the header's.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value, without the commas around it.
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let address = Self::parse_to_params(value)?;
        if address.params.are_well_formed() { Ok(address) } else { Err(BAD_PARAMETER) }
    }

    /// Reads one value as [`Self::parse`] does, for the sake of its tags alone: its parameters are gone
    /// through once.
    pub(super) fn tags(value: &'a [u8]) -> Result<Tags<'a>, Malformed> {
        plain_tags(value).map_or_else(|| Self::tags_with_care(value), Ok)
    }

    fn tags_with_care(value: &'a [u8]) -> Result<Tags<'a>, Malformed> {
        let mut tags = Tags::None;
        for param in Self::parse_to_params(value)?.params.iter_strict() {
            let (name, value) = param.ok_or(BAD_PARAMETER)?;
            if name.len() == 3 && name.eq_ignore_ascii_case(b"tag") {
                tags = match value {
                    Some(tag) if tags == Tags::None && is_one_word(tag) => Tags::One(tag),
                    Some(_) | None => Tags::Unusable,
                };
            }
        }
        Ok(tags)
    }

    /// All but whether the parameters are well-formed.
    fn parse_to_params(value: &'a [u8]) -> Result<Self, Malformed> {
        let text = trim(value);
        let (display, open) = match text.first() {
            Some(b'<') => (None, 0),
            Some(b'"') => {
                let end = skip_quoted(text, 0).ok_or(Malformed("an unterminated quote"))?;
                (Some(&text[..end]), skip_lws(text, end))
            }
            Some(_) | None => match memchr::memchr(b'<', text) {
                None => return Self::parse_addr_spec(text),
                Some(open) => (unquoted_display(&text[..open])?, open),
            },
        };
        if text.get(open) != Some(&b'<') {
            return Err(Malformed("a display name without address"));
        }
        let close = find_no_uri(text, open + 1);
        if text.get(close) != Some(&b'>') {
            return Err(Malformed("an address with white space or control characters, or an unterminated <"));
        }
        let uri = &text[open + 1..close];
        check_scheme(uri)?;
        let tail = &text[close + 1..];
        // Mostly a parameter follows at once, or nothing.
        let tail = match tail {
            [] => tail,
            [b';', .., last] if *last > b' ' => tail,
            _ => trim(tail),
        };
        Ok(Self { display, uri, params: Params::of(tail) })
    }

    /// RFC 3261 §20.10: without `<>`, a URI with a comma, a question mark or a semicolon must not be written,
    /// so these never belong to the URI.
    fn parse_addr_spec(text: &'a [u8]) -> Result<Self, Malformed> {
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let (uri, tail) = text.split_at(end);
        let uri = trim(uri);
        if memchr::memchr3(b'?', b',', b'"', uri).is_some() {
            return Err(Malformed("an address that needs <>"));
        }
        if find_no_uri(uri, 0) != uri.len() {
            return Err(Malformed("an address with white space or control characters"));
        }
        check_scheme(uri)?;
        Ok(Self { display: None, uri, params: Params::of(tail) })
    }

    /// The display name without quotes and escapes. Octets that are no UTF-8 become U+FFFD; control
    /// characters stay and are the reader's to remove.
    pub fn display_text(&self) -> Option<Cow<'a, str>> {
        let display = self.display?;
        let Some(quoted) = display.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")) else {
            return Some(String::from_utf8_lossy(display));
        };
        if memchr::memchr(b'\\', quoted).is_none() {
            return Some(String::from_utf8_lossy(quoted));
        }
        let mut plain = Vec::with_capacity(quoted.len());
        let mut octets = quoted.iter();
        while let Some(octet) = octets.next() {
            plain.push(if *octet == b'\\' { *octets.next().unwrap_or(octet) } else { *octet });
        }
        Some(Cow::Owned(String::from_utf8_lossy(&plain).into_owned()))
    }

    /// The tag, when there is one with a value.
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get("tag").flatten()
    }
}

/// Tokens and white space; we let pass what telephones write besides, but nothing that begins something else.
fn unquoted_display(text: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let display = trim(text);
    let foreign = |octet: &u8| {
        matches!(octet, b',' | b';' | b':' | b'"' | b'>' | b'\\' | 0x7f) || (*octet < b' ' && !is_lws(*octet))
    };
    if display.iter().any(foreign) {
        return Err(Malformed("a display name that needs quotes"));
    }
    Ok((!display.is_empty()).then_some(display))
}

fn check_scheme(uri: &[u8]) -> Result<(), Malformed> {
    match find_near(uri, 0, b':') {
        Some(colon) if colon > 0 => Ok(()),
        Some(_) | None => Err(Malformed("an address without scheme")),
    }
}

const BAD_PARAMETER: Malformed = Malformed("a bad parameter behind an address");

/// The tags of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags<'a> {
    /// There is none.
    None,
    /// The one there is, which is one word.
    One(&'a [u8]),
    /// One without a value, one that is no word, or more than one.
    Unusable,
}

/// The tag of an address as nearly all are written: `<>` with a quoted name before it or nothing, and behind
/// it a tag or nothing; `None` for what must be read with care.
fn plain_tags(value: &[u8]) -> Option<Tags<'_>> {
    let open = match value.first()? {
        b'<' => 0,
        b'"' => skip_quoted(value, 0)? + 1,
        _ => return None,
    };
    let close = find_no_uri(value, open + 1);
    let opens = open == 0 || value.get(open - 1..=open) == Some(b" <");
    if !opens || value.get(close) != Some(&b'>') {
        return None;
    }
    check_scheme(&value[open + 1..close]).ok()?;
    let behind = &value[close + 1..];
    if behind.is_empty() {
        return Some(Tags::None);
    }
    let tag = behind.strip_prefix(b";tag=").filter(|tag| is_one_word(tag))?;
    Some(Tags::One(tag))
}

/// Wider than a token, because a tag is compared and copied only; but nothing that others would end it at.
fn is_one_word(tag: &[u8]) -> bool {
    !tag.is_empty() && find_class(&ENDS_WORD, tag, 0) == tag.len()
}

/// What ends a word for somebody.
const ENDS_WORD: [bool; 256] = class(b"\x7f\";,<>", &[(0, b' ')]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tags_that_are_read_quickly_are_those_that_are_read_with_care(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "\"a\\\"b\" ", "\"", "\\", " ", "<", ">", "<sip:b@h>", "<sip:b@h;x=1>",
                    ";tag=", ";TAG=", ";tag", "a1",
                    "=", ";", ",", "\u{5}", "\u{7f}", ":", "é", "\r\n ",
                ]),
                0..8,
            ),
        ) {
            let text = pieces.concat();
            let value = trim(text.as_bytes());
            if let Some(found) = plain_tags(value) {
                prop_assert_eq!(NameAddr::tags_with_care(value), Ok(found), "{}", text);
            }
        }
    }

    #[test]
    fn a_quoted_display_name_is_unescaped() {
        let address = NameAddr::parse(br#" "J \"Q\" \\ R" <sip:j@h;lr>;tag=1 "#).unwrap();
        assert_eq!(address.display_text().as_deref(), Some(r#"J "Q" \ R"#));
        assert_eq!(address.uri, b"sip:j@h;lr");
        assert_eq!(address.tag(), Some(&b"1"[..]));
        assert!(!address.params.has("lr"));
    }

    #[test]
    fn n13_a_quote_that_never_closes_hides_nothing_that_is_written_behind_it() {
        for text in [
            &b"<sip:s@h>;x=a\"b"[..],
            b"<sip:s@h>;x='a\", r=\"n\"",
            b"<sip:s@h>;x=\"a;tag=1",
            b"sip:s@h;x=1\"",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        assert!(NameAddr::parse(b"<sip:s@h>;x=a\"b;c\"d;tag=1").is_ok());
    }

    #[test]
    fn a_display_name_needs_no_blank_and_no_quotes() {
        let address = NameAddr::parse(b"caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!(address.display, Some(&b"caller"[..]));
        let address = NameAddr::parse("佐藤 一郎 <sip:s@h>".as_bytes()).unwrap();
        assert_eq!(address.display_text().as_deref(), Some("佐藤 一郎"));
        let address = NameAddr::parse(b"<sip:s@h>").unwrap();
        assert_eq!(address.display_text(), None);
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        let address =
            NameAddr::parse(b"sip:+19725552222@gw1.example.net;unknownparam ;  tag  =\r\n  9n").unwrap();
        assert_eq!(address.uri, b"sip:+19725552222@gw1.example.net");
        assert!(address.params.has("unknownparam"));
        assert_eq!(address.tag(), Some(&b"9n"[..]));
    }

    #[test]
    fn a_display_name_in_shift_jis_becomes_valid_text() {
        let address = NameAddr::parse(b"\"\x8d\xb2\x93\xa1\" <sip:s@h>").unwrap();
        assert!(address.display_text().is_some_and(|text| text.contains('\u{fffd}')));
    }

    #[test]
    fn a_malformed_address_is_refused() {
        for text in [
            &br#""Mr. J. User <sip:j.user@example.com>"#[..],
            b"Bell, Alexander <sip:a@h>",
            b"\"Watson, Thomas\" < sip:t.watson@example.org >",
            b"sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            b"sip:evil@x <sip:y@z>",
            b"\"a\" sip:a@h",
            b"\"a\"",
            b"<sip:a@h",
            b"<sip:a@h> x",
            b"<sip:a@h>, <sip:b@h>",
            b"<>",
            b"alan@jasomi.com",
            b"<sip:a@h>;tag=\"open",
            b"",
        ] {
            assert!(NameAddr::parse(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }
}
