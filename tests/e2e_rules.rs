//! The house's own rules with the real server: saved over REST, in force soon after, tried on real records,
//! and explained.

mod support;

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use support::api::Api;
use support::log::poll;
use support::phones::{Behaviour, Phones, What};
use support::site::{LINE, Site};

const CLOSED: &str = "[[rule]]\nname = \"closed\"\nwhen = { number = [\"0312*\"] }\nreject = 603\n";
const SOON: Duration = Duration::from_secs(10);

#[test]
fn rules_are_saved_put_in_force_tried_on_records_and_explained() {
    let mut site = Site::new("wrap_up_s = 0", "");
    site.add_agents_without_log_ins(1, &site.phones().to_string());
    site.add_user("root", "admin", None);
    let phones = Phones::start(site.phones(), Behaviour::Busy);
    let _pbx = Phones::start(site.pbx(), Behaviour::Busy);
    site.serve();
    assert_eq!(call(&site), 486, "without rules the agent and then the PBX are asked");
    assert_eq!(phones.count(What::Invite), 1);

    let api = Api::log_in(site.http(), "root", support::site::PASSWORD);
    let refused = api.put("/api/v1/rules/draft", &json!({"text": CLOSED.replace("603", "1")}));
    assert_eq!((refused.status, &refused.body["faults"][1]["line"]), (422, &json!(4)), "{refused:?}");
    let kept = api.put("/api/v1/rules/draft", &json!({"text": CLOSED, "note": "休業"}));
    assert_eq!((kept.status, &kept.body["version"]), (201, &json!(1)), "{kept:?}");
    assert_eq!(call(&site), 486, "a draft is not in force");

    let trial = api.post("/api/v1/rules/dry-run", &json!({"version": 1}));
    let judged = poll(SOON, || {
        let trial = api.post("/api/v1/rules/dry-run", &json!({"version": 1}));
        (trial.body["different"] == 2).then_some(trial.body)
    });
    let judged = judged.unwrap_or_else(|| panic!("both calls would have been refused: {trial:?}"));
    // Newest first: after its 486 the agent's phone rests, so that the second call went to the PBX at once.
    let kinds = [0, 1].map(|index| judged["differences"][index]["before"]["kind"].clone());
    assert_eq!(kinds, ["default_route", "offer"]);
    assert_eq!(judged["differences"][0]["after"], json!({"kind": "reject", "status": 603}));
    assert_eq!((&judged["calls"], &judged["not_judged"]), (&json!(2), &json!(0)));

    assert_eq!(api.put("/api/v1/rules/active", &json!({"version": 1})).status, 200);
    assert_eq!(poll(SOON, || (call(&site) == 603).then_some(())), Some(()), "in force soon after");
    let record = poll(SOON, || {
        let calls = api.get("/api/v1/calls?state=ended&limit=1").body;
        (calls["items"][0]["status"] == 603).then(|| calls["items"][0].clone())
    });
    let record = record.expect("the refused call is recorded");
    assert_eq!(record.get("facts"), None, "what a decision knew is not shown in lists");
    let trace = api.get(&format!("/api/v1/calls/{}/trace", record["id"].as_str().expect("an id"))).body;
    assert_eq!(trace["decisions"][0]["rule"], "closed");
    explains(&site);
}

/// `explain` decides by the rules in force, by those of a file, and refuses a bad file with its line.
fn explains(site: &Site) {
    let asked = ["explain", "--from", "03-1234-0001", "--to", LINE, "--json"];
    let decision = |arguments: &[&str]| {
        let output = site.command(arguments, "");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
        (answer["decision"]["action"].clone(), answer["decision"]["rule"].clone())
    };
    assert_eq!(decision(&asked), (json!("reject"), json!("closed")));
    let file = site.folder().join("rules.toml");
    let with_file: Vec<&str> = asked.into_iter().chain(["--rules", file.to_str().expect("plain")]).collect();
    std::fs::write(&file, "[[rule]]\nname = \"night\"\nforward = \"sip:n@pbx.example\"\n").expect("written");
    assert_eq!(decision(&with_file), (json!("forward"), json!("night")));
    std::fs::write(&file, "[[rule]]\nname = \"night\"\nforwards = \"x\"\n").expect("written");
    let refused = site.command(&with_file, "");
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("rules.toml:3: ") && said.contains("unknown key `forwards`"), "{said}");
}

/// Calls the line from the trunk; the final status.
fn call(site: &Site) -> u16 {
    let socket = UdpSocket::bind(site.trunk()).expect("the trunk's address is free");
    socket.set_read_timeout(Some(SOON)).expect("a time");
    let (sip, trunk) = (site.sip(), site.trunk());
    let unique = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    let head = |method: &str, to_tag: &str| {
        format!(
            "{method} sip:{LINE}@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {trunk};branch=z9hG4bK{unique}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:0312340001@{trunk}>;tag=t{unique}\r\n\
             P-Asserted-Identity: <sip:0312340001@{trunk}>\r\nTo: <sip:{LINE}@{sip}>{to_tag}\r\n\
             Call-ID: {unique}\r\nCSeq: 1 {method}\r\nContact: <sip:{trunk}>\r\nContent-Length: 0\r\n\r\n"
        )
    };
    socket.send_to(head("INVITE", "").as_bytes(), sip).expect("sent");
    let mut buffer = [0; 65_536];
    loop {
        let octets = socket.recv(&mut buffer).expect("an answer comes");
        let text = String::from_utf8_lossy(&buffer[..octets]).into_owned();
        let status: u16 = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a response");
        if status < 200 {
            continue;
        }
        let to = text.lines().find(|line| line.starts_with("To:")).expect("a To");
        let tag = to.split_once(";tag=").map(|(_, tag)| format!(";tag={tag}")).unwrap_or_default();
        socket.send_to(head("ACK", &tag).as_bytes(), sip).expect("sent");
        return status;
    }
}
