//! Arbitrary bytes as an ONNX model, and as values that were saved by themselves.

use hadal_onnx::{ElementType, Model, Type};

/// Whether the model was understood: then it can say what it takes and gives.
///
/// It is not run: a model may ask for any number of turns of a loop.
pub fn check(bytes: &[u8]) -> bool {
    let any = || Box::new(Type::Tensor { element: ElementType::F32, shape: None });
    for declared in [*any(), Type::Sequence(any()), Type::Optional(any())] {
        if let Ok(value) = Model::read_value(bytes.to_vec(), &declared) {
            assert!(!format!("{value:?}").is_empty());
        }
    }
    let Ok(model) = Model::from_bytes(bytes.to_vec()) else { return false };
    let ports = model.inputs().iter().chain(model.outputs());
    ports.filter_map(|port| port.r#type.as_ref()).for_each(|t| assert!(!t.to_string().is_empty()));
    true
}
