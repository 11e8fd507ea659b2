//! safetensors files made of arbitrary bytes.
#![no_main]

#[path = "../../crates/core/tests/seeds/safetensors.rs"]
mod safetensors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    safetensors::check(bytes);
});
