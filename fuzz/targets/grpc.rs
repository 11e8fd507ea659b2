//! Messages of gRPC that ask for inference, made of arbitrary bytes.
#![no_main]

#[path = "../../crates/serve/tests/seeds/grpc.rs"]
mod grpc;
#[path = "../../crates/serve/tests/seeds/request.rs"]
mod request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    grpc::check(bytes);
});
