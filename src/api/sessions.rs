//! Log-ins: sessions, tickets, and who is behind a token.
//!
//! A token is 256 random bits; only its SHA-256 is kept, in memory and in the database. A session that was
//! looked up once needs no database, so that screens stay up when it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;
use super::store::Store;
use crate::presence::AgentId;
use crate::storage::{StorageError, StoredSession, User, UserRole, hash_password, verify_password};

/// Characters of a token: 32 octets in base64url.
const TOKEN_LENGTH: usize = 43;
/// Password hashes at once (N70): a log-in flood may not starve calls.
const HASHES_AT_ONCE: usize = 4;
/// Look-ups of unknown tokens at once, so that guessing cannot fill the database's queue.
const LOOKUPS_AT_ONCE: usize = 2;
/// How long a log-in waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Limits of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// How long a session lasts from log-in or renewal.
    pub lasts: Duration,
    /// How long a WebSocket ticket may wait to be used.
    pub ticket_lasts: Duration,
    /// Sessions kept in memory; others are read again from the database.
    pub in_memory: usize,
    /// Unused tickets at once.
    pub tickets: usize,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            lasts: Duration::from_secs(12 * 3600),
            ticket_lasts: Duration::from_secs(30),
            in_memory: 10_000,
            tickets: 10_000,
        }
    }
}

/// One log-in.
#[derive(Debug)]
pub struct Session {
    /// The user's name.
    pub user: String,
    /// The user's agent.
    pub agent: Option<AgentId>,
    /// The role at log-in.
    pub role: UserRole,
    /// What a cookie's writes must carry.
    pub csrf: String,
    token_hash: [u8; 32],
    expires_ms: AtomicI64,
    revoked: CancellationToken,
}

/// Why somebody could not log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogInRefusal {
    /// Unknown user or wrong password; which of the two is not told.
    Credentials,
    /// Too many failures; the time to wait.
    Limited(Duration),
    /// The database or the machine is not able to check now.
    Unavailable,
}

/// All log-ins. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    settings: SessionSettings,
    known: Mutex<Known>,
    attempts: Mutex<Attempts>,
    hashing: Semaphore,
    looking_up: Semaphore,
}

#[derive(Default)]
struct Known {
    sessions: BTreeMap<[u8; 32], Arc<Session>>,
    /// Ended here, but perhaps still in a database that was gone at the time.
    ended: BTreeSet<[u8; 32]>,
    tickets: BTreeMap<[u8; 32], (Arc<Session>, Instant)>,
}

impl Sessions {
    /// Sessions kept in `store`.
    pub fn new(store: Arc<dyn Store>, settings: SessionSettings) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                settings,
                known: Mutex::default(),
                attempts: Mutex::default(),
                hashing: Semaphore::new(HASHES_AT_ONCE),
                looking_up: Semaphore::new(LOOKUPS_AT_ONCE),
            }),
        }
    }

    /// Logs a user in; gives the token, which is not kept.
    ///
    /// # Errors
    /// See [`LogInRefusal`]. Only failures count against the limit.
    pub async fn log_in(
        &self,
        name: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<(String, Arc<Session>), LogInRefusal> {
        lock(&self.inner.attempts).begin(Instant::now(), name, source).map_err(LogInRefusal::Limited)?;
        let checked = self.check(name, password).await;
        if !matches!(checked, Err(LogInRefusal::Credentials)) {
            lock(&self.inner.attempts).succeeded(name, source);
        }
        let user = checked?;
        let token = random_text();
        let session = Arc::new(Session {
            user: user.name,
            agent: user.agent,
            role: user.role,
            csrf: random_text(),
            token_hash: hash(&token),
            expires_ms: AtomicI64::new(0),
            revoked: CancellationToken::new(),
        });
        self.prolong(&session).await.map_err(|_| LogInRefusal::Unavailable)?;
        self.remember(Arc::clone(&session));
        Ok((token, session))
    }

    /// Who is behind a token; nobody when it is unknown, ended or over.
    ///
    /// # Errors
    /// When the session is not in memory and the database gives no answer.
    pub async fn of_token(&self, token: &str) -> Result<Option<Arc<Session>>, StorageError> {
        if token.len() != TOKEN_LENGTH {
            return Ok(None);
        }
        let token_hash = hash(token);
        if let Some(known) = self.known(&token_hash) {
            return Ok(known);
        }
        let turn = self.inner.looking_up.acquire();
        let _turn = tokio::time::timeout(TURN_WITHIN, turn).await.map_err(|_| StorageError::Overloaded)?;
        let Some(stored) = self.inner.store.session(&token_hash).await? else { return Ok(None) };
        let session = Arc::new(Session::of(stored));
        if session.is_over() {
            return Ok(None);
        }
        Ok(Some(self.remember(session)))
    }

    /// Gives a session a new end.
    ///
    /// # Errors
    /// When the database does not take it; the old end stays.
    pub async fn renew(&self, session: &Session) -> Result<Timestamp, StorageError> {
        self.prolong(session).await
    }

    /// Ends a session; its sockets close at once.
    ///
    /// # Errors
    /// When the database could not be told. Here the session is over all the same.
    pub async fn end(&self, session: &Session) -> Result<(), StorageError> {
        {
            let mut known = lock(&self.inner.known);
            known.sessions.remove(&session.token_hash);
            known.tickets.retain(|_, (of, _)| of.token_hash != session.token_hash);
            known.ended.insert(session.token_hash);
        }
        session.revoked.cancel();
        self.inner.store.delete_session(&session.token_hash).await?;
        lock(&self.inner.known).ended.remove(&session.token_hash);
        Ok(())
    }

    /// A ticket for one WebSocket of this session, good once and for a short time.
    pub fn issue_ticket(&self, session: &Arc<Session>) -> String {
        let ticket = random_text();
        let now = Instant::now();
        let mut known = lock(&self.inner.known);
        known.tickets.retain(|_, (_, until)| *until > now);
        if known.tickets.len() >= self.inner.settings.tickets {
            known.tickets.pop_first();
        }
        known.tickets.insert(hash(&ticket), (Arc::clone(session), now + self.inner.settings.ticket_lasts));
        ticket
    }

    /// The session of a ticket, which is spent by asking.
    pub fn redeem_ticket(&self, ticket: &str) -> Option<Arc<Session>> {
        let (session, until) = lock(&self.inner.known).tickets.remove(&hash(ticket))?;
        (until > Instant::now() && !session.is_over()).then_some(session)
    }

    async fn check(&self, name: &str, password: &str) -> Result<User, LogInRefusal> {
        let user = self.inner.store.user(name).await.map_err(|_| LogInRefusal::Unavailable)?;
        let turn = tokio::time::timeout(TURN_WITHIN, self.inner.hashing.acquire()).await;
        let _turn = turn.map_err(|_| LogInRefusal::Unavailable)?;
        let password = password.to_owned();
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        // An unknown user costs the same time as a wrong password.
        let matches = tokio::task::spawn_blocking(move || {
            let stored = hash.unwrap_or_else(|| dummy_hash().to_owned());
            verify_password(&password, &stored)
        })
        .await
        .map_err(|_| LogInRefusal::Unavailable)?;
        user.filter(|_| matches).ok_or(LogInRefusal::Credentials)
    }

    async fn prolong(&self, session: &Session) -> Result<Timestamp, StorageError> {
        let lasts = SignedDuration::try_from(self.inner.settings.lasts).unwrap_or(SignedDuration::MAX);
        let expires_at = Timestamp::now().saturating_add(lasts).unwrap_or(Timestamp::MAX);
        let stored = StoredSession {
            token_hash: session.token_hash,
            user: session.user.clone(),
            agent: session.agent.clone(),
            role: session.role,
            csrf: session.csrf.clone(),
            expires_at,
        };
        self.inner.store.save_session(&stored).await?;
        session.expires_ms.store(expires_at.as_millisecond(), Ordering::Relaxed);
        Ok(expires_at)
    }

    /// `Some(None)`: known to be over.
    fn known(&self, token_hash: &[u8; 32]) -> Option<Option<Arc<Session>>> {
        let mut known = lock(&self.inner.known);
        if known.ended.contains(token_hash) {
            return Some(None);
        }
        let session = known.sessions.get(token_hash).map(Arc::clone)?;
        if session.is_over() {
            known.sessions.remove(token_hash);
            return Some(None);
        }
        Some(Some(session))
    }

    /// Keeps a session; when another request was faster, its one is the one, so that revoking reaches all
    /// sockets.
    fn remember(&self, session: Arc<Session>) -> Arc<Session> {
        let mut known = lock(&self.inner.known);
        if known.ended.contains(&session.token_hash) {
            session.revoked.cancel();
            return session;
        }
        if known.sessions.len() >= self.inner.settings.in_memory {
            known.sessions.retain(|_, one| Arc::strong_count(one) > 1 && !one.is_over());
        }
        Arc::clone(known.sessions.entry(session.token_hash).or_insert(session))
    }
}

impl Session {
    /// One that no store knows and that has no token: to judge what such a user may do.
    pub(crate) fn detached(user: &str, agent: Option<AgentId>, role: UserRole) -> Self {
        Self {
            user: user.to_owned(),
            agent,
            role,
            csrf: String::new(),
            token_hash: [0; 32],
            expires_ms: AtomicI64::new(0),
            revoked: CancellationToken::new(),
        }
    }

    /// When it ends by itself.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.expires_ms.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX)
    }

    /// Whether it has ended, by time or by hand.
    pub fn is_over(&self) -> bool {
        self.revoked.is_cancelled() || self.expires_at() <= Timestamp::now()
    }

    /// Resolves when the session is ended by hand.
    pub async fn ended(&self) {
        self.revoked.cancelled().await;
    }

    /// Whether `text` is this session's CSRF token.
    pub fn csrf_matches(&self, text: &[u8]) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(text))
    }

    /// A short public name of the session.
    pub fn label(&self) -> String {
        let [a, b, c, ..] = self.token_hash;
        format!("s-{a:02x}{b:02x}{c:02x}")
    }

    fn of(stored: StoredSession) -> Self {
        Self {
            user: stored.user,
            agent: stored.agent,
            role: stored.role,
            csrf: stored.csrf,
            token_hash: stored.token_hash,
            expires_ms: AtomicI64::new(stored.expires_at.as_millisecond()),
            revoked: CancellationToken::new(),
        }
    }
}

/// 256 random bits as text.
fn random_text() -> String {
    let mut octets = [0_u8; 32];
    rand::rng().fill_bytes(&mut octets);
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A hash that no password has, made once with the parameters of the real ones.
fn dummy_hash() -> &'static str {
    static DUMMY: OnceLock<String> = OnceLock::new();
    DUMMY.get_or_init(|| hash_password(&random_text()).unwrap_or_default())
}

/// A panic under the lock leaves plain data that is still whole: every change is one call on a map.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::storage::{NewUser, Storage, StorageSettings};

    #[tokio::test]
    async fn a_log_in_outlives_the_process_and_a_log_out_does_too() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let token = {
            let storage = Storage::create_and_migrate(&StorageSettings::new(&url)).await.unwrap();
            let password_hash = hash_password("合言葉").unwrap();
            let (name, role) = ("root".to_owned(), UserRole::Admin);
            storage.add_user(&NewUser { name, role, agent: None, password_hash }).await.unwrap();
            let log_in = sessions(storage, Duration::from_secs(60)).log_in("root", "合言葉", HERE).await;
            log_in.unwrap().0
        };

        let storage = Storage::open(&StorageSettings::new(&url)).await.unwrap();
        let again = sessions(storage.clone(), Duration::ZERO);
        let session = unlocked(async || again.of_token(&token).await).await.expect("the session was kept");
        assert_eq!((session.user.as_str(), session.role), ("root", UserRole::Admin));

        again.end(&session).await.unwrap();
        let later = sessions(storage, Duration::ZERO);
        assert!(later.of_token(&token).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_ticket_is_good_for_its_time_only() {
        let storage = Storage::offline(&StorageSettings::new("sqlite:/nonexistent/test.db"));
        let (strict, sessions) =
            (sessions(storage.clone(), Duration::ZERO), sessions(storage, Duration::from_secs(60)));
        let stored = StoredSession {
            token_hash: [0; 32],
            user: "root".to_owned(),
            agent: None,
            role: UserRole::Admin,
            csrf: String::new(),
            expires_at: Timestamp::MAX,
        };
        let session = Arc::new(Session::of(stored));
        let late = strict.issue_ticket(&session);
        assert!(strict.redeem_ticket(&late).is_none());
        let ticket = sessions.issue_ticket(&session);
        session.revoked.cancel();
        assert!(sessions.redeem_ticket(&ticket).is_none(), "nor longer than its session");
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// The connections of who is gone may be closing still, and readers wait for nobody (50 ms).
    async fn unlocked<T>(ask: impl AsyncFn() -> Result<T, StorageError>) -> T {
        for _ in 0..100 {
            match ask().await {
                Err(StorageError::Locked) => tokio::time::sleep(Duration::from_millis(50)).await,
                other => return other.unwrap(),
            }
        }
        panic!("the database stays locked");
    }

    fn sessions(storage: Storage, ticket_lasts: Duration) -> Sessions {
        let settings = SessionSettings { ticket_lasts, ..SessionSettings::default() };
        Sessions::new(Arc::new(storage), settings)
    }
}
