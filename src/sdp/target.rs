//! Where media may go (N51): an address in a description is whatever its writer likes, so it must not make us
//! send to ourselves, to the machine's own network or to many.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What is known of the place we send from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetRules {
    /// Our own addresses, those of management too.
    pub own: Vec<IpAddr>,
    /// Media may go to loopback, our own addresses there included: for tests and demonstrations on one
    /// machine.
    pub loopback: bool,
}

impl TargetRules {
    /// Whether media may be sent there: never to port 0 or a port of services (RFC 8866 §5.14 wants 1024 and
    /// above), loopback, unspecified, link-local, multicast, broadcast or own addresses, however they are
    /// written.
    pub fn allow(&self, target: SocketAddr) -> bool {
        let address = innermost(target.ip());
        if target.port() < 1024 {
            return false;
        }
        if address.is_loopback() {
            return self.loopback;
        }
        let is_own = self.own.iter().any(|own| innermost(*own) == address);
        !is_own && !is_special(address)
    }
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.octets()[0] == 0
                || v4.is_unspecified()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                // 240.0.0.0/4 is reserved (RFC 1112 §4).
                || v4.octets()[0] >= 240
        }
        IpAddr::V6(v6) => {
            let deprecated_site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
            v6.is_unspecified() || v6.is_unicast_link_local() || v6.is_multicast() || deprecated_site_local
        }
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped and compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052
/// §2.1), 6to4 (RFC 3056 §2).
fn innermost(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else { return address.to_canonical() };
    let octets = v6.octets();
    let v4_at =
        |at: usize| IpAddr::V4(Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]));
    let is_compatible = octets[..12] == [0; 12] && v6 != Ipv6Addr::UNSPECIFIED && v6 != Ipv6Addr::LOCALHOST;
    let is_nat64 = octets[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
    if is_compatible || is_nat64 {
        v4_at(12)
    } else if octets[..2] == [0x20, 0x02] {
        v4_at(2)
    } else {
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n51_media_never_goes_to_ourselves_or_to_many() {
        let own = ["203.0.113.1", "2001:db8::1"].map(|address| address.parse().unwrap()).to_vec();
        let rules = TargetRules { own, loopback: false };
        for refused in [
            "127.0.0.1:4000",
            "127.9.9.9:4000",
            "[::1]:4000",
            "[::ffff:127.0.0.1]:4000",
            "0.0.0.0:4000",
            "[::]:4000",
            "0.1.2.3:4000",
            "169.254.169.254:4000",
            "[fe80::1]:4000",
            "[fec0::1]:4000",
            "224.0.0.1:4000",
            "239.1.1.1:4000",
            "[ff02::1]:4000",
            "255.255.255.255:4000",
            "240.0.0.1:4000",
            "203.0.113.1:4000",
            "[::ffff:203.0.113.1]:4000",
            "[2001:db8::1]:4000",
            "[::127.0.0.1]:4000",
            "[64:ff9b::7f00:1]:4000",
            "[64:ff9b::a9fe:a9fe]:4000",
            "[2002:7f00:1::1]:4000",
            "[2002:cb00:7101::1]:4000",
            "198.51.100.7:0",
            "198.51.100.7:53",
        ] {
            assert!(!rules.allow(refused.parse().unwrap()), "{refused}");
        }
        for allowed in ["198.51.100.7:4000", "10.0.0.7:1024", "192.168.1.9:65535", "[2001:db8::2]:4000"] {
            assert!(rules.allow(allowed.parse().unwrap()), "{allowed}");
        }
    }

    #[test]
    fn loopback_is_allowed_to_tests_only() {
        let rules = TargetRules { own: vec!["127.0.0.1".parse().unwrap()], loopback: true };
        for (target, allowed) in
            [("127.0.0.1:4000", true), ("[::1]:4000", true), ("0.0.0.0:4000", false), ("127.0.0.1:80", false)]
        {
            assert_eq!(rules.allow(target.parse().unwrap()), allowed, "{target}");
        }
    }
}
