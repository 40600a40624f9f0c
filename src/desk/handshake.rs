//! From an HTTP request to a socket: subprotocol, origin and credentials, all before the upgrade.

use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::handle::{DeskHandle, ToRoom};
use super::limits::LIBRARY_BYTES;
use super::replies::Replies;
use super::settings::DeskSettings;
use super::socket;
use crate::api::{Problem, Session, Sessions, credentials};
use crate::driver::EngineHandle;
use crate::events::wire::SUBPROTOCOL;
use crate::presence::AgentId;
use crate::telemetry::metric;

/// Octets the library sets aside for each socket's reads, and gathers before it writes (F5: 300 KiB in all).
const READ_BUFFER_BYTES: usize = 8 * 1024;
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What every socket shares.
#[derive(Clone)]
pub struct WsState {
    pub(super) desk: DeskHandle,
    pub(super) sessions: Sessions,
    pub(super) engine: EngineHandle,
    pub(super) settings: Arc<DeskSettings>,
    pub(super) replies: Arc<Replies>,
}

impl WsState {
    /// The state of the route.
    pub fn new(desk: DeskHandle, sessions: Sessions, engine: EngineHandle) -> Self {
        let settings = desk.settings();
        let replies = Arc::new(Replies::new(settings.replies, settings.replies_last));
        Self { desk, sessions, engine, settings, replies }
    }

    /// A status was set at once, elsewhere: what the agent wanted for after the call is not wanted any more.
    pub async fn forget_next_status(&self, agent: &AgentId) {
        self.desk.tell(ToRoom::ForgetNext(agent.clone())).await;
    }
}

/// Why an origin may not open a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginRefusal {
    /// A cookie came without an `Origin`: no browser of ours does that.
    Missing,
    /// An `Origin` that is neither our own nor on the list.
    Foreign,
}

/// `GET /ws/v1`.
pub async fn upgrade(
    State(state): State<WsState>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(&state, &uri, &headers).await {
        Err(problem) => {
            tracing::info!(code = problem.code(), "a socket was refused before its upgrade");
            metrics::counter!(metric::REFUSED_REQUESTS, "reason" => problem.code()).increment(1);
            problem.into_response()
        }
        Ok(session) => match upgrade {
            Err(_) => Problem::new(StatusCode::BAD_REQUEST, "not_a_websocket", "This is a WebSocket address")
                .into_response(),
            Ok(upgrade) => upgrade
                .protocols([SUBPROTOCOL])
                .read_buffer_size(READ_BUFFER_BYTES)
                .write_buffer_size(WRITE_BUFFER_BYTES)
                .max_message_size(LIBRARY_BYTES)
                .max_frame_size(LIBRARY_BYTES)
                .on_upgrade(move |web_socket| socket::serve(web_socket, state, session)),
        },
    }
}

/// Whether the request's `Origin` may open a socket: our own host's, one on the list, or none when no cookie
/// is involved (a program, which no other site can make speak for a user). `Ok(true)` when it is our own
/// page.
///
/// # Errors
/// See [`OriginRefusal`].
pub fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<bool, OriginRefusal> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        let is_program = headers.contains_key(AUTHORIZATION) || credentials::cookie(headers).is_none();
        return if is_program { Ok(false) } else { Err(OriginRefusal::Missing) };
    };
    if origins.next().is_some() {
        return Err(OriginRefusal::Foreign);
    }
    let origin = origin.to_str().map_err(|_| OriginRefusal::Foreign)?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_own(origin, host) {
        return Ok(true);
    }
    if allowed.iter().any(|one| one.eq_ignore_ascii_case(origin)) {
        Ok(false)
    } else {
        Err(OriginRefusal::Foreign)
    }
}

async fn admit(state: &WsState, uri: &Uri, headers: &HeaderMap) -> Result<Option<Arc<Session>>, Problem> {
    // N58: nothing in the query, so that no token is ever there.
    if uri.query().is_some() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "query_refused", "This address takes no query"));
    }
    if !offers_our_protocol(headers) {
        let text = "The subprotocol spop.v1 is required";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "subprotocol_required", text));
    }
    let own_page = check_origin(headers, &state.settings.allowed_origins)
        .map_err(|_| Problem::new(StatusCode::FORBIDDEN, "origin_refused", "This origin may not connect"))?;
    if state.desk.is_full() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_sockets", "Too many sockets"));
    }
    let token = match credentials::bearer(headers) {
        Some(token) => Some(token?),
        None if own_page => credentials::cookie(headers),
        // The page of another origin has a ticket for its `hello`; a cookie that came along is not looked at.
        None => None,
    };
    let Some(token) = token else { return Ok(None) };
    match state.sessions.of_token(token).await {
        Ok(Some(session)) => Ok(Some(session)),
        Ok(None) => Err(Problem::unauthorized()),
        Err(_) => Err(Problem::unavailable()),
    }
}

fn offers_our_protocol(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|protocol| protocol.trim() == SUBPROTOCOL)
}

/// Whether an origin is the page this host serves: same host and same port, written or implied.
fn is_own(origin: &str, host: &str) -> bool {
    let (default_port, authority) = if let Some(authority) = origin.strip_prefix("http://") {
        ("80", authority)
    } else if let Some(authority) = origin.strip_prefix("https://") {
        ("443", authority)
    } else {
        return false;
    };
    !host.is_empty() && with_port(authority, default_port) == with_port(host, default_port)
}

fn with_port(authority: &str, default_port: &str) -> String {
    let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
        !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit()) && !host.is_empty()
    });
    // An IPv6 address without a port ends in a bracket, so its last group is never taken for one.
    let authority = authority.to_ascii_lowercase();
    if has_port { authority } else { format!("{authority}:{default_port}") }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::COOKIE;

    use super::*;

    #[test]
    fn n57_only_our_own_page_and_listed_origins_may_connect() {
        let allowed = ["https://crm.example".to_owned()];
        let check = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("good.example:8080"));
            headers.insert(COOKIE, HeaderValue::from_static("toritsugi_session=x"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            check_origin(&headers, &allowed)
        };
        assert_eq!(check(Some("http://good.example:8080")), Ok(true));
        assert_eq!(check(Some("https://GOOD.example:8080")), Ok(true));
        assert_eq!(check(Some("https://crm.example")), Ok(false));
        assert_eq!(check(None), Err(OriginRefusal::Missing));
        for foreign in [
            "null",
            "",
            "http://good.example",
            "http://good.example:8081",
            "https://good.example.evil:8080",
            "http://evil.example",
            "good.example:8080",
            "http://good.example:8080/",
            "http://good.example:8080@evil",
            "https://crm.example.evil",
        ] {
            assert_eq!(check(Some(foreign)), Err(OriginRefusal::Foreign), "{foreign}");
        }
    }

    #[test]
    fn an_implied_port_is_the_same_as_a_written_one() {
        assert!(is_own("https://a.example", "a.example:443"));
        assert!(is_own("http://a.example:80", "a.example"));
        assert!(is_own("http://[::1]", "[::1]:80"));
        assert!(!is_own("http://a.example", "a.example:443"));
    }

    #[test]
    fn a_program_needs_no_origin() {
        let mut headers = HeaderMap::new();
        assert_eq!(check_origin(&headers, &[]), Ok(false));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        headers.insert(COOKIE, HeaderValue::from_static("toritsugi_session=x"));
        assert_eq!(check_origin(&headers, &[]), Ok(false));
    }
}
