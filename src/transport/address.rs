//! RFC 3261 §18, [pure]: protocols, and addresses to listen on as the configuration writes them.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::transaction::Reliability;

/// What carries the octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// One message per datagram.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS (RFC 3261 §26.2.1).
    Tls,
}

impl Protocol {
    /// Whether transactions must repeat what they send (RFC 3261 §17).
    pub const fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp | Self::Tls => Reliability::Reliable,
        }
    }

    /// The URI parameter that asks for it, with its semicolon; UDP needs none (RFC 3261 §19.1.1).
    pub const fn uri_parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => "transport=tcp;",
            Self::Tls => "transport=tls;",
        }
    }

    /// As Via says it (RFC 3261 §20.42).
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// Where to listen, for example `udp:127.0.0.1:5060` or `tcp:[::1]:5060`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// On what.
    pub protocol: Protocol,
    /// Where. Port 0 takes a free one.
    pub address: SocketAddr,
}

/// Why a text is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseListenError {
    /// Nothing known before the first colon.
    #[error("must begin with udp:, tcp: or tls:")]
    Protocol,
    /// No address after it.
    #[error("must name an IP address and a port, as udp:127.0.0.1:5060 or udp:[::1]:5060")]
    Address,
}

impl FromStr for ListenAddress {
    type Err = ParseListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (protocol, address) = text.split_once(':').ok_or(ParseListenError::Protocol)?;
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            "tcp" => Protocol::Tcp,
            "tls" => Protocol::Tls,
            _ => return Err(ParseListenError::Protocol),
        };
        let address = address.parse().map_err(|_| ParseListenError::Address)?;
        Ok(Self { protocol, address })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
            Protocol::Tls => "tls",
        };
        write!(formatter, "{protocol}:{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_as_it_is_written() {
        for text in ["udp:127.0.0.1:5060", "tcp:[::1]:5060", "tls:0.0.0.0:5061"] {
            let address: ListenAddress = text.parse().expect("a good address");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_bad_address_says_what_is_missing() {
        for (text, error) in [
            ("127.0.0.1", ParseListenError::Protocol),
            ("127.0.0.1:5060", ParseListenError::Protocol),
            ("sctp:127.0.0.1:5060", ParseListenError::Protocol),
            ("UDP:127.0.0.1:5060", ParseListenError::Protocol),
            ("udp:127.0.0.1", ParseListenError::Address),
            ("udp:localhost:5060", ParseListenError::Address),
            ("udp:127.0.0.1:70000", ParseListenError::Address),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text}");
        }
    }
}
