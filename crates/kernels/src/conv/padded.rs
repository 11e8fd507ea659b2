//! Convolutions over images whose channels lie last: products of positions with the weight, as those of a single position
//! (`points.rs`), whose inputs are read from a padded copy.
//!
//! The rows of a tile are neighbouring positions, its columns are output channels, and a table says where the input of
//! every step is. Chains run over (channel, kernel position), as they do with channels first; of a channel the whole
//! kernel is met before the next, so that a line of the cache is used up while it is near.
//!
//! Positions are neighbours in a line of the copy. Short lines would leave tiles half empty: there each kernel element
//! gets a copy of its own, of just what it meets, in which all positions of all images are neighbours.

use std::ops::Range;

use super::{ConvShape, Finish, images};
use crate::gemm::{Element, Next, Prepacked, Step, Tile, Walk};
use crate::scratch;
use crate::simd::{LANES, isa};
use crate::threads::{SharedMut, most_tasks, parallel_for};

/// Multiply-adds worth a task.
const TASK: usize = 3 << 18;
/// Elements of a weight that stay in a second-level cache beside a copy. Tasks share a larger one.
const WEIGHT: usize = 3 << 16;
/// A tile has at least so many rows if there are enough positions, and lines that have fewer are short.
const ROWS: usize = 12;
/// Positions of a map with short lines at most: copies for all kernel elements would grow large.
const SMALL: usize = 256;
/// Elements that a copy of lines aims at.
const COPY: usize = 1 << 17;
/// Elements that the copies of a round of images aim at.
const ROUND: usize = 1 << 19;
/// Elements of the copy between the channels of neighbouring inputs: with many channels, those of all positions of a tile
/// would otherwise meet in the same few places of a cache.
const GAP: usize = 16;

/// Whether [`forward`] takes this shape.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let flat = [shape.input[0], shape.kernel[0], shape.output[0]] == [1; 3] && shape.pad_begin[0] == 0;
    let wide = shape.in_channels.min(shape.out_channels) >= LANES;
    let lines = shape.output[2] >= ROWS || (ROWS..=SMALL).contains(&positions(shape));
    flat && wide && lines && shape.groups == 1 && !images::suits(shape)
}

fn positions(shape: &ConvShape) -> usize {
    shape.output[1] * shape.output[2]
}

fn kernel_size(shape: &ConvShape) -> usize {
    shape.kernel.iter().product()
}

/// With a weight from [`super::points::pack`].
pub(super) fn forward(shape: &ConvShape, x: &[f32], packed: &[f32], finish: Finish<f32>, y: &mut [f32]) {
    let y = &SharedMut::new(y);
    if shape.output[2] < ROWS { short(shape, x, packed, finish, y) } else { wide(shape, x, packed, finish, y) }
}

/// Images of short lines.
fn short(shape: &ConvShape, x: &[f32], packed: &[f32], finish: Finish<f32>, y: &SharedMut<f32>) {
    let input = shape.in_channels + GAP;
    let image = kernel_size(shape) * positions(shape) * input;
    let round = (ROUND / image).clamp(1, shape.batch);
    let elements = Elements { shape, input, positions: round * positions(shape) };
    let place = |channel, y, x| (y * shape.kernel[2] + x) * elements.size() + channel;
    let product = Product::new(shape, packed, place, finish, y);
    scratch::with(round * image, |copy: &mut [f32]| {
        for first in (0..shape.batch).step_by(round) {
            let images = first..shape.batch.min(first + round);
            elements.copy(x, images.clone(), copy);
            let (rows, to) = (images.len() * positions(shape), first * positions(shape));
            // One task for each panel: the weights of short lines are many.
            parallel_for(product.panels(), |panel| {
                let runs = Runs { count: 1, rows, to, a_run: 0, a_row: input };
                // SAFETY: these channels are this task's alone; the kernel elements have copies of all positions.
                unsafe { product.panel(panel, copy, runs) };
            });
        }
    });
}

/// Images of lines that fill tiles.
fn wide(shape: &ConvShape, x: &[f32], packed: &[f32], finish: Finish<f32>, y: &SharedMut<f32>) {
    let input = shape.in_channels + GAP;
    let lines = Lines { shape, input, columns: reach(shape, 2, shape.output[2]) };
    let [down, right] = [shape.dilation[1] * lines.size(), shape.dilation[2] * input];
    let product = Product::new(shape, packed, |channel, y, x| y * down + x * right + channel, finish, y);
    let (all, panels) = (shape.batch * shape.output[1], product.panels());
    let tasks = (all * shape.output[2] * shape.weight_len() / TASK).clamp(1, most_tasks());
    let across = shape.weight_len().div_ceil(WEIGHT).min(panels).min(tasks);
    let down = (tasks / across).min(all);
    let part = |i: usize, parts: usize, whole: usize| i * whole / parts..(i + 1) * whole / parts;
    parallel_for(across * down, |task| {
        let (mine, panels) = (part(task / across, down, all), part(task % across, across, panels));
        for rows in lines.blocks(mine) {
            scratch::with(lines.len(rows.len()), |copy: &mut [f32]| {
                lines.copy(x, rows.start, copy);
                for panel in panels.clone() {
                    let runs = Runs {
                        count: rows.len(),
                        rows: shape.output[2],
                        to: rows.start * shape.output[2],
                        a_run: shape.stride[1] * lines.size(),
                        a_row: shape.stride[2] * input,
                    };
                    // SAFETY: these channels of these lines are this task's alone, whose inputs are copied.
                    unsafe { product.panel(panel, copy, runs) };
                }
            });
        }
    });
}

/// Inputs along an axis that some neighbouring results read.
fn reach(shape: &ConvShape, axis: usize, results: usize) -> usize {
    (results - 1) * shape.stride[axis] + (shape.kernel[axis] - 1) * shape.dilation[axis] + 1
}

/// Where the input of each step of a result is: `place` says it for a channel under a row and a column of the kernel.
fn table(shape: &ConvShape, place: impl Fn(usize, usize, usize) -> usize) -> Vec<Step> {
    let [_, rows, columns] = shape.kernel;
    let mut steps = Vec::with_capacity(shape.in_channels * rows * columns);
    for channel in 0..shape.in_channels {
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            steps.push(Step::new(u32::try_from(place(channel, y, x)).expect("a copy of less than 16 GiB"), 0));
        }
    }
    steps
}

/// A copy of what some lines of results read: `[line, column, channel]`.
struct Lines<'a> {
    shape: &'a ConvShape,
    /// Elements between neighbouring inputs.
    input: usize,
    columns: usize,
}

impl Lines<'_> {
    /// Elements of a line.
    fn size(&self) -> usize {
        self.columns * self.input
    }

    /// Elements that some lines of results read.
    fn len(&self, results: usize) -> usize {
        reach(self.shape, 1, results) * self.size()
    }

    /// Lines of results in blocks: each within an image, and its copy within [`COPY`].
    fn blocks(&self, lines: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let height = self.shape.output[1];
        let most = (1..=height).rev().find(|&rows| self.len(rows) <= COPY).unwrap_or(1);
        let mut at = lines.start;
        std::iter::from_fn(move || {
            let end = lines.end.min((at / height + 1) * height).min(at + most);
            let block = at..end;
            at = end;
            (!block.is_empty()).then_some(block)
        })
    }

    /// Copies what the results from line `first` on read, as many as there is place for.
    fn copy(&self, x: &[f32], first: usize, copy: &mut [f32]) {
        let ConvShape { input: [_, height, width], output, in_channels, stride, .. } = *self.shape;
        let [_, above, left] = self.shape.pad_begin;
        let (image, first) = (first / output[1], first % output[1] * stride[1]);
        let inside = left.min(self.columns)..(left + width).min(self.columns);
        for (line, to) in copy.chunks_exact_mut(self.size()).enumerate() {
            let Some(line) = (first + line).checked_sub(above).filter(|&line| line < height) else {
                to.fill(0.0);
                continue;
            };
            let x = &x[(image * height + line) * width * in_channels..][..inside.len() * in_channels];
            to[..inside.start * self.input].fill(0.0);
            to[inside.end * self.input..].fill(0.0);
            let to = to[inside.start * self.input..].chunks_exact_mut(self.input);
            to.zip(x.chunks_exact(in_channels)).for_each(|(to, x)| to[..in_channels].copy_from_slice(x));
        }
    }
}

/// Copies of what each kernel element meets: `[kernel element, position, channel]`.
struct Elements<'a> {
    shape: &'a ConvShape,
    /// Elements between neighbouring inputs.
    input: usize,
    /// Those of all images of a round.
    positions: usize,
}

impl Elements<'_> {
    /// The size of the copy of a kernel element.
    fn size(&self) -> usize {
        self.positions * self.input
    }

    /// Copies what some images' results read.
    fn copy(&self, x: &[f32], images: Range<usize>, copy: &mut [f32]) {
        let ConvShape { input, kernel, output, in_channels, stride, dilation, pad_begin, .. } = *self.shape;
        let source = |axis: usize, at: usize, element: usize| {
            let at = (at * stride[axis] + element * dilation[axis]).checked_sub(pad_begin[axis])?;
            (at < input[axis]).then_some(at)
        };
        let (lines, shared) = (images.len() * output[1], SharedMut::new(copy));
        parallel_for(kernel_size(self.shape), |element| {
            // SAFETY: a kernel element is one task's alone.
            let to = unsafe { shared.range(element * self.size()..(element + 1) * self.size()) };
            let mut to = to.chunks_exact_mut(self.input);
            for line in 0..lines {
                let image = images.start + line / output[1];
                let row = source(1, line % output[1], element / kernel[2]);
                for (column, to) in (0..output[2]).zip(&mut to) {
                    let place = row.zip(source(2, column, element % kernel[2]));
                    let at = |(row, column)| ((image * input[1] + row) * input[2] + column) * in_channels;
                    match place.map(at) {
                        Some(at) => to[..in_channels].copy_from_slice(&x[at..at + in_channels]),
                        None => to[..in_channels].fill(0.0),
                    }
                }
            }
        });
    }
}

/// Positions by the weight.
struct Product<'a> {
    weight: Prepacked<'a, f32>,
    table: Vec<Step>,
    finish: Finish<'a, f32>,
    y: &'a SharedMut<'a, f32>,
}

/// Runs of neighbouring positions.
struct Runs {
    count: usize,
    /// Positions of a run.
    rows: usize,
    /// The first position among the results.
    to: usize,
    /// Elements of the copy between the inputs of neighbouring runs, and of neighbouring positions.
    a_run: usize,
    a_row: usize,
}

impl<'a> Product<'a> {
    fn new(
        shape: &ConvShape,
        packed: &'a [f32],
        place: impl Fn(usize, usize, usize) -> usize,
        finish: Finish<'a, f32>,
        y: &'a SharedMut<'a, f32>,
    ) -> Product<'a> {
        let (n, k) = (shape.out_channels, shape.in_channels * kernel_size(shape));
        let weight = Prepacked::of(f32::kernels(isa()), n, k, packed);
        Product { weight, table: table(shape, place), finish, y }
    }

    /// Panels of channels.
    fn panels(&self) -> usize {
        self.weight.width().div_ceil(f32::kernels(isa()).columns())
    }

    /// A panel of channels at neighbouring positions, some runs of them that lie in the copy like the first.
    ///
    /// # Safety
    /// Nobody else uses these results, and the copy has what the steps of all positions read.
    unsafe fn panel(&self, panel: usize, copy: &[f32], runs: Runs) {
        let kernels = f32::kernels(isa());
        let (columns, weight, padded) = self.weight.panel(panel);
        let (one, n, k) = (kernels.lanes, self.weight.width(), self.table.len());
        assert!(k * padded == weight.len() && (runs.to + runs.count * runs.rows) * n <= self.y.len());
        let second = |first: *const f32| if first.is_null() { first } else { first.wrapping_add(one) };
        let tiles = runs.rows.div_ceil(kernels.rows());
        let bias = self.finish.bias.map_or(std::ptr::null(), |bias| bias[columns.clone()].as_ptr());
        for at in 0..runs.count * tiles {
            let (run, tile) = (at / tiles, at % tiles);
            let rows = runs.rows * tile / tiles..runs.rows * (tile + 1) / tiles;
            let a = run * runs.a_run + rows.start * runs.a_row;
            assert!(a + (rows.len() - 1) * runs.a_row < copy.len());
            let c = (runs.to + run * runs.rows + rows.start) * n + columns.start;
            let c = self.y.pointer().wrapping_add(c);
            let tile = Tile {
                k,
                a: copy.as_ptr().wrapping_add(a),
                a_row: runs.a_row,
                a_step: 1,
                b: [weight.as_ptr(), weight.as_ptr().wrapping_add(one)],
                b_step: padded,
                table: self.table.as_ptr(),
                c: [c, c.wrapping_add(one)],
                c_row: n,
                next: Next::NONE,
                lanes: [columns.len().min(one), columns.len().saturating_sub(one)],
                resume: false,
                row_bias: [bias, second(bias)],
                col_bias: std::ptr::null(),
                bounds: self.finish.bounds,
            };
            // SAFETY: the assertions cover the weight and the results, which are the caller's, as the copy is.
            unsafe { kernels.compute(rows.len(), padded / one, Walk::Gathered, &tile) };
        }
    }
}
