//! Callbacks: open ones from the engine, those that are over from the database, and what people do with them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::request::{Body, Parameters, page_limit};
use super::{ApiState, Problem, Session, rights};
use crate::callback::{Callback, CallbackId, Step, Window};
use crate::engine::{Answer, CallbackChange, ErrorCode, Refusal, Request};
use crate::events::callback_value;
use crate::presence::AgentId;
use crate::storage::CallbackFilter;

/// Which callbacks are wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `open` (when absent) or `ended`.
    state: Option<String>,
    /// Those that this agent is to call. Plain agents get their own.
    person: Option<String>,
    /// Where the page before ended; of ended ones only.
    cursor: Option<String>,
    /// Items of a page, 1 to 500.
    limit: Option<u32>,
}

/// What is to be changed: one of them.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// `attempting`, `no_answer`, `done`, `failed`, `cancelled`, or `promised` with a window.
    state: Option<String>,
    /// The promised time.
    window: Option<Promised>,
    /// Who is to call.
    person: Option<String>,
}

/// A promised time.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promised {
    /// Not before (RFC 3339).
    start: String,
    /// Not after (RFC 3339).
    end: String,
}

/// `GET /api/v1/callbacks`.
#[utoipa::path(
    get, path = "/api/v1/callbacks", tag = "callbacks", params(Wanted),
    responses((status = 200, description = "Open callbacks, oldest first; or ended ones, newest first"))
)]
pub async fn list(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Value>, Problem> {
    let limit = page_limit(wanted.limit)?;
    let person = whose(&session, wanted.person.as_deref())?;
    let now = Timestamp::now();
    let shown = |callback: &Callback| callback_value(callback, now);
    match wanted.state.as_deref() {
        None | Some("open") => {
            let open = callbacks(state.engine.ask(Request::Callbacks(person)).await?);
            let items: Vec<Value> = open.iter().take(limit as usize).map(shown).collect();
            Ok(Json(json!({"items": items, "next": null})))
        }
        Some("ended") => {
            let filter = CallbackFilter { person };
            let page = state.store.ended_callbacks(&filter, wanted.cursor.as_deref(), limit).await?;
            let items: Vec<Value> = page.items.iter().map(shown).collect();
            Ok(Json(json!({"items": items, "next": page.next})))
        }
        Some(_) => Err(Problem::malformed("state is open or ended")),
    }
}

/// `GET /api/v1/callbacks/{id}`.
#[utoipa::path(
    get, path = "/api/v1/callbacks/{id}", tag = "callbacks",
    params(("id" = String, Path, description = "The callback's id")),
    responses((status = 200, description = "The callback"), (status = 404, description = "No such callback"))
)]
pub async fn one(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = CallbackId::new(id);
    let open = match open_one(&state, &session, &id).await {
        Ok(callback) => Some(callback),
        Err(Refusal { code: ErrorCode::NotFound, .. }) => None,
        Err(refusal) => return Err(refusal.into()),
    };
    let callback = match open {
        Some(callback) => Some(callback),
        None => state.store.callback(&id).await?,
    };
    let callback = callback.filter(|it| rights::may_work_on(session.role, session.agent.as_ref(), it));
    let callback = callback.ok_or_else(Problem::not_found)?;
    Ok(Json(callback_value(&callback, Timestamp::now())))
}

/// `PATCH /api/v1/callbacks/{id}`.
#[utoipa::path(
    patch, path = "/api/v1/callbacks/{id}", tag = "callbacks", request_body = Change,
    params(("id" = String, Path, description = "The callback's id")),
    responses(
        (status = 200, description = "The callback as it now is"),
        (status = 403, description = "Only owner and managers promise a time, only supervisors assign"),
        (status = 404, description = "No such callback is open"),
        (status = 409, description = "It cannot go on to that state"),
        (status = 422, description = "The window ends before it begins, or is over")
    )
)]
pub async fn change(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
    Body(change): Body<Change>,
) -> Result<Json<Value>, Problem> {
    let id = CallbackId::new(id);
    let callback = open_one(&state, &session, &id).await?;
    let change = read_change(change)?;
    rights::may_change_callback(session.role, session.agent.as_ref(), &callback, &change)?;
    // What the callback was when it was looked at: it may be another's by now.
    let of = (!rights::sees_all(session.role)).then(|| session.agent.clone()).flatten();
    let request = Request::ChangeCallback { id, change, of, user: session.user.clone() };
    let changed = callbacks(state.engine.ask(request).await?).pop().ok_or_else(Problem::not_found)?;
    Ok(Json(callback_value(&changed, Timestamp::now())))
}

fn read_change(change: Change) -> Result<CallbackChange, Problem> {
    let moment = |text: &str| {
        text.parse::<Timestamp>().map_err(|_| Problem::malformed("start and end are RFC 3339 times"))
    };
    match (change.state.as_deref(), change.window, change.person) {
        (None, None, Some(person)) => Ok(CallbackChange::Assign(AgentId::new(person))),
        (None | Some("promised"), Some(window), None) => {
            Ok(CallbackChange::Promise(Window { start: moment(&window.start)?, end: moment(&window.end)? }))
        }
        (Some(state), None, None) => step(state).map(CallbackChange::Step).ok_or_else(|| {
            Problem::malformed(
                "state is attempting, no_answer, done, failed, cancelled, or promised with a window",
            )
        }),
        _ => Err(Problem::malformed("Give one of state, window and person")),
    }
}

/// The step that leads to a state.
pub fn step(state: &str) -> Option<Step> {
    match state {
        "attempting" => Some(Step::Attempt),
        "no_answer" => Some(Step::NoAnswer),
        "done" => Some(Step::Finish),
        "failed" => Some(Step::Fail),
        "cancelled" => Some(Step::Cancel),
        _other => None,
    }
}

/// An open callback the user may see; what they may not see is as if it were not there (N74).
async fn open_one(state: &ApiState, session: &Session, id: &CallbackId) -> Result<Callback, Refusal> {
    let answer = state.engine.ask(Request::Callback(id.clone())).await?;
    callbacks(answer)
        .pop()
        .filter(|it| rights::may_work_on(session.role, session.agent.as_ref(), it))
        .ok_or_else(|| Refusal::of(ErrorCode::NotFound, "見つかりません", "Not found"))
}

/// Plain agents get their own, whatever they ask for.
fn whose(session: &Session, asked: Option<&str>) -> Result<Option<AgentId>, Problem> {
    let asked = asked.map(AgentId::new);
    if rights::sees_all(session.role) {
        return Ok(asked);
    }
    let own = session.agent.clone().ok_or_else(Problem::forbidden)?;
    if asked.is_some_and(|asked| asked != own) { Err(Problem::forbidden()) } else { Ok(Some(own)) }
}

fn callbacks(answer: Answer) -> Vec<Callback> {
    match answer {
        Answer::Callbacks(callbacks) => callbacks,
        Answer::Done { .. }
        | Answer::Passing { .. }
        | Answer::Presence(_)
        | Answer::Presences(_)
        | Answer::Calls(_) => Vec::new(),
    }
}
