//! Requests within a dialog: only with our signed Record-Route, to wherever it leads.

use super::world::{CARRIER, PBX, PHONE_1, World, outside, swapped, within_dialog};
use crate::message::{Header, Message, Method};
use crate::transport::Protocol;

#[test]
fn every_method_passes_within_the_dialog() {
    for method in ["INVITE", "UPDATE", "INFO", "PRACK", "REFER", "NOTIFY", "MESSAGE", "X-UNKNOWN"] {
        let (mut world, ok) = answered_in(World::with(|settings| settings.peers[0].transfers = true, |_| {}));
        world.receive(CARRIER, within_dialog(method, 2, &ok));
        let through = world.one(PHONE_1);
        assert_eq!(through.method_bytes(), method.as_bytes());
        assert_eq!(through.header(Header::Route), None, "{method}");
        world.reply(PHONE_1, &through, 200, "phone");
        assert_eq!(world.statuses().last(), Some(&200), "{method}");
    }
}

#[test]
fn the_agents_side_reaches_the_caller() {
    let (mut world, ok) = answered();
    let bye = swapped(&within_dialog("BYE", 1, &ok));
    world.receive(PHONE_1, bye);
    let through = world.one(CARRIER);
    assert_eq!(through.method(), Method::Bye);
    world.reply(CARRIER, &through, 200, "caller");
    assert_eq!(world.records.len(), 1);
}

#[test]
fn n2_n19_without_a_valid_route_the_answer_is_481_and_nothing_leaves() {
    let (mut world, ok) = answered();
    let bye = within_dialog("BYE", 2, &ok);
    let route_at = bye.find("Route:").unwrap();
    let route_end = bye[route_at..].find("\r\n").unwrap() + route_at + 2;
    let without = format!("{}{}", &bye[..route_at], &bye[route_end..]);
    let foreign = bye.replace(&bye[route_at..route_end], "Route: <sip:198.51.100.1;lr>\r\n");
    let other_tag = bye.replace("tag=caller", "tag=stranger");
    for (index, text) in [without, foreign, other_tag].into_iter().enumerate() {
        world.receive(CARRIER, text.replace("z9hG4bKone", &format!("z9hG4bK{index}")));
        // A Route that never led through us is one that the sender wrote (N18).
        assert_eq!(world.statuses(), [if index == 1 { 403 } else { 481 }], "variant {index}");
        assert!(world.sent.is_empty(), "variant {index}: {:?}", world.sent);
    }
    assert!(world.records.is_empty(), "the call stays up");
}

/// Over a stream the answer to BYE ends its transaction at once (timer J is zero); the call must end all the
/// same.
#[test]
fn a_bye_over_tcp_ends_the_call() {
    let (mut world, ok) = answered();
    let bye = within_dialog("BYE", 2, &ok).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    world.receive_over(Protocol::Tcp, CARRIER, bye);
    let bye = world.one(PHONE_1);
    world.reply(PHONE_1, &bye, 200, "phone");
    assert_eq!(world.records.len(), 1);
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn a_refused_bye_leaves_the_call_up() {
    let (mut world, ok) = answered();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = world.one(PHONE_1);
    world.reply(PHONE_1, &bye, 407, "phone");
    assert!(world.records.is_empty());
    world.receive(CARRIER, within_dialog("BYE", 3, &ok));
    let bye = world.one(PHONE_1);
    world.reply(PHONE_1, &bye, 481, "phone");
    assert_eq!(world.records.len(), 1);
}

#[test]
fn outside_a_dialog_everything_goes_to_the_default_route() {
    for method in ["REGISTER", "MESSAGE", "SUBSCRIBE", "X-UNKNOWN", "OPTIONS"] {
        let mut world = World::new();
        world.receive(CARRIER, outside(method, "sip:somebody@192.0.2.1", ""));
        assert_eq!(world.one(PBX).method_bytes(), method.as_bytes());
    }
}

#[test]
fn options_for_ourselves_are_answered() {
    let mut world = World::new();
    world.receive(CARRIER, outside("OPTIONS", "sip:192.0.2.1:5060", ""));
    assert_eq!(world.statuses(), [200]);
    assert!(world.sent.is_empty());
}

/// A target that is ourselves under another name would come back; it goes nowhere.
#[test]
fn v2_a_target_that_is_one_of_our_names_goes_nowhere() {
    for target in
        ["sip:phone@pbx.example", "sip:phone@192.0.2.1:5060", "sip:phone@PBX.example:5060;transport=tcp"]
    {
        let mut world =
            World::with(|settings| settings.own_names = vec![("pbx.example".to_owned(), 5060)], |_| {});
        world.invite_unknown("one");
        let invite = world.one(PHONE_1);
        let contact = format!("<{target}>");
        let ok =
            crate::message::response(&invite, 200, None, Some("phone"), &[("Contact", contact.as_bytes())]);
        world.receive(PHONE_1, ok);
        let ok = world.taken(CARRIER).pop().unwrap();
        world.receive(CARRIER, within_dialog("BYE", 2, &ok));
        assert_eq!(world.statuses(), [404], "{target}");
        assert!(world.sent.is_empty());
    }
}

#[test]
fn n18_a_pre_loaded_route_is_not_followed() {
    let mut world = World::new();
    world.receive(CARRIER, outside("MESSAGE", "sip:somebody@192.0.2.1", "Route: <sip:198.51.100.1;lr>\r\n"));
    assert_eq!(world.one(PBX).header(Header::Route), None);
    assert!(world.sent.is_empty());
}

#[test]
fn v11_a_request_that_nobody_answers_gets_no_408() {
    let mut world = World::new();
    world.receive(CARRIER, outside("MESSAGE", "sip:somebody@192.0.2.1", ""));
    world.advance(std::time::Duration::from_secs(40));
    assert_eq!(world.statuses(), [100], "and no final answer");
    assert_eq!(world.engine.gauges(), crate::engine::Gauges::default());
}

#[test]
fn v11_a_received_408_to_another_method_goes_no_further() {
    let mut world = World::new();
    world.receive(CARRIER, outside("MESSAGE", "sip:somebody@192.0.2.1", ""));
    let message = world.one(PBX);
    world.reply(PBX, &message, 408, "pbx");
    assert!(world.statuses().is_empty());
}

fn answered() -> (World, Message) {
    answered_in(World::new())
}

fn answered_in(mut world: World) -> (World, Message) {
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.happened();
    (world, ok)
}
