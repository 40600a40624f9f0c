//! One socket: hello, welcome, then frames both ways until one side closes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::WebSocket;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::WsState;
use super::command::{self, Action};
use super::handle::{Joined, Joining, SocketId, ToRoom};
use super::limits::{Bucket, FRAME_BYTES, HELLO_BYTES};
use super::line::{End, Incoming, Line};
use super::outbox::{Close, Item, Outbox};
use crate::api::{Session, rights};
use crate::driver::FromDesk;
use crate::engine::{ErrorCode, Refusal, Request};
use crate::events::ulid;
use crate::events::wire::{self, ClientFrame, Hello, SUBPROTOCOL, time_text};
use crate::telemetry::metric;

/// The feature of clients that say when a card is painted.
const RENDER_ACK: &str = "render-ack";
/// Streams a `hello` may ask for.
const RESUMES: usize = 64;
/// Events one `ack` may name.
const ACKS: usize = 256;

/// Serves a socket to its end. `session` is there when the upgrade was authenticated.
pub(super) async fn serve(web_socket: WebSocket, state: WsState, session: Option<Arc<Session>>) {
    let _live = state.desk.enter();
    let outbox = Arc::new(Outbox::new(&state.settings));
    let mut line =
        Line { web_socket, outbox: Arc::clone(&outbox), write_within: state.settings.write_within };
    let close = match log_in(&mut line, &state, session, &outbox).await {
        Ok((session, joined)) => {
            let socket = joined.socket;
            let mut socket_task = Socket::new(line, state.clone(), session, socket);
            let close = socket_task.run(joined).await;
            if matches!(close, End::Ours(Close::HeartBeat)) {
                state.desk.tell(ToRoom::Silent(socket)).await;
            }
            state.desk.tell(ToRoom::Leave(socket)).await;
            line = socket_task.line;
            close
        }
        Err(close) => close,
    };
    if let End::Ours(close) = close {
        tracing::info!(code = close.code(), "a socket was closed");
        metrics::counter!(metric::CLOSED_SOCKETS, "code" => close.code().to_string()).increment(1);
        line.close(close, state.settings.grace).await;
    }
}

async fn log_in(
    line: &mut Line,
    state: &WsState,
    session: Option<Arc<Session>>,
    outbox: &Arc<Outbox>,
) -> Result<(Arc<Session>, Joined), End> {
    let hello = tokio::time::timeout(state.settings.hello_within, line.read_frame(HELLO_BYTES));
    let frame = hello.await.map_err(|_| Close::HelloTimeout)??;
    if frame.kind != "hello" {
        return Err(Close::BadFrame.into());
    }
    let data = frame.data.unwrap_or_else(|| json!({}));
    let hello: Hello = serde_json::from_value(data).map_err(|_| Close::BadFrame)?;
    let session = match (session, &hello.ticket) {
        (Some(session), _) => session,
        (None, Some(ticket)) => state.sessions.redeem_ticket(ticket).ok_or(Close::NotAuthenticated)?,
        (None, None) => return Err(Close::NotAuthenticated.into()),
    };
    let (reply, joined) = oneshot::channel();
    let paints = hello.features.iter().any(|feature| feature == RENDER_ACK);
    let mut resume = hello.resume;
    resume.truncate(RESUMES);
    let joining = Joining {
        session: Arc::clone(&session),
        visible: hello.visibility.as_deref() != Some("hidden"),
        paints,
        resume,
        outbox: Arc::clone(outbox),
        reply,
    };
    if !state.desk.tell(ToRoom::Join(Box::new(joining))).await {
        return Err(Close::Drain(1_000).into());
    }
    let joined = joined.await.map_err(|_| Close::Internal)??;
    Ok((session, joined))
}

/// A socket after its hello.
struct Socket {
    line: Line,
    state: WsState,
    session: Arc<Session>,
    id: SocketId,
    commands: Bucket,
    frames: Bucket,
    waiting: VecDeque<ClientFrame>,
    running: Option<JoinHandle<Bytes>>,
    ping_at: Instant,
    pings: u64,
    unanswered: u32,
    warned_of: Option<Timestamp>,
}

impl Socket {
    fn new(line: Line, state: WsState, session: Arc<Session>, id: SocketId) -> Self {
        let now = Instant::now();
        Self {
            commands: Bucket::new(state.settings.commands_per_s, now),
            frames: Bucket::new(state.settings.frames_per_s, now),
            ping_at: now + state.settings.ping_every,
            line,
            state,
            session,
            id,
            waiting: VecDeque::new(),
            running: None,
            pings: 0,
            unanswered: 0,
            warned_of: None,
        }
    }

    async fn run(&mut self, joined: Joined) -> End {
        let mut texts = vec![self.welcome(&joined)];
        texts.extend(joined.texts);
        if let Err(end) = self.line.write(texts).await {
            return end;
        }
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    async fn turn(&mut self) -> Result<(), End> {
        let session = Arc::clone(&self.session);
        let outbox = Arc::clone(&self.line.outbox);
        let wake_at = self.wake_at();
        tokio::select! {
            () = session.ended() => Err(Close::NotAuthenticated.into()),
            close = outbox.closing() => {
                let rest = outbox.rest().into_iter().map(|item| item.text).collect();
                self.line.write_last(rest).await;
                Err(close.into())
            }
            () = tokio::time::sleep_until(wake_at.into()) => self.on_time().await,
            reply = finished(&mut self.running) => self.on_reply(reply).await,
            items = outbox.next() => self.write_items(items).await,
            incoming = self.line.read(FRAME_BYTES) => {
                let incoming = incoming?;
                self.on_incoming(incoming).await
            }
        }
    }

    fn welcome(&self, joined: &Joined) -> Bytes {
        let settings = &self.state.settings;
        wire::welcome(&json!({
            "session": self.session.label(),
            "agent": self.session.agent,
            "user": self.session.user,
            "roles": rights::role_words(self.session.role),
            "server_time": time_text(Timestamp::now()),
            "heartbeat_s": settings.ping_every.as_secs().max(1),
            "streams": joined.streams,
            "lead": joined.lead,
            "limits": {"cmd_per_s": settings.commands_per_s, "queue": settings.queue_frames},
            "features": [RENDER_ACK, "lead"],
            "protocol": SUBPROTOCOL,
        }))
    }

    /// Writes, and tells the engine of announced offers once the octets have left for the socket.
    async fn write_items(&mut self, items: Vec<Item>) -> Result<(), End> {
        let announcements: Vec<_> = items.iter().filter_map(|item| item.announce.clone()).collect();
        self.line.write(items.into_iter().map(|item| item.text).collect()).await?;
        for offer in announcements.iter().filter_map(|announcement| announcement.take()) {
            if !self.state.engine.report(FromDesk::Announced(offer)) {
                metrics::counter!(metric::DROPPED_EVENTS, "queue" => "reports").increment(1);
            }
        }
        Ok(())
    }

    async fn on_incoming(&mut self, incoming: Incoming) -> Result<(), End> {
        if !self.frames.take(Instant::now()) {
            return Err(Close::Rate.into());
        }
        let Incoming::Frame(frame) = incoming else { return Ok(()) };
        match frame.kind.as_str() {
            "command" => self.on_command(frame).await,
            "pong" => {
                self.unanswered = 0;
                self.tell_sign(ToRoom::Pong(self.id));
                Ok(())
            }
            "ping" => self.line.write(vec![wire::pong(frame.data.as_ref())]).await,
            "ack" => {
                self.on_ack(&frame);
                Ok(())
            }
            _unknown => Err(Close::BadFrame.into()),
        }
    }

    fn on_ack(&self, frame: &ClientFrame) {
        let ids: Vec<String> = match &frame.replies_to {
            Some(Value::Array(list)) => {
                list.iter().take(ACKS).filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(Value::String(id)) => vec![id.clone()],
            None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Vec::new(),
        };
        if !ids.is_empty() {
            self.tell_sign(ToRoom::Rendered(self.id, ids));
        }
    }

    /// A sign of life; when the room is busy it is lost, and counted.
    fn tell_sign(&self, sign: ToRoom) {
        if !self.state.desk.tell_now(sign) {
            metrics::counter!(metric::DROPPED_EVENTS, "queue" => "acks").increment(1);
        }
    }

    async fn on_command(&mut self, frame: ClientFrame) -> Result<(), End> {
        if !self.commands.take(Instant::now()) {
            return Err(Close::Rate.into());
        }
        let (Some(id), Some(_)) = (frame.id.as_deref().filter(|id| command::good_id(id)), &frame.name) else {
            return Err(Close::BadFrame.into());
        };
        if self.waiting.len() >= self.state.settings.commands_waiting {
            let refusal =
                Refusal::of(ErrorCode::RateLimited, "混み合っています", "Too many commands at once");
            return self.line.write(vec![wire::reply_refused(id, &refusal)]).await;
        }
        self.waiting.push_back(frame);
        self.start_next();
        Ok(())
    }

    async fn on_reply(&mut self, reply: Option<Bytes>) -> Result<(), End> {
        self.running = None;
        let text = reply.ok_or(Close::Internal)?;
        self.line.write(vec![text]).await?;
        self.start_next();
        Ok(())
    }

    /// Commands of one socket are carried out one after the other, each in a task of its own: a command that
    /// was begun is finished, and its reply kept, even when the socket goes.
    fn start_next(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some(frame) = self.waiting.pop_front() else { return };
        let (state, session, socket) = (self.state.clone(), Arc::clone(&self.session), self.id);
        self.running = Some(tokio::spawn(async move {
            let id = frame.id.clone().unwrap_or_default();
            let reply = state.replies.of(Instant::now(), &session.user, &id);
            reply.get_or_init(|| carry_out(&state, &session, socket, &id, &frame)).await.clone()
        }));
    }

    fn wake_at(&self) -> Instant {
        let left = |until: Timestamp| {
            let left = until.duration_since(Timestamp::now());
            Instant::now() + Duration::try_from(left).unwrap_or(Duration::ZERO)
        };
        let expires = self.session.expires_at();
        let warning = self.state.settings.expiry_warning;
        let next_of_session = if self.warned_of == Some(expires) {
            left(expires)
        } else {
            left(expires).checked_sub(warning).unwrap_or_else(Instant::now)
        };
        self.ping_at.min(next_of_session)
    }

    async fn on_time(&mut self) -> Result<(), End> {
        let expires = self.session.expires_at();
        if self.session.is_over() {
            return Err(Close::NotAuthenticated.into());
        }
        let warning = jiff::SignedDuration::try_from(self.state.settings.expiry_warning).unwrap_or_default();
        if self.warned_of != Some(expires) && expires.duration_since(Timestamp::now()) <= warning {
            self.warned_of = Some(expires);
            return self.warn_of_expiry(expires).await;
        }
        if Instant::now() < self.ping_at {
            return Ok(());
        }
        if self.unanswered >= 2 {
            return Err(Close::HeartBeat.into());
        }
        self.unanswered += 1;
        self.pings += 1;
        // After the second ping without an answer only the time for a pong is left.
        let wait = if self.unanswered >= 2 {
            self.state.settings.pong_within
        } else {
            self.state.settings.ping_every
        };
        self.ping_at = Instant::now() + wait;
        self.line.write(vec![wire::ping(self.pings, Timestamp::now())]).await?;
        self.line.ping().await
    }

    async fn warn_of_expiry(&mut self, expires: Timestamp) -> Result<(), End> {
        let at = time_text(Timestamp::now());
        let frame = json!({"v": wire::VERSION, "kind": "event", "type": "auth.expiring",
            "id": ulid(Timestamp::now(), &mut rand::rng()), "at": at, "ack": "none",
            "data": {"expires": time_text(expires)}});
        self.line.write(vec![frame.to_string().into()]).await
    }
}

async fn carry_out(
    state: &WsState,
    session: &Session,
    socket: SocketId,
    id: &str,
    frame: &ClientFrame,
) -> Bytes {
    let action = command::action(frame, session);
    if matches!(action, Ok(Action::Ask(_) | Action::SetNext(..))) {
        state.desk.tell(ToRoom::Acted(socket)).await;
    }
    let outcome = match action {
        Err(refusal) => Err(refusal),
        Ok(_) if session.is_over() => {
            Err(Refusal::of(ErrorCode::Unauthorized, "ログインし直してください", "Log in again"))
        }
        Ok(Action::Ask(request)) => {
            if let Request::SetPresence { agent, .. } = &request {
                state.desk.tell(ToRoom::ForgetNext(agent.clone())).await;
            }
            ask(state, request).await
        }
        Ok(Action::SetNext(agent, request)) => {
            let (reply, queued) = oneshot::channel();
            state.desk.tell(ToRoom::SetNext(agent, request.clone(), reply)).await;
            if queued.await.unwrap_or(false) {
                Ok(json!({"queued": true}))
            } else {
                ask(state, request).await
            }
        }
        Ok(Action::TakeLead) => {
            state.desk.tell(ToRoom::TakeLead(socket)).await;
            Ok(json!({"lead": true}))
        }
        Ok(Action::Renew) => match state.sessions.renew(session).await {
            Ok(expires) => Ok(json!({"expires": time_text(expires)})),
            Err(_) => Err(Refusal::of(
                ErrorCode::Unavailable,
                "延長できません",
                "The session cannot be renewed now",
            )),
        },
    };
    match outcome {
        Ok(data) => wire::reply_ok(id, &data),
        Err(refusal) => wire::reply_refused(id, &refusal),
    }
}

async fn ask(state: &WsState, request: Request) -> Result<Value, Refusal> {
    state.engine.ask(request).await.map(|answer| command::answer_data(&answer))
}

/// The result of the running command; waits for ever when there is none.
async fn finished(running: &mut Option<JoinHandle<Bytes>>) -> Option<Bytes> {
    match running {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}
