//! The message the benches work on: an INVITE of about 900 octets, as a carrier sends it.
#![allow(missing_docs, dead_code, reason = "shared by several benches, each of which needs a part")]

use bytes::Bytes;
use toritsugi::message::{Limits, Message};

/// The octets.
pub fn invite() -> Bytes {
    let body = "v=0\r\no=- 20518 20519 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n\
                m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
                a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    let head = format!(
        "INVITE sip:+4930555000@192.0.2.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.3:5060;branch=z9hG4bK-4711-1-0;rport\r\nMax-Forwards: 70\r\n\
         From: \"Customer Of Ours\" <sip:+493012345678@192.0.2.3:5060>;tag=c4711x1\r\n\
         To: <sip:+4930555000@192.0.2.1:5060>\r\nCall-ID: 1-4711@192.0.2.3\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:+493012345678@192.0.2.3:5060>\r\n\
         P-Asserted-Identity: \"Customer Of Ours\" <sip:+493012345678@192.0.2.3;user=phone>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REFER, NOTIFY, INFO\r\n\
         Supported: timer, replaces, 100rel\r\nSession-Expires: 1800;refresher=uac\r\n\
         User-Agent: carrier/1.0\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Bytes::from(head + body)
}

/// The message.
pub fn parsed() -> Message {
    Message::parse(invite(), &Limits::default()).expect("the sample is well-formed")
}
