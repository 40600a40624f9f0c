//! A response context (RFC 3261 §16.7): one proxied request, its branches, and what went upstream. Plain
//! data.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::anchor::Side;
use super::hops_failover::Onward;
use super::tables::{CallKey, ClientKey, ServerKey};
use super::timers::TimerHandle;
use crate::clock::Moment;
use crate::message::Message;
use crate::presence::OfferId;

/// One request being proxied.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context {
    /// The transaction towards the caller.
    pub server: ServerKey,
    /// The request as it came, with `received` and `rport` filled in.
    pub request: Arc<Message>,
    /// What was granted to the peer it came from; a reload does not change it for a request under way.
    pub from: Grants,
    /// What it is to us.
    pub purpose: Purpose,
    /// Where it was sent, in order.
    pub branches: Vec<Branch>,
    /// Whether and how the caller was answered.
    pub upstream: Upstream,
    /// The caller cancelled.
    pub cancelled: bool,
    /// Contacts of 3xx responses that may be followed, or were (R8).
    pub contacts: Vec<Contact>,
    /// Branches whose 3xx is being followed: it answers nobody any more (RFC 3261 §16.7 item 4).
    pub recursed: Vec<usize>,
}

impl Context {
    /// One that has gone nowhere yet, and whose caller has been told nothing.
    pub const fn new(server: ServerKey, request: Arc<Message>, from: Grants, purpose: Purpose) -> Self {
        Self {
            server,
            request,
            from,
            purpose,
            branches: Vec::new(),
            upstream: Upstream::Open,
            cancelled: false,
            contacts: Vec::new(),
            recursed: Vec::new(),
        }
    }
}

/// A contact that a 3xx named.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// Of whose branch.
    pub aim: Aim,
    /// The URI.
    pub uri: Vec<u8>,
    /// The branch that was redirected.
    pub from: usize,
    /// It was sent to.
    pub tried: bool,
}

/// What the configuration grants to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Its P-Asserted-Identity may go on to peers that are trusted too.
    pub trust_identity: bool,
    /// A Route of its own is followed in an initial request.
    pub preloaded_route: bool,
}

/// What a proxied request is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The INVITE that began a call.
    Call(CallKey),
    /// A request within a call's dialog.
    InDialog(Option<CallKey>),
    /// Anything else on its way to the default route.
    Relay,
    /// Our own INVITE on behalf of an anchored caller.
    Leg(CallKey),
    /// Our own request to one side of an anchored call.
    Own(CallKey, Side),
    /// A request that is carried over to this side of an anchored call.
    Carried(CallKey, Side),
    /// Our BYE to a side of a call that is over.
    Parting,
}

impl Purpose {
    /// Whether the request is one of ours, so that its answers do not go up as they come.
    pub const fn is_ours(self) -> bool {
        match self {
            Self::Call(_) | Self::InDialog(_) | Self::Relay => false,
            Self::Leg(_) | Self::Own(..) | Self::Carried(..) | Self::Parting => true,
        }
    }

    /// The proxied call that the request begins or belongs to.
    pub const fn proxied_call(self) -> Option<CallKey> {
        match self {
            Self::Call(call) | Self::InDialog(Some(call)) => Some(call),
            Self::InDialog(None)
            | Self::Relay
            | Self::Leg(_)
            | Self::Own(..)
            | Self::Carried(..)
            | Self::Parting => None,
        }
    }

    /// The call whose agents are asked by it.
    pub const fn asks_for(self) -> Option<CallKey> {
        match self {
            Self::Call(call) | Self::Leg(call) => Some(call),
            Self::InDialog(_) | Self::Relay | Self::Own(..) | Self::Carried(..) | Self::Parting => None,
        }
    }
}

/// What the caller has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Upstream {
    /// Nothing final.
    Open,
    /// A final response with this status.
    Final(u16),
}

/// One place the request was sent to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Branch {
    /// Why there.
    pub aim: Aim,
    /// How far it is.
    pub state: BranchState,
    /// The wait for a first word of the target, then Timer C, while the INVITE is pending.
    pub timer: Option<TimerHandle>,
    /// When it was begun.
    pub began: Moment,
    /// When silence ends the search for a target.
    pub until: Moment,
    /// What may be tried when this fails; absent when there is nothing.
    pub onward: Option<Box<Onward>>,
    /// Its Max-Breadth (RFC 5393 §5.3.3).
    pub breadth: u32,
    /// The host name of its next hop; over TLS the other side must prove it (RFC 5922 §7.3).
    pub server_name: Option<Arc<str>>,
}

/// Why a branch exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aim {
    /// The phone of an agent, under this offer. Its refusal is the agent's, not the call's.
    Agent(OfferId),
    /// The default route.
    DefaultRoute,
    /// The other side of a dialog.
    Dialog,
}

/// How far a branch is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum BranchState {
    /// Waiting for an address.
    Resolving,
    /// Sent; nothing has come back.
    Trying(ClientKey),
    /// A provisional response has come.
    Proceeding(ClientKey),
    /// To be cancelled as soon as a provisional response allows it (RFC 3261 §9.1). Nothing has come, and
    /// nobody waits for it.
    CancelPending(ClientKey, Arc<[u8]>),
    /// CANCEL was sent.
    Cancelling(ClientKey),
    /// Given up: whatever still comes is ended by us, and does not go to the caller. With the tags of the
    /// answers that were ended.
    Disowned(ClientKey, Vec<Vec<u8>>),
    /// It answered 2xx.
    Answered,
    /// It failed.
    Failed(Failure),
}

impl BranchState {
    /// How it failed, when it did.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Resolving
            | Self::Trying(_)
            | Self::Proceeding(_)
            | Self::CancelPending(..)
            | Self::Cancelling(_)
            | Self::Disowned(..)
            | Self::Answered => None,
        }
    }
}

/// The final response of a branch that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// 300–699.
    pub status: u16,
    /// The response; absent when we made the status ourselves.
    pub response: Option<Arc<Message>>,
}

impl Branch {
    /// Whether the caller's answer waits for this branch.
    pub const fn is_pending(&self) -> bool {
        match self.state {
            BranchState::Resolving
            | BranchState::Trying(_)
            | BranchState::Proceeding(_)
            | BranchState::Cancelling(_) => true,
            BranchState::CancelPending(..)
            | BranchState::Disowned(..)
            | BranchState::Answered
            | BranchState::Failed(_) => false,
        }
    }

    /// Whether what still comes of it is ended by us and does not go to the caller.
    pub const fn is_given_up(&self) -> bool {
        matches!(self.state, BranchState::CancelPending(..) | BranchState::Disowned(..))
    }

    /// The client transaction, while it matters.
    pub const fn client(&self) -> Option<ClientKey> {
        match self.state {
            BranchState::Trying(client)
            | BranchState::Proceeding(client)
            | BranchState::CancelPending(client, _)
            | BranchState::Cancelling(client)
            | BranchState::Disowned(client, _) => Some(client),
            BranchState::Resolving | BranchState::Answered | BranchState::Failed(_) => None,
        }
    }
}
