//! Peers that are known by a password: who is let in, and who is not.

use std::time::Duration;

use super::world::{CARRIER, LINE, PBX, World, address, invite_text, within_dialog};
use crate::engine::{Auth, Engine, Input, Saved, Settings};
use crate::message::{Header, Message, Method, response};
use crate::proxy::digest::{Algorithm, Credentials, Password, testing::answer_of};
use crate::transport::{Flow, Protocol};

const HERE: &str = "203.0.113.5:5060";
const THERE: &str = "203.0.113.6:5060";
const URI: &str = "sip:0399999999@192.0.2.1";

#[test]
fn n1_n2_no_method_comes_through_without_a_password_in_a_dialog_or_out_of_one() {
    let methods = [
        "INVITE",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "REFER",
        "INFO",
        "OPTIONS",
        "UPDATE",
        "PRACK",
        "BYE",
        "FOO",
        "ACK",
        "CANCEL",
        "REGISTER",
    ];
    for method in methods {
        for to_tag in ["", ";tag=invented"] {
            let mut world = world();
            let text = request(method, "one").replace("\r\nCall-ID", &format!("{to_tag}\r\nCall-ID"));
            world.receive(HERE, text.clone());
            let answers = world.taken(HERE);
            let statuses: Vec<_> = answers.iter().filter_map(Message::status).collect();
            let expected: &[u16] = match method {
                "ACK" => &[],
                "CANCEL" => &[481],
                "REGISTER" => &[401],
                _ => &[407],
            };
            assert_eq!(statuses, expected, "{method} {to_tag}");
            assert!(answers.iter().all(|answer| answer.bytes().len() * 2 <= text.len() * 3), "{method}");
            assert!(world.sent.is_empty() && world.lookups.is_empty() && world.events.is_empty());
            assert_eq!(world.engine.gauges().server_transactions, 0, "{method} left something");
            world.advance(Duration::from_secs(40));
            assert!(world.taken(HERE).is_empty(), "never repeated");
        }
    }
}

#[test]
fn a_call_comes_through_with_a_password_by_either_hash_and_ends() {
    for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
        let mut world = world();
        let challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), algorithm);
        let invite = authorised(&request("INVITE", "one2"), &challenge, 1);
        world.receive(HERE, invite.clone());
        let forwarded = world.one(PBX);
        assert_eq!(forwarded.header(Header::ProxyAuthorization), None, "ours goes no further");
        assert_eq!(statuses(&mut world, HERE), [100]);
        world.receive(HERE, invite);
        assert_eq!(statuses(&mut world, HERE), [100], "a repetition is absorbed, not judged");
        let contact: &[(&str, &[u8])] = &[("Contact", b"<sip:pbx@192.0.2.20:5060>")];
        world.receive(PBX, response(&forwarded, 200, None, Some("callee"), contact));
        let ok = world.one(HERE);
        world.receive(HERE, from_here(&within_dialog("ACK", 1, &ok)));
        assert_eq!(world.one(PBX).method(), Method::Ack, "the ACK belongs to a call that was proved");
        world.receive(THERE, from_here(&within_dialog("ACK", 1, &ok)));
        assert!(world.taken(PBX).is_empty(), "from anywhere else it does not");
        world.receive(HERE, from_here(&within_dialog("BYE", 2, &ok)));
        assert_eq!(statuses(&mut world, HERE), [407], "a BYE is asked for it as well");
        assert!(world.taken(PBX).is_empty());
        let bye = from_here(&within_dialog("BYE", 3, &ok));
        world.receive(HERE, authorised(&bye, &challenge, 2));
        let bye = world.one(PBX);
        assert_eq!(bye.method(), Method::Bye);
        world.receive(PBX, response(&bye, 200, None, None, &[]));
        assert_eq!(statuses(&mut world, HERE), [200]);
        assert_eq!(world.records.len(), 1);
    }
}

#[test]
fn n2_a_cancel_meets_the_invite_that_was_proved_and_no_other() {
    let mut world = world();
    let challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Sha256);
    world.receive(HERE, authorised(&request("INVITE", "one2"), &challenge, 1));
    let forwarded = world.one(PBX);
    world.receive(PBX, response(&forwarded, 180, None, Some("callee"), &[]));
    world.taken(HERE);
    let cancel = request("CANCEL", "one2");
    world.receive(THERE, cancel.clone());
    assert_eq!(statuses(&mut world, THERE), [481]);
    assert!(world.taken(PBX).is_empty());
    world.receive(HERE, cancel);
    assert_eq!(statuses(&mut world, HERE), [200]);
    assert_eq!(world.one(PBX).method(), Method::Cancel);
}

#[test]
fn n3_a_copy_of_a_request_is_refused_whenever_and_from_wherever_it_comes() {
    let mut world = world();
    let challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Sha256);
    let good = authorised(&request("INVITE", "one2"), &challenge, 1);
    world.receive(HERE, good.clone());
    assert_eq!(world.taken(PBX).len(), 1);
    world.taken(HERE);
    // Only the transaction differs: otherwise it would be a repetition.
    let copy = |n: usize| good.replace("z9hG4bKone2", &format!("z9hG4bKcopy{n}"));
    for n in 0..10_000 {
        world.receive(HERE, copy(n));
    }
    assert!(world.taken(PBX).is_empty());
    assert_eq!(world.engine.counters().auth_replayed, 10_000);
    let answers = world.taken(HERE);
    assert!(answers.iter().all(|answer| answer.status() == Some(407) && is_stale(answer)));
    for (n, wait) in [1, 60, 3600].into_iter().enumerate() {
        world.advance(Duration::from_secs(wait));
        // The call that was let in is still tried, and given up in the end.
        world.taken(PBX);
        world.taken(HERE);
        world.receive(HERE, copy(20_000 + n));
        assert!(world.taken(HERE).iter().all(is_stale), "{wait} s later");
        world.receive(THERE, copy(30_000 + n));
        assert!(world.taken(THERE).iter().all(is_stale), "from elsewhere");
        world.receive(
            HERE,
            copy(40_000 + n).replacen("INVITE", "MESSAGE", 1).replace("1 INVITE", "1 MESSAGE"),
        );
        world.receive(HERE, copy(50_000 + n).replacen(URI, "sip:0388888888@192.0.2.1", 1));
        assert!(world.taken(PBX).is_empty(), "a copy came through");
    }
}

#[test]
fn n3_a_copy_is_refused_after_a_restart_and_on_another_node() {
    let mut world = world();
    let challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Sha256);
    let good = authorised(&request("INVITE", "one2"), &challenge, 1);
    world.receive(HERE, good.clone());
    assert_eq!(world.taken(PBX).len(), 1);
    // Read back from what was written: the use is remembered.
    let written = serde_json::to_string(&world.engine.save()).unwrap();
    let saved: Saved = serde_json::from_str(&written).unwrap();
    let settings = std::sync::Arc::new(super::world::settings_with(with_branch));
    let directory = std::sync::Arc::default();
    world.engine = Engine::restore(saved, settings.clone(), directory, [9; 32], [8; 32], world.now);
    world.taken(HERE);
    world.receive(HERE, good.replace("z9hG4bKone2", "z9hG4bKcopy"));
    assert!(is_stale(&world.one(HERE)));
    // Begun anew, with the same key or with another: the nonce is of another life, or of nobody.
    for (secret, stale) in [([9; 32], true), ([10; 32], false)] {
        let directory = std::sync::Arc::default();
        world.engine = Engine::new(settings.clone(), directory, &[], secret, [11; 32], world.now);
        world.receive(HERE, good.replace("z9hG4bKone2", "z9hG4bKagain"));
        let answer = world.one(HERE);
        assert_eq!((answer.status(), is_stale(&answer)), (Some(407), stale));
    }
    assert!(world.taken(PBX).is_empty());
}

#[test]
fn n4_invented_old_and_backward_counting_nonces_are_refused() {
    let mut world = world();
    let challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Sha256);
    let invented = Challenge { nonce: "A".repeat(38), ..challenge.clone() };
    let elsewhere = Challenge { realm: "elsewhere".to_owned(), ..challenge.clone() };
    for (n, wrong) in [invented, elsewhere].into_iter().enumerate() {
        world.receive(HERE, authorised(&request("INVITE", &format!("w{n}")), &wrong, 1));
        let answer = world.one(HERE);
        assert_eq!((answer.status(), is_stale(&answer)), (Some(407), false));
    }
    world.receive(HERE, authorised(&request("OPTIONS", "five"), &challenge, 5));
    assert_eq!(world.taken(PBX).len(), 1, "any step upwards is good");
    for count in [5, 4, 1] {
        world.receive(HERE, authorised(&request("OPTIONS", &format!("c{count}")), &challenge, count));
        assert!(is_stale(&world.one(HERE)), "{count}");
    }
    world.advance(Duration::from_secs(301));
    world.taken(HERE);
    world.taken(PBX);
    world.receive(HERE, authorised(&request("OPTIONS", "late"), &challenge, 6));
    let answer = world.one(HERE);
    assert!(is_stale(&answer), "older than it lasts");
    let again = read_challenge(&answer, Algorithm::Sha256);
    world.receive(HERE, authorised(&request("OPTIONS", "anew"), &again, 1));
    assert_eq!(world.one(PBX).method(), Method::Options, "and the next one is good");
}

#[test]
fn n5_another_uri_a_weaker_hash_and_broken_credentials_are_refused() {
    let strict = |settings: &mut Settings| {
        with_branch(settings);
        let auth = settings.peers[3].auth.as_mut().unwrap();
        auth.password = auth.password.clone().only_sha256();
        // Somebody else still needs MD5, so that it is offered.
        settings.peers.push(digest_peer("other", "other's"));
    };
    let mut world = World::with(strict, |_| {});
    let weak = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Md5);
    let strong = challenge_to(&mut world, HERE, &request("INVITE", "two"), Algorithm::Sha256);
    let good = |n: &str, challenge| authorised(&request("INVITE", n), challenge, 1);
    let table = [
        good("w1", &weak),
        good("w2", &strong).replace("algorithm=SHA-256", "algorithm=MD5"),
        good("w3", &strong).replace(", qop=auth", ""),
        good("w4", &strong).replace("qop=auth", "qop=auth-int"),
        good("w5", &strong).replace("Digest ", "Basic "),
        good("w6", &strong).replace("username=\"branch\"", "username=\"bran\0ch\""),
        good("w7", &strong).replace("username=\"branch\"", "username=\"bran\\\"ch\""),
        good("w8", &strong).replace("uri=\"sip:0399999999", "uri=\"sip:0399999998"),
        authorised_as(&request("INVITE", "w9"), &strong, 1, "branch", "", URI),
        authorised_as(&request("INVITE", "w10"), &strong, 1, "branch", "right", "sip:0399999998@192.0.2.1"),
        authorised_as(&request("INVITE", "w11"), &strong, 1, "nobody", "", URI),
    ];
    for text in table {
        world.receive(HERE, text.clone());
        assert!(world.taken(PBX).is_empty(), "{text}");
        assert!(world.taken(HERE).iter().all(|answer| matches!(answer.status(), Some(400 | 407))), "{text}");
    }
    world.receive(HERE, good("right", &strong));
    assert_eq!(world.taken(PBX).len(), 1, "the right one passes after all that");
}

#[test]
fn n6_nobody_speaks_or_registers_in_anothers_name() {
    let both = |settings: &mut Settings| {
        with_branch(settings);
        settings.peers.push(digest_peer("boss", "secret"));
        settings.peers[3].auth.as_mut().unwrap().register_as = vec!["0311112222".to_owned()];
    };
    let mut world = World::with(both, |_| {});
    let mut challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Sha256);
    let mut count = 0;
    let mut send = |world: &mut World, text: &str| {
        count += 1;
        world.receive(HERE, authorised(text, &challenge, count));
        (statuses(world, HERE), world.taken(PBX))
    };
    for text in [
        request("INVITE", "b1").replace("sip:+819012345678@c", "sip:boss@192.0.2.1"),
        request("INVITE", "b2").replace("Max-", "P-Asserted-Identity: \"x\" <sip:boss@192.0.2.1>\r\nMax-"),
        request("MESSAGE", "b3").replace("Max-", "P-Preferred-Identity: <sip:boss@x>\r\nMax-"),
    ] {
        let (statuses, out) = send(&mut world, &text);
        assert_eq!((statuses, out.len()), (vec![403], 0), "{text}");
    }
    let asserted = "P-Asserted-Identity: <sip:+81300000000@x>\r\nMax-";
    let (_, out) = send(&mut world, &request("INVITE", "b4").replace("Max-", asserted));
    assert_eq!(out[0].header(Header::PAssertedIdentity), None, "it is not trusted to assert");
    challenge = challenge_to(&mut world, HERE, &request("REGISTER", "r0"), Algorithm::Sha256);
    for (n, (user, passes)) in
        [("branch", true), ("0311112222", true), ("boss", false), ("0399999999", false)]
            .into_iter()
            .enumerate()
    {
        let text = request("REGISTER", &format!("r{}", n + 1))
            .replace("To: <sip:0399999999@", &format!("To: <sip:{user}@"));
        world.receive(HERE, authorised(&text, &challenge, n as u32 + 1));
        assert_eq!(statuses(&mut world, HERE).contains(&403), !passes, "{user}");
        let out = world.taken(PBX);
        assert_eq!(out.len(), usize::from(passes), "{user}");
        assert!(out.iter().all(|message| message.header(Header::Authorization).is_none()));
    }
}

#[test]
fn n7_a_challenge_of_somebody_else_is_passed_on_and_never_answered() {
    let mut world = world();
    world.receive(CARRIER, invite_text("one", "<sip:+819012345678@c>", "0399999999"));
    let forwarded = world.one(PBX);
    world.taken(CARRIER);
    let asks: &[(&str, &[u8])] =
        &[("Proxy-Authenticate", b"Digest realm=\"192.0.2.1\",nonce=\"x\",qop=\"auth\"")];
    world.receive(PBX, response(&forwarded, 407, None, Some("t"), asks));
    let up = world.one(CARRIER);
    assert_eq!((up.status(), up.header(Header::ProxyAuthenticate)), (Some(407), Some(asks[0].1)));
    let after = world.taken(PBX);
    assert!(after.iter().all(|message| message.method() == Method::Ack), "{after:?}");
    assert!(after.iter().all(|message| message.header(Header::ProxyAuthorization).is_none()));
}

#[test]
fn v1_credentials_for_others_pass_and_ours_do_not() {
    let mut world = world();
    let challenge = challenge_to(&mut world, HERE, &request("INVITE", "one"), Algorithm::Sha256);
    let other = "Proxy-Authorization: Digest username=\"x\", realm=\"pbx.example\", response=\"00\"\r\n";
    let text = authorised(&request("INVITE", "two"), &challenge, 1).replace("Max-", &format!("{other}Max-"));
    world.receive(HERE, text);
    let forwarded = world.one(PBX);
    let kept: Vec<_> = forwarded.headers(Header::ProxyAuthorization).collect();
    assert_eq!(kept, [other["Proxy-Authorization: ".len()..].trim_end().as_bytes()]);
    // A peer that is known by its address loses them as well: they were never its own.
    let text = authorised(&invite_text("three", "<sip:+819012345678@c>", "0399999999"), &challenge, 2);
    world.receive(CARRIER, text);
    assert_eq!(world.one(PBX).header(Header::ProxyAuthorization), None);
}

#[test]
fn n8_n9_a_mapped_address_is_the_address() {
    let here = |settings: &mut Settings| {
        with_branch(settings);
        settings.peers[3].addresses = vec!["203.0.113.0/29".parse().unwrap()];
    };
    let mut world = World::with(here, |_| {});
    let mapped = "[::ffff:203.0.113.5]:5060";
    let challenge = challenge_to(&mut world, mapped, &request("INVITE", "one"), Algorithm::Sha256);
    world.receive(HERE, authorised(&request("INVITE", "two"), &challenge, 1));
    assert_eq!(world.taken(PBX).len(), 1, "the same source");
    world.receive("203.0.113.99:5060", request("INVITE", "three"));
    assert_eq!(statuses(&mut world, "203.0.113.99:5060"), [403], "not from where it may come");
    assert!(world.engine.counters().strangers > 0);
}

/// The address of a peer with a password grants nothing by itself, whatever the port.
#[test]
fn n8_a_right_address_without_the_password_is_a_stranger() {
    let here = |settings: &mut Settings| {
        with_branch(settings);
        settings.peers[3].addresses = vec!["203.0.113.5/32".parse().unwrap()];
        settings.peers[3].trust_identity = true;
    };
    let mut world = World::with(here, |_| {});
    world.receive("203.0.113.5:9999", request("INVITE", "one"));
    assert_eq!(statuses(&mut world, "203.0.113.5:9999"), [407]);
    assert!(world.taken(PBX).is_empty());
}

#[test]
fn n10_users_there_are_and_users_there_are_not_get_the_same_answers() {
    for method in ["OPTIONS", "REGISTER", "INVITE"] {
        let mut shapes = Vec::new();
        for (user, password) in [("branch", "wrong"), ("nobody", "wrong"), ("nobody", "right")] {
            let mut world = world();
            let algorithm = Algorithm::Sha256;
            let mut answers = Vec::new();
            let challenge = challenge_to(&mut world, HERE, &request(method, "first"), algorithm);
            for n in 1..=20 {
                let text =
                    authorised_as(&request(method, &format!("t{n:02}")), &challenge, n, user, password, URI);
                world.receive(HERE, text);
                let answer = world.one(HERE);
                let names: Vec<Vec<u8>> = answer.all_headers().map(|(name, _)| name.to_vec()).collect();
                answers.push((answer.status(), names, answer.bytes().len()));
            }
            assert!(world.taken(PBX).is_empty());
            shapes.push(answers);
        }
        assert_eq!(shapes[0], shapes[1], "{method}");
        assert_eq!(shapes[1], shapes[2], "{method}");
    }
}

#[test]
fn n11_guessing_is_slowed_and_the_right_one_is_not_locked_out() {
    let mut world = world();
    let own = challenge_to(&mut world, HERE, &request("INVITE", "own"), Algorithm::Sha256);
    world.receive(HERE, authorised(&request("OPTIONS", "own1"), &own, 1));
    assert_eq!(world.taken(PBX).len(), 1);
    let theirs = challenge_to(&mut world, THERE, &request("INVITE", "guess"), Algorithm::Sha256);
    for n in 1..=1_000 {
        let guess = authorised_as(&request("OPTIONS", &format!("g{n}")), &theirs, n, "branch", "guess", URI);
        world.receive(THERE, guess);
    }
    let counters = *world.engine.counters();
    assert_eq!((counters.auth_failed, counters.auth_held_back), (5, 995));
    // Not even the right password is looked at from there now, so that a guess tells nothing.
    world.receive(THERE, authorised(&request("OPTIONS", "lucky"), &theirs, 2_000));
    assert!(world.taken(PBX).is_empty());
    world.receive(HERE, authorised(&request("OPTIONS", "own2"), &own, 2));
    assert_eq!(world.taken(PBX).len(), 1, "the right one is not locked out");
    for n in 0..10_000_u32 {
        let user = format!("user{n}");
        let text = authorised_as(&request("OPTIONS", &format!("e{n}")), &theirs, n + 1, &user, "guess", URI);
        world.receive(THERE, text);
    }
    assert!(world.engine.counters().auth_failed <= 30, "one source, whoever is named");
}

#[test]
fn n12_forged_failures_ban_nobody() {
    let mut world = world();
    let own = challenge_to(&mut world, HERE, &request("INVITE", "own"), Algorithm::Sha256);
    // The forger sees challenges that go to itself, and none that go to the address it forges.
    let forged = challenge_to(&mut world, THERE, &request("INVITE", "forged"), Algorithm::Sha256);
    for n in 1..=500 {
        let text = authorised_as(&request("OPTIONS", &format!("f{n}")), &forged, n, "branch", "wrong", URI);
        world.receive(HERE, text);
        world.receive(
            CARRIER,
            authorised_as(&request("OPTIONS", &format!("c{n}")), &forged, n, "x", "y", URI),
        );
    }
    assert_eq!(world.engine.counters().auth_failed, 0, "none of them was looked at");
    world.taken(PBX);
    world.receive(HERE, authorised(&request("OPTIONS", "own1"), &own, 1));
    assert_eq!(world.taken(PBX).len(), 1);
    world.receive(CARRIER, invite_text("still", "<sip:+819012345678@c>", LINE));
    assert!(world.statuses().contains(&100), "a peer known by its address is never banned");
}

#[test]
fn n28_challenges_are_no_way_to_flood_somebody() {
    let mut world = world();
    let mut sent = 0;
    for n in 0..1_000 {
        let text = request("OPTIONS", &format!("flood{n}"));
        sent += text.len();
        world.receive(HERE, text);
    }
    let answered: usize = world.taken(HERE).iter().map(|answer| answer.bytes().len()).sum();
    assert!(answered <= sent, "{answered} octets for {sent}");
    let small = "OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bKs\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\n\
                 i:s\r\nCSeq:1 OPTIONS\r\nMax-Forwards:1\r\nl:0\r\n\r\n";
    world.receive(THERE, small);
    let answers = world.taken(THERE);
    assert!(answers.iter().all(|answer| answer.bytes().len() * 2 <= small.len() * 3));
}

#[test]
fn a_connection_gets_its_challenge_whatever_the_size() {
    let mut world = world();
    let flow = Flow {
        protocol: Protocol::Tcp,
        local: address(super::world::US),
        remote: address(HERE),
        connection: None,
        certificate: None,
    };
    let text = request("OPTIONS", "tcp").replace("UDP", "TCP");
    world.input(Input::Received { flow, bytes: text.into() });
    let answer = world.one(HERE);
    assert_eq!(answer.headers(Header::ProxyAuthenticate).count(), 2, "both hashes");
    let first = answer.header(Header::ProxyAuthenticate).unwrap();
    assert!(String::from_utf8_lossy(first).contains("algorithm=SHA-256"), "the better one first");
}

#[derive(Clone)]
struct Challenge {
    realm: String,
    nonce: String,
    algorithm: Algorithm,
}

fn world() -> World {
    World::with(with_branch, |_| {})
}

fn with_branch(settings: &mut Settings) {
    settings.digest.realm = "toritsugi".to_owned();
    settings.digest.challenges_per_s = 100_000;
    settings.peers.push(digest_peer("branch", "right"));
}

fn digest_peer(username: &str, password: &str) -> crate::engine::Peer {
    crate::engine::Peer {
        name: username.to_owned(),
        addresses: Vec::new(),
        trust_identity: false,
        called_number: vec![crate::identity::CalledSource::RequestUri],
        preloaded_route: false,
        transfers: false,
        certificate: None,
        calls_per_s: 0,
        numbering: crate::identity::TrunkContext::default(),
        auth: Some(Auth {
            username: username.to_owned(),
            password: Password::of(username, "toritsugi", password),
            register_as: Vec::new(),
        }),
    }
}

/// A request of the branch for a number that is no line.
fn request(method: &str, call: &str) -> String {
    let padding = "User-Agent: branch office exchange 1.0 (a name that is as long as such names are)\r\n";
    let text = invite_text(call, "<sip:+819012345678@c>", "0399999999").replace("INVITE", method);
    from_here(&text).replace("Max-", &format!("{padding}Max-"))
}

fn from_here(text: &str) -> String {
    text.replace("192.0.2.10:5060", HERE)
}

fn challenge_to(world: &mut World, from: &str, text: &str, algorithm: Algorithm) -> Challenge {
    world.receive(from, text.to_owned());
    let answers: Vec<Message> =
        world.sent.drain(..).map(|datagram| super::world::parsed(&datagram.bytes)).collect();
    assert_eq!(answers.len(), 1);
    read_challenge(&answers[0], algorithm)
}

fn read_challenge(answer: &Message, algorithm: Algorithm) -> Challenge {
    let headers = [Header::ProxyAuthenticate, Header::WwwAuthenticate];
    let texts = headers.into_iter().flat_map(|name| answer.headers(name)).map(String::from_utf8_lossy);
    let wanted = format!("algorithm={},", algorithm.as_str());
    let text = texts.into_iter().find(|text| text.contains(&wanted)).expect("it is offered");
    let part =
        |name: &str| text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    Challenge { realm: part("realm"), nonce: part("nonce"), algorithm }
}

fn authorised(text: &str, challenge: &Challenge, count: u32) -> String {
    let uri = text.split(' ').nth(1).unwrap().to_owned();
    authorised_as(text, challenge, count, "branch", "right", &uri)
}

fn authorised_as(
    text: &str,
    challenge: &Challenge,
    count: u32,
    username: &str,
    password: &str,
    uri: &str,
) -> String {
    let method = text.split(' ').next().unwrap();
    let nc = format!("{count:08x}");
    let credentials = Credentials {
        username,
        realm: &challenge.realm,
        nonce: &challenge.nonce,
        uri: uri.as_bytes(),
        algorithm: challenge.algorithm,
        cnonce: "client",
        nc: (&nc, count),
        response: "",
    };
    let response = answer_of(&credentials, password, method.as_bytes());
    let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
    let header = format!(
        "{name}: Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm={}, cnonce=\"client\", qop=auth, nc={nc}\r\n",
        challenge.realm,
        challenge.nonce,
        challenge.algorithm.as_str(),
    );
    text.replacen("Max-Forwards", &format!("{header}Max-Forwards"), 1)
}

fn is_stale(answer: &Message) -> bool {
    let header = answer.header(Header::ProxyAuthenticate).unwrap_or_default();
    String::from_utf8_lossy(header).contains("stale=true")
}

fn statuses(world: &mut World, at: &str) -> Vec<u16> {
    world.taken(at).iter().filter_map(Message::status).collect()
}
