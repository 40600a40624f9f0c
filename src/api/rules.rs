//! The house's own rules: saved, put in force, and tried on recorded calls. Administrators only.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::request::Body;
use super::{ApiState, Problem, Session, rights};
use crate::routing::Abilities;
use crate::routing::rules::{LintFacts, RuleFault, RuleSet, dry_run, lint};
use crate::storage::RuleVersion;

/// Characters of a note.
const NOTE_CHARS: usize = 500;

/// A set of rules to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The rules, as TOML.
    text: String,
    /// What is different, for those who read the list later.
    #[serde(default)]
    note: String,
}

/// Which version is to be in force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The version; null: none, and the built-in steps alone decide.
    version: Option<i64>,
}

/// What is to be tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// A text that need not be saved; or
    text: Option<String>,
    /// a version that was.
    version: Option<i64>,
    /// How many of the last calls; all that may be looked at when absent.
    calls: Option<usize>,
}

/// `GET /api/v1/rules`.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "rules",
    responses(
        (status = 200, description = "The versions, newest first, at most 500"),
        (status = 403, description = "For administrators only"),
    )
)]
pub async fn list(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
) -> Result<Json<Value>, Problem> {
    rights::may_edit_rules(session.role)?;
    let versions = state.store.rule_versions().await?;
    let active = versions.iter().find(|version| version.active).map(|version| version.version);
    let items: Vec<Value> = versions.iter().map(document).collect();
    Ok(Json(json!({"items": items, "next": null, "active": active})))
}

/// `GET /api/v1/rules/{version}`.
#[utoipa::path(
    get, path = "/api/v1/rules/{version}", tag = "rules",
    params(("version" = i64, Path, description = "The version")),
    responses(
        (status = 200, description = "The version with its text"),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "No such version"),
    )
)]
pub async fn one(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Path(version): Path<String>,
) -> Result<Json<Value>, Problem> {
    rights::may_edit_rules(session.role)?;
    let version = version.parse().map_err(|_| Problem::not_found())?;
    let (version, text) = state.store.rules(version).await?.ok_or_else(Problem::not_found)?;
    let mut shown = document(&version);
    shown["text"] = json!(text);
    Ok(Json(shown))
}

/// `PUT /api/v1/rules/draft`: a new version, not yet in force.
#[utoipa::path(
    put, path = "/api/v1/rules/draft", tag = "rules", request_body = Draft,
    responses(
        (status = 201, description = "Kept, with what may not be meant"),
        (status = 403, description = "For administrators only"),
        (status = 422, description = "Refused, with every fault and its line"),
    )
)]
pub async fn save(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Body(draft): Body<Draft>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    rights::may_edit_rules(session.role)?;
    if draft.note.chars().count() > NOTE_CHARS || draft.note.chars().any(char::is_control) {
        return Err(Problem::unusable(
            "note",
            format!("A note is one line of at most {NOTE_CHARS} characters"),
        ));
    }
    let (_, warnings) = read(&state, &draft.text)?;
    let version = state.store.save_rules(&draft.text, &draft.note, &session.user, Timestamp::now()).await?;
    Ok((StatusCode::CREATED, Json(json!({"version": version, "warnings": warnings}))))
}

/// `PUT /api/v1/rules/active`: puts a version in force within a second, or none.
#[utoipa::path(
    put, path = "/api/v1/rules/active", tag = "rules", request_body = Choice,
    responses(
        (status = 200, description = "In force"),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "No such version"),
        (status = 422, description = "No longer usable in this house, with every fault"),
    )
)]
pub async fn activate(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Body(choice): Body<Choice>,
) -> Result<Json<Value>, Problem> {
    rights::may_edit_rules(session.role)?;
    let mut warnings = Vec::new();
    if let Some(version) = choice.version {
        let (_, text) = state.store.rules(version).await?.ok_or_else(Problem::not_found)?;
        (_, warnings) = read(&state, &text)?;
    }
    state.store.activate_rules(choice.version, &session.user, Timestamp::now()).await?;
    Ok(Json(json!({"active": choice.version, "warnings": warnings})))
}

/// `POST /api/v1/rules/dry-run`: which of the last calls would have gone elsewhere, and why. Nothing changes.
#[utoipa::path(
    post, path = "/api/v1/rules/dry-run", tag = "rules", request_body = Trial,
    responses(
        (status = 200, description = "Counts, and the first 200 calls that would have gone elsewhere"),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "No such version"),
        (status = 422, description = "The rules are not usable, with every fault"),
    )
)]
pub async fn try_out(
    State(state): State<ApiState>,
    Extension(session): Extension<Arc<Session>>,
    Body(trial): Body<Trial>,
) -> Result<Json<Value>, Problem> {
    rights::may_edit_rules(session.role)?;
    let text = match (trial.text, trial.version) {
        (Some(text), None) => text,
        (None, Some(version)) => state.store.rules(version).await?.ok_or_else(Problem::not_found)?.1,
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::malformed("Give either text or version"));
        }
    };
    let (set, warnings) = read(&state, &text)?;
    let most = state.settings.rules.dry_run_calls;
    let calls = state.store.recorded_decisions(trial.calls.unwrap_or(most).min(most)).await?;
    let directory = Arc::clone(&state.directory.borrow());
    let zone = state.settings.rules.zone.clone();
    let run = tokio::task::spawn_blocking(move || {
        let calls = calls.iter().map(|it| (it.call.as_str(), it.facts.as_ref(), it.action.clone()));
        dry_run(&Arc::new(set), &directory, &zone, Abilities::ALL, calls)
    });
    let run = run.await.map_err(|_| Problem::unavailable())?;
    let mut shown = serde_json::to_value(run).map_err(|_| Problem::unavailable())?;
    shown["warnings"] = json!(warnings);
    Ok(Json(shown))
}

/// The rules of a text, with what may not be meant.
fn read(state: &ApiState, text: &str) -> Result<(RuleSet, Vec<RuleFault>), Problem> {
    let refuse = |faults: Vec<RuleFault>| {
        let first = faults.first().map(ToString::to_string).unwrap_or_default();
        Problem::unusable("rules", first).with("faults", json!(faults))
    };
    let set = RuleSet::parse(text, &state.settings.rules.limits).map_err(refuse)?;
    let directory = Arc::clone(&state.directory.borrow());
    let facts = LintFacts { directory: &directory, emergency: &state.settings.rules.emergency };
    let warnings = lint(&set, &facts).map_err(refuse)?;
    Ok((set, warnings))
}

fn document(version: &RuleVersion) -> Value {
    json!({
        "version": version.version,
        "saved_at": version.saved_at,
        "saved_by": version.saved_by,
        "note": version.note,
        "active": version.active,
    })
}
