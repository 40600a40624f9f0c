//! [io] The command line: one file for each command.

pub mod call;
pub mod check;
pub mod explain;
pub mod import;
pub mod user;
mod watch;

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::app::{self, DemoOptions};
use crate::config::Config;

/// Runs the command of the process's arguments. Status 0: done; 1: failed; 2: not understood.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output and is no failure; clap knows which it is.
            let printed = error.print();
            return if error.exit_code() == 0 && printed.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            };
        }
    };
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut stderr = io::stderr().lock();
            for line in failure.lines() {
                // Without a standard error there is nobody left to tell.
                let _nobody = writeln!(stderr, "toritsugi: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Why a command failed, in lines for people: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    lines: Vec<String>,
}

/// The tables that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// Customers with numbers, flags and notices.
    Customers,
    /// Agents with SIP contact, groups and skills.
    Agents,
    /// Called numbers with greeting and group.
    Lines,
    /// The contact history.
    Contacts,
    /// Working hours of agents and teams.
    Shifts,
    /// Holidays of the house beside the public ones.
    Holidays,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UserRole {
    /// Their own pops and presence.
    Agent,
    /// Anyone's presence, the team.
    Supervisor,
    /// As a supervisor; owns complaints.
    Manager,
    /// Users and configuration.
    Admin,
}

/// SIP telephony with screen-pop: the right person's screen shows who calls before the phone rings.
#[derive(Debug, Parser)]
#[command(name = "toritsugi", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run
    Serve {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Run with a throw-away database, sample data, simulated phones and callers
    Demo {
        /// Address of the pages [default: 127.0.0.1:8080]
        #[arg(long, value_name = "ADDR")]
        http: Option<SocketAddr>,
        /// Address SIP is received on [default: a free port on 127.0.0.1]
        #[arg(long, value_name = "ADDR")]
        sip: Option<SocketAddr>,
    },
    /// Check configuration, database and sockets: one line for each fault
    Check {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Import a CSV file (UTF-8 or CP932), all of it or nothing
    Import {
        /// What the file holds
        table: Table,
        /// The CSV file
        #[arg(value_name = "FILE")]
        csv: PathBuf,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Manage log-ins
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Say where a call would go, and why
    Explain(explain::Arguments),
    /// Place a test call and print every message of it
    Call(call::Arguments),
    /// Print the frames of the screen-pop WebSocket as JSON lines
    Watch(watch::Arguments),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a log-in; the password is read from standard input
    Add {
        /// The name to log in with
        name: String,
        /// What the user may do
        #[arg(long)]
        role: UserRole,
        /// The agent that this user is
        #[arg(long, value_name = "ID")]
        agent: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
    },
}

/// `--config FILE`.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// The configuration file
    #[arg(long = "config", value_name = "FILE")]
    path: PathBuf,
}

impl ConfigFile {
    /// Reads it; every fault is a line with the file's name and its line.
    pub fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.path).map_err(|faults| {
            let name = self.path.display();
            Failure::lines_of(faults.iter().map(|fault| match fault.line {
                Some(line) => format!("{name}:{line}: {}", fault.what),
                None => fault.what.clone(),
            }))
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Failure {
    /// A failure of one line.
    pub fn of(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()] }
    }

    /// A failure of several lines.
    pub fn lines_of(lines: impl IntoIterator<Item = String>) -> Self {
        Self { lines: lines.into_iter().collect() }
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.lines.join("; "))
    }
}

impl std::error::Error for Failure {}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve { file } => app::serve(file.path(), file.load()?),
        Command::Demo { http, sip } => app::demo(DemoOptions { http, sip }),
        Command::Check { file } => check::run(&file),
        Command::Import { table, csv, file } => say(&app::import(file.load()?, table, &csv)?),
        Command::User { command: UserCommand::Add { name, role, agent, file } } => {
            say(&app::add_user(file.load()?, &name, role, agent.as_deref())?)
        }
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Call(arguments) => call::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
    }
}

/// Prints a line on standard output. A reader that has gone, such as `head`, is no failure.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::of(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A runtime for a command that talks to the network.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of(format!("cannot start: {error}")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn status_of(arguments: &[&str]) -> i32 {
        let line = std::iter::once("toritsugi").chain(arguments.iter().copied());
        Arguments::try_parse_from(line).map_or_else(|error| error.exit_code(), |_| 0)
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        for line in [
            "serve --config f.toml",
            "demo",
            "demo --http 127.0.0.1:8080 --sip 127.0.0.1:5060",
            "check --config f.toml",
            "import customers f.csv --config f.toml",
            "import agents f.csv --config f.toml",
            "import lines f.csv --config f.toml",
            "import contacts f.csv --config f.toml",
            "user add taro --role agent --agent a102 --config f.toml",
            "user add hanako --role admin --config f.toml",
            "explain --from 090-1234-5678 --to 0120-123-456 --config f.toml",
            "explain --from +819012345678 --to 117 --at 2026-11-22T13:00:00+09:00 --json --config f.toml",
            "explain --from 09012345678 --to 0120123456 --rules r.toml --config f.toml",
            "call --from 09012345678 --to 0120123456 --via 127.0.0.1:5060",
            "call --from anonymous --to 0120123456 --via tcp:sip.example:5060 --talk 0",
            "watch --url ws://127.0.0.1:8080/ws/v1 --token t",
        ] {
            assert_eq!(status_of(&line.split(' ').collect::<Vec<_>>()), 0, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_status_2() {
        for line in [
            "",
            "dance",
            "serve",
            "import people f.csv --config f.toml",
            "user add taro --role boss --config f.toml",
            "user add taro --config f.toml",
            "explain --from 1 --to 2 --at yesterday --config f.toml",
            "explain --from 1 --to 2 --at 2026-11-22T13:00:00 --config f.toml",
            "call --from 1 --to 2",
            "call --from 1@2 --to 2 --via 127.0.0.1:5060",
            "call --from 1 --to 2 --via 127.0.0.1:99999",
            "call --from 1 --to 2 --via 127.0.0.1:5060 --talk long",
            "demo --http somewhere",
            "watch --url http://127.0.0.1/ --token t",
        ] {
            let arguments = line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>();
            assert_eq!(status_of(&arguments), 2, "{line}");
        }
    }

    #[test]
    fn a_faulty_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.toml");
        std::fs::write(&path, "[sip]\nlisten = []\n[log]\nlevel = \"loud\"\n").expect("written");
        let failure = ConfigFile { path: path.clone() }.load().expect_err("faulty");
        let starts = [format!("{}:2: ", path.display()), format!("{}:4: ", path.display())];
        assert_eq!(failure.lines().len(), 2, "{failure}");
        assert!(
            failure.lines().iter().zip(&starts).all(|(line, start)| line.starts_with(start)),
            "{failure}"
        );
    }
}
