//! What `rsip` says of well-formed messages: where both read a message, they read the same.

use bytes::Bytes;
use proptest::prelude::*;
use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};

use super::*;

/// Well-formed messages within what the other parser can read: no folds, no compact names, no IPv6.
fn well_formed() -> impl Strategy<Value = String> {
    let token = "[a-zA-Z0-9]{1,12}";
    let user = "[a-z0-9+]{1,10}";
    let host = "[a-z]{1,8}\\.example";
    (
        (prop_oneof![Just("INVITE"), Just("BYE"), Just("OPTIONS")], user, host, host, token),
        (token, proptest::option::of(token), token, 0_u32..u32::MAX / 2, 0_u8..=255),
        proptest::option::of("[a-zA-Z ]{1,20}"),
        "[ -~]{0,40}",
    )
        .prop_map(|((method, user, host, via, branch), (from_tag, to_tag, call_id, cseq, hops), name, body)| {
            let display = name.map(|name| format!("\"{name}\" ")).unwrap_or_default();
            let to_tag = to_tag.map(|tag| format!(";tag={tag}")).unwrap_or_default();
            format!(
                "{method} sip:{user}@{host} SIP/2.0\r\nVia: SIP/2.0/UDP {via}:5062;branch=z9hG4bK{branch}\r\n\
                 Max-Forwards: {hops}\r\nFrom: {display}<sip:{user}@{via}>;tag={from_tag}\r\n\
                 To: <sip:{user}@{host}>{to_tag}\r\nCall-ID: {call_id}@{via}\r\nCSeq: {cseq} {method}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn both_parsers_read_a_well_formed_request_alike(text in well_formed()) {
        let ours = Message::parse(Bytes::from(text.clone()), &Limits::default()).unwrap();
        let theirs = rsip::Request::try_from(text.as_bytes()).unwrap();
        prop_assert_eq!(ours.method_bytes().to_vec(), theirs.method.to_string().into_bytes());
        prop_assert_eq!(ours.request_uri().to_vec(), theirs.uri.to_string().into_bytes());
        let via = theirs.via_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.top_via().branch(), via.branch().map(|branch| branch.value().as_bytes()));
        prop_assert_eq!(ours.top_via().port(), via.uri.host_with_port.port.map(|port| *port.value()));
        prop_assert_eq!(ours.call_id(), theirs.call_id_header().unwrap().value().as_bytes());
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.cseq(), cseq.seq);
        let from = theirs.from_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.from_tag(), from.tag().map(|tag| tag.value().as_bytes()));
        let our_from = NameAddr::parse(ours.header(Header::From).unwrap()).unwrap();
        prop_assert_eq!(
            our_from.display_text().map(|name| name.trim().to_owned()),
            from.display_name.as_ref().map(|name| name.trim().trim_matches('"').trim().to_owned())
        );
        prop_assert_eq!(our_from.uri.to_vec(), from.uri.to_string().into_bytes());
        let to = theirs.to_header().unwrap().typed().unwrap();
        prop_assert_eq!(ours.to_tag(), to.tag().map(|tag| tag.value().as_bytes()));
        prop_assert_eq!(ours.body(), &theirs.body[..]);
    }

    #[test]
    fn the_other_parser_reads_our_responses(text in well_formed(), status in 100_u16..700) {
        let request = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
        let written = response(&request, status, None, Some("ours"), &[("Server", b"toritsugi")]);
        let theirs = rsip::Response::try_from(&written[..]).unwrap();
        prop_assert_eq!(theirs.status_code.code(), status);
        prop_assert_eq!(theirs.call_id_header().unwrap().value().as_bytes(), request.call_id());
        prop_assert_eq!(theirs.cseq_header().unwrap().typed().unwrap().seq, request.cseq());
    }
}
