//! The torture messages of RFC 4475 and RFC 5118 at parse level. What only a proxy can refuse (416, 420, 483)
//! must parse.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::*;

/// One line of EXPECT.tsv and its message.
struct Case {
    file: String,
    goal: String,
    kind: String,
    bytes: Bytes,
}

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/torture");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: needs the torture messages");
    None
}

fn cases() -> Option<Vec<Case>> {
    let folder = folder()?;
    let table = std::fs::read_to_string(folder.join("EXPECT.tsv")).unwrap();
    let case = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let bytes = Bytes::from(std::fs::read(folder.join(cells[0])).unwrap());
        Case { file: cells[0].into(), goal: cells[10].into(), kind: cells[3].into(), bytes }
    };
    Some(table.lines().skip(1).map(case).collect())
}

fn read(file: &str) -> Option<Message> {
    let bytes = Bytes::from(std::fs::read(folder()?.join(file)).unwrap());
    Some(Message::parse(bytes, &Limits::default()).unwrap())
}

/// The status an unusable request is refused with, 0 for a message to be dropped, `None` for one that parses.
fn expected(case: &Case) -> Option<u16> {
    let dropped = ["rfc4475/scalarlg.dat", "rfc4475/bigcode.dat"];
    match case.goal.get(..3) {
        Some("400") => Some(400),
        Some("501") => Some(501),
        Some("505") => Some(505),
        _ if dropped.contains(&case.file.as_str()) => Some(0),
        _ => None,
    }
}

#[test]
fn n43_every_torture_message_gets_its_verdict() {
    let Some(cases) = cases() else { return };
    assert!(cases.len() >= 63, "{}", cases.len());
    for case in cases {
        let verdict = match Message::parse(case.bytes.clone(), &Limits::default()) {
            Ok(_) => None,
            Err(Fault { answerable: None, .. }) => Some(0),
            Err(fault) => Some(fault.status),
        };
        assert_eq!(verdict, expected(&case), "{}", case.file);
    }
}

#[test]
fn n43_a_refused_request_gets_an_answer_that_parses_and_a_response_none() {
    let Some(cases) = cases() else { return };
    for case in cases {
        let Err(fault) = Message::parse(case.bytes.clone(), &Limits::default()) else { continue };
        let answer = fault_response_to(&fault, "192.0.2.77:5999".parse().ok());
        assert_eq!(answer.is_some(), case.kind == "request", "{}", case.file);
        let Some(answer) = answer else { continue };
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.starts_with(&format!("SIP/2.0 {} ", fault.status)), "{}: {text}", case.file);
        assert!(text.ends_with("Content-Length: 0\r\n\r\n"), "{}: {text}", case.file);
        // These lack, or mangle, what a whole response needs.
        let incomplete =
            ["badinv01", "badvers", "scalar02", "quotbal", "badaspec", "baddn", "insuf", "multi01", "test"];
        if !incomplete.iter().any(|name| case.file.contains(name)) {
            let answer = Message::parse(answer, &Limits::default()).unwrap();
            assert_eq!(answer.status(), Some(fault.status), "{}", case.file);
            assert!(answer.to_tag().is_some(), "{}", case.file);
            assert_eq!(answer.top_via().received(), "192.0.2.77".parse().ok(), "{}", case.file);
        }
    }
}

#[test]
fn n43_wsinv_is_read_through_all_its_folds() {
    let Some(message) = read("rfc4475/wsinv.dat") else { return };
    assert_eq!(message.max_forwards(), Some(68));
    assert_eq!((message.cseq(), message.method()), (9, Method::Invite));
    assert_eq!(message.to_tag(), Some(&b"1918181833n"[..]));
    assert_eq!(message.from_tag(), Some(&b"98asjd8"[..]));
    let from = NameAddr::parse(message.header(Header::From).unwrap()).unwrap();
    assert_eq!(from.display_text().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(message.top_via().branch(), Some(&b"390skdjuw"[..]));
    assert_eq!(message.values(Header::Via).count(), 3);
    let branches: Vec<_> = message
        .values(Header::Via)
        .map(|value| Via::parse(value.bytes).unwrap().branch().unwrap().to_vec())
        .collect();
    assert_eq!(branches[1], b"z9hG4bK9ikj8");
    assert_eq!(message.header_named(b"unknownheaderwithunusualvalue"), Some(&b";;,,;;,;"[..]));
    assert_eq!(message.header(Header::Subject), Some(&b""[..]));
    let mut edit = Edit::of(&message);
    edit.set(Header::MaxForwards, b"67");
    let forwarded = edit.finish();
    let text = String::from_utf8_lossy(message.bytes()).replace("MaX-fOrWaRdS: 0068", "MaX-fOrWaRdS: 67");
    assert_eq!(forwarded, text.as_bytes());
}

#[test]
fn n43_intmeth_keeps_method_and_odd_octets() {
    let Some(message) = read("rfc4475/intmeth.dat") else { return };
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.method_bytes(), b"!interesting-Method0123456789_*+`.%indeed'~");
    let to = NameAddr::parse(message.header(Header::To).unwrap()).unwrap();
    assert_eq!(to.display_text().as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(message.from_tag(), Some(&b"_token~1'+`*%!-."[..]));
    assert_eq!(message.max_forwards(), Some(255));
    assert_eq!(
        message.header_named(b"EXTENSIONHEADER-!.%*+_`'~"),
        Some(&b"\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb"[..])
    );
}

#[test]
fn n43_escapes_are_decoded_once_and_never_in_names() {
    let Some(message) = read("rfc4475/esc01.dat") else { return };
    let uri = Uri::parse(message.request_uri()).unwrap();
    assert_eq!(percent_decode(uri.user.unwrap()), &b"sips:user@example.com"[..]);
    let contact = NameAddr::parse(message.header(Header::Contact).unwrap()).unwrap();
    let contact = Uri::parse(contact.uri).unwrap();
    assert_eq!(contact.params.get("n%61me"), Some(Some(&b"v%61lue%25%34%31"[..])));
    let Some(message) = read("rfc4475/escnull.dat") else { return };
    let to = NameAddr::parse(message.header(Header::To).unwrap()).unwrap();
    assert_eq!(percent_decode(Uri::parse(to.uri).unwrap().user.unwrap()), &b"null-\0-null"[..]);
    assert_eq!(message.headers(Header::Contact).count(), 2);
    let Some(message) = read("rfc4475/esc02.dat") else { return };
    assert_eq!(message.method(), Method::Other);
    assert_eq!(message.headers(Header::Contact).count(), 2);
}

#[test]
fn n43_long_and_doubled_messages_keep_what_is_theirs() {
    let Some(message) = read("rfc4475/longreq.dat") else { return };
    assert_eq!(message.values(Header::Via).count(), 34);
    assert!(!message.top_via().has_rfc3261_branch());
    let Some(message) = read("rfc4475/dblreq.dat") else { return };
    assert_eq!(message.method(), Method::Register);
    assert_eq!(memchr::memmem::find(message.bytes(), b"INVITE"), None);
    assert!(message.body().is_empty());
    let Some(message) = read("rfc4475/mpart01.dat") else { return };
    assert_eq!(message.body().len(), 553);
    let Some(message) = read("rfc4475/transports.dat") else { return };
    let transports: Vec<_> = message
        .values(Header::Via)
        .map(|value| Via::parse(value.bytes).unwrap().transport().to_vec())
        .collect();
    assert_eq!(transports, [&b"UDP"[..], b"SCTP", b"TLS", b"UNKNOWN", b"TCP"]);
}

#[test]
fn n43_a_request_of_rfc2543_is_read_without_what_it_lacks() {
    let Some(message) = read("rfc4475/inv2543.dat") else { return };
    assert_eq!(message.max_forwards(), None);
    assert_eq!(message.from_tag(), None);
    assert_eq!(message.top_via().branch(), None);
    assert!(message.body().starts_with(b"v=0\r\n"));
    assert!(message.body().ends_with(b"\r\n"));
}

#[test]
fn n43_reason_phrases_are_kept_or_empty() {
    let Some(message) = read("rfc4475/unreason.dat") else { return };
    assert_eq!(message.status(), Some(200));
    assert!(String::from_utf8_lossy(message.reason()).starts_with("= 2**3 * 5**2 но сто"));
    let Some(message) = read("rfc4475/noreason.dat") else { return };
    assert_eq!((message.status(), message.reason()), (Some(100), &b""[..]));
}

#[test]
fn n43_contact_parameters_belong_where_the_brackets_say() {
    let Some(message) = read("rfc4475/cparam01.dat") else { return };
    assert!(NameAddr::parse(message.header(Header::Contact).unwrap()).unwrap().params.has("unknownparam"));
    let Some(message) = read("rfc4475/cparam02.dat") else { return };
    let contact = NameAddr::parse(message.header(Header::Contact).unwrap()).unwrap();
    assert!(!contact.params.has("unknownparam"));
    assert!(Uri::parse(contact.uri).unwrap().params.has("unknownparam"));
    let Some(message) = read("rfc4475/regescrt.dat") else { return };
    let contact = NameAddr::parse(message.header(Header::Contact).unwrap()).unwrap();
    assert_eq!(Uri::parse(contact.uri).unwrap().headers, Some(&b"Route=%3Csip:sip.example.com%3E"[..]));
    assert_eq!(message.header(Header::Route), None);
}

#[test]
fn n43_ipv6_in_via_is_read_with_and_without_brackets() {
    for file in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let Some(message) = read(&format!("rfc5118/wire/{file}.dat")) else { return };
        assert!(message.top_via().received().is_some_and(|address| address.is_ipv6()), "{file}");
    }
    let host = |file: &str| {
        let message = read(&format!("rfc5118/wire/{file}.dat"))?;
        Uri::parse(message.request_uri()).ok()?.host.address()
    };
    assert_eq!(host("ipv6-bug-abnf-3-colons"), host("ipv6-correct-abnf-2-colons"));
    assert_eq!(host("ipv6-bug-abnf-3-colons"), "2001:db8::192.0.2.1".parse().ok());
}
