//! PNG and JPEG images made of arbitrary bytes.
#![no_main]

#[path = "../../crates/data/tests/seeds/image.rs"]
mod image;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    image::check(bytes);
});
