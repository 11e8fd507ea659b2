//! Arbitrary bytes as a message of gRPC that asks for inference.

use super::request::{SIGNATURES, fits};
use hadal_serve::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use hadal_serve::inference::{InferParameter, ModelInferRequest};
use hadal_serve::protocol::grpc::{decode, weight};
use prost::Message;
use prost::bytes::Bytes;
use std::collections::HashMap;

/// Decodes everything after the first byte, which says for which model; whether it was understood.
pub fn check(bytes: &[u8]) -> bool {
    let Some((kind, message)) = bytes.split_first() else { return false };
    // What the server asks before it decodes.
    let Some(weight) = weight(message) else { return false };
    let Ok(message) = ModelInferRequest::decode(Bytes::copy_from_slice(message)) else { return false };
    let taken = memory(&message);
    assert!(taken <= weight, "{taken} bytes in memory, not {weight}");
    let signature = &SIGNATURES[usize::from(kind & 1)];
    let Ok(request) = decode(signature, &message) else { return false };
    fits(signature, &request);
    true
}

/// The bytes that a message takes, without what allocations round up.
fn memory(message: &ModelInferRequest) -> usize {
    let ModelInferRequest { model_name, model_version, id, parameters, inputs, outputs, raw_input_contents } = message;
    let strings = model_name.len() + model_version.len() + id.len() + named(parameters);
    let output =
        |output: &InferRequestedOutputTensor| size_of_val(output) + output.name.len() + named(&output.parameters);
    strings
        + inputs.iter().map(of_input).sum::<usize>()
        + outputs.iter().map(output).sum::<usize>()
        + size_of_val(&raw_input_contents[..])
        + raw_input_contents.iter().map(Bytes::len).sum::<usize>()
}

fn of_input(input: &InferInputTensor) -> usize {
    let mut bytes = size_of_val(input) + input.name.len() + input.datatype.len();
    bytes += size_of_val(&input.shape[..]) + named(&input.parameters);
    if let Some(contents) = &input.contents {
        bytes += size_of_val(&contents.bool_contents[..]) + size_of_val(&contents.int_contents[..]);
        bytes += size_of_val(&contents.int64_contents[..]) + size_of_val(&contents.uint_contents[..]);
        bytes += size_of_val(&contents.uint64_contents[..]) + size_of_val(&contents.fp32_contents[..]);
        bytes += size_of_val(&contents.fp64_contents[..]) + size_of_val(&contents.bytes_contents[..]);
        bytes += contents.bytes_contents.iter().map(Vec::len).sum::<usize>();
    }
    bytes
}

fn named(parameters: &HashMap<String, InferParameter>) -> usize {
    parameters.keys().map(|name| name.len() + size_of::<(String, InferParameter)>()).sum()
}
