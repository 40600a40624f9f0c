//! How an INVITE that begins a call leaves: in time (F1), and with the way back in it (RFC 5658).

use std::collections::BTreeMap;

use toritsugi::message::{Header, Message, Method};
use toritsugi::transport::Protocol;

use super::house;
use super::judge::{Key, text};

/// How long the name of a phone may be asked for: the world answers within 800 ms.
const NAME_KNOWN: u64 = 800_000;

/// INVITEs that have not gone anywhere yet.
#[derive(Debug, Default)]
pub struct Leaving {
    /// By the branch of the INVITE.
    waiting: BTreeMap<Vec<u8>, Waiting>,
    /// Microseconds a look-up may hold a call up.
    pub look_up: u64,
    /// Microseconds a pop may hold a phone up.
    pub announce: u64,
}

#[derive(Debug)]
struct Waiting {
    call: String,
    due: u64,
}

impl Leaving {
    /// An INVITE came for the first time. Only somebody on the line whose number is told is looked up, and
    /// only that takes time.
    pub fn came(&mut self, now: u64, key: &Key, message: &Message) {
        if key.1 != Method::Invite || message.to_tag().is_some() {
            return;
        }
        let line = message.request_uri().starts_with(b"sip:0312345678@");
        let number = message.header(Header::From).is_some_and(|from| from.starts_with(b"<sip:+81"));
        let due = now + if line && number { self.look_up } else { 0 };
        self.waiting.insert(key.0.clone(), Waiting { call: text(message.call_id()), due });
    }

    /// The call is offered to an agent: the pop goes before the phone when a screen is there, and one phone
    /// has a name that may have to be asked for.
    pub fn offered(&mut self, call: &str, announced: bool, agent: &str) {
        let named = agent == house::agent_id(house::NAMED_PHONE).as_str();
        let more = if announced { self.announce } else { 0 } + if named { NAME_KNOWN } else { 0 };
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.call == call) {
            waiting.due += more;
        }
    }

    /// It went on to somebody, or has its final answer.
    pub fn left(&mut self, key: &Key) {
        self.waiting.remove(&key.0);
    }

    /// The caller waits in the lot, and hears so.
    pub fn waits(&mut self, call: &str) {
        self.waiting.retain(|_, waiting| waiting.call != call);
    }

    /// F1: the call of an INVITE that should have gone on by now, once, and since when.
    pub fn overdue(&mut self, now: u64) -> Option<(String, u64)> {
        let late = self.waiting.iter().find(|(_, waiting)| waiting.due < now).map(|(key, _)| key.clone())?;
        self.waiting.remove(&late).map(|waiting| (waiting.call, waiting.due))
    }
}

/// RFC 3261 §16.6 item 4, RFC 5658 §5: what an INVITE outside a dialog gains of Record-Route is one value of
/// ours for the side it goes to, and below it one for the side it came from when that is another transport or
/// address family (the world has one family). Within a dialog there is none.
pub fn wrong_record_routes(
    came: &Message,
    goes: &Message,
    calling: Protocol,
    called: Protocol,
) -> Option<String> {
    let routes = |of: &Message| -> Vec<String> {
        of.values(Header::RecordRoute).map(|value| text(value.bytes)).collect()
    };
    let (before, after) = (routes(came), routes(goes));
    let Some(ours) = after.strip_suffix(before.as_slice()) else {
        return Some("a Record-Route of somebody else was changed".to_owned());
    };
    let mut sides = Vec::new();
    if came.method() == Method::Invite && came.to_tag().is_none() {
        sides.push(called);
        sides.extend((calling != called).then_some(calling));
    }
    let fits = |(value, side): (&String, &Protocol)| {
        let over_tcp = value.contains(";transport=tcp");
        value.starts_with("<sip:192.0.2.1:5060;")
            && value.contains(";lr")
            && over_tcp == (*side == Protocol::Tcp)
    };
    let right = ours.len() == sides.len() && ours.iter().zip(&sides).all(fits);
    (!right).then(|| format!("Record-Route {ours:?} from {calling:?} to {called:?}"))
}
