//! What the initializers of a graph are: weights, statistics, or settings of operators.

use crate::{ElementType, wire};
use hadal_core::Tensor;
use std::collections::HashMap;

/// Whether an initializer of the main graph is a weight: floats with axes. A single number is rather the ε or the slope
/// of a formula.
pub(super) fn is_weight(tensor: &Tensor, element: ElementType) -> bool {
    tensor.rank() > 0 && tensor.dtype().is_float() && ElementType::of(tensor.dtype()) == element
}

/// What the initializers are that are not trained, by name.
pub(super) fn roles(graph: &wire::Graph) -> HashMap<&str, Role> {
    let inputs = |node: &wire::Node| match &node.operator[..] {
        "BatchNormalization" => (Role::Statistics, 3..5),
        "Resize" | "Upsample" | "Clip" | "Pad" => (Role::Setting, 1..4),
        "QuantizeLinear" | "DequantizeLinear" => (Role::Setting, 1..3),
        "MatMulIntegerToFloat" | "DynamicQuantizeMatMul" | "MatMulNBits" | "QGemm" => (Role::Setting, 1..6),
        name if name.starts_with("QLinear") => (Role::Setting, 0..node.inputs.len()),
        "RotaryEmbedding" => (Role::Setting, 1..4),
        "GroupQueryAttention" => (Role::Setting, 7..9),
        "STFT" => (Role::Setting, 2..3),
        _ => (Role::Setting, 0..0),
    };
    let mut roles = HashMap::new();
    for node in &graph.nodes {
        let (role, range) = inputs(node);
        roles.extend(range.filter_map(|i| node.inputs.get(i)).map(|name| (name.as_str(), role)));
    }
    roles
}

/// Why an initializer is not trained.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    /// Running means and variances: part of the model's state.
    Statistics,
    /// Sizes, limits, scales: constants.
    Setting,
}
