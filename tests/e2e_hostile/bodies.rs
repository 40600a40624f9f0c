//! Octets that are no SIP, and messages that hide in others.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use crate::OUTSIDE;
use crate::support::field::{PATIENCE, SILENCE, STRANGER, Stream, Words, fresh, status_in};
use crate::support::guard::{Guard, sign};
use crate::support::log::poll;
use crate::support::net::host;
use crate::support::shapes;

#[test]
fn n44_shapes_that_broke_other_parsers_break_nothing() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let mut shapes: Vec<Vec<u8>> = shapes::DATAGRAMS.iter().map(|bytes| bytes.to_vec()).collect();
    for line in shapes::HEADER_LINES {
        shapes.push(shapes::with_line(line, fresh(), sender.address).into_bytes());
    }
    for line in shapes::REQUEST_LINES {
        shapes.push(shapes::with_request_line(line, fresh(), sender.address).into_bytes());
    }
    for shape in &shapes {
        sender.send(shape);
        guard.field.assert_answers_options(&String::from_utf8_lossy(shape));
    }
    for answer in sender.drain(SILENCE) {
        let status = status_in(&answer);
        assert!([100, 200].contains(&status) || (400..600).contains(&status), "{status}");
    }
    // The same cut off after every octet of a plain request.
    let whole = Words::new("OPTIONS", &guard.field.uri(OUTSIDE), sender.address).text();
    for end in 0..whole.len() - 1 {
        sender.send(&whole.as_bytes()[..end]);
    }
    sender.drain(SILENCE);
    for shape in &shapes {
        let stream = Stream::connect(guard.field.site.net.ip(host::TRUNK), guard.field.site.sip());
        stream.expect("a peer may connect").send(shape);
    }
    guard.field.assert_answers_options("the same over TCP");
    guard.end(&[sign::MALFORMED]);
}

#[test]
fn n45_no_request_is_born_from_a_body() {
    let guard = Guard::begin();
    let source = guard.field.site.net.ip(host::TRUNK);
    let sender = guard.field.sender(host::TRUNK);
    // Of each: the Content-Length lines, and whether the end of the message can be known.
    let lengths = |inside: usize| {
        let beyond = inside + 10;
        [
            (format!("Content-Length: 0\r\nl: {inside}\r\n"), false),
            (format!("l: {inside}\r\nContent-Length: {inside}\r\n"), false),
            (format!("Content-Length: {inside}\r\ncontent-length : 0\r\n"), false),
            (format!("Content-Length: 0, {inside}\r\n"), false),
            (format!("Content-Length: +{inside}\r\n"), false),
            (format!("Content-Length: -{inside}\r\n"), false),
            (format!("Content-Length: 0x{inside:x}\r\n"), false),
            (format!("Content-Length: {inside}.0\r\n"), false),
            (format!("Content-Length: {inside}e0\r\n"), false),
            ("Content-Length: 18446744073709551616\r\n".to_owned(), false),
            ("Content-Length: 4294967296\r\n".to_owned(), false),
            ("Content-Length:\r\n".to_owned(), false),
            ("Transfer-Encoding: chunked\r\n".to_owned(), false),
            ("Content-Length\0: 0\r\n".to_owned(), false),
            (format!("X: a\nContent-Length: {inside}\r\n"), false),
            (format!("X: a\rContent-Length: {inside}\r\n"), false),
            (format!("Content-Length:  {inside} \r\n"), true),
            (format!("Content-Length:\r\n {inside}\r\n"), true),
            (format!("Content-Length: 000{inside}\r\n"), true),
            (format!("Content-Length: {beyond}\r\n"), true),
        ]
    };
    let count = lengths(0).len();
    for n in 0..count {
        let mut inner = Words::new("MESSAGE", &guard.field.uri(OUTSIDE), sender.address);
        "TCP".clone_into(&mut inner.protocol);
        inner.more = format!("X-Smuggled: {}\r\n", inner.call_id);
        let inner_text = inner.text();
        let (length, end_known) = lengths(inner_text.len()).into_iter().nth(n).expect("n is below the count");
        let mut outer = Words::new("MESSAGE", &guard.field.uri(OUTSIDE), sender.address);
        "TCP".clone_into(&mut outer.protocol);
        let text = outer.text().replace("Content-Length: 0\r\n", &length) + &inner_text;
        let mut stream = Stream::connect(source, guard.field.site.sip()).expect("a peer may connect");
        stream.send(text.as_bytes());
        if end_known {
            poll(SILENCE, || stream.poll().into_iter().find(|answer| status_in(answer) >= 200));
        } else {
            let came = stream.wait_end(PATIENCE);
            assert!(stream.ended, "{length:?}: the connection stays open");
            let statuses: Vec<_> = came.iter().map(|answer| status_in(answer)).collect();
            assert!(statuses.is_empty() || statuses == [400], "{length:?}: {statuses:?}");
        }
        sender.send(text.replace("SIP/2.0/TCP", "SIP/2.0/UDP").as_bytes());
        sender.drain(Duration::from_millis(30));
        let born = guard.field.pbx.since(0).into_iter().any(|capture| {
            let text = capture.text();
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            head.contains(&format!("X-Smuggled: {}", inner.call_id))
        });
        assert!(!born, "{length:?}: a request was born from a body");
    }
    guard.end(&[sign::UNFRAMEABLE, sign::MALFORMED]);
}

#[test]
fn n45_two_messages_in_one_segment_are_two() {
    let guard = Guard::begin();
    let source = guard.field.site.net.ip(host::TRUNK);
    let sender = guard.field.sender(host::TRUNK);
    let mut stream = Stream::connect(source, guard.field.site.sip()).expect("a peer may connect");
    let mut both = String::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut words = Words::new("MESSAGE", &guard.field.uri(OUTSIDE), sender.address);
        "TCP".clone_into(&mut words.protocol);
        "text".clone_into(&mut words.body);
        both.push_str(&words.text());
        ids.push(words.call_id);
    }
    stream.send(both.as_bytes());
    let mut statuses = Vec::new();
    poll(PATIENCE, || {
        statuses.extend(stream.poll().iter().map(|answer| status_in(answer)));
        (statuses.len() >= 2).then_some(())
    });
    assert_eq!(statuses, [200, 200]);
    for id in ids {
        assert_eq!(guard.field.pbx.holding(&id).len(), 1);
    }
    guard.end(&[]);
}

#[test]
fn n46_other_protocols_are_dropped_and_never_logged_whole() {
    let mut guard = Guard::begin();
    let (source, sip) = (guard.field.site.net.ip(host::TRUNK), guard.field.site.sip());
    let (http, mark) = (guard.field.site.http(), guard.mark());
    let sender = guard.field.sender(host::TRUNK);
    for (what, bytes) in shapes::OTHER_PROTOCOLS {
        sender.send(bytes);
        let answers = sender.drain(SILENCE / 6);
        assert!(answers.len() <= 1, "{what} over UDP is answered");
        for from in [source, guard.field.site.net.ip(STRANGER)] {
            let Ok(mut stream) = Stream::connect(from, sip) else { continue };
            stream.send(bytes);
            // An unfinished message is closed after 10 s at the latest.
            stream.wait_end(Duration::from_secs(12));
            assert!(stream.ended, "{what} from {from} keeps its connection");
        }
        guard.field.assert_answers_options(what);
        if what.starts_with("HTTP") {
            continue;
        }
        let mut web = TcpStream::connect(http).expect("the REST interface listens");
        // Whether it takes it all or closes before: it must go on serving others.
        let _ = web.write_all(bytes);
    }
    let datagram = UdpSocket::bind((source, 0)).expect("the test's own network is free");
    for n in 0..500_u32 {
        // Octets of a small generator: the same in each run.
        let noise: Vec<u8> = (0..n % 97)
            .scan(n.wrapping_mul(2_654_435_761), |state, _| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes().first().copied()
            })
            .collect();
        // A refused datagram (ICMP) concerns an earlier one.
        let _ = datagram.send_to(&noise, sip);
    }
    guard.assert_nothing_out(mark, "another protocol");
    let log = guard.field.site.server().output();
    assert!(!log.contains("canary-of-the-log"), "foreign octets are in the log");
    guard.end(&[sign::UNFRAMEABLE, sign::NOISE]);
}

/// RFC 7118 asks for the subprotocol `sip`: nobody here speaks it.
#[test]
fn n47_sip_over_websocket_is_refused_wherever_it_is_asked_for() {
    let mut guard = Guard::begin();
    guard.field.site.add_user("boss", "admin", None);
    let token = guard.field.site.log_in("boss").token().to_owned();
    let (http, sip) = (guard.field.site.http(), guard.field.site.sip());
    let upgrade = |path: &str, protocol: &str, more: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {http}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n{more}\r\n"
        )
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let asked = |text: &str| {
        let mut stream = TcpStream::connect(http).expect("the page listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("the time-out is not zero");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut start = [0; 12];
        stream.read_exact(&mut start).expect("an answer");
        String::from_utf8_lossy(&start[9..]).into_owned()
    };
    assert_eq!(asked(&upgrade("/ws/v1", "spop.v1", &bearer)), "101", "our own protocol is spoken");
    for (path, protocol, more) in [
        ("/ws/v1", "sip", bearer.as_str()),
        ("/ws/v1", "sip", ""),
        ("/ws/v1", "SIP, sip", bearer.as_str()),
        ("/", "sip", bearer.as_str()),
        ("/ws", "sip", bearer.as_str()),
        ("/sip", "sip", bearer.as_str()),
    ] {
        let status = asked(&upgrade(path, protocol, more));
        assert_ne!(status, "101", "{path} {protocol}");
    }
    // And the other way round: a screen that asks the SIP port.
    let source = guard.field.site.net.ip(host::TRUNK);
    let mut stream = Stream::connect(source, sip).expect("a peer may connect");
    stream.send(upgrade("/ws/v1", "spop.v1", &bearer).as_bytes());
    stream.wait_end(PATIENCE);
    assert!(stream.ended, "the SIP port keeps a WebSocket's connection");
    let log = guard.field.site.server().output();
    assert!(!log.contains(&token), "a token is in the log");
    guard.end(&[sign::UNFRAMEABLE]);
}
