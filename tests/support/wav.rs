//! Sound files with one pure tone, and how much of a tone a recording has.

use std::f64::consts::TAU;
use std::path::Path;

/// Samples a second, as G.711 has it.
pub const RATE_HZ: u32 = 8000;

/// Writes `seconds` of a tone as 16-bit mono.
pub fn write_tone(path: &Path, hertz: f64, seconds: u32) {
    let samples: Vec<u8> = (0..RATE_HZ * seconds)
        .flat_map(|n| {
            let value = (TAU * hertz * f64::from(n) / f64::from(RATE_HZ)).sin() * 12_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "the amplitude is far below 32,767")]
            let sample = value as i16;
            sample.to_le_bytes()
        })
        .collect();
    let length = u32::try_from(samples.len()).expect("a minute of sound is small");
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(length + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend_from_slice(&RATE_HZ.to_le_bytes());
    file.extend_from_slice(&(RATE_HZ * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&samples);
    std::fs::write(path, file).expect("the test's folder is writable");
}

/// The samples of a 16-bit mono file. A file that is still being written counts as far as it goes.
pub fn read(path: &Path) -> Vec<i16> {
    let file = std::fs::read(path).unwrap_or_default();
    let Some(start) = file.windows(4).position(|bytes| bytes == b"data") else { return Vec::new() };
    let samples = file.get(start + 8..).unwrap_or_default();
    samples.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// The part of the sound's energy that lies at `hertz`: 0 none, 1 all (Goertzel's algorithm). Silence is 0.
pub fn share_of_tone(samples: &[i16], hertz: f64) -> f64 {
    let turn = TAU * hertz / f64::from(RATE_HZ);
    let factor = 2.0 * turn.cos();
    let (mut last, mut before, mut energy) = (0.0, 0.0, 0.0);
    for sample in samples.iter().copied().map(f64::from) {
        energy += sample * sample;
        (last, before) = (sample + factor * last - before, last);
    }
    let power = last * last + before * before - factor * last * before;
    let count = f64::from(u32::try_from(samples.len()).unwrap_or(u32::MAX));
    if energy == 0.0 { 0.0 } else { 2.0 * power / (energy * count) }
}

/// How well a part of `sound` is like `wanted` wherever it lies there: 1 is the same at another loudness, 0
/// has nothing to do with it. Half a second is compared, three seconds behind the first that is not silence.
pub fn likeness(sound: &[i16], wanted: &[i16]) -> f64 {
    const PART: usize = RATE_HZ as usize / 2;
    let begins = sound.iter().position(|sample| sample.unsigned_abs() > 500).unwrap_or_default();
    let Some(part) = sound.get(begins + 6 * PART..begins + 7 * PART) else { return 0.0 };
    let energy = |samples: &[i16]| samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
    let of_part = energy(part);
    let near = wanted.len().min(5 * RATE_HZ as usize);
    let likeness = |at: &[i16]| {
        let product: f64 = part.iter().zip(at).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        product / (of_part * energy(at)).sqrt().max(1.0)
    };
    wanted[..near].windows(PART).map(likeness).fold(0.0, f64::max)
}
