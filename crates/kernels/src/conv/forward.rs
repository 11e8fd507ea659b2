//! The forward product: `y[image, group] = weight[group] · im2col(x[image, group])`.

use super::window::{Copied, PositionLanes, Window};
use super::{ConvShape, depthwise};
use crate::gemm::{Element, Init, Lanes, Product};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, parallel_for};

/// Blocks that a convolution is cut into if it has enough rows.
const TASKS: usize = 16;

pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: &[T], bias: Option<&[T]>, y: &mut [T]) {
    if shape.is_depthwise() {
        return depthwise::forward(shape, x, weight, bias, y);
    }
    convolve(shape, shape.window(), x, weight, bias, y);
}

/// The convolution of each image and group with its `window`. The window may have other sizes than `shape`, of which
/// only the batch, the groups and the channels are used.
pub(super) fn convolve<T: Element>(
    shape: &ConvShape,
    window: Window,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
) {
    let groups = shape.groups;
    let (m, n, k) = (shape.out_channels / groups, window.positions(), window.rows());
    if k == 0 {
        let bias = |row: usize| bias.map_or(T::default(), |bias| bias[row % shape.out_channels]);
        return y.chunks_exact_mut(n).enumerate().for_each(|(row, y)| y.fill(bias(row)));
    }
    let kernels = T::kernels(isa());
    let y = &SharedMut::new(y);
    let init = |group: usize| match bias {
        Some(bias) => Init::ColBias(&bias[group * m..(group + 1) * m]),
        None => Init::Zero,
    };
    let left = |group: usize| Lanes { data: &weight[group * m * k..(group + 1) * m * k], step: 1, lane: k };
    let image = |unit: usize| &x[unit * window.image()..(unit + 1) * window.image()];
    // All groups' weights are packed once, by all threads.
    scratch::with(weight.len(), |packed| {
        for (group, to) in packed.chunks_mut(m * k).enumerate() {
            let (a, b) = (left(group), Lanes { data: &[][..], step: 0, lane: 0 });
            Product { kernels, m, n: 1, k, a, b, c: y, c_start: 0, c_row: n, init: Init::Zero }.pack_a(to);
        }
        let packed = |group: usize| &packed[group * m * k..(group + 1) * m * k];
        // A unit is one group of one image.
        let units = shape.batch * groups;
        if window.is_pointwise() {
            let columns = n.div_ceil(TASKS.div_ceil(units)).next_multiple_of(kernels.columns()).min(512);
            let blocks = n.div_ceil(columns);
            return parallel_for(units * blocks, |task| {
                let (unit, first) = (task / blocks, task % blocks * columns);
                let group = unit % groups;
                let (a, b) = (left(group), Lanes { data: &image(unit)[first..], step: n, lane: 1 });
                let (c_start, n) = (unit * m * n + first, columns.min(n - first));
                let product =
                    Product { kernels, m, n, k, a, b, c: y, c_start, c_row: window.positions(), init: init(group) };
                product.run_alone_with(packed(group));
            });
        }
        let size = window.block_size(units, TASKS);
        let blocks: Vec<_> = window.blocks(size).collect();
        parallel_for(units * blocks.len(), |task| {
            let (unit, block) = (task / blocks.len(), blocks[task % blocks.len()]);
            let group = unit % groups;
            scratch::with(window.copy_size(size), |copy| {
                scratch::with(k, |offsets| {
                    let copied = Copied::new(&window, block, std::iter::once(image(unit)), copy, offsets);
                    let (a, b) = (left(group), PositionLanes(copied));
                    let (c_start, n) = (unit * m * n + block.start(&window), block.positions(&window));
                    let product =
                        Product { kernels, m, n, k, a, b, c: y, c_start, c_row: window.positions(), init: init(group) };
                    product.run_alone_with(packed(group));
                });
            });
        });
    });
}
