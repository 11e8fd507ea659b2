//! ONNX models made of arbitrary bytes.
#![no_main]

#[path = "../../crates/onnx/tests/seeds/onnx.rs"]
mod onnx;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    onnx::check(bytes);
});
