//! Whose timer it is.

use serde::{Deserialize, Serialize};

use super::anchor::Side;
use super::tables::{BranchRef, CallKey, ClientKey, ServerKey};
use crate::presence::{AgentId, CallId, OfferId};
use crate::transaction::{Timer, TimerId};

/// A set timer, to be cleared.
pub type TimerHandle = TimerId;

/// What a timer is for. Whoever set it may be gone by the time it fires; then it does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alarm {
    /// A timer of a server transaction.
    Server(ServerKey, Timer),
    /// A timer of a client transaction.
    Client(ClientKey, Timer),
    /// A request that is no INVITE has waited so long that it gets its 100 (RFC 4320 §4.1).
    Trying(ServerKey),
    /// Timer C of a branch (RFC 3261 §16.8).
    TimerC(BranchRef),
    /// Nothing has come from the target of a branch.
    BranchSilent(BranchRef),
    /// A cancelled branch has not answered: the caller waits for it no longer.
    CancelWait(BranchRef),
    /// A cancelled branch has still not answered (RFC 3261 §9.1: 64·T1).
    CancelEnd(BranchRef),
    /// The next hops are to be probed.
    ProbeRound,
    /// A probe has not been answered.
    ProbeWait(ClientKey),
    /// The look-up has taken too long.
    LookupDeadline(CallKey),
    /// The pop has not been written in time; the INVITE goes all the same.
    AnnounceDeadline(CallKey, OfferId),
    /// The agent has not answered in time.
    AnswerWithin(CallKey, OfferId),
    /// Nobody has answered the call in time (M090).
    RingSla(CallKey),
    /// No BYE was seen for too long.
    CallLimit(CallKey),
    /// The agent has had the time for wrapping up this call.
    WrapUpEnd(AgentId, CallId),
    /// A caller has been on hold for long (M091).
    Hold(CallKey),
    /// A transfer has had no outcome (M095).
    Transfer(CallKey),
    /// Our 2xx to one side of an anchored call has no ACK yet.
    Unacknowledged(CallKey, Side),
    /// The same of a call that is over, by our tag.
    Lingering(String),
    /// Our reliable provisional response has no PRACK yet (RFC 3262).
    Provisional(CallKey),
    /// After a clash of offers ours may go again (RFC 3261 §14.1).
    Glare(CallKey, Side),
    /// A session is to be refreshed, or over (RFC 4028).
    Session(CallKey, Side),
    /// A caller who hears music is to be told something.
    Announcement(CallKey),
    /// Phones that said nothing are to be asked whether they are back.
    PhonesSilent,
    /// A caller who will be called back has been told so, or should have been.
    Goodbye(CallKey),
    /// The time of a callback that was promised has begun.
    Callback,
    /// Something is due for those who wait in the lot.
    Lot,
    /// A lease, a wrap-up or a phone's rest is over.
    Presence,
    /// Somebody's shift begins or ends.
    Shift,
    /// Somebody who is away wanted to be back by now.
    Return,
}
