//! [io] Real parts for end-to-end tests: the server itself, phones, callers, screens, Asterisk.
//!
//! Every test takes a loopback network of its own ([`Net`]), so tests run beside each other on the ports of
//! a real set-up. Every child process ends with its guard. Times are those at which the kernel received a
//! datagram or a segment, so a busy machine does not turn the order of two events around.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub mod api;
pub mod asterisk;
pub mod baresip;
pub mod certificates;
pub mod desk;
pub mod dns;
pub mod ear;
pub mod field;
pub mod guard;
pub mod judge;
pub mod locked;
pub mod log;
pub mod needs;
pub mod net;
pub mod phones;
pub mod process;
pub mod shapes;
pub mod sip;
pub mod sipp;
pub mod site;
pub mod stamp;
pub mod tap;
pub mod turn;
pub mod wav;
