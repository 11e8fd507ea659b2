//! `PixelShuffle`, `PixelUnshuffle` and `ChannelShuffle`: channels moved between axes.

use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// `[batch, c·r², height, width]` to `[batch, c, height·r, width·r]` (Shi et al., CVPR 2016, arXiv:1609.05158).
#[derive(Debug, Module)]
pub struct PixelShuffle {
    factor: usize,
    tag: Tag,
}

impl PixelShuffle {
    /// Enlarges by `factor`.
    pub const fn new(factor: usize) -> PixelShuffle {
        PixelShuffle { factor, tag: Tag::new("PixelShuffle") }
    }
}

impl Layer for PixelShuffle {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_pixel_shuffle(self.factor))
    }
}

/// The way back: `[batch, c, height·r, width·r]` to `[batch, c·r², height, width]`.
#[derive(Debug, Module)]
pub struct PixelUnshuffle {
    factor: usize,
    tag: Tag,
}

impl PixelUnshuffle {
    /// Shrinks by `factor`.
    pub const fn new(factor: usize) -> PixelUnshuffle {
        PixelUnshuffle { factor, tag: Tag::new("PixelUnshuffle") }
    }
}

impl Layer for PixelUnshuffle {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_pixel_unshuffle(self.factor))
    }
}

/// Mixes the channels of groups (Zhang et al., CVPR 2018, arXiv:1707.01083).
#[derive(Debug, Module)]
pub struct ChannelShuffle {
    groups: usize,
    tag: Tag,
}

impl ChannelShuffle {
    /// Of so many groups.
    pub const fn new(groups: usize) -> ChannelShuffle {
        ChannelShuffle { groups, tag: Tag::new("ChannelShuffle") }
    }
}

impl Layer for ChannelShuffle {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_channel_shuffle(self.groups))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare;

    #[test]
    fn compute_what_pytorch_computes() {
        compare("PixelShuffle", |a| Box::new(PixelShuffle::new(a.integer("factor") as usize)));
        compare("PixelUnshuffle", |a| Box::new(PixelUnshuffle::new(a.integer("factor") as usize)));
        compare("ChannelShuffle", |a| Box::new(ChannelShuffle::new(a.integer("groups") as usize)));
    }
}
