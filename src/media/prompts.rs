//! What is said to callers who wait: a house's own recordings by their names, and a chime where there is
//! none.
//!
//! Recordings are whole sentences. Numbers are not put together from parts: Japanese counts people, places
//! and minutes in different words, and a sentence in one breath is what a house can record in an hour.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use super::melody::chime;
use super::order::{Announcement, Language};
use super::player::Tune;

/// The largest number that a recording may have in its name.
const LARGEST: u16 = 999;

/// What one recording says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sentence {
    PleaseHold,
    PressOne,
    CallbackNoted,
    Position(u16),
    PositionMany,
    Minutes(u16),
    MinutesMany,
}

/// The name of a recording: `please_hold.ja.wav`, `position_3.en.wav`, `minutes_many.ja.wav`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PromptName {
    language: Language,
    sentence: Sentence,
}

impl FromStr for PromptName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = || {
            let stem = name.strip_suffix(".wav")?;
            let (sentence, language) = stem.split_once('.')?;
            let language = match language {
                "ja" => Language::Ja,
                "en" => Language::En,
                _ => return None,
            };
            let sentence = match sentence {
                "please_hold" => Sentence::PleaseHold,
                "press_one" => Sentence::PressOne,
                "callback_noted" => Sentence::CallbackNoted,
                "position_many" => Sentence::PositionMany,
                "minutes_many" => Sentence::MinutesMany,
                _ => numbered(sentence)?,
            };
            Some(Self { language, sentence })
        };
        known().ok_or_else(|| {
            "is no name of an announcement: please_hold, press_one, callback_noted, position_1 …, \
             position_many, minutes_1 … or minutes_many, each with .ja.wav or .en.wav"
                .to_owned()
        })
    }
}

fn numbered(text: &str) -> Option<Sentence> {
    let (word, digits) = text.split_once('_')?;
    let number: u16 = digits.parse().ok().filter(|number| (1..=LARGEST).contains(number))?;
    // One name for one number: not `position_01`, not `position_+1`.
    if number.to_string() != digits {
        return None;
    }
    match word {
        "position" => Some(Sentence::Position(number)),
        "minutes" => Some(Sentence::Minutes(number)),
        _ => None,
    }
}

/// All recordings of a house.
#[derive(Clone, Debug)]
pub struct Prompts {
    recorded: BTreeMap<PromptName, Arc<Tune>>,
    chime: Arc<Tune>,
}

impl Default for Prompts {
    fn default() -> Self {
        Self { recorded: BTreeMap::new(), chime: Arc::new(Tune::new(&chime())) }
    }
}

impl Prompts {
    /// Takes a recording in: samples, 8,000 a second.
    pub fn record(&mut self, name: PromptName, samples: &[i16]) {
        self.recorded.insert(name, Arc::new(Tune::new(samples)));
    }

    /// How many recordings there are.
    pub fn len(&self) -> usize {
        self.recorded.len()
    }

    /// Whether there are none, so that the chime is all that is heard.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// What is to be played for an announcement. A time is told by the next larger recording, which promises
    /// nothing that is too good; a position by its own, or beyond the largest by `position_many`. The chime
    /// where there is no recording.
    pub fn tune(&self, what: Announcement, language: Language) -> &Arc<Tune> {
        let of = |sentence| self.recorded.get(&PromptName { language, sentence });
        let at_least = |from, most| {
            let range = PromptName { language, sentence: from }..=PromptName { language, sentence: most };
            self.recorded.range(range).next().map(|(_, tune)| tune)
        };
        let found = match what {
            Announcement::PleaseHold => of(Sentence::PleaseHold),
            Announcement::PressOne => of(Sentence::PressOne),
            Announcement::CallbackNoted => of(Sentence::CallbackNoted),
            Announcement::Position(place) => of(Sentence::Position(place)).or_else(|| {
                let larger = at_least(Sentence::Position(place), Sentence::Position(u16::MAX));
                if larger.is_some() { None } else { of(Sentence::PositionMany) }
            }),
            Announcement::Minutes(minutes) => {
                at_least(Sentence::Minutes(minutes), Sentence::Minutes(u16::MAX))
                    .or_else(|| of(Sentence::MinutesMany))
            }
        };
        found.unwrap_or(&self.chime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FRAME;

    fn house(names: &[&str]) -> Prompts {
        let mut prompts = Prompts::default();
        for (at, name) in names.iter().enumerate() {
            // Each as many packets long as its place in the list, so that they can be told apart.
            prompts.record(name.parse().unwrap(), &vec![0; (at + 1) * FRAME]);
        }
        prompts
    }

    #[test]
    fn a_recording_is_found_for_what_is_said() {
        let names = [
            "please_hold.ja.wav",
            "please_hold.en.wav",
            "press_one.ja.wav",
            "callback_noted.ja.wav",
            "position_1.ja.wav",
            "position_2.ja.wav",
            "position_many.ja.wav",
            "minutes_2.ja.wav",
            "minutes_5.ja.wav",
            "minutes_many.ja.wav",
            "position_7.en.wav",
        ];
        let prompts = house(&names);
        let chime = prompts.chime.frames();
        for (what, language, wanted) in [
            (Announcement::PleaseHold, Language::Ja, 1),
            (Announcement::PleaseHold, Language::En, 2),
            (Announcement::PressOne, Language::Ja, 3),
            (Announcement::PressOne, Language::En, chime),
            (Announcement::CallbackNoted, Language::Ja, 4),
            (Announcement::Position(1), Language::Ja, 5),
            (Announcement::Position(2), Language::Ja, 6),
            (Announcement::Position(3), Language::Ja, 7),
            (Announcement::Position(5000), Language::Ja, 7),
            (Announcement::Position(7), Language::En, 11),
            // Not "seven" and not "many": nothing wrong is said.
            (Announcement::Position(6), Language::En, chime),
            (Announcement::Position(8), Language::En, chime),
            (Announcement::Minutes(1), Language::Ja, 8),
            (Announcement::Minutes(2), Language::Ja, 8),
            (Announcement::Minutes(3), Language::Ja, 9),
            (Announcement::Minutes(6), Language::Ja, 10),
            (Announcement::Minutes(60_000), Language::Ja, 10),
            (Announcement::Minutes(1), Language::En, chime),
        ] {
            assert_eq!(prompts.tune(what, language).frames(), wanted, "{what:?} {language:?}");
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_refused() {
        for name in [
            "please_hold.wav",
            "please_hold.fr.wav",
            "please-hold.ja.wav",
            "please_hold.ja.mp3",
            "position_.ja.wav",
            "position_0.ja.wav",
            "position_01.ja.wav",
            "position_+1.ja.wav",
            "position_1000.ja.wav",
            "hours_1.ja.wav",
            "",
        ] {
            assert!(name.parse::<PromptName>().is_err(), "{name}");
        }
        assert!("minutes_999.en.wav".parse::<PromptName>().is_ok());
    }
}
