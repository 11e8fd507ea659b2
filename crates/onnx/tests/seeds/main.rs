//! The fuzzer's seeds as ordinary tests.

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
