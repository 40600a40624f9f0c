//! The engine's transitions: octets are read as what happens to a small house: messages of callers, phones
//! and strangers, whole, changed or repeated, time that passes, look-ups, screens, people's commands, a
//! restart. Whatever happens in whatever order, what [`world::World`] judges after each step holds.

mod tape;
mod world;

use std::time::Duration;

use bytes::Bytes;
use toritsugi::engine::{Input, Request};
use toritsugi::presence::{AgentId, AgentStatus, CallId, CustomerId, SetBy};

use tape::Tape;
use world::{CARRIER, PBX, STRANGER, World, agent, phone};

/// At most so many things happen in one life.
const STEPS: usize = 96;

/// One life of the house.
pub fn check(octets: &[u8]) {
    let mut world = World::new();
    let mut tape = Tape(octets);
    for _ in 0..STEPS {
        let Some(kind) = tape.octet() else { break };
        step(&mut world, kind, &mut tape);
        world.judge();
    }
    world.end();
}

fn step(world: &mut World, kind: u8, tape: &mut Tape<'_>) {
    match kind % 20 {
        0 | 1 => invite(world, tape),
        2 | 3 => phone_answers(world, tape),
        4 => within_dialog(world, tape),
        5 => world.cancel(tape.index()),
        6 => world.acknowledge(tape.index()),
        7 => {
            let micros = [1_000, 60_000, 200_000, 600_000, 2_000_000, 11_000_000, 40_000_000, 200_000_000];
            world.advance(Duration::from_micros(micros[tape.index() % micros.len()]));
        }
        8 => world.next_timer(),
        9 => world.look_up_ends(tape.index()),
        10 => world.announced(),
        11 => world.input(Input::Screens(agent(tape.index()), tape.flag())),
        12 | 13 => somebody_asks(world, tape),
        14 => world.send_fails(tape.index()),
        15 => world.resolved(tape.index()),
        16 => world.repeat(tape.index()),
        17 => changed(world, tape),
        18 => raw(world, tape),
        _ => match tape.index() % 4 {
            0 => world.reborn(),
            1 => world.change_directory(tape.index()),
            2 => world.status_is_stored(tape.index()),
            _ => world.drain_or_reload(tape.flag()),
        },
    }
}

/// A caller calls: a line, a number of nobody, an emergency number; with many variations of form.
fn invite(world: &mut World, tape: &mut Tape<'_>) {
    let form = tape.octet().unwrap_or_default();
    let called = ["0312345678", "0399999999", "119", "phone3.example", "0312345678"][usize::from(form % 5)];
    let from = [
        "<sip:+819012345678@192.0.2.10>",
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "<sip:nobody@192.0.2.10>",
        "<tel:+819012345678>",
    ][usize::from(form >> 3 & 3)];
    let extra = [
        "",
        "Max-Forwards: 0\r\n",
        "Require: 100rel\r\n",
        "Route: <sip:192.0.2.1:5060;lr>\r\n",
        "Privacy: id\r\n",
        "Route: <sip:198.51.100.99;lr>\r\n",
        "Supported: timer, 100rel\r\n",
        "Expires: 1\r\n",
    ][usize::from(form >> 5)];
    let source = if form == 0xff { STRANGER } else { CARRIER };
    world.call(source, called, from, extra);
}

/// A phone or the PBX answers a request it was sent.
fn phone_answers(world: &mut World, tape: &mut Tape<'_>) {
    const STATUSES: [u16; 20] =
        [180, 200, 486, 183, 100, 404, 603, 302, 503, 408, 487, 401, 407, 481, 500, 199, 202, 380, 600, 699];
    let status = STATUSES[tape.index() % STATUSES.len()];
    world.answer(tape.index(), status, tape.octet().unwrap_or_default() % 3);
}

/// A request within a call that was answered, from one side or the other.
fn within_dialog(world: &mut World, tape: &mut Tape<'_>) {
    const METHODS: [&str; 8] = ["BYE", "INVITE", "UPDATE", "INFO", "PRACK", "REFER", "NOTIFY", "FOO"];
    let (method, call) = (METHODS[tape.index() % METHODS.len()], tape.index());
    world.within(call, method, tape.flag());
}

fn somebody_asks(world: &mut World, tape: &mut Tape<'_>) {
    let who = agent(tape.index());
    let call = world.call_id(tape.index()).unwrap_or_else(|| CallId::new("0".repeat(26)));
    let rev = u32::from(tape.octet().unwrap_or_default() % 6);
    let request = match tape.index() % 11 {
        0 => Request::ClaimPop { agent: who, call, rev },
        1 => Request::TakePop { agent: who, call, rev },
        2 => Request::DeclinePop { agent: who, call, rev, reason: "busy".to_owned() },
        3 => Request::ChooseCustomer { agent: who, call, rev, customer: CustomerId::new("c1") },
        4 => Request::AcknowledgeNotice { agent: who, call, notice: "n1".to_owned() },
        5 => Request::FinishWrapUp { agent: who, call },
        6 => Request::Presences,
        7 => Request::LiveCalls,
        8 => Request::LiveCall(call),
        9 => presence(who, AgentStatus::Offline),
        _ => presence(who, AgentStatus::Available),
    };
    world.ask(request);
}

fn presence(agent: AgentId, status: AgentStatus) -> Request {
    Request::SetPresence { agent, status, by: SetBy::Supervisor, user: "fuzz".to_owned() }
}

/// Something that was sent or received before comes in again, changed at one place, from anywhere.
fn changed(world: &mut World, tape: &mut Tape<'_>) {
    let Some(mut octets) = world.anything_seen(tape.index()).map(|bytes| bytes.to_vec()) else { return };
    let at = usize::from(tape.octet().unwrap_or_default()) * 4 % octets.len().max(1);
    let end = (at + tape.index() % 12).min(octets.len());
    octets.splice(at..end, tape.some(12).iter().copied());
    world.receive(source(tape.index()), Bytes::from(octets));
}

/// Octets straight from the tape.
fn raw(world: &mut World, tape: &mut Tape<'_>) {
    let from = source(tape.index());
    let length = usize::from(tape.octet().unwrap_or_default()) * 4;
    let octets = Bytes::copy_from_slice(tape.some(length));
    world.receive(from, octets);
}

fn source(index: usize) -> &'static str {
    [CARRIER, PBX, phone(0), phone(1), STRANGER, "198.51.100.67:5060"][index % 6]
}
