//! The forward product: `y[image, group] = weight[group] · im2col(x[image, group])`.

use super::rows::{self, Rows};
use super::window::{Block, Copied, PositionLanes, Window};
use super::{ConvShape, Finish, Packing, Weight, across, depthwise, images};
use crate::gemm::{Element, Init, Kernels, Lanes, Product};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, most_tasks, parallel_for};

/// With fewer positions in an image, one product takes several images: the weights are read once for all of them.
const FEW: usize = 64;
/// Columns that such a product aims at.
const COLUMNS: usize = 512;
/// Rows of so many positions are worth more than a transpose of the images.
const WIDE: usize = 24;
/// Elements that its copies of images may take.
const COPIES: usize = 1 << 21;

pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: Weight<T>, finish: Finish<T>, y: &mut [T]) {
    let weight = match weight {
        Weight::Packed(packed) => {
            let shape = &shape.trim().map_or(*shape, |trim| trim.shape());
            return convolve(shape, shape.window(), x, Weight::Packed(packed), finish, y);
        }
        Weight::Plain(weight) => weight,
    };
    if in_lanes::<T>(shape) {
        return images::forward(shape, x, weight, finish, y);
    }
    let run = |shape: &ConvShape, weight: &[T], y: &mut [T]| match shape.is_depthwise() {
        true => depthwise::forward(shape, x, weight, finish, y),
        false => convolve(shape, shape.window(), x, Weight::Plain(weight), finish, y),
    };
    match shape.trim() {
        Some(trim) => trim.with_weight(weight, |shape, weight| run(shape, weight, y)),
        None => run(shape, weight, y),
    }
}

/// Whether sixteen images are taken at a time.
fn in_lanes<T: Element>(shape: &ConvShape) -> bool {
    let wide = shape.output[2] >= WIDE && rows::suits(&shape.window(), T::kernels(isa()));
    images::suits(shape) && !wide
}

/// Whether one product takes several images, with a weight that is not packed for all of them.
fn takes_several(shape: &ConvShape, window: &Window) -> bool {
    window.positions() < FEW && shape.batch > 1
}

/// How the weight is packed, if [`convolve`] packs it.
pub(super) fn packing<T: Element>(shape: &ConvShape) -> Option<Packing> {
    let left = shape.trim().map_or(*shape, |trim| trim.shape());
    let packs = !in_lanes::<T>(shape) && !shape.is_depthwise() && !takes_several(&left, &left.window());
    let channels_are_lanes = across::suits(&left, &left.window(), T::kernels(isa()));
    (packs && left.weight_len() > 0).then(|| Packing { len: elements::<T>(&left, &left.window()), channels_are_lanes })
}

/// The elements that [`pack_groups`] makes.
fn elements<T: Element>(shape: &ConvShape, window: &Window) -> usize {
    let kernels = T::kernels(isa());
    match across::suits(shape, window, kernels) {
        true => across::packed_len(shape, window, kernels),
        false => shape.out_channels * window.rows(),
    }
}

/// Packs the weight for [`forward`].
pub(super) fn pack<T: Element>(shape: &ConvShape, weight: &[T], to: &mut [T]) {
    let mut run = |shape: &ConvShape, weight: &[T]| pack_groups(shape, &shape.window(), weight, to);
    match shape.trim() {
        Some(trim) => trim.with_weight(weight, run),
        None => run(shape, weight),
    }
}

/// Packs the weights of all groups, with all threads.
fn pack_groups<T: Element>(shape: &ConvShape, window: &Window, weight: &[T], to: &mut [T]) {
    let (m, k, kernels) = (shape.out_channels / shape.groups, window.rows(), T::kernels(isa()));
    if rows::suits(window, kernels) {
        return rows::pack(kernels, m, k, weight, to);
    }
    if across::suits(shape, window, kernels) {
        return across::pack(kernels, m, k, weight, to);
    }
    for (weight, to) in weight.chunks(m * k).zip(to.chunks_mut(m * k)) {
        let (a, b) = (Lanes { data: weight, step: 1, lane: k }, Lanes { data: &[][..], step: 0, lane: 0 });
        let c = &SharedMut::new(&mut []);
        Product { kernels, m, n: 1, k, a, b, c, c_start: 0, c_row: 1, init: Init::Zero }.pack_a(to);
    }
}

/// The convolution of each image and group with its `window`. The window may have other sizes than `shape`, of which
/// only the batch, the groups and the channels are used. A packed weight is what [`pack_groups`] gave.
pub(super) fn convolve<T: Element>(
    shape: &ConvShape,
    window: Window,
    x: &[T],
    weight: Weight<T>,
    finish: Finish<T>,
    y: &mut [T],
) {
    let (n, k) = (window.positions(), window.rows());
    if k == 0 {
        let bias = |row: usize| finish.bias.map_or(T::default(), |bias| bias[row % shape.out_channels]);
        y.chunks_exact_mut(n).enumerate().for_each(|(row, y)| y.fill(bias(row)));
        return finish.bound(y);
    }
    let y = &SharedMut::new(y);
    match weight {
        Weight::Plain(weight) if takes_several(shape, &window) => several_images(shape, &window, x, weight, finish, y),
        Weight::Plain(weight) => scratch::with(elements::<T>(shape, &window), |packed: &mut [T]| {
            pack_groups(shape, &window, weight, packed);
            convolve_packed(shape, &window, x, packed, finish, y);
        }),
        Weight::Packed(packed) => convolve_packed(shape, &window, x, packed, finish, y),
    }
}

/// The values that products of a group start from.
fn init<'a, T>(finish: &Finish<'a, T>, group: usize, m: usize) -> Init<'a, T> {
    match finish.bias {
        Some(bias) => Init::ColBias(&bias[group * m..(group + 1) * m]),
        None => Init::Zero,
    }
}

fn convolve_packed<T: Element>(
    shape: &ConvShape,
    window: &Window,
    x: &[T],
    packed: &[T],
    finish: Finish<T>,
    y: &SharedMut<T>,
) {
    let kernels = T::kernels(isa());
    if rows::suits(window, kernels) {
        return wide(shape, window, kernels, x, packed, finish, y);
    }
    if across::suits(shape, window, kernels) {
        return across::convolve(shape, window, kernels, x, packed, finish, y);
    }
    let groups = shape.groups;
    let (m, n, k) = (shape.out_channels / groups, window.positions(), window.rows());
    let image = |unit: usize| &x[unit * window.image()..(unit + 1) * window.image()];
    let packed = |group: usize| &packed[group * m * k..(group + 1) * m * k];
    // What is packed is not read otherwise.
    let a = Lanes { data: &[][..], step: 1, lane: k };
    // A unit is one group of one image.
    let units = shape.batch * groups;
    let c_row = n;
    if window.is_pointwise() {
        let columns = n.div_ceil(most_tasks().div_ceil(units)).next_multiple_of(kernels.columns()).min(512);
        let blocks = n.div_ceil(columns);
        return parallel_for(units * blocks, |task| {
            let (unit, first) = (task / blocks, task % blocks * columns);
            let group = unit % groups;
            let b = Lanes { data: &image(unit)[first..], step: n, lane: 1 };
            let (c_start, n) = (unit * m * n + first, columns.min(n - first));
            let product = Product { kernels, m, n, k, a, b, c: y, c_start, c_row, init: init(&finish, group, m) };
            product.run_alone_with(packed(group));
            // SAFETY: these columns are this task's alone.
            unsafe { finish.bound_rows(y, c_start, m, c_row, n) };
        });
    }
    let size = window.block_size(units, most_tasks());
    let blocks: Vec<_> = window.blocks(size).collect();
    parallel_for(units * blocks.len(), |task| {
        let (unit, block) = (task / blocks.len(), blocks[task % blocks.len()]);
        let group = unit % groups;
        scratch::with(window.copy_size(size), |copy| {
            scratch::with(k, |offsets| {
                let b = PositionLanes(Copied::new(window, block, 1, |_| image(unit), copy, offsets));
                let (c_start, n) = (unit * m * n + block.start(window), block.positions(window));
                let product = Product { kernels, m, n, k, a, b, c: y, c_start, c_row, init: init(&finish, group, m) };
                product.run_alone_with(packed(group));
                // SAFETY: these positions are this task's alone.
                unsafe { finish.bound_rows(y, c_start, m, c_row, n) };
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
    finish: Finish<T>,
    y: &SharedMut<T>,
) {
    let (groups, units) = (shape.groups, shape.batch * shape.groups);
    let (m, k, c_row) = (shape.out_channels / groups, window.rows(), window.positions());
    let size = window.block_size(units, most_tasks());
    let blocks: Vec<_> = window.blocks(size).collect();
    parallel_for(units * blocks.len(), |task| {
        let (unit, block) = (task / blocks.len(), blocks[task % blocks.len()]);
        let group = unit % groups;
        scratch::with(window.copy_size(size), |copy| {
            scratch::with(k, |offsets| {
                let image = |_| &x[unit * window.image()..(unit + 1) * window.image()];
                let copied = Copied::new(window, block, 1, image, copy, offsets);
                let weight = &weight[group * m * k..(group + 1) * m * k];
                let finish = Finish { bias: finish.bias.map(|bias| &bias[group * m..(group + 1) * m]), ..finish };
                let (start, positions) = (unit * m * c_row + block.start(window), block.positions(window));
                Rows { kernels, m, k, weight, finish, y, start, c_row }.run(&copied, positions);
            });
        });
    });
}

/// The convolution of small images: one product computes the outputs of several, which are then dealt out.
fn several_images<T: Element>(
    shape: &ConvShape,
    window: &Window,
    x: &[T],
    weight: &[T],
    finish: Finish<T>,
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
                    let a = Lanes { data: &weight[group * m * k..(group + 1) * m * k], step: 1, lane: k };
                    let init = init(&finish, group, m);
                    Product { kernels, m, n, k, a, b, c, c_start: 0, c_row: n, init }.run();
                    let product = &*product;
                    parallel_for(images, |i| {
                        // SAFETY: this group of this image is this task's alone.
                        let y = unsafe { y.range(unit(i) * m * positions..(unit(i) + 1) * m * positions) };
                        for (row, y) in y.chunks_exact_mut(positions).enumerate() {
                            y.copy_from_slice(&product[row * n + i * positions..][..positions]);
                            finish.bound(y);
                        }
                    });
                });
            });
        });
    }
}
