//! What two sides agree on (RFC 3264 §6, §7): which stream, which codec, which way, and where ours goes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::direction::Direction;
use super::media::{Codec, Connection, Description, Media, MediaKind};
use super::own::OwnDescription;
use super::target::TargetRules;

/// Milliseconds of a packet when the other side does not say (RFC 3551 §4.2).
const PTIME_MS: u16 = 20;

/// What we want of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// The direction, as we see it.
    pub direction: Direction,
    /// Where our media may go.
    pub rules: &'a TargetRules,
}

/// What was agreed for the one audio stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The place of the stream among the `m=` lines.
    pub index: usize,
    /// The codec.
    pub codec: Codec,
    /// Its payload type, as the other side numbers it.
    pub payload: u8,
    /// The payload type of telephone-events, when both know them.
    pub telephone_event: Option<u8>,
    /// Milliseconds of one packet of ours.
    pub ptime_ms: u16,
    /// The direction, as we see it.
    pub direction: Direction,
    /// Where our media goes; absent when the other side is on hold of the older kind (`0.0.0.0`).
    pub target: Option<SocketAddr>,
}

/// Why there is no agreement; the offer is answered with 488 (RFC 3261 §21.4.26) or the call goes on without
/// our media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Disagreement {
    /// No audio stream that is not refused.
    #[error("no audio stream")]
    NoAudio,
    /// All of them are SRTP.
    #[error("encrypted media only")]
    Encrypted,
    /// No G.711 among the formats.
    #[error("no codec in common")]
    NoCodec,
    /// Media would go to an address it may not go to, or to a name (N51).
    #[error("a media address that is refused")]
    Target,
    /// An answer with other streams than the offer had (RFC 3264 §6).
    #[error("an answer that does not match its offer")]
    NotTheOffer,
}

/// Chooses from an offer: its first audio stream of plain RTP, and of that the first codec that is ours,
/// because the offerer's order is its preference (RFC 3264 §6.1).
///
/// # Errors
///
/// See [`Disagreement`]; of several streams the last one's reason.
pub fn agree(offer: &Description, wish: Wish<'_>) -> Result<Agreed, Disagreement> {
    let mut why = Disagreement::NoAudio;
    let live = |(_, media): &(usize, &Media)| media.kind == MediaKind::Audio && media.port != 0;
    for (index, media) in offer.media.iter().enumerate().filter(live) {
        match agree_on(offer, index, media, wish) {
            Ok(agreed) => return Ok(agreed),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

/// Reads the answer to our own offer.
///
/// # Errors
///
/// See [`Disagreement`].
pub fn read_answer(
    answer: &Description,
    own: &OwnDescription,
    wish: Wish<'_>,
) -> Result<Agreed, Disagreement> {
    // RFC 3264 §6: the answer has an m= line for each of the offer, in its order.
    let media = answer.media.get(own.audio_index()).ok_or(Disagreement::NotTheOffer)?;
    if answer.media.len() != own.streams() || media.kind != MediaKind::Audio {
        return Err(Disagreement::NotTheOffer);
    }
    if media.port == 0 {
        return Err(Disagreement::NoAudio);
    }
    agree_on(answer, own.audio_index(), media, wish)
}

fn agree_on(
    description: &Description,
    index: usize,
    media: &Media,
    wish: Wish<'_>,
) -> Result<Agreed, Disagreement> {
    if description.is_secured(media) {
        return Err(Disagreement::Encrypted);
    }
    if !media.is_plain_rtp() {
        return Err(Disagreement::NoAudio);
    }
    let known = |format: &String| {
        let codec = media.codec_of(format)?;
        Some((codec, format.parse().ok()?))
    };
    let (codec, payload) = media.formats.iter().find_map(known).ok_or(Disagreement::NoCodec)?;
    Ok(Agreed {
        index,
        codec,
        payload,
        telephone_event: media.telephone_event(),
        // Packets of ours are whole tens of milliseconds, and none is longer than a jitter buffer likes.
        ptime_ms: media.ptime_ms.filter(|ptime| matches!(ptime, 10 | 20 | 30 | 40 | 60)).unwrap_or(PTIME_MS),
        direction: description.direction_of(media).answered(wish.direction),
        target: target(description, media, wish.rules)?,
    })
}

/// Nobody is sent to when the address is `0.0.0.0` (RFC 3264 §8.4).
fn target(
    description: &Description,
    media: &Media,
    rules: &TargetRules,
) -> Result<Option<SocketAddr>, Disagreement> {
    match description.connection_of(media) {
        Some(connection) if connection.is_unspecified() => Ok(None),
        Some(Connection::Address(address)) => {
            let target = SocketAddr::new(address.to_canonical(), media.port);
            if rules.allow(target) { Ok(Some(target)) } else { Err(Disagreement::Target) }
        }
        Some(Connection::Name) | None => Err(Disagreement::Target),
    }
}
