//! [io] UDP and TCP: octets and flows.

mod flow;

pub use flow::{Flow, FlowId, Protocol};
