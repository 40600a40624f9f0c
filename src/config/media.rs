//! `[media]`: the ports of music, and what is said between.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::document::Section;

/// `[media]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What callers are told, at most one of each family; of a family that is absent the address of SIP.
    pub addresses: Vec<IpAddr>,
    /// UDP ports; RTP gets the even ones.
    pub ports: RangeInclusive<u16>,
    /// Callers that are played to at once.
    pub streams: usize,
    /// The folder of recordings.
    pub prompts: Option<PathBuf>,
    /// From the beginning of the music to the first announcement.
    pub announce_first: Duration,
    /// From one announcement to the next; zero: there is only the first.
    pub announce_every: Duration,
    /// What is said each time; behind the last the first again.
    pub announcements: Vec<Announcements>,
}

/// What is said at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcements(pub Vec<Saying>);

/// One thing that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// Please hold the line.
    PleaseHold,
    /// Which place the caller has.
    Position,
    /// How long it will take.
    Minutes,
    /// Press 1 to be called back.
    PressOne,
}

impl Media {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let media = Self {
            addresses: section.texts("address", default.addresses, address),
            ports: section.text("ports", default.ports, ports),
            streams: section.number("streams", 1..=16_384, default.streams),
            prompts: section.optional("prompts", default.prompts, |text| Ok(section.resolve(text))),
            announce_first: section.seconds("announce_first_s", 1..=3_600, default.announce_first),
            announce_every: section.seconds("announce_every_s", 0..=3_600, default.announce_every),
            announcements: section.texts("announcements", default.announcements, Announcements::from_str),
        };
        let of_one_family = |one: &IpAddr, other: &IpAddr| one.is_ipv4() == other.is_ipv4();
        if media.addresses.len() > 2
            || media.addresses.iter().zip(media.addresses.iter().skip(1)).any(|(a, b)| of_one_family(a, b))
        {
            section.fault_at("address", "has more than one address of one family");
        }
        section.refuse_unknown_keys();
        media
    }
}

impl Default for Media {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            ports: 20_000..=29_999,
            streams: 1_000,
            prompts: None,
            announce_first: Duration::from_secs(15),
            announce_every: Duration::from_secs(30),
            announcements: vec![
                Announcements(vec![Saying::PleaseHold]),
                Announcements(vec![Saying::Position, Saying::Minutes]),
            ],
        }
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| format!("\"{text}\" is not an IP address"))?;
    if address.is_unspecified() || address.is_multicast() {
        return Err(format!("\"{text}\" cannot be told to callers; write an address that they reach"));
    }
    Ok(address)
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let read = || {
        let (low, high) = text.split_once('-')?;
        Some(low.trim().parse().ok()?..=high.trim().parse().ok()?)
    };
    let bad = |why: &str| format!("\"{text}\" {why}; write it like \"20000-29999\"");
    let range: RangeInclusive<u16> = read().ok_or_else(|| bad("is no range of ports"))?;
    if *range.start() < 1024 {
        return Err(bad("has ports below 1024"));
    }
    // Two beside each other, of which the lower is even.
    if u32::from(*range.start()).next_multiple_of(2) + 1 > u32::from(*range.end()) {
        return Err(bad("has no even port with an odd one above it"));
    }
    Ok(range)
}

impl FromStr for Announcements {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let saying = |part: &str| match part.trim() {
            "please-hold" => Ok(Saying::PleaseHold),
            "position" => Ok(Saying::Position),
            "minutes" => Ok(Saying::Minutes),
            "press-one" => Ok(Saying::PressOne),
            other => Err(format!(
                "\"{other}\" is not please-hold, position, minutes or press-one, nor several of them with + \
                 between"
            )),
        };
        text.split('+').map(saying).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_a_range_with_a_pair_in_it() {
        assert_eq!(ports("20000-29999"), Ok(20_000..=29_999));
        assert_eq!(ports(" 4000 - 4001 "), Ok(4_000..=4_001));
        for bad in ["", "20000", "20000-", "29999-20000", "4001-4002", "4000-4000", "80-90", "4000-70000"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn announcements_are_words_with_plus_between() {
        let several = Announcements(vec![Saying::Position, Saying::Minutes, Saying::PressOne]);
        assert_eq!("position + minutes+press-one".parse(), Ok(several));
        assert!("position, minutes".parse::<Announcements>().is_err());
        assert!("".parse::<Announcements>().is_err());
    }

    #[test]
    fn an_address_that_nobody_reaches_is_refused() {
        assert!(address("192.0.2.30").is_ok() && address("2001:db8::30").is_ok());
        for bad in ["0.0.0.0", "::", "224.0.0.1", "pbx.example", "192.0.2.30:4000"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
