//! `[http]`, `[metrics]`, `[database]`, `[log]`: what stands beside the call path.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::document::Section;

/// `[http]`: pages, REST and the WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Origins beside our own from which a browser may open the WebSocket.
    pub allowed_origins: Vec<String>,
    /// Whether cookies are marked `Secure`: on behind TLS.
    pub secure_cookies: bool,
    /// How long a log-in lasts.
    pub session: Duration,
}

/// `[metrics]`: figures for Prometheus, on a listener of their own (N84).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Where it listens; `None`: nowhere.
    pub listen: Option<SocketAddr>,
}

/// Which database.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server, as written; may hold a password and is therefore never printed.
    Postgres(String),
}

/// `[database]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Which one.
    pub url: DatabaseUrl,
    /// Connections that look up customers.
    pub look_up_connections: u32,
    /// How long a locked SQLite file is waited for, away from the call path.
    pub busy_timeout: Duration,
    /// Records that wait to be written while the database is away; above: the oldest are dropped and counted.
    pub write_queue: usize,
    /// What the customers may take in memory, in mebibytes; above: every look-up asks the database.
    pub memory_mb: usize,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the five usual levels")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// `[log]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is written.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
    /// Lines a second of one class; more are counted in a summary line (N42).
    pub lines_per_s: u32,
}

impl Http {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let http = Self {
            listen: section.text("listen", default.listen, socket_address),
            allowed_origins: section.texts("allowed_origins", default.allowed_origins, origin),
            secure_cookies: section.flag("secure_cookies", default.secure_cookies),
            session: section.hours("session_h", 1..=168, default.session),
        };
        section.refuse_unknown_keys();
        http
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allowed_origins: Vec::new(),
            secure_cookies: false,
            session: Duration::from_secs(12 * 3600),
        }
    }
}

impl Metrics {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let metrics = Self { listen: section.optional("listen", Self::default().listen, socket_address) };
        section.refuse_unknown_keys();
        metrics
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))) }
    }
}

impl Database {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let url = |text: &str| database_url(section, text);
        // The default is a relative path as well, and lies beside the configuration file like any other.
        let default_url = url(DEFAULT_URL).unwrap_or(default.url);
        let database = Self {
            url: section.text("url", default_url, url),
            look_up_connections: section.number("look_up_connections", 1..=64, default.look_up_connections),
            busy_timeout: section.millis("busy_timeout_ms", 0..=60_000, default.busy_timeout),
            write_queue: section.number("write_queue", 100..=1_000_000, default.write_queue),
            memory_mb: section.number("memory_mb", 0..=65_536, default.memory_mb),
        };
        section.refuse_unknown_keys();
        database
    }
}

const DEFAULT_URL: &str = "sqlite:toritsugi.db";

impl Default for Database {
    fn default() -> Self {
        Self {
            url: DatabaseUrl::Sqlite(PathBuf::from("toritsugi.db")),
            look_up_connections: 4,
            busy_timeout: Duration::from_secs(5),
            write_queue: 100_000,
            memory_mb: 512,
        }
    }
}

impl DatabaseUrl {
    /// The URL to open, with an absolute path for SQLite. May hold a password: not for logs.
    pub fn to_url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// Without what stands before the `@`, and so without a password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let after_secret = url.rsplit_once('@').map_or("", |(_, host)| host);
                write!(formatter, "postgres://{}", after_secret.split('?').next().unwrap_or(""))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseUrl({self})")
    }
}

impl Log {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let log = Self {
            level: section.text("level", default.level, log_level),
            format: section.text("format", default.format, log_format),
            lines_per_s: section.number("lines_per_s", 1..=100_000, default.lines_per_s),
        };
        section.refuse_unknown_keys();
        log
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Auto, lines_per_s: 100 }
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("\"{text}\" is not ADDRESS:PORT; write it like \"127.0.0.1:8080\""))
}

/// An origin as browsers send it: scheme, host and, unless it is the usual one, port; no path.
fn origin(text: &str) -> Result<String, String> {
    let bad =
        || format!("\"{text}\" is not an origin; write it like \"https://crm.example\", without a path");
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or_else(bad)?;
    let sound = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-.:[]".contains(&octet);
    if host.is_empty() || !host.bytes().all(sound) {
        return Err(bad());
    }
    Ok(text.to_owned())
}

fn database_url(section: &Section<'_>, text: &str) -> Result<DatabaseUrl, String> {
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(DatabaseUrl::Postgres(text.to_owned()));
    }
    let file = text.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match file.map(|file| file.split('?').next().unwrap_or(file)) {
        // The text is not repeated: a mistyped URL may hold a password.
        None => Err("is neither sqlite:FILE nor postgres://USER@HOST/NAME".to_owned()),
        Some("" | ":memory:") => {
            Err("needs a file: a database in memory would forget all at the end".to_owned())
        }
        Some(file) => Ok(DatabaseUrl::Sqlite(section.resolve(file))),
    }
}

fn log_level(text: &str) -> Result<LogLevel, String> {
    match text {
        "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(format!("\"{text}\" is not error, warn, info, debug or trace")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(format!("\"{text}\" is not auto, json or text")),
    }
}
