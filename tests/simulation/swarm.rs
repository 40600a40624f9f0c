//! What a run switches on: a random subset of faults, and the house it happens in.

use super::random::Random;

/// The faults of one run. All zero and false is a quiet day.
#[derive(Clone, Debug, Default)]
pub struct Swarm {
    /// Percent of datagrams lost, doubled.
    pub loss: u64,
    pub duplicate: u64,
    /// Milliseconds of jitter; anything above the spacing of two messages puts them out of order.
    pub jitter_ms: u64,
    /// Percent of datagrams that come late, by up to 200 ms: behind those sent after them.
    pub reorder: u64,
    /// Percent of sends that the transport reports as failed.
    pub send_failures: u64,
    /// Percent of INVITEs that a phone does not answer at all.
    pub dead_phones: u64,
    pub refusing_phones: u64,
    /// Percent of phones that answer although CANCEL came first.
    pub stubborn_phones: u64,
    /// Percent of calls in which the caller gives up at some moment.
    pub giving_up: u64,
    pub late_acks: u64,
    pub never_acks: u64,
    pub re_invites: u64,
    /// Percent of calls that nobody ends.
    pub never_byes: u64,
    pub odd_lookups: u64,
    /// Names of phones are not found sometimes.
    pub bad_names: bool,
    pub slow_screens: u64,
    pub agent_keys: u64,
    /// Percent of INVITEs that fork behind the phone's address, so that several tags ring and answer.
    pub forks: u64,
    /// Percent of rings that are reliable, with early media (RFC 3262).
    pub reliable: u64,
    /// Percent of INVITEs whose phone says something untrue.
    pub lies: u64,
    /// Percent of callers who come over TCP; then one phone is reached over TCP as well.
    pub tcp: u64,
    /// Percent of datagrams of which a stranger sends a copy, or of which a piece comes along.
    pub noise: u64,
    /// Percent of calls with a Max-Breadth.
    pub breadth: u64,
    /// The configuration is read again in the middle.
    pub reload: bool,
    /// The node is told to stop in the middle.
    pub drain: bool,
    /// Statuses are changed by somebody else's process.
    pub statuses: bool,
    /// Agents leave and join the directory.
    pub directory: bool,
    pub presence: bool,
    /// Few calls are let in.
    pub crowded: bool,
    /// Percent of INVITEs whose phone never answers a CANCEL; half of those never say anything final.
    pub deaf_phones: u64,
    /// Everybody describes what can be heard, and the house lets callers wait with music.
    pub music: bool,
}

impl Swarm {
    pub fn of(random: &mut Random) -> Self {
        let mut rate = |most: u64| if random.chance(50) { random.between(1, most) } else { 0 };
        Self {
            loss: rate(20),
            duplicate: rate(20),
            jitter_ms: rate(400),
            reorder: rate(30),
            send_failures: rate(6) / 2,
            dead_phones: rate(40),
            refusing_phones: rate(50),
            stubborn_phones: rate(60),
            giving_up: rate(90),
            late_acks: rate(40),
            never_acks: rate(10),
            re_invites: rate(60),
            never_byes: rate(10),
            odd_lookups: rate(100),
            bad_names: rate(1) > 0,
            slow_screens: rate(100),
            agent_keys: rate(90),
            forks: rate(50),
            reliable: rate(80),
            lies: rate(40),
            tcp: rate(80),
            noise: rate(20),
            breadth: rate(50),
            reload: rate(3) == 1,
            drain: rate(5) == 1,
            statuses: rate(3) == 1,
            directory: rate(4) > 1,
            presence: rate(1) > 0,
            crowded: rate(8) == 1,
            deaf_phones: rate(40),
            music: false,
        }
    }

    /// A poor line and polite people: the figures of F10.
    pub fn poor_line(loss: u64) -> Self {
        Self { loss, duplicate: 5, reorder: 20, jitter_ms: 100, ..Self::default() }
    }

    /// Nothing is lost and nobody lies: then every call must end as it should.
    pub fn make_quiet(&mut self) {
        (self.loss, self.send_failures, self.crowded, self.drain) = (0, 0, false, false);
        (self.never_acks, self.directory, self.never_byes, self.lies) = (0, false, 0, 0);
    }

    /// Callers can hear music, and agents have little time for them. Nobody lies, as dialogs are judged from
    /// both ends, and everybody is ended.
    pub fn make_musical(&mut self) {
        self.music = true;
        (self.lies, self.never_byes, self.never_acks, self.forks, self.reliable) = (0, 0, 0, 0, 0);
        (self.crowded, self.noise) = (false, 0);
    }

    /// As [`Self::make_quiet`] leaves it, by chance or on purpose.
    pub fn is_quiet(&self) -> bool {
        self.loss == 0 && self.send_failures == 0 && !self.crowded && self.lies == 0
    }
}
