//! RFC 3261 §20.14 on a stream, [pure]: the one number on which framing rests.

/// The value of Content-Length in `head`, which is a start line and headers with the empty line.
///
/// `None` when it is absent, doubled, not digits alone or above 2^32−1, and when a lone CR or LF stands
/// anywhere in the head: elements that read such line ends differently would not see the same headers.
pub(super) fn content_length(head: &[u8]) -> Option<u64> {
    let mut found = None;
    // Where the value of the Content-Length line being read began, while its folds may follow.
    let mut value_start = None;
    let mut line_start = 0;
    for line in head.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\r\n").filter(|text| !text.contains(&b'\r'))?;
        let is_start_line = line_start == 0;
        if !matches!(text.first(), Some(b' ' | b'\t')) {
            if let Some(start) = value_start.take() {
                let value = number(&head[start..line_start])?;
                if found.replace(value).is_some() {
                    return None;
                }
            }
            if !is_start_line {
                value_start = value_offset(text).map(|offset| line_start + offset);
            }
        }
        line_start += line.len();
    }
    found
}

/// Where the value begins, if this is a Content-Length line. RFC 3261 §25.1 allows blanks before the colon.
fn value_offset(text: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', text)?;
    let name = trimmed(&text[..colon]);
    let ours = name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l");
    ours.then_some(colon + 1)
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = trimmed(value);
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u32, |sum, octet| {
            let digit = octet.is_ascii_digit().then(|| u32::from(octet - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        })
        .map(u64::from)
}

/// Without the blanks and folds of RFC 3261 §25.1 around it, and without any other octet missing.
fn trimmed(text: &[u8]) -> &[u8] {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|octet| !blank(octet)).unwrap_or(text.len());
    let end = text.iter().rposition(|octet| !blank(octet)).map_or(start, |last| last + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(headers: &str) -> Option<u64> {
        content_length(format!("OPTIONS sip:a SIP/2.0\r\n{headers}\r\n").as_bytes())
    }

    #[test]
    fn n45_one_number_in_digits_alone_is_taken() {
        for (headers, expected) in [
            ("Content-Length: 10\r\n", 10),
            ("l:10\r\n", 10),
            ("L: 0\r\n", 0),
            ("CONTENT-LENGTH \t:  10 \r\n", 10),
            ("Content-Length:\r\n 10\r\n", 10),
            ("Content-Length: 10\r\n \r\nTo: x\r\n", 10),
            ("Content-Length: 0010\r\n", 10),
            ("Content-Length: 4294967295\r\n", 4_294_967_295),
            ("Subject: a\r\n Content-Length: 7\r\nContent-Length: 10\r\n", 10),
            ("X-Content-Length: 7\r\nl: 10\r\n", 10),
        ] {
            assert_eq!(length(headers), Some(expected), "{headers:?}");
        }
    }

    #[test]
    fn n45_everything_else_is_no_length() {
        for headers in [
            "",
            "To: x\r\n",
            "Content-Length:\r\n",
            "Content-Length: \r\n",
            "Content-Length: +10\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 0x10\r\n",
            "Content-Length: 10a\r\n",
            "Content-Length: 1 0\r\n",
            "Content-Length: 1\r\n 0\r\n",
            "Content-Length: 10,10\r\n",
            "Content-Length: 10\u{c}\r\n",
            "Content-Length\u{b}: 10\r\n",
            "Content-Length: 10;a\r\n",
            "Content-Length: 4294967296\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 18446744073709551626\r\n",
            "Content-Length: 10\r\nContent-Length: 10\r\n",
            "Content-Length: 10\r\nl: 10\r\n",
            "l: 10\r\nTo: x\r\nContent-Length: 11\r\n",
            "Content-Length: \u{ff11}\r\n",
            "Content-Length 10\r\n",
            "Content-Length: 10\nTo: x\r\n",
            "To: x\nContent-Length: 10\r\n",
            "To: x\rContent-Length: 10\r\nContent-Length: 10\r\n",
            " Content-Length: 10\r\n",
        ] {
            assert_eq!(length(headers), None, "{headers:?}");
        }
    }
}
