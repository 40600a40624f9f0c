//! Two agents and more callers than they can take: nobody is ever offered a second call.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::desk::{Desk, Frame};
use support::judge::{doubled_at_phones, doubled_on_screens};
use support::log::{Log, poll};
use support::needs::needs;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, NOBODY_WAITS, Site, agent_ids, caller};

const AGENTS: usize = 2;
const SOON: Duration = Duration::from_secs(10);
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

/// Both phones ring and both screens show it; who answers has the call, and the other falls silent.
#[test]
fn a_rule_that_rings_all_rings_both_and_the_slower_phone_is_cancelled() {
    let Some(house) = House::open(PICK_UP) else { return };
    // Never both in the same moment: the caller would have two answers, and SIPp does not end the second.
    house.phones.set("a102", Behaviour::Answer { quiet: Duration::ZERO, ring: Duration::from_secs(1) });
    house.rule("[[rule]]\nname = \"all\"\nring = { group = \"support\", strategy = \"ring_all\" }\n");
    house.phones.set("a101", Behaviour::Ring);
    let (invites, cancelled) = (house.phones.count(What::Invite), house.phones.count(What::Cancelled));
    assert_eq!(house.calls("uac", 1, 1, 50), Outcome { successful: 1, failed: 0 });
    assert_eq!(house.phones.count(What::Invite), invites + 2);
    house.phones.wait_for(What::Cancelled, cancelled + 1, SOON);
    let taken = house.desks[1].wait_for(SOON, |frame| frame.is("call.answered"));
    let of_call = |what: &'static str| {
        let call = taken.call().to_owned();
        house.desks[0].wait_for(SOON, move |frame| frame.is(what) && frame.call() == call)
    };
    assert_eq!(taken.json["data"]["by"], "a102");
    assert_eq!(of_call("pop.offered").json["data"]["offer"]["others"], 1);
    assert_eq!(of_call("pop.withdrawn").json["data"]["cause"], "answered_elsewhere");
    house.nobody_was_offered_two();
    // Nobody is away for it: the next caller rings both again.
    assert_eq!(house.calls("uac", 1, 1, 50), Outcome { successful: 1, failed: 0 });
    assert_eq!(house.phones.count(What::Invite), invites + 4);
    assert_eq!(house.pbx.count(What::Invite), 0);
}

struct House {
    // Screens close before the server stops.
    desks: Vec<Desk>,
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
        Some(Self { desks, frames, phones, pbx, site })
    }

    /// Puts a set of rules in force, and waits until it is.
    fn rule(&self, text: &str) {
        self.site.add_user("root", "admin", None);
        let api = self.site.log_in("root");
        let kept = api.put("/api/v1/rules/draft", &json!({"text": text}));
        assert_eq!(kept.status, 201, "{kept:?}");
        let version = json!({"version": kept.body["version"]});
        assert_eq!(api.put("/api/v1/rules/active", &version).status, 200);
        let asked = ["explain", "--from", "03-1234-0001", "--to", LINE, "--json"];
        let output = self.site.command(&asked, "");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        assert_eq!(answer["decision"]["beside"], json!(["a102"]));
        // The server reads it within a second.
        let both = poll(SOON, || {
            let before = self.phones.count(What::Invite);
            assert_eq!(self.calls("uac", 1, 1, 50), Outcome { successful: 1, failed: 0 });
            (self.phones.count(What::Invite) == before + 2).then_some(())
        });
        both.expect("two phones ring for one call");
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
