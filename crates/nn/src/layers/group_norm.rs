//! `GroupNorm` (Wu and He, ECCV 2018, arXiv:1803.08494).

use crate::{Layer, compat};
use hadal_core::{Module, Param, Tag, Tensor};

/// Brings each group of channels of each sample of `[batch, channels, …]` to mean 0 and variance 1, then
/// `·weight + bias` per channel.
#[derive(Debug, Module)]
pub struct GroupNorm {
    /// `[channels]`, starts as ones.
    pub weight: Option<Param>,
    /// `[channels]`, starts as zeros.
    pub bias: Option<Param>,
    groups: usize,
    eps: f64,
    tag: Tag,
}

impl GroupNorm {
    /// `groups` must divide `channels`; eps 1e-5.
    pub fn new(groups: usize, channels: usize) -> GroupNorm {
        GroupNorm {
            weight: Some(Param::new(Tensor::ones(channels))),
            bias: Some(Param::new(Tensor::zeros(channels))),
            groups,
            eps: compat::current().choose(1e-5, 1e-3),
            tag: Tag::new("GroupNorm"),
        }
    }

    /// What is added to the variance.
    pub fn eps(self, eps: f64) -> GroupNorm {
        GroupNorm { eps, ..self }
    }

    /// Without weight and bias.
    pub fn without_affine(self) -> GroupNorm {
        GroupNorm { weight: None, bias: None, ..self }
    }
}

impl Layer for GroupNorm {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = (self.weight.as_ref().map(Param::get), self.bias.as_ref().map(Param::get));
        self.tag.call(x, || x.try_group_norm(self.groups, weight.as_ref(), bias.as_ref(), self.eps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("GroupNorm", |a| {
            let size = |name| a.integer(name) as usize;
            let layer = GroupNorm::new(size("num_groups"), size("num_channels")).eps(a.float("eps"));
            Box::new(if a.flag("affine") { layer } else { layer.without_affine() })
        });
    }
}
