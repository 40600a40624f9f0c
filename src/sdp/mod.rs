//! [pure] Session descriptions (RFC 8866) and the offer/answer model (RFC 3264), as far as calls that we
//! anchor need them: one G.711 audio stream with telephone-events, hold, and never media to where none may
//! go.
//!
//! A call that is only proxied has its body carried on as it came; all that is read of it is who is on hold.

mod agree;
mod direction;
mod limits;
mod media;
mod own;
mod parse;
mod target;

#[cfg(test)]
mod tests;

pub use agree::{Agreed, Disagreement, Wish, agree, read_answer};
pub use direction::Direction;
pub use limits::{Limits, Malformed};
pub use media::{Codec, Connection, Description, Media, MediaKind, Origin, RtpMap};
pub use own::OwnDescription;
pub use target::TargetRules;
