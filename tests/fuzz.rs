//! N48: the checks of `tests/fuzz/checks` on every committed input and on what a seeded hand makes of them,
//! for a bounded time. `make fuzz` runs the same checks with coverage guiding the hand.
//!
//! `TORITSUGI_FUZZ_MS` is the time for each target, `TORITSUGI_FUZZ_SEED` the seed; a failure prints the
//! input.

#![expect(clippy::print_stdout, reason = "what was run, and the input that fails, are told")]

#[path = "fuzz/checks/mod.rs"]
mod checks;
#[path = "fuzz/hand.rs"]
mod hand;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hand::Hand;

/// At most so many changed inputs for each target, whatever the time.
const CHANGED: usize = 20_000;
/// Unless the environment says otherwise.
const MILLISECONDS: u64 = 2_000;
/// Changed inputs grow no longer than this.
const LONGEST: usize = 4096;

#[test]
fn n48_messages() {
    run("message", checks::message::check);
}

#[test]
fn n48_uris_and_their_like() {
    run("uri", checks::uri::check);
}

#[test]
fn n45_n48_framing() {
    run("framing", checks::framing::check);
}

#[test]
fn n48_digest_credentials() {
    run("digest", checks::digest::check);
}

#[test]
fn n48_engine_transitions() {
    run("engine", checks::engine::check);
}

#[test]
fn n48_sdp() {
    run("sdp", checks::sdp::check);
}

#[test]
fn n48_numbers() {
    run("number", checks::number::check);
}

#[test]
fn n48_frames_of_the_socket() {
    run("frame", checks::frame::check);
}

#[test]
fn n48_configuration() {
    run("config", checks::config::check);
}

#[test]
#[should_panic(expected = "framer and parser disagree")]
fn a_check_can_fail() {
    checks::framing::whole_message(&bytes::Bytes::from_static(
        b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n\
          To: <sip:a@a>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 1\r\n\r\n12",
    ));
}

/// Every input of the corpus, then inputs made of them until the time or the number is reached.
fn run(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "no corpus for {target}");
    for (path, octets) in &corpus {
        one(check, octets, &path.display().to_string());
    }
    let seed = number("TORITSUGI_FUZZ_SEED").unwrap_or(1);
    let time = Duration::from_millis(number("TORITSUGI_FUZZ_MS").unwrap_or(MILLISECONDS));
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, octets)| octets.as_slice()).collect();
    let began = Instant::now();
    let mut hand = Hand::new(seed);
    let mut made = 0;
    while made < CHANGED && began.elapsed() < time {
        let octets = hand.change(&inputs, LONGEST);
        one(check, &octets, &format!("seed {seed}, change {made}"));
        made += 1;
    }
    println!(
        "{target}: {} inputs, {made} changed ones, {:.1} s",
        corpus.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(made > 0, "no changed input in {time:?}");
}

/// Runs one input; when it fails, keeps it where `cargo fuzz run` takes it from, and fails.
fn one(check: fn(&[u8]), octets: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(octets))) {
        println!("{what}: {} octets: \"{}\"", octets.len(), octets.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

/// The committed inputs, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let octets = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, octets)
    };
    paths.into_iter().map(read).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
