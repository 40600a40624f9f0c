//! RTP packets (RFC 3550 §5.1): written for what we play, read with care for what anybody sends.

/// Octets of the header we write: no contributing sources, no extension.
pub const HEADER_BYTES: usize = 12;

/// Writes the header before a payload.
pub fn write_header(
    to: &mut Vec<u8>,
    payload_type: u8,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) {
    to.push(0x80);
    to.push(payload_type & 0x7f | u8::from(marker) << 7);
    to.extend_from_slice(&sequence.to_be_bytes());
    to.extend_from_slice(&timestamp.to_be_bytes());
    to.extend_from_slice(&ssrc.to_be_bytes());
}

/// A packet as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload is.
    pub payload_type: u8,
    /// The first packet after silence, or of a digit.
    pub marker: bool,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` when it is no RTP packet (N50): another protocol on the same port, something
    /// cut off, or lengths that lie.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = datagram.split_at_checked(HEADER_BYTES)?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] =
            *<&[u8; HEADER_BYTES]>::try_from(head).ok()?;
        // RFC 5761 §4: payload types 72 to 76 with the marker would be RTCP.
        if flags >> 6 != 2 || (200..=204).contains(&kind) {
            return None;
        }
        rest = rest.get(usize::from(flags & 0x0f) * 4..)?;
        if flags & 0x10 != 0 {
            let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
            rest = rest.get(4 + usize::from(words) * 4..)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            let left = rest.len().checked_sub(padding).filter(|_| padding > 0)?;
            rest = rest.get(..left)?;
        }
        Some(Self {
            payload_type: kind & 0x7f,
            marker: kind & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            payload: rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        write_header(&mut packet, 8, true, 65_535, 160, 0xdead_beef);
        packet.extend_from_slice(payload);
        packet
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = written(&[1, 2, 3]);
        let packet = Packet::read(&bytes).unwrap();
        assert_eq!((packet.payload_type, packet.marker, packet.sequence), (8, true, 65_535));
        assert_eq!((packet.timestamp, packet.ssrc, packet.payload), (160, 0xdead_beef, &[1, 2, 3][..]));
    }

    #[test]
    fn sources_extension_and_padding_are_no_payload() {
        let mut bytes = written(&[]);
        bytes[0] |= 0x20 | 0x10 | 0x01;
        bytes.extend_from_slice(&[9; 4]);
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 7, 7, 7, 7]);
        bytes.extend_from_slice(&[5, 6, 0, 2]);
        assert_eq!(Packet::read(&bytes).unwrap().payload, [5, 6]);
    }

    #[test]
    fn n50_what_is_no_rtp_is_no_packet() {
        let mut cut = written(&[]);
        cut[0] |= 0x10;
        let mut padded = written(&[1, 9]);
        padded[0] |= 0x20;
        let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0];
        let dtls = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let rtcp = [0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
        for bytes in [&[][..], &[0x80; 11], &cut, &padded, &stun, &dtls, &rtcp] {
            assert_eq!(Packet::read(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn n50_no_octets_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(packet) = Packet::read(&bytes) {
                prop_assert!(packet.payload.len() <= bytes.len());
            }
        }
    }
}
