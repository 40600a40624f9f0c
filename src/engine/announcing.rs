//! What callers who hear music are told, and when (`[media] announcements`): please hold, which place they
//! have, how long it will take.

use super::Engine;
use super::anchor::{Bridge, Port};
use super::input::Output;
use super::tables::CallKey;
use super::timers::Alarm;
use crate::clock::Moment;
use crate::media::{Announcement, MediaOrder, Waiting};

impl Engine {
    /// The music has begun: from here on the rounds are counted.
    pub(super) fn music_begun(&mut self, call: CallKey) {
        let began = self.now.moment;
        if let Some(anchor) = self.anchor_mut(call) {
            anchor.music = Some((began, 0));
        }
        self.watch_announcements(call);
    }

    /// The music is over, and nothing more is said.
    pub(super) fn music_over(&mut self, call: CallKey) {
        if let Some(anchor) = self.anchor_mut(call) {
            anchor.music = None;
        }
        self.watch_announcements(call);
    }

    /// A round is due. Nothing is said to a caller who is being joined with somebody.
    pub(super) fn announcement_due(&mut self, call: CallKey) {
        if let Some(entry) = self.tables.calls.get_mut(call) {
            entry.timers.announcement = None;
        }
        let Some(anchor) = self.anchor(call).filter(|anchor| anchor.bridge == Bridge::Waiting) else {
            return;
        };
        let Some((_, said)) = anchor.music else { return };
        let schedule = std::sync::Arc::clone(&self.settings.park.schedule);
        for what in schedule.say(said, self.known_of(call)) {
            self.announce(call, what);
        }
        if let Some((_, said)) = self.anchor_mut(call).and_then(|anchor| anchor.music.as_mut()) {
            *said = said.saturating_add(1);
        }
        self.watch_announcements(call);
    }

    /// The caller's place, and how long it is expected to take.
    fn known_of(&self, call: CallKey) -> Waiting {
        let position = u16::try_from(self.lot.position(call)).ok().filter(|place| *place > 0);
        let group = self.lot.waiter(call).and_then(|waiter| waiter.wish.group.as_ref());
        let pace = group.and_then(|group| self.paces.get(group));
        let expected = position.zip(pace).and_then(|(place, pace)| pace.expected(place, self.now.moment));
        Waiting { position, expected, may_press: self.may_press(call) }
    }

    /// Sets the timer of the next round, or takes it away.
    fn watch_announcements(&mut self, call: CallKey) {
        let music: Option<(Moment, u32)> = self.anchor(call).and_then(|anchor| anchor.music);
        let due = music.and_then(|(began, said)| Some(began + self.settings.park.schedule.due(said)?));
        let next = due.map(|due| self.timers.insert(due, Alarm::Announcement(call)));
        let Some(entry) = self.tables.calls.get_mut(call) else { return };
        if let Some(last) = std::mem::replace(&mut entry.timers.announcement, next) {
            self.timers.cancel(last);
        }
    }

    /// Says something to a caller who hears music.
    pub(super) fn announce(&mut self, call: CallKey, what: Announcement) {
        if let Some(anchor) = self.anchor(call).filter(|anchor| matches!(anchor.port, Port::Open(_))) {
            let stream = anchor.stream;
            self.outputs.push_back(Output::Media(MediaOrder::Announce { stream, what }));
        }
    }
}
