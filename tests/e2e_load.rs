//! 1,000 calls at 50 a second: all connected, and for each the card was on the screen before the phone rang.

mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use support::judge::{Stamps, doubled_at_phones, pop_leads};
use support::log::Log;
use support::needs::needs;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, Site, agent_ids, caller};
use support::tap::Tap;

const CALLS: usize = 1000;
const CALLS_PER_S: u32 = 50;
/// 50 calls a second of about a third of a second keep fewer than 20 busy; on a slow machine more.
const AGENTS: usize = 80;

#[test]
fn a_thousand_calls_at_fifty_a_second_all_connect_and_every_pop_is_first() {
    if !needs(&["sipp"]) {
        return;
    }
    // It counts calls and not refusals, and looks at the order and not at the time: on a slow machine a queue
    // may stand, and a screen be late.
    let mut site = Site::new("wrap_up_s = 0\nannounce_within_ms = 1000", "[sip.limits]\nlag_ms = 0\n");
    site.add_agents(AGENTS, &site.phones().to_string());
    site.import("customers", &customers());
    // A phone needs a moment before it rings; until then nothing but the pop and the INVITE is under way,
    // so that a late reader of the screen does not see several frames as one.
    let behaviour = Behaviour::Answer { quiet: Duration::from_millis(30), ring: Duration::from_millis(30) };
    let phones = Phones::start(site.phones(), behaviour);
    let pbx = Phones::start(site.pbx(), behaviour);
    site.serve();
    let frames = Arc::new(Log::default());
    let tap = Tap::open(site.http(), site.phones());
    let desks: Vec<_> = agent_ids(AGENTS).iter().map(|agent| site.open_desk(agent, &frames)).collect();

    let numbers = (0..CALLS).map(|n| (caller(n).0, LINE.to_owned())).collect();
    let callers = Sipp::new("uac", site.trunk(), numbers)
        .rate(CALLS_PER_S)
        .pause(Duration::from_millis(200))
        .limit(Duration::from_secs(90));
    let outcome = callers.run(site.sip(), site.folder());

    assert_eq!(outcome, Outcome { successful: CALLS as u64, failed: 0 });
    phones.wait_for(What::Bye, CALLS, Duration::from_secs(30));
    assert_eq!(pbx.count(What::Invite), 0, "an agent was free for every call");
    let leads = match &tap {
        Some(tap) => {
            tap.wait_for_invites(CALLS, Duration::from_secs(30));
            tap.frames
                .read(|frames| tap.invites.read(|invites| pop_leads(frames, invites, Stamps::OfPackets)))
        }
        None => frames.read(|frames| phones.log.read(|events| pop_leads(frames, events, Stamps::OfReads))),
    };
    // The figures belong into the record of the run; a closed standard error is no failure.
    let _ = writeln!(std::io::stderr(), "{}", leads.summary());
    assert!(leads.late.is_empty(), "{} pops were late: {:#?}", leads.late.len(), leads.late);
    assert!(leads.first.len() + leads.unclear >= CALLS, "{}", leads.summary());
    let doubled = phones.log.read(doubled_at_phones);
    assert!(doubled.is_empty(), "{doubled:#?}");
    drop(desks);
}

/// Half of the callers are known.
fn customers() -> String {
    let mut csv = "id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags\n".to_owned();
    for n in (0..CALLS).step_by(2) {
        let (national, _) = caller(n);
        writeln!(csv, "cu-{n},顧客 {n},コキャク,,B,ja,{national},,,,").expect("a String takes everything");
    }
    csv
}
