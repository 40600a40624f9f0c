//! Headers that claim something: identities, sources, and what imported data would put into a message.

use crate::support::field::{Field, Manner, SILENCE, VICTIM, Words, status_in};
use crate::support::guard::{Guard, sign};
use crate::support::net::host;
use crate::support::site::{LINE, Site};
use crate::{DOUBTFUL, OUTSIDE, add_peer};

#[test]
fn n13_identity_headers_of_a_doubtful_peer_do_not_come_through_in_any_spelling() {
    let prepare = |site: &Site| {
        let address = site.net.ip(DOUBTFUL).to_string();
        add_peer(site, "doubtful", &address);
    };
    let guard = Guard::on(Field::with("", prepare, Manner::Answer));
    let sender = guard.field.sender(DOUBTFUL);
    let value = "<sip:0120999999@smuggled.example>";
    let spellings = [
        format!("P-Asserted-Identity: {value}\r\n"),
        format!("P-Asserted-Identity : {value}\r\n"),
        format!("p-asserted-identity: {value}\r\n"),
        format!("P-Asserted-Identity\t:\t{value}\r\n"),
        format!("P-Asserted-Identity:\r\n {value}\r\n"),
        format!("P-Asserted-Identity: {value}\r\nP-ASSERTED-IDENTITY: {value}\r\n"),
        format!("P-Preferred-Identity: {value}\r\n"),
        format!("P-Asserted-Identity: {value}, <tel:+81120999999>\r\n"),
        format!("Remote-Party-ID: {value};party=calling;screen=yes\r\n"),
        format!("remote-PARTY-id\t:\r\n\t{value}\r\n"),
    ];
    let mut through = Vec::new();
    for spelling in spellings {
        for number in [LINE, OUTSIDE] {
            let mut words = Words::new("INVITE", &guard.field.uri(number), sender.address);
            words.more.clone_from(&spelling);
            let before = guard.field.pbx.count();
            let status = sender.status(&words.text());
            assert!((200..500).contains(&status), "{spelling:?}: {status}");
            let out = guard.field.pbx.since(before);
            if out.iter().any(|capture| capture.text().contains("smuggled.example")) {
                through.push(spelling.clone());
            }
        }
    }
    let mut nul = Words::new("INVITE", &guard.field.uri(OUTSIDE), sender.address);
    nul.more = format!("P-Asserted\0-Identity: {value}\r\n");
    assert_eq!(sender.status(&nul.text()), 400);
    assert_eq!(through, Vec::<String>::new(), "came through");
    guard.end(&[sign::IDENTITY, sign::MALFORMED]);
}

/// Headers that look like our own words are words like any other: they decide nothing.
#[test]
fn n13_headers_that_look_internal_decide_nothing() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    for name in ["X-Tenant", "X-Toritsugi-Agent", "X-Agent", "X-Emergency", "P-Toritsugi-Trusted"] {
        for spelling in [
            format!("{name} : a102\r\n"),
            format!("{}:\r\n a102\r\n", name.to_lowercase()),
            format!("{name}\t: a102\r\n{name}: a101\r\n"),
        ] {
            let mut words = Words::new("INVITE", &guard.field.uri(OUTSIDE), sender.address);
            words.more.clone_from(&spelling);
            let (out, rings) = guard.mark();
            assert_eq!(sender.status(&words.text()), 200, "{spelling:?}");
            let (out_after, rings_after) = guard.mark();
            assert!(out_after > out && rings_after == rings, "{spelling:?} chose the way");
        }
    }
    let mut nul = Words::new("INVITE", &guard.field.uri(OUTSIDE), sender.address);
    nul.more = "X-Tenant\0: a102\r\n".to_owned();
    assert_eq!(sender.status(&nul.text()), 400);
    guard.end(&[sign::MALFORMED]);
}

#[test]
fn n25_line_ends_in_imported_data_reach_no_message() {
    let guard = Guard::begin();
    let us = guard.field.site.phones();
    let agents = [
        format!("\"sip:a103@{us}\r\nX-Evil: 1\""),
        format!("\"sip:a103@{us}>\""),
        format!("sip:a103@{us}?X-Evil=1"),
        format!("sip:a103@{us}?Route=%3Csip%3A{}%3Blr%3E", guard.victim()),
        format!("\"sip:a103%0d%0aX-Evil:1 @{us}\""),
        "http://evil.example/".to_owned(),
    ];
    for contact in agents {
        let file = guard.field.site.folder().join("evil.csv");
        let row = format!("a103,担当,タントウ,agent,{contact},support,,offline\n");
        let csv = format!("id,name,kana,role,contact,groups,skills,status\n{row}");
        std::fs::write(&file, csv).expect("the folder is writable");
        let file = file.to_string_lossy().into_owned();
        let output = guard.field.site.command(&["import", "agents", &file], "");
        assert_eq!(output.status.code(), Some(1), "{contact:?} was imported");
    }
    guard.end(&[]);
}

#[test]
fn n29_answers_go_to_the_real_source() {
    let guard = Guard::begin();
    let (victim, ip) = (guard.victim(), guard.field.site.net.ip(VICTIM));
    let sender = guard.field.sender(host::TRUNK);
    let vias = [
        victim.clone(),
        format!("{victim};rport"),
        format!("{victim};received={ip}"),
        format!("{victim};received={ip};rport=5060"),
        format!("{};maddr={ip};rport", sender.address),
        format!("{};received=255.255.255.255;rport=9", sender.address),
        "255.255.255.255;rport".to_owned(),
        "224.0.1.75;maddr=224.0.1.75;ttl=16;rport".to_owned(),
        format!("[::1]:5060;received={ip};rport"),
    ];
    for via in vias {
        for (method, uri) in [
            ("OPTIONS", format!("sip:{}", guard.field.site.sip())),
            ("MESSAGE", guard.field.uri(OUTSIDE)),
            ("INVITE", "urn:nothing".to_owned()),
        ] {
            let mut words = Words::new(method, &uri, sender.address);
            words.via.clone_from(&via);
            let status = sender.status(&words.text());
            assert_ne!(status, 0, "{method} with Via {via}: no answer at the source");
        }
    }
    guard.end(&[sign::SOURCE]);
}

/// Whoever forges a source gets no answer through us that is longer than three requests' worth of theirs.
#[test]
fn n29_a_200_to_options_of_a_peer_is_short() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let request = Words::new("OPTIONS", &format!("sip:{}", guard.field.site.sip()), sender.address).text();
    sender.send(request.as_bytes());
    let answers = sender.drain(SILENCE);
    assert_eq!(answers.iter().map(|answer| status_in(answer)).collect::<Vec<_>>(), [200]);
    assert!(2 * answers[0].len() <= 3 * request.len(), "{} for {}", answers[0].len(), request.len());
    guard.end(&[]);
}
