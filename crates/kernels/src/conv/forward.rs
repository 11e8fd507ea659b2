//! The forward product: `y[image, group] = weight[group] · im2col(x[image, group])`.

use super::rows::{self, Rows};
use super::window::{Block, Copied, PositionLanes, Window};
use super::{ConvShape, depthwise, images};
use crate::gemm::{Element, Init, Kernels, Lanes, Product};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, parallel_for};

/// Blocks that a convolution is cut into if it has enough rows.
const TASKS: usize = 16;
/// With fewer positions in an image, one product takes several images: the weights are read once for all of them.
const FEW: usize = 64;
/// Columns that such a product aims at.
const COLUMNS: usize = 512;
/// Rows of so many positions are worth more than a transpose of the images.
const WIDE: usize = 24;
/// Elements that its copies of images may take.
const COPIES: usize = 1 << 21;

pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: &[T], bias: Option<&[T]>, y: &mut [T]) {
    let wide = shape.output[2] >= WIDE && rows::suits(&shape.window(), T::kernels(isa()));
    if images::suits(shape) && !wide {
        return images::forward(shape, x, weight, bias, y);
    }
    let run = |shape: &ConvShape, weight: &[T], y: &mut [T]| match shape.is_depthwise() {
        true => depthwise::forward(shape, x, weight, bias, y),
        false => convolve(shape, shape.window(), x, weight, bias, y),
    };
    match shape.trim() {
        Some(trim) => trim.with_weight(weight, |shape, weight| run(shape, weight, y)),
        None => run(shape, weight, y),
    }
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
    if n < FEW && shape.batch > 1 {
        return several_images(shape, &window, x, left, init, y);
    }
    // All groups' weights are packed once, by all threads.
    scratch::with(weight.len(), |packed| {
        if rows::suits(&window, kernels) {
            rows::pack(kernels, m, k, weight, packed);
            return wide(shape, &window, kernels, x, packed, bias, y);
        }
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
                    let copied = Copied::new(&window, block, 1, |_| image(unit), copy, offsets);
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

/// The convolution of wide maps, with what [`rows::pack`] gave for the weight.
fn wide<T: Element>(
    shape: &ConvShape,
    window: &Window,
    kernels: &'static Kernels<T>,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    y: &SharedMut<T>,
) {
    let (groups, units) = (shape.groups, shape.batch * shape.groups);
    let (m, k, c_row) = (shape.out_channels / groups, window.rows(), window.positions());
    let size = window.block_size(units, TASKS);
    let blocks: Vec<_> = window.blocks(size).collect();
    parallel_for(units * blocks.len(), |task| {
        let (unit, block) = (task / blocks.len(), blocks[task % blocks.len()]);
        let group = unit % groups;
        scratch::with(window.copy_size(size), |copy| {
            scratch::with(k, |offsets| {
                let image = |_| &x[unit * window.image()..(unit + 1) * window.image()];
                let copied = Copied::new(window, block, 1, image, copy, offsets);
                let weight = &weight[group * m * k..(group + 1) * m * k];
                let bias = bias.map(|bias| &bias[group * m..(group + 1) * m]);
                let start = unit * m * c_row + block.start(window);
                Rows { kernels, m, k, weight, bias, y, start, c_row }.run(&copied, block.positions(window));
            });
        });
    });
}

/// The convolution of small images: one product computes the outputs of several, which are then dealt out.
fn several_images<'a, T: Element>(
    shape: &ConvShape,
    window: &Window,
    x: &[T],
    weight: impl Fn(usize) -> Lanes<'a, T>,
    init: impl Fn(usize) -> Init<'a, T>,
    y: &SharedMut<T>,
) {
    let groups = shape.groups;
    let (m, positions, k) = (shape.out_channels / groups, window.positions(), window.rows());
    let whole = Block { first: [0; 2], size: [window.output[0], window.output[1]] };
    let copy = window.copy_size(whole.size);
    let most = (COLUMNS / positions).min(COPIES / copy).max(1);
    for task in 0..shape.batch.div_ceil(most) * groups {
        let (first, group) = (task / groups * most, task % groups);
        let images = most.min(shape.batch - first);
        // The number of an image's group among all groups of all images.
        let unit = |i: usize| (first + i) * groups + group;
        let image = |i: usize| &x[unit(i) * window.image()..][..window.image()];
        let n = images * positions;
        scratch::with(images * copy, |copy| {
            scratch::with(k, |offsets| {
                let b = PositionLanes(Copied::new(window, whole, images, image, copy, offsets));
                scratch::with(m * n, |product: &mut [T]| {
                    let (kernels, c) = (T::kernels(isa()), &SharedMut::new(&mut *product));
                    let (a, init) = (weight(group), init(group));
                    Product { kernels, m, n, k, a, b, c, c_start: 0, c_row: n, init }.run();
                    let product = &*product;
                    parallel_for(images, |i| {
                        // SAFETY: this group of this image is this task's alone.
                        let y = unsafe { y.range(unit(i) * m * positions..(unit(i) + 1) * m * positions) };
                        for (row, y) in y.chunks_exact_mut(positions).enumerate() {
                            y.copy_from_slice(&product[row * n + i * positions..][..positions]);
                        }
                    });
                });
            });
        });
    }
}
