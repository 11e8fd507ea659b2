//! The two ways through all elements: to sums of each channel, and to a formula of each element.

use super::BatchNorm;
use crate::formula::{Formula, Pair, blocks, load, map, map_columns, pick};
use crate::number::Number;
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

#[allow(private_bounds)]
impl<T: Number> BatchNorm<'_, T> {
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
    pub(super) fn sums<const N: usize, const K: usize>(
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
    pub(super) fn map<const N: usize, const K: usize>(
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

#[cfg(test)]
mod tests {
    use super::super::tests::numbers;
    use super::super::{Products, Pulled};
    use super::*;
    use crate::simd::{available, dispatch_on};

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
}
