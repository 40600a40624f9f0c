//! RFC 3261 §16.4: recognising ourselves in a URI, under every name and port we have (V2).

use std::net::SocketAddr;

use crate::message::{Host, Uri};

/// All that is us.
#[derive(Clone, Debug)]
pub struct Own {
    /// `host:port` as Via and Record-Route say it.
    pub sent_by: String,
    host: String,
    port: u16,
    listen: Vec<SocketAddr>,
}

impl Own {
    /// Us: the advertised host and port, and every address we listen on.
    pub fn new(host: &str, port: u16, listen: Vec<SocketAddr>) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let sent_by = if bare.contains(':') { format!("[{bare}]:{port}") } else { format!("{bare}:{port}") };
        Self { sent_by, host: bare, port, listen }
    }

    /// Whether the URI's host and port are ours.
    pub fn is_own(&self, uri: &Uri<'_>) -> bool {
        if !uri.is_sip() {
            return false;
        }
        let port = uri.port.unwrap_or(5060);
        match uri.host {
            Host::Name(name) => port == self.port && name.eq_ignore_ascii_case(&self.host),
            Host::V4(_) | Host::V6(_) => uri.host.address().is_some_and(|address| {
                self.is_address(SocketAddr::new(address, port))
                    || (port == self.port && self.host.parse() == Ok(address))
            }),
            Host::Absent => false,
        }
    }

    /// Whether we listen there.
    pub fn is_address(&self, address: SocketAddr) -> bool {
        self.listen.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
