//! [io] The screen-pop gateway: `/ws/v1`, one task per socket around one task that owns the hub.
//!
//! The driver hands events over with [`DeskHandle::publish`], which never waits. Everything a slow or hostile
//! client can do ends in its own socket's task and its own bounded queue.

mod clock;
mod command;
mod handle;
mod handshake;
mod limits;
mod line;
mod outbox;
mod replies;
mod room;
mod settings;
mod socket;
mod watch;

#[doc(hidden)]
pub use command::judge_text;
pub use handle::DeskHandle;
pub use handshake::{OriginRefusal, WsState, check_origin, upgrade};
pub use room::Desk;
pub use settings::DeskSettings;

#[cfg(test)]
mod tests;
