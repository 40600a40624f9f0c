//! A real Asterisk with the configuration of `config/asterisk`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::log::poll;
use super::needs::tools_folder;
use super::net::Net;
use super::process::Process;

const BOOT: Duration = Duration::from_secs(60);

/// A running Asterisk at `192.0.2.20` of its test's network.
pub struct Asterisk {
    name: String,
    process: Option<Process>,
}

impl Asterisk {
    /// Starts it and waits until it has booted.
    pub fn start(net: &Net, folder: &Path) -> Self {
        let name = net.name();
        let mut command = script();
        command.args(["run", &name, &net.prefix()]);
        let process = Process::start("asterisk", &mut command, folder);
        let mut asterisk = Self { name, process: Some(process) };
        let booted = poll(BOOT, || {
            let process = asterisk.process.as_mut().expect("it has just been started");
            assert!(process.ended().is_none(), "Asterisk ended:\n{}", process.last_words());
            asterisk.console("core waitfullybooted").contains("fully booted").then_some(())
        });
        assert!(booted.is_some(), "Asterisk has not booted after {BOOT:?}");
        asterisk
    }

    /// What a console command prints; empty when the console cannot be reached.
    pub fn console(&self, line: &str) -> String {
        let output = script().args(["cli", &self.name, line]).output().expect("the script can be started");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until a contact of `aor` answers OPTIONS: a registered phone, or toritsugi.
    pub fn wait_for_contact(&self, aor: &str, limit: Duration) {
        let seen = poll(limit, || {
            self.console(&format!("pjsip qualify {aor}"));
            let contacts = self.console("pjsip show contacts");
            let reachable =
                contacts.lines().any(|line| line.contains(&format!("{aor}/")) && line.contains(" Avail"));
            reachable.then_some(())
        });
        assert!(seen.is_some(), "{aor} is not reachable: {}", self.console("pjsip show contacts"));
    }

    /// Its log.
    pub fn log(&self) -> String {
        let output = script().args(["log", &self.name]).output().expect("the script can be started");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Asterisk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            use std::io::Write;
            // What cannot be shown is no reason to fail a second time.
            let _ = writeln!(std::io::stderr(), "--- Asterisk's log\n{}\n---", self.log());
        }
        // It must have ended before its folder goes.
        drop(self.process.take());
        let _ = script().args(["remove", &self.name]).status();
    }
}

fn script() -> Command {
    Command::new(tools_folder().join("asterisk-node.sh"))
}
