//! Octets into text: UTF-8 with or without a byte order mark, or CP932 as Excel on Japanese Windows writes
//! it.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, SHIFT_JIS};
use memchr::memchr;

use super::Fault;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const SAVE_AGAIN: &str = "save the file as CSV UTF-8 and import it again";

/// Decodes a file. What is valid UTF-8 is UTF-8; everything else must be CP932 to the last octet, except a
/// file that is plainly UTF-8 with some damage, which must not be read as mojibake.
pub(super) fn decode(file: &[u8]) -> Result<Cow<'_, str>, Fault> {
    if file.starts_with(b"\xff\xfe") || file.starts_with(b"\xfe\xff") {
        return Err(Fault::row(1, "the file is UTF-16".to_owned(), SAVE_AGAIN));
    }
    if let Some(place) = memchr(0, file) {
        let line = line_at(file, place);
        return Err(Fault::row(line, "a NUL octet stands here".to_owned(), "remove it; a CSV file is text"));
    }
    let (body, marked) = match file.strip_prefix(UTF8_MARK) {
        Some(body) => (body, true),
        None => (file, false),
    };
    match str::from_utf8(body) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(error) if marked || is_damaged_utf8(body) => Err(Fault::row(
            line_at(body, error.valid_up_to()),
            "the text stops being UTF-8 here".to_owned(),
            "repair the characters of this line, or save the whole file as UTF-8",
        )),
        Err(_) => decode_cp932(body).map(Cow::Owned),
    }
}

/// The number of the line an octet stands on. In UTF-8 and CP932 alike no part of another character looks
/// like a line end.
pub(super) fn line_at(octets: &[u8], place: usize) -> u64 {
    let before = octets.get(..place).unwrap_or(octets);
    1 + line_ends(before)
}

/// How many lines end in these octets, whether by LF, CR LF or CR.
pub(super) fn line_ends(octets: &[u8]) -> u64 {
    let mut ends = 0;
    let mut previous = 0;
    for &octet in octets {
        if octet == b'\r' || (octet == b'\n' && previous != b'\r') {
            ends += 1;
        }
        previous = octet;
    }
    ends
}

/// Japanese in UTF-8 is made of three-octet characters, and CP932 read as UTF-8 hardly ever shows one.
fn is_damaged_utf8(octets: &[u8]) -> bool {
    let (mut characters, mut damages) = (0_usize, 0_usize);
    for chunk in octets.utf8_chunks() {
        characters += chunk.valid().chars().filter(|character| character.len_utf8() >= 3).count();
        damages += usize::from(!chunk.invalid().is_empty());
    }
    characters > damages.saturating_mul(4)
}

fn decode_cp932(octets: &[u8]) -> Result<String, Fault> {
    let mut decoder = SHIFT_JIS.new_decoder_without_bom_handling();
    let needed = decoder.max_utf8_buffer_length_without_replacement(octets.len()).unwrap_or(octets.len());
    let mut text = String::with_capacity(needed);
    let (result, read) = decoder.decode_to_string_without_replacement(octets, &mut text, true);
    match result {
        DecoderResult::InputEmpty => Ok(text),
        DecoderResult::Malformed(..) | DecoderResult::OutputFull => Err(Fault::row(
            line_at(octets, read.saturating_sub(1)),
            "the text is neither UTF-8 nor CP932".to_owned(),
            SAVE_AGAIN,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_with_a_mark_loses_only_the_mark() {
        assert_eq!(decode("\u{feff}id,name\n1,山田".as_bytes()), Ok(Cow::Borrowed("id,name\n1,山田")));
    }

    #[test]
    fn cp932_with_machine_dependent_characters_is_read() {
        let (octets, _, _) = SHIFT_JIS.encode("id,name\n1,髙橋①㈱\n2,ﾔﾏﾀﾞ～ソ表\n");
        assert_eq!(decode(&octets).expect("CP932"), "id,name\n1,髙橋①㈱\n2,ﾔﾏﾀﾞ～ソ表\n");
    }

    #[test]
    fn an_octet_of_neither_encoding_is_told_by_its_line() {
        let (octets, _, _) = SHIFT_JIS.encode("id,name\r\n1,山田\r\n2,");
        let mut octets = octets.into_owned();
        octets.extend_from_slice(b"\xff\r\n");
        let fault = decode(&octets).expect_err("0xFF is in neither");
        assert_eq!((fault.line, fault.wrong.as_str()), (3, "the text is neither UTF-8 nor CP932"));
    }

    #[test]
    fn damaged_utf8_is_a_fault_and_not_mojibake() {
        let mut octets = "id,name\n1,青空商事の山田さん\n2,".as_bytes().to_vec();
        octets.extend_from_slice(b"\xe5\xb1,\n");
        let fault = decode(&octets).expect_err("a character is cut");
        assert_eq!((fault.line, fault.wrong.as_str()), (3, "the text stops being UTF-8 here"));
    }

    #[test]
    fn n78_nul_and_utf16_are_refused() {
        assert_eq!(decode(b"id\n1\n2\x00").expect_err("NUL").line, 3);
        assert_eq!(decode(b"\xff\xfei\x00d\x00").expect_err("UTF-16").wrong, "the file is UTF-16");
    }

    #[test]
    fn lines_end_by_lf_crlf_and_cr() {
        assert_eq!(line_ends(b"a\nb\r\nc\rd"), 3);
    }
}
