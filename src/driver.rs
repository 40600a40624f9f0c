//! [io] The one loop around the engine; the only reader of the clock.

mod handle;

pub use handle::{EngineHandle, FromDesk};
