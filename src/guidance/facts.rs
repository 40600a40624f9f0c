//! What the script is composed from.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Cause, SpeechContext};
use crate::customer::{Language, family_name, romanise, with_honorific};
use crate::presence::Role;

/// Somebody by name and reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person<'a> {
    /// The full name, family name first in Japanese.
    pub name: &'a str,
    /// The reading in kana; English lines are spoken with it.
    pub kana: Option<&'a str>,
}

/// What is known of the dialled line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineWords<'a> {
    /// The client company's name.
    pub client: &'a str,
    /// The line's greeting template, Japanese; plain text is one.
    pub greeting_ja: Option<&'a str>,
    /// The line's greeting template, English.
    pub greeting_en: Option<&'a str>,
}

/// The assignee who cannot take the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentAssignee<'a> {
    /// Who.
    pub person: Person<'a>,
    /// Their role; a superior's absence is worded more carefully to a complainer.
    pub role: Role,
    /// The true reason.
    pub cause: Cause,
    /// When they expect to be back.
    pub until: Option<Timestamp>,
    /// Their next start of work.
    pub next_start: Option<Timestamp>,
    /// Who took over, when they have left the company.
    pub successor: Option<Person<'a>>,
}

/// Everything the script depends on.
#[derive(Clone, Debug)]
pub struct GuidanceFacts<'a> {
    /// The wall clock.
    pub now: Timestamp,
    /// The zone in which the centre speaks of days and hours.
    pub zone: &'a TimeZone,
    /// The agent who will answer, if already chosen.
    pub agent: Option<Person<'a>>,
    /// The dialled line; `None` for an unknown one, which gets the house greeting.
    pub line: Option<LineWords<'a>>,
    /// The customer, once known.
    pub customer: Option<Person<'a>>,
    /// The assignee, when absent.
    pub absent: Option<AbsentAssignee<'a>>,
    /// Which wording may be used.
    pub speech: SpeechContext,
}

impl Person<'_> {
    /// Our own staff as spoken: the family name alone, in Latin letters in English where the reading is
    /// known.
    pub(super) fn as_staff(&self, language: Language) -> Option<String> {
        let family = family_name(self.name);
        let spoken = match language {
            Language::Ja => family.to_owned(),
            Language::En => self.reading(family_name).unwrap_or_else(|| family.to_owned()),
        };
        (!spoken.is_empty()).then_some(spoken)
    }

    /// A customer as spoken.
    pub(super) fn as_customer(&self, language: Language) -> String {
        let latin = || {
            let reading = self.reading(str::trim)?;
            // English puts the given name first.
            Some(reading.split(' ').rev().collect::<Vec<_>>().join(" "))
        };
        match language {
            Language::Ja => with_honorific(self.name, language),
            Language::En => latin().unwrap_or_else(|| with_honorific(self.name, language)),
        }
    }

    /// The reading in Latin letters, unless the name is written in them already.
    fn reading(&self, part: fn(&str) -> &str) -> Option<String> {
        if self.name.is_ascii() { None } else { romanise(part(self.kana?)) }
    }
}
