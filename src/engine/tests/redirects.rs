//! 3xx under a policy, and what the caller asks of the proxy.

use std::time::Duration;

use super::world::{
    CARRIER, ELSEWHERE, PBX, PHONE_1, PHONE_2, World, invite_text, invites, outside, with, within_dialog,
};
use crate::engine::Settings;
use crate::message::{Header, Message, Method, response};

const OTHER: &str = "192.0.2.40:5060";
const PREMIUM: &str = "<sip:0990123456@192.0.2.20>";

#[test]
fn r8_without_the_policy_a_3xx_goes_to_the_caller() {
    let mut world = World::new();
    let invite = to_the_pbx(&mut world);
    redirect(&mut world, PBX, &invite, &["<sip:9@192.0.2.20>"]);
    let answer = world.taken(CARRIER).pop().unwrap();
    assert_eq!(
        (answer.status(), answer.header(Header::Contact)),
        (Some(302), Some(&b"<sip:9@192.0.2.20>"[..]))
    );
    assert!(invites(world.taken(PBX)).is_empty());
}

#[test]
fn r8_without_the_policy_an_agents_3xx_sends_the_call_to_the_next_agent() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    redirect(&mut world, PHONE_1, &invite, &["<sip:9@192.0.2.20>"]);
    assert!(world.taken(PBX).is_empty());
    assert_eq!(invites(world.taken(PHONE_2)).len(), 1);
}

#[test]
fn r8_a_followed_3xx_tries_its_contacts_in_order_and_the_best_answer_goes_up() {
    let mut world = World::with(following, |_| {});
    let invite = to_the_pbx(&mut world);
    let less = "<sip:less@192.0.2.20>;q=0.2";
    redirect(&mut world, PBX, &invite, &[less, "<sip:more@192.0.2.40?Subject=x>;q=0.9"]);
    assert_eq!(world.statuses(), [100], "the 302 is not the caller's business any more");
    let more = world.one(OTHER);
    assert_eq!(more.request_uri(), b"sip:more@192.0.2.40", "what stands behind ? never becomes a header");
    assert_eq!(more.header(Header::Subject), None);
    world.reply(OTHER, &more, 486, "more");
    let less = invites(world.taken(PBX)).remove(0);
    assert_eq!(less.request_uri(), b"sip:less@192.0.2.20");
    world.reply(PBX, &less, 404, "less");
    assert_eq!(world.statuses(), [486], "the first of the lowest class, and not the 302");
}

/// R4 over branches of one request: a branch that never answered ends as our own 408, and a received 4xx is
/// preferred to it.
#[test]
fn r4_a_received_4xx_is_preferred_to_a_408_of_our_own() {
    let mut world = World::with(following, |_| {});
    let invite = to_the_pbx(&mut world);
    redirect(&mut world, PBX, &invite, &["<sip:silent@192.0.2.40>;q=0.9", "<sip:less@192.0.2.20>;q=0.2"]);
    assert_eq!(invites(world.taken(OTHER)).len(), 1);
    world.statuses();
    world.advance(Duration::from_secs(4));
    let less = invites(world.taken(PBX)).remove(0);
    world.reply(PBX, &less, 480, "less");
    assert_eq!(world.statuses().first(), Some(&480));
}

#[test]
fn r8_no_uri_is_tried_twice() {
    let mut world = World::with(following, |_| {});
    let invite = to_the_pbx(&mut world);
    redirect(
        &mut world,
        PBX,
        &invite,
        &["<sip:a@192.0.2.40>", "<sip:a@192.0.2.40:5060>", "<sip:b@192.0.2.40>"],
    );
    let first = world.one(OTHER);
    redirect(&mut world, OTHER, &first, &["<sip:a@192.0.2.40>", "<sip:b@192.0.2.40>"]);
    let mut tried = vec![first.request_uri().to_vec()];
    while let Some(next) = invites(world.taken(OTHER)).pop() {
        tried.push(next.request_uri().to_vec());
        redirect(&mut world, OTHER, &next, &["<sip:a@192.0.2.40>", "<sip:b@192.0.2.40>"]);
    }
    let distinct: std::collections::BTreeSet<_> = tried.iter().collect();
    assert_eq!(distinct.len(), tried.len(), "{tried:?}");
    assert!(tried.contains(&b"sip:b@192.0.2.40".to_vec()));
    assert!(
        world.statuses().last().is_some_and(|status| *status >= 300),
        "and then the caller has an answer"
    );
}

#[test]
fn r8_a_chain_of_redirections_ends() {
    let mut world = World::with(following, |_| {});
    let mut invite = to_the_pbx(&mut world);
    let mut hops = 0;
    let mut from = PBX;
    loop {
        redirect(&mut world, from, &invite, &[&format!("<sip:hop{hops}@192.0.2.40>")]);
        let Some(next) = invites(world.taken(OTHER)).pop() else { break };
        (invite, from, hops) = (next, OTHER, hops + 1);
        assert!(hops < 20, "a chain without end");
    }
    assert_eq!(hops, 8);
    assert_eq!(world.statuses().last(), Some(&302));
}

#[test]
fn r8_an_agents_phone_may_name_another_phone_and_the_offer_goes_on() {
    let mut world = World::with(following, |_| {});
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.happened();
    redirect(&mut world, PHONE_1, &invite, &["<sip:mobile@192.0.2.40>"]);
    assert!(world.happened().is_empty(), "the offer stands");
    let other = world.one(OTHER);
    world.reply(OTHER, &other, 200, "mobile");
    assert_eq!(world.statuses(), [100, 200]);
    assert_eq!(world.status_of("a1").2, "on_call");
}

#[test]
fn n22_a_3xx_never_leads_outside_or_to_a_number_that_costs() {
    for contact in [
        "<sip:a@198.51.100.9>",
        "<sip:a@evil.example>",
        "<tel:+81990123456>",
        PREMIUM,
        "<sip:0312345678@192.0.2.1>",
        "<sip:+4930123456@192.0.2.20>",
        "<sip:a@192.0.2.20;method=REFER>",
        "rubbish",
    ] {
        let mut world = World::with(following, |_| {});
        world.invite_unknown("one");
        let invite = world.one(PHONE_1);
        redirect(&mut world, PHONE_1, &invite, &[contact]);
        assert_eq!(invites(world.taken(PHONE_2)).len(), 1, "{contact}: the next agent");
        let elsewhere: Vec<_> = world.sent.iter().map(|sent| sent.remote.to_string()).collect();
        assert!(elsewhere.iter().all(|to| to == CARRIER || to == PHONE_1), "{contact}: {elsewhere:?}");
    }
}

/// RFC 3841 §9.1: `no-recurse` keeps a 3xx from being followed.
#[test]
fn d6_no_recurse_hands_the_3xx_to_the_caller() {
    let mut world = World::with(following, |_| {});
    world.receive(
        CARRIER,
        with(&invite_text("one", CALLER, ELSEWHERE), "Request-Disposition: proxy, No-Recurse\r\n"),
    );
    let invite = world.one(PBX);
    redirect(&mut world, PBX, &invite, &["<sip:more@192.0.2.40>"]);
    assert_eq!(world.statuses(), [100, 302]);
    assert!(world.taken(OTHER).is_empty());
}

#[test]
fn d6_no_fork_asks_one_target_and_its_answer_is_the_calls() {
    for short in ["Request-Disposition: no-fork\r\n", "d: no-fork, no-queue\r\n"] {
        let mut world = World::new();
        world.receive(CARRIER, with(&invite_text("one", CALLER, super::world::LINE), short));
        world.answer_lookup(Ok(Vec::new()));
        let invite = world.one(PHONE_1);
        world.reply(PHONE_1, &invite, 486, "busy");
        assert_eq!(world.statuses(), [100, 486], "{short}");
        assert!(world.taken(PHONE_2).is_empty() && world.taken(PBX).is_empty());
        assert_eq!(world.records.len(), 1);
    }
}

#[test]
fn d6_no_fork_and_no_answer_is_480() {
    let mut world = World::new();
    let text = with(&invite_text("one", CALLER, super::world::LINE), "Request-Disposition: no-fork\r\n");
    world.receive(CARRIER, text);
    world.answer_lookup(Ok(Vec::new()));
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 180, "one");
    world.advance(Duration::from_secs(10));
    assert_eq!(world.one(PHONE_1).method(), Method::Cancel);
    world.reply(PHONE_1, &invite, 487, "one");
    let statuses = world.statuses();
    assert!(statuses.starts_with(&[100, 180, 480]) && !statuses.contains(&487), "{statuses:?}");
}

/// RFC 5393 §5.3: what came is shared among the branches that have no final response.
#[test]
fn v6_max_breadth_is_added_and_shared_among_branches() {
    let mut world = World::new();
    world.invite_unknown("one");
    let first = world.one(PHONE_1);
    assert_eq!(breadth(&first), 30, "of the 60 that a request without one gets");
    world.reply(PHONE_1, &first, 180, "one");
    world.advance(Duration::from_secs(10));
    let second = invites(world.taken(PHONE_2)).remove(0);
    assert_eq!(breadth(&second), 15, "the first has not answered its CANCEL");
    world.reply(PHONE_1, &first, 487, "one");
    world.reply(PHONE_2, &second, 486, "two");
    assert_eq!(breadth(&invites(world.taken(PBX)).remove(0)), 60, "the last one gets all there is");
}

#[test]
fn v6_max_breadth_of_a_request_that_is_not_forked_stays() {
    let mut world = World::new();
    world.receive(CARRIER, with(&outside("MESSAGE", "sip:somebody@192.0.2.1", ""), "max-breadth: 7\r\n"));
    assert_eq!(breadth(&world.one(PBX)), 7);
}

#[test]
fn v6_without_breadth_left_the_answer_is_440() {
    for (text, line) in
        [(invite_text("one", CALLER, ELSEWHERE), false), (invite_text("two", CALLER, "0312345678"), true)]
    {
        let mut world = World::new();
        world.receive(CARRIER, with(&text, "Max-Breadth: 0\r\n"));
        if line {
            world.answer_lookup(Ok(Vec::new()));
        }
        assert_eq!(world.statuses(), [100, 440]);
        assert!(world.sent.is_empty());
        assert_eq!(world.status_of("a1").2, "idle");
    }
}

/// A breadth of one is no reason to lose the call: the next agent rings when the one before has answered its
/// CANCEL.
#[test]
fn v6_with_a_breadth_of_one_the_agents_are_asked_one_after_another() {
    let mut world = World::new();
    world.receive(CARRIER, with(&invite_text("one", CALLER, super::world::LINE), "Max-Breadth: 1\r\n"));
    world.answer_lookup(Ok(Vec::new()));
    let first = world.one(PHONE_1);
    assert_eq!(breadth(&first), 1);
    world.reply(PHONE_1, &first, 180, "one");
    world.advance(Duration::from_secs(10));
    assert!(invites(world.taken(PHONE_2)).is_empty(), "the first has not answered its CANCEL");
    assert_eq!(world.statuses(), [100, 180]);
    world.reply(PHONE_1, &first, 487, "one");
    let second = invites(world.taken(PHONE_2)).remove(0);
    assert_eq!(breadth(&second), 1);
    world.reply(PHONE_2, &second, 200, "two");
    assert_eq!(world.statuses(), [200]);
}

/// D3, N16: a trunk may not transfer, and names no call of others.
#[test]
fn d3_a_trunk_may_not_transfer() {
    let mut world = World::new();
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world
        .receive(CARRIER, with(&within_dialog("REFER", 2, &ok), "Refer-To: <sip:0990123456@192.0.2.20>\r\n"));
    assert_eq!(world.statuses(), [403]);
    world.receive(CARRIER, outside("REFER", "sip:a1@192.0.2.1", ""));
    assert_eq!(world.statuses(), [403]);
    for (index, header) in [
        "Replaces: one;to-tag=phone;from-tag=caller",
        "Join: one;to-tag=phone;from-tag=caller",
        "Target-Dialog: one;local-tag=phone;remote-tag=caller",
    ]
    .iter()
    .enumerate()
    {
        let text = invite_text(&format!("taker{index}"), CALLER, ELSEWHERE);
        world.receive(CARRIER, with(&text, &format!("{header}\r\n")));
        assert_eq!(world.statuses(), [100, 403], "{header}");
    }
    assert!(world.sent.is_empty());
    assert!(world.records.is_empty(), "the call stays up");
    assert_eq!(world.engine.counters().transfers_refused, 5);
}

#[test]
fn d3_an_agents_phone_and_a_peer_that_may_transfer() {
    let mut world = World::with(|settings| settings.peers[0].transfers = true, |_| {});
    world.invite_unknown("one");
    let invite = world.one(PHONE_1);
    world.reply(PHONE_1, &invite, 200, "phone");
    let ok = world.taken(CARRIER).pop().unwrap();
    world.receive(CARRIER, within_dialog("REFER", 2, &ok));
    assert_eq!(world.one(PHONE_1).method(), Method::Refer);
    world.receive(PHONE_1, super::world::swapped(&within_dialog("REFER", 1, &ok)));
    assert_eq!(world.one(CARRIER).method(), Method::Refer, "a phone of an agent, whose peer may not");
    world.receive(
        CARRIER,
        with(&invite_text("two", CALLER, ELSEWHERE), "Replaces: x;to-tag=a;from-tag=b\r\n"),
    );
    assert_eq!(world.one(PBX).header(Header::Replaces), Some(&b"x;to-tag=a;from-tag=b"[..]));
}

fn following(settings: &mut Settings) {
    settings.redirects = Some(vec!["192.0.2.40".to_owned()]);
}

fn to_the_pbx(world: &mut World) -> Message {
    world.receive(CARRIER, invite_text("one", CALLER, ELSEWHERE));
    world.one(PBX)
}

#[track_caller]
fn redirect(world: &mut World, from: &str, invite: &Message, contacts: &[&str]) {
    let headers: Vec<(&str, &[u8])> =
        contacts.iter().map(|contact| ("Contact", contact.as_bytes())).collect();
    world.receive(from, response(invite, 302, None, Some("moved"), &headers));
    let acks = world.taken(from);
    assert_eq!(acks[0].method(), Method::Ack);
    // What else went there is put back.
    let rest = acks.into_iter().skip(1).map(|message| super::world::datagram(from, &message));
    world.sent.extend(rest.collect::<Vec<_>>());
}

fn breadth(message: &Message) -> u32 {
    let value = message.header(Header::MaxBreadth).unwrap_or_default();
    String::from_utf8_lossy(value).parse().unwrap()
}

const CALLER: &str = "<sip:+819012345678@carrier.example>";
