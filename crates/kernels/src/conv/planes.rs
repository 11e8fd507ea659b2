//! Depthwise convolutions of planes: some rows of outputs at a time, sixteen columns in a register.
//!
//! A block of output rows gets a zero-padded copy of the input rows that it reads, small enough for the first-level
//! cache. Vectors are copied and stored whole, past the end of a row, and in the order of the rows: what is too much is
//! overwritten by what comes next. With a stride of two along the width, the outputs between those that are wanted are
//! computed as well, which costs less than to sort the columns.

use std::ops::Range;

use super::Finish;
use super::window::Window;
use crate::gemm::Element;
use crate::number::Arithmetic;
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};

/// Multiply-adds worth a task.
const TASK: usize = 1 << 16;
/// Elements of a padded copy that a block aims at: two thirds of a first-level cache, in f32.
const COPY: usize = 1 << 13;
/// Output rows whose sums are kept in registers.
const ROWS: usize = 4;

/// Whether [`convolve`] takes this window.
pub(super) fn suits(window: &Window) -> bool {
    let flat = [window.input[0], window.kernel[0], window.output[0]] == [1; 3] && window.pad[0] == 0;
    flat && window.pad.iter().all(|&pad| pad >= 0) && window.stride[2] <= 2
}

/// `y[image, channel] = conv(x[image, channel], weight[channel]) + bias[channel]`, bounded
pub(super) fn convolve<T: Element>(
    planes: usize,
    channels: usize,
    window: Window,
    x: &[T],
    weight: &[T],
    finish: Finish<T>,
    y: &mut [T],
) {
    let plane = Plane::new(&window);
    let (size, positions) = (window.kernel_size(), window.positions());
    let y = SharedMut::new(y);
    for_chunks(planes, TASK.div_ceil(positions * size), |planes| {
        scratch::with(plane.copy_len(), |copy| {
            dispatch(Convolved { plane: &plane, planes, channels, x, weight, finish, copy, y: &y });
        });
    });
}

/// The geometry of every plane.
struct Plane {
    /// Height and width.
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 2],
    dilation: [usize; 2],
    /// Elements of a row of the copy.
    pitch: usize,
    /// Output rows of a block.
    rows: usize,
}

impl Plane {
    fn new(window: &Window) -> Plane {
        let flat = |sizes: [usize; 3]| [sizes[1], sizes[2]];
        let mut plane = Plane {
            input: flat(window.input),
            output: flat(window.output),
            kernel: flat(window.kernel),
            stride: flat(window.stride),
            pad: flat(window.pad.map(|pad| pad as usize)),
            dilation: flat(window.dilation),
            pitch: 0,
            rows: 0,
        };
        plane.pitch = plane.read(1, plane.output[1]);
        let fits = |&rows: &usize| plane.read(0, rows) * plane.pitch <= COPY;
        plane.rows = (1..=plane.output[0]).rev().find(fits).unwrap_or(1);
        plane
    }

    /// Inputs that some neighbouring outputs read along an axis.
    fn read(&self, axis: usize, outputs: usize) -> usize {
        (outputs - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Elements of a block's copy, with what whole vectors reach beyond it: rows that a block does not have, and columns.
    fn copy_len(&self) -> usize {
        let rows = self.rows.next_multiple_of(ROWS);
        self.read(0, rows) * self.pitch + self.pad[1] + 2 * LANES + 2
    }
}

/// Some planes.
struct Convolved<'a, T> {
    plane: &'a Plane,
    planes: Range<usize>,
    channels: usize,
    x: &'a [T],
    weight: &'a [T],
    finish: Finish<'a, T>,
    copy: &'a mut [T],
    y: &'a SharedMut<'a, T>,
}

impl<T: Element> Kernel for Convolved<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Convolved { plane, x, copy, .. } = self;
        let [image, positions, size] = [plane.input, plane.output, plane.kernel].map(|[rows, columns]| rows * columns);
        for at in self.planes {
            let (channel, x) = (at % self.channels, &x[at * image..]);
            // SAFETY: a plane is one task's alone.
            let y = unsafe { self.y.range(at * positions..(at + 1) * positions) };
            for first in (0..plane.output[0]).step_by(plane.rows) {
                let rows = first..plane.output[0].min(first + plane.rows);
                plane.copy_rows(simd, rows.clone(), x, copy);
                let block = Block {
                    plane,
                    copy,
                    weight: &self.weight[channel * size..(channel + 1) * size],
                    bias: self.finish.bias.map(|bias| bias[channel]),
                    bounds: self.finish.bounds,
                };
                // Constants make the loops over the commonest kernel straight.
                match (plane.kernel, plane.dilation, plane.stride) {
                    ([3, 3], [1, 1], [1, 1]) => block.run(simd, rows, [3, 3], [1, 1], [1, 1], y),
                    ([3, 3], [1, 1], [2, 2]) => block.run(simd, rows, [3, 3], [1, 1], [2, 2], y),
                    (kernel, dilation, stride) => block.run(simd, rows, kernel, dilation, stride, y),
                }
            }
        }
    }
}

impl Plane {
    /// Copies the input rows that some output rows read, zeros around them.
    #[inline(always)]
    fn copy_rows<T: Element, S: Simd>(&self, simd: S, rows: Range<usize>, x: &[T], copy: &mut [T]) {
        let Plane { input: [height, width], stride, pad, pitch, .. } = *self;
        let (first, read) = (rows.start, self.read(0, rows.len()));
        let zeros = T::splat(simd, T::ZERO);
        // Of the copy's rows, those from `top` to `bottom` are rows of the input.
        let top = pad[0].saturating_sub(first * stride[0]).min(read);
        let from = (first * stride[0]).saturating_sub(pad[0]);
        let bottom = (top + height.saturating_sub(from)).min(read);
        let columns = width.min(pitch.saturating_sub(pad[1]));
        let fill = |copy: &mut [T], mut at: usize, end: usize| {
            while at < end {
                // SAFETY: `copy_len` counts a vector from each element that is filled.
                unsafe { put(zeros, copy, at) };
                at += LANES;
            }
        };
        fill(copy, 0, top * pitch + pad[1]);
        for row in top..bottom {
            let to = row * pitch + pad[1];
            let x = &x[(from + row - top) * width..];
            let mut column = 0;
            while column < columns {
                let x = x[column..].first_chunk().map_or_else(|| partial(simd, &x[column..]), |x| T::load(simd, x));
                // SAFETY: as above, of each element that is copied.
                unsafe { put(x, copy, to + column) };
                column += LANES;
            }
            fill(copy, to + columns, to + pitch);
        }
        fill(copy, bottom * pitch, read * pitch);
    }
}

/// A block of output rows of one plane, to be computed.
struct Block<'a, T> {
    plane: &'a Plane,
    copy: &'a [T],
    weight: &'a [T],
    bias: Option<T>,
    bounds: Option<(T, T)>,
}

impl<T: Element> Block<'_, T> {
    #[inline(always)]
    fn run<S: Simd>(
        &self,
        simd: S,
        rows: Range<usize>,
        kernel: [usize; 2],
        dilation: [usize; 2],
        stride: [usize; 2],
        y: &mut [T],
    ) {
        let width = self.plane.output[1];
        for row in rows.clone().step_by(ROWS) {
            let from = (row - rows.start) * stride[0] * self.plane.pitch;
            let count = ROWS.min(rows.end - row);
            for column in (0..width).step_by(LANES) {
                // The last vector of a wide row begins earlier instead of reaching into the next row.
                let column = column.min(width.saturating_sub(LANES));
                let (from, at) = (from + column * stride[1], row * width + column);
                if count == 1 {
                    let [sums] = self.sums(simd, from, kernel, dilation, stride);
                    put_part(sums, &mut y[at..]);
                    continue;
                }
                let sums = self.sums::<S, ROWS>(simd, from, kernel, dilation, stride);
                for (i, sums) in sums.into_iter().enumerate() {
                    if i < count {
                        put_part(sums, &mut y[at + i * width..]);
                    }
                }
            }
        }
    }

    /// The outputs whose inputs begin at `from` in the copy: sixteen of each of `N` rows, finished.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // plain loops over constants keep the sums in registers
    fn sums<S: Simd, const N: usize>(
        &self,
        simd: S,
        from: usize,
        kernel: [usize; 2],
        dilation: [usize; 2],
        stride: [usize; 2],
    ) -> [T::Lanes<S>; N] {
        let pitch = self.plane.pitch;
        let zeros = T::splat(simd, T::ZERO);
        let (mut sums, mut more) = ([zeros; N], [zeros; N]);
        for y in 0..kernel[0] {
            for x in 0..kernel[1] {
                let weight = T::splat(simd, self.weight[y * kernel[1] + x]);
                for i in 0..N {
                    let at = from + (i * stride[0] + y * dilation[0]) * pitch + x * dilation[1];
                    // SAFETY: `copy_len` counts the vectors that the kernel reaches from the last row and column.
                    sums[i] = weight.fma(unsafe { get(simd, self.copy, at) }, sums[i]);
                    if stride[1] == 2 {
                        // SAFETY: as above.
                        more[i] = weight.fma(unsafe { get(simd, self.copy, at + LANES) }, more[i]);
                    }
                }
            }
        }
        for i in 0..N {
            if stride[1] == 2 {
                sums[i] = T::evens(sums[i], more[i]);
            }
            if let Some(bias) = self.bias {
                sums[i] = sums[i] + T::splat(simd, bias);
            }
            if let Some((low, high)) = self.bounds {
                sums[i] = sums[i].larger(T::splat(simd, low)).smaller(T::splat(simd, high));
            }
        }
        sums
    }
}

/// The sixteen elements from `at` on.
///
/// # Safety
/// They lie in `copy`.
#[inline(always)]
unsafe fn get<T: Element, S: Simd>(simd: S, copy: &[T], at: usize) -> T::Lanes<S> {
    debug_assert!(at + LANES <= copy.len());
    // SAFETY: the caller's promise.
    T::load(simd, unsafe { &*copy.as_ptr().add(at).cast() })
}

/// Stores sixteen elements from `at` on.
///
/// # Safety
/// They lie in `copy`.
#[inline(always)]
unsafe fn put<T: Element, S: Simd>(x: T::Lanes<S>, copy: &mut [T], at: usize) {
    debug_assert!(at + LANES <= copy.len());
    // SAFETY: the caller's promise.
    T::store(x, unsafe { &mut *copy.as_mut_ptr().add(at).cast() });
}

/// Stores sixteen elements, or as many as there is place for.
#[inline(always)]
fn put_part<T: Element, S: Simd>(x: T::Lanes<S>, to: &mut [T]) {
    match to.first_chunk_mut() {
        Some(to) => T::store(x, to),
        None => {
            let mut whole = [T::ZERO; LANES];
            T::store(x, &mut whole);
            to.copy_from_slice(&whole[..to.len()]);
        }
    }
}

/// The elements of a slice shorter than a vector, zeros behind them.
#[inline(always)]
fn partial<T: Element, S: Simd>(simd: S, x: &[T]) -> T::Lanes<S> {
    let mut whole = [T::ZERO; LANES];
    whole[..x.len()].copy_from_slice(x);
    T::load(simd, &whole)
}
