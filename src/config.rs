//! [io] Configuration: one TOML file, read and checked once into typed values.
//!
//! Nothing behind this room parses a string again, and nothing starts on half a configuration: every fault of
//! the file is found in one pass, each with its line.

mod address;
mod digest;
mod document;
mod house;
mod media;
mod route;
mod rules;
mod server;
mod sip;

use std::fmt;
use std::io::Read as _;
use std::path::Path;

pub use address::{Host, HostPort, Listen, NextHop, Protocol};
pub use digest::{Digest, PasswordSource, PeerAuth};
pub use house::{AtLimit, Desk, Guidance, Music, Numbering, Park, ParkMode, Routing};
pub use media::{Announcements, Media, Saying};
pub use route::Route;
pub use rules::Rules;
pub use server::{Database, DatabaseUrl, Http, Log, LogFormat, LogLevel, Metrics};
pub use sip::{CalledNumberSource, Limits, Peer, Redirects, Sip, Tls};

use document::Document;

/// A configuration file longer than this is refused unread (N86).
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// Everything `toritsugi` can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[sip]`, `[[sip.peer]]`, `[sip.limits]`, `[sip.tls]`.
    pub sip: Sip,
    /// `[http]`.
    pub http: Http,
    /// `[metrics]`.
    pub metrics: Metrics,
    /// `[database]`.
    pub database: Database,
    /// `[numbering]`.
    pub numbering: Numbering,
    /// `[routing]`.
    pub routing: Routing,
    /// `[rules]`.
    pub rules: Rules,
    /// `[desk]`.
    pub desk: Desk,
    /// `[park]`.
    pub park: Park,
    /// `[media]`.
    pub media: Media,
    /// `[guidance]`.
    pub guidance: Guidance,
    /// `[log]`.
    pub log: Log,
}

/// One thing that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigFault {
    /// The line, counted from 1; absent when the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "line {line}: {}", self.what),
            None => formatter.write_str(&self.what),
        }
    }
}

impl Config {
    /// Reads and checks a file. Relative paths in it are resolved against its folder.
    ///
    /// Fails with every fault that was found, in the order of their lines; never with an empty list.
    pub fn load(path: &Path) -> Result<Self, Vec<ConfigFault>> {
        let text = read(path).map_err(|what| vec![ConfigFault { line: None, what }])?;
        // Absolute, so that a later change of the working folder moves nothing.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Checks the text of a file; `folder` is what its relative paths are resolved against.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<ConfigFault>> {
        let document = Document::parse(text, folder);
        let config = Self::read_from(&document);
        document.finish().map(|_keys| config)
    }

    fn read_from(document: &Document<'_>) -> Self {
        let root = document.root();
        let config = Self {
            sip: Sip::read(&root.section("sip")),
            http: Http::read(&root.section("http")),
            metrics: Metrics::read(&root.section("metrics")),
            database: Database::read(&root.section("database")),
            numbering: Numbering::read(&root.section("numbering")),
            routing: Routing::read(&root.section("routing")),
            rules: Rules::read(&root.section("rules")),
            desk: Desk::read(&root.section("desk")),
            park: Park::read(&root.section("park")),
            media: Media::read(&root.section("media")),
            guidance: Guidance::read(&root.section("guidance")),
            log: Log::read(&root.section("log")),
        };
        root.refuse_unknown_keys();
        config
    }
}

/// Reads at most the limit, and only text.
fn read(path: &Path) -> Result<String, String> {
    let name = path.display();
    let file = std::fs::File::open(path)
        .map_err(|error| format!("cannot open {name}: {error}; give the file's path with --config"))?;
    let mut octets = Vec::new();
    file.take(FILE_LIMIT_BYTES + 1)
        .read_to_end(&mut octets)
        .map_err(|error| format!("cannot read {name}: {error}"))?;
    if octets.len() as u64 > FILE_LIMIT_BYTES {
        return Err(format!(
            "{name} is larger than {FILE_LIMIT_BYTES} octets; this is not a configuration file"
        ));
    }
    String::from_utf8(octets).map_err(|_| format!("{name} is not UTF-8 text; save it as UTF-8"))
}

#[cfg(test)]
mod tests;
