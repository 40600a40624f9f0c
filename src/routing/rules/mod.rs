//! [pure] The house's own rules: read once, asked for every call, explained in the trace.

mod apply;
mod conditions;
mod dry_run;
mod lint;
mod matcher;
mod model;
mod parse;
mod pattern;
mod read;

#[cfg(test)]
mod tests;

pub(super) use apply::apply;
pub use dry_run::{Difference, DryRun, dry_run};
pub use lint::{LintFacts, lint};
pub use model::{Frequent, Park, ParkMode, RuleFault, RuleLimits, RuleSet, Strategy, WaitFor, WhyAssignee};
pub use pattern::NumberPattern;
