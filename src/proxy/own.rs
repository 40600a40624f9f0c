//! RFC 3261 §16.4: recognising ourselves in a URI, under every name and port we have (V2).

use std::net::SocketAddr;

use super::locate::default_port;
use crate::message::{Host, Scheme, Uri};
use crate::transport::Protocol;

/// All that is us.
#[derive(Clone, Debug)]
pub struct Own {
    sent_by: String,
    sent_by_tls: String,
    host: String,
    port: u16,
    tls_port: u16,
    listen: Vec<SocketAddr>,
}

impl Own {
    /// Us: the advertised host and port, and every address we listen on.
    pub fn new(host: &str, port: u16, listen: Vec<SocketAddr>) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let sent_by = host_port(&bare, port);
        Self { sent_by_tls: sent_by.clone(), sent_by, host: bare, port, tls_port: port, listen }
    }

    /// The same, with another port for TLS.
    pub fn with_tls_port(self, port: u16) -> Self {
        Self { sent_by_tls: host_port(&self.host, port), tls_port: port, ..self }
    }

    /// `host:port` as Via and Record-Route say it over this protocol.
    pub fn sent_by(&self, protocol: Protocol) -> &str {
        match protocol {
            Protocol::Udp | Protocol::Tcp => &self.sent_by,
            Protocol::Tls => &self.sent_by_tls,
        }
    }

    /// Whether the URI's host and port are ours.
    pub fn is_own(&self, uri: &Uri<'_>) -> bool {
        if !uri.is_sip() {
            return false;
        }
        let tls = uri.scheme == Scheme::Sips
            || uri.params.get("transport").flatten().is_some_and(|value| value.eq_ignore_ascii_case(b"tls"));
        let protocol = if tls { Protocol::Tls } else { Protocol::Udp };
        let port = uri.port.unwrap_or(default_port(protocol));
        let advertised = port == self.port || port == self.tls_port;
        match uri.host {
            Host::Name(name) => advertised && name.eq_ignore_ascii_case(&self.host),
            Host::V4(_) | Host::V6(_) => uri.host.address().is_some_and(|address| {
                self.is_address(SocketAddr::new(address, port))
                    || (advertised && self.host.parse() == Ok(address))
            }),
            Host::Absent => false,
        }
    }

    /// Whether we listen there.
    pub fn is_address(&self, address: SocketAddr) -> bool {
        self.listen.contains(&address)
    }
}

fn host_port(bare: &str, port: u16) -> String {
    if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_the_port_of_tls_is_ours_and_is_told_over_tls_only() {
        let own = Own::new("pbx.example.jp", 5060, Vec::new()).with_tls_port(5061);
        assert_eq!(own.sent_by(Protocol::Tcp), "pbx.example.jp:5060");
        assert_eq!(own.sent_by(Protocol::Tls), "pbx.example.jp:5061");
        for uri in ["sips:pbx.example.jp", "sip:pbx.example.jp;transport=TLS", "sip:pbx.example.jp:5061;lr"] {
            assert!(own.is_own(&Uri::parse(uri.as_bytes()).unwrap()), "{uri}");
        }
    }

    #[test]
    fn v2_every_name_and_port_of_ours_is_recognised() {
        let own = Own::new("pbx.example.jp", 5060, vec!["192.0.2.1:5060".parse().unwrap()]);
        let table: &[(&str, bool)] = &[
            ("sip:pbx.example.jp", true),
            ("sip:PBX.example.jp:5060;lr", true),
            ("sip:192.0.2.1", true),
            ("sip:192.0.2.1:5062", false),
            ("sip:192.0.2.2", false),
            ("sip:other.example.jp", false),
            ("tel:+81312345678", false),
        ];
        for (uri, expected) in table {
            assert_eq!(own.is_own(&Uri::parse(uri.as_bytes()).unwrap()), *expected, "{uri}");
        }
    }
}
