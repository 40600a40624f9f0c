//! Connections from outside (RFC 3261 §18.2.1, §26.3.2): who may come in, and how many.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::connection::{Connection, prepare, run, serve_tcp};
use super::shared::Shared;
use super::tls::names_of;
use super::{CertificateName, Protocol, SendFailure, Tls};

/// How long accepting rests when the process has no descriptors left.
const REST: Duration = Duration::from_millis(100);

/// Accepts for ever.
pub(super) async fn accept(shared: Rc<Shared>, protocol: Protocol, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => admit(&shared, protocol, stream, remote),
            Err(_) => {
                shared.count(|counts| counts.socket_errors += 1);
                sleep(REST).await;
            }
        }
    }
}

fn admit(shared: &Rc<Shared>, protocol: Protocol, stream: TcpStream, remote: SocketAddr) {
    let is_known = (shared.allow.borrow())(remote.ip());
    let may_prove = (shared.allow_proving.borrow())(remote.ip());
    let tls = shared.tls.borrow().clone().filter(|_| protocol == Protocol::Tls);
    // Who has an address that is no peer's may still have a peer's password or certificate.
    if !is_known && !may_prove && !tls.as_ref().is_some_and(|tls| tls.asks_clients()) {
        shared.count(|counts| counts.strangers_refused += 1);
    } else if !shared.inbound_room(remote.ip(), is_known) {
        shared.count(|counts| counts.connections_refused += 1);
    } else if let Some(tls) = tls {
        if shared.handshake_begins(remote.ip()) {
            let connection = Rc::new(Connection::from_outside(shared, protocol, remote, is_known));
            shared.add(&connection);
            shared.spawn(serve_tls(Rc::clone(shared), connection, stream, tls));
        } else {
            shared.count(|counts| counts.tls_handshakes_refused += 1);
        }
    } else {
        let connection = Rc::new(Connection::from_outside(shared, protocol, remote, is_known));
        shared.add(&connection);
        shared.spawn(serve_tcp(Rc::clone(shared), connection, stream));
    }
}

/// The handshake, and then the connection to its end.
async fn serve_tls(shared: Rc<Shared>, connection: Rc<Connection>, stream: TcpStream, tls: Rc<Tls>) {
    let peer = connection.remote.ip();
    let handshake = async {
        prepare(&shared, &connection, &stream)?;
        let acceptor = tls.acceptor().ok_or(std::io::ErrorKind::Unsupported)?;
        acceptor.accept(stream).await
    };
    let handshake = timeout(shared.settings.handshake_timeout, handshake);
    let made = tokio::select! {
        made = handshake => made,
        // It had to make room.
        () = connection.aborted() => Ok(Err(std::io::ErrorKind::ConnectionAborted.into())),
    };
    shared.handshake_ended(peer);
    match made {
        Ok(Ok(stream)) if is_welcome(&shared, &connection, &stream) => {
            let (reader, writer) = tokio::io::split(stream);
            run(&shared, &connection, reader, writer).await;
            return;
        }
        Ok(Ok(_)) => shared.count(|counts| counts.strangers_refused += 1),
        Ok(Err(error)) => {
            shared.count(|counts| counts.tls_failures += 1);
            tracing::info!(peer.ip = %peer, %error, "a TLS handshake from outside failed");
        }
        Err(_) => shared.count(|counts| counts.tls_failures += 1),
    }
    shared.remove(&connection, SendFailure::TlsFailed);
}

/// Notes which peer the certificate names. `false` when neither it nor the address is a peer's, and nobody
/// may prove a password from there.
fn is_welcome(shared: &Shared, connection: &Connection, stream: &TlsStream<TcpStream>) -> bool {
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let names = certificates.first().map(names_of).unwrap_or_default();
    let allowed = shared.allow_named.borrow();
    if let Some(name) = names.iter().find(|name| allowed(name)) {
        connection.set_certificate(CertificateName::of(name));
        shared.make_known(connection);
    }
    connection.set_names(names);
    connection.is_known() || (shared.allow_proving.borrow())(connection.remote.ip())
}
