//! [pure] Where SIP and people meet: `handle(now, input)`, `poll_output()`, `poll_timeout()`.

mod port;

pub use port::{Answer, ErrorCode, Refusal, Request};
