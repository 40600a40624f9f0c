//! Rules over REST: what is refused, what is kept, what is in force, and what a dry run says.

use serde_json::{Value, json};

use crate::api::testing::{ADMIN, Edge};
use crate::presence::AgentId;
use crate::routing::{Action, OfferReason};
use crate::storage::RecordedDecision;

const REFUSE: &str = "[[rule]]\nname = \"closed\"\nreject = 603\n";

async fn put(edge: &Edge, path: &str, body: &Value) -> (u16, Value) {
    let reply = edge.as_user(ADMIN, "PUT", path, &body.to_string()).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_draft_is_kept_listed_read_and_put_in_force() {
    let edge = Edge::start().await;
    let draft = json!({"text": REFUSE, "note": "年末"});
    let (status, kept) = put(&edge, "/api/v1/rules/draft", &draft).await;
    assert_eq!((status, kept), (201, json!({"version": 1, "warnings": []})));
    assert_eq!(put(&edge, "/api/v1/rules/draft", &json!({"text": ""})).await.1["version"], 2);

    let list = edge.as_user(ADMIN, "GET", "/api/v1/rules", "").await.json();
    assert_eq!((&list["active"], &list["items"][1]["note"]), (&Value::Null, &json!("年末")));
    assert_eq!(list["items"][1]["saved_by"], "root");
    let one = edge.as_user(ADMIN, "GET", "/api/v1/rules/1", "").await.json();
    assert_eq!((&one["text"], &one["active"]), (&json!(REFUSE), &json!(false)));

    let (status, active) = put(&edge, "/api/v1/rules/active", &json!({"version": 1})).await;
    assert_eq!((status, &active["active"]), (200, &json!(1)));
    assert_eq!(edge.as_user(ADMIN, "GET", "/api/v1/rules", "").await.json()["active"], 1);
    put(&edge, "/api/v1/rules/active", &json!({"version": null})).await;
    assert_eq!(*edge.store.active_rules.lock().unwrap(), None);
    for path in ["/api/v1/rules/3", "/api/v1/rules/x", "/api/v1/rules/0"] {
        assert_eq!(edge.as_user(ADMIN, "GET", path, "").await.status, 404, "{path}");
    }
    assert_eq!(put(&edge, "/api/v1/rules/active", &json!({"version": 9})).await.0, 404);
}

#[tokio::test]
async fn n73_a_bad_draft_is_refused_with_every_fault_and_its_line_and_nothing_is_kept() {
    let edge = Edge::start().await;
    let text = "[[rule]]\nname = \"r\"\nreject = 1\n[[rule]]\nname = \"q\"\nforward = \"110\"\nx = 1\n";
    let (status, refused) = put(&edge, "/api/v1/rules/draft", &json!({"text": text})).await;
    assert_eq!((status, &refused["code"]), (422, &json!("rules")));
    let faults = refused["faults"].as_array().unwrap();
    let lines: Vec<i64> = faults.iter().map(|fault| fault["line"].as_i64().unwrap()).collect();
    assert_eq!(lines, [1, 3, 7]);
    assert!(refused["detail"].as_str().unwrap().starts_with("line 1: "), "{refused}");

    let (status, refused) =
        put(&edge, "/api/v1/rules/draft", &json!({"text": "[[rule]]\nname = \"q\"\nforward = \"110\""}))
            .await;
    assert_eq!(status, 422);
    assert!(refused["detail"].as_str().unwrap().contains("emergency number"), "{refused}");

    let many: String = (0..4_000).map(|index| format!("[[rule]]\nname=\"{index}\"\nreject=603\n")).collect();
    let (status, refused) = put(&edge, "/api/v1/rules/draft", &json!({"text": many})).await;
    assert_eq!(status, 422);
    assert!(refused["detail"].as_str().unwrap().contains("4000 rules, and at most 200"), "{refused}");
    let bomb = json!({"text": "x".repeat(2_000_000)});
    assert_eq!(put(&edge, "/api/v1/rules/draft", &bomb).await.0, 413);
    assert!(edge.store.rules.lock().unwrap().is_empty());
}

#[tokio::test]
async fn names_nobody_has_are_warnings() {
    let edge = Edge::start().await;
    let text = "[[rule]]\nname = \"r\"\nring = { group = \"night\" }\n";
    let (status, kept) = put(&edge, "/api/v1/rules/draft", &json!({"text": text})).await;
    assert_eq!(status, 201);
    let warning = json!({"line": 1, "what": "rule \"r\": nobody is in the group night"});
    assert_eq!(kept["warnings"], json!([warning]));
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_counts_what_it_cannot_judge() {
    let edge = Edge::start().await;
    let action = Action::offer(AgentId::new("a102"), OfferReason::Group);
    *edge.store.decisions.lock().unwrap() =
        vec![RecordedDecision { call: "c-1".to_owned(), facts: None, action: Some(action) }];
    let run = |body: Value| {
        let edge = &edge;
        async move { edge.as_user(ADMIN, "POST", "/api/v1/rules/dry-run", &body.to_string()).await }
    };
    let found = run(json!({"text": REFUSE})).await.json();
    assert_eq!(
        (&found["calls"], &found["not_judged"], &found["different"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!(edge.store.rules.lock().unwrap().is_empty());
    assert_eq!(run(json!({"text": "x = 1"})).await.status, 422);
    assert_eq!(run(json!({"version": 4})).await.status, 404);
    assert_eq!(run(json!({})).await.status, 400);
}
