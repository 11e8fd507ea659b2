//! PyTorch files made of arbitrary bytes.
#![no_main]

#[path = "../../crates/core/tests/seeds/pytorch.rs"]
mod pytorch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    pytorch::check(bytes);
});
