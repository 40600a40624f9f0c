//! RFC 3261 §16.6: the copy of a request that goes on, and §16.7 items 3 and 9 for the copy of a response.
//!
//! Only what a proxy may change is changed; every other octet stays as it came (V5).

use bytes::Bytes;

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
    /// Whether P-Asserted-Identity may go along (RFC 3325 §5).
    pub keep_identity: bool,
}

/// Max-Forwards of a request that came without one (item 3).
const MAX_FORWARDS: u8 = 70;

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
    if forward.drop_routes {
        edit.remove_all(Header::Route);
    } else {
        for _ in 0..forward.own_routes {
            edit.remove_top(Header::Route);
        }
        if forward.drop_last_route
            && let Some(last) = request.values(Header::Route).last()
        {
            drop_last_route(request, forward.own_routes, &mut edit, last.range);
        }
    }
    if !forward.keep_identity {
        edit.remove_all(Header::PAssertedIdentity);
    }
    edit.remove_all(Header::PPreferredIdentity);
    for value in forward.record_route.iter().rev() {
        edit.push_record_route(value.as_bytes());
    }
    edit.push_via(
        format!("SIP/2.0/{} {};branch={}", forward.protocol.via_name(), forward.sent_by, forward.branch).as_bytes(),
    );
    edit.finish()
}

/// Writes the response that goes up: without our Via (§16.7 item 3), with challenges of other branches (item 7).
pub fn forward_response(response: &Message, extra: &[(String, Bytes)]) -> Bytes {
    let mut edit = Edit::of(response);
    edit.remove_top(Header::Via);
    for (name, value) in extra {
        edit.append(name, value);
    }
    edit.finish()
}

/// Takes the last Route value away: the whole header when nothing else is left, otherwise the list is written anew.
fn drop_last_route(request: &Message, own: usize, edit: &mut Edit<'_>, _last: std::ops::Range<u32>) {
    let values: Vec<&[u8]> = request.values(Header::Route).map(|value| value.bytes).collect();
    let kept = values.get(own..values.len().saturating_sub(1)).unwrap_or_default();
    edit.remove_all(Header::Route);
    for value in kept.iter().rev() {
        edit.push_front("Route", value);
    }
}
