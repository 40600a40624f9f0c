//! TCP: slow, silent and broken connections.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::support::field::{Field, Manner, PATIENCE, STRANGER, Stream, Words, status_in};
use crate::support::guard::{Figures, Guard, sign};
use crate::support::log::poll;
use crate::support::net::host;
use crate::support::site::Site;
use crate::support::turn::turn;
use crate::{OUTSIDE, add_peer};

/// The first host of slow peers; below 256 connections from each.
const SLOW: u8 = 128;
/// As in the table.
const CONNECTIONS: usize = 2_000;
const OF_EACH_HOST: usize = 250;
/// The limit of the server in this test, so that it does not take ten seconds.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(4);
/// How soon a new connection of somebody honest is answered (N32).
const PROMPT: Duration = Duration::from_millis(200);
/// Timers H and J have ended by then (64 × T1), with time to spare for a busy machine.
const TRANSACTIONS_ENDED: Duration = Duration::from_secs(60);
/// Broken connections of N36, and those before them that fill the database's caches.
const CYCLES: usize = 1_000;
const WARMING: usize = 200;

fn slow_peers(site: &Site) {
    add_peer(site, "slow", &format!("{}/25", site.net.ip(SLOW)));
}

/// The beginning of a message, as each kind of slow sender leaves it.
fn beginning(kind: usize, to: SocketAddr, from: IpAddr) -> String {
    let mut words = Words::new("OPTIONS", &format!("sip:{to}"), SocketAddr::new(from, 5060));
    "TCP".clone_into(&mut words.protocol);
    "0123456789".clone_into(&mut words.body);
    let text = words.text();
    match kind % 4 {
        0 => text[..1].to_owned(),
        1 => text[..text.len() / 2].to_owned(),
        2 => text[..text.len() - 5].to_owned(),
        _ => "\r\n".to_owned(),
    }
}

/// An honest OPTIONS over a new connection; how long until its 200.
fn honest(guard: &Guard) -> Duration {
    let (source, to) = (guard.field.site.net.ip(host::TRUNK), guard.field.site.sip());
    let begun = Instant::now();
    let mut stream = Stream::connect(source, to).expect("a peer may connect");
    let mut words = Words::new("OPTIONS", &format!("sip:{to}"), SocketAddr::new(source, 5060));
    "TCP".clone_into(&mut words.protocol);
    stream.send(words.text().as_bytes());
    let answered = loop {
        let came = stream.poll();
        if came.iter().any(|answer| status_in(answer) == 200) {
            break true;
        }
        if stream.ended || begun.elapsed() > PATIENCE {
            break false;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    };
    assert!(answered, "an honest connection was not answered");
    begun.elapsed()
}

#[test]
fn n32_two_thousand_slow_connections_are_closed_in_time_and_hold_up_nobody() {
    let _turn = turn();
    let limits = format!("[sip.limits]\nstream_message_timeout_s = {}\n", MESSAGE_TIMEOUT.as_secs());
    let guard = Guard::on(Field::with(&limits, slow_peers, Manner::Answer));
    let to = guard.field.site.sip();
    let begun = Instant::now();
    let mut streams = Vec::new();
    for n in 0..CONNECTIONS {
        let host = SLOW + u8::try_from(n / OF_EACH_HOST).expect("eight hosts");
        let source = guard.field.site.net.ip(host);
        let mut stream = Stream::connect(source, to).expect("there is room for 2,000");
        stream.send(beginning(n, to, source).as_bytes());
        streams.push(stream);
    }
    let opened = begun.elapsed();
    let mut honest_times = Vec::new();
    let mut drips = 0;
    let end = Instant::now() + MESSAGE_TIMEOUT + PATIENCE;
    loop {
        honest_times.push(honest(&guard));
        // One octet a round, which never makes a message: an unfinished word of a header, or of a body.
        for (n, stream) in streams.iter_mut().enumerate().filter(|(_, stream)| !stream.ended) {
            if n % 4 != 2 || drips < 4 {
                stream.send(if n % 4 == 3 { b"\r\n" } else { b"x" });
            }
            stream.poll();
        }
        drips += 1;
        let open = streams.iter().filter(|stream| !stream.ended).count();
        if open == 0 {
            break;
        }
        assert!(Instant::now() < end, "{open} slow connections are still open (opened in {opened:?})");
        std::thread::park_timeout(Duration::from_millis(300));
    }
    honest_times.sort_unstable();
    let median = honest_times[honest_times.len() / 2];
    assert!(median <= PROMPT, "honest connections took {honest_times:?}");
    drop(streams);
    guard.end(&[sign::LATE]);
}

#[test]
fn n32_a_full_house_of_silent_connections_makes_room_for_an_honest_one() {
    let guard = Guard::on(Field::with("[sip.limits]\nconnections = 300\n", slow_peers, Manner::Answer));
    let to = guard.field.site.sip();
    let open = |host: u8| Stream::connect(guard.field.site.net.ip(host), to);
    let mut streams: Vec<_> =
        (0..4).cycle().take(400).map(|n| open(SLOW + n).expect("the kernel takes it")).collect();
    for _ in 0..5 {
        honest(&guard);
    }
    // Those of a stranger do not even get that far.
    let mut strange = open(STRANGER).expect("the kernel takes it");
    strange.wait_end(PATIENCE);
    assert!(strange.ended);
    let closed = poll(PATIENCE, || {
        streams.iter_mut().for_each(|stream| drop(stream.poll()));
        let open = streams.iter().filter(|stream| !stream.ended).count();
        (open <= 300).then_some(())
    });
    assert!(closed.is_some(), "the limit of connections is not kept");
    guard.end(&[sign::EVICTED, sign::STRANGE_CONNECTION]);
}

/// Begins a call over a connection of its own and resets the connection; each third time in the middle of the
/// message.
fn break_off(uri: &str, n: usize, source: IpAddr, to: SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::new(source, 0).into()).expect("the test's own network is free");
    socket.connect(&to.into()).expect("a peer may connect");
    let local = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    let mut words = Words::new("INVITE", uri, local);
    "TCP".clone_into(&mut words.protocol);
    let text = words.text();
    let length = if n.is_multiple_of(3) { text.len() / 2 } else { text.len() };
    socket.send(&text.as_bytes()[..length]).expect("the kernel takes it");
    // Zero seconds of lingering: the kernel sends RST.
    socket.set_linger(Some(Duration::ZERO)).expect("Linux lingers");
}

/// The pattern of CVE-2018-7286: an INVITE over TCP, and the connection is gone before its answer.
#[test]
fn n36_a_thousand_invites_whose_connection_is_reset_leave_nothing_behind() {
    let mut guard = Guard::on(Field::with("", |_| {}, Manner::Refuse("486 Busy Here")));
    let (source, to) = (guard.field.site.net.ip(host::TRUNK), guard.field.site.sip());
    for n in 0..WARMING {
        break_off(&guard.field.uri(OUTSIDE), n, source, to);
    }
    guard.field.control_call();
    guard.settle();
    for n in 0..CYCLES {
        break_off(&guard.field.uri(OUTSIDE), n, source, to);
    }
    guard.assert_signs(&[sign::RESET]);
    let gauges = [
        "toritsugi_connections{direction=\"in\"}",
        "toritsugi_connections{direction=\"out\"}",
        "toritsugi_live_calls",
        "toritsugi_live_offers",
        "toritsugi_transactions",
    ];
    let left = || {
        let figures = Figures::of(&guard.field);
        gauges.map(|gauge| figures.of_name(gauge))
    };
    let empty = poll(TRANSACTIONS_ENDED, || (left() == [0.0; 5]).then_some(()));
    assert!(empty.is_some(), "left over: {gauges:?} {:?}", left());
    guard.end(&[]);
}
