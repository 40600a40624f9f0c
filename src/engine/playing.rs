//! Music once more for a caller who had been answered and has nobody now: whoever passed them on has hung up,
//! and somebody else is still being asked. A re-INVITE brings their media to a port of ours.

use std::net::SocketAddr;

use bytes::Bytes;
use slotmap::KeyData;

use super::Engine;
use super::anchor::{Bridge, Port, Side, Wanted};
use super::input::Output;
use super::tables::CallKey;
use crate::media::{MediaOrder, StreamId};

/// The number of a call's first stream is that of the call; those of later ones have this bit.
const LATER: u64 = 1 << 63;

impl Engine {
    /// The caller waits once more. Without a port, or without a description that we can play to, in silence.
    pub(super) fn play_again(&mut self, call: CallKey) {
        let stream = StreamId(self.random_bits() as u64 | LATER);
        let Some(anchor) = self.anchor_mut(call) else { return };
        anchor.bridge = Bridge::Waiting;
        if !anchor.answered || anchor.caller.over || anchor.port != Port::Closed {
            return;
        }
        let theirs = anchor.caller.theirs.clone();
        let Some(remote) = self.agreed_on(&theirs).and_then(|(_, agreed)| agreed.target) else { return };
        let Some(anchor) = self.anchor_mut(call) else { return };
        anchor.stream = stream;
        anchor.port = Port::Asked;
        self.tables.streams.insert(stream, call);
        self.counters.played_again += 1;
        self.outputs.push_back(Output::Media(MediaOrder::Open { stream, ipv6: remote.is_ipv6() }));
    }

    /// The call that a stream is for. Nothing is there under the key of one that is over.
    pub(super) fn call_of(&self, stream: StreamId) -> CallKey {
        let first = || CallKey::from(KeyData::from_ffi(stream.0));
        self.tables.streams.get(&stream).copied().unwrap_or_else(first)
    }

    /// The port is open: the caller is to listen there.
    pub(super) fn offer_music(&mut self, call: CallKey) {
        if let Some(anchor) = self.anchor_mut(call) {
            anchor.caller.wanted = Some(Wanted::Music);
        }
        self.send_wanted(call, Side::Caller);
    }

    /// The offer that leads to our port.
    pub(super) fn music_offer(&mut self, call: CallKey, local: SocketAddr) -> Option<Bytes> {
        let anchor = self.anchor_mut(call)?;
        anchor.caller.told = Bytes::new();
        Some(anchor.caller.own.offer(local, crate::sdp::Direction::SendRecv, anchor.agreed.as_ref()))
    }

    /// The caller's answer to that: now they hear it, unless somebody has answered meanwhile. What cannot be
    /// played to stays silent.
    pub(super) fn hears_again(&mut self, call: CallKey, body: &[u8]) {
        let Some((_, agreed)) = self.agreed_on(body) else { return self.close_port(call) };
        let Some(anchor) = self.anchor_mut(call) else { return };
        anchor.agreed = Some(agreed);
        anchor.caller.theirs = Bytes::copy_from_slice(body);
        if anchor.bridge == Bridge::Waiting && matches!(anchor.port, Port::Open(_)) {
            self.play(call);
            self.music_begun(call);
        }
    }
}
