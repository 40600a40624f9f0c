//! The look-up never holds a call up, and a restricted caller is never looked up.

use std::time::Duration;

use super::world::{CARRIER, LINE, PHONE_1, World, card, invite_text, invites};
use crate::customer::LookupFault;
use crate::engine::{Input, Request};
use crate::events::{EventBody, MatchLevel, PopDocument};
use crate::presence::{AgentId, CustomerId};

#[test]
fn the_call_waits_for_the_look_up_no_longer_than_its_deadline() {
    let mut world = World::new();
    world.invite("one");
    world.advance(Duration::from_millis(149));
    assert!(world.order.is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.order, ["pop.offered", &format!("INVITE {PHONE_1}")]);
    assert_eq!(pop(&world).sources.local, "timeout");
    assert_eq!(pop(&world).matched.level, MatchLevel::None);
}

#[test]
fn a_late_answer_enriches_the_card() {
    let mut world = World::new();
    world.invite("one");
    let token = world.lookups[0].0;
    world.advance(Duration::from_millis(150));
    world.happened();
    world.input(Input::LookedUp(token, Ok(vec![card("cu-1", Some("a2"))])));
    assert_eq!(world.happened(), ["pop.enriched match assignee sources"]);
}

#[test]
fn a_database_that_is_down_changes_nothing_for_the_call() {
    let mut world = World::new();
    world.invite("one");
    world.answer_lookup(Err(LookupFault::Down));
    assert_eq!(invites(world.taken(PHONE_1)).len(), 1);
    assert_eq!(pop(&world).sources.local, "down");
    assert_eq!(pop(&world).caller.national.as_deref(), Some("090-1234-5678"), "the number is still shown");
}

#[test]
fn a_restricted_caller_is_never_looked_up_or_shown() {
    for (from, label) in [
        ("\"Anonymous\" <sip:anonymous@anonymous.invalid>", "非通知"),
        ("\"Coin line/payphone\" <sip:anonymous@anonymous.invalid>", "公衆電話"),
        ("\"Unavailable\" <sip:anonymous@anonymous.invalid>", "表示圏外"),
        ("\"Interaction with other service\" <sip:anonymous@anonymous.invalid>", "通知不可"),
    ] {
        let mut world = World::new();
        let text = invite_text("one", from, LINE).replace(
            "Max-Forwards",
            "Privacy: id\r\nP-Asserted-Identity: <sip:+819012345678@carrier.example>\r\nMax-Forwards",
        );
        world.receive(CARRIER, text);
        assert!(world.lookups.is_empty(), "{from}");
        let pop = pop(&world);
        assert_eq!(pop.caller.label_ja.as_deref(), Some(label));
        assert_eq!((&pop.caller.e164, &pop.caller.national, pop.matched.count), (&None, &None, 0));
        let wire = serde_json::to_string(&*pop).unwrap();
        assert!(!wire.contains("9012345678") && !wire.contains("1234-5678\",\"kind"), "{wire}");
    }
}

#[test]
fn several_customers_are_a_choice_and_nothing_private_is_shown_before() {
    let mut world = World::new();
    world.invite("one");
    let mut other = card("cu-2", None);
    other.contacts.push(crate::customer::Contact {
        at: world.now.wall,
        by: "佐藤".to_owned(),
        direction: crate::customer::Direction::In,
        channel: None,
        summary: "秘密".to_owned(),
        disposition: None,
    });
    world.answer_lookup(Ok(vec![card("cu-1", None), other]));
    let offered = pop(&world);
    assert_eq!(offered.matched.level, MatchLevel::Several);
    assert_eq!(offered.matched.customer, None);
    assert!(!serde_json::to_string(&*offered).unwrap().contains("秘密"));
    let call = world.events.iter().find_map(|event| event.call.clone()).unwrap();
    world.happened();
    let chosen = Request::ChooseCustomer {
        agent: AgentId::new("a1"),
        call,
        rev: 1,
        customer: CustomerId::new("cu-2"),
    };
    world.ask(chosen).unwrap();
    assert_eq!(world.happened(), ["match.chosen cu-2", "pop.updated match contacts"]);
}

fn pop(world: &World) -> std::sync::Arc<PopDocument> {
    world
        .events
        .iter()
        .find_map(|event| {
            let EventBody::PopOffered { pop, .. } = &event.body else { return None };
            Some(std::sync::Arc::clone(pop))
        })
        .expect("a pop was offered")
}
