//! The means of windows, and the way back.

use super::split::{Band, Split, pack};
use super::{Divisor, Largest, PoolShape};
use crate::number::Number;
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};

pub(super) fn means<T: Largest + From<f32>>(shape: &PoolShape, divisor: Divisor, x: &[T], y: &mut [T]) {
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    let split = shape.split();
    let mut divisors = vec![T::ONE; positions];
    shape.for_windows(&spans, |output, window| divisors[output] = window.divisor(divisor, |n| T::from(n as f32)));
    let y = SharedMut::new(y);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        let x = &x[planes.start * area..];
        // SAFETY: a plane is one task's alone.
        let y = unsafe { y.range(planes.start * positions..planes.end * positions) };
        let Some(split) = &split else {
            for (plane, y) in y.chunks_exact_mut(positions.max(1)).enumerate() {
                let x = &x[plane * area..];
                shape.for_windows(&spans, |output, window| {
                    let mut sum = T::ZERO;
                    window.for_each(|at| sum += x[at]);
                    y[output] = sum / divisors[output];
                });
            }
            return;
        };
        scratch::with(split.copy_size() + split.band_size(), |room| {
            dispatch(Means { shape, split, planes: planes.len(), x, divisors: &divisors, y, room });
        });
    });
}

/// [`super::avg_pool`] of some planes, sixteen outputs of a row at once. What the padding adds is zero.
struct Means<'a, T> {
    shape: &'a PoolShape,
    split: &'a Split,
    planes: usize,
    /// From the first plane on.
    x: &'a [T],
    /// One for every output of a plane.
    divisors: &'a [T],
    y: &'a mut [T],
    /// Room for a copy, and for the outputs of a band.
    room: &'a mut [T],
}

impl<T: Largest> Kernel for Means<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Means { shape, split, planes, x, divisors, y, room } = self;
        let (area, positions, columns) = (shape.area(), shape.positions(), shape.output[2]);
        let (copy, values) = room.split_at_mut(split.copy_size());
        for plane in 0..planes {
            let (x, mut output) = ((&x[plane * area..], T::ZERO), 0);
            for part in split.bands() {
                split.copy(simd, x, part.clone(), copy);
                let count = part.1.len() * columns;
                let (y, band) = (&mut y[plane * positions + output..], split.band(part, copy));
                if split.pitch == columns {
                    sums(band, y);
                } else {
                    sums(band, values);
                    pack(values, split.pitch, columns, y, count);
                }
                let divisors = &divisors[output..][..count];
                y.iter_mut().zip(divisors).for_each(|(y, &divisor)| *y = *y / divisor);
                output += count;
            }
        }
    }
}

/// The sums of a band of windows, in order. What lies behind the band may be overwritten.
#[inline(always)]
fn sums<T: Number>(band: Band<T>, y: &mut [T]) {
    for first in (0..band.count).step_by(LANES) {
        let mut sums = [T::ZERO; LANES];
        for tap in band.taps {
            let x = band.at(first, tap);
            for i in 0..LANES {
                sums[i] += x[i];
            }
        }
        match y[first..].first_chunk_mut() {
            Some(y) => *y = sums,
            None => y[first..].iter_mut().zip(sums).for_each(|(y, sum)| *y = sum),
        }
    }
}

pub(super) fn means_backward<T: Largest + From<f32>>(shape: &PoolShape, divisor: Divisor, dy: &[T], dx: &mut [T]) {
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    let dx = SharedMut::new(dx);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            let dy = &dy[plane * positions..(plane + 1) * positions];
            // SAFETY: a plane is one task's alone.
            let dx = unsafe { dx.range(plane * area..(plane + 1) * area) };
            dx.fill(T::ZERO);
            shape.for_windows(&spans, |output, window| {
                let share = dy[output] / window.divisor(divisor, |n| T::from(n as f32));
                window.for_each(|at| dx[at] += share);
            });
        }
    });
}
