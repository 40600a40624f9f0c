//! One call from end to end: the pop, the phone, the answer, the end, the record; and what happens when it
//! goes another way.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use support::api::Api;
use support::desk::Desk;
use support::log::{Log, poll};
use support::needs::needs;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, Site, caller};

const SOON: Duration = Duration::from_secs(10);
const ANSWER: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(30), ring: Duration::from_millis(100) };
const ONE_WELL: Outcome = Outcome { successful: 1, failed: 0 };
const CUSTOMERS: &str = "id,name,kana,company,rank,language,phones,assignee,notice,notice_level,flags\n\
    cu-1,山田 花子,ヤマダ ハナコ,青空商事,A,ja,03-1234-0001,a101,返金は必ず確認,danger,complaint:1\n";

#[test]
fn a_call_pops_up_rings_is_answered_and_leaves_a_record() {
    call_over("u1");
}

#[test]
fn a_call_over_tcp_goes_the_same_way() {
    call_over("t1");
}

#[test]
fn a_caller_who_gives_up_withdraws_the_pop_and_stops_the_phone() {
    if !needs(&["sipp"]) {
        return;
    }
    let house = House::open(1, "wrap_up_s = 0", Behaviour::Ring);
    let callers = Sipp::new("uac_cancel", house.site.trunk(), numbers(1)).pause(Duration::from_millis(300));
    assert_eq!(callers.run(house.site.sip(), house.site.folder()), ONE_WELL);
    let cancelled = house.phones.wait_for(What::Cancelled, 1, SOON);
    let withdrawn = house.desks[0].wait_for(SOON, |frame| frame.is("pop.withdrawn"));
    assert_eq!(withdrawn.json["data"]["cause"], "caller_gave_up");
    house.desks[0].wait_for(SOON, |frame| frame.is("pop.missed"));
    let apart = withdrawn.at.duration_since(cancelled.at).unwrap_or_default();
    assert!(apart < Duration::from_millis(300), "withdrawn {apart:?} after the phone was told");
    let record = house.record(withdrawn.call());
    assert_eq!(record["end_reason"], "abandoned");
}

#[test]
fn a_busy_phone_hands_the_call_to_the_next_agent_within_300_ms() {
    if !needs(&["sipp"]) {
        return;
    }
    let house = House::open(2, "wrap_up_s = 0", ANSWER);
    house.phones.set("a101", Behaviour::Busy);
    assert_eq!(house.call("u1"), ONE_WELL);
    let refused = house.phones.wait_for(What::Refused, 1, SOON);
    let next = house.phones.wait_for(What::Invite, 2, SOON);
    assert_eq!((refused.user.as_str(), next.user.as_str()), ("a101", "a102"));
    let apart = next.at.duration_since(refused.at).unwrap_or_default();
    assert!(apart < Duration::from_millis(300), "the next phone got the INVITE {apart:?} later");
    house.desks[0].wait_for(SOON, |frame| frame.is("pop.withdrawn"));
    house.desks[1].wait_for(SOON, |frame| frame.is("pop.taken"));
}

#[test]
fn a_phone_nobody_answers_makes_its_agent_away_and_the_call_goes_on() {
    if !needs(&["sipp"]) {
        return;
    }
    let house = House::open(2, "answer_within_s = 1\nwrap_up_s = 0", ANSWER);
    house.phones.set("a101", Behaviour::Ring);
    assert_eq!(house.call("u1"), ONE_WELL);
    let cancelled = house.phones.wait_for(What::Cancelled, 1, SOON);
    assert_eq!(cancelled.user, "a101");
    house.desks[0].wait_for(SOON, |frame| frame.is("pop.missed"));
    house.desks[1].wait_for(SOON, |frame| frame.is("pop.taken"));
    let agent = house.admin.get("/api/v1/agents/a101").body;
    assert!(agent.to_string().contains("rona"), "{agent}");
}

#[test]
fn a_call_without_a_free_agent_takes_the_default_route_unchanged() {
    if !needs(&["sipp"]) {
        return;
    }
    let house = House::open(1, "wrap_up_s = 0", Behaviour::Busy);
    assert_eq!(house.call("u1"), ONE_WELL);
    let invite = house.pbx.wait_for(What::Invite, 1, SOON);
    assert_eq!(invite.user, LINE, "the Request-URI stays as it came");
}

fn call_over(transport: &str) {
    if !needs(&["sipp"]) {
        return;
    }
    let house = House::open(1, "wrap_up_s = 0", ANSWER);
    assert_eq!(house.call(transport), ONE_WELL);
    house.phones.wait_for(What::Bye, 1, SOON);
    let offered = house.desks[0].wait_for(SOON, |frame| frame.is("pop.offered"));
    assert_eq!(offered.json["data"]["match"]["customer"]["name"], "山田 花子");
    assert_eq!(offered.json["data"]["assignee"]["id"], "a101");
    for event in ["pop.taken", "pop.closed"] {
        house.desks[0].wait_for(SOON, |frame| frame.is(event) && frame.call() == offered.call());
    }
    assert_eq!(house.pbx.count(What::Invite), 0);
    let record = house.record(offered.call());
    for (member, value) in
        [("calling", "+81312340001"), ("agent", "a101"), ("customer", "cu-1"), ("end_reason", "completed")]
    {
        assert_eq!(record[member], value, "{member} of {record}");
    }
    assert!(record["answered_at"].is_string(), "{record}");
}

/// A site with agents at their screens, their phones, a PBX and an administrator.
struct House {
    // Screens close before the server stops.
    desks: Vec<Desk>,

    phones: Phones,
    pbx: Phones,
    admin: Api,
    site: Site,
}

impl House {
    fn open(agents: usize, routing: &str, behaviour: Behaviour) -> Self {
        let mut site = Site::new(routing, "");
        site.add_agents(agents, &site.phones().to_string());
        site.import("customers", CUSTOMERS);
        site.add_user("boss", "admin", None);
        let phones = Phones::start(site.phones(), behaviour);
        let pbx = Phones::start(site.pbx(), ANSWER);
        site.serve();
        let frames = Arc::new(Log::default());
        let desks =
            support::site::agent_ids(agents).iter().map(|agent| site.open_desk(agent, &frames)).collect();
        let admin = site.log_in("boss");
        Self { desks, phones, pbx, admin, site }
    }

    fn call(&self, transport: &str) -> Outcome {
        let callers = Sipp::new("uac", self.site.trunk(), numbers(1))
            .pause(Duration::from_millis(300))
            .transport(transport);
        callers.run(self.site.sip(), self.site.folder())
    }

    /// The record of a call that has ended.
    fn record(&self, call: &str) -> Value {
        let path = format!("/api/v1/calls/{call}");
        let ended = poll(SOON, || {
            let answer = self.admin.get(&path);
            (answer.status == 200 && answer.body["ended_at"].is_string()).then_some(answer.body)
        });
        ended.unwrap_or_else(|| panic!("{path} has no end: {:?}", self.admin.get(&path)))
    }
}

fn numbers(count: usize) -> Vec<(String, String)> {
    (1..=count).map(|n| (caller(n).0, LINE.to_owned())).collect()
}
