//! Names of next hops, asked by DNS (RFC 3263): in time, in bounds, and remembered for a while.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use ipnet::IpNet;
use rand::RngExt as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant as Deadline, timeout_at};
use tokio_util::task::TaskTracker;

use crate::cli::Failure;
use crate::config::{Config, Host};
use crate::driver::{FromWorld, ResolveJob};
use crate::engine::Resolution;
use crate::proxy::locate::{self, Naptr, Question, Server, TARGETS};
use crate::telemetry::metric;
use crate::transport::Protocol;

/// How long a name may take in all (N41).
const WITHIN: Duration = Duration::from_secs(2);

/// How long services are waited for, so that a server which leaves such questions unanswered still leaves
/// time for addresses.
const SERVICES_WITHIN: Duration = Duration::from_millis(1_200);

/// How long one question waits before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The shortest and the longest time an answer is believed, whatever its TTL says.
const LASTS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3_600));

/// How long a name without an answer is not asked again.
const FAILED_LASTS: Duration = Duration::from_secs(5);

/// Names remembered; above it those that end first give way.
const NAMES: usize = 1_024;

/// Names asked at one time; above it a name has no answer (an NXDOMAIN flood must not become memory).
const ASKED_AT_ONCE: usize = 256;

/// Answers names until nobody asks any more.
pub(super) async fn resolve(
    resolver: Arc<Resolver>,
    mut jobs: mpsc::Receiver<ResolveJob>,
    world: mpsc::Sender<FromWorld>,
) {
    let tasks = TaskTracker::new();
    while let Some(job) = jobs.recv().await {
        let Ok(permit) = Arc::clone(&resolver.asked_at_once).try_acquire_owned() else {
            metrics::counter!(metric::NAMES, "outcome" => "overloaded").increment(1);
            world.send(FromWorld::Resolved(job.token, Resolution::default())).await.ok();
            continue;
        };
        let (world, resolver) = (world.clone(), Arc::clone(&resolver));
        tasks.spawn(async move {
            let resolution = resolver.resolution(&job.host, job.port, job.protocol).await;
            drop(permit);
            world.send(FromWorld::Resolved(job.token, resolution)).await.ok();
        });
    }
}

/// What asks, and what it remembers.
pub(super) struct Resolver {
    dns: TokioResolver,
    known: Mutex<HashMap<Key, Known>>,
    /// Names of this machine's own table (`/etc/hosts`).
    hosts: Hosts,
    /// Whose addresses a name may have although they are inside.
    inside: Vec<IpNet>,
    /// Names, and all names below them, that may have addresses inside.
    inside_names: Vec<String>,
    /// Which families we can send from: IPv4, IPv6.
    families: (bool, bool),
    asked_at_once: Arc<Semaphore>,
}

type Key = (String, Option<u16>, Option<Protocol>);

#[derive(Clone)]
struct Known {
    servers: Arc<[Server]>,
    until: Instant,
}

/// What one question brought, and until when it may be believed.
struct Found<T> {
    records: Vec<T>,
    until: Option<Instant>,
}

impl<T> Found<T> {
    fn nothing() -> Self {
        Self { records: Vec::new(), until: None }
    }
}

impl Resolver {
    /// A resolver as the configuration and the system say.
    pub(super) fn new(config: &Config) -> Result<Self, Failure> {
        let fault = |error| Failure::of(format!("[sip] dns_servers: names cannot be resolved: {error}"));
        let provider = TokioRuntimeProvider::default();
        let mut builder = if config.sip.dns_servers.is_empty() {
            TokioResolver::builder(provider.clone()).unwrap_or_else(|error| {
                tracing::warn!(%error, "the system's resolver settings cannot be read; asking this machine");
                let local = SocketAddr::from(([127, 0, 0, 1], 53));
                TokioResolver::builder_with_config(servers(&[local]), provider)
            })
        } else {
            TokioResolver::builder_with_config(servers(&config.sip.dns_servers), provider)
        };
        let options = builder.options_mut();
        options.timeout = ASK_AGAIN;
        options.attempts = 3;
        options.use_hosts_file = ResolveHosts::Always;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // We remember what the records come to, with our own bounds.
        options.cache_size = 0;
        let listens = |v4: bool| config.sip.listen.iter().any(|listen| listen.address.is_ipv4() == v4);
        let routes = config.sip.routes.iter().filter_map(|route| match &route.hop.target.host {
            Host::Name(name) => Some(name.clone()),
            Host::Ip(_) => None,
        });
        Ok(Self {
            dns: builder.build().map_err(fault)?,
            known: Mutex::default(),
            hosts: Hosts::from_system().unwrap_or_default(),
            inside: config.sip.peers.iter().flat_map(|peer| peer.addresses.clone()).collect(),
            inside_names: config.sip.private_names.iter().cloned().chain(routes).collect(),
            families: (listens(true), listens(false)),
            asked_at_once: Arc::new(Semaphore::new(ASKED_AT_ONCE)),
        })
    }

    /// The targets of a name, in the order in which they are to be tried this time.
    pub(super) async fn resolution(
        &self,
        host: &str,
        port: Option<u16>,
        protocol: Option<Protocol>,
    ) -> Resolution {
        let key = (host.trim_end_matches('.').to_ascii_lowercase(), port, protocol);
        let known = match self.recall(&key) {
            Some(known) => known,
            None => {
                let known = self.ask(&key).await;
                self.remember(key, known.clone());
                known
            }
        };
        let outcome = if known.servers.is_empty() { "none" } else { "found" };
        metrics::counter!(metric::NAMES, "outcome" => outcome).increment(1);
        let mut random = |limit: u32| rand::rng().random_range(0..=limit);
        // Weights are drawn for each request: such an order must not be kept.
        let lasts = if locate::is_drawn(&known.servers) {
            Duration::ZERO
        } else {
            known.until.saturating_duration_since(Instant::now())
        };
        Resolution { targets: locate::order(&known.servers, &mut random), lasts }
    }

    async fn ask(&self, (host, port, protocol): &Key) -> Known {
        let found = match locate::question(host, *port, *protocol) {
            Question::Nothing => Found::nothing(),
            Question::Addresses { protocol, port } => self.ask_addresses(host, protocol, port).await,
            // What stands in this machine's own table offers no services.
            Question::Services { protocol, .. } if self.is_own_name(host) => {
                self.ask_addresses(host, protocol, locate::default_port(protocol)).await
            }
            Question::Services { naptr, names, protocol: fallback } => {
                let services = self.ask_services(host, naptr, names, *protocol);
                // The host's own addresses are asked meanwhile: most names have no services.
                let addresses = self.ask_addresses(host, fallback, locate::default_port(fallback));
                let (services, addresses) = tokio::join!(services, addresses);
                services.unwrap_or(addresses)
            }
        };
        let now = Instant::now();
        let lasts = match found.until {
            Some(until) if !found.records.is_empty() => {
                until.saturating_duration_since(now).clamp(LASTS.0, LASTS.1)
            }
            Some(_) | None => FAILED_LASTS,
        };
        Known { servers: found.records.into(), until: now + lasts }
    }

    /// The host's own addresses as one server.
    async fn ask_addresses(&self, host: &str, protocol: Protocol, port: u16) -> Found<Server> {
        let found = self.addresses(host, protocol, Deadline::now() + WITHIN).await;
        let addresses = found.records.into_iter().map(|ip| SocketAddr::new(ip, port)).collect::<Vec<_>>();
        let server = Server { service: 0, priority: 0, weight: 0, protocol, addresses };
        let records = if server.addresses.is_empty() { Vec::new() } else { vec![server] };
        Found { records, until: found.until }
    }

    /// The servers of the services; `None` when the name has no SRV record at all (RFC 3263 §4.2).
    async fn ask_services(
        &self,
        host: &str,
        naptr: bool,
        names: Vec<(Protocol, String)>,
        protocol: Option<Protocol>,
    ) -> Option<Found<Server>> {
        let services_until = Deadline::now() + SERVICES_WITHIN;
        let until = Deadline::now() + WITHIN;
        // Asked side by side: a name without NAPTR must not cost a second round.
        let chosen = async { if naptr { self.naptr(host, services_until).await } else { Found::nothing() } };
        let default = join_all(names.iter().map(|(_, name)| self.services(name, services_until)));
        let (chosen, default) = tokio::join!(chosen, default);
        let mut ends = chosen.until;
        let chosen = locate::services(&chosen.records, protocol);
        let services: Vec<(Protocol, Found<Srv>)> = if chosen.is_empty() {
            names.into_iter().map(|(protocol, _)| protocol).zip(default).collect()
        } else {
            let answers = join_all(chosen.iter().map(|(_, name)| self.services(name, services_until))).await;
            chosen.into_iter().map(|(protocol, _)| protocol).zip(answers).collect()
        };
        if services.iter().all(|(_, found)| found.records.is_empty()) {
            return None;
        }
        let mut asked = Vec::new();
        for (service, (protocol, found)) in services.into_iter().enumerate() {
            ends = earlier(ends, found.until);
            asked.extend(found.records.into_iter().map(|record| (service, protocol, record)));
        }
        asked.sort_by_key(|(service, _, record)| (*service, record.priority));
        asked.truncate(TARGETS);
        let servers = asked.into_iter().map(|(service, protocol, record)| async move {
            let found = self.addresses(&record.target, protocol, until).await;
            let addresses = found.records.into_iter().map(|ip| SocketAddr::new(ip, record.port)).collect();
            let Srv { priority, weight, .. } = record;
            (Server { service, priority, weight, protocol, addresses }, found.until)
        });
        let mut records = Vec::new();
        for (server, until) in join_all(servers).await {
            if !server.addresses.is_empty() {
                ends = earlier(ends, until);
                records.push(server);
            }
        }
        Some(Found { records, until: ends })
    }

    async fn naptr(&self, host: &str, until: Deadline) -> Found<Naptr> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let read = |data: &RData| {
            let RData::NAPTR(record) = data else { return None };
            Some(Naptr {
                order: record.order,
                preference: record.preference,
                flags: text(&record.flags),
                service: text(&record.services),
                replacement: record.replacement.to_ascii(),
            })
        };
        self.records(&format!("{host}."), RecordType::NAPTR, until, read).await
    }

    async fn services(&self, name: &str, until: Deadline) -> Found<Srv> {
        let read = |data: &RData| {
            let RData::SRV(record) = data else { return None };
            // A target of "." says that there is no such service (RFC 2782).
            (!record.target.is_root() && record.port != 0).then(|| Srv {
                priority: record.priority,
                weight: record.weight,
                port: record.port,
                target: record.target.to_ascii(),
            })
        };
        self.records(name, RecordType::SRV, until, read).await
    }

    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        until: Deadline,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Found<T> {
        match timeout_at(until, self.dns.lookup(name, kind)).await {
            Ok(Ok(answer)) => Found {
                records: answer.answers().iter().filter_map(|record| read(&record.data)).collect(),
                until: Some(answer.valid_until()),
            },
            // No such records, a silent server, a loop of CNAMEs: the name has none.
            Ok(Err(_)) | Err(_) => Found::nothing(),
        }
    }

    async fn addresses(&self, host: &str, protocol: Protocol, until: Deadline) -> Found<IpAddr> {
        let Ok(Ok(answer)) = timeout_at(until, self.dns.lookup_ip(host)).await else {
            return Found::nothing();
        };
        let mut records: Vec<IpAddr> = answer
            .iter()
            .filter(|address| self.is_reachable(*address, protocol) && self.may_answer(host, *address))
            .take(TARGETS)
            .collect();
        // RFC 7984 §3: both families are tried; the one we listen on first.
        records.sort_by_key(|address| !self.listens_on(*address));
        Found { records, until: Some(answer.valid_until()) }
    }

    /// A datagram needs a listener of its family to be sent from.
    fn is_reachable(&self, address: IpAddr, protocol: Protocol) -> bool {
        !address.is_unspecified() && (protocol != Protocol::Udp || self.listens_on(address))
    }

    const fn listens_on(&self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.families.0 } else { self.families.1 }
    }

    /// An address inside is believed from names of ours, and when it is a peer's anyway; else somebody's name
    /// could point our requests at our own machines (N41).
    fn may_answer(&self, host: &str, address: IpAddr) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let below = |name: &String| {
            let ending = name.trim_start_matches('.');
            host.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let believed = !locate::is_inside(address)
            || self.is_own_name(&host)
            || !host.contains('.')
            || self.inside.iter().any(|net| net.contains(&address.to_canonical()))
            || self.inside_names.iter().any(below);
        if !believed {
            metrics::counter!(metric::NAMES, "outcome" => "private").increment(1);
            tracing::warn!(%address, "a name from outside has an address inside; it is not used");
        }
        believed
    }

    fn is_own_name(&self, host: &str) -> bool {
        let Ok(name) = Name::from_utf8(host) else { return false };
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .any(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)).is_some())
    }

    fn recall(&self, key: &Key) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|known| known.until > Instant::now()).cloned()
    }

    #[expect(clippy::cast_precision_loss, reason = "a table's size is far below 2^52")]
    fn remember(&self, key: Key, found: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES && !known.contains_key(&key) {
            let now = Instant::now();
            known.retain(|_, known| known.until > now);
            let first = known.iter().min_by_key(|(_, known)| known.until).map(|(key, _)| key.clone());
            if let Some(first) = first.filter(|_| known.len() >= NAMES) {
                known.remove(&first);
            }
        }
        known.insert(key, found);
        metrics::gauge!(metric::NAMES_KEPT).set(known.len() as f64);
    }
}

/// One SRV record.
struct Srv {
    priority: u16,
    weight: u16,
    port: u16,
    target: String,
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

fn servers(addresses: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
        udp.port = address.port();
        tcp.port = address.port();
        NameServerConfig::new(address.ip(), true, vec![udp, tcp])
    };
    ResolverConfig::from_name_servers(addresses.iter().map(server).collect())
}

#[cfg(test)]
#[path = "../../tests/support/dns.rs"]
mod dns;
#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;
