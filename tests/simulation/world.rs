//! A run: the engine, its clock, the network and everybody on it, from one seed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use toritsugi::clock::{Moment, Now};
use toritsugi::customer::LookupAnswer;
use toritsugi::engine::{
    Answer, Datagram, Engine, Input, LookupToken, Output, Refusal, ReplyToken, Request, Resolution,
    ResolveToken, SendToken, Settings,
};
use toritsugi::events::{Event, EventBody};
use toritsugi::message::Message;
use toritsugi::presence::{AgentStatus, OfferId, SetBy, StoredStatus};
use toritsugi::proxy::Target;
use toritsugi::transport::{Flow, Protocol};

use super::house;
use super::judge::{Breach, Judge};
use super::ladder::{Step, Trace};
use super::party::{Act, Habits, Hand, Outcome, Party, Wake};
use super::people_judge::name_of;
use super::random::Random;
use super::swarm::Swarm;

/// Calls in one run.
pub const CALLS: usize = 10;

const SECOND: u64 = 1_000_000;

/// One thing that is going to happen.
#[derive(Debug)]
enum Happening {
    ToEngine(SocketAddr, Bytes),
    ToParty(SocketAddr, Bytes),
    Wake(usize, Wake),
    LookedUp(LookupToken, LookupAnswer),
    Announced(OfferId),
    SendFailed(SendToken, Bytes),
    Resolved(ResolveToken, Resolution),
    Ask(Request),
    Screen(usize, bool),
    Directory(Option<usize>),
}

/// What a run came to.
pub struct Report {
    pub breaches: Vec<(Breach, String)>,
    pub swarm: Swarm,
    pub hash: u64,
    pub outcomes: Vec<Outcome>,
}

/// The world.
pub struct World {
    engine: Engine,
    settings: Arc<Settings>,
    now: u64,
    wall: jiff::Timestamp,
    queue: BTreeMap<(u64, u64), Happening>,
    order: u64,
    random: Random,
    swarm: Swarm,
    parties: Vec<Party>,
    by_address: BTreeMap<SocketAddr, usize>,
    judge: Judge,
    trace: Trace,
    hasher: DefaultHasher,
    asked: u64,
    steps: u64,
    /// Our ids by SIP's.
    ids: BTreeMap<String, String>,
}

/// Runs one seed to its end.
pub fn run(seed: u64, quiet: bool) -> Report {
    let mut world = World::new(seed, quiet);
    world.go();
    world.finish()
}

impl World {
    fn new(seed: u64, quiet: bool) -> Self {
        let mut random = Random::new(seed);
        let mut swarm = Swarm::of(&mut random);
        if quiet {
            (swarm.loss, swarm.send_failures, swarm.crowded) = (0, 0, false);
            (swarm.never_acks, swarm.directory, swarm.never_byes) = (0, false, 0);
        }
        let settings = Arc::new(house::settings(&mut random, &swarm));
        let wall: jiff::Timestamp = "2026-11-24T01:00:00Z".parse().expect("a time written here");
        let statuses: Vec<StoredStatus> = (0..house::AGENTS)
            .map(|agent| StoredStatus {
                agent: house::agent_id(agent),
                status: AgentStatus::Available,
                set_by: SetBy::Manual,
                since: wall,
            })
            .collect();
        let now = Now { moment: Moment::from_micros(SECOND), wall };
        let directory = Arc::new(house::directory(None));
        let key = [(seed >> 3) as u8; 32];
        let engine = Engine::new(Arc::clone(&settings), directory, &statuses, key, [7; 32], now);
        let mut world = Self {
            engine,
            settings,
            now: SECOND,
            wall,
            queue: BTreeMap::new(),
            order: 0,
            random,
            swarm,
            parties: Vec::new(),
            by_address: BTreeMap::new(),
            judge: Judge::default(),
            trace: Trace::default(),
            hasher: DefaultHasher::new(),
            asked: 0,
            steps: 0,
            ids: BTreeMap::new(),
        };
        world.people_arrive();
        world
    }

    fn people_arrive(&mut self) {
        for agent in 0..house::AGENTS {
            let mut phone = Party::new(&format!("phone{agent}"), house::phone_of(agent), None);
            phone.one_line = self.random.chance(50);
            self.add(phone);
            let live = self.random.chance(70);
            self.later(0, Happening::Screen(agent, live));
        }
        self.add(Party::new("pbx", house::address(house::PBX), None));
        let spread = self.random.pick(&[1, 10, 30]);
        for index in 0..CALLS {
            let habits = self.habits();
            let caller = Party::new(&format!("call{index}@sim"), house::caller_at(index), Some(habits));
            let party = self.add(caller);
            let at = self.random.below(spread * SECOND);
            self.later(at, Happening::Wake(party, Wake::Begin));
        }
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
        let settings = &self.settings;
        let limit = settings.answer_within + settings.announce_within;
        self.judge.people.offer_limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
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
        }
    }

    fn add(&mut self, party: Party) -> usize {
        let index = self.parties.len();
        self.by_address.insert(party.address, index);
        self.judge.places.insert(party.address);
        self.parties.push(party);
        index
    }

    fn later(&mut self, after: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((self.now + after, self.order), happening);
    }

    fn set_presence_later(&mut self, agent: usize, word: &str, after: u64) {
        let request = Request::SetPresence {
            agent: house::agent_id(agent),
            status: word.parse().expect("a status written here"),
            by: SetBy::Manual,
            user: "simulated".to_owned(),
        };
        self.later(after, Happening::Ask(request));
    }

    /// Everything until nobody outside has anything left to do, and then the engine's own timers.
    fn go(&mut self) {
        while let Some(next) = self.queue.first_key_value().map(|(key, _)| *key) {
            self.step(Some(next));
            if !self.judge.breaches.is_empty() || self.now > 4_000 * SECOND {
                return;
            }
        }
        let quiet = self.now;
        let mut looked = false;
        while let Some(at) = self.engine.poll_timeout().map(Moment::as_micros) {
            if at > quiet + 42 * SECOND && !looked {
                looked = true;
                self.look_at_gauges(true);
            }
            self.step(None);
            if !self.judge.breaches.is_empty() {
                return;
            }
            while let Some(next) = self.queue.first_key_value().map(|(key, _)| *key) {
                self.step(Some(next));
            }
        }
        if !looked {
            self.look_at_gauges(false);
        }
        self.look_at_gauges(false);
        self.judge.run_is_over();
        self.judge.people.run_is_over();
        self.look_at_people();
        self.look_at_records();
    }

    /// The next happening or the next timer, whichever comes first.
    fn step(&mut self, next: Option<(u64, u64)>) {
        self.steps += 1;
        let timer = self.engine.poll_timeout().map(Moment::as_micros);
        let timer_first = timer.is_some_and(|timer| next.is_none_or(|(at, _)| timer <= at));
        if timer_first {
            self.set_clock(timer.unwrap_or_default());
            self.engine.handle_timeout(self.clock());
        } else if let Some(happening) = next.and_then(|key| {
            self.set_clock(key.0);
            self.queue.remove(&key)
        }) {
            self.happen(happening);
        }
        self.collect();
        self.judge.step_is_over();
        self.look_at_people();
        if self.steps.is_multiple_of(16) {
            self.look_at_limits();
        }
        if self.steps.is_multiple_of(8) {
            self.look_at_presences();
        }
    }

    fn set_clock(&mut self, at: u64) {
        self.now = self.now.max(at);
    }

    fn clock(&self) -> Now {
        let start = Now { moment: Moment::from_micros(SECOND), wall: self.wall };
        let moment = Moment::from_micros(self.now);
        Now { moment, wall: start.wall_at(moment) }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToEngine(from, bytes) => {
                self.trace.push(self.now, Step::In(from, bytes.clone()));
                let message = Message::parse(bytes.clone(), &super::limits()).expect("parties write well");
                self.judge.arrives(self.now, from, &message);
                let local = house::address(house::US);
                let flow = Flow {
                    protocol: Protocol::Udp,
                    local,
                    remote: from,
                    connection: None,
                    certificate: None,
                };
                self.input(Input::Received { flow, bytes });
            }
            Happening::ToParty(to, bytes) => {
                let message = Message::parse(bytes, &super::limits()).expect("the judge has read it");
                let Some(party) = self.by_address.get(&to).copied() else { return };
                self.act(party, |party, hand| party.hear(hand, &message));
            }
            Happening::Wake(party, wake) => self.act(party, |party, hand| party.wake(hand, wake)),
            Happening::LookedUp(token, answer) => self.input(Input::LookedUp(token, answer)),
            Happening::Announced(offer) => self.input(Input::Announced(offer)),
            Happening::SendFailed(token, bytes) => {
                let message = Message::parse(bytes, &super::limits()).expect("the judge has read it");
                self.judge.send_failed(&message);
                self.input(Input::SendFailed(token));
            }
            Happening::Resolved(token, resolution) => self.input(Input::Resolved(token, resolution)),
            Happening::Ask(request) => {
                self.asked += 1;
                self.trace.push(self.now, Step::Note(format!("asked: {request:?}")));
                self.input(Input::Asked(ReplyToken(self.asked), request));
            }
            Happening::Screen(agent, live) => self.input(Input::Screens(house::agent_id(agent), live)),
            Happening::Directory(without) => {
                self.trace.push(self.now, Step::Note(format!("@sim directory without {without:?}")));
                self.input(Input::Directory(Arc::new(house::directory(without))));
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.clock();
        self.engine.handle(now, input);
    }

    fn act(&mut self, party: usize, act: impl FnOnce(&mut Party, &mut Hand<'_>)) {
        let mut hand = Hand { now: self.now, random: &mut self.random, swarm: &self.swarm, acts: Vec::new() };
        act(&mut self.parties[party], &mut hand);
        let acts = hand.acts;
        let from = self.parties[party].address;
        for act in acts {
            match act {
                Act::Send(bytes) => {
                    for delay in self.network(from, &bytes) {
                        self.later(delay, Happening::ToEngine(from, bytes.clone()));
                    }
                }
                Act::Wake(after, wake) => self.later(after, Happening::Wake(party, wake)),
            }
        }
    }

    /// When each copy of a datagram arrives; none when it is lost.
    fn network(&mut self, at: SocketAddr, bytes: &Bytes) -> Vec<u64> {
        if self.random.chance(self.swarm.loss) {
            self.trace.push(self.now, Step::Lost(at, bytes.clone()));
            return Vec::new();
        }
        let copies = 1 + u64::from(self.random.chance(self.swarm.duplicate));
        let jitter = self.swarm.jitter_ms;
        (0..copies).map(|_| self.random.ms(1, 5) + self.random.ms(0, jitter)).collect()
    }

    fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.hash(&output);
            match output {
                Output::Send(datagram) => self.send(datagram),
                Output::Resolve { token, .. } => {
                    let found = self.random.chance(90);
                    let target = Target { protocol: Protocol::Udp, remote: house::phone_of(3) };
                    let targets = if found { vec![target] } else { Vec::new() };
                    let resolution = Resolution { targets, lasts: Duration::from_secs(60) };
                    let after = self.random.ms(0, 800);
                    self.later(after, Happening::Resolved(token, resolution));
                }
                Output::Lookup { token, .. } => self.look_up(token),
                Output::Event(event) => self.event(&event),
                Output::Reply(_, answer) => self.reply(*answer),
                Output::StoreStatus { .. } | Output::NoticeAcknowledged { .. } => {}
                Output::Record(record) => {
                    let text = format!("record {} {:?}", record.sip_call_id, record.end_reason);
                    self.trace.push(self.now, Step::Note(text));
                    self.judge.people.on_record(&record);
                    self.ids.insert(record.sip_call_id.clone(), record.id.to_string());
                    self.judge_end(&record);
                }
            }
        }
    }

    /// A completed call was ended by a BYE in the dialog the caller was given first.
    fn judge_end(&mut self, record: &toritsugi::events::CallRecord) {
        if record.end_reason != Some(toritsugi::events::EndReason::Completed) {
            return;
        }
        let call = record.sip_call_id.clone();
        let Some((_, tag)) = self.judge.finals.get(&call).cloned() else { return };
        if !self.judge.byes.contains(&(call.clone(), tag)) {
            let what = "the record says completed, and the dialog the caller is in had no BYE".to_owned();
            self.judge.breach("I10", &call, what);
        }
    }

    fn hash(&mut self, output: &Output) {
        self.now.hash(&mut self.hasher);
        match output {
            Output::Send(datagram) => {
                (datagram.remote, &datagram.bytes, datagram.token).hash(&mut self.hasher);
            }
            other => format!("{other:?}").hash(&mut self.hasher),
        }
    }

    fn send(&mut self, datagram: Datagram) {
        let Datagram { remote, bytes, token, .. } = datagram;
        self.trace.push(self.now, Step::Out(remote, bytes.clone()));
        if self.judge.out_of_engine(self.now, remote, &bytes).is_none() {
            return;
        }
        if let Some(token) = token
            && self.random.chance(self.swarm.send_failures)
        {
            self.trace.push(self.now, Step::Lost(remote, bytes.clone()));
            let after = self.random.ms(0, 20);
            return self.later(after, Happening::SendFailed(token, bytes));
        }
        for delay in self.network(remote, &bytes) {
            self.later(delay, Happening::ToParty(remote, bytes.clone()));
        }
    }

    fn look_up(&mut self, token: LookupToken) {
        let odd = self.random.chance(self.swarm.odd_lookups);
        let after = match (odd, self.random.below(3)) {
            (false, _) => self.random.ms(0, 20),
            (true, 0) => return,
            (true, 1) => self.random.ms(100, 200),
            (true, _) => self.random.ms(200, 5_000),
        };
        let answer = house::lookup_answer(&mut self.random, self.wall);
        self.later(after, Happening::LookedUp(token, answer));
    }

    fn event(&mut self, event: &Event) {
        let id = event.call.as_ref().map(ToString::to_string).unwrap_or_default();
        let note = format!("{} rev {:?} {id}", name_of(&event.body), event.rev);
        self.trace.push(self.now, Step::Note(note));
        self.judge.people.on_event(self.now, event);
        let agent = event.audience.iter().find_map(|audience| match audience {
            toritsugi::events::Audience::Agent(agent) => Some(agent.clone()),
            toritsugi::events::Audience::Team(_)
            | toritsugi::events::Audience::Board(_)
            | toritsugi::events::Audience::Admin => None,
        });
        let (Some(agent), Some(call)) = (agent, event.call.clone()) else { return };
        let rev = event.rev.unwrap_or_default();
        match &event.body {
            EventBody::PopOffered { offer, announce, .. } => {
                if *announce {
                    self.announce(offer.clone());
                }
                self.key(Request::ClaimPop { agent: agent.clone(), call: call.clone(), rev }, 4_000);
                self.key(Request::TakePop { agent: agent.clone(), call: call.clone(), rev }, 4_000);
                let reason = String::new();
                self.key(
                    Request::DeclinePop { agent: agent.clone(), call: call.clone(), rev, reason },
                    8_000,
                );
                let customer = toritsugi::presence::CustomerId::new("c1");
                self.key(Request::ChooseCustomer { agent, call, rev, customer }, 8_000);
            }
            EventBody::PopClaimed { .. } => {
                self.key(Request::TakePop { agent, call, rev }, 2_000);
            }
            EventBody::WrapupStarted { .. } => {
                let notice = "n1".to_owned();
                self.key(
                    Request::AcknowledgeNotice { agent: agent.clone(), call: call.clone(), notice },
                    3_000,
                );
                self.key(Request::FinishWrapUp { agent, call }, 9_000);
            }
            EventBody::PopMissed => {
                if self.random.chance(70) {
                    let number = agent.as_str()[1..].parse().unwrap_or(0);
                    let after = self.random.ms(100, 5_000);
                    self.set_presence_later(number, "available", after);
                }
            }
            _ => {}
        }
    }

    fn key(&mut self, request: Request, within_ms: u64) {
        if self.random.chance(self.swarm.agent_keys / 2) {
            let after = self.random.ms(0, within_ms);
            self.later(after, Happening::Ask(request));
        }
    }

    fn announce(&mut self, offer: OfferId) {
        let slow = self.random.chance(self.swarm.slow_screens);
        let after = match (slow, self.random.below(2)) {
            (false, _) => self.random.ms(0, 10),
            (true, 0) => return,
            (true, _) => self.random.ms(20, 120),
        };
        self.later(after, Happening::Announced(offer));
    }

    fn reply(&mut self, answer: Result<Answer, Refusal>) {
        if let Err(refusal) = answer {
            self.trace.push(self.now, Step::Note(format!("@sim refused: {:?}", refusal.code)));
        }
    }

    fn look_at_people(&mut self) {
        for (rule, id, what) in std::mem::take(&mut self.judge.people.faults) {
            let call = self.sip_id(id.as_str());
            self.judge.breach(rule, &call, format!("{id}: {what}"));
        }
    }

    /// SIP's Call-ID of a call of ours.
    fn sip_id(&mut self, id: &str) -> String {
        if let Some((sip, _)) = self.ids.iter().find(|(_, ours)| *ours == id) {
            return sip.clone();
        }
        self.asked += 1;
        let call = toritsugi::presence::CallId::new(id);
        self.input(Input::Asked(ReplyToken(self.asked), Request::LiveCall(call)));
        let mut found = String::new();
        while let Some(output) = self.engine.poll_output() {
            if let Output::Reply(_, answer) = output
                && let Ok(Answer::Calls(calls)) = *answer
                && let Some(call) = calls.first()
            {
                found.clone_from(&call.sip_call_id);
            }
        }
        self.ids.insert(found.clone(), id.to_owned());
        found
    }

    /// I6: what the engine knows of each agent is what it told.
    fn look_at_presences(&mut self) {
        self.asked += 1;
        self.input(Input::Asked(ReplyToken(self.asked), Request::Presences));
        while let Some(output) = self.engine.poll_output() {
            if let Output::Reply(_, answer) = output
                && let Ok(Answer::Presences(documents)) = *answer
            {
                documents.iter().for_each(|document| self.judge.people.compare(document));
            }
        }
        self.look_at_people();
    }

    /// I17, I18: tables and timers within their limits.
    fn look_at_limits(&mut self) {
        let gauges = self.engine.gauges();
        let floor = self.now.saturating_sub(100 * SECOND);
        let live = self.judge.last_activity.values().filter(|at| **at >= floor).count();
        let calls = live.max(gauges.calls);
        let limit = self.settings.calls.max(1) + house::AGENTS;
        if gauges.timers > 8 * calls + 1 + 8 {
            self.judge.breach("I17", "", format!("{} timers for {calls} calls", gauges.timers));
        }
        if gauges.calls > limit + CALLS || gauges.offers > house::AGENTS {
            self.judge.breach("I18", "", format!("tables too full: {gauges:?}"));
        }
    }

    /// I16: nothing is left over but calls that nobody ended.
    fn look_at_gauges(&mut self, open_calls: bool) {
        let gauges = self.engine.gauges();
        let transactions = gauges.server_transactions + gauges.client_transactions + gauges.contexts;
        let ended = self.judge.people.records.len();
        let open = if open_calls { self.judge.accepted.len().saturating_sub(ended) } else { 0 };
        let left = gauges.calls > open + gauges.wrapping || (!open_calls && gauges.wrapping > 0);
        let timers = gauges.timers > open + usize::from(gauges.wrapping > 0 || open_calls);
        if transactions + gauges.offers + gauges.names_awaited > 0 || left || timers {
            let call = self.oldest_unrecorded();
            self.judge.breach("I16", &call, format!("left over, {open} calls open: {gauges:?}"));
        }
    }

    fn oldest_unrecorded(&self) -> String {
        let records = &self.judge.people.records;
        let unrecorded = self.judge.accepted.iter().find(|call| !records.contains_key(*call));
        unrecorded.cloned().unwrap_or_default()
    }

    /// I10 and liveness: one record for each call, which says what the caller was told.
    fn look_at_records(&mut self) {
        let mut faults = Vec::new();
        for call in &self.judge.accepted {
            let Some(record) = self.judge.people.records.get(call) else {
                faults.push(("I10", call.clone(), "no record was written".to_owned()));
                continue;
            };
            let told = self.judge.finals.get(call).map(|(status, _)| *status);
            // An answer that crosses CANCEL counts as given up (D10), whatever status it had.
            let crossed = self.judge.cancels.contains(call)
                && record.end_reason == Some(toritsugi::events::EndReason::Abandoned)
                && told.is_some_and(|status| (200..300).contains(&status));
            if record.status != told && !crossed {
                let what = format!(
                    "the record says {:?} {:?}, the caller was told {told:?}",
                    record.status, record.end_reason
                );
                faults.push(("I10", call.clone(), what));
            }
        }
        for party in self.parties.iter().filter(|party| party.habits.is_some()) {
            let ended = matches!(party.outcome, Outcome::Connected | Outcome::Refused(_));
            if self.swarm.is_quiet() && !ended {
                faults.push(("live", party.name.clone(), format!("the caller ends {:?}", party.outcome)));
            }
        }
        for (rule, call, what) in faults {
            self.judge.breach(rule, &call, what);
        }
    }

    fn finish(mut self) -> Report {
        let breaches = std::mem::take(&mut self.judge.breaches);
        let breaches = breaches
            .into_iter()
            .map(|breach| {
                let id = self.ids.get(&breach.call).cloned();
                let other: Vec<String> = id.into_iter().collect();
                let ladder = self.trace.ladder(&breach.call, &other);
                (breach, ladder)
            })
            .collect();
        Report {
            breaches,
            swarm: self.swarm,
            hash: self.hasher.finish(),
            outcomes: self.parties.iter().filter(|it| it.habits.is_some()).map(|it| it.outcome).collect(),
        }
    }
}
