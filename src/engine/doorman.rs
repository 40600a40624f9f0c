//! What is remembered of those who are no peers by their address: answers they got, tries they made.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counters::Budget;
use crate::clock::Moment;
use crate::proxy::digest::{Guesses, Nonce, Uses};

/// Answers are counted over this.
const WINDOW: Duration = Duration::from_secs(10);

/// Places for sources; whoever comes shares one with others, so that memory does not grow (N27).
const PLACES: u64 = 1024;

/// Answers of a window that may be larger, together, than what asked for them (N28).
const FREE_ANSWERS: u32 = 20;

/// Challenges a second to one source that has proved its address, by a password or a connection.
const PROVEN_CHALLENGES_PER_S: u32 = 200;

/// The memory of the door.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Doorman {
    /// This life: nonces of another one are stale.
    pub life: u32,
    /// Wrong passwords.
    pub guesses: Guesses,
    /// Nonces used by those who proved a password.
    pub uses: Uses,
    serial: u32,
    refusals: Budget,
    challenges: Budget,
    accounts: BTreeMap<u64, Account>,
}

/// What a source asked and got in the present window.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Account {
    window: Moment,
    answers: u32,
    asked: u64,
    answered: u64,
}

/// An answer somebody unknown might get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// A keyed hash of the source.
    pub place: u64,
    /// Whether the source is known to receive at its address.
    pub proven: bool,
    /// Octets of the request.
    pub request: usize,
    /// Octets of the answer.
    pub answer: usize,
}

impl Doorman {
    /// For the present life, so that no nonce of an earlier one is good.
    pub fn new(life: u32) -> Self {
        Self { life, ..Self::default() }
    }

    /// A nonce that was never given.
    pub fn next_nonce(&mut self, now: Moment) -> Nonce {
        self.serial = self.serial.wrapping_add(1);
        Nonce { made: now, serial: self.serial }
    }

    /// A plain refusal: ten seconds' worth at once, then silence (N28).
    pub fn may_refuse(&mut self, now: Moment, per_s: u32) -> bool {
        self.refusals.allow(now, WINDOW, per_s.saturating_mul(10))
    }

    /// A challenge: never much larger than what it answers, and no more octets than were sent once it is many
    /// (N28). Sources that have proved their address have a number of their own, so that a flood of forged
    /// ones does not keep them out (N27).
    pub fn may_challenge(&mut self, asked: &Asked, now: Moment, per_s: u32) -> bool {
        let account = self.accounts.entry(asked.place % PLACES).or_default();
        if now.since(account.window) >= WINDOW {
            *account = Account { window: now, ..Account::default() };
        }
        account.asked = account.asked.saturating_add(asked.request as u64);
        let answered = account.answered.saturating_add(asked.answer as u64);
        if asked.proven {
            if account.answers >= PROVEN_CHALLENGES_PER_S * 10 {
                return false;
            }
        } else {
            let large = asked.answer * 2 > asked.request * 3;
            let many = account.answers >= FREE_ANSWERS && answered > account.asked;
            if large || many || !self.challenges.allow(now, WINDOW, per_s.saturating_mul(10)) {
                return false;
            }
        }
        account.answers += 1;
        account.answered = answered;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked { place: 1, proven: false, request: 500, answer: 600 };

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn n28_a_source_gets_no_more_octets_than_it_sent_once_it_is_many() {
        let mut doorman = Doorman::new(1);
        let given = (0..100).filter(|_| doorman.may_challenge(&ASKED, at(20), 1000)).count();
        assert!(given * 600 <= 100 * 500, "{given}");
        assert!(given >= 20);
        assert!(!doorman.may_challenge(&Asked { answer: 751, ..ASKED }, at(40), 1000), "one and a half");
        assert!(doorman.may_challenge(&Asked { answer: 750, ..ASKED }, at(40), 1000));
    }

    #[test]
    fn n27_a_flood_of_forged_sources_leaves_the_proven_ones_their_challenges() {
        let mut doorman = Doorman::new(1);
        let flood = (0..100_000).filter(|n| doorman.may_challenge(&Asked { place: *n, ..ASKED }, at(20), 50));
        assert_eq!(flood.count(), 500);
        assert!(doorman.may_challenge(&Asked { proven: true, ..ASKED }, at(20), 50));
        assert!(doorman.accounts.len() <= 1024);
    }
}
