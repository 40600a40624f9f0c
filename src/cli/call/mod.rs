//! [io] `toritsugi call`: a test call over UDP or TCP, drawn as a ladder.

mod dialog;
mod text;

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use self::dialog::{Arrow, Ending, Output, SILENCE, TestCall};
use self::text::{Calling, Identity, next_message, user_part};
use super::{Failure, runtime, say};
use crate::clock::Moment;
use crate::config::{HostPort, Protocol};

/// A datagram is at most this long.
const DATAGRAM: usize = 65_536;
/// A message on a stream that grows beyond this is given up.
const STREAM_LIMIT: usize = 1_048_576;

/// The arguments of `call`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The calling number, or: anonymous, payphone, unavailable, service_conflict
    #[arg(long, value_name = "NUMBER", value_parser = Calling::from_str)]
    from: Calling,
    /// The called number
    #[arg(long, value_name = "NUMBER", value_parser = user_part)]
    to: String,
    /// Where to send it; `tcp:HOST:PORT` for TCP
    #[arg(long, value_name = "HOST:PORT")]
    via: Via,
    /// How long to talk once it is answered, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    talk: u32,
    /// A display name beside the number
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

/// The proxy under test.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Via {
    protocol: Protocol,
    target: HostPort,
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (protocol, target) = match text.split_once(':') {
            Some(("tcp", target)) => (Protocol::Tcp, target),
            Some(("udp", target)) => (Protocol::Udp, target),
            _ => (Protocol::Udp, text),
        };
        Ok(Self { protocol, target: target.parse()? })
    }
}

/// Where messages go and come from.
enum Line {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, read: Vec<u8> },
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let via = &arguments.via;
        let failed =
            |error: io::Error| Failure::of(format!("cannot reach {}:{}: {error}", via.protocol, via.target));
        let address = resolve(&via.target).await.map_err(failed)?;
        let mut line = Line::open(via.protocol, address).await.map_err(failed)?;
        // The port in our offer is really ours, so that media sent to it disturbs nobody.
        let local = line.local().map_err(failed)?;
        let media = UdpSocket::bind((local.ip(), 0)).await.map_err(failed)?;
        let identity = Identity {
            calling: arguments.from.clone(),
            name: arguments.name.clone(),
            called: arguments.to.clone(),
            via: via.target.clone(),
            local,
            transport: if via.protocol == Protocol::Udp { "UDP" } else { "TCP" },
            call_id: format!("{:032x}@{}", rand::random::<u128>(), local.ip()),
            from_tag: format!("{:016x}", rand::random::<u64>()),
            media_port: media.local_addr().map_err(failed)?.port(),
        };
        let talk = Duration::from_secs(arguments.talk.into());
        let ending = line.carry(identity, talk, address).await.map_err(failed)?;
        report(&ending, via)
    })
}

impl Line {
    async fn open(protocol: Protocol, address: SocketAddr) -> io::Result<Self> {
        if protocol != Protocol::Udp {
            let stream = tokio::time::timeout(SILENCE, TcpStream::connect(address)).await??;
            stream.set_nodelay(true)?;
            return Ok(Self::Tcp { stream, read: Vec::new() });
        }
        // A connected socket only to learn which of our addresses leads there: the real one hears everybody.
        let unspecified: SocketAddr =
            if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let probe = UdpSocket::bind(unspecified).await?;
        probe.connect(address).await?;
        Ok(Self::Udp(UdpSocket::bind((probe.local_addr()?.ip(), 0)).await?))
    }

    fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp { stream, .. } => stream.local_addr(),
        }
    }

    /// Carries the call to its end, drawing as it goes.
    async fn carry(&mut self, identity: Identity, talk: Duration, address: SocketAddr) -> io::Result<Ending> {
        let start = Instant::now();
        let now = || Moment::from_micros(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
        let branch = format!("z9hG4bK-{:016x}", rand::random::<u64>());
        let mut call = TestCall::begin(identity, branch, talk, now());
        loop {
            while let Some(output) = call.poll_output() {
                match output {
                    Output::Draw(arrow) => draw(&arrow)?,
                    Output::Send { text, to } => self.send(text.as_bytes(), to.unwrap_or(address)).await?,
                }
            }
            if let Some(ending) = call.ending() {
                return Ok(ending.clone());
            }
            let wait = call.poll_timeout().map_or(SILENCE, |at| at.since(now()));
            tokio::select! {
                message = self.receive() => call.handle(&message?, now()),
                () = tokio::time::sleep(wait) => call.handle_timeout(now()),
                _stop = tokio::signal::ctrl_c() => call.give_up(now()),
            }
        }
    }

    async fn send(&mut self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send_to(octets, to).await.map(|_| ()),
            Self::Tcp { stream, .. } => stream.write_all(octets).await,
        }
    }

    /// The next message. Nothing that was read is lost when the wait is given up.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Udp(socket) => {
                let mut datagram = vec![0; DATAGRAM];
                let (length, _from) = socket.recv_from(&mut datagram).await?;
                datagram.truncate(length);
                Ok(datagram)
            }
            Self::Tcp { stream, read } => loop {
                if let Some(message) = next_message(read) {
                    return Ok(message);
                }
                if read.len() > STREAM_LIMIT {
                    return Err(io::Error::other("the other side sends a message without end"));
                }
                if stream.read_buf(read).await? == 0 {
                    return Err(io::Error::other("the other side closed the connection"));
                }
            },
        }
    }
}

async fn resolve(target: &HostPort) -> io::Result<SocketAddr> {
    if let Some(address) = target.address() {
        return Ok(address);
    }
    let mut found = tokio::net::lookup_host(target.to_string()).await?;
    found.next().ok_or_else(|| io::Error::other("the name has no address"))
}

/// One line of the ladder: the time, ours to the left, theirs to the right.
fn draw(arrow: &Arrow) -> io::Result<()> {
    let millis = arrow.at.as_micros() / 1000;
    let time = format!("{:>4}.{:03}", millis / 1000, millis % 1000);
    // Only what can be printed: a reason phrase comes from outside.
    let label = arrow.label.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>();
    let line = if arrow.ours {
        format!("{time}  {label:<44} --->")
    } else {
        format!("{time}  {:<44} <---  {label}", "")
    };
    say(&line).map_err(io::Error::other)
}

fn report(ending: &Ending, via: &Via) -> Result<(), Failure> {
    let seconds = |talked: &Duration| format!("{:.1} s", talked.as_secs_f64());
    match ending {
        Ending::HungUp { talked } => say(&format!("connected, talked {}, hung up", seconds(talked))),
        Ending::OtherHungUp { talked } => {
            say(&format!("connected, talked {}, the other side hung up", seconds(talked)))
        }
        Ending::Refused { status_line } => Err(Failure::of(format!("the call was refused: {status_line}"))),
        Ending::NobodyAnswered => Err(Failure::of(format!(
            "nobody answered at {}:{} within {} s; does toritsugi listen there, and is this machine's \
             address in a [[sip.peer]]?",
            via.protocol,
            via.target,
            SILENCE.as_secs()
        ))),
        Ending::RangOut => Err(Failure::of(format!("nobody took the call; {} was told CANCEL", via.target))),
        Ending::Cancelled => Err(Failure::of("the call was cancelled")),
        Ending::ByeUnanswered => Err(Failure::of(format!("{} did not answer the BYE", via.target))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_is_meant_unless_tcp_is_said() {
        let via = |text: &str| text.parse::<Via>().expect("sound");
        assert_eq!(via("127.0.0.1").protocol, Protocol::Udp);
        assert_eq!(
            via("tcp:[::1]:5070"),
            Via { protocol: Protocol::Tcp, target: "[::1]:5070".parse().expect("sound") }
        );
        assert!("sctp:127.0.0.1:5060".parse::<Via>().is_err());
    }

    #[test]
    fn nobody_answering_is_told_with_the_address() {
        let via = "127.0.0.1:5099".parse::<Via>().expect("sound");
        let told = report(&Ending::NobodyAnswered, &via).expect_err("a failure").to_string();
        assert!(told.contains("udp:127.0.0.1:5099"), "{told}");
    }

    /// A stub that answers a whole call, to prove the sockets and not the rules.
    async fn stub(socket: UdpSocket) -> Vec<String> {
        let mut methods = Vec::new();
        let mut datagram = vec![0; DATAGRAM];
        loop {
            let (length, from) = socket.recv_from(&mut datagram).await.expect("received");
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            let method = text.split(' ').next().expect("a method").to_owned();
            methods.push(method.clone());
            if method == "ACK" {
                continue;
            }
            let head = text.split("\r\n\r\n").next().expect("a head");
            let copied = head
                .lines()
                .skip(1)
                .filter(|line| ["Via", "From", "Call-ID", "CSeq"].iter().any(|name| line.starts_with(name)));
            let copied = copied.collect::<Vec<_>>().join("\r\n");
            let contact = socket.local_addr().expect("bound");
            let answer = format!(
                "SIP/2.0 200 OK\r\n{copied}\r\nTo: <sip:x>;tag=t\r\nContact: <sip:x@{contact}>\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            socket.send_to(answer.as_bytes(), from).await.expect("sent");
            if method == "BYE" {
                return methods;
            }
        }
    }

    #[tokio::test]
    async fn a_whole_call_goes_over_a_real_socket() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
        let address = socket.local_addr().expect("bound");
        let server = tokio::spawn(stub(socket));
        let mut line = Line::open(Protocol::Udp, address).await.expect("opened");
        let identity = Identity {
            calling: "110".parse().expect("a number"),
            name: None,
            called: "0120123456".to_owned(),
            via: address.to_string().parse().expect("sound"),
            local: line.local().expect("bound"),
            transport: "UDP",
            call_id: "c1".to_owned(),
            from_tag: "f1".to_owned(),
            media_port: 9,
        };
        let ending = line.carry(identity, Duration::ZERO, address).await.expect("carried");
        assert!(matches!(ending, Ending::HungUp { .. }), "{ending:?}");
        assert_eq!(server.await.expect("no panic"), ["INVITE", "ACK", "BYE"]);
    }
}
