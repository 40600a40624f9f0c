//! What a description says (RFC 8866 §5), as far as it is asked for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::direction::Direction;

/// A description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `o=`.
    pub origin: Origin,
    /// `c=` before the first `m=`.
    pub connection: Option<Connection>,
    /// The direction before the first `m=`.
    pub direction: Option<Direction>,
    /// `a=fingerprint` before the first `m=`: DTLS is offered for all.
    pub fingerprint: bool,
    /// The `m=` lines with what belongs to each, in order.
    pub media: Vec<Media>,
}

/// `o=`. Id and version stay text: others only compare them, and some write more than 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The session's id.
    pub session: String,
    /// The version: another one tells that the description was changed (RFC 3264 §8).
    pub version: String,
}

/// `c=`: where media is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// An address. `0.0.0.0` is a hold of the older kind (RFC 3264 §8.4).
    Address(IpAddr),
    /// A host name. It is never resolved: no media goes there.
    Name,
}

impl Connection {
    /// Whether it is `0.0.0.0` or `::`.
    pub fn is_unspecified(&self) -> bool {
        matches!(self, Self::Address(address) if address.to_canonical().is_unspecified())
    }
}

/// What kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `audio`.
    Audio,
    /// `video`.
    Video,
    /// `image`: T.38.
    Image,
    /// Anything else.
    Other,
}

/// One `m=` line and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What kind.
    pub kind: MediaKind,
    /// The kind as written.
    pub kind_text: String,
    /// The port; 0 refuses the stream.
    pub port: u16,
    /// The protocol as written, such as `RTP/AVP`.
    pub protocol: String,
    /// The formats as written; of RTP the payload types in the order of preference.
    pub formats: Vec<String>,
    /// Its own `c=`.
    pub connection: Option<Connection>,
    /// Its own direction.
    pub direction: Option<Direction>,
    /// `a=rtpmap` lines.
    pub maps: Vec<RtpMap>,
    /// `a=fmtp` lines: format and parameters.
    pub fmtp: Vec<(String, String)>,
    /// `a=ptime`, milliseconds.
    pub ptime_ms: Option<u16>,
    /// `a=crypto`: SRTP with keys in the description (RFC 4568 §9.1).
    pub crypto: bool,
    /// `a=fingerprint`: SRTP with DTLS (RFC 8122 §5).
    pub fingerprint: bool,
}

/// `a=rtpmap`: what a payload type stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    /// The payload type, 0 to 127.
    pub payload: u8,
    /// The encoding's name, case as written.
    pub encoding: String,
    /// Ticks a second.
    pub clock_hz: u32,
    /// Channels; 1 when not written.
    pub channels: u8,
}

/// The codecs of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 µ-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The encoding's name (RFC 3551 §6).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The payload type of RFC 3551 §6.
    pub const fn payload(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }
}

impl Description {
    /// Where this stream is wanted: its own `c=`, else the session's.
    pub fn connection_of<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connection.as_ref().or(self.connection.as_ref())
    }

    /// The direction of this stream. Who gives `0.0.0.0` cannot be sent to, whatever else is written (RFC
    /// 3264 §8.4).
    pub fn direction_of(&self, media: &Media) -> Direction {
        let said = media.direction.or(self.direction).unwrap_or_default();
        let reachable = !self.connection_of(media).is_some_and(Connection::is_unspecified);
        Direction::of(said.sends(), said.receives() && reachable)
    }

    /// Whether who was told `self` sends the same to the same place when told `other`: address, port and
    /// direction of each stream. `formats` that were agreed upon must still be among its own.
    pub fn leads_where(&self, other: &Self, formats: &Self) -> bool {
        let alike = |(index, (media, after)): (usize, (&Media, &Media))| {
            let agreed = formats.media.get(index).and_then(|agreed| agreed.formats.first());
            media.port == after.port
                && self.connection_of(media) == other.connection_of(after)
                && self.direction_of(media) == other.direction_of(after)
                && (after.port == 0 || agreed.is_none_or(|agreed| after.formats.contains(agreed)))
        };
        // What the answerer has refused is not sent in any case.
        let refused = |index: &usize| formats.media.get(*index).is_some_and(|media| media.port == 0);
        self.media.len() == other.media.len()
            && self.media.iter().zip(&other.media).enumerate().filter(|(index, _)| !refused(index)).all(alike)
    }

    /// The first audio stream that is not refused, and its place.
    pub fn audio(&self) -> Option<(usize, &Media)> {
        let live = |(_, media): &(usize, &Media)| media.kind == MediaKind::Audio && media.port != 0;
        self.media.iter().enumerate().find(live)
    }

    /// Whether the writer has put us on hold: it does not listen to its audio any more. A description without
    /// live audio holds nobody.
    pub fn holds(&self) -> bool {
        self.audio().is_some_and(|(_, media)| !self.direction_of(media).receives())
    }

    /// Whether this stream is to be encrypted. A key below plain `RTP/AVP` is an offer that may be passed
    /// over (RFC 4568 §7.1.1), so the protocol decides.
    pub fn is_secured(&self, media: &Media) -> bool {
        let protocol = media.protocol.to_ascii_uppercase();
        protocol.contains("SAVP") || protocol.contains("TLS")
    }
}

impl Media {
    /// What a payload type stands for: what is written, else the table of RFC 3551 §6.
    pub fn codec_of(&self, format: &str) -> Option<Codec> {
        let payload = payload_type(format)?;
        match self.maps.iter().find(|map| map.payload == payload) {
            Some(map) => [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| {
                map.encoding.eq_ignore_ascii_case(codec.as_str()) && map.clock_hz == 8000 && map.channels == 1
            }),
            None => [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| codec.payload() == payload),
        }
    }

    /// The payload type of telephone-events at 8000 Hz (RFC 4733 §2.4), when it is among the formats.
    pub fn telephone_event(&self) -> Option<u8> {
        let is_event = |payload: &u8| {
            let map = self.maps.iter().find(|map| map.payload == *payload);
            map.is_some_and(|map| {
                map.encoding.eq_ignore_ascii_case("telephone-event") && map.clock_hz == 8000
            })
        };
        self.formats.iter().filter_map(|format| payload_type(format)).find(is_event)
    }

    /// Whether it is plain RTP that we can speak.
    pub fn is_plain_rtp(&self) -> bool {
        ["RTP/AVP", "RTP/AVPF"].iter().any(|protocol| self.protocol.eq_ignore_ascii_case(protocol))
    }
}

/// A payload type: 0 to 127, digits only.
pub(super) fn payload_type(format: &str) -> Option<u8> {
    let digits =
        !format.is_empty() && format.len() <= 3 && format.bytes().all(|octet| octet.is_ascii_digit());
    format.parse().ok().filter(|payload| digits && *payload < 128)
}
