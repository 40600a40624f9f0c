//! [io] REST for people's screens, administrators and integrations; the web client; the way to the desk's
//! socket.

mod agents;
mod attempts;
mod callbacks;
mod calls;
pub mod credentials;
mod customers;
mod health;
mod log_in;
mod openapi;
mod page;
mod problem;
mod request;
pub mod rights;
mod router;
mod rules;
mod serve;
mod sessions;
mod status;
mod store;

pub use callbacks::step as callback_step;
pub use problem::Problem;
pub use router::{ApiSettings, ApiState, Normalise, PeerAddress, RuleSettings, router, router_with};
pub use serve::{ServeSettings, serve};
pub use sessions::{LogInRefusal, Session, SessionSettings, Sessions};
pub use status::{StatusFault, read_status};
pub use store::{Answering, Store};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
