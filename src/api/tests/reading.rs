//! What the reading routes show.

use serde_json::json;

use crate::api::testing::{AGENT, Edge, SUPERVISOR, call};

#[tokio::test]
async fn agents_come_with_presence_and_without_the_address_of_their_phone() {
    let edge = Edge::start().await;
    let list = edge.as_user(AGENT, "GET", "/api/v1/agents", "").await.json();
    assert_eq!(list["next"], json!(null));
    let first = &list["items"][0];
    assert_eq!(first["id"], "a102");
    assert_eq!((&first["kana"], &first["role"]), (&json!("タカハシ"), &json!("agent")));
    assert_eq!((&first["groups"], &first["skills"]), (&json!(["t1"]), &json!([])));
    assert_eq!(first["presence"]["status"], "available");
    assert!(first.get("contact").is_none());

    let one = edge.as_user(AGENT, "GET", "/api/v1/agents/a102", "").await;
    assert_eq!(one.json(), *first);
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/agents/a999", "").await.code(), "not_found");
}

#[tokio::test]
async fn a_call_has_its_state_and_its_trace_an_address_of_its_own() {
    let edge = Edge::start().await;
    edge.engine.live.lock().unwrap().push(call("c-1", None, &["a102"], false));
    edge.store.calls.lock().unwrap().push(call("c-0", Some("a102"), &["a102"], true));

    let live = edge.as_user(AGENT, "GET", "/api/v1/calls/c-1", "").await.json();
    assert_eq!((&live["id"], &live["state"]), (&json!("c-1"), &json!("live")));
    assert!(live.get("traces").is_none());
    let ended = edge.as_user(AGENT, "GET", "/api/v1/calls/c-0", "").await.json();
    assert_eq!(ended["state"], "ended");
    for id in ["c-0", "c-1"] {
        let trace = edge.as_user(AGENT, "GET", &format!("/api/v1/calls/{id}/trace"), "").await.json();
        assert_eq!(trace["decisions"][0]["rule"], "line_group");
    }
    let both = edge.as_user(AGENT, "GET", "/api/v1/calls", "").await.json();
    let ids: Vec<_> = both["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, ["c-1", "c-0"]);
    let none = edge.as_user(SUPERVISOR, "GET", "/api/v1/calls?state=live&customer=cu-1", "").await;
    assert_eq!((none.status, none.json()), (200, json!({"items": [], "next": null})));
}

#[tokio::test]
async fn customers_are_found_by_number_however_it_is_written() {
    let edge = Edge::start().await;
    for phone in ["03-1234-5678", "0312345678", "(03)%201234-5678"] {
        let found = edge.as_user(AGENT, "GET", &format!("/api/v1/customers?phone={phone}"), "").await.json();
        assert_eq!(found["items"][0]["id"], "cu-88", "{phone}");
    }
    for phone in ["03-9999-9999", "nonsense", ""] {
        let none = edge.as_user(AGENT, "GET", &format!("/api/v1/customers?phone={phone}"), "").await;
        assert_eq!((none.status, none.json()), (200, json!({"items": [], "next": null})), "{phone}");
    }
    let one = edge.as_user(AGENT, "GET", "/api/v1/customers/cu-88", "").await.json();
    assert_eq!(one["name"], "山田 花子");
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/customers/cu-0", "").await.status, 404);
}

#[tokio::test]
async fn m019_the_history_has_pages() {
    let edge = Edge::start().await;
    let first = edge.as_user(AGENT, "GET", "/api/v1/customers/cu-88/contacts?limit=1", "").await.json();
    assert_eq!(first["items"][0]["summary"], "修理日程の相談");
    let cursor = first["next"].as_str().unwrap();
    let path = format!("/api/v1/customers/cu-88/contacts?limit=1&cursor={cursor}");
    assert_eq!(edge.as_user(AGENT, "GET", &path, "").await.json()["next"], json!(null));
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/customers/cu-0/contacts", "").await.status, 404);
}

#[tokio::test]
async fn n71_a_parameter_that_is_not_ours_is_400() {
    let edge = Edge::start().await;
    for query in
        ["calls?order=id;drop", "calls?limit=0", "calls?limit=501", "calls?limit=x", "calls?state=dead"]
    {
        let reply = edge.as_user(SUPERVISOR, "GET", &format!("/api/v1/{query}"), "").await;
        assert_eq!((reply.status, reply.code()), (400, "malformed".to_owned()), "{query}");
    }
}
