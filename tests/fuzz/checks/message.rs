//! The wire view of a message: what is read is what was written, and what goes on differs only where a proxy
//! may change it (I22).

use bytes::Bytes;
use toritsugi::identity::{
    CalledHeaders, CalledSource, CallerHeaders, TrunkContext, read_called, read_caller,
};
use toritsugi::message::{
    Edit, Fault, Header, Kind, Limits, Message, Method, ack_for, cancel_for, fault_response_to, response,
};
use toritsugi::proxy::{Forward, Own, Secret, forward_request, forward_response, plan_route, validate};
use toritsugi::transport::Protocol;

use super::uri;

const LIMITS: Limits = Limits { message_bytes: 8192, headers: 64 };
/// What a hop may add: the limits of the next parse.
const WIDE: Limits = Limits { message_bytes: 1 << 20, headers: 256 };

/// Any octets as a datagram.
pub fn check(octets: &[u8]) {
    match Message::parse(Bytes::copy_from_slice(octets), &LIMITS) {
        Ok(message) => {
            is_what_was_written(octets, &message);
            its_parts_can_be_read(&message);
            who_calls_can_be_read(&message);
            match message.kind() {
                Kind::Request => request_goes_on(&message),
                Kind::Response => response_goes_on(&message),
            }
        }
        Err(fault) => refused_answer_is_one_message(octets, &fault),
    }
}

fn is_what_was_written(octets: &[u8], message: &Message) {
    let lead = octets.iter().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
    assert!(octets[lead..].starts_with(message.bytes()), "the message is no piece of what came");
    assert!(message.bytes().len() <= LIMITS.message_bytes);
    assert!(message.all_headers().count() <= LIMITS.headers);
    for tag in [message.from_tag(), message.to_tag()].into_iter().flatten() {
        assert!(
            !tag.is_empty() && !tag.iter().any(|octet| b";\", \t\r\n".contains(octet)),
            "a tag of several words"
        );
    }
    assert_eq!(Edit::of(message).finish(), message.bytes(), "no edit, another message");
    let again = Message::parse(message.bytes().clone(), &LIMITS).expect("what was accepted is accepted");
    assert_eq!(facts(&again), facts(message));
}

/// All that the rest of the house asks of a message.
fn facts(message: &Message) -> impl PartialEq + std::fmt::Debug {
    (
        (message.kind(), message.method(), message.method_bytes().to_vec(), message.status()),
        (message.request_uri().to_vec(), message.call_id().to_vec(), message.cseq()),
        (message.from_tag().map(<[u8]>::to_vec), message.to_tag().map(<[u8]>::to_vec)),
        (message.max_forwards(), message.body().to_vec()),
        headers(message),
    )
}

fn headers(message: &Message) -> Vec<(Vec<u8>, Vec<u8>)> {
    message.all_headers().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn its_parts_can_be_read(message: &Message) {
    uri::uri(message.request_uri());
    for (name, value) in message.all_headers() {
        let header = Header::of(name);
        assert!(message.header_named(name).is_some(), "a header that is there is not found");
        if header == Header::Via {
            assert!(message.headers(header).any(|line| line == value));
        }
        uri::name_addr(value);
    }
    for via in message.values(Header::Via) {
        uri::via(via.bytes);
    }
    for route in [Header::Route, Header::RecordRoute, Header::Contact] {
        message.values(route).for_each(|value| uri::name_addr(value.bytes));
    }
}

fn who_calls_can_be_read(message: &Message) {
    let named = |name: &str| message.header_named(name.as_bytes()).into_iter().collect::<Vec<_>>();
    let asked = CallerHeaders {
        from: message.header(Header::From).unwrap_or_default(),
        p_asserted_identity: message.headers(Header::PAssertedIdentity).collect(),
        privacy: named("Privacy"),
        diversion: named("Diversion"),
        history_info: named("History-Info"),
    };
    let context = TrunkContext::default();
    for trust in [false, true] {
        let caller = read_caller(&asked, trust, &context);
        let text = format!("{:?}", caller.presentation);
        if caller.presentation.is_restricted() {
            assert!(!text.bytes().any(|octet| octet.is_ascii_digit()), "a restricted caller has digits");
        }
    }
    let called = CalledHeaders {
        p_called_party_id: message.header_named(b"P-Called-Party-ID"),
        to: message.header(Header::To).unwrap_or_default(),
        request_uri: message.request_uri(),
        diversion: asked.diversion.clone(),
        history_info: asked.history_info.clone(),
    };
    let _ = read_called(&CalledSource::DEFAULT_ORDER, &called, &context);
}

/// What the proxy writes for the next hop (RFC 3261 §16.6).
fn request_goes_on(request: &Message) {
    let advertise = ("192.0.2.1".to_owned(), 5060);
    let own = Own::new(&advertise, &[], None, vec!["192.0.2.1:5060".parse().expect("an address")]);
    let validated = validate(request, &own, &|_| false);
    let own_routes = plan_route(request, &own).map_or(0, |plan| plan.own_routes);
    let forward = Forward {
        request,
        request_uri: Some(b"sip:agent@198.51.100.7"),
        own_routes,
        drop_routes: false,
        drop_last_route: false,
        record_route: &["<sip:192.0.2.1:5060;lr>".to_owned()],
        protocol: Protocol::Udp,
        sent_by: "192.0.2.1:5060",
        branch: "z9hG4bKours",
        max_breadth: None,
        keep_identity: true,
        hide_user: false,
        originated: false,
    };
    let sent = read_again(forward_request(&forward), "a forwarded request");
    assert_eq!(sent.request_uri(), b"sip:agent@198.51.100.7");
    assert_eq!(sent.top_via().branch(), Some(&b"z9hG4bKours"[..]));
    assert_eq!(sent.body(), request.body());
    let hops = request.max_forwards().map_or(70, |hops| hops.saturating_sub(1));
    assert_eq!(sent.max_forwards(), Some(hops));
    if validated.is_ok() {
        assert!(request.max_forwards() != Some(0), "a request without hops left was let through");
    }
    let routes = |message: &Message| message.values(Header::Route).count();
    assert_eq!(routes(&sent), routes(request).saturating_sub(own_routes));
    let mut edit = Edit::of(&sent);
    edit.remove_top(Header::Via);
    edit.remove_top(Header::RecordRoute);
    let back = read_again(edit.finish(), "with our own lines taken away");
    assert_eq!(untouched(&back), untouched(request), "more was changed than a proxy may");
    answers_are_messages(request, &sent);
}

/// The headers a proxy leaves alone, in order.
fn untouched(message: &Message) -> Vec<(Vec<u8>, Vec<u8>)> {
    let may_change = [Header::MaxForwards, Header::Route, Header::PPreferredIdentity];
    let mut all = headers(message);
    all.retain(|(name, _)| !may_change.contains(&Header::of(name)));
    all
}

/// What is originated for a request: its responses, and the ACK and CANCEL of an INVITE.
fn answers_are_messages(received: &Message, sent: &Message) {
    let tag = Secret::new([1; 16]).to_tag(b"call", b"from", b"branch");
    for status in [100, 180, 200, 404, 503] {
        let bytes = response(received, status, None, Some(&tag), &[("Retry-After", b"5")]);
        let answer = read_again(bytes, "a response");
        assert_eq!(answer.status(), Some(status));
        assert_eq!((answer.call_id(), answer.cseq()), (received.call_id(), received.cseq()));
        assert_eq!(answer.from_tag(), received.from_tag());
        assert_eq!(answer.values(Header::Via).count(), received.values(Header::Via).count());
        if status > 100 {
            assert!(answer.to_tag().is_some(), "a response without a tag");
        }
        if received.method() == Method::Invite && status >= 400 {
            let ack = read_again(ack_for(sent, &answer), "an ACK");
            assert_eq!((ack.method(), ack.cseq()), (Method::Ack, sent.cseq()));
            assert_eq!(ack.top_via().branch(), sent.top_via().branch());
        }
    }
    if received.method() == Method::Invite {
        let cancel = read_again(cancel_for(sent, None), "a CANCEL");
        assert_eq!((cancel.method(), cancel.call_id()), (Method::Cancel, sent.call_id()));
    }
}

/// RFC 3261 §16.7 items 3 and 9: our Via goes, nothing else.
fn response_goes_on(response: &Message) {
    let vias = response.values(Header::Via).count();
    let up = forward_response(response, &[], true);
    if vias < 2 {
        return;
    }
    // The Via below ours was never looked at before; a broken one is dropped by the next parse.
    let Ok(up) = Message::parse(up, &WIDE) else { return };
    assert_eq!(up.values(Header::Via).count(), vias - 1);
    assert_eq!((up.status(), up.body()), (response.status(), response.body()));
    let but_via = |message: &Message| {
        let mut all = headers(message);
        all.retain(|(name, _)| Header::of(name) != Header::Via);
        all
    };
    assert_eq!(but_via(&up), but_via(response));
}

/// The answer to a refused request is one message and no more, whatever was put into the request.
fn refused_answer_is_one_message(octets: &[u8], fault: &Fault) {
    assert!([400, 501, 505, 513].contains(&fault.status) || fault.answerable.is_none(), "{fault:?}");
    let Some(answer) = fault_response_to(fault, "198.51.100.9:40000".parse().ok()) else { return };
    assert!(answer.starts_with(format!("SIP/2.0 {} ", fault.status).as_bytes()));
    assert!(answer.ends_with(b"Content-Length: 0\r\n\r\n"), "an answer with something behind it");
    let ends = answer.windows(4).filter(|window| window == b"\r\n\r\n").count();
    assert_eq!(ends, 1, "an answer that is two messages");
    assert!(answer.len() <= octets.len() * 2 + 512, "an answer that grew");
}

fn read_again(bytes: Bytes, what: &str) -> Message {
    let shown = bytes.clone();
    Message::parse(bytes, &WIDE).unwrap_or_else(|fault| {
        panic!("{what} cannot be read: {fault:?}\n{}", String::from_utf8_lossy(&shown));
    })
}
