//! What goes into the engine and what comes out of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::port::{Answer, Refusal, Request};
use crate::callback::Callback;
use crate::customer::LookupAnswer;
use crate::events::{CallRecord, Event};
use crate::media::{MediaOrder, MediaReport};
use crate::presence::{AgentId, OfferId, StaleCause, StoredStatus};
use crate::proxy::Target;
use crate::routing::Directory;
use crate::transport::{Flow, Protocol};

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A datagram or one framed message of a stream.
    Received {
        /// Where it came from.
        flow: Flow,
        /// Its octets.
        bytes: Bytes,
    },
    /// Octets on a stream that cannot be a message; the transport closes the connection itself when it must.
    Unusable {
        /// Where they came from.
        flow: Flow,
        /// The beginning, as far as it was read.
        head: Bytes,
    },
    /// A message could not be sent: the transport of this client transaction failed (RFC 3261 §18.4).
    SendFailed(SendToken),
    /// The answer to [`Output::Resolve`]; without targets when the name has none.
    Resolved(ResolveToken, Resolution),
    /// The answer to [`Output::Lookup`]; may come after the deadline.
    LookedUp(LookupToken, LookupAnswer),
    /// The `pop.offered` frame of the offer was written to a socket of the agent.
    Announced(OfferId),
    /// Whether the agent has a live screen.
    Screens(AgentId, bool),
    /// The agent's screen does not answer: pings, or the card of this offer.
    Stale(AgentId, StaleCause, Option<OfferId>),
    /// A screen of the agent's answers again.
    Fresh(AgentId),
    /// Somebody asks; the answer leaves as [`Output::Reply`].
    Asked(ReplyToken, Request),
    /// Agents and lines were read again.
    Directory(Arc<Directory>),
    /// Presence was changed in the database by another process (an import).
    StoredStatus(StoredStatus),
    /// The configuration was read again.
    Settings(Arc<super::Settings>),
    /// Calls to lines from before the start: the calling number, when, and which agent answered.
    CallsBefore(Vec<(String, jiff::Timestamp, Option<AgentId>)>),
    /// Callbacks that were open before the start.
    CallbacksBefore(Vec<Callback>),
    /// What comes next has waited for at most so long.
    Lag(Duration),
    /// Accept no new calls; those in progress go on.
    Drain,
    /// Something happened at a media port.
    Media(MediaReport),
    /// Whether anybody reads events. While nobody does, none are made; who comes then asks for the presences,
    /// and gets the card of a call that is under way with the report of their screen.
    Listening(bool),
}

/// One thing to be done outside.
#[derive(Debug)]
pub enum Output {
    /// Send a message.
    Send(Datagram),
    /// Find the targets of a host name (RFC 3263 §4).
    Resolve {
        /// To be given back.
        token: ResolveToken,
        /// The name.
        host: String,
        /// The port, when one was written: then only addresses are looked up, no SRV (§4.2).
        port: Option<u16>,
        /// The protocol, when one is demanded; otherwise NAPTR may choose, and UDP is the default (§4.1).
        protocol: Option<Protocol>,
    },
    /// Look a customer up; an answer after `deadline` still enriches the pop.
    Lookup {
        /// To be given back.
        token: LookupToken,
        /// The number, E.164.
        e164: String,
        /// How long the call waits for it.
        deadline: Duration,
    },
    /// Something to be done at the media ports; what is opened is answered by [`Input::Media`].
    Media(MediaOrder),
    /// Something the screens should know.
    Event(Event),
    /// The answer to a request.
    Reply(ReplyToken, Box<Result<Answer, Refusal>>),
    /// Keep a status (with one audit row).
    StoreStatus {
        /// The status.
        stored: StoredStatus,
        /// The user's name, for the audit row.
        user: String,
    },
    /// Keep a row of the audit.
    Audit(Box<Audit>),
    /// Keep the record of a call that ended.
    Record(Arc<CallRecord>),
    /// Keep a callback as it now is (with one audit row).
    StoreCallback {
        /// The callback.
        callback: Arc<Callback>,
        /// The user's name, for the audit row.
        user: String,
    },
    /// Keep the acknowledgement of a notice.
    NoticeAcknowledged {
        /// The call.
        call: crate::presence::CallId,
        /// The notice.
        notice: String,
        /// By whom.
        agent: AgentId,
        /// When.
        at: jiff::Timestamp,
    },
}

/// What somebody did that is to be accounted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The user's name.
    pub user: String,
    /// What was done, as `area.verb`.
    pub action: &'static str,
    /// To what.
    pub subject: String,
    /// The rest, as JSON.
    pub detail: String,
    /// When.
    pub at: jiff::Timestamp,
}

/// What a name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// In the order in which they are to be tried; of more than 32 the rest is not used.
    pub targets: Vec<Target>,
    /// How long this may be relied on.
    pub lasts: Duration,
}

/// Octets and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Over what.
    pub protocol: Protocol,
    /// To where.
    pub remote: SocketAddr,
    /// From which of our sockets, when that matters.
    pub local: Option<SocketAddr>,
    /// The connection to prefer, when there is one.
    pub connection: Option<crate::transport::FlowId>,
    /// Where to, over a connection of its own, when the preferred one is gone (RFC 3261 §18.2.2).
    pub otherwise: Option<SocketAddr>,
    /// Over TLS, the host name that the other side must prove to have (RFC 5922 §7.3); without one its
    /// address.
    pub server_name: Option<Arc<str>>,
    /// The message.
    pub bytes: Bytes,
    /// Reported back by [`Input::SendFailed`] when it cannot be sent.
    pub token: Option<SendToken>,
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub struct $name(pub u64);
    };
}

token! {
    /// Names the client transaction whose message could not be sent.
    SendToken
}
token! {
    /// Names the branch that waits for an address.
    ResolveToken
}
token! {
    /// Names the call that waits for its customer.
    LookupToken
}
token! {
    /// Names the asker.
    ReplyToken
}
