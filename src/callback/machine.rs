//! How far a callback has come. A proposal of an agent begins as a draft and needs an approval; what the
//! customer asks for begins at `requested`, needs none, and has no promised time until somebody who may
//! promise it does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Calls in vain after which a callback has failed.
pub const ATTEMPTS: u32 = 3;

/// Where a callback stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "state", content = "attempts", rename_all = "snake_case")]
pub enum CallbackState {
    /// An agent writes it.
    Draft,
    /// Somebody must grant it.
    ApprovalPending,
    /// It may be promised.
    Approved,
    /// It may not be promised.
    Denied,
    /// The customer asked for it; no time was promised.
    Requested,
    /// A time was promised and read back.
    Promised,
    /// It is time to call, so many calls in vain behind it.
    Due(u32),
    /// Somebody calls, for so many times.
    Attempting(u32),
    /// The customer was reached.
    Done,
    /// The customer was not reached.
    Failed,
    /// It is not wanted any more.
    Cancelled,
}

/// What happens to a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The draft is handed in for approval.
    Submit,
    /// It is granted.
    Approve,
    /// It is denied.
    Deny,
    /// A time is promised.
    Promise,
    /// The promised time has begun.
    Begin,
    /// Somebody calls.
    Attempt,
    /// Nobody answered.
    NoAnswer,
    /// The matter is settled.
    Finish,
    /// The customer will not be reached.
    Fail,
    /// It is not wanted any more.
    Cancel,
}

/// A step that a state does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a callback that is {from} takes no such step")]
pub struct Refused {
    /// The state.
    pub from: CallbackState,
}

impl CallbackState {
    /// The state after the step.
    ///
    /// # Errors
    /// [`Refused`]; nothing happens then.
    pub fn after(self, step: Step) -> Result<Self, Refused> {
        let next = match (self, step) {
            (Self::Draft, Step::Submit) => Some(Self::ApprovalPending),
            (Self::ApprovalPending, Step::Approve) => Some(Self::Approved),
            (Self::ApprovalPending, Step::Deny) => Some(Self::Denied),
            // A time may be promised anew as long as nobody calls.
            (Self::Approved | Self::Requested | Self::Promised | Self::Due(_), Step::Promise) => {
                Some(Self::Promised)
            }
            (Self::Promised, Step::Begin) => Some(Self::Due(0)),
            (Self::Requested | Self::Promised, Step::Attempt) => Some(Self::Attempting(1)),
            (Self::Due(tries), Step::Attempt) => Some(Self::Attempting(tries + 1)),
            (Self::Attempting(tries), Step::NoAnswer) if tries >= ATTEMPTS => Some(Self::Failed),
            (Self::Attempting(tries), Step::NoAnswer) => Some(Self::Due(tries)),
            // Who was called without a word to us was called all the same.
            (Self::Requested | Self::Promised | Self::Due(_) | Self::Attempting(_), Step::Finish) => {
                Some(Self::Done)
            }
            (Self::Requested | Self::Promised | Self::Due(_) | Self::Attempting(_), Step::Fail) => {
                Some(Self::Failed)
            }
            (state, Step::Cancel) if state.is_open() => Some(Self::Cancelled),
            (
                Self::Draft
                | Self::ApprovalPending
                | Self::Approved
                | Self::Denied
                | Self::Requested
                | Self::Promised
                | Self::Due(_)
                | Self::Attempting(_)
                | Self::Done
                | Self::Failed
                | Self::Cancelled,
                Step::Submit
                | Step::Approve
                | Step::Deny
                | Step::Promise
                | Step::Begin
                | Step::Attempt
                | Step::NoAnswer
                | Step::Finish
                | Step::Fail
                | Step::Cancel,
            ) => None,
        };
        next.ok_or(Refused { from: self })
    }

    /// Whether something is still to be done.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Draft
            | Self::ApprovalPending
            | Self::Approved
            | Self::Requested
            | Self::Promised
            | Self::Due(_)
            | Self::Attempting(_) => true,
            Self::Denied | Self::Done | Self::Failed | Self::Cancelled => false,
        }
    }

    /// The word on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::ApprovalPending => "approval_pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Requested => "requested",
            Self::Promised => "promised",
            Self::Due(_) => "due",
            Self::Attempting(_) => "attempting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Calls so far, the one under way included.
    pub const fn attempts(self) -> u32 {
        match self {
            Self::Due(tries) | Self::Attempting(tries) => tries,
            Self::Draft
            | Self::ApprovalPending
            | Self::Approved
            | Self::Denied
            | Self::Requested
            | Self::Promised
            | Self::Done
            | Self::Failed
            | Self::Cancelled => 0,
        }
    }
}

impl fmt::Display for CallbackState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [CallbackState; 14] = [
        CallbackState::Draft,
        CallbackState::ApprovalPending,
        CallbackState::Approved,
        CallbackState::Denied,
        CallbackState::Requested,
        CallbackState::Promised,
        CallbackState::Due(0),
        CallbackState::Due(2),
        CallbackState::Attempting(1),
        CallbackState::Attempting(2),
        CallbackState::Attempting(ATTEMPTS),
        CallbackState::Done,
        CallbackState::Failed,
        CallbackState::Cancelled,
    ];

    const STEPS: [Step; 10] = [
        Step::Submit,
        Step::Approve,
        Step::Deny,
        Step::Promise,
        Step::Begin,
        Step::Attempt,
        Step::NoAnswer,
        Step::Finish,
        Step::Fail,
        Step::Cancel,
    ];

    /// One row for each state, one column for each step in the order of [`STEPS`]; a dot refuses.
    const TABLE: [&str; 14] = [
        "approval_pending . . . . . . . . cancelled",
        ". approved denied . . . . . . cancelled",
        ". . . promised . . . . . cancelled",
        ". . . . . . . . . .",
        ". . . promised . attempting:1 . done failed cancelled",
        ". . . promised due:0 attempting:1 . done failed cancelled",
        ". . . promised . attempting:1 . done failed cancelled",
        ". . . promised . attempting:3 . done failed cancelled",
        ". . . . . . due:1 done failed cancelled",
        ". . . . . . due:2 done failed cancelled",
        ". . . . . . failed done failed cancelled",
        ". . . . . . . . . .",
        ". . . . . . . . . .",
        ". . . . . . . . . .",
    ];

    #[test]
    fn every_state_takes_exactly_the_steps_of_the_table() {
        for (state, row) in STATES.iter().zip(TABLE) {
            let wanted: Vec<&str> = row.split(' ').collect();
            assert_eq!(wanted.len(), STEPS.len(), "{state:?}");
            for (step, wanted) in STEPS.iter().zip(wanted) {
                let came = match state.after(*step) {
                    Err(refused) => {
                        assert_eq!(refused.from, *state);
                        ".".to_owned()
                    }
                    Ok(next @ (CallbackState::Due(tries) | CallbackState::Attempting(tries))) => {
                        format!("{next}:{tries}")
                    }
                    Ok(next) => next.to_string(),
                };
                assert_eq!(came, wanted, "{state:?} {step:?}");
            }
        }
    }

    #[test]
    fn what_is_over_takes_no_step_and_what_is_open_can_be_cancelled() {
        for state in STATES {
            assert_eq!(state.after(Step::Cancel).is_ok(), state.is_open(), "{state}");
            let moves = STEPS.iter().any(|step| state.after(*step).is_ok());
            assert_eq!(moves, state.is_open(), "{state}");
        }
    }

    #[test]
    fn a_request_needs_no_approval_and_is_promised_only_by_a_step_of_its_own() {
        assert!(CallbackState::Requested.after(Step::Approve).is_err());
        assert!(CallbackState::Requested.after(Step::Begin).is_err(), "no time was promised, so none begins");
        assert_eq!(CallbackState::Requested.after(Step::Promise), Ok(CallbackState::Promised));
    }
}
