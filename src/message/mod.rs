//! [pure] The wire view of a SIP message: the octets as received, an index of header ranges, and edits that
//! leave every other octet alone.
//!
//! A proxy forwards what it does not understand (RFC 3261 §16.6), so nothing here is printed from a parsed
//! form: what was not edited leaves the house exactly as it came in.

mod build;
mod edit;
mod fault;
mod header;
mod index;
mod name_addr;
mod params;
mod parse;
mod phrase;
mod stamp;
mod start_line;
mod stored;
mod text;
mod uri;
mod via;
mod view;

#[cfg(test)]
mod second_opinion;
#[cfg(test)]
mod torture;

pub use build::{Reply, ack_for, cancel_for, fault_response, fault_response_to, response, within_answer};
pub use edit::Edit;
pub use fault::{Fault, Partial};
pub use header::{Header, Method};
pub use index::{Extent, Value, Values, extent, split_values};
pub use name_addr::NameAddr;
pub use params::Params;
pub use phrase::reason_phrase;
pub use text::percent_decode;
pub use uri::{Host, Scheme, Uri};
pub use via::Via;
pub use view::{Kind, Limits, Message};

/// Why a piece of text (a URI, a name-addr, a Via) could not be read; the text says what is wrong, for logs
/// and for the reason phrase of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
