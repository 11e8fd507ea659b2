//! `TransformerEncoderLayer` (Vaswani et al., NIPS 2017, arXiv:1706.03762).

use super::{AttentionMask, Dropout, LayerNorm, Linear, MultiheadAttention, Relu};
use crate::Layer;
use crate::sequential::passed_on;
use hadal_core::{Module, Tensor};

/// Self-attention and two dense layers, each with a shortcut around it and a normalization: `[batch, steps, width]` to
/// the same shape.
///
/// The keys are PyTorch's: `self_attn.…`, `linear1`, `linear2`, `norm1`, `norm2`. As a [`Layer`] it has no mask.
///
/// ```
/// use hadal_core::{ModuleExt, Tensor};
/// use hadal_nn::{Layer, layers::{Gelu, TransformerEncoderLayer}};
/// let block = TransformerEncoderLayer::new(512, 8);
/// assert_eq!(block.parameter_count(), 3_152_384);
/// let block = TransformerEncoderLayer::new(16, 4).feedforward(64).activation(Gelu).norm_first().dropout(0.0);
/// assert_eq!(*block.forward(&Tensor::ones([2, 5, 16])).shape(), [2, 5, 16]);
/// ```
#[derive(Module)]
pub struct TransformerEncoderLayer {
    /// Every step looks at every step.
    pub self_attn: MultiheadAttention,
    /// To `feedforward` features.
    pub linear1: Linear,
    activation: Box<dyn Layer>,
    dropout: Dropout,
    /// Back to `width` features.
    pub linear2: Linear,
    /// Beside the attention.
    pub norm1: LayerNorm,
    /// Beside the dense layers.
    pub norm2: LayerNorm,
    dropout1: Dropout,
    dropout2: Dropout,
    #[module(config)]
    norm_first: bool,
}

impl TransformerEncoderLayer {
    /// For `width` features and so many heads; 2048 features between the dense layers, ReLU, dropout 0.1, normalization
    /// after the sum.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> TransformerEncoderLayer {
        let layer = TransformerEncoderLayer {
            self_attn: MultiheadAttention::new(width, heads),
            linear1: Linear::new(width, 2048),
            activation: Box::new(Relu),
            dropout: Dropout::new(0.1),
            linear2: Linear::new(2048, width),
            norm1: LayerNorm::new(width),
            norm2: LayerNorm::new(width),
            dropout1: Dropout::new(0.1),
            dropout2: Dropout::new(0.1),
            norm_first: false,
        };
        layer.dropout(0.1)
    }

    /// The number of features between the dense layers, which are drawn anew.
    pub fn feedforward(self, features: usize) -> TransformerEncoderLayer {
        let width = self.linear1.weight.get().size(1);
        let (linear1, linear2) = (Linear::new(width, features), Linear::new(features, width));
        TransformerEncoderLayer { linear1, linear2, ..self }
    }

    /// What lies between the dense layers.
    pub fn activation(self, activation: impl Layer + 'static) -> TransformerEncoderLayer {
        TransformerEncoderLayer { activation: Box::new(activation), ..self }
    }

    /// In training, this share of the attention weights and of the results of all parts is dropped.
    #[track_caller]
    pub fn dropout(self, p: f64) -> TransformerEncoderLayer {
        let [dropout, dropout1, dropout2] = [(); 3].map(|_| Dropout::new(p));
        TransformerEncoderLayer { self_attn: self.self_attn.dropout(p), dropout, dropout1, dropout2, ..self }
    }

    /// Normalizes what goes into each part, not the sum (Xiong et al., ICML 2020, arXiv:2002.04745).
    pub fn norm_first(self) -> TransformerEncoderLayer {
        TransformerEncoderLayer { norm_first: true, ..self }
    }

    /// What the normalizations add to the variance.
    pub fn eps(self, eps: f64) -> TransformerEncoderLayer {
        TransformerEncoderLayer { norm1: self.norm1.eps(eps), norm2: self.norm2.eps(eps), ..self }
    }

    /// The output for `x` where `mask` says what attends to what.
    #[track_caller]
    pub fn forward_masked(&self, x: &Tensor, mask: &AttentionMask) -> Tensor {
        passed_on(|| {
            let attend = |x: &Tensor| self.dropout1.forward(&self.self_attn.attend(x, x, x, mask));
            let feed = |x: &Tensor| {
                let inner = self.activation.forward(&self.linear1.forward(x));
                self.dropout2.forward(&self.linear2.forward(&self.dropout.forward(&inner)))
            };
            let x = around(x, &self.norm1, self.norm_first, attend);
            around(&x, &self.norm2, self.norm_first, feed)
        })
    }
}

/// A part of a transformer with its shortcut: `x + part(norm(x))`, or `norm(x + part(x))`.
pub(super) fn around(x: &Tensor, norm: &LayerNorm, norm_first: bool, part: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    if norm_first { x + part(&norm.forward(x)) } else { norm.forward(&(x + part(x))) }
}

impl Layer for TransformerEncoderLayer {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_masked(x, &AttentionMask::new())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::layers::Gelu;
    use crate::layers::recorded::compare;
    use hadal_core::testing::Attributes;

    pub(in crate::layers) fn recorded(a: &Attributes) -> TransformerEncoderLayer {
        let layer = TransformerEncoderLayer::new(a.integer("d_model") as usize, a.integer("nhead") as usize);
        let layer = layer.feedforward(a.integer("dim_feedforward") as usize).dropout(0.0);
        let layer = if a.text("activation") == "gelu" { layer.activation(Gelu) } else { layer };
        if a.flag("norm_first") { layer.norm_first() } else { layer }
    }

    #[test]
    fn computes_what_pytorch_computes() {
        compare("TransformerEncoderLayer", |a| Box::new(recorded(a)));
    }
}
