//! Calls that we anchor: what happens at their media ports.

use super::Engine;
use crate::media::MediaReport;

impl Engine {
    /// Something happened at a media port. No call is anchored yet.
    pub(super) fn on_media(&mut self, report: &MediaReport) {
        tracing::debug!(?report, "a report of a media port that no call has");
    }
}
