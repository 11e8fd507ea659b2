//! Batch normalization for training: each channel of `[samples, channels, length]` brought to mean 0 and variance 1.
//!
//! Both directions read everything once for two sums per channel and once more for the result. The sums are gathered
//! over groups of samples, sample after sample, and the groups' sums are added as a tree. Where a channel has few
//! elements in a sample, the columns of neighbouring channels are summed side by side, and those of a channel are added at
//! the end, so that maps of 1 × 1 and 2 × 2 fill the registers too.

mod passes;

use crate::formula::{Formula, Pair};
use crate::number::{Arithmetic, Number};
use crate::reduce::ReduceElement;

/// An element type of batch normalization: `f32` or `f64`.
#[allow(private_bounds)]
pub trait BatchNormElement: Batches {}
impl BatchNormElement for f32 {}
impl BatchNormElement for f64 {}

/// Both directions, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Batches: Number {
    fn forward(norm: &BatchNorm<Self>, x: &[Self], y: &mut [Self], mean: &mut [Self], variance: &mut [Self]);
    fn backward(norm: &BatchNorm<Self>, kept: BatchNormalized<Self>, to: BatchNormGradients<Self>);
    fn scale(sizes: [usize; 3], x: &[Self], scale: &[Self], offset: &[Self], y: &mut [Self]);
}

macro_rules! batches {
    ($($type:ty)*) => { $(
        impl Batches for $type {
            fn forward(norm: &BatchNorm<$type>, x: &[$type], y: &mut [$type], mean: &mut [$type], variance: &mut [$type]) {
                forward(norm, x, y, mean, variance);
            }

            fn backward(norm: &BatchNorm<$type>, kept: BatchNormalized<$type>, to: BatchNormGradients<$type>) {
                backward(norm, kept, to);
            }

            fn scale([samples, channels, length]: [usize; 3], x: &[$type], scale: &[$type], offset: &[$type], y: &mut [$type]) {
                let norm = BatchNorm { samples, channels, length, eps: 0.0, weight: Some(scale), bias: Some(offset) };
                norm.check(&[x.len(), y.len()], &[]);
                norm.map([x], [scale, offset], y, Scaled);
            }
        }
    )* };
}
batches!(f32 f64);

/// A batch normalization of `[samples, channels, length]`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a, T> {
    /// Samples.
    pub samples: usize,
    /// Channels.
    pub channels: usize,
    /// Elements of a channel in one sample.
    pub length: usize,
    /// Added to the variance.
    pub eps: T,
    /// `[channels]`: what normalized elements are multiplied by.
    pub weight: Option<&'a [T]>,
    /// `[channels]`: what is then added.
    pub bias: Option<&'a [T]>,
}

/// What the backward direction reads.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormalized<'a, T> {
    /// The input.
    pub x: &'a [T],
    /// The gradient of the result.
    pub gradient: &'a [T],
    /// `[channels]`
    pub mean: &'a [T],
    /// `[channels]`: the mean squared difference to the mean.
    pub variance: &'a [T],
}

/// Where the gradients go.
#[derive(Debug)]
pub struct BatchNormGradients<'a, T> {
    /// That of the input.
    pub x: &'a mut [T],
    /// `[channels]`
    pub weight: &'a mut [T],
    /// `[channels]`
    pub bias: &'a mut [T],
}

#[allow(private_bounds)]
impl<T: Number> BatchNorm<'_, T> {
    #[track_caller]
    fn check(&self, elements: &[usize], channels: &[usize]) {
        let all = self.samples * self.channels * self.length;
        assert!(elements.iter().all(|&n| n == all), "{all} elements, got {elements:?}");
        let fits = |n: usize| n == self.channels;
        assert!(channels.iter().all(|&n| fits(n)), "one number for each of {} channels", self.channels);
        let given = |p: Option<&[T]>| p.is_none_or(|p| fits(p.len()));
        assert!(given(self.weight) && given(self.bias), "one parameter for each of {} channels", self.channels);
    }

    /// The reciprocal standard deviations, from the variances.
    fn scales(&self, variance: &[T]) -> Vec<T> {
        variance.iter().map(|&v| T::ONE / (v + self.eps).sqrt()).collect()
    }

    fn weight_of(&self, channel: usize) -> T {
        self.weight.map_or(T::ONE, |w| w[channel])
    }
}

/// The sum, and the sum of squares, of the differences to a shift.
#[derive(Clone, Copy)]
struct Moments;

impl Pair<1, 1> for Moments {
    #[inline(always)]
    fn add<F: Arithmetic>(self, (sum, squares): (F, F), [x]: [F; 1], [shift]: [F; 1]) -> (F, F) {
        let x = x - shift;
        (sum + x, squares + x * x)
    }
}

/// The sum of gradients, and that of gradients times normalized elements.
#[derive(Clone, Copy)]
struct Products;

impl Pair<2, 2> for Products {
    #[inline(always)]
    fn add<F: Arithmetic>(self, (sum, product): (F, F), [g, x]: [F; 2], [mean, scale]: [F; 2]) -> (F, F) {
        (sum + g, product + g * ((x - mean) * scale))
    }
}

/// The result.
#[derive(Clone, Copy)]
struct Normal;

impl Formula<1, 4> for Normal {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [x]: [F; 1], [shift, offset, scale, bias]: [F; 4]) -> F {
        ((x - shift) - offset) * scale + bias
    }
}

/// The gradient of the input.
#[derive(Clone, Copy)]
struct Pulled;

impl Formula<2, 4> for Pulled {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [g, x]: [F; 2], [mean, middle, slope, factor]: [F; 4]) -> F {
        factor * ((g - middle) - (x - mean) * slope)
    }
}

/// Of a channel with known statistics.
#[derive(Clone, Copy)]
struct Scaled;

impl Formula<1, 2> for Scaled {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [x]: [F; 1], [scale, offset]: [F; 2]) -> F {
        x * scale + offset
    }
}

/// `y = x·scale + offset` for `[samples, channels, length]`, with a scale and an offset for each channel; both operations
/// are rounded.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn scale_channels<T: BatchNormElement>(sizes: [usize; 3], x: &[T], scale: &[T], offset: &[T], y: &mut [T]) {
    T::scale(sizes, x, scale, offset, y);
}

/// `y = (x - mean)·weight/√(variance + eps) + bias`, with the mean and the variance of each channel.
///
/// The sums are of differences to each channel's first element, which is about as far from the mean as any. The
/// statistics of no elements are NaN.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn batch_norm<T: BatchNormElement>(norm: &BatchNorm<T>, x: &[T], y: &mut [T], mean: &mut [T], variance: &mut [T]) {
    norm.check(&[x.len(), y.len()], &[mean.len(), variance.len()]);
    T::forward(norm, x, y, mean, variance);
}

fn forward<T: ReduceElement>(norm: &BatchNorm<T>, x: &[T], y: &mut [T], mean: &mut [T], variance: &mut [T]) {
    let first = |channel: usize| x.get(channel * norm.length).copied().unwrap_or(T::ZERO);
    let shift: Vec<T> = (0..norm.channels).map(first).collect();
    let [sums, squares] = norm.sums([x], [&shift], Moments);
    let count = T::from_f64((norm.samples * norm.length) as f64);
    let offset: Vec<T> = sums.iter().map(|&sum| sum / count).collect();
    for i in 0..norm.channels {
        mean[i] = shift[i] + offset[i];
        let difference = squares[i] / count - offset[i] * offset[i];
        variance[i] = if difference < T::ZERO { T::ZERO } else { difference };
    }
    let mut scale = norm.scales(variance);
    scale.iter_mut().enumerate().for_each(|(i, scale)| *scale = norm.weight_of(i) * *scale);
    let none = vec![T::ZERO; if norm.bias.is_some() { 0 } else { norm.channels }];
    let constants = [&shift, &offset, &scale, norm.bias.unwrap_or(&none)];
    norm.map([x], constants, y, Normal);
}

/// The gradients of [`batch_norm`]. With x̂ the normalized channel of M elements:
/// `∂x = weight/σ·(g − Σg/M − x̂·Σ(g·x̂)/M)`, `∂weight = Σ g·x̂`, `∂bias = Σ g`.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn batch_norm_backward<T: BatchNormElement>(
    norm: &BatchNorm<T>,
    kept: BatchNormalized<T>,
    to: BatchNormGradients<T>,
) {
    let elements = [kept.x.len(), kept.gradient.len(), to.x.len()];
    norm.check(&elements, &[kept.mean.len(), kept.variance.len(), to.weight.len(), to.bias.len()]);
    T::backward(norm, kept, to);
}

fn backward<T: ReduceElement>(norm: &BatchNorm<T>, kept: BatchNormalized<T>, to: BatchNormGradients<T>) {
    let scale = norm.scales(kept.variance);
    let read = [kept.gradient, kept.x];
    let [sums, products] = norm.sums(read, [kept.mean, &scale], Products);
    let count = T::from_f64((norm.samples * norm.length) as f64);
    let middle: Vec<T> = sums.iter().map(|&sum| sum / count).collect();
    let slope: Vec<T> = products.iter().zip(&scale).map(|(&product, &scale)| product / count * scale).collect();
    let factor: Vec<T> = scale.iter().enumerate().map(|(i, &scale)| norm.weight_of(i) * scale).collect();
    let constants = [kept.mean, &middle, &slope, &factor];
    norm.map(read, constants, to.x, Pulled);
    to.weight.copy_from_slice(&products);
    to.bias.copy_from_slice(&sums);
}

#[cfg(test)]
mod tests;
