//! A request of ours within a dialog, before it has a Via.

use bytes::Bytes;

/// What a request of ours says beside what its dialog says.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a str,
    /// The number; that of the INVITE for its ACK (RFC 3261 §13.2.2.4).
    pub cseq: u32,
    /// Makes the placeholder of the Via one of its own.
    pub branch: u64,
    /// Before whoever sends it takes one off.
    pub max_forwards: u8,
    /// Further header lines.
    pub extra: &'a [(&'a str, &'a [u8])],
    /// The body with its type.
    pub body: Option<(&'a [u8], &'a [u8])>,
}

impl Default for Outgoing<'_> {
    fn default() -> Self {
        Self { method: "", cseq: 0, branch: 0, max_forwards: 71, extra: &[], body: None }
    }
}

impl Outgoing<'_> {
    /// Writes it for this target and route set; with From, To and Call-ID.
    pub(super) fn write(&self, target: &[u8], routes: &[Bytes], ids: [&Bytes; 3]) -> Bytes {
        let [from, to, call_id] = ids;
        let body = self.body.map_or(&b""[..], |(_, body)| body);
        let mut written = Vec::with_capacity(512 + body.len());
        let mut put = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| written.extend_from_slice(piece));
        put(&[self.method.as_bytes(), b" ", target, b" SIP/2.0\r\n"]);
        put(&[placeholder(self.branch).as_bytes()]);
        for route in routes {
            put(&[b"Route: ", route, b"\r\n"]);
        }
        put(&[b"Max-Forwards: ", self.max_forwards.to_string().as_bytes(), b"\r\nFrom: ", from]);
        put(&[b"\r\nTo: ", to, b"\r\nCall-ID: ", call_id, b"\r\nCSeq: "]);
        put(&[self.cseq.to_string().as_bytes(), b" ", self.method.as_bytes(), b"\r\n"]);
        for (name, value) in self.extra {
            put(&[name.as_bytes(), b": ", value, b"\r\n"]);
        }
        if let Some((kind, _)) = self.body {
            put(&[b"Content-Type: ", kind, b"\r\n"]);
        }
        put(&[b"Content-Length: ", body.len().to_string().as_bytes(), b"\r\n\r\n", body]);
        Bytes::from(written)
    }
}

/// The line of the Via that stands for ours until the request is sent.
pub(super) fn placeholder(branch: u64) -> String {
    format!("Via: SIP/2.0/UDP anchored.invalid;branch=z9hG4bK{branch:016x}\r\n")
}
