//! Calls that come back: loops, spirals, back-to-back agents, and forks that would explode.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::field::{Field, Manner, PATIENCE, Words, status_of};
use crate::support::guard::{Guard, sign};
use crate::support::net::host;
use crate::support::phones::{Behaviour, What};
use crate::support::sip::Message;
use crate::support::site::Site;
use crate::{MOVED, MOVED_LINE, OUTSIDE};

/// RFC 5393 §1: what two AORs that lead to each other may cost.
const MESSAGES: usize = 64;
/// Rounds of a call through a back-to-back agent (N31).
const ROUNDS: usize = 10;
/// The other line of the two that lead to each other.
const OTHER_LINE: &str = "0120777778";
const TICK: Duration = Duration::from_millis(20);

/// What the mirror makes of a request before it sends it back.
#[derive(Clone, Copy)]
enum Turn {
    /// Nothing: the same request on the same way.
    Same,
    /// Another Request-URI each time.
    Another,
    /// The agent of one line becomes the other line.
    Cross,
    /// A call of its own: other Call-ID and tag, no Via but its own, Max-Forwards 70.
    Anew,
}

/// Sends every request it gets back to toritsugi, as a proxy or as a back-to-back agent.
struct Mirror {
    /// Distinct INVITEs it has got.
    invites: Arc<AtomicUsize>,
    /// Everything it has got that was not a repeat.
    messages: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    fn start(address: SocketAddr, to: SocketAddr, turn: Turn) -> Self {
        let socket = UdpSocket::bind(address).expect("the test's own network is free");
        socket.set_read_timeout(Some(TICK)).expect("the time-out is not zero");
        let (invites, messages) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let stopping = Arc::new(AtomicBool::new(false));
        let mut glass = Glass {
            socket,
            address,
            to,
            turn,
            seen: HashSet::new(),
            anew: HashMap::new(),
            invites: Arc::clone(&invites),
            messages: Arc::clone(&messages),
        };
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(length) = glass.socket.recv(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    glass.reflect(&text);
                }
            }
        });
        Self { invites, messages, stopping, thread: Some(thread) }
    }

    fn invites(&self) -> usize {
        self.invites.load(Ordering::Relaxed)
    }

    fn messages(&self) -> usize {
        self.messages.load(Ordering::Relaxed)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

struct Glass {
    socket: UdpSocket,
    address: SocketAddr,
    to: SocketAddr,
    turn: Turn,
    seen: HashSet<String>,
    /// Of a back-to-back agent: the request on the other side of each Call-ID of its own.
    anew: HashMap<String, Message>,
    invites: Arc<AtomicUsize>,
    messages: Arc<AtomicUsize>,
}

impl Glass {
    fn reflect(&mut self, text: &str) {
        let Some(message) = Message::read(text.as_bytes()) else { return };
        let new = self.seen.insert(format!("{} {}", message.start, message.branch()));
        if new {
            self.messages.fetch_add(1, Ordering::Relaxed);
        }
        let Some(method) = message.method().map(str::to_owned) else {
            return self.pass_up(text, &message, new);
        };
        if new && method == "INVITE" {
            self.invites.fetch_add(1, Ordering::Relaxed);
        }
        let again = match self.turn {
            Turn::Anew if method != "INVITE" || !new => return,
            Turn::Anew => self.as_a_new_call(&message),
            Turn::Same | Turn::Another | Turn::Cross => self.as_a_proxy(text, &message),
        };
        self.send(&again);
    }

    /// RFC 3261 §16.11: statelessly, with a branch that follows from the one it came with.
    fn as_a_proxy(&self, text: &str, message: &Message) -> String {
        let (start, rest) = text.split_once("\r\n").unwrap_or_default();
        let mut words = start.split(' ');
        let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let uri = match self.turn {
            Turn::Another => format!("{uri};x=1"),
            Turn::Cross if message.request_user() == "m1" => format!("sip:{OTHER_LINE}@{}", self.to),
            Turn::Cross => format!("sip:{MOVED_LINE}@{}", self.to),
            Turn::Same | Turn::Anew => uri.to_owned(),
        };
        let hops: u32 = message.header("max-forwards").and_then(|hops| hops.parse().ok()).unwrap_or(70);
        let via = format!("Via: SIP/2.0/UDP {};branch=z9hG4bKm{}", self.address, message.branch());
        let rest = rest.replacen(
            &format!("Max-Forwards: {hops}\r\n"),
            &format!("Max-Forwards: {}\r\n", hops.saturating_sub(1)),
            1,
        );
        format!("{method} {uri} SIP/2.0\r\n{via}\r\n{rest}")
    }

    fn as_a_new_call(&mut self, message: &Message) -> String {
        let id = format!("anew-{}@{}", self.anew.len(), self.address);
        let uri = message.start.split(' ').nth(1).unwrap_or_default().to_owned();
        let from = message.header("from").unwrap_or_default();
        let from = from.split(";tag=").next().unwrap_or_default().to_owned();
        let to = message.header("to").unwrap_or_default().to_owned();
        self.anew.insert(id.clone(), message.clone());
        format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
             From: {from};tag={id}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:{address}>\r\nContent-Length: 0\r\n\r\n",
            address = self.address
        )
    }

    /// A response: without our Via, or as the answer to the call it belongs to.
    fn pass_up(&self, text: &str, message: &Message, new: bool) {
        let again = match self.anew.get(&message.call_id()) {
            Some(_) if !new || status_of(message) == 100 => return,
            Some(asked) => {
                let status = message.start.trim_start_matches("SIP/2.0 ").to_owned();
                String::from_utf8_lossy(&asked.response(&status, "mirror", &[], "")).into_owned()
            }
            None => {
                let (start, rest) = text.split_once("\r\n").unwrap_or_default();
                let below = rest.split_once("\r\n").map_or("", |(_, below)| below);
                format!("{start}\r\n{below}")
            }
        };
        self.send(&again);
    }

    fn send(&self, text: &str) {
        // A lost datagram is repeated by whoever misses it.
        let _ = self.socket.send_to(text.as_bytes(), self.to);
    }
}

/// A site whose default route is the mirror.
fn with_mirror_behind(turn: Turn) -> (Guard, Mirror) {
    let prepare = |site: &Site| {
        let mirror = site.net.at(MOVED, 5060);
        site.change(
            &format!("default_route = \"sip:{}\"", site.pbx()),
            &format!("default_route = \"sip:{mirror}\""),
        );
        add_mirror(site);
    };
    let guard = Guard::on(Field::with("", prepare, Manner::Answer));
    let mirror = Mirror::start(guard.field.site.net.at(MOVED, 5060), guard.field.site.sip(), turn);
    (guard, mirror)
}

/// The mirror is a peer whose Request-URI says who is called.
fn add_mirror(site: &Site) {
    let peer = format!(
        "[[sip.peer]]\nname = \"mirror\"\naddresses = [\"{}\"]\n\
         called_number = [\"request-uri\"]\n\n[http]\n",
        site.net.ip(MOVED)
    );
    site.change("[http]\n", &peer);
}

#[test]
fn n30_two_agents_who_lead_to_each_other_end_within_64_messages() {
    let prepare = |site: &Site| {
        let mirror = site.net.at(MOVED, 5060);
        let agents = format!(
            "m1,一番,イチ,agent,sip:m1@{mirror},one,,available\nm2,二番,ニ,agent,sip:m2@{mirror},two,,available\n"
        );
        site.import("agents", &format!("id,name,kana,role,contact,groups,skills,status\n{agents}"));
        let lines = format!("{MOVED_LINE},一,はい,Yes,one,false\n{OTHER_LINE},二,はい,Yes,two,false\n");
        site.import("lines", &format!("number,client,greeting_ja,greeting_en,group,assigned_first\n{lines}"));
        add_mirror(site);
    };
    let guard = Guard::on(Field::with("", prepare, Manner::Answer));
    let (at, to) = (guard.field.site.net.at(MOVED, 5060), guard.field.site.sip());
    let mirror = Mirror::start(at, to, Turn::Cross);
    let sender = guard.field.sender(host::TRUNK);
    let status = sender.status(&Words::new("INVITE", &guard.field.uri(MOVED_LINE), sender.address).text());
    assert!(status >= 200, "the caller never heard");
    assert!((1..=MESSAGES).contains(&mirror.messages()), "{} messages", mirror.messages());
    guard.end(&[]);
}

#[test]
fn n30_a_request_that_comes_back_unchanged_is_482() {
    let (guard, mirror) = with_mirror_behind(Turn::Same);
    let sender = guard.field.sender(host::TRUNK);
    for method in ["INVITE", "MESSAGE", "OPTIONS"] {
        let before = mirror.messages();
        let status = sender.status(&Words::new(method, &guard.field.uri(OUTSIDE), sender.address).text());
        assert_eq!(status, 482, "{method}");
        let messages = mirror.messages() - before;
        assert!(messages <= MESSAGES / 8, "{method}: {messages} messages");
    }
    guard.end(&[sign::LOOP]);
}

#[test]
fn n30_a_spiral_with_another_address_each_time_ends_too() {
    let (guard, mirror) = with_mirror_behind(Turn::Another);
    let sender = guard.field.sender(host::TRUNK);
    let status = sender.status(&Words::new("INVITE", &guard.field.uri(OUTSIDE), sender.address).text());
    assert_eq!(status, 482);
    assert!(mirror.invites() <= ROUNDS, "{} INVITEs", mirror.invites());
    assert!(mirror.messages() <= MESSAGES, "{} messages", mirror.messages());
    guard.end(&[sign::LOOP]);
}

/// RFC 7332's fault: nothing of the request we sent is in the one that comes back.
#[test]
fn n31_a_back_to_back_agent_that_resets_max_forwards_is_stopped() {
    let (guard, mirror) = with_mirror_behind(Turn::Anew);
    let sender = guard.field.sender(host::TRUNK);
    let status = sender.status(&Words::new("INVITE", &guard.field.uri(OUTSIDE), sender.address).text());
    assert_eq!(status, 482);
    assert!((1..=ROUNDS).contains(&mirror.invites()), "{} rounds", mirror.invites());
    guard.end(&[sign::LOOP]);
}

#[test]
fn n39_a_group_of_a_thousand_agents_is_rung_one_by_one() {
    const AGENTS: usize = 1_000;
    let prepare = |site: &Site| {
        site.change("wrap_up_s = 0", "wrap_up_s = 0\nanswer_within_s = 1");
        let mut rows = String::new();
        for n in 0..AGENTS {
            rows += &format!("h{n},担当,タントウ,agent,sip:h{n}@{},huge,,available\n", site.phones());
        }
        site.import("agents", &format!("id,name,kana,role,contact,groups,skills,status\n{rows}"));
        let row = format!("{MOVED_LINE},大勢,はい,Yes,huge,false\n");
        site.import("lines", &format!("number,client,greeting_ja,greeting_en,group,assigned_first\n{row}"));
    };
    let guard = Guard::on(Field::with("", prepare, Manner::Answer));
    for n in 0..AGENTS {
        guard.field.phones.set(&format!("h{n}"), Behaviour::Ring);
    }
    let sender = guard.field.sender(host::TRUNK);
    let words = Words::new("INVITE", &guard.field.uri(MOVED_LINE), sender.address);
    let (branch, rings) = ("z9hG4bKhuge", guard.field.phones.count(What::Invite));
    sender.send(words.text_with_branch(branch).as_bytes());
    guard.field.phones.wait_for(What::Invite, rings + 4, Duration::from_secs(3) + PATIENCE);
    let mut cancel = words.clone();
    "CANCEL".clone_into(&mut cancel.method);
    assert!([200, 487].contains(&sender.status(&cancel.text_with_branch(branch))));
    guard.field.phones.wait_for(What::Cancelled, 4, PATIENCE);
    let (mut now, mut most) = (0_usize, 0);
    guard.field.phones.log.read(|events| {
        for event in events.iter().filter(|event| event.user.starts_with('h')) {
            match event.what {
                What::Invite => now += 1,
                What::Cancelled | What::Refused => now = now.saturating_sub(1),
                What::InviteAgain | What::Answered | What::Acked | What::Bye | What::Other => {}
            }
            most = most.max(now);
        }
    });
    // One rings; for a moment the one before has not got its CANCEL yet.
    assert!((1..=2).contains(&most), "{most} phones rang at once");
    guard.end(&[]);
}
