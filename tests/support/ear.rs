//! The sound of somebody whose signalling SIPp does: one RTP socket that notes what it hears, and speaks a
//! tone to where the description said.

use std::f64::consts::TAU;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use toritsugi::media::{FRAME, PACKET_EVERY, Packet, from_alaw, from_ulaw, ulaw, write_header};

use super::log::Log;
use super::wav::RATE_HZ;

/// One packet of sound.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Who sent it.
    pub from: SocketAddr,
    /// Its stream.
    pub ssrc: u32,
    /// Its number.
    pub sequence: u16,
    /// Its time, in samples.
    pub timestamp: u32,
    /// The coded sound.
    pub payload: Vec<u8>,
    /// The sound.
    pub samples: Vec<i16>,
}

/// A socket with a thread.
pub struct Ear {
    /// What stands in the description.
    pub address: SocketAddr,
    /// Every packet of G.711, in order of arrival.
    pub log: Arc<Log<Heard>>,
    to: Arc<Mutex<Option<SocketAddr>>>,
    socket: UdpSocket,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    /// Listens on a free port of `ip`, and speaks `hertz` once it is told where to.
    pub fn open(ip: IpAddr, hertz: f64) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("the test's own network is free");
        let address = socket.local_addr().expect("it is bound");
        let log = Arc::new(Log::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let to = Arc::new(Mutex::new(None));
        let (heard, target, stop) = (Arc::clone(&log), Arc::clone(&to), Arc::clone(&stopping));
        let listening = socket.try_clone().expect("a socket can be shared");
        let thread = std::thread::spawn(move || run(&listening, hertz, &heard, &target, &stop));
        Self { address, log, to, socket, stopping, thread: Some(thread) }
    }

    /// Speaks to there from now on.
    pub fn speak_to(&self, address: SocketAddr) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// Presses a key (RFC 4733 §2.5): three packets of the event, and its end three times. `at` is the moment
    /// in samples, and tells one press from the next.
    pub fn press(&self, event: u8, at: u32, to: SocketAddr) {
        const TELEPHONE_EVENT: u8 = 101;
        let number = |index: usize| 30_000 + u16::try_from(index).expect("six packets");
        for (index, (end, duration)) in
            [(0, 160_u16), (0, 320), (0, 480), (0x80, 640), (0x80, 640), (0x80, 640)].into_iter().enumerate()
        {
            let mut packet = Vec::new();
            write_header(&mut packet, TELEPHONE_EVENT, index == 0, number(index), at, 4712);
            packet.extend([event, end | 10]);
            packet.extend(duration.to_be_bytes());
            // Who has hung up does not listen any more.
            let _ = self.socket.send_to(&packet, to);
        }
    }

    /// Waits until half a second of what is heard is as wanted.
    pub fn hears(&self, limit: Duration, wanted: impl Fn(&[Heard]) -> bool) {
        const PACKETS: usize = 25;
        let mut looked = 0;
        let found = self.log.wait(limit, |heard| {
            let new = looked..(heard.len() + 1).saturating_sub(PACKETS).max(looked);
            looked = new.end;
            new.into_iter().any(|at| wanted(&heard[at..at + PACKETS])).then_some(())
        });
        assert!(found.is_some(), "{looked} packets, and what is wanted was not among them");
    }

    /// Waits until `seconds` of sound have come from there, and returns the last of them.
    pub fn hears_from(&self, ip: IpAddr, seconds: f64, limit: Duration) -> Vec<Heard> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
        let packets = (seconds / PACKET_EVERY.as_secs_f64()) as usize;
        let enough = |heard: &[Heard]| {
            let from_there: Vec<_> = heard.iter().filter(|packet| packet.from.ip() == ip).cloned().collect();
            (from_there.len() >= packets).then_some(from_there)
        };
        self.log.wait(limit, enough).unwrap_or_else(|| {
            let seen = self.log.read(|heard| heard.iter().map(|packet| packet.from).collect::<Vec<_>>());
            panic!("{} of {packets} packets, not all from {ip}, within {limit:?}", seen.len())
        })
    }
}

/// The samples of packets.
pub fn samples(heard: &[Heard]) -> Vec<i16> {
    heard.iter().flat_map(|packet| packet.samples.iter().copied()).collect()
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

fn run(socket: &UdpSocket, hertz: f64, log: &Log<Heard>, to: &Mutex<Option<SocketAddr>>, stop: &AtomicBool) {
    let mut next = Instant::now();
    let mut spoken: u16 = 0;
    while !stop.load(Ordering::Relaxed) {
        let wait = next.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
        socket.set_read_timeout(Some(wait)).expect("a time above zero");
        let mut buffer = [0; 2048];
        if let Ok((length, from)) = socket.recv_from(&mut buffer)
            && let Some(heard) = heard(&buffer[..length], from)
        {
            log.push(heard);
        }
        if Instant::now() >= next {
            next += PACKET_EVERY;
            if let Some(to) = *to.lock().unwrap_or_else(PoisonError::into_inner) {
                // Who has hung up does not listen any more.
                let _ = socket.send_to(&word(hertz, spoken), to);
                spoken = spoken.wrapping_add(1);
            }
        }
    }
}

fn heard(datagram: &[u8], from: SocketAddr) -> Option<Heard> {
    let packet = Packet::read(datagram)?;
    let decode = match packet.payload_type {
        0 => from_ulaw,
        8 => from_alaw,
        _ => return None,
    };
    Some(Heard {
        from,
        ssrc: packet.ssrc,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        payload: packet.payload.to_vec(),
        samples: packet.payload.iter().copied().map(decode).collect(),
    })
}

/// The packet of that number: 20 ms of the tone in µ-law.
fn word(hertz: f64, number: u16) -> Vec<u8> {
    let begins = u32::from(number) * FRAME as u32;
    let mut packet = Vec::new();
    write_header(&mut packet, 0, number == 0, number, begins, 4711);
    packet.extend((0..FRAME as u32).map(|at| {
        let turn = TAU * hertz * f64::from(begins + at) / f64::from(RATE_HZ);
        #[expect(clippy::cast_possible_truncation, reason = "the amplitude is far below 32,767")]
        let sample = (turn.sin() * 12_000.0) as i16;
        ulaw(sample)
    }));
    packet
}
