//! Next hops: several targets, silence, errors, probes, late answers (V7, F7, F8).

use std::time::Duration;

use super::world::{CARRIER, PBX, PHONE_1, World, address, invites, within_dialog};
use crate::engine::{Input, Resolution, Settings};
use crate::message::{Header, Message, Method, response};
use crate::proxy::{RouteTarget, Target};
use crate::transport::Protocol;

const PBX_2: &str = "192.0.2.21:5060";

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn f7_after_an_error_the_next_target_is_tried_at_once_on_a_branch_of_its_own() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    let first = world.one(PBX);
    world.reply(PBX, &first, 503, "full");
    let second = invites(world.taken(PBX_2)).remove(0);
    assert_ne!(first.top_via().branch(), second.top_via().branch(), "a transaction of its own");
    assert_eq!(first.max_forwards(), second.max_forwards(), "made of the request as it came");
    world.reply(PBX_2, &second, 200, "b");
    assert_eq!(world.statuses(), [100, 200], "the 503 never went up");
}

#[test]
fn f7_a_target_that_cannot_be_reached_gives_way_at_once() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    fail_sending(&mut world, PBX);
    let second = world.one(PBX_2);
    world.reply(PBX_2, &second, 180, "b");
    assert_eq!(world.statuses(), [100, 180]);
}

#[test]
fn f7_a_503_after_100_gives_way_as_well() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    let first = world.one(PBX);
    world.reply(PBX, &first, 100, "");
    world.advance(3 * SECOND);
    assert!(world.taken(PBX_2).is_empty(), "100 is a sign of life");
    world.reply(PBX, &first, 503, "full");
    assert_eq!(invites(world.taken(PBX_2)).len(), 1);
}

#[test]
fn f7_silence_costs_two_seconds_and_a_late_180_is_cancelled() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    world.advance(SECOND * 2);
    let first = world.taken(PBX).remove(0);
    let second = world.one(PBX_2);
    world.reply(PBX, &first, 180, "late");
    let cancel = last_of(&mut world, PBX, Method::Cancel);
    assert_eq!(cancel.top_via().branch(), first.top_via().branch());
    world.reply(PBX_2, &second, 200, "b");
    assert_eq!(world.statuses(), [100, 200], "the late 180 is not the caller's");
}

#[test]
fn f7_a_late_200_is_acknowledged_and_ended_and_the_caller_gets_one_answer() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    world.advance(SECOND * 2);
    let first = world.taken(PBX).remove(0);
    let second = world.one(PBX_2);
    world.reply(PBX_2, &second, 180, "b");
    world.reply(PBX, &first, 200, "late");
    let ended = world.taken(PBX);
    let methods: Vec<Method> = ended.iter().map(Message::method).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye], "{ended:?}");
    assert_eq!(ended[0].request_uri(), format!("sip:phone@{PBX}").as_bytes());
    assert_eq!((ended[0].cseq(), ended[1].cseq()), (1, 2));
    assert!(ended.iter().all(|message| message.to_tag() == Some(b"late")));
    assert!(ended.iter().all(|message| message.header(Header::Route).is_none()), "nobody between");

    world.reply(PBX, &first, 200, "late");
    let again = world.taken(PBX);
    assert_eq!(again.len(), 1, "repeated: ACK again, no second BYE");
    assert_eq!(again[0].bytes(), ended[0].bytes(), "the same ACK");
    world.reply(PBX, &ended[1], 200, "late");

    world.reply(PBX_2, &second, 200, "b");
    assert_eq!(world.statuses(), [100, 180, 200], "one answer");
    assert_eq!(world.engine.counters().late_answers, 1);
}

#[test]
fn f7_the_end_of_a_late_answer_takes_the_route_below_us() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    world.advance(SECOND * 2);
    let first = world.taken(PBX).remove(0);
    let ours = String::from_utf8(first.header(Header::RecordRoute).unwrap().to_vec()).unwrap();
    let below = format!("<sip:edge.example;lr>, <sip:{PBX};lr>, {ours}, <sip:carrier.example;lr>");
    let answer = response(&first, 200, None, Some("late"), &[("Contact", b"<sip:desk@10.0.0.9>")]);
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let text = text.replace(&format!("Record-Route: {ours}"), &format!("Record-Route: {below}"));
    world.receive(PBX, text);
    let bye = last_of(&mut world, PBX, Method::Bye);
    assert_eq!(bye.request_uri(), b"sip:desk@10.0.0.9");
    let routes: Vec<&[u8]> = bye.values(Header::Route).map(|value| value.bytes).collect();
    assert_eq!(routes, [format!("<sip:{PBX};lr>").as_bytes(), b"<sip:edge.example;lr>"]);
}

#[test]
fn f8_all_targets_silent_are_503_with_retry_after_within_four_seconds() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    world.advance(4 * SECOND);
    let up = world.taken(CARRIER);
    let last = up.last().unwrap();
    assert_eq!(last.status(), Some(503));
    assert_eq!(last.header(Header::RetryAfter), Some(&b"5"[..]));
    assert_eq!(world.engine.counters().routes_down, 1);
}

#[test]
fn f8_all_targets_refusing_are_503_at_once() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    fail_sending(&mut world, PBX);
    fail_sending(&mut world, PBX_2);
    assert_eq!(world.statuses(), [100, 503]);
}

#[test]
fn f8_a_lone_silent_target_is_asked_by_options_before_the_call_is_refused() {
    let mut world = World::new();
    call(&mut world, "one");
    world.advance(2 * SECOND);
    let sent = world.taken(PBX);
    let options: Vec<&Message> = sent.iter().filter(|message| message.method() == Method::Options).collect();
    assert_eq!(options.len(), 1, "{sent:?}");
    world.advance(2 * SECOND);
    assert_eq!(world.statuses(), [100, 503]);
}

#[test]
fn f10_a_lone_target_that_answers_options_is_given_the_transactions_whole_time() {
    let mut world = World::new();
    call(&mut world, "one");
    world.advance(2 * SECOND);
    let sent = world.taken(PBX);
    let options = sent.iter().find(|message| message.method() == Method::Options).unwrap();
    world.reply(PBX, options, 405, "alive");
    world.advance(4 * SECOND);
    assert_eq!(world.statuses(), [100], "only the INVITE was lost so far");
    world.reply(PBX, &sent[0], 200, "b");
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn v7_503_of_the_only_target_goes_up_as_500() {
    let mut world = World::new();
    call(&mut world, "one");
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 503, "full");
    assert_eq!(world.statuses(), [100, 500]);
}

#[test]
fn v7_the_addresses_of_a_name_are_tried_in_their_order() {
    let mut world = named("pbx.example");
    call(&mut world, "one");
    let (token, port, protocol) = world.asked_names.pop().expect("the name is asked");
    assert_eq!((port, protocol), (None, None), "NAPTR and SRV may choose");
    let targets = vec![target(Protocol::Udp, PBX), target(Protocol::Tcp, PBX_2)];
    world.input(Input::Resolved(token, Resolution { targets, lasts: 30 * SECOND }));
    let first = world.one(PBX);
    world.reply(PBX, &first, 503, "full");
    let second = invites(world.taken(PBX_2)).remove(0);
    assert!(second.top_via().as_bytes().starts_with(b"SIP/2.0/TCP"), "as its record says");
    assert_eq!(second.values(Header::RecordRoute).count(), 2, "RFC 5658");
    world.receive_over(Protocol::Tcp, PBX_2, response(&second, 200, None, Some("b"), &[]));
    assert_eq!(world.statuses(), [100, 200]);

    call(&mut world, "two");
    assert_eq!(invites(world.taken(PBX)).len(), 1, "known for as long as it lasts");
    world.advance(30 * SECOND);
    world.asked_names.clear();
    call(&mut world, "three");
    assert_eq!(world.asked_names.len(), 1, "asked again");
}

#[test]
fn v7_a_name_without_an_answer_costs_no_more_than_silence() {
    let mut world = named("pbx.example");
    call(&mut world, "one");
    world.advance(4 * SECOND);
    assert_eq!(world.statuses()[..2], [100, 503]);
}

#[test]
fn v7_a_request_within_a_dialog_tries_the_next_address_too() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    let invite = world.one(PBX);
    let contact: &[(&str, &[u8])] = &[("Contact", b"<sip:desk@pbx.example>")];
    world.receive(PBX, response(&invite, 200, None, Some("b"), contact));
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("BYE", 2, &ok));
    let (token, ..) = world.asked_names.pop().expect("the name is asked");
    let targets = vec![target(Protocol::Udp, PBX), target(Protocol::Udp, PBX_2)];
    world.input(Input::Resolved(token, Resolution { targets, lasts: 30 * SECOND }));
    fail_sending(&mut world, PBX);
    let bye = last_of(&mut world, PBX_2, Method::Bye);
    world.reply(PBX_2, &bye, 200, "b");
    assert_eq!(world.statuses(), [200]);
    assert_eq!(world.records.len(), 1);
}

#[test]
fn f7_a_target_marked_down_is_tried_last_until_probes_bring_it_back() {
    let mut world = probed();
    let gauges = |world: &World| (world.engine.gauges().targets, world.engine.gauges().targets_down);
    answer_probes(&mut world, &[PBX, PBX_2]);
    assert_eq!(gauges(&world), (2, 0));
    let mut silent = Duration::ZERO;
    while gauges(&world).1 == 0 {
        world.advance(SECOND / 2);
        silent += SECOND / 2;
        answer_probes(&mut world, &[PBX_2]);
        assert!(silent <= 15 * SECOND, "{silent:?}");
    }
    call(&mut world, "one");
    assert!(invites(world.taken(PBX)).is_empty(), "it is down");
    let second = invites(world.taken(PBX_2)).remove(0);
    world.reply(PBX_2, &second, 486, "busy");

    let mut waited = Duration::ZERO;
    while gauges(&world).1 > 0 {
        answer_probes(&mut world, &[PBX, PBX_2]);
        world.advance(SECOND / 2);
        waited += SECOND / 2;
    }
    assert!(waited <= 10 * SECOND, "{waited:?}");
    call(&mut world, "two");
    assert_eq!(invites(world.taken(PBX)).len(), 1, "in service by itself");
}

#[test]
fn f7_a_target_that_flaps_every_three_seconds_does_not_oscillate() {
    let mut world = probed();
    let mut before = 0;
    for half_second in 0..240_u64 {
        let up = half_second / 6 % 2 == 0;
        answer_probes(&mut world, if up { &[PBX, PBX_2] } else { &[PBX_2] });
        world.advance(SECOND / 2);
        if half_second == 120 {
            before = world.engine.counters().targets_marked_down;
        }
    }
    let marked = world.engine.counters().targets_marked_down;
    assert!(marked <= 2, "marked down {marked} times in two minutes");
    assert_eq!(marked, before, "and not again once it is known to flap");
}

#[test]
fn f7_a_retry_after_keeps_calls_away_for_its_time() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    let first = world.one(PBX);
    world.receive(PBX, response(&first, 503, None, Some("full"), &[("Retry-After", b"20 (busy)")]));
    for id in ["one", "two"] {
        let second = invites(world.taken(PBX_2)).remove(0);
        world.reply(PBX_2, &second, 486, "busy");
        if id == "one" {
            world.advance(19 * SECOND);
            world.taken(PBX);
            call(&mut world, "two");
        }
    }
    assert!(invites(world.taken(PBX)).is_empty());
    world.advance(SECOND);
    call(&mut world, "three");
    assert_eq!(invites(world.taken(PBX)).len(), 1);
}

#[test]
fn f7_weights_share_the_calls_and_the_same_seed_shares_them_alike() {
    let shares = || {
        let mut world = World::with(|settings| settings.routes = weighted(&[(PBX, 1), (PBX_2, 3)]), |_| {});
        (0..200)
            .map(|index| {
                call(&mut world, &format!("c{index}"));
                let second = !invites(world.taken(PBX_2)).is_empty();
                world.taken(PBX);
                second
            })
            .collect::<Vec<bool>>()
    };
    let first = shares();
    let second_pbx = first.iter().filter(|second| **second).count();
    assert!((120..=180).contains(&second_pbx), "three quarters of 200: {second_pbx}");
    assert_eq!(first, shares());
}

#[test]
fn f7_a_lone_target_sees_no_probe() {
    let mut world = World::new();
    world.advance(60 * SECOND);
    assert!(world.sent.is_empty());
    assert_eq!(world.engine.gauges().timers, 0);
}

#[test]
fn i3_a_silent_cancelled_branch_does_not_hold_up_the_487_and_its_late_200_is_ended() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.receive(CARRIER, cancel("one"));
    assert_eq!(world.statuses(), [100, 200, 487], "at once: nothing had come");
    world.reply(PHONE_1, &invite, 200, "late");
    let ended: Vec<Method> = world.taken(PHONE_1).iter().map(Message::method).collect();
    assert_eq!(ended, [Method::Ack, Method::Bye]);
    assert!(world.statuses().is_empty(), "no second final answer");
    assert_eq!(world.status_of("a1").2, "idle");
}

#[test]
fn i4_a_silent_cancelled_branch_gets_its_cancel_with_the_late_180() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.receive(CARRIER, cancel("one"));
    world.reply(PHONE_1, &invite, 180, "late");
    let cancel = world.one(PHONE_1);
    assert_eq!(cancel.method(), Method::Cancel);
    assert_eq!(world.statuses(), [100, 200, 487], "the late 180 went nowhere");
    world.reply(PHONE_1, &cancel, 200, "late");
    world.reply(PHONE_1, &invite, 487, "late");
    assert_eq!(world.one(PHONE_1).method(), Method::Ack);
    world.advance(64 * SECOND);
    assert_eq!(world.engine.gauges().client_transactions, 0);
    assert_eq!(world.engine.gauges().contexts, 0);
    assert_eq!(world.engine.gauges().timers, 0);
}

#[test]
fn i4_a_phone_that_dies_after_ringing_delays_the_refusal_two_seconds_at_most() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "dead");
    world.receive(CARRIER, cancel("one"));
    assert_eq!(world.statuses(), [100, 180, 200]);
    world.advance(2 * SECOND);
    assert_eq!(world.statuses(), [487]);
    world.advance(64 * SECOND);
    assert_eq!(world.engine.gauges().client_transactions, 0);
    assert_eq!(world.engine.gauges().contexts, 0);
}

#[test]
fn i16_failover_leaves_nothing_behind() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    world.advance(2 * SECOND);
    let first = world.taken(PBX).remove(0);
    let second = world.one(PBX_2);
    world.reply(PBX, &first, 200, "late");
    let bye = last_of(&mut world, PBX, Method::Bye);
    world.reply(PBX, &bye, 200, "late");
    world.reply(PBX_2, &second, 486, "busy");
    assert_eq!(world.statuses(), [100, 486]);
    world.advance(64 * SECOND);
    let gauges = world.engine.gauges();
    assert_eq!((gauges.calls, gauges.contexts, gauges.client_transactions, gauges.timers), (0, 0, 0, 0));
}

#[test]
fn failover_survives_being_written_out_and_read_back() {
    let mut world = two_pbxs();
    call(&mut world, "one");
    world.reborn_as(two_targets, |_| {});
    world.advance(2 * SECOND);
    assert_eq!(invites(world.taken(PBX_2)).len(), 1);
    let first = world.taken(PBX).remove(0);
    world.reborn_as(two_targets, |_| {});
    world.reply(PBX, &first, 200, "late");
    let methods: Vec<Method> = world.taken(PBX).iter().map(Message::method).collect();
    assert_eq!(methods, [Method::Ack, Method::Bye]);
}

#[test]
fn v10_timer_c_is_reset_by_180_and_not_by_100_and_then_cancels_the_branch() {
    let mut world = World::new();
    call(&mut world, "one");
    let invite = world.one(PBX);
    world.reply(PBX, &invite, 100, "");
    world.advance(100 * SECOND);
    world.reply(PBX, &invite, 180, "b");
    world.advance(100 * SECOND);
    world.reply(PBX, &invite, 100, "");
    world.advance(80 * SECOND);
    assert!(world.taken(PBX).is_empty(), "180 s after the last 180");
    world.advance(SECOND);
    let cancel = world.one(PBX);
    assert_eq!(cancel.method(), Method::Cancel);
    world.reply(PBX, &cancel, 200, "b");
    world.reply(PBX, &invite, 487, "b");
    assert_eq!(world.statuses(), [100, 180, 487]);
}

fn two_targets(settings: &mut Settings) {
    settings.routes = vec![
        RouteTarget { uri: format!("sip:{PBX}"), priority: 1, weight: 1 },
        RouteTarget { uri: format!("sip:{PBX_2}"), priority: 2, weight: 1 },
    ];
}

fn two_pbxs() -> World {
    World::with(two_targets, |_| {})
}

fn probed() -> World {
    let mut world = World::with(
        |settings| {
            two_targets(settings);
            settings.probe_interval = 5 * SECOND;
        },
        |_| {},
    );
    world.advance(Duration::ZERO);
    world
}

fn named(host: &str) -> World {
    World::with(|settings| settings.routes = vec![RouteTarget::only(format!("sip:{host}"))], |_| {})
}

fn weighted(targets: &[(&str, u16)]) -> Vec<RouteTarget> {
    targets
        .iter()
        .map(|(remote, weight)| RouteTarget { uri: format!("sip:{remote}"), priority: 1, weight: *weight })
        .collect()
}

/// A call to a number that is no line of ours: it takes the default route at once.
fn call(world: &mut World, id: &str) {
    let text = super::world::invite_text(id, "<sip:+819012345678@carrier.example>", "0399999999");
    world.receive(CARRIER, text);
}

fn cancel(id: &str) -> String {
    super::world::invite_text(id, "<sip:+819012345678@carrier.example>", super::world::LINE)
        .replace("INVITE", "CANCEL")
        .replace("Content-Length: 4\r\n\r\nv=0\n", "Content-Length: 0\r\n\r\n")
}

fn target(protocol: Protocol, remote: &str) -> Target {
    Target { protocol, remote: address(remote) }
}

/// The transport reports that the message to somebody could not be sent.
fn fail_sending(world: &mut World, to: &str) {
    let place = world.sent.iter().position(|datagram| datagram.remote == address(to)).expect("it was sent");
    let token = world.sent.remove(place).token.expect("a request");
    world.input(Input::SendFailed(token));
}

fn last_of(world: &mut World, to: &str, method: Method) -> Message {
    let messages = world.taken(to);
    messages
        .into_iter()
        .rev()
        .find(|message| message.status().is_none() && message.method() == method)
        .expect("it was sent")
}

/// The PBXs that are up answer their probes.
fn answer_probes(world: &mut World, up: &[&str]) {
    for pbx in [PBX, PBX_2] {
        for probe in world.taken(pbx) {
            if probe.status().is_none() && probe.method() == Method::Options && up.contains(&pbx) {
                world.reply(pbx, &probe, 200, "up");
            }
        }
    }
}
