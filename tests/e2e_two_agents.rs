//! Two agents and more callers than they can take: nobody is ever offered a second call.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::desk::{Desk, Frame};
use support::judge::{doubled_at_phones, doubled_on_screens};
use support::log::Log;
use support::needs::needs;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, NOBODY_WAITS, Site, agent_ids, caller};

const AGENTS: usize = 2;
const PICK_UP: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(20), ring: Duration::from_millis(50) };

#[test]
fn forty_calls_at_once_never_offer_an_agent_two() {
    let Some(house) = House::open(PICK_UP) else { return };
    assert_eq!(house.calls("uac", 40, 1000, 300), Outcome { successful: 40, failed: 0 });
    assert!(house.phones.count(What::Answered) >= AGENTS, "both agents had a call");
    assert_eq!(house.phones.count(What::Answered) + house.pbx.count(What::Answered), 40);
    house.nobody_was_offered_two();
}

#[test]
fn a_stream_of_short_calls_never_offers_an_agent_two() {
    let Some(house) = House::open(PICK_UP) else { return };
    assert_eq!(house.calls("uac", 200, 40, 20), Outcome { successful: 200, failed: 0 });
    assert!(house.phones.count(What::Answered) > 20, "the agents became free again");
    house.nobody_was_offered_two();
}

#[test]
fn callers_who_give_up_leave_no_agent_stuck_and_none_with_two() {
    let Some(house) = House::open(Behaviour::Ring) else { return };
    house.pbx.set(LINE, Behaviour::Ring);
    assert_eq!(house.calls("uac_cancel", 40, 20, 100), Outcome { successful: 40, failed: 0 });
    house.nobody_was_offered_two();
    let before = house.phones.count(What::Invite);
    for agent in agent_ids(AGENTS) {
        house.phones.set(&agent, PICK_UP);
    }
    assert_eq!(house.calls("uac", 1, 1, 50), Outcome { successful: 1, failed: 0 });
    assert_eq!(house.phones.count(What::Invite), before + 1, "an agent was free for the next caller");
}

struct House {
    // Screens close before the server stops.
    _desks: Vec<Desk>,
    frames: Arc<Log<Frame>>,
    phones: Phones,
    pbx: Phones,
    site: Site,
}

impl House {
    /// `None` when a tool is missing.
    fn open(behaviour: Behaviour) -> Option<Self> {
        if !needs(&["sipp"]) {
            return None;
        }
        let mut site = Site::new("wrap_up_s = 0", NOBODY_WAITS);
        site.add_agents(AGENTS, &site.phones().to_string());
        let phones = Phones::start(site.phones(), behaviour);
        let pbx = Phones::start(site.pbx(), PICK_UP);
        site.serve();
        let frames = Arc::new(Log::default());
        let desks = agent_ids(AGENTS).iter().map(|agent| site.open_desk(agent, &frames)).collect();
        Some(Self { _desks: desks, frames, phones, pbx, site })
    }

    fn calls(&self, scenario: &str, count: usize, rate: u32, pause_ms: u64) -> Outcome {
        let numbers = (0..count).map(|n| (caller(n).0, LINE.to_owned())).collect();
        let callers =
            Sipp::new(scenario, self.site.trunk(), numbers).rate(rate).pause(Duration::from_millis(pause_ms));
        callers.run(self.site.sip(), self.site.folder())
    }

    fn nobody_was_offered_two(&self) {
        let at_phones = self.phones.log.read(doubled_at_phones);
        assert!(at_phones.is_empty(), "{at_phones:#?}");
        let on_screens = self.frames.read(doubled_on_screens);
        assert!(on_screens.is_empty(), "{on_screens:#?}");
    }
}
