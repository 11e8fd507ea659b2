//! PNG and JPEG images made of arbitrary bytes.
#![no_main]

#[path = "../../crates/data/tests/seeds/image.rs"]
mod image;

libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| {
        // What the decoders do at some files is caught; any other panic is a finding.
        let theirs = |file: &str| file.contains("/zune-jpeg-") || file.contains("/png-");
        if !panic.location().is_some_and(|place| theirs(place.file())) {
            eprintln!("{panic}");
            std::process::abort();
        }
    })),
    |bytes: &[u8]| {
        image::check(bytes);
    }
);
