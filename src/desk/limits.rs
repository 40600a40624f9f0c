//! What a client's frame must not exceed, checked before it is parsed.

use std::time::{Duration, Instant};

/// Octets of a frame before log-in, and of every `hello`.
pub(super) const HELLO_BYTES: usize = 4 * 1024;
/// Octets of a frame after log-in.
pub(super) const FRAME_BYTES: usize = 16 * 1024;
/// What the WebSocket library reads at most; between this and ours we can still answer in good order.
pub(super) const LIBRARY_BYTES: usize = 64 * 1024;
/// Nesting of a frame.
const DEPTH: usize = 32;

/// Whether JSON text nests deeper than 32. Strings are skipped; the parser finds what is malformed.
pub(super) fn too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for octet in text.bytes() {
        if in_string {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match octet {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// A bucket that holds one second's worth and refills evenly.
#[derive(Debug)]
pub(super) struct Bucket {
    per_s: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(per_s: u32, now: Instant) -> Self {
        Self { per_s: f64::from(per_s), left: f64::from(per_s), at: now }
    }

    /// Takes one; `false` when there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed: Duration = now.saturating_duration_since(self.at);
        self.at = now;
        self.left = (self.left + passed.as_secs_f64() * self.per_s).min(self.per_s);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n64_thirty_two_levels_are_enough_and_thirty_three_too_many() {
        assert!(!too_deep(&format!("{}{}", "[".repeat(32), "]".repeat(32))));
        assert!(too_deep(&"[".repeat(33)));
        assert!(!too_deep(&format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(99), "{".repeat(99))));
    }

    #[test]
    fn a_bucket_gives_one_second_at_once_and_then_one_by_one() {
        let start = Instant::now();
        let mut bucket = Bucket::new(20, start);
        assert!((0..20).all(|_| bucket.take(start)));
        assert!(!bucket.take(start));
        assert!(bucket.take(start + Duration::from_millis(51)));
        assert!(!bucket.take(start + Duration::from_millis(52)));
    }
}
