//! The customers in memory: read whole, dropped the moment the database has changed, read again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::driver::FromWorld;
use crate::storage::Storage;

/// Between two beginnings of reading everything, however often the database changes.
const READ_EVERY: Duration = Duration::from_secs(5);

/// Keeps the customers that the call path has in memory as new as the database.
pub(super) struct Customers {
    storage: Storage,
    world: mpsc::Sender<FromWorld>,
    /// In octets; 0: never in memory.
    limit: usize,
    /// The version that was begun to be read.
    version: Option<i64>,
    reading: Option<JoinHandle<bool>>,
    begun: Option<Instant>,
}

impl Customers {
    pub(super) const fn new(storage: Storage, world: mpsc::Sender<FromWorld>, limit: usize) -> Self {
        Self { storage, world, limit, version: None, reading: None, begun: None }
    }

    /// The database is at `version`. When that is not what was read, calls ask the database from now on,
    /// until all is read again. While the database cannot be asked this is not called: what is in memory
    /// stays in use, since it is all there is.
    pub(super) async fn follow(&mut self, version: i64) {
        if self.limit == 0 {
            return;
        }
        if self.version.is_some_and(|read| read != version) {
            self.stop_reading().await;
            self.version = None;
            // The driver is gone only when the process stops.
            self.world.send(FromWorld::Customers(None)).await.ok();
        }
        if self.reading.as_ref().is_some_and(JoinHandle::is_finished) {
            let read = match self.reading.take() {
                Some(reading) => reading.await.unwrap_or(false),
                None => false,
            };
            if !read {
                self.version = None;
            }
        }
        let rested = self.begun.is_none_or(|begun| begun.elapsed() >= READ_EVERY);
        if self.version.is_none() && rested {
            self.version = Some(version);
            self.begun = Some(Instant::now());
            self.reading = Some(tokio::spawn(read(self.storage.clone(), self.world.clone(), self.limit)));
        }
    }

    /// Afterwards nothing older comes any more.
    async fn stop_reading(&mut self) {
        if let Some(reading) = self.reading.take() {
            reading.abort();
            // Aborted or done, it sends nothing more.
            reading.await.ok();
        }
    }
}

/// Reads everything and hands it to the call path; `false` when it has to be tried again.
async fn read(storage: Storage, world: mpsc::Sender<FromWorld>, limit: usize) -> bool {
    match storage.customer_book(limit).await {
        Ok(Some(book)) => {
            tracing::info!(customers = book.len(), octets = book.octets(), "the customers are in memory");
            world.send(FromWorld::Customers(Some(Arc::new(book)))).await.ok();
            true
        }
        Ok(None) => {
            tracing::warn!("the customers do not fit [database] memory_mb; every look-up asks the database");
            true
        }
        Err(error) => {
            tracing::debug!(%error, "the customers could not be read into memory");
            false
        }
    }
}
