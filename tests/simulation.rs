//! The engine in a world of its own: a virtual clock, a bad network, callers, phones and agents of many
//! habits, all from one seed. What must always hold is judged after every step.
//!
//! `TORITSUGI_SIM_CALLS` says how many new calls are simulated, `TORITSUGI_SIM_SEED` with which seed they
//! begin; a failure prints the seed that shows it again.

#![expect(clippy::print_stdout, reason = "seeds and ladders are what a failed run leaves behind")]
#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::collapsible_match,
    reason = "the people of the simulation react to a few events and ignore the others"
)]

#[path = "simulation/house.rs"]
mod house;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/ladder.rs"]
mod ladder;
#[path = "simulation/party.rs"]
mod party;
#[path = "simulation/people_judge.rs"]
mod people_judge;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/swarm.rs"]
mod swarm;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Instant;

use toritsugi::message::Limits;
use world::{CALLS, Report, run};

/// Calls that are simulated unless the environment says otherwise.
const FIXED_CALLS: usize = 1_000;
const NEW_CALLS: usize = 500;

/// The limits everybody reads messages with.
fn limits() -> Limits {
    Limits::default()
}

/// Counted with the other tests that did not run.
fn skip(missing: &str) {
    let line = format!("skipped: needs {missing}\n");
    // A lost line is no reason to fail a test that does not run.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("TORITSUGI_SKIPS")
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs seeds and fails with the first run that broke each rule.
fn simulate(title: &str, first: u64, calls: usize, quiet: bool) {
    let began = Instant::now();
    let mut broken: BTreeMap<String, (usize, u64, String)> = BTreeMap::new();
    let runs = calls.div_ceil(CALLS) as u64;
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for seed in first..first + runs {
        let Report { breaches, swarm, outcomes: ended, .. } = run(seed, quiet);
        for outcome in ended {
            *outcomes.entry(format!("{outcome:?}")).or_default() += 1;
        }
        for (breach, ladder) in breaches {
            let shape: String = breach.what.chars().filter(|letter| letter.is_ascii_alphabetic()).collect();
            let shape = format!("{} {}", breach.rule, shape.chars().rev().take(24).collect::<String>());
            let told = format!("{} {}: {}\n{swarm:?}\n{ladder}", breach.rule, breach.call, breach.what);
            broken.entry(shape).or_insert((0, seed, told)).0 += 1;
        }
    }
    let spent = began.elapsed().as_secs_f64();
    let speed = calls as f64 / spent.max(0.001);
    println!("{title}: {calls} calls from seed {first} in {spent:.1} s, {speed:.0} calls/s; {outcomes:?}");
    for (count, seed, told) in broken.values() {
        println!("\n== {count} times; TORITSUGI_SIM_SEED={seed} TORITSUGI_SIM_CALLS={CALLS}\n{told}");
    }
    assert!(broken.is_empty(), "{} rules are broken, see above", broken.len());
}

#[test]
fn fixed_seeds_break_no_rule() {
    simulate("fixed seeds", 1, FIXED_CALLS, false);
}

#[test]
fn without_loss_every_call_ends_connected_abandoned_or_refused() {
    simulate("quiet network", 1_000_000, FIXED_CALLS / 2, true);
}

/// Other seeds than the fixed ones, for a search: `TORITSUGI_SIM_SEED=1000 TORITSUGI_SIM_CALLS=5000`. It does
/// not run by itself yet: an agent who leaves the directory in the middle of a call and comes back is still a
/// known fault.
#[test]
fn new_seeds_break_no_rule() {
    let Some(seed) = number("TORITSUGI_SIM_SEED") else {
        skip("TORITSUGI_SIM_SEED");
        return;
    };
    let calls = number("TORITSUGI_SIM_CALLS").map_or(NEW_CALLS, |calls| calls as usize);
    simulate("new seeds", seed, calls, false);
}

#[test]
fn i24_the_same_seed_gives_the_same_outputs() {
    for seed in 5_000..5_010 {
        assert_eq!(run(seed, false).hash, run(seed, false).hash, "seed {seed}");
    }
}
