//! Sessions and tickets over REST.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::credentials::COOKIE_NAME;
use super::request::Body;
use super::router::PeerAddress;
use super::sessions::LogInRefusal;
use super::{ApiState, Problem, Session, rights};
use crate::events::wire::time_text;

/// Octets of a name and a password, at most.
const NAME_LENGTH: usize = 256;
const PASSWORD_LENGTH: usize = 1_024;

/// The body of a log-in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    name: String,
    password: String,
}

/// `POST /api/v1/sessions`.
#[utoipa::path(
    post, path = "/api/v1/sessions", tag = "sessions", request_body = LogIn,
    responses(
        (status = 201, description = "Session cookie, and token, agent, roles, name, csrf, expires"),
        (status = 401, description = "Unknown user or wrong password"),
        (status = 429, description = "Too many failures"),
    )
)]
pub async fn create(
    State(state): State<ApiState>,
    Extension(PeerAddress(source)): Extension<PeerAddress>,
    Body(body): Body<LogIn>,
) -> Result<Response, Problem> {
    if body.name.is_empty() || body.name.len() > NAME_LENGTH || body.password.len() > PASSWORD_LENGTH {
        return Err(Problem::malformed("A name or password of this length cannot be"));
    }
    let (token, session) =
        state.sessions.log_in(&body.name, &body.password, source.ip()).await.map_err(refuse)?;
    tracing::info!(session = %session.label(), role = session.role.as_str(), "logged in");
    let mut document = document(&session);
    document["token"] = json!(token);
    let cookie = cookie(&token, state.settings.secure_cookie, None);
    Ok((StatusCode::CREATED, [(SET_COOKIE, cookie)], Json(document)).into_response())
}

/// `GET /api/v1/sessions/current`.
#[utoipa::path(
    get, path = "/api/v1/sessions/current", tag = "sessions",
    responses((status = 200, description = "agent, roles, name, csrf, expires"))
)]
pub async fn current(Extension(session): Extension<Arc<Session>>) -> Json<Value> {
    Json(document(&session))
}

/// `DELETE /api/v1/sessions/current`: also closes the session's sockets.
#[utoipa::path(
    delete, path = "/api/v1/sessions/current", tag = "sessions",
    responses((status = 204, description = "Logged out"))
)]
pub async fn end(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
) -> Result<Response, Problem> {
    state.sessions.end(&session).await?;
    tracing::info!(session = %session.label(), "logged out");
    let cookie = cookie("", state.settings.secure_cookie, Some(0));
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// `POST /api/v1/ws-tickets`: for a page of another origin that embeds the client.
#[utoipa::path(
    post, path = "/api/v1/ws-tickets", tag = "sessions",
    responses((status = 201, description = "A ticket, good once within 30 s"))
)]
pub async fn ticket(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
) -> (StatusCode, Json<Value>) {
    (StatusCode::CREATED, Json(json!({"ticket": state.sessions.issue_ticket(&session)})))
}

fn document(session: &Session) -> Value {
    json!({
        "name": session.user,
        "agent": session.agent,
        "roles": rights::role_words(session.role),
        "csrf": session.csrf,
        "expires": time_text(session.expires_at()),
    })
}

fn cookie(token: &str, secure: bool, max_age_s: Option<u32>) -> HeaderValue {
    let mut text = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
    if secure {
        text.push_str("; Secure");
    }
    if let Some(seconds) = max_age_s {
        text.push_str(&format!("; Max-Age={seconds}"));
    }
    HeaderValue::try_from(text).expect("base64url and fixed ASCII words make a header value")
}

fn refuse(refusal: LogInRefusal) -> Problem {
    metrics::counter!("toritsugi_api_log_in_refused_total").increment(1);
    match refusal {
        LogInRefusal::Credentials => {
            Problem::new(StatusCode::UNAUTHORIZED, "credentials", "Unknown name or wrong password")
        }
        LogInRefusal::Limited(wait) => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many failures; wait a moment")
                .retry_after(wait.as_secs().max(1))
        }
        LogInRefusal::Unavailable => Problem::unavailable(),
    }
}
