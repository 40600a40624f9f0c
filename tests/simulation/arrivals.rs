//! Who comes to a run, when, and with which habits.

use toritsugi::engine::Request;
use toritsugi::presence::SetBy;
use toritsugi::transport::Protocol;

use super::house;
use super::party::{Habits, Party, Wake};
use super::world::{CALLS, Day, Happening, SECOND, World};

/// Time between two calls of F10: one is over when the next begins, so that somebody is free.
const APART: u64 = 12 * SECOND;

impl World {
    pub(super) fn people_arrive(&mut self, day: Day) {
        let poor = matches!(day, Day::PoorLine(_));
        for agent in 0..house::AGENTS {
            let mut phone = Party::new(&format!("phone{agent}"), house::phone_of(agent), None);
            phone.one_line = !poor && self.random.chance(50);
            phone.eager = poor;
            if agent == house::TCP_PHONE && self.swarm.tcp > 0 {
                phone.protocol = Protocol::Tcp;
            }
            self.add(phone);
            let live = poor || self.random.chance(70);
            self.later(0, Happening::Screen(agent, live));
        }
        self.add(Party::new("pbx", house::address(house::PBX), None));
        self.judge.places.insert(house::stranger(), Protocol::Udp);
        let spread = self.random.pick(&[1, 10, 30]);
        for index in 0..CALLS {
            let habits = if poor { self.polite_habits() } else { self.habits() };
            let mut caller = Party::new(&format!("call{index}@sim"), house::caller_at(index), Some(habits));
            if self.random.chance(self.swarm.tcp) {
                caller.protocol = Protocol::Tcp;
            }
            let party = self.add(caller);
            let at = if poor { index as u64 * APART } else { self.random.below(spread * SECOND) };
            self.later(at, Happening::Wake(party, Wake::Begin));
        }
        self.may_offer_for();
        self.plans();
    }

    /// What is done to the house in the course of the run.
    fn plans(&mut self) {
        for _ in 0..(if self.swarm.presence { 8 } else { 0 }) {
            let agent = self.random.below(house::AGENTS as u64) as usize;
            let at = self.random.below(40 * SECOND);
            let live = self.random.chance(50);
            self.later(at, Happening::Screen(agent, live));
            let word = self.random.pick(&["available", "available", "away:meeting", "offline"]);
            self.set_presence_later(agent, word, at);
        }
        if self.swarm.directory {
            for _ in 0..4 {
                let at = self.random.below(30 * SECOND);
                let gone = self.random.below(house::AGENTS as u64) as usize;
                self.later(at, Happening::Directory(Some(gone)));
                let back = at + self.random.below(5 * SECOND);
                self.later(back, Happening::Directory(None));
            }
        }
        for _ in 0..(if self.swarm.statuses { 6 } else { 0 }) {
            let agent = self.random.below(house::AGENTS as u64) as usize;
            let word = self.random.pick(&["available", "available", "away:meeting", "offline"]);
            let at = self.random.below(40 * SECOND);
            self.later(at, Happening::Stored(house::status_of(agent, word, self.wall)));
        }
        for _ in 0..(if self.swarm.reload { 2 } else { 0 }) {
            let at = self.random.below(30 * SECOND);
            self.later(at, Happening::Reload);
        }
        if self.swarm.drain {
            let at = self.random.below(40 * SECOND);
            self.later(at, Happening::Drain);
        }
    }

    /// How long an offer may last by the present settings, or by those before them.
    pub(super) fn may_offer_for(&mut self) {
        let limit = self.settings.answer_within + self.settings.announce_within;
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let people = &mut self.judge.people;
        people.offer_limit = people.offer_limit.max(limit);
    }

    fn habits(&mut self) -> Habits {
        let (random, swarm) = (&mut self.random, &self.swarm);
        let line = random.chance(85);
        let called = if line { "0312345678" } else { random.pick(&["0398765432", "200", "110"]) };
        let known = random.chance(80);
        let from =
            if known { "<sip:+819012345678@carrier.example>" } else { "<sip:anonymous@anonymous.invalid>" };
        let gives_up = random.chance(swarm.giving_up);
        Habits {
            called: called.to_owned(),
            from: from.to_owned(),
            give_up: Some(if gives_up { random.ms(0, 15_000) } else { random.ms(60_000, 240_000) }),
            ack_after: if random.chance(swarm.late_acks) { random.ms(1, 6_000) } else { 0 },
            never_ack: random.chance(swarm.never_acks),
            hang_up: (!random.chance(swarm.never_byes)).then(|| random.ms(10, 25_000)),
            re_invite: random.chance(swarm.re_invites).then(|| random.ms(10, 5_000)),
            update_early: random.chance(40),
            breadth: random.chance(swarm.breadth).then(|| u32::try_from(random.between(1, 80)).unwrap_or(60)),
        }
    }

    /// A caller who waits, talks for a while and hangs up.
    fn polite_habits(&mut self) -> Habits {
        Habits {
            called: "0312345678".to_owned(),
            from: "<sip:+819012345678@carrier.example>".to_owned(),
            give_up: None,
            hang_up: Some(self.random.ms(1_000, 5_000)),
            ..Habits::default()
        }
    }

    pub(super) fn set_presence_later(&mut self, agent: usize, word: &str, after: u64) {
        let request = Request::SetPresence {
            agent: house::agent_id(agent),
            status: word.parse().expect("a status written here"),
            by: SetBy::Manual,
            user: "simulated".to_owned(),
        };
        self.later(after, Happening::Ask(request));
    }
}
