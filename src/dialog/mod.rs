//! [pure] Dialogs in which we are an end ourselves (RFC 3261 §12 to §15): towards a caller who hears our
//! music, and towards whoever answers that caller. Only for calls that we anchor (RFC 7092).
//!
//! What stands in a dialog, whose turn it is to offer (RFC 3264), how long a 2xx is repeated, and how long a
//! session lasts (RFC 4028). Nothing here knows of agents.

mod exchange;
mod invitation;
mod outgoing;
mod repeat;
mod session;
mod state;

pub use exchange::{Clash, Event, Exchange, glare_wait};
pub use invitation::Invitation;
pub use outgoing::Outgoing;
pub use repeat::Repeat;
pub use session::{Session, supports};
pub use state::Dialog;
