//! SIPp as the callers.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::log::poll;
use super::needs::scenario_folder;
use super::process::Process;

/// A run of SIPp that is being described.
pub struct Sipp<'a> {
    scenario: &'a str,
    from: SocketAddr,
    numbers: Vec<(String, String)>,
    /// How many calls; a caller has one for each pair of numbers.
    calls: usize,
    rate: u32,
    at_once: u32,
    pause: Duration,
    transport: &'a str,
    limit: Duration,
    arguments: Vec<String>,
}

/// What SIPp says at the end.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// The others.
    pub failed: u64,
}

impl<'a> Sipp<'a> {
    /// Callers at `from` who follow `tests/sipp/SCENARIO.xml`, one call for each pair of calling and called
    /// number.
    pub fn new(scenario: &'a str, from: SocketAddr, numbers: Vec<(String, String)>) -> Self {
        let limit = Duration::from_secs(60);
        Self {
            scenario,
            from,
            calls: numbers.len(),
            numbers,
            rate: 10,
            at_once: 1000,
            pause: Duration::ZERO,
            transport: "u1",
            limit,
            arguments: Vec::new(),
        }
    }

    /// A phone at `at` that follows `tests/sipp/SCENARIO.xml` for so many calls and then ends.
    pub fn phone(scenario: &'a str, at: SocketAddr, calls: usize) -> Self {
        Self { calls, ..Self::new(scenario, at, Vec::new()) }
    }

    /// Calls a second; 10 without it.
    pub fn rate(mut self, rate: u32) -> Self {
        self.rate = rate;
        self
    }

    /// The most calls at the same time.
    pub fn at_once(mut self, calls: u32) -> Self {
        self.at_once = calls;
        self
    }

    /// The scenario's pause (see `tests/sipp/README.md`).
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// SIPp's name of the transport: `u1` (UDP, also without it) or `t1` (one TCP connection).
    pub fn transport(mut self, transport: &'a str) -> Self {
        self.transport = transport;
        self
    }

    /// The whole run must be over by then; 60 s without it.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Further arguments, as SIPp names them.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Runs it to its end against `target`, with its files in `folder`.
    pub fn run(self, target: SocketAddr, folder: &Path) -> Outcome {
        self.start(target, folder).finish()
    }

    /// Starts it and returns at once.
    pub fn start(self, target: SocketAddr, folder: &Path) -> Running {
        let folder = folder.join(format!("sipp-{}-{}", self.scenario, self.from.ip()));
        std::fs::create_dir_all(&folder).expect("the test's folder is writable");
        let mut numbers = "SEQUENTIAL\n".to_owned();
        for (calling, called) in &self.numbers {
            writeln!(numbers, "{calling};{called}").expect("a String takes everything");
        }
        std::fs::write(folder.join("numbers.csv"), numbers).expect("the test's folder is writable");
        let mut command = Command::new("sipp");
        command
            .args([
                "-nostdin",
                "-trace_stat",
                "-stf",
                "stat.csv",
                "-fd",
                "1",
                "-trace_err",
                "-error_file",
                "err.log",
            ])
            .args(["-buff_size", "4000000"])
            .arg("-sf")
            .arg(scenario_folder().join(format!("{}.xml", self.scenario)))
            .args([
                "-i",
                &self.from.ip().to_string(),
                "-p",
                &self.from.port().to_string(),
                "-t",
                self.transport,
            ])
            .args(["-m", &self.calls.to_string(), "-r", &self.rate.to_string()])
            .args(["-l", &self.at_once.to_string(), "-d", &self.pause.as_millis().to_string()])
            .args(["-timeout", &self.limit.as_secs().to_string()])
            .args(&self.arguments)
            .current_dir(&folder);
        if !self.numbers.is_empty() {
            command.args(["-inf", "numbers.csv"]).arg(target.to_string());
        }
        let process = Process::start("sipp", &mut command, &folder);
        Running {
            process,
            talks_to: folder.join("talks_to"),
            stat: folder.join("stat.csv"),
            errors: folder.join("err.log"),
            limit: self.limit,
        }
    }
}

/// SIPp at work.
pub struct Running {
    process: Process,
    talks_to: std::path::PathBuf,
    stat: std::path::PathBuf,
    errors: std::path::PathBuf,
    limit: Duration,
}

impl Running {
    /// Where the other side of the `n`th (from 1) call listens, as its description says; for scenarios that
    /// note it.
    pub fn talks_to(&self, n: usize, limit: Duration) -> SocketAddr {
        let noted = poll(limit, || {
            let text = std::fs::read_to_string(&self.talks_to).ok()?;
            text.lines().nth(n - 1)?.trim().parse().ok()
        });
        noted.unwrap_or_else(|| panic!("no {n} descriptions were noted:\n{}", self.process.last_words()))
    }

    /// Waits for the end and reads the statistics.
    pub fn finish(mut self) -> Outcome {
        let ended = self.process.wait(self.limit + Duration::from_secs(20));
        assert!(ended.is_some(), "SIPp did not end within {:?}", self.limit);
        let text = std::fs::read_to_string(&self.stat).expect("SIPp writes its statistics");
        let outcome = Outcome {
            successful: last_value(&text, "SuccessfulCall(C)"),
            failed: last_value(&text, "FailedCall(C)"),
        };
        if outcome.failed > 0 {
            use std::io::Write as _;
            let errors = std::fs::read(&self.errors).unwrap_or_default();
            // The first failure tells enough; what cannot be shown is no reason to hide the outcome.
            let _ = std::io::stderr().write_all(&errors[..errors.len().min(800)]);
        }
        outcome
    }
}

fn last_value(text: &str, column: &str) -> u64 {
    let mut lines = text.lines();
    let head = lines.next().expect("the statistics have a head");
    let index = head.split(';').position(|name| name == column).expect("SIPp has that column");
    let last = lines.next_back().expect("the statistics have a row");
    last.split(';').nth(index).and_then(|value| value.parse().ok()).expect("a count is a number")
}
