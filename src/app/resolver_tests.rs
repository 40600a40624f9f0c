//! RFC 3263 against a DNS server that answers, lies, circles and is silent.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::dns::{Dns, Zone};
use super::{ASKED_AT_ONCE, NAMES, Resolver, WITHIN, resolve};
use crate::config::Config;
use crate::driver::{FromWorld, ResolveJob};
use crate::engine::{Resolution, ResolveToken};
use crate::transport::Protocol;

/// A machine that is busy with other tests is slower than the bound itself.
const SLACK: Duration = Duration::from_millis(1_500);

fn resolver(dns: &Dns) -> Resolver {
    let text = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\nadvertise = \"127.0.0.1:5060\"\n\
         dns_servers = [\"{}\"]\nprivate_names = [\"lan.example\"]\n\
         [[sip.peer]]\nname = \"phones\"\naddresses = [\"10.9.0.0/16\"]\n",
        dns.address
    );
    Resolver::new(&Config::parse(&text, Path::new("")).expect("sound")).expect("names can be asked")
}

/// The targets as `udp 192.0.2.1:5060`.
fn targets(resolution: &Resolution) -> Vec<String> {
    let words = resolution.targets.iter();
    words.map(|target| format!("{} {}", target.protocol.via_name(), target.remote)).collect()
}

async fn ask(resolver: &Resolver, host: &str) -> Vec<String> {
    targets(&resolver.resolution(host, None, None).await)
}

#[tokio::test]
async fn v7_naptr_leads_to_services_and_services_to_addresses_in_their_order() {
    let dns = Dns::start(
        Zone::default()
            .pointer("example.jp", (10, 20), "SIP+D2U", "_sip._udp.example.jp")
            .pointer("example.jp", (10, 10), "SIP+D2T", "_sip._tcp.other.jp")
            .pointer("example.jp", (20, 10), "SIPS+D2T", "_sips._tcp.example.jp")
            .service("_sip._udp.example.jp", (2, 0, 5070), "b.example.jp")
            .service("_sip._udp.example.jp", (1, 0, 5080), "a.example.jp")
            .service("_sip._tcp.other.jp", (1, 0, 5090), "a.example.jp")
            .address("a.example.jp", "198.51.100.1", 300)
            .address("a.example.jp", "198.51.100.2", 300)
            .address("b.example.jp", "198.51.100.3", 300),
    );
    let mut found = ask(&resolver(&dns), "Example.JP").await;
    found[..2].sort();
    found[2..4].sort();
    let expected = [
        "TCP 198.51.100.1:5090",
        "TCP 198.51.100.2:5090",
        "UDP 198.51.100.1:5080",
        "UDP 198.51.100.2:5080",
        "UDP 198.51.100.3:5070",
    ];
    assert_eq!(found, expected, "{:?}", dns.asked());
}

#[tokio::test]
async fn v7_without_naptr_the_services_are_asked_and_without_services_the_addresses() {
    let dns = Dns::start(
        Zone::default()
            .service("_sip._tcp.srv.example", (1, 0, 5070), "a.srv.example")
            .address("a.srv.example", "198.51.100.1", 300)
            .address("srv.example", "198.51.100.9", 300)
            .alias("plain.example", "real.example")
            .address("real.example", "198.51.100.2", 300),
    );
    let resolver = resolver(&dns);
    assert_eq!(ask(&resolver, "srv.example").await, ["TCP 198.51.100.1:5070"]);
    assert_eq!(ask(&resolver, "plain.example").await, ["UDP 198.51.100.2:5060"]);
    assert_eq!(ask(&resolver, "nobody.example").await, [""; 0]);
}

#[tokio::test]
async fn v7_a_port_asks_no_services_and_a_transport_no_naptr() {
    let dns = Dns::start(
        Zone::default()
            .service("_sip._udp.a.example", (1, 0, 5070), "b.example")
            .service("_sip._tcp.a.example", (1, 0, 5071), "b.example")
            .service("_sips._tcp.a.example", (1, 0, 5072), "b.example")
            .address("a.example", "198.51.100.1", 300)
            .address("b.example", "198.51.100.2", 300),
    );
    let resolver = resolver(&dns);
    let with_port = resolver.resolution("a.example", Some(5090), Some(Protocol::Tcp)).await;
    assert_eq!(targets(&with_port), ["TCP 198.51.100.1:5090"]);
    assert!(dns.asked().iter().all(|asked| asked.starts_with('A')), "{:?}", dns.asked());
    let with_transport = resolver.resolution("a.example", None, Some(Protocol::Udp)).await;
    assert_eq!(targets(&with_transport), ["UDP 198.51.100.2:5070"]);
    assert!(!dns.asked().iter().any(|asked| asked.starts_with("NAPTR")), "{:?}", dns.asked());
    let secure = resolver.resolution("a.example", None, Some(Protocol::Tls)).await;
    assert_eq!(targets(&secure), ["TLS 198.51.100.2:5072"]);
}

#[tokio::test]
async fn v7_ipv6_is_no_target_for_datagrams_without_a_listener_of_its_kind() {
    let dns = Dns::start(Zone::default().address("a.example", "2001:db8::1", 300).address(
        "a.example",
        "198.51.100.1",
        300,
    ));
    let resolver = resolver(&dns);
    assert_eq!(ask(&resolver, "a.example").await, ["UDP 198.51.100.1:5060"]);
    let tcp = resolver.resolution("a.example", None, Some(Protocol::Tcp)).await;
    assert_eq!(targets(&tcp), ["TCP 198.51.100.1:5060", "TCP [2001:db8::1]:5060"]);
}

#[tokio::test]
async fn n41_loops_end() {
    let dns = Dns::start(
        Zone::default().alias("one.example", "two.example").alias("two.example", "one.example").service(
            "_sip._udp.self.example",
            (1, 0, 5060),
            "_sip._udp.self.example",
        ),
    );
    let resolver = resolver(&dns);
    for name in ["one.example", "self.example"] {
        let began = Instant::now();
        assert_eq!(ask(&resolver, name).await, [""; 0], "{name}");
        assert!(began.elapsed() < WITHIN + SLACK, "{name} took {:?}", began.elapsed());
    }
    assert!(dns.asked().len() < 100, "{} questions", dns.asked().len());
}

#[tokio::test]
async fn n41_a_silent_server_costs_two_seconds_once() {
    let dns = Dns::start(Zone::default().silence("quiet.example"));
    let resolver = resolver(&dns);
    let began = Instant::now();
    assert_eq!(ask(&resolver, "quiet.example").await, [""; 0]);
    assert!(began.elapsed() < WITHIN + SLACK, "{:?}", began.elapsed());
    let asked = dns.asked().len();
    assert_eq!(ask(&resolver, "quiet.example").await, [""; 0]);
    assert_eq!(dns.asked().len(), asked, "it is not asked again at once");
}

#[tokio::test]
async fn n41_unanswered_services_leave_time_for_addresses() {
    let quiet = ["_sip._udp.half.example", "_sip._tcp.half.example"];
    let zone = Zone::default().address("half.example", "198.51.100.1", 300);
    let dns = Dns::start(quiet.into_iter().fold(zone, Zone::silence));
    let began = Instant::now();
    assert_eq!(ask(&resolver(&dns), "half.example").await, ["UDP 198.51.100.1:5060"]);
    assert!(began.elapsed() < WITHIN + SLACK, "{:?}", began.elapsed());
}

#[tokio::test]
async fn n41_of_many_records_32_are_tried() {
    let mut zone = Zone::default();
    for n in 0..36_u16 {
        let host = format!("h{n}.example");
        zone = zone.service("_sip._udp.many.example", (n, 0, 5060), &host);
        zone = zone.address(&host, &format!("198.51.100.{n}"), 300);
    }
    let dns = Dns::start(zone);
    let found = ask(&resolver(&dns), "many.example").await;
    assert_eq!((found.len(), found[0].as_str()), (32, "UDP 198.51.100.0:5060"));
}

#[tokio::test]
async fn n41_a_ttl_is_held_within_its_bounds() {
    let dns = Dns::start(Zone::default().address("zero", "198.51.100.1", 0).address(
        "long",
        "198.51.100.2",
        10_000_000,
    ));
    let resolver = resolver(&dns);
    let zero = resolver.resolution("zero", None, None).await;
    let asked = dns.asked().len();
    assert!((4..=5).contains(&zero.lasts.as_secs()), "{:?}", zero.lasts);
    assert_eq!(resolver.resolution("zero", None, None).await.targets, zero.targets);
    assert_eq!(dns.asked().len(), asked, "a TTL of zero is five seconds");
    let long = resolver.resolution("long", None, None).await;
    assert!((3_590..=3_600).contains(&long.lasts.as_secs()), "{:?}", long.lasts);
}

#[tokio::test]
async fn v7_an_order_that_weights_have_drawn_is_not_kept() {
    let dns = Dns::start(
        Zone::default()
            .service("_sip._udp.w.example", (1, 1, 5060), "a.example")
            .service("_sip._udp.w.example", (1, 1, 5060), "b.example")
            .address("a.example", "198.51.100.1", 300)
            .address("b.example", "198.51.100.2", 300),
    );
    let resolver = resolver(&dns);
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let resolution = resolver.resolution("w.example", None, None).await;
        assert_eq!((resolution.targets.len(), resolution.lasts), (2, Duration::ZERO));
        first.insert(targets(&resolution)[0].clone());
    }
    assert_eq!(first.len(), 2, "both are first now and then");
}

#[tokio::test]
async fn n41_an_address_inside_is_refused_from_outside_names() {
    let inside = ["127.0.0.1", "10.1.1.1", "192.168.0.1", "169.254.169.254"];
    let mut zone = Zone::default().address("good.example", "10.9.0.7", 300);
    for (n, ip) in inside.iter().enumerate() {
        zone = zone.address(&format!("evil{n}.example"), ip, 300);
        zone = zone.address(&format!("n{n}.lan.example"), ip, 300);
    }
    let dns = Dns::start(zone.address("evillan.example", "10.1.1.1", 300).address("box", "10.1.1.1", 300));
    let resolver = resolver(&dns);
    for (n, ip) in inside.iter().enumerate() {
        assert_eq!(ask(&resolver, &format!("evil{n}.example")).await, [""; 0], "{ip}");
        assert_eq!(ask(&resolver, &format!("n{n}.lan.example")).await, [format!("UDP {ip}:5060")]);
    }
    assert_eq!(ask(&resolver, "evillan.example").await, [""; 0], "only whole labels count");
    assert_eq!(ask(&resolver, "good.example").await, ["UDP 10.9.0.7:5060"], "a peer's own network");
    assert_eq!(ask(&resolver, "box").await, ["UDP 10.1.1.1:5060"], "a name without a dot is ours");
}

#[tokio::test]
async fn names_of_this_machine_need_no_server() {
    let dns = Dns::start(Zone::default());
    assert_eq!(ask(&resolver(&dns), "localhost").await, ["UDP 127.0.0.1:5060"]);
    assert_eq!(dns.asked(), [""; 0]);
}

#[tokio::test]
async fn n41_a_flood_of_names_is_bounded_in_memory_and_in_work() {
    let dns = Dns::start(Zone::default().silence("quiet"));
    let resolver = Arc::new(resolver(&dns));
    for n in 0..NAMES + 200 {
        resolver.resolution(&format!(".{n}"), None, None).await;
    }
    assert_eq!(resolver.known.lock().expect("whole").len(), NAMES);
    let (jobs, queue) = mpsc::channel(1_024);
    let (world, mut answers) = mpsc::channel(1_024);
    for n in 0..u16::try_from(ASKED_AT_ONCE).expect("few") + 10 {
        let job = ResolveJob {
            token: ResolveToken(n.into()),
            host: "quiet".to_owned(),
            port: Some(1_024 + n),
            protocol: None,
        };
        jobs.send(job).await.expect("room");
    }
    let began = Instant::now();
    tokio::spawn(resolve(resolver, queue, world));
    for _ in 0..10 {
        let Some(FromWorld::Resolved(token, resolution)) = answers.recv().await else { panic!("no answer") };
        assert!(token.0 >= 256, "those above the limit are answered first, not {token:?}");
        assert_eq!(resolution, Resolution::default());
    }
    assert!(began.elapsed() < WITHIN, "at once, not after {:?}", began.elapsed());
}
