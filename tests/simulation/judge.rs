//! What must always hold on the wire, judged from the octets that go in and come out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;

use bytes::Bytes;
use toritsugi::message::{Header, Message, Method};
use toritsugi::transport::Protocol;

use super::callback_judge::CallbackJudge;
use super::leaving::{Leaving, wrong_record_routes};
use super::lot_judge::LotJudge;
use super::music_judge::MusicJudge;
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
pub type Key = (Vec<u8>, Method);

/// How long a request without a provisional response surely lives (Timers B and F, a little less).
const SURELY_WAITS: u64 = 31_900_000;

/// A server transaction of the engine, as seen from outside.
#[derive(Debug)]
struct Asked {
    at: u64,
    from: SocketAddr,
    request: Message,
    provisional: bool,
    last: Option<u16>,
    /// Its CANCEL came before its final answer.
    cancelled: bool,
    /// Where it was forwarded to, in order.
    branches: Vec<Key>,
}

/// A client transaction of the engine, as seen from outside.
#[derive(Debug)]
struct Sent {
    to: SocketAddr,
    protocol: Protocol,
    bytes: Bytes,
    at: u64,
    upstream: Option<Key>,
    provisional: bool,
    last: Option<u16>,
    cancelled: Option<u64>,
    /// Its transport was reported as failed, or it may have been given up before anything came back.
    failed: bool,
    /// An answer of it came too late and was ended: further ones of the same branch are ended as well, even
    /// when it rings in between.
    disowned: bool,
    method: Method,
    breadth: Option<u32>,
}

/// All that the judge remembers.
#[derive(Debug, Default)]
pub struct Judge {
    pub breaches: Vec<Breach>,
    pub people: People,
    pub lot: LotJudge,
    pub leaving: Leaving,
    pub music: MusicJudge,
    /// Who is called back.
    pub callbacks: CallbackJudge,
    /// Who may be spoken to, and over what.
    pub places: BTreeMap<SocketAddr, Protocol>,
    /// Octets that came from nobody we know, less those that went back.
    pub stranger_credit: usize,
    /// Octets that could not be read as a message, by where they came from; each may be refused once.
    pub unreadable: BTreeMap<SocketAddr, usize>,
    /// Since when no new call may begin.
    pub drained: Option<u64>,
    /// Responses of those beyond the proxy by their mark, with the INVITE or other request they answer.
    heard: HashMap<Vec<u8>, (Message, Option<Key>)>,
    /// Requests whose branches are to be looked at when the step is over.
    touched: Vec<Key>,
    asked: HashMap<Key, Asked>,
    sent: HashMap<Key, Sent>,
    /// First final status of each call, with the To-tag of its first 2xx.
    pub finals: BTreeMap<String, (u16, Vec<u8>)>,
    /// Answers of branches that were given up: acknowledged by the engine itself, by call and To-tag, and
    /// whether it has ended them too.
    late: BTreeMap<(String, Vec<u8>), bool>,
    /// Answers that may be ended so whoever else is asked: their branch was cancelled, had been
    /// silent, or its time was over. With the request they answer.
    lost: BTreeMap<(String, Vec<u8>), Key>,
    /// Calls whose caller sent CANCEL.
    pub cancels: BTreeSet<String>,
    /// Dialogs (by the callee's tag) in which a BYE came in.
    pub byes: BTreeSet<(String, Vec<u8>)>,
    /// A 2xx that came in and must go out within the step.
    owed: Option<(String, Vec<u8>, Key)>,
    /// The branch of a refusal that came in and must be acknowledged within the step.
    owed_ack: Option<(String, Vec<u8>)>,
    pub last_activity: BTreeMap<String, u64>,
    /// Phones that may ring for a call at once.
    pub at_once: usize,
    /// Calls for which several rang.
    pub rang_at_once: HashSet<Key>,
    /// Every INVITE that was let in, by Call-ID.
    pub accepted: BTreeSet<String>,
}

impl Judge {
    pub fn breach(&mut self, rule: &'static str, call: &str, what: String) {
        self.breaches.push(Breach { rule, what, call: call.to_owned() });
    }

    /// Whether the caller of an INVITE has had a provisional response, or needs none any more.
    pub fn rings(&self, call: &str) -> bool {
        let invites = self.asked.iter().filter(|(key, _)| key.1 == Method::Invite);
        let mut of_call = invites.filter(|(_, asked)| asked.request.call_id() == call.as_bytes());
        of_call.any(|(_, asked)| asked.provisional || asked.cancelled || asked.last.is_some())
    }

    /// The caller waits in the lot: from here on it is judged there (I8, I26). Nobody who calls an emergency
    /// number does (I25).
    pub fn waits(&mut self, call: &str) {
        self.leaving.waits(call);
        let of_call =
            |asked: &Asked| asked.request.call_id() == call.as_bytes() && is_emergency(&asked.request);
        if self.asked.values().any(of_call) {
            self.breach("I25", call, "an emergency call is parked".to_owned());
        }
    }

    /// A message reaches the engine.
    pub fn arrives(&mut self, now: u64, from: SocketAddr, message: &Message) {
        let call = text(message.call_id());
        self.last_activity.insert(call.clone(), now);
        let key = key_of(message);
        if self.music.is_anchored(&call) {
            match message.status() {
                Some(status) => return self.music.answers(&call, status, message),
                None => self.music.asked(&call, message, false),
            }
        }
        if call.starts_with("leg-") {
            return;
        }
        match message.status() {
            Some(status) => self.response_in(now, from, message, status, key, call),
            None => self.request_in(now, from, message, key, call),
        }
    }

    fn response_in(
        &mut self,
        now: u64,
        from: SocketAddr,
        message: &Message,
        status: u16,
        key: Key,
        call: String,
    ) {
        let mark = message.header_named(b"X-Callee").unwrap_or_default().to_vec();
        let Some(sent) = self.sent.get_mut(&key).filter(|sent| sent.to == from) else {
            self.heard.insert(mark, (message.clone(), None));
            return;
        };
        let live = sent.last.is_none_or(|last| last < 300)
            && !sent.failed
            && (sent.provisional || now < sent.at + SURELY_WAITS)
            && sent.cancelled.is_none_or(|at| now < at + SURELY_WAITS)
            && now < sent.at + 170_000_000
            && (sent.last.is_none() || now < sent.at + SURELY_WAITS);
        let unanswered = sent.last.is_none();
        // Given up while it was silent, for its silence or because the agent declined: no CANCEL could leave.
        let lost = sent.cancelled.is_some() || !sent.provisional || !live || sent.disowned;
        if (200..300).contains(&status) && key.1 == Method::Invite && lost {
            self.lost.insert((call.clone(), message.to_tag().unwrap_or_default().to_vec()), key.clone());
        }
        match status {
            // At the last moment: it may be cancelled, or be given up already.
            0..=199 if !sent.provisional && now >= sent.at + SURELY_WAITS => {
                (sent.failed, sent.provisional) = (true, true);
            }
            0..=199 => sent.provisional = true,
            _ => _ = sent.last.get_or_insert(status),
        }
        let upstream = sent.upstream.clone();
        self.heard.insert(mark, (message.clone(), upstream.clone()));
        if key.1 != Method::Invite {
            return;
        }
        self.touched.extend(upstream.clone());
        if status >= 300 && live && unanswered {
            self.owed_ack = Some((call, key.0));
        } else if (200..300).contains(&status) && live {
            self.owed = upstream.map(|up| (call, message.to_tag().unwrap_or_default().to_vec(), up));
        }
    }

    fn request_in(&mut self, now: u64, from: SocketAddr, message: &Message, key: Key, call: String) {
        if message.method() == Method::Cancel {
            self.cancels.insert(call.clone());
            let invite = (key.0.clone(), Method::Invite);
            if let Some(asked) = self.asked.get_mut(&invite).filter(|asked| asked.last.is_none()) {
                asked.cancelled = true;
                self.touched.push(invite);
            }
        }
        if message.method() == Method::Bye {
            for tag in [message.from_tag(), message.to_tag()].into_iter().flatten() {
                self.byes.insert((call.clone(), tag.to_vec()));
            }
        }
        // With its tables full the node refuses without keeping a transaction: the same INVITE may be taken
        // when it comes again (docs/SIMULATION.md).
        let refused = |asked: &Asked| asked.last == Some(503) && !asked.provisional;
        if key.1 == Method::Invite && self.asked.get(&key).is_some_and(refused) {
            self.asked.remove(&key);
            self.finals.remove(&call);
        }
        let Entry::Vacant(entry) = self.asked.entry(key) else { return };
        self.leaving.came(now, entry.key(), message);
        entry.insert(Asked {
            at: now,
            from,
            request: message.clone(),
            provisional: false,
            last: None,
            cancelled: false,
            branches: Vec::new(),
        });
    }

    /// A send was reported as failed.
    pub fn send_failed(&mut self, message: &Message) {
        if let Some(sent) = self.sent.get_mut(&key_of(message)) {
            sent.failed = true;
        }
    }

    /// A message leaves the engine.
    pub fn out_of_engine(
        &mut self,
        now: u64,
        to: SocketAddr,
        protocol: Protocol,
        bytes: &Bytes,
    ) -> Option<Message> {
        let message = match Message::parse(bytes.clone(), &super::limits()) {
            Ok(message) => message,
            Err(_) if self.refuses_unreadable(to, bytes) => return None,
            Err(fault) => {
                self.breach("I22", "", format!("what goes to {to} cannot be read: {fault:?}"));
                return None;
            }
        };
        let call = text(message.call_id());
        match self.places.get(&to) {
            None => self.breach("I13", &call, format!("a message goes to {to}, which is nobody")),
            Some(over) if *over != protocol => {
                self.breach("I5", &call, format!("a message goes to {to} over {protocol:?}, not {over:?}"));
            }
            Some(_) => {}
        }
        if to == super::house::stranger() {
            self.judge_stranger(&call, &message);
            return None;
        }
        self.last_activity.insert(call.clone(), now);
        if call.starts_with("leg-") {
            if message.status().is_none() {
                self.music.asked(&call, &message, true);
            }
            return Some(message);
        }
        match message.status() {
            Some(status) => {
                let initial = message.method() == Method::Invite && message.cseq() == 1;
                if initial && status > 100 {
                    self.music.told(&call, status, &message);
                    if self.music.is_anchored(&call) {
                        self.accepted.insert(call.clone());
                    }
                }
                self.response_out(to, &message, status, &call);
            }
            None if self.music.is_anchored(&call) => self.music.asked(&call, &message, true),
            None => self.request_out(now, to, protocol, &message, &call),
        }
        Some(message)
    }

    /// A refusal of octets that could not be read repeats what was legible of them.
    fn refuses_unreadable(&mut self, to: SocketAddr, bytes: &Bytes) -> bool {
        let left = self.unreadable.get_mut(&to).filter(|left| **left > 0 && bytes.starts_with(b"SIP/2.0 4"));
        left.map(|left| *left -= 1).is_some()
    }

    /// Whoever is no peer gets at most what they sent, and only a refusal (I14, N28).
    fn judge_stranger(&mut self, call: &str, message: &Message) {
        let octets = message.bytes().len();
        if message.status().is_none_or(|status| !(400..700).contains(&status)) {
            self.breach("I13", call, "more than a refusal goes to a stranger".to_owned());
        }
        match self.stranger_credit.checked_sub(octets) {
            Some(left) => self.stranger_credit = left,
            None => self.breach("I14", call, format!("{octets} octets go to a stranger who sent fewer")),
        }
    }

    fn response_out(&mut self, to: SocketAddr, message: &Message, status: u16, call: &str) {
        let key = key_of(message);
        let Some(asked) = self.asked.get_mut(&key) else {
            if let Some(left) = self.unreadable.get_mut(&to).filter(|left| **left > 0 && status == 400) {
                *left -= 1;
                return;
            }
            return self.breach("I13", call, format!("{status} answers nothing that was asked"));
        };
        let mut faults = Vec::new();
        let mark = message.header_named(b"X-Callee").unwrap_or_default();
        if let Some((heard, upstream)) = self.heard.get(mark).filter(|_| !mark.is_empty()) {
            if upstream.as_ref() != Some(&key) {
                faults.push(("I5", format!("{status} was no answer to this request")));
            }
            faults.extend(changed_in_passing(heard, message));
        }
        if asked.from != to {
            faults.push(("I5", format!("{status} goes to {to}, the request came from {}", asked.from)));
        }
        let callees = !mark.is_empty();
        if status == 100 && callees {
            faults.push(("I2", "a 100 was forwarded".to_owned()));
        }
        match asked.last {
            Some(last) if status < 200 => faults.push(("I2", format!("{status} after the final {last}"))),
            // Who says 200 and then 202 says two answers, and every 2xx goes up (§16.7 item 5).
            Some(last) if last != status && !(last < 300 && status < 300) => {
                faults.push(("I2", format!("{status} after the final {last}")))
            }
            Some(_) | None => {}
        }
        if status >= 200 {
            asked.last = Some(status);
            if key.1 == Method::Invite {
                self.touched.push(key.clone());
                self.leaving.left(&key);
            }
        } else {
            asked.provisional = true;
        }
        let initial = key.1 == Method::Invite && asked.request.to_tag().is_none();
        let nowhere = asked.branches.is_empty() && !asked.cancelled;
        if initial && status >= 300 && nowhere && is_emergency(&asked.request) {
            faults.push(("I25", format!("an emergency call is refused with {status} and goes nowhere")));
        }
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

    fn request_out(&mut self, now: u64, to: SocketAddr, protocol: Protocol, message: &Message, call: &str) {
        let key = key_of(message);
        if let Some(sent) = self.sent.get(&key) {
            let same = sent.bytes == *message.bytes() && sent.to == to && sent.protocol == protocol;
            if !same && key.1 != Method::Ack {
                self.breach("I5", call, format!("a repeat to {to} differs from what went to {}", sent.to));
            }
            return;
        }
        let vias: Vec<&[u8]> = message.values(Header::Via).map(|value| value.bytes).collect();
        match (key.1, vias.len()) {
            (Method::Cancel, 1) => self.cancel_out(now, to, protocol, message, call),
            (Method::Ack, 1) => self.ack_out(to, protocol, message, call),
            (Method::Bye, 1) => self.own_bye(now, to, protocol, message, call),
            // Is the silent target of the default route alive? (F7)
            (Method::Options, 1) => self.note_sent(now, to, protocol, message, key, None),
            (_, 0 | 1) => self.breach("I5", call, format!("a {:?} of our own making", key.1)),
            (_, _) => self.forwarded(now, to, protocol, message, vias[1], call),
        }
    }

    fn cancel_out(&mut self, now: u64, to: SocketAddr, protocol: Protocol, message: &Message, call: &str) {
        let (branch, method) = key_of(message);
        let mut fault = None;
        match self.sent.get_mut(&(branch.clone(), Method::Invite)) {
            None => fault = Some(("I5", "a CANCEL whose branch is no INVITE's".to_owned())),
            Some(invite) => {
                if (invite.to, invite.protocol) != (to, protocol) {
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
        self.note_sent(now, to, protocol, message, (branch, method), None);
        if let Some((rule, what)) = fault {
            self.breach(rule, call, what);
        }
    }

    fn ack_out(&mut self, to: SocketAddr, protocol: Protocol, message: &Message, call: &str) {
        let branch = key_of(message).0;
        if self.owed_ack.as_ref().is_some_and(|(_, owed)| *owed == branch) {
            self.owed_ack = None;
        }
        let of = (branch, Method::Invite);
        if !self.sent.contains_key(&of) && self.is_late_answer(message, call) {
            return;
        }
        let fault = match self.sent.get(&of) {
            None => Some("an ACK whose branch is no INVITE's".to_owned()),
            Some(invite) if (invite.to, invite.protocol) != (to, protocol) => {
                Some(format!("the ACK goes to {to}, not {}", invite.to))
            }
            Some(invite) if invite.last.is_none_or(|last| last < 300) => {
                Some("an ACK for a failure that never came".to_owned())
            }
            Some(_) => None,
        };
        if let Some(what) = fault {
            self.breach("I5", call, what);
        }
    }

    /// I3: a 2xx of a branch that was given up is acknowledged here, each time it comes. It must have been
    /// given up: the caller has another answer, has gone, or somebody else was asked after it.
    fn is_late_answer(&mut self, ack: &Message, call: &str) -> bool {
        let answer = (call.to_owned(), ack.to_tag().unwrap_or_default().to_vec());
        if self.late.contains_key(&answer) {
            self.owed.take_if(|(_, tag, _)| *tag == answer.1);
            return true;
        }
        let owed = self.owed.take_if(|(_, tag, _)| *tag == answer.1);
        let asked = owed.and_then(|(_, _, up)| self.asked.get(&up));
        if let Some(sent) = self.lost.get(&answer).and_then(|key| self.sent.get_mut(key)) {
            sent.disowned = true;
        }
        let given_up = self.lost.contains_key(&answer)
            || asked.is_some_and(|asked| asked.cancelled || asked.last.is_some() || asked.branches.len() > 1);
        self.late.insert(answer, false);
        given_up
    }

    /// I4: what was answered too late is ended, once.
    fn own_bye(&mut self, now: u64, to: SocketAddr, protocol: Protocol, message: &Message, call: &str) {
        let answer = (call.to_owned(), message.to_tag().unwrap_or_default().to_vec());
        match self.late.get_mut(&answer) {
            Some(ended) if !*ended => *ended = true,
            Some(_) => self.breach("I4", call, "a late answer is ended twice".to_owned()),
            None => self.breach("I5", call, "a BYE of our own making".to_owned()),
        }
        self.note_sent(now, to, protocol, message, key_of(message), None);
    }

    fn note_sent(
        &mut self,
        at: u64,
        to: SocketAddr,
        protocol: Protocol,
        message: &Message,
        key: Key,
        upstream: Option<Key>,
    ) {
        self.sent.insert(
            key.clone(),
            Sent {
                to,
                protocol,
                breadth: breadth_of(message),
                bytes: message.bytes().clone(),
                at,
                upstream,
                provisional: false,
                last: None,
                cancelled: None,
                failed: false,
                disowned: false,
                method: key.1,
            },
        );
    }

    fn forwarded(
        &mut self,
        now: u64,
        to: SocketAddr,
        protocol: Protocol,
        message: &Message,
        via: &[u8],
        call: &str,
    ) {
        let branch = branch_in(via);
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
        let calling = self.places.get(&asked.from).copied().unwrap_or(protocol);
        faults
            .extend(wrong_record_routes(original, message, calling, protocol).map(|what| ("RFC 5658", what)));
        if let Some(most) = breadth_of(original) {
            let pending = asked.branches.iter().filter_map(|key| self.sent.get(key));
            let pending =
                pending.filter(|sent| sent.last.is_none() && sent.cancelled.is_none() && !sent.failed);
            let spent: u32 = pending.filter(|sent| sent.provisional).filter_map(|sent| sent.breadth).sum();
            let more = breadth_of(message).unwrap_or(60);
            if spent + more > most {
                faults.push(("I15", format!("Max-Breadth {spent} and {more} are spent of {most}")));
            }
        }
        if asked.last.is_some() && message.method() == Method::Invite {
            faults.push(("I2", "an INVITE goes on after its final answer".to_owned()));
        }
        if message.method() == Method::Invite {
            if message.to_tag().is_none() {
                self.accepted.insert(call.to_owned());
                if self.drained.is_some_and(|since| since < asked.at) && !is_emergency(original) {
                    faults.push(("drain", "a call begins although none may".to_owned()));
                }
            }
            if let Some(asked) = self.asked.get_mut(&up) {
                asked.branches.push(key_of(message));
            }
            self.touched.push(up.clone());
            self.leaving.left(&up);
        }
        self.note_sent(now, to, protocol, message, key_of(message), Some(up));
        for (rule, what) in faults {
            self.breach(rule, call, what);
        }
    }

    /// One input and all it caused are over.
    pub fn step_is_over(&mut self, now: u64) {
        if let Some((call, due)) = self.leaving.overdue(now) {
            self.breach("F1", &call, format!("its INVITE has gone nowhere {} µs after its time", now - due));
        }
        let mut touched = std::mem::take(&mut self.touched);
        for key in touched.drain(..) {
            self.look_at_branches(&key);
        }
        self.touched = touched;
        let going_on = self.late.iter().find(|(_, ended)| !**ended).map(|(answer, _)| answer.clone());
        if let Some((call, tag)) = going_on {
            self.breach("I4", &call, format!("the late answer of {} is not ended", text(&tag)));
            self.late.insert((call, tag), true);
        }
        if let Some((call, branch)) = self.owed_ack.take() {
            self.breach("I5", &call, format!("the refusal of {} was not acknowledged", text(&branch)));
        }
        if let Some((call, tag, _)) = self.owed.take() {
            self.breach("I3", &call, format!("the 2xx with to-tag {} was not passed on", text(&tag)));
        }
    }

    /// I4: who lost is cancelled within the step, or within the step in which it begins to ring: everybody
    /// once the caller has a final answer or gave up, and always everybody but the last ones asked, of whom
    /// there is one, or as many as may ring at once.
    fn look_at_branches(&mut self, key: &Key) {
        let Some(asked) = self.asked.get(key) else { return };
        let settled = asked.cancelled || asked.last.is_some();
        let last = asked.branches.len().saturating_sub(self.at_once);
        let rings = |branch: &Key| {
            self.sent.get(branch).is_some_and(|sent| {
                sent.provisional && sent.last.is_none() && sent.cancelled.is_none() && !sent.failed
            })
        };
        let mut ringing = asked.branches.iter().enumerate().filter(|(_, branch)| rings(branch));
        let several = ringing.clone().count() > 1;
        let forgotten = ringing.find(|(index, _)| settled || *index < last);
        if let Some((_, (branch, _))) = forgotten {
            let (what, call) =
                (format!("branch {} lost and rings on", text(branch)), text(asked.request.call_id()));
            self.breach("I4", &call, what);
        } else if several {
            self.rang_at_once.insert(key.clone());
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
    let touched: [&[u8]; 8] = [
        b"Via",
        b"Max-Forwards",
        b"Max-Breadth",
        b"Record-Route",
        b"Route",
        b"P-Asserted-Identity",
        b"v",
        b"Privacy",
    ];
    touched.iter().any(|header| header.eq_ignore_ascii_case(name))
}

/// I22, I23: what a response must not lose or gain on its way up: only the topmost Via goes, and the other
/// challenges join a 401 or 407 (RFC 3261 §16.7 items 3 and 7).
fn changed_in_passing(heard: &Message, passed: &Message) -> Option<(&'static str, String)> {
    if heard.body() != passed.body() {
        return Some(("I23", "the body of a response was changed".to_owned()));
    }
    let vias =
        |of: &Message| -> Vec<Vec<u8>> { of.values(Header::Via).map(|value| value.bytes.to_vec()).collect() };
    if heard.status() != passed.status() || vias(heard).get(1..) != Some(vias(passed).as_slice()) {
        return Some(("I22", "a response does not go back along its Via".to_owned()));
    }
    let challenge = |name: &[u8]| name.ends_with(b"-Authenticate");
    let rest = |of: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        of.all_headers()
            .filter(|(name, _)| !name.eq_ignore_ascii_case(b"Via") && !challenge(name))
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect()
    };
    let challenges = |of: &Message| of.all_headers().filter(|(name, _)| challenge(name)).count();
    if rest(heard) != rest(passed) || challenges(passed) < challenges(heard) {
        return Some(("I22", "a header of a response was changed".to_owned()));
    }
    None
}

fn is_emergency(request: &Message) -> bool {
    request.request_uri().starts_with(b"sip:110@")
}

fn breadth_of(message: &Message) -> Option<u32> {
    std::str::from_utf8(message.header(Header::MaxBreadth)?).ok()?.trim().parse().ok()
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
