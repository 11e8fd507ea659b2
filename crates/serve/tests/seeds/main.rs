//! The fuzzer's seeds as an ordinary test.

#[cfg(feature = "grpc")]
mod grpc;
mod request;
#[path = "../../../../fuzz/seeds.rs"]
mod seeds;

#[test]
fn requests() {
    seeds::replay("request", request::check);
}

#[cfg(feature = "grpc")]
#[test]
fn messages_of_grpc() {
    seeds::replay("grpc", grpc::check);
}
