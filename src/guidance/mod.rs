//! [pure] What to say: greeting, the three guided steps, templates and their lint.

mod script;

pub use script::{Bilingual, Guidance, Step};
