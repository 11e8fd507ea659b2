//! `searchsorted`: where numbers belong in sorted rows.

use crate::ops::prelude::*;
use crate::run::order::ascending;
use std::cmp::Ordering;

/// Which of several possible places a number that is already there gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The first.
    Left,
    /// The one after the last.
    Right,
}

/// Inputs: sorted rows `[…, n]` (or `[n]` for all) and values `[…, k]`.
#[derive(Debug)]
struct SearchSorted(Side);

impl Op for SearchSorted {
    fn name(&self) -> &'static str {
        "searchsorted"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let (sorted, values) = (&x[0].shape, &x[1].shape);
        let rows = |s: &Shape| s.split_last().map(|(_, rows)| rows.to_vec());
        if sorted.rank() != 1 && (sorted.rank() == 0 || rows(sorted) != rows(values)) {
            let message =
                format!("needs a sorted vector, or sorted rows as the values have them, got {sorted} and {values}");
            return Err(Error::op(self.name(), message));
        }
        one(Meta::new(values, DType::I64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (n, k) = (x[0].shape()[x[0].shape().rank() - 1], x[1].shape().last().copied().unwrap_or(1));
        let single = x[0].shape().rank() == 1;
        let before = |order: Ordering| order == Ordering::Less || self.0 == Side::Right && order == Ordering::Equal;
        dispatch!(all x[0].dtype(), T => {
            let (sorted, values) = (x[0].contiguous::<T>(), x[1].contiguous::<T>());
            for (i, (place, value)) in y[0].slice::<i64>().iter_mut().zip(values.iter()).enumerate() {
                let start = if single { 0 } else { i / k * n };
                *place = sorted[start..start + n].partition_point(|s| before(ascending(s, value))) as i64;
            }
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("positions have no gradient")
    }

    /// The number of elements that come before.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let (sorted, values) = (x[0].unsqueeze(-2), x[1].unsqueeze(-1));
            let before = if self.0 == Side::Left { sorted.lt(values) } else { sorted.le(values) };
            before.sum(-1)
        })
    }
}

#[fallible]
impl Tensor {
    /// For each of `values`, the position (`i64`) before which it can be inserted so that this tensor stays
    /// sorted: a vector, or rows `[…, n]` for values `[…, k]`. NaN belongs at the end.
    ///
    /// ```
    /// # use hadal_core::{Side, Tensor};
    /// let sorted = Tensor::from([1.0f32, 2.0, 2.0]);
    /// assert_eq!(sorted.searchsorted(&Tensor::from([2.0f32, 5.0]), Side::Left).to_vec::<i64>(), [1, 3]);
    /// ```
    pub fn searchsorted(&self, values: impl Operand, side: Side) -> Result<Tensor> {
        let (sorted, values) = self.promoted(values)?;
        apply(SearchSorted(side), &[&sorted, &values])
    }

    /// The number of the bucket that each element falls into, the buckets being divided by the sorted vector
    /// `boundaries`; an element equal to a boundary belongs below it ([`Side::Left`]) or above.
    pub fn bucketize(&self, boundaries: &Tensor, side: Side) -> Result<Tensor> {
        if boundaries.rank() != 1 {
            return Err(Error::op("bucketize", format!("needs a vector of boundaries, got {}", boundaries.shape())));
        }
        boundaries.try_searchsorted(self, side)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("searchsorted", |a, x| {
        vec![x[0].searchsorted(&x[1], if a.flag("right") { Side::Right } else { Side::Left })]
    })
}
