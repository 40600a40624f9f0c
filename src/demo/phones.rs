//! [io] Simulated phones: one socket that answers for every agent and for the PBX.
//!
//! A phone rings at once, answers after its own time, and hangs up when told. It is small and good-natured:
//! real phones stand in the tests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::message::{Limits, Message, Method, Reply, response};

/// Calls that a phone set follows at once; more are answered 486.
const CALLS: usize = 256;

/// The SDP every phone answers with: G.711, nothing is played.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                   a=sendrecv\r\n";

/// How a phone behaves, by the user part it is rung under.
pub type Behaviour = Arc<dyn Fn(&str) -> Option<Duration> + Send + Sync>;

/// A set of phones.
pub struct Phones {
    socket: UdpSocket,
    answer_after: Behaviour,
    ringing: HashMap<Vec<u8>, Ringing>,
}

struct Ringing {
    invite: Message,
    from: SocketAddr,
    /// What is sent again when the INVITE is: the last response.
    last: Bytes,
    answered: bool,
}

impl Phones {
    /// Phones on this address. `answer_after` says how long each rings; `None` never answers.
    pub async fn bind(address: SocketAddr, answer_after: Behaviour) -> std::io::Result<Self> {
        Ok(Self { socket: UdpSocket::bind(address).await?, answer_after, ringing: HashMap::new() })
    }

    /// Where they are.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Rings and answers until the process ends.
    pub async fn run(mut self) {
        let (sender, mut due) = mpsc::channel::<Vec<u8>>(CALLS);
        let mut buffer = vec![0; 65_535];
        loop {
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    // An ICMP error of an earlier send is no reason to stop.
                    let Ok((length, from)) = received else { continue };
                    let bytes = Bytes::copy_from_slice(&buffer[..length]);
                    if let Ok(message) = Message::parse(bytes, &Limits::default()) {
                        self.take(message, from, &sender).await;
                    }
                }
                Some(call) = due.recv() => self.answer(&call).await,
            }
        }
    }

    async fn take(&mut self, message: Message, from: SocketAddr, due: &mpsc::Sender<Vec<u8>>) {
        if message.status().is_some() {
            return;
        }
        match message.method() {
            Method::Invite => self.ring(message, from, due).await,
            Method::Ack => {}
            Method::Cancel => self.give_up(&message, from).await,
            Method::Bye => {
                self.ringing.remove(message.call_id());
                self.send(response(&message, 200, None, None, &[]), from).await;
            }
            Method::Options
            | Method::Update
            | Method::Info
            | Method::Prack
            | Method::Refer
            | Method::Register
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Message
            | Method::Other => self.send(response(&message, 200, None, Some("demo"), &[]), from).await,
        }
    }

    async fn ring(&mut self, invite: Message, from: SocketAddr, due: &mpsc::Sender<Vec<u8>>) {
        let call = invite.call_id().to_vec();
        if let Some(ringing) = self.ringing.get(&call)
            && ringing.invite.cseq() == invite.cseq()
            && ringing.invite.top_via().branch() == invite.top_via().branch()
        {
            let last = ringing.last.clone();
            return self.send(last, from).await;
        }
        let known = self.ringing.contains_key(&call);
        if self.ringing.len() >= CALLS && !known {
            return self.send(response(&invite, 486, None, Some("demo"), &[]), from).await;
        }
        let user = user_of(&invite);
        let ringing = response(&invite, 180, None, Some(&tag_of(&user)), &[]);
        self.send(ringing.clone(), from).await;
        let after = (self.answer_after)(&user);
        self.ringing.insert(call.clone(), Ringing { invite, from, last: ringing, answered: false });
        if let Some(after) = after {
            let due = due.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                // A full queue means that as many phones are about to answer: this one rings on.
                due.try_send(call).ok();
            });
        }
    }

    async fn answer(&mut self, call: &[u8]) {
        let Ok(local) = self.socket.local_addr() else { return };
        let Some(ringing) = self.ringing.get_mut(call) else { return };
        if ringing.answered {
            return;
        }
        ringing.answered = true;
        let user = user_of(&ringing.invite);
        let contact = format!("<sip:{user}@{local}>");
        let answer = Reply {
            status: 200,
            to_tag: Some(&tag_of(&user)),
            extra: &[("Contact", contact.as_bytes())],
            body: Some(("application/sdp", SDP.as_bytes())),
            ..Reply::default()
        }
        .to(&ringing.invite);
        ringing.last = answer.clone();
        let from = ringing.from;
        self.send(answer, from).await;
    }

    async fn give_up(&mut self, cancel: &Message, from: SocketAddr) {
        self.send(response(cancel, 200, None, Some("demo"), &[]), from).await;
        let matches = self.ringing.get(cancel.call_id()).is_some_and(|ringing| {
            !ringing.answered && ringing.invite.top_via().branch() == cancel.top_via().branch()
        });
        if !matches {
            return;
        }
        if let Some(ringing) = self.ringing.remove(cancel.call_id()) {
            let tag = tag_of(&user_of(&ringing.invite));
            self.send(response(&ringing.invite, 487, None, Some(&tag), &[]), from).await;
        }
    }

    async fn send(&self, bytes: Bytes, to: SocketAddr) {
        if let Err(error) = self.socket.send_to(&bytes, to).await {
            tracing::debug!(%error, "a simulated phone could not send");
        }
    }
}

fn user_of(invite: &Message) -> String {
    crate::message::Uri::parse(invite.request_uri())
        .ok()
        .and_then(|uri| uri.user.map(|user| String::from_utf8_lossy(user).into_owned()))
        .unwrap_or_default()
}

fn tag_of(user: &str) -> String {
    format!("demo-{user}")
}
