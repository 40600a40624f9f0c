//! As much SIP as a phone in a test needs, written apart from the product's own parser so that neither
//! proves itself.

use std::time::{Duration, SystemTime};

/// A message as text, with its header lines unfolded.
#[derive(Clone, Debug)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    headers: Vec<(String, String)>,
    /// What follows the empty line.
    pub body: String,
}

impl Message {
    /// Reads one datagram; `None` for what is not SIP.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut lines = unfolded.split("\r\n");
        let start = lines.next()?.to_owned();
        if !start.contains("SIP/2.0") {
            return None;
        }
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (long_name(name.trim()), value.trim().to_owned()))
            .collect();
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// The method of a request; `None` for a response.
    pub fn method(&self) -> Option<&str> {
        let (method, rest) = self.start.split_once(' ')?;
        rest.ends_with("SIP/2.0").then_some(method)
    }

    /// The user part of the Request-URI.
    pub fn request_user(&self) -> String {
        user_of(self.start.split(' ').nth(1).unwrap_or_default())
    }

    /// The first header of that name (long form, lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// All headers of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The branch of the topmost Via: which transaction this belongs to (RFC 3261 §17.2.3).
    pub fn branch(&self) -> String {
        parameter(self.header("via").unwrap_or_default(), "branch").unwrap_or_default()
    }

    /// The Call-ID.
    pub fn call_id(&self) -> String {
        self.header("call-id").unwrap_or_default().to_owned()
    }

    /// The tag in To, if it has one.
    pub fn to_tag(&self) -> Option<String> {
        parameter(self.header("to").unwrap_or_default(), "tag")
    }

    /// The number the call comes from, as the trusted header says or, without one, From.
    pub fn caller(&self) -> String {
        user_of(self.header("p-asserted-identity").or_else(|| self.header("from")).unwrap_or_default())
    }

    /// When the caller sent it (`X-Sent` of the SIPp scenarios).
    pub fn sent(&self) -> Option<SystemTime> {
        let seconds: f64 = self.header("x-sent")?.split_whitespace().last()?.parse().ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::try_from_secs_f64(seconds).ok()?)
    }

    /// A response to this request (RFC 3261 §8.2.6.2); `tag` goes into To unless there is one.
    pub fn response(&self, status: &str, tag: &str, extra: &[String], body: &str) -> Vec<u8> {
        let mut lines = vec![format!("SIP/2.0 {status}")];
        lines.extend(self.all("via").map(|via| format!("Via: {via}")));
        lines.extend(self.all("record-route").map(|route| format!("Record-Route: {route}")));
        lines.push(format!("From: {}", self.header("from").unwrap_or_default()));
        let to = self.header("to").unwrap_or_default();
        lines.push(match self.to_tag() {
            Some(_) => format!("To: {to}"),
            None => format!("To: {to};tag={tag}"),
        });
        lines.push(format!("Call-ID: {}", self.call_id()));
        lines.push(format!("CSeq: {}", self.header("cseq").unwrap_or_default()));
        lines.extend_from_slice(extra);
        lines.push(format!("Content-Length: {}", body.len()));
        format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
    }
}

/// The user part of a SIP URI, with or without angle brackets and a display name.
fn user_of(text: &str) -> String {
    let uri = text.split_once('<').map_or(text, |(_, rest)| rest);
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user).split(';').next().unwrap_or_default().to_owned()
}

fn parameter(header: &str, name: &str) -> Option<String> {
    let after = header.rsplit_once('>').map_or(header, |(_, rest)| rest);
    after.split(',').next()?.split(';').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

/// RFC 3261 §7.3.3.
fn long_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let long = match name.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        _ => return name,
    };
    long.to_owned()
}
