//! Addresses of the configuration: where to listen, what to tell others, where to send.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// What carries SIP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// An encrypted stream.
    Tls,
}

/// One address SIP is received on, written `udp:127.0.0.1:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Listen {
    /// What carries the messages.
    pub protocol: Protocol,
    /// The local address; port 0 lets the system choose.
    pub address: SocketAddr,
}

/// A host, not resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name, lower case.
    Name(String),
}

/// A host and a port; IPv6 addresses are written in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port, never 0 when it was configured.
    pub port: u16,
}

/// A SIP URI of the configuration together with where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The URI as written.
    pub uri: String,
    /// Its host and port; 5060, or 5061 for TLS, when it names none.
    pub target: HostPort,
    /// `;transport=`, TLS for `sips:`, else UDP.
    pub protocol: Protocol,
}

impl Protocol {
    /// The port that is meant when none is named (RFC 3261 §19.1.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            _ => Err(format!("\"{text}\" is not udp, tcp or tls")),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.protocol, self.address)
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("\"{text}\" is not an address to listen on; write it like \"udp:127.0.0.1:5060\"");
        let (protocol, address) = text.split_once(':').ok_or_else(bad)?;
        Ok(Self {
            protocol: protocol.parse().map_err(|_| bad())?,
            address: address.parse().map_err(|_| bad())?,
        })
    }
}

impl HostPort {
    /// The socket address, when the host is literal.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, self.port)),
            Host::Name(_) => None,
        }
    }

    /// `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
    fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (Host::Ip(IpAddr::V6(host.parse::<Ipv6Addr>().ok()?)), port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (host, port) = text.split_at(end);
                (Host::parse(host)?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|octet| octet.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None if port.is_empty() => default_port,
            None => return None,
        };
        (port > 0).then_some(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(formatter, "[{ip}]:{}", self.port),
            Host::Ip(IpAddr::V4(ip)) => write!(formatter, "{ip}:{}", self.port),
            Host::Name(name) => write!(formatter, "{name}:{}", self.port),
        }
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, 5060)
            .ok_or_else(|| format!("\"{text}\" is not HOST:PORT; write it like \"192.0.2.1:5060\""))
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip));
        }
        // RFC 3261 §25.1 hostname: labels of letters, digits and inner hyphens. What looks like a number is a
        // mistyped address.
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        };
        let bare = text.strip_suffix('.').unwrap_or(text);
        let top_is_name =
            bare.rsplit('.').next().is_some_and(|top| top.starts_with(|c: char| c.is_ascii_alphabetic()));
        (text.len() <= 253 && top_is_name && bare.split('.').all(label))
            .then(|| Self::Name(bare.to_ascii_lowercase()))
    }
}

impl FromStr for NextHop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("\"{text}\" {why}; write it like \"sip:192.0.2.1:5060;transport=tcp\"");
        if text.len() > 512
            || !text.bytes().all(|octet| octet.is_ascii_graphic())
            || text.contains(['<', '>', '"'])
        {
            return Err(bad("is not a SIP URI"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| bad("is not a SIP URI"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "sip" => false,
            "sips" => true,
            _ => return Err(bad("is not a sip: or sips: URI")),
        };
        if rest.contains('?') {
            return Err(bad("has headers, which a next hop cannot have"));
        }
        let after_user = rest.split_once('@').map_or(rest, |(_, after)| after);
        let (host_port, parameters) = after_user.split_once(';').unwrap_or((after_user, ""));
        let mut protocol = if secure { Protocol::Tls } else { Protocol::Udp };
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name.eq_ignore_ascii_case("transport") && !secure {
                protocol = value.parse().map_err(|_| bad("names a transport that is not udp, tcp or tls"))?;
            }
        }
        let target = HostPort::parse(host_port, protocol.default_port())
            .ok_or_else(|| bad("has no usable host and port"))?;
        Ok(Self { uri: text.to_owned(), target, protocol })
    }
}
