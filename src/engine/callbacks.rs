//! Open callbacks as people work on them: promised, due, tried, done.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::people::not_found;
use super::port::{Answer, CallbackChange, ErrorCode, Refusal};
use super::timers::Alarm;
use crate::callback::{Callback, CallbackId, CallbackState, Step};
use crate::clock::Moment;
use crate::events::EventBody;
use crate::presence::AgentId;

/// Callbacks from before the start that screens are told of, the oldest: the list has them all.
const TOLD: usize = 500;

impl Engine {
    /// All that are open, those of one agent when one is named; oldest first.
    pub(super) fn open_callbacks(&self, of: Option<&AgentId>) -> Answer {
        let wanted = |callback: &&Callback| of.is_none_or(|agent| callback.person.as_ref() == Some(agent));
        let mut open: Vec<Callback> = self.callbacks.all().filter(wanted).cloned().collect();
        open.sort_by(|one, other| (one.requested_at, &one.id).cmp(&(other.requested_at, &other.id)));
        Answer::Callbacks(open)
    }

    /// One open callback.
    ///
    /// # Errors
    /// `not_found` when none of this id is open.
    pub(super) fn open_callback(&self, id: &CallbackId) -> Result<Answer, Refusal> {
        let callback = self.callbacks.get(id).cloned().ok_or_else(not_found)?;
        Ok(Answer::Callbacks(vec![callback]))
    }

    /// Somebody works on a callback.
    ///
    /// # Errors
    /// `not_found`, `conflict` for a step that its state does not have, `validation` for a window that cannot
    /// be promised or an agent there is not.
    pub(super) fn change_callback(
        &mut self,
        id: &CallbackId,
        change: CallbackChange,
        of: Option<&AgentId>,
        user: &str,
    ) -> Result<Answer, Refusal> {
        let own = |callback: &&Callback| of.is_none_or(|agent| callback.person.as_ref() == Some(agent));
        let mut callback = self.callbacks.get(id).filter(own).cloned().ok_or_else(not_found)?;
        match change {
            CallbackChange::Assign(agent) => {
                if !self.directory.agents.contains_key(&agent) {
                    return Err(Refusal::of(
                        ErrorCode::Validation,
                        "担当者が見つかりません",
                        "No such agent",
                    ));
                }
                callback.person = Some(agent);
            }
            CallbackChange::Promise(window) => {
                window.check(self.now.wall).map_err(|fault| {
                    Refusal::of(ErrorCode::Validation, "ご希望の時間帯が正しくありません", &fault.to_string())
                })?;
                callback.state = after(&callback, Step::Promise)?;
                callback.window = Some(window);
                callback.promised_by = Some(user.to_owned());
            }
            CallbackChange::Step(step) => callback.state = after(&callback, step)?,
        }
        if !callback.state.is_open() {
            callback.ended_at = Some(self.now.wall);
            callback.ended_by = Some(user.to_owned());
        }
        let tells = match callback.state {
            CallbackState::Done | CallbackState::Cancelled => EventBody::CallbackDone,
            CallbackState::Failed => EventBody::CallbackFailed,
            CallbackState::Draft
            | CallbackState::ApprovalPending
            | CallbackState::Approved
            | CallbackState::Denied
            | CallbackState::Requested
            | CallbackState::Promised
            | CallbackState::Due(_)
            | CallbackState::Attempting(_) => EventBody::CallbackCreated,
        };
        self.keep_callback(callback.clone(), user, tells);
        self.watch_callbacks();
        Ok(Answer::Callbacks(vec![callback]))
    }

    /// Callbacks from before the start.
    pub(super) fn on_callbacks_before(&mut self, callbacks: Vec<Callback>) {
        let mut told = 0;
        for callback in callbacks {
            let known = self.callbacks.get(&callback.id).is_some();
            if known || self.callbacks.put(callback.clone(), self.settings.park.callback.open).is_err() {
                continue;
            }
            told += 1;
            if told <= TOLD {
                let body = EventBody::CallbackCreated(Arc::new(callback.clone()));
                self.tell_callback(&callback, body);
            }
        }
        self.watch_callbacks();
    }

    /// The time that was promised has begun.
    pub(super) fn callbacks_due(&mut self) {
        self.callback_alarm = None;
        let now = self.now.wall;
        let begun = |callback: &&Callback| {
            callback.state == CallbackState::Promised
                && callback.window.is_some_and(|window| window.start <= now)
        };
        let due: Vec<Callback> = self.callbacks.all().filter(begun).cloned().collect();
        for mut callback in due {
            if let Ok(state) = callback.state.after(Step::Begin) {
                callback.state = state;
                self.keep_callback(callback, "system", EventBody::CallbackDue);
            }
        }
        self.watch_callbacks();
    }

    /// Sets the one alarm for the promise that begins next.
    fn watch_callbacks(&mut self) {
        let promised = |callback: &&Callback| callback.state == CallbackState::Promised;
        let starts = self.callbacks.all().filter(promised).filter_map(|it| Some(it.window?.start));
        let next = starts.min().map(|start| {
            let wait = start.duration_since(self.now.wall);
            // Never at once: what is due now is done, and a moment is coarser than a time of day.
            self.now.moment + Duration::try_from(wait).unwrap_or_default().max(Duration::from_millis(1))
        });
        if let Some((at, handle)) = self.callback_alarm.take() {
            if Some(at) == next {
                self.callback_alarm = Some((at, handle));
                return;
            }
            self.timers.cancel(handle);
        }
        self.callback_alarm = next.map(|at: Moment| (at, self.timers.insert(at, Alarm::Callback)));
    }
}

fn after(callback: &Callback, step: Step) -> Result<CallbackState, Refusal> {
    callback.state.after(step).map_err(|refused| {
        Refusal::of(ErrorCode::Conflict, "この折り返しはその状態にできません", &refused.to_string())
    })
}
