//! [io] The demonstration: sample data, simulated phones, callers.

mod phones;

pub use phones::{Behaviour, Phones};
