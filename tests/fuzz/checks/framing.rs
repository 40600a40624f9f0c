//! Framing: however a stream is cut into packets, the same messages come out, and the parser agrees with the
//! framer about where each ends (N45).

use bytes::Bytes;
use toritsugi::clock::Moment;
use toritsugi::message::{Limits, Message};
use toritsugi::transport::{Frame, Framer, FramingLimits};

const LIMITS: FramingLimits = FramingLimits { message_bytes: 1024, header_bytes: 512 };
const PARSER: Limits = Limits { message_bytes: 1024, headers: 64 };

/// The first octet is the distance of the cuts, the others are the stream.
pub fn check(octets: &[u8]) {
    let Some((step, stream)) = octets.split_first() else { return };
    let whole = frames(&[stream]);
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(frames(&single), whole, "octet by octet");
    let some: Vec<&[u8]> = stream.chunks(usize::from(*step).max(1)).collect();
    assert_eq!(frames(&some), whole, "in pieces of {step}");
    // At every place of a short stream, at a few dozen of a long one.
    for cut in (0..stream.len()).step_by(stream.len() / 64 + 1) {
        assert_eq!(frames(&[&stream[..cut], &stream[cut..]]), whole, "cut at {cut}");
    }
    taken_in_order(stream, &whole);
}

fn frames(pushes: &[&[u8]]) -> Vec<Frame> {
    let mut framer = Framer::new(LIMITS);
    let mut frames = Vec::new();
    for octets in pushes {
        let before = frames.len();
        framer.push(octets, Moment::ZERO);
        frames.extend(std::iter::from_fn(|| framer.next_frame()));
        assert!(frames.len() - before <= octets.len() + 1, "more frames than octets");
    }
    frames
}

/// Messages are pieces of the stream, one behind the other, and end where the parser says they end.
fn taken_in_order(stream: &[u8], frames: &[Frame]) {
    let mut at = 0;
    let mut over = false;
    for frame in frames {
        assert!(!over, "a frame came after the end of the stream: {frame:?}");
        match frame {
            Frame::Message(bytes) => {
                at += find(&stream[at..], bytes) + bytes.len();
                whole_message(bytes);
            }
            Frame::Unusable { head, end_known } => {
                assert!(head.len() <= LIMITS.message_bytes);
                at += find(&stream[at..], head) + head.len();
                over = !end_known;
            }
            Frame::KeepAliveRequest | Frame::KeepAliveResponse => {}
        }
    }
}

pub fn whole_message(bytes: &Bytes) {
    assert!(bytes.len() <= LIMITS.message_bytes);
    let Ok(message) = Message::parse(bytes.clone(), &PARSER) else { return };
    assert_eq!(message.bytes(), bytes, "framer and parser disagree about the end");
    assert!(message.header_named(b"Content-Length").is_some(), "framed without a length");
}

#[track_caller]
fn find(stream: &[u8], piece: &[u8]) -> usize {
    if piece.is_empty() {
        return 0;
    }
    let found = stream.windows(piece.len()).position(|window| window == piece);
    found.expect("a frame is a piece of what is left of the stream")
}
