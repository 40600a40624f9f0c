//! How much of a description is read, and why one is not.

/// What is read at most; a description beyond it is refused as a whole (N51).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets.
    pub bytes: usize,
    /// Lines.
    pub lines: usize,
    /// `m=` lines. An answer repeats each of them (RFC 3264 §6), so this also bounds what we write.
    pub media: usize,
    /// Formats of one `m=` line; also its `a=rtpmap` and its `a=fmtp` lines.
    pub formats: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 32 * 1024, lines: 1024, media: 32, formats: 64 }
    }
}

/// Why a description cannot be read; for logs, it never holds text of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
