//! Answers that come too late: the branch was given up, so its 2xx is ours to end (RFC 3261 §13.2.2.4, §15).

use std::sync::Arc;

use slotmap::Key;

use super::Engine;
use super::context::BranchState;
use super::tables::{BranchRef, Destination};
use crate::message::{Header, Message, NameAddr, Uri, within_answer};
use crate::proxy::{Branch, NextHop};

/// Different answers of one forked branch that are ended; of more than this only the ACK leaves.
const ANSWERS_ENDED: usize = 8;

impl Engine {
    /// A 2xx came on a branch that no longer counts: the caller has, or will have, another answer. It is
    /// acknowledged each time it comes, and ended once.
    pub(super) fn end_late_answer(&mut self, branch: BranchRef, response: &Message) {
        let Some(client) = self.branch(branch).and_then(|entry| entry.client()) else { return };
        let tag = response.to_tag().unwrap_or_default().to_vec();
        let Some(entry) = self.branch_mut(branch) else { return };
        let mut ended = match &mut entry.state {
            BranchState::Disowned(_, ended) => std::mem::take(ended),
            BranchState::Resolving
            | BranchState::Trying(_)
            | BranchState::Proceeding(_)
            | BranchState::CancelPending(..)
            | BranchState::Cancelling(_)
            | BranchState::Answered
            | BranchState::Failed(_) => Vec::new(),
        };
        let first = !ended.contains(&tag) && ended.len() < ANSWERS_ENDED;
        if first {
            ended.push(tag);
        }
        entry.state = BranchState::Disowned(client, ended);
        self.clear_branch_timer(branch);
        let Some(client) = self.tables.clients.get(client) else { return };
        let (sent_to, name) = (client.destination, client.server_name.clone());
        let Ok(invite) = Message::parse(client.request.clone(), &self.settings.message) else { return };
        let ours = self.tables.contexts.get(branch.context).is_some_and(|entry| entry.purpose.is_ours());
        let mut way = self.way_of(&invite, response, sent_to, ours);
        way.server_name = name.filter(|_| way.destination == sent_to);
        self.acknowledge_late(&invite, response, &way);
        if first {
            self.counters.late_answers += 1;
            self.end_late(&invite, response, &way);
        }
    }

    fn acknowledge_late(&mut self, invite: &Message, response: &Message, way: &Way) {
        let loop_hash = Branch::loop_hash(
            &self.secret,
            &[invite.call_id(), response.to_tag().unwrap_or_default(), b"late", &invite.cseq().to_be_bytes()],
        );
        let branch = Branch { slot: 0, loop_hash }.mint(&self.secret);
        let via = self.via_line(way.destination, &branch);
        let routes: Vec<&[u8]> = way.routes.iter().map(Vec::as_slice).collect();
        let ack = within_answer(invite, response, "ACK", invite.cseq(), &via, &way.request_uri, &routes);
        self.send_to(way.destination, way.server_name.clone(), ack, None);
    }

    fn end_late(&mut self, invite: &Message, response: &Message, way: &Way) {
        let (client, actions) = self.reserve_client(false, way.destination, None);
        if let Some(entry) = self.tables.clients.get_mut(client) {
            entry.server_name = way.server_name.clone();
        }
        let branch = Branch { slot: client.data().as_ffi(), loop_hash: 0 }.mint(&self.secret);
        let via = self.via_line(way.destination, &branch);
        let routes: Vec<&[u8]> = way.routes.iter().map(Vec::as_slice).collect();
        let cseq = invite.cseq().wrapping_add(1);
        let bye = within_answer(invite, response, "BYE", cseq, &via, &way.request_uri, &routes);
        self.start_client(client, bye, actions);
    }

    fn via_line(&self, destination: Destination, branch: &str) -> String {
        let us = self.own.sent_by(destination.protocol, destination.remote.ip());
        format!("SIP/2.0/{} {us};branch={branch}", destination.protocol.via_name())
    }

    /// The way of a request within the dialog of the answer, as seen from here: the Record-Route values below
    /// ours, reversed, and the Contact (RFC 3261 §12.1.2, §12.2.1.1).
    fn way_of(&self, invite: &Message, response: &Message, sent_to: Destination, ours: bool) -> Way {
        let contact = response.header(Header::Contact).and_then(uri_of);
        let target = contact.unwrap_or_else(|| invite.request_uri()).to_vec();
        let mut below: Vec<Vec<u8>> = response
            .values(Header::RecordRoute)
            .map(|value| value.bytes.to_vec())
            .take_while(|value| {
                !uri_of(value).and_then(|uri| Uri::parse(uri).ok()).is_some_and(|uri| self.own.is_own(&uri))
            })
            .collect();
        // Without our own value nobody knows which of them are below us; an INVITE of ours has none.
        if !ours && below.len() == response.values(Header::RecordRoute).count() {
            below.clear();
        }
        below.reverse();
        let first = below.first().and_then(|value| uri_of(value)).map(<[u8]>::to_vec);
        let strict = first.as_deref().is_some_and(|uri| !is_loose(uri));
        let next = first.clone().unwrap_or_else(|| target.clone());
        let destination = match self.hop_of(&next) {
            NextHop::Address(target) => target.into(),
            // Where the INVITE went, somebody is who knows this dialog.
            NextHop::Name { .. } | NextHop::Unroutable => sent_to,
        };
        match (strict, first) {
            (true, Some(first)) => {
                below.remove(0);
                let mut last = b"<".to_vec();
                last.extend_from_slice(&target);
                last.push(b'>');
                below.push(last);
                Way { request_uri: first, routes: below, destination, server_name: None }
            }
            (_, _) => Way { request_uri: target, routes: below, destination, server_name: None },
        }
    }
}

struct Way {
    request_uri: Vec<u8>,
    routes: Vec<Vec<u8>>,
    destination: Destination,
    server_name: Option<Arc<str>>,
}

fn uri_of(value: &[u8]) -> Option<&[u8]> {
    NameAddr::parse(value).ok().map(|address| address.uri)
}

fn is_loose(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.params.get("lr").is_some())
}
