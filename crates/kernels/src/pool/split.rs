//! Strided windows: bands of a plane are copied with their padding, every `stride`-th row and column together. An element of
//! the windows of neighbouring outputs is then a run of neighbours, across the ends of rows too.

use std::ops::Range;

use super::{Largest, PoolShape, Windows};
use crate::number::Number;
use crate::simd::{LANES, Simd};

/// Elements of a copy, about: it stays in the first-level cache.
const BAND: usize = 1 << 13;

/// An element of a window.
#[derive(Clone, Copy)]
pub(crate) struct Tap {
    /// Where that of a band's first window lies in the copy.
    offset: usize,
    /// Its distance in the plane from where the window begins.
    pub place: u32,
}

/// Every `stride`-th column of a row.
#[derive(Clone, Copy)]
pub(crate) struct Phase {
    /// The first of them in the row, and how many there are.
    first: usize,
    count: usize,
    /// Where they go in the copy.
    to: usize,
}

/// How a plane is copied: `[element of the kernel's depth, row phase, column phase, row, column]`.
pub(super) struct Split {
    input: [usize; 3],
    output: [usize; 3],
    stride: [usize; 3],
    pad: [usize; 3],
    dilation: [usize; 3],
    /// Elements of the kernel along the depth.
    depth: usize,
    /// Rows of outputs in a band.
    band: usize,
    /// Rows of the input that a window spans.
    reach: usize,
    phases: Vec<Phase>,
    /// Columns of a copied row, those that a vector overwrites later included: what lies between two rows of outputs.
    pub pitch: usize,
    /// The padding in the copy of a row.
    borders: Vec<usize>,
    /// Elements of a phase in the copy.
    area: usize,
    /// In the order of the window.
    taps: Vec<Tap>,
    /// Where the windows begin in the plane, `[row, pitch]`, and some more.
    starts: Vec<u32>,
}

/// Neighbouring outputs of a plane, `[row, pitch]`: those behind a row of outputs are anything.
#[derive(Clone, Copy)]
pub(crate) struct Band<'a, T> {
    /// The elements of the windows.
    pub taps: &'a [Tap],
    copy: &'a [T],
    /// Where the windows begin, from `first` on.
    pub starts: &'a [u32],
    pub first: u32,
    pub count: usize,
}

impl<T> Band<'_, T> {
    /// An element of the windows from `output` on, which is less than `count`.
    #[inline(always)]
    pub fn at(&self, output: usize, tap: &Tap) -> &[T; LANES] {
        let from = tap.offset + output;
        debug_assert!(output < self.count && from + LANES <= self.copy.len());
        // SAFETY: only `Split::band` makes bands, of a copy that reaches a vector beyond the last element of a tap.
        unsafe { &*self.copy.as_ptr().add(from).cast() }
    }
}

impl PoolShape {
    /// The copies for strided windows; none for adaptive ones.
    pub(super) fn split(&self) -> Option<Split> {
        let Windows::Strided { kernel, stride, pad_begin: pad, dilation, .. } = self.windows else { return None };
        let (input, output) = (self.input, self.output);
        let (last, step) = ((kernel[2] - 1) * dilation[2], stride[2]);
        let pitch = output[2] + last / step;
        let reach = (kernel[1] - 1) * dilation[1] + 1;
        let below = (reach - 1) / stride[1];
        let row = kernel[0] * stride[1] * step * pitch;
        let band = (BAND / row.max(1)).saturating_sub(below).clamp(1, output[1].max(1));
        let area = (band + below) * pitch + last / step + LANES;

        let phase = |at: usize| {
            let to = pad[2].saturating_sub(at).div_ceil(step).min(pitch);
            let first = (to * step + at).saturating_sub(pad[2]);
            Phase { first, count: input[2].saturating_sub(first).div_ceil(step).min(pitch - to), to: to + at * area }
        };
        let phases: Vec<Phase> = (0..step).map(phase).collect();
        let padding =
            |(at, phase): (usize, &Phase)| (at * area..phase.to).chain(phase.to + phase.count..at * area + pitch);
        let borders = phases.iter().enumerate().flat_map(padding).collect();
        let tap = |at: usize| {
            let z = at / kernel[2] / kernel[1];
            let [y, x] = [at / kernel[2] % kernel[1] * dilation[1], at % kernel[2] * dilation[2]];
            let phase = (z * stride[1] + y % stride[1]) * step + x % step;
            let place = (z * dilation[0] * input[1] + y) * input[2] + x;
            Tap { offset: phase * area + y / stride[1] * pitch + x / step, place: place as u32 }
        };
        let taps = (0..kernel.iter().product()).map(tap).collect();
        let start = |at: usize| {
            let [y, x] = [at / pitch * stride[1], at % pitch * stride[2]];
            y.wrapping_sub(pad[1]).wrapping_mul(input[2]).wrapping_add(x.wrapping_sub(pad[2])) as u32
        };
        let starts = (0..if pitch > 0 { output[1] * pitch + LANES } else { 0 }).map(start).collect();
        let depth = kernel[0];
        Some(Split {
            input,
            output,
            stride,
            pad,
            dilation,
            depth,
            band,
            reach,
            phases,
            pitch,
            borders,
            area,
            taps,
            starts,
        })
    }
}

impl Split {
    /// Elements of a copy.
    pub fn copy_size(&self) -> usize {
        self.depth * self.stride[1] * self.stride[2] * self.area
    }

    /// Elements of a band of outputs, with room for vectors that reach beyond it; none if they are the outputs themselves.
    pub fn band_size(&self) -> usize {
        if self.pitch == self.output[2] { 0 } else { self.band * self.pitch + LANES }
    }

    /// The bands of a plane, in the order of the outputs: depth and rows.
    pub fn bands(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let [depth, rows, _] = self.output;
        let band = move |start: usize| start..rows.min(start + self.band);
        (0..depth).flat_map(move |z| (0..rows).step_by(self.band).map(move |start| (z, band(start))))
    }

    /// The outputs of a band, whose elements `copy` holds.
    #[inline(always)]
    pub fn band<'a, T>(&'a self, (z, rows): (usize, Range<usize>), copy: &'a [T]) -> Band<'a, T> {
        assert_eq!(copy.len(), self.copy_size(), "a copy");
        assert!(rows.len() <= self.band, "a band");
        let first = (z * self.stride[0]).wrapping_sub(self.pad[0]).wrapping_mul(self.input[1] * self.input[2]) as u32;
        let count = (rows.len() * self.pitch).saturating_sub(self.pitch - self.output[2]);
        Band { taps: &self.taps, copy, starts: &self.starts[rows.start * self.pitch..], first, count }
    }

    /// Copies what a band of outputs reads of a plane, which `x` begins with. The answer is whether a NaN may be among it.
    #[inline(always)]
    pub fn copy<S: Simd, T: Largest>(
        &self,
        simd: S,
        (x, border): (&[T], T),
        (z, outputs): (usize, Range<usize>),
        copy: &mut [T],
    ) -> bool {
        let mut nan = [T::ZERO; LANES];
        let ([depth, height, width], [_, step, columns], pitch) = (self.input, self.stride, self.pitch);
        let (first, rows) = (outputs.start * step, (outputs.len() - 1) * step + self.reach);
        for (part, copy) in copy.chunks_exact_mut(columns * self.area).enumerate() {
            let (slice, phase) = (part / step, part % step);
            let z = (z * self.stride[0] + slice * self.dilation[0]).wrapping_sub(self.pad[0]);
            // Rows of this phase that come before a row of the input, counted from the start of the padding.
            let all = rows.saturating_sub(phase).div_ceil(step);
            let before = |y: usize| y.saturating_sub(first + phase).div_ceil(step).min(all);
            let inside = if z < depth { before(self.pad[1])..before(self.pad[1] + height) } else { 0..0 };
            for copy in copy.chunks_exact_mut(self.area) {
                copy[..inside.start * pitch].fill(border);
            }
            if !inside.is_empty() {
                let y = first + phase + inside.start * step - self.pad[1];
                let rows = Rows { split: self, count: inside.len(), from: step * width, border };
                T::take(simd, &x[(z * height + y) * width..], rows, &mut copy[inside.start * pitch..], &mut nan);
            }
            for copy in copy.chunks_exact_mut(self.area) {
                copy[inside.end * pitch..all * pitch].fill(border);
            }
        }
        #[allow(clippy::eq_op)] // a NaN is what differs from itself
        nan.iter().fold(false, |any, x| any | (x != x))
    }
}

/// Rows that are copied.
pub(crate) struct Rows<'a, T> {
    split: &'a Split,
    count: usize,
    /// Distance of neighbouring rows.
    from: usize,
    border: T,
}

/// Copies rows phase by phase; `nan` becomes NaN where an element is one.
#[inline(always)]
#[allow(clippy::eq_op)] // a NaN is what differs from itself
pub(super) fn take<T: Number>(x: &[T], rows: Rows<T>, copy: &mut [T], nan: &mut [T; LANES]) {
    let Split { phases, borders, pitch, .. } = rows.split;
    for row in 0..rows.count {
        let (x, copy) = (&x[row * rows.from..], &mut copy[row * pitch..]);
        for phase in phases {
            for (i, to) in copy[phase.to..][..phase.count].iter_mut().enumerate() {
                *to = x[phase.first + i * phases.len()];
                if *to != *to {
                    nan[0] = *to;
                }
            }
        }
        borders.iter().for_each(|&at| copy[at] = rows.border);
    }
}

/// [`take`] in whole vectors. What is behind the rows is read too, where there is anything, and what is copied from there
/// is overwritten by the next row or by nothing that counts.
#[inline(always)]
pub(super) fn take_vectors<S: Simd>(simd: S, x: &[f32], rows: Rows<f32>, copy: &mut [f32], nan: &mut [f32; LANES]) {
    let Rows { split: Split { phases, borders, pitch, .. }, count, from, border } = rows;
    let (first, last) = (phases.iter().map(|p| p.first).min(), phases.iter().map(|p| p.first).max());
    let (Some(first), Some(last)) = (first, last) else { return };
    let vectors = phases.iter().map(|p| p.count).fold(0, usize::max).div_ceil(LANES);
    let step = phases.len();
    let (read, written) =
        (last + step * vectors * LANES, phases.iter().map(|p| p.to).fold(0, usize::max) + vectors * LANES);
    let fits = (count - 1) * from + read <= x.len() && (count - 1) * pitch + written <= copy.len();
    if step > 2 || !fits {
        return take(x, rows, copy, nan);
    }
    let place = |at: usize| phases.iter().find(|p| p.first == first + at).map_or(0, |p| p.to);
    let to = [place(0), place(step - 1)];
    let mut seen = simd.load(nan);
    for row in 0..count {
        for i in (0..vectors * LANES).step_by(LANES) {
            // SAFETY: `fits` says that vectors from the last place on, of the last row, end in the slices.
            unsafe {
                let x = x.as_ptr().add(row * from + first + step * i);
                let copy = copy.as_mut_ptr().add(row * pitch + i);
                let mut put = |values: S::F, at: usize| {
                    seen = simd.select(simd.eq(values, values), seen, values);
                    simd.store(values, &mut *copy.add(at).cast());
                };
                if step == 1 {
                    put(simd.load(&*x.cast()), to[0]);
                } else {
                    let (a, b) = (simd.load(&*x.cast()), simd.load(&*x.add(LANES).cast()));
                    put(simd.evens(a, b), to[0]);
                    put(simd.odds(a, b), to[1]);
                }
            }
        }
        borders.iter().for_each(|&at| copy[row * pitch + at] = border);
    }
    simd.store(seen, nan);
}

/// Brings `count` elements in rows of `columns`, `pitch` apart, together in `to`. What lies behind them may be overwritten.
#[inline(always)]
pub(super) fn pack<T: Copy>(from: &[T], pitch: usize, columns: usize, to: &mut [T], count: usize) {
    for (row, at) in (0..count).step_by(columns.max(1)).enumerate() {
        let (from, to) = (&from[row * pitch..], &mut to[at..]);
        for i in (0..columns).step_by(LANES) {
            match (from[i..].first_chunk::<LANES>(), to[i..].first_chunk_mut()) {
                (Some(from), Some(to)) => *to = *from,
                _ => to[i..columns].copy_from_slice(&from[i..columns]),
            }
        }
    }
}
