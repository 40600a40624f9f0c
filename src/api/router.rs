//! The routes, and what lies around all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, HOST, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::credentials::guard;
use super::{
    Problem, Sessions, Store, agents, callbacks, calls, customers, health, log_in, openapi, page, rules,
};
use crate::desk::{self, WsState};
use crate::driver::EngineHandle;
use crate::routing::Directory;
use crate::routing::rules::RuleLimits;
use crate::telemetry::Health;

/// Octets of a request's body.
const BODY_BYTES: usize = 64 * 1024;

/// Octets of a request's body that carries rules: JSON may write an octet as six.
const RULES_BODY_BYTES: usize = 1024 * 1024;

/// A number as people write it, as E.164; `None` when it is none.
pub type Normalise = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where a request came from: the socket's own address, whatever headers claim (N68).
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// What the API can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// Marks the session cookie `Secure`: when we are served under TLS.
    pub secure_cookie: bool,
    /// Names this host answers to, as `host[:port]`; any when empty (N65).
    pub hosts: Vec<String>,
    /// For one request from its head to its answer.
    pub request_within: Duration,
    /// How the house's own rules are read and tried.
    pub rules: RuleSettings,
}

/// How the house's own rules are read and tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSettings {
    /// How large they may be.
    pub limits: RuleLimits,
    /// Recorded calls of one dry run.
    pub dry_run_calls: usize,
    /// The zone of times of day.
    pub zone: TimeZone,
    /// Emergency numbers the configuration adds.
    pub emergency: Vec<String>,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            limits: RuleLimits::default(),
            dry_run_calls: 10_000,
            zone: TimeZone::UTC,
            emergency: Vec::new(),
        }
    }
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            secure_cookie: false,
            hosts: Vec::new(),
            request_within: Duration::from_secs(10),
            rules: RuleSettings::default(),
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
pub struct ApiState {
    /// Log-ins.
    pub sessions: Sessions,
    /// The database.
    pub store: Arc<dyn Store>,
    /// The engine.
    pub engine: EngineHandle,
    /// Agents and lines.
    pub directory: watch::Receiver<Arc<Directory>>,
    /// How the node is.
    pub health: Health,
    /// Our own cleaner of numbers.
    pub normalise: Normalise,
    /// The state of `/ws/v1`.
    pub web_socket: WsState,
    /// Settings.
    pub settings: Arc<ApiSettings>,
}

/// Everything that is served. What is not in `open` needs a session: a new route is closed until somebody
/// opens it.
pub fn router(state: ApiState) -> Router {
    router_with(state, Router::new())
}

/// As [`router`], with further routes behind the same guard.
pub fn router_with(state: ApiState, further: Router<ApiState>) -> Router {
    let open = Router::new()
        .route("/api/v1/sessions", post(log_in::create))
        .route("/api/openapi.json", get(openapi::document))
        .route("/healthz/live", get(health::live))
        .route("/healthz/ready", get(health::ready));
    let guarded = Router::new()
        .route("/api/v1/sessions/current", get(log_in::current).delete(log_in::end))
        .route("/api/v1/ws-tickets", post(log_in::ticket))
        .route("/api/v1/agents", get(agents::list))
        .route("/api/v1/agents/{id}", get(agents::one))
        .route("/api/v1/agents/{id}/presence", put(agents::set_presence))
        .route("/api/v1/calls", get(calls::list))
        .route("/api/v1/calls/{id}", get(calls::one))
        .route("/api/v1/calls/{id}/trace", get(calls::trace))
        .route("/api/v1/callbacks", get(callbacks::list))
        .route("/api/v1/callbacks/{id}", get(callbacks::one).patch(callbacks::change))
        .route("/api/v1/customers", get(customers::list))
        .route("/api/v1/customers/{id}", get(customers::one))
        .route("/api/v1/customers/{id}/contacts", get(customers::contacts))
        .merge(rule_routes())
        .merge(further)
        .route_layer(from_fn_with_state(state.clone(), guard));
    let web_socket = Router::new().route("/ws/v1", get(desk::upgrade)).with_state(state.web_socket.clone());
    open.merge(guarded)
        .merge(web_socket)
        .fallback(page::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), around))
        .layer(from_fn(security_headers))
        .with_state(state)
}

/// Rules are longer than other bodies.
fn rule_routes() -> Router<ApiState> {
    Router::new()
        .route("/api/v1/rules", get(rules::list))
        .route("/api/v1/rules/{version}", get(rules::one))
        .route("/api/v1/rules/draft", put(rules::save))
        .route("/api/v1/rules/active", put(rules::activate))
        .route("/api/v1/rules/dry-run", post(rules::try_out))
        .layer(DefaultBodyLimit::max(RULES_BODY_BYTES))
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take this method",
    )
}

/// Host, tokens in the URL, and the time a request may take.
async fn around(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    if !state.settings.hosts.is_empty() && !host_is_ours(&state.settings.hosts, &request) {
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", "This is not that host")
            .into_response();
    }
    if request.uri().query().is_some_and(has_token) {
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "token_in_url",
            "A token never belongs into an address",
        )
        .into_response();
    }
    match tokio::time::timeout(state.settings.request_within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The request took too long").into_response()
        }
    }
}

/// N58: addresses end up in logs, proxies and histories.
fn has_token(query: &str) -> bool {
    const NAMES: [&str; 10] = [
        "token",
        "access_token",
        "auth",
        "authorization",
        "bearer",
        "jwt",
        "session",
        "ticket",
        "password",
        "api_key",
    ];
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

fn host_is_ours(hosts: &[String], request: &Request) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host)))
}

/// The headers of every answer; a page of ours loads nothing from elsewhere and is framed by nobody.
async fn security_headers(request: Request, next: Next) -> Response {
    const ALWAYS: [(&str, &str); 5] = [
        (
            "content-security-policy",
            "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             font-src 'self' data:; connect-src 'self'; worker-src 'self'; object-src 'none'; \
             frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // Only the client's own files say how long they may be kept.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n58_a_token_in_the_query_is_seen_whatever_its_case() {
        assert!(has_token("a=1&Token=x"));
        assert!(has_token("access_token"));
        assert!(!has_token("phone=0312345678&tokenless=1"));
    }
}
