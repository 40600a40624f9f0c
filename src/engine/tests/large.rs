//! RFC 3261 §18.1.1: what is too large for a datagram goes over TCP, and back when nobody listens there (V8).

use std::time::Duration;

use super::world::{CARRIER, PBX, World, address, invite_text, within_dialog};
use crate::engine::{Datagram, Input};
use crate::message::{Header, Method, response};
use crate::transport::Protocol;

#[test]
fn v8_a_request_above_1300_octets_goes_over_tcp_and_says_so() {
    let mut world = World::new();
    world.receive(CARRIER, large("one"));
    let sent = to_pbx(&mut world);
    assert_eq!(sent.protocol, Protocol::Tcp);
    assert!(sent.bytes.len() > 1300);
    let invite = super::world::parsed(&sent.bytes);
    assert!(invite.top_via().as_bytes().starts_with(b"SIP/2.0/TCP "), "its Via says where answers go");
    let routes: Vec<String> = invite
        .values(Header::RecordRoute)
        .map(|value| String::from_utf8_lossy(value.bytes).into_owned())
        .collect();
    assert_eq!(routes.len(), 2, "RFC 5658: one for each side");
    assert!(routes[0].contains("transport=tcp") && !routes[1].contains("transport="), "{routes:?}");

    world.receive_over(Protocol::Tcp, PBX, response(&invite, 200, None, Some("b"), &[CONTACT]));
    let ok = world.taken(CARRIER).pop().unwrap();
    assert_eq!(ok.status(), Some(200));
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let bye = to_pbx(&mut world);
    assert_eq!(super::world::parsed(&bye.bytes).method(), Method::Bye);
}

#[test]
fn v8_a_small_request_stays_on_udp() {
    let mut world = World::new();
    world.receive(CARRIER, plain("one"));
    assert_eq!(to_pbx(&mut world).protocol, Protocol::Udp);
}

#[test]
fn v8_where_tcp_is_refused_the_request_goes_over_udp_and_that_is_remembered() {
    let mut world = World::new();
    world.receive(CARRIER, large("one"));
    let token = to_pbx(&mut world).token.unwrap();
    world.input(Input::SendFailed(token));
    let again = to_pbx(&mut world);
    assert_eq!(again.protocol, Protocol::Udp);
    let invite = super::world::parsed(&again.bytes);
    assert!(invite.top_via().as_bytes().starts_with(b"SIP/2.0/UDP "));
    assert_eq!(invite.values(Header::RecordRoute).count(), 1);
    world.reply(PBX, &invite, 200, "b");
    assert_eq!(world.statuses(), [100, 200]);

    world.receive(CARRIER, large("two"));
    assert_eq!(to_pbx(&mut world).protocol, Protocol::Udp, "known not to listen");
    world.advance(Duration::from_secs(600));
    world.sent.clear();
    world.receive(CARRIER, large("three"));
    assert_eq!(to_pbx(&mut world).protocol, Protocol::Tcp, "asked again after ten minutes");
}

#[test]
fn v8_zero_keeps_everything_on_udp() {
    let mut world = World::with(|settings| settings.tcp_above_bytes = 0, |_| {});
    world.receive(CARRIER, large("one"));
    assert_eq!(to_pbx(&mut world).protocol, Protocol::Udp);
}

#[test]
fn v8_a_cancel_takes_the_connection_of_its_invite() {
    let mut world = World::new();
    world.receive(CARRIER, large("one"));
    let invite = super::world::parsed(&to_pbx(&mut world).bytes);
    world.receive_over(Protocol::Tcp, PBX, response(&invite, 180, None, Some("b"), &[CONTACT]));
    let cancel = plain("one")
        .replace("INVITE", "CANCEL")
        .replace("Content-Length: 4\r\n\r\nv=0\n", "Content-Length: 0\r\n\r\n");
    world.receive(CARRIER, cancel);
    let sent = to_pbx(&mut world);
    assert_eq!(super::world::parsed(&sent.bytes).method(), Method::Cancel);
    assert_eq!(sent.protocol, Protocol::Tcp);
}

const CONTACT: (&str, &[u8]) = ("Contact", b"<sip:desk@192.0.2.20>");

fn plain(call: &str) -> String {
    invite_text(call, "<sip:+819012345678@carrier.example>", "0399999999")
}

fn large(call: &str) -> String {
    let padding = format!("X-Padding: {}\r\nContent-Length: 4", "x".repeat(1_200));
    plain(call).replace("Content-Length: 4", &padding)
}

fn to_pbx(world: &mut World) -> Datagram {
    let place = world.sent.iter().rposition(|datagram| datagram.remote == address(PBX)).expect("it was sent");
    world.sent.remove(place)
}
