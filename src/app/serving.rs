//! Starting everything, and stopping it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::resolver::{self, Resolver};
use super::settings::{
    desk_settings, engine_settings, listen_addresses, media_settings, no_statuses, sounds, storage_settings,
    transport_settings,
};
use super::world;
use crate::api::{
    ApiSettings, ApiState, RuleSettings, ServeSettings, SessionSettings, Sessions, Store, router_with,
};
use crate::cli::Failure;
use crate::config::Config;
use crate::desk::{Desk, DeskHandle, WsState};
use crate::driver::{Clock, Driver, EngineHandle, FromWorld, Outlets};
use crate::engine::Engine;
use crate::identity::canon;
use crate::media::MediaReport;
use crate::media::ports::{Library, MediaControl, Sounds, Started};
use crate::presence::StoredStatus;
use crate::routing::Directory;
use crate::storage::Storage;
use crate::telemetry::{Health, MetricsPage};
use crate::transport::Transports;

/// What waits for the engine at most, from screens and integrations.
const DESK_QUEUE: usize = 4_096;

/// What waits for the engine at most, from look-ups and names.
const WORLD_QUEUE: usize = 4_096;

/// Look-ups and names that wait to be begun.
const JOBS: usize = 4_096;

/// How long a stop waits for callers who have not been answered yet.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How long a stop waits for records to be written.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// How long screens are given to come back after a stop; they spread over it.
const RETRY_MS: u64 = 2_000;

/// What a demonstration adds.
#[derive(Default)]
pub(super) struct Extras {
    /// Further routes, behind the same guard.
    pub routes: axum::Router<ApiState>,
}

/// A running server.
pub(super) struct Running {
    /// Where pages are served.
    pub http: SocketAddr,
    /// Where SIP is received.
    pub sip: Vec<SocketAddr>,
    config: Config,
    health: Health,
    desk: DeskHandle,
    world: mpsc::Sender<FromWorld>,
    media: MediaControl,
    stop_driver: oneshot::Sender<Duration>,
    driver: std::thread::JoinHandle<()>,
    /// Ends when the last record is written.
    writer: oneshot::Receiver<()>,
    stop_http: CancellationToken,
}

/// Starts everything. A database that is away degrades the start; sockets that cannot be bound end it.
pub(super) async fn start(config: &Config, extras: Extras) -> Result<Running, Failure> {
    only_sqlite(config)?;
    let health = Health::new();
    let (storage, directory, statuses, version) = open_storage(config, &health).await;
    let (http, http_address) = listen_http(config.http.listen).await?;
    let stop_http = CancellationToken::new();
    start_metrics(config, &stop_http).await?;

    let media = start_media(config)?;
    let (engine_handle, desk_receiver) = EngineHandle::channel(DESK_QUEUE);
    let (world_sender, world_receiver) = mpsc::channel(WORLD_QUEUE);
    let (directory_sender, directory_receiver) = watch::channel(Arc::clone(&directory));
    let (desk_handle, desk) =
        Desk::new(desk_settings(config), engine_handle.clone(), directory_receiver.clone());
    let (lookup_sender, lookups) = mpsc::channel(JOBS);
    let (name_sender, names) = mpsc::channel(JOBS);
    let (write_sender, writes) = mpsc::channel(config.database.write_queue);
    let outlets = Outlets {
        events: desk_handle.clone(),
        lookups: lookup_sender,
        names: name_sender,
        writes: write_sender,
        media: media.handle,
        health: health.clone(),
    };

    let resolver = Resolver::new(config)?;
    let (stop_driver, stopped) = oneshot::channel();
    let parts = DriverParts {
        config: config.clone(),
        directory: Arc::clone(&directory),
        statuses: statuses.values().cloned().collect(),
        desk: desk_receiver,
        world: world_receiver,
        media: media.reports,
        outlets,
    };
    let (sip, driver) = start_driver(parts, stopped).await?;

    tokio::spawn(desk.run());
    tokio::spawn(world::look_up(storage.clone(), lookups, world_sender.clone(), health.clone()));
    tokio::spawn(resolver::resolve(Arc::new(resolver), names, world_sender.clone()));
    let writes = world::write(storage.clone(), writes, config.database.write_queue, health.clone());
    let writer = start_writer(writes)?;
    let watching = watching(config, &storage, &world_sender, directory_sender, &health);
    tokio::spawn(watching.run(version, statuses));

    let state = api_state(config, storage, &engine_handle, &desk_handle, &directory_receiver, &health)?;
    let routes = router_with(state, extras.routes);
    tokio::spawn(crate::api::serve(http, routes, ServeSettings::default(), stop_http.clone()));
    health.set_ready(true);
    tracing::info!(http = %http_address, sip = ?sip, "toritsugi is ready");
    Ok(Running {
        http: http_address,
        sip,
        config: config.clone(),
        health,
        desk: desk_handle,
        world: world_sender,
        media: media.control,
        stop_driver,
        driver,
        writer,
        stop_http,
    })
}

fn watching(
    config: &Config,
    storage: &Storage,
    world: &mpsc::Sender<FromWorld>,
    directory: watch::Sender<Arc<Directory>>,
    health: &Health,
) -> world::Watching {
    world::Watching {
        storage: storage.clone(),
        world: world.clone(),
        directory,
        health: health.clone(),
        memory: config.database.memory_mb << 20,
    }
}

fn only_sqlite(config: &Config) -> Result<(), Failure> {
    match config.database.url {
        crate::config::DatabaseUrl::Sqlite(_) => Ok(()),
        crate::config::DatabaseUrl::Postgres(_) => {
            Err(Failure::of("[database] url: this version speaks SQLite only; write sqlite:FILE"))
        }
    }
}

/// Sounds are read before anybody calls; without an address the ports only refuse.
fn start_media(config: &Config) -> Result<Started, Failure> {
    let library = Library::load(&sounds(config)).map_err(Failure::lines_of)?;
    crate::media::ports::start(media_settings(config), Arc::new(library))
        .map_err(|error| Failure::of(format!("the media ports do not start: {error}")))
}

/// Long music takes a second, which must not be one of a thread that has others waiting.
async fn read_aside(sounds: Sounds) -> Result<Library, Failure> {
    let read = tokio::task::spawn_blocking(move || Library::load(&sounds)).await;
    read.map_err(|error| Failure::of(error.to_string()))?.map_err(Failure::lines_of)
}

async fn listen_http(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::of(format!("[http] listen {address}: cannot listen: {error}")))?;
    let listening = bound.local_addr().map_err(|error| Failure::of(error.to_string()))?;
    Ok((bound, listening))
}

impl Running {
    /// Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again when `path` is known.
    pub async fn until_stopped(self, path: Option<&Path>) {
        let signals = (
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()),
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()),
        );
        let (Ok(mut terminate), Ok(mut hang_up)) = signals else {
            tracing::error!("signals cannot be received; stopping");
            return self.stop().await;
        };
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = tokio::signal::ctrl_c() => break,
                _ = hang_up.recv() => {
                    if let Some(path) = path {
                        self.reload(path).await;
                    }
                }
            }
        }
        self.stop().await;
    }

    /// Takes no new calls, lets those that ring be answered, and ends.
    pub async fn stop(self) {
        tracing::info!("stopping: no new calls");
        self.health.set_ready(false);
        self.desk.drain(RETRY_MS).await;
        // The driver is gone already only when it panicked, which its thread has logged.
        self.stop_driver.send(STOP_PATIENCE).ok();
        let joined = tokio::task::spawn_blocking(move || self.driver.join());
        if tokio::time::timeout(STOP_PATIENCE + Duration::from_secs(1), joined).await.is_err() {
            tracing::warn!("some callers were still waiting");
        }
        // With the driver gone its queue ends, and the writer with it.
        if tokio::time::timeout(WRITE_PATIENCE, self.writer).await.is_err() {
            tracing::error!("records could not be written before the stop");
        }
        self.stop_http.cancel();
        tracing::info!("stopped");
    }

    /// Reads the configuration aside; a bad file leaves the old one in force (N95).
    async fn reload(&self, path: &Path) {
        let read = Config::load(path).map_err(|faults| {
            Failure::lines_of(faults.iter().map(|fault| match fault.line {
                Some(line) => format!("{}:{line}: {}", path.display(), fault.what),
                None => fault.what.clone(),
            }))
        });
        let settings = read.and_then(|config| {
            let ports = |config: &Config| {
                (config.media.addresses.clone(), config.media.ports.clone(), config.media.streams)
            };
            if config.sip.listen != self.config.sip.listen
                || config.http.listen != self.config.http.listen
                || ports(&config) != ports(&self.config)
            {
                tracing::warn!("addresses change only at a restart");
            }
            let settings = engine_settings(&config, self.sip.clone())?;
            let sockets = (super::settings::tls(&config)?, config.sip.udp_bundles);
            Ok((sockets, sounds(&config), settings))
        });
        let settings = match settings {
            Ok((sockets, sounds, settings)) => {
                read_aside(sounds).await.map(|library| (sockets, library, settings))
            }
            Err(failure) => Err(failure),
        };
        match settings {
            Ok(((tls, udp_bundles), library, settings)) => {
                if !self.media.change(Arc::new(library)) {
                    tracing::error!(
                        "the media ports do not keep up: music and announcements stay as they were"
                    );
                }
                self.world.send(FromWorld::Tls(Box::new(tls))).await.ok();
                self.world.send(FromWorld::UdpBundles(udp_bundles)).await.ok();
                self.world.send(FromWorld::Settings(Arc::new(settings))).await.ok();
                tracing::info!(
                    "the configuration was read again: peers, routes, certificates, limits, times, wording, \
                     music"
                );
            }
            Err(failure) => {
                tracing::error!(fault = %failure, "the new configuration is bad; the old one stays in force");
            }
        }
    }
}

struct DriverParts {
    config: Config,
    directory: Arc<Directory>,
    statuses: Vec<StoredStatus>,
    desk: mpsc::Receiver<crate::driver::FromDesk>,
    world: mpsc::Receiver<FromWorld>,
    media: mpsc::Receiver<MediaReport>,
    outlets: Outlets,
}

/// Starts what keeps records on its own thread, which gives way to the call path: making some thousand
/// records ready to be written takes it tens of milliseconds.
fn start_writer(writes: impl Future<Output = ()> + Send + 'static) -> Result<oneshot::Receiver<()>, Failure> {
    let cannot = |error: std::io::Error| Failure::of(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(cannot)?;
    let (done, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("toritsugi-keep".to_owned());
    let run = move || {
        crate::storage::give_way_here();
        runtime.block_on(writes);
        // Nobody waits when the server was not stopped but dropped.
        done.send(()).ok();
    };
    thread.spawn(run).map(|_| ended).map_err(cannot)
}

/// Starts the call path on its own thread; answers when its sockets are bound.
async fn start_driver(
    parts: DriverParts,
    stop: oneshot::Receiver<Duration>,
) -> Result<(Vec<SocketAddr>, std::thread::JoinHandle<()>), Failure> {
    let (bound_sender, bound) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("toritsugi-sip".to_owned())
        .spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    bound_sender.send(Err(Failure::of(format!("cannot start: {error}")))).ok();
                    return;
                }
            };
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                match build_driver(parts) {
                    Ok((sip, driver)) => {
                        bound_sender.send(Ok(sip)).ok();
                        driver.run(stop).await;
                    }
                    Err(failure) => {
                        bound_sender.send(Err(failure)).ok();
                    }
                }
            });
        })
        .map_err(|error| Failure::of(format!("cannot start: {error}")))?;
    let sip = bound.await.map_err(|_| Failure::of("the call path did not start"))??;
    Ok((sip, thread))
}

fn build_driver(parts: DriverParts) -> Result<(Vec<SocketAddr>, Driver), Failure> {
    let listen = listen_addresses(&parts.config);
    let tls = super::settings::tls(&parts.config)?;
    let transports = Transports::bind(&listen, &transport_settings(&parts.config), Some(tls))
        .map_err(|error| Failure::of(format!("[sip] listen: {error}")))?;
    let sip: Vec<SocketAddr> = transports.listening().iter().map(|listen| listen.address).collect();
    let settings = Arc::new(engine_settings(&parts.config, sip.clone())?);
    crate::driver::admit(&transports, &settings);
    let clock = Clock::start();
    let secret = super::secret::kept(&parts.config);
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    let engine = Engine::new(settings, parts.directory, &parts.statuses, secret, seed, clock.now());
    Ok((sip, Driver::new(engine, transports, clock, parts.desk, parts.world, parts.media, parts.outlets)))
}

type Opened = (
    Storage,
    Arc<Directory>,
    std::collections::BTreeMap<crate::presence::AgentId, StoredStatus>,
    Option<i64>,
);

/// Opens the database and reads the directory; without a database the start goes on, degraded.
async fn open_storage(config: &Config, health: &Health) -> Opened {
    let settings = storage_settings(config);
    let storage = match Storage::create_and_migrate(&settings).await {
        Ok(storage) => storage,
        Err(error) => {
            world::start_without(health, &error);
            return (Storage::offline(&settings), Arc::default(), no_statuses(), None);
        }
    };
    // The version is read first: a change in between is then read twice rather than never.
    let version = storage.data_version().await.ok();
    match world::read_directory(&storage).await {
        Ok((directory, statuses)) => (storage, Arc::new(directory), statuses, version),
        Err(error) => {
            world::start_without(health, &error);
            (storage, Arc::default(), no_statuses(), None)
        }
    }
}

fn api_state(
    config: &Config,
    storage: Storage,
    engine: &EngineHandle,
    desk: &DeskHandle,
    directory: &watch::Receiver<Arc<Directory>>,
    health: &Health,
) -> Result<ApiState, Failure> {
    let store: Arc<dyn Store> = Arc::new(storage);
    let sessions = Sessions::new(
        Arc::clone(&store),
        SessionSettings { lasts: config.http.session, ..SessionSettings::default() },
    );
    let numbering = super::settings::trunk_context(config)?;
    Ok(ApiState {
        web_socket: WsState::new(desk.clone(), sessions.clone(), engine.clone()),
        sessions,
        store,
        engine: engine.clone(),
        directory: directory.clone(),
        health: health.clone(),
        normalise: Arc::new(move |text| canon(text, &numbering).key),
        settings: Arc::new(ApiSettings {
            secure_cookie: config.http.secure_cookies,
            rules: RuleSettings {
                limits: super::settings::rule_limits(config),
                dry_run_calls: config.rules.dry_run_calls,
                zone: config.guidance.time_zone.clone(),
                emergency: config.numbering.emergency.clone(),
            },
            ..ApiSettings::default()
        }),
    })
}

/// Figures on a listener of their own (N84).
async fn start_metrics(config: &Config, stop: &CancellationToken) -> Result<(), Failure> {
    let Some(address) = config.metrics.listen else { return Ok(()) };
    let page = MetricsPage::install().map_err(|error| Failure::of(format!("[metrics]: {error}")))?;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| Failure::of(format!("[metrics] listen {address}: cannot listen: {error}")))?;
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        if let Err(error) = page.serve(listener, stopped).await {
            tracing::error!(%error, "the metrics listener ended");
        }
    });
    Ok(())
}
