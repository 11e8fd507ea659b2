//! `TransformerDecoderLayer` (Vaswani et al., NIPS 2017, arXiv:1706.03762).

use super::transformer_encoder_layer::around;
use super::{AttentionMask, Dropout, LayerNorm, Linear, MultiheadAttention, Relu};
use crate::Layer;
use crate::sequential::passed_on;
use hadal_core::{Module, Tensor};

/// Self-attention, attention to an encoder's output and two dense layers, each with a shortcut around it and a
/// normalization: `[batch, steps, width]` to the same shape.
///
/// The keys are PyTorch's: `self_attn.…`, `multihead_attn.…`, `linear1`, `linear2`, `norm1`, `norm2`, `norm3`.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::layers::{AttentionMask, TransformerDecoderLayer};
/// let block = TransformerDecoderLayer::new(16, 4).feedforward(64);
/// let (target, memory) = (Tensor::ones([2, 5, 16]), Tensor::ones([2, 7, 16]));
/// let y = block.forward(&target, &memory, &AttentionMask::new().causal(), &AttentionMask::new());
/// assert_eq!(*y.shape(), [2, 5, 16]);
/// ```
#[derive(Module)]
pub struct TransformerDecoderLayer {
    /// Steps look at steps.
    pub self_attn: MultiheadAttention,
    /// Steps look at the memory.
    pub multihead_attn: MultiheadAttention,
    /// To `feedforward` features.
    pub linear1: Linear,
    activation: Box<dyn Layer>,
    dropout: Dropout,
    /// Back to `width` features.
    pub linear2: Linear,
    /// Beside the self-attention.
    pub norm1: LayerNorm,
    /// Beside the attention to the memory.
    pub norm2: LayerNorm,
    /// Beside the dense layers.
    pub norm3: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    dropout3: Dropout,
    #[module(config)]
    norm_first: bool,
}

impl TransformerDecoderLayer {
    /// For `width` features and so many heads; 2048 features between the dense layers, ReLU, dropout 0.1, normalization
    /// after the sum.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> TransformerDecoderLayer {
        let layer = TransformerDecoderLayer {
            self_attn: MultiheadAttention::new(width, heads),
            multihead_attn: MultiheadAttention::new(width, heads),
            linear1: Linear::new(width, 2048),
            activation: Box::new(Relu),
            dropout: Dropout::new(0.1),
            linear2: Linear::new(2048, width),
            norm1: LayerNorm::new(width),
            norm2: LayerNorm::new(width),
            norm3: LayerNorm::new(width),
            dropout1: Dropout::new(0.1),
            dropout2: Dropout::new(0.1),
            dropout3: Dropout::new(0.1),
            norm_first: false,
        };
        layer.dropout(0.1)
    }

    /// The number of features between the dense layers, which are drawn anew.
    pub fn feedforward(self, features: usize) -> TransformerDecoderLayer {
        let width = self.linear1.weight.get().size(1);
        let (linear1, linear2) = (Linear::new(width, features), Linear::new(features, width));
        TransformerDecoderLayer { linear1, linear2, ..self }
    }

    /// What lies between the dense layers.
    pub fn activation(self, activation: impl Layer + 'static) -> TransformerDecoderLayer {
        TransformerDecoderLayer { activation: Box::new(activation), ..self }
    }

    /// In training, this share of the attention weights and of the results of all parts is dropped.
    #[track_caller]
    pub fn dropout(mut self, p: f64) -> TransformerDecoderLayer {
        self.self_attn = self.self_attn.dropout(p);
        self.multihead_attn = self.multihead_attn.dropout(p);
        [self.dropout, self.dropout1, self.dropout2, self.dropout3] = [(); 4].map(|_| Dropout::new(p));
        self
    }

    /// Normalizes what goes into each part, not the sum (Xiong et al., ICML 2020, arXiv:2002.04745).
    pub fn norm_first(self) -> TransformerDecoderLayer {
        TransformerDecoderLayer { norm_first: true, ..self }
    }

    /// What the normalizations add to the variance.
    pub fn eps(self, eps: f64) -> TransformerDecoderLayer {
        let [norm1, norm2, norm3] = [self.norm1, self.norm2, self.norm3].map(|norm| norm.eps(eps));
        TransformerDecoderLayer { norm1, norm2, norm3, ..self }
    }

    /// The output for `target` beside the encoder's output `memory`: `target_mask` says what of the target attends to
    /// what of it, `memory_mask` to what of the memory.
    #[track_caller]
    pub fn forward(
        &self,
        target: &Tensor,
        memory: &Tensor,
        target_mask: &AttentionMask,
        memory_mask: &AttentionMask,
    ) -> Tensor {
        passed_on(|| {
            let attend = |x: &Tensor| self.dropout1.forward(&self.self_attn.attend(x, x, x, target_mask));
            let look = |x: &Tensor| self.dropout2.forward(&self.multihead_attn.attend(x, memory, memory, memory_mask));
            let feed = |x: &Tensor| {
                let inner = self.activation.forward(&self.linear1.forward(x));
                self.dropout3.forward(&self.linear2.forward(&self.dropout.forward(&inner)))
            };
            let x = around(target, &self.norm1, self.norm_first, attend);
            let x = around(&x, &self.norm2, self.norm_first, look);
            around(&x, &self.norm3, self.norm_first, feed)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::layers::Gelu;
    use crate::layers::recorded::compare_call;
    use hadal_core::testing::Attributes;

    pub(in crate::layers) fn recorded(a: &Attributes) -> TransformerDecoderLayer {
        let layer = TransformerDecoderLayer::new(a.integer("d_model") as usize, a.integer("nhead") as usize);
        let layer = layer.feedforward(a.integer("dim_feedforward") as usize).dropout(0.0);
        let layer = if a.text("activation") == "gelu" { layer.activation(Gelu) } else { layer };
        if a.flag("norm_first") { layer.norm_first() } else { layer }
    }

    #[test]
    fn computes_what_pytorch_computes() {
        compare_call("TransformerDecoderLayer", recorded, |layer, x| {
            layer.forward(&x[0], &x[1], &AttentionMask::new(), &AttentionMask::new())
        });
    }
}
