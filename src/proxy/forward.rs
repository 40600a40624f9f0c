//! RFC 3261 §16.6: the copy of a request that goes on, and §16.7 items 3 and 9 for the copy of a response.
//!
//! Only what a proxy may change is changed; every other octet stays as it came (V5).

use bytes::Bytes;

use super::privacy::tells;
use crate::message::{Edit, Header, Message};
use crate::transport::Protocol;

/// All that a forwarded request takes on.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// The request as received.
    pub request: &'a Message,
    /// Item 2: the new Request-URI.
    pub request_uri: Option<&'a [u8]>,
    /// How many topmost Route values go.
    pub own_routes: usize,
    /// Every Route value goes.
    pub drop_routes: bool,
    /// The last Route value goes: it became the Request-URI.
    pub drop_last_route: bool,
    /// Item 4: our Record-Route values, topmost first.
    pub record_route: &'a [String],
    /// Item 8: what our Via says.
    pub protocol: Protocol,
    /// Item 8: host and port of our Via.
    pub sent_by: &'a str,
    /// Item 8: the branch of our Via.
    pub branch: &'a str,
    /// The Max-Breadth it takes along (RFC 5393 §5.3); absent where the request never forks.
    pub max_breadth: Option<u32>,
    /// Whether what asserts the caller's identity may go along (RFC 3325 §5).
    pub keep_identity: bool,
    /// Whether what tells of the caller stays behind (RFC 3323 §5.3).
    pub hide_user: bool,
    /// The request begins here: its Via is a placeholder.
    pub originated: bool,
}

/// Max-Forwards of a request that came without one (item 3).
const MAX_FORWARDS: u8 = 70;

/// Headers that assert who calls: RFC 3325 §9.1, and its forerunner, which phones and PBXs still believe.
pub const ASSERTIONS: [Header; 2] = [Header::PAssertedIdentity, Header::RemotePartyId];

/// Writes the request that goes on.
pub fn forward_request(forward: &Forward<'_>) -> Bytes {
    let request = forward.request;
    let mut edit = Edit::of(request);
    if let Some(uri) = forward.request_uri {
        edit.request_uri(uri);
    }
    match request.max_forwards() {
        Some(hops) => edit.set(Header::MaxForwards, hops.saturating_sub(1).to_string().as_bytes()),
        None => edit.append(Header::MaxForwards.as_str(), MAX_FORWARDS.to_string().as_bytes()),
    }
    if let Some(breadth) = forward.max_breadth {
        edit.set(Header::MaxBreadth, breadth.to_string().as_bytes());
    }
    edit_routes(forward, &mut edit);
    if !forward.keep_identity {
        for assertion in ASSERTIONS {
            edit.remove_all(assertion);
        }
    }
    if forward.hide_user {
        edit.remove_where(tells);
    }
    edit.remove_all(Header::PPreferredIdentity);
    for value in forward.record_route.iter().rev() {
        edit.push_record_route(value.as_bytes());
    }
    if forward.originated {
        edit.remove_all(Header::Via);
    }
    let via = ["SIP/2.0/", forward.protocol.via_name(), " ", forward.sent_by, ";branch=", forward.branch];
    edit.push_via(via.concat().as_bytes());
    edit.finish()
}

/// Writes the response that goes up: without our Via (§16.7 item 3), with challenges of other branches (item
/// 7); who answered is asserted to those who may know (RFC 3325 §5).
pub fn forward_response(response: &Message, extra: &[(String, Bytes)], keep_identity: bool) -> Bytes {
    let mut edit = Edit::of(response);
    edit.remove_top(Header::Via);
    if !keep_identity {
        edit.remove_all(Header::PAssertedIdentity);
    }
    for (name, value) in extra {
        edit.append(name, value);
    }
    edit.finish()
}

/// Item 6 and §16.4: our own topmost values go; after a strict router the last value goes too, and the list
/// is written anew.
fn edit_routes(forward: &Forward<'_>, edit: &mut Edit<'_>) {
    if forward.drop_routes {
        edit.remove_all(Header::Route);
    } else if forward.drop_last_route {
        let values: Vec<&[u8]> = forward.request.values(Header::Route).map(|value| value.bytes).collect();
        let last = values.len().saturating_sub(1);
        let kept = values.get(forward.own_routes..last).unwrap_or_default();
        edit.remove_all(Header::Route);
        for value in kept.iter().rev() {
            edit.push_front(Header::Route.as_str(), value);
        }
    } else {
        for _ in 0..forward.own_routes {
            edit.remove_top(Header::Route);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    #[test]
    fn v5_only_what_a_proxy_may_change_is_changed() {
        let before = "INVITE sip:0312345678@pbx SIP/2.0\r\n\
        v: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1 ,\r\n SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK0\r\n\
                      Max-Forwards: 68\r\nf: \"A\" <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\ni: x\r\n\
                      CSeq: 1 INVITE\r\nX-Odd :  kept \r\nl: 4\r\n\r\nbody";
        let after = forwarded(before, &|forward| Forward { record_route: &*RECORD_ROUTE, ..forward });
        assert_eq!(
            after,
            "INVITE sip:0312345678@pbx SIP/2.0\r\nVia: SIP/2.0/UDP us:5060;branch=z9hG4bKnew\r\n\
            Record-Route: <sip:us:5060;lr>\r\n\
             v: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1 ,\r\n SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK0\r\n\
             Max-Forwards: 67\r\nf: \"A\" <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\ni: x\r\n\
             CSeq: 1 INVITE\r\nX-Odd :  kept \r\nl: 4\r\n\r\nbody"
        );
    }

    #[test]
    fn v1_a_missing_max_forwards_becomes_70() {
        let after = forwarded(&invite(""), &|forward| forward);
        assert!(after.contains("\r\nMax-Forwards: 70\r\n"), "{after}");
    }

    #[test]
    fn i1_identity_headers_stay_within_the_trust_domain() {
        let with = invite(
            "P-Asserted-Identity: <sip:+81312345678@x>\r\nP-Preferred-Identity: <sip:1@x>\r\n\
             remote-party-id: <sip:2@x>\r\n",
        );
        let kept = forwarded(&with, &|forward| Forward { keep_identity: true, ..forward });
        assert!(kept.contains("P-Asserted-Identity") && !kept.contains("P-Preferred-Identity"));
        let gone = forwarded(&with, &|forward| forward);
        assert!(!gone.contains("P-Asserted-Identity") && !gone.contains("remote-party-id"), "{gone}");
    }

    #[test]
    fn n18_a_pre_loaded_route_can_be_removed_whole() {
        let with = invite(
            "Route: <sip:evil.example;lr>, <sip:more.example;lr>\r\nRoute: <sip:third.example;lr>\r\n",
        );
        assert!(
            !forwarded(&with, &|forward| Forward { drop_routes: true, ..forward }).contains("example;lr")
        );
    }

    #[test]
    fn v2_after_a_strict_router_the_last_route_is_gone() {
        let with = invite("Route: <sip:us;lr>, <sip:next.example;lr>\r\nRoute: <sip:phone@192.0.2.7>\r\n");
        let after = forwarded(&with, &|forward| Forward { own_routes: 1, drop_last_route: true, ..forward });
        assert!(after.contains("\r\nRoute: <sip:next.example;lr>\r\n"), "{after}");
        assert!(!after.contains("192.0.2.7") && !after.contains("sip:us;lr"), "{after}");
    }

    #[test]
    fn r1_the_response_loses_our_via_and_nothing_else() {
        let text = "SIP/2.0 200 Sehr gut\r\n\
        Via: SIP/2.0/UDP us:5060;branch=z9hG4bKnew, SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
                    From: <sip:c@d>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
                    Content-Length: 0\r\n\r\n";
        let response = Message::parse(text.as_bytes().to_vec().into(), &Limits::default()).unwrap();
        let up = forward_response(&response, &[], true);
        let up = String::from_utf8(up.to_vec()).unwrap();
        assert!(!up.contains("us:5060"), "{up}");
        assert!(
            up.starts_with("SIP/2.0 200 Sehr gut\r\n") && up.contains("192.0.2.9;branch=z9hG4bK1"),
            "{up}"
        );
    }

    static RECORD_ROUTE: std::sync::LazyLock<[String; 1]> =
        std::sync::LazyLock::new(|| ["<sip:us:5060;lr>".to_owned()]);

    fn invite(headers: &str) -> String {
        format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
            {headers}From: <sip:c@d>;tag=1\r\n\
             To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn forwarded(text: &str, change: &dyn Fn(Forward<'_>) -> Forward<'_>) -> String {
        let request = Message::parse(text.as_bytes().to_vec().into(), &Limits::default()).unwrap();
        let plain = Forward {
            request: &request,
            request_uri: None,
            own_routes: 0,
            drop_routes: false,
            drop_last_route: false,
            record_route: &[],
            protocol: Protocol::Udp,
            sent_by: "us:5060",
            branch: "z9hG4bKnew",
            max_breadth: None,
            keep_identity: false,
            hide_user: false,
            originated: false,
        };
        String::from_utf8(forward_request(&change(plain)).to_vec()).unwrap()
    }
}
