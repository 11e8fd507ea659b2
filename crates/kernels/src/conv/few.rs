//! The weight gradient of few input channels, with positions as lanes: where `lines.rs` finds too few products or channels.
//!
//! Each row of the gradient of a result channel is a sum of products of whole planes: gradients with the inputs that
//! one kernel element met. The inputs are copied once for every column of the kernel, with their padding and without
//! what a stride leaves out, so that every kernel element meets a contiguous run of them. Sixteen sums go along each
//! plane; they are added up after some hundred steps, for the sake of their rounding errors.

use std::ops::Range;

use super::ConvShape;
use crate::gemm::{Dots, Element, LANES};
use crate::reduce::{Folding, Folds};
use crate::scratch;
use crate::simd::{Vectorized, isa, vectorized};
use crate::threads::{SharedMut, parallel_for};

/// With more input channels, channels make lanes.
const CHANNELS: usize = 8;
/// Images that are worth a task of their own.
const IMAGES: usize = 8;
/// Parts of the batch at most.
const PARTS: usize = 16;
/// Steps that are multiplied at a time: ten planes of them fill a first-level cache.
const BLOCK: usize = 48;
/// Steps after which the sums are added up.
const CHAIN: usize = 512;

pub(super) fn suits(shape: &ConvShape) -> bool {
    let flat = [shape.input[0], shape.kernel[0], shape.output[0]] == [1; 3] && shape.pad_begin[0] == 0;
    let channels = shape.in_channels / shape.groups;
    flat && shape.batch >= IMAGES && channels > 0 && channels < CHANNELS && !shape.is_depthwise()
}

pub(super) fn backward_weight<T: Element + Folds>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    let parts = (shape.batch / IMAGES).min(PARTS);
    let (len, group) = (dw.len(), dw.len() / shape.groups);
    let layout = Layout::new(shape);
    scratch::with(parts * len, |sums: &mut [T]| {
        let shared = SharedMut::new(&mut *sums);
        parallel_for(parts * shape.groups, |task| {
            let (part, group_at) = (task / shape.groups, task % shape.groups);
            let images = shape.batch * part / parts..shape.batch * (part + 1) / parts;
            // SAFETY: this group of this part is this task's alone.
            let to = unsafe { shared.range(part * len + group_at * group..part * len + (group_at + 1) * group) };
            Part { shape, layout: &layout, group: group_at }.add(images, x, dy, to);
        });
        T::fold_columns(Folding::Sum, sums, [1, parts, len], dw);
    });
}

/// How the inputs of an image are copied: `[channel, kernel column, row modulo stride, row / stride, output column]`.
struct Layout {
    /// Rows of each residue.
    rows: usize,
    /// Elements of a channel's copy for one kernel column.
    plane: usize,
    /// A row with its padding is laid out residue after residue: columns of each.
    reach: usize,
    /// For each residue, its first column that is not padding, and the input that is there.
    first: Vec<[usize; 2]>,
    /// Where the inputs of each kernel column begin in a row that is laid out so.
    columns: Vec<usize>,
    /// The results' positions, and steps that cover them.
    positions: usize,
    steps: usize,
}

impl Layout {
    fn new(shape: &ConvShape) -> Layout {
        let ([_, height, width], [_, down, right], left) = (shape.output, shape.stride, shape.pad_begin[2]);
        let rows = height + (shape.kernel[1] - 1) * shape.dilation[1] / down;
        let reach = width + (shape.kernel[2] - 1) * shape.dilation[2] / right;
        let first = |residue: usize| {
            let column = left.saturating_sub(residue).div_ceil(right);
            [column, column * right + residue - left]
        };
        let column = |at: usize| at * shape.dilation[2] % right * reach + at * shape.dilation[2] / right;
        let positions = height * width;
        Layout {
            rows,
            plane: down * rows * width,
            reach,
            first: (0..right).map(first).collect(),
            columns: (0..shape.kernel[2]).map(column).collect(),
            positions,
            steps: positions.div_ceil(LANES),
        }
    }
}

/// [`Part::copy`] with wide registers.
struct Copy<'a, T> {
    part: &'a Part<'a>,
    x: &'a [T],
    /// Space for a row.
    line: &'a mut [T],
    to: &'a mut [T],
}

impl<T: Element> Vectorized for Copy<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.part.copy(self.x, self.line, self.to);
    }
}

/// Some images of one group.
struct Part<'a> {
    shape: &'a ConvShape,
    layout: &'a Layout,
    group: usize,
}

impl Part<'_> {
    /// `dw[output, input, kernel]` of one group from some images.
    fn add<T: Element>(&self, images: Range<usize>, x: &[T], dy: &[T], dw: &mut [T]) {
        let (shape, layout, kernels) = (self.shape, self.layout, T::dots(isa()));
        let (inputs, outputs) = (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
        let [_, lines, columns] = shape.kernel;
        // Tiles of the product: output channels by (input channel, kernel column).
        let (planes, height, width) = (inputs * columns, kernels.rows, kernels.columns);
        let (downs, acrosses) = (outputs.div_ceil(height), planes.div_ceil(width));
        let down = |i: usize| outputs * i / downs..outputs * (i + 1) / downs;
        let across = |i: usize| planes * i / acrosses..planes * (i + 1) / acrosses;
        let tile = height * width * LANES;
        let whole = layout.positions.is_multiple_of(LANES);
        let area = shape.input.iter().product::<usize>();
        // Images that are multiplied together: a tile should have some work.
        let some = BLOCK.div_ceil(layout.steps).min(images.len());
        let (x_copy, dy_copy) = (planes * layout.plane, if whole { 0 } else { outputs * layout.steps * LANES });
        scratch::with(downs * lines * acrosses * tile, |sums: &mut [T]| {
            scratch::with(some * x_copy + LANES + shape.stride[2] * layout.reach, |copies: &mut [T]| {
                let (copies, line) = copies.split_at_mut(some * x_copy + LANES);
                scratch::with(some * dy_copy, |padded: &mut [T]| {
                    sums.fill(T::default());
                    copies.fill(T::default());
                    dw.fill(T::default());
                    let mut pending = 0;
                    for first in images.clone().step_by(some) {
                        let images = first..images.end.min(first + some);
                        for (image, to) in images.clone().zip(copies.chunks_exact_mut(x_copy)) {
                            let start = (image * shape.in_channels + self.group * inputs) * area;
                            vectorized(Copy { part: self, x: &x[start..][..inputs * area], line, to });
                        }
                        let gradients = |image: usize| {
                            let start = (image * shape.out_channels + self.group * outputs) * layout.positions;
                            &dy[start..][..outputs * layout.positions]
                        };
                        for (image, to) in images.clone().zip(padded.chunks_exact_mut(dy_copy.max(1))) {
                            self.pad(gradients(image), to);
                        }
                        let blocks = layout.steps.div_ceil(BLOCK);
                        for block in 0..blocks {
                            let steps = layout.steps * block / blocks..layout.steps * (block + 1) / blocks;
                            if pending + images.len() * steps.len() > CHAIN {
                                self.flush(sums, tile, [&down, &across], dw);
                                pending = 0;
                            }
                            pending += images.len() * steps.len();
                            for (at, sums) in sums.chunks_exact_mut(tile).enumerate() {
                                let (i, line, j) = (at / acrosses / lines, at / acrosses % lines, at % acrosses);
                                let (rows, across) = (down(i), across(j));
                                let (a, a_run, a_row) = match whole {
                                    true => (
                                        gradients(images.start),
                                        shape.out_channels * layout.positions,
                                        layout.positions,
                                    ),
                                    false => (&*padded, dy_copy, layout.steps * LANES),
                                };
                                let b = across.start * layout.plane + self.start(line);
                                let dots = Dots {
                                    runs: images.len(),
                                    a_run,
                                    b_run: x_copy,
                                    steps: steps.len(),
                                    a: a[rows.start * a_row + steps.start * LANES..].as_ptr(),
                                    a_row,
                                    b: copies[b + steps.start * LANES..].as_ptr(),
                                    b_row: layout.plane,
                                    sums: sums.as_mut_ptr(),
                                };
                                // SAFETY: the gradients of all images have all steps, and so have the copies from the
                                // start of every kernel line on, the last with the slack behind it; the sums are a tile.
                                unsafe { kernels.compute(rows.len(), across.len(), &dots) };
                            }
                        }
                    }
                    self.flush(sums, tile, [&down, &across], dw);
                });
            });
        });
    }

    /// Where the inputs of a kernel line begin in each copy.
    fn start(&self, line: usize) -> usize {
        let (stride, at) = (self.shape.stride[1], line * self.shape.dilation[1]);
        (at % stride * self.layout.rows + at / stride) * self.shape.output[2]
    }

    /// Copies the inputs of one image `[channel, row, column]`; see [`Layout`].
    #[inline(always)]
    fn copy<T: Element>(&self, x: &[T], line: &mut [T], to: &mut [T]) {
        let (shape, layout) = (self.shape, self.layout);
        let ([_, height, width], [_, down, right], above) = (shape.input, shape.stride, shape.pad_begin[1]);
        let (out, reach) = (shape.output[2], layout.reach);
        let planes = to.chunks_exact_mut(layout.columns.len() * layout.plane);
        line.fill(T::default());
        for (x, to) in x.chunks_exact(height * width).zip(planes) {
            for (residue, row) in (0..down).flat_map(|residue| (0..layout.rows).map(move |row| (residue, row))) {
                let to = &mut to[(residue * layout.rows + row) * out..];
                let y = (row * down + residue).checked_sub(above).filter(|&y| y < height);
                if let Some(y) = y {
                    let from = &x[y * width..][..width];
                    for (line, &[column, first]) in line.chunks_exact_mut(reach).zip(&layout.first) {
                        if first >= width || column >= reach {
                            continue;
                        }
                        match right {
                            1 => copy(&from[first..], &mut line[column..]),
                            _ => {
                                let from = from[first..].iter().step_by(right);
                                line[column..].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                            }
                        }
                    }
                }
                for (column, &start) in layout.columns.iter().enumerate() {
                    let to = &mut to[column * layout.plane..][..out];
                    match y {
                        Some(_) => copy(&line[start..][..out], to),
                        None => to.fill(T::default()),
                    }
                }
            }
        }
    }

    /// Copies gradients `[channel, position]` to whole steps, with zeros behind the last position.
    fn pad<T: Element>(&self, dy: &[T], to: &mut [T]) {
        for (to, from) in to.chunks_exact_mut(self.layout.steps * LANES).zip(dy.chunks_exact(self.layout.positions)) {
            to[..from.len()].copy_from_slice(from);
            to[from.len()..].fill(T::default());
        }
    }

    /// Adds the sums to `dw` and begins anew.
    fn flush<T: Element>(
        &self,
        sums: &mut [T],
        tile: usize,
        [down, across]: [&dyn Fn(usize) -> Range<usize>; 2],
        dw: &mut [T],
    ) {
        let [_, lines, columns] = self.shape.kernel;
        let inputs = self.shape.in_channels / self.shape.groups;
        let acrosses = (inputs * columns).div_ceil(T::dots(isa()).columns);
        for (at, sums) in sums.chunks_exact_mut(tile).enumerate() {
            let (rows, line, planes) = (down(at / acrosses / lines), at / acrosses % lines, across(at % acrosses));
            let places = rows.flat_map(|row| planes.clone().map(move |plane| (row, plane)));
            for ((row, plane), sums) in places.zip(sums.chunks_exact(LANES)) {
                let (channel, column) = (plane / columns, plane % columns);
                dw[((row * inputs + channel) * lines + line) * columns + column] += total(sums);
            }
            sums.fill(T::default());
        }
    }
}

/// A copy of a few registers, for which a call would take longer than the copy.
#[inline(always)]
fn copy<T: Element>(from: &[T], to: &mut [T]) {
    let len = to.len().min(from.len());
    if len < LANES {
        return to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
    }
    for start in (0..len).step_by(LANES).map(|start| start.min(len - LANES)) {
        let (to, from) = (to[start..].first_chunk_mut::<LANES>(), from[start..].first_chunk::<LANES>());
        let (Some(to), Some(from)) = (to, from) else { unreachable!("a register is left") };
        *to = *from;
    }
}

/// The sum of the lanes, halves added to halves.
fn total<T: Element>(lanes: &[T]) -> T {
    let mut sums: [T; LANES] = std::array::from_fn(|i| lanes[i]);
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}
