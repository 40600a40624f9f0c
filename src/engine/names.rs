//! Names of next hops: asked outside, kept as long as the answer lasts (RFC 3263).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::forwarding::StatelessAck;
use super::input::{Output, Resolution, ResolveToken};
use super::tables::BranchRef;
use crate::proxy::Target;
use crate::transport::Protocol;

/// How many resolved names are kept; the table is emptied when it is full.
const NAMES_KEPT: usize = 1024;

/// How many targets of one name are kept, whatever the answer holds.
const TARGETS_KEPT: usize = 32;

/// What is asked for: host, the port when one was written, the protocol when one is demanded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct NameKey {
    /// The host, in lower case.
    pub host: String,
    /// The port, when the URI has one: then there is no SRV look-up (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// The protocol; absent when NAPTR may choose (RFC 3263 §4.1).
    pub protocol: Option<Protocol>,
}

/// What waits for the targets of a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum AwaitingName {
    /// A branch of a context.
    Branch(BranchRef),
    /// An ACK to a 2xx, forwarded without a transaction.
    Ack(Box<StatelessAck>),
    /// The probes of a route's targets.
    Probe,
}

impl Engine {
    /// Asks for the targets of a name; what waits for them goes on in [`Self::on_resolved`].
    pub(super) fn ask_name(&mut self, key: NameKey, waiting: AwaitingName) {
        self.next_token += 1;
        let token = ResolveToken(self.next_token);
        let NameKey { host, port, protocol } = key.clone();
        self.awaiting_names.insert(token, (key, waiting));
        self.outputs.push_back(Output::Resolve { token, host, port, protocol });
    }

    /// Asks once more for every name that something waits for: whoever was asked in an earlier life is gone.
    pub(super) fn ask_names_again(&mut self) {
        for (token, (key, _)) in &self.awaiting_names {
            let NameKey { host, port, protocol } = key.clone();
            self.outputs.push_back(Output::Resolve { token: *token, host, port, protocol });
        }
    }

    /// The targets of a name are known, or there are none.
    pub(super) fn on_resolved(&mut self, token: ResolveToken, resolution: Resolution) {
        let Some((key, waiting)) = self.awaiting_names.remove(&token) else { return };
        let Resolution { mut targets, lasts } = resolution;
        // Never back to ourselves, whatever the name's owner writes there.
        targets.retain(|target| !self.own.is_address(target.remote));
        targets.truncate(TARGETS_KEPT);
        let targets: Arc<[Target]> = targets.into();
        if !targets.is_empty() {
            if self.names.len() >= NAMES_KEPT {
                self.names.clear();
            }
            self.names.insert(key.clone(), (Arc::clone(&targets), self.now.moment + lasts));
        }
        match waiting {
            AwaitingName::Branch(branch) => self.branch_resolved(branch, &targets),
            AwaitingName::Ack(ack) => match targets.first() {
                Some(target) => self.send_ack_onward(&ack, *target),
                None => self.counters.dropped_acks += 1,
            },
            AwaitingName::Probe => {
                let name: Arc<str> = key.host.into();
                targets.iter().for_each(|target| self.probe(*target, Some(Arc::clone(&name))));
            }
        }
    }

    /// The targets of a name, while they may be relied on.
    pub(super) fn known_name(&self, key: &NameKey) -> Option<Arc<[Target]>> {
        let (targets, until) = self.names.get(key)?;
        (self.now.moment < *until).then(|| Arc::clone(targets))
    }
}
