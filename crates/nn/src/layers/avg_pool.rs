//! `AvgPool1d`, `AvgPool2d`, `AvgPool3d`: the mean of each window.

use crate::Layer;
use hadal_core::{Divisor, Module, Padding, Pooling, Shape, Tag, Tensor};

/// The mean of each window over the last `D` axes: `[batch, channels, …]`, the batch axis may be missing.
///
/// Kernel size, stride and padding are one number, or one per axis; windows stand side by side by default.
#[derive(Debug, Module)]
pub struct AvgPool<const D: usize> {
    #[module(config)]
    pooling: Pooling,
    tag: Tag,
}

/// `[batch, channels, length]`
pub type AvgPool1d = AvgPool<1>;
/// `[batch, channels, height, width]`
pub type AvgPool2d = AvgPool<2>;
/// `[batch, channels, depth, height, width]`
pub type AvgPool3d = AvgPool<3>;

impl<const D: usize> AvgPool<D> {
    /// Windows of this size, side by side.
    pub fn new(kernel: impl Into<Shape>) -> AvgPool<D> {
        AvgPool { pooling: Pooling::new(kernel), tag: Tag::new(["AvgPool1d", "AvgPool2d", "AvgPool3d"][D - 1]) }
    }

    /// Steps between windows.
    pub fn stride(self, stride: impl Into<Shape>) -> AvgPool<D> {
        AvgPool { pooling: self.pooling.stride(stride), ..self }
    }

    /// Zeros around the input.
    pub fn padding(self, padding: impl Into<Padding>) -> AvgPool<D> {
        AvgPool { pooling: self.pooling.padding(padding), ..self }
    }

    /// Lets a last window reach beyond the end: PyTorch's `ceil_mode`.
    pub fn partial_windows(self) -> AvgPool<D> {
        AvgPool { pooling: self.pooling.partial_windows(), ..self }
    }

    /// What sums are divided by: the window's size with padding (the default), without, or a number.
    pub fn divisor(self, divisor: Divisor) -> AvgPool<D> {
        AvgPool { pooling: self.pooling.divisor(divisor), ..self }
    }
}

impl<const D: usize> Layer for AvgPool<D> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || match D {
            1 => x.try_avg_pool1d(&self.pooling),
            2 => x.try_avg_pool2d(&self.pooling),
            _ => x.try_avg_pool3d(&self.pooling),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_mean_of_each_window() {
        let x = Tensor::from_vec((0..16).map(|i| i as f32).collect(), [1, 1, 4, 4]);
        assert_eq!(AvgPool2d::new(2).forward(&x).to_vec::<f32>(), [2.5, 4.5, 10.5, 12.5]);
        // The corner window holds 0, 1, 4 and 5, and five zeros of the padding.
        let corner = |divisor| AvgPool2d::new(3).padding(1).divisor(divisor).forward(&x).to_vec::<f32>()[0];
        assert_eq!(corner(Divisor::Inside), 2.5);
        assert!((corner(Divisor::Padded) - 10.0 / 9.0).abs() < 1e-6);
    }
}
