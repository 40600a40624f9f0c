//! `toritsugi watch`: the frames of the screen-pop WebSocket, one JSON object a line.

use std::time::Duration;

use clap::Args;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Failure, runtime, say};

const SUBPROTOCOL: &str = "spop.v1";
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Without any frame for this long the server is gone.
const SILENCE: Duration = Duration::from_secs(35);
/// After so many events the client says what it has received.
const ACK_EVERY: u64 = 20;

/// The arguments of `watch`.
#[derive(Clone, Debug, Args)]
pub(super) struct Arguments {
    /// The WebSocket, for example ws://127.0.0.1:8080/ws/v1
    #[arg(long, value_parser = url)]
    url: Uri,
    /// The token of a log-in (`POST /api/v1/sessions`); `-` reads it from standard input
    #[arg(long)]
    token: String,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let token = if arguments.token == "-" { token_from_stdin()? } else { arguments.token.clone() };
    runtime()?.block_on(async {
        let socket = connect(&arguments.url, &token).await?;
        tokio::select! {
            watched = watch(socket) => watched,
            _stop = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

async fn connect(url: &Uri, token: &str) -> Result<Socket, Failure> {
    let request = upgrade(url, token)?;
    let connected = tokio::time::timeout(CONNECT_WITHIN, connect_async(request)).await;
    let failed = |why: &str| Failure::of(format!("cannot open {url}: {why}"));
    match connected {
        Ok(Ok((socket, _response))) => Ok(socket),
        Ok(Err(tokio_tungstenite::tungstenite::Error::Http(response))) => {
            let advice = match response.status().as_u16() {
                401 | 403 => "; log in again for a new token",
                404 => "; the path is /ws/v1",
                _ => "",
            };
            Err(failed(&format!("the server answered {}{advice}", response.status())))
        }
        Ok(Err(error)) => Err(failed(&error.to_string())),
        Err(_elapsed) => Err(failed(&format!("no answer within {} s", CONNECT_WITHIN.as_secs()))),
    }
}

async fn watch(mut socket: Socket) -> Result<(), Failure> {
    let hello = json!({"v": 1, "kind": "hello", "data": {
        "client": concat!("toritsugi-watch/", env!("CARGO_PKG_VERSION")), "tab": "watch", "features": []}});
    send(&mut socket, &hello).await?;
    let mut seen = Seen::default();
    loop {
        let frame = match tokio::time::timeout(SILENCE, socket.next()).await {
            Err(_elapsed) => return Err(Failure::of(format!("no frame for {} s", SILENCE.as_secs()))),
            Ok(None) => return Err(Failure::of("the server closed the connection without a word")),
            Ok(Some(Err(error))) => return Err(Failure::of(format!("the connection broke: {error}"))),
            Ok(Some(Ok(frame))) => frame,
        };
        match frame {
            Message::Text(text) => {
                let Ok(frame) = serde_json::from_str::<Value>(&text) else {
                    return Err(Failure::of("the server sent a frame that is not JSON"));
                };
                say(&frame.to_string())?;
                for answer in seen.answers_to(&frame) {
                    send(&mut socket, &answer).await?;
                }
            }
            Message::Close(close) => return closed(close.as_ref()),
            Message::Binary(_) => return Err(Failure::of("the server sent a binary frame")),
            // The library answers pings of the WebSocket layer itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

async fn send(socket: &mut Socket, frame: &Value) -> Result<(), Failure> {
    let sent = socket.send(Message::text(frame.to_string())).await;
    sent.map_err(|error| Failure::of(format!("the connection broke: {error}")))
}

/// What has been received on which stream, for the cumulative acknowledgement.
#[derive(Debug, Default)]
struct Seen {
    events: u64,
}

impl Seen {
    /// What a client answers to this frame.
    fn answers_to(&mut self, frame: &Value) -> Vec<Value> {
        let mut answers = Vec::new();
        if frame["kind"] == "ping" {
            answers.push(json!({"v": 1, "kind": "pong", "data": frame["data"]}));
        }
        if frame["kind"] == "event" && frame["seq"].is_u64() {
            self.events += 1;
            if self.events.is_multiple_of(ACK_EVERY) {
                let data = json!({"stream": frame["stream"], "seq": frame["seq"]});
                answers.push(json!({"v": 1, "kind": "ack", "replies_to": [frame["id"]], "data": data}));
            }
        }
        answers
    }
}

/// A normal close ends the command well; the protocol's own codes are failures with their meaning.
fn closed(close: Option<&CloseFrame>) -> Result<(), Failure> {
    let Some(close) = close else { return Ok(()) };
    let code = u16::from(close.code);
    let meaning = match code {
        1000 | 1001 => return Ok(()),
        4400 => "bad frame",
        4401 => "not authenticated; log in again for a new token",
        4403 => "forbidden",
        4406 => "version not supported",
        4408 => "hello came too late",
        4409 => "superseded by another device",
        4410 => "heart-beat missed",
        4413 => "frame too large",
        4429 => "too many commands",
        4508 => "this reader is too slow",
        4512 => "the server is stopping; try again",
        _ => "closed",
    };
    Err(Failure::of(format!("the server closed the socket: {code} {meaning} {}", close.reason).trim_end()))
}

fn upgrade(url: &Uri, token: &str) -> Result<Request, Failure> {
    let mut request =
        url.into_client_request().map_err(|error| Failure::of(format!("cannot open {url}: {error}")))?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Failure::of("the token has characters that no token has"))?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

fn url(text: &str) -> Result<Uri, String> {
    let uri = text.parse::<Uri>().map_err(|error| error.to_string())?;
    match uri.scheme_str() {
        Some("ws") if uri.query().is_some() => {
            Err("a token never belongs into the URL; use --token".to_owned())
        }
        Some("ws") => Ok(uri),
        Some("wss") => {
            Err("this command speaks ws:// only; go through the TLS proxy's inner address".to_owned())
        }
        _ => Err("it must begin with ws://".to_owned()),
    }
}

fn token_from_stdin() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(|error| Failure::of(format!("cannot read the token: {error}")))?;
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::handshake::server;

    use super::*;

    #[test]
    fn a_ping_is_answered_with_its_own_data() {
        let ping = json!({"v": 1, "kind": "ping", "data": {"time": "2026-11-22T04:41:00Z"}});
        let pong = json!({"v": 1, "kind": "pong", "data": {"time": "2026-11-22T04:41:00Z"}});
        assert_eq!(Seen::default().answers_to(&ping), [pong]);
    }

    #[test]
    fn every_twentieth_event_is_acknowledged() {
        let mut seen = Seen::default();
        let event = |seq: u64| json!({"kind": "event", "id": "e", "stream": "agent:a1", "seq": seq});
        assert!((1..20).all(|seq| seen.answers_to(&event(seq)).is_empty()));
        let acks = seen.answers_to(&event(20));
        assert_eq!(acks[0]["data"], json!({"stream": "agent:a1", "seq": 20}));
        assert_eq!(acks[0]["replies_to"], json!(["e"]));
    }

    #[test]
    fn n58_a_token_in_the_url_is_refused() {
        assert!(url("ws://127.0.0.1:8080/ws/v1?token=x").is_err());
        assert!(url("ws://127.0.0.1:8080/ws/v1").is_ok());
    }

    #[test]
    fn a_close_code_is_a_failure_that_says_what_to_do() {
        let close = CloseFrame { code: 4401.into(), reason: "".into() };
        let failure = closed(Some(&close)).expect_err("refused").to_string();
        assert_eq!(
            failure,
            "the server closed the socket: 4401 not authenticated; log in again for a new token"
        );
        assert!(closed(Some(&CloseFrame { code: 1000.into(), reason: "".into() })).is_ok());
    }

    #[tokio::test]
    async fn the_token_travels_in_the_header_and_hello_has_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = url(&format!("ws://{}/ws/v1", listener.local_addr().expect("bound"))).expect("sound");
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            #[expect(clippy::result_large_err, reason = "the library's own callback type")]
            let check = |request: &server::Request, mut response: server::Response| {
                assert_eq!(request.headers()[AUTHORIZATION], "Bearer t-1");
                let protocol = request.headers()[SEC_WEBSOCKET_PROTOCOL].clone();
                response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
                Ok(response)
            };
            let mut socket = tokio_tungstenite::accept_hdr_async(stream, check).await.expect("upgraded");
            let hello = socket.next().await.expect("a frame").expect("sound").into_text().expect("text");
            let hello: Value = serde_json::from_str(&hello).expect("JSON");
            socket.send(Message::text(r#"{"v":1,"kind":"ping","data":7}"#)).await.expect("sent");
            let pong = socket.next().await.expect("a frame").expect("sound").into_text().expect("text");
            socket.close(None).await.expect("closed");
            (hello, serde_json::from_str::<Value>(&pong).expect("JSON"))
        });
        let socket = connect(&url, "t-1").await.expect("connected");
        watch(socket).await.expect("closed well");
        let (hello, pong) = server.await.expect("no panic");
        assert_eq!((&hello["kind"], &hello["data"]["ticket"]), (&json!("hello"), &Value::Null));
        assert_eq!(pong, json!({"v": 1, "kind": "pong", "data": 7}));
    }
}
