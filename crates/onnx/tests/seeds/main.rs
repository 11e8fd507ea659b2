//! The fuzzer's seeds as ordinary tests.

mod decoder;
mod onnx;
mod operator;
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

#[test]
fn models() {
    seeds::replay("onnx", onnx::check);
}

#[test]
fn operators() {
    seeds::replay("operator", operator::check);
}

#[test]
fn images() {
    seeds::replay("decoder", decoder::check);
}
