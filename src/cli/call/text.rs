//! The few SIP messages a test caller writes, and as much of others' as it must read.
//!
//! Written apart from the wire view on purpose: a test tool that shares its parser with what it tests finds
//! less.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::config::HostPort;

/// Who the test call says it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Calling {
    /// A number, as it will stand in the user part.
    Number(String),
    /// One of the words a network sends instead of a number.
    Restricted(&'static str),
}

impl FromStr for Calling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "anonymous" | "withheld" => Ok(Self::Restricted("Anonymous")),
            "payphone" => Ok(Self::Restricted("Coin line/payphone")),
            "unavailable" | "out_of_area" => Ok(Self::Restricted("Unavailable")),
            "service_conflict" => Ok(Self::Restricted("Interaction with other service")),
            _ => user_part(text).map(Self::Number),
        }
    }
}

/// A number as the user part of a URI: what is not allowed there is escaped (RFC 3261 §25.1).
pub(super) fn user_part(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 {
        return Err("a number has 1 to 128 characters".to_owned());
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || "@<>:;".contains(*c)) {
        return Err(format!("{bad:?} cannot stand in a number"));
    }
    let sound = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,?/".contains(&octet);
    let escape = |octet| if sound(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    Ok(text.bytes().map(escape).collect())
}

/// What stays the same in every request of the call.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) calling: Calling,
    /// Display name beside a number.
    pub(super) name: Option<String>,
    pub(super) called: String,
    /// Where requests go when no Route says otherwise; the host of the Request-URI.
    pub(super) via: HostPort,
    pub(super) local: SocketAddr,
    /// `UDP` or `TCP`.
    pub(super) transport: &'static str,
    pub(super) call_id: String,
    pub(super) from_tag: String,
    pub(super) media_port: u16,
}

impl Identity {
    pub(super) fn request_uri(&self) -> String {
        format!("sip:{}@{}", self.called, self.via)
    }

    /// The first INVITE (RFC 3261 §13.2.1) with an offer of G.711.
    pub(super) fn invite(&self, branch: &str) -> String {
        let privacy = match self.calling {
            Calling::Number(_) => "",
            // RFC 3323 §4.2, RFC 3325 §9.3
            Calling::Restricted(_) => "Privacy: id\r\n",
        };
        let body = self.offer();
        let head = self.head("INVITE", &self.request_uri(), branch, 1, &format!("<{}>", self.request_uri()));
        format!(
            "{head}Contact: <{}>\r\n{privacy}Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.contact(),
            body.len()
        )
    }

    /// A request without a body: ACK, CANCEL or BYE.
    pub(super) fn bare(&self, request: &Bare<'_>) -> String {
        let head = self.head(request.method, request.uri, request.branch, request.cseq, request.to);
        let routes =
            request.routes.iter().fold(String::new(), |lines, route| lines + "Route: " + route + "\r\n");
        format!("{head}{routes}Content-Length: 0\r\n\r\n")
    }

    /// A response to a request of the other side; with our session when it offers one.
    pub(super) fn response(&self, request: &Received, status_line: &str) -> String {
        let mut text = format!("SIP/2.0 {status_line}\r\n");
        for name in ["via", "record-route", "from", "to", "call-id", "cseq"] {
            for value in request.all(name) {
                write!(text, "{}: {value}\r\n", title(name)).expect("writing to a String cannot fail");
            }
        }
        if request.body.is_empty() || !status_line.starts_with("200") {
            return text + "Content-Length: 0\r\n\r\n";
        }
        let body = self.offer();
        format!(
            "{text}Contact: <{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.contact(),
            body.len()
        )
    }

    fn head(&self, method: &str, uri: &str, branch: &str, cseq: u32, to: &str) -> String {
        let from = match &self.calling {
            Calling::Number(number) => {
                let name = self.name.as_ref().map_or_else(String::new, |name| format!("{} ", quoted(name)));
                format!("{name}<sip:{number}@{}>", host_text(self.local.ip()))
            }
            Calling::Restricted(word) => format!("\"{word}\" <sip:anonymous@anonymous.invalid>"),
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} {};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {from};tag={}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n",
            self.transport, self.local, self.from_tag, self.call_id
        )
    }

    /// Whether the transport itself repeats what is lost.
    pub(super) fn is_reliable(&self) -> bool {
        self.transport != "UDP"
    }

    fn contact(&self) -> String {
        let transport = if self.is_reliable() { ";transport=tcp" } else { "" };
        format!("sip:toritsugi-call@{}{transport}", self.local)
    }

    fn offer(&self) -> String {
        let ip = self.local.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
            self.media_port
        )
    }
}

/// RFC 3261 §25.1: an IPv6 address stands in brackets.
fn host_text(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// What a request without a body says beside the call's identity.
pub(super) struct Bare<'a> {
    pub(super) method: &'static str,
    pub(super) uri: &'a str,
    pub(super) branch: &'a str,
    pub(super) cseq: u32,
    pub(super) to: &'a str,
    pub(super) routes: &'a [String],
}

/// A message of the other side, as far as a caller looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// The first line.
    pub(super) start: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// Reads a whole message; nothing that is not SIP is one.
    pub(super) fn parse(octets: &[u8]) -> Option<Self> {
        let end = octets.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(octets.get(..end)?).into_owned();
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with([' ', '\t']) {
                // RFC 3261 §7.3.1: a folded line continues the one before.
                let (_, value) = headers.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
            } else {
                let (name, value) = line.split_once(':')?;
                headers.push((full_name(name.trim()), value.trim().to_owned()));
            }
        }
        start.contains("SIP/2.0").then(|| Self { start, headers, body: octets[end + 4..].to_vec() })
    }

    /// The status of a response.
    pub(super) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Status and reason as they came: `486 Busy Here`.
    pub(super) fn status_line(&self) -> &str {
        self.start.strip_prefix("SIP/2.0 ").unwrap_or(&self.start)
    }

    /// The method: of the request, or of what a response answers.
    pub(super) fn method(&self) -> &str {
        match self.status() {
            Some(_) => self.first("cseq").and_then(|cseq| cseq.split_whitespace().nth(1)).unwrap_or(""),
            None => self.start.split(' ').next().unwrap_or(""),
        }
    }

    pub(super) fn first(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Single values of a header that may be a list, in order.
    pub(super) fn values(&self, name: &'static str) -> Vec<String> {
        self.all(name).flat_map(split_list).collect()
    }
}

/// Cuts one message off the front of a stream, when it is whole (RFC 3261 §18.3).
pub(super) fn next_message(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let blank = stream.iter().take_while(|octet| b"\r\n".contains(octet)).count();
    stream.drain(..blank);
    let end = stream.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = Received::parse(stream.get(..end)?)?;
    let length: usize = head.first("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let whole = end.checked_add(length)?;
    (stream.len() >= whole).then(|| stream.drain(..whole).collect())
}

/// The URI of a `Contact`, `Route` or `Record-Route` value.
pub(super) fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// Where a SIP URI leads, when its host is a literal address.
pub(super) fn address_of(uri: &str) -> Option<SocketAddr> {
    let rest = uri.split_once(':')?.1;
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let end = host.find([';', '?', '>']).unwrap_or(host.len());
    host.get(..end)?.parse::<HostPort>().ok()?.address()
}

/// The tag of a From or To value.
pub(super) fn tag_of(value: &str) -> Option<&str> {
    let parameters = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("tag="))
}

fn split_list(value: &str) -> Vec<String> {
    let (mut list, mut item, mut quoted, mut depth) = (Vec::new(), String::new(), false, 0_u32);
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => depth += 1,
            '>' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                list.push(std::mem::take(&mut item).trim().to_owned());
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    list.push(item.trim().to_owned());
    list
}

/// Lower case, compact forms spelled out (RFC 3261 §7.3.3).
fn full_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        _ => return lower,
    }
    .to_owned()
}

fn title(name: &str) -> &'static str {
    match name {
        "via" => "Via",
        "record-route" => "Record-Route",
        "from" => "From",
        "to" => "To",
        "call-id" => "Call-ID",
        _ => "CSeq",
    }
}

fn quoted(name: &str) -> String {
    let sound = name.chars().filter(|c| !c.is_control()).collect::<String>();
    format!("\"{}\"", sound.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_networks_are_understood_and_a_number_is_escaped() {
        assert_eq!("anonymous".parse(), Ok(Calling::Restricted("Anonymous")));
        assert_eq!("Payphone".parse(), Ok(Calling::Restricted("Coin line/payphone")));
        assert_eq!("+81312345678".parse(), Ok(Calling::Number("+81312345678".to_owned())));
        assert_eq!("#7119".parse(), Ok(Calling::Number("%237119".to_owned())));
        assert_eq!("０".parse(), Ok(Calling::Number("%EF%BC%90".to_owned())));
        for bad in ["", "1@2", "1\r\nX: y", "<1>", "1;x=y"] {
            assert!(bad.parse::<Calling>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_is_split_outside_quotes_and_brackets() {
        let text = "SIP/2.0 200 OK\r\nRecord-Route: <sip:a,b@x;lr>, \"c,d\" <sip:y;lr>\r\n\
                    Record-Route: <sip:z;lr>\r\n\r\n";
        let received = Received::parse(text.as_bytes()).expect("whole");
        assert_eq!(received.values("record-route"), ["<sip:a,b@x;lr>", "\"c,d\" <sip:y;lr>", "<sip:z;lr>"]);
    }

    #[test]
    fn compact_and_folded_headers_are_read() {
        let text = "SIP/2.0 200 OK\r\ni: a\r\nt: <sip:x>\r\n ;tag=7\r\nm:<sip:p@192.0.2.1:5070;ob>\r\n\r\n";
        let received = Received::parse(text.as_bytes()).expect("whole");
        assert_eq!(received.first("call-id"), Some("a"));
        assert_eq!(received.first("to").and_then(tag_of), Some("7"));
        let contact = uri_of(received.first("contact").expect("there"));
        assert_eq!(address_of(contact), Some("192.0.2.1:5070".parse().expect("an address")));
        assert_eq!(
            address_of("sip:[2001:db8::1]:5070;lr"),
            Some("[2001:db8::1]:5070".parse().expect("sound"))
        );
        assert_eq!(address_of("sip:pbx.example;lr"), None);
    }

    #[test]
    fn a_stream_gives_whole_messages_only() {
        let mut stream =
            b"\r\n\r\nSIP/2.0 100 Trying\r\nl: 0\r\n\r\nSIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nab"
                .to_vec();
        let first = next_message(&mut stream).expect("whole");
        assert!(first.starts_with(b"SIP/2.0 100"));
        assert_eq!(next_message(&mut stream), None);
        stream.push(b'c');
        assert!(next_message(&mut stream).expect("whole").ends_with(b"\r\n\r\nabc"));
        assert!(stream.is_empty());
    }
}
