//! Server transactions: opening, answering, and doing what their machines say.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::Engine;
use super::input::{Datagram, Output};
use super::tables::{Otherwise, Server, ServerKey, ServerMachine};
use super::timers::Alarm;
use crate::message::{Host, Message, Method, response};
use crate::proxy::locate::default_port;
use crate::transaction::{
    Action, Actions, InviteServer, NonInviteServer, StatusClass, Timer, TransactionKey, invite_server,
    non_invite_server,
};
use crate::transport::Flow;

impl Engine {
    /// Opens the transaction of a new request. An INVITE is answered 100 at once (RFC 3261 §16.2).
    pub(super) fn open_server(
        &mut self,
        key: TransactionKey,
        flow: Flow,
        request: Arc<Message>,
        peer: usize,
    ) -> ServerKey {
        let reliability = flow.protocol.reliability();
        let (machine, actions) = if request.method() == Method::Invite {
            let (machine, actions) = InviteServer::new(&self.settings.timers, reliability);
            (ServerMachine::Invite(machine), actions)
        } else {
            let (machine, actions) = NonInviteServer::new(&self.settings.timers, reliability);
            (ServerMachine::NonInvite(machine), actions)
        };
        let is_invite = request.method() == Method::Invite;
        let trying = is_invite.then(|| response(&request, 100, None, None, &[]));
        let server = self.tables.insert_server(Server {
            machine,
            key,
            flow,
            peer,
            otherwise: otherwise(&flow, &request),
            request: Some(request),
            last: None,
            context: None,
            timers: super::tables::RunningTimers::default(),
            trying: None,
        });
        self.do_server_actions(server, actions);
        if let Some(trying) = trying {
            self.respond(server, 100, trying);
        }
        server
    }

    /// Sends a response through its transaction; `bytes` is the whole message.
    pub(super) fn respond(&mut self, server: ServerKey, status: u16, bytes: Bytes) {
        let Some(entry) = self.tables.servers.get_mut(server) else { return };
        entry.last = Some(bytes);
        if let Some(handle) = entry.trying.take() {
            self.timers.cancel(handle);
        }
        let Some(class) = StatusClass::of(status) else { return };
        if status >= 200 {
            // What answers repetitions is `last`; the request itself is asked for no more.
            self.tables.shares.release(entry.request.take().map_or(0, |request| request.bytes().len()));
        }
        let actions = match &mut entry.machine {
            ServerMachine::Invite(machine) => {
                machine.handle(invite_server::Event::Respond(class), &self.settings.timers)
            }
            ServerMachine::NonInvite(machine) => {
                machine.handle(non_invite_server::Event::Respond(class.into()), &self.settings.timers)
            }
        };
        self.do_server_actions(server, actions);
        self.slim_server(server, status);
    }

    /// A transaction lingers for half a minute behind its final response, and there are many of them. A 2xx
    /// to an INVITE is repeated by the phone and not by us (RFC 6026 §7.1): it goes.
    fn slim_server(&mut self, server: ServerKey, status: u16) {
        let Some(entry) = self.tables.servers.get_mut(server) else { return };
        if (200..300).contains(&status) && matches!(entry.machine, ServerMachine::Invite(_)) {
            entry.last = None;
        }
    }

    /// The request goes on to somebody: should the answer take long, 100 stops its repeats (RFC 4320 §4.1; an
    /// INVITE had its 100 at once).
    pub(super) fn await_answer(&mut self, server: ServerKey) {
        let due = self.now.moment + self.settings.timers.e_reaches_t2();
        let Some(entry) = self.tables.servers.get_mut(server) else { return };
        if let ServerMachine::NonInvite(_) = entry.machine {
            entry.trying = Some(self.timers.insert(due, Alarm::Trying(server)));
        }
    }

    /// The client's Timer E has reached T2: no answer may be held back any longer, and 100 is the least.
    pub(super) fn trying_due(&mut self, server: ServerKey) {
        let Some(entry) = self.tables.servers.get_mut(server) else { return };
        entry.trying = None;
        let Some(request) = &entry.request else { return };
        let trying = response(request, 100, None, None, &[]);
        self.respond(server, 100, trying);
    }

    /// Makes a response of our own to the transaction's request and sends it.
    pub(super) fn respond_status(&mut self, server: ServerKey, status: u16, extra: &[(&str, &[u8])]) {
        let Some(entry) = self.tables.servers.get(server) else { return };
        let Some(request) = &entry.request else { return };
        let tag = (request.to_tag().is_none() && status > 100).then(|| self.tag_for(request));
        let bytes = response(request, status, None, tag.as_deref(), extra);
        self.respond(server, status, bytes);
    }

    /// The To-tag of responses that we make to this request.
    pub(super) fn tag_for(&self, request: &Message) -> String {
        let branch = request.top_via().branch().unwrap_or_default();
        self.secret.to_tag(request.call_id(), request.from_tag().unwrap_or_default(), branch)
    }

    /// The same request came again.
    pub(super) fn repeat_request(&mut self, server: ServerKey) {
        let Some(entry) = self.tables.servers.get_mut(server) else { return };
        let actions = match &mut entry.machine {
            ServerMachine::Invite(machine) => {
                machine.handle(invite_server::Event::Request, &self.settings.timers)
            }
            ServerMachine::NonInvite(machine) => {
                machine.handle(non_invite_server::Event::Request, &self.settings.timers)
            }
        };
        self.counters.repeats += 1;
        self.do_server_actions(server, actions);
    }

    /// An ACK matched the INVITE's transaction; `true` when it belongs to a 2xx and must go on (RFC 6026
    /// §7.1).
    pub(super) fn acknowledge(&mut self, server: ServerKey) -> bool {
        let Some(entry) = self.tables.servers.get_mut(server) else { return false };
        let ServerMachine::Invite(machine) = &mut entry.machine else { return false };
        let actions = machine.handle(invite_server::Event::Ack, &self.settings.timers);
        let passes = actions.iter().any(|action| action == Action::ToUser);
        self.do_server_actions(server, actions);
        passes
    }

    /// A timer of the transaction fired.
    pub(super) fn server_timer(&mut self, server: ServerKey, timer: Timer) {
        let Some(entry) = self.tables.servers.get_mut(server) else { return };
        entry.timers.clear(timer);
        let actions = match &mut entry.machine {
            ServerMachine::Invite(machine) => {
                machine.handle(invite_server::Event::Timer(timer), &self.settings.timers)
            }
            ServerMachine::NonInvite(machine) => {
                machine.handle(non_invite_server::Event::Timer(timer), &self.settings.timers)
            }
        };
        self.do_server_actions(server, actions);
    }

    /// Drops the transaction and everything that waits on it.
    pub(super) fn close_server(&mut self, server: ServerKey) {
        let Some(mut entry) = self.tables.remove_server(server) else { return };
        for handle in entry.timers.drain().chain(entry.trying) {
            self.timers.cancel(handle);
        }
        if let Some(context) = entry.context {
            self.forget_context_when_done(context);
        }
    }

    fn do_server_actions(&mut self, server: ServerKey, actions: Actions) {
        for action in actions {
            match action {
                Action::SendResponse => self.send_last(server),
                Action::Set(timer, after) => {
                    let handle = self.timers.insert(self.now.moment + after, Alarm::Server(server, timer));
                    let replaced =
                        self.tables.servers.get_mut(server).and_then(|entry| entry.timers.set(timer, handle));
                    if let Some(replaced) = replaced {
                        self.timers.cancel(replaced);
                    }
                }
                Action::Clear(timer) => {
                    let cleared =
                        self.tables.servers.get_mut(server).and_then(|entry| entry.timers.clear(timer));
                    if let Some(handle) = cleared {
                        self.timers.cancel(handle);
                    }
                }
                Action::Terminated => self.close_server(server),
                Action::TimedOut => self.counters.unacknowledged += 1,
                Action::TransportFailed => self.counters.transport_failures += 1,
                Action::ToUser | Action::SendRequest | Action::SendAck => {}
            }
        }
    }

    fn send_last(&mut self, server: ServerKey) {
        let Some(entry) = self.tables.servers.get(server) else { return };
        let Some(bytes) = entry.last.clone() else { return };
        let (otherwise, server_name) = entry.otherwise.as_deref().cloned().unzip();
        let server_name = server_name.flatten();
        let answer = Datagram { otherwise, server_name, ..Datagram::back_along(entry.flow, bytes) };
        self.outputs.push_back(Output::Send(answer));
    }
}

/// RFC 3261 §18.2.2: when the connection of a request is gone, its response goes over another one to the
/// real source and the port of `sent-by`; over TLS to whoever proves the host of `sent-by`.
fn otherwise(flow: &Flow, request: &Message) -> Option<Box<Otherwise>> {
    flow.connection?;
    let via = request.top_via();
    let port = via.port().unwrap_or(default_port(flow.protocol));
    let name = match via.host() {
        Host::Name(name) => Some(Arc::from(name.to_ascii_lowercase())),
        Host::V4(_) | Host::V6(_) | Host::Absent => None,
    };
    Some(Box::new((SocketAddr::new(flow.remote.ip(), port), name)))
}

impl Datagram {
    /// A response: to the source it came from, over the connection it came over (RFC 3261 §18.2.2, RFC 3581
    /// §4).
    pub(super) fn back_along(flow: Flow, bytes: Bytes) -> Self {
        Self {
            protocol: flow.protocol,
            remote: flow.remote,
            local: Some(flow.local),
            connection: flow.connection,
            otherwise: None,
            server_name: None,
            bytes,
            token: None,
        }
    }
}
