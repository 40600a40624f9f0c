//! What the caller asks of a proxy: Request-Disposition (RFC 3841 §9.1), Replaces and REFER (RFC 3891, RFC
//! 3515), Max-Breadth (RFC 5393 §5.3).

use super::Engine;
use super::call::Phase;
use super::context::{Aim, Context, Purpose};
use super::refused::Refused;
use super::tables::{BranchRef, CallKey, ContextKey};
use crate::message::{Header, Message, Method, Uri};
use crate::presence::OfferId;
use crate::proxy::PrivacyWish;
use crate::transaction::Reliability;
use crate::transport::Flow;

/// Max-Breadth of a request that came without one (RFC 5393 §5.3.3).
const MAX_BREADTH: u32 = 60;

/// Whether a Request-Disposition holds the directive.
pub(super) fn says(disposition: Option<&[u8]>, directive: &[u8]) -> bool {
    disposition.is_some_and(|value| {
        value.split(|octet| *octet == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(directive))
    })
}

impl Engine {
    /// How far the branch may fork (RFC 5393 §5.3.3): branches without a final response share what came. An
    /// agent's branch gets half of what is left, and one of several that ring at once only itself, so that
    /// the next ones need not wait for its end; the default route comes last and gets all. `None`: nothing is
    /// left.
    pub(super) fn breadth_of(&self, branch: BranchRef) -> Option<u32> {
        let context = self.tables.contexts.get(branch.context)?;
        let left = breadth_left(context);
        let given = match &context.branches.get(branch.index)?.aim {
            Aim::Agent(id) if self.is_shared(context.purpose, id) => left.min(1),
            Aim::Agent(_) => left.div_ceil(2),
            Aim::DefaultRoute | Aim::Dialog => left,
        };
        (given > 0).then_some(given)
    }

    fn is_shared(&self, purpose: Purpose, offer: &OfferId) -> bool {
        let call = purpose.asks_for().and_then(|call| self.tables.calls.get(call));
        call.and_then(|call| call.phase.offer(offer)).is_some_and(|offer| offer.shared)
    }

    /// Whether the next target of the call may be decided upon. When not, what the caller asked for has been
    /// done: the search has ended, waits, or has gone to the default route.
    pub(super) fn search_goes_on(&mut self, call: CallKey) -> bool {
        let Some(context) = self.tables.calls.get(call).and_then(|entry| entry.phase.context()) else {
            return true;
        };
        if self.ends_search(call, context) || self.hold_for_breadth(call, context) {
            return false;
        }
        let kept = self.is_kept_from_agents(call, context);
        if kept {
            self.route_default(call);
        }
        !kept
    }

    /// Whether the call may not have another branch now. When a branch that was cancelled has still to
    /// answer, the call waits for that, and [`Self::release_held`] goes on; when none has, 440 is its answer.
    fn hold_for_breadth(&mut self, call: CallKey, context: ContextKey) -> bool {
        let Some(entry) = self.tables.contexts.get(context) else { return false };
        let exhausted = breadth_left(entry) == 0;
        let rings = entry.branches.iter().any(super::context::Branch::is_pending);
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.held = exhausted && rings;
        }
        if exhausted && !rings {
            self.answer_upstream(context, 440);
        }
        exhausted
    }

    /// A branch of the call has ended: the search goes on when it was held.
    pub(super) fn release_held(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if std::mem::take(&mut entry.held) && matches!(entry.phase, Phase::Deciding(_)) {
            self.decide_next(call);
        }
    }

    /// `no-fork` (RFC 3841 §9.1): the caller wants one target and no other. `true` when there was one; then
    /// its answer is the call's.
    fn ends_search(&mut self, call: CallKey, context: ContextKey) -> bool {
        let Some(entry) = self.tables.contexts.get(context) else { return false };
        let disposition = entry.request.header(Header::RequestDisposition);
        if entry.branches.is_empty() || !says(disposition, b"no-fork") {
            return false;
        }
        let rings = entry.branches.iter().any(super::context::Branch::is_pending);
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.phase = Phase::DefaultRouted(context);
        }
        if rings {
            // It was asked and did not answer; its 487 would speak of a CANCEL that the caller never sent.
            self.answer_upstream(context, 480);
        } else {
            self.finish_context(context);
        }
        true
    }

    /// Whether the caller insists on a privacy that a proxy cannot give beyond its trust domain (RFC 3323
    /// §5). An emergency call is never refused for it, and a dialog that stands is not either.
    pub(super) fn privacy_forbids(&self, purpose: Purpose, request: &Message) -> bool {
        let may_be_refused = match purpose {
            Purpose::Call(call) | Purpose::Leg(call) => {
                self.tables.calls.get(call).is_some_and(|call| !call.emergency)
            }
            Purpose::Relay => true,
            Purpose::InDialog(_) | Purpose::Own(..) | Purpose::Carried(..) | Purpose::Parting => false,
        };
        may_be_refused && PrivacyWish::of(request).forbids(request)
    }

    /// Whether the call can go to no agent's phone: those that are not trusted may not have it, and a phone
    /// that is refused the call by us must not rest for it.
    fn is_kept_from_agents(&self, call: CallKey, context: ContextKey) -> bool {
        let Some(entry) = self.tables.contexts.get(context) else { return false };
        let asked = entry.request.header(Header::Privacy).is_some();
        asked && self.privacy_forbids(Purpose::Call(call), &entry.request)
    }

    /// Whether somebody tries to transfer calls who may not (D3, N16): a REFER, or an INVITE that would take
    /// the place in somebody's call.
    pub(super) fn refuses_transfer(&mut self, peer: usize, flow: Flow, message: &Message) -> bool {
        let takes_over = || message.to_tag().is_none() && names_a_call(message);
        let method = message.method();
        let transfers = method == Method::Refer || (method == Method::Invite && takes_over());
        let may =
            || self.settings.peers.get(peer).is_some_and(|peer| peer.transfers) || self.is_agents_phone(flow);
        let refused = transfers && !may();
        if refused {
            self.note_refused(Refused::Transfer, flow.remote.ip());
        }
        refused
    }

    /// Whether this is where an agent's phone sends from. The far port of a stream says nothing.
    pub(super) fn is_agents_phone(&self, flow: Flow) -> bool {
        let (from, port) = (flow.remote.ip().to_canonical(), flow.remote.port());
        let stream = flow.protocol.reliability() == Reliability::Reliable;
        self.directory.agents.values().any(|agent| {
            Uri::parse(agent.contact.as_bytes()).is_ok_and(|uri| {
                uri.host.address() == Some(from) && (stream || uri.port.unwrap_or(5060) == port)
            })
        })
    }
}

/// What the branches without a final response have left of what came.
pub(super) fn breadth_left(context: &Context) -> u32 {
    let came = asked_breadth(&context.request).unwrap_or(MAX_BREADTH);
    let taken = match context.purpose {
        Purpose::Call(_) => {
            context.branches.iter().filter(|branch| branch.is_pending()).map(|branch| branch.breadth).sum()
        }
        Purpose::InDialog(_)
        | Purpose::Relay
        | Purpose::Leg(_)
        | Purpose::Own(..)
        | Purpose::Carried(..)
        | Purpose::Parting => 0,
    };
    came.saturating_sub(taken)
}

/// The Max-Breadth of the request; what is no number counts as none.
fn asked_breadth(request: &Message) -> Option<u32> {
    std::str::from_utf8(request.header(Header::MaxBreadth)?).ok()?.trim().parse().ok()
}

fn names_a_call(message: &Message) -> bool {
    [Header::Replaces, Header::Join, Header::TargetDialog].iter().any(|name| message.header(*name).is_some())
}
