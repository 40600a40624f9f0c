//! An agent's screen: a `spop.v1` client that notes when each frame arrived.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use super::log::Log;
use super::stamp::StampedStream;

const TICK: Duration = Duration::from_millis(20);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A frame from the server.
#[derive(Clone, Debug)]
pub struct Frame {
    /// When the kernel had it.
    pub at: SystemTime,
    /// Whose screen it is on.
    pub agent: String,
    /// The envelope.
    pub json: Value,
}

impl Frame {
    /// `kind` of the envelope.
    pub fn kind(&self) -> &str {
        self.json["kind"].as_str().unwrap_or_default()
    }

    /// `type` of an event.
    pub fn event(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }

    /// Our call id.
    pub fn call(&self) -> &str {
        self.json["call"].as_str().unwrap_or_default()
    }

    /// The caller's number in a pop.
    pub fn e164(&self) -> &str {
        self.json["data"]["caller"]["e164"].as_str().unwrap_or_default()
    }

    /// Whether it is an event of that type sent for the first time.
    pub fn is(&self, event: &str) -> bool {
        self.event() == event && self.json["replay"] != json!(true)
    }
}

/// What a screen does of what it promised.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// It says when a card is painted.
    pub paints: bool,
    /// It answers pings.
    pub pongs: bool,
}

/// The open screen. Frames go into the log it was given; several screens may share one.
pub struct Desk {
    agent: String,
    log: Arc<Log<Frame>>,
    outbox: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Desk {
    /// Connects, says hello and returns when `sync.done` has come.
    pub fn open(http: SocketAddr, token: &str, agent: &str, log: &Arc<Log<Frame>>) -> Self {
        Self::open_with(http, token, agent, log, Manners { paints: true, pongs: true })
    }

    /// The same with other manners.
    pub fn open_with(
        http: SocketAddr,
        token: &str,
        agent: &str,
        log: &Arc<Log<Frame>>,
        manners: Manners,
    ) -> Self {
        let mut socket = connect(http, token);
        let hello = json!({ "v": 1, "kind": "hello", "data": {
            "client": "e2e/1", "tab": format!("t-{agent}"), "language": "ja", "visibility": "visible",
            "resume": [], "features": ["render-ack"] } });
        socket.send(Message::text(hello.to_string())).expect("a fresh socket takes a frame");
        socket.get_ref().set_read_timeout(TICK).expect("the time-out is not zero");
        let outbox = Arc::new(Mutex::new(Vec::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let reader = Reader {
            socket,
            agent: agent.to_owned(),
            manners,
            log: Arc::clone(log),
            outbox: Arc::clone(&outbox),
            stopping: Arc::clone(&stopping),
        };
        let thread = std::thread::spawn(move || reader.run());
        let desk =
            Self { agent: agent.to_owned(), log: Arc::clone(log), outbox, stopping, thread: Some(thread) };
        desk.wait_for(HANDSHAKE, |frame| frame.event() == "sync.done");
        desk
    }

    /// Sends a command; the reply comes as a frame whose `replies_to` is `id`.
    pub fn command(&self, id: &str, event: &str, call: Option<(&str, u64)>, data: &Value) {
        let mut frame = json!({ "v": 1, "kind": "command", "type": event, "id": id, "data": data });
        if let Some((call, rev)) = call {
            frame["call"] = json!(call);
            frame["rev"] = json!(rev);
        }
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).push(frame.to_string());
    }

    /// Waits for the first frame on this screen that `is_it`; panics with what came instead.
    pub fn wait_for(&self, limit: Duration, is_it: impl Fn(&Frame) -> bool) -> Frame {
        let mine = |frames: &[Frame]| frames.iter().find(|f| f.agent == self.agent && is_it(f)).cloned();
        self.log.wait(limit, mine).unwrap_or_else(|| {
            let seen = self.log.read(|frames| {
                frames
                    .iter()
                    .filter(|f| f.agent == self.agent)
                    .map(|f| f.json.to_string())
                    .collect::<Vec<_>>()
            });
            panic!("{} waited {limit:?} for a frame; it saw\n{}", self.agent, seen.join("\n"))
        })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

fn connect(http: SocketAddr, token: &str) -> WebSocket<StampedStream> {
    let stream = TcpStream::connect(http).expect("the server listens");
    stream.set_nodelay(true).expect("a fresh socket takes options");
    let stream = StampedStream::new(stream).expect("Linux stamps segments");
    stream.set_read_timeout(HANDSHAKE).expect("the time-out is not zero");
    let mut request = format!("ws://{http}/ws/v1").into_client_request().expect("the address makes a URL");
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("spop.v1"));
    let bearer = format!("Bearer {token}");
    headers.insert("Authorization", HeaderValue::from_str(&bearer).expect("a token is plain ASCII"));
    let (socket, response) = client(request, stream).unwrap_or_else(|error| panic!("no WebSocket: {error}"));
    let chosen = response.headers().get("Sec-WebSocket-Protocol").map(HeaderValue::as_bytes);
    assert_eq!(chosen, Some(&b"spop.v1"[..]), "the server echoes the subprotocol");
    socket
}

struct Reader {
    socket: WebSocket<StampedStream>,
    agent: String,
    manners: Manners,
    log: Arc<Log<Frame>>,
    outbox: Arc<Mutex<Vec<String>>>,
    stopping: Arc<AtomicBool>,
}

impl Reader {
    fn run(mut self) {
        while !self.stopping.load(Ordering::Relaxed) {
            let waiting = std::mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner));
            for text in waiting {
                self.send(&text);
            }
            match self.socket.read() {
                Ok(Message::Text(text)) => self.on_text(&text),
                Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => return,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The server has gone: the test sees it by what does not come.
                Err(_) => return,
            }
        }
        // The server may be gone already.
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
    }

    fn on_text(&mut self, text: &str) {
        let json: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON: {error}: {text}"));
        if json["kind"] == "ping" {
            if !self.manners.pongs {
                return;
            }
            self.send(&json!({ "v": 1, "kind": "pong", "data": json["data"] }).to_string());
            return;
        }
        if json["ack"] == "render" && self.manners.paints {
            let ack = json!({ "v": 1, "kind": "ack", "replies_to": [json["id"]], "data": {
                "stream": json["stream"], "seq": json["seq"], "rendered_at": json["at"] } });
            self.send(&ack.to_string());
        }
        let at = self.socket.get_ref().arrived;
        self.log.push(Frame { at, agent: self.agent.clone(), json });
    }

    fn send(&mut self, text: &str) {
        // A socket that takes nothing more is noticed by the next read.
        let _ = self.socket.send(Message::text(text));
    }
}
