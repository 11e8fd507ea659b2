//! Winograd's convolution F(2 × 2, 3 × 3): four results of a 3 × 3 kernel from sixteen products instead of thirty-six.
//!
//! Inputs and results are laid out with channels side by side, unless they lie so already. Tiles of 4 × 4 inputs that overlap by two are transformed
//! into sixteen points; each point is a matrix product, tiles by input channels with input by output channels, and the
//! points of a tile are transformed into 2 × 2 results (`transforms.rs`). The chains run over the channels alone, nine
//! times shorter than those of the definition, which makes up for what the transforms round: the error is no larger.
//!
//! A shape is convolved in this way or never, so a result depends neither on the other images nor on how many there are.

mod transforms;
mod weight;

use std::ops::Range;

use super::pixels::{with_pixels, with_results};
use super::taps::Axis;
use super::{ConvShape, Finish, Order};
use crate::gemm::{Element, Next, Tile, Walk, transpose};
use crate::scratch;
use crate::simd::{LANES, isa};
use crate::threads::{SharedMut, parallel_for, threads};
use transforms::{Gather, Input, NOWHERE, Output, POINTS, Planes, Spread, Weight};
pub(super) use weight::{backward_weight, suits_weight};

/// With fewer channels the transforms cost more than they save.
const CHANNELS: usize = 16;
/// Result channels whose transformed weights lie together: two of the widest registers.
const PANEL: usize = 32;
/// Elements of the transformed tiles that a task takes through all steps: they stay in a second-level cache.
const BLOCK: usize = 3 << 16;
/// With fewer such blocks in all, threads share the work of every step instead.
const BLOCKS: usize = 4;
/// Tiles that the threads share at a time.
const SHARED: usize = 512;
/// Tiles of an image that one task transforms then.
const BAND: usize = 32;
/// With more kernels the transformed weights do not fit beside the tiles of a task.
const KERNELS: usize = 128 * 128;

/// Whether the products saved are worth the transforms: a rule of all sizes but the batch.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let ConvShape { groups, in_channels, out_channels, input, kernel, output, stride, pad_begin, dilation, .. } =
        *shape;
    let plain = kernel == [1, 3, 3] && groups == 1 && [stride, dilation] == [[1; 3]; 2];
    let flat = (input[0], output[0]) == (1, 1);
    let wide = in_channels.min(out_channels) >= CHANNELS;
    if !plain || !flat || !wide || pad_begin[0] > 0 || input.contains(&0) || output.contains(&0) {
        return false;
    }
    // Products of the definition, those with padding left out, are at least 1.45 times as many as those of the tiles.
    let direct: usize = (1..3).map(|d| Axis::forward(shape, d).products()).product();
    let tiles = output[1].div_ceil(2) * output[2].div_ceil(2);
    direct * out_channels * 20 >= tiles * POINTS * out_channels.next_multiple_of(LANES) * 29
}

/// The convolution whose forward pass is the data gradient of `shape`; `None` if it would need negative padding.
fn mirrored(shape: &ConvShape) -> Option<ConvShape> {
    let pad = |d: usize| (shape.kernel[d] - 1).checked_sub(shape.pad_begin[d]);
    Some(ConvShape {
        in_channels: shape.out_channels,
        out_channels: shape.in_channels,
        input: shape.output,
        output: shape.input,
        pad_begin: [pad(0)?, pad(1)?, pad(2)?],
        ..*shape
    })
}

/// Whether the data gradient is computed here.
pub(super) fn suits_data(shape: &ConvShape) -> bool {
    mirrored(shape).is_some_and(|shape| suits(&shape))
}

/// The images of `x` and `y` lie in the order `order`.
pub(super) fn forward(
    shape: &ConvShape,
    order: Order,
    x: &[f32],
    weight: super::Weight<f32>,
    finish: Finish<f32>,
    y: &mut [f32],
) {
    let data = match weight {
        super::Weight::Plain(weight) => weight,
        super::Weight::Packed(transformed) => return convolve(shape, order, x, transformed, finish, y),
    };
    scratch::with(packed_len(shape), |transformed: &mut [f32]| {
        pack(shape, data, transformed);
        convolve(shape, order, x, transformed, finish, y);
    });
}

/// Elements of the transformed weight.
pub(super) fn packed_len(shape: &ConvShape) -> usize {
    POINTS * shape.in_channels * shape.out_channels.next_multiple_of(LANES)
}

/// Transforms a weight.
pub(super) fn pack(shape: &ConvShape, weight: &[f32], to: &mut [f32]) {
    let start = |output: usize, input: usize| (output * shape.in_channels + input) * 9;
    let kernels = Kernels { data: weight, start: &start, mirrored: false };
    kernels.transform(shape.in_channels, shape.out_channels, to);
}

/// The images of `dy` and `dx` lie in the order `order`.
pub(super) fn backward_data(shape: &ConvShape, order: Order, dy: &[f32], weight: &[f32], dx: &mut [f32]) {
    let kernel = |output: usize, input: usize| (input * shape.in_channels + output) * 9;
    let mirrored = mirrored(shape).expect("asked for in `suits_data`");
    let kernels = Kernels { data: weight, start: &kernel, mirrored: true };
    scratch::with(packed_len(&mirrored), |transformed: &mut [f32]| {
        kernels.transform(mirrored.in_channels, mirrored.out_channels, transformed);
        convolve(&mirrored, order, dy, transformed, Finish { bias: None, bounds: None }, dx);
    });
}

/// The kernels of a convolution.
struct Kernels<'a> {
    data: &'a [f32],
    /// Where the kernel of (output channel, input channel) begins.
    start: &'a (dyn Fn(usize, usize) -> usize + Sync),
    /// The last element comes first.
    mirrored: bool,
}

impl Kernels<'_> {
    /// Transforms all kernels: `[point, panel, input, PANEL]`; the last panel may be a register wide, and lanes behind
    /// the last output are zero.
    fn transform(&self, inputs: usize, outputs: usize, to: &mut [f32]) {
        let plane = to.len() / POINTS;
        let to = SharedMut::new(to);
        parallel_for(outputs.div_ceil(LANES), |register| {
            let first = register * LANES;
            let lanes = LANES.min(outputs - first);
            scratch::with(inputs * 9 * LANES, |kernels: &mut [f32]| {
                if lanes < LANES {
                    kernels.fill(0.0);
                }
                for (input, to) in kernels.chunks_exact_mut(9 * LANES).enumerate() {
                    transpose(self.data, |lane| (self.start)(first + lane, input), lanes, 9, to, LANES);
                }
                let place = |at: usize| if self.mirrored { 8 - at } else { at } * LANES;
                let places = |input: usize| {
                    let square: [[usize; 3]; 3] = std::array::from_fn(|i| std::array::from_fn(|j| place(i * 3 + j)));
                    square.map(|line| line.map(|place| input * 9 * LANES + place))
                };
                let (start, row) = panel(first, inputs, outputs);
                let planes = Planes { data: to.pointer().wrapping_add(start), plane, row };
                let spread = Spread { from: kernels, places, tiles: inputs, registers: 1, to: planes };
                // SAFETY: these lanes of all points are this task's alone.
                unsafe { spread.run::<Weight>() };
            });
        });
    }
}

/// Where the transformed weights of output channel `first`, a multiple of [`LANES`], begin in a point's plane, and the
/// distance of those of neighbouring input channels.
fn panel(first: usize, inputs: usize, outputs: usize) -> (usize, usize) {
    let start = first / PANEL * PANEL;
    let row = PANEL.min(outputs.next_multiple_of(LANES) - start);
    (start * inputs + first - start, row)
}

/// The tiles of a convolution's images. An image is cut into bands of whole rows of tiles.
#[derive(Clone, Copy)]
struct Grid {
    input: [usize; 2],
    output: [usize; 2],
    pad: [usize; 2],
    /// Rows and columns of tiles.
    tiles: [usize; 2],
    /// Bands of an image.
    bands: usize,
}

/// Some rows of tiles of one image.
#[derive(Clone)]
struct Band {
    image: usize,
    rows: Range<usize>,
}

impl Band {
    /// The band's image among those of `data`.
    fn image_of<'a>(&self, data: &'a [f32], channels: usize, size: [usize; 2]) -> &'a [f32] {
        let image = channels * size[0] * size[1];
        &data[self.image * image..][..image]
    }
}

impl Grid {
    /// The grid whose bands have about `band` tiles.
    fn new(shape: &ConvShape, band: usize) -> Grid {
        let [_, height, width] = shape.output;
        let tiles = [height.div_ceil(2), width.div_ceil(2)];
        let bands = (tiles[0] * tiles[1]).div_ceil(band).min(tiles[0]);
        let [_, in_height, in_width] = shape.input;
        let [_, above, left] = shape.pad_begin;
        Grid { input: [in_height, in_width], output: [height, width], pad: [above, left], tiles, bands }
    }

    /// Band `i` among those of all images.
    fn band(&self, i: usize) -> Band {
        let (image, band) = (i / self.bands, i % self.bands);
        let row = |band: usize| self.tiles[0] * band / self.bands;
        Band { image, rows: row(band)..row(band + 1) }
    }

    /// Tiles before band `i`, those of earlier images included.
    fn tiles_before(&self, i: usize) -> usize {
        (i / self.bands * self.tiles[0] + self.tiles[0] * (i % self.bands) / self.bands) * self.tiles[1]
    }

    /// The tiles of some bands.
    fn tiles_of(&self, bands: &Range<usize>) -> usize {
        self.tiles_before(bands.end) - self.tiles_before(bands.start)
    }

    /// Lays out what the tiles of a band read of an image, then transforms them.
    ///
    /// # Safety
    /// `to` has room for the tiles, and nobody else uses it.
    unsafe fn transform_inputs(&self, band: &Band, (order, x): (Order, &[f32]), channels: usize, to: Planes) {
        let ([height, width], [above, left]) = (self.input, self.pad);
        let lines =
            (2 * band.rows.start).saturating_sub(above)..(2 * band.rows.end + 2).saturating_sub(above).min(height);
        with_pixels((order, x), channels, self.input, lines.clone(), |pixels| {
            let row = channels.next_multiple_of(LANES);
            let places = |tile: usize| {
                let (y, x) = (2 * (band.rows.start + tile / self.tiles[1]), 2 * (tile % self.tiles[1]));
                let place = |y: usize, x: usize| ((y - above - lines.start) * width + x - left) * row;
                if y >= above && y + 4 <= above + height && x >= left && x + 4 <= left + width {
                    let first = place(y, x);
                    return std::array::from_fn(|i| std::array::from_fn(|j| first + (i * width + j) * row));
                }
                let inside =
                    |y: usize, x: usize| (above..above + height).contains(&y) && (left..left + width).contains(&x);
                std::array::from_fn(|i| {
                    std::array::from_fn(|j| if inside(y + i, x + j) { place(y + i, x + j) } else { NOWHERE })
                })
            };
            let tiles = band.rows.len() * self.tiles[1];
            let spread = Spread { from: pixels, places, tiles, registers: row / LANES, to };
            // SAFETY: the caller's promise.
            unsafe { spread.run::<Input>() };
        });
    }

    /// Transforms the points of a band's tiles into results and writes them to an image.
    ///
    /// # Safety
    /// `from` has the tiles, nobody writes it, and nobody else uses these rows of `to`, which has the image.
    unsafe fn transform_outputs(
        &self,
        band: &Band,
        from: Planes,
        channels: usize,
        finish: Finish<f32>,
        (order, to): (Order, *mut f32),
    ) {
        let [height, width] = self.output;
        let row = channels.next_multiple_of(LANES);
        let lines = 2 * band.rows.start..(2 * band.rows.end).min(height);
        let places = |tile: usize| {
            let (y, x) = (2 * (tile / self.tiles[1]), 2 * (tile % self.tiles[1]));
            let place =
                |i: usize, j: usize| (y + i < lines.len() && x + j < width).then_some(((y + i) * width + x + j) * row);
            std::array::from_fn(|i| std::array::from_fn(|j| place(i, j)))
        };
        // SAFETY: the caller's promise.
        unsafe {
            with_results((order, to), channels, self.output, lines.clone(), |pixels| {
                let (tiles, registers) = (band.rows.len() * self.tiles[1], row / LANES);
                Gather { from, tiles, registers, bias: finish.bias, to: &mut *pixels, places }.run::<Output>();
                finish.bound(pixels);
            });
        }
    }
}

/// A point's plane of tiles is a little longer than they are: planes apart by a power of two would share few sets of a
/// cache.
fn plane(tiles: usize, row: usize) -> usize {
    tiles * row + LANES
}

/// How the tiles of a convolution are shared out: a rule of its shape.
struct Plan {
    grid: Grid,
    /// Tasks take blocks of tiles through all steps; else all threads share every step of a block.
    alone: bool,
    /// Tiles of all images, and of a block.
    tiles: usize,
    block: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Plan {
        let channels: usize = [shape.in_channels, shape.out_channels].map(|c| c.next_multiple_of(LANES)).iter().sum();
        let block = (BLOCK / POINTS / channels).max(1);
        let tiles = shape.batch * shape.output[1].div_ceil(2) * shape.output[2].div_ceil(2);
        let alone = tiles >= BLOCKS * block && shape.in_channels * shape.out_channels <= KERNELS;
        let grid = Grid::new(shape, if alone { block } else { BAND });
        Plan { grid, alone, tiles, block: if alone { block } else { SHARED } }
    }
}

/// `to[batch, outputs, output…]` from `from[batch, inputs, input…]`, or the same with channels last.
/// The weight is as [`Kernels::transform`] leaves it.
fn convolve(shape: &ConvShape, order: Order, from: &[f32], weight: &[f32], finish: Finish<f32>, to: &mut [f32]) {
    let (inputs, outputs) = (shape.in_channels, shape.out_channels);
    let Plan { mut grid, alone, tiles, mut block } = Plan::new(shape);
    if alone {
        // Smaller blocks are better than threads without work. Nothing is summed over tiles here.
        block = block.min(tiles.div_ceil(threads()));
        grid = Grid::new(shape, block);
    }
    let bands = shape.batch * grid.bands;
    let blocks = tiles.div_ceil(block).min(bands);
    let bias = finish.bias.map(|bias| [bias, &[0.0; LANES - 1]].concat());
    let finish = Finish { bias: bias.as_deref(), ..finish };
    let to = &SharedMut::new(to);
    let product = Product { grid, order, inputs, outputs, from, weight, finish, to };
    let block = |i: usize| product.block(bands * i / blocks..bands * (i + 1) / blocks);
    if alone { parallel_for(blocks, block) } else { (0..blocks).for_each(block) }
}

struct Product<'a> {
    grid: Grid,
    /// Of the images on both sides.
    order: Order,
    inputs: usize,
    outputs: usize,
    from: &'a [f32],
    /// As [`Kernels::transform`] leaves it.
    weight: &'a [f32],
    /// The bias has zeros for a register behind its end.
    finish: Finish<'a, f32>,
    to: &'a SharedMut<'a, f32>,
}

impl Product<'_> {
    /// The results of some bands. What it forks runs on this thread alone if it is a task itself.
    fn block(&self, bands: Range<usize>) {
        let Product { grid, order, inputs, outputs, .. } = *self;
        let tiles = grid.tiles_of(&bands);
        let rows = [inputs, outputs].map(|channels| channels.next_multiple_of(LANES));
        let [from_plane, to_plane] = rows.map(|row| plane(tiles, row));
        scratch::with(POINTS * from_plane, |from: &mut [f32]| {
            scratch::with(POINTS * to_plane, |to: &mut [f32]| {
                let (from, to) = (SharedMut::new(from), SharedMut::new(to));
                let at = |data: &SharedMut<f32>, plane: usize, row: usize, band: usize| {
                    let first = grid.tiles_before(band) - grid.tiles_before(bands.start);
                    Planes { data: data.pointer().wrapping_add(first * row), plane, row }
                };
                parallel_for(bands.len(), |i| {
                    let band = grid.band(bands.start + i);
                    let x = (order, band.image_of(self.from, inputs, grid.input));
                    // SAFETY: these tiles of all points are this task's alone.
                    unsafe { grid.transform_inputs(&band, x, inputs, at(&from, from_plane, rows[0], bands.start + i)) };
                });
                let panels = outputs.div_ceil(PANEL);
                parallel_for(POINTS * panels, |task| {
                    self.multiply(task / panels, task % panels * PANEL, tiles, &from, &to)
                });
                parallel_for(bands.len(), |i| {
                    let band = grid.band(bands.start + i);
                    let image = outputs * grid.output[0] * grid.output[1];
                    assert!((band.image + 1) * image <= self.to.len());
                    let y = self.to.pointer().wrapping_add(band.image * image);
                    // SAFETY: these lines of the image, checked above, are this task's alone.
                    unsafe {
                        grid.transform_outputs(
                            &band,
                            at(&to, to_plane, rows[1], bands.start + i),
                            outputs,
                            self.finish,
                            (order, y),
                        );
                    }
                });
            });
        });
    }

    /// One point of all tiles, for the panel of weights that begins with output channel `first`.
    fn multiply(&self, point: usize, first: usize, tiles: usize, from: &SharedMut<f32>, to: &SharedMut<f32>) {
        let kernels = f32::kernels(isa());
        let rows = [self.inputs, self.outputs].map(|channels| channels.next_multiple_of(LANES));
        let (start, width) = panel(first, self.inputs, self.outputs);
        let weight = &self.weight[point * self.inputs * rows[1] + start..][..self.inputs * width];
        let from = from.pointer().wrapping_add(point * plane(tiles, rows[0]));
        let to = to.pointer().wrapping_add(point * plane(tiles, rows[1]) + first);
        let heights = tiles.div_ceil(kernels.rows());
        for column in (0..width).step_by(kernels.columns()) {
            let registers = ((width - column) / kernels.lanes).min(2);
            let b = weight.as_ptr().wrapping_add(column);
            for i in 0..heights {
                let tiles = tiles * i / heights..tiles * (i + 1) / heights;
                let c = to.wrapping_add(tiles.start * rows[1] + column);
                let tile = Tile {
                    k: self.inputs,
                    a: from.wrapping_add(tiles.start * rows[0]).cast_const(),
                    a_row: rows[0],
                    a_step: 1,
                    b: [b, b.wrapping_add(kernels.lanes)],
                    b_step: width,
                    table: std::ptr::null(),
                    c: [c, c.wrapping_add(kernels.lanes)],
                    c_row: rows[1],
                    next: Next::NONE,
                    lanes: [kernels.lanes; 2],
                    resume: false,
                    row_bias: [std::ptr::null(); 2],
                    col_bias: std::ptr::null(),
                    bounds: None,
                };
                // SAFETY: the planes have these tiles with whole registers of channels, the weight a panel of `width`
                // columns; these columns of the point are this task's alone.
                unsafe { kernels.compute(tiles.len(), registers, Walk::Rows, &tile) };
            }
        }
    }
}
