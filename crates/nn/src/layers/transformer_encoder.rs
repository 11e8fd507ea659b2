//! `TransformerEncoder`: encoder layers one after another.

use super::{AttentionMask, LayerNorm, TransformerEncoderLayer};
use crate::Layer;
use hadal_core::{Module, Tensor};

/// A stack of [`TransformerEncoderLayer`]s, and perhaps a normalization at its end: `[batch, steps, width]` to the same
/// shape. The keys are PyTorch's: `layers.0.…`, `norm`.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::layers::{AttentionMask, TransformerEncoder, TransformerEncoderLayer};
/// let encoder = TransformerEncoder::new(2, || TransformerEncoderLayer::new(16, 4).feedforward(32));
/// let y = encoder.forward_masked(&Tensor::ones([2, 5, 16]), &AttentionMask::new().causal());
/// assert_eq!(*y.shape(), [2, 5, 16]);
/// ```
#[derive(Module)]
pub struct TransformerEncoder {
    /// In order.
    pub layers: Vec<TransformerEncoderLayer>,
    /// After the last layer.
    pub norm: Option<LayerNorm>,
}

impl TransformerEncoder {
    /// Of `depth` layers, each made by `layer`.
    pub fn new(depth: usize, layer: impl Fn() -> TransformerEncoderLayer) -> TransformerEncoder {
        TransformerEncoder { layers: (0..depth).map(|_| layer()).collect(), norm: None }
    }

    /// With a normalization at the end, as layers that normalize first need it.
    pub fn norm(self, norm: LayerNorm) -> TransformerEncoder {
        TransformerEncoder { norm: Some(norm), ..self }
    }

    /// The output for `x` where `mask` says what attends to what.
    #[track_caller]
    pub fn forward_masked(&self, x: &Tensor, mask: &AttentionMask) -> Tensor {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward_masked(&x, mask);
        }
        if let Some(norm) = &self.norm { norm.forward(&x) } else { x }
    }
}

impl Layer for TransformerEncoder {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_masked(x, &AttentionMask::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare_call;
    use crate::layers::transformer_encoder_layer::tests::recorded;

    #[test]
    fn computes_what_pytorch_computes() {
        compare_call(
            "TransformerEncoder",
            |a| {
                let layers = TransformerEncoder::new(a.integer("num_layers") as usize, || recorded(a));
                layers.norm(LayerNorm::new(a.integer("d_model") as usize))
            },
            |layer, x| layer.forward_masked(&x[0], &AttentionMask::new().causal().padding(x[1].clone())),
        );
    }
}
