//! The agents' phones (or a PBX): one UDP socket that answers for every user and notes when each message
//! arrived.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use super::log::Log;
use super::sip::Message;
use super::stamp;

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const TICK: Duration = Duration::from_millis(50);
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// What a phone does with an INVITE.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// 180 after `quiet`, 200 after another `ring`.
    Answer { quiet: Duration, ring: Duration },
    /// 486 at once.
    Busy,
    /// 180, and 487 when CANCEL comes.
    Ring,
    /// No response to an INVITE at all: a phone without power.
    Dead,
}

/// What was seen at a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The first copy of an INVITE without a To-tag.
    Invite,
    /// A later copy of it.
    InviteAgain,
    /// 200 was sent.
    Answered,
    /// The ACK of our 200.
    Acked,
    /// CANCEL of an INVITE that had no final response yet.
    Cancelled,
    /// BYE: the call is over.
    Bye,
    /// The phone refused the call.
    Refused,
    /// Any other request.
    Other,
}

/// One line of the record.
#[derive(Clone, Debug)]
pub struct PhoneEvent {
    /// When the kernel had the message, or when we sent ours.
    pub at: SystemTime,
    /// What happened.
    pub what: What,
    /// The phone: the user part of the INVITE's Request-URI.
    pub user: String,
    /// Call-ID.
    pub call_id: String,
    /// The number the call comes from.
    pub caller: String,
    /// When the caller sent the INVITE.
    pub sent: Option<SystemTime>,
}

/// The socket, its thread and the record.
pub struct Phones {
    /// Where it listens.
    pub address: SocketAddr,
    /// What happened, in order of handling.
    pub log: Arc<Log<PhoneEvent>>,
    behaviours: Arc<Mutex<Behaviours>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Behaviours {
    others: Behaviour,
    of_user: HashMap<String, Behaviour>,
}

impl Phones {
    /// Listens on `address`; every user behaves as `behaviour` says until [`Phones::set`] says otherwise.
    pub fn start(address: SocketAddr, behaviour: Behaviour) -> Self {
        let socket = UdpSocket::bind(address).expect("the test's own network is free");
        stamp::enable(&socket).expect("Linux stamps datagrams");
        // Not being able to enlarge it only makes a lost datagram likelier.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
        let log = Arc::new(Log::default());
        let behaviours = Arc::new(Mutex::new(Behaviours { others: behaviour, of_user: HashMap::new() }));
        let stopping = Arc::new(AtomicBool::new(false));
        let exchange = Exchange {
            socket,
            address,
            log: Arc::clone(&log),
            behaviours: Arc::clone(&behaviours),
            calls: HashMap::new(),
            by_tag: HashMap::new(),
            timers: BinaryHeap::new(),
            count: 0,
        };
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || exchange.run(&stop));
        Self { address, log, behaviours, stopping, thread: Some(thread) }
    }

    /// From now on `user`'s phone behaves like this.
    pub fn set(&self, user: &str, behaviour: Behaviour) {
        let mut behaviours = self.behaviours.lock().unwrap_or_else(PoisonError::into_inner);
        behaviours.of_user.insert(user.to_owned(), behaviour);
    }

    /// How often something was seen, at any phone.
    pub fn count(&self, what: What) -> usize {
        self.log.read(|events| events.iter().filter(|event| event.what == what).count())
    }

    /// Waits for the `n`th (from 1) event of a kind; panics with the record when it does not come.
    pub fn wait_for(&self, what: What, n: usize, limit: Duration) -> PhoneEvent {
        let nth = |events: &[PhoneEvent]| events.iter().filter(|e| e.what == what).nth(n - 1).cloned();
        self.log.wait(limit, nth).unwrap_or_else(|| {
            panic!("{n} × {what:?} not seen within {limit:?}: {:#?}", self.log.read(<[_]>::to_vec))
        })
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

/// One INVITE and what came of it. Its key is the branch; a dialog finds it by our tag.
struct Call {
    invite: Message,
    source: SocketAddr,
    user: String,
    tag: String,
    last: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ringing,
    Answered,
    Over,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Ring(Duration),
    Answer,
    Repeat(Duration),
}

struct Exchange {
    socket: UdpSocket,
    address: SocketAddr,
    log: Arc<Log<PhoneEvent>>,
    behaviours: Arc<Mutex<Behaviours>>,
    calls: HashMap<String, Call>,
    by_tag: HashMap<String, String>,
    timers: BinaryHeap<Reverse<(Instant, Due, String)>>,
    count: u64,
}

impl Exchange {
    fn run(mut self, stopping: &AtomicBool) {
        let mut buffer = vec![0; 65_536];
        while !stopping.load(Ordering::Relaxed) {
            let now = Instant::now();
            self.fire(now);
            let next =
                self.timers.peek().map_or(TICK, |Reverse((due, ..))| due.saturating_duration_since(now));
            let wait = next.clamp(Duration::from_millis(1), TICK);
            self.socket.set_read_timeout(Some(wait)).expect("the time-out is not zero");
            match stamp::receive_from(&self.socket, &mut buffer) {
                Ok((length, source, at)) => {
                    if let Some(message) = Message::read(&buffer[..length]) {
                        self.handle(&message, source, at);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An ICMP error of an earlier datagram; the next one may do better.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => panic!("the phones' socket fails: {error}"),
            }
        }
    }

    fn handle(&mut self, message: &Message, source: SocketAddr, at: SystemTime) {
        match message.method() {
            Some("INVITE") if message.to_tag().is_none() => self.on_invite(message, source, at),
            Some("CANCEL") => self.on_cancel(message, source, at),
            Some("ACK") => self.on_ack(message, at),
            Some("BYE") => self.on_bye(message, source, at),
            Some("INVITE") => self.reply(message, source, "200 OK", &self.sdp()),
            Some(_) => {
                self.note(What::Other, message, &message.request_user(), at);
                self.reply(message, source, "200 OK", "");
            }
            None => {}
        }
    }

    fn on_invite(&mut self, invite: &Message, source: SocketAddr, at: SystemTime) {
        let branch = invite.branch();
        let user = invite.request_user();
        if let Some(call) = self.calls.get(&branch) {
            let again = call.last.clone();
            self.note(What::InviteAgain, invite, &user, at);
            if !again.is_empty() {
                self.send(&again, source);
            }
            return;
        }
        self.note(What::Invite, invite, &user, at);
        self.count += 1;
        let tag = format!("phone-{user}-{}", self.count);
        self.by_tag.insert(tag.clone(), branch.clone());
        let call = Call {
            invite: invite.clone(),
            source,
            user: user.clone(),
            tag,
            last: Vec::new(),
            state: State::Ringing,
        };
        self.calls.insert(branch.clone(), call);
        match self.behaviour_of(&user) {
            Behaviour::Answer { quiet, ring } => self.later(quiet, Due::Ring(ring), branch),
            Behaviour::Busy => {
                self.respond(&branch, "486 Busy Here", "", State::Over);
                self.note(What::Refused, invite, &user, SystemTime::now());
            }
            Behaviour::Ring => self.respond(&branch, "180 Ringing", "", State::Ringing),
            Behaviour::Dead => {}
        }
    }

    fn on_cancel(&mut self, cancel: &Message, source: SocketAddr, at: SystemTime) {
        let branch = cancel.branch();
        let Some(call) = self.calls.get(&branch) else {
            self.reply(cancel, source, "481 Call/Transaction Does Not Exist", "");
            return;
        };
        let (user, ringing) = (call.user.clone(), call.state == State::Ringing);
        self.reply(cancel, source, "200 OK", "");
        if ringing {
            self.note(What::Cancelled, cancel, &user, at);
            self.respond(&branch, "487 Request Terminated", "", State::Over);
        }
    }

    fn on_ack(&mut self, ack: &Message, at: SystemTime) {
        let Some(call) = self.of_dialog(ack) else { return };
        if call.state == State::Answered {
            // No more repeats of the 200.
            call.last.clear();
            let user = call.user.clone();
            self.note(What::Acked, ack, &user, at);
        }
    }

    fn on_bye(&mut self, bye: &Message, source: SocketAddr, at: SystemTime) {
        let Some(call) = self.of_dialog(bye) else {
            self.reply(bye, source, "481 Call/Transaction Does Not Exist", "");
            return;
        };
        let (user, first) = (call.user.clone(), call.state != State::Over);
        call.state = State::Over;
        call.last.clear();
        if first {
            self.note(What::Bye, bye, &user, at);
        }
        self.reply(bye, source, "200 OK", "");
    }

    fn of_dialog(&mut self, message: &Message) -> Option<&mut Call> {
        let branch = self.by_tag.get(&message.to_tag()?)?;
        self.calls.get_mut(branch)
    }

    fn fire(&mut self, now: Instant) {
        while let Some(Reverse((due, ..))) = self.timers.peek()
            && *due <= now
        {
            let Some(Reverse((_, what, branch))) = self.timers.pop() else { return };
            self.on_due(what, branch);
        }
    }

    fn on_due(&mut self, what: Due, branch: String) {
        let Some(call) = self.calls.get(&branch) else { return };
        match what {
            Due::Ring(ring) if call.state == State::Ringing => {
                self.respond(&branch, "180 Ringing", "", State::Ringing);
                self.later(ring, Due::Answer, branch);
            }
            Due::Answer if call.state == State::Ringing => {
                let (invite, user) = (call.invite.clone(), call.user.clone());
                self.note(What::Answered, &invite, &user, SystemTime::now());
                let sdp = self.sdp();
                self.respond(&branch, "200 OK", &sdp, State::Answered);
                self.later(T1, Due::Repeat(T1), branch);
            }
            Due::Repeat(interval) if call.state == State::Answered && !call.last.is_empty() => {
                self.send(&call.last, call.source);
                let next = (interval * 2).min(T2);
                self.later(next, Due::Repeat(next), branch);
            }
            Due::Ring(_) | Due::Answer | Due::Repeat(_) => {}
        }
    }

    fn respond(&mut self, branch: &str, status: &str, body: &str, state: State) {
        let address = self.address;
        let Some(call) = self.calls.get_mut(branch) else { return };
        let mut extra = vec![format!("Contact: <sip:{}@{address}>", call.user)];
        if !body.is_empty() {
            extra.push("Content-Type: application/sdp".to_owned());
        }
        call.last = call.invite.response(status, &call.tag, &extra, body);
        call.state = state;
        let (bytes, source) = (call.last.clone(), call.source);
        self.send(&bytes, source);
    }

    fn reply(&self, request: &Message, source: SocketAddr, status: &str, body: &str) {
        let mut extra = vec![format!("Contact: <sip:{}>", self.address)];
        if !body.is_empty() {
            extra.push("Content-Type: application/sdp".to_owned());
        }
        self.send(&request.response(status, "phone", &extra, body), source);
    }

    fn send(&self, bytes: &[u8], to: SocketAddr) {
        // A lost datagram is repeated by whoever misses it.
        let _ = self.socket.send_to(bytes, to);
    }

    fn later(&mut self, after: Duration, what: Due, branch: String) {
        self.timers.push(Reverse((Instant::now() + after, what, branch)));
    }

    fn behaviour_of(&self, user: &str) -> Behaviour {
        let behaviours = self.behaviours.lock().unwrap_or_else(PoisonError::into_inner);
        behaviours.of_user.get(user).copied().unwrap_or(behaviours.others)
    }

    fn note(&self, what: What, message: &Message, user: &str, at: SystemTime) {
        self.log.push(PhoneEvent {
            at,
            what,
            user: user.to_owned(),
            call_id: message.call_id(),
            caller: message.caller(),
            sent: message.sent(),
        });
    }

    fn sdp(&self) -> String {
        let ip = self.address.ip();
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 42000 RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
        )
    }
}
