//! What an ONNX model's ImageDecoder reads: images of all its formats, made of arbitrary bytes.
#![no_main]

#[path = "../../crates/onnx/tests/seeds/decoder.rs"]
mod decoder;

libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| {
        // What the decoders, of other packages, do at some files is caught; any other panic is a finding.
        if !panic.location().is_some_and(|place| place.file().contains("/registry/src/")) {
            eprintln!("{panic}");
            std::process::abort();
        }
    })),
    |bytes: &[u8]| {
        decoder::check(bytes);
    }
);
