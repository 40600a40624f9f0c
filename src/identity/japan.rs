//! The Japanese numbering plan as far as a call centre needs it: kinds by prefix, short codes, grouping.

use std::cell::RefCell;
use std::collections::HashMap;

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

/// Tokyo and Osaka need no table. Elsewhere the area code is decided by the first seven digits, and the
/// library takes as long for it as the rest of a call's deciding: what was asked lately is remembered.
fn group_fixed(national: &str) -> String {
    if national.starts_with("03") || national.starts_with("06") {
        return cut(national, 2, 6);
    }
    let Some(Ok(prefix)) = national.get(..AREA_DIGITS).map(str::parse::<u32>) else {
        return by_library(national);
    };
    if let Some((first, second)) = AREAS.with_borrow(|areas| areas.get(&prefix).copied()) {
        return cut(national, first, second);
    }
    let grouped = by_library(national);
    if let Some(hyphens) = hyphens_of(&grouped) {
        AREAS.with_borrow_mut(|areas| {
            if areas.len() >= AREAS_REMEMBERED {
                areas.clear();
            }
            areas.insert(prefix, hyphens);
        });
    }
    grouped
}

/// So many digits, the trunk zero among them, decide where the area code ends.
const AREA_DIGITS: usize = 7;

/// Areas remembered at most; then all are forgotten.
const AREAS_REMEMBERED: usize = 16_384;

thread_local! {
    /// Digits before the first and before the second hyphen, by the first digits of the number.
    static AREAS: RefCell<HashMap<u32, (usize, usize)>> = RefCell::new(HashMap::new());
}

/// The digits before the first and before the second hyphen of a number with two.
fn hyphens_of(grouped: &str) -> Option<(usize, usize)> {
    let mut parts = grouped.split('-').map(str::len);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && third > 0).then_some((first, first + second))
}

fn by_library(national: &str) -> String {
    if let Some(number) = as_library(national) {
        let text = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National);
        if text.starts_with('0') && text.contains('-') {
            return text.into_owned();
        }
    }
    cut(national, 3, 6)
}

fn as_library(national: &str) -> Option<PhoneNumber> {
    PHONE_NUMBER_UTIL.parse(national, Some(Region::JP)).ok()
}

/// Hyphens after `first` and `second` digits.
fn cut(digits: &str, first: usize, second: usize) -> String {
    match (digits.get(..first), digits.get(first..second), digits.get(second..)) {
        (Some(a), Some(b), Some(c)) => [a, "-", b, "-", c].concat(),
        (Some(_) | None, Some(_) | None, Some(_) | None) => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What lets an area be remembered.
        #[test]
        fn the_first_seven_digits_decide_where_the_hyphens_stand(
            area in "0[1-9][1-9][0-9]{4}", one in "[0-9]{3}", other in "[0-9]{3}",
        ) {
            let [one, other] = [one, other].map(|rest| by_library(&format!("{area}{rest}")));
            prop_assert_eq!(hyphens_of(&one), hyphens_of(&other), "{} and {}", one, other);
        }

        #[test]
        fn tokyo_and_osaka_are_grouped_as_the_library_does(number in "0[36][1-9][0-9]{7}") {
            prop_assert_eq!(group_fixed(&number), by_library(&number));
        }

        #[test]
        fn a_remembered_area_groups_as_the_library_does(number in "0[1-9][1-9][0-9]{7}") {
            let first = group_fixed(&number);
            prop_assert_eq!(&first, &by_library(&number));
            prop_assert_eq!(first, group_fixed(&number));
        }
    }
}
