//! `nonzero`: the positions of the elements that are not zero.

use crate::ops::prelude::*;

impl Tensor {
    /// The positions of the elements that are not zero (NaN is not), in row-major order, as `i64` `[count, rank]`.
    pub fn nonzero(&self) -> Tensor {
        let mut positions = Vec::new();
        for at in self.flat_nonzero() {
            let first = positions.len();
            positions.resize(first + self.rank(), 0);
            let mut rest = at as usize;
            for (i, &size) in positions[first..].iter_mut().zip(self.shape().iter()).rev() {
                (*i, rest) = ((rest % size) as i64, rest / size);
            }
        }
        let count = positions.len().checked_div(self.rank());
        let count = count.unwrap_or_else(|| self.flat_nonzero().len());
        Tensor::from_vec(positions, [count, self.rank()])
    }

    /// The same positions, counted through all elements in row-major order.
    pub(crate) fn flat_nonzero(&self) -> Vec<i64> {
        dispatch!(all self.dtype(), T => {
            let values = self.to_vec::<T>();
            (0..).zip(&values).filter(|(_, v)| **v != T::default()).map(|(at, _)| at).collect()
        })
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("nonzero", |_, x| vec![x[0].nonzero()]).reading_elements(&[])
}
