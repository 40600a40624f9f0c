//! Connections from outside (RFC 3261 §18.2.1): who may come in, and how many.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::Protocol;
use super::connection::{Connection, serve_tcp};
use super::shared::Shared;

/// How long accepting rests when the process has no descriptors left.
const REST: Duration = Duration::from_millis(100);

/// Accepts for ever.
pub(super) async fn accept(shared: Rc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => admit(&shared, stream, remote),
            Err(_) => {
                shared.count(|counts| counts.socket_errors += 1);
                sleep(REST).await;
            }
        }
    }
}

fn admit(shared: &Rc<Shared>, stream: TcpStream, remote: SocketAddr) {
    if !(shared.allow.borrow())(remote.ip()) {
        shared.count(|counts| counts.strangers_refused += 1);
    } else if !shared.inbound_room(remote.ip()) {
        shared.count(|counts| counts.connections_refused += 1);
    } else {
        let connection = Rc::new(Connection::new(shared, Protocol::Tcp, remote, true));
        shared.add(&connection);
        shared.spawn(serve_tcp(Rc::clone(shared), connection, stream));
    }
}
