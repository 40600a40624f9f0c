//! Health: live, ready, degraded with reasons. A node without its database is degraded, not unready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::ApiState;

/// `GET /healthz/live`: the process answers; stays true while draining.
#[utoipa::path(get, path = "/healthz/live", tag = "health", responses((status = 200, description = "Alive")))]
pub async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// `GET /healthz/ready`: `ready`, `degraded` with reasons (still 200), or `draining`.
#[utoipa::path(
    get, path = "/healthz/ready", tag = "health",
    responses(
        (status = 200, description = "Ready or degraded, with reasons"),
        (status = 503, description = "Draining"),
    )
)]
pub async fn ready(State(state): State<ApiState>) -> (StatusCode, Json<Value>) {
    let health = state.health.snapshot();
    let (code, status) = if !health.ready {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if health.degraded.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    (code, Json(json!({"status": status, "reasons": health.degraded})))
}
