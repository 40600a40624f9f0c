//! [pure] `decide(facts) -> Decision` with its trace; knows no SIP.

mod decide;
mod decision;
mod directory;
mod emergency;
mod facts;
mod members;
pub mod rules;
mod snapshot;
mod wait;

#[cfg(test)]
mod decide_tests;

pub use decide::{CustomerFact, Facts, decide};
pub use decision::{Action, Alert, Decision, Extras, OfferReason, TraceStep, explain_text};
pub use directory::{Agent, Directory, Line};
pub use emergency::is_emergency;
pub use facts::{
    AT_ONCE, Abilities, Background, CaseFact, Inabilities, Load, OpenFacts, People, assignee_of, calls_within,
};
pub use snapshot::{Away, Free, RecordedPeople, Snapshot};
pub use wait::{MayWait, or_wait};
