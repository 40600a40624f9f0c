//! Digits in RTP (RFC 4733 §2.3): each key once, however many packets tell of it and whichever are lost.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A key of a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Digit {
    /// 0 to 9.
    Number(u8),
    /// The star.
    Star,
    /// The pound sign.
    Pound,
    /// A to D.
    Letter(char),
}

impl FromStr for Digit {
    type Err = String;

    /// A key as it is written on it: 0 to 9, `*`, `#`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [digit @ b'0'..=b'9'] => Ok(Self::Number(digit - b'0')),
            b"*" => Ok(Self::Star),
            b"#" => Ok(Self::Pound),
            _ => Err(format!("\"{}\" is no key of a telephone: 0 to 9, * or #", text.escape_debug())),
        }
    }
}

/// The keys of one caller, as their packets come.
#[derive(Clone, Debug, Default)]
pub struct Digits {
    /// The timestamp of the key that was told last: all packets of one key have the same.
    last: Option<u32>,
}

impl Digits {
    /// A packet of the telephone-event payload type. A key is told by the first packet of it that arrives,
    /// and not by the repetitions that follow (RFC 4733 §2.5.1.4), nor by one that comes out of order.
    pub fn hear(&mut self, timestamp: u32, payload: &[u8]) -> Option<Digit> {
        let [event, _, _, _] = *<&[u8; 4]>::try_from(payload.get(..4)?).ok()?;
        let digit = match event {
            0..=9 => Digit::Number(event),
            10 => Digit::Star,
            11 => Digit::Pound,
            12..=15 => Digit::Letter(char::from(b'A' + event - 12)),
            // Flash, tones of modems: no key.
            16.. => return None,
        };
        let older = self.last.is_some_and(|last| timestamp.wrapping_sub(last) > u32::MAX / 2);
        if older || self.last == Some(timestamp) {
            return None;
        }
        self.last = Some(timestamp);
        Some(digit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_told_once_whatever_is_repeated_or_lost() {
        let mut digits = Digits::default();
        let packets: [(u32, [u8; 4]); 8] = [
            (160, [1, 10, 0, 160]),
            (160, [1, 10, 1, 64]),
            (160, [1, 0x8a, 1, 224]),
            (160, [1, 0x8a, 1, 224]),
            // Of this one only the last repetition arrives.
            (4000, [11, 0x8a, 3, 32]),
            // This one comes late.
            (160, [1, 0x8a, 1, 224]),
            // The same key again.
            (8000, [11, 10, 0, 160]),
            (9000, [12, 10, 0, 160]),
        ];
        let told: Vec<Digit> = packets.iter().filter_map(|(at, payload)| digits.hear(*at, payload)).collect();
        assert_eq!(told, [Digit::Number(1), Digit::Pound, Digit::Pound, Digit::Letter('A')]);
    }

    #[test]
    fn a_key_is_written_as_it_is_on_the_telephone() {
        let read = |text: &str| text.parse::<Digit>().ok();
        assert_eq!(
            [read("1"), read("*"), read("#")],
            [Digit::Number(1), Digit::Star, Digit::Pound].map(Some)
        );
        assert_eq!([read(""), read("10"), read("A"), read("１")], [None; 4]);
    }

    #[test]
    fn n50_what_is_no_key_is_nothing() {
        let mut digits = Digits::default();
        for payload in [&[][..], &[1, 2, 3], &[16, 0, 0, 0], &[255, 255, 255, 255]] {
            assert_eq!(digits.hear(1, payload), None);
        }
        assert_eq!(digits.hear(u32::MAX - 5, &[10, 0, 0, 0]), Some(Digit::Star));
        assert_eq!(digits.hear(155, &[10, 0, 0, 0]), Some(Digit::Star), "timestamps go round");
    }
}
