//! Every figure the house keeps: name, kind and meaning. No label ever holds anything a caller sent (N82).

/// Calls that ended. Label `outcome`: `completed`, `abandoned`, `rejected`, `lost`.
pub const CALLS: &str = "toritsugi_calls_total";
/// Requests that were not taken. Label `reason`: `not_a_peer`, `malformed`, `overload`, `limit`, `loop` …
pub const REFUSED_REQUESTS: &str = "toritsugi_refused_requests_total";
/// What was taken away from requests before they went on. Label `what`: `route`, `identity`; and Vias that
/// named another source: `source`.
pub const CORRECTED_REQUESTS: &str = "toritsugi_corrected_requests_total";
/// SIP messages. Label `direction`: `received`, `sent`.
pub const MESSAGES: &str = "toritsugi_messages_total";
/// Datagrams that went to the kernel as one with others of their length; among those sent.
pub const BUNDLED_DATAGRAMS: &str = "toritsugi_bundled_datagrams_total";
/// Stream connections that did not come about, were ended by us or were lost. Label `reason`: `not_a_peer`,
/// `limit`, `evicted`, `message_timeout`, `stuck`, `unframeable`, `broken`, `tls`, `tls_handshakes`.
pub const REFUSED_CONNECTIONS: &str = "toritsugi_refused_connections_total";
/// Contacts of 3xx responses. Label `outcome`: `followed`, `refused` (outside the policy, tried before, or
/// too many).
pub const REDIRECTS: &str = "toritsugi_redirects_total";
/// Messages dropped without an answer. Label `reason`.
pub const DROPPED_MESSAGES: &str = "toritsugi_dropped_messages_total";
/// Messages that could not be sent. Label `reason`.
pub const SEND_FAILURES: &str = "toritsugi_send_failures_total";
/// What rules of the house did beside offers. Label `action`: `alert`, `forward`, `reject`.
pub const RULE_ACTIONS: &str = "toritsugi_rule_actions_total";
/// Decisions. Label `rule`: the rule that chose.
pub const DECISIONS: &str = "toritsugi_decisions_total";
/// Offers that ended. Label `outcome`: `accepted`, `refused`, `timed_out`, `withdrawn`.
pub const OFFERS: &str = "toritsugi_offers_total";
/// Screen-pops. Label `event`: `offered`, `taken`, `withdrawn`, `missed`, `closed`.
pub const POPS: &str = "toritsugi_pops_total";
/// The parking lot. Label `event`: `parked`, `refreshed`, `retrieved`, `gave_up`, `time_over`, `full`,
/// `callback_noted`, `callback_refused`.
pub const PARKING: &str = "toritsugi_parking_total";
/// Callers on hold. Label `event`: `held`, `exceeded`.
pub const HOLDS: &str = "toritsugi_holds_total";
/// Transfers of calls.
pub const TRANSFERS: &str = "toritsugi_transfers_total";
/// Calls that we anchor. Label `event`: `anchored`, `media_refused`, `bridged`, `bridge_failed`, `glare`,
/// `carried`, `own_request`, `session_over`.
pub const ANCHORED: &str = "toritsugi_anchored_total";
/// RTP packets of the media ports. Label `what`: `sent`, `failed` (not taken by the network), `skipped` (left
/// out after a stall), `heard`, `stray` (from a third address), `garbage`.
pub const MEDIA_PACKETS: &str = "toritsugi_media_packets_total";
/// What happened at the media ports. Label `event`: `opened`, `announced`, `unsaid`, `pressed`, `unheard`,
/// `order_waited`.
pub const MEDIA_EVENTS: &str = "toritsugi_media_events_total";
/// Media ports that were refused. Label `reason`: `no_port`, `too_many`, `no_address`, `system`.
pub const MEDIA_REFUSED: &str = "toritsugi_media_refused_total";
/// Look-ups. Label `outcome`: `known`, `several`, `none`, `deadline`, `down`, `overloaded`.
pub const LOOKUPS: &str = "toritsugi_lookups_total";
/// Events dropped because a queue was full. Label `queue`.
pub const DROPPED_EVENTS: &str = "toritsugi_dropped_events_total";
/// Sockets closed by us. Label `code`: the close code.
pub const CLOSED_SOCKETS: &str = "toritsugi_closed_sockets_total";
/// Log lines that were not written. Label `reason`: `held_back`, `queue_full`.
pub const DROPPED_LOG_LINES: &str = "toritsugi_dropped_log_lines_total";
/// Names of next hops. Label `outcome`: `found`, `none`, `private`, `overloaded`.
pub const NAMES: &str = "toritsugi_names_total";
/// Keep-alive pings. Label `event`: `answered` (theirs), `sent` (ours), `unanswered` (the connection is
/// closed).
pub const PINGS: &str = "toritsugi_pings_total";

/// What next hops did. Label `event`: `next_target`, `given_up`, `marked_down`, `route_down`, `probe`,
/// `silent_phone`, `late_answer`, `large_over_tcp`.
pub const NEXT_HOP_EVENTS: &str = "toritsugi_next_hop_events_total";

/// Next hops whose health is known.
pub const NEXT_HOPS: &str = "toritsugi_next_hops";
/// Next hops that are marked down.
pub const NEXT_HOPS_DOWN: &str = "toritsugi_next_hops_down";
/// Transactions now.
pub const TRANSACTIONS: &str = "toritsugi_transactions";
/// Calls now.
pub const LIVE_CALLS: &str = "toritsugi_live_calls";
/// Offers now.
pub const LIVE_OFFERS: &str = "toritsugi_live_offers";
/// Callers that wait in the lot now.
pub const PARKED_CALLS: &str = "toritsugi_parked_calls";
/// Media ports in use now.
pub const MEDIA_PORTS: &str = "toritsugi_media_ports";
/// The largest lateness of a packet of music in the last second.
pub const MEDIA_LATE: &str = "toritsugi_media_late_ms";
/// Timers now.
pub const TIMERS: &str = "toritsugi_timers";
/// Stream connections now. Label `direction`: `in`, `out`.
pub const CONNECTIONS: &str = "toritsugi_connections";
/// TLS handshakes under way.
pub const TLS_HANDSHAKES: &str = "toritsugi_tls_handshakes";
/// Names of next hops that are remembered.
pub const NAMES_KEPT: &str = "toritsugi_names";
/// WebSockets now.
pub const SOCKETS: &str = "toritsugi_websockets";
/// Entries of a table of the engine now. Label `table`.
pub const TABLE_ENTRIES: &str = "toritsugi_table_entries";
/// Octets of requests that are held now.
pub const HELD_OCTETS: &str = "toritsugi_held_octets";
/// For how long the sockets have not been empty, at most the age of the message being read.
pub const LAG: &str = "toritsugi_lag_ms";
/// What waits in a queue now. Label `queue`.
pub const QUEUE_DEPTH: &str = "toritsugi_queue_depth";
/// 1 while a part does not work. Label `part`.
pub const DEGRADED: &str = "toritsugi_degraded";

/// From the arrival of an INVITE to its way out.
pub const INVITE_FORWARD: &str = "toritsugi_invite_forward_seconds";
/// From the decision to the pop written to the agent's socket.
pub const POP_ANNOUNCE: &str = "toritsugi_pop_announce_seconds";
/// How long a look-up took.
pub const LOOKUP: &str = "toritsugi_lookup_seconds";
/// From the arrival of an INVITE to a person's answer.
pub const ANSWER: &str = "toritsugi_answer_seconds";

/// What a figure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Seconds, in buckets.
    Histogram,
}

/// All of them, with the words Prometheus shows.
pub const ALL: [(Kind, &str, &str); 49] = [
    (Kind::Counter, CALLS, "Calls that ended, by outcome."),
    (Kind::Counter, REFUSED_REQUESTS, "Requests that were not taken, by reason."),
    (Kind::Counter, CORRECTED_REQUESTS, "Requests that lost or got something before they went on, by what."),
    (Kind::Counter, MESSAGES, "SIP messages received and sent."),
    (Kind::Counter, BUNDLED_DATAGRAMS, "Datagrams that went to the kernel as one with others."),
    (Kind::Counter, REFUSED_CONNECTIONS, "SIP stream connections refused, ended by us or lost, by reason."),
    (Kind::Counter, REDIRECTS, "Contacts of redirections, by outcome."),
    (Kind::Counter, DROPPED_MESSAGES, "Messages dropped without an answer, by reason."),
    (Kind::Counter, SEND_FAILURES, "Messages that could not be sent, by reason."),
    (Kind::Counter, DECISIONS, "Decisions, by the rule that chose."),
    (Kind::Counter, RULE_ACTIONS, "Alerts, forwards and refusals by rules, by action."),
    (Kind::Counter, OFFERS, "Offers to agents that ended, by outcome."),
    (Kind::Counter, POPS, "Screen-pops, by event."),
    (Kind::Counter, PARKING, "What happened in the parking lot, by event."),
    (Kind::Counter, HOLDS, "Callers put on hold, and held too long, by event."),
    (Kind::Counter, TRANSFERS, "Transfers of calls, by outcome."),
    (Kind::Counter, ANCHORED, "What happened to calls that we anchor, by event."),
    (Kind::Counter, MEDIA_PACKETS, "RTP packets of the media ports, by what became of them."),
    (Kind::Counter, MEDIA_EVENTS, "What happened at the media ports, by event."),
    (Kind::Counter, MEDIA_REFUSED, "Media ports that were refused, by reason."),
    (Kind::Counter, LOOKUPS, "Customer look-ups, by outcome."),
    (Kind::Counter, DROPPED_EVENTS, "Events dropped because a queue was full, by queue."),
    (Kind::Counter, CLOSED_SOCKETS, "WebSockets closed by the server, by close code."),
    (Kind::Counter, DROPPED_LOG_LINES, "Log lines that were not written, by reason."),
    (Kind::Counter, NEXT_HOP_EVENTS, "What next hops did, by event."),
    (Kind::Gauge, NEXT_HOPS, "Next hops whose health is known."),
    (Kind::Gauge, NEXT_HOPS_DOWN, "Next hops that are marked down."),
    (Kind::Counter, NAMES, "Names of next hops that were asked for, by outcome."),
    (Kind::Counter, PINGS, "SIP keep-alive pings, by event."),
    (Kind::Gauge, TRANSACTIONS, "SIP transactions now."),
    (Kind::Gauge, LIVE_CALLS, "Calls now."),
    (Kind::Gauge, LIVE_OFFERS, "Offers to agents now."),
    (Kind::Gauge, PARKED_CALLS, "Callers that wait in the parking lot now."),
    (Kind::Gauge, MEDIA_PORTS, "Media ports in use now."),
    (Kind::Gauge, MEDIA_LATE, "Milliseconds the latest packet of music was late in the last second."),
    (Kind::Gauge, TIMERS, "Timers now."),
    (Kind::Gauge, TABLE_ENTRIES, "Entries of a table of the engine now, by table."),
    (Kind::Gauge, HELD_OCTETS, "Octets of SIP requests held now."),
    (Kind::Gauge, LAG, "Milliseconds the SIP sockets have not been empty."),
    (Kind::Gauge, CONNECTIONS, "SIP stream connections now."),
    (Kind::Gauge, TLS_HANDSHAKES, "TLS handshakes under way."),
    (Kind::Gauge, NAMES_KEPT, "Names of next hops that are remembered."),
    (Kind::Gauge, SOCKETS, "WebSockets now."),
    (Kind::Gauge, QUEUE_DEPTH, "What waits in a queue now, by queue."),
    (Kind::Gauge, DEGRADED, "1 while a part does not work, by part."),
    (Kind::Histogram, INVITE_FORWARD, "Seconds from the arrival of an INVITE to its way out."),
    (Kind::Histogram, POP_ANNOUNCE, "Seconds from a decision to the pop written to the agent's socket."),
    (Kind::Histogram, LOOKUP, "Seconds a customer look-up took."),
    (Kind::Histogram, ANSWER, "Seconds from the arrival of an INVITE to a person's answer."),
];

/// Upper bounds of the buckets, in seconds: fine where the promises are (5, 50, 150 and 400 ms, 10 s).
pub const BUCKETS_S: [f64; 18] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.4, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0,
];

/// Tells the recorder what each figure means.
pub(super) fn describe() {
    for (kind, name, words) in ALL {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, words),
            Kind::Gauge => metrics::describe_gauge!(name, words),
            Kind::Histogram => metrics::describe_histogram!(name, metrics::Unit::Seconds, words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_end_as_prometheus_expects() {
        for (index, (kind, name, words)) in ALL.iter().enumerate() {
            assert!(ALL[index + 1..].iter().all(|other| other.1 != *name), "{name} stands twice");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *kind == Kind::Histogram, "{name}");
            assert!(words.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn every_name_is_in_the_list() {
        let declared =
            include_str!("metric.rs").lines().filter(|line| line.contains(": &str = \"toritsugi_"));
        assert_eq!(declared.count(), ALL.len());
    }

    #[test]
    fn buckets_rise() {
        assert!(BUCKETS_S.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
