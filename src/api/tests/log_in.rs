//! Log-in, log-out, cookies and tokens.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::api::ApiSettings;
use crate::api::testing::{AGENT, Edge};
use crate::desk::DeskSettings;
use crate::presence::AgentId;
use crate::storage::{User, UserRole, hash_password};

#[tokio::test]
async fn a_log_in_gives_a_token_and_a_strict_cookie() {
    let edge = with_user().await;
    let reply = log_in(&edge, "takahashi", "正しい合言葉").await;

    assert_eq!(reply.status, 201, "{reply:?}");
    let body = reply.json();
    let token = body["token"].as_str().unwrap();
    assert_eq!((&body["agent"], &body["roles"]), (&json!("a102"), &json!(["agent"])));
    assert_eq!(body["name"], "takahashi");
    assert!(body["csrf"].is_string() && body["expires"].is_string());
    let cookie = &reply.headers["set-cookie"];
    assert_eq!(*cookie, format!("toritsugi_session={token}; HttpOnly; SameSite=Strict; Path=/"));

    let current = edge.as_user(token, "GET", "/api/v1/sessions/current", "").await;
    assert_eq!(current.status, 200);
    assert_eq!(current.json()["csrf"], body["csrf"]);
    assert!(current.json().get("token").is_none());
    let stored = edge.store.sessions.lock().unwrap();
    assert!(stored.values().all(|session| session.csrf != token), "the token itself is not kept");
}

#[tokio::test]
async fn n85_behind_tls_the_cookie_is_secure() {
    let settings = ApiSettings { secure_cookie: true, ..ApiSettings::default() };
    let edge = Edge::with_both(DeskSettings::default(), settings).await;
    add_user(&edge).await;
    let reply = log_in(&edge, "takahashi", "正しい合言葉").await;
    assert!(reply.headers["set-cookie"].ends_with("; Secure"), "{reply:?}");
}

#[tokio::test]
async fn n10_an_unknown_user_and_a_wrong_password_look_alike() {
    let edge = with_user().await;
    let unknown = log_in(&edge, "nobody", "x").await;
    let wrong = log_in(&edge, "takahashi", "x").await;
    assert_eq!((unknown.status, unknown.code()), (401, "credentials".to_owned()));
    assert_eq!(unknown.body, wrong.body);
}

#[tokio::test]
async fn n70_the_sixth_failure_is_429_and_successes_are_never_limited() {
    let edge = with_user().await;
    for _ in 0..3 {
        assert_eq!(log_in(&edge, "takahashi", "正しい合言葉").await.status, 201);
    }
    for _ in 0..5 {
        assert_eq!(log_in(&edge, "ito", "x").await.status, 401);
    }
    let limited = log_in(&edge, "ito", "x").await;
    assert_eq!((limited.status, limited.code()), (429, "rate_limited".to_owned()));
    assert!(limited.headers["retry-after"].parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    assert_eq!(log_in(&edge, "takahashi", "正しい合言葉").await.status, 201);
}

#[tokio::test]
async fn a_cookie_reads_alone_and_writes_with_the_csrf_token() {
    let edge = Edge::start().await;
    let cookie = format!("toritsugi_session={AGENT}");
    let cookie = ("Cookie", cookie.as_str());

    let read = edge.http("GET", "/api/v1/sessions/current", &[cookie], "").await;
    assert_eq!(read.status, 200);
    let csrf = read.json()["csrf"].as_str().unwrap().to_owned();
    let bare = edge.http("POST", "/api/v1/ws-tickets", &[cookie], "").await;
    assert_eq!((bare.status, bare.code()), (403, "csrf".to_owned()));
    let wrong = edge.http("POST", "/api/v1/ws-tickets", &[cookie, ("X-CSRF-Token", "x")], "").await;
    assert_eq!(wrong.status, 403);
    let right = edge.http("POST", "/api/v1/ws-tickets", &[cookie, ("X-CSRF-Token", &csrf)], "").await;
    assert_eq!(right.status, 201);
}

#[tokio::test]
async fn after_logging_out_the_token_is_worth_nothing() {
    let edge = Edge::start().await;
    let gone = edge.as_user(AGENT, "DELETE", "/api/v1/sessions/current", "").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    assert!(gone.headers["set-cookie"].contains("Max-Age=0"));
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/agents", "").await.status, 401);
}

#[tokio::test]
async fn without_the_database_known_sessions_go_on_and_others_get_503() {
    let edge = Edge::start().await;
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/agents", "").await.status, 200);
    edge.store.down.store(true, Ordering::Relaxed);

    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/agents", "").await.status, 200);
    let unknown = edge.as_user(&"x".repeat(43), "GET", "/api/v1/agents", "").await;
    assert_eq!((unknown.status, unknown.code()), (503, "unavailable".to_owned()));
    let log_in = log_in(&edge, "takahashi", "x").await;
    assert_eq!((log_in.status, log_in.code()), (503, "unavailable".to_owned()));
    // Logged out here although the database cannot be told; nobody gets back in with the token.
    assert_eq!(edge.as_user(AGENT, "DELETE", "/api/v1/sessions/current", "").await.status, 503);
    edge.store.down.store(false, Ordering::Relaxed);
    assert_eq!(edge.as_user(AGENT, "GET", "/api/v1/agents", "").await.status, 401);
}

#[tokio::test]
async fn n75_a_body_with_more_or_other_members_is_400() {
    let edge = Edge::start().await;
    for body in [
        r#"{"name":"a","password":"b","role":"admin"}"#,
        r#"{"name":"a"}"#,
        r#"{"name":1,"password":"b"}"#,
        r#"{"name":"","password":"b"}"#,
        "{",
        "[]",
    ] {
        let reply = edge.http("POST", "/api/v1/sessions", &[], body).await;
        assert_eq!((reply.status, reply.code()), (400, "malformed".to_owned()), "{body}");
    }
}

async fn with_user() -> Edge {
    let edge = Edge::start().await;
    add_user(&edge).await;
    edge
}

async fn add_user(edge: &Edge) {
    let password_hash = tokio::task::spawn_blocking(|| hash_password("正しい合言葉").unwrap()).await.unwrap();
    let user = User {
        name: "takahashi".to_owned(),
        role: UserRole::Agent,
        agent: Some(AgentId::new("a102")),
        password_hash,
    };
    edge.store.users.lock().unwrap().insert(user.name.clone(), user);
}

async fn log_in(edge: &Edge, name: &str, password: &str) -> crate::api::testing::Reply {
    let body = json!({"name": name, "password": password}).to_string();
    edge.http("POST", "/api/v1/sessions", &[], &body).await
}
