//! RFC 3261 §18 as the driver sees it: bind, wait, drain, send.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::coop::consume_budget;

use super::accept::accept;
use super::connect::connect;
use super::connection::Connection;
use super::shared::Shared;
use super::udp::{Received, UdpListener};
use super::{
    Arrival, FlowId, Gauges, ListenAddress, Outgoing, Protocol, SendFailure, Tls, TransportSettings, socket,
};

/// Datagrams that may be dropped in one call before connections and the driver get their turn.
const DROPPED_AT_A_TIME: usize = 64;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The kernel refused: the address is taken, not ours, or needs rights.
    #[error("cannot listen on {address}: {source}")]
    Refused {
        /// Which.
        address: ListenAddress,
        /// Why.
        source: io::Error,
    },
    /// TLS without a certificate of our own.
    #[error("cannot listen on {0}: TLS needs a certificate and its key")]
    NoCertificate(ListenAddress),
}

/// All sockets of the process that carry SIP. Lives on one thread, inside a `LocalSet` of a tokio runtime.
pub struct Transports {
    shared: Rc<Shared>,
    udp: Vec<UdpListener>,
    listening: Vec<ListenAddress>,
    streams_first: bool,
    next_udp: usize,
}

impl Transports {
    /// Listens on every address or on none. Nobody may connect before [`Self::allow`]; datagrams come from
    /// anyone.
    ///
    /// # Panics
    ///
    /// Outside a `LocalSet`.
    pub fn bind(
        listen: &[ListenAddress],
        settings: &TransportSettings,
        tls: Option<Tls>,
    ) -> Result<Self, BindError> {
        let mut udp = Vec::new();
        let mut streams = Vec::new();
        let mut listening = Vec::new();
        for asked in listen {
            let refused = |source| BindError::Refused { address: *asked, source };
            let address = match asked.protocol {
                Protocol::Udp => {
                    let listener = bind_udp(asked.address, settings).map_err(refused)?;
                    let local = listener.local;
                    udp.push(listener);
                    local
                }
                Protocol::Tls if tls.as_ref().is_none_or(|tls| tls.acceptor().is_none()) => {
                    return Err(BindError::NoCertificate(*asked));
                }
                Protocol::Tcp | Protocol::Tls => {
                    let listener = bind_tcp(asked.address).map_err(refused)?;
                    let local = listener.local_addr().map_err(refused)?;
                    streams.push((asked.protocol, listener));
                    local
                }
            };
            listening.push(ListenAddress { protocol: asked.protocol, address });
        }
        let shared = Rc::new(Shared::new(settings.clone()));
        *shared.tls.borrow_mut() = tls.map(Rc::new);
        for (protocol, listener) in streams {
            shared.spawn(accept(Rc::clone(&shared), protocol, listener));
        }
        Ok(Self { shared, udp, listening, streams_first: false, next_udp: 0 })
    }

    /// Who may connect from now on; everyone else is closed at once. Open connections stay.
    pub fn allow(&self, allow: Box<dyn Fn(IpAddr) -> bool>) {
        *self.shared.allow.borrow_mut() = allow;
    }

    /// Who may connect without being known by address: they prove a password in their requests. They share
    /// the connections of those who must still show a certificate.
    pub fn allow_proving(&self, allow: Box<dyn Fn(IpAddr) -> bool>) {
        *self.shared.allow_proving.borrow_mut() = allow;
    }

    /// Which names in a client's verified certificate are peers' (N8). Such a client may connect from
    /// anywhere.
    pub fn allow_named(&self, allow: Box<dyn Fn(&str) -> bool>) {
        *self.shared.allow_named.borrow_mut() = allow;
    }

    /// Other certificates, for connections from now on; open ones keep what they were made with.
    pub fn renew_tls(&self, tls: Tls) {
        *self.shared.tls.borrow_mut() = Some(Rc::new(tls));
    }

    /// Whether datagrams of one length to one address may go to the kernel as one from now on,
    /// where the kernel can do that.
    pub fn bundle(&mut self, bundles: bool) {
        for listener in &mut self.udp {
            listener.bundle(bundles);
        }
    }

    /// What is listened on, with the ports that were taken for port 0.
    pub fn listening(&self) -> &[ListenAddress] {
        &self.listening
    }

    /// Waits until [`Self::try_next`] may have something. Loses nothing when it is dropped. It lets the
    /// connections run now and then even when there is always something.
    pub async fn ready(&mut self) {
        consume_budget().await;
        poll_fn(|context| self.poll_ready(context)).await;
    }

    /// What came, without waiting. Datagrams and streams take turns.
    pub fn try_next(&mut self) -> Option<Arrival> {
        self.streams_first = !self.streams_first;
        if self.streams_first {
            self.shared.take_arrival().or_else(|| self.receive())
        } else {
            self.receive().or_else(|| self.shared.take_arrival())
        }
    }

    /// Waits for what comes next. Loses nothing when it is dropped.
    pub async fn next(&mut self) -> Arrival {
        loop {
            self.ready().await;
            if let Some(arrival) = self.try_next() {
                return arrival;
            }
        }
    }

    /// Sends, or puts into a connection's queue, without waiting. A message with a token that is not handed
    /// to the network comes back as [`Arrival::SendFailed`], never from inside this call.
    pub fn send(&mut self, outgoing: Outgoing) {
        self.put(outgoing);
        self.flush();
    }

    /// As [`Self::send`], but datagrams may stay here until [`Self::flush`], which must follow soon.
    pub fn put(&mut self, outgoing: Outgoing) {
        let (protocol, remote, token) = (outgoing.protocol, outgoing.remote, outgoing.token);
        let result = match protocol {
            Protocol::Udp => return self.put_datagram(outgoing),
            Protocol::Tcp => self.send_on_stream(Outgoing { server_name: None, ..outgoing }),
            Protocol::Tls => self.send_on_stream(outgoing),
        };
        self.shared.note_sent(token, protocol, remote, result);
    }

    /// Gives the datagrams that were put here to the kernel.
    pub fn flush(&mut self) {
        for listener in &mut self.udp {
            flush(&self.shared, listener);
        }
    }

    /// Closes a connection after what is queued for it has been written.
    pub fn close(&self, connection: FlowId) {
        if let Some(connection) = self.shared.find(connection) {
            connection.finish();
        }
    }

    /// What is open and what was counted.
    pub fn gauges(&self) -> Gauges {
        self.shared.gauges()
    }

    /// As [`Self::ready`], for whoever waits for several things at once. It is pending now and then even when
    /// there is something, so that the connections run.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.shared.poll_arrivals(context).is_ready() {
            return Poll::Ready(());
        }
        for listener in &self.udp {
            if listener.has_received() {
                return Poll::Ready(());
            }
            if listener.socket.poll_recv_ready(context).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// From each UDP socket in turn.
    fn receive(&mut self) -> Option<Arrival> {
        let mut attempts = DROPPED_AT_A_TIME;
        for _ in 0..self.udp.len() {
            let index = self.next_udp % self.udp.len();
            self.next_udp = index + 1;
            while attempts > 0 {
                match self.udp[index].receive() {
                    Received::Arrival(arrival) => {
                        self.shared.count(|counts| match arrival {
                            Arrival::Unusable { .. } => counts.unusable += 1,
                            Arrival::Message { .. } | Arrival::Closed { .. } | Arrival::SendFailed { .. } => {
                                counts.received += 1
                            }
                        });
                        return Some(arrival);
                    }
                    Received::Dropped => self.shared.count(|counts| counts.datagrams_dropped += 1),
                    Received::Error => self.shared.count(|counts| counts.socket_errors += 1),
                    Received::Nothing => break,
                }
                attempts -= 1;
            }
        }
        None
    }

    fn put_datagram(&mut self, outgoing: Outgoing) {
        let Outgoing { local, remote, bytes, token, .. } = outgoing;
        let place =
            self.udp.iter().position(|listener| Some(listener.local) == local).or_else(|| {
                self.udp.iter().position(|listener| listener.local.is_ipv4() == remote.is_ipv4())
            });
        let listener = place.and_then(|place| self.udp.get_mut(place));
        let Some(listener) = listener else {
            return self.shared.send_failed(token, Protocol::Udp, remote, SendFailure::NoListener);
        };
        match listener.put(bytes, remote, token) {
            Ok(false) => {}
            Ok(true) => flush(&self.shared, listener),
            Err(why) => self.shared.send_failed(token, Protocol::Udp, remote, why),
        }
    }

    fn send_on_stream(&self, outgoing: Outgoing) -> Result<(), SendFailure> {
        let Outgoing { protocol, local, remote, connection, otherwise, server_name, bytes, token } = outgoing;
        if let Some(connection) = self.shared.usable(connection, protocol, remote, server_name.as_ref()) {
            return connection.enqueue(bytes, token);
        }
        let remote = otherwise.unwrap_or(remote);
        if let Some(connection) = self.shared.usable(None, protocol, remote, server_name.as_ref()) {
            return connection.enqueue(bytes, token);
        }
        if protocol == Protocol::Tls && self.shared.tls.borrow().is_none() {
            return Err(SendFailure::Unsupported);
        }
        if !self.shared.outbound_room() {
            return Err(SendFailure::TooManyConnections);
        }
        let connection = Rc::new(Connection::to_outside(&self.shared, protocol, remote, server_name));
        connection.enqueue(bytes, token)?;
        self.shared.add(&connection);
        self.shared.spawn(connect(Rc::clone(&self.shared), connection, local));
        Ok(())
    }
}

impl Drop for Transports {
    /// Ends every connection without a word.
    fn drop(&mut self) {
        self.flush();
        self.shared.stop();
    }
}

fn flush(shared: &Shared, listener: &mut UdpListener) {
    let bundled = listener.flush(|datagram, result| {
        shared.note_sent(datagram.token, Protocol::Udp, datagram.remote, result);
    });
    shared.count(|counts| counts.bundled += bundled);
}

fn bind_udp(address: SocketAddr, settings: &TransportSettings) -> io::Result<UdpListener> {
    let socket = UdpSocket::from_std(socket::udp(address, settings)?)?;
    let local = socket.local_addr()?;
    let mut listener = UdpListener::new(socket, local, settings.message_bytes);
    listener.bundle(settings.udp_bundles);
    Ok(listener)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(socket::tcp_listener(address)?)
}
