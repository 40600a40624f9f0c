//! The database file, its connections, and what happens when it goes away.
//!
//! There are two pools: a few read-only connections for look-ups and lists, and one connection that writes,
//! since SQLite has one writer anyway. Before work the file behind the path is compared with the one the
//! connections have open; when it was replaced (restored, recreated) both pools are made anew, and when it is
//! missing the answer is [`StorageError::Unavailable`] at once. A missing file is never created here: an
//! empty database in the place of a lost one would hide the loss.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite};
use tokio::io::AsyncReadExt;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

use super::StorageError;

/// The schema, compiled in. A newer version's additions do not stop an older program: schemas only grow
/// (F18).
pub(super) static MIGRATOR: Migrator = {
    let mut migrator = sqlx::migrate!("./migrations");
    migrator.ignore_missing = true;
    migrator
};

/// A refusal sooner than this has not waited for the busy timeout.
const LOCKED_AT_ONCE: Duration = Duration::from_millis(500);

/// How often a migration is tried while another process may be at it, and how long after each.
const MIGRATION_TRIES: u32 = 20;
const MIGRATION_PAUSE: Duration = Duration::from_millis(50);

/// What SQLite says to a step of the schema that another process has just done.
const STEP_IS_DONE: [&str; 3] = ["already exists", "duplicate column name", "no such index"];

/// Pages the writer keeps in memory. The indices of the records are written at random places: with SQLite's
/// own 2 MB each transaction reads and writes the same pages again.
const WRITER_CACHE_KIB: u32 = 32_768;

/// The size of a page of a new database, in octets. A record takes some 900: of 4 KiB, SQLite's own size, a
/// tenth stays empty, and each page has its price when it is found, logged and written back.
const PAGE_OCTETS: u32 = 8_192;

/// After so many pages the log is written back into the file: a page that changed in each of many
/// transactions is written back once. 32 MiB; half of it in a database that has SQLite's own pages.
const CHECKPOINT_PAGES: u32 = 4_000;

/// How to reach the database and how long to wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// `sqlite:PATH`; a relative path is taken from the process's folder.
    pub url: String,
    /// Connections for look-ups and lists.
    pub look_up_connections: u32,
    /// How long a look-up waits for a lock, in milliseconds. Short: the call goes on without the card.
    pub look_up_busy_timeout_ms: u64,
    /// How long a write waits for a lock, in milliseconds. An import holds the lock for seconds.
    pub busy_timeout_ms: u64,
    /// After this any operation but an import answers [`StorageError::Timeout`], in milliseconds. Longer than
    /// the call's own deadline, so that a late answer can still enrich the pop.
    pub query_timeout_ms: u64,
    /// Look-ups under way or waiting; one more is answered [`StorageError::Overloaded`].
    pub max_queue: usize,
    /// How often, at most, the file behind the path is compared with the open one, in milliseconds.
    pub file_check_ms: u64,
}

impl StorageSettings {
    /// The defaults for a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            look_up_connections: 4,
            look_up_busy_timeout_ms: 50,
            busy_timeout_ms: 8_000,
            query_timeout_ms: 10_000,
            max_queue: 1_000,
            file_check_ms: 200,
        }
    }

    /// The defaults for a file, whatever characters its path has.
    pub fn for_file(path: &Path) -> Self {
        let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3F");
        Self::new(format!("sqlite:{path}"))
    }
}

/// The database. A clone is cheap and shares the connections.
#[derive(Clone)]
pub struct Storage {
    inner: Arc<Inner>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Storage").finish_non_exhaustive()
    }
}

struct Inner {
    settings: StorageSettings,
    /// The options every connection starts from, or why the URL is unusable.
    options: Result<SqliteConnectOptions, StorageError>,
    queue: Semaphore,
    current: RwLock<Option<Arc<Pools>>>,
    checked_at: Mutex<Option<Instant>>,
    /// Counts connections of the writer, as `PRAGMA data_version` may only be compared within one, and
    /// changes of our own that are to be read again.
    writer_connections: Arc<AtomicI64>,
}

/// The connections to one file.
struct Pools {
    identity: FileIdentity,
    /// Whether the file had a write-ahead log when it was found. One without, a restored backup, locks its
    /// readers out while we turn it.
    has_log: bool,
    look_up: SqlitePool,
    writer: SqlitePool,
    migrated: OnceCell<()>,
    migration_begun: AtomicBool,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl Storage {
    /// Opens a database that exists and has this build's schema; creates and changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when there is no file, [`StorageError::Migration`] when its schema is
    /// older.
    pub async fn open(settings: &StorageSettings) -> Result<Self, StorageError> {
        let storage = Self::offline(settings);
        storage.within(storage.check_schema()).await?;
        storage.pools().await?.migrated.set(()).ok();
        Ok(storage)
    }

    /// Opens the database; creates the file when it is missing and brings the schema up to date.
    ///
    /// # Errors
    /// [`StorageError::NotSupported`] for another engine, [`StorageError::Migration`] when the schema cannot
    /// be made.
    pub async fn create_and_migrate(settings: &StorageSettings) -> Result<Self, StorageError> {
        let storage = Self::offline(settings);
        create_private_file(storage.path()?)?;
        let pools = storage.pools().await?;
        storage.within(pools.migrate()).await?;
        Ok(storage)
    }

    /// Promises to open the database later: every operation tries to, so a server can start while it is gone.
    pub fn offline(settings: &StorageSettings) -> Self {
        Self {
            inner: Arc::new(Inner {
                options: connect_options(&settings.url),
                queue: Semaphore::new(settings.max_queue),
                current: RwLock::new(None),
                checked_at: Mutex::new(None),
                writer_connections: Arc::new(AtomicI64::new(0)),
                settings: settings.clone(),
            }),
        }
    }

    /// A number that is different when another process has committed a change, or we have put other rules in
    /// force, and never smaller than before. Our other writes leave it as it is.
    ///
    /// # Errors
    /// As every read; the number is then unknown, not unchanged.
    pub async fn data_version(&self) -> Result<i64, StorageError> {
        self.within(async {
            let mut connection = self.writer().await?;
            let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut *connection).await?;
            Ok((self.inner.writer_connections.load(Ordering::Acquire) << 32) | (version & 0xffff_ffff))
        })
        .await
    }

    /// What we have changed ourselves is to be read again, as if another process had changed it.
    pub(super) fn note_own_change(&self) {
        self.inner.writer_connections.fetch_add(1, Ordering::AcqRel);
    }

    /// A place among the look-ups under way.
    pub(super) fn place(&self) -> Result<SemaphorePermit<'_>, StorageError> {
        self.inner.queue.try_acquire().map_err(|_| StorageError::Overloaded)
    }

    /// Bounds an operation in time and, when it failed on a database that is no longer what it was, lets the
    /// next one start from fresh connections.
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        let limit = Duration::from_millis(self.inner.settings.query_timeout_ms);
        let result = tokio::time::timeout(limit, work).await.unwrap_or(Err(StorageError::Timeout));
        if result.as_ref().is_err_and(StorageError::suggests_reconnect) {
            *self.inner.current.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        result
    }

    /// A read-only connection. It does not wait for the schema: when that is not there yet it is made beside.
    /// Only while we turn a file to WAL it waits, for whoever reads then is told that it is locked: by us.
    pub(super) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StorageError> {
        let pools = self.pools().await?;
        if !pools.migrated.initialized() && !pools.migration_begun.swap(true, Ordering::AcqRel) {
            let pools = Arc::clone(&pools);
            tokio::spawn(async move {
                if let Err(error) = pools.migrate().await {
                    tracing::warn!(%error, "the database schema could not be checked");
                    pools.migration_begun.store(false, Ordering::Release);
                }
            });
        }
        if !pools.has_log
            && let Err(error) = pools.migrate().await
        {
            tracing::debug!(%error, "reading a database that could not be turned");
        }
        Ok(pools.look_up.acquire().await?)
    }

    /// The connection that writes, with the schema up to date.
    pub(super) async fn writer(&self) -> Result<PoolConnection<Sqlite>, StorageError> {
        let pools = self.pools().await?;
        pools.migrate().await?;
        Ok(pools.writer.acquire().await?)
    }

    /// The connections to the file that is behind the path now.
    async fn pools(&self) -> Result<Arc<Pools>, StorageError> {
        let known = self.inner.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(pools) = &known
            && !self.check_is_due()
        {
            return Ok(Arc::clone(pools));
        }
        let identity = match file_identity(self.path()?).await {
            Ok(identity) => identity,
            Err(error) => {
                *self.inner.current.write().unwrap_or_else(PoisonError::into_inner) = None;
                return Err(error);
            }
        };
        if let Some(pools) = known
            && pools.identity == identity
        {
            return Ok(pools);
        }
        let has_log = has_log(self.path()?).await;
        let mut current = self.inner.current.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(pools) = current.as_ref()
            && pools.identity == identity
        {
            return Ok(Arc::clone(pools));
        }
        let pools = Arc::new(self.new_pools(identity, has_log)?);
        *current = Some(Arc::clone(&pools));
        Ok(pools)
    }

    fn check_is_due(&self) -> bool {
        let mut checked_at = self.inner.checked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let interval = Duration::from_millis(self.inner.settings.file_check_ms);
        let due = checked_at.is_none_or(|last| last.elapsed() >= interval);
        if due {
            *checked_at = Some(Instant::now());
        }
        due
    }

    fn new_pools(&self, identity: FileIdentity, has_log: bool) -> Result<Pools, StorageError> {
        let settings = &self.inner.settings;
        let options = self.inner.options.clone()?;
        let look_up =
            pool_options(settings).max_connections(settings.look_up_connections.max(1)).connect_lazy_with(
                options
                    .clone()
                    .read_only(true)
                    .busy_timeout(Duration::from_millis(settings.look_up_busy_timeout_ms)),
            );
        let connections = Arc::clone(&self.inner.writer_connections);
        let writer = pool_options(settings)
            .max_connections(1)
            .after_connect(move |connection, _| {
                connections.fetch_add(1, Ordering::AcqRel);
                Box::pin(super::precedence::give_way(connection))
            })
            .connect_lazy_with(
                options
                    .page_size(PAGE_OCTETS)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
                    .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
                    .pragma("temp_store", "MEMORY")
                    .busy_timeout(Duration::from_millis(settings.busy_timeout_ms)),
            );
        Ok(Pools {
            identity,
            has_log,
            look_up,
            writer,
            migrated: OnceCell::new(),
            migration_begun: AtomicBool::new(false),
        })
    }

    /// The path of the file.
    fn path(&self) -> Result<&Path, StorageError> {
        self.inner.options.as_ref().map(SqliteConnectOptions::get_filename).map_err(Clone::clone)
    }

    async fn check_schema(&self) -> Result<(), StorageError> {
        let pools = self.pools().await?;
        let mut connection = pools.look_up.acquire().await?;
        let applied: Result<Option<i64>, sqlx::Error> =
            sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut *connection)
                .await;
        let applied = match applied.map_err(StorageError::from) {
            Ok(applied) => applied.unwrap_or(0),
            Err(StorageError::Unavailable(reason)) if reason.contains("no such table") => 0,
            Err(error) => return Err(error),
        };
        let wanted = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0);
        if applied < wanted {
            return Err(StorageError::Migration(format!(
                "the schema is at version {applied}, this program needs {wanted}; `serve`, `import` and \
                 `user add` \
                 bring it up to date"
            )));
        }
        Ok(())
    }
}

impl Pools {
    /// Brings the schema up to date, once for these connections; several callers wait for the same run.
    async fn migrate(&self) -> Result<(), StorageError> {
        self.migrated.get_or_try_init(|| self.run_migrations()).await.copied()
    }

    /// Several processes may start at once. Whoever comes second fails on a step that is done and looks
    /// again, which may happen at each step of the schema; or is told at once, whatever the busy timeout,
    /// that the file is locked, while the other one turns it to WAL.
    async fn run_migrations(&self) -> Result<(), StorageError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let begun = Instant::now();
            let result = run_migrations_once(&self.writer).await;
            let again = match &result {
                Err(StorageError::Locked) => begun.elapsed() < LOCKED_AT_ONCE,
                Err(StorageError::Migration(_)) => true,
                Ok(()) | Err(_) => false,
            };
            if !again || tries >= MIGRATION_TRIES {
                return result;
            }
            tokio::time::sleep(MIGRATION_PAUSE).await;
        }
    }
}

async fn run_migrations_once(writer: &SqlitePool) -> Result<(), StorageError> {
    let mut connection = writer.acquire().await?;
    let error = match MIGRATOR.run_direct(None, &mut *connection, false).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "sqlx's enum is non-exhaustive and not ours")]
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match error.into() {
            StorageError::Conflict(reason) => Err(StorageError::Migration(reason)),
            StorageError::Unavailable(reason) if STEP_IS_DONE.iter().any(|it| reason.contains(it)) => {
                Err(StorageError::Migration(reason))
            }
            other => Err(other),
        },
        other => Err(StorageError::Migration(other.to_string())),
    }
}

fn pool_options(settings: &StorageSettings) -> PoolOptions<Sqlite> {
    PoolOptions::new()
        .acquire_timeout(Duration::from_millis(settings.query_timeout_ms))
        // Connections to a file do not grow old, and a ping before each query would cost as much as the
        // query.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn connect_options(url: &str) -> Result<SqliteConnectOptions, StorageError> {
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Err(StorageError::NotSupported(
            "PostgreSQL is not in this build; use sqlite:PATH".to_owned(),
        ));
    }
    if !url.starts_with("sqlite:") || url.contains(":memory:") {
        return Err(StorageError::NotSupported("use sqlite:PATH, with the path of a file".to_owned()));
    }
    SqliteConnectOptions::from_str(url)
        .map(|options| options.foreign_keys(true).row_buffer_size(500).disable_statement_logging())
        .map_err(|error| StorageError::NotSupported(error.to_string()))
}

/// Creates the file, readable by its owner only, when it is missing: it will hold people's names and numbers.
fn create_private_file(path: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|error| StorageError::Unavailable(format!("{}: {error}", path.display())))
}

async fn file_identity(path: &Path) -> Result<FileIdentity, StorageError> {
    use std::os::unix::fs::MetadataExt;
    let path: PathBuf = path.to_owned();
    let found = tokio::fs::metadata(&path).await;
    let metadata =
        found.map_err(|error| StorageError::Unavailable(format!("{}: {error}", path.display())))?;
    Ok(FileIdentity { device: metadata.dev(), inode: metadata.ino() })
}

/// Whether the database has a write-ahead log, which is octet 18 of the file (SQLite's file format, 1.3.3). A
/// file that cannot be read, or is empty, has none yet.
async fn has_log(path: &Path) -> bool {
    const PLACE: usize = 18;
    const LOGGED: u8 = 2;
    let mut header = [0; PLACE + 1];
    let Ok(mut file) = tokio::fs::File::open(path).await else { return false };
    file.read_exact(&mut header).await.is_ok() && header[PLACE] == LOGGED
}
