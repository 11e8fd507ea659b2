//! Nodes of any operator, with arbitrary attributes and inputs.
#![no_main]

#[path = "../../crates/onnx/tests/seeds/operator.rs"]
mod operator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    operator::check(bytes);
});
