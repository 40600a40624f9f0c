//! Messages that are too large, too deep or too repetitive.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::OUTSIDE;
use crate::support::field::{PATIENCE, Stream, Words, status_in};
use crate::support::guard::{Guard, sign};
use crate::support::log::poll;
use crate::support::net::host;
use crate::support::turn::turn;

/// What the messages of the test of time weigh while their transactions live.
const KEPT_KIB: u64 = 96 * 1024;

#[test]
fn n37_huge_messages_are_refused_or_passed_but_never_choked_on() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let own = format!("sip:{}", guard.field.site.sip());
    let repeated = |line: &str, count: usize| line.repeat(count);
    let headers: [(&str, String); 7] = [
        ("10,000 headers", repeated("X:1\r\n", 10_000)),
        ("1,000 Vias", repeated("v:SIP/2.0/UDP a;branch=z9hG4bK1\r\n", 1_000)),
        ("1,000 Record-Routes", repeated("Record-Route:<sip:a;lr>\r\n", 1_000)),
        ("1,000 Routes", repeated("Route:<sip:a;lr>\r\n", 1_000)),
        ("one line of 60 kB", format!("X: {}\r\n", "x".repeat(60_000))),
        ("folds", format!("X: a{}\r\n", "\r\n a".repeat(15_000))),
        ("a list of 20,000", format!("Route: {}\r\n", "<sip:a>,".repeat(7_000))),
    ];
    for (what, more) in headers {
        let mut words = Words::new("OPTIONS", &own, sender.address);
        words.more = more;
        let text = words.text();
        assert!(text.len() < 65_507, "{what}: {} octets are no datagram", text.len());
        let status = sender.status(&text);
        assert!(status == 200 || (400..600).contains(&status), "{what}: {status}");
        guard.field.assert_answers_options(what);
    }
    let mut full = Words::new("MESSAGE", &guard.field.uri(OUTSIDE), sender.address);
    full.body = "x".repeat(65_000);
    assert_ne!(sender.status(&full.text()), 0, "a datagram of 64 KiB is not answered");
    let mut parts = Words::new("MESSAGE", &guard.field.uri(OUTSIDE), sender.address);
    "Content-Type: multipart/mixed;boundary=a\r\n".clone_into(&mut parts.more);
    parts.body = "--a\r\nContent-Type:multipart/mixed;boundary=a\r\n\r\n".repeat(1_200);
    assert_ne!(sender.status(&parts.text()), 0, "nested parts are not answered");
    let mut stream = Stream::connect(guard.field.site.net.ip(host::TRUNK), guard.field.site.sip())
        .expect("a peer may connect");
    let mut words = Words::new("MESSAGE", &guard.field.uri(OUTSIDE), sender.address);
    words.body = "y".repeat(10 << 20);
    let call_id = words.call_id.clone();
    // The server may close before it has read it all.
    stream.send(words.text().as_bytes());
    let refused = poll(PATIENCE, || {
        let refused = stream.poll().iter().any(|answer| [400, 413, 513].contains(&status_in(answer)));
        (refused || stream.ended).then_some(())
    });
    assert!(refused.is_some(), "10 MiB over TCP: neither refused nor closed");
    assert!(guard.field.pbx.holding(&call_id).is_empty(), "10 MiB were forwarded");
    let mut stream = Stream::connect(guard.field.site.net.ip(host::TRUNK), guard.field.site.sip())
        .expect("a peer may connect");
    let endless = format!("OPTIONS {own} SIP/2.0\r\n{}", "X: 1\r\n".repeat(1_000_000));
    stream.send(endless.as_bytes());
    stream.wait_end(PATIENCE);
    assert!(stream.ended, "endless headers are read for ever");
    guard.end(&[sign::MALFORMED, sign::UNFRAMEABLE]);
}

#[test]
fn n38_long_values_cost_linear_time() {
    let _turn = turn();
    let mut guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let own = format!("sip:{}", guard.field.site.sip());
    let units = [";", "\"", "%", ",", "\\\"", "<", "((", ";a=\"", "a,", "%4", ";tag=", "\r\n ,"];
    let headers =
        ["X", "Route", "P-Asserted-Identity", "Contact", "Record-Route", "Supported", "Proxy-Require", "Via"];
    let mut table = String::new();
    let mut slow = Vec::new();
    for header in headers {
        // 32,000 tags to refuse: see the test of that answer.
        for unit in units.into_iter().filter(|unit| (header, *unit) != ("Proxy-Require", "a,")) {
            let time = |octets: usize| {
                let line = format!("{header}: {}\r\n", unit.repeat(octets / unit.len()));
                let once = || {
                    let mut words = Words::new("OPTIONS", &own, sender.address);
                    words.more.clone_from(&line);
                    let begun = Instant::now();
                    sender.send(words.text().as_bytes());
                    sender.receive(PATIENCE)?;
                    Some(begun.elapsed())
                };
                (0..5).map(|_| once().unwrap_or(PATIENCE)).min().unwrap_or(PATIENCE)
            };
            let is_slow = |small: Duration, large: Duration| large > small * 20 + Duration::from_millis(20);
            let (mut small, mut large) = (time(4_000), time(64_000));
            // The machine may be busy with something else; a slow algorithm stays slow.
            for _ in 0..4 {
                if is_slow(small, large) {
                    (small, large) = (time(4_000), time(64_000));
                }
            }
            writeln!(table, "{header} {unit:?}: {small:?} {large:?}").expect("a String takes everything");
            if is_slow(small, large) {
                slow.push(format!("{header} {unit:?}: {small:?} for 4 kB, {large:?} for 64 kB"));
            }
        }
    }
    assert!(slow.is_empty(), "{}\n---\n{table}", slow.join("\n"));
    // Each answered OPTIONS of 64 kB is kept for Timer J, 32 s.
    guard.may_grow(KEPT_KIB);
    guard.end(&[]);
}

#[test]
fn n38_a_420_to_thousands_of_tags_is_short_and_arrives() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let mut words = Words::new("OPTIONS", &format!("sip:{}", guard.field.site.sip()), sender.address);
    words.more = format!("Proxy-Require: {}a\r\n", "a,".repeat(32_000));
    sender.send(words.text().as_bytes());
    let answer = sender.receive(PATIENCE).expect("a 420 that fits into a datagram");
    assert_eq!(status_in(&answer), 420);
    assert!(answer.len() < words.text().len(), "{} octets", answer.len());
    guard.end(&[sign::INVALID]);
}
