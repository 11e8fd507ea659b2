//! The weight gradient with channels as lanes.
//!
//! For one kernel element the gradient is a matrix product over (image, position): outputs' gradients times the inputs
//! that they met. Images are laid out as `[position, channel]` for it, the gradients as packed panels; what met padding
//! is left out by a table of steps. The sum is cut into parts by a rule of the shape, the parts are added in order.

use super::chains::Chains;
use super::taps::{Axis, Taps};
use super::{ConvShape, images};
use crate::gemm::{Element, Step, transpose};
use crate::reduce::{Folding, Folds};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, for_chunks_mut, parallel_for};

/// With fewer input channels in a group, registers would be mostly empty.
const CHANNELS: usize = 8;
/// Steps that are multiplied together: their panel of gradients and their images stay in a second-level cache.
const STEPS: usize = 1024;
/// Parts at most; more of them would cost more memory than they save.
const PARTS: usize = 16;

/// With fewer steps in all, laying out the images costs more than the products.
const FEW: usize = 128;

/// Whether channels fill registers, and there is something to sum.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let steps = shape.batch * shape.output.iter().product::<usize>();
    shape.in_channels / shape.groups >= CHANNELS && (steps >= FEW || images::suits(shape)) && !shape.is_depthwise()
}

/// The products of one gradient.
struct Products<'a, T> {
    shape: &'a ConvShape,
    taps: Vec<usize>,
    /// Images in a part, the last one may have fewer.
    images: usize,
    /// Images that are multiplied together.
    block: usize,
    /// The steps of every used kernel element through the images of a block.
    tables: Vec<Vec<Step>>,
    /// The images, `[image, position, channel]`.
    x: &'a [T],
    dy: &'a [T],
}

pub(super) fn backward_weight<T: Element + Folds>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    let taps = Taps::forward(shape).used();
    let outputs = shape.output.iter().product::<usize>();
    let block = (STEPS / outputs).clamp(1, shape.batch);
    let parts = (shape.batch * outputs).div_ceil(STEPS).min(PARTS);
    let images = shape.batch.div_ceil(parts).next_multiple_of(block);
    let parts = shape.batch.div_ceil(images);
    let slack = T::kernels(isa()).columns();
    let sum = taps.len() * shape.out_channels * (shape.in_channels / shape.groups);
    scratch::with(x.len() + slack, |lanes: &mut [T]| {
        channels_last(shape, x, lanes);
        lanes[x.len()..].fill(T::default());
        let tables = taps.iter().map(|&tap| steps(shape, tap, block)).collect();
        let products = Products { shape, taps, images, block, tables, x: lanes, dy };
        scratch::with(sum * parts, |sums: &mut [T]| {
            let shared = SharedMut::new(&mut *sums);
            let panels = products.panels();
            parallel_for(parts * shape.groups * panels, |task| {
                let (part, group, panel) = (task / panels / shape.groups, task / panels % shape.groups, task % panels);
                products.panel(part, group, panel, &shared, part * sum);
            });
            if parts == 1 {
                return products.deal(sums, dw);
            }
            scratch::with(sum, |total: &mut [T]| {
                T::fold_columns(Folding::Sum, sums, [1, parts, sum], total);
                products.deal(total, dw);
            });
        });
    });
}

/// `[image, position, channel]` from `[image, channel, position]`.
fn channels_last<T: Element>(shape: &ConvShape, x: &[T], to: &mut [T]) {
    let (channels, area) = (shape.in_channels, shape.input.iter().product::<usize>());
    for_chunks_mut(&mut to[..x.len()], channels * area, |image, to| {
        let image = &x[image * channels * area..][..channels * area];
        transpose(image, |channel| channel * area, channels, area, to, channels);
    });
}

/// The steps of a kernel element: where gradients and inputs of all `images` lie.
fn steps(shape: &ConvShape, tap: usize, images: usize) -> Vec<Step> {
    let [_, rows, columns] = shape.kernel;
    let tap = [tap / (rows * columns), tap / columns % rows, tap % columns];
    let axes: [Axis; 3] = std::array::from_fn(|d| Axis::forward(shape, d));
    let [depth, height, width] = shape.output;
    let [_, in_height, in_width] = shape.input;
    let (inputs, outputs) = (shape.input.iter().product::<usize>(), depth * height * width);
    let mut places = Vec::with_capacity(outputs);
    for at in 0..outputs {
        let at_axis = [at / (height * width), at / width % height, at % width];
        let [Some(z), Some(y), Some(x)] = std::array::from_fn(|d| axes[d].source(at_axis[d], tap[d])) else { continue };
        places.push((at, (z * in_height + y) * in_width + x));
    }
    let step = |image: usize, (at, source): (usize, usize)| {
        let a = u32::try_from(image * outputs + at).expect("a panel of gradients");
        Step::new(a, i32::try_from((image * inputs + source) * shape.in_channels).expect("images of 8 GiB"))
    };
    (0..images).flat_map(|image| places.iter().map(move |&place| step(image, place))).collect()
}

impl<T: Element> Products<'_, T> {
    fn outputs(&self) -> usize {
        self.shape.output.iter().product()
    }

    /// Panels of output channels in a group.
    fn panels(&self) -> usize {
        (self.shape.out_channels / self.shape.groups).div_ceil(T::kernels(isa()).rows())
    }

    /// What the images of a part give to some output channels, `[kernel element, out channel, in channel]`.
    fn panel(&self, part: usize, group: usize, panel: usize, to: &SharedMut<T>, start: usize) {
        let (shape, kernels) = (self.shape, T::kernels(isa()));
        let (inputs, outputs) = (shape.in_channels / shape.groups, shape.out_channels / shape.groups);
        let batch = part * self.images..shape.batch.min((part + 1) * self.images);
        let rows = outputs * panel / self.panels()..outputs * (panel + 1) / self.panels();
        let (area, first) = (self.outputs(), group * outputs + rows.start);
        let image = shape.input.iter().product::<usize>() * shape.in_channels;
        scratch::with(self.block * area * rows.len(), |packed: &mut [T]| {
            for block in batch.clone().step_by(self.block) {
                let images = block..batch.end.min(block + self.block);
                for (image, to) in images.clone().zip(packed.chunks_exact_mut(area * rows.len())) {
                    let dy = &self.dy[(image * shape.out_channels + first) * area..][..rows.len() * area];
                    transpose(dy, |row| row * area, rows.len(), area, to, rows.len());
                }
                let x = &self.x[images.start * image + group * inputs..];
                for column in (0..inputs).step_by(kernels.columns()) {
                    let columns = kernels.columns().min(inputs - column);
                    for (tap, table) in self.tables.iter().enumerate() {
                        let c = start + (tap * shape.out_channels + first) * inputs + column;
                        let chains = Chains {
                            a: packed,
                            a_step: rows.len(),
                            b: &x[column..],
                            steps: &table[..table.len() / self.block * images.len()],
                            rows: rows.len(),
                            columns,
                            c,
                            c_row: inputs,
                            fresh: images.start == batch.start,
                        };
                        // SAFETY: the panel has all steps; the images have a register's lanes behind every input (the
                        // last of them the slack); nobody else writes these channels of this part.
                        unsafe { chains.add(to) };
                    }
                }
            }
        });
    }

    /// `dw[out channel, in channel, kernel element]` from the sums; elements that are not used get zero.
    fn deal(&self, sums: &[T], dw: &mut [T]) {
        let inputs = self.shape.in_channels / self.shape.groups;
        let size = self.shape.kernel.iter().product::<usize>();
        let plane = self.shape.out_channels * inputs;
        for_chunks_mut(dw, inputs * size, |out, dw| {
            if self.taps.len() < size {
                dw.fill(T::default());
            }
            for (&tap, sums) in self.taps.iter().zip(sums.chunks_exact(plane)) {
                let sums = &sums[out * inputs..][..inputs];
                dw[tap..].iter_mut().step_by(size).zip(sums).for_each(|(to, &from)| *to = from);
            }
        });
    }
}
