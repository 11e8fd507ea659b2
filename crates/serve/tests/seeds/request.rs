//! Arbitrary bytes as a request for inference.

use hadal_serve::protocol::{Request, decode};
use hadal_serve::{Data, Datatype, Form, Port, Signature};
use std::sync::LazyLock;

/// A model whose batches grow, and one that takes every type.
pub static SIGNATURES: LazyLock<[Signature; 2]> = LazyLock::new(|| {
    let port = |name: &str, forms: &[(Datatype, &[Option<usize>])]| {
        let form = |&(datatype, shape): &(Datatype, &[Option<usize>])| Form { datatype, shape: shape.to_vec() };
        Port { name: name.into(), forms: forms.iter().map(form).collect() }
    };
    let signature = |batched, inputs| Signature {
        platform: "fuzz".into(),
        inputs,
        outputs: vec![port("y", &[(Datatype::Fp32, &[None, Some(2)])]), port("z", &[(Datatype::Fp32, &[None])])],
        batched,
        takes_images: false,
        labels: Vec::new(),
        probabilities: None,
    };
    let numbers =
        [Datatype::Bool, Datatype::Uint8, Datatype::Uint16, Datatype::Uint64, Datatype::Int16, Datatype::Int64];
    let floats = [Datatype::Fp16, Datatype::Bf16, Datatype::Fp32, Datatype::Fp64];
    let all: Vec<(Datatype, &[Option<usize>])> =
        numbers.into_iter().chain(floats).map(|d| (d, &[None, None][..])).collect();
    [
        signature(true, vec![port("x", &[(Datatype::Fp32, &[None, Some(2)]), (Datatype::Bytes, &[None])])]),
        signature(false, vec![port("x", &all), port("s", &[(Datatype::Bytes, &[None])])]),
    ]
});

/// Decodes everything after the first three bytes, which say for which model and where JSON ends; whether it was understood.
pub fn check(bytes: &[u8]) -> bool {
    let Some(([kind, low, high], body)) = bytes.split_first_chunk::<3>().map(|(head, body)| (*head, body)) else {
        return false;
    };
    let signature = &SIGNATURES[usize::from(kind & 1)];
    let header_length = match kind >> 1 & 3 {
        0 | 1 => None,
        2 => Some(0),
        _ => Some(usize::from(u16::from_le_bytes([low, high]))),
    };
    let Ok(request) = decode(signature, header_length, body) else { return false };
    fits(signature, &request);
    true
}

/// What is understood is what the model takes.
pub fn fits(signature: &Signature, request: &Request) {
    assert_eq!(request.inputs.len(), signature.inputs.len());
    for (data, port) in request.inputs.iter().zip(&signature.inputs) {
        let fits = |form: &Form| form.fits(data.sent_as(form.datatype), data.shape());
        assert!(port.forms.iter().any(fits), "{data:?}");
        let elements: usize = data.shape().iter().product();
        match data {
            Data::Numbers(tensor) => assert_eq!(tensor.elements(), elements),
            Data::Bytes(strings, _) => assert_eq!(strings.len(), elements),
        }
    }
    assert!(request.outputs.iter().all(|wanted| wanted.output < signature.outputs.len()));
}
