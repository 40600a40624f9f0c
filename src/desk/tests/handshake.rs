//! Who gets in, and how.

use serde_json::json;

use super::{Client, SOON};
use crate::api::testing::{AGENT, Edge, SUPERVISOR};
use crate::desk::DeskSettings;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "spop.v1");

#[tokio::test]
async fn the_subprotocol_is_required_and_echoed() {
    let edge = Edge::start().await;
    let bearer = format!("Bearer {AGENT}");
    let auth = ("authorization", bearer.as_str());

    assert_eq!(Client::upgrade(&edge, "/ws/v1", &[auth]).await.err(), Some(400));
    let sip = ("sec-websocket-protocol", "sip");
    assert_eq!(Client::upgrade(&edge, "/ws/v1", &[auth, sip]).await.err(), Some(400), "N47: no SIP here");
    let both = ("sec-websocket-protocol", "other, spop.v1");
    assert!(Client::upgrade(&edge, "/ws/v1", &[auth, both]).await.is_ok());
}

#[tokio::test]
async fn n57_a_cookie_from_a_foreign_page_opens_nothing() {
    let allowed_origins = vec!["https://crm.example".to_owned()];
    let edge = Edge::with(DeskSettings { allowed_origins, ..DeskSettings::default() }).await;
    let cookie = format!("toritsugi_session={AGENT}");
    let own = format!("http://{}", edge.address);
    let cookie = ("cookie", cookie.as_str());

    assert_eq!(Client::upgrade(&edge, "/ws/v1", &[PROTOCOL, cookie]).await.err(), Some(403), "absent");
    for origin in ["null", "https://evil.example", "https://crm.example.evil", "http://127.0.0.1:1"] {
        let refused = Client::upgrade(&edge, "/ws/v1", &[PROTOCOL, cookie, ("origin", origin)]).await;
        assert_eq!(refused.err(), Some(403), "{origin}");
    }
    let mut page = Client::upgrade(&edge, "/ws/v1", &[PROTOCOL, cookie, ("origin", &own)]).await.unwrap();
    page.say("hello", json!({})).await;
    assert_eq!(page.frame().await["kind"], "welcome");

    // A listed origin may connect, but the cookie does not speak for it: its page needs a ticket.
    let listed = [PROTOCOL, cookie, ("origin", "https://crm.example")];
    let mut embedding = Client::upgrade(&edge, "/ws/v1", &listed).await.unwrap();
    embedding.say("hello", json!({})).await;
    assert_eq!(embedding.close_code().await, 4401);
}

#[tokio::test]
async fn n58_a_token_in_the_address_is_refused_even_when_it_is_right() {
    let edge = Edge::start().await;
    let bearer = format!("Bearer {AGENT}");
    for query in [format!("?token={AGENT}"), format!("?access_token={AGENT}"), "?x=1".to_owned()] {
        let headers = [PROTOCOL, ("authorization", bearer.as_str())];
        let refused = Client::upgrade(&edge, &format!("/ws/v1{query}"), &headers).await;
        assert_eq!(refused.err(), Some(400), "{query}");
    }
}

#[tokio::test]
async fn an_unknown_token_is_refused_before_the_upgrade() {
    let edge = Edge::start().await;
    for value in ["Bearer x", "Basic eDp5", "Bearer", &format!("Bearer {}", "x".repeat(43))] {
        let refused = Client::upgrade(&edge, "/ws/v1", &[PROTOCOL, ("authorization", value)]).await;
        assert_eq!(refused.err(), Some(401), "{value}");
    }
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_no_second() {
    let edge = Edge::start().await;
    let reply = edge.as_user(AGENT, "POST", "/api/v1/ws-tickets", "").await;
    assert_eq!(reply.status, 201);
    let ticket = reply.json()["ticket"].as_str().unwrap().to_owned();

    let mut first = Client::upgrade(&edge, "/ws/v1", &[PROTOCOL]).await.unwrap();
    first.say("hello", json!({"ticket": ticket})).await;
    let welcome = first.frame().await;
    assert_eq!(welcome["data"]["agent"], "a102");

    let mut second = Client::upgrade(&edge, "/ws/v1", &[PROTOCOL]).await.unwrap();
    second.say("hello", json!({"ticket": ticket})).await;
    assert_eq!(second.close_code().await, 4401);
}

#[tokio::test]
async fn without_any_credentials_the_hello_is_answered_4401() {
    let edge = Edge::start().await;
    let mut client = Client::upgrade(&edge, "/ws/v1", &[PROTOCOL]).await.unwrap();
    client.say("hello", json!({})).await;
    assert_eq!(client.close_code().await, 4401);
}

#[tokio::test]
async fn the_welcome_says_who_one_is_and_what_one_gets() {
    let mut edge = Edge::start().await;
    let (_client, welcome, frames) = Client::join(&edge, AGENT, json!({"tab": "t-1"})).await;

    assert_eq!(welcome["agent"], "a102");
    assert_eq!(welcome["roles"], json!(["agent"]));
    assert_eq!(welcome["heartbeat_s"], 15);
    assert_eq!(welcome["lead"], true);
    assert_eq!(welcome["limits"], json!({"cmd_per_s": 20, "queue": 256}));
    assert_eq!(welcome["streams"][0]["stream"], "agent:a102");
    assert_eq!(welcome["streams"][0]["resumed"], false);
    assert!(welcome["session"].as_str().is_some_and(|id| id.starts_with("s-")));
    assert_eq!(frames[0]["type"], "snapshot");
    assert_eq!(frames[0]["data"]["presence"]["status"], "available");
    assert_eq!(frames[1]["type"], "sync.done");
    let report = tokio::time::timeout(SOON, edge.reports.recv()).await.unwrap().unwrap();
    assert_eq!(format!("{report:?}"), r#"Screens(AgentId("a102"), true)"#);
}

#[tokio::test]
async fn a_supervisor_gets_the_teams_and_the_board() {
    let edge = Edge::start().await;
    let (_client, welcome, _) = Client::join(&edge, SUPERVISOR, json!({})).await;

    let streams: Vec<&str> =
        welcome["streams"].as_array().unwrap().iter().map(|one| one["stream"].as_str().unwrap()).collect();
    assert_eq!(streams, ["agent:a200", "team:t1", "team:t2", "board:main"]);
    assert_eq!(welcome["roles"], json!(["agent", "supervisor"]));
}
