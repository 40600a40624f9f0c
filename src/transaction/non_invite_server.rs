//! RFC 3261 §17.2.2, figure 8: the non-INVITE server transaction.
//!
//! When a provisional response may be given at all is the user's business (RFC 4320 §4.1).

use serde::{Deserialize, Serialize};

use super::{Action, Actions, Finality, Reliability, Timer, TimerSettings};

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request came again.
    Request,
    /// The user gives a response.
    Respond(Finality),
    /// A timer fired.
    Timer(Timer),
    /// A response could not be sent.
    TransportError,
}

/// The non-INVITE server transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonInviteServer {
    reliability: Reliability,
    state: State,
}

/// The states of figure 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// No response yet.
    Trying,
    /// A provisional response was given.
    Proceeding,
    /// A final response was given; repeats of the request get it again.
    Completed,
    /// Over.
    Terminated,
}

impl NonInviteServer {
    /// Begins with the request that made it, which goes to the user.
    pub fn new(_settings: &TimerSettings, reliability: Reliability) -> (Self, Actions) {
        (Self { reliability, state: State::Trying }, Actions::of([Action::ToUser]))
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: Event, settings: &TimerSettings) -> Actions {
        match event {
            Event::Request => self.on_request(),
            Event::Respond(finality) => self.on_response(finality, settings),
            Event::Timer(timer) => self.on_timer(timer),
            Event::TransportError => self.on_transport_error(),
        }
    }

    fn on_request(&self) -> Actions {
        match self.state {
            State::Proceeding | State::Completed => Actions::of([Action::SendResponse]),
            State::Trying | State::Terminated => Actions::NONE,
        }
    }

    fn on_response(&mut self, finality: Finality, settings: &TimerSettings) -> Actions {
        match (self.state, finality) {
            (State::Trying | State::Proceeding, Finality::Provisional) => {
                self.state = State::Proceeding;
                Actions::of([Action::SendResponse])
            }
            (State::Trying | State::Proceeding, Finality::Final) => match self.reliability {
                Reliability::Unreliable => {
                    self.state = State::Completed;
                    Actions::of([Action::SendResponse, Action::Set(Timer::J, settings.give_up())])
                }
                // Timer J is zero here.
                Reliability::Reliable => self.terminate([Action::SendResponse]),
            },
            // §17.2.2: any other response after a final one is discarded.
            (State::Completed | State::Terminated, Finality::Provisional | Finality::Final) => Actions::NONE,
        }
    }

    fn on_timer(&mut self, timer: Timer) -> Actions {
        match (timer, self.state) {
            (Timer::J, State::Completed) => self.terminate([]),
            (Timer::J, State::Trying | State::Proceeding | State::Terminated) => Actions::NONE,
            // Timers of the other machines.
            (
                Timer::A
                | Timer::B
                | Timer::D
                | Timer::E
                | Timer::F
                | Timer::G
                | Timer::H
                | Timer::I
                | Timer::K
                | Timer::L
                | Timer::M,
                State::Trying | State::Proceeding | State::Completed | State::Terminated,
            ) => Actions::NONE,
        }
    }

    fn on_transport_error(&mut self) -> Actions {
        match self.state {
            State::Proceeding | State::Completed => self.terminate([Action::TransportFailed]),
            // Nothing was sent yet, or it is over.
            State::Trying | State::Terminated => Actions::NONE,
        }
    }

    fn terminate<const N: usize>(&mut self, before: [Action; N]) -> Actions {
        self.state = State::Terminated;
        Actions::ending(before)
    }
}

#[cfg(test)]
mod tests {
    use Action::{SendResponse, Set, Terminated, ToUser, TransportFailed};
    use Finality::{Final, Provisional};
    use Reliability::{Reliable, Unreliable};
    use State::{Completed, Proceeding, Trying};

    use super::*;
    use crate::transaction::table::{ALL_TIMERS, check, s};

    fn step(reliability: Reliability, state: State, event: Event) -> (State, Vec<Action>) {
        let mut machine = NonInviteServer { reliability, state };
        let actions = machine.handle(event, &TimerSettings::default());
        (machine.state, actions.into_iter().collect())
    }

    #[test]
    fn rfc3261_17_2_2_it_begins_in_trying_and_passes_the_request_up() {
        let (machine, actions) = NonInviteServer::new(&TimerSettings::default(), Unreliable);
        assert_eq!(machine.state(), Trying);
        assert_eq!(actions.into_iter().collect::<Vec<_>>(), [ToUser]);
    }

    #[test]
    fn rfc3261_17_2_2_every_state_and_event_over_udp() {
        check(
            |state, event| step(Unreliable, state, event),
            &[
                (Trying, Event::Request, Trying, vec![]),
                (Trying, Event::Respond(Provisional), Proceeding, vec![SendResponse]),
                (Trying, Event::Respond(Final), Completed, vec![SendResponse, Set(Timer::J, s(32))]),
                (Trying, Event::TransportError, Trying, vec![]),
                (Proceeding, Event::Request, Proceeding, vec![SendResponse]),
                (Proceeding, Event::Respond(Provisional), Proceeding, vec![SendResponse]),
                (Proceeding, Event::Respond(Final), Completed, vec![SendResponse, Set(Timer::J, s(32))]),
                (Proceeding, Event::TransportError, State::Terminated, vec![TransportFailed, Terminated]),
                (Completed, Event::Request, Completed, vec![SendResponse]),
                (Completed, Event::Respond(Provisional), Completed, vec![]),
                (Completed, Event::Respond(Final), Completed, vec![]),
                (Completed, Event::Timer(Timer::J), State::Terminated, vec![Terminated]),
                (Completed, Event::TransportError, State::Terminated, vec![TransportFailed, Terminated]),
                (State::Terminated, Event::Request, State::Terminated, vec![]),
                (State::Terminated, Event::Respond(Provisional), State::Terminated, vec![]),
                (State::Terminated, Event::Respond(Final), State::Terminated, vec![]),
                (State::Terminated, Event::TransportError, State::Terminated, vec![]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_2_2_over_tcp_timer_j_is_zero() {
        check(
            |state, event| step(Reliable, state, event),
            &[
                (Trying, Event::Respond(Final), State::Terminated, vec![SendResponse, Terminated]),
                (Proceeding, Event::Respond(Final), State::Terminated, vec![SendResponse, Terminated]),
                (Trying, Event::Respond(Provisional), Proceeding, vec![SendResponse]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_2_2_a_timer_that_is_not_running_changes_nothing() {
        for (state, own) in
            [(Trying, &[][..]), (Proceeding, &[]), (Completed, &[Timer::J]), (State::Terminated, &[])]
        {
            for timer in ALL_TIMERS.iter().filter(|timer| !own.contains(timer)) {
                assert_eq!(
                    step(Unreliable, state, Event::Timer(*timer)),
                    (state, vec![]),
                    "{state:?} {timer:?}"
                );
            }
        }
    }

    #[test]
    fn it_can_be_written_out_and_read_back() {
        let machine = NonInviteServer { reliability: Unreliable, state: Completed };
        let text = serde_json::to_string(&machine).expect("plain data");
        assert_eq!(serde_json::from_str::<NonInviteServer>(&text).expect("its own text"), machine);
    }
}
