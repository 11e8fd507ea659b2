//! The fuzzer's seeds as an ordinary test.

mod request;
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

#[test]
fn requests() {
    seeds::replay("request", request::check);
}
