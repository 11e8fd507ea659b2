//! Requests for inference made of arbitrary bytes.
#![no_main]

#[path = "../tests/seeds/decode.rs"]
mod decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    decode::check(bytes);
});
