//! Maximum and average pooling in one to three dimensions, over `[planes, depth, height, width]`.
//!
//! A plane is one channel of one image; each is computed by one task, in the order of its outputs.

mod last;
mod maxima;
mod means;
mod split;
mod squares;
mod windows;

use crate::number::Number;
use crate::simd::{LANES, Simd};
use maxima::{maxima, maxima_backward};
use means::{means, means_backward};
use split::{Band, Rows, take, take_vectors};

/// Window elements worth a task.
const TASK: usize = 1 << 14;

/// The sizes of a pooling. One and two dimensions have leading ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Images times channels.
    pub planes: usize,
    /// Depth, height and width of a plane of `x`.
    pub input: [usize; 3],
    /// Depth, height and width of a plane of `y`.
    pub output: [usize; 3],
    /// Which inputs belong to an output.
    pub windows: Windows,
}

/// Which inputs belong to an output, along each axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// A kernel that moves by a stride.
    Strided {
        /// Elements of a window.
        kernel: [usize; 3],
        /// Distance of neighbouring windows.
        stride: [usize; 3],
        /// Padding before the first input.
        pad_begin: [usize; 3],
        /// Padding after the last input.
        pad_end: [usize; 3],
        /// Distance of neighbouring elements of a window.
        dilation: [usize; 3],
    },
    /// Output `i` of `n` takes the inputs from `⌊i·size/n⌋` to `⌈(i+1)·size/n⌉`, as PyTorch's adaptive pooling.
    Adaptive,
}

/// What an average is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Divisor {
    /// The elements of the window that lie in the padded input (PyTorch's `count_include_pad`).
    Padded,
    /// The elements of the window that lie in the input.
    Inside,
    /// A given number.
    Fixed(usize),
}

/// An element type of pooling: `f32` or `f64`.
#[allow(private_bounds)]
pub trait PoolElement: Largest {}
impl PoolElement for f32 {}
impl PoolElement for f64 {}

/// A number of which the largest is looked for.
pub(crate) trait Largest: Number {
    /// [`max_pool`] and the others, compiled in this crate: a crate that calls them would not inline all that has to be
    /// compiled for wide registers.
    fn max_pool(shape: &PoolShape, x: &[Self], y: &mut [Self], indices: &mut [i32]);
    fn max_pool_backward(shape: &PoolShape, dy: &[Self], indices: &[i32], dx: &mut [Self]);
    fn max_pool_channels_last(shape: &PoolShape, channels: usize, x: &[Self], y: &mut [Self], indices: &mut [i32]);
    fn max_pool_channels_last_backward(
        shape: &PoolShape,
        channels: usize,
        dy: &[Self],
        indices: &[i32],
        dx: &mut [Self],
    );
    fn avg_pool(shape: &PoolShape, divisor: Divisor, x: &[Self], y: &mut [Self]);
    fn avg_pool_backward(shape: &PoolShape, divisor: Divisor, dy: &[Self], dx: &mut [Self]);

    /// Copies rows phase by phase; `nan` becomes NaN where an element is one.
    #[inline(always)]
    fn take<S: Simd>(_: S, x: &[Self], rows: Rows<Self>, copy: &mut [Self], nan: &mut [Self; LANES]) {
        take(x, rows, copy, nan);
    }

    /// Whether there is [`squares`](Self::squares).
    const SQUARES: bool = false;

    /// The largest elements of a plane whose windows are squares, and their places; `rows` are the lengths of a row of
    /// the input and of the output. The answer is whether all elements are finite: else the rest means nothing.
    #[inline(always)]
    fn squares<S: Simd>(_: S, _: &[Self], _rows: [usize; 2], _: &mut [Self], _: &mut [i32]) -> bool {
        false
    }

    /// The largest elements of a band of windows without NaN, and their places: the first of equals, and anything where
    /// none is larger than -∞. What lies behind the band may be overwritten. The answer is whether there is such a window.
    #[inline(always)]
    fn largest<S: Simd>(_: S, band: Band<Self>, y: &mut [Self], indices: &mut [i32]) -> bool {
        maxima::largest(band, y, indices)
    }

    /// The largest element of a window in each channel, and its place: a NaN counts as the largest, and of equals it is
    /// the first. `x` begins at the window's first pixel, which has the place `place`; `taps` are its pixels from there.
    #[inline(always)]
    fn largest_of_pixels<S: Simd>(_: S, x: &[Self], taps: &[usize], place: usize, y: &mut [Self], indices: &mut [i32]) {
        last::largest_of_pixels(x, taps, place, y, indices);
    }

    /// Adds each channel of `dy` where its index says, if that is one of the pixels `taps` from the first, which has the
    /// place `place` and where `dx` begins. `ONCE`: the pixels are these channels' alone, and what `dx` held is nothing.
    #[inline(always)]
    fn add_to_pixels<S: Simd, const ONCE: bool>(
        _: S,
        dy: &[Self],
        indices: &[i32],
        place: usize,
        taps: &[usize],
        dx: &mut [Self],
    ) {
        last::add_to_pixels::<_, ONCE>(dy, indices, place, taps, dx);
    }
}

macro_rules! pools {
    () => {
        fn max_pool(shape: &PoolShape, x: &[Self], y: &mut [Self], indices: &mut [i32]) {
            maxima(shape, x, y, indices);
        }

        fn max_pool_backward(shape: &PoolShape, dy: &[Self], indices: &[i32], dx: &mut [Self]) {
            maxima_backward(shape, dy, indices, dx);
        }

        fn max_pool_channels_last(shape: &PoolShape, channels: usize, x: &[Self], y: &mut [Self], indices: &mut [i32]) {
            last::maxima(shape, channels, x, y, indices);
        }

        fn max_pool_channels_last_backward(
            shape: &PoolShape,
            channels: usize,
            dy: &[Self],
            indices: &[i32],
            dx: &mut [Self],
        ) {
            last::maxima_backward(shape, channels, dy, indices, dx);
        }

        fn avg_pool(shape: &PoolShape, divisor: Divisor, x: &[Self], y: &mut [Self]) {
            means(shape, divisor, x, y);
        }

        fn avg_pool_backward(shape: &PoolShape, divisor: Divisor, dy: &[Self], dx: &mut [Self]) {
            means_backward(shape, divisor, dy, dx);
        }
    };
}

impl Largest for f64 {
    pools!();
}

impl Largest for f32 {
    pools!();

    #[inline(always)]
    fn take<S: Simd>(simd: S, x: &[f32], rows: Rows<f32>, copy: &mut [f32], nan: &mut [f32; LANES]) {
        take_vectors(simd, x, rows, copy, nan);
    }

    const SQUARES: bool = true;

    #[inline(always)]
    fn squares<S: Simd>(simd: S, x: &[f32], rows: [usize; 2], y: &mut [f32], indices: &mut [i32]) -> bool {
        squares::squares(simd, x, rows, y, indices)
    }

    #[inline(always)]
    fn largest<S: Simd>(simd: S, band: Band<f32>, y: &mut [f32], indices: &mut [i32]) -> bool {
        maxima::largest_vectors(simd, band, y, indices)
    }

    #[inline(always)]
    fn largest_of_pixels<S: Simd>(
        simd: S,
        x: &[f32],
        taps: &[usize],
        place: usize,
        y: &mut [f32],
        indices: &mut [i32],
    ) {
        last::largest_vectors(simd, x, taps, place, y, indices);
    }

    #[inline(always)]
    fn add_to_pixels<S: Simd, const ONCE: bool>(
        simd: S,
        dy: &[f32],
        indices: &[i32],
        place: usize,
        taps: &[usize],
        dx: &mut [f32],
    ) {
        last::add_vectors::<S, ONCE>(simd, dy, indices, place, taps, dx);
    }
}

impl PoolShape {
    /// Elements of `x`.
    pub fn x_len(&self) -> usize {
        self.planes * self.area()
    }

    /// Elements of `y`.
    pub fn y_len(&self) -> usize {
        self.planes * self.positions()
    }

    fn area(&self) -> usize {
        self.input.iter().product()
    }

    fn positions(&self) -> usize {
        self.output.iter().product()
    }

    #[track_caller]
    fn check(&self, x: usize, y: usize) {
        if let Windows::Strided { kernel, stride, dilation, .. } = self.windows {
            let positive = [kernel, stride, dilation].iter().flatten().all(|&size| size > 0);
            assert!(positive, "kernel, stride and dilation are at least 1: {self:?}");
        }
        assert_eq!((x, y), (self.x_len(), self.y_len()), "lengths of x and y: {self:?}");
    }

    #[track_caller]
    fn check_channels(&self, channels: usize) {
        let whole = self.planes.is_multiple_of(channels);
        assert!(whole, "{} planes are not images of {channels} channels", self.planes);
    }

    /// Planes that are worth a task.
    fn planes_of_task(&self) -> usize {
        TASK.div_ceil(self.area().max(self.positions()).max(1))
    }
}

/// `y` = the largest element of each window, `indices` its flat place in the input plane, the first of equals; a NaN
/// counts as the largest. A window outside the input gives -∞ and index 0.
///
/// # Panics
/// If a slice does not have the shape's length, or a plane 2³¹ elements.
#[track_caller]
pub fn max_pool<T: PoolElement>(shape: &PoolShape, x: &[T], y: &mut [T], indices: &mut [i32]) {
    shape.check(x.len(), y.len());
    assert_eq!(indices.len(), y.len(), "one index for every output");
    if !y.is_empty() {
        T::max_pool(shape, x, y, indices);
    }
}

/// `dx`, the gradient of [`max_pool`]: every `dy` is added where its output came from, in the order of the outputs.
///
/// # Panics
/// If a slice does not have the shape's length, or an index lies outside the input plane.
#[track_caller]
pub fn max_pool_backward<T: PoolElement>(shape: &PoolShape, dy: &[T], indices: &[i32], dx: &mut [T]) {
    shape.check(dx.len(), dy.len());
    assert_eq!(indices.len(), dy.len(), "one index for every output");
    T::max_pool_backward(shape, dy, indices, dx);
}

/// [`max_pool`] of images whose channels lie last: `x [image, depth, height, width, channel]`, with `y` and `indices` alike.
/// `shape` is that of the same images with their channels first, and so are all values and indices.
///
/// # Panics
/// If a slice does not have the shape's length, the planes are not images of that many channels, or a plane has 2³¹
/// elements.
#[track_caller]
pub fn max_pool_channels_last<T: PoolElement>(
    shape: &PoolShape,
    channels: usize,
    x: &[T],
    y: &mut [T],
    indices: &mut [i32],
) {
    shape.check(x.len(), y.len());
    shape.check_channels(channels);
    assert_eq!(indices.len(), y.len(), "one index for every output");
    if !y.is_empty() {
        T::max_pool_channels_last(shape, channels, x, y, indices);
    }
}

/// `dx`, the gradient of [`max_pool_channels_last`], with the bits of [`max_pool_backward`]. `indices` are what it gave:
/// what lies outside an output's window would be ignored.
///
/// # Panics
/// If a slice does not have the shape's length, or the planes are not images of that many channels.
#[track_caller]
pub fn max_pool_channels_last_backward<T: PoolElement>(
    shape: &PoolShape,
    channels: usize,
    dy: &[T],
    indices: &[i32],
    dx: &mut [T],
) {
    shape.check(dx.len(), dy.len());
    shape.check_channels(channels);
    assert_eq!(indices.len(), dy.len(), "one index for every output");
    if !dx.is_empty() {
        T::max_pool_channels_last_backward(shape, channels, dy, indices, dx);
    }
}

/// `y` = the mean of each window; its sum runs over the window in order.
///
/// # Panics
/// If a slice does not have the shape's length.
#[track_caller]
pub fn avg_pool<T: PoolElement>(shape: &PoolShape, divisor: Divisor, x: &[T], y: &mut [T]) {
    shape.check(x.len(), y.len());
    if !y.is_empty() {
        T::avg_pool(shape, divisor, x, y);
    }
}

/// `dx`, the gradient of [`avg_pool`]: every `dy` is spread over its window, in the order of the outputs.
///
/// # Panics
/// If a slice does not have the shape's length.
#[track_caller]
pub fn avg_pool_backward<T: PoolElement>(shape: &PoolShape, divisor: Divisor, dy: &[T], dx: &mut [T]) {
    shape.check(dx.len(), dy.len());
    T::avg_pool_backward(shape, divisor, dy, dx);
}

#[cfg(test)]
mod tests;
