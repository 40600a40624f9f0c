//! A branch without a fixed address calls with a password, and nothing it has sent can be used twice.

mod support;

use std::time::Duration;

use md5::{Digest, Md5};
use support::field::{Field, PATIENCE, Stream, Words, status_in, status_of};
use support::log::poll;
use support::needs::needs;
use support::sipp::{Outcome, Sipp};
use support::site::Site;

/// Where the branch calls from: no peer's address.
const BRANCH: u8 = 62;
/// A number that is no line: it goes to the PBX.
const OUTSIDE: &str = "0399990000";
const PASSWORD: &str = "right words";
/// SIPp knows MD5 only and looks at the first challenge: with this hash alone no other is offered.
const CONFIGURATION: &str = "[[sip.peer]]\nname = \"branch\"\n[sip.peer.auth]\nusername = \"branch\"\n\
    ha1_md5 = \"deb91475e9dbf3730a70c95a0537bf70\"\n[sip.digest]\nrealm = \"toritsugi\"\n";
const ONE_WELL: Outcome = Outcome { successful: 1, failed: 0 };

#[test]
fn a_branch_with_a_password_calls_from_an_address_that_is_no_peers() {
    if !needs(&["sipp"]) {
        return;
    }
    let mut site = Site::new("wrap_up_s = 0", CONFIGURATION);
    site.serve();
    let number = || vec![("0312340001".to_owned(), OUTSIDE.to_owned())];
    let callee = Sipp::new("uas_hangs_up", site.pbx(), number()).pause(Duration::from_millis(50));
    let callee = callee.start(site.sip(), site.folder());
    let uri = format!("{OUTSIDE}@{}", site.sip());
    let caller = Sipp::new("uac_digest", site.net.at(BRANCH, 5060), number()).arguments(&[
        "-au",
        "branch",
        "-ap",
        PASSWORD,
        "-auth_uri",
        &uri,
    ]);
    assert_eq!(caller.run(site.sip(), site.folder()), ONE_WELL);
    assert_eq!(callee.finish(), ONE_WELL);
}

#[test]
fn n3_a_call_that_was_let_in_opens_nothing_a_second_time() {
    let field = Field::open(CONFIGURATION);
    let branch = field.sender(BRANCH);
    let mut words = Words::new("INVITE", &field.uri(OUTSIDE), branch.address);
    let asked = branch.ask(&words.text()).expect("a challenge");
    assert_eq!(status_of(&asked), 407);
    let challenge = asked.header("proxy-authenticate").expect("it says what it wants").to_owned();
    words.cseq = 2;
    words.more = credentials(&challenge, &words.uri, "wrong words", 1);
    assert_eq!(branch.status(&words.text()), 407, "a wrong password");
    words.more = credentials(&challenge, &words.uri, PASSWORD, 2);
    assert_eq!(field.pbx.count(), 0);
    assert_eq!(branch.status(&words.text()), 200);
    let came = field.pbx.since(0);
    assert!(came.iter().all(|capture| !capture.text().contains("Authorization")), "{}", came[0].text());
    // The same octets in another transaction: what a listener on the wire could send.
    let invites = |field: &Field| {
        field.pbx.since(0).iter().filter(|capture| capture.text().contains(&words.call_id)).count()
    };
    let before = invites(&field);
    for _ in 0..20 {
        let refused = branch.ask(&words.text()).expect("an answer");
        assert_eq!(status_of(&refused), 407);
        let again = refused.header("proxy-authenticate").unwrap_or_default();
        assert!(again.contains("stale=true"), "{again}");
    }
    assert_eq!(invites(&field), before, "a copy came through");
}

/// Its address is no peer's, and the connection is not closed for that: the password comes in the request.
#[test]
fn a_branch_with_a_password_is_asked_for_it_over_tcp_too() {
    let field = Field::open(CONFIGURATION);
    let from = field.site.net.at(BRANCH, 5060);
    let mut stream = Stream::connect(from.ip(), field.site.sip()).expect("it listens");
    let words = Words::new("INVITE", &field.uri(OUTSIDE), from);
    stream.send(words.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP").as_bytes());
    let asked = poll(PATIENCE, || stream.poll().into_iter().map(|answer| status_in(&answer)).next());
    assert_eq!((asked, stream.ended), (Some(407), false));
}

fn credentials(challenge: &str, uri: &str, password: &str, count: u32) -> String {
    let part =
        |name: &str| challenge.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    let (realm, nonce) = (part("realm").expect("a realm"), part("nonce").expect("a nonce"));
    let first = hash(&format!("branch:{realm}:{password}"));
    let second = hash(&format!("INVITE:{uri}"));
    let response = hash(&format!("{first}:{nonce}:{count:08x}:cnonce:auth:{second}"));
    format!(
        "Proxy-Authorization: Digest username=\"branch\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\",\
         response=\"{response}\",algorithm=MD5,cnonce=\"cnonce\",qop=auth,nc={count:08x}\r\n"
    )
}

fn hash(text: &str) -> String {
    Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}
