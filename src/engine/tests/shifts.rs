//! What working hours do to people, by a clock that the test turns. The world begins on a Tuesday at ten.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::time;

use super::world::{PHONE_1, PHONE_2, World, card, invites};
use crate::engine::{Answer, Input, Request};
use crate::presence::{Absence, AbsenceReason, AgentId, AgentStatus, Hours, Plan, SetBy};
use crate::routing::Directory;

fn office(directory: &mut Directory) {
    let day = Some(Hours { start: time(9, 30, 0, 0), end: time(18, 0, 0, 0) });
    let plan = Plan { week: [day, day, day, day, day, None, None], ..Plan::default() };
    directory.calendar.teams.insert("front".to_owned(), plan);
}

fn hours(count: u64) -> Duration {
    Duration::from_secs(3600 * count)
}

#[test]
fn at_the_end_of_the_shift_an_agent_has_left_for_the_day() {
    let mut world = World::with(|_| {}, office);
    world.advance(hours(8) - Duration::from_secs(1));
    assert_eq!(world.status_of("a1").0, "available");
    world.advance(Duration::from_secs(1));
    assert_eq!(world.status_of("a1").1.as_deref(), Some("left_for_day"));
    let stored = world.stored.last().expect("the change is kept");
    assert_eq!((stored.set_by, stored.since), (SetBy::Shift, world.now.wall));
    world.invite_unknown("evening");
    assert_eq!(invites(world.taken(PHONE_1)).len() + invites(world.taken(PHONE_2)).len(), 0);
}

#[test]
fn the_next_morning_the_absence_is_over_and_nobody_is_available_by_itself() {
    let mut world = World::with(|_| {}, office);
    world.advance(hours(24));
    assert_eq!(world.status_of("a1").0, "offline");
}

#[test]
fn on_saturday_it_is_a_day_off_until_monday() {
    let mut world = World::with(|_| {}, office);
    world.advance(hours(24 * 4));
    assert_eq!(world.status_of("a1").1.as_deref(), Some("day_off"));
    let Ok(Answer::Presences(all)) = world.ask(Request::Presences) else { panic!("presences") };
    let monday = all.first().and_then(|document| document.next_start).expect("a next start");
    assert_eq!(monday.to_string(), "2026-11-30T00:30:00Z");
}

#[test]
fn overtime_chosen_after_the_end_of_the_shift_stands() {
    let mut world = World::with(|_| {}, office);
    world.advance(hours(8));
    let status = AgentStatus::Available;
    let agent = AgentId::new("a1");
    world.ask(Request::SetPresence { agent, status, by: SetBy::Manual, user: "a1".to_owned() }).unwrap();
    world.advance(hours(2));
    assert_eq!(world.status_of("a1").0, "available");
    assert_eq!(world.status_of("a2").0, "away");
}

#[test]
fn m036_the_card_says_when_an_ill_assignee_works_again() {
    let mut world = World::with(|_| {}, office);
    let absence = Absence { reason: AbsenceReason::Sick, until: None, next_start: None };
    world
        .ask(Request::SetPresence {
            agent: AgentId::new("a1"),
            status: AgentStatus::Away(absence),
            by: SetBy::Supervisor,
            user: "sv".to_owned(),
        })
        .unwrap();
    world.invite("call");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let assignee = world.last_pop().assignee.expect("the assignee is on the card");
    assert_eq!(assignee.next_start.map(|start| start.to_string()).as_deref(), Some("2026-11-25T00:30:00Z"));
}

#[test]
fn new_hours_are_applied_when_they_are_read() {
    let mut world = World::new();
    world.advance(hours(9));
    assert_eq!(world.status_of("a1").0, "available");
    let mut directory = super::world::plain_directory();
    office(&mut directory);
    world.input(Input::Directory(Arc::new(directory)));
    assert_eq!(world.status_of("a1").1.as_deref(), Some("left_for_day"));
}

#[test]
fn the_alarm_of_the_shift_survives_the_process() {
    let mut world = World::with(|_| {}, office);
    world.reborn_with(office);
    let timers = world.engine.gauges().timers;
    assert_eq!(timers, 1);
    world.advance(hours(8));
    assert_eq!(world.status_of("a1").1.as_deref(), Some("left_for_day"));
}
