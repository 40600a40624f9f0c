//! Agents and their presence.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::request::Body;
use super::{ApiState, Problem, Session, StatusFault, read_status, rights};
use crate::engine::{Answer, ErrorCode, Refusal, Request};
use crate::presence::{AgentId, AgentStatus, PresenceDocument, SetBy};
use crate::routing::Agent;

/// A wish for a status.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// `available`, `away` or `offline`.
    status: String,
    /// `day_off`, `sick`, `meeting`, `other_case`, `break`, `left_for_day`, `out` or `custom:NAME`; with
    /// `away` only.
    reason: Option<String>,
    /// Expected back, RFC 3339.
    until: Option<String>,
    /// The next start of work, RFC 3339.
    next_start: Option<String>,
}

/// `GET /api/v1/agents`.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents",
    responses((status = 200, description = "All agents with their presence"))
)]
pub async fn list(State(state): State<ApiState>) -> Result<Json<Value>, Problem> {
    let presences = presences(&state).await?;
    let directory = Arc::clone(&state.directory.borrow());
    let items: Vec<Value> =
        directory.agents.values().map(|agent| document(agent, presences.get(&agent.id))).collect();
    Ok(Json(json!({"items": items, "next": null})))
}

/// `GET /api/v1/agents/{id}`.
#[utoipa::path(
    get, path = "/api/v1/agents/{id}", tag = "agents",
    params(("id" = String, Path, description = "The agent's id")),
    responses(
        (status = 200, description = "The agent with presence"),
        (status = 404, description = "No such agent"),
    )
)]
pub async fn one(State(state): State<ApiState>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let id = AgentId::new(id);
    let agent = state.directory.borrow().agents.get(&id).cloned().ok_or_else(Problem::not_found)?;
    let presences = presences(&state).await?;
    Ok(Json(document(&agent, presences.get(&id))))
}

/// `PUT /api/v1/agents/{id}/presence`.
#[utoipa::path(
    put, path = "/api/v1/agents/{id}/presence", tag = "agents", request_body = Wish,
    params(("id" = String, Path, description = "The agent's id")),
    responses(
        (status = 200, description = "The presence document"),
        (status = 403, description = "Not yours to set, or set by a supervisor"),
        (status = 422, description = "Unknown status or reason"),
    )
)]
pub async fn set_presence(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
    Body(wish): Body<Wish>,
) -> Result<Json<PresenceDocument>, Problem> {
    let agent = AgentId::new(id);
    let by = rights::may_set_presence(session.role, session.agent.as_ref(), &agent)?;
    let status =
        read_status(&wish.status, wish.reason.as_deref(), wish.until.as_deref(), wish.next_start.as_deref())
            .map_err(|fault| Problem::unusable(fault_code(fault), fault.en()))?;
    if !state.directory.borrow().agents.contains_key(&agent) {
        return Err(Problem::not_found());
    }
    state.web_socket.forget_next_status(&agent).await;
    let set = set_as(&state, &session, &agent, &status, by).await;
    // A supervisor's own absence that another supervisor set is still a supervisor's to undo.
    let set = match set {
        Err(Refusal { code: ErrorCode::Forbidden, .. })
            if by == SetBy::Manual && rights::sees_all(session.role) =>
        {
            set_as(&state, &session, &agent, &status, SetBy::Supervisor).await
        }
        other => other,
    };
    Ok(Json(set?))
}

async fn set_as(
    state: &ApiState,
    session: &Session,
    agent: &AgentId,
    status: &AgentStatus,
    by: SetBy,
) -> Result<PresenceDocument, Refusal> {
    let (agent, status, user) = (agent.clone(), status.clone(), session.user.clone());
    match state.engine.ask(Request::SetPresence { agent, status, by, user }).await? {
        Answer::Presence(document) => Ok(document),
        Answer::Done { .. }
        | Answer::Passing { .. }
        | Answer::Presences(_)
        | Answer::Callbacks(_)
        | Answer::Calls(_) => Err(unexpected()),
    }
}

async fn presences(state: &ApiState) -> Result<BTreeMap<AgentId, PresenceDocument>, Problem> {
    match state.engine.ask(Request::Presences).await? {
        Answer::Presences(list) => Ok(list.into_iter().map(|one| (one.agent.clone(), one)).collect()),
        Answer::Done { .. }
        | Answer::Passing { .. }
        | Answer::Presence(_)
        | Answer::Callbacks(_)
        | Answer::Calls(_) => Err(unexpected().into()),
    }
}

/// The agent as others may see it; the telephone's address is nobody's business here.
fn document(agent: &Agent, presence: Option<&PresenceDocument>) -> Value {
    json!({
        "id": agent.id, "name": agent.name, "kana": agent.kana, "role": agent.role,
        "groups": agent.groups, "skills": agent.skills, "presence": presence,
    })
}

const fn fault_code(fault: StatusFault) -> &'static str {
    match fault {
        StatusFault::UnknownStatus => "unknown_status",
        StatusFault::ReasonMissing => "reason_missing",
        StatusFault::UnknownReason => "unknown_reason",
        StatusFault::NotAway => "not_away",
        StatusFault::BadTime => "bad_time",
    }
}

/// An answer of the wrong kind: a fault of ours.
fn unexpected() -> Refusal {
    Refusal::of(ErrorCode::Internal, "内部エラーです", "Something of ours went wrong")
}
