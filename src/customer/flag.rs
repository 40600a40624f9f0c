//! Flags and languages as a CSV cell writes them.

use std::str::FromStr;

use thiserror::Error;

use super::{Flag, Language};

/// Longer codes are typing errors.
const MAX_CODE_CHARS: usize = 32;

/// How much of a complaint a customer is (M030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ComplaintLevel {
    /// No complaint is open.
    #[default]
    None,
    /// Any agent may answer; the script changes.
    Complaint,
    /// 重クレーム: level 2 or more.
    Heavy,
}

/// What is wrong with a cell of flags; the importer adds the line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlagFault {
    /// The code has characters no code has.
    #[error("flag {0:?}: a code is made of a-z, 0-9, '_' and '-', at most 32 characters")]
    Code(String),
    /// The level is no number from 1 to 9.
    #[error("flag {0:?}: the level after ':' is a number from 1 to 9")]
    Level(String),
}

/// A language other than `ja` and `en`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("language {0:?}: write ja or en")]
pub struct UnknownLanguage(pub String);

/// Reads a cell such as `complaint:2;vip`. A code that stands twice counts once, with the higher level.
pub fn parse_flags(cell: &str) -> Result<Vec<Flag>, FlagFault> {
    let mut flags: Vec<Flag> = Vec::new();
    for piece in cell.split(';').map(str::trim).filter(|piece| !piece.is_empty()) {
        let flag = parse_flag(piece)?;
        match flags.iter_mut().find(|known| known.code == flag.code) {
            Some(known) => known.level = known.level.max(flag.level),
            None => flags.push(flag),
        }
    }
    Ok(flags)
}

/// The complaint level the flags add up to.
pub fn complaint_level(flags: &[Flag]) -> ComplaintLevel {
    let highest =
        flags.iter().filter(|flag| flag.code == "complaint").map(|flag| flag.level.unwrap_or(1)).max();
    match highest {
        None | Some(0) => ComplaintLevel::None,
        Some(1) => ComplaintLevel::Complaint,
        Some(2..) => ComplaintLevel::Heavy,
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    /// An empty cell is the default language.
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" => Ok(Self::default()),
            "ja" => Ok(Self::Ja),
            "en" => Ok(Self::En),
            _ => Err(UnknownLanguage(text.to_owned())),
        }
    }
}

fn parse_flag(piece: &str) -> Result<Flag, FlagFault> {
    let (code, level) = match piece.split_once(':') {
        Some((code, level)) => (code.trim(), Some(level.trim())),
        None => (piece, None),
    };
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if code.is_empty() || code.len() > MAX_CODE_CHARS || !code.bytes().all(known) {
        return Err(FlagFault::Code(piece.to_owned()));
    }
    let level = match level {
        None => None,
        Some(digits) => Some(
            digits
                .parse()
                .ok()
                .filter(|level| (1..=9).contains(level))
                .ok_or_else(|| FlagFault::Level(piece.to_owned()))?,
        ),
    };
    Ok(Flag { code: code.to_owned(), level, since: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(code: &str, level: Option<u8>) -> Flag {
        Flag { code: code.into(), level, since: None }
    }

    #[test]
    fn a_cell_of_flags_is_read_with_its_levels() {
        assert_eq!(
            parse_flags("complaint:2; vip ;"),
            Ok(vec![flag("complaint", Some(2)), flag("vip", None)])
        );
        assert_eq!(parse_flags(""), Ok(vec![]));
        assert_eq!(parse_flags("complaint;complaint:2"), Ok(vec![flag("complaint", Some(2))]));
    }

    #[test]
    fn a_flag_that_is_none_is_named_in_the_fault() {
        assert_eq!(parse_flags("vip;クレーム"), Err(FlagFault::Code("クレーム".into())));
        assert_eq!(parse_flags("complaint:0"), Err(FlagFault::Level("complaint:0".into())));
        assert_eq!(parse_flags("complaint:"), Err(FlagFault::Level("complaint:".into())));
        assert_eq!(parse_flags(":2"), Err(FlagFault::Code(":2".into())));
        assert!(parse_flags(&"a".repeat(33)).is_err());
    }

    #[test]
    fn m030_a_complaint_without_a_level_is_level_one() {
        assert_eq!(complaint_level(&[]), ComplaintLevel::None);
        assert_eq!(complaint_level(&[flag("vip", Some(3))]), ComplaintLevel::None);
        assert_eq!(complaint_level(&[flag("complaint", None)]), ComplaintLevel::Complaint);
        assert_eq!(complaint_level(&[flag("complaint", Some(2))]), ComplaintLevel::Heavy);
    }

    #[test]
    fn a_language_is_ja_or_en_and_ja_when_empty() {
        assert_eq!(
            ["", "ja", "EN"].map(|text| text.parse::<Language>()),
            [Ok(Language::Ja), Ok(Language::Ja), Ok(Language::En)]
        );
        assert_eq!("fr".parse::<Language>(), Err(UnknownLanguage("fr".into())));
    }
}
