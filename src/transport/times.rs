//! The limits of time of one connection (RFC 3261 §18, RFC 5626 §4.4.1), and which of them comes first.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::{CloseReason, TransportSettings};

/// How long a stream that cannot be framed waits for its 400 and its `close`.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// What a limit of time asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Close(CloseReason),
    Ping,
}

/// When what last happened.
pub(super) struct Times {
    pub(super) active: Instant,
    /// When the other side was last heard while it had been pinged.
    ponged: Option<Instant>,
    /// Since when a ping waits for its answer.
    pub(super) pinged: Option<Instant>,
    /// Since when the queue has not moved; `None` while it is empty.
    blocked: Option<Instant>,
    broken: Option<Instant>,
}

impl Times {
    pub(super) fn new() -> Self {
        Self { active: Instant::now(), ponged: None, pinged: None, blocked: None, broken: None }
    }

    pub(super) fn note(&mut self, has_output: bool, is_broken: bool) {
        if has_output {
            self.blocked.get_or_insert_with(Instant::now);
        } else {
            self.blocked = None;
        }
        if is_broken {
            self.broken.get_or_insert_with(Instant::now);
        }
    }

    /// A ping and its answer keep nothing open that nobody uses: they are no activity.
    pub(super) fn wrote(&mut self) {
        if self.pinged.is_none() {
            self.active = Instant::now();
        }
        self.blocked = None;
    }

    pub(super) fn read(&mut self) {
        match self.pinged.take() {
            Some(_) => self.ponged = Some(Instant::now()),
            None => self.active = Instant::now(),
        }
    }

    /// The first limit that will be reached if nothing happens.
    pub(super) fn deadline(
        &self,
        settings: &TransportSettings,
        connection: &Connection,
        message_started: Option<Instant>,
    ) -> (Instant, Then) {
        let silent = connection.inbound && !connection.is_proven() && self.broken.is_none();
        let limits = [
            (Some(self.active), settings.idle_timeout, CloseReason::Idle),
            (self.blocked, settings.stuck_timeout, CloseReason::Stuck),
            (self.broken, ANSWER_TIME, CloseReason::Unframeable),
            (message_started, settings.stream_message_timeout, CloseReason::MessageTimeout),
            (
                silent.then_some(connection.opened),
                settings.stream_message_timeout,
                CloseReason::MessageTimeout,
            ),
        ];
        let mut first = (self.active + settings.idle_timeout, Then::Close(CloseReason::Idle));
        for (since, limit, why) in limits {
            if let Some(since) = since
                && since + limit < first.0
            {
                first = (since + limit, Then::Close(why));
            }
        }
        let ping = self.next_ping(settings, connection);
        ping.filter(|(at, _)| *at < first.0).unwrap_or(first)
    }

    /// Connections that we made are pinged (RFC 5626 §4.4.1). Whoever has answered once must go on answering;
    /// who never has may not know pings, and the kernel's own probes must do.
    fn next_ping(&self, settings: &TransportSettings, connection: &Connection) -> Option<(Instant, Then)> {
        if connection.inbound || settings.keep_alive.is_zero() {
            return None;
        }
        match self.pinged {
            Some(pinged) if connection.answers_pings() => {
                Some((pinged + settings.pong_timeout, Then::Close(CloseReason::NoPong)))
            }
            Some(pinged) => Some((pinged + settings.keep_alive, Then::Ping)),
            None => {
                let quiet_since = self.ponged.unwrap_or(self.active).max(self.active);
                Some((quiet_since + connection.keep_alive(settings), Then::Ping))
            }
        }
    }
}
