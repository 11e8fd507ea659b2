//! The fuzzer's seeds as ordinary tests.

mod npy;
mod npz;
mod pytorch;
mod safetensors;
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

#[test]
fn npy_files() {
    seeds::replay("npy", npy::check);
}

#[test]
fn npz_files() {
    seeds::replay("npz", npz::check);
}

#[test]
fn pytorch_files() {
    seeds::replay("pytorch", pytorch::check);
}

#[test]
fn safetensors_files() {
    seeds::replay("safetensors", safetensors::check);
}
