//! Batch normalization for training: each channel of `[samples, channels, length]` brought to mean 0 and variance 1.
//!
//! Both directions read everything once for two sums per channel and once more for the result. The sums are gathered
//! over groups of samples, sample after sample, and the groups' sums are added as a tree. Where a channel has few
//! elements in a sample, the columns of neighbouring channels are summed side by side instead of channel by channel, so
//! that maps of 1 × 1 and 2 × 2 fill the registers too.

use crate::number::Number;
use crate::reduce::{ReduceElement, fold_pairs_inline, sum_columns};
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};
use std::ops::Range;

/// Elements worth a task.
const TASK: usize = 1 << 14;
/// Samples of a group.
const GROUP: usize = 16;
/// Elements of one sample in a strip of channels, where a channel has fewer.
const STRIP: usize = 1024;
/// Elements of a channel in one sample from which on it is summed by itself.
const LONG: usize = 64;

/// An element type of batch normalization: `f32` or `f64`.
#[allow(private_bounds)]
pub trait BatchNormElement: Batches {}
impl BatchNormElement for f32 {}
impl BatchNormElement for f64 {}

/// Both directions, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Batches: Number {
    fn forward(norm: &BatchNorm<Self>, x: &[Self], y: &mut [Self], mean: &mut [Self], variance: &mut [Self]);
    fn backward(norm: &BatchNorm<Self>, kept: BatchNormalized<Self>, to: BatchNormGradients<Self>);
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

    /// Calls `f(number of the group, its samples, a strip of channels)` for all of them, in parallel.
    fn for_parts(&self, f: impl Fn(usize, Range<usize>, Range<usize>) + Sync) {
        let BatchNorm { samples, channels, length, .. } = *self;
        let strip = (STRIP / length.max(1)).clamp(1, channels.max(1));
        let strips = channels.div_ceil(strip);
        let each = TASK / (GROUP * strip * length).max(1);
        for_chunks(samples.div_ceil(GROUP) * strips, each, |parts| {
            for part in parts {
                let (group, first) = (part / strips, part % strips * strip);
                f(group, group * GROUP..samples.min((group + 1) * GROUP), first..channels.min(first + strip));
            }
        });
    }

    /// Two sums for each channel: `step` adds the terms of an element of each of `x`, given the channel's `constants`.
    fn sums<const N: usize, const K: usize>(
        &self,
        x: [&[T]; N],
        constants: [&[T]; K],
        step: impl Fn((T, T), [T; N], [T; K]) -> (T, T) + Copy + Sync,
    ) -> [Vec<T>; 2]
    where
        T: ReduceElement,
    {
        let groups = self.samples.div_ceil(GROUP);
        let mut parts = [vec![T::ZERO; groups * self.channels], vec![T::ZERO; groups * self.channels]];
        let shared = parts.each_mut().map(|sums| SharedMut::new(sums));
        self.for_parts(|group, samples, channels| {
            let first = group * self.channels;
            // SAFETY: the sums of a group and a strip are one part's alone.
            let to = shared.each_ref().map(|s| unsafe { s.range(first + channels.start..first + channels.end) });
            scratch::with((K + 2) * channels.len() * self.length, |room| {
                let width = self.channels * self.length;
                dispatch(Sums { x, constants, width, length: self.length, samples, channels, to, room, step });
            });
        });
        parts.map(|parts| {
            let mut sums = vec![T::ZERO; self.channels];
            sum_columns(&parts, [1, groups, self.channels], &mut sums);
            sums
        })
    }

    /// `y = f(an element of each of x, the channel's constants)` everywhere.
    fn map<const N: usize, const K: usize>(
        &self,
        x: [&[T]; N],
        constants: [&[T]; K],
        y: &mut [T],
        f: impl Fn([T; N], [T; K]) -> T + Copy + Sync,
    ) {
        let y = SharedMut::new(y);
        self.for_parts(|_, samples, channels| {
            scratch::with(K * channels.len() * self.length, |room| {
                let width = self.channels * self.length;
                let y = &y;
                dispatch(Map { x, constants, width, length: self.length, samples, channels, y, room, f });
            });
        });
    }
}

/// [`BatchNorm::sums`] of some samples and channels.
struct Sums<'a, T, F, const N: usize, const K: usize> {
    x: [&'a [T]; N],
    constants: [&'a [T]; K],
    /// Elements of a sample.
    width: usize,
    length: usize,
    samples: Range<usize>,
    channels: Range<usize>,
    to: [&'a mut [T]; 2],
    /// `[constants and sums, channels · length]`
    room: &'a mut [T],
    step: F,
}

impl<T: Number, F: Fn((T, T), [T; N], [T; K]) -> (T, T) + Copy, const N: usize, const K: usize> Kernel
    for Sums<'_, T, F, N, K>
{
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Sums { x, constants, width, length, samples, channels, to: [first, second], room, step } = self;
        if length >= LONG {
            for sample in samples {
                for (to, channel) in channels.clone().enumerate() {
                    let constants = constants.map(|c| c[channel]);
                    let x = x.map(|x| &x[sample * width + channel * length..][..length]);
                    let (a, b) = fold_pairs_inline(x, |sums, x| step(sums, x, constants));
                    (first[to], second[to]) = (first[to] + a, second[to] + b);
                }
            }
            return;
        }
        let strip = channels.len() * length;
        let (sums, room) = room.split_at_mut(2 * strip);
        let constants = spread(constants, channels.clone(), length, room);
        sums.fill(T::ZERO);
        let (a, b) = sums.split_at_mut(strip);
        for sample in samples {
            let x = x.map(|x| &x[sample * width + channels.start * length..][..strip]);
            add_columns(x, constants, a, b, step);
        }
        if length == 1 {
            first.copy_from_slice(a);
            second.copy_from_slice(b);
            return;
        }
        for (to, sums) in [(first, a), (second, b)] {
            for (to, sums) in to.iter_mut().zip(sums.chunks_exact(length.max(1))) {
                *to = sums[1..].iter().fold(sums[0], |sum, &x| sum + x);
            }
        }
    }
}

/// `(a, b) = step((a, b), x, constants)` for every column.
#[inline(always)]
fn add_columns<T: Number, const N: usize, const K: usize>(
    x: [&[T]; N],
    constants: [&[T]; K],
    a: &mut [T],
    b: &mut [T],
    step: impl Fn((T, T), [T; N], [T; K]) -> (T, T),
) {
    let (x, c) = (x.map(|x| x.as_chunks::<LANES>()), constants.map(|c| c.as_chunks::<LANES>()));
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks_mut::<LANES>(), b.as_chunks_mut::<LANES>());
    for (at, (a, b)) in a.iter_mut().zip(b).enumerate() {
        let (x, c) = (x.map(|(x, _)| &x[at]), c.map(|(c, _)| &c[at]));
        for i in 0..LANES {
            (a[i], b[i]) = step((a[i], b[i]), x.map(|x| x[i]), c.map(|c| c[i]));
        }
    }
    for (i, (a, b)) in a_rest.iter_mut().zip(b_rest).enumerate() {
        (*a, *b) = step((*a, *b), x.map(|(_, x)| x[i]), c.map(|(_, c)| c[i]));
    }
}

/// [`BatchNorm::map`] of some samples and channels.
struct Map<'a, T, F, const N: usize, const K: usize> {
    x: [&'a [T]; N],
    constants: [&'a [T]; K],
    /// Elements of a sample.
    width: usize,
    length: usize,
    samples: Range<usize>,
    channels: Range<usize>,
    y: &'a SharedMut<'a, T>,
    /// `[constants, channels · length]`
    room: &'a mut [T],
    f: F,
}

impl<T: Number, F: Fn([T; N], [T; K]) -> T + Copy, const N: usize, const K: usize> Kernel for Map<'_, T, F, N, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Map { x, constants, width, length, samples, channels, y, room, f } = self;
        let strip = channels.len() * length;
        let short = length < LONG;
        let spread = if short { spread(constants, channels.clone(), length, room) } else { constants };
        for sample in samples {
            let at = sample * width + channels.start * length;
            // SAFETY: the elements of a group and a strip are one part's alone.
            let y = unsafe { y.range(at..at + strip) };
            if short {
                map_columns(x.map(|x| &x[at..][..strip]), spread, y, f);
                continue;
            }
            for (i, (y, channel)) in y.chunks_exact_mut(length).zip(channels.clone()).enumerate() {
                let (x, c) = (x.map(|x| &x[at + i * length..][..length]), constants.map(|c| c[channel]));
                for (i, y) in y.iter_mut().enumerate() {
                    *y = f(x.map(|x| x[i]), c);
                }
            }
        }
    }
}

/// `y = f(x, constants)` for every column.
#[inline(always)]
fn map_columns<T: Number, const N: usize, const K: usize>(
    x: [&[T]; N],
    constants: [&[T]; K],
    y: &mut [T],
    f: impl Fn([T; N], [T; K]) -> T,
) {
    let (x, c) = (x.map(|x| x.as_chunks::<LANES>()), constants.map(|c| c.as_chunks::<LANES>()));
    let (y, rest) = y.as_chunks_mut::<LANES>();
    for (at, y) in y.iter_mut().enumerate() {
        let (x, c) = (x.map(|(x, _)| &x[at]), c.map(|(c, _)| &c[at]));
        for i in 0..LANES {
            y[i] = f(x.map(|x| x[i]), c.map(|c| c[i]));
        }
    }
    for (i, y) in rest.iter_mut().enumerate() {
        *y = f(x.map(|(_, x)| x[i]), c.map(|(_, c)| c[i]));
    }
}

/// The constants of each channel, repeated for each of its elements: in `room`.
#[inline(always)]
fn spread<'a, T: Number, const K: usize>(
    constants: [&[T]; K],
    channels: Range<usize>,
    length: usize,
    room: &'a mut [T],
) -> [&'a [T]; K] {
    let strip = channels.len() * length;
    for (room, constants) in room.chunks_exact_mut(strip.max(1)).zip(constants) {
        for (room, &constant) in room.chunks_exact_mut(length.max(1)).zip(&constants[channels.clone()]) {
            room.fill(constant);
        }
    }
    let room: &'a [T] = room;
    std::array::from_fn(|k| &room[k * strip..][..strip])
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
    let [sums, squares] = norm.sums([x], [&shift], |(sum, squares), [x], [shift]| {
        let x = x - shift;
        (sum + x, squares + x * x)
    });
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
    norm.map([x], constants, y, |[x], [shift, offset, scale, bias]| ((x - shift) - offset) * scale + bias);
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
    let [sums, products] = norm.sums(read, [kept.mean, &scale], |(sum, product), [g, x], [mean, scale]| {
        (sum + g, product + g * ((x - mean) * scale))
    });
    let count = T::from_f64((norm.samples * norm.length) as f64);
    let middle: Vec<T> = sums.iter().map(|&sum| sum / count).collect();
    let slope: Vec<T> = products.iter().zip(&scale).map(|(&product, &scale)| product / count * scale).collect();
    let factor: Vec<T> = scale.iter().enumerate().map(|(i, &scale)| norm.weight_of(i) * scale).collect();
    let constants = [kept.mean, &middle, &slope, &factor];
    norm.map(read, constants, to.x, |[g, x], [mean, middle, slope, factor]| {
        factor * ((g - middle) - (x - mean) * slope)
    });
    to.weight.copy_from_slice(&products);
    to.bias.copy_from_slice(&sums);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{available, dispatch_on};
    use crate::threads::set_threads;

    fn numbers(len: usize, seed: usize) -> Vec<f64> {
        (0..len).map(|i| f64::from(((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0)).collect()
    }

    /// Result, mean, variance, and the gradients of input, weight and bias.
    type Found<T> = [Vec<T>; 6];

    fn run<T: BatchNormElement>(
        [samples, channels, length]: [usize; 3],
        affine: bool,
        of: impl Fn(f64) -> T,
    ) -> Found<T> {
        let all = samples * channels * length;
        let cast = |x: Vec<f64>| x.into_iter().map(&of).collect::<Vec<T>>();
        // The values lie far from zero, where a sum of squares would lose the variance.
        let x = cast(numbers(all, 1).into_iter().map(|x| x + 30.0).collect());
        let (g, weight, bias) = (cast(numbers(all, 2)), cast(numbers(channels, 3)), cast(numbers(channels, 4)));
        let (weight, bias) = (affine.then_some(&weight[..]), affine.then_some(&bias[..]));
        let norm = BatchNorm { samples, channels, length, eps: of(1e-5), weight, bias };
        let mut found = [all, channels, channels, all, channels, channels].map(|len| vec![of(9.0); len]);
        let [y, mean, variance, dx, dw, db] = &mut found;
        batch_norm(&norm, &x, y, mean, variance);
        let kept = BatchNormalized { x: &x, gradient: &g, mean, variance };
        batch_norm_backward(&norm, kept, BatchNormGradients { x: dx, weight: dw, bias: db });
        found
    }

    /// The definition, in f64, one channel after the other.
    fn reference([samples, channels, length]: [usize; 3], affine: bool) -> Found<f64> {
        let all = samples * channels * length;
        let x: Vec<f64> = numbers(all, 1).into_iter().map(|x| x + 30.0).collect();
        let (g, weight, bias) = (numbers(all, 2), numbers(channels, 3), numbers(channels, 4));
        let mut found = [all, channels, channels, all, channels, channels].map(|len| vec![0.0; len]);
        let [y, means, variances, dx, dw, db] = &mut found;
        for c in 0..channels {
            let (weight, bias) = if affine { (weight[c], bias[c]) } else { (1.0, 0.0) };
            let places = || (0..samples * length).map(|i| (i / length * channels + c) * length + i % length);
            let average = |f: &dyn Fn(usize) -> f64| places().map(f).sum::<f64>() / (samples * length) as f64;
            let mean = average(&|i| x[i]);
            let variance = average(&|i| (x[i] - mean) * (x[i] - mean));
            let scale = 1.0 / (variance + 1e-5).sqrt();
            let normal = |i: usize| (x[i] - mean) * scale;
            let (middle, slope) = (average(&|i| g[i]), average(&|i| g[i] * normal(i)));
            for i in places() {
                y[i] = normal(i) * weight + bias;
                dx[i] = weight * scale * (g[i] - middle - normal(i) * slope);
                dw[c] += g[i] * normal(i);
                db[c] += g[i];
            }
            (means[c], variances[c]) = (mean, variance);
        }
        found
    }

    #[test]
    fn results_and_gradients_equal_the_definition() {
        let shapes =
            [[2, 1, 1], [64, 70, 1], [33, 5, 4], [40, 300, 9], [30, 1100, 1], [17, 3, 63], [20, 5, 64], [2, 2, 3000]];
        for (shape, affine) in shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
            if cfg!(miri) && shape.iter().product::<usize>() > 700 {
                continue;
            }
            let exact = reference(shape, affine);
            let wide = run(shape, affine, |x| x);
            set_threads(1);
            let single = run(shape, affine, |x| x as f32);
            for threads in [2, 3, 8] {
                set_threads(threads);
                assert!(run(shape, affine, |x| x as f32) == single, "{shape:?} {threads} threads");
            }
            set_threads(0);
            for (k, exact) in exact.iter().enumerate() {
                let size = exact.iter().fold(1.0f64, |m, x| m.max(x.abs()));
                for ((wide, single), exact) in wide[k].iter().zip(&single[k]).zip(exact) {
                    let single = f64::from(*single);
                    assert!((wide - exact).abs() <= 1e-11 * size, "{shape:?} {k}: {wide} {exact}");
                    assert!((single - exact).abs() <= 1e-5 * size, "{shape:?} {k}: {single} {exact}");
                }
            }
        }
    }

    #[test]
    fn instruction_sets_do_not_matter() {
        for (channels, length) in [(21, 1), (7, 9), (3, 70)] {
            let width = channels * length;
            let x = numbers(3 * width, 1).iter().map(|&x| x as f32).collect::<Vec<_>>();
            let constants = [&x[..channels], &x[width..width + channels]];
            let run = |isa| {
                let (mut first, mut second, mut y) = (vec![0.0; channels], vec![0.0; channels], vec![0.0; x.len()]);
                let mut room = vec![0.0; 4 * width];
                dispatch_on(
                    isa,
                    Sums {
                        x: [&x],
                        constants,
                        width,
                        length,
                        samples: 0..3,
                        channels: 0..channels,
                        to: [&mut first, &mut second],
                        room: &mut room,
                        step: |(a, b): (f32, f32), [x]: [f32; 1], [c, d]: [f32; 2]| (a + x * c, b + (x - d) * x),
                    },
                );
                dispatch_on(
                    isa,
                    Map {
                        x: [&x],
                        constants,
                        width,
                        length,
                        samples: 0..3,
                        channels: 0..channels,
                        y: &SharedMut::new(&mut y),
                        room: &mut room,
                        f: |[x]: [f32; 1], [c, d]: [f32; 2]| (x - c) * d + c,
                    },
                );
                [first, second, y]
            };
            let results: Vec<_> = available().into_iter().map(run).collect();
            assert!(results.iter().all(|r| *r == results[0]), "{channels} {length}");
        }
    }

    /// No elements: nothing to write, and statistics that say so.
    #[test]
    fn nothing_has_no_statistics() {
        for shape in [[0, 3, 4], [5, 3, 0]] {
            let [y, mean, variance, dx, dw, db] = run(shape, true, |x| x as f32);
            assert!(y.is_empty() && dx.is_empty());
            assert!(mean.iter().chain(&variance).all(|x| x.is_nan()));
            assert_eq!([dw, db], [[0.0; 3], [0.0; 3]]);
        }
    }
}
