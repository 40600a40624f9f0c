//! What crosses what.

use super::*;

/// A caller with music in this mode, everything so far taken note of.
fn waiting(modes: &[(ParkMode, u64)]) -> House {
    let mut house = house(modes);
    house.waits();
    house.heard();
    if modes[0].0 == ParkMode::Answered {
        house.says("ACK", "");
    }
    house.orders();
    house.world.happened();
    house
}

/// The phone that came free rings.
fn ringing(house: &mut House) -> Message {
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 180, "desk");
    invite
}

fn methods(messages: &[Message]) -> Vec<Method> {
    messages.iter().filter(|it| it.status().is_none()).map(Message::method).collect()
}

#[test]
fn i9_the_caller_cancels_while_early_music_plays() {
    let mut house = waiting(P1);
    house.world.receive(CARRIER, cancel_text("third", ""));
    assert_eq!(house.heard_statuses(), [200, 487]);
    assert_eq!(house.ordered(), ["close"]);
    assert_eq!(house.ends(), [Some(EndReason::Abandoned)]);
    house.nothing_left();
}

#[test]
fn i6_d10_the_agents_answer_that_crosses_the_callers_cancel_is_ended_by_us() {
    let mut house = waiting(P1);
    let invite = ringing(&mut house);
    house.world.receive(CARRIER, cancel_text("third", ""));
    assert_eq!(house.heard_statuses(), [200, 487]);
    assert_eq!(methods(&house.world.taken(PHONE_1)), [Method::Cancel]);
    house.answers(PHONE_1, &invite, ANSWER);
    let ended = house.world.taken(PHONE_1);
    assert_eq!(methods(&ended), [Method::Ack, Method::Bye]);
    assert!(house.heard().is_empty(), "the caller has one answer");
    assert_eq!(house.ends(), [Some(EndReason::Abandoned)]);
    assert_eq!(house.world.status_of("a1").2, "idle");
    house.nothing_left();
}

#[test]
fn i9_the_caller_hangs_up_on_answered_music_while_a_phone_rings() {
    let mut house = waiting(P2);
    let invite = ringing(&mut house);
    house.says("BYE", "");
    assert_eq!(house.heard_statuses(), [200]);
    assert_eq!(methods(&house.world.taken(PHONE_1)), [Method::Cancel]);
    house.world.reply(PHONE_1, &invite, 487, "desk");
    let happened = house.world.happened();
    assert!(happened.contains(&"pop.withdrawn CallerGaveUp".to_owned()), "{happened:?}");
    assert!(happened.iter().any(|it| it.starts_with("call.abandoned")), "{happened:?}");
    assert_eq!(house.ordered(), ["close"]);
    assert_eq!(house.ends(), [Some(EndReason::Abandoned)]);
    house.nothing_left();
}

#[test]
fn d9_the_200_is_repeated_until_the_ack_and_then_given_up_with_bye() {
    let mut house = house(P2);
    house.waits();
    assert_eq!(house.heard_statuses(), [100, 200]);
    house.world.advance(Duration::from_millis(1500));
    let again = house.heard();
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].bytes(), again[1].bytes());
    house.world.advance(Duration::from_millis(30_600));
    let heard = house.heard();
    assert_eq!(methods(&heard), [Method::Bye]);
    assert_eq!(heard.iter().filter(|it| it.status() == Some(200)).count(), 8);
    assert_eq!(house.ends(), [Some(EndReason::Failed)]);
    let trace = house.world.records.last().unwrap().traces.last().unwrap().value();
    assert!(trace.to_string().contains("never acknowledged"), "{trace}");
    assert_eq!(house.ordered(), ["play", "close"]);
    house.nothing_left();
}

#[test]
fn d9_an_agent_who_hangs_up_before_the_callers_ack_leaves_the_bye_until_it_comes() {
    let mut house = waiting(P1);
    let (invite, _) = house.takes("first", PHONE_1);
    assert_eq!(house.heard_statuses(), [200]);
    house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 1, &invite, ("", "")));
    assert_eq!(house.world.one(PHONE_1).status(), Some(200));
    assert!(house.heard().is_empty(), "RFC 3261 §15: no BYE before the ACK");
    house.world.advance(Duration::from_secs(1));
    assert_eq!(house.heard_statuses(), [200], "repeated all the same");
    house.says("ACK", "");
    let bye = house.world.one(CARRIER);
    assert_eq!(bye.method(), Method::Bye);
    house.world.reply(CARRIER, &bye, 200, "caller");
    house.nothing_left();
}

#[test]
fn d4_a_clash_is_tried_again_after_a_while_and_the_music_goes_on() {
    let mut house = waiting(P2);
    house.takes("first", PHONE_1);
    let refused = house.moves(491, "");
    assert_eq!(house.world.one(CARRIER).method(), Method::Ack);
    assert!(house.ordered().is_empty(), "the music goes on");
    house.world.advance(Duration::from_secs(2));
    let again = house.moves(200, OFFER);
    assert_eq!(again.cseq(), refused.cseq() + 1);
    assert_eq!(origin(&again), origin(&refused), "not changed, so not counted");
    assert_eq!(house.ordered(), ["close"]);
}

#[test]
fn d4_an_offer_of_the_callers_that_meets_ours_is_491() {
    let mut house = waiting(P2);
    house.takes("first", PHONE_1);
    let reinvite = invites(house.heard()).pop().unwrap();
    house.says("INVITE", OFFER);
    assert_eq!(house.heard_statuses(), [100, 491]);
    house.says("ACK", "");
    house.replies(CARRIER, &reinvite, 491, "");
    // In the wait theirs comes first, and brings the two together.
    house.says("INVITE", OFFER);
    let carried = house.world.one(PHONE_1);
    assert_eq!(carried.method(), Method::Invite);
    house.replies(PHONE_1, &carried, 200, ANSWER);
    assert_eq!(house.ordered(), ["close"]);
    let ok = house.heard().pop().unwrap();
    assert!(body(&ok).contains("m=audio 50000"), "{}", body(&ok));
    house.says("ACK", "");
    house.world.advance(Duration::from_secs(5));
    assert!(invites(house.heard()).is_empty(), "nothing is left to be moved");
}

#[test]
fn a_caller_who_refuses_to_move_ends_the_call_on_both_sides_and_the_record_says_why() {
    let mut house = waiting(P2);
    house.takes("first", PHONE_1);
    house.moves(488, "");
    let to_caller = house.heard();
    assert_eq!(methods(&to_caller), [Method::Ack, Method::Bye]);
    assert_eq!(methods(&house.world.taken(PHONE_1)), [Method::Bye]);
    assert_eq!(house.ordered(), ["close"]);
    assert_eq!(house.ends(), [Some(EndReason::Failed)]);
    let record = house.world.records.last().unwrap();
    assert!(record.traces.last().unwrap().value().to_string().contains("488"));
    assert_eq!(record.agent.as_ref().map(ToString::to_string).as_deref(), Some("a1"));
    house.nothing_left();
}

#[test]
fn a_caller_who_hangs_up_while_the_media_move_ends_the_agents_side_too() {
    let mut house = waiting(P2);
    house.takes("first", PHONE_1);
    let reinvite = invites(house.heard()).pop().unwrap();
    house.says("BYE", "");
    assert_eq!(house.heard_statuses(), [200]);
    assert_eq!(methods(&house.world.taken(PHONE_1)), [Method::Bye]);
    house.replies(CARRIER, &reinvite, 200, OFFER);
    house.replies(CARRIER, &reinvite, 487, "");
    assert_eq!(house.ends(), [Some(EndReason::Completed)]);
    house.nothing_left();
}

#[test]
fn an_agent_without_a_description_has_not_answered() {
    let mut house = waiting(P2);
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.answers(PHONE_1, &invite, "");
    assert_eq!(methods(&house.world.taken(PHONE_1)), [Method::Ack, Method::Bye]);
    assert!(house.heard().is_empty() && house.ordered().is_empty(), "the caller hears on");
    assert_eq!(house.world.engine.gauges().lot_waiting, 1);
}

#[test]
fn r1_the_agents_200_that_comes_again_is_acknowledged_again_and_a_second_answer_ended() {
    let mut house = waiting(P2);
    let (invite, first) = house.takes("first", PHONE_1);
    house.answers(PHONE_1, &invite, ANSWER);
    let again = house.world.one(PHONE_1);
    assert_eq!((again.method(), again.cseq()), (Method::Ack, first.cseq()));
    let reply = Reply {
        status: 200,
        to_tag: Some("fork"),
        extra: &[("Contact", b"<sip:fork@192.0.2.31>")],
        body: Some(("application/sdp", ANSWER.as_bytes())),
        ..Reply::default()
    };
    house.world.receive(PHONE_1, reply.to(&invite));
    let ended = house.world.taken(PHONE_1);
    assert_eq!(methods(&ended), [Method::Ack, Method::Bye]);
    assert!(ended.iter().all(|it| it.to_tag() == Some(b"fork")));
}

#[test]
fn an_answer_of_before_the_music_is_ours_to_end() {
    // P0 is proxied: its phone was cancelled, and answers when the caller hears music already.
    let mut house = house(&[(ParkMode::Ringing, 5), (ParkMode::EarlyMedia, 60)]);
    house.call("", OFFER);
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.world.reply(PHONE_1, &invite, 180, "desk");
    house.world.advance(Duration::from_millis(10_100));
    house.open();
    house.heard();
    assert!(house.answer.as_ref().unwrap().status() == Some(183));
    house.world.taken(PHONE_1);
    house.answers(PHONE_1, &invite, ANSWER);
    assert_eq!(methods(&house.world.taken(PHONE_1)), [Method::Ack, Method::Bye]);
    assert!(house.heard().is_empty());
}

#[test]
fn an_agent_who_answers_before_the_port_is_there_has_the_caller_at_once() {
    let mut house = house(P1);
    house.call("", OFFER);
    house.heard();
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    house.answers(PHONE_1, &invite, ANSWER);
    let ok = house.heard().pop().unwrap();
    assert_eq!(ok.status(), Some(200));
    assert!(body(&ok).contains("m=audio 50000"), "{}", body(&ok));
    house.says("ACK", "");
    assert!(invites(house.heard()).is_empty(), "nothing is to be moved");
    house.open();
    assert_eq!(house.ordered(), ["close"]);
    house.says("BYE", "");
    assert_eq!(house.ends(), [Some(EndReason::Completed)]);
    house.nothing_left();
}

#[test]
fn at_the_limit_nobody_answers_and_the_caller_is_told_or_hung_up() {
    for (modes, statuses, byes) in [(P1, vec![486], 0), (P2, vec![], 1)] {
        let mut house = waiting(modes);
        house.world.advance(Duration::from_secs(modes[0].1));
        house.heard();
        let invite = invites(house.world.taken(PBX)).remove(0);
        house.world.reply(PBX, &invite, 486, "pbx");
        let heard = house.heard();
        assert_eq!(heard.iter().filter_map(Message::status).collect::<Vec<_>>(), statuses);
        assert_eq!(methods(&heard).len(), byes);
        assert_eq!(house.ends(), [Some(EndReason::Rejected)]);
        house.nothing_left();
    }
}

#[test]
fn d2_a_caller_who_requires_100rel_has_a_reliable_183_and_the_200_after_its_prack() {
    let mut house = house(&[(ParkMode::Ringing, 20), (ParkMode::EarlyMedia, 60), (ParkMode::Answered, 60)]);
    house.call("Require: 100rel\r\n", OFFER);
    house.open();
    let heard = house.heard();
    assert_eq!(heard.iter().filter_map(Message::status).collect::<Vec<_>>(), [100, 183], "no 180");
    let early = heard[1].clone();
    assert_eq!(early.header(Header::Require), Some(&b"100rel"[..]));
    let number = String::from_utf8(early.header(Header::RSeq).unwrap().to_vec()).unwrap();
    house.world.advance(Duration::from_millis(1500));
    let again = house.heard();
    assert_eq!(again.len(), 2);
    assert!(again.iter().all(|it| it.bytes() == early.bytes()));
    let (_, _) = house.takes("first", PHONE_1);
    assert!(house.heard().is_empty(), "no 200 before the PRACK");
    house.says_with("PRACK", "RAck: 1 7 INVITE\r\n", "");
    assert_eq!(house.heard_statuses(), [481]);
    house.says_with("PRACK", &format!("RAck: {number} 1 INVITE\r\n"), "");
    let statuses: Vec<_> = house.heard().iter().map(|it| (it.status().unwrap(), it.method())).collect();
    assert_eq!(statuses, [(200, Method::Prack), (200, Method::Invite)]);
    house.world.advance(Duration::from_millis(100));
    house.cseq = 1;
    house.says("ACK", "");
    house.cseq = 5;
    house.moves(200, OFFER);
    house.says("BYE", "");
    assert_eq!(house.ends(), [Some(EndReason::Completed)]);
    house.nothing_left();
}

#[test]
fn d2_without_a_prack_the_call_is_refused_in_the_end() {
    let mut house = house(P1);
    house.call("Require: 100rel\r\n", OFFER);
    house.open();
    house.heard();
    house.world.advance(Duration::from_secs(32));
    let statuses = house.heard_statuses();
    assert_eq!(statuses.last(), Some(&504), "{statuses:?}");
    assert_eq!(house.ends(), [Some(EndReason::Rejected)]);
    house.nothing_left();
}
