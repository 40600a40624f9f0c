//! G.711: sixteen bits to eight and back, µ-law and A-law.

/// µ-law adds this before the logarithm, so that the smallest segment is a segment too.
const BIAS: i32 = 0x84;

/// The loudest sample that µ-law has, above the bias.
const CLIP: i32 = 32_635;

/// µ-law of a sample (G.711 §2.3): sign, segment, step, all bits inverted.
pub fn ulaw(sample: i16) -> u8 {
    let loud = i32::from(sample).abs().min(CLIP) + BIAS;
    let segment = 24 - loud.leading_zeros() as i32;
    let step = loud >> (segment + 3) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !octet(sign | segment << 4 | step)
}

/// A-law of a sample (G.711 §2.2): sign, segment, step, the even bits inverted.
pub fn alaw(sample: i16) -> u8 {
    // Thirteen bits; a negative sample counts from -1, so that both halves are alike.
    let short = i32::from(sample) >> 3;
    let (sign, loud) = if short >= 0 { (0x80, short) } else { (0, -short - 1) };
    let coded = match 32 - loud.leading_zeros() as i32 {
        0..=5 => loud >> 1,
        bits => {
            let segment = bits - 5;
            segment << 4 | loud >> segment & 0x0f
        }
    };
    octet(sign | coded) ^ 0x55
}

/// The sample that a µ-law octet stands for.
pub fn from_ulaw(octet: u8) -> i16 {
    let bits = i32::from(!octet);
    let loud = ((bits & 0x0f) << 3 | BIAS) << (bits >> 4 & 7);
    sample(if bits & 0x80 == 0 { loud - BIAS } else { BIAS - loud })
}

/// The sample that an A-law octet stands for.
pub fn from_alaw(octet: u8) -> i16 {
    let bits = i32::from(octet ^ 0x55);
    let (segment, step) = (bits >> 4 & 7, bits & 0x0f);
    let loud = if segment == 0 { step << 4 | 8 } else { (step << 4 | 0x108) << (segment - 1) };
    sample(if bits & 0x80 == 0 { -loud } else { loud })
}

fn octet(bits: i32) -> u8 {
    u8::try_from(bits & 0xff).unwrap_or_default()
}

fn sample(value: i32) -> i16 {
    i16::try_from(value).unwrap_or(if value < 0 { i16::MIN } else { i16::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_as_the_tables_have_them() {
        for (value, wanted) in [(0, 0xff), (32_767, 0x80), (-32_768, 0x00), (-1, 0x7f), (1000, 0xce)] {
            assert_eq!(ulaw(value), wanted, "µ-law of {value}");
        }
        for (value, wanted) in [(0, 0xd5), (32_767, 0xaa), (-32_768, 0x2a), (-1, 0x55), (1000, 0xfa)] {
            assert_eq!(alaw(value), wanted, "A-law of {value}");
        }
    }

    #[test]
    fn every_octet_is_the_code_of_its_own_sample() {
        for octet in 0..=255 {
            assert_eq!(alaw(from_alaw(octet)), octet, "A-law");
            // µ-law has two zeros; both sound the same.
            let again = ulaw(from_ulaw(octet));
            assert!(again == octet || (octet == 0x7f && again == 0xff), "µ-law {octet:#x}");
        }
    }

    #[test]
    fn a_sample_comes_back_within_a_twentieth() {
        for value in (i16::MIN..=i16::MAX).step_by(7) {
            let near = |back: i16| {
                let off = (i32::from(value) - i32::from(back)).abs();
                off <= (i32::from(value).abs() / 20).max(16) || i32::from(value).abs() > CLIP
            };
            assert!(near(from_ulaw(ulaw(value))), "µ-law {value} {}", from_ulaw(ulaw(value)));
            assert!(near(from_alaw(alaw(value))), "A-law {value} {}", from_alaw(alaw(value)));
        }
    }
}
