//! What the test caller sends, and how its calls end.

use super::*;

/// The moment so many milliseconds after the beginning.
fn ms(millis: u64) -> Moment {
    Moment::from_micros(millis * 1000)
}

fn identity(transport: &'static str) -> Identity {
    Identity {
        calling: "0312345678".parse().expect("a number"),
        name: None,
        called: "0120123456".to_owned(),
        via: "192.0.2.1:5060".parse().expect("an address"),
        local: "192.0.2.9:40000".parse().expect("an address"),
        transport,
        call_id: "test-1@192.0.2.9".to_owned(),
        from_tag: "f1".to_owned(),
        media_port: 40002,
    }
}

fn begun(transport: &'static str) -> TestCall {
    let mut call =
        TestCall::begin(identity(transport), "z9hG4bK-1".to_owned(), Duration::from_secs(5), ms(0));
    assert!(sent(&mut call)[0].0.starts_with("INVITE sip:0120123456@192.0.2.1:5060 SIP/2.0\r\n"));
    call
}

/// What was sent since the last look, and where to.
fn sent(call: &mut TestCall) -> Vec<(String, Option<SocketAddr>)> {
    let mut sent = Vec::new();
    while let Some(output) = call.poll_output() {
        if let Output::Send { text, to } = output {
            sent.push((text, to));
        }
    }
    sent
}

fn response(status_line: &str, method: &str, more: &str) -> Vec<u8> {
    format!(
        "SIP/2.0 {status_line}\r\nVia: SIP/2.0/UDP 192.0.2.9:40000;branch=z9hG4bK-1\r\n\
         From: <sip:0312345678@192.0.2.9>;tag=f1\r\nTo: <sip:0120123456@192.0.2.1:5060>;tag=t1\r\n\
         Call-ID: test-1@192.0.2.9\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn ok() -> Vec<u8> {
    response(
        "200 OK",
        "INVITE",
        "Record-Route: <sip:192.0.2.2;lr>, <sip:192.0.2.1:5060;lr;c=1>\r\n\
         Contact: <sip:a102@192.0.2.50:5070>\r\n",
    )
}

fn request(method: &str) -> Vec<u8> {
    format!(
        "{method} sip:toritsugi-call@192.0.2.9:40000 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-r\r\n\
         Via: SIP/2.0/UDP 192.0.2.50;branch=z9hG4bK-s\r\nFrom: <sip:0120123456@x>;tag=t1\r\n\
         To: <sip:0312345678@x>;tag=f1\r\nCall-ID: test-1@192.0.2.9\r\nCSeq: 7 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

#[test]
fn a_call_is_answered_talked_and_hung_up() {
    let mut call = begun("UDP");
    call.handle(&response("100 Trying", "INVITE", ""), ms(3));
    call.handle(&response("180 Ringing", "INVITE", ""), ms(20));
    call.handle(&ok(), ms(1000));
    let ack = sent(&mut call);
    assert!(ack[0].0.starts_with("ACK sip:a102@192.0.2.50:5070 SIP/2.0\r\n"), "{ack:?}");
    let routes = "Route: <sip:192.0.2.1:5060;lr;c=1>\r\nRoute: <sip:192.0.2.2;lr>\r\n";
    assert!(ack[0].0.contains(routes), "{ack:?}");
    assert!(ack[0].0.contains("To: <sip:0120123456@192.0.2.1:5060>;tag=t1\r\n"), "{ack:?}");
    assert_eq!(ack[0].1, Some("192.0.2.1:5060".parse().expect("an address")));
    assert_eq!(call.poll_timeout(), Some(ms(6000)));
    call.handle_timeout(ms(6000));
    let bye = sent(&mut call);
    assert!(bye[0].0.starts_with("BYE sip:a102@192.0.2.50:5070 SIP/2.0\r\n"), "{bye:?}");
    assert!(bye[0].0.contains("CSeq: 2 BYE\r\n"), "{bye:?}");
    call.handle(&response("200 OK", "BYE", ""), ms(6010));
    assert_eq!(call.ending(), Some(&Ending::HungUp { talked: Duration::from_secs(5) }));
    assert_eq!(call.poll_timeout(), None);
}

#[test]
fn the_ladder_shows_every_message_with_the_ack() {
    let mut call = TestCall::begin(identity("UDP"), "z9hG4bK-1".to_owned(), Duration::ZERO, ms(0));
    call.handle(&response("486 Busy Here", "INVITE", ""), ms(40));
    let mut arrows = Vec::new();
    while let Some(output) = call.poll_output() {
        if let Output::Draw(arrow) = output {
            arrows.push((arrow.ours, arrow.label));
        }
    }
    let invite = "INVITE sip:0120123456@192.0.2.1:5060".to_owned();
    assert_eq!(arrows, [(true, invite), (false, "486 Busy Here".to_owned()), (true, "ACK".to_owned())]);
    assert_eq!(call.ending(), Some(&Ending::Refused { status_line: "486 Busy Here".to_owned() }));
}

#[test]
fn an_invite_is_repeated_at_doubling_intervals_until_anything_comes() {
    let mut call = begun("UDP");
    let mut at = Vec::new();
    while call.ending().is_none() {
        let next = call.poll_timeout().expect("it waits for something");
        call.handle_timeout(next);
        if !sent(&mut call).is_empty() {
            at.push(next.as_micros() / 1000);
        }
    }
    assert_eq!(at, [500, 1500, 3500, 7500]);
    assert_eq!(call.ending(), Some(&Ending::NobodyAnswered));

    let mut ringing = begun("UDP");
    ringing.handle(&response("100 Trying", "INVITE", ""), ms(3));
    assert_eq!(ringing.poll_timeout(), Some(ms(180_003)));
}

#[test]
fn nothing_is_repeated_over_tcp() {
    let mut call = begun("TCP");
    assert_eq!(call.poll_timeout(), Some(ms(10_000)));
    call.handle_timeout(ms(10_000));
    assert_eq!((sent(&mut call).len(), call.ending()), (0, Some(&Ending::NobodyAnswered)));
}

#[test]
fn a_repeated_200_gets_the_same_ack_again() {
    let mut call = begun("UDP");
    call.handle(&ok(), ms(100));
    let first = sent(&mut call);
    call.handle(&ok(), ms(600));
    assert_eq!(sent(&mut call), first);
    assert_eq!(call.poll_timeout(), Some(ms(5100)));
}

#[test]
fn a_second_branch_that_answers_is_hung_up() {
    let mut call = begun("UDP");
    call.handle(&ok(), ms(100));
    sent(&mut call);
    let other = String::from_utf8(ok()).expect("text").replace("tag=t1", "tag=t2");
    call.handle(other.as_bytes(), ms(110));
    let both = sent(&mut call);
    assert!(both[0].0.starts_with("ACK ") && both[1].0.starts_with("BYE "), "{both:?}");
    assert!(both.iter().all(|(text, _)| text.contains(";tag=t2\r\n")), "{both:?}");
    assert_eq!(call.ending(), None);
}

#[test]
fn giving_up_while_it_rings_cancels_and_waits_for_487() {
    let mut call = begun("UDP");
    call.handle(&response("180 Ringing", "INVITE", ""), ms(20));
    call.give_up(ms(2000));
    let cancel = sent(&mut call);
    assert!(cancel[0].0.starts_with("CANCEL sip:0120123456@192.0.2.1:5060 SIP/2.0\r\n"), "{cancel:?}");
    assert!(cancel[0].0.contains(";branch=z9hG4bK-1\r\n") && cancel[0].0.contains("CSeq: 1 CANCEL\r\n"));
    call.handle(&response("200 OK", "CANCEL", ""), ms(2003));
    assert_eq!(call.ending(), None);
    call.handle(&response("487 Request Terminated", "INVITE", ""), ms(2005));
    assert!(sent(&mut call)[0].0.starts_with("ACK "));
    assert_eq!(call.ending(), Some(&Ending::Cancelled));
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut call = begun("UDP");
    call.give_up(ms(100));
    assert_eq!(sent(&mut call), []);
    call.handle(&response("100 Trying", "INVITE", ""), ms(200));
    assert!(sent(&mut call)[0].0.starts_with("CANCEL "));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let mut call = begun("UDP");
    call.handle(&response("180 Ringing", "INVITE", ""), ms(20));
    call.give_up(ms(2000));
    sent(&mut call);
    call.handle(&ok(), ms(2001));
    let farewell = sent(&mut call);
    assert!(farewell[0].0.starts_with("ACK ") && farewell[1].0.starts_with("BYE "), "{farewell:?}");
    call.handle(&response("200 OK", "BYE", ""), ms(2010));
    assert_eq!(call.ending(), Some(&Ending::Cancelled));
}

#[test]
fn giving_up_while_talking_is_a_bye() {
    let mut call = begun("UDP");
    call.handle(&ok(), ms(100));
    sent(&mut call);
    call.give_up(ms(1100));
    assert!(sent(&mut call)[0].0.starts_with("BYE "));
    call.handle(&response("200 OK", "BYE", ""), ms(1110));
    assert_eq!(call.ending(), Some(&Ending::HungUp { talked: Duration::from_secs(1) }));
}

#[test]
fn the_other_side_may_hang_up() {
    let mut call = begun("UDP");
    call.handle(&ok(), ms(100));
    sent(&mut call);
    call.handle(&request("BYE"), ms(3100));
    let answer = sent(&mut call);
    assert!(
        answer[0].0.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-r\r\nVia: ")
    );
    assert_eq!(call.ending(), Some(&Ending::OtherHungUp { talked: Duration::from_secs(3) }));
}

#[test]
fn an_unknown_request_is_405_and_the_call_stays() {
    let mut call = begun("UDP");
    call.handle(&ok(), ms(100));
    sent(&mut call);
    call.handle(&request("REFER"), ms(200));
    assert!(sent(&mut call)[0].0.starts_with("SIP/2.0 405 "));
    assert_eq!(call.ending(), None);
}

#[test]
fn a_bye_without_an_answer_ends_after_five_seconds() {
    let mut call = begun("UDP");
    call.handle(&ok(), ms(0));
    call.handle_timeout(ms(5000));
    sent(&mut call);
    let mut at = Vec::new();
    while let Some(next) = call.poll_timeout() {
        call.handle_timeout(next);
        if sent(&mut call).iter().any(|(text, _)| text.starts_with("BYE ")) {
            at.push(next.as_micros() / 1000);
        }
    }
    assert_eq!(at, [5500, 6500, 8500]);
    assert_eq!(call.ending(), Some(&Ending::ByeUnanswered));
}

#[test]
fn a_withheld_call_says_privacy_and_no_number() {
    let withheld = Identity { calling: "anonymous".parse().expect("a word"), ..identity("UDP") };
    let invite = withheld.invite("z9hG4bK-1");
    assert!(invite.contains("Privacy: id\r\n"), "{invite}");
    assert!(invite.contains("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=f1\r\n"), "{invite}");
    assert!(!invite.contains("0312345678"), "{invite}");
    assert!(!identity("UDP").invite("z9hG4bK-1").contains("Privacy"));
}

#[test]
fn messages_of_other_calls_are_not_ours() {
    let mut call = begun("UDP");
    let other = String::from_utf8(ok()).expect("text").replace("Call-ID: test-1", "Call-ID: test-2");
    call.handle(other.as_bytes(), ms(100));
    call.handle(b"rubbish", ms(110));
    assert_eq!(call.poll_output(), None);
    assert_eq!(call.poll_timeout(), Some(ms(500)));
}

#[test]
fn the_length_of_the_offer_is_right() {
    let invite = identity("UDP").invite("z9hG4bK-1");
    let (head, body) = invite.split_once("\r\n\r\n").expect("a body");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{invite}");
    assert!(body.contains("m=audio 40002 RTP/AVP 0 8 101\r\n"), "{invite}");
}
