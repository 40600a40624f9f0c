//! The tasks beside the call path: look-ups, records, and watching the directory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::customers::Customers;
use crate::customer::{CustomerCard, LookupFault};
use crate::driver::{FromWorld, LookupJob, Write};
use crate::engine::Audit;
use crate::events::CallRecord;
use crate::presence::{AgentId, StoredStatus};
use crate::routing::Directory;
use crate::storage::{AuditRow, Storage, StorageError, StoredPresence};
use crate::telemetry::{Health, metric};

/// How often the directory is compared with the database's version.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Between two tries to write to a database that is away.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Calls from before the start that are read again.
const CALLS_BEFORE: usize = 50_000;

/// Open callbacks from before the start that are read again; no more can be open.
const CALLBACKS_BEFORE: usize = 100_000;

/// What health calls the database as a whole, the look-ups and the records: each recovers by its own success.
const DATABASE: &str = "database";
const LOOK_UPS: &str = "look_ups";
const RECORDS: &str = "records";

/// How long records are collected before they are written together. A record that is asked for meanwhile is
/// answered from memory.
const COLLECT: Duration = Duration::from_millis(250);

/// So many records within [`COLLECT`] are a storm. Then they are collected for [`COLLECT_MOST`]: the indexes
/// of the records are in no order of time, so that each transaction writes nearly every page of them, however
/// few records it has.
const STORM: usize = 64;
const COLLECT_MOST: Duration = Duration::from_secs(2);

/// Records of one transaction.
const TOGETHER: usize = 4096;

/// A number nobody has: asking for it shows whether look-ups work again.
const PROBE: &str = "+0";

/// Answers look-ups, each on its own task; the storage itself bounds how many are under way.
pub(super) async fn look_up(
    storage: Storage,
    mut jobs: mpsc::Receiver<LookupJob>,
    world: mpsc::Sender<FromWorld>,
    health: Health,
) {
    let tasks = TaskTracker::new();
    while let Some(job) = jobs.recv().await {
        let (storage, world, health) = (storage.clone(), world.clone(), health.clone());
        tasks.spawn(async move {
            let begun = std::time::Instant::now();
            let answer = storage.lookup(&job.e164).await;
            count_look_up(begun.elapsed(), &answer);
            let answer = answer.map_err(|error| {
                if !matches!(error, StorageError::Overloaded) {
                    note_down(&health, LOOK_UPS, &error);
                }
                LookupFault::from(&error)
            });
            if answer.is_ok() {
                note_up(&health, LOOK_UPS);
            }
            // The driver is gone only when the process stops.
            world.send(FromWorld::LookedUp(job.token, answer)).await.ok();
        });
    }
}

/// Reads who called within the last week, so that rules which count calls go on counting after a start.
async fn calls_before(storage: Storage, world: mpsc::Sender<FromWorld>) {
    let week = jiff::SignedDuration::from_hours(7 * 24);
    match storage.calls_before(jiff::Timestamp::now() - week, CALLS_BEFORE).await {
        // The driver is gone only when the process stops.
        Ok(calls) => _ = world.send(FromWorld::CallsBefore(calls)).await,
        Err(error) => tracing::warn!(%error, "calls from before the start are not counted"),
    }
    // Without them nobody would be called back: they are asked for until the database has answered.
    let open = loop {
        match storage.open_callbacks(CALLBACKS_BEFORE).await {
            Ok(open) => break open,
            Err(error) => tracing::warn!(%error, "open callbacks from before the start are not known yet"),
        }
        tokio::time::sleep(RETRY_AFTER * 10).await;
        if world.is_closed() {
            return;
        }
    };
    if !open.is_empty() {
        world.send(FromWorld::CallbacksBefore(open)).await.ok();
    }
}

/// Keeps records, in order; while the database is away they wait here, the oldest giving way at the limit.
/// Records are collected for a moment and kept together: alone, each would cost two changes of thread and a
/// transaction.
pub(super) async fn write(storage: Storage, mut jobs: mpsc::Receiver<Write>, limit: usize, health: Health) {
    let mut waiting: VecDeque<Write> = VecDeque::new();
    let mut open = true;
    // How many are kept one by one, because together they were refused.
    let mut alone = 0_usize;
    while open || !waiting.is_empty() {
        if waiting.is_empty() {
            match jobs.recv().await {
                Some(job) => waiting.push_back(job),
                None => return,
            }
            collect(&mut jobs, &mut waiting).await;
        }
        while let Ok(job) = jobs.try_recv() {
            waiting.push_back(job);
        }
        while waiting.len() > limit {
            waiting.pop_front();
            metrics::counter!(metric::DROPPED_EVENTS, "queue" => "writes").increment(1);
        }
        let Some(job) = waiting.front() else { continue };
        let together = if alone > 0 { 0 } else { records_in_front(&waiting) };
        let kept = match together {
            0 | 1 => keep(&storage, job).await,
            _ => {
                let records: Vec<&CallRecord> =
                    waiting.iter().take(together).filter_map(Write::as_record).collect();
                storage.save_calls(&records).await
            }
        };
        match kept {
            Ok(()) => {
                waiting.drain(..together.max(1));
                alone = alone.saturating_sub(1);
                note_up(&health, RECORDS);
            }
            Err(error) if is_temporary(&error) => {
                note_down(&health, RECORDS, &error);
                if !open {
                    return;
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
            // One of them is bad: they are tried one by one, so that the others are kept.
            Err(_) if together > 1 => alone = together,
            Err(error) => {
                // Trying again would not help: the others must not wait for it.
                tracing::error!(%error, "a record was refused by the database");
                waiting.pop_front();
                alone = alone.saturating_sub(1);
            }
        }
        open = open && !jobs.is_closed();
    }
}

/// Waits for what comes after the first, not for long, and not while something else than records waits.
async fn collect(jobs: &mut mpsc::Receiver<Write>, waiting: &mut VecDeque<Write>) {
    let begun = std::time::Instant::now();
    while !jobs.is_closed() && records_in_front(waiting) == waiting.len() && waiting.len() < TOGETHER {
        tokio::time::sleep(COLLECT).await;
        let before = waiting.len();
        while let Ok(job) = jobs.try_recv() {
            waiting.push_back(job);
        }
        if waiting.len() - before < STORM || begun.elapsed() >= COLLECT_MOST {
            return;
        }
    }
}

/// How many of the writes in front are records, which can be kept together.
fn records_in_front(waiting: &VecDeque<Write>) -> usize {
    waiting.iter().take(TOGETHER).take_while(|job| job.as_record().is_some()).count()
}

async fn keep(storage: &Storage, job: &Write) -> Result<(), StorageError> {
    match job {
        Write::Status { stored, user } => storage.save_presence(&stored_presence(stored), user).await,
        Write::Audit(audit) => {
            let Audit { user, action, subject, detail, at } = Audit::clone(audit);
            let action = action.to_owned();
            storage.audit(&AuditRow { at, user, action, subject, detail }).await
        }
        Write::Record(record) => storage.save_call(record).await,
        Write::Callback { callback, user } => storage.save_callback(callback, user).await,
        Write::NoticeAcknowledged { call, notice, agent, at } => {
            storage.save_notice_acknowledgement(call, notice, agent, *at).await
        }
    }
}

/// Reads agents, lines and statuses again when another process has changed the database.
pub(super) struct Watching {
    /// The database.
    pub storage: Storage,
    /// To the engine.
    pub world: mpsc::Sender<FromWorld>,
    /// To screens and API.
    pub directory: watch::Sender<Arc<Directory>>,
    /// What degrades.
    pub health: Health,
    /// What the customers may take in memory, in octets; 0: they are not kept there.
    pub memory: usize,
}

impl Watching {
    /// Watches until nobody listens. `seen` and `statuses` are what the start has read.
    pub async fn run(self, mut seen: Option<i64>, mut statuses: BTreeMap<AgentId, StoredStatus>) {
        tokio::spawn(calls_before(self.storage.clone(), self.world.clone()));
        let mut every = tokio::time::interval(WATCH_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut customers = Customers::new(self.storage.clone(), self.world.clone(), self.memory);
        loop {
            every.tick().await;
            let version = match self.storage.data_version().await {
                Ok(version) => version,
                Err(error) => {
                    note_down(&self.health, DATABASE, &error);
                    continue;
                }
            };
            customers.follow(version).await;
            self.probe().await;
            if seen == Some(version) {
                note_up(&self.health, DATABASE);
                continue;
            }
            match read_directory(&self.storage).await {
                Ok((directory, read)) => {
                    seen = Some(version);
                    note_up(&self.health, DATABASE);
                    if !self.pass_on(Arc::new(directory), read, &mut statuses).await {
                        return;
                    }
                }
                Err(error) => note_down(&self.health, DATABASE, &error),
            }
        }
    }

    /// While look-ups are down and nobody calls, asks whether they work again.
    async fn probe(&self) {
        let down = self.health.snapshot().degraded.iter().any(|part| part.part == LOOK_UPS);
        if down && self.storage.lookup(PROBE).await.is_ok() {
            note_up(&self.health, LOOK_UPS);
        }
    }

    /// `false` when the engine is gone.
    async fn pass_on(
        &self,
        directory: Arc<Directory>,
        read: BTreeMap<AgentId, StoredStatus>,
        statuses: &mut BTreeMap<AgentId, StoredStatus>,
    ) -> bool {
        self.directory.send_replace(Arc::clone(&directory));
        if self.world.send(FromWorld::Directory(directory)).await.is_err() {
            return false;
        }
        for (agent, stored) in read {
            if statuses.get(&agent) != Some(&stored) {
                if self.world.send(FromWorld::StoredStatus(stored.clone())).await.is_err() {
                    return false;
                }
                statuses.insert(agent, stored);
            }
        }
        true
    }
}

/// Agents, lines and statuses as the database has them.
pub(super) async fn read_directory(
    storage: &Storage,
) -> Result<(Directory, BTreeMap<AgentId, StoredStatus>), StorageError> {
    let directory = storage.directory().await?;
    let statuses = storage.presences().await?;
    let statuses = statuses
        .into_iter()
        .map(|stored| {
            let status = StoredStatus {
                agent: stored.agent.clone(),
                status: stored.status,
                set_by: stored.set_by,
                since: stored.since,
            };
            (stored.agent, status)
        })
        .collect();
    Ok((directory, statuses))
}

/// Whether the same write may succeed later.
const fn is_temporary(error: &StorageError) -> bool {
    match error {
        StorageError::Unavailable(_)
        | StorageError::Locked
        | StorageError::Timeout
        | StorageError::Overloaded
        | StorageError::Corrupt(_)
        | StorageError::Migration(_) => true,
        StorageError::NotSupported(_) | StorageError::Conflict(_) | StorageError::Invalid(_) => false,
    }
}

fn count_look_up(took: Duration, answer: &Result<Vec<CustomerCard>, StorageError>) {
    let outcome = match answer.as_ref().map(Vec::len) {
        Ok(0) => "none",
        Ok(1) => "known",
        Ok(_) => "several",
        Err(StorageError::Overloaded) => "overloaded",
        Err(_) => "down",
    };
    metrics::counter!(metric::LOOKUPS, "outcome" => outcome).increment(1);
    metrics::histogram!(metric::LOOKUP).record(took.as_secs_f64());
}

fn stored_presence(stored: &StoredStatus) -> StoredPresence {
    StoredPresence {
        agent: stored.agent.clone(),
        status: stored.status.clone(),
        set_by: stored.set_by,
        since: stored.since,
    }
}

/// The start found the database unusable.
pub(super) fn start_without(health: &Health, error: &StorageError) {
    note_down(health, DATABASE, error);
}

fn note_down(health: &Health, part: &str, error: &StorageError) {
    if health.degrade(part, error.to_string()) {
        tracing::error!(part, %error, "the database does not work; calls go on");
    }
}

fn note_up(health: &Health, part: &str) {
    if health.recover(part) {
        tracing::info!(part, "the database works again");
    }
}
