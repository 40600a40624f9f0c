//! Callers who are to be called back (P3): by their own key, by a rule, at the limit of their time, or
//! because they gave up while something was open. The callback is noted first, and only then is the caller
//! told so and let go.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::anchor::{Bridge, Port};
use super::call::{Call, Phase};
use super::input::Output;
use super::people::BOARD;
use super::tables::CallKey;
use super::timers::Alarm;
use crate::callback::{Book, Callback, CallbackId, CallbackState, Source};
use crate::events::{Audience, EndReason, Event, EventBody, ParkEnd, WithdrawCause};
use crate::identity::{Number, NumberKind, Presentation};
use crate::media::{Announcement, Digit, StreamId};
use crate::park::{ParkMode, Profile};

/// RFC 3326: why a phone stops ringing.
const CALLED_BACK: &[u8] = b"SIP;cause=487;text=\"The caller will be called back\"";

/// Who changes a callback without a person's doing.
const SYSTEM: &str = "system";

/// What was noted in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The callback.
    pub id: CallbackId,
    /// What it came from.
    pub source: Source,
    /// How the caller is told, when no music plays yet.
    pub mode: Option<ParkMode>,
}

impl Noted {
    /// Whether the call ends with it. A caller who gave up has ended the call themselves.
    pub fn ends_call(&self) -> bool {
        self.source != Source::Abandoned
    }
}

impl Engine {
    /// Whether this caller can be called back.
    ///
    /// # Errors
    /// Why not, for the trace.
    pub(super) fn may_call_back(&self, call: &Call) -> Result<(), &'static str> {
        let number = callable(call)?;
        if call.line.is_none() || call.emergency {
            return Err("the called number is no line");
        }
        let line = call.line.as_ref().map(|line| line.number.as_str());
        let known = number.e164.as_ref().and_then(|e164| self.callbacks.same(e164, line, Source::Digit));
        let full = known.is_none() && self.callbacks.len() >= self.settings.park.callback.open;
        if full { Err("as many callbacks are open as may be") } else { Ok(()) }
    }

    /// A caller who hears music pressed a key.
    pub(super) fn pressed(&mut self, stream: StreamId, digit: Digit) {
        let call = self.call_of(stream);
        let waits = self.anchor(call).is_some_and(|anchor| anchor.bridge == Bridge::Waiting);
        let heard = self.lot.waiter(call).is_some_and(|waiter| {
            waiter.profile.key == Some(digit) && waiter.profile.takes_key(waiter.stage.mode)
        });
        if !waits || !heard || self.says_goodbye(call) {
            return;
        }
        self.call_back(call, Source::Digit, None);
    }

    /// Whether the caller is told to press the key.
    pub(super) fn may_press(&self, call: CallKey) -> bool {
        let takes = |waiter: &crate::park::Waiter<CallKey>| waiter.profile.takes_key(waiter.stage.mode);
        self.lot.waiter(call).is_some_and(takes)
            && self.tables.calls.get(call).is_some_and(|entry| self.may_call_back(entry).is_ok())
    }

    /// Whether a callback was noted, so that the call only ends.
    pub(super) fn says_goodbye(&self, call: CallKey) -> bool {
        let noted = self.tables.calls.get(call).and_then(|entry| entry.noted.as_ref());
        noted.is_some_and(Noted::ends_call)
    }

    /// A rule wants the caller called back: they are told so where they can hear it.
    pub(super) fn call_back_by_rule(&mut self, call: CallKey) {
        let mode = self.hears_in(call);
        if !self.call_back(call, Source::Rule, mode) {
            self.route_default(call);
        }
    }

    /// Notes the callback, takes the call from whoever it is offered to, tells the caller and ends the call;
    /// `false`, and nothing happens, when this caller cannot be called back.
    pub(super) fn call_back(&mut self, call: CallKey, source: Source, mode: Option<ParkMode>) -> bool {
        let Some(id) = self.note_callback(call, source) else {
            self.counters.callbacks_refused += 1;
            return false;
        };
        if let Some(entry) = self.tables.calls.get_mut(call) {
            tracing::info!(call.id = %entry.id, source = source.code(), "the caller will be called back");
            entry.noted = Some(Noted { id, source, mode });
        }
        self.take_back_others(call, None, WithdrawCause::Policy, CALLED_BACK);
        self.leave_lot(call, ParkEnd::Callback, None);
        let port = self.anchor(call).map(|anchor| anchor.port);
        match (port, mode) {
            (Some(Port::Open(_)), _) => self.say_noted(call),
            // They are told when the port is open.
            (Some(Port::Asked), _) => {}
            (None, Some(_)) => self.open_port(call),
            (None, None) | (Some(Port::Closed), _) => self.goodbye(call),
        }
        true
    }

    /// The caller hears that the callback is noted; when that was said, or should have been, the call ends.
    pub(super) fn say_noted(&mut self, call: CallKey) {
        self.music_over(call);
        self.announce(call, Announcement::CallbackNoted);
        let by = self.now.moment + self.settings.park.callback.say_within;
        let handle = self.timers.insert(by, Alarm::Goodbye(call));
        let timers = self.tables.calls.get_mut(call).map(|entry| &mut entry.timers);
        let before = timers.and_then(|timers| timers.goodbye.replace(handle));
        if let Some(before) = before {
            self.timers.cancel(before);
        }
    }

    /// Everything that was to be said to this caller was said.
    pub(super) fn said(&mut self, stream: StreamId) {
        let call = self.call_of(stream);
        let told = self.tables.calls.get(call).is_some_and(|entry| entry.timers.goodbye.is_some());
        if told {
            self.goodbye(call);
        }
    }

    /// Ends the call: BYE to a caller who was answered, otherwise the final response of the house.
    pub(super) fn goodbye(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        let (context, timer) = (entry.phase.context(), entry.timers.goodbye.take());
        if let Some(handle) = timer {
            self.timers.cancel(handle);
        }
        let Some(context) = context else { return };
        if self.anchor(call).is_some_and(|anchor| anchor.answered) {
            self.finish_call(call, EndReason::Callback);
        } else {
            self.answer_upstream(context, self.settings.park.callback.status);
        }
    }

    /// There is no port for a caller who was to be told: the call ends without.
    pub(super) fn goodbye_unheard(&mut self, call: CallKey) -> bool {
        let silent = self.says_goodbye(call);
        if silent {
            self.goodbye(call);
        }
        silent
    }

    /// How a caller is told something who hears nothing yet; `None` when they cannot be.
    fn hears_in(&self, call: CallKey) -> Option<ParkMode> {
        let context = self.tables.contexts.get(self.tables.calls.get(call)?.phase.context()?)?;
        let profile: Arc<Profile> = self.profile_of(context);
        let (mode, _) = profile.modes.iter().find(|(mode, _)| *mode != ParkMode::Ringing)?;
        self.can_hear(&context.request).is_some().then_some(*mode)
    }

    /// A caller who waited has given up. With something open, somebody is to call them (M101).
    pub(super) fn follow_up(&mut self, call: CallKey) {
        let Some(entry) = self.tables.calls.get(call) else { return };
        let open = self.open_facts(entry);
        if entry.noted.is_some() || !(open.callback || open.case.is_some()) {
            return;
        }
        if let Some(id) = self.note_callback(call, Source::Abandoned)
            && let Some(entry) = self.tables.calls.get_mut(call)
        {
            entry.noted = Some(Noted { id, source: Source::Abandoned, mode: None });
        }
    }

    /// Keeps that the caller is to be called back, once for each number and line: who asks again is not
    /// called twice.
    fn note_callback(&mut self, call: CallKey, source: Source) -> Option<CallbackId> {
        let entry = self.tables.calls.get(call)?;
        self.may_call_back(entry).ok()?;
        let number = callable(entry).ok()?;
        let (e164, shown) = (number.e164.clone()?, number.national.clone());
        let line = entry.line.as_ref()?;
        let customer = entry.customer.card().map(|card| card.id.clone());
        let person = self.looks_after(entry).map(|(agent, _)| agent);
        let now = self.now.wall;
        let known = self.callbacks.same(&e164, Some(&line.number), source).cloned();
        let callback = match known {
            Some(known) => Callback {
                asked: known.asked.saturating_add(1),
                asked_at: now,
                customer: known.customer.clone().or(customer),
                person: known.person.clone().or(person),
                ..known
            },
            None => Callback {
                // The same bits as the call's: one call asks once.
                id: super::ids::callback_id(entry.bits),
                state: CallbackState::Requested,
                source,
                call: entry.id.clone(),
                customer,
                number: e164,
                shown,
                verified: entry.caller.asserted,
                line: Some(line.number.clone()),
                client: Some(line.client.clone()),
                group: line.group.clone(),
                person,
                requested_at: now,
                asked: 1,
                asked_at: now,
                window: None,
                promised_by: None,
                ended_at: None,
                ended_by: None,
            },
        };
        let id = callback.id.clone();
        self.counters.callbacks_noted += 1;
        self.keep_callback(callback, SYSTEM, EventBody::CallbackCreated);
        Some(id)
    }

    /// Puts a callback into the book, has it stored, and tells who is to know.
    pub(super) fn keep_callback(
        &mut self,
        callback: Callback,
        user: &str,
        tells: impl FnOnce(Arc<Callback>) -> EventBody,
    ) {
        if self.callbacks.put(callback.clone(), usize::MAX).is_err() {
            return;
        }
        let callback = Arc::new(callback);
        let user = user.to_owned();
        self.outputs.push_back(Output::StoreCallback { callback: Arc::clone(&callback), user });
        self.tell_callback(&callback, tells(Arc::clone(&callback)));
    }

    /// Tells whoever is to call, and the supervisors of the line. Also while no screen is open: a snapshot
    /// later on shows what is open.
    pub(super) fn tell_callback(&mut self, callback: &Callback, body: EventBody) {
        let mut audience: Vec<Audience> = callback.person.clone().map(Audience::Agent).into_iter().collect();
        match &callback.group {
            Some(group) => audience.push(Audience::Team(group.clone())),
            None => audience.push(Audience::Board(BOARD.to_owned())),
        }
        self.outputs.push_back(Output::Event(Event {
            at: self.now.wall,
            call: Some(callback.call.clone()),
            rev: None,
            audience,
            expires: None,
            body,
        }));
    }

    /// What is open with the caller of this call.
    pub(super) fn callbacks_of(&self, call: &Call) -> Vec<&Callback> {
        let book: &Book = &self.callbacks;
        if book.is_empty() {
            return Vec::new();
        }
        let number = callable(call).ok().and_then(|number| number.e164.as_deref());
        book.of(number, call.customer.card().map(|card| &card.id))
    }

    /// Whether a call that ends now ends with a callback.
    pub(super) fn end_of(entry: &Call, reason: EndReason) -> EndReason {
        let talked = matches!(entry.phase, Phase::Answered(_));
        let noted = entry.noted.as_ref().is_some_and(Noted::ends_call);
        if noted && !talked { EndReason::Callback } else { reason }
    }
}

/// The number that a caller can be called back on. Premium and foreign numbers cost what their owner likes,
/// and 0570 and 0120 are nobody's own telephone.
fn callable(call: &Call) -> Result<&Number, &'static str> {
    let number = match &call.caller.presentation {
        Presentation::Number(number) => number,
        Presentation::Withheld
        | Presentation::Payphone
        | Presentation::OutOfArea
        | Presentation::ServiceConflict
        | Presentation::Error => return Err("the caller's number is not known"),
    };
    let kind = match number.kind {
        NumberKind::Fixed | NumberKind::Mobile | NumberKind::IpPhone => true,
        NumberKind::Freephone
        | NumberKind::NaviDial
        | NumberKind::Premium
        | NumberKind::Pager
        | NumberKind::Emergency
        | NumberKind::Service
        | NumberKind::Extension
        | NumberKind::Foreign
        | NumberKind::Unknown => false,
    };
    if kind && number.e164.is_some() { Ok(number) } else { Err("such a number is not called back") }
}
