//! Batch normalization for training: each channel of `[samples, channels, length]` brought to mean 0 and variance 1.
//!
//! Both directions read everything once for two sums per channel and once more for the result. The sums are gathered
//! over groups of samples, sample after sample, and the groups' sums are added as a tree. Where a channel has few
//! elements in a sample, the columns of neighbouring channels are summed side by side, and those of a channel are added at
//! the end, so that maps of 1 × 1 and 2 × 2 fill the registers too.

use crate::formula::{Formula, Pair, blocks, load, map, map_columns, pick};
use crate::number::{Arithmetic, Number};
use crate::reduce::{ReduceElement, fold_pairs_inline, sum_columns, sum_rows};
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
const LONG: usize = 256;

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

    /// Two sums for each channel, over the elements of each of `x` and the channel's `constants`.
    fn sums<const N: usize, const K: usize>(
        &self,
        x: [&[T]; N],
        constants: [&[T]; K],
        pair: impl Pair<N, K>,
    ) -> [Vec<T>; 2]
    where
        T: ReduceElement,
    {
        let (groups, length) = (self.samples.div_ceil(GROUP), self.length);
        // Columns of a channel that are summed apart.
        let each = if length < LONG { length } else { 1 };
        let columns = self.channels * each;
        let mut parts = [vec![T::ZERO; groups * columns], vec![T::ZERO; groups * columns]];
        let shared = parts.each_mut().map(|sums| SharedMut::new(sums));
        self.for_parts(|group, samples, channels| {
            let sums = group * columns + channels.start * each..group * columns + channels.end * each;
            // SAFETY: the sums of a group and a strip are one part's alone.
            let to = shared.each_ref().map(|s| unsafe { s.range(sums.clone()) });
            scratch::with(K * self.room(&channels), |room| {
                let width = self.channels * length;
                dispatch(Sums { x, constants, width, length, samples, channels, to, room, pair });
            });
        });
        parts.map(|parts| {
            let [mut sums, mut all] = [vec![T::ZERO; columns], vec![T::ZERO; self.channels]];
            sum_columns(&parts, [1, groups, columns], &mut sums);
            if each == 1 {
                return sums;
            }
            sum_rows(&sums, each, &mut all);
            all
        })
    }

    /// `y` = the formula of an element of each of `x` and the channel's constants, everywhere.
    fn map<const N: usize, const K: usize>(
        &self,
        x: [&[T]; N],
        constants: [&[T]; K],
        y: &mut [T],
        formula: impl Formula<N, K>,
    ) {
        let y = SharedMut::new(y);
        self.for_parts(|_, samples, channels| {
            scratch::with(K * self.room(&channels), |room| {
                let (width, length, y) = (self.channels * self.length, self.length, &y);
                dispatch(Map { x, constants, width, length, samples, channels, y, room, formula });
            });
        });
    }

    /// Elements of a constant that is spread over some channels.
    fn room(&self, channels: &Range<usize>) -> usize {
        channels.len() * self.length + LANES
    }
}

/// [`BatchNorm::sums`] of some samples and channels.
struct Sums<'a, T, P, const N: usize, const K: usize> {
    x: [&'a [T]; N],
    constants: [&'a [T]; K],
    /// Elements of a sample.
    width: usize,
    length: usize,
    samples: Range<usize>,
    channels: Range<usize>,
    /// `[channels, length]`, or `[channels]` of long ones.
    to: [&'a mut [T]; 2],
    /// For the constants.
    room: &'a mut [T],
    pair: P,
}

impl<T: Number, P: Pair<N, K>, const N: usize, const K: usize> Kernel for Sums<'_, T, P, N, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Sums { x, constants, width, length, samples, channels, to: [first, second], room, pair } = self;
        if length >= LONG {
            for sample in samples {
                for (to, channel) in channels.clone().enumerate() {
                    let at = sample * width + channel * length;
                    let x = cut(x, at..at + length);
                    let (a, b) = fold_pairs_inline(simd, x, pick(constants, channel), pair);
                    (first[to], second[to]) = (first[to] + a, second[to] + b);
                }
            }
            return;
        }
        let strip = channels.len() * length;
        let constants = spread(simd, constants, channels.clone(), length, room);
        let at = |sample: usize| sample * width + channels.start * length;
        let zero = T::splat(simd, T::ZERO);
        // The sums of some columns stay in registers while the samples pass by.
        let ((constants, constants_rest), vectors) = (blocks(constants, strip), strip / LANES);
        for block in (0..vectors).step_by(TOGETHER) {
            let count = TOGETHER.min(vectors - block);
            let mut sums = [(zero, zero); TOGETHER];
            for sample in samples.clone() {
                let x = blocks(cut(x, at(sample)..at(sample) + strip), strip).0;
                if count == TOGETHER {
                    for (i, sums) in sums.iter_mut().enumerate() {
                        *sums = pair.add(*sums, load(simd, x, block + i), load(simd, constants, block + i));
                    }
                } else {
                    sums[0] = pair.add(sums[0], load(simd, x, block), load(simd, constants, block));
                }
            }
            for (i, sums) in sums.iter().enumerate().take(count) {
                let (mut a, mut b) = ([T::ZERO; LANES], [T::ZERO; LANES]);
                T::store(sums.0, &mut a);
                T::store(sums.1, &mut b);
                first[(block + i) * LANES..][..LANES].copy_from_slice(&a);
                second[(block + i) * LANES..][..LANES].copy_from_slice(&b);
            }
        }
        for i in 0..strip % LANES {
            let mut sums = (T::ZERO, T::ZERO);
            for sample in samples.clone() {
                let x = pick(x, at(sample) + vectors * LANES + i);
                sums = pair.add(sums, x, pick(constants_rest, i));
            }
            (first[vectors * LANES + i], second[vectors * LANES + i]) = sums;
        }
    }
}

/// Vectors of sums that are gathered at once.
const TOGETHER: usize = 2;

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
    /// For the constants.
    room: &'a mut [T],
    formula: F,
}

impl<T: Number, F: Formula<N, K>, const N: usize, const K: usize> Kernel for Map<'_, T, F, N, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Map { x, constants, width, length, samples, channels, y, room, formula } = self;
        let strip = channels.len() * length;
        let short = length < LONG;
        let spread = if short { spread(simd, constants, channels.clone(), length, room) } else { constants };
        for sample in samples {
            let at = sample * width + channels.start * length;
            // SAFETY: the elements of a group and a strip are one part's alone.
            let y = unsafe { y.range(at..at + strip) };
            if short {
                map_columns(simd, cut(x, at..at + strip), spread, y, formula);
                continue;
            }
            for (i, (y, channel)) in y.chunks_exact_mut(length).zip(channels.clone()).enumerate() {
                let x = cut(x, at + i * length..at + (i + 1) * length);
                map(simd, x, pick(constants, channel), y, formula);
            }
        }
    }
}

/// The same part of each.
#[inline(always)]
fn cut<T, const N: usize>(mut x: [&[T]; N], part: Range<usize>) -> [&[T]; N] {
    for x in &mut x {
        *x = &x[part.clone()];
    }
    x
}

/// The constants of each channel, repeated for each of its elements: in `room`, unless there is one element.
#[inline(always)]
fn spread<'a, S: Simd, T: Number, const K: usize>(
    simd: S,
    constants: [&'a [T]; K],
    channels: Range<usize>,
    length: usize,
    room: &'a mut [T],
) -> [&'a [T]; K] {
    let constants = cut(constants, channels.clone());
    if length == 1 {
        return constants;
    }
    let strip = channels.len() * length;
    for (room, constants) in room.chunks_exact_mut(strip + LANES).zip(constants) {
        for (channel, &constant) in constants.iter().enumerate() {
            // Whole vectors reach into the next channel, which is written next.
            for i in (0..length).step_by(LANES) {
                let to = room[channel * length + i..].first_chunk_mut().expect("room for a vector");
                T::store(T::splat(simd, constant), to);
            }
        }
    }
    let room: &'a [T] = room;
    std::array::from_fn(|k| &room[k * (strip + LANES)..][..strip])
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
        let shapes = [
            [2, 1, 1],
            [64, 70, 1],
            [33, 5, 4],
            [40, 300, 9],
            [30, 1100, 1],
            [17, 3, 63],
            [20, 5, 64],
            [37, 3, 255],
            [5, 3, 256],
            [2, 2, 3000],
        ];
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
        for (channels, length) in [(21, 1), (7, 9), (3, 70), (2, 300)] {
            let width = channels * length;
            let x = numbers(3 * width, 1).iter().map(|&x| x as f32).collect::<Vec<_>>();
            let (x, constants) = ([&x[..]; 2], [&x[..channels], &x[width..width + channels]]);
            let run = |isa| {
                let sums = if length < LONG { width } else { channels };
                let (mut first, mut second, mut y) = (vec![0.0; sums], vec![0.0; sums], vec![0.0; x[0].len()]);
                let mut room = vec![0.0; 4 * (width + LANES)];
                dispatch_on(
                    isa,
                    Sums {
                        x,
                        constants,
                        width,
                        length,
                        samples: 0..3,
                        channels: 0..channels,
                        to: [&mut first, &mut second],
                        room: &mut room[..2 * (width + LANES)],
                        pair: Products,
                    },
                );
                dispatch_on(
                    isa,
                    Map {
                        x,
                        constants: [constants[0], constants[1], constants[1], constants[0]],
                        width,
                        length,
                        samples: 0..3,
                        channels: 0..channels,
                        y: &SharedMut::new(&mut y),
                        room: &mut room,
                        formula: Pulled,
                    },
                );
                [first, second, y]
            };
            let results: Vec<_> = available().into_iter().map(run).collect();
            assert!(results.iter().all(|r| *r == results[0]), "{channels} {length}");
        }
    }

    #[test]
    fn channels_are_scaled_as_by_two_operations() {
        for [samples, channels, length] in [[3, 5, 1], [2, 7, 9], [17, 3, 300], [0, 3, 4]] {
            let x: Vec<f32> = numbers(samples * channels * length, 1).iter().map(|&x| x as f32).collect();
            let scale: Vec<f32> = numbers(channels, 2).iter().map(|&x| x as f32).collect();
            let offset: Vec<f32> = numbers(channels, 3).iter().map(|&x| x as f32).collect();
            let mut y = vec![9.0; x.len()];
            scale_channels([samples, channels, length], &x, &scale, &offset, &mut y);
            for (i, (y, x)) in y.iter().zip(&x).enumerate() {
                let channel = i / length % channels;
                assert_eq!(
                    y.to_bits(),
                    (x * scale[channel] + offset[channel]).to_bits(),
                    "{samples} {channels} {length}"
                );
            }
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
