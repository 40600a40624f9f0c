//! Where the engine's outputs go: bounded queues, each with an answer when it is full.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::callback::Callback;
use crate::customer::{LookupAnswer, LookupFault};
use crate::desk::DeskHandle;
use crate::engine::{Audit, LookupToken, ResolveToken};
use crate::events::{CallRecord, Event};
use crate::media::ports::MediaHandle;
use crate::presence::{AgentId, CallId, StoredStatus};
use crate::telemetry::Health;
use crate::transport::Protocol;

/// What health calls the targets of the default route.
const NEXT_HOPS: &str = "next_hops";

/// A look-up to be done.
#[derive(Clone, Debug)]
pub struct LookupJob {
    /// To be given back.
    pub token: LookupToken,
    /// The number.
    pub e164: String,
}

/// A name to be resolved.
#[derive(Clone, Debug)]
pub struct ResolveJob {
    /// To be given back.
    pub token: ResolveToken,
    /// The host.
    pub host: String,
    /// The port, when one was written.
    pub port: Option<u16>,
    /// The protocol, when one is demanded.
    pub protocol: Option<Protocol>,
}

/// Something to be kept.
#[derive(Clone, Debug)]
pub enum Write {
    /// A status, with its audit row.
    Status {
        /// The status.
        stored: StoredStatus,
        /// Who set it.
        user: String,
    },
    /// A row of the audit.
    Audit(Box<Audit>),
    /// The record of a call.
    Record(Arc<CallRecord>),
    /// A callback as it now is, with its audit row.
    Callback {
        /// The callback.
        callback: Arc<Callback>,
        /// Who changed it.
        user: String,
    },
    /// The acknowledgement of a notice.
    NoticeAcknowledged {
        /// The call.
        call: CallId,
        /// The notice.
        notice: String,
        /// By whom.
        agent: AgentId,
        /// When.
        at: jiff::Timestamp,
    },
}

impl Write {
    /// The record, when it is one.
    pub fn as_record(&self) -> Option<&CallRecord> {
        match self {
            Self::Record(record) => Some(record),
            Self::Audit(_)
            | Self::Status { .. }
            | Self::Callback { .. }
            | Self::NoticeAcknowledged { .. } => None,
        }
    }
}

/// The sending ends.
pub struct Outlets {
    /// To the screens. Full: the event is lost and counted; the hub starts a new epoch.
    pub events: DeskHandle,
    /// To the look-ups. Full: answered `overloaded`.
    pub lookups: mpsc::Sender<LookupJob>,
    /// To the resolver. Full: answered without targets.
    pub names: mpsc::Sender<ResolveJob>,
    /// To the database. Full: the record is lost and counted; calls go on.
    pub writes: mpsc::Sender<Write>,
    /// To the media ports. Full: a port is refused, an announcement left out.
    pub media: MediaHandle,
    /// What degrades while next hops are down.
    pub health: Health,
}

impl Outlets {
    /// Hands a look-up over, or answers it at once when nobody can take it.
    pub(super) fn look_up(&self, job: LookupJob) -> Option<LookupAnswer> {
        match self.lookups.try_send(job) {
            Ok(()) => None,
            Err(_) => Some(Err(LookupFault::Overloaded)),
        }
    }

    /// Hands a name over; `false` when nobody can take it.
    pub(super) fn resolve(&self, job: ResolveJob) -> bool {
        self.names.try_send(job).is_ok()
    }

    /// Tells health how many next hops are down.
    pub(super) fn next_hops(&self, known: usize, down: usize) {
        let changed = if down == 0 {
            self.health.recover(NEXT_HOPS)
        } else {
            self.health.degrade(NEXT_HOPS, format!("{down} of {known} next hops are down"))
        };
        if changed {
            tracing::warn!(down, known, "the state of next hops changed");
        }
    }

    pub(super) fn event(&self, event: Event) {
        if !self.events.publish(event) {
            super::published::event_dropped();
        }
    }

    pub(super) fn write(&self, write: Write) {
        if self.writes.try_send(write).is_err() {
            super::published::write_dropped();
            tracing::error!("a record could not be kept: the queue of the database is full");
        }
    }
}
