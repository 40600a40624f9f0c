//! RFC 3261 §17.1.2, figure 6: the non-INVITE client transaction.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Actions, Finality, Reliability, Timer, TimerSettings};

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response came.
    Response(Finality),
    /// A timer fired.
    Timer(Timer),
    /// The request could not be sent.
    TransportError,
}

/// The non-INVITE client transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NonInviteClient {
    reliability: Reliability,
    state: State,
}

/// The states of figure 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing came back yet.
    Trying {
        /// Timer E's running interval; unused over reliable transports.
        repeat_after: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// A final response came; its repeats are absorbed.
    Completed,
    /// Over.
    Terminated,
}

impl NonInviteClient {
    /// Begins by sending the request.
    pub fn new(settings: &TimerSettings, reliability: Reliability) -> (Self, Actions) {
        let machine = Self { reliability, state: State::Trying { repeat_after: settings.t1 } };
        let give_up = Action::Set(Timer::F, settings.give_up());
        let actions = match reliability {
            Reliability::Unreliable => {
                Actions::of([Action::SendRequest, Action::Set(Timer::E, settings.t1), give_up])
            }
            Reliability::Reliable => Actions::of([Action::SendRequest, give_up]),
        };
        (machine, actions)
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: Event, settings: &TimerSettings) -> Actions {
        match event {
            Event::Response(Finality::Provisional) => self.on_provisional(),
            Event::Response(Finality::Final) => self.on_final(settings),
            Event::Timer(timer) => self.on_timer(timer, settings),
            Event::TransportError => self.on_transport_error(),
        }
    }

    fn on_provisional(&mut self) -> Actions {
        match self.state {
            // Timer E runs on; §17.1.2.2 sets it to T2 when it fires next.
            State::Trying { .. } | State::Proceeding => {
                self.state = State::Proceeding;
                Actions::of([Action::ToUser])
            }
            State::Completed | State::Terminated => Actions::NONE,
        }
    }

    fn on_final(&mut self, settings: &TimerSettings) -> Actions {
        match (self.state, self.reliability) {
            (State::Trying { .. } | State::Proceeding, Reliability::Unreliable) => {
                self.state = State::Completed;
                Actions::of([
                    Action::Clear(Timer::E),
                    Action::Clear(Timer::F),
                    Action::ToUser,
                    Action::Set(Timer::K, settings.t4),
                ])
            }
            // Timer K is zero here.
            (State::Trying { .. } | State::Proceeding, Reliability::Reliable) => {
                self.terminate([Action::ToUser])
            }
            (State::Completed | State::Terminated, Reliability::Unreliable | Reliability::Reliable) => {
                Actions::NONE
            }
        }
    }

    fn on_timer(&mut self, timer: Timer, settings: &TimerSettings) -> Actions {
        match (timer, self.state) {
            (Timer::E, State::Trying { repeat_after }) => {
                let repeat_after = settings.doubled_to_t2(repeat_after);
                self.state = State::Trying { repeat_after };
                Actions::of([Action::SendRequest, Action::Set(Timer::E, repeat_after)])
            }
            (Timer::E, State::Proceeding) => {
                Actions::of([Action::SendRequest, Action::Set(Timer::E, settings.t2)])
            }
            (Timer::F, State::Trying { .. } | State::Proceeding) => self.terminate([Action::TimedOut]),
            (Timer::K, State::Completed) => self.terminate([]),
            // A timer that fired while it was being cleared.
            (Timer::E | Timer::F, State::Completed | State::Terminated)
            | (Timer::K, State::Trying { .. } | State::Proceeding | State::Terminated) => Actions::NONE,
            // Timers of the other machines.
            (
                Timer::A
                | Timer::B
                | Timer::D
                | Timer::G
                | Timer::H
                | Timer::I
                | Timer::J
                | Timer::L
                | Timer::M,
                State::Trying { .. } | State::Proceeding | State::Completed | State::Terminated,
            ) => Actions::NONE,
        }
    }

    fn on_transport_error(&mut self) -> Actions {
        match self.state {
            // In Proceeding too (figure 6): the request is still being repeated there.
            State::Trying { .. } | State::Proceeding => self.terminate([Action::TransportFailed]),
            State::Completed | State::Terminated => Actions::NONE,
        }
    }

    fn terminate<const N: usize>(&mut self, before: [Action; N]) -> Actions {
        self.state = State::Terminated;
        Actions::ending(before)
    }
}

#[cfg(test)]
mod tests {
    use Action::{Clear, SendRequest, Set, Terminated, TimedOut, ToUser, TransportFailed};
    use Finality::{Final, Provisional};
    use Reliability::{Reliable, Unreliable};
    use State::{Completed, Proceeding, Trying};

    use super::*;
    use crate::transaction::table::{ALL_TIMERS, check, ms, s};

    const T1: State = Trying { repeat_after: ms(500) };

    fn step(reliability: Reliability, state: State, event: Event) -> (State, Vec<Action>) {
        let mut machine = NonInviteClient { reliability, state };
        let actions = machine.handle(event, &TimerSettings::default());
        (machine.state, actions.into_iter().collect())
    }

    #[test]
    fn rfc3261_17_1_2_2_it_begins_by_sending_and_repeats_only_over_udp() {
        let settings = TimerSettings::default();
        let (machine, actions) = NonInviteClient::new(&settings, Unreliable);
        assert_eq!(machine.state(), T1);
        assert_eq!(
            actions.into_iter().collect::<Vec<_>>(),
            [SendRequest, Set(Timer::E, ms(500)), Set(Timer::F, s(32))]
        );
        let (_, actions) = NonInviteClient::new(&settings, Reliable);
        assert_eq!(actions.into_iter().collect::<Vec<_>>(), [SendRequest, Set(Timer::F, s(32))]);
    }

    #[test]
    fn rfc3261_17_1_2_2_every_state_and_event_over_udp() {
        let done = vec![Clear(Timer::E), Clear(Timer::F), ToUser, Set(Timer::K, s(5))];
        check(
            |state, event| step(Unreliable, state, event),
            &[
                (T1, Event::Response(Provisional), Proceeding, vec![ToUser]),
                (T1, Event::Response(Final), Completed, done.clone()),
                (T1, Event::Timer(Timer::F), State::Terminated, vec![TimedOut, Terminated]),
                (T1, Event::TransportError, State::Terminated, vec![TransportFailed, Terminated]),
                (Proceeding, Event::Response(Provisional), Proceeding, vec![ToUser]),
                (Proceeding, Event::Response(Final), Completed, done),
                (Proceeding, Event::Timer(Timer::E), Proceeding, vec![SendRequest, Set(Timer::E, s(4))]),
                (Proceeding, Event::Timer(Timer::F), State::Terminated, vec![TimedOut, Terminated]),
                (Proceeding, Event::TransportError, State::Terminated, vec![TransportFailed, Terminated]),
                (Completed, Event::Response(Provisional), Completed, vec![]),
                (Completed, Event::Response(Final), Completed, vec![]),
                (Completed, Event::Timer(Timer::K), State::Terminated, vec![Terminated]),
                (Completed, Event::TransportError, Completed, vec![]),
                (State::Terminated, Event::Response(Provisional), State::Terminated, vec![]),
                (State::Terminated, Event::Response(Final), State::Terminated, vec![]),
                (State::Terminated, Event::TransportError, State::Terminated, vec![]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_1_2_2_over_tcp_timer_k_is_zero() {
        check(
            |state, event| step(Reliable, state, event),
            &[
                (T1, Event::Response(Final), State::Terminated, vec![ToUser, Terminated]),
                (Proceeding, Event::Response(Final), State::Terminated, vec![ToUser, Terminated]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_1_2_2_timer_e_doubles_up_to_t2_and_stays_there() {
        let mut machine = NonInviteClient { reliability: Unreliable, state: T1 };
        let settings = TimerSettings::default();
        let intervals: Vec<_> = (0..5)
            .flat_map(|_| machine.handle(Event::Timer(Timer::E), &settings))
            .filter_map(|action| if let Set(Timer::E, after) = action { Some(after) } else { None })
            .collect();
        assert_eq!(intervals, [s(1), s(2), s(4), s(4), s(4)]);
    }

    #[test]
    fn rfc3261_17_1_2_2_a_timer_that_is_not_running_changes_nothing() {
        for (state, own) in [
            (T1, &[Timer::E, Timer::F][..]),
            (Proceeding, &[Timer::E, Timer::F]),
            (Completed, &[Timer::K]),
            (State::Terminated, &[]),
        ] {
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
        let machine = NonInviteClient { reliability: Unreliable, state: T1 };
        let text = serde_json::to_string(&machine).expect("plain data");
        assert_eq!(serde_json::from_str::<NonInviteClient>(&text).expect("its own text"), machine);
    }
}
