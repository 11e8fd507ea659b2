//! `unique`: the different elements, or slices, in ascending order.

use crate::ops::prelude::*;
use crate::run::order::ascending;
use std::cmp::Ordering;

/// What `unique` finds.
#[derive(Clone, Debug)]
pub struct Unique {
    /// The different elements or slices.
    pub values: Tensor,
    /// For each element or slice of the tensor, its place in `values` (`i64`).
    pub inverse: Tensor,
    /// How often each of `values` occurs (`i64`).
    pub counts: Tensor,
}

impl Tensor {
    /// The different elements in ascending order; NaN is different from itself, and last.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let found = Tensor::from([3i64, 1, 3]).unique();
    /// assert_eq!(found.values.to_vec::<i64>(), [1, 3]);
    /// assert_eq!(found.inverse.to_vec::<i64>(), [1, 0, 1]);
    /// assert_eq!(found.counts.to_vec::<i64>(), [1, 2]);
    /// ```
    pub fn unique(&self) -> Unique {
        let flat = self.ravel();
        let order = dispatch!(all self.dtype(), T => sorted(&flat.to_vec::<T>(), self.elements(), 1));
        let found = flat.grouped(&order);
        Unique { inverse: found.inverse.reshape(self.shape()), ..found }
    }

    /// The runs of equal elements, in their order.
    pub fn unique_consecutive(&self) -> Unique {
        let flat = self.ravel();
        let order: Vec<usize> = (0..self.elements()).collect();
        let found = flat.grouped(&order);
        Unique { inverse: found.inverse.reshape(self.shape()), ..found }
    }

    /// Groups neighbours, in the given order, that are equal: slices along the first axis.
    fn grouped(&self, order: &[usize]) -> Unique {
        let rows = self.shape()[0];
        let width = self.elements().checked_div(rows).unwrap_or(0);
        let first: Vec<bool> = dispatch!(all self.dtype(), T => {
            let values = self.to_vec::<T>();
            let row = |r: usize| &values[r * width..(r + 1) * width];
            order.iter().enumerate().map(|(i, &r)| i == 0 || row(order[i - 1]) != row(r)).collect()
        });
        let (mut chosen, mut counts, mut inverse) = (Vec::new(), Vec::<i64>::new(), vec![0; rows]);
        for (&row, first) in order.iter().zip(first) {
            if first {
                chosen.push(row as i64);
                counts.push(0);
            }
            counts[chosen.len() - 1] += 1;
            inverse[row] = chosen.len() as i64 - 1;
        }
        Unique {
            values: self.index_select(0, &Tensor::from_slice(&chosen)),
            inverse: Tensor::from_slice(&inverse),
            counts: Tensor::from_slice(&counts),
        }
    }
}

#[fallible]
impl Tensor {
    /// The different slices along `axis`, in lexicographic order.
    pub fn unique_along(&self, axis: isize) -> Result<Unique> {
        let rows = self.try_movedim(axis, 0)?;
        let count = rows.shape()[0];
        let width = self.elements().checked_div(count).unwrap_or(0);
        let order = dispatch!(all self.dtype(), T => sorted(&rows.to_vec::<T>(), count, width));
        let found = rows.grouped(&order);
        Ok(Unique { values: found.values.try_movedim(0, axis)?, ..found })
    }
}

/// The rows in lexicographic order, equal ones in theirs.
fn sorted<T: PartialOrd>(values: &[T], rows: usize, width: usize) -> Vec<usize> {
    let row = |r: usize| &values[r * width..(r + 1) * width];
    let compare = |a: &usize, b: &usize| {
        let pairs = row(*a).iter().zip(row(*b)).map(|(a, b)| ascending(a, b));
        pairs.fold(Ordering::Equal, Ordering::then)
    };
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(compare);
    order
}

pub(crate) fn cases() -> Cases {
    Cases::new("unique", |a, x| {
        let found = if a.get("dim").is_some() { x[0].unique_along(a.integer("dim")) } else { x[0].unique() };
        vec![found.values, found.inverse, found.counts]
    })
    .reading_elements(&[])
}
