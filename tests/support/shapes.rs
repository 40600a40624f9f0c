//! Octets that have broken parsers elsewhere, written anew from the public descriptions of those faults.

use std::net::SocketAddr;

/// Header lines, each put into an otherwise plain request.
pub const HEADER_LINES: [&str; 46] = [
    "Via: SIP/2.0/UDP ;branch=z9hG4bK1",
    "Via: SIP/2.0/UDP a:99999;branch=z9hG4bK1",
    "Via: SIP/2.0/UDP [::1;branch=z9hG4bK1",
    "Via: SIP/2.0/UDP [:::::::::::::::::::::];branch=z9hG4bK1",
    "Via:",
    "Via: ,",
    "Via: SIP/2.0",
    "From: <",
    "From: \"",
    "From: \"\\",
    "From: <sip:",
    "From: <sip:a@[::1>",
    "To: >",
    "To: <sip:a>;tag",
    "To: <sip:a>;tag=",
    "To: <sip:a>;;;===;=;",
    "Contact: *",
    "Contact: <>",
    "Contact: *, <sip:a>",
    "Contact: <sip:a>;expires=99999999999999999999;q=1.00000000000000000001",
    "Contact: \"\u{0}\u{1}\" <sip:a%00b@c>",
    "Route: <>",
    "Route: <sip:>",
    "Route: <sip:a;lr;lr;lr=;=lr>,",
    "Record-Route: <sip:a@b@c@d>",
    "CSeq: -1 INVITE",
    "CSeq: 1",
    "CSeq: INVITE",
    "CSeq: 99999999999999999999 INVITE",
    "Max-Forwards: -1",
    "Max-Forwards: 99999999999999999999",
    "Max-Forwards:",
    "Expires: 18446744073709551616",
    "Session-Expires: 4294967296;refresher=;refresher",
    "Timestamp: 1e999 -1e999",
    "Authorization: Digest",
    "Authorization: Digest username=\"a,realm=\",,,=,nonce",
    "Proxy-Authorization: Digest username=\"\u{0}\", uri=\"\", response=\"%n%n%n%s\"",
    "Content-Type: multipart/mixed",
    "Content-Type: multipart/mixed;boundary=",
    "Content-Type: /",
    "Event:",
    "Refer-To: <sip:a?Replaces=%00%ff%zz>",
    "Replaces: ;;;",
    "RAck: 99999999999 99999999999",
    "Identity: ;info=<>;alg",
];

/// Request lines.
pub const REQUEST_LINES: [&str; 20] = [
    "INVITE sip: SIP/2.0",
    "INVITE sip:@ SIP/2.0",
    "INVITE sip:a@ SIP/2.0",
    "INVITE sip:a@:5060 SIP/2.0",
    "INVITE sip:a@b:0 SIP/2.0",
    "INVITE sip:a@b:99999999999 SIP/2.0",
    "INVITE sip:a@[ SIP/2.0",
    "INVITE sip:a@[] SIP/2.0",
    "INVITE sip:a@[::ffff:999.1.1.1] SIP/2.0",
    "INVITE sip:%@b SIP/2.0",
    "INVITE sip:%zz@b SIP/2.0",
    "INVITE tel: SIP/2.0",
    "INVITE tel:+ SIP/2.0",
    "INVITE tel:;phone-context= SIP/2.0",
    "INVITE sips:a:b:c@d SIP/2.0",
    "INVITE : SIP/2.0",
    "INVITE  SIP/2.0",
    "INVITE sip:a@b SIP/",
    "INVITE sip:a@b SIP/2.0.0.0.0",
    " sip:a@b SIP/2.0",
];

/// Whole datagrams.
pub const DATAGRAMS: [&[u8]; 18] = [
    b"",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b"\0\0\0\0",
    b" ",
    b"SIP/2.0",
    b"SIP/2.0 \r\n\r\n",
    b"SIP/2.0 200\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 000 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia:\r\nVia:\r\nCSeq: 1 INVITE\r\n\r\n",
    b"INVITE",
    b"INVITE sip:a SIP/2.0\r\n",
    b"INVITE sip:a SIP/2.0\r\n:\r\n\r\n",
    b"INVITE sip:a SIP/2.0\r\n folded\r\n\r\n",
    b"INVITE sip:a SIP/2.0\nVia: SIP/2.0/UDP a\n\n",
];

/// What speaks other protocols; none of it is SIP.
pub const OTHER_PROTOCOLS: [(&str, &[u8]); 8] = [
    ("HTTP", b"GET /canary-of-the-log HTTP/1.1\r\nHost: canary-of-the-log\r\n\r\n"),
    ("HTTP CONNECT", b"CONNECT canary-of-the-log:443 HTTP/1.1\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03canary-of-the-log-canary-of-the-log\x00\x00"),
    ("SSH", b"SSH-2.0-canary-of-the-log\r\n"),
    ("SMTP", b"EHLO canary-of-the-log\r\nMAIL FROM:<canary-of-the-log>\r\nDATA\r\n"),
    ("RTP", b"\x80\x00\x00\x01\x00\x00\x00\xa0\x12\x34\x56\x78canary-of-the-log"),
    ("STUN", b"\x00\x01\x00\x00\x21\x12\xa4\x42canary-of-t"),
    ("noise", b"\xff\xfe\xfd\x01\x02\x03canary-of-the-log\x9c\x00\x7f"),
];

/// A plain request in which `line` stands in place of the header of its name, or is added.
pub fn with_line(line: &str, n: u32, from: SocketAddr) -> String {
    let name = line.split(':').next().unwrap_or_default();
    let plain = [
        format!("Via: SIP/2.0/UDP {from};rport;branch=z9hG4bKshape{n}"),
        "Max-Forwards: 70".to_owned(),
        format!("From: <sip:a@b>;tag=s{n}"),
        "To: <sip:c@d>".to_owned(),
        format!("Call-ID: shape-{n}"),
        "CSeq: 1 INVITE".to_owned(),
    ];
    let mut lines: Vec<_> =
        plain.into_iter().filter(|plain| !plain.starts_with(&format!("{name}:"))).collect();
    lines.insert(0, line.to_owned());
    format!("INVITE sip:c@d SIP/2.0\r\n{}\r\nContent-Length: 0\r\n\r\n", lines.join("\r\n"))
}

/// A plain request with that request line.
pub fn with_request_line(line: &str, n: u32, from: SocketAddr) -> String {
    format!(
        "{line}\r\nVia: SIP/2.0/UDP {from};rport;branch=z9hG4bKline{n}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@b>;tag=l{n}\r\nTo: <sip:c@d>\r\nCall-ID: line-{n}\r\nCSeq: 1 INVITE\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
