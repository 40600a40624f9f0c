//! The number cleaner: any text in, a key that is a number or none out, and cleaning twice changes nothing.

use toritsugi::identity::{Canonical, Quality, TrunkContext, canon, canon_cell};

/// The first octet chooses the trunk, the others are the text.
pub fn check(octets: &[u8]) {
    let Some((trunk, text)) = octets.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let mut context = TrunkContext::new(["JP", "US", "DE", "JP"][usize::from(trunk & 3)]).expect("a region");
    context.bare_country_code = trunk & 4 != 0;
    if trunk & 8 != 0 {
        context.extensions = vec!["8XXXXXX".to_owned(), "70XXXX".to_owned()];
    }
    let one = canon(&text, &context);
    sound(&one);
    assert_eq!(canon(&text, &context), one, "the same text, another number");
    if let Some(key) = &one.key {
        let again = canon(key, &context);
        assert_eq!(again.key.as_ref(), Some(key), "the key of a key is itself");
        assert_eq!(again.kind, one.kind, "{one:?} {again:?}");
    }
    let cell = canon_cell(&text, &context);
    assert!(cell.len() <= text.chars().count(), "more numbers than characters");
    cell.iter().for_each(sound);
}

fn sound(number: &Canonical) {
    assert!(number.national.chars().count() <= 64, "{number:?}");
    assert!(!number.national.chars().any(char::is_control), "{number:?}");
    if let Some(key) = &number.key {
        let digits = key.strip_prefix('+').unwrap_or_else(|| panic!("a key without plus: {number:?}"));
        assert!(digits.bytes().all(|octet| octet.is_ascii_digit()), "{number:?}");
        assert!((5..=15).contains(&digits.len()) && !digits.starts_with('0'), "{number:?}");
        assert!(number.quality != Quality::NotANumber, "{number:?}");
    }
    if let Some(extension) = &number.extension {
        assert!(!extension.is_empty() && extension.len() <= 10, "{number:?}");
        assert!(extension.bytes().all(|octet| octet.is_ascii_digit()), "{number:?}");
    }
}
