//! [io] The composition root: builds the rooms from the configuration and connects them.
//!
//! The command line calls these functions and nothing else of the house.

mod asking;
mod customers;
mod demo;
mod resolver;
mod secret;
mod serving;
mod settings;
mod world;

use std::net::SocketAddr;
use std::path::Path;

use crate::cli::{Failure, Table, UserRole};
use crate::config::Config;

pub use asking::explain;
pub use demo::demo;
pub use settings::engine_settings;

/// Threads beside the call path: more than the cores of a small machine, so that one busy with a long page
/// never stands before a pop.
const WORKERS: usize = 4;

/// Where the demonstration listens; `None`: pages on 127.0.0.1:8080, SIP on a free port of loopback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemoOptions {
    /// `--http`.
    pub http: Option<SocketAddr>,
    /// `--sip`.
    pub sip: Option<SocketAddr>,
}

/// Runs until it is told to stop. `path` is read again on SIGHUP.
pub fn serve(path: &Path, config: Config) -> Result<(), Failure> {
    let runtime = runtime()?;
    let _log = crate::telemetry::init_log(&config.log)
        .map_err(|error| Failure::of(format!("cannot log: {error}")))?;
    runtime.block_on(async {
        let running = serving::start(&config, serving::Extras::default()).await?;
        running.until_stopped(Some(path)).await;
        Ok(())
    })
}

/// Imports a CSV file, atomically, and says what was done.
pub fn import(config: Config, table: Table, file: &Path) -> Result<String, Failure> {
    asking::import(&config, table, file)
}

/// Adds a user with the password from standard input, and says what was done.
pub fn add_user(config: Config, name: &str, role: UserRole, agent: Option<&str>) -> Result<String, Failure> {
    asking::add_user(&config, name, role, agent)
}

/// What `check` asks of rooms that open things: one line for each fault.
pub fn check(config: &Config) -> Vec<String> {
    asking::check(config)
}

/// A runtime for everything beside the call path; the call path has a thread of its own.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .thread_name("toritsugi")
        .build()
        .map_err(|error| Failure::of(format!("cannot start: {error}")))
}
