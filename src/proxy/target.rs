//! RFC 3261 §16.6 item 7: from the next URI to the address of the next hop.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::locate::default_port;
use crate::message::{Host, Scheme, Uri};
use crate::transport::Protocol;

/// One place a request can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Over this.
    pub protocol: Protocol,
    /// To this address.
    pub remote: SocketAddr,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NextHop {
    /// To this address.
    Address(Target),
    /// To a host whose targets must be asked first (RFC 3263).
    Name {
        /// Over this; absent when NAPTR may choose (RFC 3263 §4.1).
        protocol: Option<Protocol>,
        /// The host, in lower case.
        host: String,
        /// The port, when one is written; then there is no SRV look-up (RFC 3263 §4.2).
        port: Option<u16>,
    },
    /// Nowhere: not a SIP URI, or a transport we do not speak.
    Unroutable,
}

impl NextHop {
    /// The name that a TLS server there must prove to have: the one in the URI, whatever it leads to (RFC
    /// 5922 §4). An address proves itself.
    pub fn server_name(&self) -> Option<Arc<str>> {
        match self {
            Self::Name { host, .. } => Some(Arc::from(host.as_str())),
            Self::Address(_) | Self::Unroutable => None,
        }
    }
}

/// The next hop of a URI. `maddr` is not followed: it would let a message choose its own way (N20, N29).
pub fn next_hop(uri: &Uri<'_>) -> NextHop {
    let protocol = match (uri.scheme, uri.params.get("transport").flatten()) {
        (Scheme::Sip, None) => None,
        (Scheme::Sip, Some(transport)) if transport.eq_ignore_ascii_case(b"udp") => Some(Protocol::Udp),
        (Scheme::Sip, Some(transport)) if transport.eq_ignore_ascii_case(b"tcp") => Some(Protocol::Tcp),
        (Scheme::Sip, Some(transport)) if transport.eq_ignore_ascii_case(b"tls") => Some(Protocol::Tls),
        // `sips:` is TLS whatever stands beside it, except over datagrams (RFC 5630 §3.1.3).
        (Scheme::Sips, Some(transport)) if transport.eq_ignore_ascii_case(b"udp") => {
            return NextHop::Unroutable;
        }
        (Scheme::Sips, _) => Some(Protocol::Tls),
        (Scheme::Sip | Scheme::Tel | Scheme::Other, _) => return NextHop::Unroutable,
    };
    match uri.host {
        Host::Name(host) => NextHop::Name { protocol, host: host.to_ascii_lowercase(), port: uri.port },
        Host::V4(_) | Host::V6(_) => match uri.host.address() {
            Some(address) => {
                let protocol = protocol.unwrap_or(Protocol::Udp);
                literal(protocol, address, uri.port.unwrap_or(default_port(protocol)))
            }
            None => NextHop::Unroutable,
        },
        Host::Absent => NextHop::Unroutable,
    }
}

/// An address that stands in the URI itself; without a transport it is UDP (RFC 3263 §4.1).
fn literal(protocol: Protocol, address: IpAddr, port: u16) -> NextHop {
    if address.is_unspecified() || address.is_multicast() || port == 0 {
        return NextHop::Unroutable;
    }
    NextHop::Address(Target { protocol, remote: SocketAddr::new(address, port) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v7_literal_addresses_need_no_look_up() {
        let hop = |text: &str| next_hop(&Uri::parse(text.as_bytes()).unwrap());
        let address =
            |protocol, remote: &str| NextHop::Address(Target { protocol, remote: remote.parse().unwrap() });
        assert_eq!(hop("sip:a@192.0.2.1"), address(Protocol::Udp, "192.0.2.1:5060"));
        assert_eq!(hop("sip:a@192.0.2.1:5070;transport=TCP"), address(Protocol::Tcp, "192.0.2.1:5070"));
        assert_eq!(hop("sip:a@[2001:db8::1]:5070"), address(Protocol::Udp, "[2001:db8::1]:5070"));
        let name = |protocol, port| NextHop::Name { protocol, host: "pbx.example".to_owned(), port };
        assert_eq!(hop("sips:a@192.0.2.1"), address(Protocol::Tls, "192.0.2.1:5061"));
        assert_eq!(hop("sip:a@192.0.2.1;transport=tls"), address(Protocol::Tls, "192.0.2.1:5061"));
        assert_eq!(hop("sips:a@192.0.2.1:5060;transport=tcp"), address(Protocol::Tls, "192.0.2.1:5060"));
        assert_eq!(hop("sip:a@PBX.example"), name(None, None));
        assert_eq!(hop("sips:a@pbx.example"), name(Some(Protocol::Tls), None));
        assert_eq!(hop("sip:a@pbx.example:5070;transport=tcp"), name(Some(Protocol::Tcp), Some(5070)));
    }

    #[test]
    fn n20_maddr_and_impossible_addresses_lead_nowhere_else() {
        let hop = |text: &str| next_hop(&Uri::parse(text.as_bytes()).unwrap());
        assert_eq!(
            hop("sip:a@192.0.2.1;maddr=198.51.100.1"),
            NextHop::Address(Target { protocol: Protocol::Udp, remote: "192.0.2.1:5060".parse().unwrap() })
        );
        for text in [
            "sip:a@0.0.0.0",
            "sip:a@224.0.0.1",
            "sip:a@192.0.2.1;transport=sctp",
            "tel:+8131",
            "sips:a@192.0.2.1;transport=udp",
        ] {
            assert_eq!(hop(text), NextHop::Unroutable, "{text}");
        }
    }
}
