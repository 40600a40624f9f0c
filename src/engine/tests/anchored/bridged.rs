//! What the two sides of an anchored call ask of each other.

use super::*;
use crate::sdp::{Description, Limits};

/// A caller and an agent who talk, after music in this mode; the INVITE that the agent answered.
pub(super) fn talking(modes: &[(ParkMode, u64)]) -> (House, Message) {
    let mut house = house(modes);
    house.waits();
    house.heard();
    if modes[0].0 == ParkMode::Answered {
        house.says("ACK", "");
    }
    let (invite, _) = house.takes("first", PHONE_1);
    if modes[0].0 == ParkMode::EarlyMedia {
        house.heard();
        house.says("ACK", "");
    }
    house.moves(200, OFFER);
    house.world.taken(CARRIER);
    house.world.taken(PHONE_1);
    house.orders();
    house.world.happened();
    (house, invite)
}

fn desk_says(house: &mut House, method: &str, cseq: u32, invite: &Message, body: &str) {
    house.world.receive(PHONE_1, from_desk(PHONE_1, method, cseq, invite, ("", body)));
}

fn version(message: &Message) -> u64 {
    origin(message).split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn d4_m091_hold_is_carried_over_and_seen_and_each_leg_counts_its_own_version() {
    let (mut house, invite) = talking(P2);
    let hold = ANSWER.replace("9 5 IN", "9 6 IN").replace("sendrecv", "sendonly");
    desk_says(&mut house, "INVITE", 1, &invite, &hold);
    assert_eq!(house.world.one(PHONE_1).status(), Some(100));
    let carried = house.heard().pop().unwrap();
    assert!(body(&carried).contains("a=sendonly"));
    assert_eq!(version(&carried), 3, "the music, the phone, the hold");
    assert_eq!(carried.call_id(), b"third");
    house.replies(CARRIER, &carried, 200, &OFFER.replace("sendrecv", "recvonly"));
    assert_eq!(house.world.one(CARRIER).method(), Method::Ack);
    let ok = house.world.one(PHONE_1);
    assert_eq!(ok.status(), Some(200));
    assert!(body(&ok).contains("a=recvonly"));
    assert_eq!(version(&ok), 2);
    assert_eq!(house.world.happened(), ["call.held"]);
    desk_says(&mut house, "ACK", 1, &invite, "");
    assert_eq!(house.world.taken(CARRIER).len() + house.world.taken(PHONE_1).len(), 0);
    house.world.advance(Duration::from_secs(20));
    assert_eq!(house.world.happened(), ["hold.warning 15 of 20", "hold.exceeded 20"]);
    desk_says(&mut house, "INVITE", 2, &invite, ANSWER);
    let carried = house.heard().pop().unwrap();
    assert_eq!(version(&carried), 4);
    house.replies(CARRIER, &carried, 200, OFFER);
    assert_eq!(house.world.happened(), ["call.resumed 20"]);
}

#[test]
fn a_reinvite_without_an_offer_takes_the_answer_along_in_the_ack() {
    let (mut house, invite) = talking(P2);
    desk_says(&mut house, "INVITE", 1, &invite, "");
    let carried = house.heard().pop().unwrap();
    assert_eq!((carried.method(), carried.body()), (Method::Invite, &b""[..]));
    house.replies(CARRIER, &carried, 200, OFFER);
    assert!(house.world.taken(CARRIER).is_empty(), "no ACK without the answer");
    let ok = house.world.taken(PHONE_1).pop().unwrap();
    assert!(body(&ok).contains("m=audio 40000"));
    desk_says(&mut house, "ACK", 1, &invite, ANSWER);
    let ack = house.world.one(CARRIER);
    assert_eq!((ack.method(), ack.cseq()), (Method::Ack, carried.cseq()));
    assert!(body(&ack).contains("m=audio 50000"));
}

#[test]
fn the_callers_offer_is_carried_over_and_a_refusal_goes_back() {
    let (mut house, _) = talking(P1);
    house.says("INVITE", &OFFER.replace("40000", "40002"));
    let carried = house.world.one(PHONE_1);
    assert!(body(&carried).contains("m=audio 40002"));
    house.replies(PHONE_1, &carried, 488, "");
    assert_eq!(house.world.one(PHONE_1).method(), Method::Ack);
    assert_eq!(house.heard_statuses(), [100, 488]);
    house.says("ACK", "");
    house.says("UPDATE", &OFFER.replace("40000", "40004"));
    let carried = house.world.one(PHONE_1);
    assert_eq!(carried.method(), Method::Update);
    house.replies(PHONE_1, &carried, 200, ANSWER);
    let ok = house.heard().pop().unwrap();
    assert_eq!(ok.status(), Some(200));
    assert!(Description::parse(ok.body(), &Limits::default()).is_ok());
    assert!(house.world.records.iter().all(|record| record.sip_call_id != "third"), "the call goes on");
}

#[test]
fn d3_info_refer_and_notify_are_carried_and_options_is_ours() {
    let (mut house, invite) = talking(P2);
    house.says("OPTIONS", "");
    assert_eq!(house.heard_statuses(), [200]);
    house.says_with("INFO", "Info-Package: x\r\n", "");
    let info = house.world.one(PHONE_1);
    assert_eq!(info.header_named(b"Info-Package"), Some(&b"x"[..]));
    house.replies(PHONE_1, &info, 469, "");
    assert_eq!(house.heard_statuses(), [469]);
    house.says_with("REFER", "Refer-To: <sip:other@pbx.example>\r\n", "");
    assert_eq!(house.heard_statuses(), [403], "a trunk may not transfer");
    // A REFER that wants nobody invited is no transfer.
    let refer = "Refer-To: <sip:other@pbx.example;method=OPTIONS>\r\n";
    house.world.receive(PHONE_1, from_desk(PHONE_1, "REFER", 1, &invite, (refer, "")));
    let carried = house.heard().pop().unwrap();
    assert_eq!(carried.header(Header::ReferTo), Some(&b"<sip:other@pbx.example;method=OPTIONS>"[..]));
    house.replies(CARRIER, &carried, 202, "");
    assert_eq!(house.world.one(PHONE_1).status(), Some(202));
    let notify = "Event: refer\r\nSubscription-State: active\r\n";
    house.says_with("NOTIFY", notify, "");
    let carried = house.world.one(PHONE_1);
    assert_eq!(carried.header_named(b"Subscription-State"), Some(&b"active"[..]));
}

#[test]
fn a_request_out_of_order_is_500_and_one_of_nobody_481() {
    let (mut house, invite) = talking(P2);
    desk_says(&mut house, "OPTIONS", 5, &invite, "");
    desk_says(&mut house, "INFO", 4, &invite, "");
    let statuses: Vec<_> = house.world.taken(PHONE_1).iter().filter_map(Message::status).collect();
    assert_eq!(statuses, [200, 500]);
    let stolen = from_desk(PHONE_1, "BYE", 6, &invite, ("", "")).replace("tag=desk", "tag=guessed");
    house.world.receive(PHONE_1, stolen);
    assert_eq!(house.world.one(PHONE_1).status(), Some(481));
    assert!(house.ends().is_empty());
}

#[test]
fn a_side_whose_dialog_is_gone_ends_the_call() {
    let (mut house, invite) = talking(P2);
    desk_says(&mut house, "INVITE", 1, &invite, ANSWER);
    let carried = house.heard().pop().unwrap();
    house.replies(CARRIER, &carried, 481, "");
    let to_phone = house.world.taken(PHONE_1);
    assert_eq!(to_phone.iter().filter_map(Message::status).collect::<Vec<_>>(), [100, 481]);
    assert!(to_phone.iter().any(|it| it.status().is_none() && it.method() == Method::Bye));
    assert_eq!(house.ends(), [Some(EndReason::Lost)]);
    house.nothing_left();
}

#[test]
fn rfc4028_each_leg_has_a_session_of_its_own() {
    let mut house = house(P2);
    house.call("Supported: timer\r\nSession-Expires: 180\r\n", OFFER);
    house.open();
    house.heard();
    let ok = house.answer.clone().unwrap();
    assert_eq!(ok.header(Header::SessionExpires), Some(&b"180;refresher=uac"[..]));
    assert_eq!(ok.header(Header::Require), Some(&b"timer"[..]));
    house.says("ACK", "");
    house.frees("first", PHONE_1);
    let invite = invites(house.world.taken(PHONE_1)).remove(0);
    let extra: [(&str, &[u8]); 3] = [
        ("Contact", b"<sip:phone@192.0.2.31:5060>"),
        ("Session-Expires", b"100;refresher=uac"),
        ("Allow", b"INVITE, UPDATE"),
    ];
    let body = Some(("application/sdp", ANSWER.as_bytes()));
    let reply = Reply { status: 200, to_tag: Some("desk"), extra: &extra, body, ..Reply::default() };
    house.world.receive(PHONE_1, reply.to(&invite));
    house.moves(200, OFFER);
    house.world.taken(CARRIER);
    house.world.taken(PHONE_1);
    house.world.advance(Duration::from_secs(50));
    let refresh = house.world.one(PHONE_1);
    assert_eq!((refresh.method(), refresh.body()), (Method::Update, &b""[..]));
    assert_eq!(refresh.header(Header::SessionExpires), Some(&b"100;refresher=uac"[..]));
    let extra: [(&str, &[u8]); 1] = [("Session-Expires", b"100;refresher=uac")];
    house.world.receive(PHONE_1, Reply { status: 200, extra: &extra, ..Reply::default() }.to(&refresh));
    // The move of the media agreed on no session with the caller; their refresh does.
    house.says_with("UPDATE", "Supported: timer\r\nSession-Expires: 180;refresher=uac\r\n", "");
    assert_eq!(house.heard_statuses(), [200]);
    for _ in 0..2 {
        house.world.advance(Duration::from_secs(50));
        let refresh = house.world.one(PHONE_1);
        house.world.receive(PHONE_1, Reply { status: 200, extra: &extra, ..Reply::default() }.to(&refresh));
    }
    assert!(house.ends().is_empty());
    house.world.advance(Duration::from_secs(48));
    assert_eq!(house.ends(), [Some(EndReason::Lost)], "the caller did not refresh");
    assert!(house.heard().iter().any(|it| it.status().is_none() && it.method() == Method::Bye));
    assert!(house.world.taken(PHONE_1).iter().any(|it| it.method() == Method::Bye));
}

#[test]
fn a_caller_who_answers_elsewhere_than_offered_moves_the_phone_too() {
    let mut house = house(P2);
    house.waits();
    house.heard();
    house.says("ACK", "");
    let (_, _) = house.takes("first", PHONE_1);
    house.moves(200, &OFFER.replace("40000", "40010"));
    let reinvite = house.world.one(PHONE_1);
    assert!(body(&reinvite).contains("m=audio 40010"));
    assert_eq!((reinvite.cseq(), version(&reinvite)), (2, 2));
    house.replies(PHONE_1, &reinvite, 200, ANSWER);
    assert_eq!(house.world.one(PHONE_1).method(), Method::Ack);
    house.world.taken(CARRIER);
    house.world.advance(Duration::from_secs(5));
    assert!(house.world.taken(CARRIER).is_empty() && house.world.taken(PHONE_1).is_empty(), "both agree");
}

#[test]
fn while_music_plays_we_answer_the_callers_offers() {
    let mut house = house(P2);
    house.waits();
    house.heard();
    house.says("ACK", "");
    house.orders();
    house.says("INVITE", &OFFER.replace("40000", "40020"));
    let ok = house.heard().pop().unwrap();
    assert_eq!(ok.status(), Some(200));
    assert!(body(&ok).contains("m=audio 30000"));
    let Some(MediaOrder::Play { listener, .. }) = house.orders().pop() else { panic!("played to anew") };
    assert_eq!(listener.remote, "192.0.2.10:40020".parse().unwrap());
    house.says("ACK", "");
    house.says("INVITE", "");
    let ok = house.heard().pop().unwrap();
    assert!(body(&ok).contains("m=audio 30000"), "an offer of ours");
    house.says("ACK", &OFFER.replace("40000", "40030"));
    let Some(MediaOrder::Play { listener, .. }) = house.orders().pop() else { panic!("played to anew") };
    assert_eq!(listener.remote, "192.0.2.10:40030".parse().unwrap());
    house.says("INVITE", &OFFER.replace("RTP/AVP", "RTP/SAVP"));
    assert_eq!(house.heard_statuses(), [100, 488]);
    house.says("ACK", "");
    let (invite, _) = house.takes("first", PHONE_1);
    assert!(body(&invite).contains("m=audio 40030"), "the phone is told where the caller is now");
}

#[test]
fn an_anchored_call_that_was_written_out_goes_on_as_it_was() {
    let (mut house, invite) = talking(P2);
    house.world.reborn_as(|settings| settings.wrap_up = Duration::ZERO, |_| {});
    desk_says(&mut house, "INVITE", 1, &invite, ANSWER);
    let carried = house.heard().pop().unwrap();
    house.replies(CARRIER, &carried, 200, OFFER);
    assert_eq!(house.world.taken(PHONE_1).pop().unwrap().status(), Some(200));
    desk_says(&mut house, "ACK", 1, &invite, "");
    house.says("BYE", "");
    assert!(house.world.taken(PHONE_1).iter().any(|it| it.method() == Method::Bye));
    assert_eq!(house.ends(), [Some(EndReason::Completed)]);
}
