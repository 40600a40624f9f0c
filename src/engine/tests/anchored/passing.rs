//! Anchored calls that are passed on by us (M095): by the command, and for the REFER of a phone.

use super::bridged::talking;
use super::*;
use crate::engine::{Answer, ErrorCode, Refusal, Request, TransferWish};
use crate::presence::AgentId;

/// The receiver's telephone answers.
const SECOND: &str = "v=0\r\no=second 3 3 IN IP4 192.0.2.32\r\ns=phone\r\nc=IN IP4 192.0.2.32\r\nt=0 0\r\n\
    m=audio 52000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=sendrecv\r\n";

/// A caller who talks with a1, and a2 free.
fn passing() -> (House, Message) {
    let (mut house, invite) = talking(P2);
    house.frees("second", PHONE_2);
    house.world.taken(PHONE_2);
    house.world.taken(CARRIER);
    house.world.happened();
    (house, invite)
}

fn ask(house: &mut House, to: &str) -> Result<Answer, Refusal> {
    let entry = house.world.engine.tables.calls.values().find(|it| it.sip_call_id == "third").unwrap();
    let (call, rev) = (entry.id.clone(), entry.rev);
    let wish = TransferWish { to: to.to_owned(), consult: false, note: Some("注文 12".to_owned()) };
    house.world.ask(Request::TransferCall { agent: AgentId::new("a1"), call, rev, wish })
}

fn refers(house: &mut House, invite: &Message) {
    let headers = "Refer-To: <sip:a2@192.0.2.1>\r\nReferred-By: <sip:a1@x>\r\n";
    house.world.receive(PHONE_1, from_desk(PHONE_1, "REFER", 1, invite, (headers, "")));
}

fn requests(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter(|it| it.status().is_none()).map(|it| it.method().as_str()).collect()
}

/// The receiver answers: the caller's media move there.
fn receiver_answers(house: &mut House) -> Message {
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.answers(PHONE_2, &invite, SECOND);
    assert_eq!(requests(&house.world.taken(PHONE_2)), ["ACK"]);
    let reinvite = house.moves(200, OFFER);
    assert!(body(&reinvite).contains("m=audio 52000"), "{}", body(&reinvite));
    assert_eq!(requests(&house.heard()), ["ACK"]);
    invite
}

fn record(house: &House) -> (u32, Vec<String>, Option<EndReason>) {
    let record = house.world.records.iter().find(|it| it.sip_call_id == "third").expect("a record");
    let people = record.handled_by.iter().map(ToString::to_string).collect();
    (record.transfer_count, people, record.end_reason)
}

#[test]
fn m095_a_command_passes_an_anchored_call_on_and_the_media_follow() {
    let (mut house, _) = passing();
    let Ok(Answer::Passing { means: "server", .. }) = ask(&mut house, "a2") else { panic!("granted") };
    let pop = house.world.last_pop();
    assert_eq!((pop.transfer.count, pop.transfer.note.as_deref()), (1, Some("注文 12")));
    assert_eq!(pop.offer.via, Some(AgentId::new("a1")));
    assert!(house.world.taken(PHONE_1).is_empty(), "the sender talks on until the receiver answers");
    assert_eq!(house.world.happened(), ["transfer.started a1>a2 blind server 0/1", "pop.offered"]);
    house.world.reborn_as(same_park, |_| {});
    receiver_answers(&mut house);
    assert_eq!(requests(&house.world.taken(PHONE_1)), ["BYE"]);
    assert_eq!(
        house.world.happened(),
        ["pop.taken a2", "call.answered a2", "pop.closed", "transfer.done a1>a2 blind server 1/1"]
    );
    assert_eq!(ask(&mut house, "a2").unwrap_err().code, ErrorCode::NotFound, "it is a2's now");
    house.says("BYE", "");
    assert_eq!(requests(&house.world.taken(PHONE_2)), ["BYE"]);
    let people = vec!["a1".to_owned(), "a2".to_owned()];
    assert_eq!(record(&house), (1, people, Some(EndReason::Completed)));
    house.nothing_left();
}

/// The settings of the house, for whoever goes on after a restart.
fn same_park(settings: &mut Settings) {
    let modes = P2.iter().map(|(mode, seconds)| (*mode, Duration::from_secs(*seconds))).collect();
    settings.park = ParkSettings {
        profile: Arc::new(Profile { modes, ..Profile::default() }),
        places: 10,
        patience: Duration::from_secs(15),
        ..ParkSettings::default()
    };
    settings.wrap_up = Duration::ZERO;
}

#[test]
fn m095_a_refer_in_an_anchored_call_is_carried_out_here_and_never_reaches_the_trunk() {
    let (mut house, invite) = passing();
    refers(&mut house, &invite);
    let told = house.world.taken(PHONE_1);
    assert_eq!((told[0].status(), told[1].method()), (Some(202), Method::Notify));
    assert_eq!(told[1].body(), b"SIP/2.0 100 Trying\r\n");
    house.replies(PHONE_1, &told[1], 200, "");
    let second = receiver_answers(&mut house);
    assert_eq!(second.header_named(b"Referred-By"), Some(&b"<sip:a1@x>"[..]));
    let told = house.world.taken(PHONE_1);
    assert_eq!(requests(&told), ["NOTIFY", "BYE"]);
    assert_eq!(told[0].body(), b"SIP/2.0 200 OK\r\n");
    assert_eq!(house.world.happened().last().unwrap(), "transfer.done a1>a2 blind server 1/1");
    // The receiver's phone may not pass the caller on once more.
    let again = "Refer-To: <sip:a1@192.0.2.1>\r\n";
    house.world.receive(PHONE_2, from_desk(PHONE_2, "REFER", 1, &second, (again, "")));
    assert_eq!(house.world.one(PHONE_2).status(), Some(403));
    assert!(requests(&house.heard()).is_empty());
}

#[test]
fn m095_an_anchored_call_stays_with_the_sender_when_the_receiver_cannot_be_had() {
    let (mut house, invite) = passing();
    refers(&mut house, &invite);
    house.world.taken(PHONE_1);
    let asked = invites(house.world.taken(PHONE_2)).remove(0);
    house.replies(PHONE_2, &asked, 486, "");
    let told = house.world.taken(PHONE_1);
    assert_eq!(requests(&told), ["NOTIFY"]);
    assert_eq!(told[0].body(), b"SIP/2.0 480 Temporarily Unavailable\r\n");
    assert!(requests(&house.heard()).is_empty(), "the caller hears nothing of it");
    assert_eq!(house.world.status_of("a1").2, "on_call");
    house.says("BYE", "");
    assert_eq!(record(&house), (0, Vec::new(), Some(EndReason::Completed)));
    house.nothing_left();
}

#[test]
fn m095_a_sender_who_hangs_up_leaves_the_caller_to_the_receiver() {
    let (mut house, invite) = passing();
    ask(&mut house, "a2").unwrap();
    house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 2, &invite, ("", "")));
    assert_eq!(house.world.one(PHONE_1).status(), Some(200));
    assert!(requests(&house.heard()).is_empty(), "the caller stays");
    assert_eq!(house.world.status_of("a1").2, "idle");
    receiver_answers(&mut house);
    house.says("BYE", "");
    let people = vec!["a1".to_owned(), "a2".to_owned()];
    assert_eq!(record(&house), (1, people, Some(EndReason::Completed)));
    house.nothing_left();
}

/// Somebody passes the caller on and hangs up: the caller is asked to listen to our port again.
fn plays_again() -> (House, Message) {
    let (mut house, invite) = passing();
    ask(&mut house, "a2").unwrap();
    house.orders();
    house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 2, &invite, ("", "")));
    house.world.taken(PHONE_1);
    house.open();
    let reinvite = invites(house.heard()).remove(0);
    assert!(body(&reinvite).contains(&format!("m=audio {} ", port())), "{}", body(&reinvite));
    (house, reinvite)
}

fn port() -> u16 {
    PORT.parse::<std::net::SocketAddr>().unwrap().port()
}

#[test]
fn m095_a_caller_whom_nobody_has_hears_music_until_the_receiver_answers() {
    let (mut house, reinvite) = plays_again();
    assert!(house.ordered().is_empty(), "nothing is sent before they listen");
    house.replies(CARRIER, &reinvite, 200, OFFER);
    assert_eq!(requests(&house.heard()), ["ACK"]);
    assert_eq!(house.ordered()[0], "play");
    receiver_answers(&mut house);
    assert_eq!(house.ordered(), ["close"]);
    house.says("BYE", "");
    assert_eq!(requests(&house.world.taken(PHONE_2)), ["BYE"]);
    assert_eq!(record(&house).0, 1);
    house.nothing_left();
    assert!(house.ordered().is_empty() && house.world.engine.tables.streams.is_empty());
}

#[test]
fn m095_a_receiver_who_answers_before_the_music_gets_the_media_next() {
    let (mut house, reinvite) = plays_again();
    let invite = invites(house.world.taken(PHONE_2)).remove(0);
    house.answers(PHONE_2, &invite, SECOND);
    assert!(invites(house.heard()).is_empty(), "one offer at a time");
    house.replies(CARRIER, &reinvite, 200, OFFER);
    let moved = invites(house.heard()).remove(0);
    assert!(body(&moved).contains("m=audio 52000"), "{}", body(&moved));
    house.replies(CARRIER, &moved, 200, OFFER);
    assert_eq!(house.ordered(), ["close"], "no music came between");
    house.says("BYE", "");
    house.nothing_left();
}

#[test]
fn m095_a_caller_who_refuses_the_music_stays_for_the_receiver() {
    for (status, joined) in [(488, false), (491, false), (488, true), (491, true)] {
        let (mut house, reinvite) = plays_again();
        if joined {
            let invite = invites(house.world.taken(PHONE_2)).remove(0);
            house.answers(PHONE_2, &invite, SECOND);
        }
        house.replies(CARRIER, &reinvite, status, "");
        if !joined {
            let invite = invites(house.world.taken(PHONE_2)).remove(0);
            house.answers(PHONE_2, &invite, SECOND);
        }
        house.world.advance(Duration::from_secs(4));
        let moved = invites(house.heard()).pop().expect("the media go to the receiver");
        assert!(body(&moved).contains("m=audio 52000"), "{status} {joined}: {}", body(&moved));
        house.replies(CARRIER, &moved, 200, OFFER);
        house.says("BYE", "");
        assert_eq!(record(&house).2, Some(EndReason::Completed), "{status} {joined}");
        house.nothing_left();
    }
}

#[test]
fn m095_without_a_port_the_caller_waits_in_silence_and_is_not_lost() {
    let (mut house, invite) = passing();
    ask(&mut house, "a2").unwrap();
    house.orders();
    house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 2, &invite, ("", "")));
    let [MediaOrder::Open { stream, .. }] = house.orders()[..] else { panic!("a port is asked for") };
    house.world.input(Input::Media(MediaReport::Refused { stream, why: MediaFault::NoPort }));
    assert!(invites(house.heard()).is_empty());
    receiver_answers(&mut house);
    house.says("BYE", "");
    house.nothing_left();
}

#[test]
fn m095_a_caller_who_hangs_up_to_the_music_leaves_no_port_behind() {
    let (mut house, reinvite) = plays_again();
    let asked = invites(house.world.taken(PHONE_2)).remove(0);
    house.replies(PHONE_2, &asked, 180, "");
    house.replies(CARRIER, &reinvite, 200, OFFER);
    house.orders();
    house.says("BYE", "");
    assert_eq!(house.ordered(), ["close"]);
    assert_eq!(requests(&house.world.taken(PHONE_2)).last(), Some(&"CANCEL"));
    house.nothing_left();
    assert!(house.world.engine.tables.streams.is_empty());
}

#[test]
fn m095_a_caller_whose_sender_has_gone_is_taken_to_somebody_else() {
    let (mut house, invite) = passing();
    ask(&mut house, "a2").unwrap();
    house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 2, &invite, ("", "")));
    house.world.taken(PHONE_1);
    let asked = invites(house.world.taken(PHONE_2)).remove(0);
    house.replies(PHONE_2, &asked, 486, "");
    assert!(requests(&house.heard()).is_empty(), "the caller stays");
    let asked = invites(house.world.taken(PHONE_1)).remove(0);
    house.answers(PHONE_1, &asked, ANSWER);
    house.moves(200, OFFER);
    assert_eq!(house.world.status_of("a1").2, "on_call");
    house.says("BYE", "");
    assert_eq!(record(&house), (0, Vec::new(), Some(EndReason::Completed)), "the same handler");
    house.nothing_left();
}

#[test]
fn m095_a_caller_who_hangs_up_in_a_transfer_ends_it_for_everybody() {
    for sender_gone in [false, true] {
        let (mut house, invite) = passing();
        ask(&mut house, "a2").unwrap();
        let asked = invites(house.world.taken(PHONE_2)).remove(0);
        house.replies(PHONE_2, &asked, 180, "");
        if sender_gone {
            house.world.receive(PHONE_1, from_desk(PHONE_1, "BYE", 2, &invite, ("", "")));
            house.world.taken(PHONE_1);
        }
        house.says("BYE", "");
        assert_eq!(requests(&house.world.taken(PHONE_2)), ["CANCEL"]);
        assert_eq!(requests(&house.world.taken(PHONE_1)).contains(&"BYE"), !sender_gone);
        assert_eq!(record(&house), (0, Vec::new(), Some(EndReason::Completed)));
        assert_eq!(
            (house.world.status_of("a1").2, house.world.status_of("a2").2),
            ("idle".to_owned(), "idle".to_owned())
        );
        house.nothing_left();
    }
}

#[test]
fn m095_a_receiver_who_cannot_be_one_is_refused_before_anything_happens() {
    let (mut house, _) = passing();
    for (to, code) in [
        ("a1", ErrorCode::Validation),
        ("nobody", ErrorCode::Validation),
        ("sip:x@evil.example", ErrorCode::Validation),
    ] {
        assert_eq!(ask(&mut house, to).unwrap_err().code, code, "{to}");
    }
    house.world.invite_unknown("fourth");
    house.world.taken(PHONE_2);
    assert_eq!(ask(&mut house, "a2").unwrap_err().code, ErrorCode::Unavailable);
    assert!(!house.world.happened().iter().any(|name| name.starts_with("transfer.")));
}

#[test]
fn m095_a_number_is_reached_by_the_default_route() {
    let (mut house, _) = passing();
    ask(&mut house, "0311112222").unwrap();
    let invite = invites(house.world.taken(PBX)).remove(0);
    assert!(invite.request_uri().starts_with(b"sip:0311112222@"));
    house.answers(PBX, &invite, SECOND);
    house.moves(200, OFFER);
    assert_eq!(house.world.happened().last().unwrap(), "transfer.done a1>0311112222 blind server 1/1");
    house.says("BYE", "");
    assert_eq!(record(&house).0, 1);
    house.nothing_left();
}
