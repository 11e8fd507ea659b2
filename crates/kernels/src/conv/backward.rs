//! The gradients of a convolution, as matrix products of their own.

use super::forward::convolve;
use super::window::{Block, Copied, RowLanes, Window};
use super::{ConvShape, Finish, Weight, channels, depthwise, few, images, lines};
use crate::gemm::{Element, Init, Lanes, Product, Source};
use crate::reduce::{Folding, Folds};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, for_chunks_mut, parallel_for};

/// Tasks that a gradient is cut into if its shape allows. Their sums are added: not a number that may follow the threads.
const TASKS: usize = 16;
/// Steps of a weight gradient's product that are worth a copy of their images.
const STEPS: usize = 384;
/// Columns of a weight gradient that one task computes.
const COLUMNS: usize = 512;
/// Input channels whose mirrored kernels one task copies.
const MIRRORED: usize = 16;

/// The gradient is a convolution of `dy` with the mirrored kernel, input and output channels exchanged. With a stride
/// there is one for every phase, which is a set of inputs that are a stride apart: it has the kernel elements that
/// reach those inputs, and its result is dealt out to them.
pub(super) fn backward_data<T: Element>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    if images::suits(shape) {
        return images::backward_data(shape, dy, weight, dx);
    }
    match shape.trim() {
        Some(trim) => trim.with_weight(weight, |shape, weight| phases(shape, dy, weight, dx)),
        None => phases(shape, dy, weight, dx),
    }
}

fn phases<T: Element>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    if shape.stride == [1; 3] {
        let axes = std::array::from_fn(|d| Axis::new(shape, d, 0).expect("every input is reached with stride 1"));
        return phase(shape, &axes, dy, weight, dx);
    }
    dx.fill(T::default());
    let [planes, rows, columns] = shape.stride;
    let area = shape.input.iter().product::<usize>();
    for at in 0..planes * rows * columns {
        let at = [at / (rows * columns), at / columns % rows, at % columns];
        let [Some(z), Some(y), Some(x)] = std::array::from_fn(|d| Axis::new(shape, d, at[d])) else { continue };
        let positions = z.inputs * y.inputs * x.inputs;
        scratch::with(shape.batch * shape.in_channels * positions, |part: &mut [T]| {
            phase(shape, &[z, y, x], dy, weight, part);
            for_chunks_mut(dx, area, |plane, dx| {
                for (row, from) in part[plane * positions..][..positions].chunks_exact(x.inputs).enumerate() {
                    let (plane, row) = (z.first + row / y.inputs * planes, y.first + row % y.inputs * rows);
                    let to = &mut dx[(plane * shape.input[1] + row) * shape.input[2] + x.first..];
                    to.iter_mut().step_by(columns).zip(from).for_each(|(to, &from)| *to = from);
                }
            });
        });
    }
}

/// The inputs of one phase along one axis, and the kernel elements that reach them.
#[derive(Clone, Copy)]
struct Axis {
    /// The first input; the others follow a stride apart.
    first: usize,
    inputs: usize,
    /// The first kernel element, and the distance of the others.
    kernel: usize,
    step: usize,
    /// Kernel elements.
    size: usize,
    /// The distance of their outputs, and how far the last of them lies before the first input.
    dilation: usize,
    pad: isize,
}

impl Axis {
    /// The phase of the inputs `i` for which `(i + pad) mod stride` is `at`; `None` where there is none, or nothing
    /// reaches it.
    fn new(shape: &ConvShape, d: usize, at: usize) -> Option<Axis> {
        let (stride, pad, dilation) = (shape.stride[d], shape.pad_begin[d], shape.dilation[d]);
        let first = (at + stride - pad % stride) % stride;
        let inputs = shape.input[d].checked_sub(first).filter(|&left| left > 0)?.div_ceil(stride);
        let mut reaching = (0..shape.kernel[d]).filter(|k| k * dilation % stride == at);
        let kernel = reaching.next()?;
        let step = reaching.next().map_or(stride, |second| second - kernel);
        let size = (shape.kernel[d] - kernel).div_ceil(step);
        let distance = (step * dilation).div_ceil(stride);
        // The output that the first kernel element connects with the first input.
        let output = ((first + pad) as isize - (kernel * dilation) as isize) / stride as isize;
        let pad = ((size - 1) * distance) as isize - output;
        Some(Axis { first, inputs, kernel, step, size, dilation: distance, pad })
    }
}

/// The convolution of one phase.
fn phase<T: Element>(shape: &ConvShape, axes: &[Axis; 3], dy: &[T], weight: &[T], dx: &mut [T]) {
    let (inputs, outputs) = (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
    let window = Window {
        channels: outputs,
        input: shape.output,
        kernel: axes.map(|axis| axis.size),
        output: axes.map(|axis| axis.inputs),
        stride: [1; 3],
        pad: axes.map(|axis| axis.pad),
        dilation: axes.map(|axis| axis.dilation),
    };
    // The places of the kernel elements in the kernel, in mirrored order.
    let places: Vec<usize> = (0..window.kernel_size())
        .rev()
        .map(|at| {
            let [_, rows, columns] = window.kernel;
            let at = [at / (rows * columns), at / columns % rows, at % columns];
            let [z, y, x]: [usize; 3] = std::array::from_fn(|d| axes[d].kernel + at[d] * axes[d].step);
            (z * shape.kernel[1] + y) * shape.kernel[2] + x
        })
        .collect();
    let (whole, size) = (shape.kernel.iter().product::<usize>(), places.len());
    let mirrored = ConvShape { in_channels: shape.out_channels, out_channels: shape.in_channels, ..*shape };
    scratch::with(shape.groups * inputs * outputs * size, |to: &mut [T]| {
        for_chunks_mut(to, MIRRORED.min(inputs) * outputs * size, |task, to| {
            let first = task * MIRRORED.min(inputs);
            // Neighbouring inputs lie together in the weight: all of the task's are taken before the next output's.
            for output in 0..outputs {
                for (i, to) in to.chunks_exact_mut(outputs * size).enumerate() {
                    let (group, input) = ((first + i) / inputs, (first + i) % inputs);
                    let from = &weight[((group * outputs + output) * inputs + input) * whole..][..whole];
                    to[output * size..][..size].iter_mut().zip(&places).for_each(|(to, &at)| *to = from[at]);
                }
            }
        });
        let nothing = Finish { bias: None, bounds: None };
        if shape.is_depthwise() {
            depthwise::convolve(shape.batch, shape.groups, window, dy, to, nothing, dx);
        } else {
            convolve(&mirrored, window, dy, Weight::Plain(to), nothing, dx);
        }
    });
}

/// The sum over (batch, position) is cut into parts by a rule of the shape; the parts are added in order.
pub(super) fn backward_weight<T: Element + Folds>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    if channels::suits(shape) {
        return channels::backward_weight(shape, x, dy, dw);
    }
    if lines::suits(shape) {
        return lines::backward_weight(shape, x, dy, super::Order::ChannelsFirst, dw);
    }
    if few::suits(shape) {
        return few::backward_weight(shape, x, dy, dw);
    }
    let run = |shape: &ConvShape, dw: &mut [T]| match shape.is_depthwise() {
        true => depthwise::backward_weight(shape, x, dy, dw),
        false => pieces(shape, x, dy, dw),
    };
    match shape.trim() {
        Some(trim) => trim.with_gradient(dw, run),
        None => run(shape, dw),
    }
}

fn pieces<T: Element + Folds>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
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
        let image = |i: usize| {
            let first = ((batch.start + i) * shape.in_channels + self.group * channels + self.first) * area;
            &self.x[first..first + window.channels * area]
        };
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
                let b = RowLanes(Copied::new(window, block, batch.len(), image, copy, offsets));
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
