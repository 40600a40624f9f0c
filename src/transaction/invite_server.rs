//! RFC 3261 §17.2.1, figure 7, with RFC 6026 §7.1: the INVITE server transaction.
//!
//! It sends no 100 by itself: the engine answers 100 at once, as any other provisional response.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Actions, Reliability, StatusClass, Timer, TimerSettings};

/// What can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The INVITE came again.
    Request,
    /// An ACK came whose key is this transaction's.
    Ack,
    /// The user gives a response.
    Respond(StatusClass),
    /// A timer fired.
    Timer(Timer),
    /// A response could not be sent.
    TransportError,
}

/// The INVITE server transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteServer {
    reliability: Reliability,
    state: State,
}

/// The states of figure 7 as RFC 6026 §7.1 draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// No final response yet.
    Proceeding,
    /// A 3xx–6xx was given; the ACK is awaited.
    Completed {
        /// Timer G's running interval; unused over reliable transports.
        repeat_after: Duration,
    },
    /// The ACK came; its repeats are absorbed.
    Confirmed,
    /// A 2xx was given; repeats of the INVITE are absorbed, further 2xx are sent.
    Accepted,
    /// Over.
    Terminated,
}

impl InviteServer {
    /// Begins with the INVITE that made it, which goes to the user.
    pub fn new(_settings: &TimerSettings, reliability: Reliability) -> (Self, Actions) {
        (Self { reliability, state: State::Proceeding }, Actions::of([Action::ToUser]))
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: Event, settings: &TimerSettings) -> Actions {
        match event {
            Event::Request => self.on_request(),
            Event::Ack => self.on_ack(settings),
            Event::Respond(class) => self.on_response(class, settings),
            Event::Timer(timer) => self.on_timer(timer, settings),
            Event::TransportError => self.on_transport_error(),
        }
    }

    fn on_request(&self) -> Actions {
        match self.state {
            State::Proceeding | State::Completed { .. } => Actions::of([Action::SendResponse]),
            // RFC 6026 §7.1: repeats of the INVITE are absorbed without sending anything; 2xx are the
            // user's to repeat.
            State::Accepted | State::Confirmed | State::Terminated => Actions::NONE,
        }
    }

    fn on_ack(&mut self, settings: &TimerSettings) -> Actions {
        match self.state {
            State::Completed { .. } => match self.reliability {
                Reliability::Unreliable => {
                    self.state = State::Confirmed;
                    Actions::of([
                        Action::Clear(Timer::G),
                        Action::Clear(Timer::H),
                        Action::Set(Timer::I, settings.t4),
                    ])
                }
                // Timer I is zero here.
                Reliability::Reliable => self.terminate([]),
            },
            // RFC 6026 §7.1: an ACK to a 2xx that finds the transaction goes up.
            State::Accepted => Actions::of([Action::ToUser]),
            State::Proceeding | State::Confirmed | State::Terminated => Actions::NONE,
        }
    }

    fn on_response(&mut self, class: StatusClass, settings: &TimerSettings) -> Actions {
        match (self.state, class) {
            (State::Proceeding, StatusClass::Provisional) => Actions::of([Action::SendResponse]),
            (State::Proceeding, StatusClass::Success) => {
                self.state = State::Accepted;
                Actions::of([Action::SendResponse, Action::Set(Timer::L, settings.give_up())])
            }
            (State::Proceeding, StatusClass::Failure) => self.complete(settings),
            (State::Accepted, StatusClass::Success) => Actions::of([Action::SendResponse]),
            // §17.2.1: any other response after a final one is discarded.
            (State::Accepted, StatusClass::Provisional | StatusClass::Failure)
            | (
                State::Completed { .. } | State::Confirmed | State::Terminated,
                StatusClass::Provisional | StatusClass::Success | StatusClass::Failure,
            ) => Actions::NONE,
        }
    }

    fn complete(&mut self, settings: &TimerSettings) -> Actions {
        self.state = State::Completed { repeat_after: settings.t1 };
        let wait_for_ack = Action::Set(Timer::H, settings.give_up());
        match self.reliability {
            Reliability::Unreliable => {
                Actions::of([Action::SendResponse, Action::Set(Timer::G, settings.t1), wait_for_ack])
            }
            Reliability::Reliable => Actions::of([Action::SendResponse, wait_for_ack]),
        }
    }

    fn on_timer(&mut self, timer: Timer, settings: &TimerSettings) -> Actions {
        match (timer, self.state) {
            (Timer::G, State::Completed { repeat_after }) => {
                let repeat_after = settings.doubled_to_t2(repeat_after);
                self.state = State::Completed { repeat_after };
                Actions::of([Action::SendResponse, Action::Set(Timer::G, repeat_after)])
            }
            (Timer::H, State::Completed { .. }) => self.terminate([Action::TimedOut]),
            (Timer::I, State::Confirmed) | (Timer::L, State::Accepted) => self.terminate([]),
            // A timer that fired while it was being cleared.
            (
                Timer::G | Timer::H,
                State::Proceeding | State::Confirmed | State::Accepted | State::Terminated,
            )
            | (Timer::I, State::Proceeding | State::Completed { .. } | State::Accepted | State::Terminated)
            | (
                Timer::L,
                State::Proceeding | State::Completed { .. } | State::Confirmed | State::Terminated,
            ) => Actions::NONE,
            // Timers of the other machines.
            (
                Timer::A | Timer::B | Timer::D | Timer::E | Timer::F | Timer::J | Timer::K | Timer::M,
                State::Proceeding
                | State::Completed { .. }
                | State::Confirmed
                | State::Accepted
                | State::Terminated,
            ) => Actions::NONE,
        }
    }

    /// RFC 6026 §7.1: the state is kept, so that repeats of the INVITE stay absorbed; timers end it.
    fn on_transport_error(&self) -> Actions {
        match self.state {
            State::Proceeding | State::Completed { .. } | State::Accepted => {
                Actions::of([Action::TransportFailed])
            }
            State::Confirmed | State::Terminated => Actions::NONE,
        }
    }

    fn terminate<const N: usize>(&mut self, before: [Action; N]) -> Actions {
        self.state = State::Terminated;
        Actions::ending(before)
    }
}

#[cfg(test)]
mod tests {
    use Action::{Clear, SendResponse, Set, Terminated, TimedOut, ToUser, TransportFailed};
    use Reliability::{Reliable, Unreliable};
    use State::{Accepted, Completed, Confirmed, Proceeding};
    use StatusClass::{Failure, Provisional, Success};

    use super::*;
    use crate::transaction::table::{check, ms, s};

    const T1: State = Completed { repeat_after: ms(500) };

    fn step(reliability: Reliability, state: State, event: Event) -> (State, Vec<Action>) {
        let mut machine = InviteServer { reliability, state };
        let actions = machine.handle(event, &TimerSettings::default());
        (machine.state, actions.into_iter().collect())
    }

    #[test]
    fn rfc3261_17_2_1_it_begins_in_proceeding_and_passes_the_invite_up() {
        let (machine, actions) = InviteServer::new(&TimerSettings::default(), Unreliable);
        assert_eq!(machine.state(), Proceeding);
        assert_eq!(actions.into_iter().collect::<Vec<_>>(), [ToUser]);
    }

    #[test]
    fn rfc3261_17_2_1_every_state_and_event_over_udp() {
        check(
            |state, event| step(Unreliable, state, event),
            &[
                (Proceeding, Event::Request, Proceeding, vec![SendResponse]),
                (Proceeding, Event::Ack, Proceeding, vec![]),
                (Proceeding, Event::Respond(Provisional), Proceeding, vec![SendResponse]),
                (Proceeding, Event::Respond(Success), Accepted, vec![SendResponse, Set(Timer::L, s(32))]),
                (
                    Proceeding,
                    Event::Respond(Failure),
                    T1,
                    vec![SendResponse, Set(Timer::G, ms(500)), Set(Timer::H, s(32))],
                ),
                (Proceeding, Event::TransportError, Proceeding, vec![TransportFailed]),
                (T1, Event::Request, T1, vec![SendResponse]),
                (T1, Event::Ack, Confirmed, vec![Clear(Timer::G), Clear(Timer::H), Set(Timer::I, s(5))]),
                (T1, Event::Respond(Provisional), T1, vec![]),
                (T1, Event::Respond(Success), T1, vec![]),
                (T1, Event::Respond(Failure), T1, vec![]),
                (T1, Event::Timer(Timer::H), State::Terminated, vec![TimedOut, Terminated]),
                (T1, Event::TransportError, T1, vec![TransportFailed]),
                (Confirmed, Event::Request, Confirmed, vec![]),
                (Confirmed, Event::Ack, Confirmed, vec![]),
                (Confirmed, Event::Respond(Provisional), Confirmed, vec![]),
                (Confirmed, Event::Respond(Success), Confirmed, vec![]),
                (Confirmed, Event::Respond(Failure), Confirmed, vec![]),
                (Confirmed, Event::Timer(Timer::I), State::Terminated, vec![Terminated]),
                (Confirmed, Event::TransportError, Confirmed, vec![]),
            ],
        );
    }

    #[test]
    fn rfc6026_7_1_accepted_absorbs_invites_sends_2xx_and_passes_acks_up() {
        check(
            |state, event| step(Unreliable, state, event),
            &[
                (Accepted, Event::Request, Accepted, vec![]),
                (Accepted, Event::Ack, Accepted, vec![ToUser]),
                (Accepted, Event::Respond(Success), Accepted, vec![SendResponse]),
                (Accepted, Event::Respond(Provisional), Accepted, vec![]),
                (Accepted, Event::Respond(Failure), Accepted, vec![]),
                (Accepted, Event::Timer(Timer::L), State::Terminated, vec![Terminated]),
                (Accepted, Event::TransportError, Accepted, vec![TransportFailed]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_2_1_over_tcp_nothing_is_repeated_and_timer_i_is_zero() {
        check(
            |state, event| step(Reliable, state, event),
            &[
                (Proceeding, Event::Respond(Failure), T1, vec![SendResponse, Set(Timer::H, s(32))]),
                (T1, Event::Ack, State::Terminated, vec![Terminated]),
                (T1, Event::Timer(Timer::H), State::Terminated, vec![TimedOut, Terminated]),
                // RFC 6026 §8.1: timer L is 64·T1 over every transport.
                (Proceeding, Event::Respond(Success), Accepted, vec![SendResponse, Set(Timer::L, s(32))]),
            ],
        );
    }

    #[test]
    fn rfc3261_17_2_1_timer_g_doubles_up_to_t2_and_stays_there() {
        let mut machine = InviteServer { reliability: Unreliable, state: T1 };
        let settings = TimerSettings::default();
        let intervals: Vec<_> = (0..5)
            .flat_map(|_| machine.handle(Event::Timer(Timer::G), &settings))
            .filter_map(|action| if let Set(Timer::G, after) = action { Some(after) } else { None })
            .collect();
        assert_eq!(intervals, [s(1), s(2), s(4), s(4), s(4)]);
    }

    #[test]
    fn rfc3261_17_2_1_a_timer_that_is_not_running_changes_nothing() {
        for (state, own) in [
            (Proceeding, &[][..]),
            (T1, &[Timer::G, Timer::H]),
            (Confirmed, &[Timer::I]),
            (Accepted, &[Timer::L]),
            (State::Terminated, &[]),
        ] {
            for timer in crate::transaction::table::ALL_TIMERS.iter().filter(|timer| !own.contains(timer)) {
                assert_eq!(
                    step(Unreliable, state, Event::Timer(*timer)),
                    (state, vec![]),
                    "{state:?} {timer:?}"
                );
            }
        }
    }

    #[test]
    fn rfc3261_17_2_1_terminated_takes_nothing_more() {
        for event in [
            Event::Request,
            Event::Ack,
            Event::Respond(Provisional),
            Event::Respond(Success),
            Event::Respond(Failure),
            Event::TransportError,
        ] {
            assert_eq!(step(Unreliable, State::Terminated, event), (State::Terminated, vec![]));
        }
    }

    #[test]
    fn it_can_be_written_out_and_read_back() {
        let machine = InviteServer { reliability: Unreliable, state: T1 };
        let text = serde_json::to_string(&machine).expect("plain data");
        assert_eq!(serde_json::from_str::<InviteServer>(&text).expect("its own text"), machine);
    }
}
