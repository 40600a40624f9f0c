//! The state of calls, offers and agents as plain data: written out, and read back into another engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::hops::HopBook;
use super::input::ResolveToken;
use super::names::{AwaitingName, NameKey};
use super::people::Wrapping;
use super::tables::{CallKey, Tables};
use super::timers::{Alarm, TimerHandle};
use super::{Engine, Settings};
use crate::clock::{Moment, Now};
use crate::park::Lot;
use crate::presence::{AgentBook, AgentId, PresenceDocument};
use crate::routing::Directory;
use crate::transaction::TimerQueue;

/// All that must survive the process. Moments in it count from the origin of the clock it was made under:
/// whoever reads it back continues that clock by the wall-clock time that has passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// When it was made.
    pub moment: Moment,
    /// The same by the wall clock.
    pub wall: jiff::Timestamp,
    tables: Tables,
    agents: AgentBook,
    told_presence: BTreeMap<AgentId, PresenceDocument>,
    wrapping: BTreeMap<AgentId, Wrapping>,
    #[serde(default)]
    memory: super::memory::Memory,
    timers: TimerQueue<Alarm>,
    lot: Lot<CallKey>,
    lot_alarm: Option<(Moment, TimerHandle)>,
    #[serde(default)]
    callbacks: crate::callback::Book,
    #[serde(default)]
    callback_alarm: Option<(Moment, TimerHandle)>,
    presence_alarm: Option<(Moment, TimerHandle)>,
    hops: HopBook,
    shift_alarm: Option<TimerHandle>,
    #[serde(default)]
    returns: super::returns::Returns,
    next_token: u64,
    doorman: super::doorman::Doorman,
    admission: super::admission::Admission,
    awaiting_names: BTreeMap<ResolveToken, (NameKey, AwaitingName)>,
}

impl Engine {
    /// The state as it now stands.
    pub fn save(&self) -> Saved {
        Saved {
            moment: self.now.moment,
            wall: self.now.wall,
            tables: self.tables.clone(),
            agents: self.agents.clone(),
            told_presence: self.told_presence.clone(),
            wrapping: self.wrapping.clone(),
            memory: self.memory.clone(),
            timers: self.timers.clone(),
            lot: self.lot.clone(),
            lot_alarm: self.lot_alarm,
            callbacks: self.callbacks.clone(),
            callback_alarm: self.callback_alarm,
            presence_alarm: self.presence_alarm,
            hops: self.hops.clone(),
            shift_alarm: self.shift_alarm,
            returns: self.returns,
            next_token: self.next_token,
            doorman: self.doorman.clone(),
            admission: self.admission.clone(),
            awaiting_names: self.awaiting_names.clone(),
        }
    }

    /// An engine that goes on where `saved` was made. `secret` must be the same: it proves that messages on
    /// their way belong to us. Screens report themselves again; names
    /// that something waits for are asked again, among the first outputs.
    pub fn restore(
        saved: Saved,
        settings: Arc<Settings>,
        directory: Arc<Directory>,
        secret: [u8; 32],
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        let mut engine = Self::new(settings, directory, &[], secret, seed, now);
        engine.tables = saved.tables;
        engine.tables.index();
        engine.make_room();
        engine.agents = saved.agents;
        engine.told_presence = saved.told_presence;
        engine.wrapping = saved.wrapping;
        engine.memory = saved.memory;
        engine.timers = saved.timers;
        engine.lot = saved.lot;
        engine.lot.index();
        engine.set_warning();
        engine.lot_alarm = saved.lot_alarm;
        engine.callbacks = saved.callbacks;
        engine.callback_alarm = saved.callback_alarm;
        engine.presence_alarm = saved.presence_alarm;
        engine.hops = saved.hops;
        engine.shift_alarm = saved.shift_alarm;
        engine.returns = saved.returns;
        engine.next_token = saved.next_token;
        engine.doorman = saved.doorman;
        engine.admission = saved.admission;
        engine.index_refusals();
        engine.awaiting_names = saved.awaiting_names;
        engine.ask_names_again();
        engine.shifts_due();
        engine
    }
}
