//! Tools a test cannot do without, and the count of tests that had to be left out.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whether every tool is there. If not, says `skipped: needs X` and counts it; the test then returns at once.
///
/// A tool is the name of a program, or `asterisk` for the one in the tests' own folder
/// (`tests/tools/asterisk.sh`). The line goes to standard error past libtest's capture, and into the file
/// that `TORITSUGI_SKIPS` names, which `make test` counts.
pub fn needs(tools: &[&str]) -> bool {
    match tools.iter().find(|tool| !is_there(tool)) {
        Some(missing) => {
            skip(missing);
            false
        }
        None => true,
    }
}

/// The folder of the helper scripts.
pub fn tools_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tools")
}

/// The folder of the SIPp scenarios.
pub fn scenario_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sipp")
}

fn is_there(tool: &str) -> bool {
    if tool == "asterisk" {
        return succeeds(Command::new(tools_folder().join("asterisk.sh")).arg("path"));
    }
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

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
