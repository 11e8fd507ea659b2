//! Norms of gradients, summed in `f64` in a fixed order.

use super::Real;
use hadal_core::grad::{Grad, Grads};
use hadal_core::op::{Input, Metas, Op, Output, apply, one};
use hadal_core::{DType, Gradients, Meta, Result, Tensor, dispatch, no_grad};
use hadal_kernels::threads::for_chunks_mut;

/// Which norm measures a gradient.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Norm {
    /// The sum of magnitudes.
    L1,
    /// The Euclidean length.
    #[default]
    L2,
    /// The largest magnitude.
    Max,
}

/// Elements that one task sums.
const CHUNK: usize = 16 * 1024;
/// Running sums per task: enough to fill a vector register and hide its latency.
const LANES: usize = 8;

impl Norm {
    /// What one element adds.
    fn term(self, value: f64) -> f64 {
        if self == Norm::L2 { value * value } else { value.abs() }
    }

    fn joined(self, a: f64, b: f64) -> f64 {
        match self {
            // A NaN on either side stays.
            Norm::Max if a > b || a.is_nan() => a,
            Norm::Max => b,
            _ => a + b,
        }
    }

    fn finished(self, total: f64) -> f64 {
        if self == Norm::L2 { total.sqrt() } else { total }
    }

    fn of_slice<T: Real>(self, values: &[T]) -> f64 {
        let mut partial = vec![0.0; values.len().div_ceil(CHUNK)];
        for_chunks_mut(&mut partial, 1, |i, partial| {
            let values = &values[i * CHUNK..values.len().min((i + 1) * CHUNK)];
            let (whole, rest) = values.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for group in whole {
                sums.iter_mut().zip(group).for_each(|(sum, v)| *sum = self.joined(*sum, self.term(v.to_f64())));
            }
            let rest = rest.iter().map(|v| self.term(v.to_f64()));
            partial[0] = rest.chain(sums).fold(0.0, |a, b| self.joined(a, b));
        });
        partial.into_iter().fold(0.0, |a, b| self.joined(a, b))
    }

    /// The norm of one tensor.
    pub fn of(self, tensor: &Tensor) -> f64 {
        self.tensor([tensor]).item()
    }

    /// The norm of all gradients taken as one vector.
    pub fn of_all(self, gradients: &Gradients) -> f64 {
        self.tensor(gradients.iter()).item()
    }

    /// The norm of several tensors taken as one vector, as an `f64` of rank 0 without history.
    pub(super) fn tensor<'a>(self, tensors: impl IntoIterator<Item = &'a Tensor>) -> Tensor {
        no_grad(|| {
            let tensors: Vec<Tensor> = tensors.into_iter().map(|t| t.to_dtype(t.dtype().compute())).collect();
            apply(Total(self), &tensors.iter().collect::<Vec<_>>()).unwrap_or_else(|error| error.raise())
        })
    }
}

/// [`Norm::tensor`].
#[derive(Debug)]
struct Total(Norm);

impl Op for Total {
    fn name(&self) -> &'static str {
        "norm of all"
    }

    fn infer(&self, _: &[Meta]) -> Result<Metas> {
        one(Meta::new((), DType::F64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let totals = x.iter().map(|x| dispatch!(reals x.dtype(), T => self.0.of_slice(&x.contiguous::<T>())));
        let total = totals.fold(0.0, |a, b| self.0.joined(a, b));
        y[0].slice::<f64>()[0] = self.0.finished(total);
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("the norm has no history")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_of_a_long_vector() {
        let n = 3 * CHUNK + 5;
        let values: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -2.0 }).collect();
        let tensor = Tensor::from_slice(&values);
        let (ones, twos) = (n.div_ceil(2) as f64, (n / 2) as f64);
        assert_eq!(Norm::L1.of(&tensor), ones + 2.0 * twos);
        assert_eq!(Norm::L2.of(&tensor), (ones + 4.0 * twos).sqrt());
        assert_eq!(Norm::Max.of(&tensor), 2.0);
        assert!(Norm::Max.of(&Tensor::from([1.0f32, f32::NAN, 3.0])).is_nan());
    }
}
