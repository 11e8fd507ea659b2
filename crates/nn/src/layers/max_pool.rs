//! `MaxPool1d`, `MaxPool2d`, `MaxPool3d`: the largest element of each window.

use crate::Layer;
use hadal_core::{Module, Padding, Pooling, Shape, Tag, Tensor};

/// The largest element of each window over the last `D` axes: `[batch, channels, …]`, the batch axis may be missing.
///
/// Kernel size, stride, padding and dilation are one number, or one per axis; windows stand side by side by default.
#[derive(Debug, Module)]
pub struct MaxPool<const D: usize> {
    #[module(config)]
    pooling: Pooling,
    tag: Tag,
}

/// `[batch, channels, length]`
pub type MaxPool1d = MaxPool<1>;
/// `[batch, channels, height, width]`
pub type MaxPool2d = MaxPool<2>;
/// `[batch, channels, depth, height, width]`
pub type MaxPool3d = MaxPool<3>;

impl<const D: usize> MaxPool<D> {
    /// Windows of this size, side by side.
    pub fn new(kernel: impl Into<Shape>) -> MaxPool<D> {
        MaxPool { pooling: Pooling::new(kernel), tag: Tag::new(["MaxPool1d", "MaxPool2d", "MaxPool3d"][D - 1]) }
    }

    /// Steps between windows.
    pub fn stride(self, stride: impl Into<Shape>) -> MaxPool<D> {
        MaxPool { pooling: self.pooling.stride(stride), ..self }
    }

    /// Elements around the input that are never the largest.
    pub fn padding(self, padding: impl Into<Padding>) -> MaxPool<D> {
        MaxPool { pooling: self.pooling.padding(padding), ..self }
    }

    /// Steps between the elements of a window.
    pub fn dilation(self, dilation: impl Into<Shape>) -> MaxPool<D> {
        MaxPool { pooling: self.pooling.dilation(dilation), ..self }
    }

    /// Lets a last window reach beyond the end: PyTorch's `ceil_mode`.
    pub fn partial_windows(self) -> MaxPool<D> {
        MaxPool { pooling: self.pooling.partial_windows(), ..self }
    }
}

impl<const D: usize> Layer for MaxPool<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || match D {
            1 => x.try_max_pool1d(&self.pooling),
            2 => x.try_max_pool2d(&self.pooling),
            _ => x.try_max_pool3d(&self.pooling),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_largest_of_each_window() {
        let x = Tensor::from_vec((0..16).map(|i| i as f32).collect(), [1, 1, 4, 4]);
        assert_eq!(MaxPool2d::new(2).forward(&x).to_vec::<f32>(), [5.0, 7.0, 13.0, 15.0]);
        assert_eq!(*MaxPool2d::new(3).stride(2).padding(1).forward(&x).shape(), [1, 1, 2, 2]);
        assert_eq!(*MaxPool2d::new(3).stride(2).partial_windows().forward(&x).shape(), [1, 1, 2, 2]);
        assert_eq!(*MaxPool1d::new(2).forward(&x.reshape([1, 2, 8])).shape(), [1, 2, 4]);
    }
}
