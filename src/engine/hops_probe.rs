//! Probes of the next hops: OPTIONS outside a dialog (RFC 3261 §11), and what comes of them (F7).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use slotmap::Key;

use super::Engine;
use super::names::{AwaitingName, NameKey};
use super::tables::ClientKey;
use super::timers::Alarm;
use crate::proxy::{Branch, NextHop, Target};

/// How long a probe waits for its answer when `next_target_after` is off.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// How long the probe of a target that is down waits: one that works answers at once, and one that flaps must
/// not pass for working because it came up while the probe was repeated.
const BACK_WITHIN: Duration = Duration::from_millis(500);

impl Engine {
    /// Begins to probe, or stops, as the settings say. Probes of targets that are down come at half the
    /// interval.
    pub(super) fn schedule_probes(&mut self, after: Duration) {
        if let Some(handle) = self.hops.tick.take() {
            self.timers.cancel(handle);
        }
        if !self.settings.probe_interval.is_zero() {
            let handle = self.timers.insert(self.now.moment + after, Alarm::ProbeRound);
            self.hops.tick = Some(handle);
        }
    }

    /// One round: every target in every other round, those that are down in each.
    pub(super) fn probe_round(&mut self) {
        self.hops.tick = None;
        self.hops.rounds = self.hops.rounds.wrapping_add(1);
        let all = self.hops.rounds % 2 == 1;
        let hops: Vec<NextHop> =
            self.settings.routes.iter().map(|route| self.hop_of(route.uri.as_bytes())).collect();
        for hop in hops {
            let name = hop.server_name();
            match hop {
                NextHop::Address(target) => self.probe_due(target, all, name),
                NextHop::Name { protocol, host, port } => {
                    let key = NameKey { host, port, protocol };
                    match self.known_name(&key) {
                        Some(targets) => {
                            targets.iter().for_each(|target| self.probe_due(*target, all, name.clone()));
                        }
                        None => self.ask_name(key, AwaitingName::Probe),
                    }
                }
                NextHop::Unroutable => {}
            }
        }
        self.schedule_probes(self.settings.probe_interval / 2);
    }

    fn probe_due(&mut self, target: Target, all: bool, name: Option<Arc<str>>) {
        if all || self.hops.is_down(target) {
            self.probe(target, name);
        }
    }

    /// Sends one OPTIONS, unless one is on its way; over TLS only to whoever proves `name`.
    pub(super) fn probe(&mut self, target: Target, name: Option<Arc<str>>) {
        if !self.hops.probe_starts(target) {
            return;
        }
        let call_id = super::ids::call_id(self.random_bits());
        let (client, actions) = self.reserve_client(false, target.into(), None);
        if let Some(entry) = self.tables.clients.get_mut(client) {
            entry.server_name = name;
        }
        self.hops.probe_is(target, client);
        self.counters.probes_sent += 1;
        let branch = Branch { slot: client.data().as_ffi(), loop_hash: 0 }.mint(&self.secret);
        let tag = self.secret.to_tag(call_id.as_str().as_bytes(), b"probe", branch.as_bytes());
        let us = self.own.sent_by(target.protocol, target.remote.ip());
        let uri = match target.protocol.uri_parameter() {
            "" => format!("sip:{}", target.remote),
            parameter => format!("sip:{};{}", target.remote, parameter.trim_end_matches(';')),
        };
        let text = format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/{} {us};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{us}>;tag={tag}\r\nTo: <{uri}>\r\nCall-ID: {}@{us}\r\nCSeq: 1 OPTIONS\r\n\
             Contact: <sip:{us}>\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n",
            target.protocol.via_name(),
            call_id.as_str(),
        );
        let within = match (self.hops.is_down(target), self.settings.next_target_after) {
            (true, _) => BACK_WITHIN,
            (false, Duration::ZERO) => PROBE_WITHIN,
            (false, within) => within,
        };
        self.timers.insert(self.now.moment + within, Alarm::ProbeWait(client));
        self.start_client(client, Bytes::from(text), actions);
    }

    /// A response to a request of our own came: any but 503 shows that the target works.
    pub(super) fn on_probe_response(&mut self, client: ClientKey, status: u16) {
        if status < 200 {
            return;
        }
        let Some(target) = self.hops.probe_ends(client) else { return };
        if status == 503 {
            self.hop_failed(target);
        } else {
            self.hop_succeeded(target);
        }
    }

    /// A request of our own could not be sent, or nothing came.
    pub(super) fn on_probe_failed(&mut self, client: ClientKey) {
        if let Some(target) = self.hops.probe_ends(client) {
            self.hop_failed(target);
        }
    }

    /// A probe has had its time.
    pub(super) fn probe_waited(&mut self, client: ClientKey) {
        if let Some(target) = self.hops.probe_ends(client) {
            self.hop_failed(target);
            self.close_client(client);
        }
    }

    pub(super) fn hop_failed(&mut self, target: Target) {
        if self.hops.failed(target, self.now.moment) {
            self.counters.targets_marked_down += 1;
            tracing::warn!(target = %target.remote, "a next hop is down");
        }
    }

    pub(super) fn hop_succeeded(&mut self, target: Target) {
        if !self.hops.phones.is_empty() {
            self.phone_heard(target);
        }
        if !self.hops.is_empty() && self.hops.succeeded(target, self.now.moment) {
            tracing::info!(target = %target.remote, "a next hop works again");
        }
    }
}
