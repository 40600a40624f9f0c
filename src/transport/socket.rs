//! Sockets with their options (RFC 3261 §18).

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpSocket, TcpStream};

use super::TransportSettings;

/// Connections that the kernel may hold before they are accepted.
const BACKLOG: i32 = 1_024;

/// The first probe of an idle connection, and the interval of the next ones. With `stuck_timeout` a dead
/// peer is known within 20 s (F21).
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Bounds what the kernel stores for a peer that does not read, which our queue cannot see.
const TCP_SEND_BUFFER_BYTES: usize = 256 * 1024;

/// A bound UDP socket.
pub(super) fn udp(address: SocketAddr, settings: &TransportSettings) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    prepare(&socket, address)?;
    // As much as the kernel allows; a smaller buffer only means earlier loss under a burst.
    let _ = socket.set_recv_buffer_size(settings.udp_buffer_bytes);
    let _ = socket.set_send_buffer_size(settings.udp_buffer_bytes);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A listening TCP socket.
pub(super) fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, address)?;
    // A restart must not wait for the connections of the process before it.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Makes a connection, from the address of `local` if it names one.
pub(super) async fn tcp_connect(remote: SocketAddr, local: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local
        && !local.ip().is_unspecified()
        && local.is_ipv4() == remote.is_ipv4()
    {
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    socket.connect(remote).await
}

/// What every connection gets, whoever made it.
pub(super) fn tcp_options(stream: &TcpStream, settings: &TransportSettings) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let _ = socket.set_send_buffer_size(TCP_SEND_BUFFER_BYTES);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE).with_retries(2);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(settings.stuck_timeout))?;
    Ok(())
}

fn prepare(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can be listened on side by side.
        socket.set_only_v6(true)?;
    }
    Ok(())
}
