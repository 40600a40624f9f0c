//! Transfers that we carry out ourselves, of calls that we anchor: by the command `call.transfer`, or for a
//! REFER of the handler's phone (RFC 3515), which then never goes to the caller's trunk. The receiver is
//! invited by us, and when they answer the caller's media move there by re-INVITE.

use super::Engine;
use super::anchor::{Bridge, Side};
use super::call::{Call, Phase};
use super::context::Purpose;
use super::deciding::with_user;
use super::input::{Audit, Output};
use super::passing::{Means, Transfer};
use super::people::{gone, not_found};
use super::pop::Redraw;
use super::port::{Answer, ErrorCode, Refusal};
use super::referring::ReferTo;
use super::tables::{CallKey, ServerKey};
use crate::dialog::Outgoing;
use crate::message::Message;
use crate::presence::{AgentId, CallId};
use crate::routing::OfferReason;
use slotmap::Key;

/// A transfer as an agent asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferWish {
    /// An agent's id, or a number for the PBX.
    pub to: String,
    /// Talk with the receiver first.
    pub consult: bool,
    /// For the receiver.
    pub note: Option<String>,
}

/// Who gets a call.
enum Receiver {
    Agent(AgentId),
    /// By the default route, with this Request-URI.
    Pbx(Option<String>),
}

impl Engine {
    /// The agent passes their call on.
    ///
    /// # Errors
    ///
    /// `transfer_limit` for one transfer too many, `pbx_refused` when only the phone can do it (the note is
    /// kept for the receiver all the same), `unavailable` when the receiver is not free, `validation` for a
    /// receiver that cannot be one, and as for every command about a card.
    pub(super) fn transfer_call(
        &mut self,
        agent: &AgentId,
        call: &CallId,
        rev: u32,
        wish: TransferWish,
    ) -> Result<Answer, Refusal> {
        let key = self.held_by(agent, call, Some(rev))?;
        let entry = self.tables.calls.get(key).ok_or_else(not_found)?;
        if !matches!(&entry.phase, Phase::Answered(it) if it.agent.as_ref() == Some(agent)) {
            return Err(gone());
        }
        let to = self.directory.agents.get(&AgentId::new(wish.to.as_str())).map(|it| it.id.clone());
        let transfer = Transfer::new(Some(agent.clone()), to.clone(), wish.to.clone(), Means::Server);
        if !self.may_pass_on(key) {
            self.refuse_transfer(key, &transfer);
            return Err(self.over_limit(key));
        }
        let number = !wish.to.is_empty() && wish.to.bytes().all(|octet| octet.is_ascii_digit());
        if to.as_ref() == Some(agent) || (to.is_none() && !number) {
            return Err(Refusal::of(
                ErrorCode::Validation,
                "転送先が正しくありません",
                "There is no such receiver",
            ));
        }
        let talks = self.anchor(key).is_some_and(|anchor| anchor.bridge == Bridge::Talking);
        if !talks || wish.consult {
            self.keep_note(key, agent, wish.note);
            return Err(by_phone(wish.consult));
        }
        let receiver = match to {
            Some(to) if self.agents.offerable(&to).is_err() => return Err(not_free()),
            Some(to) => Receiver::Agent(to),
            None => Receiver::Pbx(self.uri_of_number(key, &wish.to)),
        };
        self.keep_note(key, agent, wish.note);
        self.begin_transfer(key, transfer);
        self.invite_receiver(key, receiver, false);
        let rev = self.tables.calls.get(key).map(|entry| entry.rev);
        Ok(Answer::Passing { rev, means: Means::Server.code() })
    }

    /// A supervisor allows one more transfer of a call (M095); the audit says who.
    ///
    /// # Errors
    ///
    /// `not_found` when there is no such call.
    pub(super) fn grant_transfer(&mut self, call: &CallId, user: String) -> Result<Answer, Refusal> {
        let key = self.tables.call_by_id(call).ok_or_else(not_found)?;
        let entry = self.tables.calls.get_mut(key).ok_or_else(not_found)?;
        if matches!(entry.phase, Phase::Over(_)) {
            return Err(gone());
        }
        let passed = entry.passed.get_or_insert_default();
        passed.granted = passed.granted.saturating_add(1);
        let (count, granted) = (passed.count, passed.granted);
        let limit = self.tables.calls.get(key).map_or(0, |entry| self.transfer_limit(entry));
        self.outputs.push_back(Output::Audit(Box::new(Audit {
            user,
            action: "transfer.grant",
            subject: call.as_str().to_owned(),
            detail: format!("{{\"count\":{count},\"granted\":{granted},\"limit\":{limit}}}"),
            at: self.now.wall,
        })));
        let rev = self.redraw(key, Redraw::Updated);
        Ok(Answer::Done { rev })
    }

    fn over_limit(&self, call: CallKey) -> Refusal {
        let limit = self.tables.calls.get(call).map_or(0, |entry| self.transfer_limit(entry));
        Refusal::of(
            ErrorCode::TransferLimit,
            &format!("転送は{limit}回までです。管理者の承認が必要です"),
            &format!("No more than {limit} transfers of a call; a supervisor can allow another"),
        )
    }

    fn keep_note(&mut self, call: CallKey, agent: &AgentId, note: Option<String>) {
        let Some(note) = note else { return };
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let passed = entry.passed.get_or_insert_default();
        passed.note = Some(note);
        passed.via = Some(agent.clone());
    }

    fn uri_of_number(&self, call: CallKey, number: &str) -> Option<String> {
        let context = self.tables.contexts.get(self.anchor(call)?.context)?;
        with_user(context.request.request_uri(), number)
    }

    /// A REFER of the handler's phone in an anchored dialog: answered and carried out here. `false` when it
    /// is no transfer, and goes over to the other leg as it came.
    pub(super) fn on_anchored_refer(&mut self, call: CallKey, server: ServerKey, message: &Message) -> bool {
        let Some(refer) = ReferTo::of(message) else { return false };
        let mut transfer = self.transfer_by(call, &refer, Means::Server);
        if !self.may_pass_on(call) {
            self.refuse_transfer(call, &transfer);
            self.refuse_refer(call, server);
            return true;
        }
        if let Some(value) = &refer.replaces_value {
            transfer.headers.push(("Replaces".to_owned(), value.clone()));
            transfer.headers.push(("Require".to_owned(), b"replaces".to_vec()));
        }
        if let Some(value) = message.header_named(b"Referred-By") {
            transfer.headers.push(("Referred-By".to_owned(), value.to_vec()));
        }
        transfer.refer = Some(message.cseq());
        let attended = refer.replaces_value.is_some();
        let receiver = match &transfer.to {
            Some(to) => Receiver::Agent(to.clone()),
            None => Receiver::Pbx(String::from_utf8(refer.uri).ok()),
        };
        let contact = self.leg(call, Side::Agent).map(|leg| leg.contact.clone()).unwrap_or_default();
        self.respond_status(server, 202, &[("Contact", contact.as_bytes())]);
        let refer = transfer.refer;
        self.begin_transfer(call, transfer);
        self.notify_sender(call, refer, 100);
        self.invite_receiver(call, receiver, attended);
        true
    }

    /// Our INVITE goes to the receiver. Who has talked with the sender already is not asked on a screen.
    fn invite_receiver(&mut self, call: CallKey, receiver: Receiver, attended: bool) {
        let Some(context) = self.anchor(call).map(|anchor| anchor.context) else { return };
        self.swap_in(call, context);
        match receiver {
            Receiver::Agent(to) if !attended && self.agents.offerable(&to).is_ok() => {
                self.offer(call, to, Vec::new(), OfferReason::Transferred, "transfer");
            }
            Receiver::Agent(to) => self.ring_receiver(call, &to),
            Receiver::Pbx(uri) => {
                let hops = self.route_hops();
                self.send_past_offers(call, hops, uri);
            }
        }
    }

    /// NOTIFY for the sender's REFER (RFC 3515 §2.4.4). Nothing is made of its answer.
    pub(super) fn notify_sender(&mut self, call: CallKey, refer: Option<u32>, status: u16) {
        let Some(number) = refer else { return };
        let branch = self.random_bits() as u64;
        let Some(leg) = self.leg_mut(call, Side::Agent).filter(|leg| !leg.over) else { return };
        let event = format!("refer;id={number}");
        let (state, body) = match status {
            100..=199 => ("active;expires=60", "SIP/2.0 100 Trying\r\n"),
            200..=299 => ("terminated;reason=noresource", "SIP/2.0 200 OK\r\n"),
            _ => ("terminated;reason=noresource", "SIP/2.0 480 Temporarily Unavailable\r\n"),
        };
        let extra: [(&str, &[u8]); 3] = [
            ("Contact", leg.contact.as_bytes()),
            ("Event", event.as_bytes()),
            ("Subscription-State", state.as_bytes()),
        ];
        let body = Some((&b"message/sipfrag;version=2.0"[..], body.as_bytes()));
        let cseq = leg.dialog.next_cseq();
        let outgoing =
            Outgoing { method: "NOTIFY", cseq, branch, extra: &extra, body, ..Outgoing::default() };
        let (bytes, next) = (leg.dialog.write(&outgoing), leg.dialog.next_uri());
        self.counters.own_requests += 1;
        self.send_own(bytes, &next, ServerKey::null(), Purpose::Parting);
    }

    /// The receiver has answered: the sender's dialog has done its part.
    pub(super) fn retire_sender(&mut self, call: CallKey) {
        let refer = self.tables.calls.get(call).and_then(Call::transfer).and_then(|it| it.refer);
        self.notify_sender(call, refer, 200);
        let Some(leg) = self.anchor_mut(call).and_then(|anchor| anchor.agent.take()) else { return };
        self.tables.dialogs.remove(leg.dialog.local_tag());
        for handle in leg.timers() {
            self.timers.cancel(handle);
        }
        self.uncarry(call, &leg);
        if !leg.over {
            self.end_leg(leg);
        }
    }

    /// The sender's BYE in an anchored call while somebody else is being asked: the caller stays.
    pub(super) fn hung_up_in_transfer(&mut self, call: CallKey, side: Side) -> bool {
        let sender = self.tables.calls.get(call).and_then(Call::sender);
        let Some(tag) = sender.filter(|_| side == Side::Agent).map(|from| from.tag.clone()) else {
            return false;
        };
        if self.sender_hung_up(call, [Some(tag.as_slice()), None]) {
            self.retire_sender(call);
            self.play_again(call);
        }
        true
    }

    /// An anchored call ends while somebody is being asked to take it over. `true` when nobody has it.
    pub(super) fn end_transfer(&mut self, call: CallKey) -> bool {
        let Some(transfer) = self.tables.calls.get_mut(call).and_then(Call::transfer_mut) else {
            return false;
        };
        // Nobody else is looked for any more.
        let left = std::mem::take(&mut transfer.left);
        self.transfer_failed(call, "ended");
        left
    }

    /// The sender has hung up and the receiver cannot be had: the caller, who is still there, is taken to
    /// whom the routing finds, as a call that has just come.
    pub(super) fn find_somebody_else(&mut self, call: CallKey) {
        self.cancel_leg(call, super::legs::NO_LONGER);
        let Some(context) = self.anchor(call).map(|anchor| anchor.context) else { return };
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        entry.phase = Phase::Deciding(context);
        entry.tried.clear();
        self.decide_next(call);
    }
}

fn by_phone(consult: bool) -> Refusal {
    let (ja, en) = if consult {
        (
            "相談転送は電話機で行ってください。メモは転送先に届きます",
            "Consult on the phone; the note reaches the receiver",
        )
    } else {
        (
            "この通話の転送は電話機で行ってください。メモは転送先に届きます",
            "This call is transferred on the phone; the note reaches the receiver",
        )
    };
    Refusal::of(ErrorCode::PbxRefused, ja, en)
}

fn not_free() -> Refusal {
    Refusal::of(
        ErrorCode::Unavailable,
        "転送先はいま電話を受けられません",
        "The receiver cannot take a call now",
    )
}
