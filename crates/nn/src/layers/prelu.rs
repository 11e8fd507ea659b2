//! `PRelu`: the leaky ReLU whose slope is learned (He et al., ICCV 2015, arXiv:1502.01852).

use crate::Layer;
use hadal_core::{Module, Param, Tag, Tensor};

/// `x` where positive, `weight · x` elsewhere. `weight` has one element, or one per channel (axis 1); it starts at 1/4.
#[derive(Debug, Module)]
pub struct PRelu {
    /// `[1]` or `[channels]`
    pub weight: Param,
    tag: Tag,
}

impl PRelu {
    /// One slope for everything.
    pub fn new() -> PRelu {
        PRelu::per_channel(1)
    }

    /// One slope per channel.
    pub fn per_channel(channels: usize) -> PRelu {
        PRelu { weight: Param::new(Tensor::full(channels, 0.25f32)), tag: Tag::new("PRelu") }
    }
}

impl Default for PRelu {
    fn default() -> PRelu {
        PRelu::new()
    }
}

impl Layer for PRelu {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_prelu(&self.weight.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("PReLU", |a| Box::new(PRelu::per_channel(a.integer("num_parameters") as usize)));
    }
}
