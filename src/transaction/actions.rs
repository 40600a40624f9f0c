//! What a machine asks of its owner (RFC 3261 §17): a short list without a heap.

use std::time::Duration;

use super::settings::Timer;

/// One thing to do. The owner does them in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request, the same octets each time.
    SendRequest,
    /// Send the response being given; on a repeated request or a timer, the last one given. Nothing, if
    /// none was given yet.
    SendResponse,
    /// Build the ACK for this 3xx–6xx and send it, or send the one already built again (RFC 3261 §17.1.1.3).
    SendAck,
    /// Pass the message at hand to the transaction user.
    ToUser,
    /// Start this timer, or start it anew.
    Set(Timer, Duration),
    /// Stop this timer.
    Clear(Timer),
    /// Tell the user that nobody answered in time: timer B, F or H fired.
    TimedOut,
    /// Tell the user that the message could not be sent.
    TransportFailed,
    /// The machine has ended. Forget it, its octets and every timer of it that still runs. Always the last
    /// action.
    Terminated,
}

/// The most actions one event can ask for.
const CAPACITY: usize = 6;

/// What one event asks for, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Actions {
    list: [Option<Action>; CAPACITY],
}

impl Actions {
    /// Nothing to do.
    pub(super) const NONE: Self = Self { list: [None; CAPACITY] };

    /// These actions. The length is checked when the machine's code is compiled.
    pub(super) const fn of<const N: usize>(actions: [Action; N]) -> Self {
        const { assert!(N <= CAPACITY) };
        let mut list = [None; CAPACITY];
        let mut index = 0;
        while index < N {
            list[index] = Some(actions[index]);
            index += 1;
        }
        Self { list }
    }

    /// These actions, and then the end.
    pub(super) const fn ending<const N: usize>(before: [Action; N]) -> Self {
        const { assert!(N < CAPACITY) };
        let mut actions = Self::of(before);
        actions.list[N] = Some(Action::Terminated);
        actions
    }

    /// The actions in order.
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        self.list.iter().flatten().copied()
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.list[0].is_none()
    }

    /// Whether the machine has ended.
    pub fn terminated(&self) -> bool {
        self.iter().any(|action| action == Action::Terminated)
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Action>, CAPACITY>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().flatten()
    }
}

impl std::fmt::Debug for Actions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_out_in_the_order_they_were_given() {
        let actions = Actions::of([Action::Clear(Timer::A), Action::ToUser, Action::Terminated]);
        assert_eq!(
            actions.into_iter().collect::<Vec<_>>(),
            [Action::Clear(Timer::A), Action::ToUser, Action::Terminated]
        );
        assert!(actions.terminated());
        assert!(!actions.is_empty());
        assert!(Actions::NONE.is_empty());
        assert_eq!(Actions::NONE.iter().count(), 0);
    }
}
