//! What agents and supervisors ask for.

use std::sync::Arc;
use std::time::Duration;

use super::world::{CARRIER, PHONE_1, PHONE_2, World, card, invites, within_dialog};
use crate::customer::{Notice, NoticeLevel};
use crate::engine::{Answer, ErrorCode, Input, Request};
use crate::presence::{Absence, AbsenceReason, AgentId, AgentStatus, CallId, SetBy};

#[test]
fn taking_a_call_twice_is_one_event() {
    let (mut world, call) = offered();
    let take = || Request::TakePop { agent: AgentId::new("a1"), call: call.clone(), rev: 1 };
    assert_eq!(world.ask(take()), Ok(Answer::Done { rev: Some(2) }));
    assert_eq!(world.ask(take()), Ok(Answer::Done { rev: Some(2) }));
    assert_eq!(world.happened(), ["pop.taken a1"]);
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 200, "phone");
    assert_eq!(
        world.happened(),
        ["call.answered a1"],
        "the phone's answer confirms, without a second pop.taken"
    );
}

#[test]
fn m007_a_call_that_a_colleague_has_is_already_taken() {
    let (mut world, call) = offered();
    let refusal = world.ask(Request::TakePop { agent: AgentId::new("a2"), call, rev: 1 }).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::AlreadyTaken);
    assert_eq!(refusal.by, Some(AgentId::new("a1")));
    assert_eq!(refusal.ja, "高橋が対応中です");
}

#[test]
fn an_old_revision_is_a_conflict_with_the_present_card() {
    let (mut world, call) = offered();
    let refusal = world.ask(Request::ClaimPop { agent: AgentId::new("a1"), call, rev: 7 }).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Conflict);
    assert_eq!(refusal.current.map(|current| current.0), Some(1));
}

#[test]
fn a_declined_call_goes_to_the_next_agent_and_is_no_miss() {
    let (mut world, call) = offered();
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.happened();
    let decline = Request::DeclinePop {
        agent: AgentId::new("a1"),
        call,
        rev: 1,
        reason: "policy_complaint".to_owned(),
    };
    world.ask(decline).unwrap();
    assert_eq!(world.happened(), ["pop.withdrawn Declined", "pop.offered"]);
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
    assert_eq!(world.status_of("a1").0, "available");
}

#[test]
fn an_agent_cannot_undo_what_a_supervisor_set() {
    let mut world = World::new();
    let sick = Absence { reason: AbsenceReason::Sick, until: None, next_start: None };
    let set = |status, by| Request::SetPresence {
        agent: AgentId::new("a1"),
        status,
        by,
        user: "somebody".to_owned(),
    };
    world.ask(set(AgentStatus::Away(sick), SetBy::Supervisor)).unwrap();
    let refusal = world.ask(set(AgentStatus::Available, SetBy::Manual)).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Forbidden);
    world.ask(set(AgentStatus::Available, SetBy::Supervisor)).unwrap();
    assert_eq!(world.status_of("a1").0, "available");
    assert_eq!(world.stored.len(), 2, "each change is kept once");
}

#[test]
fn m023_wrap_up_does_not_end_by_key_while_a_danger_notice_is_unread() {
    let (mut world, call) = wrapping_with_danger(false);
    let finish = || Request::FinishWrapUp { agent: AgentId::new("a1"), call: call.clone() };
    assert_eq!(world.ask(finish()).unwrap_err().code, ErrorCode::NoticeUnacked);
    let read = Request::AcknowledgeNotice {
        agent: AgentId::new("a1"),
        call: call.clone(),
        notice: "n-1".to_owned(),
    };
    world.ask(read).unwrap();
    world.happened();
    world.ask(finish()).unwrap();
    assert_eq!(world.happened(), ["wrapup.done", "pop.closed"]);
    assert_eq!(world.status_of("a1").2, "idle");
}

#[test]
fn m023_time_ends_wrap_up_only_when_the_danger_notice_was_read() {
    let (mut world, call) = wrapping_with_danger(true);
    world.happened();
    world.advance(Duration::from_secs(30));
    assert_eq!(world.happened(), ["wrapup.overdue"]);
    assert_eq!(world.status_of("a1").2, "wrap_up");
    let read = Request::AcknowledgeNotice { agent: AgentId::new("a1"), call, notice: "n-1".to_owned() };
    world.ask(read).unwrap();
    assert_eq!(world.happened(), ["notice.acked n-1", "wrapup.done", "pop.closed"]);
    assert_eq!(world.status_of("a1").2, "idle");
}

#[test]
fn without_a_screen_nobody_is_held_in_wrap_up() {
    let (mut world, _) = wrapping_with_danger(false);
    world.advance(Duration::from_secs(30));
    assert_eq!(world.status_of("a1").2, "idle");
}

#[test]
fn live_calls_carry_their_traces() {
    let (mut world, call) = offered();
    let Ok(Answer::Calls(calls)) = world.ask(Request::LiveCalls) else { panic!("calls") };
    assert_eq!(calls.len(), 1);
    assert_eq!((&calls[0].id, calls[0].ended_at), (&call, None));
    assert!(!calls[0].traces.is_empty());
    world.advance(Duration::from_secs(1));
    assert_eq!(world.ask(Request::LiveCall(CallId::new("c-none"))).unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn i6_who_comes_back_into_the_directory_while_talking_is_not_free() {
    let (mut world, _) = offered();
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.advance(Duration::from_secs(11));
    let gone = AgentId::new("a1");
    world.directory(|people| _ = people.agents.remove(&gone));
    // The answer crosses the CANCEL: the caller talks to somebody who is not in the directory.
    world.reply(PHONE_1, &invite, 200, "phone");
    world.screen("a1");
    world.directory(|_| {});
    assert_eq!(world.status_of("a1").2, "on_call");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.taken(PHONE_1).pop().unwrap();
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.status_of("a1").2, "wrap_up", "the record of that call is still to be written");
}

fn offered() -> (World, CallId) {
    let mut world = World::new();
    world.invite_unknown("one");
    let call = world.events.iter().find_map(|event| event.call.clone()).unwrap();
    world.happened();
    (world, call)
}

/// A call with an unread danger notice, hung up.
fn wrapping_with_danger(screen: bool) -> (World, CallId) {
    let mut world = World::new();
    if screen {
        world.screen("a1");
    }
    world.invite("one");
    let mut known = card("cu-1", Some("a1"));
    known.notices.push(Notice {
        id: "n-1".to_owned(),
        level: NoticeLevel::Danger,
        text: "返金条件は必ず管理者確認".to_owned(),
        by: "SV 鈴木".to_owned(),
        at: world.now.wall,
    });
    world.answer_lookup(Ok(vec![known]));
    let call = world.events.iter().find_map(|event| event.call.clone()).unwrap();
    world.advance(Duration::from_millis(50));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.one(PHONE_1);
    world.reply(PHONE_1, &bye, 200, "phone");
    (world, call)
}

#[test]
fn i6_a_reload_leaves_an_offer_the_time_its_lease_was_taken_for() {
    let mut world = World::new();
    world.screen("a1");
    world.invite_unknown("one");
    let mut longer = super::world::plain_settings();
    longer.answer_within = Duration::from_secs(60);
    world.input(Input::Settings(Arc::new(longer)));
    world.input(Input::Announced(world.last_offer()));
    let invite = invites(world.taken(PHONE_1)).remove(0);
    world.reply(PHONE_1, &invite, 180, "phone");
    world.advance(Duration::from_millis(9_900));
    assert_eq!(world.status_of("a1").2, "ringing");
    world.reply(PHONE_1, &invite, 200, "phone");
    assert_eq!(world.status_of("a1").2, "on_call");
}
