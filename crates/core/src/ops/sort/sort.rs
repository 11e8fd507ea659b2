//! `sort`: elements in order along an axis, and where they were.

use crate::Order;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The elements along `axis` in order, and their former positions (`i64`). Equal elements keep their
    /// order; NaN counts as the largest number.
    ///
    /// ```
    /// # use hadal_core::{Order, Tensor};
    /// let (values, positions) = Tensor::from([2.0f32, 3.0, 1.0]).sort(-1, Order::Descending);
    /// assert_eq!((values.to_vec::<f32>(), positions.to_vec::<i64>()), (vec![3.0, 2.0, 1.0], vec![1, 0, 2]));
    /// ```
    pub fn sort(&self, axis: isize, order: Order) -> Result<(Tensor, Tensor)> {
        let positions = self.try_argsort(axis, order)?;
        Ok((self.try_gather(axis, &positions)?, positions))
    }

    /// The elements along the first axis in ascending order.
    pub fn msort(&self) -> Result<Tensor> {
        Ok(self.try_sort(0, Order::Ascending)?.0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sort", |a, x| {
        let (values, positions) = x[0].sort(a.integer("dim"), super::argsort::order(a));
        vec![values, positions]
    })
}
