//! Means over windows, and values spread over windows.

use super::{Geometry, Pooling, adaptive, done, wide};
use crate::ops::prelude::*;
use hadal_kernels::pool::{self, Divisor, Windows};

impl Geometry {
    /// For ONNX: what the mean of each window with all its padding is multiplied by to have another divisor.
    fn factors(&self, divisor: Divisor) -> Vec<f64> {
        let Windows::Strided { kernel, stride, pad_begin, pad_end, .. } = self.windows else {
            return vec![1.0];
        };
        // Of a window, the elements of the padded input.
        let inside = |i: usize, k: usize| {
            let (first, end) = (k * stride[i], self.input[i] + pad_begin[i] + pad_end[i]);
            (first + kernel[i]).min(end) - first
        };
        let size = kernel.iter().product::<usize>() as f64;
        let [depth, height, width] = self.output;
        let each = (0..depth).flat_map(|d| (0..height).flat_map(move |h| (0..width).map(move |w| [d, h, w])));
        let factor = |at: [usize; 3]| match divisor {
            Divisor::Inside => 1.0,
            Divisor::Fixed(n) => size / n as f64,
            Divisor::Padded => size / (0..3).map(|i| inside(i, at[i])).product::<usize>() as f64,
        };
        each.map(factor).collect()
    }
}

/// `x → y`: means.
#[derive(Debug)]
struct WindowMeans(Geometry, Divisor);

impl Op for WindowMeans {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(self.0.resized(&x[0], &self.0.output))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        dispatch!(reals x[0].dtype(), T => {
            pool::avg_pool::<T>(&shape, self.1, &x[0].contiguous(), y[0].slice())
        });
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(done(apply(SpreadMeans(self.0, self.1), &[&g.of(0)])))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let shape = &x.meta(0).shape;
        if self.0.attributes().is_none() {
            let axes = shape.rank() - self.0.rank..shape.rank();
            return Ok(vec![axes.fold(x.input(0), |value, axis| {
                let i = axis + 3 - shape.rank();
                let (windows, size) = (self.0.adaptive_windows(i), self.0.input[i]);
                let weight = |window: &std::ops::Range<usize>, k: usize| {
                    if window.contains(&k) { 1.0 / window.len() as f64 } else { 0.0 }
                };
                let matrix = windows.iter().flat_map(|window| (0..size).map(|k| weight(window, k)).collect::<Vec<_>>());
                let matrix = Tensor::from_vec(matrix.collect(), [windows.len(), size]).to_dtype(x.meta(0).dtype);
                x.along(value, shape.rank(), axis, &matrix)
            })]);
        }
        let planes = self.0.with_batch(x);
        if self.0.windows == Windows::Adaptive && self.0.output == [1; 3] {
            return Ok(vec![x.reshape(x.node("GlobalAveragePool", &[planes], &[]), &x.output(0).shape)]);
        }
        let mut attributes = self.0.attributes().expect("checked above");
        attributes.retain(|(name, _)| *name != "dilations");
        attributes.push(("count_include_pad", (self.1 != Divisor::Inside).into()));
        let y = x.reshape(x.node("AveragePool", &[planes], &attributes), &x.output(0).shape);
        // The mean of a window with all its padding, brought to the divisor that is meant.
        let factors = self.0.factors(self.1);
        Ok(vec![match factors.iter().all(|&factor| factor == 1.0) {
            true => y,
            false => {
                let sizes = &self.0.output[3 - self.0.rank..];
                let factors = Tensor::from_vec(factors, sizes).to_dtype(x.meta(0).dtype);
                x.node("Mul", &[y, x.constant(&factors)], &[])
            }
        }])
    }
}

/// `y → x`: every element shared evenly by its window; the adjoint of [`WindowMeans`].
#[derive(Debug)]
struct SpreadMeans(Geometry, Divisor);

impl Op for SpreadMeans {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized(&x[0], &self.0.input))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        dispatch!(reals x[0].dtype(), T => {
            pool::avg_pool_backward::<T>(&shape, self.1, &x[0].contiguous(), y[0].slice())
        });
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(done(apply(WindowMeans(self.0, self.1), &[&g.of(0)])))]
    }
}

/// Means over windows.
pub(crate) fn avg_pool(op: &'static str, rank: usize, x: &Tensor, pooling: &Pooling) -> Result<Tensor> {
    if pooling.dilation.iter().any(|&d| d != 1) {
        return Err(Error::op(op, format!("takes no dilation, got {}", pooling.dilation)));
    }
    let geometry = pooling.geometry(op, rank, x)?;
    apply(WindowMeans(geometry, pooling.divisor), &[&wide(x)?])?.try_to_dtype(x.dtype())
}

/// Means over windows that divide the input evenly into `sizes`.
pub(crate) fn adaptive_avg_pool(op: &'static str, rank: usize, x: &Tensor, sizes: &Shape) -> Result<Tensor> {
    let geometry = adaptive(op, rank, x, sizes)?;
    apply(WindowMeans(geometry, Divisor::Inside), &[&wide(x)?])?.try_to_dtype(x.dtype())
}
