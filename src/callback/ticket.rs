//! One callback: who is to be called, on which number, by whom, and what was promised.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::machine::CallbackState;
use crate::presence::{AgentId, CallId, CustomerId};

/// The id of a callback: `cb-` and 128 random bits in base 32.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallbackId(String);

impl CallbackId {
    /// Wraps the text as it stands.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallbackId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a callback comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The caller pressed the key.
    Digit,
    /// A rule of the house.
    Rule,
    /// The time to wait was over.
    Limit,
    /// The caller gave up while something was open (M101).
    Abandoned,
}

impl Source {
    /// The word on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Digit => "digit",
            Self::Rule => "rule",
            Self::Limit => "limit",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The time in which a callback was promised: a span, not a point (M054).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Not before.
    pub start: Timestamp,
    /// Not after.
    pub end: Timestamp,
}

/// Why a time cannot be promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowFault {
    /// It ends before it begins.
    #[error("the window ends before it begins")]
    Backwards,
    /// It is over already.
    #[error("the window lies in the past")]
    Past,
}

impl Window {
    /// Whether the window can be promised now (M054).
    ///
    /// # Errors
    /// [`WindowFault`].
    pub fn check(&self, now: Timestamp) -> Result<(), WindowFault> {
        if self.end <= self.start {
            return Err(WindowFault::Backwards);
        }
        if self.end <= now { Err(WindowFault::Past) } else { Ok(()) }
    }
}

/// A callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Its id.
    pub id: CallbackId,
    /// Where it stands.
    #[serde(flatten)]
    pub state: CallbackState,
    /// What it comes from.
    pub source: Source,
    /// The call it was asked for in.
    pub call: CallId,
    /// Who is to be called, when they are known.
    pub customer: Option<CustomerId>,
    /// The number, E.164.
    pub number: String,
    /// The same as people write it: in groups (M055).
    pub shown: String,
    /// A trusted peer vouched for the number.
    pub verified: bool,
    /// The line that was called.
    pub line: Option<String>,
    /// The line's client.
    pub client: Option<String>,
    /// The group that answers the line.
    pub group: Option<String>,
    /// Who is to call.
    pub person: Option<AgentId>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How often it was asked for: a second request for the same number is the same callback.
    pub asked: u32,
    /// When it was asked for last.
    pub asked_at: Timestamp,
    /// What was promised.
    pub window: Option<Window>,
    /// Who promised it.
    pub promised_by: Option<String>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<String>,
}

impl Callback {
    /// What whoever calls reads back to the customer, Japanese and English (M055).
    pub fn read_back(&self) -> (String, String) {
        (
            format!("お電話番号は、{}でお間違いございませんか。", self.shown),
            format!("May I read your number back to you: {}.", self.shown),
        )
    }

    /// One that was requested, for tests.
    #[cfg(test)]
    pub(crate) fn sample(id: &str, person: Option<&str>) -> Self {
        let at = "2026-11-24T05:00:00Z".parse().unwrap();
        Self {
            id: CallbackId::new(id),
            state: CallbackState::Requested,
            source: Source::Digit,
            call: CallId::new("c-1"),
            customer: Some(CustomerId::new("cu-1")),
            number: "+819012345678".to_owned(),
            shown: "090-1234-5678".to_owned(),
            verified: true,
            line: Some("0120-123-456".to_owned()),
            client: None,
            group: Some("t1".to_owned()),
            person: person.map(AgentId::new),
            requested_at: at,
            asked: 1,
            asked_at: at,
            window: None,
            promised_by: None,
            ended_at: None,
            ended_by: None,
        }
    }

    /// Whether the window is over and nobody has called.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.state.is_open() && self.window.is_some_and(|window| window.end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn m054_a_window_that_ends_before_it_begins_or_is_over_is_refused() {
        let now = at("2026-11-24T05:00:00Z");
        for (start, end, wanted) in [
            ("2026-11-24T06:00:00Z", "2026-11-24T07:00:00Z", Ok(())),
            ("2026-11-24T04:00:00Z", "2026-11-24T05:30:00Z", Ok(())),
            ("2026-11-24T07:00:00Z", "2026-11-24T06:00:00Z", Err(WindowFault::Backwards)),
            ("2026-11-24T06:00:00Z", "2026-11-24T06:00:00Z", Err(WindowFault::Backwards)),
            ("2026-11-24T03:00:00Z", "2026-11-24T05:00:00Z", Err(WindowFault::Past)),
        ] {
            assert_eq!(Window { start: at(start), end: at(end) }.check(now), wanted, "{start} {end}");
        }
    }
}
