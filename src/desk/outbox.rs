//! The bounded queue between the hub and one socket (F5, N35): when it is full, states are made fewer; when
//! it is still full, the socket is closed. Nobody ever waits for a slow socket.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::settings::DeskSettings;
use crate::events::wire::as_replay;
use crate::events::{Audience, Frame, FrameRole};
use crate::presence::OfferId;

/// Why the server closes a socket: the protocol's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    BadFrame,
    NotAuthenticated,
    Version,
    HelloTimeout,
    HeartBeat,
    TooLarge,
    Rate,
    SlowConsumer,
    /// With `retry_ms`.
    Drain(u64),
    Internal,
}

impl Close {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::BadFrame => 4400,
            Self::NotAuthenticated => 4401,
            Self::Version => 4406,
            Self::HelloTimeout => 4408,
            Self::HeartBeat => 4410,
            Self::TooLarge => 4413,
            Self::Rate => 4429,
            Self::SlowConsumer => 4508,
            Self::Drain(_) => 4512,
            Self::Internal => 1011,
        }
    }

    pub(super) fn reason(self) -> String {
        match self {
            Self::BadFrame => "bad frame".to_owned(),
            Self::NotAuthenticated => "not authenticated".to_owned(),
            Self::Version => "unknown version".to_owned(),
            Self::HelloTimeout => "no hello in time".to_owned(),
            Self::HeartBeat => "no pong".to_owned(),
            Self::TooLarge => "frame too large".to_owned(),
            Self::Rate => "too many".to_owned(),
            Self::SlowConsumer => "slow consumer".to_owned(),
            Self::Drain(retry_ms) => format!("{{\"retry_ms\":{retry_ms}}}"),
            Self::Internal => "internal".to_owned(),
        }
    }
}

/// One frame to be written.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) text: Bytes,
    frame: Option<Arc<Frame>>,
    pub(super) announce: Option<Arc<Announcement>>,
}

/// An offer that the engine is waiting to hear of, once.
#[derive(Debug)]
pub(super) struct Announcement {
    offer: OfferId,
    reported: AtomicBool,
}

impl Announcement {
    pub(super) fn new(offer: OfferId) -> Self {
        Self { offer, reported: AtomicBool::new(false) }
    }

    /// The offer, for the first who asks.
    pub(super) fn take(&self) -> Option<OfferId> {
        (!self.reported.swap(true, Ordering::Relaxed)).then(|| self.offer.clone())
    }
}

impl Item {
    pub(super) fn plain(text: Bytes) -> Self {
        Self { text, frame: None, announce: None }
    }

    pub(super) fn event(frame: Arc<Frame>, announce: Option<Arc<Announcement>>) -> Self {
        Self { text: frame.text.clone(), frame: Some(frame), announce }
    }

    fn stream(&self) -> Option<&Audience> {
        self.frame.as_ref().map(|frame| &*frame.stream)
    }
}

/// The queue of one socket.
#[derive(Debug)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
    closed: Notify,
    frames: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Item>,
    bytes: usize,
    close: Option<Close>,
}

impl Outbox {
    pub(super) fn new(settings: &DeskSettings) -> Self {
        Self {
            inner: Mutex::default(),
            filled: Notify::new(),
            closed: Notify::new(),
            frames: settings.queue_frames,
            bytes: settings.queue_bytes,
        }
    }

    /// Queues a frame, or marks the socket for closing.
    pub(super) fn push(&self, item: Item) {
        let mut inner = self.lock();
        if inner.close.is_some() {
            return;
        }
        inner.bytes += item.text.len();
        inner.queue.push_back(item);
        if self.is_over(&inner) {
            inner.coalesce();
        }
        if self.is_over(&inner) {
            inner.shut(Close::SlowConsumer);
            drop(inner);
            self.closed.notify_one();
        } else {
            drop(inner);
            self.filled.notify_one();
        }
    }

    /// Marks the socket for closing; the first reason wins.
    pub(super) fn close(&self, close: Close) {
        let mut inner = self.lock();
        if inner.close.is_none() {
            inner.shut(close);
        }
        drop(inner);
        self.closed.notify_one();
    }

    /// Everything there is to write, once there is something. Cancel safe.
    pub(super) async fn next(&self) -> Vec<Item> {
        loop {
            let batch = self.take();
            if !batch.is_empty() {
                return batch;
            }
            self.filled.notified().await;
        }
    }

    /// Resolves when the socket is to be closed. Cancel safe.
    pub(super) async fn closing(&self) -> Close {
        loop {
            if let Some(close) = self.lock().close {
                return close;
            }
            self.closed.notified().await;
        }
    }

    /// What is left to be said before a close.
    pub(super) fn rest(&self) -> Vec<Item> {
        self.lock().queue.drain(..).collect()
    }

    /// Frames waiting.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// A few frames at a time, so that what waits stays counted and can still be coalesced.
    fn take(&self) -> Vec<Item> {
        const BATCH: usize = 16;
        const BATCH_BYTES: usize = 16 * 1024;
        let mut inner = self.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH && bytes < BATCH_BYTES {
            let Some(item) = inner.queue.pop_front() else { break };
            bytes += item.text.len();
            batch.push(item);
        }
        inner.bytes -= bytes;
        batch
    }

    fn is_over(&self, inner: &Inner) -> bool {
        inner.queue.len() > self.frames || inner.bytes > self.bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Keeps only the latest of each state. The frame after a gap is marked as sent again, because live
    /// frames have no gaps.
    fn coalesce(&mut self) {
        let mut latest: BTreeMap<(Audience, String), usize> = BTreeMap::new();
        for (index, item) in self.queue.iter().enumerate() {
            if let Some(key) = state_key(item) {
                latest.insert(key, index);
            }
        }
        let mut kept = VecDeque::with_capacity(self.queue.len());
        let mut gaps: Vec<Audience> = Vec::new();
        for (index, mut item) in std::mem::take(&mut self.queue).into_iter().enumerate() {
            if state_key(&item).is_some_and(|key| latest.get(&key) != Some(&index)) {
                gaps.extend(item.stream().cloned());
                continue;
            }
            if let Some(stream) = item.stream().filter(|stream| gaps.contains(stream)).cloned() {
                gaps.retain(|gap| *gap != stream);
                item.text = as_replay(&item.text);
            }
            kept.push_back(item);
        }
        self.queue = kept;
        self.bytes = self.queue.iter().map(|item| item.text.len()).sum();
    }

    fn shut(&mut self, close: Close) {
        self.close = Some(close);
        if !matches!(close, Close::Drain(_)) {
            self.queue.clear();
            self.bytes = 0;
        }
    }
}

fn state_key(item: &Item) -> Option<(Audience, String)> {
    let frame = item.frame.as_ref()?;
    match &frame.role {
        FrameRole::State(key) => Some((Audience::clone(&frame.stream), key.clone())),
        FrameRole::Offer
        | FrameRole::Step
        | FrameRole::Taken
        | FrameRole::Withdrawn { .. }
        | FrameRole::Missed
        | FrameRole::Closed
        | FrameRole::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::presence::AgentId;

    #[test]
    fn f5_when_full_only_the_latest_of_a_state_stays_and_the_gap_is_marked() {
        let outbox = outbox(4);
        for seq in 1..=3 {
            outbox.push(item(seq, FrameRole::State("presence:a".into())));
        }
        outbox.push(item(4, FrameRole::Other));
        assert_eq!(outbox.len(), 4, "nothing is made fewer before it has to be");
        outbox.push(item(5, FrameRole::Other));

        let rest: Vec<Value> =
            outbox.rest().iter().map(|item| serde_json::from_slice(&item.text).unwrap()).collect();
        let seen: Vec<(u64, bool)> =
            rest.iter().map(|frame| (frame["seq"].as_u64().unwrap(), frame["replay"] == true)).collect();
        assert_eq!(seen, [(3, true), (4, false), (5, false)]);
    }

    #[tokio::test]
    async fn f5_what_cannot_be_made_fewer_closes_the_socket() {
        let outbox = outbox(4);
        (1..=5).for_each(|seq| outbox.push(item(seq, FrameRole::Other)));
        assert_eq!(outbox.closing().await, Close::SlowConsumer);
        assert_eq!(outbox.len(), 0, "and holds no memory any more");
        outbox.push(item(6, FrameRole::Other));
        assert_eq!(outbox.len(), 0);
    }

    #[tokio::test]
    async fn octets_are_limited_as_well() {
        let settings = DeskSettings { queue_bytes: 100, ..DeskSettings::default() };
        let outbox = Outbox::new(&settings);
        outbox.push(Item::plain(Bytes::from(vec![b' '; 101])));
        assert_eq!(outbox.closing().await, Close::SlowConsumer);
    }

    #[test]
    fn an_announcement_is_given_once() {
        let announcement = Announcement::new(OfferId::new("o-1"));
        assert_eq!(announcement.take(), Some(OfferId::new("o-1")));
        assert_eq!(announcement.take(), None);
    }

    fn outbox(queue_frames: usize) -> Outbox {
        Outbox::new(&DeskSettings { queue_frames, ..DeskSettings::default() })
    }

    fn item(seq: u64, role: FrameRole) -> Item {
        let text = format!(r#"{{"v":1,"kind":"event","type":"x","seq":{seq}}}"#);
        let frame = Frame {
            stream: Arc::new(Audience::Agent(AgentId::new("a102"))),
            name: "x",
            id: seq.to_string(),
            seq,
            call: None,
            role,
            announce: None,
            expires: None,
            text: text.into(),
        };
        Item::event(Arc::new(frame), None)
    }
}
