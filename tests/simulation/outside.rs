//! What the engine puts out, and what everybody outside makes of it.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;
use std::net::SocketAddr;
use std::time::Duration;

use toritsugi::engine::{Answer, Datagram, LookupToken, Output, Refusal, Request, Resolution};
use toritsugi::events::{Audience, CallRecord, EndReason, Event, EventBody};
use toritsugi::media::{Digit, MediaFault, MediaOrder, MediaReport};
use toritsugi::presence::{AgentId, CustomerId, OfferId};
use toritsugi::proxy::Target;
use toritsugi::transport::Protocol;

use super::house;
use super::ladder::Step;
use super::people_judge::name_of;
use super::world::{Happening, World};

/// Text that goes into the hash of a run without being kept.
struct Octets<'a>(&'a mut DefaultHasher);

impl fmt::Write for Octets<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

impl World {
    pub(super) fn collect(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            self.hash(&output);
            match output {
                Output::Send(datagram) => self.send(datagram),
                Output::Resolve { token, .. } => {
                    let found = !self.swarm.bad_names || self.random.chance(90);
                    let target =
                        Target { protocol: Protocol::Udp, remote: house::phone_of(house::NAMED_PHONE) };
                    let targets = if found { vec![target] } else { Vec::new() };
                    let resolution = Resolution { targets, lasts: Duration::from_secs(60) };
                    let after = self.random.ms(0, 800);
                    self.later(after, Happening::Resolved(token, resolution));
                }
                Output::Lookup { token, .. } => self.look_up(token),
                Output::Event(event) => self.event(&event),
                Output::Reply(_, answer) => self.reply(*answer),
                Output::Media(order) => self.order(&order),
                Output::StoreCallback { callback, .. } => self.judge.callbacks.stored(&callback),
                Output::StoreStatus { .. } | Output::NoticeAcknowledged { .. } | Output::Audit(_) => {}
                Output::Record(record) => {
                    let text = || format!("record {} {:?}", record.sip_call_id, record.end_reason);
                    self.trace.note(self.now, text);
                    self.judge.people.on_record(&record);
                    self.judge.callbacks.on_record(&record);
                    self.ids.insert(record.sip_call_id.clone(), record.id.to_string());
                    self.judge_end(&record);
                }
            }
        }
    }

    /// Media ports open soon, or not at all.
    fn order(&mut self, order: &MediaOrder) {
        self.press(order);
        let Some(stream) = self.judge.music.ordered(order) else { return };
        let report = if self.random.chance(90) {
            let local = SocketAddr::from(([192, 0, 2, 1], super::music_judge::PORT));
            MediaReport::Opened { stream, local }
        } else {
            MediaReport::Refused { stream, why: MediaFault::NoPort }
        };
        let after = self.random.ms(0, 20);
        self.later(after, Happening::Media(report));
    }

    /// Some callers who hear music press 1, impatient ones several times; what they are told ends some time
    /// later, or its end is never told.
    fn press(&mut self, order: &MediaOrder) {
        match order {
            MediaOrder::Play { stream, .. } if self.random.chance(30) => {
                for _ in 0..self.random.between(1, 3) {
                    let after = self.random.ms(0, 9_000);
                    let pressed = MediaReport::Pressed { stream: *stream, digit: Digit::Number(1) };
                    self.later(after, Happening::Media(pressed));
                }
            }
            MediaOrder::Announce { stream, .. } if self.random.chance(80) => {
                let after = self.random.ms(500, 4_000);
                self.later(after, Happening::Media(MediaReport::Said { stream: *stream }));
            }
            MediaOrder::Play { .. }
            | MediaOrder::Announce { .. }
            | MediaOrder::Open { .. }
            | MediaOrder::Close { .. } => {}
        }
    }

    /// A completed call was ended by a BYE in the dialog the caller was given first.
    fn judge_end(&mut self, record: &CallRecord) {
        if record.end_reason != Some(EndReason::Completed) {
            return;
        }
        let call = record.sip_call_id.clone();
        if self.judge.music.is_anchored(&call) {
            return;
        }
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
                (datagram.remote, datagram.protocol, &datagram.bytes, datagram.token).hash(&mut self.hasher);
            }
            Output::Event(event) => {
                (event.at, event.rev, event.audience.len(), discriminant(&event.body)).hash(&mut self.hasher);
                event.call.as_ref().map(ToString::to_string).hash(&mut self.hasher);
            }
            other => {
                let _ = write!(Octets(&mut self.hasher), "{other:?}");
            }
        }
    }

    fn send(&mut self, datagram: Datagram) {
        let Datagram { remote, bytes, token, protocol, .. } = datagram;
        self.trace.push(self.now, Step::Out(remote, bytes.clone()));
        let Some(message) = self.judge.out_of_engine(self.now, remote, protocol, &bytes) else { return };
        let Some(party) = self.by_address.get(&remote).copied() else { return };
        if let Some(token) = token
            && self.random.chance(self.swarm.send_failures)
        {
            self.trace.push(self.now, Step::Lost(remote, bytes));
            let after = self.random.ms(0, 20);
            return self.later(after, Happening::SendFailed(token, message));
        }
        if protocol != Protocol::Udp {
            let delay = self.stream(party, false);
            return self.later(delay, Happening::ToParty(party, message));
        }
        for delay in self.network(remote, &bytes) {
            self.later(delay, Happening::ToParty(party, message.clone()));
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
        self.trace.note(self.now, || format!("{} rev {:?} {id}", name_of(&event.body), event.rev));
        self.judge.people.on_event(self.now, event);
        self.judge.lot.on_event(self.now, event);
        let agent = event.audience.iter().find_map(|audience| match audience {
            Audience::Agent(agent) => Some(agent.clone()),
            Audience::Team(_) | Audience::Board(_) | Audience::Admin => None,
        });
        let (Some(agent), Some(call)) = (agent, event.call.clone()) else { return };
        let rev = event.rev.unwrap_or_default();
        match &event.body {
            EventBody::PopOffered { offer, announce, .. } => {
                self.offers.push((call.clone(), *announce, agent.clone()));
                if *announce {
                    self.announce(offer.clone());
                    self.freeze(&agent, offer);
                }
                self.key(Request::ClaimPop { agent: agent.clone(), call: call.clone(), rev }, 4_000);
                self.key(Request::TakePop { agent: agent.clone(), call: call.clone(), rev }, 4_000);
                self.key(Request::ParkCall { agent: agent.clone(), call: call.clone(), rev }, 4_000);
                let reason = String::new();
                self.key(
                    Request::DeclinePop { agent: agent.clone(), call: call.clone(), rev, reason },
                    8_000,
                );
                let customer = CustomerId::new("c1");
                self.key(Request::ChooseCustomer { agent, call, rev, customer }, 8_000);
            }
            EventBody::CallParked(_) => {
                let agent = super::house::agent_id(self.random.below(super::house::AGENTS as u64) as usize);
                self.key(Request::RetrieveCall { agent, call }, 9_000);
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

    /// Some screens do not paint their card, or stop answering pings, and most come back.
    fn freeze(&mut self, agent: &AgentId, offer: &OfferId) {
        let Some(random) = &mut self.frozen else { return };
        if !random.chance(30) {
            return;
        }
        let after = random.ms(200, 3_000);
        let back = random.chance(70).then(|| random.ms(0, 70_000));
        let offer = random.chance(80).then(|| offer.clone());
        self.later(after, Happening::Stale(agent.clone(), offer));
        if let Some(back) = back {
            self.later(after + back, Happening::Fresh(agent.clone()));
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
            self.trace.note(self.now, || format!("@sim refused: {:?}", refusal.code));
        }
    }
}
