//! The fuzzer's seeds as ordinary tests.

mod image;
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

#[test]
fn images() {
    seeds::replay("image", image::check);
}
