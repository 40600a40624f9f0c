//! `[sip]`: where SIP is spoken, with whom, and how much of it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::address::{Host, HostPort, Listen, NextHop, Protocol};
use super::digest::{Digest, PeerAuth};
use super::document::Section;
use super::house::ParkMode;
use super::route::Route;

/// Where a trunk says what was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalledNumberSource {
    /// `P-Called-Party-ID` (RFC 7315 §4.2).
    PCalledPartyId,
    /// `To`.
    To,
    /// The Request-URI.
    RequestUri,
    /// The number that was called first, when the call was diverted to us: the last `Diversion` (RFC 5806) or
    /// the first `History-Info` (RFC 7044).
    FirstDiversion,
}

/// What is done with a 3xx (RFC 3261 §16.5, §16.7 item 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// It goes to the caller, or for an agent's phone counts as a refusal.
    Forward,
    /// Its contacts are tried, as far as they lead to a peer, an agent's phone or one of `redirect_hosts`.
    Follow,
}

/// Somebody who may send requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// For logs, metrics and rules.
    pub name: String,
    /// Where it sends from. IPv4-mapped IPv6 networks are kept as IPv4 (N9).
    pub addresses: Vec<IpNet>,
    /// Whether its `P-Asserted-Identity` is believed, and whether it gets ours.
    pub trust_identity: bool,
    /// Where the called number stands, in the order of looking.
    pub called_number: Vec<CalledNumberSource>,
    /// Whether a Route that is not ours is followed in an initial request.
    pub preloaded_route: bool,
    /// Whether it may transfer: REFER, and INVITE with Replaces, Join or Target-Dialog for a call not its
    /// own.
    pub transfers: bool,
    /// Whether its numbers may be `81…` without a plus.
    pub bare_country_code: bool,
    /// New calls a second; `None`: no limit of its own.
    pub calls_per_s: Option<u32>,
    /// The park modes its callers may be kept waiting in, of those the house has.
    pub park_modes: Vec<ParkMode>,
    /// Keys that its callers press before the answer reach us.
    pub early_media_digits: bool,
    /// It is known by a password; its addresses then only say from where that is taken, and may be none.
    pub auth: Option<PeerAuth>,
    /// The name in its client certificate: over TLS that certificate makes it this peer, from any address.
    /// With a name its addresses alone earn no trust (N8).
    pub tls_name: Option<String>,
    /// SHA-256 of the certificate of its server: instead of authority, name and date.
    pub tls_pin: Option<[u8; 32]>,
}

/// `[sip.limits]`: how much is held at most; each has an answer when it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one message; longer: 513, or the connection closes.
    pub message_bytes: usize,
    /// Header lines of one message; more: 400.
    pub headers: usize,
    /// A message begun on a stream must be whole by then.
    pub stream_message_timeout: Duration,
    /// Transactions at one time; above: 503.
    pub transactions: usize,
    /// Calls at one time; above: 503 (emergency calls pass).
    pub calls: usize,
    /// How long a call is followed without a BYE before its record is closed as lost.
    pub call_age: Duration,
    /// Stream connections in all; above: the oldest that never brought a message gives way, or the new one is
    /// closed.
    pub connections: usize,
    /// Stream connections from one address.
    pub connections_per_source: usize,
    /// TLS handshakes under way from one address; above: the connection is closed.
    pub handshakes_per_source: usize,
    /// Every TLS handshake must be over by then.
    pub handshake_timeout: Duration,
    /// A stream connection without a message is closed after this.
    pub connection_idle: Duration,
    /// A connection made by us is pinged after this silence; zero: never.
    pub keep_alive: Duration,
    /// Octets waiting for a peer that does not read; above: the connection closes.
    pub send_queue_bytes: usize,
    /// Short answers a second to all who are no peers; above: silence.
    pub refusals_per_s: u32,
    /// Percent of the transactions one peer may hold where there are several; above: 503.
    pub peer_share_percent: usize,
    /// Octets of requests that are held; above: 503.
    pub held_octets: usize,
    /// A queue that stands for longer than this is overload; zero: it is not looked at.
    pub lag: Duration,
    /// New requests a second of one peer that no standing queue refuses.
    pub spared_per_s: u32,
}

/// `[sip.tls]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM chain and PEM key; always both.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Authorities of client certificates; without it none are asked for.
    pub client_ca: Option<PathBuf>,
    /// Authorities of servers; without it the platform's.
    pub ca: Option<PathBuf>,
}

/// `[sip]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Where SIP is received; never empty.
    pub listen: Vec<Listen>,
    /// What Via and Record-Route say.
    pub advertise: HostPort,
    /// Further names that mean us.
    pub own_names: Vec<HostPort>,
    /// What is done with a 3xx.
    pub redirects: Redirects,
    /// Hosts a 3xx may lead to beside peers and agents' phones.
    pub redirect_hosts: Vec<String>,
    /// Where a call goes when nothing else applies; never empty.
    pub routes: Vec<Route>,
    /// After so long without any response the next target is tried; zero: only by the transaction's timer.
    pub next_target_after: Duration,
    /// How often targets are asked by OPTIONS; zero: never.
    pub probe_interval: Duration,
    /// A request of more octets goes over TCP where UDP was meant; zero: never.
    pub tcp_above_bytes: usize,
    /// Whether datagrams of one length to one address may go to the kernel as one.
    pub udp_bundles: bool,
    /// Who may send; empty: nobody.
    pub peers: Vec<Peer>,
    /// Limits.
    pub limits: Limits,
    /// How peers without a fixed address prove themselves.
    pub digest: Digest,
    /// Who is asked for names; empty: whom the system asks.
    pub dns_servers: Vec<SocketAddr>,
    /// Domains whose names may have private addresses (N41).
    pub private_names: Vec<String>,
    /// Certificates and authorities.
    pub tls: Tls,
}

impl Sip {
    /// The peer that is known by this address. The narrowest network wins; IPv4-mapped ones count as IPv4.
    pub fn peer_of(&self, source: IpAddr) -> Option<&Peer> {
        let source = source.to_canonical();
        let matches = self
            .peers
            .iter()
            .filter(|peer| peer.auth.is_none())
            .flat_map(|peer| peer.addresses.iter().map(move |net| (net, peer)));
        matches
            .filter(|(net, _)| net.contains(&source))
            .max_by_key(|(net, _)| net.prefix_len())
            .map(|(_, peer)| peer)
    }

    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let listen = section.texts("listen", default.listen, Listen::from_str);
        if listen.is_empty() {
            section.fault_at(
                "listen",
                "is empty; name at least one address, for example \"udp:127.0.0.1:5060\"",
            );
        }
        let routes = Route::read_all(section, default_hop());
        let sip = Self {
            next_target_after: read_next_target_after(section, default.next_target_after),
            probe_interval: read_probe_interval(section, routes.len()),
            tcp_above_bytes: read_tcp_above(section, default.tcp_above_bytes),
            udp_bundles: section.flag("udp_bundles", default.udp_bundles),
            routes,
            advertise: read_advertise(section, &listen, default.advertise),
            listen,
            own_names: section.texts("own_names", default.own_names, HostPort::from_str),
            redirects: section.text("redirects", default.redirects, Redirects::from_str),
            redirect_hosts: section.texts("redirect_hosts", default.redirect_hosts, host_name),
            peers: section.sections("peer").iter().map(Peer::read).collect(),
            limits: Limits::read(&section.section("limits")),
            digest: Digest::read(&section.section("digest")),
            dns_servers: section.texts("dns_servers", default.dns_servers, dns_server),
            private_names: section.texts("private_names", default.private_names, domain),
            tls: read_tls(&section.section("tls")),
        };
        sip.check(section);
        section.refuse_unknown_keys();
        sip
    }

    fn check(&self, section: &Section<'_>) {
        if self.tls.certificate.is_none() && self.listen.iter().any(|listen| listen.protocol == Protocol::Tls)
        {
            section.fault_at("listen", "has a tls: address; set certificate and key in [sip.tls]");
        }
        if self.tls.client_ca.is_none() && self.peers.iter().any(|peer| peer.tls_name.is_some()) {
            section.fault_at("peer", "has a tls_name; set client_ca in [sip.tls], or nobody can prove it");
        }
        for (peer, section) in self.peers.iter().zip(section.sections("peer")) {
            if self.peers.iter().filter(|other| other.name == peer.name).count() > 1 {
                section.fault_at("name", "is used by two peers; give each its own");
            }
            let username = |peer: &Peer| peer.auth.as_ref().map(|auth| auth.username.clone());
            let twins = self.peers.iter().filter(|other| username(other) == username(peer)).count();
            if peer.auth.is_some() && twins > 1 {
                section.fault_at("auth", "has the user name of another peer; give each its own");
            }
            if peer.tls_name.is_some() {
                let same = self.peers.iter().filter(|other| other.tls_name == peer.tls_name);
                if same.count() > 1 {
                    section.fault_at("tls_name", "is used by two peers; give each its own");
                }
            }
            let others = self.peers.iter().filter(|other| other.name != peer.name && other.auth.is_none());
            if peer.auth.is_none()
                && others.flat_map(|other| &other.addresses).any(|net| peer.addresses.contains(net))
            {
                section.fault_at(
                    "addresses",
                    "shares a network with another peer; only one of them can be meant",
                );
            }
        }
    }
}

impl Default for Sip {
    fn default() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        Self {
            listen: vec![
                Listen { protocol: Protocol::Udp, address },
                Listen { protocol: Protocol::Tcp, address },
            ],
            advertise: HostPort { host: Host::Ip(address.ip()), port: 5060 },
            own_names: Vec::new(),
            redirects: Redirects::Forward,
            redirect_hosts: Vec::new(),
            routes: vec![Route::first(default_hop())],
            next_target_after: Duration::from_secs(2),
            probe_interval: Duration::ZERO,
            tcp_above_bytes: 1_300,
            udp_bundles: true,
            peers: Vec::new(),
            limits: Limits::default(),
            digest: Digest::default(),
            dns_servers: Vec::new(),
            private_names: Vec::new(),
            tls: Tls::default(),
        }
    }
}

impl Limits {
    fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let limits = Self {
            message_bytes: section.number("message_bytes", 1_500..=1_048_576, default.message_bytes),
            headers: section.number("headers", 16..=4_096, default.headers),
            stream_message_timeout: section.seconds(
                "stream_message_timeout_s",
                1..=60,
                default.stream_message_timeout,
            ),
            transactions: section.number("transactions", 16..=10_000_000, default.transactions),
            calls: section.number("calls", 1..=1_000_000, default.calls),
            call_age: section.hours("call_age_h", 1..=168, default.call_age),
            connections: section.number("connections", 1..=100_000, default.connections),
            connections_per_source: section.number(
                "connections_per_source",
                1..=100_000,
                default.connections_per_source,
            ),
            handshakes_per_source: section.number(
                "handshakes_per_source",
                1..=100_000,
                default.handshakes_per_source,
            ),
            handshake_timeout: section.seconds("handshake_timeout_s", 1..=60, default.handshake_timeout),
            connection_idle: section.seconds("connection_idle_s", 10..=86_400, default.connection_idle),
            keep_alive: section.seconds("keep_alive_s", 0..=3_600, default.keep_alive),
            send_queue_bytes: section.number(
                "send_queue_bytes",
                65_536..=67_108_864,
                default.send_queue_bytes,
            ),
            refusals_per_s: section.number("refusals_per_s", 0..=100_000, default.refusals_per_s),
            peer_share_percent: section.number("peer_share_percent", 1..=100, default.peer_share_percent),
            held_octets: section.number("held_octets", 1_048_576..=68_719_476_736, default.held_octets),
            lag: section.millis("lag_ms", 0..=10_000, default.lag),
            spared_per_s: section.number("spared_per_s", 0..=100_000, default.spared_per_s),
        };
        section.refuse_unknown_keys();
        limits
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 65_535,
            headers: 256,
            stream_message_timeout: Duration::from_secs(10),
            transactions: 200_000,
            calls: 20_000,
            call_age: Duration::from_secs(24 * 3600),
            connections: 4_096,
            connections_per_source: 256,
            handshakes_per_source: 16,
            handshake_timeout: Duration::from_secs(5),
            connection_idle: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(100),
            send_queue_bytes: 1_048_576,
            refusals_per_s: 2,
            peer_share_percent: 75,
            held_octets: 268_435_456,
            lag: Duration::from_millis(20),
            spared_per_s: 32,
        }
    }
}

impl Peer {
    /// A peer of this name that may send from nowhere yet, with the defaults of every other key.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            addresses: Vec::new(),
            trust_identity: false,
            called_number: vec![
                CalledNumberSource::PCalledPartyId,
                CalledNumberSource::To,
                CalledNumberSource::RequestUri,
            ],
            preloaded_route: false,
            transfers: false,
            bare_country_code: false,
            calls_per_s: None,
            park_modes: vec![ParkMode::Ringing, ParkMode::EarlyMedia, ParkMode::Answered],
            early_media_digits: false,
            auth: None,
            tls_name: None,
            tls_pin: None,
        }
    }

    fn read(section: &Section<'_>) -> Self {
        let default = Self::named("");
        let peer = Self {
            name: section.text("name", default.name, peer_name),
            addresses: section.texts("addresses", default.addresses, network),
            trust_identity: section.flag("trust_identity", default.trust_identity),
            called_number: section.texts(
                "called_number",
                default.called_number,
                CalledNumberSource::from_str,
            ),
            preloaded_route: section.flag("preloaded_route", default.preloaded_route),
            transfers: section.flag("transfers", default.transfers),
            bare_country_code: section.flag("bare_country_code", default.bare_country_code),
            calls_per_s: Some(section.number("calls_per_s", 0..=100_000, 0)).filter(|limit| *limit > 0),
            park_modes: section.texts("park_modes", default.park_modes, ParkMode::from_str),
            early_media_digits: section.flag("early_media_digits", default.early_media_digits),
            auth: PeerAuth::read(&section.section("auth")),
            tls_name: section.optional("tls_name", None, certificate_name),
            tls_pin: section.optional("tls_pin", None, sha256),
        };
        if !section.has("name") {
            section.fault_at("name", "is missing; give the peer a name, for example \"carrier\"");
        }
        let proves_itself = peer.auth.is_some() || section.section("auth").has("username");
        if peer.addresses.is_empty() && peer.tls_name.is_none() && !proves_itself {
            section.fault_at(
                "addresses",
                "is empty; name the networks it sends from, for example \"192.0.2.0/28\", or set tls_name",
            );
        }
        if peer.called_number.is_empty() {
            section.fault_at("called_number", "is empty; name at least \"request-uri\"");
        }
        section.refuse_unknown_keys();
        peer
    }
}

fn default_hop() -> NextHop {
    NextHop {
        uri: "sip:127.0.0.1:5080".to_owned(),
        target: HostPort { host: Host::Ip(IpAddr::from([127, 0, 0, 1])), port: 5080 },
        protocol: Protocol::Udp,
    }
}

fn read_next_target_after(section: &Section<'_>, default: Duration) -> Duration {
    let after = section.millis("next_target_after_ms", 0..=10_000, default);
    if !after.is_zero() && after < Duration::from_millis(500) {
        section.fault_at("next_target_after_ms", "is below 500; a lost datagram is sent again only then");
    }
    after
}

/// A lone target is not probed unless it is asked for: it would see traffic that it never saw.
fn read_probe_interval(section: &Section<'_>, targets: usize) -> Duration {
    let interval = section.seconds("probe_interval_s", 0..=3_600, Duration::from_secs(5));
    let lone_too = section.flag("probe_lone_target", false);
    if targets > 1 || lone_too { interval } else { Duration::ZERO }
}

fn read_tcp_above(section: &Section<'_>, default: usize) -> usize {
    let limit = section.number("tcp_above_bytes", 0..=65_535, default);
    if limit > 0 && limit < 500 {
        section.fault_at("tcp_above_bytes", "is below 500; every request would go over TCP");
    }
    limit
}

/// Without `advertise` the first listening address is told to others, as long as it means one host.
fn read_advertise(section: &Section<'_>, listen: &[Listen], default: HostPort) -> HostPort {
    let first = listen.first().map(|listen| listen.address);
    let from_listen = first.map(|address| HostPort { host: Host::Ip(address.ip()), port: address.port() });
    let advertise = section.text("advertise", from_listen.unwrap_or(default), HostPort::from_str);
    let unusable =
        advertise.port == 0 || advertise.address().is_some_and(|address| address.ip().is_unspecified());
    if unusable {
        let key = if section.has("advertise") { "advertise" } else { "listen" };
        section.fault_at(
            key,
            "cannot be told to others; set advertise to the HOST:PORT they reach this node at",
        );
    }
    advertise
}

fn read_tls(section: &Section<'_>) -> Tls {
    let file = |key: &str| section.optional(key, None, |text| Ok(section.resolve(text)));
    let (certificate, key) = (file("certificate"), file("key"));
    let (client_ca, ca) = (file("client_ca"), file("ca"));
    section.refuse_unknown_keys();
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) => {
            section.fault_at("certificate", "needs `sip.tls.key` beside it");
            None
        }
        (None, Some(_)) => {
            section.fault_at("key", "needs `sip.tls.certificate` beside it");
            None
        }
    };
    Tls { certificate, client_ca, ca }
}

/// `192.0.2.53` or `192.0.2.53:5353`; IPv6 in brackets when a port follows.
fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    bare.or_else(|_| text.parse()).map_err(|_| {
        format!("\"{text}\" is not a DNS server; write it like \"192.0.2.53\" or \"[2001:db8::53]:53\"")
    })
}

/// A domain, with or without a leading dot.
fn domain(text: &str) -> Result<String, String> {
    match text.trim_start_matches('.').parse::<HostPort>() {
        Ok(HostPort { host: Host::Name(name), .. }) if !text.contains(':') => Ok(name),
        Ok(_) | Err(_) => Err(format!("\"{text}\" is not a domain, like \"pbx.lan\"")),
    }
}

/// A domain name as a certificate carries it (RFC 5922 §7.1).
fn certificate_name(text: &str) -> Result<String, String> {
    match text.parse::<HostPort>() {
        Ok(HostPort { host: Host::Name(name), .. }) if !text.contains(':') => Ok(name),
        Ok(_) | Err(_) => Err(format!("\"{text}\" is not a name in a certificate, like \"pbx.example.jp\"")),
    }
}

/// 64 hexadecimal digits; colons between them do not matter.
fn sha256(text: &str) -> Result<[u8; 32], String> {
    let bad = || "a pin is the SHA-256 of a certificate: 64 hexadecimal digits".to_owned();
    let digits: Vec<u8> = text.bytes().filter(|octet| *octet != b':').collect();
    let mut octets = [0; 32];
    if digits.len() != 2 * octets.len() {
        return Err(bad());
    }
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        *octet = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(octets)
}

fn peer_name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(sound) {
        Ok(text.to_owned())
    } else {
        Err("a name has 1 to 64 letters, digits, `-`, `_` or `.`".to_owned())
    }
}

/// A network in CIDR form, or one address. `::ffff:192.0.2.0/120` means `192.0.2.0/24`.
fn network(text: &str) -> Result<IpNet, String> {
    let bad = || format!("\"{text}\" is not a network; write it like \"192.0.2.0/28\" or \"2001:db8::/64\"");
    let net = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| bad())?),
    };
    let net = match net {
        IpNet::V6(v6) => match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
            (Some(v4), Some(prefix)) => IpNet::V4(Ipv4Net::new(v4, prefix).map_err(|_| bad())?),
            _ => net,
        },
        IpNet::V4(_) => net,
    };
    Ok(net.trunc())
}

impl FromStr for CalledNumberSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "p-called-party-id" => Ok(Self::PCalledPartyId),
            "to" => Ok(Self::To),
            "request-uri" => Ok(Self::RequestUri),
            "first-diversion" => Ok(Self::FirstDiversion),
            _ => Err(format!("\"{text}\" is not p-called-party-id, to, request-uri or first-diversion")),
        }
    }
}

impl FromStr for Redirects {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "forward" => Ok(Self::Forward),
            "follow" => Ok(Self::Follow),
            _ => Err(format!("\"{text}\" is not forward or follow")),
        }
    }
}

/// A host as it stands in a URI, without port; compared without regard to case.
fn host_name(text: &str) -> Result<String, String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if !text.is_empty() && text.len() <= 255 && text.chars().all(sound) {
        Ok(text.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase())
    } else {
        Err(format!("\"{text}\" is not a host; write it like \"pbx.example\" or \"192.0.2.1\""))
    }
}
