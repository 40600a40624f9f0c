//! The engine's counts as the house's figures.

use crate::engine::{Counters, Gauges, Samples};
use crate::telemetry::metric;
use crate::transport;

/// Publishes counts, tables and samples. Counts are absolute: publishing twice counts nothing twice.
pub(super) fn publish(counters: &Counters, gauges: &Gauges, samples: Samples) {
    count(metric::CALLS, "outcome", "completed", counters.completed);
    count(metric::CALLS, "outcome", "abandoned", counters.abandoned);
    count(metric::CALLS, "outcome", "rejected", counters.rejected);
    count(metric::CALLS, "outcome", "lost", counters.lost);
    count(metric::CALLS, "outcome", "failed", counters.failed);
    publish_refused(counters);
    count(metric::DROPPED_MESSAGES, "reason", "stray_response", counters.stray_responses);
    count(metric::DROPPED_MESSAGES, "reason", "unroutable_ack", counters.dropped_acks);
    count(metric::SEND_FAILURES, "reason", "transport", counters.transport_failures);
    count(metric::OFFERS, "outcome", "accepted", counters.accepted);
    count(metric::OFFERS, "outcome", "refused", counters.phone_failures);
    count(metric::OFFERS, "outcome", "timed_out", counters.ring_no_answer);
    count(metric::OFFERS, "outcome", "withdrawn", counters.withdrawn);
    count(metric::RULE_ACTIONS, "action", "alert", counters.alerts);
    count(metric::RULE_ACTIONS, "action", "forward", counters.forwarded_by_rule);
    count(metric::RULE_ACTIONS, "action", "reject", counters.refused_by_rule);
    count(metric::POPS, "event", "offered", counters.offers);
    count(metric::POPS, "event", "screen_stale", counters.stale_screens);
    count(metric::LOOKUPS, "outcome", "deadline", counters.lookup_deadlines);
    for (event, total) in [
        ("next_target", counters.next_targets),
        ("given_up", counters.targets_given_up),
        ("marked_down", counters.targets_marked_down),
        ("route_down", counters.routes_down),
        ("probe", counters.probes_sent),
        ("silent_phone", counters.silent_phones),
        ("late_answer", counters.late_answers),
        ("large_over_tcp", counters.large_over_tcp),
    ] {
        count(metric::NEXT_HOP_EVENTS, "event", event, total);
    }
    publish_parking(counters, gauges);
    gauge(metric::NEXT_HOPS, gauges.targets);
    gauge(metric::NEXT_HOPS_DOWN, gauges.targets_down);
    gauge(metric::LIVE_CALLS, gauges.calls);
    gauge(metric::LIVE_OFFERS, gauges.offers);
    gauge(metric::TRANSACTIONS, gauges.server_transactions + gauges.client_transactions);
    gauge(metric::TIMERS, gauges.timers);
    for (table, entries) in [
        ("callers", gauges.callers_known),
        ("contexts", gauges.contexts),
        ("names", gauges.names_known),
        ("names_awaited", gauges.names_awaited),
        ("nonces", gauges.nonces_used),
        ("proven_sources", gauges.proven_sources),
        ("refusals", gauges.refusals_kept),
        ("transactions_of_one_peer", gauges.largest_share),
        ("wrapping", gauges.wrapping),
    ] {
        metrics::gauge!(metric::TABLE_ENTRIES, "table" => table).set(wide(entries));
    }
    gauge(metric::HELD_OCTETS, gauges.held_octets);
    gauge(metric::LAG, usize::try_from(gauges.lag.as_millis()).unwrap_or(usize::MAX));
    record(metric::INVITE_FORWARD, samples.invite_forward);
    record(metric::POP_ANNOUNCE, samples.pop_announce);
    record(metric::ANSWER, samples.answer);
}

/// The parking lot, and who is on hold.
fn publish_parking(counters: &Counters, gauges: &Gauges) {
    for (event, total) in [
        ("parked", counters.parked),
        ("refreshed", counters.park_refreshed),
        ("retrieved", counters.park_retrieved),
        ("gave_up", counters.park_gave_up),
        ("time_over", counters.park_time_over),
        ("full", counters.park_full),
        ("warned", counters.park_warned),
        ("callback_noted", counters.callbacks_noted),
        ("callback_refused", counters.callbacks_refused),
    ] {
        count(metric::PARKING, "event", event, total);
    }
    for (event, total) in [
        ("anchored", counters.anchored),
        ("media_refused", counters.media_refused),
        ("bridged", counters.bridged),
        ("played_again", counters.played_again),
        ("bridge_failed", counters.bridges_broken),
        ("glare", counters.glares),
        ("carried", counters.carried),
        ("own_request", counters.own_requests),
        ("session_over", counters.sessions_over),
    ] {
        count(metric::ANCHORED, "event", event, total);
    }
    count(metric::HOLDS, "event", "held", counters.holds);
    count(metric::HOLDS, "event", "exceeded", counters.holds_exceeded);
    count(metric::TRANSFERS, "outcome", "begun", counters.transfers_begun);
    count(metric::TRANSFERS, "outcome", "done", counters.transfers_done);
    count(metric::TRANSFERS, "outcome", "failed", counters.transfers_failed);
    count(metric::TRANSFERS, "outcome", "over_limit", counters.transfers_over_limit);
    gauge(metric::PARKED_CALLS, gauges.lot_waiting);
    metrics::gauge!(metric::TABLE_ENTRIES, "table" => "lot").set(wide(gauges.lot_taken));
    metrics::gauge!(metric::TABLE_ENTRIES, "table" => "dialogs").set(wide(gauges.dialogs));
    metrics::gauge!(metric::TABLE_ENTRIES, "table" => "lingering").set(wide(gauges.lingering));
}

/// Look-ups answered from memory since they were last published.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    none: u64,
    known: u64,
    several: u64,
}

impl LookUps {
    /// Notes an answer with so many customers.
    pub(super) const fn note(&mut self, customers: usize) {
        match customers {
            0 => self.none += 1,
            1 => self.known += 1,
            _ => self.several += 1,
        }
    }

    /// Adds them to the house's figures, where those of the database are counted too.
    pub(super) fn publish(self) {
        for (outcome, count) in [("none", self.none), ("known", self.known), ("several", self.several)] {
            metrics::counter!(metric::LOOKUPS, "outcome" => outcome).increment(count);
        }
    }
}

/// What was not taken, or not as it came.
fn publish_refused(counters: &Counters) {
    count(metric::REFUSED_REQUESTS, "reason", "not_a_peer", counters.strangers);
    count(metric::REFUSED_REQUESTS, "reason", "malformed", counters.malformed);
    count(metric::REFUSED_REQUESTS, "reason", "overload", counters.shed);
    count(metric::REFUSED_REQUESTS, "reason", "unproven_dialog", counters.unproven_dialogs);
    count(metric::REFUSED_REQUESTS, "reason", "unmatched_cancel", counters.unmatched_cancels);
    count(metric::REFUSED_REQUESTS, "reason", "invalid", counters.invalid);
    count(metric::REFUSED_REQUESTS, "reason", "loop", counters.loops);
    count(metric::REFUSED_REQUESTS, "reason", "too_many_hops", counters.too_many_hops);
    count(metric::CORRECTED_REQUESTS, "what", "route", counters.routes_removed);
    count(metric::CORRECTED_REQUESTS, "what", "identity", counters.identities_removed);
    count(metric::CORRECTED_REQUESTS, "what", "source", counters.claimed_sources);
    count(metric::REFUSED_REQUESTS, "reason", "transfer", counters.transfers_refused);
    count(metric::REDIRECTS, "outcome", "followed", counters.redirects_followed);
    count(metric::REDIRECTS, "outcome", "refused", counters.redirects_refused);
    count(metric::REFUSED_REQUESTS, "reason", "challenged", counters.challenged);
    count(metric::REFUSED_REQUESTS, "reason", "wrong_password", counters.auth_failed);
    count(metric::REFUSED_REQUESTS, "reason", "unusable_credentials", counters.auth_unusable);
    count(metric::REFUSED_REQUESTS, "reason", "stale_nonce", counters.auth_stale);
    count(metric::REFUSED_REQUESTS, "reason", "replayed", counters.auth_replayed);
    count(metric::REFUSED_REQUESTS, "reason", "too_many_tries", counters.auth_held_back);
    count(metric::REFUSED_REQUESTS, "reason", "not_their_name", counters.auth_forbidden);
}

/// Publishes what the sockets count. `before` is what was published last: what grew since gets one line in
/// the log, so that a flood of connections or noise is one line a second.
pub(super) fn publish_transports(before: &transport::Gauges, now: &transport::Gauges) {
    metrics::gauge!(metric::CONNECTIONS, "direction" => "in").set(wide(now.inbound_connections));
    metrics::gauge!(metric::CONNECTIONS, "direction" => "out").set(wide(now.outbound_connections));
    metrics::gauge!(metric::QUEUE_DEPTH, "queue" => "arrivals").set(wide(now.waiting_arrivals));
    count(metric::MESSAGES, "direction", "received", now.received);
    count(metric::MESSAGES, "direction", "sent", now.sent);
    metrics::counter!(metric::BUNDLED_DATAGRAMS).absolute(now.bundled);
    count(metric::SEND_FAILURES, "reason", "socket", now.send_failed);
    count(metric::DROPPED_MESSAGES, "reason", "not_sip", now.datagrams_dropped);
    count(metric::REFUSED_CONNECTIONS, "reason", "not_a_peer", now.strangers_refused);
    count(metric::REFUSED_CONNECTIONS, "reason", "limit", now.connections_refused);
    count(metric::REFUSED_CONNECTIONS, "reason", "evicted", now.connections_evicted);
    count(metric::REFUSED_CONNECTIONS, "reason", "message_timeout", now.message_timeouts);
    count(metric::REFUSED_CONNECTIONS, "reason", "stuck", now.stuck);
    count(metric::REFUSED_CONNECTIONS, "reason", "broken", now.broken);
    count(metric::REFUSED_CONNECTIONS, "reason", "unframeable", now.unframeable);
    count(metric::REFUSED_CONNECTIONS, "reason", "tls", now.tls_failures);
    count(metric::REFUSED_CONNECTIONS, "reason", "tls_handshakes", now.tls_handshakes_refused);
    count(metric::PINGS, "event", "answered", now.pings_answered);
    count(metric::PINGS, "event", "sent", now.pings_sent);
    count(metric::PINGS, "event", "unanswered", now.pings_unanswered);
    gauge(metric::TLS_HANDSHAKES, now.handshakes);
    tell_growth(before, now);
}

fn tell_growth(before: &transport::Gauges, now: &transport::Gauges) {
    let refused = now.strangers_refused.saturating_sub(before.strangers_refused);
    if refused > 0 {
        tracing::info!(count = refused, "connections of senders who are no peers were refused");
    }
    let limited = now.connections_refused.saturating_sub(before.connections_refused);
    if limited > 0 {
        tracing::warn!(count = limited, "connections were refused at a limit");
    }
    let evicted = now.connections_evicted.saturating_sub(before.connections_evicted);
    if evicted > 0 {
        tracing::warn!(count = evicted, "connections that brought nothing made room for others");
    }
    let late = now.message_timeouts.saturating_sub(before.message_timeouts);
    if late > 0 {
        tracing::info!(count = late, "connections were closed: their message was not whole in time");
    }
    let stuck = now.stuck.saturating_sub(before.stuck);
    if stuck > 0 {
        tracing::warn!(count = stuck, "connections were closed: the other side does not read");
    }
    let broken = now.broken.saturating_sub(before.broken);
    if broken > 0 {
        tracing::info!(count = broken, "connections were reset by the other side");
    }
    let unframeable = now.unframeable.saturating_sub(before.unframeable);
    if unframeable > 0 {
        tracing::info!(count = unframeable, "connections were closed: the end of a message is not known");
    }
    let noise = now.datagrams_dropped.saturating_sub(before.datagrams_dropped);
    if noise > 0 {
        tracing::info!(count = noise, "datagrams that cannot begin a message were dropped");
    }
}

/// An event was lost because the screens' queue was full.
pub(super) fn event_dropped() {
    metrics::counter!(metric::DROPPED_EVENTS, "queue" => "events").increment(1);
}

/// A record was lost because the database's queue was full.
pub(super) fn write_dropped() {
    metrics::counter!(metric::DROPPED_EVENTS, "queue" => "writes").increment(1);
}

fn count(name: &'static str, label: &'static str, value: &'static str, total: u64) {
    metrics::counter!(name, label => value).absolute(total);
}

fn gauge(name: &'static str, value: usize) {
    metrics::gauge!(name).set(wide(value));
}

#[expect(clippy::cast_precision_loss, reason = "a table's size is far below 2^52")]
const fn wide(value: usize) -> f64 {
    value as f64
}

fn record(name: &'static str, samples: Vec<std::time::Duration>) {
    let histogram = metrics::histogram!(name);
    for sample in samples {
        histogram.record(sample.as_secs_f64());
    }
}
