//! The outgoing queue of one connection (RFC 3261 §18.4), [pure]: bounded in messages and octets.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Messages waiting to be written, the first perhaps written in part.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: VecDeque<Queued>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Queued {
    left: Bytes,
    token: Option<u64>,
}

/// A limit is reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Outbox {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, max_messages, max_bytes }
    }

    pub(super) fn push(&mut self, bytes: Bytes, token: Option<u64>) -> Result<(), Full> {
        if self.queue.len() >= self.max_messages || self.bytes + bytes.len() > self.max_bytes {
            return Err(Full);
        }
        // An empty message would never be written away.
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.queue.push_back(Queued { left: bytes, token });
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Fills `slices` with what is to be written next and says how many it filled.
    pub(super) fn next_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, queued) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&queued.left);
            filled += 1;
        }
        filled
    }

    /// Forgets the first `written` octets.
    pub(super) fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.queue.front_mut() {
            if written < first.left.len() {
                first.left.advance(written);
                return;
            }
            written -= first.left.len();
            self.queue.pop_front();
        }
    }

    /// Gives up: the tokens of all messages that were not written to the end, in order.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Option<u64>> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into_iter().map(|queued| queued.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Outbox {
        let mut outbox = Outbox::new(3, 10);
        outbox.push(Bytes::from_static(b"abcd"), Some(1)).expect("room");
        outbox.push(Bytes::from_static(b"ef"), None).expect("room");
        outbox
    }

    fn next(outbox: &Outbox) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 4];
        let filled = outbox.next_slices(&mut slices);
        slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
    }

    #[test]
    fn n35_it_is_bounded_in_octets_and_in_messages() {
        let mut outbox = filled();
        assert_eq!(outbox.push(Bytes::from_static(b"12345"), None), Err(Full));
        assert_eq!(outbox.push(Bytes::from_static(b"1"), None), Ok(()));
        assert_eq!(outbox.push(Bytes::from_static(b"2"), None), Err(Full));
        outbox.advance(4);
        assert_eq!(outbox.push(Bytes::from_static(b"1234567"), None), Ok(()));
        assert_eq!(next(&outbox), b"ef11234567");
    }

    #[test]
    fn what_is_written_in_part_goes_on_where_it_stopped() {
        let mut outbox = filled();
        outbox.advance(1);
        assert_eq!(next(&outbox), b"bcdef");
        outbox.advance(4);
        assert_eq!(next(&outbox), b"f");
        outbox.advance(1);
        assert!(outbox.is_empty());
    }

    #[test]
    fn giving_up_names_every_message_not_written_to_the_end() {
        let mut outbox = filled();
        outbox.advance(3);
        assert_eq!(outbox.give_up().collect::<Vec<_>>(), [Some(1), None]);
        assert!(outbox.is_empty());
        outbox.push(Bytes::from_static(b"0123456789"), None).expect("all the room is free again");
    }
}
