//! [io] The composition root: builds the rooms from the configuration and connects them.
//!
//! The command line calls these functions and nothing else of the house.

use std::net::SocketAddr;
use std::path::Path;

use crate::cli::explain::{Explanation, Question};
use crate::cli::{Failure, Table, UserRole};
use crate::config::Config;

/// Where the demonstration listens; `None`: a free port on loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// `--http`.
    pub http: Option<SocketAddr>,
    /// `--sip`.
    pub sip: Option<SocketAddr>,
}

/// Runs until it is told to stop. `path` is read again on SIGHUP.
pub fn serve(_path: &Path, _config: Config) -> Result<(), Failure> {
    Err(Failure::of("serve is not built yet"))
}

/// Runs the demonstration until it is told to stop.
pub fn demo(_options: DemoOptions) -> Result<(), Failure> {
    Err(Failure::of("demo is not built yet"))
}

/// Answers where a call would go now, or at the moment asked for, and why.
pub fn explain(_config: Config, _question: &Question) -> Result<Explanation, Failure> {
    Err(Failure::of("explain is not built yet"))
}

/// Imports a CSV file, atomically, and says what was done.
pub fn import(_config: Config, _table: Table, _file: &Path) -> Result<String, Failure> {
    Err(Failure::of("import is not built yet"))
}

/// Adds a user with the password from standard input, and says what was done.
pub fn add_user(
    _config: Config,
    _name: &str,
    _role: UserRole,
    _agent: Option<&str>,
) -> Result<String, Failure> {
    Err(Failure::of("user add is not built yet"))
}

/// What `check` asks of rooms that open things: one line for each fault.
pub fn check(_config: &Config) -> Vec<String> {
    Vec::new()
}
