//! The engine in a world of its own: a virtual clock, a bad network, callers, phones and agents of many
//! habits, all from one seed. What must always hold is judged after every step. `docs/SIMULATION.md` tells
//! the rules, the budgets and how a failure is seen again.

#![expect(clippy::print_stdout, reason = "seeds and ladders are what a failed run leaves behind")]
#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::collapsible_match,
    reason = "the people of the simulation react to a few events and ignore the others"
)]

#[path = "simulation/arrivals.rs"]
mod arrivals;
#[path = "simulation/callback_judge.rs"]
mod callback_judge;
#[path = "simulation/callee.rs"]
mod callee;
#[path = "simulation/house.rs"]
mod house;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/ladder.rs"]
mod ladder;
#[path = "simulation/leaving.rs"]
mod leaving;
#[path = "simulation/lot_judge.rs"]
mod lot_judge;
#[path = "simulation/looks.rs"]
mod looks;
#[path = "simulation/music_judge.rs"]
mod music_judge;
#[path = "simulation/outside.rs"]
mod outside;
#[path = "simulation/party.rs"]
mod party;
#[path = "simulation/people_judge.rs"]
mod people_judge;
#[path = "simulation/random.rs"]
mod random;
#[path = "simulation/runner.rs"]
mod runner;
#[path = "simulation/swarm.rs"]
mod swarm;
#[path = "simulation/world.rs"]
mod world;

use std::time::SystemTime;

use runner::{day_of, simulate};
use toritsugi::message::Limits;
use world::{CALLS, Day, run};

/// Where the days without loss begin, so that they are other runs than the fixed ones.
const QUIET_SEEDS: u64 = 1_000_000;

/// Where the days of F10 begin.
const POOR_SEEDS: u64 = 2_000_000;

/// Where the days with music begin.
const MUSIC_SEEDS: u64 = 3_000_000;

/// Calls of one test.
struct Budget {
    fixed: usize,
    quiet: usize,
    new: usize,
    poor: usize,
    music: usize,
}

/// The whole budget is for an optimised build (`TORITSUGI_SIM_FULL`, as `make test` does); a plain `cargo
/// test` takes a sample.
fn budget() -> Budget {
    if number("TORITSUGI_SIM_FULL").is_some() {
        Budget { fixed: 45_000, quiet: 5_000, new: 50_000, poor: 20_000, music: 20_000 }
    } else {
        Budget { fixed: 400, quiet: 200, new: 200, poor: 400, music: 400 }
    }
}

/// The limits everybody reads messages with.
fn limits() -> Limits {
    Limits::default()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn fixed_seeds_break_no_rule() {
    let summary = simulate("fixed seeds", 1, budget().fixed, Day::Swarm);
    summary.is_clean();
    assert!(summary.rang_at_once > budget().fixed / 50, "{} rang several phones", summary.rang_at_once);
}

#[test]
fn without_loss_every_call_ends_connected_abandoned_or_refused() {
    simulate("quiet network", QUIET_SEEDS, budget().quiet, Day::Quiet).is_clean();
}

/// Callers who wait with music, early or answered, and everything that can go wrong then.
#[test]
fn i8_callers_with_music_have_one_dialog_and_one_description_and_are_never_left_in_silence() {
    let summary = simulate("music", MUSIC_SEEDS, budget().music, Day::Music);
    summary.is_clean();
    assert!(summary.called_back > budget().music / 100, "{} callbacks", summary.called_back);
}

/// Other seeds every time, by the clock.
#[test]
fn new_seeds_break_no_rule() {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is later than 1970");
    // Far from the fixed ones, and short enough to be written down.
    let first = 1_000_000_000_000 + u64::try_from(since.as_millis()).unwrap_or_default() % 1_000_000_000_000;
    simulate("new seeds", first, budget().new, Day::Swarm).is_clean();
}

/// One seed or a range again: `TORITSUGI_SIM_SEED`, `TORITSUGI_SIM_CALLS` and `TORITSUGI_SIM_DAY`.
#[test]
fn one_seed_or_a_range_again() {
    let Some(seed) = number("TORITSUGI_SIM_SEED") else { return };
    let calls = number("TORITSUGI_SIM_CALLS").map_or(CALLS, |calls| calls as usize);
    let day = day_of(&std::env::var("TORITSUGI_SIM_DAY").unwrap_or_default());
    simulate("seeds asked for", seed, calls, day).is_clean();
}

#[test]
fn f10_a_poor_line_connects_every_call_with_one_pop_and_one_record() {
    let once = poor_line(5, 0.9999);
    assert!(once >= 0.9999, "only {once} of the calls have one pop and one record");
}

/// Here a phone may be taken for dead (F9), and its agent's pop is withdrawn: the call has a second one.
#[test]
fn f10_with_a_fifth_of_all_datagrams_lost_nearly_every_call_connects() {
    poor_line(20, 0.999);
}

/// Answers the share of calls with exactly one pop and one record.
fn poor_line(loss: u64, at_least: f64) -> f64 {
    let summary = simulate(&format!("{loss} % loss"), POOR_SEEDS + loss, budget().poor, Day::PoorLine(loss));
    summary.is_clean();
    let share = |of: usize| of as f64 / summary.calls.max(1) as f64;
    let (connected, once) = (share(summary.connected), share(summary.told_once));
    println!(
        "{loss} % loss: {} of {} connected, {} with one pop and one record",
        summary.connected, summary.calls, summary.told_once
    );
    // Of a sample of some hundred calls one may be the one of thousands.
    let missing = summary.calls - summary.connected;
    let allowed = (summary.calls as f64 * (1.0 - at_least)).ceil();
    assert!(missing as f64 <= allowed, "only {connected} of the calls connected, not {at_least}");
    once
}

#[test]
fn i24_the_same_seed_gives_the_same_outputs() {
    for seed in 5_000..5_020 {
        let other = std::thread::spawn(move || run(seed, Day::Swarm, true).hash);
        let hash = run(seed, Day::Swarm, false).hash;
        assert_eq!(other.join().expect("the other run ends"), hash, "seed {seed}");
    }
}
