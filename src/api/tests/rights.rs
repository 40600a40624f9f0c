//! Who may do what: every route with every role, and the rights inside the routes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::testing::{ADMIN, AGENT, Edge, MANAGER, OTHER, SUPERVISOR, call};
use crate::callback::{Callback, CallbackId, Step, Window};
use crate::engine::{CallbackChange, Request};
use crate::presence::{AgentId, AgentStatus, SetBy};

/// The answers of one route: without a token, and to an agent, a supervisor, a manager, an administrator.
type Cells = [u16; 5];

/// What each route answers to whom. A route that is in the OpenAPI document and not here fails the test.
const TABLE: [(&str, &str, &str, Cells); 24] = [
    ("post", "/api/v1/sessions", r#"{"name":"x","password":"y"}"#, [401, 401, 401, 401, 401]),
    ("get", "/api/v1/sessions/current", "", [401, 200, 200, 200, 200]),
    ("post", "/api/v1/ws-tickets", "", [401, 201, 201, 201, 201]),
    ("get", "/api/v1/agents", "", [401, 200, 200, 200, 200]),
    ("get", "/api/v1/agents/{id}", "", [401, 200, 200, 200, 200]),
    ("put", "/api/v1/agents/{id}/presence", r#"{"status":"available"}"#, [401, 403, 200, 200, 200]),
    ("get", "/api/v1/calls", "", [401, 200, 200, 200, 200]),
    ("get", "/api/v1/calls/{id}", "", [401, 404, 200, 200, 200]),
    ("get", "/api/v1/calls/{id}/trace", "", [401, 404, 200, 200, 200]),
    ("get", "/api/v1/callbacks", "", [401, 200, 200, 200, 200]),
    ("get", "/api/v1/callbacks/{id}", "", [401, 404, 200, 200, 200]),
    ("patch", "/api/v1/callbacks/{id}", r#"{"state":"done"}"#, [401, 404, 200, 200, 200]),
    ("get", "/api/v1/customers", "", [401, 400, 400, 400, 400]),
    ("get", "/api/v1/customers/{id}", "", [401, 200, 200, 200, 200]),
    ("get", "/api/v1/customers/{id}/contacts", "", [401, 200, 200, 200, 200]),
    ("get", "/api/v1/rules", "", [401, 403, 403, 403, 200]),
    ("put", "/api/v1/rules/draft", r#"{"text":""}"#, [401, 403, 403, 403, 201]),
    ("get", "/api/v1/rules/{version}", "", [401, 403, 403, 403, 200]),
    ("put", "/api/v1/rules/active", r#"{"version":1}"#, [401, 403, 403, 403, 200]),
    ("post", "/api/v1/rules/dry-run", r#"{"version":1}"#, [401, 403, 403, 403, 200]),
    ("get", "/healthz/live", "", [200, 200, 200, 200, 200]),
    ("get", "/healthz/ready", "", [200, 200, 200, 200, 200]),
    ("get", "/api/openapi.json", "", [200, 200, 200, 200, 200]),
    ("delete", "/api/v1/sessions/current", "", [401, 204, 204, 204, 204]),
];

#[tokio::test]
async fn n66_every_route_answers_every_role_as_the_table_says() {
    let edge = Edge::start().await;
    edge.store.calls.lock().unwrap().push(call("c-1", Some("a117"), &["a117"], true));
    edge.engine.callbacks.lock().unwrap().push(Callback::sample("cb-1", Some("a117")));
    let document = edge.http("GET", "/api/openapi.json", &[], "").await.json();
    assert_eq!(documented(&document), TABLE.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>().sorted());

    for (method, path, body, cells) in TABLE {
        let id = if path.contains("calls") {
            "c-1"
        } else if path.contains("callbacks") {
            "cb-1"
        } else if path.contains("customers") {
            "cu-88"
        } else {
            "a117"
        };
        let path = path.replace("{id}", id).replace("{version}", "1");
        for (token, expected) in
            [None, Some(AGENT), Some(SUPERVISOR), Some(MANAGER), Some(ADMIN)].iter().zip(cells)
        {
            let method = method.to_uppercase();
            // Failed log-ins are limited, and this is not the test of that.
            if path == "/api/v1/sessions" && token.is_some() {
                continue;
            }
            let reply = match token {
                None => edge.http(&method, &path, &[], body).await,
                Some(token) => edge.as_user(token, &method, &path, body).await,
            };
            assert_eq!(reply.status, expected, "{method} {path} {token:?}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn n61_an_agent_sees_only_calls_of_their_own_and_of_nobody() {
    let edge = Edge::start().await;
    let live = vec![
        call("c-own", Some("a102"), &["a102"], false),
        call("c-offered", Some("a117"), &["a102", "a117"], false),
        call("c-other", Some("a117"), &["a117"], false),
        call("c-nobody", None, &[], false),
    ];
    *edge.engine.live.lock().unwrap() = live;

    let mine = edge.as_user(AGENT, "GET", "/api/v1/calls?state=live", "").await.json();
    assert_eq!(ids(&mine), ["c-own", "c-offered", "c-nobody"]);
    let all = edge.as_user(SUPERVISOR, "GET", "/api/v1/calls?state=live", "").await.json();
    assert_eq!(ids(&all), ["c-own", "c-offered", "c-other", "c-nobody"]);
    let theirs = edge.as_user(SUPERVISOR, "GET", "/api/v1/calls?state=live&agent=a102", "").await.json();
    assert_eq!(ids(&theirs), ["c-own", "c-offered"]);

    let hidden = edge.as_user(AGENT, "GET", "/api/v1/calls/c-other/trace", "").await;
    let absent = edge.as_user(AGENT, "GET", "/api/v1/calls/c-absent/trace", "").await;
    assert_eq!((hidden.status, hidden.body), (404, absent.body), "N74: no telling which");
    let asked = edge.as_user(AGENT, "GET", "/api/v1/calls?state=ended&agent=a117", "").await;
    assert_eq!(asked.status, 403);
}

#[tokio::test]
async fn agents_work_on_their_own_callbacks_and_supervisors_on_everybodys() {
    let edge = Edge::start().await;
    *edge.engine.callbacks.lock().unwrap() =
        vec![Callback::sample("cb-1", Some("a102")), Callback::sample("cb-2", Some("a117"))];
    edge.store.callbacks.lock().unwrap().push(Callback::sample("cb-0", Some("a102")));

    let own = edge.as_user(AGENT, "GET", "/api/v1/callbacks", "").await.json();
    assert_eq!(ids(&own), ["cb-1"]);
    let first = &own["items"][0];
    assert_eq!(
        (&first["number"], &first["shown"]),
        (&json!("+819012345678"), &json!("090-1234-5678")),
        "M055"
    );
    assert_eq!((&first["state"], &first["window"]), (&json!("requested"), &json!(null)));
    assert!(first["read_back"]["ja"].as_str().unwrap().contains("090-1234-5678"));
    let all = edge.as_user(SUPERVISOR, "GET", "/api/v1/callbacks", "").await.json();
    assert_eq!(ids(&all), ["cb-1", "cb-2"]);
    assert_eq!(ids(&edge.as_user(AGENT, "GET", "/api/v1/callbacks?state=ended", "").await.json()), ["cb-0"]);
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/callbacks?person=a117", "").await.status, 403);
    assert_eq!(
        edge.as_user(AGENT, "GET", "/api/v1/callbacks/cb-0", "").await.status,
        200,
        "one that is over"
    );
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/callbacks/cb-2", "").await.status, 404);

    let patch = async |token, id: &str, body: &str| {
        edge.as_user(token, "PATCH", &format!("/api/v1/callbacks/{id}"), body).await.status
    };
    let promise = r#"{"window":{"start":"2026-11-24T06:00:00Z","end":"2026-11-24T07:00:00Z"}}"#;
    assert_eq!(patch(AGENT, "cb-1", promise).await, 200, "the owner promises");
    assert_eq!(patch(SUPERVISOR, "cb-1", promise).await, 403, "neither owner nor manager");
    assert_eq!(patch(MANAGER, "cb-1", promise).await, 200);
    assert_eq!(patch(AGENT, "cb-1", r#"{"person":"a117"}"#).await, 403);
    assert_eq!(patch(SUPERVISOR, "cb-1", r#"{"person":"a117"}"#).await, 200);
    assert_eq!(patch(AGENT, "cb-2", r#"{"state":"done"}"#).await, 404);
    assert_eq!(patch(AGENT, "cb-1", r#"{"state":"sleeping"}"#).await, 400);
    assert_eq!(patch(AGENT, "cb-1", r#"{"state":"done"}"#).await, 200);
    let at = |text: &str| text.parse().unwrap();
    let window = Window { start: at("2026-11-24T06:00:00Z"), end: at("2026-11-24T07:00:00Z") };
    let asked = edge.engine.asked();
    let by = |change, of: Option<&str>, user: &str| Request::ChangeCallback {
        id: CallbackId::new("cb-1"),
        change,
        of: of.map(AgentId::new),
        user: user.to_owned(),
    };
    assert!(asked.contains(&by(CallbackChange::Promise(window), Some("a102"), "takahashi")));
    assert!(asked.contains(&by(CallbackChange::Step(Step::Finish), Some("a102"), "takahashi")));
    assert!(asked.contains(&by(CallbackChange::Assign(AgentId::new("a117")), None, "suzuki")));
}

#[tokio::test]
async fn agents_set_their_own_presence_and_supervisors_everybodys() {
    let edge = Edge::start().await;
    let path = "/api/v1/agents/a102/presence";
    let away = r#"{"status":"away","reason":"break","until":"2026-11-22T05:00:00Z"}"#;

    let own = edge.as_user(AGENT, "PUT", path, away).await;
    assert_eq!(own.status, 200);
    let document = own.json();
    assert_eq!((&document["agent"], &document["status"]), (&json!("a102"), &json!("away")));
    assert_eq!((&document["reason"], &document["until"]), (&json!("break"), &json!("2026-11-22T05:00:00Z")));
    assert_eq!(document["set_by"], "manual");

    assert_eq!(edge.as_user(OTHER, "PUT", path, away).await.status, 403);
    assert_eq!(edge.as_user(SUPERVISOR, "PUT", path, away).await.json()["set_by"], "supervisor");
    let expected = Request::SetPresence {
        agent: AgentId::new("a102"),
        status: AgentStatus::Available,
        by: SetBy::Supervisor,
        user: "root".to_owned(),
    };
    assert_eq!(edge.as_user(ADMIN, "PUT", path, r#"{"status":"available"}"#).await.status, 200);
    assert_eq!(edge.engine.asked().last(), Some(&expected));
}

#[tokio::test]
async fn an_absence_set_by_a_supervisor_is_not_undone_by_the_agent() {
    let edge = Edge::start().await;
    edge.engine.locked.lock().unwrap().extend(["a102", "a200"].map(AgentId::new));
    let available = r#"{"status":"available"}"#;

    let agent = edge.as_user(AGENT, "PUT", "/api/v1/agents/a102/presence", available).await;
    assert_eq!((agent.status, agent.code()), (403, "forbidden".to_owned()));
    let supervisor = edge.as_user(SUPERVISOR, "PUT", "/api/v1/agents/a102/presence", available).await;
    assert_eq!(supervisor.status, 200);
    let own = edge.as_user(SUPERVISOR, "PUT", "/api/v1/agents/a200/presence", available).await;
    assert_eq!(own.status, 200, "a supervisor may undo what a supervisor set");
}

#[tokio::test]
async fn m002_what_cannot_be_a_presence_is_422_and_what_is_malformed_400() {
    let edge = Edge::start().await;
    let path = "/api/v1/agents/a102/presence";
    for (body, status, code) in [
        (r#"{"status":"away","reason":"lunch"}"#, 422, "unknown_reason"),
        (r#"{"status":"away","reason":"rona"}"#, 422, "unknown_reason"),
        (r#"{"status":"away"}"#, 422, "reason_missing"),
        (r#"{"status":"asleep"}"#, 422, "unknown_status"),
        (r#"{"status":"available","reason":"break"}"#, 422, "not_away"),
        (r#"{"status":"away","reason":"out","until":"soon"}"#, 422, "bad_time"),
        (r#"{"status":"available","agent":"a117"}"#, 400, "malformed"),
        (r#"{"reason":"break"}"#, 400, "malformed"),
        ("", 415, "json_required"),
    ] {
        let reply = edge.as_user(AGENT, "PUT", path, body).await;
        assert_eq!((reply.status, reply.code()), (status, code.to_owned()), "{body}");
    }
    assert_eq!(edge.engine.asked(), []);
    let unknown =
        edge.as_user(SUPERVISOR, "PUT", "/api/v1/agents/a999/presence", r#"{"status":"offline"}"#).await;
    assert_eq!((unknown.status, unknown.code()), (404, "not_found".to_owned()));
}

trait Sorted {
    fn sorted(self) -> Self;
}

impl<T: Ord> Sorted for Vec<T> {
    fn sorted(mut self) -> Self {
        self.sort();
        self
    }
}

fn documented(document: &Value) -> Vec<(&str, &str)> {
    let paths: BTreeMap<&String, &Value> = document["paths"].as_object().unwrap().iter().collect();
    let routes = paths.into_iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| (method.as_str(), path.as_str()))
    });
    routes.collect::<Vec<_>>().sorted()
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}
