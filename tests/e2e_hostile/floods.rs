//! Many messages: floods, reflection, what nobody acknowledges, and what all that does to the log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::METHODS;
use crate::support::field::{Field, GROWTH_KIB, PATIENCE, STRANGER, Sender, Words, fresh, status_in};
use crate::support::guard::{Figures, Guard, sign};
use crate::support::log::poll;
use crate::support::net::host;
use crate::support::site::LINE;
use crate::support::turn::turn;

/// Hosts a flood comes from; none is a peer.
const FLOODERS: std::ops::Range<u8> = 100..180;
/// Requests a second, and for how long: the table asks for 50,000 over 120 s, on a machine of its own.
const FLOOD_PER_S: usize = 5_000;
const FLOOD: Duration = Duration::from_secs(4);
/// What a flood may cost in memory (N27).
const FLOOD_KIB: u64 = 32 * 1024;

/// 5,000 requests a second of strangers: the table's 50,000 are for a machine that does nothing else.
#[test]
fn n27_a_flood_of_strangers_leaves_calls_as_they_were() {
    let _turn = turn();
    let mut guard = Guard::begin();
    let set_up = |guard: &Guard| {
        let begun = Instant::now();
        let call = guard.field.call(LINE).expect("a legitimate call was not answered");
        let took = begun.elapsed();
        guard.field.hang_up(&call);
        took
    };
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let idle = median((0..15).map(|_| set_up(&guard)).collect());
    let senders: Vec<_> = FLOODERS.map(|host| guard.field.sender(host)).collect();
    let (uri, stopping, sent) = (guard.field.uri(LINE), AtomicBool::new(false), AtomicUsize::new(0));
    let mut flooded = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| flood(&senders, &uri, &stopping, &sent));
        // Also when a call below is lost and panics: the flood must not go on for ever.
        let _stop = Stop(&stopping);
        let end = Instant::now() + FLOOD;
        while Instant::now() < end {
            flooded.push(set_up(&guard));
        }
    });
    let after = Instant::now();
    guard.field.assert_answers_options("the flood");
    assert!(after.elapsed() < Duration::from_secs(5), "not back to idle within 5 s");
    let (calls, flooded) = (flooded.len(), median(flooded));
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent >= FLOOD_PER_S * 2, "the flood was only {sent} requests");
    assert!(calls >= 10, "only {calls} calls under the flood");
    // The median, since one lost datagram of a call costs T1; a lost call fails above.
    let allowed = idle * 3 + Duration::from_millis(30);
    assert!(flooded <= allowed, "set-up took {flooded:?} under the flood and {idle:?} before");
    // What strangers were sent: the budget of two a second, and a window's worth at once.
    let answers: usize = senders.iter().map(|sender| sender.drain(Duration::from_millis(1)).len()).sum();
    assert!(answers <= 60, "{answers} answers to strangers");
    guard.may_grow(FLOOD_KIB);
    guard.end(&[sign::STRANGER, sign::HELD_BACK]);
}

/// Ends the flood when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends at an even pace from all hosts in turn until it is told to stop.
fn flood(senders: &[Sender], uri: &str, stopping: &AtomicBool, sent: &AtomicUsize) {
    let begun = Instant::now();
    let methods = ["REGISTER", "OPTIONS", "INVITE"];
    while !stopping.load(Ordering::Relaxed) {
        let due = usize::try_from(begun.elapsed().as_millis()).unwrap_or(usize::MAX) * FLOOD_PER_S / 1_000;
        while sent.load(Ordering::Relaxed) < due {
            let n = sent.fetch_add(1, Ordering::Relaxed);
            let sender = &senders[n % senders.len()];
            sender.send(Words::new(methods[n % methods.len()], uri, sender.address).text().as_bytes());
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn n28_a_stranger_is_never_sent_more_than_they_sent() {
    let guard = Guard::begin();
    let stranger = guard.field.sender(STRANGER);
    let uri = guard.field.uri(LINE);
    let mut requests: Vec<String> =
        METHODS.iter().map(|method| Words::new(method, &uri, stranger.address).text()).collect();
    // The smallest that is still legal, in the compact form.
    for method in METHODS {
        requests.push(format!(
            "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK{}\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\n\
             i:{}\r\nCSeq:1 {method}\r\nMax-Forwards:1\r\nl:0\r\n\r\n",
            fresh(),
            fresh()
        ));
    }
    for broken in ["INVITE sip:a SIP/2.0\r\n\r\n", "X", "OPTIONS sip:a SIP/3.0\r\nVia: SIP/2.0/UDP a\r\n\r\n"]
    {
        requests.push(broken.to_owned());
    }
    for request in &requests {
        stranger.send(request.as_bytes());
        let answers = stranger.drain(Duration::from_millis(40));
        assert!(answers.len() <= 1, "{} answers to {request:?}", answers.len());
        let size = answers.first().map_or(0, Vec::len);
        assert!(2 * size <= 3 * request.len(), "{size} octets for {}: {request:?}", request.len());
    }
    let burst: Vec<_> = (0..100).map(|n| requests[n % requests.len()].clone()).collect();
    let sent: usize = burst.iter().map(String::len).sum();
    for request in &burst {
        stranger.send(request.as_bytes());
    }
    // Long enough for Timer G and Timer A: nothing is ever repeated.
    let answers = stranger.drain(Duration::from_millis(1200));
    let got: usize = answers.iter().map(Vec::len).sum();
    assert!(answers.len() <= 20 && got <= sent, "{} answers, {got} octets for {sent}", answers.len());
    guard.end(&[sign::STRANGER]);
}

/// Every request there is, whole, smallest and broken, one at a time, from a source of its own.
#[test]
fn n28_no_single_request_of_a_stranger_is_amplified() {
    let guard = Guard::on(Field::open("[sip.limits]\nrefusals_per_s = 100\n"));
    let uri = guard.field.uri(LINE);
    let (mut packets, mut most, mut table) = ((0, 0), 0, String::new());
    for (n, method) in METHODS.into_iter().chain(["ACK", "CANCEL"]).enumerate() {
        let sender = guard.field.sender(FLOODERS.start + u8::try_from(n).expect("few methods"));
        let plain = Words::new(method, &uri, sender.address);
        let mut inside = plain.clone();
        inside.to_tag = Some("x".to_owned());
        let smallest = format!(
            "{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK{}\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\n\
             i:{}\r\nCSeq:1 {method}\r\nMax-Forwards:1\r\nl:0\r\n\r\n",
            fresh(),
            fresh()
        );
        for request in [plain.text(), inside.text(), smallest, plain.text().replace("CSeq: 1", "CSeq: x")] {
            sender.send(request.as_bytes());
            let answers = sender.drain(Duration::from_millis(30));
            let octets: usize = answers.iter().map(Vec::len).sum();
            assert!(answers.len() <= 1, "{} answers to {request:?}", answers.len());
            assert!(2 * octets <= 3 * request.len(), "{octets} octets for {}", request.len());
            assert!(answers.iter().all(|answer| status_in(answer) == 403), "{request:?}");
            packets = (packets.0 + 1, packets.1 + answers.len());
            most = most.max(100 * octets / request.len());
            table += &format!("{method} {} {octets}\n", request.len());
        }
    }
    assert!(packets.1 <= packets.0 && packets.1 > 0 && most <= 150, "{packets:?}, {most} %\n{table}");
    guard.end(&[sign::STRANGER]);
}

#[test]
fn n40_invites_that_are_never_acknowledged_are_bounded() {
    let limits = "[sip.limits]\ntransactions = 2000\n";
    let field = Field::open(limits);
    let mut guard = Guard::on(field);
    let before_kib = guard.field.memory_kib();
    let stranger = guard.field.sender(STRANGER);
    for _ in 0..20_000 {
        stranger.send(Words::new("INVITE", &guard.field.uri(LINE), stranger.address).text().as_bytes());
    }
    guard.field.assert_answers_options("20,000 INVITEs of a stranger");
    let field = &mut guard.field;
    field.control_call();
    let grown = field.memory_kib().saturating_sub(before_kib);
    assert!(grown <= GROWTH_KIB, "INVITEs of a stranger cost {grown} KiB");
    // A peer fills the table with INVITEs that are refused (416) and never acknowledged.
    let sender = field.sender(host::TRUNK);
    let flood = |count: usize| {
        let mut answers = Vec::new();
        for n in 0..count {
            sender.send(Words::new("INVITE", "urn:nothing", sender.address).text().as_bytes());
            if n % 50 == 49 {
                answers.extend(sender.drain(Duration::from_millis(1)));
            }
        }
        answers.extend(sender.drain(Duration::from_millis(50)));
        answers.iter().map(|answer| status_in(answer)).max().unwrap_or(0)
    };
    flood(2_500);
    let full_kib = field.memory_kib();
    assert_eq!(flood(2_500), 503, "the table is not bounded");
    let grown = field.memory_kib().saturating_sub(full_kib);
    assert!(grown <= GROWTH_KIB, "a full table grew by {grown} KiB");
    let other = field.sender(host::PBX);
    let urgent = Words::new("INVITE", &field.uri("119"), other.address);
    assert_eq!(other.status(&urgent.text()), 200, "an emergency call in a full table");
    assert!(field.site.server().ended().is_none());
    guard.assert_signs(&[sign::STRANGER, sign::INVALID, sign::OVERLOAD]);
    guard.assert_log();
}

#[test]
fn n40_a_full_table_of_one_peer_leaves_others_unaffected() {
    let guard = Guard::on(Field::open("[sip.limits]\ntransactions = 2000\n"));
    let flooder = guard.field.sender(host::PBX);
    for n in 0..3_000 {
        flooder.send(Words::new("INVITE", "urn:nothing", flooder.address).text().as_bytes());
        if n % 50 == 49 {
            flooder.drain(Duration::from_millis(1));
        }
    }
    guard.end(&[sign::OVERLOAD]);
}

#[test]
fn n42_a_flood_of_bad_messages_is_a_hundred_lines_a_second_and_a_summary() {
    let mut guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let before = guard.field.site.server().output().len();
    let begun = Instant::now();
    for n in 0..20_000_u32 {
        sender.send(format!("INVITE sip:a SIP/2.0\r\nVia: \u{7}{n}\r\n\r\n").as_bytes());
        if n % 100 == 99 {
            sender.drain(Duration::from_millis(1));
        }
    }
    let took = begun.elapsed();
    let refused = sign::MALFORMED.figure;
    poll(PATIENCE, || (Figures::of(&guard.field).of_name(refused) >= 10_000.0).then_some(()));
    guard.assert_signs(&[sign::MALFORMED, sign::HELD_BACK]);
    let log = guard.field.site.server().output();
    let mut lines: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in log[before..].lines() {
        let field = |name: &str| {
            let start = line.find(&format!("\"{name}\":\""))? + name.len() + 4;
            line[start..].split('"').next()
        };
        let second = field("time").map(|time| &time[..19]).expect("each line has a time");
        *lines.entry((second, field("message").unwrap_or_default())).or_default() += 1;
    }
    let most = lines.iter().max_by_key(|(_, count)| **count).expect("there are lines");
    assert!(*most.1 <= 100, "{most:?}");
    assert!(lines.keys().any(|(_, message)| message.contains("held back")), "{lines:?}");
    // A datagram in ten may be lost in a full buffer; more would be no flood.
    assert!(took < Duration::from_secs(60), "{took:?}");
    guard.end(&[]);
}
