//! Senders who are no peers, and senders who claim to be one.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::support::field::{Field, Manner, PATIENCE, SILENCE, STRANGER, Sender, Stream, Words, status_in};
use crate::support::guard::{Guard, sign};
use crate::support::net::host;
use crate::support::phones::{Behaviour, What};
use crate::support::site::{LINE, Site};
use crate::{METHODS, OUTSIDE, add_peer};

#[test]
fn n1_no_method_of_a_stranger_comes_through() {
    let guard = Guard::begin();
    let (stranger, mark) = (guard.field.sender(STRANGER), guard.mark());
    for method in METHODS {
        stranger.send(Words::new(method, &guard.field.uri(LINE), stranger.address).text().as_bytes());
        for answer in stranger.drain(Duration::from_millis(50)) {
            assert!([401, 403, 405].contains(&status_in(&answer)), "{method}: {}", status_in(&answer));
        }
    }
    guard.assert_nothing_out(mark, "a stranger's request");
    let mut stream = Stream::connect(guard.field.site.net.ip(STRANGER), guard.field.site.sip());
    if let Ok(stream) = &mut stream {
        stream.send(Words::new("INVITE", &guard.field.uri(LINE), stranger.address).text().as_bytes());
        let came = stream.wait_end(PATIENCE);
        assert!(stream.ended, "a stranger's connection stays");
        assert!(came.iter().all(|answer| [401, 403, 405].contains(&status_in(answer))));
    }
    guard.assert_nothing_out(mark, "a stranger's request over TCP");
    guard.end(&[sign::STRANGER, sign::STRANGE_CONNECTION]);
}

/// What a request says of its own origin changes nothing.
#[test]
fn n1_a_stranger_who_names_a_peer_in_headers_stays_a_stranger() {
    let guard = Guard::begin();
    let (stranger, mark) = (guard.field.sender(STRANGER), guard.mark());
    let peer = guard.field.site.net.ip(host::TRUNK);
    for more in [
        format!("X-Forwarded-For: {peer}\r\n"),
        format!("X-Real-IP: {peer}\r\nForwarded: for={peer}\r\n"),
        format!("P-Asserted-Identity: <sip:boss@{peer}>\r\n"),
        format!("Route: <sip:{};lr>\r\n", guard.field.site.sip()),
        format!("Authorization: Basic Y2FycmllcjpjYXJyaWVy\r\nX-Source: {peer}\r\n"),
    ] {
        let mut words = Words::new("INVITE", &guard.field.uri(LINE), stranger.address);
        words.via = format!("{peer}:5060;received={peer};rport=5060");
        words.more = more;
        stranger.send(words.text().as_bytes());
        let answers = stranger.drain(SILENCE / 3);
        assert!(answers.iter().all(|answer| status_in(answer) == 403), "{}", words.more);
    }
    guard.assert_nothing_out(mark, "a stranger with a borrowed name");
    guard.end(&[sign::STRANGER]);
}

/// The address of a peer is easily forged over UDP: it opens lines, and nobody's running call.
#[test]
fn n8_the_address_of_a_peer_alone_touches_no_call_of_others() {
    let guard = Guard::begin();
    let up = guard.field.call(LINE).expect("the call is answered");
    guard.field.phones.set("a101", Behaviour::Ring);
    guard.field.phones.set("a102", Behaviour::Ring);
    let caller = guard.field.sender(host::TRUNK);
    let ringing = Words::new("INVITE", &guard.field.uri(LINE), caller.address);
    let (branch, rings) = ("z9hG4bKsecret", guard.field.phones.count(What::Invite));
    caller.send(ringing.text_with_branch(branch).as_bytes());
    guard.field.phones.wait_for(What::Invite, rings + 1, PATIENCE);
    // The same host from another port, over UDP and over TCP.
    let forged = guard.field.sender(host::TRUNK);
    let (byes, pbx) = (guard.field.phones.count(What::Bye), guard.field.pbx.count());
    for call in [&up.words, &ringing] {
        for method in ["BYE", "REFER", "UPDATE", "INFO", "INVITE", "CANCEL"] {
            let mut words = call.clone();
            method.clone_into(&mut words.method);
            words.to_tag = Some("guessed".to_owned()).filter(|_| method != "CANCEL");
            words.cseq = 7;
            words.via = format!("{};rport", forged.address);
            assert_eq!(forged.status(&words.text()), 481, "{method}");
        }
    }
    let mut bye = up.words.clone();
    "BYE".clone_into(&mut bye.method);
    "TCP".clone_into(&mut bye.protocol);
    let mut stream = Stream::connect(guard.field.site.net.ip(host::TRUNK), guard.field.site.sip())
        .expect("a peer may connect");
    stream.send(bye.text().as_bytes());
    let answer = crate::support::log::poll(PATIENCE, || stream.poll().into_iter().next());
    assert_eq!(answer.map(|answer| status_in(&answer)), Some(481), "BYE over TCP");
    assert_eq!((guard.field.phones.count(What::Bye), guard.field.pbx.count()), (byes, pbx));
    assert_eq!(guard.field.phones.count(What::Cancelled), 0);
    let mut cancel = ringing.clone();
    "CANCEL".clone_into(&mut cancel.method);
    assert!([200, 487].contains(&caller.status(&cancel.text_with_branch(branch))));
    guard.field.hang_up(&up);
    let quick = Behaviour::Answer { quiet: Duration::from_millis(1), ring: Duration::from_millis(5) };
    guard.field.phones.set("a101", quick);
    guard.field.phones.set("a102", quick);
    guard.end(&[sign::UNPROVEN, sign::CANCEL]);
}

#[test]
fn n9_a_peer_by_ipv6_is_judged_as_one_by_ipv4_and_a_neighbour_is_not() {
    let port = UdpSocket::bind("[::1]:0").and_then(|socket| socket.local_addr());
    let Ok(port) = port.map(|address| address.port()) else { return };
    let listen = format!("udp:[::1]:{port}");
    let prepare = |site: &Site| {
        let udp = format!("\"udp:{}\"", site.sip());
        site.change(&udp, &format!("{udp}, \"{listen}\""));
        // The mapped form of an IPv4 address is that address.
        add_peer(site, "mapped", &format!("::ffff:{}", site.net.ip(crate::DOUBTFUL)));
    };
    let guard = Guard::on(Field::with("", prepare, Manner::Answer));
    let own = format!("sip:{}", guard.field.site.sip());
    let mapped = guard.field.sender(crate::DOUBTFUL);
    assert_eq!(mapped.status(&Words::new("OPTIONS", &own, mapped.address).text()), 200);
    // ::1 is no peer, though 127.0.0.0/8 looks like the same machine.
    let from: SocketAddr = "[::1]:0".parse().expect("an address");
    let to: SocketAddr = format!("[::1]:{port}").parse().expect("an address");
    let neighbour = Sender::new(from, to);
    let mark = guard.mark();
    for method in METHODS {
        neighbour.send(Words::new(method, &guard.field.uri(LINE), neighbour.address).text().as_bytes());
    }
    let answers = neighbour.drain(SILENCE);
    assert!(answers.iter().all(|answer| status_in(answer) == 403), "{}", answers.len());
    guard.assert_nothing_out(mark, "a stranger by IPv6");
    guard.end(&[sign::STRANGER]);
}

/// Failures that anybody can forge must not shut out the peer whose address they carry.
#[test]
fn n12_forged_failures_do_not_shut_out_the_peer_they_name() {
    let guard = Guard::begin();
    let forged = guard.field.sender(host::TRUNK);
    for n in 0..500 {
        let mut invented = Words::new("BYE", &guard.field.uri(LINE), forged.address);
        invented.to_tag = Some("invented".to_owned());
        let mut digest = Words::new("INVITE", "urn:nothing", forged.address);
        digest.more = format!(
            "Proxy-Authorization: Digest username=\"root\", realm=\"x\", nonce=\"{n}\", uri=\"sip:x\", \
             response=\"00000000000000000000000000000000\"\r\n"
        );
        let cancel = Words::new("CANCEL", &guard.field.uri(LINE), forged.address);
        for text in [invented.text(), digest.text(), cancel.text(), format!("INVITE {n}\r\n\r\n")] {
            forged.send(text.as_bytes());
        }
        if n % 20 == 0 {
            forged.drain(Duration::from_millis(1));
        }
    }
    forged.drain(SILENCE / 3);
    // From the very address that failed, and from another port of the same host.
    let own = format!("sip:{}", guard.field.site.sip());
    assert_eq!(forged.status(&Words::new("OPTIONS", &own, forged.address).text()), 200);
    assert_eq!(forged.status(&Words::new("MESSAGE", &guard.field.uri(OUTSIDE), forged.address).text()), 200);
    guard.end(&[sign::MALFORMED, sign::UNPROVEN, sign::CANCEL]);
}

#[test]
fn n17_a_stranger_relays_nothing() {
    let guard = Guard::begin();
    let (stranger, mark) = (guard.field.sender(STRANGER), guard.mark());
    let targets =
        [format!("sip:anyone@{}", guard.victim()), guard.field.uri("0081312345678"), guard.field.uri(LINE)];
    for target in targets {
        stranger.send(Words::new("INVITE", &target, stranger.address).text().as_bytes());
        let answers = stranger.drain(SILENCE / 3);
        assert!(answers.iter().all(|answer| [403, 404].contains(&status_in(answer))), "{target}");
    }
    guard.assert_nothing_out(mark, "a relayed call");
    guard.end(&[sign::STRANGER]);
}
