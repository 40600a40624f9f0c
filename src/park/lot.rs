//! The lot itself. Everything in it is found by what happens: an agent who is free, a time that is over, a
//! caller who leaves. Nothing is searched for in turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::profile::{AtLimit, ParkMode, Profile, Stage};
use super::waiter::{Arrival, Place, REFRESH, Rank, Ticket, Waiter};
use crate::clock::Moment;
use crate::presence::AgentId;

/// All who wait, of at most so many as the caller of [`Lot::park`] allows. Plain data; after reading it back
/// [`Lot::index`] makes the lines anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lot<C> {
    waiters: BTreeMap<Ticket, Waiter<C>>,
    next: u64,
    #[serde(default)]
    warn_before: Option<Duration>,
    #[serde(skip, default = "Lines::new")]
    lines: Lines<C>,
}

/// Where each waiter stands; made of the waiters alone.
#[derive(Clone, Debug)]
struct Lines<C> {
    tickets: BTreeMap<C, Ticket>,
    by_group: BTreeMap<String, BTreeSet<(Rank, Ticket)>>,
    by_skill: BTreeMap<String, BTreeSet<(Rank, Ticket)>>,
    by_agent: BTreeMap<AgentId, BTreeSet<(Rank, Ticket)>>,
    due: BTreeSet<(Moment, Ticket)>,
    in_line: usize,
}

/// Why somebody cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// The lot has no place left.
    #[error("the lot is full")]
    Full,
    /// The trunk allows no way of waiting.
    #[error("callers of this trunk may not wait")]
    NotAllowed,
    /// They have waited as long as they may.
    #[error("the time to wait is over")]
    TimeOver,
}

/// Somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// In which mode, and until when at most.
    pub stage: Stage,
    /// They waited before, and an offer to somebody has failed meanwhile.
    pub again: bool,
}

/// What is due for a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The caller's side must hear that the call still waits.
    Refresh(ParkMode),
    /// The patience for one agent, or of a rule, is over: it is decided anew.
    Patience,
    /// The whole time is nearly over; once for a waiter.
    Warning {
        /// Since when they wait.
        since: Moment,
        /// When it is over.
        over: Moment,
    },
    /// The time in one mode is over, and this is the next.
    Mode(ParkMode),
    /// The whole time is over. The waiter has left the lot.
    Over {
        /// What becomes of the caller.
        at_limit: AtLimit,
        /// Since when they had waited.
        since: Moment,
    },
}

impl<C> Default for Lot<C> {
    fn default() -> Self {
        Self { waiters: BTreeMap::new(), next: 0, warn_before: None, lines: Lines::new() }
    }
}

impl<C: Copy + Ord> Lot<C> {
    /// Makes the lines anew after the lot was read back.
    pub fn index(&mut self) {
        self.lines = Lines::new();
        for (ticket, waiter) in &self.waiters {
            self.lines.tickets.insert(waiter.call, *ticket);
            self.lines.enter(*ticket, waiter);
        }
    }

    /// So long before the end of their time somebody is warned of those who come from now on.
    pub fn warn_before(&mut self, before: Option<Duration>) {
        self.warn_before = before;
    }

    /// Somebody comes to wait, or comes back after an offer that failed: with the place and the time that
    /// they had. Of `places` none may be taken beyond.
    ///
    /// # Errors
    ///
    /// [`NoPlace`]; whoever came back and has no time left has left the lot.
    pub fn park(&mut self, arrival: Arrival<C>, places: usize, now: Moment) -> Result<Parked, NoPlace> {
        if let Some(ticket) = self.lines.tickets.get(&arrival.call).copied() {
            return self.park_again(ticket, arrival, now);
        }
        let profile = match arrival.mode {
            Some(mode) => Arc::new(arrival.profile.from(mode)),
            None => Arc::clone(&arrival.profile),
        };
        let stage = profile.begin(now).ok_or(NoPlace::NotAllowed)?;
        if self.waiters.len() >= places {
            return Err(NoPlace::Full);
        }
        self.next += 1;
        let ticket = Ticket(self.next);
        let Arrival { call, wish, priority, .. } = arrival;
        let refresh = now + REFRESH;
        let place = Place::InLine;
        let warn_before = self.warn_before;
        let waiter = Waiter { call, wish, priority, since: now, stage, refresh, profile, place, warn_before };
        self.lines.tickets.insert(call, ticket);
        self.lines.enter(ticket, &waiter);
        self.waiters.insert(ticket, waiter);
        Ok(Parked { stage, again: false })
    }

    fn park_again(&mut self, ticket: Ticket, arrival: Arrival<C>, now: Moment) -> Result<Parked, NoPlace> {
        let Some(waiter) = self.waiters.get(&ticket) else { return Err(NoPlace::NotAllowed) };
        let further = arrival.mode.filter(|mode| *mode > waiter.stage.mode);
        let further = further.and_then(|mode| waiter.profile.from(mode).begin(now));
        let further = further.filter(|stage| stage.mode > waiter.stage.mode);
        let stage = match further {
            Some(stage) => Some(stage),
            None if waiter.stage.ends > now => Some(waiter.stage),
            None => waiter.profile.after(waiter.stage, now),
        };
        let Some(stage) = stage else {
            self.leave(arrival.call);
            return Err(NoPlace::TimeOver);
        };
        self.change(ticket, |waiter| {
            waiter.stage = stage;
            waiter.wish = arrival.wish;
            waiter.priority = arrival.priority;
            waiter.refresh = now + REFRESH;
            waiter.place = Place::InLine;
        });
        Ok(Parked { stage, again: true })
    }

    /// The call is being offered: it stands in no line, and keeps its place.
    pub fn offered(&mut self, call: C) {
        if let Some(ticket) = self.lines.tickets.get(&call).copied() {
            self.change(ticket, |waiter| waiter.place = Place::Offered);
        }
    }

    /// The call waits ringing from now on, until the time of all its modes is over: nothing else can be done
    /// for it.
    pub fn ring_on(&mut self, call: C, now: Moment) {
        let Some(ticket) = self.lines.tickets.get(&call).copied() else { return };
        self.change(ticket, |waiter| {
            let longest = waiter.profile.longest();
            let modes = vec![(ParkMode::Ringing, longest)];
            waiter.profile = Arc::new(Profile { modes, ..Profile::clone(&waiter.profile) });
            waiter.stage = Stage { mode: ParkMode::Ringing, ends: (waiter.since + longest).max(now) };
        });
    }

    /// The call waits no longer, for whatever reason; with how it waited.
    pub fn leave(&mut self, call: C) -> Option<Waiter<C>> {
        let ticket = self.lines.tickets.remove(&call)?;
        let waiter = self.waiters.remove(&ticket)?;
        self.lines.quit(ticket, &waiter);
        Some(waiter)
    }

    /// Who comes next to an agent who is free: of those who wait for the agent, for one of the `groups` or
    /// for one of the `skills`, the first whom the agent `may` have.
    pub fn first_for<'g>(
        &self,
        agent: &AgentId,
        groups: impl IntoIterator<Item = &'g str>,
        skills: impl IntoIterator<Item = &'g str>,
        mut may: impl FnMut(C) -> bool,
    ) -> Option<C> {
        let own = self.lines.by_agent.get(agent);
        let of_groups = groups.into_iter().filter_map(|group| self.lines.by_group.get(group));
        let of_skills = skills.into_iter().filter_map(|skill| self.lines.by_skill.get(skill));
        let mut lines: Vec<_> = own
            .into_iter()
            .chain(of_groups)
            .chain(of_skills)
            .map(|line| line.iter().copied().peekable())
            .collect();
        loop {
            let first = lines
                .iter_mut()
                .enumerate()
                .filter_map(|(index, line)| line.peek().map(|head| (*head, index)))
                .min()?;
            let ((_, ticket), index) = first;
            lines.get_mut(index)?.next();
            if let Some(waiter) = self.waiters.get(&ticket).filter(|waiter| may(waiter.call)) {
                return Some(waiter.call);
            }
        }
    }

    /// What is due next, if it is due by now; until there is nothing.
    pub fn poll_due(&mut self, now: Moment) -> Option<(C, Due)> {
        let (at, ticket) = self.lines.due.first().copied()?;
        if at > now {
            return None;
        }
        let waiter = self.waiters.get(&ticket)?;
        let (call, stage, since) = (waiter.call, waiter.stage, waiter.since);
        let at_limit = waiter.profile.at_limit;
        if stage.ends <= now {
            let Some(next) = waiter.profile.after(stage, now) else {
                self.leave(call);
                return Some((call, Due::Over { at_limit, since }));
            };
            self.change(ticket, |waiter| waiter.stage = next);
            return Some((call, Due::Mode(next.mode)));
        }
        let is_over = |until: Option<Moment>| until.is_some_and(|until| until <= now);
        if is_over(waiter.wish.only_until) || is_over(waiter.wish.patience) {
            self.change(ticket, |waiter| {
                waiter.wish.only_until = waiter.wish.only_until.filter(|until| *until > now);
                waiter.wish.patience = waiter.wish.patience.filter(|until| *until > now);
            });
            return Some((call, Due::Patience));
        }
        let over = waiter.over_at();
        if waiter.warn_at().is_some_and(|warning| warning <= now) {
            self.change(ticket, |waiter| waiter.warn_before = None);
            return Some((call, Due::Warning { since, over }));
        }
        self.change(ticket, |waiter| waiter.refresh = now + REFRESH);
        Some((call, Due::Refresh(stage.mode)))
    }

    /// When [`Lot::poll_due`] has something next.
    pub fn next_due(&self) -> Option<Moment> {
        self.lines.due.first().map(|(at, _)| *at)
    }

    /// How a call waits, whether in line or being offered.
    pub fn waiter(&self, call: C) -> Option<&Waiter<C>> {
        self.waiters.get(self.lines.tickets.get(&call)?)
    }

    /// Whether the call stands in line now.
    pub fn is_in_line(&self, call: C) -> bool {
        self.waiter(call).is_some_and(|waiter| waiter.place == Place::InLine)
    }

    /// How many stand in line.
    pub const fn in_line(&self) -> usize {
        self.lines.in_line
    }

    /// How many places are taken: in line, or being offered.
    pub fn taken(&self) -> usize {
        self.waiters.len()
    }

    /// Everybody who has a place, in the order they came.
    pub fn waiters(&self) -> impl Iterator<Item = &Waiter<C>> {
        self.waiters.values()
    }

    /// How many wait for each group, the call itself not counted.
    pub fn queues(&self, except: C) -> BTreeMap<String, u32> {
        let own = self.waiter(except).filter(|waiter| waiter.place == Place::InLine);
        let own = own.and_then(|waiter| Some((waiter.wish.group.as_ref()?, waiter.rank())));
        let ticket = self.lines.tickets.get(&except);
        let count = |(group, line): (&String, &BTreeSet<(Rank, Ticket)>)| {
            let there = own
                .zip(ticket)
                .is_some_and(|((own, rank), ticket)| own == group && line.contains(&(rank, *ticket)));
            (group.clone(), u32::try_from(line.len() - usize::from(there)).unwrap_or(u32::MAX))
        };
        self.lines.by_group.iter().map(count).collect()
    }

    /// The place in the line of the call's group, from 1; 0 when it stands in none.
    pub fn position(&self, call: C) -> usize {
        let Some(ticket) = self.lines.tickets.get(&call) else { return 0 };
        let Some(waiter) = self.waiters.get(ticket) else { return 0 };
        let line = waiter.wish.group.as_ref().and_then(|group| self.lines.by_group.get(group));
        line.map_or(0, |line| {
            let own = (waiter.rank(), *ticket);
            if line.contains(&own) { line.range(..own).count() + 1 } else { 0 }
        })
    }

    fn change(&mut self, ticket: Ticket, make: impl FnOnce(&mut Waiter<C>)) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else { return };
        self.lines.quit(ticket, waiter);
        make(waiter);
        self.lines.enter(ticket, waiter);
    }
}

impl<C> Lines<C> {
    const fn new() -> Self {
        Self {
            tickets: BTreeMap::new(),
            by_group: BTreeMap::new(),
            by_skill: BTreeMap::new(),
            by_agent: BTreeMap::new(),
            due: BTreeSet::new(),
            in_line: 0,
        }
    }

    fn enter(&mut self, ticket: Ticket, waiter: &Waiter<C>) {
        if waiter.place == Place::Offered {
            return;
        }
        self.in_line += 1;
        if let Some(deadline) = waiter.deadline() {
            self.due.insert((deadline, ticket));
        }
        if let Some(agent) = &waiter.wish.agent {
            self.by_agent.entry(agent.clone()).or_default().insert((waiter.rank_for_agent(), ticket));
        }
        if waiter.wish.only_until.is_some() {
            return;
        }
        let lines = [(&mut self.by_group, &waiter.wish.group), (&mut self.by_skill, &waiter.wish.skill)];
        for (lines, name) in lines {
            let Some(name) = name else { continue };
            match lines.get_mut(name) {
                Some(line) => _ = line.insert((waiter.rank(), ticket)),
                None => _ = lines.insert(name.clone(), [(waiter.rank(), ticket)].into()),
            }
        }
    }

    /// The opposite of [`Self::enter`]; the waiter must be as it was then.
    fn quit(&mut self, ticket: Ticket, waiter: &Waiter<C>) {
        if waiter.place == Place::Offered {
            return;
        }
        self.in_line -= 1;
        if let Some(deadline) = waiter.deadline() {
            self.due.remove(&(deadline, ticket));
        }
        if let Some(agent) = &waiter.wish.agent
            && let Some(line) = self.by_agent.get_mut(agent)
        {
            line.remove(&(waiter.rank_for_agent(), ticket));
            if line.is_empty() {
                self.by_agent.remove(agent);
            }
        }
        let lines = [(&mut self.by_group, &waiter.wish.group), (&mut self.by_skill, &waiter.wish.skill)];
        for (lines, name) in lines {
            if let Some(name) = name
                && let Some(line) = lines.get_mut(name)
            {
                line.remove(&(waiter.rank(), ticket));
                if line.is_empty() {
                    lines.remove(name);
                }
            }
        }
    }
}
