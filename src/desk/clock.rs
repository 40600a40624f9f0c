//! The two clocks of the edge.

use std::time::Instant;

use jiff::Timestamp;

use crate::clock::{Moment, Now};

/// Reads both clocks; its moments count from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Both clocks, now.
    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { moment: Moment::from_micros(micros), wall: Timestamp::now() }
    }
}
