//! One stream: its life, its numbers, its buffer.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Audience;
use super::view::View;
use crate::clock::Moment;
use crate::presence::{AgentId, CallId, OfferId};

/// One event of one stream, serialised once and shared by every socket that gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The stream.
    pub stream: Arc<Audience>,
    /// The event's name.
    pub name: &'static str,
    /// The event's id.
    pub id: String,
    /// Its number in the stream.
    pub seq: u64,
    /// The call it is about.
    pub call: Option<CallId>,
    /// What it means for folding and coalescing.
    pub role: Role,
    /// The offer whose writing the engine waits for.
    pub announce: Option<OfferId>,
    /// After this it must not ring.
    pub expires: Option<jiff::Timestamp>,
    /// The text.
    pub text: Bytes,
}

/// What an event means when several are made fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A card appears.
    Offer,
    /// A card changes, or its phone rings.
    Step,
    /// The agent of this stream has the call.
    Taken,
    /// A card goes, not answered by this agent.
    Withdrawn {
        /// The agent sent it away.
        declined: bool,
    },
    /// The agent is told of a missed call.
    Missed,
    /// A card goes after its call was answered.
    Closed,
    /// A state, of which only the latest under this key matters.
    State(String),
    /// Anything else: kept as it is.
    Other,
}

/// Where a client is in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch it knows.
    pub epoch: String,
    /// The last number it received.
    pub seq: u64,
}

/// A stream's state.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: Arc<Audience>,
    pub(super) epoch: String,
    pub(super) seq: u64,
    pub(super) buffer: VecDeque<(Moment, Arc<Frame>)>,
    pub(super) view: View,
}

/// How much a stream remembers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    pub(super) keep: Duration,
    pub(super) keep_events: usize,
    pub(super) at_most: usize,
}

impl Stream {
    pub(super) fn new(name: Audience, epoch: String) -> Self {
        Self { name: Arc::new(name), epoch, seq: 0, buffer: VecDeque::new(), view: View::default() }
    }

    /// Keeps the frame. An old one goes when it is both past its time and past its place, or past the hard limit.
    pub(super) fn remember(&mut self, now: Moment, frame: Arc<Frame>, depth: Depth) {
        self.buffer.push_back((now, frame));
        while self.buffer.len() > depth.at_most
            || (self.buffer.len() > depth.keep_events
                && self.buffer.front().is_some_and(|(at, _)| now.since(*at) > depth.keep))
        {
            self.buffer.pop_front();
        }
    }

    /// What followed `position`, if all of it is still here.
    pub(super) fn since(&self, position: &Position) -> Option<Vec<Arc<Frame>>> {
        let oldest = self.seq + 1 - u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        if position.epoch != self.epoch || position.seq > self.seq || position.seq + 1 < oldest {
            return None;
        }
        let skip = usize::try_from(position.seq + 1 - oldest).unwrap_or(usize::MAX);
        Some(self.buffer.iter().skip(skip).map(|(_, frame)| Arc::clone(frame)).collect())
    }

    /// Begins a new life: continuity cannot be proven.
    pub(super) fn renew(&mut self, epoch: String) {
        self.epoch = epoch;
        self.seq = 0;
        self.buffer.clear();
    }

    /// The agent whose stream it is.
    pub(super) fn agent(&self) -> Option<&AgentId> {
        match &*self.name {
            Audience::Agent(agent) => Some(agent),
            Audience::Team(_) | Audience::Board(_) | Audience::Admin => None,
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(formatter, "agent:{agent}"),
            Self::Team(group) => write!(formatter, "team:{group}"),
            Self::Board(board) => write!(formatter, "board:{board}"),
            Self::Admin => formatter.write_str("admin"),
        }
    }
}
