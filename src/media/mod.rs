//! [pure] What a parked caller hears: G.711, the built-in melody, RTP packets and when each is due, digits,
//! and whose packets are listened to. Only `ports/` opens a socket.

mod digits;
mod g711;
mod melody;
mod order;
mod player;
mod prompts;
mod resample;
mod rtp;
mod schedule;
mod source;
mod wav;

pub mod ports;

pub use digits::{Digit, Digits};
pub use g711::{alaw, from_alaw, from_ulaw, ulaw};
pub use melody::{chime, melody};
pub use order::{Announcement, Language, Listener, MediaFault, MediaOrder, MediaReport, StreamId};
pub use player::{FRAME, PACKET_EVERY, Player, PlayerId, Players, Tune};
pub use prompts::{PromptName, Prompts};
pub use resample::resample;
pub use rtp::{HEADER_BYTES, Packet, write_header};
pub use schedule::{Saying, Schedule, Waiting};
pub use source::{Learning, Source};
pub use wav::{FILE_OCTETS, LONGEST, WavFault, read_wav};

/// Samples a second of everything here.
pub const RATE_HZ: u32 = 8000;
