//! Maximum and average pooling in one to three dimensions, over `[planes, depth, height, width]`.
//!
//! A plane is one channel of one image; each is computed by one task, in the order of its outputs.

use crate::number::Number;
use crate::threads::{SharedMut, for_chunks};

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
pub trait PoolElement: Number {}
impl PoolElement for f32 {}
impl PoolElement for f64 {}

/// One output's window along one axis: `count` inputs from `first` on, `padded` elements with the padding.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    count: usize,
    padded: usize,
}

/// The windows along the three axes.
struct Spans {
    axes: [Vec<Span>; 3],
    step: [usize; 3],
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

    fn spans(&self) -> Spans {
        let axes = std::array::from_fn(|d| (0..self.output[d]).map(|at| self.span(d, at)).collect());
        let step = match self.windows {
            Windows::Strided { dilation, .. } => dilation,
            Windows::Adaptive => [1; 3],
        };
        Spans { axes, step }
    }

    fn span(&self, d: usize, at: usize) -> Span {
        let size = self.input[d];
        match self.windows {
            Windows::Adaptive => {
                let first = at * size / self.output[d];
                let count = ((at + 1) * size).div_ceil(self.output[d]) - first;
                Span { first, count, padded: count }
            }
            Windows::Strided { kernel, stride, pad_begin, pad_end, dilation } => {
                let (start, step) = (at * stride[d], dilation[d]);
                // Elements of the window before a place, counted from the start of the padding.
                let before = |place: usize| place.saturating_sub(start).div_ceil(step).min(kernel[d]);
                let (skipped, end) = (before(pad_begin[d]), before(pad_begin[d] + size));
                Span {
                    first: (start + skipped * step).saturating_sub(pad_begin[d]),
                    count: end.saturating_sub(skipped),
                    padded: before(pad_begin[d] + size + pad_end[d]),
                }
            }
        }
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

    /// Calls `visit(output, flat inputs row by row: first, count, step; padded size)` for every output of a plane.
    #[inline(always)]
    fn for_windows(&self, spans: &Spans, mut visit: impl FnMut(usize, Window)) {
        let [_, height, width] = self.input;
        let mut output = 0;
        for &z in &spans.axes[0] {
            for &y in &spans.axes[1] {
                for &x in &spans.axes[2] {
                    let origin = (z.first * height + y.first) * width + x.first;
                    let strides = [spans.step[0] * height * width, spans.step[1] * width, spans.step[2]];
                    let count = [z.count, y.count, x.count];
                    visit(output, Window { origin, strides, count, padded: z.padded * y.padded * x.padded });
                    output += 1;
                }
            }
        }
    }
}

/// The inputs of one output.
#[derive(Clone, Copy)]
struct Window {
    origin: usize,
    strides: [usize; 3],
    count: [usize; 3],
    padded: usize,
}

impl Window {
    #[inline(always)]
    fn for_each(&self, mut visit: impl FnMut(usize)) {
        for z in 0..self.count[0] {
            for y in 0..self.count[1] {
                let row = self.origin + z * self.strides[0] + y * self.strides[1];
                for x in 0..self.count[2] {
                    visit(row + x * self.strides[2]);
                }
            }
        }
    }

    fn divisor<T: Number>(&self, divisor: Divisor, of: impl Fn(usize) -> T) -> T {
        of(match divisor {
            Divisor::Padded => self.padded,
            Divisor::Inside => self.count.iter().product(),
            Divisor::Fixed(n) => n,
        })
    }
}

/// `y` = the largest element of each window, `indices` its flat place in the input plane, the first of equals; a NaN
/// counts as the largest. A window outside the input gives -∞ and index 0.
///
/// # Panics
/// If a slice does not have the shape's length.
#[track_caller]
pub fn max_pool<T: PoolElement>(shape: &PoolShape, x: &[T], y: &mut [T], indices: &mut [i64]) {
    shape.check(x.len(), y.len());
    assert_eq!(indices.len(), y.len(), "one index for every output");
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    let (y, indices) = (SharedMut::new(y), SharedMut::new(indices));
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            let x = &x[plane * area..(plane + 1) * area];
            let range = plane * positions..(plane + 1) * positions;
            // SAFETY: a plane is one task's alone.
            let (y, indices) = unsafe { (y.range(range.clone()), indices.range(range)) };
            shape.for_windows(&spans, |output, window| {
                let (mut largest, mut index) = (T::NEGATIVE_INFINITY, window.origin);
                window.for_each(|at| {
                    let value = x[at];
                    #[allow(clippy::eq_op)] // a NaN is what differs from itself
                    if value > largest || value != value {
                        (largest, index) = (value, at);
                    }
                });
                let empty = window.count.contains(&0);
                (y[output], indices[output]) = (largest, if empty { 0 } else { index as i64 });
            });
        }
    });
}

/// `dx`, the gradient of [`max_pool`]: every `dy` is added where its output came from, in the order of the outputs.
///
/// # Panics
/// If a slice does not have the shape's length, or an index lies outside the input plane.
#[track_caller]
pub fn max_pool_backward<T: PoolElement>(shape: &PoolShape, dy: &[T], indices: &[i64], dx: &mut [T]) {
    shape.check(dx.len(), dy.len());
    assert_eq!(indices.len(), dy.len(), "one index for every output");
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
pub fn avg_pool<T: PoolElement + From<f32>>(shape: &PoolShape, divisor: Divisor, x: &[T], y: &mut [T]) {
    shape.check(x.len(), y.len());
    let (spans, area, positions) = (shape.spans(), shape.area(), shape.positions());
    let y = SharedMut::new(y);
    for_chunks(shape.planes, shape.planes_of_task(), |planes| {
        for plane in planes {
            let x = &x[plane * area..(plane + 1) * area];
            // SAFETY: a plane is one task's alone.
            let y = unsafe { y.range(plane * positions..(plane + 1) * positions) };
            shape.for_windows(&spans, |output, window| {
                let mut sum = T::ZERO;
                window.for_each(|at| sum += x[at]);
                y[output] = sum / window.divisor(divisor, |n| T::from(n as f32));
            });
        }
    });
}

/// `dx`, the gradient of [`avg_pool`]: every `dy` is spread over its window, in the order of the outputs.
///
/// # Panics
/// If a slice does not have the shape's length.
#[track_caller]
pub fn avg_pool_backward<T: PoolElement + From<f32>>(shape: &PoolShape, divisor: Divisor, dy: &[T], dx: &mut [T]) {
    shape.check(dx.len(), dy.len());
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
mod tests {
    use super::*;
    use crate::threads::set_threads;

    fn strided(input: [usize; 3], kernel: [usize; 3], stride: usize, pad: usize, dilation: usize) -> PoolShape {
        let pads = input.map(|size| if size > 1 { pad } else { 0 });
        let output = std::array::from_fn(|d| (input[d] + 2 * pads[d] - dilation * (kernel[d] - 1) - 1) / stride + 1);
        let windows =
            Windows::Strided { kernel, stride: [stride; 3], pad_begin: pads, pad_end: pads, dilation: [dilation; 3] };
        PoolShape { planes: 3, input, output, windows }
    }

    /// Worked by hand; PyTorch's `max_pool2d(x, 2, 1, 1, return_indices=True)` and `avg_pool2d(x, 2, 1, 1)`.
    #[test]
    fn a_small_plane() {
        let shape = PoolShape { planes: 1, ..strided([1, 2, 2], [1, 2, 2], 1, 1, 1) };
        let x = [1.0f32, -2.0, 3.0, 4.0];
        let (mut y, mut indices) = ([0.0; 9], [0; 9]);
        max_pool(&shape, &x, &mut y, &mut indices);
        assert_eq!(y, [1.0, 1.0, -2.0, 3.0, 4.0, 4.0, 3.0, 4.0, 4.0]);
        assert_eq!(indices, [0, 0, 1, 2, 3, 3, 2, 3, 3]);
        avg_pool(&shape, Divisor::Padded, &x, &mut y);
        assert_eq!(y, [0.25, -0.25, -0.5, 1.0, 1.5, 0.5, 0.75, 1.75, 1.0]);
        avg_pool(&shape, Divisor::Inside, &x, &mut y);
        assert_eq!(y, [1.0, -0.5, -2.0, 2.0, 1.5, 1.0, 3.0, 3.5, 4.0]);
        let mut dx = [9.0; 4];
        max_pool_backward(&shape, &[1.0; 9], &indices, &mut dx);
        assert_eq!(dx, [2.0, 1.0, 2.0, 4.0]);
        avg_pool_backward(&shape, Divisor::Fixed(4), &[1.0; 9], &mut dx);
        assert_eq!(dx, [1.0; 4]);
    }

    #[test]
    fn a_nan_is_the_largest_and_equals_keep_the_first() {
        let shape = PoolShape { planes: 1, ..strided([1, 1, 4], [1, 1, 2], 2, 0, 1) };
        let (mut y, mut indices) = ([0.0; 2], [0; 2]);
        max_pool(&shape, &[5.0f64, 5.0, f64::NAN, 7.0], &mut y, &mut indices);
        assert_eq!((y[0], indices), (5.0, [0, 2]));
        assert!(y[1].is_nan());
        max_pool(&shape, &[f64::NEG_INFINITY; 4], &mut y, &mut indices);
        assert_eq!(indices, [0, 2]);
    }

    /// The mean and the largest element of the definition's window, by a search over all inputs.
    #[test]
    fn shapes_equal_the_definition_for_all_threads() {
        for shape in [
            strided([1, 7, 9], [1, 3, 2], 2, 1, 1),
            strided([4, 5, 6], [2, 3, 3], 1, 1, 2),
            strided([1, 1, 40], [1, 1, 5], 3, 2, 2),
        ] {
            let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = shape.windows else { unreachable!() };
            let x: Vec<f64> = (0..shape.x_len()).map(|i| ((i * 7919) % 1009) as f64 / 500.0 - 1.0).collect();
            for threads in [1, 3] {
                set_threads(threads);
                let [mut mean, mut largest] = [vec![0.0; shape.y_len()], vec![0.0; shape.y_len()]];
                let mut indices = vec![0; shape.y_len()];
                avg_pool(&shape, Divisor::Inside, &x, &mut mean);
                max_pool(&shape, &x, &mut largest, &mut indices);
                for at in 0..shape.y_len() {
                    let (plane, output) = (at / shape.positions(), at % shape.positions());
                    let split =
                        |at: usize, size: [usize; 3]| [at / (size[1] * size[2]), at / size[2] % size[1], at % size[2]];
                    let output = split(output, shape.output);
                    let members: Vec<usize> = (0..shape.area())
                        .filter(|&i| {
                            let place = split(i, shape.input);
                            (0..3).all(|d| {
                                let from = (place[d] + pad_begin[d]).checked_sub(output[d] * stride[d]);
                                from.is_some_and(|f| f.is_multiple_of(dilation[d]) && f / dilation[d] < kernel[d])
                            })
                        })
                        .collect();
                    let values = members.iter().map(|&i| x[plane * shape.area() + i]);
                    let exact = values.clone().sum::<f64>() / members.len() as f64;
                    assert!((mean[at] - exact).abs() < 1e-14, "{shape:?} {at}");
                    assert_eq!(largest[at], values.fold(f64::NEG_INFINITY, f64::max));
                    assert_eq!(x[plane * shape.area() + indices[at] as usize], largest[at]);
                }
            }
        }
    }

    #[test]
    fn adaptive_windows_follow_pytorch() {
        // 7 inputs in 3 outputs: [0, 3), [2, 5), [4, 7).
        let shape = PoolShape { planes: 1, input: [1, 1, 7], output: [1, 1, 3], windows: Windows::Adaptive };
        let mut y = [0.0; 3];
        avg_pool(&shape, Divisor::Inside, &[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut y);
        assert_eq!(y, [1.0, 3.0, 5.0]);
        let mut dx = [0.0; 7];
        avg_pool_backward(&shape, Divisor::Inside, &[3.0f32, 6.0, 9.0], &mut dx);
        assert_eq!(dx, [1.0, 1.0, 3.0, 2.0, 5.0, 3.0, 3.0]);
    }
}
