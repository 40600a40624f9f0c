//! Sound of any rate at 8,000 samples a second: a windowed sinc for each place between two samples.

use std::f64::consts::PI;

use super::RATE_HZ;

/// Zero crossings of the sinc on each side. With the window below what would fold back into speech is 60 dB
/// down.
const CROSSINGS: f64 = 16.0;

/// Where the filter halves the amplitude, as a part of half the lower rate: telephones end at 3,400 Hz.
const CUT: f64 = 0.93;

/// The shape of the Kaiser window: side lobes of -80 dB.
const BETA: f64 = 7.86;

/// The same sound at 8,000 samples a second, limited to what 16 bits hold. `rate` 0 is silence of no length.
pub fn resample(samples: &[f32], rate: u32) -> Vec<i16> {
    if rate == RATE_HZ {
        return samples.iter().map(|sample| to_i16(*sample)).collect();
    }
    let common = gcd(rate, RATE_HZ);
    if rate == 0 || common == 0 {
        return Vec::new();
    }
    // Output n lies at n·step/places of the input.
    let (step, places) = (u64::from(rate / common), u64::from(RATE_HZ / common));
    let filters: Vec<Filter> = (0..places).map(|place| Filter::at(place, places, rate)).collect();
    let length = samples.len() as u64 * places / step;
    (0..length)
        .map(|output| {
            let (whole, place) = (output * step / places, output * step % places);
            let filter = filters.get(index(place)).map_or(0.0, |filter| filter.apply(samples, index(whole)));
            to_i16(filter)
        })
        .collect()
}

/// The weights of the samples around one place between two of them.
struct Filter {
    /// Samples before the place that are weighed, the one at it included.
    before: usize,
    weights: Vec<f32>,
}

impl Filter {
    fn at(place: u64, places: u64, rate: u32) -> Self {
        let lower = f64::from(rate.min(RATE_HZ));
        // Both in units of one input sample.
        let crossing = f64::from(rate) / (lower * CUT);
        let half = CROSSINGS * crossing;
        let fraction = wide(place) / wide(places);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
        let reach = half.ceil() as usize;
        let distance = |at: usize| wide(at as u64) - wide(reach as u64) - fraction;
        let weights = (0..=2 * reach + 1).map(|at| {
            let distance = distance(at);
            sinc(distance / crossing) * window(distance / half)
        });
        let weights: Vec<f64> = weights.collect();
        // A constant stays what it is, whatever the place.
        let sum: f64 = weights.iter().sum();
        #[expect(clippy::cast_possible_truncation, reason = "a weight is at most one")]
        let weights = weights.iter().map(|weight| (weight / sum) as f32).collect();
        Self { before: reach, weights }
    }

    fn apply(&self, samples: &[f32], at: usize) -> f32 {
        let skipped = self.before.saturating_sub(at);
        let from = at.saturating_sub(self.before);
        let weights = self.weights.get(skipped..).unwrap_or_default();
        let samples = samples.get(from..).unwrap_or_default();
        weights.iter().zip(samples).map(|(weight, sample)| weight * sample).sum()
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window, from -1 to 1.
fn window(x: f64) -> f64 {
    let inside = 1.0 - x * x;
    if inside < 0.0 { 0.0 } else { bessel(BETA * inside.sqrt()) / bessel(BETA) }
}

/// The modified Bessel function of the first kind and order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..50 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

const fn gcd(mut one: u32, mut other: u32) -> u32 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// Full scale is 1.
fn to_i16(sample: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "limited to what fits")]
    let whole = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
    whole
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn wide(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "a sound needs no more")]
    fn tone(rate: u32, hertz: f64) -> Vec<f32> {
        (0..rate).map(|n| (0.5 * (TAU * hertz * f64::from(n) / f64::from(rate)).sin()) as f32).collect()
    }

    /// The root mean square of the middle, where the filter sees samples on both sides; full scale is 1.
    fn level(samples: &[i16]) -> f64 {
        let middle = &samples[400..samples.len() - 400];
        let energy: f64 = middle.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum();
        (energy / wide(middle.len() as u64)).sqrt()
    }

    /// What is left when the tone as it should be is taken away.
    fn error(samples: &[i16], hertz: f64) -> f64 {
        let wanted = tone(RATE_HZ, hertz);
        let off: Vec<i16> =
            samples.iter().zip(&wanted).map(|(got, want)| got.saturating_sub(to_i16(*want))).collect();
        level(&off)
    }

    #[test]
    fn a_tone_of_speech_keeps_its_pitch_phase_and_level_from_every_common_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 6_000] {
            let tones: &[f64] = if rate < RATE_HZ { &[300.0, 2_000.0] } else { &[300.0, 1_000.0, 3_100.0] };
            for hertz in tones {
                let there = resample(&tone(rate, *hertz), rate);
                assert!(there.len().abs_diff(8_000) <= 1, "{rate}: {}", there.len());
                let off = error(&there, *hertz) / level(&there);
                assert!(off < 0.01, "{rate} Hz, a tone of {hertz}: {off}");
            }
        }
    }

    #[test]
    fn a_tone_above_the_telephone_does_not_come_back_as_another() {
        for rate in [16_000, 22_050, 44_100, 48_000, 96_000] {
            for hertz in [4_700.0, 5_500.0, 7_000.0] {
                let left = level(&resample(&tone(rate, hertz), rate))
                    / level(&resample(&tone(8_000, 1_000.0), 8_000));
                assert!(left < 0.001, "{rate} Hz, a tone of {hertz}: {left} is left");
            }
        }
    }

    #[test]
    fn the_loudest_is_limited_and_nothing_is_nothing() {
        assert_eq!(resample(&[2.0, -2.0], 8_000), [32_767, -32_768]);
        assert!(resample(&[], 44_100).is_empty() && resample(&[0.5; 9], 0).is_empty());
        assert_eq!(resample(&[0.25; 48_000], 48_000)[4_000], 8_192);
    }
}
