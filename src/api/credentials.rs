//! What a request shows to prove who sends it, and the guard in front of every route that needs a session.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::{ApiState, Problem, Session};

/// The session cookie's name.
pub const COOKIE_NAME: &str = "toritsugi_session";
/// The header a cookie's writes carry the CSRF token in.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The token of `Authorization: Bearer`, if there is such a header.
///
/// # Errors
/// 401 inside when there is one that is no Bearer, or several (N68).
pub fn bearer(headers: &HeaderMap) -> Option<Result<&str, Problem>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let first = all.next()?;
    let token = first.to_str().ok().filter(|_| all.next().is_none()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    Some(token.ok_or_else(Problem::unauthorized))
}

/// The token of our cookie. Two cookies of the name are none: one of them was planted.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let mut tokens = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='));
    let token = tokens.next()?;
    tokens.next().is_none().then_some(token)
}

/// Lets a request through when it has a session, and gives the handler the session as an extension. Writes with a
/// cookie need the CSRF token; a Bearer does not, because no other site can make a browser send it.
///
/// # Errors
/// 401 without a session, 403 without the CSRF token, 503 when the session cannot be looked up.
pub async fn guard(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let session = authenticate(&state, request.method(), request.headers()).await?;
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

async fn authenticate(state: &ApiState, method: &Method, headers: &HeaderMap) -> Result<Arc<Session>, Problem> {
    if let Some(token) = bearer(headers) {
        return state.sessions.of_token(token?).await?.ok_or_else(Problem::unauthorized);
    }
    let token = cookie(headers).ok_or_else(Problem::unauthorized)?;
    let session = state.sessions.of_token(token).await?.ok_or_else(Problem::unauthorized)?;
    let reads = *method == Method::GET || *method == Method::HEAD;
    let proven = headers.get(CSRF_HEADER).is_some_and(|value| session.csrf_matches(value.as_bytes()));
    if reads || proven {
        return Ok(session);
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "csrf", "A write with a cookie needs the X-CSRF-Token header"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn n68_only_one_bearer_counts() {
        let mut headers = HeaderMap::new();
        assert!(bearer(&headers).is_none());
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        assert!(bearer(&headers).is_some_and(|token| token.is_err()));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer abc"));
        assert_eq!(bearer(&headers).and_then(Result::ok), Some("abc"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer def"));
        assert!(bearer(&headers).is_some_and(|token| token.is_err()));
    }

    #[test]
    fn n85_a_planted_second_cookie_makes_none() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("a=b; toritsugi_session=abc; c=d"));
        assert_eq!(cookie(&headers), Some("abc"));
        headers.append(COOKIE, HeaderValue::from_static("toritsugi_session=evil"));
        assert_eq!(cookie(&headers), None);
    }
}
