//! What must hold for any octets: one check for each target, called by `tests/fuzz.rs` with the committed
//! corpus and by `fuzz/fuzz_targets/` with what libFuzzer makes of it. A check fails by panicking.

pub mod config;
pub mod digest;
pub mod engine;
pub mod frame;
pub mod framing;
pub mod message;
pub mod number;
pub mod sdp;
pub mod uri;
