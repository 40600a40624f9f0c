//! Every player from one clock: each 20 ms one packet for each caller, however many there are, and after a
//! stall no burst. What is said takes the place of the music, in the same stream.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rtp::write_header;
use super::{alaw, ulaw};
use crate::clock::Moment;
use crate::sdp::Codec;

/// From one packet of a player to its next.
pub const PACKET_EVERY: Duration = Duration::from_millis(20);

/// Samples, and octets of G.711, in one packet.
pub const FRAME: usize = 160;

/// Packets that are made up for at once after a stall; what is later than that is left out.
const CATCH_UP: u64 = 2;

/// What is to be said to one caller at most, beside what is being said.
const SAYINGS: usize = 8;

/// Something to play, in both codings.
#[derive(Debug, PartialEq, Eq)]
pub struct Tune {
    ulaw: Vec<u8>,
    alaw: Vec<u8>,
}

impl Tune {
    /// The samples, 8,000 a second, up to the last whole packet; shorter than one packet is silence.
    pub fn new(samples: &[i16]) -> Self {
        let whole = samples.len() / FRAME * FRAME;
        let samples = if whole == 0 { &[0; FRAME][..] } else { &samples[..whole] };
        Self {
            ulaw: samples.iter().copied().map(ulaw).collect(),
            alaw: samples.iter().copied().map(alaw).collect(),
        }
    }

    /// Packets of it.
    pub fn frames(&self) -> u64 {
        (self.ulaw.len() / FRAME) as u64
    }

    /// The payload of a packet; behind the last one the first again.
    pub fn frame(&self, codec: Codec, number: u64) -> &[u8] {
        let octets = match codec {
            Codec::Pcmu => &self.ulaw,
            Codec::Pcma => &self.alaw,
        };
        let at = usize::try_from(number % self.frames()).unwrap_or_default() * FRAME;
        octets.get(at..at + FRAME).unwrap_or_default()
    }
}

/// A player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlayerId(pub u64);

/// What one caller is sent: enough to go on after a restart with the same sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    /// How it is coded.
    pub codec: Codec,
    /// The payload type that was agreed upon.
    pub payload_type: u8,
    /// Ours for this stream.
    pub ssrc: u32,
    /// The number of the next packet; its low bits are on the wire.
    pub sequence: u16,
    /// Samples before the next packet.
    pub timestamp: u32,
    /// Where to.
    pub target: SocketAddr,
    /// The next packet is the first after silence.
    pub begins: bool,
    /// Packets of music that were sent: the next one goes on from there, whatever was said between.
    pub music: u64,
}

/// A player and what is to be said there first.
#[derive(Debug)]
struct Playing {
    player: Player,
    /// Each with its packets that were sent.
    saying: VecDeque<(Arc<Tune>, u64)>,
}

/// All players of one clock.
#[derive(Debug)]
pub struct Players {
    tune: Arc<Tune>,
    playing: BTreeMap<PlayerId, Playing>,
    began: Moment,
    /// Packets that each player has had, or was to have, since then.
    ticks: u64,
    packet: Vec<u8>,
    /// To whom everything has been said that was to be said, since this was last asked.
    said: Vec<PlayerId>,
}

impl Players {
    /// Nobody listens yet; the clock begins now.
    pub fn new(tune: Arc<Tune>, now: Moment) -> Self {
        Self { tune, playing: BTreeMap::new(), began: now, ticks: 0, packet: Vec::new(), said: Vec::new() }
    }

    /// Other music for everybody, from the next packet on.
    pub fn change_music(&mut self, tune: Arc<Tune>) {
        self.tune = tune;
    }

    /// Somebody listens from the next packet on; `false`, and nothing changes, when `most` do already. A
    /// player that is there already is replaced, and what is to be said stays.
    pub fn play(&mut self, id: PlayerId, player: Player, most: usize, now: Moment) -> bool {
        let listening = self.playing.len();
        if listening == 0 {
            // While nobody listened nothing was missed.
            self.ticks = self.due(now);
        }
        match self.playing.entry(id) {
            Entry::Occupied(mut there) => there.get_mut().player = player,
            Entry::Vacant(_) if listening >= most => return false,
            Entry::Vacant(free) => _ = free.insert(Playing { player, saying: VecDeque::new() }),
        }
        true
    }

    /// The player, as it goes on.
    pub fn player_mut(&mut self, id: PlayerId) -> Option<&mut Player> {
        self.playing.get_mut(&id).map(|playing| &mut playing.player)
    }

    /// Says something once in place of the music, behind what is to be said already; `false` when nobody
    /// listens there or too much is to be said.
    pub fn say(&mut self, id: PlayerId, what: Arc<Tune>) -> bool {
        let Some(playing) = self.playing.get_mut(&id) else { return false };
        // One chime is enough for several things that nobody has recorded.
        if playing.saying.back().is_some_and(|(last, _)| Arc::ptr_eq(last, &what)) {
            return true;
        }
        let may = playing.saying.len() < SAYINGS;
        if may {
            playing.saying.push_back((what, 0));
        }
        may
    }

    /// Says something once at once, in place of the music and of all that was to be said; `false` when nobody
    /// listens there.
    pub fn say_now(&mut self, id: PlayerId, what: Arc<Tune>) -> bool {
        let Some(playing) = self.playing.get_mut(&id) else { return false };
        playing.saying.clear();
        playing.saying.push_back((what, 0));
        true
    }

    /// To whom everything has been said that was to be said, since this was last asked.
    pub fn take_said(&mut self) -> Vec<PlayerId> {
        std::mem::take(&mut self.said)
    }

    /// Somebody listens no longer; with where they were.
    pub fn stop(&mut self, id: PlayerId) -> Option<Player> {
        self.playing.remove(&id).map(|playing| playing.player)
    }

    /// How many listen.
    pub fn len(&self) -> usize {
        self.playing.len()
    }

    /// Whether nobody listens.
    pub fn is_empty(&self) -> bool {
        self.playing.is_empty()
    }

    /// When the next packets are due; never while nobody listens.
    pub fn next_due(&self) -> Option<Moment> {
        (!self.playing.is_empty())
            .then(|| self.began + PACKET_EVERY * u32::try_from(self.ticks + 1).unwrap_or(u32::MAX))
    }

    /// Hands out every packet that is due. A stall is made up for by [`CATCH_UP`] packets at most; the rest
    /// of its time is missing in the stream, and the timestamps say so (RFC 3551 §4.1: as after silence).
    /// Returns how many packets were left out.
    pub fn poll(&mut self, now: Moment, mut send: impl FnMut(PlayerId, SocketAddr, &[u8])) -> u64 {
        let due = self.due(now);
        let behind = due.saturating_sub(self.ticks);
        if behind == 0 {
            return 0;
        }
        let skipped = behind.saturating_sub(CATCH_UP);
        self.ticks += skipped;
        for Playing { player, .. } in self.playing.values_mut().filter(|_| skipped > 0) {
            let samples = u32::try_from((skipped * FRAME as u64) & u64::from(u32::MAX)).unwrap_or_default();
            player.timestamp = player.timestamp.wrapping_add(samples);
            player.begins = true;
        }
        while self.ticks < due {
            for (id, playing) in &mut self.playing {
                self.packet.clear();
                if playing.write(&self.tune, &mut self.packet) {
                    self.said.push(*id);
                }
                send(*id, playing.player.target, &self.packet);
            }
            self.ticks += 1;
        }
        skipped.saturating_mul(self.playing.len() as u64)
    }

    /// Packets that somebody who listened from the beginning was to have by now.
    fn due(&self, now: Moment) -> u64 {
        u64::try_from(now.since(self.began).as_millis() / PACKET_EVERY.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Playing {
    /// Writes the next packet; `true` when it is the last of what was to be said.
    fn write(&mut self, music: &Tune, packet: &mut Vec<u8>) -> bool {
        let player = &mut self.player;
        let marker = std::mem::take(&mut player.begins);
        write_header(packet, player.payload_type, marker, player.sequence, player.timestamp, player.ssrc);
        player.sequence = player.sequence.wrapping_add(1);
        player.timestamp = player.timestamp.wrapping_add(FRAME as u32);
        let Some((said, frame)) = self.saying.front_mut() else {
            packet.extend_from_slice(music.frame(player.codec, player.music));
            player.music += 1;
            return false;
        };
        packet.extend_from_slice(said.frame(player.codec, *frame));
        *frame += 1;
        if *frame < said.frames() {
            return false;
        }
        self.saying.pop_front();
        self.saying.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, melody};
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::from_micros(1_000_000 + ms * 1000)
    }

    fn player(codec: Codec, port: u16) -> Player {
        Player {
            codec,
            payload_type: if codec == Codec::Pcmu { 0 } else { 8 },
            ssrc: u32::from(port),
            sequence: 65_534,
            timestamp: u32::MAX - 100,
            target: SocketAddr::from(([192, 0, 2, 9], port)),
            begins: true,
            music: 0,
        }
    }

    fn players() -> Players {
        Players::new(Arc::new(Tune::new(&melody())), at(0))
    }

    /// Sequence, timestamp and marker of what each port got.
    fn sent(players: &mut Players, now: Moment) -> Vec<(u16, u16, u32, bool)> {
        let mut sent = Vec::new();
        players.poll(now, |_, to, bytes| {
            assert_eq!(bytes.len(), 172);
            let packet = Packet::read(bytes).unwrap();
            sent.push((to.port(), packet.sequence, packet.timestamp, packet.marker));
        });
        sent
    }

    #[test]
    fn each_player_gets_one_packet_every_20_ms_from_one_clock() {
        let mut players = players();
        assert_eq!(players.next_due(), None, "nobody listens");
        assert!(players.play(PlayerId(1), player(Codec::Pcmu, 4000), 2, at(0)));
        assert!(players.play(PlayerId(2), player(Codec::Pcma, 4002), 2, at(0)));
        assert!(!players.play(PlayerId(3), player(Codec::Pcma, 4004), 2, at(0)), "no more than allowed");
        assert_eq!(players.next_due(), Some(at(20)));
        assert!(sent(&mut players, at(19)).is_empty());
        let stamp = u32::MAX - 100;
        assert_eq!(sent(&mut players, at(20)), [(4000, 65_534, stamp, true), (4002, 65_534, stamp, true)]);
        assert_eq!(players.next_due(), Some(at(40)));
        assert_eq!(sent(&mut players, at(41)).len(), 2, "late by one is not late next time");
        assert_eq!(players.next_due(), Some(at(60)));
        let third = sent(&mut players, at(60));
        assert_eq!(third[0], (4000, 0, stamp.wrapping_add(320), false), "numbers go round");
    }

    #[test]
    fn after_a_stall_there_is_no_burst_and_the_time_is_right() {
        let mut players = players();
        players.play(PlayerId(1), player(Codec::Pcmu, 4000), 1, at(0));
        let first = sent(&mut players, at(20));
        let after = sent(&mut players, at(1020));
        assert_eq!(after.len() as u64, CATCH_UP);
        let elapsed = after.last().unwrap().2.wrapping_sub(first[0].2);
        assert_eq!(elapsed, 8000, "a second later by the samples too");
        assert_eq!(after[0].1, first[0].1.wrapping_add(1), "no packet counts as lost");
        assert!(after[0].3 && !after[1].3, "what is left out is silence to the listener");
    }

    #[test]
    fn who_comes_after_a_silence_begins_at_the_beginning_without_a_burst() {
        let mut players = players();
        players.play(PlayerId(1), player(Codec::Pcmu, 4000), 1, at(60_005));
        assert_eq!(players.next_due(), Some(at(60_020)));
        let first = sent(&mut players, at(60_021));
        assert_eq!(first, [(4000, 65_534, u32::MAX - 100, true)]);
    }

    #[test]
    fn a_player_that_was_written_out_goes_on_where_it_was() {
        let mut one = players();
        one.play(PlayerId(1), player(Codec::Pcmu, 4000), 1, at(0));
        let before = sent(&mut one, at(20));
        let saved = serde_json::to_string(&one.stop(PlayerId(1)).unwrap()).unwrap();
        assert!(one.is_empty());
        let mut other = players();
        other.play(PlayerId(1), serde_json::from_str(&saved).unwrap(), 1, at(0));
        let after = sent(&mut other, at(20));
        assert_eq!(after[0].1, before[0].1.wrapping_add(1));
        assert!(!after[0].3);
        assert_eq!(other.len(), 1);
    }

    #[test]
    fn what_is_said_takes_the_place_of_the_music_which_goes_on_after() {
        let mut players = players();
        players.play(PlayerId(1), player(Codec::Pcmu, 4000), 1, at(0));
        assert!(!players.say(PlayerId(2), Arc::new(Tune::new(&[]))), "nobody listens there");
        let said = [Tune::new(&[1000; 2 * FRAME]), Tune::new(&[2000; FRAME])].map(Arc::new);
        let music = Tune::new(&melody());
        let mut heard = Vec::new();
        let mut last: Option<(u16, u32)> = None;
        for tick in 1..=6 {
            if tick == 2 {
                assert!(said.iter().all(|what| players.say(PlayerId(1), Arc::clone(what))));
            }
            players.poll(at(20 * tick), |id, _, bytes| {
                assert_eq!(id, PlayerId(1));
                let packet = Packet::read(bytes).unwrap();
                let next = (packet.sequence, packet.timestamp);
                if let Some((sequence, timestamp)) = last {
                    assert_eq!(next, (sequence.wrapping_add(1), timestamp.wrapping_add(160)), "{tick}");
                }
                assert_eq!(packet.ssrc, 4000);
                last = Some(next);
                heard.push(packet.payload.to_vec());
            });
        }
        let frame = |tune: &Tune, number| tune.frame(Codec::Pcmu, number).to_vec();
        let wanted = [
            frame(&music, 0),
            frame(&said[0], 0),
            frame(&said[0], 1),
            frame(&said[1], 0),
            frame(&music, 1),
            frame(&music, 2),
        ];
        assert!(heard == wanted, "music, both sayings, and the music from where it was");
        let refused = (0..100).filter(|at| !players.say(PlayerId(1), Arc::clone(&said[at % 2]))).count();
        assert!(refused > 0);
        assert_eq!(players.playing[&PlayerId(1)].saying.len(), SAYINGS);
        assert!(players.say(PlayerId(1), Arc::clone(&said[1])), "the same again is said already");
    }

    #[test]
    fn what_is_said_at_once_takes_the_place_of_the_rest_and_its_end_is_told_once() {
        let mut players = players();
        players.play(PlayerId(1), player(Codec::Pcmu, 4000), 1, at(0));
        let (long, noted) = (Arc::new(Tune::new(&[1; 50 * FRAME])), Arc::new(Tune::new(&[9000; 2 * FRAME])));
        assert!(players.say(PlayerId(1), long));
        sent(&mut players, at(20));
        assert!(players.say_now(PlayerId(1), Arc::clone(&noted)));
        assert!(!players.say_now(PlayerId(2), noted), "nobody listens there");
        sent(&mut players, at(40));
        assert!(players.take_said().is_empty(), "half of it");
        sent(&mut players, at(60));
        assert_eq!(players.take_said(), [PlayerId(1)]);
        sent(&mut players, at(100));
        assert!(players.take_said().is_empty());
    }

    #[test]
    fn the_music_goes_round_and_is_not_silence() {
        let tune = Tune::new(&melody());
        let frames = tune.ulaw.len() as u64 / FRAME as u64;
        assert_eq!(tune.frame(Codec::Pcmu, 3), tune.frame(Codec::Pcmu, frames + 3));
        let quiet = |frame: &[u8]| frame.iter().all(|octet| *octet == frame[0]);
        assert!((0..frames).all(|number| !quiet(tune.frame(Codec::Pcma, number))));
        assert!(quiet(Tune::new(&[]).frame(Codec::Pcmu, 7)), "nothing to play is silence");
    }
}
