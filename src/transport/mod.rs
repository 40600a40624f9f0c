//! [io] RFC 3261 §18: sockets, flows and connections. Octets in, octets out; what they mean is not known
//! here, but for the two headers that framing (Content-Length) and the order of datagrams (Call-ID) rest on.
//!
//! Everything runs on the thread of the driver: UDP without a task, each TCP or TLS connection as a local
//! task. Framing is pure.

mod accept;
mod batch;
mod bundle;
#[cfg(test)]
#[path = "../../tests/support/certificates.rs"]
mod certificates;
mod address;
mod connect;
mod connection;
mod content_length;
mod flow;
mod framing;
mod gauges;
mod outbox;
mod pinned;
mod settings;
mod shared;
mod socket;
#[cfg(test)]
mod keep_alive_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
mod times;
mod tls;
mod transports;
mod udp;

pub use address::{ListenAddress, ParseListenError, Protocol};
pub use flow::{Arrival, CertificateName, CloseReason, Flow, FlowId, Outgoing, SendFailure};
pub use framing::{Frame, Framer, FramingLimits};
pub use gauges::Gauges;
pub use settings::TransportSettings;
pub use tls::{Pin, Tls, TlsError, TlsFiles};
pub use transports::{BindError, Transports};
