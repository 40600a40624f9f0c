//! The cleaner in front of the number library: people's spelling in, ASCII digits out.

use unicode_normalization::UnicodeNormalization;

/// Longer text is not a number; the limit keeps hostile input cheap.
const MAX_CHARS: usize = 256;
/// An extension longer than this is noise.
const MAX_EXTENSION_DIGITS: usize = 10;

/// Words that accompany numbers in Japanese address books, after NFKC and lower-casing; the longer ones
/// first.
const WORDS: [&str; 20] = [
    "代表",
    "直通",
    "呼出",
    "携帯",
    "電話",
    "自宅",
    "会社",
    "勤務先",
    "連絡先",
    "固定",
    "本社",
    "mobile",
    "phone",
    "tel",
    "fax",
    "代",
    "呼",
    "番号",
    "☎",
    "様",
];
const EXTENSION_WORDS: [&str; 4] = ["内線", "extension", "ext", "内)"];

/// What is left of a written number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cleaned {
    /// `+` stood before the digits.
    pub plus: bool,
    /// `#` stood before the digits, as in `#7119`.
    pub sharp: bool,
    /// ASCII digits only.
    pub digits: String,
    /// The digits after 内線.
    pub extension: Option<String>,
    /// Something is left that belongs to no number: letters, kanji numerals, control characters.
    pub other: bool,
}

/// Cleans one written number.
pub(super) fn clean(raw: &str) -> Cleaned {
    let mut cleaned = Cleaned::default();
    if raw.chars().nth(MAX_CHARS).is_some() {
        cleaned.other = true;
        return cleaned;
    }
    // Parameters of a tel URI (RFC 3966 §3) never belong to the digits.
    let text = raw.split(';').next().unwrap_or_default();
    let text = text.nfkc().collect::<String>().to_lowercase();
    let (text, extension) = split_extension(&text);
    cleaned.extension = extension;
    let mut text = text.to_owned();
    for word in WORDS {
        if text.contains(word) {
            text = text.replace(word, " ");
        }
    }
    if text.trim_start().starts_with('+') {
        // "+81 (0)3-…": the trunk zero is written for readers inside the country.
        text = text.replacen("(0)", "", 1);
    }
    for character in text.chars() {
        take(&mut cleaned, character);
    }
    cleaned
}

fn take(cleaned: &mut Cleaned, character: char) {
    match character {
        '0'..='9' => cleaned.digits.push(character),
        '+' if cleaned.digits.is_empty() && !cleaned.plus && !cleaned.sharp => cleaned.plus = true,
        // "186+81…": the prefix was dialled before a stored number.
        '+' if !cleaned.plus && matches!(cleaned.digits.as_str(), "184" | "186") => {
            cleaned.digits.clear();
            cleaned.plus = true;
        }
        '#' if cleaned.digits.is_empty() && !cleaned.plus => cleaned.sharp = true,
        // Dialling instructions of old address books end in '#'.
        '#' => {}
        _ if is_separator(character) => {}
        _ => cleaned.other = true,
    }
}

/// What people write between digits, and what spreadsheets leave around them.
fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '.' | '(' | ')' | '[' | ']' | '/' | '_' | ':' | '~' | '・' | 'ー' | '〜' | '─'
        )
        || matches!(character, '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{00AD}')
        || is_invisible(character)
}

/// Zero-width and directional marks; they are pasted in with numbers from web pages and mobile contacts.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Cuts the text at an extension word; what follows is the extension.
fn split_extension(text: &str) -> (&str, Option<String>) {
    for word in EXTENSION_WORDS {
        if let Some((before, after)) = text.split_once(word) {
            let digits: String =
                after.chars().filter(char::is_ascii_digit).take(MAX_EXTENSION_DIGITS).collect();
            return (before, (!digits.is_empty()).then_some(digits));
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_kept_apart_from_the_number() {
        let cleaned = clean("03-1234-5678（内線123）");
        assert_eq!((cleaned.digits.as_str(), cleaned.extension.as_deref()), ("0312345678", Some("123")));
        assert!(!cleaned.other);
    }

    #[test]
    fn letters_and_control_characters_are_noticed() {
        for raw in ["anonymous", "〇三-一二三四", "03\u{0}1234", "sip:0312345678@x", "٠٣١٢٣٤٥٦٧٨"]
        {
            assert!(clean(raw).other, "{raw:?}");
        }
    }

    #[test]
    fn ten_thousand_characters_are_refused_unread() {
        assert!(clean(&"1".repeat(10_000)).other);
        assert!(clean(&"1".repeat(10_000)).digits.is_empty());
    }
}
