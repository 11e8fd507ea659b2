//! TensorFlow Serving's form of a request, `{"instances": […]}`, for models of one input: what its clients and tutorials send.
//!
//! Format: <https://www.tensorflow.org/tfx/serving/api_rest>, the row format with one unnamed input.

use crate::data::Data;
use crate::datatype::Datatype;
use crate::protocol::json;
use crate::refusal::Refusal;
use crate::servable::Signature;
use hadal::Tensor;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

#[derive(serde::Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    instances: &'a RawValue,
}

/// Reads the samples of a request, nested in the shape of the model's input.
///
/// # Errors
/// 400, naming what was expected and what came.
pub fn decode_instances(signature: &Signature, body: &[u8]) -> Result<Data, Refusal> {
    let refuse = |problem: String| Refusal::bad(format!("{problem}; send {{\"instances\": […]}}, one for each sample"));
    let body: Body =
        serde_json::from_slice(body).map_err(|e| refuse(format!("the body is no request for predictions: {e}")))?;
    let [port] = &signature.inputs[..] else {
        return Err(Refusal::bad("the model has several inputs; use POST /v2/models/…/infer"));
    };
    let form = &port.forms[0];
    let sample: Option<Vec<usize>> = form.shape.iter().skip(1).copied().collect();
    let (Some(sample), true) = (sample, signature.batched && form.datatype != Datatype::Bytes) else {
        return Err(Refusal::bad(format!("the input {:?} is {form}; use POST /v2/models/…/infer", port.name)));
    };
    // Of no size: a list of anything is counted without memory.
    let samples: Vec<IgnoredAny> = serde_json::from_str(body.instances.get()).map_err(|e| refuse(e.to_string()))?;
    if samples.is_empty() {
        return Err(refuse("there are no instances".to_owned()));
    }
    let shape: Vec<usize> = [samples.len()].into_iter().chain(sample).collect();
    json::read(body.instances.get(), form.datatype, &shape)
        .map_err(|problem| Refusal::bad(format!("instances: {problem}")))
}

/// The response: a list of numbers for each sample.
pub fn encode_predictions(output: &Tensor) -> Vec<u8> {
    let mut body = b"{\"predictions\":[".to_vec();
    for sample in 0..output.shape()[0] {
        if sample > 0 {
            body.push(b',');
        }
        json::write(&Data::Numbers(output.select(0, sample as isize)), &mut body);
    }
    body.extend(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::signature;

    #[test]
    fn samples_in_rows() {
        let mut one = signature();
        one.inputs.truncate(1);
        let data = decode_instances(&one, br#"{"instances": [[1, 2], [3, 4], [5, null]]}"#).unwrap();
        assert_eq!(data.shape(), [3, 2]);
        let error = |body: &str| decode_instances(&one, body.as_bytes()).unwrap_err().message;
        assert_eq!(
            error(r#"{"instances": [[1, 2], [3]]}"#),
            "instances: an array at depth 2 has 1 elements, but the shape is [2, 2]"
        );
        assert_eq!(
            error(r#"{"instances": []}"#),
            "there are no instances; send {\"instances\": […]}, one for each sample"
        );
        assert!(error(r#"{"instances": 5}"#).contains("invalid type: integer"));
        assert!(error("{}").contains("missing field `instances`"));
        assert!(
            decode_instances(&signature(), br#"{"instances": [1]}"#).unwrap_err().message.contains("several inputs")
        );
        assert_eq!(
            encode_predictions(&Tensor::from([[0.5f32, 1.0], [2.0, f32::NAN]])),
            b"{\"predictions\":[[0.5,1.0],[2.0,null]]}"
        );
    }
}
