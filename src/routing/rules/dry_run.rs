//! Where recorded calls would have gone under other rules.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::RuleSet;
use crate::routing::{Abilities, Action, Background, Directory, Snapshot, TraceStep, decide};

/// Calls whose difference is told whole; the others are counted.
const TOLD: usize = 200;

/// What a dry run found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DryRun {
    /// Calls looked at.
    pub calls: usize,
    /// Calls that would have gone where they went.
    pub same: usize,
    /// Calls that would have gone elsewhere.
    pub different: usize,
    /// Calls that cannot be judged: recorded without their facts, or their line is gone.
    pub not_judged: usize,
    /// How often each rule or step would have decided, most often first.
    pub decided_by: Vec<(String, usize)>,
    /// The calls that would have gone elsewhere, as they came, at most 200.
    pub differences: Vec<Difference>,
}

/// One call that would have gone elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Our id of the call.
    pub call: String,
    /// Where it went.
    pub before: Action,
    /// Where it would have gone.
    pub after: Action,
    /// The rule or step that would have decided.
    pub rule: String,
    /// Every rule looked at.
    pub trace: Vec<TraceStep>,
}

/// Decides recorded calls again under `draft`: for each its id, what the first decision knew and what it
/// decided. Agents' groups and skills, lines and holidays are those of `directory`.
pub fn dry_run<'a>(
    draft: &Arc<RuleSet>,
    directory: &Directory,
    zone: &TimeZone,
    can: Abilities,
    calls: impl IntoIterator<Item = (&'a str, Option<&'a Snapshot>, Option<Action>)>,
) -> DryRun {
    let directory = Directory { rules: Arc::clone(draft), ..directory.clone() };
    let background = Background { zone: Some(zone), can, ..Background::default() };
    let mut run = DryRun::default();
    let mut decided_by = std::collections::BTreeMap::<String, usize>::new();
    for (call, snapshot, before) in calls {
        run.calls += 1;
        let people = snapshot.map(Snapshot::people).unwrap_or_default();
        let facts = snapshot.and_then(|snapshot| snapshot.facts(&people, &directory, background));
        let (Some(facts), Some(before)) = (facts, before) else {
            run.not_judged += 1;
            continue;
        };
        let decision = decide(&facts);
        *decided_by.entry(decision.rule.to_string()).or_default() += 1;
        if same_way(&before, &decision.action) {
            run.same += 1;
            continue;
        }
        run.different += 1;
        if run.differences.len() < TOLD {
            run.differences.push(Difference {
                call: call.to_owned(),
                before,
                after: decision.action,
                rule: decision.rule.into_owned(),
                trace: decision.trace,
            });
        }
    }
    run.decided_by = decided_by.into_iter().collect();
    run.decided_by.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
    run
}

/// In what capacity somebody is rung, and why nobody is, makes no other way of it.
fn same_way(before: &Action, after: &Action) -> bool {
    match (before, after) {
        (
            Action::Offer { agent: one, beside: first, .. },
            Action::Offer { agent: other, beside: second, .. },
        ) => one == other && first == second,
        (Action::DefaultRoute { .. }, Action::DefaultRoute { .. }) => true,
        (one, other) => one == other,
    }
}
