#![no_main]

#[path = "../../tests/fuzz/checks/mod.rs"]
#[expect(dead_code, reason = "each target uses one of the checks")]
mod checks;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::number::check(octets));
