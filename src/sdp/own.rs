//! The descriptions that we write (RFC 3264 §5, §6, §8): one `o=` line for a leg, whose version grows by one
//! when, and only when, the rest was changed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::agree::Agreed;
use super::direction::Direction;
use super::limits::Limits;
use super::media::{Codec, Connection, Description};

/// The payload type we give telephone-events when the other side has not given one.
const TELEPHONE_EVENT: u8 = 101;

/// Our side of one leg's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDescription {
    session: u64,
    version: u64,
    /// One for each `m=` line there ever was: they are never taken away (RFC 3264 §8).
    streams: Vec<Stream>,
    audio: usize,
    pcmu: u8,
    pcma: u8,
    telephone_event: u8,
    /// Everything behind the `o=` line as it was last written.
    last: Option<String>,
    /// The address of the `o=` line, which never changes within a session (RFC 3264 §8).
    #[serde(default)]
    origin: Option<IpAddr>,
}

/// An `m=` line as it must be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stream {
    kind: String,
    protocol: String,
    formats: Vec<String>,
}

impl OwnDescription {
    /// Before the first offer or answer. `session` is random: with our address it names the session (RFC 8866
    /// §5.2).
    pub fn new(session: u64) -> Self {
        Self {
            // RFC 3264 §5: at most 2^62-1, so that it fits a signed number of 64 bits.
            session: session >> 2,
            version: 0,
            streams: Vec::new(),
            audio: 0,
            pcmu: Codec::Pcmu.payload(),
            pcma: Codec::Pcma.payload(),
            telephone_event: TELEPHONE_EVENT,
            last: None,
            origin: None,
        }
    }

    /// The answer to an offer: each of its streams in its order, all but the agreed one refused with port 0
    /// (RFC 3264 §6). The same answer a second time, as in a 200 after a 183, has the same octets.
    pub fn answer(&mut self, offer: &Description, agreed: &Agreed, local: SocketAddr) -> Bytes {
        self.streams = offer
            .media
            .iter()
            .map(|media| Stream {
                kind: media.kind_text.clone(),
                protocol: media.protocol.clone(),
                formats: media.formats.clone(),
            })
            .collect();
        self.learn(agreed);
        let mut formats = vec![(agreed.payload, agreed.codec.as_str())];
        formats.extend(agreed.telephone_event.map(|payload| (payload, "telephone-event")));
        let text = self.text(local, &formats, agreed.direction, agreed.ptime_ms);
        self.write(local.ip(), text)
    }

    /// An offer: both codecs, the one agreed on before first, with the numbers they have had (RFC 3264
    /// §8.3.2).
    pub fn offer(&mut self, local: SocketAddr, direction: Direction, agreed: Option<&Agreed>) -> Bytes {
        if self.streams.is_empty() {
            self.streams.push(Stream {
                kind: "audio".to_owned(),
                protocol: "RTP/AVP".to_owned(),
                formats: Vec::new(),
            });
            self.audio = 0;
        }
        if let Some(agreed) = agreed {
            self.learn(agreed);
        }
        let mut formats = vec![
            (self.pcmu, Codec::Pcmu.as_str()),
            (self.pcma, Codec::Pcma.as_str()),
            (self.telephone_event, "telephone-event"),
        ];
        if agreed.is_some_and(|agreed| agreed.codec == Codec::Pcma) {
            formats.swap(0, 1);
        }
        let ptime_ms = agreed.map_or(20, |agreed| agreed.ptime_ms);
        let text = self.text(local, &formats, direction, ptime_ms);
        self.write(local.ip(), text)
    }

    /// The place of our audio among the `m=` lines.
    pub fn audio_index(&self) -> usize {
        self.audio
    }

    /// How many `m=` lines there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Within a session a payload type keeps its meaning (RFC 3264 §8.3.2), so theirs become ours.
    fn learn(&mut self, agreed: &Agreed) {
        self.audio = agreed.index;
        let (ours, other) = match agreed.codec {
            Codec::Pcmu => (&mut self.pcmu, &mut self.pcma),
            Codec::Pcma => (&mut self.pcma, &mut self.pcmu),
        };
        *ours = agreed.payload;
        if *other == agreed.payload {
            // They gave one codec the number the other usually has.
            *other = free_payload(&[agreed.payload, self.telephone_event]);
        }
        let taken = [self.pcmu, self.pcma];
        self.telephone_event = agreed.telephone_event.unwrap_or(self.telephone_event);
        if taken.contains(&self.telephone_event) {
            self.telephone_event = free_payload(&taken);
        }
    }

    /// Everything behind the `o=` line.
    fn text(&self, local: SocketAddr, formats: &[(u8, &str)], direction: Direction, ptime_ms: u16) -> String {
        let mut lines = vec!["s=-".to_owned(), format!("c=IN {}", typed(local.ip())), "t=0 0".to_owned()];
        for (index, Stream { kind, protocol, formats: theirs }) in self.streams.iter().enumerate() {
            if index != self.audio {
                // RFC 3264 §6: a refused stream keeps its formats; they mean nothing.
                lines.push(format!("m={kind} 0 {protocol} {}", theirs.join(" ")));
                continue;
            }
            let listed: Vec<String> = formats.iter().map(|(payload, _)| payload.to_string()).collect();
            lines.push(format!("m={kind} {} {protocol} {}", local.port(), listed.join(" ")));
            for (payload, name) in formats {
                lines.push(format!("a=rtpmap:{payload} {name}/8000"));
                if *name == "telephone-event" {
                    // RFC 4733 §2.4.1: the sixteen keys.
                    lines.push(format!("a=fmtp:{payload} 0-15"));
                }
            }
            lines.push(format!("a=ptime:{ptime_ms}"));
            lines.push(format!("a={}", direction.as_str()));
        }
        lines.join("\r\n") + "\r\n"
    }

    /// The description of another leg as ours on this one: all of it but the `o=` line, of which version and
    /// identity are ours. `None` when it cannot be read.
    pub fn carry(&mut self, theirs: &[u8], limits: &Limits) -> Option<Bytes> {
        let description = Description::parse(theirs, limits).ok()?;
        let address = description.media.iter().find_map(|media| match description.connection_of(media) {
            Some(Connection::Address(address)) => Some(*address),
            Some(Connection::Name) | None => None,
        });
        let kept: Vec<_> = String::from_utf8_lossy(theirs)
            .lines()
            .filter(|line| !line.starts_with("v=") && !line.starts_with("o="))
            .map(|line| format!("{line}\r\n"))
            .collect();
        Some(self.write(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), kept.concat()))
    }

    /// What was last written, once more.
    pub fn repeat(&self) -> Option<Bytes> {
        self.last.as_deref().map(|rest| self.with_origin(rest))
    }

    fn with_origin(&self, rest: &str) -> Bytes {
        let address = self.origin.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let Self { session, version, .. } = self;
        Bytes::from(format!("v=0\r\no=- {session} {version} IN {}\r\n{rest}", typed(address)))
    }

    fn write(&mut self, address: IpAddr, text: String) -> Bytes {
        if self.last.as_ref() != Some(&text) {
            self.version += 1;
            self.last = Some(text);
        }
        self.origin.get_or_insert(address);
        self.with_origin(self.last.as_deref().unwrap_or_default())
    }
}

/// Network address type and address (RFC 8866 §5.7).
fn typed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("IP4 {v4}"),
        IpAddr::V6(v6) => format!("IP6 {v6}"),
    }
}

/// A dynamic payload type (RFC 3551 §3) that is not taken.
fn free_payload(taken: &[u8]) -> u8 {
    (96..=127).find(|payload| !taken.contains(payload)).unwrap_or(TELEPHONE_EVENT)
}
