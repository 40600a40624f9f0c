//! Calls that are passed on (M095): by REFER, by Replaces, by INVITEs that come back, and once only.

use std::time::Duration;

use super::world::{CARRIER, LINE, PHONE_1, PHONE_2, World, card, invites, swapped, with, within_dialog};
use crate::engine::{Answer, ErrorCode, Request, TransferWish};
use crate::events::{EventBody, PopDocument};
use crate::message::{Header, Message, Method};
use crate::presence::{AgentId, CallId};

/// A PBX in front of us, which carries transfers out, and a call that a1 has.
struct House {
    world: World,
    /// The answer that the PBX got.
    ok: Message,
    cseq: u32,
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";

fn house() -> House {
    house_with(1)
}

fn house_with(limit: u32) -> House {
    let mut world = World::with(
        |settings| {
            settings.peers[0].transfers = true;
            settings.transfer.limit = limit;
        },
        |_| {},
    );
    world.invite("one");
    world.answer_lookup(Ok(vec![card("cu-1", Some("a1"))]));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone1");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("ACK", 1, &ok));
    world.taken(PHONE_1);
    world.happened();
    House { world, ok, cseq: 10 }
}

impl House {
    fn of_phone(&mut self, method: &str, headers: &str) -> String {
        self.cseq += 1;
        with(&swapped(&within_dialog(method, self.cseq, &self.ok)), headers)
    }

    /// The phone passes the caller on; the PBX gets the REFER.
    fn refer(&mut self, to: &str) -> Option<Message> {
        let refer = self.of_phone("REFER", &format!("Refer-To: {to}\r\nReferred-By: <sip:a1@x>\r\n"));
        self.world.receive(PHONE_1, refer);
        let messages = self.world.taken(CARRIER);
        messages.into_iter().find(|it| it.status().is_none() && it.method() == Method::Refer)
    }

    /// The same, and the PBX accepts it.
    fn refers(&mut self, to: &str) {
        let refer = self.refer(to).expect("a REFER");
        self.world.reply(CARRIER, &refer, 202, "caller");
        assert_eq!(self.world.one(PHONE_1).status(), Some(202));
    }

    fn notify(&mut self, fragment: &str) {
        self.cseq += 1;
        let headers = "Event: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n";
        let plain = with(&within_dialog("NOTIFY", self.cseq, &self.ok), headers);
        let length = format!("Content-Length: {}\r\n\r\n{fragment}", fragment.len());
        self.world.receive(CARRIER, plain.replace("Content-Length: 0\r\n\r\n", &length));
        let notify = self.world.one(PHONE_1);
        self.world.reply(PHONE_1, &notify, 200, "phone1");
        self.world.taken(CARRIER);
    }

    /// The PBX ends its dialog with the sender.
    fn ends_first_dialog(&mut self) {
        self.cseq += 1;
        let bye = within_dialog("BYE", self.cseq, &self.ok);
        self.world.receive(CARRIER, bye);
        let messages = self.world.taken(PHONE_1);
        let bye = messages.into_iter().find(|it| it.method() == Method::Bye).expect("BYE");
        self.world.reply(PHONE_1, &bye, 200, "phone1");
        self.world.taken(CARRIER);
    }

    /// The PBX's INVITE to the receiver.
    fn comes_back(&mut self, call: &str, to: &str, headers: &str) {
        let text = super::world::invite_text(call, CALLER, to).replace("tag=caller", "tag=pbx");
        self.world.receive(CARRIER, with(&text, headers));
    }

    fn record(&self) -> (u32, Vec<String>, usize) {
        let record = self.world.records.last().expect("a record");
        let people = record.handled_by.iter().map(ToString::to_string).collect();
        (record.transfer_count, people, self.world.records.len())
    }

    fn call(&mut self) -> (CallId, u32) {
        let Ok(Answer::Calls(calls)) = self.world.ask(Request::LiveCalls) else { panic!("calls") };
        let id = calls.first().expect("a live call").id.clone();
        (id, calls.len().try_into().unwrap())
    }

    fn transfer(&mut self, to: &str, note: &str) -> Result<Answer, crate::engine::Refusal> {
        let (call, _) = self.call();
        let wish = TransferWish { to: to.to_owned(), consult: false, note: Some(note.to_owned()) };
        let ask = |rev| Request::TransferCall {
            agent: AgentId::new("a1"),
            call: call.clone(),
            rev,
            wish: wish.clone(),
        };
        let refusal = match self.world.ask(ask(0)) {
            Err(refusal) if refusal.code == ErrorCode::Conflict => refusal,
            other => return other,
        };
        let rev = refusal.current.expect("the card").0;
        self.world.ask(ask(rev))
    }
}

/// The card with which the last offer was told.
fn offered(world: &World) -> PopDocument {
    world.last_pop()
}

#[test]
fn m095_a_blind_transfer_that_comes_back_keeps_the_call_and_takes_the_card_along() {
    let mut house = house();
    let (call, _) = house.call();
    house.refers("<sip:a2@192.0.2.1>");
    assert_eq!(house.world.happened(), ["transfer.started a1>a2 blind phone 0/1"]);
    house.notify("SIP/2.0 100 Trying\r\n");
    house.comes_back("two", "a2", "Referred-By: <sip:a1@x>\r\n");
    let pop = offered(&house.world);
    assert_eq!((pop.transfer.count, pop.transfer.limit), (1, 1));
    assert_eq!(pop.offer.reason, "transferred");
    assert_eq!(pop.offer.via, Some(AgentId::new("a1")));
    assert_eq!(pop.caller.e164.as_deref(), Some("+819012345678"));
    assert_eq!(pop.matched.customer.map(|it| it.id.to_string()).as_deref(), Some("cu-1"));
    assert_eq!(house.call(), (call, 1));
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    assert_eq!(house.world.happened(), ["pop.offered"]);
    house.world.reborn();
    house.world.reply(PHONE_2, &invite, 200, "phone2");
    assert_eq!(
        house.world.happened(),
        ["pop.taken a2", "call.answered a2", "wrapup.started", "transfer.done a1>a2 blind phone 1/1"]
    );
    assert_eq!(house.world.status_of("a1").2, "wrap_up");
    assert_eq!(house.world.status_of("a2").2, "on_call");
    let ok = house.world.taken(CARRIER).pop().unwrap();
    assert_eq!(ok.status(), Some(200));
    house.ends_first_dialog();
    assert!(house.world.records.is_empty());
    // The receiver's dialog is the call now: its BYE ends it.
    house.world.advance(Duration::from_secs(20));
    house.world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = house.world.taken(PHONE_2).into_iter().find(|it| it.method() == Method::Bye).unwrap();
    house.world.reply(PHONE_2, &bye, 200, "phone2");
    assert_eq!(house.record(), (1, vec!["a1".to_owned(), "a2".to_owned()], 1));
    let record = house.world.records.last().unwrap();
    assert_eq!(record.agent, Some(AgentId::new("a2")));
    assert_eq!(record.sip_call_id, "one");
    house.world.advance(Duration::from_secs(3600));
    let gauges = house.world.engine.gauges();
    assert_eq!((gauges.calls, gauges.contexts, gauges.timers), (0, 0, 0));
}

#[test]
fn m095_an_attended_transfer_is_known_by_its_replaces_and_rings_a_phone_that_is_busy() {
    let mut house = house();
    let named = "consult%40x%3Bto-tag%3Dt2%3Bfrom-tag%3Dt1";
    house.refers(&format!("<sip:a2@192.0.2.1?Replaces={named}>"));
    let replaces = "Replaces: consult@x;to-tag=t2;from-tag=t1\r\nRequire: replaces\r\n";
    house.comes_back("two", "a2", replaces);
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    assert!(invite.header(Header::Replaces).is_some());
    house.world.happened();
    house.world.reply(PHONE_2, &invite, 200, "phone2");
    assert_eq!(
        house.world.happened(),
        [
            "pop.offered",
            "pop.taken a2",
            "call.answered a2",
            "wrapup.started",
            "transfer.done a1>a2 attended phone 1/1"
        ]
    );
    house.ends_first_dialog();
    assert_eq!(house.call().1, 1);
}

#[test]
fn m095_a_second_transfer_is_refused_unless_a_supervisor_allows_it() {
    let mut house = house();
    house.refers("<sip:a2@192.0.2.1>");
    house.notify("SIP/2.0 200 OK\r\n");
    house.world.advance(Duration::from_secs(5));
    assert_eq!(
        house.world.happened(),
        ["transfer.started a1>a2 blind phone 0/1", "transfer.done a1>a2 blind phone 1/1"]
    );
    assert!(house.refer("<sip:a3@192.0.2.1>").is_none());
    let refused = house.world.one(PHONE_1);
    assert_eq!(refused.status(), Some(403));
    assert!(refused.header(Header::Warning).is_some());
    assert_eq!(house.world.happened(), ["transfer.refused a1>a3 blind phone 1/1"]);
    let refusal = house.transfer("a2", "x").unwrap_err();
    assert_eq!(refusal.code, ErrorCode::TransferLimit);
    house.world.happened();
    let (call, _) = house.call();
    house.world.ask(Request::GrantTransfer { call, user: "suzuki".to_owned() }).unwrap();
    assert_eq!(house.world.audited, ["suzuki transfer.grant {\"count\":1,\"granted\":1,\"limit\":2}"]);
    assert_eq!(house.world.happened(), ["pop.updated transfer"]);
    house.refers("<sip:a3@192.0.2.1>");
    assert_eq!(house.world.happened(), ["transfer.started a1>a3 blind phone 1/2"]);
    assert_eq!(house.world.engine.counters().transfers_over_limit, 2);
}

#[test]
fn m095_a_transfer_that_fails_leaves_the_call_to_the_sender_and_does_not_count() {
    for by_notify in [true, false] {
        let mut house = house();
        house.refers("<sip:a2@192.0.2.1>");
        if by_notify {
            house.notify("SIP/2.0 486 Busy Here\r\n");
        } else {
            house.comes_back("two", "a2", "Referred-By: <sip:a1@x>\r\n");
            let invite = invites(house.world.taken(PHONE_2)).remove(0);
            house.world.reply(PHONE_2, &invite, 486, "phone2");
            assert_eq!(house.world.statuses(), [100, 486]);
        }
        let happened = house.world.happened();
        assert!(
            happened.last().unwrap().starts_with("transfer.failed a1>a2 blind phone 0/1"),
            "{happened:?}"
        );
        assert_eq!(house.world.status_of("a1").2, "on_call");
        assert_eq!(house.world.status_of("a2").2, "idle");
        // The phone may try again.
        house.refers("<sip:a2@192.0.2.1>");
        house.ends_first_dialog();
        house.world.advance(Duration::from_secs(10));
        assert_eq!(house.record().0, 0);
        assert_eq!(house.world.records[0].agent, Some(AgentId::new("a1")));
    }
}

#[test]
fn m095_a_receiver_who_does_not_answer_sends_the_call_back_and_nobody_else_is_asked() {
    let mut house = house();
    house.refers("<sip:a2@192.0.2.1>");
    house.comes_back("two", "a2", "");
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.world.reply(PHONE_2, &invite, 180, "phone2");
    house.world.taken(CARRIER);
    house.world.happened();
    house.world.advance(Duration::from_secs(10));
    let happened = house.world.happened();
    assert_eq!(happened.last().unwrap(), "transfer.failed a1>a2 blind phone 0/1 not_answered");
    assert_eq!(house.world.statuses(), [480]);
    assert_eq!(house.world.status_of("a1").2, "on_call");
}

#[test]
fn m095_a_pbx_that_ends_the_senders_dialog_first_still_brings_the_same_call_back() {
    let mut house = house();
    let (call, _) = house.call();
    house.refers("<sip:a2@192.0.2.1>");
    house.notify("SIP/2.0 200 OK\r\n");
    house.ends_first_dialog();
    assert_eq!(house.world.status_of("a1").2, "wrap_up");
    house.world.advance(Duration::from_secs(2));
    house.comes_back("two", "a2", "Referred-By: <sip:a1@x>\r\n");
    assert_eq!(house.call(), (call, 1));
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.world.reply(PHONE_2, &invite, 200, "phone2");
    let ok = house.world.taken(CARRIER).pop().unwrap();
    house.world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = house.world.taken(PHONE_2).into_iter().find(|it| it.method() == Method::Bye).unwrap();
    house.world.reply(PHONE_2, &bye, 200, "phone2");
    assert_eq!(house.record().0, 1);
    assert_eq!(house.record().2, 1);
}

#[test]
fn m095_a_transfer_that_never_comes_back_is_counted_when_it_was_confirmed_and_ends_the_record() {
    let mut house = house();
    house.refers("<sip:0398765432@pbx.example>");
    house.notify("SIP/2.0 200 OK\r\n");
    house.ends_first_dialog();
    assert!(house.world.records.is_empty());
    house.world.advance(Duration::from_secs(5));
    assert_eq!(house.record(), (1, vec!["a1".to_owned()], 1));
    assert_eq!(house.world.records[0].talk_s, 0);
    house.world.advance(Duration::from_secs(3600));
    assert_eq!(house.world.engine.gauges().timers, 0);
}

#[test]
fn m095_nobody_joins_a_call_that_is_passed_on_who_was_not_meant() {
    // Another receiver, another caller, another source without the right, tags that are not right.
    for (to, from, source, headers) in [
        ("a9", CALLER, CARRIER, "Referred-By: <sip:a1@x>\r\n"),
        ("a2", "<sip:+819000000000@carrier.example>", CARRIER, ""),
        ("a2", CALLER, super::world::PBX, "Referred-By: <sip:a1@x>\r\n"),
        ("a2", CALLER, CARRIER, "Replaces: one;to-tag=phone1;from-tag=guess\r\n"),
        ("a2", CALLER, CARRIER, "Replaces: one;to-tag=guess;from-tag=caller\r\n"),
    ] {
        let mut house = house();
        house.refers("<sip:a2@192.0.2.1>");
        let text = super::world::invite_text("two", from, to)
            .replace("tag=caller", "tag=pbx")
            .replace("192.0.2.10:5060", source);
        house.world.receive(source, with(&text, headers));
        assert_eq!(house.call().1, 2, "{to} {from} {source} {headers}");
        assert_eq!(house.world.status_of("a1").2, "on_call");
    }
}

#[test]
fn m095_a_phone_that_takes_a_call_over_is_its_handler() {
    let mut house = house();
    house.world.receive(
        PHONE_2,
        with(
            &super::world::invite_text("two", "<sip:a2@x>", "x")
                .replace("INVITE sip:x@192.0.2.1", "INVITE sip:caller@192.0.2.10")
                .replace("tag=caller", "tag=phone2")
                .replace("192.0.2.10:5060;branch", "192.0.2.32:5060;branch"),
            "Replaces: one;to-tag=caller;from-tag=phone1\r\n",
        ),
    );
    let invite = invites(house.world.taken(CARRIER)).remove(0);
    house.world.happened();
    house.world.reply(CARRIER, &invite, 200, "caller2");
    let happened = house.world.happened();
    assert_eq!(happened.last().unwrap(), "transfer.done a1>a2 takeover phone 1/1");
    assert_eq!(house.world.status_of("a2").2, "on_call");
    assert_eq!(house.call().1, 1);
    // Once more is once too often.
    house.world.receive(
        PHONE_1,
        with(
            &super::world::invite_text("three", "<sip:a1@x>", "x")
                .replace("tag=caller", "tag=phone9")
                .replace("192.0.2.10:5060;branch", "192.0.2.31:5060;branch"),
            "Replaces: two;to-tag=caller2;from-tag=phone2\r\n",
        ),
    );
    let refused = house.world.taken(PHONE_1).pop().unwrap();
    assert_eq!(refused.status(), Some(403));
}

#[test]
fn m095_a_caller_who_is_brought_to_the_handler_does_not_change_the_count() {
    let mut house = house();
    house.world.receive(
        CARRIER,
        with(
            &super::world::invite_text("two", "<sip:+819011112222@carrier.example>", "a1")
                .replace("tag=caller", "tag=pbx"),
            "Replaces: one;to-tag=phone1;from-tag=caller\r\n",
        ),
    );
    assert_eq!(house.world.lookups.pop().map(|(_, e164)| e164).as_deref(), Some("+819011112222"));
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 200, "phone1b");
    house.ends_first_dialog();
    let Ok(Answer::Calls(calls)) = house.world.ask(Request::LiveCalls) else { panic!("calls") };
    assert_eq!((calls.len(), calls[0].transfer_count), (1, 0));
    assert_eq!(calls[0].calling.as_deref(), Some("+819011112222"));
    assert_eq!(house.world.status_of("a1").2, "on_call");
}

#[test]
fn m050_a_note_for_the_receiver_is_kept_when_only_the_phone_can_transfer() {
    let mut house = house();
    let refusal = house.transfer("a2", "返品の件。注文番号 1234").unwrap_err();
    assert_eq!(refusal.code, ErrorCode::PbxRefused);
    house.refers("<sip:a2@192.0.2.1>");
    house.comes_back("two", "a2", "Referred-By: <sip:a1@x>\r\n");
    let pop = offered(&house.world);
    assert_eq!(pop.transfer.note.as_deref(), Some("返品の件。注文番号 1234"));
    assert_eq!(pop.offer.via, Some(AgentId::new("a1")));
}

#[test]
fn m095_an_allowed_second_transfer_counts_each_change_of_the_handler() {
    let mut house = house_with(2);
    house.refers("<sip:a2@192.0.2.1>");
    house.comes_back("two", "a2", "");
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.world.reply(PHONE_2, &invite, 200, "phone2");
    let ok = house.world.taken(CARRIER).pop().unwrap();
    house.ends_first_dialog();
    house.world.advance(Duration::from_secs(60));
    // Back to the first: another change.
    let refer = swapped(&within_dialog("REFER", 12, &ok))
        .replace("sip:phone@192.0.2.32:5060", "sip:caller@192.0.2.10")
        .replace("192.0.2.31:5060", PHONE_2);
    house.world.receive(PHONE_2, with(&refer, "Refer-To: <sip:a1@192.0.2.1>\r\n"));
    let refer = house.world.taken(CARRIER).into_iter().find(|it| it.method() == Method::Refer).unwrap();
    house.world.reply(CARRIER, &refer, 202, "pbx");
    house.comes_back("three", "a1", "");
    assert_eq!(offered(&house.world).transfer.count, 2);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 200, "phone1c");
    let Ok(Answer::Calls(calls)) = house.world.ask(Request::LiveCalls) else { panic!("calls") };
    assert_eq!(calls[0].transfer_count, 2);
    let people: Vec<_> = calls[0].handled_by.iter().map(AgentId::as_str).collect();
    assert_eq!(people, ["a1", "a2", "a1"]);
}

#[test]
fn m095_a_pbx_that_takes_its_invite_back_leaves_the_call_to_the_sender() {
    let mut house = house();
    house.refers("<sip:a2@192.0.2.1>");
    house.comes_back("two", "a2", "");
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.world.reply(PHONE_2, &invite, 180, "phone2");
    let cancel = super::world::cancel_text("two", "").replace(LINE, "a2").replace("tag=caller", "tag=pbx");
    house.world.receive(CARRIER, cancel);
    let happened = house.world.happened();
    assert_eq!(happened.last().unwrap(), "transfer.failed a1>a2 blind phone 0/1 cancelled");
    let stopped = house.world.taken(PHONE_2).into_iter().any(|it| it.method() == Method::Cancel);
    assert!(stopped);
    house.world.reply(PHONE_2, &invite, 487, "phone2");
    assert_eq!(house.world.status_of("a1").2, "on_call");
    house.ends_first_dialog();
    assert_eq!(house.record(), (0, Vec::new(), 1));
}

#[test]
fn m095_a_refer_of_the_callers_side_passes_nobody_on() {
    let mut house = house();
    house.cseq += 1;
    let refer = with(&within_dialog("REFER", house.cseq, &house.ok), "Refer-To: <sip:a2@192.0.2.1>\r\n");
    house.world.receive(CARRIER, refer);
    let seen = house.world.taken(PHONE_1).into_iter().any(|it| it.method() == Method::Refer);
    assert!(seen);
    assert!(house.world.happened().is_empty());
}

#[test]
fn m095_events_of_a_transfer_reach_sender_receiver_and_supervisors() {
    let mut house = house();
    house.refers("<sip:a2@192.0.2.1>");
    let told = house.world.events.iter().find(|it| matches!(it.body, EventBody::TransferStarted(_))).unwrap();
    let names: Vec<String> = told.audience.iter().map(|audience| format!("{audience:?}")).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn m095_calls_to_no_line_of_the_house_are_passed_on_as_often_as_their_ends_like() {
    let mut world = World::with(
        |settings| {
            settings.peers[0].transfers = true;
            settings.peers[1].transfers = true;
        },
        |_| {},
    );
    world.receive(CARRIER, super::world::invite_text("one", CALLER, super::world::ELSEWHERE));
    let invite = world.one(super::world::PBX);
    world.reply(super::world::PBX, &invite, 200, "pbx");
    let ok = world.taken(CARRIER).pop().unwrap();
    for cseq in [11, 12, 13] {
        let refer = swapped(&within_dialog("REFER", cseq, &ok))
            .replace("sip:phone@192.0.2.20:5060", "sip:caller@192.0.2.10")
            .replace("192.0.2.31:5060", super::world::PBX);
        world.receive(super::world::PBX, with(&refer, "Refer-To: <sip:x@pbx.example>\r\n"));
        let refer = world.one(CARRIER);
        assert_eq!(refer.method(), Method::Refer);
        world.reply(CARRIER, &refer, 603, "caller");
        assert_eq!(world.taken(super::world::PBX).pop().and_then(|it| it.status()), Some(603));
    }
}
