//! Every close code, provoked.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Client, SOON, event, offered, pop};
use crate::api::testing::{AGENT, Edge, OTHER, Report};
use crate::desk::DeskSettings;
use crate::events::EventBody;
use crate::presence::{AgentId, StaleCause};
use crate::storage::UserRole;

#[tokio::test]
async fn no_hello_in_time_is_4408() {
    let hello_within = Duration::from_millis(50);
    let edge = Edge::with(DeskSettings { hello_within, ..DeskSettings::default() }).await;
    assert_eq!(Client::connect(&edge, AGENT).await.close_code().await, 4408);
}

#[tokio::test]
async fn what_is_no_frame_is_4400() {
    let edge = Edge::start().await;
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    for text in [
        "",
        "null",
        "[]",
        "{",
        r#"{"v":1}"#,
        r#"{"v":1,"kind":"shout"}"#,
        r#"{"v":1,"kind":"event","type":"pop.offered"}"#,
        r#"{"v":1,"kind":"hello","data":{}}"#,
        r#"{"v":1,"kind":"command","type":"pop.take"}"#,
        r#"{"v":1,"kind":"command","id":"1"}"#,
        r#"{"v":1,"kind":"pong","kind":"pong"}"#,
        r#"{"v":1,"kind":"pong","data":1e400}"#,
        r#"{"v":1,"kind":"pong","data":"\ud800"}"#,
        &format!(r#"{{"v":1,"kind":"pong","data":{deep}}}"#),
    ] {
        let mut client = Client::agent(&edge).await;
        client.text(text).await;
        assert_eq!(client.close_code().await, 4400, "{text}");
    }
    let mut binary = Client::agent(&edge).await;
    binary.message(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(binary.close_code().await, 4400);
}

#[tokio::test]
async fn a_command_before_hello_is_4400_and_another_version_is_4406() {
    let edge = Edge::start().await;
    let mut early = Client::connect(&edge, AGENT).await;
    early.send(json!({"v": 1, "kind": "command", "type": "lead.take", "id": "1"})).await;
    assert_eq!(early.close_code().await, 4400);

    let mut newer = Client::connect(&edge, AGENT).await;
    newer.send(json!({"v": 2, "kind": "hello", "data": {}})).await;
    assert_eq!(newer.close_code().await, 4406);
}

#[tokio::test]
async fn n64_too_large_is_4413_before_and_after_log_in() {
    let edge = Edge::start().await;
    let mut hello = Client::connect(&edge, AGENT).await;
    hello.say("hello", json!({"client": "x".repeat(4_100)})).await;
    assert_eq!(hello.close_code().await, 4413);

    for size in [16 * 1024, 1024 * 1024] {
        let mut client = Client::agent(&edge).await;
        client.say("pong", json!({"n": "x".repeat(size)})).await;
        assert_eq!(client.close_code().await, 4413, "{size}");
    }
}

#[tokio::test]
async fn n64_more_than_twenty_commands_a_second_are_4429() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    for number in 0..40 {
        let id = format!("01JD{number}");
        client.send(json!({"v": 1, "kind": "command", "type": "lead.take", "id": id, "data": {}})).await;
    }
    assert_eq!(client.close_code().await, 4429);

    let mut pinging = Client::agent(&edge).await;
    for _ in 0..300 {
        pinging.message(Message::Ping(Vec::new().into())).await;
    }
    assert_eq!(pinging.close_code().await, 4429);
}

#[tokio::test]
async fn n64_the_seventh_socket_of_an_agent_is_4429_and_others_are_not_held_up() {
    let edge = Edge::start().await;
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(Client::agent(&edge).await);
    }
    let mut seventh = Client::connect(&edge, AGENT).await;
    seventh.say("hello", json!({})).await;
    assert_eq!(seventh.close_code().await, 4429);
    assert_eq!(Client::join(&edge, OTHER, json!({})).await.1["agent"], "a117");
}

#[tokio::test]
async fn two_missed_pongs_are_4410_and_an_answering_client_stays() {
    let settings = DeskSettings {
        ping_every: Duration::from_millis(60),
        pong_within: Duration::from_millis(30),
        ..DeskSettings::default()
    };
    let edge = Edge::with(settings).await;
    let mut silent = Client::agent(&edge).await;
    assert_eq!(silent.close_code().await, 4410);

    let mut answering = Client::agent(&edge).await;
    for _ in 0..6 {
        let ping = answering.until("ping").await;
        assert!(ping["data"]["server_time"].is_string());
        answering.say("pong", ping["data"].clone()).await;
    }
}

#[tokio::test]
async fn an_agent_whose_only_screen_misses_two_pongs_is_reported_and_comes_back_with_a_hello() {
    let settings = DeskSettings {
        ping_every: Duration::from_millis(60),
        pong_within: Duration::from_millis(30),
        ..DeskSettings::default()
    };
    let mut edge = Edge::with(settings).await;
    let mut silent = Client::agent(&edge).await;
    assert_eq!(silent.close_code().await, 4410);
    let agent = || AgentId::new("a102");
    let (mut back, _, _) = Client::join(&edge, AGENT, json!({})).await;
    let mut said = Vec::new();
    while said.len() < 5 {
        said.push(edge.reports.recv().await.unwrap());
    }
    assert_eq!(
        said,
        [
            Report::Screens(agent(), true),
            Report::Stale(agent(), StaleCause::HeartBeat, None),
            Report::Screens(agent(), false),
            Report::Screens(agent(), true),
            Report::Fresh(agent()),
        ]
    );
    let ping = back.until("ping").await;
    back.say("pong", ping["data"].clone()).await;
}

#[tokio::test]
async fn n59_logging_out_closes_the_sockets_of_the_session_with_4401_within_a_second() {
    let edge = Edge::start().await;
    let mut mine = Client::agent(&edge).await;
    let (mut theirs, _, _) = Client::join(&edge, OTHER, json!({})).await;

    let begun = Instant::now();
    assert_eq!(edge.as_user(AGENT, "DELETE", "/api/v1/sessions/current", "").await.status, 204);
    assert_eq!(mine.close_code().await, 4401);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

    assert_eq!(theirs.command("lead.take", "01JD", json!({})).await["ok"], true);
}

#[tokio::test]
async fn a_session_that_ends_is_announced_and_then_closed_with_4401() {
    let edge = Edge::start().await;
    let token = "short-short-short-short-short-short-short-s";
    edge.store.add_session(token, "short", UserRole::Agent, Some("a102"), 1);
    let (mut client, _, _) = Client::join(&edge, token, json!({})).await;

    let warning = client.event().await;
    assert_eq!(warning["type"], "auth.expiring");
    assert!(warning["data"]["expires"].is_string());
    assert_eq!(client.close_code().await, 4401);
}

#[tokio::test]
async fn a_renewed_session_goes_on() {
    let edge = Edge::start().await;
    let token = "short-short-short-short-short-short-short-s";
    edge.store.add_session(token, "short", UserRole::Agent, Some("a102"), 2);
    let (mut client, _, _) = Client::join(&edge, token, json!({})).await;
    assert_eq!(client.event().await["type"], "auth.expiring");

    let reply = client.command("auth.renew", "01JD", json!({})).await;

    assert_eq!(reply["ok"], true);
    let session = edge.sessions.of_token(token).await.unwrap().unwrap();
    assert_eq!(reply["data"]["expires"], crate::events::wire::time_text(session.expires_at()));
    assert!(session.expires_at().duration_since(jiff::Timestamp::now()).as_secs() > 3_600);
}

#[tokio::test]
async fn f5_a_socket_that_does_not_read_is_closed_with_4508_and_others_are_not_held_up() {
    let settings = DeskSettings { grace: Duration::from_secs(30), ..DeskSettings::default() };
    let edge = Edge::with(settings).await;
    let mut stuck = Client::agent(&edge).await;
    let (mut reading, _, _) = Client::join(&edge, OTHER, json!({})).await;

    let large = std::sync::Arc::new(pop(&"あ".repeat(15_000)));
    let body = EventBody::PopUpdated { pop: large, members: vec!["dialled"] };
    for _ in 0..600 {
        edge.desk.publish(event("a102", body.clone()));
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    edge.desk.publish(offered("a117", "o-1"));
    assert_eq!(reading.event().await["type"], "pop.offered");
    assert!(begun.elapsed() < SOON);

    assert_eq!(stuck.close_code().await, 4508);
}

#[tokio::test]
async fn draining_sends_everybody_away_with_4512_and_a_time_to_come_back() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    edge.desk.drain(1_000).await;

    let event = client.event().await;
    assert_eq!(event["type"], "server.draining");
    assert!(event["data"]["retry_ms"].as_u64().is_some_and(|ms| (200..=1_000).contains(&ms)), "{event}");
    assert_eq!(client.close_code().await, 4512);

    let mut late = Client::connect(&edge, AGENT).await;
    late.say("hello", json!({})).await;
    assert_eq!(late.close_code().await, 4512);
}
