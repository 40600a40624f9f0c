//! [pure] Who is calling: presentation, normalised number, trust.

mod caller;
mod clean;
mod header;
mod japan;
mod label;
mod number;
mod pii;
mod read;
mod trunk;

pub use caller::{Caller, Number, NumberKind, Presentation};
pub use label::label;
pub use number::{Canonical, Quality, canon, canon_cell};
pub use pii::Pii;
pub use read::{CalledHeaders, CalledSource, CallerHeaders, read_called, read_caller};
pub use trunk::{TrunkContext, UnknownRegion};
