//! [pure] Who is calling: presentation, normalised number, trust.

mod caller;

pub use caller::{Caller, Number, NumberKind, Presentation};
