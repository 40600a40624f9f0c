//! One test call from INVITE to BYE, without sockets or clocks (RFC 3261 §13, §15, §17.1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::text::{Bare, Identity, Received, address_of, tag_of, uri_of};
use crate::clock::Moment;

/// RFC 3261 §17.1.1.1
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// Without a word from anybody for this long, nobody is there. Shorter than 64·T1: a person waits for it.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// How long it may ring; networks give up after three minutes as well.
const RINGING: Duration = Duration::from_secs(180);
/// How long a BYE or CANCEL is repeated.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the shell does for the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Send the text, to this address or to where the call was sent.
    Send { text: String, to: Option<SocketAddr> },
    /// Draw an arrow.
    Draw(Arrow),
}

/// One arrow of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrow {
    pub(super) at: Moment,
    pub(super) ours: bool,
    pub(super) label: String,
}

/// How the call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// We hung up, and the other side agreed.
    HungUp { talked: Duration },
    /// The other side hung up.
    OtherHungUp { talked: Duration },
    /// Ended by a final status, for example `486 Busy Here`.
    Refused { status_line: String },
    /// Not a single message came.
    NobodyAnswered,
    /// It rang until the limit.
    RangOut,
    /// The person at the keyboard gave up.
    Cancelled,
    /// Our BYE was not answered.
    ByeUnanswered,
}

/// The call.
pub(super) struct TestCall {
    identity: Identity,
    talk: Duration,
    branch: String,
    remote: Option<Remote>,
    state: State,
    outputs: VecDeque<Output>,
}

/// The dialog, once there is one (RFC 3261 §12.1.2).
struct Remote {
    to: String,
    target: String,
    routes: Vec<String>,
    ack: String,
    answered_at: Moment,
}

enum State {
    /// The INVITE is out and nothing came.
    Calling {
        repeat: Repeat,
    },
    /// Something came.
    Ringing {
        until: Moment,
    },
    /// A CANCEL is out and the INVITE's final answer awaited. Without a repeat, CANCEL still waits for a
    /// provisional response (RFC 3261 §9.1), or was answered.
    Cancelling {
        repeat: Option<Repeat>,
        until: Moment,
        ending: Ending,
    },
    /// Answered.
    Talking {
        until: Moment,
    },
    /// The BYE is out.
    HangingUp {
        repeat: Repeat,
        ending: Ending,
    },
    Ended(Ending),
}

/// A request that is sent again until something comes.
struct Repeat {
    text: String,
    label: String,
    at: Moment,
    interval: Duration,
    longest: Duration,
    until: Moment,
}

impl TestCall {
    /// Begins: the INVITE is the first output. `talk`: how long after the answer it hangs up.
    pub(super) fn begin(identity: Identity, branch: String, talk: Duration, now: Moment) -> Self {
        let text = identity.invite(&branch);
        let label = format!("INVITE {}", identity.request_uri());
        // RFC 3261 §17.1.1.2: Timer A has no cap of its own.
        let repeat = Repeat::new(text, label, now, SILENCE, SILENCE).over(&identity);
        let mut call = Self {
            identity,
            talk,
            branch,
            remote: None,
            state: State::Ended(Ending::NobodyAnswered),
            outputs: VecDeque::new(),
        };
        call.send(now, repeat.text.clone(), &repeat.label, None);
        call.state = State::Calling { repeat };
        call
    }

    /// Takes octets that came.
    pub(super) fn handle(&mut self, octets: &[u8], now: Moment) {
        let Some(message) = Received::parse(octets) else { return };
        if message.first("call-id") != Some(self.identity.call_id.as_str()) {
            return;
        }
        let label = match message.status() {
            Some(_) => message.status_line(),
            None => message.start.strip_suffix(" SIP/2.0").unwrap_or(&message.start),
        };
        self.outputs.push_back(Output::Draw(Arrow { at: now, ours: false, label: label.to_owned() }));
        match message.status() {
            None => self.on_request(&message, now),
            Some(status) if message.method() == "INVITE" => self.on_invite_response(&message, status, now),
            Some(status) if message.method() == "BYE" && status >= 200 => self.on_bye_response(),
            // The answer to a CANCEL says nothing about the INVITE; it only ends the repeating.
            Some(_) if message.method() == "CANCEL" => {
                if let State::Cancelling { repeat, .. } = &mut self.state {
                    *repeat = None;
                }
            }
            Some(_) => {}
        }
    }

    /// Tells it the time.
    pub(super) fn handle_timeout(&mut self, now: Moment) {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return;
        }
        match &mut self.state {
            State::Calling { repeat } if now >= repeat.until => self.end(Ending::NobodyAnswered),
            State::HangingUp { repeat, ending } if now >= repeat.until => {
                let hung_up = matches!(ending, Ending::HungUp { .. });
                let ending = if hung_up { Ending::ByeUnanswered } else { ending.clone() };
                self.end(ending);
            }
            State::Ringing { .. } => self.cancel(Ending::RangOut, now),
            State::Talking { .. } => self.bye(now, None),
            State::Cancelling { until, ending, .. } if now >= *until => {
                let ending = ending.clone();
                self.end(ending);
            }
            State::Calling { repeat }
            | State::HangingUp { repeat, .. }
            | State::Cancelling { repeat: Some(repeat), .. } => {
                let (text, label) = (repeat.text.clone(), format!("{} (again)", repeat.label));
                repeat.advance(now);
                let to = self.in_dialog_target();
                self.send(now, text, &label, to);
            }
            State::Cancelling { repeat: None, .. } | State::Ended(_) => {}
        }
    }

    /// The person at the keyboard gave up: CANCEL before the answer, BYE after it.
    pub(super) fn give_up(&mut self, now: Moment) {
        match &self.state {
            State::Calling { .. } => {
                let until = now + FAREWELL;
                self.state = State::Cancelling { repeat: None, until, ending: Ending::Cancelled };
            }
            State::Ringing { .. } => self.cancel(Ending::Cancelled, now),
            State::Talking { .. } => self.bye(now, None),
            // The second time is meant.
            State::Cancelling { .. } | State::HangingUp { .. } => self.end(Ending::Cancelled),
            State::Ended(_) => {}
        }
    }

    /// What is to be done, in order.
    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        match &self.state {
            State::Calling { repeat } | State::HangingUp { repeat, .. } => Some(repeat.next()),
            State::Cancelling { repeat: Some(repeat), until, .. } => Some(repeat.next().min(*until)),
            State::Cancelling { repeat: None, until, .. }
            | State::Ringing { until }
            | State::Talking { until } => Some(*until),
            State::Ended(_) => None,
        }
    }

    /// How it ended, once it has.
    pub(super) fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Ended(ending) => Some(ending),
            State::Calling { .. }
            | State::Ringing { .. }
            | State::Cancelling { .. }
            | State::Talking { .. }
            | State::HangingUp { .. } => None,
        }
    }

    fn on_invite_response(&mut self, message: &Received, status: u16, now: Moment) {
        match status {
            100..=199 => match &self.state {
                State::Calling { .. } => self.state = State::Ringing { until: now + RINGING },
                State::Cancelling { repeat: None, ending, .. } => {
                    let ending = ending.clone();
                    self.cancel(ending, now);
                }
                State::Cancelling { .. }
                | State::Ringing { .. }
                | State::Talking { .. }
                | State::HangingUp { .. }
                | State::Ended(_) => {}
            },
            200..=299 => self.on_answer(message, now),
            _ => self.on_refusal(message, now),
        }
    }

    /// RFC 3261 §13.2.2.4: every 2xx gets its ACK, a repeated one the same again.
    fn on_answer(&mut self, message: &Received, now: Moment) {
        let to = message.first("to").unwrap_or("");
        let known = self.remote.as_ref();
        if known.is_some_and(|known| tag_of(&known.to) != tag_of(to)) {
            // A second branch answered as well: ours is the first.
            let (remote, own_branch) = (self.remote_of(message, now), format!("{}-other", self.branch));
            self.send(now, remote.ack.clone(), "ACK (other branch)", remote.address());
            let bye = self.in_dialog("BYE", 2, &own_branch, &remote);
            self.send(now, bye, "BYE (other branch)", remote.address());
            return;
        }
        let remote = match self.remote.take() {
            Some(remote) => remote,
            None => self.remote_of(message, now),
        };
        self.send(now, remote.ack.clone(), "ACK", remote.address());
        self.remote = Some(remote);
        match &self.state {
            State::Calling { .. } | State::Ringing { .. } => {
                self.state = State::Talking { until: now + self.talk };
            }
            // It was answered while we gave up: hang up.
            State::Cancelling { ending, .. } => {
                let ending = ending.clone();
                self.bye(now, Some(ending));
            }
            State::Talking { .. } | State::HangingUp { .. } | State::Ended(_) => {}
        }
    }

    /// RFC 3261 §17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction.
    fn on_refusal(&mut self, message: &Received, now: Moment) {
        let ack = self.identity.bare(&Bare {
            method: "ACK",
            uri: &self.identity.request_uri(),
            branch: &self.branch,
            cseq: 1,
            to: message.first("to").unwrap_or(""),
            routes: &[],
        });
        self.send(now, ack, "ACK", None);
        let ending = match &self.state {
            State::Cancelling { ending, .. } => ending.clone(),
            State::Calling { .. }
            | State::Ringing { .. }
            | State::Talking { .. }
            | State::HangingUp { .. }
            | State::Ended(_) => Ending::Refused { status_line: message.status_line().to_owned() },
        };
        self.end(ending);
    }

    fn on_bye_response(&mut self) {
        if let State::HangingUp { ending, .. } = &self.state {
            let ending = ending.clone();
            self.end(ending);
        }
    }

    /// What the other side asks of us within the call.
    fn on_request(&mut self, message: &Received, now: Moment) {
        let status_line = match message.method() {
            "ACK" => return,
            "BYE" | "INVITE" | "UPDATE" | "INFO" | "OPTIONS" | "NOTIFY" | "MESSAGE" => "200 OK",
            _ => "405 Method Not Allowed",
        };
        // RFC 3261 §18.2.2: it came over toritsugi, and its answer goes back there.
        let answer = self.identity.response(message, status_line);
        self.send(now, answer, status_line, None);
        if message.method() == "BYE" && self.remote.is_some() {
            self.end(Ending::OtherHungUp { talked: self.talked(now) });
        }
    }

    fn cancel(&mut self, ending: Ending, now: Moment) {
        let uri = self.identity.request_uri();
        let to = format!("<{uri}>");
        let request =
            Bare { method: "CANCEL", uri: &uri, branch: &self.branch, cseq: 1, to: &to, routes: &[] };
        let repeat = Repeat::new(self.identity.bare(&request), "CANCEL".to_owned(), now, FAREWELL, T2)
            .over(&self.identity);
        self.send(now, repeat.text.clone(), &repeat.label, None);
        self.state = State::Cancelling { until: repeat.until, repeat: Some(repeat), ending };
    }

    fn bye(&mut self, now: Moment, ending: Option<Ending>) {
        let Some(remote) = self.remote.as_ref() else { return };
        let branch = format!("{}-bye", self.branch);
        let text = self.in_dialog("BYE", 2, &branch, remote);
        let to = remote.address();
        let repeat = Repeat::new(text, "BYE".to_owned(), now, FAREWELL, T2).over(&self.identity);
        self.send(now, repeat.text.clone(), &repeat.label, to);
        let ending = ending.unwrap_or(Ending::HungUp { talked: self.talked(now) });
        self.state = State::HangingUp { repeat, ending };
    }

    fn remote_of(&self, message: &Received, now: Moment) -> Remote {
        let mut routes = message.values("record-route");
        routes.reverse();
        let own_uri = self.identity.request_uri();
        let target = message.first("contact").map_or(own_uri.as_str(), uri_of);
        let mut remote = Remote {
            to: message.first("to").unwrap_or("").to_owned(),
            target: target.to_owned(),
            routes,
            ack: String::new(),
            answered_at: now,
        };
        remote.ack = self.in_dialog("ACK", 1, &format!("{}-ack", self.branch), &remote);
        remote
    }

    fn in_dialog(&self, method: &'static str, cseq: u32, branch: &str, remote: &Remote) -> String {
        let uri = remote.target.as_str();
        self.identity.bare(&Bare { method, uri, branch, cseq, to: &remote.to, routes: &remote.routes })
    }

    fn in_dialog_target(&self) -> Option<SocketAddr> {
        match &self.state {
            State::HangingUp { .. } => self.remote.as_ref().and_then(Remote::address),
            State::Calling { .. }
            | State::Ringing { .. }
            | State::Cancelling { .. }
            | State::Talking { .. }
            | State::Ended(_) => None,
        }
    }

    fn talked(&self, now: Moment) -> Duration {
        self.remote.as_ref().map_or(Duration::ZERO, |remote| now.since(remote.answered_at))
    }

    fn send(&mut self, at: Moment, text: String, label: &str, to: Option<SocketAddr>) {
        self.outputs.push_back(Output::Draw(Arrow { at, ours: true, label: label.to_owned() }));
        self.outputs.push_back(Output::Send { text, to });
    }

    fn end(&mut self, ending: Ending) {
        self.state = State::Ended(ending);
    }
}

impl Remote {
    /// Where a request of the dialog goes, when literal: first route, else target (RFC 3261 §12.2.1.1).
    fn address(&self) -> Option<SocketAddr> {
        address_of(self.routes.first().map_or(self.target.as_str(), |route| uri_of(route)))
    }
}

impl Repeat {
    fn new(text: String, label: String, now: Moment, limit: Duration, longest: Duration) -> Self {
        Self { text, label, at: now + T1, interval: T1, longest, until: now + limit }
    }

    /// Nothing is repeated over a reliable transport (RFC 3261 §17.1.1.2).
    fn over(self, identity: &Identity) -> Self {
        if identity.is_reliable() { Self { at: self.until, ..self } } else { self }
    }

    fn next(&self) -> Moment {
        self.at.min(self.until)
    }

    fn advance(&mut self, now: Moment) {
        self.interval = (self.interval * 2).min(self.longest);
        self.at = now + self.interval;
    }
}

#[cfg(test)]
mod tests;
