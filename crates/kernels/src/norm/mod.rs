//! Rows brought to mean 0 and variance 1: layer, group, instance and root-mean-square norm, forward and backward.
//!
//! A row, one group of channels of one sample, is read twice while it is in the first-level cache: for its statistics,
//! and to be normalized; backward for the sums that its gradient subtracts, and for the gradient. Parameters belong to
//! channels; their gradients are summed over fixed groups of samples, and the groups' sums are added in order.

mod backward;
mod forward;

use crate::number::Number;
use backward::backward;
use forward::forward;

/// Elements worth a task.
const TASK: usize = 1 << 14;

/// An element type of normalization: `f32` or `f64`.
#[allow(private_bounds)]
pub trait NormElement: Rows {}
impl NormElement for f32 {}
impl NormElement for f64 {}

/// Both passes, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Rows: Number {
    fn normalize(norm: &Normalization<Self>, x: &[Self], y: &mut [Self], mean: &mut [Self], scale: &mut [Self]);
    fn normalize_backward(norm: &Normalization<Self>, kept: Normalized<Self>, to: NormGradients<Self>);
}

macro_rules! rows {
    ($($type:ty)*) => { $(
        impl Rows for $type {
            fn normalize(norm: &Normalization<$type>, x: &[$type], y: &mut [$type], mean: &mut [$type], scale: &mut [$type]) {
                forward(norm, x, y, mean, scale);
            }

            fn normalize_backward(norm: &Normalization<$type>, kept: Normalized<$type>, to: NormGradients<$type>) {
                backward(norm, kept, to);
            }
        }
    )* };
}
rows!(f32 f64);

/// A normalization of `[samples, groups, channels, length]`; a row is one group of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Normalization<'a, T> {
    /// Samples.
    pub samples: usize,
    /// Groups of a sample.
    pub groups: usize,
    /// Channels of a group.
    pub channels: usize,
    /// Elements of a channel.
    pub length: usize,
    /// Added to the variance.
    pub eps: T,
    /// Whether the mean is subtracted; root-mean-square norm leaves it.
    pub centred: bool,
    /// `[groups, channels]`: what normalized elements are multiplied by.
    pub weight: Option<&'a [T]>,
    /// `[groups, channels]`: what is then added.
    pub bias: Option<&'a [T]>,
}

/// What the backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct Normalized<'a, T> {
    /// The input.
    pub x: &'a [T],
    /// The gradient of the result.
    pub gradient: &'a [T],
    /// `[samples, groups]`
    pub mean: &'a [T],
    /// `[samples, groups]`: the reciprocal standard deviations.
    pub scale: &'a [T],
}

/// Where the gradients go.
#[derive(Debug)]
pub struct NormGradients<'a, T> {
    /// That of the input.
    pub x: &'a mut [T],
    /// `[groups, channels]`
    pub weight: &'a mut [T],
    /// `[groups, channels]`
    pub bias: &'a mut [T],
}

impl<T> Normalization<'_, T> {
    fn row(&self) -> usize {
        self.channels * self.length
    }

    fn rows(&self) -> usize {
        self.samples * self.groups
    }

    #[track_caller]
    fn check(&self, elements: &[usize], statistics: &[usize]) {
        let (all, rows, channels) = (self.rows() * self.row(), self.rows(), self.groups * self.channels);
        assert!(elements.iter().all(|&n| n == all), "{all} elements, got {elements:?}");
        assert!(statistics.iter().all(|&n| n == rows), "one number for each of {rows} rows, got {statistics:?}");
        let fits = |p: Option<&[T]>| p.is_none_or(|p| p.len() == channels);
        assert!(fits(self.weight) && fits(self.bias), "one parameter for each of {channels} channels");
    }
}

/// `y = (x - mean)·scale·weight + bias` with the mean and the reciprocal standard deviation of each row.
///
/// The sums are of differences to the row's first element, which is about as far from the mean as any. A row without
/// elements has the statistics NaN.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn normalize_rows<T: NormElement>(norm: &Normalization<T>, x: &[T], y: &mut [T], mean: &mut [T], scale: &mut [T]) {
    norm.check(&[x.len(), y.len()], &[mean.len(), scale.len()]);
    T::normalize(norm, x, y, mean, scale);
}

/// The gradients of [`normalize_rows`]. With the normalized row x̂ of M elements and h = gradient·weight:
/// `∂x = scale·(h − Σh/M − x̂·Σ(h·x̂)/M)`, the first mean only if the norm is centred.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn normalize_rows_backward<T: NormElement>(norm: &Normalization<T>, kept: Normalized<T>, to: NormGradients<T>) {
    norm.check(&[kept.x.len(), kept.gradient.len(), to.x.len()], &[kept.mean.len(), kept.scale.len()]);
    assert_eq!([to.weight.len(), to.bias.len()], [norm.groups * norm.channels; 2], "one gradient for each channel");
    T::normalize_backward(norm, kept, to);
}

#[cfg(test)]
mod tests;
