//! What callers who wait with music are told and hear (I8): one To-tag and one description, never 180 after
//! 183, music until they are joined with somebody or the call is over, and no dialog that nobody ended.

use std::collections::{BTreeMap, BTreeSet};

use toritsugi::media::{MediaOrder, StreamId};
use toritsugi::message::{Header, Message, Method};

/// Our own descriptions name this port.
pub const PORT: u16 = 30_000;

/// One caller.
#[derive(Debug, Default)]
struct Heard {
    tag: Vec<u8>,
    body: Vec<u8>,
    answered: bool,
    refused: bool,
    over: bool,
}

/// All that is remembered of music.
#[derive(Debug, Default)]
pub struct MusicJudge {
    callers: BTreeMap<String, Heard>,
    playing: BTreeSet<StreamId>,
    opened: BTreeSet<StreamId>,
    /// Legs of ours that were confirmed, and whether a BYE was seen.
    legs: BTreeMap<String, bool>,
    /// Legs to which somebody said 2xx; the ACK tells whether we have heard it.
    accepted: BTreeSet<String>,
    pub faults: Vec<(&'static str, String, String)>,
}

impl MusicJudge {
    /// Whether this call's messages are ours alone from now on.
    pub fn is_anchored(&self, call: &str) -> bool {
        call.starts_with("leg-") || self.callers.contains_key(call)
    }

    /// A response of the engine to an INVITE outside a dialog.
    pub fn told(&mut self, call: &str, status: u16, message: &Message) {
        let ours =
            message.header_named(b"X-Callee").is_none() && message.header(Header::RecordRoute).is_none();
        let tag = message.to_tag().unwrap_or_default().to_vec();
        if !self.callers.contains_key(call) {
            if status < 300 && ours && !message.body().is_empty() {
                let body = message.body().to_vec();
                let answered = status >= 200;
                self.callers.insert(call.to_owned(), Heard { tag, body, answered, ..Heard::default() });
            }
            return;
        }
        let Some(heard) = self.callers.get_mut(call) else { return };
        heard.refused |= status >= 300;
        heard.answered |= (200..300).contains(&status);
        let wrong = match status {
            180 => Some("180 after 183"),
            _ if tag != heard.tag => Some("another To-tag"),
            183..=299 if message.body() != &heard.body[..] => Some("another description"),
            _ => None,
        };
        if let Some(what) = wrong {
            self.faults.push(("I8", call.to_owned(), format!("{what} ({status})")));
        }
    }

    /// Somebody answers us within an anchored call.
    pub fn answers(&mut self, call: &str, status: u16, message: &Message) {
        if (200..300).contains(&status) && message.method() == Method::Invite && call.starts_with("leg-") {
            self.accepted.insert(call.to_owned());
        }
    }

    /// A request of the engine's own, or of a party, within an anchored call.
    pub fn asked(&mut self, call: &str, message: &Message, by_us: bool) {
        if message.method() == Method::Ack && self.accepted.contains(call) && by_us {
            self.legs.entry(call.to_owned()).or_insert(false);
        }
        if message.method() == Method::Bye {
            self.legs.insert(call.to_owned(), true);
            if let Some(heard) = self.callers.get_mut(call) {
                heard.over = true;
            }
        }
    }

    /// An order to the media ports; the stream that is to be opened.
    pub fn ordered(&mut self, order: &MediaOrder) -> Option<StreamId> {
        match order {
            MediaOrder::Open { stream, .. } => {
                if !self.opened.insert(*stream) {
                    self.faults.push(("I8", String::new(), format!("{stream:?} is opened twice")));
                }
                return Some(*stream);
            }
            MediaOrder::Play { stream, .. } => _ = self.playing.insert(*stream),
            MediaOrder::Announce { stream, .. } => {
                if !self.playing.contains(stream) {
                    self.faults.push(("I8", String::new(), "something is said without music".to_owned()));
                }
            }
            MediaOrder::Close { stream } => _ = self.playing.remove(stream),
        }
        None
    }

    /// Nothing more will happen.
    pub fn run_is_over(&mut self) {
        for stream in &self.playing {
            self.faults.push(("I8", String::new(), format!("{stream:?} plays for ever")));
        }
        for (leg, _) in self.legs.iter().filter(|(_, over)| !**over) {
            self.faults.push(("I8", leg.clone(), "its dialog was never ended".to_owned()));
        }
        for (call, _) in self.callers.iter().filter(|(_, heard)| heard.answered && !heard.over) {
            self.faults.push(("I8", call.clone(), "the caller's dialog was never ended".to_owned()));
        }
        for (call, heard) in &self.callers {
            if !heard.answered && !heard.refused {
                self.faults.push(("I1", call.clone(), "early media, and never an answer".to_owned()));
            }
        }
    }
}
