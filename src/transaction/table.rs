//! What the table tests of the four machines (RFC 3261 §17) share.

use std::fmt::Debug;
use std::time::Duration;

use super::{Action, Timer};

/// One row: state, event, state after it, actions.
pub(super) type Row<State, Event> = (State, Event, State, Vec<Action>);

/// Every timer, so that a table can try the wrong ones.
pub(super) const ALL_TIMERS: [Timer; 12] = [
    Timer::A,
    Timer::B,
    Timer::D,
    Timer::E,
    Timer::F,
    Timer::G,
    Timer::H,
    Timer::I,
    Timer::J,
    Timer::K,
    Timer::L,
    Timer::M,
];

/// Runs each row on its own machine.
pub(super) fn check<State, Event>(
    step: impl Fn(State, Event) -> (State, Vec<Action>),
    rows: &[Row<State, Event>],
) where
    State: Copy + Debug + PartialEq,
    Event: Copy + Debug,
{
    for (before, event, after, actions) in rows {
        assert_eq!(step(*before, *event), (*after, actions.clone()), "{before:?} {event:?}");
    }
}

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
