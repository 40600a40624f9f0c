//! How a caller of one trunk may be kept waiting: the modes in their order, the time in each, and the end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::media::Digit;

/// A way to keep a caller waiting; a call only goes forward through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkMode {
    /// 180, repeated each minute: the network's own ringback, nothing charged.
    Ringing,
    /// 183 with music.
    EarlyMedia,
    /// 200 with music, charged.
    Answered,
}

impl ParkMode {
    /// The word in the configuration and on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::EarlyMedia => "early-media",
            Self::Answered => "answered",
        }
    }
}

/// What becomes of a caller whose time in the last mode is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtLimit {
    /// The PBX has the call.
    #[default]
    DefaultRoute,
    /// The call is refused with this status.
    Refuse(u16),
    /// The caller is called back. Who has no number to be called on goes to the PBX.
    Callback,
}

/// The modes a trunk allows, in order, with the longest time in each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// In order; empty: nobody waits.
    pub modes: Vec<(ParkMode, Duration)>,
    /// What happens when the last one's time is over.
    pub at_limit: AtLimit,
    /// The key with which a caller who hears music asks to be called back.
    #[serde(default)]
    pub key: Option<Digit>,
    /// Keys pressed before the answer reach us: not so on many trunks.
    #[serde(default)]
    pub early_keys: bool,
}

/// The mode a caller is in, and until when at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The mode.
    pub mode: ParkMode,
    /// The end of the time in it.
    pub ends: Moment,
}

impl Profile {
    /// The stage of a caller who begins to wait now; `None` when nobody may wait.
    pub fn begin(&self, now: Moment) -> Option<Stage> {
        self.modes.first().map(|(mode, limit)| Stage { mode: *mode, ends: now + *limit })
    }

    /// The same from this mode on. Where that is not among the modes, from the next one that is; after the
    /// last, the last one stays.
    #[must_use]
    pub fn from(&self, mode: ParkMode) -> Self {
        let after: Vec<_> = self.modes.iter().filter(|(one, _)| *one >= mode).copied().collect();
        let modes = if after.is_empty() { self.modes.last().copied().into_iter().collect() } else { after };
        Self { modes, ..self.clone() }
    }

    /// Whether a key pressed by a caller who waits in this mode is carried out.
    pub fn takes_key(&self, mode: ParkMode) -> bool {
        self.key.is_some()
            && match mode {
                ParkMode::Ringing => false,
                ParkMode::EarlyMedia => self.early_keys,
                ParkMode::Answered => true,
            }
    }

    /// The stage after this one, begun now; `None` after the last.
    pub fn after(&self, stage: Stage, now: Moment) -> Option<Stage> {
        let (mode, limit) = self.modes.iter().find(|(mode, _)| *mode > stage.mode)?;
        Some(Stage { mode: *mode, ends: now + *limit })
    }

    /// The same without the modes that are not among `allowed`.
    #[must_use]
    pub fn only(&self, allowed: &[ParkMode]) -> Self {
        let modes = self.modes.iter().filter(|(mode, _)| allowed.contains(mode)).copied().collect();
        Self { modes, ..self.clone() }
    }

    /// Ringing for the time of all modes together, for callers who cannot hear anything else; nobody waits
    /// where ringing is not among the modes.
    #[must_use]
    pub fn ringing_only(&self) -> Self {
        let rings = self.modes.iter().any(|(mode, _)| *mode == ParkMode::Ringing);
        let modes = rings.then(|| (ParkMode::Ringing, self.longest())).into_iter().collect();
        Self { modes, ..self.clone() }
    }

    /// The longest a caller may wait in all modes together.
    pub fn longest(&self) -> Duration {
        self.modes.iter().map(|(_, limit)| *limit).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Moment::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_caller_goes_through_the_modes_in_their_order_and_then_out() {
        let minute = Duration::from_secs(60);
        let profile = Profile {
            modes: vec![(ParkMode::Ringing, Duration::from_secs(20)), (ParkMode::Answered, minute)],
            ..Profile::default()
        };
        let first = profile.begin(seconds(100)).unwrap();
        assert_eq!((first.mode, first.ends), (ParkMode::Ringing, seconds(120)));
        let second = profile.after(first, seconds(120)).unwrap();
        assert_eq!((second.mode, second.ends), (ParkMode::Answered, seconds(180)));
        assert_eq!(profile.after(second, seconds(180)), None);
        assert_eq!(profile.longest(), Duration::from_secs(80));
    }

    #[test]
    fn a_trunk_that_allows_no_mode_parks_nobody() {
        let profile = Profile {
            modes: vec![(ParkMode::EarlyMedia, Duration::from_secs(60))],
            at_limit: AtLimit::Refuse(480),
            ..Profile::default()
        };
        assert_eq!(profile.only(&[ParkMode::Ringing]).begin(seconds(1)), None);
        assert_eq!(profile.only(&[ParkMode::Ringing]).at_limit, AtLimit::Refuse(480));
        assert!(profile.only(&[ParkMode::EarlyMedia]).begin(seconds(1)).is_some());
    }
    #[test]
    fn a_mode_that_is_asked_for_is_the_first_or_else_the_next_that_there_is() {
        let second = Duration::from_secs(1);
        let of = |modes: &[ParkMode]| Profile {
            modes: modes.iter().map(|mode| (*mode, second)).collect(),
            ..Profile::default()
        };
        let all = [ParkMode::Ringing, ParkMode::EarlyMedia, ParkMode::Answered];
        let from = |modes: &[ParkMode], mode| of(modes).from(mode).modes.iter().map(|(it, _)| *it).collect();
        let cases: [(&[ParkMode], ParkMode, &[ParkMode]); 5] = [
            (&all, ParkMode::Ringing, &all),
            (&all, ParkMode::EarlyMedia, &all[1..]),
            (&[ParkMode::Ringing, ParkMode::Answered], ParkMode::EarlyMedia, &[ParkMode::Answered]),
            (&[ParkMode::Ringing], ParkMode::Answered, &[ParkMode::Ringing]),
            (&[], ParkMode::Answered, &[]),
        ];
        for (modes, mode, wanted) in cases {
            let got: Vec<ParkMode> = from(modes, mode);
            assert_eq!(got, wanted, "{mode:?} of {modes:?}");
        }
    }

    #[test]
    fn a_key_counts_where_it_is_heard_and_before_the_answer_only_on_a_trunk_that_passes_it() {
        let profile = |early_keys| Profile { key: Some(Digit::Number(1)), early_keys, ..Profile::default() };
        let modes = [ParkMode::Ringing, ParkMode::EarlyMedia, ParkMode::Answered];
        assert_eq!(modes.map(|mode| profile(false).takes_key(mode)), [false, false, true]);
        assert_eq!(modes.map(|mode| profile(true).takes_key(mode)), [false, true, true]);
        assert_eq!(modes.map(|mode| Profile::default().takes_key(mode)), [false; 3]);
    }
}
