//! The REST interface, as a program uses it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

/// A client that is logged in, or not yet.
#[derive(Clone)]
pub struct Api {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

/// A status and what came with it; `Null` for an empty or a foreign body.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON document.
    pub body: Value,
}

impl Api {
    /// A client without a log-in.
    pub fn new(http: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        Self { agent: config.into(), base: format!("http://{http}"), token: None }
    }

    /// Logs in and keeps the token.
    pub fn log_in(http: SocketAddr, name: &str, password: &str) -> Self {
        let mut api = Self::new(http);
        let answer = api.post("/api/v1/sessions", &json!({ "name": name, "password": password }));
        assert_eq!(answer.status, 201, "{name} cannot log in: {answer:?}");
        let token = answer.body["token"].as_str().expect("a log-in has a token");
        api.token = Some(token.to_owned());
        api
    }

    /// The token of the log-in.
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("log in first")
    }

    /// GET; `None` when nobody answers.
    pub fn try_get(&self, path: &str) -> Option<Answer> {
        self.authorised(self.agent.get(self.url(path))).call().ok().map(read)
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|| panic!("GET {path}: no answer"))
    }

    /// POST of a JSON document.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let sent = self.authorised(self.agent.post(self.url(path))).send_json(body);
        read(sent.unwrap_or_else(|error| panic!("POST {path}: {error}")))
    }

    /// PATCH of a JSON document.
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        let sent = self.authorised(self.agent.patch(self.url(path))).send_json(body);
        read(sent.unwrap_or_else(|error| panic!("PATCH {path}: {error}")))
    }

    /// PUT of a JSON document.
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        let sent = self.authorised(self.agent.put(self.url(path))).send_json(body);
        read(sent.unwrap_or_else(|error| panic!("PUT {path}: {error}")))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn authorised<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().unwrap_or_default();
    Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
}
