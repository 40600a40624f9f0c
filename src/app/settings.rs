//! From the configuration to what each room is told.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use crate::cli::Failure;
use crate::config::{self, CalledNumberSource, Config, Host, ParkMode, PasswordSource, PeerAuth, Redirects};
use crate::desk::DeskSettings;
use crate::engine::{
    Auth, CallbackSettings, DigestSettings, HoldSettings, OverloadSettings, ParkSettings, Peer, Settings,
    TransferSettings,
};
use crate::events::HubSettings;
use crate::guidance::Templates;
use crate::identity::{CalledSource, TrunkContext};
use crate::media::ports::{MediaAddress, MediaSettings, Sounds};
use crate::media::{Saying, Schedule};
use crate::message::Limits;
use crate::park::{AtLimit, Profile};
use crate::proxy::RouteTarget;
use crate::proxy::digest::{Password, Tries};
use crate::routing::rules::RuleLimits;
use crate::sdp::TargetRules;
use crate::storage::StorageSettings;
use crate::transaction::TimerSettings;
use crate::transport::{CertificateName, ListenAddress, Pin, Protocol, Tls, TlsFiles, TransportSettings};

/// Timer C: more than three minutes (RFC 3261 §16.6 item 11).
const TIMER_C: std::time::Duration = std::time::Duration::from_secs(181);

/// What the engine is told. `listen` are the addresses that were really bound.
///
/// Fails when a region is unknown or the templates cannot be read.
pub fn engine_settings(config: &Config, listen: Vec<SocketAddr>) -> Result<Settings, Failure> {
    let numbering = trunk_context(config)?;
    let templates = templates(config)?;
    let advertise_host = host_text(&config.sip.advertise.host);
    let digest = digest_settings(config, &advertise_host);
    let peers = config.sip.peers.iter().map(|peer| engine_peers(peer, &numbering, &digest.realm));
    let peers = peers.collect::<Result<Vec<_>, Failure>>()?.concat();
    let port = match (config.sip.advertise.port, listen.first()) {
        (0, Some(first)) => first.port(),
        (port, _) => port,
    };
    Ok(Settings {
        advertise: (advertise_host, port),
        own_names: config.sip.own_names.iter().map(|name| (host_text(&name.host), name.port)).collect(),
        tls_port: tls_port(config, &listen),
        redirects: match config.sip.redirects {
            Redirects::Forward => None,
            Redirects::Follow => Some(config.sip.redirect_hosts.clone()),
        },
        listen,
        routes: config.sip.routes.iter().map(route_target).collect(),
        next_target_after: config.sip.next_target_after,
        probe_interval: config.sip.probe_interval,
        phone_silent: config.routing.phone_silent,
        // What is sent over TCP is answered over TCP: it must be listened on.
        tcp_above_bytes: if listens_on_tcp(config) { config.sip.tcp_above_bytes } else { 0 },
        peers,
        message: Limits {
            message_bytes: config.sip.limits.message_bytes,
            headers: config.sip.limits.headers,
        },
        timers: TimerSettings::default(),
        lookup_deadline: config.routing.lookup_deadline,
        answer_within: config.routing.answer_within,
        ring_at_once: config.routing.ring_at_once,
        ring_sla: config.routing.ring_sla,
        wrap_up: config.routing.wrap_up,
        announce_within: config.routing.announce_within,
        phone_rest: config.routing.phone_rest,
        timer_c: TIMER_C,
        call_limit: config.sip.limits.call_age,
        stale_limit: config.desk.stale_limit,
        require_screen: config.desk.require_screen,
        calls: config.sip.limits.calls,
        refusals_per_s: config.sip.limits.refusals_per_s,
        transactions: config.sip.limits.transactions,
        callers: config.routing.callers,
        record_facts_per_s: config.routing.record_facts_per_s,
        numbering,
        templates: Arc::new(templates),
        time_zone: config.guidance.time_zone.clone(),
        digest,
        overload: OverloadSettings {
            lag: config.sip.limits.lag,
            spared_per_s: config.sip.limits.spared_per_s,
            peer_share_percent: config.sip.limits.peer_share_percent,
            held_octets: config.sip.limits.held_octets,
        },
        park: park_settings(config),
        hold: HoldSettings { warning: config.routing.hold_warning, limit: config.routing.hold_limit },
        transfer: TransferSettings {
            limit: config.routing.transfer_limit,
            within: config.routing.transfer_within,
            comes_back: config.routing.transfer_return,
        },
    })
}

/// How callers may wait: of the house's modes those that their trunk allows.
fn park_settings(config: &Config) -> ParkSettings {
    let park = &config.park;
    let limit_of = |mode: &ParkMode| match mode {
        ParkMode::Ringing => park.ringing_limit,
        ParkMode::EarlyMedia => park.early_media_limit,
        ParkMode::Answered => park.answered_limit,
    };
    let profile = Profile {
        modes: park.modes.iter().map(|mode| (parked_as(*mode), limit_of(mode))).collect(),
        at_limit: match park.at_limit {
            config::AtLimit::DefaultRoute => AtLimit::DefaultRoute,
            config::AtLimit::Refuse => AtLimit::Refuse(480),
            config::AtLimit::Callback => AtLimit::Callback,
        },
        key: park.callback_digit,
        early_keys: false,
    };
    let of_peer = |peer: &crate::config::Peer| {
        let allowed: Vec<_> = peer.park_modes.iter().copied().map(parked_as).collect();
        let own = Profile { early_keys: peer.early_media_digits, ..profile.only(&allowed) };
        (peer.name.clone(), Arc::new(own))
    };
    ParkSettings {
        by_peer: config.sip.peers.iter().map(of_peer).filter(|(_, own)| **own != profile).collect(),
        profile: Arc::new(profile),
        places: park.places,
        targets: media_targets(config),
        patience: park.patience,
        warn_before: park.warn_before,
        schedule: Arc::new(schedule(&config.media)),
        callback: CallbackSettings {
            open: park.callbacks,
            status: park.callback_status,
            say_within: park.callback_notice_limit,
        },
    }
}

/// Where music may go: not to ourselves, unless all of it happens on one machine (N51).
fn media_targets(config: &Config) -> TargetRules {
    let loopback = config.sip.listen.iter().any(|listen| listen.address.ip().is_loopback());
    let managed = [Some(config.http.listen), config.metrics.listen].into_iter().flatten();
    TargetRules { own: own_addresses(config).chain(managed.map(|address| address.ip())).collect(), loopback }
}

/// Where SIP and media reach us, those that callers are told for media first.
fn own_addresses(config: &Config) -> impl Iterator<Item = IpAddr> {
    let advertised = match &config.sip.advertise.host {
        Host::Ip(address) => Some(*address),
        Host::Name(_) => None,
    };
    let listening = config.sip.listen.iter().map(|listen| listen.address.ip());
    let own_names = config.sip.own_names.iter().filter_map(|name| name.address().map(|own| own.ip()));
    config.media.addresses.iter().copied().chain(listening).chain(advertised).chain(own_names)
}

fn parked_as(mode: ParkMode) -> crate::park::ParkMode {
    match mode {
        ParkMode::Ringing => crate::park::ParkMode::Ringing,
        ParkMode::EarlyMedia => crate::park::ParkMode::EarlyMedia,
        ParkMode::Answered => crate::park::ParkMode::Answered,
    }
}

/// When something is said to those who wait.
fn schedule(media: &config::Media) -> Schedule {
    let of = |saying: &config::Saying| match saying {
        config::Saying::PleaseHold => Saying::PleaseHold,
        config::Saying::Position => Saying::Position,
        config::Saying::Minutes => Saying::Minutes,
        config::Saying::PressOne => Saying::PressOne,
    };
    Schedule {
        first: media.announce_first,
        every: media.announce_every,
        rounds: media.announcements.iter().map(|round| round.0.iter().map(of).collect()).collect(),
    }
}

/// Where sounds lie.
pub(super) fn sounds(config: &Config) -> Sounds {
    let music = match &config.park.music {
        config::Music::BuiltIn => None,
        config::Music::File(path) => Some(path.clone()),
    };
    Sounds { music, prompts: config.media.prompts.clone() }
}

/// What the media ports are told. An address that is not this machine's stands for a translation in front of
/// it: then every address is listened on.
pub(super) fn media_settings(config: &Config) -> MediaSettings {
    let address = |ipv6: bool| {
        let told = told_address(config, ipv6)?;
        let bind = match UdpSocket::bind((told, 0)) {
            Ok(_) => told,
            Err(_) if ipv6 => Ipv6Addr::UNSPECIFIED.into(),
            Err(_) => Ipv4Addr::UNSPECIFIED.into(),
        };
        Some(MediaAddress { bind, told })
    };
    MediaSettings {
        ipv4: address(false),
        ipv6: address(true),
        ports: config.media.ports.clone(),
        streams: config.media.streams,
    }
}

/// Without any address callers can only wait ringing: that is a fault where the house says otherwise.
pub(super) fn no_media_address(config: &Config) -> Option<String> {
    let with_sound = config.park.modes.iter().any(|mode| *mode != ParkMode::Ringing);
    let none = [false, true].iter().all(|ipv6| told_address(config, *ipv6).is_none());
    (with_sound && none).then(|| {
        "[media] address: is needed for music: SIP listens on all addresses, and `advertise` is a name"
            .to_owned()
    })
}

/// The configured address of the family, or one of SIP's that means one host.
fn told_address(config: &Config, ipv6: bool) -> Option<IpAddr> {
    own_addresses(config).find(|address| address.is_ipv6() == ipv6 && !address.is_unspecified())
}

fn digest_settings(config: &Config, host: &str) -> DigestSettings {
    let digest = &config.sip.digest;
    DigestSettings {
        realm: digest.realm.clone().unwrap_or_else(|| host.to_owned()),
        nonce_lasts: digest.nonce,
        challenges_per_s: digest.challenges_per_s,
        tries: Tries { per_user: digest.tries_per_user, per_source: digest.tries_per_source },
        nonces_per_peer: digest.nonces_per_peer,
        ..DigestSettings::default()
    }
}

/// What a peer must prove; the password itself is not kept.
fn peer_auth(auth: &PeerAuth, realm: &str) -> Result<Auth, Failure> {
    let fault = |what: String| Failure::of(format!("[sip.peer.auth] {}: {what}", auth.username));
    let of = |text: &str| {
        let text = text.lines().next().unwrap_or_default();
        if text.is_empty() { None } else { Some(Password::of(&auth.username, realm, text)) }
    };
    let password = match &auth.password {
        PasswordSource::File(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| fault(format!("cannot read {}: {error}", path.display())))?;
            of(&text).ok_or_else(|| fault(format!("{} begins with an empty line", path.display())))?
        }
        PasswordSource::Environment(name) => {
            let text = std::env::var(name).map_err(|_| fault(format!("the variable {name} is not set")))?;
            of(&text).ok_or_else(|| fault(format!("the variable {name} is empty")))?
        }
        PasswordSource::Plain(text) => of(text).ok_or_else(|| fault("the password is empty".to_owned()))?,
        PasswordSource::Hashes { sha256, md5 } => Password::stored(sha256.clone(), md5.clone()),
    };
    Ok(Auth {
        username: auth.username.clone(),
        password: if auth.require_sha256 { password.only_sha256() } else { password },
        register_as: auth.register_as.clone(),
    })
}

fn route_target(route: &crate::config::Route) -> RouteTarget {
    RouteTarget { uri: route.hop.uri.clone(), priority: route.priority, weight: route.weight }
}

fn listens_on_tcp(config: &Config) -> bool {
    config.sip.listen.iter().any(|listen| listen.protocol == crate::config::Protocol::Tcp)
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Ip(address) => address.to_string(),
        Host::Name(name) => name.clone(),
    }
}

/// The port of the first TLS listener; `listen` are the bound addresses in the configuration's order.
fn tls_port(config: &Config, listen: &[SocketAddr]) -> Option<u16> {
    let at = config.sip.listen.iter().position(|listen| listen.protocol == crate::config::Protocol::Tls)?;
    let configured = config.sip.listen.get(at).map(|listen| listen.address.port());
    listen.get(at).map(SocketAddr::port).or(configured).filter(|port| *port != 0)
}

/// How numbers are read by default.
pub(super) fn trunk_context(config: &Config) -> Result<TrunkContext, Failure> {
    let mut context = TrunkContext::new(&config.numbering.region)
        .map_err(|error| Failure::of(format!("[numbering] region: {error}")))?;
    for number in &config.numbering.emergency {
        if !context.emergency.contains(number) {
            context.emergency.push(number.clone());
        }
    }
    // Up to five digits are extensions anyway (caller-id rule 6); a longer plan is named by its length.
    context.extensions =
        (6..=config.numbering.extension_digits).map(|digits| "X".repeat(digits.into())).collect();
    Ok(context)
}

/// The house's own templates, or the shipped ones.
pub(super) fn templates(config: &Config) -> Result<Templates, Failure> {
    let Some(path) = &config.guidance.templates else { return Ok(Templates::shipped()) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::of(format!("[guidance] templates: cannot read {}: {error}", path.display()))
    })?;
    Templates::parse(&text).map_err(|faults| {
        Failure::lines_of(faults.iter().map(|fault| format!("{}: {fault}", path.display())))
    })
}

/// What the storage is told.
pub(super) fn storage_settings(config: &Config) -> StorageSettings {
    let mut settings = StorageSettings::new(config.database.url.to_url());
    settings.look_up_connections = config.database.look_up_connections;
    settings.busy_timeout_ms = u64::try_from(config.database.busy_timeout.as_millis()).unwrap_or(u64::MAX);
    settings
}

/// How large the house's own rules may be.
pub(super) fn rule_limits(config: &Config) -> RuleLimits {
    let rules = &config.rules;
    RuleLimits {
        octets: rules.octets,
        rules: rules.rules,
        conditions: rules.conditions,
        entries: rules.entries,
        pattern: rules.pattern,
    }
}

/// What the desk is told.
pub(super) fn desk_settings(config: &Config) -> DeskSettings {
    DeskSettings {
        allowed_origins: config.http.allowed_origins.clone(),
        queue_frames: config.desk.queue,
        sockets_per_agent: config.desk.sockets_per_agent,
        sockets: config.desk.sockets,
        ping_every: config.desk.heartbeat,
        render_within: config.desk.render_within,
        commands_per_s: config.desk.commands_per_s,
        hub: HubSettings {
            keep_for: config.desk.replay,
            keep_events: config.desk.replay_events,
            ..HubSettings::default()
        },
        starts_asleep: true,
        ..DeskSettings::default()
    }
}

/// Where SIP is received.
pub(super) fn listen_addresses(config: &Config) -> Vec<ListenAddress> {
    let mut addresses = Vec::new();
    for listen in &config.sip.listen {
        let protocol = match listen.protocol {
            crate::config::Protocol::Udp => Protocol::Udp,
            crate::config::Protocol::Tcp => Protocol::Tcp,
            crate::config::Protocol::Tls => Protocol::Tls,
        };
        addresses.push(ListenAddress { protocol, address: listen.address });
    }
    addresses
}

/// Reads certificates, keys and authorities.
pub(super) fn tls(config: &Config) -> Result<Tls, Failure> {
    let tls = &config.sip.tls;
    let pins = config
        .sip
        .peers
        .iter()
        .filter_map(|peer| Some(Pin { networks: peer.addresses.clone(), sha256: peer.tls_pin? }));
    let files = TlsFiles {
        certificate: tls.certificate.clone(),
        client_ca: tls.client_ca.clone(),
        ca: tls.ca.clone(),
        pins: pins.collect(),
    };
    Tls::load(&files).map_err(|error| Failure::of(format!("[sip.tls]: {error}")))
}

/// What the transports are told.
pub(super) fn transport_settings(config: &Config) -> TransportSettings {
    TransportSettings {
        message_bytes: config.sip.limits.message_bytes,
        stream_message_timeout: config.sip.limits.stream_message_timeout,
        idle_timeout: config.sip.limits.connection_idle,
        connections: config.sip.limits.connections,
        connections_per_peer: config.sip.limits.connections_per_source,
        handshake_timeout: config.sip.limits.handshake_timeout,
        handshakes_per_peer: config.sip.limits.handshakes_per_source,
        keep_alive: config.sip.limits.keep_alive,
        outbox_bytes: config.sip.limits.send_queue_bytes,
        udp_bundles: config.sip.udp_bundles,
        ..TransportSettings::default()
    }
}

/// A peer with a certificate of its own is two: the one that shows it, and the one that has only its address
/// and therefore no rights beyond calling us (N8).
fn engine_peers(
    peer: &crate::config::Peer,
    numbering: &TrunkContext,
    realm: &str,
) -> Result<Vec<Peer>, Failure> {
    let by_address = engine_peer(peer, numbering, realm)?;
    let Some(name) = &peer.tls_name else { return Ok(vec![by_address]) };
    let certificate = Some(CertificateName::of(name));
    let named = Peer { addresses: Vec::new(), certificate, ..by_address.clone() };
    let unproven = Peer { trust_identity: false, preloaded_route: false, transfers: false, ..by_address };
    Ok(vec![named, unproven])
}

fn engine_peer(peer: &crate::config::Peer, numbering: &TrunkContext, realm: &str) -> Result<Peer, Failure> {
    let mut numbering = numbering.clone();
    numbering.bare_country_code = peer.bare_country_code;
    Ok(Peer {
        name: peer.name.clone(),
        addresses: peer.addresses.clone(),
        trust_identity: peer.trust_identity,
        called_number: peer
            .called_number
            .iter()
            .map(|source| match source {
                CalledNumberSource::PCalledPartyId => CalledSource::PCalledPartyId,
                CalledNumberSource::To => CalledSource::To,
                CalledNumberSource::RequestUri => CalledSource::RequestUri,
                CalledNumberSource::FirstDiversion => CalledSource::FirstDiversion,
            })
            .collect(),
        preloaded_route: peer.preloaded_route,
        transfers: peer.transfers,
        certificate: None,
        calls_per_s: peer.calls_per_s.unwrap_or(0),
        numbering,
        auth: peer.auth.as_ref().map(|auth| peer_auth(auth, realm)).transpose()?,
    })
}

/// An empty map of statuses, for a start without a database.
pub(super) fn no_statuses() -> BTreeMap<crate::presence::AgentId, crate::presence::StoredStatus> {
    BTreeMap::new()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("/etc/toritsugi")).expect("sound")
    }

    #[test]
    fn n51_no_music_goes_to_an_address_of_ours_whatever_it_is_for() {
        let rules = media_targets(&config(
            "[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\nadvertise = \"192.0.2.30\"\n\
             own_names = [\"192.0.2.31\"]\n\
             [media]\naddress = [\"198.51.100.7\"]\n[http]\nlisten = \"192.0.2.32:8080\"\n\
             [metrics]\nlisten = \"192.0.2.33:9090\"",
        ));
        for (target, may) in [
            ("192.0.2.30:4000", false),
            ("192.0.2.31:4000", false),
            ("192.0.2.32:4000", false),
            ("192.0.2.33:4000", false),
            ("198.51.100.7:4000", false),
            ("127.0.0.1:4000", false),
            ("203.0.113.9:4000", true),
        ] {
            assert_eq!(rules.allow(target.parse().expect("an address")), may, "{target}");
        }
    }

    #[test]
    fn callers_are_told_an_address_that_means_one_host() {
        for (text, ipv4, ipv6) in [
            ("", Some("127.0.0.1"), None),
            ("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\nadvertise = \"192.0.2.30\"", Some("192.0.2.30"), None),
            ("[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\nadvertise = \"sip.example\"", None, None),
            (
                "[sip]\nlisten = [\"udp:192.0.2.30:5060\", \"udp:[2001:db8::30]:5060\"]",
                Some("192.0.2.30"),
                Some("2001:db8::30"),
            ),
            (
                "[media]\naddress = [\"198.51.100.7\", \"2001:db8::7\"]",
                Some("198.51.100.7"),
                Some("2001:db8::7"),
            ),
        ] {
            let config = config(text);
            let told = |ipv6| told_address(&config, ipv6).map(|address| address.to_string());
            assert_eq!((told(false).as_deref(), told(true).as_deref()), (ipv4, ipv6), "{text}");
            assert_eq!(no_media_address(&config).is_some(), ipv4.is_none() && ipv6.is_none(), "{text}");
        }
    }

    #[test]
    fn an_address_of_a_translation_is_told_and_every_address_is_listened_on() {
        let config = config("[media]\naddress = [\"198.51.100.7\"]");
        let ipv4 = media_settings(&config).ipv4.expect("an address");
        assert_eq!((ipv4.bind.to_string(), ipv4.told.to_string()), ("0.0.0.0".into(), "198.51.100.7".into()));
        let local = media_settings(&Config::default()).ipv4.expect("an address");
        assert_eq!(
            (local.bind.to_string(), local.told.to_string()),
            ("127.0.0.1".into(), "127.0.0.1".into())
        );
    }
}
