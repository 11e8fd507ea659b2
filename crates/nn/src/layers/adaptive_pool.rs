//! Pooling to a size of the output, whatever the size of the input, and over everything.

use crate::Layer;
use hadal_core::{Module, Result, Shape, Tag, Tensor};

/// The mean of as many equal windows as the output has elements, over the last `D` axes.
#[derive(Debug, Module)]
pub struct AdaptiveAvgPool<const D: usize> {
    #[module(config)]
    sizes: Shape,
    tag: Tag,
}

/// To `[batch, channels, length]`
pub type AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
/// To `[batch, channels, height, width]`
pub type AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
/// To `[batch, channels, depth, height, width]`
pub type AdaptiveAvgPool3d = AdaptiveAvgPool<3>;

impl<const D: usize> AdaptiveAvgPool<D> {
    /// To these sizes: one number for all axes, or one per axis.
    pub fn new(sizes: impl Into<Shape>) -> AdaptiveAvgPool<D> {
        let kind = ["AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"][D - 1];
        AdaptiveAvgPool { sizes: sizes.into(), tag: Tag::new(kind) }
    }
}

impl<const D: usize> Layer for AdaptiveAvgPool<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || match D {
            1 => x.try_adaptive_avg_pool1d(&self.sizes),
            2 => x.try_adaptive_avg_pool2d(&self.sizes),
            _ => x.try_adaptive_avg_pool3d(&self.sizes),
        })
    }
}

/// The largest element of as many equal windows as the output has elements, over the last `D` axes.
#[derive(Debug, Module)]
pub struct AdaptiveMaxPool<const D: usize> {
    #[module(config)]
    sizes: Shape,
    tag: Tag,
}

/// To `[batch, channels, length]`
pub type AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
/// To `[batch, channels, height, width]`
pub type AdaptiveMaxPool2d = AdaptiveMaxPool<2>;
/// To `[batch, channels, depth, height, width]`
pub type AdaptiveMaxPool3d = AdaptiveMaxPool<3>;

impl<const D: usize> AdaptiveMaxPool<D> {
    /// To these sizes: one number for all axes, or one per axis.
    pub fn new(sizes: impl Into<Shape>) -> AdaptiveMaxPool<D> {
        let kind = ["AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AdaptiveMaxPool3d"][D - 1];
        AdaptiveMaxPool { sizes: sizes.into(), tag: Tag::new(kind) }
    }
}

impl<const D: usize> Layer for AdaptiveMaxPool<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || match D {
            1 => x.try_adaptive_max_pool1d(&self.sizes),
            2 => x.try_adaptive_max_pool2d(&self.sizes),
            _ => x.try_adaptive_max_pool3d(&self.sizes),
        })
    }
}

/// The mean of each channel over all positions: `[batch, channels, …]` to `[batch, channels]`, as in Keras.
#[derive(Debug, Module)]
pub struct GlobalAvgPool {
    tag: Tag,
}

impl GlobalAvgPool {
    /// The layer.
    pub const fn new() -> GlobalAvgPool {
        GlobalAvgPool { tag: Tag::new("GlobalAvgPool") }
    }
}

impl Default for GlobalAvgPool {
    fn default() -> GlobalAvgPool {
        GlobalAvgPool::new()
    }
}

impl Layer for GlobalAvgPool {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || positions(x)?.try_mean(-1))
    }
}

/// The largest element of each channel over all positions: `[batch, channels, …]` to `[batch, channels]`.
#[derive(Debug, Module)]
pub struct GlobalMaxPool {
    tag: Tag,
}

impl GlobalMaxPool {
    /// The layer.
    pub const fn new() -> GlobalMaxPool {
        GlobalMaxPool { tag: Tag::new("GlobalMaxPool") }
    }
}

impl Default for GlobalMaxPool {
    fn default() -> GlobalMaxPool {
        GlobalMaxPool::new()
    }
}

impl Layer for GlobalMaxPool {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || positions(x)?.try_amax(-1))
    }
}

/// `[batch, channels, positions]`
fn positions(x: &Tensor) -> Result<Tensor> {
    x.try_flatten(2, -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_input_size_gives_the_output_size() {
        let x = Tensor::from_vec((0..30).map(|i| i as f32).collect(), [1, 2, 5, 3]);
        assert_eq!(*AdaptiveAvgPool2d::new([2, 3]).forward(&x).shape(), [1, 2, 2, 3]);
        assert_eq!(AdaptiveAvgPool2d::new(1).forward(&x).to_vec::<f32>(), [7.0, 22.0]);
        assert_eq!(GlobalAvgPool::new().forward(&x).to_vec::<f32>(), [7.0, 22.0]);
        assert_eq!(GlobalMaxPool::new().forward(&x).to_vec::<f32>(), [14.0, 29.0]);
        assert_eq!(AdaptiveMaxPool2d::new(1).forward(&x).to_vec::<f32>(), [14.0, 29.0]);
    }
}
