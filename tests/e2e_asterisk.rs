//! A real Asterisk between the caller, toritsugi and the agent's phone, with sound.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::asterisk::Asterisk;
use support::baresip::{Account, Baresip};
use support::desk::Frame;
use support::log::{Log, poll};
use support::needs::needs;
use support::net::{Net, host};
use support::sipp::{Outcome, Sipp};
use support::site::{LINE, Site};
use support::wav::share_of_tone;

const SOON: Duration = Duration::from_secs(20);
const CALLER_HZ: f64 = 440.0;
const AGENT_HZ: f64 = 1000.0;
const CALLER: &str = "0312340001";
/// The host of the agent's phone in its network.
const PHONE: u8 = 102;
const TALK_S: u32 = 2;

#[test]
fn a_call_through_asterisk_reaches_the_agent_with_sound_both_ways() {
    if !needs(&["asterisk", "baresip"]) {
        return;
    }
    let mut site = site_with_one_agent();
    site.add_user("a102", "agent", Some("a102"));
    site.add_user("boss", "admin", None);
    site.serve();
    let asterisk = Asterisk::start(&site.net, site.folder());
    asterisk.wait_for_contact("toritsugi", SOON);
    let agent = phone("a102", &site.net, site.folder());
    asterisk.wait_for_contact("a102", SOON);
    let frames = Arc::new(Log::<Frame>::default());
    let desk = site.open_desk("a102", &frames);

    let mut caller = caller_at_the_trunk(&site.net, site.folder());
    caller.dial(&format!("sip:{LINE}@{}", site.net.ip(host::PBX)));
    agent.wait_for("CALL_ESTABLISHED", SOON);
    caller.wait_for("CALL_ESTABLISHED", SOON);
    sound_flows_both_ways(&caller, &agent);
    caller.hang_up();
    agent.wait_for("CALL_CLOSED", SOON);

    let offered = desk.wait_for(SOON, |frame| frame.is("pop.offered"));
    assert_eq!(offered.e164(), "+81312340001");
    desk.wait_for(SOON, |frame| frame.is("pop.taken"));
    desk.wait_for(SOON, |frame| frame.is("pop.closed"));
    let admin = site.log_in("boss");
    let list = poll(SOON, || {
        let body = admin.get("/api/v1/calls").body;
        body["items"][0]["ended_at"].is_string().then_some(body)
    });
    let list = list.unwrap_or_else(|| panic!("no ended call: {:?}", admin.get("/api/v1/calls")));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "one call, one record: {list}");
    let record = &list["items"][0];
    for (member, value) in [("calling", "+81312340001"), ("agent", "a102"), ("end_reason", "completed")] {
        assert_eq!(record[member], value, "{member} of {record}");
    }
    let talk_s = record["talk_s"].as_u64().unwrap_or_default();
    assert!(talk_s >= u64::from(TALK_S), "{record}");
    drop(asterisk);
}

#[test]
fn a_phone_that_is_not_registered_sends_the_call_to_the_switchboard() {
    if !needs(&["asterisk", "baresip"]) {
        return;
    }
    let mut site = site_with_one_agent();
    site.serve();
    let asterisk = Asterisk::start(&site.net, site.folder());
    asterisk.wait_for_contact("toritsugi", SOON);
    the_switchboard_answers(&asterisk, &site.net, site.folder());
}

#[test]
fn a_withheld_caller_stays_withheld_through_asterisk() {
    if !needs(&["asterisk", "sipp"]) {
        return;
    }
    let mut site = site_with_one_agent();
    site.add_user("a102", "agent", Some("a102"));
    site.serve();
    let asterisk = Asterisk::start(&site.net, site.folder());
    asterisk.wait_for_contact("toritsugi", SOON);
    let frames = Arc::new(Log::<Frame>::default());
    let desk = site.open_desk("a102", &frames);
    let numbers = vec![(CALLER.to_owned(), LINE.to_owned())];
    let caller = Sipp::new("uac_withheld", site.trunk(), numbers).start(site.pbx(), site.folder());
    let offered = desk.wait_for(SOON, |frame| frame.is("pop.offered"));
    assert_eq!(offered.json["data"]["caller"]["presentation"], "withheld");
    assert!(!offered.json.to_string().contains("12340001"), "{}", offered.json);
    // Nobody's phone is registered: the switchboard's announcement takes the call.
    assert_eq!(caller.finish(), Outcome { successful: 1, failed: 0 });
}

/// The configuration alone: toritsugi is not there, and no call is lost for that.
#[test]
fn without_toritsugi_the_switchboard_rings() {
    if !needs(&["asterisk", "baresip"]) {
        return;
    }
    let net = Net::reserve();
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let asterisk = Asterisk::start(&net, folder.path());
    let unreachable = poll(SOON, || {
        asterisk.console("pjsip qualify toritsugi");
        let contacts = asterisk.console("pjsip show contacts");
        contacts.lines().any(|line| line.contains("toritsugi/") && line.contains("Unavail")).then_some(())
    });
    assert!(unreachable.is_some(), "{}", asterisk.console("pjsip show contacts"));
    the_switchboard_answers(&asterisk, &net, folder.path());
}

/// The line and one agent, whose contact is at the PBX.
fn site_with_one_agent() -> Site {
    let site = Site::new("wrap_up_s = 0", "");
    let pbx = site.pbx();
    site.import(
        "agents",
        &format!(
            "id,name,kana,role,contact,groups,skills,status\n\
             a102,高橋 一郎,タカハシ イチロウ,agent,sip:a102@{pbx},support,,available\n"
        ),
    );
    site.import(
        "lines",
        &format!(
            "number,client,greeting_ja,greeting_en,group,assigned_first\n\
             {LINE},青葉製作所,お電話ありがとうございます。,Thank you for calling.,support,true\n"
        ),
    );
    site
}

fn the_switchboard_answers(asterisk: &Asterisk, net: &Net, folder: &std::path::Path) {
    let switchboard = phone("reception", net, folder);
    asterisk.wait_for_contact("reception", SOON);
    let mut caller = caller_at_the_trunk(net, folder);
    caller.dial(&format!("sip:{LINE}@{}", net.ip(host::PBX)));
    switchboard.wait_for("CALL_ESTABLISHED", SOON);
    caller.wait_for("CALL_ESTABLISHED", SOON);
    sound_flows_both_ways(&caller, &switchboard);
    caller.hang_up();
    switchboard.wait_for("CALL_CLOSED", SOON);
}

fn sound_flows_both_ways(caller: &Baresip, agent: &Baresip) {
    for (who, ear, tone, other) in
        [("the agent", agent, CALLER_HZ, AGENT_HZ), ("the caller", caller, AGENT_HZ, CALLER_HZ)]
    {
        let sound = ear.heard(TALK_S, SOON);
        // The first moments may be silence: the last second is the talk.
        let talk = &sound[sound.len().saturating_sub(8000)..];
        let (heard, own) = (share_of_tone(talk, tone), share_of_tone(talk, other));
        assert!(heard > 0.8, "{who} hears {heard:.3} of {tone} Hz");
        assert!(own < 0.05, "{who} hears {own:.3} of their own {other} Hz");
    }
}

/// A phone that registers at Asterisk and picks up by itself, as `config/asterisk/pjsip.conf` knows it.
fn phone(name: &str, net: &Net, folder: &std::path::Path) -> Baresip {
    let parameters = format!(
        ";auth_user={name};auth_pass=change-me-{name};answermode=auto;regint=60;audio_codecs=PCMU/8000/1"
    );
    let account = Account {
        ip: net.ip(PHONE),
        aor: format!("sip:{name}@{}", net.ip(host::PBX)),
        parameters: &parameters,
        tone: AGENT_HZ,
    };
    Baresip::start(name, &account, folder)
}

fn caller_at_the_trunk(net: &Net, folder: &std::path::Path) -> Baresip {
    let ip = net.ip(host::TRUNK);
    let account = Account {
        ip,
        aor: format!("sip:{CALLER}@{ip}"),
        parameters: ";regint=0;audio_codecs=PCMU/8000/1",
        tone: CALLER_HZ,
    };
    Baresip::start("caller", &account, folder)
}
