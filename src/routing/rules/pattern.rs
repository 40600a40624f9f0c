//! Patterns of numbers: digits, `X` for any digit, and at most one `*`. Compared in one pass.

use std::fmt;

/// A pattern: `0120*`, `+8190*`, `03XXXXXXXX`, `*110`.
///
/// It is no regular expression on purpose: what stands before the `*` is compared from the front, what stands
/// behind it from the back, and nothing is ever tried twice (N73).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPattern {
    before: String,
    /// Behind the `*`; nothing when there is none.
    after: Option<String>,
}

impl NumberPattern {
    /// Reads a pattern of at most `longest` characters.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str, longest: usize) -> Result<Self, String> {
        if text.len() > longest {
            return Err(format!("has {} characters, and a pattern has at most {longest}", text.len()));
        }
        let body = text.strip_prefix('+').unwrap_or(text);
        let known = |octet: u8| octet.is_ascii_digit() || matches!(octet, b'X' | b'*' | b'#');
        if body.is_empty() || !body.bytes().all(known) {
            return Err(format!(
                "\"{}\" is no pattern: write digits, X for any digit, and one * (a leading + means E.164)",
                text.escape_debug()
            ));
        }
        match text.split_once('*') {
            None => Ok(Self { before: text.to_owned(), after: None }),
            Some((_, after)) if after.contains('*') => Err(format!("\"{text}\" has more than one *")),
            Some((before, after)) => Ok(Self { before: before.to_owned(), after: Some(after.to_owned()) }),
        }
    }

    /// Whether it is about E.164 numbers; otherwise about the digits people dial.
    pub fn is_e164(&self) -> bool {
        self.before.starts_with('+')
    }

    /// Whether the number fits.
    pub fn matches(&self, number: &str) -> bool {
        let fits = |pattern: &str, part: &str| {
            pattern
                .bytes()
                .zip(part.bytes())
                .all(|(wanted, octet)| wanted == octet || (wanted == b'X' && octet.is_ascii_digit()))
        };
        match &self.after {
            None => number.len() == self.before.len() && fits(&self.before, number),
            Some(after) => {
                number.len() >= self.before.len() + after.len()
                    && fits(&self.before, number)
                    && number.get(number.len() - after.len()..).is_some_and(|end| fits(after, end))
            }
        }
    }
}

impl fmt::Display for NumberPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.before)?;
        match &self.after {
            None => Ok(()),
            Some(after) => write!(formatter, "*{after}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_compared_from_both_ends() {
        for (pattern, number, fits) in [
            ("0120*", "0120123456", true),
            ("0120*", "0120", true),
            ("0120*", "0121123456", false),
            ("03XXXXXXXX", "0312345678", true),
            ("03XXXXXXXX", "031234567", false),
            ("*5678", "0312345678", true),
            ("*5678", "5678", true),
            ("*5678", "678", false),
            ("03*78", "0378", true),
            ("03*378", "0378", false),
            ("+8190*", "+819012345678", true),
            ("*", "", true),
            ("#7119", "#7119", true),
        ] {
            let read = NumberPattern::parse(pattern, 32).unwrap();
            assert_eq!(read.matches(number), fits, "{pattern} {number}");
            assert_eq!(read.to_string(), pattern);
        }
    }

    #[test]
    fn n73_what_is_no_pattern_is_refused_with_the_reason() {
        for (pattern, reason) in [
            ("(a+)+$", "is no pattern"),
            ("0*1*", "more than one *"),
            ("", "is no pattern"),
            ("+", "is no pattern"),
            ("03-1234", "is no pattern"),
            ("000000000000000000000000000000000", "at most 32"),
        ] {
            let refused = NumberPattern::parse(pattern, 32).unwrap_err();
            assert!(refused.contains(reason), "{pattern}: {refused}");
        }
    }
}
