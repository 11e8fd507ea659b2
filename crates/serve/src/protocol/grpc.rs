//! Requests and responses for inference as messages of gRPC.

use crate::data::{Data, Strings};
use crate::datatype::Datatype;
use crate::grpc::inference::infer_parameter::ParameterChoice;
use crate::grpc::inference::model_infer_response::InferOutputTensor;
use crate::grpc::inference::{InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse};
use crate::protocol::response::chosen;
use crate::protocol::{Request, Wanted, binary, checks};
use crate::refusal::Refusal;
use crate::servable::Signature;
use hadal::{Element, Tensor};
use std::collections::HashMap;

pub use crate::grpc::weight::of as weight;

/// Reads a request for a model. Outputs are wanted as bytes where the inputs came so.
///
/// # Errors
/// 400, naming what was expected and what came.
pub fn decode(signature: &Signature, message: &ModelInferRequest) -> Result<Request, Refusal> {
    let raw = &message.raw_input_contents;
    if !raw.is_empty() && raw.len() != message.inputs.len() {
        let (raw, inputs) = (raw.len(), message.inputs.len());
        return Err(Refusal::bad(format!("raw_input_contents has {raw} elements for {inputs} inputs")));
    }
    let mut inputs: Vec<Option<Data>> = vec![None; signature.inputs.len()];
    for (i, input) in message.inputs.iter().enumerate() {
        let place = checks::find(&signature.inputs, &input.name, "input")?;
        let port = &signature.inputs[place];
        let wrong = |problem| Refusal::bad(format!("input {:?}: {problem}", port.name));
        if inputs[place].is_some() {
            return Err(Refusal::bad(format!("input {:?} is given twice", port.name)));
        }
        let size = |&size: &i64| usize::try_from(size).map_err(|_| wrong(format!("{size} is no size of an axis")));
        let shape: Vec<usize> = input.shape.iter().map(size).collect::<Result<_, _>>()?;
        let datatype = checks::check(port, &input.datatype, &shape, signature.batched)?;
        let data = match (raw.get(i), &input.contents) {
            (Some(_), Some(_)) => return Err(wrong("both contents and raw_input_contents are given".to_owned())),
            (Some(bytes), None) => binary::read(bytes, datatype, &shape),
            (None, Some(contents)) => read(contents, datatype, &shape),
            (None, None) => Err("neither contents nor raw_input_contents is given".to_owned()),
        };
        inputs[place] = Some(data.map_err(wrong)?);
    }
    let binary = !raw.is_empty();
    let asked = message.outputs.iter().map(|output| {
        let classes = count(&output.parameters, "classification")?;
        let (output, classes) = checks::output(signature, &output.name, classes)?;
        Ok(Wanted { output, binary, classes })
    });
    let outputs = match message.outputs.is_empty() {
        true => (0..signature.outputs.len()).map(|output| Wanted { output, binary, classes: None }).collect(),
        false => asked.collect::<Result<_, Refusal>>()?,
    };
    let id = (!message.id.is_empty()).then(|| message.id.clone());
    Ok(Request { id, inputs: checks::complete(signature, inputs)?, outputs })
}

/// A parameter that is a number of things.
fn count(parameters: &HashMap<String, InferParameter>, name: &str) -> Result<Option<usize>, Refusal> {
    let Some(parameter) = parameters.get(name) else { return Ok(None) };
    let number = match parameter.parameter_choice {
        Some(ParameterChoice::Int64Param(number)) => usize::try_from(number).ok(),
        Some(ParameterChoice::Uint64Param(number)) => usize::try_from(number).ok(),
        _ => None,
    };
    number.map(Some).ok_or_else(|| Refusal::bad(format!("the parameter {name:?} is no number of 0 or more")))
}

/// Reads the list of a type's elements.
fn read(contents: &InferTensorContents, datatype: Datatype, shape: &[usize]) -> Result<Data, String> {
    match datatype {
        Datatype::Bool => same(&contents.bool_contents, shape),
        Datatype::Int8 => narrowed(&contents.int_contents, shape, |&x| i8::try_from(x).ok()),
        Datatype::Int16 => narrowed(&contents.int_contents, shape, |&x| i16::try_from(x).ok().map(i32::from)),
        Datatype::Int32 => same(&contents.int_contents, shape),
        Datatype::Int64 => same(&contents.int64_contents, shape),
        Datatype::Uint8 => narrowed(&contents.uint_contents, shape, |&x| u8::try_from(x).ok()),
        Datatype::Uint16 => narrowed(&contents.uint_contents, shape, |&x| u16::try_from(x).ok().map(i32::from)),
        Datatype::Uint32 => narrowed(&contents.uint_contents, shape, |&x| Some(i64::from(x))),
        Datatype::Uint64 => narrowed(&contents.uint64_contents, shape, |&x| i64::try_from(x).ok()),
        Datatype::Fp32 => same(&contents.fp32_contents, shape),
        Datatype::Fp64 => same(&contents.fp64_contents, shape),
        Datatype::Bytes => {
            counted(contents.bytes_contents.len(), shape)?;
            Ok(Data::Bytes(Strings::from_iter(&contents.bytes_contents), shape.to_vec()))
        }
        Datatype::Fp16 | Datatype::Bf16 => Err(format!("{datatype} has no list of contents; send raw_input_contents")),
    }
}

fn counted(found: usize, shape: &[usize]) -> Result<(), String> {
    let expected: usize = shape.iter().product();
    match found == expected {
        true => Ok(()),
        false => Err(format!("the list of its type has {found} elements, but the shape {shape:?} has {expected}")),
    }
}

fn same<T: Element>(values: &[T], shape: &[usize]) -> Result<Data, String> {
    narrowed(values, shape, |&value| Some(value))
}

fn narrowed<T, U: Element>(values: &[T], shape: &[usize], number: impl Fn(&T) -> Option<U>) -> Result<Data, String> {
    counted(values.len(), shape)?;
    let number = |(at, value)| number(value).ok_or_else(|| format!("element {at} is out of range"));
    let numbers: Vec<U> = values.iter().enumerate().map(number).collect::<Result<_, _>>()?;
    Tensor::try_from_vec(numbers, shape).map(Data::Numbers).map_err(|e| e.to_string())
}

/// Writes the response to a request.
pub fn encode(
    signature: &Signature,
    model: (&str, u64),
    request: (Option<&str>, &[Wanted]),
    outputs: &[Tensor],
) -> ModelInferResponse {
    let (id, wanted) = request;
    let data: Vec<(&str, Datatype, Data)> = wanted
        .iter()
        .map(|wanted| {
            let (port, data) = (&signature.outputs[wanted.output], chosen(signature, wanted, outputs));
            (port.name.as_str(), data.sent_as(port.forms[0].datatype), data)
        })
        .collect();
    // Halves have no list: then all are bytes, for it is one or the other.
    let halves = data.iter().any(|(_, datatype, _)| matches!(datatype, Datatype::Fp16 | Datatype::Bf16));
    let binary = halves || wanted.iter().any(|wanted| wanted.binary);
    let mut response = ModelInferResponse {
        model_name: model.0.to_owned(),
        model_version: model.1.to_string(),
        id: id.unwrap_or_default().to_owned(),
        ..ModelInferResponse::default()
    };
    for (name, datatype, data) in data {
        response.outputs.push(InferOutputTensor {
            name: name.to_owned(),
            datatype: datatype.name().to_owned(),
            shape: data.shape().iter().map(|&n| n as i64).collect(),
            contents: (!binary).then(|| contents(&data, datatype)),
            ..InferOutputTensor::default()
        });
        if binary {
            let mut bytes = Vec::new();
            binary::write(&data, datatype, &mut bytes);
            response.raw_output_contents.push(bytes.into());
        }
    }
    response
}

/// The elements as the list of their type.
fn contents(data: &Data, datatype: Datatype) -> InferTensorContents {
    let mut contents = InferTensorContents::default();
    let numbers = match data {
        Data::Bytes(strings, _) => {
            contents.bytes_contents = strings.iter().map(<[u8]>::to_vec).collect();
            return contents;
        }
        Data::Numbers(numbers) => numbers,
    };
    match datatype {
        Datatype::Bool => contents.bool_contents = numbers.to_vec(),
        Datatype::Int8 => contents.int_contents = numbers.to_vec::<i8>().into_iter().map(i32::from).collect(),
        Datatype::Int16 | Datatype::Int32 => contents.int_contents = numbers.to_vec(),
        Datatype::Int64 => contents.int64_contents = numbers.to_vec(),
        Datatype::Uint8 => contents.uint_contents = numbers.to_vec::<u8>().into_iter().map(u32::from).collect(),
        Datatype::Uint16 => contents.uint_contents = numbers.to_vec::<i32>().into_iter().map(|x| x as u32).collect(),
        Datatype::Uint32 => contents.uint_contents = numbers.to_vec::<i64>().into_iter().map(|x| x as u32).collect(),
        Datatype::Uint64 => contents.uint64_contents = numbers.to_vec::<i64>().into_iter().map(|x| x as u64).collect(),
        Datatype::Fp32 => contents.fp32_contents = numbers.to_vec(),
        Datatype::Fp64 => contents.fp64_contents = numbers.to_vec(),
        // Never asked for: `encode` sends these as bytes.
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Bytes => {}
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
    use crate::protocol::testing::signature;

    fn input(name: &str, datatype: &str, shape: &[i64], contents: Option<InferTensorContents>) -> InferInputTensor {
        let (name, datatype, shape) = (name.into(), datatype.into(), shape.to_vec());
        InferInputTensor { name, datatype, shape, contents, ..InferInputTensor::default() }
    }

    fn request() -> ModelInferRequest {
        let fp32_contents = vec![1.5, -2.0];
        let x = InferTensorContents { fp32_contents, ..InferTensorContents::default() };
        let n = InferTensorContents { int64_contents: vec![7], ..InferTensorContents::default() };
        let classes = InferParameter { parameter_choice: Some(ParameterChoice::Int64Param(2)) };
        let parameters = HashMap::from([("classification".to_owned(), classes)]);
        let output = |name: &str| InferRequestedOutputTensor { name: name.into(), ..Default::default() };
        ModelInferRequest {
            id: "7".into(),
            inputs: vec![input("n", "INT64", &[1], Some(n)), input("x", "FP32", &[1, 2], Some(x))],
            outputs: vec![output("z"), InferRequestedOutputTensor { parameters, ..output("y") }],
            ..ModelInferRequest::default()
        }
    }

    #[test]
    fn lists_and_bytes() {
        let outputs = [Tensor::from([[0.25f32, 0.5, 0.25]]), Tensor::from([2.0f32])];
        let lists = decode(&signature(), &request()).unwrap();
        assert!(matches!(&lists.inputs[0], Data::Numbers(x) if x.to_vec::<f32>() == [1.5, -2.0]));
        assert!(matches!(&lists.inputs[1], Data::Numbers(n) if n.to_vec::<i64>() == [7]));
        let answer = encode(&signature(), ("m", 3), (lists.id.as_deref(), &lists.outputs), &outputs);
        assert_eq!((answer.id.as_str(), answer.model_version.as_str()), ("7", "3"));
        assert_eq!(answer.outputs[0].contents.as_ref().unwrap().fp32_contents, [2.0]);
        let texts = &answer.outputs[1].contents.as_ref().unwrap().bytes_contents;
        assert_eq!(
            (&texts[..], &answer.outputs[1].shape[..]),
            (&[b"0.500000:1:b".to_vec(), b"0.250000:0:a".to_vec()][..], &[1, 2][..])
        );
        assert!(answer.raw_output_contents.is_empty());

        let mut message = request();
        message.inputs.iter_mut().for_each(|input| input.contents = None);
        message.outputs.clear();
        message.raw_input_contents =
            vec![7i64.to_le_bytes().to_vec().into(), [1.5f32, -2.0].map(f32::to_le_bytes).concat().into()];
        let bytes = decode(&signature(), &message).unwrap();
        assert!(matches!(&bytes.inputs[0], Data::Numbers(x) if x.to_vec::<f32>() == [1.5, -2.0]));
        let answer = encode(&signature(), ("m", 3), (None, &bytes.outputs), &outputs);
        assert_eq!(answer.outputs.iter().map(|output| output.contents.is_some()).collect::<Vec<_>>(), [false; 2]);
        assert_eq!(answer.raw_output_contents[1], 2.0f32.to_le_bytes()[..]);
    }

    #[test]
    fn every_type_with_a_list_comes_back() {
        let bytes: Vec<u8> = (0..48).map(|i| i * 5 % 128).collect();
        for name in ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"] {
            let datatype = Datatype::parse(name).unwrap();
            let shape = [48 / datatype.size().unwrap()];
            let data = binary::read(&bytes, datatype, &shape).unwrap();
            let again = read(&contents(&data, datatype), datatype, &shape).unwrap();
            let (Data::Numbers(data), Data::Numbers(again)) = (data, again) else { panic!("numbers are read") };
            assert_eq!(data.to_bytes(), again.to_bytes(), "{name}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = |change: &dyn Fn(&mut ModelInferRequest)| {
            let mut message = request();
            change(&mut message);
            decode(&signature(), &message).unwrap_err().message
        };
        assert_eq!(
            error(&|message| message.raw_input_contents.push(Default::default())),
            "raw_input_contents has 1 elements for 2 inputs"
        );
        assert_eq!(
            error(&|message| message.raw_input_contents = vec![Default::default(); 2]),
            "input \"n\": both contents and raw_input_contents are given"
        );
        assert_eq!(
            error(&|message| message.inputs[0].contents = None),
            "input \"n\": neither contents nor raw_input_contents is given"
        );
        assert_eq!(error(&|message| message.inputs[1].shape[0] = -1), "input \"x\": -1 is no size of an axis");
        assert_eq!(
            error(&|message| message.inputs[1].shape[0] = 2),
            "input \"x\": the list of its type has 2 elements, but the shape [2, 2] has 4"
        );
        assert_eq!(
            error(&|message| message.inputs.truncate(1)),
            "input \"x\" is missing; it is FP32 of shape [-1, 2], or BYTES of shape [-1]"
        );
        assert_eq!(
            read(&InferTensorContents::default(), Datatype::Fp16, &[0]).unwrap_err(),
            "FP16 has no list of contents; send raw_input_contents"
        );
        let wide = InferTensorContents { uint_contents: vec![256], ..InferTensorContents::default() };
        assert_eq!(read(&wide, Datatype::Uint8, &[1]).unwrap_err(), "element 0 is out of range");
    }
}
