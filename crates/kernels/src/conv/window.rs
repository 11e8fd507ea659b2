//! Images as matrices: virtual im2col.
//!
//! A convolution is a matrix product whose right side has a row for every (channel, kernel position) and a column for
//! every output position. That matrix is never built. A block of output positions gets a zero-padded copy of the part
//! of the image that it reads, small enough for the cache; in it, element `(row, column)` of the matrix is at
//! `offset[row] + base(column)`, with no test for borders, and the panels of the product are packed from there.
//! With a stride along the width, a row of the copy holds every stride-th element, then every stride-th after the
//! first, and so on: what neighbouring positions read always lies together.

use std::ops::Range;

use crate::gemm::{Element, Source, transpose};
use crate::threads::for_chunks_mut;

/// The sizes of a convolution of one group, in three spatial dimensions (depth, height, width).
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub channels: usize,
    pub input: [usize; 3],
    pub kernel: [usize; 3],
    pub output: [usize; 3],
    pub stride: [usize; 3],
    /// Zeros before the first input; negative where the kernel never reaches it.
    pub pad: [isize; 3],
    pub dilation: [usize; 3],
}

/// A block of output positions: some planes of whole rows, or some rows of one plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub first: [usize; 2],
    pub size: [usize; 2],
}

/// Elements of the padded copy that a block aims at: half of a second-level cache.
const COPY: usize = 1 << 16;
/// Output positions that a block aims at.
const POSITIONS: usize = 1024;
/// What vector copies may read past the end of a padded copy.
const SLACK: usize = 32;

impl Window {
    pub fn positions(&self) -> usize {
        self.output.iter().product()
    }

    pub fn kernel_size(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Rows of the im2col matrix.
    pub fn rows(&self) -> usize {
        self.channels * self.kernel_size()
    }

    pub fn image(&self) -> usize {
        self.channels * self.input.iter().product::<usize>()
    }

    /// Whether the image itself is the matrix.
    pub fn is_pointwise(&self) -> bool {
        let ones = [1; 3];
        self.kernel == ones && self.stride == ones && self.pad == [0; 3] && self.input == self.output
    }

    /// Along one axis, the distance of neighbouring lines of the copy in the image, and the distance of neighbouring
    /// positions in the copy. A kernel of one element leaves out what lies between the positions.
    fn lines(&self, d: usize) -> (usize, usize) {
        if self.kernel[d] == 1 { (self.stride[d], 1) } else { (1, self.stride[d]) }
    }

    /// The padded copy of a block of this size, per channel.
    fn copied(&self, size: [usize; 2]) -> [usize; 3] {
        let outputs = [size[0], size[1], self.output[2]];
        std::array::from_fn(|d| (outputs[d] - 1) * self.lines(d).1 + (self.kernel[d] - 1) * self.dilation[d] + 1)
    }

    /// Elements to allocate for the padded copy of a block.
    pub fn copy_size(&self, size: [usize; 2]) -> usize {
        let [depth, height, width] = self.copied(size);
        self.channels * depth * height * width.next_multiple_of(self.lines(2).1) + SLACK
    }

    /// The size of a block, chosen by the shape: it fits the cache, has about [`POSITIONS`] positions, and gives
    /// `images` images at least `wanted` blocks if they have enough rows.
    pub fn block_size(&self, images: usize, wanted: usize) -> [usize; 2] {
        let [planes, rows, width] = self.output;
        let fits = |size: [usize; 2]| {
            let count = self.blocks(size).count() * images;
            let small = size[0] * size[1] * width <= 64;
            self.copy_size(size) <= COPY && size[0] * size[1] * width <= POSITIONS && (small || count >= wanted)
        };
        let rows_of_planes = (1..=planes).rev().map(|planes| [planes, rows]);
        let rows_of_one = (1..rows).rev().map(|rows| [1, rows]);
        rows_of_planes.chain(rows_of_one).find(|&size| fits(size)).unwrap_or([1, 1])
    }

    /// The blocks of one image, in the order of their positions; the last of a plane may be smaller.
    pub fn blocks(&self, size: [usize; 2]) -> impl Iterator<Item = Block> + use<> {
        let [planes, rows, _] = self.output;
        (0..planes).step_by(size[0]).flat_map(move |plane| {
            (0..rows).step_by(size[1]).map(move |row| Block {
                first: [plane, row],
                size: [size[0].min(planes - plane), size[1].min(rows - row)],
            })
        })
    }
}

impl Block {
    /// The first output position of the block.
    pub fn start(&self, window: &Window) -> usize {
        (self.first[0] * window.output[1] + self.first[1]) * window.output[2]
    }

    pub fn positions(&self, window: &Window) -> usize {
        self.size[0] * self.size[1] * window.output[2]
    }
}

/// The padded copy of what one block reads of one or more images, seen as a matrix.
pub(super) struct Copied<'a, T> {
    pub window: &'a Window,
    /// Rows of a plane in the block.
    rows: usize,
    /// Output positions of one image in the block.
    positions: usize,
    /// Elements of one image in the copy.
    image: usize,
    /// Rows of the copy in a plane, and elements in a row.
    size: [usize; 2],
    pub data: &'a [T],
    /// Where the matrix' rows begin: `(channel, kernel position)` in row-major order.
    pub offsets: &'a [usize],
}

impl<'a, T: Element> Copied<'a, T> {
    /// Copies what `block` reads of `images` images (each at least `window.image()` elements) into `data` and writes
    /// the table of the rows into `offsets`.
    pub fn new<'i>(
        window: &'a Window,
        block: Block,
        images: usize,
        image: impl Fn(usize) -> &'i [T] + Sync,
        data: &'a mut [T],
        offsets: &'a mut [usize],
    ) -> Self {
        let [depth, height, width] = window.copied(block.size);
        let phases = window.lines(2).1;
        let width = width.next_multiple_of(phases);
        let size = window.channels * depth * height * width;
        for_chunks_mut(&mut data[..images * size], size, |i, to| fill(window, block, image(i), to));
        let kernel = window.kernel;
        for (row, offset) in offsets.iter_mut().enumerate() {
            let (channel, at) = (row / window.kernel_size(), row % window.kernel_size());
            let at = [at / (kernel[1] * kernel[2]), at / kernel[2] % kernel[1], at % kernel[2]];
            let [z, y, x]: [usize; 3] = std::array::from_fn(|d| at[d] * window.dilation[d]);
            let x = x % phases * (width / phases) + x / phases;
            *offset = ((channel * depth + z) * height + y) * width + x;
        }
        let positions = block.positions(window);
        Copied { window, rows: block.size[1], positions, image: size, size: [height, width], data, offsets }
    }

    /// Where position `at` begins in the copy, and how many positions follow it in its row (itself included).
    #[inline(always)]
    fn base(&self, at: usize) -> (usize, usize) {
        let width = self.window.output[2];
        let (image, at) = (at / self.positions, at % self.positions);
        let (row, column) = (at / width, at % width);
        let (plane, row) = (row / self.rows, row % self.rows);
        let [planes, rows] = [0, 1].map(|d| self.window.lines(d).1);
        let start = (plane * planes * self.size[0] + row * rows) * self.size[1] + column;
        (image * self.image + start, width - column)
    }

    /// The runs of neighbouring positions in a range: (first position relative to the range, length, base).
    #[inline(always)]
    pub fn runs(&self, positions: Range<usize>) -> impl Iterator<Item = (usize, usize, usize)> {
        let mut at = positions.start;
        std::iter::from_fn(move || {
            (at < positions.end).then(|| {
                let (base, left) = self.base(at);
                let run = (at - positions.start, left.min(positions.end - at), base);
                at += run.1;
                run
            })
        })
    }
}

/// Copies what a block reads of an image, zeros around it.
fn fill<T: Element>(window: &Window, block: Block, x: &[T], to: &mut [T]) {
    let [depth, height, width] = window.copied(block.size);
    let [in_depth, in_height, in_width] = window.input;
    let first: [isize; 3] = std::array::from_fn(|d| {
        let first = if d < 2 { block.first[d] * window.stride[d] } else { 0 };
        first as isize - window.pad[d]
    });
    let inside = |at: isize, size: usize| usize::try_from(at).ok().filter(|&at| at < size);
    let ([planes, rows, columns], phases) = ([0, 1, 2].map(|d| window.lines(d).0), window.lines(2).1);
    let phase = width.div_ceil(phases);
    // The columns of the copy that lie inside the image.
    let before = |column: isize| ((column - first[2]).max(0) as usize).div_ceil(columns).min(width);
    let (left, right) = (before(0), before(in_width as isize));
    for (row, to) in to.chunks_exact_mut(phase * phases).take(window.channels * depth * height).enumerate() {
        let (channel, z, y) = (row / (depth * height), row / height % depth, row % height);
        let (z, y) = (first[0] + (z * planes) as isize, first[1] + (y * rows) as isize);
        let Some((z, y)) = inside(z, in_depth).zip(inside(y, in_height)).filter(|_| left < right) else {
            to.fill(T::default());
            continue;
        };
        let line = &x[((channel * in_depth + z) * in_height + y) * in_width..][..in_width];
        for (p, to) in to.chunks_exact_mut(phase).enumerate() {
            // Columns `p`, `p + phases`, … of the copy, those from `start` to `end` inside the image.
            let (start, end) = (left.saturating_sub(p).div_ceil(phases), right.saturating_sub(p).div_ceil(phases));
            to[..start].fill(T::default());
            to[end..].fill(T::default());
            if start < end {
                let step = columns * phases;
                let from = &line[((start * phases + p) * columns).wrapping_add_signed(first[2])..];
                match step {
                    1 => to[start..end].copy_from_slice(&from[..end - start]),
                    2 => spread::<T, 2>(from, &mut to[start..end]),
                    _ => to[start..end].iter_mut().zip(from.iter().step_by(step)).for_each(|(to, &from)| *to = from),
                }
            }
        }
    }
}

/// Every `STEP`-th element.
fn spread<T: Element, const STEP: usize>(from: &[T], to: &mut [T]) {
    for (i, to) in to.iter_mut().enumerate() {
        *to = from[i * STEP];
    }
}

/// The matrix with a lane for every position: the right side of the forward product.
pub(super) struct PositionLanes<'a, T>(pub Copied<'a, T>);

/// The matrix with a lane for every (channel, kernel position): the right side of the weight gradient's product.
pub(super) struct RowLanes<'a, T>(pub Copied<'a, T>);

impl<T: Element> Source<T> for PositionLanes<'_, T> {
    fn pack(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [T]) {
        match width {
            8 if lanes.len() == 8 => self.copy_runs::<8>(k, lanes, to),
            16 if lanes.len() == 16 => self.copy_runs::<16>(k, lanes, to),
            32 if lanes.len() == 32 => self.copy_runs::<32>(k, lanes, to),
            _ => self.gather(k, lanes, width, to),
        }
    }

    fn strided(&self) -> Option<crate::gemm::Lanes<'_, T>> {
        None
    }
}

impl<T: Element> PositionLanes<'_, T> {
    /// Copies `WIDTH` elements for every run, as many as it has or not: what is too much is overwritten by the next
    /// run or step.
    fn copy_runs<const WIDTH: usize>(&self, k: Range<usize>, lanes: Range<usize>, to: &mut [T]) {
        let Copied { data, offsets, .. } = self.0;
        let last = k.end - 1;
        let (whole, rest) = to[..k.len() * WIDTH].split_at_mut((k.len() - 1) * WIDTH);
        let mut runs = [(0, 0); WIDTH];
        let mut count = 0;
        for (first, _, base) in self.0.runs(lanes.clone()) {
            runs[count] = (first, base);
            count += 1;
        }
        if count == 1 {
            for (step, &offset) in whole.as_chunks_mut::<WIDTH>().0.iter_mut().zip(&offsets[k.start..last]) {
                let from = runs[0].1 + offset;
                step.copy_from_slice(&data[from..from + WIDTH]);
            }
        } else {
            for (step, &offset) in offsets[k.start..last].iter().enumerate() {
                for &(first, base) in &runs[..count] {
                    let (from, at) = (base + offset, step * WIDTH + first);
                    if let Some(to) = whole.get_mut(at..at + WIDTH) {
                        to.copy_from_slice(&data[from..from + WIDTH]);
                    } else {
                        let to = &mut whole[at..];
                        to.copy_from_slice(&data[from..from + to.len()]);
                    }
                }
            }
        }
        for (first, length, base) in self.0.runs(lanes) {
            let from = base + offsets[last];
            rest[first..first + length].copy_from_slice(&data[from..from + length]);
        }
    }

    fn gather(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [T]) {
        for (&offset, step) in self.0.offsets[k].iter().zip(to.chunks_exact_mut(width)) {
            for (first, length, base) in self.0.runs(lanes.clone()) {
                step[first..first + length].copy_from_slice(&self.0.data[base + offset..][..length]);
            }
            step[lanes.len()..].fill(T::default());
        }
    }
}

impl<T: Element> Source<T> for RowLanes<'_, T> {
    fn pack(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [T]) {
        let offsets = &self.0.offsets[lanes.clone()];
        for (first, length, base) in self.0.runs(k) {
            let to = &mut to[first * width..(first + length) * width];
            if lanes.len() == width {
                transpose(self.0.data, |j| base + offsets[j], width, length, to, width);
                continue;
            }
            for (j, &offset) in offsets.iter().enumerate() {
                let from = &self.0.data[base + offset..];
                to[j..].iter_mut().step_by(width).zip(from).for_each(|(to, &from)| *to = from);
            }
            if lanes.len() < width {
                to.chunks_exact_mut(width).for_each(|step| step[lanes.len()..].fill(T::default()));
            }
        }
    }

    fn strided(&self) -> Option<crate::gemm::Lanes<'_, T>> {
        None
    }
}
