//! Requests for inference: JSON, with tensors in it or as binary data after it.
//!
//! What a request announces is held against the model's signature before a single element is read, and no more memory is
//! taken than the bytes that came can fill.

use crate::data::{Data, Strings};
use crate::datatype::Datatype;
use crate::protocol::{binary, checks, json};
use crate::refusal::Refusal;
use crate::servable::Signature;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// Axes that a tensor may have.
const MOST_AXES: usize = 32;

/// Inputs or outputs that a request may list.
const MOST_TENSORS: usize = 1024;

/// A request for inference, with its inputs in the order of the signature.
#[derive(Debug)]
pub struct Request {
    /// To be repeated in the response.
    pub id: Option<String>,
    /// The tensors.
    pub inputs: Vec<Data>,
    /// What is wanted, in this order.
    pub outputs: Vec<Wanted>,
}

/// An output that the client wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its position in the signature.
    pub output: usize,
    /// As binary data after the JSON.
    pub binary: bool,
    /// Only the so many greatest values of each sample, as text `value:index:label`.
    pub classes: Option<usize>,
}

#[derive(serde::Deserialize)]
struct Head<'a> {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow, deserialize_with = "at_most::<_, _, MOST_TENSORS>")]
    inputs: Vec<Input<'a>>,
    #[serde(default, deserialize_with = "at_most::<_, _, MOST_TENSORS>")]
    outputs: Vec<Output>,
}

#[derive(serde::Deserialize)]
struct Input<'a> {
    name: String,
    datatype: String,
    #[serde(deserialize_with = "at_most::<_, _, MOST_AXES>")]
    shape: Vec<usize>,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
struct Output {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// The parameters that mean something here; others are ignored, as the protocol allows.
#[derive(serde::Deserialize, Default)]
struct Parameters {
    binary_data_size: Option<usize>,
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    classification: Option<usize>,
}

/// A list of `MOST` elements or fewer.
fn at_most<'de, D: Deserializer<'de>, T: Deserialize<'de>, const MOST: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T, const MOST: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            write!(f, "a list of at most {MOST} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = list.next_element()? {
                if elements.len() == MOST {
                    return Err(A::Error::custom(format_args!("a list has more than {MOST} elements")));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    deserializer.deserialize_seq(List::<T, MOST>(PhantomData))
}

/// Reads a request for a model.
///
/// `header_length` is that of the JSON at the beginning of `body`, where binary data follows it
/// (`Inference-Header-Content-Length`); zero if the whole body is the model's one input; `None` if all of it is JSON.
///
/// # Errors
/// 400, naming what was expected and what came.
pub fn decode(signature: &Signature, header_length: Option<usize>, body: &[u8]) -> Result<Request, Refusal> {
    if header_length == Some(0) {
        return raw(signature, body);
    }
    let (head, mut rest) = match header_length {
        None => (body, &[][..]),
        Some(length) => body.split_at_checked(length).ok_or_else(|| {
            Refusal::bad(format!(
                "Inference-Header-Content-Length is {length}, but the body has only {} bytes",
                body.len()
            ))
        })?,
    };
    let head: Head = serde_json::from_slice(head).map_err(|e| {
        Refusal::bad(format!(
            "the body is no inference request: {e}; send {{\"inputs\": [{{\"name\": …, \"shape\": […], \"datatype\": …, \"data\": […]}}]}}"
        ))
    })?;
    let mut inputs: Vec<Option<Data>> = vec![None; signature.inputs.len()];
    for input in &head.inputs {
        let place = checks::find(&signature.inputs, &input.name, "input")?;
        let port = &signature.inputs[place];
        if inputs[place].is_some() {
            return Err(Refusal::bad(format!("input {:?} is given twice", port.name)));
        }
        let datatype = checks::check(port, &input.datatype, &input.shape, signature.batched)?;
        let wrong = |problem| Refusal::bad(format!("input {:?}: {problem}", port.name));
        inputs[place] = Some(match (input.parameters.binary_data_size, input.data) {
            (Some(_), Some(_)) => return Err(wrong("both `data` and `binary_data_size` are given".to_owned())),
            (None, None) => return Err(wrong("neither `data` nor `binary_data_size` is given".to_owned())),
            (None, Some(data)) => json::read(data.get(), datatype, &input.shape).map_err(wrong)?,
            (Some(size), None) => {
                let Some((bytes, after)) = rest.split_at_checked(size) else {
                    let left = rest.len();
                    return Err(wrong(format!(
                        "binary_data_size is {size}, but {left} bytes are left after the JSON of {} bytes that \
                         Inference-Header-Content-Length announces",
                        header_length.unwrap_or(body.len())
                    )));
                };
                rest = after;
                binary::read(bytes, datatype, &input.shape).map_err(wrong)?
            }
        });
    }
    if !rest.is_empty() {
        return Err(Refusal::bad(format!("{} bytes of binary data are left that no input claims", rest.len())));
    }
    Ok(Request { inputs: checks::complete(signature, inputs)?, outputs: wanted(signature, &head)?, id: head.id })
}

/// A body that is nothing but the bytes of the model's one input.
fn raw(signature: &Signature, body: &[u8]) -> Result<Request, Refusal> {
    let [port] = &signature.inputs[..] else {
        let names: Vec<&str> = signature.inputs.iter().map(|port| port.name.as_str()).collect();
        return Err(Refusal::bad(format!(
            "a body without JSON needs a model of one input; this one has {}",
            names.join(", ")
        )));
    };
    let input = if port.forms.iter().any(|form| form.fits(Datatype::Bytes, &[1])) {
        Data::Bytes(Strings::from_iter([body]), vec![1])
    } else {
        let form = &port.forms[0];
        let sample: Option<Vec<usize>> = form.shape.iter().skip(1).copied().collect();
        let size = |sample: &[usize]| sample.iter().try_fold(form.datatype.size()?, |bytes, &n| bytes.checked_mul(n));
        let (Some(sample), true) = (sample, signature.batched) else {
            return Err(Refusal::bad(format!(
                "a body without JSON does not tell the shape of {:?}: it is {form}",
                port.name
            )));
        };
        let samples = size(&sample).filter(|&size| size > 0 && body.len().is_multiple_of(size) && !body.is_empty());
        let Some(size) = samples else {
            return Err(Refusal::bad(format!(
                "{} bytes are no whole samples of {:?}, which is {form}",
                body.len(),
                port.name
            )));
        };
        let shape: Vec<usize> = [body.len() / size].into_iter().chain(sample).collect();
        binary::read(body, form.datatype, &shape).map_err(|e| Refusal::bad(format!("input {:?}: {e}", port.name)))?
    };
    let outputs = (0..signature.outputs.len()).map(|output| Wanted { output, binary: true, classes: None }).collect();
    Ok(Request { id: None, inputs: vec![input], outputs })
}

/// The outputs asked for, or all.
fn wanted(signature: &Signature, head: &Head) -> Result<Vec<Wanted>, Refusal> {
    let binary = head.parameters.binary_data_output.unwrap_or(false);
    if head.outputs.is_empty() {
        return Ok((0..signature.outputs.len()).map(|output| Wanted { output, binary, classes: None }).collect());
    }
    let wanted = |output: &Output| {
        let (place, classes) = checks::output(signature, &output.name, output.parameters.classification)?;
        Ok(Wanted { output: place, binary: output.parameters.binary_data.unwrap_or(binary), classes })
    };
    head.outputs.iter().map(wanted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::signature;

    const JSON: &str = r#"{"id": "7", "inputs": [
        {"name": "n", "shape": [1], "datatype": "INT64", "data": [5]},
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [[1.5, -2]]}
    ], "outputs": [{"name": "z"}, {"name": "y", "parameters": {"classification": 2}}]}"#;

    const BINARY: &str = r#"{"inputs": [
        {"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 6}},
        {"name": "n", "shape": [1], "datatype": "INT64", "parameters": {"binary_data_size": 8}}
    ], "parameters": {"binary_data_output": true, "priority": {"any": [1]}}}"#;

    fn binary() -> Vec<u8> {
        [BINARY.as_bytes(), b"\x02\0\0\0hi", &7i64.to_le_bytes()].concat()
    }

    #[test]
    fn inputs_come_in_the_order_of_the_signature() {
        let request = decode(&signature(), None, JSON.as_bytes()).unwrap();
        assert_eq!(request.id.as_deref(), Some("7"));
        assert!(matches!(&request.inputs[0], Data::Numbers(x) if x.to_vec::<f32>() == [1.5, -2.0]));
        assert!(matches!(&request.inputs[1], Data::Numbers(n) if n.to_vec::<i64>() == [5]));
        let wanted = |output, classes| Wanted { output, binary: false, classes };
        assert_eq!(request.outputs, [wanted(1, None), wanted(0, Some(2))]);

        let request = decode(&signature(), Some(BINARY.len()), &binary()).unwrap();
        assert!(matches!(&request.inputs[0], Data::Bytes(strings, _) if strings.iter().eq([b"hi"])));
        assert!(matches!(&request.inputs[1], Data::Numbers(n) if n.to_vec::<i64>() == [7]));
        assert!(request.outputs.iter().all(|wanted| wanted.binary) && request.outputs.len() == 2);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |from: &str, to: &str| {
            assert!(JSON.contains(from));
            decode(&signature(), None, JSON.replace(from, to).as_bytes()).unwrap_err().message
        };
        assert_eq!(error(r#""name": "n""#, r#""name": "m""#), "the model has no input \"m\"; it has \"x\", \"n\"");
        assert_eq!(error(r#"{"name": "z"}"#, r#"{"name": "w"}"#), "the model has no output \"w\"; it has \"y\", \"z\"");
        assert_eq!(
            error(r#""name": "n""#, r#""name": "x""#),
            "input \"x\" is FP32 of shape [-1, 2], or BYTES of shape [-1], got INT64 of shape [1]"
        );
        let expected = "input \"x\" is FP32 of shape [-1, 2], or BYTES of shape [-1], got FP32 of shape [2]; \
                        the first axis is that of the samples: put a 1 before the shape";
        assert_eq!(error("[1, 2], \"datatype\"", "[2], \"datatype\""), expected);
        let expected = "input \"x\": there are 2 elements, but the shape [2, 2] has 4";
        assert_eq!(
            error(
                r#"[1, 2], "datatype": "FP32", "data": [[1.5, -2]]"#,
                r#"[2, 2], "datatype": "FP32", "data": [1.5, -2]"#
            ),
            expected
        );
        assert_eq!(
            error(r#"{"name": "z"}"#, r#"{"name": "z", "parameters": {"classification": 1}}"#),
            "output \"z\" has no axis of classes"
        );
        assert_eq!(
            error(r#""data": [5]"#, r#""data": [5], "parameters": {"binary_data_size": 8}"#),
            "input \"n\": both `data` and `binary_data_size` are given"
        );
    }

    #[test]
    fn a_body_may_be_the_one_input() {
        let mut one = signature();
        one.inputs.truncate(1);
        let request = decode(&one, Some(0), b"file").unwrap();
        assert!(
            matches!(&request.inputs[0], Data::Bytes(strings, shape) if strings.iter().eq([b"file"]) && *shape == [1])
        );
        one.inputs[0].forms.truncate(1);
        let request = decode(&one, Some(0), &[0; 24]).unwrap();
        assert_eq!(request.inputs[0].shape(), [3, 2]);
        let error = |bytes: &[u8]| decode(&one, Some(0), bytes).unwrap_err().message;
        assert_eq!(error(&[0; 7]), "7 bytes are no whole samples of \"x\", which is FP32 of shape [-1, 2]");
        assert_eq!(error(&[]), "0 bytes are no whole samples of \"x\", which is FP32 of shape [-1, 2]");
        assert!(decode(&signature(), Some(0), &[0; 8]).unwrap_err().message.contains("needs a model of one input"));
    }

    /// Requests with bytes changed, cut, doubled and swapped: refused or understood, never a panic.
    #[test]
    fn damaged_requests_never_panic() {
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below.max(1)
        };
        let seeds = [(None, JSON.as_bytes().to_vec()), (Some(BINARY.len()), binary()), (Some(0), vec![1; 16])];
        let words = ["[", "]", "{", "\"", ",", "-1", "1e999", "null", "18446744073709551615", "\\", "\u{0}", "é"];
        let mut understood = 0;
        for round in 0..30_000 {
            let (mut length, mut body) = seeds[round % seeds.len()].clone();
            for _ in 0..=random(3) {
                let at = random(body.len());
                match random(5) {
                    0 if !body.is_empty() => body[at] = random(256) as u8,
                    1 => body.truncate(at),
                    2 => drop(body.splice(at..at, words[random(words.len())].bytes())),
                    3 => drop(body.drain(at..(at + random(8)).min(body.len()))),
                    _ => length = length.map(|length| (length + random(5)).saturating_sub(2)),
                }
            }
            understood += usize::from(decode(&signature(), length, &body).is_ok());
        }
        assert!((100..29_000).contains(&understood), "{understood}");
    }
}
