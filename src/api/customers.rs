//! Customers: by number, by id, and their history.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::request::{Parameters, page_limit};
use super::{ApiState, Problem};
use crate::customer::CustomerCard;
use crate::presence::CustomerId;

/// Which customers are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// A number as people write it.
    phone: Option<String>,
}

/// Which part of a history is wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Where the page before ended.
    cursor: Option<String>,
    /// Items of a page, 1 to 500.
    limit: Option<u32>,
}

/// `GET /api/v1/customers?phone=`.
#[utoipa::path(
    get, path = "/api/v1/customers", tag = "customers", params(Wanted),
    responses((status = 200, description = "Customers with that number; none, one or several"))
)]
pub async fn list(
    State(state): State<ApiState>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Json<Value>, Problem> {
    let phone = wanted.phone.ok_or_else(|| Problem::malformed("phone is required"))?;
    // A plus sign that was not percent-encoded arrives as a space.
    let phone = phone.strip_prefix(' ').map_or_else(|| phone.clone(), |digits| format!("+{digits}"));
    let items = match (state.normalise)(&phone) {
        Some(e164) => state.store.lookup(&e164).await?,
        None => Vec::new(),
    };
    Ok(Json(json!({"items": items, "next": null})))
}

/// `GET /api/v1/customers/{id}`.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "The customer's id")),
    responses((status = 200, description = "The customer"), (status = 404, description = "No such customer"))
)]
pub async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<CustomerCard>, Problem> {
    state.store.customer(&CustomerId::new(id)).await?.map(Json).ok_or_else(Problem::not_found)
}

/// `GET /api/v1/customers/{id}/contacts`.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}/contacts", tag = "customers",
    params(("id" = String, Path, description = "The customer's id"), Part),
    responses((status = 200, description = "The history, newest first"), (status = 404, description = "No such customer"))
)]
pub async fn contacts(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    Parameters(part): Parameters<Part>,
) -> Result<Json<Value>, Problem> {
    let limit = page_limit(part.limit)?;
    let id = CustomerId::new(id);
    state.store.customer(&id).await?.ok_or_else(Problem::not_found)?;
    let page = state.store.contacts(&id, part.cursor.as_deref(), limit).await?;
    Ok(Json(json!({"items": page.items, "next": page.next})))
}
