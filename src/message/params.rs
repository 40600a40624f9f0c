//! Parameters behind a semicolon: `*(SEMI generic-param)` of RFC 3261 §25.1.

use super::text::{class, find_class, is_lws, skip_lws, skip_quoted, skip_token, trim};

/// Parameters in their order. What is no parameter is left out; who must be strict asks
/// [`Params::are_well_formed`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    /// From the first semicolon on; empty when there is none.
    text: &'a [u8],
}

impl<'a> Params<'a> {
    /// The parameters in `text`, which begins with a semicolon or is empty.
    pub fn of(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// The text from the first semicolon on.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// Name and value of each; quotes are kept. Empty ones are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        Pieces { rest: self.text }.filter_map(|piece| match piece {
            Piece::Param(name, value) => Some((name, value)),
            Piece::Empty | Piece::Junk => None,
        })
    }

    /// As [`Self::iter`]; `None` for what is no parameter.
    pub(super) fn iter_strict(&self) -> impl Iterator<Item = Option<(&'a [u8], Option<&'a [u8]>)>> + use<'a> {
        Pieces { rest: self.text }.filter_map(|piece| match piece {
            Piece::Param(name, value) => Some(Some((name, value))),
            Piece::Empty => None,
            Piece::Junk => Some(None),
        })
    }

    /// The value of the first parameter of that name, in any case: `Some(None)` when it has no value.
    pub fn get(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Whether a parameter of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether every piece is a parameter; empty pieces are tolerated, as telephones send them.
    pub(super) fn are_well_formed(&self) -> bool {
        Pieces { rest: self.text }.all(|piece| piece != Piece::Junk)
    }
}

/// The raw parameter text is cut here, once.
struct Pieces<'a> {
    rest: &'a [u8],
}

#[derive(PartialEq, Eq)]
enum Piece<'a> {
    Param(&'a [u8], Option<&'a [u8]>),
    Empty,
    Junk,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let (first, text) = self.rest.split_first()?;
        if *first != b';' {
            self.rest = &[];
            return Some(Piece::Junk);
        }
        if let Some((piece, length)) = plain_piece(text) {
            self.rest = &text[length..];
            return Some(piece);
        }
        let length = piece_length(text);
        self.rest = &text[length..];
        Some(piece(trim(&text[..length])))
    }
}

/// What ends a parameter's name, or asks for a closer look at it.
const ENDS_NAME: [bool; 256] = class(b" \t\r\n=;\"<>,", &[]);

/// What ends a parameter's value, or asks for a closer look at it.
const ENDS_VALUE: [bool; 256] = class(b" \t\r\n;\"", &[]);

/// A parameter with its length, when it is without white space, quotes and oddities, as nearly all are;
/// `None` when it must be read with care.
fn plain_piece(text: &[u8]) -> Option<(Piece<'_>, usize)> {
    let name_end = text.iter().position(|octet| ENDS_NAME[usize::from(*octet)]).unwrap_or(text.len());
    match text.get(name_end) {
        _ if name_end == 0 => None,
        None | Some(b';') => Some((Piece::Param(&text[..name_end], None), name_end)),
        Some(b'=') => {
            let end = find_class(&ENDS_VALUE, text, name_end + 1);
            let plain = end > name_end + 1 && text.get(end).is_none_or(|octet| *octet == b';');
            plain.then(|| (Piece::Param(&text[..name_end], Some(&text[name_end + 1..end])), end))
        }
        Some(_) => None,
    }
}

/// How many octets come before the next semicolon outside quotes.
fn piece_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b';', b'"', &text[at..]) {
        at += found;
        if text[at] == b';' {
            return at;
        }
        match skip_quoted(text, at) {
            Some(behind) => at = behind,
            None => break,
        }
    }
    text.len()
}

fn piece(text: &[u8]) -> Piece<'_> {
    if text.is_empty() {
        return Piece::Empty;
    }
    let name_end = text.iter().position(|octet| *octet == b'=' || is_lws(*octet)).unwrap_or(text.len());
    let name = &text[..name_end];
    if name.is_empty() || name.iter().any(|octet| matches!(octet, b'"' | b'<' | b'>' | b',')) {
        return Piece::Junk;
    }
    let equals = skip_lws(text, name_end);
    if equals == text.len() {
        return Piece::Param(name, None);
    }
    if text[equals] != b'=' {
        return Piece::Junk;
    }
    let value = trim(&text[equals + 1..]);
    match value.first() {
        None => Piece::Param(name, None),
        // A quote that never closes would swallow what is written behind it, a tag of ours for example.
        Some(first) if *first != b'"' && !quotes_close(value) => Piece::Junk,
        Some(b'"') if skip_quoted(value, 0) != Some(value.len()) => Piece::Junk,
        Some(_) => Piece::Param(name, Some(value)),
    }
}

fn quotes_close(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(quote) = memchr::memchr(b'"', &text[at..]) {
        match skip_quoted(text, at + quote) {
            Some(behind) => at = behind,
            None => return false,
        }
    }
    true
}

/// What ends the value of a strict parameter.
const ENDS_STRICT_VALUE: [bool; 256] = class(b" \t\r\n;,\"<>", &[]);

/// The position behind one strict parameter (`generic-param`) that begins at `at`, with the ends of its name
/// and the span of its value; `None` when there is none. Via needs it: RFC 4475 §3.1.2.1 wants empty
/// parameters refused there.
pub(super) fn strict_param(text: &[u8], at: usize) -> Option<StrictParam> {
    let name_end = skip_token(text, at);
    if name_end == at {
        return None;
    }
    let equals = skip_lws(text, name_end);
    if text.get(equals) != Some(&b'=') {
        return Some(StrictParam { name_end, value: None, end: name_end });
    }
    let value_at = skip_lws(text, equals + 1);
    let end = match text.get(value_at) {
        Some(b'"') => skip_quoted(text, value_at)?,
        _ => find_class(&ENDS_STRICT_VALUE, text, value_at),
    };
    Some(StrictParam { name_end, value: (end > value_at).then_some((value_at, end)), end })
}

/// See [`strict_param`].
pub(super) struct StrictParam {
    pub(super) name_end: usize,
    pub(super) value: Option<(usize, usize)>,
    pub(super) end: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_quickly_is_what_is_read_with_care(text in "[ab=;, \t\"<>\\\\\r\n\u{5}]{0,12}") {
            let text = text.as_bytes();
            if let Some((found, length)) = plain_piece(text) {
                prop_assert_eq!(length, piece_length(text));
                prop_assert!(piece(trim(&text[..length])) == found);
            }
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_values_keep_their_quotes() {
        let params = Params::of(b";lr ;Tag = a1;q=\"x;y\\\"z\" ;;empty=");
        assert_eq!(params.get("LR"), Some(None));
        assert_eq!(params.get("tag"), Some(Some(&b"a1"[..])));
        assert_eq!(params.get("q"), Some(Some(&b"\"x;y\\\"z\""[..])));
        assert_eq!(params.get("empty"), Some(None));
        assert_eq!(params.get("y\\\"z\""), None);
        assert!(params.are_well_formed());
    }

    #[test]
    fn what_is_no_parameter_is_not_well_formed() {
        for text in [&b";a b"[..], b";=x", b";a=\"open", b"a=b", b";a=\"x\"y", b";a,b"] {
            assert!(!Params::of(text).are_well_formed(), "{}", String::from_utf8_lossy(text));
        }
    }
}
