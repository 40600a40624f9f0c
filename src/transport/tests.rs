//! RFC 3261 §18 with real sockets on the loopback. Time limits are bounds of failure, never waits.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::*;

const TOO_LONG: Duration = Duration::from_secs(10);

pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async { timeout(TOO_LONG, test).await.expect("the test hangs") });
}

fn bound(settings: &TransportSettings) -> Transports {
    let listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"].map(|text| text.parse().expect("an address"));
    let transports = Transports::bind(&listen, settings, None).expect("free ports");
    transports.allow(Box::new(|_| true));
    transports
}

fn udp_of(transports: &Transports) -> SocketAddr {
    transports.listening()[0].address
}

fn tcp_of(transports: &Transports) -> SocketAddr {
    transports.listening()[1].address
}

pub(super) fn request(name: &str) -> Bytes {
    Bytes::from(format!("OPTIONS sip:{name} SIP/2.0\r\nCall-ID: {name}\r\nContent-Length: 0\r\n\r\n"))
}

pub(super) fn to(protocol: Protocol, remote: SocketAddr, bytes: Bytes, token: u64) -> Outgoing {
    let (local, connection, server_name) = (None, None, None);
    let otherwise = None;
    Outgoing { protocol, local, remote, connection, otherwise, server_name, bytes, token: Some(token) }
}

pub(super) async fn message(transports: &mut Transports) -> (Flow, Bytes) {
    let arrival = transports.next().await;
    let Arrival::Message { flow, bytes } = arrival else {
        panic!("a message was expected, not {arrival:?}");
    };
    (flow, bytes)
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    // A reset ends it as well.
    let _ = stream.read_to_end(&mut octets).await;
    octets
}

/// Runs the driver's side until `done` holds.
pub(super) async fn until(transports: &mut Transports, done: impl Fn(&Gauges) -> bool) {
    while !done(&transports.gauges()) {
        let _ = timeout(Duration::from_millis(5), transports.next()).await;
    }
}

#[test]
fn a_datagram_comes_with_its_flow_and_is_answered_along_it() {
    run(async {
        let settings = TransportSettings::default();
        let (mut caller, mut callee) = (bound(&settings), bound(&settings));
        caller.send(to(Protocol::Udp, udp_of(&callee), request("a"), 1));
        let (flow, bytes) = message(&mut callee).await;
        assert_eq!(bytes, request("a"));
        let expected = Flow {
            protocol: Protocol::Udp,
            local: udp_of(&callee),
            remote: udp_of(&caller),
            connection: None,
            certificate: None,
        };
        assert_eq!(flow, expected);
        callee.send(Outgoing::back(&flow, request("b"), None));
        assert_eq!(message(&mut caller).await.1, request("b"));
        assert_eq!((callee.gauges().received, callee.gauges().sent), (1, 1));
    });
}

#[test]
fn datagrams_go_together_in_their_order_and_one_that_cannot_go_holds_up_none() {
    run(async {
        let settings = TransportSettings { message_bytes: 100_000, ..Default::default() };
        let (mut caller, mut callee) = (bound(&settings), bound(&settings));
        let names: Vec<String> = (0..20).map(|number| format!("a{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            if number == 3 {
                let large = Bytes::from(vec![b'x'; 65_508]);
                caller.put(to(Protocol::Udp, udp_of(&callee), large, 7));
            }
            caller.put(to(Protocol::Udp, udp_of(&callee), request(name), 1));
        }
        caller.flush();
        for name in &names {
            assert_eq!(message(&mut callee).await.1, request(name));
        }
        let Arrival::SendFailed { token: 7, why: SendFailure::TooLarge, .. } = caller.next().await else {
            panic!("the large one must have failed");
        };
        assert_eq!(
            (caller.gauges().sent, caller.gauges().send_failed, callee.gauges().received),
            (20, 1, 20)
        );
    });
}

/// A hundred datagrams of one length, with others between; what arrives of each length, in its order, and how
/// many went as one.
async fn burst(caller: &mut Transports, callee: &mut Transports) -> (Vec<Bytes>, Vec<Bytes>, u64) {
    let before = caller.gauges();
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for number in 100..150 {
        for name in [format!("{number}"), format!("longer.{number}")] {
            caller.put(to(Protocol::Udp, udp_of(callee), request(&name), 1));
        }
    }
    caller.flush();
    while short.len() + long.len() < 100 {
        let (_, bytes) = message(callee).await;
        if bytes.len() == request("100").len() { short.push(bytes) } else { long.push(bytes) }
    }
    let now = caller.gauges();
    assert_eq!((now.sent - before.sent, now.send_failed), (100, 0));
    (short, long, now.bundled - before.bundled)
}

#[test]
fn datagrams_of_one_length_go_as_one_and_arrive_each_by_itself() {
    run(async {
        let requests =
            |prefix: &str| (100..150).map(|number| request(&format!("{prefix}{number}"))).collect();
        let all: (Vec<_>, Vec<_>) = (requests(""), requests("longer."));
        let (mut caller, mut callee) =
            (bound(&TransportSettings::default()), bound(&TransportSettings::default()));
        let (short, long, bundled) = burst(&mut caller, &mut callee).await;
        assert_eq!((short, long), all);
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        assert_eq!(bundled > 80, super::batch::takes_bundles(&socket), "{bundled} of 100 went as one");
        caller.bundle(false);
        let (short, long, bundled) = burst(&mut caller, &mut callee).await;
        assert_eq!(((short, long), bundled), (all.clone(), 0), "told while it runs");
        caller = bound(&TransportSettings { udp_bundles: false, ..Default::default() });
        let (short, long, bundled) = burst(&mut caller, &mut callee).await;
        assert_eq!(((short, long), bundled), (all, 0), "told at the start");
    });
}

#[test]
fn a_bundle_that_the_kernel_refuses_is_tried_one_by_one_and_holds_up_none() {
    run(async {
        let mut caller = bound(&TransportSettings::default());
        let mut callee = bound(&TransportSettings::default());
        // No datagram goes to port 0, neither as one with others nor alone.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        for token in 1..=4 {
            caller.put(to(Protocol::Udp, nowhere, request("nobody"), token));
            caller.put(to(Protocol::Udp, udp_of(&callee), request("somebody"), 7));
        }
        caller.flush();
        for expected in 1..=4 {
            let Arrival::SendFailed { token, why: SendFailure::Refused, .. } = caller.next().await else {
                panic!("each must have failed by itself");
            };
            assert_eq!(token, expected);
            assert_eq!(message(&mut callee).await.1, request("somebody"));
        }
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let bundled = if super::batch::takes_bundles(&socket) { 4 } else { 0 };
        let now = caller.gauges();
        assert_eq!((now.sent, now.send_failed, now.bundled), (4, 4, bundled));
    });
}

#[test]
fn n37_n46_noise_is_dropped_and_counted_and_a_long_datagram_is_unusable() {
    run(async {
        let mut transports = bound(&TransportSettings { message_bytes: 100, ..Default::default() });
        let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        for noise in [&b""[..], b"\r\n\r\n", b"\x80\x00rtp", b"\x16\x03\x01", b"\x00\x01\x00\x00stun"] {
            peer.send_to(noise, udp_of(&transports)).await.expect("sent");
        }
        peer.send_to(&[b'x'; 5_000], udp_of(&transports)).await.expect("sent");
        peer.send_to(b"\r\nOPTIONS", udp_of(&transports)).await.expect("sent");
        let Arrival::Unusable { head, end_known: true, .. } = transports.next().await else {
            panic!("it must be unusable");
        };
        assert_eq!(head.len(), 101);
        assert_eq!(message(&mut transports).await.1, "OPTIONS");
        assert_eq!(transports.gauges().datagrams_dropped, 5);
    });
}

#[test]
fn a_refused_datagram_does_not_end_the_listener() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        let gone = UdpSocket::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        for _ in 0..3 {
            transports.send(to(Protocol::Udp, gone, request("a"), 1));
        }
        let peer = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        peer.send_to(&request("b"), udp_of(&transports)).await.expect("sent");
        assert_eq!(message(&mut transports).await.1, request("b"));
    });
}

#[test]
fn rfc3261_18_1_1_a_datagram_that_is_too_large_says_so() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        let remote = udp_of(&transports);
        transports.send(to(Protocol::Udp, remote, Bytes::from(vec![b'x'; 65_508]), 7));
        let failed =
            Arrival::SendFailed { token: 7, protocol: Protocol::Udp, remote, why: SendFailure::TooLarge };
        assert_eq!(transports.next().await, failed);
    });
}

#[test]
fn rfc3261_18_1_1_a_connection_is_made_on_demand_and_used_again_both_ways() {
    run(async {
        let settings = TransportSettings::default();
        let (mut caller, mut callee) = (bound(&settings), bound(&settings));
        for name in ["a", "b"] {
            caller.send(to(Protocol::Tcp, tcp_of(&callee), request(name), 1));
        }
        let (flow, bytes) = message(&mut callee).await;
        assert_eq!((bytes, flow.local), (request("a"), tcp_of(&callee)));
        assert_eq!(message(&mut callee).await, (flow, request("b")));
        callee.send(Outgoing::back(&flow, request("c"), None));
        let (back, bytes) = message(&mut caller).await;
        assert_eq!((bytes, back.remote, back.local), (request("c"), tcp_of(&callee), flow.remote));
        let stale =
            Outgoing { connection: Some(FlowId::new(0)), ..Outgoing::back(&flow, request("d"), None) };
        callee.send(stale);
        assert_eq!(message(&mut caller).await, (back, request("d")));
        assert_eq!((caller.gauges().outbound_connections, caller.gauges().inbound_connections), (1, 0));
        assert_eq!((callee.gauges().outbound_connections, callee.gauges().inbound_connections), (0, 1));
    });
}

#[test]
fn rfc3261_18_4_a_refused_connection_reports_every_message() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let remote = listener.local_addr().expect("bound");
        drop(listener);
        for token in [1, 2] {
            transports.send(to(Protocol::Tcp, remote, request("a"), token));
        }
        for token in [1, 2] {
            let why = SendFailure::ConnectFailed;
            let failed = Arrival::SendFailed { token, protocol: Protocol::Tcp, remote, why };
            assert_eq!(transports.next().await, failed);
        }
        assert_eq!(transports.gauges().outbound_connections, 0);
    });
}

#[test]
fn rfc3261_18_4_a_connection_that_is_not_answered_is_given_up() {
    run(async {
        let settings = TransportSettings { connect_timeout: Duration::from_millis(50), ..Default::default() };
        let mut transports = bound(&settings);
        // Nobody accepts, and the kernel holds only a few: then it answers no more.
        let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        full.listen(0).expect("listening");
        let remote = full.local_addr().ok().and_then(|address| address.as_socket()).expect("bound");
        let mut held = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(50), TcpStream::connect(remote)).await {
            held.push(connected);
        }
        transports.send(to(Protocol::Tcp, remote, request("a"), 1));
        let why = SendFailure::ConnectTimedOut;
        let failed = Arrival::SendFailed { token: 1, protocol: Protocol::Tcp, remote, why };
        assert_eq!(transports.next().await, failed);
        assert_eq!(transports.gauges().outbound_connections, 0);
    });
}

#[test]
fn n35_a_queue_that_does_not_move_is_closed_at_the_stuck_timeout() {
    run(async {
        let settings = TransportSettings {
            stuck_timeout: Duration::from_millis(100),
            outbox_bytes: 64 * 1024 * 1024,
            ..Default::default()
        };
        let mut transports = bound(&settings);
        let mut stuck = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        stuck.write_all(&request("stuck")).await.expect("written");
        let (flow, _) = message(&mut transports).await;
        let large = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
        transports.send(Outgoing::back(&flow, large, Some(1)));
        let (protocol, remote, why) = (Protocol::Tcp, flow.remote, SendFailure::ConnectionClosed);
        assert_eq!(transports.next().await, Arrival::SendFailed { token: 1, protocol, remote, why });
        // The kernel may see it first (TCP_USER_TIMEOUT) and say that the connection is broken.
        let arrival = transports.next().await;
        let expected =
            matches!(arrival, Arrival::Closed { why: CloseReason::Stuck | CloseReason::Broken, .. });
        assert!(expected, "{arrival:?}");
    });
}

#[test]
fn a_stranger_is_closed_at_once() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        transports.allow(Box::new(|_| false));
        let mut stranger = TcpStream::connect(tcp_of(&transports)).await.expect("the kernel accepts");
        let _ = stranger.write_all(&request("a")).await;
        assert_eq!(read_to_end(&mut stranger).await, b"");
        assert!(transports.try_next().is_none());
        assert_eq!(transports.gauges().strangers_refused, 1);
    });
}

#[test]
fn rfc5626_3_5_1_a_ping_is_answered_with_one_crlf() {
    run(async {
        let transports = bound(&TransportSettings::default());
        let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        peer.write_all(b"\r\n\r\n\r\n\r\n").await.expect("written");
        let mut pongs = [0; 4];
        peer.read_exact(&mut pongs).await.expect("answered");
        assert_eq!(&pongs, b"\r\n\r\n");
        assert_eq!(transports.gauges().pings_answered, 2);
    });
}

#[test]
fn n32_half_a_message_a_ping_alone_and_silence_are_closed_at_the_message_timeout() {
    run(async {
        let settings =
            TransportSettings { stream_message_timeout: Duration::from_millis(50), ..Default::default() };
        let mut transports = bound(&settings);
        let half_body = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 9\r\n\r\nhalf";
        for start in [&b"OPTIONS sip:a SIP/2.0\r\nTo:"[..], half_body, b"\r\n\r\n", b""] {
            let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
            peer.write_all(start).await.expect("written");
            let arrival = transports.next().await;
            let closed = matches!(arrival, Arrival::Closed { why: CloseReason::MessageTimeout, .. });
            assert!(closed, "{arrival:?}");
            read_to_end(&mut peer).await;
        }
        assert_eq!((transports.gauges().message_timeouts, transports.gauges().inbound_connections), (4, 0));
    });
}

#[test]
fn n32_a_connection_that_brought_a_message_may_be_silent_until_the_idle_timeout() {
    run(async {
        let settings = TransportSettings {
            stream_message_timeout: Duration::from_millis(300),
            idle_timeout: Duration::from_millis(500),
            ..Default::default()
        };
        let mut transports = bound(&settings);
        let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        peer.write_all(&request("a")).await.expect("written");
        let (flow, _) = message(&mut transports).await;
        assert_eq!(transports.next().await, Arrival::Closed { flow, why: CloseReason::Idle });
    });
}

#[test]
fn n45_an_ambiguous_length_is_answered_and_then_closed() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        let bad = "OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\nl: 0\r\n\r\n";
        peer.write_all(bad.as_bytes()).await.expect("written");
        peer.write_all(&request("hidden")).await.expect("written");
        let Arrival::Unusable { flow, head, end_known: false } = transports.next().await else {
            panic!("it must be unusable");
        };
        assert_eq!(head, bad);
        transports.send(Outgoing::back(&flow, Bytes::from_static(b"400"), None));
        transports.close(flow.connection.expect("a stream has one"));
        assert_eq!(read_to_end(&mut peer).await, b"400");
        assert_eq!(transports.next().await, Arrival::Closed { flow, why: CloseReason::Asked });
        assert!(transports.try_next().is_none(), "no second message is born");
    });
}

#[test]
fn n35_a_stuck_reader_is_closed_its_messages_reported_and_others_go_on() {
    run(async {
        let settings = TransportSettings { outbox_bytes: 100_000, ..Default::default() };
        let mut transports = bound(&settings);
        let mut stuck = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        stuck.write_all(&request("stuck")).await.expect("written");
        let (flow, _) = message(&mut transports).await;
        let mut reading = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        reading.write_all(&request("reading")).await.expect("written");
        let (other, _) = message(&mut transports).await;

        let large = Bytes::from(vec![b'x'; 50_000]);
        let mut token = 0;
        let mut failed = Vec::new();
        let why = loop {
            token += 1;
            transports.send(Outgoing::back(&flow, large.clone(), Some(token)));
            tokio::task::yield_now().await;
            match transports.try_next() {
                Some(Arrival::SendFailed { token, why, .. }) => failed.push((token, why)),
                Some(Arrival::Closed { flow: closed, why }) if closed == flow => break why,
                other => assert_eq!(other, None),
            }
        };
        assert_eq!(why, CloseReason::Stuck);
        assert!(failed.iter().any(|(_, why)| *why == SendFailure::QueueFull), "{failed:?}");
        assert!(failed.iter().any(|(_, why)| *why == SendFailure::ConnectionClosed), "{failed:?}");

        transports.send(Outgoing::back(&other, Bytes::from_static(b"fine"), Some(0)));
        let mut octets = [0; 4];
        reading.read_exact(&mut octets).await.expect("the other connection lives");
        assert_eq!((&octets, transports.gauges().stuck), (b"fine", 1));
    });
}

#[test]
fn n36_connections_that_are_reset_leave_nothing_behind() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        for cycle in 0..200 {
            let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
            peer.write_all(&request("a")).await.expect("written");
            if cycle % 2 == 0 {
                SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket option");
            }
        }
        until(&mut transports, |gauges| {
            gauges.received >= 100 && gauges.inbound_connections + gauges.waiting_arrivals == 0
        })
        .await;
    });
}

#[test]
fn n32_at_the_limit_the_oldest_connection_without_a_message_makes_room() {
    run(async {
        let mut transports = bound(&TransportSettings { connections_per_peer: 2, ..Default::default() });
        let address = tcp_of(&transports);
        let mut proven = TcpStream::connect(address).await.expect("connected");
        proven.write_all(&request("proven")).await.expect("written");
        let (proven_flow, _) = message(&mut transports).await;
        let mut silent = TcpStream::connect(address).await.expect("connected");
        until(&mut transports, |gauges| gauges.inbound_connections == 2).await;
        let mut new = TcpStream::connect(address).await.expect("connected");
        new.write_all(&request("new")).await.expect("written");
        assert_eq!(read_to_end(&mut silent).await, b"");
        until(&mut transports, |gauges| gauges.received == 2).await;
        assert_eq!(transports.gauges().connections_evicted, 1);

        let mut refused = TcpStream::connect(address).await.expect("the kernel accepts");
        assert_eq!(read_to_end(&mut refused).await, b"", "both have brought messages and stay");
        assert_eq!(transports.gauges().connections_refused, 1);
        transports.send(Outgoing::back(&proven_flow, Bytes::from_static(b"ok"), None));
        let mut octets = [0; 2];
        proven.read_exact(&mut octets).await.expect("it lives");
    });
}

#[test]
fn a_slow_driver_stops_the_reading_and_loses_nothing() {
    run(async {
        let settings = TransportSettings { arrivals: 2, ..Default::default() };
        let mut transports = bound(&settings);
        let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        let names: Vec<_> = (0..50).map(|number| number.to_string()).collect();
        let octets: Vec<u8> = names.iter().flat_map(|name| request(name).to_vec()).collect();
        peer.write_all(&octets).await.expect("written");
        until_full(&mut transports).await;
        for name in &names {
            assert!(transports.gauges().waiting_arrivals <= 2);
            assert_eq!(message(&mut transports).await.1, request(name));
        }
    });
}

async fn until_full(transports: &mut Transports) {
    while transports.gauges().waiting_arrivals < 2 {
        transports.ready().await;
        tokio::task::yield_now().await;
    }
}

#[test]
fn closing_writes_what_is_queued_first() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        peer.write_all(&request("a")).await.expect("written");
        let (flow, _) = message(&mut transports).await;
        let large = Bytes::from(vec![b'x'; 900_000]);
        transports.send(Outgoing::back(&flow, large, Some(1)));
        transports.close(flow.connection.expect("a stream has one"));
        assert_eq!(read_to_end(&mut peer).await.len(), 900_000);
        assert_eq!(transports.next().await, Arrival::Closed { flow, why: CloseReason::Asked });
    });
}

#[test]
fn an_address_that_cannot_be_listened_on_is_named() {
    run(async {
        let transports = bound(&TransportSettings::default());
        for taken in transports.listening() {
            let error = Transports::bind(&[*taken], &TransportSettings::default(), None).err();
            assert!(error.expect("taken").to_string().starts_with(&format!("cannot listen on {taken}: ")));
        }
        let tls: ListenAddress = "tls:127.0.0.1:0".parse().expect("an address");
        let error = Transports::bind(&[tls], &TransportSettings::default(), None).err();
        assert!(matches!(error, Some(BindError::NoCertificate(address)) if address == tls));
    });
}

#[test]
fn dropping_the_transports_closes_everything() {
    run(async {
        let mut transports = bound(&TransportSettings::default());
        let listening = transports.listening().to_vec();
        let mut peer = TcpStream::connect(tcp_of(&transports)).await.expect("connected");
        peer.write_all(&request("a")).await.expect("written");
        message(&mut transports).await;
        drop(transports);
        assert_eq!(read_to_end(&mut peer).await, b"");
        Transports::bind(&listening, &TransportSettings::default(), None).expect("the ports are free again");
    });
}
