//! Convolutions whose kernel is a single position, over images whose channels lie last: products of positions with the
//! weight, `y[p, o] = Σ x[p, c]·w[o, c]`. Nothing but the weight is packed, and every tile is full but for the last
//! positions.

use std::ops::Range;

use super::{ConvShape, Finish};
use crate::gemm::{Element, Lanes, Prepacked, apart, fits_ways};
use crate::scratch;
use crate::simd::{LANES, isa};
use crate::threads::{SharedMut, for_chunks_mut, most_tasks, parallel_for};

/// Multiply-adds worth a task.
const TASK: usize = 3 << 18;
/// Positions that one task copies.
const COPIED: usize = 16;
/// Output channels that are worth a copy of the inputs.
const COPIED_FOR: usize = 256;

/// Whether [`forward`] takes this shape.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let inside = (0..3).all(|d| shape.output[d] > 0 && (shape.output[d] - 1) * shape.stride[d] < shape.input[d]);
    let point = shape.kernel == [1; 3] && shape.pad_begin == [0; 3] && inside;
    point && shape.groups == 1 && shape.in_channels.min(shape.out_channels) >= LANES
}

/// Steps of the chain of a result.
fn steps(shape: &ConvShape) -> usize {
    shape.in_channels * shape.kernel.iter().product::<usize>()
}

/// The elements of a packed weight.
pub(super) fn packed_len(shape: &ConvShape) -> usize {
    Prepacked::elements(f32::kernels(isa()), shape.out_channels, steps(shape))
}

/// Packs a weight of one group, whose kernels may have several positions: panels of output channels.
pub(super) fn pack(shape: &ConvShape, weight: &[f32], to: &mut [f32]) {
    let (n, k) = (shape.out_channels, steps(shape));
    Prepacked::new(f32::kernels(isa()), Lanes { data: weight, step: 1, lane: k }, n, k, to);
}

/// With a weight from [`pack`].
pub(super) fn forward(shape: &ConvShape, x: &[f32], packed: &[f32], finish: Finish<f32>, y: &mut [f32]) {
    let (kernels, n, k) = (f32::kernels(isa()), shape.out_channels, shape.in_channels);
    let weight = &Prepacked::of(kernels, n, k, packed);
    let rows = Rows::of(shape);
    let fit = fits_ways::<f32>(shape.stride[2] * k, kernels.rows()) && rows.line.min(rows.all()) >= kernels.rows();
    if fit || n < COPIED_FOR {
        return multiply(weight, rows, x, finish, y);
    }
    // Positions that the cache maps to the same places, and lines shorter than a tile: they are laid side by side, where
    // the cache has room for all of them.
    let row = apart::<f32>(k);
    scratch::with(rows.all() * row, |copy: &mut [f32]| {
        for_chunks_mut(copy, COPIED * row, |task, to| {
            let positions = task * COPIED..rows.all().min((task + 1) * COPIED);
            let from =
                rows.neighbours(positions).flat_map(|(at, start, apart)| (0..at.len()).map(move |i| start + i * apart));
            to.chunks_exact_mut(row).zip(from).for_each(|(to, from)| to[..k].copy_from_slice(&x[from..][..k]));
        });
        let together = ConvShape { stride: [1; 3], ..*shape };
        multiply(weight, Rows { shape: together, line: rows.all(), row }, copy, finish, y);
    });
}

fn multiply(weight: &Prepacked<f32>, rows: Rows, x: &[f32], finish: Finish<f32>, y: &mut [f32]) {
    let (kernels, n, k) = (f32::kernels(isa()), rows.shape.out_channels, rows.shape.in_channels);
    let y = &SharedMut::new(y);
    let panels = n.div_ceil(kernels.columns());
    let tasks = (rows.all() * n * k / TASK).clamp(1, most_tasks());
    let across = panels.min(tasks);
    let down = (tasks / across).min(rows.all());
    let part = |i: usize, parts: usize, whole: usize| i * whole / parts..(i + 1) * whole / parts;
    parallel_for(across * down, |task| {
        let mine = part(task / across, down, rows.all());
        for panel in part(task % across, across, panels) {
            let columns = panel * kernels.columns()..n.min((panel + 1) * kernels.columns());
            // A panel of the weight meets all positions while it is near.
            for (positions, start, a_row) in rows.neighbours(mine.clone()) {
                let (c_start, m) = (positions.start * n, positions.len());
                // SAFETY: these columns of these positions are this task's alone.
                unsafe {
                    let (Finish { bias, bounds }, columns) = (finish, columns.clone());
                    weight.columns(columns, 0..k, m, &x[start..], a_row, bias, bounds, y, c_start, n);
                }
            }
        }
    });
}

/// The positions of all results, and where they read.
#[derive(Clone, Copy)]
struct Rows {
    shape: ConvShape,
    /// Neighbours in a line.
    line: usize,
    /// Elements from an input to the next.
    row: usize,
}

impl Rows {
    fn of(shape: &ConvShape) -> Rows {
        let whole = shape.input == shape.output && shape.stride == [1; 3];
        let line = if whole { shape.batch * shape.output.iter().product::<usize>() } else { shape.output[2] };
        Rows { shape: *shape, line, row: shape.in_channels }
    }

    fn all(&self) -> usize {
        self.shape.batch * self.shape.output.iter().product::<usize>()
    }

    /// The positions of a range in lines: which they are, where the first reads, and how far the next reads from it.
    fn neighbours(self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, usize, usize)> {
        let ConvShape { input, output, stride, .. } = self.shape;
        let lines = range.start / self.line..range.end.div_ceil(self.line);
        lines.map(move |line| {
            let from = range.start.max(line * self.line);
            let to = range.end.min((line + 1) * self.line);
            let (image, d, h) = (line / output[1] / output[0], line / output[1] % output[0], line % output[1]);
            let first = ((image * input[0] + d * stride[0]) * input[1] + h * stride[1]) * input[2];
            (from..to, (first + (from - line * self.line) * stride[2]) * self.row, stride[2] * self.row)
        })
    }
}
