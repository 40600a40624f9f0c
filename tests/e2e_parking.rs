//! Real callers (SIPp) who wait while every agent is busy, ringing, until one is free.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use support::api::Api;
use support::desk::{Desk, Frame};
use support::judge::{Stamps, doubled_at_phones, doubled_on_screens, pop_leads};
use support::log::{Log, poll};
use support::needs::needs;
use support::net::host;
use support::phones::{Behaviour, PhoneEvent, Phones, What};
use support::sipp::{Outcome, Running, Sipp};
use support::site::{LINE, Site, agent_ids, caller};
use support::tap::Tap;

const PICK_UP: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(20), ring: Duration::from_millis(50) };
/// The order of pop and INVITE is looked at, not the time: on a slow machine a screen may be late.
const ROUTING: &str = "wrap_up_s = 0\nannounce_within_ms = 1000";
/// Callers are counted, not refusals: on a slow machine a queue may stand.
const LAG: &str = "[sip.limits]\nlag_ms = 0\n\n";
const SOON: Duration = Duration::from_secs(10);
const ONE: Outcome = Outcome { successful: 1, failed: 0 };

#[test]
fn i26_a_caller_waits_ringing_until_the_agent_hangs_up() {
    let Some(house) = House::open(1, "ringing_limit_s = 60") else { return };
    let first = house.call("uac", 0, 5060, 3_000);
    house.desks[0].wait_for(SOON, |frame| frame.is("call.answered"));
    let second = house.call("uac_waits", 1, 5061, 100);
    let parked = house.desks[0].wait_for(SOON, |frame| frame.is("call.parked"));
    assert_eq!(parked.json["data"]["mode"], "ringing");
    assert_eq!(parked.json["data"]["position"], 1);
    assert_eq!(parked.e164(), caller(1).1);
    assert_eq!(house.phones.count(What::Invite), 1, "the agent is left alone while talking");
    assert_eq!(first.finish(), ONE);
    assert_eq!(second.finish(), ONE);
    let retrieved = house.desks[0].wait_for(SOON, |frame| frame.is("call.retrieved"));
    assert_eq!(retrieved.json["data"]["outcome"], "retrieved");
    assert_eq!(retrieved.json["data"]["by"], "a101");
    assert_eq!(retrieved.call(), parked.call());
    assert_eq!(house.phones.count(What::Answered), 2);
    assert_eq!(house.pbx.count(What::Invite), 0);
    house.pops_came_first();
    let waited = house.phones.log.read(from_free_to_invite);
    println!("from BYE at the phone to the next INVITE there: {waited:?}");
    assert!(waited < Duration::from_secs(1), "I26: {waited:?}");
}

#[test]
fn i6_twenty_callers_share_two_agents_and_none_is_lost() {
    let Some(house) = House::open(2, "ringing_limit_s = 120") else { return };
    let numbers = (0..20).map(|n| (caller(n).0, LINE.to_owned())).collect();
    let callers = Sipp::new("uac", house.site.trunk(), numbers).rate(100).pause(Duration::from_millis(100));
    assert_eq!(callers.run(house.site.sip(), house.site.folder()), Outcome { successful: 20, failed: 0 });
    assert_eq!(house.phones.count(What::Answered), 20, "the agents took them all");
    assert_eq!(house.pbx.count(What::Invite), 0);
    let at_phones = house.phones.log.read(doubled_at_phones);
    assert!(at_phones.is_empty(), "{at_phones:#?}");
    let on_screens = house.frames.read(doubled_on_screens);
    assert!(on_screens.is_empty(), "{on_screens:#?}");
    house.pops_came_first();
}

#[test]
fn m101_a_caller_who_gives_up_while_waiting_is_abandoned() {
    let Some(house) = House::open(1, "ringing_limit_s = 60") else { return };
    let first = house.call("uac", 0, 5060, 2_000);
    house.desks[0].wait_for(SOON, |frame| frame.is("call.answered"));
    let second = house.call("uac_cancel", 1, 5061, 300);
    let parked = house.desks[0].wait_for(SOON, |frame| frame.is("call.parked"));
    assert_eq!(second.finish(), ONE);
    let left = house.desks[0].wait_for(SOON, |frame| frame.is("call.retrieved"));
    assert_eq!((left.call(), &left.json["data"]["outcome"]), (parked.call(), &"gave_up".into()));
    assert_eq!(first.finish(), ONE);
    let api: Api = house.site.log_in("chief");
    let record = poll(SOON, || {
        let answer = api.get(&format!("/api/v1/calls/{}", parked.call()));
        Some(answer).filter(|answer| answer.status == 200 && !answer.body["ended_at"].is_null())
    });
    let record = record.expect("the call is recorded");
    assert_eq!(record.body["end_reason"], "abandoned", "{}", record.body);
    assert_eq!(house.phones.count(What::Invite), 1, "the agent's phone never rang for the second caller");
}

#[test]
fn i8_at_the_limit_the_pbx_answers() {
    let Some(house) = House::open(1, "ringing_limit_s = 1") else { return };
    let first = house.call("uac", 0, 5060, 4_000);
    house.desks[0].wait_for(SOON, |frame| frame.is("call.answered"));
    let second = house.call("uac_waits", 1, 5061, 100);
    assert_eq!(second.finish(), ONE);
    assert_eq!(house.pbx.count(What::Answered), 1);
    let left = house.desks[0].wait_for(SOON, |frame| frame.is("call.retrieved"));
    assert_eq!(left.json["data"]["outcome"], "timed_out");
    assert_eq!(first.finish(), ONE);
}

#[test]
fn i26_with_hundreds_waiting_the_next_caller_comes_as_soon_as_the_agent_is_free() {
    let callers = callers_waiting();
    if !needs(&["sipp"]) {
        return;
    }
    let park = format!("{LAG}[park]\nmodes = [\"ringing\"]\nringing_limit_s = 8\nplaces = {callers}");
    let mut site = Site::new(ROUTING, &park);
    site.add_agents_without_log_ins(4, &site.phones().to_string());
    let phones = Phones::start(site.phones(), PICK_UP);
    let pbx = Phones::start(site.pbx(), PICK_UP);
    site.serve();
    let numbers = (0..callers).map(|n| (caller(n).0, LINE.to_owned())).collect();
    let calling = Sipp::new("uac_waits", site.trunk(), numbers);
    let calling = calling.rate((callers / 3) as u32).pause(Duration::from_millis(100));
    let outcome = calling.run(site.sip(), site.folder());
    assert_eq!(outcome, Outcome { successful: callers as u64, failed: 0 });
    let answered = phones.count(What::Answered);
    assert_eq!(answered + pbx.count(What::Answered), callers, "nobody is lost");
    assert!(phones.log.read(doubled_at_phones).is_empty());
    let mut gaps = phones.log.read(gaps_between_calls);
    gaps.sort_unstable();
    let (median, most) = (gaps[gaps.len() / 2], gaps[gaps.len() * 99 / 100]);
    println!(
        "{answered} calls by 4 agents, {} waited in vain; BYE to INVITE at one phone: median {median:?}, \
              p99 {most:?}",
        callers - answered
    );
    assert!(most < Duration::from_secs(1), "I26: {most:?}");
}

/// So many wait in the test with hundreds; `make bench` asks for more.
fn callers_waiting() -> usize {
    std::env::var("TORITSUGI_TEST_CALLERS").ok().and_then(|number| number.parse().ok()).unwrap_or(600)
}

/// At each phone, from each BYE to the next INVITE.
fn gaps_between_calls(events: &[PhoneEvent]) -> Vec<Duration> {
    let mut free: HashMap<&str, SystemTime> = HashMap::new();
    let mut gaps = Vec::new();
    for event in events {
        match event.what {
            What::Bye => _ = free.insert(&event.user, event.at),
            What::Invite => {
                let since = free.remove(event.user.as_str());
                gaps.extend(since.and_then(|since| event.at.duration_since(since).ok()));
            }
            What::InviteAgain
            | What::Answered
            | What::Acked
            | What::Cancelled
            | What::Refused
            | What::Other => {}
        }
    }
    gaps
}

/// From the end of the first call at the phone to the INVITE of the next.
fn from_free_to_invite(events: &[PhoneEvent]) -> Duration {
    let at = |what: What, nth: usize| -> SystemTime {
        events.iter().filter(|event| event.what == what).nth(nth).expect("it happened").at
    };
    at(What::Invite, 1).duration_since(at(What::Bye, 0)).expect("the agent was free first")
}

struct House {
    // Screens close before the server stops.
    desks: Vec<Desk>,
    frames: Arc<Log<Frame>>,
    phones: Phones,
    pbx: Phones,
    /// `None` without the right to look at packets.
    tap: Option<Tap>,
    site: Site,
}

impl House {
    /// `None` when a tool is missing.
    fn open(agents: usize, park: &str) -> Option<Self> {
        if !needs(&["sipp"]) {
            return None;
        }
        let mut site = Site::new(ROUTING, &format!("{LAG}[park]\nmodes = [\"ringing\"]\n{park}"));
        site.add_agents(agents, &site.phones().to_string());
        site.add_user("chief", "manager", None);
        let phones = Phones::start(site.phones(), PICK_UP);
        let pbx = Phones::start(site.pbx(), PICK_UP);
        site.serve();
        let frames = Arc::new(Log::default());
        let tap = Tap::open(site.http(), site.phones());
        let desks = agent_ids(agents).iter().map(|agent| site.open_desk(agent, &frames)).collect();
        Some(Self { desks, frames, phones, pbx, tap, site })
    }

    /// One caller, who follows the scenario.
    fn call(&self, scenario: &str, number: usize, port: u16, pause_ms: u64) -> Running {
        let numbers = vec![(caller(number).0, LINE.to_owned())];
        Sipp::new(scenario, self.site.net.at(host::TRUNK, port), numbers)
            .pause(Duration::from_millis(pause_ms))
            .start(self.site.sip(), self.site.folder())
    }

    fn pops_came_first(&self) {
        let leads = match &self.tap {
            Some(tap) => {
                tap.wait_for_invites(self.phones.count(What::Invite), SOON);
                tap.frames
                    .read(|frames| tap.invites.read(|calls| pop_leads(frames, calls, Stamps::OfPackets)))
            }
            None => self
                .frames
                .read(|frames| self.phones.log.read(|phones| pop_leads(frames, phones, Stamps::OfReads))),
        };
        assert!(leads.late.is_empty(), "{:#?}", leads.late);
        assert!(leads.first.len() + leads.unclear >= self.phones.count(What::Invite), "{}", leads.summary());
    }
}
