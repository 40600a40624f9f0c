//! Screens that do not answer, with the real server: the call goes on, the trace says why, and the screen
//! that answers again ends it.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use support::api::Api;
use support::desk::{Desk, Frame, Manners};
use support::log::{Log, poll};
use support::needs::needs;
use support::phones::{Behaviour, Phones, What};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, NOBODY_WAITS, PASSWORD, Site, caller};

const SOON: Duration = Duration::from_secs(10);
const PICK_UP: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(20), ring: Duration::from_millis(50) };

#[test]
fn a_card_that_nobody_paints_sends_the_call_to_the_next_agent_within_seconds() {
    if !needs(&["sipp"]) {
        return;
    }
    let site = site("");
    let phones = Phones::start(site.phones(), PICK_UP);
    phones.set("a101", Behaviour::Ring);
    let _pbx = Phones::start(site.pbx(), PICK_UP);
    let frames = Arc::new(Log::default());
    let frozen = open(&site, "a101", &frames, Manners { paints: false, pongs: true });
    let seen = site.open_desk("a102", &frames);
    assert_eq!(call(&site, 0), Outcome { successful: 1, failed: 0 });

    let first = frozen.wait_for(SOON, |frame| frame.is("pop.offered"));
    let withdrawn = frozen.wait_for(SOON, |frame| frame.is("pop.withdrawn"));
    assert_eq!(withdrawn.json["data"]["cause"], "rerouted");
    let stale = frozen.wait_for(SOON, |frame| frame.is("presence.stale"));
    assert_eq!(stale.json["data"], json!({"agent": "a101", "cause": "render"}));
    let next = seen.wait_for(SOON, |frame| frame.is("pop.offered"));
    let after = next.at.duration_since(first.at).expect("it comes later");
    // Without it the phone would have rung for 30 s; the wait above ends after 10 s.
    assert!(after >= Duration::from_secs(2), "{after:?}");

    let api = Api::log_in(site.http(), "boss", PASSWORD);
    assert_eq!(overlays(&api, "a101"), ["client_stale"]);
    assert_eq!(presence(&api, "a101")["status"], "available", "what was chosen stays");
    assert!(trace(&api).contains("the screen of a101 did not confirm the card in time"), "{}", trace(&api));

    assert_eq!(call(&site, 1), Outcome { successful: 1, failed: 0 });
    assert_eq!(phones.count(What::Cancelled), 1, "the second call did not ring there at all");
    let anew = Arc::new(Log::default());
    let again = site.open_desk("a101", &anew);
    let ended = |frame: &Frame| {
        let data = &frame.json["data"];
        frame.is("presence.changed") && data["agent"] == "a101" && data.get("overlays").is_none()
    };
    again.wait_for(SOON, ended);
    let fresh = poll(SOON, || overlays(&api, "a101").is_empty().then_some(()));
    assert_eq!(fresh, Some(()), "a hello ends it");
}

#[test]
fn a_screen_that_answers_no_pings_is_closed_and_its_agent_is_stale_until_the_next_hello() {
    let site = site("[desk]\nheartbeat_s = 1\n");
    let frames = Arc::new(Log::default());
    let _silent = open(&site, "a101", &frames, Manners { paints: true, pongs: false });
    let api = Api::log_in(site.http(), "boss", PASSWORD);
    assert!(overlays(&api, "a101").is_empty());
    let stale = poll(SOON * 2, || (overlays(&api, "a101") == ["client_stale"]).then_some(()));
    assert_eq!(stale, Some(()));
    let _again = site.open_desk("a101", &frames);
    let fresh = poll(SOON, || overlays(&api, "a101").is_empty().then_some(()));
    assert_eq!(fresh, Some(()));
}

fn site(more: &str) -> Site {
    let mut site = Site::new("wrap_up_s = 0\nanswer_within_s = 30", &format!("{NOBODY_WAITS}{more}"));
    site.add_agents(2, &site.phones().to_string());
    site.add_user("boss", "admin", None);
    site.serve();
    site
}

fn open(site: &Site, agent: &str, frames: &Arc<Log<Frame>>, manners: Manners) -> Desk {
    Desk::open_with(site.http(), site.log_in(agent).token(), agent, frames, manners)
}

fn call(site: &Site, number: usize) -> Outcome {
    let numbers = vec![(caller(number).0, LINE.to_owned())];
    Sipp::new("uac", site.trunk(), numbers).pause(Duration::from_millis(50)).run(site.sip(), site.folder())
}

fn presence(api: &Api, agent: &str) -> Value {
    let agents = api.get("/api/v1/agents").body;
    let items = agents["items"].as_array().expect("a list").clone();
    items.into_iter().find(|item| item["id"] == agent).expect("the agent")["presence"].clone()
}

fn overlays(api: &Api, agent: &str) -> Vec<String> {
    let presence = presence(api, agent);
    let overlays = presence["overlays"].as_array().cloned().unwrap_or_default();
    overlays.iter().map(|overlay| overlay["kind"].as_str().expect("a word").to_owned()).collect()
}

/// The trace of the first call, as the record has it.
fn trace(api: &Api) -> String {
    let id = poll(SOON, || {
        let calls = api.get("/api/v1/calls?state=ended&limit=10").body;
        calls["items"][0]["id"].as_str().map(str::to_owned)
    });
    let id = id.expect("the call is recorded");
    api.get(&format!("/api/v1/calls/{id}/trace")).body.to_string()
}
