//! The OpenAPI document, made from the handlers.

use axum::Json;
use utoipa::OpenApi;

use super::{agents, callbacks, calls, customers, health, log_in, rules};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "toritsugi",
        description = "Screen-pop and routing for SIP calls. Errors are problem+json (RFC 9457)."
    ),
    paths(
        log_in::create,
        log_in::current,
        log_in::end,
        log_in::ticket,
        agents::list,
        agents::one,
        agents::set_presence,
        calls::list,
        calls::one,
        calls::trace,
        callbacks::list,
        callbacks::one,
        callbacks::change,
        customers::list,
        customers::one,
        customers::contacts,
        rules::list,
        rules::one,
        rules::save,
        rules::activate,
        rules::try_out,
        health::live,
        health::ready,
        document,
    )
)]
struct Document;

/// `GET /api/openapi.json`.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "about",
    responses((status = 200, description = "This document"))
)]
pub async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
