//! Both clocks, read in one place.

use std::time::{Duration, Instant};

use crate::clock::{Moment, Now};

/// The process's clocks; moments count from its making.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Now, by both clocks.
    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { moment: Moment::from_micros(micros), wall: to_milliseconds(jiff::Timestamp::now()) }
    }

    /// When the runtime must wake for this moment: rounded up, so that a timer is never early.
    pub fn instant_of(&self, moment: Moment) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + Duration::from_micros(moment.as_micros()))
    }
}

/// The wall clock is for people, who are told milliseconds.
fn to_milliseconds(wall: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(wall.as_millisecond()).unwrap_or(wall)
}
