//! [pure] `decide(facts) -> Decision` with its trace; knows no SIP.

mod directory;

pub use directory::{Agent, Directory, Line};
