//! [pure] Time as an argument: the moment for timers, the wall for people.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the monotonic clock, in microseconds since an origin that the driver chooses.
///
/// Timers and durations use only this; a step of the wall clock never moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(u64);

impl Moment {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// The moment `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Both clocks, read together by the driver once for each input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For timers and durations.
    pub moment: Moment,
    /// For people: screens, records, calendars.
    pub wall: jiff::Timestamp,
}

impl Now {
    /// The wall-clock time that `moment` had or will have, if the wall clock is not stepped.
    pub fn wall_at(&self, moment: Moment) -> jiff::Timestamp {
        let offset = if moment >= self.moment {
            jiff::SignedDuration::try_from(moment.since(self.moment)).unwrap_or(jiff::SignedDuration::MAX)
        } else {
            -jiff::SignedDuration::try_from(self.moment.since(moment)).unwrap_or(jiff::SignedDuration::MAX)
        };
        self.wall.saturating_add(offset).unwrap_or(self.wall)
    }
}
