//! What a trunk or the configuration says about the numbers that arrive there.

use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};
use thiserror::Error;

/// How numbers are to be read: the home region, the extension plan, what a carrier leaves out.
#[derive(Clone, Debug)]
pub struct TrunkContext {
    pub(super) region: Region,
    pub(super) calling_code: i32,
    /// The trunk delivers international numbers without `+` (`81312345678`, `14155552671`). Off by default,
    /// because the same digits may be a national number that lost its zero.
    pub bare_country_code: bool,
    /// Patterns of internal numbers longer than five digits; `X` stands for any digit (`8XXXXXX`).
    pub extensions: Vec<String>,
    /// Emergency numbers: never blocked, never parked, never called from a screen.
    pub emergency: Vec<String>,
}

/// `[numbering] region` names no region with a calling code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown region {0:?}: give a two-letter ISO 3166 code such as \"JP\"")]
pub struct UnknownRegion(pub String);

impl TrunkContext {
    /// The context of a region given by its ISO 3166 code, with the emergency numbers usual there.
    pub fn new(region: &str) -> Result<Self, UnknownRegion> {
        let unknown = || UnknownRegion(region.to_owned());
        let code = Region::from_code(&region.to_ascii_uppercase()).map_err(|_| unknown())?;
        let calling_code = PHONE_NUMBER_UTIL.get_country_code_for_region(code).ok_or_else(unknown)?;
        let emergency: &[&str] =
            if code == Region::JP { &["110", "118", "119"] } else { &["112", "911", "999"] };
        Ok(Self {
            region: code,
            calling_code,
            bare_country_code: false,
            extensions: Vec::new(),
            emergency: emergency.iter().map(|number| (*number).to_owned()).collect(),
        })
    }

    pub(super) fn is_japan(&self) -> bool {
        self.region == Region::JP
    }

    pub(super) fn is_emergency(&self, digits: &str) -> bool {
        self.emergency.iter().any(|number| number == digits)
    }

    /// Whether the plan names these digits as internal.
    pub(super) fn in_extension_plan(&self, digits: &str) -> bool {
        self.extensions.iter().any(|pattern| {
            pattern.len() == digits.len()
                && pattern.bytes().zip(digits.bytes()).all(|(p, d)| p.eq_ignore_ascii_case(&b'X') || p == d)
        })
    }
}

impl Default for TrunkContext {
    /// Japan, without an extension plan.
    fn default() -> Self {
        Self::new("JP").expect("the metadata built into the library has Japan")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_region_is_named_in_the_fault() {
        assert_eq!(TrunkContext::new("QQ").unwrap_err(), UnknownRegion("QQ".into()));
        assert_eq!(TrunkContext::new("日本").unwrap_err(), UnknownRegion("日本".into()));
        assert!(TrunkContext::new("de").is_ok());
    }

    #[test]
    fn a_pattern_of_the_extension_plan_matches_digit_by_digit() {
        let mut context = TrunkContext::default();
        context.extensions.push("8XXXXXX".into());
        assert!(context.in_extension_plan("8123456"));
        assert!(!context.in_extension_plan("7123456"));
        assert!(!context.in_extension_plan("81234567"));
    }
}
