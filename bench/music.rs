//! How evenly and at what cost the media ports play: callers on loopback who note when the kernel received
//! each packet.
//!
//! `cargo run --release --example music -- [STREAMS] [SECONDS] [talk]`; with `talk` each caller sends 50
//! packets a second as well, as one does whose microphone is open.

#[path = "../tests/support/stamp.rs"]
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
mod stamp;

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use toritsugi::media::ports::{Library, MediaAddress, MediaSettings, start};
use toritsugi::media::{
    Language, Learning, Listener, MediaOrder, MediaReport, PACKET_EVERY, Packet, StreamId, write_header,
};
use toritsugi::sdp::Codec;

/// The first moments are for buffers and caches.
const WARM_UP: Duration = Duration::from_secs(2);

/// The stamps are the kernel's, so it does not matter when the sockets are read, as long as they hold it.
const READ_EVERY: Duration = Duration::from_millis(200);

struct Caller {
    socket: UdpSocket,
    port: SocketAddr,
    last: Option<(SystemTime, u16)>,
}

/// What was measured.
#[derive(Default)]
struct Figures {
    /// Nanoseconds between 20 ms and what was between two packets.
    off: Vec<u64>,
    packets: u64,
    lost: u64,
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (streams, seconds): (u64, u64) = (number(1_000), number(20));
    let talk = std::env::args().any(|argument| argument == "talk");
    let loopback = MediaAddress { bind: Ipv4Addr::LOCALHOST.into(), told: Ipv4Addr::LOCALHOST.into() };
    let settings = MediaSettings { ipv4: Some(loopback), ipv6: None, ports: 20_000..=29_999, streams: 5_000 };
    let mut started = start(settings, Arc::new(Library::default()))?;
    let mut callers =
        (0..streams).map(|at| call(&mut started, StreamId(at))).collect::<Result<Vec<_>, _>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let talkers = if talk { Some(talking(&callers, Arc::clone(&stop))?) } else { None };

    listen(&mut callers, &mut Figures::default(), WARM_UP)?;
    let mut figures = Figures::default();
    let (before, began) = (media_thread()?, Instant::now());
    listen(&mut callers, &mut figures, Duration::from_secs(seconds))?;
    let (after, elapsed) = (media_thread()?, began.elapsed().as_secs_f64());
    let share = |of: fn(&Scheduled) -> Duration| 100.0 * (of(&after) - of(&before)).as_secs_f64() / elapsed;
    stop.store(true, Ordering::Relaxed);
    if let Some(talkers) = talkers {
        talkers.join().expect("the talkers do not panic");
    }

    figures.off.sort_unstable();
    let at = |part: f64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let index = (figures.off.len() as f64 * part) as usize;
        let nanos =
            figures.off.get(index.min(figures.off.len().saturating_sub(1))).copied().unwrap_or_default();
        Duration::from_nanos(nanos)
    };
    writeln!(
        std::io::stdout(),
        "{streams} streams, {seconds} s{}: {} packets received, {} lost; {:.1} % of one core, \
         {:.1} % of the time waiting for one; \
         off from 20 ms: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}",
        if talk { ", callers talk" } else { "" },
        figures.packets,
        figures.lost,
        share(|scheduled| scheduled.ran),
        share(|scheduled| scheduled.waited),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    )
}

/// A caller with a stream that plays.
fn call(started: &mut toritsugi::media::ports::Started, stream: StreamId) -> std::io::Result<Caller> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    stamp::enable(&socket)?;
    socket.set_nonblocking(true)?;
    started.handle.order(MediaOrder::Open { stream, ipv6: false });
    let Some(MediaReport::Opened { local, .. }) = started.reports.blocking_recv() else {
        return Err(std::io::Error::other("no port"));
    };
    let listener = Listener {
        codec: Codec::Pcmu,
        payload_type: 0,
        digits: Some(101),
        remote: socket.local_addr()?,
        learning: Learning::Never,
        language: Language::Ja,
    };
    started.handle.order(MediaOrder::Play { stream, listener });
    Ok(Caller { socket, port: local, last: None })
}

fn listen(callers: &mut [Caller], figures: &mut Figures, during: Duration) -> std::io::Result<()> {
    let until = Instant::now() + during;
    let mut buffer = [0; 512];
    while Instant::now() < until {
        std::thread::sleep(READ_EVERY);
        for caller in &mut *callers {
            loop {
                match stamp::receive_from(&caller.socket, &mut buffer) {
                    Ok((length, _, at)) => figures.note(caller, &buffer[..length], at),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(())
}

impl Figures {
    fn note(&mut self, caller: &mut Caller, datagram: &[u8], at: SystemTime) {
        let Some(packet) = Packet::read(datagram) else { return };
        self.packets += 1;
        if let Some((before, sequence)) = caller.last {
            let missing = packet.sequence.wrapping_sub(sequence).wrapping_sub(1);
            self.lost += u64::from(missing);
            let between = at.duration_since(before).unwrap_or_default();
            if missing == 0 {
                self.off.push(u64::try_from(between.abs_diff(PACKET_EVERY).as_nanos()).unwrap_or(u64::MAX));
            }
        }
        caller.last = Some((at, packet.sequence));
    }
}

/// Everybody's microphone, spread over the 20 ms.
fn talking(callers: &[Caller], stop: Arc<AtomicBool>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let voices = callers.iter().map(|caller| Ok((caller.socket.try_clone()?, caller.port)));
    let voices = voices.collect::<std::io::Result<Vec<_>>>()?;
    Ok(std::thread::spawn(move || {
        let mut packet = Vec::new();
        write_header(&mut packet, 0, false, 1, 160, 9);
        packet.resize(172, 0xff);
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            for part in voices.chunks(voices.len().div_ceil(10).max(1)) {
                for (socket, port) in part {
                    // A lost packet of noise is none.
                    let _ = socket.send_to(&packet, port);
                }
                next += PACKET_EVERY / 10;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }
    }))
}

/// What the scheduler has counted of the thread.
struct Scheduled {
    ran: Duration,
    /// Ready to run, while others had the cores: lateness that is the machine's.
    waited: Duration,
}

fn media_thread() -> std::io::Result<Scheduled> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "toritsugi-media" {
            let counts = fs::read_to_string(task.join("schedstat"))?;
            let mut nanos = counts.split_whitespace().map(|text| text.parse().unwrap_or_default());
            let mut next = || Duration::from_nanos(nanos.next().unwrap_or_default());
            return Ok(Scheduled { ran: next(), waited: next() });
        }
    }
    Err(std::io::Error::other("there is no thread of the media ports"))
}
