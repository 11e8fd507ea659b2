//! The messages of the Open Inference Protocol v2, as functions of bytes: so they can be fuzzed.
//!
//! Specification: <https://github.com/kserve/open-inference-protocol>; the extensions for binary data, classification
//! and raw requests are Triton's.

mod binary;
mod checks;
#[cfg(feature = "grpc")]
pub mod grpc;
mod instances;
mod json;
mod request;
mod response;

pub use instances::{decode_instances, encode_predictions};
pub use request::{Request, Wanted, decode};
pub use response::{Encoded, encode, ranked};

/// What the tests of requests and responses share.
#[cfg(test)]
mod testing {
    use crate::datatype::Datatype;
    use crate::servable::{Form, Port, Signature};

    fn port(name: &str, forms: &[(Datatype, &[Option<usize>])]) -> Port {
        let form = |&(datatype, shape): &(Datatype, &[Option<usize>])| Form { datatype, shape: shape.to_vec() };
        Port { name: name.into(), forms: forms.iter().map(form).collect() }
    }

    /// Two inputs, one of them in two forms, and two outputs.
    pub fn signature() -> Signature {
        Signature {
            platform: "test".into(),
            inputs: vec![
                port("x", &[(Datatype::Fp32, &[None, Some(2)]), (Datatype::Bytes, &[None])]),
                port("n", &[(Datatype::Int64, &[None])]),
            ],
            outputs: vec![port("y", &[(Datatype::Fp32, &[None, Some(3)])]), port("z", &[(Datatype::Fp32, &[None])])],
            batched: true,
            takes_images: false,
            labels: ["a", "b", "c"].map(String::from).into(),
            probabilities: Some(0),
        }
    }
}
