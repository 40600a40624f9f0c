//! [pure] `decide(facts) -> Decision` with its trace; knows no SIP.

mod decide;
mod decision;
mod directory;
mod emergency;
mod wait;

#[cfg(test)]
mod decide_tests;

pub use decide::{CustomerFact, Facts, decide};
pub use decision::{Action, Decision, OfferReason, TraceStep, explain_text};
pub use directory::{Agent, Directory, Line};
pub use emergency::is_emergency;
pub use wait::{MayWait, or_wait};
