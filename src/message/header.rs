//! Header names with their compact forms (RFC 3261 §7.3.3, §20) and methods (RFC 3261 §7.1).

use super::text::is_token;

macro_rules! headers {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A header we have a name for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the header of that name")]
        pub enum Header { $($variant,)* Other }

        impl Header {
            /// The name as we write it; empty for `Other`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Other => "" }
            }

            fn of_long(name: &[u8]) -> Self {
                // Nearly everybody writes a name as the RFCs do, which is quicker to see.
                $(if name == $name.as_bytes() { return Self::$variant; })*
                $(if name.len() == $name.len() && name.eq_ignore_ascii_case($name.as_bytes()) {
                    return Self::$variant;
                })*
                Self::Other
            }
        }
    };
}

// The headers of an INVITE come first: the look-up goes from top to bottom.
headers! {
    Via "Via", From "From", To "To", CallId "Call-ID", CSeq "CSeq", MaxForwards "Max-Forwards",
    Contact "Contact", ContentLength "Content-Length", ContentType "Content-Type", Route "Route",
    RecordRoute "Record-Route", Allow "Allow", Supported "Supported", UserAgent "User-Agent",
    PAssertedIdentity "P-Asserted-Identity", Privacy "Privacy", Expires "Expires",
    SessionExpires "Session-Expires", MinSe "Min-SE", Server "Server", Require "Require",
    ProxyRequire "Proxy-Require", Reason "Reason", PPreferredIdentity "P-Preferred-Identity",
    RemotePartyId "Remote-Party-ID",
    PCalledPartyId "P-Called-Party-ID", Diversion "Diversion", HistoryInfo "History-Info",
    RetryAfter "Retry-After", Timestamp "Timestamp", ProxyAuthenticate "Proxy-Authenticate",
    WwwAuthenticate "WWW-Authenticate", Warning "Warning", Subject "Subject", Date "Date",
    ReferTo "Refer-To", Replaces "Replaces", RSeq "RSeq", RAck "RAck", MaxBreadth "Max-Breadth",
    RequestDisposition "Request-Disposition", Join "Join", TargetDialog "Target-Dialog",
    ProxyAuthorization "Proxy-Authorization", Authorization "Authorization",
}

impl Header {
    /// The header of that name, long or compact, in any case.
    pub fn of(name: &[u8]) -> Self {
        match name {
            [letter] => Self::of_compact(*letter),
            longer => Self::of_long(longer),
        }
    }

    fn of_compact(letter: u8) -> Self {
        match letter.to_ascii_lowercase() {
            b'v' => Self::Via,
            b'f' => Self::From,
            b't' => Self::To,
            b'i' => Self::CallId,
            b'm' => Self::Contact,
            b'l' => Self::ContentLength,
            b'c' => Self::ContentType,
            b'k' => Self::Supported,
            b's' => Self::Subject,
            b'r' => Self::ReferTo,
            b'x' => Self::SessionExpires,
            b'd' => Self::RequestDisposition,
            _ => Self::Other,
        }
    }
}

/// The long name behind a compact form that has no variant of [`Header`]; any other name as it stands.
pub(super) fn long_name(name: &[u8]) -> &[u8] {
    let [letter] = name else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => b"Accept-Contact",
        b'b' => b"Referred-By",
        b'e' => b"Content-Encoding",
        b'j' => b"Reject-Contact",
        b'n' => b"Identity-Info",
        b'o' => b"Event",
        b'u' => b"Allow-Events",
        b'y' => b"Identity",
        _ => name,
    }
}

macro_rules! methods {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A request method. Methods are case-sensitive (RFC 3261 §7.1): `invite` is `Other`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[expect(missing_docs, reason = "each is the method of that name")]
        pub enum Method { $($variant,)* Other }

        impl Method {
            /// The method written so, or `Other`.
            pub fn of(name: &[u8]) -> Self {
                $(if name == $name.as_bytes() { return Self::$variant; })*
                Self::Other
            }

            /// The method as it is written; empty for `Other`, whose name only the message knows.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* Self::Other => "" }
            }
        }
    };
}

methods! {
    Invite "INVITE", Ack "ACK", Cancel "CANCEL", Bye "BYE", Options "OPTIONS", Update "UPDATE", Info "INFO",
    Prack "PRACK", Refer "REFER", Register "REGISTER", Subscribe "SUBSCRIBE", Notify "NOTIFY",
    Publish "PUBLISH", Message "MESSAGE",
}

/// Whether the text may stand before the colon of a header line.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().copied().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_long_compact_and_in_any_case() {
        for (name, header) in [
            (&b"Via"[..], Header::Via),
            (b"v", Header::Via),
            (b"V", Header::Via),
            (b"cAlL-iD", Header::CallId),
            (b"I", Header::CallId),
            (b"l", Header::ContentLength),
            (b"x", Header::SessionExpires),
            (b"P-Asserted-Identity", Header::PAssertedIdentity),
            (b"C%6Fntact", Header::Other),
            (b"z", Header::Other),
            (b"", Header::Other),
        ] {
            assert_eq!(Header::of(name), header, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn a_method_is_case_sensitive() {
        assert_eq!(Method::of(b"INVITE"), Method::Invite);
        assert_eq!(Method::of(b"invite"), Method::Other);
        assert_eq!(Method::of(b"RE%47IST%45R"), Method::Other);
        assert_eq!(Method::of(Method::Message.as_str().as_bytes()), Method::Message);
    }
}
