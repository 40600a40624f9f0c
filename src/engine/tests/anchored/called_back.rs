//! Callers who are called back instead of waiting on (P3): by their key, by a rule, at the limit, and when
//! they gave up with something open.

use super::*;
use crate::callback::{CallbackId, CallbackState, Source, Step, Window};
use crate::engine::tests::world::card;
use crate::engine::{Answer, CallbackChange, ErrorCode, Request};
use crate::events::{Audience, EventBody, ParkEnd};
use crate::media::Digit;
use crate::park::AtLimit;
use crate::presence::AgentId;
use crate::routing::rules::{RuleLimits, RuleSet};

const ONE: Digit = Digit::Number(1);
const WITHHELD: &str = "<sip:anonymous@anonymous.invalid>";

/// A house whose callers may press 1.
fn pressing(modes: &[(ParkMode, u64)], change: impl FnOnce(&mut Profile)) -> House {
    house_with(modes, |settings| {
        let mut profile = (*settings.park.profile).clone();
        profile.key = Some(ONE);
        change(&mut profile);
        settings.park.profile = Arc::new(profile);
        let rounds = vec![vec![Saying::PressOne]];
        settings.park.schedule =
            Arc::new(Schedule { first: Duration::from_secs(5), rounds, ..Schedule::default() });
    })
}

impl House {
    fn stream_of(&self) -> StreamId {
        let anchored = self.world.engine.tables.calls.values().find_map(|call| call.anchor.as_ref());
        anchored.expect("a call is anchored").stream
    }

    fn presses(&mut self, digit: Digit) {
        let stream = self.stream_of();
        self.world.input(Input::Media(MediaReport::Pressed { stream, digit }));
    }

    fn said(&mut self) {
        let stream = self.stream_of();
        self.world.input(Input::Media(MediaReport::Said { stream }));
    }

    fn announced(&mut self) -> Vec<Announcement> {
        let of = |order| match order {
            MediaOrder::Announce { what, .. } => Some(what),
            MediaOrder::Open { .. } | MediaOrder::Play { .. } | MediaOrder::Close { .. } => None,
        };
        self.orders().into_iter().filter_map(of).collect()
    }

    /// The same as another caller, in another call.
    fn calls_from(&mut self, call: &'static str, from: &str) {
        self.call = call;
        let text = offer_text(call, "", OFFER).replace("<sip:+819012345678@carrier.example>", from);
        let text = text.replace("P-Asserted-Identity: <tel:+819012345678>\r\n", "");
        self.world.receive(CARRIER, text);
        if !self.world.lookups.is_empty() {
            self.world.answer_lookup(Ok(Vec::new()));
        }
    }

    /// An earlier call of the caller ended with a callback.
    fn has_one_open(&mut self) -> CallbackId {
        self.waits();
        self.presses(ONE);
        self.world.advance(Duration::from_secs(20));
        self.heard();
        self.orders();
        self.world.events.clear();
        self.world.callbacks[0].id.clone()
    }

    fn open_ones(&self) -> Vec<&crate::callback::Callback> {
        self.world.engine.callbacks.all().collect()
    }
}

#[test]
fn one_pressed_in_the_answered_call_is_noted_once_told_and_ends_with_a_bye() {
    let mut house = pressing(P2, |_| {});
    house.waits();
    assert_eq!(house.heard_statuses(), [100, 200]);
    house.says("ACK", "");
    house.orders();
    house.presses(Digit::Number(2));
    assert!(house.announced().is_empty() && house.world.callbacks.is_empty(), "another key is nothing");
    for _ in 0..5 {
        house.presses(ONE);
    }
    assert_eq!(house.announced(), [Announcement::CallbackNoted], "said once");
    assert!(house.heard().is_empty(), "the confirmation is heard first");
    let happened = house.world.happened();
    let wanted = ["callback.created digit 1", "call.retrieved nobody Callback 0"];
    assert!(wanted.iter().all(|it| happened.contains(&(*it).to_owned())), "{happened:?}");
    house.said();
    let bye = house.heard().into_iter().find(|it| it.method() == Method::Bye).expect("a BYE");
    house.replies(CARRIER, &bye, 200, "");
    assert_eq!(house.ordered(), ["close"]);
    let noted = house.world.callbacks.clone();
    assert_eq!(noted.len(), 1, "exactly one");
    let callback = &noted[0];
    assert_eq!((callback.number.as_str(), callback.shown.as_str()), ("+819012345678", "090-1234-5678"));
    assert_eq!((callback.state, callback.source), (CallbackState::Requested, Source::Digit));
    assert_eq!((callback.asked, callback.window, callback.verified), (1, None, true));
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    let record = house.world.records.iter().find(|it| it.sip_call_id == "third").unwrap();
    assert_eq!(record.callback.as_ref(), Some(&callback.id));
    assert_eq!(record.parked.map(|it| it.end), Some(ParkEnd::Callback));
    assert!(!house.world.happened().iter().any(|it| it.starts_with("call.abandoned")));
    house.nothing_left();
}

#[test]
fn before_the_answer_the_key_counts_only_on_a_trunk_that_passes_it_and_ends_with_480() {
    let mut deaf = pressing(P1, |_| {});
    deaf.waits();
    deaf.presses(ONE);
    deaf.world.advance(Duration::from_secs(6));
    assert_eq!(deaf.announced(), [Announcement::PleaseHold], "nor is the key spoken of");
    assert!(deaf.world.callbacks.is_empty());

    let mut house = pressing(P1, |profile| profile.early_keys = true);
    house.waits();
    house.world.advance(Duration::from_secs(6));
    assert_eq!(house.announced(), [Announcement::PressOne]);
    house.heard();
    house.presses(ONE);
    house.said();
    assert_eq!(house.heard_statuses(), [480]);
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    assert_eq!(house.world.callbacks.len(), 1);
    house.nothing_left();
}

#[test]
fn a_confirmation_whose_end_is_never_told_ends_the_call_all_the_same() {
    let mut house = pressing(P2, |_| {});
    house.waits();
    house.heard();
    house.says("ACK", "");
    house.presses(ONE);
    house.world.reborn_as(|settings| settings.park.places = 9, |_| {});
    house.world.advance(Duration::from_secs(14));
    assert!(house.heard().is_empty());
    house.world.advance(Duration::from_secs(2));
    assert!(house.heard().iter().any(|it| it.method() == Method::Bye));
    assert_eq!(house.open_ones().len(), 1, "what was noted is known after a restart");
}

#[test]
fn who_hangs_up_during_the_confirmation_has_not_given_up() {
    let mut house = pressing(P2, |_| {});
    house.waits();
    house.heard();
    house.says("ACK", "");
    house.presses(ONE);
    house.says("BYE", "");
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    assert!(!house.world.happened().iter().any(|it| it.starts_with("call.abandoned")));
    house.nothing_left();

    let mut house = pressing(P1, |profile| profile.early_keys = true);
    house.waits();
    house.presses(ONE);
    house.world.receive(CARRIER, cancel_text("third", ""));
    house.world.advance(Duration::from_secs(40));
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    assert_eq!(house.world.callbacks.len(), 1);
    house.nothing_left();
}

#[test]
fn a_key_that_is_pressed_while_a_phone_rings_takes_the_call_from_it() {
    let mut house = pressing(P2, |_| {});
    house.waits();
    house.heard();
    house.says("ACK", "");
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 180, "desk");
    house.presses(ONE);
    let cancelled = house.world.taken(PHONE_1);
    assert!(cancelled.iter().any(|it| it.method() == Method::Cancel), "{cancelled:?}");
    assert!(house.world.happened().contains(&"pop.withdrawn Policy".to_owned()));
    house.world.reply(PHONE_1, &invite, 487, "desk");
    assert!(invites(house.world.taken(PHONE_1)).is_empty(), "nobody is asked any more");
    house.said();
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    house.heard();
    house.nothing_left();
}

#[test]
fn a_caller_without_a_number_is_not_offered_a_callback() {
    for from in [WITHHELD, "<sip:+15551234567@carrier.example>", "<sip:0990123456@carrier.example>"] {
        let mut house = pressing(P2, |_| {});
        house.calls_from("fourth", from);
        house.open();
        house.world.advance(Duration::from_secs(6));
        assert_eq!(house.announced(), [Announcement::PleaseHold], "{from}");
        house.presses(ONE);
        assert!(house.announced().is_empty() && house.world.callbacks.is_empty(), "{from}");
        assert_eq!(house.world.engine.gauges().lot_waiting, 1, "they wait on");
    }
}

#[test]
fn no_more_are_noted_than_may_be_open() {
    let mut house = house_with(P2, |settings| {
        let profile = Profile { key: Some(ONE), ..(*settings.park.profile).clone() };
        settings.park.profile = Arc::new(profile);
        settings.park.callback.open = 1;
    });
    house.has_one_open();
    house.calls_from("fourth", "<sip:+817055556666@carrier.example>");
    house.open();
    house.presses(ONE);
    assert_eq!((house.world.callbacks.len(), house.world.engine.counters().callbacks_refused), (1, 1));
    assert_eq!(house.world.engine.gauges().lot_waiting, 1);
}

#[test]
fn who_asks_again_is_called_once() {
    let mut house = pressing(P2, |_| {});
    let first = house.has_one_open();
    house.calls_from("fourth", "<sip:+819012345678@carrier.example>");
    house.open();
    house.presses(ONE);
    let again = house.world.callbacks.last().unwrap().clone();
    assert_eq!((&again.id, again.asked), (&first, 2));
    assert_eq!(house.open_ones().len(), 1);
    house.world.advance(Duration::from_secs(20));
    let record = house.world.records.iter().find(|it| it.sip_call_id == "fourth").unwrap();
    assert_eq!(record.callback.as_ref(), Some(&first));
}

#[test]
fn at_the_limit_a_caller_with_a_number_is_called_back_and_the_others_go_to_the_pbx() {
    let ringing = &[(ParkMode::Ringing, 30)];
    let mut house = pressing(ringing, |profile| profile.at_limit = AtLimit::Callback);
    house.call("", OFFER);
    house.world.advance(Duration::from_secs(30));
    assert_eq!(house.heard_statuses(), [100, 180, 480]);
    assert_eq!(house.world.callbacks.iter().map(|it| it.source).collect::<Vec<_>>(), [Source::Limit]);
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    house.calls_from("fourth", WITHHELD);
    house.world.advance(Duration::from_secs(30));
    assert_eq!(invites(house.world.taken(PBX)).len(), 1);
    assert_eq!(house.world.callbacks.len(), 1);

    let mut heard = pressing(&[(ParkMode::Answered, 30)], |profile| profile.at_limit = AtLimit::Callback);
    heard.waits();
    heard.heard();
    heard.says("ACK", "");
    heard.orders();
    heard.world.advance(Duration::from_secs(31));
    assert_eq!(heard.announced().last(), Some(&Announcement::CallbackNoted));
    heard.said();
    assert!(heard.heard().iter().any(|it| it.method() == Method::Bye));
}

fn with_rules(modes: &[(ParkMode, u64)], rules: &str) -> House {
    let mut house = pressing(modes, |_| {});
    let set = RuleSet::parse(rules, &RuleLimits::default()).unwrap();
    house.world.directory(|directory| directory.rules = Arc::new(set));
    house
}

#[test]
fn a_rule_has_the_caller_called_back_and_tells_them_where_they_can_hear_it() {
    let rules = r#"rule = [{ name = "later", callback = true }]"#;
    let mut house = with_rules(&[(ParkMode::Ringing, 20), (ParkMode::EarlyMedia, 20)], rules);
    house.call("", OFFER);
    assert_eq!(house.world.callbacks.len(), 1, "noted before anything else");
    house.open();
    assert_eq!(house.heard_statuses(), [100, 183]);
    assert_eq!(house.announced(), [Announcement::CallbackNoted]);
    house.said();
    assert_eq!(house.heard_statuses(), [480]);
    assert_eq!(house.ends(), [Some(EndReason::Callback)]);
    house.nothing_left();

    let mut mute = with_rules(P2, rules);
    mute.call("", "");
    assert_eq!(mute.heard_statuses(), [100, 480], "nothing can be said to them");
    assert_eq!(mute.world.callbacks[0].source, Source::Rule);

    let mut refused = with_rules(P2, rules);
    refused.call("", OFFER);
    let stream = refused.stream_of();
    refused.world.input(Input::Media(MediaReport::Refused { stream, why: MediaFault::NoPort }));
    assert_eq!(refused.heard_statuses(), [100, 480], "no port is free");
    refused.nothing_left();

    let mut withheld = with_rules(P2, rules);
    withheld.calls_from("fourth", WITHHELD);
    withheld.open();
    let decisions =
        &withheld.world.engine.tables.calls.values().find(|it| it.sip_call_id == "fourth").unwrap();
    let trace = &decisions.decisions[0].trace;
    let step = trace.iter().find(|step| step.rule == "later").unwrap();
    assert_eq!(step.why, "matched, but the caller's number is not known: the next rule is asked");
}

#[test]
fn m101_who_gives_up_waiting_with_something_open_is_followed_up() {
    let mut house = pressing(P2, |_| {});
    let first = house.has_one_open();
    house.calls_from("fourth", "<sip:+819012345678@carrier.example>");
    house.open();
    house.world.receive(CARRIER, cancel_text("fourth", ""));
    house.heard();
    house.says("ACK", "");
    house.says("BYE", "");
    let last = house.world.callbacks.last().unwrap().clone();
    assert_eq!((last.source, last.asked), (Source::Abandoned, 1));
    assert_ne!(last.id, first);
    assert_eq!(house.ends(), [Some(EndReason::Abandoned)], "the abandoned record is there");
    let record = house.world.records.iter().find(|it| it.sip_call_id == "fourth").unwrap();
    assert_eq!(record.callback.as_ref(), Some(&last.id));
    let happened = house.world.happened();
    assert!(happened.iter().any(|it| it.starts_with("call.abandoned")), "{happened:?}");
    assert!(happened.contains(&"callback.created abandoned 1".to_owned()), "{happened:?}");

    let mut nothing_open = pressing(P2, |_| {});
    nothing_open.waits();
    nothing_open.heard();
    nothing_open.says("BYE", "");
    assert!(nothing_open.world.callbacks.is_empty());
}

#[test]
fn the_card_and_the_rules_know_of_an_open_callback() {
    let mut house = pressing(P2, |_| {});
    let id = house.has_one_open();
    let rules =
        r#"rule = [{ name = "waits", when = { callback_promised = true }, ring = { agent = "a2" } }]"#;
    let set = RuleSet::parse(rules, &RuleLimits::default()).unwrap();
    house.world.directory(|directory| directory.rules = Arc::new(set));
    house.frees("second", PHONE_2);
    house.call = "fourth";
    house.world.receive(CARRIER, offer_text("fourth", "", OFFER));
    house.world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let pop = house.world.last_pop();
    assert_eq!(pop.offer.rule, "waits");
    assert_eq!(pop.open.callbacks.len(), 1);
    assert_eq!(pop.open.callbacks[0]["id"], id.as_str());
    assert_eq!(pop.open.callbacks[0]["state"], "requested");
}

#[test]
fn a_callback_is_its_assignees_and_told_to_them_and_to_the_supervisors() {
    let mut house = pressing(P2, |_| {});
    house.world.receive(CARRIER, offer_text("third", "", OFFER));
    house.world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    house.open();
    house.presses(ONE);
    let callback = house.world.callbacks[0].clone();
    assert_eq!(callback.person, Some(AgentId::new("a1")));
    assert_eq!(callback.customer.as_ref().map(|it| it.as_str()), Some("cu-1"));
    let told = house.world.events.iter().find(|it| matches!(it.body, EventBody::CallbackCreated(_)));
    let audience = &told.expect("an event").audience;
    assert_eq!(audience[0], Audience::Agent(AgentId::new("a1")));
    assert!(matches!(audience[1], Audience::Team(_)));
}

fn change(house: &mut House, id: &CallbackId, change: CallbackChange) -> Result<CallbackState, ErrorCode> {
    let request = Request::ChangeCallback { id: id.clone(), change, of: None, user: "suzuki".to_owned() };
    match house.world.ask(request) {
        Ok(Answer::Callbacks(changed)) => Ok(changed[0].state),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.code),
    }
}

#[test]
fn m054_a_promise_is_due_when_its_window_begins_and_done_when_somebody_says_so() {
    let mut house = pressing(P2, |_| {});
    let id = house.has_one_open();
    let now = house.world.now.wall;
    let after = |minutes: i64| now + jiff::SignedDuration::from_mins(minutes);
    let window = |start, end| CallbackChange::Promise(Window { start: after(start), end: after(end) });
    assert_eq!(change(&mut house, &id, window(20, 10)), Err(ErrorCode::Validation));
    assert_eq!(change(&mut house, &id, window(-20, -10)), Err(ErrorCode::Validation));
    assert_eq!(change(&mut house, &id, window(10, 70)), Ok(CallbackState::Promised));
    house.world.events.clear();
    house.world.advance(Duration::from_secs(599));
    assert!(house.world.happened().is_empty());
    house.world.advance(Duration::from_secs(2));
    assert_eq!(house.world.happened(), ["callback.due"]);
    assert_eq!(house.world.callbacks.last().unwrap().state, CallbackState::Due(0));
    assert_eq!(change(&mut house, &id, CallbackChange::Step(Step::NoAnswer)), Err(ErrorCode::Conflict));
    assert_eq!(
        change(&mut house, &id, CallbackChange::Step(Step::Attempt)),
        Ok(CallbackState::Attempting(1))
    );
    assert_eq!(change(&mut house, &id, CallbackChange::Step(Step::Finish)), Ok(CallbackState::Done));
    assert_eq!(house.world.happened().last().map(String::as_str), Some("callback.done done"));
    let last = house.world.callbacks.last().unwrap();
    assert_eq!((last.ended_by.as_deref(), last.promised_by.as_deref()), (Some("suzuki"), Some("suzuki")));
    assert_eq!(change(&mut house, &id, CallbackChange::Step(Step::Finish)), Err(ErrorCode::NotFound));
    assert!(house.open_ones().is_empty());
}

#[test]
fn what_was_open_before_the_start_is_open_after_it() {
    let mut house = pressing(P2, |_| {});
    let id = house.has_one_open();
    let before = house.world.callbacks.clone();
    let mut new = pressing(P2, |_| {});
    new.world.input(Input::CallbacksBefore(before));
    assert_eq!(new.world.happened(), ["callback.created digit 1"]);
    assert_eq!(change(&mut new, &id, CallbackChange::Step(Step::Cancel)), Ok(CallbackState::Cancelled));
}
