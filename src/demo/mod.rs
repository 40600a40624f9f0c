//! [io] The demonstration: a sample call centre to try within minutes (M040), simulated phones, callers.
//!
//! Every name and company is invented; the numbers are of the kind that forms and manuals use as samples.

mod phones;
mod sample;
mod scenario;

pub use phones::{Behaviour, Phones};
pub use sample::{LogIn, Sample, log_ins, presences, sample};
pub use scenario::{Scenario, scenarios};
