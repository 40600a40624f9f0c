//! Absences with a time of return: a prompt, and nothing else.

use std::time::Duration;

use super::world::World;
use crate::engine::{Input, Request};
use crate::events::Audience;
use crate::presence::{Absence, AbsenceReason, AgentId, AgentStatus, SetBy};

const MINUTE: Duration = Duration::from_secs(60);

fn away(world: &mut World, agent: &str, minutes: i64) {
    let until = Some(world.now.wall + jiff::SignedDuration::from_mins(minutes));
    let absence = Absence { reason: AbsenceReason::Break, until, next_start: None };
    set(world, agent, AgentStatus::Away(absence));
}

fn set(world: &mut World, agent: &str, status: AgentStatus) {
    let (agent, user) = (AgentId::new(agent), agent.to_owned());
    world.ask(Request::SetPresence { agent, status, by: SetBy::Manual, user }).unwrap();
}

#[test]
fn when_the_time_of_return_comes_the_agent_is_asked_once_and_stays_away() {
    let mut world = World::new();
    world.input(Input::Listening(true));
    away(&mut world, "a1", 10);
    away(&mut world, "a2", 15);
    world.advance(MINUTE * 9);
    assert_eq!(world.happened(), [""; 0]);
    world.advance(MINUTE);
    let told = world.events.pop().expect("the prompt");
    assert_eq!(told.audience, [Audience::Agent(AgentId::new("a1")), Audience::Team("front".to_owned())]);
    world.events.push(told);
    assert_eq!(world.happened(), ["presence.return_due a1 break"]);
    world.advance(MINUTE * 60);
    assert_eq!(world.happened(), ["presence.return_due a2 break"]);
    // Nobody is made available by a clock: they may be late, or ill.
    assert_eq!(world.status_of("a1"), ("away".to_owned(), Some("break".to_owned()), "idle".to_owned()));
    assert_eq!(world.engine.gauges().timers, 0);
}

#[test]
fn who_comes_back_earlier_or_stays_longer_is_asked_at_the_new_time() {
    let mut world = World::new();
    world.input(Input::Listening(true));
    away(&mut world, "a1", 10);
    away(&mut world, "a2", 10);
    world.advance(MINUTE * 5);
    set(&mut world, "a1", AgentStatus::Available);
    away(&mut world, "a2", 20);
    world.advance(MINUTE * 19);
    assert_eq!(world.happened(), [""; 0]);
    world.advance(MINUTE);
    assert_eq!(world.happened(), ["presence.return_due a2 break"]);
}

#[test]
fn another_process_asks_and_does_not_ask_again() {
    let mut world = World::new();
    world.input(Input::Listening(true));
    away(&mut world, "a1", 10);
    away(&mut world, "a2", 20);
    world.advance(MINUTE * 15);
    world.happened();
    world.reborn();
    world.input(Input::Listening(true));
    world.advance(MINUTE * 15);
    assert_eq!(world.happened(), ["presence.return_due a2 break"]);
}
