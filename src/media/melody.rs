//! Music for houses that have none of their own: computed, so that nobody's rights are touched.

use std::f64::consts::TAU;

use super::RATE_HZ;

/// Samples of one note.
const NOTE: u32 = RATE_HZ * 3 / 8;

/// Semitones above A3, over sixteen bars of four: a pentatonic scale, in which no two notes quarrel.
const NOTES: [i32; 32] = [
    3, 7, 10, 15, 12, 10, 7, 10, 3, 5, 7, 12, 10, 7, 5, 7, 0, 3, 7, 10, 12, 15, 12, 10, 7, 10, 7, 5, 3, 5, 7,
    3,
];

/// Twelve seconds of 8,000 samples each, made to be repeated: soft, and never at full level.
pub fn melody() -> Vec<i16> {
    let whole = NOTES.len() as u32 * NOTE;
    (0..whole).map(|at| sample_at(at, whole)).collect()
}

/// Two notes that say "now something is told", for an announcement without a recording: a second and a half.
pub fn chime() -> Vec<i16> {
    let whole = 4 * NOTE;
    let second = NOTE * 3 / 4;
    // Both end in silence, so that the music that follows does not click.
    let fade = |at: u32| f64::from(whole - at) / f64::from(whole);
    (0..whole)
        .map(|at| {
            let later = if at >= second { tone(15, at - second) } else { 0.0 };
            level(fade(at) * (tone(19, at) + later))
        })
        .collect()
}

/// The note that begins and those that still ring, also over the seam.
fn sample_at(at: u32, whole: u32) -> i16 {
    let mut value = 0.0;
    for back in 0..4 {
        let began = (at / NOTE + NOTES.len() as u32 - back) % NOTES.len() as u32;
        let age = (at + whole - began * NOTE) % whole;
        value += tone(NOTES[began as usize % NOTES.len()], age);
    }
    level(value)
}

fn level(value: f64) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "four tones together stay below 32,767")]
    let sample = (value * 4_500.0) as i16;
    sample
}

/// A plucked tone of this pitch, so many samples after its beginning.
fn tone(semitones: i32, age: u32) -> f64 {
    let seconds = f64::from(age) / f64::from(RATE_HZ);
    let hertz = 220.0 * 2_f64.powf(f64::from(semitones) / 12.0);
    let attack = (seconds / 0.01).min(1.0);
    let decay = (-2.6 * seconds).exp();
    let phase = TAU * hertz * seconds;
    attack * decay * (0.45 * (2.0 * phase).sin()).mul_add((-4.0 * seconds).exp(), phase.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_melody_sounds_all_the_time_and_never_clips() {
        let melody = melody();
        assert_eq!(melody.len(), 12 * RATE_HZ as usize);
        assert!(melody.iter().all(|sample| sample.unsigned_abs() < 20_000));
        for tenth in melody.chunks(800) {
            let loudest = tenth.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!(loudest > 500, "a tenth of a second is silent: {loudest}");
        }
    }

    #[test]
    fn the_chime_is_short_and_fades() {
        let chime = chime();
        let loudest = |part: &[i16]| part.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert_eq!(chime.len(), 12_000);
        assert!(loudest(&chime[..2_000]) > 2_000 && loudest(&chime) < 20_000);
        assert!(loudest(&chime[11_000..]) < 100, "{}", loudest(&chime[11_000..]));
    }

    #[test]
    fn it_goes_round_without_a_click() {
        let melody = melody();
        let step = |one: i16, other: i16| (i32::from(one) - i32::from(other)).abs();
        let most = melody.windows(2).map(|pair| step(pair[0], pair[1])).max().unwrap();
        assert!(step(melody[0], melody[melody.len() - 1]) <= most);
    }
}
