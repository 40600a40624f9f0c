//! RFC 5658: two Record-Route values where transport or address family changes, and requests that follow
//! them.

use super::world::{CARRIER, LINE, PHONE_1, US, World, address, invite_text, within_dialog};
use crate::message::{Header, Message, Method};
use crate::transport::Protocol;

const US_V6: &str = "[2001:db8::1]:5060";
const PHONE_V6: &str = "[2001:db8::31]:5060";

#[test]
fn v3_from_udp_to_tcp_two_values_are_written_the_called_sides_on_top() {
    let mut world = with_phone(&format!("sip:a1@{PHONE_1};transport=tcp"));
    let invite = invited(&mut world, PHONE_1);
    let routes = routes_of(&invite);
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes[0].starts_with(&format!("<sip:{US};transport=tcp;lr;")), "{routes:?}");
    assert!(routes[1].starts_with(&format!("<sip:{US};lr;")), "{routes:?}");
    both_sides_reach_each_other(world, &invite, PHONE_1, Protocol::Tcp);
}

#[test]
fn v3_from_ipv4_to_ipv6_two_values_are_written_each_with_an_address_its_side_can_reach() {
    let mut world = with_phone(&format!("sip:a1@{PHONE_V6}"));
    let invite = invited(&mut world, PHONE_V6);
    let routes = routes_of(&invite);
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes[0].starts_with(&format!("<sip:{US_V6};lr;")), "{routes:?}");
    assert!(routes[1].starts_with(&format!("<sip:{US};lr;")), "{routes:?}");
    assert_eq!(invite.top_via().sent_by(), US_V6.as_bytes(), "the answer must find its way back");
    both_sides_reach_each_other(world, &invite, PHONE_V6, Protocol::Udp);
}

#[test]
fn v3_without_a_change_one_value_is_written() {
    let mut world = with_phone(&format!("sip:a1@{PHONE_1}"));
    let invite = invited(&mut world, PHONE_1);
    let routes = routes_of(&invite);
    assert_eq!(routes.len(), 1, "{routes:?}");
    assert!(routes[0].starts_with(&format!("<sip:{US};lr;")), "{routes:?}");
    both_sides_reach_each_other(world, &invite, PHONE_1, Protocol::Udp);
}

/// RFC 3261 §16.6 item 4: what we write stands above what was there.
#[test]
fn v3_our_values_stand_above_those_of_others() {
    let mut world = with_phone(&format!("sip:a1@{PHONE_1};transport=tcp"));
    let text =
        super::world::with(&invite_text("one", CALLER, LINE), "Record-Route: <sip:before.example;lr>\r\n");
    world.receive(CARRIER, text);
    world.answer_lookup(Ok(Vec::new()));
    let invite = world.one(PHONE_1);
    let routes = routes_of(&invite);
    assert_eq!((routes.len(), routes[2].as_str()), (3, "<sip:before.example;lr>"));
}

/// The caller's BYE and the phone's re-INVITE both pass, with no value of ours left in them.
#[track_caller]
fn both_sides_reach_each_other(mut world: World, invite: &Message, phone: &str, protocol: Protocol) {
    let contact =
        format!("<sip:phone@{phone}{}>", if protocol == Protocol::Tcp { ";transport=tcp" } else { "" });
    let ok = crate::message::response(invite, 200, None, Some("phone"), &[("Contact", contact.as_bytes())]);
    world.receive_over(protocol, phone, ok);
    let ok = world.taken(CARRIER).pop().unwrap();
    assert_eq!(routes_of(&ok), routes_of(invite), "as they were");

    let call = String::from_utf8(invite.call_id().to_vec()).unwrap();
    let route: String = routes_of(invite).iter().map(|value| format!("Route: {value}\r\n")).collect();
    let again = format!(
        "INVITE sip:caller@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/{} {phone};branch=z9hG4bKback;rport\r\n\
         Max-Forwards: 70\r\n{route}From: <sip:0312345678@192.0.2.1>;tag=phone\r\nTo: {CALLER};tag=caller\r\n\
         Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        protocol.via_name()
    );
    world.receive_over(protocol, phone, again);
    let through = world.taken(CARRIER).pop().unwrap();
    assert_eq!((through.method(), through.header(Header::Route)), (Method::Invite, None));
    assert_eq!(through.top_via().sent_by(), US.as_bytes());
    world.reply(CARRIER, &through, 200, "caller");
    world.taken(phone);

    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let sent = world.sent.iter().find(|sent| sent.remote == address(phone)).unwrap();
    assert_eq!(sent.protocol, protocol, "the Contact says so");
    let bye = world.one(phone);
    assert_eq!((bye.method(), bye.header(Header::Route)), (Method::Bye, None));
}

fn with_phone(contact: &str) -> World {
    let contact = contact.to_owned();
    World::with(
        |settings| {
            settings.listen.push(address(US_V6));
            settings.peers[2].addresses.push("2001:db8::/64".parse().unwrap());
        },
        |directory| {
            directory.agents.values_mut().next().unwrap().contact = contact;
        },
    )
}

fn invited(world: &mut World, phone: &str) -> Message {
    world.receive(CARRIER, invite_text("one", CALLER, LINE));
    world.answer_lookup(Ok(Vec::new()));
    world.one(phone)
}

fn routes_of(message: &Message) -> Vec<String> {
    let values = message.values(Header::RecordRoute);
    values.map(|value| String::from_utf8(value.bytes.to_vec()).unwrap()).collect()
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";
