//! Ways that a message would choose for itself.

use crate::support::field::{Field, Manner, VICTIM, Words, status_of};
use crate::support::guard::{Guard, sign};
use crate::support::net::host;
use crate::support::phones::What;
use crate::support::site::{LINE, Site};
use crate::{MOVED_LINE, OUTSIDE, with_moved_agent};

/// Contacts nobody has a phone at: ourselves, everybody and nobody.
const IMPOSSIBLE: [&str; 6] = ["0.0.0.0", "255.255.255.255", "224.0.1.75", "[::]", "[ff02::1]", "0.0.0.0:0"];

/// toritsugi keeps no bindings: a REGISTER goes to the default route, and its Contacts are nobody's targets.
#[test]
fn n15_a_register_with_thousands_of_contacts_binds_nothing() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let victim = guard.victim();
    for contacts in [
        (0..1_000).map(|n| format!("<sip:x{n}@{victim}>")).collect::<Vec<_>>(),
        IMPOSSIBLE.iter().map(|host| format!("<sip:a101@{host}>")).collect(),
        vec![format!("<sip:a101@{}>", guard.field.site.sip()), "<sip:a101@127.0.0.1>".to_owned()],
        vec!["*".to_owned()],
    ] {
        let mut words = Words::new("REGISTER", &format!("sip:{}", guard.field.site.sip()), sender.address);
        words.more = contacts.chunks(200).map(|some| format!("Contact: {}\r\n", some.join(","))).collect();
        let status = sender.status(&words.text());
        assert!([200, 400, 404].contains(&status), "{status}");
        // The call still goes to the agents' own phones.
        let call = guard.field.call(LINE).expect("the call is answered");
        guard.field.hang_up(&call);
    }
    guard.end(&[]);
}

#[test]
fn n15_a_contact_that_is_nobodys_phone_is_passed_over() {
    let prepare = |site: &Site| {
        let mut rows = String::new();
        let own = site.sip().to_string();
        for (n, contact) in IMPOSSIBLE.iter().copied().chain([own.as_str()]).enumerate() {
            rows += &format!("i{n},担当,タントウ,agent,sip:i{n}@{contact},nobody,,available\n");
        }
        site.import("agents", &format!("id,name,kana,role,contact,groups,skills,status\n{rows}"));
        let row = format!("{MOVED_LINE},無人,はい,Yes,nobody,false\n");
        site.import("lines", &format!("number,client,greeting_ja,greeting_en,group,assigned_first\n{row}"));
    };
    let guard = Guard::on(Field::with("", prepare, Manner::Answer));
    let sender = guard.field.sender(host::TRUNK);
    let status = sender.status(&Words::new("INVITE", &guard.field.uri(MOVED_LINE), sender.address).text());
    assert_eq!(status, 200, "the default route has it");
    assert_eq!(
        guard.field.pbx.holding(MOVED_LINE).iter().filter(|c| c.text().starts_with("INVITE")).count(),
        1
    );
    guard.end(&[]);
}

#[test]
fn n18_a_preloaded_route_of_a_peer_without_that_right_is_not_followed() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let victim = guard.victim();
    let routes = [
        format!("Route: <sip:{victim};lr>\r\n"),
        format!("Route: <sip:{};lr>, <sip:{victim};lr>\r\n", guard.field.site.sip()),
        format!("route :\r\n <sip:{victim};transport=tcp;lr>\r\n"),
        format!("Route: <sip:{victim}>\r\n"),
    ];
    for method in ["INVITE", "MESSAGE", "FOO"] {
        for route in &routes {
            let mut words = Words::new(method, &guard.field.uri(OUTSIDE), sender.address);
            words.more.clone_from(route);
            let before = guard.field.pbx.count();
            let status = sender.status(&words.text());
            assert!([200, 403].contains(&status), "{method} {route:?}: {status}");
            let out = guard.field.pbx.since(before);
            let kept = out.iter().find(|capture| capture.text().contains(&victim));
            assert!(kept.is_none(), "{method} {route:?}: the Route went on");
        }
    }
    guard.end(&[sign::ROUTE]);
}

#[test]
fn n19_a_route_of_ours_without_proof_leads_nowhere() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let (victim, us) = (guard.victim(), guard.field.site.sip());
    for method in ["BYE", "INVITE", "MESSAGE", "NOTIFY", "REFER"] {
        for route in [
            format!("Route: <sip:{us};lr>\r\n"),
            format!("Route: <sip:{us};lr>\r\nRoute: <sip:{victim};lr>\r\n"),
            format!("Route: <sip:{us};lr;tsg=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>\r\n"),
            format!("Route: <sip:{victim};lr>\r\n"),
            String::new(),
        ] {
            let mut words = Words::new(method, &format!("sip:x@{victim}"), sender.address);
            words.to_tag = Some("invented".to_owned());
            words.more.clone_from(&route);
            // A Route that never led through us is one that the sender wrote.
            let wanted = if route.starts_with(&format!("Route: <sip:{victim}")) { 403 } else { 481 };
            assert_eq!(sender.status(&words.text()), wanted, "{method} {route:?}");
            "ACK".clone_into(&mut words.method);
            sender.send(words.text().as_bytes());
        }
    }
    guard.end(&[sign::UNPROVEN]);
}

#[test]
fn n20_a_request_uri_cannot_escape_the_plan() {
    let guard = Guard::begin();
    let sender = guard.field.sender(host::TRUNK);
    let (victim, us) = (guard.field.site.net.ip(VICTIM), guard.field.site.sip());
    let uris = [
        format!("sip:{OUTSIDE}@{us};maddr={victim}"),
        format!("sip:{OUTSIDE}@{us}?Route=%3Csip%3A{victim}%3Blr%3E"),
        format!("sip:{OUTSIDE}@{us}?Route=<sip:{victim};lr>"),
        format!("sip:{OUTSIDE}@{us};transport=tcp"),
        format!("sip:{OUTSIDE}@{us};transport=sctp"),
        format!("sip:9011442071234567@{us}"),
        format!("sip:{OUTSIDE}%40{victim}@{us}"),
        format!("sip:{OUTSIDE}@{victim}"),
        format!("sip:{LINE};maddr={victim}@{us}"),
        format!("tel:{OUTSIDE};phone-context={victim}"),
        format!("sip:{OUTSIDE}@{us};maddr={victim};ttl=255?X-Evil=1"),
    ];
    for uri in uris {
        let before = guard.field.pbx.count();
        let status = sender.status(&Words::new("INVITE", &uri, sender.address).text());
        assert!(status == 200 || (400..500).contains(&status), "{uri}: {status}");
        for capture in guard.field.pbx.since(before) {
            let text = capture.text();
            let header =
                text.lines().skip(1).find(|line| line.starts_with("Route:") || line.starts_with("X-Evil"));
            assert_eq!(header, None, "{uri}: an escaped header became one");
            assert!(!text.lines().next().is_some_and(|line| line.contains('?')), "{uri} went on");
        }
    }
    guard.end(&[sign::MALFORMED]);
}

#[test]
fn n21_our_route_is_good_for_its_own_dialog_only() {
    let guard = Guard::begin();
    let (one, two) = (guard.field.call(LINE), guard.field.call(LINE));
    let (one, two) = (one.expect("the first call"), two.expect("the second call"));
    let sender = guard.field.sender(host::TRUNK);
    let byes = guard.field.phones.count(What::Bye);
    let mut routes = vec![two.route.clone()];
    let at = one.route.find("tsg=").expect("our Record-Route carries a proof") + 4;
    let length = one.route[at..].find([';', '>']).expect("it ends");
    for cut in [0, 1, length / 2, length - 1] {
        routes.push(format!("{}{}", &one.route[..at + cut], &one.route[at + length..]));
    }
    for n in 0..length {
        let mut flipped = one.route.clone().into_bytes();
        flipped[at + n] = if flipped[at + n] == b'A' { b'B' } else { b'A' };
        routes.push(String::from_utf8(flipped).expect("ASCII stays ASCII"));
    }
    let mut accepted = Vec::new();
    for route in routes {
        let mut words = one.request("INFO", 5);
        words.via = format!("{};rport", sender.address);
        words.more.clone_from(&route);
        let status = sender.status(&words.text());
        if ![403, 481].contains(&status) {
            accepted.push((status, route));
        }
    }
    assert_eq!(accepted, [], "Routes that are not this dialog's were accepted");
    assert_eq!(guard.field.phones.count(What::Bye), byes);
    for dialog in [one, two] {
        guard.field.hang_up(&dialog);
    }
    guard.end(&[sign::UNPROVEN]);
}

#[test]
fn n22_a_phone_cannot_send_a_call_elsewhere_by_302() {
    let (field, moved) = with_moved_agent(Manner::Redirect("sip:premium@VICTIM".to_owned()), "");
    let guard = Guard::on(field);
    let sender = guard.field.sender(host::TRUNK);
    let words = Words::new("INVITE", &guard.field.uri(MOVED_LINE), sender.address);
    let response = sender.ask(&words.text()).expect("the caller gets an answer");
    assert!(!moved.holding("INVITE ").is_empty(), "the phone was never asked");
    let contact = response.header("contact").unwrap_or_default();
    assert!(!contact.contains("premium"), "the caller was sent there: {}", response.start);
    assert!(status_of(&response) == 200 || status_of(&response) >= 400, "{}", response.start);
    guard.end(&[]);
}
