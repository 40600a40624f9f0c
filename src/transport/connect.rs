//! Connections to outside (RFC 3261 §18.1.1, RFC 5922 §7.3): made on demand, over TLS with the other side's
//! certificate verified.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::connection::{Connection, prepare, run, serve_tcp};
use super::shared::Shared;
use super::tls::server_name;
use super::{CertificateName, Protocol, SendFailure, socket};

/// Connects, then serves. RFC 3261 §18.4: what was queued meanwhile is reported when that fails.
pub(super) async fn connect(shared: Rc<Shared>, connection: Rc<Connection>, local: Option<SocketAddr>) {
    let connecting = socket::tcp_connect(connection.remote, local);
    match timeout(shared.settings.connect_timeout, connecting).await {
        Ok(Ok(stream)) => match connection.protocol {
            Protocol::Tls => serve_tls(shared, connection, stream).await,
            Protocol::Tcp | Protocol::Udp => serve_tcp(shared, connection, stream).await,
        },
        Ok(Err(_)) => shared.remove(&connection, SendFailure::ConnectFailed),
        Err(_) => shared.remove(&connection, SendFailure::ConnectTimedOut),
    }
}

async fn serve_tls(shared: Rc<Shared>, connection: Rc<Connection>, stream: TcpStream) {
    match timeout(shared.settings.handshake_timeout, shake_hands(&shared, &connection, stream)).await {
        Ok(Ok(stream)) => {
            // The name was asked for and proved: requests that come along here are that peer's.
            if let Some(name) = &connection.server_name
                && (shared.allow_named.borrow())(name)
            {
                connection.set_certificate(CertificateName::of(name));
            }
            let (reader, writer) = tokio::io::split(stream);
            run(&shared, &connection, reader, writer).await;
        }
        Ok(Err(error)) => {
            tracing::warn!(peer.ip = %connection.remote.ip(), %error, "a TLS server was not believed");
            fail(&shared, &connection);
        }
        Err(_) => fail(&shared, &connection),
    }
}

async fn shake_hands(
    shared: &Shared,
    connection: &Connection,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    prepare(shared, connection, &stream)?;
    let remote = connection.remote.ip();
    let name = server_name(connection.server_name.as_deref(), remote).ok_or(io::ErrorKind::InvalidInput)?;
    let tls = shared.tls.borrow().clone().ok_or(io::ErrorKind::Unsupported)?;
    tls.connector(remote).connect(name, stream).await
}

fn fail(shared: &Shared, connection: &Connection) {
    shared.count(|counts| counts.tls_failures += 1);
    shared.remove(connection, SendFailure::TlsFailed);
}
