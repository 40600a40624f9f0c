//! The hub: gives every event its streams, epoch, number and id, and knows what a client that comes back has
//! missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};

use super::stream::{Depth, Frame, Position, Role, Stream};
use super::wire::{self, EventFrame, time_text};
use super::{Audience, Event, EventBody, WithdrawCause, fold, identifier};
use crate::clock::Now;
use crate::presence::{AgentId, CallId, PresenceDocument};

/// How much is remembered for those who come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// An event is kept at least this long …
    pub keep_for: Duration,
    /// … and until this many newer ones came, whichever is later.
    pub keep_events: usize,
    /// The hard limit per stream, whatever the two above say.
    pub at_most_events: usize,
    /// The most streams; events for further ones are dropped and counted. Agents and groups of the directory.
    pub streams: usize,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            keep_for: Duration::from_secs(600),
            keep_events: 2_000,
            at_most_events: 10_000,
            streams: 20_000,
        }
    }
}

/// Streams, numbers, buffers and snapshots. Sans-IO: events come in, frames go out.
#[derive(Debug)]
pub struct Hub {
    settings: HubSettings,
    random: ChaCha12Rng,
    streams: BTreeMap<Audience, Stream>,
    dropped: u64,
}

/// The answer to a client that joins a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The stream's epoch.
    pub epoch: String,
    /// The stream's present number.
    pub seq: u64,
    /// Whether `texts` replays what was missed; otherwise it begins with a snapshot.
    pub resumed: bool,
    /// What to send after the welcome: the replay or the snapshot, then `sync.done`.
    pub texts: Vec<Bytes>,
}

impl Hub {
    /// An empty hub. `seed` must be fresh at every start: the epochs of two lives must differ.
    pub fn new(settings: HubSettings, seed: [u8; 32]) -> Self {
        Self { settings, random: ChaCha12Rng::from_seed(seed), streams: BTreeMap::new(), dropped: 0 }
    }

    /// Numbers and serialises an event, once for each of its streams.
    pub fn publish(&mut self, now: Now, event: &Event) -> Vec<Arc<Frame>> {
        let data = wire::event_data(event);
        let id = identifier::ulid(event.at, &mut self.random);
        let mut frames = Vec::with_capacity(event.audience.len());
        for audience in &event.audience {
            if !self.open(audience) {
                self.dropped += 1;
                continue;
            }
            let depth = self.depth();
            let Some(stream) = self.streams.get_mut(audience) else { continue };
            stream.seq += 1;
            let owner = stream.agent().cloned();
            stream.view.apply(event, owner.as_ref());
            let frame = Arc::new(frame(stream, event, &id, &data));
            stream.remember(now.moment, Arc::clone(&frame), depth);
            frames.push(frame);
        }
        frames
    }

    /// What a client needs that joins `audience`, having `position` or nothing of it.
    pub fn attach(&mut self, now: Now, audience: &Audience, position: Option<&Position>) -> Attached {
        self.open(audience);
        let missed = self.streams.get(audience).zip(position).and_then(|(stream, at)| stream.since(at));
        let resumed = missed.is_some();
        let mut texts = match missed {
            Some(frames) => fold(&frames),
            None => vec![self.snapshot(now, audience)],
        };
        texts.push(self.marker(now, audience, "sync.done", &json!({})));
        let (epoch, seq) = self.place(audience);
        Attached { epoch, seq, resumed, texts }
    }

    /// Gives a stream a new life and returns what its clients need now. `doubtful` are cards whose events
    /// were lost: they are no longer shown.
    pub fn renew(&mut self, now: Now, audience: &Audience, doubtful: &[CallId]) -> Vec<Bytes> {
        let epoch = identifier::epoch(&mut self.random);
        if let Some(stream) = self.streams.get_mut(audience) {
            stream.renew(epoch);
            stream.view.pops.retain(|call, _| !doubtful.contains(call));
        }
        vec![self.snapshot(now, audience), self.marker(now, audience, "sync.done", &json!({}))]
    }

    /// Forgets every stream: nobody has listened for so long that nobody can go on where they were.
    pub fn forget_all(&mut self) {
        self.streams.clear();
    }

    /// Every stream there is.
    pub fn audiences(&self) -> Vec<Audience> {
        self.streams.keys().cloned().collect()
    }

    /// The cards a stream shows now.
    pub fn calls(&self, audience: &Audience) -> Vec<CallId> {
        self.streams
            .get(audience)
            .map(|stream| stream.view.pops.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Whether the agent's presence is known here, so that a snapshot can show it.
    pub fn knows_presence(&self, agent: &AgentId) -> bool {
        let audience = Audience::Agent(agent.clone());
        self.streams.get(&audience).is_some_and(|stream| stream.view.presences.contains_key(agent))
    }

    /// The observed state of an agent (`idle`, `on_call` …), as far as it is known here.
    pub fn observed_state(&self, agent: &AgentId) -> Option<&str> {
        let stream = self.streams.get(&Audience::Agent(agent.clone()))?;
        stream.view.presences.get(agent).map(|document| document.state.as_str())
    }

    /// Tells the hub a presence it has not seen change. What it has seen is newer and stays.
    pub fn learn_presence(&mut self, document: PresenceDocument) {
        let audience = Audience::Agent(document.agent.clone());
        self.open(&audience);
        if let Some(stream) = self.streams.get_mut(&audience) {
            stream.view.presences.entry(document.agent.clone()).or_insert(document);
        }
    }

    /// An event that belongs to a socket, not to a stream: it has no number. `stream` names one when it is
    /// about it.
    pub fn socket_event(&mut self, now: Now, name: &str, stream: Option<&str>, data: &Value) -> Bytes {
        let id = identifier::ulid(now.wall, &mut self.random);
        let at = time_text(now.wall);
        event_frame(name, &id, &at, data, stream).text()
    }

    /// Events dropped because there were too many streams.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Frames kept for those who come back, of all streams.
    pub fn buffered(&self) -> usize {
        self.streams.values().map(|stream| stream.buffer.len()).sum()
    }

    fn open(&mut self, audience: &Audience) -> bool {
        if self.streams.contains_key(audience) {
            return true;
        }
        if self.streams.len() >= self.settings.streams {
            return false;
        }
        let epoch = identifier::epoch(&mut self.random);
        self.streams.insert(audience.clone(), Stream::new(audience.clone(), epoch));
        true
    }

    fn place(&self, audience: &Audience) -> (String, u64) {
        self.streams.get(audience).map_or_else(Default::default, |stream| (stream.epoch.clone(), stream.seq))
    }

    fn snapshot(&mut self, now: Now, audience: &Audience) -> Bytes {
        let data = match (self.streams.get(audience), audience) {
            (Some(stream), Audience::Agent(agent)) => stream.view.own_snapshot(agent),
            (Some(stream), Audience::Team(_) | Audience::Board(_) | Audience::Admin) => {
                stream.view.shared_snapshot()
            }
            (None, _) => json!({}),
        };
        self.marker(now, audience, "snapshot", &data)
    }

    /// A frame that carries the stream's present number, not the next one.
    fn marker(&mut self, now: Now, audience: &Audience, name: &str, data: &Value) -> Bytes {
        let id = identifier::ulid(now.wall, &mut self.random);
        let (epoch, seq) = self.place(audience);
        let stream = audience.to_string();
        let at = time_text(now.wall);
        let mut frame = event_frame(name, &id, &at, data, Some(&stream));
        frame.epoch = Some(&epoch);
        frame.seq = Some(seq);
        frame.text()
    }

    const fn depth(&self) -> Depth {
        Depth {
            keep: self.settings.keep_for,
            keep_events: self.settings.keep_events,
            at_most: self.settings.at_most_events,
        }
    }
}

fn event_frame<'a>(
    name: &'a str,
    id: &'a str,
    at: &'a str,
    data: &'a Value,
    stream: Option<&'a str>,
) -> EventFrame<'a> {
    EventFrame {
        v: wire::VERSION,
        kind: "event",
        name,
        id,
        stream,
        epoch: None,
        seq: None,
        at,
        call: None,
        rev: None,
        expires: None,
        ack: "none",
        data,
    }
}

fn frame(stream: &Stream, event: &Event, id: &str, data: &Value) -> Frame {
    let name = wire::event_name(&event.body);
    let (audience, at) = (stream.name.to_string(), time_text(event.at));
    let expires = event.expires.map(time_text);
    let text = EventFrame {
        epoch: Some(&stream.epoch),
        seq: Some(stream.seq),
        call: event.call.as_ref().map(CallId::as_str),
        rev: event.rev,
        expires: expires.as_deref(),
        ack: wire::event_ack(&event.body),
        ..event_frame(name, id, &at, data, Some(&audience))
    }
    .text();
    Frame {
        stream: Arc::clone(&stream.name),
        name,
        id: id.to_owned(),
        seq: stream.seq,
        call: event.call.clone(),
        role: role(&event.body, stream.agent()),
        announce: if let EventBody::PopOffered { offer, announce: true, .. } = &event.body {
            Some(offer.clone())
        } else {
            None
        },
        expires: event.expires,
        text,
    }
}

fn role(body: &EventBody, owner: Option<&AgentId>) -> Role {
    match body {
        EventBody::PopOffered { .. } => Role::Offer,
        EventBody::PopTaken { by } if owner == Some(by) => Role::Taken,
        EventBody::PopEnriched { .. }
        | EventBody::PopUpdated { .. }
        | EventBody::PopClaimed { .. }
        | EventBody::PopTaken { .. }
        | EventBody::CallRinging
        | EventBody::RingSla { .. }
        | EventBody::MatchChosen { .. } => Role::Step,
        EventBody::PopWithdrawn { cause } => Role::Withdrawn { declined: *cause == WithdrawCause::Declined },
        EventBody::PopMissed => Role::Missed,
        EventBody::PopClosed => Role::Closed,
        EventBody::PresenceChanged(document) => Role::State(format!("presence:{}", document.agent)),
        // As with the state: of two only the latest matters; the document beside it says how it is now.
        EventBody::PresenceStale { agent, .. } => Role::State(format!("stale:{agent}")),
        EventBody::PresenceReturnDue { agent, .. } => Role::State(format!("return:{agent}")),
        EventBody::CallAnswered { .. }
        | EventBody::ParkWarning { .. }
        | EventBody::AlertRaised(_)
        | EventBody::CallEnded { .. }
        | EventBody::CallAbandoned { .. }
        | EventBody::CallHeld
        | EventBody::CallResumed { .. }
        | EventBody::HoldWarning { .. }
        | EventBody::HoldExceeded { .. }
        | EventBody::CallParked(_)
        | EventBody::CallRetrieved { .. }
        | EventBody::TransferStarted(_)
        | EventBody::TransferDone(_)
        | EventBody::TransferFailed(_)
        | EventBody::TransferRefused(_)
        | EventBody::NoticeAcked { .. }
        | EventBody::CallbackCreated(_)
        | EventBody::CallbackDue(_)
        | EventBody::CallbackDone(_)
        | EventBody::CallbackFailed(_)
        | EventBody::WrapupStarted { .. }
        | EventBody::WrapupOverdue
        | EventBody::WrapupDone
        | EventBody::SystemDegraded { .. }
        | EventBody::SystemRecovered { .. } => Role::Other,
    }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
