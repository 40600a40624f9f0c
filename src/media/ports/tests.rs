//! The ports with real sockets on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::*;
use crate::media::{
    Announcement, Digit, FRAME, Language, Learning, Listener, MediaFault, MediaOrder, Packet, StreamId, Tune,
    melody, write_header,
};
use crate::sdp::Codec;

/// Longer than anything takes; nothing waits for it to pass.
const SOON: Duration = Duration::from_secs(20);
const DIGITS: u8 = 101;

/// An address of loopback that no other test has, so that all its ports are free.
fn own_address() -> IpAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [low, high, ..] = std::process::id().to_le_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 200 + high % 50, low, NEXT.fetch_add(1, Ordering::Relaxed)))
}

struct House {
    address: IpAddr,
    started: Started,
    next: u64,
}

impl House {
    fn open(ports: RangeInclusive<u16>, streams: usize) -> Self {
        Self::with(own_address(), ports, streams)
    }

    fn with(address: IpAddr, ports: RangeInclusive<u16>, streams: usize) -> Self {
        let both = Some(MediaAddress { bind: address, told: address });
        let settings = MediaSettings {
            ipv4: both.filter(|_| address.is_ipv4()),
            ipv6: both.filter(|_| address.is_ipv6()),
            ports,
            streams,
        };
        let started = start(settings, Arc::default()).unwrap();
        Self { address, started, next: 0 }
    }

    fn order(&mut self, order: MediaOrder) {
        assert_eq!(self.started.handle.order(order), None, "the queue is not full");
    }

    fn report(&mut self) -> MediaReport {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            if let Ok(report) = self.started.reports.try_recv() {
                return report;
            }
            assert!(std::time::Instant::now() < deadline, "no report");
            std::thread::yield_now();
        }
    }

    fn ask(&mut self, ipv6: bool) -> (StreamId, MediaReport) {
        self.next += 1;
        let stream = StreamId(self.next);
        self.order(MediaOrder::Open { stream, ipv6 });
        (stream, self.report())
    }

    fn stream(&mut self) -> (StreamId, SocketAddr) {
        match self.ask(self.address.is_ipv6()) {
            (stream, MediaReport::Opened { stream: opened, local }) if stream == opened => (stream, local),
            (_, other) => panic!("{other:?}"),
        }
    }

    fn caller(&self) -> Caller {
        let socket = UdpSocket::bind((self.address, 0)).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Caller { address: socket.local_addr().unwrap(), socket }
    }

    fn play(&mut self, stream: StreamId, remote: SocketAddr, learning: Learning) {
        let listener = Listener {
            codec: Codec::Pcmu,
            payload_type: 0,
            digits: Some(DIGITS),
            remote,
            learning,
            language: Language::En,
        };
        self.order(MediaOrder::Play { stream, listener });
    }

    fn pressed(&mut self) -> Digit {
        match self.report() {
            MediaReport::Pressed { digit, .. } => digit,
            other @ (MediaReport::Opened { .. } | MediaReport::Refused { .. } | MediaReport::Said { .. }) => {
                panic!("{other:?}")
            }
        }
    }
}

struct Caller {
    socket: UdpSocket,
    address: SocketAddr,
}

/// One packet as it was received.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    from: SocketAddr,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    marker: bool,
    payload: Vec<u8>,
}

impl Caller {
    fn hear(&self) -> Heard {
        let mut buffer = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a packet comes");
        let packet = Packet::read(&buffer[..length]).expect("it is RTP");
        assert_eq!((length, packet.payload.len()), (172, FRAME));
        let Packet { sequence, timestamp, ssrc, marker, .. } = packet;
        Heard { from, sequence, timestamp, ssrc, marker, payload: packet.payload.to_vec() }
    }

    fn hears(&self, packets: usize) -> Vec<Heard> {
        (0..packets).map(|_| self.hear()).collect()
    }

    fn press(&self, to: SocketAddr, digit: u8, timestamp: u32) {
        let mut packet = Vec::new();
        write_header(&mut packet, DIGITS, true, 1, timestamp, 7);
        packet.extend_from_slice(&[digit, 10, 0, 160]);
        self.socket.send_to(&packet, to).unwrap();
    }

    fn heard_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        self.socket.recv_from(&mut [0; 2048]).is_err()
    }
}

/// The numbers of a stream go on from packet to packet; where it was late, by whole packets of time.
fn assert_continuous(heard: &[Heard]) {
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let elapsed = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(elapsed > 0 && elapsed.is_multiple_of(160), "{elapsed}");
        assert!(elapsed == 160 || pair[1].marker, "a gap is told by the marker");
        assert_eq!((pair[1].ssrc, pair[1].from), (pair[0].ssrc, pair[0].from));
    }
}

#[test]
fn what_is_played_is_the_melody_from_its_beginning() {
    let mut house = House::open(20_000..=20_001, 1);
    let (stream, local) = house.stream();
    assert_eq!(local, SocketAddr::new(house.address, 20_000));
    let caller = house.caller();
    house.play(stream, caller.address, Learning::Never);
    let heard = caller.hears(25);
    assert!(heard[0].marker && heard[0].from == local, "it comes from the port that was told");
    assert_continuous(&heard);
    let melody = Tune::new(&melody());
    for (at, packet) in heard.iter().enumerate() {
        assert!(packet.payload == melody.frame(Codec::Pcmu, at as u64), "packet {at}");
        assert!(packet.payload.iter().any(|octet| *octet != packet.payload[0]), "packet {at} is silence");
    }
}

#[test]
fn one_stream_goes_on_through_announcements_new_descriptions_and_new_music() {
    let mut house = House::open(20_000..=20_099, 5);
    let (stream, _) = house.stream();
    let caller = house.caller();
    house.play(stream, caller.address, Learning::Never);
    let mut heard = caller.hears(3);
    house.order(MediaOrder::Announce { stream, what: Announcement::PleaseHold });
    let chime = Tune::new(&crate::media::chime());
    let chimes = |packet: &Heard| packet.payload == chime.frame(Codec::Pcmu, 0);
    while !heard.last().is_some_and(chimes) {
        heard.push(caller.hear());
        assert!(heard.len() < 500, "the announcement does not come");
    }
    let before = heard.len() - 1;
    // The same description again, as a 200 after a 183 has it: nothing changes for the listener.
    house.play(stream, caller.address, Learning::Never);
    let rest = usize::try_from(chime.frames()).unwrap() - 1;
    heard.extend(caller.hears(rest + 1));
    let music = Tune::new(&melody());
    let after = music.frame(Codec::Pcmu, before as u64);
    assert!(heard.last().is_some_and(|packet| packet.payload == after), "the music goes on where it was");
    let louder = Arc::new(Tune::new(&[9000; FRAME]));
    let library = Library { music: Arc::clone(&louder), ..Library::default() };
    assert!(house.started.control.change(Arc::new(library)));
    while heard.last().is_some_and(|packet| packet.payload != louder.frame(Codec::Pcmu, 0)) {
        heard.push(caller.hear());
        assert!(heard.len() < 1000, "the new music does not come");
    }
    assert_continuous(&heard);
    // Another place, the same stream.
    let other = house.caller();
    house.play(stream, other.address, Learning::Never);
    let moved = other.hears(3);
    assert_continuous(&moved);
    assert_eq!((moved[0].ssrc, moved[0].from), (heard[0].ssrc, heard[0].from));
    let since = moved[0].sequence.wrapping_sub(heard.last().expect("some").sequence);
    assert!((1..500).contains(&since), "the numbers go on: {since}");
}

#[test]
fn a_callback_that_is_noted_is_said_at_once_and_its_end_is_reported() {
    let mut house = House::open(20_000..=20_099, 5);
    let (stream, _) = house.stream();
    let caller = house.caller();
    house.play(stream, caller.address, Learning::Never);
    caller.hears(2);
    for what in [Announcement::PleaseHold, Announcement::CallbackNoted] {
        house.order(MediaOrder::Announce { stream, what });
    }
    let chime = Tune::new(&crate::media::chime());
    let whole = usize::try_from(chime.frames()).unwrap();
    assert_eq!(house.report(), MediaReport::Said { stream });
    assert!(house.started.reports.try_recv().is_err(), "told once");
    let said = caller.hears(whole).into_iter().filter(|it| it.payload == chime.frame(Codec::Pcmu, 1)).count();
    assert!(said >= 1, "it was heard");
}

#[test]
fn n49_who_is_not_described_is_neither_heard_nor_sent_to() {
    let mut house = House::open(20_000..=20_099, 5);
    let (stream, local) = house.stream();
    let (caller, stranger) = (house.caller(), house.caller());
    // Before anything is agreed even the caller is nobody yet.
    (0..100).for_each(|at| stranger.press(local, 1, at));
    caller.press(local, 2, 5);
    house.play(stream, caller.address, Learning::Never);
    caller.hears(2);
    for at in 0..1_000 {
        stranger.press(local, 3, 1_000 + at);
        if at % 100 == 0 {
            caller.hear();
        }
    }
    caller.press(local, 4, 9_000);
    assert_eq!(house.pressed(), Digit::Number(4), "nobody else's key was heard");
    assert_continuous(&caller.hears(10));
    assert!(stranger.heard_nothing());
}

#[test]
fn n49_behind_nat_the_first_who_sends_is_learned_and_no_other() {
    let mut house = House::open(20_000..=20_099, 5);
    let (stream, local) = house.stream();
    let (described, caller, stranger) = (house.caller(), house.caller(), house.caller());
    house.play(stream, described.address, Learning::Once);
    described.hear();
    (0..3).for_each(|at| caller.press(local, 5, 1_000 * at));
    for _ in 0..3 {
        assert_eq!(house.pressed(), Digit::Number(5));
    }
    (0..100).for_each(|at| stranger.press(local, 6, 50_000 + at));
    let heard = caller.hears(10);
    assert_continuous(&heard);
    assert_eq!(heard[0].from, local);
    let mut at = 100_000;
    // The stranger may have filled the socket: a key is pressed until it is heard.
    let digit = loop {
        caller.press(local, 7, at);
        at += 1_000;
        caller.hears(4);
        if let Ok(MediaReport::Pressed { digit, .. }) = house.started.reports.try_recv() {
            break digit;
        }
    };
    assert_eq!(digit, Digit::Number(7));
    assert!(stranger.heard_nothing());
}

#[test]
fn n50_garbage_ends_nothing() {
    let mut house = House::open(20_000..=20_099, 5);
    let (stream, local) = house.stream();
    let caller = house.caller();
    house.play(stream, caller.address, Learning::Never);
    let mut heard = caller.hears(2);
    let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let dtls = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5];
    let rtcp_bye = [0x81, 203, 0, 1, 0, 0, 0, 7];
    let of_no_kind = [0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 9, 9];
    let lies = [0x9f, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff];
    let long = [0xff; 9_000];
    for _ in 0..5 {
        for bytes in [&[][..], &stun, &dtls, &rtcp_bye, &of_no_kind, &lies, &long] {
            caller.socket.send_to(bytes, local).unwrap();
        }
        heard.extend(caller.hears(4));
    }
    caller.press(local, 11, 3);
    heard.extend(caller.hears(10));
    assert_eq!(house.pressed(), Digit::Pound);
    assert_continuous(&heard);
}

#[test]
fn every_limit_has_its_answer() {
    let mut house = House::open(20_000..=20_005, 9);
    let streams: Vec<StreamId> = (0..3).map(|_| house.stream().0).collect();
    let refused = |(stream, report), why| assert_eq!(report, MediaReport::Refused { stream, why });
    refused(house.ask(false), MediaFault::NoPort);
    refused(house.ask(true), MediaFault::NoAddress);
    house.order(MediaOrder::Close { stream: streams[1] });
    assert_eq!(house.stream().1.port(), 20_002);
    let mut few = House::open(20_000..=29_999, 2);
    let (first, _) = few.stream();
    few.stream();
    refused(few.ask(false), MediaFault::TooMany);
    few.order(MediaOrder::Close { stream: first });
    few.order(MediaOrder::Close { stream: first });
    let caller = few.caller();
    few.play(first, caller.address, Learning::Never);
    let (_, local) = few.stream();
    assert_eq!(local.port(), 20_004, "a port that was free only now is not given at once");
    assert!(caller.heard_nothing(), "what is closed is not played");
}

#[test]
fn callers_over_ipv6_have_their_own_address() {
    let Ok(probe) = UdpSocket::bind("[::1]:0") else { return };
    let base = probe.local_addr().unwrap().port() & 0xfffe;
    let mut house = House::with("::1".parse().unwrap(), base.min(60_000)..=base.min(60_000) + 999, 5);
    let (stream, local) = house.stream();
    assert!(local.is_ipv6());
    let caller = house.caller();
    house.play(stream, caller.address, Learning::Never);
    let heard = caller.hears(5);
    assert_continuous(&heard);
    assert_eq!(heard[0].from, local);
    caller.press(local, 10, 1);
    assert_eq!(house.pressed(), Digit::Star);
}

#[test]
fn a_key_is_told_once_however_often_it_is_sent() {
    let mut house = House::open(20_000..=20_099, 5);
    let (stream, local) = house.stream();
    let caller = house.caller();
    house.play(stream, caller.address, Learning::Never);
    caller.hear();
    for (digit, timestamp) in [(1, 800), (1, 800), (1, 800), (2, 1_600), (1, 800), (2, 1_600), (3, 2_400)] {
        caller.press(local, digit, timestamp);
    }
    let told = [house.pressed(), house.pressed(), house.pressed()];
    assert_eq!(told, [Digit::Number(1), Digit::Number(2), Digit::Number(3)]);
}
