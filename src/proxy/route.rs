//! RFC 3261 §16.4: reading the Route of a request, ours and others', strict routers included.

use bytes::Bytes;

use super::cookie::DialogCookie;
use super::own::Own;
use crate::message::{Header, Message, NameAddr, Uri};

/// What the Route headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePlan {
    /// How many topmost Route values are ours and are removed; two after a double Record-Route (RFC 5658).
    pub own_routes: usize,
    /// The cookie of our Record-Route.
    pub cookie: Option<Bytes>,
    /// The next Route value's URI, which is somebody else's.
    pub next_route: Option<Bytes>,
    /// The new Request-URI, when a strict router had put ours there.
    pub request_uri: Option<Bytes>,
    /// The last Route value has become the Request-URI.
    pub drop_last_route: bool,
    effective_uri: Bytes,
}

impl RoutePlan {
    /// Where the request goes next: the next Route, otherwise its Request-URI (§16.6 item 7).
    pub fn next_uri(&self) -> &[u8] {
        self.next_route.as_ref().unwrap_or(&self.effective_uri)
    }

    /// Whether that is the Request-URI as it came.
    pub fn keeps_request_uri(&self) -> bool {
        self.next_route.is_none() && self.request_uri.is_none()
    }
}

/// Reads the Route headers; `None` when a value is no name-addr with a SIP URI.
pub fn plan_route(request: &Message, own: &Own) -> Option<RoutePlan> {
    let mut plan =
        RoutePlan { effective_uri: own_bytes(request, request.request_uri()), ..RoutePlan::default() };
    let mut routes = Vec::new();
    for value in request.values(Header::Route) {
        let text = NameAddr::parse(value.bytes).ok()?.uri;
        routes.push((text, Uri::parse(text).ok()?));
    }
    // "If the Request-URI contains a value this proxy previously placed into a Record-Route header field, the
    // proxy MUST replace the Request-URI in the request with the last value from the Route header field".
    let there = request.uri().filter(|uri| own.is_own(uri));
    if let Some(cookie) = there.as_ref().and_then(cookie_in) {
        plan.cookie = Some(own_bytes(request, cookie));
        let (last, _) = routes.pop()?;
        plan.effective_uri = own_bytes(request, last);
        plan.request_uri = Some(plan.effective_uri.clone());
        plan.drop_last_route = true;
    }
    for (route, uri) in &routes {
        if !own.is_own(uri) {
            plan.next_route = Some(own_bytes(request, route));
            break;
        }
        plan.own_routes += 1;
        if plan.cookie.is_none() {
            plan.cookie = cookie_in(uri).map(|cookie| own_bytes(request, cookie));
        }
    }
    Some(plan)
}

/// The cookie in a URI of ours.
fn cookie_in<'a>(uri: &Uri<'a>) -> Option<&'a [u8]> {
    uri.params.get(DialogCookie::PARAMETER)?
}

/// The slice as a share of the message's octets, without copying them.
fn own_bytes(request: &Message, part: &[u8]) -> Bytes {
    request.bytes().slice_ref(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Limits;

    #[test]
    fn v2_our_own_topmost_route_is_removed_and_the_request_goes_to_the_contact() {
        let plan = plan("sip:phone@192.0.2.7", "Route: <sip:192.0.2.1:5060;lr;tsg=abc>");
        assert_eq!((plan.own_routes, plan.drop_last_route), (1, false));
        assert_eq!(plan.cookie.as_deref(), Some(&b"abc"[..]));
        assert_eq!(plan.next_uri(), b"sip:phone@192.0.2.7");
    }

    #[test]
    fn v3_both_values_of_a_double_record_route_are_removed() {
        let plan = plan(
            "sip:phone@192.0.2.7",
            "Route: <sip:192.0.2.1:5060;transport=tcp;lr;tsg=abc>, <sip:192.0.2.1:5060;lr;tsg=abc>,\
             <sip:next.example;lr>",
        );
        assert_eq!(plan.own_routes, 2);
        assert_eq!(plan.next_uri(), b"sip:next.example;lr");
    }

    #[test]
    fn v2_routes_under_several_names_of_ours_all_go() {
        let plan = plan(
            "sip:phone@192.0.2.7",
            "Route: <sip:sip.example:5061;transport=tls;lr;tsg=abc>\r\n\
             Route: <sip:[2001:db8::1]:5060;lr;tsg=abc>, <sip:192.0.2.1;lr>, <sip:sip.example:5062;lr>",
        );
        assert_eq!(plan.own_routes, 3);
        assert_eq!(plan.next_uri(), b"sip:sip.example:5062;lr", "a port that is not ours");
    }

    #[test]
    fn v2_a_strict_router_before_us_is_repaired() {
        let plan = plan(
            "sip:192.0.2.1:5060;lr;tsg=abc",
            "Route: <sip:other.example;lr>\r\nRoute: <sip:phone@192.0.2.7>",
        );
        assert_eq!(plan.request_uri.as_deref(), Some(&b"sip:phone@192.0.2.7"[..]));
        assert!(plan.drop_last_route);
        assert_eq!(plan.next_uri(), b"sip:other.example;lr");
        assert_eq!(plan.cookie.as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn n19_a_foreign_route_has_no_cookie() {
        let plan = plan("sip:phone@192.0.2.7", "Route: <sip:192.0.2.99:5060;lr;tsg=abc>");
        assert_eq!((plan.own_routes, plan.cookie.as_deref()), (0, None));
    }

    fn own() -> Own {
        let names = [("sip.example".to_owned(), 5060), ("2001:db8::1".to_owned(), 5060)];
        let advertise = ("192.0.2.1".to_owned(), 5060);
        Own::new(&advertise, &names, Some(5061), vec!["192.0.2.1:5060".parse().unwrap()])
    }

    fn plan(uri: &str, routes: &str) -> RoutePlan {
        let text = format!(
            "BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n{routes}\r\n\
            From: <sip:c@d>;tag=1\r\n\
             To: <sip:a@b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        );
        let message = Message::parse(text.into_bytes().into(), &Limits::default()).unwrap();
        plan_route(&message, &own()).unwrap()
    }
}
