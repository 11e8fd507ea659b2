//! The largest elements of windows and their places, and the way back, of images whose channels lie last:
//! `[image, depth, height, width, channel]`.
//!
//! The channels of a pixel are registers side by side, so a window is walked pixel by pixel, whatever its size and stride.
//! Forward, a row of outputs is computed by one task; back, a row of inputs, which takes from all outputs that reach it, in
//! their order: that is the order in which [`super::max_pool_backward`] adds. Windows side by side are also written window by
//! window, each input once.

use super::maxima::{as_unsigned, unsigned};
use super::windows::Spans;
use super::{Largest, PoolShape, TASK, Windows};
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};
use std::ops::Range;

pub(super) fn maxima<T: Largest>(shape: &PoolShape, channels: usize, x: &[T], y: &mut [T], indices: &mut [i32]) {
    let (spans, area) = (shape.spans(), shape.area());
    assert!(i32::try_from(area).is_ok(), "a plane of {area} elements has places beyond 2³¹");
    let row = shape.output[2] * channels;
    let rows = y.len() / row;
    let (y, indices) = (SharedMut::new(y), SharedMut::new(indices));
    for_chunks(rows, TASK.div_ceil((x.len() / rows).max(row)), |rows| {
        let range = rows.start * row..rows.end * row;
        // SAFETY: a row is one task's alone.
        let (y, indices) = unsafe { (y.range(range.clone()), indices.range(range)) };
        dispatch(Maxima { shape, spans: &spans, channels, rows, x, y, indices });
    });
}

/// [`super::max_pool_channels_last`] of some rows of outputs.
struct Maxima<'a, T> {
    shape: &'a PoolShape,
    spans: &'a Spans,
    channels: usize,
    /// Among the rows of all images.
    rows: Range<usize>,
    x: &'a [T],
    /// Those rows.
    y: &'a mut [T],
    indices: &'a mut [i32],
}

impl<T: Largest> Kernel for Maxima<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Maxima { shape, spans, channels, rows, x, y, indices } = self;
        let ([_, height, width], [depth, lines, columns]) = (shape.input, shape.output);
        let image = shape.area() * channels;
        // The pixels of a window from its first on, and how many there are along each axis.
        let (mut taps, mut size) = (Vec::new(), [0; 3]);
        let outputs = y.chunks_exact_mut(columns * channels).zip(indices.chunks_exact_mut(columns * channels));
        for (row, (y, indices)) in rows.zip(outputs) {
            let (z, line) = (spans.axes[0][row / lines % depth], spans.axes[1][row % lines]);
            let x = &x[row / lines / depth * image..][..image];
            let pixels = y.chunks_exact_mut(channels).zip(indices.chunks_exact_mut(channels));
            for (span, (y, indices)) in spans.axes[2].iter().zip(pixels) {
                if size != [z.count, line.count, span.count] {
                    size = [z.count, line.count, span.count];
                    let strides = [spans.step[0] * height * width, spans.step[1] * width, spans.step[2]];
                    let along = |d: usize| (0..size[d]).map(move |i| i * strides[d]);
                    taps.clear();
                    taps.extend(along(0).flat_map(|z| along(1).flat_map(move |y| along(2).map(move |x| z + y + x))));
                }
                if taps.is_empty() {
                    y.fill(T::NEGATIVE_INFINITY);
                    indices.fill(0);
                    continue;
                }
                let place = (z.first * height + line.first) * width + span.first;
                T::largest_of_pixels(simd, &x[place * channels..], &taps, place, y, indices);
            }
        }
    }
}

/// [`Largest::largest_of_pixels`], one channel after the other.
#[inline(always)]
#[allow(clippy::eq_op)] // a NaN is what differs from itself
pub(super) fn largest_of_pixels<T: Largest>(x: &[T], taps: &[usize], place: usize, y: &mut [T], indices: &mut [i32]) {
    let channels = y.len();
    y.fill(T::NEGATIVE_INFINITY);
    indices.fill(place as i32);
    for &tap in taps {
        for ((y, index), &value) in y.iter_mut().zip(&mut *indices).zip(&x[tap * channels..]) {
            if value > *y || value != value {
                (*y, *index) = (value, (place + tap) as i32);
            }
        }
    }
}

/// [`Largest::largest_of_pixels`], in vectors. The most common windows are compiled by themselves.
#[inline(always)]
pub(super) fn largest_vectors<S: Simd>(
    simd: S,
    x: &[f32],
    taps: &[usize],
    place: usize,
    y: &mut [f32],
    indices: &mut [i32],
) {
    match (<&[usize; 4]>::try_from(taps), <&[usize; 9]>::try_from(taps)) {
        _ if y.len() < LANES => largest_of_pixels(x, taps, place, y, indices),
        (Ok(taps), _) => vectors_of(simd, x, taps, place, y, indices),
        (_, Ok(taps)) => vectors_of(simd, x, taps, place, y, indices),
        _ => vectors_of(simd, x, taps, place, y, indices),
    }
}

#[inline(always)]
fn vectors_of<S: Simd>(simd: S, x: &[f32], taps: &[usize], place: usize, y: &mut [f32], indices: &mut [i32]) {
    let channels = y.len();
    let none = simd.splat(f32::NEG_INFINITY);
    let at = |place: usize| simd.with_bits(simd.splat_i(place as i32));
    for first in registers(channels) {
        let (mut best, mut places) = (none, at(place));
        for &tap in taps {
            let value = simd.load(x[tap * channels + first..].first_chunk().expect("the channels of a pixel"));
            let (larger, number) = (simd.lt(best, value), simd.eq(value, value));
            best = simd.select(number, simd.select(larger, value, best), value);
            places = simd.select(number, simd.select(larger, at(place + tap), places), at(place + tap));
        }
        simd.store(best, y[first..].first_chunk_mut().expect("a register"));
        let indices = indices[first..].first_chunk_mut().expect("a register");
        simd.store_i(simd.bits(places), as_unsigned(indices));
    }
}

/// The first channels of the registers that a pixel's channels are, at least one register full: the last register may
/// have some of the channels of the one before.
#[inline(always)]
fn registers(channels: usize) -> impl Iterator<Item = usize> {
    (0..channels).step_by(LANES).map(move |first| first.min(channels - LANES))
}

pub(super) fn maxima_backward<T: Largest>(shape: &PoolShape, channels: usize, dy: &[T], indices: &[i32], dx: &mut [T]) {
    let (row, lines) = (shape.input[2] * channels, dx.len() / (shape.input[2] * channels));
    let dx = SharedMut::new(dx);
    if let Some(size) = shape.tiles() {
        return for_chunks(lines / size[0], TASK.div_ceil(size[0] * row), |rows| {
            // SAFETY: the inputs of a row of outputs are one task's alone.
            let dx = unsafe { dx.range(rows.start * size[0] * row..rows.end * size[0] * row) };
            dispatch(Tiles { shape, size, channels, rows, dy, indices, dx });
        });
    }
    let spans = shape.spans();
    let reached = [0, 1].map(|d| spans.reached(d, shape.input[d]));
    for_chunks(lines, TASK.div_ceil(row), |rows| {
        // SAFETY: a row is one task's alone.
        let dx = unsafe { dx.range(rows.start * row..rows.end * row) };
        dispatch(Backward { shape, spans: &spans, reached: &reached, channels, rows, dy, indices, dx });
    });
}

impl PoolShape {
    /// Height and width of the windows, if they tile flat planes.
    fn tiles(&self) -> Option<[usize; 2]> {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = self.windows else { return None };
        let plain = (self.input[0], self.output[0], kernel[0]) == (1, 1, 1) && kernel[1..] == stride[1..];
        let tiled = (1..3).all(|d| self.output[d] * kernel[d] == self.input[d]);
        (plain && tiled && pad_begin == [0; 3] && dilation == [1; 3]).then_some([kernel[1], kernel[2]])
    }
}

/// [`super::max_pool_channels_last_backward`] of the inputs of some rows of outputs whose windows are tiles: every input is
/// written once.
struct Tiles<'a, T> {
    shape: &'a PoolShape,
    size: [usize; 2],
    channels: usize,
    /// Among the rows of outputs of all images.
    rows: Range<usize>,
    dy: &'a [T],
    indices: &'a [i32],
    /// The inputs of those rows.
    dx: &'a mut [T],
}

impl<T: Largest> Kernel for Tiles<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Tiles { shape, size: [tall, wide], channels, rows, dy, indices, dx } = self;
        let ([_, _, width], [_, lines, columns]) = (shape.input, shape.output);
        let taps: Vec<usize> = (0..tall).flat_map(|y| (0..wide).map(move |x| y * width + x)).collect();
        let outputs = rows.start * columns * channels..rows.end * columns * channels;
        let mut pixels = dy[outputs.clone()].chunks_exact(channels).zip(indices[outputs].chunks_exact(channels));
        for (row, dx) in rows.zip(dx.chunks_exact_mut(tall * width * channels)) {
            for (column, (dy, indices)) in (&mut pixels).take(columns).enumerate() {
                let place = row % lines * tall * width + column * wide;
                let dx = &mut dx[column * wide * channels..];
                T::add_to_pixels::<S, true>(simd, dy, indices, place, &taps, dx);
            }
        }
    }
}

impl Spans {
    /// For each input along an axis, outputs among which are all whose windows it belongs to.
    fn reached(&self, d: usize, inputs: usize) -> Vec<Range<usize>> {
        let mut reached = vec![0..0; inputs];
        for (output, span) in self.axes[d].iter().enumerate() {
            for i in 0..span.count {
                let outputs = &mut reached[span.first + i * self.step[d]];
                match outputs.end {
                    0 => *outputs = output..output + 1,
                    _ => outputs.end = output + 1,
                }
            }
        }
        reached
    }

    /// Whether an input belongs to an output's window along an axis.
    #[inline(always)]
    fn reaches(&self, d: usize, output: usize, input: usize) -> bool {
        let span = &self.axes[d][output];
        let from = input.wrapping_sub(span.first);
        from.is_multiple_of(self.step[d]) && from / self.step[d] < span.count
    }
}

/// [`super::max_pool_channels_last_backward`] of some rows of inputs.
struct Backward<'a, T> {
    shape: &'a PoolShape,
    spans: &'a Spans,
    /// Of depth and height: see [`Spans::reached`].
    reached: &'a [Vec<Range<usize>>; 2],
    channels: usize,
    /// Among the rows of all images.
    rows: Range<usize>,
    dy: &'a [T],
    indices: &'a [i32],
    /// Those rows.
    dx: &'a mut [T],
}

impl<T: Largest> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Backward { shape, spans, reached, channels, rows, dy, indices, dx } = self;
        let ([depth, height, width], [_, lines, columns]) = (shape.input, shape.output);
        // A row of pixels as long as a window may have; and the one pixel whose place windows outside the input have.
        let most = spans.axes[2].iter().map(|span| span.count).max().unwrap_or(0);
        let taps: Vec<usize> = (0..most.max(1)).map(|i| i * spans.step[2]).collect();
        let some_outside = spans.axes.iter().flatten().any(|span| span.count == 0);
        for (row, dx) in rows.zip(dx.chunks_exact_mut(width * channels)) {
            dx.fill(T::ZERO);
            let (image, z, y) = (row / height / depth, row / height % depth, row % height);
            // The row with that pixel asks all outputs.
            let all = some_outside && (z, y) == (0, 0);
            let near = |d: usize, at: usize| if all { 0..shape.output[d] } else { reached[d][at].clone() };
            for (out_z, line) in near(0, z).flat_map(|z| near(1, y).map(move |line| (z, line))) {
                let inside = spans.reaches(0, out_z, z) && spans.reaches(1, line, y);
                let outside = spans.axes[0][out_z].count.min(spans.axes[1][line].count) == 0;
                let outputs = ((image * shape.output[0] + out_z) * lines + line) * columns * channels;
                let outputs = outputs..outputs + columns * channels;
                let pixels = dy[outputs.clone()].chunks_exact(channels).zip(indices[outputs].chunks_exact(channels));
                for (span, (dy, indices)) in spans.axes[2].iter().zip(pixels) {
                    let (first, count) = match (outside || span.count == 0, inside) {
                        (true, _) => (0, all as usize),
                        (_, true) => (span.first, span.count),
                        (_, false) => continue,
                    };
                    let (place, dx) = ((z * height + y) * width + first, &mut dx[first * channels..]);
                    T::add_to_pixels::<S, false>(simd, dy, indices, place, &taps[..count], dx);
                }
            }
        }
    }
}

/// [`Largest::add_to_pixels`], one channel after the other.
#[inline(always)]
pub(super) fn add_to_pixels<T: Largest, const ONCE: bool>(
    dy: &[T],
    indices: &[i32],
    place: usize,
    taps: &[usize],
    dx: &mut [T],
) {
    let channels = dy.len();
    for &tap in taps {
        for ((dx, &dy), &index) in dx[tap * channels..].iter_mut().zip(dy).zip(indices) {
            let before = if ONCE { T::ZERO } else { *dx };
            *dx = if index == (place + tap) as i32 { before + dy } else { before };
        }
    }
}

/// [`Largest::add_to_pixels`], in vectors. The most common windows, and rows of them, are compiled by themselves.
#[inline(always)]
pub(super) fn add_vectors<S: Simd, const ONCE: bool>(
    simd: S,
    dy: &[f32],
    indices: &[i32],
    place: usize,
    taps: &[usize],
    dx: &mut [f32],
) {
    match (<&[usize; 4]>::try_from(taps), <&[usize; 3]>::try_from(taps)) {
        _ if dy.len() < LANES => add_to_pixels::<f32, ONCE>(dy, indices, place, taps, dx),
        (Ok(taps), _) if ONCE => add_vectors_of::<S, ONCE>(simd, dy, indices, place, taps, dx),
        (_, Ok(taps)) if !ONCE => add_vectors_of::<S, ONCE>(simd, dy, indices, place, taps, dx),
        _ => add_vectors_of::<S, ONCE>(simd, dy, indices, place, taps, dx),
    }
}

#[inline(always)]
fn add_vectors_of<S: Simd, const ONCE: bool>(
    simd: S,
    dy: &[f32],
    indices: &[i32],
    place: usize,
    taps: &[usize],
    dx: &mut [f32],
) {
    // Lanes that are all ones make an index none: those of channels that a register has in common with the one before.
    const NONE: [u32; 2 * LANES] = {
        let mut none = [0; 2 * LANES];
        let (first, _) = none.split_at_mut(LANES);
        first.copy_from_slice(&[!0; LANES]);
        none
    };
    let channels = dy.len();
    let mut done = 0;
    for first in registers(channels) {
        let dy = simd.load(dy[first..].first_chunk().expect("a register"));
        let mut index = simd.load_i(unsigned(indices[first..].first_chunk().expect("a register")));
        if !ONCE && done > first {
            index = simd.or(index, simd.load_i(NONE[LANES - (done - first)..].first_chunk().expect("a register")));
        }
        done = first + LANES;
        for &tap in taps {
            let dx = dx[tap * channels + first..].first_chunk_mut().expect("the channels of a pixel");
            let before = if ONCE { simd.splat(0.0) } else { simd.load(dx) };
            let here = simd.eq_i(index, simd.splat_i((place + tap) as i32));
            simd.store(simd.select(here, simd.add(before, dy), before), dx);
        }
    }
}

#[cfg(test)]
mod tests;
