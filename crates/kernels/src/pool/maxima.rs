//! The largest elements of windows and their places, and the way back.

use super::split::{Band, Split, Tap, pack};
use super::squares::Squares;
use super::windows::Spans;
use super::{Largest, PoolShape};
use crate::number::Number;
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};

pub(super) fn maxima<T: Largest>(shape: &PoolShape, x: &[T], y: &mut [T], indices: &mut [i32]) {
    let (spans, split, area, positions) = (shape.spans(), shape.split(), shape.area(), shape.positions());
    assert!(i32::try_from(area).is_ok(), "a plane of {area} elements has places beyond 2³¹");
    let squares = T::SQUARES && shape.has_squares();
    let (y, indices) = (SharedMut::new(y), SharedMut::new(indices));
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        let range = planes.start * positions..planes.end * positions;
        // SAFETY: a plane is one task's alone.
        let (y, indices) = unsafe { (y.range(range.clone()), indices.range(range)) };
        let x = &x[planes.start * area..];
        let plain = |plane: usize, y: &mut [T], indices: &mut [i32]| {
            let range = plane * positions..(plane + 1) * positions;
            largest_of_windows(shape, &spans, &x[plane * area..], &mut y[range.clone()], &mut indices[range]);
        };
        match &split {
            _ if squares => dispatch(Squares { shape, planes: planes.len(), x, y, indices, plain }),
            Some(split) => scratch::with(split.copy_size() + split.band_size(), |room| {
                scratch::with(split.band_size(), |places| {
                    dispatch(Maxima {
                        shape,
                        split,
                        spans: &spans,
                        planes: planes.len(),
                        x,
                        y,
                        indices,
                        room,
                        places,
                        plain,
                    });
                });
            }),
            None => (0..planes.len()).for_each(|plane| plain(plane, y, indices)),
        }
    });
}

/// The definition of [`super::max_pool`], of one plane.
#[allow(clippy::eq_op)] // a NaN is what differs from itself
pub(super) fn largest_of_windows<T: Largest>(
    shape: &PoolShape,
    spans: &Spans,
    x: &[T],
    y: &mut [T],
    indices: &mut [i32],
) {
    shape.for_windows(spans, |output, window| {
        (y[output], indices[output]) = (T::NEGATIVE_INFINITY, spans.start(shape, output) as i32);
        window.for_each(|at| {
            let value = x[at];
            if value > y[output] || value != value {
                (y[output], indices[output]) = (value, at as i32);
            }
        });
    });
}

/// [`super::max_pool`] of some planes, sixteen outputs of a row at once.
pub(super) struct Maxima<'a, T, P> {
    pub shape: &'a PoolShape,
    pub split: &'a Split,
    pub spans: &'a Spans,
    pub planes: usize,
    /// From the first plane on.
    pub x: &'a [T],
    pub y: &'a mut [T],
    pub indices: &'a mut [i32],
    /// Room for a copy, and for the outputs of a band.
    pub room: &'a mut [T],
    pub places: &'a mut [i32],
    /// Computes a plane that holds a NaN.
    pub plain: P,
}

impl<T: Largest, P: FnMut(usize, &mut [T], &mut [i32])> Kernel for Maxima<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Maxima { shape, split, spans, planes, x, y, indices, room, places, mut plain } = self;
        let (area, positions, columns) = (shape.area(), shape.positions(), shape.output[2]);
        let (copy, values) = room.split_at_mut(split.copy_size());
        for plane in 0..planes {
            let x = (&x[plane * area..], T::NEGATIVE_INFINITY);
            let (mut at, mut nan) = (plane * positions, false);
            for part in split.bands() {
                nan |= split.copy(simd, x, part.clone(), copy);
                let count = part.1.len() * columns;
                let (y, indices, band) = (&mut y[at..], &mut indices[at..], split.band(part, copy));
                let nothing = if split.pitch == columns {
                    T::largest(simd, band, y, indices)
                } else {
                    let nothing = T::largest(simd, band, values, places);
                    pack(values, split.pitch, columns, y, count);
                    pack(places, split.pitch, columns, indices, count);
                    nothing
                };
                if nothing {
                    for i in (0..count).filter(|&i| y[i] == T::NEGATIVE_INFINITY) {
                        indices[i] = spans.start(shape, at + i - plane * positions) as i32;
                    }
                }
                at += count;
            }
            if nan {
                plain(plane, y, indices);
            }
        }
    }
}

/// [`Largest::largest`].
#[inline(always)]
pub(super) fn largest<T: Number>(band: Band<T>, y: &mut [T], indices: &mut [i32]) -> bool {
    let mut nothing = false;
    for first in (0..band.count).step_by(LANES) {
        let (mut best, mut places) = ([T::NEGATIVE_INFINITY; LANES], [0; LANES]);
        for tap in band.taps {
            let x = band.at(first, tap);
            for i in 0..LANES {
                if x[i] > best[i] {
                    (best[i], places[i]) = (x[i], tap.place);
                }
            }
        }
        for (i, (y, index)) in y[first..].iter_mut().zip(&mut indices[first..]).take(LANES).enumerate() {
            let start = band.first.wrapping_add(band.starts[first + i]);
            (*y, *index) = (best[i], places[i].wrapping_add(start) as i32);
            nothing |= best[i] == T::NEGATIVE_INFINITY;
        }
    }
    nothing
}

/// [`largest`], in vectors. The most common windows are compiled by themselves.
#[inline(always)]
pub(super) fn largest_vectors<S: Simd>(simd: S, band: Band<f32>, y: &mut [f32], indices: &mut [i32]) -> bool {
    match (<&[Tap; 4]>::try_from(band.taps), <&[Tap; 9]>::try_from(band.taps)) {
        (Ok(taps), _) => largest_of(simd, band, taps, y, indices),
        (_, Ok(taps)) => largest_of(simd, band, taps, y, indices),
        _ => largest_of(simd, band, band.taps, y, indices),
    }
}

#[inline(always)]
fn largest_of<S: Simd>(simd: S, band: Band<f32>, taps: &[Tap], y: &mut [f32], indices: &mut [i32]) -> bool {
    let none = simd.splat(f32::NEG_INFINITY);
    let base = simd.splat_i(band.first as i32);
    let mut least = simd.splat(f32::INFINITY);
    for first in (0..band.count).step_by(LANES) {
        let (mut best, mut place) = (none, simd.with_bits(simd.splat_i(0)));
        for tap in taps {
            let value = simd.load(band.at(first, tap));
            let larger = simd.lt(best, value);
            best = simd.select(larger, value, best);
            place = simd.select(larger, simd.with_bits(simd.splat_i(tap.place as i32)), place);
        }
        let starts = simd.load_i(band.starts[first..].first_chunk().expect("a vector more than there are windows"));
        let place = simd.add_i(simd.bits(place), simd.add_i(starts, base));
        least = simd.min(best, least);
        match (y[first..].first_chunk_mut(), indices[first..].first_chunk_mut()) {
            (Some(y), Some(indices)) => {
                simd.store(best, y);
                simd.store_i(place, as_unsigned(indices));
            }
            _ => {
                let (mut values, mut places) = ([0.0; LANES], [0; LANES]);
                simd.store(best, &mut values);
                simd.store_i(place, &mut places);
                for (i, (y, index)) in y[first..].iter_mut().zip(&mut indices[first..]).enumerate() {
                    (*y, *index) = (values[i], places[i] as i32);
                }
            }
        }
    }
    simd.any(simd.eq(least, none))
}

pub(super) fn as_unsigned(x: &mut [i32; LANES]) -> &mut [u32; LANES] {
    // SAFETY: both have one size and alignment, and all bits are a value of either.
    unsafe { &mut *std::ptr::from_mut(x).cast() }
}

pub(super) fn unsigned(x: &[i32; LANES]) -> &[u32; LANES] {
    // SAFETY: both have one size and alignment, and all bits are a value of either.
    unsafe { &*std::ptr::from_ref(x).cast() }
}

pub(super) fn maxima_backward<T: Largest>(shape: &PoolShape, dy: &[T], indices: &[i32], dx: &mut [T]) {
    let (area, positions) = (shape.area(), shape.positions());
    let dx = SharedMut::new(dx);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            // SAFETY: a plane is one task's alone.
            let dx = unsafe { dx.range(plane * area..(plane + 1) * area) };
            dx.fill(T::ZERO);
            let range = plane * positions..(plane + 1) * positions;
            for (&dy, &index) in dy[range.clone()].iter().zip(&indices[range]) {
                if !dx.is_empty() {
                    dx[index as usize] += dy;
                }
            }
        }
    });
}
