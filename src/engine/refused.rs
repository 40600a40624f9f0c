//! What is turned away: one counter and one line of the log for each kind, never with anything from the
//! message.
//!
//! Whoever looks at a flood sees the kind, the source and the number; the log's limiter takes care of the
//! rest (N42).

use std::net::IpAddr;

use super::Engine;

/// Why something was not taken as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its sender is no peer.
    Stranger,
    /// It cannot be read.
    Malformed,
    /// It claims a dialog that our Record-Route does not prove.
    UnprovenDialog,
    /// A CANCEL without its INVITE.
    UnmatchedCancel,
    /// There is no room for it.
    Overload,
    /// It would transfer or take over a call, which its sender may not.
    Transfer,
    /// RFC 3261 §16.3 refuses it with this status.
    Invalid(u16),
    /// A Route of its own was taken away.
    Route,
    /// An identity that is not believed was taken away.
    Identity,
    /// Its Via named another source than the one it came from.
    ClaimedSource,
    /// An ACK that leads nowhere.
    Ack,
}

impl Engine {
    /// Counts it and tells it.
    pub(super) fn note_refused(&mut self, what: Refused, source: IpAddr) {
        let counters = &mut self.counters;
        match what {
            Refused::Stranger => {
                counters.strangers += 1;
                tracing::info!(%source, "a sender who is no peer was refused");
            }
            Refused::Malformed => {
                counters.malformed += 1;
                tracing::info!(%source, "a message could not be read");
            }
            Refused::UnprovenDialog => {
                counters.unproven_dialogs += 1;
                tracing::info!(%source, "a request of an unproven dialog was refused");
            }
            Refused::UnmatchedCancel => {
                counters.unmatched_cancels += 1;
                tracing::info!(%source, "a CANCEL without its INVITE was refused");
            }
            Refused::Overload => {
                counters.shed += 1;
                tracing::warn!(%source, "a request was refused: no room for it");
            }
            Refused::Transfer => {
                counters.transfers_refused += 1;
                tracing::info!(%source, "a transfer by somebody who may not was refused");
            }
            Refused::Invalid(482) => {
                counters.loops += 1;
                tracing::warn!(%source, "a request that had been here was refused");
            }
            Refused::Invalid(483) => {
                counters.too_many_hops += 1;
                tracing::warn!(%source, "a request without hops left was refused");
            }
            Refused::Invalid(status) => {
                counters.invalid += 1;
                tracing::info!(%source, sip.status = status, "a request unfit to be proxied was refused");
            }
            Refused::Route => {
                counters.routes_removed += 1;
                tracing::info!(%source, "a Route that may not be followed was removed");
            }
            Refused::Identity => {
                counters.identities_removed += 1;
                tracing::info!(%source, "an identity that is not believed was removed");
            }
            // Ordinary behind NAT, so not a line for each.
            Refused::ClaimedSource => {
                counters.claimed_sources += 1;
                tracing::debug!(%source, "a Via named another source");
            }
            Refused::Ack => {
                counters.dropped_acks += 1;
                tracing::debug!(%source, "an ACK led nowhere");
            }
        }
    }
}
