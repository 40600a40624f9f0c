//! N43: the torture messages of RFC 4475 and RFC 5118 through the running server, over UDP and over TCP, with
//! the verdicts of `EXPECT.tsv`.

mod support;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::field::{Capture, Field, Manner, PATIENCE, SILENCE, Sender, Stream, Stub, Words, status_in};
use support::guard::{Guard, sign};
use support::log::poll;
use support::turn::turn;

/// Where replies may go when there is no `rport`: the source address at the port of sent-by (RFC 3261
/// §18.2.2).
const PORTS: [u16; 5] = [5060, 5050, 5070, 6050, 19823];
/// The messages' hosts begin here, one for each.
const FIRST_HOST: usize = 128;
/// The limit of the server in this test, so that half a message does not hold it up.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(1);
/// Written octet by octet: folds, an odd method with NUL, a large one, a body with bare CRs, IPv6.
const SPLIT: [&str; 6] = ["wsinv", "intmeth", "longreq", "mpart01", "badinv01", "ipv6-good"];
/// Their length cannot be known on a stream: none, negative, doubled, or no empty line. The contract asks for
/// 400 and the end of the connection; where the end never comes, for the end after the message timeout.
const NO_LENGTH: [&str; 5] = ["inv2543", "ncl", "mcl01", "clerr", "baddn"];
/// Octets stand behind its second message that belong to none: the stream cannot go on.
const LEFTOVERS: &str = "dblreq";
/// RFC 3261 §18.1.1: larger requests go over a transport with congestion control.
const LARGEST_DATAGRAM: usize = 1300;

#[test]
fn n43_every_torture_message_over_udp_gets_its_verdict() {
    let Some(cases) = cases() else { return };
    let _turn = turn();
    let mut bench = Bench::open();
    let outcomes = cases.iter().enumerate().map(|(n, case)| bench.over_udp(n, case)).collect();
    bench.judge("UDP", &cases, outcomes);
}

#[test]
fn n43_every_torture_message_over_tcp_gets_its_verdict() {
    let Some(cases) = cases() else { return };
    let _turn = turn();
    let mut bench = Bench::open();
    let mut shared = None;
    let outcomes = cases.iter().map(|case| bench.over_tcp(case, &mut shared)).collect();
    bench.judge("TCP", &cases, outcomes);
}

#[test]
fn v8_a_request_above_1300_octets_goes_over_tcp_where_the_next_hop_takes_it() {
    let Some(cases) = cases() else { return };
    let _turn = turn();
    let mut bench = Bench::open();
    let case = cases.iter().find(|case| case.name == "longreq").expect("it is one of the 63");
    let outcome = bench.over_udp(0, case);
    let by_udp = outcome.forwarded.iter().filter(|capture| !capture.tcp);
    let largest = by_udp.map(|capture| capture.bytes.len()).max().unwrap_or(0);
    assert!(largest <= LARGEST_DATAGRAM, "{largest} octets over UDP");
}

/// One line of EXPECT.tsv and its message.
struct Case {
    name: String,
    kind: String,
    via_port: u16,
    oracle: String,
    allowed: String,
    goal: String,
    bytes: Vec<u8>,
}

/// What came of a message.
#[derive(Debug, Default)]
struct Outcome {
    /// Final statuses at the sender, in order.
    statuses: Vec<u16>,
    /// What was forwarded, repeats left out.
    forwarded: Vec<Capture>,
    /// The server closed the connection.
    closed: bool,
    /// What the message must not have done, in words.
    faults: Vec<String>,
}

impl Case {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// Nothing is expected, so silence has to be waited for.
    fn is_silent(&self) -> bool {
        self.kind == "response"
    }

    /// The topmost Via and the method, or the name where the branch has no cookie.
    fn transaction(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let via = text.lines().find(|line| line.to_lowercase().starts_with("v"));
        match via.filter(|via| via.contains("z9hG4bK")) {
            Some(via) => format!("{} {via}", text.split(' ').next().unwrap_or_default()),
            None => self.name.clone(),
        }
    }

    fn allows(&self, status: u16) -> bool {
        self.allowed.split(';').any(|allowed| allowed == status.to_string())
    }
}

impl Outcome {
    fn word(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        match self.forwarded.len() {
            0 => {}
            1 => words.push("fwd".to_owned()),
            more => words.push(format!("fwd×{more}")),
        }
        words.extend(self.statuses.iter().map(u16::to_string));
        if self.closed {
            words.push("closed".to_owned());
        }
        if words.is_empty() { "none".to_owned() } else { words.join(" ") }
    }

    /// The first thing wrong with it.
    fn violation(&self, case: &Case, tcp: bool) -> Option<String> {
        if let Some(fault) = self.faults.first() {
            return Some(fault.clone());
        }
        let refused = self.statuses.iter().copied().find(|status| *status >= 300);
        let forwards = !self.forwarded.is_empty();
        if tcp && case.is(&NO_LENGTH) {
            let fine = !forwards && self.closed && refused.is_none_or(|status| status == 400);
            return (!fine).then(|| "expected 400 or nothing, and the end of the connection".to_owned());
        }
        let right = match case.oracle.as_str() {
            "ACCEPT" | "ACCEPT_OR_REJECT" => forwards || refused.is_some_and(|status| case.allows(status)),
            "REJECT" => !forwards && refused.is_some_and(|status| case.allows(status)),
            "REJECT_OR_FIX" => forwards || refused == Some(400),
            "REJECT_OR_DROP" => !forwards && refused.is_none_or(|status| status == 400),
            "DROP" | "RESP_OK" => !forwards && self.statuses.is_empty(),
            other => return Some(format!("EXPECT.tsv has an oracle this test does not know: {other}")),
        };
        (!right).then(|| format!("expected {} ({})", case.oracle, case.allowed))
    }
}

/// The server, what it forwards to, and everybody it could wrongly send to.
struct Bench {
    guard: Guard,
    /// `mpart01` names this next hop in its Route.
    loopback: Stub,
    barrier: Sender,
    seen: HashSet<String>,
    /// Branch, sent-by and method of what the server has had.
    transactions: HashSet<String>,
}

impl Bench {
    fn open() -> Self {
        let loopback = Stub::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 5080)), Manner::Answer);
        let peers = |net: &support::net::Net| {
            format!(
                "[[sip.peer]]\nname = \"torture\"\naddresses = [\"{}/26\"]\npreloaded_route = true\n\n\
                 [sip.limits]\nstream_message_timeout_s = {}\n",
                net.ip(128),
                MESSAGE_TIMEOUT.as_secs()
            )
        };
        let add_peers = |site: &support::site::Site| {
            site.change("[http]\n", &format!("{}\n[http]\n", peers(&site.net)));
        };
        let field = Field::with("", add_peers, Manner::Answer);
        let barrier = field.sender(support::net::host::TRUNK);
        Self {
            guard: Guard::on(field),
            loopback,
            barrier,
            seen: HashSet::new(),
            transactions: HashSet::new(),
        }
    }

    fn over_udp(&mut self, n: usize, case: &Case) -> Outcome {
        let host = u8::try_from(FIRST_HOST + n).expect("the messages fit into one /26");
        if !self.transactions.insert(case.transaction()) {
            // RFC 3261 §17.2.3 makes this message a repeat of an earlier one, for the next 32 s.
            self.guard.field.site.server().stop(PATIENCE);
            self.guard.field.site.serve();
        }
        let to = self.guard.field.site.sip();
        let at = |port| Sender::new(self.guard.field.site.net.at(host, port), to);
        let senders: Vec<_> = PORTS.iter().map(|port| at(*port)).collect();
        let from = PORTS.iter().position(|port| *port == case.via_port).unwrap_or(0);
        let mut outcome = Outcome::default();
        let before = self.marks();
        senders[from].send(&case.bytes);
        self.collect(case, false, before, &mut outcome, || {
            senders.iter().flat_map(|sender| sender.drain(Duration::from_millis(1))).collect()
        });
        self.after(case, false, &mut outcome);
        outcome
    }

    fn over_tcp(&mut self, case: &Case, shared: &mut Option<Stream>) -> Outcome {
        let alone = case.is(&NO_LENGTH) || case.is(&SPLIT) || case.name == LEFTOVERS;
        let mut own = None;
        let place = if alone { &mut own } else { &mut *shared };
        let source = self.guard.field.site.net.ip(128);
        let to = self.guard.field.site.sip();
        let stream = place.get_or_insert_with(|| Stream::connect(source, to).expect("a peer may connect"));
        let mut outcome = Outcome::default();
        let before = self.marks();
        let sent = if case.is(&SPLIT) { stream.send_split(&case.bytes) } else { stream.send(&case.bytes) };
        if !sent {
            outcome.faults.push("the connection did not take it".to_owned());
        }
        self.collect(case, true, before, &mut outcome, || stream.poll());
        if case.is(&NO_LENGTH) {
            let late = stream.wait_end(MESSAGE_TIMEOUT + PATIENCE);
            outcome.note_responses(late);
        } else if case.name != LEFTOVERS {
            self.options_over(stream, source, &mut outcome);
        }
        outcome.closed = stream.ended;
        if outcome.closed && !case.is(&NO_LENGTH) && case.name != LEFTOVERS {
            outcome.faults.push("the connection was closed although the message's end is known".to_owned());
            *place = None;
        }
        self.after(case, true, &mut outcome);
        outcome
    }

    /// The connection still takes a request.
    fn options_over(&self, stream: &mut Stream, source: IpAddr, outcome: &mut Outcome) {
        let from = SocketAddr::new(source, 5060);
        let mut words = Words::new("OPTIONS", &format!("sip:{}", self.guard.field.site.sip()), from);
        "TCP".clone_into(&mut words.protocol);
        stream.send(words.text().as_bytes());
        let mut other = Vec::new();
        let answered = poll(PATIENCE, || {
            let came = stream.poll();
            let found = came.iter().any(|bytes| holds(bytes, &words.call_id) && status_in(bytes) == 200);
            other.extend(came.into_iter().filter(|bytes| !holds(bytes, &words.call_id)));
            found.then_some(())
        });
        outcome.note_responses(other);
        if answered.is_none() {
            outcome.faults.push("no 200 to OPTIONS on the same connection".to_owned());
        }
    }

    /// Waits until the message has come out somewhere, then for what else it does.
    fn collect(
        &mut self,
        case: &Case,
        tcp: bool,
        before: (usize, usize),
        outcome: &mut Outcome,
        mut responses: impl FnMut() -> Vec<Vec<u8>>,
    ) {
        let limit = if case.is_silent() { SILENCE } else { PATIENCE };
        let end = Instant::now() + limit;
        // A forwarded request is answered 200 by the stub, and that comes back.
        while Instant::now() < end && outcome.statuses.is_empty() {
            outcome.note_responses(responses());
            self.gather(case, before, outcome);
            let endless = tcp && case.is(&NO_LENGTH) && outcome.forwarded.is_empty();
            if endless && end.saturating_duration_since(Instant::now()) < PATIENCE - SILENCE {
                break;
            }
        }
        // Whatever else would come, a second request out of a body among it, comes now.
        std::thread::park_timeout(Duration::from_millis(30));
        outcome.note_responses(responses());
        self.gather(case, before, outcome);
    }

    fn gather(&mut self, case: &Case, before: (usize, usize), outcome: &mut Outcome) {
        let mut new = self.guard.field.pbx.since(before.0);
        new.extend(self.loopback.since(before.1));
        for capture in new {
            let text = capture.text();
            let first_via = text.lines().find(|line| line.starts_with("Via:")).unwrap_or_default();
            let key = format!("{} {first_via}", text.split(' ').next().unwrap_or_default());
            // Repeats over UDP have the same method and branch; an ACK or CANCEL is no forwarded message.
            if !text.starts_with("ACK ") && !text.starts_with("CANCEL ") && self.seen.insert(key) {
                outcome.faults.extend(changed(case, &capture));
                outcome.forwarded.push(capture);
            }
        }
    }

    fn marks(&self) -> (usize, usize) {
        (self.guard.field.pbx.count(), self.loopback.count())
    }

    /// The server lives and answers; nobody else got anything.
    fn after(&mut self, case: &Case, over_tcp: bool, outcome: &mut Outcome) {
        let own =
            Words::new("OPTIONS", &format!("sip:{}", self.guard.field.site.sip()), self.barrier.address);
        if self.barrier.status(&own.text()) != 200 {
            outcome.faults.push("no 200 to OPTIONS afterwards".to_owned());
        }
        if self.guard.field.site.server().ended().is_some() {
            outcome.faults.push("the server is gone".to_owned());
        }
        if case.name == LEFTOVERS {
            let count = |method: &[u8]| {
                outcome.forwarded.iter().filter(|capture| capture.bytes.starts_with(method)).count()
            };
            // In a datagram what follows the body is nothing; on a stream it is a message of its own.
            let wanted = (1, usize::from(over_tcp));
            let found = (count(b"REGISTER"), count(b"INVITE"));
            if found != wanted {
                outcome.faults.push(format!("{found:?} REGISTER and INVITE were forwarded, not {wanted:?}"));
            }
        }
    }

    fn judge(self, over: &str, cases: &[Case], outcomes: Vec<Outcome>) {
        let mut table = format!("{over:30} oracle           goal  verdict\n");
        let (mut right, mut violations) = (0, Vec::new());
        for (case, outcome) in cases.iter().zip(outcomes) {
            let violation = outcome.violation(case, over == "TCP");
            let goal: String = case.goal.chars().take(4).collect();
            let word = outcome.word();
            let verdict = violation.as_deref().unwrap_or("ok");
            writeln!(table, "{:30} {:16} {goal:5} {word:18} {verdict}", case.name, case.oracle)
                .expect("a String takes everything");
            match violation {
                None => right += 1,
                Some(violation) => violations.push(format!("{}: {word}: {violation}", case.name)),
            }
        }
        writeln!(table, "{over}: {right} of {}", cases.len()).expect("a String takes everything");
        // Past libtest's capture: the table is the record of the run.
        let _ = std::io::stderr().write_all(table.as_bytes());
        assert!(violations.is_empty(), "{over}:\n{}", violations.join("\n"));
        // Over UDP the server is started anew on the way, and its figures with it.
        let signs: &[_] = if over == "TCP" { &[sign::MALFORMED] } else { &[] };
        self.guard.end(signs);
    }
}

impl Outcome {
    fn note_responses(&mut self, came: Vec<Vec<u8>>) {
        for status in came.iter().map(|bytes| status_in(bytes)).filter(|status| *status >= 200) {
            // Over UDP a final response to INVITE is repeated until its ACK, which never comes here.
            if !self.statuses.contains(&status) {
                self.statuses.push(status);
            }
        }
    }
}

/// What a proxy must leave as it is and did not: request line, every header line but those it owns, the body.
fn changed(case: &Case, capture: &Capture) -> Vec<String> {
    let mut faults = Vec::new();
    // Over TCP the second message of `dblreq` is its own; only its first is compared.
    if case.name == LEFTOVERS && !capture.bytes.starts_with(b"REGISTER") {
        return faults;
    }
    let Some(end) = find(&case.bytes, b"\r\n\r\n") else { return faults };
    let (head, body) = (&case.bytes[..end + 2], &case.bytes[end + 4..]);
    for (n, line) in logical_lines(head).into_iter().enumerate() {
        let name = String::from_utf8_lossy(line).split(':').next().unwrap_or_default().trim().to_lowercase();
        let owned = ["max-forwards", "route", "via", "v", "content-length", "l", "p-asserted-identity"];
        if n > 0 && owned.contains(&name.as_str()) {
            continue;
        }
        if find(&capture.bytes, line).is_none() {
            faults.push(format!("{name:?} was changed or lost"));
        }
    }
    let vias = |bytes: &[u8]| {
        let is_via = |line: &&[u8]| line.to_ascii_lowercase().starts_with(b"v");
        logical_lines(bytes).into_iter().filter(is_via).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    // All but the topmost, which gets `received`; ours comes before it.
    let (before, after) = (vias(head), vias(&capture.bytes));
    if !after.ends_with(before.get(1..).unwrap_or_default()) {
        faults.push("the Via values below the topmost were changed".to_owned());
    }
    let length = if case.name == LEFTOVERS { 0 } else { body.len() };
    if !capture.bytes.ends_with(&[b"\r\n\r\n", &body[..length]].concat()) {
        faults.push("the body was changed".to_owned());
    }
    let hops = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        let line = text.lines().find_map(|line| line.strip_prefix("max-forwards:").map(str::to_owned));
        line.and_then(|value| value.trim().parse::<u32>().ok())
    };
    if hops(&capture.bytes) != Some(hops(head).map_or(70, |left| left.saturating_sub(1))) {
        faults.push("Max-Forwards is not one less".to_owned());
    }
    faults
}

/// Lines with their folds and CRLFs.
fn logical_lines(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, _) in head.windows(2).enumerate().filter(|(_, pair)| *pair == b"\r\n") {
        if !matches!(head.get(at + 2), Some(b' ' | b'\t')) {
            if at == start {
                break;
            }
            lines.push(&head[start..at + 2]);
            start = at + 2;
        }
    }
    lines
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    find(bytes, needle.as_bytes()).is_some()
}

/// The table, or `None` with a word of why.
fn cases() -> Option<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/torture");
    let Ok(table) = std::fs::read_to_string(folder.join("EXPECT.tsv")) else {
        skip();
        return None;
    };
    let cases: Vec<_> = table.lines().skip(1).map(|line| case(&folder, line)).collect();
    assert!(cases.len() >= 63, "only {} messages", cases.len());
    Some(cases)
}

fn case(folder: &Path, line: &str) -> Case {
    let cells: Vec<&str> = line.split('\t').collect();
    let file: PathBuf = folder.join(cells[0]);
    let name = file.file_stem().map(|name| name.to_string_lossy().into_owned());
    Case {
        name: name.expect("each line names a file"),
        kind: cells[3].to_owned(),
        via_port: cells[6].parse().unwrap_or(5060),
        oracle: cells[8].to_owned(),
        allowed: cells[9].to_owned(),
        goal: cells[10].to_owned(),
        bytes: std::fs::read(&file).expect("the table's files are there"),
    }
}

/// As `needs` does, which knows programs only.
fn skip() {
    let line = "skipped: needs the torture messages\n";
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("TORITSUGI_SKIPS")
        && let Ok(mut file) = std::fs::OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}
