//! What the media ports count, and as which of the house's figures.

use std::time::Duration;

use crate::media::MediaFault;
use crate::telemetry::metric;

/// Counts since the start, and two figures of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets handed to the network.
    pub sent: u64,
    /// Packets that the network did not take.
    pub failed: u64,
    /// Packets that were left out because we came too late.
    pub skipped: u64,
    /// RTP from who may be heard.
    pub heard: u64,
    /// From anybody else (N49).
    pub stray: u64,
    /// No RTP, or not of an agreed kind (N50).
    pub garbage: u64,
    /// Streams opened.
    pub opened: u64,
    /// Streams refused, by [`MediaFault`].
    pub refused: [u64; 4],
    /// Announcements taken.
    pub announced: u64,
    /// Announcements left out, because too much is to be said already.
    pub unsaid: u64,
    /// Digits told to the engine.
    pub pressed: u64,
    /// Digits that found the engine's queue full.
    pub unheard: u64,
    /// The largest lateness of a packet since this was published last.
    pub late: Duration,
}

impl Counts {
    pub(super) fn refuse(&mut self, why: MediaFault) {
        let (index, _) = of_fault(why);
        if let Some(count) = self.refused.get_mut(index) {
            *count += 1;
        }
    }

    /// Publishes everything; counts are absolute.
    pub(super) fn publish(&mut self, ports: usize) {
        let count = |name: &'static str, label: &'static str, value: &'static str, total: u64| {
            metrics::counter!(name, label => value).absolute(total);
        };
        for (what, total) in [
            ("sent", self.sent),
            ("failed", self.failed),
            ("skipped", self.skipped),
            ("heard", self.heard),
            ("stray", self.stray),
            ("garbage", self.garbage),
        ] {
            count(metric::MEDIA_PACKETS, "what", what, total);
        }
        for (event, total) in [
            ("opened", self.opened),
            ("announced", self.announced),
            ("unsaid", self.unsaid),
            ("pressed", self.pressed),
            ("unheard", self.unheard),
        ] {
            count(metric::MEDIA_EVENTS, "event", event, total);
        }
        for why in [MediaFault::NoPort, MediaFault::TooMany, MediaFault::NoAddress, MediaFault::System] {
            let (index, name) = of_fault(why);
            count(
                metric::MEDIA_REFUSED,
                "reason",
                name,
                self.refused.get(index).copied().unwrap_or_default(),
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 32,768 ports")]
        metrics::gauge!(metric::MEDIA_PORTS).set(ports as f64);
        metrics::gauge!(metric::MEDIA_LATE).set(1000.0 * std::mem::take(&mut self.late).as_secs_f64());
    }
}

const fn of_fault(why: MediaFault) -> (usize, &'static str) {
    match why {
        MediaFault::NoPort => (0, "no_port"),
        MediaFault::TooMany => (1, "too_many"),
        MediaFault::NoAddress => (2, "no_address"),
        MediaFault::System => (3, "system"),
    }
}

/// An order found the thread's queue full.
pub(super) fn order_waits() {
    metrics::counter!(metric::MEDIA_EVENTS, "event" => "order_waited").increment(1);
}
