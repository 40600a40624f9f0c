//! RFC 3263 §4: which records a SIP host name is asked for, and in what order its servers are tried (RFC
//! 2782).

use std::net::{IpAddr, SocketAddr};

use super::target::Target;
use crate::transport::Protocol;

/// More targets than these are never tried (N41).
pub const TARGETS: usize = 32;

/// What to ask for first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Addresses only; this protocol and port are meant.
    Addresses {
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
    },
    /// Where the services are.
    Services {
        /// Whether NAPTR may choose among protocols; otherwise, and without such records, `names` are asked.
        naptr: bool,
        /// SRV names, the preferred protocol first.
        names: Vec<(Protocol, String)>,
        /// What addresses of the host itself mean when there is no SRV record at all.
        protocol: Protocol,
    },
    /// Nothing: this is no host name.
    Nothing,
}

/// The question for a host name, its port and its protocol as far as the URI names them.
///
/// A port that is written stands for "no SRV" (§4.2), a transport for "no NAPTR" (§4.1); TLS is asked by
/// NAPTR in either case, since `sips:` names it by itself. A name without a dot is a machine of ours and
/// offers no services.
pub fn question(host: &str, port: Option<u16>, protocol: Option<Protocol>) -> Question {
    let bare = host.trim_end_matches('.');
    if !is_host_name(bare) {
        return Question::Nothing;
    }
    let default = protocol.unwrap_or(Protocol::Udp);
    if port.is_some() || !bare.contains('.') {
        let port = port.unwrap_or(default_port(default));
        return Question::Addresses { protocol: default, port };
    }
    let asked = match protocol {
        Some(protocol) => vec![protocol],
        None => vec![Protocol::Udp, Protocol::Tcp],
    };
    Question::Services {
        naptr: matches!(protocol, None | Some(Protocol::Tls)),
        names: asked.into_iter().map(|protocol| (protocol, service_name(protocol, bare))).collect(),
        protocol: default,
    }
}

/// RFC 3261 §19.1.2: what is meant without a port.
pub const fn default_port(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Udp | Protocol::Tcp => 5060,
        Protocol::Tls => 5061,
    }
}

fn service_name(protocol: Protocol, host: &str) -> String {
    let service = match protocol {
        Protocol::Udp => "_sip._udp",
        Protocol::Tcp => "_sip._tcp",
        Protocol::Tls => "_sips._tcp",
    };
    format!("{service}.{host}.")
}

/// Labels of letters, digits, hyphens and underscores; the last one no number, which some resolvers would
/// take for a piece of an address (`127.1`, `.1`).
fn is_host_name(bare: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    let last = bare.rsplit('.').next().unwrap_or_default();
    bare.len() <= 253 && bare.split('.').all(label) && !last.bytes().all(|octet| octet.is_ascii_digit())
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first, and nothing above the lowest that we can use.
    pub order: u16,
    /// Lower ones first among equals.
    pub preference: u16,
    /// `s`: the replacement has SRV records.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub service: String,
    /// The name of the SRV records.
    pub replacement: String,
}

/// The SRV names that NAPTR records lead to, best first (§4.1). Where `protocol` is demanded, only that one.
pub fn services(records: &[Naptr], protocol: Option<Protocol>) -> Vec<(Protocol, String)> {
    let usable = |record: &&Naptr| {
        let service = protocol_of(&record.service);
        record.flags.eq_ignore_ascii_case("s")
            && service.is_some_and(|service| protocol.is_none_or(|asked| asked == service))
    };
    let mut sorted: Vec<&Naptr> = records.iter().filter(usable).collect();
    sorted.sort_by_key(|record| (record.order, record.preference));
    let lowest = sorted.first().map(|record| record.order);
    sorted
        .into_iter()
        .take_while(|record| Some(record.order) == lowest)
        .take(TARGETS)
        .filter_map(|record| Some((protocol_of(&record.service)?, record.replacement.clone())))
        .collect()
}

fn protocol_of(service: &str) -> Option<Protocol> {
    let known = [("SIP+D2U", Protocol::Udp), ("SIP+D2T", Protocol::Tcp), ("SIPS+D2T", Protocol::Tls)];
    known.iter().find(|(name, _)| name.eq_ignore_ascii_case(service)).map(|(_, protocol)| *protocol)
}

/// A server of a service, with its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Which service it belongs to: 0 is tried before 1.
    pub service: usize,
    /// SRV priority: lower ones first.
    pub priority: u16,
    /// SRV weight: its share among equals.
    pub weight: u16,
    /// Over this.
    pub protocol: Protocol,
    /// Its addresses, in the order in which they are to be tried.
    pub addresses: Vec<SocketAddr>,
}

/// The targets in the order in which they are tried. `random` gives a number from zero to its argument, both
/// included; each call of this function may give another order, that is what weights are for (RFC 2782).
pub fn order(servers: &[Server], random: &mut dyn FnMut(u32) -> u32) -> Vec<Target> {
    let mut left: Vec<&Server> = servers.iter().collect();
    // Those of weight zero first, so that they have a small chance (RFC 2782).
    left.sort_by_key(|server| (server.service, server.priority, server.weight != 0));
    let mut targets: Vec<Target> = Vec::new();
    while let Some(first) = left.first() {
        let group = (first.service, first.priority);
        let size = left.iter().take_while(|server| (server.service, server.priority) == group).count();
        let server = left.remove(draw(&left[..size], random));
        for remote in &server.addresses {
            let target = Target { protocol: server.protocol, remote: *remote };
            if targets.len() < TARGETS && !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    targets
}

/// Whether another call of [`order`] could give another order.
pub fn is_drawn(servers: &[Server]) -> bool {
    servers.iter().enumerate().any(|(index, one)| {
        let same = |other: &Server| (other.service, other.priority) == (one.service, one.priority);
        servers[..index].iter().any(same)
    })
}

/// RFC 2782: the first whose running sum of weights reaches the number drawn.
fn draw(group: &[&Server], random: &mut dyn FnMut(u32) -> u32) -> usize {
    let total: u32 = group.iter().map(|server| u32::from(server.weight)).sum();
    let drawn = if group.len() > 1 { random(total) } else { 0 };
    let mut sum = 0;
    let reached = group.iter().position(|server| {
        sum += u32::from(server.weight);
        sum >= drawn
    });
    reached.unwrap_or(0)
}

/// Whether an address could be inside: loopback, private, link-local, or none at all. A name from outside
/// that answers so is rebinding (N41).
pub fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
                || first == 0
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v7_the_uri_decides_what_is_asked() {
        let (udp, tcp, tls) = (Protocol::Udp, Protocol::Tcp, Protocol::Tls);
        let names = |list: &[(Protocol, &str)]| {
            list.iter().map(|(protocol, name)| (*protocol, (*name).to_owned())).collect::<Vec<_>>()
        };
        let (sip_udp, sip_tcp) = ("_sip._udp.a.example.", "_sip._tcp.a.example.");
        let both = names(&[(udp, sip_udp), (tcp, sip_tcp)]);
        let services = |naptr, names, protocol| Question::Services { naptr, names, protocol };
        let addresses = |protocol, port| Question::Addresses { protocol, port };
        let table = [
            ("a.example", None, None, services(true, both.clone(), udp)),
            ("a.example.", None, None, services(true, both, udp)),
            ("a.example", None, Some(udp), services(false, names(&[(udp, sip_udp)]), udp)),
            ("a.example", None, Some(tcp), services(false, names(&[(tcp, sip_tcp)]), tcp)),
            ("a.example", None, Some(tls), services(true, names(&[(tls, "_sips._tcp.a.example.")]), tls)),
            ("a.example", Some(5070), None, addresses(udp, 5070)),
            ("a.example", Some(5070), Some(tcp), addresses(tcp, 5070)),
            ("pbx", None, None, addresses(udp, 5060)),
            ("pbx", None, Some(tls), addresses(tls, 5061)),
        ];
        for (host, port, protocol, expected) in table {
            assert_eq!(question(host, port, protocol), expected, "{host} {port:?} {protocol:?}");
        }
    }

    #[test]
    fn n41_what_is_no_host_name_is_not_asked_for() {
        let long = format!("{}.example", "x".repeat(64));
        for host in
            [".1", "127.1", "1", "a..b", "", ".", "a b.example", "a/b", "::1", &long, &"a.".repeat(130)]
        {
            assert_eq!(question(host, None, None), Question::Nothing, "{host}");
        }
    }

    #[test]
    fn v7_naptr_is_sorted_and_only_what_we_speak_is_taken() {
        let record = |order, preference, flags: &str, service: &str, replacement: &str| Naptr {
            order,
            preference,
            flags: flags.to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        };
        let records = [
            record(50, 90, "s", "SIP+D2U", "u2."),
            record(50, 50, "S", "sips+d2t", "s."),
            record(50, 60, "s", "SIP+D2T", "t."),
            record(10, 1, "s", "SIP+D2S", "sctp."),
            record(20, 1, "u", "SIP+D2U", "regexp."),
            record(20, 1, "s", "E2U+sip", "enum."),
            record(60, 1, "s", "SIP+D2U", "above the lowest order."),
        ];
        let names =
            |protocol| services(&records, protocol).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(None), ["s.", "t.", "u2."]);
        assert_eq!(names(Some(Protocol::Tls)), ["s."]);
        assert_eq!(services(&[], None), []);
    }

    #[test]
    fn v7_priority_comes_first_and_weight_shares_among_equals() {
        let servers = [server(20, 100, 9), server(10, 10, 1), server(10, 30, 2), server(10, 0, 3)];
        // Of 40: zero draws the one without weight, up to 10 the first, above it the second.
        for (drawn, expected) in [(0, 3), (1, 1), (10, 1), (11, 2), (40, 2)] {
            assert_eq!(hosts(&servers, &mut |_| drawn)[0], expected, "drawn {drawn}");
        }
        let order = hosts(&servers, &mut |limit| limit);
        assert_eq!(order.len(), 4);
        assert_eq!(order[3], 9, "the higher priority value is last: {order:?}");
        assert!(is_drawn(&servers) && !is_drawn(&servers[..2]));
    }

    #[test]
    fn v7_shares_follow_the_weights() {
        let servers = [server(1, 1, 1), server(1, 3, 2)];
        let mut first = [0_u32; 3];
        let mut state = 1_u32;
        for _ in 0..10_000 {
            let mut random = |limit: u32| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) % (limit + 1)
            };
            first[usize::from(hosts(&servers, &mut random)[0])] += 1;
        }
        // RFC 2782 draws from zero to the sum, both included: two of five for a weight of one in four.
        assert!((3_800..4_200).contains(&first[1]), "{first:?}");
    }

    #[test]
    fn v7_a_better_service_is_tried_before_every_server_of_the_next() {
        let mut servers = [server(1, 0, 1), server(50, 0, 2)];
        servers[0].service = 1;
        assert_eq!(hosts(&servers, &mut |_| 0), [2, 1]);
    }

    #[test]
    fn n41_no_more_than_32_targets_and_each_once() {
        let servers: Vec<Server> = (0..200).map(|n| server(n, 0, u8::try_from(n % 100).unwrap())).collect();
        let order = hosts(&servers, &mut |_| 0);
        assert_eq!(order, (0..32).collect::<Vec<_>>());
        assert_eq!(hosts(&[server(1, 0, 1), server(2, 0, 1)], &mut |_| 0), [1]);
    }

    #[test]
    fn n41_inside_is_everything_that_is_not_the_internet() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["198.51.100.1", "2001:db8::1", "172.32.0.1", "100.128.0.1", "::ffff:198.51.100.1"] {
            assert!(!is_inside(outside.parse().unwrap()), "{outside}");
        }
    }

    fn server(priority: u16, weight: u16, host: u8) -> Server {
        let addresses = vec![SocketAddr::from(([192, 0, 2, host], 5060))];
        Server { service: 0, priority, weight, protocol: Protocol::Udp, addresses }
    }

    fn hosts(servers: &[Server], random: &mut dyn FnMut(u32) -> u32) -> Vec<u8> {
        let last = |target: Target| match target.remote.ip() {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(_) => 0,
        };
        order(servers, random).into_iter().map(last).collect()
    }
}
