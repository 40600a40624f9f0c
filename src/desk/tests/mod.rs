//! The desk over real loopback sockets.

mod close;
mod command;
mod handshake;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::api::testing::{AGENT, Edge};
use crate::events::{
    Audience, CallerInfo, DialledInfo, Event, EventBody, MatchInfo, MatchLevel, OfferInfo, OpenItems,
    PopDocument, Sources, TransferInfo,
};
use crate::guidance::Guidance;
use crate::presence::{AgentId, CallId, OfferId};

/// Nothing in these tests takes longer unless it is broken.
pub(super) const SOON: Duration = Duration::from_secs(5);

/// A client of the protocol.
pub(super) struct Client {
    web_socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Connects with these headers and the subprotocol; the status when the upgrade is refused.
    pub(super) async fn upgrade(
        edge: &Edge,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{}{path}", edge.address).into_client_request().unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((web_socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "spop.v1");
                Ok(Self { web_socket })
            }
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Connects as a program with this token, without saying hello.
    pub(super) async fn connect(edge: &Edge, token: &str) -> Self {
        let bearer = format!("Bearer {token}");
        let headers = [("sec-websocket-protocol", "spop.v1"), ("authorization", bearer.as_str())];
        Self::upgrade(edge, "/ws/v1", &headers).await.unwrap()
    }

    /// Connects and reads up to the last `sync.done`; gives the welcome and what came after it.
    pub(super) async fn join(edge: &Edge, token: &str, hello: Value) -> (Self, Value, Vec<Value>) {
        let mut client = Self::connect(edge, token).await;
        client.say("hello", hello).await;
        let welcome = client.frame().await;
        assert_eq!(welcome["kind"], "welcome", "{welcome}");
        let streams = welcome["data"]["streams"].as_array().unwrap().len();
        let mut frames = Vec::new();
        while frames.iter().filter(|frame: &&Value| frame["type"] == "sync.done").count() < streams {
            frames.push(client.frame().await);
        }
        (client, welcome["data"].clone(), frames)
    }

    pub(super) async fn agent(edge: &Edge) -> Self {
        Self::join(edge, AGENT, json!({})).await.0
    }

    pub(super) async fn say(&mut self, kind: &str, data: Value) {
        self.send(json!({"v": 1, "kind": kind, "data": data})).await;
    }

    pub(super) async fn send(&mut self, frame: Value) {
        self.text(&frame.to_string()).await;
    }

    pub(super) async fn text(&mut self, text: &str) {
        self.message(Message::text(text)).await;
    }

    pub(super) async fn message(&mut self, message: Message) {
        // The other side may have closed already; what it said is read afterwards.
        drop(self.web_socket.send(message).await);
    }

    pub(super) async fn command(&mut self, name: &str, id: &str, data: Value) -> Value {
        self.send(json!({"v": 1, "kind": "command", "type": name, "id": id, "data": data})).await;
        self.until("reply").await
    }

    pub(super) async fn about_call(&mut self, name: &str, id: &str, data: Value) -> Value {
        let frame =
            json!({"v": 1, "kind": "command", "type": name, "id": id, "call": "c-1", "rev": 2, "data": data});
        self.send(frame).await;
        self.until("reply").await
    }

    /// The next frame of the protocol.
    pub(super) async fn frame(&mut self) -> Value {
        match self.next().await {
            Ok(frame) => frame,
            Err(code) => panic!("closed with {code} instead of a frame"),
        }
    }

    /// The next frame that is no ping.
    pub(super) async fn event(&mut self) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["kind"] != "ping" {
                return frame;
            }
        }
    }

    pub(super) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["kind"] == kind {
                return frame;
            }
        }
    }

    /// Reads to the end; the code the server closed with, 1006 when it went without a word.
    pub(super) async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    pub(super) async fn close(mut self) {
        self.web_socket.close(None).await.unwrap();
    }

    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message =
                tokio::time::timeout(SOON, self.web_socket.next()).await.expect("something comes soon");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(1006),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
            }
        }
    }
}

pub(super) fn audience(agent: &str) -> Vec<Audience> {
    vec![Audience::Agent(AgentId::new(agent))]
}

pub(super) fn event(agent: &str, body: EventBody) -> Event {
    let at = Timestamp::now();
    Event { at, call: Some(CallId::new("c-1")), rev: Some(1), audience: audience(agent), expires: None, body }
}

pub(super) fn offered(agent: &str, offer: &str) -> Event {
    let body = EventBody::PopOffered { offer: OfferId::new(offer), announce: true, pop: Arc::new(pop("")) };
    Event { expires: Some(Timestamp::now() + SignedDuration::from_secs(30)), ..event(agent, body) }
}

/// A card; `padding` makes it large.
pub(super) fn pop(padding: &str) -> PopDocument {
    let offer =
        OfferInfo { reason: "group".into(), rule: "r-1".into(), ring_limit_s: 10, others: 1, via: None };
    let caller = CallerInfo {
        presentation: "withheld".into(),
        e164: None,
        national: None,
        kind: None,
        name: None,
        verified: None,
        diverted_by: None,
        label_ja: Some("非通知".into()),
        label_en: Some("Withheld".into()),
    };
    PopDocument {
        offer,
        caller,
        dialled: DialledInfo {
            number: "0120-123-456".into(),
            client: "cl-7".into(),
            client_name: padding.into(),
        },
        matched: MatchInfo { level: MatchLevel::None, count: 0, customer: None, candidates: vec![] },
        notices: vec![],
        flags: vec![],
        assignee: None,
        contacts: vec![],
        open: OpenItems::default(),
        guidance: Guidance::default(),
        actions: vec!["take".into()],
        transfer: TransferInfo { count: 0, limit: 1, note: None },
        sources: Sources { local: "ok".into(), crm: "off".into() },
    }
}
