//! `RmsNorm` (Zhang and Sennrich, NeurIPS 2019, arXiv:1910.07467).

use crate::Layer;
use hadal_core::{Module, Param, Shape, Tag, Tensor};

/// Divides the last axes of each sample by their root mean square, then `·weight`.
#[derive(Debug, Module)]
pub struct RmsNorm {
    /// Of the normalized shape, starts as ones.
    pub weight: Option<Param>,
    #[module(config)]
    normalized: Shape,
    eps: Option<f64>,
    tag: Tag,
}

impl RmsNorm {
    /// Over the last axes, whose sizes are `normalized`; eps is the smallest step of the number type above 1.
    pub fn new(normalized: impl Into<Shape>) -> RmsNorm {
        let normalized = normalized.into();
        let weight = Some(Param::new(Tensor::ones(&normalized)));
        RmsNorm { weight, normalized, eps: None, tag: Tag::new("RmsNorm") }
    }

    /// What is added to the mean square.
    pub fn eps(self, eps: f64) -> RmsNorm {
        RmsNorm { eps: Some(eps), ..self }
    }

    /// Without a weight.
    pub fn without_affine(self) -> RmsNorm {
        RmsNorm { weight: None, ..self }
    }
}

impl Layer for RmsNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let weight = self.weight.as_ref().map(Param::get);
        self.tag.call(x, || x.try_rms_norm(&self.normalized, weight.as_ref(), self.eps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("RMSNorm", |a| {
            let mut layer = RmsNorm::new(a.sizes("normalized_shape"));
            layer.eps = a.float_opt("eps");
            Box::new(if a.flag("elementwise_affine") { layer } else { layer.without_affine() })
        });
    }
}
