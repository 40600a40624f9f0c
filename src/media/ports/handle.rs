//! How the rest of the house speaks to the thread: bounded, never waiting, with an answer when it is full.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::Library;
use super::counts;
use crate::media::{MediaFault, MediaOrder, MediaReport};

/// What the thread is told.
pub(super) enum Command {
    /// By the engine.
    Order(MediaOrder),
    /// Music and recordings were read again.
    Library(Arc<Library>),
}

/// The driver's end.
pub struct MediaHandle {
    orders: SyncSender<Command>,
    /// Orders that must not be lost and found the queue full, in their order: no more than the streams that
    /// are open have, since nothing is opened while there are any.
    waiting: VecDeque<MediaOrder>,
}

impl MediaHandle {
    pub(super) const fn new(orders: SyncSender<Command>) -> Self {
        Self { orders, waiting: VecDeque::new() }
    }

    /// Passes an order on without waiting. While the thread does not keep up a stream that would be opened is
    /// refused here and now, an announcement is left out, and everything else waits.
    pub fn order(&mut self, order: MediaOrder) -> Option<MediaReport> {
        self.retry();
        if !self.waiting.is_empty() {
            return self.keep(order, MediaFault::TooMany);
        }
        match self.orders.try_send(Command::Order(order)) {
            Ok(()) => None,
            Err(TrySendError::Full(Command::Order(order))) => self.keep(order, MediaFault::TooMany),
            Err(TrySendError::Disconnected(Command::Order(order))) => refused(&order, MediaFault::System),
            Err(
                TrySendError::Full(Command::Library(_)) | TrySendError::Disconnected(Command::Library(_)),
            ) => None,
        }
    }

    /// Passes on what waits; to be called now and then.
    pub fn retry(&mut self) {
        while let Some(order) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(Command::Order(order))) =
                self.orders.try_send(Command::Order(order))
            {
                self.waiting.push_front(order);
                return;
            }
        }
    }

    fn keep(&mut self, order: MediaOrder, why: MediaFault) -> Option<MediaReport> {
        counts::order_waits();
        match order {
            MediaOrder::Open { .. } => return refused(&order, why),
            MediaOrder::Announce { .. } => {}
            MediaOrder::Play { .. } | MediaOrder::Close { .. } => self.waiting.push_back(order),
        }
        None
    }
}

fn refused(order: &MediaOrder, why: MediaFault) -> Option<MediaReport> {
    match order {
        MediaOrder::Open { stream, .. } => Some(MediaReport::Refused { stream: *stream, why }),
        MediaOrder::Play { .. } | MediaOrder::Announce { .. } | MediaOrder::Close { .. } => None,
    }
}

/// The end of who reads the configuration again.
#[derive(Clone)]
pub struct MediaControl {
    orders: SyncSender<Command>,
}

impl MediaControl {
    pub(super) const fn new(orders: SyncSender<Command>) -> Self {
        Self { orders }
    }

    /// Other music and recordings from now on; what is being said is said to its end. `false` when the thread
    /// does not keep up.
    pub fn change(&self, library: Arc<Library>) -> bool {
        self.orders.try_send(Command::Library(library)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::media::{Announcement, StreamId};

    const fn open(stream: u64) -> MediaOrder {
        MediaOrder::Open { stream: StreamId(stream), ipv6: false }
    }

    const fn close(stream: u64) -> MediaOrder {
        MediaOrder::Close { stream: StreamId(stream) }
    }

    #[test]
    fn a_full_queue_refuses_what_is_new_and_loses_no_end() {
        let (sender, receiver) = sync_channel(2);
        let mut handle = MediaHandle::new(sender);
        assert_eq!((handle.order(open(1)), handle.order(open(2))), (None, None));
        let refused = |stream| MediaReport::Refused { stream: StreamId(stream), why: MediaFault::TooMany };
        assert_eq!(handle.order(open(3)), Some(refused(3)));
        assert_eq!(handle.order(close(1)), None);
        let what = Announcement::PleaseHold;
        assert_eq!(handle.order(MediaOrder::Announce { stream: StreamId(2), what }), None);
        assert_eq!(handle.order(close(2)), None);
        let mut got = Vec::new();
        for _ in 0..2 {
            while let Ok(Command::Order(order)) = receiver.try_recv() {
                got.push(order);
            }
            handle.retry();
        }
        assert_eq!(got, [open(1), open(2), close(1), close(2)]);
        drop(receiver);
        let dead = MediaReport::Refused { stream: StreamId(4), why: MediaFault::System };
        assert_eq!(handle.order(open(4)), Some(dead));
        assert_eq!(handle.order(close(4)), None);
    }
}
