//! Callers who press 1 while they wait with music (RFC 4733), hear that it is noted, and are let go.

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use support::desk::{Desk, Frame};
use support::ear::{Ear, Heard, samples};
use support::log::{Log, poll};
use support::needs::needs;
use support::net::host;
use support::phones::{Behaviour, Phones};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, Site, caller};
use support::wav::{share_of_tone, write_tone};

const SOON: Duration = Duration::from_secs(30);
const ONE: Outcome = Outcome { successful: 1, failed: 0 };
const NOTED_HZ: f64 = 1500.0;
const OTHER_TRUNK: u8 = 11;
const PICK_UP: Behaviour =
    Behaviour::Answer { quiet: Duration::from_millis(20), ring: Duration::from_millis(50) };

#[test]
fn one_pressed_in_the_answered_call_is_confirmed_ended_by_bye_and_listed() {
    presses_one("answered", "uac_called_back");
}

#[test]
fn one_pressed_before_the_answer_is_confirmed_ended_by_480_and_listed() {
    presses_one("early-media", "uac_called_back_early");
}

fn presses_one(mode: &str, scenario: &str) {
    if !needs(&["sipp"]) {
        return;
    }
    let (mut site, desk) = house(mode);
    let phones = Phones::start(site.phones(), PICK_UP);
    let busy = Sipp::new("uac", site.net.at(host::TRUNK, 5070), vec![(caller(0).0, LINE.to_owned())])
        .pause(Duration::from_secs(40))
        .start(site.sip(), site.folder());
    desk.wait_for(SOON, |frame| frame.is("call.answered"));
    let ear = Ear::open(site.trunk().ip(), 440.0);
    let (ip, port) = (ear.address.ip().to_string(), ear.address.port().to_string());
    let waiting = Sipp::new(scenario, site.net.at(OTHER_TRUNK, 5060), vec![(caller(1).0, LINE.to_owned())])
        .arguments(&["-key", "ear_ip", &ip, "-key", "ear_port", &port])
        .start(site.sip(), site.folder());
    desk.wait_for(SOON, |frame| frame.is("call.parked"));
    let ours = ear.hears_from(site.sip().ip(), 1.0, SOON);
    let music = ours.last().expect("a second of it").from;
    // An impatient finger.
    for at in [8_000, 16_000] {
        ear.press(1, at, music);
    }
    ear.hears(SOON, |second: &[Heard]| share_of_tone(&samples(second), NOTED_HZ) > 0.9);
    assert_eq!(waiting.finish(), ONE, "let go as the profile says");
    let left = desk.wait_for(SOON, |frame| frame.is("call.retrieved"));
    assert_eq!(left.json["data"]["outcome"], "callback", "{}", left.json);

    let api = site.log_in("a101");
    let nobody = api.get("/api/v1/callbacks");
    assert_eq!((nobody.status, nobody.body["items"].as_array().map(Vec::len)), (200, Some(0)), "not theirs");
    let chief = site.log_in("chief");
    let list = chief.get("/api/v1/callbacks").body;
    let items = list["items"].as_array().expect("a list").clone();
    assert_eq!(items.len(), 1, "exactly one: {list}");
    let (one, id) = (&items[0], items[0]["id"].as_str().expect("an id").to_owned());
    assert_eq!((&one["number"], &one["source"]), (&json!(caller(1).1), &json!("digit")), "{one}");
    assert_eq!((&one["state"], &one["asked"]), (&json!("requested"), &json!(1)));
    let record = format!("/api/v1/calls/{}", one["call"].as_str().expect("a call"));
    let record = poll(SOON, || Some(chief.get(&record).body).filter(|it| it["end_reason"] == "callback"));
    assert_eq!(record.expect("the record says callback")["callback"], json!(id));

    // It is known after a restart, and is over when somebody says so.
    drop((busy, phones, desk));
    site.server().stop(SOON);
    site.serve();
    let chief = site.log_in("chief");
    let path = format!("/api/v1/callbacks/{id}");
    let open = || Some(chief.get("/api/v1/callbacks").body).filter(|it| it["items"][0]["id"] == json!(id));
    assert!(poll(SOON, open).is_some(), "the callback is open after a restart");
    let done = chief.patch(&path, &json!({"state": "done"}));
    assert_eq!((done.status, &done.body["state"]), (200, &json!("done")));
    let ended = poll(SOON, || {
        Some(chief.get("/api/v1/callbacks?state=ended").body).filter(|it| it["items"][0]["id"] == json!(id))
    });
    assert!(ended.is_some(), "it is kept");
}

/// One line, one agent, and callers who wait in that mode only and may press 1.
fn house(mode: &str) -> (Site, Desk) {
    let park = format!("[sip.limits]\nlag_ms = 0\n\n[park]\nmodes = [\"{mode}\"]\ncallback_digit = \"1\"\n");
    let mut site = Site::new("wrap_up_s = 0\nannounce_within_ms = 1000", &park);
    let trunk = format!("\"{}/32\"", site.trunk().ip());
    let both = format!("{trunk}, \"{}/32\"]\nearly_media_digits = true", site.net.ip(OTHER_TRUNK));
    site.change(&format!("{trunk}]"), &both);
    let prompts = site.folder().join("prompts");
    std::fs::create_dir(&prompts).expect("the folder is writable");
    write_tone(&prompts.join("callback_noted.ja.wav"), NOTED_HZ, 2);
    site.append("[media]\nprompts = \"prompts\"\n");
    let contact = format!("sip:a101@{}", site.phones());
    site.import(
        "agents",
        &format!(
            "id,name,kana,role,contact,groups,skills,status\n\
             a101,高橋 一郎,タカハシ イチロウ,agent,{contact},support,,available\n"
        ),
    );
    site.import(
        "lines",
        &format!(
            "number,client,greeting_ja,greeting_en,group,assigned_first\n\
             {LINE},青葉製作所,お電話ありがとうございます。,Thank you for calling.,support,true\n"
        ),
    );
    site.add_user("a101", "agent", Some("a101"));
    site.add_user("chief", "supervisor", None);
    site.serve();
    let desk = site.open_desk("a101", &Arc::new(Log::<Frame>::default()));
    (site, desk)
}
