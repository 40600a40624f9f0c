//! A DNS server for tests: answers a few names over UDP as it was told, and remembers what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the thread looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// Time to live and data.
type Record = (u32, Vec<u8>);

/// What is known of names. Names are written without the final dot.
#[derive(Clone, Default)]
pub struct Zone {
    records: BTreeMap<(String, u16), Vec<Record>>,
    silent: BTreeSet<String>,
}

impl Zone {
    /// An address.
    pub fn address(mut self, name: &str, ip: &str, ttl: u32) -> Self {
        match ip.parse().expect("an address") {
            IpAddr::V4(v4) => self.add(name, A, ttl, v4.octets().to_vec()),
            IpAddr::V6(v6) => self.add(name, AAAA, ttl, v6.octets().to_vec()),
        }
        self
    }

    /// Another name for it.
    pub fn alias(mut self, name: &str, target: &str) -> Self {
        self.add(name, CNAME, 60, wire_name(target));
        self
    }

    /// A service (RFC 2782): priority, weight, port, target.
    pub fn service(mut self, name: &str, (priority, weight, port): (u16, u16, u16), target: &str) -> Self {
        let mut data = Vec::new();
        for number in [priority, weight, port] {
            data.extend(number.to_be_bytes());
        }
        data.extend(wire_name(target));
        self.add(name, SRV, 60, data);
        self
    }

    /// A pointer to a service (RFC 3403): order, preference, service, replacement.
    pub fn pointer(
        mut self,
        name: &str,
        (order, preference): (u16, u16),
        service: &str,
        target: &str,
    ) -> Self {
        let mut data = Vec::new();
        data.extend(order.to_be_bytes());
        data.extend(preference.to_be_bytes());
        for text in ["s", service, ""] {
            data.push(u8::try_from(text.len()).expect("short"));
            data.extend(text.as_bytes());
        }
        data.extend(wire_name(target));
        self.add(name, NAPTR, 60, data);
        self
    }

    /// A name whose questions are never answered.
    pub fn silence(mut self, name: &str) -> Self {
        self.silent.insert(name.to_owned());
        self
    }

    fn add(&mut self, name: &str, kind: u16, ttl: u32, data: Vec<u8>) {
        self.records.entry((name.to_owned(), kind)).or_default().push((ttl, data));
    }

    /// The answer to a question; `None` is silence.
    fn answer(&self, query: &[u8], name: &str, kind: u16, question_end: usize) -> Option<Vec<u8>> {
        if self.silent.contains(name) {
            return None;
        }
        let known = self.records.keys().any(|(owner, _)| owner == name);
        let mut found = Vec::new();
        let mut owner = name.to_owned();
        // As a recursive server does, but never around in circles.
        for _ in 0..4 {
            if let Some(records) = self.records.get(&(owner.clone(), kind)) {
                found.extend(records.iter().map(|record| (owner.clone(), kind, record)));
                break;
            }
            let Some([record]) = self.records.get(&(owner.clone(), CNAME)).map(Vec::as_slice) else { break };
            found.push((owner, CNAME, record));
            owner = read_name(&record.1, 0)?.0;
        }
        let mut answer = query.get(..2)?.to_vec();
        let code = if known { 0 } else { 3 };
        answer.extend([0x81, 0x80 | code, 0, 1]);
        answer.extend(u16::try_from(found.len()).expect("few records").to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend(query.get(12..question_end)?);
        for (owner, kind, (ttl, data)) in found {
            // The name of the question is pointed to, so that more fits into a datagram (RFC 1035 §4.1.4).
            answer.extend(if owner == name { vec![0xc0, 12] } else { wire_name(&owner) });
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(ttl.to_be_bytes());
            answer.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

/// The running server; it ends when it is dropped.
pub struct Dns {
    /// Where it is asked.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// Starts it on a free port of the loopback.
    pub fn start(zone: Zone) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), zone)
    }

    /// Starts it there.
    pub fn start_at(address: SocketAddr, zone: Zone) -> Self {
        let socket = UdpSocket::bind(address).expect("a free port");
        socket.set_read_timeout(Some(LOOK)).expect("a sound time");
        let address = socket.local_addr().expect("bound");
        let (asked, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (log, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1_500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let query = &buffer[..length];
                let Some((name, end)) = read_name(query, 12) else { continue };
                let Some(kind) = query.get(end..end + 2) else { continue };
                let kind = u16::from_be_bytes([kind[0], kind[1]]);
                log.lock().expect("whole").push(format!("{} {name}", type_name(kind)));
                if let Some(answer) = zone.answer(query, &name, kind, end + 4) {
                    // The asker may be gone.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, asked, stop, thread: Some(thread) }
    }

    /// What it was asked, as `SRV _sip._udp.example`, in the order of asking.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been shown already.
            let _ = thread.join();
        }
    }
}

fn type_name(kind: u16) -> String {
    match kind {
        A => "A".to_owned(),
        AAAA => "AAAA".to_owned(),
        SRV => "SRV".to_owned(),
        NAPTR => "NAPTR".to_owned(),
        other => other.to_string(),
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).expect("a label is short"));
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}

/// The name at `at`, in lower case, and where it ends.
fn read_name(octets: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*octets.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(octets.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}
