//! Session timers of one dialog (RFC 4028): we take what the other side offers, refresh when it is our turn,
//! and know when the session is over. We ask for none ourselves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::{Header, Message};

/// The least a session may last (RFC 4028 §4); anything below agrees on nothing.
const LEAST_S: u32 = 90;

/// An agreed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    seconds: u32,
    /// Whether we refresh it.
    pub ours: bool,
}

impl Session {
    /// What we agree on in the 2xx to this request of theirs (§9). Whoever can refresh and says nothing
    /// refreshes.
    pub fn of_request(request: &Message) -> Option<Self> {
        let (seconds, refresher) = read(request)?;
        let they = match refresher {
            Some(Refresher::Uac) => true,
            Some(Refresher::Uas) => false,
            None => supports(request, b"timer"),
        };
        Some(Self { seconds, ours: !they })
    }

    /// What their 2xx to a request of ours agreed on (§7.2).
    pub fn of_response(response: &Message) -> Option<Self> {
        let (seconds, refresher) = read(response)?;
        Some(Self { seconds, ours: refresher != Some(Refresher::Uas) })
    }

    /// `Session-Expires` of a 2xx of ours.
    pub fn in_response(self) -> String {
        format!("{};refresher={}", self.seconds, if self.ours { "uas" } else { "uac" })
    }

    /// `Session-Expires` of a request of ours; the refresher stays who it is (§7.4).
    pub fn in_request(self) -> String {
        format!("{};refresher={}", self.seconds, if self.ours { "uac" } else { "uas" })
    }

    /// When it is refreshed, after it was agreed upon (§7.4: half the time).
    pub fn refresh_after(self) -> Duration {
        Duration::from_secs(self.seconds.into()) / 2
    }

    /// When it is over without a refresh (§10: a third of it before the end, 32 s at most, for the BYE).
    pub fn over_after(self) -> Duration {
        let whole = Duration::from_secs(self.seconds.into());
        whole - (whole / 3).min(Duration::from_secs(32))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresher {
    Uac,
    Uas,
}

/// Whether the message says that its sender knows this extension.
pub fn supports(message: &Message, option: &[u8]) -> bool {
    message.values(Header::Supported).any(|value| value.bytes.trim_ascii().eq_ignore_ascii_case(option))
}

fn read(message: &Message) -> Option<(u32, Option<Refresher>)> {
    let mut parts = message.header(Header::SessionExpires)?.split(|octet| *octet == b';');
    let seconds: u32 = std::str::from_utf8(parts.next()?.trim_ascii()).ok()?.parse().ok()?;
    let refresher = parts.find_map(|part| {
        let part = part.trim_ascii().to_ascii_lowercase();
        match part.strip_prefix(b"refresher=") {
            Some(b"uac") => Some(Refresher::Uac),
            Some(b"uas") => Some(Refresher::Uas),
            Some(_) | None => None,
        }
    });
    // Half a day is as long as anybody's call.
    (LEAST_S..=43_200).contains(&seconds).then_some((seconds, refresher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n{headers}\
             Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into_bytes().into(), &Limits::default()).unwrap()
    }

    #[test]
    fn rfc4028_9_who_refreshes_is_who_was_named_or_who_can() {
        for (headers, answer) in [
            ("Session-Expires: 1800;refresher=uac\r\n", Some("1800;refresher=uac")),
            ("Session-Expires: 1800;refresher=uas\r\nSupported: timer\r\n", Some("1800;refresher=uas")),
            ("Session-Expires: 600\r\nSupported: 100rel, timer\r\n", Some("600;refresher=uac")),
            ("x: 600\r\n", Some("600;refresher=uas")),
            ("Session-Expires: 89\r\nSupported: timer\r\n", None),
            ("Session-Expires: soon\r\n", None),
            ("Supported: timer\r\n", None),
        ] {
            let answered = Session::of_request(&invite(headers)).map(Session::in_response);
            assert_eq!(answered.as_deref(), answer, "{headers}");
        }
    }

    #[test]
    fn rfc4028_10_half_the_time_to_refresh_and_a_rest_for_the_bye() {
        let session = Session { seconds: 1800, ours: true };
        assert_eq!((session.refresh_after().as_secs(), session.over_after().as_secs()), (900, 1768));
        let short = Session { seconds: 90, ours: false };
        assert_eq!((short.refresh_after().as_secs(), short.over_after().as_secs()), (45, 60));
    }
}
