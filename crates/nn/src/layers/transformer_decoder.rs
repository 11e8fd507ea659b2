//! `TransformerDecoder`: decoder layers one after another.

use super::{AttentionMask, LayerNorm, TransformerDecoderLayer};
use crate::Layer;
use hadal_core::{Module, Tensor};

/// A stack of [`TransformerDecoderLayer`]s that all look at one memory, and perhaps a normalization at its end. The keys
/// are PyTorch's: `layers.0.…`, `norm`.
#[derive(Module)]
pub struct TransformerDecoder {
    /// In order.
    pub layers: Vec<TransformerDecoderLayer>,
    /// After the last layer.
    pub norm: Option<LayerNorm>,
}

impl TransformerDecoder {
    /// Of `depth` layers, each made by `layer`.
    pub fn new(depth: usize, layer: impl Fn() -> TransformerDecoderLayer) -> TransformerDecoder {
        TransformerDecoder { layers: (0..depth).map(|_| layer()).collect(), norm: None }
    }

    /// With a normalization at the end, as layers that normalize first need it.
    pub fn norm(self, norm: LayerNorm) -> TransformerDecoder {
        TransformerDecoder { norm: Some(norm), ..self }
    }

    /// The output for `target`, with the masks of [`TransformerDecoderLayer::forward`] for all layers.
    #[track_caller]
    pub fn forward(
        &self,
        target: &Tensor,
        memory: &Tensor,
        target_mask: &AttentionMask,
        memory_mask: &AttentionMask,
    ) -> Tensor {
        let mut x = target.clone();
        for layer in &self.layers {
            x = layer.forward(&x, memory, target_mask, memory_mask);
        }
        if let Some(norm) = &self.norm { norm.forward(&x) } else { x }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare_call;
    use crate::layers::transformer_decoder_layer::tests::recorded;

    #[test]
    fn computes_what_pytorch_computes() {
        compare_call(
            "TransformerDecoder",
            |a| {
                let layers = TransformerDecoder::new(a.integer("num_layers") as usize, || recorded(a));
                layers.norm(LayerNorm::new(a.integer("d_model") as usize))
            },
            |layer, x| {
                let memory_mask = AttentionMask::new().padding(x[2].clone());
                layer.forward(&x[0], &x[1], &AttentionMask::new().causal(), &memory_mask)
            },
        );
    }
}
