//! A message written out and read back: its octets, from which everything else is read again.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::view::{Limits, Message};

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    /// What was accepted once is read again without the limits of `[sip.limits]`, which may have changed
    /// since.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        let limits = Limits { message_bytes: usize::MAX, headers: usize::MAX };
        Self::parse(bytes, &limits).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_octet_for_octet() {
        let text = "OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
                    f: <sip:c@d>;tag=1\r\nt: <sip:a@b>\r\n\
                    i: x\r\nCSeq: 1 OPTIONS\r\nX-Bytes: \u{e9}\r\nl: 2\r\n\r\nhi";
        let before = Message::parse(text.as_bytes().to_vec().into(), &Limits::default()).unwrap();
        let written = serde_json::to_string(&before).unwrap();
        let after: Message = serde_json::from_str(&written).unwrap();
        assert_eq!(after.bytes(), before.bytes());
        assert_eq!(after.call_id(), b"x");
    }
}
