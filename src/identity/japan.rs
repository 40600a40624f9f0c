//! The Japanese numbering plan as far as a call centre needs it: kinds by prefix, short codes, grouping.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};

use super::NumberKind;

/// The country calling code.
pub(super) const CALLING_CODE: &str = "81";

/// Three-digit services of the carriers; the library knows few of them.
const SERVICES: [&str; 21] = [
    "104", "113", "114", "115", "116", "117", "121", "136", "141", "142", "144", "147", "148", "151", "157",
    "159", "161", "171", "177", "188", "189",
];

/// The kind of a national number with its trunk zero, by prefix and length; `None` when no number looks like
/// that.
///
/// `national` is ASCII digits.
pub(super) fn kind(national: &str) -> Option<NumberKind> {
    let digits = national.as_bytes();
    match digits {
        [b'0', b'8', b'0', b'0', ..] => (digits.len() == 11).then_some(NumberKind::Freephone),
        [b'0', b'2', b'0', b'0', ..] => (digits.len() == 14).then_some(NumberKind::Pager),
        [b'0', b'2', b'0', ..] => (digits.len() == 11).then_some(NumberKind::Pager),
        [b'0', b'5', b'0', fourth, ..] => {
            (digits.len() == 11 && *fourth != b'0').then_some(NumberKind::IpPhone)
        }
        // 060 was opened for mobiles without 0600, like its elder sisters.
        [b'0', b'6'..=b'9', b'0', fourth, ..] => {
            (digits.len() == 11 && *fourth != b'0').then_some(NumberKind::Mobile)
        }
        _ if digits.len() != 10 => None,
        [b'0', b'1', b'2', b'0', ..] => Some(NumberKind::Freephone),
        [b'0', b'5', b'7', b'0', ..] => Some(NumberKind::NaviDial),
        [b'0', b'9', b'9', b'0', ..] => Some(NumberKind::Premium),
        [b'0', b'1'..=b'9', b'1'..=b'9', ..] => Some(NumberKind::Fixed),
        _ => None,
    }
}

/// Whether the digits are one of the carriers' or authorities' services; `sharp` for those that begin with
/// `#`.
pub(super) fn is_service(digits: &str, sharp: bool) -> bool {
    if sharp { digits.len() == 4 && digits.starts_with(['7', '8', '9']) } else { SERVICES.contains(&digits) }
}

/// Whether the library's table has the number; used only where we guess (a zero eaten by a spreadsheet).
pub(super) fn is_assigned(national: &str) -> bool {
    as_library(national).is_some_and(|number| PHONE_NUMBER_UTIL.is_valid_number(&number))
}

/// The number as people write it. Only geographic numbers need the library: the length of their area code is
/// in its table.
pub(super) fn group(national: &str, kind: NumberKind) -> String {
    match kind {
        NumberKind::Mobile | NumberKind::IpPhone => cut(national, 3, 7),
        NumberKind::Freephone | NumberKind::NaviDial | NumberKind::Premium => cut(national, 4, 7),
        NumberKind::Pager if national.len() == 14 => cut(national, 4, 9),
        NumberKind::Pager => cut(national, 3, 7),
        NumberKind::Fixed => group_fixed(national),
        NumberKind::Emergency
        | NumberKind::Service
        | NumberKind::Extension
        | NumberKind::Foreign
        | NumberKind::Unknown => national.to_owned(),
    }
}

/// Takes the prefix of a carrier (`0033`, `0077`, `0081`, `002012`, `009120`) off a number; the rest must
/// begin with the trunk zero and stand on its own. `0081` may also be the country code in foreign spelling.
pub(super) fn strip_carrier(digits: &str) -> Option<&str> {
    if !digits.starts_with("00") {
        return None;
    }
    [4, 6, 5]
        .into_iter()
        .filter_map(|length| digits.get(length..))
        .find(|rest| kind(rest).is_some() || (rest.starts_with("010") && rest.len() > 9))
}

fn group_fixed(national: &str) -> String {
    if let Some(number) = as_library(national) {
        let text = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National);
        if text.starts_with('0') && text.contains('-') {
            return text.into_owned();
        }
    }
    // Not in the table: two-digit area codes exist only for Tokyo and Osaka.
    if national.starts_with("03") || national.starts_with("06") {
        cut(national, 2, 6)
    } else {
        cut(national, 3, 6)
    }
}

fn as_library(national: &str) -> Option<PhoneNumber> {
    PHONE_NUMBER_UTIL.parse(national, Some(Region::JP)).ok()
}

/// Hyphens after `first` and `second` digits.
fn cut(digits: &str, first: usize, second: usize) -> String {
    match (digits.get(..first), digits.get(first..second), digits.get(second..)) {
        (Some(a), Some(b), Some(c)) => format!("{a}-{b}-{c}"),
        (Some(_) | None, Some(_) | None, Some(_) | None) => digits.to_owned(),
    }
}
