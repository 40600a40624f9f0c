//! Every limit of the desk, with its answer.

use std::time::Duration;

use crate::events::HubSettings;

/// Limits and times of the desk. Defaults are the protocol's; tests shorten the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeskSettings {
    /// Origins besides our own host that may open a socket, as `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// Events waiting for the hub; beyond, streams start a new life.
    pub events_queue: usize,
    /// Frames waiting for one socket; beyond, states are coalesced, then close 4508.
    pub queue_frames: usize,
    /// Octets waiting for one socket; as above.
    pub queue_bytes: usize,
    /// Sockets of one agent or user; the next one is closed with 4429.
    pub sockets_per_agent: usize,
    /// Sockets in all; the next upgrade is answered 503.
    pub sockets: usize,
    /// From the upgrade to `hello`; then close 4408.
    pub hello_within: Duration,
    /// From one ping to the next.
    pub ping_every: Duration,
    /// From the second unanswered ping to close 4410.
    pub pong_within: Duration,
    /// For one write; then the socket is dropped.
    pub write_within: Duration,
    /// From a full queue to the close frame; then the socket is dropped.
    pub grace: Duration,
    /// Commands in a second; the next one closes with 4429.
    pub commands_per_s: u32,
    /// Frames of any kind in a second; the next one closes with 4429.
    pub frames_per_s: u32,
    /// Commands of one socket that wait for the engine; the next one is `rate_limited`.
    pub commands_waiting: usize,
    /// Replies kept for repeated command ids, in all.
    pub replies: usize,
    /// How long a reply is kept.
    pub replies_last: Duration,
    /// How long before a session's end `auth.expiring` is sent.
    pub expiry_warning: Duration,
    /// From a `pop.offered` to its first `render` acknowledgement; then it is sent again to another tab.
    pub render_within: Duration,
    /// Whether nobody is listened for until the first socket comes; the engine then makes no events.
    pub starts_asleep: bool,
    /// What is remembered for those who come back.
    pub hub: HubSettings,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            allowed_origins: Vec::new(),
            events_queue: 8_192,
            queue_frames: 256,
            queue_bytes: 256 * 1024,
            sockets_per_agent: 6,
            sockets: 10_000,
            hello_within: Duration::from_secs(5),
            ping_every: Duration::from_secs(15),
            pong_within: Duration::from_secs(5),
            write_within: Duration::from_secs(9),
            grace: Duration::from_secs(5),
            commands_per_s: 20,
            frames_per_s: 100,
            commands_waiting: 20,
            replies: 20_000,
            replies_last: Duration::from_secs(600),
            expiry_warning: Duration::from_secs(300),
            render_within: Duration::from_secs(2),
            starts_asleep: false,
            hub: HubSettings::default(),
        }
    }
}
