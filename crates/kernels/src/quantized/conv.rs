//! Convolution of bytes: tiles over a table of where the bytes of each position and kernel element begin.
//!
//! With channels side by side, a kernel element is one run of bytes for each position, so nothing is copied: padding is a
//! run of zero points that lies elsewhere. Where no position meets padding, the elements of a kernel's row are one run.

use super::finish::{Block, Finish, InputScale, QuantizedOutput, To};
use super::tile::{LANES, OUTSIDE, PANEL, ROWS, Tile, Way};
use super::{depthwise, is_depthwise, packed_len, pitch, suits, x_len, y_len};
use crate::conv::ConvShape;
use crate::scratch;
use crate::simd::isa;
use crate::threads::parallel_for;

/// Positions of a task: a panel is read once for all of them.
pub(super) const CHUNK: usize = 16 * ROWS;
/// With fewer chunks than this, the output channels are split among tasks as well.
const MANY: usize = 16;

/// `y = conv(x, weight)`, finished: `x` are images of bytes, the weight is packed by [`pack`](super::pack).
///
/// # Panics
/// If a slice does not have the shape's length, or the shape does not suit ([`suits`]); if there is padding, and inputs
/// have a scale each.
#[track_caller]
pub fn convolve(shape: &ConvShape, x: &[u8], packed: &[i8], finish: Finish, y: QuantizedOutput) {
    convolve_by(Way::of(isa()), shape, x, packed, finish, y);
}

#[track_caller]
pub(super) fn convolve_by(way: Way, shape: &ConvShape, x: &[u8], packed: &[i8], finish: Finish, y: QuantizedOutput) {
    assert!(suits(shape), "no products of bytes for {shape:?}");
    let y_len = match &y {
        QuantizedOutput::Numbers(y) => (y.len(), shape.y_len()),
        QuantizedOutput::Bytes(y, ..) => (y.len(), y_len(shape)),
        QuantizedOutput::Sums(y) => (y.len(), shape.y_len()),
    };
    let lengths = [(x.len(), x_len(shape)), (packed.len(), packed_len(shape)), y_len];
    assert!(lengths.iter().all(|(found, needed)| found == needed), "lengths of x, weight, y {lengths:?}: {shape:?}");
    let outputs = shape.out_channels;
    let biases = [finish.whole_bias.map_or(outputs, |bias| bias.len()), finish.bias.map_or(outputs, |bias| bias.len())];
    let given = [finish.weight.len(), finish.sums.len(), biases[0], biases[1]];
    assert_eq!(given, [outputs; 4], "scales, sums and biases have one value for each output channel");
    assert!(finish.residual.is_none_or(|r| r.values.len() == super::y_len(shape)), "a residual is as long as y");
    let geometry = Geometry::new(shape);
    let outside = match finish.x {
        InputScale::One(_, zero) => zero,
        InputScale::Each(scales, zeros) => {
            assert!(
                scales.len() == shape.batch && zeros.len() == shape.batch,
                "a scale and a zero point for each image"
            );
            assert!(geometry.inside, "inputs with a scale each cannot be padded");
            0
        }
    };
    if shape.y_len() == 0 {
        return;
    }
    let to = To::new(y);
    let all = shape.batch * geometry.positions;
    let chunks = all.div_ceil(CHUNK);
    if is_depthwise(shape) {
        parallel_for(chunks, |chunk| {
            let range = chunk * CHUNK..all.min((chunk + 1) * CHUNK);
            depthwise::positions(way, shape, &geometry, range, x, packed, &finish, outside, &to);
        });
        return;
    }
    let panels = outputs.div_ceil(PANEL);
    let parts = if chunks < MANY { panels } else { 1 };
    parallel_for(chunks * parts, |task| {
        let (chunk, part) = (task / parts, task % parts);
        let range = chunk * CHUNK..all.min((chunk + 1) * CHUNK);
        let tiles = range.len().div_ceil(ROWS);
        scratch::with(geometry.depth, |bytes: &mut [u8]| {
            bytes.fill(outside);
            scratch::with(tiles * geometry.runs * ROWS, |offsets: &mut [usize]| {
                let offsets = offsets.as_chunks_mut::<ROWS>().0;
                geometry.table(range.clone(), offsets);
                let mut sums = [[0; PANEL]; ROWS];
                for panel in panels * part / parts..panels * (part + 1) / parts {
                    let channels = panel * PANEL..outputs.min((panel + 1) * PANEL);
                    let registers = channels.len().div_ceil(LANES);
                    let length = geometry.runs * geometry.depth;
                    let weights = &packed[channels.start * length..][..registers * LANES * length];
                    for (tile, offsets) in offsets.chunks(geometry.runs).enumerate() {
                        let position = range.start + tile * ROWS;
                        let rows = ROWS.min(range.end - position);
                        let depth = geometry.depth;
                        Tile { x, offsets, outside: bytes, depth, weights, rows, registers }.multiply(way, &mut sums);
                        let block = Block {
                            finish: &finish,
                            sums: &sums[..rows],
                            position,
                            positions: geometry.positions,
                            channels: channels.clone(),
                            all: outputs,
                        };
                        // SAFETY: tasks differ in their positions or their channels.
                        unsafe { block.write(way, &to) };
                    }
                }
            });
        });
    });
}

/// Where kernel elements of positions lie.
pub(super) struct Geometry {
    shape: ConvShape,
    /// Positions of an image.
    positions: usize,
    /// Runs of bytes of a position, and the bytes of each: kernel elements, or the rows of the kernel.
    runs: usize,
    depth: usize,
    /// Whether no position meets padding.
    inside: bool,
}

impl Geometry {
    fn new(shape: &ConvShape) -> Geometry {
        let ConvShape { input, kernel, output, stride, pad_begin, dilation, .. } = *shape;
        let reaches = |i: usize| output[i].saturating_sub(1) * stride[i] + (kernel[i] - 1) * dilation[i] < input[i];
        let inside = pad_begin == [0; 3] && (0..3).all(reaches);
        let (size, pitch) = (kernel.iter().product::<usize>(), pitch(shape.in_channels));
        let (runs, depth) = match inside && dilation[2] == 1 {
            true => (size / kernel[2], kernel[2] * pitch),
            false => (size, pitch),
        };
        Geometry { shape: *shape, positions: output.iter().product(), runs, depth, inside }
    }

    /// For some positions, counted through all images, in tiles: where their runs begin.
    fn table(&self, positions: std::ops::Range<usize>, to: &mut [[usize; ROWS]]) {
        to.as_flattened_mut().fill(OUTSIDE);
        for (i, position) in positions.enumerate() {
            let to = &mut to[i / ROWS * self.runs..][..self.runs];
            self.runs_of(position, |run, offset| to[run][i % ROWS] = offset);
        }
    }

    fn runs_of(&self, position: usize, f: impl FnMut(usize, usize)) {
        let merged = self.runs < self.shape.kernel.iter().product();
        self.places(position, if merged { 1 } else { self.shape.kernel[2] }, f);
    }

    /// Calls `f` with the number of every kernel element of a position that is not outside, and where its bytes begin.
    pub(super) fn elements_of(&self, position: usize, f: impl FnMut(usize, usize)) {
        self.places(position, self.shape.kernel[2], f);
    }

    /// The same for the first `columns` elements of each row of the kernel, counted by themselves.
    #[inline(always)]
    fn places(&self, position: usize, columns: usize, mut f: impl FnMut(usize, usize)) {
        let ConvShape { input, kernel, output, stride, pad_begin, dilation, .. } = self.shape;
        let pitch = pitch(self.shape.in_channels);
        let (image, place) = (position / self.positions, position % self.positions);
        let line = place / output[2];
        let at = [line / output[1], line % output[1], place % output[2]];
        // Before the image, these wrap around to something large.
        let first: [usize; 3] = std::array::from_fn(|i| (at[i] * stride[i]).wrapping_sub(pad_begin[i]));
        let mut run = 0;
        for z in 0..kernel[0] {
            let z = first[0].wrapping_add(z * dilation[0]);
            for y in 0..kernel[1] {
                let y = first[1].wrapping_add(y * dilation[1]);
                if z < input[0] && y < input[1] {
                    let line = ((image * input[0] + z) * input[1] + y) * input[2];
                    for x in 0..columns {
                        let column = first[2].wrapping_add(x * dilation[2]);
                        if column < input[2] {
                            f(run + x, (line + column) * pitch);
                        }
                    }
                }
                run += columns;
            }
        }
    }

    pub(super) fn positions(&self) -> usize {
        self.positions
    }
}
