//! Streams: what arrives, in what order, again after a break, and for whom.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, SOON, audience, event, offered};
use crate::api::testing::{AGENT, Edge, OTHER, Report, SUPERVISOR, directory, presence_of};
use crate::desk::DeskSettings;
use crate::events::{Audience, EventBody, WithdrawCause};
use crate::presence::{AgentId, AgentStatus, OfferId, SetBy, StaleCause};

#[tokio::test]
async fn an_offer_arrives_and_is_reported_once_it_has_been_written() {
    let mut edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    let (mut other_tab, _, _) = Client::join(&edge, AGENT, json!({})).await;
    assert_eq!(report(&mut edge).await, Report::Screens(AgentId::new("a102"), true));

    edge.desk.publish(offered("a102", "o-7"));

    let (here, there) = (client.event().await, other_tab.event().await);
    assert_eq!(here["type"], "pop.offered");
    assert_eq!(here["ack"], "render");
    assert_eq!(here, there, "every tab gets the same id and number");
    assert_eq!(report(&mut edge).await, Report::Announced(OfferId::new("o-7")));
    client.close().await;
    other_tab.close().await;
    assert_eq!(report(&mut edge).await, Report::Screens(AgentId::new("a102"), false), "and nothing twice");
}

#[tokio::test]
async fn an_offer_to_nobody_is_reported_at_once() {
    let mut edge = Edge::start().await;
    edge.desk.publish(offered("a102", "o-7"));
    assert_eq!(report(&mut edge).await, Report::Announced(OfferId::new("o-7")));
}

#[tokio::test]
async fn f6_who_comes_back_gets_what_was_missed_and_nothing_twice() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    edge.desk.publish(offered("a102", "o-1"));
    let seen = client.event().await;
    client.close().await;
    edge.desk.publish(event("a102", EventBody::PopTaken { by: AgentId::new("a102") }));
    let position = json!({"stream": "agent:a102", "epoch": seen["epoch"], "seq": seen["seq"]});

    let (_back, welcome, frames) = Client::join(&edge, AGENT, json!({"resume": [position]})).await;

    assert_eq!(welcome["streams"][0]["resumed"], true);
    assert_eq!(types(&frames), ["pop.taken", "sync.done"]);
    assert_eq!((&frames[0]["seq"], &frames[0]["replay"]), (&json!(2), &json!(true)));
    assert_eq!(frames[1]["seq"], 2);
}

#[tokio::test]
async fn n60_a_stream_of_somebody_else_is_closed_and_none_of_its_events_arrive() {
    let edge = Edge::start().await;
    edge.desk.publish(offered("a117", "o-1"));
    let foreign = ["agent:a117", "admin"].map(|stream| json!({"stream": stream, "epoch": "x", "seq": 0}));
    let (mut client, welcome, frames) = Client::join(&edge, AGENT, json!({"resume": foreign})).await;
    assert_eq!(welcome["streams"].as_array().unwrap().len(), 1);
    assert_eq!(types(&frames), ["snapshot", "sync.done"]);
    for stream in ["agent:a117", "admin"] {
        let closed = client.event().await;
        assert_eq!((&closed["type"], &closed["stream"]), (&json!("stream.closed"), &json!(stream)));
        assert!(closed.get("seq").is_none());
    }

    edge.desk.publish(event("a117", EventBody::CallRinging));
    edge.desk.publish(event("a102", EventBody::PopClosed));
    assert_eq!(client.event().await["type"], "pop.closed");
}

#[tokio::test]
async fn a_shared_event_reaches_agent_and_team_each_with_its_own_number() {
    let edge = Edge::start().await;
    let mut agent = Client::agent(&edge).await;
    let (mut supervisor, _, _) = Client::join(&edge, SUPERVISOR, json!({})).await;
    let document = presence_of("a102", &AgentStatus::Available, SetBy::Manual);
    let mut shared = event("a102", EventBody::PresenceChanged(document));
    shared.audience.push(Audience::Team("t1".into()));

    edge.desk.publish(shared);

    let (own, team) = (agent.event().await, supervisor.event().await);
    assert_eq!((&own["stream"], &team["stream"]), (&json!("agent:a102"), &json!("team:t1")));
    assert_eq!((&own["seq"], &team["seq"]), (&json!(1), &json!(1)));
    assert_eq!(own["id"], team["id"]);
}

#[tokio::test]
async fn the_lead_moves_by_wish_and_when_it_goes() {
    let edge = Edge::start().await;
    let (mut first, welcome, _) = Client::join(&edge, AGENT, json!({"tab": "t-1"})).await;
    assert_eq!(welcome["lead"], true);
    let (mut second, welcome, _) = Client::join(&edge, AGENT, json!({"tab": "t-2"})).await;
    assert_eq!(welcome["lead"], false);

    second.send(json!({"v": 1, "kind": "command", "type": "lead.take", "id": "1", "data": {}})).await;
    let lost = first.event().await;
    assert_eq!((&lost["type"], &lost["data"]["lead"]), (&json!("lead.changed"), &json!(false)));
    assert!(lost.get("seq").is_none() && lost.get("stream").is_none());
    let mut got = [second.event().await, second.event().await];
    got.sort_by_key(|frame| frame["kind"].as_str().unwrap().to_owned());
    assert_eq!((&got[0]["type"], &got[0]["data"]["lead"]), (&json!("lead.changed"), &json!(true)));
    assert_eq!(got[1]["ok"], true);

    second.close().await;
    let back = first.event().await;
    assert_eq!((&back["type"], &back["data"]["lead"]), (&json!("lead.changed"), &json!(true)));
}

#[tokio::test]
async fn rights_are_those_of_now_on_an_open_socket() {
    let edge = Edge::start().await;
    let (mut supervisor, _, _) = Client::join(&edge, SUPERVISOR, json!({})).await;
    let mut changed = directory();
    changed.agents.get_mut(&AgentId::new("a200")).unwrap().groups = vec!["t2".into(), "t3".into()];
    edge.directory.send(Arc::new(changed)).unwrap();

    let closed = supervisor.event().await;
    assert_eq!((&closed["type"], &closed["stream"]), (&json!("stream.closed"), &json!("team:t1")));
    let new = [supervisor.event().await, supervisor.event().await];
    assert_eq!(types(&new), ["snapshot", "sync.done"]);
    assert_eq!(new[0]["stream"], "team:t3");
}

#[tokio::test]
async fn when_events_were_lost_the_stream_starts_anew_with_a_snapshot() {
    let edge = Edge::with(DeskSettings { events_queue: 2, ..DeskSettings::default() }).await;
    let mut client = Client::agent(&edge).await;
    // Nothing else runs between these: the queue is full after two.
    edge.desk.publish(offered("a102", "o-1"));
    edge.desk.publish(event("a102", EventBody::CallRinging));
    assert!(!edge.desk.publish(event("a102", EventBody::PopWithdrawn { cause: WithdrawCause::Timeout })));

    let frames = [client.event().await, client.event().await, client.event().await, client.event().await];

    assert_eq!(types(&frames), ["pop.offered", "call.ringing", "snapshot", "sync.done"]);
    assert_ne!(frames[0]["epoch"], frames[2]["epoch"]);
    assert_eq!(frames[2]["data"]["pops"], json!([]), "a card that may be over is not shown");
    assert_eq!(frames[2]["seq"], 0);
    edge.desk.publish(event("a102", EventBody::PopClosed));
    assert_eq!(client.event().await["seq"], 1);
}

#[tokio::test]
async fn an_offer_that_nobody_painted_is_sent_again_to_the_other_tab() {
    let settings = DeskSettings { render_within: Duration::from_millis(50), ..DeskSettings::default() };
    let edge = Edge::with(settings).await;
    let mut lead = Client::agent(&edge).await;
    let (mut other, _, _) = Client::join(&edge, AGENT, json!({})).await;

    edge.desk.publish(offered("a102", "o-1"));
    let first = other.event().await;
    let again = other.event().await;
    assert_eq!((&again["id"], &again["seq"], &again["replay"]), (&first["id"], &first["seq"], &json!(true)));

    // One that is painted is not.
    assert_eq!(lead.event().await["id"], first["id"]);
    edge.desk.publish(offered("a102", "o-2"));
    let painted = lead.event().await;
    lead.send(json!({"v": 1, "kind": "ack", "replies_to": [painted["id"]], "data": {"seq": painted["seq"]}}))
        .await;
    edge.desk.publish(offered("a102", "o-3"));
    let (second, third, again) = (other.event().await, other.event().await, other.event().await);
    assert_eq!(second["id"], painted["id"]);
    assert_eq!(third["id"], again["id"], "the third is sent again, and the second was not before it");
}

#[tokio::test]
async fn who_promised_to_paint_and_did_not_is_reported_with_the_offer_and_a_late_word_ends_it() {
    let settings = DeskSettings { render_within: Duration::from_millis(50), ..DeskSettings::default() };
    let mut edge = Edge::with(settings).await;
    let (mut client, _, _) = Client::join(&edge, AGENT, json!({"features": ["render-ack"]})).await;
    assert_eq!(report(&mut edge).await, Report::Screens(AgentId::new("a102"), true));
    edge.desk.publish(offered("a102", "o-1"));
    let pop = client.event().await;
    assert_eq!(report(&mut edge).await, Report::Announced(OfferId::new("o-1")));
    let stale = Report::Stale(AgentId::new("a102"), StaleCause::Render, Some(OfferId::new("o-1")));
    assert_eq!(report(&mut edge).await, stale);
    // The offer is over; the word that it was painted still shows that the screen works.
    edge.desk.publish(event("a102", EventBody::PopWithdrawn { cause: WithdrawCause::Rerouted }));
    assert_eq!(client.event().await["type"], "pop.withdrawn");
    client.send(json!({"v": 1, "kind": "ack", "replies_to": ["01JDSOMETHINGELSE"], "data": {}})).await;
    client.send(json!({"v": 1, "kind": "ack", "replies_to": [pop["id"]], "data": {}})).await;
    assert_eq!(report(&mut edge).await, Report::Fresh(AgentId::new("a102")));
}

#[tokio::test]
async fn a_key_on_the_card_says_as_much_as_an_acknowledgement_and_a_second_tab_ends_it_too() {
    let settings = DeskSettings { render_within: Duration::from_millis(50), ..DeskSettings::default() };
    let mut edge = Edge::with(settings).await;
    let (mut client, _, _) = Client::join(&edge, AGENT, json!({"features": ["render-ack"]})).await;
    report(&mut edge).await;
    edge.desk.publish(offered("a102", "o-1"));
    client.event().await;
    client.about_call("pop.claim", "01JD", json!({})).await;
    edge.desk.publish(event("a102", EventBody::PopClosed));
    edge.desk.publish(offered("a102", "o-2"));
    let reports = [report(&mut edge).await, report(&mut edge).await, report(&mut edge).await];
    let stale = Report::Stale(AgentId::new("a102"), StaleCause::Render, Some(OfferId::new("o-2")));
    let announced = |offer: &str| Report::Announced(OfferId::new(offer));
    assert_eq!(reports, [announced("o-1"), announced("o-2"), stale], "nothing of the first");
    let (_second, _, _) = Client::join(&edge, AGENT, json!({})).await;
    assert_eq!(report(&mut edge).await, Report::Fresh(AgentId::new("a102")));
}

#[tokio::test]
async fn who_promised_nothing_is_not_reported() {
    let settings = DeskSettings { render_within: Duration::from_millis(50), ..DeskSettings::default() };
    let mut edge = Edge::with(settings).await;
    let (mut plain, _, _) = Client::join(&edge, AGENT, json!({})).await;
    let (_promised, _, _) = Client::join(&edge, OTHER, json!({"features": ["render-ack"]})).await;
    report(&mut edge).await;
    report(&mut edge).await;
    edge.desk.publish(offered("a102", "o-1"));
    assert_eq!(plain.event().await["type"], "pop.offered");
    assert_eq!(report(&mut edge).await, Report::Announced(OfferId::new("o-1")));
    // The other's card comes later, so that the first had its time.
    edge.desk.publish(offered("a117", "o-2"));
    assert_eq!(report(&mut edge).await, Report::Announced(OfferId::new("o-2")));
    let stale = Report::Stale(AgentId::new("a117"), StaleCause::Render, Some(OfferId::new("o-2")));
    assert_eq!(report(&mut edge).await, stale);
}

#[tokio::test]
async fn two_agents_do_not_hear_each_other() {
    let edge = Edge::start().await;
    let mut mine = Client::agent(&edge).await;
    let (mut theirs, _, _) = Client::join(&edge, OTHER, json!({})).await;
    let both = [offered("a102", "o-1"), offered("a117", "o-2")];
    both.into_iter().for_each(|event| assert!(edge.desk.publish(event)));

    assert_eq!(mine.event().await["stream"], "agent:a102");
    assert_eq!(theirs.event().await["stream"], "agent:a117");
    let mut last = event("a102", EventBody::PopClosed);
    last.audience.extend(audience("a117"));
    edge.desk.publish(last);
    assert_eq!(mine.event().await["type"], "pop.closed");
    assert_eq!(theirs.event().await["type"], "pop.closed");
}

async fn report(edge: &mut Edge) -> Report {
    tokio::time::timeout(SOON, edge.reports.recv())
        .await
        .expect("a report comes soon")
        .expect("the engine lives")
}

fn types(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}
