//! Maximum and average pooling in one to three dimensions, over `[planes, depth, height, width]`.
//!
//! A plane is one channel of one image; each is computed by one task, in the order of its outputs.

mod rows;
mod squares;
mod windows;

use crate::number::Number;
use crate::simd::{LANES, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks};
use rows::{MaxPlane, Plane, SumPlane};
use squares::{Places, Squares};

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
    fn avg_pool(shape: &PoolShape, divisor: Divisor, x: &[Self], y: &mut [Self]);
    fn avg_pool_backward(shape: &PoolShape, divisor: Divisor, dy: &[Self], dx: &mut [Self]);

    /// The largest elements of a row of windows of two by two side by side, and their places.
    fn row_of_squares<S: Simd>(simd: S, rows: [&[Self]; 2], places: Places, y: &mut [Self], indices: &mut [i32]);

    /// Where a value is larger than the best, or not a number, it becomes the best, and `first + steps` its place.
    #[inline(always)]
    #[allow(clippy::eq_op)] // a NaN is what differs from itself
    fn keep_larger<S: Simd>(
        _: S,
        values: &[Self; LANES],
        first: u32,
        steps: &[u32; LANES],
        best: &mut [Self; LANES],
        places: &mut [u32; LANES],
    ) {
        for i in 0..LANES {
            if values[i] > best[i] || values[i] != values[i] {
                (best[i], places[i]) = (values[i], first.wrapping_add(steps[i]));
            }
        }
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

    #[inline(always)]
    fn row_of_squares<S: Simd>(_: S, rows: [&[f64]; 2], places: Places, y: &mut [f64], indices: &mut [i32]) {
        squares::plain(rows, places, y, indices);
    }
}

impl Largest for f32 {
    pools!();

    #[inline(always)]
    fn row_of_squares<S: Simd>(simd: S, rows: [&[f32]; 2], places: Places, y: &mut [f32], indices: &mut [i32]) {
        squares::vectors(simd, rows, places, y, indices);
    }

    #[inline(always)]
    fn keep_larger<S: Simd>(
        simd: S,
        values: &[f32; LANES],
        first: u32,
        steps: &[u32; LANES],
        best: &mut [f32; LANES],
        places: &mut [u32; LANES],
    ) {
        let (value, old) = (simd.load(values), simd.load(best));
        let here = simd.with_bits(simd.add_i(simd.load_i(steps), simd.splat_i(first as i32)));
        let there = simd.with_bits(simd.load_i(places));
        let (larger, number) = (simd.lt(old, value), simd.eq(value, value));
        simd.store(simd.select(number, simd.select(larger, value, old), value), best);
        simd.store_i(simd.bits(simd.select(number, simd.select(larger, here, there), here)), places);
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
    T::max_pool(shape, x, y, indices);
}

fn maxima<T: Largest>(shape: &PoolShape, x: &[T], y: &mut [T], indices: &mut [i32]) {
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    assert!(i32::try_from(area).is_ok(), "a plane of {area} elements has places beyond 2³¹");
    // The start of each window, which is its index if nothing in it is larger than -∞.
    let mut starts = vec![0; positions];
    shape.for_windows(&spans, |output, window| {
        starts[output] = if window.count.contains(&0) { 0 } else { window.origin as i32 };
    });
    let (taps, squares) = (shape.taps(), shape.has_squares());
    let (y, indices) = (SharedMut::new(y), SharedMut::new(indices));
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            let x = &x[plane * area..(plane + 1) * area];
            let range = plane * positions..(plane + 1) * positions;
            // SAFETY: a plane is one task's alone.
            let (y, indices) = unsafe { (y.range(range.clone()), indices.range(range)) };
            if squares {
                dispatch(Squares { width: shape.input[2], columns: shape.output[2], x, y, indices });
                continue;
            }
            if let Some((taps, stride)) = &taps {
                let plane = Plane { shape, spans: &spans, taps, stride: *stride };
                dispatch(MaxPlane { plane, x, starts: &starts, y, indices });
                continue;
            }
            y.fill(T::NEGATIVE_INFINITY);
            indices.copy_from_slice(&starts);
            shape.for_windows(&spans, |output, window| {
                window.for_each(|at| {
                    let value = x[at];
                    #[allow(clippy::eq_op)] // a NaN is what differs from itself
                    if value > y[output] || value != value {
                        (y[output], indices[output]) = (value, at as i32);
                    }
                });
            });
        }
    });
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

fn maxima_backward<T: Largest>(shape: &PoolShape, dy: &[T], indices: &[i32], dx: &mut [T]) {
    let (area, positions) = (shape.area(), shape.positions());
    let dx = SharedMut::new(dx);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            // SAFETY: a plane is one task's alone.
            let dx = unsafe { dx.range(plane * area..(plane + 1) * area) };
            dx.fill(T::ZERO);
            let range = plane * positions..(plane + 1) * positions;
            for (&dy, &index) in dy[range.clone()].iter().zip(&indices[range]) {
                if !dx.is_empty() {
                    dx[index as usize] += dy;
                }
            }
        }
    });
}

/// `y` = the mean of each window; its sum runs over the window in order.
///
/// # Panics
/// If a slice does not have the shape's length.
#[track_caller]
pub fn avg_pool<T: PoolElement>(shape: &PoolShape, divisor: Divisor, x: &[T], y: &mut [T]) {
    shape.check(x.len(), y.len());
    T::avg_pool(shape, divisor, x, y);
}

fn means<T: Largest + From<f32>>(shape: &PoolShape, divisor: Divisor, x: &[T], y: &mut [T]) {
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    let taps = shape.taps();
    let y = SharedMut::new(y);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            let x = &x[plane * area..(plane + 1) * area];
            // SAFETY: a plane is one task's alone.
            let y = unsafe { y.range(plane * positions..(plane + 1) * positions) };
            y.fill(T::ZERO);
            match &taps {
                Some((taps, stride)) => {
                    let plane = Plane { shape, spans: &spans, taps, stride: *stride };
                    dispatch(SumPlane { plane, x, y });
                }
                None => shape.for_windows(&spans, |output, window| window.for_each(|at| y[output] += x[at])),
            }
            shape.for_windows(&spans, |output, window| {
                y[output] = y[output] / window.divisor(divisor, |n| T::from(n as f32));
            });
        }
    });
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

fn means_backward<T: Largest + From<f32>>(shape: &PoolShape, divisor: Divisor, dy: &[T], dx: &mut [T]) {
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    let dx = SharedMut::new(dx);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            let dy = &dy[plane * positions..(plane + 1) * positions];
            // SAFETY: a plane is one task's alone.
            let dx = unsafe { dx.range(plane * area..(plane + 1) * area) };
            dx.fill(T::ZERO);
            shape.for_windows(&spans, |output, window| {
                let share = dy[output] / window.divisor(divisor, |n| T::from(n as f32));
                window.for_each(|at| dx[at] += share);
            });
        }
    });
}

#[cfg(test)]
mod tests;
