//! Reading requests: bodies and queries with our answers when they are wrong.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Problem;

/// Items of a page when nothing is said, and at most.
const LIMIT: (u32, u32) = (50, 500);

/// A JSON body. Unknown members are refused where the type says so (N75).
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

/// A query string.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::malformed("A parameter is unknown or not usable")),
        }
    }
}

/// The wanted size of a page.
///
/// # Errors
/// 400 beyond 1..=500.
pub fn page_limit(wanted: Option<u32>) -> Result<u32, Problem> {
    match wanted {
        None => Ok(LIMIT.0),
        Some(wanted) if (1..=LIMIT.1).contains(&wanted) => Ok(wanted),
        Some(_) => Err(Problem::malformed("limit is between 1 and 500")),
    }
}

fn refuse(rejection: &JsonRejection) -> Problem {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json_required",
            "The body is JSON, with Content-Type: application/json",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large for this address")
        }
        _malformed => Problem::malformed("The body is not what this address takes"),
    }
}
