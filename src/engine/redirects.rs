//! What is done with a 3xx under `redirects = "follow"` (RFC 3261 §16.5, §16.7 item 4): its contacts are
//! tried one after another, each URI once, and only where the house has said that calls may go (N22).

use super::Engine;
use super::call::Progress;
use super::context::{Aim, BranchState, Contact, Failure, Purpose, Upstream};
use super::forwarding::Rewrite;
use super::tables::{BranchRef, ContextKey};
use crate::identity::{NumberKind, canon};
use crate::message::{Header, Host, Message, NameAddr, Uri};

/// Contacts followed for one request; a chain longer than this is a trick.
const FOLLOWED: usize = 8;

impl Engine {
    /// A branch has failed: tries the next contact that a 3xx of the same aim has named. `true` when one is
    /// tried; then the failure is not the end of that aim.
    pub(super) fn follow_redirect(&mut self, branch: BranchRef) -> bool {
        if self.settings.redirects.is_none() || !self.may_redirect(branch) {
            return false;
        }
        self.collect_contacts(branch);
        let Some(aim) = self.branch(branch).map(|entry| entry.aim.clone()) else { return false };
        let Some(context) = self.tables.contexts.get_mut(branch.context) else { return false };
        let Some(at) = context.contacts.iter().position(|contact| contact.aim == aim && !contact.tried)
        else {
            return false;
        };
        let contact = &mut context.contacts[at];
        contact.tried = true;
        let (uri, from) = (contact.uri.clone(), contact.from);
        if !context.recursed.contains(&from) {
            context.recursed.push(from);
        }
        let index = context.branches.len();
        if let (Aim::Agent(offer), Some(call)) = (&aim, context.purpose.asks_for()) {
            let current = self.tables.calls.get_mut(call).and_then(|entry| entry.phase.offer_mut(offer));
            let Some(current) = current else { return false };
            current.progress = Progress::Inviting(BranchRef { context: branch.context, index });
        }
        self.counters.redirects_followed += 1;
        let hop = self.hop_of(&uri);
        let rewrite = Rewrite { request_uri: Some(uri.into()), drop_routes: true, ..Rewrite::default() };
        self.start_branch(branch.context, aim, [hop].into(), rewrite);
        true
    }

    /// Only a request that still looks for its target may be sent on: none within a dialog, none that was
    /// cancelled, and no agent's whose offer has ended.
    fn may_redirect(&self, branch: BranchRef) -> bool {
        let Some(context) = self.tables.contexts.get(branch.context) else { return false };
        let disposition = context.request.header(Header::RequestDisposition);
        let open = !context.cancelled && matches!(context.upstream, Upstream::Open);
        if !open || super::dispositions::says(disposition, b"no-recurse") {
            return false;
        }
        match (context.purpose, context.branches.get(branch.index).map(|entry| &entry.aim)) {
            (Purpose::Call(call) | Purpose::Leg(call), Some(Aim::Agent(id))) => {
                self.tables.calls.get(call).is_some_and(|entry| entry.phase.offer(id).is_some())
            }
            (Purpose::Call(_) | Purpose::Leg(_) | Purpose::Relay, Some(Aim::DefaultRoute)) => true,
            (
                Purpose::Call(_)
                | Purpose::Relay
                | Purpose::InDialog(_)
                | Purpose::Leg(_)
                | Purpose::Own(..)
                | Purpose::Carried(..)
                | Purpose::Parting,
                _,
            ) => false,
        }
    }

    /// Keeps the contacts of a 3xx that may be tried, the most wanted first.
    fn collect_contacts(&mut self, branch: BranchRef) {
        let Some(entry) = self.branch(branch) else { return };
        let aim = entry.aim.clone();
        let BranchState::Failed(Failure { status: 300..=302, response: Some(response) }) = &entry.state
        else {
            return;
        };
        let mut wanted: Vec<(u16, Vec<u8>)> = contacts_of(response);
        wanted.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
        for (_, uri) in wanted {
            let allowed = self.may_lead_to(&uri) && !self.was_tried(branch.context, &uri);
            let Some(context) = self.tables.contexts.get_mut(branch.context) else { return };
            if allowed && context.contacts.len() < FOLLOWED {
                context.contacts.push(Contact { aim: aim.clone(), uri, from: branch.index, tried: false });
            } else {
                self.counters.redirects_refused += 1;
            }
        }
    }

    /// Whether calls may go there: to an agent's phone, to the default route's host, to a host of the list;
    /// never to ourselves, and never to a number that costs (N22).
    fn may_lead_to(&self, uri: &[u8]) -> bool {
        let Ok(uri) = Uri::parse(uri) else { return false };
        if !uri.is_sip() || self.own.is_own(&uri) || uri.params.has("method") || self.is_costly(&uri) {
            return false;
        }
        let Some(host) = host_text(&uri) else { return false };
        let same_host = |other: &str| Uri::parse(other.as_bytes()).ok().and_then(|uri| host_text(&uri));
        let listed = self.settings.redirects.iter().flatten().any(|allowed| *allowed == host);
        listed
            || self.settings.routes.iter().any(|route| same_host(&route.uri).as_ref() == Some(&host))
            || self.directory.agents.values().any(|agent| same_host(&agent.contact).as_ref() == Some(&host))
    }

    fn is_costly(&self, uri: &Uri<'_>) -> bool {
        let Some(user) = uri.user.and_then(|user| std::str::from_utf8(user).ok()) else { return false };
        let user = user.split(';').next().unwrap_or_default();
        matches!(canon(user, &self.settings.numbering).kind, NumberKind::Premium | NumberKind::Foreign)
    }

    /// Whether the URI is what the caller dialled, what a branch was sent to, or what was followed before.
    fn was_tried(&self, context: ContextKey, uri: &[u8]) -> bool {
        let Some(entry) = self.tables.contexts.get(context) else { return true };
        let same = |other: &[u8]| is_same(other, uri);
        let dialled = same(entry.request.request_uri());
        let followed = entry.contacts.iter().any(|contact| same(&contact.uri));
        let offered = match entry.purpose {
            Purpose::Call(call) | Purpose::Leg(call) => self.tables.calls.get(call).is_some_and(|call| {
                let contact = |agent| self.directory.agents.get(agent).map(|agent| agent.contact.as_bytes());
                call.offers.iter().filter_map(|(_, agent)| contact(agent)).any(same)
            }),
            Purpose::InDialog(_)
            | Purpose::Relay
            | Purpose::Own(..)
            | Purpose::Carried(..)
            | Purpose::Parting => false,
        };
        dialled || followed || offered
    }
}

/// Each contact's wish (thousandths of `q`; 1 when there is none) and its URI, without what stands behind
/// `?`.
fn contacts_of(response: &Message) -> Vec<(u16, Vec<u8>)> {
    let values = response.values(Header::Contact).take(FOLLOWED);
    values
        .filter_map(|value| {
            let address = NameAddr::parse(value.bytes).ok()?;
            let end = memchr::memchr(b'?', address.uri).unwrap_or(address.uri.len());
            let q = address.params.get("q").flatten().map_or(1000, thousandths);
            Some((q, address.uri[..end].to_vec()))
        })
        .collect()
}

/// `0.75` as 750; what is no such number counts as 0.
fn thousandths(q: &[u8]) -> u16 {
    let text = std::str::from_utf8(q).unwrap_or_default();
    text.parse::<f32>().map_or(0, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

fn host_text(uri: &Uri<'_>) -> Option<String> {
    match uri.host {
        Host::Name(name) => Some(name.to_ascii_lowercase()),
        Host::V4(_) | Host::V6(_) => uri.host.address().map(|address| address.to_string()),
        Host::Absent => None,
    }
}

/// RFC 3261 §19.1.4 as far as the way depends on it: scheme, user, host, port.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    match (Uri::parse(one), Uri::parse(other)) {
        (Ok(one), Ok(other)) => {
            (one.scheme, one.user, one.port) == (other.scheme, other.user, other.port)
                && host_text(&one) == host_text(&other)
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => one == other,
    }
}
