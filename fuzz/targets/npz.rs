//! npz files made of arbitrary bytes.
#![no_main]

#[path = "../../crates/core/tests/seeds/npz.rs"]
mod npz;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    npz::check(bytes);
});
