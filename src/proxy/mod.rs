//! [pure] RFC 3261 §16: what a stateful proxy does with a request and its responses, one file per section.

mod cookie;
mod best_response;
mod branch;
pub mod digest;
mod forward;
mod hop_group;
pub mod locate;
mod own;
mod privacy;
mod route;
mod secret;
mod target;
mod validate;

pub use best_response::{Final, best_response, status_upstream};
pub use branch::Branch;
pub use cookie::DialogCookie;
pub use forward::{ASSERTIONS, Forward, forward_request, forward_response};
pub use hop_group::{RouteTarget, trial_order};
pub use own::Own;
pub use privacy::PrivacyWish;
pub use route::{RoutePlan, plan_route};
pub use secret::Secret;
pub use target::{NextHop, Target, next_hop};
pub use validate::{Rejection, validate};
