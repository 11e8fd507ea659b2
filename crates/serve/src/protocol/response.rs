//! Responses to requests for inference.

use crate::data::{Data, Strings};
use crate::protocol::{Wanted, binary, json};
use crate::servable::Signature;
use hadal::Tensor;

/// A response: its body, and the length of the JSON in it if binary data follows.
#[derive(Debug, PartialEq)]
pub struct Encoded {
    /// JSON, then the binary data of the outputs in their order.
    pub body: Vec<u8>,
    /// For the header `Inference-Header-Content-Length`.
    pub header_length: Option<usize>,
}

/// Writes the response to a request.
pub fn encode(
    signature: &Signature,
    model: (&str, u64),
    id: Option<&str>,
    wanted: &[Wanted],
    outputs: &[Tensor],
) -> Encoded {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut body = format!("{{\"model_name\":{},\"model_version\":\"{}\"", text(model.0), model.1).into_bytes();
    if let Some(id) = id {
        body.extend(format!(",\"id\":{}", text(id)).into_bytes());
    }
    body.extend(b",\"outputs\":[");
    let mut data_after = Vec::new();
    for (i, wanted) in wanted.iter().enumerate() {
        let data = chosen(signature, wanted, outputs);
        let comma = if i > 0 { "," } else { "" };
        let port = &signature.outputs[wanted.output];
        let (name, datatype, shape) = (text(&port.name), data.sent_as(port.forms[0].datatype), data.shape());
        body.extend(format!("{comma}{{\"name\":{name},\"datatype\":\"{datatype}\",\"shape\":{shape:?}").into_bytes());
        if wanted.binary {
            let before = data_after.len();
            binary::write(&data, datatype, &mut data_after);
            let size = data_after.len() - before;
            body.extend(format!(",\"parameters\":{{\"binary_data_size\":{size}}}}}").into_bytes());
        } else {
            body.extend(b",\"data\":");
            json::write(&data, &mut body);
            body.push(b'}');
        }
    }
    body.extend(b"]}");
    let header_length = wanted.iter().any(|wanted| wanted.binary).then_some(body.len());
    body.extend(data_after);
    Encoded { body, header_length }
}

/// What is wanted of the outputs.
pub fn chosen(signature: &Signature, wanted: &Wanted, outputs: &[Tensor]) -> Data {
    let tensor = &outputs[wanted.output];
    match wanted.classes {
        Some(k) => classes(tensor, k, &signature.labels),
        None => Data::Numbers(tensor.clone()),
    }
}

/// The `k` greatest values along the last axis as `value:index:label`, greatest first.
fn classes(tensor: &Tensor, k: usize, labels: &[String]) -> Data {
    let width = tensor.shape().last().copied().unwrap_or(1).max(1);
    let k = k.min(width);
    let numbers = tensor.to_f64_vec();
    let mut strings = Strings::default();
    for row in numbers.chunks(width) {
        for (index, value) in ranked(row).into_iter().take(k) {
            let label = labels.get(index).map_or(String::new(), |label| format!(":{label}"));
            strings.push(format!("{value:.6}:{index}{label}").as_bytes());
        }
    }
    let mut shape = tensor.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = k;
    }
    Data::Bytes(strings, shape)
}

/// The values with their indices, greatest first; of equal ones, the first.
pub fn ranked(values: &[f64]) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::signature;

    #[test]
    fn responses_as_json_and_binary() {
        let outputs = [Tensor::from([[0.25f32, 0.5, 0.25]]), Tensor::from([2.0f32])];
        let wanted = |output, binary, classes| Wanted { output, binary, classes };
        let all = [wanted(1, true, None), wanted(0, false, None), wanted(0, true, Some(9))];
        let Encoded { body, header_length } = encode(&signature(), ("m", 3), Some("a\"b"), &all, &outputs);
        let (head, data) = body.split_at(header_length.unwrap());
        let head: serde_json::Value = serde_json::from_slice(head).unwrap();
        let expected = serde_json::json!({
            "model_name": "m", "model_version": "3", "id": "a\"b",
            "outputs": [
                { "name": "z", "datatype": "FP32", "shape": [1], "parameters": { "binary_data_size": 4 } },
                { "name": "y", "datatype": "FP32", "shape": [1, 3], "data": [0.25, 0.5, 0.25] },
                { "name": "y", "datatype": "BYTES", "shape": [1, 3], "parameters": { "binary_data_size": 48 } },
            ],
        });
        assert_eq!(head, expected);
        // Of equal values, the first comes first.
        let texts = ["0.500000:1:b", "0.250000:0:a", "0.250000:2:c"];
        let strings: Vec<u8> = texts.iter().flat_map(|text| [b"\x0c\0\0\0", text.as_bytes()].concat()).collect();
        assert_eq!(data, [&2f32.to_le_bytes()[..], &strings].concat());
        assert_eq!(encode(&signature(), ("m", 3), None, &all[1..2], &outputs).header_length, None);
    }
}
