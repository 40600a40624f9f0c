//! Many runs on as many threads as the machine has, and what is said of them.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::judge::Breach;
use super::party::Outcome;
use super::swarm::Swarm;
use super::world::{CALLS, Day, Report, run};

/// Different faults that are drawn; the others are counted.
const DRAWN: usize = 6;

/// Runs that broke a rule before the search ends.
const ENOUGH: usize = 200;

/// What many runs came to.
#[derive(Default)]
pub struct Summary {
    pub calls: usize,
    pub connected: usize,
    /// Calls with exactly one pop and one record.
    pub told_once: usize,
    /// Callbacks that were noted.
    pub called_back: usize,
    /// Calls for which several phones rang at once.
    pub rang_at_once: usize,
    outcomes: BTreeMap<String, usize>,
    /// By the shape of the fault: how often, the first seed, what was said.
    broken: BTreeMap<String, Broken>,
    failed_runs: usize,
}

struct Broken {
    count: usize,
    seed: u64,
    told: String,
    swarm: Swarm,
}

/// Runs `calls` calls, ten a seed, from seed `first` on, and says what came of it.
pub fn simulate(title: &str, first: u64, calls: usize, day: Day) -> Summary {
    let began = Instant::now();
    let runs = calls.div_ceil(CALLS) as u64;
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let all = Mutex::new(Summary::default());
    let threads = super::number("TORITSUGI_SIM_THREADS").map_or_else(threads, |wished| wished as usize);
    let at_first = super::number("TORITSUGI_SIM_STOP").is_some();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= runs || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let report = run_or_panic(first + index, day, false);
                    let mut summary = all.lock().expect("no thread panics while it holds this");
                    summary.add(first + index, &report);
                    if summary.failed_runs >= if at_first { 1 } else { ENOUGH } {
                        stop.store(true, Ordering::Relaxed);
                    }
                    drop(summary);
                    progress(title, done.fetch_add(1, Ordering::Relaxed) + 1, runs, began);
                }
            });
        }
    });
    let mut summary = all.into_inner().expect("every thread has ended");
    let spent = began.elapsed().as_secs_f64();
    let speed = summary.calls as f64 / spent.max(0.001);
    println!(
        "{title}: {} calls from seed {first} in {spent:.1} s, {speed:.0} calls/s on {threads} threads; {:?}",
        summary.calls, summary.outcomes
    );
    summary.draw(day);
    summary
}

/// A run that panics has broken a rule too; without a ladder, as its world is gone.
fn run_or_panic(seed: u64, day: Day, trace: bool) -> Report {
    catch_unwind(|| run(seed, day, trace)).unwrap_or_else(|_| {
        let breach = Breach { rule: "panic", what: "see above".to_owned(), call: String::new() };
        let breaches = vec![(breach, String::new())];
        let calls = Vec::new();
        Report { breaches, swarm: Swarm::default(), hash: 0, calls, called_back: 0, rang_at_once: 0 }
    })
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// One line that is written over, when somebody looks.
fn progress(title: &str, done: u64, runs: u64, began: Instant) {
    let mut terminal = std::io::stderr();
    if !done.is_multiple_of(50) && done != runs || !terminal.is_terminal() {
        return;
    }
    let calls = done * CALLS as u64;
    let speed = calls as f64 / began.elapsed().as_secs_f64().max(0.001);
    let left = (runs - done) as f64 * CALLS as f64 / speed;
    let end = if done == runs { "\n" } else { "" };
    let line =
        format!("\r{title}: {calls} of {} calls, {speed:.0}/s, {left:.0} s left \x1b[K{end}", runs * 10);
    // Nobody is helped when the line of progress fails the run.
    let _ = terminal.write_all(line.as_bytes());
}

impl Summary {
    fn add(&mut self, seed: u64, report: &Report) {
        self.failed_runs += usize::from(!report.breaches.is_empty());
        self.called_back += report.called_back;
        self.rang_at_once += report.rang_at_once;
        for call in &report.calls {
            self.calls += 1;
            self.connected += usize::from(call.outcome == Outcome::Connected);
            self.told_once += usize::from(call.pops == 1 && call.records == 1);
            *self.outcomes.entry(format!("{:?}", call.outcome)).or_default() += 1;
        }
        for (breach, _) in &report.breaches {
            let shape: String = breach.what.chars().filter(|letter| letter.is_ascii_alphabetic()).collect();
            let shape = format!("{} {}", breach.rule, shape.chars().rev().take(24).collect::<String>());
            let told = format!("{} {}: {}", breach.rule, breach.call, breach.what);
            let swarm = report.swarm.clone();
            let broken = self.broken.entry(shape).or_insert(Broken { count: 0, seed, told, swarm });
            broken.count += 1;
            if seed < broken.seed {
                broken.seed = seed;
                broken.told = format!("{} {}: {}", breach.rule, breach.call, breach.what);
                broken.swarm = report.swarm.clone();
            }
        }
    }

    /// The ladder of the first run that broke each rule: it runs again, with its trace kept.
    fn draw(&mut self, day: Day) {
        for broken in self.broken.values().take(DRAWN) {
            let Broken { count, seed, told, swarm } = broken;
            println!("\n== {count} times; seed {seed}; {told}\n{swarm:?}");
            let again = run_or_panic(*seed, day, true);
            for (breach, ladder) in again.breaches.iter().take(1) {
                println!("{} {}: {}\n{ladder}", breach.rule, breach.call, breach.what);
            }
            println!(
                "to see it again: TORITSUGI_SIM_SEED={seed} TORITSUGI_SIM_CALLS={CALLS} TORITSUGI_SIM_DAY={} \
                 cargo test --profile sim --test simulation one_seed -- --nocapture",
                day_name(day)
            );
        }
        for (shape, broken) in self.broken.iter().skip(DRAWN) {
            println!("== {} times {shape}; seed {}: {}", broken.count, broken.seed, broken.told);
        }
    }

    /// Fails when a rule was broken.
    #[track_caller]
    pub fn is_clean(&self) {
        assert!(self.broken.is_empty(), "{} rules are broken, see above", self.broken.len());
    }
}

/// As `TORITSUGI_SIM_DAY` says it.
pub fn day_name(day: Day) -> String {
    match day {
        Day::Swarm => "swarm".to_owned(),
        Day::Quiet => "quiet".to_owned(),
        Day::Music => "music".to_owned(),
        Day::PoorLine(loss) => loss.to_string(),
    }
}

/// The day that `TORITSUGI_SIM_DAY` names.
pub fn day_of(name: &str) -> Day {
    match name {
        "quiet" => Day::Quiet,
        "music" => Day::Music,
        other => other.parse().map_or(Day::Swarm, Day::PoorLine),
    }
}
