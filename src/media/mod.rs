//! [pure] What a parked caller hears: G.711, the built-in melody, RTP packets and when each is due, digits,
//! and whose packets are listened to. Nothing here opens a socket.

mod digits;
mod g711;
mod melody;
mod order;
mod player;
mod rtp;
mod source;

pub use digits::{Digit, Digits};
pub use g711::{alaw, from_alaw, from_ulaw, ulaw};
pub use melody::melody;
pub use order::{Announcement, Language, Listener, MediaFault, MediaOrder, MediaReport, StreamId};
pub use player::{FRAME, PACKET_EVERY, Player, PlayerId, Players, Tune};
pub use rtp::{HEADER_BYTES, Packet, write_header};
pub use source::{Learning, Source};

/// Samples a second of everything here.
pub const RATE_HZ: u32 = 8000;
