//! Calls that come round again: as spirals with our own Vias in them, and anew out of the default route (N30,
//! N31).
//!
//! RFC 5393 §4.2 finds a request that comes back on the same way, and Max-Forwards ends one that comes back
//! on another, after seventy. A back-to-back agent that does not copy Max-Forwards (RFC 7332) leaves neither.
//! What it cannot hide is that it sends us, out of the default route, a call of the same two numbers that we
//! have just sent there and are still waiting for.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Engine;
use super::call::Phase;
use super::names::NameKey;
use super::tables::CallKey;
use crate::identity::Caller;
use crate::message::{Header, Message};
use crate::proxy::{Branch, NextHop};

/// How often a request may have been here, each time on another way.
const SPIRALS: usize = 8;

/// How many live calls of the same two numbers may have gone to the default route and come back from it.
const ROUNDS: usize = 8;

/// Calls that went to the default route last; a call that runs in circles is among them.
const REMEMBERED: usize = 256;

/// The calls that went to the default route last.
pub(super) type Rounds = VecDeque<CallKey>;

impl Engine {
    /// Whether the request carries more Vias of ours than a sound network causes.
    pub(super) fn has_spiralled(&self, message: &Message) -> bool {
        // Hardly any request has come so far.
        if message.values(Header::Via).nth(SPIRALS).is_none() {
            return false;
        }
        message
            .branches()
            .filter(|branch| Branch::verify(branch, &self.secret).is_some())
            .take(SPIRALS + 1)
            .count()
            > SPIRALS
    }

    /// Remembers that the call goes to the default route.
    pub(super) fn remember_round(&mut self, call: CallKey) {
        if self.rounds.len() >= REMEMBERED {
            self.rounds.pop_front();
        }
        self.rounds.push_back(call);
    }

    /// Whether the INVITE is one more round of calls that the default route sends back to us.
    pub(super) fn goes_round(
        &self,
        source: SocketAddr,
        message: &Message,
        caller: &Caller,
        called: &str,
    ) -> bool {
        if self.rounds.len() < ROUNDS || !self.is_default_route(source, message) {
            return false;
        }
        let same = |call: &CallKey| {
            self.tables.calls.get(*call).is_some_and(|live| {
                matches!(live.phase, Phase::DefaultRouted(_) | Phase::Answered(_))
                    && live.called == called
                    && live.caller.presentation == caller.presentation
            })
        };
        self.rounds.iter().filter(|call| same(call)).take(ROUNDS).count() >= ROUNDS
    }

    /// Whether the request comes from where the default route leads: by its source, or by what its Via says.
    fn is_default_route(&self, source: SocketAddr, message: &Message) -> bool {
        let via = message.top_via();
        let leads_there = |remote: SocketAddr| {
            remote == source
                || (via.host().address() == Some(remote.ip()) && via.port().unwrap_or(5060) == remote.port())
        };
        self.settings.routes.iter().any(|route| match self.hop_of(route.uri.as_bytes()) {
            NextHop::Address(target) => leads_there(target.remote),
            NextHop::Name { protocol, host, port } => self
                .known_name(&NameKey { host, port, protocol })
                .is_some_and(|targets| targets.iter().any(|target| leads_there(target.remote))),
            NextHop::Unroutable => false,
        })
    }
}
