//! Commands: form, rights, replies, and that nothing happens twice.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, pop};
use crate::api::testing::{ADMIN, AGENT, Edge, SUPERVISOR};
use crate::engine::{ErrorCode, Refusal, Request};
use crate::presence::{AgentId, AgentStatus, CallId, CustomerId, SetBy};

#[tokio::test]
async fn every_command_about_a_call_becomes_its_request() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    let (agent, call, rev) = (AgentId::new("a102"), CallId::new("c-1"), 2);

    let taken = client.about_call("pop.take", "1", json!({"tab": "t-5c"})).await;
    client.about_call("pop.claim", "2", json!({})).await;
    client.about_call("pop.decline", "3", json!({"reason": "policy_complaint"})).await;
    client.about_call("pop.choose", "4", json!({"customer": "cu-88"})).await;
    client.about_call("notice.ack", "5", json!({"id": "n-3"})).await;
    client.about_call("wrapup.finish", "6", Value::Null).await;

    assert_eq!(taken, json!({"v": 1, "kind": "reply", "replies_to": "1", "ok": true, "data": {"rev": 3}}));
    let clone = || (agent.clone(), call.clone());
    let expected = [
        { let (agent, call) = clone(); Request::TakePop { agent, call, rev } },
        { let (agent, call) = clone(); Request::ClaimPop { agent, call, rev } },
        { let (agent, call) = clone(); Request::DeclinePop { agent, call, rev, reason: "policy_complaint".into() } },
        { let (agent, call) = clone(); Request::ChooseCustomer { agent, call, rev, customer: CustomerId::new("cu-88") } },
        { let (agent, call) = clone(); Request::AcknowledgeNotice { agent, call, notice: "n-3".into() } },
        { let (agent, call) = clone(); Request::FinishWrapUp { agent, call } },
    ];
    assert_eq!(edge.engine.asked(), expected);
}

#[tokio::test]
async fn the_same_command_again_gets_the_same_reply_and_has_no_second_effect() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    let (mut other_tab, _, _) = Client::join(&edge, AGENT, json!({})).await;

    let first = client.about_call("pop.take", "01JD9ZM", json!({})).await;
    let again = client.about_call("pop.take", "01JD9ZM", json!({})).await;
    let elsewhere = other_tab.about_call("pop.take", "01JD9ZM", json!({})).await;

    assert_eq!(first, again);
    assert_eq!(first, elsewhere);
    assert_eq!(edge.engine.asked().len(), 1);
}

#[tokio::test]
async fn a_command_whose_socket_went_is_finished_once_and_its_reply_kept() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    edge.engine.slow.store(true, Ordering::Relaxed);
    client
        .send(json!({"v": 1, "kind": "command", "type": "pop.take", "id": "01JD", "call": "c-1", "rev": 2}))
        .await;
    // The second command of another tab waits for the same reply.
    let (mut back, _, _) = Client::join(&edge, AGENT, json!({})).await;
    client.close().await;
    edge.engine.slow.store(false, Ordering::Relaxed);
    edge.engine.gate.notify_one();

    let reply = back.about_call("pop.take", "01JD", json!({})).await;

    assert_eq!(reply["data"]["rev"], 3);
    assert_eq!(edge.engine.asked().len(), 1);
}

#[tokio::test]
async fn n61_a_malformed_command_is_refused_with_validation_and_reaches_nobody() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    for (number, frame) in [
        json!({"type": "pop.take", "rev": 2, "data": {}}),
        json!({"type": "pop.take", "call": "c-1", "data": {}}),
        json!({"type": "pop.take", "call": "c-1", "rev": 2, "data": []}),
        json!({"type": "pop.choose", "call": "c-1", "rev": 2, "data": {}}),
        json!({"type": "pop.choose", "call": "c-1", "rev": 2, "data": {"customer": 7}}),
        json!({"type": "notice.ack", "call": "c-1", "rev": 2}),
        json!({"type": "pop.decline", "call": "c-1", "rev": 2, "data": {"reason": "a\r\nb"}}),
        json!({"type": "pop.explode", "data": {}}),
        json!({"type": "presence.set", "data": {}}),
        json!({"type": "presence.set", "data": {"state": "away", "reason": "lunch"}}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut frame = frame;
        (frame["v"], frame["kind"], frame["id"]) = (json!(1), json!("command"), json!(format!("01JD{number}")));
        client.send(frame.clone()).await;
        let reply = client.until("reply").await;
        assert_eq!(reply["replies_to"], frame["id"]);
        assert_eq!((&reply["ok"], &reply["error"]["code"]), (&json!(false), &json!("validation")), "{frame}");
        assert!(reply["error"]["ja"].is_string() && reply["error"]["en"].is_string());
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(edge.engine.asked(), []);
}

#[tokio::test]
async fn a_refusal_of_the_engine_arrives_whole() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    let mut taken = Refusal::of(ErrorCode::AlreadyTaken, "佐藤が対応中です", "Taken by Sato");
    taken.by = Some(AgentId::new("a117"));
    *edge.engine.refuse_with.lock().unwrap() = Some(taken);
    let reply = client.about_call("pop.take", "1", json!({})).await;
    let error = json!({"code": "already_taken", "by": "a117", "retry": false, "ja": "佐藤が対応中です",
        "en": "Taken by Sato"});
    assert_eq!(reply["error"], error);

    let mut conflict = Refusal::of(ErrorCode::Conflict, "更新されています", "Changed meanwhile");
    conflict.current = Some(Box::new((7, pop(""))));
    *edge.engine.refuse_with.lock().unwrap() = Some(conflict);
    let reply = client.about_call("pop.take", "2", json!({})).await;
    assert_eq!(reply["error"]["code"], "conflict");
    assert_eq!(reply["error"]["current"]["rev"], 7);
    assert_eq!(reply["error"]["current"]["data"]["offer"]["rule"], "r-1");
}

#[tokio::test]
async fn presence_is_set_for_oneself_by_hand_and_for_others_by_supervisors_only() {
    let edge = Edge::start().await;
    let mut agent = Client::agent(&edge).await;
    let reply = agent.command("presence.set", "1", json!({"state": "away", "reason": "break"})).await;
    assert_eq!(reply["ok"], true);
    assert_eq!(reply["data"]["presence"]["reason"], "break");
    let reply = agent.command("presence.set", "2", json!({"state": "available", "agent": "a117"})).await;
    assert_eq!(reply["error"]["code"], "forbidden");

    let (mut supervisor, _, _) = Client::join(&edge, SUPERVISOR, json!({})).await;
    supervisor.command("presence.set", "1", json!({"state": "available", "agent": "a117"})).await;
    let expected = Request::SetPresence {
        agent: AgentId::new("a117"),
        status: AgentStatus::Available,
        by: SetBy::Supervisor,
        user: "suzuki".into(),
    };
    assert_eq!(edge.engine.asked().last(), Some(&expected));
}

#[tokio::test]
async fn n62_who_is_no_agent_cannot_touch_calls() {
    let edge = Edge::start().await;
    let (mut admin, welcome, _) = Client::join(&edge, ADMIN, json!({})).await;
    assert_eq!(welcome["streams"][0]["stream"], "admin");
    let reply = admin.about_call("pop.take", "1", json!({})).await;
    assert_eq!(reply["error"]["code"], "forbidden");
    assert_eq!(edge.engine.asked(), []);
}

#[tokio::test]
async fn a_ping_of_the_client_is_answered_with_its_data() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    client.say("ping", json!({"n": 7})).await;
    assert_eq!(client.until("pong").await["data"], json!({"n": 7}));
}
