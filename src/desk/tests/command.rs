//! Commands: form, rights, replies, and that nothing happens twice.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{Client, event, pop};
use crate::api::testing::{ADMIN, AGENT, Edge, SUPERVISOR, presence_of};
use crate::desk::DeskSettings;
use crate::engine::{ErrorCode, Refusal, Request, TransferWish};
use crate::events::EventBody;
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
        {
            let (agent, call) = clone();
            Request::TakePop { agent, call, rev }
        },
        {
            let (agent, call) = clone();
            Request::ClaimPop { agent, call, rev }
        },
        {
            let (agent, call) = clone();
            Request::DeclinePop { agent, call, rev, reason: "policy_complaint".into() }
        },
        {
            let (agent, call) = clone();
            Request::ChooseCustomer { agent, call, rev, customer: CustomerId::new("cu-88") }
        },
        {
            let (agent, call) = clone();
            Request::AcknowledgeNotice { agent, call, notice: "n-3".into() }
        },
        {
            let (agent, call) = clone();
            Request::FinishWrapUp { agent, call }
        },
    ];
    assert_eq!(edge.engine.asked(), expected);
}

#[tokio::test]
async fn m095_a_transfer_becomes_its_request_and_the_reply_says_who_carries_it_out() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    let data = json!({"to": "a117", "mode": "blind", "note": "返品\nの件"});
    let reply = client.about_call("call.transfer", "1", data).await;
    assert_eq!(reply["data"], json!({"rev": 3, "means": "server"}));
    let wish = TransferWish { to: "a117".into(), consult: false, note: Some("返品\nの件".into()) };
    let (agent, call) = (AgentId::new("a102"), CallId::new("c-1"));
    assert_eq!(edge.engine.asked(), [Request::TransferCall { agent, call, rev: 2, wish }]);
    for data in [
        json!({"mode": "blind"}),
        json!({"to": "a117", "mode": "maybe"}),
        json!({"to": "a117", "note": 7}),
        json!({"to": "a117", "note": "x".repeat(2001)}),
    ] {
        let reply = client.about_call("call.transfer", &data.to_string().len().to_string(), data).await;
        assert_eq!(reply["error"]["code"], "validation");
    }
}

#[tokio::test]
async fn m095_only_supervisors_allow_one_more_transfer() {
    let edge = Edge::start().await;
    let mut agent = Client::agent(&edge).await;
    let reply = agent.about_call("approval.grant", "1", json!({"what": "transfer"})).await;
    assert_eq!(reply["error"]["code"], "forbidden");
    assert_eq!(edge.engine.asked(), []);
    let (mut supervisor, ..) = Client::join(&edge, SUPERVISOR, json!({})).await;
    let reply = supervisor.about_call("approval.grant", "2", json!({"what": "holiday"})).await;
    assert_eq!(reply["error"]["code"], "validation");
    let reply = supervisor.about_call("approval.grant", "3", json!({"what": "transfer"})).await;
    assert_eq!(reply["ok"], true, "{reply}");
    let asked = edge.engine.asked();
    assert!(
        matches!(&asked[..], [Request::GrantTransfer { call, user }]
            if call.as_str() == "c-1" && !user.is_empty()),
        "{asked:?}"
    );
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
    let edge = Edge::with(DeskSettings { commands_per_s: 100, ..DeskSettings::default() }).await;
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
        (frame["v"], frame["kind"], frame["id"]) =
            (json!(1), json!("command"), json!(format!("01JD{number}")));
        client.send(frame.clone()).await;
        let reply = client.until("reply").await;
        assert_eq!(reply["replies_to"], frame["id"]);
        assert_eq!((&reply["ok"], &reply["error"]["code"]), (&json!(false), &json!("validation")), "{frame}");
        assert!(reply["error"]["ja"].is_string() && reply["error"]["en"].is_string());
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
async fn a_status_for_after_the_call_waits_for_the_idle_moment() {
    let edge = Edge::start().await;
    let mut client = Client::agent(&edge).await;
    let mut busy = presence_of("a102", &AgentStatus::Available, SetBy::Manual);
    busy.state = "on_call".to_owned();
    edge.desk.publish(event("a102", EventBody::PresenceChanged(busy.clone())));
    client.until("event").await;
    let wish = json!({"state": "away", "reason": "break", "next": true});

    let queued = client.command("presence.set", "1", wish.clone()).await;
    assert_eq!((&queued["ok"], &queued["data"]), (&json!(true), &json!({"queued": true})));
    busy.state = "wrap_up".to_owned();
    edge.desk.publish(event("a102", EventBody::PresenceChanged(busy.clone())));
    client.until("event").await;
    assert_eq!(edge.engine.asked(), [], "wrap-up belongs to the call");

    busy.state = "idle".to_owned();
    edge.desk.publish(event("a102", EventBody::PresenceChanged(busy)));
    client.until("event").await;
    // The engine answers in order: behind this request stands the one that waited.
    let now = client.command("presence.set", "2", json!({"state": "available", "next": true})).await;
    assert_eq!(now["data"]["presence"]["status"], "available", "who is idle does not wait");
    let asked = edge.engine.asked();
    let reasons = asked.iter().filter(|one| format!("{one:?}").contains("Break")).count();
    assert_eq!((asked.len(), reasons), (2, 1));
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
