//! Every agent's screen: `screens HOST:PORT TOKENS` opens a `spop.v1` socket for each token, says `open`, reads and
//! confirms pops until a line comes on standard input, and says what it read.
#![expect(clippy::print_stdout, reason = "the driver reads it")]
#![allow(missing_docs, reason = "a program of the bench, not a part of the house")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Seen {
    pops: AtomicU64,
    frames: AtomicU64,
    gone: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(tokens)) = (arguments.next(), arguments.next()) else {
        return Err("screens HOST:PORT TOKENS".into());
    };
    let seen = Arc::<Seen>::default();
    let mut count = 0;
    for token in std::fs::read_to_string(tokens)?.lines() {
        let socket = open(&server, token, count).await?;
        tokio::spawn(read(socket, Arc::clone(&seen)));
        count += 1;
    }
    println!("open {count}");
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    let (pops, frames, gone) = (&seen.pops, &seen.frames, &seen.gone);
    println!(
        "{} pops, {} frames, {} screens lost",
        pops.load(Ordering::Relaxed),
        frames.load(Ordering::Relaxed),
        gone.load(Ordering::Relaxed)
    );
    Ok(())
}

async fn open(server: &str, token: &str, number: usize) -> Result<WebSocketStream<TcpStream>, Failure> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{server}/ws/v1").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("Sec-WebSocket-Protocol", HeaderValue::from_static("spop.v1"));
    headers.insert("Authorization", HeaderValue::from_str(&format!("Bearer {token}"))?);
    let (mut socket, _) = client_async(request, stream).await?;
    let hello = json!({ "v": 1, "kind": "hello", "data": {
        "client": "bench/1", "tab": format!("t-{number}"), "language": "ja", "visibility": "visible",
        "resume": [], "features": [] } });
    socket.send(Message::text(hello.to_string())).await?;
    while let Some(message) = socket.next().await {
        if message?.to_text()?.contains("\"sync.done\"") {
            return Ok(socket);
        }
    }
    Err("closed before sync.done".into())
}

async fn read(mut socket: WebSocketStream<TcpStream>, seen: Arc<Seen>) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        seen.frames.fetch_add(1, Ordering::Relaxed);
        let answer = if text.contains("\"kind\":\"ping\"") {
            let Ok(ping) = serde_json::from_str::<Value>(&text) else { break };
            json!({ "v": 1, "kind": "pong", "data": ping["data"] })
        } else if text.contains("\"ack\":\"render\"") {
            let Ok(pop) = serde_json::from_str::<Value>(&text) else { break };
            seen.pops.fetch_add(1, Ordering::Relaxed);
            json!({ "v": 1, "kind": "ack", "replies_to": [pop["id"]], "data": {
                "stream": pop["stream"], "seq": pop["seq"], "rendered_at": pop["at"] } })
        } else {
            continue;
        };
        if socket.send(Message::text(answer.to_string())).await.is_err() {
            break;
        }
    }
    seen.gone.fetch_add(1, Ordering::Relaxed);
}
