//! Convolutions of many images: a register holds one element of sixteen images.
//!
//! The batch is laid out as `[image / 16, channel, position, image % 16]`, a transpose each way. In that layout every
//! element that a kernel element meets is a whole register, so neither the width of the maps nor the stride matters,
//! and products with padding are left out: small maps are mostly border. Forward and data gradient are products of
//! packed weights with registers that a table finds; the chains run over (channel, kernel element) like those of the
//! other convolutions, and have the same bits.

use super::taps::Taps;
use super::{ConvShape, Finish};
use crate::gemm::{Element, LANES, Next, Tile, Walk, transpose, transpose_into};
use crate::scratch;
use crate::simd::isa;
use crate::threads::{SharedMut, most_tasks, parallel_for};

/// Elements of the batch that are laid out at a time.
const ROUND: usize = 1 << 22;
/// Elements of one image at most: sixteen of them fill a second-level cache.
const LARGEST: usize = 1 << 15;
/// Elements that one task transposes.
const TRANSPOSED: usize = 1 << 14;
/// Results that a task keeps before it transposes them: a quarter of a second-level cache.
const RESULTS: usize = 1 << 16;

/// Whether this is the way to go for a shape: even half-empty registers beat packing, as long as a group of images
/// stays in the cache.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let largest = (shape.x_len() / shape.batch.max(1)).max(shape.y_len() / shape.batch.max(1));
    let sizes = 1..=LARGEST;
    shape.batch >= LANES / 2 && !shape.is_depthwise() && shape.x_len() > 0 && sizes.contains(&largest)
}

pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: &[T], finish: Finish<T>, y: &mut [T]) {
    let size = shape.kernel.iter().product::<usize>();
    let inputs = shape.in_channels / shape.groups;
    let weight = Weight { data: weight, size, row: inputs * size, channel: size, group: weight.len() / shape.groups };
    let product = Sums { taps: Taps::forward(shape), batch: shape.batch, groups: shape.groups, weight, finish };
    product.run(shape.in_channels, x, shape.out_channels, y);
}

pub(super) fn backward_data<T: Element>(shape: &ConvShape, dy: &[T], weight: &[T], dx: &mut [T]) {
    let size = shape.kernel.iter().product::<usize>();
    let inputs = shape.in_channels / shape.groups;
    let weight = Weight { data: weight, size, row: size, channel: inputs * size, group: weight.len() / shape.groups };
    let finish = Finish { bias: None, bounds: None };
    let product = Sums { taps: Taps::backward(shape), batch: shape.batch, groups: shape.groups, weight, finish };
    product.run(shape.out_channels, dy, shape.in_channels, dx);
}

/// A weight as a matrix with a row for every result channel: strides in elements.
struct Weight<'a, T> {
    data: &'a [T],
    /// Elements of a kernel.
    size: usize,
    row: usize,
    channel: usize,
    group: usize,
}

impl<T: Element> Weight<'_, T> {
    /// Packs some rows of one group: `rows` elements for every channel and used kernel element.
    fn pack(&self, group: usize, first: usize, rows: usize, used: &[usize], to: &mut [T]) {
        let from = &self.data[group * self.group + first * self.row..];
        let channels = to.len() / (rows * used.len());
        if used.len() == self.size && self.channel == self.size {
            return transpose(from, |i| i * self.row, rows, channels * self.size, to, rows);
        }
        for (channel, to) in to.chunks_exact_mut(used.len() * rows).enumerate() {
            for i in 0..rows {
                let kernel = &from[channel * self.channel + i * self.row..][..self.size];
                to[i..].iter_mut().step_by(rows).zip(used).for_each(|(to, &at)| *to = kernel[at]);
            }
        }
    }
}

/// Results that are sums over kernel elements: a forward pass or a data gradient.
struct Sums<'a, T> {
    taps: Taps,
    batch: usize,
    groups: usize,
    weight: Weight<'a, T>,
    finish: Finish<'a, T>,
}

/// Some images of the batch, and how they lie in [`LANES`] at a time.
#[derive(Clone, Copy)]
struct Round {
    first: usize,
    images: usize,
}

impl Round {
    /// The rounds of a batch whose images have so many elements.
    fn all(batch: usize, image: usize) -> impl Iterator<Item = Round> {
        let most = (ROUND / image / LANES).max(1) * LANES;
        (0..batch).step_by(most).map(move |first| Round { first, images: most.min(batch - first) })
    }

    fn groups(self) -> usize {
        self.images.div_ceil(LANES)
    }

    /// The images of a group.
    fn group(self, group: usize) -> std::ops::Range<usize> {
        let first = self.first + group * LANES;
        first..(first + LANES).min(self.first + self.images)
    }

    /// Calls `f` with the images, `[group, element, LANES]`; lanes without an image are zero.
    fn with_lanes<T: Element, R>(self, x: &[T], image: usize, f: impl FnOnce(&[T]) -> R) -> R {
        scratch::with(self.groups() * image * LANES, |lanes| {
            let shared = SharedMut::new(lanes);
            let parts = image.div_ceil(TRANSPOSED / LANES);
            parallel_for(self.groups() * parts, |task| {
                let (group, part) = (task / parts, task % parts * (TRANSPOSED / LANES));
                let steps = (TRANSPOSED / LANES).min(image - part);
                let start = (group * image + part) * LANES;
                // SAFETY: this part of this group is this task's alone.
                let to = unsafe { shared.range(start..start + steps * LANES) };
                let images = self.group(group);
                if images.len() < LANES {
                    to.fill(T::default());
                }
                transpose(x, |lane| (images.start + lane) * image + part, images.len(), steps, to, LANES);
            });
            f(lanes)
        })
    }
}

impl<T: Element> Sums<'_, T> {
    /// `to[batch, to_channels, results]` from `from[batch, from_channels, sources]`.
    fn run(&self, from_channels: usize, from: &[T], to_channels: usize, to: &mut [T]) {
        let kernels = T::kernels(isa());
        let (rows, channels) = (to_channels / self.groups, from_channels / self.groups);
        let panels = rows.div_ceil(kernels.rows());
        let row = |panel: usize| rows * panel / panels;
        let used = self.taps.used();
        let steps = channels * used.len();
        let tables = self.taps.tables(channels);
        let to = &SharedMut::new(to);
        scratch::with(self.groups * rows * steps, |packed: &mut [T]| {
            let shared = SharedMut::new(&mut *packed);
            parallel_for(self.groups * panels, |task| {
                let (group, panel) = (task / panels, task % panels);
                let start = (group * rows + row(panel)) * steps;
                let count = row(panel + 1) - row(panel);
                // SAFETY: every panel is one task's alone.
                let to = unsafe { shared.range(start..start + count * steps) };
                self.weight.pack(group, row(panel), count, &used, to);
            });
            let image = from_channels * self.taps.sources();
            for round in Round::all(self.batch, image) {
                round.with_lanes(from, image, |lanes| {
                    // Panels of weights stay in the cache for all images where there are enough of them.
                    let parts = most_tasks().div_ceil(self.groups * panels).min(round.groups());
                    parallel_for(self.groups * panels * parts, |task| {
                        let (group, panel, part) = (task / parts / panels, task / parts % panels, task % parts);
                        let first = group * rows + row(panel);
                        let panel = Panel {
                            sums: self,
                            tables: &tables,
                            weight: &packed[first * steps..],
                            first,
                            rows: row(panel + 1) - row(panel),
                            to,
                            to_channels,
                        };
                        let count = round.groups();
                        for images in count * part / parts..count * (part + 1) / parts {
                            let from = images * image + group * channels * self.taps.sources();
                            panel.run(round.group(images), &lanes[from * LANES..]);
                        }
                    });
                });
            }
        });
    }
}

/// Some result channels, whose weights are packed together.
struct Panel<'a, T> {
    sums: &'a Sums<'a, T>,
    /// The steps of every kind of result position.
    tables: &'a [Vec<crate::gemm::Step>],
    weight: &'a [T],
    /// The first of the channels among those of all groups.
    first: usize,
    rows: usize,
    to: &'a SharedMut<'a, T>,
    to_channels: usize,
}

impl<T: Element> Panel<'_, T> {
    /// The results of a group of images, whose sources begin at `lanes`.
    fn run(&self, images: std::ops::Range<usize>, lanes: &[T]) {
        let [depth, height, width] = self.sums.taps.results();
        let positions = depth * height * width;
        // Rows of results that are computed, then transposed.
        let block = (RESULTS / (self.rows * width * LANES)).clamp(1, depth * height);
        scratch::with(self.rows * block * width * LANES, |results: &mut [T]| {
            for first in (0..depth * height).step_by(block) {
                let lines = first..(first + block).min(depth * height);
                let count = lines.len() * width;
                let results = &mut results[..self.rows * count * LANES];
                self.compute(lines, lanes, results);
                // Where the block is all there is, the rows of one image follow each other.
                let steps = if count == positions { self.rows * count } else { count };
                for (piece, results) in results.chunks_exact(steps * LANES).enumerate() {
                    let image = self.to_channels * positions;
                    let start = images.start * image + (self.first + piece) * positions + first * width;
                    assert!(start + (images.len() - 1) * image + steps <= self.to.len());
                    let to = self.to.pointer().wrapping_add(start);
                    // SAFETY: the images end inside `to`; these channels of theirs are this task's alone.
                    unsafe { transpose_into(results, |step| step * LANES, steps, images.len(), to, image) };
                }
            }
        });
    }

    /// The results of some lines (rows of all planes) as `[row, position, LANES]`.
    fn compute(&self, lines: std::ops::Range<usize>, lanes: &[T], results: &mut [T]) {
        let kernels = T::kernels(isa());
        let taps = &self.sums.taps;
        let [_, height, width] = taps.results();
        let c_row = lines.len() * width * LANES;
        let bias = self.sums.finish.bias.map_or(std::ptr::null(), |bias| bias[self.first..][..self.rows].as_ptr());
        assert!(results.len() == self.rows * c_row && lanes.len() >= taps.sources() * LANES);
        let c = results.as_mut_ptr();
        for line in lines.clone() {
            let at = [line / height, line % height];
            let to = (line - lines.start) * width;
            for (table, positions) in taps.line(at) {
                let steps = &self.tables[table];
                // A position is one register or several; two registers make a tile.
                let each = LANES / kernels.lanes;
                let register = |i: usize| {
                    let ((result, source), part) = (positions[i / each], i % each * kernels.lanes);
                    (((to + result) * LANES) + part, (taps.source(at, source) * LANES) + part)
                };
                for first in (0..positions.len() * each).step_by(2) {
                    let count = 2.min(positions.len() * each - first);
                    let pair = [register(first), register(first + count - 1)];
                    let tile = Tile {
                        k: steps.len(),
                        a: self.weight.as_ptr(),
                        a_row: 1,
                        a_step: self.rows,
                        b: pair.map(|(_, source)| lanes[source..].as_ptr()),
                        b_step: 0,
                        table: steps.as_ptr(),
                        c: pair.map(|(result, _)| c.wrapping_add(result)),
                        c_row,
                        next: Next::NONE,
                        lanes: [kernels.lanes; 2],
                        resume: false,
                        row_bias: [std::ptr::null(); 2],
                        col_bias: bias,
                        bounds: self.sums.finish.bounds,
                    };
                    // SAFETY: the weight has a panel for all steps, the tables lead to sources that exist (`Taps`), and
                    // the results of these positions lie inside `results`.
                    unsafe { kernels.compute(self.rows, count, Walk::Table, &tile) };
                }
            }
        }
    }
}
