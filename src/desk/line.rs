//! The WebSocket with our limits: what is read is a frame of the protocol or a reason to close, and no write
//! waits for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt;

use super::limits::too_deep;
use super::outbox::{Close, Outbox};
use crate::events::wire::{self, ClientFrame};

/// How long the other side may take to answer a close.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a socket ends.
pub(super) enum End {
    /// The client went, or the line is dead.
    Theirs,
    /// We close it.
    Ours(Close),
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Ours(close)
    }
}

/// What a client sent.
pub(super) enum Incoming {
    /// A frame of the protocol.
    Frame(ClientFrame),
    /// A ping or pong of the WebSocket itself, which the library has answered.
    Control,
}

/// The WebSocket with our limits.
pub(super) struct Line {
    pub(super) web_socket: WebSocket,
    pub(super) outbox: Arc<Outbox>,
    pub(super) write_within: Duration,
}

impl Line {
    /// The next frame of the client. Cancel safe.
    pub(super) async fn read(&mut self, at_most: usize) -> Result<Incoming, End> {
        match self.web_socket.recv().await {
            None => Err(End::Theirs),
            Some(Err(error)) => Err(broken(&error)),
            Some(Ok(Message::Text(text))) => parse(text.as_str(), at_most).map(Incoming::Frame),
            Some(Ok(Message::Binary(_))) => Err(Close::BadFrame.into()),
            Some(Ok(Message::Close(_))) => Err(End::Theirs),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Incoming::Control),
        }
    }

    /// The next frame that is ours to read.
    pub(super) async fn read_frame(&mut self, at_most: usize) -> Result<ClientFrame, End> {
        loop {
            if let Incoming::Frame(frame) = self.read(at_most).await? {
                return Ok(frame);
            }
        }
    }

    /// Writes and flushes. While it waits, the socket may be told to close.
    pub(super) async fn write(&mut self, texts: Vec<Bytes>) -> Result<(), End> {
        let (outbox, within) = (Arc::clone(&self.outbox), self.write_within);
        tokio::select! {
            biased;
            sent = tokio::time::timeout(within, send_all(&mut self.web_socket, texts)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Theirs),
            },
            close = outbox.closing() => Err(close.into()),
        }
    }

    pub(super) async fn ping(&mut self) -> Result<(), End> {
        let ping = self.web_socket.send(Message::Ping(Bytes::new()));
        match tokio::time::timeout(self.write_within, ping).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Theirs),
        }
    }

    /// What is still to be said before a close; if it cannot be said, the close says enough.
    pub(super) async fn write_last(&mut self, texts: Vec<Bytes>) {
        if !texts.is_empty()
            && tokio::time::timeout(FAREWELL, send_all(&mut self.web_socket, texts)).await.is_err()
        {
            tracing::debug!("a socket was too slow for its last frames");
        }
    }

    /// Says why, then waits a moment for the other side to hear it.
    pub(super) async fn close(&mut self, close: Close, grace: Duration) {
        let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
        let said = tokio::time::timeout(grace, self.web_socket.send(Message::Close(Some(frame)))).await;
        if matches!(said, Ok(Ok(()))) {
            let heard = async { while let Some(Ok(_)) = self.web_socket.recv().await {} };
            if tokio::time::timeout(FAREWELL, heard).await.is_err() {
                tracing::debug!("a socket did not answer its close");
            }
        }
    }
}

async fn send_all(web_socket: &mut WebSocket, texts: Vec<Bytes>) -> Result<(), axum::Error> {
    for text in texts {
        let text = Utf8Bytes::try_from(text).map_err(axum::Error::new)?;
        web_socket.feed(Message::Text(text)).await?;
    }
    web_socket.flush().await
}

/// Reads a text frame: its size, its depth and its version are checked before anything else.
pub(super) fn parse(text: &str, at_most: usize) -> Result<ClientFrame, End> {
    if text.len() > at_most {
        return Err(Close::TooLarge.into());
    }
    if too_deep(text) {
        return Err(Close::BadFrame.into());
    }
    let frame: ClientFrame = serde_json::from_str(text).map_err(|_| Close::BadFrame)?;
    if frame.v == wire::VERSION { Ok(frame) } else { Err(Close::Version.into()) }
}

/// What the WebSocket layer could not read.
fn broken(error: &axum::Error) -> End {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        if one.to_string().contains("too long") || one.to_string().contains("too big") {
            return Close::TooLarge.into();
        }
        if one.to_string().contains("UTF-8") || one.to_string().contains("protocol error") {
            return Close::BadFrame.into();
        }
        cause = one.source();
    }
    End::Theirs
}
