//! Octet classes and the smallest readers (RFC 3261 §25.1). All of them look at each octet once.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// A range of octets in a message; four billion octets are far beyond any limit we accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: offset(start), end: offset(end) }
    }

    /// Where a part of the octets stands in them; nothing stands at their beginning.
    pub(super) fn within(bytes: &[u8], part: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        let start = part.as_ptr().addr() - bytes.as_ptr().addr();
        Self::new(start, start + part.len())
    }

    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    pub(super) fn range(self) -> Range<u32> {
        self.start..self.end
    }
}

/// An offset as we store it. Parsing refuses messages beyond `u32`, so nothing is cut here in practice.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// White space inside a value. CR and LF count because a line that was split at its end keeps them only in
/// folds.
pub(super) const fn is_lws(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// `token` of RFC 3261 §25.1.
pub(super) const fn is_token(octet: u8) -> bool {
    TOKEN[octet as usize]
}

/// Octets as a table, by themselves and by ranges with both ends: what is looked at octet by octet in every
/// message is quicker so than by comparisons.
pub(super) const fn class(octets: &[u8], ranges: &[(u8, u8)]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut at = 0;
    while at < octets.len() {
        table[octets[at] as usize] = true;
        at += 1;
    }
    let mut at = 0;
    while at < ranges.len() {
        let mut octet = ranges[at].0 as usize;
        while octet <= ranges[at].1 as usize {
            table[octet] = true;
            octet += 1;
        }
        at += 1;
    }
    table
}

/// Letters and digits.
pub(super) const ALPHANUMERIC: [(u8, u8); 3] = [(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')];

const TOKEN: [bool; 256] = class(b"-.!%*_+`'~", &ALPHANUMERIC);

/// The position of the first octet at or after `from` that may not stand in a URI that stands alone: white
/// space, control characters, angle brackets; the end of the text when all may.
pub(super) fn find_no_uri(text: &[u8], from: usize) -> usize {
    // The brackets differ in one bit.
    let hits = |eight| below(eight, b'!') | equal(eight | (2 * ONES), b'>') | equal(eight, 0x7f);
    find_eights(text, from, hits).unwrap_or(text.len())
}

/// Whether the text is a token of at least one octet.
pub(super) fn all_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token)
}

/// The text without outer white space.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let span = trim_span(text, Span::new(0, text.len()));
    span.of(text)
}

/// The span without outer white space.
#[inline]
pub(super) fn trim_span(bytes: &[u8], span: Span) -> Span {
    let text = span.of(bytes);
    // As nearly every header line has it.
    if let [b' ', first, .., last] = text
        && *first > b' '
        && *last > b' '
    {
        return Span { start: span.start + 1, end: span.end };
    }
    trim_with_care(text, span)
}

fn trim_with_care(text: &[u8], span: Span) -> Span {
    let lead = text.iter().take_while(|octet| is_lws(**octet)).count();
    let trail = text[lead..].iter().rev().take_while(|octet| is_lws(**octet)).count();
    Span { start: span.start + offset(lead), end: span.end - offset(trail) }
}

/// The position of the first octet at or after `at` that is not white space.
pub(super) fn skip_lws(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|octet| is_lws(**octet)).count()
}

/// The position behind a run of token octets that begins at `at`.
pub(super) fn skip_token(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|octet| is_token(**octet)).count()
}

/// The position of the first octet of that class at or after `from`; the end of the text when there is none.
/// For what is long: eight octets are looked at in one step.
pub(super) fn find_class(class: &[bool; 256], text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        if eight.iter().fold(false, |any, octet| any | class[usize::from(*octet)]) {
            break;
        }
        at += eight.len();
    }
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().position(|octet| class[usize::from(*octet)]).map_or(text.len(), |length| at + length)
}

/// One, and the highest bit, of each of eight octets.
const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The highest bit of each octet that is below `limit`, which is at most 128. The lowest of these bits is
/// right, those above it may come from a borrow.
const fn below(eight: u64, limit: u8) -> u64 {
    eight.wrapping_sub(limit as u64 * ONES) & !eight & HIGH
}

/// As [`below`], of each octet that is `wanted`.
const fn equal(eight: u64, wanted: u8) -> u64 {
    below(eight ^ (wanted as u64 * ONES), 1)
}

/// The position of the first octet at or after `from` that `hits` marks with its highest bit, among eight at
/// once of which the lowest comes first; what it marks above a right one does not matter. For what is near:
/// it spares what a search through a long text has to prepare.
#[inline]
fn find_eights(text: &[u8], from: usize, hits: impl Fn(u64) -> u64) -> Option<usize> {
    let (eights, rest) = text.get(from..)?.as_chunks::<8>();
    for (place, eight) in eights.iter().enumerate() {
        let found = hits(u64::from_le_bytes(*eight));
        if found != 0 {
            return Some(from + place * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    if rest.is_empty() {
        return None;
    }
    // Above the last octets of the text stand noughts.
    let last = match text.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - rest.len())),
        None => rest.iter().rev().fold(0, |eight, octet| eight << 8 | u64::from(*octet)),
    };
    let place = hits(last).trailing_zeros() as usize / 8;
    (place < rest.len()).then(|| text.len() - rest.len() + place)
}

/// The position of the first such octet at or after `from`.
pub(super) fn find_near(text: &[u8], from: usize, wanted: u8) -> Option<usize> {
    find_eights(text, from, |eight| equal(eight, wanted))
}

/// The position of the first octet below 14 at or after `from`, which the line ends are and nothing that is
/// usual in a line.
pub(super) fn find_line_end(text: &[u8], from: usize) -> Option<usize> {
    find_eights(text, from, |eight| below(eight, 14))
}

/// `1*DIGIT` and nothing else: no sign, no base, no blank. `None` also when it does not fit.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let digit = |octet: &u8| octet.is_ascii_digit().then(|| u64::from(octet - b'0'));
    match text.len() {
        0 => None,
        // So many digits always fit.
        1..=19 => text.iter().try_fold(0, |sum, octet| Some(sum * 10 + digit(octet)?)),
        _ => text.iter().try_fold(0_u64, |sum, octet| sum.checked_mul(10)?.checked_add(digit(octet)?)),
    }
}

/// Writes a number without going by the formatter: each message that leaves has several.
pub(super) fn put_decimal(to: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let (mut at, mut rest) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
        if rest == 0 {
            return to.extend_from_slice(&digits[at..]);
        }
    }
}

/// Writes an address without brackets.
pub(super) fn put_address(to: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (place, number) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    to.push(b'.');
                }
                put_decimal(to, u64::from(number));
            }
        }
        IpAddr::V6(address) => to.extend_from_slice(address.to_string().as_bytes()),
    }
}

/// A port: 1 to 65535.
pub(super) fn port(text: &[u8]) -> Option<u16> {
    decimal(text).and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0)
}

/// The position behind the closing quote of the quoted string that opens at `at`; `None` when it never
/// closes. A backslash takes the next octet with it, whatever it is.
pub(super) fn skip_quoted(text: &[u8], at: usize) -> Option<usize> {
    let mut position = at + 1;
    loop {
        position = find_eights(text, position, |eight| equal(eight, b'"') | equal(eight, b'\\'))?;
        if text[position] == b'"' {
            return Some(position + 1);
        }
        position += 2;
    }
}

/// An address literal without brackets. The three colons that RFC 5118 §4.10 reports from a faulty grammar
/// are read as two.
pub(super) fn ip_literal(text: &[u8]) -> Option<IpAddr> {
    if let Some(address) = ip4(text) {
        return Some(IpAddr::V4(address));
    }
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= 64)?;
    ip6(text).map(IpAddr::V6)
}

/// An IPv4 literal: four numbers up to 255 without leading zeros, as the standard library reads it. It stands
/// several times in every message.
pub(super) fn ip4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut numbers = [0_u8; 4];
    let (mut place, mut digits, mut number) = (0, 0, 0_u16);
    for octet in text {
        match octet {
            b'0'..=b'9' if digits < 3 && !(digits == 1 && number == 0) => {
                number = number * 10 + u16::from(octet - b'0');
                digits += 1;
            }
            b'.' if place < 3 && digits > 0 => {
                numbers[place] = u8::try_from(number).ok()?;
                (place, digits, number) = (place + 1, 0, 0);
            }
            _ => return None,
        }
    }
    numbers[3] = u8::try_from(number).ok()?;
    (place == 3 && digits > 0).then(|| Ipv4Addr::from(numbers))
}

/// An IPv6 literal without brackets.
pub(super) fn ip6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(address);
    }
    let (before, after) = text.split_once(":::")?;
    format!("{before}::{after}").parse().ok()
}

/// The text with each `%HH` replaced once by its octet; a `%` without two hexadecimal digits stays as it is.
/// The result may hold any octet, NUL included.
///
/// ```
/// assert_eq!(&*toritsugi::message::percent_decode(b"%75se%72%"), b"user%");
/// ```
pub fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', text) else { return Cow::Borrowed(text) };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some((octet, tail)) = rest.split_first() {
        let escape = tail.first_chunk::<2>().and_then(|[high, low]| Some(hex(*high)? << 4 | hex(*low)?));
        match escape.filter(|_| *octet == b'%') {
            Some(value) => {
                decoded.push(value);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*octet);
                rest = tail;
            }
        }
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_and_an_address_are_written_as_the_formatter_writes_them(
            number in any::<u64>(), shift in 0..64_u32, address in any::<IpAddr>(),
        ) {
            let (mut numbers, mut addresses) = (Vec::new(), Vec::new());
            put_decimal(&mut numbers, number >> shift);
            put_address(&mut addresses, address);
            prop_assert_eq!(numbers, (number >> shift).to_string().into_bytes());
            prop_assert_eq!(addresses, address.to_string().into_bytes());
        }

        #[test]
        fn a_search_by_eights_finds_what_a_search_by_ones_finds(
            text in "[ab;:<>!\" \r\n\u{1}\u{7f}\u{80}]{0,40}",
            from in 0..40_usize,
        ) {
            let text = text.as_bytes();
            let from = from.min(text.len());
            let slow = |wanted: &dyn Fn(u8) -> bool| {
                text[from..].iter().position(|octet| wanted(*octet)).map(|length| from + length)
            };
            for wanted in [b';', b'a', 0, 1, 0x80, 0xc2] {
                let slow = slow(&|octet| octet == wanted);
                prop_assert_eq!(find_near(text, from, wanted), slow);
                prop_assert_eq!(find_class(&class(&[wanted], &[]), text, from), slow.unwrap_or(text.len()));
            }
            prop_assert_eq!(find_line_end(text, from), slow(&|octet| octet < 14));
            let no_uri = |octet| octet <= b' ' || matches!(octet, 0x7f | b'<' | b'>');
            prop_assert_eq!(find_no_uri(text, from), slow(&no_uri).unwrap_or(text.len()));
        }

        #[test]
        fn an_ipv4_literal_is_read_as_the_standard_library_reads_it(
            text in "[0-9.]{0,16}|([0-9]{1,3}\\.){3}[0-9a]{1,3}",
        ) {
            prop_assert_eq!(ip4(text.as_bytes()), text.parse::<Ipv4Addr>().ok(), "{}", text);
        }
    }

    #[test]
    fn a_decimal_is_digits_only() {
        for (text, value) in [
            (&b"0"[..], Some(0)),
            (b"0068", Some(68)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"+10", None),
            (b"-1", None),
            (b"0x10", None),
            (b" 10", None),
            (b"", None),
        ] {
            assert_eq!(decimal(text), value, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_percent_escape_is_decoded_once() {
        assert_eq!(&*percent_decode(b"value%25%34%31"), b"value%41");
        assert_eq!(&*percent_decode(b"null-%00-null"), b"null-\0-null");
        assert_eq!(&*percent_decode(b"%Z%45%4"), b"%ZE%4");
    }

    #[test]
    fn a_quoted_string_ends_at_its_first_unescaped_quote() {
        assert_eq!(skip_quoted(br#""a\"b" c"#, 0), Some(6));
        assert_eq!(skip_quoted(br#""a\"#, 0), None);
        assert_eq!(skip_quoted(br#""a"#, 0), None);
    }

    #[test]
    fn three_colons_of_rfc5118_are_read_as_two() {
        assert_eq!(ip_literal(b"2001:db8:::192.0.2.1"), ip_literal(b"2001:db8::192.0.2.1"));
        assert!(ip_literal(b"2001:db8:::192.0.2.1").is_some());
        assert_eq!(ip_literal(b"1.2.3"), None);
    }
}
