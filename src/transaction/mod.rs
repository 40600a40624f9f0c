//! [pure] The four transaction machines of RFC 3261 §17 with RFC 6026 §7.1, keys and timers.
//!
//! A machine holds a state and nothing else: no octets, no address, no clock. Its owner keeps the request,
//! the last response and the way to the other side, and carries out the [`Actions`] in order.

mod actions;
pub mod invite_client;
pub mod invite_server;
mod key;
pub mod non_invite_client;
pub mod non_invite_server;
mod settings;
#[cfg(test)]
mod table;
mod timer_queue;

pub use actions::{Action, Actions};
pub use invite_client::InviteClient;
pub use invite_server::InviteServer;
pub use key::{KeyMaker, RequestParts, TransactionKey, is_rfc3261_branch};
pub use non_invite_client::NonInviteClient;
pub use non_invite_server::NonInviteServer;
pub use settings::{Finality, Reliability, StatusClass, Timer, TimerSettings};
pub use timer_queue::{TimerId, TimerQueue};
