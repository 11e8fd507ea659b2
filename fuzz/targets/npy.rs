//! npy files made of arbitrary bytes.
#![no_main]

#[path = "../../crates/core/tests/seeds/npy.rs"]
mod npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    npy::check(bytes);
});
