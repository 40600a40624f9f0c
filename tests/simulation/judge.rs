//! What must always hold on the wire, judged from the octets that go in and come out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;
use toritsugi::message::{Header, Message, Method};

use super::people_judge::People;

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Breach {
    pub rule: &'static str,
    pub what: String,
    /// SIP's Call-ID, when it is about one call.
    pub call: String,
}

/// Branch and method.
type Key = (Vec<u8>, Method);

/// A server transaction of the engine, as seen from outside.
#[derive(Debug)]
struct Asked {
    from: SocketAddr,
    request: Message,
    provisional: bool,
    last: Option<u16>,
    answered: usize,
}

/// A client transaction of the engine, as seen from outside.
#[derive(Debug)]
struct Sent {
    to: SocketAddr,
    bytes: Bytes,
    at: u64,
    upstream: Option<Key>,
    provisional: bool,
    last: Option<u16>,
    cancelled: Option<u64>,
    /// Its transport was reported as failed.
    failed: bool,
    method: Method,
}

/// All that the judge remembers.
#[derive(Debug, Default)]
pub struct Judge {
    pub breaches: Vec<Breach>,
    pub people: People,
    pub places: BTreeSet<SocketAddr>,
    asked: HashMap<Key, Asked>,
    sent: HashMap<Key, Sent>,
    /// First final status of each call, with the To-tag of its first 2xx.
    pub finals: BTreeMap<String, (u16, Vec<u8>)>,
    /// Calls whose caller sent CANCEL.
    pub cancels: BTreeSet<String>,
    /// Dialogs (by the callee's tag) in which a BYE came in.
    pub byes: BTreeSet<(String, Vec<u8>)>,
    /// A 2xx that came in and must go out within the step.
    owed: Option<(String, Vec<u8>, Key)>,
    pub last_activity: BTreeMap<String, u64>,
    /// Every INVITE that was let in, by Call-ID.
    pub accepted: BTreeSet<String>,
}

impl Judge {
    pub fn breach(&mut self, rule: &'static str, call: &str, what: String) {
        self.breaches.push(Breach { rule, what, call: call.to_owned() });
    }

    /// A message reaches the engine.
    pub fn arrives(&mut self, now: u64, from: SocketAddr, message: &Message) {
        let call = text(message.call_id());
        self.last_activity.insert(call.clone(), now);
        let key = key_of(message);
        let Some(status) = message.status() else { return self.request_in(from, message, key, call) };
        let Some(sent) = self.sent.get_mut(&key) else { return };
        if sent.to != from {
            return;
        }
        let live = sent.last.is_none_or(|last| last < 300)
            && !sent.failed
            && (sent.provisional || now < sent.at + 31_900_000)
            && sent.cancelled.is_none_or(|at| now < at + 31_900_000)
            && now < sent.at + 170_000_000
            && (sent.last.is_none() || now < sent.at + 31_900_000);
        match status {
            0..=199 => sent.provisional = true,
            _ => sent.last = sent.last.filter(|last| *last < 300).or(Some(status)),
        }
        let upstream = sent.upstream.clone();
        if (200..300).contains(&status) && key.1 == Method::Invite && live {
            self.owed = upstream.map(|up| (call, message.to_tag().unwrap_or_default().to_vec(), up));
        }
    }

    fn request_in(&mut self, from: SocketAddr, message: &Message, key: Key, call: String) {
        if message.method() == Method::Cancel {
            self.cancels.insert(call.clone());
        }
        if message.method() == Method::Bye {
            for tag in [message.from_tag(), message.to_tag()].into_iter().flatten() {
                self.byes.insert((call.clone(), tag.to_vec()));
            }
        }
        self.asked.entry(key).or_insert_with(|| Asked {
            from,
            request: message.clone(),
            provisional: false,
            last: None,
            answered: 0,
        });
    }

    /// A send was reported as failed.
    pub fn send_failed(&mut self, message: &Message) {
        if let Some(sent) = self.sent.get_mut(&key_of(message)) {
            sent.failed = true;
        }
    }

    /// A message leaves the engine.
    pub fn out_of_engine(&mut self, now: u64, to: SocketAddr, bytes: &Bytes) -> Option<Message> {
        let message = match Message::parse(bytes.clone(), &super::limits()) {
            Ok(message) => message,
            Err(fault) => {
                self.breach("I22", "", format!("what goes to {to} cannot be read: {fault:?}"));
                return None;
            }
        };
        let call = text(message.call_id());
        self.last_activity.insert(call.clone(), now);
        if !self.places.contains(&to) {
            self.breach("I13", &call, format!("a message goes to {to}, which is nobody"));
        }
        match message.status() {
            Some(status) => self.response_out(to, &message, status, &call),
            None => self.request_out(now, to, &message, &call),
        }
        Some(message)
    }

    fn response_out(&mut self, to: SocketAddr, message: &Message, status: u16, call: &str) {
        let key = key_of(message);
        let Some(asked) = self.asked.get_mut(&key) else {
            return self.breach("I13", call, format!("{status} answers nothing that was asked"));
        };
        let mut faults = Vec::new();
        if asked.from != to {
            faults.push(("I5", format!("{status} goes to {to}, the request came from {}", asked.from)));
        }
        let callees = message.header_named(b"X-Callee").is_some();
        if status == 100 && callees {
            faults.push(("I2", "a 100 was forwarded".to_owned()));
        }
        match asked.last {
            Some(last) if status < 200 => faults.push(("I2", format!("{status} after the final {last}"))),
            Some(last) if last != status => faults.push(("I2", format!("{status} after the final {last}"))),
            Some(_) | None => {}
        }
        if status >= 200 {
            asked.last = Some(status);
            asked.answered += 1;
        } else {
            asked.provisional = true;
        }
        let initial = key.1 == Method::Invite && asked.request.to_tag().is_none();
        if initial && status >= 200 {
            let tag = message.to_tag().unwrap_or_default().to_vec();
            self.finals.entry(call.to_owned()).or_insert((status, tag));
        }
        if self.owed.as_ref().is_some_and(|(_, tag, up)| *up == key && message.to_tag() == Some(tag)) {
            self.owed = None;
        }
        for (rule, what) in faults {
            self.breach(rule, call, what);
        }
    }

    fn request_out(&mut self, now: u64, to: SocketAddr, message: &Message, call: &str) {
        let key = key_of(message);
        if let Some(sent) = self.sent.get(&key) {
            let same = sent.bytes == *message.bytes() && sent.to == to;
            if !same && key.1 != Method::Ack {
                self.breach("I5", call, format!("a repeat to {to} differs from what went to {}", sent.to));
            }
            return;
        }
        let vias: Vec<&[u8]> = message.values(Header::Via).map(|value| value.bytes).collect();
        match (key.1, vias.len()) {
            (Method::Cancel, 1) => self.cancel_out(now, to, message, call),
            (Method::Ack, 1) => self.ack_out(to, message, call),
            (_, 0 | 1) => self.breach("I5", call, format!("a {:?} of our own making", key.1)),
            (_, _) => self.forwarded(now, to, message, vias[1].to_vec(), call),
        }
    }

    fn cancel_out(&mut self, now: u64, to: SocketAddr, message: &Message, call: &str) {
        let (branch, method) = key_of(message);
        let mut fault = None;
        match self.sent.get_mut(&(branch.clone(), Method::Invite)) {
            None => fault = Some(("I5", "a CANCEL whose branch is no INVITE's".to_owned())),
            Some(invite) => {
                if invite.to != to {
                    fault =
                        Some(("I5", format!("the CANCEL goes to {to}, the INVITE went to {}", invite.to)));
                } else if !invite.provisional {
                    fault = Some(("I5", "a CANCEL before any provisional response".to_owned()));
                } else if let Some(last) = invite.last {
                    fault = Some(("I4", format!("a CANCEL after the final {last}")));
                }
                invite.cancelled = Some(now);
            }
        }
        self.note_sent(now, to, message, (branch, method), None);
        if let Some((rule, what)) = fault {
            self.breach(rule, call, what);
        }
    }

    fn ack_out(&mut self, to: SocketAddr, message: &Message, call: &str) {
        let branch = key_of(message).0;
        let fault = match self.sent.get(&(branch, Method::Invite)) {
            None => Some("an ACK whose branch is no INVITE's".to_owned()),
            Some(invite) if invite.to != to => Some(format!("the ACK goes to {to}, not {}", invite.to)),
            Some(invite) if invite.last.is_none_or(|last| last < 300) => {
                Some("an ACK for a failure that never came".to_owned())
            }
            Some(_) => None,
        };
        if let Some(what) = fault {
            self.breach("I5", call, what);
        }
    }

    fn note_sent(&mut self, at: u64, to: SocketAddr, message: &Message, key: Key, upstream: Option<Key>) {
        self.sent.insert(
            key.clone(),
            Sent {
                to,
                bytes: message.bytes().clone(),
                at,
                upstream,
                provisional: false,
                last: None,
                cancelled: None,
                failed: false,
                method: key.1,
            },
        );
    }

    fn forwarded(&mut self, now: u64, to: SocketAddr, message: &Message, via: Vec<u8>, call: &str) {
        let branch = branch_in(&via);
        let up = (branch, message.method());
        let Some(asked) = self.asked.get(&up) else {
            return self.breach("I13", call, format!("a {:?} that nobody sent goes to {to}", up.1));
        };
        let original = &asked.request;
        let mut faults = Vec::new();
        if original.body() != message.body() {
            faults.push(("I23", "the body was changed".to_owned()));
        }
        let forwards = original.max_forwards().map(|left| left.saturating_sub(1));
        if message.max_forwards() != forwards {
            faults.push(("I15", format!("Max-Forwards {:?}, not {forwards:?}", message.max_forwards())));
        }
        let kept = |of: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
            of.all_headers()
                .filter(|(name, _)| !may_touch(name))
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect()
        };
        if kept(original) != kept(message) {
            faults.push(("I22", "a header that is not ours to touch was changed".to_owned()));
        }
        if message.values(Header::Via).count() != original.values(Header::Via).count() + 1 {
            faults.push(("I22", "not exactly one Via was added".to_owned()));
        }
        if asked.last.is_some() && message.method() == Method::Invite {
            faults.push(("I2", "an INVITE goes on after its final answer".to_owned()));
        }
        if message.method() == Method::Invite && message.to_tag().is_none() {
            self.accepted.insert(call.to_owned());
        }
        self.note_sent(now, to, message, key_of(message), Some(up));
        for (rule, what) in faults {
            self.breach(rule, call, what);
        }
    }

    /// One input and all it caused are over.
    pub fn step_is_over(&mut self) {
        if let Some((call, tag, _)) = self.owed.take() {
            self.breach("I3", &call, format!("the 2xx with to-tag {} was not passed on", text(&tag)));
        }
    }

    /// Nothing more will happen.
    pub fn run_is_over(&mut self) {
        let mut faults = Vec::new();
        for ((_, method), asked) in &self.asked {
            if *method == Method::Invite && asked.last.is_none() {
                faults.push(("I1", text(asked.request.call_id()), "an INVITE was never answered".to_owned()));
            }
        }
        for ((branch, _), sent) in self.sent.iter().filter(|(_, sent)| sent.method == Method::Invite) {
            let up = sent.upstream.as_ref().and_then(|up| self.asked.get(up));
            let Some(up) = up else { continue };
            if sent.last.is_none() && sent.provisional && sent.cancelled.is_none() && !sent.failed {
                let what = format!("branch {} rang, was never answered and never cancelled", text(branch));
                faults.push(("I4", text(up.request.call_id()), what));
            }
        }
        for (rule, call, what) in faults {
            self.breach(rule, &call, what);
        }
    }
}

/// Headers that a proxy may touch (RFC 3261 §16.6).
fn may_touch(name: &[u8]) -> bool {
    let touched: [&[u8]; 7] =
        [b"Via", b"Max-Forwards", b"Record-Route", b"Route", b"P-Asserted-Identity", b"v", b"Privacy"];
    touched.iter().any(|header| header.eq_ignore_ascii_case(name))
}

fn key_of(message: &Message) -> Key {
    (message.top_via().branch().unwrap_or_default().to_vec(), message.method())
}

fn branch_in(via: &[u8]) -> Vec<u8> {
    let text = text(via);
    let branch = text.split(';').find_map(|part| part.trim().strip_prefix("branch=")).unwrap_or_default();
    branch.as_bytes().to_vec()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
