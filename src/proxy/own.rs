//! RFC 3261 §16.4: recognising ourselves in a URI, under every name, port and transport we have (V2); and
//! §16.6 items 4 and 8: under which of them the next hop reaches us (V3).

use std::net::{IpAddr, SocketAddr};

use crate::message::{Host, Scheme, Uri};
use crate::transport::Protocol;

/// All that is us.
#[derive(Clone, Debug)]
pub struct Own {
    /// The advertised name first.
    names: Vec<Name>,
    /// The port of our TLS listener, which is ours under every name.
    tls_port: Option<u16>,
    listen: Vec<SocketAddr>,
    /// `host:port` for IPv4 and IPv6, each in clear and over TLS.
    told: [[String; 2]; 2],
}

/// One name of ours.
#[derive(Clone, Debug)]
struct Name {
    host: String,
    address: Option<IpAddr>,
    port: u16,
}

impl Own {
    /// Us: the advertised host and port, further names (a host, IPv6 in brackets or not, with its port), and
    /// every address we listen on.
    pub fn new(
        advertise: &(String, u16),
        further: &[(String, u16)],
        tls_port: Option<u16>,
        listen: Vec<SocketAddr>,
    ) -> Self {
        let names: Vec<Name> =
            std::iter::once(advertise).chain(further).map(|(host, port)| Name::new(host, *port)).collect();
        let told = [false, true].map(|v6| {
            let host = host_for(&names, &listen, v6);
            [host.told(host.port), host.told(tls_port.unwrap_or(host.port))]
        });
        Self { names, tls_port, listen, told }
    }

    /// `host:port` as Via and Record-Route say it to somebody at this address.
    pub fn sent_by(&self, protocol: Protocol, to: IpAddr) -> &str {
        let [v4, v6] = &self.told;
        let [clear, secure] = if to.to_canonical().is_ipv6() { v6 } else { v4 };
        match protocol {
            Protocol::Udp | Protocol::Tcp => clear,
            Protocol::Tls => secure,
        }
    }

    /// Whether the URI's host and port are ours.
    pub fn is_own(&self, uri: &Uri<'_>) -> bool {
        if !uri.is_sip() {
            return false;
        }
        let tls = |value: &[u8]| value.eq_ignore_ascii_case(b"tls");
        let secure = || uri.scheme == Scheme::Sips || uri.params.get("transport").flatten().is_some_and(tls);
        let port = uri.port.unwrap_or_else(|| if secure() { 5061 } else { 5060 });
        match uri.host {
            Host::Name(host) => {
                self.names.iter().any(|name| self.has(name, port) && name.host.eq_ignore_ascii_case(host))
            }
            Host::V4(_) | Host::V6(_) => uri.host.address().is_some_and(|address| {
                self.is_address(SocketAddr::new(address, port))
                    || self.names.iter().any(|name| self.has(name, port) && name.address == Some(address))
            }),
            Host::Absent => false,
        }
    }

    /// Whether we listen there.
    pub fn is_address(&self, address: SocketAddr) -> bool {
        self.listen.contains(&address)
    }

    fn has(&self, name: &Name, port: u16) -> bool {
        name.port == port || self.tls_port == Some(port)
    }
}

impl Name {
    fn new(host: &str, port: u16) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        Self { host: host.to_owned(), address, port }
    }

    fn told(&self, port: u16) -> String {
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }
}

/// Under which name somebody of this address family reaches us: the first name that is no address of the
/// other family, then an address we listen on; for want of both, the advertised name all the same.
fn host_for(names: &[Name], listen: &[SocketAddr], v6: bool) -> Name {
    let fits = |address: IpAddr| address.is_ipv6() == v6;
    let listened = listen
        .iter()
        .find(|address| fits(address.ip()) && !address.ip().is_unspecified())
        .map(|address| Name::new(&address.ip().to_string(), address.port()));
    let named = names.iter().find(|name| name.address.is_none_or(fits)).cloned();
    named.or(listened).or_else(|| names.first().cloned()).unwrap_or_else(|| Name::new("localhost", 5060))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_the_port_of_tls_is_ours_and_is_told_over_tls_only() {
        let own = Own::new(&("pbx.example.jp".to_owned(), 5060), &[], Some(5061), Vec::new());
        let to = "192.0.2.9".parse().unwrap();
        assert_eq!(own.sent_by(Protocol::Tcp, to), "pbx.example.jp:5060");
        assert_eq!(own.sent_by(Protocol::Tls, to), "pbx.example.jp:5061");
        for uri in ["sips:pbx.example.jp", "sip:pbx.example.jp;transport=TLS", "sip:pbx.example.jp:5061;lr"] {
            assert!(own.is_own(&Uri::parse(uri.as_bytes()).unwrap()), "{uri}");
        }
    }

    #[test]
    fn v2_every_name_and_port_of_ours_is_recognised() {
        let own = Own::new(
            &("pbx.example.jp".to_owned(), 5060),
            &[("sip.example.jp".to_owned(), 5080), ("198.51.100.7".to_owned(), 5060), v6_name()],
            Some(5061),
            vec!["192.0.2.1:5060".parse().unwrap(), "192.0.2.1:5070".parse().unwrap()],
        );
        let table: &[(&str, bool)] = &[
            ("sip:pbx.example.jp", true),
            ("sip:PBX.example.jp:5060;lr", true),
            ("sip:pbx.example.jp;transport=tcp", true),
            ("sip:pbx.example.jp:5061;transport=tls", true),
            ("sip:pbx.example.jp;transport=TLS", true),
            ("sips:pbx.example.jp", true),
            ("sip:pbx.example.jp:5070", false),
            ("sip:sip.example.jp:5080", true),
            ("sip:sip.example.jp", false),
            ("sip:198.51.100.7", true),
            ("sip:[2001:db8::1]:5060", true),
            ("sip:[2001:DB8:0::1]", true),
            ("sip:[2001:db8::2]", false),
            ("sip:192.0.2.1", true),
            ("sip:192.0.2.1:5070;transport=tcp", true),
            ("sip:[::ffff:192.0.2.1]:5060", true),
            ("sip:192.0.2.1:5062", false),
            ("sip:192.0.2.2", false),
            ("sip:other.example.jp", false),
            ("tel:+81312345678", false),
        ];
        for (uri, expected) in table {
            assert_eq!(own.is_own(&Uri::parse(uri.as_bytes()).unwrap()), *expected, "{uri}");
        }
    }

    #[test]
    fn v3_each_address_family_is_told_a_name_it_can_reach() {
        let v4 = "192.0.2.9".parse().unwrap();
        let v6 = "2001:db8::9".parse().unwrap();
        let told = |own: &Own| {
            [own.sent_by(Protocol::Udp, v4).to_owned(), own.sent_by(Protocol::Udp, v6).to_owned()]
        };
        let advertise = ("192.0.2.1".to_owned(), 5060);
        let named = Own::new(&("pbx.example".to_owned(), 5060), &[v6_name()], None, Vec::new());
        assert_eq!(told(&named), ["pbx.example:5060", "pbx.example:5060"], "a name serves both");
        let further = Own::new(&advertise, &[v6_name()], None, Vec::new());
        assert_eq!(told(&further), ["192.0.2.1:5060", "[2001:db8::1]:5060"]);
        let listening = vec!["[::]:5060".parse().unwrap(), "[2001:db8::5]:5070".parse().unwrap()];
        assert_eq!(
            told(&Own::new(&advertise, &[], None, listening)),
            ["192.0.2.1:5060", "[2001:db8::5]:5070"]
        );
        assert_eq!(told(&Own::new(&advertise, &[], None, Vec::new())), ["192.0.2.1:5060", "192.0.2.1:5060"]);
        let mapped = "::ffff:192.0.2.9".parse().unwrap();
        assert_eq!(further.sent_by(Protocol::Tcp, mapped), "192.0.2.1:5060");
        let secure = Own::new(&advertise, &[], Some(5061), Vec::new());
        assert_eq!(secure.sent_by(Protocol::Tls, v4), "192.0.2.1:5061");
    }

    fn v6_name() -> (String, u16) {
        ("[2001:db8::1]".to_owned(), 5060)
    }
}
