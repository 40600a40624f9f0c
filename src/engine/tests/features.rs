//! Features between the two ends of a dialog that cross a proxy.

use std::time::Duration;

use super::world::{
    CARRIER, ELSEWHERE, PBX, PHONE_1, PHONE_2, World, invite_text, invites, swapped, with, within_dialog,
};
use crate::events::EndReason;
use crate::message::{Header, Message, Method, response};

/// The proxy neither inserts nor lowers a session timer (RFC 4028 §8 leaves that to it).
#[test]
fn d1_session_timers_pass_untouched_both_ways() {
    let mut world = World::new();
    let text = invite_text("one", CALLER, ELSEWHERE);
    world.receive(
        CARRIER,
        with(&text, "Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\nSupported: timer\r\n"),
    );
    let invite = world.one(PBX);
    assert_eq!(invite.header(Header::SessionExpires), Some(&b"1800;refresher=uac"[..]));
    assert_eq!(invite.header(Header::MinSe), Some(&b"90"[..]));
    world.receive(PBX, response(&invite, 422, None, Some("pbx"), &[("Min-SE", b"3600")]));
    let answer = world.taken(CARRIER).pop().unwrap();
    assert_eq!((answer.status(), answer.header(Header::MinSe)), (Some(422), Some(&b"3600"[..])));
}

#[test]
fn d1_a_call_whose_bye_never_comes_is_closed_as_lost() {
    let mut world = World::with(|settings| settings.call_limit = Duration::from_secs(3600), |_| {});
    let ok = answered(&mut world, &[]);
    assert_eq!(ok.status(), Some(200));
    world.advance(Duration::from_secs(3599));
    assert!(world.records.is_empty());
    world.advance(Duration::from_secs(1));
    assert_eq!(world.records[0].end_reason, Some(EndReason::Lost));
    assert_eq!(world.status_of("a1").2, "wrap_up", "the agent is not held on a call that is gone");
}

/// RFC 4028 §10: a session that is not refreshed is over, even when its BYE is never seen; a refresh gives it
/// the same time again.
#[test]
fn d1_a_session_that_is_not_refreshed_ends_the_call() {
    let mut world = World::new();
    let ok = answered(&mut world, &[("Session-Expires", b"1800;refresher=uac")]);
    assert_eq!(ok.header(Header::SessionExpires), Some(&b"1800;refresher=uac"[..]));
    world.advance(Duration::from_secs(900));
    world.receive(CARRIER, within_dialog("UPDATE", 2, &ok));
    let update = invites_or(world.taken(PHONE_1), Method::Update);
    world.receive(PHONE_1, response(&update, 200, None, Some("phone"), &[("Session-Expires", b"1800")]));
    world.advance(Duration::from_secs(1831));
    assert!(world.records.is_empty(), "1800 s, and 32 s for the BYE");
    world.advance(Duration::from_secs(1));
    assert_eq!(world.records[0].end_reason, Some(EndReason::Lost));
    assert_eq!(world.records[0].talk_s, 900 + 1832);
}

#[test]
fn d1_a_session_is_no_longer_than_the_limit_of_all_calls_and_no_shorter_than_the_least() {
    for (session, ends) in [(&b"90000"[..], 3600), (b"5", 3600), (b"rubbish", 3600), (b"90", 122)] {
        let mut world = World::with(|settings| settings.call_limit = Duration::from_secs(3600), |_| {});
        answered(&mut world, &[("Session-Expires", session)]);
        world.advance(Duration::from_secs(ends - 1));
        assert!(world.records.is_empty(), "{ends}");
        world.advance(Duration::from_secs(1));
        assert_eq!(world.records.len(), 1, "{ends}");
    }
}

/// RFC 3262: PRACK reaches the phone whose early dialog it names, and nothing of 100rel is added or taken.
#[test]
fn d2_prack_reaches_the_early_dialog_it_names() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    assert_eq!(invite.header(Header::Supported), None);
    let first = early(&mut world, PHONE_1, &invite, "one");
    assert_eq!(
        (first.header(Header::RSeq), first.header(Header::Require)),
        (Some(&b"7"[..]), Some(&b"100rel"[..]))
    );
    world.receive(CARRIER, with(&within_dialog("PRACK", 2, &first), "RAck: 7 1 INVITE\r\n"));
    let prack = world.one(PHONE_1);
    assert_eq!((prack.method(), prack.header(Header::RAck)), (Method::Prack, Some(&b"7 1 INVITE"[..])));
    world.reply(PHONE_1, &prack, 200, "one");
    assert_eq!(world.statuses().last(), Some(&200));
}

/// RFC 3311: two phones have given early dialogs; each UPDATE goes to its own.
#[test]
fn d5_update_in_an_early_dialog_reaches_the_phone_of_that_dialog() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    let first = early(&mut world, PHONE_1, &invite, "one");
    world.advance(Duration::from_secs(10));
    let invite = invites(world.taken(PHONE_2)).remove(0);
    let second = early(&mut world, PHONE_2, &invite, "two");
    world.taken(PHONE_1);
    world.receive(CARRIER, within_dialog("UPDATE", 2, &second));
    assert_eq!(world.one(PHONE_2).method(), Method::Update);
    world.receive(CARRIER, within_dialog("UPDATE", 3, &first));
    assert_eq!(world.one(PHONE_1).method(), Method::Update);
    let back = swapped(&within_dialog("UPDATE", 1, &second))
        .replace("192.0.2.31:5060;branch", "192.0.2.32:5060;branch");
    world.receive(PHONE_2, back.replacen("sip:phone@192.0.2.32:5060", "sip:caller@192.0.2.10", 1));
    assert_eq!(
        world.taken(CARRIER).pop().unwrap().method(),
        Method::Update,
        "and the phone's own to the caller"
    );
}

/// RFC 3261 §14, RFC 5407: two re-INVITEs meet; each side's 491 reaches the other and the dialog stays.
#[test]
fn d4_glare_is_settled_by_the_ends() {
    let mut world = World::new();
    let ok = answered(&mut world, &[]);
    world.receive(CARRIER, within_dialog("INVITE", 2, &ok));
    world.receive(PHONE_1, swapped(&within_dialog("INVITE", 1, &ok)));
    let to_phone = invites(world.taken(PHONE_1)).remove(0);
    let to_caller = invites(world.taken(CARRIER)).remove(0);
    world.reply(PHONE_1, &to_phone, 491, "phone");
    world.reply(CARRIER, &to_caller, 491, "caller");
    assert_eq!(world.statuses().last(), Some(&491));
    assert!(world.taken(PHONE_1).iter().any(|message| message.status() == Some(491)));
    assert!(world.records.is_empty());
    assert_eq!(world.status_of("a1").2, "on_call");
}

/// RFC 5009: early media is authorised by those who carry it; the header passes both ways.
#[test]
fn d8_p_early_media_passes_untouched() {
    let mut world = World::new();
    world.receive(CARRIER, with(&invite_text("one", CALLER, ELSEWHERE), "P-Early-Media: supported\r\n"));
    let invite = world.one(PBX);
    assert_eq!(invite.header_named(b"P-Early-Media"), Some(&b"supported"[..]));
    world.receive(PBX, response(&invite, 183, None, Some("pbx"), &[("P-Early-Media", b"sendonly")]));
    let progress = world.taken(CARRIER).pop().unwrap();
    assert_eq!(progress.header_named(b"P-Early-Media"), Some(&b"sendonly"[..]));
}

/// The phone answers the call of the line.
fn answered(world: &mut World, extra: &[(&str, &[u8])]) -> Message {
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    let contact = format!("<sip:phone@{PHONE_1}>");
    let mut headers = vec![("Contact", contact.as_bytes())];
    headers.extend(extra);
    world.receive(PHONE_1, response(&invite, 200, None, Some("phone"), &headers));
    world.taken(CARRIER).pop().unwrap()
}

/// A phone's reliable 183 as the caller gets it.
fn early(world: &mut World, phone: &str, invite: &Message, tag: &str) -> Message {
    let contact = format!("<sip:phone@{phone}>");
    let headers: &[(&str, &[u8])] =
        &[("Contact", contact.as_bytes()), ("Require", b"100rel"), ("RSeq", b"7")];
    world.receive(phone, response(invite, 183, None, Some(tag), headers));
    world.taken(CARRIER).pop().unwrap()
}

fn invites_or(messages: Vec<Message>, method: Method) -> Message {
    messages.into_iter().find(|message| message.status().is_none() && message.method() == method).unwrap()
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";
