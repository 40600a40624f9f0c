//! Client transactions: sending requests, matching responses, and doing what their machines say.

use std::sync::Arc;

use bytes::Bytes;
use slotmap::{Key, KeyData};

use super::Engine;
use super::context::BranchState;
use super::input::{Datagram, Output, SendToken};
use super::tables::{BranchRef, Client, ClientKey, ClientMachine, Destination, RunningTimers};
use super::timers::Alarm;
use crate::message::{Header, Message, Method, Via, ack_for, cancel_for};
use crate::proxy::{Branch, Target};
use crate::transaction::{
    Action, Actions, InviteClient, NonInviteClient, StatusClass, Timer, invite_client, non_invite_client,
};

impl Engine {
    /// Takes a slot for a client transaction, so that its branch can be minted before its request is written.
    pub(super) fn reserve_client(
        &mut self,
        invite: bool,
        destination: Destination,
        branch: Option<BranchRef>,
    ) -> (ClientKey, Actions) {
        let reliability = destination.protocol.reliability();
        let server_name = branch.and_then(|branch| self.branch(branch)?.server_name.clone());
        let (machine, actions) = if invite {
            let (machine, actions) = InviteClient::new(&self.settings.timers, reliability);
            (ClientMachine::Invite(machine), actions)
        } else {
            let (machine, actions) = NonInviteClient::new(&self.settings.timers, reliability);
            (ClientMachine::NonInvite(machine), actions)
        };
        let client = self.tables.clients.insert(Client {
            machine,
            request: Bytes::new(),
            destination,
            server_name,
            branch,
            ack: None,
            cancel: None,
            timers: RunningTimers::default(),
        });
        (client, actions)
    }

    /// Puts the request into its slot and sends it.
    pub(super) fn start_client(&mut self, client: ClientKey, request: Bytes, actions: Actions) {
        if let Some(entry) = self.tables.clients.get_mut(client) {
            entry.request = request;
        }
        self.do_client_actions(client, actions, None);
    }

    /// Sends CANCEL for an INVITE that has had a provisional response (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, invite: ClientKey, reason: &[u8]) {
        let Some(entry) = self.tables.clients.get(invite) else { return };
        let (destination, server_name) = (entry.destination, entry.server_name.clone());
        let Ok(sent) = Message::parse(entry.request.clone(), &self.settings.message) else { return };
        let reason = (!reason.is_empty()).then_some(reason);
        let bytes = cancel_for(&sent, reason);
        let (cancel, actions) = self.reserve_client(false, destination, None);
        if let Some(entry) = self.tables.clients.get_mut(invite) {
            entry.cancel = Some(cancel);
        }
        if let Some(entry) = self.tables.clients.get_mut(cancel) {
            entry.server_name = server_name;
        }
        self.counters.cancels_sent += 1;
        self.start_client(cancel, bytes, actions);
    }

    /// A response came. It is ours only if its top Via proves it; anything else is dropped (RFC 6026 §7.2).
    pub(super) fn on_response(&mut self, message: Message) {
        let Some(client) = self.client_of(&message) else {
            self.counters.stray_responses += 1;
            return;
        };
        // The Via below ours says where the response goes next; one that cannot be read leads nowhere.
        let below = message.values(Header::Via).nth(1);
        if below.is_some_and(|below| {
            !self.is_via_of_request(client, below.bytes) && Via::parse(below.bytes).is_err()
        }) {
            self.counters.malformed += 1;
            return;
        }
        let Some(status) = message.status() else { return };
        let Some(class) = StatusClass::of(status) else { return };
        let Some(entry) = self.tables.clients.get(client) else { return };
        let branch = entry.branch.and_then(|branch| self.branch(branch));
        let name = branch.and_then(|branch| branch.server_name.as_deref());
        let message = self.without_claims(message, &entry.destination, name);
        let Some(entry) = self.tables.clients.get_mut(client) else { return };
        if !self.hops.is_empty() {
            let Destination { protocol, remote, .. } = entry.destination;
            self.hops.heard(Target { protocol, remote }, self.now.moment);
        }
        let actions = match &mut entry.machine {
            ClientMachine::Invite(machine) => {
                machine.handle(invite_client::Event::Response(class), &self.settings.timers)
            }
            ClientMachine::NonInvite(machine) => {
                machine.handle(non_invite_client::Event::Response(class.into()), &self.settings.timers)
            }
        };
        self.do_client_actions(client, actions, Some(Arc::new(message)));
        // After a final response nothing is made of the request any more: the ACK, if any, has been. Only of
        // a branch that was given up each further 2xx is acknowledged from here.
        let branch = self.tables.clients.get(client).and_then(|entry| entry.branch);
        let given_up = branch
            .and_then(|branch| self.branch(branch))
            .is_some_and(|branch| matches!(branch.state, BranchState::Disowned(..)));
        if let Some(entry) = self.tables.clients.get_mut(client).filter(|_| status >= 200 && !given_up) {
            entry.request = Bytes::new();
        }
    }

    /// Whether that is the topmost Via of the request as it came to us, which was read then.
    fn is_via_of_request(&self, client: ClientKey, via: &[u8]) -> bool {
        let branch = self.tables.clients.get(client).and_then(|entry| entry.branch);
        let context = branch.and_then(|branch| self.tables.contexts.get(branch.context));
        context.is_some_and(|context| context.request.top_via().as_bytes() == via)
    }

    /// The transport of the transaction failed (RFC 3261 §18.4, §16.9: as if 503 had come).
    pub(super) fn on_send_failed(&mut self, token: SendToken) {
        let client = ClientKey::from(KeyData::from_ffi(token.0));
        let Some(entry) = self.tables.clients.get_mut(client) else { return };
        let actions = match &mut entry.machine {
            ClientMachine::Invite(machine) => {
                machine.handle(invite_client::Event::TransportError, &self.settings.timers)
            }
            ClientMachine::NonInvite(machine) => {
                machine.handle(non_invite_client::Event::TransportError, &self.settings.timers)
            }
        };
        self.do_client_actions(client, actions, None);
    }

    /// A timer of the transaction fired.
    pub(super) fn client_timer(&mut self, client: ClientKey, timer: Timer) {
        let Some(entry) = self.tables.clients.get_mut(client) else { return };
        entry.timers.clear(timer);
        let actions = match &mut entry.machine {
            ClientMachine::Invite(machine) => {
                machine.handle(invite_client::Event::Timer(timer), &self.settings.timers)
            }
            ClientMachine::NonInvite(machine) => {
                machine.handle(non_invite_client::Event::Timer(timer), &self.settings.timers)
            }
        };
        self.do_client_actions(client, actions, None);
    }

    /// Drops the transaction.
    pub(super) fn close_client(&mut self, client: ClientKey) {
        let Some(mut entry) = self.tables.clients.remove(client) else { return };
        for handle in entry.timers.drain() {
            self.timers.cancel(handle);
        }
        if let Some(branch) = entry.branch {
            self.forget_context_when_done(branch.context);
        }
    }

    fn client_of(&self, message: &Message) -> Option<ClientKey> {
        let via = message.top_via();
        let branch = Branch::verify(via.branch()?, &self.secret)?;
        let client = ClientKey::from(KeyData::from_ffi(branch.slot));
        let entry = self.tables.clients.get(client)?;
        match (message.method() == Method::Cancel, &entry.machine) {
            (true, _) => entry.cancel,
            (false, ClientMachine::Invite(_)) => (message.method() == Method::Invite).then_some(client),
            (false, ClientMachine::NonInvite(_)) => (message.method() != Method::Invite).then_some(client),
        }
    }

    fn do_client_actions(&mut self, client: ClientKey, actions: Actions, response: Option<Arc<Message>>) {
        for action in actions {
            match action {
                Action::SendRequest => self.send_request(client),
                Action::SendAck => self.send_ack(client, response.as_deref()),
                Action::ToUser => {
                    let branch = self.tables.clients.get(client).and_then(|entry| entry.branch);
                    match (branch, response.clone()) {
                        (Some(branch), Some(response)) => self.on_branch_response(branch, response),
                        (None, Some(response)) => {
                            self.on_probe_response(client, response.status().unwrap_or_default());
                        }
                        (_, None) => {}
                    }
                }
                Action::Set(timer, after) => {
                    let handle = self.timers.insert(self.now.moment + after, Alarm::Client(client, timer));
                    let replaced =
                        self.tables.clients.get_mut(client).and_then(|entry| entry.timers.set(timer, handle));
                    if let Some(replaced) = replaced {
                        self.timers.cancel(replaced);
                    }
                }
                Action::Clear(timer) => {
                    let cleared =
                        self.tables.clients.get_mut(client).and_then(|entry| entry.timers.clear(timer));
                    if let Some(handle) = cleared {
                        self.timers.cancel(handle);
                    }
                }
                Action::TimedOut => self.on_branch_silent(client, 408),
                Action::TransportFailed => {
                    self.counters.transport_failures += 1;
                    self.on_branch_silent(client, 503);
                }
                Action::Terminated => self.close_client(client),
                Action::SendResponse => {}
            }
        }
    }

    fn send_request(&mut self, client: ClientKey) {
        let Some(entry) = self.tables.clients.get(client) else { return };
        let (bytes, server_name) = (entry.request.clone(), entry.server_name.clone());
        let token = Some(SendToken(client.data().as_ffi()));
        self.send_to(entry.destination, server_name, bytes, token);
    }

    fn send_ack(&mut self, client: ClientKey, response: Option<&Message>) {
        let Some(entry) = self.tables.clients.get_mut(client) else { return };
        if let Some(response) = response
            && entry.ack.is_none()
            && let Ok(sent) = Message::parse(entry.request.clone(), &self.settings.message)
        {
            entry.ack = Some(ack_for(&sent, response));
        }
        let (destination, server_name) = (entry.destination, entry.server_name.clone());
        if let Some(ack) = entry.ack.clone() {
            self.send_to(destination, server_name, ack, None);
        }
    }

    /// Sends octets to a destination, over TLS only to whoever proves `server_name`.
    pub(super) fn send_to(
        &mut self,
        destination: Destination,
        server_name: Option<Arc<str>>,
        bytes: Bytes,
        token: Option<SendToken>,
    ) {
        self.outputs.push_back(Output::Send(Datagram {
            protocol: destination.protocol,
            remote: destination.remote,
            local: None,
            connection: destination.connection,
            otherwise: None,
            server_name,
            bytes,
            token,
        }));
    }
}
