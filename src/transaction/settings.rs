//! Timers (table 4 of RFC 3261, §17.1.1.2; RFC 6026 §8.1) and the responses the machines tell apart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The timers of the transaction layer. Timer C is the proxy's (RFC 3261 §16.6 item 11) and not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// INVITE client: repeat the request.
    A,
    /// INVITE client: give up.
    B,
    /// INVITE client: wait for repeated 3xx–6xx.
    D,
    /// Non-INVITE client: repeat the request.
    E,
    /// Non-INVITE client: give up.
    F,
    /// INVITE server: repeat the 3xx–6xx.
    G,
    /// INVITE server: wait for the ACK.
    H,
    /// INVITE server: absorb repeated ACKs.
    I,
    /// Non-INVITE server: absorb repeated requests.
    J,
    /// Non-INVITE client: wait for repeated responses.
    K,
    /// INVITE server: absorb repeated INVITEs after a 2xx (RFC 6026 §8.1).
    L,
    /// INVITE client: wait for further 2xx (RFC 6026 §8.1).
    M,
}

/// The base values every timer is made of (RFC 3261 §17.1.1.1 and table 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSettings {
    /// Round-trip estimate; 500 ms.
    pub t1: Duration,
    /// The longest interval between repeats of a non-INVITE request or an INVITE response; 4 s.
    pub t2: Duration,
    /// The longest time a message stays in the network; 5 s.
    pub t4: Duration,
    /// Timer D over an unreliable transport; at least 32 s.
    pub timer_d: Duration,
}

impl Default for TimerSettings {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_d: Duration::from_secs(32),
        }
    }
}

impl TimerSettings {
    /// 64·T1: timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// How long after the request Timer E of its client is set to T2: before that no 100 to another method
    /// than INVITE (RFC 4320 §4.1). 3.5 s with the values of RFC 3261.
    pub fn e_reaches_t2(&self) -> Duration {
        let (mut passed, mut interval) = (self.t1, self.t1.max(Duration::from_millis(1)));
        while self.doubled_to_t2(interval) < self.t2 {
            interval = self.doubled_to_t2(interval);
            passed += interval;
        }
        passed
    }

    /// The interval after `interval`: doubled, but not above T2 (timers E and G; timer A has no such bound).
    pub fn doubled_to_t2(&self, interval: Duration) -> Duration {
        interval.saturating_mul(2).min(self.t2)
    }
}

/// Whether the transport repeats what was lost, so that the transaction need not (RFC 3261 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reliability {
    /// UDP.
    Unreliable,
    /// TCP and TLS.
    Reliable,
}

/// What the INVITE machines distinguish in a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StatusClass {
    /// 100–199.
    Provisional,
    /// 200–299.
    Success,
    /// 300–699.
    Failure,
}

impl StatusClass {
    /// The class of `status`; `None` outside 100–699.
    pub const fn of(status: u16) -> Option<Self> {
        match status {
            100..=199 => Some(Self::Provisional),
            200..=299 => Some(Self::Success),
            300..=699 => Some(Self::Failure),
            0..=99 | 700..=u16::MAX => None,
        }
    }
}

/// What the non-INVITE machines distinguish in a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Finality {
    /// 100–199.
    Provisional,
    /// 200–699.
    Final,
}

impl From<StatusClass> for Finality {
    fn from(class: StatusClass) -> Self {
        match class {
            StatusClass::Provisional => Self::Provisional,
            StatusClass::Success | StatusClass::Failure => Self::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_values_are_those_of_table_4() {
        let settings = TimerSettings::default();
        assert_eq!(settings.t1, Duration::from_millis(500));
        assert_eq!(settings.t2, Duration::from_secs(4));
        assert_eq!(settings.t4, Duration::from_secs(5));
        assert!(settings.timer_d >= Duration::from_secs(32));
        assert_eq!(settings.give_up(), Duration::from_secs(32));
    }

    #[test]
    fn a_status_has_one_class_or_none() {
        for (status, class) in [
            (99, None),
            (100, Some(StatusClass::Provisional)),
            (199, Some(StatusClass::Provisional)),
            (200, Some(StatusClass::Success)),
            (299, Some(StatusClass::Success)),
            (300, Some(StatusClass::Failure)),
            (699, Some(StatusClass::Failure)),
            (700, None),
        ] {
            assert_eq!(StatusClass::of(status), class, "{status}");
        }
        assert_eq!(Finality::from(StatusClass::Success), Finality::Final);
        assert_eq!(Finality::from(StatusClass::Failure), Finality::Final);
        assert_eq!(Finality::from(StatusClass::Provisional), Finality::Provisional);
    }
}
