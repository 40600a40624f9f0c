//! Reading the caller and the called number from raw header values.

use super::header::{Address, list, percent_decode};
use super::{Caller, Canonical, Number, NumberKind, Presentation, Quality, TrunkContext, canon};

/// The longest display name that leaves this room.
const MAX_DISPLAY_CHARS: usize = 64;
/// A user part longer than this is an attack, not a number.
const MAX_USER_OCTETS: usize = 128;
/// At most so many values of one header are looked at.
const MAX_VALUES: usize = 16;

/// The header values that say who calls, as received; each entry is one header line and may be a comma list.
#[derive(Clone, Debug, Default)]
pub struct CallerHeaders<'a> {
    /// `From`.
    pub from: &'a [u8],
    /// `P-Asserted-Identity` (RFC 3325 §9.1).
    pub p_asserted_identity: Vec<&'a [u8]>,
    /// `Privacy` (RFC 3323 §4.2).
    pub privacy: Vec<&'a [u8]>,
    /// `Diversion` (RFC 5806 §4).
    pub diversion: Vec<&'a [u8]>,
    /// `History-Info` (RFC 7044 §5).
    pub history_info: Vec<&'a [u8]>,
}

/// The header values that say who was called, as received; the Request-URI is a bare URI.
#[derive(Clone, Debug, Default)]
pub struct CalledHeaders<'a> {
    /// `P-Called-Party-ID` (RFC 7315 §4.2).
    pub p_called_party_id: Option<&'a [u8]>,
    /// `To`.
    pub to: &'a [u8],
    /// The Request-URI.
    pub request_uri: &'a [u8],
    /// `Diversion` (RFC 5806 §4).
    pub diversion: Vec<&'a [u8]>,
    /// `History-Info` (RFC 7044 §5).
    pub history_info: Vec<&'a [u8]>,
}

/// Where the called number is looked for, in the order the trunk's configuration gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalledSource {
    /// `P-Called-Party-ID` (RFC 7315 §4.2).
    PCalledPartyId,
    /// `To`: where Hikari Denwa type trunks carry the dialled number.
    To,
    /// The Request-URI.
    RequestUri,
    /// The number that was called first, before the call was diverted to us (RFC 5806, RFC 7044).
    FirstDiversion,
}

impl CalledSource {
    /// The order of a trunk that says nothing.
    pub const DEFAULT_ORDER: [Self; 3] = [Self::PCalledPartyId, Self::To, Self::RequestUri];
}

/// Who calls. `trust` is the peer's `trust_identity`: without it P-Asserted-Identity is not even read.
///
/// A restricted caller carries no number, no name and no diverting number, whatever the headers hold.
pub fn read_caller(headers: &CallerHeaders<'_>, trust: bool, context: &TrunkContext) -> Caller {
    let from = Address::parse(headers.from);
    let asserted = if trust { asserted(&headers.p_asserted_identity) } else { Vec::new() };
    // Several identities: the tel one first (RFC 3325 §9.1 allows one sip and one tel).
    let preferred = asserted.iter().find(|address| address.scheme == "tel").or(asserted.first());
    let sources: Vec<&Address<'_>> = preferred.into_iter().chain(&from).chain(&asserted).collect();
    if asks_for_privacy(&headers.privacy) || sources.iter().any(|address| is_anonymous(address)) {
        return restricted(why_restricted(from.as_ref(), &asserted));
    }
    let verified = |address: &Address<'_>| trust.then(|| verstat(address)).flatten();
    let by_peer = preferred.and_then(|address| {
        number_of(address, context).map(|number| (number, verified(address) != Some(Verstat::Failed)))
    });
    let by_from = || {
        let address = from.as_ref()?;
        number_of(address, context).map(|number| (number, verified(address) == Some(Verstat::Passed)))
    };
    let Some((number, asserted)) = by_peer.or_else(by_from) else {
        return restricted(why_no_number(from.as_ref()));
    };
    Caller {
        presentation: Presentation::Number(number),
        display_name: sources.iter().find_map(|address| display_name(&address.display)),
        asserted,
        diverted_by: diverting(headers, context),
    }
}

/// The number that was dialled: the first source of the order that holds a number, else the first that holds
/// a user part at all.
pub fn read_called(order: &[CalledSource], headers: &CalledHeaders<'_>, context: &TrunkContext) -> Canonical {
    let mut fallback: Option<Canonical> = None;
    for source in order {
        let value = match source {
            CalledSource::PCalledPartyId => headers.p_called_party_id,
            CalledSource::To => Some(headers.to),
            CalledSource::RequestUri => Some(headers.request_uri),
            CalledSource::FirstDiversion => first_diversion(headers),
        };
        let Some(address) = value.and_then(Address::parse).filter(|address| !address.user.is_empty()) else {
            continue;
        };
        let number = canon_user(&address, context);
        if number.quality != Quality::NotANumber {
            return number;
        }
        fallback.get_or_insert(number);
    }
    fallback.unwrap_or_else(|| canon("", context))
}

/// Who was called first: `Diversion` lists the latest first (RFC 5806 §4), `History-Info` the earliest (RFC
/// 7044 §5); its first entry is a diversion only when others follow.
fn first_diversion<'a>(headers: &CalledHeaders<'a>) -> Option<&'a [u8]> {
    list(&headers.diversion).last().copied().or_else(|| {
        let entries = list(&headers.history_info);
        entries.first().copied().filter(|_| entries.len() > 1)
    })
}

/// What the network before us found when it verified the number (ATIS-1000074 §5, 3GPP TS 24.229).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verstat {
    Passed,
    Failed,
}

/// The `verstat` parameter of the number or of its URI. Only a trusted peer's is ever asked for (I5).
fn verstat(address: &Address<'_>) -> Option<Verstat> {
    let params = address.user_params.split(';').chain(address.rest.split(';'));
    let value = params
        .filter_map(|param| param.split_once('='))
        .find_map(|(name, value)| name.trim().eq_ignore_ascii_case("verstat").then_some(value.trim()))?;
    if value.eq_ignore_ascii_case("tn-validation-passed") {
        Some(Verstat::Passed)
    } else if value.eq_ignore_ascii_case("tn-validation-failed") {
        Some(Verstat::Failed)
    } else {
        None
    }
}

fn restricted(presentation: Presentation) -> Caller {
    Caller { presentation, display_name: None, asserted: false, diverted_by: None }
}

fn asserted<'a>(lines: &[&'a [u8]]) -> Vec<Address<'a>> {
    list(lines).into_iter().take(MAX_VALUES).filter_map(Address::parse).collect()
}

/// RFC 3323 §4.2: `id`, `user` or `header` ask for it; `none`, `session`, `critical` and `history` alone do
/// not.
fn asks_for_privacy(lines: &[&[u8]]) -> bool {
    lines.iter().flat_map(|line| line.split(|byte| matches!(byte, b';' | b',' | b' ' | b'\t'))).any(|token| {
        [&b"id"[..], b"user", b"header"].iter().any(|wanted| token.trim_ascii().eq_ignore_ascii_case(wanted))
    })
}

fn is_anonymous(address: &Address<'_>) -> bool {
    let hides = |word: &&str| address.user.eq_ignore_ascii_case(word);
    ["anonymous", "unavailable"].iter().any(hides) || address.host == "anonymous.invalid"
}

/// The state a restricted caller's network gave in the display name: 3GPP TS 24.008 §10.5.4.30 in words. From
/// comes first, then the asserted identities: carriers differ.
fn why_restricted(from: Option<&Address<'_>>, asserted: &[Address<'_>]) -> Presentation {
    from.into_iter()
        .chain(asserted)
        .find_map(|address| cause_in_words(&address.display))
        .unwrap_or(Presentation::Withheld)
}

fn cause_in_words(display: &str) -> Option<Presentation> {
    let words = display.trim_matches(|c: char| c == '"' || c.is_whitespace()).to_ascii_lowercase();
    if words.starts_with("coin line") {
        Some(Presentation::Payphone)
    } else if words.starts_with("unavailable") {
        Some(Presentation::OutOfArea)
    } else if words.starts_with("interaction with other") {
        Some(Presentation::ServiceConflict)
    } else {
        None
    }
}

/// Nothing was hidden and yet there is no number: a From nobody can read is an error; a host alone, or the
/// `Unknown` of a gateway, is a number the network could not deliver.
fn why_no_number(from: Option<&Address<'_>>) -> Presentation {
    match from {
        None => Presentation::Error,
        Some(address) if address.user.len() > MAX_USER_OCTETS => Presentation::Error,
        Some(address) => cause_in_words(&address.display).unwrap_or(Presentation::OutOfArea),
    }
}

/// The number of an address, or the user part of somebody inside who has none (`sip:sato@pbx`).
fn number_of(address: &Address<'_>, context: &TrunkContext) -> Option<Number> {
    if address.user.is_empty() || address.user.len() > MAX_USER_OCTETS {
        return None;
    }
    let number = canon_user(address, context);
    let is_gateway_s_unknown = number.key.is_none() && address.user.eq_ignore_ascii_case("unknown");
    if number.national.is_empty() || is_gateway_s_unknown {
        return None;
    }
    Some(number.into())
}

/// The library never sees a user part: `canon` hands on digits only.
fn canon_user(address: &Address<'_>, context: &TrunkContext) -> Canonical {
    if address.user.len() > MAX_USER_OCTETS {
        return canon("", context);
    }
    let mut number = canon(&address.user, context);
    if number.quality == Quality::NotANumber {
        // A name is no number, even one with 内線 or 電話 in it.
        number.kind = NumberKind::Unknown;
        number.extension = None;
    }
    number
}

/// Control characters and line separators go, the rest stays verbatim, directional marks included: names
/// travel as they are and the screen isolates them.
fn display_name(display: &str) -> Option<String> {
    if display.len() <= MAX_DISPLAY_CHARS && display.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        let name = display.trim();
        return (!name.is_empty()).then(|| name.to_owned());
    }
    let name: String =
        display.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).collect();
    let name: String = name.trim().chars().take(MAX_DISPLAY_CHARS).collect();
    (!name.is_empty()).then_some(name)
}

/// 転送元: the party that sent the call on to us. `Diversion` lists the latest first (RFC 5806 §4); in
/// `History-Info` it is the entry before the one that carries a cause, or the entry that carries the Reason
/// itself.
fn diverting(headers: &CallerHeaders<'_>, context: &TrunkContext) -> Option<String> {
    if has_token(&headers.privacy, b"history") {
        return None;
    }
    if let Some(address) = list(&headers.diversion).first().and_then(|value| Address::parse(value)) {
        let private = address.rest.to_ascii_lowercase().contains("privacy=full");
        return if private { None } else { shown(&address, context) };
    }
    let entries: Vec<Address<'_>> =
        list(&headers.history_info).into_iter().take(MAX_VALUES).filter_map(Address::parse).collect();
    let marked = entries.iter().rposition(|entry| is_diverted(&entry.rest))?;
    let by_reason = entries.get(marked).is_some_and(|entry| carries_reason(&entry.rest));
    let entry = if by_reason { entries.get(marked) } else { entries.get(marked.saturating_sub(1)) }?;
    let private = percent_decode(&entry.rest).to_ascii_lowercase().contains("privacy=history");
    if private { None } else { shown(entry, context) }
}

fn has_token(lines: &[&[u8]], wanted: &[u8]) -> bool {
    lines
        .iter()
        .flat_map(|line| line.split(|byte| matches!(byte, b';' | b',')))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
}

/// The causes by which a call is sent on (RFC 4458 §2).
fn is_diverted(rest: &str) -> bool {
    let rest = percent_decode(rest).to_ascii_lowercase();
    rest.split("cause=").skip(1).any(|after| {
        let code: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
        matches!(code.as_str(), "302" | "404" | "408" | "480" | "486" | "487" | "503")
    })
}

fn carries_reason(rest: &str) -> bool {
    rest.to_ascii_lowercase().contains("reason=")
}

fn shown(address: &Address<'_>, context: &TrunkContext) -> Option<String> {
    if address.user.is_empty() || is_anonymous(address) {
        return None;
    }
    let number = canon_user(address, context);
    (number.quality != Quality::NotANumber).then_some(number.national)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::label;

    /// From, P-Asserted-Identity, Privacy, trusted?
    type Row<'a> = (&'a str, &'a str, &'a str, bool);

    fn read(row: Row<'_>) -> Caller {
        let (from, identity, privacy, trust) = row;
        let headers = CallerHeaders {
            from: from.as_bytes(),
            p_asserted_identity: lines(identity),
            privacy: lines(privacy),
            ..CallerHeaders::default()
        };
        read_caller(&headers, trust, &TrunkContext::default())
    }

    fn lines(text: &str) -> Vec<&[u8]> {
        text.lines().map(str::as_bytes).collect()
    }

    /// State and label; for numbers also whether a trusted peer asserted it.
    fn seen(row: Row<'_>) -> (&'static str, String, bool) {
        let caller = read(row);
        (caller.presentation.code(), label(&caller.presentation).0.to_owned(), caller.asserted)
    }

    const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1";
    const PAI: &str = "<sip:+81312345678@ims.example.jp;user=phone>";

    #[test]
    fn m082_numbers_in_every_form_a_carrier_uses() {
        let rows: [(Row<'_>, &str, bool); 25] = [
            (("<sip:0312345678@x>;tag=1", "", "", false), "03-1234-5678", false),
            (("sip:0312345678@x;tag=1", "", "", false), "03-1234-5678", false),
            (("<sip:+81312345678@x;user=phone>", "", "", false), "03-1234-5678", false),
            (("<sip:+81-3-1234-5678@x>", "", "", false), "03-1234-5678", false),
            (("<tel:+81-3-1234-5678>", "", "", false), "03-1234-5678", false),
            (("<tel:0312345678;phone-context=+81>", "", "", false), "03-1234-5678", false),
            (("<SIPS:0312345678@x>", "", "", false), "03-1234-5678", false),
            (("<sip:0312345678;npdi;rn=+8150@x>", "", "", false), "03-1234-5678", false),
            (("<sip:0312345678;isub=123@x>", "", "", false), "03-1234-5678", false),
            (("<sip:0312345678%3Bisub=123@x>", "", "", false), "03-1234-5678", false),
            (("<sip:%30%3312345678@x>", "", "", false), "03-1234-5678", false),
            (("<sip:%2B81312345678@x>", "", "", false), "03-1234-5678", false),
            (("<sip:0312345678:secret@x>", "", "", false), "03-1234-5678", false),
            (("<sip:0312345678@[2001:db8::1]:5060>", "", "", false), "03-1234-5678", false),
            (("<sip:+4930123456@x>", "", "", false), "+49 30 123456", false),
            (("<sip:1@192.168.1.1>", "", "", false), "1", false),
            (("<sip:110@x>", "", "", false), "110", false),
            (("<sip:sato@pbx.example>", "", "", false), "sato", false),
            (("<sip:0399999999@x>", PAI, "", true), "03-1234-5678", true),
            (("<sip:0399999999@x>", PAI, "none", true), "03-1234-5678", true),
            (("<sip:0399999999@x>", PAI, "", false), "03-9999-9999", false),
            (("<sip:a@x>", "<sip:b@x>, <tel:+819012345678>", "", true), "090-1234-5678", true),
            (("<sip:a@x>", "<sip:b@x>\n<tel:+819012345678>", "", true), "090-1234-5678", true),
            (("<sip:0399999999@x>", "<sip:@x>", "", true), "03-9999-9999", false),
            (("<sip:0399999999@x>", "rubbish", "session;critical", true), "03-9999-9999", false),
        ];
        for (row, label, asserted) in rows {
            assert_eq!(seen(row), ("number", label.to_owned(), asserted), "{row:?}");
        }
    }

    #[test]
    fn m082_restricted_callers_in_every_form_a_carrier_uses() {
        let coin = "\"Coin line/payphone\" <sip:anonymous@anonymous.invalid>";
        let unavailable = "\"Unavailable\" <sip:anonymous@anonymous.invalid>";
        let conflict = "\"Interaction with other service\" <sip:anonymous@anonymous.invalid>";
        let rows: [(Row<'_>, &str); 27] = [
            ((ANONYMOUS, "", "id", false), "withheld"),
            ((ANONYMOUS, PAI, "id", true), "withheld"),
            ((ANONYMOUS, PAI, "", true), "withheld"),
            (("<sip:0312345678@x>", "", "id", false), "withheld"),
            (("<sip:0312345678@x>", "", "user", false), "withheld"),
            (("<sip:0312345678@x>", "", "header", false), "withheld"),
            (("<sip:0312345678@x>", "", "ID;critical", false), "withheld"),
            (("<sip:0312345678@x>", "", "none;id", false), "withheld"),
            (("<sip:0312345678@x>", "", "none\nuser;id", false), "withheld"),
            (("<sip:Anonymous@x>", "", "", false), "withheld"),
            (("<sip:unavailable@x>", "", "", false), "withheld"),
            (("<sip:%61nonymous@x>", "", "", false), "withheld"),
            (("<sip:0312345678@ANONYMOUS.invalid:5060>", "", "", false), "withheld"),
            (("<sip:0312345678@x>", "<sip:anonymous@anonymous.invalid>", "", true), "withheld"),
            ((coin, "", "", false), "payphone"),
            ((coin, "", "id", false), "payphone"),
            (("COIN LINE/payphoneForDcm <sip:anonymous@anonymous.invalid>", "", "", false), "payphone"),
            ((ANONYMOUS, coin, "id", true), "payphone"),
            ((ANONYMOUS, coin, "id", false), "withheld"),
            ((unavailable, "", "", false), "out_of_area"),
            ((ANONYMOUS, unavailable, "", true), "out_of_area"),
            (("\"Unknown\" <sip:unknown@gateway>", "", "", false), "out_of_area"),
            (("<sip:gateway.example>", "", "", false), "out_of_area"),
            ((conflict, "", "", false), "service_conflict"),
            (("\" interaction with OTHER\" <sip:unavailable@x>", "", "", false), "service_conflict"),
            (("", "", "", false), "error"),
            (("\"half <sip:0312345678@x>", "", "", false), "error"),
        ];
        for (row, state) in rows {
            let caller = read(row);
            assert_eq!(caller.presentation.code(), state, "{row:?}");
            let bare = restricted(caller.presentation.clone());
            assert_eq!(caller, bare, "nothing else may be known of {row:?}");
        }
    }

    #[test]
    fn a_restricted_caller_carries_no_number_wherever_the_headers_leak_it() {
        let headers = CallerHeaders {
            from: b"\"0312345678\" <sip:0312345678@x>",
            p_asserted_identity: vec![b"\"0312345678\" <tel:0312345678>"],
            privacy: vec![b"id"],
            diversion: vec![b"<sip:0312345678@x>"],
            history_info: vec![b"<sip:0312345678@x;cause=302>;index=1"],
        };
        let caller = read_caller(&headers, true, &TrunkContext::default());
        let written = serde_json::to_string(&caller).expect("plain data");
        assert!(!written.contains("5678"), "{written}");
    }

    #[test]
    fn digits_in_the_display_name_are_a_name() {
        let caller = read(("\"0399999999\" <sip:0312345678@x>", "", "", false));
        assert_eq!(caller.display_name.as_deref(), Some("0399999999"));
        assert_eq!(label(&caller.presentation).0, "03-1234-5678");
    }

    #[test]
    fn n54_a_hostile_display_name_is_cut_and_cleaned_and_valid_utf_8() {
        let long = format!("\"{}\" <sip:0312345678@x>", "あ".repeat(3_400));
        assert_eq!(read((&long, "", "", false)).display_name, Some("あ".repeat(64)));
        let ansi = "\"a\u{1b}[31m\u{7}b\u{0}\u{2028}c\" <sip:0312345678@x>";
        assert_eq!(read((ansi, "", "", false)).display_name.as_deref(), Some("a[31mbc"));
        let rtl = "\"\u{202E}gnp\" <sip:0312345678@x>";
        assert_eq!(read((rtl, "", "", false)).display_name.as_deref(), Some("\u{202E}gnp"));
        let headers =
            CallerHeaders { from: b"\"\x8E\x52\x93\x63\" <sip:0312345678@x>", ..CallerHeaders::default() };
        let name = read_caller(&headers, false, &TrunkContext::default()).display_name;
        assert!(name.is_some_and(|name| name.contains('\u{FFFD}')));
        let markup = "\"<img src=x onerror=alert(1)>\" <sip:0312345678@x>";
        assert_eq!(
            read((markup, "", "", false)).display_name.as_deref(),
            Some("<img src=x onerror=alert(1)>")
        );
    }

    #[test]
    fn n56_only_a_trusted_peer_asserts_a_number() {
        assert!(read(("<sip:0399999999@x>", PAI, "", true)).asserted);
        assert!(!read(("<sip:+81312345678@x>", PAI, "", false)).asserted);
        assert!(!read(("<sip:+81312345678@x>", "", "", true)).asserted);
    }

    #[test]
    fn the_diverting_party_is_read_from_both_headers() {
        let diverted = |diversion: &[&'static str], history: &[&'static str], privacy: &[&'static str]| {
            let headers = CallerHeaders {
                from: b"<sip:0312345678@x>",
                diversion: diversion.iter().map(|line| line.as_bytes()).collect(),
                history_info: history.iter().map(|line| line.as_bytes()).collect(),
                privacy: privacy.iter().map(|line| line.as_bytes()).collect(),
                ..CallerHeaders::default()
            };
            read_caller(&headers, false, &TrunkContext::default()).diverted_by
        };
        let mobile = Some("090-1234-5678".to_owned());
        let first = "<sip:09012345678@x>;reason=unconditional, <sip:0399999999@x>";
        assert_eq!(diverted(&[first], &[], &[]), mobile);
        assert_eq!(diverted(&["<sip:09012345678@x>;privacy=full"], &[], &[]), None);
        let target = "<sip:+819012345678@x>;index=1, <sip:+81120123456@x;cause=302>;index=1.1";
        assert_eq!(diverted(&[], &[target], &[]), mobile);
        assert_eq!(diverted(&[], &[target], &["history"]), None);
        let reason = "<sip:+819012345678@x?Reason=SIP%3Bcause%3D486>;index=1";
        assert_eq!(diverted(&[], &[reason, "<sip:+81120123456@x>;index=1.1"], &[]), mobile);
        assert_eq!(diverted(&[], &["<sip:+81120123456@x>;index=1"], &[]), None);
        assert_eq!(
            diverted(&[], &["<sip:+819012345678@x?Privacy=history&Reason=SIP%3Bcause%3D302>"], &[]),
            None
        );
    }

    #[test]
    fn the_called_number_follows_the_order_of_the_trunk() {
        let called = |order: &[CalledSource], party: Option<&str>, to: &str, uri: &str| {
            let headers = CalledHeaders {
                p_called_party_id: party.map(str::as_bytes),
                to: to.as_bytes(),
                request_uri: uri.as_bytes(),
                ..CalledHeaders::default()
            };
            let number = read_called(order, &headers, &TrunkContext::default());
            number.line_key().to_owned()
        };
        let all = CalledSource::DEFAULT_ORDER;
        let (to, uri) = ("<sip:0120123456@x>", "sip:0312345678@10.0.0.1:5060;transport=udp");
        assert_eq!(called(&all, Some("<sip:0570012345@x>"), to, uri), "+81570012345");
        assert_eq!(called(&all, None, to, uri), "+81120123456");
        assert_eq!(called(&all, None, "<sip:trunk@x>", uri), "+81312345678");
        assert_eq!(called(&[CalledSource::RequestUri], None, to, uri), "+81312345678");
        assert_eq!(called(&all, Some("rubbish"), "<sip:x>", "sip:119@x"), "119");
        assert_eq!(called(&all, None, "<sip:sato@x>", "sip:suzuki@x"), "sato");
        assert_eq!(called(&all, None, "", ""), "");
        assert_eq!(called(&all, None, "<tel:+81-120-123-456>", uri), "+81120123456");
    }

    #[test]
    fn i3_the_number_that_was_called_first_can_be_the_line() {
        let called = |diversion: &[&'static str], history: &[&'static str]| {
            let headers = CalledHeaders {
                to: b"<sip:0120123456@x>",
                diversion: diversion.iter().map(|line| line.as_bytes()).collect(),
                history_info: history.iter().map(|line| line.as_bytes()).collect(),
                ..CalledHeaders::default()
            };
            let order = [CalledSource::FirstDiversion, CalledSource::To];
            read_called(&order, &headers, &TrunkContext::default()).line_key().to_owned()
        };
        let latest_first = "<sip:0399999999@x>;reason=no-answer, <sip:0312345678@x>;reason=unconditional";
        assert_eq!(called(&[latest_first], &[]), "+81312345678");
        assert_eq!(called(&["<sip:0399999999@x>", "<sip:0312345678@x>"], &[]), "+81312345678");
        let earliest_first = "<sip:+81312345678@x>;index=1, <sip:+81120123456@x;cause=302>;index=1.1";
        assert_eq!(called(&[], &[earliest_first]), "+81312345678");
        assert_eq!(called(&[], &["<sip:+81312345678@x>;index=1"]), "+81120123456", "it was not diverted");
        assert_eq!(called(&["<sip:anonymous@x>"], &[]), "+81120123456");
        assert_eq!(called(&[], &[]), "+81120123456");
    }

    #[test]
    fn i5_verstat_is_believed_of_trusted_peers_only() {
        let passed = "<sip:+81312345678;verstat=TN-Validation-Passed@x;user=phone>";
        let failed = "<sip:+81312345678;verstat=TN-Validation-Failed@x;user=phone>";
        let tel_passed = "<tel:+81312345678;verstat=tn-validation-passed>";
        let tel_failed = "<tel:+81312345678;verstat=TN-Validation-Failed>";
        let none = "<sip:+81312345678;verstat=No-TN-Validation@x>";
        let rows: [(Row<'_>, bool); 12] = [
            ((passed, "", "", true), true),
            ((tel_passed, "", "", true), true),
            (("<sip:+81312345678@x;user=phone;verstat=TN-Validation-Passed>", "", "", true), true),
            ((passed, "", "", false), false),
            ((failed, "", "", true), false),
            ((none, "", "", true), false),
            (("<sip:0399999999@x>", passed, "", true), true),
            (("<sip:0399999999@x>", failed, "", true), false),
            (("<sip:0399999999@x>", tel_failed, "", true), false),
            (("<sip:0399999999@x>", none, "", true), true),
            (("<sip:0399999999@x>", passed, "", false), false),
            (("<sip:+81312345678;xverstat=TN-Validation-Passed@x>", "", "", true), false),
        ];
        for (row, verified) in rows {
            let caller = read(row);
            assert_eq!(caller.asserted, verified, "{row:?}");
            assert_eq!(caller.presentation.code(), "number", "it is an annotation, and hides nothing");
        }
    }

    proptest! {
        #[test]
        fn no_header_panics_and_nothing_controls_the_screen(
            from in any::<Vec<u8>>(),
            identity in any::<Vec<u8>>(),
            history in any::<Vec<u8>>(),
            trust in any::<bool>(),
        ) {
            let headers = CallerHeaders {
                from: &from,
                p_asserted_identity: vec![&identity],
                history_info: vec![&history],
                ..CallerHeaders::default()
            };
            let caller = read_caller(&headers, trust, &TrunkContext::default());
            prop_assert!(!label(&caller.presentation).0.chars().any(char::is_control));
            prop_assert!(caller.display_name.is_none_or(|name| name.chars().count() <= 64));
        }

        #[test]
        fn half_formed_addresses_do_not_panic(from in "[\"<>sip:tel;,@%0-9あ ?=\\\\]{0,40}") {
            let headers = CallerHeaders {
                from: from.as_bytes(),
                diversion: vec![from.as_bytes()],
                ..CallerHeaders::default()
            };
            read_caller(&headers, false, &TrunkContext::default());
        }
    }
}
