//! `LayerNorm` (Ba, Kiros and Hinton 2016, arXiv:1607.06450).

use crate::{Layer, compat};
use hadal_core::{Module, Param, Shape, Tag, Tensor};

/// Brings the last axes of each sample to mean 0 and variance 1, then `·weight + bias`.
#[derive(Debug, Module)]
pub struct LayerNorm {
    /// Of the normalized shape, starts as ones.
    pub weight: Option<Param>,
    /// Of the normalized shape, starts as zeros.
    pub bias: Option<Param>,
    #[module(config)]
    normalized: Shape,
    eps: f64,
    tag: Tag,
}

impl LayerNorm {
    /// Over the last axes, whose sizes are `normalized`; eps 1e-5.
    pub fn new(normalized: impl Into<Shape>) -> LayerNorm {
        let normalized = normalized.into();
        LayerNorm {
            weight: Some(Param::new(Tensor::ones(&normalized))),
            bias: Some(Param::new(Tensor::zeros(&normalized))),
            normalized,
            eps: compat::current().choose(1e-5, 1e-3),
            tag: Tag::new("LayerNorm"),
        }
    }

    /// What is added to the variance.
    pub fn eps(self, eps: f64) -> LayerNorm {
        LayerNorm { eps, ..self }
    }

    /// Without a bias.
    pub fn without_bias(self) -> LayerNorm {
        LayerNorm { bias: None, ..self }
    }

    /// Without weight and bias.
    pub fn without_affine(self) -> LayerNorm {
        LayerNorm { weight: None, bias: None, ..self }
    }
}

impl Layer for LayerNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
        self.tag.call(x, || x.try_layer_norm(&self.normalized, weight.as_ref(), bias.as_ref(), self.eps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("LayerNorm", |a| {
            let layer = LayerNorm::new(a.sizes("normalized_shape")).eps(a.float("eps"));
            let layer = if a.flag("bias") { layer } else { layer.without_bias() };
            Box::new(if a.flag("elementwise_affine") { layer } else { layer.without_affine() })
        });
    }
}
