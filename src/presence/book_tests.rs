//! Every state meets every event; leases are exclusive and stale tokens are harmless.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::clock::{Moment, Now};
use crate::routing::{Agent, Directory};

fn now(seconds: u64) -> Now {
    let wall = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Now { moment: Moment::from_micros(seconds * 1_000_000), wall }
}

fn at(seconds: u64) -> Moment {
    now(seconds).moment
}

fn agent(id: &str) -> AgentId {
    AgentId::new(id)
}

fn call(id: &str) -> CallId {
    CallId::new(id)
}

fn offer(id: &str) -> OfferId {
    OfferId::new(id)
}

fn directory(ids: &[&str]) -> Directory {
    let entry = |id: &&str| {
        let entry = Agent {
            id: agent(id),
            name: (*id).to_owned(),
            kana: None,
            role: Role::Agent,
            contact: format!("sip:{id}@h"),
            groups: Vec::new(),
            skills: Vec::new(),
        };
        (agent(id), entry)
    };
    Directory { agents: ids.iter().map(entry).collect(), ..Directory::default() }
}

/// A book of available agents.
fn book(ids: &[&str]) -> AgentBook {
    let mut book = AgentBook::new(false);
    book.apply_directory(&directory(ids), now(0));
    for id in ids {
        book.set_status(&agent(id), AgentStatus::Available, SetBy::Manual, now(0)).unwrap();
    }
    book
}

fn away(reason: AbsenceReason) -> AgentStatus {
    AgentStatus::Away(Absence { reason, until: None, next_start: None })
}

/// `a` in each state; the lease of reserved and ringing is `o1` on `c1` until 20 s, the wrap-up of `c1` until
/// 30 s.
fn in_state(state: &str) -> AgentBook {
    let mut book = book(&["a"]);
    let a = agent("a");
    if state == "idle" {
        return book;
    }
    book.reserve(&a, &call("c1"), &offer("o1"), at(20)).unwrap();
    if state != "reserved" {
        assert!(book.ringing(&a, &offer("o1")));
    }
    if matches!(state, "on_call" | "wrap_up") {
        assert!(book.answered(&a, &offer("o1")));
    }
    if state == "wrap_up" {
        assert!(book.call_ended(&a, &call("c1"), Some((at(30), now(30).wall)), now(0)));
    }
    assert_eq!(book.document(&a, now(0)).unwrap().state, state);
    book
}

type Event = fn(&mut AgentBook) -> bool;

/// Each event, and the state it leads to from idle, reserved, ringing, on call and wrap-up; `=` changes
/// nothing.
const TABLE: [(&str, Event, [&str; 5]); 15] = [
    (
        "reserve",
        |book| book.reserve(&agent("a"), &call("c2"), &offer("o2"), at(40)).is_ok(),
        ["reserved", "=", "=", "=", "="],
    ),
    ("ringing", |book| book.ringing(&agent("a"), &offer("o1")), ["=", "ringing", "ringing", "=", "="]),
    ("ringing, stale", |book| book.ringing(&agent("a"), &offer("o0")), ["="; 5]),
    ("answered", |book| book.answered(&agent("a"), &offer("o1")), ["=", "on_call", "on_call", "=", "="]),
    ("answered, stale", |book| book.answered(&agent("a"), &offer("o0")), ["="; 5]),
    (
        "withdrawn",
        |book| book.release(&agent("a"), &offer("o1"), Release::Withdrawn, now(1)),
        ["=", "idle", "idle", "=", "="],
    ),
    (
        "no answer",
        |book| book.release(&agent("a"), &offer("o1"), Release::NoAnswer, now(1)),
        ["=", "idle", "idle", "=", "="],
    ),
    (
        "phone failed",
        |book| book.release(&agent("a"), &offer("o1"), Release::PhoneFailed { rest_until: at(31) }, now(1)),
        ["=", "idle", "idle", "=", "="],
    ),
    (
        "declined",
        |book| book.release(&agent("a"), &offer("o1"), Release::Declined, now(1)),
        ["=", "idle", "idle", "=", "="],
    ),
    ("withdrawn, stale", |book| book.release(&agent("a"), &offer("o0"), Release::NoAnswer, now(1)), ["="; 5]),
    (
        "call ended",
        |book| book.call_ended(&agent("a"), &call("c1"), Some((at(9), now(9).wall)), now(1)),
        ["=", "=", "=", "wrap_up", "="],
    ),
    ("another call ended", |book| book.call_ended(&agent("a"), &call("c9"), None, now(1)), ["="; 5]),
    (
        "wrap-up finished",
        |book| book.finish_wrap_up(&agent("a"), &call("c1"), now(1)),
        ["=", "=", "=", "=", "idle"],
    ),
    (
        "wrap-up of another call finished",
        |book| book.finish_wrap_up(&agent("a"), &call("c9"), now(1)),
        ["="; 5],
    ),
    ("time", |book| !book.expire(now(30)).is_empty(), ["=", "idle", "idle", "=", "idle"]),
];

#[test]
fn every_event_in_every_state_leads_where_the_table_says() {
    for (event, happen, results) in TABLE {
        for (state, result) in ["idle", "reserved", "ringing", "on_call", "wrap_up"].into_iter().zip(results)
        {
            let mut book = in_state(state);
            let before = book.clone();
            assert_eq!(happen(&mut book), result != "=", "{event} when {state} says so");
            if result == "=" {
                assert_eq!(book, before, "{event} when {state} changes nothing");
            } else {
                let document = book.document(&agent("a"), now(0)).unwrap();
                assert_eq!(document.state, result, "{event} when {state}");
            }
        }
    }
}

#[test]
fn a_call_that_came_otherwise_displaces_an_offer_and_waits_for_nobody() {
    for (state, displaced) in [
        ("idle", None),
        ("reserved", Some(offer("o1"))),
        ("ringing", Some(offer("o1"))),
        ("on_call", None),
        ("wrap_up", None),
    ] {
        let mut book = in_state(state);
        assert_eq!(book.on_call(&agent("a"), &call("c7")), displaced, "{state}");
        assert_eq!(book.document(&agent("a"), now(0)).unwrap().state, "on_call", "{state}");
        assert!(!book.answered(&agent("a"), &offer("o1")), "{state}");
    }
    let mut book = in_state("ringing");
    assert_eq!(book.on_call(&agent("a"), &call("c1")), None, "the offered call itself displaces nothing");
}

#[test]
fn a_second_call_keeps_the_agent_on_call_until_both_ended() {
    for order in [["c1", "c2"], ["c2", "c1"]] {
        let mut book = in_state("on_call");
        book.on_call(&agent("a"), &call("c2"));
        assert!(book.call_ended(&agent("a"), &call(order[0]), None, now(1)));
        assert_eq!(book.state(&agent("a")), Some(AgentState::OnCall(call(order[1]))));
        assert!(book.call_ended(&agent("a"), &call(order[1]), None, now(2)));
        assert_eq!(book.state(&agent("a")), Some(AgentState::Idle));
    }
}

#[test]
fn a_ring_without_answer_makes_away_and_one_key_brings_back() {
    let mut book = in_state("ringing");
    let a = agent("a");
    assert!(book.release(&a, &offer("o1"), Release::NoAnswer, now(10)));
    assert_eq!(book.offerable(&a), Err(WhyNot::Away(AbsenceReason::Rona)));
    let stored = book.stored(&a).unwrap();
    assert_eq!((stored.set_by, stored.since), (SetBy::Automatic, now(10).wall));
    let document = book.set_status(&a, AgentStatus::Available, SetBy::Manual, now(11)).unwrap();
    assert_eq!(document.status, "available");
    assert_eq!(book.offerable(&a), Ok(()));
}

#[test]
fn a_ring_without_answer_keeps_an_absence_chosen_meanwhile() {
    let mut book = in_state("ringing");
    let a = agent("a");
    book.set_status(&a, away(AbsenceReason::Sick), SetBy::Supervisor, now(5)).unwrap();
    assert!(book.release(&a, &offer("o1"), Release::NoAnswer, now(10)));
    assert_eq!(book.offerable(&a), Err(WhyNot::Away(AbsenceReason::Sick)));
    assert_eq!(book.stored(&a).unwrap().set_by, SetBy::Supervisor);
}

#[test]
fn a_phone_that_failed_rests_until_its_time() {
    let mut book = in_state("ringing");
    let a = agent("a");
    assert!(book.release(&a, &offer("o1"), Release::PhoneFailed { rest_until: at(31) }, now(1)));
    assert_eq!(book.offerable(&a), Err(WhyNot::PhoneResting));
    assert_eq!(book.reserve(&a, &call("c2"), &offer("o2"), at(9)), Err(NotFree(WhyNot::PhoneResting)));
    assert_eq!(book.next_expiry(), Some(at(31)));
    assert_eq!(book.expire(now(31)), [], "no state changed");
    assert_eq!(book.offerable(&a), Ok(()));
    assert_eq!(book.next_expiry(), None);
}

#[test]
fn a_rest_that_ends_in_wrap_up_does_not_end_the_wrap_up() {
    let mut book = in_state("ringing");
    let a = agent("a");
    assert!(book.release(&a, &offer("o1"), Release::PhoneFailed { rest_until: at(31) }, now(1)));
    book.on_call(&a, &call("c5"));
    assert!(book.call_ended(&a, &call("c5"), Some((at(60), now(60).wall)), now(20)));
    assert_eq!(book.expire(now(31)), []);
    assert_eq!(book.offerable(&a), Err(WhyNot::WrapUp));
    assert_eq!(book.expire(now(60)), [agent("a")]);
    assert_eq!(book.offerable(&a), Ok(()));
}

#[test]
fn who_may_replace_whose_status() {
    use SetBy::{Automatic, Manual, Shift, Supervisor};
    let available = || AgentStatus::Available;
    let absent = || away(AbsenceReason::Meeting);
    for (present, set_by, wanted, by, granted) in [
        (absent(), Supervisor, available(), Manual, false),
        (absent(), Supervisor, AgentStatus::Offline, Manual, false),
        (absent(), Supervisor, available(), Supervisor, true),
        (AgentStatus::Offline, Supervisor, available(), Manual, false),
        (available(), Supervisor, absent(), Manual, true),
        (available(), Supervisor, AgentStatus::Offline, Shift, false),
        (absent(), Manual, available(), Manual, true),
        (absent(), Manual, available(), Shift, false),
        (absent(), Manual, available(), Supervisor, true),
        (available(), Manual, absent(), Automatic, false),
        (absent(), Shift, available(), Manual, true),
        (absent(), Automatic, available(), Manual, true),
        (absent(), Automatic, available(), Shift, true),
    ] {
        let mut book = book(&["a"]);
        assert!(book.restore_status(&agent("a"), present.clone(), set_by, now(0).wall));
        let result = book.set_status(&agent("a"), wanted.clone(), by, now(5));
        let case = format!("{present} by {set_by:?}, then {wanted} by {by:?}");
        if granted {
            let document = result.unwrap();
            assert_eq!((document.status.as_str(), document.set_by), (wanted.as_str(), by), "{case}");
            assert_eq!(document.since, now(5).wall, "{case}");
        } else {
            assert_eq!(result, Err(StatusRefusal::SetByHigher(set_by)), "{case}");
            assert_eq!(book.stored(&agent("a")).unwrap().status, present, "{case}");
        }
    }
    let nobody = book(&["a"]).set_status(&agent("z"), available(), Manual, now(0));
    assert_eq!(nobody, Err(StatusRefusal::NoSuchAgent));
}

#[test]
fn the_same_status_again_keeps_its_beginning() {
    let mut book = book(&["a"]);
    let document = book.set_status(&agent("a"), AgentStatus::Available, SetBy::Supervisor, now(50)).unwrap();
    assert_eq!((document.since, document.set_by), (now(0).wall, SetBy::Supervisor));
    assert_eq!(book.idle_since(&agent("a")), Some(at(0)));
}

#[test]
fn m002_a_document_says_reason_times_and_who_set_it() {
    let mut book = book(&["a"]);
    let absence = Absence {
        reason: AbsenceReason::LeftForDay,
        until: Some(now(100).wall),
        next_start: Some(now(200).wall),
    };
    let document =
        book.set_status(&agent("a"), AgentStatus::Away(absence), SetBy::Supervisor, now(7)).unwrap();
    assert_eq!(
        serde_json::to_value(document).unwrap(),
        serde_json::json!({
            "agent": "a", "status": "away", "reason": "left_for_day", "state": "idle", "since": now(7).wall,
            "until": now(100).wall, "next_start": now(200).wall, "set_by": "supervisor",
        })
    );
}

#[test]
fn whoever_is_busy_with_a_call_is_on_other_business_to_others() {
    for (state, reason, shown) in [
        ("idle", None, None),
        ("reserved", Some(AbsenceReason::OtherCase), None),
        ("ringing", Some(AbsenceReason::OtherCase), None),
        ("on_call", Some(AbsenceReason::OtherCase), Some("other_case")),
        ("wrap_up", Some(AbsenceReason::OtherCase), Some("other_case")),
    ] {
        let book = in_state(state);
        assert_eq!(book.effective_reason(&agent("a")), reason, "{state}");
        assert_eq!(book.document(&agent("a"), now(0)).unwrap().reason.as_deref(), shown, "{state}");
    }
    let mut book = in_state("on_call");
    book.set_status(&agent("a"), away(AbsenceReason::Break), SetBy::Manual, now(1)).unwrap();
    assert_eq!(book.effective_reason(&agent("a")), Some(AbsenceReason::OtherCase));
    book.call_ended(&agent("a"), &call("c1"), None, now(2));
    assert_eq!(book.effective_reason(&agent("a")), Some(AbsenceReason::Break));
}

#[test]
fn a_screen_is_asked_for_only_where_it_is_required() {
    let mut book = book(&["a"]);
    assert_eq!(book.offerable(&agent("a")), Ok(()));
    book.require_screen(true);
    assert_eq!(book.offerable(&agent("a")), Err(WhyNot::NoScreen));
    book.screens(&agent("a"), true);
    assert_eq!(book.offerable(&agent("a")), Ok(()));
    book.screens(&agent("a"), false);
    assert_eq!(book.offerable(&agent("a")), Err(WhyNot::NoScreen));
}

#[test]
fn somebody_new_is_offline_and_somebody_gone_is_forgotten_when_nothing_holds_them() {
    let mut book = in_state("on_call");
    book.apply_directory(&directory(&["b"]), now(3));
    assert_eq!(book.offerable(&agent("b")), Err(WhyNot::Offline));
    assert_eq!(book.offerable(&agent("a")), Err(WhyNot::NoSuchAgent));
    assert!(book.document(&agent("a"), now(3)).is_some(), "the call holds them");
    assert!(book.call_ended(&agent("a"), &call("c1"), Some((at(60), now(60).wall)), now(4)));
    assert_eq!(book.document(&agent("a"), now(4)), None);
    assert_eq!(book.next_expiry(), None);
    let mut book = in_state("on_call");
    book.apply_directory(&directory(&[]), now(3));
    book.apply_directory(&directory(&["a"]), now(4));
    assert!(book.call_ended(&agent("a"), &call("c1"), None, now(5)));
    assert_eq!(book.offerable(&agent("a")), Ok(()), "who came back in time was never gone");
}

#[test]
fn waiting_is_counted_from_the_last_call_and_not_from_an_offer_taken_back() {
    let mut book = in_state("ringing");
    let a = agent("a");
    assert!(book.release(&a, &offer("o1"), Release::Withdrawn, now(8)));
    assert_eq!(book.idle_since(&a), Some(at(0)));
    book.reserve(&a, &call("c2"), &offer("o2"), at(40)).unwrap();
    assert!(book.release(&a, &offer("o2"), Release::Declined, now(9)));
    assert_eq!(book.idle_since(&a), Some(at(9)));
    book.on_call(&a, &call("c3"));
    assert!(book.call_ended(&a, &call("c3"), None, now(12)));
    assert_eq!(book.idle_since(&a), Some(at(12)));
}

#[test]
fn a_book_read_back_is_the_book_that_was_written() {
    for state in ["idle", "reserved", "ringing", "on_call", "wrap_up"] {
        let book = in_state(state);
        let text = serde_json::to_string(&book).unwrap();
        assert_eq!(serde_json::from_str::<AgentBook>(&text).unwrap(), book, "{state}");
    }
}

#[test]
fn an_overlay_blocks_offers_and_leaves_status_and_state_alone() {
    let mut book = book(&["a"]);
    let a = agent("a");
    let before = book.document(&a, now(1)).unwrap();
    book.stale(&a, at(61), now(1));
    assert_eq!(book.offerable(&a), Err(WhyNot::ClientStale));
    let stale = book.document(&a, now(1)).unwrap();
    let overlay = OverlaySince { kind: Overlay::ClientStale, since: now(1).wall };
    assert_eq!(stale, PresenceDocument { overlays: vec![overlay], ..before.clone() });
    assert_eq!(book.take_overlaid(), Some(a.clone()));
    book.fresh(&a);
    assert_eq!((book.offerable(&a), book.document(&a, now(2)).unwrap()), (Ok(()), before));
    assert_eq!((book.take_overlaid(), book.take_overlaid()), (Some(a.clone()), None));
    assert_eq!(book.take_freed(), Some(a), "whoever waits is offered at once");
}

#[test]
fn a_screen_that_never_answers_again_blocks_its_agent_no_longer_than_the_limit() {
    let mut book = book(&["a"]);
    let a = agent("a");
    book.stale(&a, at(61), now(1));
    book.stale(&a, at(90), now(30));
    assert_eq!(book.document(&a, now(30)).unwrap().overlays[0].since, now(1).wall, "stale since the first");
    assert_eq!(book.expire(now(89)), []);
    assert_eq!(book.offerable(&a), Err(WhyNot::ClientStale));
    assert_eq!(book.expire(now(90)), [], "no state changed");
    assert_eq!((book.offerable(&a), book.next_expiry()), (Ok(()), None));
}

#[test]
fn a_phone_that_is_out_of_service_is_named_and_one_that_refused_only_rests() {
    let a = agent("a");
    for (down, why) in [(Some(now(1).wall), WhyNot::PhoneDown), (None, WhyNot::PhoneResting)] {
        let mut book = in_state("ringing");
        book.phone_down(&a, down);
        assert!(book.release(&a, &offer("o1"), Release::PhoneFailed { rest_until: at(31) }, now(1)));
        assert_eq!(book.offerable(&a), Err(why));
        let overlays = book.document(&a, now(1)).unwrap().overlays;
        assert_eq!(overlays.iter().map(|it| it.kind).next(), down.map(|_| Overlay::PhoneDown));
        let mut answers = book.clone();
        answers.rest_phone(&a, None);
        book.expire(now(31));
        for book in [book, answers] {
            assert_eq!(book.offerable(&a), Ok(()));
            assert!(book.document(&a, now(31)).unwrap().overlays.is_empty());
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Stale(u8, u8),
    Fresh(u8),
    PhoneDown(u8, Option<u8>),
    Reserve(u8, u8, u8),
    Ringing(u8, u8),
    Answered(u8, u8),
    Release(u8, u8, u8),
    OnCall(u8, u8),
    CallEnded(u8, u8, bool),
    FinishWrapUp(u8, u8),
    Status(u8, bool),
    Directory(bool),
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (who, token) = (0_u8..3, 0_u8..8);
    let step = prop_oneof![
        (who.clone(), 1_u8..30).prop_map(|(a, s)| Step::Stale(a, s)),
        who.clone().prop_map(Step::Fresh),
        (who.clone(), proptest::option::of(1_u8..30)).prop_map(|(a, s)| Step::PhoneDown(a, s)),
        (who.clone(), token.clone(), 1_u8..30).prop_map(|(a, o, s)| Step::Reserve(a, o, s)),
        (who.clone(), token.clone()).prop_map(|(a, o)| Step::Ringing(a, o)),
        (who.clone(), token.clone()).prop_map(|(a, o)| Step::Answered(a, o)),
        (who.clone(), token.clone(), 0_u8..4).prop_map(|(a, o, how)| Step::Release(a, o, how)),
        (who.clone(), token.clone()).prop_map(|(a, c)| Step::OnCall(a, c)),
        (who.clone(), token.clone(), any::<bool>()).prop_map(|(a, c, wrap)| Step::CallEnded(a, c, wrap)),
        (who.clone(), token).prop_map(|(a, c)| Step::FinishWrapUp(a, c)),
        (who, any::<bool>()).prop_map(|(a, here)| Step::Status(a, here)),
        any::<bool>().prop_map(Step::Directory),
        (0_u8..20).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..80)
}

/// What a book must never do, whatever comes in whatever order. The offer of token `n` is for call `n`.
fn check(steps: Vec<Step>) {
    let mut book = book(&["a0", "a1", "a2"]);
    let mut held: BTreeMap<AgentId, OfferId> = BTreeMap::new();
    let mut seconds = 0;
    for step in steps {
        let time = now(seconds);
        let who = |index: u8| agent(&format!("a{index}"));
        let token = |index: u8| offer(&format!("o{index}"));
        let the_call = |index: u8| call(&format!("c{index}"));
        match step {
            // Overlays never change what was chosen or what is observed; they only block offers.
            Step::Stale(..) | Step::Fresh(_) | Step::PhoneDown(..) => {
                let seen = |book: &AgentBook| -> Vec<_> {
                    let ids = ["a0", "a1", "a2"].map(agent);
                    ids.iter().map(|id| (book.stored(id), book.state(id), book.idle_since(id))).collect()
                };
                let (before, was_free) = (seen(&book), book.clone());
                lay_over(&mut book, &step, seconds);
                assert_eq!(seen(&book), before);
                for id in ["a0", "a1", "a2"].map(agent) {
                    let blocked = !book.document(&id, time).is_none_or(|it| it.overlays.is_empty());
                    assert!(!blocked || book.offerable(&id).is_err(), "{id} is blocked and free");
                    let same = was_free.document(&id, time) == book.document(&id, time);
                    let (old, new) = (was_free.offerable(&id), book.offerable(&id));
                    // The rest of a phone that refused is not shown; it ends when the phone is heard.
                    let rested = old == Err(WhyNot::PhoneResting) && matches!(step, Step::PhoneDown(_, None));
                    assert!(
                        !same || old == new || (rested && new != Err(WhyNot::PhoneResting)),
                        "{id}: {new:?}"
                    );
                }
            }
            Step::Reserve(a, o, s) => {
                let expires = at(seconds + u64::from(s));
                if book.reserve(&who(a), &the_call(o), &token(o), expires).is_ok() {
                    let second = held.insert(who(a), token(o));
                    assert_eq!(second, None, "a second lease on {}", who(a));
                }
            }
            Step::Ringing(a, o) => {
                assert_eq!(book.ringing(&who(a), &token(o)), held.get(&who(a)) == Some(&token(o)));
            }
            Step::Answered(a, o) => {
                let is_held = held.get(&who(a)) == Some(&token(o));
                assert_eq!(book.answered(&who(a), &token(o)), is_held);
                held.retain(|id, _| !is_held || *id != who(a));
            }
            Step::Release(a, o, how) => {
                let how = match how {
                    0 => Release::Withdrawn,
                    1 => Release::NoAnswer,
                    2 => Release::PhoneFailed { rest_until: at(seconds + 30) },
                    _ => Release::Declined,
                };
                let before = book.clone();
                let is_held = held.get(&who(a)) == Some(&token(o));
                assert_eq!(book.release(&who(a), &token(o), how, time), is_held);
                if is_held {
                    held.remove(&who(a));
                } else {
                    assert_eq!(book, before, "a stale token changed something");
                }
            }
            Step::OnCall(a, c) => {
                let displaced = book.on_call(&who(a), &the_call(c));
                let lease = held.remove(&who(a)).filter(|lease| *lease != token(c));
                assert_eq!(displaced, lease);
            }
            Step::CallEnded(a, c, wrap) => {
                let until = now(seconds + 30);
                book.call_ended(&who(a), &the_call(c), wrap.then_some((until.moment, until.wall)), time);
            }
            Step::FinishWrapUp(a, c) => _ = book.finish_wrap_up(&who(a), &the_call(c), time),
            Step::Status(a, here) => {
                let status = if here { AgentStatus::Available } else { away(AbsenceReason::Break) };
                _ = book.set_status(&who(a), status, SetBy::Manual, time);
            }
            Step::Directory(all) => {
                let ids: &[&str] = if all { &["a0", "a1", "a2"] } else { &["a1"] };
                book.apply_directory(&directory(ids), time);
            }
            Step::Wait(s) => {
                seconds += u64::from(s);
                for id in book.expire(now(seconds)) {
                    held.remove(&id);
                }
                assert!(book.next_expiry().is_none_or(|next| next > at(seconds)));
            }
        }
        for (id, lease) in &held {
            assert!(book.offerable(id).is_err(), "{id} is leased to {lease} and free");
        }
    }
    // Nobody is stuck: once the calls ended, time alone gives everybody back.
    for id in ["a0", "a1", "a2"].map(agent) {
        for index in 0..8 {
            book.call_ended(&id, &call(&format!("c{index}")), None, now(seconds));
        }
    }
    book.expire(now(seconds + 100));
    assert_eq!(book.next_expiry(), None);
    let free = |it: &PresenceDocument| it.state == "idle" && it.overlays.is_empty();
    assert!(book.documents(now(seconds)).iter().all(free));
}

fn lay_over(book: &mut AgentBook, step: &Step, seconds: u64) {
    let who = |index: u8| agent(&format!("a{index}"));
    match step {
        Step::Stale(a, s) => book.stale(&who(*a), at(seconds + u64::from(*s)), now(seconds)),
        Step::Fresh(a) => book.fresh(&who(*a)),
        Step::PhoneDown(a, rest) => {
            book.phone_down(&who(*a), rest.map(|_| now(seconds).wall));
            book.rest_phone(&who(*a), rest.map(|rest| at(seconds + u64::from(rest))));
        }
        Step::Reserve(..)
        | Step::Ringing(..)
        | Step::Answered(..)
        | Step::Release(..)
        | Step::OnCall(..)
        | Step::CallEnded(..)
        | Step::FinishWrapUp(..)
        | Step::Status(..)
        | Step::Directory(_)
        | Step::Wait(_) => {}
    }
}

/// A phone that only rests shows no overlay, and is free again when it is heard.
#[test]
fn the_end_of_a_rest_that_nobody_sees_is_no_overlay_that_went() {
    check(vec![
        Step::Status(0, true),
        Step::Reserve(0, 1, 5),
        Step::Release(0, 1, 2),
        Step::PhoneDown(0, None),
        Step::Reserve(0, 2, 5),
    ]);
}

proptest! {
    #[test]
    fn no_order_of_events_makes_two_leases_or_a_stuck_agent(steps in steps()) {
        check(steps);
    }
}
