//! What the engine asks of the media ports, and what it is told. The engine decides who hears what; who holds
//! the sockets and the clock of the packets only does it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Digit, Learning};
use crate::sdp::Codec;

/// One port of ours with the stream of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId(pub u64);

/// Who listens at the other end, as offer and answer agreed (RFC 3264 §6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// How it is coded.
    pub codec: Codec,
    /// The payload type that was agreed upon.
    pub payload_type: u8,
    /// The payload type of telephone events (RFC 4733), when the caller offered them.
    pub digits: Option<u8>,
    /// Where the description says that the caller listens.
    pub remote: SocketAddr,
    /// Whether another address may be learned (N49).
    pub learning: Learning,
    /// The language of announcements.
    pub language: Language,
}

/// What announcements are spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

/// What is said to a caller who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Announcement {
    /// Please hold the line.
    PleaseHold,
    /// How many are before the caller, and the caller: 1 is next.
    Position(u16),
    /// Minutes that the caller is expected to wait, rounded up.
    Minutes(u16),
    /// Press 1 to be called back.
    PressOne,
    /// You will be called back.
    CallbackNoted,
}

/// Something to be done at the media ports. Each order about a stream that is not open does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaOrder {
    /// Open a port; answered by [`MediaReport::Opened`] or [`MediaReport::Refused`].
    Open {
        /// Chosen by the engine, never used before.
        stream: StreamId,
        /// Whether the caller is reached over IPv6.
        ipv6: bool,
    },
    /// Music from the next packet on, until [`MediaOrder::Close`]; again for a stream that plays: to there.
    Play {
        /// The stream.
        stream: StreamId,
        /// To whom.
        listener: Listener,
    },
    /// Say this once, in place of the music; after what is being said, when something is. That a callback is
    /// noted is said at once, in place of what else was to be said; [`MediaReport::Said`] tells when it was.
    Announce {
        /// The stream.
        stream: StreamId,
        /// What.
        what: Announcement,
    },
    /// Nothing more is sent or heard, and the port is free.
    Close {
        /// The stream.
        stream: StreamId,
    },
}

/// Something that happened at a media port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaReport {
    /// The port is open.
    Opened {
        /// The stream.
        stream: StreamId,
        /// As it is to stand in our description: the address that callers reach, and the port.
        local: SocketAddr,
    },
    /// There is no port for it.
    Refused {
        /// The stream.
        stream: StreamId,
        /// Why, for the trace.
        why: MediaFault,
    },
    /// The caller pressed a key: told once for each press (RFC 4733 §2.5.1.2).
    Pressed {
        /// The stream.
        stream: StreamId,
        /// Which.
        digit: Digit,
    },
    /// That a callback is noted has been said.
    Said {
        /// The stream.
        stream: StreamId,
    },
}

/// Why there is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaFault {
    /// Every port of the configured range is in use.
    NoPort,
    /// As many streams as may be play already.
    TooMany,
    /// No address of ours for that family is configured.
    NoAddress,
    /// The system refused.
    System,
}
