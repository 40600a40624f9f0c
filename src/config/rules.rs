//! `[rules]`: how large the house's own rules may be.

use super::document::Section;

/// `[rules]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Octets of the text of one set.
    pub octets: usize,
    /// Rules of one set.
    pub rules: usize,
    /// Conditions of one rule.
    pub conditions: usize,
    /// Entries of one list.
    pub entries: usize,
    /// Characters of one number pattern.
    pub pattern: usize,
    /// Recorded calls of one dry run.
    pub dry_run_calls: usize,
}

impl Rules {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let rules = Self {
            octets: section.number("octets", 1..=262_144, default.octets),
            rules: section.number("rules", 1..=2_000, default.rules),
            conditions: section.number("conditions", 1..=64, default.conditions),
            entries: section.number("entries", 1..=1_024, default.entries),
            pattern: section.number("pattern", 1..=64, default.pattern),
            dry_run_calls: section.number("dry_run_calls", 1..=100_000, default.dry_run_calls),
        };
        section.refuse_unknown_keys();
        rules
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { octets: 131_072, rules: 200, conditions: 16, entries: 64, pattern: 32, dry_run_calls: 10_000 }
    }
}
