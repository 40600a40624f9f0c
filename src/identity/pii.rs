//! Numbers and names on their way to a log: masked unless somebody asks for them by name.

use std::fmt;

/// A personal datum. `Display` and `Debug` print a mask: the last four digits of a telephone number, nothing
/// of anything else. It cannot be serialised, so that no JSON log carries it by accident (N82).
#[derive(Clone, PartialEq, Eq)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps the datum.
    pub fn new(datum: T) -> Self {
        Self(datum)
    }

    /// The datum itself. Only for records and screens, or where DEBUG is asked for explicitly.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: fmt::Display> fmt::Display for Pii<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&mask(&self.0.to_string()))
    }
}

impl<T: fmt::Display> fmt::Debug for Pii<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pii({self})")
    }
}

/// Four digits of nine or more cannot be called back; of a short number they would be the whole.
const DIGITS_WORTH_SHOWING: usize = 9;

fn mask(text: &str) -> String {
    let telephone = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | ' ' | '(' | ')'));
    let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
    match digits.len().checked_sub(4) {
        Some(hidden) if telephone && digits.len() >= DIGITS_WORTH_SHOWING => {
            let last: String = digits.iter().skip(hidden).collect();
            format!("…{last}")
        }
        Some(_) | None => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n82_a_number_shows_its_last_four_digits_at_most() {
        assert_eq!(Pii::new("+81312345678").to_string(), "…5678");
        assert_eq!(format!("{:?}", Pii::new("03-1234-5678")), "Pii(…5678)");
        assert_eq!(Pii::new("12345").to_string(), "…");
        assert_eq!(Pii::new("").to_string(), "…");
    }

    #[test]
    fn n82_a_name_or_a_uri_shows_nothing() {
        assert_eq!(Pii::new("山田 花子").to_string(), "…");
        assert_eq!(Pii::new("sip:0312345678@example.com").to_string(), "…");
    }

    #[test]
    fn the_datum_is_there_for_whoever_asks() {
        assert_eq!(*Pii::new("+81312345678").reveal(), "+81312345678");
    }
}
