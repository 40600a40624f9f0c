//! Whose turn it is: in a dialog one INVITE or offer is under way at a time, whoever makes it (RFC 3261 §14,
//! RFC 3264 §4, RFC 6337 §2.2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where offers stand in one dialog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exchange {
    /// Nothing is under way.
    #[default]
    Idle,
    /// A request of ours has no final response.
    Ours,
    /// A request of theirs has no final response.
    Theirs,
    /// Our 2xx to their INVITE has no ACK.
    Unacknowledged,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// We want to send an INVITE, or an offer.
    Send,
    /// Theirs comes.
    Receive,
    /// The final response has come or gone, and no ACK is awaited.
    Settled,
    /// Our 2xx to their INVITE has gone.
    Accepted,
    /// Its ACK has come.
    Acknowledged,
}

/// Why it may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// Something of ours is under way: 491 to theirs (RFC 3261 §14.2), and a wait for ours.
    Pending,
    /// An earlier one of theirs is not answered yet: 500 with Retry-After (§14.2).
    Overlapping,
}

impl Exchange {
    /// Takes an event in. What comes at the wrong time changes nothing.
    ///
    /// # Errors
    ///
    /// When an offer clashes with another one.
    pub const fn handle(&mut self, event: Event) -> Result<(), Clash> {
        *self = match (*self, event) {
            (Self::Idle, Event::Send) => Self::Ours,
            (Self::Idle, Event::Receive) => Self::Theirs,
            (Self::Ours | Self::Theirs | Self::Unacknowledged, Event::Send)
            // RFC 5407 §3.1.4: an INVITE that overtook the ACK before it.
            | (Self::Ours | Self::Unacknowledged, Event::Receive) => return Err(Clash::Pending),
            (Self::Theirs, Event::Receive) => return Err(Clash::Overlapping),
            (Self::Ours | Self::Theirs, Event::Settled)
            | (Self::Unacknowledged, Event::Acknowledged) => Self::Idle,
            (Self::Theirs, Event::Accepted) => Self::Unacknowledged,
            (state @ (Self::Idle | Self::Unacknowledged), Event::Settled)
            | (state @ (Self::Idle | Self::Ours | Self::Unacknowledged), Event::Accepted)
            | (state @ (Self::Idle | Self::Ours | Self::Theirs), Event::Acknowledged) => state,
        };
        Ok(())
    }

    /// Whether nothing is under way.
    pub const fn is_idle(self) -> bool {
        matches!(self, Self::Idle)
    }
}

/// How long to wait after a 491 (RFC 3261 §14.1): whoever made the Call-ID 2.1 to 4 s, the other side up to 2
/// s, in steps of 10 ms.
pub fn glare_wait(owns_call_id: bool, random: u64) -> Duration {
    let steps = if owns_call_id { 210 + random % 191 } else { random % 201 };
    Duration::from_millis(steps * 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Accepted, Acknowledged, Receive, Send, Settled};
    use Exchange::{Idle, Ours, Theirs, Unacknowledged};

    #[test]
    fn d4_in_each_state_each_event_does_what_rfc3261_14_says() {
        let ok = Ok(());
        let (pending, overlapping) = (Err(Clash::Pending), Err(Clash::Overlapping));
        let table = [
            (Idle, Send, Ours, ok),
            (Idle, Receive, Theirs, ok),
            (Idle, Settled, Idle, ok),
            (Idle, Accepted, Idle, ok),
            (Idle, Acknowledged, Idle, ok),
            (Ours, Send, Ours, pending),
            (Ours, Receive, Ours, pending),
            (Ours, Settled, Idle, ok),
            (Ours, Accepted, Ours, ok),
            (Ours, Acknowledged, Ours, ok),
            (Theirs, Send, Theirs, pending),
            (Theirs, Receive, Theirs, overlapping),
            (Theirs, Settled, Idle, ok),
            (Theirs, Accepted, Unacknowledged, ok),
            (Theirs, Acknowledged, Theirs, ok),
            (Unacknowledged, Send, Unacknowledged, pending),
            (Unacknowledged, Receive, Unacknowledged, pending),
            (Unacknowledged, Settled, Unacknowledged, ok),
            (Unacknowledged, Accepted, Unacknowledged, ok),
            (Unacknowledged, Acknowledged, Idle, ok),
        ];
        for (before, event, after, answer) in table {
            let mut state = before;
            assert_eq!(state.handle(event), answer, "{before:?} {event:?}");
            assert_eq!(state, after, "{before:?} {event:?}");
        }
    }

    #[test]
    fn d4_the_wait_after_a_491_depends_on_who_made_the_call_id() {
        for random in [0, 1, 190, 191, 200, 201, u64::MAX] {
            let (owner, other) = (glare_wait(true, random), glare_wait(false, random));
            assert!((2100..=4000).contains(&owner.as_millis()), "{owner:?}");
            assert!(other.as_millis() <= 2000, "{other:?}");
        }
    }
}
