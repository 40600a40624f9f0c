//! Music and recordings from files: read once, whole, before anybody hears them.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::media::{FILE_OCTETS, PromptName, Prompts, RATE_HZ, Tune, melody, read_wav};

/// Entries of the folder of recordings that are looked at.
const FOLDER_ENTRIES: usize = 10_000;

/// Seconds of one recording at most: while it is said nothing else is heard.
const RECORDING_S: usize = 60;

/// Where sounds lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sounds {
    /// A WAV file; without one the built-in melody.
    pub music: Option<PathBuf>,
    /// The folder of recordings; without one the chime is all that is heard.
    pub prompts: Option<PathBuf>,
}

/// Everything that callers can hear.
#[derive(Debug)]
pub struct Library {
    pub(super) music: Arc<Tune>,
    pub(super) prompts: Prompts,
}

impl Default for Library {
    fn default() -> Self {
        Self { music: Arc::new(Tune::new(&melody())), prompts: Prompts::default() }
    }
}

impl Library {
    /// Reads all files. This may take a second for long music.
    ///
    /// # Errors
    ///
    /// One line for each fault, with the key of the configuration and the file's name.
    pub fn load(sounds: &Sounds) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut library = Self::default();
        if let Some(path) = &sounds.music {
            match read_sound(path) {
                Ok(samples) => library.music = Arc::new(Tune::new(&samples)),
                Err(fault) => faults.push(format!("[park] music: {}: {fault}", path.display())),
            }
        }
        if let Some(folder) = &sounds.prompts {
            let told =
                |(path, fault): (PathBuf, String)| format!("[media] prompts: {}: {fault}", path.display());
            faults.extend(library.read_prompts(folder).into_iter().map(told));
        }
        if faults.is_empty() { Ok(library) } else { Err(faults) }
    }

    /// How many recordings there are.
    pub fn recordings(&self) -> usize {
        self.prompts.len()
    }

    fn read_prompts(&mut self, folder: &Path) -> Vec<(PathBuf, String)> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return vec![(folder.to_owned(), format!("cannot be read: {error}"))],
        };
        let mut paths: Vec<PathBuf> =
            entries.take(FOLDER_ENTRIES).filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        let mut faults = Vec::new();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Notes and scripts may lie beside the recordings.
            if !name.to_ascii_lowercase().ends_with(".wav") {
                continue;
            }
            let read = name.parse::<PromptName>().and_then(|name| Ok((name, read_recording(&path)?)));
            match read {
                Ok((name, samples)) => self.prompts.record(name, &samples),
                Err(fault) => faults.push((path, fault)),
            }
        }
        faults
    }
}

fn read_recording(path: &Path) -> Result<Vec<i16>, String> {
    let samples = read_sound(path)?;
    if samples.len() > RECORDING_S * RATE_HZ as usize {
        return Err(format!("is longer than {RECORDING_S} seconds"));
    }
    Ok(samples)
}

/// A device or a pipe would never end, and a huge file would fill the memory (N52).
fn read_sound(path: &Path) -> Result<Vec<i16>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file".to_owned());
    }
    let mut octets = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_OCTETS + 1).read_to_end(&mut octets))
        .map_err(unreadable)?;
    if octets.len() as u64 > FILE_OCTETS {
        return Err(format!("is larger than {} MiB", FILE_OCTETS >> 20));
    }
    read_wav(&octets).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use hound::{SampleFormat, WavSpec, WavWriter};

    use super::*;
    use crate::media::{Announcement, Language};

    fn write(path: &Path, rate: u32, seconds: u32) {
        let spec =
            WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(path, spec).unwrap();
        (0..rate * seconds).for_each(|at| writer.write_sample(i16::try_from(at % 100).unwrap()).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn music_and_recordings_are_read_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let music = folder.path().join("hold.wav");
        write(&music, 44_100, 2);
        let prompts = folder.path().join("prompts");
        fs::create_dir(&prompts).unwrap();
        write(&prompts.join("please_hold.ja.wav"), 16_000, 1);
        fs::write(prompts.join("README.txt"), "who spoke, and when").unwrap();
        let library = Library::load(&Sounds { music: Some(music), prompts: Some(prompts) }).unwrap();
        assert_eq!((library.music.frames(), library.recordings()), (100, 1));
        assert_eq!(library.prompts.tune(Announcement::PleaseHold, Language::Ja).frames(), 50);
    }

    #[test]
    fn n52_every_fault_is_told_with_its_key_and_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("picture.wav"), "<svg/>").unwrap();
        write(&at("position_1.ja.wav"), 8_000, 61);
        write(&at("posision_2.ja.wav"), 8_000, 1);
        let file = File::create(at("please_hold.en.wav")).unwrap();
        file.set_len(FILE_OCTETS + 1).unwrap();
        let sounds = Sounds { music: Some("/dev/zero".into()), prompts: Some(folder.path().to_owned()) };
        let faults = Library::load(&sounds).unwrap_err();
        let expected = [
            ("[park] music: /dev/zero", "is not a file"),
            ("please_hold.en.wav", "is larger than 128 MiB"),
            ("picture.wav", "is no name of an announcement"),
            ("posision_2.ja.wav", "is no name of an announcement"),
            ("position_1.ja.wav", "is longer than 60 seconds"),
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (file, says) in expected {
            assert!(
                faults.iter().any(|line| line.contains(file) && line.contains(says)),
                "{file}: {faults:#?}"
            );
        }
        let missing = Sounds { music: Some(at("none.wav")), prompts: Some(at("none")) };
        assert_eq!(Library::load(&missing).unwrap_err().len(), 2);
    }
}
