//! Hold, as it passes: the agent's side holds, the screen is warned, and told when it is too long.

use std::time::Duration;

use super::world::{CARRIER, PHONE_1, World, swapped, within_dialog};
use crate::message::{Message, Method};

/// A call that `a1` has answered; the 200 as the caller has it.
fn talking() -> (World, Message) {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.taken(CARRIER);
    world.reply(PHONE_1, &invite, 200, "agent");
    let ok = world.taken(CARRIER).remove(0);
    world.happened();
    (world, ok)
}

fn sdp(direction: &str) -> String {
    let (address, line) = match direction {
        "0.0.0.0" => ("0.0.0.0", String::new()),
        "" => ("192.0.2.99", String::new()),
        _ => ("192.0.2.99", format!("a={direction}\r\n")),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n{line}"
    )
}

fn with_body(text: &str, body: &str) -> String {
    if body.is_empty() {
        return text.to_owned();
    }
    let head = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    text.replacen("Content-Length: 0\r\n\r\n", &head, 1)
}

fn said(direction: Option<&str>) -> String {
    direction.map_or_else(String::new, sdp)
}

/// A request of the agent's phone with this offer, and what the caller answers; `None` is no description.
fn from_phone(
    world: &mut World,
    ok: &Message,
    n: u32,
    method: &str,
    offer: Option<&str>,
    answer: Option<&str>,
) {
    let text = with_body(&swapped(&within_dialog(method, n, ok)), &said(offer));
    exchange(world, (PHONE_1, CARRIER), &text, answer);
}

/// The same from the caller to the phone.
fn from_caller(world: &mut World, ok: &Message, n: u32, offer: Option<&str>, answer: Option<&str>) {
    let text = with_body(&within_dialog("INVITE", n, ok), &said(offer));
    exchange(world, (CARRIER, PHONE_1), &text, answer);
}

fn exchange(world: &mut World, (from, to): (&str, &str), text: &str, answer: Option<&str>) {
    world.receive(from, text.to_owned());
    let request = world.taken(to).pop().expect("it passes");
    assert!(matches!(request.method(), Method::Invite | Method::Update), "{request:?}");
    let response = crate::message::response(&request, 200, None, None, &[]);
    let response = String::from_utf8(response.to_vec()).unwrap();
    world.receive(to, with_body(&response, &said(answer)));
    world.taken(from);
}

#[test]
fn m091_a_hold_is_warned_of_at_15_s_and_exceeded_at_20_s() {
    let (mut world, ok) = talking();
    from_phone(&mut world, &ok, 2, "INVITE", Some("sendonly"), Some("recvonly"));
    assert_eq!(world.happened(), ["call.held"]);
    world.advance(Duration::from_millis(14_999));
    assert!(world.happened().is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.happened(), ["hold.warning 15 of 20"]);
    world.advance(Duration::from_millis(4_999));
    assert!(world.happened().is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.happened(), ["hold.exceeded 20"]);
    world.advance(Duration::from_secs(60));
    assert!(world.happened().is_empty(), "each once");
    from_phone(&mut world, &ok, 3, "INVITE", Some("sendrecv"), Some("sendrecv"));
    assert_eq!(world.happened(), ["call.resumed 80"]);
    assert_eq!(world.engine.counters().holds_exceeded, 1);
}

#[test]
fn m092_a_caller_who_is_off_hold_in_time_is_not_told_of() {
    let (mut world, ok) = talking();
    from_phone(&mut world, &ok, 2, "INVITE", Some("inactive"), Some("inactive"));
    world.advance(Duration::from_secs(16));
    from_phone(&mut world, &ok, 3, "INVITE", Some(""), Some(""));
    world.advance(Duration::from_secs(60));
    assert_eq!(world.happened(), ["call.held", "hold.warning 15 of 20", "call.resumed 16"]);
    from_phone(&mut world, &ok, 4, "INVITE", Some("sendonly"), Some("recvonly"));
    world.advance(Duration::from_secs(15));
    assert_eq!(world.happened(), ["call.held", "hold.warning 15 of 20"], "the time begins anew");
}

#[test]
fn m091_every_way_to_say_hold_is_understood() {
    type Row = (&'static str, Option<&'static str>, Option<&'static str>, bool);
    let rows: [Row; 8] = [
        ("INVITE", Some("sendonly"), Some("recvonly"), true),
        ("INVITE", Some("inactive"), Some("inactive"), true),
        ("INVITE", Some("0.0.0.0"), Some("sendonly"), true),
        ("UPDATE", Some("sendonly"), Some("recvonly"), true),
        ("INVITE", Some("recvonly"), Some("sendonly"), false),
        ("INVITE", Some("sendrecv"), Some("recvonly"), false),
        ("INVITE", None, Some("sendrecv"), false),
        ("UPDATE", None, None, false),
    ];
    for (method, offer, answer, held) in rows {
        let (mut world, ok) = talking();
        from_phone(&mut world, &ok, 2, method, offer, answer);
        let happened = world.happened();
        assert_eq!(happened == ["call.held"], held, "{method} {offer:?} {answer:?}: {happened:?}");
    }
}

#[test]
fn m091_only_the_agents_side_puts_a_caller_on_hold() {
    let rows = [
        (Some("sendonly"), Some("recvonly"), false),
        (Some("inactive"), Some("inactive"), false),
        (Some("sendrecv"), Some("sendonly"), true),
        (None, Some("sendonly"), true),
        (None, Some("sendrecv"), false),
    ];
    for (offer, answer, held) in rows {
        let (mut world, ok) = talking();
        from_caller(&mut world, &ok, 2, offer, answer);
        let happened = world.happened();
        assert_eq!(happened == ["call.held"], held, "{offer:?} {answer:?}: {happened:?}");
    }
}

#[test]
fn a_hold_ends_with_the_call_and_leaves_no_timer() {
    let (mut world, ok) = talking();
    from_phone(&mut world, &ok, 2, "INVITE", Some("sendonly"), Some("recvonly"));
    world.receive(CARRIER, within_dialog("BYE", 3, &ok));
    let bye = world.taken(PHONE_1).pop().unwrap();
    world.reply(PHONE_1, &bye, 200, "agent");
    world.happened();
    world.advance(Duration::from_secs(25));
    assert!(!world.happened().iter().any(|event| event.starts_with("hold")));
}

#[test]
fn a_hold_goes_on_after_a_restart() {
    let (mut world, ok) = talking();
    from_phone(&mut world, &ok, 2, "INVITE", Some("sendonly"), Some("recvonly"));
    world.advance(Duration::from_secs(10));
    world.reborn();
    world.happened();
    world.advance(Duration::from_secs(5));
    assert_eq!(world.happened(), ["hold.warning 15 of 20"]);
}
