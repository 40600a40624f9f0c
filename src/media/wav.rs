//! WAV files as samples of a telephone: any common rate and width, any number of channels (N52).

use std::time::Duration;

use hound::{SampleFormat, WavReader, WavSpec};

use super::resample::resample;

/// Octets of a file at most: ten minutes of a compact disc.
pub const FILE_OCTETS: u64 = 128 * 1024 * 1024;

/// The longest sound.
pub const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What rates are read.
const RATES: std::ops::RangeInclusive<u32> = 6_000..=192_000;

/// Channels at most.
const CHANNELS: u16 = 8;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum WavFault {
    /// Another kind of file, or a broken one.
    #[error("is no WAV file that can be read ({0})")]
    NotWav(hound::Error),
    /// A coding other than PCM, or an unusual rate or width.
    #[error("has {0}; save it as 16-bit PCM, mono, 8,000 to 48,000 Hz")]
    Unusual(String),
    /// No samples.
    #[error("has no sound in it")]
    Empty,
    /// More than [`LONGEST`].
    #[error("is longer than {} minutes", LONGEST.as_secs() / 60)]
    TooLong,
}

/// The sound of a file at 8,000 samples a second, all channels mixed.
///
/// # Errors
///
/// See [`WavFault`]. Nothing is believed of the header that the octets do not show.
pub fn read_wav(octets: &[u8]) -> Result<Vec<i16>, WavFault> {
    let mut reader = WavReader::new(octets).map_err(not_wav)?;
    let spec = reader.spec();
    check(spec)?;
    let channels = usize::from(spec.channels);
    let most = usize::try_from(u64::from(spec.sample_rate) * LONGEST.as_secs()).unwrap_or(usize::MAX);
    let mut mixed: Vec<f32> = Vec::new();
    let mut frame: Vec<f32> = Vec::with_capacity(channels);
    let mut take = |sample: f32| {
        frame.push(sample);
        if frame.len() == channels {
            mixed.push(frame.iter().sum::<f32>() / f32::from(spec.channels));
            frame.clear();
        }
        if mixed.len() > most { Err(WavFault::TooLong) } else { Ok(()) }
    };
    match spec.sample_format {
        SampleFormat::Float => {
            for sample in reader.samples::<f32>() {
                let sample = sample.map_err(not_wav)?;
                take(if sample.is_finite() { sample } else { 0.0 })?;
            }
        }
        SampleFormat::Int => {
            let full = f64::from(1_u32 << (spec.bits_per_sample - 1));
            for sample in reader.samples::<i32>() {
                #[expect(clippy::cast_possible_truncation, reason = "a sound needs no more")]
                let sample = (f64::from(sample.map_err(not_wav)?) / full) as f32;
                take(sample)?;
            }
        }
    }
    if mixed.is_empty() { Err(WavFault::Empty) } else { Ok(resample(&mixed, spec.sample_rate)) }
}

fn check(spec: WavSpec) -> Result<(), WavFault> {
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = spec;
    let fault = match sample_format {
        _ if !(1..=CHANNELS).contains(&channels) => format!("{channels} channels"),
        _ if !RATES.contains(&sample_rate) => format!("{sample_rate} samples a second"),
        SampleFormat::Int if !matches!(bits_per_sample, 8 | 16 | 24 | 32) => {
            format!("samples of {bits_per_sample} bits")
        }
        SampleFormat::Float if bits_per_sample != 32 => format!("floating samples of {bits_per_sample} bits"),
        SampleFormat::Int | SampleFormat::Float => return Ok(()),
    };
    Err(WavFault::Unusual(fault))
}

fn not_wav(error: hound::Error) -> WavFault {
    match error {
        hound::Error::Unsupported => WavFault::Unusual("a coding other than PCM".to_owned()),
        hound::Error::IoError(_)
        | hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::InvalidSampleFormat => WavFault::NotWav(error),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::io::Cursor;

    use hound::WavWriter;
    use proptest::prelude::*;

    use super::*;

    /// Half a second of 1,000 Hz at half of full scale; of several channels only the first sounds.
    fn file(rate: u32, bits: u16, channels: u16, format: SampleFormat) -> Vec<u8> {
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
        let mut octets = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut octets, spec).unwrap();
        let full = 2_f64.powi(i32::from(bits) - 1) - 1.0;
        for at in 0..rate / 2 {
            let value = 0.5 * (TAU * 1_000.0 * f64::from(at) / f64::from(rate)).sin();
            for channel in 0..channels {
                let value = if channel == 0 { value } else { 0.0 };
                #[expect(clippy::cast_possible_truncation, reason = "below full scale")]
                match format {
                    SampleFormat::Int => writer.write_sample((value * full) as i32).unwrap(),
                    SampleFormat::Float => writer.write_sample(value as f32).unwrap(),
                }
            }
        }
        writer.finalize().unwrap();
        octets.into_inner()
    }

    /// The largest difference from the tone as it should be, away from both ends.
    fn furthest(samples: &[i16], scale: f64) -> f64 {
        let wanted = |at: usize| {
            let at = f64::from(u32::try_from(at).unwrap());
            scale * 0.5 * 32_767.0 * (TAU * 1_000.0 * at / 8_000.0).sin()
        };
        let off = |(at, sample): (usize, &i16)| (f64::from(*sample) - wanted(at)).abs();
        samples.iter().enumerate().skip(200).take(3_600).map(off).fold(0.0, f64::max)
    }

    #[test]
    fn every_common_rate_width_and_number_of_channels_is_the_same_sound() {
        for rate in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000] {
            for (bits, format) in [
                (8, SampleFormat::Int),
                (16, SampleFormat::Int),
                (24, SampleFormat::Int),
                (32, SampleFormat::Int),
                (32, SampleFormat::Float),
            ] {
                for channels in [1, 2] {
                    let samples = read_wav(&file(rate, bits, channels, format)).unwrap();
                    assert!(samples.len().abs_diff(4_000) <= 1, "{}", samples.len());
                    let off = furthest(&samples, 1.0 / f64::from(channels));
                    let limit = if bits == 8 { 400.0 } else { 40.0 };
                    assert!(off < limit, "{rate} Hz, {bits} bits, {channels} channels: {off}");
                }
            }
        }
    }

    #[test]
    fn n52_what_is_no_sound_is_refused_with_a_reason() {
        let whole = file(8_000, 16, 1, SampleFormat::Int);
        let changed = |at: usize, octets: &[u8]| {
            let mut changed = whole.clone();
            changed[at..at + octets.len()].copy_from_slice(octets);
            read_wav(&changed).expect_err("refused").to_string()
        };
        for (says, fault) in [
            ("no WAV file", read_wav(b"<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap_err().to_string()),
            ("no WAV file", read_wav(b"#EXTM3U\nhttp://198.51.100.7/a.mp3\n").unwrap_err().to_string()),
            ("no WAV file", read_wav(&[]).unwrap_err().to_string()),
            // A header that promises four gigabytes.
            ("no WAV file", changed(40, &[0xfe, 0xff, 0xff, 0xff])),
            ("other than PCM", changed(20, &[0x31])),
            ("no WAV file", changed(22, &[0])),
            ("no sound", read_wav(&silent()).unwrap_err().to_string()),
        ] {
            assert!(fault.contains(says), "{says}: {fault}");
        }
    }

    /// A header and no samples.
    fn silent() -> Vec<u8> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut octets = Cursor::new(Vec::new());
        WavWriter::new(&mut octets, spec).unwrap().finalize().unwrap();
        octets.into_inner()
    }

    proptest! {
        #[test]
        fn n52_no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(read_wav(&octets));
        }

        #[test]
        fn n52_no_changed_header_panics(at in 0_usize..60, octet: u8, at_too in 0_usize..60, octet_too: u8) {
            let mut octets = file(8_000, 16, 2, SampleFormat::Int);
            octets[at] = octet;
            octets[at_too] = octet_too;
            if let Ok(samples) = read_wav(&octets) {
                prop_assert!(samples.len() <= octets.len() * 2);
            }
        }
    }
}
