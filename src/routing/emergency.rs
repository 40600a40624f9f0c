//! Emergency numbers: known by our own list, never by a library's, and before anything else is asked (N26,
//! I7).

/// 警察, 海上保安庁 (which number libraries do not flag), 消防・救急.
const ALWAYS: [&str; 3] = ["110", "118", "119"];

/// Prefixes that withhold or send the caller's number for one call; they may stand before an emergency
/// number.
const PRESENTATION_PREFIXES: [&str; 2] = ["184", "186"];

/// Whether the called number, cleaned to its digits, is an emergency number. `extra` are those the
/// configuration adds.
///
/// A number in international form (`+81110`) is none: nobody can dial one so.
pub fn is_emergency(called: &str, extra: &[String]) -> bool {
    let listed =
        |number: &str| ALWAYS.contains(&number) || extra.iter().any(|configured| configured == number);
    let behind_prefix = || PRESENTATION_PREFIXES.iter().find_map(|prefix| called.strip_prefix(prefix));
    listed(called) || behind_prefix().is_some_and(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n26_emergency_numbers_are_known_with_and_without_prefix() {
        let extra = ["112".to_owned(), "911".to_owned()];
        for called in ["110", "118", "119", "184110", "186118", "184119", "112", "911", "186911"] {
            assert!(is_emergency(called, &extra), "{called}");
        }
        for called in ["", "11", "1100", "0110", "+81110", "+110", "184", "184184110", "185110", "104", "117"]
        {
            assert!(!is_emergency(called, &extra), "{called}");
        }
        assert!(!is_emergency("112", &[]));
    }
}
