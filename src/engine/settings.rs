//! What the configuration says to the engine. Plain data, so that a simulation can set it.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::identity::{CalledSource, TrunkContext};
use crate::proxy::digest::{Algorithm, Password, Tries};
use crate::transaction::TimerSettings;
use crate::transport::{CertificateName, Flow};

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
    /// Where a call goes when nothing else applies; never empty.
    pub routes: Vec<crate::proxy::RouteTarget>,
    /// After so long without any response to an INVITE the next target is tried, and after twice as long the
    /// route is given up; zero leaves it to the transaction's own timer.
    pub next_target_after: Duration,
    /// How often the targets of the default route are asked by OPTIONS; zero is never.
    pub probe_interval: Duration,
    /// A phone without any response to an INVITE is given up after this; zero leaves it to the transaction's
    /// own timer.
    pub phone_silent: Duration,
    /// A request longer than this goes over TCP where UDP was meant; zero is never.
    pub tcp_above_bytes: usize,
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
    /// Phones that ring at once for one call where a rule wants all of a group rung (N39).
    pub ring_at_once: usize,
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
    /// How long at most a screen that does not answer keeps offers from its agent; zero: never.
    pub stale_limit: Duration,
    /// Offers need a live screen as well.
    pub require_screen: bool,
    /// Most calls at once; one more is refused with 503.
    pub calls: usize,
    /// Short answers a second to all who are no peers; above it silence.
    pub refusals_per_s: u32,
    /// Most transactions at once; one more request is refused with 503.
    pub transactions: usize,
    /// Callers that are remembered, for rules that count calls; above: the longest silent gives way.
    pub callers: usize,
    /// Calls a second with whose record is kept what the first decision knew, for dry runs. 0: none.
    pub record_facts_per_s: u32,
    /// How numbers are read where no peer says otherwise.
    pub numbering: TrunkContext,
    /// What to say.
    pub templates: std::sync::Arc<crate::guidance::Templates>,
    /// The site's time zone.
    pub time_zone: jiff::tz::TimeZone,
    /// How peers without a fixed address prove themselves.
    pub digest: DigestSettings,
    /// When there is too much.
    pub overload: OverloadSettings,
    /// Who may be kept waiting, and how.
    pub park: ParkSettings,
    /// How long a caller may be on hold.
    pub hold: HoldSettings,
    /// How often and for how long a call may be passed on.
    pub transfer: TransferSettings,
}

/// How often and for how long a call may be passed on (M095).
#[derive(Clone, Copy, Debug)]
pub struct TransferSettings {
    /// Handler changes of one call; one more needs a supervisor.
    pub limit: u32,
    /// A transfer without an outcome has failed after this.
    pub within: Duration,
    /// When the sender has hung up, so long the call waits for the INVITE to the receiver.
    pub comes_back: Duration,
}

impl Default for TransferSettings {
    fn default() -> Self {
        Self { limit: 1, within: Duration::from_secs(60), comes_back: Duration::from_secs(5) }
    }
}

/// How long a caller may be on hold (M091).
#[derive(Clone, Copy, Debug)]
pub struct HoldSettings {
    /// `hold.warning`.
    pub warning: Duration,
    /// `hold.exceeded`.
    pub limit: Duration,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self { warning: Duration::from_secs(15), limit: Duration::from_secs(20) }
    }
}

/// How callers are kept waiting. The default keeps nobody.
#[derive(Clone, Debug, Default)]
pub struct ParkSettings {
    /// For every trunk that has none of its own.
    pub profile: std::sync::Arc<crate::park::Profile>,
    /// By the peer's name.
    pub by_peer: std::collections::BTreeMap<String, std::sync::Arc<crate::park::Profile>>,
    /// Callers that may wait at once; one more goes to the default route.
    pub places: usize,
    /// Where music may go (N51).
    pub targets: crate::sdp::TargetRules,
    /// How long a call that an agent parked waits for somebody to retrieve it before the group is asked.
    pub patience: Duration,
    /// So long before the end of their time the group is warned of those who wait; zero: never.
    pub warn_before: Duration,
    /// What is said to those who hear music, and when.
    pub schedule: std::sync::Arc<crate::media::Schedule>,
    /// Who is called back instead of waiting on.
    pub callback: CallbackSettings,
}

/// How callers are let go who will be called back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackSettings {
    /// Callbacks that may be open at once; of more none is noted, and no caller is told to press the key.
    pub open: usize,
    /// The final status for a caller who was not answered.
    pub status: u16,
    /// The caller must have heard by then that the callback is noted.
    pub say_within: Duration,
}

impl Default for CallbackSettings {
    fn default() -> Self {
        Self { open: 10_000, status: 480, say_within: Duration::from_secs(15) }
    }
}

/// How peers without a fixed address prove themselves (RFC 7616).
#[derive(Clone, Debug)]
pub struct DigestSettings {
    /// What the passwords are for.
    pub realm: String,
    /// How long a nonce may be used.
    pub nonce_lasts: Duration,
    /// Challenges a second to sources that have not proved their address; above: silence.
    pub challenges_per_s: u32,
    /// Wrong passwords that are looked at; above: a challenge as if they had been wrong.
    pub tries: Tries,
    /// Nonces of one peer whose uses are remembered; above: the oldest is stale.
    pub nonces_per_peer: usize,
    /// Stands in for the password of users there are not.
    pub nobody: Password,
}

impl Default for DigestSettings {
    fn default() -> Self {
        Self {
            realm: "toritsugi".to_owned(),
            nonce_lasts: Duration::from_secs(300),
            challenges_per_s: 50,
            tries: Tries { per_user: 5, per_source: 30 },
            nonces_per_peer: 4096,
            nobody: Password::of("", "", ""),
        }
    }
}

/// When there is too much.
#[derive(Clone, Copy, Debug)]
pub struct OverloadSettings {
    /// A queue that stands for longer than this is overload; zero: it is not looked at.
    pub lag: Duration,
    /// New requests a second of one peer that no standing queue refuses: such a load is not theirs.
    pub spared_per_s: u32,
    /// Percent of the transactions that one peer may hold, when there are several.
    pub peer_share_percent: usize,
    /// Octets of requests that are held; above: 503.
    pub held_octets: usize,
}

impl Default for OverloadSettings {
    fn default() -> Self {
        Self {
            lag: Duration::from_millis(20),
            spared_per_s: 32,
            peer_share_percent: 75,
            held_octets: 268_435_456,
        }
    }
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
    /// The certificate that makes a TLS connection this peer's, whatever its address.
    pub certificate: Option<CertificateName>,
    /// Calls a second; zero is no limit of its own.
    pub calls_per_s: u32,
    /// How its numbers are read.
    pub numbering: TrunkContext,
    /// It is known by a password; its addresses, if any, only say where that is taken from.
    pub auth: Option<Auth>,
}

/// What a peer proves itself with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The user name.
    pub username: String,
    /// What the password must be.
    pub password: Password,
    /// User parts it may register beside its user name.
    pub register_as: Vec<String>,
}

impl Auth {
    /// The names that are its own.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.username.as_str()).chain(self.register_as.iter().map(String::as_str))
    }
}

impl Settings {
    /// The index of the peer that a flow is: by the certificate that was shown on it, otherwise by its
    /// address (N8).
    pub fn peer_at(&self, flow: &Flow) -> Option<usize> {
        flow.certificate
            .and_then(|shown| self.peer_with_certificate(shown))
            .or_else(|| self.peer_of(flow.remote.ip()))
    }

    /// The index of the peer that proves itself by this name.
    pub fn peer_with_certificate(&self, name: CertificateName) -> Option<usize> {
        self.peers.iter().position(|peer| peer.certificate == Some(name))
    }

    /// The index of the peer that `address` belongs to, the narrowest network first; an IPv4 address mapped
    /// into IPv6 is the IPv4 address (N9).
    pub fn peer_of(&self, address: IpAddr) -> Option<usize> {
        let address = address.to_canonical();
        let nets = self
            .peers
            .iter()
            .enumerate()
            .filter(|(_, peer)| peer.auth.is_none())
            .flat_map(|(index, peer)| peer.addresses.iter().map(move |net| (net, index)));
        nets.filter(|(net, _)| net.contains(&address))
            .max_by_key(|(net, index)| (net.prefix_len(), std::cmp::Reverse(*index)))
            .map(|(_, index)| index)
    }

    /// Whether somebody may prove to be a peer from this address.
    pub fn may_prove(&self, address: IpAddr) -> bool {
        self.digest_peers(address).next().is_some()
    }

    /// Whether any peer is known by a password.
    pub fn has_digest(&self) -> bool {
        self.peers.iter().any(|peer| peer.auth.is_some())
    }

    /// The hashes that peers can prove themselves with, the better one first (RFC 8760 §2.4).
    pub fn offered(&self) -> impl Iterator<Item = Algorithm> {
        let takes = |algorithm: &Algorithm| {
            self.peers
                .iter()
                .filter_map(|peer| peer.auth.as_ref())
                .any(|auth| auth.password.takes(*algorithm))
        };
        [Algorithm::Sha256, Algorithm::Md5].into_iter().filter(takes)
    }

    /// The index of the peer that has this user name and may prove itself from this address.
    pub fn peer_with_username(&self, username: &str, address: IpAddr) -> Option<usize> {
        self.digest_peers(address).find(|(_, auth)| auth.username == username).map(|(index, _)| index)
    }

    fn digest_peers(&self, address: IpAddr) -> impl Iterator<Item = (usize, &Auth)> {
        let address = address.to_canonical();
        self.peers.iter().enumerate().filter_map(move |(index, peer)| {
            let here = peer.addresses.is_empty() || peer.addresses.iter().any(|net| net.contains(&address));
            peer.auth.as_ref().filter(|_| here).map(|auth| (index, auth))
        })
    }
}
