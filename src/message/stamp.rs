//! The real source in the topmost Via (RFC 3261 §18.2.1, RFC 3581 §4) without reading the message again.
//!
//! Every request is stamped. Two pieces of text are inserted, both within the topmost Via, so that all that
//! was found in the message is found again a little further on.

use std::net::IpAddr;

use bytes::Bytes;

use super::header::Header;
use super::text::{Span, offset, put_address, put_decimal};
use super::via::{Param, ViaParts};
use super::view::Message;

/// Two insertions: where, and how long.
#[derive(Clone, Copy)]
struct Moves {
    rport_at: u32,
    rport_length: u32,
    received_at: u32,
    received_length: u32,
}

impl Moves {
    /// Nothing but the Via itself and its `rport` ends where something is inserted and takes it in.
    fn place(self, at: u32) -> u32 {
        let by_rport = if at > self.rport_at { self.rport_length } else { 0 };
        let by_received = if at > self.received_at { self.received_length } else { 0 };
        at + by_rport + by_received
    }

    fn span(self, span: Span) -> Span {
        Span { start: self.place(span.start), end: self.place(span.end) }
    }

    fn param(self, param: Param) -> Param {
        Param { whole: self.span(param.whole), value: param.value.map(|value| self.span(value)) }
    }
}

/// The line of the topmost Via, when the message can be stamped here; `None` when something was claimed that
/// has to go.
pub(super) fn line_to_stamp(message: &Message, rport: Option<u16>) -> Option<usize> {
    let via = message.found.via;
    let claimed = via.received.is_some() || via.rport.is_some_and(|asked| asked.value.is_some());
    let plain = via.rport.is_none_or(|asked| asked.whole.of(message.bytes()) == b"rport");
    if claimed || !plain || via.rport.is_some() != rport.is_some() {
        return None;
    }
    message.lines.iter().position(|line| line.header == Header::Via)
}

/// The stamped message; `line` is that of [`line_to_stamp`].
pub(super) fn stamped(mut message: Message, line: usize, received: IpAddr, rport: Option<u16>) -> Message {
    let via = message.found.via;
    let (moves, bytes) = inserted(&message, via, received, rport);
    for (index, entry) in message.lines.iter_mut().enumerate() {
        let ends_with_via = index == line && entry.value.end == via.whole.end;
        entry.start = moves.place(entry.start);
        entry.name_end = moves.place(entry.name_end);
        entry.value = moves.span(entry.value);
        entry.end = moves.place(entry.end);
        if ends_with_via {
            entry.value.end = via.whole.end + moves.rport_length + moves.received_length;
        }
    }
    let found = &mut message.found;
    found.via = moved_via(via, moves);
    found.call_id = moves.span(found.call_id);
    found.cseq_method = moves.span(found.cseq_method);
    found.from_tag = found.from_tag.map(|tag| moves.span(tag));
    found.to_tag = found.to_tag.map(|tag| moves.span(tag));
    found.end = moves.place(found.end);
    message.headers_end = moves.place(message.headers_end);
    message.body_at = moves.place(message.body_at);
    message.bytes = bytes;
    message
}

fn inserted(message: &Message, via: ViaParts, received: IpAddr, rport: Option<u16>) -> (Moves, Bytes) {
    let old = message.bytes();
    let end = via.whole.end as usize;
    let rport_at = via.rport.map_or(end, |asked| asked.whole.end as usize);
    let mut bytes = Vec::with_capacity(old.len() + ";received==65535".len() + 39);
    bytes.extend_from_slice(&old[..rport_at]);
    if let Some(port) = rport {
        bytes.push(b'=');
        put_decimal(&mut bytes, u64::from(port));
    }
    let rport_length = bytes.len() - rport_at;
    bytes.extend_from_slice(&old[rport_at..end]);
    let before = bytes.len();
    bytes.extend_from_slice(b";received=");
    put_address(&mut bytes, received);
    let received_length = bytes.len() - before;
    bytes.extend_from_slice(&old[end..]);
    let moves = Moves {
        rport_at: offset(rport_at),
        rport_length: offset(rport_length),
        received_at: via.whole.end,
        received_length: offset(received_length),
    };
    (moves, Bytes::from(bytes))
}

fn moved_via(via: ViaParts, moves: Moves) -> ViaParts {
    let end = via.whole.end + moves.rport_length;
    let whole = Span { start: via.whole.start, end: end + moves.received_length };
    let name_at = end + 1;
    let value = Span { start: name_at + offset("received=".len()), end: whole.end };
    ViaParts {
        whole,
        transport: moves.span(via.transport),
        host: moves.span(via.host),
        branch: via.branch.map(|branch| moves.span(branch)),
        rport: via.rport.map(|asked| {
            let end = asked.whole.end + moves.rport_length;
            let value = Span { start: asked.whole.end + 1, end };
            Param { whole: Span { start: asked.whole.start, end }, value: Some(value) }
        }),
        received: Some(Param { whole: Span { start: name_at, end: whole.end }, value: Some(value) }),
        maddr: via.maddr.map(|param| moves.param(param)),
        ttl: via.ttl.map(|param| moves.param(param)),
        ..via
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Edit, Limits};

    #[test]
    fn a_stamped_message_is_what_the_edited_one_would_be_read_as() {
        let sources: [IpAddr; 2] = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        for via in [
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport",
            "Via: SIP/2.0/UDP h:5060;rport;branch=z9hG4bK1",
            "v: SIP/2.0/UDP h ; rport ; branch=z9hG4bK1 ; ttl=5 ; maddr=192.0.2.1",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport ,\r\n SIP/2.0/TCP h2;branch=z9hG4bK0;rport",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/TCP h2\r\nVia: SIP/2.0/TCP h3",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP h",
            "Via: SIP/2.0/UDP h;received=192.0.2.9;branch=z9hG4bK1;rport=7",
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1;rport=",
        ] {
            for order in [["", via], [via, ""]] {
                let [above, below] =
                    order.map(|line| if line.is_empty() { String::new() } else { format!("{line}\r\n") });
                let text = format!(
                    "INVITE sip:a@b SIP/2.0\r\n{above}From: <sip:c@d>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
                     Call-ID: x\r\nCSeq: 1 INVITE\r\nX:\r\n{below}Content-Length: 2\r\n\r\nhi"
                );
                let Ok(message) = Message::parse(text.clone().into(), &Limits::default()) else { continue };
                let asked = message.top_via().rport().is_some();
                for source in sources {
                    let port = asked.then_some(65_535);
                    let mut edit = Edit::of(&message);
                    edit.top_via_params(Some(source), port);
                    let read = Message::parse(edit.finish(), &Limits::default()).unwrap();
                    let stamped = message.clone().stamped(source, port, &Limits::default()).unwrap();
                    assert_eq!(format!("{stamped:?}"), format!("{read:?}"), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_message_that_grows_over_the_limit_is_refused() {
        let text = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
                    From: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
                    Content-Length: 0\r\n\r\n";
        let limits = Limits { message_bytes: text.len() + 5, ..Limits::default() };
        let message = Message::parse(text.into(), &limits).unwrap();
        assert!(message.stamped("192.0.2.7".parse().unwrap(), None, &limits).is_none());
    }
}
