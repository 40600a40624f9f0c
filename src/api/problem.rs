//! Errors as `application/problem+json` (RFC 9457) with a stable `code`.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::engine::{ErrorCode, Refusal};
use crate::storage::StorageError;
use crate::telemetry::metric;

/// One error answer. Nothing in it tells what a stranger may not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    detail_ja: Option<String>,
    retry_after_s: Option<u64>,
    /// A further member and its name.
    further: Option<Box<(&'static str, Value)>>,
}

impl Problem {
    /// A problem with its stable code and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), detail_ja: None, retry_after_s: None, further: None }
    }

    /// 401: no session, or one that is over.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Log in first")
    }

    /// 403.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not do this")
    }

    /// 404: it is not there, or not for you; which of the two is not told.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such thing")
    }

    /// 503, to be tried again.
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "A part of the system is not available now")
            .retry_after(2)
    }

    /// 400: the request's form is wrong.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 422: the form is right, the content is not usable.
    pub fn unusable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The same with a time to wait.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The same with a further member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.further = Some(Box::new((name, value)));
        self
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(ja) = self.detail_ja {
            body["detail_ja"] = json!(ja);
        }
        if let Some(further) = self.further {
            body[further.0] = further.1;
        }
        let problem = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(CONTENT_TYPE, problem)], body.to_string()).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.code {
            ErrorCode::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            ErrorCode::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            ErrorCode::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            ErrorCode::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorCode::AlreadyTaken => (StatusCode::CONFLICT, "already_taken"),
            ErrorCode::Gone => (StatusCode::GONE, "gone"),
            ErrorCode::ApprovalRequired => (StatusCode::FORBIDDEN, "approval_required"),
            ErrorCode::TransferLimit => (StatusCode::CONFLICT, "transfer_limit"),
            ErrorCode::NoticeUnacked => (StatusCode::CONFLICT, "notice_unacked"),
            ErrorCode::ReadbackRequired => (StatusCode::CONFLICT, "readback_required"),
            ErrorCode::Validation => (StatusCode::UNPROCESSABLE_ENTITY, "validation"),
            ErrorCode::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            ErrorCode::PbxRefused => (StatusCode::BAD_GATEWAY, "pbx_refused"),
            ErrorCode::Timeout => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            ErrorCode::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            ErrorCode::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        let mut problem = Self::new(status, code, refusal.en);
        problem.detail_ja = Some(refusal.ja);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem.retry_after_s = Some(2);
        }
        problem
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Invalid(_) => Self::malformed("An argument is not usable"),
            StorageError::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "conflict", "It contradicts what is there")
            }
            StorageError::Unavailable(_)
            | StorageError::Locked
            | StorageError::Timeout
            | StorageError::Overloaded
            | StorageError::Corrupt(_)
            | StorageError::Migration(_)
            | StorageError::NotSupported(_) => {
                metrics::counter!(metric::REFUSED_REQUESTS, "reason" => "database").increment(1);
                Self::unavailable()
            }
        }
    }
}
