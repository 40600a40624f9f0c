//! One function between every written number and the rest of the house.

use std::cell::RefCell;
use std::collections::HashMap;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

use super::clean::{Cleaned, clean, is_invisible};
use super::{Number, NumberKind, TrunkContext, japan};

/// A plus and fifteen digits.
const E164_OCTETS: usize = 16;

/// How far the number can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// Read as written.
    Certain,
    /// The leading zero had been eaten (0補完): accepted at import and marked; on a call the match is `likely`.
    ZeroRestored,
    /// 184, 186 or a carrier's prefix was taken off.
    PrefixStripped,
    /// Digits, but no number of the plan; never matched unless it is international.
    Doubtful,
    /// No number at all.
    NotANumber,
}

/// A cleaned number with all that was learned on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    /// The E.164 key customers are indexed by. Short codes, extensions and nonsense have none (never a
    /// match).
    pub key: Option<String>,
    /// As people write it: national grouping at home, international form for other countries, digits for
    /// short codes. No control characters, at most 64 characters.
    pub national: String,
    /// What kind it is.
    pub kind: NumberKind,
    /// The digits after 内線.
    pub extension: Option<String>,
    /// How far it can be relied on.
    pub quality: Quality,
}

impl Canonical {
    /// What a line is found by: the E.164 key, or the digits of a short code or extension.
    pub fn line_key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.national)
    }
}

impl From<Canonical> for Number {
    fn from(canonical: Canonical) -> Self {
        Self { e164: canonical.key, national: canonical.national, kind: canonical.kind }
    }
}

/// Reads one written number. Never fails and never panics: what is not a number says so in `quality`.
///
/// Only ASCII digits and a leading `+` reach the library, whatever `raw` holds.
pub fn canon(raw: &str, context: &TrunkContext) -> Canonical {
    if context.is_japan()
        && let Some(canonical) = already_clean(raw)
    {
        return canonical;
    }
    let cleaned = plainly_international(raw).unwrap_or_else(|| clean(raw));
    let mut canonical = if cleaned.other || cleaned.digits.is_empty() {
        Canonical {
            key: None,
            national: visible(raw),
            kind: NumberKind::Unknown,
            extension: None,
            quality: Quality::NotANumber,
        }
    } else if let Some(canonical) = short_code(&cleaned, context) {
        canonical
    } else if context.is_japan() {
        japanese(&cleaned, context)
    } else {
        elsewhere(&cleaned, context)
    };
    canonical.extension = cleaned.extension;
    canonical
}

/// Reads a cell that may hold several numbers (`03-1234-5678/090-1111-2222`). Empty pieces are dropped; what
/// is not a number stays in the list for the import report.
pub fn canon_cell(raw: &str, context: &TrunkContext) -> Vec<Canonical> {
    let mut found: Vec<Canonical> = Vec::new();
    let marked = raw.replace("又は", ";").replace("または", ";");
    for piece in marked.split([';', ',', '、', '，', '；', '\n', '\r']) {
        let piece = piece.trim();
        if piece.is_empty() || is_parameter(piece) {
            continue;
        }
        let whole = canon(piece, context);
        if whole.key.is_some() || whole.kind != NumberKind::Unknown {
            found.push(whole);
            continue;
        }
        if let (Quality::NotANumber, Some(extension), Some(last)) =
            (whole.quality, &whole.extension, found.last_mut())
        {
            // "03-1234-5678、内線12": the extension of the number before.
            last.extension = Some(extension.clone());
            continue;
        }
        // A slash, a dot or a space may stand inside one number as well as between two.
        let parts: Vec<Canonical> = piece
            .split(|c: char| matches!(c, '/' | '／' | '・') || c.is_whitespace())
            .filter(|part| !part.is_empty())
            .map(|part| canon(part, context))
            .collect();
        if parts.iter().any(|part| part.key.is_some()) {
            found.extend(parts.into_iter().filter(|part| part.quality != Quality::NotANumber));
        } else {
            found.push(whole);
        }
    }
    found
}

/// `isub=123`, `npdi`, `phone-context=+81`: parameters of a tel URI that stand behind the semicolon of a
/// cell.
fn is_parameter(piece: &str) -> bool {
    let name = piece.split('=').next().unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

/// The common case of the call path: `+81…` or `0…` of the right length, nothing to clean and nothing to look
/// up.
fn already_clean(raw: &str) -> Option<Canonical> {
    if !(10..=13).contains(&raw.len()) {
        return None;
    }
    let significant = raw.strip_prefix("+81").or_else(|| raw.strip_prefix('0'))?;
    if !significant.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    domestic(significant, Quality::Certain)
}

/// What the cleaner would make of a plus and digits, without its passes over the text.
fn plainly_international(raw: &str) -> Option<Cleaned> {
    let digits = raw.strip_prefix('+')?;
    let plain = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| Cleaned { plus: true, digits: digits.to_owned(), ..Cleaned::default() })
}

/// A Japanese number from its significant digits (without the trunk zero).
fn domestic(significant: &str, quality: Quality) -> Option<Canonical> {
    let national = ["0", significant].concat();
    let kind = japan::kind(&national)?;
    Some(Canonical {
        key: Some(["+", japan::CALLING_CODE, significant].concat()),
        national: japan::group(&national, kind),
        kind,
        extension: None,
        quality,
    })
}

/// Emergency, services and extensions, before anything tries to read them as a subscriber's number.
fn short_code(cleaned: &Cleaned, context: &TrunkContext) -> Option<Canonical> {
    if cleaned.plus {
        return None;
    }
    // 184 and 186 may stand before an emergency number.
    let digits = cleaned.digits.as_str();
    let dialled = digits.strip_prefix("184").or_else(|| digits.strip_prefix("186")).unwrap_or(digits);
    let (kind, digits) = if !cleaned.sharp && context.is_emergency(digits) {
        (NumberKind::Emergency, digits)
    } else if !cleaned.sharp && context.is_emergency(dialled) {
        (NumberKind::Emergency, dialled)
    } else if !cleaned.sharp && context.in_extension_plan(digits) {
        (NumberKind::Extension, digits)
    } else if context.is_japan() && japan::is_service(digits, cleaned.sharp) {
        (NumberKind::Service, digits)
    } else if digits.len() <= 5 {
        (NumberKind::Extension, digits)
    } else {
        return None;
    };
    let sharp = if cleaned.sharp { "#" } else { "" };
    Some(Canonical {
        key: None,
        national: format!("{sharp}{digits}"),
        kind,
        extension: None,
        quality: Quality::Certain,
    })
}

fn japanese(cleaned: &Cleaned, context: &TrunkContext) -> Canonical {
    let mut digits = cleaned.digits.as_str();
    let mut quality = Quality::Certain;
    if !cleaned.plus {
        if let Some(rest) = digits.strip_prefix("184").or_else(|| digits.strip_prefix("186"))
            && rest.starts_with('0')
        {
            (digits, quality) = (rest, Quality::PrefixStripped);
        }
        if let Some(rest) = japan::strip_carrier(digits) {
            (digits, quality) = (rest, Quality::PrefixStripped);
        }
    }
    // 010 is the international prefix; "0081" is somebody abroad writing ours.
    let abroad =
        digits.strip_prefix("010").or_else(|| digits.strip_prefix("00").filter(|d| d.starts_with("81")));
    if let Some(international) = if cleaned.plus { Some(digits) } else { abroad } {
        let quality = if abroad.is_some_and(|_| digits.starts_with("00")) && !cleaned.plus {
            Quality::PrefixStripped
        } else {
            quality
        };
        return if let Some(significant) = international.strip_prefix(japan::CALLING_CODE) {
            let significant = significant.strip_prefix('0').unwrap_or(significant);
            domestic(significant, quality).unwrap_or_else(|| doubtful(cleaned))
        } else {
            foreign(international, quality).unwrap_or_else(|| doubtful(cleaned))
        };
    }
    if let Some(significant) = digits.strip_prefix('0') {
        return domestic(significant, quality).unwrap_or_else(|| doubtful(cleaned));
    }
    without_zero(digits, context).unwrap_or_else(|| doubtful(cleaned))
}

/// Digits that begin with neither `+` nor zero: a country code if the trunk says so, else a number a
/// spreadsheet has robbed of its zero.
fn without_zero(digits: &str, context: &TrunkContext) -> Option<Canonical> {
    if context.bare_country_code {
        let bare = match digits.strip_prefix(japan::CALLING_CODE) {
            Some(significant) => domestic(significant, Quality::Certain),
            None => foreign(digits, Quality::Certain).filter(|number| number.quality == Quality::Certain),
        };
        if bare.is_some() {
            return bare;
        }
    }
    let national = format!("0{digits}");
    if japan::kind(&national).is_some() && japan::is_assigned(&national) {
        return domestic(digits, Quality::ZeroRestored);
    }
    None
}

/// A number of another country, as digits after the `+`. E.164 has 7 to 15 of them in practice and none
/// begins with 0.
///
/// What was read lately is remembered: every call to a line asks for the same number, and the library takes
/// as long for it as the rest of a call's deciding.
fn foreign(digits: &str, quality: Quality) -> Option<Canonical> {
    if !(7..=15).contains(&digits.len()) || digits.starts_with('0') {
        return None;
    }
    let known = SEEN.with_borrow(|seen| seen.get(digits).cloned());
    let canonical = known.or_else(|| {
        let canonical = foreign_by_library(digits)?;
        SEEN.with_borrow_mut(|seen| {
            if seen.len() >= REMEMBERED {
                seen.clear();
            }
            seen.insert(digits.to_owned(), canonical.clone());
        });
        Some(canonical)
    })?;
    // How well it could be read is the number's; how it was written is the caller's.
    let quality = if canonical.quality == Quality::Certain { quality } else { canonical.quality };
    Some(Canonical { quality, ..canonical })
}

/// Numbers remembered at most; then all are forgotten.
const REMEMBERED: usize = 4_096;

thread_local! {
    static SEEN: RefCell<HashMap<String, Canonical>> = RefCell::new(HashMap::new());
}

fn foreign_by_library(digits: &str) -> Option<Canonical> {
    let quality = Quality::Certain;
    let plain = format!("+{digits}");
    let (key, national, quality) = match PHONE_NUMBER_UTIL.parse(&plain, None) {
        Ok(number) if PHONE_NUMBER_UTIL.is_valid_number(&number) => (
            PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned(),
            PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::International).into_owned(),
            quality,
        ),
        // Newer than the metadata, or nonsense: the digits still are a good key.
        Ok(_) | Err(_) => (plain.clone(), plain, Quality::Doubtful),
    };
    Some(Canonical { key: Some(key), national, kind: NumberKind::Foreign, extension: None, quality })
}

/// A centre outside Japan: the library's plan of that region.
fn elsewhere(cleaned: &Cleaned, context: &TrunkContext) -> Canonical {
    let plain = format!("{}{}", if cleaned.plus { "+" } else { "" }, cleaned.digits);
    if let Ok(number) = PHONE_NUMBER_UTIL.parse(&plain, Some(context.region))
        && PHONE_NUMBER_UTIL.is_valid_number(&number)
        // Some plans of the library have numbers longer than E.164 allows.
        && PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).len() <= E164_OCTETS
    {
        let home = number.country_code == context.calling_code;
        let form = if home { PhoneNumberFormat::National } else { PhoneNumberFormat::International };
        return Canonical {
            key: Some(PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned()),
            national: PHONE_NUMBER_UTIL.format(&number, form).into_owned(),
            kind: if home {
                kind_of(PHONE_NUMBER_UTIL.get_number_type(&number))
            } else {
                NumberKind::Foreign
            },
            extension: None,
            quality: Quality::Certain,
        };
    }
    let bare = cleaned.plus || context.bare_country_code;
    bare.then(|| foreign(&cleaned.digits, Quality::Certain)).flatten().unwrap_or_else(|| doubtful(cleaned))
}

fn kind_of(library: PhoneNumberType) -> NumberKind {
    match library {
        PhoneNumberType::FixedLine | PhoneNumberType::FixedLineOrMobile => NumberKind::Fixed,
        PhoneNumberType::Mobile | PhoneNumberType::PersonalNumber => NumberKind::Mobile,
        PhoneNumberType::TollFree => NumberKind::Freephone,
        PhoneNumberType::PremiumRate => NumberKind::Premium,
        PhoneNumberType::SharedCost | PhoneNumberType::UAN => NumberKind::NaviDial,
        PhoneNumberType::VoIP => NumberKind::IpPhone,
        PhoneNumberType::Pager => NumberKind::Pager,
        PhoneNumberType::VoiceMail | PhoneNumberType::Unknown => NumberKind::Unknown,
    }
}

fn doubtful(cleaned: &Cleaned) -> Canonical {
    let lead = if cleaned.plus {
        "+"
    } else if cleaned.sharp {
        "#"
    } else {
        ""
    };
    Canonical {
        key: None,
        national: visible(&format!("{lead}{}", cleaned.digits)),
        kind: NumberKind::Unknown,
        extension: None,
        quality: Quality::Doubtful,
    }
}

/// The text as it may stand on a screen: no control or directional characters, at most 64 characters.
fn visible(raw: &str) -> String {
    raw.chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .take(64)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn jp(raw: &str) -> Canonical {
        canon(raw, &TrunkContext::default())
    }

    fn assert_read(raw: &str, key: &str, national: &str, kind: NumberKind, quality: Quality) {
        let got = jp(raw);
        let want = (Some(key), national, kind, quality);
        assert_eq!((got.key.as_deref(), got.national.as_str(), got.kind, got.quality), want, "{raw:?}");
    }

    fn assert_no_key(raw: &str, national: &str, kind: NumberKind, quality: Quality) {
        let got = jp(raw);
        let want = (None, national, kind, quality);
        assert_eq!((got.key.as_deref(), got.national.as_str(), got.kind, got.quality), want, "{raw:?}");
    }

    #[test]
    fn reference_row_1_people_s_spellings_are_one_number() {
        let fixed = [
            "０３－１２３４－５６７８",
            "03\u{2212}1234\u{2212}5678",
            "03ー1234ー5678",
            "(03)1234-5678",
            "03/1234/5678",
            "+81 (0)3-1234-5678",
            "＋８１－３－１２３４－５６７８",
            "TEL:03-1234-5678",
            "㈹03-1234-5678",
            "０３（１２３４）５６７８",
            "03 1234 5678",
            "03.1234.5678",
            "℡ 03-1234-5678",
            "\u{202D}03-1234-5678\u{202C}",
            "+8103-1234-5678",
        ];
        for raw in fixed {
            assert_read(raw, "+81312345678", "03-1234-5678", NumberKind::Fixed, Quality::Certain);
        }
        let mobile = "090\u{2010}1234\u{2010}5678";
        assert_read(mobile, "+819012345678", "090-1234-5678", NumberKind::Mobile, Quality::Certain);
    }

    #[test]
    fn reference_row_2_an_eaten_zero_is_restored_and_marked() {
        let restored = Quality::ZeroRestored;
        assert_read("312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, restored);
        assert_read("9012345678", "+819012345678", "090-1234-5678", NumberKind::Mobile, restored);
        assert_no_key("4155552671", "4155552671", NumberKind::Unknown, Quality::Doubtful);
    }

    #[test]
    fn reference_row_3_words_are_dropped_and_an_extension_is_kept() {
        let rows = [
            ("03-1234-5678(代)", None),
            ("03-1234-5678（代表）", None),
            ("03-1234-5678（内線123）", Some("123")),
            ("03-1234-5678 内線12", Some("12")),
            ("03-1234-5678 ext. 12", Some("12")),
            ("03-1234-5678#", None),
            ("03-1234-5678（呼）", None),
            ("FAX 03-1234-5678", None),
        ];
        for (raw, extension) in rows {
            assert_read(raw, "+81312345678", "03-1234-5678", NumberKind::Fixed, Quality::Certain);
            assert_eq!(jp(raw).extension.as_deref(), extension, "{raw:?}");
        }
        assert_eq!(jp("携帯090-1234-5678").key.as_deref(), Some("+819012345678"));
    }

    #[test]
    fn reference_row_4_two_numbers_in_a_cell_are_two() {
        let keys = |raw| -> Vec<Option<String>> {
            canon_cell(raw, &TrunkContext::default()).into_iter().map(|number| number.key).collect()
        };
        let both = vec![Some("+81312345678".to_owned()), Some("+819011112222".to_owned())];
        for raw in [
            "03-1234-5678/090-1111-2222",
            "03-1234-5678、090-1111-2222",
            "03-1234-5678,090-1111-2222",
            "03-1234-5678・090-1111-2222",
            "03-1234-5678 又は 090-1111-2222",
            "03-1234-5678\r\n090-1111-2222",
            "03-1234-5678;090-1111-2222",
            "03-1234-5678 090-1111-2222",
            "０３－１２３４－５６７８／０９０－１１１１－２２２２",
            "03-1234-5678(代) / 携帯 090-1111-2222",
        ] {
            assert_eq!(keys(raw), both, "{raw:?}");
        }
        assert_eq!(keys("03/1234/5678"), vec![Some("+81312345678".to_owned())]);
        assert_eq!(keys("0312345678;isub=123"), vec![Some("+81312345678".to_owned())]);
        assert_eq!(keys("; ,\n"), vec![]);
        let with_extension = canon_cell("03-1234-5678、内線12", &TrunkContext::default());
        assert_eq!(with_extension.len(), 1);
        assert_eq!(with_extension[0].extension.as_deref(), Some("12"));
        let rubbish = canon_cell("なし", &TrunkContext::default());
        assert_eq!((rubbish.len(), rubbish[0].quality), (1, Quality::NotANumber));
    }

    #[test]
    fn reference_row_5_184_and_186_are_taken_off() {
        let stripped = Quality::PrefixStripped;
        assert_read("18409012345678", "+819012345678", "090-1234-5678", NumberKind::Mobile, stripped);
        assert_read("1860312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_read("186-03-1234-5678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_eq!(jp("186+81312345678").key.as_deref(), Some("+81312345678"));
        // 0184 is Yurihonjo: a number there that lost its zero is not a prefix.
        assert_eq!(jp("184221234").key.as_deref(), Some("+81184221234"));
    }

    #[test]
    fn reference_row_6_a_foreign_number_needs_a_plus_or_the_trunk_s_word() {
        assert_no_key("14155552671", "14155552671", NumberKind::Unknown, Quality::Doubtful);
        assert_read("+14155552671", "+14155552671", "+1 415-555-2671", NumberKind::Foreign, Quality::Certain);
        assert_read("+4930123456", "+4930123456", "+49 30 123456", NumberKind::Foreign, Quality::Certain);
        let trunk = TrunkContext { bare_country_code: true, ..TrunkContext::default() };
        assert_eq!(canon("14155552671", &trunk).key.as_deref(), Some("+14155552671"));
        assert_eq!(canon("81312345678", &trunk).key.as_deref(), Some("+81312345678"));
        assert_eq!(jp("81312345678").key, None);
    }

    #[test]
    fn reference_row_7_carriers_prefixes_make_no_foreign_number() {
        let stripped = Quality::PrefixStripped;
        assert_read("0081312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_read("00810312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_read("00330312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_read("00770312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_read("0091200312345678", "+81312345678", "03-1234-5678", NumberKind::Fixed, stripped);
        assert_eq!(jp("003301014155552671").key.as_deref(), Some("+14155552671"));
        assert_no_key("0077780123456", "0077780123456", NumberKind::Unknown, Quality::Doubtful);
        assert_no_key("00912041234", "00912041234", NumberKind::Unknown, Quality::Doubtful);
    }

    #[test]
    fn reference_row_8_short_codes_come_before_everything() {
        for emergency in ["110", "118", "119", "１１０", "184110", "186119"] {
            let got = jp(emergency);
            assert_eq!((got.kind, got.key), (NumberKind::Emergency, None), "{emergency}");
            assert_eq!(got.national.len(), 3);
        }
        for service in ["104", "115", "117", "171", "177", "188", "189", "#7119", "#9110", "＃７１１９"]
        {
            assert_eq!((jp(service).kind, jp(service).key), (NumberKind::Service, None), "{service}");
        }
        assert_eq!(jp("#7119").line_key(), "#7119");
        for internal in ["1", "12", "105", "1234", "54321"] {
            assert_no_key(internal, internal, NumberKind::Extension, Quality::Certain);
        }
        assert_no_key("123456", "123456", NumberKind::Unknown, Quality::Doubtful);
        let plan = TrunkContext { extensions: vec!["8XXXXXX".into()], ..TrunkContext::default() };
        assert_eq!(canon("8123456", &plan).kind, NumberKind::Extension);
        assert_eq!(canon("110", &plan).kind, NumberKind::Emergency);
    }

    #[test]
    fn reference_row_9_uris_and_words_are_no_numbers() {
        assert_no_key("sip:0312345678@x", "sip:0312345678@x", NumberKind::Unknown, Quality::NotANumber);
        assert_no_key("anonymous", "anonymous", NumberKind::Unknown, Quality::NotANumber);
        assert_no_key("〇三-一二三四", "〇三-一二三四", NumberKind::Unknown, Quality::NotANumber);
        assert_no_key("", "", NumberKind::Unknown, Quality::NotANumber);
    }

    #[test]
    fn reference_row_10_parameters_of_a_tel_uri_are_cut() {
        assert_read(
            "0312345678;isub=123",
            "+81312345678",
            "03-1234-5678",
            NumberKind::Fixed,
            Quality::Certain,
        );
        // GHSA-whhr-7f2w-qqj2 and GHSA-mjw4-jj88-v687 of another library: never reaches ours.
        assert_eq!(jp("031;phone-context=\u{0}+").kind, NumberKind::Extension);
        assert_eq!(jp(";phone-context=+81").quality, Quality::NotANumber);
    }

    #[test]
    fn kinds_every_prefix_of_the_table_has_its_kind_and_grouping() {
        let rows = [
            ("0312345678", "03-1234-5678", NumberKind::Fixed),
            ("0612345678", "06-1234-5678", NumberKind::Fixed),
            ("0267421234", "0267-42-1234", NumberKind::Fixed),
            ("0597921234", "05979-2-1234", NumberKind::Fixed),
            ("0452345678", "045-234-5678", NumberKind::Fixed),
            ("0471234567", "04-7123-4567", NumberKind::Fixed),
            ("06012345678", "060-1234-5678", NumberKind::Mobile),
            ("06912345678", "069-1234-5678", NumberKind::Unknown),
            ("06092345678", "060-9234-5678", NumberKind::Mobile),
            ("07012345678", "070-1234-5678", NumberKind::Mobile),
            ("08012345678", "080-1234-5678", NumberKind::Mobile),
            ("09012345678", "090-1234-5678", NumberKind::Mobile),
            ("05012345678", "050-1234-5678", NumberKind::IpPhone),
            ("0120123456", "0120-123-456", NumberKind::Freephone),
            ("08001234567", "0800-123-4567", NumberKind::Freephone),
            ("0570012345", "0570-012-345", NumberKind::NaviDial),
            ("0990123456", "0990-123-456", NumberKind::Premium),
            ("02012345678", "020-1234-5678", NumberKind::Pager),
            ("02001234567890", "0200-12345-67890", NumberKind::Pager),
        ];
        for (raw, national, kind) in rows {
            if kind == NumberKind::Unknown {
                assert_no_key(raw, raw, kind, Quality::Doubtful);
            } else {
                assert_read(raw, &format!("+81{}", &raw[1..]), national, kind, Quality::Certain);
            }
        }
    }

    #[test]
    fn kinds_0600_and_numbers_of_a_wrong_length_are_no_numbers() {
        for raw in ["06002345678", "0901234567", "090123456789", "031234567", "00000000000", "+8131234567"] {
            assert_eq!((jp(raw).key, jp(raw).kind), (None, NumberKind::Unknown), "{raw}");
        }
    }

    #[test]
    fn kinds_010_is_the_international_prefix() {
        assert_eq!(jp("010 81 3 1234 5678").key.as_deref(), Some("+81312345678"));
        assert_eq!(jp("010-1-415-555-2671").key.as_deref(), Some("+14155552671"));
    }

    #[test]
    fn another_home_region_uses_its_own_plan() {
        let berlin = TrunkContext::new("DE").expect("Germany exists");
        let number = canon("030 123456", &berlin);
        assert_eq!(
            (number.key.as_deref(), number.national.as_str(), number.kind),
            (Some("+4930123456"), "030 123456", NumberKind::Fixed)
        );
        let abroad = canon("+81 3 1234 5678", &berlin);
        assert_eq!((abroad.key.as_deref(), abroad.kind), (Some("+81312345678"), NumberKind::Foreign));
        assert_eq!(canon("112", &berlin).kind, NumberKind::Emergency);
        assert_eq!(canon("42", &berlin).kind, NumberKind::Extension);
    }

    #[test]
    fn m055_a_full_width_number_is_shown_grouped() {
        assert_eq!(jp("０９０１２３４５６７８").national, "090-1234-5678");
        assert_eq!(jp("０９０１２３４５６７８").key, jp("09012345678").key);
    }

    proptest! {
        #[test]
        fn no_string_panics_and_no_control_character_comes_out(raw in any::<String>()) {
            for context in [TrunkContext::default(), TrunkContext::new("US").expect("the USA exist")] {
                let number = canon(&raw, &context);
                prop_assert!(!number.national.chars().any(char::is_control));
                prop_assert!(number.national.chars().count() <= 64);
                canon_cell(&raw, &context);
            }
        }

        #[test]
        fn a_key_is_its_own_key(raw in "[+]?[0-9]{1,16}") {
            let number = jp(&raw);
            if let Some(key) = &number.key {
                let again = jp(key);
                prop_assert_eq!(again.key.as_ref(), Some(key));
                prop_assert!(key.starts_with('+') && key[1..].bytes().all(|byte| byte.is_ascii_digit()));
            }
        }

        #[test]
        fn what_is_shown_reads_back_to_the_same_key(raw in "0[0-9]{9,10}") {
            let number = jp(&raw);
            if number.key.is_some() {
                prop_assert_eq!(jp(&number.national).key, number.key);
            }
        }
    }

    /// Found by the fuzz target: some plans of the library have numbers of sixteen digits and more.
    #[test]
    fn n48_a_number_longer_than_e164_is_no_key() {
        let germany = TrunkContext::new("DE").unwrap();
        let number = canon("0333334444444444", &germany);
        assert_eq!((number.key, number.quality), (None, Quality::Doubtful));
        assert_eq!(canon("030 1234567", &germany).key.as_deref(), Some("+49301234567"));
    }
}
