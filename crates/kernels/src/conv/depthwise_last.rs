//! Depthwise convolutions of images whose channels lie last: sixteen channels in a register.
//!
//! Some neighbouring results of a line are computed together, so that a weight is read once for all of them. What a
//! kernel meets outside the image are zeros, as in a padded copy, so the bits are those of channels first
//! (`depthwise.rs`): a chain over the kernel elements.

use std::ops::Range;

use super::{ConvShape, Finish};
use crate::gemm::transpose;
use crate::number::{Arithmetic, Number};
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};

/// Multiply-adds worth a task.
const TASK: usize = 1 << 16;
/// Results of a line that are computed together.
const TOGETHER: usize = 4;

/// Whether [`forward`] takes this shape.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let flat = [shape.input[0], shape.kernel[0], shape.output[0]] == [1; 3] && shape.pad_begin[0] == 0;
    flat && shape.is_depthwise() && shape.groups >= LANES
}

/// Packs the weight for [`forward`]: `[kernel element, channel]`.
pub(super) fn pack(shape: &ConvShape, weight: &[f32], to: &mut [f32]) {
    let (channels, size) = (shape.groups, shape.kernel.iter().product::<usize>());
    transpose(weight, |channel| channel * size, channels, size, to, channels);
}

/// With a weight from [`pack`].
pub(super) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32], finish: Finish<f32>, y: &mut [f32]) {
    assert_eq!((x.len(), weight.len(), y.len()), (shape.x_len(), shape.weight_len(), shape.y_len()));
    assert!(finish.bias.is_none_or(|bias| bias.len() == shape.groups) && shape.groups >= LANES);
    let [_, height, width] = shape.output;
    let line = width * shape.groups;
    let plan = &Plan::new(shape);
    scratch::with(plan.reach * shape.groups, |zeros: &mut [f32]| {
        zeros.fill(0.0);
        let (zeros, y) = (&*zeros, &SharedMut::new(y));
        for_chunks(shape.batch * height, TASK.div_ceil(line * plan.size()), |lines| {
            // SAFETY: the lines are this task's alone.
            let y = unsafe { y.range(lines.start * line..lines.end * line) };
            dispatch(Lines { plan, lines, x, zeros, weight, finish, y });
        });
    });
}

/// What lines have in common.
struct Plan {
    channels: usize,
    /// Height and width.
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
    dilation: [usize; 2],
    /// Inputs of a line that results computed together meet, from the first to the last.
    reach: usize,
    /// The results of a line whose whole kernel row lies in the image.
    inside: Range<usize>,
}

impl Plan {
    fn new(shape: &ConvShape) -> Plan {
        let flat = |sizes: [usize; 3]| [sizes[1], sizes[2]];
        let (input, output, kernel) = (flat(shape.input), flat(shape.output), flat(shape.kernel));
        let (stride, pad, dilation) = (flat(shape.stride), flat(shape.pad_begin), flat(shape.dilation));
        let spanned = (kernel[1] - 1) * dilation[1];
        let first = pad[1].div_ceil(stride[1]).min(output[1]);
        let end = (input[1] + pad[1]).checked_sub(spanned + 1).map_or(0, |last| last / stride[1] + 1);
        let inside = first..end.clamp(first, output[1]);
        let reach = (TOGETHER - 1) * stride[1] + spanned + 1;
        Plan { channels: shape.groups, input, output, kernel, stride, pad, dilation, reach, inside }
    }

    fn size(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The input that a result meets under an element of the kernel, along an axis.
    #[inline(always)]
    fn source(&self, axis: usize, at: usize, element: usize) -> Option<usize> {
        let at = (at * self.stride[axis] + element * self.dilation[axis]).checked_sub(self.pad[axis])?;
        (at < self.input[axis]).then_some(at)
    }
}

/// Some lines of results.
struct Lines<'a> {
    plan: &'a Plan,
    lines: Range<usize>,
    x: &'a [f32],
    zeros: &'a [f32],
    weight: &'a [f32],
    finish: Finish<'a, f32>,
    y: &'a mut [f32],
}

impl Kernel for Lines<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        // Constants make the loops over the commonest kernel straight.
        match (self.plan.kernel, self.plan.dilation, self.plan.stride[1]) {
            ([3, 3], [1, 1], 1) => self.run_with(simd, [3, 3], 1, 1),
            ([3, 3], [1, 1], 2) => self.run_with(simd, [3, 3], 1, 2),
            (kernel, [_, dilation], stride) => self.run_with(simd, kernel, dilation, stride),
        }
    }
}

impl Lines<'_> {
    #[inline(always)]
    fn run_with<S: Simd>(&mut self, simd: S, kernel: [usize; 2], dilation: usize, stride: usize) {
        let (plan, channels) = (self.plan, self.plan.channels);
        let [height, width] = plan.output;
        // Where each kernel element of some results reads.
        let mut places = vec![self.zeros.as_ptr(); plan.size()];
        for (at, line) in self.lines.clone().enumerate() {
            let image = &self.x[line / height * plan.input[0] * plan.input[1] * channels..];
            let row = |y: usize| plan.source(0, line % height, y).map(|row| row * plan.input[1]);
            let mut column = 0;
            while column < width {
                let together = plan.inside.contains(&column) && plan.inside.len() >= TOGETHER;
                // The last results inside begin earlier instead of reaching outside.
                let first = if together { column.min(plan.inside.end - TOGETHER) } else { column };
                for y in 0..kernel[0] {
                    let row = row(y);
                    for x in 0..kernel[1] {
                        places[y * kernel[1] + x] = match (row, plan.source(1, first, x)) {
                            (Some(row), Some(column)) => image[(row + column) * channels..].as_ptr(),
                            // All that the results meet in this row lies within the zeros.
                            _ => self.zeros[if together { x * dilation * channels } else { 0 }..].as_ptr(),
                        };
                    }
                }
                let start = (at * width + first) * channels;
                if together {
                    // SAFETY: `reach` columns of the image, or of the zeros, lie behind the first place of a row.
                    unsafe { self.results::<S, TOGETHER>(simd, kernel, dilation, stride, &places, start) };
                    column = first + TOGETHER;
                } else {
                    // SAFETY: every place has all channels.
                    unsafe { self.result(simd, &places, start) };
                    column += 1;
                }
            }
        }
    }

    /// `N` neighbouring results, whose kernel rows lie in the image as a whole or not at all.
    ///
    /// # Safety
    /// From the first place of each kernel row on there are all columns that the results meet.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // plain loops over constants keep the sums in registers
    unsafe fn results<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        kernel: [usize; 2],
        dilation: usize,
        stride: usize,
        places: &[*const f32],
        start: usize,
    ) {
        let channels = self.plan.channels;
        assert!(start + N * channels <= self.y.len());
        for channel in (0..channels).step_by(LANES) {
            let channel = channel.min(channels - LANES);
            let mut sums = [f32::splat(simd, 0.0); N];
            for y in 0..kernel[0] {
                let place = places[y * kernel[1]].wrapping_add(channel);
                for x in 0..kernel[1] {
                    let weight = self.weight.as_ptr().wrapping_add((y * kernel[1] + x) * channels + channel);
                    // SAFETY: the weight has all channels of every kernel element.
                    let weight = unsafe { get(simd, weight) };
                    for i in 0..N {
                        // SAFETY: the caller's promise.
                        let x = unsafe { get(simd, place.wrapping_add((i * stride + x * dilation) * channels)) };
                        sums[i] = weight.fma(x, sums[i]);
                    }
                }
            }
            for i in 0..N {
                // SAFETY: just asserted.
                unsafe { self.put(simd, sums[i], channel, start + i * channels) };
            }
        }
    }

    /// One result.
    ///
    /// # Safety
    /// Every place has all channels.
    #[inline(always)]
    unsafe fn result<S: Simd>(&mut self, simd: S, places: &[*const f32], start: usize) {
        let channels = self.plan.channels;
        assert!(start + channels <= self.y.len());
        for channel in (0..channels).step_by(LANES) {
            let channel = channel.min(channels - LANES);
            let mut sum = f32::splat(simd, 0.0);
            for (at, place) in places.iter().enumerate() {
                // SAFETY: as above.
                let weight = unsafe { get(simd, self.weight.as_ptr().wrapping_add(at * channels + channel)) };
                // SAFETY: the caller's promise.
                sum = weight.fma(unsafe { get(simd, place.wrapping_add(channel)) }, sum);
            }
            // SAFETY: just asserted.
            unsafe { self.put(simd, sum, channel, start) };
        }
    }

    /// Finishes the sums of a result, which begins at `start`.
    ///
    /// # Safety
    /// The result lies in `y`.
    #[inline(always)]
    unsafe fn put<S: Simd>(&mut self, simd: S, mut sums: <f32 as Number>::Lanes<S>, channel: usize, start: usize) {
        if let Some(bias) = self.finish.bias {
            // SAFETY: there is one for each channel.
            sums = sums + unsafe { get(simd, bias.as_ptr().wrapping_add(channel)) };
        }
        if let Some((low, high)) = self.finish.bounds {
            sums = sums.larger(f32::splat(simd, low)).smaller(f32::splat(simd, high));
        }
        debug_assert!(start + channel + LANES <= self.y.len());
        // SAFETY: the caller's promise.
        f32::store(sums, unsafe { &mut *self.y.as_mut_ptr().add(start + channel).cast() });
    }
}

/// Sixteen elements.
///
/// # Safety
/// They are there.
#[inline(always)]
unsafe fn get<S: Simd>(simd: S, from: *const f32) -> <f32 as Number>::Lanes<S> {
    // SAFETY: the caller's promise.
    f32::load(simd, unsafe { &*from.cast() })
}
