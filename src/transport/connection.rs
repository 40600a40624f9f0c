//! One connection (RFC 3261 §18, RFC 5626 §3.5.1): a task that reads, frames, writes and keeps the time
//! limits.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::Outbox;
use super::shared::Shared;
use super::times::{Then, Times};
use super::{
    Arrival, CertificateName, CloseReason, Flow, FlowId, Frame, Framer, Protocol, SendFailure,
    TransportSettings, socket,
};

/// RFC 5626 §3.5.1: the answer to a ping.
const PONG: Bytes = Bytes::from_static(b"\r\n");

/// RFC 5626 §3.5.1: a ping.
const PING: Bytes = Bytes::from_static(b"\r\n\r\n");

/// How long the other side may take to see our end before the socket goes.
const LINGER: Duration = Duration::from_secs(1);

/// What one writev takes.
const SLICES: usize = 16;

/// What the driver's side sees of a connection.
pub(super) struct Connection {
    pub(super) id: FlowId,
    pub(super) protocol: Protocol,
    pub(super) remote: SocketAddr,
    pub(super) inbound: bool,
    pub(super) opened: Instant,
    /// Over TLS, the name that was asked for; absent when it was an address, and for connections from
    /// outside.
    pub(super) server_name: Option<Arc<str>>,
    local: Cell<SocketAddr>,
    certificate: Cell<Option<CertificateName>>,
    /// What the client's verified certificate says.
    names: RefCell<Vec<String>>,
    known: Cell<bool>,
    /// It was pinged, and no CRLF has come since.
    awaits_pong: Cell<bool>,
    answers_pings: Cell<bool>,
    /// TLS holds octets that the socket has not taken yet.
    unflushed: Cell<bool>,
    established: Cell<bool>,
    proven: Cell<bool>,
    order: Cell<Order>,
    wake: Notify,
    outbox: RefCell<Outbox>,
}

/// What the task has been told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    /// Write what is queued, then close.
    Finish,
    /// Close at once.
    Abort(CloseReason),
}

impl Connection {
    /// Made by the other side; `known` when its address is a peer's.
    pub(super) fn from_outside(shared: &Shared, protocol: Protocol, remote: SocketAddr, known: bool) -> Self {
        let connection = Self::new(shared, protocol, remote, true, None);
        connection.known.set(known);
        connection
    }

    /// Made by us.
    pub(super) fn to_outside(
        shared: &Shared,
        protocol: Protocol,
        remote: SocketAddr,
        server_name: Option<Arc<str>>,
    ) -> Self {
        Self::new(shared, protocol, remote, false, server_name)
    }

    fn new(
        shared: &Shared,
        protocol: Protocol,
        remote: SocketAddr,
        inbound: bool,
        server_name: Option<Arc<str>>,
    ) -> Self {
        let settings = &shared.settings;
        Self {
            id: shared.next_id(),
            protocol,
            remote,
            inbound,
            opened: Instant::now(),
            server_name,
            certificate: Cell::new(None),
            names: RefCell::default(),
            known: Cell::new(false),
            awaits_pong: Cell::new(false),
            answers_pings: Cell::new(false),
            unflushed: Cell::new(false),
            local: Cell::new(SocketAddr::from(([0, 0, 0, 0], 0))),
            established: Cell::new(false),
            proven: Cell::new(false),
            order: Cell::new(Order::Run),
            wake: Notify::new(),
            outbox: RefCell::new(Outbox::new(settings.outbox_messages, settings.outbox_bytes)),
        }
    }

    pub(super) fn order(&self) -> Order {
        self.order.get()
    }

    /// Whether it ever brought a message.
    pub(super) fn is_proven(&self) -> bool {
        self.proven.get()
    }

    /// Whether the other side's address or certificate is a peer's.
    pub(super) fn is_known(&self) -> bool {
        self.known.get()
    }

    pub(super) fn set_known(&self) {
        self.known.set(true);
    }

    pub(super) fn set_certificate(&self, name: CertificateName) {
        self.certificate.set(Some(name));
    }

    pub(super) fn set_names(&self, names: Vec<String>) {
        *self.names.borrow_mut() = names;
    }

    /// Whether a request for this name may use the connection. One that the other side made serves for its
    /// own address and port, and for a name only when its certificate carries it.
    pub(super) fn vouches_for(&self, asked: Option<&Arc<str>>) -> bool {
        match asked {
            None => true,
            Some(asked) if self.inbound => {
                self.names.borrow().iter().any(|name| name.eq_ignore_ascii_case(asked))
            }
            Some(asked) => self.server_name.as_ref() == Some(asked),
        }
    }

    pub(super) fn flow(&self) -> Flow {
        Flow {
            protocol: self.protocol,
            local: self.local.get(),
            remote: self.remote,
            connection: Some(self.id),
            certificate: self.certificate.get(),
        }
    }

    /// Puts a message into the queue. An open connection whose queue is full is given up: it would only
    /// fall behind further, and what it misses is lost anyway.
    pub(super) fn enqueue(&self, bytes: Bytes, token: Option<u64>) -> Result<(), SendFailure> {
        match self.outbox.borrow_mut().push(bytes, token) {
            Ok(()) => self.wake.notify_one(),
            Err(_) => {
                if self.established.get() {
                    self.abort(CloseReason::Stuck);
                }
                return Err(SendFailure::QueueFull);
            }
        }
        Ok(())
    }

    /// Writes what is queued, then closes.
    pub(super) fn finish(&self) {
        if self.order.get() == Order::Run {
            self.order.set(Order::Finish);
            self.wake.notify_one();
        }
    }

    /// Closes at once.
    pub(super) fn abort(&self, why: CloseReason) {
        self.order.set(Order::Abort(why));
        self.wake.notify_one();
    }

    /// Waits until it shall close at once.
    pub(super) async fn aborted(&self) {
        while !matches!(self.order.get(), Order::Abort(_)) {
            self.wake.notified().await;
        }
    }

    pub(super) fn give_up(&self) -> impl Iterator<Item = Option<u64>> + use<> {
        self.outbox.borrow_mut().give_up()
    }

    /// The configured interval less up to a fifth, differently for each connection, so that many do not ping
    /// at once (RFC 5626 §4.4.1).
    pub(super) fn keep_alive(&self, settings: &TransportSettings) -> Duration {
        settings.keep_alive.mul_f64(1.0 - f64::from(self.id.low_octet()) / 1280.0)
    }

    /// Whether it has ever answered a ping.
    pub(super) fn answers_pings(&self) -> bool {
        self.answers_pings.get()
    }

    fn has_output(&self) -> bool {
        self.unflushed.get() || !self.outbox.borrow().is_empty()
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &self,
        context: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        let mut outbox = self.outbox.borrow_mut();
        if outbox.is_empty() {
            ready!(Pin::new(writer).poll_flush(context))?;
            self.unflushed.set(false);
            return Poll::Ready(Ok(()));
        }
        let written = {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.next_slices(&mut slices);
            ready!(Pin::new(writer).poll_write_vectored(context, &slices[..filled]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outbox.advance(written);
        self.unflushed.set(self.protocol == Protocol::Tls);
        Poll::Ready(Ok(()))
    }
}

/// Gives the socket its options, and the connection its local address.
pub(super) fn prepare(shared: &Shared, connection: &Connection, stream: &TcpStream) -> io::Result<()> {
    socket::tcp_options(stream, &shared.settings)?;
    connection.local.set(stream.local_addr()?);
    Ok(())
}

/// Serves an open TCP connection to its end.
pub(super) async fn serve_tcp(shared: Rc<Shared>, connection: Rc<Connection>, mut stream: TcpStream) {
    match prepare(&shared, &connection, &stream) {
        Ok(()) => {
            let (reader, writer) = stream.split();
            run(&shared, &connection, reader, writer).await;
        }
        // It was reset before it was looked at.
        Err(_) => shared.remove(&connection, SendFailure::ConnectionClosed),
    }
}

/// The same for any stream.
pub(super) async fn run<R, W>(shared: &Shared, connection: &Connection, mut reader: R, mut writer: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    connection.established.set(true);
    let why = serve(shared, connection, &mut reader, &mut writer).await;
    shared.count(|counts| match why {
        CloseReason::MessageTimeout => counts.message_timeouts += 1,
        CloseReason::Stuck => counts.stuck += 1,
        CloseReason::NoPong => counts.pings_unanswered += 1,
        CloseReason::Evicted => counts.connections_evicted += 1,
        CloseReason::Broken => counts.broken += 1,
        // What cannot be framed was counted when it was seen.
        CloseReason::ByPeer | CloseReason::Asked | CloseReason::Idle | CloseReason::Unframeable => {}
    });
    shared.remove(connection, SendFailure::ConnectionClosed);
    shared.arrive(Arrival::Closed { flow: connection.flow(), why });
    if why == CloseReason::Asked {
        linger(reader, writer).await;
    }
}

async fn serve<R, W>(shared: &Shared, connection: &Connection, reader: &mut R, writer: &mut W) -> CloseReason
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut framer = Framer::new(shared.settings.framing());
    let mut times = Times::new();
    let mut alarm = pin!(sleep_until(times.active + shared.settings.idle_timeout));
    loop {
        let has_room = deliver(shared, connection, &mut framer);
        let has_output = connection.has_output();
        match connection.order() {
            Order::Run => {}
            Order::Finish if has_output => {}
            Order::Finish => return CloseReason::Asked,
            Order::Abort(why) => return why,
        }
        times.note(has_output, framer.is_broken());
        let reading = has_room && !framer.is_broken() && connection.order() == Order::Run;
        let started = framer.started_at().filter(|_| has_room).map(|moment| shared.instant(moment));
        let (deadline, then) = times.deadline(&shared.settings, connection, started);
        // An alarm that is too early is set anew when it rings: most deadlines only move away.
        if deadline < alarm.deadline() {
            alarm.as_mut().reset(deadline);
        }
        tokio::select! {
            biased;
            () = connection.wake.notified() => {}
            () = shared.space.notified(), if !has_room => {}
            written = poll_fn(|context| connection.poll_write(context, writer)), if has_output => {
                match written {
                    Ok(()) => times.wrote(),
                    Err(_) => return CloseReason::Broken,
                }
            }
            read = poll_fn(|context| poll_read(context, reader, shared, &mut framer)), if reading => {
                match read {
                    Ok(0) => return CloseReason::ByPeer,
                    Ok(_) => times.read(),
                    Err(_) => return CloseReason::Broken,
                }
            }
            () = alarm.as_mut() => {
                match then {
                    _ if Instant::now() < deadline => alarm.as_mut().reset(deadline),
                    Then::Close(why) => return why,
                    Then::Ping => {
                        times.pinged = Some(Instant::now());
                        connection.awaits_pong.set(true);
                        if connection.enqueue(PING, None).is_ok() {
                            shared.count(|counts| counts.pings_sent += 1);
                        }
                        alarm.as_mut().reset(times.active + shared.settings.idle_timeout);
                    }
                }
            }
        }
    }
}

/// Passes on what the framer has, as far as there is room. Says whether room is left.
fn deliver(shared: &Shared, connection: &Connection, framer: &mut Framer) -> bool {
    while shared.has_room() {
        let Some(frame) = framer.next_frame() else {
            return true;
        };
        match frame {
            Frame::Message(bytes) => {
                connection.proven.set(true);
                shared.count(|counts| counts.received += 1);
                shared.arrive(Arrival::Message { flow: connection.flow(), bytes });
            }
            // Two answers in a row look like a ping: who owes us one is not pinging.
            Frame::KeepAliveRequest | Frame::KeepAliveResponse if connection.awaits_pong.take() => {
                connection.answers_pings.set(true);
            }
            Frame::KeepAliveRequest => {
                if connection.enqueue(PONG, None).is_ok() {
                    shared.count(|counts| counts.pings_answered += 1);
                }
            }
            Frame::KeepAliveResponse => {}
            Frame::Unusable { head, end_known } => {
                shared.count(|counts| {
                    counts.unusable += 1;
                    counts.unframeable += u64::from(!end_known);
                });
                shared.arrive(Arrival::Unusable { flow: connection.flow(), head, end_known });
            }
        }
    }
    false
}

fn poll_read<R: AsyncRead + Unpin>(
    context: &mut Context<'_>,
    reader: &mut R,
    shared: &Shared,
    framer: &mut Framer,
) -> Poll<io::Result<usize>> {
    let mut scratch = shared.scratch.borrow_mut();
    let mut buffer = ReadBuf::new(&mut scratch);
    ready!(Pin::new(reader).poll_read(context, &mut buffer))?;
    framer.push(buffer.filled(), shared.moment());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Lets the other side read what was written last: a socket closed over unread octets is reset, and a reset
/// may overtake the answer.
async fn linger<R, W>(mut reader: R, mut writer: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let until_the_end = async {
        if writer.shutdown().await.is_ok() {
            let mut discarded = [0; 1024];
            while reader.read(&mut discarded).await.is_ok_and(|read| read > 0) {}
        }
    };
    // Whether the end was seen or the time is over: the socket goes now.
    let _ = timeout(LINGER, until_the_end).await;
}
