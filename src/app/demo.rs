//! `toritsugi demo`: a throw-away database, sample data, simulated phones, callers on demand.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Zoned;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::DemoOptions;
use super::serving::{Extras, start};
use super::settings::{storage_settings, trunk_context};
use crate::api::ApiState;
use crate::cli::{Failure, user};
use crate::config::{Config, DatabaseUrl, Listen, Peer, Protocol};
use crate::demo::{Phones, Sample, log_ins, presences, sample, scenarios};
use crate::presence::SetBy;
use crate::storage::{Storage, StoredPresence};

/// Where the demonstration listens unless told otherwise.
const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Who may send in the demonstration.
const LOOPBACK: ipnet::IpNet = ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));

/// How long a simulated phone rings before it is answered: long enough to read the card.
const RINGS: Duration = Duration::from_secs(7);

/// How long a simulated caller talks, in seconds.
const TALKS_S: u32 = 20;

/// Simulated callers at once; the next click is answered 429.
const CALLERS: usize = 8;

/// The wrap-up of the demonstration, so that the next caller is not kept waiting.
const WRAP_UP: Duration = Duration::from_secs(15);

/// Runs the demonstration until it is told to stop.
///
/// # Errors
/// When an address is taken, or the folder of the database cannot be made.
pub fn demo(options: DemoOptions) -> Result<(), Failure> {
    let folder = Folder::make()?;
    let runtime = super::runtime()?;
    let _log =
        crate::telemetry::init_log(&quiet()).map_err(|error| Failure::of(format!("cannot log: {error}")))?;
    let phones =
        runtime.block_on(Phones::bind((Ipv4Addr::LOCALHOST, 0).into(), Arc::new(|_: &str| Some(RINGS))));
    let phones =
        phones.map_err(|error| Failure::of(format!("the simulated phones cannot listen: {error}")))?;
    let phones_at = phones.address().map_err(|error| Failure::of(error.to_string()))?;
    let config = config(&folder.0, options, phones_at);
    let now = Zoned::now();
    let password = format!("demo-{:06}", rand::random::<u32>() % 1_000_000);
    fill(&config, &sample(&now, phones_at), &now, &runtime)?;
    for log_in in log_ins() {
        user::add_with(log_in.name, log_in.role, log_in.agent, &storage_settings(&config), &password)
            .map_err(Failure::lines_of)?;
    }
    runtime.block_on(async {
        tokio::spawn(phones.run());
        let (sip_sender, sip) = watch::channel(None);
        let callers = Callers { sip, places: Arc::new(Semaphore::new(CALLERS)) };
        let running = start(&config, Extras { routes: routes(callers) }).await?;
        sip_sender.send_replace(running.sip.first().copied());
        welcome(running.http, running.sip.first().copied(), &password)?;
        running.until_stopped(None).await;
        Ok(())
    })
}

/// What people read on the terminal.
fn welcome(http: SocketAddr, sip: Option<SocketAddr>, password: &str) -> Result<(), Failure> {
    let mut text = format!(
        "\n  toritsugi demo\n\n  Open      http://{http}\n\n  Log in    (password for all: {password})\n"
    );
    for log_in in log_ins() {
        let agent = log_in.agent.map_or_else(String::new, |agent| format!(" = agent {agent}"));
        text.push_str(&format!("    {:<12} {}{agent}\n", log_in.name, log_in.role.as_str()));
    }
    let via = sip.map_or_else(|| "127.0.0.1:5060".to_owned(), |sip| sip.to_string());
    text.push_str("\n  Calls     from the buttons on the page, or from another terminal:\n");
    for scenario in scenarios().iter().take(3) {
        text.push_str(&format!(
            "    toritsugi call --from {} --to {} --via {via}    # {}\n",
            scenario.from, scenario.line, scenario.shows.en
        ));
    }
    text.push_str("\n  Stop with Ctrl-C; the database is thrown away.\n");
    crate::cli::say(&text)
}

fn quiet() -> crate::config::Log {
    crate::config::Log { level: crate::config::LogLevel::Warn, ..crate::config::Log::default() }
}

/// The configuration of the demonstration: everything on loopback, and everybody there a peer.
fn config(folder: &Path, options: DemoOptions, phones: SocketAddr) -> Config {
    let mut config = Config::default();
    let sip = options.sip.unwrap_or(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
    config.sip.listen = vec![Listen { protocol: Protocol::Udp, address: sip }];
    config.sip.advertise.host = crate::config::Host::Ip(sip.ip());
    config.sip.advertise.port = sip.port();
    if let Ok(route) = format!("sip:pbx@{phones}").parse() {
        config.sip.routes = vec![crate::config::Route::first(route)];
    }
    config.sip.peers =
        vec![Peer { addresses: vec![LOOPBACK], trust_identity: true, ..Peer::named("loopback") }];
    config.http.listen = options.http.unwrap_or(HTTP);
    config.metrics.listen = None;
    config.database.url = DatabaseUrl::Sqlite(folder.join("demo.db"));
    config.routing.wrap_up = WRAP_UP;
    config
}

fn fill(
    config: &Config,
    sample: &Sample,
    now: &Zoned,
    runtime: &tokio::runtime::Runtime,
) -> Result<(), Failure> {
    let context = trunk_context(config)?;
    let normalise = |cell: &str| super::asking::imported_numbers(cell, &context);
    runtime.block_on(async {
        let failed = |error: String| Failure::of(format!("the sample data could not be loaded: {error}"));
        let storage = Storage::create_and_migrate(&storage_settings(config))
            .await
            .map_err(|error| failed(error.to_string()))?;
        for (table, text) in sample.files() {
            storage
                .import(table, text.as_bytes(), &normalise, now.timestamp(), &|_, _| {})
                .await
                .map_err(|error| failed(format!("{}: {error}", table.as_str())))?;
        }
        for (agent, status) in presences(now) {
            let presence = StoredPresence { agent, status, set_by: SetBy::Manual, since: now.timestamp() };
            storage.save_presence(&presence, "demo").await.map_err(|error| failed(error.to_string()))?;
        }
        Ok(())
    })
}

/// Who places simulated calls.
#[derive(Clone)]
struct Callers {
    sip: watch::Receiver<Option<SocketAddr>>,
    places: Arc<Semaphore>,
}

fn routes(callers: Callers) -> Router<ApiState> {
    Router::new()
        .route("/api/v1/demo/scenarios", get(list))
        .route("/api/v1/demo/calls", post(place))
        .with_state(callers)
}

async fn list() -> Json<Value> {
    let items: Vec<Value> = scenarios()
        .iter()
        .map(|scenario| {
            json!({"id": scenario.id, "from": scenario.from, "line": scenario.line,
                   "ja": scenario.shows.ja, "en": scenario.shows.en})
        })
        .collect();
    Json(json!({"items": items, "next": null}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    scenario: String,
}

/// Starts a caller; it runs as the command `toritsugi call` would.
async fn place(State(callers): State<Callers>, Json(wanted): Json<Wanted>) -> (StatusCode, Json<Value>) {
    let Some(scenario) = scenarios().into_iter().find(|scenario| scenario.id == wanted.scenario) else {
        return (StatusCode::NOT_FOUND, Json(json!({"code": "not_found"})));
    };
    let Some(sip) = *callers.sip.borrow() else {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"code": "unavailable"})));
    };
    let Ok(place) = callers.places.try_acquire_owned() else {
        return (StatusCode::TOO_MANY_REQUESTS, Json(json!({"code": "rate_limited"})));
    };
    let Ok(program) = std::env::current_exe() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"code": "internal"})));
    };
    let mut call = tokio::process::Command::new(program);
    call.args(["call", "--from", scenario.from, "--to", scenario.line, "--via", &sip.to_string()])
        .args(["--talk", &TALKS_S.to_string()])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true);
    match call.spawn() {
        Ok(mut child) => {
            tokio::spawn(async move {
                if let Err(error) = child.wait().await {
                    tracing::warn!(%error, "a simulated caller could not be followed");
                }
                drop(place);
            });
            (StatusCode::ACCEPTED, Json(json!({"scenario": scenario.id})))
        }
        Err(error) => {
            tracing::warn!(%error, "a simulated caller could not be started");
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"code": "internal"})))
        }
    }
}

/// The throw-away folder; it goes when this does.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("toritsugi-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::of(format!("cannot make {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays in the system's temporary folder.
        std::fs::remove_dir_all(&self.0).ok();
    }
}
