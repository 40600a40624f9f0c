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
    count(metric::REFUSED_REQUESTS, "reason", "not_a_peer", counters.strangers);
    count(metric::REFUSED_REQUESTS, "reason", "malformed", counters.malformed);
    count(metric::REFUSED_REQUESTS, "reason", "overload", counters.shed);
    count(metric::REFUSED_REQUESTS, "reason", "unproven_dialog", counters.unproven_dialogs);
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
    count(metric::DROPPED_MESSAGES, "reason", "stray_response", counters.stray_responses);
    count(metric::DROPPED_MESSAGES, "reason", "unroutable_ack", counters.dropped_acks);
    count(metric::SEND_FAILURES, "reason", "transport", counters.transport_failures);
    count(metric::OFFERS, "outcome", "accepted", counters.accepted);
    count(metric::OFFERS, "outcome", "refused", counters.phone_failures);
    count(metric::OFFERS, "outcome", "timed_out", counters.ring_no_answer);
    count(metric::OFFERS, "outcome", "withdrawn", counters.withdrawn);
    count(metric::POPS, "event", "offered", counters.offers);
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
    gauge(metric::NEXT_HOPS, gauges.targets);
    gauge(metric::NEXT_HOPS_DOWN, gauges.targets_down);
    gauge(metric::LIVE_CALLS, gauges.calls);
    gauge(metric::LIVE_OFFERS, gauges.offers);
    gauge(metric::TRANSACTIONS, gauges.server_transactions + gauges.client_transactions);
    gauge(metric::TIMERS, gauges.timers);
    for (table, entries) in [
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

/// Publishes what the sockets hold and count.
#[expect(clippy::cast_precision_loss, reason = "a table's size is far below 2^52")]
pub(super) fn publish_transports(gauges: &transport::Gauges) {
    let connections = [("in", gauges.inbound_connections), ("out", gauges.outbound_connections)];
    for (direction, count) in connections {
        metrics::gauge!(metric::CONNECTIONS, "direction" => direction).set(count as f64);
    }
    gauge(metric::TLS_HANDSHAKES, gauges.handshakes);
    count(metric::SEND_FAILURES, "reason", "socket", gauges.send_failed);
    for (reason, total) in [
        ("not_a_peer", gauges.strangers_refused),
        ("limit", gauges.connections_refused),
        ("evicted", gauges.connections_evicted),
        ("message_timeout", gauges.message_timeouts),
        ("stuck", gauges.stuck),
        ("tls", gauges.tls_failures),
        ("tls_handshakes", gauges.tls_handshakes_refused),
    ] {
        count(metric::REFUSED_CONNECTIONS, "reason", reason, total);
    }
    count(metric::PINGS, "event", "answered", gauges.pings_answered);
    count(metric::PINGS, "event", "sent", gauges.pings_sent);
    count(metric::PINGS, "event", "unanswered", gauges.pings_unanswered);
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
