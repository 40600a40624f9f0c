//! RFC 3261 §17.1.1, figure 5, with RFC 6026 §7.2: the INVITE client transaction.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Actions, Reliability, StatusClass, Timer, TimerSettings};

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A response came.
    Response(StatusClass),
    /// A timer fired.
    Timer(Timer),
    /// The request or an ACK could not be sent.
    TransportError,
}

/// The INVITE client transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteClient {
    reliability: Reliability,
    state: State,
}

/// The states of figure 5 as RFC 6026 §7.2 draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing came back yet.
    Calling {
        /// Timer A's running interval; unused over reliable transports.
        repeat_after: Duration,
    },
    /// A provisional response came.
    Proceeding,
    /// A 3xx–6xx came and was acknowledged; its repeats are acknowledged again.
    Completed,
    /// A 2xx came; further 2xx go up.
    Accepted,
    /// Over.
    Terminated,
}

impl InviteClient {
    /// Begins by sending the INVITE.
    pub fn new(settings: &TimerSettings, reliability: Reliability) -> (Self, Actions) {
        let machine = Self { reliability, state: State::Calling { repeat_after: settings.t1 } };
        let give_up = Action::Set(Timer::B, settings.give_up());
        let actions = match reliability {
            Reliability::Unreliable => {
                Actions::of([Action::SendRequest, Action::Set(Timer::A, settings.t1), give_up])
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
            Event::Response(StatusClass::Provisional) => self.on_provisional(),
            Event::Response(StatusClass::Success) => self.on_success(settings),
            Event::Response(StatusClass::Failure) => self.on_failure(settings),
            Event::Timer(timer) => self.on_timer(timer),
            Event::TransportError => self.on_transport_error(),
        }
    }

    fn on_provisional(&mut self) -> Actions {
        match self.state {
            State::Calling { .. } => {
                self.state = State::Proceeding;
                Actions::of([Action::Clear(Timer::A), Action::Clear(Timer::B), Action::ToUser])
            }
            State::Proceeding => Actions::of([Action::ToUser]),
            State::Completed | State::Accepted | State::Terminated => Actions::NONE,
        }
    }

    fn on_success(&mut self, settings: &TimerSettings) -> Actions {
        let wait_for_more = Action::Set(Timer::M, settings.give_up());
        match self.state {
            State::Calling { .. } => {
                self.state = State::Accepted;
                Actions::of([Action::Clear(Timer::A), Action::Clear(Timer::B), Action::ToUser, wait_for_more])
            }
            State::Proceeding => {
                self.state = State::Accepted;
                Actions::of([Action::ToUser, wait_for_more])
            }
            // RFC 6026 §7.2: every 2xx goes up; they may be of different dialogs.
            State::Accepted => Actions::of([Action::ToUser]),
            State::Completed | State::Terminated => Actions::NONE,
        }
    }

    fn on_failure(&mut self, settings: &TimerSettings) -> Actions {
        match (self.state, self.reliability) {
            (State::Calling { .. }, Reliability::Unreliable) => {
                self.state = State::Completed;
                Actions::of([
                    Action::Clear(Timer::A),
                    Action::Clear(Timer::B),
                    Action::SendAck,
                    Action::ToUser,
                    Action::Set(Timer::D, settings.timer_d),
                ])
            }
            (State::Proceeding, Reliability::Unreliable) => {
                self.state = State::Completed;
                Actions::of([Action::SendAck, Action::ToUser, Action::Set(Timer::D, settings.timer_d)])
            }
            // Timer D is zero here.
            (State::Calling { .. } | State::Proceeding, Reliability::Reliable) => {
                self.terminate([Action::SendAck, Action::ToUser])
            }
            // §17.1.1.2: a repeat is acknowledged again and does not go up.
            (State::Completed, Reliability::Unreliable | Reliability::Reliable) => {
                Actions::of([Action::SendAck])
            }
            (State::Accepted | State::Terminated, Reliability::Unreliable | Reliability::Reliable) => {
                Actions::NONE
            }
        }
    }

    fn on_timer(&mut self, timer: Timer) -> Actions {
        match (timer, self.state) {
            (Timer::A, State::Calling { repeat_after }) => {
                // §17.1.1.2: timer A doubles without T2 as a bound; timer B ends it.
                let repeat_after = repeat_after.saturating_mul(2);
                self.state = State::Calling { repeat_after };
                Actions::of([Action::SendRequest, Action::Set(Timer::A, repeat_after)])
            }
            (Timer::B, State::Calling { .. }) => self.terminate([Action::TimedOut]),
            (Timer::D, State::Completed) | (Timer::M, State::Accepted) => self.terminate([]),
            // A timer that fired while it was being cleared.
            (
                Timer::A | Timer::B,
                State::Proceeding | State::Completed | State::Accepted | State::Terminated,
            )
            | (Timer::D, State::Calling { .. } | State::Proceeding | State::Accepted | State::Terminated)
            | (Timer::M, State::Calling { .. } | State::Proceeding | State::Completed) => Actions::NONE,
            (Timer::M, State::Terminated) => Actions::NONE,
            // Timers of the other machines.
            (
                Timer::E | Timer::F | Timer::G | Timer::H | Timer::I | Timer::J | Timer::K | Timer::L,
                State::Calling { .. }
                | State::Proceeding
                | State::Completed
                | State::Accepted
                | State::Terminated,
            ) => Actions::NONE,
        }
    }

    fn on_transport_error(&mut self) -> Actions {
        match self.state {
            // §17.1.1.2 and §17.1.4: the INVITE, or the ACK, could not be sent.
            State::Calling { .. } | State::Completed => self.terminate([Action::TransportFailed]),
            // Nothing is being sent here: the news is about a copy of the INVITE that another copy made up
            // for.
            State::Proceeding | State::Accepted | State::Terminated => Actions::NONE,
        }
    }

    fn terminate<const N: usize>(&mut self, before: [Action; N]) -> Actions {
        self.state = State::Terminated;
        Actions::ending(before)
    }
}

#[cfg(test)]
mod tests {
    use Action::{Clear, SendAck, SendRequest, Set, Terminated, TimedOut, ToUser, TransportFailed};
    use Reliability::{Reliable, Unreliable};
    use State::{Accepted, Calling, Completed, Proceeding};
    use StatusClass::{Failure, Provisional, Success};

    use super::*;
    use crate::transaction::table::{ALL_TIMERS, check, ms, s};

    const T1: State = Calling { repeat_after: ms(500) };

    fn step(reliability: Reliability, state: State, event: Event) -> (State, Vec<Action>) {
        let mut machine = InviteClient { reliability, state };
        let actions = machine.handle(event, &TimerSettings::default());
        (machine.state, actions.into_iter().collect())
    }

    #[test]
    fn rfc3261_17_1_1_2_it_begins_by_sending_and_repeats_only_over_udp() {
        let settings = TimerSettings::default();
        let (machine, actions) = InviteClient::new(&settings, Unreliable);
        assert_eq!(machine.state(), T1);
        assert_eq!(
            actions.into_iter().collect::<Vec<_>>(),
            [SendRequest, Set(Timer::A, ms(500)), Set(Timer::B, s(32))]
        );
        let (_, actions) = InviteClient::new(&settings, Reliable);
        assert_eq!(actions.into_iter().collect::<Vec<_>>(), [SendRequest, Set(Timer::B, s(32))]);
    }

    #[test]
    fn rfc3261_17_1_1_2_every_state_and_event_over_udp() {
        check(
            |state, event| step(Unreliable, state, event),
            &[
                (
                    T1,
                    Event::Response(Provisional),
                    Proceeding,
                    vec![Clear(Timer::A), Clear(Timer::B), ToUser],
                ),
                (
                    T1,
                    Event::Response(Failure),
                    Completed,
                    vec![Clear(Timer::A), Clear(Timer::B), SendAck, ToUser, Set(Timer::D, s(32))],
                ),
                (T1, Event::Timer(Timer::B), State::Terminated, vec![TimedOut, Terminated]),
                (T1, Event::TransportError, State::Terminated, vec![TransportFailed, Terminated]),
                (Proceeding, Event::Response(Provisional), Proceeding, vec![ToUser]),
                (
                    Proceeding,
                    Event::Response(Failure),
                    Completed,
                    vec![SendAck, ToUser, Set(Timer::D, s(32))],
                ),
                (Proceeding, Event::TransportError, Proceeding, vec![]),
                (Completed, Event::Response(Provisional), Completed, vec![]),
                (Completed, Event::Response(Success), Completed, vec![]),
                (Completed, Event::Response(Failure), Completed, vec![SendAck]),
                (Completed, Event::Timer(Timer::D), State::Terminated, vec![Terminated]),
                (Completed, Event::TransportError, State::Terminated, vec![TransportFailed, Terminated]),
            ],
        );
    }

    #[test]
    fn rfc6026_7_2_a_2xx_is_accepted_and_every_further_2xx_goes_up_until_timer_m() {
        check(
            |state, event| step(Unreliable, state, event),
            &[
                (
                    T1,
                    Event::Response(Success),
                    Accepted,
                    vec![Clear(Timer::A), Clear(Timer::B), ToUser, Set(Timer::M, s(32))],
                ),
                (Proceeding, Event::Response(Success), Accepted, vec![ToUser, Set(Timer::M, s(32))]),
                (Accepted, Event::Response(Success), Accepted, vec![ToUser]),
                (Accepted, Event::Response(Provisional), Accepted, vec![]),
                (Accepted, Event::Response(Failure), Accepted, vec![]),
                (Accepted, Event::Timer(Timer::M), State::Terminated, vec![Terminated]),
                (Accepted, Event::TransportError, Accepted, vec![]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_1_1_2_over_tcp_timer_d_is_zero_and_timer_m_is_not() {
        check(
            |state, event| step(Reliable, state, event),
            &[
                (T1, Event::Response(Failure), State::Terminated, vec![SendAck, ToUser, Terminated]),
                (Proceeding, Event::Response(Failure), State::Terminated, vec![SendAck, ToUser, Terminated]),
                (Proceeding, Event::Response(Success), Accepted, vec![ToUser, Set(Timer::M, s(32))]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_1_1_2_timer_a_doubles_without_bound() {
        let mut machine = InviteClient { reliability: Unreliable, state: T1 };
        let settings = TimerSettings::default();
        let intervals: Vec<_> = (0..5)
            .flat_map(|_| machine.handle(Event::Timer(Timer::A), &settings))
            .filter_map(|action| if let Set(Timer::A, after) = action { Some(after) } else { None })
            .collect();
        assert_eq!(intervals, [s(1), s(2), s(4), s(8), s(16)]);
    }

    #[test]
    fn rfc3261_17_1_1_2_a_timer_that_is_not_running_changes_nothing() {
        for (state, own) in [
            (T1, &[Timer::A, Timer::B][..]),
            (Proceeding, &[]),
            (Completed, &[Timer::D]),
            (Accepted, &[Timer::M]),
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
    fn rfc3261_17_1_1_2_terminated_takes_nothing_more() {
        for event in [
            Event::Response(Provisional),
            Event::Response(Success),
            Event::Response(Failure),
            Event::TransportError,
        ] {
            assert_eq!(step(Unreliable, State::Terminated, event), (State::Terminated, vec![]));
        }
    }

    #[test]
    fn it_can_be_written_out_and_read_back() {
        let machine = InviteClient { reliability: Reliable, state: T1 };
        let text = serde_json::to_string(&machine).expect("plain data");
        assert_eq!(serde_json::from_str::<InviteClient>(&text).expect("its own text"), machine);
    }
}
