//! The lint of templates: what a call centre may not say, found before anybody can say it.

use std::fmt;

use super::slots::{ABSENCE_SLOTS, GREETING_SLOTS, Misuse, misuses};
use crate::customer::Language;

/// A line longer than this is not spoken in one breath, nor shown in two lines.
const MAX_CHARS: usize = 400;

const APOLOGIES_JA: [&str; 6] =
    ["申し訳ございません", "申し訳ありません", "大変申し訳", "誠に申し訳", "まことに申し訳", "お詫び"];
const APOLOGIES_EN: [&str; 9] = [
    "i am sorry",
    "i'm sorry",
    "i am very sorry",
    "i'm very sorry",
    "we are sorry",
    "we're sorry",
    "sorry",
    "i apologi",
    "my apologies",
];
const CUSHIONS: [&str; 9] = [
    "恐れ入ります",
    "おそれいります",
    "申し訳ございませんが",
    "申し訳ありませんが",
    "よろしければ",
    "差し支えなければ",
    "お手数",
    "あいにく",
    "失礼ですが",
];
const HONORIFICS_JA: [&str; 6] = ["様", "さま", "さん", "殿", "氏", "くん"];
const HONORIFICS_EN: [&str; 6] = ["mr", "mr.", "ms", "ms.", "mrs", "mrs."];

/// Never spoken: private reasons.
const PRIVATE_JA: [&str; 2] = ["休憩", "病"];
const PRIVATE_EN: [&str; 5] = ["break", "sick", "ill", "illness", "unwell"];
/// Never said to a complainer who asks for a superior (M099).
const MEETING_JA: [&str; 4] = ["会議", "打ち合わせ", "打合せ", "ミーティング"];
const MEETING_EN: [&str; 3] = ["meeting", "meetings", "conference"];

/// What is wrong, by its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LintCode {
    /// An absence is not explained without an apology first (M009).
    ApologyFirst,
    /// Own staff with an honorific, or a customer with a second one (M010).
    Honorific,
    /// 休憩, 病, or 会議 where a complainer hears it (M034, M099).
    ForbiddenPhrase,
    /// No cushion word in all three steps; a warning (M094).
    CushionMissing,
    /// A slot that does not exist here.
    UnknownSlot,
    /// left_for_day without 本日 sounds like a resignation (M035).
    TodayMissing,
    /// No valid file or template.
    Syntax,
    /// An entry that is needed, or that `same_as` names, is not there.
    Missing,
    /// More than 400 characters.
    TooLong,
}

/// One fault of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFault {
    /// What is wrong.
    pub code: LintCode,
    /// Where: `absence.day_off.explain_absence.ja`.
    pub place: String,
    /// What was found there, or what is missing.
    pub detail: String,
}

/// Where the text will be spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LintContext {
    /// To a complainer who asks for a superior.
    pub complaint: bool,
    /// Of somebody who has left for the day.
    pub left_for_day: bool,
}

impl LintCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApologyFirst => "apology_first",
            Self::Honorific => "honorific",
            Self::ForbiddenPhrase => "forbidden_phrase",
            Self::CushionMissing => "cushion_missing",
            Self::UnknownSlot => "unknown_slot",
            Self::TodayMissing => "today_missing",
            Self::Syntax => "syntax",
            Self::Missing => "missing",
            Self::TooLong => "too_long",
        }
    }

    /// Whether the template may be used all the same.
    pub fn is_warning(self) -> bool {
        self == Self::CushionMissing
    }
}

impl fmt::Display for LintFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.place, self.code.as_str(), self.detail)
    }
}

/// Checks a template that explains an absence.
pub fn lint_absence(text: &str, language: Language, context: LintContext) -> Vec<LintFault> {
    let mut lint = Lint::at("explain_absence");
    lint.explanation(text, language, context);
    lint.faults
}

/// Checks the greeting of a line; plain text is a template too.
pub fn lint_greeting(text: &str) -> Vec<LintFault> {
    let mut lint = Lint::at("greeting");
    lint.template(text, &GREETING_SLOTS);
    lint.honorifics(text);
    lint.faults
}

/// Collects faults at a place.
#[derive(Debug, Default)]
pub(super) struct Lint {
    pub place: String,
    pub faults: Vec<LintFault>,
}

impl Lint {
    pub fn at(place: &str) -> Self {
        Self { place: place.to_owned(), faults: Vec::new() }
    }

    pub fn add(&mut self, code: LintCode, detail: impl Into<String>) {
        let fault = LintFault { code, place: self.place.clone(), detail: detail.into() };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// All rules of a line that explains an absence.
    pub fn explanation(&mut self, text: &str, language: Language, context: LintContext) {
        self.absence_line(text, language, context);
        let (apologies, today): (&[&str], _) = match language {
            Language::Ja => (&APOLOGIES_JA, "本日"),
            Language::En => (&APOLOGIES_EN, "today"),
        };
        let lower = text.trim_start().to_lowercase();
        if !apologies.iter().any(|apology| lower.starts_with(apology)) {
            self.add(LintCode::ApologyFirst, "the first words must be an apology");
        }
        if context.left_for_day && !lower.contains(today) {
            self.add(LintCode::TodayMissing, format!("say {today}, or it sounds like a resignation"));
        }
    }

    /// The rules of every line about an absence.
    pub fn absence_line(&mut self, text: &str, language: Language, context: LintContext) {
        self.template(text, &ABSENCE_SLOTS);
        self.honorifics(text);
        self.forbidden(text, language, context);
    }

    /// Slots, grammar and length.
    pub fn template(&mut self, text: &str, slots: &[&str]) {
        if text.chars().nth(MAX_CHARS).is_some() {
            self.add(LintCode::TooLong, format!("more than {MAX_CHARS} characters"));
        }
        for misuse in misuses(text, slots) {
            match misuse {
                Misuse::UnknownSlot(name) => self.add(LintCode::UnknownSlot, name),
                Misuse::Forbidden(tag) => self.add(LintCode::Syntax, tag),
            }
        }
        if let Err(error) = minijinja::Environment::empty().template_from_str(text) {
            self.add(LintCode::Syntax, error.to_string());
        }
    }

    /// Own staff bare; the customer's 様 is in the slot already.
    pub fn honorifics(&mut self, text: &str) {
        let mut pieces = text.split("{{");
        let mut before = pieces.next().unwrap_or_default();
        for piece in pieces {
            let Some((slot, after)) = piece.split_once("}}") else { return };
            let slot = slot.trim();
            let is_person = matches!(slot, "assignee" | "agent" | "successor" | "customer");
            let spoken = after.trim_start_matches([' ', '\u{3000}', '-']);
            let following = HONORIFICS_JA.iter().chain(&["san"]).find(|title| spoken.starts_with(**title));
            let leading = before.split_whitespace().next_back().map(str::to_lowercase).unwrap_or_default();
            if is_person && (following.is_some() || HONORIFICS_EN.contains(&leading.as_str())) {
                self.add(LintCode::Honorific, format!("{slot} {}", following.unwrap_or(&leading.as_str())));
            }
            before = after;
        }
    }

    /// Private reasons never, meetings not to a complainer.
    pub fn forbidden(&mut self, text: &str, language: Language, context: LintContext) {
        let (private, meeting): (&[&str], &[&str]) = match language {
            Language::Ja => (&PRIVATE_JA, &MEETING_JA),
            Language::En => (&PRIVATE_EN, &MEETING_EN),
        };
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).collect();
        for phrase in private.iter().chain(meeting.iter().filter(|_| context.complaint)) {
            let said = match language {
                Language::Ja => text.contains(phrase),
                Language::En => words.contains(phrase),
            };
            if said {
                self.add(LintCode::ForbiddenPhrase, *phrase);
            }
        }
    }

    /// One cushion word somewhere in the Japanese steps.
    pub fn cushion(&mut self, steps: [&str; 3]) {
        if !steps.iter().any(|step| CUSHIONS.iter().any(|cushion| step.contains(cushion))) {
            self.add(
                LintCode::CushionMissing,
                "no cushion word (恐れ入りますが, よろしければ …) in the three steps",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str, language: Language, context: LintContext) -> Vec<&'static str> {
        lint_absence(text, language, context).into_iter().map(|fault| fault.code.as_str()).collect()
    }

    fn ja(text: &str) -> Vec<&'static str> {
        codes(text, Language::Ja, LintContext::default())
    }

    fn en(text: &str) -> Vec<&'static str> {
        codes(text, Language::En, LintContext::default())
    }

    const COMPLAINT: LintContext = LintContext { complaint: true, left_for_day: false };
    const LEFT: LintContext = LintContext { complaint: false, left_for_day: true };

    #[test]
    fn m009_a_template_without_an_apology_first_is_refused() {
        assert_eq!(ja("{{ assignee }}は席を外しております。"), ["apology_first"]);
        assert_eq!(ja("{{ assignee }}は席を外しております。申し訳ございません。"), ["apology_first"]);
        assert_eq!(ja(" 申し訳ございません。{{ assignee }}は席を外しております。"), [""; 0]);
        assert_eq!(en("{{ assignee }} is away, I am sorry."), ["apology_first"]);
        assert_eq!(en("I'm sorry, {{ assignee }} is away."), [""; 0]);
    }

    #[test]
    fn m010_own_staff_never_have_an_honorific_and_a_customer_has_one() {
        for text in [
            "申し訳ございません。{{ assignee }}様は外出しております。",
            "申し訳ございません。{{assignee}} さんは外出しております。",
            "申し訳ございません。{{ successor }}さんが承ります。",
            "申し訳ございません。{{ customer }}様、お待ちください。",
            "申し訳ございません。{{ customer }}さん、お待ちください。",
        ] {
            assert_eq!(ja(text), ["honorific"], "{text}");
        }
        assert_eq!(en("I am sorry, Mr. {{ assignee }} is out."), ["honorific"]);
        assert_eq!(en("I am sorry, {{ assignee }}-san is out."), ["honorific"]);
        assert_eq!(ja("申し訳ございません。{{ customer }}、お客様のご用件は。"), [""; 0]);
        assert_eq!(lint_greeting("{{ agent }}さんです")[0].code, LintCode::Honorific);
    }

    #[test]
    fn m034_private_reasons_are_refused_in_both_languages() {
        assert_eq!(ja("申し訳ございません。{{ assignee }}は休憩中です。"), ["forbidden_phrase"]);
        assert_eq!(ja("申し訳ございません。{{ assignee }}は病欠です。"), ["forbidden_phrase"]);
        assert_eq!(en("I am sorry, {{ assignee }} is on a break."), ["forbidden_phrase"]);
        assert_eq!(en("I am sorry, {{ assignee }} is ill."), ["forbidden_phrase"]);
        assert_eq!(en("I am sorry, {{ assignee }} will still be away, I'll help."), [""; 0]);
    }

    #[test]
    fn m099_a_meeting_is_refused_in_complaint_context_only() {
        let text = "申し訳ございません。{{ assignee }}は会議中でございます。";
        assert_eq!(ja(text), [""; 0]);
        assert_eq!(codes(text, Language::Ja, COMPLAINT), ["forbidden_phrase"]);
        let text = "I am sorry, {{ assignee }} is in a meeting.";
        assert_eq!(en(text), [""; 0]);
        assert_eq!(codes(text, Language::En, COMPLAINT), ["forbidden_phrase"]);
    }

    #[test]
    fn m035_left_for_day_without_today_is_refused() {
        let text = "申し訳ございません。{{ assignee }}はすでに退社しております。";
        assert_eq!(codes(text, Language::Ja, LEFT), ["today_missing"]);
        assert_eq!(codes(&text.replace("すでに", "本日すでに"), Language::Ja, LEFT), [""; 0]);
        assert_eq!(codes("I am sorry, {{ assignee }} has left.", Language::En, LEFT), ["today_missing"]);
    }

    #[test]
    fn unknown_slots_and_broken_templates_are_named() {
        assert_eq!(ja("申し訳ございません。{{ boss }}は外出です。"), ["unknown_slot"]);
        assert_eq!(ja("申し訳ございません。{% if assignee %}外出です。"), ["syntax"]);
        assert!(ja("申し訳ございません。{% include 'x' %}").contains(&"syntax"));
        assert_eq!(ja(&format!("申し訳ございません。{}", "あ".repeat(400))), ["too_long"]);
        assert_eq!(lint_greeting("{{ customer }}")[0].to_string(), "greeting: unknown_slot: customer");
        assert_eq!(lint_greeting("お電話ありがとうございます。"), []);
    }
}
