//! Telephone numbers and names in logs (N82).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// Something personal that must not be readable in a log, but comparable within one run of the process.
///
/// Shown as a keyed hash and, of a number, its last two digits: `pii:5d0c3a1f..67`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pii<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Pii<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is random and never leaves the process: a list of all numbers does not undo the hash.
        static KEY: OnceLock<RandomState> = OnceLock::new();
        let text = self.0.as_ref();
        let hash = KEY.get_or_init(RandomState::new).hash_one(text);
        write!(formatter, "pii:{:08x}", hash >> 32)?;
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let tail = text.len().checked_sub(2).and_then(|start| text.get(start..));
        match tail {
            Some(tail) if digits >= 8 && tail.bytes().all(|octet| octet.is_ascii_digit()) => {
                write!(formatter, "..{tail}")
            }
            _ => Ok(()),
        }
    }
}

impl<T: AsRef<str>> fmt::Debug for Pii<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n82_a_number_shows_two_digits_and_a_name_none() {
        let number = Pii("+81312345678").to_string();
        assert!(number.starts_with("pii:") && number.ends_with("..78"), "{number}");
        assert!(!number.contains("1234"), "{number}");
        let name = format!("{:?}", Pii("山田 花子"));
        assert_eq!(name.len(), "pii:".len() + 8, "{name}");
        assert_eq!(Pii("110").to_string().len(), "pii:".len() + 8);
    }

    #[test]
    fn two_calls_do_not_look_alike_and_one_caller_looks_the_same() {
        assert_eq!(Pii("+81312345678").to_string(), Pii(String::from("+81312345678")).to_string());
        assert_ne!(Pii("+81312345678").to_string(), Pii("+81312345578").to_string());
    }
}
