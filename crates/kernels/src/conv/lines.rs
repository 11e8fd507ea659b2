//! The weight gradient of few input channels, with output channels as lanes.
//!
//! For one kernel row the gradient is a matrix product over positions: the inputs that a position meets there, times the
//! gradients of its outputs. The lines of an image are laid out for it as `[column, channel]`, with their padding: what a
//! position meets under a kernel row lies together then, and is what the rows of a tile are. Nothing is copied for every
//! kernel element. Where one channel alone makes too small tiles, the lines under all kernel rows are laid out together.
//!
//! Gradients are `[position, channel]`; where channels come first they are transposed, block by block.

use std::ops::Range;

use super::chains::Chains;
use super::{ConvShape, Order};
use crate::gemm::{Element, Step, transpose};
use crate::reduce::{Folding, Folds};
use crate::scratch;
use crate::simd::{Vectorized, isa, vectorized};
use crate::threads::{SharedMut, for_chunks_mut, parallel_for};

/// With more input channels, channels make lanes.
const CHANNELS: usize = 8;
/// The output channels of a group are a multiple of this: they fill registers.
const OUTPUTS: usize = 16;
/// With fewer rows, tiles would wait for their own sums.
const ROWS: usize = 8;
/// With fewer products for a gradient, those of large maps come from memory too slowly.
const PRODUCTS: usize = 64;
/// Images at least.
pub(super) const IMAGES: usize = 8;
/// Parts of the batch at most …
const PARTS: usize = 16;
/// … and positions that are worth one.
const PART: usize = 2048;
/// Positions that are laid out together.
const BLOCK: usize = 1024;
/// Gradients that are multiplied together: they stay in the first-level cache.
const GRADIENTS: usize = 1 << 13;
/// Lines that are laid out together where a tile has few rows without.
const JOINED: usize = 4;

pub(super) fn suits(shape: &ConvShape) -> bool {
    let flat = [shape.input[0], shape.kernel[0], shape.output[0]] == [1; 3] && shape.pad_begin[0] == 0;
    let channels = shape.in_channels / shape.groups;
    let channels = channels > 0 && channels < CHANNELS && (shape.out_channels / shape.groups).is_multiple_of(OUTPUTS);
    if !(flat && channels && shape.dilation[2] == 1 && shape.batch >= IMAGES && shape.y_len() > 0) {
        return false;
    }
    let layout = Layout::new(shape);
    let (rows, times) = layout.products();
    rows >= ROWS && (rows * times >= PRODUCTS || layout.positions() <= BLOCK)
}

/// `order` is that of `dy`: channels that come last are those of one group, and fill registers.
pub(super) fn backward_weight<T: Element + Folds>(shape: &ConvShape, x: &[T], dy: &[T], order: Order, dw: &mut [T]) {
    let outputs = shape.out_channels / shape.groups;
    assert!(order == Order::ChannelsFirst || (shape.groups == 1 && outputs.is_multiple_of(T::kernels(isa()).lanes)));
    let layout = Layout::new(shape);
    let parts = (shape.batch * layout.positions() / PART).clamp(1, PARTS.min(shape.batch));
    let (len, group) = (dw.len(), dw.len() / shape.groups);
    let products = Products { shape, layout: &layout, table: &layout.table(outputs), x, dy, order };
    scratch::with(parts * len, |sums: &mut [T]| {
        let shared = SharedMut::new(&mut *sums);
        parallel_for(parts * shape.groups, |task| {
            let (part, group_at) = (task / shape.groups, task % shape.groups);
            let images = shape.batch * part / parts..shape.batch * (part + 1) / parts;
            // SAFETY: this group of this part is this task's alone.
            let to = unsafe { shared.range(part * len + group_at * group..part * len + (group_at + 1) * group) };
            products.add(images, group_at, to);
        });
        scratch::with(len, |total: &mut [T]| {
            T::fold_columns(Folding::Sum, sums, [1, parts, len], total);
            let (places, total) = (layout.places(), &*total);
            for_chunks_mut(dw, places.len(), |channel, dw| {
                let sums = &total[channel / outputs * group + channel % outputs..];
                for (&place, &sum) in places.iter().zip(sums.iter().step_by(outputs)) {
                    dw[place] = sum;
                }
            });
        });
    });
}

/// How the inputs of a block are laid out: `[image, line, column, source]`.
struct Layout {
    /// Input channels of a group, kernel rows and columns.
    channels: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Rows and columns of the results.
    output: [usize; 2],
    /// Whether a line holds the channels of all rows that a result meets, and not those of one row.
    joined: bool,
    /// Lines between neighbouring kernel rows, where they are not joined.
    down: usize,
    /// Images of a block, and rows of their results: some rows of one image, or all.
    images: usize,
    rows: usize,
}

impl Layout {
    fn new(shape: &ConvShape) -> Layout {
        let ([_, height, width], [_, lines, columns]) = (shape.output, shape.kernel);
        let channels = shape.in_channels / shape.groups;
        Layout {
            channels,
            kernel: [lines, columns],
            stride: [shape.stride[1], shape.stride[2]],
            output: [height, width],
            joined: channels * lines <= JOINED && channels * columns < CHANNELS,
            down: shape.dilation[1],
            images: (BLOCK / (height * width)).clamp(1, shape.batch),
            rows: (BLOCK / width).clamp(1, height),
        }
    }

    fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Sources that are laid out together.
    fn sources(&self) -> usize {
        if self.joined { self.channels * self.kernel[0] } else { self.channels }
    }

    /// Rows of products that lie together, and how often there are so many.
    fn products(&self) -> (usize, usize) {
        (self.kernel[1] * self.sources(), if self.joined { 1 } else { self.kernel[0] })
    }

    /// Lines from one row of results to the next.
    fn step(&self) -> usize {
        if self.joined { 1 } else { self.stride[0] }
    }

    /// Lines of so many rows of results.
    fn lines(&self, rows: usize) -> usize {
        let last = if self.joined { 0 } else { (self.kernel[0] - 1) * self.down };
        (rows - 1) * self.step() + last + 1
    }

    /// Elements of a line.
    fn line(&self) -> usize {
        ((self.output[1] - 1) * self.stride[1] + self.kernel[1]) * self.sources()
    }

    /// Elements of a block's image.
    fn image(&self) -> usize {
        self.lines(self.rows) * self.line()
    }

    /// Where the inputs of every position of a block begin, and its gradients.
    fn table(&self, outputs: usize) -> Vec<Step> {
        let [_, width] = self.output;
        let mut table = Vec::with_capacity(self.images * self.rows * width);
        for image in 0..self.images {
            for row in 0..self.rows {
                for column in 0..width {
                    let a = image * self.image() + row * self.step() * self.line();
                    let a = a + column * self.stride[1] * self.sources();
                    table.push(Step::new(a as u32, (table.len() * outputs) as i32));
                }
            }
        }
        table
    }

    /// The places of the products in a kernel `[channel, row, column]`.
    fn places(&self) -> Vec<usize> {
        let ([lines, columns], (together, times)) = (self.kernel, self.products());
        let place = |i: usize| {
            let (line, column, source) = (i / together, i % together / self.sources(), i % self.sources());
            let (line, channel) = (line + source / self.channels, source % self.channels);
            (channel * lines + line) * columns + column
        };
        (0..times * together).map(place).collect()
    }
}

/// The products of one gradient.
struct Products<'a, T> {
    shape: &'a ConvShape,
    layout: &'a Layout,
    /// The positions of a block.
    table: &'a [Step],
    x: &'a [T],
    dy: &'a [T],
    order: Order,
}

impl<T: Element + Folds> Products<'_, T> {
    /// The sums of one group over some images, `[kernel row, kernel column, source, output channel]`.
    fn add(&self, images: Range<usize>, group: usize, sums: &mut [T]) {
        let (shape, layout, kernels) = (self.shape, self.layout, T::kernels(isa()));
        let outputs = shape.out_channels / shape.groups;
        let [height, width] = layout.output;
        let positions = layout.images * layout.rows * width;
        let transposed = if self.order == Order::ChannelsFirst { positions * outputs + kernels.lanes } else { 0 };
        scratch::with(layout.images * layout.image(), |inputs: &mut [T]| {
            scratch::with(transposed, |gradients: &mut [T]| {
                gradients.fill(T::default());
                let mut fresh = true;
                for first in images.clone().step_by(layout.images) {
                    let images = first..images.end.min(first + layout.images);
                    for row in (0..height).step_by(layout.rows) {
                        let rows = row..height.min(row + layout.rows);
                        for (image, to) in images.clone().zip(inputs.chunks_exact_mut(layout.image())) {
                            self.lay_out(image, group, rows.clone(), to);
                        }
                        let steps = &self.table[..images.len() * rows.len() * width];
                        let start = (first * height + row) * width;
                        let gradients = match self.order {
                            Order::ChannelsLast => &self.dy[start * outputs..][..steps.len() * outputs],
                            Order::ChannelsFirst => {
                                self.transpose(images.clone(), group, rows, gradients);
                                &*gradients
                            }
                        };
                        self.multiply(inputs, gradients, steps, fresh, sums);
                        fresh = false;
                    }
                }
            });
        });
    }

    /// Lays out what some rows of results meet in an image.
    fn lay_out(&self, image: usize, group: usize, rows: Range<usize>, to: &mut [T]) {
        let (shape, layout) = (self.shape, self.layout);
        let [_, height, width] = shape.input;
        let first = (image * shape.groups + group) * layout.channels * height * width;
        let x = &self.x[first..][..layout.channels * height * width];
        for (at, to) in to.chunks_exact_mut(layout.line()).take(layout.lines(rows.len())).enumerate() {
            let mut sources = [None; CHANNELS];
            for (source, row) in sources.iter_mut().enumerate().take(layout.sources()) {
                let (line, channel) = (source / layout.channels * layout.down, source % layout.channels);
                let down = if layout.joined { at * layout.stride[0] + line } else { at };
                let y = (rows.start * layout.stride[0] + down).checked_sub(shape.pad_begin[1]);
                let start = |y| (channel * height + y) * width;
                *row = y.filter(|&y| y < height).map(|y| &x[start(y)..start(y) + width]);
            }
            vectorized(Line { sources: &sources[..layout.sources()], pad: shape.pad_begin[2], to });
        }
    }

    /// Gradients `[position, channel]` of some rows.
    fn transpose(&self, images: Range<usize>, group: usize, rows: Range<usize>, to: &mut [T]) {
        let (shape, width) = (self.shape, self.layout.output[1]);
        let (outputs, area) = (shape.out_channels / shape.groups, self.layout.positions());
        let each = rows.len() * width;
        for (image, to) in images.zip(to.chunks_exact_mut(each * outputs)) {
            let first = (image * shape.groups + group) * outputs;
            transpose(self.dy, |channel| (first + channel) * area + rows.start * width, outputs, each, to, outputs);
        }
    }

    /// Adds the products of a block.
    fn multiply(&self, inputs: &[T], gradients: &[T], steps: &[Step], fresh: bool, sums: &mut [T]) {
        let (layout, kernels) = (self.layout, T::kernels(isa()));
        let outputs = self.shape.out_channels / self.shape.groups;
        let (together, times) = layout.products();
        let (panels, pieces) =
            (together.div_ceil(kernels.rows()), (steps.len() * outputs).div_ceil(GRADIENTS).clamp(1, steps.len()));
        let sums = &SharedMut::new(sums);
        for piece in 0..pieces {
            let steps = &steps[steps.len() * piece / pieces..steps.len() * (piece + 1) / pieces];
            for column in (0..outputs).step_by(kernels.columns()) {
                for (line, panel) in (0..times).flat_map(|line| (0..panels).map(move |panel| (line, panel))) {
                    let rows = together * panel / panels..together * (panel + 1) / panels;
                    let chains = Chains {
                        a: &inputs[line * layout.down * layout.line() + rows.start..],
                        a_step: 1,
                        b: &gradients[column..],
                        steps,
                        rows: rows.len(),
                        columns: kernels.columns().min(outputs - column),
                        c: (line * together + rows.start) * outputs + column,
                        c_row: outputs,
                        fresh: fresh && piece == 0,
                    };
                    // SAFETY: every position has its inputs in the block's lines and all gradients, the last of them
                    // followed by a register's or filling one; the sums are borrowed mutably.
                    unsafe { chains.add(sums) };
                }
            }
        }
    }
}

/// Lays out a line.
struct Line<'a, T> {
    /// The row of each source; none in the padding.
    sources: &'a [Option<&'a [T]>],
    /// Padding before the first column.
    pad: usize,
    /// `[column, source]`
    to: &'a mut [T],
}

impl<T: Element> Vectorized for Line<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match *self.sources {
            [Some(a)] => interleave([a], self.pad, self.to),
            [Some(a), Some(b)] => interleave([a, b], self.pad, self.to),
            [Some(a), Some(b), Some(c)] => interleave([a, b, c], self.pad, self.to),
            [Some(a), Some(b), Some(c), Some(d)] => interleave([a, b, c, d], self.pad, self.to),
            _ => {
                self.to.fill(T::default());
                for (source, from) in self.sources.iter().enumerate() {
                    let to = self.to[source..].iter_mut().step_by(self.sources.len()).skip(self.pad);
                    to.zip(from.unwrap_or_default()).for_each(|(to, &from)| *to = from);
                }
            }
        }
    }
}

/// A line of so many sources that are all there.
#[inline(always)]
fn interleave<T: Element, const SOURCES: usize>(sources: [&[T]; SOURCES], pad: usize, to: &mut [T]) {
    let (to, _) = to.as_chunks_mut::<SOURCES>();
    let (before, to) = to.split_at_mut(pad.min(to.len()));
    let (to, after) = to.split_at_mut(sources[0].len().min(to.len()));
    let sources = sources.map(|source| &source[..to.len()]);
    before.fill([T::default(); SOURCES]);
    for i in 0..to.len() {
        for source in 0..SOURCES {
            to[i][source] = sources[source][i];
        }
    }
    after.fill([T::default(); SOURCES]);
}
