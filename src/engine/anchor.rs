//! What is known of a call that we anchor (RFC 7092): the dialog towards the caller, the one towards whoever
//! answers, and what the caller hears. Plain data.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

use super::Engine;
use super::tables::{CallKey, ContextKey, ServerKey};
use super::timers::TimerHandle;
use crate::clock::Moment;
use crate::dialog::{Dialog, Exchange, Repeat, Session};
use crate::media::StreamId;
use crate::message::Message;
use crate::sdp::{Agreed, OwnDescription};

/// One of the two ends of an anchored call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Who called.
    Caller,
    /// Who answered: an agent, or the default route.
    Agent,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Agent,
            Self::Agent => Self::Caller,
        }
    }
}

/// An anchored call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Anchor {
    /// The response context of the caller's INVITE. It stays as long as this does.
    pub context: ContextKey,
    /// The port that the caller hears music from.
    pub stream: StreamId,
    /// Whether it is there.
    pub port: Port,
    /// Since when there is music, and how many rounds of announcements were said.
    #[serde(default)]
    pub music: Option<(Moment, u32)>,
    /// What was agreed with the caller about it.
    pub agreed: Option<Agreed>,
    /// The dialog towards the caller, early until `answered`.
    pub caller: Leg,
    /// The description of the 183, which the 200 repeats octet for octet.
    pub answer: Option<Bytes>,
    /// A 200 has gone to the caller.
    pub answered: bool,
    /// Who is being asked.
    pub ringing: Option<Ringing>,
    /// Who has answered.
    pub agent: Option<Leg>,
    /// What the two have to do with each other.
    pub bridge: Bridge,
    /// The last provisional response to a caller who insists on reliable ones.
    #[serde(default)]
    pub reliable: Option<Box<super::reliable::Reliable>>,
}

/// The media port of an anchored call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Port {
    /// Asked for.
    Asked,
    /// Open, at this address of ours.
    Open(SocketAddr),
    /// There is none, or it is not needed any more.
    Closed,
}

/// How far the two dialogs of a call are one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bridge {
    /// The caller waits; nobody has answered.
    Waiting,
    /// Somebody has answered, and the caller's media still have to go there.
    Joining,
    /// They talk.
    Talking,
}

/// An INVITE of ours on the caller's behalf.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ringing {
    /// Its context.
    pub context: ContextKey,
    /// Our description in its dialog.
    pub own: OwnDescription,
    /// The caller's description that it carries.
    pub told: Bytes,
    /// Our Contact in it.
    pub contact: String,
}

/// One dialog of an anchored call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leg {
    /// The dialog.
    pub dialog: Dialog,
    /// Our descriptions in it.
    pub own: OwnDescription,
    /// Their last description that was agreed upon.
    pub theirs: Bytes,
    /// The other leg's description as they were last told it.
    pub told: Bytes,
    /// Our Contact in it.
    pub contact: String,
    /// Whose turn it is.
    pub exchange: Exchange,
    /// What is sent as soon as it is our turn.
    pub wanted: Option<Wanted>,
    /// What our request that is under way is for.
    pub under_way: Option<Wanted>,
    /// Our 2xx that awaits its ACK.
    pub unacknowledged: Option<Box<Unacknowledged>>,
    /// Number and body of our last ACK, for 2xx that come again.
    pub ack: Option<(u32, Option<Bytes>)>,
    /// How often in a row our offer clashed with theirs, or moved media.
    pub tries: u8,
    /// The session timer.
    pub session: Option<Timed>,
    /// They take UPDATE.
    pub updates: bool,
    /// The Call-ID is ours (RFC 3261 §14.1).
    pub owns_call_id: bool,
    /// The wait after a clash.
    pub glare: Option<TimerHandle>,
    /// They have ended it, or have been told the end.
    pub over: bool,
}

/// Something that we want of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// Send your media to the other leg.
    Move,
    /// Send your media to our port, for music.
    Music,
    /// Is the session still there?
    Refresh,
}

/// A 2xx of ours to an INVITE.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unacknowledged {
    /// Its transaction.
    pub server: ServerKey,
    /// The response.
    pub bytes: Bytes,
    /// The number of the INVITE.
    pub cseq: u32,
    /// When it is repeated.
    pub repeat: Repeat,
    /// The next repetition.
    pub timer: Option<TimerHandle>,
    /// What the ACK brings.
    pub brings: Brings,
}

/// What an ACK brings beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Brings {
    /// Nothing.
    Nothing,
    /// The answer to our own offer.
    AnswerToUs,
    /// The answer to the offer of the other leg, which waits for its own ACK of this number.
    AnswerToOther(u32),
}

/// An agreed session with its timers (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// What was agreed.
    pub session: Session,
    /// When it is over without a refresh.
    pub over: Moment,
    /// The refresh, or the end.
    pub timer: Option<TimerHandle>,
}

impl Leg {
    /// A leg with nothing under way.
    pub fn new(dialog: Dialog, own: OwnDescription, contact: String) -> Self {
        Self {
            dialog,
            own,
            theirs: Bytes::new(),
            told: Bytes::new(),
            contact,
            exchange: Exchange::Idle,
            wanted: None,
            under_way: None,
            unacknowledged: None,
            ack: None,
            tries: 0,
            session: None,
            updates: false,
            owns_call_id: false,
            glare: None,
            over: false,
        }
    }

    /// Every timer that runs.
    pub fn timers(&self) -> impl Iterator<Item = TimerHandle> + use<> {
        let repeat = self.unacknowledged.as_ref().and_then(|it| it.timer);
        [repeat, self.glare, self.session.and_then(|it| it.timer)].into_iter().flatten()
    }
}

impl Anchor {
    /// The dialog of that side, once there is one.
    pub const fn leg(&self, side: Side) -> Option<&Leg> {
        match side {
            Side::Caller => Some(&self.caller),
            Side::Agent => self.agent.as_ref(),
        }
    }

    /// The same, to be changed.
    pub const fn leg_mut(&mut self, side: Side) -> Option<&mut Leg> {
        match side {
            Side::Caller => Some(&mut self.caller),
            Side::Agent => self.agent.as_mut(),
        }
    }
}

impl Engine {
    /// What is anchored of a call.
    pub(super) fn anchor(&self, call: CallKey) -> Option<&Anchor> {
        self.tables.calls.get(call)?.anchor.as_deref()
    }

    /// The same, to be changed.
    pub(super) fn anchor_mut(&mut self, call: CallKey) -> Option<&mut Anchor> {
        self.tables.calls.get_mut(call)?.anchor.as_deref_mut()
    }

    pub(super) fn leg(&self, call: CallKey, side: Side) -> Option<&Leg> {
        self.anchor(call)?.leg(side)
    }

    pub(super) fn leg_mut(&mut self, call: CallKey, side: Side) -> Option<&mut Leg> {
        self.anchor_mut(call)?.leg_mut(side)
    }

    /// The anchored dialog that a request is in. Nothing is looked up while no call is anchored.
    pub(super) fn dialog_of(&self, request: &Message) -> Option<(CallKey, Side)> {
        if self.tables.dialogs.is_empty() {
            return None;
        }
        let (call, side) = *self.tables.dialogs.get(request.to_tag()?)?;
        self.leg(call, side)?.dialog.has(request).then_some((call, side))
    }
}
