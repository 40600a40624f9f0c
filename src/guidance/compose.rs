//! Composing the script of one call.

use super::cause::SpeechContext;
use super::slots::Slots;
use super::template::{Speech, Templates, in_language};
use super::wording::{Place, upcoming};
use super::{AbsentAssignee, Bilingual, Guidance, GuidanceFacts, Step};
use crate::customer::Language;
use crate::presence::Role;

/// Why step 3 may not be spoken yet (M017): an agent never promises a callback alone.
const LOCKED: &str = "approval_required";

impl Templates {
    /// The greeting, and for an absent assignee the three guided steps in their order (M008).
    ///
    /// Cheap and infallible: the templates were checked when they were read.
    pub fn compose(&self, facts: &GuidanceFacts<'_>) -> Guidance {
        let steps = facts.absent.as_ref().map(|absent| self.steps(facts, absent)).unwrap_or_default();
        Guidance { greeting: both(|language| self.greeting(facts, language)), steps }
    }

    /// What may be said of the absence of this assignee, without the name: `assignee.spoken` of the pop.
    pub fn spoken_of(&self, absent: &AbsentAssignee<'_>, speech: SpeechContext) -> &Bilingual {
        self.spoken(&absent.cause, of_assignee(absent, speech))
    }

    fn greeting(&self, facts: &GuidanceFacts<'_>, language: Language) -> String {
        let hour = facts.zone.to_datetime(facts.now).hour();
        let slots = Slots {
            agent: facts.agent.and_then(|agent| agent.as_staff(language)),
            client: facts.line.map(|line| line.client.to_owned()).filter(|client| !client.is_empty()),
            time_of_day: Some(self.time_of_day(hour, language).to_owned()),
            ..Slots::default()
        };
        let own = facts.line.and_then(|line| match language {
            Language::Ja => line.greeting_ja,
            Language::En => line.greeting_en,
        });
        own.and_then(|text| self.line_greeting(text, &slots))
            .unwrap_or_else(|| self.house_greeting(language, &slots))
    }

    fn steps(&self, facts: &GuidanceFacts<'_>, absent: &AbsentAssignee<'_>) -> Vec<Step> {
        let speech = self.speech(&absent.cause, of_assignee(absent, facts.speech));
        let slots =
            [Language::Ja, Language::En].map(|language| absence_slots(facts, absent, speech, language));
        let [ja, en] = &slots;
        let step = |id: &str, template: &Bilingual, locked: Option<&str>| Step {
            id: id.to_owned(),
            ja: self.render(&template.ja, ja),
            en: self.render(&template.en, en),
            locked: locked.map(str::to_owned),
        };
        vec![
            step("explain_absence", &speech.explain_absence, None),
            step("offer_help", &speech.offer_help, None),
            step("propose_callback", &speech.propose_callback, Some(LOCKED)),
        ]
    }
}

/// An absent superior counts as one who was asked for (M098).
fn of_assignee(absent: &AbsentAssignee<'_>, speech: SpeechContext) -> SpeechContext {
    SpeechContext { superior_demanded: speech.superior_demanded || absent.role >= Role::Supervisor, ..speech }
}

fn absence_slots(
    facts: &GuidanceFacts<'_>,
    absent: &AbsentAssignee<'_>,
    speech: &Speech,
    language: Language,
) -> Slots {
    let said = |at: Option<jiff::Timestamp>, place| {
        at.and_then(|at| upcoming(facts.now, at, facts.zone, place, language))
    };
    let return_time = said(absent.until, Place::Plain);
    let start = said(absent.next_start, Place::Plain);
    let callback_time = if absent.cause.returns_with_next_start() {
        start.or_else(|| return_time.clone())
    } else {
        return_time.clone().or(start)
    };
    Slots {
        assignee: absent.person.as_staff(language),
        agent: facts.agent.and_then(|agent| agent.as_staff(language)),
        successor: absent.successor.and_then(|successor| successor.as_staff(language)),
        customer: facts.customer.map(|customer| customer.as_customer(language)),
        spoken: Some(in_language(&speech.spoken, language).to_owned()),
        return_time,
        next_start: said(absent.next_start, Place::Topic),
        callback_time,
        ..Slots::default()
    }
}

fn both(in_language: impl Fn(Language) -> String) -> Bilingual {
    Bilingual { ja: in_language(Language::Ja), en: in_language(Language::En) }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::customer::ComplaintLevel;
    use crate::guidance::{Cause, LineWords, Person};
    use crate::presence::AbsenceReason;

    const PLAIN: SpeechContext =
        SpeechContext { complaint: ComplaintLevel::None, superior_demanded: false, neutral_excuses: false };
    const COMPLAINT: SpeechContext = SpeechContext { complaint: ComplaintLevel::Complaint, ..PLAIN };
    const DEMANDED: SpeechContext =
        SpeechContext { complaint: ComplaintLevel::Heavy, superior_demanded: true, neutral_excuses: false };
    const NEUTRAL: SpeechContext = SpeechContext { neutral_excuses: true, ..PLAIN };

    #[test]
    fn m032_to_m037_and_m098_every_reason_by_complaint_by_language() {
        for (cause, ja, en, demanded) in table() {
            for (speech, expected) in
                [(PLAIN, (ja, en)), (COMPLAINT, (ja, en)), (DEMANDED, demanded.unwrap_or((ja, en)))]
            {
                let guidance = compose("18:30", everything_known(cause.clone()), speech);
                assert_eq!(lines(&guidance)[0], expected, "{cause:?} {speech:?}");
                assert_is_proper(&guidance, &cause);
            }
        }
    }

    /// Internal reason, first step in Japanese and English, and the first step where it differs for a
    /// complainer who demands a superior.
    type Row = (Cause, &'static str, &'static str, Option<(&'static str, &'static str)>);

    fn table() -> [Row; 12] {
        let off = ("申し訳ございません。本日佐藤は休みを取っております。", "I am sorry, Sato is off today.");
        let away = (
            "申し訳ございません。佐藤はただいま席を外しております。",
            "I am sorry, Sato is away from the desk at the moment.",
        );
        let out = (
            "申し訳ございません。佐藤はただいま外出しております。",
            "I am sorry, Sato is out of the office at the moment.",
        );
        [
            (absent(AbsenceReason::DayOff), off.0, off.1, None),
            (absent(AbsenceReason::Sick), off.0, off.1, None),
            (absent(AbsenceReason::Meeting), away.0, away.1, Some(out)),
            (
                absent(AbsenceReason::OtherCase),
                "申し訳ございません。佐藤はただいま別件対応中でございます。",
                "I am sorry, Sato is helping another customer at the moment.",
                None,
            ),
            (absent(AbsenceReason::Break), away.0, away.1, None),
            (
                absent(AbsenceReason::LeftForDay),
                "申し訳ございません。佐藤は本日すでに退社しております。明日は9時30分から出社いたします。",
                "I am sorry, Sato has already left for today and will be back from 9:30 am tomorrow.",
                None,
            ),
            (absent(AbsenceReason::Out), out.0, out.1, None),
            (absent(AbsenceReason::Rona), away.0, away.1, None),
            (absent(AbsenceReason::Custom("custom:training".into())), away.0, away.1, None),
            (Cause::OfflineUnknown, away.0, away.1, None),
            (
                Cause::FrequentCallerProtected,
                "申し訳ございません。本日は別の者が承ります。",
                "I am sorry, another member of our team will help you today.",
                None,
            ),
            (
                Cause::LeftCompany,
                "申し訳ございません。担当が変わりました。鈴木が承ります。",
                "I am sorry, your contact here has changed. Suzuki will be glad to help you.",
                None,
            ),
        ]
    }

    /// What holds of every script, whatever the reason.
    fn assert_is_proper(guidance: &Guidance, cause: &Cause) {
        let ids: Vec<&str> = guidance.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["explain_absence", "offer_help", "propose_callback"]);
        let locks: Vec<Option<&str>> = guidance.steps.iter().map(|step| step.locked.as_deref()).collect();
        assert_eq!(locks, [None, None, Some("approval_required")]);
        for step in &guidance.steps {
            assert!(!step.ja.is_empty() && !step.en.is_empty());
            for forbidden in ["休憩", "病", "会議", "佐藤様", "佐藤さん", "{", "none"] {
                assert!(!step.ja.contains(forbidden), "{} has {forbidden}", step.ja);
            }
            for forbidden in ["break", "sick", "ill ", "meeting", "Mr", "佐藤", "{", "none", "  "] {
                let is_will = forbidden == "ill " && step.en.contains("will ");
                assert!(is_will || !step.en.contains(forbidden), "{} has {forbidden}", step.en);
            }
            let is_hidden = matches!(cause, Cause::FrequentCallerProtected | Cause::LeftCompany);
            assert!(!(is_hidden && (step.ja.contains("佐藤") || step.en.contains("Sato"))));
        }
    }

    #[test]
    fn m008_the_golden_script_of_a_break_until_two() {
        let absent = AbsentAssignee { until: Some(at("14:00")), ..sato(absent(AbsenceReason::Break)) };
        let guidance = compose("13:20", absent, PLAIN);
        let golden = [
            (
                "申し訳ございません。佐藤はただいま席を外しております。",
                "I am sorry, Sato is away from the desk at the moment.",
            ),
            ("よろしければ私が代わりにご用件を承ります。", "May I help you instead?"),
            ("14時以降に佐藤より折り返しご連絡いたします。", "Sato will call you back after 2 pm."),
        ];
        assert_eq!(lines(&guidance), golden);
    }

    #[test]
    fn m036_on_friday_evening_the_next_start_is_monday() {
        let monday = Some("2026-11-23T09:00:00+09:00".parse().expect("a time"));
        let absent = AbsentAssignee { next_start: monday, ..sato(absent(AbsenceReason::LeftForDay)) };
        let guidance = compose("18:30", absent, PLAIN);
        let golden = (
            "申し訳ございません。佐藤は本日すでに退社しております。月曜日は9時から出社いたします。",
            "I am sorry, Sato has already left for today and will be back from 9 am on Monday.",
        );
        assert_eq!(lines(&guidance)[0], golden);
    }

    #[test]
    fn m037_the_callback_is_proposed_for_the_next_start() {
        let guidance = compose("18:30", everything_known(absent(AbsenceReason::LeftForDay)), PLAIN);
        let golden = (
            "明日9時30分以降に、佐藤よりあらためてご連絡してもよろしいでしょうか。",
            "May Sato contact you again after 9:30 am tomorrow?",
        );
        assert_eq!(lines(&guidance)[2], golden);
    }

    #[test]
    fn the_default_next_step_of_each_reason_when_no_time_is_known() {
        let manager = "管理者が日にちを確認のうえ、折り返しご連絡いたします。";
        let on_return = "佐藤が戻り次第、折り返しご連絡いたします。";
        let rows = [
            (absent(AbsenceReason::DayOff), manager),
            (absent(AbsenceReason::Sick), manager),
            (absent(AbsenceReason::Meeting), on_return),
            (absent(AbsenceReason::OtherCase), "対応が終わり次第、佐藤より折り返しご連絡いたします。"),
            (absent(AbsenceReason::Break), on_return),
            (absent(AbsenceReason::LeftForDay), "後日、佐藤よりあらためてご連絡してもよろしいでしょうか。"),
            (absent(AbsenceReason::Out), on_return),
            (absent(AbsenceReason::Rona), on_return),
            (Cause::OfflineUnknown, "管理者が確認のうえ、折り返しご連絡いたします。"),
            (Cause::FrequentCallerProtected, "確認のうえ、窓口より折り返しご連絡いたします。"),
            (Cause::LeftCompany, "新しい担当者より折り返しご連絡いたします。"),
        ];
        for (cause, callback) in rows {
            let guidance = compose("10:00", sato(cause.clone()), PLAIN);
            assert_eq!(guidance.steps[2].ja, callback, "{cause:?}");
            assert_is_proper(&guidance, &cause);
        }
    }

    #[test]
    fn a_time_that_has_passed_is_not_promised() {
        let late = AbsentAssignee { until: Some(at("14:00")), ..sato(absent(AbsenceReason::Break)) };
        assert_eq!(compose("14:30", late, PLAIN).steps[2].ja, "佐藤が戻り次第、折り返しご連絡いたします。");
    }

    #[test]
    fn m098_an_absent_superior_counts_as_one_who_was_asked_for() {
        let manager = AbsentAssignee { role: Role::Manager, ..sato(absent(AbsenceReason::Meeting)) };
        let templates = Templates::shipped();
        assert_eq!(templates.spoken_of(&manager, COMPLAINT).ja, "外出しております");
        assert_eq!(templates.spoken_of(&manager, PLAIN).ja, "席を外しております");
        let said = compose("10:00", manager, COMPLAINT).steps.remove(0).ja;
        assert!(said.contains("外出") && !said.contains("会議"), "{said}");
    }

    #[test]
    fn m034_the_neutral_switch_turns_every_excuse_to_away() {
        for (cause, ja, ..) in table() {
            let said = compose("10:00", everything_known(cause.clone()), NEUTRAL).steps.remove(0).ja;
            let is_excuse = !matches!(cause, Cause::FrequentCallerProtected | Cause::LeftCompany);
            let neutral = "申し訳ございません。佐藤はただいま席を外しております。";
            assert_eq!(said, if is_excuse { neutral } else { ja }, "{cause:?}");
        }
    }

    #[test]
    fn m051_a_line_greets_in_its_own_words() {
        let line = |ja, en| Some(LineWords { client: "青葉製作所", greeting_ja: ja, greeting_en: en });
        let own = line(
            Some("お電話ありがとうございます。{{ client }} お客様窓口の{{ agent }}でございます。"),
            Some("Thank you for calling Aoba. This is {{ agent }} speaking."),
        );
        let golden = (
            "お電話ありがとうございます。青葉製作所 お客様窓口の高橋でございます。".to_owned(),
            "Thank you for calling Aoba. This is Takahashi speaking.".to_owned(),
        );
        assert_eq!(greet("13:00", own, Some(TAKAHASHI)), golden);
        let plain = line(Some("はい、青葉製作所です。"), None);
        assert_eq!(greet("13:00", plain, Some(TAKAHASHI)).0, "はい、青葉製作所です。");
        let broken = line(Some("{{ nobody }}です。{% for x in y %}"), Some(""));
        assert_eq!(greet("13:00", broken, Some(TAKAHASHI)).0, golden.0);
    }

    #[test]
    fn m051_an_unknown_line_gets_the_house_greeting_of_the_hour() {
        let morning = (
            "おはようございます。お客様窓口の高橋でございます。".to_owned(),
            "Good morning, thank you for calling. This is Takahashi speaking.".to_owned(),
        );
        assert_eq!(greet("09:00", None, Some(TAKAHASHI)), morning);
        let evening = (
            "お電話ありがとうございます。お客様窓口でございます。".to_owned(),
            "Good evening, thank you for calling.".to_owned(),
        );
        assert_eq!(greet("19:00", None, None), evening);
    }

    #[test]
    fn m010_the_customer_is_named_with_sama_and_staff_without() {
        let text = Templates::shipped_text()
            .replacen("。{{ assignee }}は", "。{{ customer }}、{{ assignee }}は", 1)
            .replacen("I am sorry, {{ assignee }}", "I am sorry, {{ customer }}, {{ assignee }}", 1);
        let templates = Templates::parse(&text).expect("the customer may be named");
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let guidance = templates.compose(&GuidanceFacts {
            absent: Some(sato(absent(AbsenceReason::Break))),
            ..facts("10:00", &zone)
        });
        let golden = (
            "申し訳ございません。山田 花子様、佐藤はただいま席を外しております。",
            "I am sorry, Hanako Yamada, Sato is away from the desk at the moment.",
        );
        assert_eq!(lines(&guidance)[0], golden);
    }

    #[test]
    fn a_name_that_looks_like_a_template_stays_text() {
        let hostile = AbsentAssignee {
            person: Person { name: "{{agent}}<b>", kana: None },
            ..sato(absent(AbsenceReason::Out))
        };
        let said = compose("10:00", hostile, PLAIN).steps.remove(0).ja;
        assert_eq!(said, "申し訳ございません。{{agent}}<b>はただいま外出しております。");
    }

    const TAKAHASHI: Person<'_> = Person { name: "高橋 健", kana: Some("タカハシ ケン") };

    /// Friday, 20 November 2026 in Tokyo.
    fn at(clock: &str) -> Timestamp {
        format!("2026-11-20T{clock}:00+09:00").parse().expect("a time of day")
    }

    fn absent(reason: AbsenceReason) -> Cause {
        Cause::Absent(reason)
    }

    fn sato(cause: Cause) -> AbsentAssignee<'static> {
        AbsentAssignee {
            person: Person { name: "佐藤 一郎", kana: Some("サトウ イチロウ") },
            role: Role::Agent,
            cause,
            until: None,
            next_start: None,
            successor: None,
        }
    }

    fn everything_known(cause: Cause) -> AbsentAssignee<'static> {
        AbsentAssignee {
            next_start: Some("2026-11-21T09:30:00+09:00".parse().expect("a time")),
            successor: Some(Person { name: "鈴木 次郎", kana: Some("スズキ ジロウ") }),
            ..sato(cause)
        }
    }

    fn facts<'a>(now: &str, zone: &'a TimeZone) -> GuidanceFacts<'a> {
        GuidanceFacts {
            now: at(now),
            zone,
            agent: Some(TAKAHASHI),
            line: None,
            customer: Some(Person { name: "山田 花子", kana: Some("ヤマダ ハナコ") }),
            absent: None,
            speech: PLAIN,
        }
    }

    fn compose(now: &str, absent: AbsentAssignee<'_>, speech: SpeechContext) -> Guidance {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        Templates::shipped().compose(&GuidanceFacts { absent: Some(absent), speech, ..facts(now, &zone) })
    }

    fn greet(now: &str, line: Option<LineWords<'_>>, agent: Option<Person<'_>>) -> (String, String) {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let guidance = Templates::shipped().compose(&GuidanceFacts { line, agent, ..facts(now, &zone) });
        assert_eq!(guidance.steps, []);
        (guidance.greeting.ja, guidance.greeting.en)
    }

    fn lines(guidance: &Guidance) -> Vec<(&str, &str)> {
        guidance.steps.iter().map(|step| (step.ja.as_str(), step.en.as_str())).collect()
    }
}
