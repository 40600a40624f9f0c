//! RFC 5626 §3.5.1 and §4.4.1 with real sockets: pings of ours, and IPv6. Time limits are bounds of failure.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::tests::{message, request, run, to, until};
use super::*;

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

fn settings(keep_alive_ms: u64) -> TransportSettings {
    TransportSettings {
        keep_alive: Duration::from_millis(keep_alive_ms),
        pong_timeout: Duration::from_millis(200),
        ..Default::default()
    }
}

/// A node, and the other side of a connection that it has made and sent `a` on.
async fn connected(settings: &TransportSettings) -> (Transports, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut transports = Transports::bind(&[], settings, None).expect("nothing to bind");
    transports.send(to(Protocol::Tcp, address, request("a"), 1));
    let (mut peer, _) = listener.accept().await.expect("connected");
    expect(&mut peer, &request("a")).await;
    (transports, peer, address)
}

async fn expect(peer: &mut TcpStream, octets: &[u8]) {
    let mut read = vec![0; octets.len()];
    peer.read_exact(&mut read).await.expect("it came");
    assert_eq!(read, octets);
}

#[test]
fn t6_a_silent_connection_of_ours_is_pinged_and_ends_when_a_ping_is_no_more_answered() {
    run(async {
        let (mut transports, mut peer, _) = connected(&settings(50)).await;
        for _ in 0..3 {
            expect(&mut peer, PING).await;
            peer.write_all(PONG).await.expect("written");
        }
        expect(&mut peer, PING).await;
        let Arrival::Closed { why: CloseReason::NoPong, .. } = transports.next().await else {
            panic!("the half-open connection is found out");
        };
        let gauges = transports.gauges();
        assert_eq!((gauges.pings_sent, gauges.pings_unanswered, gauges.outbound_connections), (4, 1, 0));
    });
}

#[test]
fn t6_who_does_not_know_pings_is_not_cut_off() {
    run(async {
        let (mut transports, mut peer, address) = connected(&settings(50)).await;
        for _ in 0..6 {
            expect(&mut peer, PING).await;
        }
        transports.send(to(Protocol::Tcp, address, request("b"), 2));
        expect(&mut peer, &request("b")).await;
        assert_eq!(transports.gauges().pings_unanswered, 0);
    });
}

#[test]
fn t6_pings_keep_nothing_open_that_nobody_uses() {
    run(async {
        let settings = TransportSettings { idle_timeout: Duration::from_millis(400), ..settings(50) };
        let (mut transports, mut peer, _) = connected(&settings).await;
        let answering = async {
            while peer.read_exact(&mut [0; 4]).await.is_ok() {
                let _ = peer.write_all(PONG).await;
            }
        };
        let (arrival, ()) = tokio::join!(transports.next(), answering);
        assert!(matches!(arrival, Arrival::Closed { why: CloseReason::Idle, .. }), "{arrival:?}");
    });
}

#[test]
fn t6_nobody_is_pinged_who_connected_to_us_or_when_it_is_off() {
    run(async {
        let settings = settings(30);
        let listen = ["tcp:127.0.0.1:0".parse().expect("an address")];
        let mut transports = Transports::bind(&listen, &settings, None).expect("a free port");
        transports.allow(Box::new(|_| true));
        let mut peer = TcpStream::connect(transports.listening()[0].address).await.expect("connected");
        peer.write_all(&request("a")).await.expect("written");
        message(&mut transports).await;
        let (silent, mut other, _) =
            connected(&TransportSettings { keep_alive: Duration::ZERO, ..settings }).await;
        for peer in [&mut peer, &mut other] {
            let quiet = tokio::time::timeout(Duration::from_millis(200), peer.read(&mut [0; 1])).await;
            assert!(quiet.is_err(), "{quiet:?}");
        }
        assert_eq!((transports.gauges().pings_sent, silent.gauges().pings_sent), (0, 0));
    });
}

#[test]
fn rfc3261_18_2_2_an_answer_whose_connection_is_gone_takes_one_of_its_own() {
    run(async {
        let listen = ["tcp:127.0.0.1:0".parse().expect("an address")];
        let mut transports = Transports::bind(&listen, &TransportSettings::default(), None).expect("a port");
        transports.allow(Box::new(|_| true));
        let mut caller = TcpStream::connect(transports.listening()[0].address).await.expect("connected");
        caller.write_all(&request("a")).await.expect("written");
        let (flow, _) = message(&mut transports).await;
        drop(caller);
        assert!(matches!(transports.next().await, Arrival::Closed { .. }));
        let sent_by = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let otherwise = sent_by.local_addr().ok();
        transports.send(Outgoing { otherwise, ..Outgoing::back(&flow, request("b"), None) });
        let (mut again, _) = sent_by.accept().await.expect("connected");
        expect(&mut again, &request("b")).await;
    });
}

#[test]
fn both_families_are_spoken_side_by_side() {
    run(async {
        let listen = ["udp:[::1]:0", "tcp:[::1]:0", "udp:127.0.0.1:0"];
        let listen = listen.map(|text| text.parse().expect("an address"));
        let mut here = Transports::bind(&listen, &TransportSettings::default(), None).expect("free ports");
        let mut there = Transports::bind(&listen, &TransportSettings::default(), None).expect("free ports");
        there.allow(Box::new(|address| address == std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST)));
        for address in there.listening().to_vec() {
            let octets: Bytes = request(&address.to_string());
            here.send(to(address.protocol, address.address, octets.clone(), 1));
            let (flow, bytes) = message(&mut there).await;
            assert_eq!((flow.protocol, flow.local, &bytes), (address.protocol, address.address, &octets));
            assert_eq!(flow.remote.is_ipv6(), address.address.is_ipv6());
            there.send(Outgoing::back(&flow, octets.clone(), None));
            assert_eq!(message(&mut here).await.1, octets);
        }
        until(&mut here, |gauges| gauges.received == 3).await;
    });
}
