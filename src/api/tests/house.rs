//! What lies around all routes: errors, headers, limits, health, the page.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::api::ApiSettings;
use crate::api::testing::{AGENT, Edge};
use crate::desk::DeskSettings;

#[tokio::test]
async fn every_error_is_a_problem_with_a_code() {
    let edge = Edge::start().await;
    let not_found = edge.as_user(AGENT, "GET", "/api/v1/nothing", "").await;
    assert_eq!((not_found.status, not_found.code()), (404, "not_found".to_owned()));
    let method = edge.as_user(AGENT, "PATCH", "/api/v1/agents", "").await;
    assert_eq!((method.status, method.code()), (405, "method_not_allowed".to_owned()));
    assert!(method.headers["allow"].contains("GET"));
    let large = format!(r#"{{"name":"{}","password":""}}"#, "x".repeat(70_000));
    let large = edge.http("POST", "/api/v1/sessions", &[], &large).await;
    assert_eq!((large.status, large.code()), (413, "too_large".to_owned()));
    let no_socket = edge.http("GET", "/ws/v1", &[], "").await;
    assert_eq!((no_socket.status, no_socket.code()), (400, "subprotocol_required".to_owned()));
    let stranger = edge.http("GET", "/api/v1/agents", &[], "").await;
    assert_eq!((stranger.status, stranger.code()), (401, "unauthorized".to_owned()));
    assert_eq!(stranger.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn n67_no_spelling_of_a_path_gets_around_the_guard() {
    let edge = Edge::start().await;
    for path in [
        "//api/v1/agents",
        "/api/v1//agents",
        "/api/v1/./agents",
        "/healthz/../api/v1/agents",
        "/healthz/%2e%2e/api/v1/agents",
        "/api/v1/agents/",
        "/api/v1/agents;x",
        "/API/v1/agents",
        "/api/v1/agents.",
        "/api\\v1\\agents",
        "/../Cargo.toml",
        "/assets/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
    ] {
        let reply = edge.http("GET", path, &[], "").await;
        assert!([400, 401, 404].contains(&reply.status), "{path}: {}", reply.status);
        assert!(!reply.body.contains("a102") && !reply.body.contains("[package]"), "{path}");
    }
    let host = edge.address;
    let absolute =
        format!("GET http://{host}/api/v1/agents HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert_eq!(edge.raw(&absolute).await.status, 401);
    assert_eq!(edge.raw("GET /api/v1/agents HTTP/1.0\r\n\r\n").await.status, 401);
}

#[tokio::test]
async fn n68_n62_headers_that_claim_something_change_nothing() {
    let edge = Edge::start().await;
    for (name, value) in [
        ("X-Forwarded-User", "root"),
        ("Authorization", "Basic cm9vdDpyb290"),
        ("X-Original-URL", "/healthz/live"),
        ("X-HTTP-Method-Override", "GET"),
    ] {
        assert_eq!(edge.http("GET", "/api/v1/agents", &[(name, value)], "").await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn every_answer_has_the_strict_headers() {
    let edge = Edge::start().await;
    for path in ["/", "/api/v1/agents", "/nothing", "/healthz/live"] {
        let reply = edge.http("GET", path, &[], "").await;
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
        if path != "/" {
            assert_eq!(reply.headers["cache-control"], "no-store", "{path}");
        }
    }
}

#[tokio::test]
async fn n58_a_token_in_an_address_is_refused_everywhere() {
    let edge = Edge::start().await;
    let reply = edge.as_user(AGENT, "GET", &format!("/api/v1/agents?access_token={AGENT}"), "").await;
    assert_eq!((reply.status, reply.code()), (400, "token_in_url".to_owned()));
}

#[tokio::test]
async fn n65_with_hosts_configured_another_host_is_421() {
    let settings = ApiSettings { hosts: vec!["desk.example".to_owned()], ..ApiSettings::default() };
    let edge = Edge::with_both(DeskSettings::default(), settings).await;
    let rebound = edge.http("GET", "/healthz/live", &[], "").await;
    assert_eq!((rebound.status, rebound.code()), (421, "unknown_host".to_owned()));
    let right = "GET /healthz/live HTTP/1.1\r\nHost: desk.example\r\nConnection: close\r\n\r\n";
    assert_eq!(edge.raw(right).await.status, 200);
}

#[tokio::test]
async fn health_is_live_ready_or_degraded_with_reasons() {
    let edge = Edge::start().await;
    assert_eq!(edge.http("GET", "/healthz/live", &[], "").await.json(), json!({"status": "live"}));
    let ready = edge.http("GET", "/healthz/ready", &[], "").await.json();
    assert_eq!(ready, json!({"status": "ready", "reasons": []}));

    edge.health.degrade("database", "locked");
    let degraded = edge.http("GET", "/healthz/ready", &[], "").await;
    assert_eq!((degraded.status, &degraded.json()["status"]), (200, &json!("degraded")));
    assert_eq!(degraded.json()["reasons"][0]["part"], "database");

    edge.health.set_ready(false);
    assert_eq!(edge.http("GET", "/healthz/ready", &[], "").await.status, 503);
    assert_eq!(edge.http("GET", "/healthz/live", &[], "").await.status, 200);
}

#[tokio::test]
async fn the_root_is_a_page_and_an_unknown_page_is_not() {
    let edge = Edge::start().await;
    let root = edge.http("GET", "/", &[], "").await;
    assert_eq!(root.status, 200);
    assert!(root.headers["content-type"].starts_with("text/html"), "{root:?}");
    // The built client, or the page that says how to build it.
    assert!(root.body.contains("<html"), "{root:?}");
    assert_eq!(edge.http("GET", "/elsewhere", &[], "").await.code(), "not_found");
    assert_eq!(edge.http("POST", "/elsewhere", &[], "").await.status, 404);
}

#[tokio::test]
async fn n34_a_request_that_does_not_come_is_not_waited_for() {
    let settings = ApiSettings { request_within: Duration::from_millis(300), ..ApiSettings::default() };
    let edge = Edge::with_both(DeskSettings::default(), settings).await;
    let begun = Instant::now();
    let head = edge.raw("GET / HTTP/1.1\r\nHost: x\r\n").await;
    assert!([0, 408].contains(&head.status), "{head:?}");
    let body = "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 9\r\n\r\n{";
    assert_eq!(edge.raw(body).await.status, 408);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(200));
    assert_eq!(edge.raw(&many).await.status, 431);
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "x".repeat(200_000));
    assert_eq!(edge.raw(&long).await.status, 431);
}
