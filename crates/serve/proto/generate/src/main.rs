//! Makes `crates/serve/src/grpc/inference.rs` from `inference.proto`: `cargo run` in this folder. The result is checked in,
//! so that a build needs neither this program nor a protocol compiler.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["inference.proto"], [here.join("..")])?;
    tonic_prost_build::configure()
        .build_transport(false)
        // Tensors stay where they came, instead of being copied.
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .bytes(".inference.ModelInferResponse.raw_output_contents")
        .out_dir(here.join("../../src/grpc"))
        .compile_fds(descriptors)?;
    Ok(())
}
