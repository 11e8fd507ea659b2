//! The gradients of a convolution, as matrix products of their own.

use super::forward::convolve;
use super::window::{Block, Copied, RowLanes, Window};
use super::{ConvShape, depthwise};
use crate::gemm::{Element, Init, Lanes, Product, Source};
use crate::reduce::{Folding, Folds};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, parallel_for};

/// Tasks that a gradient is cut into if its shape allows.
const TASKS: usize = 16;
/// Steps of a weight gradient's product that are worth a copy of their images.
const STEPS: usize = 384;
/// Columns of a weight gradient that one task computes.
const COLUMNS: usize = 512;
/// Rows of a column matrix that are computed before they are added to the image.
const ROWS: usize = 96;

pub(super) fn backward_data<T: Element>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    if shape.stride == [1; 3] { by_convolution(shape, dy, weight, dx) } else { by_columns(shape, dy, weight, dx) }
}

/// With stride 1 the gradient is a convolution of `dy` with the mirrored kernel, input and output channels exchanged.
fn by_convolution<T: Element>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    let forward = shape.window();
    let (inputs, outputs) = (forward.channels, shape.out_channels / shape.groups);
    let window = Window {
        channels: outputs,
        input: shape.output,
        output: shape.input,
        pad: std::array::from_fn(|d| (shape.dilation[d] * (shape.kernel[d] - 1)) as isize - forward.pad[d]),
        ..forward
    };
    let size = forward.kernel_size();
    let mirrored = ConvShape { in_channels: shape.out_channels, out_channels: shape.in_channels, ..*shape };
    scratch::with(weight.len(), |to| {
        for (group, to) in to.chunks_exact_mut(inputs * outputs * size).enumerate() {
            let from = &weight[group * inputs * outputs * size..];
            for (at, to) in to.chunks_exact_mut(size).enumerate() {
                let (input, output) = (at / outputs, at % outputs);
                let from = &from[(output * inputs + input) * size..][..size];
                to.iter_mut().zip(from.iter().rev()).for_each(|(to, &from)| *to = from);
            }
        }
        if shape.is_depthwise() {
            depthwise::convolve(shape.batch, shape.groups, window, dy, to, None, dx);
        } else {
            convolve(&mirrored, window, dy, to, None, dx);
        }
    });
}

/// With larger strides: the columns `weightᵀ · dy`, one row for every (channel, kernel position), added to the image
/// where they were taken from. A task owns some channels of an image; kernel positions are added in order.
fn by_columns<T: Element>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    let window = shape.window();
    let kernels = T::kernels(isa());
    let (size, k) = (window.kernel_size(), shape.out_channels / shape.groups);
    let (positions, area) = (window.positions(), shape.input.iter().product::<usize>());
    let units = shape.batch * shape.groups;
    let channels = ROWS.div_ceil(size).min(window.channels);
    let parts = window.channels.div_ceil(channels);
    let blocks: Vec<_> = window.blocks(window.block_size(units, 1)).collect();
    let largest = blocks.iter().map(|block| block.positions(&window)).max().unwrap_or(0);
    let dx = &SharedMut::new(dx);
    parallel_for(units * parts, |task| {
        let (unit, first) = (task / parts, task % parts * channels);
        let channels = channels.min(window.channels - first);
        let (m, start) = (channels * size, (unit * window.channels + first) * area);
        // SAFETY: these channels of this image are this task's alone.
        let dx = unsafe { dx.range(start..start + channels * area) };
        dx.fill(T::default());
        let rows = window.rows();
        let a = &weight[unit % shape.groups * k * rows + first * size..];
        scratch::with(m * largest, |columns| {
            for &block in &blocks {
                let n = block.positions(&window);
                let b = &dy[unit * k * positions + block.start(&window)..];
                let (a, b) = (Lanes { data: a, step: rows, lane: 1 }, Lanes { data: b, step: positions, lane: 1 });
                let c = &SharedMut::new(&mut columns[..m * n]);
                Product { kernels, m, n, k, a, b, c, c_start: 0, c_row: n, init: Init::Zero }.run_alone();
                add_columns(&window, block, columns, dx);
            }
        });
    });
}

/// Adds the columns of a block to the image that they belong to.
fn add_columns<T: Element>(window: &Window, block: Block, columns: &[T], dx: &mut [T]) {
    let [depth, height, width] = window.input;
    let (kernel, stride, out_width) = (window.kernel, window.stride, window.output[2]);
    let lines = block.size[0] * block.size[1];
    let rows = dx.len() / (depth * height * width) * window.kernel_size();
    for (row, columns) in columns.chunks_exact(out_width).take(rows * lines).enumerate() {
        let (at, line) = (row / lines, row % lines);
        let output = [block.first[0] + line / block.size[1], block.first[1] + line % block.size[1]];
        let (channel, at) = (at / window.kernel_size(), at % window.kernel_size());
        let at = [at / (kernel[1] * kernel[2]), at / kernel[2] % kernel[1], at % kernel[2]];
        let shift: [isize; 3] = std::array::from_fn(|d| (at[d] * window.dilation[d]) as isize - window.pad[d]);
        let place = |d: usize| {
            let place = (output[d] * stride[d]) as isize + shift[d];
            usize::try_from(place).ok().filter(|&place| place < window.input[d])
        };
        let Some((z, y)) = place(0).zip(place(1)) else { continue };
        // The outputs whose input column lies inside the image.
        let shift = shift[2];
        let outputs_before = |column: isize| (column - shift).max(0) as usize;
        let first = outputs_before(0).div_ceil(stride[2]).min(out_width);
        let end = outputs_before(width as isize).div_ceil(stride[2]).min(out_width);
        if first < end {
            let start = ((channel * depth + z) * height + y) * width + ((first * stride[2]) as isize + shift) as usize;
            let to = dx[start..].iter_mut().step_by(stride[2]);
            to.zip(&columns[first..end]).for_each(|(to, &from)| *to += from);
        }
    }
}

/// The sum over (batch, position) is cut into parts by a rule of the shape; the parts are added in order.
pub(super) fn backward_weight<T: Element + Folds>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    if shape.is_depthwise() {
        return depthwise::backward_weight(shape, x, dy, dw);
    }
    let window = shape.window();
    let size = window.kernel_size();
    // Channels of a group that one task takes: their copy is shared by all the task's columns.
    let channels = (COLUMNS / size).clamp(1, window.channels);
    let channel_parts = window.channels.div_ceil(channels);
    let part = Window { channels, ..window };
    let block = part.block_size(1, 1);
    // A piece is a block of one image, or some images where one is small.
    let blocks: Vec<_> = window.blocks(block).collect();
    let images = if blocks.len() > 1 { 1 } else { STEPS.div_ceil(window.positions()).min(shape.batch) };
    let pieces = shape.batch.div_ceil(images) * blocks.len();
    let sums = TASKS.div_ceil(shape.groups * channel_parts).min(pieces);
    let each = pieces.div_ceil(sums);
    let sums = pieces.div_ceil(each);
    let compute = |to: &SharedMut<T>| {
        parallel_for(sums * shape.groups * channel_parts, |task| {
            let (sum, rest) = (task / (shape.groups * channel_parts), task % (shape.groups * channel_parts));
            let (group, first) = (rest / channel_parts, rest % channel_parts * channels);
            let task = WeightTask {
                shape,
                window: Window { channels: channels.min(window.channels - first), ..window },
                group,
                first,
                x,
                dy,
            };
            for piece in sum * each..pieces.min((sum + 1) * each) {
                let at = piece / blocks.len() * images;
                let batch = at..shape.batch.min(at + images);
                let resume = piece > sum * each;
                task.add(batch, blocks[piece % blocks.len()], block, resume, to, sum * shape.weight_len());
            }
        });
    };
    if sums == 1 {
        return compute(&SharedMut::new(dw));
    }
    scratch::with(sums * shape.weight_len(), |parts| {
        compute(&SharedMut::new(&mut *parts));
        T::fold_columns(Folding::Sum, parts, [1, sums, shape.weight_len()], dw);
    });
}

/// Some channels of one group's weight gradient.
struct WeightTask<'a, T> {
    shape: &'a ConvShape,
    /// The convolution of the task's channels.
    window: Window,
    group: usize,
    /// The task's first channel in its group.
    first: usize,
    x: &'a [T],
    dy: &'a [T],
}

impl<T: Element> WeightTask<'_, T> {
    /// Adds what a block of some images contributes.
    fn add(
        &self,
        batch: std::ops::Range<usize>,
        block: Block,
        largest: [usize; 2],
        resume: bool,
        to: &SharedMut<T>,
        start: usize,
    ) {
        let (shape, window) = (self.shape, &self.window);
        let channels = shape.in_channels / shape.groups;
        let area = shape.input.iter().product::<usize>();
        let (m, n) = (shape.out_channels / shape.groups, window.rows());
        let row = channels * window.kernel_size();
        let images = batch.clone().map(|image| {
            let first = (image * shape.in_channels + self.group * channels + self.first) * area;
            &self.x[first..first + window.channels * area]
        });
        let positions = block.positions(window);
        let a = GradientLanes {
            dy: &self.dy
                [(batch.start * shape.out_channels + self.group * m) * window.positions() + block.start(window)..],
            positions,
            lane: window.positions(),
            image: shape.out_channels * window.positions(),
        };
        scratch::with(batch.len() * window.copy_size(largest), |copy| {
            scratch::with(n, |offsets| {
                let b = RowLanes(Copied::new(window, block, images, copy, offsets));
                let c_start = start + self.group * m * row + self.first * window.kernel_size();
                let init = if resume { Init::Accumulate } else { Init::Zero };
                let (kernels, k) = (T::kernels(isa()), batch.len() * positions);
                Product { kernels, m, n, k, a, b, c: to, c_start, c_row: row, init }.run_alone();
            });
        });
    }
}

/// The gradient of some images' outputs as a matrix: a lane for every output channel, a step for every position.
struct GradientLanes<'a, T> {
    dy: &'a [T],
    /// Steps of one image.
    positions: usize,
    lane: usize,
    image: usize,
}

impl<T: Element> Source<T> for GradientLanes<'_, T> {
    fn pack(&self, k: std::ops::Range<usize>, lanes: std::ops::Range<usize>, width: usize, to: &mut [T]) {
        let mut step = k.start;
        while step < k.end {
            let (image, at) = (step / self.positions, step % self.positions);
            let end = (at + k.end - step).min(self.positions);
            let matrix = Lanes { data: &self.dy[image * self.image..], step: 1, lane: self.lane };
            matrix.pack(at..end, lanes.clone(), width, &mut to[(step - k.start) * width..]);
            step += end - at;
        }
    }

    fn strided(&self) -> Option<Lanes<'_, T>> {
        None
    }
}
