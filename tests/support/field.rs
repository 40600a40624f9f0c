//! A site under hostile or odd input: recording stubs, senders with addresses of their own, and the control
//! call that must go on completing.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::log::{Log, poll};
use crate::support::net::host;
use crate::support::phones::{Behaviour, Phones};
use crate::support::sip::Message;
use crate::support::site::{LINE, NOBODY_WAITS, Site};

/// Long enough for anything on the loopback, debug build and busy machine included.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long silence is listened to before it counts as silence.
pub const SILENCE: Duration = Duration::from_millis(300);
/// What the process may grow by in one test (security.md: 8 MiB).
pub const GROWTH_KIB: u64 = 8 * 1024;

/// A host that is no peer.
pub const STRANGER: u8 = 60;
/// A host that nothing may ever be sent to.
pub const VICTIM: u8 = 70;

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(20);
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number nobody else in this process has.
pub fn fresh() -> u32 {
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// What a stub saw.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The octets of one message.
    pub bytes: Vec<u8>,
    /// Whether they came over TCP.
    pub tcp: bool,
}

impl Capture {
    /// As text, for messages and for `contains`.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// What a stub does with a request.
#[derive(Clone, Debug)]
pub enum Manner {
    /// 200 at once.
    Answer,
    /// 302 with this Contact.
    Redirect(String),
    /// This status (and its phrase) to every request.
    Refuse(&'static str),
    /// Nothing.
    Silent,
}

/// A listener on UDP and TCP that records everything.
pub struct Stub {
    /// What came, in order.
    pub log: Arc<Log<Capture>>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Stub {
    /// Listens on `address`, which must be free.
    pub fn start(address: SocketAddr, manner: Manner) -> Self {
        let udp = poll(Duration::from_secs(30), || UdpSocket::bind(address).ok());
        let udp = udp.unwrap_or_else(|| panic!("{address} is taken"));
        udp.set_read_timeout(Some(TICK)).expect("the time-out is not zero");
        let tcp = TcpListener::bind(address).expect("whoever has the UDP port has the TCP port");
        tcp.set_nonblocking(true).expect("a listener can be made non-blocking");
        let log = Arc::new(Log::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let threads = vec![
            spawn(&log, &stopping, &manner, move |log, stop, manner| {
                receive_datagrams(&udp, log, stop, manner, address);
            }),
            spawn(&log, &stopping, &manner, move |log, stop, manner| {
                accept(&tcp, log, stop, manner, address);
            }),
        ];
        Self { log, stopping, threads }
    }

    /// How much has been seen.
    pub fn count(&self) -> usize {
        self.log.read(<[_]>::len)
    }

    /// Everything after the first `skip` captures.
    pub fn since(&self, skip: usize) -> Vec<Capture> {
        self.log.read(|captures| captures[skip.min(captures.len())..].to_vec())
    }

    /// Captures that hold `needle`.
    pub fn holding(&self, needle: &str) -> Vec<Capture> {
        self.since(0).into_iter().filter(|capture| capture.text().contains(needle)).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic in there has been printed; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

fn spawn(
    log: &Arc<Log<Capture>>,
    stopping: &Arc<AtomicBool>,
    manner: &Manner,
    run: impl FnOnce(&Log<Capture>, &AtomicBool, &Manner) + Send + 'static,
) -> JoinHandle<()> {
    let (log, stopping, manner) = (Arc::clone(log), Arc::clone(stopping), manner.clone());
    std::thread::spawn(move || run(&log, &stopping, &manner))
}

fn receive_datagrams(
    socket: &UdpSocket,
    log: &Log<Capture>,
    stopping: &AtomicBool,
    manner: &Manner,
    address: SocketAddr,
) {
    let mut buffer = vec![0; 65_536];
    while !stopping.load(Ordering::Relaxed) {
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
        let bytes = buffer[..length].to_vec();
        let answer = answer(&bytes, manner, address);
        // Noted before it is answered: who has the answer may look for it at once.
        log.push(Capture { bytes, tcp: false });
        if let Some(answer) = answer {
            // A lost answer is missed by the test.
            let _ = socket.send_to(&answer, source);
        }
    }
}

fn accept(
    listener: &TcpListener,
    log: &Log<Capture>,
    stopping: &AtomicBool,
    manner: &Manner,
    address: SocketAddr,
) {
    let mut streams: Vec<Stream> = Vec::new();
    while !stopping.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            streams.push(Stream::of(stream));
        }
        for stream in &mut streams {
            for bytes in stream.poll() {
                let answer = answer(&bytes, manner, address);
                log.push(Capture { bytes, tcp: true });
                if let Some(answer) = answer {
                    stream.send(&answer);
                }
            }
        }
        streams.retain(|stream| !stream.ended);
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn answer(bytes: &[u8], manner: &Manner, address: SocketAddr) -> Option<Vec<u8>> {
    let request = Message::read(bytes)?;
    let method = request.method()?;
    if method == "ACK" {
        return None;
    }
    match manner {
        Manner::Redirect(target) if method == "INVITE" => {
            let contact = format!("Contact: <{target}>");
            Some(request.response("302 Moved Temporarily", "moved", &[contact], ""))
        }
        Manner::Refuse(status) => Some(request.response(status, "refused", &[], "")),
        Manner::Answer | Manner::Redirect(_) => {
            let contact = format!("Contact: <sip:{address}>");
            Some(request.response("200 OK", &format!("stub-{}", fresh()), &[contact], ""))
        }
        Manner::Silent => None,
    }
}

/// A TCP connection cut into messages by Content-Length.
pub struct Stream {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The other side has closed it.
    pub ended: bool,
}

impl Stream {
    /// Connects from `from`.
    pub fn connect(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let domain = if to.is_ipv4() { socket2::Domain::IPV4 } else { socket2::Domain::IPV6 };
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect(&to.into())?;
        Ok(Self::of(socket.into()))
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_nonblocking(true).expect("a stream can be made non-blocking");
        stream.set_nodelay(true).expect("a stream can be made prompt");
        Self { stream, buffer: Vec::new(), ended: false }
    }

    /// Writes all; `false` when the connection is gone or does not take it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let mut left = bytes;
        let end = Instant::now() + PATIENCE;
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                Err(_) => {
                    self.ended = true;
                    return false;
                }
            }
        }
        true
    }

    /// Writes octet by octet, each in a segment of its own.
    pub fn send_split(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|octet| self.send(&[*octet]))
    }

    /// The whole messages that have arrived.
    pub fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut chunk = [0; 65_536];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.ended = true;
                    break;
                }
            }
        }
        std::iter::from_fn(|| self.cut()).collect()
    }

    fn cut(&mut self) -> Option<Vec<u8>> {
        let lead = self.buffer.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
        self.buffer.drain(..lead);
        let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = Message::read(&self.buffer[..end]);
        let length = head.and_then(|head| head.header("content-length")?.parse().ok()).unwrap_or(0);
        let end: usize = end + length;
        (self.buffer.len() >= end).then(|| self.buffer.drain(..end).collect())
    }

    /// Waits until the other side closes it; what came before.
    pub fn wait_end(&mut self, limit: Duration) -> Vec<Vec<u8>> {
        let mut came = Vec::new();
        poll(limit, || {
            came.extend(self.poll());
            self.ended.then_some(())
        });
        came
    }
}

/// A UDP socket of a sender.
pub struct Sender {
    socket: UdpSocket,
    /// Where it sends from.
    pub address: SocketAddr,
    to: SocketAddr,
}

impl Sender {
    /// Binds `from` (port 0: any) and sends to `to`.
    pub fn new(from: SocketAddr, to: SocketAddr) -> Self {
        let socket = UdpSocket::bind(from).expect("the test's own network is free");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { socket, address, to }
    }

    /// Sends one datagram.
    pub fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.to).expect("the loopback takes it");
    }

    /// The next datagram, if one comes within `limit`.
    pub fn receive(&self, limit: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(limit)).expect("the time-out is not zero");
        let mut buffer = vec![0; 65_536];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    }

    /// Everything that comes until `quiet` passes without a datagram.
    pub fn drain(&self, quiet: Duration) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.receive(quiet)).collect()
    }

    /// Sends a request, again every 500 ms as RFC 3261 §17.1 does over UDP, and waits for its final response.
    pub fn ask(&self, request: &str) -> Option<Message> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.send(request.as_bytes());
            let again = Instant::now() + T1;
            while let Some(left) = again.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            {
                let Some(response) = self.receive(left).and_then(|bytes| Message::read(&bytes)) else {
                    continue;
                };
                if status_of(&response) >= 200 && request.contains(&response.call_id()) {
                    return Some(response);
                }
            }
        }
        None
    }

    /// The same, as a status; 0 for no answer.
    pub fn status(&self, request: &str) -> u16 {
        self.ask(request).map_or(0, |response| status_of(&response))
    }
}

/// The status of a response; 0 for a request.
pub fn status_of(message: &Message) -> u16 {
    let code = message.start.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The status in the octets of a response; 0 for anything else.
pub fn status_in(bytes: &[u8]) -> u16 {
    Message::read(bytes).map_or(0, |message| status_of(&message))
}

/// The words of a request that differ from test to test.
#[derive(Clone, Debug)]
pub struct Words {
    /// Method.
    pub method: String,
    /// Request-URI.
    pub uri: String,
    /// `UDP` or `TCP`.
    pub protocol: String,
    /// The sent-by of Via, with parameters before the branch.
    pub via: String,
    /// What follows the URI in From, after `tag=`.
    pub from_tag: String,
    /// The tag in To, if any.
    pub to_tag: Option<String>,
    /// Call-ID.
    pub call_id: String,
    /// CSeq number.
    pub cseq: u32,
    /// Further header lines, each with its CRLF.
    pub more: String,
    /// Body.
    pub body: String,
}

impl Words {
    /// A plain request.
    pub fn new(method: &str, uri: &str, from: SocketAddr) -> Self {
        let n = fresh();
        Self {
            method: method.to_owned(),
            uri: uri.to_owned(),
            protocol: "UDP".to_owned(),
            via: format!("{from};rport"),
            from_tag: format!("f{n}"),
            to_tag: None,
            call_id: format!("call-{n}@test"),
            cseq: 1,
            more: String::new(),
            body: String::new(),
        }
    }

    /// The message; each call makes a branch of its own.
    pub fn text(&self) -> String {
        self.text_with_branch(&format!("z9hG4bKx{}", fresh()))
    }

    /// The message with that branch.
    pub fn text_with_branch(&self, branch: &str) -> String {
        let to_tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let (method, uri, body) = (&self.method, &self.uri, &self.body);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} {};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:0312345678@{}>;tag={}\r\nTo: <{}>{to_tag}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n\
             Contact: <sip:test@{}>\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.protocol,
            self.via,
            self.via.split(';').next().unwrap_or_default(),
            self.from_tag,
            uri.split(['?', ';']).next().unwrap_or_default(),
            self.call_id,
            self.cseq,
            self.via.split(';').next().unwrap_or_default(),
            self.more,
            body.len()
        )
    }
}

/// A call that is up: what its caller needs to speak inside it.
pub struct Dialog {
    /// The INVITE's words with the To-tag; its URI is the other side's Contact.
    pub words: Words,
    /// The Route header lines.
    pub route: String,
}

impl Dialog {
    /// A request inside the dialog.
    pub fn request(&self, method: &str, cseq: u32) -> Words {
        let mut words = self.words.clone();
        words.method = method.to_owned();
        words.cseq = cseq;
        words.more = self.route.clone();
        words
    }
}

/// A running site with phones that answer and a PBX that records.
pub struct Field {
    /// Configuration and server.
    pub site: Site,
    /// The agents' phones.
    pub phones: Phones,
    /// The default route.
    pub pbx: Stub,
    /// Where nothing may arrive.
    pub victim: Stub,
    control: Sender,
}

impl Field {
    /// Two agents who answer at once; `more` goes to the end of the configuration.
    pub fn open(more: &str) -> Self {
        Self::with(more, |_| {}, Manner::Answer)
    }

    /// The same; `prepare` may change the site before the server starts.
    pub fn with(more: &str, prepare: impl FnOnce(&Site), pbx: Manner) -> Self {
        let mut site = Site::new("wrap_up_s = 0", &format!("{NOBODY_WAITS}{more}"));
        site.add_agents_without_log_ins(2, &site.phones().to_string());
        prepare(&site);
        let quick = Behaviour::Answer { quiet: Duration::from_millis(1), ring: Duration::from_millis(5) };
        let phones = Phones::start(site.phones(), quick);
        let pbx = Stub::start(site.pbx(), pbx);
        let victim = Stub::start(site.net.at(VICTIM, 5060), Manner::Answer);
        let control = Sender::new(site.net.at(host::TRUNK, 0), site.sip());
        site.serve();
        Self { site, phones, pbx, victim, control }
    }

    /// A sender on a host of the test's network.
    pub fn sender(&self, host: u8) -> Sender {
        Sender::new(self.site.net.at(host, 0), self.site.sip())
    }

    /// The Request-URI of a number at toritsugi.
    pub fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.site.sip())
    }

    /// The process lives, and a legitimate call to an agent completes.
    pub fn control_call(&mut self) {
        assert!(self.site.server().ended().is_none(), "the server is gone");
        let dialog = self.call(LINE).unwrap_or_else(|| panic!("the control call was not answered"));
        self.hang_up(&dialog);
        assert!(!self.site.server().output().contains("panicked"), "a thread panicked");
    }

    /// A call from the trunk that is answered and acknowledged.
    pub fn call(&self, number: &str) -> Option<Dialog> {
        let mut words = Words::new("INVITE", &self.uri(number), self.control.address);
        let response = self.control.ask(&words.text()).filter(|response| status_of(response) == 200)?;
        words.to_tag = response.to_tag();
        // RFC 3261 §12.1.2: the route set is the Record-Route in reverse order.
        let mut routes: Vec<_> = response.all("record-route").collect();
        routes.reverse();
        let route = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let contact = response.header("contact")?.trim_matches(['<', '>']).to_owned();
        words.uri = contact;
        let dialog = Dialog { words, route };
        self.control.send(dialog.request("ACK", 1).text().as_bytes());
        Some(dialog)
    }

    /// BYE from the caller.
    pub fn hang_up(&self, dialog: &Dialog) {
        let status = self.control.status(&dialog.request("BYE", 2).text());
        assert_eq!(status, 200, "the call did not end as it should");
    }

    /// Resident memory of the server, KiB.
    pub fn memory_kib(&mut self) -> u64 {
        let id = self.site.server().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("Linux tells VmRSS")
    }

    /// A plain OPTIONS from the trunk to the proxy itself is answered 200.
    pub fn assert_answers_options(&self, after: &str) {
        let words = Words::new("OPTIONS", &format!("sip:{}", self.site.sip()), self.control.address);
        assert_eq!(self.control.status(&words.text()), 200, "no 200 to OPTIONS after {after}");
    }
}
