//! One connection (RFC 3261 §18, RFC 5626 §3.5.1): a task that reads, frames, writes and keeps the time
//! limits.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::outbox::Outbox;
use super::shared::Shared;
use super::{
    Arrival, CloseReason, Flow, FlowId, Frame, Framer, Protocol, SendFailure, TransportSettings, socket,
};

/// RFC 5626 §3.5.1: the answer to a ping.
const PONG: Bytes = Bytes::from_static(b"\r\n");

/// How long a stream that cannot be framed waits for its 400 and its `close`.
const ANSWER_TIME: Duration = Duration::from_secs(2);

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
    local: Cell<SocketAddr>,
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
    pub(super) fn new(shared: &Shared, protocol: Protocol, remote: SocketAddr, inbound: bool) -> Self {
        let settings = &shared.settings;
        Self {
            id: shared.next_id(),
            protocol,
            remote,
            inbound,
            opened: Instant::now(),
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

    pub(super) fn flow(&self) -> Flow {
        Flow {
            protocol: self.protocol,
            local: self.local.get(),
            remote: self.remote,
            connection: Some(self.id),
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

    pub(super) fn give_up(&self) -> impl Iterator<Item = Option<u64>> + use<> {
        self.outbox.borrow_mut().give_up()
    }

    fn has_output(&self) -> bool {
        !self.outbox.borrow().is_empty()
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &self,
        context: &mut Context<'_>,
        writer: &mut W,
    ) -> Poll<io::Result<()>> {
        let mut outbox = self.outbox.borrow_mut();
        let written = {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.next_slices(&mut slices);
            ready!(Pin::new(writer).poll_write_vectored(context, &slices[..filled]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        outbox.advance(written);
        Poll::Ready(Ok(()))
    }
}

/// Connects, then serves. RFC 3261 §18.4: what was queued meanwhile is reported when that fails.
pub(super) async fn connect(shared: Rc<Shared>, connection: Rc<Connection>, local: Option<SocketAddr>) {
    let connecting = socket::tcp_connect(connection.remote, local);
    match timeout(shared.settings.connect_timeout, connecting).await {
        Ok(Ok(stream)) => serve_tcp(shared, connection, stream).await,
        Ok(Err(_)) => shared.remove(&connection, SendFailure::ConnectFailed),
        Err(_) => shared.remove(&connection, SendFailure::ConnectTimedOut),
    }
}

/// Serves an open TCP connection to its end.
pub(super) async fn serve_tcp(shared: Rc<Shared>, connection: Rc<Connection>, mut stream: TcpStream) {
    let ready = socket::tcp_options(&stream, &shared.settings).and_then(|()| stream.local_addr());
    match ready {
        Ok(local) => {
            connection.local.set(local);
            let (reader, writer) = stream.split();
            run(&shared, &connection, reader, writer).await;
        }
        // It was reset before it was looked at.
        Err(_) => shared.remove(&connection, SendFailure::ConnectionClosed),
    }
}

/// The same for any stream.
async fn run<R, W>(shared: &Shared, connection: &Connection, mut reader: R, mut writer: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    connection.established.set(true);
    let why = serve(shared, connection, &mut reader, &mut writer).await;
    shared.count(|counts| match why {
        CloseReason::MessageTimeout => counts.message_timeouts += 1,
        CloseReason::Stuck => counts.stuck += 1,
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
        let (deadline, why) = times.deadline(&shared.settings, connection, started);
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
                if Instant::now() >= deadline {
                    return why;
                }
                alarm.as_mut().reset(deadline);
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

/// When what last happened.
struct Times {
    active: Instant,
    /// Since when the queue has not moved; `None` while it is empty.
    blocked: Option<Instant>,
    broken: Option<Instant>,
}

impl Times {
    fn new() -> Self {
        Self { active: Instant::now(), blocked: None, broken: None }
    }

    fn note(&mut self, has_output: bool, is_broken: bool) {
        if has_output {
            self.blocked.get_or_insert_with(Instant::now);
        } else {
            self.blocked = None;
        }
        if is_broken {
            self.broken.get_or_insert_with(Instant::now);
        }
    }

    fn wrote(&mut self) {
        self.active = Instant::now();
        self.blocked = None;
    }

    fn read(&mut self) {
        self.active = Instant::now();
    }

    /// The first limit that will be reached if nothing happens.
    fn deadline(
        &self,
        settings: &TransportSettings,
        connection: &Connection,
        message_started: Option<Instant>,
    ) -> (Instant, CloseReason) {
        let silent = connection.inbound && !connection.is_proven() && self.broken.is_none();
        let limits = [
            (Some(self.active), settings.idle_timeout, CloseReason::Idle),
            (self.blocked, settings.stuck_timeout, CloseReason::Stuck),
            (self.broken, ANSWER_TIME, CloseReason::Unframeable),
            (message_started, settings.stream_message_timeout, CloseReason::MessageTimeout),
            (
                silent.then_some(connection.opened),
                settings.stream_message_timeout,
                CloseReason::MessageTimeout,
            ),
        ];
        let mut first = (self.active + settings.idle_timeout, CloseReason::Idle);
        for (since, limit, why) in limits {
            if let Some(since) = since
                && since + limit < first.0
            {
                first = (since + limit, why);
            }
        }
        first
    }
}
