//! The templates: read, linted and compiled once, used for every call.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment};
use serde::Deserialize;

use super::lint::{Lint, LintCode, LintContext, LintFault};
use super::slots::{GREETING_SLOTS, PHRASE_SLOTS, Slots, misuses};
use super::{Bilingual, Cause, SpeechContext};
use crate::customer::Language;

/// The wording that is built in.
const SHIPPED: &str = include_str!("../../templates/guidance.toml");
/// Instructions one template may take; the longest shipped one takes under fifty.
const FUEL: u64 = 2_000;
/// The neutral excuse, which also serves reasons without an entry.
const NEUTRAL: &str = "away";
/// What a complainer who asks for a superior hears instead of 会議中.
const OUT: &str = "out";
/// `same_as` may lead through so many entries.
const MAX_BORROWING: usize = 4;

/// Everything the centre says, checked.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Environment<'static>,
    times_of_day: TimesOfDay,
    absence: BTreeMap<String, Speech>,
    complaint: BTreeMap<String, Speech>,
    phrases: Vec<String>,
    warnings: Vec<LintFault>,
}

/// What is said of one reason: the phrase itself and the names of the compiled templates of the three steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Speech {
    pub spoken: Bilingual,
    pub explain_absence: Bilingual,
    pub offer_help: Bilingual,
    pub propose_callback: Bilingual,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    greeting: Bilingual,
    time_of_day: TimesOfDay,
    steps: Steps,
    absence: BTreeMap<String, Entry>,
    #[serde(default)]
    complaint: BTreeMap<String, Entry>,
    #[serde(default)]
    phrases: BTreeMap<String, Bilingual>,
}

/// The words of the hour.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimesOfDay {
    morning: Bilingual,
    noon: Bilingual,
    day: Bilingual,
    evening: Bilingual,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steps {
    offer_help: Bilingual,
    propose_callback: Bilingual,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    same_as: Option<String>,
    spoken: Option<Bilingual>,
    explain_absence: Option<Bilingual>,
    offer_help: Option<Bilingual>,
    propose_callback: Option<Bilingual>,
}

impl Templates {
    /// The wording built into the program. It passes its own lint, without a warning.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED).expect("a test proves that the shipped wording passes the lint")
    }

    /// The shipped file, for an administrator to copy.
    pub fn shipped_text() -> &'static str {
        SHIPPED
    }

    /// Reads and checks a file of templates. Warnings do not refuse it; see [`Templates::warnings`].
    pub fn parse(text: &str) -> Result<Self, Vec<LintFault>> {
        let file: File = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            vec![LintFault {
                code: LintCode::Syntax,
                place: format!("line {line}"),
                detail: error.message().to_owned(),
            }]
        })?;
        let mut lint = Lint::default();
        let (absence, complaint) = resolve_all(&file, &mut lint);
        lint_file(&file, &absence, &complaint, &mut lint);
        let (warnings, faults): (Vec<_>, Vec<_>) =
            lint.faults.into_iter().partition(|fault| fault.code.is_warning());
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut compiler = Compiler::new();
        let compiled = Self {
            absence: compiler.speeches("absence", absence)?,
            complaint: compiler.speeches("complaint", complaint)?,
            phrases: compiler.phrases(&file)?,
            times_of_day: file.time_of_day,
            environment: compiler.environment,
            warnings,
        };
        Ok(compiled)
    }

    /// What the lint found but did not refuse.
    pub fn warnings(&self) -> &[LintFault] {
        &self.warnings
    }

    /// What may be said of an absence, without the person's name: 席を外しております.
    pub fn spoken(&self, cause: &Cause, context: SpeechContext) -> &Bilingual {
        &self.speech(cause, context).spoken
    }

    /// A line of `[phrases]` by its name, for example `refuse_private` (M074); `None` when the house has
    /// none.
    pub fn phrase(&self, name: &str, agent: Option<&str>, customer: Option<&str>) -> Option<Bilingual> {
        if !self.phrases.iter().any(|known| known == name) {
            return None;
        }
        let in_language = |language| {
            let slots = Slots {
                agent: agent.map(str::to_owned),
                customer: customer.map(|name| crate::customer::with_honorific(name, language)),
                ..Slots::default()
            };
            self.render(&template_name("phrases", name, "text", language), &slots)
        };
        Some(Bilingual { ja: in_language(Language::Ja), en: in_language(Language::En) })
    }

    /// Which wording serves the cause in this situation.
    pub(super) fn speech(&self, cause: &Cause, context: SpeechContext) -> &Speech {
        let key = cause.key();
        let neutral = context.neutral_excuses && cause.is_excuse();
        let delicate = if context.is_delicate() { self.complaint.get(key.as_ref()) } else { None };
        let chosen = if neutral { None } else { delicate.or_else(|| self.absence.get(key.as_ref())) };
        chosen.or_else(|| self.absence.get(NEUTRAL)).expect("parse refuses a file without the neutral excuse")
    }

    /// The house greeting.
    pub(super) fn house_greeting(&self, language: Language, slots: &Slots) -> String {
        self.render(&template_name("greeting", "house", "text", language), slots)
    }

    /// The greeting of a line, or `None` when it cannot be used as a template.
    pub(super) fn line_greeting(&self, text: &str, slots: &Slots) -> Option<String> {
        if text.trim().is_empty() {
            return None;
        }
        if !text.contains('{') {
            return Some(text.to_owned());
        }
        if !misuses(text, &GREETING_SLOTS).is_empty() {
            return None;
        }
        self.environment.render_str(text, slots.value()).ok()
    }

    /// The words of the hour, 0 to 23.
    pub(super) fn time_of_day(&self, hour: i8, language: Language) -> &str {
        let words = match hour {
            5..=10 => &self.times_of_day.morning,
            11 => &self.times_of_day.noon,
            12..=17 => &self.times_of_day.day,
            _ => &self.times_of_day.evening,
        };
        in_language(words, language)
    }

    /// Renders a compiled template. What passed the lint has no way to fail; a silent line is still better
    /// than a call without its pop.
    pub(super) fn render(&self, name: &str, slots: &Slots) -> String {
        let rendered =
            self.environment.get_template(name).and_then(|template| template.render(slots.value()));
        rendered.unwrap_or_default()
    }
}

/// The text of one language.
pub(super) fn in_language(text: &Bilingual, language: Language) -> &str {
    match language {
        Language::Ja => &text.ja,
        Language::En => &text.en,
    }
}

type Resolved = BTreeMap<String, Speech>;

/// Follows `same_as` and fills in the common steps.
fn resolve_all(file: &File, lint: &mut Lint) -> (Resolved, Resolved) {
    for needed in [NEUTRAL, OUT] {
        if !file.absence.contains_key(needed) {
            lint.place = "absence".to_owned();
            lint.add(LintCode::Missing, needed);
        }
    }
    let mut absence = Resolved::new();
    for (key, entry) in &file.absence {
        lint.place = format!("absence.{key}");
        absence.extend(resolve(file, entry, lint).map(|speech| (key.clone(), speech)));
    }
    let mut complaint = Resolved::new();
    for (key, entry) in &file.complaint {
        lint.place = format!("complaint.{key}");
        complaint.extend(resolve(file, entry, lint).map(|speech| (key.clone(), speech)));
    }
    // 会議 must never reach a complainer, even where the house forgot to say what does (M098).
    if let (false, Some(out)) = (complaint.contains_key("meeting"), absence.get(OUT)) {
        complaint.insert("meeting".to_owned(), out.clone());
    }
    (absence, complaint)
}

fn resolve(file: &File, entry: &Entry, lint: &mut Lint) -> Option<Speech> {
    let mut whole = entry.clone();
    for _ in 0..MAX_BORROWING {
        let Some(source) = whole.same_as.take() else { break };
        let Some(lender) = file.absence.get(&source) else {
            lint.add(LintCode::Missing, format!("same_as = {source:?}"));
            return None;
        };
        whole.same_as.clone_from(&lender.same_as);
        whole.spoken = whole.spoken.or_else(|| lender.spoken.clone());
        whole.explain_absence = whole.explain_absence.or_else(|| lender.explain_absence.clone());
        whole.offer_help = whole.offer_help.or_else(|| lender.offer_help.clone());
        whole.propose_callback = whole.propose_callback.or_else(|| lender.propose_callback.clone());
    }
    let (Some(spoken), Some(explain_absence)) = (whole.spoken, whole.explain_absence) else {
        lint.add(LintCode::Missing, "spoken and explain_absence, or same_as");
        return None;
    };
    Some(Speech {
        spoken,
        explain_absence,
        offer_help: whole.offer_help.unwrap_or_else(|| file.steps.offer_help.clone()),
        propose_callback: whole.propose_callback.unwrap_or_else(|| file.steps.propose_callback.clone()),
    })
}

fn lint_file(file: &File, absence: &Resolved, complaint: &Resolved, lint: &mut Lint) {
    for language in [Language::Ja, Language::En] {
        lint.place = format!("greeting.{}", code(language));
        lint.template(in_language(&file.greeting, language), &GREETING_SLOTS);
        lint.honorifics(in_language(&file.greeting, language));
        for (name, phrase) in &file.phrases {
            lint.place = format!("phrases.{name}.{}", code(language));
            lint.template(in_language(phrase, language), &PHRASE_SLOTS);
            lint.honorifics(in_language(phrase, language));
        }
    }
    for (key, speech) in absence {
        let context = LintContext { complaint: false, left_for_day: key == "left_for_day" };
        lint_speech(&format!("absence.{key}"), speech, context, lint);
    }
    // A complainer hears the ordinary entry wherever there is none for complaints.
    let ordinary = absence.iter().filter(|(key, _)| !complaint.contains_key(*key));
    for (section, (key, speech)) in
        ordinary.map(|entry| ("absence", entry)).chain(complaint.iter().map(|entry| ("complaint", entry)))
    {
        let context = LintContext { complaint: true, left_for_day: key == "left_for_day" };
        lint_speech(&format!("{section}.{key}"), speech, context, lint);
    }
}

fn lint_speech(place: &str, speech: &Speech, context: LintContext, lint: &mut Lint) {
    for language in [Language::Ja, Language::En] {
        let at = |step: &str| format!("{place}.{step}.{}", code(language));
        let spoken = in_language(&speech.spoken, language);
        lint.place = at("spoken");
        lint.template(spoken, &[]);
        lint.forbidden(spoken, language, context);
        let explained = in_language(&speech.explain_absence, language);
        lint.place = at("explain_absence");
        lint.explanation(&with_spoken(explained, spoken), language, context);
        for (step, text) in
            [("offer_help", &speech.offer_help), ("propose_callback", &speech.propose_callback)]
        {
            lint.place = at(step);
            lint.absence_line(&with_spoken(in_language(text, language), spoken), language, context);
        }
    }
    lint.place = place.to_owned();
    lint.cushion([&speech.explain_absence.ja, &speech.offer_help.ja, &speech.propose_callback.ja]);
}

/// The lint reads what will be heard.
fn with_spoken(text: &str, spoken: &str) -> String {
    text.replace("{{ spoken }}", spoken).replace("{{spoken}}", spoken)
}

struct Compiler {
    environment: Environment<'static>,
}

impl Compiler {
    fn new() -> Self {
        let mut environment = Environment::empty();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        Self { environment }
    }

    fn speeches(&mut self, section: &str, speeches: Resolved) -> Result<Resolved, Vec<LintFault>> {
        speeches
            .into_iter()
            .map(|(key, speech)| {
                let compiled = Speech {
                    explain_absence: self.pair(section, &key, "explain_absence", &speech.explain_absence)?,
                    offer_help: self.pair(section, &key, "offer_help", &speech.offer_help)?,
                    propose_callback: self.pair(
                        section,
                        &key,
                        "propose_callback",
                        &speech.propose_callback,
                    )?,
                    spoken: speech.spoken,
                };
                Ok((key, compiled))
            })
            .collect()
    }

    fn phrases(&mut self, file: &File) -> Result<Vec<String>, Vec<LintFault>> {
        self.pair("greeting", "house", "text", &file.greeting)?;
        for (name, phrase) in &file.phrases {
            self.pair("phrases", name, "text", phrase)?;
        }
        Ok(file.phrases.keys().cloned().collect())
    }

    /// Compiles both languages; the answer is the names they are rendered by.
    fn pair(
        &mut self,
        section: &str,
        key: &str,
        part: &str,
        text: &Bilingual,
    ) -> Result<Bilingual, Vec<LintFault>> {
        let mut add = |language| {
            let name = template_name(section, key, part, language);
            let source = in_language(text, language).to_owned();
            match self.environment.add_template_owned(name.clone(), source) {
                Ok(()) => Ok(name),
                Err(error) => {
                    Err(vec![LintFault { code: LintCode::Syntax, place: name, detail: error.to_string() }])
                }
            }
        };
        Ok(Bilingual { ja: add(Language::Ja)?, en: add(Language::En)? })
    }
}

fn template_name(section: &str, key: &str, part: &str, language: Language) -> String {
    format!("{section}.{key}.{part}.{}", code(language))
}

fn code(language: Language) -> &'static str {
    match language {
        Language::Ja => "ja",
        Language::En => "en",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<(&'static str, String)> {
        match Templates::parse(text) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.into_iter().map(|fault| (fault.code.as_str(), fault.place)).collect(),
        }
    }

    #[test]
    fn m009_the_shipped_templates_pass_the_lint_without_a_warning() {
        assert_eq!(codes(SHIPPED), vec![]);
        assert_eq!(Templates::shipped().warnings(), []);
    }

    #[test]
    fn m009_a_file_with_an_absence_that_does_not_apologise_first_is_refused() {
        let text = SHIPPED.replacen(
            "ja = \"申し訳ございません。{{ assignee }}はただいま",
            "ja = \"{{ assignee }}はただいま",
            1,
        );
        assert!(codes(&text).contains(&("apology_first", "absence.away.explain_absence.ja".into())));
    }

    #[test]
    fn m099_a_file_that_says_kaigi_to_a_complainer_is_refused() {
        let text = SHIPPED.replace(
            "[complaint.meeting]\nsame_as = \"out\"",
            "[complaint.meeting]\nsame_as = \"out\"\n\
             spoken = { ja = \"会議中でございます\", en = \"is in a meeting\" }",
        );
        let found = codes(&text);
        assert!(
            found.contains(&("forbidden_phrase", "complaint.meeting.explain_absence.ja".into())),
            "{found:?}"
        );
        assert!(found.contains(&("forbidden_phrase", "complaint.meeting.spoken.en".into())), "{found:?}");
    }

    #[test]
    fn m098_an_everyday_meeting_may_be_said_and_still_never_reaches_a_complainer() {
        let text = SHIPPED
            .replace(
                "[absence.meeting]\nsame_as = \"away\"",
                "[absence.meeting]\nsame_as = \"away\"\n\
                 spoken = { ja = \"会議中でございます\", en = \"is in a meeting\" }",
            )
            .replace("[complaint.meeting]\nsame_as = \"out\"", "");
        let templates = Templates::parse(&text).expect("会議 is an everyday reason");
        let cause = Cause::Absent(crate::presence::AbsenceReason::Meeting);
        assert_eq!(templates.spoken(&cause, SpeechContext::default()).ja, "会議中でございます");
        let delicate = SpeechContext {
            complaint: crate::customer::ComplaintLevel::Complaint,
            superior_demanded: true,
            neutral_excuses: false,
        };
        assert_eq!(templates.spoken(&cause, delicate).ja, "外出しております");
    }

    #[test]
    fn m094_steps_without_a_cushion_word_are_warned_about() {
        let text = SHIPPED.replace("よろしければ私が代わりに", "私が代わりに");
        let templates = Templates::parse(&text).expect("a warning does not refuse");
        assert!(templates.warnings().iter().any(|fault| fault.place == "absence.away"));
        assert!(templates.warnings().iter().all(|fault| fault.code == LintCode::CushionMissing));
        for cushion in ["恐れ入りますが", "申し訳ございませんが"] {
            let cushioned = text.replace("私が代わりに", &format!("{cushion}、私が代わりに"));
            let templates = Templates::parse(&cushioned).expect("passes");
            assert_eq!(templates.warnings(), [], "{cushion}");
        }
    }

    #[test]
    fn a_file_that_lacks_what_is_needed_says_so() {
        let found = codes(&SHIPPED.replace("[absence.away]", "[absence.far]"));
        assert!(found.contains(&("missing", "absence".into())), "{found:?}");
        assert!(found.contains(&("missing", "absence.break".into())), "{found:?}");
        let found = codes("[greeting]\nja = \"x\"\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "syntax");
        let found = codes(&SHIPPED.replace("[steps]", "[steps]\nfoo = 1"));
        assert_eq!(found[0].0, "syntax");
        let line =
            SHIPPED.lines().position(|line| line == "[steps]").expect("the shipped file has steps") + 2;
        assert_eq!(found[0].1, format!("line {line}"));
    }

    #[test]
    fn borrowing_in_a_circle_ends() {
        let circle =
            SHIPPED.replace("[absence.break]\nsame_as = \"away\"", "[absence.break]\nsame_as = \"break\"");
        assert_eq!(codes(&circle), vec![("missing", "absence.break".into())]);
    }

    #[test]
    fn m074_private_questions_are_refused_politely() {
        let templates = Templates::shipped();
        let phrase = templates.phrase("refuse_private", None, None).expect("is shipped");
        assert_eq!(phrase.ja, "申し訳ございませんが、私的なご質問にはご回答できかねます。");
        assert_eq!(phrase.en, "I am sorry, but I cannot answer personal questions.");
        let closing = templates.phrase("closing", None, Some("山田 花子")).expect("is shipped");
        assert!(closing.ja.starts_with("山田 花子様、恐れ入りますが"));
        assert_eq!(templates.phrase("no_such", None, None), None);
    }
}
