//! Calls: live ones from the engine, ended ones from the database, and why each went where it went.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::request::{Parameters, page_limit};
use super::{ApiState, Problem, Session, rights};
use crate::engine::{Answer, ErrorCode, Refusal, Request};
use crate::events::CallRecord;
use crate::events::wire::to_value;
use crate::presence::{AgentId, CallId, CustomerId};
use crate::storage::CallFilter;

/// Which calls are wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `live` or `ended`; both when absent.
    state: Option<String>,
    /// Calls of this customer.
    customer: Option<String>,
    /// Calls of this agent.
    agent: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Items of a page, 1 to 500.
    limit: Option<u32>,
}

/// `GET /api/v1/calls`.
#[utoipa::path(
    get, path = "/api/v1/calls", tag = "calls", params(Wanted),
    responses((status = 200, description = "Live calls first, then ended ones, newest first"))
)]
pub async fn list(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Value>, Problem> {
    let limit = page_limit(wanted.limit)?;
    let (live, ended) = match wanted.state.as_deref() {
        None => (wanted.cursor.is_none(), true),
        Some("live") => (true, false),
        Some("ended") => (false, true),
        Some(_) => return Err(Problem::malformed("state is live or ended")),
    };
    let mut items = Vec::new();
    if live {
        let calls = live_calls(&state, &session, &wanted).await;
        // Without the engine there are still the ended calls, when those are wanted too.
        match calls {
            Ok(calls) => items.extend(calls.iter().map(document)),
            Err(problem) if !ended => return Err(problem),
            Err(_) => {}
        }
    }
    let mut next = None;
    if ended {
        let filter = ended_filter(&session, &wanted)?;
        let page = state.store.calls(&filter, wanted.cursor.as_deref(), limit).await?;
        let shown: Vec<Value> = items.iter().map(|item: &Value| item["id"].clone()).collect();
        items.extend(page.items.iter().map(document).filter(|item| !shown.contains(&item["id"])));
        next = page.next;
    }
    Ok(Json(json!({"items": items, "next": next})))
}

/// `GET /api/v1/calls/{id}`.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}", tag = "calls",
    params(("id" = String, Path, description = "Our call id")),
    responses((status = 200, description = "The call"), (status = 404, description = "No such call"))
)]
pub async fn one(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(document(&find(&state, &session, id).await?)))
}

/// `GET /api/v1/calls/{id}/trace`: every rule looked at, for each decision.
#[utoipa::path(
    get, path = "/api/v1/calls/{id}/trace", tag = "calls",
    params(("id" = String, Path, description = "Our call id")),
    responses((status = 200, description = "The decisions"), (status = 404, description = "No such call"))
)]
pub async fn trace(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let call = find(&state, &session, id).await?;
    Ok(Json(json!({"call": call.id, "decisions": call.traces})))
}

/// A call the user may see, live or ended. What they may not see is as if it were not there (N61, N74).
async fn find(state: &ApiState, session: &Session, id: String) -> Result<CallRecord, Problem> {
    let id = CallId::new(id);
    let live = match state.engine.ask(Request::LiveCall(id.clone())).await {
        Ok(Answer::Calls(calls)) => calls.into_iter().next(),
        Ok(
            Answer::Done { .. }
            | Answer::Passing { .. }
            | Answer::Presence(_)
            | Answer::Presences(_)
            | Answer::Callbacks(_),
        ) => None,
        Err(Refusal { code: ErrorCode::NotFound, .. }) => None,
        Err(refusal) => {
            tracing::debug!(code = ?refusal.code, "the engine did not say whether a call is live");
            None
        }
    };
    let call = match live {
        Some(call) => Some(call),
        None => state.store.call(&id).await?,
    };
    call.filter(|call| rights::may_see_call(session.role, session.agent.as_ref(), call))
        .ok_or_else(Problem::not_found)
}

async fn live_calls(
    state: &ApiState,
    session: &Session,
    wanted: &Wanted,
) -> Result<Vec<CallRecord>, Problem> {
    let calls = match state.engine.ask(Request::LiveCalls).await? {
        Answer::Calls(calls) => calls,
        Answer::Done { .. }
        | Answer::Passing { .. }
        | Answer::Presence(_)
        | Answer::Presences(_)
        | Answer::Callbacks(_) => Vec::new(),
    };
    let of_agent = |call: &CallRecord| {
        wanted.agent.as_deref().is_none_or(|agent| {
            let is = |one: &AgentId| one.as_str() == agent;
            call.agent.as_ref().is_some_and(is) || call.offered_to.iter().any(is)
        })
    };
    let of_customer = |call: &CallRecord| {
        wanted
            .customer
            .as_deref()
            .is_none_or(|id| call.customer.as_ref().is_some_and(|one| one.as_str() == id))
    };
    Ok(calls
        .into_iter()
        .filter(|call| rights::may_see_call(session.role, session.agent.as_ref(), call))
        .filter(|call| of_agent(call) && of_customer(call))
        .collect())
}

/// Plain agents get their own ended calls, whatever they ask for.
fn ended_filter(session: &Session, wanted: &Wanted) -> Result<CallFilter, Problem> {
    let asked = wanted.agent.as_deref().map(AgentId::new);
    let agent = if rights::sees_all(session.role) {
        asked
    } else {
        let own = session.agent.clone().ok_or_else(Problem::forbidden)?;
        if asked.is_some_and(|asked| asked != own) {
            return Err(Problem::forbidden());
        }
        Some(own)
    };
    Ok(CallFilter { agent, customer: wanted.customer.as_deref().map(CustomerId::new) })
}

/// A call without its traces, which have an address of their own.
fn document(call: &CallRecord) -> Value {
    let mut value = to_value(call);
    if let Value::Object(members) = &mut value {
        members.remove("traces");
        // What a decision knew is for dry runs.
        members.remove("facts");
        let state = if call.end_reason.is_some() || call.ended_at.is_some() { "ended" } else { "live" };
        members.insert("state".to_owned(), json!(state));
    }
    value
}
