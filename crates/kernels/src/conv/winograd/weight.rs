//! The gradient of the weight: the transformed tiles of the inputs against those of the results' gradients.
//!
//! For each point it is a matrix product over the tiles of all images, in chains of some hundred tiles that are added
//! in order, and so are the parts that tasks sum by themselves: a rule of the shape cuts both.

use std::ops::Range;

use super::transforms::{Gather, Gradient, NOWHERE, POINTS, Planes, Spread, WeightGradient};
use super::{Band, Grid, Plan, plane, suits};
use crate::conv::pixels::with_pixels;
use crate::conv::{ConvShape, Order};
use crate::gemm::{Element, Next, Tile, Walk, transpose};
use crate::reduce::{Folding, Folds};
use crate::scratch;
use crate::simd::{LANES, Vectorized, isa, vectorized};
use crate::threads::{SharedMut, for_chunks_mut, parallel_for, threads};

/// Tiles that a part has at least: its sums are as large as the transformed weight.
const PART: usize = 256;
/// Parts at most.
const PARTS: usize = 16;
/// With fewer tiles the transform of the sums costs more than the products.
const LEAST: usize = 128;
/// Tiles of a chain of multiply-adds at most, for the sake of its rounding errors.
const CHAIN: usize = 128;
/// The most elements of a tile of the product, on any instruction set.
const SUMS: usize = 14 * 32;

pub(in crate::conv) fn suits_weight(shape: &ConvShape) -> bool {
    let tiles = shape.output[1].div_ceil(2) * shape.output[2].div_ceil(2);
    suits(shape) && shape.batch * tiles >= LEAST
}

/// The images of `x` and `dy` lie in the order `order`.
pub(in crate::conv) fn backward_weight(shape: &ConvShape, order: Order, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    let Plan { grid, alone, tiles, block } = Plan::new(shape);
    let bands = shape.batch * grid.bands;
    let parts = if alone { (tiles / PART).clamp(1, PARTS).min(bands) } else { 1 };
    let product = Product { grid, order, inputs, outputs, x, dy };
    let row = inputs.next_multiple_of(LANES);
    let len = POINTS * outputs * row;
    scratch::with(parts * len, |sums: &mut [f32]| {
        let shared = SharedMut::new(&mut *sums);
        let sum = |part: usize| {
            let bands = bands * part / parts..bands * (part + 1) / parts;
            let blocks = grid.tiles_of(&bands).div_ceil(block).min(bands.len());
            for i in 0..blocks {
                let cut = |i: usize| bands.start + bands.len() * i / blocks;
                product.block(cut(i)..cut(i + 1), i == 0, &shared, part * len);
            }
        };
        // All threads share the steps of a part where there are fewer parts than threads.
        if parts < threads() {
            (0..parts).for_each(sum)
        } else {
            parallel_for(parts, sum)
        }
        if parts == 1 {
            return deal(sums, row, inputs, dw);
        }
        scratch::with(len, |total: &mut [f32]| {
            f32::fold_columns(Folding::Sum, sums, [1, parts, len], total);
            deal(total, row, inputs, dw);
        });
    });
}

/// `dw[output, input, 3 · 3]` from sums `[point, output, row]`.
fn deal(sums: &[f32], row: usize, inputs: usize, dw: &mut [f32]) {
    let plane = sums.len() / POINTS;
    for_chunks_mut(dw, inputs * 9, |output, dw| {
        scratch::with(9 * row, |kernels: &mut [f32]| {
            let from = Planes { data: sums[output * row..].as_ptr().cast_mut(), plane, row };
            let places = |_: usize| std::array::from_fn(|i| std::array::from_fn(|j| Some((i * 3 + j) * row)));
            let gather = Gather { from, tiles: 1, registers: row / LANES, bias: None, to: kernels, places };
            // SAFETY: the sums have all outputs at every point, and nobody writes them.
            unsafe { gather.run::<WeightGradient>() };
            transpose(kernels, |at| at * row, 9, inputs, dw, 9);
        });
    });
}

struct Product<'a> {
    grid: Grid,
    order: Order,
    inputs: usize,
    outputs: usize,
    x: &'a [f32],
    dy: &'a [f32],
}

impl Product<'_> {
    /// Adds what some bands contribute to the sums from `start` on, or puts it there if it is the `first`.
    fn block(&self, bands: Range<usize>, first: bool, sums: &SharedMut<f32>, start: usize) {
        let Product { grid, order, inputs, outputs, .. } = *self;
        let tiles = grid.tiles_of(&bands);
        let rows = [inputs, outputs].map(|channels| channels.next_multiple_of(LANES));
        let planes = rows.map(|row| plane(tiles, row));
        scratch::with(POINTS * planes[0], |x: &mut [f32]| {
            scratch::with(POINTS * planes[1], |dy: &mut [f32]| {
                let both = [SharedMut::new(&mut *x), SharedMut::new(&mut *dy)];
                parallel_for(bands.len(), |i| {
                    let band = grid.band(bands.start + i);
                    let first = grid.tiles_before(bands.start + i) - grid.tiles_before(bands.start);
                    let [x_planes, dy_planes] = [0, 1].map(|side| Planes {
                        data: both[side].pointer().wrapping_add(first * rows[side]),
                        plane: planes[side],
                        row: rows[side],
                    });
                    let x = band.image_of(self.x, inputs, grid.input);
                    let dy = band.image_of(self.dy, outputs, grid.output);
                    // SAFETY: these tiles of all points are this task's alone.
                    unsafe {
                        grid.transform_inputs(&band, (order, x), inputs, x_planes);
                        self.transform_gradients(&band, dy, dy_planes);
                    }
                });
                let kernels = f32::kernels(isa());
                let panels = outputs.div_ceil(kernels.rows());
                parallel_for(POINTS * panels, |task| {
                    let (point, panel) = (task / panels, task % panels);
                    let rows = outputs * panel / panels..outputs * (panel + 1) / panels;
                    self.add(point, rows, tiles, [x, dy], first, sums, start);
                });
            });
        });
    }

    /// Lays out the gradients of a band's results, then transforms them.
    ///
    /// # Safety
    /// `to` has room for the tiles, and nobody else uses it.
    unsafe fn transform_gradients(&self, band: &Band, dy: &[f32], to: Planes) {
        let (grid, [height, width]) = (self.grid, self.grid.output);
        let lines = 2 * band.rows.start..(2 * band.rows.end).min(height);
        with_pixels((self.order, dy), self.outputs, grid.output, lines.clone(), |pixels| {
            let row = self.outputs.next_multiple_of(LANES);
            let places = |tile: usize| {
                let (y, x) = (2 * (tile / grid.tiles[1]), 2 * (tile % grid.tiles[1]));
                let place = |i: usize, j: usize| match y + i < lines.len() && x + j < width {
                    true => ((y + i) * width + x + j) * row,
                    false => NOWHERE,
                };
                std::array::from_fn(|i| std::array::from_fn(|j| place(i, j)))
            };
            let tiles = band.rows.len() * grid.tiles[1];
            let spread = Spread { from: pixels, places, tiles, registers: row / LANES, to };
            // SAFETY: the caller's promise.
            unsafe { spread.run::<Gradient>() };
        });
    }

    /// The products of one point for some output channels.
    #[allow(clippy::too_many_arguments)] // private
    fn add(
        &self,
        point: usize,
        outputs: Range<usize>,
        tiles: usize,
        [x, dy]: [&[f32]; 2],
        first: bool,
        sums: &SharedMut<f32>,
        start: usize,
    ) {
        let kernels = f32::kernels(isa());
        let rows = [self.inputs, self.outputs].map(|channels| channels.next_multiple_of(LANES));
        let x = &x[point * plane(tiles, rows[0])..][..tiles * rows[0]];
        let dy = &dy[point * plane(tiles, rows[1])..][..tiles * rows[1]];
        let (one, chains) = (kernels.lanes, tiles.div_ceil(CHAIN));
        let mut space = [0.0; SUMS];
        for column in (0..rows[0]).step_by(kernels.columns()) {
            let registers = ((rows[0] - column) / one).min(2);
            let columns = registers * one;
            let c = start + (point * self.outputs + outputs.start) * rows[0] + column;
            let reach = c..c + (outputs.len() - 1) * rows[0] + columns;
            assert!(reach.end <= sums.len());
            for chain in 0..chains {
                let tiles = tiles * chain / chains..tiles * (chain + 1) / chains;
                let fresh = first && chain == 0;
                let (begin, c_row) = match fresh {
                    true => (sums.pointer().wrapping_add(c), rows[0]),
                    false => (space.as_mut_ptr(), kernels.columns()),
                };
                let b = x.as_ptr().wrapping_add(tiles.start * rows[0] + column);
                let tile = Tile {
                    k: tiles.len(),
                    a: dy.as_ptr().wrapping_add(tiles.start * rows[1] + outputs.start),
                    a_row: 1,
                    a_step: rows[1],
                    b: [b, b.wrapping_add(one)],
                    b_step: rows[0],
                    table: std::ptr::null(),
                    c: [begin, begin.wrapping_add(one)],
                    c_row,
                    next: Next::NONE,
                    lanes: [one; 2],
                    resume: false,
                    row_bias: [std::ptr::null(); 2],
                    col_bias: std::ptr::null(),
                    bounds: None,
                };
                // SAFETY: both planes have these tiles with whole registers of channels; these outputs' sums at this
                // point are this task's alone.
                unsafe { kernels.compute(outputs.len(), registers, Walk::Packed, &tile) };
                if !fresh {
                    // SAFETY: as above.
                    let to = unsafe { sums.range(reach.clone()) };
                    vectorized(AddRows { from: &space, from_row: c_row, to, to_row: rows[0], columns });
                }
            }
        }
    }
}

/// `to += from`, both matrices of `columns` columns.
struct AddRows<'a> {
    from: &'a [f32],
    from_row: usize,
    to: &'a mut [f32],
    to_row: usize,
    columns: usize,
}

impl Vectorized for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (to, from) in self.to.chunks_mut(self.to_row).zip(self.from.chunks_exact(self.from_row)) {
            to[..self.columns].iter_mut().zip(from).for_each(|(to, &from)| *to += from);
        }
    }
}
