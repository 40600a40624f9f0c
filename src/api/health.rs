//! Health: live, ready, degraded with reasons. A node without its database is degraded, not unready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::ApiState;

/// How the node is, as whoever composes the process sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The node takes no new calls: it is being stopped.
    pub draining: bool,
    /// What does not work, one word or sentence each; calls go on.
    pub reasons: Vec<String>,
}

/// `GET /healthz/live`: the process answers; stays true while draining.
#[utoipa::path(get, path = "/healthz/live", tag = "health", responses((status = 200, description = "Alive")))]
pub async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// `GET /healthz/ready`.
#[utoipa::path(
    get, path = "/healthz/ready", tag = "health",
    responses((status = 200, description = "Ready or degraded, with reasons"), (status = 503, description = "Draining"))
)]
pub async fn ready(State(state): State<ApiState>) -> (StatusCode, Json<Value>) {
    let health = state.health.borrow().clone();
    let (code, status) = if health.draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if health.reasons.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    (code, Json(json!({"status": status, "reasons": health.reasons})))
}
