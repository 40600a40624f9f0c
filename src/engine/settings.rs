//! What the configuration says to the engine. Plain data, so that a simulation can set it.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::identity::{CalledSource, TrunkContext};
use crate::transaction::TimerSettings;

/// Everything the engine is told at start and at reload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host and port that Via and Record-Route say.
    pub advertise: (String, u16),
    /// Further hosts and ports that mean us, and that those of another address family are told.
    pub own_names: Vec<(String, u16)>,
    /// The port we speak TLS on.
    pub tls_port: Option<u16>,
    /// Every address we listen on, to recognise ourselves.
    pub listen: Vec<std::net::SocketAddr>,
    /// Whether a 3xx is followed, and to which hosts beside peers and agents' phones (R8).
    pub redirects: Option<Vec<String>>,
    /// Where a call goes when nothing else applies.
    pub default_route: String,
    /// Who may send requests.
    pub peers: Vec<Peer>,
    /// Limits of a message.
    pub message: crate::message::Limits,
    /// T1, T2, T4.
    pub timers: TimerSettings,
    /// How long the call waits for the look-up.
    pub lookup_deadline: Duration,
    /// How long one agent's phone rings.
    pub answer_within: Duration,
    /// `ring.sla`: from the INVITE.
    pub ring_sla: Duration,
    /// Wrap-up after a call; zero is none.
    pub wrap_up: Duration,
    /// How long an INVITE waits for its pop to be written.
    pub announce_within: Duration,
    /// How long a phone that refused or failed is left alone.
    pub phone_rest: Duration,
    /// Timer C (RFC 3261 §16.6 item 11: more than three minutes).
    pub timer_c: Duration,
    /// An answered call without a BYE is given up as lost after this.
    pub call_limit: Duration,
    /// Offers need a live screen as well.
    pub require_screen: bool,
    /// Most calls at once; one more is refused with 503.
    pub calls: usize,
    /// Short answers a second to all who are no peers; above it silence.
    pub refusals_per_s: u32,
    /// Most transactions at once; one more request is refused with 503.
    pub transactions: usize,
    /// How numbers are read where no peer says otherwise.
    pub numbering: TrunkContext,
    /// What to say.
    pub templates: std::sync::Arc<crate::guidance::Templates>,
    /// The site's time zone.
    pub time_zone: jiff::tz::TimeZone,
}

/// A configured peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Whether its P-Asserted-Identity is believed, and whether it receives one.
    pub trust_identity: bool,
    /// Where the called number stands.
    pub called_number: Vec<CalledSource>,
    /// Whether a Route that is not ours is followed in an initial request.
    pub preloaded_route: bool,
    /// Whether it may transfer calls that are not its own (D3).
    pub transfers: bool,
    /// Calls a second; zero is no limit of its own.
    pub calls_per_s: u32,
    /// How its numbers are read.
    pub numbering: TrunkContext,
}

impl Settings {
    /// The index of the peer that `address` belongs to, the narrowest network first; an IPv4 address mapped
    /// into IPv6 is the IPv4 address (N9).
    pub fn peer_of(&self, address: IpAddr) -> Option<usize> {
        let address = address.to_canonical();
        let nets = self
            .peers
            .iter()
            .enumerate()
            .flat_map(|(index, peer)| peer.addresses.iter().map(move |net| (net, index)));
        nets.filter(|(net, _)| net.contains(&address))
            .max_by_key(|(net, index)| (net.prefix_len(), std::cmp::Reverse(*index)))
            .map(|(_, index)| index)
    }
}
